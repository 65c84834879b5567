//! What leaves: changes become segments as soon as they are made, sealed once, stored, then sent, in the order of their
//! logs.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use documents::change;
use protocol::bounded::Bytes;
use protocol::frame::{self, ClientFrame, MAX_MESSAGE};
use protocol::inventory::Wanted;
use protocol::mischief::{Mischief, does};
use protocol::rand_core::CryptoRng;
use protocol::roster::{Action, Entry};
use protocol::segment::{self, Header, Kind, Log, Segment};
use protocol::{ClassroomId, EntryHash, LaneId, Refusal};

use crate::classroom::{Classroom, Submission, Unsent, UnsentEntry, Way};
use crate::command::{Answer, Problem};
use crate::event::Effect;
use crate::folding::whole_of;
use crate::late::is_in_its_space;
use crate::snapshots::Fetching;
use crate::store::{self, EntryRecord, LogRecord, Table};
use crate::tabs::Note;
use crate::writes::After;
use crate::{Error, Me, Replica};

/// How many submissions of a classroom may be unanswered at once.
const MOST_UNANSWERED: usize = 256;
/// How long an item of another tab may stay unacknowledged before this tab sends it as well, and how often this tab
/// tries to take over the lane of a tab that seems gone, in milliseconds.
pub(crate) const SEND_FOR_OTHERS_AFTER: u64 = 10_000;
/// How long after a refusal that may pass an item is sent again, in milliseconds.
pub(crate) const SEND_AGAIN_AFTER: u64 = 5_000;
/// The same where the relay has no room: some may be made there, by folds or by who runs it.
const SEND_AGAIN_WHEN_FULL: u64 = 300_000;
/// A message is sent once it is this long.
const FULL_MESSAGE: usize = MAX_MESSAGE / 2;

impl<R: CryptoRng> Replica<R> {
    /// Takes a change of `log`, which this tab holds, and seals it. `request` is answered once it is durable.
    pub(crate) fn keep_change(
        &mut self,
        id: &ClassroomId,
        log: Log,
        change: Vec<u8>,
        request: Option<(u32, Answer)>,
    ) -> Result<(), Problem> {
        let info = change::inspect(&change).map_err(|_| Problem::Internal)?;
        if info.actor != log.actor() && !does(Mischief::ActorIgnored) {
            return Err(Problem::Internal);
        }
        if !segment::fits([&change]) {
            return Err(Problem::TooLarge);
        }
        self.seal(id, log, &[change]).map_err(|_| Problem::Internal)?;
        match request {
            Some((request, answer)) if does(Mischief::AnswersEarly) => self.answer(request, Ok(answer)),
            Some((request, answer)) => self.writes.then(After::Answer(request, answer)),
            None => {}
        }
        Ok(())
    }

