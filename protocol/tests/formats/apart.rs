//! The roster's rules, row by row: what becomes of acts that did not know of each other. Every test looks at the result
//! from each side: all copies that have met say the same.

use protocol::roster::{Action, Added, Role, Roster};
use protocol::{DocumentId, EntryHash, Error, SpaceId};

use crate::class::{Class, EAST, FOUNDER, PAGE, approve, change, consent, end, id, lock, remove, secret};
use crate::example::{NORTH, SOUTH, person};

/// The copies after all have met, in each order.
fn met(copies: &[&Class]) -> Class {
    let mut orders: Vec<Vec<&Class>> = vec![Vec::new()];
    for _ in copies {
        orders = orders
            .into_iter()
            .flat_map(|order| {
                let rest = copies
                    .iter()
                    .filter(|copy| !order.iter().any(|taken| std::ptr::eq(*taken, **copy)));
                rest.map(|copy| [order.as_slice(), &[*copy]].concat())
                    .collect::<Vec<_>>()
            })
            .collect();
    }
    let mut results: Vec<Class> = orders
        .iter()
        .map(|order| {
            let mut class = order[0].clone();
            class.meet(&order[1..]);
            class
        })
        .collect();
    let said = |class: &Class| {
        let counting: Vec<EntryHash> = class
            .roster
            .entries_in_order()
            .iter()
            .map(|entry| entry.hash())
            .filter(|hash| class.roster.counts(hash))
            .collect();
        (counting, class.roster.members().collect::<Vec<_>>())
    };
    let first = said(&results[0]);
    for other in &results[1..] {
        assert_eq!(said(other), first);
    }
    results.remove(0)
}

/// Leads 2 and 3, and student 4, all of the north.
fn class() -> Class {
    let mut class = Class::new();
    class.join(2, Role::Lead, NORTH);
    class.join(3, Role::Lead, NORTH);
    class.join(4, Role::Student, NORTH);
    class
}

/// Joins by an invite of the founder that stands already.
fn use_invite(class: &mut Class, joiner: u8, number: u8) -> EntryHash {
    let invite = class.roster.invite(&secret(number).id()).unwrap().entry;
    let admission = class.admission(joiner, number, invite, NORTH);
    class.take(admission)
}

#[test]
fn of_two_leads_who_remove_each_other_the_earlier_stays() {
    let class = class();
    let (mut one, mut other) = (class.clone(), class);
    let by_earlier = one.act(2, remove(3));
    let by_later = other.act(3, remove(2));
    let all = met(&[&one, &other]);
    assert_eq!((all.role(2), all.role(3)), (Some(Role::Lead), None));
    assert!(all.roster.counts(&by_earlier) && !all.roster.counts(&by_later));
    // The void one stays known: others sent it, and others may send it again.
    assert!(all.roster.knows(&[by_later]));
}

/// 1 removes 2, who removes 3, who removes 1: the first decides, so 2 is out, so 3 is not, so 1 is.
#[test]
fn three_who_remove_each_other_in_a_circle() {
    let class = class();
    let mut copies = [class.clone(), class.clone(), class];
    copies[0].act(FOUNDER, remove(2));
    copies[1].act(2, remove(3));
    copies[2].act(3, remove(FOUNDER));
    let all = met(&[&copies[0], &copies[1], &copies[2]]);
    assert_eq!(
        (all.role(FOUNDER), all.role(2), all.role(3)),
        (None, None, Some(Role::Lead))
    );
}

/// What a later lead did is undone only if the earlier one did not know of it.
#[test]
fn what_was_known_is_not_undone() {
    let mut class = class();
    class.act(3, remove(4));
    class.act(FOUNDER, remove(3));
    assert_eq!((class.role(3), class.role(4)), (None, None));
}

/// A lead judged by an earlier one, who was void themselves, keeps what they did knowing that.
#[test]
fn rights_that_a_void_removal_took_are_there_again() {
    let class = class();
    let (mut one, mut other) = (class.clone(), class);
    one.act(FOUNDER, remove(3));
    other.act(3, remove(2));
    let mut all = met(&[&one, &other]);
    assert_eq!(all.role(2), Some(Role::Lead));
    all.act(2, remove(4));
    assert_eq!(met(&[&all, &one, &other]).role(4), None);
}

