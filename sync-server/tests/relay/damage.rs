//! A store whose file was damaged: never a panic, what is whole is told, what is not is named and stops nothing else.

use std::fs;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use protocol::attachment::{Chunk, Reference};
use protocol::frame::{self, ClientFrame, RelayFrame};
use protocol::identity::MemberKeys;
use protocol::inventory::{Inventory, LogRange, LogState, Wanted};
use protocol::receipt::{self, Receipt};
use protocol::roster::{Action, Cutoff, Entry, Role, Roster};
use protocol::segment::{Log, Segment};
use protocol::snapshot::{self, Snapshot, coverage};
use protocol::verdict::{Statement, Verdict};
use protocol::{EntryHash, Refusal, SpaceId};
use rusqlite::Connection;
use rusqlite::types::Value;
use sync_server::bundle::export;
use sync_server::core::{Brought, Relay, Rules, Sent};
use sync_server::store::{Sqlite, Store as _};
use sync_server::{Error, Limits};

use crate::attachments::{bring_to, claimed};
use crate::classroom::{Classroom, FAR, Lane, member, rng};
use crate::client::CHANNEL;
use crate::driven::{Client, NOW, Outcome};

/// A store with something of every kind in it, in two classrooms.
struct Sample {
    folder: tempfile::TempDir,
    classroom: Classroom,
    student: MemberKeys,
    heads: Vec<EntryHash>,
    /// What a newcomer is told, without snapshots.
    segments: Vec<Segment>,
    /// What the fold took the place of.
    folded: Vec<Segment>,
    /// Of two attachments.
    chunks: Vec<Chunk>,
    other: Classroom,
}

fn open(path: &Path) -> Result<Relay, Error> {
    let limits = Limits {
        retention: Some(Duration::ZERO),
        ..Limits::default()
    };
    Ok(Relay::new(Arc::new(Sqlite::open(path)?), Rules::new(limits)))
}

impl Sample {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut relay = open(&folder.path().join("whole")).unwrap();
        let (classroom, other) = (Classroom::new(), Classroom::new());
        let mut founder = Client::found(&mut relay, &classroom);
        let mut apart = Client::found(&mut relay, &other);
        relay.commit(NOW).unwrap();
        founder.hear(&mut relay);
        apart.hear(&mut relay);
        let alone = other
            .lane(&other.founder, vec![other.founding.hash()])
            .write("alone");
        assert_eq!(apart.store(&mut relay, &alone), Outcome::Stored);

