//! Suggestions on several replicas: the text is what somebody accepted, once, whoever else accepted it meanwhile.

use documents::page::comments::{LONGEST_PROPOSAL, NewProposal, Present, Suggestion};
use documents::page::export::Pictures;
use documents::page::history::Fate;

use super::*;

/// Suggests another text for a word of the first block.
fn suggest(page: &mut Page, thread: u8, word: &str, proposes: &str) {
    let text = page.blocks()[0].text();
    let from = text[..text.find(word).unwrap()].encode_utf16().count();
    let to = from + word.encode_utf16().count();
    let proposal = NewProposal {
        replaces: word,
        proposes,
    };
    let edits = page
        .suggest(
            [thread; 16],
            (at(0, from), at(0, to)),
            &message(thread, ANA, ""),
            &proposal,
        )
        .unwrap();
    assert_eq!(edits.len(), 1);
}

/// As the program does it: the edits, and what is said of them, in one change.
fn accept(page: &mut Page, thread: u8, by: [u8; 32]) -> Vec<Edit> {
    let edits = page.edits_to_accept(&[thread; 16]).unwrap();
    page.apply(&edits).unwrap();
    page.accept(&[thread; 16], by).unwrap();
    edits
}

/// As the program does it when something arrived. Whether there was anything to do.
fn repair(page: &mut Page) -> bool {
    let mut repaired = false;
    while let Some((thread, edits)) = page.accepted_apart(&page.comments()) {
        page.apply(&edits).unwrap();
        page.note_once(&thread).unwrap();
        repaired = true;
    }
    repaired
}

fn suggestion(page: &Page) -> Suggestion {
    page.threads()[0].suggestion.clone().unwrap()
}

fn text(page: &Page) -> String {
    let texts: Vec<String> = page.blocks().iter().map(Block::text).collect();
    texts.join("|")
}

#[test]
fn a_suggestion_is_no_text_until_it_is_accepted() {
    let (mut page, mut other) = two("The cold river flows.");
    let before = page.clone().document().newest();
    suggest(&mut page, 7, "cold", "chilly");
    exchange(&mut page, &mut other);
    assert_eq!(text(&other), "The cold river flows.");
    let threads = other.threads();
    assert_eq!((said(&threads[0]), threads[0].resolved_by), (vec![""], None));
    assert_eq!(
        suggestion(&other),
        Suggestion {
            author: ANA,
            replaces: "cold".to_owned(),
            proposes: "chilly".to_owned(),
            present: Present::Same,
            accepted: false,
        }
    );
    // No version and no file tells of it.
    let now = page.document().newest();
    let compared = page.compare(&before, &now).unwrap();
    let pieces = compared.iter().flat_map(|block| &block.pieces);
    assert!(pieces.into_iter().all(|piece| piece.fate == Fate::Same));
    let none = Pictures::new();
    for file in [page.to_markdown(&none), page.to_html("en", &|_, _| None, &none)] {
        assert!(file.contains("cold") && !file.contains("chilly"), "{file}");
    }

    accept(&mut other, 7, BEN);
    exchange(&mut page, &mut other);
    assert_eq!(text(&page), "The chilly river flows.");
    assert_eq!(page.threads()[0].resolved_by, Some(BEN));
    assert!(suggestion(&page).accepted);
    assert_eq!(suggestion(&page).present, Present::Done);

    page.reopen(&[7; 16]).unwrap();
    exchange(&mut page, &mut other);
    assert_eq!(
        (other.threads()[0].resolved_by, suggestion(&other).accepted),
        (None, false)
    );
    other.resolve(&[7; 16], BEN).unwrap();
    exchange(&mut page, &mut other);
    assert_eq!(
        (page.threads()[0].resolved_by, suggestion(&page).accepted),
        (Some(BEN), false)
    );
}

