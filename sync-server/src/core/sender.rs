//! The half that tells. Each open classroom has a position here; what follows it comes from the classroom's recent
//! items, or in pages from the store for whoever is far behind. Nothing queues up but positions and short notes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use protocol::bounded::Bytes;
use protocol::frame::{self, Channel, Position, RelayFrame};
use protocol::identity::Challenge;
use protocol::wire::Packer;
use protocol::{ClassroomId, Refusal};

use super::classroom::{Classroom, Following};
use super::inbox::{Answer, ChannelKey, Inbox, Note, Whispered};
use super::{Moment, Shared};
use crate::Error;
use crate::store::{Item, Placed, Store};

/// Frames are collected into one message until it has so many bytes. The socket keeps a buffer of that size.
const MESSAGE: usize = 4 * 1024;

/// How much is read from a classroom at a time, so that other channels get their turn.
const PAGE: usize = 128 * 1024;

/// A packer that learnt more segments than this while catching up is forgotten with all it remembers.
const KEPT_PACKED: usize = 64;

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
    /// The connection ends after the notes and whispers that were taken.
    ending: Option<Refusal>,
    /// The place of the channel that has its turn in this round.
    turn: usize,
    /// What that channel still has to tell of its page; `None` if it did not look yet.
    page: Option<std::vec::IntoIter<Arc<Placed>>>,
    has_ended: bool,
}

struct Outbound {
    key: ChannelKey,
    channel: Channel,
    classroom: Arc<Classroom>,
    /// Everything up to here was sent.
    position: u64,
    /// Everything up to here may be sent: the answers to own submissions up to here are known.
    until: u64,
    /// Where the client has caught up with what was there when it opened the classroom.
    goal: Option<u64>,
    packer: Packer,
    packed: usize,
    /// Submissions of this channel, by the positions they got, that must still be told.
    own: HashMap<u64, u32>,
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

/// A page that is wanted from the store.
#[derive(Debug)]
pub(crate) struct Read {
    classroom: ClassroomId,
    after: u64,
}

impl Read {
    /// Blocks.
    pub(crate) fn run(&self, store: &dyn Store) -> Result<Vec<Placed>, Error> {
        store.page(&self.classroom, self.after, PAGE)
    }
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
            ending: None,
            turn: 0,
            page: None,
            has_ended: false,
        };
        sender.put(&RelayFrame::Challenge {
            challenge,
            now: now.clock,
        });
        sender
    }

    /// Goes on, up to one message.
    pub(crate) fn next(&mut self) -> Next {
        loop {
            if self.message.len() >= MESSAGE {
                return self.flush();
            }
            if let Some(note) = self.notes.pop_front() {
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
    pub(crate) fn give(&mut self, page: Result<Vec<Placed>, Error>) {
        let page = match page {
            Ok(page) => page.into_iter().map(Arc::new).collect(),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot read a page");
                Vec::new()
            }
        };
        self.turn_to(page);
    }

    /// Looks what is new. Tells whether there was anything.
    fn begin_round(&mut self) -> bool {
        // In this order: the answers for all positions up to `until` are in the inbox by then.
        for outbound in &mut self.channels {
            outbound.until = outbound.classroom.last();
        }
        (self.notes, self.whispers) = self.inbox.take();
        self.ending = self.inbox.ending();
        self.turn = 0;
        !self.notes.is_empty()
            || !self.whispers.is_empty()
            || self.ending.is_some()
            || self.channels.iter().any(Outbound::has_more)
    }

    /// Finds what the channel whose turn it is has to tell. Answers with what must be read first.
    fn look(&mut self) -> Option<Read> {
        let outbound = &self.channels[self.turn];
        if outbound.position >= outbound.until {
            self.end_turn();
            return None;
        }
        match outbound
            .classroom
            .following(outbound.position, outbound.until, PAGE)
        {
            Following::Recent(items) => {
                self.turn_to(items);
                None
            }
            Following::Older => Some(Read {
                classroom: *outbound.classroom.id(),
                after: outbound.position,
            }),
        }
    }

    /// The channel whose turn it is tells these; if there are none although there must be, it is closed.
    fn turn_to(&mut self, items: Vec<Arc<Placed>>) {
        let Some(outbound) = self.channels.get(self.turn) else {
            return;
        };
        if items.is_empty() {
            let (key, channel, reason) = (outbound.key, outbound.channel, Refusal::Storage);
            self.put(&RelayFrame::Closed { channel, reason });
            self.forget(key);
        } else {
            self.page = Some(items.into_iter());
        }
    }

    /// Says that the channel has caught up, if so, and goes on with the next one.
    fn end_turn(&mut self) {
        self.page = None;
        if let Some(outbound) = self.channels.get_mut(self.turn)
            && outbound.goal.is_some_and(|goal| goal <= outbound.position)
        {
            outbound.goal = None;
            if outbound.packed > KEPT_PACKED {
                outbound.packer = Packer::default();
            }
            let channel = outbound.channel;
            self.put(&RelayFrame::CaughtUp { channel });
        }
        self.turn += 1;
    }

    fn tell(&mut self, note: Note) {
        match note {
            Note::Opened {
                key,
                channel,
                classroom,
                from,
            } => {
                // A classroom that is being founded has nothing yet, but will.
                let goal = classroom.last().max(1);
                self.channels.push(Outbound {
                    key,
                    channel,
                    classroom,
                    position: from,
                    until: from,
                    goal: Some(goal),
                    packer: Packer::default(),
                    packed: 0,
                    own: HashMap::new(),
                });
                let from = Position {
                    incarnation: self.shared.store.incarnation(),
                    index: from,
                };
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
            Note::Pong { nonce } => self.put(&RelayFrame::Pong { nonce }),
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
            (Answer::Held, _) => RelayFrame::Held { channel, submission },
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
        let Some(outbound) = self.channels.get_mut(self.turn) else {
            return;
        };
        if placed.position > outbound.until {
            return;
        }
        if let Some(frame) = outbound.frame(placed, &self.inbox) {
            self.put(&frame);
        }
    }

    fn forget(&mut self, key: ChannelKey) {
        if let Some(place) = self.channels.iter().position(|outbound| outbound.key == key) {
            let outbound = self.channels.remove(place);
            self.inbox.answered(outbound.own.len());
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

impl Outbound {
    fn has_more(&self) -> bool {
        self.position < self.until || self.goal.is_some_and(|goal| goal <= self.position)
    }

    /// The frame for an item, or for the place that an own submission took.
    fn frame(&mut self, placed: &Placed, inbox: &Inbox) -> Option<RelayFrame> {
        let channel = self.channel;
        let advance = placed.position - self.position;
        self.position = placed.position;
        Some(if let Some(submission) = self.own.remove(&placed.position) {
            inbox.answered(1);
            RelayFrame::Stored {
                channel,
                advance,
                submission,
            }
        } else {
            match &placed.item {
                Item::Entry { bytes, .. } => RelayFrame::Entry {
                    channel,
                    advance,
                    // It came in a frame of the same size.
                    entry: Bytes::new("roster entry", bytes.clone()).ok()?,
                },
                Item::Segment { hash, segment } => {
                    self.packed += 1;
                    RelayFrame::Segment {
                        channel,
                        advance,
                        segment: Box::new(self.packer.pack(segment, *hash)),
                    }
                }
            }
        })
    }
}
