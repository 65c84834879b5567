//! A store in memory, for simulations: it can fail, be copied, and forget, but only whole batches.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::inventory::LogState;
use protocol::segment::Log;
use protocol::{ChunkHash, ClassroomId, DocumentId, PieceHash, SegmentHash, SpaceId};

use super::{CLAIM_BYTES, Change, Changes, Held, HeldPiece, Item, Named, Placed, Store, Tail, Totals};
use crate::Error;

/// See the [module](self). Clones are the same store, as a file is when it is opened again: a relay that crashes is
/// dropped, and the next one gets a clone.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Mutex<State>>);

#[derive(Debug, Clone, Default)]
struct State {
    incarnation: u64,
    /// Every committed batch, and when it was.
    batches: Vec<(Vec<(ClassroomId, Change)>, u64)>,
    /// What they come to.
    classrooms: BTreeMap<ClassroomId, Classroom>,
    failures: VecDeque<Failure>,
    is_unreadable: bool,
}

#[derive(Debug, Clone, Default)]
struct Classroom {
    totals: Totals,
    leaps: Vec<(u64, u64)>,
    items: BTreeMap<u64, Kept>,
    documents: BTreeMap<DocumentId, SpaceId>,
    logs: BTreeMap<Log, Segments>,
    pieces: BTreeMap<PieceHash, (Arc<[u8]>, u64)>,
    chunks: BTreeMap<ChunkHash, Chunk>,
    /// What folds took the place of, by log, first index and hash.
    covered: BTreeMap<(Log, u64, SegmentHash), Kept>,
}

/// A chunk, and the documents that it belongs to, each with the time since when.
#[derive(Debug, Clone)]
struct Chunk {
    bytes: Arc<[u8]>,
    claims: BTreeMap<DocumentId, u64>,
}

#[derive(Debug, Clone)]
struct Kept {
    placed: Arc<Placed>,
    stored: u64,
    bytes: u64,
}

#[derive(Debug, Clone)]
struct Segments {
    tail: Tail,
    /// Positions, by the last index of each.
    held: BTreeMap<u64, u64>,
}

/// How a commit goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The disk is full: nothing is stored.
    Full,
    /// Everything is stored, but the commit says that it failed.
    Unreported,
    /// The same, and what is stored can't be read the next time.
    Unreadable,
}

impl Memory {
    pub fn new(incarnation: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            incarnation,
            ..State::default()
        })))
    }

    /// An independent copy of what is stored now, as a backup is.
    pub fn copy(&self) -> Self {
        let mut state = self.0.lock().clone();
        state.failures.clear();
        Self(Arc::new(Mutex::new(state)))
    }

    /// Gives it a new incarnation, as is right for a store put back from a backup.
    pub fn renew_incarnation(&self, incarnation: u64) {
        self.0.lock().incarnation = incarnation;
    }

    /// How many batches were committed.
    pub fn batches(&self) -> usize {
        self.0.lock().batches.len()
    }

    /// Forgets all batches but the first so many, as a disk does that lied about having written them. No relay may
    /// have the store open; it needs a new incarnation then.
    pub fn rewind(&self, batches: usize) {
        let mut state = self.0.lock();
        state.batches.truncate(batches);
        state.replay();
    }

    /// The next commit that is not bound to fail already fails like this.
    pub fn fail(&self, failure: Failure) {
        self.0.lock().failures.push_back(failure);
    }

    /// No commit is bound to fail any more.
    pub fn fail_no_more(&self) {
        self.0.lock().failures.clear();
    }

    /// What is read from a classroom; nothing from one that is not there.
    fn read<T: Default>(&self, classroom: &ClassroomId, read: impl FnOnce(&Classroom) -> T) -> T {
        self.0
            .lock()
            .classrooms
            .get(classroom)
            .map(read)
            .unwrap_or_default()
    }
}

impl Store for Memory {
    fn incarnation(&self) -> u64 {
        self.0.lock().incarnation
    }

    fn classrooms(&self) -> Result<Vec<ClassroomId>, Error> {
        Ok(self.0.lock().classrooms.keys().copied().collect())
    }

    fn leaps(&self, classroom: &ClassroomId) -> Result<Vec<(u64, u64)>, Error> {
        Ok(self.read(classroom, |found| found.leaps.clone()))
    }

    fn totals(&self, classroom: &ClassroomId) -> Result<Option<Totals>, Error> {
        if std::mem::take(&mut self.0.lock().is_unreadable) {
            return Err(failed("read"));
        }
        Ok(self.read(classroom, |found| Some(found.totals)))
    }

