//! Strangers who fill a roster, come by invites that are over, or have everybody judge without end.

use protocol::Refusal;
use protocol::roster::{Action, Entry, Removal, Role};
use sync_server::Limits;
use sync_server::store::Memory;

use crate::classroom::{FAR, member};
use crate::driven::{Client, NOW, Outcome, World, start};

/// Strangers fill a roster with what they may: those who lead and teach can still end what they came by, and go on.
#[test]
fn a_full_roster_takes_what_ends_the_flood() {
    let mut world = World::with(Limits {
        classroom_entries: 16,
        ..Limits::default()
    });
    let invite = world.classroom.invite(Role::Student, 200, FAR);
    let stored = |world: &mut World, entry: &Entry| world.founder.store_entry(&mut world.relay, entry);
    assert_eq!(stored(&mut world, &invite.entry), Outcome::Stored);
    world.roster.add(invite.entry.clone()).unwrap();
    let full = Outcome::Refused(Refusal::TooManyEntries);
    for number in 0..15 {
        let admission = world.classroom.admit(&invite, &member());
        let outcome = if number < 14 { Outcome::Stored } else { full };
        assert_eq!(stored(&mut world, &admission), outcome);
        if outcome == Outcome::Stored {
            world.roster.add(admission).unwrap();
        }
    }
    let act = |world: &World, action| {
        let founder = &world.classroom.founder;
        let heads = world.roster.heads_for(&founder.id());
        Entry::act(founder, world.classroom.id, heads, action).unwrap()
    };
    let another = act(&world, Action::Close { closed: true });
    assert_eq!(stored(&mut world, &another), full);
    for _ in 0..2 {
        let invite = world.roster.invites().first().map(|invite| invite.entry);
        let stranger = world
            .roster
            .members()
            .find(|member| member.id != world.classroom.founder.id());
        let action = match invite {
            Some(invite) => Action::EndInvite {
                invite,
                rotations: Vec::new(),
            },
            None => Action::Remove {
                members: vec![Removal {
                    member: stranger.unwrap().id,
                    cutoffs: Vec::new(),
                }],
                rotations: Vec::new(),
            },
        };
        let ending = act(&world, action);
        assert_eq!(stored(&mut world, &ending), Outcome::Stored);
        world.roster.add(ending).unwrap();
    }
}

/// Many more than an invite lets in do not come by it, whoever vouches for them.
#[test]
fn an_invite_brings_no_crowd() {
    let mut world = World::new();
    let (invite, heads) = (world.classroom.invite(Role::Student, 2, FAR), world.heads());
    assert_eq!(
        world.founder.store_entry(&mut world.relay, &invite.entry),
        Outcome::Stored
    );
    assert_eq!(heads.len(), 1);
    // Each seems to have come first; some may have, in other places.
    for number in 0..21 {
        let admission = world.classroom.admit(&invite, &member());
        let outcome = world.founder.store_entry(&mut world.relay, &admission);
        let refused = Outcome::Refused(Refusal::InviteUsedUp);
        assert_eq!(outcome, if number < 20 { Outcome::Stored } else { refused });
    }
}

/// What one author says apart from what they say elsewhere has to be judged anew by everybody.
#[test]
fn nobody_makes_others_judge_without_end() {
    let mut world = World::new();
    let entry = |world: &World, parents, action| {
        Entry::act(&world.classroom.founder, world.classroom.id, parents, action).unwrap()
    };
    let heads = world.heads();
    for number in 0..70 {
        let invite = world.classroom.invite(Role::Student, 1, FAR);
        assert_eq!(
            world.founder.store_entry(&mut world.relay, &invite.entry),
            Outcome::Stored
        );
        let action = Action::EndInvite {
            invite: invite.entry.hash(),
            rotations: Vec::new(),
        };
        let ending = entry(&world, vec![invite.entry.hash()], action);
        let refused = Outcome::Refused(Refusal::TooManyEntries);
        let expected = if number <= 64 { Outcome::Stored } else { refused };
        assert_eq!(
            world.founder.store_entry(&mut world.relay, &ending),
            expected,
            "{number}"
        );
    }
    // Everything else goes on.
    let lock = entry(&world, heads, Action::Close { closed: false });
    assert_eq!(
        world.founder.store_entry(&mut world.relay, &lock),
        Outcome::Stored
    );
}

/// Anybody may have the founding entry: it lets nobody vouch for others who come too late. Only where a classroom has just
/// come back to a relay that lost it, somebody has to.
#[test]
fn the_founding_entry_opens_no_invite_that_is_over() {
    let mut world = World::new();
    let (used, expired) = (
        world.classroom.invite(Role::Lead, 1, FAR),
        world.classroom.invite(Role::Student, 9, 1),
    );
    let first = world.classroom.admit(&used, &member());
    for entry in [&used.entry, &expired.entry, &first] {
        assert_eq!(
            world.founder.store_entry(&mut world.relay, entry),
            Outcome::Stored
        );
    }
    let late = [
        (world.classroom.admit(&used, &member()), Refusal::InviteUsedUp),
        (world.classroom.admit(&expired, &member()), Refusal::InviteExpired),
    ];
    // The relay has had it for long.
    let mut relay = start(&world.store);
    let mut stranger = Client::found_as(&mut relay, &world.classroom, &member());
    stranger.hear(&mut relay);
    for (admission, reason) in &late {
        assert_eq!(
            stranger.store_entry(&mut relay, admission),
            Outcome::Refused(*reason)
        );
    }
    // It has lost it.
    let mut relay = start(&Memory::new(8));
    let mut healing = Client::found_as(&mut relay, &world.classroom, &member());
    while relay.commit(NOW).unwrap() > 0 {}
    healing.hear(&mut relay);
    for entry in [&used.entry, &expired.entry, &first, &late[1].0] {
        assert_eq!(healing.store_entry(&mut relay, entry), Outcome::Stored);
    }
}
