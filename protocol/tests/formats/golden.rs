//! Bytes of the formats as they were first published. They must stay readable for as long as their version number
//! lives, so the files are not to be changed: a new version adds new ones. `MERIDIAN_GOLDEN=write` writes them anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use protocol::bounded::Bytes;
use protocol::frame::{self, ClientFrame, Position, RelayFrame};
use protocol::identity::{Seed, answer_challenge, verify_answer};
use protocol::inventory::{
    Inventory, LogRange, LogState, ReceiptName, ReceiptState, SnapshotState, VerdictName, Wanted,
};
use protocol::invite::{InviteLink, InviteProof};
use protocol::receipt::Receipt;
use protocol::roster::{Action, Entry, Role, Roster};
use protocol::segment::{Body, Segment};
use protocol::snapshot::Snapshot;
use protocol::verdict::Verdict;
use protocol::whisper::Whisper;
use protocol::wire::{Packer, Unpacker};
use protocol::{ClassroomId, Refusal, SegmentHash, SpaceId};

use crate::example::{
    CHALLENGE, DOCUMENT, EXPIRES, Example, INVITE_SECRET, LANE, NORTH, ORIGIN, SOUTH, Stream, epoch_key,
    invite_keys, person,
};
use crate::items;
use crate::{acts, attachments};

const CHANGES: [&[u8]; 2] = [b"the first change", b"and the second one"];
const NEXT_CHANGE: &[u8] = b"a change on its own";
const WHISPERED: &[u8] = b"cursor at 7";

#[test]
fn written_files_are_what_this_program_reads() {
    if std::env::var("MERIDIAN_GOLDEN").is_ok_and(|wish| wish == "write") {
        write_all();
    }
    entries();
    acts::are_what_this_program_reads();
    segments();
    whisper();
    attachments::check();
    items::check();
    client_frames();
    relay_frames();
    texts();
}

fn entries() {
    let founding = Entry::decode(&read("roster-found")).unwrap();
    assert_eq!(founding.encode().unwrap(), read("roster-found"));
    assert_eq!((founding.author(), founding.classroom()), (person(1).id(), None));
    let Action::Found {
        school,
        exchange,
        document,
        keys,
        ..
    } = founding.action()
    else {
        panic!("{founding:?}");
    };
    assert_eq!(
        (*school, *exchange, *document),
        (NORTH, person(1).exchange_key(), DOCUMENT)
    );
    let opened = keys[0].open(person(1).exchange_secret(), exchange).unwrap();
    assert_eq!((opened, keys.len()), (epoch_key(), 1));

    let invite = Entry::decode(&read("roster-invite")).unwrap();
    assert_eq!(invite.encode().unwrap(), read("roster-invite"));
    assert_eq!(invite.parents(), [founding.hash()]);
    let Action::Invite {
        key,
        exchange,
        role,
        uses,
        expires,
        keys,
        ..
    } = invite.action()
    else {
        panic!("{invite:?}");
    };
    assert_eq!(
        (*key, *exchange),
        (invite_keys().id(), invite_keys().exchange_key())
    );
    assert_eq!((*role, *uses, *expires), (Role::Student, 30, EXPIRES));
    assert_eq!(
        keys[0].open(invite_keys().exchange_secret(), exchange),
        Ok(epoch_key())
    );

    let admission = Entry::decode(&read("roster-admit")).unwrap();
    assert_eq!(admission.encode().unwrap(), read("roster-admit"));
    assert_eq!(admission.parents(), [invite.hash()]);

    let mut roster = Roster::found(founding).unwrap();
    roster.add(invite).unwrap();
    roster.add(admission).unwrap();
    assert_eq!(roster.classroom(), classroom());
    let joined = roster.member(&person(2).id()).unwrap();
    assert_eq!((joined.role, joined.school), (Role::Student, SOUTH));
    assert_eq!(joined.exchange, person(2).exchange_key());
    assert_eq!(
        roster.keys_of(&person(2).id())[0].open(person(2).exchange_secret(), &joined.exchange),
        Ok(epoch_key())
    );
}

