//! Pictures: blocks whose text is the line under them. The file of one is kept elsewhere, at the address that the block names.

use std::collections::BTreeSet;

use automerge::{ROOT, ReadDoc as _};

use super::edit::{Block, Shape, Value, joined};
use super::{Page, TEXT, language, read};
use crate::document::Document;

/// The type of the block's marker.
pub(super) const NAME: &str = "image";

/// The attributes that say where it is, and what it shows.
pub(super) const SRC: &str = "src";
pub(super) const ALT: &str = "alt";

/// What the address of an attachment begins with. The rest opens it, so it goes into no file that others read.
pub const ATTACHMENT: &str = "attachment:";

/// What a picture's block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture<'a> {
    pub src: &'a str,
    /// What it shows. None if nobody has said so yet; empty if it shows nothing that matters.
    pub alt: Option<&'a str>,
    /// In pixels, if that is known.
    pub width: Option<u32>,
    pub height: Option<u32>,
}

impl Shape {
    /// What it says of a picture, if it is one.
    pub fn picture(&self) -> Option<Picture<'_>> {
        if self.kind != NAME || !self.is_embed {
            return None;
        }
        let text = |name| match self.attrs.get(name) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let pixels = |name| match self.attrs.get(name) {
            Some(Value::Integer(pixels)) => u32::try_from(*pixels).ok().filter(|pixels| *pixels > 0),
            _ => None,
        };
        Some(Picture {
            src: text(SRC).unwrap_or_default(),
            alt: text(ALT),
            width: pixels("width"),
            height: pixels("height"),
        })
    }
}

/// What is left of a picture that is not taken, wherever that is.
impl Shape {
    /// The paragraph in its place.
    pub fn without_picture(&self) -> Shape {
        let said = self.attrs.get_key_value(language::NAME);
        Shape {
            parents: self.parents.clone(),
            attrs: said
                .map(|(name, tag)| (name.clone(), tag.clone()))
                .into_iter()
                .collect(),
            ..Shape::paragraph()
        }
    }
}

impl Block {
    /// What it shows, and the line under it, as text.
    pub fn without_picture(self) -> Block {
        let shape = self.shape.without_picture();
        let alt = self.shape.picture().and_then(|picture| picture.alt);
        let alt = alt.unwrap_or_default().trim();
        let between = if alt.is_empty() || self.length() == 0 {
            ""
        } else {
            "\n"
        };
        let described = Block::of_text(&format!("{alt}{between}")).runs;
        Block {
            shape,
            runs: joined([described, self.runs]),
        }
    }
}

impl Page {
    /// The addresses of the attachments that the page shows now.
    pub fn attachments(&self) -> BTreeSet<&str> {
        attachments_in(&self.blocks).collect()
    }
}

/// The same of a page that nobody edits here.
pub fn attachments_of(document: &Document) -> BTreeSet<String> {
    let Ok(Some((_, text))) = document.automerge.get(ROOT, TEXT) else {
        return BTreeSet::new();
    };
    let (blocks, _) = read::blocks(&document.automerge, &text).unwrap_or_default();
    attachments_in(&blocks).map(str::to_owned).collect()
}

fn attachments_in(blocks: &[Block]) -> impl Iterator<Item = &str> {
    let pictures = blocks.iter().filter_map(|block| block.shape.picture());
    let addresses = pictures.map(|picture| picture.src);
    addresses.filter(|src| src.starts_with(ATTACHMENT))
}

/// The media type of a picture, by how it begins; none if it is of no kind that a page shows.
pub fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// Whether an address holds the picture itself, in a form that is harmless to pass on.
pub(super) fn is_data(address: &str) -> bool {
    let heads = ["png", "jpeg", "gif", "webp"].map(|kind| format!("data:image/{kind};base64"));
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    address.split_once(',').is_some_and(|(head, data)| {
        heads.iter().any(|other| other.eq_ignore_ascii_case(head)) && data.bytes().all(is_sign)
    })
}
