//! What one transaction will hold: takes jobs in order, decides on each, commits what counts, and only then answers and
//! lets others see it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use protocol::roster::{Entry, Roster};
use protocol::segment::{Log, Segment};
use protocol::{ClassroomId, MemberId, Refusal, SegmentHash};

use super::classroom::Classroom;
use super::inbox::{Answer, ChannelKey, Inbox, Note};
use super::judge::{Decision, storage};
use crate::Error;
use crate::store::{Item, Placed, Store, Tail};

/// The most that one transaction takes.
const BATCH_JOBS: usize = 1024;
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// A submission of somebody who has the classroom open.
pub(crate) struct Job {
    pub(crate) classroom: Arc<Classroom>,
    pub(crate) candidate: Candidate,
    pub(crate) from: Submitter,
}

/// What was submitted, checked as far as it can be without knowing what came before it.
pub(crate) enum Candidate {
    Entry {
        entry: Box<Entry>,
        bytes: Vec<u8>,
    },
    /// Its signature was verified.
    Segment {
        segment: Box<Segment>,
        hash: SegmentHash,
    },
}

/// Who waits for the answer.
#[derive(Debug, Clone)]
pub(crate) struct Submitter {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) member: MemberId,
    pub(crate) key: ChannelKey,
    pub(crate) channel: protocol::frame::Channel,
    pub(crate) submission: u32,
}

/// See the [module](self).
pub(crate) struct Batch<'a> {
    pub(super) store: &'a dyn Store,
    /// Seconds since 1970.
    pub(super) now: u64,
    jobs: usize,
    bytes: usize,
    items: Vec<(ClassroomId, Arc<Placed>)>,
    /// What the items change in each classroom.
    pending: BTreeMap<ClassroomId, Pending>,
    answers: Vec<Answered>,
}

/// An answer that waits for the commit.
struct Answered {
    from: Submitter,
    answer: Answer,
    /// The submission would found the classroom that it is for.
    is_founding: bool,
}

/// A classroom with the items of this batch.
pub(super) struct Pending {
    pub(super) classroom: Arc<Classroom>,
    /// The last position given out; 0 if it is not even founded.
    pub(super) last: u64,
    items: Vec<Arc<Placed>>,
    /// With the entries of this batch; `None` while there are none.
    changed_roster: Option<Roster>,
    committed_roster: Arc<Roster>,
    pub(super) tails: HashMap<Log, Option<Tail>>,
    pub(super) segments: HashMap<(Log, u64), SegmentHash>,
}

impl<'a> Batch<'a> {
    /// `now` is in seconds since 1970.
    pub(crate) fn new(store: &'a dyn Store, now: u64) -> Self {
        Self {
            store,
            now,
            jobs: 0,
            bytes: 0,
            items: Vec::new(),
            pending: BTreeMap::new(),
            answers: Vec::new(),
        }
    }

    /// How many jobs it took.
    pub(crate) fn jobs(&self) -> usize {
        self.jobs
    }

    pub(crate) fn is_full(&self) -> bool {
        self.jobs >= BATCH_JOBS || self.bytes >= BATCH_BYTES
    }

    pub(crate) fn take(&mut self, job: Job) {
        self.jobs += 1;
        let Job {
            classroom,
            candidate,
            from,
        } = job;
        let is_founding =
            matches!(&candidate, Candidate::Entry { entry, .. } if entry.hash().0 == classroom.id().0);
        let answer = match self.decide(&classroom, candidate, &from.member) {
            Ok(answer) => answer,
            Err(refusal) => Answer::Refused(refusal),
        };
        self.answers.push(Answered {
            from,
            answer,
            is_founding,
        });
    }

