//! A store that lost rows, or holds some that can't be read: what is whole is there, what the relay has comes again, and
//! what is missing shows.

use protocol::SpaceId;
use replica::command::{Answer, Command};
use replica::store::Table;
use replica::{Replica, lanes_left};

use crate::rng::SeededRng;
use crate::store::Store;
use crate::tab::words;
use crate::world::{Pair, World};

type Row = (Vec<u8>, Vec<u8>);

/// How a row is damaged.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Gone,
    Cut,
    Flipped,
}

fn damage(store: &mut Store, table: Table, (key, value): &(Vec<u8>, Vec<u8>), how: Damage) {
    let mut value = value.clone();
    let middle = value.len() * 2 / 3;
    match how {
        Damage::Gone => return store.remove(table, key),
        Damage::Cut => value.truncate(value.len() / 2),
        Damage::Flipped => value[middle] ^= 4,
    }
    store.put(table, key.clone(), value);
}

/// Two who wrote by turns, until all was quiet and folded. Ben's tab is closed.
async fn written(seed: &str) -> Pair {
    let mut pair = Pair::new(seed).await;
    let page = pair.page;
    for word in ["[1]", "[2]", "[3]", "[4]", "[5]"] {
        pair.world.write_word(pair.amina, page, word);
        pair.world.write_word(pair.ben, page, &format!("[b{word}"));
        pair.world.until_equal(page).await;
    }
    pair.world.pass(40).await;
    pair.world.until_equal(page).await;
    pair.world.crash_tab(pair.ben);
    pair
}

fn starts(world: &World) -> bool {
    let records = world.store(1).read_tables(&Table::AT_START);
    let rng = SeededRng::new("starts");
    Replica::start(rng, world.now, String::new(), &records, &lanes_left(&records)).is_ok()
}

/// Opens Ben's tab again and his page in it, lets both settle, and answers with the words, the members and how much is kept
/// aside.
async fn shown(pair: &mut Pair) -> Option<(usize, usize, u32)> {
    let (classroom, document) = pair.page;
    let ben = pair.world.open_tab(1);
    pair.world.pass(1).await;
    pair.world.give(ben, Command::OpenPage { classroom, document });
    pair.world.pass(4).await;
    let tab = pair.world.tab(ben);
    let shown = tab.classrooms.get(&classroom).map(|shown| {
        let words = tab
            .pages
            .get(&pair.page)
            .map(|_| words(&tab.text(&pair.page)).len());
        (words.unwrap_or(0), shown.members.len(), shown.kept_aside)
    });
    pair.world.crash_tab(ben);
    shown
}

/// Of every row of a store one at a time: whatever became of it, the classroom is there with all of its members; and with all
/// words, or it shows that something is kept aside.
#[tokio::test]
async fn one_damaged_row_hides_nothing_else() {
    let mut pair = written("damage").await;
    let all = pair.world.profiles[1].store.clone();
    let mut spare = all.clone();
    spare.forget(|table, _| table == Table::Documents);
    // The same without the documents that are stored whole: they are made of their segments.
    for (store, is_spare) in [(&all, false), (&spare, true)] {
        for table in Table::ALL {
            for row in store.table(table) {
                for how in [Damage::Gone, Damage::Cut, Damage::Flipped] {
                    let is_founding = table == Table::Entries && row.0[..32] == row.0[32..64];
                    if row.1.is_empty() || table == Table::Profile || is_founding {
                        continue;
                    }
                    let mut damaged = store.clone();
                    damage(&mut damaged, table, &row, how);
                    pair.world.profiles[1].store = damaged;
                    assert!(starts(&pair.world));
                    let shown = shown(&mut pair).await;
                    let what = format!("{table:?} {how:?} {is_spare}: {shown:?}");
                    let Some((words, members, aside)) = shown else {
                        panic!("the classroom is hidden: {what}")
                    };
                    assert_eq!(members, 2, "{what}");
                    assert!(words == 10 || aside > 0, "{what}");
                    assert!(words == 10 || is_spare, "{what}");
                }
            }
        }
    }
}

/// Without the founding entry nothing of a classroom can be judged, and without the profile nobody is there to do it: the rows
/// stay as they are.
#[tokio::test]
async fn what_can_not_be_opened_at_all_stays_in_the_store() {
    let mut pair = written("unopened").await;
    let whole = pair.world.profiles[1].store.clone();
    let rows = whole.table(Table::Entries).into_iter();
    let mut rows = rows.filter(|(key, _)| key[..32] == key[32..64]);
    let founding = rows.next().unwrap();
    damage(
        &mut pair.world.profiles[1].store,
        Table::Entries,
        &founding,
        Damage::Cut,
    );
    assert_eq!(shown(&mut pair).await, None);
    let of_classroom = |store: &Store| {
        let tables = [Table::Segments, Table::Documents, Table::Logs];
        store.read_tables(&tables)
    };
    assert_eq!(of_classroom(pair.world.store(1)), of_classroom(&whole));
    // And counts again once it is whole.
    pair.world.profiles[1]
        .store
        .put(Table::Entries, founding.0, founding.1);
    assert_eq!(shown(&mut pair).await, Some((10, 2, 0)));

    let profile = whole.table(Table::Profile).remove(0);
    damage(
        &mut pair.world.profiles[1].store,
        Table::Profile,
        &profile,
        Damage::Cut,
    );
    assert!(!starts(&pair.world));
}

/// Nothing that is left here names it, and the position says that it came: only the relay can tell that it is missing.
#[tokio::test]
async fn the_newest_entry_of_the_roster_comes_again() {
    let mut pair = written("newest").await;
    let (classroom, document) = pair.page;
    let ben = pair.world.open_tab(1);
    pair.world.pass(1).await;
    let entries = |world: &World| world.store(1).table(Table::Entries);
    let before = entries(&pair.world);
    let rotate = Command::RotateKeys {
        classroom,
        space: Some(SpaceId::EVERYONE),
    };
    assert_eq!(pair.world.ask(pair.amina, rotate).await, Ok(Answer::Done));
    let has_come = |world: &World| world.store(1).table(Table::Entries).len() > before.len();
    pair.world.until("Ben has the new key", has_come).await;
    pair.world.pass(1).await;
    pair.world.crash_tab(ben);
    let after = entries(&pair.world);
    let newest: Vec<&Row> = after.iter().filter(|row| !before.contains(row)).collect();
    assert_eq!(newest.len(), 1);
    pair.world.profiles[1].store.remove(Table::Entries, &newest[0].0);

    pair.world.write_word(pair.amina, pair.page, "[6]");
    pair.world.until_on_relay_of(pair.amina).await;
    assert_eq!(shown(&mut pair).await, Some((11, 2, 0)));
    assert_eq!(entries(&pair.world), after);

    // From then on nobody compares any more.
    let ben = pair.world.open_tab(1);
    pair.world.pass(1).await;
    pair.world.give(ben, Command::OpenPage { classroom, document });
    pair.world.until_equal(pair.page).await;
    pair.world.check_nothing_to_send().await;
}
