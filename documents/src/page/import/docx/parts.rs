//! What stands beside the text: where links lead and pictures are, what styles mean, how lists are numbered.

use std::collections::HashMap;

use super::xml::{Part, Tag, each};
use crate::Error;

/// What the text names by ids.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// The addresses of links.
    pub(super) links: HashMap<String, String>,
    /// The parts of the archive that are pictures.
    pub(super) pictures: HashMap<String, String>,
}

pub(super) fn targets(xml: &str) -> Result<Targets, Error> {
    let mut targets = Targets::default();
    each(xml, |part| {
        let Part::Start(tag) = part else { return Ok(()) };
        let (Some(id), Some(target)) = (tag.attribute("Id"), tag.attribute("Target")) else {
            return Ok(());
        };
        let kind = tag.attribute("Type").unwrap_or_default();
        let is_elsewhere = tag.attribute("TargetMode").is_some_and(|mode| mode == "External");
        if tag.name == "Relationship" && kind.ends_with("/hyperlink") {
            targets.links.insert(id, target);
        } else if tag.name == "Relationship" && kind.ends_with("/image") && !is_elsewhere {
            // Beside the text, unless it says that it begins at the top.
            let name = match target.strip_prefix('/') {
                Some(name) => name.to_owned(),
                None => format!("word/{target}"),
            };
            targets.pictures.insert(id, name);
        }
        Ok(())
    })?;
    Ok(targets)
}

/// The languages that letters of each kind are said to be in.
#[derive(Clone, Debug, Default)]
pub(super) struct Language {
    most: Option<String>,
    east_asian: Option<String>,
    complex: Option<String>,
}

impl Language {
    pub(super) fn of(tag: &Tag<'_>) -> Language {
        Language {
            most: tag.val(),
            east_asian: tag.attribute("eastAsia"),
            complex: tag.attribute("bidi"),
        }
    }

    fn of_kind(&self, kind: Kind) -> Option<&str> {
        let said = match kind {
            Kind::Most => &self.most,
            Kind::EastAsian => &self.east_asian,
            Kind::Complex => &self.complex,
        };
        said.as_deref()
    }
}

/// The kinds of letters of which Word says languages apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Most,
    EastAsian,
    /// Those that change beside others, or run from the right.
    Complex,
}

impl Kind {
    fn of(letter: char) -> Kind {
        match u32::from(letter) {
            0x0590..=0x109F | 0x1780..=0x17FF | 0xFB1D..=0xFDFF | 0xFE70..=0xFEFC => Kind::Complex,
            0x1100..=0x11FF | 0x2E80..=0xA4CF | 0xAC00..=0xD7FF | 0xF900..=0xFAFF | 0xFF66..=0xFFDC => {
                Kind::EastAsian
            }
            0x20000..=0x3FFFF => Kind::EastAsian,
            _ => Kind::Most,
        }
    }
}

/// What a style means for a page.
#[derive(Clone, Debug, Default)]
pub(super) struct Style {
    name: String,
    based_on: Option<String>,
    level: Option<i64>,
    pub(super) list: Option<String>,
    language: Language,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Plain,
    Title,
    Heading(i64),
    Quote,
    Code,
    /// The line under a picture.
    Caption,
}

/// The styles by their ids, and what is so where none says otherwise.
#[derive(Debug, Default)]
pub(super) struct Styles {
    styles: HashMap<String, Style>,
    language: Option<String>,
}

/// How many styles may be based on one another.
const LONGEST_LINE: usize = 16;

impl Styles {
    /// A style, and those that it is based on.
    fn line(&self, id: &str) -> impl Iterator<Item = &Style> {
        let first = self.styles.get(id);
        let next = |style: &&Style| self.styles.get(style.based_on.as_ref()?);
        std::iter::successors(first, next).take(LONGEST_LINE)
    }

    pub(super) fn meaning(&self, id: &str) -> Meaning {
        let meanings = self.line(id).map(Style::meaning);
        let mut meant = meanings.filter(|meaning| *meaning != Meaning::Plain);
        meant.next().unwrap_or(Meaning::Plain)
    }

    /// The list that paragraphs of a style are in.
    pub(super) fn list(&self, id: &str) -> Option<&str> {
        self.line(id).find_map(|style| style.list.as_deref())
    }

