//! What a file brings: each item is checked like one of the relay's, in whatever order they come, and what is known already
//! changes nothing. The items of a classroom that is not known here wait in a table of their own until an invite to it is
//! opened; then they show what is behind it, with no connection at all.

use std::collections::BTreeSet;

use protocol::ClassroomId;
use protocol::attachment::DocumentChunk;
use protocol::bundle::{Damage, Event, Kind, Reader};
use protocol::rand_core::CryptoRng;
use protocol::roster::{Entry, Roster};
use protocol::segment::Segment;
use protocol::snapshot::Piece;

use crate::classroom::{Classroom, Knocking};
use crate::command::{Answer, Imported, MOST_NAMED, Problem};
use crate::incoming::{EntrySource, Source, reason_of};
use crate::loading::What;
use crate::snapshots::Named;
use crate::store::{self, AsideReason, Changes, EntryRecord, ImportedRecord, Table};
use crate::writes::After;
use crate::{Error, Replica};

/// How many rows are read at once.
const ROWS: u32 = 32;

/// How much waits on the device for invites at most, in bytes.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;
/// What a row takes besides its item, about.
const ROW: u64 = 128;

/// The length of a document's id.
const DOCUMENT: usize = 16;

/// A file that is being read.
#[derive(Default)]
pub(crate) struct Importing {
    reader: Reader,
    result: Imported,
    known: BTreeSet<ClassroomId>,
    unknown: BTreeSet<ClassroomId>,
}

impl Imported {
    fn add(&mut self, damage: Damage) {
        self.damaged += 1;
        if self.named.len() < MOST_NAMED {
            self.named.push(damage);
        }
    }
}

/// Some items of classrooms that are not known here, while the store is asked which of them it has.
pub(crate) struct Unopened {
    request: u32,
    import: u32,
    last: bool,
    items: Vec<(ClassroomId, Kind, Vec<u8>)>,
}

impl<R: CryptoRng> Replica<R> {
    /// Takes the next part of a file. It is answered once all that it brought is stored.
    #[inline(never)]
    pub(crate) fn import(
        &mut self,
        request: u32,
        import: u32,
        part: &[u8],
        last: bool,
    ) -> Result<(), Problem> {
        let mut importing = self.imports.remove(&import).unwrap_or_default();
        importing.reader.push(part);
        let mut items = Vec::new();
        while let Some(event) = importing.reader.next() {
            match event {
                Event::Damaged(damage) => importing.result.add(damage),
                // Whether a chunk is here only the store knows.
                Event::Record {
                    classroom,
                    kind,
                    item,
                } if kind != Kind::Chunk && self.is_joined(&classroom) => self
                    .import_item(&mut importing, classroom, kind, item)
                    .map_err(|_| Problem::Internal)?,
                Event::Record {
                    classroom,
                    kind,
                    item,
                } => items.push((classroom, kind, item)),
            }
        }
        self.retry_aside().map_err(|_| Problem::Internal)?;
        if items.is_empty() {
            return self.imported_part(request, import, importing, last);
        }
        self.imports.insert(import, importing);
        let rows = items.iter().map(|(id, kind, item)| {
            let (table, key) = self.place_of(id, *kind, item);
            store::row(table, &key)
        });
        let ranges = rows.collect();
        let unopened = Unopened {
            request,
            import,
            last,
            items,
        };
        self.read(ClassroomId([0; 32]), What::Unopened(Box::new(unopened)), ranges);
        Ok(())
    }

    pub(crate) fn is_joined(&self, id: &ClassroomId) -> bool {
        let classroom = self.classrooms.get(id);
        classroom.is_some_and(|classroom| classroom.joining.is_none())
    }

    /// The store was asked which items it has: the others are stored, as far as there is room.
    #[inline(never)]
    pub(crate) fn unopened_read(&mut self, unopened: Unopened, found: &Changes) {
        let Unopened {
            request,
            import,
            last,
            items,
        } = unopened;
        let mut importing = self.imports.remove(&import).unwrap_or_default();
        let stored = self.store_unopened(&mut importing, items, found);
        let answered = match stored {
            Ok(()) => self.imported_part(request, import, importing, last),
            Err(_) => Err(Problem::Internal),
        };
        if let Err(problem) = answered {
            self.answer(request, Err(problem));
        }
    }

