//! The roster's rules, row by row: which keys a space has, who is handed them, and which segments count.

use protocol::key::{EpochKey, KeyName};
use protocol::roster::{Action, Added, Cutoff, Entry, Role, Rotation, Unfit};
use protocol::{DocumentId, Error, LaneId, SpaceId};

use crate::class::{
    Class, FOUNDER, PAGE, change, cutoffs, end, id, key, lock, log, remove, remove_after, secret,
};
use crate::example::{DOCUMENT, EXPIRES, NORTH, SOUTH, person};

const EVERYONE: SpaceId = SpaceId::EVERYONE;

fn not_allowed(what: &'static str) -> Result<Added, Error> {
    Err(Error::NotAllowed(what))
}

fn rotate(rotation: Rotation) -> Action {
    Action::Rotate {
        rotations: vec![rotation],
    }
}

fn new_key(class: &mut Class, author: u8, space: SpaceId) -> Action {
    let rotation = class.rotation(
        author,
        &Action::Rotate {
            rotations: Vec::new(),
        },
        space,
    );
    rotate(rotation)
}

/// Everything that somebody can open: what was sealed to them, and what those keys unwrap.
fn opened(class: &Class, member: u8) -> std::collections::BTreeMap<KeyName, EpochKey> {
    let keys = person(member);
    let sealed = class.roster.sealed_for(&keys.exchange_key());
    let mut opened: std::collections::BTreeMap<_, _> = sealed
        .iter()
        .filter_map(|key| {
            let opened = key.open(keys.exchange_secret(), &keys.exchange_key());
            Some((key.name(), opened.ok()?))
        })
        .collect();
    for (by, wrapped) in class.roster.wrapped() {
        if let Some(wrapping) = opened.get(&by) {
            let name = KeyName {
                space: by.space,
                epoch: wrapped.epoch,
                id: wrapped.id,
            };
            let key = wrapped.unwrap(wrapping, &by).unwrap();
            opened.insert(name, key);
        }
    }
    opened
}

#[test]
fn a_rotation_is_for_all_members_and_nobody_else() {
    let mut class = Class::new();
    class.join(2, Role::Student, SOUTH);
    class.join(3, Role::Carrier, SOUTH);
    let exchange = |number| person(number).exchange_key();
    for (recipients, expected) in [
        (vec![1], not_allowed("leave out a member of the space")),
        (
            vec![1, 2, 3],
            not_allowed("seal a key to somebody outside its space"),
        ),
        (
            vec![1, 2, 7],
            not_allowed("seal a key to somebody outside its space"),
        ),
        (vec![1, 2, 2], not_allowed("seal a key twice to one recipient")),
        (vec![1, 2], Ok(Added::New)),
    ] {
        let rotation = class.rotation_to(
            EVERYONE,
            recipients.iter().map(|number| exchange(*number)).collect(),
        );
        assert_eq!(
            class.clone().try_act(FOUNDER, rotate(rotation)),
            expected,
            "{recipients:?}"
        );
    }
    // Open invites get it as well, until they are ended.
    let invite = class.invite(FOUNDER, 1, Role::Student, 3);
    let action = new_key(&mut class, FOUNDER, EVERYONE);
    let action = match action {
        Action::Rotate { rotations } => rotations.into_iter().next().unwrap(),
        other => panic!("{other:?}"),
    };
    assert!(action.sealed_for(&secret(1).exchange_key()).is_some());
    class.act(FOUNDER, rotate(action.clone()));
    assert_eq!(class.roster.sealed_for(&secret(1).exchange_key()).len(), 2);
    class.act(FOUNDER, end(invite));
    let recipients = action.recipients().copied().collect();
    let stale = class.rotation_to(EVERYONE, recipients);
    assert_eq!(
        class.try_act(FOUNDER, rotate(stale)),
        not_allowed("seal a key to somebody outside its space")
    );
}

