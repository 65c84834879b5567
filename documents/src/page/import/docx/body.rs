//! The text itself.

use std::collections::{BTreeMap, HashMap};

use super::super::super::edit::Value;
use super::super::super::language::{self, is_tag};
use super::super::Imported;
use super::super::builder::{Builder, Container};
use super::super::pictures::MOST_PICTURES;
use super::parts::{Language, Lists, Meaning, Styles, Targets, heading_level};
use super::xml::{Part, Tag, each};
use crate::Error;

/// More languages than any paragraph is written in. Letters in others are not counted.
const MOST_LANGUAGES: usize = 100;

/// The part of a name, if it is no larger than that.
pub(super) type Pictures<'a> = &'a dyn Fn(&str, usize) -> Option<Vec<u8>>;

pub(super) fn read(
    xml: &str,
    targets: &Targets,
    (styles, lists): (&Styles, &Lists),
    pictures: Pictures<'_>,
) -> Result<Imported, Error> {
    let mut body = Body {
        builder: Builder::default(),
        targets,
        pictures,
        taken: HashMap::new(),
        styles,
        lists,
        skipped: None,
        drawing: None,
        is_document: false,
        open: vec![Open::default()],
        paragraph: None,
        run: None,
        is_text: false,
        hyperlinks: Vec::new(),
    };
    each(xml, |part| {
        body.take(part);
        if body.builder.is_full() {
            return Err(Error::TooMuch);
        }
        Ok(())
    })?;
    if !body.is_document {
        return Err(Error::File("docx"));
    }
    body.leave_all();
    Ok(body.builder.finish())
}

/// Of the page, or of a cell: what goes on from one paragraph to the next.
#[derive(Debug, Default)]
struct Open {
    /// How many items of lists are open in each other.
    items: usize,
    quote: bool,
    code: bool,
    /// So many cells more does a cell take.
    more: usize,
}

/// What a paragraph says of itself, before its text.
#[derive(Debug, Default)]
struct Paragraph {
    style: Option<String>,
    level: Option<i64>,
    list: Option<String>,
    depth: Option<String>,
    begun: bool,
    is_title: bool,
    languages: Languages,
}

/// How many letters of a paragraph are in each language that is said of them.
#[derive(Debug, Default)]
struct Languages {
    letters: HashMap<String, usize>,
    /// That of most of them by now.
    most: Option<(String, usize)>,
}

impl Languages {
    /// What is said may be no language: that counts as one without a name.
    fn count(&mut self, said: &str, letters: usize) {
        let tag = if is_tag(said) { said } else { "" };
        if self.letters.len() >= MOST_LANGUAGES && !self.letters.contains_key(tag) {
            return;
        }
        let counted = self.letters.entry(tag.to_owned()).or_default();
        *counted += letters;
        // Only what has just been raised can have come to the front.
        if self.most.as_ref().is_none_or(|(_, most)| most < counted) {
            self.most = Some((tag.to_owned(), *counted));
        }
    }

    fn of_most(&self) -> Option<&str> {
        let (tag, _) = self.most.as_ref()?;
        (!tag.is_empty()).then_some(tag)
    }
}

#[derive(Debug, Default)]
struct Run {
    marks: Vec<&'static str>,
    is_hidden: bool,
    language: Language,
}

/// What is drawn: pictures in the file, and what they show.
#[derive(Debug, Default)]
struct Drawing {
    /// How many elements are open in it.
    depth: usize,
    described: Option<String>,
    /// The ids of its pictures.
    pictures: Vec<String>,
}

struct Body<'a> {
    builder: Builder,
    targets: &'a Targets,
    pictures: Pictures<'a>,
    /// The addresses of the parts that were looked at: a part may be shown any number of times, and is inflated once.
    taken: HashMap<&'a str, Option<String>>,
    styles: &'a Styles,
    lists: &'a Lists,
    /// How many elements are open in one that is passed over.
    skipped: Option<usize>,
    drawing: Option<Drawing>,
    is_document: bool,
    open: Vec<Open>,
    paragraph: Option<Paragraph>,
    run: Option<Run>,
    is_text: bool,
    /// Whether each link that is open leads somewhere.
    hyperlinks: Vec<bool>,
}

