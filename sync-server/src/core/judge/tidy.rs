//! What a relay throws away by itself: pieces that no snapshot names, chunks of documents that never came, what folds took
//! the place of when its time is over, and after the classroom's time segments that a confirmed snapshot holds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use protocol::inventory::LogState;
use protocol::mischief::{Mischief, does};
use protocol::snapshot::{Header, Snapshot};
use protocol::{DocumentId, PieceHash, SnapshotHash};

use super::Terms;
use crate::Error;
use crate::core::batch::Pending;
use crate::store::{Change, Item};

/// What of a log can be compared with what a snapshot says of it.
enum Agreement {
    Same { next: u64 },
    Differs,
    Unknown,
}

/// For how long a piece may wait for a snapshot that names it.
const PIECES: Duration = Duration::from_secs(60 * 60);

/// For how long a chunk may wait for the document that it belongs to.
const CHUNKS: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Pending {
    /// What may go now. Nothing else of the classroom may be in the batch.
    pub(in crate::core) fn tidy(&mut self, terms: Terms<'_>) -> Result<Vec<Change>, Error> {
        let mut changes = Vec::new();
        if let Some(retention) = terms.limits.retention {
            let logs = terms.store.logs(self.classroom.id())?;
            let documents: Vec<DocumentId> = self.catalog.documents().copied().collect();
            let before = terms.now.saturating_sub(retention.as_secs());
            for document in documents {
                let of_document = logs.iter().filter(|state| state.log.document == document);
                changes.extend(self.drop_covered(
                    &document,
                    &of_document.copied().collect::<Vec<_>>(),
                    before,
                    terms,
                )?);
            }
        }
        // Those whose log came to end with an entry that says nothing of it.
        changes.extend(self.unfold_across_ends(terms));
        let before = terms.now.saturating_sub(terms.limits.covered.as_secs());
        let since = terms.store.covered_since(self.classroom.id())?;
        if since.is_some_and(|since| since < before) {
            changes.push(Change::ForgetCovered { before });
        }
        let named: BTreeSet<PieceHash> = self
            .catalog
            .snapshots()
            .flat_map(|(_, snapshot)| snapshot.pieces.iter().copied())
            .collect();
        let before = terms.now.saturating_sub(PIECES.as_secs());
        for piece in terms.store.pieces(self.classroom.id())? {
            if piece.stored < before && !named.contains(&piece.hash) {
                changes.push(Change::RemovePiece { hash: piece.hash });
            }
        }
        changes.extend(self.drop_chunks(terms)?);
        Ok(changes)
    }

    /// Drops the chunks of documents that have nothing else, once these have waited long enough.
    fn drop_chunks(&mut self, terms: Terms<'_>) -> Result<Vec<Change>, Error> {
        let before = terms.now.saturating_sub(CHUNKS.as_secs());
        let mut changes = Vec::new();
        for document in self.catalog.only_attached() {
            let since = terms.store.claimed_since(self.classroom.id(), &document)?;
            let Some((_, last)) = since.filter(|(first, _)| *first < before) else {
                continue;
            };
            if last < before {
                self.catalog.detach(&document);
            }
            changes.push(Change::Unclaim { document, before });
        }
        Ok(changes)
    }

    /// Drops what the newest confirmed snapshot of a document holds, and the confirmed ones before it.
    fn drop_covered(
        &mut self,
        document: &DocumentId,
        logs: &[LogState],
        before: u64,
        terms: Terms<'_>,
    ) -> Result<Vec<Change>, Error> {
        let roster = Arc::clone(&self.committed_roster);
        let confirmed: Vec<(SnapshotHash, u64)> = self
            .catalog
            .snapshots_of(document)
            .filter(|(hash, _)| {
                self.catalog.is_confirmed(hash, &roster) || does(Mischief::UnconfirmedDropped)
            })
            .map(|(hash, snapshot)| (*hash, snapshot.position))
            .collect();
        let mut changes = Vec::new();
        for (at, (_, position)) in confirmed.iter().enumerate() {
            let Some(header) = self.snapshot_header(*position, terms)? else {
                continue;
            };
            if !holds_what_is_gone(&header, logs) {
                continue;
            }
            let mut may_go = Vec::new();
            let mut differs = false;
            for state in logs {
                match self.agreement(&header, state, terms)? {
                    Agreement::Same { next } => may_go.push((state.log, next)),
                    Agreement::Differs => differs = true,
                    Agreement::Unknown => {}
                }
            }
            // Whoever confirmed it, it is not what is here.
            if differs {
                continue;
            }
            for (log, next) in may_go {
                let id = self.classroom.id();
                if let Some(to) = terms.store.stored_before(id, &log, next, before)? {
                    changes.push(Change::RemoveSegments { log, from: 0, to });
                }
            }
            for (older, _) in &confirmed[at + 1..] {
                let removed = self.catalog.remove_snapshot(older);
                changes.extend(removed.into_iter().map(|position| Change::Remove { position }));
            }
            break;
        }
        Ok(changes)
    }

    /// Whether a snapshot covers a log up to the segment that ends there.
    fn agreement(&self, header: &Header, state: &LogState, terms: Terms<'_>) -> Result<Agreement, Error> {
        let Some(covered) = header.covered(&state.log) else {
            return Ok(Agreement::Unknown);
        };
        let Some(last) = covered.next.checked_sub(1) else {
            return Ok(Agreement::Unknown);
        };
        let held = terms.store.held(self.classroom.id(), &state.log, last)?;
        Ok(match held {
            Some(held) if held.last == last && held.chain_hash == covered.hash => {
                Agreement::Same { next: covered.next }
            }
            Some(held) if held.last == last => Agreement::Differs,
            // It ends within a fold, or where everything went before.
            Some(_) => Agreement::Unknown,
            None if last < state.first => Agreement::Unknown,
            None => Agreement::Differs,
        })
    }

    pub(super) fn snapshot_header(&self, position: u64, terms: Terms<'_>) -> Result<Option<Header>, Error> {
        let placed = terms.store.at(self.classroom.id(), position)?;
        Ok(match placed.map(|placed| placed.item) {
            Some(Item::Snapshot { bytes, .. }) => {
                Snapshot::decode(&bytes).ok().map(|snapshot| snapshot.header)
            }
            _ => None,
        })
    }
}

/// Whether a snapshot holds all segments of its document that are here no more.
pub(in crate::core) fn holds_what_is_gone(header: &Header, logs: &[LogState]) -> bool {
    logs.iter()
        .filter(|state| state.log.document == header.document && state.first > 0)
        .all(|state| {
            header
                .covered(&state.log)
                .is_some_and(|lane| lane.next >= state.first)
        })
}
