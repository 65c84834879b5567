//! Folds give back what they were made of, in few bytes, and do no harm whatever their bytes are.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read, Write};

use documents::Error;
use documents::change::inspect;
use documents::document::Document;
use documents::fold::{Limits, fold, unfold};
use documents::page::Page;
use documents::page::edit::{Edit, Marks, Run, Shape, Value};
use proptest::prelude::*;

fn insert(block: usize, offset: usize, text: &str, marks: Marks) -> Edit {
    let text = text.to_owned();
    Edit::Text {
        block,
        offset,
        delete: 0,
        insert: vec![Run { text, marks }],
    }
}

fn edit(page: &Page, (kind, a, b): (u8, usize, usize)) -> Edit {
    let block = a % page.blocks().len();
    let length = page.blocks()[block].length();
    let offset = b % (length + 1);
    match kind % 5 {
        0 | 1 => insert(block, offset, "word ", Marks::new()),
        2 => insert(
            block,
            offset,
            "long and strong ".repeat(30).as_str(),
            Marks::from([("strong".to_owned(), Value::Boolean(true))]),
        ),
        3 => Edit::Split {
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
    }
}

/// What two lanes wrote on one page, now and then taking in what the other did.
fn changes(steps: &[(bool, bool, u8, usize, usize)]) -> Vec<Vec<u8>> {
    let mut pages = [Page::new([1; 16]).unwrap(), Page::empty([2; 16]).unwrap()];
    let mut changes = vec![pages[0].commit(1_800_000_000).unwrap()];
    pages[1].apply_changes(&changes).unwrap();
    for (time, (second, meet, kind, a, b)) in steps.iter().copied().enumerate() {
        let page = &mut pages[usize::from(second)];
        if meet {
            page.apply_changes(&changes).unwrap();
        }
        let edit = edit(page, (kind, a, b));
        page.apply(&[edit]).unwrap();
        changes.extend(page.commit(1_800_000_000 - 7 * time as i64));
    }
    changes
}

fn steps() -> impl Strategy<Value = Vec<(bool, bool, u8, usize, usize)>> {
    prop::collection::vec(
        (
            any::<bool>(),
            any::<bool>(),
            any::<u8>(),
            0..50_usize,
            0..500_usize,
        ),
        1..20,
    )
}

/// A fold that says it is of version 1 and holds this content.
fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(vec![1], flate2::Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn content(fold: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    flate2::read::DeflateDecoder::new(&fold[1..])
        .read_to_end(&mut content)
        .unwrap();
    content
}

fn take_in(fold: &[u8]) {
    let limits = Limits {
        changes: 100,
        operations: 10_000,
        bytes: 1 << 20,
    };
    if let Ok(changes) = unfold(fold, limits) {
        changes.iter().for_each(|change| drop(inspect(change).unwrap()));
        let mut document = Document::empty([9; 16]);
        document.apply_changes(&changes).unwrap();
        Page::open(document).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_same_changes_come_out(
        steps in steps(), from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(),
    ) {
        let changes = changes(&steps);
        prop_assert_eq!(&unfold(&fold(&changes).unwrap(), Limits::FOLD).unwrap(), &changes);
        // A part that depends on what is not in it; and in an order in which nothing can be applied.
        let (from, to) = (from.index(changes.len()), to.index(changes.len()));
        let mut part = changes[from.min(to)..=from.max(to)].to_vec();
        prop_assert_eq!(&unfold(&fold(&part).unwrap(), Limits::FOLD).unwrap(), &part);
        part.reverse();
        prop_assert_eq!(&unfold(&fold(&part).unwrap(), Limits::FOLD).unwrap(), &part);
    }

    #[test]
    fn damage_does_no_harm(steps in steps(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let whole = fold(&changes(&steps)).unwrap();
        let at = at.index(whole.len());
        take_in(&whole[..at]);
        let mut flipped = whole;
        flipped[at] ^= 1 << bit;
        take_in(&flipped);
    }

    #[test]
    fn a_forged_content_does_no_harm(
        steps in steps(),
        forgeries in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let mut content = content(&fold(&changes(&steps)).unwrap());
        for (at, byte, how) in forgeries {
            let at = at.index(content.len());
            match how {
                0 => content[at] = byte,
                1 => content.insert(at, byte),
                _ => drop(content.remove(at)),
            }
        }
        take_in(&deflated(&content));
    }

    #[test]
    fn random_content_does_no_harm(content in prop::collection::vec(any::<u8>(), 0..300)) {
        take_in(&content);
        take_in(&deflated(&content));
    }
}

#[test]
fn nothing_grows_beyond_the_limits() {
    assert!(unfold(&deflated(&vec![0; 64 << 20]), Limits::FOLD).is_err());
    let changes = changes(&[(false, false, 2, 0, 0), (false, false, 0, 0, 0)]);
    let whole = fold(&changes).unwrap();
    let enough = Limits {
        changes: 3,
        operations: 600,
        bytes: 2000,
    };
    assert_eq!(unfold(&whole, enough).unwrap(), changes);
    for tight in [
        Limits { changes: 2, ..enough },
        Limits {
            operations: 400,
            ..enough
        },
    ] {
        assert!(matches!(unfold(&whole, tight), Err(Error::TooMuch)));
    }
    assert!(unfold(&whole, Limits { bytes: 400, ..enough }).is_err());
}

#[test]
fn other_versions_and_remains_are_refused() {
    let changes = changes(&[(false, false, 0, 0, 0)]);
    let mut whole = fold(&changes).unwrap();
    let mut longer = content(&whole);
    longer.push(0);
    assert!(matches!(
        unfold(&deflated(&longer), Limits::FOLD),
        Err(Error::Fold(_))
    ));
    whole.push(0);
    assert!(unfold(&whole, Limits::FOLD).is_err());
    whole.pop();
    whole[0] = 2;
    assert!(matches!(unfold(&whole, Limits::FOLD), Err(Error::Fold(_))));
    assert!(unfold(&[], Limits::FOLD).is_err());
    assert!(fold(&[vec![1, 2, 3]]).is_err());
    assert!(
        unfold(&fold(&[]).unwrap(), Limits::FOLD).unwrap().is_empty(),
        "nothing at all is a fold too"
    );
}

/// 2,000 edits by ten authors, 20 in each change: about 250 bytes come on top of each fold for header and signature.
#[test]
fn catching_up_is_cheap() {
    let mut document = {
        let mut page = Page::new([1; 16]).unwrap();
        page.commit(1_800_000_000).unwrap();
        page.into_document()
    };
    let mut folded = 0;
    let mut random: u32 = 7;
    for author in 0..10_u8 {
        let mut actor = [author; 16];
        for byte in &mut actor {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte ^= (random >> 24) as u8;
        }
        document.set_actor(actor).unwrap();
        let mut page = Page::open(document).unwrap();
        let mut run = Vec::new();
        for flush in 0..10 {
            for _ in 0..20 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let letter = b"etaoin shrdlu cmfwyp"[(random >> 16) as usize % 20];
                let length = page.blocks()[0].length();
                let text = char::from(letter).to_string();
                page.apply(&[insert(0, length, &text, Marks::new())]).unwrap();
            }
            run.push(page.commit(1_800_000_000 + 2 * flush).unwrap());
        }
        folded += fold(&run).unwrap().len() + 250;
        document = page.into_document();
    }
    assert!(folded <= 8 << 10, "{folded} bytes");
}
