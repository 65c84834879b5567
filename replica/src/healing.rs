//! Healing: a relay that lost something, or came back empty, gets it back from whoever has it, and whoever lacks something
//! gets it from the relay.
//!
//! Asked from a position that it does not know, a relay says by name all that it has. What is missing here is fetched, then
//! what is missing there is submitted: the roster and own work at once, the work of others after a random wait and a second
//! look, so that a class does not send everything thirty times. That something may be missing is noted in the store until
//! it is done. What the relay refuses then it does not get: the reason shows.

use protocol::bounded::Bytes;
use protocol::frame::{ClientFrame, Position};
use protocol::inventory::{Inventory, LogRange, LogState, MAX_NAMES, SnapshotState, Wanted};
use protocol::rand_core::CryptoRng;
use protocol::roster::Action;
use protocol::segment::{Log, Segment};
use protocol::snapshot::CoveredLane;
use protocol::{ClassroomId, DocumentId, EntryHash, MemberId, Refusal, SegmentHash};

use crate::aside::What as Kept;
use crate::classroom::{Classroom, Submission, Unsent, UnsentEntry, Way};
use crate::event::Effect;
use crate::loading::What;
use crate::snapshots::Fetching;
use crate::store::{self, AsideReason, Changes, Table};
use crate::{Error, Replica};

/// What a relay is asked from that may lack something: no relay has this incarnation, so it says what it has.
const UNKNOWN: Position = Position {
    incarnation: 0,
    index: 0,
};
/// How many rows are read at once, and how many submissions may be unanswered when the next are read.
const ROWS: u32 = 32;
const FEW_UNANSWERED: usize = 64;
/// How many chunks of attachments are read at once.
const CHUNKS: u32 = 4;
/// The longest random wait before the work of others is submitted, in milliseconds.
const LONGEST_WAIT: u64 = 30_000;
/// How often it is looked again for what may pass later.
const MOST_LOOKS: u32 = 4;
/// How long nothing is submitted after the relay has said that it is too much at once, at first and at most, in
/// milliseconds.
const PAUSE: (u64, u64) = (5_000, 60_000);

pub(crate) struct Healing {
    step: Step,
    looks: u32,
    /// What the relay has, as far as it was said.
    entries: Vec<EntryHash>,
    logs: Vec<LogState>,
    snapshots: Vec<SnapshotState>,
    /// What it lacks: logs, and from which index on.
    lost: Vec<(Log, u64)>,
    /// How many submissions are unanswered.
    unanswered: usize,
    /// Something was refused that may pass later.
    again: bool,
    /// The documents of which the relay did not give all that it said it has.
    pub(crate) short: Vec<DocumentId>,
    /// Why the first of what was refused was: the rest may be for want of that.
    refused: Option<Refusal>,
    /// The relay said that it is too much at once, and how long it is left alone for that.
    is_too_much: bool,
    pause: u64,
    /// What is here of attachments was noted, to be brought to the relay if it lacks it.
    has_claimed: bool,
}

enum Step {
    /// The relay is saying what it has.
    Looking,
    /// What is still to be fetched.
    Fetching(Vec<EntryHash>, Vec<LogRange>, Vec<DocumentId>),
    /// Snapshots are being given back whose segments are nowhere any more; these are still to be given.
    GivingBack(Vec<DocumentId>),
    /// What is still to be submitted, and whether some of it is being read.
    Submitting {
        rest: Vec<(Log, Vec<u8>)>,
        is_reading: bool,
    },
    /// All else is compared, and what is here of attachments is being read.
    Claiming,
    /// Looks again then.
    Waiting { until: u64 },
    /// What was refused is refused.
    Done,
}

impl Healing {
    fn new() -> Box<Self> {
        Box::new(Self {
            step: Step::Looking,
            looks: 0,
            entries: Vec::new(),
            logs: Vec::new(),
            snapshots: Vec::new(),
            lost: Vec::new(),
            unanswered: 0,
            again: false,
            short: Vec::new(),
            refused: None,
            is_too_much: false,
            pause: PAUSE.0,
            has_claimed: false,
        })
    }

    pub(crate) fn refused(&self) -> Option<Refusal> {
        self.refused
    }

