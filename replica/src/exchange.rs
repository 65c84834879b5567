//! Exchanges with a relay that no socket leads to: what would be said on a connection goes out in requests, one at a time, and
//! what it would be told comes in their answers.
//!
//! The relay keeps nothing of one exchange for the next. So each request answers the newest challenge and opens every channel
//! again, from where it has come to; and what was not answered by the end of an answer counts as not said.

use std::collections::BTreeMap;

use protocol::frame::{self, ClientFrame, MAX_MESSAGE, RelayFrame};
use protocol::identity::answer_challenge;
use protocol::rand_core::CryptoRng;
use protocol::wire::{Packer, Unpacker};
use protocol::{ClassroomId, Refusal};

use crate::Replica;
use crate::classroom::{Channel, Submission, Way};
use crate::connection::State;
use crate::event::Effect;

/// How long after an answer the next request is made, in milliseconds: if there is something to say, if only others' cursors
/// wait for it, and if nothing is.
const SOON: u64 = 250;
const FOR_WHISPERS: u64 = 1_500;
const AT_LEAST: u64 = 4_000;
/// How long after a request of which the relay took nothing the next one is made, in milliseconds: at first, and at most.
const FIRST_PAUSE: u64 = 1_000;
const LONGEST_PAUSE: u64 = 20_000;
/// For how many requests that the relay takes after such a one news are asked for half as often: else devices of one person
/// that have nothing to say keep out the one that has.
const SPARING: u32 = 16;
/// After so many such requests in a row nothing gets through any more, and that is said.
const TURNED_AWAY: u32 = 4;
/// How long an answer may take.
const ANSWER_WITHIN: u64 = 75_000;
/// After how long a socket is tried again, in milliseconds: at first, for often the network was only just coming back, and at most.
const FIRST_SOCKET_TRY: u64 = 5_000;
const LONGEST_SOCKET_TRY: u64 = 300_000;
/// How long that may take at least and at most.
const SOCKET_WITHIN: (u64, u64) = (5_000, 15_000);

#[derive(Debug)]
pub(crate) struct Exchange {
    tries_socket_at: u64,
    has_begun: bool,
    /// Messages to be posted.
    queue: Vec<Vec<u8>>,
    /// Whether there is more among them than whispers.
    has_news: bool,
    /// Whether there is more to be had at once.
    asks_on: bool,
    in_flight: bool,
    /// How many requests in a row the relay took nothing of, and how long the next one waits for that, in milliseconds.
    turned_away: u32,
    pause: u64,
    /// For how many requests it still asks for news half as often.
    spares: u32,
    /// When the last request was made, or its answer came.
    last_at: u64,
    /// How long the last answer took.
    answer_took: u64,
    /// How many fetches there are for the next request, and how many of the last one were not answered.
    fetches: usize,
    posted_fetches: usize,
}

