//! Where a relay keeps what it was given. Calls block until they are done: never call them on an async thread.

pub mod memory;
pub mod sqlite;

use std::borrow::Cow;
use std::sync::Arc;

use protocol::inventory::LogState;
use protocol::segment::{Log, Segment};
use protocol::{
    ChunkHash, ClassroomId, DocumentId, EntryHash, PieceHash, ReceiptHash, SegmentHash, SnapshotHash, SpaceId,
};

pub use memory::Memory;
pub use sqlite::Sqlite;

use crate::Error;

/// Something that a classroom's log holds. All but segments are kept encoded as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A roster entry.
    Entry {
        hash: EntryHash,
        bytes: Vec<u8>,
    },
    Segment {
        hash: SegmentHash,
        segment: Box<Segment>,
    },
    Snapshot {
        hash: SnapshotHash,
        space: SpaceId,
        bytes: Vec<u8>,
    },
    Verdict {
        space: SpaceId,
        bytes: Vec<u8>,
    },
    Receipt {
        hash: ReceiptHash,
        space: SpaceId,
        bytes: Vec<u8>,
    },
}

impl Item {
    /// About how many bytes it takes, in memory and on the wire.
    pub fn size(&self) -> usize {
        match self {
            Self::Segment { segment, .. } => segment.sealed.len() + 256,
            Self::Entry { bytes, .. }
            | Self::Snapshot { bytes, .. }
            | Self::Verdict { bytes, .. }
            | Self::Receipt { bytes, .. } => bytes.len(),
        }
    }

    /// Who may read it: everybody who reads the classroom if there is none.
    pub fn space(&self) -> Option<&SpaceId> {
        match self {
            Self::Entry { .. } => None,
            Self::Segment { segment, .. } => Some(&segment.header.space),
            Self::Snapshot { space, .. } | Self::Verdict { space, .. } | Self::Receipt { space, .. } => {
                Some(space)
            }
        }
    }

    /// It, encoded.
    pub fn bytes(&self) -> Result<Cow<'_, [u8]>, Error> {
        match self {
            Self::Segment { segment, .. } => Ok(Cow::Owned(
                segment.encode().map_err(|_| Error::Damaged("segment"))?,
            )),
            Self::Entry { bytes, .. }
            | Self::Snapshot { bytes, .. }
            | Self::Verdict { bytes, .. }
            | Self::Receipt { bytes, .. } => Ok(Cow::Borrowed(bytes)),
        }
    }

    /// Whether every store can keep it.
    pub fn fits(&self) -> bool {
        self.held().is_none_or(|held| held.last <= MAX_INDEX)
    }

    /// What is there if it is a segment.
    pub fn held(&self) -> Option<Held> {
        let Self::Segment { hash, segment } = self else {
            return None;
        };
        Some(Held {
            first: segment.header.first,
            last: segment.header.last,
            hash: *hash,
            chain_hash: segment.header.kind.covered().unwrap_or(*hash),
            previous: segment.previous,
        })
    }
}

/// An item and its position in its classroom's log, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    pub position: u64,
    pub item: Item,
}

/// What a commit does to a classroom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Puts an item behind all others. The first of a new classroom founds it; the first segment of a document
    /// decides which space the document is in.
    Place(Arc<Placed>),
    /// Passes over all positions up to this one: they are never given out. So a store that was put back from a backup
    /// knows a position that it gave out and forgot.
    Leap {
        to: u64,
    },
    /// Takes the item at a position away.
    Remove {
        position: u64,
    },
    /// Takes the segments of a log away whose last index is in the range, both ends included.
    RemoveSegments {
        log: Log,
        from: u64,
        to: u64,
    },
    /// The same, but they are kept beside the items, where nobody is served with them.
    Cover {
        log: Log,
        from: u64,
        to: u64,
    },
    /// Puts a segment to what is kept beside the items so.
    KeepCovered {
        hash: SegmentHash,
        segment: Arc<Segment>,
    },
    /// Puts segments that were kept beside the items behind all items, in this order, from this position on.
    Uncover {
        log: Log,
        parts: Vec<SegmentHash>,
        position: u64,
    },
    /// Forgets what has been kept beside the items since before this time, in seconds since 1970.
    ForgetCovered {
        before: u64,
    },
    /// Takes all segments of a document away, and that there were any; and the chunks that belong to it only.
    Erase {
        document: DocumentId,
    },
    /// Puts a piece of a snapshot beside the items.
    Piece {
        hash: PieceHash,
        bytes: Arc<[u8]>,
    },
    RemovePiece {
        hash: PieceHash,
    },
    /// Puts a chunk of an attachment beside the items, in the place of what is there under its name, for a document that it
    /// belongs to.
    Chunk {
        document: DocumentId,
        hash: ChunkHash,
        bytes: Arc<[u8]>,
    },
    /// A chunk that is there belongs to one more document.
    Claim {
        document: DocumentId,
        hash: ChunkHash,
    },
    /// Chunks belong to a document no more that have since before this time, in seconds since 1970; those that belong to no
    /// other go.
    Unclaim {
        document: DocumentId,
        before: u64,
    },
}

