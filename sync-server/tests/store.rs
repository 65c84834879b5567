//! What every store must do, run on each there is.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::Arc;

use getrandom::SysRng;
use protocol::identity::{MemberKeys, Seed};
use protocol::key::EpochKey;
use protocol::rand_core::UnwrapErr;
use protocol::segment::{Header, Kind, Log, Segment};
use protocol::{ClassroomId, DocumentId, EntryHash, LaneId, SegmentHash, SpaceId};
use sync_server::Error;
use sync_server::store::memory::Failure;
use sync_server::store::{Item, Memory, Placed, Sqlite, Store, Tail};

#[test]
fn sqlite_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conforms(&mut || Box::new(Sqlite::open(&folder.path().join("store")).unwrap()));
}

#[test]
fn memory_conforms() {
    let memory = Memory::new(7);
    conforms(&mut || Box::new(memory.clone()));
}

#[test]
fn memory_fails_as_told_and_forgets_whole_batches() {
    let classroom = ClassroomId([1; 32]);
    let memory = Memory::new(7);
    let commit = |position, content| memory.commit(&[(classroom, entry(position, content))]);
    commit(1, 1).unwrap();
    let backup = memory.copy();
    memory.fail(Failure::Full);
    memory.fail(Failure::Unreported);
    assert!(commit(2, 2).is_err());
    assert_eq!(memory.last(&classroom).unwrap(), Some(1));
    assert!(commit(2, 2).is_err());
    assert_eq!(memory.last(&classroom).unwrap(), Some(2));
    commit(3, 3).unwrap();
    assert_eq!((memory.batches(), backup.batches()), (3, 1));
    memory.rewind(2);
    assert_eq!(memory.entries(&classroom).unwrap(), [vec![1; 40], vec![2; 40]]);
    commit(3, 4).unwrap();
    assert_eq!(memory.page(&classroom, 2, 1000).unwrap()[0], *entry(3, 4));
    memory.rewind(0);
    assert_eq!(memory.last(&classroom).unwrap(), None);
    assert_eq!(backup.entries(&classroom).unwrap(), [vec![1; 40]]);
}

#[test]
fn sqlite_leaves_a_newer_store_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    drop(Sqlite::open(&path).unwrap());
    set_version(&path, 99);
    assert!(matches!(
        Sqlite::open(&path),
        Err(Error::NewerStore { found: 99, known: 1 })
    ));
}

fn set_version(path: &Path, version: i64) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.pragma_update(None, "user_version", version).unwrap();
}

/// `open` opens the same store again and again; it is empty at first.
fn conforms(open: &mut dyn FnMut() -> Box<dyn Store>) {
    let (one, other, none) = (ClassroomId([1; 32]), ClassroomId([2; 32]), ClassroomId([3; 32]));
    let segments = segments(one, 5);
    let log = segments[0].1.header.log;
    let store = open();
    let incarnation = store.incarnation();
    store.check().unwrap();
    assert_eq!(store.last(&one).unwrap(), None);
    assert!(store.entries(&one).unwrap().is_empty());
    assert!(store.page(&one, 0, 1000).unwrap().is_empty());

    // One commit for several classrooms.
    let founding = entry(1, 1);
    let first = [
        (one, Arc::clone(&founding)),
        (other, entry(1, 2)),
        (one, segment(2, &segments[0])),
        (one, segment(3, &segments[1])),
        (one, entry(4, 3)),
    ];
    store.commit(&first).unwrap();
    store.commit(&[(one, segment(5, &segments[2]))]).unwrap();
    assert_eq!(store.last(&one).unwrap(), Some(5));
    assert_eq!(store.last(&other).unwrap(), Some(1));

    // All or nothing: positions and indices are given once.
    for wrong in [
        vec![(one, segment(6, &segments[3])), (one, segment(6, &segments[4]))],
        vec![(one, segment(6, &segments[3])), (one, segment(7, &segments[3]))],
        vec![(one, segment(6, &segments[3])), (one, segment(5, &segments[4]))],
    ] {
        assert!(store.commit(&wrong).is_err());
        assert_eq!(store.last(&one).unwrap(), Some(5));
        assert_eq!(store.tail(&one, &log).unwrap().unwrap().index, 2);
    }

    // Everything comes back, also after opening again.
    drop(store);
    let store = open();
    assert_eq!(store.incarnation(), incarnation);
    let Item::Entry { bytes, .. } = &founding.item else {
        unreachable!("an entry");
    };
    assert_eq!(store.entries(&one).unwrap(), [bytes.clone(), vec![3; 40]]);
    let wanted: Vec<Placed> = first
        .iter()
        .filter(|(classroom, _)| *classroom == one)
        .map(|(_, placed)| placed.as_ref().clone())
        .chain([segment(5, &segments[2]).as_ref().clone()])
        .collect();
    assert_eq!(store.page(&one, 0, usize::MAX).unwrap(), wanted);
    assert_eq!(store.page(&one, 3, usize::MAX).unwrap(), wanted[3..]);
    assert_eq!(store.page(&one, 5, usize::MAX).unwrap(), []);
    // A page is never empty while there is more, and stops when it is full.
    assert_eq!(store.page(&one, 0, 0).unwrap(), wanted[..1]);
    assert_eq!(
        store.page(&one, 1, wanted[1].item.size() + 1).unwrap(),
        wanted[1..3]
    );
    assert!(store.page(&none, 0, usize::MAX).unwrap().is_empty());

    assert_eq!(
        store.tail(&one, &log).unwrap(),
        Some(Tail {
            index: 2,
            hash: segments[2].0
        })
    );
    assert_eq!(store.tail(&other, &log).unwrap(), None);
    let lane = LaneId([0; 16]);
    assert_eq!(store.tail(&one, &Log { lane, ..log }).unwrap(), None);
    assert_eq!(store.segment(&one, &log, 1).unwrap(), Some(segments[1].0));
    assert_eq!(store.segment(&one, &log, 3).unwrap(), None);
    assert_eq!(store.segment(&other, &log, 1).unwrap(), None);
}

fn entry(position: u64, content: u8) -> Arc<Placed> {
    Arc::new(Placed {
        position,
        item: Item::Entry {
            hash: EntryHash([content; 32]),
            bytes: vec![content; 40],
        },
    })
}

fn segment(position: u64, (hash, segment): &(SegmentHash, Segment)) -> Arc<Placed> {
    Arc::new(Placed {
        position,
        item: Item::Segment {
            hash: *hash,
            segment: Box::new(segment.clone()),
        },
    })
}

/// The first segments of one log.
fn segments(classroom: ClassroomId, count: u64) -> Vec<(SegmentHash, Segment)> {
    let mut rng = UnwrapErr(SysRng);
    let keys = MemberKeys::from_seed(&Seed::random(&mut rng)).unwrap();
    let key = EpochKey::random(&mut rng);
    let mut previous = SegmentHash::NONE;
    (0..count)
        .map(|index| {
            let header = Header {
                kind: Kind::Run,
                log: Log {
                    document: DocumentId([4; 16]),
                    member: keys.id(),
                    lane: LaneId([5; 16]),
                },
                first: index,
                last: index,
                space: SpaceId::EVERYONE,
                epoch: 0,
                roster: vec![EntryHash(classroom.0)],
            };
            let changes = [vec![index as u8 + 1; 30]];
            let segment =
                Segment::seal(&keys, &classroom, header, previous, &key, &changes, &mut rng).unwrap();
            previous = segment.hash(&classroom).unwrap();
            (previous, segment)
        })
        .collect()
}
