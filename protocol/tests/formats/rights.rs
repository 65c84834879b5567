//! The roster's rules, row by row: who may do what to whom. docs/protocol.md names each test by its row.

use protocol::Error;
use protocol::key::{EpochKey, open_note, seal_note};
use protocol::roster::{Action, Added, Entry, Removal, Role};
use protocol::{DocumentId, EntryHash, SpaceId};

use crate::class::{
    Class, EAST, FOUNDER, PAGE, ROLES, approve, change, consent, cutoffs, end, id, lock, remove, secret,
};
use crate::example::{DOCUMENT, EXPIRES, NORTH, SOUTH, Stream, person};

fn not_allowed(what: &'static str) -> Result<Added, Error> {
    Err(Error::NotAllowed(what))
}

/// A class with person 2, of the north, in each role in turn.
fn with_each_role(mut check: impl FnMut(Role, &mut Class)) {
    for role in ROLES {
        let mut class = Class::new();
        class.join(2, role, NORTH);
        check(role, &mut class);
    }
}

/// Whether each role may do it: lead, teacher, student, guest, carrier.
fn assert_roles(expected: [bool; 5], act: impl Fn(&mut Class) -> Action) {
    let mut expected = expected.into_iter();
    with_each_role(|role, class| {
        let action = act(class);
        let may = class.roster.may(&id(2), &action).is_ok();
        let taken = class.try_act(2, action).is_ok();
        assert_eq!(
            (taken, may),
            {
                let may = expected.next().unwrap();
                (may, may)
            },
            "{role:?}"
        );
    });
}

/// Says how far a log of `member` counts.
fn extend(member: u8) -> Action {
    Action::Extend {
        member: id(member),
        cutoffs: cutoffs(&[(PAGE, 1, 9)]),
    }
}

const STAFF: [bool; 5] = [true, true, false, false, false];
const LEADS: [bool; 5] = [true, false, false, false, false];

#[test]
fn who_may_rotate() {
    assert_roles(STAFF, |class| {
        let rotate = Action::Rotate {
            rotations: Vec::new(),
        };
        Action::Rotate {
            rotations: vec![class.rotation(2, &rotate, SpaceId::EVERYONE)],
        }
    });
    let mut class = Class::new();
    let nothing = Action::Rotate {
        rotations: Vec::new(),
    };
    assert_eq!(class.try_act(FOUNDER, nothing), not_allowed("rotate nothing"));
}

#[test]
fn who_may_make_a_space() {
    assert_roles(STAFF, |class| class.group(2, &[2]));
}

#[test]
fn who_may_lock() {
    assert_roles(STAFF, |_| lock(true));
    assert_roles(STAFF, |_| lock(false));
    let mut class = Class::new();
    let own = Action::Lock {
        document: DOCUMENT,
        locked: true,
    };
    assert_eq!(
        class.try_act(FOUNDER, own),
        not_allowed("lock the classroom's own document")
    );
}

#[test]
fn who_may_close() {
    assert_roles(LEADS, |_| Action::Close { closed: true });
    let mut class = Class::new();
    class.act(FOUNDER, Action::Close { closed: true });
    assert!(class.roster.closed());
    class.act(FOUNDER, Action::Close { closed: false });
    assert!(!class.roster.closed());
}

#[test]
fn who_may_erase() {
    let successor = DocumentId([0xd2; 16]);
    let erase = |document, successor| Action::Erase { document, successor };
    assert_roles(LEADS, |_| erase(PAGE, successor));
    let mut class = Class::new();
    let refused = not_allowed("erase the classroom's own document");
    assert_eq!(class.try_act(FOUNDER, erase(DOCUMENT, PAGE)), refused);
    assert_eq!(class.try_act(FOUNDER, erase(PAGE, DOCUMENT)), refused);
    assert_eq!(class.try_act(FOUNDER, erase(PAGE, PAGE)), refused);
    class.act(FOUNDER, erase(PAGE, successor));
    assert_eq!(class.roster.erased(&PAGE), Some(successor));
    assert_eq!(class.roster.erased_documents(), [(PAGE, successor)]);
    assert_eq!(class.roster.erased(&successor), None);
    assert_eq!(
        class.try_act(FOUNDER, erase(PAGE, successor)),
        not_allowed("erase a document twice")
    );
}

