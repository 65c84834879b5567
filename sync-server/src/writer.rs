//! The one thread that writes. It takes whatever has queued up, decides on each item in order, commits what counts in
//! one transaction, and only then answers and lets others see it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::roster::{Action, Added, Entry, Role, Roster};
use protocol::segment::{Log, Segment};
use protocol::{ClassroomId, MemberId, Refusal, SegmentHash, SpaceId};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::Error;
use crate::classroom::Classroom;
use crate::inbox::{Answer, ChannelKey, Inbox, Note};
use crate::store::{Item, Placed, Store, Tail};

/// Jobs that may wait; whoever has another one waits with it.
const QUEUE: usize = 1024;

/// The most that one transaction takes.
const BATCH_JOBS: usize = 1024;
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Something to write.
pub(crate) enum Job {
    /// Writes the founding entry of a new classroom.
    Found {
        classroom: Arc<Classroom>,
        entry: Item,
        done: oneshot::Sender<Result<(), Refusal>>,
    },
    /// Nothing: only wakes the writer.
    Wake,
    /// A submission of somebody who has the classroom open.
    Submit {
        classroom: Arc<Classroom>,
        candidate: Candidate,
        from: Submitter,
    },
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

impl Submitter {
    /// The note that tells them.
    pub(crate) fn note(&self, answer: Answer) -> Note {
        Note::Answer {
            key: self.key,
            channel: self.channel,
            submission: self.submission,
            answer,
        }
    }
}

/// Hands jobs to the writer.
#[derive(Clone)]
pub(crate) struct Queue {
    jobs: mpsc::Sender<Job>,
    /// Whether the last commit failed.
    failing: Arc<AtomicBool>,
}

impl Queue {
    /// Waits until there is room.
    pub(crate) async fn put(&self, job: Job) -> Result<(), Refusal> {
        self.jobs.send(job).await.map_err(|_| Refusal::Storage)
    }

    /// Whether the writer runs and its last commit worked.
    pub(crate) fn is_healthy(&self) -> bool {
        !self.jobs.is_closed() && !self.failing.load(Ordering::Relaxed)
    }
}

/// The running thread.
#[derive(Debug)]
pub(crate) struct Writer {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    /// Starts the thread. Must be called in a runtime, which it wakes connections in.
    pub(crate) fn start(store: Arc<dyn Store>) -> Result<(Self, Queue), Error> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let stop = Arc::new(AtomicBool::new(false));
        let failing = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn({
                let (stop, failing) = (Arc::clone(&stop), Arc::clone(&failing));
                let runtime = Handle::current();
                move || run(store.as_ref(), receiver, &runtime, &stop, &failing)
            })
            .map_err(|source| Error::Io {
                doing: "start the writer",
                source,
            })?;
        Ok((
            Self {
                thread,
                stop,
                jobs: sender.clone(),
            },
            Queue {
                jobs: sender,
                failing,
            },
        ))
    }

    /// Waits until all jobs are done; every [`Queue`] must be gone. Blocks.
    pub(crate) fn finish(self) -> Result<(), Error> {
        drop(self.jobs);
        self.thread.join().map_err(|_| Error::Ended("the writer"))
    }

    /// Stops after the commit that runs now, as a crash would.
    pub(crate) fn stop(self) -> Result<(), Error> {
        self.stop.store(true, Ordering::Relaxed);
        // If the queue is full or closed, the writer is awake or gone already.
        drop(self.jobs.try_send(Job::Wake));
        self.finish()
    }
}

fn run(
    store: &dyn Store,
    mut jobs: mpsc::Receiver<Job>,
    runtime: &Handle,
    stop: &AtomicBool,
    failing: &AtomicBool,
) {
    while let Some(first) = jobs.blocking_recv() {
        let mut batch = Batch::new(store);
        let mut next = Some(first);
        while let Some(job) = next {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            batch.take(job);
            next = if batch.is_full() {
                None
            } else {
                jobs.try_recv().ok()
            };
        }
        let (to_wake, committed) = batch.commit();
        // One call into the runtime instead of one for each: waking a task from outside is dear.
        runtime.spawn(async move {
            for inbox in to_wake {
                inbox.wake();
            }
        });
        match committed {
            Ok(()) => failing.store(false, Ordering::Relaxed),
            Err(error) => {
                failing.store(true, Ordering::Relaxed);
                tracing::error!(error = &error as &dyn std::error::Error, "a commit failed");
            }
        }
    }
}

