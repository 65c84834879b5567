//! The way back: to a whole version, or from what some did in a span of time.
//!
//! Text that stays keeps its identity, its cursors and what others do to it: only what went is written again, only what came is deleted.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use automerge::legacy::{ObjectId, OpType};
use automerge::transaction::Transactable;
use automerge::{Change, ChangeHash, ObjId, ROOT, ReadDoc};

use super::super::edit::{Edit, Marks, Run, Shape, Value};
use super::super::{Page, comments, read, replace};
use super::compare::{Removers, looks_same};
use super::elements::{Element, Id, Look, Merged, merged, runs};
use crate::Error;
use crate::change::Hash;
use crate::classroom::{hex, unhex};

/// What was undone already, at the root: actor, first and last sequence number. What these deleted would come back a second time.
pub(super) const UNDONE: &str = "undone:";

/// What is to become of the text, in its order.
enum Step {
    /// An element of the present text stays, and is to look like this.
    Keep(Look),
    /// One of the present text goes.
    Drop,
    /// One comes that is not there.
    Bring(Look),
}

impl Page {
    /// The edits that make the text what it was in a version. They are not made yet.
    ///
    /// # Errors
    /// [`Error::Uncommitted`], [`Error::Automerge`]; [`Error::Absent`] if not all of that is here; [`Error::Form`] if the text holds what no text can
    pub fn edits_to_restore(&mut self, version: &[Hash]) -> Result<Vec<Edit>, Error> {
        self.document.committed()?;
        let then = self.elements_at(&self.known(version)?)?;
        if then.is_empty() {
            return Err(Error::Absent);
        }
        let now = self.elements()?;
        if now.len() == then.len() && now.iter().zip(&then).all(|(now, then)| looks_same(now, then)) {
            return Ok(Vec::new());
        }
        let steps = merged(&now, &then).into_iter().map(|element| match element {
            Merged::Gone(_) => Step::Drop,
            Merged::New(then) => bring(then).1,
            Merged::Both(now, then) => Step::Keep(with_comments_of(&now.look, then.look.clone())),
        });
        Ok(edits(&now, steps.collect()))
    }

    /// What undoes the work of these actors between two versions, as far as nobody else did the same, and leaves what anybody did
    /// since. It is not done yet: make the edits, then [`Page::note_undone`].
    ///
    /// # Errors
    /// [`Error::Uncommitted`], [`Error::Automerge`]; [`Error::Absent`] if not all of that is here; [`Error::Form`] if the text holds what no text can
    pub fn undoing(
        &mut self,
        actors: &BTreeSet<Vec<u8>>,
        before: &[Hash],
        after: &[Hash],
    ) -> Result<Undoing, Error> {
        self.document.committed()?;
        let (before, after) = (self.known(before)?, self.known(after)?);
        let undone = self.undone(actors, &before, &after)?;
        Ok(Undoing {
            edits: self.edits_to_undo(&undone, &before)?,
            done: undone.ranges,
        })
    }

    /// Notes that it is done, so that what was deleted does not come back twice. The caller commits.
    ///
    /// # Errors
    /// [`Error::Automerge`]
    pub fn note_undone(&mut self, undoing: &Undoing) -> Result<(), Error> {
        for range in &undoing.done {
            self.document.automerge.put(ROOT, range.key(), true)?;
        }
        Ok(())
    }

    fn edits_to_undo(&mut self, undone: &Undone, before: &[ChangeHash]) -> Result<Vec<Edit>, Error> {
        let changes = self.document.automerge.get_changes(before);
        let removers = self.removers(before, &changes)?;
        let (then, now) = (self.elements_at(before)?, self.elements()?);
        let styles = self.styles(undone, &changes, &now)?;
        let mut steps = Vec::new();
        for element in merged(&then, &now) {
            match element {
                Merged::Gone(then) => {
                    steps.extend(undone.removal(&removers, &then.id).map(|_| bring(then)));
                }
                Merged::New(now) if undone.made(&now.id) => steps.push((now.id.clone(), Step::Drop)),
                Merged::New(now) => steps.push((now.id.clone(), Step::Keep(now.look.clone()))),
                Merged::Both(then, now) => {
                    steps.push((now.id.clone(), Step::Keep(styles.look(then, now))));
                }
            }
        }
        self.bring_what_was_between(&removers, undone, &mut steps)?;
        Ok(edits(&now, steps.into_iter().map(|(_, step)| step).collect()))
    }

