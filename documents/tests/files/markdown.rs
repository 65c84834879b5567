//! Markdown.

use documents::page::import::markdown;
use proptest::prelude::*;

use super::pages::{blocks, everything, page, parts, shown, without_languages, without_marked_space};

#[test]
fn a_page_of_everything_reads_well() {
    let expected = include_str!("everything.md");
    assert_eq!(everything().to_markdown(), expected);
    let back = markdown(expected).unwrap();
    assert_eq!(back.blocks, without_languages(everything().blocks()));
    assert_eq!(back.title.as_deref(), Some("Rivers & <water>"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(parts in parts(), title in "[a-z:\"'#]{0,6}") {
        let blocks = without_marked_space(blocks(&parts));
        let text = page(&title, blocks.clone()).to_markdown();
        let back = markdown(&text).unwrap();
        prop_assert_eq!(back.title.unwrap_or_default(), title, "{}", text);
        prop_assert!(back.blocks == blocks, "{}\n{}\ninstead of\n{}", text, shown(&back.blocks), shown(&blocks));
    }

    #[test]
    fn any_text_is_read(text in r"([-#*>`$|<\[\]! a1.\n]|    |\{|&lt;|<u>|</u>|<li>|<table>|<td>){0,40}") {
        let read = markdown(&text).unwrap();
        // Once more it is what it was.
        let written = page("", read.blocks).to_markdown();
        let _again = markdown(&written).unwrap();
    }
}
