//! The text of one block as Markdown: marks as signs where those are sure to be read as marks, and as HTML where not.

use super::super::super::edit::Block;
use super::super::{Kind, Mark, Piece, extent, pieces};

/// Where text stands decides what must be escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Paragraph,
    /// On one line.
    Heading,
    /// On one line, between bars.
    Cell,
}

/// What a letter is for the rules on what may begin and end a mark. What is not sure counts as what hinders.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Sign,
    Letter,
}

impl Class {
    fn of(letter: Option<char>) -> Class {
        match letter {
            None => Class::Space,
            Some(letter) if letter.is_whitespace() => Class::Space,
            Some(letter) if letter.is_alphanumeric() => Class::Letter,
            Some(_) => Class::Sign,
        }
    }
}

pub(super) fn write(block: &Block, place: Place) -> String {
    let pieces = without_marked_space(&pieces(block));
    let has_formula = pieces.iter().any(|piece| piece.kind == Kind::Formula);
    let mut writer = Writer {
        out: String::new(),
        open: Vec::new(),
        place,
        has_formula,
    };
    for (at, piece) in pieces.iter().enumerate() {
        writer.close(at);
        writer.open(&pieces, at);
        let is_last = at + 1 == pieces.len();
        match piece.kind {
            Kind::Text => writer.text(&piece.text, is_last),
            Kind::Code => {
                let code = write_code(&piece.text, place);
                writer.leaf(&code);
            }
            Kind::Formula => {
                let formula = write_formula(&piece.text, place);
                writer.leaf(&formula);
            }
        }
    }
    writer.close(pieces.len());
    writer.out
}

/// Bold and italic spaces look like others, but no sign can stand beside them.
fn without_marked_space(pieces: &[Piece]) -> Vec<Piece> {
    let mut split: Vec<Piece> = Vec::new();
    for mark in [Mark::Strong, Mark::Em] {
        let source = if split.is_empty() { pieces } else { &split };
        let mut next: Vec<Piece> = Vec::new();
        let is_marked = |piece: Option<&Piece>| piece.is_some_and(|piece| piece.marks.contains(&mark));
        for (at, piece) in source.iter().enumerate() {
            if piece.kind != Kind::Text || !piece.marks.contains(&mark) {
                next.push(piece.clone());
                continue;
            }
            let mut part = |text: &str, marked: bool| {
                let mut part = piece.clone();
                part.text = text.to_owned();
                if !marked {
                    part.marks.retain(|other| *other != mark);
                }
                next.push(part);
            };
            let mut text = piece.text.as_str();
            if at == 0 || !is_marked(source.get(at - 1)) {
                let rest = text.trim_start();
                part(&text[..text.len() - rest.len()], false);
                text = rest;
            }
            let kept = if is_marked(source.get(at + 1)) {
                text
            } else {
                text.trim_end()
            };
            part(kept, true);
            part(&text[kept.len()..], false);
        }
        split = next;
        split.retain(|piece| !piece.text.is_empty());
        split = joined(split);
    }
    split
}

fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::new();
    for piece in pieces {
        match joined.last_mut() {
            Some(last) if last.kind == piece.kind && last.marks == piece.marks => {
                last.text.push_str(&piece.text);
            }
            _ => joined.push(piece),
        }
    }
    joined
}

struct Open {
    mark: Mark,
    /// The number of the piece behind the last that it covers.
    end: usize,
    close: String,
}

struct Writer {
    out: String,
    open: Vec<Open>,
    place: Place,
    has_formula: bool,
}

impl Writer {
    fn close(&mut self, at: usize) {
        while let Some(open) = self.open.pop_if(|open| open.end <= at) {
            self.out.push_str(&open.close);
        }
    }

