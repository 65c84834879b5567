//! When a lane is forked, what its dead changes did is there again, and merges with what others did meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use documents::change::{Hash, inspect};
use documents::classroom::{Classroom, Kind, Listing, Profile, School};
use documents::document::{Actor, Document};
use documents::page::Page;
use documents::page::edit::{Block, Edit, Marks, Run, Shape, Value};
use documents::redo::{End, Ends, anew, carry_into, carry_over, note, reach, read_note};
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
        is_embed: kind == "image",
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
            shape: shape(["paragraph", "image"][c % 2], (c % 5) as i64),
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

fn page_of(texts: &[&str], actor: u8) -> Page {
    let mut page = Page::new([actor; 16]).unwrap();
    let blocks = texts.iter().map(|text| Block {
        shape: Shape::paragraph(),
        runs: vec![run(text, &[])],
    });
    let blocks = blocks.collect();
    let edit = Edit::Blocks {
        from: 0,
        count: 1,
        blocks,
    };
    page.apply(&[edit]).unwrap();
    page.commit(0).unwrap();
    page
}

fn texts(page: &Page) -> Vec<String> {
    page.blocks().iter().map(Block::text).collect()
}

fn type_in(page: &mut Page, block: usize, text: &str) -> Vec<u8> {
    let edit = Edit::Text {
        block,
        offset: 0,
        delete: 0,
        insert: vec![run(text, &[])],
    };
    page.apply(&[edit]).unwrap();
    page.commit(0).unwrap()
}

fn ends_of(page: &mut Document) -> Ends {
    let mut ends = Ends::new();
    for change in page.changes_since(&[]).unwrap() {
        let change = inspect(&change).unwrap();
        let end = End::of(&change);
        reach(&mut ends, change.actor, end);
    }
    ends
}

fn carry(new: &Page, noted: &[Hash], old: &mut Document, missed: &BTreeSet<Hash>, actor: Actor) -> Vec<u8> {
    let note = note(&ends_of(old));
    carry_into(new.document(), noted, old, missed, (actor, 7), note).unwrap()
}

/// A page, the one that it was started anew as, and the old one with one more change in each of these blocks.
fn started_anew(texts: &[&str], written: &[usize]) -> (Document, Page, BTreeSet<Hash>) {
    let mut old = page_of(texts, 1).into_document();
    let ends = ends_of(&mut old);
    let mut new = anew(&mut old, [2; 16]).unwrap();
    new.commit_with_note(0, note(&ends)).unwrap();
    let mut told = Ends::new();
    read_note(&new.notes().unwrap()[0].2, &mut told);
    assert_eq!(told, ends);
    old.set_actor([3; 16]).unwrap();
    let mut page = Page::open(old).unwrap();
    let missed = written
        .iter()
        .map(|block| inspect(&type_in(&mut page, *block, "late ")).unwrap().hash)
        .collect();
    (page.into_document(), Page::open(new).unwrap(), missed)
}

#[test]
fn what_was_written_in_the_old_page_meanwhile_is_made_in_the_new_one() {
    let (mut old, mut new, missed) = started_anew(&["one", "two", "three"], &[1]);
    // Something else was written in the new one by then.
    type_in(&mut new, 0, "new ");
    type_in(&mut new, 2, "new ");
    let noted = new.document().clone().notes().unwrap()[0].0;
    let change = carry(&new, &[noted], &mut old, &missed, [4; 16]);
    new.apply_changes(&[change]).unwrap();
    assert_eq!(texts(&new), ["new one", "late two", "new three"]);

    // Whoever finds both now sees that nothing is missing.
    let mut known = Ends::new();
    for (.., note) in new.document().clone().notes().unwrap() {
        read_note(&note, &mut known);
    }
    assert_eq!(known, ends_of(&mut old));
}

#[test]
fn what_was_written_in_one_place_merges() {
    let (mut old, mut new, missed) = started_anew(&["one", "two"], &[1]);
    let noted = new.document().clone().notes().unwrap()[0].0;
    type_in(&mut new, 1, "new ");
    let change = carry(&new, &[noted], &mut old, &missed, [4; 16]);
    new.apply_changes(&[change]).unwrap();
    let after = texts(&new);
    assert_eq!(after[0], "one");
    assert!(
        ["new late two", "late new two"].contains(&after[1].as_str()),
        "{after:?}"
    );
}