#[test]
fn accepting_changes_as_little_as_can_be() {
    let strong: Marks = [("strong".to_owned(), Value::Boolean(true))].into();
    for (word, proposes, delete, insert) in [
        ("colour", "color", 1, ""),
        ("colour", "colours", 0, "s"),
        ("colour", "my colour", 0, "my "),
        ("colour", "taste", 6, "taste"),
        ("colour", "", 6, ""),
        ("😀", "😁", 2, "😁"),
    ] {
        let (mut page, _) = two("Its colour 😀 fades.");
        let length = page.blocks()[0].length();
        page.apply(&[Edit::Mark {
            block: 0,
            from: 4,
            to: length,
            name: "strong".to_owned(),
            value: Value::Boolean(true),
        }])
        .unwrap();
        suggest(&mut page, 7, word, proposes);
        let edits = accept(&mut page, 7, BEN);
        let [
            Edit::Text {
                delete: deleted,
                insert: inserted,
                ..
            },
        ] = edits.as_slice()
        else {
            panic!("{edits:?}");
        };
        let inserted_text: String = inserted.iter().map(|run| run.text.as_str()).collect();
        assert_eq!((*deleted, inserted_text.as_str()), (delete, insert));
        // What comes has the marks of what it replaces, the thread's with them.
        assert!(
            inserted
                .iter()
                .all(|run| strong.iter().all(|mark| run.marks.get(mark.0) == Some(mark.1)))
        );
        assert_eq!(text(&page), "Its colour 😀 fades.".replace(word, proposes));
        assert_eq!(suggestion(&page).present, Present::Done);
        if !proposes.is_empty() {
            assert_eq!(about(&page, &page.threads()[0]), proposes);
        }
    }
}

#[test]
fn what_stands_there_by_now_is_replaced() {
    let (mut page, mut other) = two("The cold river flows.");
    suggest(&mut page, 7, "cold river", "brook");
    exchange(&mut page, &mut other);
    let inside = Run {
        text: "brown ".to_owned(),
        marks: [(format!("comment:{}", "07".repeat(16)), Value::Boolean(true))].into(),
    };
    other
        .apply(&[Edit::Text {
            block: 0,
            offset: 9,
            delete: 0,
            insert: vec![inside],
        }])
        .unwrap();
    exchange(&mut page, &mut other);
    assert_eq!(
        suggestion(&page).present,
        Present::Changed("cold brown river".to_owned())
    );
    accept(&mut page, 7, ANA);
    assert_eq!(text(&page), "The brook flows.");

    // Torn into two blocks.
    other
        .apply(&[Edit::Split {
            block: 0,
            offset: 9,
            shape: Shape::paragraph(),
        }])
        .unwrap();
    assert_eq!(
        suggestion(&other).present,
        Present::Changed("cold  brown river".to_owned())
    );
    accept(&mut other, 7, BEN);
    assert_eq!(text(&other), "The brook| flows.");

    // Gone: there is nothing to put it to.
    let (mut page, _) = two("The cold river flows.");
    suggest(&mut page, 7, "cold", "chilly");
    page.apply(&[typed(0, 4, 5, "")]).unwrap();
    assert_eq!(suggestion(&page).present, Present::Gone);
    assert!(matches!(page.edits_to_accept(&[7; 16]), Err(Error::Absent)));
    page.resolve(&[7; 16], ANA).unwrap();
    assert_eq!(page.threads()[0].resolved_by, Some(ANA));
}

#[test]
fn what_two_accept_at_once_stands_there_once() {
    for (word, proposes, put, apart) in [
        ("cold", "chilly", "hilly", "The chillyhilly river flows."),
        ("cold", "warm", "warm", "The warmwarm river flows."),
        ("cold", "colds", "s", "The coldss river flows."),
        ("cold", "cld", "", "The cld river flows."),
        ("cold", "", "", "The  river flows."),
        ("cold", "very cold", "very ", "The very very cold river flows."),
        ("flows.", "flows. So.", " So.", "The cold river flows. So. So."),
    ] {
        let (mut page, mut other) = two("The cold river flows.");
        suggest(&mut page, 7, word, proposes);
        exchange(&mut page, &mut other);
        accept(&mut page, 7, ANA);
        accept(&mut other, 7, BEN);
        exchange(&mut page, &mut other);
        assert_eq!(text(&page), apart, "{word} {proposes}");
        let right = "The cold river flows.".replace(word, proposes);
        // Both do the same, and one alone is enough.
        let mut third = Page::load(&page.save().unwrap(), [3; 16]).unwrap();
        assert_eq!(repair(&mut page), apart != right);
        assert_eq!(repair(&mut other), apart != right);
        exchange(&mut page, &mut other);
        assert_eq!(text(&page), right);
        repair(&mut third);
        assert_eq!(text(&third), right);
        assert!(!repair(&mut page) && !repair(&mut third));
        assert!(page.threads()[0].resolved_by.is_some() && suggestion(&page).accepted);

        // What somebody writes twice on purpose stays.
        if apart != right {
            let thread = page.threads()[0].clone();
            let end = thread.anchors[0].to;
            let marks = [(format!("comment:{}", "07".repeat(16)), Value::Boolean(true))].into();
            let again = Run {
                text: put.to_owned(),
                marks,
            };
            let offset = end - proposes.len() + proposes.find(put).unwrap() + put.len();
            page.apply(&[Edit::Text {
                block: 0,
                offset,
                delete: 0,
                insert: vec![again],
            }])
            .unwrap();
            assert_eq!(text(&page), apart);
            assert!(!repair(&mut page));
        }
    }
}

