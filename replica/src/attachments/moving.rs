//! Chunks of documents that are started anew: what the successor refers to is its own from then on. Whoever erases has the relay
//! know that before, for it forgets what nothing there lays claim to; and whoever hears of it sees to what is on their device.

use std::collections::BTreeSet;

use protocol::attachment::Reference;
use protocol::rand_core::CryptoRng;
use protocol::roster::{Action, Entry};
use protocol::{ChunkHash, ClassroomId, DocumentId, LaneId};

use super::{chunks_in, rows_of};
use crate::classroom::{Classroom, Content, Copy};
use crate::loading::{READ_AGAIN, What};
use crate::store::{self, Changes, Table};
use crate::{Error, Replica};

/// How many chunks are read at once.
const ROWS: u32 = 4;

/// The chunks of what takes the place of a document that this person erases, which the relay does not know yet.
#[derive(Default)]
pub(crate) struct Moved {
    /// Those that were noted to be claimed.
    names: BTreeSet<ChunkHash>,
    step: Step,
}

#[derive(Default, PartialEq, Eq)]
enum Step {
    /// There may be more.
    #[default]
    Due,
    Reading,
    /// They could not be read: not before this time, in milliseconds since 1970.
    Waiting {
        from: u64,
    },
    Done,
}

/// How far it is with the chunks of a document that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunksLeft {
    Reading,
    /// What becomes of them can't be said, or they could not be read: not before this time, in milliseconds since 1970.
    Waiting {
        from: u64,
    },
}

impl Moved {
    pub(crate) fn is_done(&self) -> bool {
        self.step == Step::Done
    }

    fn is_due(&self, now: u64) -> bool {
        match self.step {
            Step::Due => true,
            Step::Waiting { from } => now >= from,
            Step::Reading | Step::Done => false,
        }
    }

    /// What takes its place has changed.
    pub(crate) fn look_again(&mut self) {
        if self.step == Step::Done {
            self.step = Step::Due;
        }
    }
}

impl<R: CryptoRng> Replica<R> {
    /// Lays claim to what the successors of documents refer to that this person erases.
    pub(crate) fn claim_for_successors(&mut self) {
        let now = self.now;
        let mut due = Vec::new();
        for classroom in self.classrooms.values() {
            for document in classroom.erasing() {
                let moved = classroom.moved.get(&document);
                if moved.is_none_or(|moved| moved.is_due(now)) {
                    due.push((classroom.id, document));
                }
            }
        }
        for (id, document) in due {
            self.claim_for_successor(&id, document);
        }
    }

