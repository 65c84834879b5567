//! One member's copy of their classrooms.
//!
//! A [`Replica`] does no I/O. It is told what happened (a person's command, a message from the relay, a write that is
//! done, the time) and answers with what to do: what to store, send and show. So the same code runs in a browser's
//! worker, in native tests against a relay, and under a simulated clock.

pub mod command;
pub mod view;
