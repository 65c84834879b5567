//! HTML.

use documents::Error;
use documents::page::import::{HtmlReader, Imported, without_styles};
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::pages::{block, blocks, everything, link, page, parts, run, shown};

/// MathML in the form of the app's, without its look: the LaTeX is what is read again.
fn formula(latex: &str, block: bool) -> Option<String> {
    let display = if block { " display=\"block\"" } else { "" };
    let escaped = latex
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    (!latex.trim().is_empty() && latex.trim() == latex).then(|| {
        format!(
            "<math{display}><semantics><mi>x</mi><annotation encoding=\"application/x-tex\">{escaped}</annotation></semantics></math>"
        )
    })
}

/// Reads what is well-formed XML, too, as a browser would tell of it.
fn read(html: &str) -> Result<Imported, Error> {
    let mut reader = HtmlReader::default();
    let mut xml = Reader::from_str(html);
    let open = |reader: &mut HtmlReader, start: &BytesStart<'_>| {
        let attribute = |name: &str| {
            let attribute = start.try_get_attribute(name).unwrap()?;
            Some(
                attribute
                    .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                    .unwrap()
                    .into_owned(),
            )
        };
        reader.open(start.local_name().into_inner(), &attribute);
    };
    // A browser takes the first line break in it away.
    let mut in_pre = false;
    loop {
        match xml.read_event().expect("it is well-formed") {
            Event::Start(start) => {
                open(&mut reader, &start);
                in_pre = ["pre"].contains(&start.local_name().into_inner())
                    || in_pre && start.local_name().into_inner() == "code";
                continue;
            }
            Event::Empty(start) => {
                open(&mut reader, &start);
                reader.close(start.local_name().into_inner());
            }
            Event::End(end) => reader.close(end.local_name().into_inner()),
            Event::Text(text) => {
                let text = text.xml10_content();
                reader.text(if in_pre {
                    text.strip_prefix('\n').unwrap_or(&text)
                } else {
                    &text
                });
            }
            Event::GeneralRef(entity) => {
                let letter =
                    entity
                        .resolve_char_ref()
                        .unwrap()
                        .unwrap_or_else(|| match &*entity.xml10_content() {
                            "amp" => '&',
                            "lt" => '<',
                            "gt" => '>',
                            "quot" => '"',
                            other => panic!("HTML has no entity {other} that XML has"),
                        });
                reader.text(&letter.to_string());
            }
            Event::Eof => return reader.finish(),
            _ => {}
        }
        in_pre = false;
    }
}

fn body(html: &str) -> Vec<documents::page::edit::Block> {
    read(&format!("<html><body>{html}</body></html>")).unwrap().blocks
}

#[test]
fn a_page_of_everything_comes_back() {
    let html = everything().to_html("en", &formula);
    let back = read(&html).unwrap();
    assert_eq!(shown(&back.blocks), shown(everything().blocks()));
    assert_eq!(back.title.as_deref(), Some("Rivers & <water>"));
    assert!(!html.contains("<water>"));
}

#[test]
fn what_is_in_a_language_says_so() {
    let said = |blocks: &[documents::page::edit::Block]| -> Vec<String> {
        let shown = blocks.iter().map(|block| {
            let language = block.shape.language().unwrap_or("-");
            format!("{language} {}", block.text())
        });
        shown.collect()
    };
    let imported = read(
        "<html lang=\"de\"><body><h1>Flüsse</h1><p lang=\"sw\">Mto <span lang=\"la\">Tana</span></p>\
         <p><em lang=\"la\">Acacia</em> ist ein Baum</p><ul lang=\"pt-BR\"><li>um</li><li lang=\"en\">two<p lang=\"sw\">tatu</p></li></ul>\
         <table><tr><td lang=\"en\">one</td><td>zwei</td></tr></table><hr/><p lang=\"fr\">sous la ligne</p><p lang=\"\">?</p>\
         <div lang=\"not a tag\">??</div><pre lang=\"en\">let</pre><p>Ende</p></body></html>",
    )
    .unwrap();
    let expected = [
        "de Flüsse",
        "sw Mto Tana",
        "de Acacia ist ein Baum",
        "pt-BR um",
        "en two",
        "sw tatu",
        "en one",
        "de zwei",
        "fr sous la ligne",
        "- ?",
        "- ??",
        "en let",
        "de Ende",
    ];
    assert_eq!(said(&imported.blocks), expected);
    let html = page("", imported.blocks).to_html("en", &formula);
    assert!(html.contains("<td><p dir=\"auto\" lang=\"en\">one</p>"), "{html}");
    let again = read(&html).unwrap();
    assert_eq!(said(&again.blocks), expected);
}

