//! What arrives: checked one by one, stored as it came, applied. One bad item never stops the rest.

use std::collections::BTreeMap;

use documents::change;
use protocol::bounded::Bytes;
use protocol::bundle;
use protocol::frame::{Position, RelayFrame};
use protocol::mischief::{Mischief, does};
use protocol::rand_core::CryptoRng;
use protocol::roster::{Added, Entry, Unfit};
use protocol::segment::{Header, Segment};
use protocol::{ClassroomId, DocumentId, SegmentHash};

use crate::Replica;
use crate::classroom::{Classroom, Content, Copy, Handing, Held, Reopen, Submission, Unsent};
use crate::cutoffs::has_one_each;
use crate::event::Effect;
use crate::folding;
use crate::store::{self, AsideReason, EntryRecord, LogRecord, SinceRecord, Table};
use crate::view::Update;

/// Which part of a document is applied together at most, while much comes.
const SHARE: usize = 8;

/// The most roster entries that wait for their parents.
const MOST_WAITING: usize = 1_000;

/// Where a segment comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// From the relay, or from what of it was kept aside.
    Relay,
    /// The same, and others built on it, so that it counts wherever its log ends.
    Needed,
    /// From a file: the relay may not have it.
    File,
    /// From another tab of this profile, which still hands over what was written in a document that is erased.
    Tab,
}

/// Where a roster entry comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntrySource {
    Relay,
    /// From a file: the relay may not have it.
    File,
    /// From another tab of this profile, which has stored it, and may have taken it out again since.
    Tab,
}

/// What became of a segment.
enum Taken {
    /// New: here are its changes.
    Changes(Vec<Vec<u8>>),
    Known,
    /// It is of a log of ours, in a place where we wrote something else.
    Foreign,
    /// A fold in the place of what is here, of all or of some of it.
    Overlapping,
    Aside(AsideReason),
}

