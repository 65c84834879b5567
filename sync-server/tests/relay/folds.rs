//! Folds that do not hold what they cover.

use std::sync::Arc;
use std::time::Duration;

use protocol::frame::{Position, RelayFrame};
use protocol::identity::MemberKeys;
use protocol::roster::{Action, Cutoff, Entry, Role};
use protocol::segment::{Header, Kind, Segment};
use protocol::verdict::{Statement, Verdict};
use protocol::{DocumentId, Refusal, SnapshotHash};
use sync_server::Limits;
use sync_server::core::Moment;
use sync_server::store::{Change, Item, Placed, Store as _};

use crate::classroom::{member, rng};
use crate::driven::{Client, NOW, Outcome, World};

const DAY: u64 = 24 * 60 * 60;

/// So many segments of the founder, stored.
fn written(world: &mut World, count: usize) -> Vec<Segment> {
    let heads = world.heads();
    let mut lane = world.classroom.lane(&world.classroom.founder, heads);
    let segments: Vec<_> = (0..count)
        .map(|word| lane.write(&format!("word {word}")))
        .collect();
    for segment in &segments {
        assert_eq!(world.founder.store(&mut world.relay, segment), Outcome::Stored);
    }
    segments
}

fn fold(world: &World, segments: &[Segment], first: usize, last: usize) -> Segment {
    let lane = world.classroom.lane(&world.classroom.founder, world.heads());
    lane.fold(segments, first, last)
}

/// A fold of folds and runs.
fn fold_of(world: &World, parts: &[&Segment]) -> Segment {
    let (begin, end) = (parts[0], parts[parts.len() - 1]);
    let id = world.classroom.id;
    let header = Header {
        kind: Kind::Fold {
            covered: end.chain_hash(&id).unwrap(),
        },
        last: end.header.last,
        ..begin.header.clone()
    };
    let (keys, key) = (&world.classroom.founder, &world.classroom.key);
    Segment::seal_fold(keys, &id, header, begin.previous, key, vec![8; 50], &mut rng()).unwrap()
}

/// What `by` says who found that a fold holds something else.
fn dispute(world: &World, by: &MemberKeys, fold: &Segment) -> Verdict {
    let hash = fold.hash(&world.classroom.id).unwrap();
    let statement = Statement {
        document: fold.header.log.document,
        snapshot: SnapshotHash(hash.0),
        member: by.id(),
        roster: world.heads(),
        matches: false,
    };
    Verdict::sign(by, &world.classroom.id, statement).unwrap()
}

fn newcomer(world: &mut World) -> Vec<Segment> {
    let keys = world.classroom.founder.clone();
    let mut client = Client::open(&mut world.relay, &keys, world.classroom.id);
    client.segments(&mut world.relay)
}

fn covered(world: &World) -> u64 {
    world.store.totals(&world.classroom.id).unwrap().unwrap().covered
}

fn tidy(world: &mut World, seconds: u64) {
    let then = Moment {
        elapsed: Duration::from_secs(seconds),
        clock: NOW.clock + seconds,
    };
    world.relay.tidy().unwrap();
    while world.relay.commit(then).unwrap() > 0 {}
}

#[test]
fn a_fold_that_somebody_disputes_gives_way_to_what_it_covers() {
    let mut world = World::new();
    let student = world.join(Role::Student);
    let segments = written(&mut world, 6);
    let mut own = Client::open(&mut world.relay, &student, world.classroom.id);
    own.hear(&mut world.relay);
    let lie = fold(&world, &segments, 1, 4);
    assert_eq!(world.founder.store(&mut world.relay, &lie), Outcome::Stored);
    assert!(covered(&world) > 0);
    let shortened = [segments[0].clone(), segments[5].clone(), lie.clone()];
    assert_eq!(newcomer(&mut world), shortened, "nobody is served with the rest");
    assert_eq!(own.segments(&mut world.relay), std::slice::from_ref(&lie));
    let since = Position {
        incarnation: world.store.incarnation(),
        index: world.store.totals(&world.classroom.id).unwrap().unwrap().last,
    };

    let verdict = dispute(&world, &student, &lie);
    assert_eq!(
        world.founder.store_verdict(&mut world.relay, &verdict),
        Outcome::Stored
    );
    assert_eq!(own.segments(&mut world.relay), segments[1..5]);
    let whole = newcomer(&mut world);
    assert_eq!(whole, [&segments[..1], &segments[5..], &segments[1..5]].concat());
    assert_eq!(covered(&world), 0);
    // Whoever was away hears of it as well, and how it came about.
    let keys = world.classroom.founder.clone();
    let mut away = Client::open_since(&mut world.relay, &keys, world.classroom.id, Some(since));
    let told = away.hear(&mut world.relay);
    assert!(
        matches!(&told[..], [RelayFrame::Opened { .. }, RelayFrame::Segment { .. }, .., RelayFrame::Verdict { .. }, RelayFrame::CaughtUp { .. }] if told.len() == 7)
    );
    // It does not come back, also not after a restart; the log goes on, and may be folded anew.
    world.relay = crate::driven::start(&world.store);
    world.founder = Client::open(&mut world.relay, &keys, world.classroom.id);
    world.founder.hear(&mut world.relay);
    assert_eq!(
        world.founder.store(&mut world.relay, &lie),
        Outcome::Refused(Refusal::Disputed)
    );
    assert_eq!(world.founder.store(&mut world.relay, &segments[2]), Outcome::Held);
    assert_eq!(
        world.founder.store_verdict(&mut world.relay, &verdict),
        Outcome::Held
    );
    let honest = fold(&world, &segments, 0, 5);
    assert_eq!(world.founder.store(&mut world.relay, &honest), Outcome::Stored);
    assert_eq!(newcomer(&mut world), [honest]);
}

