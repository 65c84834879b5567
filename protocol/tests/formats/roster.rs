//! One roster comes out of the same entries, whatever way they came; and only those count whose author had the right.

use std::collections::BTreeSet;

use ed25519_dalek::{Signer as _, SigningKey};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use protocol::bounded::Bytes;
use protocol::identity::InviteKeys;
use protocol::key::{EpochKey, SealedKey};
use protocol::roster::{Action, Added, Entry, MAX_HEADS, Member, Role, Roster, Rotation};
use protocol::{
    ClassroomId, EntryHash, Error, ExchangeKey, InviteKey, MemberId, SchoolId, Signature, SpaceId,
};

use crate::example::{DOCUMENT, EXPIRES, NORTH, SOUTH, Stream, example, person, sealed_to};

const ROLES: [Role; 5] = [
    Role::Lead,
    Role::Teacher,
    Role::Student,
    Role::Guest,
    Role::Carrier,
];

/// The founder is person 1.
const FOUNDER: u8 = 1;

fn founded() -> Roster {
    Roster::found(example().founding.clone()).unwrap()
}

fn secret(number: u8) -> InviteKeys {
    InviteKeys::from_secret(&[number; 16]).unwrap()
}

fn invite(author: u8, parents: Vec<EntryHash>, key: u8, role: Role, uses: u32) -> Entry {
    let classroom = example().classroom();
    Entry::invite(
        &person(author),
        classroom,
        parents,
        &secret(key),
        role,
        uses,
        EXPIRES,
        Vec::new(),
    )
    .unwrap()
}

/// Each but the first is of a school of their own.
fn admit(author: u8, parents: Vec<EntryHash>, key: u8, invite: EntryHash) -> Entry {
    let classroom = example().classroom();
    let school = if author == 2 {
        SOUTH
    } else {
        SchoolId([author; 16])
    };
    Entry::admit(
        &person(author),
        classroom,
        parents,
        &secret(key),
        invite,
        school,
        Vec::new(),
    )
    .unwrap()
}

fn heads(roster: &Roster) -> Vec<EntryHash> {
    roster.heads().copied().collect()
}

/// Invites with `role` as the founder does, and lets `joiner` in. Answers with the invite's entry.
fn let_in(roster: &mut Roster, joiner: u8, key: u8, role: Role) -> EntryHash {
    let invite = invite(FOUNDER, heads(roster), key, role, 1);
    let hash = invite.hash();
    roster.add(invite).unwrap();
    roster.add(admit(joiner, heads(roster), key, hash)).unwrap();
    hash
}