        let mut roster = Roster::found(classroom.founding.clone()).unwrap();
        let student = member();
        let invite = classroom.invite(Role::Student, 5, FAR);
        let admission = classroom.admit(&invite, &student);
        for entry in [invite.entry, admission] {
            roster.add(entry.clone()).unwrap();
            assert_eq!(founder.store_entry(&mut relay, &entry), Outcome::Stored);
        }
        let heads: Vec<EntryHash> = roster.heads().copied().collect();
        let store = |founder: &mut Client, relay: &mut Relay, lane: &mut Lane<'_>, count: usize| {
            let written: Vec<Segment> = (0..count)
                .map(|number| lane.write(&format!("{number}")))
                .collect();
            for segment in &written {
                assert_eq!(founder.store(relay, segment), Outcome::Stored);
            }
            written
        };
        let mut of_student = classroom.lane(&student, heads.clone());
        let runs = store(&mut founder, &mut relay, &mut of_student, 4);
        let mut of_founder = classroom.lane(&classroom.founder, heads.clone());
        let folded = store(&mut founder, &mut relay, &mut of_founder, 4);
        let fold = of_founder.fold(&folded, 1, 2);
        assert_eq!(founder.store(&mut relay, &fold), Outcome::Stored);
        let mut segments = runs.clone();
        segments.extend([folded[0].clone(), folded[3].clone(), fold]);
        let seal = |length| {
            Reference::seal(&classroom.id, &vec![3; length], &mut rng())
                .unwrap()
                .1
        };
        let chunks = [seal(1000), seal(2000)].concat();
        for chunk in &chunks {
            let document = of_student.log.document;
            let claim = claimed(&student, classroom.id, document, chunk.hash());
            let brought = bring_to(&mut relay, &claim, chunk.as_bytes());
            assert_eq!(brought, Ok(Brought::Stored));
        }
        let sample = Self {
            folder,
            classroom,
            student,
            heads,
            segments,
            folded: folded[1..=2].to_vec(),
            chunks,
            other,
        };
        sample.store_extras(&mut founder, &mut relay, &runs[1]);
        sample
    }

    /// A snapshot of what the student's log came to with its second segment, and what others say of it.
    fn store_extras(&self, founder: &mut Client, relay: &mut Relay, last: &Segment) {
        let Classroom { id, key, .. } = &self.classroom;
        let log = last.header.log;
        let header = snapshot::Header {
            document: log.document,
            member: self.student.id(),
            space: SpaceId::EVERYONE,
            epoch: 0,
            roster: self.heads.clone(),
            covers: coverage(
                &log.document,
                [(log, last.header.last + 1, last.hash(id).unwrap())],
            ),
        };
        let saved = vec![1; 300_000];
        let (snapshot, pieces) = Snapshot::seal(&self.student, id, header, key, &saved, &mut rng()).unwrap();
        for piece in &pieces {
            assert_eq!(founder.store_piece(relay, piece), Outcome::Held);
        }
        assert_eq!(founder.store_snapshot(relay, &snapshot), Outcome::Stored);
        let statement = Statement {
            document: log.document,
            snapshot: snapshot.hash(id).unwrap(),
            member: self.classroom.founder.id(),
            roster: self.heads.clone(),
            matches: true,
        };
        let verdict = Verdict::sign(&self.classroom.founder, id, statement).unwrap();
        assert_eq!(founder.store_verdict(relay, &verdict), Outcome::Stored);
        let header = receipt::Header {
            member: self.classroom.founder.id(),
            space: SpaceId::EVERYONE,
            epoch: 0,
            roster: self.heads.clone(),
            count: 1,
        };
        let receipt =
            Receipt::seal(&self.classroom.founder, id, header, key, Vec::new(), &mut rng()).unwrap();
        assert_eq!(founder.store_receipt(relay, &receipt), Outcome::Stored);
    }

    /// The student may only read from now on; what they wrote counts up to there.
    fn guest(&self, cutoffs: Vec<Cutoff>) -> Entry {
        let becomes = Action::ChangeRole {
            member: self.student.id(),
            role: Role::Guest,
            cutoffs,
            keys: Vec::new(),
            rotations: Vec::new(),
        };
        Entry::act(
            &self.classroom.founder,
            self.classroom.id,
            self.heads.clone(),
            becomes,
        )
        .unwrap()
    }

    /// A copy of the file, to be damaged.
    fn copy(&self) -> PathBuf {
        let copy = self.folder.path().join("relay.sqlite");
        for suffix in ["-wal", "-shm"] {
            let beside = self.folder.path().join(format!("relay.sqlite{suffix}"));
            if beside.exists() {
                fs::remove_file(beside).unwrap();
            }
        }
        fs::copy(self.folder.path().join("whole"), &copy).unwrap();
        copy
    }

    /// All that a relay says that it has.
    fn all_of(has: Inventory) -> Box<Wanted> {
        let range = |state: &LogState| LogRange {
            log: state.log,
            from: 0,
            to: state.next.saturating_add(1),
        };
        Box::new(Wanted {
            entries: has.entries,
            logs: has.logs.iter().map(range).collect(),
            snapshots: has.snapshots.iter().map(|state| state.document).collect(),
            pieces: Vec::new(),
            verdicts: has.verdicts,
            receipts: has.receipts.iter().map(|state| state.name).collect(),
        })
    }

    /// Everything that somebody who belongs can ask of the relay, and what it answers.
    fn use_all(&self, relay: &mut Relay) -> Vec<RelayFrame> {
        if let Err(error) = relay.tidy() {
            assert!(is_of_damage(&error), "{error:?}");
        }
        while matches!(relay.commit(NOW), Ok(1..)) {}
        let mut client = Client::open(relay, &self.classroom.founder, self.classroom.id);
        let mut heard = hear(relay, &client);
        client.send(relay, &ClientFrame::Inventory { channel: CHANNEL });
        let mut has = Inventory::default();
        for frame in hear(relay, &client) {
            if let RelayFrame::Inventory { part, .. } = &frame {
                has = part.as_ref().clone();
            }
            heard.push(frame);
        }
        let wanted = Self::all_of(has);
        client.send(
            relay,
            &ClientFrame::Fetch {
                channel: CHANNEL,
                wanted,
            },
        );
        heard.extend(hear(relay, &client));
        // What is here already, what comes next, and what nobody has heard of.
        for segment in &self.segments {
            client.submit(relay, segment);
        }
        let lane = self.classroom.lane(&self.student, self.heads.clone());
        client.submit(relay, &lane.clone().write("new"));
        let invite = self.classroom.invite(Role::Guest, 1, FAR);
        client.submit_entry(relay, &invite.entry);
        while matches!(relay.commit(NOW), Ok(1..)) {}
        heard.extend(hear(relay, &client));
        for chunk in &self.chunks {
            match relay.download(&self.classroom.id, &chunk.hash()) {
                Ok(found) => assert!(found.is_none_or(|found| found == chunk.as_bytes())),
                Err(reason) => assert_eq!(reason, Refusal::Storage),
            }
        }
        heard
    }
}

/// Whether a damaged store may fail so.
fn is_of_damage(error: &Error) -> bool {
    matches!(
        error,
        Error::Store(_) | Error::Damaged(_) | Error::NewerStore { .. }
    )
}

/// What the relay has to say, which comes to an end.
fn hear(relay: &mut Relay, client: &Client) -> Vec<RelayFrame> {
    let mut frames = Vec::new();
    for _ in 0..10_000 {
        let Sent::Message(message) = relay.send(client.session) else {
            return frames;
        };
        frames.extend(frame::decode(&message).map(|frame| frame.unwrap()));
    }
    panic!("the relay does not stop: {:?}", frames.last());
}

/// How many segments are among these.
fn told(frames: &[RelayFrame]) -> usize {
    let is_segment = |frame: &&RelayFrame| matches!(frame, RelayFrame::Segment { .. });
    frames.iter().filter(is_segment).count()
}

/// The same with those that the snapshot spares: two of the seven. If it is gone, or does not hold what else is, they come by
/// themselves.
fn told_or_spared(frames: &[RelayFrame]) -> usize {
    let is_base = |frame: &RelayFrame| matches!(frame, RelayFrame::Snapshot { advance: 0, .. });
    told(frames) + if frames.iter().any(is_base) { 2 } else { 0 }
}

