//! What SQLite leaves in its file of what was erased.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use getrandom::SysRng;
use protocol::identity::{MemberKeys, Seed};
use protocol::key::EpochKey;
use protocol::rand_core::UnwrapErr;
use protocol::segment::{Header, Kind, Log, Segment};
use protocol::{ClassroomId, DocumentId, EntryHash, LaneId, SegmentHash, SpaceId};
use sync_server::store::{Change, Item, Placed, Sqlite, Store};

const CLASSROOM: ClassroomId = ClassroomId([1; 32]);
const NOW: u64 = 1_800_000_000;

/// How much of what is sealed is looked for: nothing else has these bytes by chance.
const PART: usize = 16;

/// Where the sizes of segments begin: with these SQLite leaves such a copy, which it does about once in forty times.
const SIZES: u64 = 19;

/// Two documents whose segments lie between one another. What folds took away of both had SQLite move others from page to
/// page, and within a page; where they were it leaves a copy that no `secure_delete` reaches.
#[test]
fn nothing_of_an_erased_document_is_left_between_the_pages_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = Sqlite::open(&path).unwrap();
    let mut numbers = Numbers(SIZES);
    let segments = write(&store, &mut numbers);
    let removed = (0..60).map(|_| {
        let log = log(numbers.below(2) as usize);
        let from = numbers.below(300);
        let to = from + numbers.below(6);
        (CLASSROOM, Change::RemoveSegments { log, from, to })
    });
    store.commit(&removed.collect::<Vec<_>>(), NOW).unwrap();
    let document = log(0).document;
    assert!(!left(folder.path(), &segments[&document]).is_empty());
    store
        .commit(&[(CLASSROOM, Change::Erase { document })], NOW)
        .unwrap();
    // A store that is too large for now is written anew when it may be, also by whoever opens it later.
    store.shrink(1024).unwrap();
    assert!(!left(folder.path(), &segments[&document]).is_empty());
    drop(store);
    let store = Sqlite::open(&path).unwrap();
    store.shrink(u64::MAX).unwrap();
    assert_eq!(left(folder.path(), &segments[&document]), BTreeSet::new());
    // The other's are all there.
    let wanted = store.page(&CLASSROOM, 0, usize::MAX).unwrap();
    assert!(wanted.len() > 100);
    assert_eq!(
        left(folder.path(), &segments[&log(1).document]).len(),
        wanted.len()
    );
}

/// Which segments some file has a part of.
fn left(folder: &Path, segments: &[Segment]) -> BTreeSet<u64> {
    let parts: BTreeMap<&[u8], u64> = segments
        .iter()
        .flat_map(|segment| {
            let parts = segment.sealed.chunks_exact(PART);
            parts.map(|part| (part, segment.header.first))
        })
        .collect();
    let mut left = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        left.extend(bytes.windows(PART).filter_map(|part| parts.get(part)));
    }
    left
}

/// Writes to both documents by turns.
fn write(store: &Sqlite, numbers: &mut Numbers) -> BTreeMap<DocumentId, Vec<Segment>> {
    let mut rng = UnwrapErr(SysRng);
    let keys = author();
    let key = EpochKey::random(&mut rng);
    let mut written: BTreeMap<DocumentId, Vec<Segment>> = BTreeMap::new();
    let mut previous = [SegmentHash::NONE; 2];
    let mut changes = Vec::new();
    for position in 1..=600 {
        let document = numbers.below(2) as usize;
        let log = log(document);
        let of_document = written.entry(log.document).or_default();
        let index = of_document.len() as u64;
        let header = Header {
            kind: Kind::Run,
            log,
            first: index,
            last: index,
            space: SpaceId::EVERYONE,
            epoch: 0,
            roster: vec![EntryHash(CLASSROOM.0)],
        };
        let text = vec![7; 30 + numbers.below(900) as usize];
        let previous = &mut previous[document];
        let segment = Segment::seal(&keys, &CLASSROOM, header, *previous, &key, &[text], &mut rng).unwrap();
        let hash = segment.hash(&CLASSROOM).unwrap();
        *previous = hash;
        of_document.push(segment.clone());
        let item = Item::Segment {
            hash,
            segment: Box::new(segment),
        };
        changes.push((CLASSROOM, Change::Place(Arc::new(Placed { position, item }))));
    }
    store.commit(&changes, NOW).unwrap();
    written
}

fn author() -> MemberKeys {
    MemberKeys::from_seed(&Seed::from_bytes([6; 16])).unwrap()
}

fn log(document: usize) -> Log {
    Log {
        document: DocumentId([document as u8; 16]),
        member: author().id(),
        lane: LaneId([5; 16]),
    }
}

/// The same numbers each time: what SQLite moves depends on the sizes.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}