/// What one transaction will hold.
struct Batch<'a> {
    store: &'a dyn Store,
    now: u64,
    jobs: usize,
    bytes: usize,
    items: Vec<(ClassroomId, Arc<Placed>)>,
    /// What the items change in each classroom.
    pending: HashMap<ClassroomId, Pending>,
    answers: Vec<(Submitter, Answer)>,
    founded: Vec<oneshot::Sender<Result<(), Refusal>>>,
}

struct Pending {
    classroom: Arc<Classroom>,
    last: u64,
    items: Vec<Arc<Placed>>,
    /// With the entries of this batch; `None` while there are none.
    roster: Option<Roster>,
    committed_roster: Arc<Roster>,
    tails: HashMap<Log, Option<Tail>>,
    segments: HashMap<(Log, u64), SegmentHash>,
}

impl<'a> Batch<'a> {
    fn new(store: &'a dyn Store) -> Self {
        Self {
            store,
            now: now(),
            jobs: 0,
            bytes: 0,
            items: Vec::new(),
            pending: HashMap::new(),
            answers: Vec::new(),
            founded: Vec::new(),
        }
    }

    fn is_full(&self) -> bool {
        self.jobs >= BATCH_JOBS || self.bytes >= BATCH_BYTES
    }

    fn take(&mut self, job: Job) {
        self.jobs += 1;
        match job {
            Job::Wake => {}
            Job::Found {
                classroom,
                entry,
                done,
            } => {
                self.place(&classroom, entry);
                self.founded.push(done);
            }
            Job::Submit {
                classroom,
                candidate,
                from,
            } => {
                let decision = match &candidate {
                    Candidate::Entry { entry, .. } => self.judge_entry(&classroom, entry, &from.member),
                    Candidate::Segment { segment, hash } => {
                        self.judge_segment(&classroom, segment, *hash, &from.member)
                    }
                };
                let answer = match decision {
                    Ok(Decision::Store) => Answer::Stored {
                        position: self.place(&classroom, candidate.into_item()),
                    },
                    Ok(Decision::Held) => Answer::Held,
                    Err(refusal) => Answer::Refused(refusal),
                };
                self.answers.push((from, answer));
            }
        }
    }

    /// Commits, answers, publishes. Tells which inboxes to wake, and whether the commit worked.
    fn commit(self) -> (Vec<Arc<Inbox>>, Result<(), Error>) {
        let committed = if self.items.is_empty() {
            Ok(())
        } else {
            self.store.commit(&self.items)
        };
        let stored = committed.is_ok();
        let mut to_wake: Vec<Arc<Inbox>> = Vec::new();
        for (from, answer) in self.answers {
            let answer = match answer {
                Answer::Stored { .. } | Answer::Held if !stored => Answer::Refused(Refusal::Storage),
                answer => answer,
            };
            from.inbox.leave(from.note(answer));
            if to_wake.last().is_none_or(|last| !Arc::ptr_eq(last, &from.inbox)) {
                to_wake.push(from.inbox);
            }
        }
        if stored {
            for pending in self.pending.into_values() {
                if !pending.items.is_empty() {
                    to_wake.extend(pending.classroom.publish(pending.items, pending.roster));
                }
            }
        }
        for done in self.founded {
            if done
                .send(if stored { Ok(()) } else { Err(Refusal::Storage) })
                .is_err()
            {
                tracing::debug!("whoever founded a classroom is gone");
            }
        }
        (to_wake, committed)
    }

    fn place(&mut self, classroom: &Arc<Classroom>, item: Item) -> u64 {
        self.bytes += item.size();
        let pending = self.pending(classroom);
        pending.last += 1;
        if let Item::Segment { hash, segment } = &item {
            let (log, index) = (segment.header.log, segment.header.last);
            pending.tails.insert(log, Some(Tail { index, hash: *hash }));
            pending.segments.insert((log, index), *hash);
        }
        let placed = Arc::new(Placed {
            position: pending.last,
            item,
        });
        pending.items.push(Arc::clone(&placed));
        let position = placed.position;
        self.items.push((*classroom.id(), placed));
        position
    }

    fn pending(&mut self, classroom: &Arc<Classroom>) -> &mut Pending {
        self.pending.entry(*classroom.id()).or_insert_with(|| Pending {
            classroom: Arc::clone(classroom),
            last: classroom.last(),
            items: Vec::new(),
            roster: None,
            committed_roster: classroom.roster(),
            tails: HashMap::new(),
            segments: HashMap::new(),
        })
    }

