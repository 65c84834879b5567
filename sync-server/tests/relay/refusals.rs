//! What the relay does not take, and that it goes on serving others.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::bounded::Bytes;
use protocol::frame::{self, ClientFrame, RelayFrame};
use protocol::identity::answer_challenge;
use protocol::invite::InviteProof;
use protocol::roster::Role;
use protocol::{EntryHash, Refusal, Signature, SpaceId};
use sync_server::{Limits, Rate, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;

use crate::classroom::{Classroom, FAR, member};
use crate::client::{CHANNEL, Client, connect, start};

#[tokio::test]
async fn a_submission_is_stored_and_others_receive_it() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let classroom = Classroom::new();
    let mut founder = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    let mut other = Client::open(relay.address(), &classroom.founder, classroom.id).await;

    let mut lane = classroom.lane(&classroom.founder, vec![classroom.founding.hash()]);
    for submission in 1..20 {
        let segment = lane.write("first words");
        founder.submit(&segment).await;
        founder.expect_stored(submission).await;
        other.expect_segment(&segment).await;
    }
    relay.shut_down().await.unwrap();
    founder.expect_ended(Refusal::GoingAway).await;
    other.expect_ended(Refusal::GoingAway).await;
}

#[tokio::test]
async fn everything_may_come_in_one_flight() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let classroom = Classroom::new();
    let mut client = Client::greet(relay.address()).await;
    let signature = answer_challenge(&classroom.founder, &client.origin, &client.challenge);
    let member = classroom.founder.id();
    client.send(&ClientFrame::Answer { member, signature }).await;
    client.submit_founding(&classroom.founding, None).await;
    let invite = classroom.invite(Role::Student, 1, FAR);
    client.submit_entry(&invite.entry).await;
    let mut lane = classroom.lane(&classroom.founder, vec![invite.entry.hash()]);
    client.submit(&lane.write("one")).await;
    client.submit(&lane.write("two")).await;
    client.send(&ClientFrame::Ping { nonce: 4 }).await;

    let mut stored = Vec::new();
    while stored.len() < 4 {
        match client.next().await {
            RelayFrame::Stored { submission, .. } => stored.push(submission),
            RelayFrame::Opened { .. } | RelayFrame::CaughtUp { .. } | RelayFrame::Pong { nonce: 4 } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(stored, [0, 1, 2, 3]);
}

#[tokio::test]
async fn somebody_joins_by_an_invite_and_writes_at_once() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let classroom = Classroom::new();
    let mut founder = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    let invite = classroom.invite(Role::Student, 1, FAR);
    founder.submit_entry(&invite.entry).await;
    founder.expect_stored(1).await;

    let student = member();
    let mut joining = Client::connect(relay.address(), &student).await;
    let proof = InviteProof::new(&invite.keys, &joining.origin, &joining.challenge, &classroom.id);
    joining.submit_open(classroom.id, None, Some(proof)).await;
    assert_eq!(joining.catch_up().await.len(), 3, "opened, founding, invite");
    let admission = classroom.admit(&invite, &student);
    let mut lane = classroom.lane(&student, vec![admission.hash()]);
    // Before the admission nothing of theirs counts, and nothing of others that they carry.
    joining.submit(&lane.clone().write("too early")).await;
    joining.expect_refused(0, Refusal::NotAMember).await;
    joining
        .submit_entry(&classroom.invite(Role::Lead, 1, FAR).entry)
        .await;
    joining.expect_refused(1, Refusal::NotAMember).await;
    // The admission and what builds on it come in one flight.
    let words = lane.write("here I am");
    joining.submit_entry(&admission).await;
    joining.submit(&words).await;
    joining.expect_stored(2).await;
    joining.expect_stored(3).await;
    founder.expect_segment(&words).await;

    // The invite was for one.
    let late = member();
    let mut second = Client::connect(relay.address(), &late).await;
    let proof = InviteProof::new(&invite.keys, &second.origin, &second.challenge, &classroom.id);
    second.submit_open(classroom.id, None, Some(proof)).await;
    second.expect_closed(Refusal::InviteUsedUp).await;
    // But what a member brings was let in somewhere else.
    founder.submit_entry(&classroom.admit(&invite, &late)).await;
    founder.expect_stored(2).await;
}

