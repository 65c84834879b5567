//! What every store must do, run on each there is.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use getrandom::SysRng;
use protocol::identity::{MemberKeys, Seed};
use protocol::inventory::LogState;
use protocol::key::EpochKey;
use protocol::rand_core::UnwrapErr;
use protocol::segment::{Header, Kind, Log, Segment};
use protocol::{
    ChunkHash, ClassroomId, DocumentId, EntryHash, LaneId, PieceHash, ReceiptHash, SegmentHash, SnapshotHash,
    SpaceId,
};
use sync_server::Error;
use sync_server::store::memory::Failure;
use sync_server::store::{
    CLAIM_BYTES, Change, Held, HeldPiece, Item, MAX_INDEX, Memory, Named, Placed, Sqlite, Store, Tail, Totals,
};

/// Seconds since 1970.
const NOW: u64 = 1_800_000_000;

#[test]
fn sqlite_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conforms(&mut || Box::new(Sqlite::open(&folder.path().join("store")).unwrap()));
    let store = Sqlite::open(&folder.path().join("store")).unwrap();
    bounds_conform(&store, 9);
    covered_conform(&store, ClassroomId([20; 32]));
    leaps_conform(&store, ClassroomId([21; 32]));
    chunks_conform(&store, ClassroomId([23; 32]));
}

#[test]
fn memory_conforms() {
    let memory = Memory::new(7);
    conforms(&mut || Box::new(memory.clone()));
    bounds_conform(&memory, 9);
    covered_conform(&memory, ClassroomId([20; 32]));
    leaps_conform(&memory, ClassroomId([21; 32]));
    chunks_conform(&memory, ClassroomId([23; 32]));
}

#[test]
fn memory_fails_as_told_and_forgets_whole_batches() {
    let classroom = ClassroomId([1; 32]);
    let memory = Memory::new(7);
    let commit = |position, content| memory.commit(&[(classroom, entry(position, content))], NOW);
    commit(1, 1).unwrap();
    let backup = memory.copy();
    memory.fail(Failure::Full);
    memory.fail(Failure::Unreported);
    let last = || memory.totals(&classroom).unwrap().map(|totals| totals.last);
    assert!(commit(2, 2).is_err());
    assert_eq!(last(), Some(1));
    assert!(commit(2, 2).is_err());
    assert_eq!(last(), Some(2));
    commit(3, 3).unwrap();
    assert_eq!((memory.batches(), backup.batches()), (3, 1));
    memory.rewind(2);
    assert_eq!(
        memory.entries(&classroom).unwrap(),
        [(1, vec![1; 40]), (2, vec![2; 40])]
    );
    commit(3, 4).unwrap();
    assert_eq!(memory.page(&classroom, 2, 1000).unwrap(), [placed(&entry(3, 4))]);
    memory.rewind(0);
    assert_eq!(last(), None);
    assert_eq!(backup.entries(&classroom).unwrap(), [(1, vec![1; 40])]);
}

#[test]
fn sqlite_leaves_a_newer_store_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    drop(Sqlite::open(&path).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    assert!(matches!(
        Sqlite::open(&path),
        Err(Error::NewerStore { found: 99, known: 5 })
    ));
}

