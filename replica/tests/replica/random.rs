//! Random edits on three replicas through one relay, with random cuts, delays, crashes and restarts: in the end all are
//! equal, what was answered is there, and a fresh connection finds nothing to send.
//!
//! `MERIDIAN_SEED` runs one seed, `MERIDIAN_CASES` so many.

use std::collections::{BTreeMap, BTreeSet};

use documents::page::edit::{Edit, Shape, Value};
use protocol::roster::Role;
use replica::command::{Answer, Command};
use replica::store::Table;
use sync_server::Limits;

use crate::rng::SeededRng;
use crate::tab::{PageKey, word_at};
use crate::world::{Pair, Step, World, person};

const CASES: usize = 20;
const ROUNDS: usize = 60;

#[tokio::test]
async fn three_replicas_become_equal_whatever_happens() {
    run_all("", Profiles::Own).await;
}

/// The same, with profiles that are copied while they are in use.
#[tokio::test]
async fn copies_of_profiles_become_equal_whatever_happens() {
    run_all("copies ", Profiles::Copied).await;
}

/// The same, with somebody who joins now and then, and a relay that asks for a snapshot every few segments.
#[tokio::test]
async fn newcomers_become_equal_whatever_happens() {
    run_all("newcomers ", Profiles::Joining).await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Profiles {
    Own,
    Copied,
    Joining,
}

/// How many segments a document gets before the relay asks for a snapshot, where somebody joins.
const SNAPSHOT_AFTER: u64 = 5;

const MOST_PROFILES: usize = 6;
const MOST_TABS: usize = 3;

async fn run_all(name: &str, profiles: Profiles) {
    let seeds: Vec<String> = match std::env::var("MERIDIAN_SEED") {
        Ok(seed) => vec![seed],
        Err(_) => {
            let few = if profiles == Profiles::Joining {
                CASES / 2
            } else {
                CASES
            };
            let cases = std::env::var("MERIDIAN_CASES").map_or(few, |cases| cases.parse().unwrap());
            (0..cases).map(|case| format!("{name}{case}")).collect()
        }
    };
    let mut snapshots = 0;
    for seed in seeds {
        // Shown by the test runner if this case fails.
        println!("MERIDIAN_SEED={seed:?}");
        snapshots += run(&seed, profiles).await;
    }
    assert!(
        snapshots > 0 || profiles != Profiles::Joining,
        "nobody has begun with a snapshot"
    );
}

/// What was asked and may have been answered.
#[derive(Default)]
struct Record {
    written: BTreeMap<String, (usize, u32)>,
    promised: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

/// Answers how many snapshots the profiles hold in the end.
async fn run(seed: &str, profiles: Profiles) -> usize {
    let mut rng = SeededRng::new(&format!("random {seed}"));
    let Pair {
        mut world,
        amina,
        classroom,
        page,
        ..
    } = Pair::in_world(world_for(seed, profiles).await).await;
    let link = world.invite(amina, classroom, Role::Teacher).await;
    world.until_on_relay_of(amina).await;
    let third = world.profile();
    let chao = world.open_tab(third);
    world
        .join(chao, &link, person("Chao", "Third School", "CN"))
        .await;
    world.open_page(chao, page).await;

    let mut record = Record::default();
    for round in 0..ROUNDS {
        let profile = rng.below(world.profiles.len());
        match rng.below(100) {
            0..=44 => edit(&mut world, &mut rng, &mut record, profile, page, round),
            45..=52 => world.cut(profile),
            53..=60 => world.link(profile),
            61..=63 => restart(&mut world, &mut rng, &mut record, profile, page).await,
            64..=65 if profiles == Profiles::Copied && world.profiles.len() < MOST_PROFILES => {
                let copy = world.clone_profile(profile);
                let tab = world.open_tab(copy);
                open(&mut world, tab, page).await;
            }
            66..=68 if profiles == Profiles::Joining && world.profiles.len() < MOST_PROFILES => {
                let newcomer = world.profile();
                let tab = world.open_tab(newcomer);
                let name = format!("Newcomer {newcomer}");
                world.join(tab, &link, person(&name, "Third School", "CN")).await;
                let (classroom, document) = page;
                world.give(tab, Command::OpenPage { classroom, document });
            }
            66..=69 if world.tabs_of(profile).len() < MOST_TABS => {
                let tab = world.open_tab(profile);
                open(&mut world, tab, page).await;
            }
            70 => {
                world.kill_relay();
                world.tick(300);
                world.start_relay().await;
            }
            71..=72 => {
                world.profiles[profile].store.failing = !world.profiles[profile].store.failing;
            }
            _ => {}
        }
        // Some of what could happen does, in any order.
        for _ in 0..rng.below(14) {
            let steps: Vec<Step> = world.steps();
            if steps.is_empty() {
                tokio::time::sleep(std::time::Duration::from_micros(300)).await;
                continue;
            }
            let at = rng.below(steps.len());
            world.step(steps[at]).await;
        }
        if rng.percent(30) {
            let milliseconds = [50, 1_000, 6_000][rng.below(3)];
            world.tick(milliseconds);
        }
        settle(&world, &mut record);
    }
    for profile in 0..world.profiles.len() {
        world.profiles[profile].store.failing = false;
        world.link(profile);
    }
    for tab in world.all_tabs().collect::<Vec<_>>() {
        // After a crash of the machine the page may not have been known yet.
        if !world.tab(tab).pages.contains_key(&page) {
            world.open_page(tab, page).await;
        }
    }
    world.until_equal(page).await;
    // What a tab had written and told nobody when it crashed comes with the next start.
    for tab in world.all_tabs().collect::<Vec<_>>() {
        let again = world.restart_tab(tab);
        world.open_page(again, page).await;
    }
    let words = world.until_equal(page).await;
    settle(&world, &mut record);
    let lost: Vec<&String> = record
        .promised
        .iter()
        .filter(|word| !words.contains(*word) && !record.deleted.contains(*word))
        .collect();
    let aside: usize = (0..world.profiles.len())
        .map(|profile| world.store(profile).reasons_aside().len())
        .sum();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert_eq!(aside, 0, "items are kept aside");
    world.check_stores(page).await;
    world.check_nothing_to_send().await;
    (0..world.profiles.len())
        .map(|profile| world.store(profile).table(Table::Snapshots).len())
        .sum()
}

async fn world_for(seed: &str, profiles: Profiles) -> World {
    if profiles == Profiles::Joining {
        let limits = Limits {
            snapshot_after: SNAPSHOT_AFTER,
            ..Limits::default()
        };
        World::with_limits(seed, limits).await
    } else {
        World::new(seed).await
    }
}

fn settle(world: &World, record: &mut Record) {
    for (word, (tab, request)) in &record.written {
        if let Some(Some(tab)) = world.tabs.get(*tab)
            && tab.answers.get(request) == Some(&Ok(Answer::Done))
        {
            record.promised.insert(word.clone());
        }
    }
}

fn edit(
    world: &mut World,
    rng: &mut SeededRng,
    record: &mut Record,
    profile: usize,
    page: PageKey,
    round: usize,
) {
    let tabs = world.tabs_of(profile);
    let tab = tabs[rng.below(tabs.len())];
    if !world
        .tab(tab)
        .pages
        .get(&page)
        .is_some_and(documents::page::Page::is_present)
    {
        return;
    }
    let places = world.tab(tab).places(&page);
    let place = places[rng.below(places.len())];
    let block = &world.tab(tab).pages[&page].blocks()[place.0];
    let text = block.text();
    match rng.below(10) {
        0 => {
            let shape = Shape::paragraph();
            let (block, offset) = place;
            world.edit(tab, page, &[Edit::Split { block, offset, shape }]);
        }
        1 if place.0 > 0 => {
            world.edit(tab, page, &[Edit::Join { block: place.0 }]);
        }
        2 if place.1 > 0 => {
            let mark = Edit::Mark {
                block: place.0,
                from: 0,
                to: place.1,
                name: "strong".to_owned(),
                value: Value::Boolean(true),
            };
            let command = world.tab_mut(tab).try_edit(&page, &[mark]);
            if let Some(command) = command {
                world.give(tab, command);
            }
        }
        // A whole word, the one before the place.
        3 | 4 if place.1 > 0 => {
            let start = text[..place.1].rfind('[').unwrap();
            record.deleted.insert(text[start..place.1].to_owned());
            let deletion = Edit::Text {
                block: place.0,
                offset: start,
                delete: place.1 - start,
                insert: Vec::new(),
            };
            world.edit(tab, page, &[deletion]);
        }
        _ => {
            let word = format!("[{round}]");
            let request = world.edit(tab, page, &[word_at(place, &word)]);
            record.written.insert(word, (tab, request));
        }
    }
}

async fn restart(world: &mut World, rng: &mut SeededRng, record: &mut Record, profile: usize, page: PageKey) {
    settle(world, record);
    let tabs = world.tabs_of(profile);
    if rng.percent(50) {
        world.crash_machine(profile);
    } else {
        world.crash_tab(tabs[rng.below(tabs.len())]);
    }
    if world.tabs_of(profile).is_empty() {
        let tab = world.open_tab(profile);
        open(world, tab, page).await;
    }
}

/// Opens the page in a new tab as soon as the classroom was read; other things happen later.
async fn open(world: &mut World, tab: usize, page: PageKey) {
    let (classroom, document) = page;
    while !world.tab(tab).classrooms.contains_key(&classroom) {
        world.step(Step::Read(tab)).await;
    }
    world.give(tab, Command::OpenPage { classroom, document });
}