#[tokio::test]
async fn strangers_and_dead_invites_open_nothing() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let classroom = Classroom::new();
    let mut founder = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    let expired = classroom.invite(Role::Student, 5, 1);
    let unknown = classroom.invite(Role::Student, 5, FAR);
    founder.submit_entry(&expired.entry).await;
    founder.expect_stored(1).await;

    let stranger = member();
    let mut client = Client::connect(relay.address(), &stranger).await;
    client.submit_open(classroom.id, None, None).await;
    client.expect_closed(Refusal::NotAMember).await;
    let (origin, challenge) = (client.origin.clone(), client.challenge);
    for (proof, reason) in [
        (
            InviteProof::new(&expired.keys, &origin, &challenge, &classroom.id),
            Refusal::InviteExpired,
        ),
        (
            InviteProof::new(&unknown.keys, &origin, &challenge, &classroom.id),
            Refusal::UnknownInvite,
        ),
        (
            InviteProof::new(&expired.keys, &origin, &[0; 32], &classroom.id),
            Refusal::BadSignature,
        ),
        (
            InviteProof::new(
                &expired.keys,
                "https://elsewhere.example",
                &challenge,
                &classroom.id,
            ),
            Refusal::BadSignature,
        ),
    ] {
        client.submit_open(classroom.id, None, Some(proof)).await;
        client.expect_closed(reason).await;
    }
    client.submit_open(Classroom::new().id, None, None).await;
    client.expect_closed(Refusal::UnknownClassroom).await;
    // Nothing is open, so nothing can be submitted; each submission has its answer.
    let mut lane = classroom.lane(&stranger, vec![classroom.founding.hash()]);
    let words = lane.write("let me in");
    client.submit(&words).await;
    client.expect_refused(0, Refusal::UnknownChannel).await;
    // With the founding entry comes the roster, and no more.
    founder
        .submit(
            &classroom
                .lane(&classroom.founder, lane.heads.clone())
                .write("secret"),
        )
        .await;
    founder.expect_stored(2).await;
    client.submit_founding(&classroom.founding, None).await;
    assert!(matches!(client.next().await, RelayFrame::Opened { .. }));
    client.expect_held(0).await;
    let told = client.catch_up().await;
    assert!(told.iter().all(|frame| matches!(frame, RelayFrame::Entry { .. })));
    assert_eq!(told.len(), 2);
    client.submit(&words).await;
    client.expect_refused(1, Refusal::NotAMember).await;

    let mut again = Client::connect(relay.address(), &classroom.founder).await;
    again.submit_founding(&classroom.founding, None).await;
    assert!(matches!(again.next().await, RelayFrame::Opened { .. }));
    again.expect_held(0).await;
    assert_eq!(again.catch_up().await.len(), 3);
}

#[tokio::test]
async fn guests_read_but_do_not_write() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let classroom = Classroom::new();
    let mut founder = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    let invite = classroom.invite(Role::Guest, 1, FAR);
    let guest = member();
    let admission = classroom.admit(&invite, &guest);
    founder.submit_entry(&invite.entry).await;
    founder.expect_stored(1).await;
    founder.submit_entry(&admission).await;
    founder.expect_stored(2).await;

    let mut reading = Client::open(relay.address(), &guest, classroom.id).await;
    let segment = classroom
        .lane(&classroom.founder, vec![classroom.founding.hash()])
        .write("for all");
    founder.submit(&segment).await;
    founder.expect_stored(3).await;
    reading.expect_segment(&segment).await;
    reading
        .submit(&classroom.lane(&guest, vec![admission.hash()]).write("me too"))
        .await;
    reading.expect_refused(0, Refusal::NotAllowed).await;
    // Naming heads from before they came does not help.
    reading
        .submit(
            &classroom
                .lane(&guest, vec![classroom.founding.hash()])
                .write("me too"),
        )
        .await;
    reading.expect_refused(1, Refusal::NotAMember).await;
}

