//! HTML in one file, which is also well-formed XML.

use super::super::edit::Block;
use super::super::picture::Picture;
use super::super::tree::{Item, Node, Row, tree};
use super::{Formulas, Kind, Mark, Piece, extent, language, level, pieces};

/// How the file looks, on screens and on paper. What people write finds its own direction, line by line.
const STYLE: &str = include_str!("html/style.css");

pub(super) fn write(title: &str, blocks: &[Block], language: &str, formulas: Formulas<'_>) -> String {
    let mut writer = Writer {
        out: String::new(),
        formulas,
    };
    let out = &mut writer.out;
    out.push_str("<!DOCTYPE html>\n<html lang=\"");
    escape(language, out);
    out.push_str("\" dir=\"auto\">\n<head>\n<meta charset=\"utf-8\"/>\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n");
    // Whoever opens it asks nobody for anything.
    out.push_str(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"/>\n",
    );
    out.push_str("<title>");
    escape(title, out);
    out.push_str("</title>\n<style>\n");
    out.push_str(STYLE);
    out.push_str("</style>\n</head>\n<body>\n<main data-spaces=\"kept\">\n");
    if !title.is_empty() {
        out.push_str("<h1 class=\"page-title\" dir=\"auto\">");
        escape(title, out);
        out.push_str("</h1>\n");
    }
    writer.nodes(&tree(blocks));
    writer.out.push_str("</main>\n</body>\n</html>\n");
    writer.out
}

/// The text with what HTML has a meaning for replaced, and without what no XML may have in it.
fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(letter),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ if letter < ' ' => {}
            _ => out.push(letter),
        }
    }
}

struct Writer<'a> {
    out: String,
    formulas: Formulas<'a>,
}