#[test]
fn what_the_removed_did_apart_is_void() {
    let mut class = class();
    class.invite(FOUNDER, 1, Role::Student, 9);
    let asked = class.ask_invite(FOUNDER, 2, Role::Student);
    let request = class.request(6, 2, asked, SOUTH);
    let request = class.take(request);
    let (mut one, mut other) = (class.clone(), class);
    one.act(FOUNDER, remove(3));
    let before = other.roster.current_key(&SpaceId::EVERYONE);
    let invite = other.own_invite(3, 3, Role::Lead, 9);
    let guest = other.admission(5, 3, invite, NORTH);
    other.take(guest);
    other.act(5, remove(2));
    other.act(3, approve(request));
    other.act(3, change(4, Role::Teacher));
    other.act(3, lock(true));
    other.act(3, Action::Close { closed: true });
    let rotate = Action::Rotate {
        rotations: Vec::new(),
    };
    let rotation = other.rotation(3, &rotate, SpaceId::EVERYONE);
    other.act(
        3,
        Action::Rotate {
            rotations: vec![rotation],
        },
    );
    assert_eq!(
        (other.role(5), other.role(4)),
        (Some(Role::Lead), Some(Role::Teacher))
    );

    let all = met(&[&one, &other]);
    assert_eq!((all.role(2), all.role(3)), (Some(Role::Lead), None));
    assert_eq!(
        (all.role(4), all.role(5), all.role(6)),
        (Some(Role::Student), None, None)
    );
    assert!(all.roster.invite(&secret(3).id()).is_none());
    assert!(!all.roster.locked(&PAGE) && !all.roster.closed());
    assert_eq!(all.roster.current_key(&SpaceId::EVERYONE), before);
    assert_eq!(all.roster.requests().len(), 1);
    // What was sealed with the void key can still be read.
    let sealed = all.roster.sealed_for(&person(4).exchange_key());
    assert!(sealed.iter().any(|key| key.epoch == 1));
}

#[test]
fn who_leaves_undoes_nothing() {
    let class = class();
    let (mut one, mut other) = (class.clone(), class);
    one.act(3, remove(3));
    other.act(3, lock(true));
    let all = met(&[&one, &other]);
    assert_eq!(all.role(3), None);
    assert!(all.roster.locked(&PAGE));
}

#[test]
fn the_removed_may_leave_besides() {
    let class = class();
    let (mut one, mut other) = (class.clone(), class);
    one.act(FOUNDER, remove(3));
    let leaving = other.act(3, remove(3));
    let all = met(&[&one, &other]);
    assert!(all.roster.counts(&leaving));
    assert_eq!(all.role(3), None);
}

/// A student who leaves is gone, also if a lead, of whichever school, makes them a teacher without knowing of that.
#[test]
fn whoever_is_promoted_apart_has_left_all_the_same() {
    for school in [NORTH, SOUTH] {
        let mut class = Class::new();
        class.join(2, Role::Lead, school);
        class.join(3, Role::Student, school);
        let (mut one, mut other) = (class.clone(), class);
        let leaving = one.act(3, remove(3));
        other.act(2, change(3, Role::Teacher));
        let all = met(&[&one, &other]);
        assert!(all.roster.counts(&leaving));
        assert_eq!(all.role(3), None);
    }
}

/// A teacher who was a lead keeps what a teacher may do.
#[test]
fn who_was_given_less_power_keeps_what_that_allows() {
    let class = class();
    let (mut one, mut other) = (class.clone(), class);
    one.act(FOUNDER, change(3, Role::Teacher));
    let locking = other.act(3, lock(true));
    let removing = other.act(3, remove(4));
    let all = met(&[&one, &other]);
    assert_eq!(all.role(3), Some(Role::Teacher));
    assert!(all.roster.counts(&locking) && !all.roster.counts(&removing));
    assert_eq!(all.role(4), Some(Role::Student));
}

#[test]
fn of_two_roles_given_apart_the_lesser_counts() {
    let mut class = class();
    class.join(5, Role::Guest, SOUTH);
    let (mut one, mut other) = (class.clone(), class);
    one.act(FOUNDER, change(4, Role::Lead));
    other.act(2, change(4, Role::Teacher));
    one.act(FOUNDER, change(5, Role::Student));
    other.act(2, change(5, Role::Carrier));
    let mut all = met(&[&one, &other]);
    assert_eq!(
        (all.role(4), all.role(5)),
        (Some(Role::Teacher), Some(Role::Carrier))
    );
    // Who knows both says what it is.
    all.act(FOUNDER, change(4, Role::Lead));
    assert_eq!(all.role(4), Some(Role::Lead));
}

