//! A reader that uses nothing of this crate, written from `docs/protocol.md`: if it reads the golden files, so can a
//! second client.

mod attachments;
mod frames;
mod roster;
mod texts;

use blake3::{Hasher, derive_key, hash};
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use ed25519_dalek::{Signature, VerifyingKey};

use crate::golden::{names, read};

const EPOCH_KEY: [u8; 32] = [0xe0; 32];

/// The files that the tests here read; those of entries and frames are read by their names' beginning.
const READ: [&str; 12] = [
    "attachment-chunk",
    "attachment-claim",
    "bundle",
    "bundle-chunk",
    "receipt",
    "segment-first",
    "segment-fold",
    "segment-next",
    "snapshot",
    "snapshot-piece",
    "verdict",
    "whisper",
];

#[test]
fn each_golden_file_is_read() {
    let mut read = 0;
    for name in names() {
        match name.split_once('-') {
            Some(("roster", _)) => drop(roster::Entry::read(&name)),
            Some(("client", _)) => frames::read_clients(&name),
            Some(("relay", _)) => frames::read_relays(&name),
            _ => {
                assert!(READ.contains(&name.as_str()), "{name}");
                read += 1;
            }
        }
    }
    assert_eq!(read, READ.len());
}

/// Takes bytes from the front.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    /// LEB128, seven bits at a time, the lowest first.
    fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = self.number() as usize;
        self.take(length)
    }

    fn array<const LENGTH: usize>(&mut self) -> [u8; LENGTH] {
        self.take(LENGTH).try_into().unwrap()
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.number()).map(|_| item(self)).collect()
    }

    fn option<T>(&mut self, value: impl Fn(&mut Self) -> T) -> Option<T> {
        match self.byte() {
            0 => None,
            1 => Some(value(self)),
            other => panic!("{other} is no option"),
        }
    }
}

fn key_with(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

fn check(member: &[u8], message: &[u8], signature: &[u8]) {
    VerifyingKey::from_bytes(member.try_into().unwrap())
        .unwrap()
        .verify_strict(message, &Signature::from_slice(signature).unwrap())
        .unwrap();
}

fn entry_hash(name: &str) -> [u8; 32] {
    let file = read(name);
    let mut cursor = Cursor(&file);
    assert_eq!(cursor.byte(), 1);
    derive_key("meridian 2026-11 v1 roster entry", cursor.bytes())
}

/// Both segments: the second names the hash of the first.
#[test]
fn segments_are_read() {
    let classroom = entry_hash("roster-found");
    let mut previous = [0; 32];
    for (name, index, expected) in [
        (
            "segment-first",
            0,
            vec![b"the first change".as_slice(), b"and the second one"],
        ),
        ("segment-next", 1, vec![b"a change on its own".as_slice()]),
    ] {
        let file = read(name);
        let mut cursor = Cursor(&file);
        assert_eq!(cursor.byte(), 1, "version");

        let before_header = cursor.0;
        assert_eq!(cursor.number(), 0, "kind");
        let document = cursor.take(16);
        let member = cursor.take(32);
        let _lane = cursor.take(16);
        assert_eq!((cursor.number(), cursor.number()), (index, index));
        assert_eq!(cursor.take(16), [0; 16], "space");
        assert_eq!(cursor.number(), 0, "epoch");
        assert_eq!(cursor.number(), 1, "roster heads");
        assert_eq!(cursor.take(32), entry_hash("roster-admit"));
        let header = &before_header[..before_header.len() - cursor.0.len()];

        assert_eq!(cursor.take(32), previous);
        let nonce: [u8; 24] = cursor.take(24).try_into().unwrap();
        let sealed = cursor.bytes();
        let signature = cursor.take(64);
        assert!(cursor.0.is_empty());

        let transcript = [
            b"meridian v1 segment\0".as_slice(),
            &[1],
            &classroom,
            header,
            &previous,
            &nonce,
            hash(sealed).as_bytes(),
        ]
        .concat();
        check(member, &transcript, signature);

        let key = key_with(
            "meridian 2026-11 v1 document key",
            &[&EPOCH_KEY, &classroom, document],
        );
        let key_id = derive_key("meridian 2026-11 v1 epoch key id", &EPOCH_KEY);
        let body = XChaCha20Poly1305::new(&key.into())
            .decrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: sealed,
                    aad: &[header, &key_id, &previous].concat(),
                },
            )
            .unwrap();
        let mut cursor = Cursor(&body);
        for change in expected {
            assert_eq!(cursor.bytes(), change);
        }
        assert!(cursor.0.iter().all(|&byte| byte == 0), "padding");
        previous = derive_key("meridian 2026-11 v1 segment hash", &transcript);
    }
}

