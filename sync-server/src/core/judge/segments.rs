//! Where a segment goes in its log: behind the last, or as a fold in the place of what it covers (see `folds`).

use protocol::segment::{Header, Kind, Log, Segment};
use protocol::snapshot::{CoveredLane, Snapshot};
use protocol::{Refusal, SegmentHash, SnapshotHash};

use super::{Decision, Terms, check_header, storage};
use crate::core::access::Bringer;
use crate::core::batch::Pending;
use crate::store::{Change, Held, Item, Named, Tail};

impl Pending {
    pub(in crate::core) fn judge_segment(
        &mut self,
        segment: &Segment,
        hash: SegmentHash,
        bringer: Bringer,
        terms: Terms<'_>,
    ) -> Result<Decision, Refusal> {
        let header = &segment.header;
        self.check_bringer(bringer)?;
        if !self.is_known_to_fit(header) {
            if check_header(self.roster(), header, bringer)? {
                self.remember_fit(header);
            } else {
                let author = Bringer::Member(header.log.member);
                let refused = check_header(self.roster(), header, author).err();
                // Its author may bring no more than what lies beyond, themselves.
                self.vouched = refused.or(Some(Refusal::BeyondCutoff));
            }
        }
        let is_new = match self.catalog.space_of(&header.log.document) {
            Some(space) if space != header.space => return Err(Refusal::WrongSpace),
            Some(_) => false,
            None => true,
        };
        let tail = self.tail(header, terms)?;
        let next = tail.map_or(0, |tail| tail.index.saturating_add(1));
        if matches!(header.kind, Kind::Fold { .. }) && self.catalog.is_fold_disputed(&hash) {
            return Err(Refusal::Disputed);
        }
        let decision = if header.first > next {
            if !self.follows_a_snapshot(segment, terms)? {
                return Err(Refusal::IndexGap);
            }
            Decision::Store(Vec::new())
        } else if header.first == next {
            if segment.previous != tail.map_or(SegmentHash::NONE, |tail| tail.hash) {
                return Err(Refusal::Fork);
            }
            Decision::Store(Vec::new())
        } else if let Some(decision) = self.judge_part(segment, hash, terms)? {
            decision
        } else {
            return match header.kind {
                Kind::Fold { covered } => self.judge_fold(segment, hash, covered, next, terms),
                _ => self.judge_known_run(segment, hash, terms),
            };
        };
        if matches!(decision, Decision::Store(_)) {
            if is_new {
                self.check_documents(&header.log.document, terms.limits)?;
            }
            self.check_room(segment.sealed.len(), terms.limits)?;
        }
        Ok(decision)
    }

    /// A segment in the place of one that was damaged, so that it can't be read: it is that one if it was stored as such, or
    /// if what stands behind it, or the end of its log, names its chain hash. So is one that never came, because a log went on
    /// behind a snapshot that holds it. `None` for any other.
    pub(super) fn judge_mending(
        &mut self,
        segment: &Segment,
        hash: SegmentHash,
        terms: Terms<'_>,
    ) -> Result<Option<Decision>, Refusal> {
        let Header { log, first, last, .. } = segment.header;
        let id = *self.classroom.id();
        if self.segments.contains_key(&(log, last.saturating_add(1))) {
            // What names it shows with the next batch.
            return Ok(Some(Decision::Wait));
        }
        // By what is committed, as what is asked of the store below. One row each: anybody may bring what went on purpose.
        let tail = terms.store.tail(&id, &log).map_err(|error| storage(&error))?;
        let Some(tail) = tail.filter(|tail| last <= tail.index) else {
            return Ok(None);
        };
        let damaged = terms.store.named(&id, &log, first, last);
        let damaged = damaged.map_err(|error| storage(&error))?;
        let is_known = damaged == Some(Named { first, last, hash });
        if !is_known {
            // More went with it than this.
            if damaged.is_some_and(|damaged| damaged.first < first) {
                return Ok(None);
            }
            let behind = if last == tail.index {
                Some(tail.hash)
            } else {
                let held = terms.store.held(&id, &log, last + 1);
                let held = held.map_err(|error| storage(&error))?;
                held.filter(|held| held.first == last + 1)
                    .map(|held| held.previous)
            };
            if behind.is_none() || behind != segment.chain_hash(&id).ok() {
                return Ok(None);
            }
        }
        if self.is_unsettled(&log) {
            // What is there shows with the next batch.
            return Ok(Some(Decision::Wait));
        }
        if !is_known {
            let here = terms.store.log(&id, &log, first, last.saturating_add(1), 0);
            if !here.map_err(|error| storage(&error))?.is_empty() || self.may_have_gone(&log, first, terms)? {
                return Ok(None);
            }
        }
        self.mend(segment, terms).map(Some)
    }

    /// Whether what is not here of a log at an index may have gone on purpose: that goes from the first on, and a confirmed
    /// snapshot holds it.
    fn may_have_gone(&self, log: &Log, index: u64, terms: Terms<'_>) -> Result<bool, Refusal> {
        let before = terms
            .store
            .stored_before(self.classroom.id(), log, index, u64::MAX);
        if before.map_err(|error| storage(&error))?.is_some() {
            return Ok(false);
        }
        let counts = |hash: &SnapshotHash| self.catalog.is_confirmed(hash, self.roster());
        self.is_in_a_snapshot(log, counts, |lane| lane.next > index, terms)
    }

