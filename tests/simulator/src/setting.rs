//! Who and what is there in a history.

use std::time::Duration;

use sync_server::{Limits, Rate};

/// See the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    pub people: usize,
    /// At least one.
    pub relays: usize,
    /// Relays take little at once.
    pub throttled: bool,
    /// Relays ask for snapshots early, and keep what a confirmed one holds for a short time.
    pub condensed: bool,
}

/// So many people, and one relay that takes all they have.
impl From<usize> for Setting {
    fn from(people: usize) -> Self {
        Self {
            people,
            relays: 1,
            throttled: false,
            condensed: false,
        }
    }
}

impl Setting {
    pub(crate) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        if self.throttled {
            limits.submissions = Rate {
                per_second: 1,
                at_once: 4,
            };
            limits.requests = Rate {
                per_second: 1,
                at_once: 8,
            };
        }
        if self.condensed {
            limits.snapshot_after = 6;
            limits.retention = Some(Duration::from_secs(20));
        }
        limits
    }
}