fn segments() {
    let first = Segment::decode(&read("segment-first")).unwrap();
    let next = Segment::decode(&read("segment-next")).unwrap();
    assert_eq!(first.encode().unwrap(), read("segment-first"));
    assert_eq!(next.encode().unwrap(), read("segment-next"));
    assert_eq!((first.header.first, first.header.last), (0, 0));
    assert_eq!((next.header.first, next.header.last), (1, 1));
    assert_eq!(first.previous, SegmentHash::NONE);
    assert_eq!(first.verify(&classroom()), Ok(next.previous));
    next.verify(&classroom()).unwrap();
    for segment in [&first, &next] {
        assert_eq!(segment.header.log.member, person(2).id());
        assert_eq!(
            (segment.header.log.document, segment.header.log.lane),
            (DOCUMENT, LANE)
        );
        assert_eq!(
            (segment.header.space, segment.header.epoch),
            (SpaceId::EVERYONE, 0)
        );
    }
    let expected = Body::Changes(CHANGES.map(<[u8]>::to_vec).to_vec());
    assert_eq!(first.open(&classroom(), &epoch_key()), Ok(expected));
    let expected = Body::Changes(vec![NEXT_CHANGE.to_vec()]);
    assert_eq!(next.open(&classroom(), &epoch_key()), Ok(expected));
}

fn whisper() {
    let whisper = Whisper::decode(&read("whisper")).unwrap();
    assert_eq!(whisper.encode().unwrap(), read("whisper"));
    assert_eq!(whisper.member, person(2).id());
    assert_eq!(whisper.open(&classroom(), &epoch_key()).unwrap(), WHISPERED);
}

fn client_frames() {
    let expected = some_client_frames();
    for (name, frame) in &expected {
        assert_eq!(*name, client_name(frame));
    }
    let (names, frames): (Vec<_>, Vec<_>) = expected.into_iter().unzip();
    let message = names.iter().flat_map(|name| read(name)).collect::<Vec<_>>();
    let read_frames: Vec<ClientFrame> = frame::decode(&message).collect::<Result<_, _>>().unwrap();
    assert_eq!(read_frames, frames);
    for (name, frame) in names.iter().zip(&read_frames) {
        assert_eq!(frame::encode(frame).unwrap(), read(name), "{name}");
        match frame {
            ClientFrame::Answer { member, signature } => {
                verify_answer(member, ORIGIN, &CHALLENGE, signature).unwrap();
            }
            ClientFrame::Open { invite, .. } => {
                let proof = invite.as_ref().unwrap();
                proof.verify(ORIGIN, &CHALLENGE, &classroom()).unwrap();
            }
            _ => {}
        }
    }
}

fn relay_frames() {
    let expected = some_relay_frames();
    let mut unpacker = Unpacker::default();
    let mut segments = Vec::new();
    for (name, frame) in &expected {
        let bytes = read(name);
        assert_eq!(
            frame::decode(&bytes).collect::<Vec<_>>(),
            [Ok(frame.clone())],
            "{name}"
        );
        assert_eq!(frame::encode(frame).unwrap(), bytes, "{name}");
        assert!(name.starts_with(relay_name(frame)), "{name}");
        if let RelayFrame::Segment { segment, .. } = frame {
            segments.push(unpacker.unpack((**segment).clone(), &classroom()).unwrap());
        }
    }
    assert_eq!(
        segments,
        [
            Segment::decode(&read("segment-first")).unwrap(),
            Segment::decode(&read("segment-next")).unwrap()
        ]
    );
}

fn texts() {
    assert_eq!(text("derived-keys"), derived_keys());

    let words = text("login-card");
    assert_eq!(
        Seed::from_words(&words).unwrap().as_bytes(),
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    );
    assert_eq!(Seed::from_words(&words).unwrap().to_words(), words);
    assert_eq!(
        Seed::from_words(&format!(" {}\t", words.to_uppercase().replace(' ', "\n  "))),
        Seed::from_words(&words)
    );

    let link = InviteLink::parse(&text("invite-link")).unwrap();
    assert_eq!(link, InviteLink::from_parts(classroom(), INVITE_SECRET));
    assert_eq!(link.keys().unwrap().id(), invite_keys().id());
    assert!(text("invite-link").ends_with(&format!("#{}", link.to_fragment())));
}

/// The classroom of the written files.
pub(crate) fn classroom() -> ClassroomId {
    static CLASSROOM: LazyLock<ClassroomId> =
        LazyLock::new(|| ClassroomId(Entry::decode(&read("roster-found")).unwrap().hash().0));
    *CLASSROOM
}

