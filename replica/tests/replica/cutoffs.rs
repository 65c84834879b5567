//! What somebody wrote before they were removed, and what of it counts.

use std::collections::BTreeSet;

use documents::page::Page;
use protocol::identity::MemberKeys;
use protocol::roster::{Action, Cutoff, Entry, Role};
use protocol::segment::Segment;
use protocol::{DocumentId, LaneId, MemberId, SegmentHash};
use replica::command::{Answer, Command};
use replica::store::Table;

use crate::members::{Schools, me, until_same};
use crate::script::{Author, Script, Submitted};
use crate::tab::{PageKey, Tab, words};
use crate::world::{Step, World};

/// Waits until these tabs show exactly these words, and have that many items aside.
async fn until_shown(world: &mut World, tabs: &[usize], page: PageKey, wanted: &[&str], aside: u32) {
    let wanted: BTreeSet<String> = wanted.iter().map(|word| (*word).to_owned()).collect();
    world
        .until("all show the same", |world| {
            tabs.iter().all(|tab| {
                let tab = world.tab(*tab);
                tab.pages.contains_key(&page)
                    && words(&tab.text(&page)) == wanted
                    && tab.classroom(&page.0).kept_aside == aside
            })
        })
        .await;
}

/// The founder makes somebody a guest, of whose log on a page that many segments count.
fn made_guest(founder: &MemberKeys, author: &Author, (classroom, document): PageKey, next: u64) -> Entry {
    let to_guest = Action::ChangeRole {
        member: author.log.member,
        role: Role::Guest,
        cutoffs: vec![Cutoff {
            document,
            lane: author.log.lane,
            next,
        }],
        keys: Vec::new(),
        rotations: Vec::new(),
    };
    Entry::act(founder, classroom, author.heads.clone(), to_guest).unwrap()
}

fn change_role(world: &World, tab: usize, (classroom, _): PageKey, role: Role) -> Command {
    Command::ChangeRole {
        classroom,
        member: me(world, tab),
        role,
    }
}

async fn give_role(world: &mut World, lead: usize, tab: usize, page: PageKey, role: Role) {
    let change = change_role(world, tab, page, role);
    assert_eq!(world.ask(lead, change).await, Ok(Answer::Done));
}

/// Somebody writes with no connection, and is a guest when they come back.
async fn write_as_a_guest_to_be(world: &mut World, lead: usize, tab: usize, page: PageKey) {
    let profile = world.tab(tab).profile;
    world.cut(profile);
    world.write_word(tab, page, "[late]");
    world.drain().await;
    give_role(world, lead, tab, page, Role::Guest).await;
    world.until_on_relay_of(lead).await;
    world.link(profile);
}

async fn restart_all(world: &mut World, tabs: &mut [usize], page: PageKey) {
    for tab in tabs {
        *tab = world.restart_tab(*tab);
        world.open_page(*tab, page).await;
    }
}

#[tokio::test]
async fn what_the_remover_had_not_seen_is_taken_out_and_kept_aside() {
    let Schools {
        mut world,
        amina,
        ben,
        chao,
        dora,
        classroom,
        page,
    } = Schools::new("not seen").await;
    world.write_word(dora, page, "[seen]");
    until_same(&mut world, &[amina, ben, chao], page, "[seen]").await;
    world.cut(0);
    world.write_word(dora, page, "[not seen]");
    until_same(&mut world, &[ben, chao], page, "[not seen]").await;
    let member = me(&world, dora);
    assert_eq!(
        world.ask(amina, Command::Remove { classroom, member }).await,
        Ok(Answer::Done)
    );
    world.link(0);
    let mut staying = [amina, ben, chao];
    until_shown(&mut world, &staying, page, &["[seen]"], 1).await;
    world.write_word(ben, page, "[after]");
    until_shown(&mut world, &staying, page, &["[seen]", "[after]"], 1).await;
    restart_all(&mut world, &mut staying, page).await;
    until_shown(&mut world, &staying, page, &["[seen]", "[after]"], 1).await;
    for profile in 0..3 {
        assert_eq!(world.store(profile).table(Table::Aside).len(), 1);
    }
}

#[tokio::test]
async fn who_may_write_again_goes_on_on_a_new_lane() {
    let Schools {
        mut world,
        amina,
        ben,
        chao,
        dora,
        classroom,
        page,
    } = Schools::new("again").await;
    let all = [amina, ben, chao, dora];
    world.write_word(dora, page, "[before]");
    until_same(&mut world, &all, page, "[before]").await;
    for role in [Role::Guest, Role::Student] {
        give_role(&mut world, amina, dora, page, role).await;
        world
            .until("it is known", |world| {
                world.tab(dora).classroom(&classroom).role == role
            })
            .await;
    }
    // In the tab that was open all the time, and in the next one.
    let mut dora = dora;
    for (word, again) in [("[again]", false), ("[and again]", true)] {
        if again {
            dora = world.restart_tab(dora);
            world.open_page(dora, page).await;
        }
        world.write_word(dora, page, word);
        until_same(&mut world, &[amina, ben, chao, dora], page, word).await;
        for tab in [amina, ben, chao, dora] {
            assert_eq!(world.tab(tab).classroom(&classroom).kept_aside, 0);
        }
    }
}

