//! A classroom in a file, to carry by hand: everything that is here of it, as it is stored, page by page from the store, so
//! that it needs little memory and no room on the disk. What can be folded is folded before, unless nothing can be written.

use std::borrow::Cow;
use std::collections::BTreeSet;

use protocol::attachment::{Chunk, DocumentChunk};
use protocol::bundle::{Kind, Writer};
use protocol::rand_core::CryptoRng;
use protocol::receipt::Receipt;
use protocol::roster::Action;
use protocol::segment::Segment;
use protocol::{ClassroomId, PieceHash};

use crate::classroom::Classroom;
use crate::command::{Answer, Problem};
use crate::loading::What;
use crate::store::{self, Changes, Said, Table};
use crate::{Error, Replica};

/// How long folding may take before an export goes on without, in milliseconds.
const FOLD_WITHIN: u64 = 5_000;
/// How many rows are read at once.
const ROWS: u32 = 32;
/// How many pieces of snapshots, or chunks of attachments, are read at once.
const PIECES_AT_ONCE: usize = 4;
/// How many bytes of entries are handed over at once.
const PART: usize = 64 * 1024;

/// An export under way.
pub(crate) struct Exporting {
    writer: Writer,
    /// What is still to be exported, the last first, and what of the last.
    rest: Vec<ClassroomId>,
    step: Step,
    items: u64,
}

enum Step {
    /// Folds are being made and written, until then at most.
    Folding { until: u64 },
    /// A page is being read.
    Reading,
    /// The pieces of a snapshot are being read, a few at a time; these are still to be.
    Snapshots(Vec<PieceHash>),
    /// The next page begins there, and is read then, for it could not be read before.
    Again { table: Table, from: Vec<u8>, at: u64 },
}

impl<R: CryptoRng> Replica<R> {
    /// Begins an export of one classroom, or of all.
    #[inline(never)]
    pub(crate) fn export(&mut self, request: u32, classroom: Option<ClassroomId>) -> Result<(), Problem> {
        let mut rest = Vec::new();
        for (id, held) in &self.classrooms {
            if held.joining.is_none() && classroom.is_none_or(|classroom| classroom == *id) {
                rest.push(*id);
            }
        }
        if rest.is_empty() && classroom.is_some() {
            return Err(Problem::UnknownClassroom);
        }
        self.fold_now(&rest);
        let (writer, begin) = Writer::begin();
        self.show_part(request, begin);
        let step = Step::Folding {
            until: self.now + FOLD_WITHIN,
        };
        let exporting = Exporting {
            writer,
            rest,
            step,
            items: 0,
        };
        self.exports.insert(request, exporting);
        Ok(())
    }

    /// Goes on with what need not wait any more.
    pub(crate) fn exports_ready(&mut self) {
        let is_folded = !self.reads.values().any(crate::loading::Reading::is_folding)
            && (self.writes.is_idle() || self.writes.is_failing());
        let mut ready = Vec::new();
        for (request, exporting) in &self.exports {
            match &exporting.step {
                Step::Folding { until } if is_folded || self.now >= *until => ready.push((*request, None)),
                Step::Again { table, from, at } if self.now >= *at => {
                    ready.push((*request, Some((*table, from.clone()))));
                }
                _ => {}
            }
        }
        for (request, from) in ready {
            match from {
                None => self.export_classroom(request),
                Some((table, from)) => self.export_page(request, table, from),
            }
        }
    }

    /// The entries of the next classroom, and the first page of its segments; or the end.
    fn export_classroom(&mut self, request: u32) {
        let Some(exporting) = self.exports.get_mut(&request) else {
            return;
        };
        let Some(id) = exporting.rest.last().copied() else {
            self.end_export(request);
            return;
        };
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let mut part = Vec::new();
        if let Some(classroom) = self.classrooms.get(&id) {
            let mut left_out = BTreeSet::new();
            for entry in classroom
                .roster
                .entries_in_order()
                .into_iter()
                .chain(classroom.waiting.iter().map(|(entry, _)| entry))
            {
                let hash = entry.hash();
                let is_own = classroom.entries.contains_key(&hash);
                // What is to be erased is not carried over yet, and whoever took this to a relay could not know.
                if is_own && matches!(entry.action(), Action::Erase { .. })
                    || entry.parents().iter().any(|parent| left_out.contains(parent))
                {
                    left_out.insert(hash);
                    continue;
                }
                let record = entry
                    .encode()
                    .and_then(|item| exporting.writer.record(&id, Kind::Entry, &item));
                // One that was read once can be written again.
                part.extend(record.unwrap_or_default());
                exporting.items += 1;
                if part.len() >= PART {
                    parts.push(std::mem::take(&mut part));
                }
            }
        }
        // What documents are made of comes before the segments behind it.
        let mut pieces = Vec::new();
        if let Some(classroom) = self.classrooms.get(&id) {
            for (_, snapshot) in classroom.snapshots.bases() {
                let record = snapshot
                    .encode()
                    .and_then(|item| exporting.writer.record(&id, Kind::Snapshot, &item));
                part.extend(record.unwrap_or_default());
                exporting.items += 1;
                pieces.extend_from_slice(snapshot.pieces());
            }
        }
        exporting.step = Step::Snapshots(pieces);
        parts.push(part);
        for part in parts {
            self.show_part(request, part);
        }
        self.export_pieces(request);
    }

