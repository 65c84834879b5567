//! One write at a time; what comes up meanwhile is written together next. A write that fails is tried again before
//! anything later, so that the store never holds a later state without an earlier one.

use std::collections::BTreeSet;

use protocol::segment::Log;
use protocol::{ChunkHash, ClassroomId, DocumentId, EntryHash, SegmentHash};

use crate::Replica;
use crate::command::Answer;
use crate::event::Effect;
use crate::store::{Batch, Changes, Ranges, Table, UploadRecord};
use crate::tabs::Note;
use protocol::rand_core::CryptoRng;
use protocol::roster::Entry;

/// How long after a failed write the next attempt is made, in milliseconds.
pub(crate) const RETRY: u64 = 1000;

#[derive(Debug, Default)]
pub(crate) struct Writes {
    in_flight: Option<(Batch, Vec<After>)>,
    next: Batch,
    after: Vec<After>,
    /// The rows of [`Table::Chunks`] among these that only spare asking the relay again.
    spare: BTreeSet<Vec<u8>>,
    /// When to try again, since the last write failed.
    retry_at: Option<u64>,
}

/// What to do once a write is durable.
#[derive(Debug)]
pub(crate) enum After {
    Answer(u32, Answer),
    Segment(ClassroomId, Log, u64, SegmentHash),
    Entry(ClassroomId, EntryHash),
    Uploads(ClassroomId, DocumentId, Vec<ChunkHash>, UploadRecord),
    TellTabs(Vec<u8>),
}

impl Writes {
    /// The batch that is written next.
    pub(crate) fn next(&mut self) -> &mut Batch {
        &mut self.next
    }

    /// What is noted for these keys, and may not be in the store yet.
    pub(crate) fn unwritten(&self, ranges: &Ranges) -> Changes {
        let mut changes = self
            .in_flight
            .as_ref()
            .map(|(batch, _)| batch.within(ranges))
            .unwrap_or_default();
        changes.extend(self.next.within(ranges));
        changes
    }

    /// Notes a chunk that can be had again: if there is no room for it, what else is to be written must not wait for that.
    pub(crate) fn put_spare(&mut self, key: Vec<u8>, chunk: Vec<u8>) {
        self.spare.insert(key.clone());
        self.next.put_bytes(Table::Chunks, key, chunk);
    }

    /// This chunk must not be lost any more.
    pub(crate) fn keep(&mut self, key: &[u8]) {
        self.spare.remove(key);
    }

    /// For when the next batch is durable.
    pub(crate) fn then(&mut self, after: After) {
        self.after.push(after);
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.retry_at.is_some()
    }

    /// Whether all that was noted is written.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_none() && self.next.is_empty()
    }

    /// The batch to write now, if there is one and none is under way.
    pub(crate) fn start(&mut self, now: u64) -> Option<Batch> {
        let nothing = self.next.is_empty() && self.after.is_empty();
        if self.in_flight.is_some() || nothing || self.retry_at.is_some_and(|at| now < at) {
            return None;
        }
        let batch = std::mem::take(&mut self.next);
        self.in_flight = Some((batch.clone(), std::mem::take(&mut self.after)));
        Some(batch)
    }

    pub(crate) fn failed(&mut self, now: u64) {
        if let Some((mut batch, mut after)) = self.in_flight.take() {
            batch.append(std::mem::take(&mut self.next));
            after.append(&mut self.after);
            self.next = batch;
            self.after = after;
        }
        for key in std::mem::take(&mut self.spare) {
            self.next.changes.remove(&(Table::Chunks, key));
        }
        self.retry_at = Some(now + RETRY);
    }

    fn done(&mut self) -> Vec<After> {
        self.retry_at = None;
        let Self { spare, next, .. } = self;
        spare.retain(|key| next.changes.contains_key(&(Table::Chunks, key.clone())));
        self.in_flight.take().map(|(_, after)| after).unwrap_or_default()
    }
}

impl<R: CryptoRng> Replica<R> {
    pub(crate) fn written(&mut self) {
        for after in self.writes.done() {
            match after {
                After::Answer(request, answer) => self.answer(request, Ok(answer)),
                After::TellTabs(note) => self.effects.push(Effect::TellTabs(note)),
                After::Segment(classroom, log, index, hash) => {
                    self.segment_written(classroom, (log, index), hash);
                }
                After::Uploads(classroom, document, chunks, record) => {
                    self.uploads_written(classroom, document, chunks, record);
                }
                After::Entry(classroom, entry) => {
                    self.entry_written(classroom, &entry);
                    // A classroom is opened on the relay only once its founding cannot be lost any more.
                    if entry.0 == classroom.0 {
                        self.open_channel(&classroom);
                    }
                }
            }
        }
    }

    /// The other tabs take in an own segment, and send it if that takes long. One that was given up meanwhile, or that a fold
    /// stands for by now, which is not written yet, they never hear of: it may have been in no store.
    fn segment_written(&mut self, id: ClassroomId, at: (Log, u64), hash: SegmentHash) {
        let unsent = self.classrooms.get_mut(&id).and_then(|c| c.outbox.get_mut(&at));
        let Some(unsent) = unsent.filter(|unsent| unsent.hash == hash) else {
            return;
        };
        unsent.durable = true;
        if let Ok(segment) = unsent.segment.encode() {
            let note = Note::Segment {
                classroom: id,
                segment,
            };
            if let Ok(note) = note.encode() {
                self.effects.push(Effect::TellTabs(note));
            }
        }
    }

    /// The other tabs send an own entry as well, if that takes long. One that was made again meanwhile they never hear of: it
    /// was in no store, or is not any more.
    fn entry_written(&mut self, id: ClassroomId, hash: &EntryHash) {
        let Some(classroom) = self.classrooms.get_mut(&id) else {
            return;
        };
        let Some(unsent) = classroom.entries.get_mut(hash) else {
            return;
        };
        unsent.durable = true;
        if let Some(Ok(entry)) = classroom.roster.entry(hash).map(Entry::encode)
            && let Ok(note) = (Note::Entry { classroom: id, entry }).encode()
        {
            self.effects.push(Effect::TellTabs(note));
        }
    }
}