/// What it counts for that a chunk belongs to a document, in bytes.
pub const CLAIM_BYTES: u64 = 64;

/// The greatest index that every store can keep, and count one further from.
pub const MAX_INDEX: u64 = i64::MAX as u64 - 1;

impl Change {
    /// Whether every store can keep what it says. One that does not would fail a whole commit.
    pub fn fits(&self) -> bool {
        match self {
            Self::Place(placed) => placed.position <= MAX_INDEX && placed.item.fits(),
            Self::Remove { position } | Self::Leap { to: position } => *position <= MAX_INDEX,
            Self::RemoveSegments { to, .. } | Self::Cover { to, .. } => *to <= MAX_INDEX,
            Self::KeepCovered { segment, .. } => segment.header.last <= MAX_INDEX,
            Self::Uncover { position, parts, .. } => *position <= MAX_INDEX - parts.len() as u64,
            Self::ForgetCovered { before } | Self::Unclaim { before, .. } => *before <= MAX_INDEX,
            Self::Erase { .. }
            | Self::Piece { .. }
            | Self::RemovePiece { .. }
            | Self::Chunk { .. }
            | Self::Claim { .. } => true,
        }
    }
}

/// A commit's changes, each with its classroom.
pub type Changes = [(ClassroomId, Change)];

/// What there is of a classroom in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// The last position given out.
    pub last: u64,
    /// Of all items, pieces and chunks.
    pub bytes: u64,
    /// Of what is kept beside them.
    pub covered: u64,
}

/// How far a lane's log of one document goes; stays when its segments go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    pub index: u64,
    /// The chain hash of the last segment.
    pub hash: SegmentHash,
}

/// A segment that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub first: u64,
    pub last: u64,
    pub hash: SegmentHash,
    pub chain_hash: SegmentHash,
    pub previous: SegmentHash,
}

/// What a segment was stored as, whether or not it can be read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    pub first: u64,
    pub last: u64,
    pub hash: SegmentHash,
}

/// A piece that is there, and since when, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldPiece {
    pub hash: PieceHash,
    pub stored: u64,
}

