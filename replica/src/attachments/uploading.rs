//! Bringing chunks to the relay. One is on its way at a time, and its bytes are in memory no longer than that. What this tab has
//! just made goes whole; of all else the relay is asked first whether it has it. Of what another tab is to bring it is asked only,
//! and that after a while: that tab may be gone, and what it said of a chunk have come after that the relay has it.

use std::collections::btree_map::Entry;

use protocol::attachment::{Chunk, claim};
use protocol::rand_core::CryptoRng;
use protocol::roster::{self, Action, Role};
use protocol::{ChunkHash, ClassroomId, DocumentId, LaneId, MemberId, Refusal};

use super::rows_of;
use crate::classroom::{Classroom, Way};
use crate::event::{Effect, Uploaded};
use crate::loading::{READ_AGAIN, What};
use crate::outgoing::{SEND_AGAIN_AFTER, SEND_FOR_OTHERS_AFTER, again_at, stops_for_now};
use crate::store::{self, Changes, Records, Table, UploadRecord, rows};
use crate::tabs::Note;
use crate::writes::After;
use crate::{Error, Replica};

/// A chunk that the relay may not have.
pub(crate) struct Upload {
    /// What the tab writes on that brings it, and as whom.
    pub(crate) lane: LaneId,
    pub(crate) member: MemberId,
    pub(crate) durable: bool,
    pub(crate) way: Way,
    /// It was attached on this device: nobody else may have it.
    pub(crate) made_here: bool,
    /// It goes with its bytes at once.
    whole: bool,
}

/// The chunk that is being brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Uploading {
    classroom: ClassroomId,
    document: DocumentId,
    chunk: ChunkHash,
    /// Whether it is on its way, and not being read.
    is_sent: bool,
}

impl<R: CryptoRng> Replica<R> {
    /// Notes that the relay may not have these chunks of a document, unless they are not this person's to bring; what the relay
    /// would not take as things are waits. `made_here` if they were attached here: it has none of them.
    #[inline(never)]
    pub(crate) fn note_uploads(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        chunks: &[ChunkHash],
        made_here: bool,
    ) -> Result<(), Error> {
        let lane = self.lane;
        let Some(member) = self.me.as_ref().map(|me| me.keys.id()) else {
            return Ok(());
        };
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let mut noted = Vec::new();
        if !classroom.is_to_bring(&member, &document) {
            return Ok(());
        }
        for chunk in chunks {
            if let Entry::Vacant(place) = classroom.uploads.entry((document, *chunk)) {
                place.insert(Upload {
                    lane,
                    member,
                    durable: false,
                    way: Way::READY,
                    made_here,
                    whole: made_here,
                });
                noted.push(*chunk);
            }
        }
        if noted.is_empty() {
            return Ok(());
        }
        let record = UploadRecord { lane, made_here };
        for chunk in &noted {
            let key = store::chunk_key(id, &document, chunk);
            self.batch(id).put(Table::Uploads, key, &record)?;
        }
        self.writes.then(After::Uploads(*id, document, noted, record));
        Ok(())
    }

    /// What was noted is durable, and the chunks with it. Another tab brings them if this one is gone.
    pub(crate) fn uploads_written(
        &mut self,
        id: ClassroomId,
        document: DocumentId,
        mut chunks: Vec<ChunkHash>,
        UploadRecord { lane, made_here }: UploadRecord,
    ) {
        let Some(classroom) = self.classrooms.get_mut(&id) else {
            return;
        };
        // Of what was seen to meanwhile the others need not hear.
        chunks.retain(|chunk| {
            let upload = classroom.uploads.get_mut(&(document, *chunk));
            upload.is_some_and(|upload| {
                upload.durable = true;
                upload.lane == lane
            })
        });
        let note = Note::Uploads {
            classroom: id,
            document,
            chunks,
            lane,
            made_here,
        };
        if let Ok(note) = note.encode() {
            self.effects.push(Effect::TellTabs(note));
        }
    }