#[test]
fn who_may_consent() {
    assert_roles(LEADS, |_| consent(FOUNDER));
    let mut class = Class::new();
    assert_eq!(
        class.try_act(FOUNDER, consent(7)),
        not_allowed("agree to removing somebody who is no member")
    );
}

/// Whatever the founder may do, nobody does who never came or who has left, however much they know.
#[test]
fn a_stranger_may_do_nothing() {
    let mut class = Class::new();
    class.join(3, Role::Student, NORTH);
    class.join(4, Role::Lead, NORTH);
    class.act(4, remove(4));
    let group = class.group(FOUNDER, &[FOUNDER]);
    let invite = class.invite(FOUNDER, 1, Role::Student, 5);
    let ask = class.ask_invite(FOUNDER, 2, Role::Student);
    let request = class.request(5, 2, ask, SOUTH);
    let request = class.take(request);
    let rotate = Action::Rotate {
        rotations: Vec::new(),
    };
    let rotate = Action::Rotate {
        rotations: vec![class.rotation(FOUNDER, &rotate, SpaceId::EVERYONE)],
    };
    for action in [
        end(invite),
        approve(request),
        Action::Decline { request },
        change(3, Role::Guest),
        remove(3),
        consent(3),
        rotate,
        group,
        lock(true),
        Action::Close { closed: true },
        Action::Erase {
            document: PAGE,
            successor: DocumentId([2; 16]),
        },
        extend(3),
        Action::PlaceInvite {
            invite,
            school: NORTH,
        },
    ] {
        assert_eq!(
            class.clone().try_act(FOUNDER, action.clone()),
            Ok(Added::New),
            "{action:?}"
        );
        for stranger in [9, 4] {
            assert_eq!(
                class.try_act(stranger, action.clone()),
                not_allowed("act without being a member"),
                "{action:?}"
            );
        }
    }
    let (classroom, heads) = (class.classroom(), class.heads());
    for stranger in [9, 4] {
        let (author, keys) = (person(stranger), secret(stranger));
        let role = Role::Student;
        let open = Entry::invite(&author, classroom, heads.clone(), &keys, role, 1, EXPIRES, vec![]);
        let ask = Entry::ask_invite(&author, classroom, heads.clone(), &keys, role, 1, EXPIRES);
        for entry in [open, ask] {
            assert_eq!(
                class.roster.add(entry.unwrap()),
                not_allowed("invite without being a member")
            );
        }
        assert_eq!(
            class.try_act(stranger, remove(stranger)),
            not_allowed("leave without being a member")
        );
    }
}

#[test]
fn who_may_say_how_far_logs_count() {
    assert_roles([true, true, true, false, false], |_| extend(2));
    assert_roles(LEADS, |class| {
        class.join(3, Role::Student, NORTH);
        extend(3)
    });
}

#[test]
fn who_may_end_an_invite() {
    // That of the founder: a lead.
    assert_roles(LEADS, |class| {
        let invite = class.invite(FOUNDER, 1, Role::Student, 5);
        end(invite)
    });
    // Their own, as long as they lead or teach.
    let mut class = Class::new();
    class.join(2, Role::Teacher, NORTH);
    let mine = class.invite(2, 1, Role::Student, 5);
    let mut later = class.clone();
    class.act(2, end(mine));
    assert!(class.roster.invite_by(&mine).unwrap().ended);
    assert!(class.roster.invites().iter().all(|invite| invite.entry != mine));
    assert_eq!(
        class.try_act(FOUNDER, end(mine)),
        not_allowed("end an invite twice")
    );
    let joining = class.admission(5, 1, mine, SOUTH);
    assert_eq!(
        class.roster.add(joining),
        not_allowed("join by an invite that was ended")
    );
    later.act(FOUNDER, change(2, Role::Student));
    assert_eq!(later.try_act(2, end(mine)), not_allowed("end this invite"));
    assert_eq!(
        later.try_act(FOUNDER, end(EntryHash([1; 32]))),
        not_allowed("end this invite")
    );
}

