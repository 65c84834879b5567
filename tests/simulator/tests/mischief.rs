//! Each rule that is broken on purpose shows within a few histories, as the promise that it is about: so the histories would
//! show it by themselves. And there is no promise that none of them breaks: so each is looked at.

use std::collections::BTreeSet;

use clap::ValueEnum as _;
use simulator::{Mischief, Rule, run};

/// Within so many histories each shows.
const WITHIN: u64 = 60;

#[test]
fn every_mischief_is_seen_for_what_it_is_and_every_promise_is_seen_broken() {
    simulator::catch_panics();
    let seen_as = |mischief: Mischief| {
        let seeds = (0..WITHIN).map(|number| mischief.kind().seed(number));
        let mut broken = seeds.filter_map(|seed| Some(run(&seed, Some(mischief)).err()?.rule));
        broken.find(|rule| mischief.breaks().contains(rule))
    };
    let seen: Vec<(Mischief, Option<Rule>)> = std::thread::scope(|scope| {
        // Two halves, for the cores that every machine has.
        let halves = Mischief::value_variants().chunks(Mischief::value_variants().len().div_ceil(2));
        let seen_as = &seen_as;
        let threads: Vec<_> = halves
            .map(|half| {
                let seen = half.iter().map(move |mischief| (*mischief, seen_as(*mischief)));
                scope.spawn(|| seen.collect::<Vec<_>>())
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let unnoticed: Vec<Mischief> = seen
        .iter()
        .filter_map(|(mischief, seen)| seen.is_none().then_some(*mischief))
        .collect();
    assert!(
        unnoticed.is_empty(),
        "{unnoticed:?} go unnoticed in {WITHIN} histories"
    );
    let broken: BTreeSet<Rule> = seen.into_iter().filter_map(|(_, seen)| seen).collect();
    let unbroken: Vec<&Rule> = Rule::value_variants()
        .iter()
        .filter(|rule| !broken.contains(rule))
        .collect();
    assert!(unbroken.is_empty(), "no mischief shows as {unbroken:?}");
}
