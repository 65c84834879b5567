//! What every kind of document shares: an Automerge document that counts text in UTF-16 units, whose actor is given.

mod admission;
mod columns;
mod graph;

use std::collections::{BTreeMap, BTreeSet};

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, AutoCommit, Change, ChangeHash, LoadOptions, TextEncoding};

use admission::{Batch, History};

use crate::Error;
use crate::change::{self, ChunkKind, Hash};
use crate::fold::{self, Limits};

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
        let mut whole = Vec::new();
        for (chunk, kind) in change::chunks(bytes).map_err(|error| unreadable(&error))? {
            if kind == ChunkKind::Change {
                changes.push(chunk.to_vec());
                continue;
            }
            let options = LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
            let mut loaded =
                AutoCommit::load_with_options(chunk, options).map_err(|error| unreadable(&error))?;
            whole.push(chunk);
            if document.automerge.is_empty() {
                document.automerge = loaded.with_actor(ActorId::from(actor));
            } else {
                document.automerge.merge(&mut loaded)?;
            }
        }
        document.history = match whole[..] {
            [chunk] => History::of_saved(&mut document.automerge, chunk),
            _ => History::of(&mut document.automerge),
        };
        if let Some((_, error)) = document.apply_changes(&changes)?.refused.pop() {
            return Err(unreadable(&error));
        }
        Ok(document)
    }

    /// Whether bytes are what [`Document::save`] gave: their checksums say so. Loading them takes far longer.
    pub fn is_undamaged(saved: &[u8]) -> bool {
        change::chunks(saved).is_ok()
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
        self.commit_as(CommitOptions::default().with_time(time))
    }

    /// The same, with a note in the change for whoever looks for it: see [`Document::notes`].
    pub fn commit_with_note(&mut self, time: i64, note: String) -> Option<Vec<u8>> {
        self.commit_as(CommitOptions::default().with_time(time).with_message(note))
    }

    /// Commits a change that says this, even if nothing was edited.
    pub(crate) fn commit_note(&mut self, time: i64, note: String) -> Result<Vec<u8>, Error> {
        if let Some(change) = self.commit_with_note(time, note.clone()) {
            return Ok(change);
        }
        let options = CommitOptions::default().with_time(time).with_message(note);
        let hash = self.automerge.empty_change(options);
        self.committed_as(&hash).ok_or(Error::Absent)
    }

    fn commit_as(&mut self, options: CommitOptions) -> Option<Vec<u8>> {
        if !self.is_edited() {
            return None;
        }
        let hash = self.automerge.commit_with(options)?;
        self.committed_as(&hash)
    }

    fn committed_as(&mut self, hash: &ChangeHash) -> Option<Vec<u8>> {
        let mut change = self.automerge.get_change_by_hash(hash)?;
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

        let admitted = self.admit_waiting(&given)?;
        applied.refused.extend(admitted.refused);
        applied.dropped = admitted.dropped;
        Ok(applied)
    }

    /// Applies what waits no longer. `given` are the indices of those that came just now.
    fn admit_waiting(&mut self, given: &BTreeMap<ChangeHash, usize>) -> Result<Applied, Error> {
        let mut applied = Applied::default();
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

    /// The document without the `dead` changes and whatever depends on them, waiting or not, and those changes. It has the
    /// same actor: if that one's own changes are gone, give it another before it writes.
    ///
    /// # Errors
    /// [`Error::Uncommitted`], [`Error::Automerge`]
    pub fn without(&mut self, dead: &BTreeSet<Hash>) -> Result<(Document, Vec<Vec<u8>>), Error> {
        self.committed()?;
        let mut gone: BTreeSet<ChangeHash> = dead.iter().map(|hash| ChangeHash(hash.0)).collect();
        let mut removed = Vec::new();
        let mut kept = Vec::new();
        for mut change in self.automerge.get_changes(&[]) {
            if gone.contains(&change.hash()) || change.deps().iter().any(|hash| gone.contains(hash)) {
                gone.insert(change.hash());
                removed.push(change::shortest(&mut change));
            } else {
                kept.push(change);
            }
        }
        let mut without = Document::empty([0; 16]);
        without.automerge.set_actor(self.automerge.get_actor().clone());
        without.automerge.apply_changes(kept)?;
        without.history = History::of(&mut without.automerge);
        without.waiting = self.waiting.clone();
        loop {
            let mut on_gone = without.waiting.extract_if(.., |hash, change| {
                gone.contains(hash) || change.deps().iter().any(|hash| gone.contains(hash))
            });
            let Some((hash, mut change)) = on_gone.next() else {
                break;
            };
            gone.insert(hash);
            removed.push(change::shortest(&mut change));
        }
        Ok((without, removed))
    }

    /// The document as it was with these changes and those in their past; without any that is not here.
    ///
    /// # Errors
    /// [`Error::Uncommitted`], [`Error::Automerge`]
    pub(crate) fn at(&mut self, heads: &[Hash]) -> Result<Document, Error> {
        self.committed()?;
        let mut known = Vec::new();
        for head in heads {
            let hash = ChangeHash(head.0);
            if self.history.has(&hash) {
                known.push(hash);
            }
        }
        let mut then = Document::empty([0; 16]);
        then.automerge.merge(&mut self.automerge.fork_at(&known)?)?;
        then.history = History::of(&mut then.automerge);
        Ok(then)
    }

    /// Which of the `candidates` the other changes, applied or waiting, depend on, directly or through others.
    pub fn needed(&self, candidates: &BTreeSet<Hash>) -> BTreeSet<Hash> {
        let mut needed = BTreeSet::new();
        let mut next: Vec<Hash> = Vec::new();
        let is_candidate = |hash: &ChangeHash| candidates.contains(&Hash::from(*hash));
        let others = self.waiting.iter().filter(|(hash, _)| !is_candidate(hash));
        next.extend(others.flat_map(|(_, change)| change.deps().iter().copied().map(Hash::from)));
        let mut wanted = BTreeSet::new();
        while let Some(hash) = next.pop() {
            if wanted.insert(hash)
                && let Some(change) = self.waiting.get(&ChangeHash(hash.0))
            {
                next.extend(change.deps().iter().copied().map(Hash::from));
            }
        }
        needed.extend(wanted.iter().filter(|hash| candidates.contains(hash)).copied());
        self.history.graph.walk_back(|change, is_wanted| {
            let hash = Hash::from(*change);
            let is_candidate = candidates.contains(&hash);
            if is_candidate && (is_wanted || wanted.contains(&hash)) {
                needed.insert(hash);
            }
            !is_candidate || needed.contains(&hash)
        });
        needed
    }

    /// Whether whoever has `their_heads` has the change `mine`; none if that can't be told, because heads of theirs, or
    /// `mine`, are not here.
    pub fn has_seen(&self, their_heads: &[Hash], mine: &Hash) -> Option<bool> {
        let heads: Vec<ChangeHash> = their_heads.iter().map(|hash| ChangeHash(hash.0)).collect();
        self.history.graph.is_in_past(&ChangeHash(mine.0), &heads)
    }

    /// Whether whoever has `their_heads` has all of `mine`, as far as is known here.
    pub fn has_all(&self, their_heads: &[Hash], mine: &[Hash]) -> bool {
        let mut left: BTreeSet<Hash> = mine.iter().copied().collect();
        self.history.graph.walk_back(|change, is_wanted| {
            let hash = Hash::from(*change);
            let has = is_wanted || their_heads.contains(&hash);
            if has {
                left.remove(&hash);
            }
            has
        });
        left.is_empty()
    }

    /// Whether a change is here, and waits for no other.
    pub(crate) fn has(&self, change: &Hash) -> bool {
        self.history.has(&ChangeHash(change.0))
    }

    /// The last change of an actor.
    pub fn last_of(&self, actor: Actor) -> Option<Hash> {
        self.history.last_of(&ActorId::from(actor)).map(Hash::from)
    }

    /// How many changes are here, with those that wait for others.
    pub fn count(&self) -> usize {
        self.history.graph.len() + self.waiting.len()
    }

    /// The hashes of the newest changes that were committed.
    pub fn newest(&self) -> Vec<Hash> {
        self.history.graph.heads().into_iter().map(Hash::from).collect()
    }

    /// The whole document with its history, and the changes that wait for others, in a form that others can open with
    /// [`Document::load_foreign`]: a [`fold`].
    ///
    /// # Errors
    /// [`Error::Uncommitted`]; [`Error::TooMuch`] beyond [`Limits::SNAPSHOT`]
    pub fn snapshot(&mut self) -> Result<Vec<u8>, Error> {
        self.committed()?;
        let mut changes = self.automerge.get_changes(&[]);
        changes.extend(self.waiting.values().cloned());
        fold::pack(&changes, Limits::SNAPSHOT)
    }

    /// Opens what [`Document::snapshot`] gave somebody. Safe for any bytes: each change is looked at like one that arrived
    /// by itself, and nothing grows beyond the limits.
    ///
    /// # Errors
    /// [`Error::Fold`], [`Error::Change`], [`Error::TooMuch`]; [`Error::Unfitting`] if there is a change that does not fit.
    pub fn load_foreign(bytes: &[u8], limits: Limits, actor: Actor) -> Result<Document, Error> {
        let mut document = Document::empty(actor);
        for change in fold::unpack(bytes, limits)? {
            document.waiting.insert(change.hash(), change);
        }
        match document.admit_waiting(&BTreeMap::new())?.dropped.pop() {
            Some((_, error)) => Err(error),
            None => Ok(document),
        }
    }

    /// Whether all changes are of these actors.
    pub fn is_only_of(&self, actors: &BTreeSet<Actor>) -> bool {
        let is_one =
            |actor: &ActorId| Actor::try_from(actor.to_bytes()).is_ok_and(|actor| actors.contains(&actor));
        self.history.actors().all(is_one) && self.waiting.values().all(|change| is_one(change.actor_id()))
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

    /// The notes in changes, each with its change and the actor of that.
    ///
    /// # Errors
    /// [`Error::Uncommitted`]
    pub fn notes(&mut self) -> Result<Vec<(Hash, Vec<u8>, String)>, Error> {
        self.committed()?;
        let mut notes = Vec::new();
        for change in self.automerge.get_changes(&[]) {
            if let Some(note) = change.message() {
                let actor = change.actor_id().to_bytes().to_vec();
                notes.push((change.hash().into(), actor, note.to_owned()));
            }
        }
        Ok(notes)
    }

    /// The changes that wait for others.
    pub fn waiting(&self) -> Vec<&[u8]> {
        self.waiting.values().map(Change::raw_bytes).collect()
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
