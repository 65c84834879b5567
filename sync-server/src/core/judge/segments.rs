//! Where a segment goes in its log: behind the last, or as a fold in the place of what it covers (see `folds`).

use protocol::segment::{Header, Kind, Segment};
use protocol::snapshot::Snapshot;
use protocol::{Refusal, SegmentHash};

use super::{Decision, Terms, check_header, storage};
use crate::core::access::Bringer;
use crate::core::batch::Pending;
use crate::store::{Item, Tail};

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
                self.vouched = check_header(self.roster(), header, author).err();
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

    /// A run at an index that is taken.
    fn judge_known_run(
        &self,
        segment: &Segment,
        hash: SegmentHash,
        terms: Terms<'_>,
    ) -> Result<Decision, Refusal> {
        let header = &segment.header;
        if let Some(placed) = self.segments.get(&(header.log, header.first)) {
            return same(*placed == hash);
        }
        let held = terms
            .store
            .held(self.classroom.id(), &header.log, header.first)
            .map_err(|error| storage(&error))?;
        match held {
            Some(held) if held.last == header.last => same(held.chain_hash == hash),
            // Somewhere in a fold, where only the space's key could tell; or gone since a snapshot was confirmed that
            // holds it.
            _ => Ok(Decision::Held),
        }
    }

    /// Whether a snapshot that is here ends where the segment begins: what came before is in it, and not here.
    fn follows_a_snapshot(&self, segment: &Segment, terms: Terms<'_>) -> Result<bool, Refusal> {
        let header = &segment.header;
        for (hash, place) in self.catalog.snapshots_of(&header.log.document) {
            if self.catalog.is_disputed(hash, self.roster()) {
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
                .and_then(|snapshot| snapshot.header.covered(&header.log).copied());
            if covered.is_some_and(|lane| lane.next == header.first && lane.hash == segment.previous) {
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
    match kind {
        Kind::Run | Kind::Fold { .. } => Ok(()),
        Kind::Other(_) => Err(Refusal::UnsupportedVersion),
    }
}