    /// The next pieces; after them the segments.
    fn export_pieces(&mut self, request: u32) {
        let Some(exporting) = self.exports.get_mut(&request) else {
            return;
        };
        let (Some(id), Step::Snapshots(pieces)) = (exporting.rest.last().copied(), &mut exporting.step)
        else {
            return;
        };
        let next = pieces.split_off(pieces.len().saturating_sub(PIECES_AT_ONCE));
        if next.is_empty() {
            let (table, from, _) = store::range_of(Table::Segments, &id);
            self.export_page(request, table, from);
            return;
        }
        let ranges = next.iter().map(|piece| store::piece_range(&id, piece)).collect();
        self.read(id, What::ExportPieces(request), ranges);
    }

    /// Some pieces were read, or could not be: who imports the rest makes the document of its segments.
    #[inline(never)]
    pub(crate) fn pieces_to_export(&mut self, request: u32, found: &Changes) {
        let Some(exporting) = self.exports.get_mut(&request) else {
            return;
        };
        let Some(id) = exporting.rest.last().copied() else {
            return;
        };
        let mut part = Vec::new();
        for piece in found.values().flatten() {
            if let Ok(record) = exporting.writer.record(&id, Kind::Piece, piece) {
                part.extend(record);
                exporting.items += 1;
            }
        }
        self.show_part(request, part);
        self.export_pieces(request);
    }

    fn export_page(&mut self, request: u32, table: Table, from: Vec<u8>) {
        if let Some(exporting) = self.exports.get_mut(&request)
            && let Some(id) = exporting.rest.last().copied()
        {
            exporting.step = Step::Reading;
            let (_, _, to) = store::range_of(table, &id);
            let what = What::Export(request, table, from.clone());
            let most = if table == Table::Chunks {
                PIECES_AT_ONCE as u32
            } else {
                ROWS
            };
            self.read_page(id, what, (table, from, to), most);
        }
    }

    /// A page was read; the next one begins at `next`. After the segments comes what members said of snapshots, and what they
    /// have seen; then what documents refer to.
    #[inline(never)]
    pub(crate) fn page_to_export(
        &mut self,
        request: u32,
        table: Table,
        found: &Changes,
        next: Option<Vec<u8>>,
    ) {
        let Some(exporting) = self.exports.get_mut(&request) else {
            return;
        };
        let Some(id) = exporting.rest.last().copied() else {
            return;
        };
        let mut part = Vec::new();
        for ((_, key), row) in found {
            if let Some(row) = row
                && let Some(classroom) = self.classrooms.get(&id)
                && let Some((kind, item)) = classroom.item_to_export(table, key, row)
                && let Ok(record) = exporting.writer.record(&id, kind, &item)
            {
                part.extend(record);
                exporting.items += 1;
            }
        }
        let following = match table {
            Table::Segments => Some(Table::Receipts),
            Table::Receipts => Some(Table::Chunks),
            _ => None,
        };
        if next.is_none() && following.is_none() {
            exporting.rest.pop();
        }
        self.show_part(request, part);
        match (next, following) {
            (Some(next), _) => self.export_page(request, table, next),
            (None, Some(table)) => {
                let (table, from, _) = store::range_of(table, &id);
                self.export_page(request, table, from);
            }
            (None, None) => self.export_classroom(request),
        }
    }

    /// A page could not be read.
    #[inline(never)]
    pub(crate) fn export_again(&mut self, request: u32, table: Table, from: Vec<u8>) {
        let at = self.now + crate::loading::READ_AGAIN;
        if let Some(exporting) = self.exports.get_mut(&request) {
            exporting.step = Step::Again { table, from, at };
        }
    }

    fn end_export(&mut self, request: u32) {
        let Some(Exporting { writer, items, .. }) = self.exports.remove(&request) else {
            return;
        };
        match writer.end().map_err(Error::from) {
            Ok(end) => {
                self.show_part(request, end);
                self.answer(request, Ok(Answer::Exported { items }));
            }
            Err(_) => self.answer(request, Err(Problem::Internal)),
        }
    }
}

impl Classroom {
    /// What a row is exported as, if it is.
    fn item_to_export<'a>(&self, table: Table, key: &[u8], row: &'a [u8]) -> Option<(Kind, Cow<'a, [u8]>)> {
        let kind = match table {
            Table::Segments => {
                let is_gone = |segment: Segment| self.is_gone(&segment.header.log.document);
                (!Segment::decode(row).is_ok_and(is_gone)).then_some(Kind::Segment)?
            }
            Table::Chunks => {
                let (_, document, name) = store::parse_chunk_key(key)?;
                let chunk = Chunk::decode(row.to_vec()).ok()?;
                let is_sound = chunk.hash() == name && !self.is_gone(&document);
                let item = DocumentChunk { document, chunk };
                return is_sound.then(|| (Kind::Chunk, Cow::Owned(item.encode())));
            }
            _ => match store::said(key)? {
                Said::SeenAt => return None,
                Said::Receipt => {
                    let header = Receipt::decode(row).ok()?.header;
                    let counts = self.roster.is_in_space(&header.member, &header.space);
                    counts.then_some(Kind::Receipt)?
                }
                Said::Verdict => Kind::Verdict,
            },
        };
        Some((kind, Cow::Borrowed(row)))
    }
}
