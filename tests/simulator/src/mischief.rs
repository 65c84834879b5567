//! Rules that are broken on purpose, one at a time, to show that a history in which one is broken does not pass.

use clap::ValueEnum;
use protocol::mischief::Mischief as Inside;

use crate::broken::Rule;
use crate::plan::Kind;

/// What is done wrong: around replicas and relays that do everything right, or inside of one.
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
    /// A relay loses the newest commits to a backup, and gives their positions out again.
    RelayGoesBack,
    /// A relay changes a byte of what it was given.
    RelayFlipsBit,
    /// A relay stores what lies beyond a cut-off.
    RelayIgnoresCutoffs,
    /// A relay stores what is written in a locked document or a closed classroom.
    RelayIgnoresLocks,
    /// A relay serves everyone's space to those who were removed, or left.
    RelayServesFormer,
    /// A relay throws away what a snapshot holds that nobody has confirmed.
    RelayDropsUnconfirmed,
    /// A relay leaves a log out when it says what it has.
    RelayListsLess,
    /// A disk loses the newest commit beneath a running relay.
    RelayLosesBeneath,
    /// A relay that everybody else has come to agree with gives a newcomer nothing.
    RelayStintsNewcomers,
    /// A device says that something is on its disk while it is not.
    DeviceLiesAboutDisk,
    /// A device reports a write that failed as done.
    DeviceHidesFailure,
    /// A device writes half of a batch when it crashes.
    DeviceTearsWrite,
    /// A device never says that a write is done.
    DeviceForgetsToSay,
    /// A device says that a write is done before it is.
    DeviceSaysDoneEarly,
    /// A device gives every tab the same random numbers: lanes, nonces and all.
    DeviceReusesLane,
    /// A device reads what was in its store a while ago.
    DeviceReadsOldRows,
    /// A device writes half of who this is.
    DeviceTearsProfile,
    /// A tab says of a deletion, a mark or a title that it is stored, and never told the replica.
    TabForgetsEdit,
    /// The same, and the tab is gone at once.
    TabForgetsLastEdit,
    /// When all have met, tabs show a title that they gave to no replica.
    TabsShowWhatIsNotStored,
    /// Members tell each other, and whoever has a link, all keys that they know.
    MembersShareKeys,
    /// A tab that has given a word to its replica gives it once more.
    TabWritesTwice,
    /// A replica sends a message without its end.
    ReplicaStammers,
    /// A replica panics at a message.
    ReplicaPanics,
    /// A replica answers a command twice.
    ReplicaAnswersTwice,
    /// A replica answers a command before its write is done.
    ReplicaAnswersEarly,
    /// A replica sends something before its write is done.
    ReplicaSendsEarly,
    /// A replica goes on in a log at an index that it has had.
    ReplicaReusesIndex,
    /// A replica writes as another, and others take it.
    ReplicaForgesActor,
    /// A replica throws away what it cannot apply.
    ReplicaForgetsAside,
    /// A replica leaves out a change of what it folds.
    ReplicaFoldsLess,
    /// A replica seals a new key to those whom it is to keep out.
    ReplicaKeepsRemovedIn,
}

