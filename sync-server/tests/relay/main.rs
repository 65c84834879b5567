//! The relay over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod classroom;
mod client;
mod core;
mod durability;
mod fan_out;
mod files;
mod refusals;