    /// Seals a run of changes as the next segment of `log`, stores it, and has it sent once that is durable. If it
    /// fails, nothing has happened.
    pub(crate) fn seal(&mut self, id: &ClassroomId, log: Log, changes: &[Vec<u8>]) -> Result<(), Error> {
        let me = self.me.as_ref().ok_or(protocol::Error::CannotOpen("space"))?;
        let classroom = self
            .classrooms
            .get_mut(id)
            .ok_or(protocol::Error::CannotOpen("space"))?;
        let (unsent, record) = classroom.seal(me, &mut self.rng, log, changes)?;
        let header = unsent.segment.header.clone();
        let (index, hash) = (header.last, unsent.hash);
        let encoded = unsent.segment.encode()?;
        classroom.logs.insert(log, record);
        classroom.outbox.insert((log, index), unsent);
        self.has_grown(id, &log);
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.has_changed(&log.document);
        }
        self.document_written(id, log.document);
        self.note_log(id, &log)?;
        let batch = self.writes.next();
        batch.put_bytes(Table::Segments, store::segment_key(id, &header), encoded.clone());
        batch.put_bytes(Table::Outbox, store::item_key(id, &log, index), encoded);
        batch.strict = true;
        self.writes.then(After::Segment(*id, log, index, hash));
        Ok(())
    }

    /// Notes how far a log goes, as this tab knows it.
    pub(crate) fn note_log(&mut self, id: &ClassroomId, log: &Log) -> Result<(), Error> {
        let record = self
            .classrooms
            .get(id)
            .and_then(|classroom| classroom.logs.get(log))
            .copied();
        let key = store::log_key(id, log, &self.lane);
        match record {
            Some(record) => self.batch(id).put(Table::Logs, key, &record),
            None => Ok(()),
        }
    }

    /// Keeps an own roster entry, to be sent, and told to the other tabs, once it is durable.
    pub(crate) fn keep_entry(&mut self, id: &ClassroomId, entry: &Entry) -> Result<(), Error> {
        let hash = entry.hash();
        let record = EntryRecord {
            entry: entry.encode()?,
            on_relay: false,
        };
        let batch = self.writes.next();
        batch.put(Table::Entries, store::entry_key(id, &hash), &record)?;
        batch.strict = true;
        if let Some(classroom) = self.classrooms.get_mut(id) {
            let unsent = UnsentEntry {
                durable: false,
                way: Way::READY,
            };
            classroom.entries.insert(hash, unsent);
        }
        self.writes.then(After::Entry(*id, hash));
        Ok(())
    }

    /// Sends what is durable and was not sent on this connection, entries first.
    pub(crate) fn send_ready(&mut self) {
        if !self.connection.is_up() {
            return;
        }
        let mut messages = Vec::new();
        let mut message = Vec::new();
        let mut room = self.connection.room();
        for classroom in self.classrooms.values_mut() {
            if room == 0 {
                break;
            }
            classroom.frames_to_send(self.now, |frame| {
                let before = message.len();
                // A frame that cannot be encoded is not sent; its item stays in the outbox.
                if frame::append(&mut message, &frame).is_ok() {
                    room = room.saturating_sub(message.len() - before);
                }
                if message.len() >= FULL_MESSAGE {
                    messages.push(std::mem::take(&mut message));
                }
                room > 0
            });
        }
        if !message.is_empty() {
            messages.push(message);
        }
        for message in messages {
            self.send_message(message, true);
        }
    }

    /// The relay has a submission, durably.
    pub(crate) fn acknowledged(&mut self, id: &ClassroomId, submission: Submission) -> Result<(), Error> {
        match submission {
            Submission::Entry(hash) => self.entry_on_relay(id, &hash),
            Submission::Segment(log, index) => self.segment_acknowledged(id, log, index),
            Submission::Lost => {
                self.lost_answered(id, None);
                Ok(())
            }
            Submission::Snapshot { is_piece } => {
                self.given(id, is_piece, None);
                Ok(())
            }
            Submission::Verdict => Ok(()),
            Submission::Receipt => self.receipt_answered(id),
        }
    }

    /// What was sent for another tab may not be here yet, and the relay does not give it to whom it had it from.
    fn segment_acknowledged(&mut self, id: &ClassroomId, log: Log, index: u64) -> Result<(), Error> {
        let unheard = self.classrooms.get(id).and_then(|classroom| {
            let next = classroom.logs.get(&log).map_or(0, |record| record.next);
            let unsent = classroom.outbox.get(&(log, index)).filter(|_| index >= next)?;
            Some(unsent.segment.clone())
        });
        self.segment_on_relay(id, log, index);
        match unheard {
            Some(segment) => self.take_or_keep_aside(id, &segment),
            None => Ok(()),
        }
    }

    fn entry_on_relay(&mut self, id: &ClassroomId, hash: &EntryHash) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        if classroom.entries.remove(hash).is_none() {
            return Ok(());
        }
        let is_last = classroom.entries.is_empty();
        // Whoever asked is no member by that: until somebody answers, the invite opens the classroom to them.
        if is_last && classroom.asked.is_none() {
            self.needs_no_invite(id)?;
        }
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        if let Some(entry) = classroom.roster.entry(hash) {
            let record = EntryRecord {
                entry: entry.encode()?,
                on_relay: true,
            };
            self.writes
                .next()
                .put(Table::Entries, store::entry_key(id, hash), &record)?;
        }
        if is_last {
            // From here on the relay knows this person as a member, and passes their whispers on.
            self.announce(id, true);
        }
        Ok(())
    }

    /// The relay knows this person as a member.
    pub(crate) fn needs_no_invite(&mut self, id: &ClassroomId) -> Result<(), Error> {
        if let Some(classroom) = self.classrooms.get_mut(id)
            && classroom.record.invite.take().is_some()
        {
            classroom.roster_grew();
            self.writes
                .next()
                .put(Table::Classrooms, id.0.to_vec(), &classroom.record)?;
        }
        Ok(())
    }

    /// The relay has a log from the first to the last of `indices`: what lies within is not unsent any more.
    pub(crate) fn segments_on_relay(&mut self, id: &ClassroomId, log: Log, indices: RangeInclusive<u64>) {
        let Some(classroom) = self.classrooms.get(id) else {
            return;
        };
        let within = classroom
            .outbox
            .range((log, *indices.start())..=(log, *indices.end()));
        let gone: Vec<u64> = within
            .filter(|(_, unsent)| unsent.segment.header.first >= *indices.start())
            .map(|((_, index), _)| *index)
            .collect();
        for index in gone {
            self.segment_on_relay(id, log, index);
        }
    }

    /// Takes a segment out of the outbox, by its last index, and tells the other tabs.
    fn segment_on_relay(&mut self, id: &ClassroomId, log: Log, index: u64) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let Some(unsent) = classroom.outbox.remove(&(log, index)) else {
            return;
        };
        if !unsent.settled {
            self.has_grown(id, &log);
        }
        self.writes.next().delete(Table::Outbox, unsent.key(id));
        self.tell_tabs(&Note::OnRelay {
            classroom: *id,
            log,
            index,
        });
    }

    /// The relay would not take a submission.
    pub(crate) fn refused(
        &mut self,
        id: &ClassroomId,
        submission: Submission,
        reason: Refusal,
    ) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let may_pass = may_pass(reason);
        // A lock may be gone by the time that one hears of what it stopped, and a cut-off lifted.
        let is_unlocked = |log: &Log, index: u64| {
            stops_for_now(reason)
                && classroom
                    .outbox
                    .get(&(*log, index))
                    .is_some_and(|unsent| classroom.roster.check_segment(&unsent.segment.header).is_ok())
        };
        let may_pass = match submission {
            Submission::Segment(log, index) => may_pass || is_unlocked(&log, index),
            _ => may_pass,
        };
        let again_at = if may_pass {
            Some(self.now + SEND_AGAIN_AFTER)
        } else {
            again_at(reason, self.now)
        };
        let refused = Way::Refused { reason, again_at };
        match submission {
            Submission::Lost => self.lost_answered(id, Some((reason, may_pass))),
            Submission::Snapshot { is_piece } => self.given(id, is_piece, Some((reason, may_pass))),
            // Others compare as well.
            Submission::Verdict => {}
            Submission::Receipt if may_pass => self.give_again(id),
            Submission::Receipt => return self.receipt_answered(id),
            Submission::Entry(hash)
                if reason == Refusal::LeavesOut
                    || reason == Refusal::Erased && classroom.is_erased_besides(&hash) =>
            {
                return self.make_again(id, hash);
            }
            Submission::Entry(hash) => {
                if let Some(unsent) = classroom.entries.get_mut(&hash) {
                    unsent.way = refused;
                }
            }
            Submission::Segment(log, index) => {
                let is_looking = classroom.is_looking();
                let is_first = classroom
                    .outbox
                    .range((log, 0)..=(log, index))
                    .next()
                    .is_some_and(|((_, first), _)| *first == index);
                let Some(unsent) = classroom.outbox.get_mut(&(log, index)) else {
                    return Ok(());
                };
                let counts = || classroom.roster.check_segment(&unsent.segment.header).is_ok();
                if unsent.settled && !(may_pass && counts()) {
                    // The relay has all that it holds, in other segments.
                    self.segment_on_relay(id, log, index);
                    return Ok(());
                }
                let whole = whole_of(&unsent.segment.header);
                // It came behind one that was refused, and follows when that one is taken, or before it was known what is lost.
                let is_behind = reason == Refusal::IndexGap && (is_looking || !is_first);
                unsent.way = if is_behind { Way::READY } else { refused };
                if reason == Refusal::Fork && self.held.contains(&log.lane) {
                    return self.forked(id, log, index);
                }
                if reason == Refusal::BeyondCutoff {
                    return self.put_cut_aside(id);
                }
                if reason == Refusal::FoldMismatch && self.held.contains(&log.lane) {
                    // What the relay has there may be a fold of a copy of this profile: see `fold_behind`.
                    let wanted = Wanted {
                        logs: vec![whole],
                        ..Wanted::default()
                    };
                    self.fetch(id, wanted, Fetching::Segments);
                }
            }
        }
        Ok(())
    }

    /// Takes over what another tab has left unsent.
    pub(crate) fn tick_unsent(&mut self) {
        if !self.connection.is_up() || self.now < self.adopt_at {
            return;
        }
        self.adopt_at = self.now + SEND_FOR_OTHERS_AFTER;
        let left_behind: BTreeSet<LaneId> = self
            .classrooms
            .values()
            .flat_map(Classroom::lanes_to_send)
            .filter(|lane| !self.held.contains(lane))
            .collect();
        self.effects.extend(left_behind.into_iter().map(Effect::Adopt));
    }

    /// From when on this tab sends what is on a lane: at once if it holds the lane, otherwise when the tab that does
    /// seems not to.
    pub(crate) fn way_of(&self, lane: &LaneId) -> Way {
        if self.held.contains(lane) {
            Way::READY
        } else {
            Way::Waiting {
                from: self.now + SEND_FOR_OTHERS_AFTER,
            }
        }
    }
}

