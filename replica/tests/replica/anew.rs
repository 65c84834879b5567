//! A page is started anew: its text stays, its history is gone everywhere, and nothing that somebody wrote meanwhile is.

use std::collections::{BTreeMap, BTreeSet};

use documents::classroom::{Classroom as List, Kind, Listing};
use documents::document::Document;
use documents::fold::{Limits, unfold};
use documents::page::Page;
use documents::redo::{self, End};
use protocol::bundle;
use protocol::frame::RelayFrame;
use protocol::rand_core::Rng;
use protocol::roster::{Action, Entry, Role, Roster};
use protocol::segment::{Body, Log, Segment};
use protocol::{DocumentId, Refusal, SegmentHash};
use replica::Event;
use replica::command::{Answer, Command, Problem};
use replica::store::Table;

use crate::rng::SeededRng;
use crate::script::{Author, Script, Submitted};
use crate::tab::{PageKey, word_at, words};
use crate::world::{Pair, Step, World, person};

impl World {
    pub(crate) async fn start_anew(&mut self, tab: usize, page: PageKey) -> Result<PageKey, Problem> {
        let (classroom, document) = page;
        match self.ask(tab, Command::StartAnew { classroom, document }).await? {
            Answer::Document(successor) => Ok((classroom, successor)),
            other => panic!("{other:?}"),
        }
    }

