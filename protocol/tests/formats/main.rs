//! What the byte formats promise: old bytes stay readable, hostile bytes do no harm, nothing can be passed off as
//! something else, and every replica reads one roster out of the same entries.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod acts;
mod apart;
mod attachments;
mod bundles;
mod class;
mod decoders;
mod example;
mod fuzz;
mod golden;
mod histories;
mod hostile;
mod items;
mod keys;
mod rights;
mod roster;
mod seals;
mod second_reader;
mod size;
mod snapshots;
mod wire;
