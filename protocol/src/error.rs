//! The one error of this crate.

/// Why bytes, keys or an action were not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes do not follow the format.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// The bytes follow a newer version of the format.
    #[error("{what} has version {version}, which is newer than this program")]
    UnsupportedVersion { what: &'static str, version: u8 },
    /// A part is larger than the format allows.
    #[error("{what} is larger than {max} bytes or items")]
    TooLarge { what: &'static str, max: usize },
    /// A signature does not belong to its author and content.
    #[error("the signature of {0} does not match")]
    BadSignature(&'static str),
    /// A sealed body could not be opened with the key that was tried.
    #[error("{0} cannot be opened with this key")]
    CannotOpen(&'static str),
    /// A piece that a snapshot names was not among those it was to be opened from.
    #[error("a piece of a snapshot is missing: {0}")]
    MissingPiece(crate::PieceHash),
    /// A chunk that an attachment names was not among those it was to be opened from.
    #[error("a chunk of an attachment is missing: {0}")]
    MissingChunk(crate::ChunkHash),
    /// The words are not those of a login card.
    #[error("not the words of a login card: {0}")]
    Words(String),
    /// An entry names parents that are not here yet.
    #[error("an earlier roster entry is missing: {0}")]
    MissingParent(crate::EntryHash),
    /// The author of an entry did not have the right to write it.
    #[error("the author had no right to: {0}")]
    NotAllowed(&'static str),
}