impl Exchange {
    /// `tries`: how many sockets were tried since the last that the relay spoke through.
    fn new(now: u64, tries: u32) -> Self {
        let wait = (FIRST_SOCKET_TRY << tries.min(10)).min(LONGEST_SOCKET_TRY);
        Self {
            tries_socket_at: now + wait,
            has_begun: false,
            queue: Vec::new(),
            has_news: false,
            asks_on: false,
            in_flight: false,
            turned_away: 0,
            pause: 0,
            spares: 0,
            last_at: now,
            answer_took: 0,
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

    /// Whether the relay has taken nothing for a while, and told nothing.
    pub(crate) fn is_turned_away(&self) -> bool {
        self.turned_away >= TURNED_AWAY
    }

    /// How long a socket may take, in milliseconds: some turns more than an answer.
    pub(crate) fn socket_within(&self) -> u64 {
        (6 * self.answer_took).clamp(SOCKET_WITHIN.0, SOCKET_WITHIN.1)
    }

    pub(crate) fn is_overdue(&self, now: u64) -> bool {
        self.in_flight && now >= self.last_at + ANSWER_WITHIN
    }

    fn is_due(&self, now: u64) -> bool {
        let spares = u32::from(self.spares > 0);
        let wait = if self.has_news || self.asks_on {
            SOON
        } else if self.queue.is_empty() {
            AT_LEAST << spares
        } else {
            FOR_WHISPERS << spares
        };
        !self.in_flight && now >= self.last_at + wait.max(self.pause)
    }

    fn tries_socket(&self, now: u64) -> bool {
        let is_idle = self.queue.is_empty() && !self.asks_on;
        // What waits to be said is said again on any connection.
        !self.in_flight && (is_idle || self.is_turned_away()) && now >= self.tries_socket_at
    }
}

impl<R: CryptoRng> Replica<R> {
    /// The connection asked for can only be one of exchanges. The first one gets a challenge.
    pub(crate) fn exchanging(&mut self) {
        if let State::Opening { until } = &mut self.connection.state {
            *until = self.now + ANSWER_WITHIN;
            let mut exchange = Exchange::new(self.now, self.connection.socket_tries);
            exchange.in_flight = true;
            if let Some(before) = &self.connection.exchange {
                exchange.has_begun = before.has_begun;
                exchange.turned_away = before.turned_away;
                exchange.pause = before.pause;
                exchange.spares = before.spares;
            }
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
        exchange.answer_took = self.now.saturating_sub(exchange.last_at);
        exchange.last_at = self.now;
        let mut frames = frame::decode::<RelayFrame>(answer);
        let Some(Ok(RelayFrame::Challenge { challenge, now })) = frames.next() else {
            self.give_up_connection();
            return;
        };
        let answered = match &mut self.connection.state {
            State::Down { .. } => return,
            State::Opening { .. } => {
                self.greet(challenge, now);
                return;
            }
            State::Up(up) => {
                up.heard_at = self.now;
                std::mem::replace(&mut up.challenge, challenge)
            }
        };
        let mut opens_something = false;
        self.each_channel(|channel| opens_something |= channel.posted.is_some());
        match frame::decode::<RelayFrame>(frames.rest()).next() {
            // To whoever opened nothing there is nothing to say; else our answer counted for nothing.
            None if opens_something => {
                // It was not one to a challenge of long ago: the next one won't be better.
                if answered == challenge {
                    self.pause_exchanges(Refusal::NotAuthenticated);
                }
                self.begin_again(challenge, now);
                return;
            }
            // We ask too often, or have too much under way, with others of ours. Nothing was taken.
            Some(Ok(RelayFrame::Ended { reason }))
                if matches!(reason, Refusal::TooFast | Refusal::TooManyConnections) =>
            {
                self.pause_exchanges(reason);
                self.begin_again(challenge, now);
                return;
            }
            _ => {}
        }
        if let Some(exchange) = &mut self.connection.exchange {
            exchange.turned_away = 0;
            exchange.pause = 0;
            exchange.spares = exchange.spares.saturating_sub(1);
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
            }
            if !self.connection.is_up() {
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

    /// The next request waits, and longer each time; and not as long as those of other devices that are turned away as well.
    fn pause_exchanges(&mut self, reason: Refusal) {
        let spread = u64::from(self.rng.next_u32());
        if let Some(exchange) = &mut self.connection.exchange {
            let pause = (FIRST_PAUSE << exchange.turned_away.min(10)).min(LONGEST_PAUSE);
            exchange.turned_away = exchange.turned_away.saturating_add(1);
            exchange.spares = SPARING;
            exchange.pause = pause / 2 + spread % (pause / 2 + 1);
            if exchange.is_turned_away() {
                self.connection.refused = Some(reason);
            }
        }
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
                if self.refused(&id, submission, Refusal::Busy).is_err() {
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
        let is_quiet = self.uploading.is_none() && self.downloading.is_empty();
        if exchange.tries_socket(self.now)
            && is_quiet
            && self.classrooms.values().all(|c| c.healing.is_none())
        {
            self.connection.socket_tries = self.connection.socket_tries.saturating_add(1);
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
