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
const EACH_FURTHER_PERSON: u64 = 100;

/// The time from the first edit to the change that holds it, with so many people on the page.
pub(crate) fn flush_after(people: usize, online: bool) -> Duration {
    if !online {
        return Duration::from_millis(OFFLINE);
    }
    let further = u64::try_from(people.saturating_sub(2)).unwrap_or(LATEST);
    Duration::from_millis((SOONEST + further.saturating_mul(EACH_FURTHER_PERSON)).min(LATEST))
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn more_people_make_fewer_changes() {
        let milliseconds = |people, online| flush_after(people, online).as_millis();
        assert_eq!(milliseconds(1, true), 80);
        assert_eq!(milliseconds(2, true), 80);
        assert_eq!(milliseconds(3, true), 180);
        assert_eq!(milliseconds(30, true), 2_000);
        assert_eq!(milliseconds(usize::MAX, true), 2_000);
        assert_eq!(milliseconds(30, false), 400);
    }
}
