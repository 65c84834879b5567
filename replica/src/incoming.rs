//! What arrives: checked one by one, stored as it came, applied. One bad item never stops the rest.

use documents::change;
use protocol::bounded::Bytes;
use protocol::frame::{Position, RelayFrame};
use protocol::rand_core::CryptoRng;
use protocol::roster::{Added, Entry};
use protocol::segment::Segment;
use protocol::{ClassroomId, DocumentId, SegmentHash};

use crate::Replica;
use crate::classroom::{Aside, Classroom, Content, Copy, Held};
use crate::event::Effect;
use crate::store::{self, AsideReason, AsideRecord, EntryRecord, LogRecord, Table};
use crate::tabs::Note;
use crate::view::Update;

/// The most items of one classroom that are tried again when the roster grows; the rest waits in the store.
const MOST_ASIDE: usize = 10_000;

/// What became of a segment.
enum Taken {
    /// New: here are its changes.
    Changes(Vec<Vec<u8>>),
    Known,
    /// It is of a lane of ours, and we wrote something else there, or nothing.
    Foreign,
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
            | RelayFrame::Closed { channel, .. } => *channel,
            RelayFrame::Challenge { .. } | RelayFrame::Ended { .. } | RelayFrame::Pong { .. } => {
                return Ok(());
            }
        };
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
                self.take_entry(&id, &entry, true)
            }
            RelayFrame::Segment { advance, segment, .. } => {
                self.advance(&id, advance)?;
                let Some(channel) = self.classrooms.get_mut(&id).and_then(|c| c.channel.as_mut()) else {
                    return Ok(());
                };
                let segment = channel.unpacker.unpack(*segment, &id)?;
                self.take_segment(&id, segment)
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
            } => {
                if let Some(submission) = self.submission(&id, submission) {
                    self.refused(&id, submission, reason);
                }
                Ok(())
            }
            RelayFrame::Whisper { whisper, .. } => {
                self.take_whisper(&id, &whisper);
                Ok(())
            }
            RelayFrame::Closed { reason, .. } => {
                self.channel_closed(&id, reason);
                Ok(())
            }
            RelayFrame::Challenge { .. } | RelayFrame::Ended { .. } | RelayFrame::Pong { .. } => Ok(()),
        }
    }

    fn submission(&mut self, id: &ClassroomId, number: u32) -> Option<crate::classroom::Submission> {
        self.classrooms
            .get_mut(id)?
            .channel
            .as_mut()?
            .submissions
            .remove(&number)
    }

    fn opened(&mut self, id: &ClassroomId, from: Position) -> Result<(), crate::Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        if let Some(channel) = &mut classroom.channel {
            channel.position = Some(from);
        }
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
        if classroom.record.since != Some(since) {
            classroom.record.since = Some(since);
            let record = classroom.record.clone();
            self.batch(id).put(Table::Classrooms, id.0.to_vec(), &record)?;
        }
        Ok(())
    }

    /// Takes a roster entry, and those that waited for it.
    pub(crate) fn take_entry(
        &mut self,
        id: &ClassroomId,
        bytes: &[u8],
        on_relay: bool,
    ) -> Result<(), crate::Error> {
        let Ok(entry) = Entry::decode(bytes) else {
            return self.keep_aside(id, AsideReason::Unreadable, bytes.to_vec());
        };
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        classroom.waiting.push(entry);
        let mut kept = Vec::new();
        while let Some((place, result)) = classroom.next_waiting() {
            let entry = classroom.waiting.swap_remove(place);
            kept.push((entry, result));
        }
        self.learn_invite_keys(id);
        for (entry, result) in kept {
            let hash = entry.hash();
            match result {
                Ok(Added::New) => {
                    let record = EntryRecord {
                        entry: entry.encode()?,
                        on_relay,
                    };
                    self.batch(id)
                        .put(Table::Entries, store::entry_key(id, &hash), &record)?;
                }
                Ok(Added::Known) => {
                    if on_relay {
                        self.acknowledged(id, crate::classroom::Submission::Entry(hash))?;
                    }
                }
                Err(_) => self.keep_aside(id, AsideReason::NotAllowed, entry.encode()?)?,
            }
        }
        Ok(())
    }

    /// Takes a segment of anybody, in any state of the document.
    pub(crate) fn take_segment(&mut self, id: &ClassroomId, segment: Segment) -> Result<(), crate::Error> {
        let log = segment.header.log;
        let index = segment.header.last;
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let mine =
            self.me.as_ref().is_some_and(|me| me.keys.id() == log.member) && self.held.contains(&log.lane);
        match classroom.take(&segment, mine)? {
            Taken::Known => self.segment_on_relay(id, log, index),
            Taken::Foreign => {
                self.retire(log.lane);
                let Some(classroom) = self.classrooms.get_mut(id) else {
                    return Ok(());
                };
                if let Taken::Changes(changes) = classroom.take(&segment, false)? {
                    self.keep_segment(id, &segment, changes)?;
                }
            }
            Taken::Changes(changes) => self.keep_segment(id, &segment, changes)?,
            Taken::Aside(reason) => self.keep_aside(id, reason, segment.encode()?)?,
        }
        Ok(())
    }

    /// Stores a segment that was taken, and applies its changes.
    fn keep_segment(
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
        let (good, bad): (Vec<_>, Vec<_>) = changes
            .into_iter()
            .partition(|change| change::inspect(change).is_ok_and(|info| info.actor == actor));
        let record = classroom.logs.get(&log).copied();
        let batch = self.batch(id);
        batch.put_bytes(
            Table::Segments,
            store::item_key(id, &log, segment.header.last),
            segment.encode()?,
        );
        if let Some(record) = record {
            batch.put(Table::Logs, store::log_key(id, &log), &record)?;
        }
        for change in bad {
            self.keep_aside(id, AsideReason::WrongActor, change)?;
        }
        self.apply(id, log.document, good)
    }

    /// Applies changes of others, or of another tab, to a document, wherever it is.
    pub(crate) fn apply(
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
            Copy::Away => self.load(id, document),
            Copy::Loading { later, .. } => later.extend(changes),
            Copy::Here(held) => {
                let applied = held.content.apply_changes(&changes)?;
                held.unsaved += 1;
                held.changed_at = self.now;
                if classroom.open.contains(&document) {
                    self.effects.push(Effect::Show(Update::Changes {
                        classroom: *id,
                        document,
                        changes: changes.clone(),
                    }));
                }
                for (at, _) in applied.refused {
                    self.keep_aside(id, AsideReason::BadChange, changes[at].clone())?;
                }
                self.refresh_title(id, &document)?;
            }
        }
        Ok(())
    }

    /// Keeps what cannot be applied, with its reason. It is tried again when the roster grows.
    pub(crate) fn keep_aside(
        &mut self,
        id: &ClassroomId,
        reason: AsideReason,
        item: Vec<u8>,
    ) -> Result<(), crate::Error> {
        let key = [id.0.as_slice(), &aside_name(&item)].concat();
        let record = AsideRecord {
            reason,
            item: item.clone(),
        };
        self.batch(id).put(Table::Aside, key.clone(), &record)?;
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        if classroom.aside.len() < MOST_ASIDE && !classroom.aside.iter().any(|aside| aside.key == key) {
            classroom.aside.push(Aside { reason, key, item });
        }
        Ok(())
    }

    /// Takes out of what was kept aside what found its way after all.
    pub(crate) fn forget_aside(&mut self, id: &ClassroomId, items: &[Vec<u8>]) {
        for item in items {
            let key = [id.0.as_slice(), &aside_name(item)].concat();
            let Some(classroom) = self.classrooms.get_mut(id) else {
                return;
            };
            let before = classroom.aside.len();
            classroom.aside.retain(|aside| aside.key != key);
            if classroom.aside.len() < before {
                self.batch(id).delete(Table::Aside, key);
            }
        }
    }

    /// Tries again what may be applied now.
    pub(crate) fn retry_aside(&mut self) {
        let ids: Vec<ClassroomId> = self
            .classrooms
            .values()
            .filter(|classroom| classroom.aside.iter().any(Aside::may_pass_later))
            .map(|classroom| classroom.id)
            .collect();
        for id in ids {
            let Some(classroom) = self.classrooms.get_mut(&id) else {
                continue;
            };
            let (again, rest) = std::mem::take(&mut classroom.aside)
                .into_iter()
                .partition(Aside::may_pass_later);
            classroom.aside = rest;
            let again: Vec<Aside> = again;
            for aside in again {
                let before = self
                    .classrooms
                    .get(&id)
                    .map_or(0, |classroom| classroom.aside.len());
                let taken = Segment::decode(&aside.item)
                    .map_err(crate::Error::from)
                    .and_then(|segment| self.take_segment(&id, segment));
                let after = self
                    .classrooms
                    .get(&id)
                    .map_or(0, |classroom| classroom.aside.len());
                if taken.is_ok() && after == before {
                    self.batch(&id).delete(Table::Aside, aside.key);
                } else if let (Some(classroom), Err(_)) = (self.classrooms.get_mut(&id), taken) {
                    classroom.aside.push(aside);
                }
            }
        }
    }

    /// Another tab stored this segment; the relay may not have it.
    pub(crate) fn take_from_tab(
        &mut self,
        id: &ClassroomId,
        bytes: &[u8],
        unsent: bool,
    ) -> Result<(), crate::Error> {
        let segment = Segment::decode(bytes)?;
        let (log, index) = (segment.header.log, segment.header.last);
        if unsent && let Some(classroom) = self.classrooms.get_mut(id) {
            let hash = segment.hash(id)?;
            let unsent = crate::classroom::Unsent {
                segment: segment.clone(),
                hash,
                durable: true,
                // Its own tab sends it; this one only if that takes long.
                sent: true,
                refused: false,
                at: self.now,
            };
            classroom.outbox.insert((log, index), unsent);
            // What was sealed is not pending any more.
            if let Some((_, key)) = classroom.current_key() {
                for change in segment.open(id, key)? {
                    if let Ok(info) = change::inspect(&change) {
                        classroom.pending.remove(&(log, info.sequence));
                    }
                }
            }
        }
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        if let Taken::Changes(changes) = classroom.take(&segment, false)? {
            self.apply(id, log.document, changes)?;
        }
        Ok(())
    }

    /// Tells the other tabs, once what was noted before is durable.
    pub(crate) fn tell_tabs(&mut self, note: &Note) {
        if let Ok(bytes) = note.encode() {
            self.writes.then(crate::writes::After::TellTabs(bytes));
        }
    }

    /// Takes a whisper if it opens; others are of no use later.
    fn take_whisper(&mut self, id: &ClassroomId, bytes: &Bytes<{ protocol::whisper::MAX_WHISPER }>) {
        let Ok(whisper) = protocol::whisper::Whisper::decode(bytes) else {
            return;
        };
        let Some(classroom) = self.classrooms.get(id) else {
            return;
        };
        if classroom.roster.member(&whisper.member).is_none() {
            return;
        }
        let Some(key) = classroom.keys.get(&(whisper.space, whisper.epoch)) else {
            return;
        };
        if let Ok(content) = whisper.open(id, key) {
            self.heard(id, whisper.member, &content);
        }
    }
}