#[test]
fn a_rotation_follows_the_epoch_before() {
    let mut class = Class::new();
    let wrong_epoch = Rotation {
        epoch: 2,
        ..class.rotation_to(EVERYONE, vec![person(1).exchange_key()])
    };
    assert_eq!(
        class.try_act(FOUNDER, rotate(wrong_epoch)),
        not_allowed("rotate to another epoch than the next")
    );
    let without = Rotation {
        previous: Vec::new(),
        ..class.rotation_to(EVERYONE, vec![person(1).exchange_key()])
    };
    assert_eq!(
        class.try_act(FOUNDER, rotate(without)),
        not_allowed("rotate without a key of an earlier epoch")
    );
    let unknown = Rotation {
        space: SpaceId([0x99; 16]),
        ..class.rotation_to(EVERYONE, vec![person(1).exchange_key()])
    };
    assert_eq!(
        class.try_act(FOUNDER, rotate(unknown)),
        not_allowed("rotate a space that does not exist")
    );
    let twice = class.rotation_to(EVERYONE, vec![person(1).exchange_key()]);
    let twice = Action::Rotate {
        rotations: vec![twice.clone(), twice],
    };
    assert_eq!(
        class.try_act(FOUNDER, twice),
        not_allowed("rotate a space twice at once")
    );
    let action = new_key(&mut class, FOUNDER, EVERYONE);
    class.act(FOUNDER, action);
    assert_eq!(class.roster.current_key(&EVERYONE).unwrap().epoch, 1);
}

/// A teacher who seals nonsense in place of the key that they state takes the space's key from all: the next rotation
/// goes on from the last key that somebody has.
#[test]
fn a_rotation_that_nobody_can_open_is_passed_by() {
    let mut class = Class::new();
    class.join(2, Role::Student, SOUTH);
    let everybody = vec![person(1).exchange_key(), person(2).exchange_key()];
    let before = class.roster.current_key(&EVERYONE).unwrap();
    let good = class.rotation_to(EVERYONE, everybody.clone());
    let id = key("nobody has it").id();
    class.act(FOUNDER, rotate(Rotation { id, ..good }));
    assert_eq!(class.roster.current_key(&EVERYONE).unwrap().id, id);
    assert_eq!(opened(&class, 2).keys().copied().collect::<Vec<_>>(), [before]);

    let old = class.keys[&before.id].clone();
    let from = |epoch: u32, old: &EpochKey, previous: u32| {
        let mut rng = crate::example::Stream::new("onward");
        let recipients = everybody.clone();
        Rotation::new(
            &key("onward"),
            EVERYONE,
            epoch,
            [(previous, old)],
            recipients,
            &mut rng,
        )
    };
    let onward = from(2, &old, 0).unwrap();
    for wrong in [
        from(2, &old, 1).unwrap(),
        from(2, &key("of no epoch"), 0).unwrap(),
        Rotation {
            id: before.id,
            ..onward.clone()
        },
    ] {
        assert!(matches!(
            class.try_act(FOUNDER, rotate(wrong)),
            Err(Error::NotAllowed(_))
        ));
    }
    assert!(from(2, &old, 2).is_err());
    class.act(FOUNDER, rotate(onward.clone()));
    class.keys.insert(onward.id, key("onward"));
    assert_eq!(class.roster.current_key(&EVERYONE), Some(onward.name()));
    class.join(3, Role::Student, SOUTH);
    for member in [1, 2, 3] {
        let opened = opened(&class, member);
        let names: Vec<_> = opened
            .keys()
            .copied()
            .filter(|name| name.space == EVERYONE)
            .collect();
        assert_eq!(names, [before, onward.name()]);
    }
}

#[test]
fn of_two_rotations_apart_one_is_current_and_both_are_carried_on() {
    let mut class = Class::new();
    class.join(2, Role::Lead, NORTH);
    let (mut one, mut other) = (class.clone(), class);
    let action = new_key(&mut one, FOUNDER, EVERYONE);
    one.act(FOUNDER, action);
    other.act(2, lock(false));
    let action = new_key(&mut other, 2, EVERYONE);
    other.act(2, action);
    one.meet(&[&other]);
    other.meet(&[&one]);
    let keys = one.roster.keys_in(&EVERYONE);
    assert_eq!(keys.iter().map(|name| name.epoch).collect::<Vec<_>>(), [0, 1, 1]);
    assert_eq!(one.roster.current_key(&EVERYONE), Some(keys[1]));
    assert_eq!(other.roster.current_key(&EVERYONE), Some(keys[1]));

    // Who comes later is handed one key and opens all before it.
    let action = new_key(&mut one, 2, EVERYONE);
    one.act(2, action);
    one.join(3, Role::Student, SOUTH);
    assert_eq!(one.roster.sealed_for(&person(3).exchange_key()).len(), 1);
    let opened = opened(&one, 3);
    assert_eq!(opened.len(), 4);
    assert!(opened.iter().all(|(name, key)| key.id() == name.id));
}

