//! Markdown.

mod inline;

use super::super::edit::{Block, Value};
use super::super::picture::Picture;
use super::super::tree::{Item, Node, Row, tree};
use super::{language, level};

use inline::Place;

pub(super) fn write(title: &str, blocks: &[Block]) -> String {
    let mut lines = Vec::new();
    if !title.is_empty() {
        // Text in JSON is text in YAML.
        let title = serde_json::to_string(title).unwrap_or_default();
        lines.extend([
            "---".to_owned(),
            format!("title: {title}"),
            "---".to_owned(),
            String::new(),
        ]);
    }
    lines.extend(content(&tree(blocks), false));
    let mut text = lines.join("\n");
    text.truncate(text.trim_end_matches('\n').len());
    text.push('\n');
    text
}

/// The lines of some nodes. In a tight list nothing stands between a paragraph and what follows.
fn content(nodes: &[Node<'_>], tight: bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for node in nodes {
        let next = lines_of(node);
        if !next.is_empty() && !lines.is_empty() && !tight {
            lines.push(String::new());
        }
        lines.extend(next);
    }
    lines
}

fn lines_of(node: &Node<'_>) -> Vec<String> {
    match node {
        Node::Text(block) => text_block(block),
        Node::List { ordered, items } => list(*ordered, items),
        Node::Quote(item) => quote(content(&item.content, false)),
        Node::Callout(item) => {
            let mut lines = vec!["[!NOTE]".to_owned()];
            lines.extend(content(&item.content, false));
            quote(lines)
        }
        Node::Table(rows) => table(rows),
    }
}

fn quote(lines: Vec<String>) -> Vec<String> {
    let quoted = |line: String| {
        if line.is_empty() {
            ">".to_owned()
        } else {
            format!("> {line}")
        }
    };
    lines.into_iter().map(quoted).collect()
}

/// No line, if there is nothing to say.
fn text_block(block: &Block) -> Vec<String> {
    if let Some(picture) = block.shape.picture() {
        let mut lines = paragraphs(&picture_text(&picture, Place::Paragraph));
        let caption = inline::write(&in_emphasis(block), Place::Paragraph);
        if !lines.is_empty() && !caption.is_empty() {
            lines.push(String::new());
        }
        lines.extend(paragraphs(&caption));
        return lines;
    }
    match block.shape.kind.as_str() {
        "heading" => {
            let text = inline::write(block, Place::Heading);
            let signs = "#".repeat(usize::from(level(block)));
            vec![format!("{signs} {text}").trim_end_matches(' ').to_owned()]
        }
        "code-block" => fenced(&block.text(), language(block).unwrap_or_default()),
        "math-block" => formula(&block.text()),
        "divider" => {
            let mut lines = vec!["***".to_owned()];
            if block.length() > 0 {
                lines.push(String::new());
                lines.extend(paragraph(block));
            }
            lines
        }
        _ => paragraph(block),
    }
}

fn paragraph(block: &Block) -> Vec<String> {
    paragraphs(&inline::write(block, Place::Paragraph))
}

fn paragraphs(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    text.split('\n').map(str::to_owned).collect()
}

/// A picture on a line. One that is not at hand is what it shows.
fn picture_text(picture: &Picture<'_>, place: Place) -> String {
    let alt = picture.alt.unwrap_or_default().replace(['\n', '\r'], " ");
    if alt.is_empty() && picture.src.is_empty() {
        return String::new();
    }
    // Markdown can't tell one that shows nothing that matters from one that nobody has described; HTML can.
    if picture.alt == Some("") {
        return format!("<img src=\"{}\" alt=\"\">", picture.src);
    }
    let place = if place == Place::Cell {
        place
    } else {
        Place::Heading
    };
    format!(
        "![{}]({})",
        inline::write(&Block::of_text(&alt), place),
        picture.src
    )
}

/// The line under a picture, which Markdown has no sign for.
fn in_emphasis(block: &Block) -> Block {
    let mut line = block.clone();
    for run in &mut line.runs {
        run.marks.insert("em".to_owned(), Value::Boolean(true));
    }
    line
}

/// Code between fences that are longer than any in it.
fn fenced(code: &str, language: &str) -> Vec<String> {
    let mut longest = 2;
    for line in code.lines() {
        let ticks = line.trim_start().chars().take_while(|tick| *tick == '`').count();
        longest = longest.max(ticks);
    }
    let fence = "`".repeat(longest + 1);
    let is_name = !language.contains(|letter: char| letter == '`' || letter.is_control());
    let language = if is_name { language.trim() } else { "" };
    let mut lines = vec![format!("{fence}{language}")];
    if !code.is_empty() {
        lines.extend(code.split('\n').map(str::to_owned));
    }
    lines.push(fence);
    lines
}

