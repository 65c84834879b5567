//! What cannot be applied is kept aside with its reason: shown, tried again when that may help, and exported on request.

use std::collections::BTreeSet;

use documents::change;
use protocol::bundle::{Kind, Writer};
use protocol::rand_core::CryptoRng;
use protocol::roster::Entry;
use protocol::segment::{Log, Segment};
use protocol::snapshot::Snapshot;
use protocol::{ClassroomId, DocumentId, MemberId};

use crate::classroom::{Classroom, Copy};
use crate::command::{Answer, Problem};
use crate::event::Effect;
use crate::incoming::Source;
use crate::loading::What;
use crate::store::{self, AsideReason, AsideRecord, Changes, Table};
use crate::view::{self, Update};
use crate::{Error, Replica};

/// The most items, and about the most bytes, of one classroom that are at hand to be tried again; the rest waits in the
/// store.
const MOST_ASIDE: usize = 10_000;
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// In how many parts what is kept aside is read to be exported: a power of two.
const PARTS: u8 = 16;

pub(crate) struct Aside {
    pub(crate) reason: AsideReason,
    pub(crate) key: Vec<u8>,
    pub(crate) item: Vec<u8>,
}

/// An export that is under way.
pub(crate) struct Exporting {
    pub(crate) request: u32,
    writer: Writer,
    items: u64,
    /// The next part to read; after the last, the segments that hold the changes below.
    part: u8,
    /// Bare changes, which leave the device only within their sealed segments.
    changes: Vec<Vec<u8>>,
}

impl<R: CryptoRng> Replica<R> {
    /// Keeps what cannot be applied, with its reason.
    pub(crate) fn keep_aside(
        &mut self,
        id: &ClassroomId,
        reason: AsideReason,
        item: Vec<u8>,
    ) -> Result<(), Error> {
        let key = key_of(id, &item);
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        if classroom
            .aside
            .iter()
            .any(|aside| aside.key == key && aside.reason == reason)
        {
            return Ok(());
        }
        let record = AsideRecord {
            reason,
            item: item.clone(),
        };
        let beyond = (reason == AsideReason::BeyondCutoff)
            .then(|| Segment::decode(&item).ok())
            .flatten();
        classroom.put_aside(Aside {
            reason,
            key: key.clone(),
            item,
        });
        if let Some(segment) = beyond {
            // What builds on it may have come before.
            classroom.note_needs(segment.header.log.document);
        }
        self.batch(id).put(Table::Aside, key, &record)
    }

    /// Something that may have been kept aside was taken after all.
    pub(crate) fn let_in(&mut self, id: &ClassroomId, item: &[u8]) {
        let key = key_of(id, item);
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let before = classroom.aside.len();
        classroom.aside.retain(|aside| aside.key != key);
        if classroom.aside.len() < before || classroom.aside_beyond.remove(&key) {
            self.batch(id).delete(Table::Aside, key);
        }
    }

    /// Tries again what may be applied now, until nothing of it can.
    pub(crate) fn retry_aside(&mut self) -> Result<(), Error> {
        self.settle_rosters()?;
        let due = |classroom: &&mut Classroom| classroom.aside_due;
        while let Some(classroom) = self.classrooms.values_mut().find(due) {
            classroom.aside_due = false;
            let id = classroom.id;
            let all = std::mem::take(&mut classroom.aside_all_due);
            let (mut again, rest): (Vec<Aside>, Vec<Aside>) = std::mem::take(&mut classroom.aside)
                .into_iter()
                .partition(|aside| aside.may_pass_later() || (all && aside.may_pass_in_another_version()));
            classroom.aside = rest;
            // In the order of their logs, so that one pass does for most.
            again.sort_by_cached_key(|aside| {
                Segment::decode(&aside.item)
                    .ok()
                    .map(|s| (s.header.log, s.header.last))
            });
            for aside in again {
                self.retry(&id, aside)?;
            }
        }
        Ok(())
    }

    fn retry(&mut self, id: &ClassroomId, aside: Aside) -> Result<(), Error> {
        let reason = if let Ok(segment) = Segment::decode(&aside.item) {
            self.take_segment(id, &segment, Source::Relay)?
        } else if Entry::decode(&aside.item).is_ok() {
            // It keeps aside by itself what still can't be taken.
            self.batch(id).delete(Table::Aside, aside.key);
            return self.take_entry(id, &aside.item, true);
        } else {
            Some(aside.reason)
        };
        match reason {
            None => {
                self.batch(id).delete(Table::Aside, aside.key);
                Ok(())
            }
            Some(reason) if reason == aside.reason => {
                if let Some(classroom) = self.classrooms.get_mut(id) {
                    classroom.put_aside(aside);
                }
                Ok(())
            }
            Some(reason) => self.keep_aside(id, reason, aside.item),
        }
    }

