//! What a tab hands over after its person has lost the right to write: kept here, listed, and sent if it counts later.

use protocol::roster::Role;
use replica::command::{Answer, Command, Problem};
use replica::store::{AsideReason, Table};
use replica::view::{KeptAside, Why, Work};

use crate::members::{Schools, me, until_same};
use crate::tab::{PageKey, word_at};
use crate::world::{Step, World};

/// Types a word that is not taken for this reason, and has it kept.
async fn write_late(world: &mut World, tab: usize, page: PageKey, word: &str, problem: Problem) {
    let change = world.tab_mut(tab).edit(&page, &[word_at((0, 0), word)]);
    let Command::Change {
        classroom,
        document,
        change: bytes,
    } = change.clone()
    else {
        panic!("{change:?}")
    };
    assert_eq!(world.ask(tab, change).await, Err(problem));
    let keep = Command::KeepAside {
        classroom,
        document,
        change: bytes,
    };
    assert_eq!(world.ask(tab, keep).await, Ok(Answer::Done));
}

async fn kept(world: &mut World, tab: usize, page: PageKey) -> Vec<KeptAside> {
    let classroom = page.0;
    let kept = match world.ask(tab, Command::KeptAside { classroom, skip: 0 }).await {
        Ok(Answer::KeptAside(kept)) => kept,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        world.tab(tab).classroom(&classroom).kept_aside as usize,
        kept.len()
    );
    kept
}

async fn until_kept(world: &mut World, tab: usize, page: PageKey, reason: AsideReason) {
    world
        .until("it is kept aside", |world| {
            world.tab(tab).classroom(&page.0).kept_aside == 1
        })
        .await;
    let kept = kept(world, tab, page).await;
    let kept: Vec<_> = kept
        .iter()
        .map(|kept| (kept.reason, kept.from, kept.document))
        .collect();
    assert_eq!(kept, [(Why::Unfit(reason), Some(me(world, tab)), Some(page.1))]);
}

/// How many items the export of what is kept aside has.
async fn exported(world: &mut World, tab: usize, page: PageKey) -> u64 {
    match world.ask(tab, Command::ExportAside { classroom: page.0 }).await {
        Ok(Answer::Exported { items }) => items,
        other => panic!("{other:?}"),
    }
}

/// Waits until this tab knows that its person may not write on the page.
async fn until_stopped(world: &mut World, tab: usize, page: PageKey) {
    world
        .until("it is stopped", |world| {
            let shown = &world.tab(tab).classroom(&page.0).documents;
            shown.iter().any(|shown| shown.id == page.1 && !shown.may_write)
        })
        .await;
}

/// The stop with `true`, its end with `false`: what comes meanwhile waits here, and goes out then.
async fn waits(seed: &str, stop: impl Fn(PageKey, bool) -> Command, problem: Problem, reason: AsideReason) {
    let Schools {
        mut world,
        amina,
        mut dora,
        page,
        ..
    } = Schools::new(seed).await;
    assert_eq!(world.ask(amina, stop(page, true)).await, Ok(Answer::Done));
    until_stopped(&mut world, dora, page).await;
    write_late(&mut world, dora, page, "[late]", problem).await;
    for _ in 0..2 {
        until_kept(&mut world, dora, page, reason).await;
        assert_eq!(exported(&mut world, dora, page).await, 1);
        // It is with nobody else, and no reason to call the classroom refused.
        world.pass(3).await;
        assert!(world.tab(dora).text(&page).contains("[late]"));
        assert!(!world.tab(amina).text(&page).contains("[late]"));
        assert_eq!(world.tab(dora).classroom(&page.0).refused, None);
        // The same after a restart.
        dora = world.restart_tab(dora);
        world.open_page(dora, page).await;
    }
    assert_eq!(world.ask(amina, stop(page, false)).await, Ok(Answer::Done));
    until_same(&mut world, &[amina, dora], page, "[late]").await;
    assert_eq!(kept(&mut world, dora, page).await, []);
}

#[tokio::test]
async fn what_comes_to_a_locked_page_waits_until_it_is_unlocked() {
    let lock = |(classroom, document), locked| Command::Lock {
        classroom,
        document,
        locked,
    };
    waits("late lock", lock, Problem::Locked, AsideReason::Locked).await;
}

