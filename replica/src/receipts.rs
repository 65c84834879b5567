//! Receipts: how far everybody has each document, so that each sees what of theirs was seen at the other schools. What counts
//! is which changes somebody has, never when they say they had them.
//!
//! Who has been quiet for a while tells the others of each space how far they have its documents. Who writes on top of a
//! change has seen it as well. Own work counts as seen at a school once members of it have all of it.

use std::collections::{BTreeMap, BTreeSet};

use documents::change::Hash;
use protocol::bounded::Bytes;
use protocol::frame::ClientFrame;
use protocol::rand_core::CryptoRng;
use protocol::receipt::{Header, MAX_BODY, MAX_DOCUMENT_HEADS, MAX_DOCUMENTS, Receipt, Seen};
use protocol::{ClassroomId, DocumentId, MemberId, ReceiptHash, SchoolId, SpaceId};

use crate::classroom::{Channel, Classroom, Copy, Submission};
use crate::incoming::reason_of;
use crate::store::{self, AsideReason, Said, Table};
use crate::view;
use crate::{Error, Replica};

/// How long a classroom is quiet before a receipt is given, at least, and at most besides, in milliseconds.
const QUIET: u64 = 30_000;
const SPREAD: u64 = 10_000;
/// The same of a classroom that is never quiet.
const LONGEST: u64 = 300_000;
/// How many bytes a receipt has for documents, besides the lengths of the body and of its list; and how many each takes
/// besides its heads: its name, and their number.
const ROOM: usize = MAX_BODY - 8;
const FEWEST: usize = 17;

#[derive(Default)]
pub(crate) struct Receipts {
    /// The newest of each member for each space.
    given: BTreeMap<(MemberId, SpaceId), Given>,
    /// The schools at which the own work on a document was seen.
    seen_at: BTreeMap<DocumentId, Vec<SchoolId>>,
    /// The documents to look at again.
    due: BTreeSet<DocumentId>,
    /// When to give an own one, and when the first change came that it will tell of.
    give_at: Option<(u64, u64)>,
    /// Whether the relay may lack the last own one.
    is_unsent: bool,
}

struct Given {
    count: u64,
    hash: ReceiptHash,
    receipt: Receipt,
    /// What it says, once its key was here.
    seen: Option<Vec<Seen>>,
}

impl Receipts {
    /// A document has come from the store: more may be told of it.
    pub(crate) fn look_at(&mut self, document: DocumentId) {
        self.due.insert(document);
    }
}

impl Given {
    fn heads_of(&self, document: &DocumentId) -> Option<&Vec<[u8; 32]>> {
        let seen = self
            .seen
            .as_ref()?
            .iter()
            .find(|seen| seen.document == *document)?;
        Some(&seen.heads)
    }
}

