//! What a relay is apart from sockets, threads, the store's medium and the clock: it takes messages and gives messages,
//! and decides what is stored. Whoever drives it passes the time in and waits for nothing, so that one thread can run
//! many relays, and the same calls in the same order always come to the same end.
//!
//! [`Relay`] drives the parts one after the other:
//!
//! ```
//! # use std::sync::Arc;
//! use sync_server::Limits;
//! use sync_server::core::{Moment, Relay, Rules, Sent};
//! use sync_server::store::Memory;
//!
//! let store = Memory::new(7);
//! let mut relay = Relay::new(Arc::new(store.clone()), Rules::new(Limits::default()));
//! let now = Moment::default();
//! let session = relay.connect(vec!["https://relay.example".to_owned()], [1; 32], now);
//! // The challenge.
//! let Sent::Message(challenge) = relay.send(session) else { panic!() };
//! assert_eq!(relay.send(session), Sent::Nothing);
//! // What a client says is taken at once; what must be stored waits for a commit.
//! relay.receive(session, challenge, now);
//! relay.commit(now).unwrap();
//! // It was not an answer to the challenge: the relay says so, and ends the session.
//! assert!(matches!(relay.send(session), Sent::Message(_)));
//! assert_eq!(relay.send(session), Sent::Ended);
//! ```
//!
//! The server drives the same parts with a task for each connection and a thread that writes: a `Receiver` (takes
//! frames: authentication, opening, checks that need no order) gives jobs; a `Batch` decides on jobs in order and commits
//! them; a `Sender` tells a connection what its inbox and its classrooms hold.

pub(crate) mod access;
pub(crate) mod attachments;
pub(crate) mod batch;
pub(crate) mod bucket;
pub(crate) mod candidate;
pub(crate) mod catalog;
pub(crate) mod classroom;
pub(crate) mod exchange;
pub(crate) mod inbox;
pub(crate) mod judge;
mod members;
mod outbound;
pub(crate) mod reading;
pub(crate) mod receiver;
pub(crate) mod sender;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::frame::{self, ClientFrame};
use protocol::identity::Challenge;
use protocol::{ChunkHash, ClassroomId, Refusal};

use crate::Error;
use crate::settings::Limits;
use crate::store::Store;
use attachments::{Bringing, find};
pub use attachments::{Brought, Claim};
use batch::{Batch, Job};
use classroom::Classrooms;
use exchange::Answering;
pub use exchange::ExchangeSecret;
use inbox::Inbox;
use members::Members;
use receiver::{Receiver, Taken};
use sender::{Next, Sender};

/// The time, as whoever drives the relay tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// Since some fixed point; never goes back.
    pub elapsed: Duration,
    /// The clock on the wall: seconds since 1970.
    pub clock: u64,
}

/// What the operator decides that the core needs.
#[derive(Debug, Clone)]
pub struct Rules {
    pub limits: Limits,
    /// If set, only who knows it can found a classroom here.
    pub found_token: Option<String>,
    /// How many positions each classroom passes over before it gives out its first since this start. A random number,
    /// larger than any relay gives out: then a store that was put back from a backup knows a position that it gave out
    /// and forgot by never having given it out. None with 0.
    pub leap: u64,
}

impl Rules {
    /// With these limits, anybody may found classrooms, and positions go on where they were.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            found_token: None,
            leap: 0,
        }
    }
}

/// See [`Rules::leap`]: between 2^32 and 2^41.
pub(crate) fn random_leap() -> Result<u64, Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes[3..]).map_err(Error::Random)?;
    Ok((1 << 32) + u64::from_be_bytes(bytes))
}

/// Which classrooms have passed over positions since the start.
#[derive(Debug, Default)]
pub(crate) struct Leaps {
    by: u64,
    done: Mutex<HashSet<ClassroomId>>,
}

impl Leaps {
    /// How far a classroom is to leap.
    pub(crate) fn due(&self, classroom: &ClassroomId) -> u64 {
        if self.by == 0 || self.done.lock().contains(classroom) {
            0
        } else {
            self.by
        }
    }

    pub(crate) fn note(&self, classroom: ClassroomId) {
        self.done.lock().insert(classroom);
    }
}

/// What all sessions of a relay share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) classrooms: Classrooms,
    pub(crate) members: Arc<Members>,
    pub(crate) limits: Limits,
    pub(crate) found_token: Option<String>,
    pub(crate) leaps: Leaps,
}

impl Shared {
    pub(crate) fn new(store: Arc<dyn Store>, rules: Rules) -> Self {
        Self {
            classrooms: Classrooms::new(Arc::clone(&store)),
            store,
            members: Arc::default(),
            limits: rules.limits,
            found_token: rules.found_token,
            leaps: Leaps {
                by: rules.leap,
                done: Mutex::default(),
            },
        }
    }
}

