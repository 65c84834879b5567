//! The keys of a classroom's spaces: learnt from the roster, handed on, and made anew.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use documents::fold::Limits;
use protocol::identity::MemberKeys;
use protocol::key::{EpochKey, ExchangeSecret, KeyName, SealedKey};
use protocol::mischief::{Mischief, does};
use protocol::rand_core::CryptoRng;
use protocol::receipt::{Receipt, Seen};
use protocol::roster::{Action, Rotation};
use protocol::segment::{Body, Segment};
use protocol::whisper::Whisper;
use protocol::{ClassroomId, EntryHash, ExchangeKey, MemberId, SpaceId};

use crate::Replica;
use crate::classroom::{Classroom, UnsentEntry, Way};
use crate::command::Problem;
use crate::store::AsideReason;

/// What a new segment is sealed with: what its author knows, and the key of its space by then.
pub(crate) struct Sealing<'a> {
    pub(crate) roster: Vec<EntryHash>,
    pub(crate) epoch: u32,
    pub(crate) key: &'a EpochKey,
}

impl<R: CryptoRng> Replica<R> {
    /// Learns the keys that the roster holds for this person, or for the invite that they look behind.
    pub(crate) fn learn_keys(&mut self, id: &ClassroomId) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        if !std::mem::take(&mut classroom.keys_due) {
            return;
        }
        let before = classroom.keys.len();
        if let Some(me) = &self.me {
            classroom.learn_keys(me.keys.exchange_secret(), &me.keys.exchange_key());
        }
        if let Some(joining) = classroom.joining.take() {
            classroom.learn_keys(joining.keys.exchange_secret(), &joining.keys.exchange_key());
            classroom.joining = Some(joining);
        }
        classroom.aside_due |= classroom.keys.len() > before;
    }

    /// A new key for `space`, for those who are in it once `action` has its effect.
    pub(crate) fn rotation(
        &mut self,
        id: &ClassroomId,
        action: &Action,
        space: SpaceId,
    ) -> Result<Rotation, Problem> {
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?.keys.id();
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        let roster = &classroom.roster;
        let current = roster.current_key(&space).ok_or(Problem::NotAllowed)?;
        // Those of the last epoch; if nobody can open that, of the one before.
        let names = roster.keys_in(&space).into_iter();
        let mut previous: Vec<(u32, &EpochKey)> = names
            .filter_map(|name| Some((name.epoch, classroom.keys.get(&name)?)))
            .collect();
        let newest = previous.iter().map(|(epoch, _)| *epoch).max();
        previous.retain(|(epoch, _)| Some(*epoch) == newest);
        let next = current.epoch.checked_add(1).ok_or(Problem::Internal)?;
        let left = classroom.left_behind(&space).into_iter();
        let named: BTreeSet<[u8; 32]> = previous.iter().map(|(_, key)| key.id()).collect();
        previous.extend(left.filter(|(epoch, key)| *epoch < next && !named.contains(&key.id())));
        let mut recipients = roster.recipients_after(&me, action, &space);
        if does(Mischief::RemovedKeptIn) {
            recipients.extend(roster.members().map(|member| member.exchange));
            recipients.sort_unstable();
            recipients.dedup();
        }
        let key = EpochKey::random(&mut self.rng);
        Rotation::new(&key, space, next, previous, recipients, &mut self.rng).map_err(|_| Problem::TooLarge)
    }

    /// New keys for those of `spaces` that this person may make some for; others do it for the rest.
    pub(crate) fn rotations(
        &mut self,
        id: &ClassroomId,
        action: &Action,
        spaces: Vec<SpaceId>,
    ) -> Result<Vec<Rotation>, Problem> {
        let own: Vec<SpaceId> = match (&self.me, self.classrooms.get(id)) {
            (Some(me), Some(classroom)) => spaces
                .into_iter()
                .filter(|space| classroom.may_rotate(&me.keys.id(), space))
                .collect(),
            _ => Vec::new(),
        };
        own.into_iter()
            .map(|space| self.rotation(id, action, space))
            .collect()
    }
}

