//! Each rule that is broken on purpose shows within a few histories, as the promise that it is about: so the histories would
//! show it by themselves.

use clap::ValueEnum as _;
use simulator::{Mischief, run};

/// Within so many histories each shows.
const WITHIN: u64 = 60;

#[test]
fn every_mischief_is_seen_for_what_it_is() {
    simulator::catch_panics();
    let goes_unnoticed = |mischief: &&Mischief| {
        let mut seeds = (0..WITHIN).map(|number| mischief.kind().seed(number));
        !seeds.any(|seed| {
            let broken = run(&seed, Some(**mischief)).err();
            broken.is_some_and(|broken| mischief.breaks().contains(&broken.rule))
        })
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
