//! Replicas against a relay in this process: over real sockets, with stores that crash, tabs, clones and cuts.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod anew;
mod aside;
mod asking;
mod authors;
mod bundles;
mod cutoffs;
mod damage;
mod exchange;
mod faults;
mod folding;
mod forks;
mod healing;
mod hostile;
mod journey;
mod kept;
mod late;
mod late_keys;
mod long;
mod members;
mod presence;
mod random;
mod receipts;
mod rng;
mod script;
mod second_reader;
mod snapshots;
mod staff;
mod store;
mod tab;
mod tabs;
mod turned_away;
mod unsealed;
mod world;
mod written;