#[tokio::test]
async fn what_comes_to_a_closed_classroom_waits_until_it_is_opened() {
    let close = |(classroom, _), closed| Command::Close { classroom, closed };
    waits("late close", close, Problem::Closed, AsideReason::Closed).await;
}

#[tokio::test]
async fn what_a_guest_typed_as_a_student_is_taken_out_of_the_page_and_kept() {
    let Schools {
        mut world,
        ben,
        dora,
        classroom,
        page,
        ..
    } = Schools::new("late guest").await;
    world.write_word(dora, page, "[before]");
    until_same(&mut world, &[ben, dora], page, "[before]").await;
    let change = Command::ChangeRole {
        classroom,
        member: me(&world, dora),
        role: Role::Guest,
    };
    assert_eq!(world.ask(ben, change).await, Ok(Answer::Done));
    until_stopped(&mut world, dora, page).await;
    write_late(&mut world, dora, page, "[late]", Problem::NotAllowed).await;
    world
        .until("it is taken out", |world| {
            world.tab(dora).text(&page) == "[before]"
        })
        .await;
    until_kept(&mut world, dora, page, AsideReason::BeyondCutoff).await;
    // Looked at again, it was sealed by a guest.
    let dora = world.restart_tab(dora);
    world.open_page(dora, page).await;
    assert_eq!(world.tab(dora).text(&page), "[before]");
    until_kept(&mut world, dora, page, AsideReason::NotAllowed).await;
    assert_eq!(exported(&mut world, dora, page).await, 1);
}

#[tokio::test]
async fn what_somebody_typed_who_was_removed_is_kept_with_them() {
    let Schools {
        mut world,
        amina,
        dora,
        classroom,
        page,
        ..
    } = Schools::new("late removed").await;
    let remove = Command::Remove {
        classroom,
        member: me(&world, dora),
    };
    assert_eq!(world.ask(amina, remove).await, Ok(Answer::Done));
    world
        .until("she is told", |world| {
            world.tab(dora).classroom(&classroom).removed
        })
        .await;
    write_late(&mut world, dora, page, "[late]", Problem::NotAllowed).await;
    until_kept(&mut world, dora, page, AsideReason::BeyondCutoff).await;
    let dora = world.restart_tab(dora);
    until_kept(&mut world, dora, page, AsideReason::BeyondCutoff).await;
    assert_eq!(exported(&mut world, dora, page).await, 1);
    assert!(!world.tab(amina).text(&page).contains("[late]"));
}

/// Whoever took over what that one left kept it in the page, and unsent, for good.
#[tokio::test]
async fn what_a_tab_left_that_had_not_heard_that_its_author_is_a_guest_is_taken_out() {
    let Schools {
        mut world,
        ben,
        dora,
        classroom,
        page,
        ..
    } = Schools::new("left by a guest").await;
    let profile = world.tab(dora).profile;
    let second = world.open_tab(profile);
    world.open_page(second, page).await;
    world.write_word(dora, page, "[before]");
    until_same(&mut world, &[ben, dora, second], page, "[before]").await;
    world.write_word(second, page, "[late]");
    while world.tab(second).writing.is_some() {
        world.step(Step::Write(second)).await;
    }
    // The other tab hears of it only once it knows.
    let notes = std::mem::take(&mut world.tab_mut(dora).notes);
    world.crash_tab(second);
    let change = Command::ChangeRole {
        classroom,
        member: me(&world, dora),
        role: Role::Guest,
    };
    assert_eq!(world.ask(ben, change).await, Ok(Answer::Done));
    until_stopped(&mut world, dora, page).await;
    // Nothing more is to come: with the new keys it would be looked at again what counts.
    world.pass(20).await;
    world.tab_mut(dora).notes.extend(notes);
    until_kept(&mut world, dora, page, AsideReason::BeyondCutoff).await;
    world
        .until("it is nowhere else", |world| {
            world.tab(dora).text(&page) == "[before]" && world.store(profile).table(Table::Outbox).is_empty()
        })
        .await;
    assert_eq!(world.tab(dora).classroom(&classroom).work, Work::OnTheRelay);
}
