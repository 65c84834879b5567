//! Two tabs of one profile: one store, two lanes, two connections.

use protocol::roster::{Entry, Role};
use protocol::segment::Log;
use protocol::{EntryHash, Refusal, SpaceId};
use replica::command::{Answer, Command};
use replica::event::Event;
use replica::store::Table;
use replica::view::{Why, Work};

use crate::script::{Script, Submitted};
use crate::tab::words;
use crate::world::{Pair, Step, World};

#[tokio::test]
async fn two_tabs_write_one_page_offline() {
    let Pair {
        mut world,
        amina,
        page,
        ..
    } = Pair::new("two tabs").await;
    let second = world.open_tab(0);
    world.open_page(second, page).await;
    world.cut(0);
    for round in 0..5 {
        world.write_word(amina, page, &format!("[first {round}]"));
        world.write_word(second, page, &format!("[second {round}]"));
        world.pass(1).await;
        assert_eq!(world.tab(amina).text(&page), world.tab(second).text(&page));
    }
    assert_eq!(words(&world.tab(amina).text(&page)).len(), 10);
    assert_eq!(world.tab(second).classroom(&page.0).work, Work::OnThisDevice);
    world.link(0);
    assert_eq!(world.until_equal(page).await.len(), 10);
    world.check_stores(page).await;
    world.check_nothing_to_send().await;
}

#[tokio::test]
async fn a_tab_of_an_older_version_is_told_and_one_of_a_newer_passes_that_over() {
    let Pair {
        mut world,
        amina,
        page,
        ..
    } = Pair::new("versions").await;
    world.write_word(amina, page, "[noted]");
    world.drain().await;
    let note = world.tab(amina).told.last().unwrap().clone();
    let second = world.open_tab(0);
    let of_version = |version: u8| [&[version], &note[1..]].concat();
    world.handle(second, Event::FromTab(of_version(note[0] - 1)));
    world.handle(second, Event::FromTab(Vec::new()));
    assert!(!world.tab(second).is_outdated);
    world.handle(second, Event::FromTab(of_version(note[0] + 1)));
    assert!(world.tab(second).is_outdated);
}

#[tokio::test]
async fn two_tabs_write_one_page_while_connected() {
    let Pair {
        mut world,
        amina,
        page,
        ..
    } = Pair::new("two tabs online").await;
    let second = world.open_tab(0);
    world.open_page(second, page).await;
    for round in 0..10 {
        world.write_word(amina, page, &format!("[first {round}]"));
        world.write_word(second, page, &format!("[second {round}]"));
        world.drain().await;
    }
    assert_eq!(world.until_equal(page).await.len(), 20);
    world.check_stores(page).await;
    world.check_nothing_to_send().await;
    assert!(world.store(0).table(Table::Outbox).is_empty());
}

#[tokio::test]
async fn a_tab_that_is_gone_has_its_work_sent_by_the_other() {
    let Pair {
        mut world,
        amina,
        page,
        ..
    } = Pair::new("gone").await;
    let second = world.open_tab(0);
    world.open_page(second, page).await;
    world.cut(0);
    world.write_word(second, page, "[unsealed]");
    world.drain().await;
    world.crash_tab(second);
    world.link(0);
    let words = world.until_equal(page).await;
    assert_eq!(words, ["[unsealed]".to_owned()].into());

    // Sealed and written, but never said to the other tab.
    let third = world.open_tab(0);
    world.open_page(third, page).await;
    world.write_word(third, page, "[sealed]");
    while world.tab(third).writing.is_some() {
        world.step(Step::Write(third)).await;
    }
    world.tab_mut(amina).notes.clear();
    world.crash_tab(third);
    // Nobody knows of it but the store: the next tab that starts sends it.
    let fourth = world.open_tab(0);
    world.open_page(fourth, page).await;
    assert_eq!(world.until_equal(page).await.len(), 2);
    world.check_stores(page).await;
    world.check_nothing_to_send().await;
}