#[test]
fn who_may_ask_people_to_ask() {
    let table = [
        (Role::Lead, [true, true, true, true, true]),
        (Role::Teacher, [false, false, true, true, false]),
        (Role::Student, [false; 5]),
        (Role::Guest, [false; 5]),
        (Role::Carrier, [false; 5]),
    ];
    let mut table = table.into_iter();
    with_each_role(|role, class| {
        let (by, allowed) = table.next().unwrap();
        assert_eq!(role, by);
        for (asked, allowed) in ROLES.into_iter().zip(allowed) {
            let entry = Entry::ask_invite(
                &person(2),
                class.classroom(),
                class.heads(),
                &secret(1),
                asked,
                1,
                EXPIRES,
            );
            let taken = class.roster.clone().add(entry.unwrap());
            assert_eq!(taken.is_ok(), allowed, "{by:?} {asked:?}");
        }
    });
}

#[test]
fn who_may_answer_a_request() {
    for (asked, expected) in [(Role::Student, STAFF), (Role::Teacher, LEADS)] {
        for answer in [approve, |request| Action::Decline { request }] {
            assert_roles(expected, |class| {
                let invite = class.ask_invite(FOUNDER, 1, asked);
                let request = class.request(5, 1, invite, SOUTH);
                answer(class.take(request))
            });
        }
    }
}

#[test]
fn who_asked_is_a_member_once_approved() {
    let mut class = Class::new();
    let invite = class.ask_invite(FOUNDER, 1, Role::Student);
    let request = class.request(5, 1, invite, SOUTH);
    assert_eq!(class.role(5), None);
    let request = class.take(request);
    assert_eq!(class.role(5), None);
    let asking = class.roster.requests()[0];
    assert_eq!(
        (asking.entry, asking.member, asking.school),
        (request, id(5), SOUTH)
    );
    assert_eq!((asking.role, asking.inviter), (Role::Student, id(FOUNDER)));
    assert_eq!(asking.note, b"who I am");

    let again = class.request(5, 1, invite, NORTH);
    assert_eq!(class.roster.add(again), not_allowed("ask twice by one invite"));
    let keys = class.sealed(&[SpaceId::EVERYONE], person(5).exchange_key());
    class.act(FOUNDER, Action::Approve { request, keys });
    let member = class.roster.member(&id(5)).unwrap();
    assert_eq!((member.role, member.school), (Role::Student, SOUTH));
    assert_eq!(member.exchange, person(5).exchange_key());
    assert_eq!(class.roster.keys_of(&id(5)).len(), 1);
    assert_eq!(class.roster.uses_of(&invite), 1);
    assert!(class.roster.requests().is_empty());
    assert_eq!(
        class.try_act(FOUNDER, approve(request)),
        not_allowed("answer a request twice")
    );
}

#[test]
fn who_was_declined_may_be_approved_after_all() {
    let mut class = Class::new();
    let invite = class.ask_invite(FOUNDER, 1, Role::Student);
    let request = class.request(5, 1, invite, SOUTH);
    let request = class.take(request);
    class.act(FOUNDER, Action::Decline { request });
    assert!(class.roster.requests().is_empty() && class.roster.is_declined(&request));
    assert_eq!(
        class.try_act(FOUNDER, Action::Decline { request }),
        not_allowed("answer a request twice")
    );
    class.act(FOUNDER, approve(request));
    assert_eq!(class.role(5), Some(Role::Student));
    assert!(!class.roster.is_declined(&request));
}

