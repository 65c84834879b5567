//! Bundles: a classroom's items in a file, to carry by hand. Each record is checked by itself, so that a file that was
//! cut or damaged gives back every record that is whole. Everything in it is as it crosses the wire: whoever finds the
//! file learns no more than a relay.

mod reader;
mod writer;

use serde::{Deserialize, Serialize};

use crate::ClassroomId;
use crate::snapshot::MAX_SNAPSHOT;

pub use reader::{Damage, Event, Reader, Summary};
pub use writer::Writer;

/// What a file begins with, before the version.
pub const MAGIC: &[u8; 16] = b"MERIDIAN BUNDLE\0";

const VERSION: u8 = 1;

/// The most bytes of one item.
pub const MAX_PAYLOAD: usize = MAX_SNAPSHOT;

/// Stands before each record, and nowhere else: where the first seven bytes of it occur inside a record, [`STUFFING`]
/// follows, which is not part of the record. None of the other bytes is the first one, so that two markers never
/// overlap.
const MARKER: [u8; 8] = [0xd3, b'M', b'E', b'R', b'I', b'\r', b'\n', 0x1a];
const STUFFING: u8 = 0;

/// Kind, classroom and length.
const HEAD: usize = 1 + 32 + 4;

/// The first bytes of a BLAKE3 hash.
const CHECK: usize = 16;

/// What a record holds, encoded as for a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Entry,
    Segment,
    Snapshot,
    Piece,
    Verdict,
    Receipt,
    /// A chunk of an attachment, with its document: a [`DocumentChunk`](crate::attachment::DocumentChunk).
    Chunk,
    /// A kind of a newer version.
    Other(u8),
}

/// The kind of the last record, which holds [`Counts`].
const END: u8 = 6;

impl Kind {
    fn number(self) -> u8 {
        match self {
            Self::Entry => 0,
            Self::Segment => 1,
            Self::Snapshot => 2,
            Self::Piece => 3,
            Self::Verdict => 4,
            Self::Receipt => 5,
            Self::Chunk => 7,
            Self::Other(number) => number,
        }
    }

    fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Entry,
            1 => Self::Segment,
            2 => Self::Snapshot,
            3 => Self::Piece,
            4 => Self::Verdict,
            5 => Self::Receipt,
            7 => Self::Chunk,
            other => Self::Other(other),
        }
    }
}

/// How many records of each kind there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    pub entries: u64,
    pub segments: u64,
    pub snapshots: u64,
    pub pieces: u64,
    pub verdicts: u64,
    pub receipts: u64,
    /// Chunks, and those of kinds of a newer version: for the first readers chunks were of one.
    pub others: u64,
}

impl Counts {
    /// All records together.
    pub fn total(&self) -> u64 {
        self.entries
            + self.segments
            + self.snapshots
            + self.pieces
            + self.verdicts
            + self.receipts
            + self.others
    }

    fn add(&mut self, kind: Kind) {
        let count = match kind {
            Kind::Entry => &mut self.entries,
            Kind::Segment => &mut self.segments,
            Kind::Snapshot => &mut self.snapshots,
            Kind::Piece => &mut self.pieces,
            Kind::Verdict => &mut self.verdicts,
            Kind::Receipt => &mut self.receipts,
            Kind::Chunk | Kind::Other(_) => &mut self.others,
        };
        *count += 1;
    }
}

/// The classroom that the last record, which belongs to none, names.
const NO_CLASSROOM: ClassroomId = ClassroomId([0; 32]);

fn check(record: &[u8]) -> [u8; CHECK] {
    let mut check = [0; CHECK];
    check.copy_from_slice(&blake3::hash(record).as_bytes()[..CHECK]);
    check
}
