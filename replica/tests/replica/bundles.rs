//! Classrooms in files, carried by hand.

use std::collections::BTreeSet;

use protocol::bundle::{Damage, Event, Kind, Reader, Writer};
use protocol::roster::Role;
use protocol::segment::Segment;
use protocol::{ClassroomId, SegmentHash};
use replica::command::{Answer, Command};
use replica::store::Table;
use replica::view::{Unopened, Work};

use crate::tab::{PageKey, words};
use crate::world::{World, person};

const PART: usize = 1000;

/// A founder with a page of thirty words and an invite, who never had a connection.
async fn alone(seed: &str) -> (World, usize, PageKey, String) {
    let mut world = World::new(seed).await;
    let profile = world.profile();
    let amina = world.open_tab(profile);
    world.cut(profile);
    let classroom = world.found(amina).await;
    let page = world.new_page(amina, classroom).await;
    world.open_page(amina, page).await;
    for word in 0..30 {
        world.write_word(amina, page, &format!("[{word}]"));
        world.drain().await;
    }
    let link = world.invite(amina, classroom, Role::Student).await;
    (world, amina, page, link)
}

/// Another device that never had a connection.
fn another(world: &mut World) -> usize {
    let profile = world.profile();
    let tab = world.open_tab(profile);
    world.cut(profile);
    tab
}

fn thirty() -> BTreeSet<String> {
    (0..30).map(|word| format!("[{word}]")).collect()
}

pub(crate) fn records(file: &[u8]) -> Vec<(ClassroomId, Kind, Vec<u8>)> {
    let mut reader = Reader::new();
    reader.push(file);
    let mut records = Vec::new();
    for event in reader.by_ref() {
        match event {
            Event::Record {
                classroom,
                kind,
                item,
            } => records.push((classroom, kind, item)),
            Event::Damaged(damage) => panic!("{damage:?}"),
        }
    }
    assert!(reader.finish().complete);
    records
}

/// Which indices the segments of a page cover.
fn spans(records: &[(ClassroomId, Kind, Vec<u8>)], page: PageKey) -> Vec<(u64, u64)> {
    let segments = records.iter().filter(|(_, kind, _)| *kind == Kind::Segment);
    let headers = segments.map(|(_, _, item)| Segment::decode(item).unwrap().header);
    let mut of_page: Vec<_> = headers
        .filter(|header| header.log.document == page.1)
        .map(|header| (header.first, header.last))
        .collect();
    of_page.sort_unstable();
    of_page
}

pub(crate) fn bundle(records: &[(ClassroomId, Kind, Vec<u8>)]) -> Vec<u8> {
    let (mut writer, mut file) = Writer::begin();
    for (classroom, kind, item) in records {
        file.extend(writer.record(classroom, *kind, item).unwrap());
    }
    file.extend(writer.end().unwrap());
    file
}

