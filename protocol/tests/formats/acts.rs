//! One entry of each action that came after the first three, as golden files: they follow each other in one classroom.

use protocol::key::seal_note;
use protocol::roster::{Action, Entry, Removal, Role, Roster, Rotation};
use protocol::{DocumentId, EntryHash, MemberId, SpaceId};

use crate::class::{PAGE, cutoffs, key, log};
use crate::example::{EXPIRES, Example, NORTH, SOUTH, Stream, epoch_key, person};
use crate::golden::read;

const NAMES: [&str; 15] = [
    "roster-ask-invite",
    "roster-end-invite",
    "roster-request",
    "roster-approve",
    "roster-decline",
    "roster-change-role",
    "roster-remove",
    "roster-consent",
    "roster-rotate",
    "roster-new-space",
    "roster-lock",
    "roster-close",
    "roster-erase",
    "roster-extend",
    "roster-place-invite",
];

fn invite() -> protocol::identity::InviteKeys {
    protocol::identity::InviteKeys::from_secret(&[0x78; 16]).unwrap()
}

/// Of persons 1 and 3.
fn group() -> SpaceId {
    SpaceId::of_group(
        &person(1).id(),
        &[person(1).id(), person(3).id()],
        &key("group").id(),
    )
}

/// Person 1 leads, 2 is a student who joins by the first invite, 3 and 4 ask to be let in.
pub(crate) fn all() -> Vec<(&'static str, Entry)> {
    let example = Example::new();
    let classroom = example.classroom();
    let mut head = example.admission.hash();
    let mut made: Vec<(&'static str, Entry)> = Vec::new();
    let mut add = |name, entry: Entry| -> EntryHash {
        head = entry.hash();
        made.push((name, entry));
        head
    };
    let act = |author: u8, parents: EntryHash, action| {
        Entry::act(&person(author), classroom, vec![parents], action).unwrap()
    };
    let rotation = |to: &[u8], epoch, label, space, previous: Option<protocol::key::EpochKey>| {
        let recipients = to.iter().map(|number| person(*number).exchange_key());
        let mut rng = Stream::new(label);
        let previous = previous.as_ref().map(|key| (epoch - 1, key));
        Rotation::new(&key(label), space, epoch, previous, recipients, &mut rng).unwrap()
    };
    let lead = person(1);
    let ask = Entry::ask_invite(
        &lead,
        classroom,
        vec![example.admission.hash()],
        &invite(),
        Role::Student,
        5,
        EXPIRES,
    );
    let ask = add("roster-ask-invite", ask.unwrap());
    let first = rotation(&[1, 2], 1, "first rotation", SpaceId::EVERYONE, Some(epoch_key()));
    let end = Action::EndInvite {
        invite: example.invite.hash(),
        rotations: vec![first],
    };
    let ended = add("roster-end-invite", act(1, ask, end));
    let request = |number: u8, parent| {
        let note = seal_note(b"Amina", &lead.exchange_key(), &mut Stream::new("note")).unwrap();
        Entry::request(
            &person(number),
            classroom,
            vec![parent],
            &invite(),
            ask,
            SOUTH,
            note,
        )
        .unwrap()
    };
    let asked = add("roster-request", request(3, ended));
    let sealed = protocol::key::SealedKey::seal(
        &key("first rotation"),
        SpaceId::EVERYONE,
        1,
        &person(3).exchange_key(),
        &mut Stream::new("approval"),
    );
    let approve = Action::Approve {
        request: asked,
        keys: vec![sealed.unwrap()],
    };
    let approved = add("roster-approve", act(1, asked, approve));
    let second = request(4, approved);
    let asked = add("", second);
    let declined = add(
        "roster-decline",
        act(1, asked, Action::Decline { request: asked }),
    );
    let change = Action::ChangeRole {
        member: person(2).id(),
        role: Role::Guest,
        cutoffs: cutoffs(&[(PAGE, 0xaa, 300)]),
        keys: Vec::new(),
        rotations: Vec::new(),
    };
    let changed = add("roster-change-role", act(1, declined, change));
    let remove = Action::Remove {
        members: vec![Removal {
            member: person(2).id(),
            cutoffs: cutoffs(&[(PAGE, 0xaa, 300)]),
        }],
        rotations: vec![rotation(
            &[1, 3],
            2,
            "second rotation",
            SpaceId::EVERYONE,
            Some(key("first rotation")),
        )],
    };
    let removed = add("roster-remove", act(1, changed, remove));
    let consent = Action::Consent {
        member: person(3).id(),
    };
    let agreed = add("roster-consent", act(1, removed, consent));
    let third = rotation(
        &[1, 3],
        3,
        "third rotation",
        SpaceId::EVERYONE,
        Some(key("second rotation")),
    );
    let rotated = add(
        "roster-rotate",
        act(
            1,
            agreed,
            Action::Rotate {
                rotations: vec![third],
            },
        ),
    );
    let group = Action::NewSpace {
        members: vec![lead.id(), person(3).id()],
        first: rotation(&[1, 3], 0, "group", group(), None),
    };
    let grouped = add("roster-new-space", act(1, rotated, group));
    let lock = Action::Lock {
        document: PAGE,
        locked: true,
    };
    let locked = add("roster-lock", act(1, grouped, lock));
    let closed = add("roster-close", act(1, locked, Action::Close { closed: true }));
    let erase = Action::Erase {
        document: PAGE,
        successor: DocumentId([0xd2; 16]),
    };
    let erased = add("roster-erase", act(1, closed, erase));
    let extend = Action::Extend {
        member: person(2).id(),
        cutoffs: cutoffs(&[(PAGE, 0xab, 200)]),
    };
    let extended = add("roster-extend", act(1, erased, extend));
    let ask = Entry::ask_invite(
        &lead,
        classroom,
        vec![extended],
        &protocol::identity::InviteKeys::from_secret(&[0x79; 16]).unwrap(),
        Role::Teacher,
        5,
        EXPIRES,
    );
    let ask = add("roster-ask-invite-placed", ask.unwrap());
    let place = Action::PlaceInvite {
        invite: ask,
        school: NORTH,
    };
    add("roster-place-invite", act(1, ask, place));
    made.into_iter()
        .map(|(name, entry)| {
            (
                if name.is_empty() {
                    "roster-request-declined"
                } else {
                    name
                },
                entry,
            )
        })
        .collect()
}

/// They are read, count one after the other, and have the effects that they state.
pub(crate) fn are_what_this_program_reads() {
    let entry = |name: &str| {
        let entry = Entry::decode(&read(name)).unwrap();
        assert_eq!(entry.encode().unwrap(), read(name), "{name}");
        entry
    };
    let mut roster = Roster::found(entry("roster-found")).unwrap();
    roster.add(entry("roster-invite")).unwrap();
    roster.add(entry("roster-admit")).unwrap();
    for (number, name) in NAMES.into_iter().enumerate() {
        let entry = entry(name);
        if name == "roster-decline" {
            roster.add(self::entry_of("roster-request-declined")).unwrap();
        }
        if name == "roster-place-invite" {
            roster.add(self::entry_of("roster-ask-invite-placed")).unwrap();
        }
        // The kind stands behind version, length, classroom, one parent and author.
        assert_eq!(kind(&read(name)), 3 + number as u8, "{name}");
        roster.add(entry.clone()).unwrap();
        assert!(roster.counts(&entry.hash()), "{name}");
    }
    let members: Vec<MemberId> = roster.members().map(|member| member.id).collect();
    let mut expected = [person(1).id(), person(3).id()];
    expected.sort_unstable();
    assert_eq!(members, expected);
    assert_eq!(
        roster.current_key(&SpaceId::EVERYONE).unwrap().id,
        key("third rotation").id()
    );
    assert_eq!(roster.current_key(&group()).unwrap().id, key("group").id());
    let (by, wrapped) = roster.wrapped()[0];
    assert_eq!(
        wrapped.unwrap(&key("third rotation"), &by).unwrap().id(),
        key("second rotation").id()
    );
    assert!(roster.locked(&PAGE) && roster.closed());
    assert_eq!(roster.erased(&PAGE), Some(DocumentId([0xd2; 16])));
    let placed = entry("roster-ask-invite-placed").hash();
    assert_eq!(roster.invite_by(&placed).unwrap().school, Some(NORTH));
    assert_eq!(roster.cutoff(&log(2, PAGE, 0xab)), Some(200));
}

fn entry_of(name: &str) -> Entry {
    Entry::decode(&read(name)).unwrap()
}

fn kind(file: &[u8]) -> u8 {
    let length_bytes = file[1..].iter().take_while(|byte| **byte >= 0x80).count() + 1;
    file[1 + length_bytes + 1 + 32 + 1 + 32 + 32]
}
