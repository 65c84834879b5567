//! Files of other programs as the blocks of a page. Any bytes may be given: what can't be read is refused, and what a page
//! can't hold is left out and counted.

mod builder;
mod docx;
mod html;
mod markdown;
mod merge;
mod pictures;

use super::edit::{Block, Shape};
use crate::Error;

pub use docx::docx;
pub use html::{HtmlReader, without_styles};
pub use markdown::markdown;
pub use merge::{Changes, Merge, merge};
pub use pictures::{MOST_PICTURE_BYTES, MOST_PICTURES, Stored};

/// The largest file that is read, in bytes. In a `.docx` no part may be larger than this either, inflated.
pub const LARGEST_FILE: usize = 32 << 20;

/// The most text that is taken from a file, in bytes of UTF-8.
pub const MOST_TEXT: usize = 2 << 20;

/// The most blocks that are taken from a file.
pub const MOST_BLOCKS: usize = 20_000;

/// What was in a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// What the file says that it is called.
    pub title: Option<String>,
    /// Empty if there was nothing.
    pub blocks: Vec<Block>,
    /// The files of pictures, as they were in the file: nobody has looked into them. See [`Imported::with_pictures`].
    pub pictures: Vec<Vec<u8>>,
    pub left_out: LeftOut,
}

/// How much was in a file that a page does not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    pub images: usize,
    /// Footnotes, comments and whatever else stands beside the text.
    pub notes: usize,
    /// Formulas that are not written as LaTeX.
    pub formulas: usize,
}

impl Imported {
    /// The blocks to put behind those of a page that has a title of its own: the file's stands above them.
    pub fn under_its_title(mut self) -> Vec<Block> {
        if let Some(title) = self.title.take().filter(|title| !title.is_empty()) {
            let mut heading = Block::of_text(&title);
            heading.shape = Shape {
                kind: "heading".to_owned(),
                attrs: [("level".to_owned(), super::edit::Value::Integer(1))].into(),
                ..Shape::paragraph()
            };
            self.blocks.insert(0, heading);
        }
        self.blocks
    }

    fn within_limits(self) -> Result<Imported, Error> {
        let text: usize = self
            .blocks
            .iter()
            .flat_map(|block| &block.runs)
            .map(|run| run.text.len())
            .sum();
        if self.blocks.len() > MOST_BLOCKS || text > MOST_TEXT {
            return Err(Error::TooMuch);
        }
        Ok(self)
    }
}

/// Text of a file: UTF-8, or UTF-16 that says so.
///
/// # Errors
/// [`Error::File`] for other bytes, [`Error::TooMuch`]
pub fn text_of(bytes: &[u8]) -> Result<String, Error> {
    if bytes.len() > LARGEST_FILE {
        return Err(Error::TooMuch);
    }
    let wide = |read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..]
            .chunks_exact(2)
            .map(|pair| read([pair[0], pair[1]]))
            .collect();
        String::from_utf16(&units).map_err(|_| Error::File("text"))
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => {
            // A file with zeros is no text, although each of them is a letter.
            let text = std::str::from_utf8(rest).ok().filter(|text| !text.contains('\0'));
            text.map(str::to_owned).ok_or(Error::File("text"))
        }
    }
}