    /// Whether what the relay has and is missing here has come.
    pub(crate) fn has_fetched(&self) -> bool {
        !matches!(self.step, Step::Looking | Step::Fetching(..))
    }

    /// Whether something of a document, or of any, is not on the relay any more.
    pub(crate) fn is_lost(&self, document: Option<&DocumentId>) -> bool {
        let is_of = |log: &Log| document.is_none_or(|document| log.document == *document);
        self.looks == 0 || self.lost.iter().any(|(log, _)| is_of(log))
    }

    /// Whether an unsent segment waits, for it may build on what the relay lacks of its document and is about to get back:
    /// whoever had the one without the other could not read it. What the relay had follows on a fold of it, and on what stands
    /// before it in its log, so these don't wait.
    pub(crate) fn holds_back(&self, log: &Log, unsent: &Unsent) -> bool {
        if unsent.settled || matches!(self.step, Step::Done) {
            return false;
        }
        let last = unsent.segment.header.last;
        let is_followed = self.lost.iter().any(|(lost, from)| lost == log && last < *from);
        !is_followed && self.lost.iter().any(|(lost, _)| lost.document == log.document)
    }

    fn state_of(&self, log: &Log) -> Option<&LogState> {
        let place = self.logs.binary_search_by_key(log, |state| state.log).ok()?;
        self.logs.get(place)
    }
}

