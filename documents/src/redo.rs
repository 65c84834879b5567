//! Making edits again: on another lane, when the changes that held them can't be sent any more, or in a new document.
//!
//! A relay that holds a different segment at an index answers `fork`: the lane's unsent changes, and whatever was built
//! on them, are dead. Their effect is not: it is made again as one new change by a new actor.

use std::collections::{BTreeSet, HashMap};

use automerge::transaction::Transactable;
use automerge::{ObjId, ObjType, Patch, PatchAction, Prop, ReadDoc, Value};

use crate::Error;
use crate::change::Hash;
use crate::document::{Actor, Document};
use crate::marks;

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
