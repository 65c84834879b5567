//! Markdown: CommonMark with GitHub's additions, formulas between dollars, and YAML in front.

use std::collections::BTreeMap;

use pulldown_cmark::{BlockQuoteKind, CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::super::edit::Value;
use super::builder::Container;
use super::html::HtmlReader;
use super::pictures;
use super::{Imported, LARGEST_FILE};
use crate::Error;

/// Reads Markdown. HTML in it is read as in [`HtmlReader`].
///
/// # Errors
/// [`Error::TooMuch`]
pub fn markdown(text: &str) -> Result<Imported, Error> {
    if text.len() > LARGEST_FILE {
        return Err(Error::TooMuch);
    }
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_MATH
        | Options::ENABLE_GFM
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut reader = Reader::default();
    for event in Parser::new_ext(text, options) {
        reader.take(event);
        if reader.html.builder.is_full() {
            return Err(Error::TooMuch);
        }
    }
    reader.html.builder.finish().within_limits()
}

#[derive(Default)]
struct Reader {
    html: HtmlReader,
    /// How many elements of HTML were open where what is open now began: those in it end with it.
    begun: Vec<usize>,
    /// Whether the lists that are open are numbered.
    numbered: Vec<bool>,
    /// Text that is read when it is whole: code, HTML, what stands in front.
    whole: Option<String>,
    /// How many blocks there were before the headings of a table.
    before_headings: usize,
    image: Option<Image>,
}

/// A picture, while what describes it is read.
struct Image {
    picture: Option<Vec<u8>>,
    alt: String,
    /// How many more stand in the description.
    inner: usize,
}

impl Reader {
    fn take(&mut self, event: Event<'_>) {
        if self.image.is_some() {
            self.describe(event);
            return;
        }
        match event {
            Event::Start(Tag::Image { dest_url, .. }) => {
                self.image = Some(Image {
                    picture: pictures::in_address(&dest_url),
                    alt: String::new(),
                    inner: 0,
                });
            }
            Event::Start(tag) => {
                self.begun.push(self.html.depth());
                self.start(tag);
            }
            Event::End(tag) => {
                // Block tags may stand open across many blocks of Markdown.
                let begun = self.begun.pop().unwrap_or_default();
                if tag != TagEnd::HtmlBlock {
                    self.html.close_to(begun);
                }
                self.end(tag);
            }
            Event::Text(text) => self.text(&text),
            Event::Html(html) => self.text(&html),
            Event::InlineHtml(html) => self.html.source_in_text(&html),
            Event::Code(code) => self.marked("code", &code),
            Event::InlineMath(latex) => self.marked("math", &latex),
            Event::DisplayMath(latex) if self.html.builder.is_within(Container::Row) => {
                self.marked("math", &latex);
            }
            Event::DisplayMath(latex) => self.html.builder.whole("math-block", BTreeMap::new(), &latex),
            Event::SoftBreak => self.html.verbatim(" "),
            Event::HardBreak => self.html.verbatim("\n"),
            Event::Rule => self.html.builder.whole("divider", BTreeMap::new(), ""),
            Event::TaskListMarker(checked) => self.html.builder.say("checked", Value::Boolean(checked)),
            Event::FootnoteReference(_) => self.html.builder.left_out.notes += 1,
        }
    }

    /// What describes a picture is text without marks.
    fn describe(&mut self, event: Event<'_>) {
        let Some(image) = &mut self.image else { return };
        match event {
            Event::Text(text) | Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                image.alt.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak => image.alt.push(' '),
            Event::Start(Tag::Image { .. }) => image.inner += 1,
            Event::End(TagEnd::Image) if image.inner > 0 => image.inner -= 1,
            Event::End(TagEnd::Image) => {
                let Some(Image { picture, alt, .. }) = self.image.take() else {
                    return;
                };
                match picture {
                    Some(picture) => {
                        self.html.builder.trim();
                        // Markdown has no sign for a picture that shows nothing that matters, but HTML: nobody has described it.
                        let alt = Some(alt).filter(|alt| !alt.trim().is_empty());
                        self.html.builder.picture(picture, alt);
                    }
                    None => self.html.builder.no_picture(&alt),
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        match &mut self.whole {
            Some(whole) => whole.push_str(text),
            None => self.html.verbatim(text),
        }
    }

    fn marked(&mut self, mark: &'static str, text: &str) {
        self.html.builder.set_mark(mark);
        self.html.verbatim(text);
        self.html.builder.unset_mark();
    }

    fn start(&mut self, tag: Tag<'_>) {
        let builder = &mut self.html.builder;
        match tag {
            Tag::Heading { level, .. } => {
                let level = Value::Integer(level as i64);
                builder.begin("heading", [("level".to_owned(), level)].into());
            }
            Tag::BlockQuote(kind) => builder.enter(match kind {
                None => Container::Quote,
                Some(
                    BlockQuoteKind::Note
                    | BlockQuoteKind::Tip
                    | BlockQuoteKind::Important
                    | BlockQuoteKind::Warning
                    | BlockQuoteKind::Caution,
                ) => Container::Callout,
            }),
            Tag::CodeBlock(_) | Tag::HtmlBlock | Tag::MetadataBlock(_) => {
                if !matches!(tag, Tag::HtmlBlock) {
                    builder.end();
                }
                let language = match &tag {
                    Tag::CodeBlock(CodeBlockKind::Fenced(language)) => language.trim(),
                    _ => "",
                };
                if let Tag::CodeBlock(_) = tag {
                    let attrs = if language.is_empty() || language == "math" {
                        BTreeMap::new()
                    } else {
                        [("language".to_owned(), Value::Text(language.to_owned()))].into()
                    };
                    let kind = if language == "math" {
                        "math-block"
                    } else {
                        "code-block"
                    };
                    builder.begin(kind, attrs);
                }
                self.whole = Some(String::new());
            }
            Tag::List(first) => {
                builder.end();
                self.numbered.push(first.is_some());
            }
            Tag::Item => builder.enter(if self.numbered.last() == Some(&true) {
                Container::Numbered
            } else {
                Container::Bulleted
            }),
            Tag::Table(_) => builder.part_tables(),
            Tag::TableHead => {
                self.before_headings = builder.len();
                builder.enter(Container::Row);
                builder.say("header", Value::Boolean(true));
            }
            Tag::TableRow => builder.enter(Container::Row),
            Tag::TableCell => builder.enter_cell(),
            Tag::Emphasis => builder.set_mark("em"),
            Tag::Strong => builder.set_mark("strong"),
            Tag::Strikethrough => builder.set_mark("strikethrough"),
            Tag::Superscript => builder.set_mark("superscript"),
            Tag::Subscript => builder.set_mark("subscript"),
            Tag::Link { dest_url, title, .. } => builder.set_link(&dest_url, &title),
            Tag::Image { .. } => {}
            Tag::Paragraph
            | Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition => builder.end(),
        }
    }

    fn end(&mut self, tag: TagEnd) {
        let whole = match tag {
            TagEnd::CodeBlock | TagEnd::HtmlBlock | TagEnd::MetadataBlock(_) => self.whole.take(),
            _ => None,
        };
        let builder = &mut self.html.builder;
        match tag {
            TagEnd::CodeBlock => {
                let code = whole.unwrap_or_default();
                builder.text(code.strip_suffix('\n').unwrap_or(&code));
                builder.end();
            }
            TagEnd::HtmlBlock => {
                self.html.source(&whole.unwrap_or_default());
                // A line that is only a break is written as HTML.
                self.html.builder.caption_in_emphasis();
            }
            TagEnd::MetadataBlock(_) => builder.title = title_in(&whole.unwrap_or_default()),
            TagEnd::List(_) => {
                builder.end();
                self.numbered.pop();
            }
            TagEnd::Item | TagEnd::BlockQuote(_) | TagEnd::TableRow | TagEnd::TableCell => builder.leave(),
            TagEnd::TableHead => {
                builder.leave();
                let start = self.before_headings;
                // A table without headings has empty ones, for there is no other way to write it.
                if builder.since(start).iter().all(|block| block.runs.is_empty()) {
                    builder.go_back(start);
                }
            }
            TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Strikethrough
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::Link => builder.unset_mark(),
            TagEnd::Image => {}
            TagEnd::Paragraph => builder.caption_in_emphasis(),
            TagEnd::Heading(_)
            | TagEnd::FootnoteDefinition
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Table => builder.end(),
        }
    }
}

/// The title that YAML names.
fn title_in(yaml: &str) -> Option<String> {
    let value = yaml.lines().find_map(|line| line.strip_prefix("title:"))?.trim();
    if let Ok(title) = serde_json::from_str::<String>(value) {
        return Some(title);
    }
    let quoted = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    Some(quoted.map_or_else(|| value.to_owned(), |inside| inside.replace("''", "'")))
}
