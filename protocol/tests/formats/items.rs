//! The written files of folds, snapshots, verdicts, receipts and bundles.

use protocol::attachment::{Chunk, DocumentChunk};
use protocol::bundle::{Counts, Event, Kind as Record, Reader, Writer};
use protocol::receipt::{self, Receipt, Seen};
use protocol::segment::{Body, Header, Kind, Log, Segment};
use protocol::snapshot::{self, Piece, Snapshot, coverage};
use protocol::verdict::{Statement, Verdict};
use protocol::{DocumentId, EntryHash, SegmentHash, SpaceId};

use crate::example::{DOCUMENT, LANE, Stream, epoch_key, header, person};
use crate::golden::{classroom, read, write};

pub(crate) const BUNDLE: &[u8] = b"both changes of the first, and the next one";
pub(crate) const SAVED: &[u8] = b"the whole document, saved";

/// In the order in which they stand in the written bundle.
pub(crate) const RECORDS: [(Record, &str); 9] = [
    (Record::Entry, "roster-found"),
    (Record::Entry, "roster-invite"),
    (Record::Entry, "roster-admit"),
    (Record::Segment, "segment-first"),
    (Record::Segment, "segment-next"),
    (Record::Piece, "snapshot-piece"),
    (Record::Snapshot, "snapshot"),
    (Record::Verdict, "verdict"),
    (Record::Receipt, "receipt"),
];

pub(crate) fn log() -> Log {
    Log {
        document: DOCUMENT,
        member: person(2).id(),
        lane: LANE,
    }
}

fn heads() -> Vec<EntryHash> {
    vec![
        protocol::roster::Entry::decode(&read("roster-admit"))
            .unwrap()
            .hash(),
    ]
}

/// The hash of the last of the two written segments, which the fold covers.
fn last_hash() -> SegmentHash {
    let next = Segment::decode(&read("segment-next")).unwrap();
    next.hash(&classroom()).unwrap()
}

pub(crate) fn fold(bundle: &[u8]) -> Segment {
    let header = Header {
        kind: Kind::Fold { covered: last_hash() },
        last: 1,
        ..header(log(), 0, heads()[0])
    };
    Segment::seal_fold(
        &person(2),
        &classroom(),
        header,
        SegmentHash::NONE,
        &epoch_key(),
        bundle.to_vec(),
        &mut Stream::new("fold"),
    )
    .unwrap()
}

pub(crate) fn snapshot(saved: &[u8]) -> (Snapshot, Vec<Piece>) {
    let header = snapshot::Header {
        document: DOCUMENT,
        member: person(1).id(),
        space: SpaceId::EVERYONE,
        epoch: 0,
        roster: heads(),
        covers: coverage(&DOCUMENT, [(log(), 2, last_hash())]),
    };
    let mut rng = Stream::new("snapshot");
    Snapshot::seal(&person(1), &classroom(), header, &epoch_key(), saved, &mut rng).unwrap()
}

pub(crate) fn verdict(matches: bool) -> Verdict {
    let statement = Statement {
        document: DOCUMENT,
        snapshot: snapshot(SAVED).0.hash(&classroom()).unwrap(),
        member: person(2).id(),
        roster: heads(),
        matches,
    };
    Verdict::sign(&person(2), &classroom(), statement).unwrap()
}

pub(crate) fn receipt(seen: Vec<Seen>) -> Result<Receipt, protocol::Error> {
    let header = receipt::Header {
        member: person(2).id(),
        space: SpaceId::EVERYONE,
        epoch: 0,
        roster: heads(),
        count: 300,
    };
    let mut rng = Stream::new("receipt");
    Receipt::seal(&person(2), &classroom(), header, &epoch_key(), seen, &mut rng)
}

fn seen() -> Vec<Seen> {
    let one = |document, heads| Seen { document, heads };
    vec![
        one(DOCUMENT, vec![[0x5e; 32], [0x5f; 32]]),
        one(DocumentId([0xd1; 16]), Vec::new()),
    ]
}

/// What the written bundle with a chunk holds.
fn with_chunk() -> [(Record, Vec<u8>); 2] {
    let chunk = DocumentChunk {
        document: DOCUMENT,
        chunk: Chunk::decode(read("attachment-chunk")).unwrap(),
    };
    [
        (Record::Entry, read("roster-found")),
        (Record::Chunk, chunk.encode()),
    ]
}