/// One row at a time is damaged so that it can't be read: all others are told to whoever comes, and new work is taken.
#[test]
fn what_is_whole_is_told_whatever_else_is_damaged() {
    let sample = Sample::new();
    let kinds: Vec<(i64, i64)> = {
        let connection = Connection::open(sample.copy()).unwrap();
        let mut rows = connection
            .prepare(
                "SELECT number, kind FROM items
                 WHERE classroom = (SELECT number FROM classrooms WHERE id = ?1) ORDER BY number",
            )
            .unwrap();
        let rows = rows.query_map([sample.classroom.id.0], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    };
    let newcomer = |relay: &mut Relay| {
        let client = Client::open(relay, &sample.classroom.founder, sample.classroom.id);
        hear(relay, &client)
    };
    let caught_up = |heard: &[RelayFrame]| matches!(heard.last(), Some(RelayFrame::CaughtUp { .. }));
    let whole = newcomer(&mut open(&sample.copy()).unwrap());
    assert!(caught_up(&whole));
    assert_eq!((told(&whole), told_or_spared(&whole)), (5, 7));
    let mut seen = [0; 5];
    let mut lost = 0;
    // What can't be read, and segments that are not where their row says.
    let cut = "UPDATE items SET bytes = substr(bytes, 1, 40) WHERE number = ?1";
    let moved = "UPDATE items SET log_index = log_index + 10 WHERE number = ?1";
    let is_segment = |(_, kind): &&(i64, i64)| *kind == 1;
    let damages = kinds.iter().map(|row| (cut, *row));
    let damages = damages.chain(kinds.iter().filter(is_segment).map(|row| (moved, *row)));
    for (damage, (number, kind)) in damages {
        seen[kind as usize] += 1;
        let path = sample.copy();
        let connection = Connection::open(&path).unwrap();
        assert_eq!(connection.execute(damage, [number]).unwrap(), 1);
        drop(connection);
        let mut relay = open(&path).unwrap();
        // Whatever became of the one classroom, the other is served and kept in order.
        assert!(relay.tidy().is_ok());
        while relay.commit(NOW).unwrap() > 0 {}
        let apart = Client::open(&mut relay, &sample.other.founder, sample.other.id);
        let heard = hear(&mut relay, &apart);
        assert!(caught_up(&heard) && told(&heard) == 1, "{heard:?}");

        let heard = newcomer(&mut relay);
        if kind == 0 {
            // Who belongs is not guessed from a part of the roster: somebody who was removed would come back.
            let closed = RelayFrame::Closed {
                channel: CHANNEL,
                reason: Refusal::Storage,
            };
            assert_eq!(heard, [closed]);
            continue;
        }
        assert!(caught_up(&heard), "{kind}: {heard:?}");
        let is_lost = usize::from(kind == 1 && told_or_spared(&heard) < 7);
        assert_eq!(told_or_spared(&heard), 7 - is_lost, "{kind}");
        lost += is_lost;
        let heard = sample.use_all(&mut relay);
        let stored = heard
            .iter()
            .filter(|frame| matches!(frame, RelayFrame::Stored { .. }));
        // What is lost comes back with the rest, and what the snapshot spares.
        assert_eq!(stored.count(), 2 + usize::from(kind == 1), "{kind}: {heard:?}");
    }
    assert_eq!(seen, [3, 14, 1, 1, 1]);
    // All but those that the snapshot holds.
    assert_eq!(lost, 10);
}

/// The same of the other tables: what they say of one thing keeps nobody from the rest.
#[test]
fn a_damaged_row_of_any_table_stops_nothing_else() {
    let sample = Sample::new();
    let id = sample.classroom.id;
    for (table, damage) in [
        ("classrooms", "id = x'00'"),
        ("documents", "document = x'00'"),
        ("documents", "space = x'00'"),
        ("logs", "last = -1"),
        ("logs", "last_hash = x'00'"),
        ("logs", "lane = x'00'"),
        ("leaps", "last = -1"),
        ("pieces", "hash = x'00'"),
        ("pieces", "stored = -1"),
        ("covered", "hash = x'00'"),
        ("chunks", "hash = x'00'"),
        ("claims", "document = x'00'"),
    ] {
        let path = sample.copy();
        let connection = Connection::open(&path).unwrap();
        let is_classroom = "(SELECT number FROM classrooms WHERE id = ?1)";
        connection
            .execute(
                &format!("INSERT INTO leaps (classroom, after, last) VALUES ({is_classroom}, 100, 200)"),
                [id.0],
            )
            .unwrap();
        // One of them, and of the classrooms the other.
        let which = match table {
            "classrooms" => "id <> ?1".to_owned(),
            "covered" | "claims" => "?1 IS NOT NULL".to_owned(),
            _ => format!("classroom = {is_classroom}"),
        };
        let number = format!("SELECT min(number) FROM {table} WHERE {which}");
        let update = format!("UPDATE {table} SET {damage} WHERE number = ({number})");
        assert_eq!(
            connection.execute(&update, [id.0]).unwrap(),
            1,
            "{table} {damage}"
        );
        drop(connection);
        let mut relay = open(&path).unwrap();
        relay.tidy().unwrap();
        while relay.commit(NOW).unwrap() > 0 {}
        let mut founder = Client::open(&mut relay, &sample.classroom.founder, id);
        let heard = hear(&mut relay, &founder);
        assert!(
            matches!(heard.last(), Some(RelayFrame::CaughtUp { .. })),
            "{table} {damage}"
        );
        assert_eq!(told_or_spared(&heard), 7, "{table} {damage}");
        // A log of which it is not known how far it goes, or whose, is not among what there is.
        let hidden = match table {
            "documents" => 2,
            "logs" => 1,
            _ => 0,
        };
        assert_eq!(
            founder.inventory(&mut relay).logs.len(),
            2 - hidden,
            "{table} {damage}"
        );
        let mut lane = sample.classroom.lane(&sample.student, sample.heads.clone());
        let new = lane.write("new");
        assert_eq!(
            founder.store(&mut relay, &new),
            Outcome::Stored,
            "{table} {damage}"
        );
        let becomes = sample.guest(Vec::new());
        assert_eq!(
            founder.store_entry(&mut relay, &becomes),
            Outcome::Stored,
            "{table} {damage}"
        );
    }
}

/// An entry by which a log ends within a fold is taken whether or not what that covers can be read: nobody takes it for stored
/// before it is.
#[test]
fn who_is_stopped_is_stopped_whatever_else_is_damaged() {
    let sample = Sample::new();
    let id = sample.classroom.id;
    let path = sample.copy();
    let mut relay = open(&path).unwrap();
    let mut founder = Client::open(&mut relay, &sample.classroom.founder, id);
    founder.hear(&mut relay);
    let mut lane = sample.classroom.lane(&sample.student, sample.heads.clone());
    let written = ["one", "two", "three"].map(|text| lane.write(text));
    for segment in &written {
        assert_eq!(founder.store(&mut relay, segment), Outcome::Stored);
    }
    let fold = lane.fold(&written, 0, 2);
    assert_eq!(founder.store(&mut relay, &fold), Outcome::Stored);
    drop(relay);
    let connection = Connection::open(&path).unwrap();
    let number = |query: &str| -> i64 { connection.query_row(query, [], |row| row.get(0)).unwrap() };
    let size = number("PRAGMA page_size") as usize;
    let root = number("SELECT rootpage FROM sqlite_schema WHERE name = 'covered'") as usize;
    drop(connection);
    let mut bytes = fs::read(&path).unwrap();
    bytes[(root - 1) * size..root * size].fill(0);
    fs::write(&path, bytes).unwrap();

    let Log { document, lane, .. } = lane.log;
    let seen = Cutoff {
        document,
        lane,
        next: 1,
    };
    let becomes = sample.guest(vec![seen]);
    for outcome in [Outcome::Stored, Outcome::Held] {
        let mut relay = open(&path).unwrap();
        let mut founder = Client::open(&mut relay, &sample.classroom.founder, id);
        founder.hear(&mut relay);
        assert_eq!(founder.store_entry(&mut relay, &becomes), outcome);
        assert_eq!(founder.store_entry(&mut relay, &becomes), Outcome::Held);
    }
}

/// What can be read is carried on in a file, and how much can't be is told.
#[test]
fn what_is_whole_is_exported_whatever_else_is_damaged() {
    let sample = Sample::new();
    let data = sample.folder.path();
    let file = data.join("file");
    sample.copy();
    let whole = export(data, &[], &file).unwrap();
    assert_eq!(whole.damaged, 0);
    let changed = "bytes = CAST(substr(bytes, 1, length(bytes) - 1)
                   || CASE substr(bytes, -1) WHEN x'00' THEN x'01' ELSE x'00' END AS BLOB)";
    let cut = "bytes = substr(bytes, 1, 40)";
    for (table, kind, damage, missing) in [
        ("items", 0, changed, 1),
        ("items", 1, changed, 1),
        // A snapshot takes its two pieces with it.
        ("items", 2, changed, 3),
        ("items", 3, changed, 1),
        ("items", 4, changed, 1),
        ("items", 0, cut, 1),
        ("items", 1, cut, 1),
        ("items", 1, "log_index = log_index + 10", 1),
        ("pieces", 0, changed, 1),
        ("pieces", 0, "hash = x'00'", 1),
        ("chunks", 0, changed, 1),
        ("chunks", 0, cut, 1),
        ("chunks", 0, "hash = x'00'", 1),
        ("claims", 0, "document = x'00'", 1),
        // Of the other one there are a founding and a segment.
        ("classrooms", 0, "id = x'00'", 2),
    ] {
        let connection = Connection::open(sample.copy()).unwrap();
        let which = match table {
            "items" => format!("kind = {kind}"),
            "classrooms" => format!("hex(id) = '{}'", sample.other.id.to_hex().to_uppercase()),
            _ => "TRUE".to_owned(),
        };
        let number = format!("SELECT min(number) FROM {table} WHERE {which}");
        let update = format!("UPDATE {table} SET {damage} WHERE number = ({number})");
        assert_eq!(connection.execute(&update, []).unwrap(), 1);
        drop(connection);
        let exported = export(data, &[], &file).unwrap();
        let said = (whole.items - exported.items, exported.damaged);
        assert_eq!(said, (missing, 1), "{table} {kind} {damage}");
    }
}

