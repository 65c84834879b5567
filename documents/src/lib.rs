//! What a classroom holds: one module per kind of document, on Automerge. No I/O, no clock, no network.
//!
//! Everything above this crate speaks of classrooms, pages, blocks and edits; Automerge is not seen outside.

pub mod change;
pub mod classroom;
pub mod document;
mod entry;
pub mod fold;
mod marks;
pub mod page;
pub mod redo;

/// What can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are not one well-formed Automerge change.
    #[error("not a change: {0}")]
    Change(String),
    /// The change is well formed but can't follow what its author wrote before.
    #[error("the change does not fit the document: {0}")]
    Unfitting(String),
    /// The bytes are not a saved document.
    #[error("not a saved document: {0}")]
    Load(String),
    /// The bytes are not a fold, or not one this version reads.
    #[error("not a fold: {0}")]
    Fold(&'static str),
    /// More changes, operations or bytes than the limits allow.
    #[error("more than the limits allow")]
    TooMuch,
    /// There are edits that were not committed yet; commit them first.
    #[error("the document has uncommitted edits")]
    Uncommitted,
    /// The document is not here yet, or not of this kind: its first change is missing.
    #[error("the document's first change is not here")]
    Absent,
    /// An edit speaks of a place that the page does not have.
    #[error("no such place in the page: {0}")]
    Place(String),
    /// A text is empty or longer than allowed.
    #[error("{field} must have 1 to {limit} characters")]
    Length { field: &'static str, limit: usize },
    /// A value does not have the form it must have.
    #[error("{0} is not valid")]
    Form(&'static str),
    /// The bytes of a file are not of the kind that they should be.
    #[error("not a file of this kind: {0}")]
    File(&'static str),
    /// Automerge refused.
    #[error(transparent)]
    Automerge(#[from] automerge::AutomergeError),
}
