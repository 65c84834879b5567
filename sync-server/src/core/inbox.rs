//! What waits to be told to one connection. Everybody may put something in; the connection's own sending half takes
//! it out. Bounded: the receiving half takes no frame while too much waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use protocol::frame::Channel;
use protocol::inventory::Wanted;
use protocol::{DocumentId, EntryHash, MemberId, Refusal};

use super::access::Access;
use super::classroom::Classroom;

/// Names one opening of a channel: unlike a channel number it is never used again on the connection.
pub(crate) type ChannelKey = u64;

/// Inventories and fetches that may wait; more are not read from the client.
const MAX_ERRANDS: usize = 4;

/// Notes that may wait apart from answers to submissions, which have their own bound.
const MAX_NOTES: usize = 256;

/// Something to do or tell, in order.
#[derive(Debug)]
pub(crate) enum Note {
    /// A classroom was opened.
    Opened {
        key: ChannelKey,
        channel: Channel,
        classroom: Arc<Classroom>,
        member: MemberId,
        access: Access,
        /// By which somebody reads who is no member.
        invite: Option<EntryHash>,
        start: Start,
    },
    /// The client closed the channel.
    Forget {
        key: ChannelKey,
    },
    /// The channel could not be opened, or is open no longer.
    Closed {
        key: ChannelKey,
        channel: Channel,
        reason: Refusal,
    },
    Answer {
        key: ChannelKey,
        channel: Channel,
        submission: u32,
        answer: Answer,
    },
    /// The client asks what there is.
    Inventory {
        key: ChannelKey,
    },
    /// The client asks for these.
    Fetch {
        key: ChannelKey,
        wanted: Box<Wanted>,
    },
    /// The relay asks for a snapshot.
    WantSnapshot {
        key: ChannelKey,
        document: DocumentId,
    },
    Pong {
        nonce: u32,
    },
}

/// What comes first when a classroom was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// What is behind this position.
    Behind(u64),
    /// Snapshots, and everything that they do not cover.
    Empty,
    /// Nothing: the client knows positions that were never given out here, and has to ask what there is. What is behind this
    /// position may have come by the client itself, which is told of that.
    Unknown(u64),
    /// The names of what there is: the client knows that it has to compare.
    Compared(u64),
    /// The same, and what is behind this position: the client lacks roster entries that it was told before, and does not know.
    Short(u64),
}

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Stored {
        position: u64,
    },
    /// It is stored, and has no position.
    Kept,
    Held,
    Refused(Refusal),
}

#[derive(Debug)]
pub(crate) struct Whispered {
    pub(crate) key: ChannelKey,
    /// A whole encoded whisper.
    pub(crate) whisper: Arc<[u8]>,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    notes: VecDeque<Note>,
    whispers: VecDeque<Whispered>,
    /// Submissions whose answer has not been sent.
    unanswered: usize,
    /// Inventories and fetches that were not answered whole.
    errands: usize,
    /// The connection ends once every submission was answered.
    ending: Option<Refusal>,
    /// There is something new, here or in an open classroom.
    news: bool,
    on_news: Option<Waker>,
    on_room: Option<Waker>,
}

impl Inbox {
    /// Puts a note in and wakes the sending half.
    pub(crate) fn put(&self, note: Note) {
        self.leave(note);
        self.wake();
    }

    /// Puts a note in without waking the sending half: somebody will when there is more.
    pub(crate) fn leave(&self, note: Note) {
        self.waiting.lock().notes.push_back(note);
    }

    pub(crate) fn wake(&self) {
        let waker = {
            let mut waiting = self.waiting.lock();
            waiting.news = true;
            waiting.on_news.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Puts a whisper in; beyond `max` the oldest goes.
    pub(crate) fn whisper(&self, whisper: Whispered, max: usize) {
        let mut waiting = self.waiting.lock();
        if waiting.whispers.len() >= max {
            waiting.whispers.pop_front();
        }
        waiting.whispers.push_back(whisper);
        drop(waiting);
        self.wake();
    }

    /// Says, once every submission was answered, that the connection ends.
    pub(crate) fn end(&self, reason: Refusal) {
        self.waiting.lock().ending.get_or_insert(reason);
        self.wake();
    }

    /// Why the connection ends, if it ends now.
    pub(crate) fn ending(&self) -> Option<Refusal> {
        let waiting = self.waiting.lock();
        waiting.ending.filter(|_| waiting.unanswered == 0)
    }

    /// Whether everything that the client submitted or asked for was answered.
    pub(crate) fn is_settled(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.unanswered == 0 && waiting.errands == 0 && waiting.notes.is_empty()
    }

    /// Takes everything out.
    pub(crate) fn take(&self) -> (VecDeque<Note>, VecDeque<Whispered>) {
        let mut waiting = self.waiting.lock();
        let taken = (
            std::mem::take(&mut waiting.notes),
            std::mem::take(&mut waiting.whispers),
        );
        let waker = waiting.on_room.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
        taken
    }

    /// Counts a submission that an answer will come for.
    pub(crate) fn expect_answer(&self) {
        self.waiting.lock().unanswered += 1;
    }

    /// Counts answers that were sent, or that nobody waits for any more.
    pub(crate) fn answered(&self, answers: usize) {
        let mut waiting = self.waiting.lock();
        waiting.unanswered = waiting.unanswered.saturating_sub(answers);
        let waker = waiting.on_room.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Counts an inventory or a fetch.
    pub(crate) fn expect_errand(&self) {
        self.waiting.lock().errands += 1;
    }

    /// Counts inventories and fetches that were answered, or that nobody waits for any more.
    pub(crate) fn ran_errands(&self, errands: usize) {
        let mut waiting = self.waiting.lock();
        waiting.errands = waiting.errands.saturating_sub(errands);
        let waker = waiting.on_room.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether there is room for what one more frame of the client brings.
    pub(crate) fn has_room(&self, max_unanswered: usize) -> bool {
        self.waiting.lock().has_room(max_unanswered)
    }

    /// Like [`Inbox::has_room`]; if there is none, the task is woken when there may be.
    pub(crate) fn poll_room(&self, max_unanswered: usize, context: &Context<'_>) -> Poll<()> {
        let mut waiting = self.waiting.lock();
        if waiting.has_room(max_unanswered) {
            return Poll::Ready(());
        }
        waiting.on_room = Some(context.waker().clone());
        Poll::Pending
    }

    /// Whether there is something new since this was last asked; if not, the task is woken when there is.
    pub(crate) fn poll_news(&self, context: &Context<'_>) -> Poll<()> {
        let mut waiting = self.waiting.lock();
        if std::mem::take(&mut waiting.news) {
            return Poll::Ready(());
        }
        waiting.on_news = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Waiting {
    fn has_room(&self, max_unanswered: usize) -> bool {
        self.unanswered < max_unanswered
            && self.errands < MAX_ERRANDS
            && self.notes.len() < MAX_NOTES + self.unanswered
    }
}
