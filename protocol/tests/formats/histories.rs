//! Random histories of a classroom in three places that meet now and then: whatever way the entries come, the roster
//! says the same.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use protocol::roster::{Action, Entry, Roster};
use protocol::{DocumentId, Error, InviteKey, SpaceId};

use crate::class::{
    Class, EAST, FOUNDER, PAGE, ROLES, change, consent, cutoffs, end, id, lock, log, remove_after, secret,
};
use crate::example::{NORTH, SOUTH, person};

/// Whose secrets the invites of random histories have.
static NUMBERS: LazyLock<HashMap<InviteKey, u8>> =
    LazyLock::new(|| (0..=255).map(|number| (secret(number).id(), number)).collect());

const PEOPLE: std::ops::Range<u8> = 1..10;

#[derive(Debug, Clone)]
enum Step {
    /// One place takes what another has.
    Meet(usize, usize),
    /// Somebody does something in one place.
    Act(usize, u8, Act),
}

#[derive(Debug, Clone)]
enum Act {
    Invite {
        role: usize,
        ask: bool,
    },
    /// By any invite that is there.
    Join {
        invite: Index,
        school: usize,
    },
    End(Index),
    Answer {
        request: Index,
        approve: bool,
    },
    Change {
        member: u8,
        role: usize,
    },
    Remove {
        members: Vec<u8>,
        rotate: bool,
    },
    Consent(u8),
    Rotate(usize),
    Group(Vec<u8>),
    Lock(bool),
    Close(bool),
    Erase(u8),
    Extend(u8),
    /// Of an invite that is there, in the author's school.
    Place(Index),
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (select(&[0, 0, 0, 1, 2, 3, 4]), prop::bool::weighted(0.5))
            .prop_map(|(role, ask)| Act::Invite { role, ask }),
        9 => (any::<Index>(), 0..3usize).prop_map(|(invite, school)| Act::Join { invite, school }),
        1 => any::<Index>().prop_map(Act::End),
        7 => (any::<Index>(), prop::bool::weighted(0.6))
            .prop_map(|(request, approve)| Act::Answer { request, approve }),
        3 => (PEOPLE, 0..5usize).prop_map(|(member, role)| Act::Change { member, role }),
        5 => (vec(PEOPLE, 1..2), any::<bool>()).prop_map(|(members, rotate)| Act::Remove { members, rotate }),
        2 => PEOPLE.prop_map(Act::Consent),
        2 => (0..3usize).prop_map(Act::Rotate),
        1 => vec(PEOPLE, 1..4).prop_map(Act::Group),
        1 => any::<bool>().prop_map(Act::Lock),
        1 => any::<bool>().prop_map(Act::Close),
        1 => (1..4u8).prop_map(Act::Erase),
        2 => PEOPLE.prop_map(Act::Extend),
        4 => any::<Index>().prop_map(Act::Place),
    ]
}

fn histories() -> impl Strategy<Value = Vec<Step>> {
    let author = prop_oneof![1 => 1..5u8, 1 => PEOPLE];
    let step = prop_oneof![
        1 => (0..3usize, 0..3usize).prop_map(|(to, from)| Step::Meet(to, from)),
        5 => (0..3usize, author, acts()).prop_map(|(place, author, act)| Step::Act(place, author, act)),
    ];
    vec(step, 20..80)
}

/// That of everyone, of staff, or of a group if there is one.
fn space(class: &Class, number: usize) -> Option<SpaceId> {
    class.roster.spaces().get(number).copied()
}