    /// Opens the marks that begin at a piece, the longest first: whatever is open ends behind what was opened after it.
    fn open(&mut self, pieces: &[Piece], at: usize) {
        let mut opening: Vec<(usize, &Mark)> = pieces[at]
            .marks
            .iter()
            .filter(|mark| self.open.iter().all(|open| open.mark != **mark))
            .map(|mark| (extent(pieces, at, mark), mark))
            .collect();
        opening.sort_by(|(left, left_mark), (right, right_mark)| {
            right.cmp(left).then_with(|| left_mark.cmp(right_mark))
        });
        let mut opening = opening.into_iter().peekable();
        while let Some((end, mark)) = opening.next() {
            let end = self.open.last().map_or(end, |outer| end.min(outer.end));
            let before = if self.out.is_empty() || self.out.ends_with('\n') {
                Class::Space
            } else {
                Class::of(self.out.chars().last())
            };
            let touches = self.out.ends_with(['*', '~']);
            // Bold and italic that begin and end together are one sign.
            if *mark == Mark::Strong
                && !touches
                && opening
                    .peek()
                    .is_some_and(|(inner, mark)| *inner >= end && **mark == Mark::Em)
            {
                let em = opening.next();
                if is_sure(pieces, (at, end), before, (2, opening.peek().is_some())) {
                    self.out.push_str("***");
                    for (mark, close) in [(mark, "***"), (&Mark::Em, "")] {
                        self.open.push(Open {
                            mark: mark.clone(),
                            end,
                            close: close.to_owned(),
                        });
                    }
                    continue;
                }
                self.begin(mark, end, html("strong"));
                if let Some((_, mark)) = em {
                    self.begin(mark, end, html("em"));
                }
                continue;
            }
            let sure = is_sure(pieces, (at, end), before, (1, opening.peek().is_some()));
            let signs = match mark {
                Mark::Link { href, title } => ("[".to_owned(), link_end(href, title, self.place)),
                Mark::Strong if touches || !sure => html("strong"),
                Mark::Em if touches || !sure => html("em"),
                Mark::Strikethrough if touches || !sure => html("del"),
                Mark::Strong => both("**"),
                Mark::Em => both("*"),
                Mark::Strikethrough => both("~~"),
                Mark::Underline => html("u"),
                Mark::Highlight => html("mark"),
                Mark::Subscript => html("sub"),
                Mark::Superscript => html("sup"),
            };
            self.begin(mark, end, signs);
        }
    }

    fn begin(&mut self, mark: &Mark, end: usize, (open, close): (String, String)) {
        self.out.push_str(&open);
        self.open.push(Open {
            mark: mark.clone(),
            end,
            close,
        });
    }

    fn leaf(&mut self, text: &str) {
        // Two fences or dollars side by side would be one.
        if text.starts_with('`') && self.out.ends_with('`')
            || text.starts_with('$') && self.out.ends_with('$')
        {
            self.out.push_str("<!-- -->");
        }
        self.out.push_str(text);
    }

    fn text(&mut self, text: &str, is_last: bool) {
        let letters: Vec<char> = text.chars().collect();
        for (at, letter) in letters.iter().copied().enumerate() {
            let before = at.checked_sub(1).and_then(|before| letters.get(before)).copied();
            let after = letters.get(at + 1).copied();
            let line_start = self.out.is_empty() || self.out.ends_with('\n');
            let ends_line = after == Some('\n') || after.is_none() && is_last;
            match letter {
                '\n' if self.place == Place::Paragraph
                    && before.is_some_and(|before| before != '\n')
                    && after.is_some_and(|after| after != '\n') =>
                {
                    self.out.push_str("\\\n");
                }
                '\n' => self.out.push_str("<br>"),
                ' ' | '\t' if line_start || ends_line || before == Some('\n') => self.entity(letter),
                '\0' => self.out.push('\u{fffd}'),
                '\t' => self.out.push('\t'),
                _ if letter.is_control() => self.entity(letter),
                _ => {
                    if self.needs_escape(letter, (before, after), line_start) {
                        self.out.push('\\');
                    }
                    self.out.push(letter);
                }
            }
        }
    }

    fn entity(&mut self, letter: char) {
        self.out.push_str(&format!("&#{};", u32::from(letter)));
    }

    fn needs_escape(
        &self,
        letter: char,
        (before, after): (Option<char>, Option<char>),
        line_start: bool,
    ) -> bool {
        let is_letter = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
        match letter {
            '\\' | '`' | '*' | '[' | ']' | '<' | '~' | '$' | '|' => true,
            // Within a word it is nothing but itself.
            '_' => !(is_letter(before) && is_letter(after)),
            '&' => after.is_none_or(|after| after.is_ascii_alphanumeric() || after == '#'),
            // Before a link it would make an image of it.
            '!' => after.is_none(),
            '#' => line_start || self.place == Place::Heading,
            '-' | '+' | '>' | '=' | ':' => line_start,
            '.' | ')' => {
                let line = self.out.rsplit('\n').next().unwrap_or_default();
                !line.is_empty() && line.bytes().all(|digit| digit.is_ascii_digit())
            }
            '{' | '}' => self.has_formula,
            _ => false,
        }
    }
}