#[tokio::test]
async fn what_others_built_on_stays() {
    for knows_first in [true, false] {
        let Schools {
            mut world,
            amina,
            ben,
            chao,
            dora,
            classroom,
            page,
        } = Schools::new(&format!("built on {knows_first}")).await;
        world.cut(0);
        world.write_word(dora, page, "[base]");
        until_same(&mut world, &[ben], page, "[base]").await;
        if knows_first {
            // Before anybody knows of the removal.
            world.write_word(ben, page, "[on it]");
            until_same(&mut world, &[ben, chao], page, "[on it]").await;
        } else {
            // In a copy that has heard of nothing since.
            world.cut(1);
            world.write_word(ben, page, "[on it]");
            world.drain().await;
        }
        world.write_word(dora, page, "[on top]");
        until_same(&mut world, &[chao], page, "[on top]").await;
        let member = me(&world, dora);
        assert_eq!(
            world.ask(amina, Command::Remove { classroom, member }).await,
            Ok(Answer::Done)
        );
        world.link(0);
        let mut staying = [amina, ben, chao];
        if !knows_first {
            until_shown(&mut world, &[amina, chao], page, &[], 2).await;
            world.link(1);
        }
        until_shown(&mut world, &staying, page, &["[base]", "[on it]"], 1).await;
        restart_all(&mut world, &mut staying, page).await;
        until_shown(&mut world, &staying, page, &["[base]", "[on it]"], 1).await;
        let [amina, ..] = staying;
        world.write_word(amina, page, "[after]");
        until_shown(&mut world, &staying, page, &["[base]", "[on it]", "[after]"], 1).await;
    }
}

/// The lane of the first of somebody's logs on a page.
fn lane_of(world: &World, profile: usize, page: PageKey, member: MemberId) -> LaneId {
    let rows = world.store(profile).table(Table::Segments).into_iter();
    rows.map(|(_, row)| Segment::decode(&row).unwrap().header.log)
        .find(|log| log.member == member && log.document == page.1)
        .unwrap()
        .lane
}

/// The rows of somebody's log on a page, from the first index to the last.
fn spans(world: &World, profile: usize, page: PageKey, lane: LaneId) -> Vec<(u64, u64)> {
    let rows = world.store(profile).table(Table::Segments).into_iter();
    let rows = rows.map(|(_, row)| Segment::decode(&row).unwrap().header);
    rows.filter(|header| header.log.lane == lane && header.log.document == page.1)
        .map(|header| (header.first, header.last))
        .collect()
}

#[tokio::test]
async fn a_fold_that_its_log_ends_within_is_taken_apart() {
    let Schools {
        mut world,
        amina,
        ben,
        chao,
        dora,
        classroom,
        page,
    } = Schools::new("within a fold").await;
    world.write_word(dora, page, "[seen]");
    until_same(&mut world, &[amina, ben, chao], page, "[seen]").await;
    let member = me(&world, dora);
    let lane = lane_of(&world, 1, page, member);
    world.cut(0);
    for word in ["[1]", "[2]", "[3]", "[4]"] {
        world.write_word(dora, page, word);
        until_same(&mut world, &[ben, chao], page, word).await;
    }
    let is_folded = |world: &World, profile| spans(world, profile, page, lane).contains(&(0, 4));
    world.pass(31).await;
    world
        .until("it is folded", |world| is_folded(world, 1) && is_folded(world, 2))
        .await;
    assert_eq!(
        world.ask(amina, Command::Remove { classroom, member }).await,
        Ok(Answer::Done)
    );
    world.link(0);
    // Who removed has the fold aside as well, which came before the relay knew.
    until_shown(&mut world, &[ben, chao], page, &["[seen]"], 4).await;
    until_shown(&mut world, &[amina], page, &["[seen]"], 5).await;
    let mut staying = [amina, ben, chao];
    world.write_word(ben, page, "[after]");
    restart_all(&mut world, &mut staying, page).await;
    until_shown(&mut world, &staying[1..], page, &["[seen]", "[after]"], 4).await;
    until_shown(&mut world, &staying[..1], page, &["[seen]", "[after]"], 5).await;
    for profile in 0..3 {
        assert_eq!(spans(&world, profile, page, lane), [(0, 0)]);
    }
}

