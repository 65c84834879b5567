//! What the tabs of one profile tell each other. They share the store; each has its own lane and its own connection.
//!
//! A tab says only what is in the store by then, and in the order in which it happened there. A note that is lost costs
//! time, not work: what it spoke of comes from the relay, or with the next start.

use std::collections::{BTreeMap, BTreeSet};

use protocol::rand_core::CryptoRng;
use protocol::roster::Entry;
use protocol::segment::{Log, Segment};
use protocol::{ChunkHash, ClassroomId, DocumentId, EntryHash, LaneId, bounded};
use serde::{Deserialize, Serialize};

use crate::classroom::{Unsent, UnsentEntry, Way};
use crate::event::Effect;
use crate::incoming::EntrySource;
use crate::outgoing::SEND_FOR_OTHERS_AFTER;
use crate::store::{self, EntryRecord, LogRecord, Records, Table, UploadRecord, rows};
use crate::view::Update;
use crate::{Error, Replica};

/// The form of the notes, which is their first byte.
const VERSION: u8 = 4;

/// From one tab to the others, sent when what it speaks of is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Note {
    /// A classroom was founded or joined; everything of it is in the store.
    Classroom {
        classroom: ClassroomId,
        seed: [u8; 16],
    },
    Entry {
        classroom: ClassroomId,
        entry: Vec<u8>,
    },
    /// A segment was sealed.
    Segment {
        classroom: ClassroomId,
        segment: Vec<u8>,
    },
    /// A segment need not be sent any more: the relay has it, or it was seen to when its document was erased.
    OnRelay {
        classroom: ClassroomId,
        log: Log,
        index: u64,
    },
    /// The relay has something else on a log from some index on, so that the log went back to there.
    Forked {
        classroom: ClassroomId,
        log: Log,
        record: LogRecord,
    },
    /// The login card was kept.
    CardKept,
    /// The relay may not have these chunks of a document, which the tab on this lane brings.
    Uploads {
        classroom: ClassroomId,
        document: DocumentId,
        chunks: Vec<ChunkHash>,
        lane: LaneId,
        made_here: bool,
    },
    /// A chunk need not be brought any more.
    Uploaded {
        classroom: ClassroomId,
        document: DocumentId,
        chunk: ChunkHash,
    },
}

impl Note {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = bounded::encode("note", self)?;
        bytes.insert(0, VERSION);
        Ok(bytes)
    }

    fn classroom(&self) -> Option<ClassroomId> {
        match self {
            Self::Classroom { .. } | Self::CardKept => None,
            Self::Entry { classroom, .. }
            | Self::Segment { classroom, .. }
            | Self::OnRelay { classroom, .. }
            | Self::Forked { classroom, .. }
            | Self::Uploads { classroom, .. }
            | Self::Uploaded { classroom, .. } => Some(*classroom),
        }
    }
}

/// Where another tab has an entry from that is in the store.
fn source_of(record: &EntryRecord) -> EntrySource {
    if record.on_relay {
        EntrySource::Relay
    } else {
        EntrySource::Tab
    }
}

impl<R: CryptoRng> Replica<R> {
    /// Tells the other tabs, once what was noted before is durable.
    pub(crate) fn tell_tabs(&mut self, note: &Note) {
        if let Ok(bytes) = note.encode() {
            self.writes.then(crate::writes::After::TellTabs(bytes));
        }
    }

    pub(crate) fn hear_tab(&mut self, bytes: &[u8]) {
        let note = match bytes.split_first() {
            Some((&VERSION, note)) => bounded::decode::<Note>("note", note),
            Some((&version, _)) if version > VERSION => {
                return self.effects.push(Effect::Show(Update::NewerVersion));
            }
            // Of an older version of the app, in a tab that was not reloaded yet: the store has what it speaks of.
            _ => return,
        };
        let Ok(note) = note else { return };
        if let Some(coming) = note.classroom().and_then(|id| self.coming.get_mut(&id)) {
            coming.notes.push(bytes.to_vec());
            return;
        }
        // What can't be taken here is in the store, and comes with the next start.
        if self.take_note(note).and_then(|()| self.retry_aside()).is_err() {
            self.shown_home = None;
        }
    }

