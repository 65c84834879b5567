//! What the program carries in files, from one data folder to another.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use protocol::attachment::{Chunk, DocumentChunk, Reference};
use protocol::bounded::Bytes;
use protocol::bundle::{Event, Kind, Reader, Writer};
use protocol::frame::ClientFrame;
use protocol::identity::MemberKeys;
use protocol::roster::{Action, Entry, Role};
use protocol::segment::Segment;
use protocol::snapshot::{self, Snapshot, coverage};
use protocol::verdict::{Statement, Verdict};
use protocol::{ClassroomId, DocumentId};
use sync_server::{Limits, Settings};

use crate::classroom::{Classroom, FAR, Lane, member, rng};
use crate::client::{CHANNEL, Client, start};

const WORDS: &str = "the swallows came back to Lisbon";

type Record = (ClassroomId, Kind, Vec<u8>);

struct Ran {
    code: Option<i32>,
    said: String,
}

/// Runs the program.
fn run(arguments: &[&str], data: Option<&Path>, file: &Path) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sync-server"));
    command.arg("bundle").args(arguments);
    if let Some(data) = data {
        command.arg("--data").arg(data);
    }
    let output = command.arg(file).output().unwrap();
    Ran {
        code: output.status.code(),
        said: String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
    }
}

fn export(data: &Path, file: &Path) -> BTreeSet<Record> {
    let ran = run(&["export"], Some(data), file);
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    records(file).into_iter().collect()
}

/// Answers with how many items were new.
fn import(data: &Path, file: &Path, code: i32) -> u64 {
    let ran = run(&["import"], Some(data), file);
    assert_eq!(ran.code, Some(code), "{}", ran.said);
    let new = ran.said.lines().find_map(|line| line.strip_prefix("new items: "));
    new.unwrap_or_else(|| panic!("{}", ran.said)).parse().unwrap()
}

/// The whole records of a file, in their order.
fn records(file: &Path) -> Vec<Record> {
    let mut reader = Reader::new();
    reader.push(&std::fs::read(file).unwrap());
    let records = reader.filter_map(|event| match event {
        Event::Record {
            classroom,
            kind,
            item,
        } => Some((classroom, kind, item)),
        Event::Damaged(_) => None,
    });
    records.collect()
}

fn write(file: &Path, records: &[Record]) {
    let (mut writer, mut bytes) = Writer::begin();
    for (classroom, kind, item) in records {
        bytes.extend(writer.record(classroom, *kind, item).unwrap());
    }
    bytes.extend(writer.end().unwrap());
    std::fs::write(file, bytes).unwrap();
}

/// A class in which everything happened that a relay keeps.
struct Class {
    classroom: Classroom,
    student: MemberKeys,
    entries: Vec<Entry>,
    lanes: Vec<Vec<Segment>>,
}

impl Class {
    fn new() -> Self {
        let classroom = Classroom::new();
        let (invite, student) = (classroom.invite(Role::Student, 1, FAR), member());
        let admission = classroom.admit(&invite, &student);
        let lanes = {
            let mut mine = classroom.lane(&classroom.founder, vec![classroom.founding.hash()]);
            let mut theirs = classroom.lane(&student, vec![admission.hash()]);
            theirs.log.document.0[0] = 77;
            let write = |lane: &mut Lane<'_>| (0..6).map(|_| lane.write(WORDS)).collect();
            vec![write(&mut mine), write(&mut theirs)]
        };
        Self {
            entries: vec![invite.entry, admission],
            classroom,
            student,
            lanes,
        }
    }