    fn entries(&self, classroom: &ClassroomId) -> Result<Vec<(u64, Vec<u8>)>, Error> {
        Ok(self.read(classroom, |found| {
            let entries = found.placed(0).filter_map(|placed| match &placed.item {
                Item::Entry { bytes, .. } => Some((placed.position, bytes.clone())),
                _ => None,
            });
            entries.collect()
        }))
    }

    fn extras(&self, classroom: &ClassroomId) -> Result<Vec<Placed>, Error> {
        Ok(self.read(classroom, |found| {
            let extras = found
                .placed(0)
                .filter(|placed| !matches!(placed.item, Item::Entry { .. } | Item::Segment { .. }));
            extras.cloned().collect()
        }))
    }

    fn documents(&self, classroom: &ClassroomId) -> Result<Vec<(DocumentId, SpaceId)>, Error> {
        Ok(self.read(classroom, |found| {
            let documents = found.documents.iter();
            documents.map(|(document, space)| (*document, *space)).collect()
        }))
    }

    fn page(&self, classroom: &ClassroomId, after: u64, bytes: usize) -> Result<Vec<Placed>, Error> {
        Ok(self.read(classroom, |found| {
            up_to(bytes, found.placed(after.saturating_add(1)))
        }))
    }

    fn at(&self, classroom: &ClassroomId, position: u64) -> Result<Option<Placed>, Error> {
        Ok(self.read(classroom, |found| {
            found
                .items
                .get(&position)
                .map(|kept| kept.placed.as_ref().clone())
        }))
    }

    fn tail(&self, classroom: &ClassroomId, log: &Log) -> Result<Option<Tail>, Error> {
        Ok(self.read(classroom, |found| {
            found.logs.get(log).map(|segments| segments.tail)
        }))
    }

    fn held(&self, classroom: &ClassroomId, log: &Log, index: u64) -> Result<Option<Held>, Error> {
        Ok(self.read(classroom, |found| {
            let held = found.held(log, index, u64::MAX).next()?;
            held.filter(|held| held.first <= index)
        }))
    }

    fn log(
        &self,
        classroom: &ClassroomId,
        log: &Log,
        from: u64,
        to: u64,
        bytes: usize,
    ) -> Result<Vec<Placed>, Error> {
        Ok(self.read(classroom, |found| {
            let Some(segments) = found.logs.get(log) else {
                return Vec::new();
            };
            let placed = segments
                .held
                .range(from..)
                .filter_map(|(_, position)| found.items.get(position))
                .map(|kept| kept.placed.as_ref())
                .take_while(|placed| placed.item.held().is_some_and(|held| held.first < to));
            up_to(bytes, placed)
        }))
    }

    fn named(&self, classroom: &ClassroomId, log: &Log, from: u64, to: u64) -> Result<Option<Named>, Error> {
        Ok(self.read(classroom, |found| {
            let Held {
                first, last, hash, ..
            } = found.held(log, from, u64::MAX).next()??;
            (last <= to).then_some(Named { first, last, hash })
        }))
    }

    fn weight(&self, classroom: &ClassroomId, log: &Log, from: u64, to: u64) -> Result<u64, Error> {
        Ok(self.read(classroom, |found| {
            let held = found.logs.get(log).map(|segments| segments.held.range(from..=to));
            let kept = held.into_iter().flatten();
            kept.filter_map(|(_, position)| found.items.get(position))
                .map(|kept| kept.bytes)
                .sum()
        }))
    }

    fn covered(&self, classroom: &ClassroomId, log: &Log, from: u64, to: u64) -> Result<Vec<Held>, Error> {
        Ok(self.read(classroom, |found| {
            let covered = found.covered_of(log).filter_map(|kept| kept.placed.item.held());
            let mut covered: Vec<Held> = covered
                .filter(|held| from <= held.first && held.last <= to)
                .collect();
            covered.sort_unstable_by_key(|held| (held.first, held.last, held.hash));
            covered
        }))
    }

    fn covered_since(&self, classroom: &ClassroomId) -> Result<Option<u64>, Error> {
        Ok(self.read(classroom, |found| {
            found.covered.values().map(|kept| kept.stored).min()
        }))
    }

    fn fold(
        &self,
        classroom: &ClassroomId,
        document: &DocumentId,
        hash: &SegmentHash,
    ) -> Result<Option<(Log, Held)>, Error> {
        Ok(self.read(classroom, |found| {
            found.placed(0).find_map(|placed| match &placed.item {
                Item::Segment { segment, .. } if segment.header.log.document == *document => {
                    let held = placed.item.held()?;
                    (held.hash == *hash && held.chain_hash != held.hash).then_some((segment.header.log, held))
                }
                _ => None,
            })
        }))
    }

