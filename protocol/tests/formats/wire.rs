//! Packing and unpacking: what is not sent is restored.

use proptest::collection::vec;
use proptest::prelude::*;
use protocol::bounded::Bytes;
use protocol::frame::{self, ClientFrame};
use protocol::segment::{Kind, Log, MAX_INDEX, Segment};
use protocol::wire::{MAX_LOGS, Packer, Unpacker, WireSegment};
use protocol::{ClassroomId, EntryHash, LaneId, MemberId, SegmentHash, Signature};

use crate::example::{DOCUMENT, header};

const CLASSROOM: ClassroomId = ClassroomId([0xcc; 32]);
const AUTHOR: MemberId = MemberId([0xab; 32]);

/// The logs of one sender, as far as they got.
#[derive(Default)]
struct Logs(std::collections::HashMap<u32, (u64, SegmentHash)>);

impl Logs {
    /// The next segment of log `number`. Packing does not look at signatures, so this one is not signed.
    fn next(&mut self, number: u32, roster: u8) -> (Segment, SegmentHash) {
        let mut lane = [0; 16];
        lane[..4].copy_from_slice(&number.to_be_bytes());
        let log = Log {
            document: DOCUMENT,
            member: AUTHOR,
            lane: LaneId(lane),
        };
        let (index, previous) = self.0.get(&number).copied().unwrap_or((0, SegmentHash::NONE));
        let segment = Segment {
            header: header(log, index, EntryHash([roster; 32])),
            previous,
            nonce: [number as u8; 24],
            sealed: Bytes::new("body", vec![index as u8; 16]).unwrap(),
            signature: Signature::from_bytes([7; 64]),
        };
        let hash = segment.hash(&CLASSROOM).unwrap();
        self.0.insert(number, (index + 1, hash));
        (segment, hash)
    }
}

/// Sends through bytes, as a connection does, and answers with how many there were.
fn send(packer: &mut Packer, unpacker: &mut Unpacker, segment: &Segment, hash: SegmentHash) -> usize {
    let bytes = frame::encode(&ClientFrame::Segment {
        channel: 0,
        segment: Box::new(packer.pack(segment, hash)),
    })
    .unwrap();
    let Some(Ok(ClientFrame::Segment { segment: wire, .. })) = frame::decode(&bytes).next() else {
        panic!("not the frame that was encoded");
    };
    assert_eq!(&unpacker.unpack(*wire, &CLASSROOM).unwrap(), segment);
    bytes.len()
}

proptest! {
    /// Few logs, some of them passed over (as when a connection begins in the middle of a log, or skips what the
    /// other side has), some with new roster heads.
    #[test]
    fn any_order_of_logs_is_restored(steps in vec((0u32..6, 0u8..8, prop::bool::weighted(0.8)), 1..200)) {
        let (mut packer, mut unpacker, mut logs) = (Packer::default(), Unpacker::default(), Logs::default());
        for (log, roster, sent) in steps {
            let (segment, hash) = logs.next(log, roster / 7);
            if sent {
                send(&mut packer, &mut unpacker, &segment, hash);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn more_logs_than_numbers_are_restored(steps in vec(0u32..u32::from(MAX_LOGS) + 40, 2000..2500)) {
        let (mut packer, mut unpacker, mut logs) = (Packer::default(), Unpacker::default(), Logs::default());
        for log in steps {
            let (segment, hash) = logs.next(log, 0);
            send(&mut packer, &mut unpacker, &segment, hash);
        }
    }
}

/// After a fold the log goes on as after the last segment that it covers: what follows need not be told.
#[test]
fn a_run_after_a_fold_is_short() {
    let (mut packer, mut unpacker, mut logs) = (Packer::default(), Unpacker::default(), Logs::default());
    let (first, hash) = logs.next(0, 0);
    send(&mut packer, &mut unpacker, &first, hash);
    let (next, covered) = logs.next(0, 0);
    let mut fold = first;
    fold.header.kind = Kind::Fold { covered };
    fold.header.last = next.header.last;
    let hash = fold.hash(&CLASSROOM).unwrap();
    assert!(send(&mut packer, &mut unpacker, &fold, hash) > 200);
    let (after, hash) = logs.next(0, 0);
    assert_eq!(after.previous, covered);
    assert!(send(&mut packer, &mut unpacker, &after, hash) < 120);
}

#[test]
fn numbers_are_used_again_when_all_are_taken() {
    let (mut packer, mut unpacker, mut logs) = (Packer::default(), Unpacker::default(), Logs::default());
    let mut one = |log| {
        let (segment, hash) = logs.next(log, 0);
        send(&mut packer, &mut unpacker, &segment, hash)
    };
    let all = u32::from(MAX_LOGS);
    let defined = one(0);
    for log in 1..all {
        one(log);
    }
    let short = one(0);
    assert!(short < 120 && defined > 200, "{short} and {defined} bytes");
    // One more than there are numbers takes the place of the first; the second is still known.
    one(all);
    assert!(one(1) < 120);
    assert!(one(0) > 200);
    // And the first, once it was pushed out, takes the place of the second, not its own one again.
    assert!(one(all) < 120);
    assert!(one(1) > 200);
}

/// A segment frame whose heading is written by hand.
fn wire(heading: &[u8]) -> WireSegment {
    let bytes = [heading, &[0; 24], &[16], &[0; 16], &[0; 64]].concat();
    protocol::bounded::decode("segment", &bytes).unwrap()
}

#[test]
fn a_number_that_was_never_defined_is_an_error() {
    assert!(Unpacker::default().unpack(wire(&[0, 5]), &CLASSROOM).is_err());
}

#[test]
fn a_log_that_is_full_has_no_next_segment() {
    let log = Log {
        document: DOCUMENT,
        member: AUTHOR,
        lane: LaneId([0; 16]),
    };
    let define = |number: &[u8], index| {
        let head = header(log, index, EntryHash([0; 32]));
        let head = protocol::bounded::encode("header", &head).unwrap();
        wire(&[&[1], number, &head, &[9; 32]].concat())
    };
    let mut unpacker = Unpacker::default();
    unpacker.unpack(define(&[5], MAX_INDEX - 1), &CLASSROOM).unwrap();
    unpacker.unpack(wire(&[0, 5]), &CLASSROOM).unwrap();
    assert!(unpacker.unpack(wire(&[0, 5]), &CLASSROOM).is_err());
    // 1023 is the last number, 1024 one too many.
    assert!(unpacker.unpack(define(&[0xff, 0x07], 1), &CLASSROOM).is_ok());
    assert!(unpacker.unpack(define(&[0x80, 0x08], 1), &CLASSROOM).is_err());
}