/// The durable part of a relay. What may be stored is decided before: see `core`.
pub trait Store: Send + Sync + 'static {
    /// Random, made when the store was: positions mean something within one incarnation only. See also
    /// [`Change::Leap`].
    fn incarnation(&self) -> u64;

    /// All classrooms, in the order of their ids.
    fn classrooms(&self) -> Result<Vec<ClassroomId>, Error>;

    /// The positions that were passed over, in order: those behind the first of each pair, up to the second.
    fn leaps(&self, classroom: &ClassroomId) -> Result<Vec<(u64, u64)>, Error>;

    /// `None` if the classroom is unknown.
    fn totals(&self, classroom: &ClassroomId) -> Result<Option<Totals>, Error>;

    /// The positions of the classroom's roster entries, in order, and the entries, encoded.
    fn entries(&self, classroom: &ClassroomId) -> Result<Vec<(u64, Vec<u8>)>, Error>;

    /// The classroom's snapshots, verdicts and receipts, in the order of their positions.
    fn extras(&self, classroom: &ClassroomId) -> Result<Vec<Placed>, Error>;

    /// The documents that have segments, or had some that were not erased, and the space of each.
    fn documents(&self, classroom: &ClassroomId) -> Result<Vec<(DocumentId, SpaceId)>, Error>;

    /// The items behind position `after`, in order: at least one if there is one, then more until `bytes` are full.
    fn page(&self, classroom: &ClassroomId, after: u64, bytes: usize) -> Result<Vec<Placed>, Error>;

    /// The item at a position.
    fn at(&self, classroom: &ClassroomId, position: u64) -> Result<Option<Placed>, Error>;

    /// The end of a log.
    fn tail(&self, classroom: &ClassroomId, log: &Log) -> Result<Option<Tail>, Error>;

    /// The segment that covers an index of a log.
    fn held(&self, classroom: &ClassroomId, log: &Log, index: u64) -> Result<Option<Held>, Error>;

    /// The segments that cover an index of a log from `from` on and before `to`, in order: at least one if there is
    /// one, then more until `bytes` are full.
    fn log(
        &self,
        classroom: &ClassroomId,
        log: &Log,
        from: u64,
        to: u64,
        bytes: usize,
    ) -> Result<Vec<Placed>, Error>;

    /// Of the segments of a log whose last index is in the range, both ends included, the first, also if it is damaged.
    fn named(&self, classroom: &ClassroomId, log: &Log, from: u64, to: u64) -> Result<Option<Named>, Error>;

    /// The bytes of the segments of a log whose last index is in the range, both ends included.
    fn weight(&self, classroom: &ClassroomId, log: &Log, from: u64, to: u64) -> Result<u64, Error>;

    /// The segments of a log that are kept beside the items and lie within the range, both ends included.
    fn covered(&self, classroom: &ClassroomId, log: &Log, from: u64, to: u64) -> Result<Vec<Held>, Error>;

    /// Since when the oldest of what is kept beside the items is kept, in seconds since 1970.
    fn covered_since(&self, classroom: &ClassroomId) -> Result<Option<u64>, Error>;

    /// The fold of a document with this hash, if it is among the items.
    fn fold(
        &self,
        classroom: &ClassroomId,
        document: &DocumentId,
        hash: &SegmentHash,
    ) -> Result<Option<(Log, Held)>, Error>;

    /// How much there is of each log.
    fn logs(&self, classroom: &ClassroomId) -> Result<Vec<LogState>, Error>;

    /// How many segments of a document there are behind a position.
    fn count(&self, classroom: &ClassroomId, document: &DocumentId, after: u64) -> Result<u64, Error>;

    /// The last index of the last segment of a log that covers nothing from `next` on and was stored before `before`,
    /// in seconds since 1970.
    fn stored_before(
        &self,
        classroom: &ClassroomId,
        log: &Log,
        next: u64,
        before: u64,
    ) -> Result<Option<u64>, Error>;

    fn piece(&self, classroom: &ClassroomId, hash: &PieceHash) -> Result<Option<Vec<u8>>, Error>;

    fn has_piece(&self, classroom: &ClassroomId, hash: &PieceHash) -> Result<bool, Error>;

    fn pieces(&self, classroom: &ClassroomId) -> Result<Vec<HeldPiece>, Error>;

    /// What is kept as a chunk of an attachment.
    fn chunk(&self, classroom: &ClassroomId, hash: &ChunkHash) -> Result<Option<Vec<u8>>, Error>;

    /// Whether a chunk is there and belongs to a document.
    fn is_claimed(
        &self,
        classroom: &ClassroomId,
        document: &DocumentId,
        hash: &ChunkHash,
    ) -> Result<bool, Error>;

    /// The chunks that belong to a document, in order.
    fn chunks(&self, classroom: &ClassroomId, document: &DocumentId) -> Result<Vec<ChunkHash>, Error>;

    /// Since when the first and the last of its chunks belong to a document, in seconds since 1970.
    fn claimed_since(
        &self,
        classroom: &ClassroomId,
        document: &DocumentId,
    ) -> Result<Option<(u64, u64)>, Error>;

    /// The documents that have chunks, in order.
    fn attached(&self, classroom: &ClassroomId) -> Result<Vec<DocumentId>, Error>;

    /// Makes all `changes`, in their order, durably, or none. Positions go up within a classroom. `now` is in seconds
    /// since 1970.
    fn commit(&self, changes: &Changes, now: u64) -> Result<(), Error>;

    /// Gives the room that was freed back, a part at a time, and does away with all that is left of what was erased, if the store
    /// has no more than `rewritten` bytes: that takes long where it has more.
    fn shrink(&self, rewritten: u64) -> Result<(), Error>;

    /// Whether the store answers.
    fn check(&self) -> Result<(), Error>;
}
