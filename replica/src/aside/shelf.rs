//! What one classroom has kept aside. Of every item there is what is said of it; the item itself is at hand only if it may
//! pass later, and as far as there is room: the others are read from the store when they are wanted.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Values};
use std::ops::Bound;

use protocol::segment::Log;
use protocol::{DocumentId, MemberId, SnapshotHash};

use crate::store::AsideReason;

/// The most items, and about the most bytes, of one classroom that are at hand to be tried again.
const MOST_HERE: usize = 2_000;
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// How many items, and about how many bytes, are read at once to be tried again.
const READ_AT_ONCE: usize = 64;
const READ_BYTES: u64 = 4 * 1024 * 1024;

/// Something that is kept aside.
pub(crate) struct Aside {
    pub(crate) reason: AsideReason,
    /// Whose it is, as far as it says.
    pub(crate) from: Option<MemberId>,
    pub(crate) document: Option<DocumentId>,
    pub(crate) what: What,
    pub(crate) bytes: u64,
    /// `None` if it is in the store only.
    pub(crate) item: Option<Vec<u8>>,
}

/// What kind of item it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Entry,
    /// With its first and last index.
    Segment(Log, u64, u64),
    Snapshot(SnapshotHash),
    /// A bare change, or what cannot be read.
    Other,
}

/// In the order in which items are tried again: those of a log one after the other. Then the key.
type Place = (Option<(Log, u64)>, Vec<u8>);

#[derive(Default)]
pub(crate) struct Shelf {
    items: BTreeMap<Vec<u8>, Aside>,
    /// Those that may pass later.
    waiting: BTreeSet<Place>,
    /// Those to be tried now; of them, those to be read before.
    due: BTreeSet<Place>,
    away: BTreeSet<Place>,
    /// Whether something happened that may let those that are away pass, since they were begun to be read.
    again: bool,
    is_reading: bool,
    /// What is at hand.
    here: usize,
    bytes: usize,
    /// How many lie beyond a cut-off.
    beyond: usize,
}

impl Aside {
    fn place(&self, key: &[u8]) -> Place {
        let log = match self.what {
            What::Segment(log, first, _) => Some((log, first)),
            What::Entry | What::Snapshot(_) | What::Other => None,
        };
        (log, key.to_vec())
    }

    fn may_pass_later(&self) -> bool {
        matches!(
            self.reason,
            AsideReason::UnknownRoster
                | AsideReason::UnknownKey
                | AsideReason::OutOfOrder
                | AsideReason::BeyondCutoff
                | AsideReason::Locked
                | AsideReason::Closed
        )
    }

    fn may_pass_in_another_version(&self) -> bool {
        matches!(
            self.reason,
            AsideReason::Unreadable
                | AsideReason::NewerVersion
                | AsideReason::CannotOpen
                | AsideReason::BadChange
                | AsideReason::FoldDiffers
        )
    }
}

impl Shelf {
    pub(crate) fn put(&mut self, key: Vec<u8>, mut aside: Aside) {
        self.remove(&key);
        self.beyond += usize::from(aside.reason == AsideReason::BeyondCutoff);
        if aside.may_pass_later() {
            self.waiting.insert(aside.place(&key));
            let bytes = aside.item.as_ref().map_or(0, Vec::len);
            if self.here >= MOST_HERE || self.bytes + bytes > MOST_BYTES {
                aside.item = None;
            }
        } else {
            aside.item = None;
        }
        self.count(&aside);
        self.items.insert(key, aside);
    }

    fn count(&mut self, aside: &Aside) {
        if let Some(item) = &aside.item {
            self.here += 1;
            self.bytes += item.len();
        }
    }

