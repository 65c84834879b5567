//! The history of a page: who did what when, what differs between two versions, and the way back.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use automerge::transaction::Transactable;
use automerge::{AutoCommit, ObjType, ROOT};
use documents::change::Hash;
use documents::page::Page;
use documents::page::edit::{Block, Edit, Marks, Run, Shape, Value};
use documents::page::history::{Fate, NamedVersion};
use proptest::prelude::*;

const MORNING: i64 = 1_800_000_000;
const HOUR: i64 = 3600;
const AMINA: u8 = 1;
const BORIS: u8 = 2;

fn actor(number: u8) -> Vec<u8> {
    vec![number; 16]
}

/// → the edits that did it.
fn undo(page: &mut Page, who: &[u8], before: &[Hash], after: &[Hash]) -> Vec<Edit> {
    let actors: BTreeSet<Vec<u8>> = who.iter().map(|number| actor(*number)).collect();
    let undoing = page.undoing(&actors, before, after).unwrap();
    page.apply(&undoing.edits).unwrap();
    page.note_undone(&undoing).unwrap();
    undoing.edits
}

/// A page with a title and one line, by Amina, in the morning.
fn page(text: &str) -> Page {
    let mut page = Page::new([AMINA; 16]).unwrap();
    page.set_title("Rivers").unwrap();
    page.apply(&[typed(0, 0, text)]).unwrap();
    page.commit(MORNING).unwrap();
    page
}

/// Another member's copy.
fn copy(page: &mut Page, number: u8) -> Page {
    Page::load(&page.save().unwrap(), [number; 16]).unwrap()
}

fn merge(into: &mut Page, from: &Page) {
    let mut from = from.clone();
    let changes = from.clone().into_document().changes_since(&[]).unwrap();
    from.commit(0);
    assert!(into.apply_changes(&changes).unwrap().refused.is_empty());
}

fn heads(page: &Page) -> Vec<Hash> {
    page.clone().into_document().heads().unwrap()
}

fn typed(block: usize, offset: usize, text: &str) -> Edit {
    replaced(block, offset, 0, text)
}

fn replaced(block: usize, offset: usize, delete: usize, text: &str) -> Edit {
    let run = Run {
        text: text.to_owned(),
        marks: Marks::new(),
    };
    Edit::Text {
        block,
        offset,
        delete,
        insert: if text.is_empty() { Vec::new() } else { vec![run] },
    }
}

fn marked(block: usize, from: usize, to: usize, name: &str, value: Value) -> Edit {
    let name = name.to_owned();
    Edit::Mark {
        block,
        from,
        to,
        name,
        value,
    }
}

fn heading() -> Shape {
    let mut shape = Shape::paragraph();
    shape.kind = "heading".to_owned();
    shape.attrs.insert("level".to_owned(), Value::Integer(2));
    shape
}

fn lines(page: &Page) -> Vec<String> {
    page.blocks().iter().map(Block::text).collect()
}

fn edit(page: &mut Page, edits: &[Edit], time: i64) {
    page.apply(edits).unwrap();
    page.commit(time).unwrap();
}

#[test]
fn changes_that_were_made_soon_after_one_another_are_one_session() {
    let mut here = page("The Nile");
    let mut there = copy(&mut here, BORIS);
    edit(&mut here, &[typed(0, 8, " is long")], MORNING + 60);
    edit(&mut there, &[typed(0, 0, "Yes: ")], MORNING + 90);
    merge(&mut here, &there);
    merge(&mut there, &here);
    edit(&mut there, &[typed(0, 0, "So: ")], MORNING + 3 * HOUR);
    merge(&mut here, &there);

    let sessions = here.sessions().unwrap();
    assert_eq!(
        sessions,
        there.sessions().unwrap(),
        "whoever looks, in whatever order it came"
    );
    assert_eq!(sessions.len(), 2);
    assert_eq!((sessions[0].from, sessions[0].to), (MORNING, MORNING + 90));
    let who: Vec<&Vec<u8>> = sessions[0].shares.iter().map(|share| &share.actor).collect();
    assert_eq!(who, [&actor(AMINA), &actor(BORIS)], "who did most first");
    assert_eq!(sessions[0].version, sessions[1].before);
    assert_eq!(sessions[1].version, heads(&here));
    assert!(sessions[0].before.is_empty());
}