    #[inline(never)]
    fn claim_for_successor(&mut self, id: &ClassroomId, document: DocumentId) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let Some(successor) = classroom.last_successor(&document) else {
            return;
        };
        let named = match classroom.documents.get(&successor) {
            Some(Copy::Away | Copy::Loading { .. }) => return self.load(id, successor),
            Some(Copy::Here(_)) => classroom.chunks_of(&successor),
            None => BTreeSet::new(),
        };
        let moved = classroom.moved.entry(document).or_default();
        let next: Vec<ChunkHash> = named
            .difference(&moved.names)
            .take(ROWS as usize)
            .copied()
            .collect();
        if next.is_empty() {
            moved.step = Step::Done;
            return;
        }
        moved.step = Step::Reading;
        let ranges = rows_of(id, &document, &next);
        self.read(*id, What::Moved(document, successor, next), ranges);
    }

    /// Some of them were read, as far as they are here. The relay may have the others.
    #[inline(never)]
    pub(crate) fn moved_read(
        &mut self,
        id: &ClassroomId,
        (document, successor): (DocumentId, DocumentId),
        names: &[ChunkHash],
        found: Changes,
    ) -> Result<(), Error> {
        for (_, chunk) in chunks_in(found) {
            self.keep_chunk(id, &successor, chunk);
        }
        self.note_uploads(id, successor, names, false)?;
        if let Some(moved) = self
            .classrooms
            .get_mut(id)
            .and_then(|classroom| classroom.moved.get_mut(&document))
        {
            moved.names.extend(names);
            moved.step = Step::Due;
        }
        Ok(())
    }

    #[inline(never)]
    pub(crate) fn moved_not_read(&mut self, id: &ClassroomId, document: DocumentId) {
        let from = self.now + READ_AGAIN;
        let classroom = self.classrooms.get_mut(id);
        if let Some(moved) = classroom.and_then(|classroom| classroom.moved.get_mut(&document)) {
            moved.step = Step::Waiting { from };
        }
    }

    /// Sees to the chunks of a document that is gone.
    pub(crate) fn clear_chunks(&mut self, id: &ClassroomId, document: DocumentId) {
        let (_, from, _) = store::range_of_document(Table::Chunks, id, &document);
        self.clear_chunks_from(id, document, from);
    }

    #[inline(never)]
    fn clear_chunks_from(&mut self, id: &ClassroomId, document: DocumentId, from: Vec<u8>) {
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.chunks_left.insert(document, ChunksLeft::Reading);
            let (table, _, to) = store::range_of_document(Table::Chunks, id, &document);
            self.read_page(*id, What::ChunksLeft(document), (table, from, to), ROWS);
        }
    }

    /// Goes on with what had to wait.
    pub(crate) fn tick_chunks(&mut self) {
        let mut due = Vec::new();
        for classroom in self.classrooms.values() {
            for (document, left) in &classroom.chunks_left {
                if matches!(left, ChunksLeft::Waiting { from } if self.now >= *from)
                    && classroom.chunks_of_tabs(document, &self.held).is_empty()
                {
                    due.push((classroom.id, *document));
                }
            }
        }
        for (id, document) in due {
            let is_gone = self
                .classrooms
                .get(&id)
                .is_some_and(|known| known.is_gone(&document));
            if !is_gone || self.what_stays(&id, document).is_some() {
                self.clear_chunks(&id, document);
            }
        }
    }

    /// The chunks that what stands in the place of a document that is gone refers to, unless that can't be said yet.
    fn what_stays(&mut self, id: &ClassroomId, document: DocumentId) -> Option<BTreeSet<ChunkHash>> {
        let classroom = self.classrooms.get(id)?;
        let Some(successor) = classroom.last_successor(&document) else {
            return Some(BTreeSet::new());
        };
        if classroom.is_any_between(&document, &successor) {
            return None;
        }
        let is_told = classroom.everything_upto().is_some();
        match classroom.documents.get(&successor) {
            Some(Copy::Here(held)) if is_told || held.content.document().count() > 0 => {
                Some(classroom.chunks_of(&successor))
            }
            Some(Copy::Away | Copy::Loading { .. }) => {
                self.load(id, successor);
                None
            }
            None if is_told => Some(BTreeSet::new()),
            Some(Copy::Here(_)) | None => None,
        }
    }

    /// Some chunks of a document that is gone were read: they go, or belong to what stands in its place.
    #[inline(never)]
    pub(crate) fn chunks_left_read(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        mut found: Changes,
        next: Option<Vec<u8>>,
    ) -> Result<(), Error> {
        let now = self.now;
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        if !classroom.is_gone(&document) {
            // Whoever did that had not the right to.
            classroom.chunks_left.remove(&document);
            return Ok(());
        }
        // What another tab has just attached goes when that says so: what it writes need not be here.
        let others = classroom.chunks_of_tabs(&document, &self.held);
        found.retain(|(_, key), _| {
            store::parse_chunk_key(key).is_none_or(|(_, _, chunk)| !others.contains(&chunk))
        });
        let named = if found.is_empty() {
            Some(BTreeSet::new())
        } else {
            self.what_stays(id, document)
        };
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let Some(named) = named else {
            let waiting = ChunksLeft::Waiting { from: now };
            classroom.chunks_left.insert(document, waiting);
            return Ok(());
        };
        let successor = classroom.last_successor(&document);
        let claimed = classroom.moved.get(&document).map(|moved| moved.names.clone());
        let claimed = claimed.unwrap_or_default();
        let unsent = classroom.uploads.iter();
        let made_here: BTreeSet<ChunkHash> = unsent
            .filter(|((of, _), upload)| *of == document && upload.made_here)
            .map(|((_, chunk), _)| *chunk)
            .collect();
        for (table, key) in found.keys() {
            self.batch(id).delete(*table, key.clone());
        }
        for (_, chunk) in chunks_in(found) {
            let name = chunk.hash();
            if let Some(successor) = successor.filter(|_| named.contains(&name)) {
                self.keep_chunk(id, &successor, chunk);
                let made_here = made_here.contains(&name);
                if made_here || !claimed.contains(&name) {
                    self.note_uploads(id, successor, &[name], made_here)?;
                }
            }
        }
        match next {
            Some(next) => self.clear_chunks_from(id, document, next),
            None => self.chunks_cleared(id, document),
        }
        Ok(())
    }

    #[inline(never)]
    fn chunks_cleared(&mut self, id: &ClassroomId, document: DocumentId) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let others = classroom.chunks_of_tabs(&document, &self.held);
        let mut dropped = Vec::new();
        for (of, chunk) in classroom.uploads.keys() {
            if *of == document && !others.contains(chunk) {
                dropped.push(*chunk);
            }
        }
        if others.is_empty() {
            classroom.chunks_left.remove(&document);
            classroom.moved.remove(&document);
        } else {
            let waiting = ChunksLeft::Waiting { from: self.now };
            classroom.chunks_left.insert(document, waiting);
        }
        for chunk in dropped {
            self.chunk_on_relay(id, document, chunk);
        }
    }

    #[inline(never)]
    pub(crate) fn chunks_left_not_read(&mut self, id: &ClassroomId, document: DocumentId) {
        let from = self.now + READ_AGAIN;
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom
                .chunks_left
                .insert(document, ChunksLeft::Waiting { from });
        }
    }
}

