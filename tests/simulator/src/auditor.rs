//! Somebody who holds every member's login card, and so can say what sealed things hold.

use std::collections::{BTreeMap, BTreeSet};

use documents::change::{self, Hash};
use documents::fold::{Limits, unfold};
use protocol::identity::{MemberKeys, Seed};
use protocol::key::{EpochKey, ExchangeSecret, KeyName};
use protocol::roster::{Entry, Roster};
use protocol::segment::{Body, Segment};
use protocol::{ClassroomId, ExchangeKey, MemberId, SegmentHash};

#[derive(Default)]
pub(crate) struct Auditor {
    members: BTreeMap<MemberId, MemberKeys>,
    classrooms: BTreeMap<ClassroomId, Known>,
    opened: BTreeMap<SegmentHash, Vec<Hash>>,
    /// Segments that somebody else than their author has submitted.
    vouched: BTreeSet<SegmentHash>,
    /// Changes that stand in the log of somebody else than their author.
    forged: BTreeSet<Hash>,
}

/// What is known of a classroom.
struct Known {
    roster: Roster,
    entries: usize,
    /// How many entries and members there were when the keys were taken.
    learnt: (usize, usize),
    keys: BTreeMap<KeyName, EpochKey>,
}

impl Auditor {
    /// Somebody shows their login card.
    pub(crate) fn card(&mut self, words: &str) {
        if let Ok(keys) = Seed::from_words(words).and_then(|seed| MemberKeys::from_seed(&seed)) {
            self.members.insert(keys.id(), keys);
        }
    }

    /// What stood in rosters may be gone with the relay that held it.
    pub(crate) fn forget_rosters(&mut self) {
        self.classrooms.clear();
    }

    pub(crate) fn vouched(&mut self, segment: SegmentHash) {
        self.vouched.insert(segment);
    }

    pub(crate) fn is_vouched_for(&self, segment: &SegmentHash) -> bool {
        self.vouched.contains(segment)
    }

    /// Of these changes, one that its author has not signed.
    pub(crate) fn forged_of(&self, shown: &BTreeSet<Hash>) -> Option<Hash> {
        self.forged.intersection(shown).next().copied()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &MemberKeys> {
        self.members.values()
    }

    /// A roster entry, parents first.
    pub(crate) fn entry(&mut self, classroom: &ClassroomId, bytes: &[u8]) {
        let Ok(entry) = Entry::decode(bytes) else { return };
        match self.classrooms.get_mut(classroom) {
            Some(known) => known.entries += usize::from(known.roster.add(entry).is_ok()),
            None => {
                if let Ok(roster) = Roster::found(entry) {
                    let known = Known {
                        roster,
                        learnt: (0, 0),
                        entries: 1,
                        keys: BTreeMap::new(),
                    };
                    self.classrooms.insert(*classroom, known);
                }
            }
        }
    }

    pub(crate) fn roster(&self, classroom: &ClassroomId) -> Option<&Roster> {
        self.classrooms.get(classroom).map(|known| &known.roster)
    }

    /// The changes that a segment holds; none if nobody's key opens it.
    pub(crate) fn changes(&mut self, classroom: &ClassroomId, segment: &Segment) -> Vec<Hash> {
        let Ok(name) = segment.hash(classroom) else {
            return Vec::new();
        };
        if let Some(changes) = self.opened.get(&name) {
            return changes.clone();
        }
        let Some(known) = self.classrooms.get_mut(classroom) else {
            return Vec::new();
        };
        known.learn(&self.members);
        let Some(body) = known
            .keys
            .values()
            .find_map(|key| segment.open(classroom, key).ok())
        else {
            return Vec::new();
        };
        let changes = match body {
            Body::Changes(changes) => changes,
            Body::Bundle(bundle) => unfold(&bundle, Limits::FOLD).unwrap_or_default(),
        };
        let infos = changes.iter().filter_map(|change| change::inspect(change).ok());
        let actor = segment.header.log.actor();
        let mut changes = Vec::new();
        for info in infos {
            if info.actor != actor {
                self.forged.insert(info.hash);
            }
            changes.push(info.hash);
        }
        self.opened.insert(name, changes.clone());
        changes
    }
}

impl Known {
    /// Takes the keys that were handed to anybody.
    fn learn(&mut self, members: &BTreeMap<MemberId, MemberKeys>) {
        if self.learnt == (self.entries, members.len()) {
            return;
        }
        self.learnt = (self.entries, members.len());
        for keys in members.values() {
            let (exchange, secret) = (keys.exchange_key(), keys.exchange_secret());
            self.keys.extend(keys_of(&self.roster, &exchange, secret));
        }
    }
}

/// The keys that whoever has this secret can come by: sealed to them, or wrapped by one that was.
pub(crate) fn keys_of(
    roster: &Roster,
    recipient: &ExchangeKey,
    secret: &ExchangeSecret,
) -> BTreeMap<KeyName, EpochKey> {
    let mut keys = BTreeMap::new();
    for sealed in roster.sealed_for(recipient) {
        if let Ok(key) = sealed.open(secret, recipient) {
            keys.insert(sealed.name(), key);
        }
    }
    for (by, wrapped) in roster.wrapped() {
        if let Some(wrapping) = keys.get(&by)
            && let Ok(key) = wrapped.unwrap(wrapping, &by)
        {
            let name = KeyName {
                epoch: wrapped.epoch,
                id: wrapped.id,
                ..by
            };
            keys.insert(name, key);
        }
    }
    keys
}