/// Takes the roster heads of a header, which name the admission.
fn take_heads(cursor: &mut Cursor<'_>) {
    assert_eq!(cursor.number(), 1, "roster heads");
    assert_eq!(cursor.take(32), entry_hash("roster-admit"));
}

fn between<'a>(start: &'a [u8], end: &Cursor<'_>) -> &'a [u8] {
    &start[..start.len() - end.0.len()]
}

#[test]
fn a_fold_is_read() {
    let classroom = entry_hash("roster-found");
    let file = read("segment-fold");
    let mut cursor = Cursor(&file);
    assert_eq!(cursor.byte(), 1, "version");
    let before_header = cursor.0;
    assert_eq!(cursor.number(), 1, "a fold");
    let _covered = cursor.take(32);
    let document = cursor.take(16);
    let member = cursor.take(32);
    let _lane = cursor.take(16);
    assert_eq!((cursor.number(), cursor.number()), (0, 1), "first, last");
    assert_eq!(cursor.take(16), [0; 16], "space");
    assert_eq!(cursor.number(), 0, "epoch");
    take_heads(&mut cursor);
    let header = between(before_header, &cursor);
    let previous = cursor.take(32);
    assert_eq!(previous, [0; 32]);
    let nonce: [u8; 24] = cursor.take(24).try_into().unwrap();
    let sealed = cursor.bytes();
    let transcript = [
        b"meridian v1 segment\0".as_slice(),
        &[1],
        &classroom,
        header,
        previous,
        &nonce,
        hash(sealed).as_bytes(),
    ]
    .concat();
    check(member, &transcript, cursor.take(64));
    assert!(cursor.0.is_empty());
    let key = key_with(
        "meridian 2026-11 v1 document key",
        &[&EPOCH_KEY, &classroom, document],
    );
    let key_id = derive_key("meridian 2026-11 v1 epoch key id", &EPOCH_KEY);
    let aad = [header, &key_id, previous].concat();
    let body = open(&key, &nonce, sealed, &aad);
    let mut cursor = Cursor(&body);
    assert_eq!(cursor.bytes(), b"both changes of the first, and the next one");
    assert!(cursor.0.iter().all(|&byte| byte == 0), "padding");
}

fn open(key: &[u8; 32], nonce: &[u8], sealed: &[u8], aad: &[u8]) -> Vec<u8> {
    let nonce: [u8; 24] = nonce.try_into().unwrap();
    XChaCha20Poly1305::new(key.into())
        .decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad })
        .unwrap()
}

