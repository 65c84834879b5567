//! What crosses the wire: frames, inventories, and segments that leave out what is known (sections 7 and 8).

use std::collections::HashMap;

use blake3::{derive_key, hash};

use super::roster::{Entry, invite, member};
use super::{Cursor, between, check};
use crate::golden::read;

const CHALLENGE: [u8; 32] = [0xc4; 32];
const ORIGIN: &[u8] = b"https://relay.example";
const DOCUMENT: [u8; 16] = [0xd0; 16];

/// Reads a golden file of what a client says to its last byte, and checks that it says what it should.
pub(super) fn read_clients(name: &str) {
    let file = read(name);
    let cursor = &mut Cursor(&file);
    let kind = cursor.number();
    let what = name.strip_prefix("client-").unwrap();
    if kind != 0 && kind != 7 {
        let channel = if what == "found" { 2 } else { 1 };
        assert_eq!(cursor.number(), channel, "{name}");
    }
    match (kind, what) {
        (0, "answer") => {
            let by: [u8; 32] = cursor.array();
            assert_eq!(by, member(2));
            let message = [b"meridian v1 challenge\0".as_slice(), &CHALLENGE, ORIGIN].concat();
            check(&by, &message, cursor.take(64));
        }
        (1, "open") => {
            let classroom = cursor.array();
            assert_eq!(classroom, Entry::read("roster-found").hash);
            let since = cursor.option(|cursor| (cursor.number(), cursor.number()));
            assert_eq!(since, Some((0x0123_4567_89ab_cdef, 300)));
            assert_eq!(
                cursor.list(Cursor::array),
                [Entry::read("roster-invite").hash],
                "roster heads"
            );
            let (key, signature) = cursor
                .option(|cursor| (cursor.array(), cursor.array::<64>()))
                .unwrap();
            assert_eq!(key, invite(0x77));
            let message = [
                b"meridian v1 invite proof\0".as_slice(),
                &CHALLENGE,
                &classroom,
                ORIGIN,
            ]
            .concat();
            check(&key, &message, &signature);
        }
        (2, "found") => {
            assert_eq!(cursor.bytes(), read("roster-found"));
            let token = cursor.option(|cursor| cursor.bytes().to_vec());
            assert_eq!(token.as_deref(), Some(&b"open sesame"[..]));
        }
        (3, "entry") => assert_eq!(cursor.bytes(), read("roster-admit")),
        (4, "segment") => {
            assert_eq!(Remembered::default().unpack(cursor), read("segment-first"));
        }
        (5, "whisper") => assert_eq!(cursor.bytes(), read("whisper")),
        (6, "close") | (8, "inventory") => {}
        (7, "ping") => assert_eq!(cursor.number(), 0xdead_beef),
        (9, "fetch") => {
            assert_eq!(cursor.list(Cursor::array), [Entry::read("roster-admit").hash]);
            assert_eq!(
                cursor.list(|cursor| (log(cursor), cursor.number(), cursor.number())),
                [(the_log(), 1, 2)]
            );
            assert_eq!(cursor.list(Cursor::array), [DOCUMENT]);
            let piece = *hash(&read("snapshot-piece")).as_bytes();
            assert_eq!(cursor.list(Cursor::array), [piece]);
            assert_eq!(cursor.list(verdict_name), [(snapshot_hash(), member(2))]);
            assert_eq!(cursor.list(receipt_name), [receipt_state().0]);
        }
        (10, "snapshot") => assert_eq!(cursor.bytes(), read("snapshot")),
        (11, "piece") => assert_eq!(cursor.bytes(), read("snapshot-piece")),
        (12, "verdict") => assert_eq!(cursor.bytes(), read("verdict")),
        (13, "receipt") => assert_eq!(cursor.bytes(), read("receipt")),
        (14, "erase") => {
            assert_eq!(cursor.number(), 300, "upto");
            assert_eq!(cursor.bytes(), read("roster-erase"));
        }
        _ => panic!("{name} has the number {kind}"),
    }
    assert!(cursor.0.is_empty(), "{name}");
}

