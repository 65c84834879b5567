//! How often something may happen.

use std::time::Duration;

use crate::settings::Rate;

/// Lets through what a rate allows.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    left: f64,
    filled: Duration,
}

impl Bucket {
    /// Full.
    pub(crate) fn new(rate: Rate, now: Duration) -> Self {
        Self {
            rate,
            left: f64::from(rate.at_once),
            filled: now,
        }
    }

    pub(crate) fn take(&mut self, now: Duration) -> bool {
        self.fill(now);
        let may = self.left >= 1.0;
        if may {
            self.left -= 1.0;
        }
        may
    }

    /// Whether it is as good as new.
    pub(crate) fn is_full(&mut self, now: Duration) -> bool {
        self.fill(now);
        self.left >= f64::from(self.rate.at_once)
    }

    fn fill(&mut self, now: Duration) {
        let gained = now.saturating_sub(self.filled).as_secs_f64() * f64::from(self.rate.per_second);
        self.filled = self.filled.max(now);
        self.left = (self.left + gained).min(f64::from(self.rate.at_once));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Bucket, Rate};

    #[test]
    fn so_many_at_once_and_then_so_many_a_second() {
        let rate = Rate {
            per_second: 4,
            at_once: 8,
        };
        let mut bucket = Bucket::new(rate, Duration::ZERO);
        assert_eq!((0..20).filter(|_| bucket.take(Duration::ZERO)).count(), 8);
        assert!(!bucket.take(Duration::from_millis(200)));
        assert!(bucket.take(Duration::from_millis(400)));
        assert!(!bucket.take(Duration::from_millis(400)));
        // A clock that goes back gives nothing.
        assert!(!bucket.take(Duration::ZERO));
        assert!(!bucket.take(Duration::from_millis(450)));
        let late = Duration::from_secs(100);
        assert!(bucket.is_full(late));
        assert_eq!((0..20).filter(|_| bucket.take(late)).count(), 8);
        assert!(!bucket.is_full(late));
    }
}