/// The pages of a table or an index that its root names: one in each cell, and the last in its head.
fn leaves(path: &Path, name: &str) -> (Vec<u8>, Vec<Range<usize>>) {
    let connection = Connection::open(path).unwrap();
    let number = |query: &str| -> i64 { connection.query_row(query, [], |row| row.get(0)).unwrap() };
    let size = number("PRAGMA page_size") as usize;
    let query = format!("SELECT rootpage FROM sqlite_schema WHERE name = '{name}'");
    let root = number(&query) as usize;
    drop(connection);
    let bytes = fs::read(path).unwrap();
    let page = &bytes[(root - 1) * size..root * size];
    assert!(matches!(page[0], 2 | 5), "{name} has but one page");
    let cells = page[12..]
        .chunks(2)
        .take(usize::from(u16::from_be_bytes([page[3], page[4]])));
    let places = cells.map(|cell| usize::from(u16::from_be_bytes([cell[0], cell[1]])));
    let leaves: Vec<_> = places
        .chain([8])
        .map(|place| u32::from_be_bytes(page[place..place + 4].try_into().unwrap()) as usize)
        .map(|leaf| (leaf - 1) * size..leaf * size)
        .collect();
    // Nothing but leaves is named.
    assert!(leaves.iter().all(|leaf| bytes[leaf.start] == page[0] + 8));
    (bytes, leaves)
}

