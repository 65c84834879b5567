//! What a sender wants from the store, so that whoever drives it can read where it may block.

use std::sync::Arc;

use protocol::inventory::{Inventory, LogRange, LogState, MAX_NAMES, ReceiptState, SnapshotState, Wanted};
use protocol::snapshot::{Header, Snapshot};
use protocol::{DocumentId, EntryHash, SnapshotHash};

use super::access::Sees;
use super::catalog::Catalog;
use super::classroom::{AtHand, Classroom};
use super::judge::holds_what_is_gone;
use crate::Error;
use crate::store::{Item, Placed, Store};

/// How much is read of a classroom at a time, so that other channels get their turn.
pub(super) const PAGE: usize = 128 * 1024;

/// Something that is wanted from the store.
#[derive(Debug)]
pub(crate) struct Read {
    pub(super) classroom: Arc<Classroom>,
    pub(super) sees: Arc<Sees>,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// The items behind a position.
    Page { after: u64 },
    /// The snapshot to begin a document with.
    Snapshot { document: DocumentId },
    /// The names of everything.
    Inventory,
    /// Some of these.
    Fetch(Box<Wanted>),
}

/// What was read.
#[derive(Debug)]
pub(crate) enum Done {
    /// With the position of the newest item then.
    Page(Vec<Placed>, u64),
    /// Nothing if there is none that serves.
    Snapshot(Option<Served>),
    Inventory(Vec<Inventory>),
    /// What was found of those asked for, and what is still to be looked for.
    Fetched(Vec<Found>, Option<Box<Wanted>>),
    Failed,
}

/// A snapshot that is served, encoded, and what it says about itself.
#[derive(Debug)]
pub(crate) struct Served {
    pub(super) header: Box<Header>,
    pub(super) bytes: Vec<u8>,
}

/// Something that was asked for by name.
#[derive(Debug)]
pub(crate) enum Found {
    Item(Item),
    Piece(Vec<u8>),
}

impl Read {
    /// Blocks.
    pub(crate) fn run(self, store: &dyn Store) -> Done {
        self.try_run(store).unwrap_or_else(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "cannot read from the store"
            );
            Done::Failed
        })
    }

    fn try_run(self, store: &dyn Store) -> Result<Done, Error> {
        let id = self.classroom.id();
        // Who waits for what is stored, but not known yet, may be the only one who is here.
        self.classroom.settle(store)?;
        Ok(match self.what {
            What::Page { after } => {
                let page = store.page(id, after, PAGE)?;
                // In this order: what took something out of the page is not behind it.
                let last = store.totals(id)?.map_or(0, |totals| totals.last);
                Done::Page(page, last)
            }
            What::Snapshot { document } => Done::Snapshot(snapshot_for(&self.classroom, &document, store)?),
            What::Inventory => {
                let at_hand = self.classroom.at_hand();
                let logs = store.logs(id)?;
                Done::Inventory(inventory(&at_hand, &self.sees, logs))
            }
            What::Fetch(wanted) => fetch(&self.classroom, &self.sees, wanted, store)?,
        })
    }
}

/// The newest snapshot of a document that nobody disputes and that holds all that is here no more.
fn snapshot_for(
    classroom: &Classroom,
    document: &DocumentId,
    store: &dyn Store,
) -> Result<Option<Served>, Error> {
    let AtHand { roster, catalog, .. } = classroom.at_hand();
    let mut logs: Option<Vec<LogState>> = None;
    for (hash, place) in catalog.snapshots_of(document) {
        if catalog.is_disputed(hash, &roster) {
            continue;
        }
        let placed = store.at(classroom.id(), place.position)?;
        let Some(Item::Snapshot { bytes, .. }) = placed.map(|placed| placed.item) else {
            continue;
        };
        let snapshot = Snapshot::decode(&bytes).map_err(|_| Error::Damaged("snapshot"))?;
        let logs = match &logs {
            Some(logs) => logs,
            None => logs.insert(store.logs(classroom.id())?),
        };
        if holds_what_is_gone(&snapshot.header, logs) {
            let header = Box::new(snapshot.header);
            return Ok(Some(Served { header, bytes }));
        }
    }
    Ok(None)
}