#[test]
fn a_third_who_accepted_it_later_is_noticed_too() {
    let (mut page, mut other) = two("The cold river flows.");
    suggest(&mut page, 7, "cold", "chilly");
    exchange(&mut page, &mut other);
    let mut third = Page::load(&page.save().unwrap(), [3; 16]).unwrap();
    accept(&mut page, 7, ANA);
    accept(&mut other, 7, BEN);
    accept(&mut third, 7, BEN);
    exchange(&mut page, &mut other);
    assert!(repair(&mut page) && repair(&mut other));
    exchange(&mut page, &mut other);
    exchange(&mut page, &mut third);
    assert_eq!(text(&page), "The chillyhilly river flows.");
    assert!(repair(&mut page));
    exchange(&mut page, &mut third);
    exchange(&mut page, &mut other);
    assert_eq!(text(&other), "The chilly river flows.");
    assert!(!repair(&mut other) && !repair(&mut third));
}

/// Three accept it apart, and meet in every order, two at a time; after each of the first two meetings none of the two, one, or
/// both put it right.
#[test]
fn what_three_accept_apart_stands_there_once() {
    let meetings = [(0, 1), (0, 2), (1, 2)];
    let who_repairs: [&[usize]; 3] = [&[], &[0], &[0, 1]];
    for (word, proposes) in [
        ("cold", "chilly"),
        ("cold", "very cold"),
        ("", "so "),
        ("cold", ""),
    ] {
        let right = match word {
            "" => "The so cold river flows.".to_owned(),
            _ => "The cold river flows.".replace(word, proposes),
        };
        let (mut page, _) = two("The cold river flows.");
        match word {
            "" => insert(&mut page, 7, at(0, 4), proposes),
            _ => suggest(&mut page, 7, word, proposes),
        }
        page.commit(2);
        let saved = page.save().unwrap();
        let accepted = [(1, ANA), (2, BEN), (3, ANA)].map(|(number, by)| {
            let mut page = Page::load(&saved, [number; 16]).unwrap();
            accept(&mut page, 7, by);
            page.commit(2);
            page
        });
        let steps: Vec<_> = meetings
            .iter()
            .flat_map(|two| who_repairs.map(|repairing| (*two, repairing)))
            .collect();
        for first in &steps {
            for second in &steps {
                let mut pages = accepted.clone();
                for ((one, other), repairing) in [first, second] {
                    let [one, other] = pages.get_disjoint_mut([*one, *other]).unwrap();
                    exchange(one, other);
                    for who in *repairing {
                        repair([&mut *one, &mut *other][*who]);
                    }
                }
                // All meet, until nobody has anything to put right.
                for round in 0.. {
                    for (one, other) in [(0, 1), (1, 2), (0, 1)] {
                        let [one, other] = pages.get_disjoint_mut([one, other]).unwrap();
                        exchange(one, other);
                    }
                    if pages.each_mut().map(repair) == [false; 3] {
                        break;
                    }
                    assert!(
                        round < 3,
                        "{word} {proposes}: it has no end after {first:?} {second:?}"
                    );
                }
                for page in &pages {
                    assert_eq!(text(page), right, "after {first:?} {second:?}");
                    assert!(suggestion(page).accepted);
                }
            }
        }
    }
}