/// The same where the file itself is damaged: all that is not on that page of it, also behind positions that were passed over.
#[test]
fn what_is_whole_is_exported_whatever_page_of_the_file_is_damaged() {
    for leap in [1, 1_i64 << 41] {
        let sample = Sample::new();
        let data = sample.folder.path();
        let file = data.join("file");
        let connection = Connection::open(sample.copy()).unwrap();
        connection
            .execute("UPDATE items SET position = position * ?1", [leap])
            .unwrap();
        connection
            .execute("UPDATE classrooms SET last = last * ?1", [leap])
            .unwrap();
        drop(connection);
        let whole = export(data, &[], &file).unwrap();
        assert_eq!(whole.damaged, 0);
        let (bytes, leaves) = leaves(&data.join("relay.sqlite"), "items");
        let mut lost = 0;
        for leaf in leaves {
            let mut damaged = bytes.clone();
            damaged[leaf.clone()].fill(0);
            fs::write(sample.copy(), damaged).unwrap();
            let exported = export(data, &[], &file).unwrap();
            assert!(exported.damaged > 0, "{leaf:?}");
            lost += whole.items - exported.items;
        }
        // Each of them once. Chunks stand elsewhere.
        assert_eq!(lost, whole.items - sample.chunks.len() as u64);
    }
}

/// Nor is anything lost with a page of the index of positions, but what is on a page of the items that is damaged as well.
#[test]
fn what_is_whole_is_exported_whatever_page_of_the_index_is_damaged() {
    let sample = Sample::new();
    let data = sample.folder.path();
    let file = data.join("file");
    let connection = Connection::open(sample.copy()).unwrap();
    // So many receipts that both have some pages; the other classroom's stand among them.
    connection
        .execute(
            "WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 600)
             INSERT INTO items (classroom, position, kind, hash, space, bytes)
             SELECT classroom, (1 << 41) + n * (1 << 33), kind, hash, space, bytes FROM counted, items WHERE kind = 4",
            [],
        )
        .unwrap();
    connection
        .execute(
            "UPDATE items SET number = number + 5000 WHERE classroom = (SELECT number FROM classrooms WHERE id = ?1)",
            [sample.other.id.0],
        )
        .unwrap();
    drop(connection);
    let path = data.join("relay.sqlite");
    let whole = export(data, &[], &file).unwrap();
    assert_eq!(whole.damaged, 0);
    let (bytes, of_index) = leaves(&path, "sqlite_autoindex_items_1");
    let (_, of_items) = leaves(&path, "items");
    assert!(of_index.len() > 2 && of_items.len() > 8);
    let lost = |pages: &[&Range<usize>]| {
        let mut damaged = bytes.clone();
        for page in pages {
            damaged[(*page).clone()].fill(0);
        }
        fs::write(sample.copy(), damaged).unwrap();
        let exported = export(data, &[], &file).unwrap();
        assert!(exported.damaged > 0, "{pages:?}");
        whole.items - exported.items
    };
    for index in &of_index {
        assert_eq!(lost(&[index]), 0);
    }
    let every: Vec<_> = of_index.iter().collect();
    assert_eq!(lost(&every), 0);
    for items in of_items.iter().step_by(8).chain(of_items.last()) {
        let alone = lost(&[items]);
        assert!(alone > 0);
        assert_eq!(lost(&[items, &of_index[1]]), alone);
    }
}

/// What a newer relay stored that was here before goes into the file as it is.
#[test]
fn what_is_of_a_newer_version_is_exported_as_it_is() {
    let sample = Sample::new();
    let data = sample.folder.path();
    let file = data.join("file");
    for (kind, missing, damaged) in [(0, 0, 0), (2, 3, 1), (3, 0, 0), (4, 0, 0)] {
        let connection = Connection::open(sample.copy()).unwrap();
        let whole = export(data, &[], &file).unwrap();
        let newer = "UPDATE items SET bytes = CAST(x'63' || substr(bytes, 2) AS BLOB)
                     WHERE number = (SELECT max(number) FROM items WHERE kind = ?1)";
        assert_eq!(connection.execute(newer, [kind]).unwrap(), 1);
        drop(connection);
        let exported = export(data, &[], &file).unwrap();
        let said = (whole.items - exported.items, exported.damaged);
        assert_eq!(said, (missing, damaged), "{kind}");
    }
}