/// What version 1 of the program left behind, made by its own schema.
#[test]
fn sqlite_takes_over_a_store_of_version_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let classroom = ClassroomId([1; 32]);
    let segments = segments(classroom, 3);
    let log = segments[0].1.header.log;
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection
        .execute_batch(include_str!("../src/store/sqlite/version_1.sql"))
        .unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    connection
        .execute("INSERT INTO relay (incarnation) VALUES (?1)", [[9u8; 8]])
        .unwrap();
    connection
        .execute("INSERT INTO classrooms VALUES (1, ?1, 4)", [classroom.0])
        .unwrap();
    connection
        .execute(
            "INSERT INTO logs VALUES (1, 1, ?1, ?2, ?3)",
            (log.document.0, log.member.0, log.lane.0),
        )
        .unwrap();
    let insert =
        "INSERT INTO items (classroom, position, log, log_index, hash, bytes) VALUES (1, ?1, ?2, ?3, ?4, ?5)";
    connection
        .execute(insert, (1, None::<i64>, None::<i64>, [1u8; 32], vec![1u8; 40]))
        .unwrap();
    for (index, (hash, segment)) in segments.iter().enumerate() {
        let index = index as i64;
        connection
            .execute(insert, (index + 2, 1, index, hash.0, segment.encode().unwrap()))
            .unwrap();
    }
    drop(connection);

    let store = Sqlite::open(&path).unwrap();
    assert_eq!(store.incarnation(), u64::from_be_bytes([9; 8]));
    let bytes: usize = segments
        .iter()
        .map(|(_, segment)| segment.encode().unwrap().len())
        .sum();
    let totals = Totals {
        last: 4,
        bytes: bytes as u64 + 40,
        covered: 0,
    };
    assert_eq!(store.totals(&classroom).unwrap(), Some(totals));
    assert_eq!(store.entries(&classroom).unwrap(), [(1, vec![1; 40])]);
    assert_eq!(
        store.documents(&classroom).unwrap(),
        [(log.document, SpaceId::EVERYONE)]
    );
    let hash = segments[2].0;
    assert_eq!(
        store.tail(&classroom, &log).unwrap(),
        Some(Tail { index: 2, hash })
    );
    let state = LogState {
        log,
        first: 0,
        next: 3,
        hash,
    };
    assert_eq!(store.logs(&classroom).unwrap(), [state]);
    let held = store.held(&classroom, &log, 1).unwrap().unwrap();
    assert_eq!((held.first, held.last), (1, 1));
    assert_eq!((held.hash, held.chain_hash), (segments[1].0, segments[1].0));
    let page = store.page(&classroom, 1, usize::MAX).unwrap();
    let wanted = segments
        .iter()
        .zip(2..)
        .map(|(pair, at)| placed(&segment(at, pair)));
    assert_eq!(page, wanted.collect::<Vec<_>>());
    // It goes on from there, and can give room back.
    let fold = fold(classroom, &segments, 0, 2);
    let changes = [
        (classroom, Change::RemoveSegments { log, from: 0, to: 2 }),
        (classroom, segment(5, &fold)),
    ];
    store.commit(&changes, NOW).unwrap();
    store.shrink(u64::MAX).unwrap();
    assert_eq!(
        store.page(&classroom, 1, usize::MAX).unwrap(),
        [placed(&segment(5, &fold))]
    );
    drop(store);
    let connection = rusqlite::Connection::open(&path).unwrap();
    let pragma = |name| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!((pragma("auto_vacuum"), pragma("user_version")), (2, 5));
}

/// What version 2 left behind: the same, with folds; nothing was kept of what they took the place of.
#[test]
fn sqlite_takes_over_a_store_of_version_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let classroom = ClassroomId([1; 32]);
    let segments = segments(classroom, 5);
    let log = segments[0].1.header.log;
    let folded = fold(classroom, &segments, 0, 2);
    let connection = rusqlite::Connection::open(&path).unwrap();
    for version in [
        include_str!("../src/store/sqlite/version_1.sql"),
        include_str!("../src/store/sqlite/version_2.sql"),
    ] {
        connection.execute_batch(version).unwrap();
    }
    connection.pragma_update(None, "user_version", 2).unwrap();
    connection
        .execute("INSERT INTO relay (incarnation) VALUES (?1)", [[9u8; 8]])
        .unwrap();
    let bytes = folded.1.encode().unwrap();
    let tail = (log.document.0, log.member.0, log.lane.0, segments[2].0.0);
    connection
        .execute(
            "INSERT INTO classrooms (number, id, last, bytes) VALUES (1, ?1, 1, ?2)",
            (classroom.0, bytes.len() as i64),
        )
        .unwrap();
    connection
        .execute("INSERT INTO logs VALUES (1, 1, ?1, ?2, ?3, 2, ?4)", tail)
        .unwrap();
    connection
        .execute(
            "INSERT INTO items (classroom, position, log, log_index, hash, bytes, kind, log_first, chain_hash, stored)
             VALUES (1, 1, 1, 2, ?1, ?2, 1, 0, ?3, 5)",
            (folded.0.0, bytes, segments[2].0.0),
        )
        .unwrap();
    drop(connection);
    let store = Sqlite::open(&path).unwrap();
    let (found, held) = store.fold(&classroom, &log.document, &folded.0).unwrap().unwrap();
    assert_eq!((found, held.first, held.last), (log, 0, 2));
    assert_eq!(store.totals(&classroom).unwrap().unwrap().covered, 0);
    assert!(store.covered(&classroom, &log, 0, 9).unwrap().is_empty());
    let next = fold(classroom, &segments, 0, 3);
    let changes = [
        (classroom, segment(2, &segments[3])),
        (classroom, Change::Cover { log, from: 0, to: 3 }),
        (classroom, segment(3, &next)),
    ];
    store.commit(&changes, NOW).unwrap();
    assert_eq!(store.covered(&classroom, &log, 0, 3).unwrap().len(), 2);
}

