//! The roster: the signed, cleartext log of who belongs, with which role, and which keys were handed to whom.
//!
//! Entries form a DAG: each names its parents. Whether an entry enters the roster is judged by its past alone (the
//! entries it descends from). What entries that did not know of each other make together is a function of the set of
//! entries, so every replica and the relay come to the same result in any order of arrival: see `decision`.
//! docs/protocol.md has the rules as a table.

pub mod action;
mod check;
mod decision;
pub mod entry;
mod graph;
mod present;
mod rights;
pub mod rotation;
mod segments;
mod view;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

pub use action::{Action, Cutoff, MAX_CUTOFFS, Removal, Role};
pub use entry::Entry;
pub use present::{Invite, Member, Request};
pub use rotation::{MAX_PREVIOUS, MAX_RECIPIENTS, Rotation};
pub use segments::Unfit;

use crate::{ClassroomId, DocumentId, EntryHash, Error, MemberId};
use decision::Decisions;
use graph::{At, Facts, Graph, Set};
use view::View;

/// The most heads that an entry or a segment names.
pub const MAX_HEADS: usize = 32;

/// For how many pasts it is remembered what was void in them. One is used by all heads that know of the same entries
/// which take rights away, so few are enough.
const MAX_REMEMBERED: usize = 256;

/// A classroom's roster, evaluated.
#[derive(Debug)]
pub struct Roster {
    classroom: ClassroomId,
    document: DocumentId,
    graph: Graph,
    heads: BTreeSet<EntryHash>,
    decisions: Decisions,
    /// By the entries that take rights away, and those that weigh in the decisions on them.
    remembered: Mutex<Remembered>,
}

type Remembered = HashMap<(Vec<At>, Vec<At>), Arc<Decisions>>;

/// What an entry did to the roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    New,
    Known,
}

impl Clone for Roster {
    fn clone(&self) -> Self {
        Self {
            classroom: self.classroom,
            document: self.document,
            graph: self.graph.clone(),
            heads: self.heads.clone(),
            decisions: self.decisions.clone(),
            remembered: Mutex::new(self.remembered().clone()),
        }
    }
}

/// A part of the roster, and what is void in it.
enum Scope {
    Present,
    Past(Set, Arc<Decisions>),
}

impl Roster {
    /// Starts from the founding entry, whose hash is the classroom's id.
    pub fn found(entry: Entry) -> Result<Self, Error> {
        let Action::Found {
            document, exchange, ..
        } = entry.action()
        else {
            return Err(Error::Malformed("founding entry"));
        };
        let (document, exchange) = (*document, *exchange);
        if !entry.parents().is_empty() || entry.classroom().is_some() {
            return Err(Error::Malformed("founding entry"));
        }
        let mut epochs = BTreeSet::new();
        if !entry
            .action()
            .keys()
            .iter()
            .all(|key| epochs.insert((key.space, key.epoch)))
        {
            return Err(Error::Malformed("founding entry"));
        }
        exchange.check()?;
        entry.verify()?;
        let hash = entry.hash();
        let facts = Facts {
            admits: check::admission(&entry, entry.author(), Role::Lead, None, None),
            house: Some(entry.author()),
            founds: Some((entry.author(), None)),
            recipient: Some(exchange),
            is_past_whole: true,
            ..Facts::default()
        };
        let mut graph = Graph::default();
        graph.push(hash, entry, &facts);
        Ok(Self {
            classroom: ClassroomId(hash.0),
            document,
            heads: BTreeSet::from([hash]),
            decisions: Decisions::of(&graph, &[], None),
            graph,
            remembered: Mutex::default(),
        })
    }