    /// Puts the class on a relay, with the first segments of each lane.
    async fn put(&self, data: &Path, of_first: usize, of_second: usize, with_snapshot: bool) {
        let relay = start(Settings::new(data)).await;
        let Self { classroom, .. } = self;
        let mut client = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
        let mut submission = 0;
        for entry in &self.entries {
            submission += 1;
            client.submit_entry(entry).await;
            client.expect_stored(submission).await;
        }
        let counts = [of_first, of_second];
        for segment in (self.lanes.iter().zip(counts)).flat_map(|(lane, count)| &lane[..count]) {
            submission += 1;
            client.submit(segment).await;
            client.expect_stored(submission).await;
        }
        if with_snapshot {
            let channel = CHANNEL;
            let (snapshot, frames) = self.snapshot();
            for frame in frames {
                submission += 1;
                client.send(&frame).await;
                client.expect_held(submission).await;
            }
            let encoded = Bytes::new("snapshot", snapshot.encode().unwrap()).unwrap();
            client
                .send(&ClientFrame::Snapshot {
                    channel,
                    snapshot: encoded,
                })
                .await;
            let statement = Statement {
                document: snapshot.header.document,
                snapshot: snapshot.hash(&classroom.id).unwrap(),
                member: classroom.founder.id(),
                roster: vec![classroom.founding.hash()],
                matches: true,
            };
            let verdict = Verdict::sign(&classroom.founder, &classroom.id, statement).unwrap();
            let verdict = Bytes::new("verdict", verdict.encode().unwrap()).unwrap();
            client.send(&ClientFrame::Verdict { channel, verdict }).await;
            client.expect_stored(submission + 1).await;
            client.expect_stored(submission + 2).await;
        }
        relay.shut_down().await.unwrap();
    }

    /// A snapshot of the first lane's page, and the frames that bring its pieces.
    fn snapshot(&self) -> (Snapshot, Vec<ClientFrame>) {
        let Classroom { founder, id, key, .. } = &self.classroom;
        let last = &self.lanes[0][2];
        let document = last.header.log.document;
        let header = snapshot::Header {
            document,
            member: founder.id(),
            space: last.header.space,
            epoch: 0,
            roster: last.header.roster.clone(),
            covers: coverage(&document, [(last.header.log, 3, last.hash(id).unwrap())]),
        };
        let saved = [1; 300_000];
        let (snapshot, pieces) = Snapshot::seal(founder, id, header, key, &saved, &mut rng()).unwrap();
        let pieces = pieces.into_iter().map(|piece| ClientFrame::Piece {
            channel: CHANNEL,
            piece: Bytes::new("piece", piece.into_bytes()).unwrap(),
        });
        (snapshot, pieces.collect())
    }
}

fn folders<const N: usize>() -> (tempfile::TempDir, [PathBuf; N]) {
    let folder = tempfile::tempdir().unwrap();
    let paths = std::array::from_fn(|number| folder.path().join(number.to_string()));
    (folder, paths)
}

#[tokio::test]
async fn what_is_exported_is_the_same_relay_elsewhere() {
    let (folder, [here, there]) = folders();
    let file = folder.path().join("class.meridian");
    let class = Class::new();
    class.put(&here, 6, 6, true).await;

    // While a relay runs on it.
    let relay = start(Settings::new(&here)).await;
    let exported = export(&here, &file);
    let of = |wanted: Kind| exported.iter().filter(|(_, kind, _)| *kind == wanted).count();
    let kinds = [
        Kind::Entry,
        Kind::Segment,
        Kind::Snapshot,
        Kind::Piece,
        Kind::Verdict,
    ];
    assert_eq!(kinds.map(of), [3, 12, 1, 2, 1]);
    let bytes = std::fs::read(&file).unwrap();
    assert!(!bytes.windows(WORDS.len()).any(|part| part == WORDS.as_bytes()));
    // But nothing is imported there.
    let ran = run(&["import"], Some(&here), &file);
    assert_eq!(ran.code, Some(1));
    assert!(ran.said.contains("stop that first"), "{}", ran.said);
    relay.shut_down().await.unwrap();

    assert_eq!(import(&there, &file, 0), 19);
    assert_eq!(export(&there, &folder.path().join("again")), exported);
    // Twice is as good as once.
    assert_eq!(import(&there, &file, 0), 0);
    assert_eq!(import(&here, &file, 0), 0);

    let inspected = run(&["inspect"], None, &file);
    assert_eq!(inspected.code, Some(0), "{}", inspected.said);
    for line in [
        "bundle, version 1",
        &format!("classroom {}: 19 records", class.classroom.id.to_hex()),
        "roster entries: 3",
        "segments: 12",
        "snapshots: 1",
        "pieces of snapshots: 2",
        "verdicts: 1",
        "receipts: 0",
        "damaged places: 0 (0 bytes)",
        "the file is whole",
    ] {
        assert!(
            inspected.said.lines().any(|said| said == line),
            "{line}: {}",
            inspected.said
        );
    }

    // Members find everything there.
    let relay = start(Settings::new(&there)).await;
    let mut client = Client::connect(relay.address(), &class.classroom.founder).await;
    client.submit_open(class.classroom.id, None, None).await;
    client.next().await;
    let told = client.catch_up().await;
    // The snapshot that was served covers three of the segments.
    assert_eq!(told.len(), 3 + 12 - 3 + 1 + 1 + 1);
    // And go on with it.
    let founder = &class.classroom.founder;
    let mut lane = class
        .classroom
        .lane(founder, vec![class.classroom.founding.hash()]);
    client.submit(&lane.write("more")).await;
    client.expect_stored(0).await;
}