/// What version 3 left behind: nothing of attachments.
#[test]
fn sqlite_takes_over_a_store_of_version_3() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let classroom = ClassroomId([1; 32]);
    let connection = rusqlite::Connection::open(&path).unwrap();
    for version in [
        include_str!("../src/store/sqlite/version_1.sql"),
        include_str!("../src/store/sqlite/version_2.sql"),
        include_str!("../src/store/sqlite/version_3.sql"),
    ] {
        connection.execute_batch(version).unwrap();
    }
    connection.pragma_update(None, "user_version", 3).unwrap();
    connection
        .execute("INSERT INTO relay (incarnation) VALUES (?1)", [[9u8; 8]])
        .unwrap();
    connection
        .execute(
            "INSERT INTO classrooms (number, id, last, bytes) VALUES (1, ?1, 1, 40)",
            [classroom.0],
        )
        .unwrap();
    connection
        .execute(
            "INSERT INTO items (classroom, position, hash, bytes, kind, stored) VALUES (1, 1, ?1, ?2, 0, 5)",
            ([1u8; 32], vec![1u8; 40]),
        )
        .unwrap();
    drop(connection);
    assert!(matches!(
        Sqlite::open_read_only(&path),
        Err(Error::OlderStore { found: 3, known: 5 })
    ));
    let store = Sqlite::open(&path).unwrap();
    assert_eq!(store.entries(&classroom).unwrap(), [(1, vec![1; 40])]);
    assert_eq!(store.attached(&classroom).unwrap(), []);
    let change = chunk_of(DocumentId([1; 16]), 7);
    store.commit(&[(classroom, change)], NOW).unwrap();
    drop(store);
    let store = Sqlite::open_read_only(&path).unwrap();
    let found = store.chunk(&classroom, &ChunkHash([7; 32])).unwrap();
    assert_eq!(found, Some(vec![7; 30]));
    assert_eq!(
        store.totals(&classroom).unwrap().unwrap().bytes,
        40 + 30 + CLAIM_BYTES
    );
}

/// What version 4 left behind: whether something was erased was forgotten when it ended.
#[test]
fn sqlite_takes_over_a_store_of_version_4() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let connection = rusqlite::Connection::open(&path).unwrap();
    for version in [
        include_str!("../src/store/sqlite/version_1.sql"),
        include_str!("../src/store/sqlite/version_2.sql"),
        include_str!("../src/store/sqlite/version_3.sql"),
        include_str!("../src/store/sqlite/version_4.sql"),
    ] {
        connection.execute_batch(version).unwrap();
    }
    connection.pragma_update(None, "user_version", 4).unwrap();
    connection
        .execute("INSERT INTO relay (incarnation) VALUES (?1)", [[9u8; 8]])
        .unwrap();
    drop(connection);
    assert!(matches!(
        Sqlite::open_read_only(&path),
        Err(Error::OlderStore { found: 4, known: 5 })
    ));
    let store = Sqlite::open(&path).unwrap();
    assert_eq!(store.incarnation(), u64::from_be_bytes([9; 8]));
    let has_erased = || -> bool {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection
            .query_row("SELECT has_erased FROM relay", [], |row| row.get(0))
            .unwrap()
    };
    assert!(has_erased(), "nobody knows");
    // Nor is it written anew for that if it has more than may be, however often it is looked at.
    let store = (0..2).fold(store, |store, _| {
        store.shrink(1024).unwrap();
        assert!(has_erased(), "it was written anew");
        drop(store);
        Sqlite::open(&path).unwrap()
    });
    store.shrink(u64::MAX).unwrap();
    assert!(!has_erased());
}

