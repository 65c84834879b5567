//! Making edits again: on another lane, when the changes that held them can't be sent any more, or in a new document.
//!
//! A relay that holds a different segment at an index answers `fork`: the lane's unsent changes, and whatever was built
//! on them, are dead. Their effect is not: it is made again as one new change by a new actor.
//!
//! A document that is started anew says in a note how much of the old one is in it: how far each actor's changes, when it was
//! made and with what was carried over since. So whoever has more of the old one knows what is missing, whatever else of it
//! they have. That they know the last change of each they show by its hash, for nobody else knows what was never sent.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use automerge::transaction::Transactable;
use automerge::{ObjId, ObjType, Patch, PatchAction, Prop, ReadDoc, Value};

use crate::Error;
use crate::change::{self, ChangeInfo, Hash};
use crate::classroom::{hex, unhex};
use crate::document::{Actor, Document};
use crate::marks;
use crate::page::edit::{Block, Edit};
use crate::page::{Page, comments, history, replace};

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

/// A new document with the present content of another and none of its history: one change, not yet committed. What versions were
/// called goes with them. Where members
/// had written different values at the same place at the same time, the one that showed is kept. Works for every kind
/// of document.
///
/// # Errors
/// [`Error::Uncommitted`], [`Error::Automerge`]
pub fn anew(old: &mut Document, actor: Actor) -> Result<Document, Error> {
    old.committed()?;
    let mut new = Document::empty(actor);
    let heads = old.automerge.get_heads();
    let mut patches = old.automerge.diff(&[], &heads);
    leave_history(&mut patches);
    replay_all(&patches, old, &mut new)?;
    Ok(new)
}

/// Names of versions, and what was undone, say something of changes that are left behind.
fn leave_history(patches: &mut Vec<Patch>) {
    let mut left: HashSet<ObjId> = HashSet::new();
    patches.retain(|patch| {
        let is_left = match &patch.action {
            PatchAction::PutMap { key, .. } if patch.obj == ObjId::Root => history::is_of_changes(key),
            _ => left.contains(&patch.obj),
        };
        if is_left {
            left.extend(values_of(&patch.action).map(|(_, id)| id.clone()));
        }
        !is_left
    });
}

/// What a patch puts somewhere.
fn values_of(action: &PatchAction) -> impl Iterator<Item = (&Value<'static>, &ObjId)> {
    let (one, several) = match action {
        PatchAction::PutMap { value, .. } | PatchAction::PutSeq { value, .. } => (Some(value), None),
        PatchAction::Insert { values, .. } => (None, Some(values)),
        _ => (None, None),
    };
    let several = several.into_iter().flatten().map(|(value, id, _)| (value, id));
    one.into_iter().map(|(value, id)| (value, id)).chain(several)
}

/// How far there is something of each actor.
pub type Ends = BTreeMap<Vec<u8>, End>;

/// The last change of an actor that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// From 1.
    pub sequence: u64,
    /// How its hash begins.
    pub hash: [u8; 4],
}

impl End {
    pub fn of(change: &ChangeInfo) -> End {
        let [a, b, c, d, ..] = change.hash.0;
        End {
            sequence: change.sequence,
            hash: [a, b, c, d],
        }
    }
}

/// The note for what has the changes of other documents in it up to these ends.
pub fn note(ends: &Ends) -> String {
    let mut note = String::from(NOTE);
    for (actor, end) in ends {
        note.push(' ');
        note.push_str(&hex(actor));
        note.push('.');
        note.push_str(&end.sequence.to_string());
        note.push('.');
        note.push_str(&hex(&end.hash));
    }
    note
}

/// Adds what a [`note`] tells of to `ends`; nothing if it is another one.
pub fn read_note(note: &str, ends: &mut Ends) {
    let mut words = note.split(' ');
    if words.next() != Some(NOTE) {
        return;
    }
    for word in words {
        if let Some((actor, end)) = word.split_once('.')
            && let Some((sequence, hash)) = end.split_once('.')
            && let (Some(actor), Ok(sequence), Some(hash)) =
                (unhex::<16>(actor), sequence.parse(), unhex(hash))
        {
            reach(ends, actor.to_vec(), End { sequence, hash });
        }
    }
}

/// Moves an end further, never back.
pub fn reach(ends: &mut Ends, actor: Vec<u8>, end: End) {
    let known = ends.entry(actor).or_insert(end);
    if known.sequence < end.sequence {
        *known = end;
    }
}

const NOTE: &str = "has";

