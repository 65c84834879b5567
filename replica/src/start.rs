//! How a replica starts from what the store holds, and which lane it writes on.

use std::collections::{BTreeMap, BTreeSet};

use protocol::frame::Position;
use protocol::identity::{MemberKeys, Seed};
use protocol::rand_core::CryptoRng;
use protocol::roster::{Entry, Roster};
use protocol::segment::Segment;
use protocol::{ClassroomId, DocumentId, EntryHash, LaneId};

use crate::classroom::{Aside, Classroom, Copy, PendingChange, Unsent, UnsentEntry, Way};
use crate::connection::Connection;
use crate::event::Effect;
use crate::store::{
    self, AsideRecord, Batch, ClassroomRecord, EntryRecord, LaneRecord, LogRecord, Records, Table,
};
use crate::writes::Writes;
use crate::{Error, Me, Replica};

/// The lanes that may be written on again, if their locks are free: everything of theirs is on the relay.
pub fn lanes_to_reuse(records: &Records) -> Vec<LaneId> {
    let unsent: BTreeSet<LaneId> = lanes_unsent(records).into_iter().collect();
    rows(records, Table::Lanes)
        .filter_map(|(key, value)| Some((LaneId(key.try_into().ok()?), value)))
        .filter(|(lane, value)| {
            !unsent.contains(lane)
                && matches!(
                    store::decode::<LaneRecord>(Table::Lanes, value),
                    Ok(LaneRecord::Clean)
                )
        })
        .map(|(lane, _)| lane)
        .collect()
}

/// The lanes on which something is unsent: whoever gets their locks sends it.
pub fn lanes_unsent(records: &Records) -> Vec<LaneId> {
    let lanes: BTreeSet<LaneId> = [Table::Outbox, Table::Pending]
        .into_iter()
        .flat_map(|table| rows(records, table))
        .filter_map(|(key, _)| store::parse_item_key(key))
        .map(|(_, log, _)| log.lane)
        .collect();
    lanes.into_iter().collect()
}

fn rows(records: &Records, table: Table) -> impl Iterator<Item = (&[u8], &[u8])> {
    records
        .get(&table)
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_slice(), value.as_slice()))
}

impl<R: CryptoRng> Replica<R> {
    /// Starts from the tables [`Table::AT_START`], read whole. `lane` is one of [`lanes_to_reuse`] or `None` for a
    /// fresh one; `adopted` are those of [`lanes_unsent`] whose locks this tab holds as well. `origin` is the relay's.
    ///
    /// # Errors
    /// If the profile cannot be read. Any other row that cannot be read stays in the store, untouched.
    pub fn start(
        rng: R,
        now: u64,
        origin: String,
        records: &Records,
        lane: Option<LaneId>,
        adopted: &[LaneId],
    ) -> Result<(Self, Vec<Effect>), Error> {
        let me = match rows(records, Table::Profile).next() {
            Some((_, value)) => {
                let me: store::Me = store::decode(Table::Profile, value)?;
                let seed = Seed::from_bytes(me.seed);
                let keys = MemberKeys::from_seed(&seed)?;
                Some(Me {
                    seed,
                    keys,
                    card_kept: me.card_kept,
                    stored: true,
                })
            }
            None => None,
        };
        let lanes = rows(records, Table::Lanes)
            .filter_map(|(key, value)| {
                let lane = LaneId(key.try_into().ok()?);
                Some((lane, store::decode(Table::Lanes, value).ok()?))
            })
            .collect();
        let mut replica = Self {
            rng,
            now,
            clock: now,
            me,
            lane: LaneId([0; 16]),
            held: adopted.iter().copied().collect(),
            lanes,
            classrooms: BTreeMap::new(),
            arrived: BTreeMap::new(),
            knocking: BTreeMap::new(),
            connection: Connection::new(origin),
            writes: Writes::default(),
            coming: BTreeMap::new(),
            reads: BTreeMap::new(),
            next_ticket: 0,
            last_request: None,
            answer_due: BTreeMap::new(),
            place: None,
            said_at: 0,
            adopt_at: 0,
            shown_home: None,
            effects: Vec::new(),
        };
        match lane {
            Some(lane) => {
                replica.lane = lane;
                replica.held.insert(lane);
            }
            None => {
                replica.lane = replica.fresh_lane();
                replica.effects.push(Effect::HoldLane(replica.lane));
            }
        }
        replica.read_classrooms(records);
        replica.gather(records);
        let ids: Vec<ClassroomId> = replica.classrooms.keys().copied().collect();
        for id in ids {
            replica.load_what_is_needed(&id);
        }
        replica.connect_if_due();
        if let Some(batch) = replica.writes.start(now) {
            replica.effects.push(Effect::Write(batch));
        }
        replica.show();
        let effects = std::mem::take(&mut replica.effects);
        Ok((replica, effects))
    }

