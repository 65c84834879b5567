//! A device's store, in memory, that forgets what a crash would.

use std::collections::{BTreeMap, BTreeSet};

use protocol::segment::{Kind, Segment};
use replica::store::{Batch, Ranges, Records, Table};

type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// See the [module](self).
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    rows: Rows,
    /// What survives a crash of the machine: all up to the last strict write.
    synced: Rows,
    /// Every segment that survived a crash of the machine at some time: a dead one is deleted, and another tab may still
    /// be sending it.
    segments: BTreeSet<Vec<u8>>,
    /// Every segment that was written at some time, whether a crash of the machine could take it back or not.
    written: BTreeSet<Vec<u8>>,
    /// Whether writes fail.
    pub(crate) failing: bool,
    /// How many bytes there is room for in one write, if there is not much.
    pub(crate) room: Option<usize>,
}

impl Store {
    /// Writes the whole batch, or fails and writes nothing.
    pub(crate) fn write(&mut self, batch: &Batch) -> Result<(), ()> {
        let bytes: usize = batch.changes.values().flatten().map(Vec::len).sum();
        if self.failing || self.room.is_some_and(|room| bytes > room) {
            return Err(());
        }
        for (key, value) in &batch.changes {
            if let (Table::Segments, Some(segment)) = (key.0, value) {
                self.written.insert(segment.clone());
            }
            match value {
                Some(value) => self.rows.insert(key.clone(), value.clone()),
                None => self.rows.remove(key),
            };
        }
        if batch.strict {
            self.synced = self.rows.clone();
            let segments = self.table(Table::Segments).into_iter();
            self.segments.extend(segments.map(|(_, segment)| segment));
        }
        Ok(())
    }

    /// Stores who this is, if nobody is stored, and says who is.
    pub(crate) fn claim_profile(&mut self, row: Vec<u8>) -> Result<Vec<u8>, ()> {
        let key = (Table::Profile, Vec::new());
        if let Some(row) = self.rows.get(&key) {
            return Ok(row.clone());
        }
        let batch = Batch {
            changes: [(key, Some(row.clone()))].into(),
            strict: true,
        };
        self.write(&batch)?;
        Ok(row)
    }

    pub(crate) fn read(&self, ranges: &Ranges) -> Records {
        let mut records = Records::new();
        for (table, from, to) in ranges {
            let rows = self.rows.range((*table, from.clone())..(*table, to.clone()));
            records
                .entry(*table)
                .or_default()
                .extend(rows.map(|((_, key), value)| (key.clone(), value.clone())));
        }
        records
    }

    /// Whole tables.
    pub(crate) fn read_tables(&self, tables: &[Table]) -> Records {
        let mut records = Records::new();
        for table in tables {
            records.insert(*table, self.table(*table));
        }
        records
    }

    /// Puts a row there that the app would not.
    pub(crate) fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.rows.insert((table, key), value);
        self.synced = self.rows.clone();
    }

    /// Takes a row away that the app may lose.
    pub(crate) fn remove(&mut self, table: Table, key: &[u8]) {
        self.rows.remove(&(table, key.to_vec()));
        self.synced = self.rows.clone();
    }

    /// Loses rows.
    pub(crate) fn forget(&mut self, is_lost: impl Fn(Table, &[u8]) -> bool) {
        self.rows.retain(|(table, key), _| !is_lost(*table, key));
        self.synced = self.rows.clone();
    }

    pub(crate) fn table(&self, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.rows
            .iter()
            .filter(|((other, _), _)| *other == table)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect()
    }

    /// Whether a segment was written so that a crash of the machine could not take it back.
    pub(crate) fn kept(&self, segment: &[u8]) -> bool {
        self.segments.contains(segment)
    }

    /// Whether a segment was written at all.
    pub(crate) fn has_written(&self, segment: &[u8]) -> bool {
        self.written.contains(segment)
    }

    /// Whether two different segments were ever written for one index of a log, by whoever. Folds stand beside what they
    /// cover.
    pub(crate) fn used_an_index_twice(&self) -> bool {
        let mut used = BTreeSet::new();
        let segments = self.written.iter().map(|bytes| Segment::decode(bytes).unwrap());
        let mut runs = segments.filter(|segment| segment.header.kind == Kind::Run);
        !runs.all(|run| used.insert((run.header.log, run.header.first)))
    }

    /// Why items are kept aside, as numbers.
    pub(crate) fn reasons_aside(&self) -> Vec<u8> {
        let rows = self.table(Table::Aside).into_iter();
        rows.map(|(_, record)| record[1]).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The power fails.
    pub(crate) fn crash(&mut self) {
        self.rows = self.synced.clone();
    }
}