/// An open invite admits, one to ask takes requests, and neither the other.
#[test]
fn an_invite_is_used_as_it_was_meant() {
    let mut class = Class::new();
    let open = class.invite(FOUNDER, 1, Role::Student, 5);
    let ask = class.ask_invite(FOUNDER, 2, Role::Student);
    let refused = not_allowed("join without an invite");
    let request = class.request(5, 1, open, SOUTH);
    assert_eq!(class.roster.add(request), refused);
    let admission = class.admission(5, 2, ask, SOUTH);
    assert_eq!(class.roster.add(admission), refused);
    let forged = class.request(5, 1, ask, SOUTH);
    assert_eq!(class.roster.add(forged), Err(Error::BadSignature("admission")));
}

#[test]
fn a_note_is_for_the_inviter_alone() {
    let inviter = person(FOUNDER);
    let note = seal_note(b"Amina, 7b", &inviter.exchange_key(), &mut Stream::new("note")).unwrap();
    assert_eq!(
        open_note(&note, inviter.exchange_secret(), &inviter.exchange_key()).unwrap(),
        b"Amina, 7b"
    );
    let other = person(2);
    assert!(open_note(&note, other.exchange_secret(), &other.exchange_key()).is_err());
    assert!(open_note(&note[..20], inviter.exchange_secret(), &inviter.exchange_key()).is_err());
}

#[test]
fn who_may_remove_whom() {
    let foreign_staff = "act on another school's lead or teacher alone";
    for (by, target, school, expected) in [
        (Role::Lead, Role::Student, SOUTH, Ok(Added::New)),
        (Role::Lead, Role::Guest, SOUTH, Ok(Added::New)),
        (Role::Lead, Role::Carrier, SOUTH, Ok(Added::New)),
        (Role::Lead, Role::Lead, NORTH, Ok(Added::New)),
        (Role::Lead, Role::Teacher, NORTH, Ok(Added::New)),
        (Role::Lead, Role::Lead, SOUTH, not_allowed(foreign_staff)),
        (Role::Teacher, Role::Student, NORTH, not_allowed("remove others")),
        (Role::Student, Role::Student, NORTH, not_allowed("remove others")),
        (Role::Guest, Role::Guest, NORTH, not_allowed("remove others")),
        (Role::Carrier, Role::Carrier, NORTH, not_allowed("remove others")),
    ] {
        let mut class = Class::new();
        class.join(2, by, NORTH);
        class.join(3, target, school);
        assert_eq!(
            class.try_act(2, remove(3)),
            expected,
            "{by:?} {target:?} {school:?}"
        );
        assert_eq!(class.role(3).is_none(), expected.is_ok());
        assert_eq!(class.roster.former_members() == [id(3)], expected.is_ok());
    }
    let mut class = Class::new();
    class.join(2, Role::Lead, SOUTH);
    class.join(3, Role::Teacher, SOUTH);
    assert_eq!(class.try_act(FOUNDER, remove(3)), not_allowed(foreign_staff));
    let refused = not_allowed("remove somebody who is no member");
    assert_eq!(class.try_act(FOUNDER, remove(7)), refused);
    let nobody = Action::Remove {
        members: Vec::new(),
        rotations: Vec::new(),
    };
    assert_eq!(class.try_act(FOUNDER, nobody), refused);
}

#[test]
fn everybody_may_leave() {
    assert_roles([true; 5], |_| remove(2));
    let mut class = Class::new();
    class.join(2, Role::Lead, NORTH);
    let rotation = class.rotation(2, &remove(2), SpaceId::EVERYONE);
    let Action::Remove { members, .. } = remove(2) else {
        unreachable!()
    };
    let action = Action::Remove {
        members,
        rotations: vec![rotation],
    };
    assert_eq!(class.try_act(2, action), not_allowed("make keys and leave"));
}

