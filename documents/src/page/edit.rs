//! The language between a page and its editor: a flat list of blocks, and edits of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Error;

/// What a mark or a block attribute can be. Whole numbers are always [`Value::Integer`], as JavaScript can't tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

/// The marks on a run of text, by name: `strong`, `em`, `link` and whatever others wrote.
pub type Marks = BTreeMap<String, Value>;

/// A stretch of text with the same marks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub text: String,
    #[serde(default)]
    pub marks: Marks,
}

/// What kind of block: a paragraph, a heading, a list item, and what it stands in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub parents: Vec<String>,
    #[serde(default)]
    pub attrs: BTreeMap<String, Value>,
    #[serde(default)]
    pub is_embed: bool,
}

/// A block marker and the text up to the next one. No run is empty and no two neighbours have the same marks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Block {
    pub shape: Shape,
    pub runs: Vec<Run>,
}

/// A place: the block's ordinal and an offset into its text, in UTF-16 units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    pub block: usize,
    pub offset: usize,
}

/// One step. A list of them applies in order, each stated against the state after the ones before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "camelCase")]
pub enum Edit {
    /// Replaces text inside one block.
    Text {
        block: usize,
        offset: usize,
        delete: usize,
        insert: Vec<Run>,
    },
    /// Sets a mark on a range of one block; [`Value::Null`] removes it.
    Mark {
        block: usize,
        from: usize,
        to: usize,
        name: String,
        value: Value,
    },
    /// A new marker at the offset: the rest becomes the next block, with that shape.
    Split {
        block: usize,
        offset: usize,
        shape: Shape,
    },
    /// Deletes the block's marker: its text joins the block before. Not for block 0.
    Join { block: usize },
    /// Changes a marker in place.
    Shape { block: usize, shape: Shape },
    /// Replaces `count` blocks by others. At least one block must remain.
    Blocks {
        from: usize,
        count: usize,
        blocks: Vec<Block>,
    },
}

impl Edit {
    /// The same edit, some blocks further on.
    pub(crate) fn shifted(mut self, blocks: usize) -> Edit {
        match &mut self {
            Edit::Text { block, .. }
            | Edit::Mark { block, .. }
            | Edit::Split { block, .. }
            | Edit::Join { block }
            | Edit::Shape { block, .. }
            | Edit::Blocks { from: block, .. } => *block += blocks,
        }
        self
    }
}

impl Shape {
    /// A paragraph that stands in nothing.
    pub fn paragraph() -> Shape {
        Shape {
            kind: "paragraph".to_owned(),
            parents: Vec::new(),
            attrs: BTreeMap::new(),
            is_embed: false,
        }
    }
}

impl Block {
    /// A block of one shape without text.
    pub fn empty(shape: Shape) -> Block {
        Block {
            shape,
            runs: Vec::new(),
        }
    }

    /// A paragraph without marks.
    pub(crate) fn of_text(text: &str) -> Block {
        Block {
            shape: Shape::paragraph(),
            runs: vec![Run {
                text: text.to_owned(),
                marks: Marks::new(),
            }],
        }
    }

    /// The length of its text in UTF-16 units.
    pub fn length(&self) -> usize {
        self.runs.iter().map(|run| width(&run.text)).sum()
    }

    /// Its text without marks.
    pub fn text(&self) -> String {
        self.runs.iter().map(|run| run.text.as_str()).collect()
    }
}