    /// Opens what a page was started anew as, in the tabs that have it open, as the app does.
    pub(crate) async fn follow(&mut self, from: PageKey, to: PageKey) {
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

    /// Has all written that a tab has to write, and nothing else happen.
    async fn write(&mut self, tab: usize) {
        while self.tab(tab).writing.is_some() {
            self.step(Step::Write(tab)).await;
        }
    }

    async fn close_page(&mut self, tab: usize, (classroom, document): PageKey) {
        let closed = self.ask(tab, Command::ClosePage { classroom, document }).await;
        assert_eq!(closed, Ok(Answer::Done));
        self.tab_mut(tab).pages.remove(&(classroom, document));
    }

    /// The logs of a page of which the store of a tab has something.
    fn logs_of(&self, tab: usize, page: PageKey) -> BTreeSet<Vec<u8>> {
        let rows = self.store(self.tab(tab).profile).table(Table::Segments);
        let of_it = rows.into_iter().filter(|(key, _)| key[32..48] == page.1.0);
        of_it.map(|(key, _)| key[..96].to_vec()).collect()
    }

    /// One tab comes online and goes on, and no other, until what it carries over into a page is in the store.
    async fn carry_over_alone(&mut self, tab: usize, page: PageKey) {
        let before = self.logs_of(tab, page);
        self.handle(tab, Event::NetworkUp);
        self.go_on_alone(tab, |world| world.logs_of(tab, page) != before)
            .await;
    }

    async fn go_on_alone(&mut self, tab: usize, until: impl Fn(&Self) -> bool) {
        while !until(self) {
            let step = self.steps().into_iter().find(|step| step.tab() == tab);
            match step {
                Some(step) => self.step(step).await,
                None => {
                    tokio::task::yield_now().await;
                    self.now += 20;
                    self.handle(tab, Event::Tick);
                }
            }
        }
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

impl Script {
    /// Stores what is submitted, from this submission on, until the page that was started anew is erased, and opens what takes
    /// its place.
    async fn erase_all(&mut self, mut answered: usize) {
        for _ in 0..4 {
            answered = self.store_rest(answered).await;
            self.live(5).await;
        }
        assert_eq!(self.erased_upto.len(), 1);
        let documents = &self.view().documents;
        assert_eq!(documents.len(), 1);
        self.page.1 = documents[0].id;
        self.world.open_page(self.tab, self.page).await;
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

    // A tab that had not heard of it stored the page whole in its last moment.
    let profile = 1;
    let key = [&page.0.0[..], &page.1.0[..]].concat();
    let store = &mut world.profiles[profile].store;
    store.put(Table::Documents, key, b"whole".to_vec());
    world.open_tab(profile);
    world
        .until("it is gone", |world| world.rows_of(profile, page).is_empty())
        .await;
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

/// A tab told the others of what it had given up before it was written: they sent what was in no store.
#[tokio::test]
async fn what_was_given_up_before_it_was_written_no_tab_sends() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("given up").await;
    let home = world.tab(ben).profile;
    let second = world.open_tab(home);
    world.open_page(second, page).await;
    world.until_equal(page).await;
    world.profiles[home].store.failing = true;
    world.write_word(ben, page, "[unwritten]");
    let next = world.start_anew(amina, page).await.unwrap();
    world.follow(page, next).await;
    world.pass(3).await;
    world.profiles[home].store.failing = false;
    world
        .until("it is in the new page", |world| {
            words(&world.tab(amina).text(&next)) == words_of(&["[unwritten]"])
        })
        .await;
    world.pass(30).await;
    assert_eq!(world.until_equal(next).await, words_of(&["[unwritten]"]));
    world.check_gone(amina, page).await;
}

/// A tab told the others of what it had folded, and gave the fold up with the page before that was written: they waited for what
/// it stands for.
#[tokio::test]
async fn what_was_folded_and_given_up_before_that_was_written_no_tab_waits_for() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("folded and given up").await;
    let home = world.tab(ben).profile;
    let second = world.open_tab(home);
    world.open_page(second, page).await;
    world.until_equal(page).await;
    world.cut(home);
    world.write_word(ben, page, "[one]");
    world.write_word(ben, page, "[two]");
    let told = words_of(&["[one]", "[two]"]);
    world
        .until("the other tab is told", |world| {
            words(&world.tab(second).text(&page)) == told
        })
        .await;
    world.profiles[home].store.failing = true;
    world.pass(3).await;
    world.write_word(ben, page, "[unwritten]");
    let next = world.start_anew(amina, page).await.unwrap();
    world.link(home);
    world.follow(page, next).await;
    world.pass(3).await;
    world.profiles[home].store.failing = false;
    world.until_on_relay().await;
    let all = words_of(&["[one]", "[two]", "[unwritten]"]);
    assert_eq!(world.until_equal(next).await, all);
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

/// A tab carried something over on a lane of its own and crashed when that was in the store: the tab that took over its lane
/// did not look there, and carried it over once more.
#[tokio::test]
async fn what_a_tab_carried_over_before_it_crashed_is_not_carried_over_again() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("carried over and crashed").await;
    let home = world.tab(amina).profile;
    let second = world.open_tab(home);
    world.open_page(second, page).await;
    world.write_word(ben, page, "[before]");
    world.until_equal(page).await;
    world.cut(home);
    let next = world.start_anew(amina, page).await.unwrap();
    for tab in [amina, second] {
        world.close_page(tab, page).await;
        world.open_page(tab, next).await;
    }
    world.write_word(ben, page, "[meanwhile]");
    world.until_on_relay_of(ben).await;

    // Only the first tab goes on, until what it carried over is in the store; what the second would hear of it is lost.
    world.profiles[home].linked = true;
    world.carry_over_alone(amina, next).await;
    world.tab_mut(second).notes.clear();
    world.crash_tab(amina);

    world.handle(second, Event::NetworkUp);
    world.until_on_relay().await;
    let second = world.restart_tab(second);
    world.open_page(second, next).await;
    world.follow(page, next).await;
    // None of the words is there twice.
    let after = world.until_equal(next).await;
    assert_eq!(after, words_of(&["[before]", "[meanwhile]"]));
    world.check_gone(second, page).await;
}

/// A tab that wrote in the new page before the one that had started it heard of that took itself for that one: both carried
/// over what had come in.
#[tokio::test]
async fn of_two_tabs_that_write_in_the_new_page_one_carries_over() {
    // Of two lanes one sorts first.
    for starter in 0..2 {
        let Pair {
            mut world,
            amina,
            ben,
            page,
            ..
        } = Pair::new("two tabs carry over").await;
        let home = world.tab(amina).profile;
        let tabs = [amina, world.open_tab(home)];
        let (starter, other) = (tabs[starter], tabs[1 - starter]);
        world.open_page(tabs[1], page).await;
        world.until_equal(page).await;
        world.cut(home);
        let next = world.start_anew(starter, page).await.unwrap();
        for tab in tabs {
            world.close_page(tab, page).await;
            world.open_page(tab, next).await;
        }
        world.write_word(ben, page, "[meanwhile]");
        world.until_on_relay_of(ben).await;

        // They hear nothing of each other.
        let before = world.logs_of(other, next);
        world.write_word(other, next, "[other]");
        world
            .go_on_alone(other, |world| world.logs_of(other, next) != before)
            .await;
        world
            .go_on_alone(other, |world| world.tab(other).writing.is_none())
            .await;
        world.tab_mut(starter).notes.clear();
        world.profiles[home].linked = true;
        world.carry_over_alone(starter, next).await;
        world.tab_mut(other).notes.clear();
        let received = world.tab(other).received;
        world.handle(other, Event::NetworkUp);
        world
            .go_on_alone(other, |world| world.tab(other).received > received)
            .await;
        let later = world.now + 5_000;
        world.go_on_alone(other, |world| world.now >= later).await;

        world.follow(page, next).await;
        let after = world.until_equal(next).await;
        assert_eq!(after, words_of(&["[meanwhile]", "[other]"]));
        world.check_gone(amina, page).await;
    }
}

/// A tab made again what another one had written as well, which had not heard of what that wrote and so made only its own.
#[tokio::test]
async fn each_of_two_tabs_carries_over_what_was_written_there() {
    // Of two lanes one sorts first.
    for deaf in 0..2 {
        let Pair {
            mut world,
            amina,
            ben,
            page,
            ..
        } = Pair::new("each tab its own").await;
        let home = world.tab(ben).profile;
        let tabs = [ben, world.open_tab(home)];
        let (deaf, other) = (tabs[deaf], tabs[1 - deaf]);
        world.open_page(tabs[1], page).await;
        world.until_equal(page).await;
        world.cut(home);
        world.write_word(deaf, page, "[one]");
        world.pass(1).await;
        world.write_word(other, page, "[two]");
        let later = world.now + 1_000;
        world.go_on_alone(other, |world| world.now >= later).await;
        world.tab_mut(deaf).notes.clear();
        let next = world.start_anew(amina, page).await.unwrap();
        world.until_on_relay_of(amina).await;

        // Neither hears of what the other makes before it has made its own.
        world.profiles[home].linked = true;
        for tab in [deaf, other] {
            world.handle(tab, Event::NetworkUp);
            world
                .go_on_alone(tab, |world| !world.tab(tab).classroom(&page.0).erased.is_empty())
                .await;
        }
        let (classroom, document) = page;
        for tab in [deaf, other] {
            world.tab_mut(tab).notes.clear();
            world.give(tab, Command::ClosePage { classroom, document });
            let written = world.tab(tab).written;
            let later = world.now + 2_000;
            let is_written = |world: &World| world.tab(tab).written > written || world.now >= later;
            world.go_on_alone(tab, is_written).await;
        }
        world.follow(page, next).await;
        assert_eq!(world.until_equal(next).await, words_of(&["[one]", "[two]"]));
        for tab in tabs {
            assert_eq!(world.tab(tab).classroom(&page.0).kept_aside, 0);
        }
        world.check_gone(amina, page).await;
    }
}

/// What is read behind an invite is stored with the joining: so was what had been erased by then.
#[tokio::test]
async fn what_is_erased_while_somebody_looks_behind_an_invite_is_not_stored() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("erased behind an invite").await;
    world.write_word(ben, page, "[before]");
    world.until_equal(page).await;
    let link = world.invite(amina, page.0, Role::Student).await;
    world.until_on_relay().await;
    let profile = world.profile();
    let chi = world.open_tab(profile);
    let preview = Command::Preview { link: link.clone() };
    assert!(matches!(world.ask(chi, preview).await, Ok(Answer::Preview(_))));

    let received = world.tab(chi).received;
    let next = world.start_anew(amina, page).await.unwrap();
    world.until_on_relay_of(amina).await;
    world
        .until("it is heard behind the invite", |world| {
            // The new page, the list, and the roster's entry.
            world.tab(chi).received >= received + 3
        })
        .await;
    world.pass(3).await;
    world.join(chi, &link, person("Chi", "Kilimo School", "KE")).await;
    world.until_on_relay_of(chi).await;
    world.pass(3).await;
    assert!(world.rows_of(profile, next).contains(&Table::Segments));
    assert_eq!(world.rows_of(profile, page), []);
}

/// A page that Amina starts anew, where Ben has heard of it. He has it open in one tab, where he wrote offline, and not in
/// another.
async fn started_anew_with_two_tabs(
    seed: &str,
    offline: Option<&str>,
    is_told: bool,
) -> (World, [usize; 3], [PageKey; 2]) {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new(seed).await;
    let home = world.tab(ben).profile;
    let second = world.open_tab(home);
    world.write_word(amina, page, "[before]");
    world.until_on_relay().await;
    world.cut(home);
    if let Some(word) = offline {
        world.write_word(ben, page, word);
        world.write(ben).await;
    }
    if !is_told {
        world.tab_mut(second).notes.clear();
    }
    let next = world.start_anew(amina, page).await.unwrap();
    world.close_page(amina, page).await;
    world.open_page(amina, next).await;
    world.until_on_relay_of(amina).await;
    world.link(home);
    world.pass(3).await;
    (world, [amina, ben, second], [page, next])
}

/// It had come while the other tab was behind: that one heard of it only that it is erased, and left it in the store until the
/// next start.
#[tokio::test]
async fn what_a_tab_stored_that_is_gone_goes_when_another_hears_that_it_is_erased() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("erased behind a tab").await;
    let home = world.tab(ben).profile;
    let second = world.open_tab(home);
    world.until_on_relay().await;
    world.cut(home);
    let gone = world.new_page(amina, page.0).await;
    world.until_on_relay_of(amina).await;
    // Only the second tab goes on, until it has the page.
    world.profiles[home].linked = true;
    world.handle(second, Event::NetworkUp);
    world
        .go_on_alone(second, |world| world.rows_of(home, gone).contains(&Table::Titles))
        .await;
    world.crash_tab(second);
    world.cut(home);
    let next = world.start_anew(amina, gone).await.unwrap();
    world.close_page(amina, gone).await;
    world.until_on_relay_of(amina).await;
    assert!(world.rows_of(home, gone).contains(&Table::Segments));

    world.link(home);
    world
        .until("the other tab has heard of it", |world| {
            world.tab(ben).classroom(&page.0).erased.len() == 1
        })
        .await;
    world.check_gone(amina, gone).await;
    assert!(world.rows_of(home, next).contains(&Table::Segments));
}

/// It left that in the store until the next start.
#[tokio::test]
async fn what_a_tab_stores_again_before_it_hears_that_it_is_erased_goes_when_it_is_gone() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("stored again").await;
    let home = world.tab(ben).profile;
    let second = world.open_tab(home);
    world.until_on_relay().await;
    let gone = world.new_page(amina, page.0).await;
    world
        .until("both tabs have it", |world| {
            [ben, second].iter().all(|tab| {
                let mut documents = world.tab(*tab).classroom(&page.0).documents.iter();
                documents.any(|document| document.id == gone.1 && document.arrived)
            })
        })
        .await;
    // From here on the second tab sleeps.
    let (classroom, document) = gone;
    world.give(amina, Command::StartAnew { classroom, document });
    while world.tab(ben).classroom(&classroom).erased.is_empty() || !world.rows_of(home, gone).is_empty() {
        for step in world.steps() {
            if step.tab() != second && world.steps().contains(&step) {
                world.step(step).await;
            }
        }
        tokio::task::yield_now().await;
        world.now += 20;
        world.handle(amina, Event::Tick);
        world.handle(ben, Event::Tick);
    }
    world.now += 6_000;
    world.handle(second, Event::Tick);
    world.write(second).await;
    world.crash_tab(second);
    assert_eq!(world.rows_of(home, gone), [Table::Documents]);
    world.pass(65).await;
    world.check_gone(amina, gone).await;
}

