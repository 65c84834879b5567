//! What is asked of a document besides edits: to open what others saved, to do without changes, to say who has what, to
//! start anew.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use automerge::transaction::Transactable;
use automerge::{AutoCommit, ObjType, ROOT, ReadDoc, ScalarValue, TextEncoding};
use documents::change::{Hash, inspect};
use documents::document::Document;
use documents::fold::{Limits, fold};
use documents::page::Page;
use documents::page::edit::{Edit, Marks, Run, Shape, Value};
use documents::redo::anew;
use proptest::prelude::*;

/// A step of one of three lanes: what it does, and which of the others it hears first.
type Step = (usize, Option<usize>, u8, usize);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(
        (
            0..3_usize,
            prop::option::of(0..3_usize),
            any::<u8>(),
            0..100_usize,
        ),
        1..16,
    )
}

/// The changes that three lanes made to one page, in the order in which they were made.
fn changes(steps: &[Step]) -> Vec<Vec<u8>> {
    let mut pages = vec![Page::new([1; 16]).unwrap()];
    let mut changes = vec![pages[0].commit(1).unwrap()];
    for actor in [2, 3] {
        let mut page = Page::empty([actor; 16]).unwrap();
        page.apply_changes(&changes).unwrap();
        pages.push(page);
    }
    for (lane, hears, kind, at) in steps.iter().copied() {
        if let Some(other) = hears {
            let saved = pages[other].clone().into_document().changes_since(&[]).unwrap();
            pages[lane].apply_changes(&saved).unwrap();
        }
        let page = &mut pages[lane];
        let block = at % page.blocks().len();
        let length = page.blocks()[block].length();
        let offset = at % (length + 1);
        let edit = match kind % 4 {
            0 | 1 => Edit::Text {
                block,
                offset,
                delete: 0,
                insert: vec![Run {
                    text: "word".to_owned(),
                    marks: Marks::from([("strong".to_owned(), Value::Boolean(kind % 8 == 0))]),
                }],
            },
            2 => Edit::Split {
                block,
                offset,
                shape: Shape::paragraph(),
            },
            _ => Edit::Text {
                block,
                offset: 0,
                delete: offset,
                insert: Vec::new(),
            },
        };
        page.apply(&[edit]).unwrap();
        changes.extend(page.commit(2));
    }
    changes
}

fn hash(change: &[u8]) -> Hash {
    inspect(change).unwrap().hash
}

/// The hashes of a change's past, itself included, found the slow way.
fn past(changes: &[Vec<u8>], of: &[Hash]) -> BTreeSet<Hash> {
    let mut past: BTreeSet<Hash> = of.iter().copied().collect();
    for change in changes.iter().rev() {
        let info = inspect(change).unwrap();
        if past.contains(&info.hash) {
            past.extend(info.dependencies);
        }
    }
    past
}

fn document(changes: &[Vec<u8>]) -> Document {
    let mut document = Document::empty([9; 16]);
    assert!(document.apply_changes(changes).unwrap().refused.is_empty());
    document
}