#[test]
fn a_school_leaves() {
    let mut class = Class::new();
    class.join(2, Role::Lead, SOUTH);
    class.join(3, Role::Teacher, SOUTH);
    class.join(4, Role::Student, SOUTH);
    class.join(5, Role::Student, NORTH);
    let members = [2, 3, 4].map(|member| Removal {
        member: id(member),
        cutoffs: Vec::new(),
    });
    let leave = Action::Remove {
        members: members.to_vec(),
        rotations: Vec::new(),
    };
    assert_eq!(
        class.clone().try_act(3, leave.clone()),
        not_allowed("remove others")
    );
    class.act(2, leave);
    let left: Vec<_> = class.roster.members().map(|member| member.school).collect();
    assert_eq!(left, [NORTH, NORTH]);
    assert_eq!(class.roster.former_members().len(), 3);
    assert!(class.roster.needs_rotation(&SpaceId::EVERYONE));
}

#[test]
fn another_schools_staff_are_removed_by_most_schools() {
    let mut class = Class::new();
    class.join(2, Role::Lead, SOUTH);
    class.join(3, Role::Lead, EAST);
    class.join(4, Role::Lead, EAST);
    let refused = not_allowed("act on another school's lead or teacher alone");
    assert_eq!(class.roster.consent_needed(&id(FOUNDER), &id(3)), Some((1, 2)));
    assert_eq!(class.try_act(FOUNDER, remove(3)), refused);
    // One's own word is not another school's.
    class.act(FOUNDER, consent(3));
    assert_eq!(class.try_act(FOUNDER, remove(3)), refused);
    assert_eq!(class.try_act(FOUNDER, change(3, Role::Student)), refused);
    class.act(2, consent(3));
    assert_eq!(class.roster.consents(&id(3)).len(), 2);
    assert_eq!(class.roster.consent_needed(&id(FOUNDER), &id(3)), Some((2, 2)));
    assert_eq!(
        class.clone().try_act(FOUNDER, change(3, Role::Student)),
        Ok(Added::New)
    );
    // It is for them alone.
    assert_eq!(class.try_act(FOUNDER, remove(4)), refused);
    // Who agreed has to be a lead still.
    let mut later = class.clone();
    later.act(2, change(2, Role::Teacher));
    later.join(5, Role::Lead, SOUTH);
    assert_eq!(later.try_act(FOUNDER, remove(3)), refused);
    class.act(FOUNDER, remove(3));
    assert_eq!(class.role(3), None);
}

/// Two schools: neither can throw the other out.
#[test]
fn of_two_schools_none_throws_the_other_out() {
    let mut class = Class::new();
    class.join(2, Role::Lead, SOUTH);
    class.act(FOUNDER, consent(2));
    assert_eq!(
        class.try_act(FOUNDER, remove(2)),
        not_allowed("act on another school's lead or teacher alone")
    );
    // Unless its lead agrees.
    class.act(2, consent(2));
    class.act(FOUNDER, remove(2));
}

/// A lead who brings in schools of puppets has no more say in the others than before, whatever past they claim to have
/// come in. Whoever lets a school in, or comes where it is, gives it a say in what becomes of them.
#[test]
fn nobody_outvotes_a_school_with_more_schools() {
    let refused = not_allowed("act on another school's lead or teacher alone");
    let mut class = Class::new();
    let founded = class.clone();
    class.join(2, Role::Lead, SOUTH);
    let (early, late) = (founded, class.clone());
    for mut puppets in [early, late] {
        for number in [6, 7, 8] {
            puppets.join(number, Role::Lead, protocol::SchoolId([number; 16]));
        }
        puppets.meet(&[&class]);
        for number in [6, 7, 8] {
            puppets.act(number, consent(2));
        }
        assert_eq!(puppets.roster.consent_needed(&id(FOUNDER), &id(2)), Some((1, 2)));
        assert_eq!(puppets.try_act(FOUNDER, remove(2)), refused);
        assert_eq!(puppets.try_act(6, remove(2)), refused);
    }
    // Those it let in itself have one.
    for number in [3, 4] {
        class.invite(2, number, Role::Lead, 1);
        let invite = class.roster.invite(&secret(number).id()).unwrap().entry;
        let school = protocol::SchoolId([number; 16]);
        let admission = class.admission(number, number, invite, school);
        class.take(admission);
        class.act(number, consent(2));
    }
    assert_eq!(class.roster.consent_needed(&id(FOUNDER), &id(2)), Some((3, 3)));
    class.act(FOUNDER, remove(2));
}

