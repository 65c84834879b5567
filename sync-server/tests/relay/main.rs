//! The relay over real sockets.

mod classroom;
mod client;
mod durability;
mod fan_out;
mod files;
mod refusals;
