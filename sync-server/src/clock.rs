//! The real time, as the core is told it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::core::Moment;

/// A hundred years.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment {
            elapsed: self.started.elapsed(),
            clock: seconds(),
        }
    }

    /// The instant at which so much has elapsed; if that is beyond all time, one that nobody lives to see.
    pub(crate) fn instant(&self, elapsed: Duration) -> Instant {
        let instant = self.started.checked_add(elapsed);
        instant.unwrap_or_else(|| self.started + FAR)
    }
}

/// Seconds since 1970.
pub(crate) fn seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}
