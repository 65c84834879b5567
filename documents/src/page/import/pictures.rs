//! Pictures in files. Whoever imports one stores them, and says where they are now.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::super::edit::{Shape, Value};
use super::super::picture::SRC;
use super::Imported;

/// The most that is taken of pictures from one file, in bytes.
pub const MOST_PICTURE_BYTES: usize = 64 << 20;

/// The most pictures that are taken from one file.
pub const MOST_PICTURES: usize = 500;

/// What the address of a picture begins with that is in the file, and nowhere yet.
const PLACEHOLDER: &str = "import:";

/// The pictures that were taken from a file.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) pictures: Vec<Vec<u8>>,
    size: usize,
}

impl Taken {
    /// The address of a picture until it has one; none if no more are taken. One that is there twice is stored once.
    pub(super) fn take(&mut self, picture: Vec<u8>) -> Option<String> {
        let known = self.pictures.iter().position(|other| *other == picture);
        let number = known.unwrap_or(self.pictures.len());
        if known.is_none() {
            let size = self.size + picture.len();
            if size > MOST_PICTURE_BYTES || self.pictures.len() >= MOST_PICTURES {
                return None;
            }
            self.size = size;
            self.pictures.push(picture);
        }
        Some(format!("{PLACEHOLDER}{number}"))
    }

    /// How many bytes more are taken.
    pub(super) fn room(&self) -> usize {
        if self.pictures.len() >= MOST_PICTURES {
            0
        } else {
            MOST_PICTURE_BYTES - self.size
        }
    }
}

/// Where a picture of a file is now, and how large it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub src: String,
    pub width: Option<u32>,
    pub height: Option<u32>,
}

impl Stored {
    /// Has a picture's block say where it is now.
    pub fn place(&self, shape: &mut Shape) {
        let mut say = |name: &str, value| shape.attrs.insert(name.to_owned(), value);
        say(SRC, Value::Text(self.src.clone()));
        for (name, pixels) in [("width", self.width), ("height", self.height)] {
            if let Some(pixels) = pixels {
                say(name, Value::Integer(i64::from(pixels)));
            }
        }
    }
}

impl Imported {
    /// The blocks with the addresses that the pictures have now, in the order of [`Imported::pictures`]. One that has none is left
    /// out; what it shows, and the line under it, stay as text.
    pub fn with_pictures(mut self, stored: &[Option<Stored>]) -> Imported {
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for mut block in std::mem::take(&mut self.blocks) {
            let Some(number) = placeholder(&block.shape) else {
                blocks.push(block);
                continue;
            };
            if let Some(stored) = stored.get(number).and_then(Option::as_ref) {
                stored.place(&mut block.shape);
                blocks.push(block);
            } else {
                self.left_out.images += 1;
                blocks.extend(Some(block.without_picture()).filter(|block| block.length() > 0));
            }
        }
        self.blocks = blocks;
        self.pictures.clear();
        self
    }
}

/// Which picture of the file a block shows.
fn placeholder(shape: &Shape) -> Option<usize> {
    shape.picture()?.src.strip_prefix(PLACEHOLDER)?.parse().ok()
}

/// The picture that stands in an address itself.
pub(super) fn in_address(address: &str) -> Option<Vec<u8>> {
    let address = address.trim();
    let begin = address.get(.."data:image/".len())?;
    let (about, data) = address.split_once(',')?;
    if !begin.eq_ignore_ascii_case("data:image/") {
        return None;
    }
    let end = about
        .len()
        .checked_sub(";base64".len())
        .and_then(|end| about.get(end..));
    let bytes = if end.is_some_and(|end| end.eq_ignore_ascii_case(";base64")) {
        let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let signs: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        GeneralPurpose::new(&STANDARD, lenient).decode(signs).ok()?
    } else {
        unescaped(data)
    };
    (!bytes.is_empty()).then_some(bytes)
}

/// Bytes of which some are written as `%` and two digits.
fn unescaped(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = text.get(at + 1..at + 3).filter(|_| *byte == b'%');
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(escaped.unwrap_or(*byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::in_address;

    #[test]
    fn an_address_may_hold_any_letters() {
        // Of all lengths, so that whatever is cut off somewhere cuts a letter.
        for count in 0..9 {
            let address = format!("data:image/{},%41", "é".repeat(count));
            assert_eq!(in_address(&address).as_deref(), Some(b"A".as_slice()));
            let address = format!("data:image/{}a,%41", "é".repeat(count));
            assert_eq!(in_address(&address).as_deref(), Some(b"A".as_slice()));
        }
        assert_eq!(
            in_address("data:image/png;BASE64,QQ").as_deref(),
            Some(b"A".as_slice())
        );
    }
}