/// It put that into its outbox, for good: the relay does not take it, and the page was erased in that tab already.
#[tokio::test]
async fn what_a_tab_writes_in_a_page_that_another_tab_has_erased_is_carried_over_once() {
    let (mut world, [amina, ben, second], [page, next]) =
        started_anew_with_two_tabs("erased in a tab", None, true).await;
    for word in ["[one]", "[two]"] {
        world.write_word(ben, page, word);
        world.pass(1).await;
    }
    world.follow(page, next).await;
    world.open_page(second, next).await;
    world.pass(15).await;
    assert_eq!(
        world.until_equal(next).await,
        words_of(&["[before]", "[one]", "[two]"])
    );
    for tab in [ben, second] {
        assert_eq!(world.tab(tab).classroom(&page.0).kept_aside, 0);
    }
    world.check_gone(amina, page).await;
}

/// That tab did not have it in its page, and so not the change that the other one said is the last that was carried over.
#[tokio::test]
async fn what_a_tab_writes_when_another_tab_knows_of_the_erasure_that_one_has_as_well() {
    let (mut world, [amina, ben, second], [page, next]) =
        started_anew_with_two_tabs("erased and heard", Some("[offline]"), true).await;
    world.write_word(ben, page, "[last]");
    world.pass(1).await;
    world.follow(page, next).await;
    world.open_page(second, next).await;
    assert_eq!(
        world.until_equal(next).await,
        words_of(&["[before]", "[last]", "[offline]"])
    );
    for tab in [ben, second] {
        assert_eq!(world.tab(tab).classroom(&page.0).kept_aside, 0);
    }
    world.check_gone(amina, page).await;
}

