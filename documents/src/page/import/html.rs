//! HTML, element by element: whoever has a parser of HTML, as every browser does, says what begins, its text, and what ends.

mod elements;
mod source;
mod word;

pub use source::without_styles;

use std::collections::BTreeMap;

use super::super::edit::Value;
use super::Imported;
use super::builder::{Builder, Container};
use super::pictures;
use crate::Error;
use elements::{Does, Formula};

/// Reads the elements of a document in their order.
#[derive(Debug, Default)]
pub struct HtmlReader {
    pub(super) builder: Builder,
    open: Vec<Element>,
    /// How many of the open elements say that what is in them is not shown.
    skipped: usize,
    /// How many say that white space is text.
    preformatted: usize,
    /// What text is collected for, instead of being put on the page.
    collected: Option<(Collected, String)>,
    formula: Option<Formula>,
    /// The rows that are open.
    rows: Vec<RowSeen>,
    word: word::Lists,
}

#[derive(Debug)]
struct Element {
    name: String,
    does: Vec<Does>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Collected {
    Title,
    Code,
    Formula,
    /// LaTeX as the text of an element.
    Latex,
    /// What Word writes before an item, or a heading.
    Sign,
}

/// The cells of a row, to tell whether all are headings.
#[derive(Debug)]
struct RowSeen {
    start: usize,
    cells: usize,
    headings: usize,
}

/// More elements in each other than this are passed over.
const DEEPEST: usize = 1000;

impl HtmlReader {
    /// An element begins. `attribute` is asked for what it says; names are in lower case.
    pub fn open(&mut self, name: &str, attribute: &dyn Fn(&str) -> Option<String>) {
        if self.open.len() >= DEEPEST || self.builder.is_full() {
            return;
        }
        let mut does = Vec::new();
        if self.skipped > 0 || elements::is_skipped(name, attribute) {
            self.skipped += 1;
            does.push(Does::Skip);
        } else {
            self.go_beside_items(name, attribute);
            self.begin(name, attribute, &mut does);
        }
        if !elements::is_void(name) {
            self.open.push(Element {
                name: name.to_owned(),
                does,
            });
        } else if does.contains(&Does::Skip) {
            self.skipped -= 1;
        }
    }

    /// An element ends. What is open in it ends with it; one that is not open is passed over.
    pub fn close(&mut self, name: &str) {
        if let Some(place) = self.open.iter().rposition(|element| element.name == name) {
            self.close_to(place);
        }
    }

    /// Text, with its entities resolved.
    pub fn text(&mut self, text: &str) {
        if self.skipped > 0 || self.builder.is_full() {
            return;
        }
        if let Some((_, collected)) = &mut self.collected {
            collected.push_str(text);
            return;
        }
        if !text.trim().is_empty() {
            self.write_beside_items();
        }
        if self.formula.is_some() {
        } else if self.preformatted > 0 {
            // Between blocks white space is only how the file is laid out.
            let is_blank = text.chars().all(|letter| letter.is_ascii_whitespace());
            if !is_blank || self.builder.takes_text() || self.within("p") {
                self.builder.text(text);
            }
        } else {
            self.collapsed(text);
        }
    }

    /// Text of which each space counts.
    pub(super) fn verbatim(&mut self, text: &str) {
        if self.skipped > 0 || self.formula.is_some() && self.collected.is_none() {
            return;
        }
        match &mut self.collected {
            Some((_, collected)) => collected.push_str(text),
            None => self.builder.text(text),
        }
    }

    /// Everything was said.
    ///
    /// # Errors
    /// [`Error::TooMuch`]
    pub fn finish(mut self) -> Result<Imported, Error> {
        self.close_to(0);
        self.builder.finish().within_limits()
    }

    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    pub(super) fn close_to(&mut self, depth: usize) {
        while self.open.len() > depth {
            self.end_items_within(self.open.len());
            let Some(element) = self.open.pop() else { return };
            for does in element.does.into_iter().rev() {
                self.end(&does);
            }
        }
    }

    /// White space as browsers show it: any of it is one space, and none where a line begins or ends.
    fn collapsed(&mut self, text: &str) {
        let words = text.split([' ', '\t', '\n', '\r', '\u{c}']);
        let mut first = true;
        for word in words {
            if !first {
                let at_start = self.builder.is_empty() || self.builder.ends_with(&[' ', '\n']);
                if !at_start {
                    self.builder.text(" ");
                }
            }
            first = false;
            self.builder.text(word);
        }
    }

