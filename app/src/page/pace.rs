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

/// The longest pause between two keys of somebody who types, in milliseconds.
const BETWEEN_KEYS: f64 = 400.0;

/// The longest that changes of others wait because taking them in is slow, in milliseconds.
const LONGEST_REST: f64 = 2_100.0;

/// How long to leave changes of others waiting before it is looked again whether they must, in milliseconds all: taking the last ones
/// in took `took` and was `taken` ago, and this person typed `typed` ago. No letter appears while changes are taken in. So that is
/// done when the person pauses, and else in a thirtieth of the time; in a quarter of it while they don't type. Nothing if it takes
/// hardly any.
pub(crate) fn rest(took: f64, taken: f64, typed: f64) -> Option<Duration> {
    // Not a number, or a clock that was set back, is no reason to wait.
    if took.is_nan() || took < 4.0 || taken < 0.0 {
        return None;
    }
    let types = (0.0..BETWEEN_KEYS).contains(&typed);
    let share = if types { 30.0 } else { 3.0 };
    let left = (took * share).min(LONGEST_REST) - taken;
    let next_look = if types {
        left.min(BETWEEN_KEYS - typed)
    } else {
        left
    };
    (next_look > 0.0).then(|| Duration::from_millis(next_look.ceil() as u64))
}

/// How long until somebody pauses who typed `typed` milliseconds ago, if they type no more. Nothing if they do not type.
pub(crate) fn until_pause(typed: f64) -> Option<Duration> {
    let types = (0.0..BETWEEN_KEYS).contains(&typed);
    types.then(|| Duration::from_millis((BETWEEN_KEYS - typed).ceil() as u64))
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
        let reading = f64::INFINITY;
        assert_eq!(rest(0.0, 0.0, reading), None);
        assert_eq!(rest(f64::NAN, 0.0, reading), None);
        assert_eq!(rest(-5.0, 0.0, reading), None);
        assert_eq!(rest(20.0, 0.0, reading), Some(Duration::from_millis(60)));
        assert_eq!(rest(20.0, 59.5, reading), Some(Duration::from_millis(1)));
        assert_eq!(rest(20.0, 60.0, reading), None);
        assert_eq!(rest(60_000.0, 0.0, reading), Some(Duration::from_millis(2_100)));
        assert_eq!(rest(60_000.0, -9e9, -9e9), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn whoever_has_not_typed_for_a_while_pauses() {
        assert_eq!(until_pause(0.0), Some(Duration::from_millis(400)));
        assert_eq!(until_pause(399.5), Some(Duration::from_millis(1)));
        assert_eq!(until_pause(400.0), None);
        assert_eq!(until_pause(f64::INFINITY), None);
        // A clock that was set back, or none.
        assert_eq!(until_pause(-5.0), None);
        assert_eq!(until_pause(f64::NAN), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn who_types_on_a_slow_page_is_left_to_it_until_they_pause() {
        let milliseconds = |taken, typed| rest(40.0, taken, typed).map(|rest| rest.as_millis());
        assert_eq!(milliseconds(0.0, 0.0), Some(400));
        assert_eq!(milliseconds(300.0, 100.0), Some(300));
        assert_eq!(milliseconds(300.0, 400.0), None);
        assert_eq!(milliseconds(1_100.0, 50.0), Some(100));
        assert_eq!(milliseconds(1_200.0, 50.0), None);
        assert_eq!(rest(3.0, 0.0, 0.0), None);
    }
}
