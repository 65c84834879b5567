//! Snapshots, their pieces, verdicts and receipts.

use std::sync::Arc;

use protocol::inventory::{ReceiptName, VerdictName};
use protocol::receipt::Receipt;
use protocol::segment::{Header, Kind, Log};
use protocol::snapshot::Snapshot;
use protocol::verdict::Verdict;
use protocol::{
    DocumentId, EntryHash, LaneId, MemberId, PieceHash, ReceiptHash, Refusal, SnapshotHash, SpaceId,
};

use super::{Decision, Terms, check_header, holds_what_is_gone, storage};
use crate::Error;
use crate::core::access::Bringer;
use crate::core::batch::Pending;
use crate::store::Change;

/// How many snapshots of a document are kept that are not confirmed.
const KEPT_SNAPSHOTS: usize = 3;

impl Pending {
    pub(in crate::core) fn judge_snapshot(
        &mut self,
        snapshot: &Snapshot,
        hash: SnapshotHash,
        bytes: usize,
        bringer: Bringer,
        terms: Terms<'_>,
    ) -> Result<Decision, Refusal> {
        self.check_bringer(bringer)?;
        if self.catalog.is_disputed(&hash, self.roster()) {
            return Err(Refusal::Disputed);
        }
        if self.catalog.snapshot(&hash).is_some() {
            return Ok(Decision::Held);
        }
        let header = &snapshot.header;
        self.check_author(
            &header.member,
            &header.document,
            header.space,
            header.epoch,
            &header.roster,
        )?;
        match self.catalog.space_of(&header.document) {
            Some(space) if space != header.space => return Err(Refusal::WrongSpace),
            Some(_) => {}
            // All its segments may be gone, here and elsewhere: then the snapshot is all there is. It may still not
            // bring more documents than there may be.
            None => self.check_documents(&header.document, terms.limits)?,
        }
        self.check_room(bytes, terms.limits)?;
        for piece in snapshot.pieces() {
            if !self.has_piece(piece, terms)? {
                return Err(Refusal::MissingPiece);
            }
        }
        let superseded = self
            .superseded(&header.document, terms)
            .map_err(|error| storage(&error))?;
        let removed = superseded
            .iter()
            .flat_map(|hash| self.catalog.remove_snapshot(hash));
        Ok(Decision::Store(
            removed.map(|position| Change::Remove { position }).collect(),
        ))
    }

    /// The snapshots of a document that go when there is one more: old ones that are not confirmed, but none that may
    /// be all there is of what went behind a snapshot.
    fn superseded(&self, document: &DocumentId, terms: Terms<'_>) -> Result<Vec<SnapshotHash>, Error> {
        let roster = Arc::clone(&self.committed_roster);
        let of_document = self.catalog.snapshots_of(document);
        let old: Vec<_> = of_document
            .filter(|(hash, _)| !self.catalog.is_confirmed(hash, &roster))
            .skip(KEPT_SNAPSHOTS - 1)
            .collect();
        if old.is_empty() {
            return Ok(Vec::new());
        }
        let mut logs = terms.store.logs(self.classroom.id())?;
        logs.retain(|state| state.log.document == *document);
        let is_anything_gone = logs.iter().any(|state| state.first > 0);
        let mut superseded = Vec::new();
        for (hash, place) in old {
            let holds_it = is_anything_gone
                && self
                    .snapshot_header(place.position, terms)?
                    .is_none_or(|header| holds_what_is_gone(&header, &logs));
            if !holds_it {
                superseded.push(*hash);
            }
        }
        Ok(superseded)
    }

    pub(in crate::core) fn judge_piece(
        &mut self,
        hash: PieceHash,
        bytes: &[u8],
        bringer: Bringer,
        terms: Terms<'_>,
    ) -> Result<Decision, Refusal> {
        self.check_bringer(bringer)?;
        if self.catalog.with_piece(&hash).next().is_some() || self.pieces.contains(&hash) {
            return Ok(Decision::Held);
        }
        self.check_room(bytes.len(), terms.limits)?;
        self.pieces.insert(hash);
        Ok(Decision::Keep(vec![Change::Piece {
            hash,
            bytes: bytes.into(),
        }]))
    }