/// A clock that is years ahead sets one session apart, and leaves the others where they were.
#[test]
fn a_wrong_clock_moves_only_its_own_session() {
    let mut here = page("one");
    edit(&mut here, &[typed(0, 3, " two")], MORNING + 5 * 365 * 24 * HOUR);
    edit(&mut here, &[typed(0, 7, " three")], MORNING + 60);
    let times: Vec<i64> = here
        .sessions()
        .unwrap()
        .iter()
        .map(|session| session.from)
        .collect();
    assert_eq!(times, [MORNING, MORNING + 5 * 365 * 24 * HOUR, MORNING + 60]);
}

/// Two write by turns, each upon what the other wrote, and the clock of one is a year behind.
#[test]
fn clocks_that_are_apart_leave_a_session_whole() {
    let mut here = page("one");
    let mut there = copy(&mut here, BORIS);
    for minute in 1..20 {
        edit(&mut here, &[typed(0, 0, "x")], MORNING + minute * 60);
        merge(&mut there, &here);
        edit(
            &mut there,
            &[typed(0, 0, "y")],
            MORNING + minute * 60 - 365 * 24 * HOUR,
        );
        merge(&mut here, &there);
    }
    let sessions = here.sessions().unwrap();
    assert!(sessions.len() <= 2, "{}", sessions.len());
    assert_eq!(sessions.last().unwrap().shares.len(), 2);
}

#[test]
fn a_work_without_pause_is_cut_into_hours() {
    let mut here = page("one");
    for minutes in (10..=140).step_by(10) {
        edit(&mut here, &[typed(0, 0, "x")], MORNING + minutes * 60);
    }
    assert_eq!(here.sessions().unwrap().len(), 3);
}

#[test]
fn what_came_and_what_went_is_told_with_who_did_it() {
    let mut here = page("The Nile is a river");
    let before = heads(&here);
    let mut there = copy(&mut here, BORIS);
    edit(&mut there, &[replaced(0, 12, 1, "our")], MORNING + 60);
    merge(&mut here, &there);
    edit(
        &mut here,
        &[
            Edit::Split {
                block: 0,
                offset: 8,
                shape: heading(),
            },
            marked(0, 0, 3, "strong", Value::Boolean(true)),
        ],
        MORNING + 120,
    );
    let after = heads(&here);
    let compared = here.compare(&before, &after).unwrap();
    let told: Vec<(&str, &Fate)> = compared
        .iter()
        .flat_map(|block| &block.pieces)
        .map(|piece| (piece.text.as_str(), &piece.fate))
        .collect();
    let (came, went) = (Fate::Added(actor(BORIS)), Fate::Removed(Some(actor(BORIS))));
    assert_eq!(
        told,
        [
            ("The", &Fate::Restyled),
            (" Nile", &Fate::Same),
            (" is ", &Fate::Same),
            ("a", &went),
            ("our", &came),
            (" river", &Fate::Same),
        ]
    );
    assert_eq!(compared[1].fate, Fate::Added(actor(AMINA)));
    assert_eq!(compared[1].shape, heading());
    assert_eq!(
        here.compare(&after, &after).unwrap().len(),
        2,
        "nothing differs from itself"
    );
}

#[test]
fn who_changed_a_page_since_a_version_is_told() {
    let mut here = page("river");
    let seen = heads(&here);
    assert_eq!(here.changed_since(&seen).unwrap(), []);
    let mut there = copy(&mut here, BORIS);
    edit(&mut there, &[typed(0, 0, "The ")], MORNING + 60);
    let who: Vec<Vec<u8>> = there
        .changed_since(&seen)
        .unwrap()
        .into_iter()
        .map(|share| share.actor)
        .collect();
    assert_eq!(who, [actor(BORIS)]);
    assert!(there.knows(&seen) && !here.knows(&heads(&there)));
}

#[test]
fn a_version_keeps_its_title() {
    let mut here = page("text");
    let before = heads(&here);
    here.set_title("Lakes").unwrap();
    here.commit(MORNING + 60).unwrap();
    assert_eq!(here.title_at(&before).unwrap(), "Rivers");
    assert_eq!(here.title_at(&heads(&here)).unwrap(), "Lakes");
    assert_eq!(here.title_at(&[]).unwrap(), "");
}

