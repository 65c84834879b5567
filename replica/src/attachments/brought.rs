//! Whether the relay still has what was brought to it. A chunk takes no position there: a relay that was put back from a backup,
//! and has given out none since, shows by none that it lost it. So each tab notes the last chunk that it brought, and says of it
//! once on each connection what it belongs to. If the relay lacks it, all is compared.

use protocol::rand_core::CryptoRng;
use protocol::{ChunkHash, ClassroomId, DocumentId, LaneId, MemberId, Refusal};

use super::uploading::refused;
use crate::Replica;
use crate::classroom::{Classroom, Way};
use crate::event::Uploaded;
use crate::outgoing::SEND_AGAIN_AFTER;
use crate::store::{self, BroughtRecord, Records, Table, rows};

/// The last chunk that a tab brought.
pub(crate) struct Brought {
    document: DocumentId,
    chunk: ChunkHash,
    /// How far it is with asking for it; nothing once the relay has said on this connection that it has it.
    way: Option<Way>,
}

impl Brought {
    fn new(BroughtRecord { document, chunk }: BroughtRecord, way: Option<Way>) -> Self {
        Self { document, chunk, way }
    }

    fn is_asked_for(&self) -> bool {
        self.way == Some(Way::Sent)
    }

    fn ask_again(&mut self) {
        self.way = Some(Way::READY);
    }

    /// The classroom is opened anew. What is on its way is so apart from that.
    pub(crate) fn channel_closed(&mut self) {
        if !self.is_asked_for() {
            self.ask_again();
        }
    }
}

impl<R: CryptoRng> Replica<R> {
    /// Reads what tabs brought that are gone, but for what is gone as well.
    pub(crate) fn read_brought(&mut self, records: &Records) {
        for (key, value) in rows(records, Table::Classrooms) {
            if let Some((id, lane)) = store::parse_brought_key(key)
                && self.held.contains(&lane)
                && let Some(classroom) = self.classrooms.get_mut(&id)
                && let Ok(record) = store::decode::<BroughtRecord>(Table::Classrooms, value)
            {
                if classroom.is_gone(&record.document) {
                    self.writes.next().delete(Table::Classrooms, key.to_vec());
                } else {
                    let brought = Brought::new(record, Some(Way::READY));
                    classroom.brought.insert(lane, brought);
                }
            }
        }
    }

    /// This tab brought a chunk: after all that those did that are gone.
    pub(super) fn note_brought(&mut self, id: &ClassroomId, document: DocumentId, chunk: ChunkHash) {
        let lane = self.lane;
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let record = BroughtRecord { document, chunk };
        let mut before = std::mem::take(&mut classroom.brought);
        before.remove(&lane);
        classroom.brought.insert(lane, Brought::new(record, None));
        let batch = self.batch(id);
        for lane in before.keys() {
            batch.delete(Table::Classrooms, store::brought_key(id, lane));
        }
        // A record always encodes: it is two names.
        batch
            .put(Table::Classrooms, store::brought_key(id, &lane), &record)
            .unwrap_or_default();
    }

    /// The relay keeps nothing of a document that is erased.
    pub(crate) fn forget_brought(&mut self, id: &ClassroomId, document: &DocumentId) {
        let brought = self.classrooms.get(id).map(|classroom| &classroom.brought);
        let of_document = brought.into_iter().flatten();
        let of_document = of_document.filter(|(_, brought)| brought.document == *document);
        for lane in of_document.map(|(lane, _)| *lane).collect::<Vec<_>>() {
            self.not_brought(id, &lane);
        }
    }

    fn not_brought(&mut self, id: &ClassroomId, lane: &LaneId) {
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.brought.remove(lane);
        }
        self.batch(id)
            .delete(Table::Classrooms, store::brought_key(id, lane));
    }

    /// Asks for the next of what was brought; says whether there is one.
    pub(super) fn ask_for_brought(&mut self) -> bool {
        let now = self.now;
        let due = |classroom: &mut Classroom| {
            let member = self.me.as_ref()?.keys.id();
            let lane = classroom.brought_to_ask_for(&member, now)?;
            let brought = classroom.brought.get_mut(&lane)?;
            brought.way = Some(Way::Sent);
            Some((classroom.id, brought.document, brought.chunk))
        };
        let Some((id, document, chunk)) = self.classrooms.values_mut().find_map(due) else {
            return false;
        };
        self.say_of_chunk(id, document, chunk, None);
        true
    }

    /// No answer comes any more; says whether one of these was on its way.
    pub(super) fn brought_lost(&mut self, id: &ClassroomId) -> bool {
        let brought = self
            .classrooms
            .get_mut(id)
            .map(|classroom| &mut classroom.brought);
        let mut brought = brought.into_iter().flat_map(|brought| brought.values_mut());
        let asked = brought.find(|brought| brought.is_asked_for());
        asked.map(Brought::ask_again).is_some()
    }

    /// What the relay says of a chunk may answer that; if so, what comes of it.
    #[inline(never)]
    pub(super) fn brought_answered(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        chunk: ChunkHash,
        outcome: Uploaded,
    ) -> bool {
        let now = self.now;
        let brought = self
            .classrooms
            .get_mut(id)
            .map(|classroom| &mut classroom.brought);
        let Some((lane, brought)) = brought.into_iter().flatten().find(|(_, brought)| {
            brought.is_asked_for() && (brought.document, brought.chunk) == (document, chunk)
        }) else {
            return false;
        };
        let lane = *lane;
        brought.way = match outcome {
            Uploaded::Done => None,
            Uploaded::Unanswered => Some(Way::Waiting {
                from: now + SEND_AGAIN_AFTER,
            }),
            Uploaded::Refused(Refusal::MissingPiece) => {
                // It is noted again if it is brought again. If it is here no more, that is not to be asked on each connection.
                self.not_brought(id, &lane);
                self.heal_what_is_open(id);
                return true;
            }
            Uploaded::Refused(reason) => Some(refused(reason, now)),
        };
        true
    }
}

impl Classroom {
    /// Whose last chunk is to be asked for, if the relay would answer. While all is compared nothing need be.
    fn brought_to_ask_for(&self, member: &MemberId, now: u64) -> Option<LaneId> {
        let mut brought = self.brought.iter();
        let is_due = |brought: &Brought| {
            brought.way.is_some_and(|way| way.is_due(now)) && self.may_bring(member, &brought.document)
        };
        let (lane, _) = brought.find(|(_, brought)| is_due(brought))?;
        (self.takes_chunks() && !self.unhealed).then_some(*lane)
    }
}
