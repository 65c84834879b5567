//! Which changes may go into a document.
//!
//! Automerge 0.12 believes the changes it applies: one that names an actor, an object or an element that is not there, or
//! that skips a sequence number, makes it panic, and a tab that panics on every start has lost its document. So each
//! change is first held against the document, and against those that go in together with it.

use std::collections::{BTreeMap, HashMap, HashSet};

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, AutoCommit, Change, ChangeHash, ExpandedChange, ObjId, ObjType, ReadDoc};

use super::columns::Columns;
use super::graph::Graph;
use crate::Error;
use crate::page::comments;

/// Which changes are in a document, how far each actor has written, and what each list and text was ever made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    actors: HashMap<ActorId, Last>,
    pub(super) graph: Graph,
    elements: Elements,
    /// Those elements where marks begin and end.
    marks: Elements,
    /// What the threads of comments are made of, and how many changes came to any of it.
    said_in: HashSet<OpId>,
    said: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Last {
    sequence: u64,
    operation: u64,
    /// Of the last change, if there is one.
    hash: Option<ChangeHash>,
}

/// The elements of each sequence by the actor that inserted them, as ranges of operation numbers that do not touch. Who types
/// makes ranges, so this is small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Elements(HashMap<ObjectId, HashMap<ActorId, BTreeMap<u64, u64>>>);

impl Elements {
    fn insert(&mut self, sequence: &ObjectId, actor: &ActorId, number: u64) {
        if !self.0.contains_key(sequence) {
            self.0.insert(sequence.clone(), HashMap::new());
        }
        let Some(actors) = self.0.get_mut(sequence) else {
            return;
        };
        let ranges = actors.entry(actor.clone()).or_default();
        match ranges.last_entry() {
            Some(mut last) if *last.get() == number => *last.get_mut() = number + 1,
            _ => {
                ranges.insert(number, number + 1);
            }
        }
    }

    fn has(&self, sequence: &ObjectId, actor: &ActorId, number: u64) -> bool {
        let ranges = self.0.get(sequence).and_then(|actors| actors.get(actor));
        let range = ranges.and_then(|ranges| ranges.range(..=number).next_back());
        range.is_some_and(|(_, end)| number < *end)
    }
}

/// An operation's counter, and its actor's number in a saved document.
type Numbered = (u64, u64);

/// Which sequence, and whose elements in it.
type Place = (Numbered, u64);

/// The elements of each sequence by actor, read in the order in which they stand: as ranges, of which some may touch.
#[derive(Default)]
struct Standing {
    ranges: HashMap<Place, BTreeMap<u64, u64>>,
    /// The range that is being read: from a number up to another.
    last: Option<(Place, u64, u64)>,
}

impl Standing {
    fn add(&mut self, sequence: Numbered, actor: u64, number: u64) {
        let place = (sequence, actor);
        match &mut self.last {
            Some((last, _, end)) if *last == place && *end == number => *end = number + 1,
            _ => {
                self.put_last();
                self.last = Some((place, number, number + 1));
            }
        }
    }

    fn put_last(&mut self) {
        if let Some((place, start, end)) = self.last.take() {
            self.ranges.entry(place).or_default().insert(start, end);
        }
    }

    fn into_elements(mut self, actors: &[ActorId]) -> Option<Elements> {
        self.put_last();
        let mut elements = Elements::default();
        for (((counter, creator), actor), touching) in self.ranges {
            let sequence = ObjectId::Id(operation_id(actors, counter, creator)?);
            let actor = actor_at(actors, actor)?.clone();
            let ranges = elements.0.entry(sequence).or_default().entry(actor).or_default();
            for (start, end) in touching {
                match ranges.last_entry() {
                    Some(mut last) if *last.get() == start => *last.get_mut() = end,
                    _ => {
                        ranges.insert(start, end);
                    }
                }
            }
        }
        Some(elements)
    }
}

/// What a saved document calls the actions that make something, and those by which marks begin and end.
const MAKES: [u64; 4] = [0, 2, 4, 6];
const MARK: u64 = 7;

impl History {
    /// The history of a document that was loaded from one chunk.
    pub(super) fn of_saved(document: &mut AutoCommit, chunk: &[u8]) -> History {
        match Columns::read(chunk)
            .map(|columns| columns.and_then(|columns| History::read(document, &columns)))
        {
            Ok(Some(history)) => history,
            // Other chunks hold no such columns.
            _ => History::of(document),
        }
    }

