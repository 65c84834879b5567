//! The half that tells. Each open classroom has a position here; what follows it comes from the classroom's recent
//! items, or in pages from the store for whoever is far behind. Nothing queues up but positions and short notes.

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::Refusal;
use protocol::bounded::Bytes;
use protocol::frame::{self, Channel, MAX_MESSAGE, Position, RelayFrame};
use protocol::identity::Challenge;

use super::inbox::{Answer, ChannelKey, Inbox, Note, Whispered};
use super::outbound::{Errand, Outbound, Reader};
use super::reading::{Done, Read};
use super::{Moment, Shared};
use crate::store::Placed;

/// Frames are collected into one message until it has so many bytes. The socket keeps a buffer of that size.
const MESSAGE: usize = 4 * 1024;

/// See the [module](self).
///
/// It goes in rounds: what waits in the inbox first, then a page of each channel.
pub(crate) struct Sender {
    inbox: Arc<Inbox>,
    shared: Arc<Shared>,
    /// Mostly one, and a map would reserve room for many.
    channels: Vec<Outbound>,
    message: Vec<u8>,
    notes: VecDeque<Note>,
    whispers: VecDeque<Whispered>,
    /// Frames of the channel that has its turn.
    frames: VecDeque<RelayFrame>,
    /// The connection ends after the notes and whispers that were taken.
    ending: Option<Refusal>,
    /// The place of the channel that has its turn in this round.
    turn: usize,
    /// What that channel still has to tell of its page.
    page: Option<std::vec::IntoIter<Arc<Placed>>>,
    /// That channel ran an errand in this round.
    ran_errand: bool,
    has_ended: bool,
    /// Bytes of snapshots that may come before the items of each channel.
    snapshot_room: usize,
}

/// What is to do now.
pub(crate) enum Next {
    /// This is to be sent.
    Message(Vec<u8>),
    /// This is to be read from the store, and given back.
    Read(Read),
    /// Nothing, until the inbox has news.
    Nothing,
    /// Nothing any more: the connection ends.
    Ended,
}

impl Sender {
    pub(crate) fn new(inbox: Arc<Inbox>, shared: Arc<Shared>, challenge: Challenge, now: Moment) -> Self {
        let mut sender = Self {
            inbox,
            shared,
            channels: Vec::new(),
            message: Vec::new(),
            notes: VecDeque::new(),
            whispers: VecDeque::new(),
            frames: VecDeque::new(),
            ending: None,
            turn: 0,
            page: None,
            ran_errand: false,
            has_ended: false,
            snapshot_room: usize::MAX,
        };
        sender.put(&RelayFrame::Challenge {
            challenge,
            now: now.clock,
        });
        sender
    }

    /// For an exchange, whose answer ends: leaves room for items beside snapshots, so that the next one gets further.
    pub(crate) fn for_exchange(self) -> Self {
        Self {
            snapshot_room: MAX_MESSAGE / 2,
            ..self
        }
    }

    /// Whether an inventory comes next.
    pub(crate) fn is_listing(&self) -> bool {
        matches!(self.frames.front(), Some(RelayFrame::Inventory { .. }))
    }

    /// Goes on, up to one message.
    pub(crate) fn next(&mut self) -> Next {
        loop {
            if self.message.len() >= MESSAGE {
                return self.flush();
            }
            if let Some(frame) = self.frames.pop_front() {
                self.put(&frame);
            } else if let Some(note) = self.notes.pop_front() {
                self.tell(note);
            } else if let Some(whispered) = self.whispers.pop_front() {
                self.whisper(&whispered);
            } else if let Some(reason) = self.ending.take() {
                self.put(&RelayFrame::Ended { reason });
                self.has_ended = true;
            } else if self.has_ended {
                return if self.message.is_empty() {
                    Next::Ended
                } else {
                    self.flush()
                };
            } else if let Some(page) = &mut self.page {
                match page.next() {
                    Some(placed) => self.item(&placed),
                    None => self.end_turn(),
                }
            } else if self.turn < self.channels.len() {
                if let Some(read) = self.look() {
                    return Next::Read(read);
                }
            } else if !self.message.is_empty() {
                return self.flush();
            } else if !self.begin_round() {
                return Next::Nothing;
            }
        }
    }

    /// Gives what [`Next::Read`] asked for.
    pub(crate) fn give(&mut self, done: Done) {
        let Some(outbound) = self.channels.get_mut(self.turn) else {
            return;
        };
        match done {
            Done::Page(page, last) => {
                outbound.found(page.iter().map(|placed| placed.position), last);
                if page.is_empty() {
                    // All that was there is gone by now.
                    outbound.skip(&mut self.frames, &self.inbox);
                }
                let page: Vec<_> = page.into_iter().map(Arc::new).collect();
                self.page = Some(page.into_iter());
            }
            Done::Failed => {
                let (key, channel, reason) = (outbound.key, outbound.channel, Refusal::Storage);
                self.frames.push_back(RelayFrame::Closed { channel, reason });
                self.forget(key);
            }
            done => {
                let finished = outbound.run(done, &mut self.frames);
                self.inbox.ran_errands(finished);
            }
        }
    }

