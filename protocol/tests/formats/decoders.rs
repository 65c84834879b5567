//! Any bytes into every decoder: a value or an error, never a panic; and a value is always that of these bytes alone.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use protocol::attachment::{Chunk, DocumentChunk, Reference, verify_claim};
use protocol::bundle::Reader;
use protocol::frame::{self, ClientFrame, RelayFrame};
use protocol::identity::{Seed, verify_answer};
use protocol::invite::InviteLink;
use protocol::receipt::Receipt;
use protocol::roster::Entry;
use protocol::segment::Segment;
use protocol::snapshot::{Piece, Snapshot};
use protocol::verdict::Verdict;
use protocol::whisper::Whisper;
use protocol::wire::{Unpacker, WireSegment};
use protocol::{Error, Signature};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::attachments::{address_of, bytes_of};
use crate::example::{CHALLENGE, DOCUMENT, ORIGIN, epoch_key, person};
use crate::golden;
use crate::items::{SAVED, snapshot};

/// One change to valid bytes.
#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Delete(Index, usize),
    Truncate(Index),
    Append(Vec<u8>),
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let one = prop_oneof![
        4 => (any::<Index>(), 0..8u8).prop_map(|(at, bit)| Damage::Flip(at, 1 << bit)),
        2 => (any::<Index>(), select(vec![0, 1, 2, 0x7f, 0x80, 0xff])).prop_map(|(at, byte)| Damage::Set(at, byte)),
        1 => (any::<Index>(), vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => (any::<Index>(), 1..40usize).prop_map(|(at, length)| Damage::Delete(at, length)),
        1 => any::<Index>().prop_map(Damage::Truncate),
        1 => vec(any::<u8>(), 1..12).prop_map(Damage::Append),
    ];
    vec(one, 1..4)
}

fn damaged(mut bytes: Vec<u8>, damage: &[Damage]) -> Vec<u8> {
    for one in damage {
        if bytes.is_empty() {
            break;
        }
        match one {
            Damage::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= bit;
            }
            Damage::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Damage::Insert(at, new) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, new.iter().copied());
            }
            Damage::Delete(at, length) => {
                let at = at.index(bytes.len());
                let end = bytes.len().min(at + length);
                bytes.drain(at..end);
            }
            Damage::Truncate(at) => bytes.truncate(at.index(bytes.len())),
            Damage::Append(new) => bytes.extend(new),
        }
    }
    bytes
}

/// Anything at all, often with the version byte in front that lets it through the first door.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    (any::<bool>(), vec(any::<u8>(), 0..600)).prop_map(|(version, mut bytes)| {
        if version {
            bytes.insert(0, 1);
        }
        bytes
    })
}

/// A snapshot that none of the written pieces belongs to.
static ANOTHER: LazyLock<Snapshot> = LazyLock::new(|| snapshot(b"another").0);

