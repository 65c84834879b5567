//! Where text is proposed that replaces none: no mark can be there, so the place is named by what stands before it.

use automerge::transaction::Transactable;
use automerge::{ObjId, ROOT, ReadDoc};

use super::suggestions::PLACE;
use super::{Page, places_of, thread_of};
use crate::document::Document;
use crate::page::edit::{Point, place};
use crate::page::{TEXT, text_object};
use crate::{Error, entry};

impl Page {
    /// Names a place in the text by the element before it, and by the marker of its block: whichever of them is deleted, the
    /// other one tells where it was.
    pub(super) fn place_at(&self, point: Point) -> Result<String, Error> {
        let text = self.text.as_ref().ok_or(Error::Absent)?;
        self.place_in(&self.document, text, point)
    }

    /// The same place in another document, of which the text is the same.
    fn place_in(&self, document: &Document, text: &ObjId, point: Point) -> Result<String, Error> {
        let length = self.lengths.get(point.block);
        if length.is_none_or(|length| point.offset > *length) {
            return Err(place("beyond the text"));
        }
        let start = self.text_start(point.block);
        let marker = start.checked_sub(1);
        let marker = marker.ok_or_else(|| place("text that no block begins"))?;
        let cursor = |index: usize| document.automerge.get_cursor(text, index, None);
        Ok(format!("{} {}", cursor(marker + point.offset)?, cursor(marker)?))
    }

    /// Where such a place is now; nowhere, if its block is gone with what stood before it.
    pub(super) fn point_of(&self, place: &str) -> Option<Point> {
        let (before, marker) = place.split_once(' ')?;
        let (index, behind) = self.element(before)?;
        if let Some(behind) = behind {
            return self.point_at(behind);
        }
        let (_, behind_marker) = self.element(marker)?;
        let point = self.point_at(index)?;
        let block = self.point_at(behind_marker?)?.block;
        (point.block == block).then_some(point)
    }

    /// The same place in another page, as far as that can be told: in a block that reads the same.
    pub(super) fn point_like(&self, other: &Page, Point { block, offset }: Point) -> Option<Point> {
        let text = other.blocks.get(block)?.text();
        let reads_so = |block: usize| self.blocks.get(block).is_some_and(|block| block.text() == text);
        if reads_so(block) {
            return Some(Point { block, offset });
        }
        let mut others = (0..self.blocks.len()).filter(|block| reads_so(*block));
        let block = others.next().filter(|_| others.next().is_none())?;
        Some(Point { block, offset })
    }

    fn point_at(&self, index: usize) -> Option<Point> {
        let (block, offset) = self.locate(index)?;
        Some(Point { block, offset })
    }

    /// Where an element begins, or would if it were not deleted, and where it ends, if it is not.
    fn element(&self, cursor: &str) -> Option<(usize, Option<usize>)> {
        let text = self.text.as_ref()?;
        let cursor = self.element_cursor(cursor)?;
        let automerge = &self.document.automerge;
        let start = automerge.get_cursor_position(text, &cursor, None).ok()?;
        let length = self.expected_length();
        let is_it = |index: &usize| {
            let there = automerge.get_cursor(text, *index, None);
            there.is_ok_and(|there| there == cursor)
        };
        // A character may be two units wide.
        let behind = (start..length).find(|index| !is_it(index)).unwrap_or(length);
        Some((start, (behind > start).then_some(behind)))
    }
}

/// In a document with the content of another one these places are named by its own elements.
pub(crate) fn move_places(old: &Document, new: &mut Document) -> Result<(), Error> {
    let keys: Vec<String> = new.automerge.keys(ROOT).collect();
    let threads = keys.iter().filter_map(|key| thread_of(key));
    let messages = threads.flat_map(|thread| places_of(new, &thread));
    let named: Vec<(ObjId, String)> = messages
        .filter_map(|of| entry::string(&new.automerge, &of.message, PLACE).map(|place| (of.message, place)))
        .collect();
    if named.is_empty() {
        return Ok(());
    }
    let Some(text) = text_object(new, TEXT)? else {
        return Ok(());
    };
    let old = Page::open(old.clone())?;
    for (message, place) in named {
        // Anybody may have written anything there: where no name can be given, what is written stays.
        let point = old.point_of(&place);
        let moved = point.and_then(|point| old.place_in(new, &text, point).ok());
        if let Some(moved) = moved.filter(|moved| *moved != place) {
            new.automerge.put(&message, PLACE, moved)?;
        }
    }
    Ok(())
}
