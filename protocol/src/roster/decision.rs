//! What happens when entries take rights away from authors of others that did not know of it: which are void.

use std::collections::HashMap;

use super::graph::{At, Graph, Set};
use super::view::View;
use super::{Action, Role, rights};
use crate::{EntryHash, MemberId};

/// The outcome for a set of entries that take rights away.
///
/// They are decided one by one: those of the earliest admitted author first, but each only after those of its own past.
/// What is decided is final. One whose author has lost the right to it by then is passed over, and void.
#[derive(Debug, Clone, Default)]
pub(super) struct Decisions {
    decided: Set,
    passed_over: Set,
    /// The decided ones, by whom or what they concern.
    removals: HashMap<MemberId, Vec<At>>,
    demotions: HashMap<MemberId, Vec<(At, Role)>>,
    ends: HashMap<At, Vec<At>>,
    void: Set,
    /// For how many entries `void` was worked out.
    known: usize,
}

impl Decisions {
    /// Decides `takings`, which hold with each also those of its past.
    pub(super) fn of(graph: &Graph, takings: &[At]) -> Self {
        let mut decisions = Self::default();
        if !takings.iter().any(|at| bears_on_others(graph, *at)) {
            // Then everybody knew what they had to know, and nothing is void.
            for at in takings {
                decisions.decide(graph, *at);
            }
            decisions.known = graph.len();
            return decisions;
        }
        decisions.work_out(graph);
        for at in order(graph, takings) {
            if decisions.void.contains(at) {
                decisions.passed_over.insert(at);
            } else {
                decisions.decide(graph, at);
                if bears_on_others(graph, at) {
                    decisions.work_out(graph);
                }
            }
        }
        decisions
    }

    /// What is void. Says nothing of entries that came later: see [`Self::extend`].
    pub(super) fn void(&self) -> &Set {
        &self.void
    }

    /// Whether all entries are judged.
    pub(super) fn is_up_to_date(&self, graph: &Graph) -> bool {
        self.known == graph.len()
    }

    /// Judges entries that came since, none of which takes rights away within the set that was decided.
    pub(super) fn extend(&mut self, graph: &Graph) {
        if self.decided == Set::default() && self.passed_over == Set::default() {
            self.known = graph.len();
        }
        for at in self.known..graph.len() {
            if self.is_void(graph, at) {
                self.void.insert(at);
            }
        }
        self.known = graph.len();
    }

    /// Takes in the newest entry, which knew of all others.
    pub(super) fn append(&mut self, graph: &Graph) {
        let at = graph.len() - 1;
        if graph.node(at).seniority.is_some() {
            self.decide(graph, at);
        }
        self.known = graph.len();
    }

    fn decide(&mut self, graph: &Graph, at: At) {
        self.decided.insert(at);
        for invite in &graph.node(at).ends {
            self.ends.entry(*invite).or_default().push(at);
        }
        match graph.action(at) {
            Action::Remove { members, .. } => {
                for removal in members {
                    self.removals.entry(removal.member).or_default().push(at);
                }
            }
            Action::ChangeRole { member, role, .. } => {
                self.demotions.entry(*member).or_default().push((at, *role));
            }
            Action::EndInvite { invite, .. } => {
                if let Some(invite) = graph.place(invite) {
                    self.ends.entry(invite).or_default().push(at);
                }
            }
            _ => {}
        }
    }

    /// Judges all entries by what is decided so far.
    fn work_out(&mut self, graph: &Graph) {
        self.void = Set::default();
        for at in 0..graph.len() {
            if self.is_void(graph, at) {
                self.void.insert(at);
            }
        }
        self.known = graph.len();
    }

    /// Whether an entry is void whose past is judged.
    fn is_void(&self, graph: &Graph, at: At) -> bool {
        if self.decided.contains(at) {
            return false;
        }
        if self.passed_over.contains(at) {
            return true;
        }
        let node = graph.node(at);
        let author = node.entry.author();
        let is_removed = self.removals.get(&author).is_some_and(|removals| {
            removals
                .iter()
                .any(|removal| graph.node(*removal).entry.author() != author && graph.are_apart(*removal, at))
        });
        if is_removed && !rights::is_leaving(&author, node.entry.action()) {
            return true;
        }
        let at_most = self
            .demotions
            .get(&author)
            .into_iter()
            .flatten()
            .filter(|(demotion, _)| graph.are_apart(*demotion, at))
            .map(|(_, role)| *role)
            .max()
            .unwrap_or(Role::Lead);
        if let Action::Admit { invite, .. } | Action::Request { invite, .. } = node.entry.action()
            && let Some(invite) = graph.place(invite)
        {
            let is_ended = self
                .ends
                .get(&invite)
                .is_some_and(|ends| ends.iter().any(|end| graph.are_apart(*end, at)));
            let given = match graph.action(invite) {
                Action::Invite { role, .. } | Action::AskInvite { role, .. } => *role,
                _ => Role::Carrier,
            };
            if is_ended || given < at_most {
                return true;
            }
        }
        let past = View {
            graph,
            within: Some(&node.past),
            void: &self.void,
        };
        if node.is_past_whole && at_most == Role::Lead && past.is_whole() {
            // As it was when the entry came.
            return false;
        }
        rights::check(&past, &node.entry, at_most).is_err()
    }
}

/// By seniority, but each after those of its past.
fn order(graph: &Graph, takings: &[At]) -> Vec<At> {
    let rank = |at: &At| {
        let node = graph.node(*at);
        let latest = (usize::MAX, EntryHash([0xff; 32]));
        (node.seniority.unwrap_or(latest), node.ancestors, node.hash)
    };
    let mut by_rank = takings.to_vec();
    by_rank.sort_by_cached_key(rank);
    let mut done = Set::default();
    let mut ordered = Vec::with_capacity(by_rank.len());
    for &first in &by_rank {
        let mut stack = vec![first];
        while let Some(&at) = stack.last() {
            let before = by_rank
                .iter()
                .find(|other| !done.contains(**other) && graph.is_before(**other, at));
            match before {
                Some(&before) if !done.contains(at) => stack.push(before),
                _ => {
                    if !done.contains(at) {
                        done.insert(at);
                        ordered.push(at);
                    }
                    stack.pop();
                }
            }
        }
    }
    ordered
}

/// Whether deciding it can make others void: whether somebody it concerns acted apart from it.
fn bears_on_others(graph: &Graph, at: At) -> bool {
    let is_apart = |list: Option<&Vec<At>>| {
        list.is_some_and(|list| list.iter().any(|other| graph.are_apart(at, *other)))
    };
    let is_used_apart = |invite: &At| is_apart(graph.joined.get(invite)) || is_apart(graph.asked.get(invite));
    if graph.node(at).ends.iter().any(is_used_apart) {
        return true;
    }
    match graph.action(at) {
        Action::Remove { members, .. } => members
            .iter()
            .any(|removal| is_apart(graph.by_author.get(&removal.member))),
        Action::ChangeRole { member, .. } => is_apart(graph.by_author.get(member)),
        Action::EndInvite { invite, .. } => graph.place(invite).as_ref().is_some_and(is_used_apart),
        _ => false,
    }
}