/// Who removed had seen neither; only the later one is built on, and it needs the earlier one of its log.
#[tokio::test]
async fn what_comes_before_what_others_built_on_stays_with_it() {
    let Schools {
        mut world,
        amina,
        ben,
        chao,
        dora,
        classroom,
        page,
    } = Schools::new("before it").await;
    world.cut(0);
    for word in ["[one]", "[two]", "[three]"] {
        world.write_word(dora, page, word);
        until_same(&mut world, &[ben, chao], page, word).await;
    }
    world.write_word(ben, page, "[on it]");
    until_same(&mut world, &[ben, chao], page, "[on it]").await;
    let member = me(&world, dora);
    assert_eq!(
        world.ask(amina, Command::Remove { classroom, member }).await,
        Ok(Answer::Done)
    );
    world.link(0);
    let mut staying = [amina, ben, chao];
    let all = ["[one]", "[two]", "[three]", "[on it]"];
    until_shown(&mut world, &staying, page, &all, 0).await;
    restart_all(&mut world, &mut staying, page).await;
    until_shown(&mut world, &staying, page, &all, 0).await;
}

/// A relay that lost it gets it from one of them, and gives it to the others, who have it.
#[tokio::test]
async fn a_fold_from_beyond_that_others_built_on_stays_where_it_is_when_it_comes_again() {
    let Schools {
        mut world,
        amina,
        ben,
        chao,
        dora,
        page,
        ..
    } = Schools::new("a fold comes again").await;
    world.cut(0);
    for word in ["[1]", "[2]", "[3]", "[4]"] {
        world.write_word(dora, page, word);
        until_same(&mut world, &[ben, chao], page, word).await;
    }
    world.write_word(ben, page, "[on it]");
    until_same(&mut world, &[chao, dora], page, "[on it]").await;
    let lane = lane_of(&world, 3, page, me(&world, dora));
    world.pass(31).await;
    world
        .until("it is folded", |world| {
            (1..4).all(|profile| spans(world, profile, page, lane) == [(0, 3)])
        })
        .await;
    give_role(&mut world, amina, dora, page, Role::Guest).await;
    world.link(0);
    let mut all = [amina, ben, chao, dora];
    let words = ["[1]", "[2]", "[3]", "[4]", "[on it]"];
    until_shown(&mut world, &all, page, &words, 0).await;

    world.replace_relay().await;
    world.pass(60).await;
    until_shown(&mut world, &all, page, &words, 0).await;
    restart_all(&mut world, &mut all, page).await;
    world.until_on_relay().await;
    until_shown(&mut world, &all, page, &words, 0).await;
}

#[tokio::test]
async fn who_may_only_read_now_keeps_their_late_work_aside_themselves() {
    let Schools {
        mut world,
        amina,
        ben,
        chao,
        dora,
        page,
        ..
    } = Schools::new("reads now").await;
    world.write_word(dora, page, "[in time]");
    until_same(&mut world, &[amina, ben, chao], page, "[in time]").await;
    write_as_a_guest_to_be(&mut world, amina, dora, page).await;
    until_shown(&mut world, &[dora], page, &["[in time]"], 1).await;
    assert!(world.store(3).table(Table::Outbox).is_empty());
    // Whether the relay took it before it could know better or not, the others do not show it.
    for tab in [amina, ben, chao] {
        assert_eq!(world.tab(tab).text(&page), "[in time]");
    }
}

/// They wrote on a lane that nobody knew when they were made a guest: it counts once they may write again.
#[tokio::test]
async fn what_was_cut_off_and_then_shut_is_sent_once_it_counts() {
    for is_closed in [false, true] {
        let Schools {
            mut world,
            amina,
            ben,
            chao,
            dora,
            classroom,
            page,
        } = Schools::new(&format!("shut {is_closed}")).await;
        world.cut(3);
        let dora = world.restart_tab(dora);
        world.open_page(dora, page).await;
        world.write_word(dora, page, "[late]");
        world.drain().await;
        let member = me(&world, dora);
        let change = |role| Command::ChangeRole {
            classroom,
            member,
            role,
        };
        let shut = |shut| match is_closed {
            true => Command::Close {
                classroom,
                closed: shut,
            },
            false => Command::Lock {
                classroom,
                document: page.1,
                locked: shut,
            },
        };
        assert_eq!(world.ask(amina, change(Role::Guest)).await, Ok(Answer::Done));
        assert_eq!(world.ask(amina, shut(true)).await, Ok(Answer::Done));
        world.until_on_relay_of(amina).await;
        world.link(3);
        until_shown(&mut world, &[dora], page, &[], 1).await;
        assert_eq!(world.ask(amina, change(Role::Student)).await, Ok(Answer::Done));
        world
            .until("they may write again", |world| {
                world.tab(dora).classroom(&classroom).role == Role::Student
            })
            .await;
        until_shown(&mut world, &[dora], page, &[], 1).await;
        assert_eq!(world.ask(amina, shut(false)).await, Ok(Answer::Done));
        until_shown(&mut world, &[amina, ben, chao, dora], page, &["[late]"], 0).await;
        world.until_on_relay().await;
        world.check_nothing_to_send().await;
    }
}