    fn read(document: &mut AutoCommit, columns: &Columns<'_>) -> Option<History> {
        let mut history = History::default();
        for change in document.get_changes_meta(&[]) {
            history.graph.add(change.hash, &change.deps, change.max_op + 1);
            history.follow(&change.actor, change.seq, change.max_op, change.hash);
        }
        let actors: Vec<ActorId> = columns.actors.iter().map(|actor| ActorId::from(*actor)).collect();
        let (mut elements, mut marks) = (Standing::default(), Standing::default());
        let mut said_in = HashSet::new();
        columns
            .each(|operation| {
                let is_said = match operation.object {
                    None => operation.key.is_some_and(comments::is_comment),
                    Some(object) => said_in.contains(&object),
                };
                if is_said && MAKES.contains(&operation.action) {
                    said_in.insert((operation.counter, operation.actor));
                }
                if let Some(object) = operation.object
                    && operation.is_insert
                {
                    elements.add(object, operation.actor, operation.counter);
                    if operation.action == MARK {
                        marks.add(object, operation.actor, operation.counter);
                    }
                }
            })
            .ok()?;
        history.elements = elements.into_elements(&actors)?;
        history.marks = marks.into_elements(&actors)?;
        for (counter, actor) in said_in {
            history.said_in.insert(operation_id(&actors, counter, actor)?);
        }
        Some(history)
    }

    /// The history of a document as it is.
    pub(super) fn of(document: &mut AutoCommit) -> History {
        let mut history = History::default();
        for change in document.get_changes(&[]) {
            history.add(&change);
        }
        history
    }

    pub(super) fn has(&self, change: &ChangeHash) -> bool {
        self.graph.has(change)
    }

    pub(super) fn actors(&self) -> impl Iterator<Item = &ActorId> {
        self.actors.keys()
    }

    pub(crate) fn last_of(&self, actor: &ActorId) -> Option<ChangeHash> {
        self.actors.get(actor)?.hash
    }

    /// Whether a text or list has, or had, an element with this operation number and actor.
    pub(crate) fn has_element(&self, sequence: &ObjId, number: u64, actor: &ActorId) -> bool {
        object_id(sequence).is_some_and(|sequence| self.elements.has(&sequence, actor, number))
    }

    /// Whether an element is where a mark begins or ends. Automerge gives these out among the others.
    pub(crate) fn is_mark(&self, sequence: &ObjId, number: u64, actor: &ActorId) -> bool {
        object_id(sequence).is_some_and(|sequence| self.marks.has(&sequence, actor, number))
    }

    /// How many changes say something in comments, of those that came since the document was loaded.
    pub(crate) fn said(&self) -> u64 {
        self.said
    }

    /// Whether an operation is on a thread of comments, or on what is in one.
    fn is_said(&self, operation: &Op) -> bool {
        match (&operation.obj, &operation.key) {
            (ObjectId::Root, Key::Map(key)) => comments::is_comment(key),
            (ObjectId::Root, Key::Seq(_)) => false,
            (ObjectId::Id(object), _) => self.said_in.contains(object),
        }
    }

    /// Notes a change that is in the document.
    pub(super) fn add(&mut self, change: &Change) {
        self.enter(change, &change.decode());
    }

    /// Notes how far an actor has written.
    fn follow(&mut self, actor: &ActorId, sequence: u64, operation: u64, hash: ChangeHash) {
        let last = self.actors.entry(actor.clone()).or_insert(Last {
            sequence: 0,
            operation: 0,
            hash: None,
        });
        if sequence > last.sequence {
            *last = Last {
                sequence,
                operation,
                hash: Some(hash),
            };
        }
    }

    fn enter(&mut self, change: &Change, expanded: &ExpandedChange) {
        let actor = change.actor_id();
        let start = change.start_op().get();
        let operation = (start + change.len() as u64).saturating_sub(1);
        self.graph.add(change.hash(), change.deps(), operation + 1);
        self.follow(actor, change.seq(), operation, change.hash());
        let mut says = false;
        for (operation, number) in expanded.operations.iter().zip(start..) {
            if self.is_said(operation) {
                says = true;
                if matches!(operation.action, OpType::Make(_)) {
                    self.said_in.insert(OpId::new(number, actor));
                }
            }
            if operation.insert {
                self.elements.insert(&operation.obj, actor, number);
            }
            if matches!(operation.action, OpType::MarkBegin(_) | OpType::MarkEnd(_)) {
                self.marks.insert(&operation.obj, actor, number);
            }
        }
        self.said += u64::from(says);
    }
}

