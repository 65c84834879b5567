//! Making edits again: on another lane, when the changes that held them can't be sent any more, or in a new document.
//!
//! A relay that holds a different segment at an index answers `fork`: the lane's unsent changes, and whatever was built
//! on them, are dead. Their effect is not: it is made again as one new change by a new actor.
//!
//! A document that is started anew says in a note how much of the old one is in it: the heads that it was made from, and
//! those that were carried over since. So whoever has more of the old one knows what is missing.

use std::collections::{BTreeSet, HashMap};

use automerge::transaction::Transactable;
use automerge::{ObjId, ObjType, Patch, PatchAction, Prop, ReadDoc, Value};

use crate::Error;
use crate::change::Hash;
use crate::classroom::unhex;
use crate::document::{Actor, Document};
use crate::marks;
use crate::page::Page;

/// Builds the document without the `dead` changes and all that depend on them, and makes what they did again, as one change
/// of `actor` that is not yet committed: [`Document::commit`] gives it. Works for every kind of document.
///
/// # Errors
/// [`Error::Uncommitted`], [`Error::Automerge`]
pub fn carry_over(old: &mut Document, dead: &BTreeSet<Hash>, actor: Actor) -> Result<Document, Error> {
    let (mut new, _) = old.without(dead)?;
    new.set_actor(actor)?;
    replay_since(old, &mut new)?;
    Ok(new)
}

/// A new document with the present content of another and none of its history: one change, not yet committed. Where members
/// had written different values at the same place at the same time, the one that showed is kept. Works for every kind
/// of document.
///
/// # Errors
/// [`Error::Uncommitted`], [`Error::Automerge`]
pub fn anew(old: &mut Document, actor: Actor) -> Result<Document, Error> {
    old.committed()?;
    let mut new = Document::empty(actor);
    replay_since(old, &mut new)?;
    Ok(new)
}

/// The note for what has everything of another document up to `heads` in it.
pub fn note(heads: &[Hash]) -> String {
    let mut note = String::from(NOTE);
    for head in heads {
        note.push(' ');
        note.push_str(&head.to_string());
    }
    note
}

/// The heads that a [`note`] tells of; none if it is another one.
pub fn heads_in(note: &str) -> Vec<Hash> {
    let mut words = note.split(' ');
    if words.next() != Some(NOTE) {
        return Vec::new();
    }
    words.filter_map(|word| Some(Hash(unhex(word)?))).collect()
}

const NOTE: &str = "has";

/// Makes as one change of `actor` in the page `new` what the `missed` changes of the page `old` did, with the [`note`] that
/// it has all of `old` now. None if they did nothing that is not there. If `new` was as `old` without them when it had just
/// the `noted` changes, it is done there, and merges with what was done since. Otherwise it is done to what `new` is now,
/// block by block.
///
/// # Errors
/// [`Error::Uncommitted`], [`Error::Automerge`]; [`Error::Absent`] if the first change of `new` is not here.
pub fn carry_into(
    new: &Document,
    noted: &[Hash],
    old: &mut Document,
    missed: &BTreeSet<Hash>,
    actor: Actor,
    time: i64,
) -> Result<Option<Vec<u8>>, Error> {
    let (before, _) = old.without(missed)?;
    let note = note(&old.heads()?);
    let (before, after) = (Page::open(before)?, Page::open(old.clone())?);
    let mut new = new.clone();
    let then = Page::open(new.at(noted)?)?;
    let same = then.is_present() && then.blocks() == before.blocks() && then.title() == before.title();
    let mut page = if same { then } else { Page::open(new)? };
    page.set_actor(actor)?;
    page.take_over(&before, &after)?;
    Ok(page.commit_with_note(time, note))
}

/// Makes anew in `new`, which holds a part of the history of `old`, what the other changes did.
fn replay_since(old: &mut Document, new: &mut Document) -> Result<(), Error> {
    let before = new.automerge.get_heads();
    let after = old.automerge.get_heads();
    let patches = old.automerge.diff(&before, &after);

    let mut objects = HashMap::new();
    for patch in &patches {
        replay(new, patch, &mut objects)?;
    }
    let mut texts: Vec<&ObjId> = patches.iter().map(|patch| &patch.obj).collect();
    texts.sort();
    texts.dedup();
    for text in texts {
        let made = objects.get(text).unwrap_or(text);
        if new.automerge.object_type(made)? == ObjType::Text {
            let (now, wanted) = (new.automerge.marks(made)?, old.automerge.marks(text)?);
            for mark in marks::changes(&now, &wanted) {
                let expansion = marks::expansion(mark.name());
                new.automerge.mark(made, mark, expansion)?;
            }
        }
    }
    Ok(())
}

/// Does what one patch says. `objects` maps those that the dead changes made to the ones made in their place.
fn replay(new: &mut Document, patch: &Patch, objects: &mut HashMap<ObjId, ObjId>) -> Result<(), Error> {
    let document = &mut new.automerge;
    let object = objects.get(&patch.obj).unwrap_or(&patch.obj).clone();
    let is_text = document.object_type(&object)? == ObjType::Text;
    match &patch.action {
        PatchAction::PutMap {
            key,
            value: (value, id),
            ..
        } => match value {
            Value::Object(kind) => {
                objects.insert(id.clone(), document.put_object(&object, key.as_str(), *kind)?);
            }
            Value::Scalar(scalar) => document.put(&object, key.as_str(), scalar.as_ref().clone())?,
        },
        PatchAction::PutSeq {
            index,
            value: (value, id),
            ..
        } => match value {
            Value::Object(kind) => {
                objects.insert(id.clone(), document.put_object(&object, *index, *kind)?);
            }
            Value::Scalar(scalar) => document.put(&object, *index, scalar.as_ref().clone())?,
        },
        PatchAction::Insert { index, values } => {
            for (offset, (value, id, _)) in values.iter().enumerate() {
                let index = index + offset;
                match value {
                    Value::Object(ObjType::Map) if is_text => {
                        objects.insert(id.clone(), document.split_block(&object, index)?);
                    }
                    Value::Object(kind) => {
                        objects.insert(id.clone(), document.insert_object(&object, index, *kind)?);
                    }
                    Value::Scalar(scalar) => document.insert(&object, index, scalar.as_ref().clone())?,
                }
            }
        }
        PatchAction::SpliceText { index, value, .. } => {
            document.splice_text(&object, *index, 0, &value.make_string())?;
        }
        PatchAction::DeleteMap { key } => document.delete(&object, key.as_str())?,
        PatchAction::DeleteSeq { index, length } if is_text => {
            document.splice_text(
                &object,
                *index,
                isize::try_from(*length).unwrap_or(isize::MAX),
                "",
            )?;
        }
        PatchAction::DeleteSeq { index, length } => {
            for _ in 0..*length {
                document.delete(&object, *index)?;
            }
        }
        PatchAction::Increment { prop, value } => match prop {
            Prop::Map(key) => document.increment(&object, key.as_str(), *value)?,
            Prop::Seq(index) => document.increment(&object, *index, *value)?,
        },
        // Marks are compared when all text is there.
        PatchAction::Mark { .. } | PatchAction::Conflict { .. } => {}
    }
    Ok(())
}
