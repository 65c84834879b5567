//! What a file brings: each item is checked like one of the relay's, in whatever order they come, and what is known already
//! changes nothing. The items of a classroom that is not known here wait in a table of their own until an invite to it is
//! opened; then they show what is behind it, with no connection at all.

use std::collections::BTreeSet;

use protocol::ClassroomId;
use protocol::bundle::{Event, Kind, Reader};
use protocol::rand_core::CryptoRng;
use protocol::roster::{Entry, Roster};
use protocol::segment::Segment;
use protocol::snapshot::Piece;

use crate::classroom::{Classroom, Knocking};
use crate::command::{Answer, Imported, Problem};
use crate::incoming::{Source, reason_of};
use crate::loading::What;
use crate::snapshots::Named;
use crate::store::{self, AsideReason, Changes, EntryRecord, ImportedRecord, Table};
use crate::writes::After;
use crate::{Error, Replica};

/// How many rows are read at once.
const ROWS: u32 = 32;

/// A file that is being read.
#[derive(Default)]
pub(crate) struct Importing {
    reader: Reader,
    result: Imported,
    known: BTreeSet<ClassroomId>,
    unknown: BTreeSet<ClassroomId>,
}

impl<R: CryptoRng> Replica<R> {
    /// Takes the next part of a file. It is answered once all that it brought is stored.
    pub(crate) fn import(&mut self, request: u32, part: &[u8], last: bool) -> Result<(), Problem> {
        let mut importing = self.importing.take().unwrap_or_default();
        importing.reader.push(part);
        while let Some(event) = importing.reader.next() {
            match event {
                Event::Damaged(_) => importing.result.damaged += 1,
                Event::Record {
                    classroom,
                    kind,
                    item,
                } => self
                    .import_item(&mut importing, classroom, kind, item)
                    .map_err(|_| Problem::Internal)?,
            }
        }
        self.retry_aside().map_err(|_| Problem::Internal)?;
        self.writes.next().strict = true;
        if !last {
            self.importing = Some(importing);
            self.writes.then(After::Answer(request, Answer::Done));
            return Ok(());
        }
        let summary = importing.reader.finish();
        let mut result = importing.result;
        result.damaged += u64::from(summary.last_damage.is_some());
        result.complete = summary.complete;
        result.classrooms = importing.unknown.into_iter().collect();
        self.writes.then(After::Answer(request, Answer::Imported(result)));
        for id in importing.known {
            self.settle_offers(&id, true).map_err(|_| Problem::Internal)?;
            self.fetch_pieces(&id);
            self.read_imported(&id);
            // The relay may lack some of it: it is asked what it has.
            self.open_channel(&id);
        }
        Ok(())
    }

    fn import_item(
        &mut self,
        importing: &mut Importing,
        id: ClassroomId,
        kind: Kind,
        item: Vec<u8>,
    ) -> Result<(), Error> {
        let is_known = self
            .classrooms
            .get(&id)
            .is_some_and(|classroom| classroom.joining.is_none());
        if !is_known {
            importing.unknown.insert(id);
            importing.result.new += 1;
            let key = store::imported_key(&id, kind, &item);
            let record = ImportedRecord {
                kind: number(kind),
                item,
            };
            return self.writes.next().put(Table::Imported, key, &record);
        }
        if importing.known.insert(id) {
            self.mark_unhealed(&id)?;
        }
        match self.take_item(&id, kind, item, true)? {
            Taken::New => importing.result.new += 1,
            Taken::Known => importing.result.known += 1,
            Taken::Aside => importing.result.aside += 1,
        }
        Ok(())
    }

