//! Pages that Markdown and HTML can say: random ones, and one of everything.

use documents::page::Page;
use documents::page::edit::{Block, Edit, Marks, Run, Shape, Value};
use documents::page::export::Pictures;
use documents::page::import::{Imported, Stored};
use proptest::prelude::*;

impl std::fmt::Debug for Part {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&shown(&blocks(std::slice::from_ref(self))))
    }
}

/// What a page is made of, before it is written as blocks.
#[derive(Clone)]
pub(crate) enum Part {
    Paragraph(Vec<Run>),
    Heading(i64, Vec<Run>),
    Code(String, Option<&'static str>),
    Formula(&'static str),
    Divider(Vec<Run>),
    /// What it shows, and the line under it.
    Picture(&'static str, Vec<Run>),
    List(bool, Vec<Item>),
    Quote(Vec<Run>, Vec<Part>),
    Callout(Vec<Run>, Vec<Part>),
    Table(bool, Vec<Vec<Vec<Run>>>),
}

#[derive(Clone, Debug)]
pub(crate) struct Item {
    checked: Option<bool>,
    text: Vec<Run>,
    parts: Vec<Part>,
}

pub(crate) fn page(title: &str, blocks: Vec<Block>) -> Page {
    let mut page = Page::new([1; 16]).unwrap();
    if !blocks.is_empty() {
        page.apply(&[Edit::Blocks {
            from: 0,
            count: 1,
            blocks,
        }])
        .unwrap();
    }
    page.set_title(title).unwrap();
    page.commit(1_800_000_000);
    page
}

pub(crate) fn run(text: &str, marks: &[(&str, Value)]) -> Run {
    let marks = marks
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    Run {
        text: text.to_owned(),
        marks: marks.collect(),
    }
}

pub(crate) fn link(href: &str, title: &str) -> Value {
    Value::Text(format!("{{\"href\":{href:?},\"title\":{title:?}}}"))
}

pub(crate) fn block(kind: &str, parents: &[&str], attrs: &[(&str, Value)], runs: Vec<Run>) -> Block {
    let attrs = attrs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    Block {
        shape: Shape {
            kind: kind.to_owned(),
            parents: parents.iter().map(|name| (*name).to_owned()).collect(),
            attrs: attrs.collect(),
            is_embed: false,
        },
        runs,
    }
}

/// The smallest picture that there is.
pub(crate) const DOT: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\nIDATx\x9cc`\0\0\0\x02\0\x01H\xaf\xa4q\0\0\0\0IEND\xaeB`\x82";

/// Where that is.
pub(crate) const PLACE: &str = "attachment:AQ";

pub(crate) fn picture(src: &str, alt: Option<&str>, runs: Vec<Run>) -> Block {
    let mut block = block("image", &[], &[("src", Value::Text(src.to_owned()))], runs);
    block.shape.is_embed = true;
    let alt = alt.map(|alt| ("alt".to_owned(), Value::Text(alt.to_owned())));
    block.shape.attrs.extend(alt);
    block
}

pub(crate) fn pictures() -> Pictures {
    [(PLACE.to_owned(), DOT.to_vec())].into()
}

/// What was read, with the pictures where they were.
pub(crate) fn stored(imported: Imported) -> Imported {
    assert!(imported.pictures.iter().all(|picture| picture == DOT));
    let stored = imported.pictures.iter().map(|_| {
        Some(Stored {
            src: PLACE.to_owned(),
            width: None,
            height: None,
        })
    });
    let stored: Vec<Option<Stored>> = stored.collect();
    imported.with_pictures(&stored)
}

/// The blocks without what Markdown has no sign for: their languages.
pub(crate) fn without_languages(blocks: &[Block]) -> Vec<Block> {
    let mut blocks = blocks.to_vec();
    for block in &mut blocks {
        block.shape.attrs.remove("lang");
    }
    blocks
}

/// The blocks that the parts are.
pub(crate) fn blocks(parts: &[Part]) -> Vec<Block> {
    let mut blocks = Vec::new();
    write(parts, &[], &mut blocks);
    for block in &mut blocks {
        block.runs = joined(std::mem::take(&mut block.runs));
    }
    blocks
}

fn write(parts: &[Part], parents: &[&str], into: &mut Vec<Block>) {
    let inside = |name: &'static str| -> Vec<&str> { parents.iter().copied().chain([name]).collect() };
    for part in parts {
        match part {
            Part::Paragraph(runs) => into.push(block("paragraph", parents, &[], runs.clone())),
            Part::Heading(level, runs) => {
                let level = [("level", Value::Integer(*level))];
                into.push(block("heading", parents, &level, runs.clone()));
            }
            Part::Code(text, language) => {
                let language: Vec<(&str, Value)> = language
                    .iter()
                    .map(|language| ("language", Value::Text((*language).to_owned())))
                    .collect();
                into.push(block("code-block", parents, &language, vec![run(text, &[])]));
            }
            Part::Formula(latex) => into.push(block("math-block", parents, &[], vec![run(latex, &[])])),
            Part::Divider(runs) => into.push(block("divider", parents, &[], runs.clone())),
            Part::Picture(alt, runs) => {
                let mut block = picture(PLACE, Some(alt), runs.clone());
                block.shape.parents = parents.iter().map(|name| (*name).to_owned()).collect();
                into.push(block);
            }
            Part::List(ordered, items) => {
                let name = if *ordered {
                    "ordered-list-item"
                } else {
                    "unordered-list-item"
                };
                for item in items {
                    let checked: Vec<(&str, Value)> = item
                        .checked
                        .iter()
                        .map(|checked| ("checked", Value::Boolean(*checked)))
                        .collect();
                    into.push(block(name, parents, &checked, item.text.clone()));
                    write(&item.parts, &inside(name), into);
                }
            }
            Part::Quote(text, parts) => {
                into.push(block("blockquote", parents, &[], text.clone()));
                write(parts, &inside("blockquote"), into);
            }
            Part::Callout(text, parts) => {
                into.push(block("aside", parents, &[], text.clone()));
                write(parts, &inside("aside"), into);
            }
            Part::Table(header, rows) => {
                for (number, row) in rows.iter().enumerate() {
                    let header: &[(&str, Value)] = if *header && number == 0 {
                        &[("header", Value::Boolean(true))]
                    } else {
                        &[]
                    };
                    for (number, cell) in row.iter().enumerate() {
                        into.push(match number {
                            0 => block("table-row", parents, header, cell.clone()),
                            _ => block("table-cell", &inside("table-row"), &[], cell.clone()),
                        });
                    }
                }
            }
        }
    }
}

fn joined(runs: Vec<Run>) -> Vec<Run> {
    let mut joined: Vec<Run> = Vec::new();
    for run in runs.into_iter().filter(|run| !run.text.is_empty()) {
        match joined.last_mut() {
            Some(last) if last.marks == run.marks => last.text.push_str(&run.text),
            _ => joined.push(run),
        }
    }
    joined
}

/// The same blocks with bold and italic taken off the spaces at their edges, which Markdown can't say.
pub(crate) fn without_marked_space(mut blocks: Vec<Block>) -> Vec<Block> {
    for block in &mut blocks {
        for name in ["strong", "em"] {
            let mut letters: Vec<(char, Marks)> = Vec::new();
            for run in &block.runs {
                letters.extend(run.text.chars().map(|letter| (letter, run.marks.clone())));
            }
            let is_plain = |marks: &Marks| !marks.contains_key("code") && !marks.contains_key("math");
            for backwards in [false, true] {
                let mut at_edge = true;
                let mut order: Vec<usize> = (0..letters.len()).collect();
                if backwards {
                    order.reverse();
                }
                for at in order {
                    let (letter, marks) = &mut letters[at];
                    if !marks.contains_key(name) {
                        at_edge = true;
                    } else if at_edge && letter.is_whitespace() && is_plain(marks) {
                        marks.remove(name);
                    } else {
                        at_edge = false;
                    }
                }
            }
            let runs = letters.into_iter().map(|(letter, marks)| Run {
                text: letter.to_string(),
                marks,
            });
            block.runs = joined(runs.collect());
        }
    }
    blocks
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]{1,5}",
        2 => "[a-z ]{1,6}",
        3 => r##"[-a*_`~$|<>&;#\\\[\]()!{}.:=+"' 1a]{1,6}"##,
        1 => Just("\n".to_owned()),
        1 => Just("1. no list".to_owned()),
        1 => Just("&amp; &#65; <b>".to_owned()),
        1 => Just("نهر 河 नदी ሐ".to_owned()),
        1 => Just("“e\u{301}”\u{a0}👩‍👧\t.".to_owned()),
        1 => Just("  ".to_owned()),
    ]
}

fn marks() -> impl Strategy<Value = Marks> {
    let names = [
        "strong",
        "em",
        "underline",
        "strikethrough",
        "highlight",
        "subscript",
        "superscript",
    ];
    let flags = prop::collection::btree_set(prop::sample::select(names.to_vec()), 0..3);
    let links = prop::option::weighted(
        0.2,
        prop::sample::select(vec![
            link("https://example.org/a_b(c)?d=1&e=2#f", ""),
            link("mailto:amina@example.org", "Write \"her\" \\ now"),
            link("https://example.org/<a b>|c\\d&amp;", "a|b"),
        ]),
    );
    (flags, links).prop_map(|(flags, link)| {
        let mut marks: Marks = flags
            .into_iter()
            .map(|name| (name.to_owned(), Value::Boolean(true)))
            .collect();
        marks.extend(link.map(|link| ("link".to_owned(), link)));
        marks
    })
}

fn runs(fewest: usize) -> impl Strategy<Value = Vec<Run>> {
    let plain = (words(), Just(Marks::new()));
    let marked = (words(), marks());
    let code = ("[a`| _*]{1,5}", marks()).prop_map(|(text, mut marks)| {
        marks.insert("code".to_owned(), Value::Boolean(true));
        (text, marks)
    });
    let formulas = vec!["a^2", "\\frac{1}{2}", "x | y", "a < b", "\\{1\\}", "a_1$"];
    let formula = (prop::sample::select(formulas), marks()).prop_map(|(text, mut marks)| {
        marks.insert("math".to_owned(), Value::Boolean(true));
        (text.to_owned(), marks)
    });
    let run = prop_oneof![3 => plain, 3 => marked, 1 => code, 1 => formula];
    prop::collection::vec(run.prop_map(|(text, marks)| Run { text, marks }), fewest..5)
}

pub(crate) fn parts() -> impl Strategy<Value = Vec<Part>> {
    let leaf = prop_oneof![
        4 => runs(1).prop_map(Part::Paragraph),
        2 => (1_i64..=6, runs(0)).prop_map(|(level, runs)| Part::Heading(level, runs)),
        1 => (
            r"([a `*]{0,4}\n){0,3}[a`~]{0,4}",
            prop::sample::select(vec![None, Some("rust"), Some("c++")])
        )
            .prop_map(|(text, language)| Part::Code(text, language)),
        1 => prop::sample::select(vec!["a^2 + b^2", "a\n- b\n", "x\n= y", "\\frac{1}{2}\n\\cdot 3", "", "$", "a\n\nb"])
            .prop_map(Part::Formula),
        1 => runs(1).prop_map(Part::Divider),
        1 => (prop::sample::select(vec!["", "A leaf", "[a](b) *c* | ![\\"]), runs(1))
            .prop_map(|(alt, runs)| Part::Picture(alt, runs)),
        2 => (any::<bool>(), 1_usize..4).prop_flat_map(|(header, width)| {
            let row = prop::collection::vec(runs(0), width);
            prop::collection::vec(row, 1..4).prop_map(move |rows| {
                let named = rows.first().is_some_and(|row| row.iter().flatten().count() > 0);
                Part::Table(header && named, rows)
            })
        }),
    ];
    let part = leaf.prop_recursive(3, 24, 4, |part| {
        let parts = || prop::collection::vec(part.clone(), 0..3).prop_map(apart);
        let item = (prop::option::weighted(0.3, any::<bool>()), runs(1), parts())
            .prop_map(|(checked, text, parts)| Item { checked, text, parts });
        prop_oneof![
            (any::<bool>(), prop::collection::vec(item, 1..4))
                .prop_map(|(ordered, items)| Part::List(ordered, items)),
            (runs(1), parts()).prop_map(|(text, parts)| Part::Quote(text, parts)),
            (runs(1), parts()).prop_map(|(text, parts)| Part::Callout(text, parts)),
        ]
    });
    prop::collection::vec(part, 1..6).prop_map(apart)
}

/// Puts a heading between what would be one.
fn apart(parts: Vec<Part>) -> Vec<Part> {
    let mut apart: Vec<Part> = Vec::new();
    for part in parts {
        let is_one = match (apart.last(), &part) {
            (Some(Part::List(left, _)), Part::List(right, _)) => left == right,
            (Some(Part::Table(..)), Part::Table(..)) => true,
            _ => false,
        };
        if is_one {
            apart.push(Part::Heading(2, vec![run("between", &[])]));
        }
        apart.push(part);
    }
    apart
}

/// A page of every kind of block and mark.
pub(crate) fn everything() -> Page {
    let plain = |text: &str| vec![run(text, &[])];
    let yes = Value::Boolean(true);
    let mut marked = Vec::new();
    for name in [
        "strong",
        "em",
        "underline",
        "strikethrough",
        "highlight",
        "subscript",
        "superscript",
        "code",
    ] {
        marked.push(run(name, &[(name, yes.clone())]));
        marked.push(run(" and ", &[]));
    }
    marked.push(run("both", &[("strong", yes.clone()), ("em", yes.clone())]));
    marked.push(run(" or ", &[]));
    marked.push(run("a link", &[("link", link("https://example.org/", "There"))]));
    marked.push(run(" or ", &[]));
    marked.push(run("a^2", &[("math", yes)]));
    let cells = |texts: [&str; 2]| texts.map(plain).to_vec();
    let parts = vec![
        Part::Heading(1, plain("Rivers")),
        Part::Paragraph(marked),
        Part::Paragraph(plain("نهر طويل")),
        Part::List(
            false,
            vec![
                Item {
                    checked: None,
                    text: plain("Tana"),
                    parts: vec![Part::List(
                        true,
                        vec![Item {
                            checked: None,
                            text: plain("Garissa"),
                            parts: vec![],
                        }],
                    )],
                },
                Item {
                    checked: Some(true),
                    text: plain("measure"),
                    parts: vec![],
                },
                Item {
                    checked: Some(false),
                    text: plain("draw"),
                    parts: vec![],
                },
            ],
        ),
        Part::Quote(plain("Panta rhei"), vec![Part::Paragraph(plain("Heraclitus"))]),
        Part::Callout(plain("Bring boots"), vec![]),
        Part::Code("let depth = 4;\n".to_owned(), Some("rust")),
        Part::Formula("v = \\frac{s}{t}"),
        Part::Divider(plain("Below")),
        Part::Picture("A hippo, seen from the bank", plain("At Garissa")),
        Part::Table(true, vec![cells(["Place", "Depth"]), cells(["Garissa", "4 | 5"])]),
    ];
    let mut blocks = blocks(&parts);
    let said = [
        ("Rivers", "en-GB"),
        ("نهر طويل", "ar"),
        ("Garissa", "sw"),
        ("measure", "en"),
        ("Panta rhei", "grc"),
        ("Bring boots", "en"),
        ("let depth", "en"),
        ("Below", "en"),
        ("At Garissa", "en"),
        ("Place", "en"),
        ("Depth", "en"),
    ];
    for (text, language) in said {
        let block = blocks
            .iter_mut()
            .find(|block| block.text().starts_with(text))
            .unwrap();
        let language = Value::Text(language.to_owned());
        block.shape.attrs.insert("lang".to_owned(), language);
    }
    page("Rivers & <water>", blocks)
}

/// Blocks as one reads them when they are not what they should be.
pub(crate) fn shown(blocks: &[Block]) -> String {
    let mut shown = String::new();
    for Block { shape, runs } in blocks {
        shown.push_str(&format!("{}{:?}{:?}", shape.kind, shape.parents, shape.attrs));
        for run in runs {
            let marks: Vec<&String> = run.marks.keys().collect();
            shown.push_str(&format!(" {:?}{marks:?}", run.text));
        }
        shown.push('\n');
    }
    shown
}