/// Names a connection to a [`Relay`]; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64);

/// Names a chunk that somebody brought; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(u64);

/// What a session has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// A message for the client.
    Message(Vec<u8>),
    /// Nothing for now.
    Nothing,
    /// Nothing any more: the session is gone.
    Ended,
}

/// A whole relay, driven by one thread. Dropping it is a crash: what was committed is in the store, the rest is lost.
pub struct Relay {
    shared: Arc<Shared>,
    sessions: BTreeMap<SessionId, Session>,
    uploads: BTreeMap<UploadId, Bringing>,
    jobs: VecDeque<Job>,
    last_session: u64,
    last_upload: u64,
}

struct Session {
    receiver: Receiver,
    sender: Sender,
    inbox: Arc<Inbox>,
    /// Messages not taken yet, for want of room; of the first, so many bytes are taken.
    unread: VecDeque<Vec<u8>>,
    taken: usize,
    /// What is answered, if it is an exchange.
    answering: Option<Answering>,
}

impl Relay {
    /// A relay on what `store` holds.
    pub fn new(store: Arc<dyn Store>, rules: Rules) -> Self {
        Self {
            shared: Arc::new(Shared::new(store, rules)),
            sessions: BTreeMap::new(),
            uploads: BTreeMap::new(),
            jobs: VecDeque::new(),
            last_session: 0,
            last_upload: 0,
        }
    }

    /// Somebody connected. `origins` are those that an answer to the challenge may be for; `challenge` must be random.
    pub fn connect(&mut self, origins: Vec<String>, challenge: Challenge, now: Moment) -> SessionId {
        self.last_session += 1;
        let inbox = Arc::new(Inbox::default());
        let session = Session {
            receiver: Receiver::new(
                Arc::clone(&inbox),
                Arc::clone(&self.shared),
                challenge,
                origins,
                now,
            ),
            sender: Sender::new(Arc::clone(&inbox), Arc::clone(&self.shared), challenge, now),
            inbox,
            unread: VecDeque::new(),
            taken: 0,
            answering: None,
        };
        let id = SessionId(self.last_session);
        self.sessions.insert(id, session);
        id
    }

    /// Somebody posted a request: it is taken as far as it can be, and answered by [`Relay::answer`].
    pub fn exchange(
        &mut self,
        origins: Vec<String>,
        request: Vec<u8>,
        secret: &ExchangeSecret,
        now: Moment,
    ) -> SessionId {
        let [challenge, earlier] = secret.challenges(now.clock);
        let id = self.connect(origins, challenge, now);
        if let Some(session) = self.sessions.remove(&id) {
            let Session { receiver, sender, .. } = session;
            let mut session = Session {
                receiver: receiver.for_exchange(earlier),
                sender: sender.for_exchange(),
                answering: Some(Answering::default()),
                ..session
            };
            // The challenge, which is all that is told to whoever did not answer the one before.
            session.tell(&self.shared);
            self.sessions.insert(id, session);
        }
        self.receive(id, request, now);
        id
    }

    /// The whole answer to a request. Nothing as long as something of it waits for [`Relay::commit`], and once it was
    /// given.
    pub fn answer(&mut self, session: SessionId) -> Option<Vec<u8>> {
        let open = self.sessions.get_mut(&session)?;
        if open.receiver.is_authenticated() && !open.tell(&self.shared) {
            return None;
        }
        let answered = self.sessions.remove(&session)?.answering?;
        Some(answered.into_bytes())
    }

    /// Somebody brings a chunk of an attachment, or with no content says that it is here. `origins` are those that they may
    /// have said it to. What becomes of it [`Relay::uploaded`] tells.
    pub fn upload(&mut self, origins: &[String], claim: &Claim, content: Vec<u8>, now: Moment) -> UploadId {
        self.last_upload += 1;
        let id = UploadId(self.last_upload);
        let bringing = Bringing::default();
        let job = claim.verify(origins).and_then(|()| {
            claim.enter(&self.shared, now)?;
            let classroom = claim.load(&self.shared)?;
            claim.admit(&classroom, &self.shared)?;
            claim.job(classroom, content, &bringing)
        });
        match job {
            Ok(job) => self.jobs.push_back(job),
            Err(reason) => bringing.refuse(reason),
        }
        self.uploads.insert(id, bringing);
        id
    }

    /// What became of a chunk. Nothing as long as it waits for [`Relay::commit`], and once it was told.
    pub fn uploaded(&mut self, upload: UploadId) -> Option<Result<Brought, Refusal>> {
        let outcome = self.uploads.get(&upload)?.outcome()?;
        self.uploads.remove(&upload);
        Some(outcome)
    }

    /// The chunk with this name, if it is here.
    ///
    /// # Errors
    /// If the store failed.
    pub fn download(&self, classroom: &ClassroomId, chunk: &ChunkHash) -> Result<Option<Vec<u8>>, Refusal> {
        find(&self.shared, classroom, chunk)
    }

