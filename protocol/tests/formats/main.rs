//! What the byte formats promise: old bytes stay readable, hostile bytes do no harm, nothing can be passed off as
//! something else, and every replica reads one roster out of the same entries.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bundles;
mod decoders;
mod example;
mod fuzz;
mod golden;
mod items;
mod roster;
mod seals;
mod second_reader;
mod size;
mod snapshots;
mod wire;