    /// Reads the documents that must be at hand: the classroom's own, and those that may have to be made again.
    pub(crate) fn load_what_is_needed(&mut self, id: &ClassroomId) {
        let Some(classroom) = self.classrooms.get(id) else {
            return;
        };
        let unsent = classroom
            .outbox
            .keys()
            .chain(classroom.pending.keys())
            .map(|(log, _)| log.document);
        let documents: BTreeSet<DocumentId> = unsent
            .chain(classroom.redo_later.keys().copied())
            .chain([classroom.roster.document()])
            .collect();
        for document in documents {
            self.load(id, document);
        }
    }

    /// Takes over what tabs that are gone for good knew, so that their rows do not pile up.
    fn gather(&mut self, records: &Records) {
        let gone = |tab: &LaneId| {
            *tab != self.lane
                && (self.held.contains(tab) || self.lanes.get(tab) == Some(&LaneRecord::Retired))
        };
        let mut batch = Batch::default();
        for (key, _) in rows(records, Table::Logs) {
            if let Some((id, log, tab)) = store::parse_log_key(key)
                && gone(&tab)
                && let Some(record) = self
                    .classrooms
                    .get(&id)
                    .and_then(|classroom| classroom.logs.get(&log))
                && batch
                    .put(Table::Logs, store::log_key(&id, &log, &self.lane), record)
                    .is_ok()
            {
                batch.delete(Table::Logs, key.to_vec());
            }
        }
        for (key, _) in rows(records, Table::Classrooms) {
            if let Some((id, tab)) = store::parse_since_key(key)
                && gone(&tab)
                && let Some(since) = self.classrooms.get(&id).and_then(|classroom| classroom.since)
                && batch
                    .put(Table::Classrooms, store::since_key(&id, &self.lane), &since)
                    .is_ok()
            {
                batch.delete(Table::Classrooms, key.to_vec());
            }
        }
        self.writes.next().append(batch);
    }

    /// Reads classrooms from their records. A row that cannot be read stays in the store, untouched, and so does a
    /// classroom without its founding.
    pub(crate) fn read_classrooms(&mut self, records: &Records) {
        let mut entries: BTreeMap<ClassroomId, Vec<(Entry, bool)>> = BTreeMap::new();
        for (key, value) in rows(records, Table::Entries) {
            if let Some(id) = store::parse_classroom(key)
                && let Ok(record) = store::decode::<EntryRecord>(Table::Entries, value)
                && let Ok(entry) = Entry::decode(&record.entry)
            {
                entries.entry(id).or_default().push((entry, record.on_relay));
            }
        }
        for (key, value) in rows(records, Table::Classrooms) {
            let Some((id, record)) = key.try_into().ok().map(ClassroomId).and_then(|id| {
                Some((
                    id,
                    store::decode::<ClassroomRecord>(Table::Classrooms, value).ok()?,
                ))
            }) else {
                continue;
            };
            let Some(mut classroom) = classroom(id, entries.remove(&id).unwrap_or_default()) else {
                continue;
            };
            classroom.record = record;
            if let Some(me) = &self.me {
                let sealed = classroom.roster.keys_of(&me.keys.id()).to_vec();
                classroom.learn_keys(&sealed, me.keys.exchange_secret(), &me.keys.exchange_key());
            }
            self.classrooms.insert(id, classroom);
        }
        self.read_logs(records);
        self.read_since(records);
        self.read_unsent(records);
        self.read_aside(records);
    }