    /// What others wrote within the span, and these deleted within it, is in neither version: it is looked up where it was deleted.
    fn bring_what_was_between(
        &mut self,
        removers: &Removers,
        undone: &Undone,
        steps: &mut Vec<(Id, Step)>,
    ) -> Result<(), Error> {
        let mut places: HashSet<Id> = steps.iter().map(|(id, _)| id.clone()).collect();
        let mut lost: BTreeMap<Hash, HashSet<&Id>> = BTreeMap::new();
        for id in removers
            .keys()
            .filter(|id| !places.contains(id) && !undone.made(id))
        {
            if let Some(change) = undone.removal(removers, id) {
                lost.entry(change).or_default().insert(id);
            }
        }
        for (change, lost) in lost {
            let Some(change) = self.document.automerge.get_change_by_hash(&ChangeHash(change.0)) else {
                continue;
            };
            let then = self.elements_at(change.deps())?;
            let mut pending: Vec<&Element> = Vec::new();
            let mut before: HashMap<&Id, Vec<&Element>> = HashMap::new();
            for element in &then {
                if lost.contains(&element.id) {
                    pending.push(element);
                } else if !pending.is_empty() && places.contains(&element.id) {
                    before.insert(&element.id, std::mem::take(&mut pending));
                }
            }
            let mut brought = Vec::with_capacity(steps.len() + lost.len());
            for (id, step) in steps.drain(..) {
                brought.extend(before.remove(&id).into_iter().flatten().map(bring));
                brought.push((id, step));
            }
            brought.extend(pending.into_iter().map(bring));
            *steps = brought;
            places.extend(lost.into_iter().cloned());
        }
        Ok(())
    }

    /// The changes of these actors between two versions.
    fn undone(
        &mut self,
        actors: &BTreeSet<Vec<u8>>,
        before: &[ChangeHash],
        after: &[ChangeHash],
    ) -> Result<Undone, Error> {
        let noted = self.noted(actors)?;
        let automerge = &mut self.document.automerge;
        let later = automerge.get_changes_meta(after);
        let later: HashSet<ChangeHash> = later.into_iter().map(|change| change.hash).collect();
        let mut undone = Undone::default();
        for change in automerge.get_changes_meta(before) {
            let actor = change.actor.to_bytes();
            if later.contains(&change.hash) || !actors.contains(actor) {
                continue;
            }
            undone.changes.insert(change.hash.into());
            if noted
                .iter()
                .any(|range| range.actor == actor && range.holds(change.seq))
            {
                undone.noted.insert(change.hash.into());
            }
            let operations = undone.operations.entry(actor.to_vec()).or_default();
            operations.insert(change.start_op, change.max_op);
            match undone.ranges.iter_mut().rev().find(|range| range.actor == actor) {
                Some(range) if range.last + 1 == change.seq => range.last = change.seq,
                _ => undone.ranges.push(Range {
                    actor: actor.to_vec(),
                    first: change.seq,
                    last: change.seq,
                }),
            }
        }
        Ok(undone)
    }

    /// What was undone by others than these actors themselves: nobody keeps their own work from being undone.
    fn noted(&self, actors: &BTreeSet<Vec<u8>>) -> Result<Vec<Range>, Error> {
        let automerge = &self.document.automerge;
        let mut noted = Vec::new();
        for key in automerge.keys(ROOT) {
            let Some(range) = Range::read(&key) else { continue };
            if let Some((_, ObjId::Id(_, writer, _))) = automerge.get(ROOT, key)?
                && !actors.contains(writer.to_bytes())
            {
                noted.push(range);
            }
        }
        Ok(noted)
    }

    /// How these changes made text and blocks look, as far as no other change did the same.
    fn styles(&self, undone: &Undone, changes: &[Change], now: &[Element]) -> Result<Styles, Error> {
        let markers = self.markers(now)?;
        let mut theirs = Styles::default();
        let mut others = Styles::default();
        for change in changes {
            let is_undone = undone.changes.contains(&change.hash().into());
            let styles = if is_undone { &mut theirs } else { &mut others };
            for operation in change.decode().operations {
                if let OpType::MarkBegin(mark) = &operation.action {
                    if let Some(value) = read::value(&mark.value) {
                        styles
                            .marked
                            .entry(mark.name.to_string())
                            .or_default()
                            .push(value);
                    }
                } else if let ObjectId::Id(object) = &operation.obj {
                    let marker = markers.get(&(object.counter(), object.actor().clone()));
                    styles.shaped.extend(marker.cloned());
                }
            }
        }
        theirs.shaped.retain(|marker| !others.shaped.contains(marker));
        for (name, values) in &mut theirs.marked {
            if let Some(others) = others.marked.get(name) {
                values.retain(|value| !others.contains(value));
            }
        }
        Ok(theirs)
    }