/// Whether signs around some pieces, for so many marks, are read as such, whatever stands outside.
fn is_sure(
    pieces: &[Piece],
    (from, to): (usize, usize),
    before: Class,
    (marks, opens_more): (usize, bool),
) -> bool {
    let first = class_of_end(&pieces[from], true);
    let last = class_of_end(&pieces[to - 1], false);
    let follows = match pieces.get(to) {
        None => Class::Space,
        Some(piece) if piece.kind == Kind::Text && piece.text.starts_with(char::is_whitespace) => {
            Class::Space
        }
        Some(_) => Class::Letter,
    };
    let closes_more = pieces[to - 1]
        .marks
        .iter()
        .filter(|mark| extent(pieces, to - 1, mark) == to)
        .count()
        > marks;
    let opens = match (first, opens_more) {
        (Class::Letter, false) => true,
        (Class::Space, _) => false,
        _ => before == Class::Space,
    };
    let closes = match (last, closes_more) {
        (Class::Letter, false) => true,
        (Class::Space, _) => false,
        _ => follows == Class::Space,
    };
    opens && closes
}

fn class_of_end(piece: &Piece, first: bool) -> Class {
    if piece.kind != Kind::Text {
        return Class::Sign;
    }
    let mut letters = piece.text.chars();
    Class::of(if first { letters.next() } else { letters.last() })
}

fn both(sign: &str) -> (String, String) {
    (sign.to_owned(), sign.to_owned())
}

fn html(name: &str) -> (String, String) {
    (format!("<{name}>"), format!("</{name}>"))
}

fn link_end(href: &str, title: &str, place: Place) -> String {
    let escaped = |text: &str, signs: &str| {
        let mut out = String::new();
        for letter in text.chars() {
            if letter.is_control() {
                out.push(' ');
                continue;
            }
            if signs.contains(letter) || letter == '|' && place == Place::Cell {
                out.push('\\');
            }
            out.push(letter);
        }
        out
    };
    let mut end = format!("](<{}>", escaped(href, "\\<>&"));
    if !href
        .contains(|letter: char| "()<>\\&|".contains(letter) || letter.is_whitespace() || letter.is_control())
    {
        end = format!("]({href}");
    }
    if !title.is_empty() {
        end.push_str(&format!(" \"{}\"", escaped(title, "\\\"&")));
    }
    end.push(')');
    end
}

/// Code between backquotes, or as HTML where it has what can't stand there.
pub(super) fn write_code(code: &str, place: Place) -> String {
    let breaks = |letter: char| letter.is_control() || letter == '|' && place == Place::Cell;
    if code.contains(breaks) || code.is_empty() {
        return format!("<code>{}</code>", as_html(code));
    }
    let longest = code
        .split(|letter| letter != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    let padded = code.starts_with('`')
        || code.ends_with('`')
        || code.starts_with(' ') && code.ends_with(' ') && !code.trim_matches(' ').is_empty();
    let pad = if padded { " " } else { "" };
    format!("{fence}{pad}{code}{pad}{fence}")
}

/// LaTeX between dollars, or as HTML where it has what can't stand there.
pub(super) fn write_formula(latex: &str, place: Place) -> String {
    let bars = place == Place::Cell && latex.contains('|');
    if is_formula(latex) && !bars && !latex.contains('\n') {
        format!("${latex}$")
    } else {
        format!("<code class=\"math\">{}</code>", as_html(latex))
    }
}

/// Whether LaTeX can stand between dollars.
pub(super) fn is_formula(latex: &str) -> bool {
    let mut depth: i32 = 0;
    let mut escaped = false;
    for letter in latex.chars() {
        if escaped {
            escaped = false;
            continue;
        }
        match letter {
            '\\' => escaped = true,
            '$' | '`' | '<' => return false,
            _ if letter.is_control() && letter != '\n' => return false,
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    depth == 0
        && !escaped
        && !latex.is_empty()
        && !latex.starts_with(char::is_whitespace)
        && !latex.ends_with(char::is_whitespace)
}

/// Text between tags, none of it read as Markdown.
fn as_html(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '\n' => out.push_str("<br>"),
            '\0' => out.push('\u{fffd}'),
            _ if letter.is_control() || letter.is_ascii_punctuation() || letter == ' ' => {
                out.push_str(&format!("&#{};", u32::from(letter)));
            }
            _ => out.push(letter),
        }
    }
    out
}