/// Of rotations apart somebody goes on from one before they hear of the others, and whoever comes meanwhile knows of none.
#[test]
fn a_key_that_was_passed_by_is_carried_on_for_those_who_came_apart_from_it() {
    let mut class = Class::new();
    class.join(2, Role::Lead, NORTH);
    let (mut one, mut other, mut newcomers) = (class.clone(), class.clone(), class);
    for _ in 0..2 {
        let action = new_key(&mut one, FOUNDER, EVERYONE);
        one.act(FOUNDER, action);
    }
    other.act(2, lock(false));
    let action = new_key(&mut other, 2, EVERYONE);
    other.act(2, action);
    let passed_by = other.roster.current_key(&EVERYONE).unwrap();
    one.meet(&[&other]);
    // All who are here were handed it.
    assert_eq!(one.roster.keys_lacked(&EVERYONE), []);

    newcomers.join(3, Role::Student, SOUTH);
    one.meet(&[&newcomers]);
    assert!(!opened(&one, 3).contains_key(&passed_by));
    assert!(one.roster.needs_rotation(&EVERYONE));
    assert_eq!(one.roster.keys_lacked(&EVERYONE), [passed_by]);
    let action = new_key(&mut one, FOUNDER, EVERYONE);
    one.act(FOUNDER, action);
    assert!(opened(&one, 3).contains_key(&passed_by));
    assert!(!one.roster.needs_rotation(&EVERYONE));
    assert_eq!(one.roster.keys_lacked(&EVERYONE), []);
}

/// Others may have sealed something with it before they knew that it is void.
#[test]
fn a_void_key_is_carried_on_for_those_who_come_later() {
    let mut class = Class::new();
    class.join(2, Role::Lead, NORTH);
    let (mut one, mut other) = (class.clone(), class);
    one.act(FOUNDER, change(2, Role::Student));
    let action = new_key(&mut other, 2, EVERYONE);
    other.act(2, action);
    let void = other.roster.current_key(&EVERYONE).unwrap();
    let before = one.roster.current_key(&EVERYONE);
    one.meet(&[&other]);
    assert_eq!(one.roster.current_key(&EVERYONE), before);
    assert_eq!(one.roster.keys_left_behind(&EVERYONE), [void]);

    // The next key is of the same epoch, the one after that carries both.
    for left in [vec![void], Vec::new()] {
        let Action::Rotate { mut rotations } = new_key(&mut one, FOUNDER, EVERYONE) else {
            panic!("no rotation");
        };
        let wrapped = &mut rotations[0].previous;
        wrapped.truncate(1);
        (wrapped[0].epoch, wrapped[0].id) = (void.epoch, void.id);
        assert_eq!(
            one.try_act(FOUNDER, Action::Rotate { rotations }),
            not_allowed("rotate without a key of an earlier epoch")
        );
        let action = new_key(&mut one, FOUNDER, EVERYONE);
        one.act(FOUNDER, action);
        assert_eq!(one.roster.keys_left_behind(&EVERYONE), left);
    }
    one.join(3, Role::Student, SOUTH);
    assert!(opened(&one, 3).contains_key(&void));
}

#[test]
fn a_wrapped_key_opens_where_it_was_wrapped_only() {
    let mut class = Class::new();
    let action = new_key(&mut class, FOUNDER, EVERYONE);
    class.act(FOUNDER, action);
    let (by, wrapped) = class.roster.wrapped()[0];
    let wrapping = class.keys[&by.id].clone();
    assert_eq!(wrapped.unwrap(&wrapping, &by).unwrap().id(), wrapped.id);
    let refused = Err(Error::CannotOpen("wrapped key"));
    let other = KeyName {
        space: SpaceId::STAFF,
        ..by
    };
    assert_eq!(wrapped.unwrap(&wrapping, &other), refused);
    assert_eq!(wrapped.unwrap(&wrapping, &KeyName { epoch: 2, ..by }), refused);
    assert_eq!(wrapped.unwrap(&EpochKey::from_bytes([1; 32]), &by), refused);
}

