//! A classroom whose roster grows act by act, with people known by number: 1 founded it, in the north.

use std::collections::{BTreeMap, BTreeSet};

use protocol::identity::InviteKeys;
use protocol::key::{EpochKey, SealedKey};
use protocol::roster::{Action, Added, Cutoff, Entry, Removal, Role, Roster, Rotation};
use protocol::segment::{Header, Kind, Log};
use protocol::{ClassroomId, DocumentId, EntryHash, Error, ExchangeKey, LaneId, MemberId, SchoolId, SpaceId};

use crate::example::{DOCUMENT, EXPIRES, NORTH, Stream, person};

pub(crate) const FOUNDER: u8 = 1;
pub(crate) const EAST: SchoolId = SchoolId([0x33; 16]);
pub(crate) const PAGE: DocumentId = DocumentId([0xd1; 16]);

pub(crate) const ROLES: [Role; 5] = [
    Role::Lead,
    Role::Teacher,
    Role::Student,
    Role::Guest,
    Role::Carrier,
];

pub(crate) fn id(number: u8) -> MemberId {
    person(number).id()
}

pub(crate) fn secret(number: u8) -> InviteKeys {
    InviteKeys::from_secret(&[number; 16]).unwrap()
}

pub(crate) fn key(label: &str) -> EpochKey {
    EpochKey::from_bytes(*blake3::hash(label.as_bytes()).as_bytes())
}

#[derive(Clone)]
pub(crate) struct Class {
    pub(crate) roster: Roster,
    /// All keys that were ever made.
    pub(crate) keys: BTreeMap<[u8; 32], EpochKey>,
    made: u64,
}

impl Class {
    /// With the spaces of everyone and of staff.
    pub(crate) fn new() -> Self {
        Self::with(&[(SpaceId::EVERYONE, "everyone"), (SpaceId::STAFF, "staff")])
    }

    /// With the space of everyone only, as another client may found one.
    pub(crate) fn without_staff() -> Self {
        Self::with(&[(SpaceId::EVERYONE, "everyone")])
    }

    fn with(spaces: &[(SpaceId, &str)]) -> Self {
        let founder = person(FOUNDER);
        let mut keys = BTreeMap::new();
        let sealed = spaces.iter().map(|(space, label)| {
            let key = key(label);
            keys.insert(key.id(), key.clone());
            SealedKey::seal(&key, *space, 0, &founder.exchange_key(), &mut Stream::new(label)).unwrap()
        });
        let sealed = sealed.collect();
        let founding = Entry::found(&founder, NORTH, DOCUMENT, sealed, &mut Stream::new("class")).unwrap();
        Self {
            roster: Roster::found(founding).unwrap(),
            keys,
            made: 0,
        }
    }

    pub(crate) fn classroom(&self) -> ClassroomId {
        self.roster.classroom()
    }

    pub(crate) fn heads(&self) -> Vec<EntryHash> {
        self.roster.heads().copied().collect()
    }

    /// What `author` signs who knows all that is here.
    pub(crate) fn entry(&self, author: u8, action: Action) -> Entry {
        Entry::act(&person(author), self.classroom(), self.heads(), action).unwrap()
    }

    /// Does it, and tells whether the roster took it.
    pub(crate) fn try_act(&mut self, author: u8, action: Action) -> Result<Added, Error> {
        let entry = self.entry(author, action);
        self.roster.add(entry)
    }

    /// Does it.
    pub(crate) fn act(&mut self, author: u8, action: Action) -> EntryHash {
        let entry = self.entry(author, action);
        self.take(entry)
    }

    pub(crate) fn take(&mut self, entry: Entry) -> EntryHash {
        let hash = entry.hash();
        self.roster.add(entry).unwrap();
        hash
    }

    /// Takes everything that others have.
    pub(crate) fn meet(&mut self, others: &[&Self]) {
        for other in others {
            for entry in other.roster.entries_in_order() {
                self.roster.add(entry.clone()).unwrap();
            }
            self.keys.extend(other.keys.clone());
        }
    }

    /// An invite of `author`, with the current keys that its role is for.
    pub(crate) fn invite(&mut self, author: u8, number: u8, role: Role, uses: u32) -> EntryHash {
        let spaces = match role {
            Role::Lead | Role::Teacher => vec![SpaceId::EVERYONE, SpaceId::STAFF],
            Role::Student | Role::Guest => vec![SpaceId::EVERYONE],
            Role::Carrier => vec![],
        };
        let keys = self.sealed(&spaces, secret(number).exchange_key());
        let entry = Entry::invite(
            &person(author),
            self.classroom(),
            self.heads(),
            &secret(number),
            role,
            uses,
            EXPIRES,
            keys,
        );
        self.take(entry.unwrap())
    }

