//! Relays that lost something, and folds.

use std::sync::Arc;

use protocol::frame::{Position, RelayFrame};
use protocol::inventory::{LogRange, Wanted};
use protocol::roster::Role;
use protocol::segment::Segment;
use protocol::{EntryHash, Refusal};
use sync_server::Limits;
use sync_server::core::{Relay, Rules};
use sync_server::store::{Memory, Store as _};

use crate::classroom::{Classroom, member};
use crate::driven::{Client, NOW, Outcome, World, start};

/// So many segments of the founder, stored.
fn written(world: &mut World, count: usize) -> Vec<Segment> {
    let mut lane = world
        .classroom
        .lane(&world.classroom.founder, world.roster.heads().copied().collect());
    let segments: Vec<_> = (0..count)
        .map(|number| lane.write(&format!("word {number}")))
        .collect();
    for segment in &segments {
        assert_eq!(world.founder.store(&mut world.relay, segment), Outcome::Stored);
    }
    segments
}

fn fold(classroom: &Classroom, segments: &[Segment], first: usize, last: usize) -> Segment {
    classroom
        .lane(&classroom.founder, segments[0].header.roster.clone())
        .fold(segments, first, last)
}

#[test]
fn a_fold_takes_the_place_of_what_it_covers() {
    let mut world = World::new();
    let segments = written(&mut world, 6);
    let id = world.classroom.id;
    let mut reader = Client::open(&mut world.relay, &world.classroom.founder, id);
    assert_eq!(reader.segments(&mut world.relay), segments);
    let small = fold(&world.classroom, &segments, 1, 2);
    let large = fold(&world.classroom, &segments, 0, 3);
    assert_eq!(world.founder.store(&mut world.relay, &small), Outcome::Stored);
    assert_eq!(world.founder.store(&mut world.relay, &small), Outcome::Held);
    assert_eq!(world.founder.store(&mut world.relay, &segments[2]), Outcome::Held);
    assert_eq!(world.founder.store(&mut world.relay, &large), Outcome::Stored);
    // Smaller ones, and what it holds, are here already.
    for held in [&small, &large, &segments[0], &segments[3], &segments[5]] {
        assert_eq!(world.founder.store(&mut world.relay, held), Outcome::Held);
    }
    // What went before it was told is told no more.
    assert_eq!(reader.segments(&mut world.relay), std::slice::from_ref(&large));
    let mut late = Client::open(&mut world.relay, &world.classroom.founder, id);
    assert_eq!(
        late.segments(&mut world.relay),
        [segments[4].clone(), segments[5].clone(), large.clone()]
    );
    // The log goes on as if nothing had been folded.
    let mut lane = world
        .classroom
        .lane(&world.classroom.founder, segments[0].header.roster.clone());
    lane.log = segments[0].header.log;
    lane.next = 6;
    lane.previous = segments[5].hash(&id).unwrap();
    assert_eq!(
        world.founder.store(&mut world.relay, &lane.write("next")),
        Outcome::Stored
    );
    let state = world.founder.inventory(&mut world.relay).logs[0];
    assert_eq!((state.first, state.next), (0, 7));
}

#[test]
fn folds_that_fit_nothing_are_refused() {
    let mut world = World::new();
    let segments = written(&mut world, 4);
    let id = world.classroom.id;
    let stored = fold(&world.classroom, &segments, 0, 1);
    assert_eq!(world.founder.store(&mut world.relay, &stored), Outcome::Stored);
    // It begins within another one.
    let within = fold(&world.classroom, &segments, 1, 2);
    // It says that it covers something else.
    let mut other = segments.clone();
    other[3] = segments[2].clone();
    let other = fold(&world.classroom, &other, 2, 3);
    for wrong in [within, other] {
        assert_eq!(
            world.founder.store(&mut world.relay, &wrong),
            Outcome::Refused(Refusal::FoldMismatch)
        );
    }
    // One that was never sent in parts goes behind the last; one that extends the log covers some and adds some.
    let mut lane = world
        .classroom
        .lane(&world.classroom.founder, segments[0].header.roster.clone());
    lane.log = segments[0].header.log;
    lane.next = 4;
    lane.previous = segments[3].hash(&id).unwrap();
    let mut all = segments.clone();
    all.extend((0..4).map(|number| lane.write(&format!("offline {number}"))));
    let (behind, extending) = (
        fold(&world.classroom, &all, 4, 5),
        fold(&world.classroom, &all, 4, 7),
    );
    assert_eq!(world.founder.store(&mut world.relay, &behind), Outcome::Stored);
    assert_eq!(world.founder.store(&mut world.relay, &extending), Outcome::Stored);
    let gap = fold(&world.classroom, &all, 6, 7);
    assert_eq!(world.founder.store(&mut world.relay, &gap), Outcome::Held);
    let state = world.founder.inventory(&mut world.relay).logs[0];
    assert_eq!((state.first, state.next), (0, 8));
    assert_eq!(state.hash, all[7].hash(&id).unwrap());
}

