//! A store of the first version of the app: with changes that were never sealed, and with lanes to use again.

use documents::page::Page;
use protocol::LaneId;
use protocol::segment::Log;
use replica::store::Table;

use crate::tab::word_at;
use crate::world::Pair;

#[tokio::test]
async fn what_the_first_version_left_unsealed_is_sealed_and_sent() {
    let Pair {
        mut world,
        amina,
        page,
        ..
    } = Pair::new("unsealed").await;
    world.write_word(amina, page, "[sealed]");
    world.until_equal(page).await;
    world.cut(0);
    let log = Log {
        document: page.1,
        member: world.tab(amina).home.as_ref().unwrap().me.unwrap(),
        lane: LaneId([5; 16]),
    };
    let saved = world.tab_mut(amina).pages.get_mut(&page).unwrap().save().unwrap();
    let mut old = Page::load(&saved, log.actor()).unwrap();
    world.crash_tab(amina);
    for sequence in 1..=20_u64 {
        old.apply(&[word_at((0, 0), &format!("[{sequence}]"))]).unwrap();
        let change = old.commit(0).unwrap();
        let key = [
            &page.0.0[..],
            &log.document.0,
            &log.member.0,
            &log.lane.0,
            &sequence.to_be_bytes(),
        ]
        .concat();
        world.profiles[0].store.put(Table::Pending, key, change);
    }
    // Not a row of any version.
    world.profiles[0].store.put(Table::Pending, vec![1], vec![2]);

    let first = world.open_tab(0);
    let second = world.open_tab(0);
    for tab in [first, second] {
        world.open_page(tab, page).await;
    }
    world
        .until("it is sealed", |world| {
            world.store(0).table(Table::Pending).len() == 1
        })
        .await;
    assert_eq!(
        world.store(0).table(Table::Outbox).len(),
        1,
        "one run is one segment"
    );
    world.link(0);
    assert_eq!(world.until_equal(page).await.len(), 21);
    world.check_stores(page).await;
    world.check_nothing_to_send().await;
}