#[tokio::test]
async fn a_bad_segment_is_refused_and_concerns_itself_only() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let classroom = Classroom::new();
    let heads = vec![classroom.founding.hash()];
    let mut founder = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    let mut other = Client::open(relay.address(), &classroom.founder, classroom.id).await;
    let mut lane = classroom.lane(&classroom.founder, heads.clone());
    let first = lane.write("first");
    let unchanged = lane.clone();
    let second = lane.write("second");
    let fork = unchanged.clone().write("another second");
    let third = lane.write("third");
    let fourth = lane.write("fourth");
    let after_fork = {
        let mut lane = unchanged.clone();
        lane.write("another second");
        lane.write("another third")
    };
    let mut forged = fourth.clone();
    forged.signature = Signature::from_bytes([5; 64]);
    let mut altered = third.clone();
    altered.nonce = [0; 24];
    let unknown_heads = classroom
        .lane(&classroom.founder, vec![EntryHash([8; 32])])
        .write("from a later roster");
    let stranger = member();
    let foreign = classroom.lane(&stranger, heads.clone()).write("not one of us");
    let fresh = classroom.lane(&classroom.founder, heads);

    let mut submission = 0;
    let mut number = || {
        submission += 1;
        submission
    };
    founder.submit(&first).await;
    founder.expect_stored(number()).await;
    for (segment, reason) in [
        (&third, Refusal::IndexGap),
        (&forged, Refusal::BadSignature),
        (&altered, Refusal::BadSignature),
        (&unknown_heads, Refusal::UnknownParent),
        (&foreign, Refusal::NotAMember),
        (&fresh.seal(SpaceId([1; 16]), 0, vec![1]), Refusal::NotInSpace),
        (&fresh.seal(SpaceId::EVERYONE, 1, vec![1]), Refusal::WrongEpoch),
    ] {
        founder.submit(segment).await;
        founder.expect_refused(number(), reason).await;
    }
    founder.submit(&second).await;
    founder.expect_stored(number()).await;
    founder.submit(&first).await;
    founder.expect_held(number()).await;
    founder.submit(&fork).await;
    founder.expect_refused(number(), Refusal::Fork).await;
    founder.submit(&after_fork).await;
    founder.expect_refused(number(), Refusal::Fork).await;
    founder.submit(&third).await;
    founder.expect_stored(number()).await;
    // Within one commit, too.
    let mut flight = Vec::new();
    for segment in [&fourth, &fourth] {
        let frame = founder.segment_frame(segment);
        frame::append(&mut flight, &frame).unwrap();
    }
    founder.send_bytes(flight).await.unwrap();
    let (stored, held) = (number(), number());
    let mut answers = [founder.next().await, founder.next().await];
    answers.sort_by_key(|answer| matches!(answer, RelayFrame::Held { .. }));
    assert!(matches!(answers[0], RelayFrame::Stored { submission, .. } if submission == stored));
    assert!(matches!(answers[1], RelayFrame::Held { submission, .. } if submission == held));

    for segment in [&first, &second, &third, &fourth] {
        other.expect_segment(segment).await;
    }
    founder
        .send(&ClientFrame::Entry {
            channel: CHANNEL,
            entry: Bytes::new("entry", vec![1, 2, 3]).unwrap(),
        })
        .await;
    founder.expect_refused(number(), Refusal::Malformed).await;
    founder
        .send(&ClientFrame::Entry {
            channel: CHANNEL,
            entry: Bytes::new("entry", vec![9, 2, 3]).unwrap(),
        })
        .await;
    founder
        .expect_refused(number(), Refusal::UnsupportedVersion)
        .await;
}

#[tokio::test]
async fn a_bad_connection_ends_and_the_relay_serves_others() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings {
        limits: Limits {
            message: 300_000,
            ..Limits::default()
        },
        ..Settings::new(data.path())
    })
    .await;
    let classroom = Classroom::new();
    let mut founder = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    let stranger = member();

    let mut garbage = Client::connect(relay.address(), &stranger).await;
    garbage.send_bytes(vec![0xff; 100]).await.unwrap();
    garbage.expect_ended(Refusal::Malformed).await;

    let mut before_answer = Client::greet(relay.address()).await;
    before_answer.send_bytes(vec![0xff; 100]).await.unwrap();
    before_answer.expect_ended(Refusal::Malformed).await;

    let mut unknown = Client::greet(relay.address()).await;
    unknown.submit_open(classroom.id, None, None).await;
    unknown.expect_ended(Refusal::NotAuthenticated).await;

    let mut elsewhere = Client::greet(relay.address()).await;
    let signature = answer_challenge(&stranger, "https://elsewhere.example", &elsewhere.challenge);
    let member = stranger.id();
    elsewhere.send(&ClientFrame::Answer { member, signature }).await;
    elsewhere.expect_ended(Refusal::NotAuthenticated).await;

    // The relay does not read it to the end, so that it may be reset before it hears why.
    let mut large = Client::connect(relay.address(), &stranger).await;
    let sent = large.send_bytes(vec![0; 300_001]).await;
    match large.try_next().await {
        Some(RelayFrame::Ended {
            reason: Refusal::TooLarge,
        }) => assert_eq!(large.try_next().await, None),
        None => {}
        Some(other) => panic!("after {sent:?}: {other:?}"),
    }

    let segment = classroom
        .lane(&classroom.founder, vec![classroom.founding.hash()])
        .write("still here");
    founder.submit(&segment).await;
    founder.expect_stored(1).await;
}