/// Between double dollars, unless a line in it could be taken for something else.
fn formula(latex: &str) -> Vec<String> {
    let harmless =
        |line: &str| line.starts_with(|first: char| first.is_ascii_alphabetic() || "\\&({".contains(first));
    if inline::is_formula(latex) && latex.split('\n').all(harmless) {
        return format!("$${latex}$$").split('\n').map(str::to_owned).collect();
    }
    fenced(latex, "math")
}

fn list(ordered: bool, items: &[Item<'_>]) -> Vec<String> {
    // Only a paragraph and lists behind it are one block without empty lines.
    let is_simple = |item: &Item<'_>| {
        item.content.iter().enumerate().all(|(place, node)| match node {
            Node::Text(block) => place == 0 && item.marker.is_some() && block.length() > 0,
            // What begins with an empty item does not interrupt a paragraph.
            Node::List { items, .. } => items.iter().all(begins_with_text),
            _ => false,
        })
    };
    let tight = items.iter().all(is_simple);
    let mut lines: Vec<String> = Vec::new();
    for (number, item) in items.iter().enumerate() {
        if !tight && !lines.is_empty() {
            lines.push(String::new());
        }
        let mut marker = if ordered {
            format!("{}. ", number + 1)
        } else {
            "- ".to_owned()
        };
        let indent = " ".repeat(marker.len());
        if let Some(checked) = item.checked() {
            marker.push_str(if checked { "[x] " } else { "[ ] " });
        }
        let mut inside = content(&item.content, tight).into_iter();
        // An item that begins with no text of its own begins with what is in it, but a box needs something behind it.
        let first = inside.next().unwrap_or_default();
        lines.push(format!("{marker}{first}").trim_end_matches(' ').to_owned());
        lines.extend(inside.map(|line| {
            if line.is_empty() {
                line
            } else {
                format!("{indent}{line}")
            }
        }));
    }
    lines
}

fn begins_with_text(item: &Item<'_>) -> bool {
    item.marker.is_some_and(|marker| marker.length() > 0)
}

/// A table with a row of headings, for there is none without: if the page has none, they are empty.
fn table(rows: &[Row<'_>]) -> Vec<String> {
    let width = rows.iter().map(|row| row.cells.len()).max().unwrap_or_default();
    let line = |cells: Vec<String>| {
        let mut line = String::from("|");
        for cell in cells {
            line.push(' ');
            line.push_str(&cell);
            line.push_str(" |");
        }
        line
    };
    let row_line = |row: &Row<'_>| {
        let mut cells: Vec<String> = row.cells.iter().map(|cell| cell_text(cell)).collect();
        cells.resize(width, String::new());
        line(cells)
    };
    let (header, body) = match rows.split_first() {
        Some((first, body)) if first.is_header => (row_line(first), body),
        _ => (line(vec![String::new(); width]), rows),
    };
    let mut lines = vec![header, line(vec!["---".to_owned(); width])];
    lines.extend(body.iter().map(row_line));
    lines
}

/// All text in a cell, on one line.
fn cell_text(nodes: &[Node<'_>]) -> String {
    let mut texts = Vec::new();
    collect(nodes, &mut texts);
    texts.join("<br>")
}

fn collect(nodes: &[Node<'_>], texts: &mut Vec<String>) {
    for node in nodes {
        match node {
            Node::Text(block) => {
                if let Some(picture) = block.shape.picture() {
                    let line = inline::write(&in_emphasis(block), Place::Cell);
                    let both = [picture_text(&picture, Place::Cell), line];
                    texts.extend(both.into_iter().filter(|text| !text.is_empty()));
                    continue;
                }
                let text = match block.shape.kind.as_str() {
                    "math-block" => inline::write_formula(&block.text(), Place::Cell),
                    "code-block" => inline::write_code(&block.text(), Place::Cell),
                    _ => inline::write(block, Place::Cell),
                };
                texts.extend(Some(text).filter(|text| !text.is_empty()));
            }
            Node::List { items, .. } => items.iter().for_each(|item| collect(&item.content, texts)),
            Node::Quote(item) | Node::Callout(item) => collect(&item.content, texts),
            Node::Table(rows) => rows
                .iter()
                .flat_map(|row| &row.cells)
                .for_each(|cell| collect(cell, texts)),
        }
    }
}