    fn judge_entry(
        &mut self,
        classroom: &Arc<Classroom>,
        entry: &Entry,
        submitter: &MemberId,
    ) -> Result<Decision, Refusal> {
        let now = self.now;
        let pending = self.pending(classroom);
        if pending.roster().knows(&[entry.hash()]) {
            return Ok(Decision::Held);
        }
        let is_member = pending.roster().member(submitter).is_some();
        if let Action::Admit { invite, .. } = entry.action() {
            check_invite(pending.roster(), invite, now)?;
            if !is_member && entry.author() != *submitter {
                return Err(Refusal::NotAMember);
            }
        } else if !is_member {
            return Err(Refusal::NotAMember);
        }
        // Working on a copy: if the commit fails, nothing happened.
        let mut roster = match pending.roster.take() {
            Some(roster) => roster,
            None => (*pending.committed_roster).clone(),
        };
        let added = roster.add(entry.clone());
        pending.roster = Some(roster);
        match added {
            Ok(Added::New) => Ok(Decision::Store),
            Ok(Added::Known) => Ok(Decision::Held),
            Err(error) => Err(refusal_of(&error)),
        }
    }

    fn judge_segment(
        &mut self,
        classroom: &Arc<Classroom>,
        segment: &Segment,
        hash: SegmentHash,
        submitter: &MemberId,
    ) -> Result<Decision, Refusal> {
        let store = self.store;
        let header = &segment.header;
        let pending = self.pending(classroom);
        let roster = pending.roster();
        if roster.member(submitter).is_none() {
            return Err(Refusal::NotAMember);
        }
        if !roster.knows(&header.roster) {
            return Err(Refusal::UnknownParent);
        }
        check_author(classroom.role_at(roster, &header.log.member, &header.roster))?;
        check_space(segment)?;
        let tail = match pending.tails.get(&header.log) {
            Some(tail) => *tail,
            None => {
                let tail = store
                    .tail(classroom.id(), &header.log)
                    .map_err(|error| storage(&error))?;
                pending.tails.insert(header.log, tail);
                tail
            }
        };
        let next = tail.map_or(0, |tail| tail.index + 1);
        if header.first > next {
            return Err(Refusal::IndexGap);
        }
        if header.first < next {
            let held = match pending.segments.get(&(header.log, header.first)) {
                Some(held) => Some(*held),
                None => store
                    .segment(classroom.id(), &header.log, header.first)
                    .map_err(|error| storage(&error))?,
            };
            return if held == Some(hash) {
                Ok(Decision::Held)
            } else {
                Err(Refusal::Fork)
            };
        }
        if segment.previous != tail.map_or(SegmentHash::NONE, |tail| tail.hash) {
            return Err(Refusal::Fork);
        }
        Ok(Decision::Store)
    }
}

impl Pending {
    fn roster(&self) -> &Roster {
        self.roster.as_ref().unwrap_or(&self.committed_roster)
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

enum Decision {
    Store,
    Held,
}

/// Whether an invite still lets somebody in, as far as this relay knows.
pub(crate) fn check_invite(roster: &Roster, invite: &protocol::EntryHash, now: u64) -> Result<(), Refusal> {
    let Some(Action::Invite { uses, expires, .. }) = roster.entry(invite).map(Entry::action) else {
        return Err(Refusal::UnknownInvite);
    };
    if *expires <= now {
        return Err(Refusal::InviteExpired);
    }
    if roster.uses_of(invite) >= *uses as usize {
        return Err(Refusal::InviteUsedUp);
    }
    Ok(())
}

/// Whether somebody with this role may write segments.
pub(crate) fn check_author(role: Option<Role>) -> Result<(), Refusal> {
    match role {
        Some(role) if role.may_write() => Ok(()),
        Some(_) => Err(Refusal::NotAllowed),
        None => Err(Refusal::NotAMember),
    }
}

/// Everyone's space in its first epoch is all there is.
pub(crate) fn check_space(segment: &Segment) -> Result<(), Refusal> {
    if segment.header.space != SpaceId::EVERYONE {
        return Err(Refusal::WrongSpace);
    }
    if segment.header.epoch != 0 {
        return Err(Refusal::WrongEpoch);
    }
    Ok(())
}

/// The reason to give for what `protocol` did not accept.
pub(crate) fn refusal_of(error: &protocol::Error) -> Refusal {
    match error {
        protocol::Error::UnsupportedVersion { .. } => Refusal::UnsupportedVersion,
        protocol::Error::TooLarge { .. } => Refusal::TooLarge,
        protocol::Error::BadSignature(_) => Refusal::BadSignature,
        protocol::Error::MissingParent(_) => Refusal::UnknownParent,
        protocol::Error::NotAllowed(_) => Refusal::NotAllowed,
        _ => Refusal::Malformed,
    }
}

/// The relay's clock, in seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

fn storage(error: &Error) -> Refusal {
    tracing::error!(error = error as &dyn std::error::Error, "the store failed");
    Refusal::Storage
}
