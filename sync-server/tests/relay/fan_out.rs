//! Who gets what, in which order, and that nobody waits for somebody slow.

use std::time::Duration;

use protocol::bounded::Bytes;
use protocol::frame::{ClientFrame, Position, RelayFrame};
use protocol::roster::Role;
use protocol::whisper::Whisper;
use protocol::{Refusal, SpaceId};
use sync_server::{Limits, Settings};

use crate::classroom::{Classroom, FAR, member, rng};
use crate::client::{CHANNEL, Client, start};

#[tokio::test]
async fn catching_up_gives_everything_since() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let classroom = Classroom::new();
    let mut founder = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    let mut lane = classroom.lane(&classroom.founder, vec![classroom.founding.hash()]);
    let segments: Vec<_> = (0..40).map(|_| lane.write("some words")).collect();
    for segment in &segments {
        founder.submit(segment).await;
    }
    for submission in 1..=40 {
        founder.expect_stored(submission).await;
    }
    drop(founder);

    let mut client = Client::connect(relay.address(), &classroom.founder).await;
    client.submit_open(classroom.id, None, None).await;
    let RelayFrame::Opened { from, .. } = client.next().await else {
        panic!("not opened");
    };
    assert_eq!(from.index, 0);
    for segment in &segments {
        client.expect_segment(segment).await;
    }
    let incarnation = from.incarnation;
    let last = client.position.unwrap().index;
    for (since, from, items) in [
        (
            Position {
                incarnation,
                index: last,
            },
            last,
            0,
        ),
        (
            Position {
                incarnation,
                index: last - 11,
            },
            last - 11,
            11,
        ),
        // Positions that this store never gave out: nothing, until the inventory is asked for.
        (
            Position {
                incarnation,
                index: last + 1,
            },
            last,
            0,
        ),
        (
            Position {
                incarnation: !incarnation,
                index: last,
            },
            last,
            0,
        ),
    ] {
        let mut client = Client::connect(relay.address(), &classroom.founder).await;
        client.submit_open(classroom.id, Some(since), None).await;
        let frames = client.catch_up().await;
        let index = from;
        let opened = RelayFrame::Opened {
            channel: CHANNEL,
            from: Position { incarnation, index },
        };
        assert_eq!(frames[0], opened);
        assert_eq!(frames.len(), 1 + items);
    }
}

#[tokio::test]
async fn whispers_reach_members_who_are_there_and_are_never_stored() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let classroom = Classroom::new();
    let invite = classroom.invite(Role::Guest, 1, FAR);
    let guest = member();
    let mut founder = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    founder.submit_entry(&invite.entry).await;
    founder.expect_stored(1).await;
    founder.submit_entry(&classroom.admit(&invite, &guest)).await;
    founder.expect_stored(2).await;
    let mut listening = Client::open(relay.address(), &guest, classroom.id).await;
    listening.catch_up().await;

    let (space, key) = (SpaceId::EVERYONE, &classroom.key);
    let whisper = |keys, content: &[u8]| {
        Whisper::seal(keys, &classroom.id, space, 0, key, content, &mut rng())
            .unwrap()
            .encode()
            .unwrap()
    };
    // Of somebody else: dropped. Then their own.
    for bytes in [whisper(&guest, b"no"), whisper(&classroom.founder, b"I am here")] {
        founder
            .send(&ClientFrame::Whisper {
                channel: CHANNEL,
                whisper: Bytes::new("whisper", bytes).unwrap(),
            })
            .await;
    }
    match listening.next().await {
        RelayFrame::Whisper { channel, whisper } => {
            assert_eq!(channel, CHANNEL);
            let whisper = Whisper::decode(&whisper).unwrap();
            assert_eq!(whisper.open(&classroom.id, key).unwrap(), b"I am here");
        }
        other => panic!("{other:?}"),
    }
    // The sender hears nothing of it, nor does who comes later.
    founder.send(&ClientFrame::Ping { nonce: 1 }).await;
    assert_eq!(founder.next().await, RelayFrame::Pong { nonce: 1 });
    let mut later = Client::open(relay.address(), &guest, classroom.id).await;
    assert_eq!(later.catch_up().await.len(), 3);
    later.send(&ClientFrame::Ping { nonce: 2 }).await;
    assert_eq!(later.next().await, RelayFrame::Pong { nonce: 2 });
}

#[tokio::test]
async fn a_flood_of_whispers_is_cut() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings {
        limits: Limits {
            whispers: 1000,
            whispers_per_second: 5,
            ..Limits::default()
        },
        ..Settings::new(data.path())
    })
    .await;
    let classroom = Classroom::new();
    let mut founder = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    let mut listening = Client::open(relay.address(), &classroom.founder, classroom.id).await;
    listening.catch_up().await;
    let (keys, key) = (&classroom.founder, &classroom.key);
    let whisper = Whisper::seal(keys, &classroom.id, SpaceId::EVERYONE, 0, key, b"!", &mut rng()).unwrap();
    let whisper = Bytes::new("whisper", whisper.encode().unwrap()).unwrap();
    let channel = CHANNEL;
    let begun = std::time::Instant::now();
    for _ in 0..500 {
        let whisper = whisper.clone();
        founder.send(&ClientFrame::Whisper { channel, whisper }).await;
    }
    founder.send(&ClientFrame::Ping { nonce: 1 }).await;
    assert_eq!(founder.next().await, RelayFrame::Pong { nonce: 1 });
    let allowed = 10 + 5 * (begun.elapsed().as_secs() as usize + 1);
    listening.send(&ClientFrame::Ping { nonce: 2 }).await;
    let mut heard = 0;
    while let RelayFrame::Whisper { .. } = listening.next().await {
        heard += 1;
    }
    assert!((1..=allowed).contains(&heard), "{heard} whispers of {allowed}");
}

/// One reader takes nothing at all; the others get everything, and the one that stands still is let go. It is told, if
/// it reads again in time.
#[tokio::test]
async fn a_slow_reader_holds_nobody_back() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings {
        limits: Limits {
            stalled: Duration::from_millis(300),
            farewell: Duration::from_secs(60),
            ..Limits::default()
        },
        ..Settings::new(data.path())
    })
    .await;
    let classroom = Classroom::new();
    let mut founder = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    let mut slow = Client::open(relay.address(), &classroom.founder, classroom.id).await;
    let mut quick = Client::open(relay.address(), &classroom.founder, classroom.id).await;
    let mut lane = classroom.lane(&classroom.founder, vec![classroom.founding.hash()]);
    // More than the socket's buffers take.
    const SEGMENTS: u32 = 100;
    for submission in 1..=SEGMENTS {
        let segment = lane.write_bytes(vec![submission as u8; 200_000]);
        founder.submit(&segment).await;
        founder.expect_stored(submission).await;
        quick.expect_segment(&segment).await;
    }
    let (mut received, mut last) = (0, None);
    while let Some(frame) = slow.try_next().await {
        received += 1;
        last = Some(frame);
    }
    let reason = Refusal::TooSlow;
    assert_eq!(last, Some(RelayFrame::Ended { reason }));
    assert!(received < SEGMENTS, "the slow reader got all {received}");
    // It comes back and gets the rest, from the store.
    let mut back = Client::open(relay.address(), &classroom.founder, classroom.id).await;
    assert_eq!(back.catch_up().await.len() as u32, SEGMENTS + 1);
}
