//! Changes come from others: any bytes in, an error or a value out.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use documents::Error;
use documents::change::inspect;
use documents::document::Document;
use documents::page::Page;
use documents::page::edit::{Edit, Marks, Run, Shape, Value};
use proptest::prelude::*;

/// The changes of a page that was founded and then written in: plain and compressed ones, with deletions and marks.
fn changes() -> Vec<Vec<u8>> {
    let mut page = Page::new([1; 16]).unwrap();
    let mut changes = vec![page.commit(1_800_000_000).unwrap()];
    let run = |text: &str, marks| Run {
        text: text.to_owned(),
        marks,
    };
    let strong = Marks::from([("strong".to_owned(), Value::Boolean(true))]);
    page.apply(&[
        Edit::Text {
            block: 0,
            offset: 0,
            delete: 0,
            insert: vec![run("Photosynthèse 😀", strong)],
        },
        Edit::Split {
            block: 0,
            offset: 3,
            shape: Shape::paragraph(),
        },
    ])
    .unwrap();
    changes.push(page.commit(1_800_000_001).unwrap());
    page.apply(&[Edit::Text {
        block: 1,
        offset: 2,
        delete: 5,
        insert: Vec::new(),
    }])
    .unwrap();
    page.set_title("Plants").unwrap();
    changes.push(page.commit(1_800_000_002).unwrap());
    let long = "All of it, again and again. ".repeat(40);
    page.apply(&[Edit::Text {
        block: 0,
        offset: 0,
        delete: 0,
        insert: vec![run(&long, Marks::new())],
    }])
    .unwrap();
    changes.push(page.commit(1_800_000_003).unwrap());
    changes
}

#[test]
fn a_change_tells_who_wrote_it_upon_what() {
    let changes = changes();
    let infos: Vec<_> = changes.iter().map(|change| inspect(change).unwrap()).collect();
    for (index, info) in infos.iter().enumerate() {
        assert_eq!(info.actor, [1; 16]);
        assert_eq!(info.sequence, index as u64 + 1);
        assert_eq!(info.time, 1_800_000_000 + index as i64);
        let before: Vec<_> = infos[..index]
            .iter()
            .rev()
            .take(1)
            .map(|info| info.hash)
            .collect();
        assert_eq!(info.dependencies, before);
    }
    assert_eq!(changes[0][8], 1, "small changes are plain");
    assert_eq!(changes[3][8], 2, "long ones are compressed");
}

#[test]
fn other_chunks_and_remains_are_refused() {
    let mut page = Page::new([1; 16]).unwrap();
    let mut change = page.commit(0).unwrap();
    assert!(inspect(&page.save().unwrap()).is_err(), "a whole document");
    change.push(0);
    assert!(inspect(&change).is_err(), "a byte too many");
    let mut compressed = changes().remove(3);
    let length = compressed.len();
    assert!(inspect(&compressed[..length - 1]).is_err(), "a byte too few");
    compressed[8] = 1;
    assert!(inspect(&compressed).is_err(), "compressed bytes called plain");
    assert!(inspect(&[]).is_err());
}

/// A change that inflates without end, as small as it can be.
#[test]
fn a_bomb_is_refused_before_it_grows() {
    use std::io::Write;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![0; 64 << 20]).unwrap();
    let body = encoder.finish().unwrap();
    let mut chunk = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 2];
    let mut length = body.len();
    while length >= 0x80 {
        chunk.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    chunk.push(length as u8);
    chunk.extend_from_slice(&body);
    assert!(inspect(&chunk).unwrap_err().to_string().contains("too large"));
}

/// Puts the true length and checksum on a change body, so that what is inside gets looked at.
fn sealed(body: &[u8]) -> Vec<u8> {
    let mut length = Vec::new();
    let mut left = body.len();
    while left >= 0x80 {
        length.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    length.push(left as u8);
    let mut hashed = vec![1];
    hashed.extend_from_slice(&length);
    hashed.extend_from_slice(body);
    let mut chunk = vec![0x85, 0x6f, 0x4a, 0x83];
    chunk.extend_from_slice(&sha256(&hashed)[..4]);
    chunk.extend_from_slice(&hashed);
    chunk
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

/// The body of a plain change: all after magic, checksum, kind and length.
fn body(change: &[u8]) -> Vec<u8> {
    let length = change[9..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    change[9 + length..].to_vec()
}

/// Takes a change in where it could do harm: after those it was made upon.
fn take_in(change: &[u8]) {
    let mut document = Document::empty([9; 16]);
    document.apply_changes(&changes()[..3]).unwrap();
    document.apply_changes(&[change.to_vec()]).unwrap();
    let saved = document.save().unwrap();
    let mut page = Page::load(&saved, [9; 16]).unwrap();
    page.apply_changes(&changes()).unwrap();
}

/// Automerge orders operations by their numbers, and so those of a change come after those it was made upon.
#[test]
fn operation_numbers_follow_what_a_change_depends_on() {
    let mut document = Document::empty([9; 16]);
    document.apply_changes(&changes()[..1]).unwrap();
    document.set_actor([2; 16]).unwrap();
    let mut page = Page::open(document.clone()).unwrap();
    page.set_title("Plants").unwrap();
    let honest = page.commit(0).unwrap();
    let mut body = body(&honest);
    // After one dependency, the actor with its length, and the sequence number.
    let start = 1 + 32 + 1 + 16 + 1;
    assert!(body[start] > 1 && body[start] < 0x80);
    body[start] = 1;
    let applied = document.apply_changes(&[sealed(&body)]).unwrap();
    assert!(matches!(applied.refused[..], [(0, Error::Unfitting(_))]));
    assert!(document.apply_changes(&[honest]).unwrap().refused.is_empty());
}

/// A document with such a change could be saved, and not be loaded again.
#[test]
fn a_change_is_written_as_automerge_writes_it() {
    let honest = body(&changes()[0]);
    let mut unfitting = 0;
    // Behind the dependencies, the actor with its length, the sequence and operation numbers.
    for at in 1 + 1 + 16 + 2..honest.len() {
        let mut body = honest.clone();
        // Somebody else's first change.
        body[2] ^= 1;
        body[at] = 0;
        let change = sealed(&body);
        if inspect(&change).is_err() {
            continue;
        }
        let mut document = Document::empty([9; 16]);
        let applied = document.apply_changes(&[change]).unwrap();
        unfitting += usize::from(matches!(applied.refused[..], [(0, Error::Unfitting(_))]));
        Document::load(&document.save().unwrap(), [9; 16]).unwrap();
    }
    assert!(unfitting > 5);
}

proptest! {
    #[test]
    fn random_bytes_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(inspect(&bytes).is_err());
    }

    #[test]
    fn a_random_body_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let change = sealed(&bytes);
        if inspect(&change).is_ok() {
            take_in(&change);
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed(which in 0..4_usize, at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let original = changes().remove(which);
        let mut change = original.clone();
        let at = at.index(change.len());
        change[at] ^= 1 << bit;
        // The last byte of compressed data has bits that mean nothing.
        if let Ok(info) = inspect(&change) {
            prop_assert_eq!(info, inspect(&original).unwrap());
            prop_assert!(which == 3 && at == change.len() - 1);
        }
    }

    #[test]
    fn a_forged_body_does_no_harm(
        which in 0..3_usize,
        forgeries in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let mut body = body(&changes()[which]);
        for (at, byte, how) in forgeries {
            let at = at.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => drop(body.remove(at)),
            }
        }
        let change = sealed(&body);
        if inspect(&change).is_ok() {
            take_in(&change);
        }
    }
}