    /// Lists what is kept aside.
    pub(crate) fn list_aside(&self, id: &ClassroomId) -> Result<Vec<view::KeptAside>, Problem> {
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        let items = classroom.aside.iter().map(|aside| {
            let (from, document) = classroom.origin(&aside.item);
            view::KeptAside {
                reason: aside.reason,
                from,
                document,
                bytes: aside.item.len() as u64,
            }
        });
        let items = items.chain(classroom.waiting_changes());
        Ok(items.chain(classroom.waiting_entries()).collect())
    }

    /// Begins to export what is kept aside: parts of a bundle follow, then the answer.
    pub(crate) fn export_aside(&mut self, request: u32, id: &ClassroomId) -> Result<(), Problem> {
        if !self.classrooms.contains_key(id) {
            return Err(Problem::UnknownClassroom);
        }
        let (writer, first) = Writer::begin();
        self.show_part(request, first);
        let exporting = Exporting {
            request,
            writer,
            items: 0,
            part: 0,
            changes: Vec::new(),
        };
        self.export_next(id, exporting);
        Ok(())
    }

    pub(crate) fn show_part(&mut self, request: u32, part: Vec<u8>) {
        if !part.is_empty() {
            self.effects
                .push(Effect::Show(Update::Exported { request, part }));
        }
    }

    fn export_next(&mut self, id: &ClassroomId, exporting: Exporting) {
        let ranges = if exporting.part < PARTS {
            vec![store::part_of(Table::Aside, id, exporting.part, PARTS)]
        } else {
            let logs = self.logs_of(id, &exporting.changes);
            logs.iter().map(|log| store::segments_from(id, log, 0)).collect()
        };
        self.read(*id, What::Aside(Box::new(exporting)), ranges);
    }

    /// The logs of bare changes, by their actors.
    fn logs_of(&self, id: &ClassroomId, changes: &[Vec<u8>]) -> Vec<Log> {
        let actors: BTreeSet<Vec<u8>> = changes
            .iter()
            .filter_map(|bytes| Some(change::inspect(bytes).ok()?.actor))
            .collect();
        let logs = self
            .classrooms
            .get(id)
            .into_iter()
            .flat_map(|classroom| classroom.logs.keys());
        logs.filter(|log| actors.contains(log.actor().as_slice()))
            .copied()
            .collect()
    }

    /// A part of what is exported was read.
    pub(crate) fn aside_read(&mut self, id: &ClassroomId, mut exporting: Exporting, found: &Changes) {
        let request = exporting.request;
        if self.export_part(id, &mut exporting, found).is_err() {
            self.answer(request, Err(Problem::Internal));
            return;
        }
        let is_last = exporting.part >= PARTS;
        exporting.part += 1;
        if !is_last {
            self.export_next(id, exporting);
            return;
        }
        let items = exporting.items;
        match exporting.writer.end() {
            Ok(end) => {
                self.show_part(request, end);
                self.answer(request, Ok(Answer::Exported { items }));
            }
            Err(_) => self.answer(request, Err(Problem::Internal)),
        }
    }

    fn export_part(
        &mut self,
        id: &ClassroomId,
        exporting: &mut Exporting,
        found: &Changes,
    ) -> Result<(), Error> {
        let mut part = Vec::new();
        let mut add = |exporting: &mut Exporting, kind, item: &[u8]| -> Result<(), Error> {
            part.extend(exporting.writer.record(id, kind, item)?);
            exporting.items += 1;
            Ok(())
        };
        for ((table, _), value) in found {
            let Some(value) = value else { continue };
            if *table == Table::Segments {
                let wanted = |classroom: &Classroom| classroom.holds_any(value, &exporting.changes);
                if self.classrooms.get(id).is_some_and(wanted) {
                    add(exporting, Kind::Segment, value)?;
                }
                continue;
            }
            let Ok(AsideRecord { item, .. }) = store::decode(Table::Aside, value) else {
                continue;
            };
            if Segment::decode(&item).is_ok() {
                add(exporting, Kind::Segment, &item)?;
            } else if Entry::decode(&item).is_ok() {
                add(exporting, Kind::Entry, &item)?;
            } else if Snapshot::decode(&item).is_ok() {
                add(exporting, Kind::Snapshot, &item)?;
            } else if change::inspect(&item).is_ok() {
                exporting.changes.push(item);
            } else {
                // What nobody can read yet may be of any kind.
                add(exporting, Kind::Other(UNREADABLE), &item)?;
            }
        }
        self.show_part(exporting.request, part);
        Ok(())
    }
}