/// What a connection says when it has ended; nothing more is sent to it behind `head`.
async fn told(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = Vec::new();
    // What was not read of it may reset the connection behind the answer.
    drop(stream.read_to_end(&mut told).await);
    String::from_utf8(told).unwrap()
}

#[tokio::test]
async fn the_head_of_a_request_is_bounded_in_size_and_time() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings {
        limits: Limits {
            request_head: Duration::from_millis(500),
            ..Limits::default()
        },
        ..Settings::new(data.path())
    })
    .await;
    let address = relay.address();
    let classroom = Classroom::new();
    let mut founder = Client::found(address, &classroom.founder, &classroom.founding).await;
    let begin = format!("GET /health HTTP/1.1\r\nhost: {address}\r\n");
    let headers = |count: usize, length: usize| {
        let header = |number| format!("x-{number}: {}\r\n", "x".repeat(length));
        (0..count).map(header).collect::<String>()
    };
    let end = "connection: close\r\n\r\n";
    for (more, status) in [
        (headers(62, 100), "200"),
        (headers(63, 1), "431"),
        (headers(1, 15_000), "200"),
        (headers(1, 17_000), "431"),
        (headers(10, 2_000), "431"),
    ] {
        let told = told(address, &[&begin, more.as_str(), end].concat()).await;
        assert_eq!(told.get(9..12), Some(status), "{told}");
    }
    // One that never comes, one that comes a byte at a time, and one that does not follow.
    assert_eq!(told(address, "").await, "");
    assert_eq!(told(address, &begin).await, "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let slowly = async {
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        while stream.write_all(b"G").await.is_ok() {
            pace.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), slowly)
        .await
        .expect("it is still waited for");
    let answer = told(address, &format!("{begin}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let segment = classroom
        .lane(&classroom.founder, vec![classroom.founding.hash()])
        .write("still here");
    founder.submit(&segment).await;
    founder.expect_stored(1).await;
}

#[tokio::test]
async fn a_socket_must_speak_the_protocol_and_come_from_here() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings {
        origins: vec!["https://relay.example".to_owned()],
        ..Settings::new(data.path())
    })
    .await;
    let address = relay.address();
    for (subprotocol, origin, status) in [
        (None, None, 400),
        (Some("meridian.v0"), None, 400),
        (Some(frame::SUBPROTOCOL), Some("https://evil.example"), 403),
        (Some(frame::SUBPROTOCOL), Some("null"), 403),
    ] {
        match connect(address, subprotocol, origin).await {
            Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), status),
            other => panic!("{subprotocol:?} {origin:?}: {other:?}"),
        }
    }
    connect(address, Some(frame::SUBPROTOCOL), Some("https://relay.example"))
        .await
        .unwrap();
}

#[tokio::test]
async fn founding_needs_the_token_if_there_is_one() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings {
        found_token: Some("open sesame".to_owned()),
        ..Settings::new(data.path())
    })
    .await;
    let classroom = Classroom::new();
    let mut client = Client::connect(relay.address(), &classroom.founder).await;
    for token in [None, Some("open"), Some("")] {
        client.submit_founding(&classroom.founding, token).await;
        client.expect_refused(0, Refusal::FoundToken).await;
        client.expect_closed(Refusal::FoundToken).await;
    }
    client
        .submit_founding(&classroom.founding, Some("open sesame"))
        .await;
    assert!(matches!(client.next().await, RelayFrame::Opened { .. }));
    client.expect_stored(0).await;
}

#[tokio::test]
async fn who_does_not_answer_is_sent_away() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings {
        limits: Limits {
            handshake: Duration::from_millis(50),
            ..Limits::default()
        },
        ..Settings::new(data.path())
    })
    .await;
    let mut silent = Client::greet(relay.address()).await;
    silent.expect_ended(Refusal::NotAuthenticated).await;
}

