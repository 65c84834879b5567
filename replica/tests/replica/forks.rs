//! Copied profiles and restored disks: each tab has a lane of its own, so nothing clashes. And one lane with two writers all
//! the same: what the relay has stands, the other is kept aside.

use std::collections::BTreeSet;

use documents::page::Page;
use protocol::{LaneId, SegmentHash};
use replica::command::{Command, Problem};
use replica::store::Table;

use crate::script::Script;
use crate::tab::{PageKey, words};
use crate::world::{Pair, Step};

/// All words arrived everywhere, each once, nothing is aside, and the stores agree.
async fn check(mut pair: Pair, words: &[&str]) {
    let world = &mut pair.world;
    let wanted: BTreeSet<String> = words.iter().map(|word| (*word).to_owned()).collect();
    assert_eq!(world.until_equal(pair.page).await, wanted);
    for tab in world.all_tabs() {
        let classroom = world.tab(tab).classroom(&pair.page.0);
        assert_eq!((classroom.kept_aside, classroom.refused), (0, None));
    }
    world.check_stores(pair.page).await;
    world.check_nothing_to_send().await;
    for profile in 0..world.profiles.len() {
        for table in [Table::Outbox, Table::Aside] {
            assert!(world.store(profile).table(table).is_empty(), "{table:?}");
        }
    }
}

/// A pair, and a tab in a copy of the first profile; both copies are cut off.
async fn copied(seed: &str) -> (Pair, usize) {
    let mut pair = Pair::new(seed).await;
    pair.world.write_word(pair.amina, pair.page, "[before]");
    pair.world.until_equal(pair.page).await;
    pair.world.pass(8).await;
    pair.world.cut(0);
    let copy = pair.world.clone_profile(0);
    let tab = pair.world.open_tab(copy);
    pair.world.open_page(tab, pair.page).await;
    (pair, tab)
}

#[tokio::test]
async fn both_copies_of_a_profile_write_offline() {
    let (mut pair, copy) = copied("copies").await;
    let page = pair.page;
    for round in 0..3 {
        pair.world.write_word(pair.amina, page, &format!("[a{round}]"));
        pair.world.write_word(copy, page, &format!("[c{round}]"));
        pair.world.pass(1).await;
    }
    pair.world.link(0);
    pair.world.until_on_relay_of(pair.amina).await;
    pair.world.write_word(pair.amina, page, "[a3]");
    pair.world.link(2);
    pair.world.write_word(copy, page, "[c3]");
    let words = [
        "[before]", "[a0]", "[a1]", "[a2]", "[a3]", "[c0]", "[c1]", "[c2]", "[c3]",
    ];
    check(pair, &words).await;
}

#[tokio::test]
async fn both_copies_come_back_at_the_same_time() {
    let (mut pair, copy) = copied("same time").await;
    let page = pair.page;
    pair.world.write_word(pair.amina, page, "[a0]");
    pair.world.write_word(copy, page, "[c0]");
    pair.world.link(0);
    pair.world.link(2);
    pair.world.write_word(pair.amina, page, "[a1]");
    pair.world.write_word(copy, page, "[c1]");
    check(pair, &["[before]", "[a0]", "[a1]", "[c0]", "[c1]"]).await;
}

#[tokio::test]
async fn a_profile_is_copied_with_work_that_is_unsent() {
    let mut pair = Pair::new("unsent").await;
    let page = pair.page;
    pair.world.pass(8).await;
    pair.world.cut(0);
    pair.world.write_word(pair.amina, page, "[shared 1]");
    pair.world.write_word(pair.amina, page, "[shared 2]");
    pair.world.pass(8).await;
    let copy = pair.world.clone_profile(0);
    let copy = pair.world.open_tab(copy);
    pair.world.open_page(copy, page).await;
    pair.world.write_word(pair.amina, page, "[a]");
    pair.world.write_word(copy, page, "[c]");
    pair.world.link(0);
    pair.world.until_on_relay_of(pair.amina).await;
    pair.world.link(2);
    check(pair, &["[shared 1]", "[shared 2]", "[a]", "[c]"]).await;
}

