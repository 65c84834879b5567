//! What a tab sends its worker, in postcard. What comes back is [`replica::view::Update`].

use replica::command::Command;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToWorker {
    /// A command, and the number that its answer will carry.
    Command(u32, Command),
    /// The browser says that the network is there, or is gone.
    Network(bool),
    /// The tab is about to go away.
    Closing,
}
