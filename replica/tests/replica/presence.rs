//! Who is here: they appear, move, and go.

use replica::Event;
use replica::command::{Command, CursorRange};
use replica::view::Presence;

use crate::world::{Pair, World};

fn cursor(at: &str) -> Option<CursorRange> {
    Some(CursorRange {
        anchor: at.to_owned(),
        head: at.to_owned(),
    })
}

fn people(world: &World, tab: usize, page: crate::tab::PageKey) -> Vec<Presence> {
    world.tab(tab).presence.get(&page).cloned().unwrap_or_default()
}

#[tokio::test]
async fn people_appear_move_and_go() {
    let Pair {
        mut world,
        amina,
        ben,
        classroom,
        page,
    } = Pair::new("presence").await;
    world
        .until("each sees the other", |world| {
            people(world, amina, page).len() == 1 && people(world, ben, page).len() == 1
        })
        .await;
    let seen = people(&world, amina, page);
    assert_eq!((seen[0].name.as_str(), &seen[0].cursor), ("Ben", &None));
    let members = &world.tab(amina).classroom(&classroom).members;
    assert!(members.iter().all(|member| member.here));

    let moved = Command::Cursor {
        classroom,
        document: page.1,
        cursor: cursor("e"),
    };
    world.give(ben, moved);
    world
        .until("the cursor moved", |world| {
            people(world, amina, page)[0].cursor == cursor("e")
        })
        .await;

    // To another tab of the same person they are somebody else's place.
    let second = world.open_tab(1);
    world.open_page(second, page).await;
    world
        .until("two places", |world| people(world, amina, page).len() == 2)
        .await;
    let seen = people(&world, amina, page);
    assert_eq!(seen[0].member, seen[1].member);
    assert_ne!(seen[0].id, seen[1].id);

    let leave = Command::ClosePage {
        classroom,
        document: page.1,
    };
    world.give(second, leave);
    world
        .until("one place", |world| people(world, amina, page).len() == 1)
        .await;
    for tab in [second, ben] {
        world.handle(tab, Event::Closing);
        world.crash_tab(tab);
    }
    world
        .until("nobody", |world| people(world, amina, page).is_empty())
        .await;
}

#[tokio::test]
async fn whoever_falls_silent_is_gone_after_a_while() {
    let Pair {
        mut world,
        amina,
        ben,
        classroom,
        page,
    } = Pair::new("silent").await;
    world
        .until("Ben is seen", |world| people(world, amina, page).len() == 1)
        .await;
    // His tab still has a socket, but is never run again.
    world.tabs[ben] = None;
    world.pass(20).await;
    assert_eq!(people(&world, amina, page).len(), 1);
    world.pass(30).await;
    assert_eq!(people(&world, amina, page), vec![]);
    let is_here = |world: &World| {
        let members = &world.tab(amina).classroom(&classroom).members;
        members.iter().find(|member| member.name == "Ben").unwrap().here
    };
    assert!(!is_here(&world));
}

#[tokio::test]
async fn without_a_connection_nobody_else_is_here() {
    let Pair {
        mut world,
        amina,
        page,
        ..
    } = Pair::new("nobody").await;
    world
        .until("Ben is seen", |world| people(world, amina, page).len() == 1)
        .await;
    world.cut(0);
    world.drain().await;
    assert_eq!(people(&world, amina, page), vec![]);
    world.link(0);
    world
        .until("Ben is seen again", |world| people(world, amina, page).len() == 1)
        .await;
}
