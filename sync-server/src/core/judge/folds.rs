//! Folds in the place of what they cover, and the way back.
//!
//! Only who can open a fold can tell whether it holds what it covers. So what it covers is kept for a while, served to
//! nobody, and a member who finds a difference says so. Then it is put back: the hashes of its chain, which ends with the
//! one that the fold itself names, prove that it is what the author wrote, whoever said that the fold is not. To say so of
//! an honest fold does no harm but to save nothing. If what it covers is not kept any more, members bring it.

use std::collections::BTreeMap;

use protocol::inventory::{LogState, VerdictName};
use protocol::segment::{Header, Log, Segment};
use protocol::verdict::Statement;
use protocol::{Refusal, SegmentHash};

use super::{Decision, Terms, storage};
use crate::core::batch::Pending;
use crate::store::{Change, Held};

impl Pending {
    /// A fold that begins at an index that is taken.
    pub(super) fn judge_fold(
        &mut self,
        fold: &Segment,
        hash: SegmentHash,
        covered: SegmentHash,
        next: u64,
        terms: Terms<'_>,
    ) -> Result<Decision, Refusal> {
        let Header { log, first, last, .. } = fold.header;
        if self.is_unsettled(&log) {
            return Ok(Decision::Wait);
        }
        let id = *self.classroom.id();
        let held_at = |index| {
            let held = terms.store.held(&id, &log, index);
            held.map_err(|error| storage(&error))
        };
        let Some((begin, here)) = self.segment_at(&log, first, terms)? else {
            if let Some(decision) = self.judge_mending(fold, hash, terms)? {
                return Ok(decision);
            }
            // What it begins with went behind a snapshot.
            return if last < next {
                Ok(Decision::Held)
            } else {
                Err(Refusal::FoldMismatch)
            };
        };
        if begin.hash == hash {
            return self.judge_again(fold, hash, &here, terms);
        }
        if begin.last > last || (begin.first < first && begin.last == last) {
            return Ok(Decision::Held);
        }
        if begin.first != first || begin.previous != fold.previous {
            return Err(Refusal::FoldMismatch);
        }
        // Of the runs it covers only those before the cut-off count, and nobody could tell them apart in it.
        let cutoff = self.roster().cutoff(&log);
        if begin.last < last && cutoff.is_some_and(|cutoff| first < cutoff && cutoff <= last) {
            return Err(Refusal::BeyondCutoff);
        }
        if last < next {
            let end = if begin.last == last {
                Some(begin)
            } else {
                held_at(last)?
            };
            if end.is_none_or(|end| end.last != last || end.chain_hash != covered) {
                return Err(Refusal::FoldMismatch);
            }
        }
        // Of two folds of the same segments the one with the smaller hash stays, wherever it was first.
        let is_fold = begin.chain_hash != begin.hash;
        if begin.last == last && is_fold && begin.hash < hash {
            return Ok(Decision::Held);
        }
        let replaced = terms
            .store
            .weight(self.classroom.id(), &log, first, last)
            .map_err(|error| storage(&error))?;
        self.check_covered(replaced, terms.limits)?;
        // One that makes room is taken by a classroom that is full as well.
        if fold.sealed.len() as u64 > replaced {
            self.check_room(fold.sealed.len(), terms.limits)?;
        }
        self.bytes = self.bytes.saturating_sub(replaced);
        self.covered += replaced;
        Ok(Decision::Store(vec![Change::Cover {
            log,
            from: first,
            to: last,
        }]))
    }

    /// A segment within a fold that somebody disputes: it is kept until all are there that the fold stands for. `None` for
    /// any other.
    pub(super) fn judge_part(
        &mut self,
        segment: &Segment,
        hash: SegmentHash,
        terms: Terms<'_>,
    ) -> Result<Option<Decision>, Refusal> {
        if !self.catalog.has_disputed_folds() {
            return Ok(None);
        }
        let Header { log, first, last, .. } = segment.header;
        let held = terms.store.held(self.classroom.id(), &log, first);
        let Some(fold) = held.map_err(|error| storage(&error))? else {
            return Ok(None);
        };
        let is_smaller = segment.header.kind.is_run() || last - first < fold.last - fold.first;
        if last > fold.last || !is_smaller || !is_fold(&fold) || !self.catalog.is_fold_disputed(&fold.hash) {
            return Ok(None);
        }
        if self.unfolded.contains(&log) {
            return Ok(Some(Decision::Wait));
        }
        let bytes = segment.sealed.len() as u64;
        self.check_covered(bytes, terms.limits)?;
        self.covered += bytes;
        self.parts.insert(log);
        Ok(Some(Decision::Keep(vec![Change::KeepCovered {
            hash,
            segment: segment.clone().into(),
        }])))
    }