    /// Takes an item that did not come from the relay.
    fn take_item(
        &mut self,
        id: &ClassroomId,
        kind: Kind,
        item: Vec<u8>,
        may_wait: bool,
    ) -> Result<Taken, Error> {
        let Some(classroom) = self.classrooms.get(id) else {
            return Ok(Taken::Known);
        };
        match kind {
            Kind::Entry => {
                let entry = match Entry::decode(&item) {
                    Ok(entry) => entry,
                    Err(error) => return self.unread(id, kind, &error, item),
                };
                if classroom.roster.entry(&entry.hash()).is_some() {
                    return Ok(Taken::Known);
                }
                let before = classroom.aside.len();
                self.take_entry(id, &item, false)?;
                let after = self
                    .classrooms
                    .get(id)
                    .map_or(0, |classroom| classroom.aside.len());
                Ok(if after > before { Taken::Aside } else { Taken::New })
            }
            Kind::Segment => {
                let segment = match Segment::decode(&item) {
                    Ok(segment) => segment,
                    Err(error) => return self.unread(id, kind, &error, item),
                };
                let next = classroom
                    .logs
                    .get(&segment.header.log)
                    .map_or(0, |record| record.next);
                match self.take_segment(id, &segment, Source::File)? {
                    Some(reason) => {
                        self.keep_aside(id, reason, item)?;
                        Ok(Taken::Aside)
                    }
                    None if segment.header.last < next => Ok(Taken::Known),
                    None => Ok(Taken::New),
                }
            }
            Kind::Verdict | Kind::Receipt => {
                let taken = match kind {
                    Kind::Verdict => self.take_verdict(id, &item, false),
                    _ => self.take_receipt(id, &item),
                };
                match taken {
                    Ok(true) => Ok(Taken::New),
                    Ok(false) => Ok(Taken::Known),
                    Err(reason) => {
                        self.keep_unread(id, kind, reason, item)?;
                        Ok(Taken::Aside)
                    }
                }
            }
            Kind::Snapshot => {
                let before = classroom.aside.len();
                let is_new = self.take_snapshot(id, &item, false)?;
                let after = self
                    .classrooms
                    .get(id)
                    .map_or(0, |classroom| classroom.aside.len());
                Ok(match is_new {
                    true => Taken::New,
                    false if after > before => Taken::Aside,
                    false => Taken::Known,
                })
            }
            Kind::Piece => self.import_piece(id, item, may_wait),
            Kind::Other(_) => {
                self.keep_unread(id, kind, AsideReason::NewerVersion, item)?;
                Ok(Taken::Aside)
            }
        }
    }

    /// Takes what could not be read before.
    pub(crate) fn take_again(&mut self, id: &ClassroomId, kind: Kind, item: Vec<u8>) -> Result<(), Error> {
        self.take_item(id, kind, item, false)?;
        Ok(())
    }

    fn unread(
        &mut self,
        id: &ClassroomId,
        kind: Kind,
        error: &protocol::Error,
        item: Vec<u8>,
    ) -> Result<Taken, Error> {
        self.keep_unread(id, kind, reason_of(error, AsideReason::Unreadable), item)?;
        Ok(Taken::Aside)
    }

    /// Takes a piece of a snapshot that is known. One that comes before its snapshot waits until all of the file is here.
    fn import_piece(&mut self, id: &ClassroomId, item: Vec<u8>, may_wait: bool) -> Result<Taken, Error> {
        let piece = match Piece::decode(item.clone()) {
            Ok(piece) => piece,
            Err(error) => return self.unread(id, Kind::Piece, &error, item),
        };
        let named = self.classrooms.get(id).map_or(Named::Nowhere, |classroom| {
            classroom.snapshots.names(&piece.hash())
        });
        match named {
            Named::Missing => {
                self.keep_piece(id, &piece)?;
                Ok(Taken::New)
            }
            Named::Nowhere if may_wait => {
                let item = piece.into_bytes();
                let key = store::imported_key(id, Kind::Piece, &item);
                let record = ImportedRecord {
                    kind: number(Kind::Piece),
                    item,
                };
                self.writes.next().put(Table::Imported, key, &record)?;
                Ok(Taken::Known)
            }
            Named::Nowhere | Named::Here => Ok(Taken::Known),
        }
    }

    /// Looks whether a file brought something of a classroom that is not known, or was not.
    pub(crate) fn read_imported(&mut self, id: &ClassroomId) {
        let (_, from, _) = store::range_of(Table::Imported, id);
        self.read_imported_from(id, from);
    }

    fn read_imported_from(&mut self, id: &ClassroomId, from: Vec<u8>) {
        let (table, _, to) = store::range_of(Table::Imported, id);
        self.read_page(*id, What::Imported, (table, from, to), ROWS);
    }

