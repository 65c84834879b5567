//! Whatever clients say that are who they say: never a panic, nothing else is hurt, and what is stored is what the relay says.

use proptest::prelude::*;
use proptest::sample::Index;
use protocol::DocumentId;
use protocol::bounded::Bytes;
use protocol::frame::{self, ClientFrame, Position, RelayFrame};
use protocol::identity::answer_challenge;
use protocol::inventory::{LogRange, ReceiptName, VerdictName, Wanted};
use protocol::receipt::{self, Receipt, Seen};
use protocol::roster::{Action, Entry, Role};
use protocol::segment::Segment;
use protocol::snapshot::{self, Snapshot, coverage};
use protocol::verdict::{Statement, Verdict};
use protocol::whisper::Whisper;
use protocol::wire::Packer;
use protocol::{EntryHash, SpaceId};
use sync_server::core::{ExchangeSecret, Relay, Sent};
use sync_server::store::Memory;

use crate::classroom::{Classroom, FAR, Lane, member, rng};
use crate::client::CHANNEL;
use crate::driven::{Client, NOW, ORIGIN, Outcome, start};

/// What a founder says from the first to the last, with something of every kind.
struct Flight {
    classroom: Classroom,
    messages: Vec<Vec<u8>>,
    segments: Vec<Segment>,
    entries: Vec<EntryHash>,
}

fn bytes<const MAX: usize>(encoded: Result<Vec<u8>, protocol::Error>) -> Bytes<MAX> {
    Bytes::new("item", encoded.unwrap()).unwrap()
}

impl Flight {
    fn new() -> Self {
        let classroom = Classroom::new();
        let (founder, id, key) = (&classroom.founder, classroom.id, &classroom.key);
        let channel = CHANNEL;
        let invite = classroom.invite(Role::Student, 2, FAR);
        let student = member();
        let mut entries = vec![invite.entry.clone(), classroom.admit(&invite, &student)];
        let lock = Action::Lock {
            document: DocumentId([5; 16]),
            locked: true,
        };
        let heads = vec![entries[1].hash()];
        entries.push(Entry::act(founder, id, heads, lock).unwrap());
        let heads = vec![entries[2].hash()];

        // Of what nobody has written.
        let erasing = Action::Erase {
            document: DocumentId([6; 16]),
            successor: DocumentId([7; 16]),
        };
        let erasing = Entry::act(founder, id, heads.clone(), erasing).unwrap();

        let mut lane = classroom.lane(founder, heads.clone());
        let runs: Vec<Segment> = (0..3).map(|word| lane.write(&format!("word {word}"))).collect();
        let fold = folding(&lane).fold(&runs, 0, 1);
        let segments = vec![runs[0].clone(), runs[1].clone(), runs[2].clone(), fold];
        let document = lane.log.document;
        let header = snapshot::Header {
            document,
            member: founder.id(),
            space: SpaceId::EVERYONE,
            epoch: 0,
            roster: heads.clone(),
            covers: coverage(&document, [(lane.log, 3, runs[2].chain_hash(&id).unwrap())]),
        };
        let (snapshot, pieces) = Snapshot::seal(founder, &id, header, key, &[1; 300], &mut rng()).unwrap();
        let name = snapshot.hash(&id).unwrap();
        let statement = Statement {
            document,
            snapshot: name,
            member: founder.id(),
            roster: heads.clone(),
            matches: true,
        };
        let verdict = Verdict::sign(founder, &id, statement).unwrap();
        let header = receipt::Header {
            member: founder.id(),
            space: SpaceId::EVERYONE,
            epoch: 0,
            roster: heads.clone(),
            count: 1,
        };
        let seen = Seen {
            document,
            heads: vec![[1; 32]],
        };
        let receipt = Receipt::seal(founder, &id, header, key, vec![seen], &mut rng()).unwrap();
        let whisper = Whisper::seal(founder, &id, SpaceId::EVERYONE, 0, key, b"here", &mut rng()).unwrap();
        let wanted = Wanted {
            entries: vec![entries[0].hash(), EntryHash([3; 32])],
            logs: vec![LogRange {
                log: lane.log,
                from: 0,
                to: u64::MAX,
            }],
            snapshots: vec![document],
            pieces: snapshot.pieces().to_vec(),
            verdicts: vec![VerdictName {
                snapshot: name,
                member: founder.id(),
            }],
            receipts: vec![ReceiptName {
                space: SpaceId::EVERYONE,
                member: founder.id(),
            }],
        };

        let mut frames = vec![
            ClientFrame::Answer {
                member: founder.id(),
                signature: answer_challenge(founder, ORIGIN, &[5; 32]),
            },
            ClientFrame::Found {
                channel,
                entry: bytes(classroom.founding.encode()),
                token: None,
            },
        ];
        frames.extend(entries.iter().map(|entry| ClientFrame::Entry {
            channel,
            entry: bytes(entry.encode()),
        }));
        let mut packer = Packer::default();
        frames.extend(segments.iter().map(|segment| ClientFrame::Segment {
            channel,
            segment: Box::new(packer.pack(segment, segment.hash(&id).unwrap())),
        }));
        frames.extend(pieces.iter().map(|piece| ClientFrame::Piece {
            channel,
            piece: bytes(Ok(piece.as_bytes().to_vec())),
        }));
        let position = Position {
            incarnation: 7,
            index: 2,
        };
        frames.extend([
            ClientFrame::Snapshot {
                channel,
                snapshot: bytes(snapshot.encode()),
            },
            ClientFrame::Verdict {
                channel,
                verdict: bytes(verdict.encode()),
            },
            ClientFrame::Receipt {
                channel,
                receipt: bytes(receipt.encode()),
            },
            ClientFrame::Whisper {
                channel,
                whisper: bytes(whisper.encode()),
            },
            ClientFrame::Erase {
                channel,
                upto: 1,
                entry: bytes(erasing.encode()),
            },
            ClientFrame::Inventory { channel },
            ClientFrame::Fetch {
                channel,
                wanted: Box::new(wanted),
            },
            ClientFrame::Ping { nonce: 3 },
            ClientFrame::Open {
                channel: channel + 1,
                classroom: id,
                since: Some(position),
                roster: heads,
                invite: None,
            },
            ClientFrame::Close { channel: channel + 1 },
        ]);
        let messages = frames.iter().map(|frame| frame::encode(frame).unwrap()).collect();
        entries.push(erasing);
        let entries = entries.iter().map(Entry::hash).collect();
        Self {
            messages,
            segments,
            entries,
            classroom: classroom.clone(),
        }
    }

