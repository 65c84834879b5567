//! What of a classroom is at hand as long as it is open, beside its roster: which documents, snapshots, verdicts and
//! receipts there are. Copies share what neither changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::inventory::{ReceiptName, VerdictName};
use protocol::receipt::Receipt;
use protocol::roster::{Role, Roster};
use protocol::snapshot::Snapshot;
use protocol::verdict::Verdict;
use protocol::{
    ClassroomId, DocumentId, MemberId, PieceHash, ReceiptHash, SegmentHash, SnapshotHash, SpaceId,
};

use crate::Error;
use crate::store::{Item, Placed, Store};

/// See the [module](self).
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalog {
    documents: Arc<BTreeMap<DocumentId, SpaceId>>,
    snapshots: Arc<BTreeMap<SnapshotHash, SnapshotPlace>>,
    /// The snapshots that have each piece: mostly one.
    pieces: Arc<BTreeMap<PieceHash, Vec<SnapshotHash>>>,
    verdicts: Arc<BTreeMap<VerdictName, VerdictPlace>>,
    /// The folds that somebody found to hold something else than what they cover.
    disputed_folds: Arc<BTreeSet<SegmentHash>>,
    receipts: Arc<BTreeMap<ReceiptName, ReceiptPlace>>,
    /// The documents that chunks of attachments belong to.
    attached: Arc<BTreeSet<DocumentId>>,
}

