//! A reader that uses nothing of this crate, written from `docs/protocol.md`: if it reads the golden files, so can a
//! second client.

use blake3::{Hasher, derive_key, hash};
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use hpke::{Deserializable as _, Kem as _, OpModeR, Serializable as _};

use crate::golden::read;

type Kem = hpke::kem::X25519HkdfSha256;
type HpkeCipher = hpke::aead::ChaCha20Poly1305;
type HpkeHash = hpke::kdf::HkdfSha256;

const EPOCH_KEY: [u8; 32] = [0xe0; 32];
const STUDENT_SEED: [u8; 16] = [2; 16];

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

#[test]
fn an_admission_is_read_with_the_seed_alone() {
    let classroom = entry_hash("roster-found");
    let file = read("roster-admit");
    let mut envelope = Cursor(&file);
    assert_eq!(envelope.byte(), 1, "version");
    let content = envelope.bytes();
    let signature = envelope.take(64);
    assert!(envelope.0.is_empty());

    let mut cursor = Cursor(content);
    assert_eq!(cursor.byte(), 1, "a classroom follows");
    assert_eq!(cursor.take(32), classroom);
    assert_eq!(cursor.number(), 1, "parents");
    assert_eq!(cursor.take(32), entry_hash("roster-invite"));
    let author = cursor.take(32);
    assert_eq!(cursor.number(), 2, "admit");
    let invite = cursor.take(32);
    let exchange = cursor.take(32);
    let school = cursor.take(16);
    let proof = cursor.take(64);
    assert_eq!(cursor.number(), 1, "keys");
    let space = cursor.take(16);
    let epoch = cursor.number();
    let key_id = cursor.take(32);
    let encapsulated = cursor.take(32);
    let sealed = cursor.take(48);
    assert!(cursor.0.is_empty());

    let signing = SigningKey::from_bytes(&derive_key(
        "meridian 2026-11 v1 member signing key",
        &STUDENT_SEED,
    ));
    assert_eq!(author, signing.verifying_key().as_bytes());
    let message = [
        b"meridian v1 roster entry\0".as_slice(),
        &derive_key("meridian 2026-11 v1 roster entry", content),
    ]
    .concat();
    check(author, &message, signature);

    let invite_signing =
        SigningKey::from_bytes(&derive_key("meridian 2026-11 v1 invite signing key", &[0x77; 16]));
    let message = [
        b"meridian v1 admission\0".as_slice(),
        &classroom,
        invite,
        author,
        exchange,
        school,
    ]
    .concat();
    check(invite_signing.verifying_key().as_bytes(), &message, proof);

    let secret = <Kem as hpke::Kem>::PrivateKey::from_bytes(&derive_key(
        "meridian 2026-11 v1 member exchange key",
        &STUDENT_SEED,
    ))
    .unwrap();
    assert_eq!(exchange, Kem::sk_to_pk(&secret).to_bytes().as_slice());
    let info = [
        b"meridian v1 epoch key\0".as_slice(),
        space,
        &(epoch as u32).to_be_bytes(),
        exchange,
    ]
    .concat();
    let key = hpke::single_shot_open::<HpkeCipher, HpkeHash, Kem>(
        &OpModeR::Base,
        &secret,
        &<Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated).unwrap(),
        &info,
        sealed,
        &[],
    )
    .unwrap();
    assert_eq!(key, EPOCH_KEY);
    assert_eq!(key_id, derive_key("meridian 2026-11 v1 epoch key id", &key));
}

#[test]
fn an_invite_is_read() {
    let classroom = entry_hash("roster-found");
    let file = read("roster-invite");
    let mut envelope = Cursor(&file);
    assert_eq!(envelope.byte(), 1, "version");
    let content = envelope.bytes();
    let mut cursor = Cursor(content);
    cursor.take(1 + 32 + 1 + 32);
    let author = cursor.take(32);
    assert_eq!(cursor.number(), 1, "invite");
    let key = cursor.take(32);
    let exchange = cursor.take(32);
    assert_eq!(cursor.number(), 2, "student");
    assert_eq!(cursor.number(), 30, "uses");
    assert_eq!(cursor.number(), 1_800_000_000, "expires");
    let proof = cursor.take(64);
    let message = [b"meridian v1 invite\0".as_slice(), &classroom, author, exchange].concat();
    check(key, &message, proof);
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

#[test]
fn an_answer_and_an_invite_proof_are_read() {
    let file = read("client-answer");
    let mut cursor = Cursor(&file);
    assert_eq!(cursor.number(), 0, "answer");
    let member = cursor.take(32);
    let challenge = [0xc4; 32];
    let origin = b"https://relay.example".as_slice();
    let message = [b"meridian v1 challenge\0".as_slice(), &challenge, origin].concat();
    check(member, &message, cursor.take(64));
    assert!(cursor.0.is_empty());

    let file = read("client-open");
    let mut cursor = Cursor(&file);
    assert_eq!((cursor.number(), cursor.number()), (1, 1), "open, channel");
    let classroom = cursor.take(32);
    assert_eq!(classroom, entry_hash("roster-found"));
    assert_eq!(cursor.byte(), 1, "a position follows");
    assert_eq!((cursor.number(), cursor.number()), (0x0123_4567_89ab_cdef, 300));
    assert_eq!(cursor.number(), 1, "roster heads");
    assert_eq!(cursor.take(32), entry_hash("roster-invite"));
    assert_eq!(cursor.byte(), 1, "a proof follows");
    let invite = cursor.take(32);
    let message = [
        b"meridian v1 invite proof\0".as_slice(),
        &challenge,
        classroom,
        origin,
    ]
    .concat();
    check(invite, &message, cursor.take(64));
    assert!(cursor.0.is_empty());
}