/// The frames of a session with one of each kind. Everything in them comes from other golden files, so that they can
/// be compared with what is read.
fn some_client_frames() -> Vec<(&'static str, ClientFrame)> {
    let entry = |name| Bytes::new("entry", read(name)).unwrap();
    let segment = Segment::decode(&read("segment-first")).unwrap();
    let hash = segment.hash(&classroom()).unwrap();
    vec![
        (
            "client-answer",
            ClientFrame::Answer {
                member: person(2).id(),
                signature: answer_challenge(&person(2), ORIGIN, &CHALLENGE),
            },
        ),
        (
            "client-open",
            ClientFrame::Open {
                channel: 1,
                classroom: classroom(),
                since: Some(Position {
                    incarnation: 0x0123_4567_89ab_cdef,
                    index: 300,
                }),
                roster: vec![Entry::decode(&read("roster-invite")).unwrap().hash()],
                invite: Some(InviteProof::new(&invite_keys(), ORIGIN, &CHALLENGE, &classroom())),
            },
        ),
        (
            "client-found",
            ClientFrame::Found {
                channel: 2,
                entry: entry("roster-found"),
                token: Some(Bytes::new("token", b"open sesame".to_vec()).unwrap()),
            },
        ),
        (
            "client-entry",
            ClientFrame::Entry {
                channel: 1,
                entry: entry("roster-admit"),
            },
        ),
        (
            "client-segment",
            ClientFrame::Segment {
                channel: 1,
                segment: Box::new(Packer::default().pack(&segment, hash)),
            },
        ),
        (
            "client-whisper",
            ClientFrame::Whisper {
                channel: 1,
                whisper: Bytes::new("whisper", read("whisper")).unwrap(),
            },
        ),
        ("client-close", ClientFrame::Close { channel: 1 }),
        ("client-ping", ClientFrame::Ping { nonce: 0xdead_beef }),
        ("client-inventory", ClientFrame::Inventory { channel: 1 }),
        (
            "client-fetch",
            ClientFrame::Fetch {
                channel: 1,
                wanted: Box::new(wanted()),
            },
        ),
        (
            "client-snapshot",
            ClientFrame::Snapshot {
                channel: 1,
                snapshot: Bytes::new("snapshot", read("snapshot")).unwrap(),
            },
        ),
        (
            "client-piece",
            ClientFrame::Piece {
                channel: 1,
                piece: Bytes::new("piece", read("snapshot-piece")).unwrap(),
            },
        ),
        (
            "client-verdict",
            ClientFrame::Verdict {
                channel: 1,
                verdict: Bytes::new("verdict", read("verdict")).unwrap(),
            },
        ),
        (
            "client-receipt",
            ClientFrame::Receipt {
                channel: 1,
                receipt: Bytes::new("receipt", read("receipt")).unwrap(),
            },
        ),
        (
            "client-erase",
            ClientFrame::Erase {
                channel: 1,
                upto: 300,
                entry: entry("roster-erase"),
            },
        ),
    ]
}

fn some_relay_frames() -> Vec<(&'static str, RelayFrame)> {
    let mut packer = Packer::default();
    let mut packed = |name| {
        let segment = Segment::decode(&read(name)).unwrap();
        let hash = segment.hash(&classroom()).unwrap();
        RelayFrame::Segment {
            channel: 1,
            advance: 1,
            segment: Box::new(packer.pack(&segment, hash)),
        }
    };
    vec![
        ("relay-segment-define", packed("segment-first")),
        ("relay-segment-next", packed("segment-next")),
        (
            "relay-challenge",
            RelayFrame::Challenge {
                challenge: CHALLENGE,
                now: 1_795_000_000,
            },
        ),
        (
            "relay-opened",
            RelayFrame::Opened {
                channel: 1,
                from: Position {
                    incarnation: 0x0123_4567_89ab_cdef,
                    index: 300,
                },
            },
        ),
        ("relay-caught-up", RelayFrame::CaughtUp { channel: 1 }),
        (
            "relay-entry",
            RelayFrame::Entry {
                channel: 1,
                advance: 1,
                entry: Bytes::new("entry", read("roster-admit")).unwrap(),
            },
        ),
        (
            "relay-stored",
            RelayFrame::Stored {
                channel: 1,
                advance: 200,
                submission: 7,
            },
        ),
        (
            "relay-held",
            RelayFrame::Held {
                channel: 1,
                submission: 8,
            },
        ),
        (
            "relay-refused",
            RelayFrame::Refused {
                channel: 1,
                submission: 9,
                reason: Refusal::Fork,
            },
        ),
        (
            "relay-whisper",
            RelayFrame::Whisper {
                channel: 1,
                whisper: Bytes::new("whisper", read("whisper")).unwrap(),
            },
        ),
        (
            "relay-closed",
            RelayFrame::Closed {
                channel: 1,
                reason: Refusal::Other(500),
            },
        ),
        (
            "relay-ended",
            RelayFrame::Ended {
                reason: Refusal::GoingAway,
            },
        ),
        ("relay-pong", RelayFrame::Pong { nonce: 0xdead_beef }),
        (
            "relay-inventory",
            RelayFrame::Inventory {
                channel: 1,
                part: Box::new(inventory()),
                last: true,
            },
        ),
        (
            "relay-snapshot",
            RelayFrame::Snapshot {
                channel: 1,
                advance: 0,
                snapshot: Bytes::new("snapshot", read("snapshot")).unwrap(),
            },
        ),
        (
            "relay-verdict",
            RelayFrame::Verdict {
                channel: 1,
                advance: 1,
                verdict: Bytes::new("verdict", read("verdict")).unwrap(),
            },
        ),
        (
            "relay-receipt",
            RelayFrame::Receipt {
                channel: 1,
                advance: 1,
                receipt: Bytes::new("receipt", read("receipt")).unwrap(),
            },
        ),
        (
            "relay-piece",
            RelayFrame::Piece {
                channel: 1,
                piece: Bytes::new("piece", read("snapshot-piece")).unwrap(),
            },
        ),
        ("relay-fetched", RelayFrame::Fetched { channel: 1 }),
        (
            "relay-want-snapshot",
            RelayFrame::WantSnapshot {
                channel: 1,
                document: DOCUMENT,
            },
        ),
    ]
}

