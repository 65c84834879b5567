//! When edits become a change: often enough that others see people type, seldom enough that a whole class does not flood the link.

use std::time::Duration;

/// The most text, in bytes, that waits to become a change.
pub(crate) const MOST_PENDING: usize = 32 << 10;

/// How often a cursor is told.
pub(crate) const CURSOR: Duration = Duration::from_millis(100);

/// How long after a failure it is tried again to store a change.
pub(crate) const RETRY: Duration = Duration::from_secs(2);

const SOONEST: u64 = 80;
const LATEST: u64 = 2_000;
const OFFLINE: u64 = 400;
const EACH_FURTHER_WRITER: u64 = 100;

/// How long somebody counts as writing after a change of theirs, in milliseconds.
pub(crate) const WRITES_FOR: f64 = 3_000.0;

/// How long to leave changes of others waiting, after taking the last ones in took so many milliseconds: three times as
/// long, so that most of the time is left for typing. Nothing if it took hardly any.
pub(crate) fn rest_after(took: f64) -> Option<Duration> {
    // Not a number, or a clock that was set back, is no reason to wait.
    (took >= 4.0).then(|| Duration::from_millis((took.min(700.0) * 3.0) as u64))
}

/// The time from the first edit to the change that holds it, while so many others write.
pub(crate) fn flush_after(others: usize, online: bool) -> Duration {
    if !online {
        return Duration::from_millis(OFFLINE);
    }
    let further = u64::try_from(others.saturating_sub(1)).unwrap_or(LATEST);
    let after = SOONEST.saturating_add(further.saturating_mul(EACH_FURTHER_WRITER));
    Duration::from_millis(after.min(LATEST))
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn more_writers_make_fewer_changes() {
        let milliseconds = |others, online| flush_after(others, online).as_millis();
        assert_eq!(milliseconds(0, true), 80);
        assert_eq!(milliseconds(1, true), 80);
        assert_eq!(milliseconds(2, true), 180);
        assert_eq!(milliseconds(30, true), 2_000);
        assert_eq!(milliseconds(usize::MAX, true), 2_000);
        assert_eq!(milliseconds(30, false), 400);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn slow_pages_rest() {
        assert_eq!(rest_after(0.0), None);
        assert_eq!(rest_after(f64::NAN), None);
        assert_eq!(rest_after(-5.0), None);
        assert_eq!(rest_after(20.0), Some(Duration::from_millis(60)));
        assert_eq!(rest_after(60_000.0), Some(Duration::from_millis(2_100)));
    }
}