impl<R: CryptoRng> Replica<R> {
    /// A relay has opened the classroom from a position on: whether it is the one that everything came from so far.
    pub(crate) fn heal_if_lost(&mut self, id: &ClassroomId, from: Position) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let told = classroom.channel.as_ref().and_then(|channel| channel.since);
        // A relay that was put back from a backup knows no more that it gave this position out.
        let is_unknown = told.is_some_and(|told| told != from);
        let known = classroom.since.or(classroom.since_before);
        let is_another = known.is_some_and(|since| since.incarnation != from.incarnation);
        if !(classroom.unhealed || is_unknown || is_another) {
            return Ok(());
        }
        if classroom.joining.is_some() {
            // Until they have joined nobody compares.
            classroom.unhealed |= is_unknown;
            return Ok(());
        }
        self.begin(id)?;
        if told != Some(UNKNOWN) {
            self.ask_inventory(id);
        }
        Ok(())
    }

    fn begin(&mut self, id: &ClassroomId) -> Result<(), Error> {
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.healing = Some(Healing::new());
        }
        self.give_again(id);
        self.mark_unhealed(id)
    }

    /// The relay lacks what it had, and shows by no position that it does.
    pub(crate) fn heal_what_is_open(&mut self, id: &ClassroomId) {
        let is_due = |classroom: &Classroom| classroom.joining.is_none() && !classroom.unhealed;
        if self.classrooms.get(id).is_some_and(is_due) && self.begin(id).is_ok() {
            self.ask_inventory(id);
        }
    }

    /// Notes that the relay may lack something that is here.
    pub(crate) fn mark_unhealed(&mut self, id: &ClassroomId) -> Result<(), Error> {
        if let Some(classroom) = self.classrooms.get_mut(id)
            && !std::mem::replace(&mut classroom.unhealed, true)
        {
            self.batch(id)
                .put(Table::Classrooms, store::unhealed_key(id), &())?;
        }
        Ok(())
    }

    /// The relay does not know the classroom: whoever has its founding entry brings it back.
    pub(crate) fn found_again(&mut self, id: &ClassroomId) {
        let founding = EntryHash(id.0);
        if let Some(classroom) = self.classrooms.get_mut(id)
            && classroom.joining.is_none()
            && classroom.founding().is_none()
            && self.mark_unhealed(id).is_ok()
            && let Some(classroom) = self.classrooms.get_mut(id)
        {
            let unsent = UnsentEntry {
                durable: true,
                way: Way::READY,
            };
            classroom.entries.insert(founding, unsent);
        }
    }

    fn ask_inventory(&mut self, id: &ClassroomId) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        if let (Some(channel), Some(healing)) = (&classroom.channel, &mut classroom.healing) {
            healing.step = Step::Looking;
            healing.entries.clear();
            healing.logs.clear();
            healing.snapshots.clear();
            let channel = channel.number;
            self.send(&[ClientFrame::Inventory { channel }]);
        }
    }

    /// The relay said a part of what it has, asked or because it may tell more than before.
    pub(crate) fn inventory(&mut self, id: &ClassroomId, part: &Inventory, last: bool) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let is_done = |healing: &Healing| matches!(healing.step, Step::Done);
        if classroom.joining.is_none() && classroom.healing.as_deref().is_none_or(is_done) {
            classroom.healing = Some(Healing::new());
            self.mark_unhealed(id)?;
        }
        let classroom = self.classrooms.get_mut(id);
        let Some(healing) = classroom.and_then(|classroom| classroom.healing.as_mut()) else {
            return Ok(());
        };
        if !matches!(healing.step, Step::Looking) {
            healing.again |= last;
            return Ok(());
        }
        healing.entries.extend_from_slice(&part.entries);
        healing.logs.extend_from_slice(&part.logs);
        healing.snapshots.extend_from_slice(&part.snapshots);
        if last {
            healing.entries.sort_unstable();
            healing.logs.sort_unstable_by_key(|state| state.log);
            healing.looks += 1;
            healing.again = false;
            healing.refused = None;
            healing.is_too_much = false;
            self.looked(id);
        }
        Ok(())
    }

    /// Compares what the relay has with what is here.
    fn looked(&mut self, id: &ClassroomId) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let Some(mut healing) = classroom.healing.take() else {
            return;
        };
        let me = self.me.as_ref().map(|me| me.keys.id());
        healing.lost = classroom.missing_there(&healing, me.as_ref());
        let (entries, logs, snapshots) = classroom.missing_here(&healing);
        healing.step = Step::Fetching(entries, logs, snapshots);
        classroom.healing = Some(healing);
        self.fetch_next(id);
    }

    /// Asks for some of what is missing here; if that is nothing, goes on with what is missing there.
    fn fetch_next(&mut self, id: &ClassroomId) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let Some(healing) = &mut classroom.healing else {
            return;
        };
        let Step::Fetching(entries, logs, snapshots) = &mut healing.step else {
            return;
        };
        if entries.is_empty() && logs.is_empty() && snapshots.is_empty() {
            self.submit_lost(id);
            return;
        }
        let wanted = Wanted {
            entries: entries.split_off(entries.len().saturating_sub(MAX_NAMES)),
            logs: logs.split_off(logs.len().saturating_sub(MAX_NAMES)),
            snapshots: snapshots.split_off(snapshots.len().saturating_sub(MAX_NAMES)),
            ..Wanted::default()
        };
        self.fetch(id, wanted, Fetching::Healing);
    }

    pub(crate) fn healing_fetched(&mut self, id: &ClassroomId) {
        if let Some(classroom) = self.classrooms.get_mut(id)
            && let Some(mut healing) = classroom.healing.take()
        {
            if matches!(&healing.step, Step::Fetching(entries, logs, snapshots)
                if entries.is_empty() && logs.is_empty() && snapshots.is_empty())
            {
                healing.short = classroom.short_of(&healing);
                classroom.carried.retain(|_, carried| carried.is_ok());
            }
            classroom.healing = Some(healing);
        }
        self.fetch_next(id);
    }

    /// Submits the entries that the relay lacks, and has the segments read.
    fn submit_lost(&mut self, id: &ClassroomId) {
        let me = self.me.as_ref().map(|me| me.keys.id());
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let Some(mut healing) = classroom.healing.take() else {
            return;
        };
        let mut frames = Vec::new();
        let unwritten = self.writes.unwritten(&vec![store::range_of(Table::Entries, id)]);
        let mut holds_back = false;
        for entry in classroom.roster.entries_in_order() {
            let hash = entry.hash();
            if healing.entries.binary_search(&hash).is_ok() {
                continue;
            }
            if unwritten.contains_key(&(Table::Entries, store::entry_key(id, &hash))) {
                // It came a moment ago, most likely from the relay.
                healing.again = true;
                continue;
            }
            let submission = match classroom.entries.get_mut(&hash) {
                Some(unsent) if unsent.way == Way::Sent || !unsent.durable => continue,
                // What erases waits until all is carried over, and what this person said after it waits with it.
                Some(_) if holds_back || matches!(entry.action(), Action::Erase { .. }) => {
                    holds_back = true;
                    continue;
                }
                // It may have been refused for want of one of the others.
                Some(unsent) => {
                    unsent.way = Way::Sent;
                    Submission::Entry(hash)
                }
                None => Submission::Lost,
            };
            if let Some(channel) = &mut classroom.channel
                && let Ok(encoded) = entry.encode()
                && let Ok(entry) = Bytes::new("roster entry", encoded)
            {
                channel.submit(submission);
                healing.unanswered += usize::from(matches!(submission, Submission::Lost));
                frames.push(ClientFrame::Entry {
                    channel: channel.number,
                    entry,
                });
            }
        }
        healing.step = Step::GivingBack(if healing.looks > 1 {
            classroom.snapshots_missing_there(&healing, me.as_ref())
        } else {
            Vec::new()
        });
        classroom.healing = Some(healing);
        for frame in frames {
            self.send(&[frame]);
        }
        self.gave_back(id);
    }

    /// Gives the next snapshot back; after the last, has the segments read.
    pub(crate) fn gave_back(&mut self, id: &ClassroomId) {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return;
        };
        let me = me.keys.id();
        let Some(healing) = &mut classroom.healing else {
            return;
        };
        let Step::GivingBack(documents) = &mut healing.step else {
            return;
        };
        if let Some(document) = documents.pop() {
            self.give_back(id, document);
            return;
        }
        let is_now = |log: &Log| healing.looks > 1 || log.member == me;
        let mut rest = Vec::new();
        for (log, from) in healing.lost.iter().filter(|(log, _)| is_now(log)) {
            rest.push((*log, store::item_key(id, log, *from)));
        }
        healing.step = Step::Submitting {
            rest,
            is_reading: false,
        };
        self.submit_next(id);
    }

    /// Has some more of what the relay lacks read, once it has answered most of what it got.
    fn submit_next(&mut self, id: &ClassroomId) {
        let Some(healing) = self
            .classrooms
            .get_mut(id)
            .and_then(|classroom| classroom.healing.as_mut())
        else {
            return;
        };
        let Step::Submitting { rest, is_reading } = &mut healing.step else {
            return;
        };
        if *is_reading || healing.unanswered > FEW_UNANSWERED {
            return;
        }
        if let Some((log, from)) = rest.last().filter(|_| !healing.is_too_much) {
            *is_reading = true;
            let range = (Table::Segments, from.clone(), store::item_key(id, log, u64::MAX));
            let log = *log;
            self.read_page(*id, What::Lost(log), range, ROWS);
        } else if healing.unanswered == 0 {
            self.submitted(id);
        }
    }

    /// Some of what the relay lacks was read; the next page begins at `next`.
    #[inline(never)]
    pub(crate) fn lost_read(
        &mut self,
        id: &ClassroomId,
        log: Log,
        rows: Vec<Segment>,
        is_whole: bool,
        next: Option<Vec<u8>>,
    ) {
        let me = self.me.as_ref().map(|me| me.keys.id());
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let (Some(channel), Some(healing)) = (&mut classroom.channel, &mut classroom.healing) else {
            return;
        };
        let Step::Submitting { rest, is_reading } = &mut healing.step else {
            return;
        };
        if rest.last().is_none_or(|(other, _)| *other != log) {
            return;
        }
        *is_reading = false;
        healing.again |= !is_whole;
        if healing.is_too_much {
            self.submit_next(id);
            return;
        }
        match (next, rest.last_mut()) {
            (Some(next), Some((_, from))) => *from = next,
            _ => drop(rest.pop()),
        }
        let mut frames = Vec::new();
        let next = classroom.logs.get(&log).map_or(0, |record| record.next);
        // Of a fold that its log ends within no more is here.
        let is_cut = classroom.roster.cutoff(&log) == Some(next);
        let mut is_unheard = false;
        for segment in rows {
            if segment.header.last >= next && !(is_cut && segment.header.first < next) {
                // Another tab stored it, and this one has not heard of it: what the relay has from here it does not give back.
                // Once it is heard of it is given at the next look.
                is_unheard = true;
                healing.again = true;
                continue;
            }
            // What is in the outbox is sent from there.
            let is_unsent = classroom.outbox.contains_key(&(log, segment.header.last));
            // Of a document that is not listed only its segments say which space it is in.
            let is_told = me.is_some_and(|me| classroom.roster.is_in_space(&me, &segment.header.space));
            if is_told
                && !is_unsent
                && let Ok(hash) = segment.hash(id)
            {
                channel.submit(Submission::Lost);
                healing.unanswered += 1;
                frames.push(ClientFrame::Segment {
                    channel: channel.number,
                    segment: Box::new(channel.packer.pack(&segment, hash)),
                });
            }
        }
        for frame in frames {
            self.send(&[frame]);
        }
        if is_unheard && me == Some(log.member) && !self.held.contains(&log.lane) {
            // Its tab may have gone while it wrote, and have told nobody.
            self.effects.push(Effect::Adopt(log.lane));
        }
        self.submit_next(id);
    }

    /// The relay answered one of these submissions: it has it, or refused it, for now or for good.
    pub(crate) fn lost_answered(&mut self, id: &ClassroomId, refused: Option<(Refusal, bool)>) {
        let Some(healing) = self
            .classrooms
            .get_mut(id)
            .and_then(|classroom| classroom.healing.as_mut())
        else {
            return;
        };
        healing.unanswered = healing.unanswered.saturating_sub(1);
        match refused {
            None => healing.pause = PAUSE.0,
            Some((reason, may_pass)) => {
                healing.again |= may_pass;
                healing.refused.get_or_insert(reason);
                healing.is_too_much |= matches!(reason, Refusal::TooFast | Refusal::Busy);
            }
        }
        self.submit_next(id);
    }

    /// All that was to be submitted is answered.
    fn submitted(&mut self, id: &ClassroomId) {
        let wait = u64::from(self.rng.next_u32()) % LONGEST_WAIT;
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return;
        };
        let me = me.keys.id();
        let Some(healing) = classroom.healing.as_mut() else {
            return;
        };
        if healing.is_too_much {
            // The rest follows after a pause, and what was refused with it. That was no look.
            healing.looks = healing.looks.saturating_sub(1);
            healing.step = Step::Waiting {
                until: self.now + healing.pause,
            };
            healing.pause = PAUSE.1.min(2 * healing.pause);
            return;
        }
        let others_left = healing.looks == 1 && healing.lost.iter().any(|(log, _)| log.member != me);
        if others_left || (healing.again && healing.looks < MOST_LOOKS) {
            healing.lost.retain(|(log, _)| healing.again || log.member != me);
            healing.step = Step::Waiting {
                until: self.now + wait,
            };
            return;
        }
        if !std::mem::replace(&mut healing.has_claimed, true) {
            healing.step = Step::Claiming;
            let (_, from, _) = store::range_of(Table::Chunks, id);
            self.claim_chunks_from(id, from);
            return;
        }
        // What is left was refused for good, or is tried again with the next connection.
        healing.step = Step::Done;
        if healing.again {
            return;
        }
        healing.lost.clear();
        if !healing.short.is_empty() {
            // It may have it again another time, or somebody else bring it there.
            return;
        }
        if healing.refused.is_none() {
            classroom.healing = None;
        }
        classroom.unhealed = false;
        self.batch(id).delete(Table::Classrooms, store::unhealed_key(id));
    }

    fn claim_chunks_from(&mut self, id: &ClassroomId, from: Vec<u8>) {
        let (table, _, to) = store::range_of(Table::Chunks, id);
        self.read_page(*id, What::Chunks, (table, from, to), CHUNKS);
    }

    /// Some chunks were read, for their names: whether the relay has them it says when they are brought.
    #[inline(never)]
    pub(crate) fn chunks_to_claim(
        &mut self,
        id: &ClassroomId,
        found: &Changes,
        next: Option<Vec<u8>>,
    ) -> Result<(), Error> {
        let is_claiming = |healing: &Healing| matches!(healing.step, Step::Claiming);
        let healing = self
            .classrooms
            .get(id)
            .and_then(|classroom| classroom.healing.as_deref());
        if !healing.is_some_and(is_claiming) {
            return Ok(());
        }
        for (_, key) in found.keys() {
            if let Some((_, document, chunk)) = store::parse_chunk_key(key) {
                self.note_uploads(id, document, &[chunk], false)?;
            }
        }
        match next {
            Some(next) => self.claim_chunks_from(id, next),
            None => self.submitted(id),
        }
        Ok(())
    }

    #[inline(never)]
    pub(crate) fn chunks_not_read(&mut self, id: &ClassroomId) {
        let classroom = self.classrooms.get_mut(id);
        if let Some(healing) = classroom.and_then(|classroom| classroom.healing.as_mut()) {
            healing.has_claimed = false;
        }
        self.look_again(id);
    }

    /// Something could not be read: it is looked at again later.
    pub(crate) fn look_again(&mut self, id: &ClassroomId) {
        let until = self.now + crate::loading::READ_AGAIN;
        if let Some(healing) = self
            .classrooms
            .get_mut(id)
            .and_then(|classroom| classroom.healing.as_mut())
        {
            healing.looks = healing.looks.saturating_sub(1);
            healing.step = Step::Waiting { until };
        }
    }

    pub(crate) fn tick_healing(&mut self) {
        let now = self.now;
        let mut due = Vec::new();
        for classroom in self.classrooms.values() {
            let step = classroom.healing.as_ref().map(|healing| &healing.step);
            if let Some(Step::Waiting { until }) = step
                && now >= *until
            {
                due.push(classroom.id);
            }
        }
        for id in due {
            self.ask_inventory(&id);
        }
    }
}