/// Lets everything happen but some steps, until something is so.
async fn until_but(
    world: &mut World,
    is_held: impl Fn(&World, Step) -> bool,
    is_so: impl Fn(&World) -> bool,
) {
    for _ in 0..10_000 {
        for step in world.steps() {
            if !is_held(world, step) && world.steps().contains(&step) {
                world.step(step).await;
            }
        }
        if is_so(world) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        world.tick(20);
    }
    panic!("it does not come to that");
}

/// The same of all but these steps.
async fn until_without(world: &mut World, held: &[Step], is_so: impl Fn(&World) -> bool) {
    until_but(world, |_, step| held.contains(&step), is_so).await;
}

/// Lets everything happen but these steps, until a tab has asked its store for something.
async fn until_reading(world: &mut World, tab: usize, held: &[Step]) {
    until_without(world, held, |world| !world.tab(tab).reading.is_empty()).await;
}

/// One tab leaves while another folds what that has heard of with what it has not: nobody could take the two apart.
#[tokio::test]
async fn who_leaves_ends_no_log_within_what_another_tab_folds() {
    let Schools {
        mut world,
        amina,
        ben,
        chao,
        dora,
        classroom,
        page,
    } = Schools::new("leaves beside").await;
    let member = me(&world, dora);
    let other = world.open_tab(3);
    world.open_page(other, page).await;
    world.cut(3);
    world.write_word(other, page, "[heard of]");
    world.drain().await;
    let lane = lane_of(&world, 3, page, member);
    world.write_word(other, page, "[not heard of]");
    let leave = Command::Leave {
        classroom,
        school: false,
    };
    world.give(dora, leave);
    let apart = [Step::Hear(dora), Step::Hear(other)];
    until_without(&mut world, &apart, |world| {
        world.tab(dora).classroom(&classroom).removed && spans(world, 3, page, lane) == [(0, 0), (1, 1)]
    })
    .await;
    world.link(3);
    let held = [&apart[..], &[Step::Connect(dora)]].concat();
    until_without(&mut world, &held, |world| spans(world, 0, page, lane) == [(0, 1)]).await;
    world
        .until("it is known that they have left", |world| {
            [amina, ben, chao].iter().all(|tab| {
                let members = &world.tab(*tab).classroom(&classroom).members;
                members.iter().all(|shown| shown.id != member)
            })
        })
        .await;
    world.crash_tab(dora);
    world.crash_tab(other);
    let words = ["[heard of]", "[not heard of]"];
    until_shown(&mut world, &[amina, ben, chao], page, &words, 0).await;
    world.check_nothing_to_send().await;
}

/// What was asked for of what lies beyond comes as it was before it was folded.
#[tokio::test]
async fn what_is_folded_while_it_is_looked_for_beyond_the_end_of_its_log_is_taken_out() {
    let Schools {
        mut world,
        amina,
        ben,
        chao,
        dora,
        page,
        ..
    } = Schools::new("folded meanwhile").await;
    world.write_word(dora, page, "[in time]");
    until_same(&mut world, &[amina, ben, chao, dora], page, "[in time]").await;
    world.drain().await;
    let change = change_role(&world, dora, page, Role::Guest);
    world.give(amina, change);
    // She hears of it before her disk is done, so that nothing of this was ever sent.
    world.write_word(dora, page, "[late]");
    world.write_word(dora, page, "[later]");
    until_reading(&mut world, dora, &[Step::Write(dora), Step::Read(dora)]).await;
    world.cut(3);
    while world.tab(dora).writing.is_some() {
        world.step(Step::Write(dora)).await;
    }
    world.link(3);
    assert!(world.tab(dora).writing.is_some(), "it is folded");
    while !world.tab(dora).reading.is_empty() {
        world.step(Step::Read(dora)).await;
    }
    until_shown(&mut world, &[dora], page, &["[in time]"], 1).await;
    let dora = world.restart_tab(dora);
    world.open_page(dora, page).await;
    until_shown(&mut world, &[dora], page, &["[in time]"], 1).await;
    assert!(world.store(3).table(Table::Outbox).is_empty());
}