    /// Another tab has chunks to bring.
    #[inline(never)]
    pub(crate) fn uploads_of_tab(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        chunks: &[ChunkHash],
        record: UploadRecord,
    ) {
        let way = self.way_of(&record.lane);
        let me = self.me.as_ref().map(|me| me.keys.id());
        if let (Some(member), Some(classroom)) = (me, self.classrooms.get_mut(id)) {
            for chunk in chunks {
                let upload = Upload::stored(record, member, way);
                classroom.uploads.entry((document, *chunk)).or_insert(upload);
            }
        }
    }

    /// Another tab says that a chunk need not be brought any more. If this one was to bring it as well, the others may have heard
    /// of that only since.
    #[inline(never)]
    pub(crate) fn uploaded_by_tab(&mut self, id: &ClassroomId, document: DocumentId, chunk: ChunkHash) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let upload = classroom.uploads.remove(&(document, chunk));
        if upload.is_some_and(|upload| self.held.contains(&upload.lane)) {
            self.chunk_on_relay(id, document, chunk);
        }
    }

    /// Reads what is to be brought from the store.
    pub(crate) fn read_uploads(&mut self, records: &Records) {
        let Some(member) = self.me.as_ref().map(|me| me.keys.id()) else {
            return;
        };
        for (key, value) in rows(records, Table::Uploads) {
            if let Some((id, document, chunk)) = store::parse_chunk_key(key)
                && let Ok(record) = store::decode::<UploadRecord>(Table::Uploads, value)
                && let way = self.way_of(&record.lane)
                && let Some(classroom) = self.classrooms.get_mut(&id)
            {
                let upload = Upload::stored(record, member, way);
                classroom.uploads.entry((document, chunk)).or_insert(upload);
            }
        }
    }

    /// Brings the next chunk, if none is on its way.
    pub(crate) fn upload_next(&mut self) {
        let now = self.now;
        let has_any = |classroom: &Classroom| !classroom.uploads.is_empty() || !classroom.brought.is_empty();
        if self.uploading.is_some() || !self.connection.is_up() || !self.classrooms.values().any(has_any) {
            return;
        }
        if self.ask_for_brought() {
            return;
        }
        let random = self.rng.next_u32();
        let Some((next, whole)) = self
            .classrooms
            .values()
            .find_map(|classroom| classroom.next_upload(now, random))
        else {
            return;
        };
        self.uploading = Some(next);
        let Uploading {
            classroom,
            document,
            chunk,
            ..
        } = next;
        if whole {
            let ranges = rows_of(&classroom, &document, [&chunk]);
            self.read(classroom, What::Upload(document, chunk), ranges);
        } else {
            self.upload(None);
        }
    }

    /// Its bytes were read.
    #[inline(never)]
    pub(crate) fn upload_read(
        &mut self,
        classroom: ClassroomId,
        (document, chunk): (DocumentId, ChunkHash),
        found: Changes,
    ) {
        let awaited = Uploading {
            classroom,
            document,
            chunk,
            is_sent: false,
        };
        if self.uploading != Some(awaited) {
            return;
        }
        let found = super::chunks_in(found).next().map(|(_, chunk)| chunk);
        match found {
            Some(chunk) => self.upload(Some(chunk)),
            None => {
                self.uploading = None;
                match self.upload_mut(&classroom, document, chunk) {
                    // Nobody else may have it: that it is lost is said.
                    Some(upload) if upload.made_here => {
                        let reason = Refusal::MissingPiece;
                        upload.way = Way::Refused {
                            reason,
                            again_at: None,
                        };
                    }
                    // It is nowhere here, and need not wait for itself.
                    _ => self.chunk_on_relay(&classroom, document, chunk),
                }
            }
        }
    }

    #[inline(never)]
    pub(crate) fn upload_not_read(&mut self, id: &ClassroomId, (document, chunk): (DocumentId, ChunkHash)) {
        let from = self.now + READ_AGAIN;
        self.uploading = None;
        if let Some(upload) = self.upload_mut(id, document, chunk) {
            upload.way = Way::Waiting { from };
        }
    }

    /// Sends the chunk whose turn it is, or only says what it belongs to.
    #[inline(never)]
    fn upload(&mut self, bytes: Option<Chunk>) {
        let Some(Uploading {
            classroom,
            document,
            chunk,
            ..
        }) = self.uploading
        else {
            return;
        };
        self.say_of_chunk(classroom, document, chunk, bytes);
        if let Some(upload) = self.upload_mut(&classroom, document, chunk) {
            upload.way = Way::Sent;
        }
    }

    /// Says what a chunk belongs to, with its bytes or without.
    pub(super) fn say_of_chunk(
        &mut self,
        classroom: ClassroomId,
        document: DocumentId,
        chunk: ChunkHash,
        bytes: Option<Chunk>,
    ) {
        let Some(me) = &self.me else { return };
        self.uploading = Some(Uploading {
            classroom,
            document,
            chunk,
            is_sent: true,
        });
        let signature = claim(&me.keys, &self.connection.origin, &classroom, &document, &chunk);
        let member = me.keys.id();
        self.effects.push(Effect::Upload {
            classroom,
            document,
            chunk,
            member,
            signature,
            bytes: bytes.map(Chunk::into_bytes),
        });
    }

    /// What came of it.
    #[inline(never)]
    pub(crate) fn uploaded(
        &mut self,
        classroom: ClassroomId,
        document: DocumentId,
        chunk: ChunkHash,
        outcome: Uploaded,
    ) {
        let awaited = Uploading {
            classroom,
            document,
            chunk,
            is_sent: true,
        };
        // Else it is of a connection that was given up.
        if self.uploading != Some(awaited) {
            return;
        }
        self.uploading = None;
        if self.brought_answered(&classroom, document, chunk, outcome) {
            return;
        }
        let now = self.now;
        let known = self.classrooms.get_mut(&classroom);
        let Some(upload) = known.and_then(|known| known.uploads.get_mut(&(document, chunk))) else {
            return;
        };
        match outcome {
            Uploaded::Done => {
                // Of what others may have brought nobody knows when.
                if upload.whole || upload.made_here {
                    self.note_brought(&classroom, document, chunk);
                }
                self.chunk_on_relay(&classroom, document, chunk);
            }
            Uploaded::Refused(Refusal::MissingPiece) if !upload.whole => {
                upload.whole = self.held.contains(&upload.lane);
                // What its own tab is to bring is only asked about here.
                let from = if upload.whole {
                    0
                } else {
                    now + SEND_FOR_OTHERS_AFTER
                };
                upload.way = Way::Waiting { from };
            }
            Uploaded::Refused(reason) => upload.way = refused(reason, now),
            Uploaded::Unanswered => {
                // It may have come all the same.
                upload.whole = false;
                upload.way = Way::Waiting {
                    from: now + SEND_AGAIN_AFTER,
                };
            }
        }
    }

    /// What was on its way may have come or not.
    #[inline(never)]
    pub(crate) fn upload_lost(&mut self) {
        let Some(Uploading {
            classroom,
            document,
            chunk,
            is_sent,
        }) = self.uploading.take()
        else {
            return;
        };
        if self.brought_lost(&classroom) {
            return;
        }
        if let Some(upload) = self.upload_mut(&classroom, document, chunk)
            && is_sent
        {
            upload.whole = false;
            upload.way = Way::READY;
        }
    }

    /// A chunk need not be brought any more; the other tabs hear of it.
    #[inline(never)]
    pub(crate) fn chunk_on_relay(&mut self, id: &ClassroomId, document: DocumentId, chunk: ChunkHash) {
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.uploads.remove(&(document, chunk));
        }
        self.batch(id)
            .delete(Table::Uploads, store::chunk_key(id, &document, &chunk));
        self.tell_tabs(&Note::Uploaded {
            classroom: *id,
            document,
            chunk,
        });
    }

    fn upload_mut(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        chunk: ChunkHash,
    ) -> Option<&mut Upload> {
        self.classrooms.get_mut(id)?.uploads.get_mut(&(document, chunk))
    }
}