    /// Whether it was there.
    pub(crate) fn remove(&mut self, key: &[u8]) -> bool {
        let Some(aside) = self.items.remove(key) else {
            return false;
        };
        self.beyond -= usize::from(aside.reason == AsideReason::BeyondCutoff);
        self.waiting.remove(&aside.place(key));
        if let Some(item) = &aside.item {
            self.here -= 1;
            self.bytes -= item.len();
        }
        true
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&Aside> {
        self.items.get(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn values(&self) -> Values<'_, Vec<u8>, Aside> {
        self.items.values()
    }

    /// The keys of what is of a document, but for what `is_kept` says.
    pub(crate) fn keys_of(&self, document: &DocumentId, is_kept: impl Fn(&Aside) -> bool) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        for (key, aside) in &self.items {
            if aside.document == Some(*document) && !is_kept(aside) {
                keys.push(key.clone());
            }
        }
        keys
    }

    pub(crate) fn holds_beyond(&self) -> bool {
        self.beyond > 0
    }

    /// Has everything tried that may pass later; `all`: what another version kept as well.
    pub(crate) fn everything_is_due(&mut self, all: bool) {
        if all {
            for (key, aside) in &self.items {
                if aside.may_pass_in_another_version() {
                    self.away.insert(aside.place(key));
                }
            }
        }
        // Those that are away are gone through from the first to the last before they are begun with again.
        let is_begun = self.is_reading || !self.away.is_empty();
        for place in &self.waiting {
            let is_here = self.items.get(&place.1).is_some_and(|aside| aside.item.is_some());
            if is_here {
                self.due.insert(place.clone());
            } else if is_begun && !all {
                self.again = true;
            } else {
                self.away.insert(place.clone());
            }
        }
    }

    /// Has what was kept aside for this reason tried once more.
    pub(crate) fn try_again(&mut self, reason: AsideReason) {
        for (key, aside) in &self.items {
            if aside.reason == reason {
                self.away.insert(aside.place(key));
            }
        }
    }

    /// A log went on from an index to another: what begins there is tried again.
    pub(crate) fn log_went_on(&mut self, log: Log, from: u64, to: u64) {
        let start = (Some((log, from)), Vec::new());
        let end = (Some((log, to.saturating_add(1))), Vec::new());
        let places = self.waiting.range((Bound::Included(start), Bound::Excluded(end)));
        for place in places {
            self.due.insert(place.clone());
        }
    }

    pub(crate) fn is_any_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Whether all that was to be tried was.
    pub(crate) fn is_through(&self) -> bool {
        self.due.is_empty() && self.away.is_empty() && !self.is_reading
    }

    /// The next one to be tried that is at hand.
    pub(crate) fn next_due(&mut self) -> Option<(Vec<u8>, AsideReason, Vec<u8>)> {
        while let Some(place) = self.due.pop_first() {
            match self.items.get(&place.1) {
                Some(Aside {
                    reason,
                    item: Some(item),
                    ..
                }) => return Some((place.1, *reason, item.clone())),
                Some(_) => {
                    self.away.insert(place);
                }
                None => {}
            }
        }
        None
    }

    /// The keys of what is to be read next to be tried, if nothing is being read.
    pub(crate) fn take_next_to_read(&mut self) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        if self.is_reading {
            return keys;
        }
        if self.away.is_empty() && std::mem::take(&mut self.again) {
            self.everything_is_due(false);
        }
        let mut bytes = 0;
        while keys.len() < READ_AT_ONCE && bytes < READ_BYTES {
            let Some((_, key)) = self.away.pop_first() else {
                break;
            };
            if let Some(aside) = self.items.get(&key) {
                bytes += aside.bytes;
                keys.push(key);
            }
        }
        self.is_reading = !keys.is_empty();
        keys
    }

    /// What was to be read was, or could not be: then it is read later.
    pub(crate) fn was_read(&mut self, failed: Vec<Vec<u8>>) {
        self.is_reading = false;
        for key in failed {
            if let Some(aside) = self.items.get(&key) {
                let place = aside.place(&key);
                self.away.insert(place);
            }
        }
    }

    /// The keys of what lies beyond a cut-off in a document, and is not at hand.
    pub(crate) fn beyond_and_away(&self, document: &DocumentId) -> Vec<Vec<u8>> {
        self.keys_of(document, |aside| {
            aside.item.is_some() || aside.reason != AsideReason::BeyondCutoff
        })
    }

    /// Takes an item to hand that is wanted at once, however many there are.
    pub(crate) fn take_to_hand(&mut self, key: &[u8], item: Vec<u8>) {
        let Some(mut aside) = self.items.remove(key) else {
            return;
        };
        if aside.item.is_none() {
            aside.item = Some(item);
            self.count(&aside);
        }
        self.items.insert(key.to_vec(), aside);
    }
}