/// The entry with its content changed, signed anew by its author: what a member can send who does not use this crate.
fn bent(entry: &Entry, author: u8, bend: impl Fn(&mut Vec<u8>)) -> Entry {
    let bytes = entry.encode().unwrap();
    let length_bytes = bytes[1..].iter().take_while(|&&byte| byte >= 0x80).count() + 1;
    let mut content = bytes[1 + length_bytes..bytes.len() - 64].to_vec();
    bend(&mut content);
    let signing = SigningKey::from_bytes(&blake3::derive_key(
        "meridian 2026-11 v1 member signing key",
        &[author; 16],
    ));
    let hash = blake3::derive_key("meridian 2026-11 v1 roster entry", &content);
    let signature = signing.sign(&[b"meridian v1 roster entry\0".as_slice(), &hash].concat());
    let mut encoded = vec![1];
    let mut length = content.len();
    while length >= 0x80 {
        encoded.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    encoded.push(length as u8);
    encoded.extend(content);
    encoded.extend(signature.to_bytes());
    let entry = Entry::decode(&encoded).unwrap();
    entry.verify().unwrap();
    entry
}

fn replace(content: &mut [u8], from: &[u8], to: &[u8]) {
    let at = content
        .windows(from.len())
        .position(|window| window == from)
        .expect("the content holds it");
    content[at..at + from.len()].copy_from_slice(to);
}

#[test]
fn who_may_invite_whom() {
    let table = [
        // by, then: lead, teacher, student, guest, carrier
        (Role::Lead, [true, true, true, true, true]),
        (Role::Teacher, [false, false, true, true, false]),
        (Role::Student, [false; 5]),
        (Role::Guest, [false; 5]),
        (Role::Carrier, [false; 5]),
    ];
    for (by, allowed) in table {
        let mut roster = founded();
        let_in(&mut roster, 2, 1, by);
        assert_eq!(roster.member(&person(2).id()).unwrap().role, by);
        for (role, allowed) in ROLES.into_iter().zip(allowed) {
            let entry = invite(2, heads(&roster), 2, role, 1);
            let answer = roster.clone().add(entry);
            if allowed {
                assert_eq!(answer, Ok(Added::New), "{by:?} invites {role:?}");
            } else {
                assert_eq!(
                    answer,
                    Err(Error::NotAllowed("invite with this role")),
                    "{by:?} invites {role:?}"
                );
            }
        }
    }
}

#[test]
fn who_may_write() {
    let writers: Vec<Role> = ROLES.into_iter().filter(|role| role.may_write()).collect();
    assert_eq!(writers, [Role::Lead, Role::Teacher, Role::Student]);
}

#[test]
fn a_stranger_may_not_invite() {
    let mut roster = founded();
    let entry = invite(2, heads(&roster), 1, Role::Student, 1);
    assert_eq!(
        roster.add(entry),
        Err(Error::NotAllowed("invite without being a member"))
    );
}

#[test]
fn a_member_was_not_one_before_they_joined() {
    let mut roster = founded();
    let before = heads(&roster);
    let_in(&mut roster, 2, 1, Role::Lead);
    let entry = invite(2, before.clone(), 2, Role::Student, 1);
    assert_eq!(
        roster.add(entry),
        Err(Error::NotAllowed("invite without being a member"))
    );
    assert_eq!(roster.role_at(&person(2).id(), &before), None);
    assert_eq!(roster.role_at(&person(2).id(), &heads(&roster)), Some(Role::Lead));
    assert_eq!(roster.role_at(&person(2).id(), &[]), None);
    let unknown = EntryHash([5; 32]);
    assert_eq!(roster.role_at(&person(FOUNDER).id(), &[unknown]), None);
    assert_eq!(
        roster.role_at(&person(FOUNDER).id(), &[heads(&roster)[0], unknown]),
        None
    );
}

#[test]
fn nobody_joins_twice() {
    let mut roster = founded();
    let first = let_in(&mut roster, 2, 1, Role::Student);
    let again = invite(FOUNDER, heads(&roster), 2, Role::Lead, 5);
    let second = again.hash();
    roster.add(again).unwrap();
    let refused = Err(Error::NotAllowed("join twice"));
    assert_eq!(roster.add(admit(2, heads(&roster), 2, second)), refused);
    assert_eq!(roster.add(admit(2, heads(&roster), 1, first)), refused);
    assert_eq!(roster.add(admit(FOUNDER, heads(&roster), 2, second)), refused);
    assert_eq!(roster.member(&person(2).id()).unwrap().role, Role::Student);
}

/// Two devices of one person join while apart: the higher role counts, and the same one everywhere.
#[test]
fn of_two_admissions_apart_the_higher_role_counts() {
    let mut roster = founded();
    let parents = heads(&roster);
    let student = invite(FOUNDER, parents.clone(), 1, Role::Student, 1);
    let teacher = invite(FOUNDER, parents, 2, Role::Teacher, 1);
    let (by_student, by_teacher) = (student.hash(), teacher.hash());
    roster.add(student).unwrap();
    roster.add(teacher).unwrap();
    roster.add(admit(2, vec![by_student], 1, by_student)).unwrap();
    assert_eq!(roster.member(&person(2).id()).unwrap().role, Role::Student);
    roster.add(admit(2, vec![by_teacher], 2, by_teacher)).unwrap();
    assert_eq!(roster.member(&person(2).id()).unwrap().role, Role::Teacher);
    assert_eq!(roster.members().count(), 2);
    assert_eq!(
        roster.role_at(&person(2).id(), &heads(&roster)),
        Some(Role::Teacher)
    );
}

#[test]
fn an_invite_lets_in_as_many_as_it_says() {
    let mut roster = founded();
    let two = invite(FOUNDER, heads(&roster), 1, Role::Student, 2);
    let hash = two.hash();
    roster.add(two).unwrap();
    roster.add(admit(2, heads(&roster), 1, hash)).unwrap();
    let before_second = heads(&roster);
    roster.add(admit(3, heads(&roster), 1, hash)).unwrap();
    let over = Err(Error::NotAllowed("use an invite more often than it says"));
    assert_eq!(roster.add(admit(4, heads(&roster), 1, hash)), over);
    // Whoever did not know of the second counts: causes decide, and the relay limits what it sees.
    assert_eq!(roster.add(admit(4, before_second, 1, hash)), Ok(Added::New));
    assert_eq!(roster.uses_of(&hash), 3);

    let none = invite(FOUNDER, heads(&roster), 2, Role::Student, 0);
    let hash = none.hash();
    roster.add(none).unwrap();
    assert_eq!(roster.add(admit(5, heads(&roster), 2, hash)), over);
}

#[test]
fn an_admission_needs_the_invites_secret() {
    let mut roster = founded();
    let invite = invite(FOUNDER, heads(&roster), 1, Role::Lead, 9);
    let hash = invite.hash();
    roster.add(invite).unwrap();
    assert_eq!(
        roster.add(admit(2, heads(&roster), 2, hash)),
        Err(Error::BadSignature("admission"))
    );
}

#[test]
fn an_admission_names_an_invite_of_its_past() {
    let mut roster = founded();
    let before = heads(&roster);
    let invite = invite(FOUNDER, before.clone(), 1, Role::Student, 9);
    let hash = invite.hash();
    roster.add(invite).unwrap();
    let refused = Err(Error::NotAllowed("join without an invite"));
    assert_eq!(roster.add(admit(2, before.clone(), 1, hash)), refused);
    assert_eq!(
        roster.add(admit(2, heads(&roster), 1, EntryHash([1; 32]))),
        refused
    );
    // The founding entry is no invite.
    assert_eq!(roster.add(admit(2, heads(&roster), 1, before[0])), refused);
}

/// The invite signed for one member, one school and one exchange key: none can be put in place of another.
#[test]
fn nothing_in_an_admission_can_be_swapped() {
    let mut roster = founded();
    let invite = invite(FOUNDER, heads(&roster), 1, Role::Student, 9);
    let hash = invite.hash();
    roster.add(invite).unwrap();
    let good = admit(2, heads(&roster), 1, hash);
    let refused = Err(Error::BadSignature("admission"));

    let school = bent(&good, 2, |content| replace(content, &SOUTH.0, &NORTH.0));
    assert_eq!(roster.add(school), refused);
    let exchange = bent(&good, 2, |content| {
        replace(content, &person(2).exchange_key().0, &person(3).exchange_key().0);
    });
    assert_eq!(roster.add(exchange), refused);
    let author = bent(&good, 3, |content| {
        replace(content, &person(2).id().0, &person(3).id().0);
    });
    assert_eq!(roster.add(author), refused);
    assert_eq!(roster.add(bent(&good, 2, |_| {})), Ok(Added::New));
}

/// A member who may invite students copies the key of a lead's invite into one of their own, to turn those who follow
/// the lead's link into students, or away.
#[test]
fn nobody_takes_over_the_key_of_an_invite() {
    let mut roster = founded();
    let_in(&mut roster, 2, 1, Role::Teacher);
    let parents = heads(&roster);
    let of_lead = invite(FOUNDER, parents.clone(), 2, Role::Teacher, 9);
    let hash = of_lead.hash();
    roster.add(of_lead).unwrap();
    let theirs = invite(2, parents.clone(), 3, Role::Student, 0);
    let copied = bent(&theirs, 2, |content| {
        replace(content, &secret(3).id().0, &secret(2).id().0);
    });
    assert_eq!(roster.add(copied), Err(Error::BadSignature("invite")));
    // The proof of the lead's invite is for the lead.
    let of_lead = invite(FOUNDER, parents, 2, Role::Student, 0);
    let copied = bent(&of_lead, 2, |content| {
        replace(content, &person(FOUNDER).id().0, &person(2).id().0);
    });
    assert_eq!(roster.add(copied), Err(Error::BadSignature("invite")));
    assert_eq!(roster.invite(&secret(2).id()).unwrap().entry, hash);
}

/// Who holds the secret can use it twice: the same invite stands for it everywhere.
#[test]
fn an_invite_key_used_twice_means_the_same_everywhere() {
    let base = founded();
    let one = invite(FOUNDER, heads(&base), 1, Role::Student, 1);
    let other = invite(FOUNDER, heads(&base), 1, Role::Guest, 2);
    let expected = one.hash().min(other.hash());
    for order in [[&one, &other], [&other, &one]] {
        let mut roster = base.clone();
        for entry in order {
            roster.add(entry.clone()).unwrap();
        }
        assert_eq!(roster.invite(&secret(1).id()).unwrap().entry, expected);
    }
}

#[test]
fn an_entry_of_another_classroom_is_refused() {
    let mut roster = founded();
    let foreign = Entry::invite(
        &person(FOUNDER),
        ClassroomId([3; 32]),
        heads(&roster),
        &secret(1),
        Role::Student,
        1,
        EXPIRES,
        Vec::new(),
    )
    .unwrap();
    let refused = Err(Error::Malformed("roster entry of this classroom"));
    assert_eq!(roster.add(foreign), refused);
    let orphan = invite(FOUNDER, Vec::new(), 1, Role::Student, 1);
    assert_eq!(roster.add(orphan), refused);
    let other_founding =
        Entry::found(&person(2), NORTH, DOCUMENT, Vec::new(), &mut Stream::new("other")).unwrap();
    assert_eq!(roster.add(other_founding), refused);
    assert_eq!(roster.add(example().founding.clone()), Ok(Added::Known));
    let not_founding = invite(FOUNDER, heads(&roster), 1, Role::Student, 1);
    assert!(Roster::found(not_founding).is_err());
}

#[test]
fn a_forged_entry_is_refused() {
    let mut roster = founded();
    let mut bytes = invite(FOUNDER, heads(&roster), 1, Role::Student, 1)
        .encode()
        .unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let forged = Entry::decode(&bytes).unwrap();
    assert_eq!(roster.add(forged), Err(Error::BadSignature("roster entry")));

    let mut bytes = example().founding.encode().unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let forged = Entry::decode(&bytes).unwrap();
    assert!(Roster::found(forged).is_err());
}

#[test]
fn only_the_spaces_key_is_handed_on() {
    let mut roster = founded();
    let seal = |key: &EpochKey, space, epoch| {
        let to = secret(1).exchange_key();
        SealedKey::seal(key, space, epoch, &to, &mut Stream::new("handed on")).unwrap()
    };
    let right = crate::example::epoch_key();
    let wrong = EpochKey::from_bytes([1; 32]);
    let with = |keys| {
        Entry::invite(
            &person(FOUNDER),
            example().classroom(),
            vec![example().founding.hash()],
            &secret(1),
            Role::Student,
            1,
            EXPIRES,
            keys,
        )
        .unwrap()
    };
    let refused = Err(Error::NotAllowed("hand on a key that the space does not have"));
    let stated = seal(&right, SpaceId::EVERYONE, 0);
    assert_eq!(
        roster.add(with(vec![stated.clone(), seal(&wrong, SpaceId::EVERYONE, 0)])),
        refused
    );
    assert_eq!(
        roster.add(with(vec![seal(&right, SpaceId::EVERYONE, 1)])),
        refused
    );
    assert_eq!(roster.add(with(vec![seal(&right, SpaceId([1; 16]), 0)])), refused);
    assert_eq!(roster.add(with(vec![stated])), Ok(Added::New));

    let founder = person(FOUNDER);
    let other = SealedKey::seal(
        &wrong,
        SpaceId::EVERYONE,
        0,
        &founder.exchange_key(),
        &mut Stream::new("other"),
    )
    .unwrap();
    let two = Entry::found(
        &founder,
        NORTH,
        DOCUMENT,
        vec![sealed_to(&founder, "one"), other],
        &mut Stream::new("two keys for one epoch"),
    )
    .unwrap();
    assert_eq!(
        Roster::found(two).map(|_| ()),
        Err(Error::Malformed("founding entry"))
    );
}

/// Forty join by one invite with no link between them, while another invite is made: whoever joins by that one, and
/// each of the forty, still names heads that prove it.
#[test]
fn many_heads_leave_room_for_the_one_that_matters() {
    let mut roster = founded();
    let root = heads(&roster);
    let crowd = invite(FOUNDER, root.clone(), 1, Role::Student, 100);
    let crowd_hash = crowd.hash();
    roster.add(crowd).unwrap();
    for joiner in 10..50 {
        roster
            .add(admit(joiner, vec![crowd_hash], 1, crowd_hash))
            .unwrap();
    }
    assert!(roster.heads().count() > MAX_HEADS);
    for joiner in 10..50 {
        let named = roster.heads_for(&person(joiner).id());
        assert_eq!(named.len(), MAX_HEADS);
        assert_eq!(roster.role_at(&person(joiner).id(), &named), Some(Role::Student));
    }
    for key in 2..6 {
        let late = invite(FOUNDER, root.clone(), key, Role::Guest, 1);
        let hash = late.hash();
        roster.add(late).unwrap();
        let parents = roster.heads_after(&hash);
        assert_eq!(parents.len(), MAX_HEADS);
        let joined = roster.clone().add(admit(60 + key, parents, key, hash));
        assert_eq!(joined, Ok(Added::New));
    }

    // A key that was made apart from all of them: whoever joins can hand it to themselves.
    let newest = Rotation::new(
        &EpochKey::from_bytes([7; 32]),
        SpaceId::EVERYONE,
        1,
        [(0, &crate::example::epoch_key())],
        [person(FOUNDER).exchange_key()],
        &mut Stream::new("apart"),
    )
    .unwrap();
    let name = newest.name();
    let rotate = Action::Rotate {
        rotations: vec![newest],
    };
    roster
        .add(Entry::act(&person(FOUNDER), roster.classroom(), root, rotate).unwrap())
        .unwrap();
    let parents = roster.heads_after(&crowd_hash);
    assert_eq!(parents.len(), MAX_HEADS);
    assert!(roster.keys_at(&SpaceId::EVERYONE, &parents).contains(&name));
    assert_eq!(roster.current_key(&SpaceId::EVERYONE), Some(name));
}

#[test]
fn an_entry_is_at_most_as_large_as_a_frame_takes() {
    let key = sealed_to(&person(FOUNDER), "key");
    let largest = Entry::invite(
        &person(FOUNDER),
        example().classroom(),
        vec![EntryHash([0xff; 32]); MAX_HEADS],
        &secret(1),
        Role::Carrier,
        u32::MAX,
        u64::MAX,
        vec![key; protocol::roster::action::MAX_KEYS],
    )
    .unwrap();
    assert!(largest.encode().unwrap().len() <= protocol::roster::entry::MAX_ENTRY);
}

/// What somebody does in a random history. People are 1 to 6, invite keys 1 to 4.
#[derive(Debug, Clone)]
enum Step {
    Invite {
        author: u8,
        key: u8,
        role: Role,
        uses: u32,
    },
    /// By one of the invites that the author knew; `honest` holds its secret.
    Admit { author: u8, invite: Index, honest: bool },
}

/// What the author of a step knew, and so names as parents.
#[derive(Debug, Clone)]
enum Knew {
    /// Everything that counts so far.
    All,
    /// Some of what counts: the author was apart from the others. Whoever joins knows their invite.
    Some(Vec<Index>),
    /// Any entries, refused ones too.
    Any(Vec<Index>),
}

fn histories() -> impl Strategy<Value = Vec<(Step, Knew)>> {
    let author = prop_oneof![2 => Just(FOUNDER), 1 => 2u8..7];
    let step = prop_oneof![
        2 => (author, 1u8..5, select(&ROLES), 0u32..4)
            .prop_map(|(author, key, role, uses)| Step::Invite { author, key, role, uses }),
        3 => (1u8..7, any::<Index>(), prop::bool::weighted(0.9))
            .prop_map(|(author, invite, honest)| Step::Admit { author, invite, honest }),
    ];
    let knew = prop_oneof![
        4 => Just(Knew::All),
        4 => vec(any::<Index>(), 1..3).prop_map(Knew::Some),
        1 => vec(any::<Index>(), 1..3).prop_map(Knew::Any),
    ];
    vec((step, knew), 1..30)
}

/// An entry as the history made it, with what is needed to judge it without reading it.
struct Made {
    entry: Entry,
    author: u8,
    parents: BTreeSet<usize>,
    what: What,
}

enum What {
    Found,
    Invite { role: Role, uses: u32 },
    Admit { invite: Option<usize>, honest: bool },
}

fn make(history: &[(Step, Knew)]) -> Vec<Made> {
    let mut made = vec![Made {
        entry: example().founding.clone(),
        author: FOUNDER,
        parents: BTreeSet::new(),
        what: What::Found,
    }];
    let mut invites: Vec<(usize, u8)> = Vec::new();
    let mut roster = founded();
    for (step, knew) in history {
        let counting: Vec<usize> = (0..made.len())
            .filter(|&at| roster.entry(&made[at].entry.hash()).is_some())
            .collect();
        let mut parents: BTreeSet<usize> = match knew {
            Knew::All => (0..made.len())
                .filter(|&at| roster.heads().any(|head| *head == made[at].entry.hash()))
                .collect(),
            Knew::Some(some) => some.iter().map(|index| *index.get(&counting)).collect(),
            Knew::Any(any) => any.iter().map(|index| index.index(made.len())).collect(),
        };
        let known: Vec<(usize, u8)> = match knew {
            Knew::Any(_) => invites.clone(),
            Knew::All | Knew::Some(_) => invites
                .iter()
                .copied()
                .filter(|(at, _)| counting.contains(at))
                .collect(),
        };
        let by = match step {
            Step::Admit { invite, .. } if !known.is_empty() => Some(*invite.get(&known)),
            _ => None,
        };
        if let (Knew::Some(_), Some((at, _))) = (knew, by) {
            parents.insert(at);
        }
        let hashes = parents.iter().map(|&at| made[at].entry.hash()).collect();
        let (author, what, entry) = match *step {
            Step::Invite {
                author,
                key,
                role,
                uses,
            } => (
                author,
                What::Invite { role, uses },
                invite(author, hashes, key, role, uses),
            ),
            Step::Admit { author, honest, .. } => {
                let (hash, key) =
                    by.map_or((EntryHash([0; 32]), 1), |(at, key)| (made[at].entry.hash(), key));
                let entry = admit(author, hashes, if honest { key } else { key + 100 }, hash);
                let invite = by.map(|(at, _)| at);
                (author, What::Admit { invite, honest }, entry)
            }
        };
        // Two steps can make the same entry.
        if made.iter().any(|other| other.entry.hash() == entry.hash()) {
            continue;
        }
        if let Step::Invite { key, .. } = *step {
            invites.push((made.len(), key));
        }
        // Refusals are what is tested below; here only the heads matter.
        drop(roster.add(entry.clone()));
        made.push(Made {
            entry,
            author,
            parents,
            what,
        });
    }
    made
}

/// The rules, plainly: which entries count.
fn judge(made: &[Made]) -> Vec<bool> {
    let mut counts = Vec::new();
    let mut pasts: Vec<BTreeSet<usize>> = Vec::new();
    for one in made {
        let past: BTreeSet<usize> = one
            .parents
            .iter()
            .flat_map(|&parent| pasts[parent].iter().copied().chain([parent]))
            .collect();
        let role = past
            .iter()
            .filter(|&&at| made[at].author == one.author)
            .filter_map(|&at| role_given(made, at))
            .min();
        let right = match one.what {
            What::Found => true,
            What::Invite { role: given, .. } => role.is_some_and(|role| role.may_invite(given)),
            What::Admit { invite, honest } => {
                let uses = invite
                    .filter(|at| past.contains(at))
                    .map(|at| match made[at].what {
                        What::Invite { uses, .. } => uses as usize,
                        What::Found | What::Admit { .. } => 0,
                    });
                let used = past
                    .iter()
                    .filter(|&&at| matches!(made[at].what, What::Admit { invite: by, .. } if by == invite))
                    .count();
                role.is_none() && honest && uses.is_some_and(|uses| used < uses)
            }
        };
        counts.push(right && one.parents.iter().all(|&parent| counts[parent]));
        pasts.push(past);
    }
    counts
}

fn role_given(made: &[Made], at: usize) -> Option<Role> {
    match made[at].what {
        What::Found => Some(Role::Lead),
        What::Admit { invite: Some(by), .. } => match made[by].what {
            What::Invite { role, .. } => Some(role),
            What::Found | What::Admit { .. } => None,
        },
        What::Admit { invite: None, .. } | What::Invite { .. } => None,
    }
}

/// Adds entries in the order they come, those that came too early again and again.
fn take_in(entries: &[&Entry]) -> Roster {
    let mut roster = founded();
    let mut waiting = entries.to_vec();
    loop {
        let before = waiting.len();
        waiting.retain(|entry| matches!(roster.add((*entry).clone()), Err(Error::MissingParent(_))));
        if waiting.len() == before {
            return roster;
        }
    }
}

/// Everything a roster tells.
#[derive(Debug, PartialEq)]
struct View {
    members: Vec<Member>,
    heads: Vec<EntryHash>,
    entries: Vec<EntryHash>,
    invites: Vec<Option<(EntryHash, Role, u32, usize)>>,
    heads_named: Vec<Vec<EntryHash>>,
    roles: Vec<Option<Role>>,
}

fn view(roster: &Roster) -> View {
    let people: Vec<MemberId> = (1..7).map(|number| person(number).id()).collect();
    let keys: Vec<InviteKey> = (1..5).map(|number| secret(number).id()).collect();
    let entries: Vec<EntryHash> = roster.entries_in_order().into_iter().map(Entry::hash).collect();
    View {
        members: roster.members().collect(),
        heads: heads(roster),
        invites: keys
            .iter()
            .map(|key| {
                let invite = roster.invite(key)?;
                Some((
                    invite.entry,
                    invite.role,
                    invite.uses,
                    roster.uses_of(&invite.entry),
                ))
            })
            .collect(),
        heads_named: people.iter().map(|member| roster.heads_for(member)).collect(),
        roles: entries
            .iter()
            .flat_map(|entry| people.iter().map(|member| roster.role_at(member, &[*entry])))
            .collect(),
        entries,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_same_roster_in_any_order(
        (history, order) in histories()
            .prop_flat_map(|history| {
                let order: Vec<usize> = (0..=history.len()).collect();
                (Just(history), Just(order).prop_shuffle())
            })
    ) {
        let made = make(&history);
        let in_order: Vec<&Entry> = made.iter().map(|one| &one.entry).collect();
        let shuffled: Vec<&Entry> = order.iter().filter_map(|&at| in_order.get(at).copied()).collect();
        let roster = take_in(&in_order);
        let expected = view(&roster);
        prop_assert_eq!(&view(&take_in(&shuffled)), &expected);

        // Taken in the order that the roster gives, nothing is missing and nothing refused.
        let mut again = founded();
        for entry in roster.entries_in_order() {
            prop_assert!(again.add(entry.clone()).is_ok());
        }
        prop_assert_eq!(&view(&again), &expected);

        // And it is the rules that decided.
        let counting: BTreeSet<EntryHash> = made
            .iter()
            .zip(judge(&made))
            .filter(|(_, counts)| *counts)
            .map(|(one, _)| one.entry.hash())
            .collect();
        prop_assert_eq!(expected.entries.into_iter().collect::<BTreeSet<_>>(), counting);
        for member in &expected.members {
            prop_assert_eq!(roster.role_at(&member.id, &expected.heads), Some(member.role));
        }
    }
}

/// The histories above are worth something only if much in them counts, much does not, and people act apart.
#[test]
fn random_histories_hold_what_they_should() {
    let mut runner = TestRunner::deterministic();
    let strategy = histories();
    let (mut joined, mut refused, mut apart, mut twice) = (0, 0, 0, 0);
    for _ in 0..200 {
        let made = make(&strategy.new_tree(&mut runner).unwrap().current());
        let entries: Vec<&Entry> = made.iter().map(|one| &one.entry).collect();
        let roster = take_in(&entries);
        let admitted = roster
            .entries_in_order()
            .iter()
            .filter(|entry| matches!(entry.action(), protocol::roster::Action::Admit { .. }))
            .count();
        let members = roster.members().count() - 1;
        joined += members;
        twice += admitted - members;
        refused += judge(&made).iter().filter(|counts| !**counts).count();
        apart += usize::from(roster.heads().count() > 1);
    }
    println!(
        "200 histories: {joined} joined, {twice} twice, {refused} entries refused, {apart} with several heads"
    );
    assert!(joined > 200 && twice > 5 && refused > 500 && apart > 50);
}

/// A school is a name like any other: nothing in an invite fixes it.
#[test]
fn who_joins_names_their_school() {
    let mut roster = founded();
    let invite = invite(FOUNDER, heads(&roster), 1, Role::Student, 9);
    let hash = invite.hash();
    roster.add(invite).unwrap();
    for (number, school) in [(2, SOUTH), (3, SchoolId([0x33; 16]))] {
        let entry = Entry::admit(
            &person(number),
            example().classroom(),
            heads(&roster),
            &secret(1),
            hash,
            school,
            Vec::new(),
        )
        .unwrap();
        roster.add(entry).unwrap();
        assert_eq!(roster.member(&person(number).id()).unwrap().school, school);
    }
}

/// A key to which nothing can be sealed would keep all others from making new keys: no entry brings one in.
#[test]
fn a_key_of_low_order_comes_in_nowhere() {
    let refused = Err(Error::Malformed("exchange key"));
    let key = EpochKey::from_bytes([5; 32]);
    let number = |text: &str| -> [u8; 32] {
        std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..][..2], 16).unwrap())
    };
    let ends = |first: u8, between: u8, last: u8| {
        let mut bytes = [between; 32];
        (bytes[0], bytes[31]) = (first, last);
        bytes
    };
    let points = [
        [0; 32],
        ends(1, 0, 0),
        number("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        number("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        ends(0xec, 0xff, 0x7f),
        ends(0xed, 0xff, 0x7f),
        ends(0xee, 0xff, 0x7f),
    ];
    for mut point in points {
        for _ in 0..2 {
            let low = ExchangeKey(point);
            let mut rng = Stream::new("low order");
            assert!(SealedKey::seal(&key, SpaceId::EVERYONE, 0, &low, &mut rng).is_err());
            assert_eq!(low.check(), Err(Error::Malformed("exchange key")));
            // The highest bit says nothing.
            point[31] |= 0x80;
        }
    }

    let low = ExchangeKey(points[2]);
    let founding = bent(&example().founding, 1, |content| {
        replace(content, &person(1).exchange_key().0, &low.0);
    });
    assert_eq!(Roster::found(founding).err(), refused.clone().err());
    // The rest with proofs as they have to be: the invite's holder signs what they like.
    let mut roster = founded();
    let classroom = roster.classroom();
    let signed = |invite: u8, domain: &str, parts: &[&[u8]]| {
        let key = blake3::derive_key("meridian 2026-11 v1 invite signing key", &[invite; 16]);
        let message = [&[domain.as_bytes(), &classroom.0], parts].concat().concat();
        Signature::from_bytes(SigningKey::from_bytes(&key).sign(&message).to_bytes())
    };
    let (lead, joiner) = (person(1).id(), person(7).id());
    let proof = |exchange: ExchangeKey| signed(7, "meridian v1 invite\0", &[&lead.0, &exchange.0]);
    let invite = |exchange| Action::Invite {
        key: secret(7).id(),
        exchange,
        role: Role::Student,
        uses: 9,
        expires: EXPIRES,
        proof: proof(exchange),
        keys: Vec::new(),
    };
    let ask = |exchange| Action::AskInvite {
        key: secret(7).id(),
        exchange,
        role: Role::Student,
        uses: 9,
        expires: EXPIRES,
        proof: proof(exchange),
    };
    let entry =
        |author: u8, parents, action| Entry::act(&person(author), classroom, parents, action).unwrap();
    let sound = secret(7).exchange_key();
    let heads_before = heads(&roster);
    let (bad_invite, bad_ask) = (invite(low), ask(low));
    let (open, asked) = (
        entry(1, heads_before.clone(), invite(sound)),
        entry(1, heads_before.clone(), ask(sound)),
    );
    let school = SOUTH;
    let joining = |to: &Entry| {
        signed(
            7,
            "meridian v1 admission\0",
            &[&to.hash().0, &joiner.0, &low.0, &school.0],
        )
    };
    let admit = Action::Admit {
        invite: open.hash(),
        exchange: low,
        school,
        proof: joining(&open),
        keys: Vec::new(),
    };
    let request = Action::Request {
        invite: asked.hash(),
        exchange: low,
        school,
        proof: joining(&asked),
        note: Bytes::new("note", vec![1]).unwrap(),
    };
    let both = vec![open.hash(), asked.hash()];
    for entry in [
        entry(1, heads_before.clone(), bad_invite),
        entry(1, heads_before, bad_ask),
    ] {
        assert_eq!(roster.add(entry), refused);
    }
    roster.add(open).unwrap();
    roster.add(asked).unwrap();
    for action in [admit, request] {
        assert_eq!(roster.add(entry(7, both.clone(), action)), refused);
    }
}