impl<R: CryptoRng> Replica<R> {
    /// Takes somebody's receipt, if it is newer than what is here of them, and says whether it was; or why it can't be taken.
    /// What those saw who are not in its space any more counts for nothing.
    pub(crate) fn take_receipt(&mut self, id: &ClassroomId, bytes: &[u8]) -> Result<bool, AsideReason> {
        let receipt = Receipt::decode(bytes).map_err(|error| reason_of(&error, AsideReason::Unreadable))?;
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(false);
        };
        let header = &receipt.header;
        let name = (header.member, header.space);
        let hash = receipt.verify(id).map_err(|_| AsideReason::BadSignature)?;
        if !classroom.roster.knows(&header.roster) {
            return Err(AsideReason::UnknownRoster);
        }
        let known = classroom.receipts.given.get(&name);
        if !classroom.roster.is_in_space(&header.member, &header.space)
            || known.is_some_and(|known| (known.count, known.hash) >= (header.count, hash))
        {
            return Ok(false);
        }
        let space = header.space;
        let given = Given {
            count: header.count,
            hash,
            receipt,
            seen: None,
        };
        classroom.receipts.given.insert(name, given);
        classroom.look_at_receipts_of(&space);
        let key = store::receipt_key(id, &name.0, &name.1);
        self.batch(id).put_bytes(Table::Receipts, key, bytes.to_vec());
        Ok(true)
    }

    /// Reads what the store has of receipts, and of verdicts.
    pub(crate) fn read_receipts(&mut self, records: &store::Records) {
        for (key, value) in store::rows(records, Table::Receipts) {
            let Some(classroom) = store::parse_classroom(key).and_then(|id| self.classrooms.get_mut(&id))
            else {
                continue;
            };
            if let Some(Said::Verdict) = store::said(key) {
                classroom.know_verdict(value);
            } else if let Some((_, document)) = store::parse_document_key(key) {
                if let Ok(schools) = store::decode(Table::Receipts, value) {
                    classroom.receipts.seen_at.insert(document, schools);
                }
            } else if let Ok(receipt) = Receipt::decode(value)
                && let Ok(hash) = receipt.hash(&classroom.id)
            {
                let given = Given {
                    count: receipt.header.count,
                    hash,
                    receipt,
                    seen: None,
                };
                let header = &given.receipt.header;
                let name = (header.member, header.space);
                classroom.receipts.given.insert(name, given);
            }
        }
        let ids: Vec<ClassroomId> = self.classrooms.keys().copied().collect();
        for id in ids {
            self.plan_receipt(&id);
        }
    }

    /// A document has changed here: who has seen it is to be looked at, and told in turn.
    pub(crate) fn document_changed(&mut self, id: &ClassroomId, document: DocumentId) {
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.receipts.due.insert(document);
        }
        self.plan_receipt(id);
    }

    /// There is new own work on a document, which nobody has seen.
    pub(crate) fn document_written(&mut self, id: &ClassroomId, document: DocumentId) {
        if let Some(classroom) = self.classrooms.get_mut(id)
            && classroom.receipts.seen_at.remove(&document).is_some()
        {
            let key = store::document_key(id, &document);
            self.batch(id).delete(Table::Receipts, key);
        }
        self.document_changed(id, document);
    }

    /// Has an own receipt given once it is quiet.
    pub(crate) fn plan_receipt(&mut self, id: &ClassroomId) {
        let wait = QUIET + u64::from(self.rng.next_u32()) % SPREAD;
        if let Some(classroom) = self.classrooms.get_mut(id) {
            let receipts = &mut classroom.receipts;
            let since = receipts.give_at.map_or(self.now, |(_, since)| since);
            receipts.give_at = Some(((self.now + wait).min(since + LONGEST), since));
        }
    }

    /// The relay may not have the last own receipt.
    pub(crate) fn give_again(&mut self, id: &ClassroomId) {
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.receipts.is_unsent = true;
        }
        self.plan_receipt(id);
    }

    /// The relay has an own receipt, or will not take it. Until then the store has the one before, so that a tab that is
    /// gone too early gives it again.
    pub(crate) fn receipt_answered(&mut self, id: &ClassroomId) -> Result<(), Error> {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return Ok(());
        };
        let me = me.keys.id();
        let channel = classroom.channel.as_ref();
        classroom.receipts.is_unsent = channel.is_some_and(Channel::tells_receipts);
        let mut rows = Vec::new();
        for ((member, space), given) in &classroom.receipts.given {
            if *member == me {
                rows.push((store::receipt_key(id, &me, space), given.receipt.encode()?));
            }
        }
        for (key, row) in rows {
            self.batch(id).put_bytes(Table::Receipts, key, row);
        }
        Ok(())
    }

    pub(crate) fn tick_receipts(&mut self) {
        let Some(me) = self.me.as_ref().map(|me| me.keys.id()) else {
            return;
        };
        let ids: Vec<ClassroomId> = self.classrooms.keys().copied().collect();
        for id in ids {
            let Some(classroom) = self.classrooms.get_mut(&id) else {
                continue;
            };
            for document in std::mem::take(&mut classroom.receipts.due) {
                self.look_who_has(&id, &me, document);
            }
            let Some(classroom) = self.classrooms.get_mut(&id) else {
                continue;
            };
            let is_quiet = classroom.receipts.give_at.is_some_and(|(at, _)| self.now >= at);
            let may_send = classroom.joining.is_none()
                && classroom.healing.is_none()
                && classroom.roster.member(&me).is_some()
                && classroom
                    .channel
                    .as_ref()
                    .is_some_and(|channel| channel.caught_up);
            if is_quiet && may_send {
                classroom.receipts.give_at = None;
                for space in classroom.spaces_of(&me) {
                    // What can't be told now is told with the next change.
                    if self.give_receipt(&id, me, space).is_err() {
                        self.shown_home = None;
                    }
                }
            }
        }
    }

    fn look_who_has(&mut self, id: &ClassroomId, me: &MemberId, document: DocumentId) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let schools = classroom.schools_with(me, &document);
        if classroom.receipts.seen_at.get(&document) == Some(&schools) {
            return;
        }
        let is_away = !matches!(classroom.documents.get(&document), Some(Copy::Here(_)));
        let known = classroom.receipts.seen_at.get(&document);
        if known.map_or(schools.is_empty(), |known| {
            is_away && schools.len() <= known.len()
        }) {
            // Of a document that is not at hand less can be told than when it was.
            return;
        }
        let key = store::document_key(id, &document);
        classroom.receipts.seen_at.insert(document, schools.clone());
        let batch = self.batch(id);
        if batch.put(Table::Receipts, key.clone(), &schools).is_err() {
            batch.delete(Table::Receipts, key);
        }
    }

    fn give_receipt(&mut self, id: &ClassroomId, me: MemberId, space: SpaceId) -> Result<(), Error> {
        let (Some(person), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return Ok(());
        };
        classroom.open_receipts();
        let seen = classroom.all_seen(&me, space)?;
        let before = classroom.receipts.given.get(&(me, space));
        let has_told = before.and_then(|before| before.seen.as_ref()) == Some(&seen);
        if seen.is_empty() || has_told && !classroom.receipts.is_unsent {
            return Ok(());
        }
        let count = before.map_or(0, |before| before.count) + 1;
        let sealing = classroom
            .sealing(&me, &space)
            .ok_or(protocol::Error::CannotOpen("space"))?;
        let header = Header {
            member: me,
            space,
            epoch: sealing.epoch,
            roster: sealing.roster,
            count,
        };
        let key = sealing.key.clone();
        let receipt = Receipt::seal(&person.keys, id, header, &key, seen.clone(), &mut self.rng)?;
        let bytes = Bytes::new("receipt", receipt.encode()?)?;
        let given = Given {
            count,
            hash: receipt.hash(id)?,
            receipt,
            seen: Some(seen),
        };
        classroom.receipts.given.insert((me, space), given);
        classroom.receipts.is_unsent = true;
        if let Some(channel) = &mut classroom.channel {
            channel.submit(Submission::Receipt);
            let frame = ClientFrame::Receipt {
                channel: channel.number,
                receipt: bytes,
            };
            self.send(&[frame]);
        }
        Ok(())
    }
}

