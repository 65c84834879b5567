//! What leaves: changes become segments, sealed once, stored, then sent, in the order of their logs.

use documents::change;
use protocol::bounded::Bytes;
use protocol::frame::{self, ClientFrame, MAX_MESSAGE};
use protocol::rand_core::CryptoRng;
use protocol::segment::{self, Header, Kind, Log, Segment};
use protocol::{ClassroomId, DocumentId, EntryHash, Refusal, SpaceId};

use crate::classroom::{Classroom, PendingChange, Submission, Unsent};
use crate::command::{Answer, Problem};
use crate::event::Effect;
use crate::store::{self, EntryRecord, LaneRecord, LogRecord, Table};
use crate::tabs::Note;
use crate::writes::After;
use crate::{Me, Replica};

/// How many submissions of a classroom may be unanswered at once.
const MOST_UNANSWERED: usize = 256;
/// How long an item of another tab may stay unacknowledged before this tab sends it as well, in milliseconds.
const SEND_FOR_OTHERS_AFTER: u64 = 10_000;
/// A message is sent once it is this long.
const FULL_MESSAGE: usize = MAX_MESSAGE / 2;

impl<R: CryptoRng> Replica<R> {
    /// Takes a change that this tab made to a document: seals it if there is a connection, keeps it unsealed
    /// otherwise, so that a week offline becomes few segments. `request` is answered once it is durable.
    pub(crate) fn keep_change(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        change: Vec<u8>,
        request: Option<(u32, Answer)>,
    ) -> Result<(), Problem> {
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?;
        let log = Log {
            document,
            member: me.keys.id(),
            lane: self.lane,
        };
        let info = change::inspect(&change).map_err(|_| Problem::Internal)?;
        if info.actor != log.actor() {
            return Err(Problem::LaneEnded);
        }
        if !segment::fits([&change]) {
            return Err(Problem::TooLarge);
        }
        let classroom = self.classrooms.get_mut(id).ok_or(Problem::UnknownClassroom)?;
        let sequence = info.sequence;
        let online = classroom.channel.is_some() && self.connection.is_up();
        let has_pending = classroom.pending.keys().any(|(other, _)| *other == log);
        if online && !has_pending {
            self.seal(id, log, vec![change]).map_err(|_| Problem::Internal)?;
        } else {
            self.writes.next().put_bytes(
                Table::Pending,
                store::item_key(id, &log, sequence),
                change.clone(),
            );
            self.mark_lane(log.lane, LaneRecord::Used);
            self.writes.then(After::Pending(*id, log, sequence));
            self.tell_tabs(&Note::Pending {
                classroom: *id,
                log,
                sequence,
                change: change.clone(),
            });
            if let Some(classroom) = self.classrooms.get_mut(id) {
                classroom.pending.insert(
                    (log, sequence),
                    PendingChange {
                        change,
                        durable: false,
                    },
                );
            }
        }
        self.writes.next().strict = true;
        if let Some((request, answer)) = request {
            self.writes.then(After::Answer(request, answer));
        }
        Ok(())
    }