    fn logs(&self, classroom: &ClassroomId) -> Result<Vec<LogState>, Error> {
        Ok(self.read(classroom, |found| {
            let state = |(log, segments): (&Log, &Segments)| LogState {
                log: *log,
                first: found
                    .held(log, 0, u64::MAX)
                    .next()
                    .flatten()
                    .map_or(segments.tail.index.saturating_add(1), |held| held.first),
                next: segments.tail.index.saturating_add(1),
                hash: segments.tail.hash,
            };
            found.logs.iter().map(state).collect()
        }))
    }

    fn count(&self, classroom: &ClassroomId, document: &DocumentId, after: u64) -> Result<u64, Error> {
        Ok(self.read(classroom, |found| {
            let logs = found.logs.iter().filter(|(log, _)| log.document == *document);
            let positions = logs.flat_map(|(_, segments)| segments.held.values());
            positions.filter(|position| **position > after).count() as u64
        }))
    }

    fn stored_before(
        &self,
        classroom: &ClassroomId,
        log: &Log,
        next: u64,
        before: u64,
    ) -> Result<Option<u64>, Error> {
        Ok(self.read(classroom, |found| {
            let old =
                found.logs.get(log)?.held.range(..next).filter(|(_, position)| {
                    found.items.get(position).is_some_and(|kept| kept.stored < before)
                });
            old.map(|(last, _)| *last).next_back()
        }))
    }

