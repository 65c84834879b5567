use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// Why a task stopped. The message is all a person sees, so it says what to do where that is known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("can't start `{program}`: {source}")]
    Start { program: String, source: io::Error },
    #[error("`{command}` failed ({status})")]
    Failed { command: String, status: ExitStatus },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{0}")]
    Missing(String),
    #[error("{} is not as expected: {problem}", path.display())]
    Unexpected { path: PathBuf, problem: String },
    #[error("can't write JSON: {0}")]
    Json(#[from] serde_json::Error),
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Names the file in the error of an operation on it.
pub(crate) trait AtPath<T> {
    fn at(self, path: &Path) -> Result<T>;
}

impl<T> AtPath<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T> {
        self.map_err(|source| Error::File {
            path: path.to_owned(),
            source,
        })
    }
}
