//! Pages as files that other programs read. What is written is a function of the page alone.

mod html;
mod markdown;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Page;
use super::edit::{Block, Run, Value};
use super::link::Target;
use super::picture::{self, is_data, media_type};

/// Makes MathML of LaTeX, in the text or on a line of its own; none if it has no meaning.
pub type Formulas<'a> = &'a dyn Fn(&str, bool) -> Option<String>;

/// The files of the attachments that are at hand, by their addresses. Where one is not, its description stands in its place.
pub type Pictures = BTreeMap<String, Vec<u8>>;

impl Page {
    /// The page as Markdown: CommonMark, with GitHub's tables, task lists, strikethrough and alerts, and `$…$` for formulas.
    /// What Markdown has no sign for is written as HTML (underline, highlight, sub- and superscript, pictures that are decoration) or left out (languages, marks in
    /// code, all but the text of what is unknown, lines without text). Pictures stand in it, the line under one in emphasis. The title
    /// stands in front, as YAML.
    pub fn to_markdown(&self, pictures: &Pictures) -> String {
        markdown::write(&self.title(), &with_pictures(&self.blocks, pictures))
    }

    /// The page as one file of HTML that needs no other. `language` is the language of what the program itself says in it,
    /// as in `lang`.
    pub fn to_html(&self, language: &str, formulas: Formulas<'_>, pictures: &Pictures) -> String {
        let blocks = with_pictures(&self.blocks, pictures);
        html::write(&self.title(), &blocks, language, formulas)
    }
}

/// A name for a file with this title, without what some system does not allow in names, or takes for more than a name.
/// `untitled` is for a title of which nothing is left.
pub fn file_name(title: &str, untitled: &str, extension: &str) -> String {
    let mut name = String::new();
    for letter in title.chars() {
        let is_sign = letter.is_control() || "\"*/:<>?\\|".contains(letter) || is_invisible(letter);
        let letter = if is_sign || letter.is_whitespace() {
            ' '
        } else {
            letter
        };
        if letter != ' ' || !name.ends_with(' ') {
            name.push(letter);
        }
        // Systems count bytes, up to 255, and browsers put something behind a name that is taken.
        if name.len() > 150 {
            break;
        }
    }
    let name = name.trim_matches([' ', '.']);
    // Windows has devices of these names, whatever stands behind a dot.
    let stem = name
        .split('.')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let is_device = ["con", "prn", "aux", "nul"].contains(&stem.as_str())
        || stem
            .strip_prefix("com")
            .or_else(|| stem.strip_prefix("lpt"))
            .is_some_and(|number| number.chars().count() == 1);
    match (name, is_device) {
        ("", _) => format!("{untitled}.{extension}"),
        (name, true) => format!("{name}_.{extension}"),
        (name, false) => format!("{name}.{extension}"),
    }
}

/// Letters that turn the direction of others, or are not seen: a name with them shows as another one. Joiners are letters.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Marks that other formats have, too. An earlier one is outside of a later one that covers the same text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Link { href: String, title: String },
    Strong,
    Em,
    Underline,
    Strikethrough,
    Highlight,
    Subscript,
    Superscript,
}

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Code,
    /// LaTeX.
    Formula,
}

/// Text with the same marks throughout, as far as other formats have them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    text: String,
    kind: Kind,
    marks: Vec<Mark>,
}

/// The text of a block. Neighbours differ.
fn pieces(block: &Block) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for run in &block.runs {
        let (kind, marks) = look(run);
        match pieces.last_mut() {
            Some(last) if last.kind == kind && last.marks == marks => last.text.push_str(&run.text),
            _ => pieces.push(Piece {
                text: run.text.clone(),
                kind,
                marks,
            }),
        }
    }
    pieces
}

fn look(run: &Run) -> (Kind, Vec<Mark>) {
    let mut kind = Kind::Text;
    let mut marks = Vec::new();
    for (name, value) in &run.marks {
        // Some programs write a mark that is not set so.
        if *value == Value::Boolean(false) {
            continue;
        }
        match name.as_str() {
            "math" => kind = Kind::Formula,
            "code" if kind == Kind::Text => kind = Kind::Code,
            "link" => {
                if let Some(Target { href, title }) = Target::of(value) {
                    marks.push(Mark::Link { href, title });
                }
            }
            "strong" => marks.push(Mark::Strong),
            "em" => marks.push(Mark::Em),
            "underline" => marks.push(Mark::Underline),
            "strikethrough" => marks.push(Mark::Strikethrough),
            "highlight" => marks.push(Mark::Highlight),
            "subscript" => marks.push(Mark::Subscript),
            "superscript" => marks.push(Mark::Superscript),
            _ => {}
        }
    }
    marks.sort();
    (kind, marks)
}

/// The blocks with each picture that is at hand in its own address, and no other address.
fn with_pictures(blocks: &[Block], pictures: &Pictures) -> Vec<Block> {
    let mut blocks = blocks.to_vec();
    for block in &mut blocks {
        let Some(picture) = block.shape.picture().filter(|picture| !is_data(picture.src)) else {
            continue;
        };
        let bytes = pictures.get(picture.src);
        let kind = bytes.and_then(|bytes| media_type(bytes));
        let address = kind
            .zip(bytes)
            .map(|(kind, bytes)| format!("data:{kind};base64,{}", STANDARD.encode(bytes)));
        let src = Value::Text(address.unwrap_or_default());
        block.shape.attrs.insert(picture::SRC.to_owned(), src);
    }
    blocks
}

/// How far each mark that begins at a piece goes, if it is not cut off: the number of the piece behind its last.
fn extent(pieces: &[Piece], from: usize, mark: &Mark) -> usize {
    let covered = |piece: &&Piece| piece.marks.contains(mark);
    from + pieces[from..].iter().take_while(covered).count()
}

/// The level of a heading.
fn level(block: &Block) -> u8 {
    match block.shape.attrs.get("level") {
        Some(Value::Integer(level)) => u8::try_from((*level).clamp(1, 6)).unwrap_or(1),
        _ => 1,
    }
}

/// The language that a code block says it is of.
fn language(block: &Block) -> Option<&str> {
    match block.shape.attrs.get("language") {
        Some(Value::Text(language)) => Some(language),
        _ => None,
    }
}