/// `open` opens the same store again and again; it is empty at first.
fn conforms(open: &mut dyn FnMut() -> Box<dyn Store>) {
    let (one, other, none) = (ClassroomId([1; 32]), ClassroomId([2; 32]), ClassroomId([3; 32]));
    let segments = segments(one, 5);
    let log = segments[0].1.header.log;
    let store = open();
    let incarnation = store.incarnation();
    store.check().unwrap();
    assert_eq!(store.totals(&one).unwrap(), None);
    assert!(store.classrooms().unwrap().is_empty());
    assert!(store.entries(&one).unwrap().is_empty());
    assert!(store.page(&one, 0, 1000).unwrap().is_empty());

    // One commit for several classrooms.
    let founding = entry(1, 1);
    let first = [
        (one, founding.clone()),
        (other, entry(1, 2)),
        (one, segment(2, &segments[0])),
        (one, segment(3, &segments[1])),
        (one, entry(4, 3)),
    ];
    store.commit(&first, NOW).unwrap();
    store
        .commit(&[(one, segment(5, &segments[2]))], NOW + 10)
        .unwrap();
    let last = |store: &dyn Store, classroom| store.totals(classroom).unwrap().map(|totals| totals.last);
    assert_eq!(last(store.as_ref(), &one), Some(5));
    assert_eq!(last(store.as_ref(), &other), Some(1));
    assert_eq!(store.classrooms().unwrap(), [one, other]);

    // All or nothing: positions and indices are given once.
    for wrong in [
        vec![(one, segment(6, &segments[3])), (one, segment(6, &segments[4]))],
        vec![(one, segment(6, &segments[3])), (one, segment(7, &segments[3]))],
        vec![(one, segment(6, &segments[3])), (one, segment(5, &segments[4]))],
    ] {
        assert!(store.commit(&wrong, NOW).is_err());
        assert_eq!(last(store.as_ref(), &one), Some(5));
        assert_eq!(store.tail(&one, &log).unwrap().unwrap().index, 2);
    }

    // Everything comes back, also after opening again.
    drop(store);
    let store = open();
    assert_eq!(store.incarnation(), incarnation);
    assert_eq!(store.entries(&one).unwrap(), [(1, vec![1; 40]), (4, vec![3; 40])]);
    let wanted: Vec<Placed> = first
        .iter()
        .filter(|(classroom, _)| *classroom == one)
        .map(|(_, change)| placed(change))
        .chain([placed(&segment(5, &segments[2]))])
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
    assert_eq!(store.at(&one, 3).unwrap().as_ref(), Some(&wanted[2]));
    assert_eq!(store.at(&one, 6).unwrap(), None);
    let bytes: usize = wanted
        .iter()
        .map(|placed| placed.item.bytes().unwrap().len())
        .sum();
    assert_eq!(store.totals(&one).unwrap().unwrap().bytes, bytes as u64);
    assert_eq!(
        store.documents(&one).unwrap(),
        [(log.document, SpaceId::EVERYONE)]
    );
    assert_eq!(store.count(&one, &log.document, 0).unwrap(), 3);
    assert_eq!(store.count(&one, &log.document, 3).unwrap(), 1);

    logs_conform(store.as_ref(), one, &segments);
    folds_conform(store.as_ref(), one, &segments);
    extras_conform(store.as_ref(), one, none);
    assert_eq!(last(store.as_ref(), &other), Some(1));

    // Erasing takes all of a document, and leaves the rest.
    let document = log.document;
    store.commit(&[(one, Change::Erase { document })], NOW).unwrap();
    store.shrink(u64::MAX).unwrap();
    drop(store);
    let store = open();
    assert_eq!(store.documents(&one).unwrap(), []);
    assert_eq!(store.logs(&one).unwrap(), []);
    assert_eq!(store.tail(&one, &log).unwrap(), None);
    let page = store.page(&one, 0, usize::MAX).unwrap();
    assert!(
        page.iter()
            .all(|placed| matches!(placed.item, Item::Entry { .. }))
    );
    let bytes = page
        .iter()
        .map(|placed| placed.item.bytes().unwrap().len() as u64);
    assert_eq!(store.totals(&one).unwrap().unwrap().bytes, bytes.sum::<u64>());
}

/// A number that a store cannot keep is known before, so that nothing else has to fail with it.
fn bounds_conform(store: &dyn Store, number: u8) {
    let classroom = ClassroomId([number; 32]);
    let (hash, written) = segments(classroom, 1).remove(0);
    let ending_at = |position, last| {
        let mut written = written.clone();
        written.header.last = last;
        segment(position, &(hash, written))
    };
    store.commit(&[(classroom, entry(1, 1))], NOW).unwrap();
    assert!(!ending_at(2, MAX_INDEX + 1).fits());
    for last in [MAX_INDEX + 2, u64::MAX] {
        let change = ending_at(2, last);
        assert!(!change.fits());
        assert!(store.commit(&[(classroom, change)], NOW).is_err());
    }
    let change = ending_at(2, MAX_INDEX);
    assert!(change.fits());
    store.commit(&[(classroom, change)], NOW).unwrap();
    let log = written.header.log;
    assert_eq!(store.tail(&classroom, &log).unwrap().unwrap().index, MAX_INDEX);
    assert_eq!(store.logs(&classroom).unwrap()[0].next, MAX_INDEX + 1);
    // A snapshot may say anything about how far a log goes.
    let all = store.stored_before(&classroom, &log, u64::MAX, NOW + 1).unwrap();
    assert_eq!(all, Some(MAX_INDEX));
}

fn logs_conform(store: &dyn Store, one: ClassroomId, segments: &[(SegmentHash, Segment)]) {
    let other = ClassroomId([2; 32]);
    let log = segments[0].1.header.log;
    let hash = segments[2].0;
    assert_eq!(store.tail(&one, &log).unwrap(), Some(Tail { index: 2, hash }));
    assert_eq!(store.tail(&other, &log).unwrap(), None);
    let lane = LaneId([0; 16]);
    assert_eq!(store.tail(&one, &Log { lane, ..log }).unwrap(), None);
    let held = Held {
        first: 1,
        last: 1,
        hash: segments[1].0,
        chain_hash: segments[1].0,
        previous: segments[0].0,
    };
    assert_eq!(store.held(&one, &log, 1).unwrap(), Some(held));
    assert_eq!(store.held(&one, &log, 3).unwrap(), None);
    assert_eq!(store.held(&other, &log, 1).unwrap(), None);
    let positions = |from, to, bytes| -> Vec<u64> {
        let found = store.log(&one, &log, from, to, bytes).unwrap();
        found.iter().map(|placed| placed.position).collect()
    };
    assert_eq!(positions(0, u64::MAX, usize::MAX), [2, 3, 5]);
    assert_eq!(positions(1, 2, usize::MAX), [3]);
    assert_eq!(positions(0, 3, 0), [2]);
    assert!(positions(3, 9, usize::MAX).is_empty());
    assert_eq!(store.stored_before(&one, &log, 3, NOW + 11).unwrap(), Some(2));
    assert_eq!(store.stored_before(&one, &log, 3, NOW + 10).unwrap(), Some(1));
    assert_eq!(store.stored_before(&one, &log, 1, NOW + 11).unwrap(), Some(0));
    assert_eq!(store.stored_before(&one, &log, 3, NOW).unwrap(), None);
}