impl<R: CryptoRng> Replica<R> {
    /// Takes a frame that belongs to a channel.
    ///
    /// # Errors
    /// If the frame cannot be of a working relay: the connection must be given up.
    pub(crate) fn channel_frame(&mut self, frame: RelayFrame) -> Result<(), crate::Error> {
        let number = match &frame {
            RelayFrame::Opened { channel, .. }
            | RelayFrame::CaughtUp { channel }
            | RelayFrame::Entry { channel, .. }
            | RelayFrame::Segment { channel, .. }
            | RelayFrame::Stored { channel, .. }
            | RelayFrame::Held { channel, .. }
            | RelayFrame::Refused { channel, .. }
            | RelayFrame::Whisper { channel, .. }
            | RelayFrame::Closed { channel, .. }
            | RelayFrame::Inventory { channel, .. }
            | RelayFrame::Snapshot { channel, .. }
            | RelayFrame::Verdict { channel, .. }
            | RelayFrame::Receipt { channel, .. }
            | RelayFrame::Piece { channel, .. }
            | RelayFrame::Fetched { channel }
            | RelayFrame::WantSnapshot { channel, .. } => *channel,
            RelayFrame::Pong { .. } => return Ok(()),
            RelayFrame::Ended { reason } => {
                self.ended(*reason);
                return Ok(());
            }
            RelayFrame::Challenge { .. } => {
                return Err(protocol::Error::Malformed("frame").into());
            }
        };
        if !matches!(frame, RelayFrame::Segment { .. }) {
            // All else may look at what is there.
            self.apply_arrived();
        }
        self.connection.refused = None;
        let Some(id) = self
            .classrooms
            .values()
            .find(|classroom| {
                classroom
                    .channel
                    .as_ref()
                    .is_some_and(|channel| channel.number == number)
            })
            .map(|classroom| classroom.id)
        else {
            return self.knocking_frame(number, frame);
        };
        match frame {
            RelayFrame::Opened { from, .. } => self.opened(&id, from),
            RelayFrame::CaughtUp { .. } => self.caught_up(&id),
            RelayFrame::Entry { advance, entry, .. } => {
                self.advance(&id, advance)?;
                self.take_entry(&id, &entry, EntrySource::Relay)
            }
            RelayFrame::Segment { advance, segment, .. } => {
                let Some(channel) = self.classrooms.get_mut(&id).and_then(|c| c.channel.as_mut()) else {
                    return Ok(());
                };
                let segment = channel.unpacker.unpack(*segment, &id)?;
                if advance == 0 && self.is_comparing(&id) {
                    return self.compare_segment(&id, &segment, true);
                }
                if advance == 0 && self.is_unfolding(&id) {
                    return self.part_came(&id, segment);
                }
                self.advance(&id, advance)?;
                self.take_or_keep_aside(&id, &segment)
            }
            RelayFrame::Stored {
                advance, submission, ..
            } => {
                self.advance(&id, advance)?;
                match self.submission(&id, submission) {
                    Some(submission) => self.acknowledged(&id, submission),
                    None => Ok(()),
                }
            }
            RelayFrame::Held { submission, .. } => match self.submission(&id, submission) {
                Some(submission) => self.acknowledged(&id, submission),
                None => Ok(()),
            },
            RelayFrame::Refused {
                submission, reason, ..
            } => match self.submission(&id, submission) {
                Some(submission) => self.refused(&id, submission, reason),
                None => Ok(()),
            },
            RelayFrame::Whisper { whisper, .. } => {
                self.take_whisper(&id, &whisper);
                Ok(())
            }
            RelayFrame::Closed { reason, .. } => {
                self.channel_closed(&id, reason);
                Ok(())
            }
            RelayFrame::Inventory { part, last, .. } => self.inventory(&id, &part, last),
            RelayFrame::Fetched { .. } => self.fetched(&id),
            RelayFrame::Snapshot {
                advance, snapshot, ..
            } => {
                self.advance(&id, advance)?;
                self.snapshot_came(&id, advance, &snapshot)
            }
            RelayFrame::Piece { piece, .. } => self.take_piece(&id, piece),
            RelayFrame::Verdict { advance, verdict, .. } => {
                self.advance(&id, advance)?;
                // One that says nothing true is passed over.
                self.take_verdict(&id, &verdict, true).unwrap_or_default();
                Ok(())
            }
            RelayFrame::Receipt { advance, receipt, .. } => {
                self.advance(&id, advance)?;
                self.take_receipt(&id, &receipt).unwrap_or_default();
                Ok(())
            }
            RelayFrame::WantSnapshot { document, .. } => {
                self.want_snapshot(&id, document);
                Ok(())
            }
            RelayFrame::Challenge { .. } | RelayFrame::Ended { .. } | RelayFrame::Pong { .. } => Ok(()),
        }
    }

    fn submission(&mut self, id: &ClassroomId, number: u32) -> Option<Submission> {
        let channel = self.classrooms.get_mut(id)?.channel.as_mut()?;
        let submissions = channel.posted.as_mut().unwrap_or(&mut channel.submissions);
        submissions.remove(&number)
    }

