//! What the roster says now: who belongs, who may come, which spaces and keys there are, what is locked or gone.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::At;
use super::view::{Answer, Standing, View};
use super::{Action, Entry, Role, Roster, check, rights};
use crate::key::{KeyName, SealedKey, WrappedKey};
use crate::{DocumentId, EntryHash, Error, ExchangeKey, InviteKey, MemberId, SchoolId, SpaceId};

/// Somebody who belongs to the classroom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub id: MemberId,
    pub role: Role,
    pub school: SchoolId,
    pub exchange: ExchangeKey,
    /// The founding entry, an admission or an approval.
    pub admitted_by: EntryHash,
}

/// An invite that somebody may still hold a link to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invite<'a> {
    pub entry: EntryHash,
    pub author: MemberId,
    pub key: InviteKey,
    pub role: Role,
    pub uses: u32,
    /// How many came by it.
    pub used: usize,
    /// Seconds since 1970; the relay enforces it.
    pub expires: u64,
    pub exchange: ExchangeKey,
    /// Whether who follows it has to be let in by a lead or teacher.
    pub ask_first: bool,
    /// The school of its author, if whoever comes by it is of that.
    pub school: Option<SchoolId>,
    /// Whether it was ended, by itself or because who made it or came by it was removed or
    /// given less than it gives.
    pub ended: bool,
    pub keys: &'a [SealedKey],
}

/// Somebody who asks to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    pub entry: EntryHash,
    pub member: MemberId,
    pub school: SchoolId,
    pub exchange: ExchangeKey,
    /// The role that the invite gives.
    pub role: Role,
    /// The entry of the invite.
    pub invite: EntryHash,
    /// Who made the invite: the note is sealed to them.
    pub inviter: MemberId,
    pub note: &'a [u8],
}

impl Roster {
    pub fn member(&self, id: &MemberId) -> Option<Member> {
        let view = self.present();
        view.standing(id)
            .and_then(|standing| member(&view, *id, &standing))
    }

    /// All members, in the order of their keys.
    pub fn members(&self) -> impl Iterator<Item = Member> {
        let view = self.present();
        view.members()
            .filter_map(move |(id, standing)| member(&view, id, &standing))
    }

    /// Those who were members once and are not now.
    pub fn former_members(&self) -> Vec<MemberId> {
        let view = self.present();
        self.graph
            .of_member
            .iter()
            .filter(|(id, events)| events.iter().any(|at| view.counts(*at)) && view.standing(id).is_none())
            .map(|(id, _)| *id)
            .collect()
    }

    /// The role `member` had for somebody who knew `heads`; `None` also if a head is unknown here.
    pub fn role_at(&self, member: &MemberId, heads: &[EntryHash]) -> Option<Role> {
        self.at(heads, |view| view.standing(member).map(|standing| standing.role))
            .flatten()
    }