/// A fold takes the place of what it covers, and a log keeps its end when its segments go.
fn folds_conform(store: &dyn Store, one: ClassroomId, segments: &[(SegmentHash, Segment)]) {
    let log = segments[0].1.header.log;
    let fold = fold(one, segments, 0, 1);
    let remove = |from, to| (one, Change::RemoveSegments { log, from, to });
    store
        .commit(&[remove(0, 1), (one, segment(6, &fold))], NOW)
        .unwrap();
    let held = Held {
        first: 0,
        last: 1,
        hash: fold.0,
        chain_hash: segments[1].0,
        previous: SegmentHash::NONE,
    };
    for index in 0..2 {
        assert_eq!(store.held(&one, &log, index).unwrap(), Some(held));
    }
    let named = |(hash, segment): &(SegmentHash, Segment)| {
        let Header { first, last, .. } = segment.header;
        Some(Named {
            first,
            last,
            hash: *hash,
        })
    };
    assert_eq!(store.named(&one, &log, 0, 9).unwrap(), named(&fold));
    assert_eq!(store.named(&one, &log, 1, 1).unwrap(), named(&fold));
    assert_eq!(store.named(&one, &log, 2, 9).unwrap(), named(&segments[2]));
    for (from, to) in [(0, 0), (3, 9)] {
        assert_eq!(store.named(&one, &log, from, to).unwrap(), None);
    }
    let found = store.log(&one, &log, 0, 3, usize::MAX).unwrap();
    assert_eq!(
        found,
        [placed(&segment(6, &fold)), placed(&segment(5, &segments[2]))]
    );
    let state = LogState {
        log,
        first: 0,
        next: 3,
        hash: segments[2].0,
    };
    assert_eq!(store.logs(&one).unwrap(), [state]);
    store.commit(&[remove(0, 1)], NOW).unwrap();
    assert_eq!(store.logs(&one).unwrap(), [LogState { first: 2, ..state }]);
    store.commit(&[remove(0, 2)], NOW).unwrap();
    assert_eq!(store.logs(&one).unwrap(), [LogState { first: 3, ..state }]);
    assert_eq!(store.held(&one, &log, 2).unwrap(), None);
    assert_eq!(store.tail(&one, &log).unwrap().unwrap().index, 2);
    store.commit(&[(one, segment(7, &segments[3]))], NOW).unwrap();
    assert_eq!(store.tail(&one, &log).unwrap().unwrap().index, 3);
}

/// Positions are passed over, and never given out.
fn leaps_conform(store: &dyn Store, classroom: ClassroomId) {
    let leap = |to| store.commit(&[(classroom, Change::Leap { to })], NOW);
    assert!(leap(5).is_err(), "there is nothing yet");
    store.commit(&[(classroom, entry(1, 1))], NOW).unwrap();
    assert!(leap(1).is_err());
    leap(10).unwrap();
    assert_eq!(store.totals(&classroom).unwrap().unwrap().last, 10);
    assert!(store.commit(&[(classroom, entry(10, 2))], NOW).is_err());
    store.commit(&[(classroom, entry(12, 2))], NOW).unwrap();
    leap(1 << 60).unwrap();
    assert_eq!(store.leaps(&classroom).unwrap(), [(1, 10), (12, 1 << 60)]);
    assert_eq!(store.leaps(&ClassroomId([22; 32])).unwrap(), []);
    store
        .commit(&[(classroom, entry((1 << 60) + 1, 3))], NOW)
        .unwrap();
    assert_eq!(store.page(&classroom, 1, usize::MAX).unwrap().len(), 2);
}

