//! `POST /sync`: a connection's frames in one request and its answer.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::bounded::Bytes;
use protocol::frame::{self, ClientFrame, MAX_MESSAGE, Position, RelayFrame};
use protocol::identity::{Challenge, MemberKeys, answer_challenge};
use protocol::invite::InviteProof;
use protocol::roster::Role;
use protocol::segment::Segment;
use protocol::snapshot::{self, Snapshot, coverage};
use protocol::wire::{Packer, Unpacker};
use protocol::{ClassroomId, DocumentId, Refusal, SegmentHash};
use sync_server::core::{ExchangeSecret, Moment};
use sync_server::{Limits, Rate, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::classroom::{Classroom, FAR, member, rng};
use crate::client::{CHANNEL, Client, start};
use crate::driven::{NOW, ORIGIN, World};

const SECRET: [u8; 32] = [9; 32];

/// What a client puts into one request.
struct Request {
    frames: Vec<ClientFrame>,
    classroom: ClassroomId,
    packer: Packer,
}

impl Request {
    fn new(keys: &MemberKeys, origin: &str, challenge: &Challenge, classroom: ClassroomId) -> Self {
        let answer = ClientFrame::Answer {
            member: keys.id(),
            signature: answer_challenge(keys, origin, challenge),
        };
        Self {
            frames: vec![answer],
            classroom,
            packer: Packer::default(),
        }
    }

    fn open(mut self, since: Option<Position>) -> Self {
        self.frames.push(ClientFrame::Open {
            channel: CHANNEL,
            classroom: self.classroom,
            since,
            roster: Vec::new(),
            invite: None,
        });
        self
    }

    fn submit(mut self, segments: &[Segment]) -> Self {
        for segment in segments {
            let hash = segment.hash(&self.classroom).unwrap();
            self.frames.push(ClientFrame::Segment {
                channel: CHANNEL,
                segment: Box::new(self.packer.pack(segment, hash)),
            });
        }
        self
    }

    fn frame(mut self, frame: ClientFrame) -> Self {
        self.frames.push(frame);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let frames = self.frames.iter().map(|frame| frame::encode(frame).unwrap());
        frames.collect::<Vec<_>>().concat()
    }
}

fn found(classroom: &Classroom) -> ClientFrame {
    ClientFrame::Found {
        channel: CHANNEL,
        entry: Bytes::new("entry", classroom.founding.encode().unwrap()).unwrap(),
        token: None,
    }
}

fn decode(answer: &[u8]) -> Vec<RelayFrame> {
    frame::decode(answer).map(|frame| frame.unwrap()).collect()
}

/// The segments of an answer, and how far it goes.
fn read(frames: &[RelayFrame], classroom: &ClassroomId) -> (Vec<Segment>, Option<Position>) {
    let mut unpacker = Unpacker::default();
    let (mut segments, mut position) = (Vec::new(), None);
    for frame in frames {
        let advance = match frame {
            RelayFrame::Opened { from, .. } => {
                position = Some(*from);
                0
            }
            RelayFrame::Segment { segment, advance, .. } => {
                let segment = unpacker.unpack(segment.as_ref().clone(), classroom).unwrap();
                segment.verify(classroom).unwrap();
                segments.push(segment);
                *advance
            }
            RelayFrame::Entry { advance, .. } | RelayFrame::Stored { advance, .. } => *advance,
            _ => 0,
        };
        if let Some(position) = &mut position {
            position.index += advance;
        }
    }
    (segments, position)
}

fn is_caught_up(frames: &[RelayFrame]) -> bool {
    frames.contains(&RelayFrame::CaughtUp { channel: CHANNEL })
}

/// Posts to a relay; answers with the status and the body.
async fn post(address: SocketAddr, origin: Option<&str>, body: &[u8]) -> (u16, Vec<u8>) {
    let origin = origin.map_or(String::new(), |origin| format!("origin: {origin}\r\n"));
    let head = format!(
        "POST /sync HTTP/1.1\r\nhost: {address}\r\n{origin}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let (status, _, answer) = send(address, &[head.as_bytes(), body].concat()).await;
    (status, answer)
}

/// Sends bytes and reads until the relay has said everything: a status, a head, and a body.
pub(crate) async fn send(address: SocketAddr, request: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    (
        head[9..12].parse().unwrap(),
        head.to_owned(),
        answer[end + 4..].to_vec(),
    )
}

/// What a relay answers to a request that it takes.
async fn exchange(address: SocketAddr, body: &[u8]) -> Vec<RelayFrame> {
    let (status, answer) = post(address, None, body).await;
    assert_eq!(status, 200);
    decode(&answer)
}

async fn challenge(address: SocketAddr) -> Challenge {
    match exchange(address, &[]).await[..] {
        [RelayFrame::Challenge { challenge, now }] if now > 1_700_000_000 => challenge,
        ref other => panic!("not a challenge: {other:?}"),
    }
}

fn refused(submission: u32, reason: Refusal) -> RelayFrame {
    RelayFrame::Refused {
        channel: CHANNEL,
        submission,
        reason,
    }
}

#[tokio::test]
async fn one_request_founds_and_submits_and_another_catches_up() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let (address, origin) = (relay.address(), relay.origin());
    let classroom = Classroom::new();
    let challenge = challenge(address).await;
    let mut lane = classroom.lane(&classroom.founder, vec![classroom.founding.hash()]);
    let written = [lane.write("one"), lane.write("two")];

    let request = Request::new(&classroom.founder, &origin, &challenge, classroom.id)
        .frame(found(&classroom))
        .submit(&written);
    let channel = CHANNEL;
    let frames = exchange(address, &request.bytes()).await;
    assert!(matches!(frames[0], RelayFrame::Challenge { .. }));
    assert!(matches!(frames[1], RelayFrame::Opened { from, .. } if from.index == 0));
    let told: Vec<u32> = frames[2..]
        .iter()
        .filter(|frame| **frame != RelayFrame::CaughtUp { channel })
        .map(|frame| match frame {
            RelayFrame::Stored { submission, .. } => *submission,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [0, 1, 2]);
    assert!(is_caught_up(&frames));

    // The same once more: it is here, and all of it comes to whoever says that they have nothing.
    let again = Request::new(&classroom.founder, &origin, &challenge, classroom.id)
        .open(None)
        .submit(&written);
    let frames = exchange(address, &again.bytes()).await;
    let held = |submission| RelayFrame::Held { channel, submission };
    assert!(frames.contains(&held(0)) && frames.contains(&held(1)) && is_caught_up(&frames));
    let (segments, position) = read(&frames, &classroom.id);
    assert_eq!(segments, written);
    assert!(position.unwrap().index > 3);

    // Whoever is up to date hears that.
    let up_to_date = Request::new(&classroom.founder, &origin, &challenge, classroom.id).open(position);
    let frames = exchange(address, &up_to_date.bytes()).await;
    assert!(matches!(
        frames[..],
        [
            RelayFrame::Challenge { .. },
            RelayFrame::Opened { .. },
            RelayFrame::CaughtUp { .. }
        ]
    ));
    relay.shut_down().await.unwrap();
}

#[tokio::test]
async fn sockets_and_exchanges_see_each_other() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let (address, origin) = (relay.address(), relay.origin());
    let classroom = Classroom::new();
    let mut socket = Client::found(address, &classroom.founder, &classroom.founding).await;
    let heads = vec![classroom.founding.hash()];
    let mut posted = classroom.lane(&classroom.founder, heads.clone());
    let mut sent = classroom.lane(&classroom.founder, heads);

    let challenge = challenge(address).await;
    let segment = posted.write("by a request");
    let request = Request::new(&classroom.founder, &origin, &challenge, classroom.id)
        .open(None)
        .submit(std::slice::from_ref(&segment));
    assert!(is_caught_up(&exchange(address, &request.bytes()).await));
    socket.expect_segment(&segment).await;

    let other = sent.write("by the socket");
    socket.submit(&other).await;
    socket.expect_stored(1).await;
    let request = Request::new(&classroom.founder, &origin, &challenge, classroom.id).open(None);
    let (segments, _) = read(&exchange(address, &request.bytes()).await, &classroom.id);
    assert_eq!(segments, [segment, other]);
}

#[tokio::test]
async fn somebody_joins_by_requests_alone() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let (address, origin) = (relay.address(), relay.origin());
    let classroom = Classroom::new();
    let mut founder = Client::found(address, &classroom.founder, &classroom.founding).await;
    let invite = classroom.invite(Role::Student, 1, FAR);
    founder.submit_entry(&invite.entry).await;
    founder.expect_stored(1).await;

    let joiner = member();
    let challenge = challenge(address).await;
    let admission = classroom.admit(&invite, &joiner);
    let mut lane = classroom.lane(&joiner, vec![admission.hash()]);
    let request = Request::new(&joiner, &origin, &challenge, classroom.id)
        .frame(ClientFrame::Open {
            channel: CHANNEL,
            classroom: classroom.id,
            since: None,
            roster: Vec::new(),
            invite: Some(InviteProof::new(&invite.keys, &origin, &challenge, &classroom.id)),
        })
        .frame(ClientFrame::Entry {
            channel: CHANNEL,
            entry: Bytes::new("entry", admission.encode().unwrap()).unwrap(),
        })
        .submit(&[lane.write("hello")]);
    let frames = exchange(address, &request.bytes()).await;
    for wanted in [0, 1] {
        let is_stored = |frame: &RelayFrame| matches!(frame, RelayFrame::Stored { submission, .. } if *submission == wanted);
        assert!(frames.iter().any(is_stored), "{wanted}: {frames:?}");
    }
}