    /// Whether the relay has all that the flight brought, and says so to somebody new, and once it was started again.
    fn check(&self, store: &Memory, relay: &mut Relay) {
        let (founder, id) = (&self.classroom.founder, self.classroom.id);
        let mut newcomer = Client::open(relay, founder, id);
        let inventory = newcomer.inventory(relay);
        for entry in &self.entries {
            assert!(inventory.entries.contains(entry));
        }
        let log = self.segments[0].header.log;
        let wanted = Wanted {
            logs: vec![LogRange {
                log,
                from: 0,
                to: u64::MAX,
            }],
            ..Wanted::default()
        };
        let frames = newcomer.fetch(relay, wanted);
        let [_, _, last, fold] = &self.segments[..] else {
            unreachable!()
        };
        assert_eq!(newcomer.unpack(frames), [fold.clone(), last.clone()]);
        assert_eq!(
            (
                inventory.snapshots.len(),
                inventory.verdicts.len(),
                inventory.receipts.len()
            ),
            (1, 1, 1)
        );
        // Who is honest is served.
        let mut lane = self.classroom.lane(founder, self.entries[2..].to_vec());
        assert_eq!(newcomer.store(relay, &lane.write("honest")), Outcome::Stored);
        let inventory = newcomer.inventory(relay);
        let mut again = start(store);
        let mut other = Client::open(&mut again, founder, id);
        assert_eq!(other.inventory(&mut again), inventory);
    }
}

/// The lane before it wrote.
fn folding<'a>(lane: &Lane<'a>) -> Lane<'a> {
    Lane {
        next: 0,
        previous: protocol::SegmentHash::NONE,
        ..lane.clone()
    }
}

#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    /// Instead of it: another message of the flight.
    Other(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (any::<Index>(), 1..=255u8).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        1 => any::<Index>().prop_map(Damage::Cut),
        1 => (any::<Index>(), prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => any::<Index>().prop_map(Damage::Other),
    ]
}

/// The flight with one message damaged.
fn damaged(flight: &Flight, at: &Index, damage: &Damage) -> Vec<Vec<u8>> {
    let mut messages = flight.messages.clone();
    // Without the answer to the challenge nothing else is looked at.
    let at = 1 + at.index(messages.len() - 1);
    let message = &mut messages[at];
    match damage {
        Damage::Flip(place, bits) => {
            let place = place.index(message.len());
            message[place] ^= bits;
        }
        Damage::Cut(place) => message.truncate(place.index(message.len())),
        Damage::Insert(place, more) => {
            let place = place.index(message.len());
            message.splice(place..place, more.iter().copied());
        }
        Damage::Other(other) => *message = flight.messages[other.index(flight.messages.len())].clone(),
    }
    messages
}

