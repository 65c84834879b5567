//! What must hold, and how it is told that it does not.

use std::fmt::{self, Display, Formatter};

use clap::ValueEnum;

/// A promise of Meridian that a history broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub rule: Rule,
    /// What exactly was seen.
    pub what: String,
}

/// See the sentences at [`Rule::sentence`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Rule {
    Panics,
    Starts,
    PersistsBeforePublishing,
    PersistsBeforeAnswering,
    AnswersOnce,
    WritesOnce,
    ClaimsTruly,
    NeverForks,
    ComesToRest,
    Agrees,
    LosesNothing,
    DoublesNothing,
    KeepsAsideNothing,
    StoresWhatItShows,
    HasNothingToSend,
    IsItsLog,
    DropsNothing,
    ObeysRoster,
    SignsItsOwn,
    KeepsSecrets,
    ShutsOut,
    Welcomes,
    Speaks,
}

impl Rule {
    /// The promise in words.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Panics => "no input and no order of events makes a replica or a relay panic",
            Self::Starts => "a replica starts from whatever a crash left in its store",
            Self::PersistsBeforePublishing => "nothing is sent that a crash could take back",
            Self::PersistsBeforeAnswering => "no command is answered before its write is done",
            Self::AnswersOnce => "each command is answered exactly once",
            Self::WritesOnce => "a tab has one write under way at most",
            Self::ClaimsTruly => "what is shown as being on the relay is stored there",
            Self::NeverForks => "no index of a log ever holds two different segments",
            Self::ComesToRest => "when everybody is online, all work comes to be on the relay",
            Self::Agrees => "all members of a classroom come to hold equal documents and rosters",
            Self::LosesNothing => {
                "an edit that was answered is in the documents, or kept aside; what was attached opens"
            }
            Self::DoublesNothing => "no edit is there twice",
            Self::KeepsAsideNothing => "nothing is kept aside that could be applied",
            Self::StoresWhatItShows => "the stores give what the screens showed",
            Self::HasNothingToSend => "after all have met, a fresh connection finds nothing to send",
            Self::IsItsLog => "a relay's state is what its log says",
            Self::KeepsSecrets => "nobody outside a space opens what is written in it",
            Self::DropsNothing => "a relay throws away only what a confirmed snapshot holds",
            Self::ObeysRoster => "a relay stores of its author only what they have the right to",
            Self::SignsItsOwn => "what is shown of a member they have signed",
            Self::ShutsOut => "whoever was removed, or left, gets the roster and nothing else",
            Self::Welcomes => "a newcomer gets everything from the relay alone",
            Self::Speaks => "what a replica sends and shows is well formed",
        }
    }

    pub(crate) fn broken<T>(self, what: impl Into<String>) -> Result<T, Broken> {
        Err(Broken {
            rule: self,
            what: what.into(),
        })
    }

    /// That something went well.
    pub(crate) fn check<T, E: Display>(self, result: Result<T, E>) -> Result<T, Broken> {
        result.or_else(|error| self.broken(error.to_string()))
    }

    pub(crate) fn holds(self, holds: bool, what: impl FnOnce() -> String) -> Result<(), Broken> {
        if holds { Ok(()) } else { self.broken(what()) }
    }
}

impl Display for Broken {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:?} ({}): {}",
            self.rule,
            self.rule.sentence(),
            self.what
        )
    }
}

impl std::error::Error for Broken {}