#[test]
fn when_a_space_needs_new_keys() {
    let mut class = Class::new();
    class.join(2, Role::Student, SOUTH);
    assert!(!class.roster.needs_rotation(&EVERYONE) && !class.roster.needs_rotation(&SpaceId::STAFF));
    assert!(
        !class.roster.needs_rotation(&SpaceId([0x99; 16])),
        "there is no such space"
    );
    // Somebody left.
    let mut left = class.clone();
    left.act(2, remove(2));
    assert!(left.roster.needs_rotation(&EVERYONE) && !left.roster.needs_rotation(&SpaceId::STAFF));
    let action = new_key(&mut left, FOUNDER, EVERYONE);
    left.act(FOUNDER, action);
    assert!(!left.roster.needs_rotation(&EVERYONE));
    // A removal that brings the key.
    let mut removed = class.clone();
    let action = removed.remove_and_rotate(FOUNDER, 2);
    removed.act(FOUNDER, action);
    assert!(!removed.roster.needs_rotation(&EVERYONE));
    assert!(opened(&removed, 2).keys().all(|name| name.epoch == 0));
    // Somebody joined apart from the rotation.
    let mut joined = class.clone();
    joined.join(3, Role::Student, SOUTH);
    let mut rotated = class.clone();
    let action = new_key(&mut rotated, FOUNDER, EVERYONE);
    let rotation = rotated.entry(FOUNDER, action);
    rotated.take(rotation.clone());
    assert!(joined.roster.leaves_out(&rotation) && !class.roster.leaves_out(&rotation));
    joined.meet(&[&rotated]);
    assert!(joined.roster.needs_rotation(&EVERYONE));
    // An invite was ended that the key was sealed to.
    let invite = class.invite(FOUNDER, 1, Role::Student, 3);
    assert!(!class.roster.needs_rotation(&EVERYONE));
    class.act(FOUNDER, end(invite));
    assert!(class.roster.needs_rotation(&EVERYONE));
}

/// Its key stays with who was removed: that is known, and said in the threat model.
#[test]
fn where_nobody_leads_or_teaches_nobody_makes_keys() {
    let mut class = Class::new();
    class.join(2, Role::Teacher, SOUTH);
    class.join(3, Role::Student, SOUTH);
    let action = class.group(2, &[2, 3]);
    let Action::NewSpace { first, .. } = &action else {
        unreachable!()
    };
    let group = first.space;
    class.act(2, action);
    let rotate = |class: &mut Class, author: u8| {
        let action = new_key(class, author, group);
        class.try_act(author, action)
    };
    let not_allowed = not_allowed("make a key for a space that the author is not in");
    assert_eq!(rotate(&mut class.clone(), FOUNDER), not_allowed);
    assert!(rotate(&mut class.clone(), 2).is_ok());
    class.act(2, remove(2));
    assert!(class.roster.needs_rotation(&group));
    assert_eq!(rotate(&mut class, FOUNDER), not_allowed);
    assert!(rotate(&mut class, 3).is_err());
}

/// Whoever finds an old link that is used up must not find the newest key in it.
#[test]
fn new_keys_are_not_for_invites_that_are_used_up() {
    let mut class = Class::new();
    let invite = class.invite(FOUNDER, 1, Role::Student, 2);
    let rotate = Action::Rotate {
        rotations: Vec::new(),
    };
    let is_for_invite = |class: &Class| {
        let recipients = class.roster.recipients_after(&id(FOUNDER), &rotate, &EVERYONE);
        recipients.contains(&secret(1).exchange_key())
    };
    for joiner in [2, 3] {
        assert!(is_for_invite(&class));
        let admission = class.admission(joiner, 1, invite, SOUTH);
        class.take(admission);
    }
    assert!(!is_for_invite(&class));
    let action = new_key(&mut class, FOUNDER, EVERYONE);
    class.act(FOUNDER, action);
    assert!(!class.roster.needs_rotation(&EVERYONE));
    assert!(
        class
            .roster
            .sealed_for(&secret(1).exchange_key())
            .iter()
            .all(|key| key.epoch == 0)
    );
}

#[test]
fn who_is_in_which_space() {
    let mut class = Class::new();
    for (number, role) in [
        (2, Role::Teacher),
        (3, Role::Student),
        (4, Role::Guest),
        (5, Role::Carrier),
    ] {
        class.join(number, role, SOUTH);
    }
    let action = class.group(FOUNDER, &[FOUNDER, 3, 4]);
    let group = action.rotations()[0].space;
    class.act(FOUNDER, action);
    let within = |class: &Class, space| {
        let numbers = 1..6u8;
        numbers
            .filter(|number| class.roster.is_in_space(&id(*number), &space))
            .collect::<Vec<_>>()
    };
    assert_eq!(within(&class, EVERYONE), [1, 2, 3, 4]);
    assert_eq!(within(&class, SpaceId::STAFF), [1, 2]);
    assert_eq!(within(&class, group), [1, 3, 4]);
    assert_eq!(class.roster.space_members(&group).len(), 3);
    assert_eq!(class.roster.spaces(), [EVERYONE, SpaceId::STAFF, group]);
    class.act(FOUNDER, remove(3));
    class.act(FOUNDER, change(4, Role::Carrier));
    assert_eq!(within(&class, group), [1]);
    assert!(class.roster.needs_rotation(&group));
    assert_eq!(
        class.try_act(
            FOUNDER,
            Action::NewSpace {
                members: Vec::new(),
                first: class.clone().first_key(SpaceId::STAFF, &[1, 2])
            }
        ),
        not_allowed("make a space that exists")
    );
}

