//! Decoding never allocates more than a small multiple of what came in, whatever lengths the bytes claim.
//!
//! Apart from the other tests, because it counts every allocation of its thread.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use allocation_counter::measure;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::ClassroomId;
use protocol::attachment::{Chunk, DocumentChunk, Reference};
use protocol::bundle::{Event, MAX_PAYLOAD, Reader};
use protocol::frame::{self, ClientFrame, RelayFrame};
use protocol::identity::Seed;
use protocol::invite::InviteLink;
use protocol::receipt::Receipt;
use protocol::roster::Entry;
use protocol::segment::Segment;
use protocol::snapshot::{Piece, Snapshot};
use protocol::verdict::Verdict;
use protocol::whisper::Whisper;
use protocol::wire::Unpacker;

/// How many bytes all allocations of one decoding may add up to, growing vectors counted at each size they had.
fn allowed(input: usize) -> u64 {
    8 * input as u64 + 4096
}

/// Runs every decoder over `bytes` and fails if one allocates too much.
fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let address = format!("attachment:{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
    let decoders: [(&str, &dyn Fn()); 17] = [
        ("entry", &|| drop(Entry::decode(bytes))),
        ("segment", &|| drop(Segment::decode(bytes))),
        ("whisper", &|| drop(Whisper::decode(bytes))),
        ("snapshot", &|| drop(Snapshot::decode(bytes))),
        ("piece", &|| drop(Piece::decode(bytes.to_vec()))),
        ("verdict", &|| drop(Verdict::decode(bytes))),
        ("receipt", &|| drop(Receipt::decode(bytes))),
        ("chunk", &|| drop(Chunk::decode(bytes.to_vec()))),
        ("document's chunk", &|| {
            drop(DocumentChunk::decode(bytes.to_vec()));
        }),
        ("reference", &|| drop(Reference::parse(&address))),
        ("address", &|| drop(Reference::parse(&text))),
        ("bundle", &|| {
            let mut reader = Reader::new();
            reader.push(bytes);
            reader.by_ref().for_each(drop);
        }),
        ("client frames", &|| {
            frame::decode::<ClientFrame>(bytes).for_each(drop);
        }),
        ("relay frames", &|| {
            frame::decode::<RelayFrame>(bytes).for_each(drop);
        }),
        ("unpacker", &|| {
            let mut unpacker = Unpacker::default();
            for frame in frame::decode::<RelayFrame>(bytes) {
                if let Ok(RelayFrame::Segment { segment, .. }) = frame {
                    drop(unpacker.unpack(*segment, &ClassroomId([0; 32])));
                }
            }
        }),
        ("invite link", &|| drop(InviteLink::parse(&text))),
        ("login card", &|| drop(Seed::from_words(&text))),
    ];
    for (name, decode) in decoders {
        let spent = measure(decode).bytes_total;
        assert!(
            spent <= allowed(bytes.len()),
            "{name} allocated {spent} bytes for {} bytes {bytes:02x?}",
            bytes.len()
        );
    }
}

fn golden() -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "hex"))
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
            digits
                .chunks(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect()
        })
        .collect()
}

/// Lengths that lie, from a little too long to as long as they can be written.
const LENGTHS: [&[u8]; 5] = [
    &[0x7f],
    &[0xff, 0x7f],
    &[0xff, 0xff, 0xff, 0x7f],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
];

#[test]
fn counting_counts() {
    let spent = measure(|| drop(std::hint::black_box(vec![0u8; 10_000])));
    assert_eq!(spent.bytes_total, 10_000);
}

#[test]
fn valid_bytes_cost_little() {
    for bytes in golden() {
        check(&bytes);
    }
}

#[test]
fn a_lie_at_any_place_costs_little() {
    for bytes in golden() {
        for at in 0..bytes.len() {
            for length in LENGTHS {
                check(&[&bytes[..at], length, &bytes[at + 1..]].concat());
            }
        }
    }
}

