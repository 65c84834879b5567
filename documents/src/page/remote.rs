//! From Automerge's patches to edits.

use std::collections::BTreeSet;

use automerge::{ObjId, ObjType};
use automerge::{Patch, PatchAction, Prop, ReadDoc, Value as AutomergeValue};

use super::edit::{self, Block, Edit, Run, Shape, Value, place, width};
use super::{Page, Remote, comments, read};
use crate::Error;

impl Page {
    /// Follows patches that lead from the blocks as they are to the document as it is.
    pub(super) fn follow(&mut self, patches: &[Patch]) -> Result<Remote, Error> {
        let mut remote = Remote::default();
        let Some((text, title)) = self.text.clone().zip(self.title.clone()) else {
            remote.title_changed = true;
            self.start_anew(&mut remote)?;
            return Ok(remote);
        };
        let followed = self.follow_each(&text, &title, patches, &mut remote);
        if !matches!(followed, Ok(true)) || self.expected_length() != self.document.automerge.length(&text) {
            self.start_anew(&mut remote)?;
        }
        Ok(remote)
    }

    /// False if some patch has no meaning in a page.
    fn follow_each(
        &mut self,
        text: &ObjId,
        title: &ObjId,
        patches: &[Patch],
        remote: &mut Remote,
    ) -> Result<bool, Error> {
        let mut reshaped = BTreeSet::new();
        for patch in patches {
            if patch.obj == *text {
                if !self.follow_text(patch, &mut remote.edits)? {
                    return Ok(false);
                }
            } else if patch.obj == *title {
                remote.title_changed = true;
            } else if is_in_thread(patch) {
                remote.threads_changed = true;
            } else if let Some((_, Prop::Seq(marker))) = patch.path.iter().find(|(object, _)| object == text)
            {
                reshaped.insert(*marker);
            } else if let PatchAction::PutMap { key, .. } | PatchAction::DeleteMap { key } = &patch.action
                && patch.obj == ObjId::Root
                && (key == super::TEXT || key == super::TITLE)
            {
                // These two became other objects. Other keys are none of our business.
                return Ok(false);
            }
        }
        for marker in reshaped {
            let Some(shape) = self.shape_at(text, marker)? else {
                return Ok(false);
            };
            let Some((block, 0)) = self.locate(marker + 1) else {
                return Ok(false);
            };
            if self.blocks[block].shape != shape {
                self.show(Edit::Shape { block, shape }, &mut remote.edits)?;
            }
        }
        Ok(true)
    }

