//! What an open page offers to those who read it: finding, counting, its outline, and its text to be read aloud.

use std::collections::BTreeSet;
use std::rc::Rc;

use documents::page::edit::{Block, Edit, Point, Value};
use leptos::prelude::*;
use protocol::MemberId;

use super::editor::{Counts, Query};
use super::session::{Session, report};

/// A heading of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heading {
    /// 1 to 6.
    pub(crate) level: u8,
    pub(crate) text: String,
    pub(crate) block: usize,
}

/// What is read aloud in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passage {
    pub(crate) block: usize,
    /// Whether it begins with what a picture shows.
    pub(crate) is_picture: bool,
    pub(crate) text: String,
    /// The language that the block says it is in, as a BCP 47 tag.
    pub(crate) language: Option<String>,
}

/// What was written in one go.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// A place that stays with the text.
    place: String,
    /// The actors who wrote.
    by: BTreeSet<Vec<u8>>,
}

impl Session {
    /// Whether its text is on the screen.
    pub(crate) fn is_shown(&self) -> bool {
        self.editor().is_some()
    }

    /// Shows what is equal to the query; `None` ends that, and the page gets the focus.
    pub(crate) fn find(&self, query: Option<&Query>) {
        if let Some(editor) = self.editor() {
            report(editor.find(query));
        }
    }

    /// Goes to the next one that was found, or with -1 to the one before.
    pub(crate) fn find_next(&self, step: i32) {
        if let Some(editor) = self.editor() {
            report(editor.find_next(step));
        }
    }

    pub(crate) fn replace(&self, text: &str) {
        if let Some(editor) = self.editor() {
            report(editor.replace(text));
        }
    }

    /// Replaces everything that was found, and says how many times.
    pub(crate) fn replace_all(&self, text: &str) -> u32 {
        let replaced = self.editor().map(|editor| editor.replace_all(text));
        match replaced {
            Some(Ok(count)) => count,
            Some(Err(error)) => {
                report(Err(error));
                0
            }
            None => 0,
        }
    }

    pub(crate) fn counts(&self) -> Option<Counts> {
        let counts = self.editor()?.counts();
        counts.map_err(|error| report(Err(error))).ok()
    }

    /// What is selected, if it is a piece of one block.
    pub(crate) fn selected_text(&self) -> Option<String> {
        let selection = self.editor()?.selection().ok()?;
        let (from, to) = (
            selection.anchor.min_by_place(selection.head),
            selection.anchor.max_by_place(selection.head),
        );
        if from.block != to.block || from.offset == to.offset {
            return None;
        }
        self.with_draft(|draft| {
            let text: Vec<u16> = draft.blocks().get(from.block)?.text().encode_utf16().collect();
            String::from_utf16(text.get(from.offset..to.offset)?).ok()
        })?
    }

    pub(crate) fn outline(&self) -> Vec<Heading> {
        self.with_draft(|draft| outline_of(draft.blocks()))
            .unwrap_or_default()
    }

    /// Puts the caret at the beginning of a block, and shows that.
    pub(crate) fn go_to(&self, block: usize) {
        if let Some(editor) = self.editor() {
            report(editor.go_to(block));
        }
    }

    /// What is to be read from the caret or the selection on; from the beginning, if nothing is behind it.
    pub(crate) fn passage_at_caret(&self) -> Option<Passage> {
        let selection = self.editor()?.selection().ok()?;
        let from = selection.anchor.min_by_place(selection.head);
        self.passage_from(from)
            .or_else(|| self.passage_from(Point { block: 0, offset: 0 }))
    }

    /// The first passage at a place or behind it.
    pub(crate) fn passage_from(&self, from: Point) -> Option<Passage> {
        self.with_draft(|draft| passage_from(draft.blocks(), from))?
    }

    /// Marks the block that is read aloud, and no other.
    pub(crate) fn show_reading(&self, block: Option<usize>) {
        if let Some(editor) = self.editor() {
            report(editor.show_reading(block));
        }
    }

    /// A place that stays with a block, whatever is written before it.
    pub(crate) fn hold_block(&self, block: usize) -> Option<String> {
        self.with_draft(|draft| draft.page().cursor_at(block, 0).ok())?
    }

    /// Others, the actors `by`, made these edits.
    pub(super) fn note_others(self: &Rc<Self>, edits: &[Edit], by: BTreeSet<Vec<u8>>) {
        // What is commented on is told as a comment.
        let is_comment =
            |edit: &&Edit| matches!(edit, Edit::Mark { name, .. } if name.starts_with("comment:"));
        let last = edits.iter().rfind(|edit| !is_comment(edit));
        let block = last.map(|edit| match edit {
            Edit::Text { block, .. }
            | Edit::Mark { block, .. }
            | Edit::Split { block, .. }
            | Edit::Shape { block, .. }
            | Edit::Blocks { from: block, .. } => *block,
            Edit::Join { block } => block.saturating_sub(1),
        });
        if let Some(place) = block.and_then(|block| self.hold_block(block)) {
            self.ask_authors(by.iter());
            self.written_by_others.set(Some(Written { place, by }));
        }
    }