#[tokio::test]
async fn both_copies_make_pages_and_write_in_all() {
    let (mut pair, copy) = copied("pages").await;
    let page = pair.page;
    let first = pair.world.new_page(pair.amina, pair.classroom).await;
    let second = pair.world.new_page(copy, pair.classroom).await;
    let mut open: Vec<(usize, PageKey)> = vec![(pair.amina, first), (copy, second)];
    for (tab, key) in &open {
        pair.world.open_page(*tab, *key).await;
        pair.world.write_word(*tab, *key, "[new]");
        pair.world.write_word(*tab, page, &format!("[{tab}]"));
    }
    pair.world.link(0);
    pair.world.link(2);
    pair.world.until_on_relay().await;
    let tabs = [pair.amina, pair.ben, copy];
    for tab in tabs {
        for key in [first, second] {
            if !open.contains(&(tab, key)) {
                pair.world.open_page(tab, key).await;
                open.push((tab, key));
            }
        }
    }
    for key in [first, second] {
        let words = pair.world.until_equal(key).await;
        assert_eq!(words, ["[new]".to_owned()].into());
    }
    let shown = pair.world.tab(pair.ben).classroom(&pair.classroom);
    assert_eq!(shown.documents.len(), 3);
    let words = [format!("[{}]", pair.amina), format!("[{copy}]")];
    check(pair, &["[before]", &words[0], &words[1]]).await;
}