/// Two tabs have heard that something does not count, and one of them that it does after all: it takes it in again before the other
/// has put it aside.
#[tokio::test]
async fn what_one_tab_takes_in_again_before_another_puts_it_aside_is_not_lost() {
    let Schools {
        mut world,
        amina,
        ben,
        chao,
        dora,
        page,
        ..
    } = Schools::new("in and out").await;
    // Of a lane that was never heard of all counts once its member may write again.
    let (dora, second) = (world.restart_tab(dora), world.open_tab(3));
    world.open_page(dora, page).await;
    world.open_page(second, page).await;
    world.write_word(amina, page, "[in time]");
    until_same(&mut world, &[amina, ben, chao, dora, second], page, "[in time]").await;
    world.drain().await;
    write_as_a_guest_to_be(&mut world, amina, dora, page).await;
    let both_put_aside = |world: &World| puts_aside(world, dora) && puts_aside(world, second);
    until_but_putting_aside(&mut world, &[dora, second], both_put_aside).await;
    world.step(Step::Write(second)).await;
    let change = change_role(&world, dora, page, Role::Student);
    world.give(amina, change);
    let is_in_again = |world: &World| world.store(3).table(Table::Aside).is_empty();
    until_but_putting_aside(&mut world, &[dora], is_in_again).await;
    world.cut(3);
    assert!(puts_aside(&world, dora));
    world.step(Step::Write(dora)).await;
    world.crash_tab(dora);
    world.crash_tab(second);
    assert_eq!(world.store(3).table(Table::Aside).len(), 1);

    let dora = world.open_tab(3);
    world.open_page(dora, page).await;
    world.link(3);
    until_shown(
        &mut world,
        &[amina, ben, chao, dora],
        page,
        &["[in time]", "[late]"],
        0,
    )
    .await;
    world.until_on_relay().await;
    world.check_stores(page).await;
    world.check_nothing_to_send().await;
}

/// The same of what does not count, but that somebody has built on: the relay would not take it of its author, and has it.
#[tokio::test]
async fn what_another_tab_puts_aside_that_others_built_on_is_not_sent_again() {
    let Schools {
        mut world,
        amina,
        ben,
        chao,
        dora,
        page,
        ..
    } = Schools::new("put aside and built on").await;
    let second = world.open_tab(3);
    world.open_page(second, page).await;
    world.drain().await;
    world.cut(0);
    world.write_word(dora, page, "[late]");
    until_same(&mut world, &[ben, chao, dora, second], page, "[late]").await;
    world.cut(1);
    world.write_word(ben, page, "[on it]");
    world.drain().await;
    give_role(&mut world, amina, dora, page, Role::Guest).await;
    world.link(0);
    let both_put_aside = |world: &World| puts_aside(world, dora) && puts_aside(world, second);
    until_but_putting_aside(&mut world, &[dora, second], both_put_aside).await;
    world.step(Step::Write(second)).await;
    world.link(1);
    let is_in_again = |world: &World| world.store(3).table(Table::Aside).is_empty();
    let held = [Step::Write(dora), Step::Receive(dora), Step::Hear(dora)];
    until_without(&mut world, &held, is_in_again).await;
    world.cut(3);
    assert!(puts_aside(&world, dora));
    world.step(Step::Write(dora)).await;
    world.crash_tab(dora);
    world.crash_tab(second);
    assert_eq!(world.store(3).table(Table::Aside).len(), 1);

    let dora = world.open_tab(3);
    world.open_page(dora, page).await;
    world.link(3);
    let all = [amina, ben, chao, dora];
    until_shown(&mut world, &all, page, &["[late]", "[on it]"], 0).await;
    world.until_on_relay().await;
    assert!(world.store(3).table(Table::Outbox).is_empty());
}

/// A copy of a profile goes on from what neither has sent, on a lane of its own: once their person may write again, that counts, and
/// what was begun on a lane that others knew does for its sake, with what was folded with it.
#[tokio::test]
async fn what_a_copy_of_the_profile_built_on_is_sent_once_its_member_may_write_again() {
    for (seed, more) in [
        ("goes on", &[][..]),
        ("folds", &["[1]"]),
        ("folds more", &["[1]", "[2]"]),
    ] {
        let Schools {
            mut world,
            amina,
            ben,
            chao,
            dora,
            page,
            ..
        } = Schools::new(&format!("a copy {seed}")).await;
        world.cut(3);
        world.write_word(dora, page, "[late]");
        world.drain().await;
        let copy = world.clone_profile(3);
        let other = world.open_tab(copy);
        world.open_page(other, page).await;
        world.write_word(other, page, "[on it]");
        for word in more {
            world.write_word(dora, page, word);
            world.drain().await;
        }
        give_role(&mut world, amina, dora, page, Role::Guest).await;
        world.until_on_relay_of(amina).await;
        world.link(3);
        world.link(copy);
        until_shown(&mut world, &[dora], page, &[], 1).await;
        until_shown(&mut world, &[other], page, &[], 2).await;
        give_role(&mut world, amina, dora, page, Role::Student).await;
        let all = [amina, ben, chao, dora, other];
        let words = [&["[late]", "[on it]"], more].concat();
        until_shown(&mut world, &all, page, &words, 0).await;
        world.until_on_relay().await;
        world.check_stores(page).await;
        world.check_nothing_to_send().await;
    }
}

/// Whether a tab is about to put something aside.
fn puts_aside(world: &World, tab: usize) -> bool {
    let writing = world.tab(tab).writing.as_ref();
    writing.is_some_and(|batch| {
        let mut changes = batch.changes.iter();
        changes.any(|((table, _), row)| *table == Table::Aside && row.is_some())
    })
}

