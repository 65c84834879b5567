//! How often something may happen.

use std::time::Duration;

/// Lets so many through in a second, and twice as many at once.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: f64,
    left: f64,
    filled: Duration,
}

impl Bucket {
    pub(crate) fn new(per_second: u32, now: Duration) -> Self {
        let per_second = f64::from(per_second);
        Self {
            per_second,
            left: 2.0 * per_second,
            filled: now,
        }
    }

    pub(crate) fn take(&mut self, now: Duration) -> bool {
        let gained = now.saturating_sub(self.filled).as_secs_f64() * self.per_second;
        self.filled = now;
        self.left = (self.left + gained).min(2.0 * self.per_second);
        let may = self.left >= 1.0;
        if may {
            self.left -= 1.0;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Bucket;

    #[test]
    fn twice_as_many_at_once_and_then_so_many_a_second() {
        let mut bucket = Bucket::new(4, Duration::ZERO);
        assert_eq!((0..20).filter(|_| bucket.take(Duration::ZERO)).count(), 8);
        assert!(!bucket.take(Duration::from_millis(200)));
        assert!(bucket.take(Duration::from_millis(400)));
        assert!(!bucket.take(Duration::from_millis(400)));
        let late = Duration::from_secs(100);
        assert_eq!((0..20).filter(|_| bucket.take(late)).count(), 8);
    }
}