/// What `author` signs in this place, if there is something to act on.
fn entry(class: &mut Class, author: u8, act: &Act) -> Option<Entry> {
    let number = 30 + (class.heads()[0].0[0] % 100);
    let action = match act {
        Act::Invite { role, ask } => {
            let mut copy = class.clone();
            // The class takes what it makes; here the roster may refuse it.
            copy.roster.may(&id(author), &lock(true)).ok()?;
            copy.role(author).filter(|by| by.may_invite(ROLES[*role]))?;
            let hash = if *ask {
                copy.ask_invite(author, number, ROLES[*role])
            } else {
                copy.invite(author, number, ROLES[*role], 3)
            };
            return copy.roster.entry(&hash).cloned();
        }
        Act::Join { invite, school } => {
            let school = [NORTH, SOUTH, EAST][*school];
            let invites: Vec<_> = class
                .roster
                .entries_in_order()
                .into_iter()
                .filter_map(|entry| match entry.action() {
                    Action::Invite { key, .. } => Some((entry.hash(), *key, false)),
                    Action::AskInvite { key, .. } => Some((entry.hash(), *key, true)),
                    _ => None,
                })
                .collect();
            let (hash, key, ask) = *invites.get(invite.index(invites.len().max(1)))?;
            let placed = class.roster.invite_by(&hash).and_then(|invite| invite.school);
            let school = placed.unwrap_or(school);
            let number = *NUMBERS.get(&key)?;
            return Some(if ask {
                class.request(author, number, hash, school)
            } else {
                class.admission(author, number, hash, school)
            });
        }
        Act::End(invite) => {
            let invites = class.roster.invites();
            end(invites.get(invite.index(invites.len().max(1)))?.entry)
        }
        Act::Answer { request, approve } => {
            let requests = class.roster.requests();
            let request = requests.get(request.index(requests.len().max(1)))?.entry;
            if *approve {
                crate::class::approve(request)
            } else {
                Action::Decline { request }
            }
        }
        Act::Change { member, role } => change(*member, ROLES[*role]),
        Act::Remove { members, rotate } => {
            let members: BTreeSet<u8> = members.iter().copied().collect();
            let removals = members
                .iter()
                .map(|member| match remove_after(*member, &[(PAGE, 1, 5)]) {
                    Action::Remove { mut members, .. } => members.remove(0),
                    _ => unreachable!(),
                });
            let members = removals.collect();
            let mut action = Action::Remove {
                members,
                rotations: Vec::new(),
            };
            if *rotate {
                let rotation = class.rotation(author, &action, SpaceId::EVERYONE);
                if let Action::Remove { rotations, .. } = &mut action {
                    rotations.push(rotation);
                }
            }
            action
        }
        Act::Consent(member) => consent(*member),
        Act::Rotate(number) => {
            let space = space(class, *number)?;
            let rotate = Action::Rotate {
                rotations: Vec::new(),
            };
            let rotation = class.rotation(author, &rotate, space);
            Action::Rotate {
                rotations: vec![rotation],
            }
        }
        Act::Group(members) => {
            let members: BTreeSet<u8> = members.iter().copied().chain([author]).collect();
            class.group(author, &members.into_iter().collect::<Vec<_>>())
        }
        Act::Lock(locked) => lock(*locked),
        Act::Close(closed) => Action::Close { closed: *closed },
        Act::Erase(number) => Action::Erase {
            document: PAGE,
            successor: DocumentId([*number; 16]),
        },
        Act::Place(invite) => {
            let school = class.roster.member(&id(author))?.school;
            let invites = class.roster.invites();
            let own = invites.iter().filter(|invite| invite.author == id(author));
            let own: Vec<_> = own.collect();
            let invite = own.get(invite.index(own.len().max(1)))?.entry;
            Action::PlaceInvite { invite, school }
        }
        Act::Extend(member) => Action::Extend {
            member: id(*member),
            cutoffs: cutoffs(&[(PAGE, 2, 3)]),
        },
    };
    Some(class.entry(author, action))
}

/// The three places at the end.
fn live(history: &[Step]) -> [Class; 3] {
    let mut first = Class::new();
    first.join(2, protocol::roster::Role::Lead, SOUTH);
    first.join(3, protocol::roster::Role::Lead, NORTH);
    first.join(4, protocol::roster::Role::Teacher, NORTH);
    first.join(5, protocol::roster::Role::Lead, EAST);
    let mut places = [first.clone(), first.clone(), first];
    for step in history {
        match step {
            Step::Meet(to, from) => {
                let from = places[*from].clone();
                // Whatever one place took, every other takes: its past is the same everywhere.
                places[*to].meet(&[&from]);
            }
            Step::Act(place, author, act) => {
                let class = &mut places[*place];
                if let Some(entry) = entry(class, *author, act) {
                    match class.roster.add(entry) {
                        Ok(_) | Err(Error::NotAllowed(_)) => {}
                        Err(other) => panic!("{other} in {act:?}"),
                    }
                }
            }
        }
    }
    places
}

/// Everything a roster says.
fn said(roster: &Roster) -> String {
    let entries: Vec<_> = roster
        .entries_in_order()
        .iter()
        .map(|entry| entry.hash())
        .collect();
    let people: Vec<_> = PEOPLE.map(id).collect();
    let counting: Vec<_> = entries.iter().map(|entry| roster.counts(entry)).collect();
    let roles: Vec<_> = entries
        .iter()
        .flat_map(|entry| people.iter().map(|member| roster.role_at(member, &[*entry])))
        .collect();
    let spaces: Vec<_> = roster
        .spaces()
        .iter()
        .map(|space| {
            (
                *space,
                roster.space_members(space),
                roster.current_key(space),
                roster.keys_in(space),
                roster.needs_rotation(space),
            )
        })
        .collect();
    let each: Vec<_> = PEOPLE
        .map(|number| {
            let member = id(number);
            (
                roster.consents(&member),
                roster.cutoff(&log(number, PAGE, 1)),
                roster.cutoff(&log(number, PAGE, 2)),
                roster.sealed_for(&person(number).exchange_key()),
                roster.heads_for(&member),
            )
        })
        .collect();
    format!(
        "{entries:?}\n{counting:?}\n{roles:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{spaces:?}\n{each:?}\n{:?} {} {:?}\n{:?}\n{:?}",
        roster.members().collect::<Vec<_>>(),
        roster.former_members(),
        roster.invites(),
        roster.requests(),
        roster.locked(&PAGE),
        roster.closed(),
        roster.erased_documents(),
        roster.heads().collect::<Vec<_>>(),
        roster.wrapped(),
    )
}

