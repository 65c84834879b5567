//! Blocks from what a file says in order: what begins, its text, what ends.

use std::collections::BTreeMap;

use super::super::edit::{Block, Marks, Run, Shape, Value, joined};
use super::super::language;
use super::super::link::{Target, is_harmless};
use super::super::picture;
use super::pictures::Taken;
use super::{Imported, LeftOut, MOST_BLOCKS, MOST_TEXT};

/// What can hold blocks, by the name of its marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Bulleted,
    Numbered,
    Quote,
    Callout,
    Row,
    Cell,
    /// The first cell of a row, which the row's marker begins.
    FirstCell,
}

impl Container {
    /// None if there is no marker of its own.
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Bulleted => Some("unordered-list-item"),
            Self::Numbered => Some("ordered-list-item"),
            Self::Quote => Some("blockquote"),
            Self::Callout => Some("aside"),
            Self::Row => Some("table-row"),
            Self::Cell => Some("table-cell"),
            Self::FirstCell => None,
        }
    }
}

/// More containers in each other than this are passed over: the page shows no more.
const DEEPEST: usize = super::super::tree::DEEPEST - 2;

type Attributes = BTreeMap<String, Value>;

#[derive(Debug)]
struct Open {
    container: Container,
    attrs: Attributes,
    /// No marker of it was written yet.
    fresh: bool,
    /// How many cells a row has by now.
    cells: usize,
}

#[derive(Debug, Default)]
pub(super) struct Builder {
    blocks: Vec<Block>,
    open: Vec<Open>,
    /// How many containers were passed over.
    too_deep: usize,
    marks: Vec<(&'static str, Value)>,
    /// What each of the elements around says of the language; none if that is unknown.
    languages: Vec<Option<String>>,
    /// Whether the last block takes text.
    takes_text: bool,
    /// The bytes of all text.
    size: usize,
    taken: Taken,
    /// Pictures in a line that is not to be parted, until that ends.
    waiting: Vec<Attributes>,
    pub(super) title: Option<String>,
    pub(super) left_out: LeftOut,
}

impl Builder {
    pub(super) fn enter(&mut self, container: Container) {
        self.end();
        if self.open.len() >= DEEPEST {
            self.too_deep += 1;
            return;
        }
        self.open.push(Open {
            container,
            attrs: Attributes::new(),
            fresh: container.name().is_some(),
            cells: 0,
        });
    }

    /// Begins a cell of the row that was entered last.
    pub(super) fn enter_cell(&mut self) {
        self.end();
        let row = self.open.last_mut().filter(|_| self.too_deep == 0);
        let is_first = row.is_some_and(|row| {
            row.cells += 1;
            row.container == Container::Row && row.cells == 1
        });
        self.enter(if is_first {
            Container::FirstCell
        } else {
            Container::Cell
        });
    }

    pub(super) fn leave(&mut self) {
        self.end();
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        // Nothing was in it. A quote of nothing is not there; an item is.
        let stays = |open: &Open| !matches!(open.container, Container::Quote | Container::Callout);
        if self.open.last().is_some_and(|open| open.fresh && stays(open)) {
            self.begin("paragraph", Attributes::new());
            self.end();
        }
        self.open.pop();
    }

    /// Whether something is inside of such a container, however deep.
    pub(super) fn is_within(&self, container: Container) -> bool {
        self.open.iter().any(|open| open.container == container)
    }

    /// Says something of the item or the row that was entered last.
    pub(super) fn say(&mut self, name: &str, value: Value) {
        let item = self
            .open
            .iter_mut()
            .rev()
            .find(|open| open.container.name().is_some());
        let Some(item) = item else { return };
        if item.fresh {
            item.attrs.insert(name.to_owned(), value);
        } else if self.takes_text
            && let Some(last) = self.blocks.last_mut().filter(|last| last.runs.is_empty())
            && Some(last.shape.kind.as_str()) == item.container.name()
        {
            last.shape.attrs.insert(name.to_owned(), value);
        }
    }

    /// Says something of the block that takes text.
    pub(super) fn say_of_block(&mut self, name: &str, value: Value) {
        if let Some(last) = self.blocks.last_mut().filter(|_| self.takes_text) {
            last.shape.attrs.insert(name.to_owned(), value);
        }
    }

    /// What begins now is in a language; none if it is unknown.
    pub(super) fn enter_language(&mut self, tag: Option<String>) {
        self.languages.push(tag);
    }

    pub(super) fn leave_language(&mut self) {
        self.languages.pop();
    }

    /// What a block says of its language that begins here.
    fn language(&self) -> Option<(String, Value)> {
        let tag = self.languages.last()?.clone()?;
        Some((language::NAME.to_owned(), Value::Text(tag)))
    }

