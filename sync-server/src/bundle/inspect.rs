//! What a file holds, as far as that can be told without keys.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use protocol::ClassroomId;
use protocol::bundle::{Counts, Event, Kind, Reader, Summary};

use super::{Damaged, PART, wholeness};
use crate::Error;

/// How many classrooms are told apart.
const CLASSROOMS: usize = 1000;

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// Whole records by classroom; of one with more than a thousand of them, the first.
    pub classrooms: BTreeMap<ClassroomId, u64>,
    /// Chunks of attachments, which the summary counts among the others.
    pub chunks: u64,
    pub summary: Summary,
    pub damaged: Damaged,
}

/// Reads a file from one end to the other.
///
/// # Errors
/// If it cannot be read.
pub fn inspect(file: &Path) -> Result<Inspected, Error> {
    let io = |doing| move |source| Error::Io { doing, source };
    let mut input = File::open(file).map_err(io("open the file"))?;
    let mut classrooms = BTreeMap::new();
    let mut chunks = 0;
    let mut damaged = Damaged::default();
    let mut reader = Reader::new();
    let mut part = vec![0; PART];
    loop {
        let count = input.read(&mut part).map_err(io("read the file"))?;
        if count == 0 {
            break;
        }
        reader.push(&part[..count]);
        for event in &mut reader {
            match event {
                Event::Record { classroom, kind, .. } => {
                    chunks += u64::from(kind == Kind::Chunk);
                    if classrooms.len() < CLASSROOMS || classrooms.contains_key(&classroom) {
                        *classrooms.entry(classroom).or_default() += 1;
                    }
                }
                Event::Damaged(damage) => damaged.add(damage),
            }
        }
    }
    let summary = reader.finish();
    if let Some(damage) = summary.last_damage {
        damaged.add(damage);
    }
    Ok(Inspected {
        classrooms,
        chunks,
        summary,
        damaged,
    })
}

impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary {
            version,
            records,
            complete,
            ..
        } = &self.summary;
        match version {
            Some(version) => writeln!(f, "bundle, version {version}")?,
            None => writeln!(f, "the first bytes are not those of a bundle")?,
        }
        for (classroom, records) in &self.classrooms {
            writeln!(f, "classroom {}: {records} records", classroom.to_hex())?;
        }
        let Counts {
            entries,
            segments,
            snapshots,
            pieces,
            verdicts,
            receipts,
            others,
        } = records;
        for (what, count) in [
            ("roster entries", entries),
            ("segments", segments),
            ("snapshots", snapshots),
            ("pieces of snapshots", pieces),
            ("verdicts", verdicts),
            ("receipts", receipts),
            ("chunks of attachments", &self.chunks),
            ("of a newer version", &others.saturating_sub(self.chunks)),
        ] {
            writeln!(f, "{what}: {count}")?;
        }
        write!(
            f,
            "{}{}",
            self.damaged,
            wholeness(*complete, self.summary.newer_version())
        )
    }
}