/// The tab that did not have it open erased all that was in the store of it.
#[tokio::test]
async fn what_a_tab_has_not_carried_over_when_it_crashes_another_one_carries_over() {
    let (mut world, [amina, ben, second], [page, next]) =
        started_anew_with_two_tabs("erased and crashed", Some("[offline]"), false).await;
    world.crash_tab(ben);
    world.open_page(second, next).await;
    world.pass(3).await;
    assert_eq!(
        world.until_equal(next).await,
        words_of(&["[before]", "[offline]"])
    );
    assert_eq!(world.tab(second).classroom(&page.0).kept_aside, 0);
    world.check_gone(amina, page).await;
}

/// What it builds on is not in the store any more.
#[tokio::test]
async fn what_is_written_in_a_page_that_another_tab_has_erased_is_kept_aside_after_a_crash() {
    let (mut world, [amina, ben, second], [page, next]) =
        started_anew_with_two_tabs("erased, written and crashed", None, true).await;
    world.write_word(ben, page, "[last]");
    world.write(ben).await;
    world.tab_mut(second).notes.clear();
    let home = world.tab(ben).profile;
    world.crash_machine(home);
    let ben = world.open_tab(home);
    world.open_page(ben, next).await;
    assert_eq!(world.until_equal(next).await, words_of(&["[before]"]));
    assert_eq!(world.tab(ben).classroom(&page.0).kept_aside, 1);
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

/// Whoever took it to the relay could not know what came in there meanwhile.
#[tokio::test]
async fn a_file_holds_no_erasure_before_the_relay_does() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("anew in a file").await;
    world.write_word(ben, page, "[before]");
    world.until_equal(page).await;
    let home = world.tab(amina).profile;
    world.cut(home);
    world.write_word(amina, page, "[last]");
    let next = world.start_anew(amina, page).await.unwrap();
    world.close_page(amina, page).await;
    world.open_page(amina, next).await;
    world.write_word(amina, next, "[lead]");
    world.pass(2).await;
    let (file, _) = world.export(amina, Some(page.0)).await;

    world.import(ben, &file, file.len()).await;
    world.write_word(ben, page, "[meanwhile]");
    world.until_on_relay_of(ben).await;
    let before = words(&world.tab(ben).text(&page));
    assert_eq!(before, words_of(&["[before]", "[last]", "[meanwhile]"]));
    world.link(home);
    world.follow(page, next).await;
    let after = world.until_equal(next).await;
    assert_eq!(after, words_of(&["[before]", "[last]", "[lead]", "[meanwhile]"]));
    world.check_gone(amina, page).await;
    let (file, _) = world.export(amina, Some(page.0)).await;
    let mut reader = bundle::Reader::new();
    reader.push(&file);
    let erasures = reader.filter(|event| match event {
        bundle::Event::Record { item, .. } => {
            Entry::decode(item).is_ok_and(|entry| matches!(entry.action(), Action::Erase { .. }))
        }
        _ => false,
    });
    assert_eq!(erasures.count(), 1, "it says so by now");
}