    /// Looks what is new. Tells whether there was anything.
    fn begin_round(&mut self) -> bool {
        // In this order: the answers for all positions up to `until` are in the inbox by then.
        for outbound in &mut self.channels {
            outbound.look();
        }
        (self.notes, self.whispers) = self.inbox.take();
        self.ending = self.inbox.ending();
        self.turn = 0;
        self.ran_errand = false;
        !self.notes.is_empty()
            || !self.whispers.is_empty()
            || self.ending.is_some()
            || self.channels.iter().any(Outbound::has_more)
    }

    /// Finds what the channel whose turn it is has to tell. Answers with what must be read first.
    fn look(&mut self) -> Option<Read> {
        let outbound = &mut self.channels[self.turn];
        if outbound.is_over() {
            let (key, channel, reason) = (outbound.key, outbound.channel, outbound.reason());
            self.put(&RelayFrame::Closed { channel, reason });
            self.forget(key);
            return None;
        }
        if !self.ran_errand
            && let Some(read) = outbound.next_errand()
        {
            self.ran_errand = true;
            return Some(read);
        }
        if !outbound.has_items() {
            self.end_turn();
            return None;
        }
        match outbound.following() {
            Ok(items) => {
                if items.is_empty() {
                    outbound.skip(&mut self.frames, &self.inbox);
                }
                self.page = Some(items.into_iter());
                None
            }
            Err(read) => Some(read),
        }
    }

    /// Says that the channel has caught up, if so, and goes on with the next one.
    fn end_turn(&mut self) {
        self.page = None;
        self.ran_errand = false;
        if let Some(outbound) = self.channels.get_mut(self.turn)
            && outbound.catch_up()
        {
            let channel = outbound.channel;
            self.frames.push_back(RelayFrame::CaughtUp { channel });
        }
        self.turn += 1;
    }

    fn tell(&mut self, note: Note) {
        match note {
            Note::Opened {
                key,
                channel,
                classroom,
                member,
                access,
                invite,
                start,
            } => {
                let reader = Reader {
                    member,
                    access,
                    invite,
                };
                let outbound = Outbound::new(key, channel, classroom, reader, start, self.snapshot_room);
                let from = Position {
                    incarnation: self.shared.store.incarnation(),
                    index: outbound.position(),
                };
                self.channels.push(outbound);
                self.put(&RelayFrame::Opened { channel, from });
            }
            Note::Forget { key } => self.forget(key),
            Note::Closed { key, channel, reason } => {
                self.forget(key);
                self.put(&RelayFrame::Closed { channel, reason });
            }
            Note::Answer {
                key,
                channel,
                submission,
                answer,
            } => self.answer(key, channel, submission, answer),
            Note::Inventory { key } => self.add_errand(key, Errand::Inventory { is_asked_for: true }),
            Note::Fetch { key, wanted } => self.add_errand(key, Errand::Fetch(wanted)),
            Note::WantSnapshot { key, document } => {
                if let Some(outbound) = self.channels.iter().find(|outbound| outbound.key == key) {
                    let channel = outbound.channel;
                    self.put(&RelayFrame::WantSnapshot { channel, document });
                }
            }
            Note::Pong { nonce } => self.put(&RelayFrame::Pong { nonce }),
        }
    }

    fn add_errand(&mut self, key: ChannelKey, errand: Errand) {
        match self.channels.iter_mut().find(|outbound| outbound.key == key) {
            Some(outbound) => outbound.add_errand(errand),
            // The channel was closed: nobody waits for this.
            None => self.inbox.ran_errands(1),
        }
    }

    fn answer(&mut self, key: ChannelKey, channel: Channel, submission: u32, answer: Answer) {
        let outbound = self.channels.iter_mut().find(|outbound| outbound.key == key);
        let frame = match (answer, outbound) {
            // Told in its place among the items.
            (Answer::Stored { position }, Some(outbound)) => {
                outbound.own.insert(position, submission);
                return;
            }
            // The channel was closed: nobody waits for this.
            (Answer::Stored { .. }, None) => {
                self.inbox.answered(1);
                return;
            }
            (Answer::Kept | Answer::Held, _) => RelayFrame::Held { channel, submission },
            (Answer::Refused(reason), _) => RelayFrame::Refused {
                channel,
                submission,
                reason,
            },
        };
        self.inbox.answered(1);
        self.put(&frame);
    }

    fn whisper(&mut self, whispered: &Whispered) {
        let whisper = Bytes::new("whisper", whispered.whisper.to_vec());
        let outbound = self
            .channels
            .iter()
            .find(|outbound| outbound.key == whispered.key);
        if let (Some(outbound), Ok(whisper)) = (outbound, whisper) {
            let channel = outbound.channel;
            self.put(&RelayFrame::Whisper { channel, whisper });
        }
    }

    /// Tells an item of the channel whose turn it is.
    fn item(&mut self, placed: &Placed) {
        if let Some(outbound) = self.channels.get_mut(self.turn) {
            outbound.tell(placed, &mut self.frames, &self.inbox);
        }
    }

    fn forget(&mut self, key: ChannelKey) {
        if let Some(place) = self.channels.iter().position(|outbound| outbound.key == key) {
            let outbound = self.channels.remove(place);
            self.inbox.answered(outbound.own.len());
            self.inbox.ran_errands(outbound.asked_for());
        }
    }

    fn put(&mut self, frame: &RelayFrame) {
        if let Err(error) = frame::append(&mut self.message, frame) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "cannot encode a frame: the connection ends"
            );
            self.has_ended = true;
        }
    }

    fn flush(&mut self) -> Next {
        Next::Message(std::mem::take(&mut self.message))
    }
}
