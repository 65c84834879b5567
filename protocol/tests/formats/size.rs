//! What one keystroke costs each receiver.

use protocol::SegmentHash;
use protocol::frame::{self, RelayFrame};
use protocol::rand_core::TryRng as _;
use protocol::wire::Packer;

use crate::example::{Stream, example};

/// The most bytes of the whole frame, once the log is known to the receiver.
const BUDGET: usize = 260;

/// An Automerge change of one keystroke, alone in its flush, has about this many bytes.
const CHANGE: usize = 125;

#[test]
fn a_keystroke_stays_within_its_budget() {
    let example = example();
    let mut change = vec![0; CHANGE];
    let Ok(()) = Stream::new("keystroke").try_fill_bytes(&mut change);
    let mut packer = Packer::default();
    let mut previous = SegmentHash::NONE;
    let sizes = [0, 1, 2].map(|index| {
        let segment = example.segment(index, previous, &[change.clone()]);
        previous = segment.hash(&example.classroom()).unwrap();
        frame::encode(&RelayFrame::Segment {
            channel: 1,
            advance: 1,
            segment: Box::new(packer.pack(&segment, previous)),
        })
        .unwrap()
        .len()
    });
    println!(
        "a keystroke of {CHANGE} bytes: {} bytes the first time, then {} (budget {BUDGET})",
        sizes[0], sizes[1]
    );
    // What remains of a segment, and of its frame: number, channel, advance, number of the log, nonce, length, padded
    // change, tag, signature.
    assert_eq!(sizes[1], 1 + 1 + 1 + 2 + 24 + 2 + 128 + 16 + 64);
    assert_eq!(sizes[2], sizes[1]);
    assert!(sizes[1] <= BUDGET);
    // The rest of the header, once: kind, log, indices, space, epoch, one roster head, previous hash.
    assert_eq!(sizes[0] - sizes[1], 1 + 64 + 2 + 16 + 1 + 33 + 32);
}
