//! One member's copy of their classrooms.
//!
//! A [`Replica`] does no I/O. It is told what happened (a person's command, a message from the relay, a write that is
//! done, the time) and answers with what to do: what to store, send and show. So the same code runs in a browser's
//! worker, in native tests against a relay, and under a simulated clock.
//!
//! What must stay true:
//! - *Persist before publish*: an item is sent only after the write that holds it is durable, and a command is answered
//!   only then. See `writes`.
//! - A lane is fresh for each tab, and its log is a chain: an index is sealed once, and resending sends the same bytes.
//!   See `outgoing` and `lanes`.
//! - Nothing that arrives is dropped: what cannot be applied is kept aside with its reason. See `aside`.
//!
//! What is seldom called is `#[inline(never)]`: a browser loads it behind the rest, which it could not if it were part of what is
//! always called.

mod anew;
mod aside;
mod asking;
mod attachments;
mod authors;
mod behind;
mod classroom;
pub mod command;
mod commands;
mod connection;
mod cutoffs;
mod erasing;
pub mod event;
mod exchange;
mod exporting;
mod folding;
#[cfg(test)]
mod golden;
mod healing;
mod identity;
mod importing;
mod incoming;
mod join;
mod keys;
mod lanes;
mod late;
mod loading;
mod members;
mod outgoing;
mod own_document;
mod presence;
mod receipts;
mod remaking;
mod roster;
mod show;
mod snapshots;
mod start;
pub mod store;
mod tabs;
mod unsealed;
pub mod view;
mod writes;

use std::collections::{BTreeMap, BTreeSet};

use protocol::identity::{MemberKeys, Seed};
use protocol::rand_core::CryptoRng;
use protocol::{ChunkHash, ClassroomId, DocumentId, LaneId};

use attachments::{Looking, Uploading};
use classroom::{Classroom, Coming, Knocking};
use command::{Answer, Problem};
use connection::Connection;
pub use event::{Effect, Event, Uploaded};
use exporting::Exporting;
use identity::Claiming;
use importing::Importing;
pub use lanes::lanes_left;
use loading::Reading;
use store::Table;
use view::Update;
use writes::Writes;

/// What went wrong inside a replica.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Protocol(#[from] protocol::Error),
    #[error(transparent)]
    Document(#[from] documents::Error),
    /// A record's key is not one of its table.
    #[error("a key of the table {} is malformed", .0.name())]
    Key(Table),
}

/// One member's copy of their classrooms, for one tab.
pub struct Replica<R> {
    rng: R,
    /// What timers go by, in milliseconds: starts as the device's clock and never goes back.
    now: u64,
    /// The device's clock, in milliseconds since 1970.
    clock: u64,
    me: Option<Me>,
    /// Commands that wait until the store says who this is.
    claiming: Option<Claiming>,
    /// What this tab writes on.
    lane: LaneId,
    /// The lanes whose locks this tab holds: the one above, and those it sends the rest of.
    held: BTreeSet<LaneId>,
    classrooms: BTreeMap<ClassroomId, Classroom>,
    /// Changes that arrived and that no document has yet: see [`Replica::apply_enough`].
    arrived: BTreeMap<(ClassroomId, DocumentId), Vec<Vec<u8>>>,
    /// Invites that were opened, until the classroom behind them shows.
    knocking: BTreeMap<ClassroomId, Knocking>,
    connection: Connection,
    writes: Writes,
    /// Classrooms that another tab founded or joined, until they were read.
    coming: BTreeMap<ClassroomId, Coming>,
    /// What is being read, by ticket.
    reads: BTreeMap<u64, Reading>,
    next_ticket: u64,
    /// Exports under way, by the command's number.
    exports: BTreeMap<u32, Exporting>,
    /// The files that are being imported, by the numbers that their tabs gave them.
    imports: BTreeMap<u32, Importing>,
    /// What files brought of classrooms that wait for an invite.
    unopened: BTreeMap<ClassroomId, store::Unopened>,
    /// Documents that are being read to be started anew, with the command's number.
    starting: Vec<(u32, ClassroomId, DocumentId)>,
    /// The chunk that is being brought to the relay.
    uploading: Option<Uploading>,
    /// The attachments that somebody waits to look at, in the order in which they were asked for.
    looking: Vec<Looking>,
    /// The chunks that the relay was asked for.
    downloading: Vec<(ClassroomId, ChunkHash)>,
    /// When to answer those who asked who is here.
    answer_due: BTreeMap<ClassroomId, u64>,
    /// The number of the newest command.
    last_request: Option<u32>,
    /// Where this person's cursor is.
    place: Option<(ClassroomId, DocumentId, Option<command::CursorRange>)>,
    /// When the classrooms last heard that this person is here, in milliseconds since 1970.
    said_at: u64,
    /// When to try to take over the lanes of tabs that are gone, in milliseconds since 1970.
    adopt_at: u64,
    shown_home: Option<view::Home>,
    effects: Vec<Effect>,
}