/// Adds entries in the order they come, those that came too early again and again.
fn taken(founded: &Roster, entries: &[Entry]) -> Roster {
    let mut roster = founded.clone();
    let mut waiting = entries.to_vec();
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|entry| match roster.add(entry.clone()) {
            Ok(_) => false,
            Err(Error::MissingParent(_)) => true,
            Err(other) => panic!("{other}"),
        });
        assert!(waiting.len() < before, "parents are missing for good");
    }
    roster
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_same_is_said_whatever_way_the_entries_came(history in histories(), seed: u64) {
        let [mut one, mut two, mut three] = live(&history);
        let founded = Class::new().roster;
        let halves = [one.clone(), two.clone(), three.clone()];
        one.meet(&[&halves[1], &halves[2]]);
        two.meet(&[&halves[2], &halves[0]]);
        three.meet(&[&halves[0], &halves[1]]);
        let expected = said(&one.roster);
        prop_assert_eq!(said(&two.roster), expected.clone());
        prop_assert_eq!(said(&three.roster), expected.clone());

        // Shuffled: by the hash of the seed and each entry.
        let mut entries: Vec<Entry> = one.roster.entries_in_order().into_iter().cloned().collect();
        for turn in 0..2u64 {
            entries.sort_by_key(|entry| {
                *blake3::hash(&[&seed.to_be_bytes()[..], &turn.to_be_bytes(), &entry.hash().0].concat()).as_bytes()
            });
            prop_assert_eq!(said(&taken(&founded, &entries)), expected.clone());
        }
        // In order, with looks at the past between, so that what is remembered grows on the way.
        entries.sort_by_key(|entry| one.roster.entries_in_order().iter().position(|other| other.hash() == entry.hash()));
        let mut roster = founded.clone();
        let mut known = Vec::new();
        for entry in &entries {
            known.push(entry.hash());
            roster.add(entry.clone()).unwrap();
            for head in known.iter().rev().take(4) {
                prop_assert_eq!(
                    roster.role_at(&id(2), &[*head]),
                    one.roster.role_at(&id(2), &[*head])
                );
            }
        }
        prop_assert_eq!(said(&roster), expected);

        // What somebody knew is what the roster of just that would say.
        for heads in entries.iter().step_by(7).map(Entry::hash) {
            let past = past(&one.roster, heads);
            let part = taken(&founded, &past);
            for member in PEOPLE.map(id) {
                prop_assert_eq!(part.member(&member).map(|member| member.role), one.roster.role_at(&member, &[heads]));
            }
        }
    }
}

/// An entry and all it descends from.
fn past(roster: &Roster, head: protocol::EntryHash) -> Vec<Entry> {
    let mut found = BTreeSet::new();
    let mut stack = vec![head];
    while let Some(hash) = stack.pop() {
        if found.insert(hash) {
            stack.extend(roster.entry(&hash).unwrap().parents());
        }
    }
    found
        .iter()
        .map(|hash| roster.entry(hash).unwrap().clone())
        .collect()
}

/// The histories above are worth something only if much is taken and much of it void.
#[test]
fn random_histories_are_full_of_conflicts() {
    let mut runner = TestRunner::deterministic();
    let strategy = histories();
    let (mut taken, mut void, mut former, mut rotated) = (0, 0, 0, 0);
    let mut kinds = BTreeSet::new();
    for _ in 0..140 {
        let [mut one, two, three] = live(&strategy.new_tree(&mut runner).unwrap().current());
        one.meet(&[&two, &three]);
        for entry in one.roster.entries_in_order() {
            taken += 1;
            void += usize::from(!one.roster.counts(&entry.hash()));
            kinds.insert(
                format!("{:?}", entry.action())
                    .split([' ', '{'])
                    .next()
                    .unwrap()
                    .to_owned(),
            );
        }
        former += one.roster.former_members().len();
        rotated += one.roster.keys_in(&SpaceId::EVERYONE).len() - 1;
    }
    println!("140 histories: {taken} entries, {void} void, {former} out, {rotated} new keys, {kinds:?}");
    assert!(taken > 2_000 && void > 30 && former > 60 && rotated > 15);
    assert_eq!(kinds.len(), 18, "each kind of action: {kinds:?}");
}

/// Entries with any action that decodes, signed by members, change nothing if they are refused.
#[test]
fn a_refused_entry_leaves_no_trace() {
    let mut class = Class::new();
    class.join(2, protocol::roster::Role::Student, SOUTH);
    let before = said(&class.roster);
    for action in [
        lock(true),
        consent(FOUNDER),
        change(2, ROLES[0]),
        Action::Close { closed: true },
    ] {
        assert!(class.try_act(2, action).is_err());
        assert_eq!(said(&class.roster), before);
    }
}
