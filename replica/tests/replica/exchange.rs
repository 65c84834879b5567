//! Where no socket gets through, everything goes by exchanges.

use std::collections::BTreeSet;

use documents::page::edit::{Edit, Value};
use protocol::Refusal;
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

    async fn asked_in_a_minute(&mut self, tab: usize) -> usize {
        let before = self.tab(tab).exchanges;
        self.pass(60).await;
        self.tab(tab).exchanges - before
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

/// A pair of whom Ben goes the slow way, and has written a word.
async fn slowly(seed: &str) -> Pair {
    let mut pair = Pair::new(seed).await;
    let profile = pair.world.tab(pair.ben).profile;
    pair.world.block(profile);
    pair.world.write_word(pair.ben, pair.page, "[slow]");
    pair.world.until_equal(pair.page).await;
    pair
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
    } = slowly("sockets again").await;
    let profile = world.tab(ben).profile;
    assert_eq!(
        (world.link_of(amina), world.link_of(ben)),
        (Link::Online, Link::Exchanging)
    );
    // It is tried seldom, and more so each time; meanwhile all goes on.
    let before = world.tab(ben).connections;
    world.pass(80).await;
    let tries = world.tab(ben).connections - before;
    assert!((3..=4).contains(&tries), "{tries} tries");
    assert_eq!(world.link_of(ben), Link::Exchanging);
    world.write_word(amina, page, "[both]");
    world.until_equal(page).await;
    world.profiles[profile].blocked = false;
    world.tick(300_000);
    world
        .until("there is a socket", |world| world.link_of(ben) == Link::Online)
        .await;
    world.write_word(ben, page, "[fast]");
    assert_eq!(world.until_equal(page).await.len(), 3);
}

#[tokio::test]
async fn a_network_that_comes_back_while_one_exchanges_gets_a_socket_soon() {
    let Pair { mut world, ben, .. } = slowly("back again").await;
    let profile = world.tab(ben).profile;
    world.profiles[profile].blocked = false;
    world.pass(6).await;
    world
        .until("there is a socket", |world| world.link_of(ben) == Link::Online)
        .await;
}

#[tokio::test]
async fn whoever_gets_no_turn_is_not_said_to_be_online() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = slowly("no turn").await;
    let profile = world.tab(ben).profile;
    assert_eq!(world.link_of(ben), Link::Exchanging);
    let state_of = |world: &World| {
        let home = world.tab(ben).home.as_ref().unwrap();
        (home.link, home.refused)
    };
    let reasons = [
        Refusal::TooFast,
        Refusal::TooManyConnections,
        Refusal::NotAuthenticated,
    ];
    for reason in reasons {
        world.profiles[profile].turned_away = Some(reason);
        world.write_word(ben, page, &format!("[{reason:?}]"));
        world
            .until("it is said", |world| {
                state_of(world) == (Link::Offline, Some(reason))
            })
            .await;
        world.write_word(amina, page, &format!("[not heard: {reason:?}]"));
        world.profiles[profile].turned_away = None;
        world.until_equal(page).await;
        assert_eq!(state_of(&world), (Link::Exchanging, None));
    }
    assert_eq!(world.until_equal(page).await.len(), 7);
}

/// Others of theirs may have something to say.
#[tokio::test]
async fn whoever_got_no_turn_asks_for_news_less_often_for_a_while() {
    let Pair { mut world, ben, .. } = slowly("less often").await;
    let profile = world.tab(ben).profile;
    // From then on a socket is tried seldom.
    world.pass(160).await;
    let before = world.asked_in_a_minute(ben).await;
    world.profiles[profile].turned_away = Some(Refusal::TooFast);
    world.pass(6).await;
    world.profiles[profile].turned_away = None;
    let then = world.asked_in_a_minute(ben).await;
    world.pass(120).await;
    let later = world.asked_in_a_minute(ben).await;
    assert!(
        4 * then < 3 * before && 4 * then < 3 * later,
        "{before} {then} {later}"
    );
}

#[tokio::test]
async fn whoever_gets_no_turn_takes_a_socket_once_one_gets_through() {
    let Pair {
        mut world, ben, page, ..
    } = slowly("a socket instead").await;
    let profile = world.tab(ben).profile;
    world.profiles[profile].turned_away = Some(Refusal::TooFast);
    world.write_word(ben, page, "[after]");
    world
        .until("nothing gets through", |world| {
            world.tab(ben).home.as_ref().unwrap().refused == Some(Refusal::TooFast)
        })
        .await;
    // One that does not get through changes nothing.
    let before = world.tab(ben).connections;
    while world.tab(ben).connections < before + 2 {
        world.pass(1).await;
        assert_ne!(world.link_of(ben), Link::Exchanging);
    }
    world.pass(20).await;
    assert_ne!(world.link_of(ben), Link::Exchanging);
    world.profiles[profile].blocked = false;
    world
        .until("there is a socket", |world| world.link_of(ben) == Link::Online)
        .await;
    assert_eq!(world.until_equal(page).await.len(), 2);
}