    /// Takes an entry, after checking its signature, its parents and its author's right.
    ///
    /// # Errors
    /// [`Error::MissingParent`] if it came too early: try again when more entries are here.
    /// [`Error::BadSignature`], [`Error::NotAllowed`] or [`Error::Malformed`] if it never counts.
    pub fn add(&mut self, entry: Entry) -> Result<Added, Error> {
        let hash = entry.hash();
        if self.graph.place(&hash).is_some() {
            return Ok(Added::Known);
        }
        if entry.classroom() != Some(self.classroom) || entry.parents().is_empty() {
            return Err(Error::Malformed("roster entry of this classroom"));
        }
        if let Some(&missing) = entry
            .parents()
            .iter()
            .find(|parent| self.graph.place(parent).is_none())
        {
            return Err(Error::MissingParent(missing));
        }
        entry.verify()?;
        let scope = self
            .scope(entry.parents())
            .ok_or(Error::Malformed("roster entry of this classroom"))?;
        let view = self.view(&scope);
        rights::check(&view, &entry, Role::Lead)?;
        let facts = check::check(&view, &self.classroom, &self.document, &entry)?;
        self.enter(hash, entry, &facts, matches!(scope, Scope::Present));
        Ok(Added::New)
    }

    fn enter(&mut self, hash: EntryHash, entry: Entry, facts: &Facts, knew_all: bool) {
        for parent in entry.parents() {
            self.heads.remove(parent);
        }
        self.heads.insert(hash);
        let takes = facts.seniority.is_some();
        let at = self.graph.push(hash, entry, facts);
        let weighs = || {
            self.graph
                .stakes
                .values()
                .any(|stakes| stakes.weighing.contains(at))
        };
        if knew_all {
            self.decisions.append(&self.graph);
        } else if takes || weighs() {
            self.decisions = Decisions::of(&self.graph, &self.graph.takings, None);
        } else {
            self.decisions.extend(&self.graph);
        }
    }

    pub fn classroom(&self) -> ClassroomId {
        self.classroom
    }

    /// The classroom's own document: its name, schools, profiles and list of documents.
    pub fn document(&self) -> DocumentId {
        self.document
    }

    pub fn entry(&self, hash: &EntryHash) -> Option<&Entry> {
        self.graph.place(hash).map(|at| &self.graph.node(at).entry)
    }

    /// All entries, parents before children; also those that do not count.
    pub fn entries_in_order(&self) -> Vec<&Entry> {
        let mut nodes: Vec<_> = self.graph.nodes().collect();
        nodes.sort_by_key(|node| (node.ancestors, node.hash));
        nodes.into_iter().map(|node| &node.entry).collect()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.graph.len()
    }

    /// Never: a roster has its founding entry.
    pub fn is_empty(&self) -> bool {
        self.graph.len() == 0
    }

    pub fn heads(&self) -> impl Iterator<Item = &EntryHash> {
        self.heads.iter()
    }

    pub fn knows(&self, entries: &[EntryHash]) -> bool {
        entries.iter().all(|entry| self.graph.place(entry).is_some())
    }

    /// Whether somebody who has `heads` and what these descend from lacks one of the first `count` entries that came here. Not if
    /// it can't be told: one of the heads is not here, or there may be more of them than are named.
    pub fn shows_lack(&self, heads: &[EntryHash], count: usize) -> bool {
        let places: Option<Vec<At>> = heads.iter().map(|head| self.graph.place(head)).collect();
        places
            .filter(|places| (1..MAX_HEADS).contains(&places.len()))
            .is_some_and(|places| !self.graph.past_of(places).has_first(count.min(self.len())))
    }

    /// Whether an entry that is here counts: whether its author keeps the right to it, whatever happened apart from it.
    pub fn counts(&self, entry: &EntryHash) -> bool {
        self.present().place(entry).is_some()
    }

    /// The heads that a new entry or segment of `author` names: at most [`MAX_HEADS`], and among them those that show
    /// what the author is and which keys there are.
    pub fn heads_for(&self, author: &MemberId) -> Vec<EntryHash> {
        self.narrowed(author, self.heads.iter().copied().collect())
    }

    /// Of `heads`, which somebody could name, at most [`MAX_HEADS`], chosen as [`Roster::heads_for`] does.
    pub fn narrowed(&self, author: &MemberId, heads: Vec<EntryHash>) -> Vec<EntryHash> {
        let of_author = self.graph.of_member.get(author).into_iter().flatten().copied();
        self.showing(heads, of_author)
    }