impl Classroom {
    /// From where on the relay is asked for everything.
    pub(crate) fn since_to_tell(&self) -> Option<Position> {
        if self.unhealed && self.joining.is_none() {
            Some(UNKNOWN)
        } else {
            self.since
        }
    }

    /// Whether it is not known yet what the relay has: most of what it got now it would refuse.
    pub(crate) fn is_looking(&self) -> bool {
        let step = self.healing.as_ref().map(|healing| &healing.step);
        self.unhealed && matches!(step, None | Some(Step::Looking | Step::Fetching(..)))
    }

    /// Whether the relay says to this person what it has of a document. Who has left a space leaves it to those who are in it.
    fn hears_of(&self, me: Option<&MemberId>, document: &DocumentId) -> bool {
        me.is_some_and(|me| self.roster.is_in_space(me, &self.space_of(document)))
    }

    /// What the relay lacks of what is here, apart from what was not sent yet. Of an own log that ends in something else
    /// there, the last segment: the relay says of it that it is a fork, and that shows.
    fn missing_there(&self, healing: &Healing, me: Option<&MemberId>) -> Vec<(Log, u64)> {
        let mut missing = Vec::new();
        for (log, record) in &self.logs {
            if self.roster.erased(&log.document).is_some() || !self.hears_of(me, &log.document) {
                continue;
            }
            let state = healing.state_of(log);
            let there = state.map_or(0, |state| state.next);
            // What is in the outbox is sent from there. Behind it may be what the relay had before: answers come in any order.
            let mut from = there;
            for (_, unsent) in self.outbox.range((*log, there)..=(*log, u64::MAX)) {
                let header = &unsent.segment.header;
                if !unsent.settled && header.first <= from {
                    from = header.last + 1;
                }
            }
            if from < record.next {
                missing.push((*log, from));
            } else if there == record.next
                // Within a fold there is no telling.
                && record.hash != SegmentHash::NONE
                && state.is_some_and(|state| state.hash != record.hash)
                && me == Some(&log.member)
            {
                missing.push((*log, there.saturating_sub(1)));
            }
        }
        missing
    }