    /// Some of what a file brought of a classroom was read: entries first, for they come first in the store.
    pub(crate) fn imported_read(
        &mut self,
        id: &ClassroomId,
        found: Changes,
        next: Option<Vec<u8>>,
    ) -> Result<(), Error> {
        let mut is_any = false;
        for ((_, key), row) in found {
            let Some(Ok(record)) = row.map(|row| store::decode::<ImportedRecord>(Table::Imported, &row))
            else {
                continue;
            };
            is_any = true;
            let kind = kind(record.kind);
            if kind == Kind::Entry && !self.classrooms.contains_key(id) {
                self.found_imported(id, &record.item)?;
            }
            if !self.classrooms.contains_key(id) {
                // Without the founding nothing can be looked at.
                self.looked_up(id);
                return Ok(());
            }
            self.batch(id).delete(Table::Imported, key);
            self.take_item(id, kind, record.item, false)?;
        }
        if let Some(next) = next {
            self.read_imported_from(id, next);
            return Ok(());
        }
        self.looked_up(id);
        if !is_any && !self.is_imported(id) {
            return Ok(());
        }
        self.settle_offers(id, true)?;
        self.fetch_pieces(id);
        self.retry_aside()?;
        self.apply_arrived();
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        if classroom.joining.is_none() {
            self.mark_unhealed(id)?;
        } else if classroom.snapshots.is_coming(&classroom.roster.document()) || self.preview_of(id).is_some()
        {
            if let Some(joining) = self
                .classrooms
                .get_mut(id)
                .and_then(|classroom| classroom.joining.as_mut())
            {
                joining.arrived = true;
            }
            self.answer_previews(id);
        }
        // The relay may have more.
        self.open_channel(id);
        Ok(())
    }

    /// What files brought of a classroom that is knocked at does not show it: the relay has to.
    pub(crate) fn looked_up(&mut self, id: &ClassroomId) {
        if let Some(knocking) = self.knocking.get_mut(id) {
            knocking.joining.looking = false;
        }
    }

    fn is_imported(&self, id: &ClassroomId) -> bool {
        let joining = self
            .classrooms
            .get(id)
            .and_then(|classroom| classroom.joining.as_ref());
        joining.is_some_and(|joining| joining.imported)
    }

    /// The founding entry makes a classroom of what was knocked at.
    fn found_imported(&mut self, id: &ClassroomId, item: &[u8]) -> Result<(), Error> {
        let Ok(roster) = Entry::decode(item).and_then(Roster::found) else {
            return Ok(());
        };
        if roster.classroom() != *id {
            return Ok(());
        }
        let Some(Knocking {
            mut joining,
            channel,
            snapshots,
        }) = self.knocking.remove(id)
        else {
            return Ok(());
        };
        joining.imported = true;
        let mut classroom = Classroom::new(roster);
        classroom.joining = Some(joining);
        classroom.channel = channel;
        classroom.unhealed = true;
        self.classrooms.insert(*id, classroom);
        let record = EntryRecord {
            entry: item.to_vec(),
            on_relay: true,
        };
        self.batch(id).put(
            Table::Entries,
            store::entry_key(id, &protocol::EntryHash(id.0)),
            &record,
        )?;
        for snapshot in snapshots {
            self.take_snapshot(id, &snapshot, true)?;
        }
        Ok(())
    }
}

/// What became of an item.
enum Taken {
    New,
    Known,
    Aside,
}

/// The number of a kind in a row.
pub(crate) fn number(kind: Kind) -> u8 {
    match kind {
        Kind::Entry => 0,
        Kind::Segment => 1,
        Kind::Snapshot => 2,
        Kind::Piece => 3,
        Kind::Verdict => 4,
        Kind::Receipt => 5,
        Kind::Other(number) => number,
    }
}

/// Reads a [`number`] back.
pub(crate) fn kind(number: u8) -> Kind {
    match number {
        0 => Kind::Entry,
        1 => Kind::Segment,
        2 => Kind::Snapshot,
        3 => Kind::Piece,
        4 => Kind::Verdict,
        5 => Kind::Receipt,
        other => Kind::Other(other),
    }
}