#[test]
fn the_space_of_staff_is_made_where_there_is_none() {
    let mut class = Class::without_staff();
    class.join(2, Role::Student, SOUTH);
    let staff = SpaceId::STAFF;
    assert_eq!(class.roster.spaces(), [EVERYONE]);
    let new_space = |class: &mut Class, members: &[u8]| Action::NewSpace {
        members: members.iter().map(|member| id(*member)).collect(),
        first: class.first_key(staff, &[FOUNDER]),
    };
    let action = new_space(&mut class.clone(), &[]);
    assert_eq!(class.clone().try_act(2, action), not_allowed("make a space"));
    let action = new_space(&mut class.clone(), &[FOUNDER]);
    assert_eq!(
        class.clone().try_act(FOUNDER, action),
        not_allowed("name the members of the space of staff")
    );

    let action = new_space(&mut class, &[]);
    class.act(FOUNDER, action);
    assert_eq!(class.roster.spaces(), [EVERYONE, staff]);
    let name = class.roster.current_key(&staff).unwrap();
    assert_eq!(name.epoch, 0);
    assert!(opened(&class, FOUNDER).contains_key(&name));
    assert!(!opened(&class, 2).contains_key(&name));
    // As anywhere else, it is of who leads or teaches by now, and has no second beginning.
    class.join(3, Role::Teacher, SOUTH);
    assert!(class.roster.is_in_space(&id(3), &staff) && !class.roster.is_in_space(&id(2), &staff));
    assert!(opened(&class, 3).contains_key(&name));
    assert!(!class.roster.needs_rotation(&staff));
    let action = new_space(&mut class, &[]);
    assert_eq!(
        class.try_act(FOUNDER, action),
        not_allowed("make a space that exists")
    );
}

#[test]
fn keys_are_handed_to_those_of_the_space_only() {
    let mut class = Class::new();
    class.join(2, Role::Student, NORTH);
    let refused = not_allowed("hand a key to somebody outside its space");
    let keys = class.sealed(&[SpaceId::STAFF], secret(1).exchange_key());
    let invite = |role| {
        let (author, keys) = (person(FOUNDER), keys.clone());
        Entry::invite(
            &author,
            class.classroom(),
            class.heads(),
            &secret(1),
            role,
            1,
            EXPIRES,
            keys,
        )
        .unwrap()
    };
    assert_eq!(class.roster.clone().add(invite(Role::Student)), refused);
    assert_eq!(class.roster.clone().add(invite(Role::Carrier)), refused);
    assert_eq!(class.roster.clone().add(invite(Role::Teacher)), Ok(Added::New));
    // Who becomes a teacher gets the key of the staff with it.
    let keys = class.sealed(&[SpaceId::STAFF], person(2).exchange_key());
    let with_keys = |role| Action::ChangeRole {
        member: id(2),
        role,
        cutoffs: Vec::new(),
        keys: keys.clone(),
        rotations: Vec::new(),
    };
    assert_eq!(class.try_act(FOUNDER, with_keys(Role::Guest)), refused);
    class.act(FOUNDER, change(2, Role::Guest));
    class.act(FOUNDER, with_keys(Role::Teacher));
    assert!(opened(&class, 2).keys().any(|name| name.space == SpaceId::STAFF));
    assert!(!class.roster.needs_rotation(&SpaceId::STAFF));
    // And loses it with the role.
    let less = change(2, Role::Student);
    let rotation = class.rotation(FOUNDER, &less, SpaceId::STAFF);
    assert_eq!(rotation.recipients().count(), 1);
    let Action::ChangeRole {
        member,
        role,
        cutoffs,
        keys,
        ..
    } = less
    else {
        unreachable!()
    };
    class.act(
        FOUNDER,
        Action::ChangeRole {
            member,
            role,
            cutoffs,
            keys,
            rotations: vec![rotation],
        },
    );
    assert!(!class.roster.needs_rotation(&SpaceId::STAFF));
}