/// Changes that go into a document together.
pub(super) struct Batch<'a> {
    document: &'a AutoCommit,
    objects: HashMap<OpId, ObjType>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(document: &'a AutoCommit) -> Batch<'a> {
        Batch {
            document,
            objects: HashMap::new(),
        }
    }

    /// Admits one change, which then enters `history`. What it depends on must have been offered before.
    ///
    /// # Errors
    /// [`Error::Unfitting`]; the change must then not be applied, nor any that depends on it.
    pub(super) fn admit(&mut self, change: &Change, history: &mut History) -> Result<(), Error> {
        if !change.deps().iter().all(|dependency| history.has(dependency)) {
            return Err(unfitting("it depends on a change that was refused"));
        }
        let last = history.actors.get(change.actor_id()).copied().unwrap_or(Last {
            sequence: 0,
            operation: 0,
            hash: None,
        });
        if change.seq() != last.sequence + 1 {
            return Err(unfitting("its sequence number is not the next one of its actor"));
        }
        if change.start_op().get() <= last.operation {
            return Err(unfitting("its operation numbers are taken"));
        }
        if change.start_op().get() < history.graph.end(change.deps()) {
            return Err(unfitting(
                "its operation numbers are not after those it depends on",
            ));
        }
        if change.author().is_some() {
            return Err(unfitting("it names an author, as we never do"));
        }
        if change
            .other_actor_ids()
            .iter()
            .any(|actor| !history.actors.contains_key(actor))
        {
            return Err(unfitting("it names an actor that wrote nothing"));
        }
        let expanded = change.decode();
        let mut objects = HashMap::new();
        let mut inserted = HashSet::new();
        let mut previous: Option<(&OpType, &ObjectId)> = None;
        for (operation, number) in expanded.operations.iter().zip(change.start_op().get()..) {
            let id = OpId::new(number, change.actor_id());
            self.check(operation, &id, &objects, &inserted, history)?;
            let after_begin =
                matches!(previous, Some((OpType::MarkBegin(_), object)) if *object == operation.obj);
            if matches!(operation.action, OpType::MarkEnd(_)) != after_begin {
                return Err(unfitting("a mark that begins or ends alone"));
            }
            previous = Some((&operation.action, &operation.obj));
            if operation.insert {
                inserted.insert((&operation.obj, number));
            }
            if let OpType::Make(kind) = operation.action {
                objects.insert(id, kind);
            }
        }
        if matches!(previous, Some((OpType::MarkBegin(_), _))) {
            return Err(unfitting("a mark that begins and does not end"));
        }
        // What is saved holds no changes but their columns: a change is written anew when that is loaded, and if another hash
        // comes of it nothing is.
        if Change::from(expanded.clone()).hash() != change.hash() {
            return Err(unfitting("it is written in another way than Automerge writes it"));
        }
        self.objects.extend(objects);
        history.enter(change, &expanded);
        Ok(())
    }

    fn check(
        &self,
        operation: &Op,
        id: &OpId,
        objects: &HashMap<OpId, ObjType>,
        inserted: &HashSet<(&ObjectId, u64)>,
        history: &History,
    ) -> Result<(), Error> {
        let kind = match &operation.obj {
            ObjectId::Root => Some(ObjType::Map),
            ObjectId::Id(object) if object.counter() >= id.counter() => None,
            ObjectId::Id(object) => objects
                .get(object)
                .or_else(|| self.objects.get(object))
                .copied()
                .or_else(|| self.document.object_type(exid(object)).ok()),
        };
        let Some(kind) = kind else {
            return Err(unfitting("it writes into an object that is not there"));
        };
        if operation
            .pred
            .iter()
            .any(|replaced| replaced.counter() >= id.counter())
        {
            return Err(unfitting("it replaces what comes after it"));
        }
        let is_mark = matches!(operation.action, OpType::MarkBegin(_) | OpType::MarkEnd(_));
        match &operation.key {
            Key::Map(_) if kind.is_sequence() || operation.insert || is_mark => {
                Err(unfitting("it writes to a sequence as to a map"))
            }
            Key::Map(_) => Ok(()),
            Key::Seq(_) if !kind.is_sequence() => Err(unfitting("it writes to a map as to a sequence")),
            Key::Seq(_) if is_mark && (!operation.insert || kind != ObjType::Text) => {
                Err(unfitting("a mark that is not in a text"))
            }
            Key::Seq(ElementId::Head) if operation.insert => Ok(()),
            Key::Seq(ElementId::Head) => Err(unfitting("it replaces the beginning of a sequence")),
            Key::Seq(ElementId::Id(element)) => {
                let (number, actor) = (element.counter(), element.actor());
                let known = number < id.counter()
                    && (actor == id.actor() && inserted.contains(&(&operation.obj, number))
                        || history.elements.has(&operation.obj, actor, number));
                if known {
                    Ok(())
                } else {
                    Err(unfitting("it names an element that is not there"))
                }
            }
        }
    }
}

