//! What people do, and what becomes of their connections, drawn from a seed.

use documents::page::Page;
use documents::page::edit::{Block, Edit, Run, Shape, Value};
use documents::page::import::markdown;

use crate::page::editor::{EditorCommand, List, Style, TableCommand, TextMark};

#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) desks: usize,
    /// Which page they begin with.
    pub(super) page: usize,
    pub(super) acts: Vec<Act>,
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Somebody does something at their desk.
    Do(usize, Deed),
    /// In milliseconds.
    Pass(u32),
    /// A device stores what it was given.
    Store(usize),
    /// A device hands the page over again, as it does when what counts of it has changed, or to go on on another lane.
    Reopen {
        desk: usize,
        lane: Lane,
    },
    Connect(usize, bool),
    /// The next changes of another desk arrive, so many at most.
    Arrive {
        at: usize,
        from: usize,
        most: usize,
    },
    /// Everything arrives everywhere, and all is compared.
    Meet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Same,
    Another,
}

/// A block and an offset in its text: any numbers, which are taken around the end to the beginning.
pub(super) type Spot = (u32, u32);

#[derive(Clone, Debug)]
pub(super) enum Deed {
    Select(Spot, Spot),
    Type(&'static str),
    /// At once, as dictation does.
    Insert(&'static str),
    Press(&'static str),
    Cut,
    Copy,
    /// Markup, or what was cut or copied last.
    Paste(Option<&'static str>),
    /// Begins to compose. Whatever is done next there ends that.
    Compose(&'static str),
    Command(EditorCommand),
    Replace {
        text: &'static str,
        with: &'static str,
        all: bool,
    },
    /// One that is kept on the device.
    InsertPicture(&'static str),
    /// Says what a picture shows, wherever that is.
    DescribePicture(usize, Option<&'static str>),
    /// A file of this name.
    Import(&'static str, &'static str),
    Title(&'static str),
    BeginComment,
    Comment(&'static str),
    /// Resolves a thread, or opens it again.
    Resolve(usize),
    /// Makes the page what it was.
    Restore(usize),
}

impl Deed {
    /// The names of those that change a page.
    pub(super) const CHANGING: &[&str] = &[
        "Type",
        "Insert",
        "Press",
        "Cut",
        "Paste",
        "Compose",
        "Command",
        "Replace",
        "InsertPicture",
        "DescribePicture",
        "Import",
        "Title",
        "Comment",
        "Resolve",
        "Restore",
    ];

    pub(super) fn name(&self) -> String {
        let told = format!("{self:?}");
        let end = told.find(|letter: char| !letter.is_alphabetic());
        told[..end.unwrap_or(told.len())].to_owned()
    }

    /// Whether it puts in blocks, in the place of others.
    pub(super) fn may_replace(&self) -> bool {
        matches!(self, Self::Import(..) | Self::Restore(_))
    }
}

impl History {
    pub(super) fn of_seed(seed: u64) -> Self {
        let mut random = Random(seed);
        let desks = 2 + random.below(2);
        let page = random.below(PAGES.len() + 1);
        let acts = (0..20 + random.below(50))
            .flat_map(|_| acts(&mut random, desks))
            .collect();
        Self { desks, page, acts }
    }

    pub(super) fn saved_page(&self) -> Vec<u8> {
        let blocks = PAGES
            .get(self.page)
            .map_or_else(torn, |text| markdown(text).unwrap().blocks);
        let mut page = Page::new([99; 16]).unwrap();
        page.apply(&[Edit::Blocks {
            from: 0,
            count: 1,
            blocks,
        }])
        .unwrap();
        page.commit(0);
        page.save().unwrap()
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    fn number(&mut self) -> u32 {
        u32::try_from(self.next() % 10_000).unwrap()
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

fn acts(random: &mut Random, desks: usize) -> Vec<Act> {
    let desk = random.below(desks);
    match random.below(24) {
        0..4 => {
            let letters = random.pick(TEXTS).split_inclusive(|_| true);
            letters.map(|letter| Act::Do(desk, Deed::Type(letter))).collect()
        }
        4..8 => vec![
            Act::Do(desk, select(random)),
            Act::Do(desk, Deed::Command(command(random))),
        ],
        8 => vec![
            Act::Do(desk, select(random)),
            Act::Do(desk, Deed::BeginComment),
            act(random, desks),
            Act::Do(desk, Deed::Comment("Why?")),
        ],
        _ => vec![act(random, desks)],
    }
}

fn select(random: &mut Random) -> Deed {
    let at = (random.number(), random.number());
    // Near, more often than not.
    let to = match random.below(6) {
        0..2 => at,
        2..4 => (at.0, random.number()),
        4 => (at.0 + 1, random.number()),
        _ => (random.number(), random.number()),
    };
    Deed::Select(at, to)
}

fn act(random: &mut Random, desks: usize) -> Act {
    let desk = random.below(desks);
    match random.below(100) {
        0..70 => Act::Do(desk, deed(random)),
        70..76 => Act::Pass(random.pick(&[1, 30, 60, 100, 600])),
        76..82 => Act::Store(desk),
        82 => Act::Reopen {
            desk,
            lane: random.pick(&[Lane::Same, Lane::Another]),
        },
        83..86 => Act::Connect(desk, random.below(3) > 0),
        86..99 => Act::Arrive {
            at: desk,
            from: random.below(desks),
            most: random.pick(&[1, 1, 2, 5, 100]),
        },
        _ => Act::Meet,
    }
}

fn deed(random: &mut Random) -> Deed {
    match random.below(100) {
        0..28 => select(random),
        28..34 => Deed::Insert(random.pick(TEXTS)),
        34..62 => Deed::Press(random.pick(KEYS)),
        62..80 => Deed::Command(command(random)),
        80..82 => Deed::Cut,
        82 => Deed::Copy,
        83 => Deed::Paste(None),
        84..87 => Deed::Paste(Some(random.pick(MARKUP))),
        87..89 => Deed::Compose(random.pick(TEXTS)),
        89 => Deed::Replace {
            text: random.pick(&["a", "e", "word", "ab"]),
            with: random.pick(&["", "a", "é", "two words"]),
            all: random.below(2) > 0,
        },
        90 => random.pick(&[
            Deed::Import("more.md", PAGES[1]),
            Deed::Import("table.html", MARKUP[5]),
            Deed::Import("rest.md", "# Rest\n\n- [ ] rest\n"),
        ]),
        91 => Deed::Title(random.pick(&["Rivers", "Lakes and rivers", ""])),
        92..94 => Deed::Restore(random.below(5)),
        94 => Deed::InsertPicture(random.pick(&["attachment:AQ", "attachment:Ag"])),
        95..97 => {
            let alt = random.pick(&[None, Some(""), Some("A bridge"), Some("جسر")]);
            Deed::DescribePicture(random.below(5), alt)
        }
        _ => Deed::Resolve(random.below(5)),
    }
}

fn command(random: &mut Random) -> EditorCommand {
    const MARKS: &[TextMark] = &[
        TextMark::Strong,
        TextMark::Em,
        TextMark::Underline,
        TextMark::Strikethrough,
        TextMark::Code,
        TextMark::Highlight,
        TextMark::Math,
        TextMark::Subscript,
        TextMark::Superscript,
    ];
    const IN_TABLES: &[TableCommand] = &[
        TableCommand::RowAbove,
        TableCommand::RowBelow,
        TableCommand::ColumnBefore,
        TableCommand::ColumnAfter,
        TableCommand::HeaderRow,
        TableCommand::DeleteRow,
        TableCommand::DeleteColumn,
        TableCommand::DeleteTable,
    ];
    let style = [
        Style::Paragraph,
        Style::Heading(1),
        Style::Heading(2),
        Style::CodeBlock,
        Style::Formula,
        Style::Callout,
    ];
    match random.below(23) {
        0..4 => EditorCommand::Mark(random.pick(MARKS)),
        4..7 => EditorCommand::List(random.pick(&[List::Bulleted, List::Numbered, List::Check])),
        7..10 => EditorCommand::Style(random.pick(&style)),
        10 => EditorCommand::Quote,
        11 => EditorCommand::Divider,
        12 => EditorCommand::Table,
        13..16 => EditorCommand::InTable(random.pick(IN_TABLES)),
        16 => EditorCommand::Link(random.pick(&["https://example.org/".to_owned(), String::new()])),
        17..19 => EditorCommand::Undo,
        19 => EditorCommand::Language(random.pick(&["sw".to_owned(), "ar-EG".to_owned(), String::new()])),
        20 => EditorCommand::Indent,
        21 => EditorCommand::Outdent,
        _ => EditorCommand::Redo,
    }
}

const TEXTS: &[&str] = &[
    "a",
    "b",
    " ",
    "ab ",
    "two words ",
    "é",
    "😀",
    "שלום",
    "# ",
    "- ",
    "1. ",
    "> ",
    "[] ",
    "**b**",
    "`c`",
    "$x$",
    "```",
    "---",
    "/",
];

const KEYS: &[&str] = &[
    "Enter",
    "Enter",
    "Enter",
    "Enter",
    "Backspace",
    "Backspace",
    "Backspace",
    "Backspace",
    "Delete",
    "Delete",
    "Tab",
    "Tab",
    "Tab",
    "Shift-Tab",
    "Shift-Tab",
    "Shift-Enter",
    "Ctrl-Enter",
    "ArrowDown",
    "Ctrl-b",
    "Ctrl-i",
    "Ctrl-e",
    "Ctrl-z",
    "Ctrl-z",
    "Ctrl-y",
    "Ctrl-a",
    "Escape",
];

const PAGES: [&str; 5] = [
    "One line.",
    "# Rivers\n\nA word and **another word** on `paper`.\n\n- one\n- two\n  - within two\n  - and more\n- three\n\n1. first\n2. second\n",
    "| a | b | c |\n| --- | --- | --- |\n| one | two | three |\n| four | five | six |\n\nBelow the table.\n",
    "> A quote\n>\n> - with a list\n\n```\ncode\nin lines\n```\n\n---\n\n$$\nx^2\n$$\n\n- [ ] to do\n- [x] done\n",
    "a\n\nab\n\nabc\n",
];

const MARKUP: &[&str] = &[
    "plain words",
    "<p>one</p><p>two <b>bold</b></p>",
    "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>",
    "<ol><li><p>a</p><p>still a</p></li><li><h2>b</h2></li></ol>",
    "<h1>H</h1><blockquote><p>q</p><ul><li>l</li></ul></blockquote><hr><pre>co\nde</pre>",
    "<table><tr><th>x</th><th>y</th></tr><tr><td>1</td><td><ul><li>in</li></ul></td></tr></table>",
    "<table><tbody><tr><td></td></tr></tbody></table>",
    "<b style=\"font-weight:normal\"><span style=\"font-weight:700\">docs</span></b>",
    "<a href=\"https://example.org/\">link</a> and <a href=\"javascript:alert(1)\">none</a><br>line",
    "<div>a<div>b</div><img src=\"x.png\" alt=\"i\"></div><p></p>",
    "<aside><p>callout</p></aside><code class=\"math-source\">x^2</code>",
    "<p data-shape='{\"type\":\"image\",\"parents\":[],\"attrs\":{},\"isEmbed\":true}'>foreign</p>",
    "<p data-shape='{\"type\":\"drawing\",\"parents\":[],\"attrs\":{},\"isEmbed\":true}'>drawn</p>",
    "<figure><img src=\"attachment:AQ\" alt=\"A leaf\" width=\"4\" height=\"3\"><figcaption>Found <b>here</b></figcaption></figure>",
    "<p>a</p><img src=\"attachment:AQ\"><p>b</p>",
    "<p data-shape='{\"type\":\"table-cell\",\"parents\":[\"table-row\"],\"attrs\":{},\"isEmbed\":false}'>cell</p>",
    "<li>stray</li><td>stray too</td>",
];

/// A page as a merge or another program may leave it.
fn torn() -> Vec<Block> {
    let block = |kind: &str, parents: &[&str], text: &str| Block {
        shape: Shape {
            kind: kind.to_owned(),
            parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
            ..Shape::paragraph()
        },
        runs: Some(text)
            .filter(|text| !text.is_empty())
            .map(|text| Run {
                text: text.to_owned(),
                marks: Default::default(),
            })
            .into_iter()
            .collect(),
    };
    let picture = |parents: &[&str], line: &str| {
        let mut picture = block("image", parents, line);
        picture.shape.is_embed = true;
        picture
            .shape
            .attrs
            .insert("src".to_owned(), Value::Text("attachment:AQ".to_owned()));
        picture
    };
    vec![
        block("table-cell", &["table-row"], "a cell with no row"),
        block(
            "paragraph",
            &["unordered-list-item", "blockquote"],
            "within what is not there",
        ),
        block("table-row", &[], "row"),
        block("heading", &["table-row"], "in a row, in no cell"),
        block("table-cell", &[], "outside"),
        block("ordered-list-item", &["callout"], "in something unknown"),
        block("code-block", &["unordered-list-item"], "code"),
        block("unordered-list-item", &["unordered-list-item"], "deep"),
        picture(&["unordered-list-item"], "seen"),
        picture(&["table-row"], ""),
    ]
}