    /// Seals a run of changes as the next segment of `log`, stores it, and has it sent once that is durable.
    fn seal(&mut self, id: &ClassroomId, log: Log, changes: Vec<Vec<u8>>) -> Result<(), crate::Error> {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return Ok(());
        };
        let batch = self.writes.next();
        let unsent = classroom.seal(me, &mut self.rng, log, &changes, self.now)?;
        let index = unsent.segment.header.last;
        let encoded = unsent.segment.encode()?;
        batch.put_bytes(Table::Segments, store::item_key(id, &log, index), encoded.clone());
        batch.put_bytes(Table::Outbox, store::item_key(id, &log, index), encoded.clone());
        if let Some(record) = classroom.logs.get(&log) {
            batch.put(Table::Logs, store::log_key(id, &log), record)?;
        }
        batch.strict = true;
        classroom.outbox.insert((log, index), unsent);
        self.mark_lane(log.lane, LaneRecord::Used);
        self.writes.then(After::Segment(*id, log, index));
        self.tell_tabs(&Note::Segment {
            classroom: *id,
            segment: encoded,
            unsent: true,
        });
        Ok(())
    }

    /// Seals what was changed with no connection, on every lane this tab holds and in every classroom that is open
    /// on the connection.
    pub(crate) fn seal_pending(&mut self) {
        let mut runs: Vec<(ClassroomId, Log, Vec<(u64, Vec<u8>)>)> = Vec::new();
        for classroom in self
            .classrooms
            .values()
            .filter(|classroom| classroom.channel.is_some())
        {
            for ((log, sequence), pending) in &classroom.pending {
                if !self.held.contains(&log.lane) {
                    continue;
                }
                let run = (*sequence, pending.change.clone());
                match runs.last_mut() {
                    Some((id, last, changes))
                        if *id == classroom.id
                            && last == log
                            && segment::fits(changes.iter().map(|(_, change)| change).chain([&run.1])) =>
                    {
                        changes.push(run);
                    }
                    _ => runs.push((classroom.id, *log, vec![run])),
                }
            }
        }
        for (id, log, run) in runs {
            let (sequences, changes): (Vec<u64>, Vec<Vec<u8>>) = run.into_iter().unzip();
            if self.seal(&id, log, changes).is_err() {
                // Without the key, or with a broken change: it stays where it is, unsent and shown as such.
                continue;
            }
            for sequence in sequences {
                self.writes
                    .next()
                    .delete(Table::Pending, store::item_key(&id, &log, sequence));
                if let Some(classroom) = self.classrooms.get_mut(&id) {
                    classroom.pending.remove(&(log, sequence));
                }
            }
        }
    }

    /// Keeps an own roster entry, to be sent once it is durable.
    pub(crate) fn keep_entry(
        &mut self,
        id: &ClassroomId,
        entry: &protocol::roster::Entry,
    ) -> Result<(), crate::Error> {
        let encoded = entry.encode()?;
        let hash = entry.hash();
        let record = EntryRecord {
            entry: encoded.clone(),
            on_relay: false,
        };
        self.writes
            .next()
            .put(Table::Entries, store::entry_key(id, &hash), &record)?;
        self.writes.next().strict = true;
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom
                .entries
                .insert(hash, crate::classroom::UnsentEntry::default());
        }
        self.writes.then(After::Entry(*id, hash));
        self.tell_tabs(&Note::Entry {
            classroom: *id,
            entry: encoded,
        });
        Ok(())
    }

    /// Sends what is durable and was not sent on this connection, entries first.
    pub(crate) fn send_ready(&mut self) {
        if !self.connection.is_up() {
            return;
        }
        let mut message = Vec::new();
        for classroom in self.classrooms.values_mut() {
            classroom.frames_to_send(|frame| {
                // A frame that cannot be encoded is not sent; its item stays in the outbox.
                if frame::append(&mut message, &frame).is_ok() && message.len() >= FULL_MESSAGE {
                    self.effects.push(Effect::Send(std::mem::take(&mut message)));
                }
            });
        }
        if !message.is_empty() {
            self.effects.push(Effect::Send(message));
        }
    }

    /// The relay has a submission, durably.
    pub(crate) fn acknowledged(
        &mut self,
        id: &ClassroomId,
        submission: Submission,
    ) -> Result<(), crate::Error> {
        match submission {
            Submission::Entry(hash) => self.entry_on_relay(id, &hash),
            Submission::Segment(log, index) => {
                self.segment_on_relay(id, log, index);
                Ok(())
            }
        }
    }

    fn entry_on_relay(&mut self, id: &ClassroomId, hash: &EntryHash) -> Result<(), crate::Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        if classroom.entries.remove(hash).is_some()
            && let Some(entry) = classroom.roster.entry(hash)
        {
            let record = EntryRecord {
                entry: entry.encode()?,
                on_relay: true,
            };
            self.writes
                .next()
                .put(Table::Entries, store::entry_key(id, hash), &record)?;
        }
        Ok(())
    }

    /// Takes a segment out of the outbox; a lane that has nothing unsent becomes clean.
    pub(crate) fn segment_on_relay(&mut self, id: &ClassroomId, log: Log, index: u64) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        if classroom.outbox.remove(&(log, index)).is_none() {
            return;
        }
        self.writes
            .next()
            .delete(Table::Outbox, store::item_key(id, &log, index));
        self.tell_tabs(&Note::OnRelay {
            classroom: *id,
            log,
            index,
        });
        if self.lanes.get(&log.lane) == Some(&LaneRecord::Used)
            && !self
                .classrooms
                .values()
                .any(|classroom| classroom.has_unsent(&log.lane))
        {
            self.mark_lane(log.lane, LaneRecord::Clean);
        }
    }

    /// The relay would not take a submission.
    pub(crate) fn refused(&mut self, id: &ClassroomId, submission: Submission, reason: Refusal) {
        if reason == Refusal::Fork
            && let Submission::Segment(log, _) = submission
        {
            self.retire(log.lane);
            return;
        }
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        classroom.refused = Some(reason);
        let again = matches!(reason, Refusal::Busy | Refusal::Storage | Refusal::GoingAway);
        if let Submission::Segment(log, index) = submission
            && let Some(unsent) = classroom.outbox.get_mut(&(log, index))
        {
            // What may pass later is tried again after a while; the rest at the next connection.
            unsent.refused = !again;
            unsent.at = self.now;
        }
        self.joining_refused(id, reason);
    }

    /// Sends again what the relay was too busy for, and what another tab has left unsent.
    pub(crate) fn tick_unsent(&mut self) {
        let mut left_behind = Vec::new();
        for classroom in self.classrooms.values_mut() {
            for ((log, index), unsent) in &mut classroom.outbox {
                let answered = !classroom.channel.as_ref().is_some_and(|channel| {
                    channel.submissions.values().any(
                        |submission| matches!(submission, Submission::Segment(l, i) if l == log && i == index),
                    )
                });
                if answered && !unsent.refused && self.now >= unsent.at + SEND_FOR_OTHERS_AFTER {
                    unsent.sent = false;
                    unsent.at = self.now;
                }
            }
            for ((log, _), pending) in &classroom.pending {
                if pending.durable && !self.held.contains(&log.lane) && !left_behind.contains(&log.lane) {
                    left_behind.push(log.lane);
                }
            }
        }
        if self.connection.is_up() && self.now / 1000 % 10 == 0 {
            self.effects.extend(left_behind.into_iter().map(Effect::Adopt));
        }
    }

    pub(crate) fn mark_lane(&mut self, lane: protocol::LaneId, record: LaneRecord) {
        if self.lanes.insert(lane, record) != Some(record)
            && self
                .writes
                .next()
                .put(Table::Lanes, lane.0.to_vec(), &record)
                .is_err()
        {
            self.lanes.remove(&lane);
        }
    }
}