/// The same for what the relay says.
pub(super) fn read_relays(name: &str) {
    let file = read(name);
    let cursor = &mut Cursor(&file);
    let kind = cursor.number();
    let what = name.strip_prefix("relay-").unwrap();
    if !matches!(kind, 0 | 10 | 11) {
        assert_eq!(cursor.number(), 1, "channel of {name}");
    }
    match (kind, what) {
        (0, "challenge") => {
            assert_eq!((cursor.array(), cursor.number()), (CHALLENGE, 1_795_000_000));
        }
        (1, "opened") => {
            assert_eq!((cursor.number(), cursor.number()), (0x0123_4567_89ab_cdef, 300));
        }
        (2, "caught-up") | (17, "fetched") => {}
        (3, "entry") => assert_eq!((cursor.number(), cursor.bytes()), (1, &read("roster-admit")[..])),
        (4, "segment-define") => {
            assert_eq!(cursor.number(), 1, "advance");
            assert_eq!(Remembered::default().unpack(cursor), read("segment-first"));
        }
        (4, "segment-next") => {
            // It says nothing without the one before.
            let before = read("relay-segment-define");
            let mut remembered = Remembered::default();
            let mut defining = Cursor(&before[3..]);
            assert_eq!(remembered.unpack(&mut defining), read("segment-first"));
            assert_eq!(cursor.number(), 1, "advance");
            assert_eq!(remembered.unpack(cursor), read("segment-next"));
        }
        (5, "stored") => assert_eq!((cursor.number(), cursor.number()), (200, 7)),
        (6, "held") => assert_eq!(cursor.number(), 8),
        (7, "refused") => assert_eq!((cursor.number(), cursor.number()), (9, 11), "a fork"),
        (8, "whisper") => assert_eq!(cursor.bytes(), read("whisper")),
        (9, "closed") => assert_eq!(cursor.number(), 500, "a reason of later"),
        (10, "ended") => assert_eq!(cursor.number(), 21, "going away"),
        (11, "pong") => assert_eq!(cursor.number(), 0xdead_beef),
        (12, "inventory") => {
            assert_eq!(cursor.list(Cursor::array), [Entry::read("roster-admit").hash]);
            assert_eq!(
                cursor.list(|cursor| (log(cursor), cursor.number(), cursor.number(), cursor.array())),
                [(the_log(), 0, 2, hash_of(&read("segment-next")))]
            );
            assert_eq!(
                cursor.list(|cursor| (cursor.array(), cursor.array())),
                [(DOCUMENT, snapshot_hash())]
            );
            assert_eq!(cursor.list(verdict_name), [(snapshot_hash(), member(2))]);
            assert_eq!(
                cursor.list(|cursor| (receipt_name(cursor), cursor.number(), cursor.array())),
                [receipt_state()]
            );
            assert_eq!(cursor.byte(), 1, "nothing more follows");
        }
        (13, "snapshot") => assert_eq!((cursor.number(), cursor.bytes()), (0, &read("snapshot")[..])),
        (14, "verdict") => assert_eq!((cursor.number(), cursor.bytes()), (1, &read("verdict")[..])),
        (15, "receipt") => assert_eq!((cursor.number(), cursor.bytes()), (1, &read("receipt")[..])),
        (16, "piece") => assert_eq!(cursor.bytes(), read("snapshot-piece")),
        (18, "want-snapshot") => assert_eq!(cursor.array(), DOCUMENT),
        _ => panic!("{name} has the number {kind}"),
    }
    assert!(cursor.0.is_empty(), "{name}");
}

/// What a direction of a channel remembers of each log: the last segment's header in parts, and its chain hash.
#[derive(Default)]
struct Remembered(HashMap<u64, Last>);

struct Last {
    /// Document, member, lane.
    log: Vec<u8>,
    last: u64,
    /// Space, epoch, roster.
    behind: Vec<u8>,
    chain: [u8; 32],
}

