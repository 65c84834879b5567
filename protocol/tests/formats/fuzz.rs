//! Hostile bytes for every decoder, made of the written files and of what is sealed in them: see `hostile`.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use blake3::Hasher;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use protocol::bounded::{self, Bytes};
use protocol::frame::{ClientFrame, RelayFrame};
use protocol::receipt::Receipt;
use protocol::roster::{Entry, Roster};
use protocol::segment::{Body, Kind, Segment};
use protocol::snapshot::{Piece, Snapshot};

use crate::bundles::read_all;
use crate::decoders::{decode_all, frames};
use crate::example::{epoch_key, example};
use crate::golden;
use crate::hostile::{LARGEST, fuzz};

/// The written files.
fn written() -> Vec<Vec<u8>> {
    golden::names().iter().map(|name| golden::read(name)).collect()
}

#[test]
#[ignore = "as long as there is time"]
fn fuzz_frames() {
    fuzz("frames", written(), |bytes| {
        let client = frames::<ClientFrame>(bytes);
        let relay = frames::<RelayFrame>(bytes);
        let kinds = client.iter().map(std::mem::discriminant).collect::<HashSet<_>>();
        let others = relay.iter().map(std::mem::discriminant).collect::<HashSet<_>>();
        decode_all(bytes);
        format!(
            "{kinds:?} {others:?} {} {}",
            client.len().min(8),
            relay.len().min(8)
        )
    });
}

#[test]
#[ignore = "as long as there is time"]
fn fuzz_items() {
    fuzz("items", written(), |bytes| {
        decode_all(bytes);
        let segment = Segment::decode(bytes).map(|segment| {
            let opened = segment.open(&golden::classroom(), &epoch_key()).is_ok();
            let verified = segment.verify(&golden::classroom()).is_ok();
            (
                opened,
                verified,
                segment.header.roster.len(),
                segment.header.kind.covered().is_some(),
            )
        });
        let snapshot = Snapshot::decode(bytes).map(|snapshot| {
            let verified = snapshot.verify(&golden::classroom()).is_ok();
            (verified, snapshot.header.covers.len(), snapshot.pieces().len())
        });
        let receipt = Receipt::decode(bytes).map(|receipt| {
            let opened = receipt.open(&golden::classroom(), &epoch_key()).is_ok();
            (opened, receipt.header.roster.len())
        });
        format!("{segment:?} {snapshot:?} {receipt:?}")
    });
}

#[test]
#[ignore = "as long as there is time"]
fn fuzz_roster() {
    let example = example();
    let mut roster = Roster::found(example.founding.clone()).unwrap();
    roster.add(example.invite.clone()).unwrap();
    fuzz("roster", written(), |bytes| {
        let entry = match Entry::decode(bytes) {
            Ok(entry) => entry,
            Err(error) => return format!("{error:?}"),
        };
        assert_eq!(entry.encode().unwrap(), bytes);
        let (shape, parents) = (std::mem::discriminant(entry.action()), entry.parents().len());
        let founded = Roster::found(entry.clone()).is_ok();
        format!("{shape:?} {parents} {founded} {:?}", roster.clone().add(entry))
    });
}

#[test]
#[ignore = "as long as there is time"]
fn fuzz_bundles() {
    fuzz("bundles", written(), |bytes| {
        let step = 1 + bytes.len() / 3;
        let (records, summary) = read_all(bytes, step);
        // However the file comes in.
        assert_eq!(read_all(bytes, 7), (records.clone(), summary));
        let mut kinds: BTreeMap<_, u8> = BTreeMap::new();
        for (_, kind, _) in records {
            let count = kinds.entry(kind).or_default();
            *count = count.saturating_add(1).min(3);
        }
        format!("{kinds:?} {:?} {}", summary.version, summary.complete)
    });
}