#[test]
fn a_removal_outweighs_a_role_given_apart() {
    let class = class();
    let (mut one, mut other) = (class.clone(), class);
    one.act(FOUNDER, remove(4));
    other.act(2, change(4, Role::Lead));
    assert_eq!(met(&[&one, &other]).role(4), None);
}

#[test]
fn an_invite_that_was_ended_apart_lets_nobody_in() {
    let mut class = class();
    let open = class.invite(FOUNDER, 1, Role::Student, 9);
    let ask = class.ask_invite(FOUNDER, 2, Role::Student);
    let before = use_invite(&mut class, 5, 1);
    let (mut one, mut other) = (class.clone(), class);
    one.act(FOUNDER, end(open));
    one.act(FOUNDER, end(ask));
    let late = use_invite(&mut other, 6, 1);
    let asking = other.request(7, 2, ask, NORTH);
    let asking = other.take(asking);
    other.act(2, approve(asking));
    let mut all = met(&[&one, &other]);
    assert!(all.roster.counts(&before) && !all.roster.counts(&late) && !all.roster.counts(&asking));
    assert_eq!(
        (all.role(5), all.role(6), all.role(7)),
        (Some(Role::Student), None, None)
    );
    assert_eq!(all.roster.uses_of(&open), 1);
    // They may come by another.
    all.invite(FOUNDER, 3, Role::Student, 9);
    use_invite(&mut all, 6, 3);
    assert_eq!(all.role(6), Some(Role::Student));
}

/// Who asked before the invite was ended may be let in.
#[test]
fn a_request_outlives_its_invite() {
    let mut class = class();
    let ask = class.ask_invite(FOUNDER, 2, Role::Student);
    let request = class.request(7, 2, ask, NORTH);
    let request = class.take(request);
    class.act(FOUNDER, end(ask));
    class.act(2, approve(request));
    assert_eq!(class.role(7), Some(Role::Student));
}

/// Who is removed knows the secrets of the invites they made and came by: nobody joins by those any more, and who seems
/// to have done so apart may be somebody they let in afterwards.
#[test]
fn invites_that_the_removed_know_end_with_them() {
    let mut class = class();
    let crowd = class.invite(FOUNDER, 1, Role::Student, 9);
    let own = class.invite(3, 2, Role::Student, 9);
    use_invite(&mut class, 5, 1);
    use_invite(&mut class, 7, 1);
    let ask = class.ask_invite(3, 3, Role::Student);
    let mut apart = class.clone();
    use_invite(&mut apart, 6, 1);
    let asking = apart.request(8, 3, ask, NORTH);
    let asking = apart.take(asking);
    class.act(FOUNDER, remove(5));
    assert!(class.roster.invite_by(&crowd).unwrap().ended && !class.roster.invite_by(&own).unwrap().ended);
    let back = class.admission(5, 1, crowd, NORTH);
    assert_eq!(
        class.roster.add(back),
        Err(Error::NotAllowed("join by an invite that was ended"))
    );
    class.act(FOUNDER, remove(3));
    assert!(class.roster.invite_by(&own).unwrap().ended);
    let mut all = met(&[&class, &apart]);
    assert_eq!((all.role(6), all.role(7)), (None, Some(Role::Student)));
    assert!(!all.roster.counts(&asking) && all.roster.requests().is_empty());
    // What is backdated later, when the removal is long decided, is void as well.
    let mut before = apart.clone();
    let puppet = use_invite(&mut before, 9, 1);
    all.meet(&[&before]);
    assert!(!all.roster.counts(&puppet) && all.role(9).is_none());
    // They may come by another.
    all.invite(FOUNDER, 4, Role::Student, 9);
    use_invite(&mut all, 6, 4);
    assert_eq!(all.role(6), Some(Role::Student));
    // Nobody ends an invite for others by joining and leaving.
    let crowd = apart.roster.invite(&secret(1).id()).unwrap().entry;
    apart.act(6, remove(6));
    assert!(!apart.roster.invite_by(&crowd).unwrap().ended);
}