    fn opened(&mut self, id: &ClassroomId, from: Position) -> Result<(), crate::Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        if let Some(channel) = &mut classroom.channel {
            let before = channel.position.replace(from);
            if before == Some(from) {
                // It was opened again, for another exchange.
                return Ok(());
            }
            channel.since = before.or(channel.since);
        }
        classroom.refused = None;
        classroom.reopen = Reopen::default();
        classroom.disputes.begin();
        self.heal_if_lost(id, from)?;
        self.set_since(id, from)
    }

    /// Moves the position on. It is stored in the same write as the item, so it never runs ahead of what is here.
    fn advance(&mut self, id: &ClassroomId, advance: u64) -> Result<(), crate::Error> {
        let malformed = protocol::Error::Malformed("position");
        let Some(channel) = self.classrooms.get_mut(id).and_then(|c| c.channel.as_mut()) else {
            return Ok(());
        };
        let position = channel.position.as_mut().ok_or(malformed.clone())?;
        position.index = position.index.checked_add(advance).ok_or(malformed)?;
        let position = *position;
        self.set_since(id, position)
    }

    pub(crate) fn set_since(&mut self, id: &ClassroomId, since: Position) -> Result<(), crate::Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        // Whoever only asks to be let in is not shown everything: what they got counts for nothing later.
        if classroom.asked.is_none() && classroom.since != Some(since) {
            classroom.since = Some(since);
            self.note_since(id)?;
        }
        Ok(())
    }

    /// Notes up to where everything of the relay is here, as this tab knows it.
    pub(crate) fn note_since(&mut self, id: &ClassroomId) -> Result<(), crate::Error> {
        let key = store::since_key(id, &self.lane);
        let Some(classroom) = self.classrooms.get(id) else {
            return Ok(());
        };
        let record = classroom.since.map(|position| SinceRecord {
            position,
            spaces: classroom.since_spaces.clone(),
        });
        match record {
            Some(record) => self.batch(id).put(Table::Classrooms, key, &record),
            None => {
                self.batch(id).delete(Table::Classrooms, key);
                Ok(())
            }
        }
    }

    /// Takes a roster entry, and those that waited for it. It is stored at once, even if it must wait.
    pub(crate) fn take_entry(
        &mut self,
        id: &ClassroomId,
        bytes: &[u8],
        source: EntrySource,
    ) -> Result<(), crate::Error> {
        let entry = match Entry::decode(bytes) {
            Ok(entry) => entry,
            Err(error) => {
                let reason = reason_of(&error, AsideReason::Unreadable);
                return self.keep_unread(id, bundle::Kind::Entry, reason, bytes.to_vec());
            }
        };
        let hash = entry.hash();
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        match classroom.roster.add(entry.clone()) {
            Ok(Added::New) => {
                self.store_entry(id, &entry, source)?;
                if source == EntrySource::Tab {
                    self.send_for_others(id, hash);
                }
                self.entries_waiting(id)
            }
            Ok(Added::Known) if source == EntrySource::Relay => {
                self.acknowledged(id, Submission::Entry(hash))
            }
            Ok(Added::Known) => Ok(()),
            Err(protocol::Error::MissingParent(_)) if classroom.waiting.len() < MOST_WAITING => {
                match classroom.waiting.iter_mut().find(|(other, _)| *other == entry) {
                    Some((_, known)) if source == EntrySource::Relay => *known = source,
                    Some(_) => {}
                    None => classroom.waiting.push((entry.clone(), source)),
                }
                self.store_entry(id, &entry, source)
            }
            Err(protocol::Error::MissingParent(_)) => {
                self.keep_aside(id, AsideReason::UnknownRoster, bytes.to_vec())
            }
            Err(error) => {
                let reason = reason_of(&error, AsideReason::NotAllowed);
                self.keep_aside(id, reason, bytes.to_vec())
            }
        }
    }

    fn store_entry(
        &mut self,
        id: &ClassroomId,
        entry: &Entry,
        source: EntrySource,
    ) -> Result<(), crate::Error> {
        if source == EntrySource::Tab {
            // Stored once more it would stay, if that tab has taken it out.
            return Ok(());
        }
        let record = EntryRecord {
            entry: entry.encode()?,
            on_relay: source == EntrySource::Relay,
        };
        self.batch(id)
            .put(Table::Entries, store::entry_key(id, &entry.hash()), &record)
    }

    /// The roster has grown: adds what waited for that.
    fn entries_waiting(&mut self, id: &ClassroomId) -> Result<(), crate::Error> {
        while let Some((entry, source, added)) = self.classrooms.get_mut(id).and_then(Classroom::next_waiting)
        {
            let hash = entry.hash();
            match added {
                // It is as unsent as one that need not wait.
                Ok(Added::New) if source == EntrySource::Tab => self.send_for_others(id, hash),
                Ok(_) => {}
                Err(error) => {
                    let reason = reason_of(&error, AsideReason::NotAllowed);
                    self.keep_aside(id, reason, entry.encode()?)?;
                    self.batch(id).delete(Table::Entries, store::entry_key(id, &hash));
                }
            }
        }
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.roster_grew();
        }
        self.learn_keys(id);
        // What follows may be behind one of them.
        self.settle_offers(id, false)
    }

    /// Takes a segment that the relay has, or keeps it aside.
    pub(crate) fn take_or_keep_aside(
        &mut self,
        id: &ClassroomId,
        segment: &Segment,
    ) -> Result<(), crate::Error> {
        let Some(reason) = self.take_segment(id, segment, Source::Relay)? else {
            return Ok(());
        };
        let classroom = self.classrooms.get(id);
        if reason == AsideReason::BeyondCutoff
            && classroom.is_some_and(|classroom| classroom.holds_already(segment))
        {
            // Another tab had it before, and stored all of it.
            self.put_together_again(id, segment.header.log.document);
        }
        self.keep_aside(id, reason, segment.encode()?)
    }

    /// Takes a segment of anybody, in any state of the document; says why if it can't be taken.
    pub(crate) fn take_segment(
        &mut self,
        id: &ClassroomId,
        segment: &Segment,
        source: Source,
    ) -> Result<Option<AsideReason>, crate::Error> {
        let log = segment.header.log;
        let is_mine =
            self.me.as_ref().is_some_and(|me| me.keys.id() == log.member) && self.held.contains(&log.lane);
        let is_theirs = self.me.as_ref().is_none_or(|me| me.keys.id() != log.member);
        let is_gone = |classroom: &Classroom| classroom.is_gone(&log.document);
        if is_theirs && self.classrooms.get(id).is_some_and(is_gone) {
            // Nothing of others' is kept of what is gone for good.
            return Ok(None);
        }
        // The entry that hands its key over may have come a moment ago.
        self.learn_keys(id);
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(None);
        };
        let mut taken = classroom.take(segment, source)?;
        if matches!(taken, Taken::Foreign) {
            if !is_mine || source == Source::File {
                // The tab that holds the lane sees to it, and tells.
                return Ok(Some(AsideReason::OutOfOrder));
            }
            self.forked(id, log, segment.header.first)?;
            let Some(classroom) = self.classrooms.get_mut(id) else {
                return Ok(None);
            };
            taken = classroom.take(segment, source)?;
        }
        if matches!(taken, Taken::Changes(_)) && is_mine && log.lane == self.lane {
            // Somebody else writes on this lane: this machine was restored to an earlier state while it ran.
            self.change_lane();
        }
        match taken {
            Taken::Known if source == Source::File => {}
            Taken::Known => {
                self.segments_on_relay(id, log, segment.header.first..=segment.header.last);
                self.known_came(id, &segment.header)?;
            }
            Taken::Overlapping => return Ok(self.compare(id, segment)),
            Taken::Changes(changes) => {
                self.keep_segment(id, segment, changes)?;
                let classroom = self.classrooms.get(id);
                let next = classroom.and_then(|classroom| Some(classroom.logs.get(&log)?.next));
                if next.is_some_and(|next| next <= segment.header.last) {
                    // Its log ends within it: the rest is kept aside.
                    return Ok(Some(AsideReason::BeyondCutoff));
                }
            }
            Taken::Aside(reason) => return Ok(Some(reason)),
            Taken::Foreign => return Ok(Some(AsideReason::OutOfOrder)),
        }
        Ok(None)
    }

    /// Stores a segment that was taken, and applies its changes.
    pub(crate) fn keep_segment(
        &mut self,
        id: &ClassroomId,
        segment: &Segment,
        changes: Vec<Vec<u8>>,
    ) -> Result<(), crate::Error> {
        let log = segment.header.log;
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let actor = log.actor();
        let (good, bad): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| {
            let is_its = change::inspect(change).is_ok_and(|info| info.actor == actor);
            is_its || does(Mischief::ActorIgnored)
        });
        classroom
            .aside
            .log_went_on(log, segment.header.first, segment.header.last + 1);
        self.batch(id).put_bytes(
            Table::Segments,
            store::segment_key(id, &segment.header),
            segment.encode()?,
        );
        self.note_log(id, &log)?;
        for change in bad {
            self.keep_aside(id, AsideReason::WrongActor, change)?;
        }
        self.apply(id, log.document, good);
        Ok(())
    }

    /// Has changes of others, or of another tab, applied to a document, wherever it is.
    pub(crate) fn apply(&mut self, id: &ClassroomId, document: DocumentId, changes: Vec<Vec<u8>>) {
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.has_changed(&document);
        }
        self.arrived.entry((*id, document)).or_default().extend(changes);
    }

    /// Applies what has arrived.
    pub(crate) fn apply_arrived(&mut self) {
        while let Some(((id, document), changes)) = self.arrived.pop_first() {
            if self.apply_now(&id, document, changes).is_err() {
                // It is put together again from the segments that the store holds.
                self.writes
                    .next()
                    .delete(Table::Documents, store::document_key(&id, &document));
                self.reload(&id, document);
            }
        }
    }

    /// Applies what has arrived, but for what waits for more of the same.
    pub(crate) fn apply_enough(&mut self) {
        let mut waiting = BTreeMap::new();
        for ((id, document), changes) in std::mem::take(&mut self.arrived) {
            let classroom = self.classrooms.get(&id).filter(|_| self.starting.is_empty());
            let waits = classroom.is_some_and(|classroom| classroom.may_wait(&document, changes.len()));
            let to = if waits { &mut waiting } else { &mut self.arrived };
            to.insert((id, document), changes);
        }
        self.apply_arrived();
        self.arrived = waiting;
    }

    fn apply_now(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        changes: Vec<Vec<u8>>,
    ) -> Result<(), crate::Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let own = classroom.roster.document();
        // Every document that was ever stored is listed since the start: this one is new.
        let copy = classroom
            .documents
            .entry(document)
            .or_insert_with(|| Copy::Here(Held::new(Content::empty(document == own))));
        match copy {
            Copy::Away => {
                *copy = Copy::Loading {
                    later: changes,
                    again_at: None,
                    handing: Handing::Whole,
                };
                self.reload(id, document);
            }
            Copy::Loading { later, .. } => later.extend(changes),
            Copy::Here(held) => {
                let applied = held.content.apply_changes(&changes)?;
                held.unsaved += 1;
                held.changed_at = self.now;
                if document != own {
                    self.document_changed(id, document);
                }
                let mut taken = changes;
                // From the last on, so that the places of the others stay.
                let mut refused: Vec<usize> = applied.refused.into_iter().map(|(at, _)| at).collect();
                refused.sort_unstable();
                let refused: Vec<Vec<u8>> = refused.into_iter().rev().map(|at| taken.remove(at)).collect();
                let is_open = self
                    .classrooms
                    .get(id)
                    .is_some_and(|classroom| classroom.open.contains(&document));
                if is_open && !taken.is_empty() {
                    self.effects.push(Effect::Show(Update::Changes {
                        classroom: *id,
                        document,
                        changes: taken,
                    }));
                }
                let dropped = applied.dropped.into_iter().map(|(change, _)| change);
                for change in refused.into_iter().chain(dropped) {
                    self.keep_aside(id, AsideReason::BadChange, change)?;
                }
                if let Some(classroom) = self.classrooms.get_mut(id) {
                    classroom.note_needs(document);
                }
                self.refresh_title(id, &document)?;
            }
        }
        Ok(())
    }

    /// Another tab stored this segment of its own; the relay may not have it.
    pub(crate) fn take_from_tab(&mut self, id: &ClassroomId, bytes: &[u8]) -> Result<(), crate::Error> {
        let segment = Segment::decode(bytes)?;
        let Header { log, first, last, .. } = segment.header;
        let way = self.way_of(&log.lane);
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let known = classroom.logs.get(&log).map_or(0, |record| record.next);
        let is_on_relay = |index: u64| index < known && classroom.unsent_at(&log, index).is_none();
        // A fold of what the relay has is another tab's to send.
        let is_settled = (first..=last).all(is_on_relay);
        // What its tab folded in its last moment this one has taken over, and hears only now what that stands for.
        let is_folded = self.held.contains(&log.lane)
            && classroom
                .unsent_at(&log, last)
                .is_some_and(|ours| ours.segment.header.first <= first);
        if !is_settled && !is_folded {
            for index in first..last {
                classroom.outbox.remove(&(log, index));
            }
            let unsent = Unsent::stored(segment.clone(), id, way, false)?;
            classroom.outbox.insert((log, last), unsent);
            self.document_written(id, log.document);
        }
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let taken = classroom.take(&segment, Source::Tab)?;
        if classroom.roster.erased(&log.document).is_some() {
            classroom.note_erased();
        }
        match taken {
            Taken::Changes(changes) => self.apply(id, log.document, changes),
            Taken::Overlapping if last >= known => {
                let record = classroom.logs.entry(log).or_insert(LogRecord::EMPTY);
                record.next = last + 1;
                record.hash = segment.chain_hash(id)?;
                self.reload(id, log.document);
            }
            // If something is missing before it, the relay or the next start brings both.
            Taken::Known | Taken::Foreign | Taken::Overlapping | Taken::Aside(_) => {}
        }
        Ok(())
    }

    /// Takes a whisper if it opens; others are of no use later.
    fn take_whisper(&mut self, id: &ClassroomId, bytes: &Bytes<{ protocol::whisper::MAX_WHISPER }>) {
        let Ok(whisper) = protocol::whisper::Whisper::decode(bytes) else {
            return;
        };
        let Some(classroom) = self.classrooms.get(id) else {
            return;
        };
        if !classroom.roster.is_in_space(&whisper.member, &whisper.space) {
            return;
        }
        if let Some(content) = classroom.open_whisper(&whisper) {
            self.heard(id, whisper.member, &content);
        }
    }
}