/// Whether what was refused for this reason may be taken in a moment.
fn may_pass(reason: Refusal) -> bool {
    matches!(
        reason,
        Refusal::Busy
            | Refusal::TooFast
            | Refusal::Storage
            | Refusal::GoingAway
            | Refusal::UnknownParent
            | Refusal::UnknownChannel
            | Refusal::NotAMember
            | Refusal::IndexGap
            | Refusal::NotCovered
    )
}

/// When what was refused for this reason goes again, if not only on the next connection.
pub(crate) fn again_at(reason: Refusal, now: u64) -> Option<u64> {
    match reason {
        reason if may_pass(reason) => Some(now + SEND_AGAIN_AFTER),
        Refusal::QuotaFull | Refusal::TooManyDocuments | Refusal::TooManyEntries => {
            Some(now + SEND_AGAIN_WHEN_FULL)
        }
        _ => None,
    }
}

/// Whether what was refused for this reason may fit once the roster has grown.
pub(crate) fn stops_for_now(reason: Refusal) -> bool {
    matches!(
        reason,
        Refusal::Locked | Refusal::ClassroomClosed | Refusal::BeyondCutoff
    )
}

impl Classroom {
    /// The lanes whose tabs have something to send.
    pub(crate) fn lanes_to_send(&self) -> impl Iterator<Item = LaneId> {
        let unsent = self.outbox.keys().map(|(log, _)| log.lane);
        unsent.chain(self.uploads.values().map(|upload| upload.lane))
    }

