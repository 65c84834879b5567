//! How much a classroom may hold, and how much of it a connection may have under way.

use protocol::bounded::Bytes;
use protocol::frame::{Channel, ClientFrame, RelayFrame};
use protocol::roster::Role;
use protocol::whisper::Whisper;
use protocol::{ClassroomId, DocumentId, Refusal, SpaceId};
use sync_server::Limits;
use sync_server::store::Store as _;

use crate::classroom::{FAR, rng};
use crate::client::CHANNEL;
use crate::driven::{Client, NOW, Outcome, World};

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

fn open(channel: Channel, classroom: ClassroomId) -> ClientFrame {
    ClientFrame::Open {
        channel,
        classroom,
        since: None,
        roster: Vec::new(),
        invite: None,
    }
}

#[test]
fn a_connection_has_so_many_classrooms_open() {
    let mut world = World::with(Limits {
        channels: 2,
        ..Limits::default()
    });
    let id = world.classroom.id;
    let (second, third) = (CHANNEL + 1, CHANNEL + 2);
    let mut say = |frame| {
        world.founder.send(&mut world.relay, &frame);
        world.founder.hear(&mut world.relay)
    };
    let busy = |channel| RelayFrame::Closed {
        channel,
        reason: Refusal::Busy,
    };
    assert!(matches!(
        say(open(second, id))[..],
        [RelayFrame::Opened { .. }, ..]
    ));
    assert_eq!(say(open(third, id)), [busy(third)]);
    let founding = Bytes::new("entry", world.classroom.founding.encode().unwrap()).unwrap();
    let found = say(ClientFrame::Found {
        channel: third,
        entry: founding.clone(),
        token: None,
    });
    assert!(found.ends_with(&[busy(third)]), "{found:?}");
    // What is closed makes room, and so does what could not be opened.
    for channel in [second, third] {
        assert_eq!(say(ClientFrame::Close { channel }), []);
    }
    assert!(matches!(
        say(open(third, id))[..],
        [RelayFrame::Opened { .. }, ..]
    ));

    // As many again may be spoken of without being open.
    let speak = |channel| ClientFrame::Entry {
        channel,
        entry: founding.clone(),
    };
    for channel in [20, 21] {
        let refused = RelayFrame::Refused {
            channel,
            submission: 0,
            reason: Refusal::UnknownChannel,
        };
        assert_eq!(say(speak(channel)), [refused]);
    }
    let reason = Refusal::Busy;
    assert_eq!(say(speak(22)), [RelayFrame::Ended { reason }]);
}

#[test]
fn so_many_submissions_wait_for_their_answer_and_the_rest_is_read_later() {
    let mut world = World::with(Limits {
        unanswered: 3,
        ..Limits::default()
    });
    let heads = world.heads();
    let mut lane = world.classroom.lane(&world.classroom.founder, heads);
    for number in 0..5 {
        let segment = lane.write(&format!("{number}"));
        world.founder.submit(&mut world.relay, &segment);
    }
    world
        .founder
        .send(&mut world.relay, &ClientFrame::Ping { nonce: 1 });
    let mut rounds = Vec::new();
    while world.relay.waiting() > 0 {
        let waiting = world.relay.waiting();
        world.relay.commit(NOW).unwrap();
        let frames = world.founder.hear(&mut world.relay);
        let stored = frames
            .iter()
            .filter(|frame| matches!(frame, RelayFrame::Stored { .. }))
            .count();
        world.relay.tick(NOW);
        rounds.push((waiting, stored, frames.contains(&RelayFrame::Pong { nonce: 1 })));
    }
    assert_eq!(rounds, [(3, 3, false), (2, 2, true)]);
}

#[test]
fn so_many_whispers_wait_and_the_oldest_go() {
    let mut world = World::with(Limits {
        whispers: 2,
        ..Limits::default()
    });
    let guest = world.join(Role::Guest);
    let id = world.classroom.id;
    let mut listening = Client::open(&mut world.relay, &guest, id);
    listening.hear(&mut world.relay);
    let whispers = ["one", "two", "three", "four"].map(|said| {
        let (keys, key) = (&world.classroom.founder, &world.classroom.key);
        let whisper =
            Whisper::seal(keys, &id, SpaceId::EVERYONE, 0, key, said.as_bytes(), &mut rng()).unwrap();
        Bytes::new("whisper", whisper.encode().unwrap()).unwrap()
    });
    let channel = CHANNEL;
    for whisper in whispers.clone() {
        let frame = ClientFrame::Whisper { channel, whisper };
        world.founder.send(&mut world.relay, &frame);
    }
    let [_, _, third, fourth] = whispers;
    assert_eq!(
        listening.hear(&mut world.relay),
        [third, fourth].map(|whisper| RelayFrame::Whisper { channel, whisper })
    );
}