    /// What any tab has got is in the store, so the furthest counts: but not of a tab that had not heard yet that a log
    /// went back, for what it got of that log may be another history.
    fn read_since(&mut self, records: &Records) {
        let behind: BTreeSet<(ClassroomId, LaneId)> = rows(records, Table::Logs)
            .filter_map(|(key, value)| {
                let (id, log, tab) = store::parse_log_key(key)?;
                let record: LogRecord = store::decode(Table::Logs, value).ok()?;
                let furthest = self.classrooms.get(&id)?.logs.get(&log)?;
                (record.generation < furthest.generation).then_some((id, tab))
            })
            .collect();
        for (key, value) in rows(records, Table::Classrooms) {
            if let Some((id, tab)) = store::parse_since_key(key)
                && !behind.contains(&(id, tab))
                && let Some(classroom) = self.classrooms.get_mut(&id)
                && let Ok(since) = store::decode::<Position>(Table::Classrooms, value)
            {
                // If the relay is another one by now, it starts from the beginning.
                classroom.since = classroom.since.max(Some(since));
            }
        }
    }

    fn read_logs(&mut self, records: &Records) {
        for (key, value) in rows(records, Table::Logs) {
            if let Some((id, log, _)) = store::parse_log_key(key)
                && let Some(classroom) = self.classrooms.get_mut(&id)
                && let Ok(record) = store::decode::<LogRecord>(Table::Logs, value)
            {
                let furthest = classroom.logs.entry(log).or_insert(record);
                *furthest = record.max(*furthest);
                classroom.documents.entry(log.document).or_insert(Copy::Away);
            }
        }
        for (key, value) in rows(records, Table::Titles) {
            if let Some((id, document)) = store::parse_document_key(key)
                && let Some(classroom) = self.classrooms.get_mut(&id)
                && let Ok(title) = store::decode(Table::Titles, value)
            {
                classroom.titles.insert(document, title);
            }
        }
    }

    fn read_unsent(&mut self, records: &Records) {
        for (key, value) in rows(records, Table::Outbox) {
            if let Some((id, log, index)) = store::parse_item_key(key)
                && let Ok(segment) = Segment::decode(value)
                && let Ok(hash) = segment.hash(&id)
            {
                let unsent = Unsent {
                    segment,
                    hash,
                    durable: true,
                    way: self.way_of(&log.lane),
                };
                if let Some(classroom) = self.classrooms.get_mut(&id) {
                    classroom.outbox.insert((log, index), unsent);
                }
            }
        }
        for (key, value) in rows(records, Table::Pending) {
            if let Some((id, log, sequence)) = store::parse_item_key(key)
                && let Some(classroom) = self.classrooms.get_mut(&id)
            {
                let pending = PendingChange {
                    change: value.to_vec(),
                    durable: true,
                };
                classroom.pending.insert((log, sequence), pending);
                classroom.documents.entry(log.document).or_insert(Copy::Away);
            }
        }
    }

    fn read_aside(&mut self, records: &Records) {
        for (key, value) in rows(records, Table::Aside) {
            let Some(classroom) = store::parse_classroom(key).and_then(|id| self.classrooms.get_mut(&id))
            else {
                continue;
            };
            let Ok(record) = store::decode::<AsideRecord>(Table::Aside, value) else {
                continue;
            };
            let aside = Aside {
                reason: record.reason,
                key: key.to_vec(),
                item: record.item,
            };
            if let Some((document, change)) = aside.ended() {
                classroom
                    .redo_later
                    .entry(document)
                    .or_default()
                    .push(change.to_vec());
            }
            classroom.aside.push(aside);
            classroom.aside_due = true;
        }
    }
}

/// A classroom from its entries, which come in no particular order.
fn classroom(id: ClassroomId, mut entries: Vec<(Entry, bool)>) -> Option<Classroom> {
    let founding = entries
        .iter()
        .position(|(entry, _)| entry.hash() == EntryHash(id.0))?;
    let (founding, on_relay) = entries.swap_remove(founding);
    let mut unsent = BTreeMap::new();
    if !on_relay {
        unsent.insert(
            founding.hash(),
            UnsentEntry {
                durable: true,
                way: Way::READY,
            },
        );
    }
    let mut classroom = Classroom::new(Roster::found(founding).ok()?);
    loop {
        let before = entries.len();
        entries.retain(|(entry, on_relay)| {
            let added = classroom.roster.add(entry.clone());
            if added.is_ok() && !on_relay {
                unsent.insert(
                    entry.hash(),
                    UnsentEntry {
                        durable: true,
                        way: Way::READY,
                    },
                );
            }
            matches!(added, Err(protocol::Error::MissingParent(_)))
        });
        if entries.is_empty() || entries.len() == before {
            break;
        }
    }
    classroom.waiting = entries.into_iter().map(|(entry, _)| entry).collect();
    classroom.entries = unsent;
    Some(classroom)
}