/// Short messages that claim lists and bytes as long as can be: the constant part of the bound.
#[test]
fn a_short_lie_costs_little() {
    for first in 0..32 {
        for length in LENGTHS {
            for zeros in [0, 16, 32, 33, 64, 65] {
                let middle = vec![0; zeros];
                check(&[&[first], middle.as_slice(), length].concat());
                check(&[&[1, first], middle.as_slice(), length].concat());
            }
        }
    }
}

/// The largest message, full of the frames that grow most: the shortest ones, and lists as long as they may be.
#[test]
fn the_largest_message_costs_little() {
    let lists: Vec<u8> = {
        // Open: channel, classroom, no position, 32 heads, no invite.
        let open = [[1, 0].as_slice(), &[7; 32], &[0, 32], &[7; 32 * 32], &[0]].concat();
        open.repeat(frame::MAX_MESSAGE / open.len())
    };
    assert!(frame::decode::<ClientFrame>(&lists).filter(Result::is_ok).count() > 900);
    check(&lists);
    let pings = [7, 0].repeat(frame::MAX_MESSAGE / 2);
    assert_eq!(
        frame::decode::<ClientFrame>(&pings).filter(Result::is_ok).count(),
        frame::MAX_MESSAGE / 2
    );
    check(&pings);
    // A founding entry with as many keys as it may have.
    let content = [
        [0, 0].as_slice(),
        &[7; 32],
        &[0],
        &[7; 16 + 16 + 32 + 16],
        &[0x80, 0x02],
        &[7; 16 + 1 + 32 + 32 + 48].repeat(256),
    ]
    .concat();
    let length = [
        content.len() as u8 | 0x80,
        (content.len() >> 7) as u8 | 0x80,
        (content.len() >> 14) as u8,
    ];
    let entry = [&[1], length.as_slice(), &content, &[7; 64]].concat();
    assert!(Entry::decode(&entry).is_ok());
    check(&entry);
    // A reference with as many chunks as it may have.
    let length = [0x80, 0x80, 0x80, 0x08];
    let names = [7; 64 * 32];
    let reference = [[1].as_slice(), &[7; 32], &length, &[64], &names].concat();
    let address = format!("attachment:{}", BASE64_URL_SAFE_NO_PAD.encode(&reference));
    assert!(Reference::parse(&address).is_ok());
    check(&reference);
    check(address.as_bytes());
    check("a ".repeat(frame::MAX_MESSAGE / 2).as_bytes());
    check("A".repeat(frame::MAX_MESSAGE).as_bytes());
}

/// A file of records that claim as much as they may and hold nothing, or more than they may: a reader that gets it in
/// small parts never holds more than one record.
#[test]
fn a_bundle_is_read_in_bounded_memory() {
    let marker = [0xd3, b'M', b'E', b'R', b'I', b'\r', b'\n', 0x1a];
    let head = |length: u32| [marker.as_slice(), &[3], &[7; 32], &length.to_be_bytes()].concat();
    let hostile = [
        head(MAX_PAYLOAD as u32).repeat(100_000),
        [head(MAX_PAYLOAD as u32), vec![5; 4 * MAX_PAYLOAD]].concat(),
        [head(u32::MAX), vec![5; 4 * MAX_PAYLOAD]].concat(),
        vec![5; 4 * MAX_PAYLOAD],
    ];
    for file in hostile {
        let mut reader = Reader::new();
        let spent = measure(|| {
            for part in file.chunks(4096) {
                reader.push(part);
                assert!(!reader.by_ref().any(|event| matches!(event, Event::Record { .. })));
            }
        });
        // A buffer that grows to the next power of two is there twice while it is copied.
        assert!(
            spent.bytes_max <= 4 * MAX_PAYLOAD as u64,
            "{} bytes at once",
            spent.bytes_max
        );
        assert_eq!(reader.finish().damaged, file.len() as u64);
    }
}

proptest! {
    #[test]
    fn any_bytes_cost_little(version: bool, mut bytes in vec(any::<u8>(), 0..2000)) {
        if version {
            bytes.insert(0, 1);
        }
        check(&bytes);
    }
}