/// Who steps down makes no key for a space they leave: they would know it.
#[test]
fn nobody_makes_a_key_for_a_space_they_leave() {
    let mut class = Class::new();
    class.join(2, Role::Teacher, NORTH);
    let less = change(FOUNDER, Role::Student);
    let rotation = class.rotation(FOUNDER, &less, SpaceId::STAFF);
    let Action::ChangeRole {
        member,
        role,
        cutoffs,
        keys,
        ..
    } = less
    else {
        unreachable!()
    };
    let action = Action::ChangeRole {
        member,
        role,
        cutoffs,
        keys,
        rotations: vec![rotation],
    };
    assert_eq!(
        class.try_act(FOUNDER, action),
        not_allowed("make a key for a space that the author is not in")
    );
}

#[test]
fn which_segments_count() {
    let mut class = Class::new();
    for (number, role) in [(2, Role::Student), (3, Role::Guest), (4, Role::Teacher)] {
        class.join(number, role, SOUTH);
    }
    let good = class.header(2, PAGE, 1, 0);
    assert_eq!(class.roster.check_segment(&good), Ok(()));
    let mut unknown = good.clone();
    unknown.roster.push(protocol::EntryHash([1; 32]));
    assert_eq!(class.roster.check_segment(&unknown), Err(Unfit::UnknownRoster));
    unknown.roster.clear();
    assert_eq!(class.roster.check_segment(&unknown), Err(Unfit::UnknownRoster));
    let (guest, stranger) = (class.header(3, PAGE, 1, 0), class.header(9, PAGE, 1, 0));
    assert_eq!(class.roster.check_segment(&guest), Err(Unfit::NotAllowed));
    assert_eq!(class.roster.check_segment(&stranger), Err(Unfit::NotAMember));
    let mut staff = good.clone();
    staff.space = SpaceId::STAFF;
    assert_eq!(class.roster.check_segment(&staff), Err(Unfit::WrongSpace));
    let mut early = good.clone();
    early.epoch = 1;
    assert_eq!(class.roster.check_segment(&early), Err(Unfit::WrongEpoch));
    let action = new_key(&mut class, FOUNDER, EVERYONE);
    class.act(FOUNDER, action);
    assert_eq!(
        class.roster.check_segment(&early),
        Err(Unfit::WrongEpoch),
        "by what its author knew"
    );
    early.roster = class.heads();
    assert_eq!(class.roster.check_segment(&early), Ok(()));
    assert_eq!(class.roster.check_segment(&good), Ok(()));

    // Locks, closing and erasing are of the present.
    class.act(4, lock(true));
    assert_eq!(class.roster.check_segment(&good), Err(Unfit::Locked));
    assert_eq!(
        class.roster.check_segment(&class.header(2, DOCUMENT, 1, 0)),
        Ok(())
    );
    assert_eq!(class.roster.check_segment(&class.header(4, PAGE, 1, 0)), Ok(()));
    class.act(FOUNDER, Action::Close { closed: true });
    assert_eq!(
        class.roster.check_segment(&class.header(4, PAGE, 1, 0)),
        Err(Unfit::Closed)
    );
    class.act(FOUNDER, Action::Close { closed: false });
    class.act(4, lock(false));
    assert_eq!(class.roster.check_segment(&good), Ok(()));
    class.act(
        FOUNDER,
        Action::Erase {
            document: PAGE,
            successor: DocumentId([7; 16]),
        },
    );
    assert_eq!(class.roster.check_segment(&good), Err(Unfit::Erased));
    // Whoever erases it takes in what would count otherwise.
    class.act(4, lock(true));
    assert_eq!(class.roster.check_segment(&good), Err(Unfit::Locked));
}

/// Who has it keeps it; so who gets it later, when its author is gone, takes it as well, though nobody may be left to unlock.
#[test]
fn what_leads_and_teachers_wrote_in_a_locked_document_counts_when_they_are_gone() {
    let mut class = Class::new();
    class.join(2, Role::Student, SOUTH);
    class.join(4, Role::Teacher, SOUTH);
    let early = class.header(2, PAGE, 1, 0);
    class.act(4, lock(true));
    let (lesson, unseen) = (class.header(4, PAGE, 1, 0), class.header(4, PAGE, 1, 1));
    let seen = [(PAGE, 1, 1)];
    let fit = |class: &Class| [&lesson, &unseen, &early].map(|header| class.roster.check_segment(header));
    let counts = [Ok(()), Err(Unfit::BeyondCutoff), Err(Unfit::Locked)];
    for author in [FOUNDER, 4] {
        let mut class = class.clone();
        class.act(author, remove_after(4, &seen));
        assert_eq!(fit(&class), counts);
        class.act(FOUNDER, remove_after(2, &[(PAGE, 1, 1)]));
        assert_eq!(fit(&class), counts, "a student who is gone was none who may");
    }
    // Who was made a student brings nothing more in by leaving, whichever past it names.
    class.act(FOUNDER, change(4, Role::Student));
    assert_eq!(class.roster.check_segment(&lesson), Err(Unfit::Locked));
    class.act(4, remove_after(4, &seen));
    assert_eq!(class.roster.check_segment(&lesson), Err(Unfit::Locked));
}