    /// The languages of a text, and how many of its letters are in each.
    pub(super) fn languages<'a>(
        &'a self,
        said: &'a Language,
        style: &str,
        text: &str,
    ) -> impl Iterator<Item = (&'a str, usize)> {
        let mut letters = [(Kind::Most, 0), (Kind::EastAsian, 0), (Kind::Complex, 0)];
        for letter in text.chars().filter(|letter| letter.is_alphabetic()) {
            let kind = Kind::of(letter);
            let of_kind = letters.iter_mut().filter(|(other, _)| *other == kind);
            of_kind.for_each(|(_, count)| *count += 1);
        }
        let there = letters.into_iter().filter(|(_, count)| *count > 0);
        there.filter_map(move |(kind, count)| Some((self.language(said, style, kind)?, count)))
    }

    /// The language of a kind of letters: what is said of them, what the style of their paragraph says, or the whole document. That says
    /// something of all kinds, but for most of them only what Word was set to.
    fn language<'a>(&'a self, said: &'a Language, style: &str, kind: Kind) -> Option<&'a str> {
        let of_style = || self.line(style).find_map(|style| style.language.of_kind(kind));
        let of_all = || self.language.as_deref().filter(|_| kind == Kind::Most);
        said.of_kind(kind).or_else(of_style).or_else(of_all)
    }

    /// The mark that a style of letters stands for.
    pub(super) fn mark(&self, id: &str) -> Option<&'static str> {
        self.line(id).find_map(|style| match style.name.as_str() {
            "strong" | "intense emphasis" => Some("strong"),
            "emphasis" | "subtle emphasis" => Some("em"),
            _ if style.meaning() == Meaning::Code => Some("code"),
            _ => None,
        })
    }
}

impl Style {
    /// The names of the styles that come with Word and LibreOffice are the same in all languages.
    fn meaning(&self) -> Meaning {
        let name = self.name.as_str();
        if name == "title" {
            return Meaning::Title;
        }
        let level = name.strip_prefix("heading ").and_then(|level| level.parse().ok());
        if let Some(level) = level.or(self.level) {
            return Meaning::Heading(i64::clamp(level, 1, 6));
        }
        let is_code = ["code", "preformatted", "source", "verbatim", "teletype"];
        match name {
            "quote" | "intense quote" | "block text" | "quotations" => Meaning::Quote,
            "caption" => Meaning::Caption,
            _ if is_code.iter().any(|word| name.contains(word)) => Meaning::Code,
            _ => Meaning::Plain,
        }
    }
}

pub(super) fn styles(xml: &str) -> Result<Styles, Error> {
    let mut styles = Styles::default();
    let mut open: Option<(String, Style)> = None;
    each(xml, |part| {
        match part {
            Part::Start(tag) if tag.name == "style" => {
                open = tag.attribute("styleId").map(|id| (id, Style::default()));
            }
            Part::Start(tag) => {
                let Some((_, style)) = &mut open else {
                    // What is so of the whole document stands beside the styles.
                    if tag.name == "lang" {
                        styles.language = tag.val();
                    }
                    return Ok(());
                };
                match tag.name {
                    "name" => style.name = tag.val().unwrap_or_default().to_lowercase(),
                    "basedOn" => style.based_on = tag.val(),
                    "outlineLvl" => style.level = tag.val().and_then(|level| heading_level(&level)),
                    "numId" => style.list = tag.val(),
                    "lang" => style.language = Language::of(&tag),
                    _ => {}
                }
            }
            Part::End("style") => styles.styles.extend(open.take()),
            Part::End(_) | Part::Text(_) => {}
        }
        Ok(())
    })?;
    Ok(styles)
}

/// Word counts from 0, and 9 is text.
pub(super) fn heading_level(outline: &str) -> Option<i64> {
    let level: i64 = outline.parse().ok()?;
    (0..=5).contains(&level).then_some(level + 1)
}

/// Which levels of which lists are numbered.
#[derive(Debug, Default)]
pub(super) struct Lists {
    kinds: HashMap<String, String>,
    numbered: HashMap<(String, String), bool>,
}

impl Lists {
    /// None if there is no such list, or its items have neither a number nor a sign.
    pub(super) fn is_numbered(&self, list: &str, level: &str) -> Option<bool> {
        let kind = self.kinds.get(list)?;
        self.numbered.get(&(kind.clone(), level.to_owned())).copied()
    }
}

pub(super) fn lists(xml: &str) -> Result<Lists, Error> {
    let mut lists = Lists::default();
    let (mut kind, mut level, mut list) = (None, None, None);
    each(xml, |part| {
        let Part::Start(tag) = part else { return Ok(()) };
        match tag.name {
            "abstractNum" => kind = tag.attribute("abstractNumId"),
            "lvl" => level = tag.attribute("ilvl"),
            "numFmt" => {
                let format = tag.val().unwrap_or_default();
                if let (Some(kind), Some(level)) = (&kind, &level)
                    && format != "none"
                {
                    let key = (kind.clone(), level.clone());
                    lists.numbered.insert(key, format != "bullet");
                }
            }
            "num" => list = tag.attribute("numId"),
            "abstractNumId" => {
                if let (Some(list), Some(kind)) = (list.take(), tag.val()) {
                    lists.kinds.insert(list, kind);
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(lists)
}
