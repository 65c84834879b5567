//! Comments on several replicas: what is said stays, whatever happens to the text around it, and all show the same.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "comments/suggestions.rs"]
mod suggestions;

use std::collections::BTreeSet;

use documents::change::inspect;
use documents::page::comments::{
    LONGEST_MESSAGE, MOST_MESSAGES, MOST_THREADS, MessageId, NewMessage, NewProposal, Part, Present, Stretch,
    Thread, ThreadId, changes_to, mention, mentions_of, parts,
};
use documents::page::edit::{Block, Edit, Marks, Point, Run, Shape, Value, apply_to_blocks};
use documents::page::{Page, Remote};
use documents::redo::{anew, carry_into, carry_over};
use documents::{Error, redo};
use proptest::prelude::*;

const ANA: [u8; 32] = [1; 32];
const BEN: [u8; 32] = [2; 32];

fn message(number: u8, author: [u8; 32], text: &str) -> NewMessage<'_> {
    NewMessage {
        id: [number; 16],
        author,
        at: 1_800_000_000_000 + i64::from(number),
        text,
    }
}

fn at(block: usize, offset: usize) -> Point {
    Point { block, offset }
}

fn typed(block: usize, offset: usize, delete: usize, text: &str) -> Edit {
    let insert = Run {
        text: text.to_owned(),
        marks: Marks::new(),
    };
    Edit::Text {
        block,
        offset,
        delete,
        insert: if text.is_empty() { Vec::new() } else { vec![insert] },
    }
}

/// A page with this text, and a copy of it on another replica.
fn two(text: &str) -> (Page, Page) {
    let mut page = Page::new([1; 16]).unwrap();
    page.apply(&[typed(0, 0, 0, text)]).unwrap();
    page.commit(1);
    let other = Page::load(&page.save().unwrap(), [2; 16]).unwrap();
    (page, other)
}

fn exchange(one: &mut Page, other: &mut Page) {
    one.commit(2);
    other.commit(2);
    let (to_other, to_one) = (
        one.document()
            .clone()
            .changes_since(&other.document().newest())
            .unwrap(),
        other
            .document()
            .clone()
            .changes_since(&one.document().newest())
            .unwrap(),
    );
    assert!(one.apply_changes(&to_one).unwrap().refused.is_empty());
    assert!(other.apply_changes(&to_other).unwrap().refused.is_empty());
    assert_eq!(one.threads(), other.threads());
    assert_eq!(one.blocks(), other.blocks());
}

fn said(thread: &Thread) -> Vec<&str> {
    thread
        .messages
        .iter()
        .map(|message| message.text.as_str())
        .collect()
}

/// The words that a thread is about, as the page has them.
fn about(page: &Page, thread: &Thread) -> String {
    let text = |stretch: &Stretch| {
        let units: Vec<u16> = page.blocks()[stretch.block].text().encode_utf16().collect();
        String::from_utf16(&units[stretch.from..stretch.to]).unwrap()
    };
    thread.anchors.iter().map(text).collect::<Vec<_>>().join("|")
}

#[test]
fn a_comment_stays_with_its_words() {
    let (mut page, mut other) = two("The cold river flows.");
    let edits = page
        .add_comment([7; 16], (at(0, 4), at(0, 14)), &message(1, ANA, " How cold? "))
        .unwrap();
    assert_eq!(edits.len(), 1);
    exchange(&mut page, &mut other);

    // Around it, at its edges, and in it.
    other.apply(&[typed(0, 0, 0, "Now: ")]).unwrap();
    other.apply(&[typed(0, 9, 0, "very ")]).unwrap();
    page.apply(&[typed(0, 14, 0, "s")]).unwrap();
    exchange(&mut page, &mut other);
    let threads = page.threads();
    assert_eq!(
        (said(&threads[0]), about(&page, &threads[0])),
        (vec!["How cold?"], "cold river".to_owned())
    );
    assert_eq!(threads[0].messages[0].writer, [1; 16]);
    let marked: Marks = [(format!("comment:{}", "07".repeat(16)), Value::Boolean(true))].into();
    let inside = Run {
        text: "brown ".to_owned(),
        marks: marked,
    };
    other
        .apply(&[Edit::Text {
            block: 0,
            offset: 19,
            delete: 0,
            insert: vec![inside],
        }])
        .unwrap();
    page.apply(&[Edit::Split {
        block: 0,
        offset: 16,
        shape: Shape::paragraph(),
    }])
    .unwrap();
    exchange(&mut page, &mut other);
    assert_eq!(about(&page, &page.threads()[0]), "co|ld brown river");
    assert_eq!(page.threads()[0].quote, "co ld brown river");

    // The words are deleted: what was said is not.
    other.apply(&[Edit::Join { block: 1 }]).unwrap();
    let gone = other.blocks()[0].length();
    other.apply(&[typed(0, 5, gone - 5, "")]).unwrap();
    exchange(&mut page, &mut other);
    let threads = page.threads();
    assert_eq!(
        (threads[0].anchors.len(), threads[0].quote.as_str()),
        (0, "cold river")
    );
    assert_eq!(said(&threads[0]), ["How cold?"]);
}