/// What a fold takes the place of is kept, comes back, and is forgotten.
fn covered_conform(store: &dyn Store, classroom: ClassroomId) {
    let segments = segments(classroom, 6);
    let log = segments[0].1.header.log;
    let document = log.document;
    let size = |pair: &(SegmentHash, Segment)| pair.1.encode().unwrap().len() as u64;
    let commit = |changes: Vec<Change>, now| {
        let changes: Vec<_> = changes.into_iter().map(|change| (classroom, change)).collect();
        store.commit(&changes, now)
    };
    let kept = |from, to| -> Vec<SegmentHash> {
        let covered = store.covered(&classroom, &log, from, to).unwrap();
        covered.iter().map(|held| held.hash).collect()
    };
    let totals = || store.totals(&classroom).unwrap().unwrap();
    commit(
        segments
            .iter()
            .zip(1..)
            .map(|(pair, at)| segment(at, pair))
            .collect(),
        NOW,
    )
    .unwrap();
    let all: u64 = segments.iter().map(size).sum();
    assert_eq!((totals().bytes, totals().covered), (all, 0));
    let some: u64 = segments[1..4].iter().map(size).sum();
    assert_eq!(store.weight(&classroom, &log, 1, 3).unwrap(), some);
    assert_eq!(store.covered_since(&classroom).unwrap(), None);

    let folded = fold(classroom, &segments, 1, 3);
    assert_eq!(store.fold(&classroom, &document, &folded.0).unwrap(), None);
    let cover = Change::Cover { log, from: 1, to: 3 };
    commit(vec![cover, segment(7, &folded)], NOW + 10).unwrap();
    let (found, held) = store.fold(&classroom, &document, &folded.0).unwrap().unwrap();
    assert_eq!((found, held.first, held.last, held.hash), (log, 1, 3, folded.0));
    let elsewhere = DocumentId([77; 16]);
    assert_eq!(store.fold(&classroom, &elsewhere, &folded.0).unwrap(), None);
    assert_eq!(
        store.fold(&classroom, &document, &segments[0].0).unwrap(),
        None,
        "a run"
    );
    let parts: Vec<SegmentHash> = segments[1..4].iter().map(|(hash, _)| *hash).collect();
    assert_eq!(kept(1, 3), parts);
    assert_eq!(
        (kept(0, 2), kept(2, 9)),
        (parts[..2].to_vec(), parts[1..].to_vec())
    );
    assert_eq!(
        (totals().bytes, totals().covered),
        (all - some + size(&folded), some)
    );
    assert_eq!(store.covered_since(&classroom).unwrap(), Some(NOW + 10));
    let served = store.page(&classroom, 0, usize::MAX).unwrap();
    let positions: Vec<u64> = served.iter().map(|placed| placed.position).collect();
    assert_eq!(positions, [1, 5, 6, 7]);
    // Once is enough.
    let again = Change::KeepCovered {
        hash: segments[2].0,
        segment: Arc::new(segments[2].1.clone()),
    };
    commit(vec![again.clone()], NOW + 20).unwrap();
    assert_eq!((kept(1, 3), totals().covered), (parts.clone(), some));

    // A position does not go back, and what is not there does not come.
    let uncover = |parts: &[SegmentHash], position| Change::Uncover {
        log,
        parts: parts.to_vec(),
        position,
    };
    let remove = Change::RemoveSegments { log, from: 3, to: 3 };
    for wrong in [uncover(&parts, 7), uncover(&[folded.0], 8)] {
        assert!(commit(vec![remove.clone(), wrong], NOW).is_err());
    }
    assert_eq!((kept(1, 3), totals().last), (parts.clone(), 7));
    commit(vec![remove, uncover(&parts, 8)], NOW + 30).unwrap();
    assert!(kept(0, 9).is_empty());
    assert_eq!((totals().last, totals().bytes, totals().covered), (10, all, 0));
    let wanted: Vec<Placed> = segments[1..4]
        .iter()
        .zip(8..)
        .map(|(pair, at)| placed(&segment(at, pair)))
        .collect();
    assert_eq!(store.page(&classroom, 7, usize::MAX).unwrap(), wanted);
    assert_eq!(store.tail(&classroom, &log).unwrap().unwrap().index, 5);
    assert_eq!(
        store.stored_before(&classroom, &log, 4, NOW + 31).unwrap(),
        Some(3)
    );

    // Time passes, and a document is erased.
    commit(vec![again], NOW + 40).unwrap();
    commit(vec![Change::ForgetCovered { before: NOW + 40 }], NOW + 50).unwrap();
    assert_eq!(kept(0, 9), [segments[2].0]);
    commit(vec![Change::ForgetCovered { before: NOW + 41 }], NOW + 50).unwrap();
    assert_eq!((kept(0, 9), totals().covered), (Vec::new(), 0));
    commit(vec![Change::Cover { log, from: 0, to: 1 }], NOW + 60).unwrap();
    commit(vec![Change::Erase { document }], NOW + 70).unwrap();
    assert_eq!((totals().bytes, totals().covered), (0, 0));
    assert_eq!(store.covered_since(&classroom).unwrap(), None);
}