fn object_id(object: &ObjId) -> Option<ObjectId> {
    match object {
        ObjId::Root => None,
        ObjId::Id(counter, creator, _) => Some(ObjectId::Id(OpId::new(*counter, creator))),
    }
}

fn actor_at(actors: &[ActorId], index: u64) -> Option<&ActorId> {
    actors.get(usize::try_from(index).ok()?)
}

fn operation_id(actors: &[ActorId], counter: u64, actor: u64) -> Option<OpId> {
    Some(OpId::new(counter, actor_at(actors, actor)?))
}

fn exid(id: &OpId) -> ObjId {
    ObjId::Id(id.counter(), id.actor().clone(), 0)
}

fn unfitting(what: &str) -> Error {
    Error::Unfitting(what.to_owned())
}

#[cfg(test)]
mod tests {
    use automerge::transaction::Transactable as _;
    use automerge::{ObjType, ROOT, TextEncoding};
    use proptest::prelude::*;

    use super::*;

    /// Something that one of three does to a document that all have, before all hear of it or later.
    type Step = (usize, u8, usize, bool);

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        prop::collection::vec((0..3_usize, any::<u8>(), 0..50_usize, any::<bool>()), 1..40)
    }

    fn act(document: &mut AutoCommit, kind: u8, at: usize) -> Result<(), automerge::AutomergeError> {
        let Some((_, text)) = document.get(ROOT, "text")? else {
            return Ok(());
        };
        let length = document.length(&text);
        let at = at.min(length);
        match kind % 8 {
            0..=2 => document.splice_text(&text, at, 0, "several words")?,
            3 => document.splice_text(&text, at, (length - at).min(4) as isize, "")?,
            4 if length > at + 1 => {
                let mark = automerge::marks::Mark::new("strong".to_owned(), true, at, length);
                document.mark(&text, mark, automerge::marks::ExpandMark::Both)?;
            }
            5 => drop(document.split_block(&text, at)?),
            6 => {
                let thread = document.put_object(ROOT, format!("comment:{:032x}", at % 3), ObjType::Map)?;
                let messages = document.put_object(&thread, "messages", ObjType::List)?;
                let message = document.insert_object(&messages, 0, ObjType::Map)?;
                document.put(&message, "text", "said")?;
            }
            _ => document.put(ROOT, format!("key {at}"), 1)?,
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn what_is_read_from_columns_is_what_the_changes_say(steps in steps()) {
            let mut first = AutoCommit::new_with_encoding(TextEncoding::Utf16CodeUnit);
            first.put_object(ROOT, "text", ObjType::Text)?;
            first.commit();
            let mut documents: Vec<AutoCommit> = (0..3).map(|_| first.fork()).collect();
            for (one, kind, at, is_shared) in steps {
                act(&mut documents[one], kind, at)?;
                documents[one].commit();
                if is_shared {
                    let mut said = documents[one].clone();
                    documents[(one + 1) % 3].merge(&mut said)?;
                }
            }
            let (mut second, mut third) = (documents[1].clone(), documents[2].clone());
            documents[0].merge(&mut second)?;
            documents[0].merge(&mut third)?;
            let saved = documents[0].save();
            let columns = Columns::read(&saved).unwrap().unwrap();
            let read = History::read(&mut documents[0], &columns).unwrap();
            let told = History::of(&mut documents[0]);
            prop_assert_eq!(&read.elements, &told.elements);
            prop_assert_eq!(&read.marks, &told.marks);
            prop_assert_eq!(&read.said_in, &told.said_in);
            prop_assert_eq!(read.graph.heads(), told.graph.heads());
            prop_assert_eq!(read.graph.len(), told.graph.len());
            prop_assert_eq!(&read.actors, &told.actors);
        }
    }
}