/// Lets everything happen but that these tabs put something aside.
async fn until_but_putting_aside(world: &mut World, tabs: &[usize], is_so: impl Fn(&World) -> bool) {
    let is_held = |world: &World, step| match step {
        Step::Write(tab) => tabs.contains(&tab) && puts_aside(world, tab),
        _ => false,
    };
    until_but(world, is_held, is_so).await;
}

/// One tab finds that another has taken out what it has in its log, and tries what is kept aside again before it has taken it out
/// itself.
#[tokio::test]
async fn what_another_tab_has_put_aside_stays_there_until_this_one_has_taken_it_out() {
    let Schools {
        mut world,
        amina,
        ben,
        chao,
        dora,
        classroom,
        page,
    } = Schools::new("put aside").await;
    let second = world.open_tab(3);
    world.open_page(second, page).await;
    world.write_word(amina, page, "[in time]");
    until_same(&mut world, &[amina, ben, chao, dora, second], page, "[in time]").await;
    world.drain().await;
    write_as_a_guest_to_be(&mut world, amina, dora, page).await;
    let reads = [Step::Read(dora)];
    until_without(&mut world, &reads, |world| {
        let is_aside = !world.store(3).table(Table::Aside).is_empty();
        is_aside && !world.tab(dora).reading.is_empty()
    })
    .await;
    while world.tab(dora).looked_aside.is_empty() {
        world.step(Step::Read(dora)).await;
    }
    world.step(Step::Read(dora)).await;
    let lock = Command::Lock {
        classroom,
        document: page.1,
        locked: true,
    };
    world.give(amina, lock);
    until_without(&mut world, &reads, |world| {
        let documents = &world.tab(dora).classroom(&classroom).documents;
        documents
            .iter()
            .any(|document| document.id == page.1 && document.locked)
    })
    .await;
    until_shown(&mut world, &[dora, second], page, &["[in time]"], 1).await;
    assert_eq!(world.store(3).table(Table::Aside).len(), 1);
}

/// One tab is refused what is beyond while its log says still that this is here, and another has taken it out of the store by then.
#[tokio::test]
async fn what_another_tab_has_put_aside_before_the_relay_refused_it_is_not_unsent_here() {
    let Schools {
        mut world,
        amina,
        ben,
        chao,
        dora,
        page,
        ..
    } = Schools::new("refused").await;
    let second = world.open_tab(3);
    world.open_page(second, page).await;
    world.write_word(amina, page, "[in time]");
    until_same(&mut world, &[amina, ben, chao, dora, second], page, "[in time]").await;
    world.drain().await;
    write_as_a_guest_to_be(&mut world, amina, dora, page).await;
    // What was refused before she knew why is sent once more after five seconds, and then is not.
    let refused_for_good = world.now + 6_000;
    until_without(&mut world, &[Step::Read(dora)], |world| {
        let is_aside = !world.store(3).table(Table::Aside).is_empty();
        is_aside && world.now > refused_for_good && !world.tab(dora).reading.is_empty()
    })
    .await;
    assert!(world.store(3).table(Table::Outbox).is_empty());
    until_shown(&mut world, &[dora, second], page, &["[in time]"], 1).await;
    world.until_on_relay().await;
    assert_eq!(world.store(3).table(Table::Aside).len(), 1);
}

/// What was asked for to be folded comes as it was before it was taken out.
#[tokio::test]
async fn what_is_taken_out_while_it_is_read_to_be_folded_stays_out() {
    let Schools {
        mut world,
        amina,
        ben,
        chao,
        dora,
        page,
        ..
    } = Schools::new("taken out meanwhile").await;
    world.write_word(dora, page, "[seen]");
    until_same(&mut world, &[amina, ben, chao, dora], page, "[seen]").await;
    let member = me(&world, dora);
    let lane = lane_of(&world, 3, page, member);
    world.cut(0);
    for word in ["[1]", "[2]", "[3]", "[4]"] {
        world.write_word(dora, page, word);
        until_same(&mut world, &[ben, chao, dora], page, word).await;
    }
    give_role(&mut world, amina, dora, page, Role::Guest).await;
    world.link(0);
    until_reading(&mut world, dora, &[Step::Read(dora)]).await;
    // By now it is quiet.
    world.tick(31_000);
    while !world.tab(dora).reading.is_empty() {
        world.step(Step::Read(dora)).await;
    }
    until_shown(&mut world, &[dora], page, &["[seen]"], 4).await;
    assert_eq!(spans(&world, 3, page, lane), [(0, 0)]);
}

