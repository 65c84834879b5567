//! The connection to the relay: when to make it, how to greet, how to notice that it is dead.

use std::collections::BTreeMap;

use protocol::frame::{self, ClientFrame, Position, RelayFrame};
use protocol::identity::{Challenge, InviteKeys, answer_challenge};
use protocol::invite::{InviteLink, InviteProof};
use protocol::rand_core::CryptoRng;
use protocol::{ClassroomId, LaneId, Refusal};

use crate::Replica;
use crate::classroom::{Channel, Classroom, Way};
use crate::command::Problem;
use crate::event::Effect;
use crate::exchange::Exchange;
use crate::view::Link;

/// The first and the longest wait between two attempts, in milliseconds.
const FIRST_RETRY: u64 = 500;
const LONGEST_RETRY: u64 = 20_000;
/// How long the relay may be silent before it is asked for a sign of life, and how long the answer may take.
const PING_AFTER: u64 = 15_000;
/// The same while an answer is due anyway.
const PING_AFTER_SUBMISSION: u64 = 3_000;
const PONG_WITHIN: u64 = 6_000;
/// A ping goes out at least this often, for a relay takes a client that only listens for gone after a minute.
const PING_AT_LEAST: u64 = 40_000;
/// The first and the longest wait until a classroom that the relay did not open is tried again, in milliseconds.
const FIRST_REOPEN: u64 = 1_000;
const LONGEST_REOPEN: u64 = 60_000;
/// How long the relay may take to greet.
const GREETING_WITHIN: u64 = 15_000;

#[derive(Debug)]
pub(crate) struct Connection {
    /// The relay's origin, such as `https://relay.example`: part of what is signed.
    pub(crate) origin: String,
    pub(crate) state: State,
    /// Set while there is no socket to be had.
    pub(crate) exchange: Option<Exchange>,
    failures: u32,
    /// How many sockets were tried while exchanging, since the relay last spoke through one.
    pub(crate) socket_tries: u32,
    next_channel: u16,
    /// The relay's clock minus this device's, in seconds.
    pub(crate) clock_skew: Option<i64>,
    /// Why the relay ended the last connection, if it said so and has not spoken of a classroom since.
    pub(crate) refused: Option<Refusal>,
    /// Why it ends the one that is under way.
    ending: Option<Refusal>,
}

#[derive(Debug)]
pub(crate) enum State {
    Down {
        retry_at: u64,
    },
    /// Asked for; gives up at `until`.
    Opening {
        until: u64,
    },
    Up(Up),
}

#[derive(Debug)]
pub(crate) struct Up {
    pub(crate) challenge: Challenge,
    pub(crate) heard_at: u64,
    /// The ping that is under way: its number, and when it was sent.
    ping: Option<(u32, u64)>,
    pings: u32,
    /// When the last ping was sent, or the connection began.
    pinged_at: u64,
}