    fn store_unopened(
        &mut self,
        importing: &mut Importing,
        items: Vec<(ClassroomId, Kind, Vec<u8>)>,
        found: &Changes,
    ) -> Result<(), Error> {
        let mut room = MOST_BYTES;
        for unopened in self.unopened.values() {
            room = room.saturating_sub(unopened.bytes);
        }
        let mut here = BTreeSet::new();
        for (id, kind, item) in items {
            let name = self.place_of(&id, kind, &item);
            // Of a chunk the item has the document's id before it. One that is damaged here is as good as gone.
            let is_sound = |row: &[u8]| name.0 != Table::Chunks || item.get(DOCUMENT..) == Some(row);
            let is_stored = found.get(&name).and_then(Option::as_deref).is_some_and(is_sound);
            let waits_for_page = self.waits_for_page(&id, kind, &item);
            if self.is_joined(&id) && !waits_for_page {
                if is_stored {
                    importing.result.known += 1;
                } else {
                    self.import_item(importing, id, kind, item)?;
                }
                continue;
            }
            if !waits_for_page {
                importing.unknown.insert(id);
            }
            let (_, key) = name;
            if is_stored || !here.insert(key.clone()) {
                importing.result.known += 1;
                continue;
            }
            let bytes = item.len() as u64 + ROW;
            if bytes > room {
                importing.result.left_out += 1;
                continue;
            }
            room -= bytes;
            match waits_for_page {
                true => importing.result.aside += 1,
                false => importing.result.new += 1,
            }
            let unopened = self.unopened.entry(id).or_default();
            unopened.items += 1;
            unopened.bytes += bytes;
            let unopened = *unopened;
            let record = ImportedRecord {
                kind: number(kind),
                item,
            };
            let batch = self.writes.next();
            batch.put(Table::Imported, key, &record)?;
            batch.put(Table::Classrooms, store::unopened_key(&id), &unopened)?;
        }
        Ok(())
    }

    /// Whether this is a chunk of a document of which nothing is here. Nobody says who made it: of a document that is not known
    /// anything could be brought.
    fn waits_for_page(&self, id: &ClassroomId, kind: Kind, item: &[u8]) -> bool {
        let Some(classroom) = self.classrooms.get(id).filter(|_| self.is_joined(id)) else {
            return false;
        };
        let of_unknown = |chunk: DocumentChunk| {
            let document = chunk.document;
            classroom.roster.erased(&document).is_none()
                && !classroom.spaces.contains_key(&document)
                && !self.knows_page(id, &document)
        };
        kind == Kind::Chunk && DocumentChunk::decode(item.to_vec()).is_ok_and(of_unknown)
    }

    /// Where an item is stored that has to be asked for.
    fn place_of(&self, id: &ClassroomId, kind: Kind, item: &[u8]) -> (Table, Vec<u8>) {
        if self.is_joined(id)
            && kind == Kind::Chunk
            && !self.waits_for_page(id, kind, item)
            && let Ok(DocumentChunk { document, chunk }) = DocumentChunk::decode(item.to_vec())
        {
            return (Table::Chunks, store::chunk_key(id, &document, &chunk.hash()));
        }
        (Table::Imported, store::imported_key(id, kind, item))
    }

    pub(crate) fn unopened_not_read(&mut self, unopened: &Unopened) {
        self.imports.remove(&unopened.import);
        self.answer(unopened.request, Err(Problem::Internal));
    }

    /// Deletes what waits for an invite to a classroom.
    #[inline(never)]
    pub(crate) fn delete_unopened(&mut self, request: u32, id: &ClassroomId) {
        let (_, from, _) = store::range_of(Table::Imported, id);
        self.delete_unopened_from(request, id, from);
    }

    fn delete_unopened_from(&mut self, request: u32, id: &ClassroomId, from: Vec<u8>) {
        let (table, _, to) = store::range_of(Table::Imported, id);
        self.read_page(*id, What::Deleted(request), (table, from, to), ROWS);
    }