/// Each makes what they wrote, whoever comes first.
#[test]
fn what_two_wrote_in_turns_is_all_made_by_its_authors() {
    for order in [[3, 5], [5, 3]] {
        let (mut old, mut new, _) = started_anew(&["one", "two"], &[]);
        let mut missed: BTreeMap<u8, BTreeSet<Hash>> = BTreeMap::new();
        for (actor, block, text) in [(3, 0, "P1 "), (5, 0, "Q "), (3, 0, "P2 "), (3, 1, "P3 ")] {
            old.set_actor([actor; 16]).unwrap();
            let mut page = Page::open(old).unwrap();
            let change = inspect(&type_in(&mut page, block, text)).unwrap();
            missed.entry(actor).or_default().insert(change.hash);
            old = page.into_document();
        }
        let before = ends_of(&mut new.document().clone());
        let noted = new.document().clone().notes().unwrap()[0].0;
        for actor in order {
            // The second of them may have heard of what the first made, or not.
            let change = carry(&new, &[noted], &mut old, &missed[&actor], [actor + 1; 16]);
            new.apply_changes(&[change]).unwrap();
        }
        let mut after = texts(&new);
        let mut words: Vec<&str> = after[0].split(' ').collect();
        words.sort_unstable();
        assert_eq!(words, ["P1", "P2", "Q", "one"]);
        assert_eq!(after.pop().unwrap(), "P3 two");
        assert_eq!(ends_of(&mut new.document().clone()).len(), before.len() + 2);
    }
}

#[test]
fn of_a_title_that_two_wrote_in_turns_the_last_one_stands() {
    let (mut old, mut new, _) = started_anew(&["one"], &[]);
    let mut missed = BTreeSet::new();
    for (actor, title) in [(3, "Rivers"), (5, "Lakes"), (3, "Seas")] {
        old.set_actor([actor; 16]).unwrap();
        let mut page = Page::open(old).unwrap();
        page.set_title(title).unwrap();
        let change = inspect(&page.commit(0).unwrap()).unwrap();
        if actor == 3 {
            missed.insert(change.hash);
        }
        old = page.into_document();
    }
    let change = carry(&new, &[], &mut old, &missed, [4; 16]);
    new.apply_changes(&[change]).unwrap();
    assert_eq!(
        (new.title().as_str(), texts(&new)),
        ("Seas", vec!["one".to_owned()])
    );
}

/// As if it had been started anew from something else than what is here.
#[test]
fn where_both_wrote_both_stand() {
    let (mut old, mut new, missed) = started_anew(&["one", "two", "three"], &[1, 2]);
    type_in(&mut new, 1, "new ");
    let change = carry(&new, &[], &mut old, &missed, [4; 16]);
    new.apply_changes(&[change]).unwrap();
    let after = texts(&new);
    assert_eq!((after[0].as_str(), after[2].as_str()), ("one", "late three"));
    assert!(
        ["new late two", "late new two"].contains(&after[1].as_str()),
        "{after:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Nothing that either wrote is gone, and nothing stands twice.
    #[test]
    fn carrying_over_loses_no_line(
        mine in proptest::collection::vec(0..6_usize, 1..4),
        theirs in proptest::collection::vec(0..6_usize, 0..4),
    ) {
        let lines = ["A", "B", "C", "D", "E", "F"];
        let (mut old, mut new, missed) = started_anew(&lines, &mine);
        for block in &theirs {
            type_in(&mut new, *block, "new ");
        }
        let (after_mine, before_theirs) = (texts(&Page::open(old.clone()).unwrap()), texts(&new));
        let change = carry(&new, &[], &mut old, &missed, [4; 16]);
        new.apply_changes(&[change]).unwrap();
        let after = texts(&new);
        for line in 0..lines.len() {
            let (ours, theirs) = (&after_mine[line], &before_theirs[line]);
            let words = ours.matches("late ").count() + theirs.matches("new ").count();
            let written = format!("{}{}", ours.replace(lines[line], ""), theirs);
            prop_assert_eq!(after[line].split(' ').count(), words + 1);
            prop_assert_eq!(after[line].len(), written.len());
            prop_assert!(after[line].ends_with(lines[line]));
        }
    }
}
