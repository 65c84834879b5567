//! What the elements and styles of HTML mean for a page.

use super::super::super::language::is_tag;

/// What is undone when an element ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Skip,
    Mark,
    /// A line of its own.
    Block,
    Container,
    Row,
    /// A cell is as wide as so many more.
    Columns(usize),
    /// White space is text.
    Spaces,
    Language,
    Collect,
    Formula,
    /// An item of Word's of which no sign came.
    Item,
}

pub(super) type Attribute<'a> = &'a dyn Fn(&str) -> Option<String>;

/// MathML that is being read.
#[derive(Debug)]
pub(super) struct Formula {
    pub(super) is_block: bool,
    /// What an annotation says.
    pub(super) latex: Option<String>,
    alternative: Option<String>,
}

impl Formula {
    pub(super) fn new(attribute: Attribute<'_>) -> Formula {
        Formula {
            is_block: attribute("display").is_some_and(|display| display == "block"),
            latex: None,
            alternative: attribute("alttext"),
        }
    }

    pub(super) fn latex(&self) -> Option<String> {
        let latex = self.latex.as_ref().or(self.alternative.as_ref())?;
        (!latex.trim().is_empty()).then(|| latex.clone())
    }
}

/// Elements without an end.
pub(super) fn is_void(name: &str) -> bool {
    let void = [
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr",
    ];
    void.contains(&name)
}

/// What is in these is not text of the document, or can't be shown on a page.
pub(super) fn is_skipped(name: &str, attribute: Attribute<'_>) -> bool {
    let skipped = [
        "script", "style", "template", "noscript", "noframes", "iframe", "object", "select", "textarea",
        "button", "datalist", "rp",
    ];
    skipped.contains(&name)
        || attribute("hidden").is_some()
        || style(attribute, "display").is_some_and(|display| display == "none")
}

/// What an element with blocks or a line of text in it says of their language: none if that is unknown. What a word in a line
/// is in does not concern the line.
pub(super) fn language(name: &str, attribute: Attribute<'_>) -> Option<Option<String>> {
    let whole = [
        "html",
        "body",
        "main",
        "div",
        "section",
        "article",
        "header",
        "footer",
        "nav",
        "figure",
        "figcaption",
        "caption",
        "address",
        "details",
        "summary",
        "center",
        "p",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "pre",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "blockquote",
        "aside",
        "table",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "td",
        "th",
    ];
    // The language on top of a page of this program is that of the program.
    if attribute("data-spaces").is_some() {
        return Some(None);
    }
    let tag = attribute("lang").filter(|_| whole.contains(&name))?;
    Some(Some(tag).filter(|tag| is_tag(tag)))
}

pub(super) fn has_class(attribute: Attribute<'_>, class: &str) -> bool {
    attribute("class").is_some_and(|classes| classes.split_ascii_whitespace().any(|other| other == class))
}

/// The marks that an element sets, by itself and by its style.
pub(super) fn marks(name: &str, attribute: Attribute<'_>) -> Vec<&'static str> {
    let weight = style(attribute, "font-weight").unwrap_or_default();
    let is_light = weight == "normal" || weight == "400";
    let is_formula = || has_class(attribute, "math") || has_class(attribute, "math-source");
    let own = match name {
        // Google Docs wraps everything in a `b` of normal weight.
        "b" | "strong" if !is_light => Some("strong"),
        "i" | "em" | "cite" | "dfn" => Some("em"),
        "u" | "ins" => Some("underline"),
        "s" | "del" | "strike" => Some("strikethrough"),
        "code" | "kbd" | "samp" | "tt" if !is_formula() => Some("code"),
        "mark" => Some("highlight"),
        "sub" => Some("subscript"),
        "sup" => Some("superscript"),
        _ => None,
    };
    let mut marks: Vec<&'static str> = own.into_iter().collect();
    // Headings are heavy, and what blocks say of themselves is how they look.
    let styled = [
        "span", "font", "a", "b", "strong", "i", "em", "u", "s", "sub", "sup", "p",
    ];
    if !styled.contains(&name) {
        return marks;
    }
    let mut add = |mark: &'static str, says: bool| {
        if says && !marks.contains(&mark) {
            marks.push(mark);
        }
    };
    let is_heavy = weight == "bold"
        || weight
            .parse()
            .is_ok_and(|weight: u32| (600..=1000).contains(&weight));
    add("strong", is_heavy);
    let slant = style(attribute, "font-style").unwrap_or_default();
    add("em", slant == "italic" || slant == "oblique");
    let line = style(attribute, "text-decoration").or_else(|| style(attribute, "text-decoration-line"));
    let line = line.unwrap_or_default();
    // A link is underlined anyway.
    add("underline", line.contains("underline") && name != "a");
    add("strikethrough", line.contains("line-through"));
    let height = style(attribute, "vertical-align").unwrap_or_default();
    add("subscript", height == "sub");
    add("superscript", height == "super");
    marks
}

/// What the element's own style says of a property.
pub(super) fn style(attribute: Attribute<'_>, property: &str) -> Option<String> {
    let style = attribute("style").or_else(|| attribute("data-style"))?;
    let mut said = style
        .split(';')
        .filter_map(|declaration| declaration.split_once(':'));
    let (_, value) = said.find(|(name, _)| name.trim().eq_ignore_ascii_case(property))?;
    Some(value.trim().to_ascii_lowercase())
}