impl Connection {
    pub(crate) fn new(origin: String) -> Self {
        Self {
            origin,
            state: State::Down { retry_at: 0 },
            exchange: None,
            failures: 0,
            socket_tries: 0,
            next_channel: 0,
            clock_skew: None,
            refused: None,
            ending: None,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// A number for one more channel, and the proof that somebody holds the invite; if there is a connection.
    pub(crate) fn next_channel_for(
        &mut self,
        id: &ClassroomId,
        invite: &InviteKeys,
    ) -> Option<(u16, InviteProof)> {
        let State::Up(up) = &self.state else { return None };
        let number = self.next_channel;
        self.next_channel = number.wrapping_add(1);
        Some((number, InviteProof::new(invite, &self.origin, &up.challenge, id)))
    }

    /// The relay has said all that was asked of it: the next attempt need not wait.
    pub(crate) fn works(&mut self) {
        self.failures = 0;
    }

    pub(crate) fn link(&self) -> Link {
        match (&self.state, &self.exchange) {
            (_, Some(exchange)) if exchange.is_turned_away() => Link::Offline,
            // While a socket is tried, too.
            (State::Up(_) | State::Opening { .. }, Some(exchange)) if exchange.has_begun() => {
                Link::Exchanging
            }
            (State::Up(_), _) => Link::Online,
            _ => Link::Offline,
        }
    }

    /// What to tell whoever waits for the relay.
    pub(crate) fn problem(&self) -> Problem {
        self.refused.map_or(Problem::NeedsConnection, Problem::Refused)
    }

    /// How much more may be submitted for now, about, in bytes.
    pub(crate) fn room(&self) -> usize {
        self.exchange.as_ref().map_or(usize::MAX, Exchange::room)
    }

    /// What opens a classroom.
    pub(crate) fn opening(
        &self,
        classroom: &Classroom,
        channel: u16,
        since: Option<Position>,
        challenge: &Challenge,
    ) -> ClientFrame {
        let joined_by = || {
            let link = InviteLink::parse(classroom.record.invite.as_ref()?).ok()?;
            link.keys().ok()
        };
        let invite = match &classroom.joining {
            Some(joining) => Some(joining.keys.clone()),
            None => joined_by(),
        };
        ClientFrame::Open {
            channel,
            classroom: classroom.id,
            since,
            roster: classroom.known_heads(),
            invite: invite.map(|keys| InviteProof::new(&keys, &self.origin, challenge, &classroom.id)),
        }
    }
}

impl<R: CryptoRng> Replica<R> {
    /// Connects if there is a reason to and it is time.
    pub(crate) fn connect_if_due(&mut self) {
        let State::Down { retry_at } = self.connection.state else {
            return;
        };
        if self.now >= retry_at
            && self.me.is_some()
            && !(self.classrooms.is_empty() && self.knocking.is_empty())
        {
            self.connection.state = State::Opening {
                until: self.now + GREETING_WITHIN,
            };
            // It is written while the connection is being made.
            self.fold_all_unsent();
            self.effects.push(Effect::Connect);
        }
    }

    pub(crate) fn connected(&mut self) {
        if let State::Opening { until } = &mut self.connection.state {
            *until = self.now + GREETING_WITHIN;
            self.connection.exchange = None;
        }
    }

    /// Connects anew, for a better way may be there by now.
    pub(crate) fn reconnect(&mut self) {
        self.upload_lost();
        self.downloads_lost();
        let exchange = self.connection.exchange.as_ref();
        let within = exchange.map_or(GREETING_WITHIN, Exchange::socket_within);
        self.effects.push(Effect::Disconnect);
        self.close_channels();
        self.connection.state = State::Opening {
            until: self.now + within,
        };
        self.effects.push(Effect::Connect);
    }

    pub(crate) fn disconnected(&mut self) {
        let reason = self.connection.ending.take();
        if matches!(self.connection.state, State::Down { .. }) {
            return;
        }
        self.connection.refused = reason;
        self.connection.exchange = None;
        self.upload_lost();
        self.downloads_lost();
        let wait = (FIRST_RETRY << self.connection.failures.min(10)).min(LONGEST_RETRY);
        // Spread out, so that a class does not come back all at once.
        let jitter = u64::from(self.rng.next_u32()) % (wait / 2 + 1);
        self.connection.failures = self.connection.failures.saturating_add(1);
        self.connection.state = State::Down {
            retry_at: self.now + wait / 2 + jitter,
        };
        self.close_channels();
        let mut waiting = Vec::new();
        for knocking in self.knocking.values_mut() {
            // What a file brought may still show what is there.
            if !knocking.joining.looking {
                waiting.append(&mut knocking.joining.requests);
            }
        }
        self.answer_all(waiting, self.connection.problem());
    }

    /// The relay ends the connection, or takes none, for this reason: it is gone at once.
    pub(crate) fn ended(&mut self, reason: Refusal) {
        self.connection.ending = Some(reason);
        self.give_up_connection();
    }

    /// Nothing that was said counts any more, unless it was answered.
    pub(crate) fn close_channels(&mut self) {
        let ids: Vec<ClassroomId> = self.classrooms.keys().copied().collect();
        for id in &ids {
            self.close_channel(id);
        }
        for knocking in self.knocking.values_mut() {
            knocking.channel = None;
        }
    }

    /// Nothing that was sent on the channel counts any more, unless it was answered.
    pub(crate) fn close_channel(&mut self, id: &ClassroomId) {
        self.stop_comparing(id);
        let lanes: BTreeMap<LaneId, Way> = self
            .classrooms
            .get(id)
            .into_iter()
            .flat_map(|classroom| classroom.outbox.keys())
            .map(|(log, _)| (log.lane, self.way_of(&log.lane)))
            .collect();
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let was_telling = classroom
            .channel
            .take()
            .is_some_and(|channel| channel.tells_receipts());
        classroom.healing = None;
        classroom.snapshots.making.channel_closed();
        classroom.reopen.at = None;
        for ((log, _), unsent) in &mut classroom.outbox {
            unsent.way = lanes.get(&log.lane).copied().unwrap_or(Way::READY);
        }
        for entry in classroom.entries.values_mut() {
            entry.way = Way::READY;
        }
        for upload in classroom.uploads.values_mut() {
            // One that is on its way is so apart from the channel.
            if upload.way != Way::Sent {
                upload.way = lanes.get(&upload.lane).copied().unwrap_or(Way::READY);
            }
        }
        for brought in classroom.brought.values_mut() {
            brought.channel_closed();
        }
        classroom.people.clear();
        if was_telling {
            self.give_again(id);
        }
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        for document in classroom.open.clone() {
            self.show_people_on(id, document);
        }
    }

    pub(crate) fn network_up(&mut self) {
        self.connection.failures = 0;
        if let State::Down { retry_at } = &mut self.connection.state {
            *retry_at = self.now;
        }
        self.connect_if_due();
    }

    pub(crate) fn tick_connection(&mut self) {
        match &mut self.connection.state {
            State::Down { .. } => self.connect_if_due(),
            State::Opening { until } => {
                if self.now >= *until {
                    self.give_up_connection();
                }
            }
            State::Up(up) => {
                let reopen: Vec<ClassroomId> = self
                    .classrooms
                    .values()
                    .filter(|classroom| classroom.reopen.at.is_some_and(|at| self.now >= at))
                    .map(|classroom| classroom.id)
                    .collect();
                let waiting = self
                    .classrooms
                    .values()
                    .any(|c| c.channel.as_ref().is_some_and(|c| !c.submissions.is_empty()));
                let patience = if waiting {
                    PING_AFTER_SUBMISSION
                } else {
                    PING_AFTER
                };
                let exchange = self.connection.exchange.as_ref();
                match up.ping {
                    // The answers are the sign of life.
                    _ if exchange.is_some_and(|exchange| exchange.is_overdue(self.now)) => {
                        self.give_up_connection();
                    }
                    _ if exchange.is_some() => {}
                    Some((_, sent_at)) if self.now >= sent_at + PONG_WITHIN => self.give_up_connection(),
                    None if self.now >= up.heard_at + patience
                        || self.now >= up.pinged_at + PING_AT_LEAST =>
                    {
                        up.pinged_at = self.now;
                        up.pings = up.pings.wrapping_add(1);
                        up.ping = Some((up.pings, self.now));
                        let ping = ClientFrame::Ping { nonce: up.pings };
                        self.send(&[ping]);
                    }
                    _ => {}
                }
                for id in reopen {
                    self.open_channel(&id);
                }
            }
        }
    }

    pub(crate) fn give_up_connection(&mut self) {
        self.effects.push(Effect::Disconnect);
        self.disconnected();
    }

    /// Takes a message of the relay apart.
    pub(crate) fn message(&mut self, message: &[u8]) {
        for frame in frame::decode::<RelayFrame>(message) {
            let taken = match (&mut self.connection.state, frame) {
                // Of a connection that was given up.
                (State::Down { .. }, _) => return,
                (State::Opening { .. }, Ok(RelayFrame::Ended { reason })) => return self.ended(reason),
                (State::Opening { .. }, Ok(RelayFrame::Challenge { challenge, now })) => {
                    self.greet(challenge, now);
                    Ok(())
                }
                (State::Up(up), Ok(frame)) => {
                    up.heard_at = self.now;
                    up.ping = None;
                    self.channel_frame(frame).map_err(|_| ())
                }
                (State::Opening { .. }, _) | (State::Up(_), Err(_)) => Err(()),
            };
            if taken.is_err() {
                self.give_up_connection();
                return;
            }
        }
        if self.retry_aside().is_err() {
            self.give_up_connection();
        }
    }

    /// Answers the challenge and opens every classroom, in one flight.
    pub(crate) fn greet(&mut self, challenge: Challenge, relay_now: u64) {
        let Some(me) = &self.me else { return };
        self.connection.next_channel = 0;
        self.connection.clock_skew = Some(
            i64::try_from(relay_now)
                .unwrap_or(i64::MAX)
                .saturating_sub(self.seconds()),
        );
        let answer = ClientFrame::Answer {
            member: me.keys.id(),
            signature: answer_challenge(&me.keys, &self.connection.origin, &challenge),
        };
        self.connection.state = State::Up(Up {
            challenge,
            heard_at: self.now,
            ping: None,
            pings: 0,
            pinged_at: self.now,
        });
        if self.connection.exchange.is_none() {
            self.connection.socket_tries = 0;
            self.send(&[answer]);
        }
        let ids: Vec<ClassroomId> = self.classrooms.keys().copied().collect();
        for id in ids {
            self.open_channel(&id);
        }
        self.knock();
    }

    /// Opens a classroom on the connection, or founds it there if the relay does not have it.
    pub(crate) fn open_channel(&mut self, id: &ClassroomId) {
        if !self.connection.is_up() {
            return;
        }
        let Some(classroom) = self.classrooms.get(id) else {
            return;
        };
        if classroom.founding().is_some_and(|founding| !founding.durable) {
            return;
        }
        let before = classroom.channel.as_ref().map(|channel| ClientFrame::Close {
            channel: channel.number,
        });
        if before.is_some() {
            // What was sent on it may never be answered.
            self.close_channel(id);
        }
        let State::Up(up) = &self.connection.state else {
            return;
        };
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let number = self.connection.next_channel;
        self.connection.next_channel = number.wrapping_add(1);
        classroom.reopen.at = None;
        let since = classroom.since_to_tell();
        let challenge = up.challenge;
        classroom.channel = Some(Channel::new(number));
        let founding = classroom.founding_frame(number);
        if let (Some(channel), None) = (&mut classroom.channel, &founding) {
            channel.since = since;
        }
        let opening =
            founding.unwrap_or_else(|| self.connection.opening(classroom, number, since, &challenge));
        let frames: Vec<ClientFrame> = before.into_iter().chain([opening]).collect();
        self.send(&frames);
        self.announce(id, true);
    }

    pub(crate) fn send(&mut self, frames: &[ClientFrame]) {
        if !self.connection.is_up() {
            return;
        }
        let mut message = Vec::new();
        for frame in frames {
            // A frame that cannot be encoded is a bug of ours, not of the peer: nothing half is sent.
            if frame::append(&mut message, frame).is_err() {
                return;
            }
        }
        let is_news = !frames
            .iter()
            .all(|frame| matches!(frame, ClientFrame::Whisper { .. }));
        if let Some(exchange) = &mut self.connection.exchange {
            exchange.note(frames);
        }
        self.send_message(message, is_news);
    }

    /// Sends a message, or has it posted with the next request.
    pub(crate) fn send_message(&mut self, message: Vec<u8>, is_news: bool) {
        match &mut self.connection.exchange {
            Some(exchange) => exchange.say(message, is_news),
            None => self.effects.push(Effect::Send(message)),
        }
    }

    /// The relay closed a channel, or would not open it.
    pub(crate) fn channel_closed(&mut self, id: &ClassroomId, reason: Refusal) {
        let number = self
            .classrooms
            .get(id)
            .and_then(|classroom| classroom.channel.as_ref())
            .map(|channel| channel.number);
        self.close_channel(id);
        // The relay may still hold its receiving end; of an exchange it holds nothing.
        if let Some(channel) = number
            && self.connection.exchange.is_none()
        {
            self.send(&[ClientFrame::Close { channel }]);
        }
        let me = self.me.as_ref().map(|me| me.keys.id());
        let mut is_unknown = false;
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.refused = Some(reason);
            let is_member = me.is_some_and(|me| classroom.roster.member(&me).is_some());
            is_unknown = is_member && reason == Refusal::NotAMember;
            // A token must come from a person.
            if reason != Refusal::FoundToken {
                let waits = classroom.asked.is_some() || classroom.joining.is_some();
                let wait = if reason == Refusal::NotAMember && !is_member && !waits {
                    // Both know that: they are told the roster, and sent away. Who asks to be let in waits to be told.
                    LONGEST_REOPEN
                } else {
                    (FIRST_REOPEN << classroom.reopen.attempts.min(10)).min(LONGEST_REOPEN)
                };
                classroom.reopen.attempts = classroom.reopen.attempts.saturating_add(1);
                classroom.reopen.at = Some(self.now + wait);
            }
        }
        self.joining_refused(id, reason);
        // Where nobody knows that this person was admitted, they bring that themselves, as whoever founds does.
        if reason == Refusal::UnknownClassroom || is_unknown {
            self.found_again(id);
        }
    }
}