/// A lead's device that begins to start a page anew may never come back.
#[tokio::test]
async fn the_old_page_is_listed_until_it_is_erased() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("begun anew").await;
    world.write_word(ben, page, "[before]");
    world.until_equal(page).await;
    let before = world.tab(ben).classroom(&page.0).documents.clone();
    let home = world.tab(amina).profile;
    world.cut(home);
    let next = world.start_anew(amina, page).await.unwrap();
    world.close_page(amina, page).await;
    world.open_page(amina, next).await;
    let (file, _) = world.export(amina, Some(page.0)).await;
    world.import(ben, &file, file.len()).await;
    let bens = world.tab(ben).profile;
    assert!(world.rows_of(bens, next).contains(&Table::Segments));
    let listed = |world: &World, tab: usize| -> Vec<(DocumentId, bool)> {
        let documents = &world.tab(tab).classroom(&page.0).documents;
        documents
            .iter()
            .map(|shown| (shown.id, shown.begun_anew))
            .collect()
    };
    assert_eq!(listed(&world, ben), [(page.1, false)]);
    assert_eq!(listed(&world, amina), [(next.1, false)]);
    let shown = world.tab(ben).classroom(&page.0).documents[0].clone();
    assert_eq!(
        (shown.title, shown.created_at),
        (before[0].title.clone(), before[0].created_at)
    );
    // It is there still for whoever opens it, too, and after the next start.
    world.until_on_relay_of(ben).await;
    let ben = world.restart_tab(ben);
    world.open_page(ben, page).await;
    world.write_word(ben, page, "[meanwhile]");
    world.until_on_relay_of(ben).await;
    assert_eq!(
        words(&world.tab(ben).text(&page)),
        words_of(&["[before]", "[meanwhile]"])
    );
    assert_eq!(listed(&world, ben), [(page.1, false)]);

    // What the lead wrote in the new one is not hidden: both are listed then.
    world.write_word(amina, next, "[lead]");
    world.pass(2).await;
    let (file, _) = world.export(amina, Some(page.0)).await;
    world.import(ben, &file, file.len()).await;
    let both = BTreeSet::from([(page.1, false), (next.1, true)]);
    assert_eq!(BTreeSet::from_iter(listed(&world, ben)), both);

    world.link(home);
    world.follow(page, next).await;
    let after = world.until_equal(next).await;
    assert_eq!(after, words_of(&["[before]", "[lead]", "[meanwhile]"]));
    for tab in [amina, ben] {
        assert_eq!(listed(&world, tab), [(next.1, false)]);
    }
    world.check_gone(amina, page).await;
}

/// Any member may write in the list what stands in the place of a page. Only the roster takes a page out of it.
#[tokio::test]
async fn a_page_is_listed_whatever_a_member_says_of_it() {
    let (mut script, mut author) = Script::with_member("said of the list", Role::Student).await;
    let page = script.page.1;
    let title = script.view().documents[0].title.clone();
    let young = DocumentId([7; 16]);
    let (segments, _) = author.own_page(young, 0);
    script.bring_all(&segments).await;

    let own = Roster::found(script.entries()[0].clone()).unwrap().document();
    author.turn_to(own);
    let mut list = List::open(Document::empty(author.log.actor()));
    for submitted in &script.submitted {
        if let Submitted::Segment(segment) = submitted
            && segment.header.log.document == own
        {
            let changes = match segment.open(&script.classroom, &author.key).unwrap() {
                Body::Changes(changes) => changes,
                Body::Bundle(bundle) => unfold(&bundle, Limits::FOLD).unwrap(),
            };
            list.apply_changes(&changes).unwrap();
        }
    }
    let listing = Listing {
        kind: Kind::Page,
        created_by: author.keys.id().0,
        created_at: 1,
        space: None,
    };
    let mut shown = Vec::new();
    // Neither has begun to start anything anew; then each takes the place of the other.
    for (old, new) in [(page, young), (young, page)] {
        list.replace_document(old.0, new.0, &listing).unwrap();
        let change = list.commit(1).unwrap();
        let segment = author.seal(&[change]);
        script.bring(&segment).await;
        let documents = script.view().documents.iter();
        shown.push(BTreeMap::from_iter(
            documents.map(|shown| (shown.id, shown.begun_anew)),
        ));
    }
    let both = BTreeMap::from([(page, false), (young, false)]);
    assert_eq!(shown, [both.clone(), both]);
    assert_eq!(script.view().kept_aside, 0);
    let mut documents = script.view().documents.iter();
    let old = documents.find(|shown| shown.id == page).unwrap();
    assert_eq!((&old.title, old.known_kind, old.may_write), (&title, true, true));
}

/// What the lead's device can't carry over it does not erase, and says why; it tries again when something has changed.
#[tokio::test]
async fn who_cannot_carry_over_does_not_erase_and_is_told() {
    let (mut script, mut author) = Script::with_member("nothing can be carried over", Role::Lead).await;
    let answered = script.submitted.len();
    let classroom = script.classroom;
    script.start_anew();
    let change = author.word("[late]");
    let late = author.seal(&[change]);
    script.say_segment(&late, 1);
    let close = |heads, closed| Entry::act(&author.keys, classroom, heads, Action::Close { closed }).unwrap();
    let closed = close(author.heads.clone(), true);
    script.bring_entry(&closed).await;
    let answered = script.store_rest(answered).await;
    script.live(10).await;
    assert_eq!(script.submitted.len(), answered);
    assert_eq!(script.view().refused, Some(Refusal::ClassroomClosed));
    assert_eq!((script.erased_upto.len(), script.view().kept_aside), (0, 0));

    script.bring_entry(&close(vec![closed.hash()], false)).await;
    assert_eq!(script.view().refused, None);
    script.live(10).await;
    let answered = script.store_rest(answered).await;
    script.store_rest(answered).await;
    assert_eq!(script.erased_upto.len(), 1);
}

