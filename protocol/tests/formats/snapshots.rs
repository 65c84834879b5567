//! Folds, snapshots, verdicts and receipts: they open to what was sealed, at their place only, and no byte of them can
//! be changed unnoticed.

use proptest::collection::vec;
use proptest::prelude::*;
use protocol::key::EpochKey;
use protocol::receipt::{MAX_DOCUMENT_HEADS, MAX_DOCUMENTS, MAX_RECEIPT, Receipt, Seen};
use protocol::segment::{Body, Kind, Log, MAX_COVERED, MAX_INDEX, Segment};
use protocol::snapshot::{self, MAX_PIECE, PIECE_BODY, Piece, Snapshot, coverage};
use protocol::verdict::{Statement, Verdict};
use protocol::{ClassroomId, DocumentId, EntryHash, Error, LaneId, MemberId, SegmentHash, SpaceId};

use crate::example::{DOCUMENT, Stream, epoch_key, example, person};
use crate::golden::classroom;
use crate::items::{BUNDLE, fold, log, receipt, snapshot, verdict};

const ELSEWHERE: ClassroomId = ClassroomId([9; 32]);

fn other_key() -> EpochKey {
    EpochKey::from_bytes([1; 32])
}

fn seen() -> impl Strategy<Value = Vec<Seen>> {
    let one = (any::<[u8; 16]>(), vec(any::<[u8; 32]>(), 0..=MAX_DOCUMENT_HEADS));
    vec(
        one.prop_map(|(document, heads)| Seen {
            document: DocumentId(document),
            heads,
        }),
        0..40,
    )
}

