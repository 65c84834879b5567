//! Each rule that is broken on purpose shows within a few histories: so the histories would show it by themselves.

use clap::ValueEnum as _;
use simulator::{Mischief, run};

/// Within so many histories each shows. The latest in fact shows in the thirty-fourth.
const WITHIN: usize = 60;

#[test]
fn every_mischief_is_seen() {
    simulator::catch_panics();
    let goes_unnoticed = |mischief: &&Mischief| {
        let mut stories = (0..WITHIN).map(|seed| run(&seed.to_string(), Some(**mischief)));
        stories.all(|story| story.is_ok())
    };
    let unnoticed: Vec<Mischief> = std::thread::scope(|scope| {
        // Two halves, for the cores that every machine has.
        let halves = Mischief::value_variants().chunks(Mischief::value_variants().len().div_ceil(2));
        let threads: Vec<_> = halves
            .map(|half| scope.spawn(|| half.iter().filter(goes_unnoticed).copied().collect::<Vec<_>>()))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(
        unnoticed.is_empty(),
        "{unnoticed:?} go unnoticed in {WITHIN} histories"
    );
}