/// Makes as one change of `actor` in the page `new` what the `missed` changes of the page `old` did, with a [`note`]; if
/// they did nothing, the change says only this. It is made where `new` had just the `noted` changes, and merges with what was
/// done since. What others wrote upon them is left to those.
///
/// # Errors
/// [`Error::Uncommitted`], [`Error::Automerge`]; [`Error::Absent`] if the first change of `new` is not here;
/// [`Error::Unfitting`] if one that is missed can't be made.
pub fn carry_into(
    new: &Document,
    noted: &[Hash],
    old: &mut Document,
    missed: &BTreeSet<Hash>,
    (actor, time): (Actor, i64),
    note: String,
) -> Result<Vec<u8>, Error> {
    let (before, removed) = old.without(missed)?;
    let mut after = Page::open(before)?;
    let mut titles = vec![after.title()];
    let mut title = None;
    let mut new = new.clone();
    let mut page = Page::open(new.at(noted)?)?;
    if !page.is_present() {
        page = Page::open(new)?;
    }
    page.set_actor(actor)?;
    for (place, turn) in turns(removed, missed)?.into_iter().enumerate() {
        if place % 2 == 1 {
            // The next turn was written upon it; it is for somebody else to make.
            after.apply_changes(&turn)?;
            titles.push(after.title());
            continue;
        }
        let (was, was_titled) = (after.blocks().to_vec(), after.title());
        let comments = after.comments();
        let did = after.apply_changes(&turn)?;
        if let Some((_, error)) = did.refused.into_iter().next() {
            return Err(error);
        }
        let mut edits = did.edits;
        if page.blocks() != was {
            edits = moved(&was, &edits, page.blocks())?;
        }
        page.apply(&edits)?;
        if did.threads_changed {
            page.carry_comments(&comments, &after)?;
        }
        if after.title() != was_titled {
            title = Some(after.title());
        }
    }
    if !missed.iter().all(|change| after.document().has(change)) {
        return Err(Error::Unfitting("what it was made upon is not here".to_owned()));
    }
    let here = page.title();
    if let Some(title) = title
        && title != here
    {
        if titles.contains(&here) {
            page.set_title(&title)?;
        } else {
            // Both stand.
            let blocks = vec![Block::of_text(&title)];
            page.apply(&[Edit::Blocks {
                from: 0,
                count: 0,
                blocks,
            }])?;
        }
    }
    page.commit_note(time, note)
}

/// The changes in as few turns as can be, each upon those before: every other turn is of `missed` changes, from the first on.
fn turns(changes: Vec<Vec<u8>>, missed: &BTreeSet<Hash>) -> Result<Vec<Vec<Vec<u8>>>, Error> {
    let mut places: HashMap<Hash, usize> = HashMap::new();
    let mut turns = Vec::new();
    for change in changes {
        let info = change::inspect(&change)?;
        let is_missed = missed.contains(&info.hash);
        let mut place = usize::from(!is_missed);
        for before in info.dependencies.iter().filter_map(|hash| places.get(hash)) {
            place = place.max(before + usize::from(is_missed != (before % 2 == 0)));
        }
        places.insert(info.hash, place);
        if turns.len() <= place {
            turns.resize(place + 1, Vec::new());
        }
        turns[place].push(change);
    }
    Ok(turns)
}

/// The edits of the blocks `was` as they are to be made in the blocks `here`, which became of them otherwise: Automerge says,
/// as it does for two who edit at the same time.
fn moved(was: &[Block], edits: &[Edit], here: &[Block]) -> Result<Vec<Edit>, Error> {
    let all = |count, blocks: &[Block]| Edit::Blocks {
        from: 0,
        count,
        blocks: blocks.to_vec(),
    };
    let mut base = Page::new([0; 16])?;
    base.apply(&[all(1, was)])?;
    base.commit(0);
    let base = base.save()?;
    let mut page = Page::load(&base, [1; 16])?;
    page.apply(edits)?;
    let change = page.commit(0);
    let mut page = Page::load(&base, [2; 16])?;
    page.apply(&replace::words(was, here))?;
    page.apply(&[all(was.len(), here)])?;
    page.commit(0);
    Ok(page.apply_changes(change.as_slice())?.edits)
}

/// Makes anew in `new`, which holds a part of the history of `old`, what the other changes did.
fn replay_since(old: &mut Document, new: &mut Document) -> Result<(), Error> {
    let before = new.automerge.get_heads();
    let after = old.automerge.get_heads();
    let patches = old.automerge.diff(&before, &after);
    replay_all(&patches, old, new)
}

fn replay_all(patches: &[Patch], old: &Document, new: &mut Document) -> Result<(), Error> {
    let mut objects = HashMap::new();
    for patch in patches {
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
    comments::move_places(old, new)
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