#[test]
fn what_two_say_at_once_both_stands() {
    let (mut page, mut other) = two("one two three");
    page.add_comment([7; 16], (at(0, 4), at(0, 7)), &message(1, ANA, "first"))
        .unwrap();
    exchange(&mut page, &mut other);
    page.reply(&[7; 16], &message(2, ANA, "mine")).unwrap();
    other.reply(&[7; 16], &message(3, BEN, "theirs")).unwrap();
    // Two threads on text that overlaps, and on the very same.
    page.add_comment([8; 16], (at(0, 0), at(0, 7)), &message(4, ANA, "more"))
        .unwrap();
    other
        .add_comment([9; 16], (at(0, 4), at(0, 13)), &message(5, BEN, "and more"))
        .unwrap();
    exchange(&mut page, &mut other);
    let threads = page.threads();
    let of = |id: u8| threads.iter().find(|thread| thread.id == [id; 16]).unwrap();
    assert_eq!(said(of(7))[0], "first");
    assert_eq!(
        said(of(7))[1..].iter().copied().collect::<BTreeSet<_>>(),
        ["mine", "theirs"].into()
    );
    assert_eq!(
        threads
            .iter()
            .map(|thread| about(&page, thread))
            .collect::<Vec<_>>(),
        ["one two", "two", "two three"]
    );
}

#[test]
fn a_reply_that_was_not_seen_opens_a_thread_again() {
    let (mut page, mut other) = two("one two three");
    page.add_comment([7; 16], (at(0, 4), at(0, 7)), &message(1, ANA, "first"))
        .unwrap();
    exchange(&mut page, &mut other);
    page.resolve(&[7; 16], ANA).unwrap();
    exchange(&mut page, &mut other);
    assert_eq!(other.threads()[0].resolved_by, Some(ANA));
    other.reopen(&[7; 16]).unwrap();
    exchange(&mut page, &mut other);
    assert_eq!(page.threads()[0].resolved_by, None);

    page.resolve(&[7; 16], ANA).unwrap();
    other.reply(&[7; 16], &message(2, BEN, "wait")).unwrap();
    exchange(&mut page, &mut other);
    assert_eq!(page.threads()[0].resolved_by, None);

    page.resolve(&[7; 16], ANA).unwrap();
    page.commit(3);
    page.reply(&[7; 16], &message(3, ANA, "one more thing")).unwrap();
    exchange(&mut page, &mut other);
    assert_eq!(page.threads()[0].resolved_by, None);

    // Who takes a message away opens nothing.
    page.resolve(&[7; 16], ANA).unwrap();
    other.delete_message(&[7; 16], &[2; 16], &BEN).unwrap();
    exchange(&mut page, &mut other);
    assert_eq!(page.threads()[0].resolved_by, Some(ANA));
}

/// As many messages as were seen are not the ones that were seen.
#[test]
fn a_reply_that_was_not_seen_opens_a_thread_from_which_another_is_taken() {
    let (mut page, mut other) = two("one two three");
    page.add_comment([7; 16], (at(0, 4), at(0, 7)), &message(1, ANA, "first"))
        .unwrap();
    page.reply(&[7; 16], &message(2, ANA, "second")).unwrap();
    exchange(&mut page, &mut other);
    page.resolve(&[7; 16], ANA).unwrap();
    page.delete_message(&[7; 16], &[2; 16], &ANA).unwrap();
    assert_eq!(page.threads()[0].resolved_by, Some(ANA));
    other.reply(&[7; 16], &message(3, BEN, "wait")).unwrap();
    exchange(&mut page, &mut other);
    assert_eq!(said(&page.threads()[0]), ["first", "wait"]);
    assert_eq!(page.threads()[0].resolved_by, None);
}