fn chosen(changes: &[Vec<u8>], choice: u16) -> BTreeSet<Hash> {
    let chosen = changes.iter().enumerate().skip(1);
    let chosen = chosen.filter(|(index, _)| choice >> (index % 16) & 1 == 1);
    chosen.map(|(_, change)| hash(change)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn who_has_what_is_told_by_heads(steps in steps(), mine in any::<prop::sample::Index>(), choice in any::<u16>()) {
        let changes = changes(&steps);
        let document = document(&changes);
        let mine = hash(&changes[mine.index(changes.len())]);
        let heads: Vec<Hash> = chosen(&changes, choice).into_iter().collect();
        let is_there = past(&changes, &heads).contains(&mine);
        prop_assert_eq!(document.has_seen(&heads, &mine), Some(is_there));
        prop_assert_eq!(document.has_seen(&heads, &Hash([7; 32])), None);
        let and_unknown = [heads, vec![Hash([7; 32])]].concat();
        prop_assert_eq!(document.has_seen(&and_unknown, &mine), is_there.then_some(true));
    }

    #[test]
    fn a_document_does_without(steps in steps(), choice in any::<u16>(), held_back in any::<prop::sample::Index>()) {
        let changes = changes(&steps);
        let dead = chosen(&changes, choice);
        let lives = |change: &&Vec<u8>| past(&changes, &[hash(change)]).is_disjoint(&dead);
        let kept: Vec<Vec<u8>> = changes.iter().filter(lives).cloned().collect();
        let (mut without, removed) = document(&changes).without(&dead).unwrap();
        prop_assert_eq!(removed.len() + kept.len(), changes.len());
        prop_assert!(removed.iter().all(|change| changes.contains(change) && !kept.contains(change)));
        prop_assert_eq!(without.heads().unwrap(), document(&kept).heads().unwrap());
        let page = Page::open(without.clone()).unwrap();
        let expected = Page::open(document(&kept)).unwrap();
        prop_assert_eq!(page.blocks(), expected.blocks());
        // They can come back.
        without.apply_changes(&removed).unwrap();
        prop_assert_eq!(without.heads().unwrap(), document(&changes).heads().unwrap());

        // The same while one is not here and others wait for it.
        let held_back = held_back.index(changes.len());
        let mut partial = changes.clone();
        let late = partial.remove(held_back);
        let (mut without, removed) = document(&partial).without(&dead).unwrap();
        // What is not here can't tell what it depends on.
        let lives_here = |change: &&Vec<u8>| past(&partial, &[hash(change)]).is_disjoint(&dead);
        let kept_partial = partial.iter().filter(lives_here).count();
        prop_assert_eq!(removed.len() + kept_partial, partial.len());
        if lives(&&late) {
            without.apply_changes(&[late]).unwrap();
            prop_assert_eq!(without.heads().unwrap(), document(&kept).heads().unwrap());
            prop_assert!(without.missing_dependencies().is_empty());
        }
    }

    #[test]
    fn what_others_build_on_is_needed(
        steps in steps(), choice in any::<u16>(), held_back in any::<prop::sample::Index>(),
    ) {
        let changes = changes(&steps);
        let candidates = chosen(&changes, choice);
        let others: Vec<Hash> =
            changes.iter().map(|change| hash(change)).filter(|hash| !candidates.contains(hash)).collect();
        let past_of_others = past(&changes, &others);
        let expected: BTreeSet<Hash> = candidates.intersection(&past_of_others).copied().collect();
        let mut document = document(&changes);
        prop_assert_eq!(&document.needed(&candidates), &expected);
        // Nothing else goes with those that are not needed.
        let dead: BTreeSet<Hash> = candidates.difference(&expected).copied().collect();
        let (_, removed) = document.without(&dead).unwrap();
        prop_assert_eq!(removed.len(), dead.len());

        // While one is missing and others wait: what is here, and what they name.
        let mut partial = changes.clone();
        let late = hash(&partial.remove(held_back.index(changes.len())));
        let mut waits = Document::empty([9; 16]);
        waits.apply_changes(&partial).unwrap();
        let mut past_of_others: BTreeSet<Hash> = others.iter().filter(|hash| **hash != late).copied().collect();
        for change in partial.iter().rev() {
            let info = inspect(change).unwrap();
            if past_of_others.contains(&info.hash) {
                past_of_others.extend(info.dependencies);
            }
        }
        let expected: BTreeSet<Hash> = candidates.intersection(&past_of_others).copied().collect();
        prop_assert_eq!(waits.needed(&candidates), expected);
    }

    #[test]
    fn a_snapshot_is_opened_as_it_was(steps in steps(), held_back in any::<prop::sample::Index>()) {
        let changes = changes(&steps);
        let mut whole = document(&changes);
        let mut loaded = Document::load_foreign(&whole.snapshot().unwrap(), Limits::SNAPSHOT, [4; 16]).unwrap();
        prop_assert_eq!(loaded.heads().unwrap(), whole.heads().unwrap());
        prop_assert_eq!(loaded.changes_since(&[]).unwrap().len(), changes.len());
        let mut partial = changes.clone();
        let late = partial.remove(held_back.index(changes.len()));
        let mut waits = Document::empty([9; 16]);
        waits.apply_changes(&partial).unwrap();
        let mut loaded = Document::load_foreign(&waits.snapshot().unwrap(), Limits::SNAPSHOT, [4; 16]).unwrap();
        loaded.apply_changes(&[late]).unwrap();
        prop_assert_eq!(loaded.heads().unwrap(), whole.heads().unwrap());
        let (shown, expected) = (Page::open(loaded).unwrap(), Page::open(whole).unwrap());
        prop_assert_eq!(shown.blocks(), expected.blocks());
    }

    #[test]
    fn damage_does_no_harm(steps in steps(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let mut whole = document(&changes(&steps));
        let saved = whole.save().unwrap();
        let at_saved = at.index(saved.len());
        prop_assert!(at_saved == 0 || Document::load(&saved[..at_saved], [4; 16]).is_err());
        let mut flipped = saved;
        flipped[at_saved] ^= 1 << bit;
        prop_assert!(Document::load(&flipped, [4; 16]).is_err());

        let snapshot = whole.snapshot().unwrap();
        let at = at.index(snapshot.len());
        prop_assert!(Document::load_foreign(&snapshot[..at], Limits::SNAPSHOT, [4; 16]).is_err());
        let mut flipped = snapshot;
        flipped[at] ^= 1 << bit;
        if let Ok(mut loaded) = Document::load_foreign(&flipped, Limits::FOLD, [4; 16]) {
            loaded.save().unwrap();
            Page::open(loaded).unwrap();
        }
    }

    #[test]
    fn a_page_starts_anew_with_its_content(steps in steps()) {
        let mut old = document(&changes(&steps));
        let shown = Page::open(old.clone()).unwrap();
        let mut new = anew(&mut old, [5; 16]).unwrap();
        let founding = new.commit(9).unwrap();
        prop_assert_eq!(new.changes_since(&[]).unwrap(), vec![founding.clone()]);
        prop_assert!(inspect(&founding).unwrap().dependencies.is_empty());
        let page = Page::open(document(&[founding])).unwrap();
        prop_assert!(page.is_present());
        prop_assert_eq!(page.blocks(), shown.blocks());
        prop_assert_eq!(page.title(), shown.title());
    }
}

#[test]
fn a_change_that_does_not_fit_makes_the_snapshot_unfit() {
    let mut one = Page::new([1; 16]).unwrap();
    let mut two = Page::new([1; 16]).unwrap();
    two.set_title("Another").unwrap();
    let both = [one.commit(1).unwrap(), two.commit(1).unwrap()];
    let folded = fold(&both).unwrap();
    assert!(Document::load_foreign(&folded, Limits::SNAPSHOT, [4; 16]).is_err());
}

/// What only other programs write: attributes that are maps, lists and bytes, marks with bytes, keys beside the text.
#[test]
fn what_is_unknown_survives_a_new_start() {
    let mut foreign = AutoCommit::new_with_encoding(TextEncoding::Utf16CodeUnit);
    foreign.put_object(ROOT, "title", ObjType::Text).unwrap();
    let text = foreign.put_object(ROOT, "text", ObjType::Text).unwrap();
    let block = foreign.split_block(&text, 0).unwrap();
    foreign.put(&block, "type", "__ext__globe").unwrap();
    let attrs = foreign.put_object(&block, "attrs", ObjType::Map).unwrap();
    foreign
        .put(&attrs, "bytes", ScalarValue::Bytes(vec![1, 2]))
        .unwrap();
    foreign.put(&attrs, "seen", ScalarValue::counter(4)).unwrap();
    let list = foreign.put_object(&attrs, "pins", ObjType::List).unwrap();
    let pin = foreign.insert_object(&list, 0, ObjType::Map).unwrap();
    foreign.put(&pin, "at", 1.5).unwrap();
    foreign.put(&block, "__ext__", "kept").unwrap();
    foreign.splice_text(&text, 1, 0, "a river 🌊 here").unwrap();
    let mark = automerge::marks::Mark::new("__ext__ink".to_owned(), ScalarValue::Bytes(vec![7]), 3, 8);
    foreign
        .mark(&text, mark, automerge::marks::ExpandMark::Both)
        .unwrap();
    foreign
        .put(ROOT, "__ext__when", ScalarValue::Timestamp(5))
        .unwrap();
    let mut old = Document::load(&foreign.save(), [4; 16]).unwrap();

    let mut new = anew(&mut old, [5; 16]).unwrap();
    new.commit(9).unwrap();
    let options = automerge::LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
    let new = AutoCommit::load_with_options(&new.save().unwrap(), options).unwrap();
    assert_eq!(
        new.hydrate(&ROOT, None).unwrap(),
        foreign.hydrate(&ROOT, None).unwrap()
    );
    let (_, new_text) = new.get(ROOT, "text").unwrap().unwrap();
    assert_eq!(new.marks(&new_text).unwrap(), foreign.marks(&text).unwrap());
    let spans = |document: &AutoCommit, text| document.spans(text).unwrap().collect::<Vec<_>>();
    assert_eq!(spans(&new, &new_text), spans(&foreign, &text));
}
