//! The roster: the signed, cleartext log of who belongs, with which role, and which keys were handed to whom.
//!
//! Entries form a DAG: each names its parents. What an entry may do is judged by its past alone (the entries it
//! descends from), so every replica and the relay come to the same result in any order of arrival.

pub mod entry;

use std::collections::{BTreeMap, BTreeSet};

pub use entry::{Action, Entry, Role};

use crate::key::SealedKey;
use crate::{ClassroomId, DocumentId, EntryHash, Error, ExchangeKey, InviteKey, MemberId, SchoolId};

/// The most heads that an entry or a segment names.
pub const MAX_HEADS: usize = 32;

/// A classroom's roster, evaluated.
#[derive(Debug, Clone)]
pub struct Roster {
    classroom: ClassroomId,
    document: DocumentId,
    entries: BTreeMap<EntryHash, Entry>,
    heads: BTreeSet<EntryHash>,
    /// For each member the entry that admitted them.
    admissions: BTreeMap<MemberId, EntryHash>,
    invites: BTreeMap<InviteKey, EntryHash>,
}

/// What an entry did to the roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    New,
    Known,
}

/// Somebody who belongs to the classroom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub id: MemberId,
    pub role: Role,
    pub school: SchoolId,
    pub exchange: ExchangeKey,
    pub admitted_by: EntryHash,
}

/// An invite that somebody may still hold a link to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invite<'a> {
    pub entry: EntryHash,
    pub role: Role,
    pub uses: u32,
    /// Seconds since 1970; the relay enforces it.
    pub expires: u64,
    pub exchange: ExchangeKey,
    pub keys: &'a [SealedKey],
}

impl Roster {
    /// Starts from the founding entry, whose hash is the classroom's id.
    pub fn found(entry: Entry) -> Result<Self, Error> {
        let Action::Found { document, .. } = entry.action() else {
            return Err(Error::Malformed("founding entry"));
        };
        let document = *document;
        if !entry.parents().is_empty() || entry.classroom().is_some() {
            return Err(Error::Malformed("founding entry"));
        }
        let keys = entry.action().keys();
        let mut epochs = BTreeSet::new();
        if !keys.iter().all(|key| epochs.insert((key.space, key.epoch))) {
            return Err(Error::Malformed("founding entry"));
        }
        entry.verify()?;
        let hash = entry.hash();
        Ok(Self {
            classroom: ClassroomId(hash.0),
            document,
            heads: BTreeSet::from([hash]),
            admissions: BTreeMap::from([(entry.author(), hash)]),
            invites: BTreeMap::new(),
            entries: BTreeMap::from([(hash, entry)]),
        })
    }

    /// Takes an entry, after checking its signature, its parents and its author's right.
    ///
    /// # Errors
    /// [`Error::MissingParent`] if it came too early: try again when more entries are here.
    /// [`Error::BadSignature`], [`Error::NotAllowed`] or [`Error::Malformed`] if it never counts.
    pub fn add(&mut self, entry: Entry) -> Result<Added, Error> {
        let hash = entry.hash();
        if self.entries.contains_key(&hash) {
            return Ok(Added::Known);
        }
        if entry.classroom() != Some(self.classroom) || entry.parents().is_empty() {
            return Err(Error::Malformed("roster entry of this classroom"));
        }
        if let Some(&missing) = entry
            .parents()
            .iter()
            .find(|parent| !self.entries.contains_key(parent))
        {
            return Err(Error::MissingParent(missing));
        }
        entry.verify()?;
        self.check_right(&entry)?;
        self.check_keys(&entry)?;
        for parent in entry.parents() {
            self.heads.remove(parent);
        }
        self.heads.insert(hash);
        match entry.action() {
            Action::Invite { key, .. } => {
                // Only who holds the secret can use a key twice; it then names the invite with the smaller hash, in
                // any order of arrival.
                let standing = self.invites.entry(*key).or_insert(hash);
                *standing = hash.min(*standing);
            }
            Action::Admit { .. } => {
                let author = entry.author();
                self.entries.insert(hash, entry);
                // Of two concurrent admissions the higher role counts, then the smaller hash.
                let standing = self.admissions.get(&author).copied();
                if standing.is_none_or(|other| self.admission_rank(hash) < self.admission_rank(other)) {
                    self.admissions.insert(author, hash);
                }
                return Ok(Added::New);
            }
            Action::Found { .. } => {}
        }
        self.entries.insert(hash, entry);
        Ok(Added::New)
    }