/// A lead starts the page anew on another device, and says that somebody's changes are there up to this number.
async fn start_anew_elsewhere(
    script: &mut Script,
    author: &mut Author,
    own: Log,
    sequence: u64,
) -> DocumentId {
    let (classroom, document) = script.page;
    let successor = DocumentId([7; 16]);
    author.turn_to(successor);
    author.page = Page::new(author.log.actor()).unwrap();
    author.page.apply(&[word_at((0, 0), "[anew]")]).unwrap();
    let end = End {
        sequence,
        hash: [0; 4],
    };
    let ends = redo::Ends::from([(own.actor().to_vec(), end)]);
    let change = author.page.commit_with_note(0, redo::note(&ends)).unwrap();
    let segment = author.seal(&[change]);
    script.bring(&segment).await;
    let action = Action::Erase { document, successor };
    let erase = Entry::act(&author.keys, classroom, author.heads.clone(), action).unwrap();
    script.bring_entry(&erase).await;
    script
        .world
        .give(script.tab, Command::ClosePage { classroom, document });
    script.pass(1_000).await;
    successor
}

/// The own one was given up as the other came: the roster had as many entries as before, and was not looked at again.
#[tokio::test]
async fn of_two_erasings_apart_that_is_shown_which_the_relay_has() {
    let (mut script, author) = Script::with_member("erased apart", Role::Lead).await;
    let (classroom, document) = script.page;
    script.start_anew();
    script.go().await;
    let shown = |script: &Script| -> Vec<DocumentId> {
        let erased = &script.view().erased;
        erased.iter().map(|erased| erased.successor).collect()
    };
    let successor = DocumentId([7; 16]);
    let own = shown(&script);
    assert!(own.len() == 1 && own != [successor]);
    let action = Action::Erase { document, successor };
    let erase = Entry::act(&author.keys, classroom, author.heads.clone(), action).unwrap();
    script.bring_entry(&erase).await;
    assert_eq!(shown(&script), [successor]);
}

/// A lead can say of any number that it is there, but nobody else knows the change.
#[tokio::test]
async fn what_only_a_number_says_to_be_in_the_new_page_is_kept_aside() {
    let mut script = Script::new("only a number").await;
    script.settle().await;
    let answered = script.submitted.len();
    let mut author = script.author(Role::Lead).await;
    script.store_rest(answered).await;
    let admission = author.admission.clone();
    script.bring_entry(&admission).await;
    let before = script.segments().len();
    script.write_word("[unsent]");
    script.go().await;
    let (_, own, _) = script.segments()[before];
    let document = script.page.1;
    assert_eq!(own.document, document);

    start_anew_elsewhere(&mut script, &mut author, own, 1_000).await;
    assert_eq!(
        script.view().documents.len(),
        0,
        "nothing is listed but the old page"
    );
    assert_eq!(script.view().kept_aside, 1);
}

/// Of a page that was started anew, and what took its place as well, whoever is behind hears of the first time when there is
/// nothing of what was between any more: they ask once whether there is more to come.
#[tokio::test]
async fn what_took_the_place_of_a_page_may_be_gone_by_the_time_that_it_is_heard_of() {
    for is_more in [true, false] {
        let (mut script, mut author) = Script::with_member("behind on two", Role::Lead).await;
        script.write_word("[unsent]");
        script.go().await;
        let (classroom, document) = script.page;
        let [between, last] = [6, 7].map(|byte| DocumentId([byte; 16]));
        let erase = |heads, document, successor| {
            let action = Action::Erase { document, successor };
            Entry::act(&author.keys, classroom, heads, action).unwrap()
        };
        let first = erase(author.heads.clone(), document, between);
        let second = erase(vec![first.hash()], between, last);
        let opened = script.opened;
        script.bring_entry(&first).await;
        let close = Command::ClosePage { classroom, document };
        script.world.give(script.tab, close);
        script.pass(1_000).await;
        assert_eq!((script.opened, script.view().kept_aside), (opened + 1, 0));

        script.begin_open(0);
        if is_more {
            author.turn_to(last);
            author.page = Page::new(author.log.actor()).unwrap();
            author.page.apply(&[word_at((0, 0), "[anew]")]).unwrap();
            let note = redo::note(&redo::Ends::new());
            let change = author.page.commit_with_note(0, note).unwrap();
            let segment = author.seal(&[change]);
            script.bring(&segment).await;
            script.bring_entry(&second).await;
        }
        script.caught_up().await;
        script.pass(1_000).await;
        let is_made_again = script.segments().iter().any(|(_, log, _)| log.document == last);
        assert_eq!(is_made_again, is_more);
        assert_eq!(script.view().kept_aside, u32::from(!is_more));
        assert_eq!(script.opened, opened + 1);
    }
}

/// A lead who starts a page anew makes what came in from others as their own: only what counts.
#[tokio::test]
async fn what_lies_beyond_a_cutoff_is_not_made_again_by_whoever_erases() {
    let (mut script, mut author) = Script::with_member("beyond and anew", Role::Student).await;
    let changes = ["[in time]", "[late]"].map(|word| author.word(word));
    let [in_time, late] = [0, 1].map(|at: usize| author.seal(&changes[at..=at]));
    script.bring(&in_time).await;
    let answered = script.submitted.len();
    let (classroom, member) = (script.classroom, author.log.member);
    script
        .world
        .give(script.tab, Command::Remove { classroom, member });
    script.go().await;
    script.start_anew();
    script.go().await;
    script.bring(&late).await;
    assert_eq!(script.view().kept_aside, 1);
    script.erase_all(answered).await;
    assert_eq!(words(&script.text()), words_of(&["[in time]"]));
}

