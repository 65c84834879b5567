//! How a replica starts from what the store holds, and which lane it writes on.

use std::collections::{BTreeMap, BTreeSet};

use protocol::rand_core::CryptoRng;
use protocol::roster::{Entry, Roster};
use protocol::segment::Segment;
use protocol::{ClassroomId, EntryHash, LaneId};

use crate::classroom::{Classroom, Copy, Unsent, UnsentEntry, Way};
use crate::connection::Connection;
use crate::event::Effect;
use crate::incoming::EntrySource;
use crate::store::{
    self, ClassroomRecord, EntryRecord, LogRecord, Records, SinceRecord, SnapshotRecord, Table, rows,
};
use crate::writes::Writes;
use crate::{Error, Me, Replica};

impl<R: CryptoRng> Replica<R> {
    /// Starts from the tables [`Table::AT_START`], read whole, on a fresh lane; `adopted` are those of
    /// [`crate::lanes_left`] whose locks this tab holds. `origin` is the relay's.
    ///
    /// # Errors
    /// If the profile cannot be read. Any other row that cannot be read stays in the store, untouched.
    pub fn start(
        rng: R,
        now: u64,
        origin: String,
        records: &Records,
        adopted: &[LaneId],
    ) -> Result<(Self, Vec<Effect>), Error> {
        let me = match rows(records, Table::Profile).next() {
            Some((_, value)) => {
                let me: store::Me = store::decode(Table::Profile, value)?;
                Some(Me::read(&me)?)
            }
            None => None,
        };
        let mut replica = Self {
            rng,
            now,
            clock: now,
            me,
            claiming: None,
            lane: LaneId([0; 16]),
            held: adopted.iter().copied().collect(),
            classrooms: BTreeMap::new(),
            arrived: BTreeMap::new(),
            knocking: BTreeMap::new(),
            connection: Connection::new(origin),
            writes: Writes::default(),
            coming: BTreeMap::new(),
            reads: BTreeMap::new(),
            next_ticket: 0,
            exports: BTreeMap::new(),
            imports: BTreeMap::new(),
            unopened: BTreeMap::new(),
            starting: Vec::new(),
            uploading: None,
            looking: Vec::new(),
            downloading: Vec::new(),
            last_request: None,
            answer_due: BTreeMap::new(),
            place: None,
            said_at: 0,
            adopt_at: 0,
            shown_home: None,
            effects: Vec::new(),
        };
        replica.take_lane();
        replica.read_classrooms(records);
        replica.clear_up(records);
        replica.seal_unsealed(records);
        let ids: Vec<ClassroomId> = replica.classrooms.keys().copied().collect();
        for id in ids {
            replica.load_own_document(&id);
            replica.make_orphans_again(&id)?;
        }
        replica.read_left_imported();
        replica.settle_rosters()?;
        replica.connect_if_due();
        if let Some(batch) = replica.writes.start(now) {
            replica.effects.push(Effect::Write(batch));
        }
        replica.show();
        let effects = std::mem::take(&mut replica.effects);
        Ok((replica, effects))
    }

    /// Reads the document that says what there is to show.
    pub(crate) fn load_own_document(&mut self, id: &ClassroomId) {
        let Some(classroom) = self.classrooms.get(id) else {
            return;
        };
        let document = classroom.roster.document();
        self.load(id, document);
    }

    /// Reads classrooms from their entries and records. A row that cannot be read stays in the store, untouched, and so does
    /// a classroom without its founding; a damaged record stands in nobody's way. Where entries are missing, the relay is
    /// asked what it has.
    pub(crate) fn read_classrooms(&mut self, records: &Records) {
        let mut entries: BTreeMap<ClassroomId, Vec<(Entry, bool)>> = BTreeMap::new();
        let mut damaged: BTreeSet<ClassroomId> = BTreeSet::new();
        for (key, value) in rows(records, Table::Entries) {
            let Some(id) = store::parse_classroom(key) else {
                continue;
            };
            let record = store::decode::<EntryRecord>(Table::Entries, value);
            let entry = record.and_then(|record| Ok((Entry::decode(&record.entry)?, record.on_relay)));
            match entry {
                Ok(entry) => entries.entry(id).or_default().push(entry),
                Err(error) if is_newer(&error) => {}
                Err(_) => {
                    damaged.insert(id);
                }
            }
        }
        let mut known: BTreeMap<ClassroomId, ClassroomRecord> = BTreeMap::new();
        for (key, value) in rows(records, Table::Classrooms) {
            let Some(id) = key.try_into().ok().map(ClassroomId) else {
                continue;
            };
            match store::decode(Table::Classrooms, value) {
                Ok(record) => {
                    known.insert(id, record);
                }
                Err(error) if is_newer(&error) => {
                    entries.remove(&id);
                }
                Err(_) => {}
            }
        }
        for (id, entries) in entries {
            let Some(mut classroom) = classroom(id, entries) else {
                continue;
            };
            classroom.record = known.remove(&id).unwrap_or_default();
            if !classroom.waiting.is_empty() {
                damaged.insert(id);
            }
            if let Some(me) = &self.me {
                classroom.since_spaces = classroom.spaces_of(&me.keys.id());
            }
            self.classrooms.insert(id, classroom);
            self.learn_keys(&id);
        }
        for (key, value) in rows(records, Table::Classrooms) {
            if let Some(classroom) = store::parse_asked_key(key).and_then(|id| self.classrooms.get_mut(&id)) {
                classroom.asked = store::decode(Table::Classrooms, value).ok();
            }
        }
        for (key, value) in rows(records, Table::Classrooms) {
            if let Some(id) = store::parse_unopened_key(key)
                && let Ok(unopened) = store::decode(Table::Classrooms, value)
            {
                self.unopened.insert(id, unopened);
            }
        }
        for (key, _) in rows(records, Table::Classrooms) {
            if let Some(classroom) =
                store::parse_unhealed_key(key).and_then(|id| self.classrooms.get_mut(&id))
            {
                classroom.unhealed = true;
            }
            if let Some((id, document, fold)) = store::parse_dispute_key(key)
                && let Some(classroom) = self.classrooms.get_mut(&id)
            {
                classroom.disputes.due.insert((document, fold));
            }
            if let Some((id, entry)) = store::parse_given_up_key(key)
                && let Some(classroom) = self.classrooms.get_mut(&id)
            {
                classroom.given_up.insert(entry);
            }
        }
        self.look_for_lost_entries(damaged);
        self.read_logs(records);
        for (key, value) in rows(records, Table::Snapshots) {
            if let Some(classroom) = store::parse_classroom(key).and_then(|id| self.classrooms.get_mut(&id))
                && let Ok(record) = store::decode::<SnapshotRecord>(Table::Snapshots, value)
            {
                classroom.know_snapshot(&record);
            }
        }
        self.read_since(records);
        self.read_unsent(records);
        self.read_uploads(records);
        self.read_brought(records);
        self.read_all_aside(records);
        self.read_receipts(records);
    }