/// The snapshot, its piece, and the verdict that names its hash.
#[test]
fn a_snapshot_is_read() {
    let classroom = entry_hash("roster-found");
    let file = read("snapshot");
    let mut cursor = Cursor(&file);
    assert_eq!(cursor.byte(), 1, "version");
    let before_header = cursor.0;
    let document = cursor.take(16);
    let member = cursor.take(32);
    assert_eq!(cursor.take(16), [0; 16], "space");
    assert_eq!(cursor.number(), 0, "epoch");
    take_heads(&mut cursor);
    assert_eq!(cursor.number(), 1, "members");
    let _author = cursor.take(32);
    assert_eq!(cursor.number(), 1, "lanes");
    let _lane = cursor.take(16);
    assert_eq!(cursor.number(), 2, "next");
    let _last = cursor.take(32);
    let header = between(before_header, &cursor);
    let nonce = cursor.take(24);
    let before_pieces = cursor.0;
    assert_eq!(cursor.number(), 1, "pieces");
    let name = cursor.take(32);
    let pieces = between(before_pieces, &cursor);
    let transcript = [
        b"meridian v1 snapshot\0".as_slice(),
        &[1],
        &classroom,
        header,
        nonce,
        pieces,
    ]
    .concat();
    check(member, &transcript, cursor.take(64));
    assert!(cursor.0.is_empty());

    let piece = read("snapshot-piece");
    assert_eq!(name, hash(&piece).as_bytes());
    let mut cursor = Cursor(&piece);
    assert_eq!(cursor.byte(), 1, "version");
    let piece_nonce = cursor.take(24);
    let key = key_with(
        "meridian 2026-11 v1 document key",
        &[&EPOCH_KEY, &classroom, document],
    );
    let aad = [
        b"meridian v1 snapshot piece\0".as_slice(),
        &classroom,
        document,
        &derive_key("meridian 2026-11 v1 epoch key id", &EPOCH_KEY),
        nonce,
        &0u32.to_be_bytes(),
        &1u32.to_be_bytes(),
    ]
    .concat();
    let body = open(&key, piece_nonce, cursor.0, &aad);
    let length = u32::from_be_bytes(body[..4].try_into().unwrap()) as usize;
    let (saved, padding) = body[4..].split_at(length);
    assert_eq!(saved, b"the whole document, saved");
    assert!(padding.iter().all(|&byte| byte == 0));

    let file = read("verdict");
    let mut cursor = Cursor(&file);
    assert_eq!(cursor.byte(), 1, "version");
    let before_statement = cursor.0;
    assert_eq!(cursor.take(16), document);
    assert_eq!(
        cursor.take(32),
        derive_key("meridian 2026-11 v1 snapshot hash", &transcript)
    );
    let member = cursor.take(32);
    take_heads(&mut cursor);
    assert_eq!(cursor.byte(), 1, "matches");
    let statement = between(before_statement, &cursor);
    let message = [b"meridian v1 verdict\0".as_slice(), &[1], &classroom, statement].concat();
    check(member, &message, cursor.take(64));
    assert!(cursor.0.is_empty());
}

#[test]
fn a_receipt_is_read() {
    let classroom = entry_hash("roster-found");
    let file = read("receipt");
    let mut cursor = Cursor(&file);
    assert_eq!(cursor.byte(), 1, "version");
    let before_header = cursor.0;
    let member = cursor.take(32);
    assert_eq!(cursor.take(16), [0; 16], "space");
    assert_eq!(cursor.number(), 0, "epoch");
    take_heads(&mut cursor);
    assert_eq!(cursor.number(), 300, "count");
    let header = between(before_header, &cursor);
    let nonce = cursor.take(24);
    let sealed = cursor.bytes();
    let transcript = [
        b"meridian v1 receipt\0".as_slice(),
        &[1],
        &classroom,
        header,
        nonce,
        hash(sealed).as_bytes(),
    ]
    .concat();
    check(member, &transcript, cursor.take(64));
    assert!(cursor.0.is_empty());
    let key = key_with("meridian 2026-11 v1 receipt key", &[&EPOCH_KEY, &classroom]);
    let key_id = derive_key("meridian 2026-11 v1 epoch key id", &EPOCH_KEY);
    let body = open(&key, nonce, sealed, &[header, &key_id].concat());
    let length = u32::from_be_bytes(body[..4].try_into().unwrap()) as usize;
    let mut cursor = Cursor(&body[4..4 + length]);
    assert_eq!(cursor.number(), 2, "documents");
    assert_eq!(cursor.take(16), [0xd0; 16]);
    assert_eq!(cursor.number(), 2, "heads");
    assert_eq!(
        (cursor.take(32), cursor.take(32)),
        ([0x5e; 32].as_slice(), [0x5f; 32].as_slice())
    );
    assert_eq!(cursor.take(16), [0xd1; 16]);
    assert_eq!(cursor.number(), 0, "heads");
    assert!(cursor.0.is_empty());
}

