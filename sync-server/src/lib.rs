//! The relay: stores and forwards sealed segments that it cannot read.
//!
//! [`relay::start`] runs one in this process; the program `sync-server` is a thin shell around it. An item travels:
//! connection (decode, cheap checks, signature) → writer (rights, order, one commit for all that queued up) →
//! classroom (the newest items, and who listens) → connections (each at its own position and pace).

mod classroom;
mod connection;
pub mod error;
mod http;
mod inbox;
mod origin;
mod places;
mod progress;
pub mod relay;
pub mod settings;
pub mod store;
mod writer;

pub use error::Error;
pub use relay::{Relay, start};
pub use settings::{Limits, Settings};