#[derive(Debug, Clone)]
pub(crate) struct SnapshotPlace {
    pub(crate) position: u64,
    pub(crate) document: DocumentId,
    pub(crate) space: SpaceId,
    pub(crate) member: MemberId,
    pub(crate) pieces: Vec<PieceHash>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct VerdictPlace {
    pub(crate) position: u64,
    pub(crate) matches: bool,
    pub(crate) document: DocumentId,
    pub(crate) space: SpaceId,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct ReceiptPlace {
    pub(crate) position: u64,
    pub(crate) count: u64,
    pub(crate) hash: ReceiptHash,
}

impl Catalog {
    /// Reads it from the store. Blocks.
    pub(crate) fn load(id: &ClassroomId, store: &dyn Store) -> Result<Self, Error> {
        let mut catalog = Self {
            documents: Arc::new(store.documents(id)?.into_iter().collect()),
            attached: Arc::new(store.attached(id)?.into_iter().collect()),
            ..Self::default()
        };
        for placed in store.extras(id)? {
            // Of what is damaged nobody is told; the rest is as good as before.
            if let Err(error) = catalog.add(&placed) {
                tracing::error!(
                    classroom = id.to_hex(),
                    position = placed.position,
                    error = &error as &dyn std::error::Error,
                    "an item is damaged and passed over"
                );
            }
        }
        Ok(catalog)
    }

    /// Takes an item in.
    pub(crate) fn add(&mut self, placed: &Placed) -> Result<(), Error> {
        let position = placed.position;
        match &placed.item {
            Item::Entry { .. } => {}
            Item::Segment { segment, .. } => {
                let header = &segment.header;
                if !self.documents.contains_key(&header.log.document) {
                    Arc::make_mut(&mut self.documents).insert(header.log.document, header.space);
                }
            }
            Item::Snapshot { hash, space, bytes } => {
                let snapshot = Snapshot::decode(bytes).map_err(|_| Error::Damaged("snapshot"))?;
                let place = SnapshotPlace {
                    position,
                    document: snapshot.header.document,
                    space: *space,
                    member: snapshot.header.member,
                    pieces: snapshot.pieces().to_vec(),
                };
                let pieces = Arc::make_mut(&mut self.pieces);
                for piece in &place.pieces {
                    pieces.entry(*piece).or_default().push(*hash);
                }
                Arc::make_mut(&mut self.snapshots).insert(*hash, place);
            }
            Item::Verdict { space, bytes } => {
                let statement = Verdict::decode(bytes)
                    .map_err(|_| Error::Damaged("verdict"))?
                    .statement;
                let name = VerdictName {
                    snapshot: statement.snapshot,
                    member: statement.member,
                };
                let place = VerdictPlace {
                    position,
                    matches: statement.matches,
                    document: statement.document,
                    space: *space,
                };
                if !statement.matches && !self.snapshots.contains_key(&statement.snapshot) {
                    Arc::make_mut(&mut self.disputed_folds).insert(SegmentHash(statement.snapshot.0));
                }
                Arc::make_mut(&mut self.verdicts).insert(name, place);
            }
            Item::Receipt { hash, space, bytes } => {
                let header = Receipt::decode(bytes)
                    .map_err(|_| Error::Damaged("receipt"))?
                    .header;
                let name = ReceiptName {
                    space: *space,
                    member: header.member,
                };
                let place = ReceiptPlace {
                    position,
                    count: header.count,
                    hash: *hash,
                };
                Arc::make_mut(&mut self.receipts).insert(name, place);
            }
        }
        Ok(())
    }

    /// Forgets a snapshot with its verdicts; answers with their positions.
    pub(crate) fn remove_snapshot(&mut self, hash: &SnapshotHash) -> Vec<u64> {
        let mut positions: Vec<u64> = self
            .verdicts_on(hash)
            .map(|(_, verdict)| verdict.position)
            .collect();
        if !positions.is_empty() {
            Arc::make_mut(&mut self.verdicts).retain(|name, _| name.snapshot != *hash);
        }
        let removed = Arc::make_mut(&mut self.snapshots).remove(hash);
        let pieces = Arc::make_mut(&mut self.pieces);
        for piece in removed.iter().flat_map(|snapshot| &snapshot.pieces) {
            let with_it = pieces.entry(*piece).or_default();
            with_it.retain(|snapshot| snapshot != hash);
            if with_it.is_empty() {
                pieces.remove(piece);
            }
        }
        positions.extend(removed.map(|snapshot| snapshot.position));
        positions
    }

    /// Forgets a document with its snapshots and their verdicts; answers with the positions of these.
    pub(crate) fn erase(&mut self, document: &DocumentId) -> Vec<u64> {
        Arc::make_mut(&mut self.documents).remove(document);
        Arc::make_mut(&mut self.attached).remove(document);
        let snapshots: Vec<SnapshotHash> = self.snapshots_of(document).map(|(hash, _)| *hash).collect();
        let mut positions: Vec<u64> = snapshots
            .iter()
            .flat_map(|hash| self.remove_snapshot(hash))
            .collect();
        let of_document = |verdict: &VerdictPlace| verdict.document == *document;
        let on_folds = self.verdicts.values().filter(|verdict| of_document(verdict));
        positions.extend(on_folds.map(|verdict| verdict.position));
        Arc::make_mut(&mut self.verdicts).retain(|_, verdict| !of_document(verdict));
        positions
    }

    /// Notes that a chunk belongs to a document.
    pub(crate) fn attach(&mut self, document: &DocumentId) {
        if !self.attached.contains(document) {
            Arc::make_mut(&mut self.attached).insert(*document);
        }
    }

    /// No chunk belongs to a document any more.
    pub(crate) fn detach(&mut self, document: &DocumentId) {
        Arc::make_mut(&mut self.attached).remove(document);
    }

    /// Whether there is anything of a document.
    pub(crate) fn knows(&self, document: &DocumentId) -> bool {
        self.has_items(document) || self.attached.contains(document)
    }

    /// Whether there is more of a document than chunks, or was.
    pub(crate) fn has_items(&self, document: &DocumentId) -> bool {
        self.documents.contains_key(document)
            // Its segments may all be gone, or never have come.
            || self.snapshots_of(document).next().is_some()
    }

    /// The documents that have chunks and nothing else.
    pub(crate) fn only_attached(&self) -> Vec<DocumentId> {
        let snapshots = self.without_segments();
        let attached = self.attached.iter();
        attached
            .filter(|document| !self.documents.contains_key(document) && !snapshots.contains(document))
            .copied()
            .collect()
    }

    /// Whether a member says that a fold holds something else than what it covers.
    pub(crate) fn is_fold_disputed(&self, hash: &SegmentHash) -> bool {
        self.disputed_folds.contains(hash)
    }

    pub(crate) fn has_disputed_folds(&self) -> bool {
        !self.disputed_folds.is_empty()
    }

    pub(crate) fn space_of(&self, document: &DocumentId) -> Option<SpaceId> {
        self.documents.get(document).copied()
    }

    pub(crate) fn documents(&self) -> impl Iterator<Item = &DocumentId> {
        self.documents.keys()
    }

    /// The space of each document.
    pub(crate) fn spaces(&self) -> impl Iterator<Item = &SpaceId> {
        self.documents.values()
    }

    /// How many documents there are beside this one, by segments or snapshots.
    pub(crate) fn document_count(&self, beside: &DocumentId) -> usize {
        let all = self.documents.len() + self.without_segments().len();
        all - usize::from(self.has_items(beside))
    }

    /// The documents that have snapshots, and of which there were no segments.
    fn without_segments(&self) -> BTreeSet<&DocumentId> {
        self.snapshots
            .values()
            .map(|snapshot| &snapshot.document)
            .filter(|document| !self.documents.contains_key(document))
            .collect()
    }

    pub(crate) fn snapshot(&self, hash: &SnapshotHash) -> Option<&SnapshotPlace> {
        self.snapshots.get(hash)
    }

    pub(crate) fn snapshots(&self) -> impl Iterator<Item = (&SnapshotHash, &SnapshotPlace)> {
        self.snapshots.iter()
    }

    /// The snapshots of a document, the newest first.
    pub(crate) fn snapshots_of(
        &self,
        document: &DocumentId,
    ) -> impl Iterator<Item = (&SnapshotHash, &SnapshotPlace)> {
        let mut snapshots: Vec<_> = self
            .snapshots
            .iter()
            .filter(|(_, snapshot)| snapshot.document == *document)
            .collect();
        snapshots.sort_unstable_by_key(|(_, snapshot)| std::cmp::Reverse(snapshot.position));
        snapshots.into_iter()
    }

    /// The snapshots that have a piece.
    pub(crate) fn with_piece(&self, piece: &PieceHash) -> impl Iterator<Item = &SnapshotPlace> {
        let named = self.pieces.get(piece).into_iter().flatten();
        named.filter_map(|snapshot| self.snapshots.get(snapshot))
    }

    pub(crate) fn verdict(&self, name: &VerdictName) -> Option<&VerdictPlace> {
        self.verdicts.get(name)
    }

    pub(crate) fn verdicts(&self) -> impl Iterator<Item = (&VerdictName, &VerdictPlace)> {
        self.verdicts.iter()
    }

    pub(crate) fn receipt(&self, name: &ReceiptName) -> Option<&ReceiptPlace> {
        self.receipts.get(name)
    }

    pub(crate) fn receipts(&self) -> impl Iterator<Item = (&ReceiptName, &ReceiptPlace)> {
        self.receipts.iter()
    }

    fn verdicts_on(&self, hash: &SnapshotHash) -> impl Iterator<Item = (&MemberId, &VerdictPlace)> {
        let any_member = |member| VerdictName {
            snapshot: *hash,
            member: MemberId(member),
        };
        self.verdicts
            .range(any_member([0; 32])..=any_member([0xff; 32]))
            .map(|(name, verdict)| (&name.member, verdict))
    }

    /// Whether a member says that the snapshot does not match. Against one that leads and teachers confirmed only the word
    /// of a lead or teacher counts.
    pub(crate) fn is_disputed(&self, hash: &SnapshotHash, roster: &Roster) -> bool {
        let disputed = |by_staff: bool| {
            self.verdicts_on(hash)
                .any(|(member, verdict)| !verdict.matches && (!by_staff || is_staff(roster, member)))
        };
        disputed(true) || (disputed(false) && !self.has_two_witnesses(hash, roster))
    }

    /// Whether leads or teachers of two schools, or two leads, compared the snapshot that somebody else made, and none
    /// of them says that it does not match. Others could be invited for it in any number.
    pub(crate) fn is_confirmed(&self, hash: &SnapshotHash, roster: &Roster) -> bool {
        !self.is_disputed(hash, roster) && self.has_two_witnesses(hash, roster)
    }

    fn has_two_witnesses(&self, hash: &SnapshotHash, roster: &Roster) -> bool {
        let Some(snapshot) = self.snapshots.get(hash) else {
            return false;
        };
        let members: Vec<_> = self
            .verdicts_on(hash)
            .filter(|(member, verdict)| verdict.matches && **member != snapshot.member)
            .filter_map(|(member, _)| roster.member(member))
            .filter(|member| member.role.is_staff())
            .collect();
        let leads = members.iter().filter(|member| member.role == Role::Lead).count();
        leads >= 2 || members.iter().any(|member| member.school != members[0].school)
    }
}

fn is_staff(roster: &Roster, member: &MemberId) -> bool {
    roster.member(member).is_some_and(|member| member.role.is_staff())
}
