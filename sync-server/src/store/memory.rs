//! A store in memory, for simulations: it can fail, be copied, and forget, but only whole batches.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::segment::Log;
use protocol::{ClassroomId, SegmentHash};

use super::{Item, Placed, Store, Tail};
use crate::Error;

/// See the [module](self). Clones are the same store, as a file is when it is opened again: a relay that crashes is
/// dropped, and the next one gets a clone.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Mutex<State>>);

#[derive(Debug, Clone, Default)]
struct State {
    incarnation: u64,
    /// Every committed batch.
    batches: Vec<Batch>,
    /// What they come to.
    classrooms: BTreeMap<ClassroomId, Classroom>,
    failures: VecDeque<Failure>,
}

type Batch = Vec<(ClassroomId, Arc<Placed>)>;

#[derive(Debug, Clone, Default)]
struct Classroom {
    last: u64,
    items: BTreeMap<u64, Arc<Placed>>,
    logs: BTreeMap<Log, BTreeMap<u64, SegmentHash>>,
}

/// How a commit goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The disk is full: nothing is stored.
    Full,
    /// Everything is stored, but the commit says that it failed.
    Unreported,
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
}

impl Store for Memory {
    fn incarnation(&self) -> u64 {
        self.0.lock().incarnation
    }

    fn last(&self, classroom: &ClassroomId) -> Result<Option<u64>, Error> {
        Ok(self.read(classroom, |found| Some(found.last)))
    }

    fn entries(&self, classroom: &ClassroomId) -> Result<Vec<Vec<u8>>, Error> {
        Ok(self.read(classroom, |found| {
            let entries = found.items.values().filter_map(|placed| match &placed.item {
                Item::Entry { bytes, .. } => Some(bytes.clone()),
                Item::Segment { .. } => None,
            });
            entries.collect()
        }))
    }

    fn page(&self, classroom: &ClassroomId, after: u64, bytes: usize) -> Result<Vec<Placed>, Error> {
        Ok(self.read(classroom, |found| {
            let mut size = 0;
            let mut page = Vec::new();
            for placed in found
                .items
                .range(after.saturating_add(1)..)
                .map(|(_, placed)| placed)
            {
                size += placed.item.size();
                page.push(placed.as_ref().clone());
                if size >= bytes {
                    break;
                }
            }
            page
        }))
    }

    fn tail(&self, classroom: &ClassroomId, log: &Log) -> Result<Option<Tail>, Error> {
        Ok(self.read(classroom, |found| {
            let (index, hash) = found.logs.get(log)?.last_key_value()?;
            Some(Tail {
                index: *index,
                hash: *hash,
            })
        }))
    }

    fn segment(&self, classroom: &ClassroomId, log: &Log, index: u64) -> Result<Option<SegmentHash>, Error> {
        Ok(self.read(classroom, |found| found.logs.get(log)?.get(&index).copied()))
    }

    fn commit(&self, batch: &[(ClassroomId, Arc<Placed>)]) -> Result<(), Error> {
        let mut state = self.0.lock();
        let failure = state.failures.pop_front();
        let failed = || Error::Io {
            doing: "commit",
            source: io::ErrorKind::StorageFull.into(),
        };
        if failure == Some(Failure::Full) {
            return Err(failed());
        }
        let fits = batch
            .iter()
            .all(|(id, placed)| state.classrooms.entry(*id).or_default().insert(placed));
        if !fits {
            state.replay();
            return Err(Error::Conflict);
        }
        state.batches.push(batch.to_vec());
        match failure {
            Some(_) => Err(failed()),
            None => Ok(()),
        }
    }

    fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Memory {
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

impl State {
    /// Makes the classrooms what the batches come to.
    fn replay(&mut self) {
        self.classrooms.clear();
        for (id, placed) in self.batches.iter().flatten() {
            // Each was accepted once, after the same batches.
            self.classrooms.entry(*id).or_default().insert(placed);
        }
    }
}

impl Classroom {
    /// Takes an item in; false if its position or index was given before.
    fn insert(&mut self, placed: &Arc<Placed>) -> bool {
        if placed.position <= self.last {
            return false;
        }
        if let Item::Segment { hash, segment } = &placed.item {
            let log = self.logs.entry(segment.header.log).or_default();
            if log.insert(segment.header.last, *hash).is_some() {
                return false;
            }
        }
        self.last = placed.position;
        self.items.insert(placed.position, Arc::clone(placed));
        true
    }
}