/// Two who carry a thread into a page at once make two of it.
#[test]
fn a_message_that_stands_twice_is_changed_and_deleted_in_both_places() {
    let (page, _) = two("one two three");
    let mut source = page.clone();
    source
        .add_comment([7; 16], (at(0, 4), at(0, 7)), &message(1, ANA, "first"))
        .unwrap();
    source.reply(&[7; 16], &message(2, BEN, "second")).unwrap();
    source.reply(&[7; 16], &message(3, ANA, "third")).unwrap();
    let before = page.comments();
    let saved = page.clone().save().unwrap();
    let mut one = Page::load(&saved, [3; 16]).unwrap();
    let mut other = Page::load(&saved, [4; 16]).unwrap();
    one.carry_comments(&before, &source).unwrap();
    other.carry_comments(&before, &source).unwrap();
    exchange(&mut one, &mut other);
    assert_eq!(said(&one.threads()[0]), ["first", "second", "third"]);

    one.edit_message(&[7; 16], &[3; 16], &ANA, ("third!", 9)).unwrap();
    one.delete_message(&[7; 16], &[1; 16], &ANA).unwrap();
    assert_eq!(said(&one.threads()[0]), ["second", "third!"]);
    other.delete_message(&[7; 16], &[2; 16], &BEN).unwrap();
    exchange(&mut one, &mut other);
    assert_eq!(said(&one.threads()[0]), ["third!"]);
    one.delete_message(&[7; 16], &[3; 16], &ANA).unwrap();
    exchange(&mut one, &mut other);
    assert!(one.threads().is_empty());
}

#[test]
fn only_own_messages_are_changed_or_deleted() {
    let (mut page, mut other) = two("one two three");
    page.add_comment([7; 16], (at(0, 4), at(0, 7)), &message(1, ANA, "first"))
        .unwrap();
    exchange(&mut page, &mut other);
    assert!(matches!(
        other.edit_message(&[7; 16], &[1; 16], &BEN, ("ha", 5)),
        Err(Error::Absent)
    ));
    assert!(matches!(
        other.delete_message(&[7; 16], &[1; 16], &BEN),
        Err(Error::Absent)
    ));
    page.edit_message(&[7; 16], &[1; 16], &ANA, ("first!", 5))
        .unwrap();
    exchange(&mut page, &mut other);
    let threads = other.threads();
    assert_eq!(
        (said(&threads[0]), threads[0].messages[0].edited),
        (vec!["first!"], Some(5))
    );

    // Somebody replies while the only message is taken away: what they say stays, where it was said.
    page.delete_message(&[7; 16], &[1; 16], &ANA).unwrap();
    assert!(page.threads().is_empty());
    assert!(matches!(
        page.reply(&[7; 16], &message(2, ANA, "x")),
        Err(Error::Absent)
    ));
    other.reply(&[7; 16], &message(3, BEN, "why?")).unwrap();
    exchange(&mut page, &mut other);
    assert_eq!(
        (said(&page.threads()[0]), about(&page, &page.threads()[0])),
        (vec!["why?"], "two".to_owned())
    );
}

#[test]
fn who_writes_as_somebody_else_shows_as_the_writer() {
    let (mut page, mut other) = two("one two three");
    page.add_comment([7; 16], (at(0, 4), at(0, 7)), &message(1, ANA, "first"))
        .unwrap();
    exchange(&mut page, &mut other);
    // A dishonest program can, in the document; whose hand it was stays.
    other
        .reply(&[7; 16], &message(2, ANA, "I never said that"))
        .unwrap();
    other
        .edit_message(&[7; 16], &[1; 16], &ANA, ("nor that", 5))
        .unwrap();
    exchange(&mut page, &mut other);
    let writers: Vec<Vec<u8>> = page.threads()[0]
        .messages
        .iter()
        .map(|message| message.writer.clone())
        .collect();
    assert_eq!(writers, [[2; 16], [2; 16]]);
}

#[test]
fn lengths_and_places_are_checked() {
    let (mut page, _) = two("one two three");
    let long = "x".repeat(LONGEST_MESSAGE + 1);
    for text in ["", " \n", &long] {
        let refused = page.add_comment([7; 16], (at(0, 0), at(0, 3)), &message(1, ANA, text));
        assert!(matches!(refused, Err(Error::Length { .. })));
    }
    for (from, to) in [
        (at(0, 3), at(0, 3)),
        (at(0, 0), at(0, 99)),
        (at(5, 0), at(6, 0)),
        (at(1, 0), at(0, 0)),
    ] {
        let refused = page.add_comment([7; 16], (from, to), &message(1, ANA, "x"));
        assert!(matches!(refused, Err(Error::Place(_))), "{from:?} {to:?}");
    }
    assert!(page.threads().is_empty());
    assert!(!page.document().is_edited());
    page.add_comment([7; 16], (at(0, 0), at(0, 3)), &message(1, ANA, "x"))
        .unwrap();
    for number in 1..MOST_MESSAGES {
        let id: MessageId = u128::try_from(number).unwrap().to_le_bytes();
        page.reply(
            &[7; 16],
            &NewMessage {
                id,
                ..message(1, ANA, "y")
            },
        )
        .unwrap();
    }
    let id: MessageId = [250; 16];
    assert!(matches!(
        page.reply(
            &[7; 16],
            &NewMessage {
                id,
                ..message(1, ANA, "y")
            }
        ),
        Err(Error::TooMuch)
    ));
}