impl Mischief {
    /// The promises that it breaks: one of these is expected to be seen broken.
    pub fn breaks(self) -> &'static [Rule] {
        match self {
            Self::RelayAcknowledgesEarly | Self::RelayHidesFailure => {
                &[Rule::ClaimsTruly, Rule::LosesNothing]
            }
            Self::TabForgetsEdit => &[Rule::ClaimsTruly],
            Self::TabForgetsLastEdit => &[Rule::LosesNothing],
            Self::TabsShowWhatIsNotStored => &[Rule::StoresWhatItShows],
            Self::RelaySwallowsMessage | Self::RelaySwapsMessages => {
                // What hangs is the point of it.
                &[
                    Rule::Agrees,
                    Rule::ComesToRest,
                    Rule::LosesNothing,
                    Rule::HasNothingToSend,
                ]
            }
            Self::RelayGoesBack => &[
                Rule::ClaimsTruly,
                Rule::Agrees,
                Rule::LosesNothing,
                Rule::ComesToRest,
            ],
            Self::RelayFlipsBit => &[Rule::KeepsAsideNothing],
            Self::RelayIgnoresCutoffs | Self::RelayIgnoresLocks => &[Rule::ObeysRoster],
            Self::RelayServesFormer => &[Rule::ShutsOut],
            Self::RelayListsLess => &[Rule::HasNothingToSend],
            Self::RelayLosesBeneath => &[Rule::IsItsLog],
            Self::RelayStintsNewcomers => &[Rule::Welcomes],
            Self::RelayDropsUnconfirmed => &[Rule::DropsNothing],
            Self::DeviceLiesAboutDisk => &[
                Rule::PersistsBeforePublishing,
                Rule::LosesNothing,
                Rule::StoresWhatItShows,
            ],
            Self::DeviceHidesFailure => &[
                Rule::PersistsBeforePublishing,
                Rule::LosesNothing,
                Rule::StoresWhatItShows,
                Rule::Agrees,
            ],
            Self::DeviceReadsOldRows => &[Rule::Agrees],
            Self::DeviceTearsProfile => &[Rule::Starts],
            Self::DeviceTearsWrite => &[
                Rule::LosesNothing,
                Rule::Agrees,
                Rule::ComesToRest,
                Rule::StoresWhatItShows,
            ],
            // That nothing is ever answered is the point of it.
            Self::DeviceForgetsToSay => &[Rule::ComesToRest],
            Self::DeviceSaysDoneEarly => &[Rule::WritesOnce],
            Self::DeviceReusesLane | Self::ReplicaReusesIndex => &[Rule::NeverForks],
            Self::TabWritesTwice => &[Rule::DoublesNothing],
            Self::ReplicaStammers => &[Rule::Speaks],
            Self::ReplicaPanics => &[Rule::Panics],
            Self::ReplicaAnswersTwice => &[Rule::AnswersOnce],
            Self::ReplicaAnswersEarly => &[Rule::PersistsBeforeAnswering],
            Self::ReplicaSendsEarly => &[Rule::PersistsBeforePublishing],
            Self::ReplicaForgesActor => &[Rule::SignsItsOwn],
            Self::ReplicaForgetsAside => &[Rule::Agrees, Rule::LosesNothing, Rule::Welcomes],
            Self::ReplicaFoldsLess => &[
                Rule::KeepsAsideNothing,
                Rule::Agrees,
                Rule::LosesNothing,
                Rule::StoresWhatItShows,
                Rule::Welcomes,
            ],
            Self::ReplicaKeepsRemovedIn | Self::MembersShareKeys => &[Rule::KeepsSecrets],
        }
    }

    /// The kind of histories in which it comes to bear.
    pub fn kind(self) -> Kind {
        match self {
            Self::RelayIgnoresCutoffs
            | Self::RelayIgnoresLocks
            | Self::RelayServesFormer
            | Self::MembersShareKeys
            | Self::ReplicaKeepsRemovedIn => Kind::Governed,
            Self::RelayDropsUnconfirmed => Kind::Condensed,
            _ => Kind::Plain,
        }
    }

    /// What is done wrong inside of replicas and relays.
    pub(crate) fn inside(self) -> Option<Inside> {
        Some(match self {
            Self::RelayIgnoresCutoffs => Inside::CutoffIgnored,
            Self::RelayIgnoresLocks => Inside::LockIgnored,
            Self::RelayServesFormer => Inside::FormerServed,
            Self::RelayDropsUnconfirmed => Inside::UnconfirmedDropped,
            Self::ReplicaAnswersEarly => Inside::AnswersEarly,
            Self::ReplicaSendsEarly => Inside::SendsEarly,
            Self::ReplicaReusesIndex => Inside::IndexReused,
            Self::ReplicaForgesActor => Inside::ActorIgnored,
            Self::ReplicaForgetsAside => Inside::AsideForgotten,
            Self::ReplicaFoldsLess => Inside::FoldLeavesOut,
            Self::ReplicaKeepsRemovedIn => Inside::RemovedKeptIn,
            _ => return None,
        })
    }
}