impl Classroom {
    /// The documents that this person erases, and the relay does not know yet.
    fn erasing(&self) -> BTreeSet<DocumentId> {
        let entries = self.entries.keys().filter_map(|hash| self.roster.entry(hash));
        let documents = entries.map(Entry::action).filter_map(|action| match action {
            Action::Erase { document, .. } => Some(*document),
            _ => None,
        });
        documents.filter(|document| self.erases(document)).collect()
    }

    /// Whether something of a document is here that took the place of the one, and gave way to the other: it is still to be
    /// carried over, and may refer to anything.
    fn is_any_between(&self, document: &DocumentId, last: &DocumentId) -> bool {
        let next = |of: &DocumentId| self.roster.erased(of).filter(|next| next != last);
        let mut between = std::iter::successors(next(document), next);
        between.any(|document| self.documents.contains_key(&document))
    }

    /// The chunks of a document that other tabs are to bring.
    fn chunks_of_tabs(&self, document: &DocumentId, held: &BTreeSet<LaneId>) -> BTreeSet<ChunkHash> {
        let uploads = self.uploads.iter();
        let of_tabs = uploads.filter(|((of, _), upload)| of == document && !held.contains(&upload.lane));
        of_tabs.map(|((_, chunk), _)| *chunk).collect()
    }

    /// Whether the relay has the chunks of what takes the place of a document, as what belongs to that.
    pub(crate) fn has_moved(&self, document: &DocumentId, successor: &DocumentId) -> bool {
        self.moved.get(document).is_some_and(Moved::is_done)
            && !self
                .uploads
                .iter()
                .any(|((of, _), upload)| of == successor && !upload.is_lost())
    }

    /// The chunks that a document that is here refers to as it is now.
    fn chunks_of(&self, document: &DocumentId) -> BTreeSet<ChunkHash> {
        let mut chunks = BTreeSet::new();
        if let Some(Copy::Here(held)) = self.documents.get(document)
            && let Content::Page(page) = &held.content
        {
            for address in documents::page::picture::attachments_of(page) {
                if let Ok(reference) = Reference::parse(&address) {
                    chunks.extend(reference.chunks());
                }
            }
        }
        chunks
    }
}
