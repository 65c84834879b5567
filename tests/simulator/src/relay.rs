//! A relay of the world: the real core on a store in memory that survives the relay, and what an observer knows it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use documents::change::Hash;
use protocol::ClassroomId;
use sync_server::Limits;
use sync_server::core::{Moment, Relay as Core, Rules};
use sync_server::store::{Item, Memory, Store as _};

use crate::auditor::Auditor;
use crate::broken::{Broken, Rule};

/// How much is read of a store at a time.
const PAGE: usize = 1 << 20;

pub(crate) struct Relay {
    pub(crate) core: Core,
    pub(crate) store: Memory,
    /// How often it did something that its sessions may have to tell.
    pub(crate) news: u64,
    backup: Option<Memory>,
    /// The changes in what it stores, by classroom, up to a position.
    held: BTreeMap<ClassroomId, (u64, BTreeSet<Hash>)>,
}

impl Relay {
    pub(crate) fn new(incarnation: u64) -> Self {
        let store = Memory::new(incarnation);
        Self {
            core: core_on(&store),
            store,
            news: 0,
            backup: None,
            held: BTreeMap::new(),
        }
    }

    /// It is killed and started again on what it committed.
    pub(crate) fn restart(&mut self) {
        self.core = core_on(&self.store);
    }

    /// As [`Relay::restart`], on a disk that has lost the newest commits.
    pub(crate) fn restart_without(&mut self, commits: usize) {
        self.store.rewind(self.store.batches().saturating_sub(commits));
        self.held.clear();
        self.restart();
    }

    /// All that is stored is looked at once more.
    pub(crate) fn look_again(&mut self) {
        self.held.clear();
    }

    pub(crate) fn back_up(&mut self) {
        self.backup = Some(self.store.copy());
    }

    /// Another one takes its place, with the last backup or with nothing.
    pub(crate) fn replace(&mut self, empty: bool) {
        let incarnation = self.store.incarnation() + 1;
        let backup = self.backup.as_ref().filter(|_| !empty);
        self.store = backup.map_or_else(|| Memory::new(incarnation), Memory::copy);
        self.store.renew_incarnation(incarnation);
        self.look_again();
        self.restart();
    }

    /// Whether a change is stored here.
    pub(crate) fn holds(
        &mut self,
        auditor: &mut Auditor,
        classroom: &ClassroomId,
        change: &Hash,
    ) -> Result<bool, Broken> {
        let (position, held) = self.held.entry(*classroom).or_default();
        loop {
            let page = Rule::IsItsLog.check(self.store.page(classroom, *position, PAGE))?;
            if page.is_empty() {
                return Ok(held.contains(change));
            }
            for placed in page {
                *position = placed.position;
                match placed.item {
                    Item::Entry { bytes, .. } => auditor.entry(classroom, &bytes),
                    Item::Segment { segment, .. } => held.extend(auditor.changes(classroom, &segment)),
                    Item::Snapshot { .. } | Item::Verdict { .. } | Item::Receipt { .. } => {}
                }
            }
        }
    }
}

pub(crate) fn core_on(store: &Memory) -> Core {
    Core::new(Arc::new(store.clone()), Rules::new(Limits::default()))
}

/// The time as relays are told it, `now` being in milliseconds since 1970.
pub(crate) fn moment(now: u64) -> Moment {
    Moment {
        elapsed: Duration::from_millis(now.saturating_sub(crate::world::START)),
        clock: now / 1000,
    }
}