#[tokio::test]
async fn who_opens_nothing_is_sent_away() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings {
        limits: Limits {
            unopened: Duration::from_millis(500),
            requests: Rate {
                per_second: u32::MAX,
                at_once: u32::MAX,
            },
            ..Limits::default()
        },
        ..Settings::new(data.path())
    })
    .await;
    let classroom = Classroom::new();
    let mut founder = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;

    // Neither pings nor attempts that fail prolong it.
    let mut stranger = Client::connect(relay.address(), &member()).await;
    let connected = Instant::now();
    loop {
        assert!(connected.elapsed() < Duration::from_secs(10), "not sent away");
        // The relay may be gone between two of these.
        let ping = frame::encode(&ClientFrame::Ping { nonce: 3 }).unwrap();
        drop(stranger.send_bytes(ping).await);
        let open = frame::encode(&ClientFrame::Open {
            channel: CHANNEL,
            classroom: classroom.id,
            since: None,
            roster: Vec::new(),
            invite: None,
        });
        drop(stranger.send_bytes(open.unwrap()).await);
        match stranger.next().await {
            RelayFrame::Pong { nonce: 3 } => {}
            RelayFrame::Closed { reason, .. } => assert_eq!(reason, Refusal::NotAMember),
            RelayFrame::Ended { reason } => break assert_eq!(reason, Refusal::UnknownChannel),
            other => panic!("{other:?}"),
        }
    }

    // Whoever has something open stays, until it is closed.
    let segment = classroom
        .lane(&classroom.founder, vec![classroom.founding.hash()])
        .write("still here");
    tokio::time::sleep(Duration::from_millis(700)).await;
    founder.submit(&segment).await;
    founder.expect_stored(1).await;
    founder.send(&ClientFrame::Close { channel: CHANNEL }).await;
    founder.expect_ended(Refusal::UnknownChannel).await;
}

#[tokio::test]
async fn what_a_connection_makes_the_relay_remember_is_bounded() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings {
        limits: Limits {
            remembered: 2_000,
            ..Limits::default()
        },
        ..Settings::new(data.path())
    })
    .await;
    let classroom = Classroom::new();
    let heads = vec![classroom.founding.hash()];
    let mut founder = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    let mut lane = classroom.lane(&classroom.founder, heads.clone());
    for submission in 1..100 {
        founder.submit(&lane.write("one log, however long")).await;
        founder.expect_stored(submission).await;
    }
    // Signatures are of no matter: what is wrong is remembered, too, so that both sides agree.
    let mut refused = 0;
    loop {
        let mut segment = classroom.lane(&classroom.founder, heads.clone()).write("another");
        segment.signature = Signature::from_bytes([5; 64]);
        founder.submit(&segment).await;
        match founder.next().await {
            RelayFrame::Refused { reason, .. } => assert_eq!(reason, Refusal::BadSignature),
            RelayFrame::Ended { reason } => break assert_eq!(reason, Refusal::Busy),
            other => panic!("{other:?}"),
        }
        refused += 1;
        assert!(refused < 20, "no end");
    }
    assert!(refused > 2, "too early");
}

#[tokio::test]
async fn an_address_has_only_so_many_connections() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings {
        proxies: Vec::new(),
        limits: Limits {
            connections_per_address: 2,
            ..Limits::default()
        },
        ..Settings::new(data.path())
    })
    .await;
    let address = relay.address();
    let first = Client::greet(address).await;
    let _second = Client::greet(address).await;
    let too_many = Some(Refusal::TooManyConnections);
    assert_eq!(Client::try_greet(address).await.err(), too_many);
    // Other requests hear it, too.
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /health HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 429 ") && answer.contains("\r\nretry-after: 30\r\n"),
        "{answer}"
    );
    drop(first);
    // The place is free again as soon as the relay noticed.
    for _ in 0..200 {
        if Client::try_greet(address).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the place of a connection that ended stays taken");
}

#[tokio::test]
async fn a_member_has_only_so_many_connections() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings {
        limits: Limits {
            connections_per_member: 2,
            ..Limits::default()
        },
        ..Settings::new(data.path())
    })
    .await;
    let address = relay.address();
    let (one, other) = (member(), member());
    let mut first = Client::connect(address, &one).await;
    let mut second = Client::connect(address, &one).await;
    for client in [&mut first, &mut second] {
        client.send(&ClientFrame::Ping { nonce: 1 }).await;
        assert_eq!(client.next().await, RelayFrame::Pong { nonce: 1 });
    }
    let mut third = Client::connect(address, &one).await;
    third.expect_ended(Refusal::TooManyConnections).await;
    let mut fourth = Client::connect(address, &other).await;
    fourth.send(&ClientFrame::Ping { nonce: 2 }).await;
    assert_eq!(fourth.next().await, RelayFrame::Pong { nonce: 2 });
}