/// What is undone, what others do since, and what stays. `|` begins a block.
#[test]
fn one_members_work_is_undone_and_the_others_stay() {
    type Work<'a> = &'a [(u8, &'a [Edit])];
    let table: &[(&str, &str, Work<'_>, &str)] = &[
        (
            "typing goes",
            "river",
            &[(BORIS, &[typed(0, 5, " deep")])],
            "river",
        ),
        (
            "and what others wrote within it stays",
            "river",
            &[(BORIS, &[typed(0, 5, " deep")]), (AMINA, &[typed(0, 8, "XY")])],
            "riverXY",
        ),
        (
            "deleting comes back",
            "river bank",
            &[(BORIS, &[replaced(0, 0, 6, "")])],
            "river bank",
        ),
        (
            "where it was, whatever came there since",
            "river bank",
            &[(BORIS, &[replaced(0, 5, 5, "")]), (AMINA, &[typed(0, 0, "the ")])],
            "the river bank",
        ),
        (
            "what both deleted stays deleted only if somebody else did so, too",
            "river bank",
            &[
                (BORIS, &[replaced(0, 0, 6, "")]),
                (AMINA, &[replaced(0, 0, 4, "")]),
            ],
            "river ",
        ),
        (
            "what others wrote and this one deleted within the span",
            "river",
            &[
                (AMINA, &[typed(0, 5, " bank")]),
                (BORIS, &[replaced(0, 6, 4, "")]),
                (AMINA, &[typed(0, 6, "!")]),
            ],
            "river !bank",
        ),
        (
            "a divided block is one again",
            "river bank",
            &[(
                BORIS,
                &[Edit::Split {
                    block: 0,
                    offset: 5,
                    shape: heading(),
                }],
            )],
            "river bank",
        ),
        (
            "joined blocks are two again",
            "river",
            &[
                (
                    AMINA,
                    &[Edit::Split {
                        block: 0,
                        offset: 2,
                        shape: heading(),
                    }],
                ),
                (BORIS, &[Edit::Join { block: 1 }]),
            ],
            "ri|ver",
        ),
        (
            "what this one wrote and deleted is nothing",
            "river",
            &[
                (BORIS, &[typed(0, 5, " deep")]),
                (BORIS, &[replaced(0, 5, 5, "")]),
            ],
            "river",
        ),
    ];
    for (what, text, work, expected) in table {
        let mut here = page(text);
        let before = heads(&here);
        for (minutes, (who, edits)) in (1..).zip(*work) {
            let mut there = copy(&mut here, *who);
            edit(&mut there, edits, MORNING + minutes * 60);
            here = there;
        }
        let after = heads(&here);
        let mut there = copy(&mut here, 9);
        let shown = {
            let mut shown = there.blocks().to_vec();
            for edit in &undo(&mut there, &[BORIS], &before, &after) {
                documents::page::edit::apply_to_blocks(&mut shown, edit).unwrap();
            }
            shown
        };
        assert_eq!(lines(&there).join("|"), *expected, "{what}");
        assert_eq!(there.blocks(), shown, "{what}: the edits say what was done");
        there.commit(MORNING + HOUR);
        let again = undo(&mut there, &[BORIS], &before, &after);
        assert_eq!(again, [], "{what}: nothing is left to undo");
    }
}

/// What was handed over anew since, as after a fork, has other heads: to go back by those that are left would lose what is not.
#[test]
fn what_is_not_here_is_no_version() {
    let mut here = page("river");
    let mut there = copy(&mut here, BORIS);
    edit(&mut there, &[typed(0, 5, " bank")], MORNING + 60);
    let elsewhere = heads(&there);
    let now = heads(&here);
    let is_absent = |error: Option<documents::Error>| matches!(error, Some(documents::Error::Absent));
    assert!(is_absent(here.compare(&elsewhere, &now).err()));
    assert!(is_absent(here.title_at(&elsewhere).err()));
    assert!(is_absent(here.edits_to_restore(&elsewhere).err()));
    let who = BTreeSet::from([actor(AMINA)]);
    assert!(is_absent(here.undoing(&who, &elsewhere, &now).err()));
    assert!(
        is_absent(here.edits_to_restore(&[]).err()),
        "before it began it was no page"
    );
}

#[test]
fn nobody_keeps_their_own_work_from_being_undone() {
    let mut here = page("river bank");
    let before = heads(&here);
    let mut there = copy(&mut here, BORIS);
    edit(&mut there, &[replaced(0, 0, 6, "")], MORNING + 60);
    let after = heads(&there);
    let who = BTreeSet::from([actor(BORIS)]);
    let undoing = there.undoing(&who, &before, &after).unwrap();
    there.note_undone(&undoing).unwrap();
    there.commit(MORNING + 120).unwrap();
    merge(&mut here, &there);
    undo(&mut here, &[BORIS], &before, &after);
    assert_eq!(lines(&here), ["river bank"]);
}

/// Who deleted it later, or elsewhere, did not do so between these two versions.
#[test]
fn who_removed_something_is_whoever_did_so_between_the_versions() {
    let mut here = page("river bank");
    let before = heads(&here);
    let mut there = copy(&mut here, BORIS);
    edit(&mut there, &[replaced(0, 0, 6, "")], MORNING + 30);
    edit(&mut here, &[replaced(0, 0, 6, "")], MORNING + 60);
    let after = heads(&here);
    merge(&mut here, &there);
    let compared = here.compare(&before, &after).unwrap();
    assert_eq!(compared[0].pieces[0].fate, Fate::Removed(Some(actor(AMINA))));
}

/// As another program does that sets the text anew.
#[test]
fn a_version_is_read_though_another_text_has_taken_the_place_of_its_own() {
    let mut here = page("river");
    let version = heads(&here);
    let mut other = AutoCommit::load(&here.save().unwrap()).unwrap();
    let text = other.put_object(ROOT, "text", ObjType::Text).unwrap();
    other.splice_text(&text, 0, 0, "lake").unwrap();
    let mut here = Page::load(&other.save(), [9; 16]).unwrap();
    assert_eq!(lines(&here), ["lake"]);
    let now = heads(&here);
    let compared = here.compare(&version, &now).unwrap();
    let told: Vec<&str> = compared
        .iter()
        .flat_map(|block| &block.pieces)
        .map(|piece| piece.text.as_str())
        .collect();
    assert_eq!(told.concat(), "riverlake");
    let edits = here.edits_to_restore(&version).unwrap();
    here.apply(&edits).unwrap();
    assert_eq!(lines(&here).concat(), "river");
}

#[test]
fn how_text_and_blocks_look_is_undone_unless_somebody_else_did_the_same() {
    let mut here = page("river bank");
    let before = heads(&here);
    let mut there = copy(&mut here, BORIS);
    let made_heading = Edit::Shape {
        block: 0,
        shape: heading(),
    };
    let bold = marked(0, 0, 5, "strong", Value::Boolean(true));
    let slanted = marked(0, 6, 10, "em", Value::Boolean(true));
    edit(&mut there, &[made_heading, bold, slanted.clone()], MORNING + 60);
    edit(
        &mut here,
        &[marked(0, 0, 10, "em", Value::Boolean(true))],
        MORNING + 60,
    );
    merge(&mut here, &there);
    let after = heads(&here);
    undo(&mut here, &[BORIS], &before, &after);
    assert_eq!(here.blocks()[0].shape, Shape::paragraph());
    let looks: Vec<Vec<&String>> = here.blocks()[0]
        .runs
        .iter()
        .map(|run| run.marks.keys().collect())
        .collect();
    assert_eq!(looks, [vec!["em"]], "{:?}", here.blocks()[0].runs);
}

#[test]
fn versions_have_names_whoever_gives_them_apart() {
    let mut here = page("river");
    let version = heads(&here);
    let named = |id: u8, name: &str| NamedVersion {
        id: [id; 16],
        name: name.to_owned(),
        version: version.clone(),
        by: Some([7; 32]),
        at: MORNING,
    };
    let mut there = copy(&mut here, BORIS);
    here.name_version(&named(1, "As handed in")).unwrap();
    here.commit(MORNING + 60).unwrap();
    there.name_version(&named(2, "Before the visit")).unwrap();
    there.commit(MORNING + 60).unwrap();
    merge(&mut here, &there);
    assert_eq!(
        here.named_versions(),
        [named(1, "As handed in"), named(2, "Before the visit")]
    );
    here.name_version(&named(1, " First draft ")).unwrap();
    here.forget_name([2; 16]).unwrap();
    here.commit(MORNING + 120).unwrap();
    assert_eq!(here.named_versions(), [named(1, "First draft")]);
    assert!(here.name_version(&named(3, "  ")).is_err());
    assert!(here.name_version(&named(3, &"x".repeat(201))).is_err());
}

/// As after a fork: what gave the name is not sent any more, and the version has other changes now.
#[test]
fn names_come_along_where_a_page_is_made_again() {
    let mut here = page("river");
    let before = here.clone();
    let mut made_again = copy(&mut here, BORIS);
    edit(&mut here, &[typed(0, 5, " bank")], MORNING + 60);
    let version = heads(&here);
    let named = NamedVersion {
        id: [1; 16],
        name: "As handed in".to_owned(),
        version,
        by: None,
        at: MORNING,
    };
    here.name_version(&named).unwrap();
    here.commit(MORNING + 61).unwrap();
    edit(&mut made_again, &[typed(0, 5, " bank")], MORNING + 60);
    made_again.carry_names(&before, &here).unwrap();
    made_again.commit(MORNING + 62).unwrap();
    let carried = made_again.named_versions();
    assert_eq!(carried[0].name, "As handed in");
    assert!(made_again.knows(&carried[0].version));
}

/// They would tell of what was to go, and nobody could look at what they name.
#[test]
fn names_and_what_was_undone_stay_behind_where_a_page_is_started_anew() {
    let mut here = page("river");
    let version = heads(&here);
    edit(&mut here, &[typed(0, 5, " bank")], MORNING + 60);
    let after = heads(&here);
    let named = NamedVersion {
        id: [1; 16],
        name: "Before the quarrel".to_owned(),
        version: version.clone(),
        by: None,
        at: MORNING,
    };
    here.name_version(&named).unwrap();
    here.commit(MORNING + 61).unwrap();
    undo(&mut here, &[AMINA], &version, &after);
    here.commit(MORNING + 62).unwrap();
    let mut new = documents::redo::anew(&mut here.into_document(), [8; 16]).unwrap();
    new.commit(MORNING + 62).unwrap();
    let saved = new.save().unwrap();
    let new = automerge::AutoCommit::load(&saved).unwrap();
    let keys: Vec<String> = automerge::ReadDoc::keys(&new, automerge::ROOT).collect();
    assert_eq!(keys, ["text", "title"]);
    assert!(Page::load(&saved, [9; 16]).unwrap().named_versions().is_empty());
}

/// A random edit before it is fitted to a page: numbers are taken modulo what is there.
#[derive(Clone, Debug)]
enum Wish {
    Text(usize, usize, usize, String),
    Mark(usize, usize, usize, &'static str, bool),
    Split(usize, usize, u8),
    Join(usize),
    Shape(usize, u8),
}

fn wish() -> impl Strategy<Value = Wish> {
    let n = || 0..1000_usize;
    prop_oneof![
        4 => (n(), n(), 0..5_usize, "[a-d é😀]{0,6}").prop_map(|(b, o, d, text)| Wish::Text(b, o, d, text)),
        2 => (n(), n(), n(), prop_oneof![Just("strong"), Just("em")], any::<bool>())
            .prop_map(|(b, from, to, name, on)| Wish::Mark(b, from, to, name, on)),
        2 => (n(), n(), 0..4_u8).prop_map(|(b, o, kind)| Wish::Split(b, o, kind)),
        1 => n().prop_map(Wish::Join),
        1 => (n(), 0..4_u8).prop_map(|(b, kind)| Wish::Shape(b, kind)),
    ]
}

fn shape(kind: u8) -> Shape {
    match kind {
        0 => Shape::paragraph(),
        1 => heading(),
        _ => picture(kind),
    }
}

/// A picture that is described, or not yet.
fn picture(kind: u8) -> Shape {
    let alt = (kind == 2).then_some(("alt", "A leaf"));
    let said = [("src", "attachment:AQ")].into_iter().chain(alt);
    Shape {
        kind: "image".to_owned(),
        attrs: said
            .map(|(name, text)| (name.to_owned(), Value::Text(text.to_owned())))
            .collect(),
        is_embed: true,
        ..Shape::paragraph()
    }
}

/// The edit that a wish comes to here, if any: never through the middle of a character.
fn fitted(blocks: &[Block], wish: &Wish) -> Option<Edit> {
    let places = |block: usize| -> Vec<usize> {
        let mut at = 0;
        let text = blocks[block].text();
        let mut places = vec![0];
        places.extend(text.chars().map(|character| {
            at += character.len_utf16();
            at
        }));
        places
    };
    Some(match wish {
        Wish::Text(block, offset, delete, text) => {
            let block = block % blocks.len();
            let places = places(block);
            let first = offset % places.len();
            let last = (first + delete).min(places.len() - 1);
            if text.is_empty() && first == last {
                return None;
            }
            replaced(block, places[first], places[last] - places[first], text)
        }
        Wish::Mark(block, from, to, name, on) => {
            let block = block % blocks.len();
            let places = places(block);
            let (from, to) = (from % places.len(), to % places.len());
            if from == to {
                return None;
            }
            let value = if *on { Value::Boolean(true) } else { Value::Null };
            marked(block, places[from.min(to)], places[from.max(to)], name, value)
        }
        Wish::Split(block, offset, kind) => {
            let block = block % blocks.len();
            let places = places(block);
            Edit::Split {
                block,
                offset: places[offset % places.len()],
                shape: shape(*kind),
            }
        }
        Wish::Join(block) if blocks.len() > 1 => Edit::Join {
            block: 1 + block % (blocks.len() - 1),
        },
        Wish::Join(_) => return None,
        Wish::Shape(block, kind) => Edit::Shape {
            block: block % blocks.len(),
            shape: shape(*kind),
        },
    })
}

/// Two members work on, and hear of each other now and then. → the page with all of it.
fn worked(mut here: Page, work: &[(bool, Wish, bool)]) -> Page {
    let mut there = copy(&mut here, BORIS);
    for (time, (by_first, wish, then_meet)) in (1..).zip(work) {
        let page = if *by_first { &mut here } else { &mut there };
        if let Some(edit) = fitted(page.blocks(), wish) {
            page.apply(&[edit]).unwrap();
            page.commit(MORNING + time);
        }
        if *then_meet {
            merge(&mut here, &there);
            merge(&mut there, &here);
        }
    }
    merge(&mut here, &there);
    here
}

fn work() -> impl Strategy<Value = Vec<(bool, Wish, bool)>> {
    prop::collection::vec((any::<bool>(), wish(), prop::bool::weighted(0.3)), 1..25)
}

proptest! {
    /// Both versions can be read out of the comparison.
    #[test]
    fn a_comparison_holds_both_versions(first in work(), second in work()) {
        let mut here = worked(page("The Nile is long"), &first);
        let (before, old) = (heads(&here), here.text_plain());
        let mut here = worked(copy(&mut here, 3), &second);
        let after = heads(&here);
        let compared = here.compare(&before, &after).unwrap();
        let read = |is_in: fn(&Fate) -> bool| {
            let mut text = String::from("Rivers");
            for block in &compared {
                if is_in(&block.fate) {
                    text.push('\n');
                }
                block.pieces.iter().filter(|piece| is_in(&piece.fate)).for_each(|piece| text.push_str(&piece.text));
            }
            text
        };
        prop_assert_eq!(read(|fate| !matches!(fate, Fate::Added(_))), old);
        prop_assert_eq!(read(|fate| !matches!(fate, Fate::Removed(_))), here.text_plain());
    }

    #[test]
    fn what_is_restored_is_what_it_was(first in work(), second in work()) {
        let mut here = worked(page("The Nile is long"), &first);
        let (version, old) = (heads(&here), here.blocks().to_vec());
        let mut here = worked(copy(&mut here, 3), &second);
        let edits = here.edits_to_restore(&version).unwrap();
        here.apply(&edits).unwrap();
        prop_assert_eq!(here.blocks(), &old);
        here.commit(MORNING + HOUR);
        prop_assert_eq!(here.edits_to_restore(&version).unwrap(), []);
    }

    /// If nobody else did anything since, undoing everybody's work leads back.
    #[test]
    fn undoing_all_of_it_leads_back(first in work(), second in work()) {
        let mut here = worked(page("The Nile is long"), &first);
        let (version, old) = (heads(&here), here.blocks().to_vec());
        let mut here = worked(copy(&mut here, 3), &second);
        let after = heads(&here);
        undo(&mut here, &[AMINA, BORIS, 3], &version, &after);
        prop_assert_eq!(here.blocks(), &old);
    }
}
