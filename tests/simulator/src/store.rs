//! A device's store, in memory: whole batches, of which a crash takes back what was not forced to the disk.

use std::collections::{BTreeMap, BTreeSet};

use replica::store::{Batch, Ranges, Records, Table};

type Key = (Table, Vec<u8>);

/// See the [module](self).
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    rows: BTreeMap<Key, Vec<u8>>,
    /// How to take back the batches that a crash may lose, oldest first.
    loose: Vec<Vec<(Key, Option<Vec<u8>>)>>,
    /// What was forced to the disk at some time, and may be sent: hashes of segments, chunks and entries.
    kept: BTreeSet<[u8; 32]>,
    loosely_kept: Vec<[u8; 32]>,
    /// Writes fail: the disk is full.
    pub(crate) full: bool,
}

impl Store {
    /// Writes the whole batch.
    pub(crate) fn write(&mut self, batch: &Batch) {
        self.write_part(batch, batch.changes.len(), batch.strict);
    }

    /// Writes the first `changes` of a batch, as only a broken disk does.
    pub(crate) fn write_part(&mut self, batch: &Batch, changes: usize, strict: bool) {
        let mut before = Vec::new();
        for (key, value) in batch.changes.iter().take(changes) {
            let old = match value {
                Some(value) => {
                    self.loosely_kept.extend(mark(key, value));
                    self.rows.insert(key.clone(), value.clone())
                }
                None => self.rows.remove(key),
            };
            before.push((key.clone(), old));
        }
        self.loose.push(before);
        if strict {
            self.loose.clear();
            self.kept.extend(std::mem::take(&mut self.loosely_kept));
        }
    }

    /// Stores who this is, unless that is known; answers with what is known then, or nothing if the disk is full.
    pub(crate) fn claim_profile(&mut self, row: Vec<u8>) -> Option<Vec<u8>> {
        let key = (Table::Profile, Vec::new());
        if let Some(row) = self.rows.get(&key) {
            return Some(row.clone());
        }
        if self.full {
            return None;
        }
        self.write(&Batch {
            changes: [(key, Some(row.clone()))].into(),
            strict: true,
        });
        Some(row)
    }

    /// The power fails: of what was not forced to the disk, the first so many batches are there.
    pub(crate) fn crash(&mut self, surviving: usize) {
        while self.loose.len() > surviving {
            for (key, old) in self.loose.pop().unwrap_or_default() {
                match old {
                    Some(old) => self.rows.insert(key, old),
                    None => self.rows.remove(&key),
                };
            }
        }
        // What survived is on the disk.
        self.loose.clear();
        self.loosely_kept.clear();
    }

    /// Goes back to a backup. What was on the disk before others may have got from there.
    pub(crate) fn put_back(&mut self, backup: Self) {
        let before = std::mem::replace(self, backup);
        self.full = before.full;
        self.kept.extend(before.kept);
    }

    /// Reads at most so many rows of each range.
    pub(crate) fn read(&self, ranges: &Ranges, most: Option<u32>) -> Records {
        let most = most.map_or(usize::MAX, |most| most as usize);
        let mut records = Records::new();
        for (table, from, to) in ranges {
            let rows = self.rows.range((*table, from.clone())..(*table, to.clone()));
            records.entry(*table).or_default().extend(
                rows.take(most)
                    .map(|((_, key), value)| (key.clone(), value.clone())),
            );
        }
        records
    }

    /// Whole tables.
    pub(crate) fn read_tables(&self, tables: &[Table]) -> Records {
        let rows = |table| {
            let rows = self.table(table);
            rows.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        tables.iter().map(|table| (*table, rows(*table))).collect()
    }

    pub(crate) fn table(&self, table: Table) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
        self.rows
            .range((table, Vec::new())..)
            .take_while(move |((other, _), _)| *other == table)
            .map(|((_, key), value)| (key, value))
    }

    /// Whether a crash could not have taken this encoded segment, or chunk, back when it was sent.
    pub(crate) fn kept_segment(&self, encoded: &[u8]) -> bool {
        self.kept.contains(blake3::hash(encoded).as_bytes())
    }

    /// The same for the roster entry under this key.
    pub(crate) fn kept_entry(&self, key: &[u8]) -> bool {
        self.kept.contains(blake3::hash(key).as_bytes())
    }
}

fn mark((table, key): &Key, value: &[u8]) -> Option<[u8; 32]> {
    match table {
        Table::Segments | Table::Chunks => Some(*blake3::hash(value).as_bytes()),
        Table::Entries => Some(*blake3::hash(key).as_bytes()),
        _ => None,
    }
}