/// Everything that a relay says, which is well formed.
fn hear(relay: &mut Relay, session: sync_server::core::SessionId) -> Vec<RelayFrame> {
    while relay.commit(NOW).unwrap() > 0 {}
    let mut frames = Vec::new();
    while let Sent::Message(message) = relay.send(session) {
        frames.extend(frame::decode(&message).map(|frame| frame.unwrap()));
    }
    frames
}

fn say(relay: &mut Relay, messages: Vec<Vec<u8>>) -> Vec<RelayFrame> {
    let session = relay.connect(vec![ORIGIN.to_owned()], [5; 32], NOW);
    let mut frames = Vec::new();
    for message in messages {
        relay.receive(session, message, NOW);
        frames.extend(hear(relay, session));
    }
    relay.disconnect(session);
    frames
}

/// The same in one request, behind the answer to the challenge that is asked for before.
fn request(relay: &mut Relay, flight: &Flight, messages: &[Vec<u8>]) -> Vec<RelayFrame> {
    let secret = ExchangeSecret::new([9; 32]);
    let mut post = |body: Vec<u8>| {
        let session = relay.exchange(vec![ORIGIN.to_owned()], body, &secret, NOW);
        while relay.commit(NOW).unwrap() > 0 {}
        let answer = relay.answer(session).unwrap();
        let frames = frame::decode::<RelayFrame>(&answer).map(|frame| frame.unwrap());
        frames.collect::<Vec<_>>()
    };
    let [RelayFrame::Challenge { challenge, .. }] = post(Vec::new())[..] else {
        panic!("no challenge")
    };
    let founder = &flight.classroom.founder;
    let answer = ClientFrame::Answer {
        member: founder.id(),
        signature: answer_challenge(founder, ORIGIN, &challenge),
    };
    post([frame::encode(&answer).unwrap(), messages.concat()].concat())
}

#[test]
fn a_flight_has_something_of_every_kind() {
    let flight = Flight::new();
    let store = Memory::new(7);
    let mut relay = start(&store);
    let frames = say(&mut relay, flight.messages.clone());
    let posted = request(&mut relay, &flight, &flight.messages[1..]);
    let is_held = |frame: &&RelayFrame| matches!(frame, RelayFrame::Held { .. });
    assert_eq!(posted.iter().filter(is_held).count(), 13, "{posted:?}");
    let is_answered = |frame: &&RelayFrame| {
        let refused = matches!(
            frame,
            RelayFrame::Refused { .. } | RelayFrame::Ended { .. } | RelayFrame::Closed { .. }
        );
        assert!(!refused, "{frame:?}");
        matches!(frame, RelayFrame::Stored { .. } | RelayFrame::Held { .. })
    };
    // The founding entry, four others, four segments, a piece, a snapshot, a verdict and a receipt.
    assert_eq!(frames.iter().filter(is_answered).count(), 13);
    flight.check(&store, &mut relay);
}

/// How a damaged flight is said.
#[derive(Debug, Clone, Copy)]
enum Way {
    Messages,
    OneMessage,
    Request,
}

#[test]
fn a_client_may_say_anything() {
    let flight = Flight::new();
    let way = prop_oneof![Just(Way::Messages), Just(Way::OneMessage), Just(Way::Request)];
    let wrong = prop::collection::vec((any::<Index>(), damage(), way), 1..5);
    let raw = prop::collection::vec(any::<u8>(), 0..80);
    proptest!(ProptestConfig::with_cases(64), |(wrong in wrong, raw in raw, whole_first in any::<bool>())| {
        let store = Memory::new(7);
        let mut relay = start(&store);
        if whole_first {
            say(&mut relay, flight.messages.clone());
        }
        for (at, damage, way) in &wrong {
            let messages = damaged(&flight, at, damage);
            match way {
                Way::Messages => say(&mut relay, messages),
                Way::OneMessage => say(&mut relay, vec![messages.concat()]),
                Way::Request => request(&mut relay, &flight, &messages[1..]),
            };
        }
        say(&mut relay, vec![flight.messages[0].clone(), raw.clone()]);
        request(&mut relay, &flight, &[raw]);
        say(&mut relay, flight.messages.clone());
        flight.check(&store, &mut relay);
    });
}