    /// Commits, answers, publishes. Tells which inboxes to wake, and whether the commit worked.
    pub(crate) fn commit(self) -> (Vec<Arc<Inbox>>, Result<(), Error>) {
        let committed = if self.items.is_empty() {
            Ok(())
        } else {
            self.store.commit(&self.items)
        };
        let stored = committed.is_ok();
        let mut to_wake: Vec<Arc<Inbox>> = Vec::new();
        for Answered {
            from,
            answer,
            is_founding,
        } in self.answers
        {
            let answer = match answer {
                Answer::Stored { .. } | Answer::Held if !stored => Answer::Refused(Refusal::Storage),
                answer => answer,
            };
            from.inbox.leave(from.note(answer));
            if is_founding && let Answer::Refused(reason) = answer {
                from.inbox.leave(Note::Closed {
                    key: from.key,
                    channel: from.channel,
                    reason,
                });
            }
            if to_wake.last().is_none_or(|last| !Arc::ptr_eq(last, &from.inbox)) {
                to_wake.push(from.inbox);
            }
        }
        for pending in self.pending.into_values() {
            if pending.items.is_empty() {
                continue;
            }
            if stored {
                to_wake.extend(
                    pending
                        .classroom
                        .publish(pending.items, pending.changed_roster.map(Arc::new)),
                );
            } else {
                pending.classroom.doubt();
            }
        }
        (to_wake, committed)
    }

    fn decide(
        &mut self,
        classroom: &Arc<Classroom>,
        candidate: Candidate,
        submitter: &MemberId,
    ) -> Result<Answer, Refusal> {
        let (store, now) = (self.store, self.now);
        let pending = self.pending(classroom)?;
        let decision = match &candidate {
            Candidate::Entry { entry, .. } => pending.judge_entry(entry, submitter, now),
            Candidate::Segment { segment, hash } => pending.judge_segment(segment, *hash, submitter, store),
        };
        Ok(match decision? {
            Decision::Store => {
                let item = candidate.into_item();
                let size = item.size();
                let placed = pending.place(item);
                let position = placed.position;
                self.bytes += size;
                self.items.push((*classroom.id(), placed));
                Answer::Stored { position }
            }
            Decision::Held => Answer::Held,
        })
    }

    fn pending(&mut self, classroom: &Arc<Classroom>) -> Result<&mut Pending, Refusal> {
        use std::collections::btree_map::Entry::{Occupied, Vacant};
        match self.pending.entry(*classroom.id()) {
            Occupied(known) => Ok(known.into_mut()),
            Vacant(place) => {
                // After a commit that failed, the store may hold more than anybody was told.
                classroom.settle(self.store).map_err(|error| storage(&error))?;
                Ok(place.insert(Pending::new(classroom)))
            }
        }
    }
}

impl Pending {
    fn new(classroom: &Arc<Classroom>) -> Self {
        Self {
            classroom: Arc::clone(classroom),
            last: classroom.last(),
            items: Vec::new(),
            changed_roster: None,
            committed_roster: classroom.roster(),
            tails: HashMap::new(),
            segments: HashMap::new(),
        }
    }

    pub(super) fn roster(&self) -> &Roster {
        self.changed_roster.as_ref().unwrap_or(&self.committed_roster)
    }

    /// The roster to add entries to: a copy, so that nothing happened if the commit fails.
    pub(super) fn roster_mut(&mut self) -> &mut Roster {
        self.changed_roster
            .get_or_insert_with(|| (*self.committed_roster).clone())
    }

    /// Gives an item the next position.
    fn place(&mut self, item: Item) -> Arc<Placed> {
        self.last += 1;
        if let Item::Segment { hash, segment } = &item {
            let (log, index) = (segment.header.log, segment.header.last);
            self.tails.insert(log, Some(Tail { index, hash: *hash }));
            self.segments.insert((log, index), *hash);
        }
        let placed = Arc::new(Placed {
            position: self.last,
            item,
        });
        self.items.push(Arc::clone(&placed));
        placed
    }
}

impl Candidate {
    fn into_item(self) -> Item {
        match self {
            Self::Entry { entry, bytes } => Item::Entry {
                hash: entry.hash(),
                bytes,
            },
            Self::Segment { segment, hash } => Item::Segment { hash, segment },
        }
    }
}

impl Job {
    /// Answers without deciding, for want of whoever could.
    pub(crate) fn refuse(self, reason: Refusal) {
        self.from.inbox.put(self.from.note(Answer::Refused(reason)));
    }
}

impl Submitter {
    /// The note that tells them.
    fn note(&self, answer: Answer) -> Note {
        Note::Answer {
            key: self.key,
            channel: self.channel,
            submission: self.submission,
            answer,
        }
    }
}
