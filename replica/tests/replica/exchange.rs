//! Where no socket gets through, everything goes by exchanges.

use std::collections::BTreeSet;

use documents::page::edit::{Edit, Value};
use protocol::roster::Role;
use replica::view::Link;

use crate::tab::{PageKey, word_at};
use crate::world::{Pair, World, person};

impl World {
    fn link_of(&self, tab: usize) -> Link {
        self.tab(tab).home.as_ref().unwrap().link
    }

    /// No socket gets through any more.
    fn block(&mut self, profile: usize) {
        self.cut(profile);
        self.profiles[profile].blocked = true;
        self.link(profile);
    }

    /// Words with links that are long, and do not get shorter by packing.
    fn write_much(&mut self, tab: usize, page: PageKey, name: &str, count: u32) -> BTreeSet<String> {
        let mut words = BTreeSet::new();
        for number in 0..count {
            let word = format!("[{name}{number}]");
            let letters = (0..50_000).map(|_| char::from(b'!' + u8::try_from(self.rng.below(56)).unwrap()));
            let link = Edit::Mark {
                block: 0,
                from: 0,
                to: word.len(),
                name: "link".to_owned(),
                value: Value::Text(letters.collect()),
            };
            self.edit(tab, page, &[word_at((0, 0), &word), link]);
            words.insert(word);
        }
        words
    }
}

#[tokio::test]
async fn two_work_together_without_sockets() {
    let mut world = World::new("exchanges").await;
    let (first, second) = (world.profile(), world.profile());
    for profile in [first, second] {
        world.profiles[profile].blocked = true;
    }
    let (amina, ben) = (world.open_tab(first), world.open_tab(second));
    let classroom = world.found(amina).await;
    let link = world.invite(amina, classroom, Role::Student).await;
    world.until_on_relay_of(amina).await;
    assert_eq!(world.link_of(amina), Link::Exchanging);
    world.join(ben, &link, person("Ben", "Hill School", "GB")).await;
    let page = world.new_page(amina, classroom).await;
    for tab in [amina, ben] {
        world.open_page(tab, page).await;
    }
    for word in ["[1]", "[2]", "[3]"] {
        world.write_word(amina, page, word);
        world.write_word(ben, page, &word.replace(']', "b]"));
        world.pass(3).await;
        assert_eq!([world.link_of(amina), world.link_of(ben)], [Link::Exchanging; 2]);
    }
    assert_eq!(world.until_equal(page).await.len(), 6);

    // The relay starts again, and knows no challenge of before.
    world.kill_relay();
    world.write_word(ben, page, "[while it was away]");
    world.pass(8).await;
    world.start_relay().await;
    assert_eq!(world.until_equal(page).await.len(), 7);
    world.check_stores(page).await;
    world.check_nothing_to_send().await;
}

#[tokio::test]
async fn more_than_one_exchange_holds_goes_in_several() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("long exchanges").await;
    let (first, second) = (world.tab(amina).profile, world.tab(ben).profile);
    world.cut(second);
    let mut words = world.write_much(amina, page, "a", 16);
    world.until_on_relay_of(amina).await;
    // More than the relay is sent at once.
    world.cut(first);
    words.extend(world.write_much(amina, page, "b", 16));
    world.block(first);
    world.until_on_relay_of(amina).await;
    // More than it answers at once.
    world.block(second);
    assert_eq!(world.until_equal(page).await, words);
}

#[tokio::test]
async fn an_emptied_relay_is_healed_by_exchanges() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        classroom,
    } = Pair::new("healing by exchanges").await;
    for tab in [amina, ben] {
        let profile = world.tab(tab).profile;
        world.block(profile);
    }
    world.write_word(amina, page, "[amina]");
    world.write_word(ben, page, "[ben]");
    world.until_equal(page).await;
    world.replace_relay().await;
    world.pass(100).await;
    world.until_equal(page).await;
    world.check_nothing_to_send().await;
    // Somebody who comes now gets everything from it.
    let link = world.invite(amina, classroom, Role::Student).await;
    world.until_on_relay().await;
    let profile = world.profile();
    let chi = world.open_tab(profile);
    world.join(chi, &link, person("Chi", "Hill School", "GB")).await;
    world.open_page(chi, page).await;
    assert_eq!(world.until_equal(page).await.len(), 2);
}

#[tokio::test]
async fn a_socket_is_taken_once_one_gets_through() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("sockets again").await;
    let profile = world.tab(ben).profile;
    world.block(profile);
    world.write_word(ben, page, "[slow]");
    world.until_equal(page).await;
    assert_eq!(
        (world.link_of(amina), world.link_of(ben)),
        (Link::Online, Link::Exchanging)
    );
    world.profiles[profile].blocked = false;
    world.pass(10).await;
    assert_eq!(world.link_of(ben), Link::Exchanging);
    world.tick(300_000);
    world
        .until("there is a socket", |world| world.link_of(ben) == Link::Online)
        .await;
    world.write_word(ben, page, "[fast]");
    assert_eq!(world.until_equal(page).await.len(), 2);
}