    #[inline(never)]
    pub(crate) fn deleted_read(
        &mut self,
        request: u32,
        id: &ClassroomId,
        found: &Changes,
        next: Option<Vec<u8>>,
    ) {
        for (table, key) in found.keys() {
            self.writes.next().delete(*table, key.clone());
        }
        if let Some(next) = next {
            self.delete_unopened_from(request, id, next);
            return;
        }
        self.unopened.remove(id);
        let batch = self.writes.next();
        batch.delete(Table::Classrooms, store::unopened_key(id));
        batch.strict = true;
        self.writes.then(After::Answer(request, Answer::Done));
    }

    /// A part was taken in.
    fn imported_part(
        &mut self,
        request: u32,
        import: u32,
        importing: Importing,
        last: bool,
    ) -> Result<(), Problem> {
        self.writes.next().strict = true;
        if !last {
            self.imports.insert(import, importing);
            self.writes.then(After::Answer(request, Answer::Done));
            return Ok(());
        }
        let summary = importing.reader.finish();
        let mut result = importing.result;
        if let Some(damage) = summary.last_damage {
            result.add(damage);
        }
        result.complete = summary.complete;
        result.newer_version = summary.newer_version();
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
                self.take_entry(id, &item, EntrySource::File)?;
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
            Kind::Chunk => {
                let DocumentChunk { document, chunk } = match DocumentChunk::decode(item.clone()) {
                    Ok(chunk) => chunk,
                    Err(error) => return self.unread(id, kind, &error, item),
                };
                if classroom.roster.erased(&document).is_some() {
                    return Ok(Taken::Known);
                }
                self.import_chunk(id, document, chunk)?;
                Ok(Taken::New)
            }
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
        self.read_imported_from(id, from, store::Unopened::default());
    }

    fn read_imported_from(&mut self, id: &ClassroomId, from: Vec<u8>, left: store::Unopened) {
        let (table, _, to) = store::range_of(Table::Imported, id);
        self.read_page(*id, What::Imported(left), (table, from, to), ROWS);
    }

    /// Some of what a file brought of a classroom was read: entries first, for they come first in the store. `left` is what waits
    /// on of that before it.
    #[inline(never)]
    pub(crate) fn imported_read(
        &mut self,
        id: &ClassroomId,
        mut left: store::Unopened,
        found: Changes,
        next: Option<Vec<u8>>,
    ) -> Result<(), Error> {
        let mut is_any = false;
        for ((_, key), row) in found {
            let Some(Ok(record)) = row.map(|row| store::decode::<ImportedRecord>(Table::Imported, &row))
            else {
                continue;
            };
            let kind = kind(record.kind);
            if self.waits_for_page(id, kind, &record.item) {
                left.items += 1;
                left.bytes += record.item.len() as u64 + ROW;
                continue;
            }
            is_any = true;
            if kind == Kind::Entry && !self.classrooms.contains_key(id) {
                self.found_imported(id, &record.item)?;
            }
            if !self.classrooms.contains_key(id) {
                // Without the founding nothing can be looked at.
                self.looked_up(id);
                return Ok(());
            }
            if kind == Kind::Chunk && !self.is_joined(id) {
                // They wait where they are: until somebody has joined, all that is taken is in memory.
                continue;
            }
            self.batch(id).delete(Table::Imported, key);
            self.take_item(id, kind, record.item, false)?;
        }
        if let Some(next) = next {
            self.read_imported_from(id, next, left);
            return Ok(());
        }
        self.looked_up(id);
        // Until somebody has joined it stays.
        if self.is_joined(id) && self.unopened.remove(id).is_some() {
            let key = store::unopened_key(id);
            if left.items == 0 {
                self.batch(id).delete(Table::Classrooms, key);
            } else {
                self.unopened.insert(*id, left);
                self.batch(id).put(Table::Classrooms, key, &left)?;
            }
        }
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

    /// Of a classroom that was joined a while ago more may wait to be taken than was, for the tab has ended meanwhile.
    pub(crate) fn read_left_imported(&mut self) {
        let mut left: Vec<ClassroomId> = self.unopened.keys().copied().collect();
        left.retain(|id| self.is_joined(id));
        for id in left {
            self.read_imported(&id);
        }
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
        Kind::Chunk => 7,
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
        7 => Kind::Chunk,
        other => Kind::Other(other),
    }
}