impl Classroom {
    /// Where the newest work on a document is, and who has seen it.
    pub(crate) fn receipt_of(&self, document: &DocumentId, work: view::Work) -> view::Receipt {
        match self.receipts.seen_at.get(document) {
            Some(schools) if !schools.is_empty() => view::Receipt::SeenAt(schools.clone()),
            _ if work == view::Work::OnTheRelay => view::Receipt::OnTheRelay,
            _ => view::Receipt::OnThisDevice,
        }
    }

    /// Somebody has said something new of a space's documents.
    fn look_at_receipts_of(&mut self, space: &SpaceId) {
        let documents: Vec<DocumentId> = self.titles.keys().copied().collect();
        for document in documents {
            if self.space_of(&document) == *space {
                self.receipts.due.insert(document);
            }
        }
    }

    /// Opens those whose keys have come.
    fn open_receipts(&mut self) {
        let mut opened = Vec::new();
        for (name, given) in &self.receipts.given {
            if given.seen.is_none()
                && let Some(seen) = self.open_receipt(&given.receipt)
            {
                opened.push((*name, seen));
            }
        }
        for (name, seen) in opened {
            if let Some(given) = self.receipts.given.get_mut(&name) {
                given.seen = Some(seen);
            }
        }
    }

    /// The other schools whose members have all the own work on a document, as far as is known; of a document on which this
    /// person did not work, all that is in it.
    fn schools_with(&mut self, me: &MemberId, document: &DocumentId) -> Vec<SchoolId> {
        self.open_receipts();
        let space = self.space_of(document);
        let own = self.roster.member(me).map(|member| member.school);
        let mut schools: BTreeMap<SchoolId, Vec<MemberId>> = BTreeMap::new();
        for member in self.roster.members() {
            if Some(member.school) != own {
                schools.entry(member.school).or_default().push(member.id);
            }
        }
        let told = |member: &MemberId| self.receipts.given.get(&(*member, space))?.heads_of(document);
        let mine = told(me);
        let mut with = Vec::new();
        for (school, members) in &schools {
            let has_all = match self.documents.get(document) {
                Some(Copy::Here(held)) => {
                    let content = held.content.document();
                    let mut theirs: Vec<Hash> = Vec::new();
                    let mut work: Vec<Hash> = Vec::new();
                    for log in self.logs.keys().filter(|log| log.document == *document) {
                        if let Some(last) = content.last_of(log.actor()) {
                            if log.member == *me {
                                work.push(last);
                            } else if members.contains(&log.member) {
                                theirs.push(last);
                            }
                        }
                    }
                    for heads in members.iter().filter_map(told) {
                        theirs.extend(heads.iter().map(|head| Hash(*head)));
                    }
                    if work.is_empty() {
                        work = content.newest();
                    }
                    content.has_all(&theirs, &work)
                }
                _ => mine.is_some() && members.iter().any(|member| told(member) == mine),
            };
            if has_all {
                with.push(*school);
            }
        }
        with
    }