/// A row that stands behind the end of its classroom is passed over, whichever of the two is damaged.
#[test]
fn what_stands_behind_the_end_is_passed_over() {
    let sample = Sample::new();
    let id = sample.classroom.id;
    let last = "(SELECT max(position) FROM items)";
    for damage in [
        &format!("UPDATE items SET position = 9223372036854775807 WHERE position = {last}"),
        "UPDATE classrooms SET last = last - 4",
    ] {
        let path = sample.copy();
        let connection = Connection::open(&path).unwrap();
        assert!(connection.execute(damage, []).unwrap() > 0);
        drop(connection);
        let mut relay = open(&path).unwrap();
        let mut founder = Client::open(&mut relay, &sample.classroom.founder, id);
        let told = founder.hear(&mut relay);
        assert!(
            matches!(told.last(), Some(RelayFrame::CaughtUp { .. })),
            "{damage}"
        );
    }
}

/// Nor does it keep others from being stored that are committed with it.
#[test]
fn a_damaged_classroom_takes_no_other_with_it() {
    let sample = Sample::new();
    let path = sample.copy();
    let connection = Connection::open(&path).unwrap();
    let damage = "UPDATE classrooms SET last = last - 4 WHERE id = ?1";
    assert_eq!(connection.execute(damage, [sample.classroom.id.0]).unwrap(), 1);
    drop(connection);
    let mut relay = open(&path).unwrap();
    let mut answers = |number: usize| {
        let clients = [&sample.classroom, &sample.other].map(|classroom| {
            let mut client = Client::open(&mut relay, &classroom.founder, classroom.id);
            client.hear(&mut relay);
            let mut lane = classroom.lane(&classroom.founder, vec![classroom.founding.hash()]);
            client.submit(&mut relay, &lane.write(&format!("{number}")));
            client
        });
        assert!(relay.commit(NOW).is_err());
        clients.map(|mut client| client.hear(&mut relay))
    };
    for number in 0..2 {
        let [damaged, other] = answers(number);
        assert!(
            matches!(
                damaged[..],
                [RelayFrame::Refused {
                    reason: Refusal::Storage,
                    ..
                }]
            ),
            "{damaged:?}"
        );
        assert!(matches!(other[..], [RelayFrame::Stored { .. }]), "{other:?}");
    }
}

/// What is out of order in an index comes to an end nevertheless, for whoever reads along.
#[test]
fn what_is_out_of_order_is_passed_over() {
    let sample = Sample::new();
    let (size, roots) = {
        let connection = Connection::open(sample.copy()).unwrap();
        let size: i64 = connection
            .query_row("PRAGMA page_size", [], |row| row.get(0))
            .unwrap();
        let mut indexes = connection
            .prepare(
                "SELECT rootpage FROM sqlite_schema WHERE name IN ('sqlite_autoindex_items_1', 'segments')",
            )
            .unwrap();
        let roots = indexes.query_map([], |row| row.get(0)).unwrap();
        (size as usize, roots.map(Result::unwrap).collect::<Vec<i64>>())
    };
    assert_eq!(roots.len(), 2);
    let whole = fs::read(sample.folder.path().join("whole")).unwrap();
    let mut opened = 0;
    for root in roots {
        // In the second half of the page there is what its cells say.
        let end = root as usize * size;
        for at in (end - size / 2..end).filter(|at| whole[*at] > 1) {
            let path = sample.copy();
            let mut bytes = whole.clone();
            bytes[at] = 1;
            fs::write(&path, bytes).unwrap();
            if let Ok(mut relay) = open(&path) {
                sample.use_all(&mut relay);
                opened += 1;
            }
        }
    }
    assert!(opened > 100);
}

/// Where the positions stand in the file that the index of positions holds.
fn positions_in_the_index(sample: &Sample) -> Vec<usize> {
    let connection = Connection::open(sample.copy()).unwrap();
    let size: i64 = connection
        .query_row("PRAGMA page_size", [], |row| row.get(0))
        .unwrap();
    let root: i64 = connection
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_items_1'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    drop(connection);
    let whole = fs::read(sample.folder.path().join("whole")).unwrap();
    let start = (root - 1) as usize * size as usize;
    let page = &whole[start..start + size as usize];
    // All of it is on one page: a kind, and how many cells there are, which are found by what follows.
    assert_eq!(page[0], 10);
    let count = u16::from_be_bytes([page[3], page[4]]) as usize;
    let cell = |at: usize| u16::from_be_bytes([page[8 + 2 * at], page[9 + 2 * at]]) as usize;
    // The length, how many bytes say what the three numbers take, and these: 8 and 9 are a 0 and a 1 themselves.
    (0..count)
        .map(cell)
        .filter(|cell| page[cell + 3] == 1)
        .map(|cell| start + cell + 5 + usize::from(page[cell + 2] == 1))
        .collect()
}

