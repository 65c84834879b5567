//! HTML.

use documents::Error;
use documents::page::import::{HtmlReader, Imported, without_styles};
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::pages::{
    DOT, PLACE, block, blocks, everything, link, page, parts, picture, pictures, run, shown, stored,
};

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
    let html = everything().to_html("en", &formula, &pictures());
    let back = stored(read(&html).unwrap());
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
    let html = page("", imported.blocks).to_html("en", &formula, &pictures());
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
        let html = page("", blocks).to_html("en", &formula, &pictures());
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
    let html = page(text, blocks).to_html("en", &|_, _| None, &pictures());
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
fn pictures_are_in_the_file_and_their_addresses_are_not() {
    let with = |mut block: documents::page::edit::Block, name: &str, value| {
        block.shape.attrs.insert(name.to_owned(), value);
        block
    };
    let number = documents::page::edit::Value::Integer;
    let leaf = picture(
        PLACE,
        Some("A \"leaf\" <b>"),
        vec![
            run("In ", &[]),
            run("June", &[("em", documents::page::edit::Value::Boolean(true))]),
        ],
    );
    // In whatever letters it is written.
    let data = format!("DATA:image/GIF;Base64,{}", "R0lGODlhAQABAAAAACw=");
    let blocks = vec![
        with(with(leaf, "width", number(4)), "height", number(3)),
        picture(PLACE, None, vec![]),
        picture(&data, Some(""), vec![]),
        picture("attachment:AQlost", Some("Lost"), vec![run("the line", &[])]),
        picture("https://example.org/x.png", Some("Elsewhere"), vec![]),
        picture(
            "data:image/svg+xml,<svg onload='x'/>",
            None,
            vec![run("only a line", &[])],
        ),
    ];
    let html = page("", blocks).to_html("en", &formula, &pictures());
    let (_, main) = html.split_once("<main data-spaces=\"kept\">\n").unwrap();
    let dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==";
    let expected = format!(
        "<figure>\n<img src=\"data:image/png;base64,{dot}\" alt=\"A &quot;leaf&quot; &lt;b&gt;\" width=\"4\" height=\"3\"/>\n\
         <figcaption dir=\"auto\">In <em>June</em></figcaption>\n</figure>\n\
         <figure>\n<img src=\"data:image/png;base64,{dot}\"/>\n</figure>\n\
         <figure>\n<img src=\"{data}\" alt=\"\"/>\n</figure>\n\
         <figure class=\"missing\">\n<p dir=\"auto\">Lost</p>\n<figcaption dir=\"auto\">the line</figcaption>\n</figure>\n\
         <figure class=\"missing\">\n<p dir=\"auto\">Elsewhere</p>\n</figure>\n\
         <figure class=\"missing\">\n<figcaption dir=\"auto\">only a line</figcaption>\n</figure>\n"
    );
    assert_eq!(main.split_once("</main>").unwrap().0, expected);
    let back = read(&html).unwrap();
    assert_eq!(back.pictures.len(), 2);
    assert_eq!(back.pictures[0], DOT);
    let shown = shown(&back.blocks);
    let expected = "image[]{\"alt\": Text(\"A \\\"leaf\\\" <b>\"), \"src\": Text(\"import:0\")} \"In \"[] \"June\"[\"em\"]\n\
                    image[]{\"src\": Text(\"import:0\")}\n\
                    image[]{\"alt\": Text(\"\"), \"src\": Text(\"import:1\")}\n\
                    paragraph[]{} \"Lost\"[]\nparagraph[]{} \"the line\"[]\nparagraph[]{} \"Elsewhere\"[]\nparagraph[]{} \"only a line\"[]\n";
    assert_eq!(shown, expected);
}