    fn begin(&mut self, name: &str, attribute: &dyn Fn(&str) -> Option<String>, does: &mut Vec<Does>) {
        if self.formula.is_some() {
            self.begin_in_formula(name, attribute, does);
            return;
        }
        // Within code there are only letters.
        if let Some((Collected::Code, code)) = &mut self.collected {
            if name == "br" {
                code.push('\n');
            }
            let classes = attribute("class").unwrap_or_default();
            let mut languages = classes
                .split_ascii_whitespace()
                .filter_map(|class| class.strip_prefix("language-"));
            if let Some(language) = languages.next().filter(|_| name == "code") {
                let language = Value::Text(language.to_owned());
                self.builder.say_of_block("language", language);
            }
            return;
        }
        if self.begin_sign(attribute, does) {
            return;
        }
        if attribute("data-spaces").is_some() {
            self.preformatted += 1;
            does.push(Does::Spaces);
        }
        if let Some(language) = elements::language(name, attribute) {
            self.builder.enter_language(language);
            does.push(Does::Language);
        }
        match name {
            "title" => self.collect(Collected::Title, does),
            "h1" if elements::has_class(attribute, "page-title") => {
                self.builder.title = None;
                self.end_line();
                self.collect(Collected::Title, does);
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                let level = name[1..].parse().unwrap_or(1);
                self.end_line();
                let attrs = [("level".to_owned(), Value::Integer(level))].into();
                self.builder.begin("heading", attrs);
                does.push(Does::Block);
            }
            "pre" => self.begin_preformatted(attribute, does),
            "p" | "div" | "section" | "article" | "header" | "footer" | "main" | "nav" | "figure"
            | "caption" | "address" | "dl" | "dt" | "dd" | "fieldset" | "details" | "summary" | "center"
            | "body" => {
                self.end_line();
                if let Some(checked) = attribute("data-checked") {
                    self.builder.say("checked", Value::Boolean(checked == "true"));
                }
                does.push(Does::Block);
                self.begin_item(name, attribute, does);
            }
            "ul" | "ol" => {
                self.end_line();
                does.push(Does::Block);
            }
            "figcaption" => {
                self.end_line();
                self.builder.caption();
                does.push(Does::Block);
            }
            "li" => {
                let list = self
                    .open
                    .iter()
                    .rev()
                    .find(|open| ["ul", "ol"].contains(&open.name.as_str()));
                let numbered = list.is_some_and(|list| list.name == "ol");
                self.enter(
                    if numbered {
                        Container::Numbered
                    } else {
                        Container::Bulleted
                    },
                    does,
                );
                if let Some(checked) = attribute("aria-checked") {
                    self.builder.say("checked", Value::Boolean(checked == "true"));
                }
            }
            "input"
                if attribute("type").is_some_and(|kind| kind.eq_ignore_ascii_case("checkbox"))
                    && self.builder.is_empty()
                    && self.within("li") =>
            {
                let checked = attribute("checked").is_some();
                self.builder.say("checked", Value::Boolean(checked));
            }
            "blockquote" => self.enter(Container::Quote, does),
            "aside" => self.enter(Container::Callout, does),
            "table" => {
                self.end_line();
                self.builder.part_tables();
                does.push(Does::Block);
            }
            "tr" => {
                self.enter(Container::Row, does);
                self.rows.push(RowSeen {
                    start: self.builder.len(),
                    cells: 0,
                    headings: 0,
                });
                does.push(Does::Row);
            }
            "td" | "th" => self.begin_cell(name, attribute, does),
            "br" => self.line_break(),
            "hr" => {
                self.end_line();
                self.builder.whole("divider", BTreeMap::new(), "");
            }
            // A picture has its image within it.
            "img" => {
                let alt = attribute("alt");
                match pictures::in_address(&attribute("src").unwrap_or_default()) {
                    Some(picture) => {
                        if self.preformatted == 0 {
                            self.builder.trim();
                        }
                        self.builder.picture(picture, alt);
                    }
                    None => self.builder.no_picture(&alt.unwrap_or_default()),
                }
            }
            "video" | "audio" | "canvas" | "svg" => self.builder.left_out.images += 1,
            "math" => {
                self.formula = Some(Formula::new(attribute));
                does.push(Does::Formula);
            }
            "code"
                if elements::has_class(attribute, "math")
                    || elements::has_class(attribute, "math-source") =>
            {
                self.collect(Collected::Latex, does);
            }
            "a" => {
                if let Some(href) = attribute("href") {
                    self.builder
                        .set_link(href.trim(), &attribute("title").unwrap_or_default());
                    does.push(Does::Mark);
                }
            }
            _ => {}
        }
        for mark in elements::marks(name, attribute) {
            self.builder.set_mark(mark);
            does.push(Does::Mark);
        }
    }