#[tokio::test]
async fn a_classroom_is_carried_there_and_back_with_no_connection() {
    let (mut world, amina, page, link) = alone("carried").await;
    let (file, items) = world.export(amina, None).await;
    let there = records(&file);
    assert_eq!(there.len() as u64, items);
    // What can be folded is folded before.
    assert_eq!(spans(&there, page), [(0, 30)]);
    for secret in ["[7]", "Amina", "Kilimo", "Water"] {
        let is_there = file.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!is_there, "{secret} is there to read");
    }

    let ben = another(&mut world);
    let imported = world.import(ben, &file, PART).await;
    assert_eq!(imported.classrooms, [page.0]);
    assert_eq!(
        (imported.new, imported.damaged, imported.complete),
        (items, 0, true)
    );
    // It waits there for the invite, across a restart.
    let ben = world.restart_tab(ben);
    world.cut(1);
    assert!(world.tab(ben).classrooms.is_empty());
    let joined = world.join(ben, &link, person("Ben", "Hill School", "GB")).await;
    assert_eq!(joined, page.0);
    world.open_page(ben, page).await;
    assert_eq!(words(&world.tab(ben).text(&page)), thirty());
    assert_eq!(world.tab(ben).classroom(&page.0).work, Work::OnThisDevice);
    assert!(world.store(1).table(Table::Imported).is_empty());

    // And back.
    world.write_word(ben, page, "[ben]");
    world.drain().await;
    let (file, items) = world.export(ben, Some(page.0)).await;
    let imported = world.import(amina, &file, 7 * PART).await;
    assert_eq!((imported.new + imported.known, imported.aside), (items, 0));
    assert!(imported.classrooms.is_empty());
    world
        .until("Ben is there", |world| {
            let classroom = world.tab(amina).classroom(&page.0);
            classroom.members.iter().any(|member| member.name == "Ben")
        })
        .await;
    assert!(words(&world.tab(amina).text(&page)).contains("[ben]"));
    // Once more is nothing new.
    let again = world.import(amina, &file, PART).await;
    assert_eq!((again.new, again.known, again.aside), (0, items, 0));
    let amina = world.restart_tab(amina);
    world.cut(0);
    world.open_page(amina, page).await;
    assert_eq!(words(&world.tab(amina).text(&page)).len(), 31);
    assert_eq!(world.tab(amina).classroom(&page.0).kept_aside, 0);
}

#[tokio::test]
async fn whoever_joined_by_a_file_reaches_the_relay_first_or_last() {
    for first in [0, 1] {
        let (mut world, amina, page, link) = alone(&format!("route {first}")).await;
        let (file, _) = world.export(amina, None).await;
        let ben = another(&mut world);
        world.import(ben, &file, PART).await;
        world.join(ben, &link, person("Ben", "Hill School", "GB")).await;
        world.open_page(ben, page).await;
        world.write_word(ben, page, "[ben]");
        world.write_word(amina, page, "[amina]");
        world.link(first);
        world.until_on_relay_of([amina, ben][first]).await;
        world.link(1 - first);
        let mut wanted = thirty();
        wanted.extend(["[ben]".to_owned(), "[amina]".to_owned()]);
        assert_eq!(world.until_equal(page).await, wanted);
        for tab in [amina, ben] {
            let classroom = world.tab(tab).classroom(&page.0);
            assert_eq!((classroom.kept_aside, classroom.refused), (0, None));
        }
        world.check_nothing_to_send().await;
    }
}