#[test]
fn who_accepts_counts_more_than_who_rejects_meanwhile() {
    for accepts_first in [true, false] {
        let (mut page, mut other) = two("The cold river flows.");
        suggest(&mut page, 7, "cold", "chilly");
        exchange(&mut page, &mut other);
        let (one, two) = if accepts_first {
            (&mut page, &mut other)
        } else {
            (&mut other, &mut page)
        };
        accept(one, 7, ANA);
        two.resolve(&[7; 16], BEN).unwrap();
        exchange(&mut page, &mut other);
        assert_eq!(text(&page), "The chilly river flows.");
        assert_eq!(
            (page.threads()[0].resolved_by, suggestion(&page).accepted),
            (Some(ANA), true)
        );
        assert!(!repair(&mut page));
    }
}

#[test]
fn a_suggestion_goes_with_its_message() {
    let (mut page, mut other) = two("The cold river flows.");
    suggest(&mut page, 7, "cold", "chilly");
    exchange(&mut page, &mut other);
    other.reply(&[7; 16], &message(2, BEN, "Why?")).unwrap();
    page.delete_message(&[7; 16], &[7; 16], &ANA).unwrap();
    exchange(&mut page, &mut other);
    assert_eq!(said(&page.threads()[0]), ["Why?"]);
    assert_eq!(page.threads()[0].suggestion, None);
    assert!(matches!(page.edits_to_accept(&[7; 16]), Err(Error::Absent)));
    assert!(matches!(page.accept(&[7; 16], ANA), Err(Error::Absent)));
}

#[test]
fn several_that_two_accept_apart_in_one_block_are_put_right_each_for_itself() {
    let (mut page, mut other) = two("aa bb cc");
    suggest(&mut page, 7, "aa", "xx");
    suggest(&mut page, 8, "bb", "yy");
    exchange(&mut page, &mut other);
    for (page, by) in [(&mut page, ANA), (&mut other, BEN)] {
        accept(page, 7, by);
        accept(page, 8, by);
    }
    exchange(&mut page, &mut other);
    assert_eq!(text(&page), "xxxx yyyy cc");
    assert!(repair(&mut page));
    assert!(repair(&mut other));
    exchange(&mut page, &mut other);
    assert_eq!(
        (text(&page).as_str(), text(&other).as_str()),
        ("xx yy cc", "xx yy cc")
    );
    assert!(!repair(&mut page));
}

/// Suggests some text at a place where none is selected.
fn insert(page: &mut Page, thread: u8, place: Point, proposes: &str) {
    let proposal = NewProposal {
        replaces: "",
        proposes,
    };
    let edits = page
        .suggest([thread; 16], (place, place), &message(thread, ANA, ""), &proposal)
        .unwrap();
    assert_eq!(edits, []);
}

fn split(block: usize, offset: usize) -> Edit {
    Edit::Split {
        block,
        offset,
        shape: Shape::paragraph(),
    }
}

/// Where something is to be inserted.
fn place_of(page: &Page) -> Option<(usize, usize)> {
    let stretch = page.threads()[0].anchors.first().copied()?;
    assert_eq!(stretch.from, stretch.to);
    Some((stretch.block, stretch.from))
}

#[test]
fn what_is_suggested_where_no_text_is_comes_there_once() {
    let strong: Marks = [("strong".to_owned(), Value::Boolean(true))].into();
    let (mut page, mut other) = two("The 🌊 river.");
    page.apply(&[
        Edit::Mark {
            block: 0,
            from: 4,
            to: 6,
            name: "strong".to_owned(),
            value: Value::Boolean(true),
        },
        split(0, 13),
        split(1, 0),
    ])
    .unwrap();
    exchange(&mut page, &mut other);
    insert(&mut page, 7, at(0, 6), " cold");
    insert(&mut page, 8, at(1, 0), "It flows.");
    exchange(&mut page, &mut other);
    assert_eq!(text(&other), "The 🌊 river.||");
    assert_eq!(place_of(&other), Some((0, 6)));
    assert_eq!(suggestion(&other).present, Present::Same);
    assert_eq!(other.threads()[0].quote, "");

    // Both accept both, apart.
    for (page, by) in [(&mut page, ANA), (&mut other, BEN)] {
        accept(page, 7, by);
        accept(page, 8, by);
    }
    exchange(&mut page, &mut other);
    assert_eq!(text(&page), "The 🌊 cold cold river.|It flows.It flows.|");
    assert!(repair(&mut page) && repair(&mut other));
    exchange(&mut page, &mut other);
    assert_eq!(text(&other), "The 🌊 cold river.|It flows.|");
    assert!(!repair(&mut page));
    assert_eq!(suggestion(&page).present, Present::Done);
    assert_eq!(about(&page, &page.threads()[0]), " cold");
    // As if it had been typed there.
    let runs = &page.blocks()[0].runs;
    let cold = runs.iter().find(|run| run.text.contains("cold")).unwrap();
    assert!(strong.iter().all(|mark| cold.marks.get(mark.0) == Some(mark.1)));

    // Taken back: it is where it was.
    page.apply(&[typed(0, 6, 5, "")]).unwrap();
    assert_eq!(place_of(&page), Some((0, 6)));
    assert_eq!(suggestion(&page).present, Present::Same);
}