impl Body<'_> {
    fn take(&mut self, part: Part<'_>) {
        if self.drawing.is_some() {
            self.draw(part);
            return;
        }
        match (part, &mut self.skipped) {
            (Part::Start(_), Some(depth)) => *depth += 1,
            (Part::End(_), Some(0)) => self.skipped = None,
            (Part::End(_), Some(depth)) => *depth -= 1,
            (Part::Text(_), Some(_)) => {}
            (Part::Start(tag), None) => self.start(&tag),
            (Part::End(name), None) => self.end(name),
            (Part::Text(text), None) => {
                if self.is_text {
                    self.text(text);
                }
            }
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag.name {
            "body" => self.is_document = true,
            // What was deleted, what is there twice for older programs, and what belongs to a version before this one.
            "del" | "moveFrom" | "Fallback" | "instrText" | "pPrChange" | "rPrChange" | "sectPr" => {
                self.skipped = Some(0);
            }
            "drawing" | "pict" | "object" => {
                self.drawing = Some(Drawing::default());
            }
            "oMath" | "oMathPara" => {
                self.builder.left_out.formulas += 1;
                self.skipped = Some(0);
            }
            "footnoteReference" | "endnoteReference" | "commentReference" => self.builder.left_out.notes += 1,
            "p" => self.paragraph = Some(Paragraph::default()),
            "r" => self.run = Some(Run::default()),
            "t" => self.is_text = true,
            "tab" if self.run.is_some() => self.text("\t"),
            "br" if tag.attribute("type").is_none_or(|kind| kind == "textWrapping") => self.text("\n"),
            "cr" => self.text("\n"),
            "noBreakHyphen" => self.text("\u{2011}"),
            "hyperlink" => {
                let target = tag.attribute("id").and_then(|id| self.targets.links.get(&id));
                if let Some(target) = target {
                    self.builder.set_link(target, "");
                }
                self.hyperlinks.push(target.is_some());
            }
            "tbl" => {
                self.leave_all();
                self.builder.part_tables();
            }
            "tr" => self.builder.enter(Container::Row),
            "tblHeader" if tag.is_on() => self.builder.say("header", Value::Boolean(true)),
            "tc" => {
                self.builder.enter_cell();
                self.open.push(Open::default());
            }
            "gridSpan" => {
                let columns = tag
                    .val()
                    .and_then(|columns| columns.parse().ok())
                    .unwrap_or(1_usize);
                if let Some(open) = self.open.last_mut() {
                    open.more = columns.clamp(1, 100) - 1;
                }
            }
            _ if self.run.is_some() => self.say_of_run(tag),
            _ => self.say_of_paragraph(tag),
        }
    }

    /// Of what is drawn only the pictures are looked for, in the words of Word and of older programs.
    fn draw(&mut self, part: Part<'_>) {
        let Some(drawing) = &mut self.drawing else { return };
        let tag = match part {
            Part::Start(tag) => tag,
            Part::End(_) if drawing.depth > 0 => {
                drawing.depth -= 1;
                return;
            }
            Part::End(_) => {
                self.end_drawing();
                return;
            }
            Part::Text(_) => return,
        };
        drawing.depth += 1;
        match tag.name {
            "docPr" | "cNvPr" | "shape" => {
                let alt = tag.attribute("descr").or_else(|| tag.attribute("alt"));
                let alt = alt.filter(|alt| !alt.trim().is_empty());
                if drawing.described.is_none() {
                    drawing.described = alt;
                }
            }
            "decorative" if tag.is_on() => drawing.described = Some(String::new()),
            "blip" => drawing.pictures.extend(tag.attribute("embed")),
            "imagedata" => drawing.pictures.extend(tag.attribute("id")),
            _ => {}
        }
    }

    fn end_drawing(&mut self) {
        let Some(drawing) = self.drawing.take() else {
            return;
        };
        let is_hidden = self.run.as_ref().is_some_and(|run| run.is_hidden);
        if is_hidden || self.paragraph.is_none() {
            return;
        }
        self.begin();
        let mut described = drawing.described;
        let mut shown = false;
        for id in &drawing.pictures {
            if let Some(address) = self.address(id) {
                self.builder.place_picture(address, described.take());
                shown = true;
            }
        }
        if !shown {
            self.builder.no_picture(&described.unwrap_or_default());
        }
    }

    /// The address of the picture with an id; none if it is not in the file, or not taken.
    fn address(&mut self, id: &str) -> Option<String> {
        let name = self.targets.pictures.get(id)?.as_str();
        if let Some(address) = self.taken.get(name) {
            return address.clone();
        }
        // Parts that are none cost time, too.
        if self.taken.len() >= MOST_PICTURES {
            return None;
        }
        let picture = (self.pictures)(name, self.builder.room_for_pictures());
        let address = picture.and_then(|picture| self.builder.take_picture(picture));
        self.taken.insert(name, address.clone());
        address
    }

    fn say_of_paragraph(&mut self, tag: &Tag<'_>) {
        let Some(paragraph) = &mut self.paragraph else {
            return;
        };
        match tag.name {
            "pStyle" => paragraph.style = tag.val(),
            "outlineLvl" => paragraph.level = tag.val().and_then(|level| heading_level(&level)),
            "numId" => paragraph.list = tag.val(),
            "ilvl" => paragraph.depth = tag.val(),
            _ => {}
        }
    }

    fn say_of_run(&mut self, tag: &Tag<'_>) {
        let Some(run) = &mut self.run else { return };
        let val = tag.val();
        let mark = match tag.name {
            "b" if tag.is_on() => Some("strong"),
            "i" if tag.is_on() => Some("em"),
            // Links are underlined anyway.
            "u" if tag.is_on() && self.hyperlinks.is_empty() => Some("underline"),
            "strike" | "dstrike" if tag.is_on() => Some("strikethrough"),
            "highlight" if tag.is_on() => Some("highlight"),
            "vertAlign" if val.as_deref() == Some("subscript") => Some("subscript"),
            "vertAlign" if val.as_deref() == Some("superscript") => Some("superscript"),
            "rStyle" => val.and_then(|style| self.styles.mark(&style)),
            "lang" => {
                run.language = Language::of(tag);
                None
            }
            "rFonts" if tag.attribute("ascii").is_some_and(|font| is_of_code(&font)) => Some("code"),
            "vanish" if tag.is_on() => {
                run.is_hidden = true;
                None
            }
            _ => None,
        };
        run.marks.extend(mark.filter(|mark| !run.marks.contains(mark)));
    }

    fn end(&mut self, name: &str) {
        match name {
            "t" => self.is_text = false,
            "r" => self.run = None,
            "hyperlink" if self.hyperlinks.pop() == Some(true) => {
                self.builder.unset_mark();
            }
            "p" => {
                let paragraph = self.paragraph.take().unwrap_or_default();
                let is_code = self.open.last().is_some_and(|open| open.code);
                // An item is there without text, too.
                if !paragraph.begun {
                    self.paragraph = Some(paragraph);
                    self.begin();
                    self.paragraph = None;
                }
                // Lines of code that follow each other are one block.
                if !(is_code || self.open.last().is_some_and(|open| open.code)) {
                    self.builder.end();
                }
            }
            "tc" => {
                self.leave_all();
                let open = self.open.pop().unwrap_or_default();
                self.builder.leave();
                for _ in 0..open.more {
                    self.builder.enter_cell();
                    self.builder.leave();
                }
                if self.open.is_empty() {
                    self.open.push(Open::default());
                }
            }
            "tr" => self.builder.leave(),
            "tbl" => self.builder.end(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        let Some(run) = &self.run else { return };
        if run.is_hidden || self.paragraph.is_none() {
            return;
        }
        let marks = run.marks.clone();
        self.begin();
        if self
            .paragraph
            .as_ref()
            .is_some_and(|paragraph| paragraph.is_title)
        {
            self.builder.title.get_or_insert_default().push_str(text);
            return;
        }
        for mark in &marks {
            self.builder.set_mark(mark);
        }
        self.builder.text(text);
        for _ in &marks {
            self.builder.unset_mark();
        }
        self.say_language(text);
    }

    /// Says that the block is in the language that most of its paragraph is in by now. Code is in none.
    fn say_language(&mut self, text: &str) {
        let (Some(run), Some(paragraph)) = (&self.run, &mut self.paragraph) else {
            return;
        };
        if self.open.last().is_some_and(|open| open.code) {
            return;
        }
        let style = paragraph.style.as_deref().unwrap_or_default();
        for (said, letters) in self.styles.languages(&run.language, style, text) {
            paragraph.languages.count(said, letters);
        }
        if let Some(tag) = paragraph.languages.of_most() {
            let tag = Value::Text(tag.to_owned());
            self.builder.say_of_block(language::NAME, tag);
        }
    }

    /// Begins the block that the paragraph is, once.
    fn begin(&mut self) {
        let Some(paragraph) = self.paragraph.as_mut().filter(|paragraph| !paragraph.begun) else {
            return;
        };
        paragraph.begun = true;
        let style = paragraph.style.clone().unwrap_or_default();
        let list = paragraph
            .list
            .clone()
            .or_else(|| self.styles.list(&style).map(str::to_owned));
        let depth = paragraph.depth.clone().unwrap_or_else(|| "0".to_owned());
        let level = paragraph.level;
        let numbered = list.and_then(|list| self.lists.is_numbered(&list, &depth));
        let meaning = match (self.styles.meaning(&style), level) {
            (Meaning::Plain, Some(level)) => Meaning::Heading(level),
            (meaning, _) => meaning,
        };
        match (meaning, numbered) {
            // Headings have numbers as lists have.
            (Meaning::Heading(level), _) => self.heading(level),
            (Meaning::Title, _) if self.builder.title.is_none() && self.builder.is_empty() => {
                if let Some(paragraph) = &mut self.paragraph {
                    paragraph.is_title = true;
                }
            }
            (Meaning::Title, _) => self.heading(1),
            (_, Some(numbered)) => self.item(numbered, depth.parse().unwrap_or_default()),
            (Meaning::Code, None) => self.code(),
            (Meaning::Caption, None) if self.builder.caption() => {}
            (Meaning::Quote, None) => {
                if self.open.last().is_none_or(|open| !open.quote) {
                    self.leave_all();
                    self.builder.enter(Container::Quote);
                    self.set(|open| open.quote = true);
                }
                self.builder.begin("paragraph", BTreeMap::new());
            }
            (Meaning::Plain | Meaning::Caption, None) => {
                self.leave_all();
                self.builder.begin("paragraph", BTreeMap::new());
            }
        }
    }

    fn heading(&mut self, level: i64) {
        self.leave_all();
        let attrs = [("level".to_owned(), Value::Integer(level))].into();
        self.builder.begin("heading", attrs);
    }

    fn code(&mut self) {
        if self.open.last().is_some_and(|open| open.code) {
            self.builder.text("\n");
            return;
        }
        self.leave_all();
        self.builder.begin("code-block", BTreeMap::new());
        self.set(|open| open.code = true);
    }

    fn item(&mut self, numbered: bool, depth: usize) {
        if self.open.last().is_some_and(|open| open.quote || open.code) {
            self.leave_all();
        }
        let items = self.open.last().map_or(0, |open| open.items);
        let kept = items.min(depth);
        for _ in kept..items {
            self.builder.leave();
        }
        self.builder.enter(if numbered {
            Container::Numbered
        } else {
            Container::Bulleted
        });
        self.set(|open| open.items = kept + 1);
        self.builder.begin("paragraph", BTreeMap::new());
    }

    /// Ends the lists, the quote or the code that are open.
    fn leave_all(&mut self) {
        let Some(open) = self.open.last_mut() else { return };
        let containers = std::mem::take(&mut open.items) + usize::from(std::mem::take(&mut open.quote));
        open.code = false;
        self.builder.end();
        for _ in 0..containers {
            self.builder.leave();
        }
    }

    fn set(&mut self, set: impl FnOnce(&mut Open)) {
        if let Some(open) = self.open.last_mut() {
            set(open);
        }
    }
}

/// Whether all letters of a font are as wide as each other.
fn is_of_code(font: &str) -> bool {
    let font = font.to_lowercase();
    ["courier", "consolas", "mono", "menlo"]
        .iter()
        .any(|name| font.contains(name))
}