/// Of everything one, from the other files.
fn inventory() -> Inventory {
    let next = Segment::decode(&read("segment-next")).unwrap();
    let snapshot = Snapshot::decode(&read("snapshot")).unwrap();
    let verdict = Verdict::decode(&read("verdict")).unwrap().statement;
    let receipt = Receipt::decode(&read("receipt")).unwrap();
    Inventory {
        entries: vec![Entry::decode(&read("roster-admit")).unwrap().hash()],
        logs: vec![LogState {
            log: next.header.log,
            first: 0,
            next: 2,
            hash: next.hash(&classroom()).unwrap(),
        }],
        snapshots: vec![SnapshotState {
            document: snapshot.header.document,
            hash: snapshot.hash(&classroom()).unwrap(),
        }],
        verdicts: vec![VerdictName {
            snapshot: verdict.snapshot,
            member: verdict.member,
        }],
        receipts: vec![ReceiptState {
            name: ReceiptName {
                space: receipt.header.space,
                member: receipt.header.member,
            },
            count: receipt.header.count,
            hash: receipt.hash(&classroom()).unwrap(),
        }],
    }
}

fn wanted() -> Wanted {
    let there = inventory();
    Wanted {
        entries: there.entries,
        logs: vec![LogRange {
            log: there.logs[0].log,
            from: 1,
            to: 2,
        }],
        snapshots: vec![DOCUMENT],
        pieces: Snapshot::decode(&read("snapshot")).unwrap().pieces().to_vec(),
        verdicts: there.verdicts,
        receipts: vec![there.receipts[0].name],
    }
}

/// Names each kind: a new one does not compile until it has a name, and so a file.
fn client_name(frame: &ClientFrame) -> &'static str {
    match frame {
        ClientFrame::Answer { .. } => "client-answer",
        ClientFrame::Open { .. } => "client-open",
        ClientFrame::Found { .. } => "client-found",
        ClientFrame::Entry { .. } => "client-entry",
        ClientFrame::Segment { .. } => "client-segment",
        ClientFrame::Whisper { .. } => "client-whisper",
        ClientFrame::Close { .. } => "client-close",
        ClientFrame::Ping { .. } => "client-ping",
        ClientFrame::Inventory { .. } => "client-inventory",
        ClientFrame::Fetch { .. } => "client-fetch",
        ClientFrame::Snapshot { .. } => "client-snapshot",
        ClientFrame::Piece { .. } => "client-piece",
        ClientFrame::Verdict { .. } => "client-verdict",
        ClientFrame::Receipt { .. } => "client-receipt",
        ClientFrame::Erase { .. } => "client-erase",
    }
}