#[test]
fn the_place_of_what_is_suggested_stays_with_the_text_around_it() {
    let begun = || {
        let (mut page, mut other) = two("one two");
        page.apply(&[split(0, 7), split(1, 0)]).unwrap();
        insert(&mut page, 7, at(0, 4), "and ");
        exchange(&mut page, &mut other);
        (page, other)
    };
    let block_gone = Edit::Blocks {
        from: 0,
        count: 1,
        blocks: Vec::new(),
    };
    for (edits, expected) in [
        (vec![typed(0, 0, 0, "Now ")], Some((0, 8))),
        (vec![typed(0, 4, 0, "there ")], Some((0, 4))),
        (vec![typed(0, 3, 1, "")], Some((0, 3))),
        (vec![typed(0, 2, 5, "")], Some((0, 2))),
        (vec![split(0, 2)], Some((1, 2))),
        (vec![split(0, 4)], Some((0, 4))),
        (vec![block_gone], None),
        (vec![typed(0, 3, 1, ""), split(0, 2)], None),
    ] {
        let (mut page, mut other) = begun();
        other.apply(&edits).unwrap();
        exchange(&mut page, &mut other);
        assert_eq!(place_of(&page), expected, "{edits:?}");
        let present = if expected.is_some() {
            Present::Same
        } else {
            Present::Gone
        };
        assert_eq!(suggestion(&page).present, present);
    }
    // An empty block that is joined to the one before is gone with its marker.
    let (mut page, mut other) = two("one");
    page.apply(&[split(0, 3)]).unwrap();
    insert(&mut page, 7, at(1, 0), "two");
    exchange(&mut page, &mut other);
    assert_eq!(place_of(&page), Some((1, 0)));
    other.apply(&[Edit::Join { block: 1 }]).unwrap();
    exchange(&mut page, &mut other);
    assert_eq!(place_of(&page), None);
    assert!(matches!(page.edits_to_accept(&[7; 16]), Err(Error::Absent)));
}

#[test]
fn what_is_rejected_has_a_place_again_when_it_is_opened_again() {
    let (mut page, _) = two("one two");
    insert(&mut page, 7, at(0, 4), "and ");
    page.resolve(&[7; 16], BEN).unwrap();
    assert_eq!(place_of(&page), None);
    page.reopen(&[7; 16]).unwrap();
    assert_eq!(place_of(&page), Some((0, 4)));
    assert_eq!(suggestion(&page).present, Present::Same);
}

/// What hostile programs put there.
#[test]
fn a_place_in_text_that_no_block_begins_keeps_nobody_from_starting_anew() {
    use automerge::transaction::Transactable;
    use automerge::{ActorId, AutoCommit, ROOT, ReadDoc};
    let (mut page, _) = two("one two");
    insert(&mut page, 7, at(0, 4), "and ");
    page.commit(2);
    let mut foreign = AutoCommit::load(&page.save().unwrap())
        .unwrap()
        .with_actor(ActorId::from([9; 16]));
    let (_, body) = foreign.get(ROOT, "text").unwrap().unwrap();
    foreign.splice_text(&body, 0, 1, "").unwrap();
    foreign.commit();
    let page = Page::load(&foreign.save(), [3; 16]).unwrap();
    assert_eq!(text(&page), "one two");
    assert_eq!(place_of(&page), Some((0, 4)));

    let mut old = page.into_document();
    let mut fresh = Page::open(anew(&mut old, [8; 16]).unwrap()).unwrap();
    fresh.commit_with_note(4, redo::note(&redo::Ends::new()));
    assert_eq!(suggestion(&fresh).proposes, "and ");
    assert_eq!(text(&fresh), "one two");
}