#[tokio::test]
async fn more_than_fits_comes_with_the_next_answers_and_keeps_nothing_out() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let (address, origin) = (relay.address(), relay.origin());
    let classroom = Classroom::new();
    let mut socket = Client::found(address, &classroom.founder, &classroom.founding).await;
    let heads = vec![classroom.founding.hash()];
    let mut lane = classroom.lane(&classroom.founder, heads.clone());
    let mut written = Vec::new();
    for number in 1..=16 {
        let segment = lane.write_bytes(vec![number; 200_000]);
        socket.submit(&segment).await;
        socket.expect_stored(u32::from(number)).await;
        written.push(segment);
    }

    let challenge = challenge(address).await;
    let mut mine = classroom.lane(&classroom.founder, heads);
    let own = mine.write("mine");
    let (mut position, mut came, mut answers) = (None, Vec::new(), 0);
    loop {
        let mut request = Request::new(&classroom.founder, &origin, &challenge, classroom.id).open(position);
        if position.is_none() {
            request = request.submit(std::slice::from_ref(&own));
        }
        let (status, answer) = post(address, None, &request.bytes()).await;
        assert_eq!(status, 200);
        assert!(answer.len() <= MAX_MESSAGE, "{} bytes", answer.len());
        let frames = decode(&answer);
        let (segments, reached) = read(&frames, &classroom.id);
        assert!(reached > position, "an answer leads nowhere");
        position = reached;
        came.extend(segments);
        answers += 1;
        if answers == 1 {
            // Stored, although its answer has no room to say so.
            socket.expect_segment(&own).await;
        }
        if is_caught_up(&frames) {
            break;
        }
    }
    assert!(answers > 3, "{answers} answers");
    written.push(own);
    assert_eq!(came, written);
}