    pub fn classroom(&self) -> ClassroomId {
        self.classroom
    }

    /// The classroom's own document: its name, schools, profiles and list of documents.
    pub fn document(&self) -> DocumentId {
        self.document
    }

    pub fn entry(&self, hash: &EntryHash) -> Option<&Entry> {
        self.entries.get(hash)
    }

    /// All entries, parents before children.
    pub fn entries_in_order(&self) -> Vec<&Entry> {
        let mut done = BTreeSet::new();
        let mut ordered = Vec::with_capacity(self.entries.len());
        let mut stack: Vec<EntryHash> = self.heads.iter().copied().collect();
        while let Some(&hash) = stack.last() {
            let Some(entry) = self.entries.get(&hash).filter(|_| !done.contains(&hash)) else {
                stack.pop();
                continue;
            };
            let open: Vec<_> = entry
                .parents()
                .iter()
                .filter(|parent| !done.contains(*parent))
                .collect();
            if open.is_empty() {
                done.insert(hash);
                ordered.push(entry);
                stack.pop();
            } else {
                stack.extend(open);
            }
        }
        ordered
    }

    pub fn heads(&self) -> impl Iterator<Item = &EntryHash> {
        self.heads.iter()
    }

    /// The heads that a new entry or segment of `author` names: at most [`MAX_HEADS`], and among them one that
    /// descends from the author's admission.
    pub fn heads_for(&self, author: &MemberId) -> Vec<EntryHash> {
        let founding = EntryHash(self.classroom.0);
        self.heads_after(self.admissions.get(author).unwrap_or(&founding))
    }

    /// At most [`MAX_HEADS`] heads, and among them one that descends from `entry`: what somebody names who joins by
    /// the invite that `entry` made.
    pub fn heads_after(&self, entry: &EntryHash) -> Vec<EntryHash> {
        let mut heads: Vec<EntryHash> = self.heads.iter().copied().collect();
        if heads.len() > MAX_HEADS {
            heads.sort_by_cached_key(|head| !self.past(&[*head]).contains(entry));
            heads.truncate(MAX_HEADS);
            heads.sort_unstable();
        }
        heads
    }

    pub fn member(&self, id: &MemberId) -> Option<Member> {
        self.admissions.get(id).and_then(|entry| self.admitted(entry))
    }

    /// All members, in the order of their keys.
    pub fn members(&self) -> impl Iterator<Item = Member> {
        self.admissions.values().filter_map(|entry| self.admitted(entry))
    }

    /// The role `member` had for somebody who knew `heads`; `None` also if a head is unknown here.
    pub fn role_at(&self, member: &MemberId, heads: &[EntryHash]) -> Option<Role> {
        if heads.is_empty() || heads.iter().any(|head| !self.entries.contains_key(head)) {
            return None;
        }
        self.member_in(member, &self.past(heads))
            .map(|member| member.role)
    }

    pub fn knows(&self, entries: &[EntryHash]) -> bool {
        entries.iter().all(|entry| self.entries.contains_key(entry))
    }