    /// The documents that are made of a snapshot that the relay lacks, and whose segments it lacks as well.
    fn snapshots_missing_there(&self, healing: &Healing, me: Option<&MemberId>) -> Vec<DocumentId> {
        let mut missing = Vec::new();
        for (hash, snapshot) in self.snapshots.bases() {
            if !self.hears_of(me, &snapshot.header.document) {
                continue;
            }
            let is_there = healing.snapshots.iter().any(|state| state.hash == *hash);
            let is_short = |(log, lane): (Log, &CoveredLane)| {
                healing.state_of(&log).map_or(0, |state| state.next) < lane.next
            };
            if !is_there && snapshot.header.logs().any(is_short) {
                missing.push(snapshot.header.document);
            }
        }
        missing
    }

    /// Sound segments that are kept aside, because of who wrote them and when, or for want of their key, and behind such: log,
    /// first and last index. They are here, and need not come again.
    fn segments_aside(&self) -> Vec<(Log, u64, u64)> {
        let mut all = Vec::new();
        for aside in self.aside.values() {
            let is_sound = matches!(
                aside.reason,
                AsideReason::BeyondCutoff
                    | AsideReason::NotAllowed
                    | AsideReason::NotMember
                    | AsideReason::WrongSpace
                    | AsideReason::Locked
                    | AsideReason::Closed
                    | AsideReason::UnknownKey
            );
            let Kept::Segment(log, first, last) = aside.what else {
                continue;
            };
            match aside.item.as_ref().map(|item| Segment::decode(item)) {
                // What is behind them is out of order, and was not looked at more closely.
                Some(Ok(segment))
                    if is_sound
                        || aside.reason == AsideReason::OutOfOrder && segment.verify(&self.id).is_ok() =>
                {
                    all.push((log, first, last));
                }
                None if is_sound => all.push((log, first, last)),
                _ => {}
            }
        }
        all
    }