    /// Begins a block that takes text.
    pub(super) fn begin(&mut self, kind: &str, attrs: Attributes) {
        self.end();
        let is_paragraph = kind == "paragraph";
        let marked = self.open.iter().rposition(|open| open.container.name().is_some());
        for outer in 0..self.open.len() {
            if self.open[outer].fresh && !(is_paragraph && Some(outer) == marked) {
                self.settle(outer);
            }
        }
        self.takes_text = true;
        let names = self.names(self.open.len());
        if let Some(open) = marked.and_then(|marked| self.open.get_mut(marked))
            && open.fresh
        {
            open.fresh = false;
            let mut attrs = attrs;
            attrs.append(&mut open.attrs);
            attrs.extend(self.language());
            let (kind, parents) = match names.split_last() {
                Some((kind, parents)) => (kind.as_str(), parents.to_vec()),
                None => (kind, Vec::new()),
            };
            let block = block(kind, parents, attrs);
            self.blocks.push(block);
            return;
        }
        // A rule has a line of text under it.
        let under_rule = is_paragraph
            && attrs.is_empty()
            && self.blocks.last().is_some_and(|last| {
                last.shape.kind == "divider" && last.runs.is_empty() && last.shape.parents == names
            });
        if !under_rule {
            self.blocks.push(block(kind, names, attrs));
        }
        if let Some((name, tag)) = self.language() {
            self.say_of_block(&name, tag);
        }
    }

    /// Writes the marker of a container that begins with something else than a paragraph, if it needs one.
    fn settle(&mut self, index: usize) {
        let path = self.names(index + 1);
        let open = &mut self.open[index];
        open.fresh = false;
        let attrs = std::mem::take(&mut open.attrs);
        let is_of_table = matches!(open.container, Container::Row | Container::Cell);
        // Otherwise it would be a part of what is before it.
        let joins = self.blocks.last().is_some_and(|last| {
            let mut before = last.shape.parents.clone();
            before.push(last.shape.kind.clone());
            before.starts_with(&path)
        });
        if let Some((kind, parents)) = path.split_last()
            && (is_of_table || joins || !attrs.is_empty())
        {
            self.blocks.push(block(kind, parents.to_vec(), attrs));
        }
    }

    fn names(&self, upto: usize) -> Vec<String> {
        let names = self.open[..upto].iter();
        names
            .filter_map(|open| open.container.name())
            .map(str::to_owned)
            .collect()
    }

    /// Ends the block that takes text, if one does. A paragraph without text is not there.
    pub(super) fn end(&mut self) {
        if !std::mem::take(&mut self.takes_text) {
            return;
        }
        if let Some(last) = self.blocks.last_mut() {
            last.runs = joined([std::mem::take(&mut last.runs)]);
            if last.runs.is_empty() && last.shape.kind == "paragraph" {
                self.blocks.pop();
            }
        }
        self.put_waiting();
    }

    /// A picture, behind the text that is there, and what it shows, if that is said.
    pub(super) fn picture(&mut self, bytes: Vec<u8>, alt: Option<String>) {
        match self.take_picture(bytes) {
            Some(src) => self.place_picture(src, alt),
            None => self.no_picture(&alt.unwrap_or_default()),
        }
    }

    /// The address of a picture, to be placed as often as it is there; none if no more are taken.
    pub(super) fn take_picture(&mut self, bytes: Vec<u8>) -> Option<String> {
        self.taken.take(bytes)
    }

    /// A picture that was taken, as by [`Builder::picture`].
    pub(super) fn place_picture(&mut self, src: String, alt: Option<String>) {
        let alt = alt.map(|alt| (picture::ALT, alt));
        let said = [(picture::SRC, src)].into_iter().chain(alt);
        let attrs = said
            .map(|(name, text)| (name.to_owned(), Value::Text(text)))
            .collect();
        let whole = ["heading", "code-block", "math-block", picture::NAME];
        let last = self.blocks.last().filter(|_| self.takes_text);
        self.waiting.push(attrs);
        if last.is_none_or(|last| !whole.contains(&last.shape.kind.as_str())) {
            self.end();
            self.put_waiting();
        }
    }

    /// In the place of a picture that is not taken stands what it shows.
    pub(super) fn no_picture(&mut self, alt: &str) {
        self.left_out.images += 1;
        self.text(alt.trim());
    }

    /// How many bytes of pictures more are taken.
    pub(super) fn room_for_pictures(&self) -> usize {
        self.taken.room()
    }

    fn put_waiting(&mut self) {
        for attrs in std::mem::take(&mut self.waiting) {
            self.begin(picture::NAME, attrs);
            self.takes_text = false;
        }
    }

    /// Goes on with the line under the picture before. False if there is none, or it has one.
    pub(super) fn caption(&mut self) -> bool {
        self.end();
        let names = self.names(self.open.len());
        let last = self.blocks.last();
        self.takes_text = last.is_some_and(|last| is_bare_picture(last) && last.shape.parents == names);
        if let Some((name, tag)) = self.language() {
            self.say_of_block(&name, tag);
        }
        self.takes_text
    }

    /// A paragraph in emphasis right behind a picture is the line under it.
    pub(super) fn caption_in_emphasis(&mut self) {
        self.end();
        let is_em = |run: &Run| run.marks.contains_key("em") || run.text.trim().is_empty();
        let Some([picture, line]) = self.blocks.last_chunk_mut() else {
            return;
        };
        let is_line = line.shape.kind == "paragraph" && line.runs.iter().all(is_em);
        if !is_line || !is_bare_picture(picture) || picture.shape.parents != line.shape.parents {
            return;
        }
        for run in &mut line.runs {
            run.marks.remove("em");
        }
        picture.runs = joined([std::mem::take(&mut line.runs)]);
        self.blocks.pop();
    }