    fn take_note(&mut self, note: Note) -> Result<(), Error> {
        match note {
            Note::Classroom { classroom, seed } => self.classroom_from_tab(classroom, seed),
            Note::Entry { classroom, entry } => self.take_entry(&classroom, &entry, EntrySource::Tab),
            Note::Segment { classroom, segment } => self.take_from_tab(&classroom, &segment),
            Note::OnRelay {
                classroom: id,
                log,
                index,
            } => {
                let is_held = self.held.contains(&log.lane);
                let Some(classroom) = self.classrooms.get_mut(&id) else {
                    return Ok(());
                };
                // So it is with what lies before it in its log: what the other one folded, and saw to before that was written,
                // is known here as what the fold stands for. What this tab folded meanwhile of what the relay has ends there as
                // well: the other one speaks of what that stands for.
                let is_seen_to = |last: u64, unsent: &Unsent| !unsent.settled || last == index && !is_held;
                let mut seen_to = Vec::new();
                for (at, unsent) in classroom.outbox.range((log, 0)..=(log, index)) {
                    if is_seen_to(at.1, unsent) {
                        seen_to.push(*at);
                    }
                }
                let mut unheard = Vec::new();
                for at in seen_to {
                    let next = classroom.logs.get(&log).map_or(0, |record| record.next);
                    // What this tab has sent for the other one, and could not take, the relay does not give back to it.
                    if let Some(unsent) = classroom.outbox.remove(&at)
                        && matches!(unsent.way, Way::Sent)
                        && at.1 >= next
                    {
                        unheard.push(unsent.segment);
                    }
                }
                let mut unheard = unheard.iter();
                unheard.try_for_each(|segment| self.take_or_keep_aside(&id, segment))
            }
            Note::Forked {
                classroom,
                log,
                record,
            } => self.forked_in_tab(&classroom, log, record),
            Note::Uploads {
                classroom,
                document,
                chunks,
                lane,
                made_here,
            } => {
                self.uploads_of_tab(&classroom, document, &chunks, UploadRecord { lane, made_here });
                Ok(())
            }
            Note::Uploaded {
                classroom,
                document,
                chunk,
            } => {
                self.uploaded_by_tab(&classroom, document, chunk);
                Ok(())
            }
            Note::CardKept => {
                if let Some(me) = &mut self.me {
                    me.card_kept = true;
                }
                Ok(())
            }
        }
    }