    /// An invite into the author's school.
    pub(crate) fn own_invite(&mut self, author: u8, number: u8, role: Role, uses: u32) -> EntryHash {
        let invite = self.invite(author, number, role, uses);
        let school = self.roster.member(&id(author)).unwrap().school;
        self.act(author, Action::PlaceInvite { invite, school });
        invite
    }

    pub(crate) fn ask_invite(&mut self, author: u8, number: u8, role: Role) -> EntryHash {
        let (keys, heads) = (person(author), self.heads());
        let entry = Entry::ask_invite(&keys, self.classroom(), heads, &secret(number), role, 9, EXPIRES);
        self.take(entry.unwrap())
    }

    pub(crate) fn admission(&mut self, joiner: u8, number: u8, invite: EntryHash, school: SchoolId) -> Entry {
        let role = self
            .roster
            .invite_by(&invite)
            .map_or(Role::Carrier, |invite| invite.role);
        let spaces: &[SpaceId] = match role {
            Role::Lead | Role::Teacher => &[SpaceId::EVERYONE, SpaceId::STAFF],
            Role::Student | Role::Guest => &[SpaceId::EVERYONE],
            Role::Carrier => &[],
        };
        let keys = self.sealed(spaces, person(joiner).exchange_key());
        let (classroom, heads) = (self.classroom(), self.heads());
        Entry::admit(
            &person(joiner),
            classroom,
            heads,
            &secret(number),
            invite,
            school,
            keys,
        )
        .unwrap()
    }

    pub(crate) fn request(&self, asking: u8, number: u8, invite: EntryHash, school: SchoolId) -> Entry {
        let (classroom, heads) = (self.classroom(), self.heads());
        let note = b"who I am".to_vec();
        Entry::request(
            &person(asking),
            classroom,
            heads,
            &secret(number),
            invite,
            school,
            note,
        )
        .unwrap()
    }

    /// Lets somebody in, by an invite that is for them alone: of a lead of their school if it is to lead or teach and there is
    /// one, otherwise of the founder. Answers with their admission.
    pub(crate) fn join(&mut self, joiner: u8, role: Role, school: SchoolId) -> EntryHash {
        let number = 100 + joiner;
        let leads = |number: &u8| {
            let member = self.roster.member(&id(*number));
            member.is_some_and(|member| member.role == Role::Lead && member.school == school)
        };
        let own = (1..100).find(leads).filter(|_| role.is_staff());
        let invite = match own {
            Some(lead) => self.own_invite(lead, number, role, 1),
            None => self.invite(FOUNDER, number, role, 1),
        };
        let admission = self.admission(joiner, number, invite, school);
        self.take(admission)
    }

    /// The current keys of `spaces`, sealed to one recipient.
    pub(crate) fn sealed(&mut self, spaces: &[SpaceId], to: ExchangeKey) -> Vec<SealedKey> {
        let names = spaces.iter().filter_map(|space| self.roster.current_key(space));
        let names: Vec<_> = names.collect();
        names
            .into_iter()
            .map(|name| {
                let mut rng = self.rng();
                SealedKey::seal(&self.keys[&name.id], name.space, name.epoch, &to, &mut rng).unwrap()
            })
            .collect()
    }

    /// A new key for `space`, as `author` makes it who does `action` with it.
    pub(crate) fn rotation(&mut self, author: u8, action: &Action, space: SpaceId) -> Rotation {
        let recipients = self.roster.recipients_after(&id(author), action, &space);
        self.rotation_to(space, recipients)
    }

    pub(crate) fn rotation_to(&mut self, space: SpaceId, recipients: Vec<ExchangeKey>) -> Rotation {
        let current = self.roster.current_key(&space).unwrap();
        let old: Vec<(u32, EpochKey)> = self
            .roster
            .keys_in(&space)
            .into_iter()
            .filter(|name| name.epoch == current.epoch)
            .chain(self.roster.keys_left_behind(&space))
            .chain(self.roster.keys_lacked(&space))
            .filter(|name| name.epoch <= current.epoch)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(|name| (name.epoch, self.keys[&name.id].clone()))
            .collect();
        let old = old.iter().map(|(epoch, key)| (*epoch, key));
        let mut rng = self.rng();
        let new = EpochKey::random(&mut rng);
        self.keys.insert(new.id(), new.clone());
        Rotation::new(&new, space, current.epoch + 1, old, recipients, &mut rng).unwrap()
    }

