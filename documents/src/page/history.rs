//! What a page was: its sessions of work, any two of its versions side by side, and the way back.
//!
//! A version is named by heads: the changes after which it was. What is read here is read from the whole history, so a page whose history
//! was left behind (a page that was started anew) begins with its first change.

mod back;
mod compare;
mod elements;
mod names;
mod sessions;

pub use back::Undoing;
pub use compare::{Compared, Fate, Piece};
pub use names::NamedVersion;
pub use sessions::{Session, Share};

use automerge::{ChangeHash, ObjId, ObjType, ROOT, ReadDoc, Value};

use super::{Page, TEXT, TITLE};
use crate::Error;
use crate::change::Hash;

/// Whether what a key at the root holds says something of changes, and nothing without them.
pub(crate) fn is_of_changes(key: &str) -> bool {
    key.starts_with(names::VERSION) || key.starts_with(back::UNDONE)
}

impl Page {
    /// Who changed the page since a version, who did most first: actors of Automerge.
    ///
    /// # Errors
    /// [`Error::Uncommitted`]; [`Error::Absent`] if not all of that version is here
    pub fn changed_since(&mut self, version: &[Hash]) -> Result<Vec<Share>, Error> {
        self.document.committed()?;
        let heads = self.known(version)?;
        let changes = self.document.automerge.get_changes_meta(&heads);
        Ok(sessions::shares(changes.iter().map(|change| {
            let operations = (change.max_op + 1).saturating_sub(change.start_op);
            (change.actor.to_bytes(), operations)
        })))
    }

    /// Whether all these changes are here.
    pub fn knows(&self, version: &[Hash]) -> bool {
        version.iter().all(|hash| self.document.has(hash))
    }

    /// The title that a version had.
    ///
    /// # Errors
    /// [`Error::Absent`] if not all of it is here; [`Error::Automerge`]
    pub fn title_at(&self, version: &[Hash]) -> Result<String, Error> {
        let heads = self.known(version)?;
        if heads.is_empty() {
            return Ok(String::new());
        }
        let automerge = &self.document.automerge;
        Ok(match automerge.get_at(ROOT, TITLE, &heads)? {
            Some((_, title)) => automerge.text_at(title, &heads).unwrap_or_default(),
            None => String::new(),
        })
    }

    /// The heads of a version. Without one of them it would be another version.
    fn known(&self, version: &[Hash]) -> Result<Vec<ChangeHash>, Error> {
        if !self.knows(version) {
            return Err(Error::Absent);
        }
        Ok(version.iter().map(|hash| ChangeHash(hash.0)).collect())
    }

    /// The text that a version had: another program may have put a new one in its place since.
    fn text_of(&self, heads: &[ChangeHash]) -> Result<Option<ObjId>, Error> {
        Ok(match self.document.automerge.get_at(ROOT, TEXT, heads)? {
            Some((Value::Object(ObjType::Text), text)) => Some(text),
            _ => None,
        })
    }
}