#[tokio::test]
async fn who_does_not_answer_the_challenge_gets_one_and_nothing_else() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let (address, origin) = (relay.address(), relay.origin());
    let classroom = Classroom::new();
    let mut founder = Client::found(address, &classroom.founder, &classroom.founding).await;
    let challenge = challenge(address).await;
    let valid = |keys, origin: &str, challenge| {
        Request::new(keys, origin, challenge, classroom.id)
            .open(None)
            .bytes()
    };
    let good = valid(&classroom.founder, &origin, &challenge);
    assert!(exchange(address, &good).await.len() > 1);
    let mut unsigned = good.clone();
    unsigned[50] ^= 1;
    let no_answer = frame::encode(&ClientFrame::Ping { nonce: 1 }).unwrap();
    for (what, body) in [
        ("nothing", Vec::new()),
        ("an old challenge", valid(&classroom.founder, &origin, &[1; 32])),
        (
            "a socket's challenge",
            valid(&classroom.founder, &origin, &founder.challenge),
        ),
        (
            "for another relay",
            valid(&classroom.founder, "https://evil.example", &challenge),
        ),
        ("another signature", unsigned),
        ("something else first", [no_answer, good.clone()].concat()),
        ("no frame", vec![0xff; 100]),
        ("half an answer", good[..40].to_vec()),
    ] {
        let frames = exchange(address, &body).await;
        assert!(
            matches!(frames[..], [RelayFrame::Challenge { .. }]),
            "{what}: {frames:?}"
        );
    }
    // A socket's challenge is its own.
    let mut stranger = Client::greet(address).await;
    let signature = answer_challenge(&classroom.founder, &origin, &challenge);
    let member = classroom.founder.id();
    stranger.send(&ClientFrame::Answer { member, signature }).await;
    stranger.expect_ended(Refusal::NotAuthenticated).await;
    founder.send(&ClientFrame::Ping { nonce: 2 }).await;
    assert_eq!(founder.next().await, RelayFrame::Pong { nonce: 2 });
}

