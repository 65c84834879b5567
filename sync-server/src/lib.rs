//! The relay: stores and forwards sealed segments that it cannot read.
//!
//! [`relay::start`] runs one in this process; the program `sync-server` is a thin shell around it. An item travels:
//! receiver (cheap checks, signature) → batch (rights, order, one commit for all that queued up) → classroom (the newest
//! items, and who listens) → senders (each at its own position and pace). All these are in [`core`], which knows nothing of
//! sockets, threads and clocks; the other modules bring those.

mod attachments;
pub mod bundle;
mod clock;
mod connection;
pub mod core;
pub mod error;
mod exchange;
mod housekeeping;
mod http;
mod origin;
mod places;
mod progress;
pub mod relay;
pub mod settings;
pub mod store;
mod turning_away;
mod turns;
mod writer;

pub use error::Error;
pub use relay::{Relay, start};
pub use settings::{Limits, Rate, Settings};