    /// At most [`MAX_HEADS`] heads, and among them those that descend from `entry` and from what places it: what somebody
    /// names who joins by the invite that `entry` made. Then those that show which keys there are.
    pub fn heads_after(&self, entry: &EntryHash) -> Vec<EntryHash> {
        let invite = self.graph.place(entry);
        let placed = invite.and_then(|at| self.present().placed(at)).map(|(at, _)| at);
        self.showing(
            self.heads.iter().copied().collect(),
            invite.into_iter().chain(placed),
        )
    }

    /// At most [`MAX_HEADS`] of `heads`, and as far as there is room one that descends from each of `needed` that counts,
    /// and from what states the newest key of each space.
    fn showing(&self, heads: Vec<EntryHash>, needed: impl Iterator<Item = At>) -> Vec<EntryHash> {
        if heads.len() <= MAX_HEADS {
            return heads;
        }
        let view = self.present();
        let keys = self.graph.keys.keys().filter_map(|space| {
            let current = view.current_key(space)?;
            let stated = self.graph.keys.get(space)?;
            stated
                .iter()
                .find(|(at, name)| *name == current && view.counts(*at))
                .map(|(at, _)| *at)
        });
        let places: Vec<At> = heads.iter().filter_map(|head| self.graph.place(head)).collect();
        let shows = |head: At, entry: At| head == entry || self.graph.is_before(entry, head);
        let mut chosen: Vec<At> = Vec::new();
        for entry in needed.chain(keys).filter(|at| view.counts(*at)) {
            if !chosen.iter().any(|head| shows(*head, entry))
                && let Some(head) = places.iter().find(|head| shows(**head, entry))
            {
                chosen.push(*head);
            }
        }
        for head in places {
            if !chosen.contains(&head) {
                chosen.push(head);
            }
        }
        chosen.truncate(MAX_HEADS);
        let mut named: Vec<EntryHash> = chosen.into_iter().map(|at| self.graph.node(at).hash).collect();
        named.sort_unstable();
        named
    }

    /// Everything, as it is now.
    fn present(&self) -> View<'_> {
        View {
            graph: &self.graph,
            within: None,
            void: self.decisions.void(),
        }
    }

    /// Looks at what somebody knew who named `heads`; `None` if one is unknown here, or there are none.
    fn at<T>(&self, heads: &[EntryHash], look: impl FnOnce(&View<'_>) -> T) -> Option<T> {
        let scope = self.scope(heads)?;
        Some(look(&self.view(&scope)))
    }

    fn scope(&self, heads: &[EntryHash]) -> Option<Scope> {
        let places: Vec<At> = heads
            .iter()
            .map(|head| self.graph.place(head))
            .collect::<Option<_>>()?;
        if places.is_empty() {
            return None;
        }
        if self.heads.len() <= heads.len() && self.heads.iter().all(|head| heads.contains(head)) {
            return Some(Scope::Present);
        }
        let past = self.graph.past_of(places);
        let takings: Vec<At> = self
            .graph
            .takings
            .iter()
            .copied()
            .filter(|at| past.contains(*at))
            .collect();
        let weighing = self.graph.weighing(&takings, &past);
        let name = (takings, weighing);
        if let Some(known) = self.remembered().get_mut(&name) {
            if !known.is_up_to_date(&self.graph) {
                Arc::make_mut(known).extend(&self.graph);
            }
            return Some(Scope::Past(past, Arc::clone(known)));
        }
        // Nobody else waits for this: it may take long.
        let decisions = Arc::new(Decisions::of(&self.graph, &name.0, Some(&past)));
        let mut remembered = self.remembered();
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(name, Arc::clone(&decisions));
        Some(Scope::Past(past, decisions))
    }

    fn view<'a>(&'a self, scope: &'a Scope) -> View<'a> {
        match scope {
            Scope::Present => self.present(),
            Scope::Past(past, decisions) => View {
                graph: &self.graph,
                within: Some(past),
                void: decisions.void(),
            },
        }
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, Remembered> {
        // Whatever a thread that died left there is whole: it is only ever replaced.
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