    /// Has the relay asked what it has of classrooms that lack entries: some are `damaged`, and whoever has a classroom came
    /// into it, or asks to.
    fn look_for_lost_entries(&mut self, mut damaged: BTreeSet<ClassroomId>) {
        if let Some(me) = self.me.as_ref().map(|me| me.keys.id()) {
            let came = |classroom: &&Classroom| {
                let roster = &classroom.roster;
                classroom.asked.is_some()
                    || roster.member(&me).is_some()
                    || roster.former_members().contains(&me)
            };
            let without = self.classrooms.values().filter(|classroom| !came(classroom));
            damaged.extend(without.map(|classroom| classroom.id));
        }
        for id in damaged {
            if let Some(classroom) = self.classrooms.get_mut(&id) {
                // Not noted in the store: it is seen there at every start until it is mended.
                classroom.unhealed = true;
            }
        }
    }

    /// What any tab has got is in the store, so the furthest counts: but not of a tab that had not heard yet that a log
    /// went back, for what it got of that log may be another history. Of such a tab it only counts which relay that was.
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
                && let Some(classroom) = self.classrooms.get_mut(&id)
                // Of the first version: all is read again.
                && let Ok(SinceRecord { position, spaces }) =
                    store::decode::<SinceRecord>(Table::Classrooms, value)
            {
                let has_all = classroom.since_spaces.iter().all(|space| spaces.contains(space));
                // In fewer spaces than this person is in now: all is read again. If the relay is another one by now, it
                // starts from the beginning.
                let known = if has_all && !behind.contains(&(id, tab)) {
                    &mut classroom.since
                } else {
                    &mut classroom.since_before
                };
                *known = (*known).max(Some(position));
            }
        }
    }

    pub(crate) fn read_logs(&mut self, records: &Records) {
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

    pub(crate) fn read_unsent(&mut self, records: &Records) {
        for (key, value) in rows(records, Table::Outbox) {
            if let Some((id, log, index, settled)) = store::parse_outbox_key(key)
                && let Ok(segment) = Segment::decode(value)
                && let Ok(hash) = segment.chain_hash(&id)
                && let Ok(unsent) = Unsent::stored(segment, &id, self.way_of(&log.lane), settled)
                && let Some(classroom) = self.classrooms.get_mut(&id)
            {
                let record = classroom.logs.entry(log).or_insert(LogRecord::EMPTY);
                if record.next <= index {
                    // Another tab cleared up after one that was alive, for this browser has no locks.
                    record.next = index + 1;
                    record.hash = hash;
                }
                classroom.documents.entry(log.document).or_insert(Copy::Away);
                classroom.outbox.insert((log, index), unsent);
            }
        }
    }

    fn read_all_aside(&mut self, records: &Records) {
        for (key, value) in rows(records, Table::Aside) {
            if let Some(classroom) = store::parse_classroom(key).and_then(|id| self.classrooms.get_mut(&id))
                && classroom.know_aside(key, value)
            {
                classroom.aside_due = true;
            }
        }
        let mut readers: BTreeMap<ClassroomId, u32> = BTreeMap::new();
        for (key, value) in rows(records, Table::Classrooms) {
            if let Some(id) = store::parse_reader_key(key)
                && let Ok(reader) = store::decode(Table::Classrooms, value)
            {
                readers.insert(id, reader);
            }
        }
        for classroom in self.classrooms.values_mut() {
            let has_aside = classroom.aside.len() > 0;
            let is_tried = readers.get(&classroom.id) == Some(&store::reader());
            classroom.aside_all_due = has_aside && !is_tried;
            classroom.aside_untold = classroom.aside_all_due;
            classroom.doubted = classroom.logs_in_doubt();
        }
    }
}

/// Whether a newer version wrote this.
fn is_newer(error: &Error) -> bool {
    matches!(error, Error::Protocol(protocol::Error::UnsupportedVersion { .. }))
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
    let waiting = entries.into_iter().map(|(entry, on_relay)| {
        let source = if on_relay {
            EntrySource::Relay
        } else {
            EntrySource::Tab
        };
        (entry, source)
    });
    classroom.waiting = waiting.collect();
    classroom.entries = unsent;
    Some(classroom)
}
