//! The pictures of a file that is brought to an open page: each is drawn anew and kept for this page, or it is left out and counted.

use std::collections::{BTreeMap, BTreeSet};

use documents::page::edit::{Block, Edit, Shape};
use documents::page::import::{Imported, Stored};
use documents::page::picture::{ATTACHMENT, media_type};

use super::super::editor::Picture;
use super::super::pictures::making::make_of;
use super::super::pictures::{blob, is_embedded};
use super::{NotKept, Session};

/// Where the pictures are now that blocks name by an address; none if one could not be had or kept.
type Kept = BTreeMap<String, Option<Stored>>;

impl Session {
    /// Keeps the pictures that came with a file. What is no picture is left out.
    pub(super) async fn with_its_pictures(&self, imported: Imported) -> Imported {
        let mut stored = Vec::new();
        for picture in &imported.pictures {
            stored.push(self.keep_content(picture).await.ok());
        }
        imported.with_pictures(&stored)
    }

    /// Keeps the pictures of another page for this one: that one may be erased.
    pub(super) async fn with_pictures_of_another(&self, mut imported: Imported) -> Imported {
        let named = imported
            .blocks
            .iter()
            .filter_map(|block| address_of(&block.shape));
        let kept = self.keep_all(named.map(str::to_owned).collect()).await;
        for block in &mut imported.blocks {
            imported.left_out.images += usize::from(!place_block(block, &kept));
        }
        imported
    }

    /// Keeps the pictures that edits of another program hold whole. What it says of attachments is of this page.
    pub(super) async fn keep_embedded(&self, edits: &[Edit]) -> Kept {
        let named = edits.iter().flat_map(shapes).filter_map(address_of);
        let embedded = named.filter(|address| is_embedded(address));
        self.keep_all(embedded.map(str::to_owned).collect()).await
    }

    async fn keep_all(&self, addresses: BTreeSet<String>) -> Kept {
        let mut kept = Kept::new();
        for address in addresses {
            let stored = self.keep_named(&address).await.ok();
            kept.insert(address, stored);
        }
        kept
    }

    async fn keep_named(&self, address: &str) -> Result<Stored, NotKept> {
        if is_embedded(address) {
            let made = make_of(address)
                .await
                .map_err(|error| NotKept::unreadable(&error))?;
            return self.keep(&made).await.map(stored);
        }
        let content = self.pictures.content(address).await;
        self.keep_content(&content.ok_or(NotKept::NotAPicture)?).await
    }

    async fn keep_content(&self, content: &[u8]) -> Result<Stored, NotKept> {
        let kind = media_type(content).unwrap_or_default();
        let file = blob(content, kind).map_err(|error| NotKept::unreadable(&error))?;
        self.keep_file(&file).await.map(stored)
    }
}

fn stored(picture: Picture) -> Stored {
    Stored {
        src: picture.src,
        width: picture.width,
        height: picture.height,
    }
}

/// The edits with the addresses that the pictures have now, and how many of these were left out.
pub(super) fn with_kept(mut edits: Vec<Edit>, kept: &Kept) -> (Vec<Edit>, usize) {
    let mut left_out = 0;
    for edit in &mut edits {
        match edit {
            Edit::Shape { shape, .. } | Edit::Split { shape, .. } => {
                left_out += usize::from(!place(shape, kept));
            }
            Edit::Blocks { blocks, .. } => {
                for block in blocks {
                    left_out += usize::from(!place_block(block, kept));
                }
            }
            Edit::Text { .. } | Edit::Mark { .. } | Edit::Join { .. } => {}
        }
    }
    (edits, left_out)
}

fn shapes(edit: &Edit) -> Vec<&Shape> {
    match edit {
        Edit::Shape { shape, .. } | Edit::Split { shape, .. } => vec![shape],
        Edit::Blocks { blocks, .. } => blocks.iter().map(|block| &block.shape).collect(),
        Edit::Text { .. } | Edit::Mark { .. } | Edit::Join { .. } => Vec::new(),
    }
}