/// Any member can have much kept aside, and what a disk has lost is lost for good.
#[tokio::test]
async fn for_what_is_not_in_the_store_all_that_is_aside_is_looked_through_once_and_in_pages() {
    let (mut script, mut author) = Script::with_member("a gap", Role::Student).await;
    for word in ["[0]", "[1]", "[2]", "[3]"] {
        let change = author.word(word);
        let segment = author.seal(&[change]);
        script.bring(&segment).await;
    }
    let log = author.log;
    script.write_word("[on it]");
    script.go().await;
    let (other, _) = author.own_page(DocumentId([8; 16]), 40);
    script.bring_all(&other[1..]).await;
    assert_eq!(script.view().kept_aside, 40);
    let is_lost = |(_, row): &(Vec<u8>, Vec<u8>)| {
        let header = Segment::decode(row).unwrap().header;
        (header.log, header.first) == (log, 2)
    };
    let mut rows = script.world.store(0).table(Table::Segments).into_iter();
    let (lost, _) = rows.find(is_lost).unwrap();
    script.world.profiles[0].store.remove(Table::Segments, &lost);

    let founder = script.founder().await;
    let (classroom, document) = script.page;
    let entry = made_guest(&founder, &author, script.page, 1);
    script.bring_entry(&entry).await;
    for locked in [true, false, true] {
        script.pass(1_000).await;
        let lock = Command::Lock {
            classroom,
            document,
            locked,
        };
        assert_eq!(script.world.ask(script.tab, lock).await, Ok(Answer::Done));
    }
    script.pass(1_000).await;
    let wanted = ["[0]", "[1]", "[2]", "[3]", "[on it]"].map(str::to_owned);
    assert_eq!(
        words(&script.text()),
        BTreeSet::from(wanted),
        "somebody builds on it"
    );
    assert_eq!(script.world.tab(script.tab).looked_aside, [Some(32); 2]);
}

/// Another tab, which starts now, and hears of nothing from then on.
async fn fall_asleep(script: &mut Script) -> (usize, Option<Tab>) {
    let number = script.world.open_tab(0);
    script.go().await;
    (number, script.world.tabs[number].take())
}

/// It goes on in the place of the one that was awake, which is gone.
fn wake(script: &mut Script, (number, tab): (usize, Option<Tab>)) {
    script.world.crash_tab(script.tab);
    script.world.tabs[number] = tab;
    script.tab = number;
}

/// A tab that slept reads with a page what another has taken from beyond the end of a log, for somebody builds on it: what it
/// says of its page then, in a snapshot, is what it holds.
#[tokio::test]
async fn what_another_tab_took_from_beyond_the_end_of_a_log_is_taken_like_that() {
    let (mut script, mut author) = Script::with_member("another tab", Role::Student).await;
    let founder = script.founder().await;
    let document = script.page.1;
    let mut device = script.double().await;
    device.log.lane = LaneId([7; 16]);
    (device.next, device.previous) = (0, SegmentHash::NONE);
    device.page = Page::load(&device.page.save().unwrap(), device.log.actor()).unwrap();
    let changes = ["[within]", "[beyond]"].map(|word| author.word(word));
    let [within, beyond] = [0, 1].map(|at: usize| author.seal(&changes[at..=at]));
    let first = device.word("[before]");
    let before = device.seal(&[first]);
    device.page.apply_changes(&changes).unwrap();
    let change = device.word("[on it]");
    let on_it = device.seal(&[change]);
    script.bring_all(&[within, before]).await;
    let entry = made_guest(&founder, &author, script.page, 1);
    script.bring_entry(&entry).await;
    script.bring(&beyond).await;
    script.pass(1_000).await;
    assert_eq!(
        words(&script.text()),
        BTreeSet::from(["[within]", "[before]"].map(str::to_owned))
    );

    let slept = fall_asleep(&mut script).await;
    script.bring(&on_it).await;
    script.live(10).await;
    let all = BTreeSet::from(["[within]", "[before]", "[beyond]", "[on it]"].map(str::to_owned));
    assert_eq!(words(&script.text()), all);
    wake(&mut script, slept);
    script.world.open_page(script.tab, script.page).await;
    assert_eq!(words(&script.text()), all);
    assert_eq!(script.view().kept_aside, 0);

    script.connect().await;
    script.open(1).await;
    script.store_rest(0).await;
    script.want_snapshot(document).await;
    let answered = script.submitted.len();
    script.live(5).await;
    script.store_rest(answered - 1).await;
    script.live(5).await;
    let made = script.submitted.iter().find_map(|submitted| match submitted {
        Submitted::Snapshot(snapshot) => Some(&snapshot.header),
        _ => None,
    });
    let covers = &made.expect("a snapshot").covers;
    let of_author = covers
        .iter()
        .find(|covered| covered.member == author.log.member)
        .unwrap();
    assert_eq!(of_author.lanes[0].next, 2);
}