    fn piece(&self, classroom: &ClassroomId, hash: &PieceHash) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.read(classroom, |found| {
            found.pieces.get(hash).map(|(bytes, _)| bytes.to_vec())
        }))
    }

    fn has_piece(&self, classroom: &ClassroomId, hash: &PieceHash) -> Result<bool, Error> {
        Ok(self.read(classroom, |found| found.pieces.contains_key(hash)))
    }

    fn pieces(&self, classroom: &ClassroomId) -> Result<Vec<HeldPiece>, Error> {
        Ok(self.read(classroom, |found| {
            let pieces = found.pieces.iter();
            pieces
                .map(|(hash, (_, stored))| HeldPiece {
                    hash: *hash,
                    stored: *stored,
                })
                .collect()
        }))
    }

    fn chunk(&self, classroom: &ClassroomId, hash: &ChunkHash) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.read(classroom, |found| {
            found.chunks.get(hash).map(|chunk| chunk.bytes.to_vec())
        }))
    }

    fn is_claimed(
        &self,
        classroom: &ClassroomId,
        document: &DocumentId,
        hash: &ChunkHash,
    ) -> Result<bool, Error> {
        Ok(self.read(classroom, |found| {
            let chunk = found.chunks.get(hash);
            chunk.is_some_and(|chunk| chunk.claims.contains_key(document))
        }))
    }

    fn chunks(&self, classroom: &ClassroomId, document: &DocumentId) -> Result<Vec<ChunkHash>, Error> {
        Ok(self.read(classroom, |found| {
            let chunks = found.chunks.iter();
            let claimed = chunks.filter(|(_, chunk)| chunk.claims.contains_key(document));
            claimed.map(|(hash, _)| *hash).collect()
        }))
    }

    fn claimed_since(
        &self,
        classroom: &ClassroomId,
        document: &DocumentId,
    ) -> Result<Option<(u64, u64)>, Error> {
        Ok(self.read(classroom, |found| {
            let since = || {
                let chunks = found.chunks.values();
                chunks.filter_map(|chunk| chunk.claims.get(document).copied())
            };
            since().min().zip(since().max())
        }))
    }

    fn attached(&self, classroom: &ClassroomId) -> Result<Vec<DocumentId>, Error> {
        Ok(self.read(classroom, |found| {
            let documents = found.chunks.values().flat_map(|chunk| chunk.claims.keys());
            let documents: BTreeSet<DocumentId> = documents.copied().collect();
            documents.into_iter().collect()
        }))
    }

    fn commit(&self, changes: &Changes, now: u64) -> Result<(), Error> {
        let mut state = self.0.lock();
        let failure = state.failures.pop_front();
        if failure == Some(Failure::Full) {
            return Err(failed("commit"));
        }
        if !state.apply(changes, now) {
            state.replay();
            return Err(Error::Conflict);
        }
        state.batches.push((changes.to_vec(), now));
        state.is_unreadable = failure == Some(Failure::Unreadable);
        match failure {
            Some(_) => Err(failed("commit")),
            None => Ok(()),
        }
    }

    fn shrink(&self, _: u64) -> Result<(), Error> {
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl State {
    /// Makes the changes; false if one does not fit, with those before it made.
    fn apply(&mut self, changes: &Changes, now: u64) -> bool {
        changes.iter().all(|(id, change)| {
            let classroom = self.classrooms.entry(*id).or_default();
            change.fits() && classroom.change(change, now)
        })
    }

    /// Makes the classrooms what the batches come to.
    fn replay(&mut self) {
        self.classrooms.clear();
        let batches = std::mem::take(&mut self.batches);
        for (changes, now) in &batches {
            // Each was accepted once, after the same batches.
            self.apply(changes, *now);
        }
        self.batches = batches;
    }
}

impl Classroom {
    fn placed(&self, from: u64) -> impl Iterator<Item = &Placed> {
        self.items.range(from..).map(|(_, kept)| kept.placed.as_ref())
    }

    /// The segments of a log whose last index is in the range.
    fn held(&self, log: &Log, from: u64, to: u64) -> impl Iterator<Item = Option<Held>> {
        self.logs
            .get(log)
            .into_iter()
            .flat_map(move |segments| segments.held.range(from..=to))
            .map(|(_, position)| self.items.get(position).and_then(|kept| kept.placed.item.held()))
    }

    fn change(&mut self, change: &Change, now: u64) -> bool {
        let is_beside = matches!(
            change,
            Change::Piece { .. } | Change::KeepCovered { .. } | Change::Chunk { .. }
        );
        if is_beside && self.totals.last == 0 {
            return false;
        }
        match change {
            Change::Place(placed) => return self.place(placed, now),
            Change::Leap { to } => {
                let last = self.totals.last;
                if *to <= last || last == 0 {
                    return false;
                }
                self.leaps.push((last, *to));
                self.totals.last = *to;
            }
            Change::Remove { position } => self.remove(*position),
            Change::RemoveSegments { log, from, to } => {
                self.take_segments(log, *from, *to);
            }
            Change::Cover { log, from, to } => {
                for kept in self.take_segments(log, *from, *to) {
                    self.cover(Kept { stored: now, ..kept });
                }
            }
            Change::KeepCovered { hash, segment } => {
                let item = Item::Segment {
                    hash: *hash,
                    segment: Box::new(segment.as_ref().clone()),
                };
                let Ok(bytes) = item.bytes().map(|bytes| bytes.len() as u64) else {
                    return false;
                };
                let placed = Arc::new(Placed { position: 0, item });
                self.cover(Kept {
                    placed,
                    stored: now,
                    bytes,
                });
            }
            Change::Uncover { log, parts, position } => return self.uncover(log, parts, *position, now),
            Change::ForgetCovered { before } => self.forget_covered(|_, kept| kept.stored < *before),
            Change::Erase { document } => {
                let logs: Vec<Log> = self
                    .logs
                    .keys()
                    .filter(|log| log.document == *document)
                    .copied()
                    .collect();
                for log in logs {
                    let positions = self.logs.remove(&log).map(|segments| segments.held);
                    for position in positions.into_iter().flat_map(BTreeMap::into_values) {
                        self.remove(position);
                    }
                }
                self.documents.remove(document);
                self.forget_covered(|log, _| log.document == *document);
                self.forget_chunks(document, |_| true);
            }
            Change::Piece { hash, bytes } => {
                if !self.pieces.contains_key(hash) {
                    self.totals.bytes += bytes.len() as u64;
                }
                self.pieces.insert(*hash, (Arc::clone(bytes), now));
            }
            Change::RemovePiece { hash } => {
                if let Some((bytes, _)) = self.pieces.remove(hash) {
                    self.totals.bytes -= bytes.len() as u64;
                }
            }
            Change::Chunk {
                document,
                hash,
                bytes,
            } => {
                let claims = match self.chunks.remove(hash) {
                    Some(damaged) => {
                        self.totals.bytes -= damaged.bytes.len() as u64;
                        damaged.claims
                    }
                    None => BTreeMap::new(),
                };
                self.totals.bytes += bytes.len() as u64;
                let bytes = Arc::clone(bytes);
                self.chunks.insert(*hash, Chunk { bytes, claims });
                return self.claim(document, hash, now);
            }
            Change::Claim { document, hash } => return self.claim(document, hash, now),
            Change::Unclaim { document, before } => self.forget_chunks(document, |since| since < *before),
        }
        true
    }

    fn place(&mut self, placed: &Arc<Placed>, now: u64) -> bool {
        let position = placed.position;
        let Ok(bytes) = placed.item.bytes() else {
            return false;
        };
        if position <= self.totals.last {
            return false;
        }
        if let (Item::Segment { segment, .. }, Some(held)) = (&placed.item, placed.item.held()) {
            let header = &segment.header;
            let tail = Tail {
                index: held.last,
                hash: held.chain_hash,
            };
            let segments = self.logs.entry(header.log).or_insert_with(|| Segments {
                tail,
                held: BTreeMap::new(),
            });
            if segments.held.insert(held.last, position).is_some() {
                return false;
            }
            if segments.tail.index < held.last {
                segments.tail = tail;
            }
            self.documents.entry(header.log.document).or_insert(header.space);
        }
        self.totals.last = position;
        let bytes = bytes.len() as u64;
        self.totals.bytes += bytes;
        self.items.insert(
            position,
            Kept {
                placed: Arc::clone(placed),
                stored: now,
                bytes,
            },
        );
        true
    }

    fn covered_of(&self, log: &Log) -> impl Iterator<Item = &Kept> {
        let range = (*log, 0, SegmentHash([0; 32]))..=(*log, u64::MAX, SegmentHash([0xff; 32]));
        self.covered.range(range).map(|(_, kept)| kept)
    }

    /// Takes segments out of the items.
    fn take_segments(&mut self, log: &Log, from: u64, to: u64) -> Vec<Kept> {
        let Some(segments) = self.logs.get_mut(log) else {
            return Vec::new();
        };
        let lasts: Vec<u64> = segments.held.range(from..=to).map(|(last, _)| *last).collect();
        let positions = lasts.iter().filter_map(|last| segments.held.remove(last));
        let taken: Vec<Kept> = positions
            .filter_map(|position| self.items.remove(&position))
            .collect();
        self.totals.bytes -= taken.iter().map(|kept| kept.bytes).sum::<u64>();
        taken
    }

    fn cover(&mut self, kept: Kept) {
        if let (Item::Segment { segment, .. }, Some(held)) = (&kept.placed.item, kept.placed.item.held()) {
            let key = (segment.header.log, held.first, held.hash);
            if !self.covered.contains_key(&key) {
                self.totals.covered += kept.bytes;
                self.covered.insert(key, kept);
            }
        }
    }

    fn uncover(&mut self, log: &Log, parts: &[SegmentHash], position: u64, now: u64) -> bool {
        for (position, part) in (position..).zip(parts) {
            let key = self.covered_of(log).find_map(|kept| {
                let held = kept.placed.item.held()?;
                (held.hash == *part).then_some((*log, held.first, held.hash))
            });
            let Some(kept) = key.and_then(|key| self.covered.remove(&key)) else {
                return false;
            };
            self.totals.covered -= kept.bytes;
            let item = kept.placed.item.clone();
            if !self.place(&Arc::new(Placed { position, item }), now) {
                return false;
            }
        }
        true
    }

    fn forget_covered(&mut self, is_gone: impl Fn(&Log, &Kept) -> bool) {
        let mut freed = 0;
        self.covered.retain(|(log, ..), kept| {
            let goes = is_gone(log, kept);
            freed += if goes { kept.bytes } else { 0 };
            !goes
        });
        self.totals.covered -= freed;
    }

    fn claim(&mut self, document: &DocumentId, hash: &ChunkHash, now: u64) -> bool {
        let Some(chunk) = self.chunks.get_mut(hash) else {
            return false;
        };
        chunk.claims.entry(*document).or_insert_with(|| {
            self.totals.bytes += CLAIM_BYTES;
            now
        });
        true
    }

    fn forget_chunks(&mut self, document: &DocumentId, is_gone: impl Fn(u64) -> bool) {
        let mut freed = 0;
        self.chunks.retain(|_, chunk| {
            if !chunk.claims.get(document).is_some_and(|since| is_gone(*since)) {
                return true;
            }
            chunk.claims.remove(document);
            freed += CLAIM_BYTES;
            let goes = chunk.claims.is_empty();
            freed += if goes { chunk.bytes.len() as u64 } else { 0 };
            !goes
        });
        self.totals.bytes -= freed;
    }

    fn remove(&mut self, position: u64) {
        if let Some(kept) = self.items.remove(&position) {
            self.totals.bytes -= kept.bytes;
        }
    }
}

fn failed(doing: &'static str) -> Error {
    Error::Io {
        doing,
        source: io::ErrorKind::StorageFull.into(),
    }
}

/// The first of them, and more until so many bytes are full.
fn up_to<'a>(bytes: usize, items: impl Iterator<Item = &'a Placed>) -> Vec<Placed> {
    let (mut page, mut size) = (Vec::new(), 0);
    for placed in items {
        size += placed.item.size();
        page.push(placed.clone());
        if size >= bytes {
            break;
        }
    }
    page
}