/// Feeds every decoder and holds what it takes to the same bytes.
pub(crate) fn decode_all(bytes: &[u8]) {
    if let Ok(entry) = Entry::decode(bytes) {
        assert_eq!(entry.encode().unwrap(), bytes);
    }
    if let Ok(segment) = Segment::decode(bytes) {
        assert_eq!(segment.encode().unwrap(), bytes);
    }
    if let Ok(whisper) = Whisper::decode(bytes) {
        assert_eq!(whisper.encode().unwrap(), bytes);
    }
    if let Ok(snapshot) = Snapshot::decode(bytes) {
        assert_eq!(snapshot.encode().unwrap(), bytes);
    }
    if let Ok(piece) = Piece::decode(bytes.to_vec()) {
        assert_eq!(piece.as_bytes(), bytes);
        assert!(
            ANOTHER
                .open(&golden::classroom(), &epoch_key(), &[piece])
                .is_err()
        );
    }
    if let Ok(verdict) = Verdict::decode(bytes) {
        assert_eq!(verdict.encode().unwrap(), bytes);
    }
    if let Ok(receipt) = Receipt::decode(bytes) {
        assert_eq!(receipt.encode().unwrap(), bytes);
    }
    if let Ok(chunk) = Chunk::decode(bytes.to_vec()) {
        assert_eq!(chunk.as_bytes(), bytes);
    }
    if let Ok(chunk) = DocumentChunk::decode(bytes.to_vec()) {
        assert_eq!(chunk.encode(), bytes);
    }
    let address = address_of(bytes);
    if let Ok(reference) = Reference::parse(&address) {
        assert_eq!(reference.address(), Ok(address));
        assert!(reference.open(&golden::classroom(), &[]).is_err());
    }
    let mut reader = Reader::new();
    reader.push(bytes);
    assert!(reader.by_ref().count() as u64 <= bytes.len() as u64 / 8);
    assert!(reader.finish().damaged <= bytes.len() as u64);
    let mut unpacker = Unpacker::default();
    for segment in frames::<ClientFrame>(bytes)
        .into_iter()
        .filter_map(client_segment)
    {
        unpack(&mut unpacker, segment);
    }
    let mut unpacker = Unpacker::default();
    for segment in frames::<RelayFrame>(bytes).into_iter().filter_map(relay_segment) {
        unpack(&mut unpacker, segment);
    }
    if let Ok(wire) = protocol::bounded::decode("segment", bytes) {
        unpack(&mut Unpacker::default(), wire);
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(link) = InviteLink::parse(&text) {
        assert!(text.trim().ends_with(&link.to_fragment()));
    }
    if let Ok(reference) = Reference::parse(&text) {
        assert_eq!(reference.address().unwrap(), text);
    }
    if let Ok(seed) = Seed::from_words(&text) {
        assert_eq!(Seed::from_words(&seed.to_words()), Ok(seed));
    }
}

/// The frames up to the first error, which is the last item.
pub(crate) fn frames<F: Serialize + DeserializeOwned>(bytes: &[u8]) -> Vec<F> {
    let mut taken = Vec::new();
    let mut frames = frame::decode::<F>(bytes);
    for frame in frames.by_ref() {
        match frame {
            Ok(frame) => taken.push(frame),
            Err(error) => {
                assert_eq!(error, Error::Malformed("frame"));
                break;
            }
        }
    }
    assert!(frames.next().is_none());
    let mut again = Vec::new();
    for frame in &taken {
        frame::append(&mut again, frame).unwrap();
    }
    assert!(bytes.starts_with(&again));
    taken
}

/// What is unpacked has the shape that every segment has.
fn unpack(unpacker: &mut Unpacker, wire: WireSegment) {
    if let Ok(segment) = unpacker.unpack(wire, &golden::classroom()) {
        assert_eq!(Segment::decode(&segment.encode().unwrap()), Ok(segment));
    }
}

fn client_segment(frame: ClientFrame) -> Option<WireSegment> {
    match frame {
        ClientFrame::Segment { segment, .. } => Some(*segment),
        _ => None,
    }
}

fn relay_segment(frame: RelayFrame) -> Option<WireSegment> {
    match frame {
        RelayFrame::Segment { segment, .. } => Some(*segment),
        _ => None,
    }
}

/// Fails if `bytes`, which differ from the golden ones, pass for something that was signed.
fn assert_proves_nothing(name: &str, bytes: &[u8]) {
    let classroom = golden::classroom();
    let passes = match name {
        "roster-found" | "roster-invite" | "roster-admit" => {
            Entry::decode(bytes).is_ok_and(|entry| entry.verify().is_ok())
        }
        "segment-first" | "segment-next" | "segment-fold" => {
            Segment::decode(bytes).is_ok_and(|segment| segment.verify(&classroom).is_ok())
        }
        "whisper" => {
            Whisper::decode(bytes).is_ok_and(|whisper| whisper.open(&classroom, &epoch_key()).is_ok())
        }
        "snapshot" => Snapshot::decode(bytes).is_ok_and(|snapshot| snapshot.verify(&classroom).is_ok()),
        "snapshot-piece" => Piece::decode(bytes.to_vec()).is_ok_and(|piece| {
            let (snapshot, _) = snapshot(SAVED);
            snapshot.open(&classroom, &epoch_key(), &[piece]).is_ok()
        }),
        "verdict" => Verdict::decode(bytes).is_ok_and(|verdict| verdict.verify(&classroom).is_ok()),
        "receipt" => Receipt::decode(bytes).is_ok_and(|receipt| receipt.verify(&classroom).is_ok()),
        "attachment-chunk" => Chunk::decode(bytes.to_vec()).is_ok_and(|chunk| {
            let reference = Reference::parse(&golden::text("attachment")).unwrap();
            reference.open(&classroom, &[chunk]).is_ok()
        }),
        "attachment-claim" => bytes.try_into().is_ok_and(|bytes| {
            let chunk = Chunk::decode(golden::read("attachment-chunk")).unwrap().hash();
            let (member, signature) = (person(2).id(), Signature::from_bytes(bytes));
            verify_claim(&member, &signature, ORIGIN, &classroom, &DOCUMENT, &chunk).is_ok()
        }),
        "client-answer" => matches!(
            frame::decode(bytes).collect::<Vec<_>>().as_slice(),
            [Ok(ClientFrame::Answer { member, signature })]
                if verify_answer(member, ORIGIN, &CHALLENGE, signature).is_ok()
        ),
        other => panic!("{other} is not signed"),
    };
    assert!(!passes, "{name} passes when damaged");
}

const SIGNED: [&str; 14] = [
    "roster-found",
    "roster-invite",
    "roster-admit",
    "segment-first",
    "segment-next",
    "segment-fold",
    "snapshot",
    "snapshot-piece",
    "verdict",
    "receipt",
    "whisper",
    "attachment-chunk",
    "attachment-claim",
    "client-answer",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in any_bytes()) {
        decode_all(&bytes);
    }

    #[test]
    fn any_text_is_a_value_or_an_error(text: String) {
        decode_all(text.as_bytes());
    }

    #[test]
    fn damaged_bytes_are_a_value_or_an_error(name in select(golden::names()), damage in damage()) {
        decode_all(&damaged(golden::read(&name), &damage));
    }

    /// A whole session's frames in one message, damaged.
    #[test]
    fn damaged_streams_are_values_up_to_an_error(
        names in vec(select(golden::names()), 1..12),
        damage in damage(),
    ) {
        let bytes = names.iter().flat_map(|name| golden::read(name)).collect();
        decode_all(&damaged(bytes, &damage));
    }

    #[test]
    fn damaged_addresses_are_a_value_or_an_error(damage in damage()) {
        for name in ["attachment", "attachment-large"] {
            let bytes = bytes_of(&golden::text(name));
            decode_all(&damaged(bytes, &damage));
            decode_all(&damaged(golden::text(name).into_bytes(), &damage));
        }
    }

    #[test]
    fn damaged_bytes_prove_nothing(name in select(&SIGNED), damage in damage()) {
        let bytes = golden::read(name);
        let other = damaged(bytes.clone(), &damage);
        if other != bytes {
            assert_proves_nothing(name, &other);
        }
    }
}