#[tokio::test]
async fn a_tab_that_slept_writes_nothing_older_over_what_another_stored() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("slept").await;
    let second = world.open_tab(0);
    world.open_page(second, page).await;
    world.until_equal(page).await;
    world.write_word(amina, page, "[before]");
    world.drain().await;
    // The second tab sleeps: only the first goes on, and stores whole documents.
    let others: Vec<usize> = vec![amina, ben];
    for round in 0..10 {
        world.write_word(ben, page, &format!("[{round}]"));
        for _ in 0..10 {
            for step in world.steps() {
                let (Step::Write(tab)
                | Step::Read(tab)
                | Step::Hear(tab)
                | Step::Adopt(tab)
                | Step::Claim(tab)
                | Step::Connect(tab)
                | Step::Exchange(tab)
                | Step::Bring(tab)
                | Step::Fetch(tab)
                | Step::Send(tab)
                | Step::Receive(tab)) = step;
                if others.contains(&tab) && world.steps().contains(&step) {
                    world.step(step).await;
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        world.now += 2_000;
        for tab in &others {
            world.handle(*tab, replica::Event::Tick);
        }
    }
    assert_eq!(words(&world.tab(amina).text(&page)).len(), 11);
    // It wakes up with the little it heard, stores that, and the machine fails.
    for _ in 0..3 {
        if world.steps().contains(&Step::Receive(second)) {
            world.step(Step::Receive(second)).await;
        }
        world.handle(second, replica::Event::Tick);
        while world.tab(second).writing.is_some() {
            world.step(Step::Write(second)).await;
        }
    }
    world.now += 10_000;
    world.handle(second, replica::Event::Tick);
    while world.tab(second).writing.is_some() {
        world.step(Step::Write(second)).await;
    }
    for tab in [amina, second] {
        world.crash_tab(tab);
    }
    let again = world.open_tab(0);
    world.open_page(again, page).await;
    assert_eq!(world.until_equal(page).await.len(), 11);
    assert_eq!(world.tab(again).classroom(&page.0).kept_aside, 0);
    world.write_word(ben, page, "[after]");
    assert_eq!(world.until_equal(page).await.len(), 12);
    assert_eq!(world.tab(again).classroom(&page.0).kept_aside, 0);
}

#[tokio::test]
async fn a_classroom_founded_or_joined_in_one_tab_shows_in_the_other() {
    let mut world = World::new("shows").await;
    let profile = world.profile();
    let (first, second) = (world.open_tab(profile), world.open_tab(profile));
    world.cut(profile);
    let id = world.found(first).await;
    world
        .until("the other tab shows it", |world| {
            world.tab(second).classrooms.contains_key(&id)
        })
        .await;
    // It can be written in from there at once.
    let page = world.new_page(second, id).await;
    world.open_page(second, page).await;
    world.open_page(first, page).await;
    world.write_word(first, page, "[first]");
    world.write_word(second, page, "[second]");
    world.drain().await;
    assert_eq!(world.ask(second, Command::CardKept).await, Ok(Answer::Done));
    world
        .until("the card is kept", |world| {
            world.tab(first).home.as_ref().unwrap().card_kept
        })
        .await;
    world.link(profile);
    assert_eq!(world.until_equal(page).await.len(), 2);
    world.check_stores(page).await;
    world.check_nothing_to_send().await;
}

#[tokio::test]
async fn a_tab_that_only_looked_behind_an_invite_becomes_who_the_other_tab_is() {
    let Pair {
        mut world,
        amina,
        ben,
        classroom,
        page,
    } = Pair::new("who").await;
    let link = world
        .invite(amina, classroom, protocol::roster::Role::Student)
        .await;
    world.until_on_relay_of(amina).await;
    let profile = world.profile();
    let (first, second) = (world.open_tab(profile), world.open_tab(profile));
    let look = Command::Preview { link: link.clone() };
    assert!(world.ask(first, look).await.is_ok());
    world
        .join(second, &link, crate::world::person("Chao", "Third School", "CN"))
        .await;
    world
        .until("the first tab shows it", |world| {
            world.tab(first).classrooms.contains_key(&classroom)
        })
        .await;
    for tab in [first, second] {
        world.open_page(tab, page).await;
    }
    world.write_word(first, page, "[one person]");
    world.until_equal(page).await;
    let me = |tab: usize| world.tab(tab).home.as_ref().unwrap().me;
    assert_eq!(me(first), me(second));
    assert_eq!(world.tab(ben).classroom(&classroom).members.len(), 3);
}

#[tokio::test]
async fn two_tabs_that_found_at_once_are_one_person() {
    for first_claims in [true, false] {
        let mut world = World::new("at once").await;
        let profile = world.profile();
        let tabs = [world.open_tab(profile), world.open_tab(profile)];
        let requests = tabs.map(|tab| {
            let command = Command::Found {
                classroom_name: format!("Classroom {tab}"),
                profile: crate::world::person("Amina", "Kilimo School", "KE"),
            };
            world.give(tab, command)
        });
        let [first, second] = tabs;
        let order = if first_claims {
            [first, second]
        } else {
            [second, first]
        };
        for tab in order {
            world.step(Step::Claim(tab)).await;
        }
        world
            .until("both are founded", |world| {
                let answered = |at: usize| world.tab(tabs[at]).answers.get(&requests[at]);
                [0, 1]
                    .map(answered)
                    .iter()
                    .all(|answer| matches!(answer, Some(Ok(Answer::Classroom(_)))))
            })
            .await;
        world.until_on_relay().await;
        let me = |tab: usize| world.tab(tab).home.as_ref().unwrap().me;
        assert_eq!(me(first), me(second));
        world
            .until("each shows both", |world| {
                tabs.iter().all(|tab| world.tab(*tab).classrooms.len() == 2)
            })
            .await;
        let again = world.restart_tab(first);
        world
            .until("a start shows both", |world| {
                world.tab(again).classrooms.len() == 2
            })
            .await;
        world.until_on_relay().await;
    }
}

#[tokio::test]
async fn a_store_that_cannot_say_who_this_is_is_asked_again() {
    let mut world = World::new("asked again").await;
    let profile = world.profile();
    let tab = world.open_tab(profile);
    world.profiles[profile].store.failing = true;
    let command = Command::Found {
        classroom_name: "Water".to_owned(),
        profile: crate::world::person("Amina", "Kilimo School", "KE"),
    };
    let request = world.give(tab, command);
    world.pass(3).await;
    assert!(world.tab(tab).answers.is_empty());
    assert!(world.store(profile).is_empty());
    world.profiles[profile].store.failing = false;
    world
        .until("it is founded", |world| {
            world.tab(tab).answers.contains_key(&request)
        })
        .await;
    world.until_on_relay().await;
}

/// The relay does not give back what it gets: who sends what another tab wrote must have it as well.
#[tokio::test]
async fn what_a_tab_sends_for_another_shows_in_it_as_well() {
    let Pair {
        mut world,
        amina,
        page,
        ..
    } = Pair::new("sent for another").await;
    let second = world.open_tab(0);
    world.open_page(second, page).await;
    world.until_equal(page).await;

    // The second tab does not hear of the first word, and gets the second one before the first comes from the relay.
    world.write_word(amina, page, "[one]");
    while !world.store(0).table(Table::Outbox).is_empty() || world.tab(amina).writing.is_some() {
        only(&mut world, amina).await;
    }
    world.tab_mut(second).notes.clear();
    world.write_word(amina, page, "[two]");
    while world.tab(amina).writing.is_some() {
        world.step(Step::Write(amina)).await;
    }
    assert_eq!(world.tab(second).notes.len(), 1);
    // From here on the first tab sleeps.
    while !world.store(0).table(Table::Outbox).is_empty() {
        only(&mut world, second).await;
        world.now += 1_000;
        world.handle(second, Event::Tick);
    }
    assert_eq!(world.until_equal(page).await.len(), 2);
    world.check_stores(page).await;
    world.check_nothing_to_send().await;
}

/// Of two tabs that send one segment the other may tell that the relay has it before this one is answered.
#[tokio::test]
async fn what_two_tabs_send_shows_in_the_one_that_could_not_take_it_as_well() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("sent by both").await;
    let second = world.open_tab(0);
    world.open_page(second, page).await;
    world.until_equal(page).await;

    // The second tab can't take the second word, for it has not got the first.
    world.write_word(amina, page, "[one]");
    while !world.store(0).table(Table::Outbox).is_empty() || world.tab(amina).writing.is_some() {
        only(&mut world, amina).await;
    }
    world.tab_mut(second).notes.clear();
    world.write_word(amina, page, "[two]");
    write_all(&mut world, amina).await;
    world.step(Step::Hear(second)).await;
    assert_eq!(world.tab(second).text(&page), "");

    // It sends that all the same, and is slow to hear of the answer.
    let connections = world.tab(second).connections;
    while words(&world.tab(ben).text(&page)).len() < 2 {
        if world.tab(second).submitted == 0 {
            world.now += 1_000;
            world.handle(second, Event::Tick);
        }
        without_receiving(&mut world, second).await;
        only(&mut world, ben).await;
    }
    while !world.store(0).table(Table::Outbox).is_empty() || world.tab(amina).writing.is_some() {
        only(&mut world, amina).await;
    }
    while world.steps().contains(&Step::Hear(second)) {
        world.step(Step::Hear(second)).await;
    }
    // A connection made anew would bring what was missed.
    world.drain().await;
    assert_eq!(words(&world.tab(second).text(&page)).len(), 2);
    assert_eq!(world.tab(second).connections, connections);
    assert_eq!(world.tab(second).classroom(&page.0).kept_aside, 0);
    assert_eq!(world.until_equal(page).await.len(), 2);
    world.check_stores(page).await;
    world.check_nothing_to_send().await;
}

/// What was said of what a tab folded in its last moment was put in the place of the fold, and what comes before it was sent by
/// nobody.
#[tokio::test]
async fn what_is_heard_late_of_a_tab_takes_nothing_from_what_it_left() {
    let Pair {
        mut world,
        amina,
        page,
        ..
    } = Pair::new("heard late").await;
    let second = world.open_tab(0);
    world.open_page(second, page).await;
    world.until_equal(page).await;
    world.cut(0);
    world.write_word(second, page, "[one]");
    world.drain().await;
    world.write_word(second, page, "[two]");
    world.write_word(second, page, "[three]");
    write_all(&mut world, second).await;
    world.handle(second, Event::Closing);
    write_all(&mut world, second).await;
    assert_eq!(world.store(0).table(Table::Outbox).len(), 1);
    // That they were folded it had no time to say.
    world.tab_mut(amina).notes.pop_back();
    assert_eq!(world.tab(amina).notes.len(), 2);
    world.crash_tab(second);
    world.link(0);
    while !world.steps().contains(&Step::Adopt(amina)) {
        for step in world.steps() {
            if step.tab() == amina && step != Step::Hear(amina) {
                world.step(step).await;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        world.tick(20);
    }
    world.step(Step::Adopt(amina)).await;
    // What it sent at once does not arrive.
    world.cut(0);
    world.drain().await;
    world.link(0);
    assert_eq!(world.until_equal(page).await.len(), 3);
    world.check_stores(page).await;
    world.check_nothing_to_send().await;
}

/// Who took over what a tab had left, and had not been given the key by the relay yet, kept that aside as broken.
#[tokio::test]
async fn what_a_tab_left_is_taken_over_with_the_keys_that_it_is_sealed_with() {
    let Pair {
        mut world,
        amina,
        classroom,
        page,
        ..
    } = Pair::new("with the keys").await;
    let second = world.open_tab(0);
    world.open_page(second, page).await;
    world.until_equal(page).await;
    // From here on the first tab is told nothing but what the other wrote last.
    let space = Some(SpaceId::EVERYONE);
    world.give(second, Command::RotateKeys { classroom, space });
    assert_eq!(world.tab(second).classroom(&classroom).work, Work::Saving);
    while world.tab(second).classroom(&classroom).work != Work::OnTheRelay {
        only(&mut world, second).await;
    }
    write_all(&mut world, second).await;
    world.tab_mut(amina).notes.clear();
    world.write_word(second, page, "[sealed]");
    write_all(&mut world, second).await;
    assert_eq!(world.tab(amina).notes.len(), 1);
    world.crash_tab(second);
    while !world.steps().contains(&Step::Adopt(amina)) {
        world.tick(1_000);
        without_receiving(&mut world, amina).await;
    }
    world.step(Step::Adopt(amina)).await;
    for _ in 0..10 {
        without_receiving(&mut world, amina).await;
    }
    assert_eq!(words(&world.tab(amina).text(&page)).len(), 1);
    assert_eq!(world.tab(amina).classroom(&classroom).kept_aside, 0);
    assert_eq!(world.until_equal(page).await.len(), 1);
    world.check_stores(page).await;
    world.check_nothing_to_send().await;
}

/// Others got what builds on something of another tab without that, and could not read it when the device was lost.
#[tokio::test]
async fn what_builds_on_what_another_tab_has_not_sent_leaves_with_that() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("leaves with that").await;
    let second = world.open_tab(0);
    world.open_page(second, page).await;
    world.until_equal(page).await;
    // The second tab's connection stands still from here on.
    world.write_word(second, page, "[one]");
    write_all(&mut world, second).await;
    while world.steps().contains(&Step::Hear(amina)) {
        world.step(Step::Hear(amina)).await;
    }
    world.write_word(amina, page, "[two]");
    while words(&world.tab(ben).text(&page)).len() < 2 {
        only(&mut world, amina).await;
        only(&mut world, ben).await;
        assert_eq!(world.tab(ben).classroom(&page.0).kept_aside, 0);
    }
}

/// The relay failed to store the one, and took what builds on it.
#[tokio::test]
async fn what_builds_on_what_another_tab_wrote_is_sent_once_the_relay_has_that() {
    let mut script = Script::new("once it has that").await;
    script.settle().await;
    let second = script.world.open_tab(script.world.tab(script.tab).profile);
    script.world.open_page(second, script.page).await;
    let settled = script.submitted.len();
    let sent = |script: &Script| {
        script
            .segments()
            .into_iter()
            .skip_while(|(number, ..)| (*number as usize) < settled)
            .collect::<Vec<_>>()
    };
    script.world.write_word(second, script.page, "[one]");
    script.go().await;
    script.write_word("[two]");
    script.go().await;
    let (number, log, _) = sent(&script)[0];
    assert_eq!(sent(&script).len(), 1);

    script.refused(number, Refusal::Storage).await;
    assert_eq!(sent(&script).len(), 1);
    script.live(10).await;
    let (again, same, _) = sent(&script)[1];
    assert_eq!((sent(&script).len(), same), (2, log));
    script.stored(again).await;
    let (last, other, _) = sent(&script)[2];
    assert_ne!(other, log);
    script.stored(last).await;
    assert_eq!(script.view().work, Work::OnTheRelay);
    assert_eq!(sent(&script).len(), 3);
}

/// Had each folded all of its own, each fold would wait for the other: the relay could take one of them only, and nobody could
/// read that if the device was put back then.
#[tokio::test]
async fn what_two_tabs_wrote_in_turns_is_sent_in_turns() {
    for restarts in [false, true] {
        let mut script = Script::new("build on each other").await;
        script.settle().await;
        let second = script.world.open_tab(script.world.tab(script.tab).profile);
        script.world.open_page(second, script.page).await;
        script.disconnect();
        for tab in [script.tab, second, script.tab] {
            script.world.write_word(tab, script.page, "[in turns]");
            script.go().await;
        }
        // Now what was never sent is folded.
        while !script.world.tab(script.tab).connecting {
            script.world.tick(1_000);
        }
        script.go().await;
        assert_eq!(script.world.store(0).table(Table::Outbox).len(), 3);
        script.write_word("[behind]");
        script.go().await;
        if restarts {
            script.world.crash_tab(second);
            script.tab = script.world.restart_tab(script.tab);
            script.go().await;
        }
        script.connect().await;
        script.open(1).await;
        let mut stored = script.store_rest(0).await;
        for _ in 0..4 {
            script.live(5).await;
            stored = script.store_rest(stored).await;
        }
        let mut logs: Vec<Log> = script.segments().into_iter().map(|(_, log, _)| log).collect();
        logs.dedup();
        assert_eq!(logs.len(), 3);
        assert_eq!(logs[0], logs[2]);
        assert_eq!(script.view().work, Work::OnTheRelay);
    }
}

/// The relay takes an entry never, and what names it, or one that stands on it, waits for that: nothing else does.
#[tokio::test]
async fn what_builds_on_what_names_a_refused_entry_is_sent() {
    for entries in [1, 2] {
        let mut script = Script::new("names a refused entry").await;
        script.settle().await;
        let second = script.world.open_tab(script.world.tab(script.tab).profile);
        script.world.open_page(second, script.page).await;
        let settled = script.submitted.len();
        for entry in 0..entries {
            let lock = lock(&script, entry % 2 == 0);
            script.world.give(script.tab, lock);
            write_all(&mut script.world, script.tab).await;
        }
        // The other tab does not hear of them, and so its own work does not name them.
        script.world.tab_mut(second).notes.clear();
        script.write_word("[names it]");
        script.go().await;
        let submitted = u32::try_from(settled).unwrap();
        script.refused(submitted, Refusal::NotAllowed).await;
        for behind in 1..=entries {
            script.refused(submitted + behind, Refusal::UnknownParent).await;
        }
        let first = script.segments().into_iter().next_back().unwrap();
        assert_eq!(first.0, submitted + entries);
        let before = script.segments().len();
        script.world.write_word(second, script.page, "[builds on it]");
        script.go().await;
        script.live(20).await;
        let segments = script.segments();
        assert_eq!(segments.len(), before + 1, "{entries}");
        assert_ne!(segments[before].1, first.1);
    }
}

/// All that stands on an entry that the relay never takes is listed with it, and goes once in a connection; what was made apart
/// from it, in another tab, goes its way.
#[tokio::test]
async fn what_stands_on_a_refused_entry_is_listed_and_what_does_not_is_sent() {
    let mut script = Script::new("stands on a refused entry").await;
    script.settle().await;
    let second = script.world.open_tab(script.world.tab(script.tab).profile);
    script.world.open_page(second, script.page).await;
    let first = u32::try_from(script.submitted.len()).unwrap();
    for locked in [true, false] {
        let lock = lock(&script, locked);
        script.world.give(script.tab, lock);
        write_all(&mut script.world, script.tab).await;
    }
    script.world.tab_mut(second).notes.clear();
    script.write_word("[names the second]");
    script.go().await;
    assert_eq!(script.submitted.len(), first as usize + 3);
    let refuse_all = async |script: &mut Script, first: u32| {
        script.refused(first, Refusal::BadSignature).await;
        for behind in [1, 2] {
            script.refused(first + behind, Refusal::UnknownParent).await;
        }
    };
    refuse_all(&mut script, first).await;
    let classroom = script.classroom;
    for connection in 0..3 {
        let listed = Command::KeptAside { classroom, skip: 0 };
        let Ok(Answer::KeptAside(listed)) = script.world.ask(script.tab, listed).await else {
            panic!("it is not listed")
        };
        let refused = Why::Refused(Refusal::BadSignature);
        assert!(listed.iter().all(|kept| kept.reason == refused));
        assert_eq!((listed.len(), script.view().kept_aside), (3, 3));
        assert_eq!(script.view().refused, Some(Refusal::BadSignature));

        let submitted = script.submitted.len();
        if connection == 0 {
            let apart = Command::Invite {
                classroom,
                role: Role::Student,
                ask_first: true,
            };
            script.world.give(second, apart);
        }
        script.live(60).await;
        let sent = script.submitted.split_off(submitted);
        if connection == 0 {
            let [Submitted::Entry(apart)] = &sent[..] else {
                panic!("{sent:?}")
            };
            let refused: Vec<EntryHash> = script.entries().iter().rev().take(2).map(Entry::hash).collect();
            assert!(!apart.parents().iter().any(|parent| refused.contains(parent)));
            script.submitted.extend(sent);
            script.stored(first + 3).await;
        } else {
            assert!(sent.is_empty(), "{sent:?}");
        }
        script.disconnect();
        script.connect().await;
        script.open(40).await;
        assert_eq!(script.submitted.len(), 3);
        refuse_all(&mut script, 0).await;
    }
}

/// Locks the page, or unlocks it.
fn lock(script: &Script, locked: bool) -> Command {
    let (classroom, document) = script.page;
    Command::Lock {
        classroom,
        document,
        locked,
    }
}

/// A tab stores all that it is to store.
async fn write_all(world: &mut World, tab: usize) {
    while world.tab(tab).writing.is_some() {
        world.step(Step::Write(tab)).await;
    }
}

/// Everything happens that can in one tab, and nothing in the others.
async fn only(world: &mut World, tab: usize) {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    for step in world.steps() {
        if step.tab() == tab {
            world.step(step).await;
        }
    }
}

/// Everything happens that can in one tab, but that it takes what the relay says, or takes over what another left.
async fn without_receiving(world: &mut World, tab: usize) {
    for step in world.steps() {
        if step.tab() == tab && !matches!(step, Step::Receive(_) | Step::Adopt(_)) {
            world.step(step).await;
        }
    }
}

#[tokio::test]
async fn a_tab_is_handed_what_is_stored_of_a_page_while_the_replica_still_reads_it() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("handed over").await;
    world.write_word(amina, page, "[stored]");
    world.until_equal(page).await;
    // Until the page is stored whole.
    world.pass(8).await;
    let amina = world.restart_tab(amina);
    world.until_on_relay().await;
    world.cut(0);
    let (classroom, document) = page;
    world.give(amina, Command::OpenPage { classroom, document });
    while !world.tab(amina).pages.contains_key(&page) {
        world.step(Step::Read(amina)).await;
    }
    assert_eq!(words(&world.tab(amina).text(&page)).len(), 1);
    assert!(
        world.steps().contains(&Step::Read(amina)),
        "the replica had the page as well by then"
    );
    // What the tab and the others write meanwhile gets everywhere.
    world.write_word(amina, page, "[at once]");
    world.write_word(ben, page, "[elsewhere]");
    world.drain().await;
    world.link(0);
    assert_eq!(world.until_equal(page).await.len(), 3);
    world.check_stores(page).await;
    world.check_nothing_to_send().await;
}
