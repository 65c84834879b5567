//! Hostile bytes for as long as there is time: `MERIDIAN_FUZZ_SECONDS` (10 by default) for each target.
//!
//! Inputs are changed and crossed copies of some that are right. One that makes a target do what none did before joins
//! them, so that the next ones begin where it got to. `MERIDIAN_FUZZ_SEED` repeats a run that failed.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime};

/// What a target did with some bytes: runs that did the same need not be kept twice.
pub(crate) type Outcome = String;

/// The most inputs that are kept.
const MOST_KEPT: usize = 2000;

/// The largest input: many times what those have that are right.
pub(crate) const LARGEST: usize = 16 * 1024;

/// SplitMix64: anything does that is not the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.next() as u8
    }
}

pub(crate) fn fuzz(name: &str, mut kept: Vec<Vec<u8>>, target: impl Fn(&[u8]) -> Outcome) {
    let seconds = variable("MERIDIAN_FUZZ_SECONDS").unwrap_or(10);
    let clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seed = variable("MERIDIAN_FUZZ_SEED").unwrap_or_else(|| clock().as_nanos() as u64);
    let mut random = Random(seed);
    let mut seen: HashSet<Outcome> = kept.iter().map(|bytes| target(bytes)).collect();
    let (start, mut runs) = (Instant::now(), 0u64);
    while start.elapsed() < Duration::from_secs(seconds) {
        let bytes = change(&kept, &mut random);
        let outcome = catch_unwind(AssertUnwindSafe(|| target(&bytes)));
        let Ok(outcome) = outcome else {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            panic!("{name} fails with MERIDIAN_FUZZ_SEED={seed} in run {runs} on {hex}");
        };
        if kept.len() < MOST_KEPT && seen.insert(outcome) {
            kept.push(bytes);
        }
        runs += 1;
    }
    println!("{name}: {runs} inputs, {} outcomes, seed {seed}", seen.len());
    assert!(runs > 0);
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// One of the inputs, changed in one to eight places.
fn change(kept: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = kept[random.below(kept.len())].clone();
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(40)).min(bytes.len());
        match random.below(9) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 if at < bytes.len() => bytes[at] = [0, 1, 2, 6, 0x7f, 0x80, 0xd3, 0xff][random.below(8)],
            3 => {
                let new: Vec<u8> = (0..random.below(12)).map(|_| random.byte()).collect();
                bytes.splice(at..at, new);
            }
            4 => {
                bytes.drain(at..end);
            }
            5 => bytes.truncate(at),
            6 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            // A length that lies.
            7 => {
                let length = [0xff; 9][..random.below(10)].to_vec();
                bytes.splice(at..end.min(at + 1), length.into_iter().chain([0x0f]));
            }
            // A part of another one.
            _ => {
                let other = &kept[random.below(kept.len())];
                let from = random.below(other.len() + 1);
                let to = from + random.below(other.len() - from + 1);
                bytes.splice(at..end, other[from..to].iter().copied());
            }
        }
    }
    bytes.truncate(LARGEST);
    bytes
}