#[tokio::test]
async fn the_checks_are_those_of_a_socket() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let (address, origin) = (relay.address(), relay.origin());
    let classroom = Classroom::new();
    let founder = Client::found(address, &classroom.founder, &classroom.founding).await;
    let challenge = challenge(address).await;
    let heads = vec![classroom.founding.hash()];
    let as_founder = || Request::new(&classroom.founder, &origin, &challenge, classroom.id);
    let channel = CHANNEL;

    // Somebody else opens nothing, and stores nothing.
    let stranger = member();
    let mut theirs = classroom.lane(&stranger, heads.clone());
    let request = Request::new(&stranger, &origin, &challenge, classroom.id)
        .open(None)
        .submit(&[theirs.write("let me in")]);
    let frames = exchange(address, &request.bytes()).await;
    let closed = |reason| RelayFrame::Closed { channel, reason };
    assert!(frames.contains(&closed(Refusal::NotAMember)), "{frames:?}");
    assert!(
        frames.contains(&refused(0, Refusal::UnknownChannel)),
        "{frames:?}"
    );

    // A gap, a fork, and a broken signature are refused, each alone.
    let mut lane = classroom.lane(&classroom.founder, heads.clone());
    let (one, two, three) = (lane.write("one"), lane.write("two"), lane.write("three"));
    let mut twin = classroom.lane(&classroom.founder, heads);
    twin.log = lane.log;
    let broken = Segment {
        signature: one.signature,
        ..two.clone()
    };
    let request = as_founder()
        .open(None)
        .submit(&[one.clone(), three.clone()])
        .submit(&[broken, two.clone(), twin.write("another one"), three]);
    let frames = exchange(address, &request.bytes()).await;
    for (submission, reason) in [
        (1, Refusal::IndexGap),
        (2, Refusal::BadSignature),
        (4, Refusal::Fork),
    ] {
        assert!(
            frames.contains(&refused(submission, reason)),
            "{reason:?}: {frames:?}"
        );
    }
    for wanted in [0, 3, 5] {
        let is_stored = |frame: &RelayFrame| matches!(frame, RelayFrame::Stored { submission, .. } if *submission == wanted);
        assert!(frames.iter().any(is_stored), "{wanted}: {frames:?}");
    }

    // What follows no format ends the exchange, after everything before it was answered.
    let mut body = as_founder().open(None).submit(&[one]).bytes();
    body.extend([0xff; 9]);
    let frames = exchange(address, &body).await;
    let reason = Refusal::Malformed;
    assert_eq!(frames.last(), Some(&RelayFrame::Ended { reason }));
    assert!(frames.contains(&RelayFrame::Held {
        channel,
        submission: 0
    }));

    // A second answer is none.
    let answer = as_founder().frames[0].clone();
    let frames = exchange(address, &as_founder().frame(answer).bytes()).await;
    assert_eq!(frames.last(), Some(&RelayFrame::Ended { reason }));
    drop(founder);
}

