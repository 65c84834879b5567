//! Lists as Word saves them: each item is a paragraph that names its list and its level in its style, and begins with its sign as
//! text. `app/editor/src/word_processors.ts` reads the same where it is pasted.

use super::super::builder::Container;
use super::elements::{Attribute, Does, style};
use super::{Collected, HtmlReader};

/// Word has no deeper ones.
const DEEPEST: u32 = 9;

/// The lists whose items are being read, each within an item of the one before.
#[derive(Debug, Default)]
pub(super) struct Lists {
    open: Vec<List>,
    /// The level of an item that has begun. What list it is of its sign tells.
    begun: Option<u32>,
}

#[derive(Debug)]
struct List {
    /// How many elements are open around its paragraphs.
    depth: usize,
    /// The levels of the items that are open, each within the one before.
    levels: Vec<u32>,
}

impl HtmlReader {
    /// A paragraph begins, which may be an item.
    pub(super) fn begin_item(&mut self, name: &str, attribute: Attribute<'_>, does: &mut Vec<Does>) {
        let Some(level) = self.level(name, attribute) else {
            return;
        };
        let depth = self.open.len();
        if self.word.open.last().is_none_or(|list| list.depth < depth) {
            let levels = Vec::new();
            self.word.open.push(List { depth, levels });
        }
        self.word.begun = Some(level);
        does.push(Does::Item);
    }

    /// The sign of an item, or of a heading, begins. It is no text.
    pub(super) fn begin_sign(&mut self, attribute: Attribute<'_>, does: &mut Vec<Does>) -> bool {
        let is_within = matches!(self.collected, Some((Collected::Sign, _)));
        let begins = self.collected.is_none() && said(attribute).is_some_and(|said| said == "ignore");
        if begins {
            self.collect(Collected::Sign, does);
        }
        is_within || begins
    }

    /// The item that has begun is one with this sign.
    pub(super) fn settle_item(&mut self, sign: &str) {
        let Some(level) = self.word.begun.take() else {
            return;
        };
        let Some(list) = self.word.open.last_mut() else {
            return;
        };
        while let Some(top) = list.levels.pop_if(|top| *top >= level) {
            self.builder.leave();
            // What is two levels deeper than the item before is shown one deeper, and what comes between the two stands beside it.
            if list.levels.last().is_none_or(|outer| *outer < level) || top == level {
                break;
            }
        }
        list.levels.push(level);
        self.builder.enter(if is_number(sign) {
            Container::Numbered
        } else {
            Container::Bulleted
        });
    }

    /// An element begins. Beside the items of a list it ends that, unless it is one of them.
    pub(super) fn go_beside_items(&mut self, name: &str, attribute: Attribute<'_>) {
        let inline = ["span", "b", "strong", "i", "em", "u", "a", "font", "o:p"];
        if self.collected.is_none() && !inline.contains(&name) && said(attribute).is_none() {
            self.settle_item("");
        }
        if self.level(name, attribute).is_none() {
            self.end_items_within(self.open.len());
        }
    }

    /// Text comes that is no sign.
    pub(super) fn write_beside_items(&mut self) {
        self.settle_item("");
        self.end_items_within(self.open.len());
    }

    /// Ends the lists that stand in no fewer elements.
    pub(super) fn end_items_within(&mut self, depth: usize) {
        while let Some(list) = self.word.open.pop_if(|list| list.depth >= depth) {
            self.end_line();
            for _ in list.levels {
                self.builder.leave();
            }
        }
    }

    /// Which level a paragraph says that it is an item of. In an item of HTML's own it is what that is.
    fn level(&self, name: &str, attribute: Attribute<'_>) -> Option<u32> {
        let is_in_item = self.open.last().is_some_and(|element| element.name == "li");
        let said = said(attribute).filter(|_| name == "p" && !is_in_item)?;
        let level = said
            .split_ascii_whitespace()
            .find_map(|word| word.strip_prefix("level"))?;
        Some(level.parse().ok()?).map(|level: u32| level.clamp(1, DEEPEST))
    }
}

/// What an element says of lists.
fn said(attribute: Attribute<'_>) -> Option<String> {
    style(attribute, "mso-list")
}

/// Whether an item's sign is a number, as `1.2`, or a letter that counts: what closes it tells it from a bullet that is an `o`.
fn is_number(sign: &str) -> bool {
    let sign = sign.strip_prefix(['(', '（']).unwrap_or(sign);
    let inner = sign.strip_suffix(['.', ')', '、', '．', '）']);
    let mut parts = inner.unwrap_or(sign).split(['.', '．']);
    let of_digits = |part: &str| part.chars().all(char::is_numeric);
    // In many scripts a letter is followed by marks.
    let is_of_word = |letter: char| letter.is_alphanumeric() || !letter.is_ascii() && inner.is_some();
    let counts = |part: &str| of_digits(part) || inner.is_some() && part.chars().all(is_of_word);
    parts.all(|part| !part.is_empty() && counts(part))
}