    /// A block with this text, without marks.
    pub(super) fn whole(&mut self, kind: &str, attrs: Attributes, text: &str) {
        self.begin(kind, attrs);
        self.add(text, Marks::new());
        self.end();
    }

    /// Text with the marks that are set; in a paragraph, if nothing else takes it.
    pub(super) fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if !self.takes_text {
            self.begin("paragraph", Attributes::new());
        }
        let marks = self
            .marks
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        self.add(text, marks);
    }

    fn add(&mut self, text: &str, marks: Marks) {
        self.size = self.size.saturating_add(text.len());
        if self.is_full() {
            return;
        }
        if let Some(last) = self.blocks.last_mut() {
            match last.runs.last_mut() {
                Some(run) if run.marks == marks => run.text.push_str(text),
                _ => last.runs.push(Run {
                    text: text.to_owned(),
                    marks,
                }),
            }
        }
    }

    /// More was read than is taken: the rest need not be read.
    pub(super) fn is_full(&self) -> bool {
        self.size > MOST_TEXT || self.blocks.len() > MOST_BLOCKS
    }

    pub(super) fn takes_text(&self) -> bool {
        self.takes_text
    }

    /// The text of the block that takes text, as far as it is there.
    pub(super) fn is_empty(&self) -> bool {
        !self.takes_text || self.blocks.last().is_none_or(|last| last.runs.is_empty())
    }

    /// The text that the block that takes text ends with.
    pub(super) fn ends_with(&self, letters: &[char]) -> bool {
        let last = self.blocks.last().filter(|_| self.takes_text);
        last.and_then(|last| last.runs.last())
            .is_some_and(|run| run.text.ends_with(letters))
    }

    /// Takes back white space that a line of text ends with. In code it is code.
    pub(super) fn trim(&mut self) {
        let last = self.blocks.last().filter(|_| self.takes_text);
        if last.is_none_or(|last| ["code-block", "math-block"].contains(&last.shape.kind.as_str())) {
            return;
        }
        while let Some(run) = self.blocks.last_mut().and_then(|last| last.runs.last_mut()) {
            run.text.truncate(run.text.trim_end_matches([' ', '\n']).len());
            if !run.text.is_empty() {
                return;
            }
            self.blocks.last_mut().and_then(|last| last.runs.pop());
        }
    }

    pub(super) fn set_mark(&mut self, name: &'static str) {
        self.marks.push((name, Value::Boolean(true)));
    }

    /// Begins a link, or nothing, if it does not lead where a link may lead.
    pub(super) fn set_link(&mut self, href: &str, title: &str) {
        let value = if is_harmless(href) {
            let target = Target {
                href: href.to_owned(),
                title: title.to_owned(),
            };
            target.value()
        } else {
            Value::Null
        };
        self.marks.push(("link", value));
    }

    /// Ends the mark that was set last.
    pub(super) fn unset_mark(&mut self) {
        self.marks.pop();
    }

    /// A table begins. Without something between them, two would be one.
    pub(super) fn part_tables(&mut self) {
        self.end();
        let mut path = self.names(self.open.len());
        path.push("table-row".to_owned());
        let joins = self.open.iter().all(|open| !open.fresh)
            && self.blocks.last().is_some_and(|last| {
                let mut before = last.shape.parents.clone();
                before.push(last.shape.kind.clone());
                before.starts_with(&path)
            });
        if joins {
            path.pop();
            self.blocks.push(block("paragraph", path, Attributes::new()));
        }
    }

    /// How many blocks there are, to go back to, or to look at what came since.
    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    pub(super) fn since(&mut self, start: usize) -> &mut [Block] {
        self.blocks.get_mut(start..).unwrap_or_default()
    }

    /// Takes back what came since.
    pub(super) fn go_back(&mut self, start: usize) {
        self.takes_text = false;
        self.blocks.truncate(start);
    }

    pub(super) fn finish(mut self) -> Imported {
        while !self.open.is_empty() || self.too_deep > 0 {
            self.leave();
        }
        self.end();
        let title = self.title.take().map(|title| one_line(&title));
        Imported {
            title: title.filter(|title| !title.is_empty()),
            blocks: self.blocks,
            pictures: self.taken.pictures,
            left_out: self.left_out,
        }
    }
}

fn block(kind: &str, parents: Vec<String>, attrs: Attributes) -> Block {
    Block::empty(Shape {
        kind: kind.to_owned(),
        parents,
        attrs,
        is_embed: kind == picture::NAME,
    })
}

fn is_bare_picture(block: &Block) -> bool {
    block.shape.picture().is_some() && block.runs.is_empty()
}

/// A title as long as one may be.
fn one_line(title: &str) -> String {
    let words: Vec<&str> = title.split_whitespace().collect();
    words
        .join(" ")
        .chars()
        .take(super::super::LONGEST_TITLE)
        .collect()
}
