//! Exchanges with a relay that no socket leads to: what would be said on a connection goes out in requests, one at a time, and
//! what it would be told comes in their answers.
//!
//! The relay keeps nothing of one exchange for the next. So each request answers the newest challenge and opens every channel
//! again, from where it has come to; and what was not answered by the end of an answer counts as not said.

use std::collections::BTreeMap;

use protocol::ClassroomId;
use protocol::frame::{self, ClientFrame, MAX_MESSAGE, RelayFrame};
use protocol::identity::answer_challenge;
use protocol::rand_core::CryptoRng;
use protocol::wire::{Packer, Unpacker};

use crate::Replica;
use crate::classroom::{Channel, Submission, Way};
use crate::connection::State;
use crate::event::Effect;

/// How long after an answer the next request is made, in milliseconds: if there is something to say, if only others' cursors
/// wait for it, and if nothing is.
const SOON: u64 = 250;
const FOR_WHISPERS: u64 = 1_500;
const AT_LEAST: u64 = 4_000;
/// How long an answer may take.
const ANSWER_WITHIN: u64 = 75_000;
/// How often a socket is tried again.
const TRY_SOCKET_AFTER: u64 = 300_000;

#[derive(Debug)]
pub(crate) struct Exchange {
    began_at: u64,
    has_begun: bool,
    /// Messages to be posted.
    queue: Vec<Vec<u8>>,
    /// Whether there is more among them than whispers.
    has_news: bool,
    /// Whether there is more to be had at once.
    asks_on: bool,
    in_flight: bool,
    /// When the last request was made, or its answer came.
    last_at: u64,
    /// How many fetches there are for the next request, and how many of the last one were not answered.
    fetches: usize,
    posted_fetches: usize,
}

impl Exchange {
    fn new(now: u64) -> Self {
        Self {
            began_at: now,
            has_begun: false,
            queue: Vec::new(),
            has_news: false,
            asks_on: false,
            in_flight: false,
            last_at: now,
            fetches: 0,
            posted_fetches: 0,
        }
    }

    /// Notes what is to be said next.
    pub(crate) fn say(&mut self, message: Vec<u8>, is_news: bool) {
        self.has_news |= is_news;
        self.queue.push(message);
    }

    pub(crate) fn note(&mut self, frames: &[ClientFrame]) {
        for frame in frames {
            self.fetches += usize::from(matches!(frame, ClientFrame::Fetch { .. }));
        }
    }

    /// How much more may be submitted with the next request, about, in bytes.
    pub(crate) fn room(&self) -> usize {
        let said: usize = self.queue.iter().map(Vec::len).sum();
        (MAX_MESSAGE / 2).saturating_sub(said)
    }

    /// Whether the relay has answered one.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    pub(crate) fn is_overdue(&self, now: u64) -> bool {
        self.in_flight && now >= self.last_at + ANSWER_WITHIN
    }

    fn is_due(&self, now: u64) -> bool {
        let wait = if self.has_news || self.asks_on {
            SOON
        } else if self.queue.is_empty() {
            AT_LEAST
        } else {
            FOR_WHISPERS
        };
        !self.in_flight && now >= self.last_at + wait
    }

    fn tries_socket(&self, now: u64) -> bool {
        let is_idle = self.queue.is_empty() && !self.asks_on && !self.in_flight;
        is_idle && now >= self.began_at + TRY_SOCKET_AFTER
    }
}

impl<R: CryptoRng> Replica<R> {
    /// The connection asked for can only be one of exchanges. The first one gets a challenge.
    pub(crate) fn exchanging(&mut self) {
        if let State::Opening { until } = &mut self.connection.state {
            *until = self.now + ANSWER_WITHIN;
            let mut exchange = Exchange::new(self.now);
            exchange.in_flight = true;
            exchange.has_begun = self.connection.exchange.as_ref().is_some_and(Exchange::has_begun);
            self.connection.exchange = Some(exchange);
            self.effects.push(Effect::Exchange(Vec::new()));
        }
    }

    /// The relay answered a request.
    pub(crate) fn exchanged(&mut self, answer: &[u8]) {
        let Some(exchange) = &mut self.connection.exchange else {
            return;
        };
        exchange.in_flight = false;
        exchange.has_begun = true;
        exchange.last_at = self.now;
        let mut frames = frame::decode::<RelayFrame>(answer);
        let Some(Ok(RelayFrame::Challenge { challenge, now })) = frames.next() else {
            self.give_up_connection();
            return;
        };
        match &mut self.connection.state {
            State::Down { .. } => return,
            State::Opening { .. } => {
                self.greet(challenge, now);
                return;
            }
            State::Up(up) => {
                up.heard_at = self.now;
                up.challenge = challenge;
            }
        }
        if frames.rest().is_empty() {
            // Our answer was to a challenge of long ago: nothing was taken.
            self.begin_again(challenge, now);
            return;
        }
        self.each_channel(|channel| {
            channel.unpacker = Unpacker::default();
            channel.has_told_all = false;
        });
        for frame in frames {
            if matches!(frame, Ok(RelayFrame::Fetched { .. }))
                && let Some(exchange) = &mut self.connection.exchange
            {
                exchange.posted_fetches = exchange.posted_fetches.saturating_sub(1);
            }
            let taken = frame.map_err(crate::Error::from);
            if taken.and_then(|frame| self.channel_frame(frame)).is_err() {
                self.give_up_connection();
                return;
            }
        }
        let exchange = self.connection.exchange.as_ref();
        if exchange.is_some_and(|exchange| exchange.posted_fetches > 0) {
            // The answer had no room for all that was fetched.
            self.begin_again(challenge, now);
            return;
        }
        self.say_again();
    }