#[tokio::test]
async fn a_file_may_be_in_any_order() {
    let (folder, [here, there]) = folders();
    let (file, backwards) = (folder.path().join("file"), folder.path().join("backwards"));
    Class::new().put(&here, 6, 6, true).await;
    let exported = export(&here, &file);
    let mut records = records(&file);
    records.reverse();
    write(&backwards, &records);
    assert_eq!(import(&there, &backwards, 0), 19);
    assert_eq!(export(&there, &file), exported);
}

#[tokio::test]
async fn of_a_damaged_file_all_that_is_whole_is_taken() {
    let (folder, [here, cut, flipped]) = folders();
    let (file, damaged) = (folder.path().join("file"), folder.path().join("damaged"));
    Class::new().put(&here, 6, 6, false).await;
    let exported = export(&here, &file);
    let bytes = std::fs::read(&file).unwrap();

    std::fs::write(&damaged, &bytes[..bytes.len() / 2]).unwrap();
    let whole: BTreeSet<Record> = records(&damaged).into_iter().collect();
    assert!((4..14).contains(&whole.len()));
    assert_eq!(import(&cut, &damaged, 3), whole.len() as u64);
    let inspected = run(&["inspect"], None, &damaged);
    assert_eq!(inspected.code, Some(3));
    assert!(inspected.said.contains("not whole"), "{}", inspected.said);
    assert_eq!(export(&cut, &file), whole);

    // One of the last lane is gone, and with it those behind it, until they come in another file.
    let mut changed = bytes.clone();
    let place = bytes.len() * 9 / 10;
    changed[place] ^= 0x20;
    std::fs::write(&damaged, &changed).unwrap();
    assert_eq!(records(&damaged).len(), exported.len() - 1);
    let new = import(&flipped, &damaged, 3);
    assert!((9..exported.len() as u64).contains(&new), "{new} new");
    let inspected = run(&["inspect"], None, &damaged);
    assert!(
        inspected.said.contains("damaged places: 1 ("),
        "{}",
        inspected.said
    );
    std::fs::write(&damaged, &bytes).unwrap();
    assert_eq!(import(&flipped, &damaged, 0), exported.len() as u64 - new);
    assert_eq!(export(&flipped, &file), exported);

    // What a newer program wrote: not damaged, but nobody here can tell whether it is whole.
    let mut newer = bytes.clone();
    newer["MERIDIAN BUNDLE\0".len()] = 2;
    std::fs::write(&damaged, &newer).unwrap();
    for (command, data) in [("import", Some(&*flipped)), ("inspect", None)] {
        let ran = run(&[command], data, &damaged);
        assert_eq!(ran.code, Some(3), "{}", ran.said);
        assert!(ran.said.contains("of version 2"), "{}", ran.said);
        assert!(!ran.said.contains("damaged or missing"), "{}", ran.said);
    }

    // Something else altogether.
    std::fs::write(&damaged, vec![7; 100_000]).unwrap();
    assert_eq!(import(&flipped, &damaged, 3), 0);
    assert_eq!(import(&flipped, Path::new("/dev/null"), 3), 0);
    assert_eq!(run(&["inspect"], None, Path::new("/nowhere")).code, Some(1));
}