    /// A message came. Whoever ended, or was ended, is not listened to.
    pub fn receive(&mut self, session: SessionId, message: Vec<u8>, now: Moment) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.receiver.heard(now);
            session.unread.push_back(message);
            session.read(&self.shared, &mut self.jobs, now);
        }
    }

    /// Decides on what was submitted, commits it in one batch, and answers. Tells how many submissions it took: call
    /// again until it is none.
    ///
    /// # Errors
    /// If the store failed: of some classrooms nothing of the batch is stored as far as this relay knows, and all of it was
    /// refused.
    pub fn commit(&mut self, now: Moment) -> Result<usize, Error> {
        let mut batch = Batch::new(&self.shared, now.clock);
        while !batch.is_full()
            && let Some(job) = self.jobs.pop_front()
        {
            if let Some(job) = batch.take(job) {
                self.jobs.push_front(job);
                break;
            }
        }
        let jobs = batch.jobs();
        let (_, committed) = batch.commit();
        for session in self.sessions.values_mut() {
            session.read(&self.shared, &mut self.jobs, now);
        }
        committed.map(|()| jobs)
    }

    /// Throws away in all classrooms what may go, with the next commits.
    ///
    /// # Errors
    /// If the store failed.
    pub fn tidy(&mut self) -> Result<(), Error> {
        for id in self.shared.store.classrooms()? {
            match self.shared.classrooms.load(&id) {
                Ok(Some(classroom)) => self.jobs.push_back(Job::Tidy { classroom }),
                Ok(None) => {}
                // The others are kept in order.
                Err(error) => drop(judge::storage(&error)),
            }
        }
        Ok(())
    }

    /// How many submissions wait for [`Relay::commit`].
    pub fn waiting(&self) -> usize {
        self.jobs.len()
    }

    /// The next message for the client, if there is one.
    pub fn send(&mut self, session: SessionId) -> Sent {
        let Some(open) = self.sessions.get_mut(&session) else {
            return Sent::Ended;
        };
        loop {
            match open.sender.next() {
                Next::Message(message) => return Sent::Message(message),
                Next::Read(read) => {
                    let done = read.run(self.shared.store.as_ref());
                    open.sender.give(done);
                }
                Next::Nothing => return Sent::Nothing,
                Next::Ended => {
                    self.sessions.remove(&session);
                    return Sent::Ended;
                }
            }
        }
    }

    /// Ends the sessions whose time is over, and takes what there is room for by now.
    pub fn tick(&mut self, now: Moment) {
        for session in self.sessions.values_mut() {
            let (deadline, reason) = session.receiver.patience();
            if deadline > now.elapsed {
                session.read(&self.shared, &mut self.jobs, now);
                continue;
            }
            session.end(reason);
        }
    }

    /// The connection broke, or the client closed it. What it submitted is decided on all the same.
    pub fn disconnect(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }
}

impl Session {
    /// Takes frames as long as there is room for what they bring.
    fn read(&mut self, shared: &Arc<Shared>, jobs: &mut VecDeque<Job>, now: Moment) {
        while let Some(message) = self.unread.front() {
            let mut frames = frame::decode::<ClientFrame>(&message[self.taken..]);
            loop {
                if !self.inbox.has_room(shared.limits.unanswered) {
                    self.taken = message.len() - frames.rest().len();
                    return;
                }
                let Some(frame) = frames.next() else {
                    break;
                };
                let mut taken = match frame {
                    Ok(frame) => self.receiver.take(frame, now),
                    Err(_) => Err(Refusal::Malformed),
                };
                if let Ok(Taken::Load(loading)) = taken {
                    let loaded = loading.run(&shared.classrooms);
                    taken = self.receiver.loaded(loading, loaded, now);
                }
                match taken {
                    Ok(Taken::Job(job)) => jobs.push_back(job),
                    Ok(_) => {}
                    Err(reason) => return self.end(reason),
                }
            }
            self.unread.pop_front();
            self.taken = 0;
        }
    }

    /// Collects what there is to answer to an exchange; tells whether that is all.
    fn tell(&mut self, shared: &Shared) -> bool {
        let Some(answering) = &mut self.answering else {
            return false;
        };
        while !answering.is_full() {
            let is_listing = self.sender.is_listing();
            match self.sender.next() {
                Next::Message(message) => answering.add(&message, is_listing),
                Next::Read(read) => self.sender.give(read.run(shared.store.as_ref())),
                Next::Nothing => return self.unread.is_empty() && self.inbox.is_settled(),
                Next::Ended => return true,
            }
        }
        true
    }

    fn end(&mut self, reason: Refusal) {
        self.unread.clear();
        self.taken = 0;
        self.receiver.end();
        self.inbox.end(reason);
    }
}
