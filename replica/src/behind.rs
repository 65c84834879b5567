//! What one tab writes may build on what another tab of the device wrote, and the relay does not have yet. Each has a log of its
//! own, and which change builds on which no relay sees: it may take the one, and not the other. So that is sent once the relay
//! has what it builds on: if the device is lost or put back in between, nobody could read it.

use std::collections::{BTreeMap, BTreeSet};

use documents::change::{self, Hash};
use protocol::DocumentId;
use protocol::segment::Log;

use crate::classroom::{Classroom, Unsent, Way};
use crate::late::is_in_its_space;

/// What the changes of something unsent are called, and what they build on.
pub(crate) struct Links {
    names: Vec<Hash>,
    builds_on: Vec<Hash>,
}

impl Classroom {
    /// Whether several tabs have something unsent of one document.
    pub(crate) fn is_unsent_by_several(&self) -> bool {
        let unsent = self.outbox.iter().filter(|(_, unsent)| !unsent.settled);
        let mut logs = unsent.map(|((log, _), _)| log);
        // Those of a document stand together.
        let first = logs.next();
        let mut pairs = logs.scan(first, |before, log| Some((before.replace(log), log)));
        pairs.any(|(before, log)| {
            before.is_some_and(|before| before.document == log.document && before != log)
        })
    }

    /// What is unsent and waits until the relay has what another log holds. Folds may each build on a part of the other: if
    /// all that is unsent of a document waits, it goes together.
    #[inline(never)]
    pub(crate) fn behind_others(&self) -> BTreeSet<(Log, u64)> {
        let mut behind = BTreeSet::new();
        for unsent in self.coming().into_values() {
            let log_of = |unsent: &Unsent| unsent.segment.header.log;
            if unsent.windows(2).all(|pair| log_of(pair[0]) == log_of(pair[1])) {
                continue;
            }
            let mut logs: BTreeMap<Hash, Log> = BTreeMap::new();
            for unsent in &unsent {
                let names = self.links(unsent).map(|links| links.names.iter());
                logs.extend(names.into_iter().flatten().map(|name| (*name, log_of(unsent))));
            }
            let is_behind = |unsent: &&&Unsent| {
                let is_of_another = |name: &Hash| logs.get(name).is_some_and(|log| *log != log_of(unsent));
                self.links(unsent)
                    .is_some_and(|links| links.builds_on.iter().any(is_of_another))
            };
            let waiting = unsent.iter().filter(is_behind);
            let waiting: Vec<(Log, u64)> = waiting
                .map(|unsent| (log_of(unsent), unsent.segment.header.last))
                .collect();
            if waiting.len() < unsent.len() {
                behind.extend(waiting);
            }
        }
        behind
    }

    /// What is unsent and the relay takes by and by, by document: what is refused for good, and what follows on that, nothing
    /// waits for.
    fn coming(&self) -> BTreeMap<DocumentId, Vec<&Unsent>> {
        let mut coming: BTreeMap<DocumentId, Vec<&Unsent>> = BTreeMap::new();
        let mut ended = None;
        for ((log, _), unsent) in self.outbox.iter().filter(|(_, unsent)| !unsent.settled) {
            let is_refused = matches!(unsent.way, Way::Refused { again_at: None, .. });
            if is_refused || !is_in_its_space(&self.roster, &unsent.segment.header) {
                ended = Some(log);
            }
            if ended != Some(log) {
                coming.entry(log.document).or_default().push(unsent);
            }
        }
        coming
    }

    /// Of something unsent, if it can be read.
    fn links<'a>(&self, unsent: &'a Unsent) -> Option<&'a Links> {
        if let Some(links) = unsent.links.get() {
            return Some(links);
        }
        let changes = self.changes_of(&unsent.segment).ok()?;
        Some(unsent.links.get_or_init(|| links_of(&changes)))
    }
}

fn links_of(changes: &[Vec<u8>]) -> Links {
    let (mut names, mut builds_on) = (Vec::new(), Vec::new());
    for info in changes.iter().filter_map(|bytes| change::inspect(bytes).ok()) {
        names.push(info.hash);
        builds_on.extend(info.dependencies);
    }
    Links { names, builds_on }
}