    /// Which marker of the present text an object is, or is in.
    fn markers(&self, now: &[Element]) -> Result<HashMap<Id, Id>, Error> {
        let mut markers = HashMap::new();
        for element in now
            .iter()
            .filter(|element| matches!(element.look, Look::Marker(_)))
        {
            let (number, actor) = element.id.clone();
            markers.insert(element.id.clone(), element.id.clone());
            let marker = ObjId::Id(number, actor, 0);
            for key in ["parents", "attrs"] {
                for (_, part) in self.document.automerge.get_all(&marker, key)? {
                    if let ObjId::Id(number, actor, _) = part {
                        markers.insert((number, actor), element.id.clone());
                    }
                }
            }
        }
        Ok(markers)
    }
}

/// How somebody's work is undone.
#[derive(Clone, Debug)]
pub struct Undoing {
    /// One after the other. None if nothing is left of that work.
    pub edits: Vec<Edit>,
    done: Vec<Range>,
}

/// The changes that are undone.
#[derive(Default)]
struct Undone {
    changes: BTreeSet<Hash>,
    /// Those that were undone before: what they deleted came back then.
    noted: BTreeSet<Hash>,
    /// Which operations of an actor are theirs: the first ones of changes, and their last ones.
    operations: HashMap<Vec<u8>, BTreeMap<u64, u64>>,
    ranges: Vec<Range>,
}

impl Undone {
    fn made(&self, (number, actor): &Id) -> bool {
        let ranges = self.operations.get(actor.to_bytes());
        let range = ranges.and_then(|ranges| ranges.range(..=number).next_back());
        range.is_some_and(|(_, last)| number <= last)
    }

    /// One of these changes that deleted the element, if none but these did, and it has not come back before.
    fn removal(&self, removers: &Removers, id: &Id) -> Option<Hash> {
        let by = removers.get(id)?;
        let is_theirs = |change: &Hash| self.changes.contains(change) && !self.noted.contains(change);
        let all = by.iter().all(|(_, change)| is_theirs(change));
        by.first().filter(|_| all).map(|(_, change)| *change)
    }
}

/// Changes of one actor, by their numbers.
#[derive(Clone, Debug)]
struct Range {
    actor: Vec<u8>,
    first: u64,
    last: u64,
}

impl Range {
    fn read(key: &str) -> Option<Range> {
        let mut parts = key.strip_prefix(UNDONE)?.split(':');
        let range = Range {
            actor: unhex::<16>(parts.next()?)?.to_vec(),
            first: parts.next()?.parse().ok()?,
            last: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(range)
    }

    fn key(&self) -> String {
        format!("{UNDONE}{}:{}:{}", hex(&self.actor), self.first, self.last)
    }

    fn holds(&self, sequence: u64) -> bool {
        (self.first..=self.last).contains(&sequence)
    }
}

/// What changes made text and blocks look like.
#[derive(Default)]
struct Styles {
    shaped: HashSet<Id>,
    marked: BTreeMap<String, Vec<Value>>,
}

impl Styles {
    /// How an element is to look without them.
    fn look(&self, then: &Element, now: &Element) -> Look {
        match (&then.look, &now.look) {
            (Look::Marker(shape), Look::Marker(_)) if self.shaped.contains(&now.id) => {
                Look::Marker(shape.clone())
            }
            (Look::Text(_, before), Look::Text(text, marks)) if before != marks => {
                let mut wanted = (**marks).clone();
                for (name, values) in &self.marked {
                    let value = marks.get(name).unwrap_or(&Value::Null);
                    if comments::is_comment(name) || !values.contains(value) {
                        continue;
                    }
                    match before.get(name) {
                        Some(value) => wanted.insert(name.clone(), value.clone()),
                        None => wanted.remove(name),
                    };
                }
                Look::Text(text.clone(), Rc::new(wanted))
            }
            (_, now) => now.clone(),
        }
    }
}

fn bring(element: &Element) -> (Id, Step) {
    let look = with_comments_of(&Look::Marker(Shape::paragraph()), element.look.clone());
    (element.id.clone(), Step::Bring(look))
}

/// A look with the comments of another one.
fn with_comments_of(now: &Look, then: Look) -> Look {
    let Look::Text(text, marks) = then else {
        return then;
    };
    let is_comment = |name: &String| comments::is_comment(name);
    let mut wanted: Marks = (*marks).clone();
    wanted.retain(|name, _| !is_comment(name));
    if let Look::Text(_, marks) = now {
        let comments = marks.iter().filter(|(name, _)| is_comment(name));
        wanted.extend(comments.map(|(name, value)| (name.clone(), value.clone())));
    }
    Look::Text(text, if wanted == *marks { marks } else { Rc::new(wanted) })
}

/// The edits that do this to the present text.
fn edits(now: &[Element], mut steps: Vec<Step>) -> Vec<Edit> {
    keep_first_marker(now, &mut steps);
    // What only looks otherwise moves nothing, so it comes first; the rest goes from the end on, so that no place moves before its turn.
    let mut edits = styling(now, &steps);
    edits.extend(moving(now, steps).into_iter().rev());
    edits
}

/// The first marker can't go. If another one comes in its place it takes the shape of that.
fn keep_first_marker(now: &[Element], steps: &mut Vec<Step>) {
    let starts_with_marker = matches!(now.first().map(|element| &element.look), Some(Look::Marker(_)));
    let first = steps.iter().position(|step| !matches!(step, Step::Bring(_)));
    let Some(first) = first.filter(|first| starts_with_marker && matches!(steps[*first], Step::Drop)) else {
        return;
    };
    let stays = steps.iter().position(|step| !matches!(step, Step::Drop));
    let coming = stays.and_then(|stays| match &steps[stays] {
        Step::Bring(Look::Marker(shape)) => Some((stays, shape.clone())),
        _ => None,
    });
    match coming {
        Some((coming, shape)) => {
            steps[first] = Step::Keep(Look::Marker(shape));
            steps.remove(coming);
        }
        None => steps[first] = Step::Keep(Look::Marker(Shape::paragraph())),
    }
}

fn styling(now: &[Element], steps: &[Step]) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut block = 0;
    let mut texts: Vec<Restyled<'_>> = Vec::new();
    let present = steps.iter().filter(|step| !matches!(step, Step::Bring(_)));
    for (index, (element, step)) in now.iter().zip(present).enumerate() {
        match &element.look {
            Look::Marker(shape) => {
                restyle(&mut edits, block, &mut texts);
                block += usize::from(index > 0);
                if let Step::Keep(Look::Marker(wanted)) = step
                    && wanted != shape
                {
                    let shape = wanted.clone();
                    edits.push(Edit::Shape { block, shape });
                }
            }
            Look::Text(text, marks) => {
                let wanted = match step {
                    Step::Keep(Look::Text(_, wanted)) => wanted,
                    _ => marks,
                };
                texts.push((text, marks, wanted));
            }
        }
    }
    restyle(&mut edits, block, &mut texts);
    edits
}

