//! Rules that the tests of the rules break on purpose, to show that it would be seen. Without the feature `mischief`, which
//! nothing but a simulation is built with, none is ever broken.

/// A rule that a relay or a replica does not keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mischief {
    /// A relay stores what lies beyond a cut-off.
    CutoffIgnored,
    /// A relay stores what is written in a locked document or a closed classroom.
    LockIgnored,
    /// A relay serves everyone's space to those who are no members any more.
    FormerServed,
    /// A new key is sealed to those whom it is to keep out.
    RemovedKeptIn,
    /// A fold leaves out a change of what it covers.
    FoldLeavesOut,
    /// Changes of another's actor are made, and taken.
    ActorIgnored,
    /// A log goes on at an index that it has had.
    IndexReused,
    /// A command is answered before its write is done.
    AnswersEarly,
    /// Something is sent before its write is done.
    SendsEarly,
    /// What cannot be applied is thrown away.
    AsideForgotten,
    /// A relay throws away what a snapshot covers that nobody has confirmed.
    UnconfirmedDropped,
}

#[cfg(feature = "mischief")]
mod broken {
    use std::cell::Cell;

    use super::Mischief;

    thread_local! {
        static BROKEN: Cell<Option<Mischief>> = const { Cell::new(None) };
    }

    /// From now on this rule is broken on this thread, and no other.
    pub fn commit(mischief: Option<Mischief>) {
        BROKEN.set(mischief);
    }

    /// Whether this rule is to be broken here.
    pub fn does(mischief: Mischief) -> bool {
        BROKEN.get() == Some(mischief)
    }
}

#[cfg(feature = "mischief")]
pub use broken::{commit, does};

/// Whether this rule is to be broken here: never.
#[cfg(not(feature = "mischief"))]
#[inline]
pub const fn does(_: Mischief) -> bool {
    false
}