impl Classroom {
    /// Opens what the roster has sealed to `recipient`, and the older keys that those carry. A key that does not open is
    /// passed over.
    fn learn_keys(&mut self, secret: &ExchangeSecret, recipient: &ExchangeKey) {
        let mut sealed = self.roster.sealed_for(recipient);
        sealed.sort_unstable_by_key(|key| Reverse(key.name()));
        if sealed.iter().all(|key| self.keys.contains_key(&key.name())) {
            return;
        }
        let wrapped = self.roster.wrapped();
        for key in sealed {
            // The newest first: it mostly carries all the others.
            if self.keys.contains_key(&key.name()) {
                continue;
            }
            let Ok(opened) = key.open(secret, recipient) else {
                continue;
            };
            self.keys.insert(key.name(), opened);
            for (by, older) in &wrapped {
                let name = KeyName {
                    space: by.space,
                    epoch: older.epoch,
                    id: older.id,
                };
                if !self.keys.contains_key(&name)
                    && let Some(key) = self.keys.get(by)
                    && let Ok(older) = older.unwrap(key, by)
                {
                    self.keys.insert(name, older);
                }
            }
        }
    }

    /// The keys of an epoch that are here: rotations made apart can give it several.
    pub(crate) fn keys_of(&self, space: SpaceId, epoch: u32) -> impl Iterator<Item = &EpochKey> {
        let name = |id| KeyName { space, epoch, id };
        self.keys
            .range(name([0; 32])..=name([u8::MAX; 32]))
            .map(|(_, key)| key)
    }

    pub(crate) fn has_key(&self, space: SpaceId, epoch: u32) -> bool {
        self.keys_of(space, epoch).next().is_some()
    }

    /// A segment's changes, or why they can't be read.
    pub(crate) fn changes_of(&self, segment: &Segment) -> Result<Vec<Vec<u8>>, AsideReason> {
        let header = &segment.header;
        let mut reason = AsideReason::UnknownKey;
        for key in self.keys_of(header.space, header.epoch) {
            match segment.open(&self.id, key) {
                Ok(Body::Changes(changes)) => return Ok(changes),
                Ok(Body::Bundle(fold)) => {
                    return documents::fold::unfold(&fold, Limits::FOLD).map_err(|_| AsideReason::BadChange);
                }
                Err(protocol::Error::UnsupportedVersion { .. }) => return Err(AsideReason::NewerVersion),
                Err(_) => reason = AsideReason::CannotOpen,
            }
        }
        // Of several keys that an epoch has, the right one may be still to come.
        let is_missing = |name: &KeyName| name.epoch == header.epoch && !self.keys.contains_key(name);
        if self.roster.keys_stated(&header.space).iter().any(is_missing) {
            reason = AsideReason::UnknownKey;
        }
        Err(reason)
    }