#[test]
fn mentions_are_keys_in_the_text() {
    let text = format!(
        "Dear {}, and @{} or {}",
        mention(&BEN),
        "0".repeat(63),
        mention(&[0xab; 32]).to_uppercase()
    );
    assert_eq!(
        parts(&text),
        [Part::Text("Dear "), Part::Mention(BEN), Part::Text(&text[70..]),]
    );
    assert_eq!(parts("é@"), [Part::Text("é@")]);
    assert_eq!(parts(&mention(&ANA)), [Part::Mention(ANA)]);

    let (mut page, _) = two("one two three");
    page.add_comment([7; 16], (at(0, 0), at(0, 3)), &message(1, ANA, &text))
        .unwrap();
    page.reply(&[7; 16], &message(2, BEN, &mention(&BEN))).unwrap();
    page.commit(2);
    assert_eq!(mentions_of(page.document(), &BEN), [[1; 16]]);
    assert!(mentions_of(page.document(), &ANA).is_empty());
    page.resolve(&[7; 16], ANA).unwrap();
    assert!(mentions_of(page.document(), &BEN).is_empty());
}

#[test]
fn on_another_lane_and_in_a_page_started_anew_all_that_was_said_stands() {
    let (mut page, mut other) = two("one two three");
    page.add_comment([7; 16], (at(0, 4), at(0, 7)), &message(1, ANA, "first"))
        .unwrap();
    exchange(&mut page, &mut other);
    other.reply(&[7; 16], &message(2, BEN, "second")).unwrap();
    exchange(&mut page, &mut other);
    page.add_comment([8; 16], (at(0, 0), at(0, 3)), &message(3, ANA, "another"))
        .unwrap();
    page.resolve(&[7; 16], ANA).unwrap();
    let dead = inspect(&page.commit(3).unwrap()).unwrap().hash;

    let mut carried =
        Page::open(carry_over(&mut page.clone().into_document(), &[dead].into(), [9; 16]).unwrap()).unwrap();
    carried.commit(4);
    let same = |one: &Page, other: &Page| {
        let without_writers = |page: &Page| {
            let mut threads = page.threads();
            for thread in &mut threads {
                thread.resolved_writers.clear();
                thread
                    .messages
                    .iter_mut()
                    .for_each(|message| message.writer.clear());
            }
            threads
        };
        assert_eq!(without_writers(one), without_writers(other));
    };
    same(&carried, &page);

    let mut fresh = Page::open(anew(&mut page.clone().into_document(), [9; 16]).unwrap()).unwrap();
    let ends = redo::Ends::new();
    fresh.commit_with_note(4, redo::note(&ends));
    same(&fresh, &page);

    // What was said meanwhile in the page as it was is said in the new one.
    let noted = fresh.document().newest();
    let mut late = Page::load(&page.save().unwrap(), [5; 16]).unwrap();
    late.reply(&[7; 16], &message(4, BEN, "late")).unwrap();
    late.edit_message(&[7; 16], &[2; 16], &BEN, ("second!", 9))
        .unwrap();
    late.delete_message(&[8; 16], &[3; 16], &ANA).unwrap();
    late.add_comment([10; 16], (at(0, 8), at(0, 13)), &message(5, BEN, "late, too"))
        .unwrap();
    let missed = inspect(&late.commit(5).unwrap()).unwrap().hash;
    let change = carry_into(
        fresh.document(),
        &noted,
        &mut late.clone().into_document(),
        &[missed].into(),
        ([6; 16], 6),
        redo::note(&ends),
    )
    .unwrap();
    fresh.apply_changes(&[change]).unwrap();
    same(&fresh, &late);
}