/// What a member with the key seals that no honest program would: the bodies behind every seal.
#[test]
#[ignore = "as long as there is time"]
fn fuzz_bodies() {
    static SEGMENTS: LazyLock<[Segment; 2]> = LazyLock::new(|| {
        ["segment-first", "segment-fold"].map(|name| Segment::decode(&golden::read(name)).unwrap())
    });
    // As programs make them: of two changes, of two documents seen, of a saved document.
    let bodies = vec![
        [[6].as_slice(), b"change", &[5], b"other", &[0; 3]].concat(),
        [
            &[0, 0, 0, 67, 2],
            [7; 16].as_slice(),
            &[1],
            &[8; 32],
            &[9; 16],
            &[0; 5],
        ]
        .concat(),
        [&[0, 0, 0, 5], b"saved".as_slice(), &[0]].concat(),
    ];
    let receipt = Receipt::decode(&golden::read("receipt")).unwrap();
    let snapshot = Snapshot::decode(&golden::read("snapshot")).unwrap();
    fuzz("bodies", bodies, |body| {
        let (classroom, nonce) = (golden::classroom(), [7; 24]);
        let document_key = key("meridian 2026-11 v1 document key", &[&snapshot.header.document.0]);
        let opened = SEGMENTS.each_ref().map(|segment| {
            let data = [
                &encoded(&segment.header),
                key_id().as_slice(),
                &segment.previous.0,
            ]
            .concat();
            let sealed = seal(&document_key, body, &data);
            let hostile = Segment {
                nonce,
                sealed: Bytes::new("body", sealed).unwrap(),
                ..segment.clone()
            };
            hostile.open(&classroom, &epoch_key())
        });
        if let Ok(Body::Bundle(bundle)) = &opened[1] {
            assert!(!bundle.is_empty() && matches!(SEGMENTS[1].header.kind, Kind::Fold { .. }));
        }
        let data = [encoded(&receipt.header), key_id().to_vec()].concat();
        let sealed = seal(&key("meridian 2026-11 v1 receipt key", &[]), body, &data);
        let sealed = encoded(&Bytes::<{ 2 * LARGEST }>::new("body", sealed).unwrap());
        let bytes = [
            &[1],
            encoded(&receipt.header).as_slice(),
            &nonce,
            &sealed,
            &[0; 64],
        ]
        .concat();
        let seen = Receipt::decode(&bytes).unwrap().open(&classroom, &epoch_key());

        let data = [
            b"meridian v1 snapshot piece\0".as_slice(),
            &classroom.0,
            &snapshot.header.document.0,
            &key_id(),
            &nonce,
            &0u32.to_be_bytes(),
            &1u32.to_be_bytes(),
        ]
        .concat();
        let sealed = seal(&document_key, body, &data);
        let saved = Piece::decode([&[1], nonce.as_slice(), &sealed].concat()).map(|piece| {
            let pieces = encoded(&vec![piece.hash()]);
            let header = encoded(&snapshot.header);
            let bytes = [&[1], header.as_slice(), &nonce, &pieces, &[0; 64]].concat();
            let opened = Snapshot::decode(&bytes)
                .unwrap()
                .open(&classroom, &epoch_key(), &[piece]);
            assert_ne!(opened, Err(protocol::Error::CannotOpen("snapshot")));
            opened.map(|saved| saved.len().min(4))
        });
        assert_ne!(seen, Err(protocol::Error::CannotOpen("receipt")));
        assert!(
            opened
                .iter()
                .all(|body| *body != Err(protocol::Error::CannotOpen("segment")))
        );
        let changes = opened.map(|body| {
            body.map(|body| match body {
                Body::Changes(changes) => changes.len().min(8),
                Body::Bundle(bundle) => bundle.len().min(8),
            })
        });
        format!("{changes:?} {:?} {saved:?}", seen.map(|seen| seen.len()))
    });
}

fn encoded<T: serde::Serialize>(value: &T) -> Vec<u8> {
    bounded::encode("part", value).unwrap()
}

fn key(context: &str, more: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Hasher::new_derive_key(context);
    hasher.update(&[0xe0; 32]).update(&golden::classroom().0);
    for part in more {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

fn key_id() -> [u8; 32] {
    blake3::derive_key("meridian 2026-11 v1 epoch key id", &[0xe0; 32])
}

fn seal(key: &[u8; 32], body: &[u8], data: &[u8]) -> Vec<u8> {
    XChaCha20Poly1305::new(key.into())
        .encrypt(&XNonce::from([7; 24]), Payload { msg: body, aad: data })
        .unwrap()
}