    /// Opens everything again, as on another connection.
    fn begin_again(&mut self, challenge: protocol::identity::Challenge, relay_now: u64) {
        if let Some(exchange) = &mut self.connection.exchange {
            exchange.queue.clear();
            exchange.fetches = 0;
            exchange.posted_fetches = 0;
            exchange.asks_on = false;
        }
        self.close_channels();
        self.greet(challenge, relay_now);
    }

    /// What was submitted and not answered is submitted again; what was not opened is opened again.
    fn say_again(&mut self) {
        let mut asks_on = false;
        let ids: Vec<ClassroomId> = self.classrooms.keys().copied().collect();
        for id in ids {
            let Some(classroom) = self.classrooms.get_mut(&id) else {
                continue;
            };
            let Some(channel) = &mut classroom.channel else {
                continue;
            };
            let Some(posted) = channel.posted.as_mut().map(std::mem::take) else {
                continue;
            };
            let is_open = channel.position.is_some();
            asks_on |= !channel.has_told_all;
            let mut others = Vec::new();
            for submission in posted.into_values() {
                match submission {
                    Submission::Entry(hash) => {
                        if let Some(unsent) = classroom.entries.get_mut(&hash) {
                            unsent.way = Way::READY;
                        }
                    }
                    Submission::Segment(log, index) => {
                        if let Some(unsent) = classroom.outbox.get_mut(&(log, index)) {
                            unsent.way = Way::READY;
                        }
                    }
                    other => others.push(other),
                }
            }
            for submission in others {
                if self.refused(&id, submission, protocol::Refusal::Busy).is_err() {
                    self.shown_home = None;
                }
            }
            if !is_open {
                self.open_channel(&id);
            }
        }
        let mut is_unheard = false;
        for knocking in self.knocking.values_mut() {
            let channel = knocking.channel.as_ref();
            if channel.is_some_and(|channel| channel.posted.is_some()) {
                knocking.channel = None;
                is_unheard = true;
            }
        }
        if is_unheard {
            self.knock();
        }
        if let Some(exchange) = &mut self.connection.exchange {
            exchange.asks_on = asks_on;
        }
    }

    fn each_channel(&mut self, mut act: impl FnMut(&mut Channel)) {
        for classroom in self.classrooms.values_mut() {
            classroom.channel.iter_mut().for_each(&mut act);
        }
        for knocking in self.knocking.values_mut() {
            knocking.channel.iter_mut().for_each(&mut act);
        }
    }

    /// Makes the next request if it is time; now and then tries a socket instead.
    pub(crate) fn exchange_if_due(&mut self) {
        let (State::Up(up), Some(exchange), Some(me)) =
            (&self.connection.state, &mut self.connection.exchange, &self.me)
        else {
            return;
        };
        if exchange.tries_socket(self.now) && self.classrooms.values().all(|c| c.healing.is_none()) {
            self.reconnect();
            return;
        }
        if !exchange.is_due(self.now) {
            return;
        }
        let challenge = up.challenge;
        let mut frames = vec![ClientFrame::Answer {
            member: me.keys.id(),
            signature: answer_challenge(&me.keys, &self.connection.origin, &challenge),
        }];
        for classroom in self.classrooms.values() {
            if let Some(channel) = &classroom.channel
                && let Some(position) = channel.position
            {
                let number = channel.number;
                frames.push(
                    self.connection
                        .opening(classroom, number, Some(position), &challenge),
                );
            }
        }
        let mut body = Vec::new();
        for frame in &frames {
            // A frame that cannot be encoded is a bug of ours: without it the rest counts for nothing, and comes again.
            if frame::append(&mut body, frame).is_err() {
                return;
            }
        }
        let Some(exchange) = &mut self.connection.exchange else {
            return;
        };
        for message in std::mem::take(&mut exchange.queue) {
            if body.len() + message.len() <= MAX_MESSAGE {
                body.extend(message);
            }
        }
        exchange.posted_fetches = std::mem::take(&mut exchange.fetches);
        exchange.has_news = false;
        exchange.in_flight = true;
        exchange.last_at = self.now;
        self.each_channel(|channel| {
            channel.packer = Packer::default();
            channel.next_submission = 0;
            let submissions: BTreeMap<u32, Submission> = std::mem::take(&mut channel.submissions);
            channel.posted = Some(submissions);
        });
        self.effects.push(Effect::Exchange(body));
    }
}