#[test]
fn a_language_that_is_none_is_not_said() {
    let long = format!("de{}", "-a".repeat(10_000));
    for tag in ["", "english", "e", "en_GB", "en-", "\"><script>", "de-äää", &long] {
        let said = documents::page::edit::Value::Text(tag.to_owned());
        let blocks = vec![block("paragraph", &[], &[("lang", said)], vec![run("one", &[])])];
        assert_eq!(blocks[0].shape.language(), None, "{tag}");
        let html = page("", blocks).to_html("en", &formula);
        assert!(html.contains("<p dir=\"auto\">one</p>"), "{html}");
    }
    let number = documents::page::edit::Value::Integer(7);
    assert_eq!(
        block("paragraph", &[], &[("lang", number)], vec![])
            .shape
            .language(),
        None
    );
}

#[test]
fn nothing_in_it_runs_or_leads_astray() {
    let text = "<script>alert(1)</script>\" onload='x'";
    let blocks = vec![
        block(
            "paragraph",
            &[],
            &[],
            vec![
                run(text, &[("link", link("javascript:alert(1)", "x"))]),
                run(
                    "there",
                    &[("link", link("https://example.org/\"><script>", "\"><b>"))],
                ),
            ],
        ),
        block(
            "code-block",
            &[],
            &[(
                "language",
                documents::page::edit::Value::Text("\"><script>".to_owned()),
            )],
            vec![run(text, &[])],
        ),
        block(text, &[text], &[], vec![run(text, &[])]),
    ];
    let html = page(text, blocks).to_html("en", &|_, _| None);
    let (_, after) = html.split_once("</head>").unwrap();
    assert!(
        !after.contains("<script") && !after.contains("javascript:"),
        "{after}"
    );
    assert!(!html.contains("src=") && !html.contains("url(") && !html.contains("@import"));
    read(&html).unwrap();
}

#[test]
fn what_word_processors_write_is_understood() {
    let read = body(
        "<style>p { color: red }</style><script>no()</script>\
         <h2>Heading\n  two</h2>\n<p>One <b>bold</b> <b style='font-weight:normal'>not</b>\n \
         <span style=\"font-style: italic\">slanted</span><br/> next </p>\
         <div>Loose<ul><li>a<ul><li>b</li></ul></li><li><input type='checkbox' checked='checked'/> c</li></ul></div>\
         <table><thead><tr><th>H</th><th>I</th></tr></thead><tbody><tr><td colspan='2'><p>wide</p></td></tr></tbody></table>\
         <p><a href='javascript:no()'>x</a><a href='https://example.org'>y</a></p><p hidden='hidden'>unseen</p>",
    );
    let expected = "heading[]{\"level\": Integer(2)} \"Heading two\"[]\n\
                    paragraph[]{} \"One \"[] \"bold\"[\"strong\"] \" not \"[] \"slanted\"[\"em\"] \"\\nnext\"[]\n\
                    paragraph[]{} \"Loose\"[]\n\
                    unordered-list-item[]{} \"a\"[]\n\
                    unordered-list-item[\"unordered-list-item\"]{} \"b\"[]\n\
                    unordered-list-item[]{\"checked\": Boolean(true)} \"c\"[]\n\
                    table-row[]{\"header\": Boolean(true)} \"H\"[]\n\
                    table-cell[\"table-row\"]{} \"I\"[]\n\
                    table-row[]{} \"wide\"[]\n\
                    table-cell[\"table-row\"]{}\n\
                    paragraph[]{} \"x\"[] \"y\"[\"link\"]\n";
    assert_eq!(shown(&read), expected);
}

#[test]
fn what_a_strict_browser_complains_of_is_renamed() {
    let html = "a < b <STYLE type='x'>p { color: red }</style><p\nStyle=\"font-weight:bold\">style=x</p><b style=''>é</b><";
    let expected = "a < b <noframes type='x'>p { color: red }</noframes><p\ndata-Style=\"font-weight:bold\">style=x</p>\
                    <b data-style=''>é</b><";
    assert_eq!(without_styles(html), expected);
    let bold = body("<noframes>no</noframes><p><span data-style='font-weight: bold'>yes</span></p>");
    assert_eq!(shown(&bold), "paragraph[]{} \"yes\"[\"strong\"]\n");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(parts in parts(), title in "[a-z<&:\"'#]{0,6}") {
        let blocks = blocks(&parts);
        let html = page(&title, blocks.clone()).to_html("en", &formula);
        let back = read(&html).unwrap();
        prop_assert_eq!(back.title.unwrap_or_default(), title, "{}", html);
        prop_assert!(back.blocks == blocks, "{}\n{}\ninstead of\n{}", html.split_once("<main").unwrap().1, shown(&back.blocks), shown(&blocks));
    }
}