/// What school somebody says they are of gives them no power over it.
#[test]
fn nobody_takes_over_a_school_by_its_name() {
    let refused = not_allowed("act on another school's lead or teacher alone");
    let mut class = Class::new();
    let founded = class.clone();
    class.join(2, Role::Lead, SOUTH);
    class.join(3, Role::Teacher, SOUTH);
    // Before it came, as it seems: by an invite, or as a student of no school that is there, who is promoted.
    let mut invited = founded.clone();
    invited.join(9, Role::Lead, SOUTH);
    let mut promoted = founded;
    promoted.join(9, Role::Student, SOUTH);
    promoted.act(FOUNDER, change(9, Role::Lead));
    for mut puppet in [invited, promoted] {
        puppet.meet(&[&class]);
        assert_eq!(puppet.role(9), Some(Role::Lead));
        for member in [2, 3] {
            assert_eq!(puppet.try_act(9, remove(member)), refused);
            assert_eq!(puppet.try_act(9, change(member, Role::Guest)), refused);
        }
        assert_eq!(puppet.try_act(2, remove(9)), refused);
        // Nobody else takes them for their own.
        puppet.act(9, consent(2));
        assert_eq!(puppet.try_act(FOUNDER, remove(2)), refused);
        puppet.act(2, remove(3));
    }
    // Somebody who came twice apart, by two schools, speaks for none.
    let (mut one, mut other) = (class.clone(), class);
    one.own_invite(FOUNDER, 1, Role::Lead, 1);
    other.own_invite(2, 2, Role::Lead, 1);
    for (class, number, school) in [(&mut one, 1, NORTH), (&mut other, 2, SOUTH)] {
        let invite = class.roster.invite(&secret(number).id()).unwrap().entry;
        let admission = class.admission(7, number, invite, school);
        class.take(admission);
    }
    one.meet(&[&other]);
    assert_eq!(one.try_act(7, remove(3)), refused);
    assert_eq!(one.try_act(7, remove(FOUNDER)), refused);
}

/// An invite to lead or teach brings another school, unless its author says that it is for theirs.
#[test]
fn who_comes_to_lead_or_teach_brings_a_school_or_joins_that_of_the_inviter() {
    let mut class = Class::new();
    class.join(2, Role::Lead, SOUTH);
    class.join(3, Role::Student, EAST);
    let led = not_allowed("join a school that has a lead by an invite that is not for it");
    let placed_elsewhere = not_allowed("join another school than the invite is for");
    for role in [Role::Lead, Role::Teacher] {
        let mut class = class.clone();
        let open = class.invite(FOUNDER, 1, role, 9);
        let own = class.own_invite(FOUNDER, 2, role, 9);
        let mut join = |joiner, number, invite, school| {
            let admission = class.admission(joiner, number, invite, school);
            class.roster.add(admission)
        };
        for school in [NORTH, SOUTH] {
            assert_eq!(join(5, 1, open, school), led);
        }
        for school in [SOUTH, EAST] {
            assert_eq!(join(5, 2, own, school), placed_elsewhere);
        }
        assert_eq!(join(5, 1, open, EAST), Ok(Added::New));
        assert_eq!(
            join(6, 1, open, EAST),
            Ok(Added::New),
            "who came by the same invite"
        );
        assert_eq!(join(7, 2, own, NORTH), Ok(Added::New));
        assert_eq!(class.roster.invite_by(&own).unwrap().school, Some(NORTH));
        // Of those only the last is the founder's to remove.
        assert_eq!(class.roster.consent_needed(&id(FOUNDER), &id(7)), None);
        assert!(class.roster.consent_needed(&id(FOUNDER), &id(5)).is_some());
    }
    // Asking is no other way in.
    let ask = class.ask_invite(FOUNDER, 4, Role::Lead);
    let request = class.request(5, 4, ask, SOUTH);
    assert_eq!(class.roster.add(request), led);
}

