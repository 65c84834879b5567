//! The entries with what is known of each from its past alone, which never changes, and where to find them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::{Action, Entry, Role};
use crate::key::KeyName;
use crate::{DocumentId, EntryHash, ExchangeKey, InviteKey, MemberId, SchoolId, SpaceId};

/// Where an entry stands: parents before children, otherwise in the order of arrival. Nothing that a roster tells may
/// depend on that order.
pub(super) type At = usize;

/// A set of places, one bit each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Set(Vec<u64>);

impl Set {
    pub(super) fn contains(&self, at: At) -> bool {
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    pub(super) fn insert(&mut self, at: At) {
        if self.0.len() <= at / 64 {
            self.0.resize(at / 64 + 1, 0);
        }
        self.0[at / 64] |= 1 << (at % 64);
    }

    pub(super) fn unite(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    pub(super) fn remove(&mut self, at: At) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word &= !(1 << (at % 64));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(word, more)| word & more != 0)
    }

    /// Whether each of the first `count` is in it.
    pub(super) fn has_first(&self, count: usize) -> bool {
        (0..count).all(|at| self.contains(at))
    }

    fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}

/// An entry and what its past says of it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) entry: Entry,
    pub(super) hash: EntryHash,
    /// All that it descends from.
    pub(super) past: Set,
    /// How many those are.
    pub(super) ancestors: usize,
    pub(super) admits: Option<Admission>,
    /// Whom the keys that it hands on, apart from rotations, are sealed to.
    pub(super) recipient: Option<ExchangeKey>,
    /// Set if it takes rights away: how early its author was admitted.
    pub(super) seniority: Option<Seniority>,
    /// The invites that it ends because of whom it takes rights from.
    pub(super) ends: Vec<At>,
    /// If it makes somebody a lead or teacher, in whose house; if it is an invite, in whose its author was.
    pub(super) house: Option<House>,
    /// Whether nothing of its past is void for somebody who knows just that.
    pub(super) is_past_whole: bool,
}

/// Somebody who becomes a member.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admission {
    pub(super) member: MemberId,
    pub(super) role: Role,
    pub(super) school: SchoolId,
    pub(super) exchange: ExchangeKey,
    pub(super) invite: Option<At>,
    /// What says that who comes by the invite is of its author's school.
    pub(super) placed: Option<At>,
}

/// The leads and teachers who speak for one school, named by the first of them, from whom the others have their role. What
/// school somebody says they are of is their word alone; a house is not.
pub(super) type House = MemberId;

/// Smaller is earlier: the number of ancestors of the entry that admitted somebody, and its hash.
pub(super) type Seniority = (usize, EntryHash);

/// What an entry's past says of it, and its own place in the indexes.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) admits: Option<Admission>,
    pub(super) seniority: Option<Seniority>,
    /// Whom the keys that it hands on, apart from rotations, are sealed to.
    pub(super) recipient: Option<ExchangeKey>,
    /// The invites that end because of whom it takes rights from.
    pub(super) ends: BTreeSet<At>,
    pub(super) house: Option<House>,
    /// The house whose first lead or teacher it makes, and the one that does so.
    pub(super) founds: Option<(House, Option<House>)>,
    pub(super) is_past_whole: bool,
}

/// All entries. The lists hold places in the order of arrival.
#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    nodes: Vec<Arc<Node>>,
    places: HashMap<EntryHash, At>,
    pub(super) by_author: HashMap<MemberId, Vec<At>>,
    /// Admissions, removals and changes of role of each member.
    pub(super) of_member: BTreeMap<MemberId, Vec<At>>,
    pub(super) invites: Vec<At>,
    pub(super) invites_by_key: HashMap<InviteKey, Vec<At>>,
    /// By invite: admissions, and approvals of requests.
    pub(super) joined: HashMap<At, Vec<At>>,
    pub(super) requests: Vec<At>,
    /// By invite: requests.
    pub(super) asked: HashMap<At, Vec<At>>,
    /// By request: approvals and refusals.
    pub(super) answers: HashMap<At, Vec<At>>,
    /// By invite: what says that who comes by it is of its author's school.
    pub(super) placed: HashMap<At, Vec<At>>,
    /// By house: what made its first lead or teacher one, and the house that did so.
    pub(super) founded: HashMap<House, Vec<(At, Option<House>)>>,
    /// By invite: what says that it ends.
    pub(super) ends: HashMap<At, Vec<At>>,
    /// By invite: what ended it by taking rights from somebody who made it or came by it.
    pub(super) ends_by_removal: HashMap<At, Vec<At>>,
    pub(super) consents: HashMap<MemberId, Vec<At>>,
    /// By space: the keys that were stated, and where.
    pub(super) keys: BTreeMap<SpaceId, Vec<(At, KeyName)>>,
    /// By space: what made it.
    pub(super) spaces: BTreeMap<SpaceId, Vec<At>>,
    /// By recipient: entries with keys for them.
    pub(super) keys_for: HashMap<ExchangeKey, Vec<At>>,
    /// By key: everybody whom it was ever sealed to.
    pub(super) handed: HashMap<KeyName, BTreeSet<ExchangeKey>>,
    pub(super) locks: BTreeMap<DocumentId, Vec<At>>,
    pub(super) closes: Vec<At>,
    pub(super) erasures: BTreeMap<DocumentId, Vec<At>>,
    /// By member: what says how far more of their logs count.
    pub(super) extensions: HashMap<MemberId, Vec<At>>,
    /// What takes rights away.
    pub(super) takings: Vec<At>,
    /// By what takes rights away: who acted apart from it.
    pub(super) stakes: HashMap<At, Stakes>,
}

