//! Inventories: what a relay has of a classroom, by name, and what somebody wants of it. Both sides compare, and each
//! sends what the other lacks.

use serde::{Deserialize, Serialize};

use crate::bounded;
use crate::segment::Log;
use crate::{DocumentId, EntryHash, MemberId, PieceHash, ReceiptHash, SegmentHash, SnapshotHash, SpaceId};

/// The most names in each list of one frame, so that a frame always fits into a message.
pub const MAX_NAMES: usize = 1024;

/// What a relay has, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inventory {
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_NAMES>")]
    pub entries: Vec<EntryHash>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_NAMES>")]
    pub logs: Vec<LogState>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_NAMES>")]
    pub snapshots: Vec<SnapshotState>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_NAMES>")]
    pub verdicts: Vec<VerdictName>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_NAMES>")]
    pub receipts: Vec<ReceiptState>,
}

/// How much of a log there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogState {
    pub log: Log,
    /// The first index that is there: what is before it was dropped behind a snapshot.
    pub first: u64,
    /// The index behind the last that is there.
    pub next: u64,
    /// The chain hash of the last.
    pub hash: SegmentHash,
}

/// A snapshot that is there, with all its pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotState {
    pub document: DocumentId,
    pub hash: SnapshotHash,
}

/// What one member says about one snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VerdictName {
    pub snapshot: SnapshotHash,
    pub member: MemberId,
}

/// Whose receipt, of which space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReceiptName {
    pub space: SpaceId,
    pub member: MemberId,
}

/// The newest receipt of a member for a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptState {
    pub name: ReceiptName,
    pub count: u64,
    pub hash: ReceiptHash,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Wanted {
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_NAMES>")]
    pub entries: Vec<EntryHash>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_NAMES>")]
    pub logs: Vec<LogRange>,
    /// The documents whose newest snapshot is wanted.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_NAMES>")]
    pub snapshots: Vec<DocumentId>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_NAMES>")]
    pub pieces: Vec<PieceHash>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_NAMES>")]
    pub verdicts: Vec<VerdictName>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_NAMES>")]
    pub receipts: Vec<ReceiptName>,
}

/// A part of a log: the segments that cover an index from `from` on and before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRange {
    pub log: Log,
    pub from: u64,
    pub to: u64,
}
