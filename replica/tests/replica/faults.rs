//! Writes that fail, crashes between any two of them, links that stand still, relays that are busy.

use replica::command::{Answer, Command};
use replica::store::Table;
use replica::view::Work;
use replica::{Event, lanes_left};

use crate::tab::words;
use crate::world::{Pair, Step, World};

#[tokio::test]
async fn nothing_is_answered_or_sent_before_it_is_written() {
    let Pair {
        mut world,
        amina,
        page,
        ..
    } = Pair::new("persist").await;
    let submitted = world.tab(amina).submitted;
    let request = world.write_word(amina, page, "[a]");
    // Everything but the write happens.
    for _ in 0..20 {
        for step in world.steps() {
            if step != Step::Write(amina) && world.steps().contains(&step) {
                world.step(step).await;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        world.tick(100);
    }
    assert_eq!(world.tab(amina).submitted, submitted);
    assert!(!world.tab(amina).answers.contains_key(&request));
    assert_eq!(world.tab(amina).classroom(&page.0).work, Work::Saving);
    world.step(Step::Write(amina)).await;
    assert_eq!(world.tab(amina).answers[&request], Ok(Answer::Done));
    assert!(world.tab(amina).submitted > submitted);
    world.until_equal(page).await;
}

#[tokio::test]
async fn a_failed_write_is_shown_and_tried_again() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("full disk").await;
    world.profiles[0].store.failing = true;
    let first = world.write_word(amina, page, "[a1]");
    world.write_word(ben, page, "[b1]");
    world.pass(2).await;
    let second = world.write_word(amina, page, "[a2]");
    world.pass(5).await;
    assert_eq!(world.tab(amina).classroom(&page.0).work, Work::NotSaved);
    for request in [first, second] {
        assert!(!world.tab(amina).answers.contains_key(&request));
    }
    assert!(!world.tab(ben).text(&page).contains("[a1]"));
    // What arrives is shown all the same.
    assert!(world.tab(amina).text(&page).contains("[b1]"));

    world.profiles[0].store.failing = false;
    world.pass(2).await;
    for request in [first, second] {
        assert_eq!(world.tab(amina).answers[&request], Ok(Answer::Done));
    }
    assert_eq!(world.until_equal(page).await.len(), 3);
    world.check_stores(page).await;
}

#[tokio::test]
async fn what_arrived_while_writes_failed_comes_again_after_a_crash() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("arrived").await;
    world.profiles[0].store.failing = true;
    world.write_word(ben, page, "[b1]");
    world
        .until("it is shown", |world| {
            world.tab(amina).text(&page).contains("[b1]")
        })
        .await;
    world.crash_machine(0);
    world.profiles[0].store.failing = false;
    let amina = world.open_tab(0);
    world.open_page(amina, page).await;
    assert_eq!(world.until_equal(page).await, ["[b1]".to_owned()].into());
}

/// Writes some words with a crash after each number of steps, on and off the relay, and looks for what was answered.
#[tokio::test]
async fn a_crash_between_any_two_steps_loses_nothing_that_was_answered() {
    let Pair {
        mut world,
        mut amina,
        ben,
        page,
        ..
    } = Pair::new("crash").await;
    let mut promised = std::collections::BTreeSet::new();
    for round in 0..24 {
        if round % 4 == 3 {
            world.cut(0);
        }
        let mut waiting = Vec::new();
        for word in 0..2 {
            let word = format!("[{round}.{word}]");
            let request = world.write_word(amina, page, &word);
            waiting.push((request, word));
        }
        for _ in 0..world.rng.below(12) {
            let steps: Vec<Step> = world.steps();
            let own: Vec<Step> = steps
                .into_iter()
                .filter(|step| matches!(step, Step::Write(tab) | Step::Send(tab) | Step::Receive(tab) if *tab == amina))
                .collect();
            if own.is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            } else {
                let at = world.rng.below(own.len());
                world.step(own[at]).await;
            }
        }
        for (request, word) in waiting {
            if world.tab(amina).answers.get(&request) == Some(&Ok(Answer::Done)) {
                promised.insert(word);
            }
        }
        if round % 2 == 0 {
            world.crash_machine(0);
        } else {
            world.crash_tab(amina);
        }
        amina = world.open_tab(0);
        if round % 4 == 3 {
            world.link(0);
        }
        world.open_page(amina, page).await;
    }
    let words = world.until_equal(page).await;
    assert!(promised.len() > 10, "hardly anything was promised");
    assert!(
        promised.is_subset(&words),
        "lost: {:?}",
        promised.difference(&words)
    );
    assert_eq!(world.tab(ben).classroom(&page.0).kept_aside, 0);
    world.check_stores(page).await;
    world.check_nothing_to_send().await;
}