    /// The changes of several segments, in their order, or why they can't all be read.
    pub(crate) fn changes_of_all<'a>(
        &self,
        segments: impl IntoIterator<Item = &'a Segment>,
    ) -> Result<Vec<Vec<u8>>, AsideReason> {
        let mut changes = Vec::new();
        for segment in segments {
            changes.extend(self.changes_of(segment)?);
        }
        Ok(changes)
    }

    pub(crate) fn open_whisper(&self, whisper: &Whisper) -> Option<Vec<u8>> {
        self.keys_of(whisper.space, whisper.epoch)
            .find_map(|key| whisper.open(&self.id, key).ok())
    }

    pub(crate) fn open_receipt(&self, receipt: &Receipt) -> Option<Vec<Seen>> {
        self.keys_of(receipt.header.space, receipt.header.epoch)
            .find_map(|key| receipt.open(&self.id, key).ok())
    }

    /// What the next segment of `author` in `space` is sealed with.
    pub(crate) fn sealing(&self, author: &MemberId, space: &SpaceId) -> Option<Sealing<'_>> {
        let roster = self.heads_to_name(author);
        // Those of own entries that the relay may never take nobody else has. Somebody who was left out of the newest key goes on
        // with the one before until they are handed a newer one.
        let (name, key) = self
            .roster
            .keys_at(space, &roster)
            .into_iter()
            .filter_map(|name| Some((name, self.keys.get(&name)?)))
            .min_by_key(|(name, _)| (Reverse(name.epoch), name.id))?;
        Some(Sealing {
            roster,
            epoch: name.epoch,
            key,
        })
    }

    /// The heads that a new segment names. An own entry with new keys is not among them before the relay has it: the relay
    /// does not take one that leaves out somebody, and whatever named it would be stuck with it. Nor is one that erases a
    /// document, for it waits until the relay has what takes its place, or one that the relay has refused.
    fn heads_to_name(&self, author: &MemberId) -> Vec<EntryHash> {
        let may_be_stuck = |(hash, unsent): (&EntryHash, &UnsentEntry)| {
            self.roster.entry(hash).is_some_and(|entry| {
                let action = entry.action();
                matches!(unsent.way, Way::Refused { .. })
                    || !action.rotations().is_empty()
                    || matches!(action, Action::Erase { .. })
            })
        };
        if !self.entries.iter().any(may_be_stuck) {
            return self.roster.heads_for(author);
        }
        let mut next: Vec<EntryHash> = self.roster.heads().copied().collect();
        let mut heads: Vec<EntryHash> = Vec::new();
        while let Some(hash) = next.pop() {
            let unsent = self
                .roster
                .entry(&hash)
                .filter(|_| self.entries.contains_key(&hash));
            match unsent {
                Some(entry) if !entry.action().joins() => next.extend(entry.parents()),
                _ if heads.contains(&hash) => {}
                _ => heads.push(hash),
            }
        }
        let mut heads = self.roster.narrowed(author, heads);
        heads.sort_unstable();
        heads
    }

    /// The keys of `space` that are here and that the next one has to carry besides the newest, each with its epoch: those that
    /// were stated by what is void now and are not carried on, and those that a member has no way to.
    pub(crate) fn left_behind(&self, space: &SpaceId) -> Vec<(u32, &EpochKey)> {
        let mut names: BTreeSet<KeyName> = self.roster.keys_left_behind(space).into_iter().collect();
        names.extend(self.roster.keys_lacked(space));
        let names = names.into_iter();
        names
            .filter_map(|name| Some((name.epoch, self.keys.get(&name)?)))
            .collect()
    }

    /// Whether `member`, who is here, may make new keys for `space`: those of it who lead or teach and have its key, or
    /// were handed one that does not open and have an earlier one. Who was not handed the key yet leaves it to others,
    /// for those carry it on, unless nobody is left who could: its author may have gone.
    pub(crate) fn may_rotate(&self, member: &MemberId, space: &SpaceId) -> bool {
        let is_staff = self
            .roster
            .member(member)
            .is_some_and(|member| member.role.is_staff());
        is_staff
            && self.roster.is_in_space(member, space)
            && self.roster.current_key(space).is_some_and(|current| {
                let was_handed = |member: &MemberId| {
                    let handed = self.roster.keys_of(member);
                    handed.iter().any(|key| key.name() == current)
                };
                let others_could = || {
                    let mut members = self.roster.members();
                    members.any(|other| {
                        other.role.is_staff()
                            && self.roster.is_in_space(&other.id, space)
                            && was_handed(&other.id)
                    })
                };
                self.keys.contains_key(&current)
                    || (0..current.epoch).any(|epoch| self.has_key(*space, epoch))
                        && (was_handed(member) || !others_could())
            })
    }

    /// Seals to `recipient` what gives them all keys of `spaces` that are here and were there for who names `heads`: those
    /// that no other of them carries.
    pub(crate) fn hand_on(
        &self,
        heads: &[EntryHash],
        spaces: impl Fn(&SpaceId) -> bool,
        recipient: &ExchangeKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<SealedKey>, Problem> {
        let wrapped = self.roster.wrapped();
        let mut handed: BTreeMap<KeyName, &EpochKey> = BTreeMap::new();
        for space in self.roster.spaces().iter().filter(|space| spaces(space)) {
            let names = self.roster.keys_at(space, heads).into_iter();
            handed.extend(names.filter_map(|name| Some((name, self.keys.get(&name)?))));
        }
        let is_carried = |name: &KeyName| {
            wrapped.iter().any(|(by, older)| {
                (by.space, older.epoch, older.id) == (name.space, name.epoch, name.id)
                    && handed.contains_key(by)
            })
        };
        handed
            .iter()
            .filter(|(name, _)| !is_carried(name))
            .map(|(name, key)| {
                SealedKey::seal(key, name.space, name.epoch, recipient, rng).map_err(|_| Problem::Internal)
            })
            .collect()
    }
}

/// The first keys of the spaces that every classroom has, sealed to its founder.
pub(crate) fn first_keys(
    keys: &MemberKeys,
    rng: &mut impl CryptoRng,
) -> Result<Vec<SealedKey>, protocol::Error> {
    [SpaceId::EVERYONE, SpaceId::STAFF]
        .into_iter()
        .map(|space| SealedKey::seal(&EpochKey::random(rng), space, 0, &keys.exchange_key(), rng))
        .collect()
}