#[test]
fn of_a_fold_of_folds_what_was_written_first_comes_back() {
    let mut world = World::new();
    let segments = written(&mut world, 5);
    let small = fold(&world, &segments, 0, 2);
    let large = fold_of(&world, &[&small, &segments[3], &segments[4]]);
    for fold in [&small, &large] {
        assert_eq!(world.founder.store(&mut world.relay, fold), Outcome::Stored);
    }
    let founder = world.classroom.founder.clone();
    let verdict = dispute(&world, &founder, &large);
    assert_eq!(
        world.founder.store_verdict(&mut world.relay, &verdict),
        Outcome::Stored
    );
    assert_eq!(newcomer(&mut world), segments);
}

#[test]
fn members_bring_what_is_not_kept_any_more() {
    let mut world = World::with(Limits {
        covered: Duration::from_secs(30 * DAY),
        ..Limits::default()
    });
    let segments = written(&mut world, 4);
    let lie = fold(&world, &segments, 0, 3);
    assert_eq!(world.founder.store(&mut world.relay, &lie), Outcome::Stored);
    tidy(&mut world, 30 * DAY);
    assert!(covered(&world) > 0);
    tidy(&mut world, 30 * DAY + 1);
    assert_eq!(covered(&world), 0);
    // Undisputed, it holds them.
    assert_eq!(world.founder.store(&mut world.relay, &segments[1]), Outcome::Held);
    assert_eq!(covered(&world), 0);

    let founder = world.classroom.founder.clone();
    let verdict = dispute(&world, &founder, &lie);
    assert_eq!(
        world.founder.store_verdict(&mut world.relay, &verdict),
        Outcome::Stored
    );
    assert_eq!(
        newcomer(&mut world),
        std::slice::from_ref(&lie),
        "there is nothing else"
    );
    // Nothing comes back before all is there, nor by something that its author signed for another place.
    let mut other = world.classroom.lane(&founder, world.heads());
    other.log = segments[0].header.log;
    let forged = other.write("another beginning");
    for part in [&forged, &segments[1], &segments[2], &segments[3]] {
        assert_eq!(world.founder.store(&mut world.relay, part), Outcome::Held);
    }
    assert_eq!(
        world.founder.store_verdict(&mut world.relay, &verdict),
        Outcome::Held
    );
    assert_eq!(newcomer(&mut world), [lie]);
    assert_eq!(world.founder.store(&mut world.relay, &segments[0]), Outcome::Held);
    assert_eq!(
        world.founder.store_verdict(&mut world.relay, &verdict),
        Outcome::Held
    );
    assert_eq!(newcomer(&mut world), segments);
}

#[test]
fn all_of_it_may_come_in_one_flight() {
    let mut world = World::with(Limits {
        covered: Duration::ZERO,
        ..Limits::default()
    });
    let segments = written(&mut world, 3);
    let lie = fold(&world, &segments, 0, 2);
    assert_eq!(world.founder.store(&mut world.relay, &lie), Outcome::Stored);
    tidy(&mut world, 1);
    let founder = world.classroom.founder.clone();
    let verdict = dispute(&world, &founder, &lie);
    world.founder.submit_verdict(&mut world.relay, &verdict);
    for segment in &segments {
        world.founder.submit(&mut world.relay, segment);
    }
    world.founder.submit_verdict(&mut world.relay, &verdict);
    while world.relay.commit(NOW).unwrap() > 0 {}
    assert_eq!(newcomer(&mut world), segments);
}