/// What other programs, or hostile ones, put there.
#[test]
fn what_has_another_form_is_passed_over() {
    use automerge::transaction::Transactable;
    use automerge::{ActorId, AutoCommit, ObjType, ROOT};
    let (mut page, _) = two("one two three");
    page.add_comment([7; 16], (at(0, 4), at(0, 7)), &message(1, ANA, "first"))
        .unwrap();
    page.commit(2);
    let mut foreign = AutoCommit::load(&page.save().unwrap())
        .unwrap()
        .with_actor(ActorId::from([9; 16]));
    let id = |byte: &str| format!("comment:{}", byte.repeat(16));
    foreign.put(ROOT, id("0a"), "no map").unwrap();
    foreign.put_object(ROOT, id("0b"), ObjType::Map).unwrap();
    foreign.put_object(ROOT, id("0C"), ObjType::Map).unwrap();
    let thread = foreign.put_object(ROOT, id("0d"), ObjType::Map).unwrap();
    foreign.put(&thread, "resolved", true).unwrap();
    foreign.put(&thread, "quote", 5).unwrap();
    let list = foreign.put_object(&thread, "messages", ObjType::List).unwrap();
    foreign.insert(&list, 0, "text").unwrap();
    foreign.insert_object(&list, 1, ObjType::Map).unwrap();
    let said = foreign.insert_object(&list, 2, ObjType::Map).unwrap();
    foreign.put(&said, "id", "0e".repeat(16)).unwrap();
    foreign.put(&said, "author", "02".repeat(32)).unwrap();
    let text = foreign.put_object(&said, "text", ObjType::Text).unwrap();
    foreign.splice_text(&text, 0, 0, "from elsewhere").unwrap();
    foreign.commit();
    let change = foreign.get_last_local_change().unwrap().raw_bytes().to_vec();
    let remote = page.apply_changes(&[change]).unwrap();
    assert!(remote.refused.is_empty() && remote.threads_changed && remote.edits.is_empty());
    let threads = page.threads();
    assert_eq!(threads.len(), 2);
    assert_eq!(
        (threads[1].quote.as_str(), threads[1].messages[0].text.as_str()),
        ("", "from elsewhere")
    );
    page.reply(&[13; 16], &message(3, ANA, "hello")).unwrap();
    page.resolve(&[13; 16], ANA).unwrap();
    assert_eq!(page.threads()[1].resolved_by, Some(ANA));
}

/// More than can be written, put there by a hostile program, is read as far as it could be written.
#[test]
fn no_more_is_read_than_can_be_written() {
    use automerge::transaction::Transactable;
    use automerge::{ActorId, AutoCommit, ObjType, ROOT};
    let (page, _) = two("one two three");
    let mut foreign = AutoCommit::load(&page.clone().save().unwrap())
        .unwrap()
        .with_actor(ActorId::from([9; 16]));
    let hex = |number: usize| format!("{number:032x}");
    let mut thread = |number: usize, messages: usize, text: &str| {
        let thread = foreign
            .put_object(ROOT, format!("comment:{}", hex(number)), ObjType::Map)
            .unwrap();
        let list = foreign.put_object(&thread, "messages", ObjType::List).unwrap();
        for index in 0..messages {
            let said = foreign.insert_object(&list, index, ObjType::Map).unwrap();
            foreign.put(&said, "id", hex(index)).unwrap();
            foreign.put(&said, "author", "02".repeat(32)).unwrap();
            foreign.put(&said, "text", text).unwrap();
        }
    };
    for number in (2..MOST_THREADS + 10).rev() {
        thread(number, usize::from(number % 2 == 0 || number > 9), "x");
    }
    thread(1, MOST_MESSAGES + 3, "y");
    thread(0, 1, &"é".repeat(LONGEST_MESSAGE + 1));
    foreign.commit();
    let page = Page::load(&foreign.save(), [3; 16]).unwrap();
    let mut threads = page.threads();
    threads.sort_by_key(|thread| thread.id);
    assert_eq!(threads.len(), MOST_THREADS);
    assert_eq!(said(&threads[0]), ["é".repeat(LONGEST_MESSAGE)]);
    assert_eq!(threads[1].messages.len(), MOST_MESSAGES);
    // Those without a message, 3 to 9, take no room.
    let last = u128::from_be_bytes(threads[MOST_THREADS - 1].id);
    assert_eq!(last, u128::try_from(MOST_THREADS + 3).unwrap());
}

