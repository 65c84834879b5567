//! Any bytes: what can't be read is refused, and nothing panics.

use std::io::Write;

use documents::Error;
use documents::page::import::{HtmlReader, LARGEST_FILE, MOST_BLOCKS, docx, markdown, merge, text_of};
use documents::page::{Page, import};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;

use super::docx::archive;
use super::pages::{everything, pictures};

/// A whole file with some bytes changed, left out, or put twice.
fn changed(whole: &[u8], changes: &[(usize, u8, u8)]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for (place, how, byte) in changes {
        if bytes.is_empty() {
            break;
        }
        let place = place % bytes.len();
        match how % 4 {
            0 => bytes[place] = *byte,
            1 => bytes.truncate(place),
            2 => drop(bytes.drain(place..(place + usize::from(*byte)).min(bytes.len()))),
            _ => bytes.insert(place, *byte),
        }
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<(usize, u8, u8)>> {
    prop::collection::vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..6)
}

fn of_everything() -> Vec<u8> {
    archive(&[(
        "word/document.xml",
        "<w:document><w:body><w:p><w:r><w:t>a</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p/></w:tc></w:tr></w:tbl></w:body></w:document>",
    )])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_refused_or_read(changes in changes()) {
        let page = everything();
        let _any = docx(&changed(&of_everything(), &changes));
        let _any = text_of(&changed(page.to_markdown(&pictures()).as_bytes(), &changes)).and_then(|text| markdown(&text));
        let saved = page.clone().save().unwrap();
        let damaged = changed(&saved, &changes);
        prop_assert!(damaged == saved || merge(&page, &damaged).is_err());
    }

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(docx(&bytes).is_err());
        prop_assert!(merge(&everything(), &bytes).is_err());
    }

    #[test]
    fn elements_in_any_order_are_blocks(
        parts in prop::collection::vec((0..4_u8, prop::sample::select(vec![
            "p", "ul", "ol", "li", "table", "tr", "td", "th", "blockquote", "aside", "pre", "code", "math", "annotation", "h1", "br",
            "hr", "b", "a", "span", "title", "script", "input", "div", "img", "figure", "figcaption",
        ]), "[ a\n]{0,3}"), 0..60)
    ) {
        let mut reader = HtmlReader::default();
        for (what, name, text) in parts {
            match what {
                0 | 1 => reader.open(name, &|attribute| match attribute {
                    "style" if what == 1 => Some(format!("mso-list: l0 level{} lfo1", text.len())),
                    "style" if name == "span" => Some("mso-list:Ignore".to_owned()),
                    _ => Some(attribute.to_owned()).filter(|_| what == 0),
                }),
                2 => reader.close(name),
                _ => reader.text(&text),
            }
        }
        let read = reader.finish().unwrap();
        let _written = super::pages::page("", read.blocks).to_markdown(&pictures());
    }
}

#[test]
fn what_is_too_large_is_refused() {
    // A bomb: 64 MB of spaces in a few KB.
    let mut deflating = DeflateEncoder::new(Vec::new(), Compression::best());
    for _ in 0..2 * LARGEST_FILE / 1024 {
        deflating.write_all(&[b' '; 1024]).unwrap();
    }
    let deflated = deflating.finish().unwrap();
    let bomb = super::docx::archive_of(&[("word/document.xml", &deflated, 8, 10)]);
    assert!(bomb.len() < 1 << 20);
    assert!(matches!(docx(&bomb), Err(Error::TooMuch)));
    assert!(matches!(
        markdown(&"a\n\n".repeat(MOST_BLOCKS + 1)),
        Err(Error::TooMuch)
    ));
    assert!(matches!(
        markdown(&"a".repeat(import::MOST_TEXT + 1)),
        Err(Error::TooMuch)
    ));
}

#[test]
fn nesting_without_end_is_read() {
    for sign in [
        "> ",
        "- ",
        "1. ",
        "<div>",
        "<ul><li>",
        "<table><tr><td>",
        "*",
        "[",
        "<b>",
    ] {
        let read = markdown(&sign.repeat(2000)).unwrap();
        let page = super::pages::page("", read.blocks);
        let _written = (
            page.to_markdown(&pictures()),
            page.to_html("en", &|_, _| None, &pictures()),
        );
    }
    let mut reader = HtmlReader::default();
    for _ in 0..100_000 {
        reader.open("blockquote", &|_| None);
    }
    reader.text("deep");
    assert_eq!(reader.finish().unwrap().blocks.last().unwrap().text(), "deep");
}

#[test]
fn a_file_of_another_kind_is_told_from_a_page() {
    let page = Page::new([1; 16]).unwrap();
    assert!(matches!(merge(&page, b""), Err(Error::File(_))));
    assert!(matches!(docx(&[]), Err(Error::File(_))));
    assert!(matches!(text_of(b"\xffabc"), Err(Error::File(_))));
    assert!(matches!(text_of(b"a\0b"), Err(Error::File(_))));
    assert_eq!(text_of(b"\xff\xfea\0").unwrap(), "a");
}