/// Who is given less power knows the secrets of invites to more: they would leave, and be a lead again.
#[test]
fn who_is_given_less_does_not_come_back_as_more() {
    let mut class = class();
    let own = class.own_invite(3, 1, Role::Lead, 9);
    let shared = class.own_invite(FOUNDER, 2, Role::Teacher, 9);
    use_invite(&mut class, 5, 2);
    let below = class.invite(5, 3, Role::Student, 9);
    let mut backdated = class.clone();
    for lessened in [3, 5] {
        let less = change(lessened, Role::Student);
        let rotation = class.rotation(FOUNDER, &less, SpaceId::STAFF);
        let recipients: Vec<_> = rotation.recipients().copied().collect();
        let gone = secret(if lessened == 3 { 1 } else { 2 }).exchange_key();
        assert!(!recipients.contains(&gone), "the key is not for invites that end");
        class.act(
            FOUNDER,
            match less {
                Action::ChangeRole { member, role, .. } => Action::ChangeRole {
                    member,
                    role,
                    cutoffs: Vec::new(),
                    keys: Vec::new(),
                    rotations: vec![rotation],
                },
                other => other,
            },
        );
    }
    let ended = |invite| class.roster.invite_by(&invite).unwrap().ended;
    assert_eq!([own, shared, below].map(ended), [true, true, false]);
    assert!(class.roster.needs_rotation(&SpaceId::EVERYONE));
    for (member, number, invite) in [(3, 1, own), (5, 2, shared)] {
        class.act(member, remove(member));
        let back = class.admission(member, number, invite, NORTH);
        assert_eq!(
            class.roster.add(back),
            Err(Error::NotAllowed("join by an invite that was ended"))
        );
    }
    // Nor does somebody come for them, as if it had been before.
    let puppet = use_invite(&mut backdated, 9, 2);
    let all = met(&[&class, &backdated]);
    assert!(!all.roster.counts(&puppet) && all.role(9).is_none());
}

#[test]
fn who_was_removed_may_be_admitted_again() {
    let mut class = class();
    class.act(FOUNDER, remove(4));
    class.invite(FOUNDER, 1, Role::Guest, 9);
    let admission = use_invite(&mut class, 4, 1);
    let member = class.roster.member(&id(4)).unwrap();
    assert_eq!((member.role, member.admitted_by), (Role::Guest, admission));
    assert!(class.roster.former_members().is_empty());
}

/// Removed twice apart: who comes back by somebody who knew of one removal only is out until all know.
#[test]
fn a_removal_undoes_a_readmission_that_it_did_not_know() {
    let class = class();
    let (mut one, mut other) = (class.clone(), class);
    one.act(FOUNDER, remove(4));
    one.invite(FOUNDER, 1, Role::Student, 9);
    use_invite(&mut one, 4, 1);
    other.act(2, remove(4));
    assert_eq!(one.role(4), Some(Role::Student));
    assert_eq!(met(&[&one, &other]).role(4), None);
}

/// A role that was given before a removal does not come back with the member.
#[test]
fn a_readmission_brings_its_own_role() {
    let class = class();
    let (mut one, mut other) = (class.clone(), class);
    one.act(FOUNDER, remove(4));
    one.invite(FOUNDER, 1, Role::Student, 9);
    use_invite(&mut one, 4, 1);
    other.act(2, change(4, Role::Lead));
    assert_eq!(met(&[&one, &other]).role(4), Some(Role::Student));
}

#[test]
fn consent_is_worth_nothing_if_its_author_was_removed_apart() {
    let mut class = Class::new();
    class.join(2, Role::Lead, SOUTH);
    class.join(3, Role::Lead, EAST);
    class.join(4, Role::Lead, SOUTH);
    let (mut one, mut other) = (class.clone(), class);
    one.act(2, remove(4));
    other.act(4, consent(3));
    let removing = other.act(FOUNDER, remove(3));
    assert_eq!(other.role(3), None);
    let all = met(&[&one, &other]);
    assert!(
        all.roster.counts(&removing),
        "the founder's word is decided first, and final"
    );

    // The same by a lead who was admitted after the one who removed the consenting one.
    let mut class = Class::new();
    class.join(2, Role::Lead, SOUTH);
    class.join(3, Role::Lead, EAST);
    class.join(4, Role::Lead, SOUTH);
    class.join(5, Role::Lead, NORTH);
    let (mut one, mut other) = (class.clone(), class);
    one.act(2, remove(4));
    other.act(4, consent(3));
    other.act(5, remove(3));
    assert_eq!(met(&[&one, &other]).role(3), Some(Role::Lead));
}

