//! The relay over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod asking;
mod attachments;
mod bundles;
mod classroom;
mod client;
mod core;
mod crowds;
mod damage;
mod driven;
mod durability;
mod erasing;
mod exchange;
mod extras;
mod fan_out;
mod files;
mod folds;
mod healing;
mod hostile;
mod kills;
mod limits;
mod refusals;
mod rights;