#[test]
fn an_invite_is_placed_by_its_author_before_it_is_used() {
    let mut class = Class::new();
    class.join(2, Role::Teacher, NORTH);
    class.join(3, Role::Lead, SOUTH);
    let invite = class.invite(2, 1, Role::Student, 9);
    let place = |school| Action::PlaceInvite { invite, school };
    let refused = not_allowed("place this invite in this school");
    assert_eq!(class.try_act(FOUNDER, place(NORTH)), refused);
    assert_eq!(class.try_act(2, place(SOUTH)), refused);
    // Nor once they may invite nobody with its role any more.
    let mut less = class.clone();
    less.act(FOUNDER, change(2, Role::Student));
    assert_eq!(less.try_act(2, place(NORTH)), refused);
    let mut less = class.clone();
    less.join(4, Role::Lead, NORTH);
    let lead = less.invite(4, 2, Role::Lead, 9);
    less.act(FOUNDER, change(4, Role::Teacher));
    let place_lead = Action::PlaceInvite {
        invite: lead,
        school: NORTH,
    };
    assert_eq!(less.try_act(4, place_lead), refused);
    let mut used = class.clone();
    let admission = used.admission(5, 1, invite, SOUTH);
    used.take(admission);
    let late = not_allowed("place an invite that is placed or used");
    assert_eq!(used.try_act(2, place(NORTH)), late);
    let mut apart = class.clone();
    class.act(2, place(NORTH));
    assert_eq!(class.try_act(2, place(NORTH)), late);
    let student = class.admission(5, 1, invite, NORTH);
    class.take(student);
    // Who came without knowing that it was placed names their school.
    let other = apart.admission(6, 1, invite, SOUTH);
    apart.take(other);
    class.meet(&[&apart]);
    let school = |number| class.roster.member(&id(number)).unwrap().school;
    assert_eq!((school(5), school(6)), (NORTH, SOUTH));
    // Who lost the right to place it placed nobody.
    let mut class = Class::new();
    class.join(2, Role::Lead, NORTH);
    let open = class.invite(2, 1, Role::Teacher, 9);
    let (mut removed, mut placing) = (class.clone(), class);
    removed.act(FOUNDER, remove(2));
    placing.act(
        2,
        Action::PlaceInvite {
            invite: open,
            school: NORTH,
        },
    );
    let puppet = placing.admission(9, 1, open, NORTH);
    placing.take(puppet);
    removed.meet(&[&placing]);
    assert_eq!(removed.role(9), None);
}

/// What was agreed on before somebody came back counts no more.
#[test]
fn consent_is_given_anew_after_a_readmission() {
    let mut class = Class::new();
    class.join(2, Role::Lead, SOUTH);
    class.join(3, Role::Lead, EAST);
    class.act(2, consent(3));
    class.act(FOUNDER, remove(3));
    class.invite(FOUNDER, 1, Role::Lead, 1);
    let invite = class.roster.invite(&secret(1).id()).unwrap().entry;
    let back = class.admission(3, 1, invite, EAST);
    class.take(back);
    assert!(class.roster.consents(&id(3)).is_empty());
    assert!(class.try_act(FOUNDER, remove(3)).is_err());
}

