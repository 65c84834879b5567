//! A page is started anew: its text stays, its history is gone everywhere, and nothing that somebody wrote meanwhile is.

use std::collections::BTreeSet;

use protocol::bundle;
use protocol::roster::Role;
use protocol::segment::Segment;
use replica::command::{Answer, Command, Problem};
use replica::store::Table;

use crate::tab::{PageKey, words};
use crate::world::{Pair, World, person};

impl World {
    async fn start_anew(&mut self, tab: usize, page: PageKey) -> Result<PageKey, Problem> {
        let (classroom, document) = page;
        match self.ask(tab, Command::StartAnew { classroom, document }).await? {
            Answer::Document(successor) => Ok((classroom, successor)),
            other => panic!("{other:?}"),
        }
    }

    /// Opens what a page was started anew as, in the tabs that have it open, as the app does.
    async fn follow(&mut self, from: PageKey, to: PageKey) {
        for tab in self.all_tabs().collect::<Vec<_>>() {
            self.until("the page is gone from the list", |world| {
                let erased = &world.tab(tab).classroom(&from.0).erased;
                erased.iter().any(|erased| (from.0, erased.successor) == to)
            })
            .await;
            self.close_page(tab, from).await;
            self.open_page(tab, to).await;
        }
    }

    async fn close_page(&mut self, tab: usize, (classroom, document): PageKey) {
        let closed = self.ask(tab, Command::ClosePage { classroom, document }).await;
        assert_eq!(closed, Ok(Answer::Done));
        self.tab_mut(tab).pages.remove(&(classroom, document));
    }

    fn rows_of(&self, profile: usize, page: PageKey) -> Vec<Table> {
        let tables = [
            Table::Segments,
            Table::Outbox,
            Table::Documents,
            Table::Titles,
            Table::Logs,
        ];
        let has_rows = |table: &Table| {
            let rows = self.store(profile).table(*table);
            rows.iter().any(|(key, _)| key[32..48] == page.1.0)
        };
        tables.into_iter().filter(has_rows).collect()
    }

    /// Nothing of the page is on any device, nor comes to anybody new.
    async fn check_gone(&mut self, lead: usize, page: PageKey) {
        self.until("the page is gone from all devices", |world| {
            (0..world.profiles.len()).all(|profile| world.rows_of(profile, page).is_empty())
        })
        .await;
        let (file, _) = self.export(lead, None).await;
        let mut reader = bundle::Reader::new();
        reader.push(&file);
        for event in reader {
            if let bundle::Event::Record { item, .. } = event
                && let Ok(segment) = Segment::decode(&item)
            {
                assert_ne!(segment.header.log.document, page.1);
            }
        }
        let link = self.invite(lead, page.0, Role::Student).await;
        self.until_on_relay().await;
        let profile = self.profile();
        let newcomer = self.open_tab(profile);
        self.join(newcomer, &link, person("Chi", "Kilimo School", "KE"))
            .await;
        self.until_on_relay().await;
        assert_eq!(self.rows_of(profile, page), []);
    }
}

fn words_of(wanted: &[&str]) -> BTreeSet<String> {
    wanted.iter().map(|word| (*word).to_owned()).collect()
}

#[tokio::test]
async fn the_text_stays_and_the_history_goes() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("anew").await;
    world.write_word(ben, page, "[ben]");
    world.write_word(amina, page, "[amina]");
    world.until_equal(page).await;
    let before = world.tab(amina).classroom(&page.0).documents[0].clone();

    let refused = world.start_anew(ben, page).await;
    assert_eq!(refused, Err(Problem::NotAllowed));
    let next = world.start_anew(amina, page).await.unwrap();
    world.follow(page, next).await;
    assert_eq!(world.until_equal(next).await, words_of(&["[amina]", "[ben]"]));
    let me = world.tab(amina).home.as_ref().unwrap().me.unwrap();
    for tab in [amina, ben] {
        let view = world.tab(tab).classroom(&page.0);
        assert_eq!(view.documents.len(), 1);
        assert_eq!(view.documents[0].created_at, before.created_at);
        assert_eq!(view.erased.len(), 1);
        let erased = &view.erased[0];
        assert_eq!(
            (erased.document, erased.successor, erased.by),
            (page.1, next.1, me)
        );
        let (classroom, document) = page;
        let again = world.ask(tab, Command::OpenPage { classroom, document }).await;
        assert_eq!(again, Err(Problem::UnknownDocument));
    }
    world.check_gone(amina, page).await;
    world.write_word(ben, next, "[more]");
    for tab in world.all_tabs().collect::<Vec<_>>() {
        world.open_page(tab, next).await;
    }
    assert_eq!(
        world.until_equal(next).await,
        words_of(&["[amina]", "[ben]", "[more]"])
    );
    world.check_stores(next).await;
    world.check_nothing_to_send().await;
}

