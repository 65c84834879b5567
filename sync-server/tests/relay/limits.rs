//! How much a classroom may hold.

use protocol::roster::Role;
use protocol::{DocumentId, Refusal};
use sync_server::Limits;
use sync_server::store::Store as _;

use crate::classroom::FAR;
use crate::driven::{Outcome, World};

#[test]
fn a_classroom_has_so_many_bytes() {
    let mut world = World::with(Limits {
        classroom_bytes: 20_000,
        ..Limits::default()
    });
    let heads = world.heads();
    let mut lane = world.classroom.lane(&world.classroom.founder, heads);
    let words: Vec<_> = (0..4).map(|_| lane.write_bytes(vec![1; 8_000])).collect();
    let full = Outcome::Refused(Refusal::QuotaFull);
    let outcomes = words
        .iter()
        .map(|segment| world.founder.store(&mut world.relay, segment));
    assert_eq!(
        outcomes.collect::<Vec<_>>(),
        [
            Outcome::Stored,
            Outcome::Stored,
            full,
            Outcome::Refused(Refusal::IndexGap)
        ]
    );
    // A fold makes room.
    let lane = world
        .classroom
        .lane(&world.classroom.founder, world.roster.heads().copied().collect());
    let folded = lane.fold(&words, 0, 1);
    assert_eq!(world.founder.store(&mut world.relay, &folded), Outcome::Stored);
    assert_eq!(world.founder.store(&mut world.relay, &words[2]), Outcome::Stored);
}

#[test]
fn a_classroom_that_is_exactly_full_can_be_folded() {
    let mut world = World::with(Limits {
        classroom_bytes: 20_000,
        ..Limits::default()
    });
    let heads = world.heads();
    let mut lane = world.classroom.lane(&world.classroom.founder, heads);
    let id = world.classroom.id;
    let bytes = |world: &World| world.store.totals(&id).unwrap().unwrap().bytes;
    let mut words = Vec::new();
    // Down to the last byte that any segment could be.
    for length in [6_000, 6_000, 2_000, 500, 100, 1]
        .into_iter()
        .flat_map(|length| [length; 9])
    {
        let mut next = lane.clone();
        let segment = next.write_bytes(vec![1; length]);
        if world.founder.store(&mut world.relay, &segment) == Outcome::Stored {
            words.push(segment);
            lane = next;
        }
    }
    let before = bytes(&world);
    let folded = lane.fold(&words, 0, words.len() - 1);
    let first = lane.fold(&words, 0, 1);
    assert!(
        before + folded.sealed.len() as u64 > 20_000,
        "it has no room beside them"
    );
    assert_eq!(world.founder.store(&mut world.relay, &first), Outcome::Stored);
    assert!(bytes(&world) + 12_000 < before);
    // What it took the place of is kept besides, up to as much again.
    let totals = world.store.totals(&id).unwrap().unwrap();
    assert!((12_000..20_000).contains(&totals.covered));
    for _ in 0..2 {
        let segment = lane.write_bytes(vec![1; 5_000]);
        assert_eq!(world.founder.store(&mut world.relay, &segment), Outcome::Stored);
        words.push(segment);
    }
    let last = words.len() - 1;
    assert_eq!(
        world.founder.store(&mut world.relay, &lane.fold(&words, 2, last)),
        Outcome::Refused(Refusal::QuotaFull)
    );
}

#[test]
fn a_classroom_has_so_many_documents() {
    let mut world = World::with(Limits {
        classroom_documents: 2,
        ..Limits::default()
    });
    let heads = world.heads();
    let mut lane = world.classroom.lane(&world.classroom.founder, heads);
    for (number, outcome) in [
        (1, Outcome::Stored),
        (2, Outcome::Stored),
        (3, Outcome::Refused(Refusal::TooManyDocuments)),
    ] {
        lane.log.document = DocumentId([number; 16]);
        let segment = lane.clone().write("words");
        assert_eq!(world.founder.store(&mut world.relay, &segment), outcome);
    }
    lane.log.document = DocumentId([1; 16]);
    lane.log.lane = protocol::LaneId([9; 16]);
    assert_eq!(
        world.founder.store(&mut world.relay, &lane.write("more")),
        Outcome::Stored
    );
}

#[test]
fn a_roster_has_so_many_entries() {
    let mut world = World::with(Limits {
        classroom_entries: 2,
        ..Limits::default()
    });
    for outcome in [Outcome::Stored, Outcome::Refused(Refusal::TooManyEntries)] {
        let invite = world.classroom.invite(Role::Student, 1, FAR);
        assert_eq!(
            world.founder.store_entry(&mut world.relay, &invite.entry),
            outcome
        );
    }
}