fn extras_conform(store: &dyn Store, one: ClassroomId, none: ClassroomId) {
    let space = SpaceId::STAFF;
    let bytes = vec![8; 50];
    let extras = [
        Item::Snapshot {
            hash: SnapshotHash([1; 32]),
            space,
            bytes: bytes.clone(),
        },
        Item::Verdict {
            space,
            bytes: bytes.clone(),
        },
        Item::Receipt {
            hash: ReceiptHash([2; 32]),
            space,
            bytes,
        },
    ];
    let extras: Vec<(ClassroomId, Change)> = extras
        .into_iter()
        .zip(8..)
        .map(|(item, at)| (one, place(at, item)))
        .collect();
    let before = store.totals(&one).unwrap().unwrap();
    store.commit(&extras, NOW).unwrap();
    let wanted: Vec<Placed> = extras.iter().map(|(_, change)| placed(change)).collect();
    assert_eq!(store.extras(&one).unwrap(), wanted);
    assert_eq!(store.page(&one, 7, usize::MAX).unwrap(), wanted);
    assert_eq!(store.totals(&one).unwrap().unwrap().bytes, before.bytes + 150);
    let positions = 8..11;
    let removed: Vec<_> = positions
        .map(|position| (one, Change::Remove { position }))
        .collect();
    store.commit(&removed, NOW).unwrap();
    let totals = store.totals(&one).unwrap().unwrap();
    assert_eq!((totals.last, totals.bytes), (10, before.bytes));
    // A position that was given is not given again.
    assert!(store.commit(&[(one, entry(10, 9))], NOW).is_err());

    let hash = PieceHash([3; 32]);
    let bytes: Arc<[u8]> = Arc::from([7; 30]);
    let piece = |classroom| {
        (
            classroom,
            Change::Piece {
                hash,
                bytes: Arc::clone(&bytes),
            },
        )
    };
    assert!(store.commit(&[piece(none)], NOW).is_err());
    store.commit(&[piece(one)], NOW).unwrap();
    store.commit(&[piece(one)], NOW + 5).unwrap();
    assert_eq!(store.totals(&one).unwrap().unwrap().bytes, before.bytes + 30);
    assert_eq!(store.piece(&one, &hash).unwrap().as_deref(), Some(bytes.as_ref()));
    assert!(store.has_piece(&one, &hash).unwrap() && !store.has_piece(&none, &hash).unwrap());
    let stored = NOW + 5;
    assert_eq!(store.pieces(&one).unwrap(), [HeldPiece { hash, stored }]);
    store.commit(&[(one, Change::RemovePiece { hash })], NOW).unwrap();
    assert_eq!(store.piece(&one, &hash).unwrap(), None);
    assert_eq!(store.totals(&one).unwrap().unwrap().bytes, before.bytes);
}

