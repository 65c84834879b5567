//! Strangers who fill a roster, come by invites that are over, or have everybody judge without end.

use protocol::identity::MemberKeys;
use protocol::roster::{Action, Cutoff, Entry, Removal, Role};
use protocol::{DocumentId, LaneId, Refusal};
use sync_server::Limits;
use sync_server::store::Memory;

use crate::classroom::{FAR, member};
use crate::driven::{Client, NOW, Outcome, World, start};

/// Strangers fill a roster with what they may: those who lead and teach can still end what they came by, and go on.
#[test]
fn a_full_roster_takes_what_ends_the_flood() {
    let mut world = World::with(Limits {
        classroom_entries: 24,
        ..Limits::default()
    });
    let invite = world.classroom.invite(Role::Student, 200, FAR);
    let stored = |world: &mut World, entry: &Entry| world.founder.store_entry(&mut world.relay, entry);
    assert_eq!(stored(&mut world, &invite.entry), Outcome::Stored);
    world.roster.add(invite.entry.clone()).unwrap();
    let full = Outcome::Refused(Refusal::TooManyEntries);
    for number in 0..23 {
        let admission = world.classroom.admit(&invite, &member());
        let outcome = if number < 22 { Outcome::Stored } else { full };
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
    // Were the strangers more than an entry can name, that would have to be mended first.
    let join = act(&world, Action::JOIN_HEADS);
    assert_eq!(stored(&mut world, &join), Outcome::Stored);
    world.roster.add(join).unwrap();
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

/// A student may say where their own logs end without asking anybody: not without end. What others do has room, and the
/// student can still be removed.
#[test]
fn nobody_fills_a_roster_with_where_their_own_logs_end() {
    let mut world = World::new();
    let student = world.join(Role::Student);
    let other = world.join(Role::Student);
    let refused = Outcome::Refused(Refusal::TooManyCutoffs);
    let cutoffs = |count: u32| -> Vec<Cutoff> {
        let cutoff = |number: u32| {
            let mut lane = [7; 16];
            lane[..4].copy_from_slice(&number.to_be_bytes());
            Cutoff {
                document: DocumentId([3; 16]),
                lane: LaneId(lane),
                next: 1,
            }
        };
        (0..count).map(cutoff).collect()
    };
    let extend = |world: &World, author: &MemberKeys, count| {
        let action = Action::Extend {
            member: author.id(),
            cutoffs: cutoffs(count),
        };
        let heads = world.roster.heads_for(&author.id());
        Entry::act(author, world.classroom.id, heads, action).unwrap()
    };
    // Brought by others as well: it is the same.
    let store = |world: &mut World, entry: &Entry| {
        let outcome = world.founder.store_entry(&mut world.relay, entry);
        if outcome == Outcome::Stored {
            world.roster.add(entry.clone()).unwrap();
        }
        outcome
    };
    // However short each is.
    for number in 0..65 {
        let entry = extend(&world, &student, 1);
        let expected = if number < 64 { Outcome::Stored } else { refused };
        assert_eq!(store(&mut world, &entry), expected, "{number}");
    }
    // Or few long ones.
    for expected in [Outcome::Stored, Outcome::Stored, Outcome::Stored, refused] {
        let entry = extend(&world, &other, 4096);
        assert_eq!(store(&mut world, &entry), expected);
    }
    // Who has said so much leaves all the same, with a few more.
    let leave = |world: &World, author: &MemberKeys, count| {
        let removal = Removal {
            member: author.id(),
            cutoffs: cutoffs(count),
        };
        let action = Action::Remove {
            members: vec![removal],
            rotations: Vec::new(),
        };
        let heads = world.roster.heads_for(&author.id());
        Entry::act(author, world.classroom.id, heads, action).unwrap()
    };
    let (long, short) = (leave(&world, &other, 4096), leave(&world, &other, 1000));
    assert_eq!(store(&mut world, &long), refused);
    assert_eq!(store(&mut world, &short), Outcome::Stored);
    let removal = world.removal(student.id(), cutoffs(4096));
    world.lead(removal);
    assert!(world.roster.member(&student.id()).is_none());
}

/// How much that is, whoever runs the relay decides.
#[test]
fn how_much_a_member_says_of_their_own_logs_is_a_setting() {
    let mut world = World::with(Limits {
        member_cutoffs: 20_000,
        ..Limits::default()
    });
    let student = world.join(Role::Student);
    let refused = Outcome::Refused(Refusal::TooManyCutoffs);
    for (count, expected) in [(700, refused), (400, Outcome::Stored), (1, refused)] {
        let cutoff = Cutoff {
            document: DocumentId([3; 16]),
            lane: LaneId([7; 16]),
            next: 1,
        };
        let action = Action::Extend {
            member: student.id(),
            cutoffs: vec![cutoff; count],
        };
        let entry = Entry::act(&student, world.classroom.id, world.heads(), action).unwrap();
        assert_eq!(world.founder.store_entry(&mut world.relay, &entry), expected);
        if expected == Outcome::Stored {
            world.roster.add(entry).unwrap();
        }
    }
}

/// What another relay took of that, others have built on there: who leads or teaches brings it all the same, after comparing,
/// but not without end, for the other may be themselves.
#[test]
fn what_another_relay_took_of_own_logs_is_brought_by_who_leads() {
    let mut world = World::with(Limits {
        member_cutoffs: 20_000,
        ..Limits::default()
    });
    let (student, friend) = (world.join(Role::Student), world.join(Role::Student));
    // Each a little longer than all that the student may say themselves.
    let extend = |world: &World, next| {
        let cutoff = Cutoff {
            document: DocumentId([3; 16]),
            lane: LaneId([7; 16]),
            next,
        };
        let action = Action::Extend {
            member: student.id(),
            cutoffs: vec![cutoff; 700],
        };
        Entry::act(&student, world.classroom.id, world.heads(), action).unwrap()
    };
    let entry = extend(&world, 1);
    let refused = Outcome::Refused(Refusal::TooManyCutoffs);
    for keys in [&student, &friend] {
        let mut client = Client::open(&mut world.relay, keys, world.classroom.id);
        client.inventory(&mut world.relay);
        assert_eq!(client.store_entry(&mut world.relay, &entry), refused);
    }
    assert_eq!(world.founder.store_entry(&mut world.relay, &entry), refused);
    world.founder.inventory(&mut world.relay);
    for next in 1..=7 {
        let entry = extend(&world, next);
        let expected = if next <= 6 { Outcome::Stored } else { refused };
        assert_eq!(world.founder.store_entry(&mut world.relay, &entry), expected);
    }
}

/// The same of what takes rights away.
#[test]
fn what_another_relay_took_of_one_who_takes_rights_away_is_brought_by_who_leads() {
    let mut world = World::new();
    let (lead, student) = (world.join(Role::Lead), world.join(Role::Student));
    let heads = world.heads();
    let demotion = |world: &World, next| {
        let cutoff = Cutoff {
            document: DocumentId([3; 16]),
            lane: LaneId([7; 16]),
            next,
        };
        let action = Action::ChangeRole {
            member: student.id(),
            role: Role::Guest,
            cutoffs: vec![cutoff],
            keys: Vec::new(),
            rotations: Vec::new(),
        };
        Entry::act(&lead, world.classroom.id, heads.clone(), action).unwrap()
    };
    let refused = Outcome::Refused(Refusal::TooManyEntries);
    for number in 0..=64 {
        let entry = demotion(&world, number);
        assert_eq!(
            world.founder.store_entry(&mut world.relay, &entry),
            Outcome::Stored
        );
    }
    let entry = demotion(&world, 65);
    assert_eq!(world.founder.store_entry(&mut world.relay, &entry), refused);
    world.founder.inventory(&mut world.relay);
    for number in 65..=513 {
        let entry = demotion(&world, number);
        let expected = if number <= 512 { Outcome::Stored } else { refused };
        assert_eq!(
            world.founder.store_entry(&mut world.relay, &entry),
            expected,
            "{number}"
        );
    }
}