impl Upload {
    /// Whether it is neither here nor there any more.
    pub(super) fn is_lost(&self) -> bool {
        let reason = Refusal::MissingPiece;
        self.way
            == Way::Refused {
                reason,
                again_at: None,
            }
    }

    /// What the store holds, or another tab noted.
    fn stored(UploadRecord { lane, made_here }: UploadRecord, member: MemberId, way: Way) -> Self {
        Self {
            lane,
            member,
            durable: true,
            way,
            made_here,
            whole: false,
        }
    }
}

impl Classroom {
    /// What is to be brought, but for what is not this person's to bring any more: they may not, or its document is gone. What
    /// others made and this person may not bring as things are need not trouble them.
    pub(crate) fn to_upload(&self) -> impl Iterator<Item = (&(DocumentId, ChunkHash), &Upload)> {
        let uploads = self.uploads.iter();
        uploads.filter(|((document, _), upload)| {
            let is_theirs = upload.made_here && self.is_to_bring(&upload.member, document);
            is_theirs || self.may_bring(&upload.member, document)
        })
    }

    /// Whether the relay knows the classroom and this person, without whom it would not take anything.
    pub(super) fn takes_chunks(&self) -> bool {
        let is_open = self
            .channel
            .as_ref()
            .is_some_and(|channel| channel.position.is_some());
        let admits =
            |entry: &roster::Entry| matches!(entry.action(), Action::Found { .. } | Action::Admit { .. });
        let mut unsent = self.entries.keys().filter_map(|hash| self.roster.entry(hash));
        is_open && self.joining.is_none() && !self.is_looking() && !unsent.any(admits)
    }

