//! Hostile folds and snapshots: what a member with the key may put into them. See `hostile`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../protocol/tests/formats/hostile.rs"]
mod hostile;

use std::io::{Read as _, Write as _};

use documents::Error;
use documents::document::Document;
use documents::fold::{Limits, fold, unfold};
use documents::page::Page;
use documents::page::edit::{Edit, Marks, Run};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// So little that a bomb is found by the time it takes.
const LIMITS: Limits = Limits {
    changes: 1 << 10,
    operations: 1 << 14,
    bytes: 1 << 20,
};

/// What two people wrote on one page.
fn changes() -> Vec<Vec<u8>> {
    let mut pages = [Page::new([1; 16]).unwrap(), Page::empty([2; 16]).unwrap()];
    let mut changes = vec![pages[0].commit(1_800_000_000).unwrap()];
    for turn in 0..12 {
        let page = &mut pages[turn % 2];
        page.apply_changes(&changes).unwrap();
        let run = Run {
            text: format!("word {turn} "),
            marks: Marks::new(),
        };
        let edit = Edit::Text {
            block: 0,
            offset: 0,
            delete: turn / 4,
            insert: vec![run],
        };
        page.apply(&[edit]).unwrap();
        changes.push(page.commit(1_800_000_000 + turn as i64).unwrap());
    }
    changes
}

/// What is inside of a fold: behind the version, not compressed.
fn inside(changes: &[Vec<u8>]) -> Vec<u8> {
    let folded = fold(changes).unwrap();
    let mut content = Vec::new();
    DeflateDecoder::new(&folded[1..])
        .read_to_end(&mut content)
        .unwrap();
    content
}

fn around(content: &[u8]) -> Vec<u8> {
    let mut deflating = DeflateEncoder::new(vec![1], Compression::fast());
    deflating.write_all(content).unwrap();
    deflating.finish().unwrap()
}

fn outcome<T>(result: &Result<T, Error>, count: impl Fn(&T) -> usize) -> String {
    match result {
        Ok(value) => format!("{}", count(value).min(20)),
        Err(error) => error.to_string(),
    }
}

#[test]
#[ignore = "as long as there is time"]
fn fuzz_folds() {
    let all = changes();
    let kept = [&all[..1], &all[..4], &all[4..7], &all[..]].map(inside).to_vec();
    hostile::fuzz("folds", kept, |content| {
        let bytes = around(content);
        let unfolded = unfold(&bytes, LIMITS);
        if let Ok(changes) = &unfolded {
            // Whatever came out is folded again to the same.
            let again = fold(changes).and_then(|bytes| unfold(&bytes, Limits::FOLD));
            assert_eq!(again.unwrap(), *changes);
        }
        let loaded = Document::load_foreign(&bytes, LIMITS, [3; 16]);
        assert!(unfolded.is_ok() || loaded.is_err());
        // As it is: mostly nothing that inflates.
        let raw = unfold(content, LIMITS).is_ok();
        format!(
            "{} {} {raw}",
            outcome(&unfolded, Vec::len),
            outcome(&loaded, |document| document.waiting().len())
        )
    });
}