/// What happened apart from an entry that takes rights away and has to do with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Stakes {
    /// What those did from whom it takes rights, and who came or asked by an invite that it ends.
    pub(super) concerned: Set,
    /// What bears on the decision: what was built on the concerned, and what made those whom it names leads or teachers.
    pub(super) weighing: Set,
}

impl Graph {
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn node(&self, at: At) -> &Node {
        &self.nodes[at]
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().map(|node| &**node)
    }

    pub(super) fn action(&self, at: At) -> &Action {
        self.nodes[at].entry.action()
    }

    pub(super) fn place(&self, hash: &EntryHash) -> Option<At> {
        self.places.get(hash).copied()
    }

    /// Whether `later` descends from `earlier`.
    pub(super) fn is_before(&self, earlier: At, later: At) -> bool {
        self.nodes[later].past.contains(earlier)
    }

    /// Whether neither knew of the other.
    pub(super) fn are_apart(&self, one: At, other: At) -> bool {
        one != other && !self.is_before(one, other) && !self.is_before(other, one)
    }

    /// `heads` and all they descend from.
    pub(super) fn past_of(&self, heads: impl IntoIterator<Item = At>) -> Set {
        let mut past = Set::default();
        for head in heads {
            past.unite(&self.nodes[head].past);
            past.insert(head);
        }
        past
    }

    /// What weighs in decisions on `takings`, of what is within `past`.
    pub(super) fn weighing(&self, takings: &[At], past: &Set) -> Vec<At> {
        let mut all = Set::default();
        for stakes in takings.iter().filter_map(|at| self.stakes.get(at)) {
            all.unite(&stakes.weighing);
        }
        if all.is_empty() {
            return Vec::new();
        }
        (0..self.len())
            .filter(|at| all.contains(*at) && past.contains(*at))
            .collect()
    }

    /// Adds an entry whose parents are all here.
    pub(super) fn push(&mut self, hash: EntryHash, entry: Entry, facts: &Facts) -> At {
        let at = self.nodes.len();
        let parents: Vec<At> = entry
            .parents()
            .iter()
            .filter_map(|parent| self.place(parent))
            .collect();
        let past = self.past_of(parents);
        self.list(at, &entry, facts);
        if facts.seniority.is_some() {
            self.takings.push(at);
        }
        self.places.insert(hash, at);
        self.by_author.entry(entry.author()).or_default().push(at);
        self.nodes.push(Arc::new(Node {
            entry,
            hash,
            ancestors: past.count(),
            past,
            admits: facts.admits,
            recipient: facts.recipient,
            seniority: facts.seniority,
            ends: facts.ends.iter().copied().collect(),
            house: facts.house,
            is_past_whole: facts.is_past_whole,
        }));
        self.weigh(at);
        at
    }

    /// Notes what the newest entry has to do with what takes rights away apart from it.
    fn weigh(&mut self, at: At) {
        let past = &self.nodes[at].past;
        let apart: Vec<At> = self
            .takings
            .iter()
            .copied()
            .filter(|taking| *taking != at && !past.contains(*taking))
            .collect();
        for taking in apart {
            self.weigh_for(taking, at);
        }
        if self.nodes[at].seniority.is_some() {
            for other in 0..at {
                if !self.nodes[at].past.contains(other) {
                    self.weigh_for(at, other);
                }
            }
        }
    }

    fn weigh_for(&mut self, taking: At, other: At) {
        let is_concerned = self.concerns(taking, other);
        let is_raised = self.raises_somebody_of(taking, other);
        let stakes = self.stakes.entry(taking).or_default();
        if is_concerned {
            stakes.concerned.insert(other);
        }
        if is_raised || is_concerned || self.nodes[other].past.meets(&stakes.concerned) {
            stakes.weighing.insert(other);
        }
    }

