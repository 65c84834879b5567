//! What waits to be told to one connection. Everybody may put something in; the connection's own sending half takes
//! it out. Bounded: the receiving half stops reading from the socket while too much waits.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::Refusal;
use protocol::frame::Channel;
use tokio::sync::Notify;

use crate::classroom::Classroom;

/// Names one opening of a channel: unlike a channel number it is never used again on the connection.
pub(crate) type ChannelKey = u64;

/// Notes that may wait apart from answers to submissions, which have their own bound.
const MAX_NOTES: usize = 256;

/// Something to do or tell, in order.
#[derive(Debug)]
pub(crate) enum Note {
    /// A classroom was opened: what is behind `from` must come.
    Opened {
        key: ChannelKey,
        channel: Channel,
        classroom: Arc<Classroom>,
        from: u64,
    },
    /// The client closed the channel.
    Forget {
        key: ChannelKey,
    },
    /// The channel could not be opened.
    Closed {
        channel: Channel,
        reason: Refusal,
    },
    Answer {
        key: ChannelKey,
        channel: Channel,
        submission: u32,
        answer: Answer,
    },
    Pong {
        nonce: u32,
    },
    /// The connection ends: nothing comes after this.
    Ended {
        reason: Refusal,
    },
}

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Stored { position: u64 },
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
    /// There is something new, here or in an open classroom.
    news: Notify,
    /// There is room again.
    room: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    notes: VecDeque<Note>,
    whispers: VecDeque<Whispered>,
    /// Submissions whose answer has not been sent.
    unanswered: usize,
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
        self.news.notify_one();
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

    /// Takes everything out.
    pub(crate) fn take(&self) -> (VecDeque<Note>, VecDeque<Whispered>) {
        let mut waiting = self.waiting.lock();
        let taken = (
            std::mem::take(&mut waiting.notes),
            std::mem::take(&mut waiting.whispers),
        );
        drop(waiting);
        self.room.notify_one();
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
        drop(waiting);
        self.room.notify_one();
    }

    /// Waits until there is room for what one more frame of the client brings.
    pub(crate) async fn room(&self, max_unanswered: usize) {
        self.until(|waiting| {
            waiting.unanswered < max_unanswered && waiting.notes.len() < MAX_NOTES + waiting.unanswered
        })
        .await;
    }

    /// Waits until every submission was answered.
    pub(crate) async fn all_answered(&self) {
        self.until(|waiting| waiting.unanswered == 0).await;
    }

    /// Waits until there is something new. May wake without need.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    async fn until(&self, condition: impl Fn(&Waiting) -> bool) {
        loop {
            let changed = self.room.notified();
            if condition(&self.waiting.lock()) {
                return;
            }
            changed.await;
        }
    }
}
