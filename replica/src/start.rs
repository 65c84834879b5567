//! How a replica starts from what the store holds, and which lane it writes on.

use std::collections::{BTreeMap, BTreeSet};

use protocol::identity::{MemberKeys, Seed};
use protocol::rand_core::CryptoRng;
use protocol::roster::{Entry, Roster};
use protocol::segment::Segment;
use protocol::{ClassroomId, DocumentId, EntryHash, LaneId};

use crate::classroom::{Aside, Classroom, Copy, PendingChange, Unsent, UnsentEntry};
use crate::connection::Connection;
use crate::event::Effect;
use crate::store::{self, AsideRecord, ClassroomRecord, EntryRecord, LaneRecord, LogRecord, Records, Table};
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
    /// If the records of the profile cannot be read; a classroom that cannot be read stays in the store, untouched.
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
                })
            }
            None => None,
        };
        let mut lanes = BTreeMap::new();
        for (key, value) in rows(records, Table::Lanes) {
            let lane = LaneId(key.try_into().map_err(|_| Error::Key(Table::Lanes))?);
            lanes.insert(lane, store::decode(Table::Lanes, value)?);
        }
        let mut replica = Self {
            rng,
            now,
            me,
            lane: LaneId([0; 16]),
            held: adopted.iter().copied().collect(),
            lanes,
            classrooms: BTreeMap::new(),
            knocking: BTreeMap::new(),
            connection: Connection::new(origin),
            writes: Writes::default(),
            reads: BTreeMap::new(),
            next_ticket: 0,
            place: None,
            said_at: 0,
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
        replica.read_classrooms(records)?;
        let to_load: Vec<(ClassroomId, DocumentId)> = replica
            .classrooms
            .values()
            .flat_map(|classroom| {
                // What is unsent may have to be made again, so it is at hand.
                let unsent = classroom
                    .outbox
                    .keys()
                    .chain(classroom.pending.keys())
                    .map(|(log, _)| log.document);
                let documents: BTreeSet<DocumentId> = unsent.chain([classroom.roster.document()]).collect();
                documents.into_iter().map(|document| (classroom.id, document))
            })
            .collect();
        for (id, document) in to_load {
            replica.load(&id, document);
        }
        replica.connect_if_due();
        replica.show();
        let effects = std::mem::take(&mut replica.effects);
        Ok((replica, effects))
    }

    fn read_classrooms(&mut self, records: &Records) -> Result<(), Error> {
        let mut entries: BTreeMap<ClassroomId, Vec<(Entry, bool)>> = BTreeMap::new();
        for (key, value) in rows(records, Table::Entries) {
            let id = ClassroomId(
                key.get(..32)
                    .and_then(|id| id.try_into().ok())
                    .ok_or(Error::Key(Table::Entries))?,
            );
            let record: EntryRecord = store::decode(Table::Entries, value)?;
            entries
                .entry(id)
                .or_default()
                .push((Entry::decode(&record.entry)?, record.on_relay));
        }
        for (key, value) in rows(records, Table::Classrooms) {
            let id = ClassroomId(key.try_into().map_err(|_| Error::Key(Table::Classrooms))?);
            let record: ClassroomRecord = store::decode(Table::Classrooms, value)?;
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
        self.read_logs(records)
    }

    fn read_logs(&mut self, records: &Records) -> Result<(), Error> {
        for (key, value) in rows(records, Table::Logs) {
            let (id, log) = store::parse_log_key(key).ok_or(Error::Key(Table::Logs))?;
            let record: LogRecord = store::decode(Table::Logs, value)?;
            if let Some(classroom) = self.classrooms.get_mut(&id) {
                classroom.logs.insert(log, record);
                classroom.documents.entry(log.document).or_insert(Copy::Away);
            }
        }
        for (key, value) in rows(records, Table::Outbox) {
            let (id, log, index) = store::parse_item_key(key).ok_or(Error::Key(Table::Outbox))?;
            let segment = Segment::decode(value)?;
            let hash = segment.hash(&id)?;
            if let Some(classroom) = self.classrooms.get_mut(&id) {
                let unsent = Unsent {
                    segment,
                    hash,
                    durable: true,
                    sent: false,
                    refused: false,
                    at: self.now,
                };
                classroom.outbox.insert((log, index), unsent);
            }
        }
        for (key, value) in rows(records, Table::Pending) {
            let (id, log, sequence) = store::parse_item_key(key).ok_or(Error::Key(Table::Pending))?;
            if let Some(classroom) = self.classrooms.get_mut(&id) {
                let pending = PendingChange {
                    change: value.to_vec(),
                    durable: true,
                };
                classroom.pending.insert((log, sequence), pending);
                classroom.documents.entry(log.document).or_insert(Copy::Away);
            }
        }
        for (key, value) in rows(records, Table::Titles) {
            let (id, document) = store::parse_document_key(key).ok_or(Error::Key(Table::Titles))?;
            if let Some(classroom) = self.classrooms.get_mut(&id) {
                classroom
                    .titles
                    .insert(document, store::decode(Table::Titles, value)?);
            }
        }
        for (key, value) in rows(records, Table::Aside) {
            let id = ClassroomId(
                key.get(..32)
                    .and_then(|id| id.try_into().ok())
                    .ok_or(Error::Key(Table::Aside))?,
            );
            let record: AsideRecord = store::decode(Table::Aside, value)?;
            if let Some(classroom) = self.classrooms.get_mut(&id) {
                classroom.aside.push(Aside {
                    reason: record.reason,
                    key: key.to_vec(),
                    item: record.item,
                });
            }
        }
        Ok(())
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
                sent: false,
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
                        sent: false,
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