/// Applies one edit to a list of blocks: what the editor shows after it. This is the meaning of an edit; the page does the
/// same to its document.
///
/// # Errors
/// [`Error::Place`] if the edit speaks of a place that is not there; the blocks are then unchanged.
pub fn apply_to_blocks(blocks: &mut Vec<Block>, edit: &Edit) -> Result<(), Error> {
    match edit {
        Edit::Text {
            block,
            offset,
            delete,
            insert,
        } => {
            let block = find(blocks, *block)?;
            let (before, rest) = cut(&block.runs, *offset)?;
            let (_, after) = cut(&rest, *delete)?;
            block.runs = joined([before, insert.clone(), after]);
        }
        Edit::Mark {
            block,
            from,
            to,
            name,
            value,
        } => {
            let block = find(blocks, *block)?;
            let length = to
                .checked_sub(*from)
                .ok_or_else(|| place("a mark that ends before it begins"))?;
            let (before, rest) = cut(&block.runs, *from)?;
            let (mut middle, after) = cut(&rest, length)?;
            for run in &mut middle {
                if *value == Value::Null {
                    run.marks.remove(name);
                } else {
                    run.marks.insert(name.clone(), value.clone());
                }
            }
            block.runs = joined([before, middle, after]);
        }
        Edit::Split { block, offset, shape } => {
            let found = find(blocks, *block)?;
            let (before, after) = cut(&found.runs, *offset)?;
            found.runs = before;
            blocks.insert(
                block + 1,
                Block {
                    shape: shape.clone(),
                    runs: after,
                },
            );
        }
        Edit::Join { block } => {
            if *block == 0 || *block >= blocks.len() {
                return Err(place("no block before it to join"));
            }
            let joining = blocks.remove(*block);
            let before = &mut blocks[*block - 1];
            before.runs = joined([std::mem::take(&mut before.runs), joining.runs]);
        }
        Edit::Shape { block, shape } => find(blocks, *block)?.shape = shape.clone(),
        Edit::Blocks {
            from,
            count,
            blocks: new,
        } => {
            let end = from.checked_add(*count).filter(|end| *end <= blocks.len());
            let end = end.ok_or_else(|| place("blocks beyond the last"))?;
            if new.is_empty() && *count == blocks.len() {
                return Err(place("a page without any block"));
            }
            let new = new.iter().map(|block| Block {
                shape: block.shape.clone(),
                runs: joined([block.runs.clone()]),
            });
            blocks.splice(*from..end, new);
        }
    }
    Ok(())
}

/// The number of UTF-16 units of a text.
pub(crate) fn width(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.encode_utf16().count()
    }
}

/// Puts runs together: none empty, no neighbours with the same marks, no mark set to nothing.
pub(crate) fn joined(parts: impl IntoIterator<Item = Vec<Run>>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for mut run in parts.into_iter().flatten() {
        if run.text.is_empty() {
            continue;
        }
        run.marks.retain(|_, value| *value != Value::Null);
        match runs.last_mut() {
            Some(last) if last.marks == run.marks => last.text.push_str(&run.text),
            _ => runs.push(run),
        }
    }
    runs
}

/// Cuts runs in two at an offset.
pub(crate) fn cut(runs: &[Run], offset: usize) -> Result<(Vec<Run>, Vec<Run>), Error> {
    let mut before = Vec::new();
    let mut left = offset;
    for (index, run) in runs.iter().enumerate() {
        let length = width(&run.text);
        if left >= length {
            left -= length;
            before.push(run.clone());
            continue;
        }
        let at = byte_offset(&run.text, left).ok_or_else(|| place("the middle of a character"))?;
        let (head, tail) = run.text.split_at(at);
        if !head.is_empty() {
            before.push(Run {
                text: head.to_owned(),
                marks: run.marks.clone(),
            });
        }
        let mut after = vec![Run {
            text: tail.to_owned(),
            marks: run.marks.clone(),
        }];
        after.extend_from_slice(&runs[index + 1..]);
        return Ok((before, after));
    }
    if left > 0 {
        return Err(place("beyond the end of the block"));
    }
    Ok((before, Vec::new()))
}

/// Where a UTF-16 offset is in bytes; none inside a character.
fn byte_offset(text: &str, offset: usize) -> Option<usize> {
    if text.is_ascii() {
        return Some(offset);
    }
    let mut units = 0;
    for (at, character) in text.char_indices() {
        if units == offset {
            return Some(at);
        }
        units += character.len_utf16();
    }
    (units == offset).then_some(text.len())
}

fn find(blocks: &mut [Block], block: usize) -> Result<&mut Block, Error> {
    blocks
        .get_mut(block)
        .ok_or_else(|| place("a block beyond the last"))
}

pub(crate) fn place(what: &str) -> Error {
    Error::Place(what.to_owned())
}