/// A script hears that a backup lacks something, and whoever reads what is said, what that is.
#[tokio::test]
async fn of_a_damaged_store_all_that_is_whole_is_exported() {
    let (folder, [here, there]) = folders();
    let file = folder.path().join("file");
    Class::new().put(&here, 6, 6, false).await;
    let whole = export(&here, &file);
    let store = rusqlite::Connection::open(here.join("relay.sqlite")).unwrap();
    let damage =
        "UPDATE items SET bytes = substr(bytes, 1, 40) WHERE position = (SELECT max(position) FROM items)";
    assert_eq!(store.execute(damage, []).unwrap(), 1);
    drop(store);
    let ran = run(&["export"], Some(&here), &file);
    assert_eq!(ran.code, Some(3), "{}", ran.said);
    for said in [
        "damaged and not in the file: 1\n",
        "a row is damaged and passed over",
    ] {
        assert!(ran.said.contains(said), "{said}: {}", ran.said);
    }
    let left: BTreeSet<Record> = records(&file).into_iter().collect();
    assert!(left.is_subset(&whole) && left.len() == whole.len() - 1);
    // The file is as whole as the store.
    assert_eq!(import(&there, &file, 0), left.len() as u64);
}

/// A log goes on behind a snapshot. What that holds, and was damaged in the file, is taken nevertheless when it comes whole.
#[tokio::test]
async fn what_was_damaged_in_front_of_a_snapshot_comes_in_another_file() {
    let (folder, [here]) = folders();
    let (file, partial) = (folder.path().join("file"), folder.path().join("partial"));
    let class = Class::new();
    class.put(&here, 6, 6, true).await;
    let exported = export(&here, &file);
    for (at, damaged) in [&[0][..], &[1], &[2], &[0, 1], &[0, 1, 2], &[1, 2]]
        .into_iter()
        .enumerate()
    {
        let there = folder.path().join(format!("there {at}"));
        let gone: Vec<Vec<u8>> = damaged
            .iter()
            .map(|at| class.lanes[0][*at].encode().unwrap())
            .collect();
        let mut left = records(&file);
        left.retain(|(_, _, item)| !gone.contains(item));
        write(&partial, &left);
        assert_eq!(import(&there, &partial, 0), left.len() as u64, "{damaged:?}");
        assert_eq!(import(&there, &partial, 0), 0, "{damaged:?}");
        // In order a segment comes before the one that names it.
        assert_eq!(import(&there, &file, 0), damaged.len() as u64, "{damaged:?}");
        assert_eq!(
            export(&there, &folder.path().join("again")),
            exported,
            "{damaged:?}"
        );
    }
}

/// A snapshot, a fold and what it stands for, verdicts and pieces: whatever of it was there before, and in whatever order it
/// comes, one import takes all that can be taken.
#[tokio::test]
async fn one_import_takes_all_in_whatever_order_it_comes() {
    let (folder, [here, wanted]) = folders();
    let file = folder.path().join("file");
    let class = Class::new();
    class.put(&here, 6, 6, true).await;
    let mut all = records_of(&here, &file);
    let lane = class.classroom.lane(&class.student, Vec::new());
    let fold = lane.fold(&class.lanes[1], 1, 4).encode().unwrap();
    all.push((class.classroom.id, Kind::Segment, fold));
    write(&file, &all);
    assert_eq!(take(&wanted, &file), 19 + 1);
    let wanted: BTreeSet<Record> = records_of(&wanted, &file).into_iter().collect();
    assert_eq!(wanted.len(), 19 + 1 - 4);

    let orders = (
        Just(all.clone()).prop_shuffle(),
        proptest::sample::subsequence(all.clone(), 0..all.len()).prop_shuffle(),
    );
    proptest!(ProptestConfig::with_cases(12), |((all, before) in orders)| {
        let (_folder, [there]) = folders();
        write(&file, &before);
        take(&there, &file);
        write(&file, &all);
        take(&there, &file);
        prop_assert_eq!(take(&there, &file), 0);
        let left: BTreeSet<Record> = records_of(&there, &file).into_iter().collect();
        prop_assert_eq!(&left, &wanted);
    });
}

