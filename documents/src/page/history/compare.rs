//! Two versions in one text: what came, what went, and by whom.

use std::collections::{HashMap, HashSet};

use automerge::legacy::{ElementId, Key, ObjectId, OpType};
use automerge::{Change, ChangeHash, ObjId};

use super::super::edit::{Marks, Shape};
use super::super::{Page, comments};
use super::elements::{Element, Id, Look, Merged, merged};
use crate::Error;
use crate::change::Hash;

/// A block of the later version, or one that is gone.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    pub shape: Shape,
    /// What became of its marker: a gone one shows where two blocks became one.
    pub fate: Fate,
    pub pieces: Vec<Piece>,
}

/// Text with the same marks and the same fate.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    pub text: String,
    pub marks: Marks,
    pub fate: Fate,
}

/// What became of something between two versions. Actors are those of Automerge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Same,
    /// It looks otherwise: other marks, or another shape.
    Restyled,
    Added(Vec<u8>),
    Removed(Option<Vec<u8>>),
}

impl Page {
    /// What differs between two versions.
    ///
    /// # Errors
    /// [`Error::Uncommitted`], [`Error::Automerge`]; [`Error::Absent`] if not all of them is here; [`Error::Form`] if the text holds what no text can
    pub fn compare(&mut self, before: &[Hash], after: &[Hash]) -> Result<Vec<Compared>, Error> {
        self.document.committed()?;
        let (before, after) = (self.known(before)?, self.known(after)?);
        let changes = self.changes_between(&before, &after);
        let removers = self.removers(&before, &changes)?;
        let (old, new) = (self.elements_at(&before)?, self.elements_at(&after)?);
        let mut compared: Vec<Compared> = Vec::new();
        for element in merged(&old, &new) {
            let (element, fate) = match element {
                Merged::Gone(element) => {
                    let by = removers.get(&element.id).and_then(|by| by.first());
                    (element, Fate::Removed(by.map(|(actor, _)| actor.clone())))
                }
                Merged::New(element) => (element, Fate::Added(element.id.1.to_bytes().to_vec())),
                Merged::Both(old, new) if looks_same(old, new) => (new, Fate::Same),
                Merged::Both(_, new) => (new, Fate::Restyled),
            };
            add(&mut compared, element, fate);
        }
        Ok(compared)
    }

    /// The changes that are in the later version and not in the earlier one.
    fn changes_between(&mut self, before: &[ChangeHash], after: &[ChangeHash]) -> Vec<Change> {
        let automerge = &mut self.document.automerge;
        let later = automerge.get_changes_meta(after);
        let later: HashSet<ChangeHash> = later.into_iter().map(|change| change.hash).collect();
        let mut changes = automerge.get_changes(before);
        changes.retain(|change| !later.contains(&change.hash()));
        changes
    }

    /// Who deleted which elements of the text that was, or is, in these changes, and in which.
    pub(super) fn removers(&self, before: &[ChangeHash], changes: &[Change]) -> Result<Removers, Error> {
        let texts = [self.text_of(before)?, self.text.clone()];
        let mut removers = Removers::new();
        for change in changes {
            for operation in change.decode().operations {
                let ObjectId::Id(object) = &operation.obj else {
                    continue;
                };
                let is_text = |text: &ObjId| {
                    matches!(text, ObjId::Id(number, actor, _)
                        if (object.counter(), object.actor()) == (*number, actor))
                };
                if operation.action == OpType::Delete
                    && let Key::Seq(ElementId::Id(element)) = &operation.key
                    && texts.iter().flatten().any(is_text)
                {
                    let by = (change.actor_id().to_bytes().to_vec(), change.hash().into());
                    let id = (element.counter(), element.actor().clone());
                    removers.entry(id).or_default().push(by);
                }
            }
        }
        Ok(removers)
    }
}

/// Who deleted an element, and in which changes.
pub(super) type Removers = HashMap<Id, Vec<(Vec<u8>, Hash)>>;

/// Comments come and go beside the text.
pub(super) fn looks_same(old: &Element, new: &Element) -> bool {
    match (&old.look, &new.look) {
        (Look::Text(before, old), Look::Text(after, new)) => {
            let marks = |marks: &Marks| {
                let mut marks = marks.clone();
                marks.retain(|name, _| !comments::is_comment(name));
                marks
            };
            before == after && (old == new || marks(old) == marks(new))
        }
        (old, new) => old == new,
    }
}

fn add(compared: &mut Vec<Compared>, element: &Element, fate: Fate) {
    let (text, marks) = match &element.look {
        Look::Marker(shape) => {
            return compared.push(Compared {
                shape: shape.clone(),
                fate,
                pieces: Vec::new(),
            });
        }
        Look::Text(text, marks) => (text, marks),
    };
    if compared.is_empty() {
        compared.push(Compared {
            shape: Shape::paragraph(),
            fate: Fate::Same,
            pieces: Vec::new(),
        });
    }
    let Some(block) = compared.last_mut() else { return };
    match block.pieces.last_mut() {
        Some(last) if last.fate == fate && last.marks == **marks => last.text.push_str(text),
        _ => block.pieces.push(Piece {
            text: text.clone(),
            marks: (**marks).clone(),
            fate,
        }),
    }
}
