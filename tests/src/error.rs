use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thirtyfour::error::WebDriverError;

/// Why a journey could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something that the journeys drive is not there.
    #[error("{} is missing: `cargo xtask test` builds it", .0.display())]
    NotBuilt(PathBuf),
    /// A program that has to be installed is not.
    #[error("`{0}` is not on the PATH: `cargo xtask test` says how to install it")]
    NotInstalled(&'static str),
    /// A program ended or fell silent before it was ready.
    #[error("{program} did not get ready: {problem}")]
    NotReady {
        /// The program.
        program: &'static str,
        /// What it did instead.
        problem: String,
    },
    /// A condition that was waited for did not come true.
    #[error("waited {} s in vain: {what}", waited.as_secs())]
    Waited {
        /// The condition.
        what: String,
        /// For how long.
        waited: Duration,
    },
    /// The app reported errors, or asked other hosts than its relay.
    #[error("the app reported {errors:#?} and asked for {requests:#?}")]
    Misbehaved {
        /// What stands in the console.
        errors: Vec<String>,
        /// Addresses elsewhere.
        requests: Vec<String>,
    },
    /// The Tab key does not lead there.
    #[error("the Tab key does not lead to {name:?}, only to {passed:?}")]
    NotReached {
        /// The name of what should get the focus.
        name: String,
        /// The names of what did.
        passed: Vec<String>,
    },
    /// A file, process or socket failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The failure.
        source: io::Error,
    },
    /// The browser refused a command.
    #[error(transparent)]
    Browser(#[from] Box<WebDriverError>),
    /// The browser's answer has not the form it should have.
    #[error("the browser answered `{method}` with something else than expected")]
    Answer {
        /// The command of the DevTools protocol.
        method: &'static str,
    },
}

impl Error {
    /// Says also what was there in place of what was waited for.
    pub fn instead(self, last: &str) -> Self {
        match self {
            Self::Waited { what, waited } => Self::Waited {
                what: format!("{what}; instead: {last:?}"),
                waited,
            },
            other => other,
        }
    }
}

impl From<WebDriverError> for Error {
    fn from(error: WebDriverError) -> Self {
        Self::Browser(Box::new(error))
    }
}

/// What the harness returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Says what was being done when it failed.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl Into<String>) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::Io {
            what: what.into(),
            source,
        })
    }
}