#[tokio::test]
async fn a_damaged_file_gives_back_what_is_whole_in_any_order() {
    let (mut world, amina, page, link) = alone("damaged").await;
    let (file, items) = world.export(amina, Some(page.0)).await;
    let ben = another(&mut world);
    let half = world.import(ben, &file[..file.len() / 2], PART).await;
    assert!(half.new < items && !half.complete);
    let mut flipped = file.clone();
    for at in [file.len() / 3, file.len() / 2] {
        flipped[at] ^= 0x40;
    }
    let flipped = world.import(ben, &flipped, PART).await;
    assert!(!flipped.complete && flipped.damaged > 0);
    // It is told where.
    assert_eq!(flipped.named.len() as u64, flipped.damaged);
    for at in [file.len() / 3, file.len() / 2] {
        let holds = |damage: &Damage| (damage.offset..damage.offset + damage.length).contains(&(at as u64));
        assert!(flipped.named.iter().any(holds), "{:?}", flipped.named);
    }
    assert_eq!(flipped.new + flipped.known, items - 2);
    assert!(flipped.new > 0 && flipped.known > 0);
    // What is missing comes with the same file in another order, after somebody has joined by what there is, or not.
    let mut reversed = records(&file);
    reversed.reverse();
    let whole = world.import(ben, &bundle(&reversed), PART).await;
    assert_eq!((whole.new + whole.known, whole.complete), (items, true));
    world.join(ben, &link, person("Ben", "Hill School", "GB")).await;
    world.open_page(ben, page).await;
    assert_eq!(words(&world.tab(ben).text(&page)), thirty());
    let again = world.import(ben, &bundle(&reversed), PART).await;
    assert_eq!((again.known, again.aside), (items, 0));
    assert_eq!(world.tab(ben).classroom(&page.0).kept_aside, 0);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_named_and_read_as_far_as_it_goes() {
    let (mut world, amina, page, _) = alone("newer").await;
    let (mut file, items) = world.export(amina, Some(page.0)).await;
    let ben = another(&mut world);
    // The version stands behind the first bytes.
    file["MERIDIAN BUNDLE\0".len()] = 2;
    let newer = world.import(ben, &file, PART).await;
    assert_eq!((newer.new, newer.damaged, newer.complete), (items, 0, false));
    assert_eq!(newer.newer_version, Some(2));
    // What is only damaged is no newer version, nor is what is no bundle.
    for version in [0, 1] {
        file["MERIDIAN BUNDLE\0".len()] = version;
        let other = world.import(ben, &file[..file.len() - 1], PART).await;
        assert_eq!((other.complete, other.newer_version), (false, None));
    }
}

#[tokio::test]
async fn what_is_no_bundle_brings_nothing() {
    let (mut world, amina, page, _) = alone("nothing").await;
    let imported = world.import(amina, &[7; 5000], PART).await;
    assert_eq!((imported.new, imported.known, imported.complete), (0, 0, false));
    assert_eq!(imported.damaged, 1);
    // Items of a known classroom that are none are kept aside.
    let strange = [
        (page.0, Kind::Entry, vec![1; 50]),
        (page.0, Kind::Segment, vec![2; 50]),
        (page.0, Kind::Other(99), vec![3; 50]),
    ];
    let imported = world.import(amina, &bundle(&strange), PART).await;
    assert_eq!((imported.new, imported.aside), (0, 3));
    world
        .until("they show", |world| {
            world.tab(amina).classroom(&page.0).kept_aside == 3
        })
        .await;
    let unknown = ClassroomId(SegmentHash::NONE.0);
    let answer = world
        .ask(
            amina,
            Command::Export {
                classroom: Some(unknown),
            },
        )
        .await;
    assert!(answer.is_err());
}

#[tokio::test]
async fn a_full_disk_can_still_be_exported() {
    let (mut world, amina, page, link) = alone("full").await;
    world.profiles[0].store.failing = true;
    world.write_word(amina, page, "[unsaved]");
    world.drain().await;
    let (file, _) = world.export(amina, Some(page.0)).await;
    let ben = another(&mut world);
    world.import(ben, &file, PART).await;
    world.join(ben, &link, person("Ben", "Hill School", "GB")).await;
    world.open_page(ben, page).await;
    let mut wanted = thirty();
    wanted.insert("[unsaved]".to_owned());
    assert_eq!(words(&world.tab(ben).text(&page)), wanted);
    assert!(matches!(world.ask(ben, Command::Card).await, Ok(Answer::Card(_))));
}

impl World {
    fn unopened(&self, tab: usize) -> Vec<Unopened> {
        let home = self.tab(tab).home.as_ref();
        home.map(|home| home.unopened.clone()).unwrap_or_default()
    }
}

#[tokio::test]
async fn what_waits_for_an_invite_is_shown_counted_once_and_can_be_deleted() {
    let (mut world, amina, page, link) = alone("unopened").await;
    let (file, items) = world.export(amina, None).await;
    let mut ben = another(&mut world);
    for again in [false, true] {
        if again {
            ben = world.restart_tab(ben);
            world.cut(1);
        }
        let imported = world.import(ben, &file, PART).await;
        let (new, known) = if again { (0, items) } else { (items, 0) };
        assert_eq!((imported.new, imported.known, imported.left_out), (new, known, 0));
        assert_eq!(imported.classrooms, [page.0]);
        let shown = world.unopened(ben);
        assert_eq!(
            (shown.len(), shown[0].classroom, shown[0].items),
            (1, page.0, items)
        );
        let size = file.len() as u64;
        assert!(
            shown[0].bytes > size / 2 && shown[0].bytes < 4 * size,
            "{shown:?}"
        );
    }
    let classroom = page.0;
    let deleted = world.ask(ben, Command::DeleteUnopened { classroom }).await;
    assert_eq!(deleted, Ok(Answer::Done));
    assert!(world.unopened(ben).is_empty());
    assert!(world.store(1).table(Table::Imported).is_empty());
    let ben = world.restart_tab(ben);
    world.cut(1);
    assert!(world.unopened(ben).is_empty());
    // It can be brought again; and who has joined has nothing that waits.
    assert_eq!(world.import(ben, &file, PART).await.new, items);
    world.join(ben, &link, person("Ben", "Hill School", "GB")).await;
    world.drain().await;
    assert!(world.unopened(ben).is_empty());
    assert!(world.store(1).table(Table::Imported).is_empty());
    let ben = world.restart_tab(ben);
    assert!(world.unopened(ben).is_empty());
}

#[tokio::test]
async fn what_waits_for_an_invite_has_so_much_room() {
    let (mut world, amina, page, _) = alone("room").await;
    let (file, items) = world.export(amina, None).await;
    let profile = world.profile();
    // Of another classroom there is nearly all that may be: a version, how many items, and how many bytes.
    let key = [[8; 32].as_slice(), b"unopened"].concat();
    let bytes = 1024u64 * 1024 * 1024 - 700;
    let mut row = vec![1, 9];
    let mut rest = bytes;
    while rest >= 0x80 {
        row.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    row.push(rest as u8);
    world.profiles[profile].store.put(Table::Classrooms, key, row);
    let ben = world.open_tab(profile);
    world.cut(profile);
    let imported = world.import(ben, &file, PART).await;
    assert!(imported.new > 0 && imported.left_out > 0, "{imported:?}");
    assert_eq!(imported.new + imported.left_out, items);
    let shown = world.unopened(ben);
    assert_eq!((shown.len(), shown[0].bytes), (2, bytes));
    // Once that is deleted, the rest comes in.
    let classroom = shown[0].classroom;
    let deleted = world.ask(ben, Command::DeleteUnopened { classroom }).await;
    assert_eq!(deleted, Ok(Answer::Done));
    let again = world.import(ben, &file, PART).await;
    assert_eq!((again.new, again.known), (imported.left_out, imported.new));
    assert_eq!(world.unopened(ben)[0].classroom, page.0);
}

#[tokio::test]
async fn two_files_are_read_at_once() {
    let (mut world, amina, page, _) = alone("two files").await;
    let (file, items) = world.export(amina, None).await;
    let strange = ClassroomId([6; 32]);
    let other = bundle(&[
        (strange, Kind::Entry, vec![1; 50]),
        (strange, Kind::Segment, vec![2; 50]),
    ]);
    let ben = another(&mut world);
    let give = |world: &mut World, import: u32, part: &[u8], last: bool| {
        let part = part.to_vec();
        world.give(ben, Command::Import { import, part, last })
    };
    let (half, rest) = file.split_at(file.len() / 2);
    give(&mut world, 1, half, false);
    give(&mut world, 2, &other[..40], false);
    let first = give(&mut world, 1, rest, true);
    let second = give(&mut world, 2, &other[40..], true);
    world.drain().await;
    for (request, new, classroom) in [(first, items, page.0), (second, 2, strange)] {
        match world.tab_mut(ben).answers.remove(&request) {
            Some(Ok(Answer::Imported(imported))) => {
                assert_eq!((imported.new, imported.complete), (new, true));
                assert_eq!(imported.classrooms, [classroom]);
            }
            other => panic!("{other:?}"),
        }
    }
}