/// A row that the index has in a wrong place hides no other from who reads along, wherever they are.
#[test]
fn a_wrong_place_in_the_index_hides_no_other_row() {
    let sample = Sample::new();
    let id = sample.classroom.id;
    let behind = |path: &Path, after: u64| {
        let store = Sqlite::open(path).unwrap();
        store.page(&id, after, usize::MAX).unwrap()
    };
    let path = sample.copy();
    let all = behind(&path, 0);
    let whole = fs::read(sample.folder.path().join("whole")).unwrap();
    let places = positions_in_the_index(&sample);
    // All but the first of each classroom.
    assert_eq!(places.len(), 13);
    for at in places {
        for wrong in [2, whole[at] - 1, whole[at] + 1, whole[at] + 3, 127] {
            let path = sample.copy();
            let mut bytes = whole.clone();
            bytes[at] = wrong;
            fs::write(&path, bytes).unwrap();
            let is_further = wrong > whole[at];
            let here = behind(&path, 0);
            let missing = all.iter().filter(|placed| !here.contains(placed)).count();
            assert!(missing <= usize::from(!is_further), "{} {wrong}", whole[at]);
        }
        let path = sample.copy();
        let mut bytes = whole.clone();
        bytes[at] = 127;
        fs::write(&path, bytes).unwrap();
        for after in 0..=all.last().unwrap().position {
            let there = all.iter().filter(|placed| placed.position > after);
            assert!(behind(&path, after).iter().eq(there), "{} {after}", whole[at]);
        }
        let mut relay = open(&path).unwrap();
        let newcomer = Client::open(&mut relay, &sample.classroom.founder, id);
        assert_eq!(told_or_spared(&hear(&mut relay, &newcomer)), 7, "{}", whole[at]);
    }
}

/// A segment that can't be read any more comes back from whoever brings it.
#[test]
fn what_is_damaged_is_mended_by_whoever_brings_it() {
    let sample = Sample::new();
    let id = sample.classroom.id;
    let told_newcomer = |relay: &mut Relay| {
        let client = Client::open(relay, &sample.classroom.founder, id);
        told(&hear(relay, &client))
    };
    // Of the student's four runs the snapshot spares two. Then the founder's first, last, and what lies between, folded.
    for at in 0..7 {
        let is_told = at > 1;
        let path = sample.copy();
        let connection = Connection::open(&path).unwrap();
        let segment = &sample.segments[at];
        let hash = segment.hash(&id).unwrap();
        let damaged = "UPDATE items SET bytes = substr(bytes, 1, 40) WHERE hash = ?1";
        assert_eq!(connection.execute(damaged, [hash.0]).unwrap(), 1);
        drop(connection);
        let mut relay = open(&path).unwrap();
        let mut founder = Client::open(&mut relay, &sample.classroom.founder, id);
        let before = told(&founder.hear(&mut relay));
        assert_eq!(before, 5 - usize::from(is_told), "{at}");
        // Something else of the same author in that place is not what was there.
        let author = if at < 4 {
            &sample.student
        } else {
            &sample.classroom.founder
        };
        let mut other = sample.classroom.lane(author, sample.heads.clone());
        (other.log, other.next, other.previous) =
            (segment.header.log, segment.header.first, segment.previous);
        founder.store(&mut relay, &other.write("other"));
        assert_eq!(told_newcomer(&mut relay), before, "{at}");
        assert_eq!(founder.store(&mut relay, segment), Outcome::Stored, "{at}");
        assert_eq!(founder.store(&mut relay, segment), Outcome::Held, "{at}");
        assert_eq!(told_newcomer(&mut relay), 5, "{at}");
        // The logs go on as before.
        other.next = 4;
        other.previous = founder
            .inventory(&mut relay)
            .logs
            .iter()
            .find(|state| state.log == other.log)
            .unwrap()
            .hash;
        assert_eq!(
            founder.store(&mut relay, &other.write("more")),
            Outcome::Stored,
            "{at}"
        );
    }
}

/// Neighbours as well, in whatever order they come; and a part of a damaged fold does not take the place of all of it.
#[test]
fn what_is_damaged_side_by_side_is_mended_in_one_go() {
    let sample = Sample::new();
    let id = sample.classroom.id;
    let path = sample.copy();
    let connection = Connection::open(&path).unwrap();
    let damaged = [2, 3, 4, 6].map(|at: usize| &sample.segments[at]);
    for segment in damaged {
        let hash = segment.hash(&id).unwrap();
        let damage = "UPDATE items SET bytes = substr(bytes, 1, 40) WHERE hash = ?1";
        assert_eq!(connection.execute(damage, [hash.0]).unwrap(), 1);
    }
    drop(connection);
    let mut relay = open(&path).unwrap();
    let mut founder = Client::open(&mut relay, &sample.classroom.founder, id);
    assert_eq!(founder.segments(&mut relay).len(), 1);
    for part in &sample.folded {
        assert_eq!(founder.store(&mut relay, part), Outcome::Held);
    }
    for segment in damaged {
        assert_eq!(founder.store(&mut relay, segment), Outcome::Stored);
        assert_eq!(founder.store(&mut relay, segment), Outcome::Held);
    }
    let mut newcomer = Client::open(&mut relay, &sample.classroom.founder, id);
    assert_eq!(newcomer.segments(&mut relay).len(), 5);
}