/// This person.
struct Me {
    seed: Seed,
    keys: MemberKeys,
    card_kept: bool,
    /// Whether the store knows. It does not of somebody who has only looked behind an invite.
    stored: bool,
}

impl<R: CryptoRng> Replica<R> {
    /// Takes one event and says what to do. `now` is in milliseconds since 1970; it dates and times things, and never
    /// decides a right.
    pub fn handle(&mut self, now: u64, event: Event) -> Vec<Effect> {
        // Timers must not stand still because somebody set the clock back.
        self.now += now.saturating_sub(self.clock);
        self.clock = now;
        if !matches!(event, Event::Message(_) | Event::Written) {
            // Of what waits the logs say that it is here: a document that is stored without it would lose it.
            self.apply_arrived();
        }
        match event {
            Event::Command { request, command } => {
                self.last_request = Some(request);
                self.command(request, command);
            }
            Event::Connected => self.connected(),
            Event::Exchanging => self.exchanging(),
            Event::Exchanged(answer) => self.exchanged(&answer),
            Event::Message(message) => self.message(&message),
            Event::Disconnected => self.disconnected(),
            Event::TurnedAway(reason) => self.ended(reason),
            Event::Uploaded {
                classroom,
                document,
                chunk,
                outcome,
            } => self.uploaded(classroom, document, chunk, outcome),
            Event::Downloaded {
                classroom,
                chunk,
                bytes,
            } => self.downloaded(classroom, chunk, bytes),
            Event::NetworkUp => self.network_up(),
            Event::Written => self.written(),
            Event::WriteFailed => self.writes.failed(self.now),
            Event::Read { ticket, records } => self.was_read(ticket, &records),
            Event::ReadFailed { ticket } => self.read_failed(ticket),
            Event::FromTab(note) => self.hear_tab(&note),
            Event::Adopted { lane, records } => self.adopted(lane, &records),
            Event::ProfileClaimed(profile) => self.profile_claimed(&profile),
            Event::ProfileClaimFailed => self.profile_claim_failed(),
            Event::Tick => self.tick(),
            Event::Closing => self.closing(),
        }
        self.apply_enough();
        self.start_what_is_here();
        let tried_again = self.retry_aside();
        self.apply_enough();
        if tried_again.and_then(|()| self.take_needed()).is_err() {
            // Nothing that is kept is lost; what could not be noted is looked at again with the next start.
            self.give_up_connection();
        }
        self.claim_for_successors();
        self.send_ready();
        self.upload_next();
        self.exchange_if_due();
        self.exports_ready();
        if let Some(batch) = self.writes.start(self.now) {
            self.effects.push(Effect::Write(batch));
        }
        self.show();
        std::mem::take(&mut self.effects)
    }

    fn tick(&mut self) {
        self.tick_claim();
        self.tick_connection();
        self.tick_joining();
        self.tick_rotation();
        self.tick_cuts();
        self.tick_erased();
        self.tick_chunks();
        self.tick_presence();
        self.tick_unsent();
        self.tick_loading();
        self.tick_aside();
        self.tick_folding();
        self.tick_healing();
        self.tick_snapshots();
        self.tick_receipts();
    }

    /// Where to note what is to be stored of a classroom: with the next write, or, before this person has joined,
    /// with what is written when they do.
    fn batch(&mut self, id: &ClassroomId) -> &mut store::Batch {
        match self
            .classrooms
            .get_mut(id)
            .and_then(|classroom| classroom.joining.as_mut())
        {
            Some(joining) => &mut joining.kept,
            None => self.writes.next(),
        }
    }

    fn answer(&mut self, request: u32, result: Result<Answer, Problem>) {
        self.effects
            .push(Effect::Show(Update::Answered { request, result }));
    }

    /// Seconds since 1970.
    fn seconds(&self) -> i64 {
        i64::try_from(self.clock / 1000).unwrap_or(i64::MAX)
    }
}