#[tokio::test]
async fn a_request_is_bounded_in_size_time_and_origin() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings {
        limits: Limits {
            message: 10_000,
            exchange: Duration::from_millis(100),
            ..Limits::default()
        },
        ..Settings::new(data.path())
    })
    .await;
    let (address, origin) = (relay.address(), relay.origin());
    let classroom = Classroom::new();
    let challenge = challenge(address).await;
    let body = Request::new(&classroom.founder, &origin, &challenge, classroom.id)
        .frame(found(&classroom))
        .bytes();

    assert_eq!(post(address, None, &vec![0; 10_001]).await.0, 413);
    let chunked = format!(
        "POST /sync HTTP/1.1\r\nhost: {address}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n4e20\r\n{}\r\n0\r\n\r\n",
        "a".repeat(20_000)
    );
    assert_eq!(send(address, chunked.as_bytes()).await.0, 413);
    assert_eq!(post(address, Some("https://evil.example"), &body).await.0, 403);
    assert_eq!(post(address, Some("null"), &body).await.0, 403);

    // The rest of it never comes.
    let head = format!(
        "POST /sync HTTP/1.1\r\nhost: {address}\r\ncontent-length: 9000\r\nconnection: close\r\n\r\n"
    );
    assert_eq!(send(address, &[head.as_bytes(), &body].concat()).await.0, 408);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(&[head.as_bytes(), &body].concat())
        .await
        .unwrap();
    drop(stream);

    // Nothing of all that was taken; by its own origin it is.
    let since_then = Request::new(&classroom.founder, &origin, &challenge, classroom.id).open(None);
    let frames = exchange(address, &since_then.bytes()).await;
    let closed = RelayFrame::Closed {
        channel: CHANNEL,
        reason: Refusal::UnknownClassroom,
    };
    assert!(frames.contains(&closed));
    let (status, answer) = post(address, Some(&origin), &body).await;
    assert_eq!(status, 200);
    assert!(is_caught_up(&decode(&answer)));
}

/// One after the other: whoever comes meanwhile waits, and is served.
#[tokio::test]
async fn exchanges_wait_for_their_turn() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings {
        limits: Limits {
            exchanges: 1,
            exchange_turn: Duration::from_secs(600),
            ..Limits::default()
        },
        ..Settings::new(data.path())
    })
    .await;
    let (address, origin) = (relay.address(), relay.origin());
    let classroom = Classroom::new();
    let _socket = Client::found(address, &classroom.founder, &classroom.founding).await;
    let challenge = challenge(address).await;
    let heads = vec![classroom.founding.hash()];
    let requests = (0..8).map(|number| {
        let segment = classroom
            .lane(&classroom.founder, heads.clone())
            .write(&format!("{number}"));
        let request = Request::new(&classroom.founder, &origin, &challenge, classroom.id)
            .open(None)
            .submit(&[segment]);
        tokio::spawn(async move { exchange(address, &request.bytes()).await })
    });
    for answer in requests.collect::<Vec<_>>() {
        assert!(is_caught_up(&answer.await.unwrap()));
    }
}

#[tokio::test]
async fn whose_turn_does_not_come_is_told_that_the_relay_is_busy() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings {
        limits: Limits {
            exchanges: 0,
            exchange_turn: Duration::from_millis(10),
            ..Limits::default()
        },
        ..Settings::new(data.path())
    })
    .await;
    let reason = Refusal::Busy;
    let frames = exchange(relay.address(), &[]).await;
    assert!(
        matches!(frames[..], [RelayFrame::Challenge { .. }, RelayFrame::Ended { reason: ended }] if ended == reason),
        "{frames:?}"
    );
}

#[tokio::test]
async fn who_asks_too_often_or_with_too_many_is_told_so() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings {
        limits: Limits {
            submissions: Rate {
                per_second: 0,
                at_once: 2,
            },
            connections_per_member: 2,
            ..Limits::default()
        },
        ..Settings::new(data.path())
    })
    .await;
    let (address, origin) = (relay.address(), relay.origin());
    let classroom = Classroom::new();
    let _socket = Client::found(address, &classroom.founder, &classroom.founding).await;
    let challenge = challenge(address).await;
    let segment = classroom
        .lane(&classroom.founder, vec![classroom.founding.hash()])
        .write("once");
    let request = Request::new(&classroom.founder, &origin, &challenge, classroom.id).open(None);
    for _ in 0..2 {
        assert!(is_caught_up(&exchange(address, &request.bytes()).await));
    }
    let reason_of = |frames: &[RelayFrame]| match frames {
        [RelayFrame::Challenge { .. }, RelayFrame::Ended { reason }] => *reason,
        other => panic!("taken: {other:?}"),
    };
    let request = request.submit(std::slice::from_ref(&segment));
    let answer = exchange(address, &request.bytes()).await;
    assert_eq!(reason_of(&answer), Refusal::TooFast);
    let mut second = Client::open(address, &classroom.founder, classroom.id).await;
    assert_eq!(second.catch_up().await.len(), 1, "nothing of it was taken");
    let answer = exchange(address, &request.bytes()).await;
    assert_eq!(reason_of(&answer), Refusal::TooManyConnections);
}