    /// Somebody says that a fold holds something else than what it covers. If what it covers is here, that takes its place
    /// again.
    pub(super) fn judge_dispute(
        &mut self,
        statement: &Statement,
        bytes: usize,
        terms: Terms<'_>,
    ) -> Result<Decision, Refusal> {
        let name = VerdictName {
            snapshot: statement.snapshot,
            member: statement.member,
        };
        let is_known = self.catalog.verdict(&name).is_some();
        let fold = SegmentHash(statement.snapshot.0);
        let found = terms
            .store
            .fold(self.classroom.id(), &statement.document, &fold)
            .map_err(|error| storage(&error))?;
        let (Some((log, fold)), Some(space)) = (found, self.catalog.space_of(&statement.document)) else {
            return if is_known {
                Ok(Decision::Held)
            } else {
                Err(Refusal::UnknownParent)
            };
        };
        let roster = self.roster();
        if roster.member(&statement.member).is_none() {
            return Err(Refusal::NotAMember);
        }
        if !roster.is_in_space(&statement.member, &space) {
            return Err(Refusal::NotInSpace);
        }
        if statement.matches {
            // Nothing depends on that.
            return Ok(Decision::Held);
        }
        if self.is_unsettled(&log) || self.parts.contains(&log) {
            return Ok(Decision::Wait);
        }
        if !is_known {
            self.check_room(bytes, terms.limits)?;
        }
        let changes = self.unfold(&log, &fold, terms)?;
        Ok(match is_known {
            true if changes.is_empty() => Decision::Held,
            true => Decision::Keep(changes),
            false => Decision::Store(changes),
        })
    }

    /// Takes folds apart that a log's end lies within: of what they cover only what is before it counts, and nobody could tell
    /// that apart in them. No log may be unsettled. What can't be read now waits for the next time.
    pub(super) fn unfold_across_ends(&mut self, terms: Terms<'_>) -> Vec<Change> {
        let logs = terms.store.logs(self.classroom.id());
        let logs = logs.map_err(|error| storage(&error)).unwrap_or_default();
        logs.into_iter()
            .flat_map(|state| self.unfold_across_end(&state, terms).unwrap_or_default())
            .collect()
    }

    fn unfold_across_end(&mut self, state: &LogState, terms: Terms<'_>) -> Result<Vec<Change>, Refusal> {
        let log = state.log;
        let Some(end) = self.roster().cutoff(&log) else {
            return Ok(Vec::new());
        };
        if end <= state.first || end >= state.next {
            return Ok(Vec::new());
        }
        let held = terms.store.held(self.classroom.id(), &log, end);
        match held.map_err(|error| storage(&error))? {
            Some(fold) if fold.first < end => self.unfold(&log, &fold, terms),
            _ => Ok(Vec::new()),
        }
    }

    /// What puts the parts of a fold in its place, if they are all here.
    fn unfold(&mut self, log: &Log, fold: &Held, terms: Terms<'_>) -> Result<Vec<Change>, Refusal> {
        let covered = terms
            .store
            .covered(self.classroom.id(), log, fold.first, fold.last)
            .map_err(|error| storage(&error))?;
        let Some(parts) = parts_of(fold, &covered, |hash| self.catalog.is_fold_disputed(hash)) else {
            return Ok(Vec::new());
        };
        let position = self.next_position();
        self.last += parts.len() as u64;
        self.unfolded.insert(*log);
        Ok(vec![
            Change::RemoveSegments {
                log: *log,
                from: fold.last,
                to: fold.last,
            },
            Change::Uncover {
                log: *log,
                parts,
                position,
            },
        ])
    }

    /// Whether this batch changes what the store says of the segments of any log, or of what folds stand for.
    pub(super) fn is_any_unsettled(&self) -> bool {
        !(self.unfolded.is_empty() && self.parts.is_empty() && self.segments.is_empty())
    }

    /// Whether this batch changes what the store says of a log's segments.
    pub(super) fn is_unsettled(&self, log: &Log) -> bool {
        self.unfolded.contains(log) || self.segments.keys().any(|(placed, _)| placed == log)
    }
}

fn is_fold(held: &Held) -> bool {
    held.chain_hash != held.hash
}

/// The smallest segments that together are just what a fold stands for, in order; none of them may be disputed.
fn parts_of(
    fold: &Held,
    covered: &[Held],
    is_disputed: impl Fn(&SegmentHash) -> bool,
) -> Option<Vec<SegmentHash>> {
    // What goes on to the end of the fold from an index and the hash before it: the next part, the smallest first.
    let mut from: BTreeMap<(u64, SegmentHash), &Held> = BTreeMap::new();
    let mut backwards: Vec<&Held> = covered.iter().collect();
    backwards.sort_unstable_by_key(|part| std::cmp::Reverse((part.first, part.last, part.hash)));
    for part in backwards {
        let is_smaller = !is_fold(part) || part.last - part.first < fold.last - fold.first;
        let leads_on = if part.last == fold.last {
            part.chain_hash == fold.chain_hash
        } else {
            from.contains_key(&(part.last + 1, part.chain_hash))
        };
        if is_smaller && leads_on && !(is_fold(part) && is_disputed(&part.hash)) {
            from.insert((part.first, part.previous), part);
        }
    }
    let (mut parts, mut at) = (Vec::new(), (fold.first, fold.previous));
    while let Some(part) = from.get(&at) {
        parts.push(part.hash);
        at = (part.last + 1, part.chain_hash);
    }
    (!parts.is_empty()).then_some(parts)
}