impl Remembered {
    /// The whole segment, encoded as where nothing is left out.
    fn unpack(&mut self, cursor: &mut Cursor<'_>) -> Vec<u8> {
        let kind = cursor.number();
        let place = cursor.number();
        assert!(place < 1024);
        let (header, previous) = match kind {
            0 => {
                let known = &self.0[&place];
                let index = leb128(known.last + 1);
                let header = [&[0], &known.log[..], &index, &index, &known.behind].concat();
                (header, known.chain)
            }
            1 => {
                let start = cursor.0;
                skip_header(cursor);
                (between(start, cursor).to_vec(), cursor.array())
            }
            other => panic!("{other} is no heading"),
        };
        let start = cursor.0;
        cursor.take(24);
        cursor.bytes();
        cursor.take(64);
        let segment = [&[1], &header[..], &previous, between(start, cursor)].concat();

        let mut read = Cursor(&header);
        let covered = (read.number() == 1).then(|| read.array());
        let log = read.take(64).to_vec();
        let (_first, last) = (read.number(), read.number());
        let known = Last {
            log,
            last,
            behind: read.0.to_vec(),
            chain: covered.unwrap_or_else(|| hash_of(&segment)),
        };
        self.0.insert(place, known);
        segment
    }
}

fn skip_header(cursor: &mut Cursor<'_>) {
    if cursor.number() == 1 {
        cursor.take(32);
    }
    cursor.take(16 + 32 + 16);
    let (_first, _last) = (cursor.number(), cursor.number());
    cursor.take(16);
    let _epoch = cursor.number();
    cursor.list(Cursor::array::<32>);
}

/// Of a whole segment.
fn hash_of(segment: &[u8]) -> [u8; 32] {
    let mut cursor = Cursor(&segment[1..]);
    let start = cursor.0;
    skip_header(&mut cursor);
    // Header, previous and nonce.
    cursor.take(32 + 24);
    let before_sealed = between(start, &cursor);
    let transcript = [
        b"meridian v1 segment\0".as_slice(),
        &[1],
        &Entry::read("roster-found").hash,
        before_sealed,
        hash(cursor.bytes()).as_bytes(),
    ]
    .concat();
    derive_key("meridian 2026-11 v1 segment hash", &transcript)
}

fn leb128(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

type Log = ([u8; 16], [u8; 32], [u8; 16]);

fn log(cursor: &mut Cursor<'_>) -> Log {
    (cursor.array(), cursor.array(), cursor.array())
}

fn the_log() -> Log {
    (DOCUMENT, member(2), [0xaa; 16])
}

fn verdict_name(cursor: &mut Cursor<'_>) -> ([u8; 32], [u8; 32]) {
    (cursor.array(), cursor.array())
}

fn receipt_name(cursor: &mut Cursor<'_>) -> ([u8; 16], [u8; 32]) {
    (cursor.array(), cursor.array())
}

/// As the verdict on it names it.
fn snapshot_hash() -> [u8; 32] {
    Cursor(&read("verdict")[1 + 16..]).array()
}

/// The receipt's name, count and hash.
fn receipt_state() -> (([u8; 16], [u8; 32]), u64, [u8; 32]) {
    let file = read("receipt");
    let mut cursor = Cursor(&file[1..]);
    let start = cursor.0;
    let (by, space) = (cursor.array(), cursor.array());
    let _epoch = cursor.number();
    cursor.list(Cursor::array::<32>);
    let count = cursor.number();
    cursor.take(24);
    let transcript = [
        b"meridian v1 receipt\0".as_slice(),
        &[1],
        &Entry::read("roster-found").hash,
        between(start, &cursor),
        hash(cursor.bytes()).as_bytes(),
    ]
    .concat();
    let named = derive_key("meridian 2026-11 v1 receipt hash", &transcript);
    ((space, by), count, named)
}