/// It is compared with what is here before anybody knows what it brings.
#[tokio::test]
async fn a_fold_that_comes_before_a_page_is_erased_is_carried_over() {
    let (mut script, mut author) = Script::with_member("a fold and anew", Role::Student).await;
    let (changes, parts, _) = author.count_up(4);
    script.bring_all(&parts[..2]).await;
    let answered = script.submitted.len();
    script.start_anew();
    script.pass(1_000).await;
    let fold = author.fold((0, 3), (SegmentHash::NONE, author.previous), &changes);
    script.say_segment(&fold, 1);
    // The disk is slow.
    let (channel, advance) = (script.channel, 1);
    for submission in answered..script.submitted.len() {
        let submission = u32::try_from(submission).unwrap();
        script.say(&RelayFrame::Stored {
            channel,
            advance,
            submission,
        });
    }
    script.world.handle(script.tab, Event::Tick);
    script.listen();
    assert!(script.erased_upto.is_empty());
    let answered = script.submitted.len();
    script.go().await;
    script.erase_all(answered).await;
    assert_eq!(words(&script.text()), words_of(&["[0]", "[1]", "[2]", "[3]"]));
}

#[tokio::test]
async fn a_snapshot_that_comes_before_a_page_is_erased_is_carried_over() {
    let (mut script, mut author) = Script::with_member("a snapshot and anew", Role::Student).await;
    let document = script.page.1;
    let is_of_page = |segment: &&Segment| segment.header.log.document == document;
    let mut submitted = script.submitted.iter().filter_map(|submitted| match submitted {
        Submitted::Segment(segment) => Some(segment),
        _ => None,
    });
    let first = submitted.find(is_of_page).unwrap();
    let founders = (first.header.log, 1, first.hash(&script.classroom).unwrap());
    for word in ["[0]", "[1]", "[2]"] {
        let change = author.word(word);
        let segment = author.seal(&[change]);
        if word == "[0]" {
            script.bring(&segment).await;
        }
    }
    let answered = script.submitted.len();
    script.start_anew();
    script.pass(1_000).await;
    let changes = author.page.document().clone().changes_since(&[]).unwrap();
    let logs = [founders, (author.log, author.next, author.previous)];
    let (snapshot, pieces) = author.snapshot_of(&logs, &changes);
    script.bring_snapshot(&snapshot.encode().unwrap(), 1).await;
    let answered = script.store_rest(answered).await;
    script.live(5).await;
    assert!(script.erased_upto.is_empty());
    script.bring_pieces(&pieces).await;
    script.erase_all(answered).await;
    assert_eq!(words(&script.text()), words_of(&["[0]", "[1]", "[2]"]));
}

/// Somebody whose work the relay never had, and what another wrote between it: each makes only their own again.
#[tokio::test]
async fn what_two_wrote_in_turns_is_carried_over_whole() {
    let mut script = Script::new("in turns").await;
    script.settle().await;
    let before = script.segments().len();
    script.write_word("[first]");
    script.go().await;
    let (_, own, _) = script.segments()[before];
    let mut author = script.author(Role::Lead).await;
    let admission = author.admission.clone();
    script.bring_entry(&admission).await;
    let change = author.word("[between]");
    let between = author.seal(&[change]);
    script.bring(&between).await;
    script.write_word("[last]");
    script.go().await;
    assert_eq!(
        words(&script.text()),
        words_of(&["[first]", "[between]", "[last]"])
    );

    // They began it on another device, which had none of that.
    let classroom = script.classroom;
    let successor = start_anew_elsewhere(&mut script, &mut author, own, 1).await;
    let made = script.submitted.iter().find_map(|submitted| match submitted {
        Submitted::Segment(segment) if segment.header.log.document == successor => Some(segment),
        _ => None,
    });
    let body = made.expect("a segment").open(&classroom, &author.key).unwrap();
    let Body::Changes(made) = body else {
        panic!("it is a fold")
    };
    author.page.apply_changes(&made).unwrap();
    let after = words(&author.page.text_plain());
    assert_eq!(after, words_of(&["[anew]", "[first]", "[last]"]));
    assert_eq!(script.view().kept_aside, 0);
}

/// Another lead starts anew what is to take its place before the page is erased: what came in goes to the last one.
#[tokio::test]
async fn what_came_in_is_carried_past_a_page_that_is_gone_as_well() {
    for seed in ["past one", "past another"] {
        let Pair {
            mut world,
            amina,
            ben,
            page,
            ..
        } = Pair::new(seed).await;
        let link = world.invite(amina, page.0, Role::Lead).await;
        world.until_on_relay().await;
        let profile = world.profile();
        let dina = world.open_tab(profile);
        world
            .join(dina, &link, person("Dina", "Kilimo School", "KE"))
            .await;
        world.write_word(ben, page, "[before]");
        world.until_on_relay().await;
        let home = world.tab(amina).profile;
        world.cut(home);
        let first = world.start_anew(amina, page).await.unwrap();
        world.close_page(amina, page).await;
        world.pass(2).await;
        let (file, _) = world.export(amina, Some(page.0)).await;
        world.import(dina, &file, file.len()).await;
        let last = world.start_anew(dina, first).await.unwrap();
        world.until_on_relay_of(dina).await;
        world.write_word(ben, page, "[meanwhile]");
        world.until_on_relay_of(ben).await;
        world.link(home);
        world
            .until("both are erased", |world| {
                let mut tabs = [amina, ben, dina].into_iter();
                tabs.all(|tab| world.tab(tab).classroom(&page.0).erased.len() == 2)
            })
            .await;
        world.close_page(ben, page).await;
        for tab in [amina, ben, dina] {
            world.open_page(tab, last).await;
        }
        assert_eq!(
            world.until_equal(last).await,
            words_of(&["[before]", "[meanwhile]"])
        );
        world.check_gone(amina, page).await;
        world.check_gone(amina, first).await;
    }
}