#[tokio::test]
async fn a_link_that_stands_still_is_given_up() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("stands still").await;
    world.write_word(amina, page, "[a]");
    // Nothing of Amina's goes out or comes in any more, and nobody says so.
    for _ in 0..100 {
        for step in world.steps() {
            if !matches!(step, Step::Send(tab) | Step::Receive(tab) if tab == amina)
                && world.steps().contains(&step)
            {
                world.step(step).await;
            }
        }
        world.tick(200);
        if !world.tab(amina).is_online() {
            break;
        }
    }
    assert!(!world.tab(amina).is_online(), "the dead link was not noticed");
    assert_eq!(world.until_equal(page).await, ["[a]".to_owned()].into());
    assert!(world.tab(ben).is_online());
}

#[tokio::test]
async fn each_start_has_a_lane_of_its_own_and_clears_up_after_others() {
    let Pair {
        mut world,
        mut amina,
        page,
        ..
    } = Pair::new("lanes").await;
    let left = |world: &World| lanes_left(&world.store(0).read_tables(&Table::AT_START)).len();
    let mut rows = None;
    for round in 0..4 {
        world.write_word(amina, page, &format!("[{round}]"));
        world.until_equal(page).await;
        // The log of the tab before is looked at when it has been quiet, for what could be folded.
        world.pass(31).await;
        assert_eq!(left(&world), 1);
        let positions = world.store(0).table(Table::Classrooms).len();
        assert_eq!(*rows.get_or_insert(positions), positions);
        amina = world.restart_tab(amina);
        world.open_page(amina, page).await;
    }
    // What a tab knows that is still open is left alone.
    let second = world.open_tab(0);
    world.open_page(second, page).await;
    world.write_word(second, page, "[second]");
    world.write_word(amina, page, "[first]");
    world.until_equal(page).await;
    world.pass(31).await;
    assert_eq!(left(&world), 2);
    let lanes: std::collections::BTreeSet<Vec<u8>> = world
        .store(0)
        .table(Table::Segments)
        .into_iter()
        .map(|(key, _)| key[80..96].to_vec())
        .collect();
    // Ben wrote his profile on one more.
    assert_eq!(lanes.len(), 7);
    world.check_stores(page).await;
    world.check_nothing_to_send().await;
}

#[tokio::test]
async fn a_clock_that_jumps_back_stops_nothing() {
    let Pair {
        mut world,
        amina,
        page,
        ..
    } = Pair::new("clock").await;
    world.now -= 40 * 24 * 60 * 60 * 1000;
    world.write_word(amina, page, "[a]");
    assert_eq!(world.until_equal(page).await, ["[a]".to_owned()].into());
    world.cut(0);
    world.write_word(amina, page, "[b]");
    world.link(0);
    assert_eq!(world.until_equal(page).await.len(), 2);
    let skew = world.tab(amina).home.as_ref().unwrap().clock_skew.unwrap();
    assert!(skew > 39 * 24 * 60 * 60, "{skew}");
}

#[tokio::test]
async fn reads_that_fail_are_made_again() {
    let Pair {
        mut world,
        amina,
        page,
        ..
    } = Pair::new("reads").await;
    world.write_word(amina, page, "[a]");
    world.until_equal(page).await;
    let amina = world.restart_tab(amina);
    for _ in 0..3 {
        while let Some((ticket, ..)) = world.tab_mut(amina).reading.pop_front() {
            world.handle(amina, Event::ReadFailed { ticket });
        }
        world.tick(2_500);
    }
    world.open_page(amina, page).await;
    assert_eq!(words(&world.tab(amina).text(&page)), ["[a]".to_owned()].into());
}

#[tokio::test]
async fn closing_and_waking_up_again_goes_on() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("closing").await;
    world.write_word(amina, page, "[a]");
    world.handle(amina, Event::Closing);
    // What is on its way gets out, and the tab may only have been frozen.
    world.write_word(ben, page, "[b]");
    assert_eq!(world.until_equal(page).await.len(), 2);
    assert_eq!(world.ask(amina, Command::CardKept).await, Ok(Answer::Done));
    assert!(world.tab(amina).home.as_ref().unwrap().card_kept);
}