    /// A segment that is here already, or in the place of what is kept under its name if that was damaged: its author did not
    /// sign that.
    pub(super) fn judge_again(
        &mut self,
        segment: &Segment,
        hash: SegmentHash,
        here: &Segment,
        terms: Terms<'_>,
    ) -> Result<Decision, Refusal> {
        let is_whole = || here.verify(self.classroom.id()).is_ok_and(|named| named == hash);
        if here == segment || is_whole() {
            return Ok(Decision::Held);
        }
        self.mend(segment, terms)
    }

    /// Puts a segment in the place of what is damaged there.
    fn mend(&mut self, segment: &Segment, terms: Terms<'_>) -> Result<Decision, Refusal> {
        let Header { log, first, last, .. } = segment.header;
        if self.is_unsettled(&log) {
            // What is there shows with the next batch.
            return Ok(Decision::Wait);
        }
        let damaged = terms.store.weight(self.classroom.id(), &log, first, last);
        let damaged = damaged.map_err(|error| storage(&error))?;
        let more = (segment.sealed.len() as u64).saturating_sub(damaged);
        if more > 0 {
            self.check_room(more as usize, terms.limits)?;
        }
        self.bytes = self.bytes.saturating_sub(damaged);
        Ok(Decision::Store(vec![Change::RemoveSegments {
            log,
            from: first,
            to: last,
        }]))
    }

    /// The segment that covers an index of a log, with what its row says of it.
    pub(super) fn segment_at(
        &self,
        log: &Log,
        index: u64,
        terms: Terms<'_>,
    ) -> Result<Option<(Held, Box<Segment>)>, Refusal> {
        let at = terms
            .store
            .log(self.classroom.id(), log, index, index.saturating_add(1), 0);
        let mut at = at.map_err(|error| storage(&error))?;
        Ok(at.pop().and_then(|placed| {
            let held = placed.item.held()?;
            match placed.item {
                Item::Segment { segment, .. } => Some((held, segment)),
                _ => None,
            }
        }))
    }

    /// A run at an index that is taken.
    fn judge_known_run(
        &mut self,
        segment: &Segment,
        hash: SegmentHash,
        terms: Terms<'_>,
    ) -> Result<Decision, Refusal> {
        let header = &segment.header;
        if let Some(placed) = self.segments.get(&(header.log, header.first)) {
            return same(*placed == hash);
        }
        let Some((held, here)) = self.segment_at(&header.log, header.first, terms)? else {
            // Gone since a snapshot was confirmed that holds it, or damaged.
            return Ok(self
                .judge_mending(segment, hash, terms)?
                .unwrap_or(Decision::Held));
        };
        if held.hash == hash {
            return self.judge_again(segment, hash, &here, terms);
        }
        if held.last == header.last {
            return same(held.chain_hash == hash);
        }
        // Somewhere in a fold, where only the space's key could tell.
        Ok(Decision::Held)
    }

    /// Whether a snapshot that is here ends where the segment begins: what came before is in it, and not here.
    fn follows_a_snapshot(&self, segment: &Segment, terms: Terms<'_>) -> Result<bool, Refusal> {
        let header = &segment.header;
        let ends_there = |lane: &CoveredLane| lane.next == header.first && lane.hash == segment.previous;
        let counts = |hash: &SnapshotHash| !self.catalog.is_disputed(hash, self.roster());
        self.is_in_a_snapshot(&header.log, counts, ends_there, terms)
    }

    /// Whether a snapshot that is here and counts covers a log just so.
    fn is_in_a_snapshot(
        &self,
        log: &Log,
        counts: impl Fn(&SnapshotHash) -> bool,
        is_so: impl Fn(&CoveredLane) -> bool,
        terms: Terms<'_>,
    ) -> Result<bool, Refusal> {
        for (hash, place) in self.catalog.snapshots_of(&log.document) {
            if !counts(hash) {
                continue;
            }
            let placed = terms
                .store
                .at(self.classroom.id(), place.position)
                .map_err(|error| storage(&error))?;
            let Some(Item::Snapshot { bytes, .. }) = placed.map(|placed| placed.item) else {
                continue;
            };
            let covered = Snapshot::decode(&bytes)
                .ok()
                .and_then(|snapshot| snapshot.header.covered(log).copied());
            if covered.as_ref().is_some_and(&is_so) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The end of a segment's log, with what this batch put there.
    fn tail(&mut self, header: &Header, terms: Terms<'_>) -> Result<Option<Tail>, Refusal> {
        if let Some(tail) = self.tails.get(&header.log) {
            return Ok(*tail);
        }
        let tail = terms
            .store
            .tail(self.classroom.id(), &header.log)
            .map_err(|error| storage(&error))?;
        self.tails.insert(header.log, tail);
        Ok(tail)
    }
}

fn same(is_same: bool) -> Result<Decision, Refusal> {
    if is_same {
        Ok(Decision::Held)
    } else {
        Err(Refusal::Fork)
    }
}

/// Whether this relay knows what kind of segment it is.
pub(in crate::core) fn check_kind(kind: Kind) -> Result<(), Refusal> {
    if kind.is_known() {
        Ok(())
    } else {
        Err(Refusal::UnsupportedVersion)
    }
}