#[tokio::test]
async fn what_somebody_wrote_offline_is_made_again_in_the_new_page() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("anew offline").await;
    world.write_word(amina, page, "[before]");
    world.until_equal(page).await;
    let home = world.tab(ben).profile;
    world.cut(home);
    world.write_word(ben, page, "[offline]");
    world.pass(2).await;
    let next = world.start_anew(amina, page).await.unwrap();
    world.close_page(amina, page).await;
    world.open_page(amina, next).await;
    world.write_word(amina, next, "[new]");
    world.until_on_relay_of(amina).await;

    world.link(home);
    world
        .until("the change is heard of", |world| {
            !world.tab(ben).classroom(&page.0).erased.is_empty()
        })
        .await;
    // The tab still has it open, and hands over what was typed.
    world.write_word(ben, page, "[last]");
    world.follow(page, next).await;
    let after = world.until_equal(next).await;
    assert_eq!(after, words_of(&["[before]", "[last]", "[new]", "[offline]"]));
    assert_eq!(world.tab(ben).classroom(&page.0).kept_aside, 0);
    world.check_gone(amina, page).await;
}

#[tokio::test]
async fn the_lead_erases_nothing_that_came_in_meanwhile() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("anew by a lead offline").await;
    world.write_word(ben, page, "[before]");
    world.until_equal(page).await;
    let home = world.tab(amina).profile;
    world.cut(home);
    let next = world.start_anew(amina, page).await.unwrap();
    world.close_page(amina, page).await;
    world.open_page(amina, next).await;
    world.write_word(amina, next, "[lead]");
    world.write_word(ben, page, "[meanwhile]");
    world.until_on_relay_of(ben).await;
    world.pass(3).await;

    // Their tab crashes, too: what they began is in the store.
    let amina = world.restart_tab(amina);
    world.open_page(amina, next).await;
    world.link(home);
    world.follow(page, next).await;
    let after = world.until_equal(next).await;
    assert_eq!(after, words_of(&["[before]", "[lead]", "[meanwhile]"]));
    let aside: Vec<u32> = [amina, ben]
        .iter()
        .map(|tab| world.tab(*tab).classroom(&page.0).kept_aside)
        .collect();
    assert_eq!(aside, [0, 0]);
    world.check_gone(amina, page).await;
}

#[tokio::test]
async fn a_page_that_is_not_open_is_read_and_one_started_anew_twice_is_found() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("anew twice").await;
    world.write_word(amina, page, "[before]");
    world.until_equal(page).await;
    let home = world.tab(ben).profile;
    let other = world.open_tab(home);
    world.open_page(other, page).await;
    world.cut(home);
    world.write_word(ben, page, "[offline]");
    world.write_word(other, page, "[other]");
    world.pass(2).await;
    world.crash_tab(ben);
    let ben = world.open_tab(home);

    world.close_page(amina, page).await;
    let amina = world.restart_tab(amina);
    world.until_on_relay_of(amina).await;
    let first = world.start_anew(amina, page).await.unwrap();
    world.until_on_relay_of(amina).await;
    let second = world.start_anew(amina, first).await.unwrap();
    world.until_on_relay_of(amina).await;

    world.close_page(other, page).await;
    world.link(home);
    for tab in [amina, ben, other] {
        world.open_page(tab, second).await;
    }
    world
        .until("what was written offline is in the new page", |world| {
            [amina, ben, other].iter().all(|tab| {
                let text = world.tab(*tab).text(&second);
                words(&text) == words_of(&["[before]", "[offline]", "[other]"])
            })
        })
        .await;
    world.until_equal(second).await;
    world.check_gone(amina, page).await;
    world.check_gone(amina, first).await;
}

#[tokio::test]
async fn a_locked_page_stays_locked_and_what_nobody_may_write_there_is_kept_aside() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("anew and locked").await;
    let home = world.tab(ben).profile;
    world.cut(home);
    world.write_word(ben, page, "[offline]");
    world.pass(2).await;
    let (classroom, document) = page;
    let lock = Command::Lock {
        classroom,
        document,
        locked: true,
    };
    assert_eq!(world.ask(amina, lock).await, Ok(Answer::Done));
    let next = world.start_anew(amina, page).await.unwrap();
    world.until_on_relay_of(amina).await;
    world.close_page(ben, page).await;
    world.link(home);
    world
        .until("own work is kept aside", |world| {
            world.tab(ben).classroom(&page.0).kept_aside == 1
        })
        .await;
    world.open_page(ben, next).await;
    assert!(world.tab(ben).classroom(&page.0).documents[0].locked);
    assert_eq!(world.tab(ben).text(&next), "");
}