impl Classroom {
    /// The next waiting entry that has its parents, added, with what became of it.
    fn next_waiting(&mut self) -> Option<(usize, Result<Added, protocol::Error>)> {
        for place in 0..self.waiting.len() {
            match self.roster.add(self.waiting[place].clone()) {
                Err(protocol::Error::MissingParent(_)) => {}
                result => return Some((place, result)),
            }
        }
        None
    }

    /// Checks a segment against its log, its author and its key, and moves the log on.
    fn take(&mut self, segment: &Segment, mine: bool) -> Result<Taken, crate::Error> {
        let header = &segment.header;
        let log = header.log;
        let record = self.logs.get(&log).copied().unwrap_or(LogRecord::EMPTY);
        if header.last < record.next {
            let hash = segment.hash(&self.id)?;
            let other = self
                .outbox
                .get(&(log, header.last))
                .is_some_and(|unsent| unsent.hash != hash);
            return Ok(if other { Taken::Foreign } else { Taken::Known });
        }
        let expected = if header.first == 0 {
            SegmentHash::NONE
        } else {
            record.hash
        };
        if header.first != record.next || segment.previous != expected {
            return Ok(Taken::Aside(AsideReason::OutOfOrder));
        }
        let Ok(hash) = segment.verify(&self.id) else {
            return Ok(Taken::Aside(AsideReason::BadSignature));
        };
        if !self.roster.knows(&header.roster) {
            return Ok(Taken::Aside(AsideReason::UnknownRoster));
        }
        if !self
            .roster
            .role_at(&log.member, &header.roster)
            .is_some_and(protocol::roster::Role::may_write)
        {
            return Ok(Taken::Aside(AsideReason::NotAllowed));
        }
        let Some(key) = self.keys.get(&(header.space, header.epoch)) else {
            return Ok(Taken::Aside(AsideReason::UnknownKey));
        };
        let Ok(changes) = segment.open(&self.id, key) else {
            return Ok(Taken::Aside(AsideReason::CannotOpen));
        };
        if mine {
            return Ok(Taken::Foreign);
        }
        self.logs.insert(
            log,
            LogRecord {
                next: header.last + 1,
                hash,
                ..record
            },
        );
        Ok(Taken::Changes(changes))
    }
}

impl Aside {
    fn may_pass_later(&self) -> bool {
        matches!(
            self.reason,
            AsideReason::UnknownRoster | AsideReason::UnknownKey | AsideReason::OutOfOrder
        )
    }
}

/// A name for what is kept aside: its bytes' hash, so that the same item is kept once.
fn aside_name(item: &[u8]) -> [u8; 32] {
    protocol::content_name(item)
}