    /// The next segment of a log, and how far the log goes with it.
    fn seal(
        &self,
        me: &Me,
        rng: &mut impl CryptoRng,
        log: Log,
        changes: &[Vec<u8>],
    ) -> Result<(Unsent, LogRecord), Error> {
        let member = me.keys.id();
        let space = self.space_of(&log.document);
        let sealing = self
            .sealing(&member, &space)
            .ok_or(protocol::Error::CannotOpen("space"))?;
        let record = self.logs.get(&log).copied().unwrap_or(LogRecord::EMPTY);
        let header = Header {
            kind: Kind::of_runs(),
            log,
            first: record.next,
            last: record.next,
            space,
            epoch: sealing.epoch,
            roster: sealing.roster,
        };
        let segment = Segment::seal(&me.keys, &self.id, header, record.hash, sealing.key, changes, rng)?;
        let hash = segment.hash(&self.id)?;
        let record = match record.next {
            2 if does(Mischief::IndexReused) => record,
            _ => LogRecord {
                next: record.next + 1,
                hash,
                ..record
            },
        };
        let unsent = Unsent {
            segment,
            hash,
            durable: does(Mischief::SendsEarly),
            way: Way::READY,
            sent: false,
            settled: false,
            links: OnceCell::new(),
        };
        Ok((unsent, record))
    }

    /// The frame that founds the classroom on the relay, if the relay does not have it.
    pub(crate) fn founding_frame(&mut self, number: u16) -> Option<ClientFrame> {
        let hash = EntryHash(self.id.0);
        if !self.entries.get(&hash)?.durable {
            return None;
        }
        let entry = Bytes::new("roster entry", self.roster.entry(&hash)?.encode().ok()?).ok()?;
        let token = self
            .record
            .found_token
            .as_ref()
            .and_then(|token| Bytes::new("token", token.clone().into_bytes()).ok());
        self.entries.get_mut(&hash)?.way = Way::Sent;
        self.channel.as_mut()?.submit(Submission::Entry(hash));
        Some(ClientFrame::Found {
            channel: number,
            entry,
            token,
        })
    }