    pub(in crate::core) fn judge_verdict(
        &mut self,
        verdict: &Verdict,
        bytes: usize,
        bringer: Bringer,
        terms: Terms<'_>,
    ) -> Result<Decision, Refusal> {
        self.check_bringer(bringer)?;
        let statement = &verdict.statement;
        let Some(snapshot) = self.catalog.snapshot(&statement.snapshot) else {
            return self.judge_dispute(statement, bytes, terms);
        };
        if snapshot.document != statement.document {
            return Err(Refusal::Malformed);
        }
        let roster = self.roster();
        if roster.member(&statement.member).is_none() {
            return Err(Refusal::NotAMember);
        }
        if !roster.is_in_space(&statement.member, &snapshot.space) {
            return Err(Refusal::NotInSpace);
        }
        let name = VerdictName {
            snapshot: statement.snapshot,
            member: statement.member,
        };
        self.check_room(bytes, terms.limits)?;
        match self.catalog.verdict(&name) {
            // Somebody who found a difference does not take it back.
            Some(known) if known.matches && !statement.matches => Ok(Decision::Store(vec![Change::Remove {
                position: known.position,
            }])),
            Some(_) => Ok(Decision::Held),
            None => Ok(Decision::Store(Vec::new())),
        }
    }

    pub(in crate::core) fn judge_receipt(
        &mut self,
        receipt: &Receipt,
        hash: ReceiptHash,
        bytes: usize,
        bringer: Bringer,
        terms: Terms<'_>,
    ) -> Result<Decision, Refusal> {
        self.check_bringer(bringer)?;
        let header = &receipt.header;
        let roster = self.roster();
        if roster.member(&header.member).is_none() {
            return Err(Refusal::NotAMember);
        }
        if !roster.is_in_space(&header.member, &header.space) {
            return Err(Refusal::NotInSpace);
        }
        let is_stated = |key: &protocol::key::KeyName| key.epoch == header.epoch;
        if !roster.keys_in(&header.space).iter().any(is_stated) {
            return Err(Refusal::WrongEpoch);
        }
        let name = ReceiptName {
            space: header.space,
            member: header.member,
        };
        match self.catalog.receipt(&name) {
            Some(known) if (known.count, known.hash) >= (header.count, hash) => Ok(Decision::Held),
            Some(known) => Ok(Decision::Store(vec![Change::Remove {
                position: known.position,
            }])),
            None => {
                self.check_room(bytes, terms.limits)?;
                Ok(Decision::Store(Vec::new()))
            }
        }
    }

    /// Whether somebody may write in a document, as if it were on a new lane.
    fn check_author(
        &self,
        member: &MemberId,
        document: &DocumentId,
        space: SpaceId,
        epoch: u32,
        roster: &[EntryHash],
    ) -> Result<(), Refusal> {
        let header = Header {
            kind: Kind::Run,
            log: Log {
                document: *document,
                member: *member,
                lane: LaneId([0; 16]),
            },
            first: 0,
            last: 0,
            space,
            epoch,
            roster: roster.to_vec(),
        };
        match check_header(self.roster(), &header, Bringer::Member(*member)) {
            // A snapshot writes nothing.
            Ok(_) | Err(Refusal::Locked | Refusal::ClassroomClosed) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    fn has_piece(&self, piece: &PieceHash, terms: Terms<'_>) -> Result<bool, Refusal> {
        if self.pieces.contains(piece) || self.catalog.with_piece(piece).next().is_some() {
            return Ok(true);
        }
        let held = terms
            .store
            .has_piece(self.classroom.id(), piece)
            .map_err(|error| storage(&error))?;
        Ok(held)
    }
}
