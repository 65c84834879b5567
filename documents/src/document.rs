//! What every kind of document shares: an Automerge document that counts text in UTF-16 units, whose actor is given.

mod admission;

use std::collections::{BTreeMap, BTreeSet};

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, AutoCommit, Change, ChangeHash, LoadOptions, TextEncoding};

use admission::{Batch, History};

use crate::Error;
use crate::change::{self, ChunkKind, Hash};

/// The actor a lane writes a document with.
pub type Actor = [u8; 16];

/// An Automerge document of any kind.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) automerge: AutoCommit,
    pub(crate) history: History,
    /// Changes whose dependencies are not all here.
    waiting: BTreeMap<ChangeHash, Change>,
}

/// What became of a batch of changes.
#[derive(Debug, Default)]
pub struct Applied {
    /// Which of the given changes were refused, by their index, and why. The others are taken in, or wait for what they
    /// depend on.
    pub refused: Vec<(usize, Error)>,
    /// Changes that waited since an earlier batch and turned out not to fit.
    pub dropped: Vec<(Vec<u8>, Error)>,
}

impl Document {
    /// A document without any change.
    pub fn empty(actor: Actor) -> Document {
        let automerge = AutoCommit::new_with_encoding(TextEncoding::Utf16CodeUnit);
        Document {
            automerge: automerge.with_actor(ActorId::from(actor)),
            history: History::default(),
            waiting: BTreeMap::new(),
        }
    }

    /// Opens what [`Document::save`] gave, or what another program on Automerge saved. Not for bytes that a stranger made
    /// up: Automerge believes what it loads.
    ///
    /// # Errors
    /// [`Error::Load`] if the bytes are anything else.
    pub fn load(bytes: &[u8], actor: Actor) -> Result<Document, Error> {
        let unreadable = |error: &dyn std::error::Error| Error::Load(error.to_string());
        let mut document = Document::empty(actor);
        let mut changes = Vec::new();
        for (chunk, kind) in change::chunks(bytes).map_err(|error| unreadable(&error))? {
            if kind == ChunkKind::Change {
                changes.push(chunk.to_vec());
                continue;
            }
            let options = LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
            let mut loaded =
                AutoCommit::load_with_options(chunk, options).map_err(|error| unreadable(&error))?;
            if document.automerge.is_empty() {
                document.automerge = loaded.with_actor(ActorId::from(actor));
            } else {
                document.automerge.merge(&mut loaded)?;
            }
        }
        document.history = History::of(&mut document.automerge);
        if let Some((_, error)) = document.apply_changes(&changes)?.refused.pop() {
            return Err(unreadable(&error));
        }
        Ok(document)
    }

    /// A document of changes that were already in another one.
    pub(crate) fn of(changes: Vec<Change>, actor: Actor) -> Result<Document, Error> {
        let mut document = Document::empty(actor);
        document.automerge.apply_changes(changes)?;
        document.history = History::of(&mut document.automerge);
        Ok(document)
    }

    /// The whole document with its history, and the changes that wait for others.
    ///
    /// # Errors
    /// [`Error::Uncommitted`]
    pub fn save(&mut self) -> Result<Vec<u8>, Error> {
        self.committed()?;
        let mut saved = self.automerge.save();
        for change in self.waiting.values() {
            saved.extend_from_slice(change.raw_bytes());
        }
        Ok(saved)
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
        self.history.add(&change);
        Some(change::shortest(&mut change))
    }

    /// Takes changes in, in any order, known or not. Those whose dependencies are missing wait for them.
    ///
    /// # Errors
    /// [`Error::Uncommitted`]. A change that is malformed or does not fit is refused alone, see [`Applied`].
    pub fn apply_changes(&mut self, changes: &[Vec<u8>]) -> Result<Applied, Error> {
        self.committed()?;
        let mut applied = Applied::default();
        let mut given = BTreeMap::new();
        for (index, bytes) in changes.iter().enumerate() {
            match change::decode(bytes) {
                Ok(change) => {
                    let hash = change.hash();
                    if !self.history.has(&hash) && !self.waiting.contains_key(&hash) {
                        given.insert(hash, index);
                        self.waiting.insert(hash, change);
                    }
                }
                Err(error) => applied.refused.push((index, error)),
            }
        }

        let mut batch = Batch::new(&self.automerge);
        let mut admitted = Vec::new();
        for change in ready(&mut self.waiting, &self.history) {
            let hash = change.hash();
            match batch.admit(&change, &mut self.history) {
                Ok(()) => admitted.push(change),
                Err(error) => match given.get(&hash) {
                    Some(index) => applied.refused.push((*index, error)),
                    None => applied.dropped.push((change.raw_bytes().to_vec(), error)),
                },
            }
        }
        if !admitted.is_empty() {
            self.automerge.apply_changes(admitted)?;
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

    /// The changes that waiting ones depend on and that are not here.
    pub fn missing_dependencies(&self) -> Vec<Hash> {
        let needed: BTreeSet<&ChangeHash> = self.waiting.values().flat_map(Change::deps).collect();
        let here = |hash: &ChangeHash| self.history.has(hash) || self.waiting.contains_key(hash);
        needed
            .into_iter()
            .filter(|hash| !here(hash))
            .copied()
            .map(Hash::from)
            .collect()
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

/// Takes those changes out of the waiting ones whose dependencies are all in the history or before them in the result.
fn ready(waiting: &mut BTreeMap<ChangeHash, Change>, history: &History) -> Vec<Change> {
    let mut followers: BTreeMap<ChangeHash, Vec<ChangeHash>> = BTreeMap::new();
    let mut missing: BTreeMap<ChangeHash, usize> = BTreeMap::new();
    let mut next = Vec::new();
    for (hash, change) in waiting.iter() {
        let absent: BTreeSet<&ChangeHash> = change
            .deps()
            .iter()
            .filter(|dependency| !history.has(dependency))
            .collect();
        if absent.is_empty() {
            next.push(*hash);
        }
        missing.insert(*hash, absent.len());
        for dependency in absent {
            followers.entry(*dependency).or_default().push(*hash);
        }
    }
    let mut ready = Vec::new();
    while let Some(hash) = next.pop() {
        ready.extend(waiting.remove(&hash));
        for follower in followers.remove(&hash).unwrap_or_default() {
            if let Some(left) = missing.get_mut(&follower) {
                *left -= 1;
                if *left == 0 {
                    next.push(follower);
                }
            }
        }
    }
    ready
}