/// Nothing in the written bundles needs stuffing, so that they are read as they stand.
#[test]
fn bundles_are_read() {
    let items = [
        (0, "roster-found"),
        (0, "roster-invite"),
        (0, "roster-admit"),
        (1, "segment-first"),
        (1, "segment-next"),
        (3, "snapshot-piece"),
        (2, "snapshot"),
        (4, "verdict"),
        (5, "receipt"),
    ];
    let items = items.map(|(kind, name)| (kind, read(name)));
    // The end counts entries, segments, snapshots, pieces, verdicts, receipts, and others.
    read_bundle("bundle", &items, &[3, 2, 1, 1, 1, 1, 0]);
    let chunk = [[0xd0; 16].as_slice(), &read("attachment-chunk")].concat();
    let items = [(0, read("roster-found")), (7, chunk)];
    read_bundle("bundle-chunk", &items, &[1, 0, 0, 0, 0, 0, 1]);
}

fn read_bundle(name: &str, items: &[(u8, Vec<u8>)], counts: &[u8]) {
    let file = read(name);
    let mut cursor = Cursor(&file);
    assert_eq!(cursor.take(16), b"MERIDIAN BUNDLE\0");
    assert_eq!(cursor.byte(), 1, "version");
    for (kind, item) in items.iter().chain([&(6, counts.to_vec())]) {
        assert_eq!(cursor.take(8), [0xd3, b'M', b'E', b'R', b'I', b'\r', b'\n', 0x1a]);
        let before_record = cursor.0;
        assert_eq!(cursor.byte(), *kind);
        let is_end = *kind == 6;
        let classroom = if is_end {
            [0; 32]
        } else {
            entry_hash("roster-found")
        };
        assert_eq!(cursor.take(32), classroom);
        let length = u32::from_be_bytes(cursor.take(4).try_into().unwrap()) as usize;
        assert_eq!(cursor.take(length), item);
        let sum = hash(between(before_record, &cursor));
        assert_eq!(cursor.take(16), &sum.as_bytes()[..16]);
    }
    assert!(cursor.0.is_empty());
}

#[test]
fn a_whisper_is_read() {
    let classroom = entry_hash("roster-found");
    let file = read("whisper");
    let mut cursor = Cursor(&file);
    assert_eq!(cursor.byte(), 1, "version");
    let member = cursor.take(32);
    let space = cursor.take(16);
    let epoch = cursor.number() as u32;
    let nonce: [u8; 24] = cursor.take(24).try_into().unwrap();
    let sealed = cursor.bytes();
    let signature = cursor.take(64);
    assert!(cursor.0.is_empty());

    let transcript = [
        b"meridian v1 whisper\0".as_slice(),
        &[1],
        &classroom,
        member,
        space,
        &epoch.to_be_bytes(),
        &nonce,
        hash(sealed).as_bytes(),
    ]
    .concat();
    check(member, &transcript, signature);
    let key = key_with("meridian 2026-11 v1 whisper key", &[&EPOCH_KEY, &classroom]);
    let body = XChaCha20Poly1305::new(&key.into())
        .decrypt(
            &XNonce::from(nonce),
            Payload {
                msg: sealed,
                aad: member,
            },
        )
        .unwrap();
    let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
    assert_eq!(&body[2..2 + length], b"cursor at 7");
}
