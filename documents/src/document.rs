//! What every kind of document shares: an Automerge document that counts text in UTF-16 units, whose actor is given.

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, AutoCommit, ChangeHash, LoadOptions, TextEncoding};

use crate::Error;
use crate::change::{self, Hash};

/// The actor a lane writes a document with.
pub type Actor = [u8; 16];

/// An Automerge document of any kind.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) automerge: AutoCommit,
}

/// What became of a batch of changes.
#[derive(Debug, Default)]
pub struct Applied {
    /// Which of the given changes were refused, by their index, and why. The others are taken in, or wait for what they depend on.
    pub refused: Vec<(usize, Error)>,
}

impl Document {
    /// A document without any change.
    pub fn empty(actor: Actor) -> Document {
        let automerge =
            AutoCommit::new_with_encoding(TextEncoding::Utf16CodeUnit).with_actor(ActorId::from(actor));
        Document { automerge }
    }

    /// Opens what [`Document::save`] gave.
    ///
    /// # Errors
    /// [`Error::Load`] if the bytes are anything else.
    pub fn load(bytes: &[u8], actor: Actor) -> Result<Document, Error> {
        if bytes.is_empty() {
            return Ok(Document::empty(actor));
        }
        let options = LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
        let automerge =
            AutoCommit::load_with_options(bytes, options).map_err(|error| Error::Load(error.to_string()))?;
        Ok(Document {
            automerge: automerge.with_actor(ActorId::from(actor)),
        })
    }

    /// The whole document with its history, and the changes that wait for others.
    ///
    /// # Errors
    /// [`Error::Uncommitted`]
    pub fn save(&mut self) -> Result<Vec<u8>, Error> {
        self.committed()?;
        Ok(self.automerge.save())
    }

    /// Writes with another actor from now on.
    ///
    /// # Errors
    /// [`Error::Uncommitted`]
    pub fn set_actor(&mut self, actor: Actor) -> Result<(), Error> {
        self.committed()?;
        self.automerge.set_actor(ActorId::from(actor));
        Ok(())
    }

    /// Whether there are edits that no change holds yet.
    pub fn is_edited(&self) -> bool {
        self.automerge.pending_ops() > 0
    }

    /// Makes one change of the edits since the last commit and returns its bytes; none if there was no edit.
    /// `time` is in seconds since 1970 and only ever shown, never decided upon.
    pub fn commit(&mut self, time: i64) -> Option<Vec<u8>> {
        if !self.is_edited() {
            return None;
        }
        let hash = self
            .automerge
            .commit_with(CommitOptions::default().with_time(time))?;
        let mut change = self.automerge.get_change_by_hash(&hash)?;
        Some(change::shortest(&mut change))
    }

    /// Takes changes in, in any order, known or not. Those whose dependencies are missing wait for them.
    ///
    /// # Errors
    /// [`Error::Uncommitted`]. A change that is malformed or does not fit is refused alone, see [`Applied`].
    pub fn apply_changes(&mut self, changes: &[Vec<u8>]) -> Result<Applied, Error> {
        self.committed()?;
        let mut applied = Applied::default();
        for (index, bytes) in changes.iter().enumerate() {
            match change::decode(bytes) {
                Ok(change) => {
                    if let Err(error) = self.automerge.apply_changes([change]) {
                        applied.refused.push((index, error.into()));
                    }
                }
                Err(error) => applied.refused.push((index, error)),
            }
        }
        Ok(applied)
    }

    /// The hashes of the newest changes.
    ///
    /// # Errors
    /// [`Error::Uncommitted`]
    pub fn heads(&mut self) -> Result<Vec<Hash>, Error> {
        self.committed()?;
        Ok(self.automerge.get_heads().into_iter().map(Hash::from).collect())
    }

    /// Every change that is not in the past of `heads`, each after those it depends on. Unknown heads are passed over.
    ///
    /// # Errors
    /// [`Error::Uncommitted`]
    pub fn changes_since(&mut self, heads: &[Hash]) -> Result<Vec<Vec<u8>>, Error> {
        self.committed()?;
        let heads: Vec<ChangeHash> = heads.iter().map(|hash| ChangeHash(hash.0)).collect();
        Ok(self
            .automerge
            .get_changes(&heads)
            .iter_mut()
            .map(change::shortest)
            .collect())
    }

    /// The changes that others wait for.
    ///
    /// # Errors
    /// [`Error::Uncommitted`]
    pub fn missing_dependencies(&mut self) -> Result<Vec<Hash>, Error> {
        self.committed()?;
        Ok(self
            .automerge
            .get_missing_deps(&[])
            .into_iter()
            .map(Hash::from)
            .collect())
    }

    /// Automerge commits silently, with no time, whenever it must; a change that nobody sends would be lost work.
    pub(crate) fn committed(&self) -> Result<(), Error> {
        if self.is_edited() {
            Err(Error::Uncommitted)
        } else {
            Ok(())
        }
    }
}