#[test]
fn a_removal_cuts_logs_where_it_had_seen_them() {
    let mut class = Class::new();
    class.join(2, Role::Student, SOUTH);
    class.join(3, Role::Lead, NORTH);
    assert_eq!(class.roster.cutoff(&log(2, PAGE, 1)), None);
    let headers = [
        class.header(2, PAGE, 1, 4),
        class.header(2, PAGE, 1, 5),
        class.header(2, PAGE, 2, 0),
    ];
    let (mut one, mut other) = (class.clone(), class);
    one.act(FOUNDER, remove_after(2, &[(PAGE, 1, 5)]));
    other.act(3, remove_after(2, &[(PAGE, 1, 3), (DOCUMENT, 2, 1)]));
    one.meet(&[&other]);
    assert_eq!(
        one.roster.cutoff(&log(2, PAGE, 1)),
        Some(5),
        "the furthest that one had seen"
    );
    assert_eq!(one.roster.cutoff(&log(2, DOCUMENT, 2)), Some(1));
    assert_eq!(one.roster.cutoff(&log(2, PAGE, 2)), Some(0), "nobody had seen it");
    let fit = headers.map(|header| one.roster.check_segment(&header));
    assert_eq!(fit, [Ok(()), Err(Unfit::BeyondCutoff), Err(Unfit::BeyondCutoff)]);
}

/// A term's worth of lanes does not fit into one entry: what its author said before, and leads afterwards, counts with it.
#[test]
fn cutoffs_come_in_as_many_entries_as_they_take() {
    let mut class = Class::new();
    class.join(2, Role::Student, SOUTH);
    class.join(3, Role::Lead, NORTH);
    let many = |document: u8| {
        let cutoff = |lane: u16| Cutoff {
            document: DocumentId([document; 16]),
            lane: LaneId([lane.to_be_bytes(); 8].concat().try_into().unwrap()),
            next: 7,
        };
        (0..4_096).map(cutoff).collect::<Vec<_>>()
    };
    let extend = |document| Action::Extend {
        member: id(2),
        cutoffs: many(document),
    };
    let last = |document: u8| protocol::segment::Log {
        document: DocumentId([document; 16]),
        member: id(2),
        lane: LaneId([0x0f, 0xff].repeat(8).try_into().unwrap()),
    };
    class.act(3, extend(1));
    class.act(FOUNDER, extend(2));
    assert_eq!(class.roster.cutoff(&last(1)), None);
    class.act(FOUNDER, remove_after(2, &[(PAGE, 1, 5)]));
    let cutoff = |class: &Class, document| class.roster.cutoff(&last(document));
    assert_eq!(
        [1, 2, 3].map(|document| cutoff(&class, document)),
        [Some(0), Some(7), Some(0)]
    );
    assert_eq!(class.roster.cutoff(&log(2, PAGE, 1)), Some(5));
    class.act(3, extend(3));
    assert_eq!(cutoff(&class, 3), Some(7));
    // Apart from the removal it says nothing.
    let (mut one, mut other) = (class.clone(), class.clone());
    one.join(2, Role::Student, SOUTH);
    other.act(3, extend(4));
    one.act(FOUNDER, remove(2));
    one.meet(&[&other]);
    assert_eq!(cutoff(&one, 4), Some(7), "of the first removal, which it knew");
    one.act(FOUNDER, extend(5));
    assert_eq!(cutoff(&one, 5), Some(7));
}

