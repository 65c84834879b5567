//! Where a relay keeps what it was given. Calls block until they are done: never call them on an async thread.

pub mod memory;
pub mod sqlite;

use std::sync::Arc;

use protocol::segment::{Log, Segment};
use protocol::{ClassroomId, EntryHash, SegmentHash};

pub use memory::Memory;
pub use sqlite::Sqlite;

use crate::Error;

/// Something that a classroom's log holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A roster entry, encoded as it came.
    Entry { hash: EntryHash, bytes: Vec<u8> },
    Segment {
        hash: SegmentHash,
        segment: Box<Segment>,
    },
}

impl Item {
    /// About how many bytes it takes, in memory and on the wire.
    pub fn size(&self) -> usize {
        match self {
            Self::Entry { bytes, .. } => bytes.len(),
            Self::Segment { segment, .. } => segment.sealed.len() + 256,
        }
    }
}

/// An item and its position in its classroom's log, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    pub position: u64,
    pub item: Item,
}

/// How far a lane's log of one document goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    pub index: u64,
    pub hash: SegmentHash,
}

/// The durable part of a relay. What may be stored is decided before: see `writer`.
pub trait Store: Send + Sync + 'static {
    /// Random, made when the store was, and again when it is put back from a backup: positions mean something within
    /// one incarnation only.
    fn incarnation(&self) -> u64;

    /// The last position given out in a classroom; `None` if the classroom is unknown.
    fn last(&self, classroom: &ClassroomId) -> Result<Option<u64>, Error>;

    /// The classroom's encoded roster entries, in the order of their positions.
    fn entries(&self, classroom: &ClassroomId) -> Result<Vec<Vec<u8>>, Error>;

    /// The items behind position `after`, in order: at least one if there is one, then more until `bytes` are full.
    fn page(&self, classroom: &ClassroomId, after: u64, bytes: usize) -> Result<Vec<Placed>, Error>;

    /// The end of a log.
    fn tail(&self, classroom: &ClassroomId, log: &Log) -> Result<Option<Tail>, Error>;

    /// The segment at an index of a log.
    fn segment(&self, classroom: &ClassroomId, log: &Log, index: u64) -> Result<Option<SegmentHash>, Error>;

    /// Stores all of `batch` durably, or nothing. Positions go up within a classroom; the first item of a new
    /// classroom founds it.
    fn commit(&self, batch: &[(ClassroomId, Arc<Placed>)]) -> Result<(), Error>;

    /// Whether the store answers.
    fn check(&self) -> Result<(), Error>;
}