/// Imports a file without the program; answers with how many items were new.
fn take(data: &Path, file: &Path) -> u64 {
    sync_server::bundle::import(data, Limits::default(), file)
        .unwrap()
        .new
}

/// What a store holds, by a file.
fn records_of(data: &Path, file: &Path) -> Vec<Record> {
    sync_server::bundle::export(data, &[], file).unwrap();
    records(file)
}

#[tokio::test]
async fn two_relays_with_different_halves_become_equal() {
    let (folder, [one, other]) = folders();
    let (from_one, from_other) = (folder.path().join("one"), folder.path().join("other"));
    let class = Class::new();
    class.put(&one, 6, 2, true).await;
    class.put(&other, 1, 6, false).await;
    let left = export(&one, &from_one);
    let right = export(&other, &from_other);
    assert_ne!(left, right);
    assert_eq!(import(&one, &from_other, 0), 4);
    assert_eq!(import(&other, &from_one, 0), 5 + 4);
    let both: BTreeSet<Record> = left.union(&right).cloned().collect();
    assert_eq!(export(&one, &from_one), both);
    assert_eq!(export(&other, &from_other), both);
}

/// What a relay would have refused to its author comes in with a file, and whoever imports is told how much that is.
#[tokio::test]
async fn whoever_imports_is_told_what_they_vouch_for() {
    let (folder, [there]) = folders();
    let file = folder.path().join("file");
    let Class {
        classroom,
        entries,
        lanes,
        ..
    } = &Class::new();
    let old = classroom.invite(Role::Guest, 1, 1_000);
    let late = classroom.admit(&old, &member());
    let locked = lanes[1][0].header.log.document;
    let lock = Action::Lock {
        document: locked,
        locked: true,
    };
    let lock = Entry::act(&classroom.founder, classroom.id, vec![entries[1].hash()], lock).unwrap();
    let mut records: Vec<Record> = Vec::new();
    for entry in [
        &classroom.founding,
        &entries[0],
        &entries[1],
        &old.entry,
        &late,
        &lock,
    ] {
        records.push((classroom.id, Kind::Entry, entry.encode().unwrap()));
    }
    for segment in &lanes[1][..3] {
        records.push((classroom.id, Kind::Segment, segment.encode().unwrap()));
    }
    write(&file, &records);
    let ran = run(&["import"], Some(&there), &file);
    for line in [
        "new items: 9",
        "vouched for by this import: 1, else: The invite's time is over. (12)",
        "vouched for by this import: 3, else: The document is locked for the author. (24)",
    ] {
        assert!(ran.said.lines().any(|said| said == line), "{line}: {}", ran.said);
    }
    // Nothing new, nothing to vouch for.
    let again = run(&["import"], Some(&there), &file);
    assert!(!again.said.contains("vouched"), "{}", again.said);
}

#[tokio::test]
async fn one_classroom_of_several_is_exported_by_its_name() {
    let (folder, [here, there]) = folders();
    let file = folder.path().join("file");
    let (one, other) = (Class::new(), Class::new());
    one.put(&here, 2, 2, false).await;
    other.put(&here, 3, 3, false).await;
    let wanted = other.classroom.id.to_hex();
    let ran = run(&["export", "--classroom", &wanted], Some(&here), &file);
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    assert!(records(&file).iter().all(|(id, ..)| *id == other.classroom.id));
    assert_eq!(import(&there, &file, 0), 3 + 6);

    let unknown = Class::new().classroom.id.to_hex();
    let ran = run(&["export", "--classroom", &unknown], Some(&here), &file);
    assert_eq!(ran.code, Some(1));
    assert!(ran.said.contains(&unknown), "{}", ran.said);
    assert_eq!(run(&["export"], Some(folder.path()), &file).code, Some(1));
}

