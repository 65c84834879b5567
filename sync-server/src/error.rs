//! The one error of this crate.

use std::path::PathBuf;

use protocol::ClassroomId;

/// Why a relay could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("cannot {doing}")]
    Io {
        doing: &'static str,
        source: std::io::Error,
    },
    /// Another relay runs on the same data folder.
    #[error("the data folder {0} is in use by another relay: stop that first")]
    InUse(PathBuf),
    #[error("the store failed")]
    Store(#[from] rusqlite::Error),
    /// The store was written by a newer version of this program.
    #[error("the store has version {found}; this program knows versions up to {known}")]
    NewerStore { found: i64, known: i64 },
    /// The store is of an earlier version, and may only be read here.
    #[error("the store has version {found}: start the relay once, which makes it version {known}")]
    OlderStore { found: i64, known: i64 },
    #[error("the classroom {} is not here", .0.to_hex())]
    UnknownClassroom(ClassroomId),
    /// The store holds something that this program never writes.
    #[error("the store is damaged: {0}")]
    Damaged(&'static str),
    /// A batch has a position or an index that the store holds already.
    #[error("the batch does not fit what the store holds")]
    Conflict,
    #[error("not an origin such as https://relay.example: {0}")]
    Origin(String),
    #[error("no randomness: {0}")]
    Random(getrandom::Error),
    /// The thread that writes, or the task that accepts, ended before it should.
    #[error("{0} ended unexpectedly")]
    Ended(&'static str),
}