    fn begin_in_formula(
        &mut self,
        name: &str,
        attribute: &dyn Fn(&str) -> Option<String>,
        does: &mut Vec<Does>,
    ) {
        let is_latex = attribute("encoding").is_some_and(|encoding| encoding.contains("tex"));
        if name == "annotation" && is_latex && self.collected.is_none() {
            self.collect(Collected::Formula, does);
        }
    }

    fn begin_preformatted(&mut self, attribute: &dyn Fn(&str) -> Option<String>, does: &mut Vec<Does>) {
        self.end_line();
        let is_latex = ["math", "math-source"]
            .iter()
            .any(|class| elements::has_class(attribute, class));
        let kind = if is_latex { "math-block" } else { "code-block" };
        self.builder.begin(kind, BTreeMap::new());
        self.collect(Collected::Code, does);
        does.insert(0, Does::Block);
    }

    fn begin_cell(&mut self, name: &str, attribute: &dyn Fn(&str) -> Option<String>, does: &mut Vec<Does>) {
        if !self.builder.is_within(Container::Row) {
            return;
        }
        self.end_line();
        self.builder.enter_cell();
        does.push(Does::Container);
        let columns = attribute("colspan").and_then(|columns| columns.parse().ok());
        let more = columns.unwrap_or(1_usize).clamp(1, 100) - 1;
        does.insert(0, Does::Columns(more));
        if let Some(row) = self.rows.last_mut() {
            row.cells += 1;
            row.headings += usize::from(name == "th");
        }
    }

    fn enter(&mut self, container: Container, does: &mut Vec<Does>) {
        self.end_line();
        self.builder.enter(container);
        does.push(Does::Container);
    }

    fn collect(&mut self, what: Collected, does: &mut Vec<Does>) {
        if self.collected.is_none() {
            self.collected = Some((what, String::new()));
            does.push(Does::Collect);
        }
    }

    fn line_break(&mut self) {
        if let Some((_, collected)) = &mut self.collected {
            collected.push('\n');
        } else {
            if self.preformatted == 0 && self.builder.ends_with(&[' ']) {
                self.builder.trim();
            }
            self.builder.text("\n");
        }
    }

    fn end(&mut self, does: &Does) {
        match does {
            Does::Skip => self.skipped -= 1,
            Does::Mark => self.builder.unset_mark(),
            Does::Spaces => self.preformatted -= 1,
            Does::Language => self.builder.leave_language(),
            Does::Block => self.end_line(),
            Does::Container => {
                self.end_line();
                self.builder.leave();
            }
            Does::Columns(more) => {
                for _ in 0..*more {
                    self.builder.enter_cell();
                    self.builder.leave();
                }
            }
            Does::Row => {
                if let Some(row) = self.rows.pop()
                    && row.cells > 0
                    && row.cells == row.headings
                    && let Some(marker) = self.builder.since(row.start).first_mut()
                    && marker.shape.kind == "table-row"
                {
                    marker
                        .shape
                        .attrs
                        .insert("header".to_owned(), Value::Boolean(true));
                }
            }
            Does::Collect => self.end_collected(),
            Does::Item => self.settle_item(""),
            Does::Formula => self.end_formula(),
        }
    }

    fn end_collected(&mut self) {
        let Some((what, text)) = self.collected.take() else {
            return;
        };
        match what {
            Collected::Title => {
                if self.builder.title.is_none() {
                    self.builder.title = Some(text);
                }
            }
            Collected::Code => {
                // The first line break only ends the line of the tag; browsers take it away already.
                self.builder.text(&text);
            }
            Collected::Formula => {
                if let Some(formula) = &mut self.formula {
                    formula.latex = Some(text);
                }
            }
            Collected::Latex => self.formula_in_text(&text),
            Collected::Sign => self.settle_item(text.trim()),
        }
    }

    fn end_formula(&mut self) {
        let Some(formula) = self.formula.take() else {
            return;
        };
        match formula.latex() {
            None => self.builder.left_out.formulas += 1,
            Some(latex) if formula.is_block && self.builder.is_empty() => {
                self.builder.whole("math-block", BTreeMap::new(), &latex);
            }
            Some(latex) => self.formula_in_text(&latex),
        }
    }

    fn formula_in_text(&mut self, latex: &str) {
        self.builder.set_mark("math");
        self.builder.text(latex);
        self.builder.unset_mark();
    }

    /// What comes now is not on the line any more.
    fn end_line(&mut self) {
        if self.preformatted == 0 {
            self.builder.trim();
        }
        self.builder.end();
    }

    fn within(&self, name: &str) -> bool {
        self.open.iter().any(|open| open.name == name)
    }
}