/// By the roster of who removes them it is void what the removed one did meanwhile. The relay knows only that the page is erased.
#[tokio::test]
async fn a_removal_does_not_wait_for_an_erasing_that_the_relay_refuses() {
    let Pair {
        mut world,
        amina,
        page,
        classroom,
        ..
    } = Pair::new("refused").await;
    let link = world.invite(amina, classroom, Role::Student).await;
    world.until_on_relay().await;
    let profile = world.profile();
    let dina = world.open_tab(profile);
    let dina_of_it = person("Dina", "Kilimo School", "KE");
    world.join(dina, &link, dina_of_it).await;
    world.until_on_relay().await;
    let members = &world.tab(dina).classroom(&classroom).members;
    let member = members.iter().find(|member| member.me).unwrap().id;
    let role = Role::Lead;
    let change = Command::ChangeRole {
        classroom,
        member,
        role,
    };
    assert_eq!(world.ask(amina, change).await, Ok(Answer::Done));
    world.until_on_relay().await;

    let home = world.tab(amina).profile;
    world.cut(home);
    world.start_anew(amina, page).await.unwrap();
    world.close_page(amina, page).await;
    assert_eq!(
        world.ask(amina, Command::Remove { classroom, member }).await,
        Ok(Answer::Done)
    );
    world.start_anew(dina, page).await.unwrap();
    world.until_on_relay_of(dina).await;
    assert_eq!(world.tab(dina).classroom(&classroom).erased.len(), 1);
    world.link(home);
    world.until_on_relay_of(amina).await;
    world
        .until("they are removed", |world| {
            let members = &world.tab(dina).classroom(&classroom).members;
            members.iter().all(|member| !member.me)
        })
        .await;
}

/// A page was erased when its own successor was on the relay, and what had come in was not: that goes into the last one.
#[tokio::test]
async fn nothing_is_erased_before_what_is_carried_past_another_page_is_safe() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("past another and unsafe").await;
    let link = world.invite(amina, page.0, Role::Lead).await;
    world.until_on_relay().await;
    let profile = world.profile();
    let dina = world.open_tab(profile);
    world
        .join(dina, &link, person("Dina", "Kilimo School", "KE"))
        .await;
    world.until_on_relay().await;
    let home = world.tab(amina).profile;
    world.cut(home);
    let first = world.start_anew(amina, page).await.unwrap();
    world.close_page(amina, page).await;
    world.pass(2).await;
    let (file, _) = world.export(amina, Some(page.0)).await;
    world.import(dina, &file, file.len()).await;
    let last = world.start_anew(dina, first).await.unwrap();
    world.until_on_relay_of(dina).await;
    world.write_word(ben, page, "[meanwhile]");
    world.until_on_relay_of(ben).await;

    // The disk is full.
    world.profiles[home].store.failing = true;
    world.link(home);
    world.pass(5).await;
    world.close_page(ben, page).await;
    world.pass(5).await;
    world.profiles[home].store.failing = false;
    world
        .until("both are erased", |world| {
            let mut tabs = [amina, ben, dina].into_iter();
            tabs.all(|tab| world.tab(tab).classroom(&page.0).erased.len() == 2)
        })
        .await;
    for tab in [amina, ben, dina] {
        world.open_page(tab, last).await;
    }
    assert_eq!(world.until_equal(last).await, words_of(&["[meanwhile]"]));
    world.check_gone(amina, page).await;
}

/// What somebody else says of what is carried over is not passed on: it would be the lead's word then, and many such words
/// would make the page too large to be started anew.
#[tokio::test]
async fn the_lead_says_of_what_is_there_only_what_they_know() {
    let (mut script, mut author) = Script::with_member("words of others", Role::Student).await;
    let mut rng = SeededRng::new("actors that nobody has");
    for _ in 0..4 {
        let mut ends = redo::Ends::new();
        for _ in 0..5_000 {
            let mut actor = vec![0; 16];
            rng.fill_bytes(&mut actor);
            let end = End {
                sequence: u64::from(u32::MAX),
                hash: [1; 4],
            };
            ends.insert(actor, end);
        }
        author.page.apply(&[word_at((0, 0), "[word]")]).unwrap();
        let change = author.page.commit_with_note(0, redo::note(&ends)).unwrap();
        let segment = author.seal(&[change]);
        script.bring(&segment).await;
    }
    assert_eq!(script.view().kept_aside, 0);
    let document = script.page.1;
    let before = script.segments().len();
    script.start_anew();
    script.go().await;
    let begun = script.segments().split_off(before);
    assert_eq!(begun.len(), 2, "the new page, and the list");
    let page = script.view().documents[0].id;
    assert_ne!(page, document);
}
