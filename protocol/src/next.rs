//! A next version, as the simulator plays it: it seals runs under a kind that this version does not know. Without the feature
//! `mischief`, which nothing but the simulator is built with, there is none.

/// The kind under which the next version seals runs.
pub(crate) const KIND: u8 = 200;

#[cfg(feature = "mischief")]
mod played {
    use std::cell::Cell;

    thread_local! {
        static IS_NEXT: Cell<bool> = const { Cell::new(false) };
    }

    /// Does this, on this thread, as the next version or as this one.
    pub fn play<T>(is_next: bool, act: impl FnOnce() -> T) -> T {
        let before = IS_NEXT.replace(is_next);
        let done = act();
        IS_NEXT.set(before);
        done
    }

    /// Whether this thread is the next version.
    pub fn is_played() -> bool {
        IS_NEXT.get()
    }
}

#[cfg(feature = "mischief")]
pub use played::{is_played, play};

#[cfg(not(feature = "mischief"))]
/// Whether this thread is the next version: never.
#[inline]
pub const fn is_played() -> bool {
    false
}