#[test]
fn who_may_change_which_role() {
    let alone = "act on another school's lead or teacher alone";
    let promote = "promote somebody of another school that has a lead";
    for (school, from, to, expected) in [
        (NORTH, Role::Student, Role::Guest, Ok(Added::New)),
        (SOUTH, Role::Student, Role::Guest, Ok(Added::New)),
        (SOUTH, Role::Guest, Role::Student, Ok(Added::New)),
        (SOUTH, Role::Student, Role::Carrier, Ok(Added::New)),
        (NORTH, Role::Student, Role::Lead, Ok(Added::New)),
        (NORTH, Role::Lead, Role::Student, Ok(Added::New)),
        (SOUTH, Role::Student, Role::Teacher, not_allowed(promote)),
        (SOUTH, Role::Teacher, Role::Lead, not_allowed(promote)),
        (SOUTH, Role::Teacher, Role::Student, not_allowed(alone)),
        (EAST, Role::Student, Role::Teacher, Ok(Added::New)),
        (EAST, Role::Teacher, Role::Lead, Ok(Added::New)),
        (EAST, Role::Teacher, Role::Student, not_allowed(alone)),
        (
            NORTH,
            Role::Student,
            Role::Student,
            not_allowed("give somebody the role they have"),
        ),
    ] {
        let mut class = Class::new();
        class.join(2, Role::Lead, SOUTH);
        class.join(3, from, school);
        assert_eq!(
            class.try_act(FOUNDER, change(3, to)),
            expected,
            "{school:?} {from:?} {to:?}"
        );
        assert_eq!(class.role(3), Some(if expected.is_ok() { to } else { from }));
    }
    assert_roles(LEADS, |class| {
        class.join(3, Role::Student, NORTH);
        change(3, Role::Guest)
    });
    let mut class = Class::new();
    assert_eq!(
        class.try_act(FOUNDER, change(3, Role::Guest)),
        not_allowed("change the role of somebody who is no member")
    );
    class.act(FOUNDER, change(FOUNDER, Role::Teacher));
    assert_eq!(class.role(FOUNDER), Some(Role::Teacher));
}

#[test]
fn a_group_is_made_of_members_with_its_maker() {
    let mut class = Class::new();
    class.join(2, Role::Student, NORTH);
    class.join(3, Role::Carrier, NORTH);
    let refused = not_allowed("make a group of others, or of somebody who is no member");
    for members in [
        vec![2],
        vec![FOUNDER, 3],
        vec![FOUNDER, 9],
        vec![FOUNDER, FOUNDER],
    ] {
        let action = class.group(FOUNDER, &members);
        assert_eq!(class.try_act(FOUNDER, action), refused, "{members:?}");
    }
    let action = class.group(FOUNDER, &[FOUNDER, 2]);
    let group = action.rotations()[0].space;
    class.act(FOUNDER, action.clone());
    assert!(class.roster.is_in_space(&id(2), &group) && !class.roster.is_in_space(&id(3), &group));
    assert_eq!(
        class.try_act(FOUNDER, action),
        not_allowed("make a space that exists")
    );
}

/// A group's name is public. Who makes another group of that name, as if it had been before, does not become one of the
/// group, and nobody's pages are sealed to them.
#[test]
fn nobody_takes_over_the_name_of_a_group() {
    let mut class = Class::new();
    class.join(2, Role::Teacher, SOUTH);
    class.join(3, Role::Student, NORTH);
    let mut backdated = class.clone();
    let action = class.group(FOUNDER, &[FOUNDER, 3]);
    let first = action.rotations()[0].clone();
    class.act(FOUNDER, action);
    let own = EpochKey::from_bytes([7; 32]);
    let refused = not_allowed("name a group otherwise than by who made it, its members and its key");
    for (author, members, key) in [
        (2, vec![id(2)], &own),
        (2, vec![id(FOUNDER), id(2), id(3)], &own),
        // Not by its own key either, which no member of staff outside it has.
        (2, vec![id(FOUNDER), id(3), id(2)], &class.keys[&first.id]),
        (FOUNDER, vec![id(FOUNDER), id(2)], &class.keys[&first.id]),
        (FOUNDER, vec![id(FOUNDER), id(3)], &own),
    ] {
        let action = backdated.group_named(first.space, members, key);
        assert_eq!(backdated.try_act(author, action), refused);
    }
    // The same once more, made apart, is the same group.
    let again = backdated.group_named(first.space, vec![id(FOUNDER), id(3)], &class.keys[&first.id]);
    backdated.act(FOUNDER, again);
    class.meet(&[&backdated]);
    let members: Vec<_> = class.roster.space_members(&first.space);
    assert_eq!(members.len(), 2);
    assert_eq!(class.roster.current_key(&first.space), Some(first.name()));
}