    /// Follows one patch of the Text object itself; false if it is of a kind that has no meaning in a page.
    fn follow_text(&mut self, patch: &Patch, edits: &mut Vec<Edit>) -> Result<bool, Error> {
        match &patch.action {
            PatchAction::SpliceText { index, value, marks } => {
                let marks = marks.as_ref().map(read::marks).unwrap_or_default();
                self.insert_text(
                    *index,
                    Run {
                        text: value.make_string(),
                        marks,
                    },
                    edits,
                )?;
            }
            PatchAction::DeleteSeq { index, length } => self.delete(*index, *length, edits)?,
            PatchAction::Insert { index, values } => {
                for (offset, (value, marker, _)) in values.iter().enumerate() {
                    if !matches!(value, AutomergeValue::Object(ObjType::Map)) {
                        return Ok(false);
                    }
                    let shape = self.shape_of(marker)?;
                    self.insert_marker(index + offset, shape, edits)?;
                }
            }
            PatchAction::Mark { marks } => {
                for mark in marks {
                    if let Some(value) = read::value(mark.value()) {
                        self.mark(mark.start, mark.end, mark.name(), &value, edits)?;
                    }
                }
            }
            PatchAction::Conflict { .. } => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn insert_text(&mut self, index: usize, run: Run, edits: &mut Vec<Edit>) -> Result<(), Error> {
        if let Some((block, offset)) = self.locate(index) {
            return self.show(
                Edit::Text {
                    block,
                    offset,
                    delete: 0,
                    insert: vec![run],
                },
                edits,
            );
        }
        let block = Block {
            shape: Shape::paragraph(),
            runs: vec![run],
        };
        self.show(
            Edit::Blocks {
                from: 0,
                count: 0,
                blocks: vec![block],
            },
            edits,
        )?;
        self.headless = true;
        Ok(())
    }

    fn insert_marker(&mut self, index: usize, shape: Shape, edits: &mut Vec<Edit>) -> Result<(), Error> {
        match self.locate(index) {
            Some((0, 0)) if self.headless => {
                self.headless = false;
                self.show(Edit::Shape { block: 0, shape }, edits)
            }
            Some((block, offset)) => self.show(Edit::Split { block, offset, shape }, edits),
            None => self.show(
                Edit::Blocks {
                    from: 0,
                    count: 0,
                    blocks: vec![Block::empty(shape)],
                },
                edits,
            ),
        }
    }

    fn delete(&mut self, index: usize, length: usize, edits: &mut Vec<Edit>) -> Result<(), Error> {
        let mut left = length;
        while left > 0 {
            match self.locate(index) {
                None => {
                    self.lose_head(edits)?;
                    left -= 1;
                }
                Some((block, offset)) if offset < self.lengths[block] => {
                    let delete = left.min(self.lengths[block] - offset);
                    self.show(
                        Edit::Text {
                            block,
                            offset,
                            delete,
                            insert: Vec::new(),
                        },
                        edits,
                    )?;
                    self.drop_empty_head(edits)?;
                    left -= delete;
                }
                Some((block, _)) if block + 1 < self.blocks.len() => {
                    self.show(Edit::Join { block: block + 1 }, edits)?;
                    left -= 1;
                }
                Some(_) => return Err(place("a patch beyond the end")),
            }
        }
        Ok(())
    }

    /// The first marker is gone: what text it had stands without.
    fn lose_head(&mut self, edits: &mut Vec<Edit>) -> Result<(), Error> {
        self.headless = true;
        if self.blocks[0].shape != Shape::paragraph() {
            self.show(
                Edit::Shape {
                    block: 0,
                    shape: Shape::paragraph(),
                },
                edits,
            )?;
        }
        self.drop_empty_head(edits)
    }

    /// A first block with neither marker nor text is not there, unless it is the only one.
    fn drop_empty_head(&mut self, edits: &mut Vec<Edit>) -> Result<(), Error> {
        if self.headless && self.lengths[0] == 0 && self.blocks.len() > 1 {
            self.show(
                Edit::Blocks {
                    from: 0,
                    count: 1,
                    blocks: Vec::new(),
                },
                edits,
            )?;
            self.headless = false;
        }
        Ok(())
    }

    fn mark(
        &mut self,
        start: usize,
        end: usize,
        name: &str,
        value: &Value,
        edits: &mut Vec<Edit>,
    ) -> Result<(), Error> {
        for block in 0..self.blocks.len() {
            let text_start = self.text_start(block);
            let from = start.max(text_start);
            let to = end.min(text_start + self.lengths[block]);
            if from < to {
                let (from, to) = (from - text_start, to - text_start);
                let edit = Edit::Mark {
                    block,
                    from,
                    to,
                    name: name.to_owned(),
                    value: value.clone(),
                };
                let before = self.blocks[block].clone();
                edit::apply_to_blocks(&mut self.blocks, &edit)?;
                if self.blocks[block] != before {
                    edits.push(edit);
                }
            }
        }
        Ok(())
    }

    /// Makes an edit in the blocks, keeps the lengths true, and tells the editor.
    fn show(&mut self, edit: Edit, edits: &mut Vec<Edit>) -> Result<(), Error> {
        edit::apply_to_blocks(&mut self.blocks, &edit)?;
        match &edit {
            Edit::Text {
                block,
                delete,
                insert,
                ..
            } => {
                let inserted: usize = insert.iter().map(|run| width(&run.text)).sum();
                self.lengths[*block] = self.lengths[*block] - delete + inserted;
            }
            Edit::Split { block, offset, .. } => {
                let rest = self.lengths[*block] - offset;
                self.lengths[*block] = *offset;
                self.lengths.insert(block + 1, rest);
            }
            Edit::Join { block } => {
                let length = self.lengths.remove(*block);
                self.lengths[*block - 1] += length;
            }
            Edit::Blocks { from, count, blocks } => {
                self.lengths
                    .splice(*from..from + count, blocks.iter().map(Block::length));
            }
            Edit::Mark { .. } | Edit::Shape { .. } => {}
        }
        edits.push(edit);
        Ok(())
    }

    fn shape_at(&self, text: &ObjId, marker: usize) -> Result<Option<Shape>, Error> {
        match self.document.automerge.get(text, marker)? {
            Some((AutomergeValue::Object(ObjType::Map), object)) => Ok(Some(self.shape_of(&object)?)),
            _ => Ok(None),
        }
    }

    fn shape_of(&self, marker: &ObjId) -> Result<Shape, Error> {
        match self.document.automerge.hydrate(marker, None)? {
            automerge::hydrate::Value::Map(map) => Ok(read::shape(&map)),
            _ => Ok(Shape::paragraph()),
        }
    }

    /// Reads the document whole and states the difference as one replacement: for whatever has no direct meaning.
    fn start_anew(&mut self, remote: &mut Remote) -> Result<(), Error> {
        let old = std::mem::take(&mut self.blocks);
        let title = self.title.clone();
        self.read_anew()?;
        remote.title_changed |= self.title != title;
        remote.threads_changed = true;
        let prefix = old
            .iter()
            .zip(&self.blocks)
            .take_while(|(old, new)| old == new)
            .count();
        let (old_rest, new_rest) = (&old[prefix..], &self.blocks[prefix..]);
        let suffix = old_rest
            .iter()
            .rev()
            .zip(new_rest.iter().rev())
            .take_while(|(old, new)| old == new)
            .count();
        let count = old_rest.len() - suffix;
        let blocks = new_rest[..new_rest.len() - suffix].to_vec();
        if count > 0 || !blocks.is_empty() {
            remote.edits.push(Edit::Blocks {
                from: prefix,
                count,
                blocks,
            });
        }
        Ok(())
    }
}

/// Whether a patch is of what is said in comments.
fn is_in_thread(patch: &Patch) -> bool {
    let of_thread = |key: &Prop| matches!(key, Prop::Map(key) if comments::is_comment(key));
    match (patch.path.first(), &patch.action) {
        (Some((_, key)), _) => of_thread(key),
        (None, PatchAction::PutMap { key, .. } | PatchAction::DeleteMap { key }) => comments::is_comment(key),
        _ => false,
    }
}