    /// Whether `other`, which is apart from it, is of somebody from whom `taking` takes rights, or comes by an invite that
    /// it ends.
    fn concerns(&self, taking: At, other: At) -> bool {
        let entry = &self.nodes[other].entry;
        let author = entry.author();
        let is_ended = |invite: &EntryHash| match (self.place(invite), self.action(taking)) {
            (Some(at), _) if self.nodes[taking].ends.contains(&at) => true,
            (Some(at), Action::EndInvite { invite, .. }) => self.place(invite) == Some(at),
            _ => false,
        };
        match entry.action() {
            Action::Admit { invite, .. } | Action::Request { invite, .. } if is_ended(invite) => true,
            _ => self.takes_from(taking, &author),
        }
    }

    /// Whether `taking` takes rights from `member`, who may be its author.
    pub(super) fn takes_from(&self, taking: At, member: &MemberId) -> bool {
        match self.action(taking) {
            Action::Remove { members, .. } => members.iter().any(|removal| removal.member == *member),
            Action::ChangeRole { member: target, .. } => target == member,
            _ => false,
        }
    }

    /// Whether `other` makes somebody a lead or teacher from whom `taking` takes rights.
    pub(super) fn raises_somebody_of(&self, taking: At, other: At) -> bool {
        let (member, role) = match (self.action(other), &self.nodes[other].admits) {
            (Action::ChangeRole { member, role, .. }, _) => (*member, *role),
            (_, Some(admission)) => (admission.member, admission.role),
            _ => return false,
        };
        role.is_staff() && self.takes_from(taking, &member)
    }

    /// Enters it into the indexes.
    fn list(&mut self, at: At, entry: &Entry, facts: &Facts) {
        if let Some(admission) = &facts.admits {
            self.of_member.entry(admission.member).or_default().push(at);
            if let Some(invite) = admission.invite {
                self.joined.entry(invite).or_default().push(at);
            }
        }
        if let Some((house, by)) = facts.founds {
            self.founded.entry(house).or_default().push((at, by));
        }
        for invite in &facts.ends {
            self.ends_by_removal.entry(*invite).or_default().push(at);
        }
        self.list_keys(at, entry, facts);
        match entry.action() {
            Action::Found { .. } | Action::Admit { .. } | Action::Rotate { .. } => {}
            Action::Invite { key, .. } | Action::AskInvite { key, .. } => {
                self.invites.push(at);
                self.invites_by_key.entry(*key).or_default().push(at);
            }
            Action::EndInvite { invite, .. } => {
                if let Some(invite) = self.place(invite) {
                    self.ends.entry(invite).or_default().push(at);
                }
            }
            Action::Request { invite, .. } => {
                self.requests.push(at);
                if let Some(invite) = self.place(invite) {
                    self.asked.entry(invite).or_default().push(at);
                }
            }
            Action::Approve { request, .. } | Action::Decline { request } => {
                if let Some(request) = self.place(request) {
                    self.answers.entry(request).or_default().push(at);
                }
            }
            Action::ChangeRole { member, .. } => self.of_member.entry(*member).or_default().push(at),
            Action::Remove { members, .. } => {
                for removal in members {
                    self.of_member.entry(removal.member).or_default().push(at);
                }
            }
            Action::Consent { member } => self.consents.entry(*member).or_default().push(at),
            Action::NewSpace { first, .. } => self.spaces.entry(first.space).or_default().push(at),
            Action::Lock { document, .. } => self.locks.entry(*document).or_default().push(at),
            Action::Close { .. } => self.closes.push(at),
            Action::Erase { document, .. } => self.erasures.entry(*document).or_default().push(at),
            Action::PlaceInvite { invite, .. } => {
                if let Some(invite) = self.place(invite) {
                    self.placed.entry(invite).or_default().push(at);
                }
            }
            Action::Extend { member, .. } => self.extensions.entry(*member).or_default().push(at),
        }
    }

    fn list_keys(&mut self, at: At, entry: &Entry, facts: &Facts) {
        let action = entry.action();
        if let Some(recipient) = facts.recipient.filter(|_| !action.keys().is_empty()) {
            self.keys_for.entry(recipient).or_default().push(at);
            for key in action.keys() {
                self.handed.entry(key.name()).or_default().insert(recipient);
                if let Action::Found { .. } = action {
                    self.keys.entry(key.space).or_default().push((at, key.name()));
                }
            }
        }
        for rotation in action.rotations() {
            let name = rotation.name();
            self.keys.entry(rotation.space).or_default().push((at, name));
            let handed = self.handed.entry(name).or_default();
            handed.extend(rotation.recipients());
            for recipient in rotation.recipients() {
                let entries = self.keys_for.entry(*recipient).or_default();
                if entries.last() != Some(&at) {
                    entries.push(at);
                }
            }
        }
    }
}