    /// Who wrote last, of the others, as far as that is known.
    pub(crate) fn last_writers(&self) -> BTreeSet<MemberId> {
        let written = self.written_by_others.get_untracked();
        let actors = written.map(|written| written.by).unwrap_or_default();
        self.comments.authors.with_untracked(|authors| {
            let members = actors.iter().filter_map(|actor| authors.get(actor));
            members.copied().collect()
        })
    }

    /// The heading over where others wrote last; empty if there is none.
    pub(crate) fn last_heading(&self) -> String {
        let here = self.last_written_block();
        let mut headings = self.outline();
        headings.retain(|heading| here.is_some_and(|block| heading.block <= block));
        headings.pop().map(|heading| heading.text).unwrap_or_default()
    }

    fn last_written_block(&self) -> Option<usize> {
        let written = self.written_by_others.get_untracked()?;
        self.held_block(&written.place)
    }

    /// Which block that is now.
    pub(crate) fn held_block(&self, cursor: &str) -> Option<usize> {
        self.with_draft(|draft| draft.page().position_of(cursor))?
            .map(|(block, _)| block)
    }
}

/// Which of two places of a page comes first.
trait ByPlace: Sized {
    fn min_by_place(self, other: Self) -> Self;
    fn max_by_place(self, other: Self) -> Self;
}

impl ByPlace for Point {
    fn min_by_place(self, other: Self) -> Self {
        if (self.block, self.offset) <= (other.block, other.offset) {
            self
        } else {
            other
        }
    }

    fn max_by_place(self, other: Self) -> Self {
        if (self.block, self.offset) <= (other.block, other.offset) {
            other
        } else {
            self
        }
    }
}

/// The headings, in order.
fn outline_of(blocks: &[Block]) -> Vec<Heading> {
    let heading = |(index, block): (usize, &Block)| {
        let level = match block.shape.attrs.get("level") {
            Some(Value::Integer(level)) => u8::try_from((*level).clamp(1, 6)).unwrap_or(1),
            _ => 1,
        };
        (block.shape.kind == "heading" && !block.shape.is_embed).then(|| Heading {
            level,
            text: block.text().trim().to_owned(),
            block: index,
        })
    };
    blocks.iter().enumerate().filter_map(heading).collect()
}

fn passage_from(blocks: &[Block], from: Point) -> Option<Passage> {
    let has_letters = |text: &str| text.chars().any(char::is_alphanumeric);
    let passage = |(block, content): (usize, &Block)| {
        let text = content.text();
        let offset = if block == from.block { from.offset } else { 0 };
        let text = from_word(&text, offset).trim();
        let shown = content.shape.picture().and_then(|picture| picture.alt);
        let shown = shown
            .filter(|shown| offset == 0 && has_letters(shown))
            .map(str::trim);
        let text = match shown {
            Some(shown) if text.is_empty() => shown.to_owned(),
            Some(shown) => format!("{shown}\n{text}"),
            None => text.to_owned(),
        };
        let language = content.shape.language().map(str::to_owned);
        has_letters(&text).then_some(Passage {
            block,
            is_picture: shown.is_some(),
            text,
            language,
        })
    };
    blocks.iter().enumerate().skip(from.block).find_map(passage)
}

/// The text from the word on that an offset, in UTF-16 units, is in.
fn from_word(text: &str, offset: usize) -> &str {
    let mut passed = 0;
    let mut word = 0;
    for (at, letter) in text.char_indices() {
        if letter.is_whitespace() {
            word = at + letter.len_utf8();
        }
        if passed >= offset {
            // Behind the last word, and before a space, nothing is left of it.
            return if letter.is_whitespace() {
                &text[at..]
            } else {
                &text[word..]
            };
        }
        passed += letter.len_utf16();
    }
    ""
}

/// The language that a text is most likely in, as far as its script says; none for scripts of many languages, as Latin.
pub(crate) fn language_by_script(text: &str) -> Option<&'static str> {
    let mut counts: Vec<(Option<&'static str>, u32)> = Vec::new();
    for letter in text.chars().filter(|letter| letter.is_alphabetic()) {
        let language = language_of_letter(letter);
        match counts.iter_mut().find(|(other, _)| *other == language) {
            Some((_, count)) => *count += 1,
            None => counts.push((language, 1)),
        }
    }
    let (most, _) = counts.iter().max_by_key(|(_, count)| *count)?;
    let has = |letters: &str| text.chars().any(|letter| letters.contains(letter));
    // Han is Chinese, unless Japanese letters stand between it.
    match (*most)? {
        "zh" | "ja" if counts.iter().any(|(language, _)| *language == Some("ja")) => Some("ja"),
        "ar" if has("ٹڈڑںے") => Some("ur"),
        "ar" if has("پچژگ") => Some("fa"),
        "ru" if has("іїєґІЇЄҐ") => Some("uk"),
        language => Some(language),
    }
}