#[test]
fn the_place_of_what_is_suggested_comes_along() {
    let (mut page, _) = two("one two");
    page.apply(&[split(0, 7)]).unwrap();
    page.commit(2);
    insert(&mut page, 7, at(0, 4), "and ");
    let dead = inspect(&page.commit(3).unwrap()).unwrap().hash;
    let mut old = page.clone().into_document();
    let mut carried = Page::open(carry_over(&mut old, &[dead].into(), [9; 16]).unwrap()).unwrap();
    carried.commit(4);
    assert_eq!(place_of(&carried), Some((0, 4)));

    let mut fresh = Page::open(anew(&mut old, [8; 16]).unwrap()).unwrap();
    fresh.commit_with_note(4, redo::note(&redo::Ends::new()));
    assert_eq!(place_of(&fresh), Some((0, 4)));
    accept(&mut fresh, 7, BEN);
    assert_eq!(text(&fresh), "one and two|");

    // What was suggested meanwhile, behind what others have written there since.
    let mut fresh = Page::open(anew(&mut old, [8; 16]).unwrap()).unwrap();
    fresh.commit_with_note(4, redo::note(&redo::Ends::new()));
    let noted = fresh.document().newest();
    let mut late = Page::load(&page.save().unwrap(), [5; 16]).unwrap();
    insert(&mut late, 10, at(1, 0), "three");
    let missed = inspect(&late.commit(5).unwrap()).unwrap().hash;
    let mut late = late.into_document();
    let change = carry_into(
        fresh.document(),
        &noted,
        &mut late,
        &[missed].into(),
        ([6; 16], 6),
        redo::note(&redo::Ends::new()),
    );
    fresh.apply(&[typed(0, 0, 0, "Now ")]).unwrap();
    fresh.commit(7);
    fresh.apply_changes(&[change.unwrap()]).unwrap();
    accept(&mut fresh, 10, BEN);
    accept(&mut fresh, 7, BEN);
    assert_eq!(text(&fresh), "Now one and two|three");
}

#[test]
fn who_wrote_that_somebody_accepted_is_told() {
    use automerge::transaction::Transactable;
    use automerge::{ActorId, AutoCommit, ROOT, ReadDoc};
    let (mut page, mut other) = two("The cold river flows.");
    suggest(&mut page, 7, "cold", "chilly");
    exchange(&mut page, &mut other);
    assert_eq!(page.threads()[0].resolved_writers, Vec::<Vec<u8>>::new());
    accept(&mut page, 7, ANA);
    accept(&mut other, 7, BEN);
    exchange(&mut page, &mut other);
    // Whoever settles it says nothing of who accepted it.
    let mut third = Page::load(&page.save().unwrap(), [3; 16]).unwrap();
    assert!(repair(&mut third));
    exchange(&mut page, &mut third);
    let thread = page.threads().remove(0);
    let hand = if thread.resolved_by == Some(ANA) { 1 } else { 2 };
    assert_eq!(thread.resolved_writers, [vec![hand; 16]]);

    // Who says so of another, or makes an acceptance of another's rejection.
    for makes_another in [true, false] {
        let (mut page, _) = two("The cold river flows.");
        suggest(&mut page, 7, "cold", "chilly");
        page.resolve(&[7; 16], ANA).unwrap();
        page.commit(2);
        let mut foreign = AutoCommit::load(&page.save().unwrap()).unwrap();
        foreign.set_actor(ActorId::from([9; 16]));
        let name = format!("comment:{}", "07".repeat(16));
        let (_, thread) = foreign.get(ROOT, name).unwrap().unwrap();
        let (_, note) = foreign.get(&thread, "resolved").unwrap().unwrap();
        if makes_another {
            foreign.put(&note, "by", "02".repeat(32)).unwrap();
        } else {
            foreign.put(&note, "accepted", true).unwrap();
        }
        foreign.commit();
        let page = Page::load(&foreign.save(), [3; 16]).unwrap();
        assert!(page.threads()[0].resolved_writers.contains(&vec![9; 16]));
    }
}