/// It came to a tab that slept from another one, and counts up to its end; when the relay has taken it apart, so does the tab.
#[tokio::test]
async fn a_fold_that_another_tab_took_and_a_log_ends_within_is_taken_apart() {
    let (mut script, mut author) = Script::with_member("another tab's fold", Role::Student).await;
    let founder = script.founder().await;
    let (changes, parts, hashes) = author.count_up(4);
    script.bring_all(&parts[..2]).await;
    script.live(10).await;
    let slept = fall_asleep(&mut script).await;
    let fold = author.fold((1, 3), (hashes[1], hashes[4]), &changes[1..]);
    script.bring(&fold).await;
    script.live(10).await;
    let all = BTreeSet::from(["[0]", "[1]", "[2]", "[3]"].map(str::to_owned));
    assert_eq!(words(&script.text()), all);

    wake(&mut script, slept);
    script.connect().await;
    script.open(1).await;
    let entry = made_guest(&founder, &author, script.page, 2);
    script.bring_entry(&entry).await;
    script.world.open_page(script.tab, script.page).await;
    script.pass(1_000).await;
    let within = BTreeSet::from(["[0]", "[1]"].map(str::to_owned));
    assert_eq!(words(&script.text()), within);
    assert_eq!(script.view().kept_aside, 1);

    script.bring(&parts[1]).await;
    for part in &parts[1..] {
        script.bring_by(part, 0).await;
    }
    script.fetched().await;
    script.pass(1_000).await;
    assert_eq!(words(&script.text()), within);
    assert_eq!(script.view().kept_aside, 2);
    assert_eq!(
        spans(&script.world, 0, script.page, author.log.lane),
        [(0, 0), (1, 1)]
    );
}

/// The author's device folded what a copy of its profile had sent a part of, on which others built: from the outside nobody can tell
/// how far that goes within the fold.
#[tokio::test]
async fn a_fold_from_beyond_is_taken_in_the_place_of_what_others_built_on() {
    for comes_first in [true, false] {
        let seed = format!("in its place {comes_first}");
        let (mut script, mut author) = Script::with_member(&seed, Role::Student).await;
        let founder = script.founder().await;
        let (changes, parts, hashes) = author.count_up(3);
        let fold = author.fold((0, 2), (hashes[0], hashes[3]), &changes);
        script.bring(&parts[0]).await;
        script.write_word("[on it]");
        script.go().await;
        let entry = made_guest(&founder, &author, script.page, 0);
        if comes_first {
            script.bring(&fold).await;
        }
        script.bring_entry(&entry).await;
        script.pass(1_000).await;
        if !comes_first {
            script.bring(&fold).await;
        }
        script.live(10).await;
        let all = BTreeSet::from(["[0]", "[1]", "[2]", "[on it]"].map(str::to_owned));
        assert_eq!(words(&script.text()), all);
        assert_eq!(script.view().kept_aside, 0);
        assert_eq!(spans(&script.world, 0, script.page, author.log.lane), [(0, 2)]);
    }
}

/// What stands behind the end nobody has but in the fold, as if one tab of its author had folded what another had sent for it with
/// what it wrote next.
#[tokio::test]
async fn of_a_fold_that_its_log_ends_within_what_comes_before_counts() {
    for comes_first in [true, false] {
        let seed = format!("the first of it {comes_first}");
        let (mut script, mut author) = Script::with_member(&seed, Role::Student).await;
        let founder = script.founder().await;
        let mut device = script.double().await;
        device.log.lane = LaneId([7; 16]);
        (device.next, device.previous) = (0, SegmentHash::NONE);
        device.page = Page::load(&device.page.save().unwrap(), device.log.actor()).unwrap();
        let (changes, _, hashes) = author.count_up(4);
        let fold = author.fold((0, 3), (hashes[0], hashes[4]), &changes);
        let entry = made_guest(&founder, &author, script.page, 2);
        if comes_first {
            script.bring(&fold).await;
        }
        script.bring_entry(&entry).await;
        script.pass(1_000).await;
        if comes_first {
            // The relay does not have it apart.
            script.fetched().await;
        } else {
            script.bring(&fold).await;
        }
        script.pass(1_000).await;
        let within = BTreeSet::from(["[0]", "[1]"].map(str::to_owned));
        assert_eq!(words(&script.text()), within, "{seed}");
        assert_eq!(script.view().kept_aside, 1, "{seed}");

        let slept = fall_asleep(&mut script).await;
        wake(&mut script, slept);
        script.connect().await;
        script.open(1).await;
        script.world.open_page(script.tab, script.page).await;
        script.live(10).await;
        assert_eq!(words(&script.text()), within, "{seed}");
        assert_eq!(script.view().kept_aside, 1, "{seed}");

        // How far what somebody has built on goes within it nothing shows.
        device.page.apply_changes(&changes).unwrap();
        let on_it = device.word("[on it]");
        let on_it = device.seal(&[on_it]);
        script.bring(&on_it).await;
        script.live(10).await;
        let all = BTreeSet::from(["[0]", "[1]", "[2]", "[3]", "[on it]"].map(str::to_owned));
        assert_eq!(words(&script.text()), all, "{seed}");
        assert_eq!(script.view().kept_aside, 0, "{seed}");
    }
}