/// Nobody says of their own logs that more of them count than who cut them off had seen.
#[test]
fn nobody_extends_their_own_logs() {
    let mut class = Class::new();
    class.join(2, Role::Student, SOUTH);
    class.join(3, Role::Teacher, SOUTH);
    let extend = |seen: &[(DocumentId, u8, u64)]| Action::Extend {
        member: id(2),
        cutoffs: cutoffs(seen),
    };
    assert_eq!(
        class.try_act(3, extend(&[(PAGE, 1, 9)])),
        not_allowed("say how far the logs of others count")
    );
    assert_eq!(class.try_act(FOUNDER, extend(&[])), not_allowed("extend nothing"));
    let stranger = Action::Extend {
        member: id(9),
        cutoffs: cutoffs(&[(PAGE, 1, 9)]),
    };
    assert_eq!(
        class.try_act(FOUNDER, stranger),
        not_allowed("extend the logs of somebody who never was a member")
    );
    // Leaving takes no lead.
    let mut left = class.clone();
    left.act(2, extend(&[(PAGE, 1, 9)]));
    left.act(2, remove(2));
    assert_eq!(left.roster.cutoff(&log(2, PAGE, 1)), Some(9));

    class.act(2, extend(&[(PAGE, 1, 9)]));
    let reading = Action::ChangeRole {
        member: id(2),
        role: Role::Guest,
        cutoffs: cutoffs(&[(PAGE, 1, 5)]),
        keys: Vec::new(),
        rotations: Vec::new(),
    };
    class.act(FOUNDER, reading);
    assert_eq!(
        class.try_act(2, extend(&[(PAGE, 1, 9)])),
        not_allowed("say how far the logs of others count")
    );
    // Nor once they may write again.
    class.act(FOUNDER, change(2, Role::Student));
    class.act(2, extend(&[(PAGE, 1, 9)]));
    assert_eq!(class.roster.cutoff(&log(2, PAGE, 1)), Some(5));
}

/// Who is removed, or may not write any more, can't leave with a later cut-off, neither backdated nor afterwards.
#[test]
fn nobody_lifts_their_own_cutoff_by_leaving() {
    let mut class = Class::new();
    class.join(2, Role::Student, SOUTH);
    let leaving = remove_after(2, &[(PAGE, 1, 100), (PAGE, 2, 100)]);
    let (mut backdated, mut left) = (class.clone(), class.clone());
    backdated.act(2, leaving.clone());
    left.meet(&[&backdated]);
    assert_eq!(left.roster.cutoff(&log(2, PAGE, 1)), Some(100), "their own word");
    let mut removed = class.clone();
    removed.act(FOUNDER, remove_after(2, &[(PAGE, 1, 5)]));
    removed.meet(&[&backdated]);
    assert_eq!(removed.roster.cutoff(&log(2, PAGE, 1)), Some(5));
    assert_eq!(removed.roster.cutoff(&log(2, PAGE, 2)), Some(0));
    assert_eq!(removed.roster.cutoff(&log(2, DOCUMENT, 9)), Some(0));
    // The same with a role that does not write.
    class.act(
        FOUNDER,
        Action::ChangeRole {
            member: id(2),
            role: Role::Guest,
            cutoffs: cutoffs(&[(PAGE, 1, 5)]),
            keys: Vec::new(),
            rotations: Vec::new(),
        },
    );
    class.act(2, leaving.clone());
    assert_eq!(class.roster.cutoff(&log(2, PAGE, 1)), Some(5));
    // Who came back and leaves later says how far they wrote on their new lanes, not on those that were cut.
    let mut back = removed;
    back.join(2, Role::Student, SOUTH);
    back.act(2, leaving);
    assert_eq!(back.roster.cutoff(&log(2, PAGE, 1)), Some(5));
    assert_eq!(back.roster.cutoff(&log(2, PAGE, 2)), Some(100));
}

#[test]
fn who_writes_again_does_so_on_new_lanes() {
    let mut class = Class::new();
    class.join(2, Role::Student, SOUTH);
    class.act(
        FOUNDER,
        Action::ChangeRole {
            member: id(2),
            role: Role::Guest,
            cutoffs: cutoffs(&[(PAGE, 1, 5)]),
            keys: Vec::new(),
            rotations: Vec::new(),
        },
    );
    assert_eq!(class.roster.cutoff(&log(2, PAGE, 9)), Some(0));
    class.act(FOUNDER, change(2, Role::Student));
    assert_eq!(class.roster.cutoff(&log(2, PAGE, 1)), Some(5));
    assert_eq!(
        class.roster.cutoff(&log(2, DOCUMENT, 1)),
        Some(0),
        "a lane that was cut"
    );
    assert_eq!(class.roster.cutoff(&log(2, PAGE, 9)), None);
    assert_eq!(class.roster.check_segment(&class.header(2, PAGE, 9, 0)), Ok(()));
    let writing = Action::ChangeRole {
        member: id(2),
        role: Role::Teacher,
        cutoffs: cutoffs(&[(PAGE, 1, 5)]),
        keys: Vec::new(),
        rotations: Vec::new(),
    };
    class.join(3, Role::Lead, SOUTH);
    assert_eq!(
        class.try_act(3, writing),
        not_allowed("cut off logs of somebody who may write")
    );
}