#[test]
fn an_approval_outweighs_a_refusal_apart() {
    let mut class = class();
    let ask = class.ask_invite(FOUNDER, 2, Role::Student);
    let request = class.request(7, 2, ask, NORTH);
    let request = class.take(request);
    let (mut one, mut other) = (class.clone(), class);
    one.act(FOUNDER, Action::Decline { request });
    other.act(2, approve(request));
    let all = met(&[&one, &other]);
    assert_eq!(all.role(7), Some(Role::Student));
    assert!(all.roster.requests().is_empty() && !all.roster.is_declined(&request));
}

#[test]
fn of_locks_and_closes_apart_the_stricter_counts() {
    let mut class = class();
    class.act(FOUNDER, lock(true));
    let (mut one, mut other) = (class.clone(), class);
    one.act(FOUNDER, lock(false));
    one.act(FOUNDER, Action::Close { closed: false });
    other.act(2, lock(false));
    other.act(2, lock(true));
    other.act(2, Action::Close { closed: true });
    let mut all = met(&[&one, &other]);
    assert!(all.roster.locked(&PAGE) && all.roster.closed());
    all.act(3, lock(false));
    all.act(3, Action::Close { closed: false });
    assert!(!all.roster.locked(&PAGE) && !all.roster.closed());
}

#[test]
fn of_two_erasures_apart_one_successor_stands() {
    let class = class();
    let (mut one, mut other) = (class.clone(), class);
    let erase = |number| Action::Erase {
        document: PAGE,
        successor: DocumentId([number; 16]),
    };
    let first = one.act(FOUNDER, erase(1));
    let second = other.act(2, erase(2));
    let expected = if first < second { 1 } else { 2 };
    assert_eq!(
        met(&[&one, &other]).roster.erased(&PAGE),
        Some(DocumentId([expected; 16]))
    );
}

/// Who was removed can say whatever they like about earlier days: it is apart from the removal, and void.
#[test]
fn backdating_is_worth_nothing() {
    let mut class = class();
    let before = class.clone();
    class.act(FOUNDER, remove(3));
    let mut backdated = before;
    let invite = backdated.own_invite(3, 9, Role::Lead, 9);
    let puppet = backdated.admission(9, 9, invite, NORTH);
    backdated.take(puppet);
    backdated.act(9, remove(FOUNDER));
    let all = met(&[&class, &backdated]);
    assert_eq!((all.role(FOUNDER), all.role(9)), (Some(Role::Lead), None));
}

/// A lead who lets in a puppet, as if it had been at the very beginning, and is removed or made less by it: what the other
/// school has gone on from stays, and so do its people, and whom they let in.
#[test]
fn nobody_undoes_what_another_school_went_on_from() {
    let founded = Class::new();
    let mut class = founded.clone();
    class.join(2, Role::Lead, SOUTH);
    class.join(3, Role::Student, NORTH);
    class.invite(2, 1, Role::Student, 9);
    let pupil = class.roster.invite(&secret(1).id()).unwrap().entry;
    let pupil = class.admission(4, 1, pupil, SOUTH);
    class.take(pupil);
    let last = class.act(FOUNDER, lock(true));
    for wipe in [remove(FOUNDER), change(FOUNDER, Role::Guest)] {
        let mut backdated = founded.clone();
        backdated.join(9, Role::Lead, NORTH);
        backdated.act(9, wipe.clone());
        let all = met(&[&class, &backdated]);
        assert_ne!(all.role(FOUNDER), Some(Role::Lead), "{wipe:?}");
        assert_eq!(
            [2, 3, 4].map(|number| all.role(number)),
            [Some(Role::Lead), Some(Role::Student), Some(Role::Student)]
        );
        assert!(!all.roster.counts(&last), "nobody has built on that");
    }

    // Nor by ending the invite that the other school came by.
    let invited = class
        .roster
        .entries_in_order()
        .into_iter()
        .find(|entry| matches!(entry.action(), Action::Invite { role: Role::Lead, .. }))
        .map(protocol::roster::Entry::hash)
        .unwrap();
    let mut backdated = founded.clone();
    backdated.take(class.roster.entry(&invited).unwrap().clone());
    backdated.act(FOUNDER, end(invited));
    let all = met(&[&class, &backdated]);
    assert_eq!(
        (all.role(2), all.role(4)),
        (Some(Role::Lead), Some(Role::Student))
    );

    // The same by a lead of the other school who did not found the classroom: its people came by that lead.
    let mut class = founded.clone();
    class.join(2, Role::Lead, SOUTH);
    let before = class.clone();
    class.own_invite(2, 1, Role::Lead, 9);
    let second = class.roster.invite(&secret(1).id()).unwrap().entry;
    let second = class.admission(5, 1, second, SOUTH);
    class.take(second);
    class.act(FOUNDER, lock(true));
    let mut backdated = before;
    backdated.own_invite(2, 2, Role::Lead, 9);
    let puppet = backdated.roster.invite(&secret(2).id()).unwrap().entry;
    let puppet = backdated.admission(9, 2, puppet, SOUTH);
    backdated.take(puppet);
    backdated.act(9, remove(2));
    let all = met(&[&class, &backdated]);
    assert_eq!((all.role(2), all.role(5)), (None, Some(Role::Lead)));
}