    /// The documents of which something was asked for and did not come, though the relay says that it has it. What came and is
    /// kept aside has come; and what a snapshot covers, of that the snapshot is enough, whose pieces are on their way.
    pub(crate) fn short_of(&self, healing: &Healing) -> Vec<DocumentId> {
        let (_, logs, mut short) = self.missing_here(healing);
        short.retain(|document| !self.snapshots.knows_any(document));
        for range in logs {
            let mut aside = self.aside.values();
            let covers = |log, first, last| log == range.log && first <= range.from && range.from <= last;
            let is_aside = aside.any(
                |aside| matches!(aside.what, Kept::Segment(log, first, last) if covers(log, first, last)),
            );
            if !is_aside && !self.snapshots.will_cover(&range.log, range.from) {
                short.push(range.log.document);
            }
        }
        short
    }

    /// What the relay has and what is not here; the snapshots of such documents of whose segments it has dropped some.
    fn missing_here(&self, healing: &Healing) -> (Vec<EntryHash>, Vec<LogRange>, Vec<DocumentId>) {
        let mut entries = Vec::new();
        for hash in &healing.entries {
            let is_waiting = |hash: &EntryHash| self.waiting.iter().any(|(entry, _)| entry.hash() == *hash);
            if self.roster.entry(hash).is_none() && !is_waiting(hash) {
                entries.push(*hash);
            }
        }
        let refused = self.refused_snapshots();
        let has_other = |document: &DocumentId| {
            let mut of_document = healing
                .snapshots
                .iter()
                .filter(|state| state.document == *document);
            of_document.any(|state| !refused.contains(&state.hash))
        };
        let aside = self.segments_aside();
        let mut logs = Vec::new();
        let mut snapshots: Vec<DocumentId> = Vec::new();
        for state in &healing.logs {
            let mut from = self.logs.get(&state.log).map_or(0, |record| record.next);
            while let Some((.., last)) = aside
                .iter()
                .find(|(log, first, last)| *log == state.log && *first <= from && from <= *last)
            {
                from = *last + 1;
            }
            let document = state.log.document;
            // Whoever erases it carries over all that the relay has of it.
            if from >= state.next || self.is_gone(&document) {
                continue;
            }
            logs.push(LogRange {
                log: state.log,
                from,
                to: state.next,
            });
            if from < state.first && snapshots.last() != Some(&document) && has_other(&document) {
                snapshots.push(document);
            }
        }
        // Of a document there may be no segment any more.
        for state in &healing.snapshots {
            let document = state.document;
            let is_here = self.logs.keys().any(|log| log.document == document);
            if !is_here && !self.is_gone(&document) && !snapshots.contains(&document) && has_other(&document)
            {
                snapshots.push(document);
            }
        }
        (entries, logs, snapshots)
    }
}