fn language_of_letter(letter: char) -> Option<&'static str> {
    Some(match u32::from(letter) {
        0x0370..=0x03FF | 0x1F00..=0x1FFF => "el",
        0x0400..=0x052F => "ru",
        0x0530..=0x058F => "hy",
        0x0590..=0x05FF | 0xFB1D..=0xFB4F => "he",
        0x0600..=0x06FF | 0x0750..=0x077F | 0xFB50..=0xFDFF | 0xFE70..=0xFEFF => "ar",
        0x0900..=0x097F => "hi",
        0x0980..=0x09FF => "bn",
        0x0A00..=0x0A7F => "pa",
        0x0A80..=0x0AFF => "gu",
        0x0B80..=0x0BFF => "ta",
        0x0C00..=0x0C7F => "te",
        0x0C80..=0x0CFF => "kn",
        0x0D00..=0x0D7F => "ml",
        0x0D80..=0x0DFF => "si",
        0x0E00..=0x0E7F => "th",
        0x0E80..=0x0EFF => "lo",
        0x1000..=0x109F => "my",
        0x10A0..=0x10FF => "ka",
        0x1200..=0x139F => "am",
        0x1780..=0x17FF => "km",
        0x3040..=0x30FF => "ja",
        0x1100..=0x11FF | 0x3130..=0x318F | 0xAC00..=0xD7AF => "ko",
        0x3400..=0x9FFF | 0x20000..=0x3FFFF => "zh",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use documents::page::edit::{Run, Shape};
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn block(kind: &str, attrs: &[(&str, Value)], text: &str) -> Block {
        let mut shape = Shape::paragraph();
        shape.kind = kind.to_owned();
        shape.attrs.extend(
            attrs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        let run = Run {
            text: text.to_owned(),
            marks: std::collections::BTreeMap::new(),
        };
        Block {
            shape,
            runs: vec![run],
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_outline_is_of_headings_in_order() {
        let blocks = [
            block("heading", &[("level", Value::Integer(2))], " Rivers "),
            block("paragraph", &[("level", Value::Integer(1))], "no heading"),
            block("heading", &[("level", Value::Integer(99))], "Deep"),
            block("heading", &[], ""),
        ];
        let outline = outline_of(&blocks);
        let told: Vec<(u8, &str, usize)> = outline
            .iter()
            .map(|heading| (heading.level, heading.text.as_str(), heading.block))
            .collect();
        assert_eq!(told, [(2, "Rivers", 0), (6, "Deep", 2), (1, "", 3)]);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn reading_begins_with_the_word_at_the_caret_and_passes_over_what_is_empty() {
        let lang = [("lang", Value::Text("sw".to_owned()))];
        let blocks = [
            block("paragraph", &[], "one 😀two three"),
            block("divider", &[], " "),
            block("paragraph", &lang, "Mto"),
        ];
        let read = |block, offset| {
            passage_from(&blocks, Point { block, offset }).map(|passage| (passage.block, passage.text))
        };
        assert_eq!(read(0, 0), Some((0, "one 😀two three".to_owned())));
        assert_eq!(read(0, 7), Some((0, "😀two three".to_owned())));
        assert_eq!(read(0, 9), Some((0, "three".to_owned())));
        assert_eq!(read(0, 15), Some((2, "Mto".to_owned())));
        assert_eq!(read(2, 3), None);
        let passage = passage_from(&blocks, Point { block: 1, offset: 0 });
        assert_eq!(
            passage.and_then(|passage| passage.language).as_deref(),
            Some("sw")
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_a_picture_shows_is_read_before_the_line_under_it() {
        let picture = |alt: Option<&str>, line: &str| {
            let alt = alt.map(|alt| ("alt", Value::Text(alt.to_owned())));
            let mut picture = block("image", &alt.into_iter().collect::<Vec<_>>(), line);
            picture.shape.is_embed = true;
            picture
        };
        let blocks = [
            picture(Some(" A bridge "), "Garissa in June"),
            picture(Some("A hippo"), ""),
            // Decoration, and what nobody has described.
            picture(Some(""), ""),
            picture(None, ""),
            picture(None, "Hola"),
        ];
        let read = |block, offset| {
            let passage = passage_from(&blocks, Point { block, offset });
            passage.map(|passage| (passage.block, passage.is_picture, passage.text))
        };
        assert_eq!(
            read(0, 0),
            Some((0, true, "A bridge\nGarissa in June".to_owned()))
        );
        assert_eq!(read(0, 8), Some((0, false, "in June".to_owned())));
        assert_eq!(read(0, 15), Some((1, true, "A hippo".to_owned())));
        assert_eq!(read(2, 0), Some((4, false, "Hola".to_owned())));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn scripts_tell_languages() {
        for (text, language) in [
            ("The river", None),
            ("12 + 4", None),
            ("يجري النهر", Some("ar")),
            ("رودخانه گنگ", Some("fa")),
            ("दादी की नदी (Ganga)", Some("hi")),
            ("川は長い", Some("ja")),
            ("长江很长", Some("zh")),
            ("річка Дніпро", Some("uk")),
            ("한강", Some("ko")),
            ("แม่น้ำ", Some("th")),
        ] {
            assert_eq!(language_by_script(text), language, "{text}");
        }
    }
}