    /// Its tab sends an entry, and this one if that takes long: what is written here from now on names it.
    pub(crate) fn send_for_others(&mut self, id: &ClassroomId, hash: EntryHash) {
        let way = Way::Waiting {
            from: self.now + SEND_FOR_OTHERS_AFTER,
        };
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom
                .entries
                .entry(hash)
                .or_insert(UnsentEntry { durable: true, way });
        }
    }

    /// What is left may name roster entries of which nobody told, or be sealed with keys that they hand over. Those that the relay
    /// has it may not have given this tab yet.
    fn adopt_entries(&mut self, records: &Records) {
        for (key, value) in rows(records, Table::Entries) {
            if let Some(id) = store::parse_classroom(key)
                && let Ok(record) = store::decode::<EntryRecord>(Table::Entries, value)
                && let Ok(entry) = Entry::decode(&record.entry)
                && self.classrooms.get(&id).is_some_and(|known| {
                    let hash = entry.hash();
                    // That it was given up may not be in the store yet.
                    let is_given_up = !record.on_relay && known.given_up.contains(&hash);
                    known.roster.entry(&hash).is_none() && !is_given_up
                })
                && self.take_entry(&id, &record.entry, source_of(&record)).is_err()
            {
                // It is in the store, and comes with the next start.
                self.shown_home = None;
            }
        }
        let ids: Vec<ClassroomId> = self.classrooms.keys().copied().collect();
        for id in ids {
            if self.make_orphans_again(&id).is_err() {
                self.shown_home = None;
            }
        }
    }

    /// This tab took over a lane that its tab left behind; what is unsent on it is what the store says. What was written on other
    /// lanes is here as well from now on, as far as the store knows more of it: that tab may have carried something over on a lane
    /// of its own, and have told nobody, or have written upon what others wrote in a page that the relay has erased since.
    pub(crate) fn adopted(&mut self, lane: LaneId, records: &Records) {
        self.held.insert(lane);
        self.adopt_entries(records);
        self.read_uploads(records);
        let me = self.me.as_ref().map(|me| me.keys.id());
        let is_looked_at = |log: &Log| log.lane == lane || Some(log.member) == me;
        let mut outbox: BTreeMap<ClassroomId, BTreeMap<(Log, u64), Unsent>> = BTreeMap::new();
        for (key, segment) in rows(records, Table::Outbox) {
            if let Some((id, log, index, settled)) = store::parse_outbox_key(key)
                && is_looked_at(&log)
                && let Ok(segment) = Segment::decode(segment)
                && let Ok(unsent) = Unsent::stored(segment, &id, self.way_of(&log.lane), settled)
            {
                outbox.entry(id).or_default().insert((log, index), unsent);
            }
        }
        let mut logs: BTreeMap<(ClassroomId, Log), LogRecord> = BTreeMap::new();
        for (key, record) in rows(records, Table::Logs) {
            if let Some((id, log, _)) = store::parse_log_key(key)
                && let Ok(record) = store::decode::<LogRecord>(Table::Logs, record)
            {
                let furthest = logs.entry((id, log)).or_insert(record);
                *furthest = record.max(*furthest);
            }
        }
        let mut behind: Vec<(ClassroomId, DocumentId)> = Vec::new();
        for classroom in self.classrooms.values_mut() {
            let id = classroom.id;
            classroom.outbox.retain(|(log, _), _| log.lane != lane);
            // From where on what is unsent is taken from the store.
            let mut unheard: BTreeMap<Log, u64> = BTreeMap::new();
            let unsent = outbox.get(&id);
            let is_unsent = |document: &DocumentId| {
                let mut unsent = unsent.into_iter().flat_map(BTreeMap::keys);
                unsent.any(|(log, _)| log.document == *document)
            };
            for ((_, log), record) in logs.iter().filter(|((other, _), _)| *other == id) {
                // What is erased here, with nothing unsent of it, goes from the store as well.
                if classroom.is_gone(&log.document)
                    && !classroom.documents.contains_key(&log.document)
                    && !is_unsent(&log.document)
                {
                    continue;
                }
                let known = classroom.logs.get(log).copied();
                let next = known.map_or(0, |known| known.next);
                let is_further = if log.lane == lane {
                    *record > known.unwrap_or(LogRecord::EMPTY)
                } else {
                    // A log that went back is told of by whoever found that.
                    record.next > next && known.is_none_or(|known| known.generation == record.generation)
                };
                if is_further {
                    classroom.logs.insert(*log, *record);
                    unheard.insert(*log, next);
                    behind.push((id, log.document));
                }
            }
            for ((log, last), unsent) in outbox.remove(&id).unwrap_or_default() {
                if log.lane == lane || unheard.get(&log).is_some_and(|next| last >= *next) {
                    for index in unsent.segment.header.first..last {
                        classroom.outbox.remove(&(log, index));
                    }
                    classroom.outbox.insert((log, last), unsent);
                }
            }
            classroom.note_erased();
            // Something may have stood in the place of what was not this tab's to give up.
            classroom.aside_due = true;
        }
        behind.sort_unstable();
        behind.dedup();
        let written_in: BTreeSet<ClassroomId> = behind.iter().map(|(id, _)| *id).collect();
        for (id, document) in behind {
            self.reload(&id, document);
        }
        for id in written_in {
            // That tab may not have heard that what it wrote does not count any more.
            self.look_for_cuts(&id);
        }
    }

    /// The tab is about to go: others need not wait to see it. What is on its way to storage may still get out. What there is
    /// no time left to fold is folded by the next tab.
    pub(crate) fn closing(&mut self) {
        let ids: Vec<ClassroomId> = self.classrooms.keys().copied().collect();
        self.fold_now(&ids);
        self.say_gone();
    }
}