fn relay_name(frame: &RelayFrame) -> &'static str {
    match frame {
        RelayFrame::Challenge { .. } => "relay-challenge",
        RelayFrame::Opened { .. } => "relay-opened",
        RelayFrame::CaughtUp { .. } => "relay-caught-up",
        RelayFrame::Entry { .. } => "relay-entry",
        RelayFrame::Segment { .. } => "relay-segment",
        RelayFrame::Stored { .. } => "relay-stored",
        RelayFrame::Held { .. } => "relay-held",
        RelayFrame::Refused { .. } => "relay-refused",
        RelayFrame::Whisper { .. } => "relay-whisper",
        RelayFrame::Closed { .. } => "relay-closed",
        RelayFrame::Ended { .. } => "relay-ended",
        RelayFrame::Pong { .. } => "relay-pong",
        RelayFrame::Inventory { .. } => "relay-inventory",
        RelayFrame::Snapshot { .. } => "relay-snapshot",
        RelayFrame::Verdict { .. } => "relay-verdict",
        RelayFrame::Receipt { .. } => "relay-receipt",
        RelayFrame::Piece { .. } => "relay-piece",
        RelayFrame::Fetched { .. } => "relay-fetched",
        RelayFrame::WantSnapshot { .. } => "relay-want-snapshot",
    }
}

/// Everything that is derived from seeds and secrets, one to a line.
fn derived_keys() -> String {
    let log = Segment::decode(&read("segment-first")).unwrap().header.log;
    let actor = log.actor().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    [
        format!("member of the seed of sixteen 01: {}", person(1).id()),
        format!("their exchange key: {}", person(1).exchange_key()),
        format!("member of the seed of sixteen 02: {}", person(2).id()),
        format!("their exchange key: {}", person(2).exchange_key()),
        format!("invite of the secret of sixteen 77: {}", invite_keys().id()),
        format!("its exchange key: {}", invite_keys().exchange_key()),
        format!("classroom of roster-found: {}", classroom()),
        format!("actor of segment-first: {actor}"),
    ]
    .join("\n")
}

fn write_all() {
    let example = Example::new();
    write("roster-found", &example.founding.encode().unwrap());
    write("roster-invite", &example.invite.encode().unwrap());
    write("roster-admit", &example.admission.encode().unwrap());
    for (name, entry) in acts::all() {
        write(name, &entry.encode().unwrap());
    }
    let first = example.segment(0, SegmentHash::NONE, &CHANGES.map(<[u8]>::to_vec));
    let hash = first.hash(&example.classroom()).unwrap();
    let next = example.segment(1, hash, &[NEXT_CHANGE.to_vec()]);
    write("segment-first", &first.encode().unwrap());
    write("segment-next", &next.encode().unwrap());
    let whisper = Whisper::seal(
        &person(2),
        &example.classroom(),
        SpaceId::EVERYONE,
        0,
        &epoch_key(),
        WHISPERED,
        &mut Stream::new("whisper"),
    )
    .unwrap();
    write("whisper", &whisper.encode().unwrap());
    attachments::write_all();
    items::write_all();
    for (name, frame) in some_client_frames() {
        write(name, &frame::encode(&frame).unwrap());
    }
    for (name, frame) in some_relay_frames() {
        write(name, &frame::encode(&frame).unwrap());
    }
    let words = Seed::from_bytes(std::array::from_fn(|at| at as u8)).to_words();
    write_text("login-card", &words);
    let link = InviteLink::from_parts(classroom(), INVITE_SECRET);
    write_text("invite-link", &format!("{ORIGIN}/join#{}", link.to_fragment()));
    write_text("derived-keys", &derived_keys());
}

/// The bytes of a golden file, which holds them in hexadecimal, 32 to a line.
pub(crate) fn read(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.hex"))).unwrap();
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The names of all golden files that hold bytes.
pub(crate) fn names() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|file| {
            let name = file.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".hex").map(str::to_owned)
        })
        .collect();
    names.sort();
    names
}

/// A golden file that holds text.
pub(crate) fn text(name: &str) -> String {
    let text = std::fs::read_to_string(folder().join(format!("{name}.txt"))).unwrap();
    text.trim_end().to_owned()
}

pub(crate) fn write(name: &str, bytes: &[u8]) {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        for byte in line {
            write!(text, "{byte:02x}").unwrap();
        }
        text.push('\n');
    }
    std::fs::write(folder().join(format!("{name}.hex")), text).unwrap();
}

pub(crate) fn write_text(name: &str, text: &str) {
    std::fs::write(folder().join(format!("{name}.txt")), format!("{text}\n")).unwrap();
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}