/// Chunks of attachments are carried with the documents that they belong to, and not those of a document that is gone.
#[tokio::test]
async fn chunks_are_carried_with_their_documents() {
    let (folder, [here, there, third]) = folders();
    let (file, again) = (folder.path().join("file"), folder.path().join("again"));
    let class = Class::new();
    class.put(&here, 1, 0, false).await;
    let Classroom {
        id,
        founder,
        founding,
        ..
    } = &class.classroom;
    let [page, other] = [3, 4].map(|number| DocumentId([number; 16]));
    let (_, chunks) = Reference::seal(id, &vec![1; 300_000], &mut rng()).unwrap();
    let record = |document, chunk: &Chunk| {
        let chunk = chunk.clone();
        (*id, Kind::Chunk, DocumentChunk { document, chunk }.encode())
    };
    let mut records: Vec<Record> = export(&here, &file).into_iter().collect();
    let attached = [
        record(page, &chunks[0]),
        record(page, &chunks[1]),
        record(other, &chunks[0]),
    ];
    // They come before all that they belong to, and one that is damaged is none.
    let mut damaged = attached[0].clone();
    damaged.2.truncate(50);
    records.splice(0..0, attached.clone().into_iter().chain([damaged]));
    write(&file, &records);
    let ran = run(&["import"], Some(&there), &file);
    assert!(ran.said.contains("new items: 7\n"), "{}", ran.said);
    assert!(ran.said.contains("not taken: 1: "), "{}", ran.said);
    let exported = export(&there, &again);
    assert!(attached.iter().all(|record| exported.contains(record)));
    assert_eq!(exported.len(), records.len() - 1);
    assert_eq!(import(&third, &again, 0), 7);
    assert_eq!(import(&third, &again, 0), 0);
    assert_eq!(export(&third, &file), exported);
    let inspected = run(&["inspect"], None, &again);
    for line in ["chunks of attachments: 3", "of a newer version: 0"] {
        assert!(
            inspected.said.lines().any(|said| said == line),
            "{}",
            inspected.said
        );
    }

    // What was erased here does not come back, and what belongs to another page stays.
    let relay = start(Settings::new(&there)).await;
    let mut client = Client::open(relay.address(), founder, *id).await;
    client.catch_up().await;
    let erase = Action::Erase {
        document: page,
        successor: DocumentId([5; 16]),
    };
    let erase = Entry::act(founder, *id, vec![founding.hash()], erase).unwrap();
    client.submit_entry(&erase).await;
    client.expect_stored(0).await;
    relay.shut_down().await.unwrap();
    let ran = run(&["import"], Some(&there), &again);
    assert!(ran.said.contains("new items: 0\n"), "{}", ran.said);
    assert!(ran.said.contains("not taken: 2: "), "{}", ran.said);
    let exported = export(&there, &file);
    let left = attached.map(|record| exported.contains(&record));
    assert_eq!(left, [false, false, true]);
}

/// What nobody signed for comes in by no file, and a bad record keeps no other out.
#[tokio::test]
async fn the_checks_are_those_of_the_wire() {
    let (folder, [here, there]) = folders();
    let file = folder.path().join("file");
    let class = Class::new();
    class.put(&here, 6, 6, false).await;
    export(&here, &file);
    let mut records = records(&file);
    let stranger = Class::new();
    let forged = stranger.lanes[0][0].encode().unwrap();
    let unsigned = Segment {
        signature: class.lanes[0][0].signature,
        ..class.lanes[0][1].clone()
    };
    let id = class.classroom.id;
    records.insert(1, (id, Kind::Segment, forged));
    records.insert(1, (id, Kind::Segment, unsigned.encode().unwrap()));
    records.insert(1, (id, Kind::Entry, stranger.entries[0].encode().unwrap()));
    records.insert(1, (id, Kind::Entry, vec![0xff; 50]));
    records.insert(1, (stranger.classroom.id, Kind::Segment, vec![0xff; 50]));
    records.insert(1, (id, Kind::Other(99), vec![1, 2, 3]));
    write(&file, &records);
    let ran = run(&["import"], Some(&there), &file);
    assert!(ran.said.contains("new items: 15\n"), "{}", ran.said);
    let refused = ran.said.lines().filter(|line| line.starts_with("not taken: "));
    assert!(refused.count() >= 3, "{}", ran.said);
    // The reasons are sentences.
    let sentence = ": The item has a newer version than this relay knows. (3)";
    assert!(
        ran.said.lines().any(|said| said.ends_with(sentence)),
        "{}",
        ran.said
    );
}