#[test]
fn runs_and_their_fold_in_one_flight_are_all_answered() {
    let mut world = World::new();
    let heads = world.heads();
    let mut lane = world.classroom.lane(&world.classroom.founder, heads);
    let segments: Vec<_> = (0..3)
        .map(|number| lane.write(&format!("word {number}")))
        .collect();
    let folded = fold(&world.classroom, &segments, 0, 2);
    for segment in segments.iter().chain([&folded]) {
        world.founder.submit(&mut world.relay, segment);
    }
    // The fold waits for the commit of what it covers; by then nobody was told of that.
    while world.relay.commit(NOW).unwrap() > 0 {}
    let told = world.founder.hear(&mut world.relay);
    let positions: Vec<u64> = told
        .iter()
        .map(|frame| match frame {
            RelayFrame::Stored { advance, .. } => *advance,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(positions, [1, 1, 1, 1]);
}

#[test]
fn an_empty_relay_gets_everything_back_from_whoever_comes() {
    let mut world = World::new();
    let student = world.join(Role::Student);
    let segments = written(&mut world, 3);
    let id = world.classroom.id;

    // Somebody who is no member there yet: the relay is empty.
    let empty = Memory::new(8);
    let mut relay = start(&empty);
    let mut client = Client::found_as(&mut relay, &world.classroom, &student);
    relay.commit(NOW).unwrap();
    client.hear(&mut relay);
    assert_eq!(
        client.store(&mut relay, &segments[0]),
        Outcome::Refused(Refusal::NotAMember)
    );
    for entry in world.roster.entries_in_order().into_iter().skip(1) {
        assert_eq!(client.store_entry(&mut relay, entry), Outcome::Stored);
    }
    for segment in &segments {
        assert_eq!(client.store(&mut relay, segment), Outcome::Stored);
    }
    // Then nothing is missing, whichever relay is asked.
    assert_eq!(
        client.inventory(&mut relay),
        world.founder.inventory(&mut world.relay)
    );
    // Whoever knew the old relay asks once what there is, and goes on from there.
    let seen = Position {
        incarnation: 7,
        index: 6,
    };
    let mut founder = Client::open_since(&mut relay, &world.classroom.founder, id, Some(seen));
    let told = founder.hear(&mut relay);
    let [RelayFrame::Opened { from, .. }, RelayFrame::CaughtUp { .. }] = told[..] else {
        panic!("told something: {told:?}");
    };
    assert_eq!((from.incarnation, from.index), (8, 6));
    assert_eq!(founder.inventory(&mut relay), client.inventory(&mut relay));
}

/// What somebody is told who knows of a position: whether they have to compare, and how many segments come.
fn told_since(relay: &mut Relay, classroom: &Classroom, since: u64) -> (bool, usize) {
    let since = Position {
        incarnation: 7,
        index: since,
    };
    let mut client = Client::open_since(relay, &classroom.founder, classroom.id, Some(since));
    let told = client.hear(relay);
    let is_unknown = |frame: &RelayFrame| matches!(frame, RelayFrame::Opened { from, .. } if *from != since);
    let is_segment = |frame: &&RelayFrame| matches!(frame, RelayFrame::Segment { .. });
    (
        told.iter().any(is_unknown),
        told.iter().filter(is_segment).count(),
    )
}

#[test]
fn a_backup_is_noticed_wherever_its_positions_have_come_to() {
    let leaping = |store: &Memory, leap| {
        let rules = Rules {
            leap,
            ..Rules::new(Limits::default())
        };
        Relay::new(Arc::new(store.clone()), rules)
    };
    let mut world = World::new();
    let classroom = world.classroom.clone();
    let heads = vec![classroom.founding.hash()];
    let last = |store: &Memory| store.totals(&classroom.id).unwrap().unwrap().last;
    let mut lane = classroom.lane(&classroom.founder, heads.clone());
    let mut write = |relay: &mut Relay, count: usize| {
        let mut client = Client::open(relay, &classroom.founder, classroom.id);
        client.hear(relay);
        for _ in 0..count {
            assert_eq!(client.store(relay, &lane.write("words")), Outcome::Stored);
        }
    };
    write(&mut world.relay, 2);
    let backup = world.store.copy();
    let known = last(&backup);
    write(&mut world.relay, 5);
    let lost = last(&world.store);
    // It starts again before it is lost.
    let mut relay = leaping(&world.store, 1 << 20);
    write(&mut relay, 5);
    let later = last(&world.store);
    assert_eq!(told_since(&mut relay, &classroom, known), (false, 10));
    assert_eq!(told_since(&mut relay, &classroom, lost), (false, 5));
    assert_eq!(told_since(&mut relay, &classroom, later), (false, 0));
    assert_eq!(
        told_since(&mut relay, &classroom, lost + 1),
        (true, 0),
        "it never was"
    );

    // The backup goes on with others' work until it has come further than what anybody has seen.
    for leap in [1 << 19, 1 << 21] {
        let store = backup.copy();
        let mut relay = leaping(&store, leap);
        let mut other = classroom.lane(&classroom.founder, heads.clone());
        let mut client = Client::open(&mut relay, &classroom.founder, classroom.id);
        client.hear(&mut relay);
        for _ in 0..20 {
            assert_eq!(client.store(&mut relay, &other.write("more")), Outcome::Stored);
        }
        // Once for each start is enough.
        assert_eq!(last(&store), known + leap + 20);
        assert_eq!(told_since(&mut relay, &classroom, known), (false, 20));
        // Nor does it forget that with the next start, which passes over nothing as long as nothing is new.
        for mut relay in [relay, leaping(&store, leap)] {
            for seen in [known + 1, lost, later] {
                assert_eq!(told_since(&mut relay, &classroom, seen), (true, 0));
            }
            assert_eq!(told_since(&mut relay, &classroom, known + leap + 20), (false, 0));
        }
        assert_eq!(last(&store), known + leap + 20);
    }
}

/// The founder, who says that they have come to a position that this relay never gave out, and what they wrote meanwhile.
fn open_with_words(world: &mut World, incarnation: u64, index: u64) -> (Client, Segment) {
    let heads = world.heads();
    let (founder, id) = (&world.classroom.founder, world.classroom.id);
    let words = world.classroom.lane(founder, heads).write("words");
    let since = Position { incarnation, index };
    (
        Client::open_since(&mut world.relay, founder, id, Some(since)),
        words,
    )
}

#[test]
fn who_heals_in_the_flight_that_opens_is_answered() {
    let mut world = World::new();
    let (mut client, words) = open_with_words(&mut world, 0, 0);
    client.submit(&mut world.relay, &words);
    // It is stored before the client was told how far the relay has come.
    world.relay.commit(NOW).unwrap();
    let told = client.hear(&mut world.relay);
    let from = told.iter().find_map(|frame| match frame {
        RelayFrame::Opened { from, .. } => Some(from.index),
        _ => None,
    });
    let stored = told.iter().find_map(|frame| match frame {
        RelayFrame::Stored { advance, .. } => Some(*advance),
        _ => None,
    });
    assert_eq!((from, stored), (Some(1), Some(1)));
}

/// What it builds on may be lost, and the relay can't tell.
#[test]
fn who_does_not_know_that_something_is_lost_brings_no_segments_before_they_ask() {
    let mut world = World::new();
    let (mut client, words) = open_with_words(&mut world, 7, 5);
    let refused = Outcome::Refused(Refusal::IndexGap);
    assert_eq!(client.store(&mut world.relay, &words), refused);
    client.inventory(&mut world.relay);
    assert_eq!(client.store(&mut world.relay, &words), Outcome::Stored);
}

/// A device that lost a roster entry says that it has come as far as before, and does not know that it lacks something.
#[test]
fn who_lacks_an_entry_that_they_were_told_is_told_what_there_is() {
    let mut world = World::new();
    let founding = world.heads();
    let student = world.join(Role::Student);
    written(&mut world, 2);
    let all = world.heads();
    let id = world.classroom.id;
    world.lead(world.removal(student.id(), Vec::new()));
    let removed = world.heads();
    let opened = |relay: &mut Relay, keys, index, heads: &[EntryHash]| {
        let since = Position {
            incarnation: 7,
            index,
        };
        let mut client = Client::open_knowing(relay, keys, id, Some(since), heads.to_vec());
        let told = client.hear(relay);
        let from = told.iter().find_map(|frame| match frame {
            RelayFrame::Opened { from, .. } => Some(from.index),
            _ => None,
        });
        let named = told.into_iter().find_map(|frame| match frame {
            RelayFrame::Inventory { part, .. } => Some(part.entries.len()),
            _ => None,
        });
        (from.unwrap(), named)
    };
    let relay = &mut world.relay;
    let founder = &world.classroom.founder;
    // Founded, invited, admitted; then words, and the removal.
    assert_eq!(opened(relay, founder, 6, &removed), (6, None));
    assert_eq!(opened(relay, founder, 6, &all), (6, Some(4)));
    assert_eq!(opened(relay, founder, 5, &all), (5, None), "it comes");
    assert_eq!(opened(relay, founder, 5, &founding), (5, Some(4)));
    assert_eq!(
        opened(relay, founder, 1, &founding),
        (1, None),
        "all of them come"
    );
    // It can't be told: an own entry that was never sent stands behind all, or there are more than are named.
    let unknown = EntryHash([3; 32]);
    assert_eq!(opened(relay, founder, 6, &[founding[0], unknown]), (6, None));
    assert_eq!(opened(relay, founder, 6, &[founding[0]; 32]), (6, None));
    assert_eq!(opened(relay, founder, 6, &[]), (6, None));
    // Who was removed and does not know it is told the roster from the beginning.
    assert_eq!(opened(relay, &student, 6, &all), (0, None));
    assert_eq!(opened(relay, &student, 6, &removed), (6, None));
    // So it is after a start.
    let mut relay = start(&world.store);
    assert_eq!(
        opened(&mut relay, &world.classroom.founder, 6, &all),
        (6, Some(4))
    );
    assert_eq!(opened(&mut relay, &world.classroom.founder, 5, &all), (5, None));
}

#[test]
fn a_run_that_a_fold_of_the_same_flight_ends_with_is_held() {
    let mut world = World::new();
    let heads = world.heads();
    let mut lane = world.classroom.lane(&world.classroom.founder, heads);
    let segments: Vec<_> = (0..3)
        .map(|number| lane.write(&format!("word {number}")))
        .collect();
    let folded = fold(&world.classroom, &segments, 0, 2);
    world.founder.submit(&mut world.relay, &folded);
    world.founder.submit(&mut world.relay, &segments[2]);
    world.relay.commit(NOW).unwrap();
    let told = world.founder.hear(&mut world.relay);
    assert!(
        matches!(told[..], [RelayFrame::Held { .. }, RelayFrame::Stored { .. }]),
        "{told:?}"
    );
}

#[test]
fn items_are_fetched_by_name() {
    let mut world = World::new();
    let segments = written(&mut world, 6);
    let folded = fold(&world.classroom, &segments, 1, 3);
    assert_eq!(world.founder.store(&mut world.relay, &folded), Outcome::Stored);
    let log = segments[0].header.log;
    let names = world.founder.inventory(&mut world.relay);
    assert_eq!(names.entries, [world.classroom.founding.hash()]);
    let range = |from, to| Wanted {
        logs: vec![LogRange { log, from, to }],
        ..Wanted::default()
    };
    let frames = world.founder.fetch(&mut world.relay, range(2, 5));
    assert_eq!(
        world.founder.unpack(frames),
        [folded.clone(), segments[4].clone()]
    );
    let entries = Wanted {
        entries: vec![world.classroom.founding.hash(), protocol::EntryHash([3; 32])],
        ..Wanted::default()
    };
    let frames = world.founder.fetch(&mut world.relay, entries);
    assert!(
        matches!(&frames[..], [RelayFrame::Entry { advance: 0, entry, .. }]
        if entry.as_ref() == world.classroom.founding.encode().unwrap())
    );
    assert!(
        world
            .founder
            .fetch(&mut world.relay, Wanted::default())
            .is_empty()
    );

    // Who has only the founding entry gets no segment by its name.
    let stranger = member();
    let mut visitor = Client::found_as(&mut world.relay, &world.classroom, &stranger);
    world.relay.commit(NOW).unwrap();
    assert!(visitor.inventory(&mut world.relay).logs.is_empty());
    assert!(visitor.fetch(&mut world.relay, range(0, 9)).is_empty());
}

#[test]
fn many_items_are_fetched_in_parts() {
    let mut world = World::new();
    let heads = world.heads();
    let mut lane = world.classroom.lane(&world.classroom.founder, heads);
    let segments: Vec<_> = (0..6).map(|_| lane.write_bytes(vec![7; 100_000])).collect();
    for segment in &segments {
        assert_eq!(world.founder.store(&mut world.relay, segment), Outcome::Stored);
    }
    let wanted = Wanted {
        logs: vec![LogRange {
            log: lane.log,
            from: 0,
            to: u64::MAX,
        }],
        ..Wanted::default()
    };
    let frames = world.founder.fetch(&mut world.relay, wanted);
    assert_eq!(world.founder.unpack(frames), segments);
}
