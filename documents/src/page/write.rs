//! From one edit to the smallest Automerge operations.

use std::ops::Range;

use automerge::marks::Mark;
use automerge::transaction::Transactable;
use automerge::{AutoCommit, ObjId, ObjType, ReadDoc, ScalarValue, Value as AutomergeValue};

use super::edit::{self, Block, Edit, Marks, Run, Shape, Value, place};
use super::{Page, Touched, read, replace};
use crate::{Error, marks};

impl Page {
    /// Makes one edit in the blocks and in the document.
    pub(super) fn apply_one(&mut self, text: &ObjId, edit: &Edit) -> Result<(), Error> {
        match edit {
            Edit::Text {
                block,
                offset,
                delete,
                insert,
            } => {
                self.touch(*block..block + 1);
                edit::apply_to_blocks(&mut self.blocks, edit)?;
                let start = self.text_start(*block) + offset;
                self.lengths[*block] = self.blocks[*block].length();
                let inserted: String = insert.iter().map(|run| run.text.as_str()).collect();
                Ok(self
                    .document
                    .automerge
                    .splice_text(text, start, signed(*delete), &inserted)?)
            }
            Edit::Mark {
                block,
                from,
                to,
                name,
                value,
            } => {
                let before = self.blocks.get(*block).cloned();
                edit::apply_to_blocks(&mut self.blocks, edit)?;
                if before.as_ref() == self.blocks.get(*block) {
                    return Ok(());
                }
                let start = self.text_start(*block);
                write_mark(
                    &mut self.document.automerge,
                    text,
                    (start + from, start + to),
                    name,
                    value,
                )
            }
            Edit::Split { block, offset, shape } => {
                self.touch(*block..block + 1);
                edit::apply_to_blocks(&mut self.blocks, edit)?;
                let position = self.text_start(*block) + offset;
                let rest = self.lengths[*block] - offset;
                self.lengths[*block] = *offset;
                self.lengths.insert(block + 1, rest);
                insert_marker(&mut self.document.automerge, text, position, shape)
            }
            Edit::Join { block } => {
                self.touch(block.saturating_sub(1)..block + 1);
                edit::apply_to_blocks(&mut self.blocks, edit)?;
                let marker = self.text_start(*block) - 1;
                let length = self.lengths.remove(*block);
                self.lengths[*block - 1] += length;
                Ok(self.document.automerge.splice_text(text, marker, 1, "")?)
            }
            Edit::Shape { block, shape } => {
                let before = self.blocks.get(*block).map(|block| block.shape.clone());
                edit::apply_to_blocks(&mut self.blocks, edit)?;
                let marker = self.text_start(*block) - 1;
                match before {
                    Some(before) if before != *shape => {
                        write_shape(&mut self.document.automerge, text, marker, &before, shape)
                    }
                    _ => Ok(()),
                }
            }
            Edit::Blocks { from, count, blocks } => self.replace(text, *from, *count, blocks),
        }
    }

    /// Remembers, before an edit, that it is about to change these blocks.
    fn touch(&mut self, blocks: Range<usize>) {
        let after = self.blocks.len().saturating_sub(blocks.end);
        let touched = self.touched.get_or_insert(Touched {
            before: blocks.start,
            after,
        });
        touched.before = touched.before.min(blocks.start);
        touched.after = touched.after.min(after);
    }

    /// Gives inserted text exactly its marks, whatever the marks around it expanded to. Once for all edits of a change:
    /// Automerge can't say cheaply what marks one place has.
    pub(super) fn settle_marks(&mut self) -> Result<(), Error> {
        let Some((touched, text)) = self.touched.zip(self.text.clone()) else {
            return Ok(());
        };
        let grown = self.document.automerge.marks(&text)?;
        let mut start = self.text_start(touched.before);
        for block in touched.before..self.blocks.len() - touched.after {
            let end = start + self.lengths[block];
            let plain = Run {
                text: self.blocks[block].text(),
                marks: Marks::new(),
            };
            let mut actual = vec![Block {
                shape: Shape::paragraph(),
                runs: edit::joined([vec![plain]]),
            }];
            for mark in grown.iter().filter(|mark| mark.start < end && start < mark.end) {
                if let Some(value) = read::value(mark.value()) {
                    let (from, to) = (mark.start.max(start) - start, mark.end.min(end) - start);
                    let name = mark.name().to_owned();
                    edit::apply_to_blocks(
                        &mut actual,
                        &Edit::Mark {
                            block: 0,
                            from,
                            to,
                            name,
                            value,
                        },
                    )?;
                }
            }
            for (from, to, name, value) in replace::mark_changes(&actual[0].runs, &self.blocks[block].runs) {
                write_mark(
                    &mut self.document.automerge,
                    &text,
                    (start + from, start + to),
                    &name,
                    &value,
                )?;
            }
            start = end + 1;
        }
        Ok(())
    }