#[test]
fn suggestions_are_checked() {
    let (mut page, _) = two("one two three");
    page.apply(&[Edit::Split {
        block: 0,
        offset: 7,
        shape: Shape::paragraph(),
    }])
    .unwrap();
    page.commit(2);
    let long = "x".repeat(LONGEST_PROPOSAL + 1);
    let mut refused = |from, to, replaces: &str, proposes: &str| {
        let proposal = NewProposal { replaces, proposes };
        page.suggest([7; 16], (from, to), &message(1, ANA, ""), &proposal)
            .unwrap_err()
    };
    assert!(matches!(refused(at(0, 0), at(1, 2), "one", "1"), Error::Place(_)));
    assert!(matches!(refused(at(0, 3), at(0, 3), "one", "1"), Error::Place(_)));
    assert!(matches!(refused(at(0, 99), at(0, 99), "", "1"), Error::Place(_)));
    assert!(matches!(refused(at(0, 3), at(0, 3), "", ""), Error::Form(_)));
    assert!(matches!(
        refused(at(0, 0), at(0, 3), "one", "one"),
        Error::Form(_)
    ));
    assert!(matches!(
        refused(at(0, 0), at(0, 3), "one", &long),
        Error::Length { .. }
    ));
    assert!(matches!(
        refused(at(0, 0), at(0, 3), &long, "one"),
        Error::Length { .. }
    ));
    assert!(page.threads().is_empty() && !page.document().is_edited());
}

/// What other programs, or hostile ones, put there.
#[test]
fn a_proposal_of_another_form_is_none() {
    use automerge::transaction::Transactable;
    use automerge::{ActorId, AutoCommit, ROOT, ReadDoc};
    let (mut page, _) = two("one two three");
    page.add_comment([7; 16], (at(0, 4), at(0, 7)), &message(1, ANA, "first"))
        .unwrap();
    page.commit(2);
    let saved = page.save().unwrap();
    let with = |replaces: &str, proposes: Option<&str>| {
        let mut foreign = AutoCommit::load(&saved)
            .unwrap()
            .with_actor(ActorId::from([9; 16]));
        let thread = foreign
            .get(ROOT, format!("comment:{}", "07".repeat(16)))
            .unwrap()
            .unwrap()
            .1;
        let list = foreign.get(&thread, "messages").unwrap().unwrap().1;
        let said = foreign.get(&list, 0).unwrap().unwrap().1;
        foreign.put(&said, "replaces", replaces).unwrap();
        match proposes {
            Some(proposes) => foreign.put(&said, "proposes", proposes).unwrap(),
            None => foreign.put(&said, "proposes", 5).unwrap(),
        }
        foreign.commit();
        Page::load(&foreign.save(), [3; 16]).unwrap()
    };
    for page in [
        with("two", None),
        with("two", Some(&"x".repeat(LONGEST_PROPOSAL + 1))),
    ] {
        assert_eq!(said(&page.threads()[0]), ["first"]);
        assert_eq!(page.threads()[0].suggestion, None);
    }
    // It shows whose hand it was.
    let page = with("two", Some("2"));
    let threads = page.threads();
    let proposal = threads[0].messages[0].proposal.as_ref().unwrap();
    assert_eq!(
        (
            proposal.writer.as_slice(),
            threads[0].messages[0].writer.as_slice()
        ),
        ([9; 16].as_slice(), [1; 16].as_slice())
    );
}

#[test]
fn a_page_started_anew_takes_suggestions_along() {
    let (mut page, _) = two("one two three");
    suggest(&mut page, 7, "two", "2");
    suggest(&mut page, 8, "three", "3");
    accept(&mut page, 8, BEN);
    page.commit(3);
    let mut fresh = Page::open(anew(&mut page.clone().into_document(), [9; 16]).unwrap()).unwrap();
    fresh.commit_with_note(4, redo::note(&redo::Ends::new()));
    let suggestions = |page: &Page| {
        page.threads()
            .into_iter()
            .map(|thread| (thread.id, thread.resolved_by, thread.suggestion))
            .collect::<Vec<_>>()
    };
    assert_eq!(suggestions(&fresh), suggestions(&page));
    assert_eq!(text(&fresh), "one two 3");
}
