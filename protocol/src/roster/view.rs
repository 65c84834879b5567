//! What a part of the roster says: all of it, or what somebody knew who named certain heads.

use std::collections::BTreeSet;

use super::graph::{Admission, At, Graph, House, Set};
use super::{Action, Role};
use crate::key::KeyName;
use crate::{DocumentId, EntryHash, ExchangeKey, MemberId, SchoolId, SpaceId};

/// A set of entries that holds the parents of each, less those that are void.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) graph: &'a Graph,
    /// `None` for all entries.
    pub(super) within: Option<&'a Set>,
    pub(super) void: &'a Set,
}

/// What somebody is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) role: Role,
    /// The entry that admitted them, as it stands.
    pub(super) admitted: At,
    /// For which school a lead or teacher speaks. None for somebody who was made one twice apart, for different ones.
    pub(super) house: Option<House>,
}

impl<'a> View<'a> {
    pub(super) fn counts(&self, at: At) -> bool {
        self.within.is_none_or(|within| within.contains(at)) && !self.void.contains(at)
    }

    /// Whether nothing in it is void.
    pub(super) fn is_whole(&self) -> bool {
        match self.within {
            Some(within) => !within.meets(self.void),
            None => self.void.is_empty(),
        }
    }

    /// Those of `list` that count, the last first.
    fn counted<'b>(&'b self, list: Option<&'b Vec<At>>) -> impl Iterator<Item = At> + 'b {
        list.into_iter()
            .flatten()
            .rev()
            .copied()
            .filter(|at| self.counts(*at))
    }

    /// Those that none of the others knew of. `events` come with children before parents.
    fn latest(&self, events: impl Iterator<Item = At>) -> Vec<At> {
        let mut latest: Vec<At> = Vec::new();
        for event in events {
            if !latest.iter().any(|later| self.graph.is_before(event, *later)) {
                latest.push(event);
            }
        }
        latest
    }

    fn hash(&self, at: At) -> EntryHash {
        self.graph.node(at).hash
    }