proptest! {
    #[test]
    fn a_fold_opens_to_its_bundle(bundle in vec(any::<u8>(), 1..3000)) {
        let segment = Segment::decode(&fold(&bundle).encode().unwrap()).unwrap();
        prop_assert!(segment.verify(&classroom()).is_ok());
        prop_assert_eq!(segment.open(&classroom(), &epoch_key()), Ok(Body::Bundle(bundle)));
    }

    #[test]
    fn a_receipt_opens_to_what_was_seen(seen in seen()) {
        let receipt = Receipt::decode(&receipt(seen.clone()).unwrap().encode().unwrap()).unwrap();
        prop_assert!(receipt.verify(&classroom()).is_ok());
        prop_assert_eq!(receipt.open(&classroom(), &epoch_key()), Ok(seen));
    }

    #[test]
    fn coverage_is_in_order_whatever_order_it_is_told_in(
        logs in vec((0..4u8, 0..4u8, 0..5u64), 0..30),
    ) {
        let told = logs.iter().map(|&(member, lane, next)| {
            let log = Log { document: DOCUMENT, member: MemberId([member; 32]), lane: LaneId([lane; 16]) };
            (log, next, SegmentHash([next as u8; 32]))
        });
        let covers = coverage(&DOCUMENT, told.clone());
        let header = snapshot::Header { covers, ..snapshot(b"").0.header };
        let mut rng = Stream::new("snapshot");
        let (sealed, _) =
            Snapshot::seal(&person(1), &classroom(), header, &epoch_key(), b"", &mut rng).unwrap();
        for (log, ..) in told.clone() {
            let most = told.clone().filter(|(other, ..)| *other == log).map(|(_, next, _)| next).max();
            let covered = sealed.header.covered(&log).map(|lane| lane.next);
            prop_assert_eq!(covered, most.filter(|next| *next > 0));
            let elsewhere = Log { document: DocumentId([1; 16]), ..log };
            prop_assert!(sealed.header.covered(&elsewhere).is_none());
        }
        prop_assert!(sealed.header.logs().all(|(log, lane)| sealed.header.covered(&log) == Some(lane)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_snapshot_opens_to_what_was_saved(
        length in prop_oneof![0..3000usize, (PIECE_BODY - 20)..(PIECE_BODY + 20), 0..3 * PIECE_BODY],
        byte: u8,
    ) {
        let saved = vec![byte; length];
        let (snapshot, pieces) = snapshot(&saved);
        let snapshot = Snapshot::decode(&snapshot.encode().unwrap()).unwrap();
        prop_assert!(snapshot.verify(&classroom()).is_ok());
        let pieces: Vec<Piece> = pieces
            .into_iter()
            .map(|piece| Piece::decode(piece.into_bytes()).unwrap())
            .collect();
        prop_assert!(pieces.iter().all(|piece| piece.as_bytes().len() <= MAX_PIECE));
        prop_assert_eq!(snapshot.open(&classroom(), &epoch_key(), &pieces), Ok(saved));
    }
}

#[test]
fn a_log_goes_on_after_its_fold_as_after_what_it_covers() {
    let segment = fold(BUNDLE);
    let last = example().segment(
        1,
        example()
            .segment(0, SegmentHash::NONE, &[])
            .hash(&classroom())
            .unwrap(),
        &[],
    );
    assert_eq!(last.chain_hash(&classroom()), last.hash(&classroom()));
    assert_eq!(
        segment.chain_hash(&classroom()).ok(),
        segment.header.kind.covered()
    );
    assert_ne!(segment.chain_hash(&classroom()), segment.hash(&classroom()));
}

#[test]
fn a_fold_has_the_shape_of_one() {
    let good = fold(BUNDLE);
    type Change = fn(&mut Segment);
    let bent: [(&str, Change); 6] = [
        ("it ends before it begins", |it| {
            (it.header.first, it.header.last) = (2, 1);
            it.previous = SegmentHash([1; 32]);
        }),
        ("it takes the log to its very end", |it| it.header.last = u64::MAX),
        ("it ends where no store counts to", |it| {
            (it.header.first, it.header.last) = (MAX_INDEX, MAX_INDEX + 1);
            it.previous = SegmentHash([1; 32]);
        }),
        ("it covers more than a fold may", |it| {
            it.header.last = MAX_COVERED;
        }),
        ("it covers nothing", |it| {
            it.header.kind = Kind::Fold {
                covered: SegmentHash::NONE,
            };
        }),
        ("a first one after another", |it| {
            it.previous = SegmentHash([1; 32]);
        }),
    ];
    for (what, bend) in bent {
        let mut other = good.clone();
        bend(&mut other);
        assert_eq!(
            Segment::decode(&other.encode().unwrap()),
            Err(Error::Malformed("segment")),
            "{what}"
        );
    }
    let mut largest = good.clone();
    largest.header.last = MAX_COVERED - 1;
    assert!(Segment::decode(&largest.encode().unwrap()).is_ok());
    // A run is not sealed as a fold, nor a fold as a run.
    let (keys, header) = (person(2), good.header);
    let run = example().segment(0, SegmentHash::NONE, &[]).header;
    let mut rng = Stream::new("fold");
    let (none, key) = (SegmentHash::NONE, epoch_key());
    let wrong = Segment::seal(&keys, &classroom(), header, none, &key, &[], &mut rng);
    assert_eq!(wrong, Err(Error::Malformed("run")));
    let wrong = Segment::seal_fold(&keys, &classroom(), run, none, &key, vec![1], &mut rng);
    assert_eq!(wrong, Err(Error::Malformed("fold")));
}

#[test]
fn what_a_fold_covers_is_signed_and_sealed_with_it() {
    let mut other = fold(BUNDLE);
    other.header.kind = Kind::Fold {
        covered: SegmentHash([1; 32]),
    };
    assert_eq!(other.verify(&classroom()), Err(Error::BadSignature("segment")));
    assert_eq!(
        other.open(&classroom(), &epoch_key()),
        Err(Error::CannotOpen("segment"))
    );
}

#[test]
fn pieces_are_those_of_their_snapshot_in_their_order() {
    let (snapshot, pieces) = snapshot(&vec![7; 2 * PIECE_BODY]);
    assert_eq!(pieces.len(), 3);
    let open = |pieces: &[Piece]| snapshot.open(&classroom(), &epoch_key(), pieces);
    assert!(open(&pieces).is_ok());
    let missing = |index: usize| Err(Error::MissingPiece(pieces[index].hash()));
    assert_eq!(open(&pieces[..2]), missing(2));
    assert_eq!(open(&pieces[1..]), missing(0));
    let mut swapped = pieces.clone();
    swapped.swap(0, 1);
    assert_eq!(open(&swapped), missing(0));
}

#[test]
fn a_snapshot_and_a_receipt_open_at_their_place_only() {
    let (snapshot, pieces) = snapshot(b"saved");
    let failed = Err(Error::CannotOpen("snapshot"));
    assert_eq!(snapshot.open(&ELSEWHERE, &epoch_key(), &pieces), failed);
    assert_eq!(snapshot.open(&classroom(), &other_key(), &pieces), failed);
    assert!(snapshot.verify(&ELSEWHERE).is_err());
    let mut moved = snapshot.clone();
    moved.header.document = DocumentId([1; 16]);
    assert_eq!(moved.open(&classroom(), &epoch_key(), &pieces), failed);
    assert!(moved.verify(&classroom()).is_err());

    let receipt = receipt(Vec::new()).unwrap();
    let failed = Err(Error::CannotOpen("receipt"));
    assert_eq!(receipt.open(&ELSEWHERE, &epoch_key()), failed);
    assert_eq!(receipt.open(&classroom(), &other_key()), failed);
    assert!(receipt.verify(&ELSEWHERE).is_err());
    type Change = fn(&mut Receipt);
    let changes: [Change; 5] = [
        |it| it.header.member = person(1).id(),
        |it| it.header.space = SpaceId([1; 16]),
        |it| it.header.epoch = 1,
        |it| it.header.roster.push(EntryHash([1; 32])),
        |it| it.header.count += 1,
    ];
    for change in changes {
        let mut other = receipt.clone();
        change(&mut other);
        assert_eq!(other.open(&classroom(), &epoch_key()), failed);
        assert!(other.verify(&classroom()).is_err());
    }
}

#[test]
fn a_snapshot_out_of_order_is_neither_sealed_nor_read() {
    let header = snapshot(b"").0.header;
    let covered = header.covers[0].clone();
    let mut later = covered.clone();
    later.member = MemberId([0xff; 32]);
    type Change = Box<dyn Fn(&mut snapshot::Header)>;
    let bent: [(&str, Change); 7] = [
        ("no roster heads", Box::new(|it| it.roster.clear())),
        ("members out of order", {
            let both = vec![later, covered.clone()];
            Box::new(move |it| it.covers = both.clone())
        }),
        ("a member twice", {
            let both = vec![covered.clone(), covered];
            Box::new(move |it| it.covers = both.clone())
        }),
        (
            "a member without lanes",
            Box::new(|it| it.covers[0].lanes.clear()),
        ),
        ("nothing of a lane", Box::new(|it| it.covers[0].lanes[0].next = 0)),
        ("more of a lane than there can be", {
            Box::new(|it| it.covers[0].lanes[0].next = MAX_INDEX + 2)
        }),
        ("a lane twice", {
            Box::new(|it| {
                let lane = it.covers[0].lanes[0];
                it.covers[0].lanes.push(lane);
            })
        }),
    ];
    for (what, bend) in bent {
        let mut header = header.clone();
        bend(&mut header);
        let mut rng = Stream::new("snapshot");
        let sealed = Snapshot::seal(&person(1), &classroom(), header, &epoch_key(), b"", &mut rng);
        assert_eq!(sealed.err(), Some(Error::Malformed("snapshot")), "{what}");
    }
    assert!(snapshot(b"").0.header.covered(&log()).is_some());
}

#[test]
fn a_receipt_has_a_largest_body() {
    let one = Seen {
        document: DOCUMENT,
        heads: vec![[1; 32]],
    };
    // 49 bytes each, and the lengths.
    let most = (64 * 1024 - 6) / 49;
    let largest = receipt(vec![one.clone(); most]).unwrap();
    assert!(largest.encode().unwrap().len() <= MAX_RECEIPT);
    let too_many = [
        vec![one.clone(); most + 1],
        vec![
            Seen {
                heads: Vec::new(),
                ..one.clone()
            };
            MAX_DOCUMENTS + 1
        ],
        vec![Seen {
            heads: vec![[1; 32]; MAX_DOCUMENT_HEADS + 1],
            ..one
        }],
    ];
    for seen in too_many {
        assert!(matches!(receipt(seen), Err(Error::TooLarge { .. })));
    }
}

#[test]
fn a_verdict_is_its_members_own() {
    let matches = verdict(true);
    matches.verify(&classroom()).unwrap();
    assert!(matches.verify(&ELSEWHERE).is_err());
    let mut other = matches.clone();
    other.statement.matches = false;
    assert_eq!(other.verify(&classroom()), Err(Error::BadSignature("verdict")));
    assert_ne!(verdict(false), matches);
    let nobody = Statement {
        roster: Vec::new(),
        ..matches.statement
    };
    assert!(Verdict::sign(&person(2), &classroom(), nobody).is_err());
}

#[test]
fn saved_documents_of_like_size_look_alike() {
    let sizes = |length: usize| -> Vec<usize> {
        let (_, pieces) = snapshot(&vec![1; length]);
        pieces.iter().map(|piece| piece.as_bytes().len()).collect()
    };
    assert_eq!(sizes(300_000), sizes(300_100));
    assert_ne!(sizes(300_000), sizes(400_000));
}