#[tokio::test]
async fn both_copies_are_online_all_the_time() {
    let (mut pair, copy) = copied("online").await;
    let page = pair.page;
    pair.world.link(0);
    pair.world.link(2);
    pair.world.until_on_relay().await;
    let mut words = vec!["[before]".to_owned()];
    for round in 0..5 {
        for (tab, name) in [(pair.amina, "a"), (copy, "c"), (pair.ben, "b")] {
            let word = format!("[{name}{round}]");
            pair.world.write_word(tab, page, &word);
            words.push(word);
            if round % 2 == 0 {
                pair.world.drain().await;
            }
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    check(pair, &words).await;
}

#[tokio::test]
async fn a_disk_is_restored() {
    let mut pair = Pair::new("restored").await;
    let page = pair.page;
    pair.world.pass(8).await;
    let saved = pair.world.profiles[0].store.clone();
    pair.world.write_word(pair.amina, page, "[after the copy]");
    pair.world.until_equal(page).await;
    pair.world.crash_tab(pair.amina);
    pair.world.profiles[0].store = saved;
    pair.world.profiles[0].linked = false;
    let again = pair.world.open_tab(0);
    pair.world.open_page(again, page).await;
    pair.world.write_word(again, page, "[after the restoration]");
    pair.world.link(0);
    check(pair, &["[after the copy]", "[after the restoration]"]).await;
}

#[tokio::test]
async fn a_copy_crashes_at_any_moment_of_coming_back() {
    for crash in [0, 1, 2, 3, 5, 8, 10, 13, 15, 18] {
        let (mut pair, mut copy) = copied(&format!("crash {crash}")).await;
        let page = pair.page;
        pair.world.write_word(pair.amina, page, "[a]");
        pair.world.write_word(copy, page, "[c]");
        pair.world.pass(1).await;
        pair.world.link(0);
        pair.world.until_on_relay_of(pair.amina).await;
        // The copy starts with nothing read yet, and falls over after some steps.
        copy = pair.world.restart_tab(copy);
        pair.world.link(2);
        let mut done = 0;
        while done < crash {
            let steps = pair.world.steps();
            if steps.is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                pair.world.tick(50);
                done += 1;
                continue;
            }
            let at = pair.world.rng.below(steps.len());
            pair.world.step(steps[at]).await;
            done += 1;
        }
        if crash % 2 == 0 {
            pair.world.crash_tab(copy);
        } else {
            pair.world.crash_machine(2);
        }
        let copy = pair.world.open_tab(2);
        pair.world.open_page(copy, page).await;
        check(pair, &["[before]", "[a]", "[c]"]).await;
    }
}

#[tokio::test]
async fn the_page_is_still_being_read_when_the_relay_tells() {
    let (mut pair, copy) = copied("being read").await;
    let page = pair.page;
    pair.world.write_word(pair.amina, page, "[a]");
    pair.world.write_word(copy, page, "[c]");
    pair.world.pass(8).await;
    pair.world.link(0);
    pair.world.until_on_relay_of(pair.amina).await;
    let copy = pair.world.restart_tab(copy);
    pair.world.link(2);
    for _ in 0..200 {
        for step in pair.world.steps() {
            if step != Step::Read(copy) && pair.world.steps().contains(&step) {
                pair.world.step(step).await;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        pair.world.tick(20);
    }
    assert!(!pair.world.tab(copy).reading.is_empty());
    pair.world.drain().await;
    pair.world.open_page(copy, page).await;
    check(pair, &["[before]", "[a]", "[c]"]).await;
}

#[tokio::test]
async fn another_tab_of_the_copy_goes_on() {
    let (mut pair, copy) = copied("another tab").await;
    let page = pair.page;
    let second = pair.world.open_tab(2);
    pair.world.open_page(second, page).await;
    pair.world.write_word(pair.amina, page, "[a]");
    pair.world.write_word(copy, page, "[c]");
    pair.world.pass(1).await;
    // On top of what its other tab wrote.
    pair.world.write_word(second, page, "[d]");
    pair.world.pass(1).await;
    pair.world.link(0);
    pair.world.until_on_relay_of(pair.amina).await;
    pair.world.link(2);
    pair.world.pass(3).await;
    pair.world.write_word(second, page, "[e]");
    pair.world.write_word(copy, page, "[f]");
    check(pair, &["[before]", "[a]", "[c]", "[d]", "[e]", "[f]"]).await;
}

/// A founder who writes on, with a second tab, and whose machine was restored: a double writes on the same lane.
async fn doubled(seed: &str) -> (Script, crate::script::Author, usize) {
    let mut script = Script::new(seed).await;
    script.open(0).await;
    script.store_all_from(0).await;
    let first = u32::try_from(script.submitted.len()).unwrap();
    script.write_word("[before]");
    script.go().await;
    script.store_all_from(first).await;
    let double = script.double().await;
    let second = script.world.open_tab(0);
    script.go().await;
    let (classroom, document) = script.page;
    script
        .world
        .give(second, Command::OpenPage { classroom, document });
    script.go().await;
    (script, double, second)
}

#[tokio::test]
async fn a_machine_is_restored_while_it_runs() {
    let (mut script, mut double, second) = doubled("runs").await;
    let change = double.word("[later]");
    let segment = double.seal(&[change]);
    script.bring(&segment).await;
    assert_eq!(script.text(), "[later][before]");
    script.write_word("[now]");
    script.go().await;
    let (_, log, index) = *script.segments().last().unwrap();
    assert_ne!(log.lane, double.log.lane);
    assert_eq!((index, script.view().kept_aside), (0, 0));
    // The other tab shows it all once it has heard from the relay what is in between.
    assert_eq!(script.world.tab(second).text(&script.page), "[before]");
}

#[tokio::test]
async fn what_the_relay_has_in_the_place_of_ours_stands() {
    let (mut script, mut double, second) = doubled("stands").await;
    script.write_word("[dead 1]");
    script.write_word("[dead 2]");
    script.go().await;
    let first = u32::try_from(script.submitted.len()).unwrap() - 2;
    let change = double.word("[double]");
    let segment = double.seal(&[change]);
    script.bring(&segment).await;
    script.refused(first, protocol::Refusal::Fork).await;
    script.refused(first + 1, protocol::Refusal::IndexGap).await;
    assert_eq!(
        (script.view().kept_aside, script.text().as_str()),
        (2, "[double][before]")
    );
    // The other tab does not show it either, but what is in the store by now.
    assert_eq!(script.world.tab(second).text(&script.page), "[double][before]");
    assert_eq!(
        script.world.tab(second).classroom(&script.classroom).work,
        replica::view::Work::OnTheRelay
    );
    script.write_word("[now]");
    script.go().await;
    let words = |script: &Script| crate::tab::words(&script.text());
    assert_eq!(words(&script).len(), 3);

    script.world.crash_tab(second);
    script.tab = script.world.restart_tab(script.tab);
    let (classroom, document) = script.page;
    script.connect().await;
    script.open(30).await;
    script
        .world
        .give(script.tab, Command::OpenPage { classroom, document });
    script.go().await;
    assert_eq!((words(&script).len(), script.view().kept_aside), (3, 2));
    // Only what is alive is sent again.
    assert_eq!(script.segments().len(), 1);
    assert!(script.world.store(0).table(Table::Outbox).len() == 1);
}

/// A device that lost one of its tables uses no index twice and takes nothing from anybody. If it still knows who it belongs
/// to and the classroom, it goes on, and what is here or there is not lost; otherwise what is left stays as it is.
#[tokio::test]
async fn a_half_cleared_store_overwrites_nothing() {
    for table in Table::ALL {
        let Pair {
            mut world,
            amina,
            ben,
            page,
            ..
        } = Pair::new(&format!("half cleared {table:?}")).await;
        world.write_word(amina, page, "[before]");
        world.until_equal(page).await;
        world.pass(8).await;
        world.cut(0);
        world.write_word(amina, page, "[unsent]");
        world.drain().await;
        world.crash_tab(amina);
        let (whole, of_ben) = (world.store(0).clone(), world.store(1).table(Table::Segments));
        world.profiles[0].store.forget(|other, _| other == table);

        let mut amina = world.open_tab(0);
        world.link(0);
        world.pass(1).await;
        let names = [Table::Profile, Table::Classrooms, Table::Entries];
        let is_known = world.tab(amina).classrooms.contains_key(&page.0);
        assert!(is_known || names.contains(&table), "{table:?}");
        if is_known {
            world.open_page(amina, page).await;
            world.write_word(amina, page, "[after]");
            world.pass(20).await;
            assert_eq!(world.tab(amina).classroom(&page.0).refused, None, "{table:?}");
            let [here, there] = [amina, ben].map(|tab| words(&world.tab(tab).text(&page)));
            for word in ["[before]", "[unsent]", "[after]"] {
                assert!(here.contains(word) || there.contains(word), "{table:?} {word}");
            }
            // What never came to the others is missing where they see that something is.
            let aside = world.tab(ben).classroom(&page.0).kept_aside;
            assert!(there.len() == 3 || aside > 0, "{table:?} {there:?}");
        } else {
            for left in [Table::Segments, Table::Outbox] {
                assert_eq!(world.store(0).table(left), whole.table(left), "{table:?}");
            }
            world.crash_tab(amina);
            for (key, row) in whole.table(table) {
                world.profiles[0].store.put(table, key, row);
            }
            amina = world.open_tab(0);
            world.open_page(amina, page).await;
            let all = world.until_equal(page).await;
            assert_eq!(all, ["[before]".to_owned(), "[unsent]".to_owned()].into());
        }
        assert!(!world.store(0).used_an_index_twice(), "{table:?}");
        let now = world.store(1).table(Table::Segments);
        assert!(of_ben.iter().all(|row| now.contains(row)), "{table:?}");
    }
}

/// What a copy of the profile wrote, and came in the wrong order, is own work that may be nowhere else: it is sent, though not
/// before it is stored.
#[tokio::test]
async fn what_follows_after_all_is_sent_once_it_is_stored() {
    let (mut script, mut copy, _) = doubled("after all").await;
    copy.log.lane = LaneId([8; 16]);
    copy.next = 0;
    copy.previous = SegmentHash::NONE;
    let saved = copy.page.save().unwrap();
    copy.page = Page::load(&saved, copy.log.actor()).unwrap();
    let mut segments = Vec::new();
    for word in ["[one]", "[two]"] {
        let change = copy.word(word);
        segments.push(copy.seal(&[change]));
    }
    let sent = |script: &Script| {
        let theirs = script.segments().into_iter();
        theirs.filter(|(_, log, _)| log.lane == LaneId([8; 16])).count()
    };
    script.bring(&segments[1]).await;
    assert_eq!((script.view().kept_aside, sent(&script)), (1, 0));
    script.say_segment(&segments[0], 1);
    script.listen();
    assert_eq!((script.text().contains("[two]"), sent(&script)), (true, 0));
    script.go().await;
    assert_eq!((script.view().kept_aside, sent(&script)), (0, 1));
}

/// A tab that was not handed the page again yet, to go on with on another lane, is told so; there it makes the change again.
#[tokio::test]
async fn a_change_of_another_lane_than_the_tabs_is_not_taken() {
    let (mut script, mut double, _) = doubled("ended").await;
    double.log.lane = LaneId([8; 16]);
    let saved = double.page.save().unwrap();
    double.page = Page::load(&saved, double.log.actor()).unwrap();
    let (classroom, document) = script.page;
    let segments = script.segments().len();
    let command = Command::Change {
        classroom,
        document,
        change: double.word("[elsewhere]"),
    };
    let request = script.world.give(script.tab, command);
    script.go().await;
    let answer = script.world.tab_mut(script.tab).answers.remove(&request);
    assert_eq!(answer, Some(Err(Problem::LaneEnded)));
    assert_eq!(script.segments().len(), segments);
    assert_eq!(script.view().kept_aside, 0);
}