    /// Gives `send` what is due, until that says that there is no more room.
    fn frames_to_send(&mut self, now: u64, mut send: impl FnMut(ClientFrame) -> bool) {
        if self.is_looking() {
            return;
        }
        let everything_upto = self.everything_upto();
        let healing = self.healing.as_deref();
        // With what stands in the place of each in the end: what came in is carried over into that.
        let mut erased_here = BTreeMap::new();
        for hash in self.entries.keys() {
            if let Some(Action::Erase { document, .. }) = self.roster.entry(hash).map(Entry::action) {
                erased_here.insert(*document, self.last_successor(document));
            }
        }
        let mut unmoved = BTreeSet::new();
        for (document, last) in &erased_here {
            if self.erases(document) && last.is_some_and(|last| !self.has_moved(document, &last)) {
                unmoved.insert(*document);
            }
        }
        let behind = if self.is_unsent_by_several() {
            self.behind_others()
        } else {
            BTreeSet::new()
        };
        let never_taken: BTreeSet<EntryHash> =
            self.refused_entries().map(|(_, entry)| entry.hash()).collect();
        let Some(channel) = &mut self.channel else { return };
        // Until this person's own admission is with the relay nothing of theirs counts there.
        let own = if self.entries.is_empty() {
            Vec::new()
        } else {
            self.roster.entries_in_order()
        };
        for entry in own {
            let hash = entry.hash();
            let Some(unsent) = self.entries.get_mut(&hash) else {
                continue;
            };
            if unsent.way == Way::Sent {
                continue;
            }
            if never_taken.contains(&hash) && !entry.action().joins() {
                // It, and what follows on it, waits for the next connection; what was made apart from it does not.
                continue;
            }
            if !unsent.durable || !unsent.way.is_due(now) {
                // What follows on it waits, too.
                break;
            }
            let mut erases_upto = None;
            if let Action::Erase { document, successor } = entry.action() {
                // Nothing is erased before what takes its place is safe, and nothing that came in meanwhile.
                let last = erased_here.get(document).copied().flatten();
                let is_unsent = |((log, _), unsent): (&(Log, u64), &Unsent)| {
                    (log.document == *successor || Some(log.document) == last) && !unsent.settled
                };
                let is_carried =
                    self.carried.get(document) == Some(&Ok(())) || !self.documents.contains_key(document);
                if everything_upto.is_none()
                    || !is_carried
                    || self.outbox.iter().any(is_unsent)
                    || unmoved.contains(document)
                {
                    break;
                }
                erases_upto = everything_upto;
            }
            let Ok(encoded) = entry.encode() else { continue };
            let Ok(entry) = Bytes::new("roster entry", encoded) else {
                continue;
            };
            unsent.way = Way::Sent;
            channel.submit(Submission::Entry(hash));
            let channel = channel.number;
            let has_room = send(match erases_upto {
                Some(upto) => ClientFrame::Erase { channel, upto, entry },
                None => ClientFrame::Entry { channel, entry },
            });
            if !has_room {
                return;
            }
        }
        // What is written in one tab may build on what another has not sent, and waits for that: this tab sends both.
        let mut leaving = BTreeSet::new();
        for ((log, _), unsent) in &self.outbox {
            if unsent.durable && !unsent.settled && unsent.way.is_due(now) {
                leaving.insert(log.document);
            }
        }
        let mut stuck: Option<Log> = None;
        // Who gets only a part of it gets what is erased rather than what takes its place: that is shown until then.
        for is_erased_here in [true, false] {
            for ((log, index), unsent) in &mut self.outbox {
                if erased_here.contains_key(&log.document) != is_erased_here {
                    continue;
                }
                if channel.submissions.len() >= MOST_UNANSWERED {
                    break;
                }
                if stuck == Some(*log) || unsent.way == Way::Sent {
                    continue;
                }
                let header = &unsent.segment.header;
                let is_ahead = |head: &EntryHash| {
                    let entry = self.entries.get(head);
                    entry.is_some_and(|entry| entry.way != Way::Sent)
                };
                if !is_in_its_space(&self.roster, header)
                    || header.roster.iter().any(is_ahead)
                    || behind.contains(&(*log, *index))
                {
                    // The relay would not take it of whoever has left the space, nor before what it names; and what it builds
                    // on must be there.
                    stuck = Some(*log);
                    continue;
                }
                if self.erased_due.contains(&log.document) && !is_erased_here {
                    // It is made again elsewhere.
                    continue;
                }
                if healing.is_some_and(|healing| healing.holds_back(log, unsent)) {
                    stuck = Some(*log);
                    continue;
                }
                let goes_along = !unsent.settled
                    && matches!(unsent.way, Way::Waiting { .. })
                    && leaving.contains(&log.document);
                if !unsent.durable || !(unsent.way.is_due(now) || goes_along) {
                    // What follows in this log waits, too.
                    stuck = Some(*log);
                    continue;
                }
                unsent.way = Way::Sent;
                unsent.sent = true;
                channel.submit(Submission::Segment(*log, *index));
                let segment = Box::new(channel.packer.pack(&unsent.segment, unsent.hash));
                let has_room = send(ClientFrame::Segment {
                    channel: channel.number,
                    segment,
                });
                if !has_room {
                    return;
                }
            }
        }
    }
}