/// The address of a picture that is shown, if it is one. What is anywhere else is never asked for, and stays as it is.
fn address_of(shape: &Shape) -> Option<&str> {
    let address = shape.picture()?.src;
    (address.starts_with(ATTACHMENT) || is_embedded(address)).then_some(address)
}

/// Puts a picture where it is now. False if it is left out: what it shows, and the line under it, stay as text.
fn place_block(block: &mut Block, kept: &Kept) -> bool {
    if matches!(place_of(&block.shape, kept), Some(None)) {
        let picture = std::mem::replace(block, Block::empty(Shape::paragraph()));
        *block = picture.without_picture();
        return false;
    }
    place(&mut block.shape, kept)
}

/// The same of a marker whose text stays as it is.
fn place(shape: &mut Shape, kept: &Kept) -> bool {
    let Some(stored) = place_of(shape, kept) else {
        return true;
    };
    match stored {
        Some(stored) => stored.place(shape),
        None => *shape = shape.without_picture(),
    }
    stored.is_some()
}

/// Where a picture is now; none within, if it could not be had or kept. None if nobody was to keep it.
fn place_of<'a>(shape: &Shape, kept: &'a Kept) -> Option<Option<&'a Stored>> {
    kept.get(address_of(shape)?).map(Option::as_ref)
}

#[cfg(test)]
mod tests {
    use documents::page::edit::{Run, Value};
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    const PHOTO: &str = "data:image/jpeg;base64,AAAA";

    fn picture(src: &str, caption: &str) -> Block {
        let text = |text: &str| Value::Text(text.to_owned());
        let said = [
            ("src", text(src)),
            ("alt", text("A bridge")),
            ("lang", text("en")),
        ];
        let run = |text: &str| Run {
            text: text.to_owned(),
            marks: BTreeMap::new(),
        };
        Block {
            shape: Shape {
                kind: "image".to_owned(),
                is_embed: true,
                parents: vec!["blockquote".to_owned()],
                attrs: said.map(|(name, value)| (name.to_owned(), value)).into(),
            },
            runs: [caption]
                .into_iter()
                .filter(|text| !text.is_empty())
                .map(run)
                .collect(),
        }
    }

    fn brought(blocks: Vec<Block>) -> Vec<Edit> {
        vec![Edit::Blocks {
            from: 1,
            count: 0,
            blocks,
        }]
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn no_photo_comes_in_as_it_was() {
        let stored = Stored {
            src: "attachment:AQ".to_owned(),
            width: Some(30),
            height: Some(20),
        };
        let kept = Kept::from([(PHOTO.to_owned(), Some(stored))]);
        let (edits, left_out) = with_kept(brought(vec![picture(PHOTO, "Garissa")]), &kept);
        let mut expected = picture("attachment:AQ", "Garissa");
        let sizes = [("width", 30), ("height", 20)];
        let sizes = sizes.map(|(name, size)| (name.to_owned(), Value::Integer(size)));
        expected.shape.attrs.extend(sizes);
        assert_eq!((edits, left_out), (brought(vec![expected]), 0));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_could_not_be_kept_stays_in_words() {
        let kept = Kept::from([(PHOTO.to_owned(), None)]);
        let elsewhere = picture("https://example.org/a.png", "");
        let blocks = vec![picture(PHOTO, "Garissa"), picture(PHOTO, ""), elsewhere.clone()];
        let (edits, left_out) = with_kept(brought(blocks), &kept);
        assert_eq!(left_out, 2);
        let [Edit::Blocks { blocks, .. }] = edits.as_slice() else {
            panic!("{edits:?}");
        };
        let [with_line, without, other] = blocks.as_slice() else {
            panic!("{blocks:?}");
        };
        assert_eq!(
            (with_line.text(), without.text()),
            ("A bridge\nGarissa".to_owned(), "A bridge".to_owned())
        );
        let shape = Shape {
            parents: vec!["blockquote".to_owned()],
            attrs: [("lang".to_owned(), Value::Text("en".to_owned()))].into(),
            ..Shape::paragraph()
        };
        assert_eq!((&with_line.shape, &without.shape), (&shape, &shape));
        assert_eq!(other, &elsewhere);
    }
}