#[test]
fn a_dispute_is_worth_something_by_members_about_folds_that_are_here() {
    let mut world = World::new();
    let student = world.join(Role::Student);
    let segments = written(&mut world, 4);
    let stored = fold(&world, &segments, 0, 1);
    assert_eq!(world.founder.store(&mut world.relay, &stored), Outcome::Stored);
    let unknown = dispute(&world, &student, &fold(&world, &segments, 2, 3));
    let run = dispute(&world, &student, &segments[2]);
    let stranger = dispute(&world, &member(), &stored);
    for (verdict, reason) in [
        (unknown, Refusal::UnknownParent),
        (run, Refusal::UnknownParent),
        (stranger, Refusal::NotAMember),
    ] {
        assert_eq!(
            world.founder.store_verdict(&mut world.relay, &verdict),
            Outcome::Refused(reason)
        );
    }
    // That it holds what it covers is nothing to keep.
    let statement = Statement {
        matches: true,
        ..dispute(&world, &student, &stored).statement
    };
    let agrees = Verdict::sign(&student, &world.classroom.id, statement).unwrap();
    assert_eq!(
        world.founder.store_verdict(&mut world.relay, &agrees),
        Outcome::Held
    );
    assert!(world.founder.inventory(&mut world.relay).verdicts.is_empty());
    assert_eq!(newcomer(&mut world).len(), 3);
}

#[test]
fn a_fold_that_its_log_ends_within_is_taken_apart() {
    for in_one_flight in [false, true] {
        let mut world = World::new();
        let student = world.join(Role::Student);
        let heads = world.heads();
        let classroom = world.classroom.clone();
        let mut lane = classroom.lane(&student, heads);
        let segments: Vec<_> = (0..6).map(|word| lane.write(&format!("word {word}"))).collect();
        for segment in &segments {
            assert_eq!(world.founder.store(&mut world.relay, segment), Outcome::Stored);
        }
        let [before, within] = [(0, 1), (2, 5)].map(|(first, last)| lane.fold(&segments, first, last));
        assert_eq!(world.founder.store(&mut world.relay, &before), Outcome::Stored);
        let end = Cutoff {
            document: lane.log.document,
            lane: lane.log.lane,
            next: 4,
        };
        let removal = world.removal(student.id(), vec![end]);
        if in_one_flight {
            // The removal waits for the commit of the fold: by then it shows what that stands for.
            world.founder.submit(&mut world.relay, &within);
            let removal = Entry::act(&classroom.founder, classroom.id, world.heads(), removal).unwrap();
            world.founder.submit_entry(&mut world.relay, &removal);
            while world.relay.commit(NOW).unwrap() > 0 {}
        } else {
            assert_eq!(world.founder.store(&mut world.relay, &within), Outcome::Stored);
            world.lead(removal);
        }
        assert_eq!(newcomer(&mut world), [&[before], &segments[2..]].concat());
        world.founder.hear(&mut world.relay);
        assert_eq!(
            world.founder.store(&mut world.relay, &within),
            Outcome::Refused(Refusal::BeyondCutoff)
        );
        assert!(covered(&world) > 0, "what is before the end stays folded");
    }
}

#[test]
fn a_fold_that_was_not_taken_apart_at_once_is_when_the_relay_keeps_house() {
    let mut world = World::new();
    let id = world.classroom.id;
    let student = world.join(Role::Student);
    let classroom = world.classroom.clone();
    let mut lane = classroom.lane(&student, world.heads());
    let segments: Vec<_> = (0..4).map(|word| lane.write(&format!("word {word}"))).collect();
    for segment in &segments {
        assert_eq!(world.founder.store(&mut world.relay, segment), Outcome::Stored);
    }
    let end = Cutoff {
        document: lane.log.document,
        lane: lane.log.lane,
        next: 2,
    };
    world.lead(world.removal(student.id(), vec![end]));
    // A relay that judges the end otherwise took the fold.
    let whole = lane.fold(&segments, 0, 3);
    let item = Item::Segment {
        hash: whole.hash(&id).unwrap(),
        segment: Box::new(whole.clone()),
    };
    let position = world.store.totals(&id).unwrap().unwrap().last + 1;
    let (from, to) = (0, 3);
    let cover = Change::Cover {
        log: lane.log,
        from,
        to,
    };
    let place = Change::Place(Arc::new(Placed { position, item }));
    world
        .store
        .commit(&[(id, cover), (id, place)], NOW.clock)
        .unwrap();
    world.relay = crate::driven::start(&world.store);
    assert_eq!(newcomer(&mut world), [whole]);
    tidy(&mut world, 1);
    assert_eq!(newcomer(&mut world), segments);
}

#[test]
fn what_is_kept_of_a_document_goes_with_it() {
    let mut world = World::new();
    let segments = written(&mut world, 4);
    let [one, two] = [(0, 1), (2, 3)].map(|(first, last)| fold(&world, &segments, first, last));
    for fold in [&one, &two] {
        assert_eq!(world.founder.store(&mut world.relay, fold), Outcome::Stored);
    }
    let founder = world.classroom.founder.clone();
    let verdict = dispute(&world, &founder, &one);
    assert_eq!(
        world.founder.store_verdict(&mut world.relay, &verdict),
        Outcome::Stored
    );
    assert!(covered(&world) > 0);
    world.lead(Action::Erase {
        document: segments[0].header.log.document,
        successor: DocumentId([99; 16]),
    });
    assert_eq!(covered(&world), 0);
    assert!(world.founder.inventory(&mut world.relay).verdicts.is_empty());
}