    /// Replaces blocks, touching only what differs.
    fn replace(&mut self, text: &ObjId, from: usize, count: usize, new: &[Block]) -> Result<(), Error> {
        let end = from.checked_add(count).filter(|end| *end <= self.blocks.len());
        let end = end.ok_or_else(|| place("blocks beyond the last"))?;
        if new.is_empty() && count == self.blocks.len() {
            return Err(place("a page without any block"));
        }
        for step in replace::steps(&self.blocks[from..end], new) {
            match step {
                replace::Step::Edit(edit) => self.apply_one(text, &edit.shifted(from))?,
                replace::Step::Insert(at, block) => self.insert_block(text, from + at, &block)?,
                replace::Step::Remove(at) => self.remove_block(text, from + at)?,
            }
        }
        Ok(())
    }

    fn insert_block(&mut self, text: &ObjId, at: usize, block: &Block) -> Result<(), Error> {
        let position = if at == 0 {
            0
        } else {
            self.text_start(at - 1) + self.lengths[at - 1]
        };
        insert_marker(&mut self.document.automerge, text, position, &block.shape)?;
        self.touch(at..at);
        self.blocks.insert(at, Block::empty(block.shape.clone()));
        self.lengths.insert(at, 0);
        self.apply_one(
            text,
            &Edit::Text {
                block: at,
                offset: 0,
                delete: 0,
                insert: block.runs.clone(),
            },
        )
    }

    fn remove_block(&mut self, text: &ObjId, at: usize) -> Result<(), Error> {
        let marker = self.text_start(at) - 1;
        self.touch(at..at + 1);
        let length = self.lengths.remove(at) + 1;
        self.blocks.remove(at);
        Ok(self
            .document
            .automerge
            .splice_text(text, marker, signed(length), "")?)
    }
}

/// Inserts a block marker.
pub(super) fn insert_marker(
    document: &mut AutoCommit,
    text: &ObjId,
    position: usize,
    shape: &Shape,
) -> Result<(), Error> {
    let marker = document.split_block(text, position)?;
    document.put(&marker, "type", shape.kind.as_str())?;
    write_parents(document, &marker, &shape.parents)?;
    let attrs = document.put_object(&marker, "attrs", ObjType::Map)?;
    for (name, value) in &shape.attrs {
        document.put(&attrs, name.as_str(), scalar(value))?;
    }
    Ok(document.put(&marker, "isEmbed", shape.is_embed)?)
}

/// Sets a mark, or removes it if the value is null.
fn write_mark(
    document: &mut AutoCommit,
    text: &ObjId,
    (start, end): (usize, usize),
    name: &str,
    value: &Value,
) -> Result<(), Error> {
    let mark = Mark::new(name.to_owned(), scalar(value), start, end);
    Ok(document.mark(text, mark, marks::expansion(name))?)
}

fn write_shape(
    document: &mut AutoCommit,
    text: &ObjId,
    position: usize,
    before: &Shape,
    after: &Shape,
) -> Result<(), Error> {
    let Some((AutomergeValue::Object(ObjType::Map), marker)) = document.get(text, position)? else {
        return Err(place("no block marker where one was"));
    };
    if before.kind != after.kind {
        document.put(&marker, "type", after.kind.as_str())?;
    }
    if before.parents != after.parents {
        write_parents(document, &marker, &after.parents)?;
    }
    if before.attrs != after.attrs {
        let attrs = match document.get(&marker, "attrs")? {
            Some((AutomergeValue::Object(ObjType::Map), attrs)) => attrs,
            _ => document.put_object(&marker, "attrs", ObjType::Map)?,
        };
        for name in before
            .attrs
            .keys()
            .filter(|name| !after.attrs.contains_key(*name))
        {
            document.delete(&attrs, name.as_str())?;
        }
        for (name, value) in after
            .attrs
            .iter()
            .filter(|(name, value)| before.attrs.get(*name) != Some(*value))
        {
            document.put(&attrs, name.as_str(), scalar(value))?;
        }
    }
    if before.is_embed != after.is_embed {
        document.put(&marker, "isEmbed", after.is_embed)?;
    }
    Ok(())
}

/// The list is written whole: two lists merged would nest the block in what nobody meant.
fn write_parents(document: &mut AutoCommit, marker: &ObjId, parents: &[String]) -> Result<(), Error> {
    let list = document.put_object(marker, "parents", ObjType::List)?;
    for (index, parent) in parents.iter().enumerate() {
        document.insert(&list, index, parent.as_str())?;
    }
    Ok(())
}

fn scalar(value: &Value) -> ScalarValue {
    match value {
        Value::Null => ScalarValue::Null,
        Value::Boolean(boolean) => ScalarValue::Boolean(*boolean),
        Value::Integer(integer) => ScalarValue::Int(*integer),
        Value::Number(number) => ScalarValue::F64(*number),
        Value::Text(text) => ScalarValue::Str(text.as_str().into()),
    }
}

/// Lengths are of texts in memory, far below what a signed number holds.
fn signed(length: usize) -> isize {
    isize::try_from(length).unwrap_or(isize::MAX)
}