impl Classroom {
    /// Whether so many changes that came to a document wait for more, while the relay tells what it has.
    ///
    /// Each application costs a walk over the document, and a long history comes in thousands of messages. If one is made
    /// whenever an eighth of what is there has come, all walks together cost no more than some over the whole.
    fn may_wait(&self, document: &DocumentId, changes: usize) -> bool {
        let Some(Copy::Here(held)) = self.documents.get(document) else {
            return false;
        };
        let is_told = self.channel.is_none() || self.everything_upto().is_some();
        let is_own = *document == self.roster.document();
        !is_told && !is_own && changes < held.content.document().count() / SHARE
    }

    /// The next waiting entry that has its parents, with what became of it.
    fn next_waiting(&mut self) -> Option<(Entry, EntrySource, Result<Added, protocol::Error>)> {
        let place = self
            .waiting
            .iter()
            .position(|(entry, _)| self.roster.knows(entry.parents()))?;
        let (entry, source) = self.waiting.swap_remove(place);
        let added = self.roster.add(entry.clone());
        Some((entry, source, added))
    }

    /// Checks a segment against its log, its author and its key, and moves the log on.
    fn take(&mut self, segment: &Segment, source: Source) -> Result<Taken, crate::Error> {
        let header = &segment.header;
        let log = header.log;
        let record = self.logs.get(&log).copied().unwrap_or(LogRecord::EMPTY);
        let is_here = header.first < record.next;
        let is_whole_here = header.last < record.next;
        if is_whole_here {
            let ours = self.unsent_at(&log, header.last);
            let is_known = match ours {
                Some(ours) => ours.segment == *segment,
                None => header.kind.is_run(),
            };
            if is_known {
                return Ok(Taken::Known);
            }
        } else if !is_here && (header.first != record.next || segment.previous != record.hash) {
            // What comes before it may be kept aside as well, and both be needed.
            let is_beyond = self.roster.cutoff(&log).is_some_and(|next| header.last >= next);
            let reason = if is_beyond && segment.verify(&self.id).is_ok() {
                AsideReason::BeyondCutoff
            } else {
                AsideReason::OutOfOrder
            };
            return Ok(Taken::Aside(reason));
        }
        if let Err(error) = segment.verify(&self.id) {
            return Ok(Taken::Aside(reason_of(&error, AsideReason::BadSignature)));
        }
        // Of a fold that its log ends within the first changes may count.
        let is_unneeded = matches!(source, Source::Relay | Source::File);
        let end = self.end_within(header).filter(|_| is_unneeded);
        let counted = end.map(|end| Header {
            last: end - 1,
            ..header.clone()
        });
        match self.roster.check_segment(counted.as_ref().unwrap_or(header)) {
            Ok(()) => {}
            Err(Unfit::BeyondCutoff) if source == Source::Needed => {}
            // Others have built on something in its place, and how far that goes within a fold nothing shows.
            Err(Unfit::BeyondCutoff) if is_here && self.begins_beyond(header) => {}
            // It is still carried over.
            Err(Unfit::Erased) if source == Source::Tab || self.erases(&log.document) => {}
            Err(unfit) => return Ok(Taken::Aside(unfit.into())),
        }
        if self
            .spaces
            .get(&log.document)
            .is_some_and(|space| *space != header.space)
        {
            return Ok(Taken::Aside(AsideReason::WrongSpace));
        }
        let mut changes = match self.changes_of(segment) {
            Ok(changes) => changes,
            Err(reason) => return Ok(Taken::Aside(reason)),
        };
        if end.is_some_and(|end| end <= record.next || !has_one_each(header, &changes)) {
            return Ok(Taken::Aside(AsideReason::BeyondCutoff));
        }
        if is_here && !header.kind.is_run() {
            return Ok(Taken::Overlapping);
        }
        if is_here {
            // What is unsent may be a fold by now of what another tab has sent for this one, and what is here a part of what
            // another tab folded before it was sent.
            let ours = self
                .unsent_at(&log, header.first)
                .and_then(|ours| self.changes_of(&ours.segment).ok());
            return Ok(match ours {
                Some(ours) if is_whole_here && folding::place_of(&changes, &ours).is_some() => Taken::Known,
                Some(ours) if !is_whole_here && folding::place_of(&ours, &changes).is_some() => {
                    Taken::Overlapping
                }
                None if !is_whole_here => Taken::Overlapping,
                _ => Taken::Foreign,
            });
        }
        self.spaces.entry(log.document).or_insert(header.space);
        let (next, hash) = match end {
            Some(end) => {
                changes.truncate((end - header.first) as usize);
                (end, SegmentHash::NONE)
            }
            None => (header.last + 1, segment.chain_hash(&self.id)?),
        };
        self.logs.insert(log, LogRecord { next, hash, ..record });
        Ok(Taken::Changes(changes))
    }
}

/// What to say of an item that cannot be read or checked.
pub(crate) fn reason_of(error: &protocol::Error, otherwise: AsideReason) -> AsideReason {
    match error {
        protocol::Error::UnsupportedVersion { .. } => AsideReason::NewerVersion,
        protocol::Error::BadSignature(_) => AsideReason::BadSignature,
        _ => otherwise,
    }
}

impl From<Unfit> for AsideReason {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::UnknownRoster => Self::UnknownRoster,
            Unfit::NotAMember => Self::NotMember,
            Unfit::NotAllowed | Unfit::WrongEpoch => Self::NotAllowed,
            Unfit::WrongSpace => Self::WrongSpace,
            Unfit::BeyondCutoff => Self::BeyondCutoff,
            Unfit::Locked => Self::Locked,
            Unfit::Closed => Self::Closed,
            Unfit::Erased => Self::Erased,
        }
    }
}