/// The kind that an item has in a bundle which this version cannot read.
const UNREADABLE: u8 = u8::MAX;

impl Classroom {
    pub(crate) fn put_aside(&mut self, aside: Aside) {
        self.aside.retain(|other| other.key != aside.key);
        let bytes: usize = self.aside.iter().map(|aside| aside.item.len()).sum();
        if self.aside.len() < MOST_ASIDE && bytes + aside.item.len() <= MOST_BYTES {
            self.aside_beyond.remove(&aside.key);
            self.aside.push(aside);
        } else {
            self.aside_beyond.insert(aside.key);
        }
    }

    /// How many items are kept aside: here, in the store only, and such as wait for what they depend on.
    pub(crate) fn count_aside(&self) -> u32 {
        let waiting = self.waiting_changes().count() + self.waiting_entries().count();
        let count = self.aside.len() + self.aside_beyond.len() + waiting;
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// While more is being received, that something waits is nothing to speak of.
    fn has_settled(&self) -> bool {
        self.channel.as_ref().is_none_or(|channel| channel.caught_up)
    }

    /// The roster entries that wait for others.
    fn waiting_entries(&self) -> impl Iterator<Item = view::KeptAside> {
        let is_settled = self.has_settled();
        let waiting = self.waiting.iter().filter(move |_| is_settled);
        waiting.map(|entry| view::KeptAside {
            reason: AsideReason::UnknownRoster,
            from: Some(entry.author()),
            document: None,
            bytes: entry.encode().map_or(0, |encoded| encoded.len() as u64),
        })
    }

    /// The changes in documents that wait for others.
    fn waiting_changes(&self) -> impl Iterator<Item = view::KeptAside> {
        let is_settled = self.has_settled();
        let here = self.documents.iter().filter(move |_| is_settled);
        here.flat_map(|(document, copy)| {
            let waiting = match copy {
                Copy::Here(held) => held.content.document().waiting(),
                Copy::Away | Copy::Loading { .. } => Vec::new(),
            };
            waiting.into_iter().map(|bytes| view::KeptAside {
                reason: AsideReason::MissingDependency,
                from: self.origin(bytes).0,
                document: Some(*document),
                bytes: bytes.len() as u64,
            })
        })
    }

    /// Whose an item is, and of which document, as far as it says.
    fn origin(&self, item: &[u8]) -> (Option<MemberId>, Option<DocumentId>) {
        if let Ok(segment) = Segment::decode(item) {
            let log = segment.header.log;
            return (Some(log.member), Some(log.document));
        }
        if let Ok(entry) = Entry::decode(item) {
            return (Some(entry.author()), None);
        }
        if let Ok(snapshot) = Snapshot::decode(item) {
            return (Some(snapshot.header.member), Some(snapshot.header.document));
        }
        let of_change = change::inspect(item).ok().and_then(|info| {
            let is_its = |log: &&Log| log.actor().as_slice() == info.actor;
            self.logs.keys().find(is_its)
        });
        (of_change.map(|log| log.member), of_change.map(|log| log.document))
    }

    /// Whether a stored segment holds one of these changes.
    fn holds_any(&self, segment: &[u8], changes: &[Vec<u8>]) -> bool {
        Segment::decode(segment)
            .ok()
            .and_then(|segment| self.changes_of(&segment).ok())
            .is_some_and(|held| held.iter().any(|change| changes.contains(change)))
    }
}

impl Aside {
    fn may_pass_later(&self) -> bool {
        matches!(
            self.reason,
            AsideReason::UnknownRoster
                | AsideReason::UnknownKey
                | AsideReason::OutOfOrder
                | AsideReason::BeyondCutoff
                | AsideReason::Locked
                | AsideReason::Closed
        )
    }

    fn may_pass_in_another_version(&self) -> bool {
        matches!(
            self.reason,
            AsideReason::Unreadable
                | AsideReason::NewerVersion
                | AsideReason::CannotOpen
                | AsideReason::BadChange
                | AsideReason::FoldDiffers
        )
    }
}

/// The key of what is kept aside: named by its bytes' hash, so that the same item is kept once.
fn key_of(id: &ClassroomId, item: &[u8]) -> Vec<u8> {
    [id.0, protocol::content_name(item)].concat()
}