/// The names of what somebody may read, in parts; at least one.
fn inventory(at_hand: &AtHand, sees: &Sees, mut logs: Vec<LogState>) -> Vec<Inventory> {
    let AtHand { roster, catalog, .. } = at_hand;
    logs.retain(|state| sees_document(catalog, sees, &state.log.document));
    let entries: Vec<EntryHash> = roster
        .entries_in_order()
        .iter()
        .map(|entry| entry.hash())
        .collect();
    let snapshots: Vec<SnapshotState> = catalog
        .snapshots()
        .filter(|(_, snapshot)| sees.space(&snapshot.space))
        .map(|(hash, snapshot)| SnapshotState {
            document: snapshot.document,
            hash: *hash,
        })
        .collect();
    let verdicts: Vec<_> = catalog
        .verdicts()
        .filter(|(_, verdict)| sees.space(&verdict.space))
        .map(|(name, _)| *name)
        .collect();
    let receipts: Vec<ReceiptState> = catalog
        .receipts()
        .filter(|(name, _)| sees.space(&name.space))
        .map(|(name, receipt)| ReceiptState {
            name: *name,
            count: receipt.count,
            hash: receipt.hash,
        })
        .collect();
    let longest = entries
        .len()
        .max(logs.len())
        .max(snapshots.len())
        .max(verdicts.len())
        .max(receipts.len());
    (0..longest.div_ceil(MAX_NAMES).max(1))
        .map(|part| Inventory {
            entries: part_of(&entries, part),
            logs: part_of(&logs, part),
            snapshots: part_of(&snapshots, part),
            verdicts: part_of(&verdicts, part),
            receipts: part_of(&receipts, part),
        })
        .collect()
}

fn part_of<T: Clone>(list: &[T], part: usize) -> Vec<T> {
    list.chunks(MAX_NAMES).nth(part).unwrap_or_default().to_vec()
}

fn sees_document(catalog: &Catalog, sees: &Sees, document: &DocumentId) -> bool {
    catalog.space_of(document).is_some_and(|space| sees.space(&space))
}

/// Looks for what is wanted until there is enough for now.
fn fetch(
    classroom: &Classroom,
    sees: &Sees,
    mut wanted: Box<Wanted>,
    store: &dyn Store,
) -> Result<Done, Error> {
    let AtHand { roster, catalog, .. } = classroom.at_hand();
    let id = classroom.id();
    let (mut found, mut size) = (Vec::new(), 0);
    let mut item_at = |position: Option<u64>| -> Result<usize, Error> {
        let placed = match position {
            Some(position) => store.at(id, position)?,
            None => None,
        };
        let item = placed
            .map(|placed| placed.item)
            .filter(|item| sees.item(item.space()));
        let size = item.as_ref().map_or(0, Item::size);
        found.extend(item.map(Found::Item));
        Ok(size)
    };
    while size < PAGE {
        if let Some(snapshot) = first(&mut wanted.snapshots) {
            let newest = |hash: &SnapshotHash| !catalog.is_disputed(hash, &roster);
            let place = catalog.snapshots_of(&snapshot).find(|(hash, _)| newest(hash));
            size += item_at(place.map(|(_, place)| place.position))?;
        } else if let Some(name) = first(&mut wanted.verdicts) {
            size += item_at(catalog.verdict(&name).map(|verdict| verdict.position))?;
        } else if let Some(name) = first(&mut wanted.receipts) {
            size += item_at(catalog.receipt(&name).map(|receipt| receipt.position))?;
        } else {
            break;
        }
        // What is not there costs something, too.
        size += 64;
    }
    while size < PAGE {
        if let Some(hash) = first(&mut wanted.entries) {
            if let Some(entry) = roster.entry(&hash) {
                let bytes = entry.encode().map_err(|_| Error::Damaged("roster"))?;
                size += bytes.len();
                found.push(Found::Item(Item::Entry { hash, bytes }));
            }
        } else if let Some(hash) = first(&mut wanted.pieces) {
            let is_readable = catalog.with_piece(&hash).any(|place| sees.space(&place.space));
            let piece = if is_readable {
                store.piece(id, &hash)?
            } else {
                None
            };
            size += piece.as_ref().map_or(0, Vec::len);
            found.extend(piece.map(Found::Piece));
        } else if let Some(range) = first(&mut wanted.logs) {
            if !sees_document(&catalog, sees, &range.log.document) {
                continue;
            }
            let LogRange { log, from, to } = range;
            let segments = store.log(id, &log, from, to, PAGE.saturating_sub(size).max(1))?;
            let last = segments.last().and_then(|placed| placed.item.held());
            size += segments.iter().map(|placed| placed.item.size()).sum::<usize>();
            found.extend(segments.into_iter().map(|placed| Found::Item(placed.item)));
            if let Some(last) = last
                && last.last + 1 < to
            {
                let from = last.last + 1;
                wanted.logs.insert(0, LogRange { log, from, to });
            }
        } else {
            return Ok(Done::Fetched(found, None));
        }
        size += 64;
    }
    Ok(Done::Fetched(found, Some(wanted)))
}

/// Takes the first out: entries are asked for with parents before children.
fn first<T>(list: &mut Vec<T>) -> Option<T> {
    (!list.is_empty()).then(|| list.remove(0))
}