#[test]
fn no_byte_and_no_length_can_be_changed() {
    for name in SIGNED {
        let bytes = golden::read(name);
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            // One bit of each byte: checking a signature takes too long for all eight.
            other[at] ^= 1 << (at % 8);
            assert_proves_nothing(name, &other);
            assert_proves_nothing(name, &bytes[..at]);
        }
        assert_proves_nothing(name, &[bytes.as_slice(), &[0]].concat());
    }
}

#[test]
fn a_newer_version_is_named() {
    type Decode = fn(&[u8]) -> Option<Error>;
    let decoders: [(&str, &str, Decode); 8] = [
        ("roster-found", "roster entry", |bytes| Entry::decode(bytes).err()),
        ("segment-first", "segment", |bytes| Segment::decode(bytes).err()),
        ("whisper", "whisper", |bytes| Whisper::decode(bytes).err()),
        ("snapshot", "snapshot", |bytes| Snapshot::decode(bytes).err()),
        ("snapshot-piece", "snapshot piece", |bytes| {
            Piece::decode(bytes.to_vec()).err()
        }),
        ("verdict", "verdict", |bytes| Verdict::decode(bytes).err()),
        ("receipt", "receipt", |bytes| Receipt::decode(bytes).err()),
        ("attachment-chunk", "attachment chunk", |bytes| {
            Chunk::decode(bytes.to_vec()).err()
        }),
    ];
    for (name, what, decode) in decoders {
        let mut bytes = golden::read(name);
        bytes[0] = 2;
        assert_eq!(
            decode(&bytes),
            Some(Error::UnsupportedVersion { what, version: 2 })
        );
        bytes[0] = 0;
        assert_eq!(decode(&bytes), Some(Error::Malformed(what)));
        assert_eq!(decode(&[]), Some(Error::Malformed(what)));
        assert!(matches!(decode(&vec![1; 1 << 20]), Some(Error::TooLarge { .. })));
    }
    // 49 bytes, the first of them the version.
    let newer = format!("Ag{}", "A".repeat(64));
    assert_eq!(
        InviteLink::parse(&newer),
        Err(Error::UnsupportedVersion {
            what: "invite link",
            version: 2
        })
    );
    // Words that happen to be base64 are no link of a newer version.
    assert_eq!(
        InviteLink::parse("nonsense"),
        Err(Error::Malformed("invite link"))
    );
}

#[test]
fn other_words_are_no_login_card() {
    let refused = [
        "",
        "abandon",
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon",
        "abandon amount liar amount expire adjust cage candy arch gather drum",
        "abandon amount liar amount expire adjust cage candy arch gather drum meridian",
        // 24 words are BIP-39, but no login card.
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
         abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art",
    ];
    for words in refused {
        assert!(matches!(Seed::from_words(words), Err(Error::Words(_))), "{words}");
    }
    assert!(matches!(
        Seed::from_words(&"abandon ".repeat(1000)),
        Err(Error::TooLarge { .. })
    ));
}