/// Somebody who submits and asks without end is refused and then sent away; others are served, and nothing is lost that
/// was taken.
#[tokio::test]
async fn a_member_submits_and_asks_only_so_fast() {
    let data = tempfile::tempdir().unwrap();
    let at_once = |at_once| Rate {
        per_second: 0,
        at_once,
    };
    let relay = start(Settings {
        limits: Limits {
            submissions: at_once(5),
            requests: at_once(9),
            ..Limits::default()
        },
        ..Settings::new(data.path())
    })
    .await;
    let classroom = Classroom::new();
    let heads = vec![classroom.founding.hash()];
    let mut founder = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    let invite = classroom.invite(Role::Student, 1, FAR);
    let student = member();
    let admission = classroom.admit(&invite, &student);
    founder.submit_entry(&invite.entry).await;
    founder.expect_stored(1).await;
    founder.submit_entry(&admission).await;
    founder.expect_stored(2).await;

    let mut lane = classroom.lane(&classroom.founder, heads);
    let written: Vec<_> = (0..4).map(|number| lane.write(&format!("{number}"))).collect();
    for (submission, segment) in (3..6).zip(&written) {
        founder.submit(segment).await;
        founder.expect_stored(submission).await;
    }
    founder.submit(&written[3]).await;
    founder.expect_refused(6, Refusal::TooFast).await;
    // By another connection neither.
    let mut again = Client::open(relay.address(), &classroom.founder, classroom.id).await;
    assert_eq!(again.catch_up().await.len(), 6);
    again.submit(&written[3]).await;
    again.expect_refused(0, Refusal::TooFast).await;
    again
        .submit_entry(&classroom.invite(Role::Student, 1, FAR).entry)
        .await;
    again.expect_refused(1, Refusal::TooFast).await;

    // The other one has their own measure.
    let mut other = Client::open(relay.address(), &student, classroom.id).await;
    assert_eq!(other.catch_up().await.len(), 6);
    other.submit(&written[3]).await;
    other.expect_stored(0).await;
    founder.expect_segment(&written[3]).await;

    for nonce in 0..8 {
        founder.send(&ClientFrame::Ping { nonce }).await;
        assert_eq!(founder.next().await, RelayFrame::Pong { nonce });
    }
    founder.send(&ClientFrame::Ping { nonce: 8 }).await;
    founder.expect_ended(Refusal::TooFast).await;
    other.submit(&written[3]).await;
    other.expect_held(1).await;
}

#[tokio::test]
async fn who_says_nothing_is_told_that_it_is_over() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings {
        limits: Limits {
            idle: Duration::from_millis(200),
            ..Limits::default()
        },
        ..Settings::new(data.path())
    })
    .await;
    let classroom = Classroom::new();
    let mut founder = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    founder.expect_ended(Refusal::TooSlow).await;
}

/// Whoever runs a relay may want no limits at all.
#[tokio::test]
async fn limits_may_be_as_large_as_numbers_are() {
    let data = tempfile::tempdir().unwrap();
    let (any, ever) = (usize::MAX, Duration::MAX);
    let rate = Rate {
        per_second: u32::MAX,
        at_once: u32::MAX,
    };
    let settings = Settings {
        limits: Limits {
            connections: any,
            connections_per_address: any,
            connections_per_member: any,
            channels: any,
            message: any,
            request_head: ever,
            handshake: ever,
            exchange: ever,
            exchanges: any,
            exchange_turn: ever,
            unopened: ever,
            idle: ever,
            chunk: ever,
            chunks_brought: any,
            chunks_brought_per_classroom: any,
            chunks_brought_per_member: any,
            chunks_given: any,
            chunks_given_per_address: any,
            stalled: ever,
            farewell: ever,
            unanswered: any,
            submissions: rate,
            requests: rate,
            remembered: any,
            classroom_bytes: u64::MAX,
            classroom_documents: any,
            classroom_entries: any,
            member_cutoffs: any,
            snapshot_after: u64::MAX,
            retention: Some(ever),
            covered: ever,
            rewritten_bytes: u64::MAX,
            whispers: any,
            whispers_per_second: u32::MAX,
        },
        ..Settings::new(data.path())
    };
    let relay = start(settings).await;
    let classroom = Classroom::new();
    let mut founder = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    let mut lane = classroom.lane(&classroom.founder, vec![classroom.founding.hash()]);
    founder.submit(&lane.write("for ever")).await;
    founder.expect_stored(1).await;
    relay.shut_down().await.unwrap();
}