/// Whatever byte of it has changed, so that its author did not sign what is there.
#[test]
fn what_has_changed_in_place_is_mended_by_whoever_brings_it() {
    let sample = Sample::new();
    let id = sample.classroom.id;
    // A run and a fold.
    for segment in [&sample.segments[2], &sample.segments[6]] {
        let hash = segment.hash(&id).unwrap();
        let length = segment.encode().unwrap().len();
        for place in (0..length).step_by(9) {
            let path = sample.copy();
            let connection = Connection::open(&path).unwrap();
            let select = "SELECT bytes FROM items WHERE hash = ?1";
            let mut bytes: Vec<u8> = connection.query_row(select, [hash.0], |row| row.get(0)).unwrap();
            bytes[place] ^= 4;
            let update = "UPDATE items SET bytes = ?2 WHERE hash = ?1";
            assert_eq!(connection.execute(update, (hash.0, bytes)).unwrap(), 1);
            drop(connection);
            let mut relay = open(&path).unwrap();
            let mut founder = Client::open(&mut relay, &sample.classroom.founder, id);
            assert!(!founder.segments(&mut relay).contains(segment), "{place}");
            assert_eq!(founder.store(&mut relay, segment), Outcome::Stored, "{place}");
            assert_eq!(founder.store(&mut relay, segment), Outcome::Held, "{place}");
            let mut newcomer = Client::open(&mut relay, &sample.classroom.founder, id);
            let told = newcomer.segments(&mut relay);
            assert!(told.len() == 5 && told.contains(segment), "{place}");
        }
    }
}

/// SplitMix64: anything does that is not the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit.max(1) as u64) as usize
    }
}

/// Changes a value of some row, or takes the row away. What the tables themselves forbid stays as it is.
fn damage_row(path: &Path, random: &mut Random) {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    let tables = [
        "relay",
        "classrooms",
        "logs",
        "items",
        "documents",
        "pieces",
        "covered",
        "chunks",
        "claims",
    ];
    let table = match random.below(3) {
        0 => tables[random.below(tables.len())],
        _ => "items",
    };
    let count: i64 = {
        let query = format!("SELECT count(*) FROM {table}");
        connection.query_row(&query, [], |row| row.get(0)).unwrap()
    };
    let row = random.below(count as usize);
    let query = format!("SELECT rowid, * FROM {table} ORDER BY rowid LIMIT 1 OFFSET {row}");
    let mut statement = connection.prepare(&query).unwrap();
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let Ok(row) = statement.query_row([], |row| {
        (0..columns.len())
            .map(|at| row.get(at))
            .collect::<Result<Vec<Value>, _>>()
    }) else {
        return;
    };
    if random.below(8) == 0 {
        let sql = format!("DELETE FROM {table} WHERE rowid = ?1");
        connection.execute(&sql, [&row[0]]).unwrap();
        return;
    }
    let at = 1 + random.below(columns.len() - 1);
    let value = match row[at].clone() {
        Value::Integer(number) => Value::Integer(match random.below(6) {
            0 => i64::MAX,
            1 => i64::MIN,
            2 => -1,
            3 => 0,
            4 => number.wrapping_add(1),
            _ => number.wrapping_sub(1),
        }),
        Value::Blob(mut bytes) => {
            let place = random.below(bytes.len() + 1);
            match random.below(4) {
                0 => bytes.truncate(place),
                1 => bytes.insert(place, 0xff),
                _ if place < bytes.len() => bytes[place] ^= 1 << random.below(8),
                _ => bytes.clear(),
            }
            Value::Blob(bytes)
        }
        other => other,
    };
    let sql = format!(
        "UPDATE OR IGNORE {table} SET {} = ?1 WHERE rowid = ?2",
        columns[at]
    );
    // A check of the tables may refuse it.
    connection.execute(&sql, [&value, &row[0]]).unwrap_or_default();
}

/// Changes some bytes of the file, or cuts it off.
fn damage_file(path: &Path, random: &mut Random) {
    let mut bytes = fs::read(path).unwrap();
    if random.below(6) == 0 {
        bytes.truncate(random.below(bytes.len()));
    }
    for _ in 0..=random.below(20) {
        let at = random.below(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << random.below(8);
        }
    }
    fs::write(path, bytes).unwrap();
}

/// Damages stores until there were so many, or as long as there is time.
fn damage_stores(seed: u64, mut goes_on: impl FnMut(u32) -> bool) {
    let sample = Sample::new();
    let mut random = Random(seed);
    let (mut runs, mut opened, mut told) = (0, 0, 0);
    while goes_on(runs) {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let path = sample.copy();
            match random.below(4) {
                0 => damage_file(&path, &mut random),
                _ => (0..=random.below(3)).for_each(|_| damage_row(&path, &mut random)),
            }
            let mut relay = match open(&path) {
                Ok(relay) => relay,
                Err(error) => {
                    assert!(is_of_damage(&error), "{error:?}");
                    return None;
                }
            };
            let heard = sample.use_all(&mut relay);
            Some(
                heard
                    .iter()
                    .any(|frame| matches!(frame, RelayFrame::CaughtUp { .. })),
            )
        }));
        let Ok(outcome) = outcome else {
            panic!("a damaged store stops the relay: MERIDIAN_FUZZ_SEED={seed} in run {runs}");
        };
        opened += u32::from(outcome.is_some());
        told += u32::from(outcome == Some(true));
        runs += 1;
    }
    println!("damaged stores: {runs}, opened {opened}, told from {told}, seed {seed}");
    assert!(opened > runs / 3 && told > 0);
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn a_damaged_store_stops_no_relay() {
    damage_stores(1, |runs| runs < 60);
}

#[test]
#[ignore = "as long as there is time"]
fn fuzz_stores() {
    let start = Instant::now();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = variable("MERIDIAN_FUZZ_SEED").unwrap_or(now.as_nanos() as u64);
    let seconds = Duration::from_secs(variable("MERIDIAN_FUZZ_SECONDS").unwrap_or(10));
    damage_stores(seed, |runs| runs < 10 || start.elapsed() < seconds);
}