    /// The invite that stands for a key, ended or not.
    pub fn invite(&self, key: &InviteKey) -> Option<Invite<'_>> {
        let view = self.present();
        // Only who holds the secret can use a key twice; it then names the invite with the smaller hash, in any order
        // of arrival.
        let at = self
            .graph
            .invites_by_key
            .get(key)?
            .iter()
            .copied()
            .filter(|at| view.counts(*at))
            .min_by_key(|at| self.graph.node(*at).hash)?;
        self.invite_at(&view, at)
    }

    /// The invite that an entry made, if that counts.
    pub fn invite_by(&self, entry: &EntryHash) -> Option<Invite<'_>> {
        let view = self.present();
        view.place(entry).and_then(|at| self.invite_at(&view, at))
    }

    /// All invites that were not ended, in the order of their entries' hashes. Some may have expired or be used up.
    pub fn invites(&self) -> Vec<Invite<'_>> {
        let view = self.present();
        let mut invites: Vec<_> = self
            .graph
            .invites
            .iter()
            .filter(|at| view.counts(**at))
            .filter_map(|at| self.invite_at(&view, *at))
            .filter(|invite| !invite.ended)
            .collect();
        invites.sort_unstable_by_key(|invite| invite.entry);
        invites
    }

    /// Whether somebody who comes by the invite that `entry` made may say that they are of `school`.
    pub fn may_bring(&self, entry: &EntryHash, school: &SchoolId) -> bool {
        let view = self.present();
        let Some((at, invite)) = view
            .place(entry)
            .and_then(|at| Some((at, self.invite_at(&view, at)?)))
        else {
            return false;
        };
        check::check_school(&view, at, invite.role, school).is_ok()
    }

    /// How many members came by the invite that `entry` made.
    pub fn uses_of(&self, entry: &EntryHash) -> usize {
        self.graph.place(entry).map_or(0, |at| self.present().uses(at))
    }

    /// The requests that nobody answered, of those who did not get in another way, in the order of their hashes.
    pub fn requests(&self) -> Vec<Request<'_>> {
        let view = self.present();
        let mut requests: Vec<_> = self
            .graph
            .requests
            .iter()
            .filter(|at| view.counts(**at) && view.answer(**at) == Answer::None)
            .filter_map(|at| self.request_at(&view, *at))
            .filter(|request| view.standing(&request.member).is_none())
            .collect();
        requests.sort_unstable_by_key(|request| request.entry);
        requests
    }

    /// Whether a request was declined, and not approved besides.
    pub fn is_declined(&self, request: &EntryHash) -> bool {
        let view = self.present();
        view.place(request)
            .is_some_and(|at| view.answer(at) == Answer::Declined)
    }

    /// The leads who agree that `member` be removed, and their schools.
    pub fn consents(&self, member: &MemberId) -> Vec<(MemberId, SchoolId)> {
        let view = self.present();
        view.standing(member)
            .map(|standing| view.consenting(member, &standing))
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(lead, standing)| Some((lead, view.school(&standing)?)))
            .collect()
    }

    /// How many schools agree that the lead `by` remove `member`, that of `by` among them, and how many have to, if it
    /// takes more than one. `None` if it takes no agreement, or one of the two is no member.
    pub fn consent_needed(&self, by: &MemberId, member: &MemberId) -> Option<(usize, usize)> {
        let view = self.present();
        let (lead, target) = (view.standing(by)?, view.standing(member)?);
        let is_foreign = !rights::are_of_one_house(&lead, &target);
        (by != member && target.role.is_staff() && is_foreign)
            .then(|| rights::consent(&view, &lead, member, &target))
    }

    /// Whether `author` may do this now. It says nothing of the keys that an action carries.
    pub fn may(&self, author: &MemberId, action: &Action) -> Result<(), Error> {
        rights::check_action(&self.present(), author, action, Role::Lead)
    }

    /// Whether a segment or another item of `member` may be in `space` now.
    pub fn is_in_space(&self, member: &MemberId, space: &SpaceId) -> bool {
        let view = self.present();
        view.standing(member)
            .is_some_and(|standing| view.is_in(member, standing.role, space))
    }

    /// The members of a space, in the order of their keys.
    pub fn space_members(&self, space: &SpaceId) -> Vec<Member> {
        let view = self.present();
        self.members()
            .filter(|member| view.is_in(&member.id, member.role, space))
            .collect()
    }

    /// The spaces that have a key.
    pub fn spaces(&self) -> Vec<SpaceId> {
        let view = self.present();
        self.graph
            .keys
            .keys()
            .copied()
            .filter(|space| view.current_key(space).is_some())
            .collect()
    }

    /// The key that new segments of `space` are sealed with: of the highest epoch, and of several the smallest id.
    pub fn current_key(&self, space: &SpaceId) -> Option<KeyName> {
        self.present().current_key(space)
    }

    /// The keys that a space had so far, in the order of epochs and ids.
    pub fn keys_in(&self, space: &SpaceId) -> Vec<KeyName> {
        let mut keys: Vec<_> = self.present().keys(space).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The keys that were stated for a space so far, also by what is void: something may be sealed with them.
    pub fn keys_stated(&self, space: &SpaceId) -> BTreeSet<KeyName> {
        self.present().stated(space).map(|(_, name)| name).collect()
    }

    /// The keys that were stated for a space by what is void now, and that none of its keys carries: whoever comes later could
    /// not read what was sealed with them.
    pub fn keys_left_behind(&self, space: &SpaceId) -> Vec<KeyName> {
        let view = self.present();
        let stated = self.keys_stated(space);
        let mut carried: BTreeSet<KeyName> = view.keys(space).collect();
        if stated.len() > carried.len() {
            for (by, older) in self.wrapped() {
                if carried.contains(&by) {
                    let (epoch, id) = (older.epoch, older.id);
                    carried.insert(KeyName { epoch, id, ..by });
                }
            }
        }
        stated.difference(&carried).copied().collect()
    }

    /// The keys that were stated for a space, that its key does not carry, and that one of its members has no way to: neither
    /// that key nor one that carries it was ever sealed to them. Of several rotations apart somebody may go on from one before
    /// they hear of the others, and whoever came meanwhile knew of none.
    pub fn keys_lacked(&self, space: &SpaceId) -> Vec<KeyName> {
        let mut lacked = self.keys_stated(space);
        let Some(current) = self.current_key(space).filter(|_| lacked.len() > 1) else {
            return Vec::new();
        };
        let mut wrapped: Vec<(KeyName, KeyName)> = self
            .wrapped()
            .into_iter()
            .filter(|(by, _)| by.space == *space)
            .map(|(by, WrappedKey { epoch, id, .. })| {
                let (epoch, id) = (*epoch, *id);
                (by, KeyName { epoch, id, ..by })
            })
            .collect();
        let mut carried = BTreeSet::from([current]);
        for (by, older) in &wrapped {
            if carried.contains(by) {
                carried.insert(*older);
            }
        }
        lacked.retain(|name| !carried.contains(name));
        if lacked.is_empty() {
            return Vec::new();
        }
        // What carries something, and what carries that, comes after it.
        wrapped.reverse();
        let members = self.space_members(space);
        let is_lacked = |name: &KeyName| {
            let mut carrying = BTreeSet::from([*name]);
            for (by, older) in &wrapped {
                if carrying.contains(older) {
                    carrying.insert(*by);
                }
            }
            let handed = || carrying.iter().filter_map(|name| self.graph.handed.get(name));
            let has = |member: &Member| handed().any(|handed| handed.contains(&member.exchange));
            !members.iter().all(has)
        };
        lacked.into_iter().filter(is_lacked).collect()
    }

    /// The keys that a space had for somebody who knew `heads`: those that they may hand on.
    pub fn keys_at(&self, space: &SpaceId, heads: &[EntryHash]) -> Vec<KeyName> {
        self.at(heads, |view| view.keys(space).collect())
            .unwrap_or_default()
    }

    /// The epoch keys that were ever sealed to a member.
    pub fn keys_of(&self, member: &MemberId) -> Vec<SealedKey> {
        self.member(member)
            .map(|member| self.sealed_for(&member.exchange))
            .unwrap_or_default()
    }

    /// All epoch keys that were ever sealed to `recipient`, a member or an invite, also by entries that do not count: what
    /// was written with them can be read.
    pub fn sealed_for(&self, recipient: &ExchangeKey) -> Vec<SealedKey> {
        let entries = self.graph.keys_for.get(recipient);
        let mut sealed: BTreeMap<(KeyName, EntryHash), SealedKey> = BTreeMap::new();
        for node in entries.into_iter().flatten().map(|at| self.graph.node(*at)) {
            let action = node.entry.action();
            let is_theirs = node.recipient == Some(*recipient);
            let direct = action.keys().iter().filter(|_| is_theirs).cloned();
            let rotated = action
                .rotations()
                .iter()
                .filter_map(|rotation| rotation.sealed_for(recipient));
            for key in direct.chain(rotated) {
                sealed.insert((key.name(), node.hash), key);
            }
        }
        sealed.into_values().collect()
    }

    /// The older keys that rotations carry, each with the name of the key that opens it; the newest epochs first, so that
    /// one pass opens all.
    pub fn wrapped(&self) -> Vec<(KeyName, &WrappedKey)> {
        let rotations = self
            .graph
            .nodes()
            .flat_map(|node| node.entry.action().rotations());
        let mut wrapped: Vec<_> = rotations
            .flat_map(|rotation| rotation.previous.iter().map(|key| (rotation.name(), key)))
            .collect();
        wrapped.sort_by_key(|(by, key)| (by.space, std::cmp::Reverse(by.epoch), by.id, key.id));
        wrapped
    }

    /// Whether somebody should rotate the keys of `space`: its key was once sealed to somebody who is not in it now or to
    /// an invite that was ended, or a member never got it.
    pub fn needs_rotation(&self, space: &SpaceId) -> bool {
        let view = self.present();
        let Some(current) = view.current_key(space) else {
            return false;
        };
        let members: Vec<ExchangeKey> = self
            .space_members(space)
            .into_iter()
            .map(|member| member.exchange)
            .collect();
        let Some(handed) = self.graph.handed.get(&current) else {
            return true;
        };
        let invited: Vec<ExchangeKey> = view.open_invites().map(|(_, _, exchange)| exchange).collect();
        let is_entitled =
            |recipient: &ExchangeKey| members.contains(recipient) || invited.contains(recipient);
        !members.iter().all(|member| handed.contains(member)) || !handed.iter().all(is_entitled)
    }

    /// Whom a rotation of `space` has to be sealed to that comes with `action` of `author`: the members of the space, and
    /// the open invites into it. Nobody can come by an invite that is used up, so that needs no key.
    pub fn recipients_after(&self, author: &MemberId, action: &Action, space: &SpaceId) -> Vec<ExchangeKey> {
        let view = self.present();
        let members = check::space_after(&view, action, space);
        let invites = check::invites_after(&view, author, action, space)
            .into_iter()
            .filter(|(at, _)| !view.is_used_up(*at))
            .map(|(_, exchange)| exchange);
        let members = members.into_values().map(|(_, exchange)| exchange);
        let recipients: BTreeSet<ExchangeKey> = invites.chain(members).collect();
        recipients.into_iter().collect()
    }

    /// Whether a rotation in `entry` leaves out somebody who is in its space by now. Such an entry may be sound, made by
    /// somebody who did not know of them; but then it is better made again.
    pub fn leaves_out(&self, entry: &Entry) -> bool {
        let view = self.present();
        entry.action().rotations().iter().any(|rotation| {
            check::space_after(&view, entry.action(), &rotation.space)
                .values()
                .any(|(_, exchange)| !rotation.recipients().any(|recipient| recipient == exchange))
        })
    }

    /// Bytes of what the author of `entry` says of their own logs, extending them or leaving, that one with it; 0 if it says
    /// nothing of those. Nobody else has to agree to it. Each counts for `least` at least.
    pub fn bytes_on_own_logs(&self, entry: &Entry, least: usize) -> usize {
        let is_on_own = |entry: &Entry| match entry.action() {
            Action::Extend { member, .. } => *member == entry.author(),
            action => rights::is_leaving(&entry.author(), action),
        };
        if !is_on_own(entry) {
            return 0;
        }
        let earlier = self.graph.by_author.get(&entry.author()).into_iter().flatten();
        let earlier = earlier.map(|at| &self.graph.node(*at).entry);
        earlier
            .filter(|earlier| is_on_own(earlier))
            .chain([entry])
            .map(|entry| entry.size().max(least))
            .sum()
    }

    /// How many entries of its author that take rights away neither know of `entry`, which is not here yet and may take some
    /// itself, nor are known to it.
    pub fn takings_apart_from(&self, entry: &Entry) -> usize {
        let takes = matches!(
            entry.action(),
            Action::Remove { .. } | Action::EndInvite { .. } | Action::ChangeRole { .. }
        );
        if !takes {
            return 0;
        }
        let past = self.graph.past_of(
            entry
                .parents()
                .iter()
                .filter_map(|parent| self.graph.place(parent)),
        );
        let author = entry.author();
        let is_apart = |at: &&At| !past.contains(**at) && self.graph.node(**at).entry.author() == author;
        self.graph.takings.iter().filter(is_apart).count()
    }

    /// Whether only leads and teachers may write in a document now.
    pub fn locked(&self, document: &DocumentId) -> bool {
        self.present().is_locked(document)
    }

    /// Whether nobody may write now.
    pub fn closed(&self) -> bool {
        self.present().is_closed()
    }

    /// What took the place of a document that is gone for good. That may be gone as well, and in the end even be this
    /// one: two leads can erase apart.
    pub fn erased(&self, document: &DocumentId) -> Option<DocumentId> {
        self.present().successor(document)
    }

    /// The entries that erase a document, of those that count.
    pub fn erasures(&self, document: &DocumentId) -> Vec<&Entry> {
        let view = self.present();
        let erasures = self.graph.erasures.get(document).into_iter().flatten();
        erasures
            .filter(|at| view.counts(**at))
            .map(|at| &self.graph.node(*at).entry)
            .collect()
    }

    /// All documents that are gone for good, and what took their place.
    pub fn erased_documents(&self) -> Vec<(DocumentId, DocumentId)> {
        let view = self.present();
        self.graph
            .erasures
            .keys()
            .filter_map(|document| Some((*document, view.successor(document)?)))
            .collect()
    }

    fn invite_at<'a>(&'a self, view: &View<'a>, at: At) -> Option<Invite<'a>> {
        let node = self.graph.node(at);
        let (key, role, uses, expires, exchange, ask_first) = match node.entry.action() {
            Action::Invite {
                key,
                role,
                uses,
                expires,
                exchange,
                ..
            } => (key, role, uses, expires, exchange, false),
            Action::AskInvite {
                key,
                role,
                uses,
                expires,
                exchange,
                ..
            } => (key, role, uses, expires, exchange, true),
            _ => return None,
        };
        Some(Invite {
            entry: node.hash,
            author: node.entry.author(),
            key: *key,
            role: *role,
            uses: *uses,
            used: view.uses(at),
            expires: *expires,
            exchange: *exchange,
            ask_first,
            school: view.placed(at).map(|(_, school)| school),
            ended: view.is_ended(at),
            keys: node.entry.action().keys(),
        })
    }

    fn request_at<'a>(&'a self, view: &View<'a>, at: At) -> Option<Request<'a>> {
        let node = self.graph.node(at);
        let Action::Request {
            invite,
            exchange,
            school,
            note,
            ..
        } = node.entry.action()
        else {
            return None;
        };
        let invited = self.graph.place(invite).and_then(|at| self.invite_at(view, at))?;
        Some(Request {
            entry: node.hash,
            member: node.entry.author(),
            school: *school,
            exchange: *exchange,
            role: invited.role,
            invite: invited.entry,
            inviter: invited.author,
            note,
        })
    }
}

fn member(view: &View<'_>, id: MemberId, standing: &Standing) -> Option<Member> {
    Some(Member {
        id,
        role: standing.role,
        school: view.school(standing)?,
        exchange: view.exchange(standing)?,
        admitted_by: view.graph.node(standing.admitted).hash,
    })
}
