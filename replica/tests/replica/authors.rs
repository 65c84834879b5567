//! Whose hand a change is.

use std::collections::BTreeMap;

use documents::change::inspect;
use replica::command::{Answer, Command};

use crate::world::Pair;

#[tokio::test]
async fn whose_hand_a_change_is_can_be_asked() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("authors").await;
    world.write_word(amina, page, "[hers]");
    world.write_word(ben, page, "[his]");
    world.until_equal(page).await;
    let (classroom, document) = page;
    let member = |tab: usize| world.tab(tab).home.as_ref().unwrap().me.unwrap();
    let (hers, his) = (member(amina), member(ben));
    for tab in [amina, ben] {
        let answer = world.ask(tab, Command::Authors { classroom, document }).await;
        let Ok(Answer::Authors(authors)) = answer else {
            panic!("{answer:?}");
        };
        let authors: BTreeMap<Vec<u8>, _> = authors
            .iter()
            .map(|author| (author.actor.to_vec(), author.member))
            .collect();
        let changes = world.tab(tab).pages[&page]
            .document()
            .clone()
            .changes_since(&[])
            .unwrap();
        let writers: Vec<_> = changes
            .iter()
            .map(|change| authors[&inspect(change).unwrap().actor])
            .collect();
        assert!(writers.contains(&hers) && writers.contains(&his));
        assert_eq!(writers[0], hers);
    }
}
