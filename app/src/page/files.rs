//! Files that pages are written to and read from.

use documents::Error;
use documents::page::import::{HtmlReader, Imported, LARGEST_FILE, docx, markdown, text_of, without_styles};
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{DomParser, Element, Node, SupportedType, TextDecoder};

/// What a page can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Markdown,
    Html,
    Automerge,
}

impl Format {
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Markdown => "md",
            Self::Html => "html",
            Self::Automerge => "automerge",
        }
    }
}

/// What a page can be read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Markdown,
    Html,
    Docx,
    Automerge,
}

/// What a field for files takes.
pub(crate) const ACCEPTED: &str = ".md,.markdown,.html,.htm,.docx,.automerge";

impl Kind {
    /// By the end of a file's name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "md" | "markdown" => Some(Self::Markdown),
            "html" | "htm" => Some(Self::Html),
            "docx" => Some(Self::Docx),
            "automerge" => Some(Self::Automerge),
            _ => None,
        }
    }
}

/// Reads a file of a kind that has no history.
pub(crate) fn read(kind: Kind, bytes: &[u8]) -> Result<Imported, Error> {
    match kind {
        Kind::Markdown => markdown(&text_of(bytes)?),
        Kind::Html => html(&html_text(bytes)?),
        Kind::Docx | Kind::Automerge => docx(bytes),
    }
}

/// What the browser makes of HTML. Nothing in it is run or fetched.
fn html(source: &str) -> Result<Imported, Error> {
    let unreadable = |_: JsValue| Error::File("html");
    let parser = DomParser::new().map_err(unreadable)?;
    let document = parser
        .parse_from_string(&without_styles(source), SupportedType::TextHtml)
        .map_err(unreadable)?;
    let mut reader = HtmlReader::default();
    let root: Option<Element> = document.document_element();
    let mut next: Option<Node> = root.map(JsCast::unchecked_into);
    // Not by recursion: elements may stand in each other as deep as one likes.
    while let Some(node) = next {
        let element = node.dyn_ref::<Element>();
        if let Some(element) = element {
            reader.open(&element.local_name(), &|name| element.get_attribute(name));
        } else if node.node_type() == Node::TEXT_NODE {
            reader.text(&node.node_value().unwrap_or_default());
        }
        next = node.first_child();
        let mut left = Some(node);
        while next.is_none()
            && let Some(node) = left
        {
            if let Some(element) = node.dyn_ref::<Element>() {
                reader.close(&element.local_name());
            }
            next = node.next_sibling();
            left = node.parent_node();
        }
    }
    reader.finish()
}

/// The text of an HTML file, which may be in an old encoding and say so.
fn html_text(bytes: &[u8]) -> Result<String, Error> {
    if let Ok(text) = text_of(bytes) {
        return Ok(text);
    }
    if bytes.len() > LARGEST_FILE {
        return Err(Error::TooMuch);
    }
    let head = String::from_utf8_lossy(bytes.get(..2048).unwrap_or(bytes)).to_ascii_lowercase();
    let said = head.split_once("charset=").map(|(_, rest)| {
        let name = rest.trim_start_matches(['"', '\'']);
        let ends = |letter: char| !(letter.is_ascii_alphanumeric() || "-_:".contains(letter));
        name.split(ends).next().unwrap_or_default()
    });
    let unreadable = |_: JsValue| Error::File("text");
    let decoder = TextDecoder::new_with_label(said.unwrap_or("windows-1252")).map_err(unreadable)?;
    let text = decoder
        .decode_with_buffer_source(&Uint8Array::from(bytes))
        .map_err(unreadable)?;
    if text.contains('\0') {
        return Err(Error::File("text"));
    }
    Ok(text)
}