#[test]
fn only_what_is_said_counts_as_said() {
    let (mut page, mut other) = two("one two three");
    let count = |page: &mut Page, other: &mut Page| {
        exchange(page, other);
        assert_eq!(changes_to(page.document()), changes_to(other.document()));
        changes_to(page.document())
    };
    assert_eq!(count(&mut page, &mut other), 0);
    page.add_comment([7; 16], (at(0, 4), at(0, 7)), &message(1, ANA, "first"))
        .unwrap();
    assert_eq!(count(&mut page, &mut other), 1);
    other.apply(&[typed(0, 5, 0, "x")]).unwrap();
    other
        .apply(&[Edit::Split {
            block: 0,
            offset: 6,
            shape: Shape::paragraph(),
        }])
        .unwrap();
    other.set_title("A title").unwrap();
    assert_eq!(count(&mut page, &mut other), 1);
    other.reply(&[7; 16], &message(2, BEN, "second")).unwrap();
    assert_eq!(count(&mut page, &mut other), 2);
    other
        .edit_message(&[7; 16], &[2; 16], &BEN, ("second!", 9))
        .unwrap();
    assert_eq!(count(&mut page, &mut other), 3);
    page.delete_message(&[7; 16], &[1; 16], &ANA).unwrap();
    assert_eq!(count(&mut page, &mut other), 4);
    page.resolve(&[7; 16], ANA).unwrap();
    assert_eq!(count(&mut page, &mut other), 5);
    page.reopen(&[7; 16]).unwrap();
    assert_eq!(count(&mut page, &mut other), 6);

    // Whoever loads the page knows which changes say something from then on.
    let mut read = Page::load(&page.save().unwrap(), [77; 16]).unwrap();
    let loaded = changes_to(read.document());
    read.edit_message(&[7; 16], &[2; 16], &BEN, ("second?", 10))
        .unwrap();
    read.commit(10);
    assert_eq!(changes_to(read.document()), loaded + 1);
    read.apply(&[typed(0, 0, 0, "y")]).unwrap();
    read.commit(11);
    assert_eq!(changes_to(read.document()), loaded + 1);
}

// Random edits and comments