    fn is_to_bring(&self, member: &MemberId, document: &DocumentId) -> bool {
        let role = self.roster.member(member).map(|member| member.role);
        role.is_some_and(|role| role.may_write() || role == Role::Carrier)
            && self.roster.is_in_space(member, &self.space_of(document))
            && !self.is_gone(document)
    }

    /// What the relay did not take because its person had not the right to is due again: the roster has grown.
    pub(crate) fn bring_what_is_allowed(&mut self) {
        for upload in self.uploads.values_mut() {
            let is_of_rights = |reason| {
                matches!(
                    reason,
                    Refusal::NotAMember | Refusal::NotAllowed | Refusal::NotInSpace
                ) || stops_for_now(reason)
            };
            if matches!(upload.way, Way::Refused { reason, .. } if is_of_rights(reason)) {
                upload.way = Way::READY;
            }
        }
    }

    /// Whether the relay takes chunks of a document from a member as things are.
    pub(super) fn may_bring(&self, member: &MemberId, document: &DocumentId) -> bool {
        let is_staff = self
            .roster
            .member(member)
            .is_some_and(|member| member.role.is_staff());
        let is_open = !self.roster.closed() && !self.roster.locked(document);
        self.is_to_bring(member, document) && (is_staff || is_open)
    }

    /// What is due, and whether it goes whole. What the relay lacks goes first. Of all else any: where many bring the same, each
    /// brings some of it.
    fn next_upload(&self, now: u64, random: u32) -> Option<(Uploading, bool)> {
        if !self.takes_chunks() {
            return None;
        }
        let is_due = |((document, _), upload): &(&(DocumentId, ChunkHash), &Upload)| {
            upload.durable && upload.way.is_due(now) && self.may_bring(&upload.member, document)
        };
        let due: Vec<_> = self.uploads.iter().filter(is_due).collect();
        let some = due.get(random as usize % due.len().max(1));
        let whole = due.iter().find(|(_, upload)| upload.whole);
        let ((document, chunk), upload) = whole.or(some)?;
        let uploading = Uploading {
            classroom: self.id,
            document: *document,
            chunk: *chunk,
            is_sent: false,
        };
        Some((uploading, upload.whole))
    }
}

/// What was refused goes again when that may have passed. What stops it the roster says as well, once that is here. Each chunk is
/// a request of its own.
pub(super) fn refused(reason: Refusal, now: u64) -> Way {
    let is_of_request = matches!(reason, Refusal::TooSlow | Refusal::TooManyConnections);
    let soon = (stops_for_now(reason) || is_of_request).then_some(now + SEND_AGAIN_AFTER);
    let again_at = again_at(reason, now).or(soon);
    Way::Refused { reason, again_at }
}