    pub fn invite(&self, key: &InviteKey) -> Option<Invite<'_>> {
        let hash = self.invites.get(key)?;
        match self.entries.get(hash)?.action() {
            Action::Invite {
                role,
                uses,
                expires,
                exchange,
                keys,
                ..
            } => Some(Invite {
                entry: *hash,
                role: *role,
                uses: *uses,
                expires: *expires,
                exchange: *exchange,
                keys,
            }),
            _ => None,
        }
    }

    /// How many members came by the invite that `entry` made.
    pub fn uses_of(&self, entry: &EntryHash) -> usize {
        self.entries
            .values()
            .filter(|other| matches!(other.action(), Action::Admit { invite, .. } if invite == entry))
            .count()
    }

    /// The epoch keys that were sealed to a member when they were admitted.
    pub fn keys_of(&self, member: &MemberId) -> &[SealedKey] {
        match self
            .admissions
            .get(member)
            .and_then(|entry| self.entries.get(entry))
            .map(Entry::action)
        {
            Some(Action::Found { keys, .. } | Action::Admit { keys, .. }) => keys,
            _ => &[],
        }
    }

    /// Members who were handed different keys for one epoch would read the same segments differently.
    fn check_keys(&self, entry: &Entry) -> Result<(), Error> {
        let stated = self
            .entries
            .get(&EntryHash(self.classroom.0))
            .map_or(&[][..], |founding| founding.action().keys());
        let mut keys = entry.action().keys().iter();
        if keys.all(|key| stated.iter().any(|other| other.states_same(key))) {
            Ok(())
        } else {
            Err(Error::NotAllowed("hand on a key that the space does not have"))
        }
    }

    fn check_right(&self, entry: &Entry) -> Result<(), Error> {
        let past = self.past(entry.parents());
        match entry.action() {
            Action::Found { .. } => Err(Error::NotAllowed("found a classroom twice")),
            Action::Invite {
                key,
                exchange,
                role,
                proof,
                ..
            } => {
                let author = self
                    .member_in(&entry.author(), &past)
                    .ok_or(Error::NotAllowed("invite without being a member"))?;
                if !author.role.may_invite(*role) {
                    return Err(Error::NotAllowed("invite with this role"));
                }
                entry::verify_invite(&self.classroom, &entry.author(), key, exchange, proof)
            }
            Action::Admit {
                invite,
                exchange,
                school,
                proof,
                ..
            } => {
                if self.member_in(&entry.author(), &past).is_some() {
                    return Err(Error::NotAllowed("join twice"));
                }
                let Some(Action::Invite { key, uses, .. }) = past
                    .contains(invite)
                    .then(|| self.entries.get(invite))
                    .flatten()
                    .map(Entry::action)
                else {
                    return Err(Error::NotAllowed("join without an invite"));
                };
                let used = past
                    .iter()
                    .filter_map(|hash| self.entries.get(hash))
                    .filter(|other| matches!(other.action(), Action::Admit { invite: used, .. } if used == invite))
                    .count();
                if used >= *uses as usize {
                    return Err(Error::NotAllowed("use an invite more often than it says"));
                }
                entry::verify_admission(
                    &self.classroom,
                    invite,
                    key,
                    &entry.author(),
                    exchange,
                    school,
                    proof,
                )
            }
        }
    }

    /// `from` and everything it descends from.
    fn past(&self, from: &[EntryHash]) -> BTreeSet<EntryHash> {
        let mut past = BTreeSet::new();
        let mut stack = from.to_vec();
        while let Some(hash) = stack.pop() {
            if past.insert(hash)
                && let Some(entry) = self.entries.get(&hash)
            {
                stack.extend(entry.parents());
            }
        }
        past
    }

    fn member_in(&self, id: &MemberId, past: &BTreeSet<EntryHash>) -> Option<Member> {
        past.iter()
            .filter(|hash| self.entries.get(hash).is_some_and(|entry| entry.author() == *id))
            .filter_map(|hash| self.admitted(hash))
            .min_by_key(|member| self.admission_rank(member.admitted_by))
    }

    fn admitted(&self, hash: &EntryHash) -> Option<Member> {
        let entry = self.entries.get(hash)?;
        let (role, school, exchange) = match entry.action() {
            Action::Found { school, exchange, .. } => (Role::Lead, *school, *exchange),
            Action::Admit {
                invite,
                school,
                exchange,
                ..
            } => match self.entries.get(invite)?.action() {
                Action::Invite { role, .. } => (*role, *school, *exchange),
                _ => return None,
            },
            Action::Invite { .. } => return None,
        };
        Some(Member {
            id: entry.author(),
            role,
            school,
            exchange,
            admitted_by: *hash,
        })
    }

    fn admission_rank(&self, hash: EntryHash) -> (Option<Role>, EntryHash) {
        (self.admitted(&hash).map(|member| member.role), hash)
    }
}
