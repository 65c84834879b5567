//! What crosses a wire or a stick: identity, roster, segments, snapshots, receipts, frames and bundles.
//!
//! Nothing here does I/O or reads a clock; randomness is passed in. Every decoder takes any bytes and answers
//! with a value or an [`Error`]: it never panics and never allocates more than a small multiple of its input.
//! `docs/protocol.md` describes the bytes.

pub mod attachment;
pub mod bounded;
pub mod bundle;
pub mod error;
pub mod frame;
pub mod identity;
pub mod ids;
pub mod inventory;
pub mod invite;
pub mod key;
#[doc(hidden)]
pub mod mischief;
pub mod next;
pub mod padding;
mod part;
pub mod receipt;
pub mod refusal;
#[cfg(feature = "remembering")]
mod remembered;
pub mod roster;
pub mod segment;
pub mod snapshot;
pub mod verdict;
pub mod whisper;
pub mod wire;

pub use error::Error;
pub use ids::{
    ChunkHash, ClassroomId, DocumentId, EntryHash, ExchangeKey, InviteKey, LaneId, MemberId, PieceHash,
    ReceiptHash, SchoolId, SegmentHash, Signature, SnapshotHash, SpaceId,
};
pub use rand_core;
pub use refusal::Refusal;

/// Names any bytes by their hash, for things that have no name of their own.
pub fn content_name(bytes: &[u8]) -> [u8; 32] {
    blake3::derive_key("meridian 2026-11 v1 content name", bytes)
}