#[test]
fn pictures_stand_behind_the_text_before_them() {
    let dot = "data:image/png;base64,iVBORw0KGgo=";
    let read = read(&format!(
        "<html><body lang='sw'><h1>One<img src='{dot}' alt='in a heading'/> two</h1><p>Before <img src='{dot}'/> after</p>\
         <ul><li><img src='{dot}'/></li><li>item <img src='{dot}'/></li></ul><table><tr><td>a<img src='{dot}'/></td><td>b</td></tr></table>\
         <p>Look <img src='https://example.org/x.png' alt='a leaf'/> here <img src='x.png'/></p>\
         <figure><figcaption>above</figcaption><img src='{dot}'/></figure><figure><img src='{dot}'/><p>x</p><figcaption>y</figcaption></figure></body></html>"
    ))
    .unwrap();
    assert_eq!(read.pictures.len(), 1);
    assert_eq!(read.left_out.images, 2);
    let lines: Vec<String> = read
        .blocks
        .iter()
        .map(|block| format!("{}{:?} {}", block.shape.kind, block.shape.parents, block.text()))
        .collect();
    let expected = [
        "heading[] One two",
        "image[] ",
        "paragraph[] Before",
        "image[] ",
        "paragraph[] after",
        "image[\"unordered-list-item\"] ",
        "unordered-list-item[] item",
        "image[\"unordered-list-item\"] ",
        "table-row[] a",
        "image[\"table-row\"] ",
        "table-cell[\"table-row\"] b",
        "paragraph[] Look a leaf here",
        "paragraph[] above",
        "image[] ",
        "image[] ",
        "paragraph[] x",
        "paragraph[] y",
    ];
    assert_eq!(lines, expected);
    assert!(
        read.blocks
            .iter()
            .all(|block| block.shape.language() == Some("sw"))
    );
}