/// A chunk is there once, and as long as a document that it belongs to.
fn chunks_conform(store: &dyn Store, classroom: ClassroomId) {
    let (one, other, none) = (DocumentId([1; 16]), DocumentId([2; 16]), ClassroomId([24; 32]));
    let name = |number| ChunkHash([number; 32]);
    let claim = |document, number| Change::Claim {
        document,
        hash: name(number),
    };
    let commit = |changes: Vec<Change>| {
        let changes: Vec<_> = changes.into_iter().map(|change| (classroom, change)).collect();
        store.commit(&changes, NOW)
    };
    let bytes = || store.totals(&classroom).unwrap().unwrap().bytes;
    assert!(
        commit(vec![chunk_of(one, 1)]).is_err(),
        "there is no such classroom"
    );
    store
        .commit(&[(classroom, entry(1, 1)), (none, entry(1, 2))], NOW)
        .unwrap();
    assert!(
        commit(vec![chunk_of(one, 1), claim(one, 2)]).is_err(),
        "not there"
    );
    assert_eq!((store.attached(&classroom).unwrap(), bytes()), (Vec::new(), 40));

    let added = vec![
        chunk_of(other, 1),
        chunk_of(one, 2),
        claim(one, 1),
        claim(one, 1),
        chunk_of(one, 3),
        chunk_of(one, 3),
    ];
    commit(added).unwrap();
    let of = |document| store.chunks(&classroom, &document).unwrap();
    assert_eq!(of(one), [name(1), name(2), name(3)]);
    assert_eq!((of(other), of(DocumentId([3; 16]))), (vec![name(1)], Vec::new()));
    assert_eq!(store.attached(&classroom).unwrap(), [one, other]);
    assert_eq!(bytes(), 40 + 3 * 30 + 4 * CLAIM_BYTES);
    for (document, number, is_claimed) in [
        (one, 1, true),
        (other, 1, true),
        (other, 2, false),
        (one, 4, false),
    ] {
        let found = store.is_claimed(&classroom, &document, &name(number)).unwrap();
        assert_eq!(found, is_claimed);
        assert!(!store.is_claimed(&none, &document, &name(number)).unwrap());
    }
    assert_eq!(store.chunk(&classroom, &name(2)).unwrap(), Some(vec![2; 30]));
    assert_eq!(store.chunk(&classroom, &name(4)).unwrap(), None);
    assert_eq!(store.chunk(&none, &name(2)).unwrap(), None);
    // Under the same name something else, as when one was damaged.
    let changed = Change::Chunk {
        document: one,
        hash: name(2),
        bytes: Arc::from([9; 50]),
    };
    commit(vec![changed]).unwrap();
    assert_eq!(store.chunk(&classroom, &name(2)).unwrap(), Some(vec![9; 50]));
    assert_eq!(bytes(), 40 + 2 * 30 + 50 + 4 * CLAIM_BYTES);

    // One more belongs to it later; what has for longer goes, if it belongs to nothing else.
    let since = || store.claimed_since(&classroom, &one).unwrap();
    assert_eq!(since(), Some((NOW, NOW)));
    let later = vec![(classroom, chunk_of(one, 4)), (classroom, claim(one, 2))];
    store.commit(&later, NOW + 5).unwrap();
    assert_eq!(since(), Some((NOW, NOW + 5)));
    let unclaim = |before| Change::Unclaim {
        document: one,
        before,
    };
    commit(vec![unclaim(NOW)]).unwrap();
    assert_eq!(of(one), [name(1), name(2), name(3), name(4)]);
    commit(vec![unclaim(NOW + 1)]).unwrap();
    assert_eq!((of(one), of(other)), (vec![name(4)], vec![name(1)]));
    assert_eq!(since(), Some((NOW + 5, NOW + 5)));
    assert_eq!(store.chunk(&classroom, &name(2)).unwrap(), None);
    assert_eq!(bytes(), 40 + 2 * 30 + 2 * CLAIM_BYTES);
    commit(vec![unclaim(NOW + 6)]).unwrap();
    assert_eq!((of(one), since()), (Vec::new(), None));
    assert_eq!(store.attached(&classroom).unwrap(), [other]);
    commit(vec![chunk_of(one, 2), claim(one, 1)]).unwrap();
    assert_eq!(bytes(), 40 + 2 * 30 + 3 * CLAIM_BYTES);

    let in_another = Change::Chunk {
        document: one,
        hash: name(1),
        bytes: Arc::from([1; 30]),
    };
    store.commit(&[(none, in_another)], NOW).unwrap();
    commit(vec![Change::Erase { document: one }]).unwrap();
    assert_eq!((of(one), of(other)), (Vec::new(), vec![name(1)]));
    assert_eq!(store.chunk(&classroom, &name(2)).unwrap(), None);
    assert_eq!(bytes(), 40 + 30 + CLAIM_BYTES);
    commit(vec![Change::Erase { document: other }]).unwrap();
    assert_eq!((store.attached(&classroom).unwrap(), bytes()), (Vec::new(), 40));
    assert_eq!(store.chunk(&classroom, &name(1)).unwrap(), None);
    assert_eq!(store.attached(&none).unwrap(), [one]);
    assert_eq!(store.chunks(&none, &one).unwrap(), [name(1)]);
}

/// A chunk of 30 bytes.
fn chunk_of(document: DocumentId, number: u8) -> Change {
    Change::Chunk {
        document,
        hash: ChunkHash([number; 32]),
        bytes: Arc::from([number; 30]),
    }
}

fn place(position: u64, item: Item) -> Change {
    Change::Place(Arc::new(Placed { position, item }))
}

fn placed(change: &Change) -> Placed {
    match change {
        Change::Place(placed) => placed.as_ref().clone(),
        other => panic!("{other:?} places nothing"),
    }
}

fn entry(position: u64, content: u8) -> Change {
    let item = Item::Entry {
        hash: EntryHash([content; 32]),
        bytes: vec![content; 40],
    };
    place(position, item)
}

fn segment(position: u64, (hash, segment): &(SegmentHash, Segment)) -> Change {
    let item = Item::Segment {
        hash: *hash,
        segment: Box::new(segment.clone()),
    };
    place(position, item)
}

/// A fold of the segments from `first` to `last`, by the same author.
fn fold(
    classroom: ClassroomId,
    segments: &[(SegmentHash, Segment)],
    first: usize,
    last: usize,
) -> (SegmentHash, Segment) {
    let mut rng = UnwrapErr(SysRng);
    let keys = author();
    let header = Header {
        kind: Kind::Fold {
            covered: segments[last].0,
        },
        first: first as u64,
        last: last as u64,
        ..segments[first].1.header.clone()
    };
    let previous = segments[first].1.previous;
    let key = EpochKey::random(&mut rng);
    let bundle = vec![9; 60];
    let fold = Segment::seal_fold(&keys, &classroom, header, previous, &key, bundle, &mut rng).unwrap();
    (fold.hash(&classroom).unwrap(), fold)
}

fn author() -> MemberKeys {
    MemberKeys::from_seed(&Seed::from_bytes([6; 16])).unwrap()
}

/// The first segments of one log.
fn segments(classroom: ClassroomId, count: u64) -> Vec<(SegmentHash, Segment)> {
    let mut rng = UnwrapErr(SysRng);
    let keys = author();
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