    /// The first key of a space with these members.
    pub(crate) fn first_key(&mut self, space: SpaceId, members: &[u8]) -> Rotation {
        let mut rng = self.rng();
        let new = EpochKey::random(&mut rng);
        self.keys.insert(new.id(), new.clone());
        let recipients = members.iter().map(|member| person(*member).exchange_key());
        Rotation::new(&new, space, 0, [], recipients, &mut rng).unwrap()
    }

    /// A group of `members`, as `author` makes it.
    pub(crate) fn group(&mut self, author: u8, members: &[u8]) -> Action {
        let mut rng = self.rng();
        let key = EpochKey::random(&mut rng);
        let members: Vec<MemberId> = members.iter().map(|member| id(*member)).collect();
        let space = SpaceId::of_group(&id(author), &members, &key.id());
        self.keys.insert(key.id(), key.clone());
        self.group_named(space, members, &key)
    }

    /// A group of any name.
    pub(crate) fn group_named(&mut self, space: SpaceId, members: Vec<MemberId>, key: &EpochKey) -> Action {
        let exchange = |member| self.roster.member(member).map(|member| member.exchange);
        // Somebody who is no member is left out.
        let recipients: Vec<ExchangeKey> = members.iter().filter_map(exchange).collect();
        let first = Rotation::new(key, space, 0, [], recipients, &mut self.rng()).unwrap();
        Action::NewSpace { members, first }
    }

    /// Removes somebody, with new keys for everyone.
    pub(crate) fn remove_and_rotate(&mut self, author: u8, member: u8) -> Action {
        let action = remove(member);
        let rotation = self.rotation(author, &action, SpaceId::EVERYONE);
        match action {
            Action::Remove { members, .. } => Action::Remove {
                members,
                rotations: vec![rotation],
            },
            other => other,
        }
    }

    pub(crate) fn role(&self, member: u8) -> Option<Role> {
        self.roster.member(&id(member)).map(|member| member.role)
    }

    /// The header of a segment that `author` writes now.
    pub(crate) fn header(&self, author: u8, document: DocumentId, lane: u8, index: u64) -> Header {
        let log = log(author, document, lane);
        Header {
            kind: Kind::Run,
            log,
            first: index,
            last: index,
            space: SpaceId::EVERYONE,
            epoch: self.roster.current_key(&SpaceId::EVERYONE).unwrap().epoch,
            roster: self.roster.heads_for(&log.member),
        }
    }

    /// Differs between copies of one classroom as well: what they did is part of the label.
    fn rng(&mut self) -> Stream {
        self.made += 1;
        Stream::new(&format!("{} {:?}", self.made, self.heads()))
    }
}

pub(crate) fn log(author: u8, document: DocumentId, lane: u8) -> Log {
    Log {
        document,
        member: id(author),
        lane: LaneId([lane; 16]),
    }
}

pub(crate) fn remove(member: u8) -> Action {
    remove_after(member, &[])
}

/// Removes somebody whose logs count up to the stated indices: document, lane, next.
pub(crate) fn remove_after(member: u8, seen: &[(DocumentId, u8, u64)]) -> Action {
    Action::Remove {
        members: vec![Removal {
            member: id(member),
            cutoffs: cutoffs(seen),
        }],
        rotations: Vec::new(),
    }
}

pub(crate) fn cutoffs(seen: &[(DocumentId, u8, u64)]) -> Vec<Cutoff> {
    seen.iter()
        .map(|(document, lane, next)| Cutoff {
            document: *document,
            lane: LaneId([*lane; 16]),
            next: *next,
        })
        .collect()
}

pub(crate) fn change(member: u8, role: Role) -> Action {
    Action::ChangeRole {
        member: id(member),
        role,
        cutoffs: Vec::new(),
        keys: Vec::new(),
        rotations: Vec::new(),
    }
}

pub(crate) fn end(invite: EntryHash) -> Action {
    Action::EndInvite {
        invite,
        rotations: Vec::new(),
    }
}

pub(crate) fn approve(request: EntryHash) -> Action {
    Action::Approve {
        request,
        keys: Vec::new(),
    }
}

pub(crate) fn consent(member: u8) -> Action {
    Action::Consent { member: id(member) }
}

pub(crate) fn lock(locked: bool) -> Action {
    Action::Lock {
        document: PAGE,
        locked,
    }
}
