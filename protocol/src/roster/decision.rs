//! What happens when entries take rights away from authors of others that did not know of it: which are void.

use std::collections::HashMap;

use super::graph::{At, Graph, House, Set};
use super::view::{Standing, View};
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
    /// By decided ones: what they do not make void.
    spared: HashMap<At, Spared>,
    void: Set,
    /// For how many entries `void` was worked out.
    known: usize,
}

/// What others built on who did not know of something that takes rights away: it stays. So nobody undoes what another school
/// went on from by claiming not to have known of it.
#[derive(Debug, Clone, Default)]
struct Spared {
    by_staff: Set,
    /// Who came as a lead or teacher is spared only by those who might have let them in.
    by_leads: Set,
}

/// How strictly to judge.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Judging {
    /// To find out whose word spares others: it must not rest on what it spares. But all rests on the founder, and those who
    /// came by an invite from another school have nobody else to say so.
    Strictly,
    Sparing,
}

impl Decisions {
    /// Decides `takings`, which hold with each also those of its past, knowing what is `within`: all if nothing is stated.
    pub(super) fn of(graph: &Graph, takings: &[At], within: Option<&Set>) -> Self {
        let mut decisions = Self::default();
        if !takings.iter().any(|at| bears_on_others(graph, *at)) {
            // Then everybody knew what they had to know, and nothing is void.
            for at in takings {
                decisions.decide(graph, *at);
            }
            decisions.known = graph.len();
            return decisions;
        }
        // What may be void by now, with all that descends from it. Whatever else is decided needs no look at the rest.
        let mut in_doubt = Set::default();
        let mut is_stale = true;
        for at in order(graph, takings) {
            let is_in_doubt = in_doubt.contains(at) || graph.node(at).past.meets(&in_doubt);
            let raised = raised_apart(graph, at, within);
            if is_stale && (is_in_doubt || !raised.is_empty()) {
                decisions.work_out(graph, within);
                is_stale = false;
            }
            if is_in_doubt && decisions.void.contains(at) || decisions.lacks_consent(graph, at, &raised) {
                decisions.passed_over.insert(at);
                in_doubt.insert(at);
                is_stale = true;
                continue;
            }
            decisions.decide(graph, at);
            if let Some(stakes) = graph
                .stakes
                .get(&at)
                .filter(|stakes| !stakes.concerned.is_empty())
            {
                in_doubt.unite(&stakes.concerned);
                is_stale = true;
            }
        }
        if is_stale {
            decisions.work_out(graph, within);
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

    /// Judges entries that came since, none of which takes rights away, or weighs in a decision, within the set that was
    /// decided.
    pub(super) fn extend(&mut self, graph: &Graph) {
        if self.decided == Set::default() && self.passed_over == Set::default() {
            self.known = graph.len();
        }
        for at in self.known..graph.len() {
            if self.is_void(graph, at, Judging::Sparing) {
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
    fn work_out(&mut self, graph: &Graph, within: Option<&Set>) {
        self.spared.clear();
        self.judge_all(graph, Judging::Strictly);
        let weighed: Vec<At> = graph
            .takings
            .iter()
            .copied()
            .filter(|at| self.decided.contains(*at))
            .filter(|at| {
                graph
                    .stakes
                    .get(at)
                    .is_some_and(|stakes| !stakes.concerned.is_empty())
            })
            .collect();
        let mut is_final = true;
        for taking in weighed {
            let spared = self.spared_by_others(graph, taking, within);
            is_final &= spared.by_staff.is_empty() && !is_mild(graph, taking);
            self.spared.insert(taking, spared);
        }
        if !is_final {
            self.judge_all(graph, Judging::Sparing);
        }
    }

    fn judge_all(&mut self, graph: &Graph, judging: Judging) {
        self.void = Set::default();
        for at in 0..graph.len() {
            if self.is_void(graph, at, judging) {
                self.void.insert(at);
            }
        }
        self.known = graph.len();
    }

    /// What leads and teachers of other schools than its author's have built on, apart from a decided entry.
    fn spared_by_others(&self, graph: &Graph, taking: At, within: Option<&Set>) -> Spared {
        let mut spared = Spared::default();
        let (Some(stakes), Some(by)) = (graph.stakes.get(&taking), self.standing_before(graph, taking))
        else {
            return spared;
        };
        for at in 0..graph.len() {
            if !stakes.weighing.contains(at)
                || self.void.contains(at)
                || within.is_some_and(|within| !within.contains(at))
                || graph.takes_from(taking, &graph.node(at).entry.author())
            {
                continue;
            }
            let past = self.before(graph, at);
            let Some((role, house)) = speaks_as(&past, at) else {
                continue;
            };
            if !role.is_staff() || house.is_none() || house == by.house {
                continue;
            }
            let mut built_on = graph.node(at).past.clone();
            built_on.insert(at);
            if role == Role::Lead {
                spared.by_leads.unite(&built_on);
            }
            spared.by_staff.unite(&built_on);
        }
        spared
    }

    /// Whether it takes rights from somebody who had become a lead or teacher of another school, `raised` says
    /// where, without the agreement that this takes: an author could always claim not to have known of it.
    fn lacks_consent(&self, graph: &Graph, taking: At, raised: &[At]) -> bool {
        if raised.is_empty() {
            return false;
        }
        let view = self.before(graph, taking);
        let Some(by) = self.standing_before(graph, taking) else {
            return false;
        };
        let author = graph.node(taking).entry.author();
        let is_taken_alone = |at: &At| {
            let node = graph.node(*at);
            if self.void.contains(*at) {
                return false;
            }
            let member = match (node.entry.action(), &node.admits) {
                (Action::ChangeRole { member, .. }, _) => *member,
                (_, Some(admission)) => admission.member,
                _ => return false,
            };
            if member == author {
                // Nobody asks others whether they may leave.
                return false;
            }
            let Some(target) = view.standing(&member) else {
                return false;
            };
            if target.role.is_staff() || node.house == by.house {
                return false;
            }
            let target = Standing {
                house: node.house,
                ..target
            };
            let (have, need) = rights::consent(&view, &by, &member, &target);
            have < need
        };
        raised.iter().any(is_taken_alone)
    }

    fn before<'a>(&'a self, graph: &'a Graph, at: At) -> View<'a> {
        View {
            graph,
            within: Some(&graph.node(at).past),
            void: &self.void,
        }
    }

    /// What the author of an entry was before it.
    fn standing_before(&self, graph: &Graph, at: At) -> Option<Standing> {
        self.before(graph, at).standing(&graph.node(at).entry.author())
    }

    /// Whether `taking`, which is decided, is apart from `at` and does not spare it.
    fn reaches(&self, graph: &Graph, taking: At, at: At, judging: Judging, given: Option<Role>) -> bool {
        if !graph.are_apart(taking, at) {
            return false;
        }
        if judging == Judging::Strictly {
            return !is_mild(graph, taking);
        }
        !self.spared.get(&taking).is_some_and(|spared| {
            if given.is_some_and(Role::is_staff) {
                spared.by_leads.contains(at)
            } else {
                spared.by_staff.contains(at)
            }
        })
    }

    /// Whether an entry is void whose past is judged.
    fn is_void(&self, graph: &Graph, at: At, judging: Judging) -> bool {
        if self.decided.contains(at) {
            return false;
        }
        if self.passed_over.contains(at) {
            return true;
        }
        let node = graph.node(at);
        let author = node.entry.author();
        let is_removed = self.removals.get(&author).is_some_and(|removals| {
            removals.iter().any(|removal| {
                graph.node(*removal).entry.author() != author
                    && self.reaches(graph, *removal, at, judging, None)
            })
        });
        if is_removed && !rights::is_leaving(&author, node.entry.action()) {
            return true;
        }
        let at_most = self
            .demotions
            .get(&author)
            .into_iter()
            .flatten()
            .filter(|(demotion, _)| self.reaches(graph, *demotion, at, judging, None))
            .map(|(_, role)| *role)
            .max()
            .unwrap_or(Role::Lead);
        if let Action::Admit { invite, .. } | Action::Request { invite, .. } = node.entry.action()
            && let Some(invite) = graph.place(invite)
        {
            let given = match graph.action(invite) {
                Action::Invite { role, .. } | Action::AskInvite { role, .. } => *role,
                _ => Role::Carrier,
            };
            let is_ended = self.ends.get(&invite).is_some_and(|ends| {
                ends.iter()
                    .any(|end| self.reaches(graph, *end, at, judging, Some(given)))
            });
            if is_ended || given < at_most {
                return true;
            }
        }
        let placed = node.admits.as_ref().and_then(|admission| admission.placed);
        if placed.is_some_and(|placed| self.void.contains(placed)) {
            return true;
        }
        let past = self.before(graph, at);
        if node.is_past_whole && at_most == Role::Lead && past.is_whole() {
            // As it was when the entry came.
            return false;
        }
        rights::check(&past, &node.entry, at_most).is_err()
    }
}

/// Whether what it concerns is judged mildly where it is found out whose word spares others.
fn is_mild(graph: &Graph, taking: At) -> bool {
    matches!(graph.action(taking), Action::EndInvite { .. })
        || graph.takes_from(taking, &graph.node(0).entry.author())
}

/// As what, and of which school, the author of an entry speaks in it: as what it makes them, or what they were before.
fn speaks_as(past: &View<'_>, at: At) -> Option<(Role, Option<House>)> {
    let node = past.graph.node(at);
    let author = node.entry.author();
    match &node.admits {
        Some(admission) if admission.member == author => Some((admission.role, node.house)),
        _ => {
            let standing = past.standing(&author)?;
            Some((standing.role, standing.house))
        }
    }
}

/// What made somebody a lead or teacher, apart from an entry that takes rights from them.
fn raised_apart(graph: &Graph, taking: At, within: Option<&Set>) -> Vec<At> {
    let Some(stakes) = graph.stakes.get(&taking) else {
        return Vec::new();
    };
    (0..graph.len())
        .filter(|at| stakes.weighing.contains(*at) && graph.raises_somebody_of(taking, *at))
        .filter(|at| within.is_none_or(|within| within.contains(*at)))
        .collect()
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
    let mut waiting = Set::default();
    for at in takings {
        waiting.insert(*at);
    }
    let mut ordered = Vec::with_capacity(by_rank.len());
    for &first in &by_rank {
        let mut stack = vec![first];
        while let Some(&at) = stack.last() {
            let past = &graph.node(at).past;
            // Most wait for none, and then there is no need to look for it.
            let before = past
                .meets(&waiting)
                .then(|| {
                    by_rank
                        .iter()
                        .find(|other| waiting.contains(**other) && past.contains(**other))
                })
                .flatten();
            match before {
                Some(&before) if waiting.contains(at) => stack.push(before),
                _ => {
                    if waiting.contains(at) {
                        waiting.remove(at);
                        ordered.push(at);
                    }
                    stack.pop();
                }
            }
        }
    }
    ordered
}

/// Whether deciding it can make others void, or others can keep it from being decided.
fn bears_on_others(graph: &Graph, at: At) -> bool {
    graph
        .stakes
        .get(&at)
        .is_some_and(|stakes| !stakes.concerned.is_empty() || !stakes.weighing.is_empty())
}