    /// How far each document of a space is here; of one that is not at hand as it was last told. If that is more than a
    /// receipt holds, of those that changed last.
    fn all_seen(&self, me: &MemberId, space: SpaceId) -> Result<Vec<Seen>, Error> {
        let mut newest: Vec<(u64, i64, DocumentId)> = Vec::new();
        for document in self.titles.keys() {
            if self.space_of(document) != space || self.roster.erased(document).is_some() {
                continue;
            }
            let changed_at = match self.documents.get(document) {
                Some(Copy::Here(held)) => held.changed_at,
                _ => 0,
            };
            let listed = self.own_document().and_then(|own| own.read().listing(document.0));
            let created_at = listed.map_or(0, |listing| listing.created_at);
            newest.push((changed_at, created_at, *document));
        }
        newest.sort_unstable();
        let (mut all, mut room) = (Vec::new(), ROOM);
        while let Some((_, _, document)) = newest.pop() {
            let mut heads: Vec<[u8; 32]> = match self.documents.get(&document) {
                Some(Copy::Here(held)) => {
                    let newest = held.content.document().newest();
                    newest.iter().map(|head| head.0).collect()
                }
                _ => {
                    let before = self.receipts.given.get(&(*me, space));
                    let told = before.and_then(|before| before.heads_of(&document));
                    told.cloned().unwrap_or_default()
                }
            };
            if heads.is_empty() {
                continue;
            }
            heads.sort_unstable();
            heads.truncate(MAX_DOCUMENT_HEADS);
            let size = FEWEST + heads.len() * size_of::<[u8; 32]>();
            if size > room || all.len() == MAX_DOCUMENTS {
                break;
            }
            room -= size;
            all.push(Seen { document, heads });
        }
        // What did not change since the last one is told in the same words.
        all.sort_unstable_by_key(|seen| seen.document);
        Ok(all)
    }
}