/// Whose word rests on what a removal makes void can't keep that: a removed lead brings in no other school.
#[test]
fn puppets_keep_nothing_that_they_rest_on() {
    let mut class = class();
    let before = class.clone();
    class.act(FOUNDER, remove(3));
    let mut backdated = before;
    let invite = backdated.invite(3, 9, Role::Lead, 9);
    let puppet = backdated.admission(9, 9, invite, EAST);
    backdated.take(puppet);
    backdated.act(9, lock(true));
    backdated.act(9, remove(4));
    let all = met(&[&class, &backdated]);
    assert_eq!((all.role(9), all.role(4)), (None, Some(Role::Student)));
    assert!(!all.roster.locked(&PAGE));
}

/// A lead who claims not to have known that another school made somebody a teacher needs that school's agreement all the same.
#[test]
fn nobody_avoids_consent_by_naming_a_past_before_a_promotion() {
    let mut class = Class::new();
    class.join(2, Role::Lead, SOUTH);
    class.join(3, Role::Student, SOUTH);
    let before = class.clone();
    class.act(2, change(3, Role::Teacher));
    let locking = class.act(3, lock(true));
    for act in [remove(3), change(3, Role::Guest)] {
        let mut backdated = before.clone();
        let act = backdated.act(FOUNDER, act);
        let all = met(&[&class, &backdated]);
        assert_eq!(all.role(3), Some(Role::Teacher));
        assert!(!all.roster.counts(&act) && all.roster.counts(&locking));
    }
    // With consent it counts; so does a removal by the own school, and one of a student whom another school promotes.
    let mut agreed = before.clone();
    agreed.act(2, consent(3));
    agreed.act(FOUNDER, remove(3));
    assert_eq!(met(&[&class, &agreed]).role(3), None);
    let mut own = before.clone();
    own.act(2, remove(3));
    assert_eq!(met(&[&class, &own]).role(3), None);

    // The same for somebody who left as a student and came back as a teacher.
    let mut class = before.clone();
    class.act(3, remove(3));
    class.own_invite(2, 1, Role::Teacher, 1);
    let back = class.roster.invite(&secret(1).id()).unwrap().entry;
    let back = class.admission(3, 1, back, SOUTH);
    class.take(back);
    let mut backdated = before;
    backdated.act(FOUNDER, remove(3));
    assert_eq!(met(&[&class, &backdated]).role(3), Some(Role::Teacher));
}

/// What somebody knew who named certain heads stays what it was.
#[test]
fn the_past_does_not_change() {
    let class = class();
    let heads = class.heads();
    let (mut one, mut other) = (class.clone(), class);
    one.act(2, remove(3));
    other.act(3, remove(2));
    let there = other.heads();
    let all = met(&[&one, &other]);
    assert_eq!(all.roster.role_at(&id(3), &heads), Some(Role::Lead));
    assert_eq!(all.roster.role_at(&id(3), &there), Some(Role::Lead));
    assert_eq!(all.roster.role_at(&id(2), &there), None);
    assert_eq!(all.roster.role_at(&id(2), &all.heads()), Some(Role::Lead));
}

/// Taking in what is known, or the founding entry of another classroom, changes nothing.
#[test]
fn a_void_entry_is_known() {
    let class = class();
    let (mut one, mut other) = (class.clone(), class);
    one.act(FOUNDER, remove(3));
    let hash = other.act(3, lock(true));
    let mut all = met(&[&one, &other]);
    let entry: protocol::roster::Entry = all.roster.entry(&hash).unwrap().clone();
    assert_eq!(all.roster.add(entry), Ok(Added::Known));
    let founding = all.roster.entries_in_order()[0].clone();
    assert_eq!(Roster::found(founding).unwrap().classroom(), all.classroom());
}