impl Classroom {
    fn seal(
        &mut self,
        me: &Me,
        rng: &mut impl CryptoRng,
        log: Log,
        changes: &[Vec<u8>],
        now: u64,
    ) -> Result<Unsent, crate::Error> {
        let member = me.keys.id();
        let (epoch, key) = self.current_key().ok_or(protocol::Error::CannotOpen("space"))?;
        let record = self.logs.get(&log).copied().unwrap_or(LogRecord::EMPTY);
        let header = Header {
            kind: Kind::Run,
            log,
            first: record.next,
            last: record.next,
            space: SpaceId::EVERYONE,
            epoch,
            roster: self.roster.heads_for(&member),
        };
        let segment = Segment::seal(&me.keys, &self.id, header, record.hash, key, changes, rng)?;
        let hash = segment.hash(&self.id)?;
        self.logs.insert(
            log,
            LogRecord {
                next: record.next + 1,
                hash,
                ..record
            },
        );
        Ok(Unsent {
            segment,
            hash,
            durable: false,
            sent: false,
            refused: false,
            at: now,
        })
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
        self.entries.get_mut(&hash)?.sent = true;
        self.channel.as_mut()?.submit(Submission::Entry(hash));
        Some(ClientFrame::Found {
            channel: number,
            entry,
            token,
        })
    }

    fn frames_to_send(&mut self, mut send: impl FnMut(ClientFrame)) {
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
            if !unsent.durable {
                return;
            }
            if unsent.sent {
                continue;
            }
            let Ok(encoded) = entry.encode() else { continue };
            let Ok(entry) = Bytes::new("roster entry", encoded) else {
                continue;
            };
            unsent.sent = true;
            channel.submit(Submission::Entry(hash));
            send(ClientFrame::Entry {
                channel: channel.number,
                entry,
            });
        }
        let mut stuck: Option<Log> = None;
        for ((log, index), unsent) in &mut self.outbox {
            if channel.submissions.len() >= MOST_UNANSWERED {
                break;
            }
            if !unsent.durable || unsent.refused {
                stuck = Some(*log);
            }
            if unsent.sent || stuck == Some(*log) {
                continue;
            }
            unsent.sent = true;
            channel.submit(Submission::Segment(*log, *index));
            let segment = Box::new(channel.packer.pack(&unsent.segment, unsent.hash));
            send(ClientFrame::Segment {
                channel: channel.number,
                segment,
            });
        }
    }
}