/// Text, the marks that it has, and those that it is to have.
type Restyled<'a> = (&'a str, &'a Marks, &'a Marks);

fn restyle(edits: &mut Vec<Edit>, block: usize, texts: &mut Vec<Restyled<'_>>) {
    let old = runs(texts.iter().map(|(text, old, _)| (*text, *old)));
    let new = runs(texts.drain(..).map(|(text, _, new)| (text, new)));
    for (from, to, name, value) in replace::mark_changes(&old, &new) {
        edits.push(Edit::Mark {
            block,
            from,
            to,
            name,
            value,
        });
    }
}

/// What goes and what comes, in the order of the text, at the places that these have now.
fn moving(now: &[Element], steps: Vec<Step>) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    let mut present = now.iter().enumerate();
    let (mut block, mut offset) = (0, 0);
    for step in steps {
        let drops = matches!(step, Step::Drop);
        if let Step::Bring(look) = step {
            match look {
                Look::Marker(shape) => edits.push(Edit::Split { block, offset, shape }),
                Look::Text(text, marks) => insert(&mut edits, (block, offset), &text, &marks),
            }
            continue;
        }
        let Some((index, element)) = present.next() else {
            break;
        };
        match &element.look {
            Look::Marker(_) => {
                block += usize::from(index > 0);
                offset = 0;
                if drops {
                    edits.push(Edit::Join { block });
                }
            }
            Look::Text(..) => {
                let width = element.width();
                if drops {
                    delete(&mut edits, (block, offset), width);
                }
                offset += width;
            }
        }
    }
    edits
}

fn delete(edits: &mut Vec<Edit>, (at, from): (usize, usize), width: usize) {
    match edits.last_mut() {
        Some(Edit::Text {
            block,
            offset,
            delete,
            insert,
        }) if *block == at && *offset + *delete == from && insert.is_empty() => *delete += width,
        _ => edits.push(Edit::Text {
            block: at,
            offset: from,
            delete: width,
            insert: Vec::new(),
        }),
    }
}

fn insert(edits: &mut Vec<Edit>, (at, to): (usize, usize), text: &str, marks: &Marks) {
    if let Some(Edit::Text {
        block,
        offset,
        delete: 0,
        insert,
    }) = edits.last_mut()
        && (*block, *offset) == (at, to)
    {
        match insert.last_mut() {
            Some(run) if run.marks == *marks => run.text.push_str(text),
            _ => insert.push(Run {
                text: text.to_owned(),
                marks: marks.clone(),
            }),
        }
        return;
    }
    edits.push(Edit::Text {
        block: at,
        offset: to,
        delete: 0,
        insert: vec![Run {
            text: text.to_owned(),
            marks: marks.clone(),
        }],
    });
}