#[derive(Clone, Debug)]
enum Wish {
    Type(usize, usize, &'static str),
    Delete(usize, usize, usize),
    Split(usize, usize),
    Join(usize),
    Replace(usize, usize),
    Strong(usize, usize, usize),
    Comment((usize, usize), (usize, usize)),
    Reply(usize),
    Resolve(usize),
    Reopen(usize),
    Edit(usize, usize),
    Take(usize, usize),
    Suggest((usize, usize), usize, &'static str),
    Accept(usize),
    Repair,
}

fn wish() -> impl Strategy<Value = Wish> {
    let n = || 0..1000_usize;
    prop_oneof![
        4 => (n(), n(), prop_oneof![Just("a"), Just("bc "), Just("😀é")]).prop_map(|(block, at, text)| Wish::Type(block, at, text)),
        3 => (n(), n(), n()).prop_map(|(block, from, to)| Wish::Delete(block, from, to)),
        2 => (n(), n()).prop_map(|(block, at)| Wish::Split(block, at)),
        1 => n().prop_map(Wish::Join),
        1 => (n(), n()).prop_map(|(from, to)| Wish::Replace(from, to)),
        1 => (n(), n(), n()).prop_map(|(block, from, to)| Wish::Strong(block, from, to)),
        4 => ((n(), n()), (n(), n())).prop_map(|(from, to)| Wish::Comment(from, to)),
        2 => n().prop_map(Wish::Reply),
        1 => n().prop_map(Wish::Resolve),
        1 => n().prop_map(Wish::Reopen),
        1 => (n(), n()).prop_map(|(thread, message)| Wish::Edit(thread, message)),
        1 => (n(), n()).prop_map(|(thread, message)| Wish::Take(thread, message)),
        3 => ((n(), n()), n(), prop_oneof![Just(""), Just("So"), Just("w😀")]).prop_map(|(from, to, text)| Wish::Suggest(from, to, text)),
        2 => n().prop_map(Wish::Accept),
        1 => Just(Wish::Repair),
    ]
}

struct Replica {
    page: Page,
    me: [u8; 32],
    shown: Vec<Block>,
    outbox: Vec<Vec<u8>>,
    count: u64,
}

impl Replica {
    fn new(number: u8, founding: &[u8]) -> Replica {
        let page = Page::load(founding, [number; 16]).unwrap();
        let shown = page.blocks().to_vec();
        Replica {
            page,
            me: [number; 32],
            shown,
            outbox: Vec::new(),
            count: 0,
        }
    }

    fn fresh_id(&mut self) -> [u8; 16] {
        self.count += 1;
        let mut id = [self.me[0]; 16];
        id[8..].copy_from_slice(&self.count.to_le_bytes());
        id
    }

    /// An offset into a block that is between two characters.
    fn offset(&self, block: usize, n: usize) -> usize {
        let text = self.shown[block].text();
        let mut offsets = vec![0];
        offsets.extend(text.chars().scan(0, |at, letter| {
            *at += letter.len_utf16();
            Some(*at)
        }));
        offsets[n % offsets.len()]
    }

    fn point(&self, (block, n): (usize, usize)) -> (usize, usize) {
        let block = block % self.shown.len();
        (block, self.offset(block, n))
    }

    fn edit(&mut self, edit: Edit) {
        apply_to_blocks(&mut self.shown, &edit).unwrap();
        self.page.apply(&[edit]).unwrap();
        assert_eq!(self.page.blocks(), self.shown);
    }

    fn thread(&self, n: usize) -> Option<ThreadId> {
        let threads = self.page.threads();
        (!threads.is_empty()).then(|| threads[n % threads.len()].id)
    }

    fn own(&self, n: usize, m: usize) -> Option<(ThreadId, MessageId)> {
        let thread = self.thread(n)?;
        let threads = self.page.threads();
        let thread = threads.iter().find(|other| other.id == thread)?;
        let own: Vec<MessageId> = thread
            .messages
            .iter()
            .filter(|message| message.author == self.me)
            .map(|message| message.id)
            .collect();
        (!own.is_empty()).then(|| (thread.id, own[m % own.len()]))
    }

    /// The marks that the editor gives to what is typed inside of commented text.
    fn marks_at(&self, block: usize, offset: usize) -> Marks {
        let mut end = 0;
        for run in &self.shown[block].runs {
            let begin = end;
            end += run.text.encode_utf16().count();
            if begin < offset && offset < end {
                return run.marks.clone();
            }
        }
        Marks::new()
    }

    fn act(&mut self, wish: &Wish) {
        let blocks = self.shown.len();
        match wish {
            Wish::Type(block, n, text) => {
                let (block, offset) = self.point((*block, *n));
                let run = Run {
                    text: (*text).to_owned(),
                    marks: self.marks_at(block, offset),
                };
                self.edit(Edit::Text {
                    block,
                    offset,
                    delete: 0,
                    insert: vec![run],
                });
            }
            Wish::Delete(block, from, to) => {
                let (block, from) = self.point((*block, *from));
                let to = self.offset(block, *to);
                self.edit(typed(block, from.min(to), from.abs_diff(to), ""));
            }
            Wish::Split(block, n) => {
                let (block, offset) = self.point((*block, *n));
                self.edit(Edit::Split {
                    block,
                    offset,
                    shape: Shape::paragraph(),
                });
            }
            Wish::Join(block) if block % blocks > 0 => self.edit(Edit::Join {
                block: block % blocks,
            }),
            Wish::Join(_) => {}
            Wish::Replace(from, to) => {
                let (from, to) = ((from % blocks).min(to % blocks), (from % blocks).max(to % blocks));
                let mut blocks = self.shown[from..=to].to_vec();
                blocks.reverse();
                self.edit(Edit::Blocks {
                    from,
                    count: blocks.len(),
                    blocks,
                });
            }
            Wish::Strong(block, from, to) => {
                let (block, from) = self.point((*block, *from));
                let to = self.offset(block, *to);
                let (from, to) = (from.min(to), from.max(to));
                self.edit(Edit::Mark {
                    block,
                    from,
                    to,
                    name: "strong".to_owned(),
                    value: Value::Boolean(true),
                });
            }
            Wish::Comment(one, other) => {
                let (one, other) = (self.point(*one), self.point(*other));
                let (from, to) = (one.min(other), one.max(other));
                let (id, message_id, author) = (self.fresh_id(), self.fresh_id(), self.me);
                let message = NewMessage {
                    id: message_id,
                    author,
                    at: 5,
                    text: "a comment",
                };
                match self
                    .page
                    .add_comment(id, (at(from.0, from.1), at(to.0, to.1)), &message)
                {
                    Ok(edits) => edits
                        .iter()
                        .for_each(|edit| apply_to_blocks(&mut self.shown, edit).unwrap()),
                    Err(error) => assert!(matches!(error, Error::Place(_)), "{error}"),
                }
            }
            Wish::Suggest(one, other, proposes) => {
                let (block, one) = self.point(*one);
                let other = self.offset(block, *other);
                let (from, to) = (one.min(other), one.max(other));
                let (id, message_id, author) = (self.fresh_id(), self.fresh_id(), self.me);
                let message = NewMessage {
                    id: message_id,
                    author,
                    at: 5,
                    text: "",
                };
                let units: Vec<u16> = self.shown[block].text().encode_utf16().collect();
                let proposal = NewProposal {
                    replaces: &String::from_utf16(&units[from..to]).unwrap(),
                    proposes,
                };
                match self
                    .page
                    .suggest(id, (at(block, from), at(block, to)), &message, &proposal)
                {
                    Ok(edits) => edits
                        .iter()
                        .for_each(|edit| apply_to_blocks(&mut self.shown, edit).unwrap()),
                    Err(error) => assert!(matches!(error, Error::Place(_) | Error::Form(_)), "{error}"),
                }
            }
            Wish::Accept(n) => {
                if let Some(thread) = self.thread(*n)
                    && let Ok(edits) = self.page.edits_to_accept(&thread)
                {
                    edits.into_iter().for_each(|edit| self.edit(edit));
                    self.page.accept(&thread, self.me).unwrap();
                    let threads = self.page.threads();
                    let accepted = threads.iter().find(|other| other.id == thread).unwrap();
                    assert_eq!(accepted.resolved_by, Some(self.me));
                    // Pieces that were torn apart are not put together.
                    let suggestion = accepted.suggestion.as_ref().unwrap();
                    assert!(accepted.anchors.len() > 1 || suggestion.present == Present::Done);
                }
            }
            Wish::Repair => {
                while let Some((thread, edits)) = self.page.accepted_apart(&self.page.comments()) {
                    edits.into_iter().for_each(|edit| self.edit(edit));
                    self.page.note_once(&thread).unwrap();
                }
            }
            Wish::Reply(n) => {
                if let Some(thread) = self.thread(*n) {
                    let (id, author) = (self.fresh_id(), self.me);
                    self.page
                        .reply(
                            &thread,
                            &NewMessage {
                                id,
                                author,
                                at: 6,
                                text: "a reply",
                            },
                        )
                        .unwrap();
                }
            }
            Wish::Resolve(n) => {
                if let Some(thread) = self.thread(*n) {
                    self.page.resolve(&thread, self.me).unwrap();
                }
            }
            Wish::Reopen(n) => {
                if let Some(thread) = self.thread(*n) {
                    self.page.reopen(&thread).unwrap();
                }
            }
            Wish::Edit(n, m) => {
                if let Some((thread, message)) = self.own(*n, *m) {
                    self.page
                        .edit_message(&thread, &message, &self.me, ("changed", 7))
                        .unwrap();
                }
            }
            Wish::Take(n, m) => {
                if let Some((thread, message)) = self.own(*n, *m) {
                    self.page.delete_message(&thread, &message, &self.me).unwrap();
                }
            }
        }
        assert_eq!(self.page.blocks(), self.shown);
    }

    fn commit(&mut self) {
        self.outbox.extend(self.page.commit(1));
        let read = Page::load(&self.page.save().unwrap(), [99; 16]).unwrap();
        assert_eq!(read.threads(), self.page.threads());
        assert_eq!(read.blocks(), self.shown);
    }

    fn receive(&mut self, changes: &[Vec<u8>]) {
        self.commit();
        let before = self.page.threads();
        let remote: Remote = self.page.apply_changes(changes).unwrap();
        assert!(remote.refused.is_empty(), "{:?}", remote.refused);
        remote
            .edits
            .iter()
            .for_each(|edit| apply_to_blocks(&mut self.shown, edit).unwrap());
        let said = |threads: Vec<Thread>| {
            let mut said: Vec<_> = threads
                .into_iter()
                .map(|thread| {
                    (
                        thread.id,
                        thread.messages,
                        thread.resolved_by,
                        thread.suggestion.map(|of| of.accepted),
                    )
                })
                .collect();
            said.sort_by_key(|(id, ..)| *id);
            said
        };
        assert!(remote.threads_changed || said(before) == said(self.page.threads()));
        self.commit();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Act(usize, Wish),
    Deliver(usize, usize),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn replicas_converge_on_what_is_said_and_where(
        steps in prop::collection::vec(prop_oneof![
            5 => (0..3_usize, wish()).prop_map(|(replica, wish)| Step::Act(replica, wish)),
            1 => (0..3_usize, 0..3_usize).prop_map(|(from, to)| Step::Deliver(from, to)),
        ], 1..40)
    ) {
        let (mut page, _) = two("Some words of a page");
        let founding = page.save().unwrap();
        let mut replicas: Vec<Replica> = (2..5).map(|number| Replica::new(number, &founding)).collect();
        for step in &steps {
            match step {
                Step::Act(replica, wish) => replicas[*replica].act(wish),
                Step::Deliver(from, to) => {
                    replicas[*from].commit();
                    let changes = replicas[*from].outbox.clone();
                    replicas[*to].receive(&changes);
                }
            }
        }
        replicas.iter_mut().for_each(Replica::commit);
        let all: Vec<Vec<u8>> = replicas.iter().flat_map(|replica| replica.outbox.clone()).collect();
        replicas.iter_mut().for_each(|replica| replica.receive(&all));
        for other in &replicas[1..] {
            prop_assert_eq!(&replicas[0].shown, &other.shown);
            prop_assert_eq!(replicas[0].page.threads(), other.page.threads());
        }
    }
}