/// Whoever asks and never takes the answer is let go, by plain HTTP as by a socket.
#[tokio::test]
async fn who_takes_no_answer_is_let_go() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings {
        limits: Limits {
            stalled: Duration::from_millis(100),
            farewell: Duration::from_millis(100),
            ..Limits::default()
        },
        ..Settings::new(data.path())
    })
    .await;
    let (address, origin) = (relay.address(), relay.origin());
    let classroom = Classroom::new();
    let mut socket = Client::found(address, &classroom.founder, &classroom.founding).await;
    let mut lane = classroom.lane(&classroom.founder, vec![classroom.founding.hash()]);
    for submission in 1..=5 {
        socket.submit(&lane.write_bytes(vec![7; 200_000])).await;
        socket.expect_stored(submission).await;
    }
    let challenge = challenge(address).await;
    let body = Request::new(&classroom.founder, &origin, &challenge, classroom.id)
        .open(None)
        .bytes();
    let head = format!(
        "POST /sync HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), &body].concat();
    // More answers than the socket's buffers take, and one after the other.
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&request.repeat(40)).await.unwrap();
    let gone = async {
        let is_open = |written: std::io::Result<usize>| match written {
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        };
        while is_open(stream.try_write(b"P")) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone)
        .await
        .expect("it is still waited for");
}

#[test]
fn a_challenge_is_taken_for_five_minutes_and_no_longer_than_ten() {
    let mut world = World::new();
    let secret = ExchangeSecret::new(SECRET);
    let at = |seconds: u64| Moment {
        elapsed: Duration::from_secs(seconds),
        clock: NOW.clock + seconds,
    };
    let session = world
        .relay
        .exchange(vec![ORIGIN.to_owned()], Vec::new(), &secret, at(0));
    let given = decode(&world.relay.answer(session).unwrap());
    let [RelayFrame::Challenge { challenge, .. }] = given[..] else {
        panic!("{given:?}");
    };
    let request = Request::new(&world.classroom.founder, ORIGIN, &challenge, world.classroom.id).open(None);
    for (seconds, is_taken) in [
        (0, true),
        (299, true),
        (300, true),
        (599, true),
        (600, false),
        (3600, false),
    ] {
        let origins = vec![ORIGIN.to_owned()];
        let session = world
            .relay
            .exchange(origins, request.bytes(), &secret, at(seconds));
        let frames = decode(&world.relay.answer(session).unwrap());
        assert_eq!(is_caught_up(&frames), is_taken, "{seconds} s: {frames:?}");
        let RelayFrame::Challenge { challenge: next, .. } = frames[0] else {
            panic!("{frames:?}");
        };
        assert_eq!(next == challenge, seconds < 300);
    }
    // Another relay has other challenges.
    let other = ExchangeSecret::new([8; 32]);
    let session = world
        .relay
        .exchange(vec![ORIGIN.to_owned()], request.bytes(), &other, at(0));
    assert_eq!(decode(&world.relay.answer(session).unwrap()).len(), 1);
}

