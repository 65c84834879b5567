//! Whether a segment counts: by what its author knew, by where logs were cut off, and by what is locked now.

use super::graph::At;
use super::view::View;
use super::{Action, Cutoff, Role, Roster};
use crate::segment::{Header, Log};
use crate::{EntryHash, MemberId};

/// Why a segment does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unfit {
    /// It names heads that are not here, or none.
    UnknownRoster,
    /// Its author was no member, for somebody who knew those heads.
    NotAMember,
    /// Its author's role did not let them write.
    NotAllowed,
    /// Its author was not in its space.
    WrongSpace,
    /// Its space had no such epoch yet.
    WrongEpoch,
    /// Nobody who cut its author off had seen it.
    BeyondCutoff,
    /// The document is locked now, and its author neither leads nor teaches, nor did until they left or were removed.
    Locked,
    /// The classroom is closed now.
    Closed,
    /// The document is gone for good, and nothing else stands in the way.
    Erased,
}

impl Roster {
    /// Whether a segment with this header counts, apart from its signature and its place in its log.
    pub fn check_segment(&self, header: &Header) -> Result<(), Unfit> {
        let (author, document) = (&header.log.member, &header.log.document);
        let role = self.at(&header.roster, |view| {
            let role = view.standing(author).ok_or(Unfit::NotAMember)?.role;
            if !role.may_write() {
                return Err(Unfit::NotAllowed);
            }
            if !view.is_in(author, role, &header.space) {
                return Err(Unfit::WrongSpace);
            }
            if !view.keys(&header.space).any(|name| name.epoch == header.epoch) {
                return Err(Unfit::WrongEpoch);
            }
            Ok(role)
        });
        let role = role.ok_or(Unfit::UnknownRoster)??;
        let cutoff = self.cutoff(&header.log);
        if cutoff.is_some_and(|next| header.last >= next) {
            return Err(Unfit::BeyondCutoff);
        }
        if self.closed() {
            return Err(Unfit::Closed);
        }
        if self.locked(document) {
            let writes_here = match self.member(author) {
                Some(member) => member.role.is_staff(),
                // Who removed them had seen it, or they said so themselves, leaving: it stays, as it does for those who have it.
                None => role.is_staff() && cutoff.is_some() && !self.was_given_less(author, &header.roster),
            };
            if !writes_here {
                return Err(Unfit::Locked);
            }
        }
        // Last: whoever erases it still takes in what would count otherwise, and nothing else.
        if self.erased(document).is_some() {
            return Err(Unfit::Erased);
        }
        Ok(())
    }

    /// Whether a role in which they neither lead nor teach was given to `member`, and who named `heads` did not know of it.
    fn was_given_less(&self, member: &MemberId, heads: &[EntryHash]) -> bool {
        let view = self.present();
        let known = self
            .graph
            .past_of(heads.iter().filter_map(|head| self.graph.place(head)));
        let mut events = self.graph.of_member.get(member).into_iter().flatten();
        events.any(|at| {
            let is_less = given(&view, *at).is_some_and(|role| !role.is_staff());
            view.counts(*at) && !known.contains(*at) && is_less
        })
    }

    /// Whether the author of a segment that lies beyond a cut-off may write there again, so that it may be taken from them: on
    /// new lanes they may have built on it. Not in what is erased, nor a fold that reaches across: of what it covers a part counts.
    pub fn may_write_again(&self, header: &Header) -> bool {
        let Log { document, member, .. } = &header.log;
        let Some(author) = self.member(member) else {
            return false;
        };
        author.role.may_write()
            && self.is_in_space(member, &header.space)
            && !self.closed()
            && self.erased(document).is_none()
            && (author.role.is_staff() || !self.locked(document))
            && self.cutoff(&header.log).is_none_or(|next| header.first >= next)
    }

    /// Where `log` ends because its member was removed or may not write any more: indices from there on are beyond what
    /// any of those had seen who decided it. `None` if nothing is cut. Somebody who writes again does so on new lanes:
    /// those that were cut stay so. What somebody says of their own log counts only as far as nobody else cut it who did
    /// not know of that.
    pub fn cutoff(&self, log: &Log) -> Option<u64> {
        let view = self.present();
        let events: Vec<At> = view
            .graph
            .of_member
            .get(&log.member)?
            .iter()
            .copied()
            .filter(|at| view.counts(*at))
            .collect();
        let cuts: Vec<(At, bool, u64)> = events
            .iter()
            .filter_map(|cut| {
                let mut parts = extensions(&view, *cut, log);
                parts.push(cutoffs(&view, *cut, log)?);
                let mut of_lane: Vec<&Cutoff> = Vec::new();
                for part in parts {
                    of_lane.extend(part.iter().filter(|cutoff| cutoff.lane == log.lane));
                }
                let is_lifted = events
                    .iter()
                    .any(|later| view.graph.is_before(*cut, *later) && lets_write(&view, *later));
                let named = of_lane
                    .iter()
                    .filter(|cutoff| cutoff.document == log.document)
                    .map(|cutoff| cutoff.next)
                    .max();
                let is_known = !of_lane.is_empty();
                let is_own = view.graph.node(*cut).entry.author() == log.member;
                (is_known || !is_lifted).then_some((*cut, is_own, named.unwrap_or(0)))
            })
            .collect();
        let is_overruled = |own: At| {
            cuts.iter()
                .any(|(other, is_own, _)| !is_own && !view.graph.is_before(own, *other))
        };
        cuts.iter()
            .filter(|(cut, is_own, _)| !is_own || !is_overruled(*cut))
            .map(|(.., next)| *next)
            .max()
    }
}

/// The cut-offs of an entry that lets the member of `log` write no more.
fn cutoffs<'a>(view: &View<'a>, at: At, log: &Log) -> Option<&'a [Cutoff]> {
    match view.graph.action(at) {
        Action::Remove { members, .. } => members
            .iter()
            .find(|removal| removal.member == log.member)
            .map(|removal| removal.cutoffs.as_slice()),
        Action::ChangeRole { role, cutoffs, .. } if !role.may_write() => Some(cutoffs),
        _ => None,
    }
}

/// What its author said before of logs of the same member that `cut` had no room for, and what leads said afterwards.
fn extensions<'a>(view: &View<'a>, cut: At, log: &Log) -> Vec<&'a [Cutoff]> {
    let author = |at: At| view.graph.node(at).entry.author();
    let of_member = view.graph.extensions.get(&log.member);
    let mut extensions = Vec::new();
    for at in of_member.into_iter().flatten().copied() {
        let is_part = view.graph.is_before(at, cut) && author(at) == author(cut);
        let is_later = view.graph.is_before(cut, at) && author(at) != log.member;
        if view.counts(at)
            && (is_part || is_later)
            && let Action::Extend { cutoffs, .. } = view.graph.action(at)
        {
            extensions.push(cutoffs.as_slice());
        }
    }
    extensions
}

fn lets_write(view: &View<'_>, at: At) -> bool {
    given(view, at).is_some_and(Role::may_write)
}

/// The role that an entry gives to the member whom it is about.
fn given(view: &View<'_>, at: At) -> Option<Role> {
    match view.graph.action(at) {
        Action::Remove { .. } => None,
        Action::ChangeRole { role, .. } => Some(*role),
        _ => view
            .graph
            .node(at)
            .admits
            .as_ref()
            .map(|admission| admission.role),
    }
}
