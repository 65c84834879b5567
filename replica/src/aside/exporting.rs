//! What is kept aside, as a bundle.

use std::collections::BTreeSet;

use documents::change;
use protocol::ClassroomId;
use protocol::bundle::{Kind, Writer};
use protocol::rand_core::CryptoRng;
use protocol::roster::Entry;
use protocol::segment::{Log, Segment};
use protocol::snapshot::Snapshot;

use crate::classroom::Classroom;
use crate::command::{Answer, Problem};
use crate::event::Effect;
use crate::loading::What;
use crate::store::{self, AsideRecord, Changes, Table};
use crate::view::Update;
use crate::{Error, Replica, importing};

/// How many rows are read at once.
const ROWS: u32 = 32;
/// The kind that an item has in a bundle which this version cannot read, and of which an earlier one did not note the kind.
const UNREADABLE: u8 = u8::MAX;

/// An export that is under way.
pub(crate) struct Exporting {
    pub(crate) request: u32,
    writer: Writer,
    items: u64,
    /// Bare changes, which leave the device only within their sealed segments.
    changes: Vec<Vec<u8>>,
    /// Whether all is read but these segments.
    is_last: bool,
}

impl<R: CryptoRng> Replica<R> {
    /// Begins to export what is kept aside: parts of a bundle follow, then the answer.
    #[inline(never)]
    pub(crate) fn export_aside(&mut self, request: u32, id: &ClassroomId) -> Result<(), Problem> {
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        let (mut writer, mut first) = Writer::begin();
        let mut late = Vec::new();
        for (_, entry) in classroom.refused_entries() {
            late.push((Kind::Entry, entry.encode()));
        }
        for (_, unsent) in classroom.late() {
            late.push((Kind::Segment, unsent.segment.encode()));
        }
        let items = late.len() as u64;
        for (kind, item) in late {
            let record = item.and_then(|item| writer.record(id, kind, &item));
            first.extend(record.map_err(|_| Problem::Internal)?);
        }
        self.show_part(request, first);
        let exporting = Exporting {
            request,
            writer,
            items,
            changes: Vec::new(),
            is_last: false,
        };
        let (_, from, _) = store::range_of(Table::Aside, id);
        self.export_aside_from(id, exporting, from);
        Ok(())
    }

    pub(crate) fn show_part(&mut self, request: u32, part: Vec<u8>) {
        if !part.is_empty() {
            self.effects
                .push(Effect::Show(Update::Exported { request, part }));
        }
    }

    fn export_aside_from(&mut self, id: &ClassroomId, exporting: Exporting, from: Vec<u8>) {
        let (table, _, to) = store::range_of(Table::Aside, id);
        self.read_page(*id, What::Aside(Box::new(exporting)), (table, from, to), ROWS);
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

    /// A page of what is exported was read, and the next one begins at `next`; after the last, the segments are read that
    /// hold bare changes.
    #[inline(never)]
    pub(crate) fn aside_read(
        &mut self,
        id: &ClassroomId,
        mut exporting: Exporting,
        found: &Changes,
        next: Option<Vec<u8>>,
    ) {
        let request = exporting.request;
        if self.export_part(id, &mut exporting, found).is_err() {
            self.answer(request, Err(Problem::Internal));
            return;
        }
        if let Some(next) = next {
            self.export_aside_from(id, exporting, next);
            return;
        }
        if !exporting.is_last {
            exporting.is_last = true;
            let logs = self.logs_of(id, &exporting.changes);
            let ranges = logs.iter().map(|log| store::segments_from(id, log, 0)).collect();
            self.read(*id, What::Aside(Box::new(exporting)), ranges);
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
        for ((table, key), value) in found {
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
            if let Some(number) = store::kind_aside(key) {
                add(exporting, importing::kind(number), &item)?;
            } else if Segment::decode(&item).is_ok() {
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

impl Classroom {
    /// Whether a stored segment holds one of these changes.
    fn holds_any(&self, segment: &[u8], changes: &[Vec<u8>]) -> bool {
        Segment::decode(segment)
            .ok()
            .and_then(|segment| self.changes_of(&segment).ok())
            .is_some_and(|held| held.iter().any(|change| changes.contains(change)))
    }
}
