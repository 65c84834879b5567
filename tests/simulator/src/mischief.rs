//! Rules that are broken on purpose, one at a time, to show that a history in which one is broken does not pass.

use clap::ValueEnum;

/// What is done wrong around replicas and relays that do everything right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Mischief {
    /// A relay acknowledges before the commit is on its disk, and a crash takes the newest commit back.
    RelayAcknowledgesEarly,
    /// A relay that could not store something says that it holds it.
    RelayHidesFailure,
    /// A relay, or something before it, swallows a message now and then.
    RelaySwallowsMessage,
    /// A relay, or something before it, swaps two messages.
    RelaySwapsMessages,
    /// A relay loses the newest commits to a backup and does not say that it is another one now.
    RelayGoesBack,
    /// A relay changes a byte of what it was given.
    RelayFlipsBit,
    /// A device says that something is on its disk while it is not.
    DeviceLiesAboutDisk,
    /// A device reports a write that failed as done.
    DeviceHidesFailure,
    /// A device writes half of a batch when it crashes.
    DeviceTearsWrite,
    /// A device never says that a write is done.
    DeviceForgetsToSay,
    /// A device gives every tab the same random numbers: lanes, nonces and all.
    DeviceReusesLane,
    /// A device reads what was in its store a while ago.
    DeviceReadsOldRows,
}