#[test]
fn an_answer_waits_for_the_commit() {
    let mut world = World::new();
    let secret = ExchangeSecret::new(SECRET);
    let origins = || vec![ORIGIN.to_owned()];
    let session = world.relay.exchange(origins(), Vec::new(), &secret, NOW);
    let given = decode(&world.relay.answer(session).unwrap());
    let [RelayFrame::Challenge { challenge, .. }] = given[..] else {
        panic!("{given:?}");
    };
    let heads = world.heads();
    let mut lane = world.classroom.lane(&world.classroom.founder, heads);
    let request = Request::new(&world.classroom.founder, ORIGIN, &challenge, world.classroom.id)
        .open(None)
        .submit(&[lane.write("one")]);
    let session = world.relay.exchange(origins(), request.bytes(), &secret, NOW);
    assert_eq!(world.relay.answer(session), None);
    world.relay.commit(NOW).unwrap();
    let frames = decode(&world.relay.answer(session).unwrap());
    assert!(
        frames
            .iter()
            .any(|frame| matches!(frame, RelayFrame::Stored { submission: 0, .. }))
    );
    assert_eq!(world.relay.answer(session), None);
    world.founder.hear(&mut world.relay);

    // A position that no relay gives: the names of what there is.
    let elsewhere = Position {
        incarnation: 0,
        index: 0,
    };
    let request =
        Request::new(&world.classroom.founder, ORIGIN, &challenge, world.classroom.id).open(Some(elsewhere));
    let session = world.relay.exchange(origins(), request.bytes(), &secret, NOW);
    let frames = decode(&world.relay.answer(session).unwrap());
    let named = frames.iter().find_map(|frame| match frame {
        RelayFrame::Inventory { part, last: true, .. } => Some(part.logs.len()),
        _ => None,
    });
    assert_eq!(named, Some(1));
    assert!(is_caught_up(&frames));
}

/// Snapshots that come before everything else leave room for items: else the next answer would begin with them again.
#[test]
fn snapshots_leave_room_for_items() {
    let mut world = World::new();
    let Classroom { founder, id, key, .. } = &world.classroom;
    let mut written = Vec::new();
    let mut frames = Vec::new();
    for number in 1..=3 {
        let mut lane = world.classroom.lane(founder, world.heads());
        lane.log.document = DocumentId([number; 16]);
        let segment = lane.write("covered");
        // A long list of what it covers.
        let others = (0..4500_u32).map(|other| {
            let mut log = lane.log;
            log.lane.0[..4].copy_from_slice(&other.to_be_bytes());
            (log, 1, SegmentHash([1; 32]))
        });
        let own = (lane.log, 1, segment.hash(id).unwrap());
        let header = snapshot::Header {
            document: lane.log.document,
            member: founder.id(),
            space: segment.header.space,
            epoch: 0,
            roster: world.heads(),
            covers: coverage(&lane.log.document, others.chain([own])),
        };
        let (snapshot, pieces) = Snapshot::seal(founder, id, header, key, &[1; 10], &mut rng()).unwrap();
        let encoded = snapshot.encode().unwrap();
        assert!(encoded.len() > 200_000, "{} bytes", encoded.len());
        frames.extend(pieces.into_iter().map(|piece| ClientFrame::Piece {
            channel: CHANNEL,
            piece: Bytes::new("piece", piece.into_bytes()).unwrap(),
        }));
        frames.push(ClientFrame::Snapshot {
            channel: CHANNEL,
            snapshot: Bytes::new("snapshot", encoded).unwrap(),
        });
        written.push(segment);
    }
    for segment in &written {
        world.founder.submit(&mut world.relay, segment);
    }
    for frame in &frames {
        world.founder.send(&mut world.relay, frame);
    }
    while world.relay.commit(NOW).unwrap() > 0 {}

    let secret = ExchangeSecret::new(SECRET);
    let origins = || vec![ORIGIN.to_owned()];
    let session = world.relay.exchange(origins(), Vec::new(), &secret, NOW);
    let given = decode(&world.relay.answer(session).unwrap());
    let [RelayFrame::Challenge { challenge, .. }] = given[..] else {
        panic!("{given:?}");
    };
    let request = Request::new(&world.classroom.founder, ORIGIN, &challenge, world.classroom.id).open(None);
    let session = world.relay.exchange(origins(), request.bytes(), &secret, NOW);
    let answer = world.relay.answer(session).unwrap();
    assert!(answer.len() <= MAX_MESSAGE);
    let frames = decode(&answer);
    let before: Vec<_> = frames
        .iter()
        .filter(|frame| matches!(frame, RelayFrame::Snapshot { advance: 0, .. }))
        .collect();
    assert!(
        !before.is_empty() && before.len() < 3,
        "{} snapshots",
        before.len()
    );
    // What those cover that had no room comes itself, and the exchange leads on.
    let (segments, position) = read(&frames, &world.classroom.id);
    assert_eq!(segments.len(), 3 - before.len());
    assert!(position.unwrap().index > 3);
}
