//! Markdown.

use documents::page::edit::{Block, Run, Shape, Value};
use documents::page::import::markdown;
use proptest::prelude::*;

use super::pages::{
    DOT, PLACE, Part, block, blocks, everything, page, parts, picture, pictures, run, shown, stored,
    without_languages, without_marked_space,
};

#[test]
fn a_page_of_everything_reads_well() {
    let expected = include_str!("everything.md");
    assert_eq!(everything().to_markdown(&pictures()), expected);
    let back = stored(markdown(expected).unwrap());
    assert_eq!(back.blocks, without_languages(everything().blocks()));
    assert_eq!(back.title.as_deref(), Some("Rivers & <water>"));
}

/// All of a line under a picture is in emphasis.
fn as_markdown_has_pictures(mut blocks: Vec<Block>) -> Vec<Block> {
    for block in &mut blocks {
        if block.shape.picture().is_some() {
            let mut runs: Vec<Run> = Vec::new();
            for mut run in std::mem::take(&mut block.runs) {
                run.marks.remove("em");
                match runs.last_mut() {
                    Some(last) if last.marks == run.marks => last.text.push_str(&run.text),
                    _ => runs.push(run),
                }
            }
            block.runs = runs;
        }
    }
    blocks
}

#[test]
fn pictures_are_in_the_file_and_their_addresses_are_not() {
    let blocks = vec![
        picture(
            PLACE,
            Some("A leaf\nin [June]"),
            vec![
                run("Found ", &[]),
                run("here", &[("strong", Value::Boolean(true))]),
            ],
        ),
        picture(PLACE, None, vec![]),
        picture(PLACE, Some(""), vec![run("a line", &[])]),
        picture("attachment:AQlost", Some(""), vec![]),
        picture("attachment:AQlost", Some("Lost"), vec![run("the line", &[])]),
        picture("https://example.org/x.png", None, vec![run("only a line", &[])]),
        picture("attachment:AQlost", None, vec![]),
        block("table-row", &[], &[], vec![run("a", &[])]),
        Block {
            shape: Shape {
                parents: vec!["table-row".to_owned()],
                ..picture(PLACE, Some("x|y"), vec![]).shape
            },
            runs: vec![run("b", &[])],
        },
    ];
    let text = page("", blocks).to_markdown(&pictures());
    let dot = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==";
    let expected = format!(
        "![A leaf in \\[June\\]]({dot})\n\n*Found **here***\n\n![]({dot})\n\n<img src=\"{dot}\" alt=\"\">\n\n*a line*\n\n![Lost]()\n\n*the line*\n\n*only a line*\n\n\
         |  |\n| --- |\n| a<br>![x\\|y]({dot})<br>*b* |\n"
    );
    assert_eq!(text, expected);
    let back = markdown(&text).unwrap();
    assert_eq!(back.pictures, [DOT.to_vec()]);
    assert_eq!(back.left_out.images, 1);
    let kinds: Vec<String> = back
        .blocks
        .iter()
        .map(|block| format!("{} {}", block.shape.kind, block.text()))
        .collect();
    let expected = [
        "image Found here",
        "image ",
        "image a line",
        "paragraph Lost",
        "paragraph the line",
        "paragraph only a line",
        "table-row a",
        "image ",
        "paragraph \nb",
    ];
    assert_eq!(kinds, expected);
    let described = |number: usize| back.blocks[number].shape.attrs.get("alt").cloned();
    assert_eq!(described(0), Some(Value::Text("A leaf in [June]".to_owned())));
    // Nobody has said that it shows nothing.
    assert_eq!(described(1), None);
    // Somebody has said of this one that it does.
    assert_eq!(described(2), Some(Value::Text(String::new())));
}

#[test]
fn a_line_under_a_picture_may_be_a_break() {
    let line = blocks(&[Part::Picture("A leaf", vec![run("\n", &[])])]);
    let text = page("", line.clone()).to_markdown(&pictures());
    assert_eq!(shown(&stored(markdown(&text).unwrap()).blocks), shown(&line));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(parts in parts(), title in "[a-z:\"'#]{0,6}") {
        let blocks = as_markdown_has_pictures(without_marked_space(blocks(&parts)));
        let text = page(&title, blocks.clone()).to_markdown(&pictures());
        let back = stored(markdown(&text).unwrap());
        prop_assert_eq!(back.title.unwrap_or_default(), title, "{}", text);
        prop_assert!(back.blocks == blocks, "{}\n{}\ninstead of\n{}", text, shown(&back.blocks), shown(&blocks));
    }

    #[test]
    fn any_text_is_read(text in r"([-#*>`$|<\[\]! a1.\n]|    |\{|&lt;|<u>|</u>|<li>|<table>|<td>){0,40}") {
        let read = markdown(&text).unwrap();
        // Once more it is what it was.
        let written = page("", read.blocks).to_markdown(&pictures());
        let _again = markdown(&written).unwrap();
    }
}