impl Writer<'_> {
    fn nodes(&mut self, nodes: &[Node<'_>]) {
        for node in nodes {
            match node {
                Node::Text(block) => self.block(block),
                Node::List { ordered, items } => {
                    let name = if *ordered { "ol" } else { "ul" };
                    self.within(name, |writer| items.iter().for_each(|item| writer.item(item)));
                }
                Node::Quote(item) => self.within("blockquote", |writer| writer.nodes(&item.content)),
                Node::Callout(item) => self.within("aside", |writer| writer.nodes(&item.content)),
                Node::Table(rows) => self.table(rows),
            }
        }
    }

    fn within(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.out.push_str(&format!("<{name}>\n"));
        inside(self);
        self.out.push_str(&format!("</{name}>\n"));
    }

    fn item(&mut self, item: &Item<'_>) {
        match item.checked() {
            None => self.out.push_str("<li>\n"),
            Some(checked) => {
                let checked = if checked { " checked=\"checked\"" } else { "" };
                let begin =
                    format!("<li class=\"task\"><input type=\"checkbox\" disabled=\"disabled\"{checked}/>\n");
                self.out.push_str(&begin);
            }
        }
        self.nodes(&item.content);
        self.out.push_str("</li>\n");
    }

    /// The rows of headings at the top come again on each sheet of paper.
    fn table(&mut self, rows: &[Row<'_>]) {
        let headings = rows.iter().take_while(|row| row.is_header).count();
        let (head, body) = rows.split_at(headings);
        self.out.push_str("<div class=\"table\"><table>\n");
        for (name, rows) in [("thead", head), ("tbody", body)] {
            if !rows.is_empty() {
                self.within(name, |writer| rows.iter().for_each(|row| writer.row(row)));
            }
        }
        self.out.push_str("</table></div>\n");
    }

    fn row(&mut self, row: &Row<'_>) {
        self.within("tr", |writer| {
            for cell in &row.cells {
                let name = if row.is_header { "th scope=\"col\"" } else { "td" };
                writer.out.push_str(&format!("<{name}>"));
                writer.nodes(cell);
                let name = if row.is_header { "th" } else { "td" };
                writer.out.push_str(&format!("</{name}>\n"));
            }
        });
    }

    fn block(&mut self, block: &Block) {
        if let Some(picture) = block.shape.picture() {
            self.picture(&picture, block);
            return;
        }
        match block.shape.kind.as_str() {
            "heading" => {
                let name = format!("h{}", level(block));
                self.line(&name, block);
            }
            "code-block" => {
                let language = language(block).filter(|language| !language.contains(char::is_whitespace));
                self.begin("pre", block);
                self.out.push_str("<code");
                if let Some(language) = language {
                    self.out.push_str(" class=\"language-");
                    escape(language, &mut self.out);
                    self.out.push('"');
                }
                self.out.push('>');
                // Browsers take away a line break behind the tag.
                if block.text().starts_with('\n') {
                    self.out.push('\n');
                }
                escape(&block.text(), &mut self.out);
                self.out.push_str("</code></pre>\n");
            }
            "math-block" => match (self.formulas)(&block.text(), true) {
                Some(mathml) => self
                    .out
                    .push_str(&format!("<div class=\"formula\">{mathml}</div>\n")),
                None => {
                    self.out.push_str("<pre class=\"math\" dir=\"ltr\">");
                    if block.text().starts_with('\n') {
                        self.out.push('\n');
                    }
                    escape(&block.text(), &mut self.out);
                    self.out.push_str("</pre>\n");
                }
            },
            "divider" => {
                self.out.push_str("<hr/>\n");
                if block.length() > 0 {
                    self.line("p", block);
                }
            }
            _ => self.line("p", block),
        }
    }

    /// Where the picture itself is not at hand, what it shows is said.
    fn picture(&mut self, picture: &Picture<'_>, block: &Block) {
        if picture.src.is_empty() {
            let described = Block::of_text(picture.alt.unwrap_or_default());
            self.out.push_str("<figure class=\"missing\"");
            self.language(block);
            self.out.push_str(">\n");
            if described.length() > 0 {
                self.line("p", &described);
            }
            self.caption(block);
            return;
        }
        self.out.push_str("<figure");
        self.language(block);
        self.out.push_str(">\n<img src=\"");
        escape(picture.src, &mut self.out);
        self.out.push('"');
        if let Some(alt) = picture.alt {
            self.out.push_str(" alt=\"");
            escape(alt, &mut self.out);
            self.out.push('"');
        }
        for (name, pixels) in [("width", picture.width), ("height", picture.height)] {
            if let Some(pixels) = pixels {
                self.out.push_str(&format!(" {name}=\"{pixels}\""));
            }
        }
        self.out.push_str("/>\n");
        self.caption(block);
    }

    fn caption(&mut self, block: &Block) {
        if block.length() > 0 {
            self.out.push_str("<figcaption dir=\"auto\">");
            self.inline(&pieces(block));
            self.out.push_str("</figcaption>\n");
        }
        self.out.push_str("</figure>\n");
    }

    /// What people write finds its own direction, and is in the language that they say.
    fn begin(&mut self, name: &str, block: &Block) {
        self.out.push_str(&format!("<{name} dir=\"auto\""));
        self.language(block);
        self.out.push('>');
    }

    fn language(&mut self, block: &Block) {
        if let Some(language) = block.shape.language() {
            self.out.push_str(&format!(" lang=\"{language}\""));
        }
    }

    /// A block whose text has marks.
    fn line(&mut self, name: &str, block: &Block) {
        self.begin(name, block);
        self.inline(&pieces(block));
        self.out.push_str(&format!("</{name}>\n"));
    }

    fn inline(&mut self, pieces: &[Piece]) {
        // The mark, and the number of the piece behind the last that it covers.
        let mut open: Vec<(&Mark, usize)> = Vec::new();
        for (at, piece) in pieces.iter().enumerate() {
            self.close(&mut open, at);
            let mut opening: Vec<(usize, &Mark)> = piece
                .marks
                .iter()
                .filter(|mark| open.iter().all(|(other, _)| other != mark))
                .map(|mark| (extent(pieces, at, mark), mark))
                .collect();
            opening.sort_by_key(|(end, _)| std::cmp::Reverse(*end));
            for (end, mark) in opening {
                let end = open.last().map_or(end, |(_, outer)| end.min(*outer));
                self.out.push_str(&start_tag(mark));
                open.push((mark, end));
            }
            match piece.kind {
                Kind::Text => self.text(&piece.text),
                Kind::Code => {
                    self.out.push_str("<code>");
                    self.text(&piece.text);
                    self.out.push_str("</code>");
                }
                Kind::Formula => match (self.formulas)(&piece.text, false) {
                    Some(mathml) => self.out.push_str(&mathml),
                    None => {
                        self.out.push_str("<code class=\"math\">");
                        self.text(&piece.text);
                        self.out.push_str("</code>");
                    }
                },
            }
        }
        self.close(&mut open, pieces.len());
    }

    fn close(&mut self, open: &mut Vec<(&Mark, usize)>, at: usize) {
        while let Some((mark, _)) = open.pop_if(|(_, end)| *end <= at) {
            self.out.push_str(&format!("</{}>", name_of(mark)));
        }
    }

    fn text(&mut self, text: &str) {
        for (number, line) in text.split('\n').enumerate() {
            if number > 0 {
                self.out.push_str("<br/>");
            }
            escape(line, &mut self.out);
        }
    }
}

fn name_of(mark: &Mark) -> &'static str {
    match mark {
        Mark::Link { .. } => "a",
        Mark::Strong => "strong",
        Mark::Em => "em",
        Mark::Underline => "u",
        Mark::Strikethrough => "s",
        Mark::Highlight => "mark",
        Mark::Subscript => "sub",
        Mark::Superscript => "sup",
    }
}

fn start_tag(mark: &Mark) -> String {
    let Mark::Link { href, title } = mark else {
        return format!("<{}>", name_of(mark));
    };
    let mut tag = String::from("<a href=\"");
    escape(href, &mut tag);
    tag.push_str("\" rel=\"noopener noreferrer\"");
    if !title.is_empty() {
        tag.push_str(" title=\"");
        escape(title, &mut tag);
        tag.push('"');
    }
    tag.push('>');
    tag
}
