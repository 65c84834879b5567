//! Stores as versions of the replica wrote them, with a row of every table and kind: whatever has changed since, they open.
//!
//! A file for each version of the tables since the fourth, `store-4.hex`: a line for each row, with the table's name, the key,
//! and the value, which is on as many more lines as it takes. `MERIDIAN_GOLDEN=write` writes the newest.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use protocol::roster::Role;
use replica::command::{Answer, Command, Problem};
use replica::store::{Batch, SCHEMA, Table};
use replica::view::{Document, Receipt, WaitingState, Work};
use sync_server::Limits;

use crate::store::Store;
use crate::tab::{PageKey, word_at, words};
use crate::world::{Pair, Step, World, person};

/// How much of a value stands on a line.
const LINE: usize = 64;

fn file(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/store-{version}.hex"))
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn write(store: &Store, path: &Path) {
    let mut text = String::new();
    for table in Table::ALL {
        for (key, value) in store.table(table) {
            writeln!(text, "{} {}", table.name(), digits(&key)).unwrap();
            for line in value.chunks(LINE) {
                writeln!(text, " {}", digits(line)).unwrap();
            }
        }
    }
    std::fs::write(path, text).unwrap();
}

fn read(path: &Path) -> Store {
    let text = std::fs::read_to_string(path).unwrap();
    let mut rows: Vec<(Table, Vec<u8>, Vec<u8>)> = Vec::new();
    for line in text.lines() {
        if let Some(more) = line.strip_prefix(' ') {
            rows.last_mut().unwrap().2.extend(bytes(more));
            continue;
        }
        let (name, key) = line.split_once(' ').unwrap();
        let table = Table::ALL.into_iter().find(|table| table.name() == name).unwrap();
        rows.push((table, bytes(key), Vec::new()));
    }
    let changes = rows
        .into_iter()
        .map(|(table, key, value)| ((table, key), Some(value)));
    let batch = Batch {
        changes: changes.collect(),
        strict: true,
    };
    let mut store = Store::default();
    store.write(&batch).unwrap();
    store
}

/// The kinds of rows there are: the length of the key, and a word that is in it.
fn kinds(store: &Store) -> BTreeSet<(Table, usize, String)> {
    let mut kinds = BTreeSet::new();
    for table in Table::ALL {
        for (key, _) in store.table(table) {
            let word = match (table, key.get(32..)) {
                (Table::Classrooms, Some(rest @ ([0 | 1] | b"unhealed" | b"unopened"))) => rest.to_vec(),
                (Table::Classrooms, Some(rest)) if rest.starts_with(b"dispute") => b"dispute".to_vec(),
                (Table::Classrooms, Some(rest)) if rest.starts_with(b"given up") => b"given up".to_vec(),
                (Table::Classrooms, Some(rest)) if rest.starts_with(b"brought") => b"brought".to_vec(),
                _ => Vec::new(),
            };
            kinds.insert((table, key.len(), String::from_utf8(word).unwrap()));
        }
    }
    kinds
}

fn all_kinds() -> BTreeSet<(Table, usize, String)> {
    [
        (Table::Profile, 0, ""),
        (Table::Classrooms, 32, ""),
        (Table::Classrooms, 48, ""),
        (Table::Classrooms, 33, "\0"),
        (Table::Classrooms, 33, "\u{1}"),
        (Table::Classrooms, 40, "unhealed"),
        (Table::Classrooms, 40, "unopened"),
        (Table::Classrooms, 55, "brought"),
        (Table::Classrooms, 72, "given up"),
        (Table::Classrooms, 87, "dispute"),
        (Table::Entries, 64, ""),
        (Table::Logs, 112, ""),
        (Table::Segments, 104, ""),
        (Table::Segments, 112, ""),
        (Table::Outbox, 104, ""),
        (Table::Outbox, 105, ""),
        (Table::Pending, 104, ""),
        (Table::Documents, 48, ""),
        (Table::Titles, 48, ""),
        (Table::Aside, 64, ""),
        (Table::Aside, 65, ""),
        (Table::Imported, 65, ""),
        (Table::Snapshots, 80, ""),
        (Table::Pieces, 64, ""),
        (Table::Receipts, 48, ""),
        (Table::Receipts, 80, ""),
        (Table::Receipts, 112, ""),
        (Table::Chunks, 80, ""),
        (Table::Uploads, 80, ""),
    ]
    .map(|(table, length, word)| (table, length, word.to_owned()))
    .into()
}

/// The device of Carla, who began a page with a snapshot and has something of everything on it.
struct Carla {
    world: World,
    carla: usize,
    page: PageKey,
}

const CARLA: usize = 2;

impl Carla {
    async fn new() -> Self {
        let limits = Limits {
            snapshot_after: 20,
            ..Limits::default()
        };
        let Pair {
            mut world,
            amina,
            ben,
            classroom,
            page,
        } = Pair::in_world(World::with_limits("written", limits).await).await;
        for number in 0..25 {
            world.write_word(amina, page, &format!("[{number}]"));
            world.drain().await;
            world.until_on_relay_of(amina).await;
        }
        world.until_equal(page).await;
        let profile = world.profile();
        assert_eq!(profile, CARLA);
        let carla = world.open_tab(profile);
        let link = world.invite(amina, classroom, Role::Student).await;
        world.until_on_relay_of(amina).await;
        world
            .join(carla, &link, person("Carla", "Third School", "CN"))
            .await;
        world.open_page(carla, page).await;
        for number in 0..6 {
            world.write_word(carla, page, &format!("[c{number}]"));
            world.until_equal(page).await;
        }
        let seen = world.new_page(carla, classroom).await;
        world.open_page(carla, seen).await;
        world.write_word(carla, seen, "[seen]");
        // A verdict, receipts, and a fold.
        let document = page.1;
        let compared = world
            .ask(ben, Command::VerifyHistory { classroom, document })
            .await;
        assert!(matches!(compared, Ok(Answer::Verified(_))), "{compared:?}");
        world.pass(90).await;
        Self { world, carla, page }
    }

    /// A classroom of somebody else: what a file carries of it, and a link to ask by.
    async fn elsewhere(&mut self) -> (Vec<u8>, String) {
        let profile = self.world.profile();
        let dora = self.world.open_tab(profile);
        let (first, second) = (self.world.found(dora).await, self.world.found(dora).await);
        let (file, _) = self.world.export(dora, Some(first)).await;
        let ask = Command::Invite {
            classroom: second,
            role: Role::Student,
            ask_first: true,
        };
        match self.world.ask(dora, ask).await {
            Ok(Answer::Invite(link)) => {
                self.world.until_on_relay_of(dora).await;
                (file, link)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Asks by a link, brings files, types while the page is locked, and writes with no connection.
    async fn leave_something_of_everything(&mut self) {
        let (file, link) = self.elsewhere().await;
        let (carla, page) = (self.carla, self.page);
        let preview = Command::Preview { link: link.clone() };
        assert!(self.world.ask(carla, preview).await.is_ok());
        let profile = person("Carla", "Third School", "CN");
        let asked = self.world.ask(carla, Command::Join { link, profile }).await;
        assert!(matches!(asked, Ok(Answer::Classroom(_))), "{asked:?}");
        self.world.until_on_relay_of(carla).await;
        let imported = self.world.import(carla, &file, 10_000).await;
        assert_eq!(imported.classrooms.len(), 1);

        let (classroom, document) = page;
        let lock = Command::Lock {
            classroom,
            document,
            locked: true,
        };
        let other = self.world.new_page(carla, classroom).await;
        self.world.open_page(carla, other).await;
        for number in 0..6 {
            self.world.write_word(carla, other, &format!("[o{number}]"));
            self.world.until_on_relay_of(carla).await;
        }
        self.attach(carla, other).await;
        self.world.until_on_relay_of(carla).await;
        assert_eq!(self.world.ask(0, lock).await, Ok(Answer::Done));
        self.world
            .until("it is locked", |world| {
                let shown = &world.tab(carla).classroom(&classroom).documents;
                shown.iter().any(|shown| shown.id == document && !shown.may_write)
            })
            .await;
        let change = self
            .world
            .tab_mut(carla)
            .edit(&page, &[word_at((0, 0), "[late]")]);
        assert_eq!(self.world.ask(carla, change.clone()).await, Err(Problem::Locked));
        let Command::Change { change, .. } = change else {
            panic!("{change:?}")
        };
        let keep = Command::KeepAside {
            classroom,
            document,
            change,
        };
        assert_eq!(self.world.ask(carla, keep).await, Ok(Answer::Done));
        self.world.drain().await;

        // A fold that is made and does not get out.
        let is_settled = |world: &World| {
            let rows = world.store(CARLA).table(Table::Outbox);
            rows.iter().any(|(key, _)| key.len() == 105)
        };
        for _ in 0..120 {
            self.world.tick(500);
            for _ in 0..4 {
                for step in self.world.steps() {
                    let is_local = matches!(step, Step::Write(_) | Step::Read(_));
                    if (is_local || step.tab() != carla) && self.world.steps().contains(&step) {
                        self.world.step(step).await;
                    }
                }
            }
            if is_settled(&self.world) {
                break;
            }
        }
        assert!(is_settled(&self.world));
        self.world.cut(CARLA);
        let (own, _) = self.world.export(0, Some(classroom)).await;
        self.world.import(carla, &own, 10_000).await;
        self.world.write_word(carla, other, "[unsent]");
        self.attach(carla, other).await;
        self.world.crash_tab(carla);
    }

    async fn attach(&mut self, carla: usize, page: PageKey) {
        let attach = Command::Attach {
            classroom: page.0,
            document: page.1,
            content: b"a file".to_vec(),
        };
        let attached = self.world.ask(carla, attach).await;
        assert!(matches!(attached, Ok(Answer::Attached(_))), "{attached:?}");
    }

    /// The rows that only another version, or a quarrel, brings.
    fn put_what_is_rare(&mut self) {
        let classroom = self.page.0.0;
        let store = &mut self.world.profiles[CARLA].store;
        let dispute = [&classroom[..], b"dispute", &self.page.1.0, &[7; 32]].concat();
        store.put(Table::Classrooms, dispute, vec![1]);
        let given_up = [&classroom[..], b"given up", &[4; 32]].concat();
        store.put(Table::Classrooms, given_up, vec![1]);
        // Of a newer version: a record, the number of the reason, and an item that says it.
        let unread = [&classroom[..], &[8; 32], &[0]].concat();
        store.put(Table::Aside, unread, vec![1, 11, 3, 9, 9, 9]);
        // Not a change: it is kept aside as well when it is found.
        let log = [
            &classroom[..],
            &self.page.1.0,
            &[6; 32],
            &[5; 16],
            &1u64.to_be_bytes(),
        ]
        .concat();
        store.put(Table::Pending, log, vec![9; 4]);
        let reader = [&classroom[..], &[1]].concat();
        store.put(Table::Classrooms, reader, vec![1, 2]);
    }
}

/// Everything of this store is there with no connection, and reaches a relay that knows nothing of it.
async fn opens(store: Store, version: u32) {
    let mut world = World::new("opens").await;
    let profile = world.profile();
    world.profiles[profile].store = store;
    world.profiles[profile].linked = false;
    let carla = world.open_tab(profile);
    world.drain().await;
    let home = world.tab(carla).home.clone().unwrap();
    assert_eq!(home.classrooms.len(), 1, "{version}");
    let states: Vec<_> = home.waiting.iter().map(|waiting| waiting.state).collect();
    assert_eq!(states, [WaitingState::Asked], "{version}");
    assert_eq!(home.unopened.len(), 1, "{version}");
    let classroom = home.classrooms[0].id;
    let shown = world.tab(carla).classroom(&classroom).clone();
    let mut names: Vec<_> = shown.members.iter().map(|member| member.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Amina", "Ben", "Carla"], "{version}");
    assert_eq!((shown.kept_aside, shown.documents.len()), (3, 3), "{version}");
    let page = |is_it: fn(&Document) -> bool| {
        let mut found = shown.documents.iter().filter(|shown| is_it(shown));
        let page = found
            .next()
            .unwrap_or_else(|| panic!("{version}: {:?}", shown.documents));
        assert!(found.next().is_none(), "{version}: {:?}", shown.documents);
        page
    };
    let seen = page(|page| matches!(&page.receipt, Receipt::SeenAt(schools) if schools.len() == 2));
    let locked = page(|page| page.locked && !page.may_write);
    let other = page(|page| page.receipt == Receipt::OnThisDevice && page.may_write);
    let pages = [
        ((classroom, locked.id), 32),
        ((classroom, other.id), 7),
        ((classroom, seen.id), 1),
    ];
    for (page, count) in pages {
        world.open_page(carla, page).await;
        let text = world.tab(carla).text(&page);
        assert_eq!(words(&text).len(), count, "{version}: {text}");
    }
    assert!(
        world.tab(carla).text(&pages[1].0).contains("[unsent]"),
        "{version}"
    );
    assert_eq!(
        world.tab(carla).classroom(&classroom).work,
        Work::OnThisDevice,
        "{version}"
    );

    world.link(profile);
    world.pass(40).await;
    world
        .until("the relay has what it may have", |world| {
            let shown = &world.tab(carla).classroom(&classroom).documents;
            let is_there = |page: &Document| page.locked == (page.work == Work::OnThisDevice);
            shown.iter().all(is_there)
        })
        .await;
    let unsent = world.store(profile).table(Table::Uploads);
    assert!(unsent.is_empty(), "{version}: {unsent:?}");
    let carla = world.restart_tab(carla);
    for (page, count) in pages {
        world.open_page(carla, page).await;
        let text = world.tab(carla).text(&page);
        assert_eq!(words(&text).len(), count, "{version}: {text}");
    }
}

#[tokio::test]
async fn what_every_version_wrote_is_opened() {
    if std::env::var_os("MERIDIAN_GOLDEN").is_some_and(|wish| wish == "write") {
        let mut made = Carla::new().await;
        made.leave_something_of_everything().await;
        made.put_what_is_rare();
        let store = made.world.store(CARLA);
        assert_eq!(kinds(store), all_kinds());
        write(store, &file(SCHEMA));
    }
    assert_eq!(
        kinds(&read(&file(SCHEMA))),
        all_kinds(),
        "each kind of row is there"
    );
    for version in 4..=SCHEMA {
        opens(read(&file(version)), version).await;
    }
}