    fn admission(&self, at: At) -> Option<&'a Admission> {
        self.graph.node(at).admits.as_ref()
    }

    /// What `member` is, if they belong. Admissions and removals decide whether; changes of role that knew of the
    /// standing admission decide as what. Of what happened apart the stricter wins, but of two admissions the higher.
    pub(super) fn standing(&self, member: &MemberId) -> Option<Standing> {
        let events = self.graph.of_member.get(member);
        let is_change = |at: &At| matches!(self.graph.action(*at), Action::ChangeRole { .. });
        let comings = self.latest(self.counted(events).filter(|at| !is_change(at)));
        let mut admitted: Option<(Role, EntryHash, At)> = None;
        for &at in &comings {
            // A removal.
            let admission = self.admission(at)?;
            let ranked = (admission.role, self.hash(at), at);
            admitted = Some(admitted.map_or(ranked, |other| other.min(ranked)));
        }
        let (given, _, admitted) = admitted?;
        let made = comings.iter().copied().filter(|at| {
            self.admission(*at)
                .is_some_and(|admission| admission.role.is_staff())
        });
        let house = self.house_of(made);
        let changes = self
            .counted(events)
            .filter(|at| is_change(at) && comings.iter().any(|coming| self.graph.is_before(*coming, *at)));
        let changes = self.latest(changes);
        let changed = changes
            .iter()
            .filter_map(|at| match self.graph.action(*at) {
                Action::ChangeRole { role, .. } => Some(*role),
                _ => None,
            })
            .max();
        let role = changed.unwrap_or(given);
        let house = if changes.is_empty() {
            house
        } else {
            self.house_of(changes.into_iter())
        };
        Some(Standing {
            role,
            admitted,
            house: house.filter(|_| role.is_staff()),
        })
    }

    /// The house that all of these say.
    fn house_of(&self, mut made: impl Iterator<Item = At>) -> Option<House> {
        let house = self.graph.node(made.next()?).house;
        made.all(|at| self.graph.node(at).house == house)
            .then_some(house)
            .flatten()
    }

    /// Whether `member` belongs, or did once.
    pub(super) fn was_member(&self, member: &MemberId) -> bool {
        self.counted(self.graph.of_member.get(member)).next().is_some()
    }

    pub(super) fn school(&self, standing: &Standing) -> Option<SchoolId> {
        self.admission(standing.admitted)
            .map(|admission| admission.school)
    }

    pub(super) fn exchange(&self, standing: &Standing) -> Option<ExchangeKey> {
        self.admission(standing.admitted)
            .map(|admission| admission.exchange)
    }

    /// All members, in the order of their keys.
    pub(super) fn members(self) -> impl Iterator<Item = (MemberId, Standing)> + 'a {
        self.graph
            .of_member
            .keys()
            .filter_map(move |member| Some((*member, self.standing(member)?)))
    }

    /// Whether `invite` was ended, or who made it or came by it removed or given less than it gives.
    pub(super) fn is_ended(&self, invite: At) -> bool {
        self.is_ended_by_word(invite)
            || self
                .counted(self.graph.ends_by_removal.get(&invite))
                .next()
                .is_some()
    }

    pub(super) fn is_ended_by_word(&self, invite: At) -> bool {
        self.counted(self.graph.ends.get(&invite)).next().is_some()
    }

    /// How many came by it.
    pub(super) fn uses(&self, invite: At) -> usize {
        self.counted(self.graph.joined.get(&invite)).count()
    }

    /// Whether as many came by it as it says.
    pub(super) fn is_used_up(&self, invite: At) -> bool {
        match self.graph.action(invite) {
            Action::Invite { uses, .. } | Action::AskInvite { uses, .. } => {
                self.uses(invite) >= *uses as usize
            }
            _ => true,
        }
    }

    /// The open invites that somebody may still join by, with the role they give and the key that they carry.
    pub(super) fn open_invites(self) -> impl Iterator<Item = (At, Role, ExchangeKey)> + 'a {
        self.graph
            .invites
            .iter()
            .copied()
            .filter(move |at| self.counts(*at) && !self.is_ended(*at))
            .filter_map(move |at| match self.graph.action(at) {
                Action::Invite { role, exchange, .. } => Some((at, *role, *exchange)),
                _ => None,
            })
    }

    /// Whether somebody with `role` is in `space`.
    pub(super) fn is_in(&self, member: &MemberId, role: Role, space: &SpaceId) -> bool {
        if role == Role::Carrier {
            return false;
        }
        match *space {
            SpaceId::EVERYONE => true,
            SpaceId::STAFF => role.is_staff(),
            _ => self.group(space).contains(member),
        }
    }

    /// Who was named when a group was made: all that is made with one name names the same.
    pub(super) fn group(&self, space: &SpaceId) -> &'a [MemberId] {
        let made = self.counted(self.graph.spaces.get(space)).next();
        match made.map(|at| self.graph.action(at)) {
            Some(Action::NewSpace { members, .. }) => members,
            _ => &[],
        }
    }

    /// The keys that `space` had so far.
    pub(super) fn keys<'b>(&'b self, space: &SpaceId) -> impl Iterator<Item = KeyName> + use<'a, 'b> {
        self.stated(space)
            .filter(|(at, _)| self.counts(*at))
            .map(|(_, name)| name)
    }

    /// The keys that were stated for `space` so far, and where; also by what is void, for something may be sealed with them.
    pub(super) fn stated<'b>(&'b self, space: &SpaceId) -> impl Iterator<Item = (At, KeyName)> + use<'a, 'b> {
        self.graph
            .keys
            .get(space)
            .into_iter()
            .flatten()
            .filter(|(at, _)| self.within.is_none_or(|within| within.contains(*at)))
            .copied()
    }

    /// The key that `space` has now: of the highest epoch, and of several the smallest id.
    pub(super) fn current_key(&self, space: &SpaceId) -> Option<KeyName> {
        self.keys(space)
            .min_by_key(|name| (std::cmp::Reverse(name.epoch), name.id))
    }

    /// Whether somebody leads who says to be of this school.
    pub(super) fn has_lead(&self, school: &SchoolId) -> bool {
        self.members()
            .any(|(_, standing)| standing.role == Role::Lead && self.school(&standing) == Some(*school))
    }

    /// The houses with a lead.
    pub(super) fn houses(&self) -> BTreeSet<House> {
        self.members()
            .filter(|(_, standing)| standing.role == Role::Lead)
            .filter_map(|(_, standing)| standing.house)
            .collect()
    }

    /// Whether `house` has a say in what becomes of the leads and teachers of `other`: it was there when that came, or that
    /// let it in. So nobody gets a say by bringing in more schools.
    pub(super) fn has_a_say(&self, house: &House, other: &House) -> bool {
        let founded = |house: &House| {
            let all = self.graph.founded.get(house).into_iter().flatten();
            all.filter(|(at, _)| self.counts(*at))
        };
        house == other
            || founded(house).any(|(at, by)| {
                by.as_ref() == Some(other)
                    || founded(other).all(|(later, _)| self.graph.is_before(*at, *later))
            })
    }

    /// The school that the author of an invite placed it in, and where.
    pub(super) fn placed(&self, invite: At) -> Option<(At, SchoolId)> {
        let at = self
            .counted(self.graph.placed.get(&invite))
            .min_by_key(|at| self.hash(*at))?;
        match self.graph.action(at) {
            Action::PlaceInvite { school, .. } => Some((at, *school)),
            _ => None,
        }
    }

    /// The leads who agreed that `member` be removed, since they were admitted.
    pub(super) fn consenting(&self, member: &MemberId, standing: &Standing) -> Vec<(MemberId, Standing)> {
        let mut consenting: Vec<_> = self
            .counted(self.graph.consents.get(member))
            .filter(|at| self.graph.is_before(standing.admitted, *at))
            .filter_map(|at| {
                let author = self.graph.node(at).entry.author();
                let lead = self.standing(&author).filter(|lead| lead.role == Role::Lead)?;
                Some((author, lead))
            })
            .collect();
        consenting.sort_unstable_by_key(|(member, _)| *member);
        consenting.dedup_by_key(|(member, _)| *member);
        consenting
    }

    pub(super) fn is_locked(&self, document: &DocumentId) -> bool {
        self.latest(self.counted(self.graph.locks.get(document)))
            .into_iter()
            .any(|at| matches!(self.graph.action(at), Action::Lock { locked: true, .. }))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.latest(self.counted(Some(&self.graph.closes)))
            .into_iter()
            .any(|at| matches!(self.graph.action(at), Action::Close { closed: true }))
    }

    /// What took the place of an erased document; of two the one of the smaller hash.
    pub(super) fn successor(&self, document: &DocumentId) -> Option<DocumentId> {
        let erased = self
            .counted(self.graph.erasures.get(document))
            .min_by_key(|at| self.hash(*at))?;
        match self.graph.action(erased) {
            Action::Erase { successor, .. } => Some(*successor),
            _ => None,
        }
    }

    /// A request that was made in this view, and whether it was approved or declined.
    pub(super) fn answer(&self, request: At) -> Answer {
        let mut answer = Answer::None;
        for at in self.counted(self.graph.answers.get(&request)) {
            match self.graph.action(at) {
                Action::Approve { .. } => return Answer::Approved,
                _ => answer = Answer::Declined,
            }
        }
        answer
    }

    /// The entry with this hash, if it counts here.
    pub(super) fn place(&self, hash: &EntryHash) -> Option<At> {
        self.graph.place(hash).filter(|at| self.counts(*at))
    }
}

/// What became of a request. An approval stands, whatever was said apart from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    None,
    Declined,
    Approved,
}