#[test]
fn a_picture_that_could_not_be_stored_leaves_its_words() {
    let one = "data:image/png;base64,iVBORw0KGgo=";
    let other = "data:image/gif,GIF89a%00%ff";
    let imported = read(&format!(
        "<html><body><blockquote><p>a</p><figure><img src='{one}' alt=' A leaf '/><figcaption>In <b>June</b></figcaption></figure></blockquote>\
         <img src='{one}'/><img src='{other}' width='700' alt='kept'/></body></html>"
    ))
    .unwrap();
    assert_eq!(
        imported.pictures,
        [b"\x89PNG\r\n\x1a\n".to_vec(), b"GIF89a\0\xff".to_vec()]
    );
    let kept = documents::page::import::Stored {
        src: PLACE.to_owned(),
        width: Some(40),
        height: None,
    };
    let imported = imported.with_pictures(&[None, Some(kept)]);
    assert_eq!(imported.left_out.images, 2);
    assert!(imported.pictures.is_empty());
    let expected = format!(
        "blockquote[]{{}} \"a\"[]\nparagraph[\"blockquote\"]{{}} \"A leaf\\nIn \"[] \"June\"[\"strong\"]\n\
         image[]{{\"alt\": Text(\"kept\"), \"src\": Text(\"{PLACE}\"), \"width\": Integer(40)}}\n"
    );
    assert_eq!(shown(&imported.blocks), expected);
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

/// An item as Word saves it.
fn item(level: u32, sign: &str, text: &str) -> String {
    format!(
        "<p class='MsoListParagraphCxSpMiddle' style='margin-left:36.0pt;mso-add-space:auto;\ntext-indent:-18.0pt;mso-list:l0 level{level}\nlfo1'>\
         <!--[if !supportLists]--><span lang='EN-US' style='font-family:Symbol'><span style='mso-list:Ignore'>{sign}<span \
         style='font:7.0pt &quot;Times New Roman&quot;'>&#160;&#160; </span></span></span><!--[endif]--><b>{text}</b><span lang='EN-US'><o-p></o-p></span></p>\n\n"
    )
}

/// Items as they stand in each other, `-` before those with bullets and `1` before those with numbers.
fn listed(html: &str) -> Vec<String> {
    let listed = body(html).into_iter().map(|block| {
        let sign = match block.shape.kind.as_str() {
            "unordered-list-item" => "- ",
            "ordered-list-item" => "1 ",
            "paragraph" => "",
            other => other,
        };
        format!("{}{sign}{}", "  ".repeat(block.shape.parents.len()), block.text())
    });
    listed.collect()
}

#[test]
fn lists_that_word_saved_are_lists() {
    let html = [
        "<div class='WordSection1'><p class='MsoNormal'>Before</p>\n".to_owned(),
        item(1, "·", "one"),
        item(2, "o", "within"),
        item(2, "a)", "counted"),
        item(1, "§", "two"),
        "<p class='MsoNormal'>Between</p>".to_owned(),
        item(1, "(1)", "first"),
        item(3, "iv.", "deep"),
        item(1, "2.", "second"),
        "</div><p class='MsoNormal'>After</p>".to_owned(),
    ]
    .concat();
    assert_eq!(
        listed(&html),
        [
            "Before",
            "- one",
            "  - within",
            "  1 counted",
            "- two",
            "Between",
            "1 first",
            "  1 deep",
            "1 second",
            "After"
        ]
    );
    let bold = body(&item(1, "·", "one"));
    assert_eq!(shown(&bold), "unordered-list-item[]{} \"one\"[\"strong\"]\n");
    // In a cell, and in an item of HTML's own, which holds the text.
    let cell = format!(
        "<table><tr><td>{}</td><td>b</td></tr></table>{}",
        item(1, "1.", "a"),
        item(1, "1.", "c")
    );
    let kinds: Vec<String> = body(&cell)
        .iter()
        .map(|block| format!("{}/{}", block.shape.parents.join("/"), block.shape.kind))
        .collect();
    assert_eq!(
        kinds,
        [
            "/table-row",
            "table-row/ordered-list-item",
            "table-row/table-cell",
            "/ordered-list-item"
        ]
    );
    assert_eq!(
        listed(&format!("<ul><li>{}</li></ul>", item(1, "·", "own"))),
        ["- own"]
    );
}

#[test]
fn items_of_word_stand_beside_those_of_their_level() {
    let nested = |levels: &[u32]| {
        let html: String = levels.iter().map(|level| item(*level, "·", "x")).collect();
        let depths: Vec<usize> = body(&html)
            .iter()
            .map(|block| block.shape.parents.len())
            .collect();
        depths
    };
    assert_eq!(nested(&[2, 2, 2]), [0, 0, 0]);
    assert_eq!(nested(&[1, 3, 3, 2, 1]), [0, 1, 1, 1, 0]);
    assert_eq!(nested(&[3, 3, 1]), [0, 0, 0]);
    assert_eq!(nested(&[3, 3, 2]), [0, 0, 0]);
    assert_eq!(nested(&[1, 2, 3, 2, 3, 1]), [0, 1, 2, 1, 2, 0]);
    // What is no level is the last that Word has.
    assert_eq!(nested(&[1, 4_000_000_000, 0]), [0, 1, 0]);
}

#[test]
fn signs_of_words_items_tell_their_lists() {
    let list = |sign: &str| listed(&item(1, sign, "x"));
    for sign in [
        "1", "1.", "1.1", "1.1.1", "1.1.", "１．", "１", "(2)", "iv.", "A)", "१.२", "一、", "कि)",
    ] {
        assert_eq!(list(sign), ["1 x"], "{sign}");
    }
    for sign in ["o", "·", "§", "-", "Ø", "", "\u{f0b7}", "."] {
        assert_eq!(list(sign), ["- x"], "{sign}");
    }
    // Without any, and without text; and the numbers of headings are no text.
    let bare =
        "<p style='mso-list:l0 level1 lfo1'>bare <b>text</b></p><p style='mso-list:l0 level1 lfo1'></p>";
    assert_eq!(listed(bare), ["- bare text", "- "]);
    let heading = "<h1 style='mso-list:l0 level1 lfo1'><span style='mso-list:Ignore'>1<span>&#160; </span></span>Introduction</h1>";
    assert_eq!(listed(heading), ["headingIntroduction"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(parts in parts(), title in "[a-z<&:\"'#]{0,6}") {
        let blocks = blocks(&parts);
        let html = page(&title, blocks.clone()).to_html("en", &formula, &pictures());
        let back = stored(read(&html).unwrap());
        prop_assert_eq!(back.title.unwrap_or_default(), title, "{}", html);
        prop_assert!(back.blocks == blocks, "{}\n{}\ninstead of\n{}", html.split_once("<main").unwrap().1, shown(&back.blocks), shown(&blocks));
    }
}
