//! When a lane is forked, what its dead changes did is there again, and merges with what others did meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use documents::change::inspect;
use documents::classroom::{Classroom, Kind, Listing, Profile, School};
use documents::page::Page;
use documents::page::edit::{Block, Edit, Marks, Run, Shape, Value};
use documents::redo::carry_over;
use proptest::prelude::*;

fn run(text: &str, marks: &[&str]) -> Run {
    let marks: Marks = marks
        .iter()
        .map(|name| ((*name).to_owned(), Value::Boolean(true)))
        .collect();
    Run {
        text: text.to_owned(),
        marks,
    }
}

fn shape(kind: &str, level: i64) -> Shape {
    let attrs = [("level".to_owned(), Value::Integer(level))].into();
    Shape {
        kind: kind.to_owned(),
        parents: vec!["blockquote".to_owned()],
        attrs,
        is_embed: false,
    }
}

/// Edits fitted to any page by taking numbers modulo what is there.
fn edit(blocks: &[Block], (kind, a, b, c): (u8, usize, usize, usize)) -> Edit {
    let block = a % blocks.len();
    let length = blocks[block].length();
    let (from, to) = (b % (length + 1), c % (length + 1));
    let (from, to) = (from.min(to), from.max(to));
    match kind % 7 {
        0 => Edit::Text {
            block,
            offset: from,
            delete: 0,
            insert: vec![run("new", &["em"]), run("er", &[])],
        },
        1 => Edit::Text {
            block,
            offset: from,
            delete: to - from,
            insert: Vec::new(),
        },
        2 => Edit::Mark {
            block,
            from,
            to,
            name: "strong".to_owned(),
            value: Value::Boolean(b % 2 == 0),
        },
        3 => Edit::Mark {
            block,
            from,
            to,
            name: "em".to_owned(),
            value: Value::Null,
        },
        4 => Edit::Split {
            block,
            offset: from,
            shape: shape("heading", (c % 3) as i64),
        },
        5 if block > 0 => Edit::Join { block },
        _ => Edit::Shape {
            block,
            shape: shape("paragraph", (c % 5) as i64),
        },
    }
}

fn edits() -> impl Strategy<Value = Vec<(u8, usize, usize, usize)>> {
    prop::collection::vec((any::<u8>(), 0..100_usize, 0..100_usize, 0..100_usize), 1..8)
}

fn write(page: &mut Page, edits: &[(u8, usize, usize, usize)], time: i64) -> Option<Vec<u8>> {
    for numbers in edits {
        let edit = edit(page.blocks(), *numbers);
        page.apply(&[edit]).unwrap();
    }
    page.commit(time)
}

proptest! {
    #[test]
    fn a_page_keeps_what_its_dead_changes_did(
        first in edits(), dead in prop::collection::vec(edits(), 1..4), built_upon in edits(), elsewhere in edits(),
    ) {
        // Two replicas share a page; one writes what will be dead, another lane of its own builds upon it.
        let mut page = Page::new([1; 16]).unwrap();
        page.apply(&[Edit::Text { block: 0, offset: 0, delete: 0, insert: vec![run("a river in spring", &["strong"])] }])
            .unwrap();
        let mut shared = vec![page.commit(1).unwrap()];
        shared.extend(write(&mut page, &first, 2));
        let mut other = Page::empty([2; 16]).unwrap();
        other.apply_changes(&shared).unwrap();

        let mut lost = Vec::new();
        for edits in &dead {
            lost.extend(write(&mut page, edits, 3));
        }
        page.set_title("The river").unwrap();
        lost.extend(page.commit(4));
        let mut document = page.into_document();
        document.set_actor([3; 16]).unwrap();
        let mut page = Page::open(document).unwrap();
        write(&mut page, &built_upon, 5);
        let shown = page.blocks().to_vec();

        let dead: BTreeSet<_> = lost.iter().take(1).map(|change| inspect(change).unwrap().hash).collect();
        let mut old = page.into_document();
        let mut new = carry_over(&mut old, &dead, [4; 16]).unwrap();
        let made = new.commit(6).unwrap();
        let info = inspect(&made).unwrap();
        prop_assert_eq!(&info.actor, &[4; 16]);
        prop_assert_eq!(info.sequence, 1);
        let mut rebuilt = Page::open(new).unwrap();
        prop_assert_eq!(rebuilt.blocks(), &shown[..]);
        prop_assert_eq!(rebuilt.title(), "The river");

        // The other side wrote meanwhile; it knows none of the dead changes.
        let theirs = write(&mut other, &elsewhere, 7);
        let applied = other.apply_changes(&[made]).unwrap();
        prop_assert!(applied.refused.is_empty());
        prop_assert!(other.document().missing_dependencies().is_empty());
        rebuilt.apply_changes(&theirs.into_iter().collect::<Vec<_>>()).unwrap();
        prop_assert_eq!(rebuilt.blocks(), other.blocks());
        prop_assert_eq!(rebuilt.title(), other.title());
    }
}

#[test]
fn a_classroom_keeps_what_its_dead_changes_did() {
    let school = |name: &str| School {
        name: name.to_owned(),
        country: "PT".to_owned(),
        time_zone: "Europe/Lisbon".to_owned(),
    };
    let profile = |name: &str, school| Profile {
        name: name.to_owned(),
        school,
    };
    let founder = profile("Ana", [7; 16]);
    let mut classroom = Classroom::found([1; 16], "Rivers", [5; 32], &founder, &school("Escola")).unwrap();
    let founding = classroom.commit(1).unwrap();
    let mut other = Classroom::empty([2; 16]);
    other.apply_changes(std::slice::from_ref(&founding)).unwrap();

    classroom.set_name("Rivers of Europe").unwrap();
    classroom.set_school([8; 16], &school("Lycée")).unwrap();
    classroom.set_profile([6; 32], &profile("Léa", [8; 16])).unwrap();
    let listing = Listing {
        kind: Kind::Page,
        created_by: [6; 32],
        created_at: 1_800_000_000,
        space: None,
    };
    classroom.add_document([9; 16], &listing).unwrap();
    let lost = classroom.commit(2).unwrap();
    let before = (
        classroom.name(),
        classroom.schools(),
        classroom.profiles(),
        classroom.documents(),
    );

    other
        .set_profile([5; 32], &profile("Ana Maria", [7; 16]))
        .unwrap();
    let theirs = other.commit(3).unwrap();

    let dead = BTreeSet::from([inspect(&lost).unwrap().hash]);
    let mut new = carry_over(&mut classroom.into_document(), &dead, [3; 16]).unwrap();
    let made = new.commit(4).unwrap();
    let mut rebuilt = Classroom::open(new);
    let after = (
        rebuilt.name(),
        rebuilt.schools(),
        rebuilt.profiles(),
        rebuilt.documents(),
    );
    assert_eq!(before, after);

    rebuilt.apply_changes(&[theirs]).unwrap();
    other.apply_changes(&[made]).unwrap();
    assert_eq!(rebuilt.profiles(), other.profiles());
    assert_eq!(rebuilt.profiles()[&[5; 32]].name, "Ana Maria");
    assert_eq!(rebuilt.documents(), other.documents());
}