fn bundle_with_chunk() -> Vec<u8> {
    let (mut writer, mut bytes) = Writer::begin();
    for (kind, item) in with_chunk() {
        bytes.extend(writer.record(&classroom(), kind, &item).unwrap());
    }
    bytes.extend(writer.end().unwrap());
    bytes
}

pub(crate) fn bundle() -> Vec<u8> {
    let (mut writer, mut bytes) = Writer::begin();
    for (kind, name) in RECORDS {
        bytes.extend(writer.record(&classroom(), kind, &read(name)).unwrap());
    }
    bytes.extend(writer.end().unwrap());
    bytes
}

pub(crate) fn write_all() {
    write("segment-fold", &fold(BUNDLE).encode().unwrap());
    let (snapshot, pieces) = snapshot(SAVED);
    write("snapshot", &snapshot.encode().unwrap());
    write("snapshot-piece", pieces[0].as_bytes());
    write("verdict", &verdict(true).encode().unwrap());
    write("receipt", &receipt(seen()).unwrap().encode().unwrap());
    write("bundle", &bundle());
    write("bundle-chunk", &bundle_with_chunk());
}

pub(crate) fn check() {
    let fold = Segment::decode(&read("segment-fold")).unwrap();
    assert_eq!(fold.encode().unwrap(), read("segment-fold"));
    assert_eq!((fold.header.first, fold.header.last), (0, 1));
    assert_eq!(fold.header.kind.covered(), Some(last_hash()));
    assert_eq!(fold.chain_hash(&classroom()), Ok(last_hash()));
    assert_ne!(fold.verify(&classroom()).unwrap(), last_hash());
    assert_eq!(
        fold.open(&classroom(), &epoch_key()),
        Ok(Body::Bundle(BUNDLE.to_vec()))
    );

    let snapshot = Snapshot::decode(&read("snapshot")).unwrap();
    assert_eq!(snapshot.encode().unwrap(), read("snapshot"));
    assert_eq!(snapshot.verify(&classroom()), snapshot.hash(&classroom()));
    assert_eq!(snapshot.header.member, person(1).id());
    let covered = snapshot.header.covered(&log()).unwrap();
    assert_eq!((covered.next, covered.hash), (2, last_hash()));
    let piece = Piece::decode(read("snapshot-piece")).unwrap();
    assert_eq!(snapshot.pieces(), [piece.hash()]);
    assert_eq!(
        snapshot.open(&classroom(), &epoch_key(), &[piece]),
        Ok(SAVED.to_vec())
    );

    let verdict = Verdict::decode(&read("verdict")).unwrap();
    assert_eq!(verdict.encode().unwrap(), read("verdict"));
    verdict.verify(&classroom()).unwrap();
    assert!(verdict.statement.matches);
    assert_eq!(Ok(verdict.statement.snapshot), snapshot.hash(&classroom()));

    let receipt = Receipt::decode(&read("receipt")).unwrap();
    assert_eq!(receipt.encode().unwrap(), read("receipt"));
    assert_eq!(receipt.verify(&classroom()), receipt.hash(&classroom()));
    assert_eq!(receipt.header.count, 300);
    assert_eq!(receipt.open(&classroom(), &epoch_key()), Ok(seen()));

    assert_eq!(bundle(), read("bundle"));
    let mut reader = Reader::new();
    reader.push(&read("bundle"));
    let events: Vec<Event> = reader.by_ref().collect();
    let expected = RECORDS.map(|(kind, name)| Event::Record {
        classroom: classroom(),
        kind,
        item: read(name),
    });
    assert_eq!(events, expected);
    let summary = reader.finish();
    assert!(summary.complete, "{summary:?}");
    assert_eq!((summary.version, summary.records.total()), (Some(1), 9));

    assert_eq!(bundle_with_chunk(), read("bundle-chunk"));
    let mut reader = Reader::new();
    reader.push(&read("bundle-chunk"));
    let events: Vec<Event> = reader.by_ref().collect();
    let expected = with_chunk().map(|(kind, item)| Event::Record {
        classroom: classroom(),
        kind,
        item,
    });
    assert_eq!(events, expected);
    let summary = reader.finish();
    assert!(summary.complete, "{summary:?}");
    // As whoever knows nothing of chunks counts them.
    let counts = Counts {
        entries: 1,
        others: 1,
        ..Counts::default()
    };
    assert_eq!(summary.records, counts);
}
