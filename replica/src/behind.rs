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

    /// What is unsent and waits until the relay has what another log holds. Folds may each build on a part of the other: nothing
    /// waits for what would have to wait for ever.
    #[inline(never)]
    pub(crate) fn behind_others(&self) -> BTreeSet<(Log, u64)> {
        let mut behind = BTreeSet::new();
        for coming in self.coming().into_values() {
            let logs: Vec<Log> = coming.iter().map(|unsent| unsent.segment.header.log).collect();
            if logs.windows(2).all(|pair| pair[0] == pair[1]) {
                continue;
            }
            let mut places: BTreeMap<Hash, usize> = BTreeMap::new();
            for (place, unsent) in coming.iter().enumerate() {
                let names = self.links(unsent).map(|links| links.names.iter());
                places.extend(names.into_iter().flatten().map(|name| (*name, place)));
            }
            let others = |(place, unsent): (usize, &&Unsent)| -> Vec<usize> {
                let links = self.links(unsent).map(|links| links.builds_on.iter());
                let on = links.into_iter().flatten().filter_map(|name| places.get(name));
                on.copied().filter(|other| logs[*other] != logs[place]).collect()
            };
            let builds_on: Vec<Vec<usize>> = coming.iter().enumerate().map(others).collect();
            let goes = in_their_turn(&logs, &builds_on);
            for ((unsent, log), on) in coming.iter().zip(&logs).zip(&builds_on) {
                if on.iter().any(|other| goes[*other]) {
                    behind.insert((*log, unsent.segment.header.last));
                }
            }
        }
        behind
    }

    /// Where something unsent of a log, which is given in its order, builds on what other tabs have unsent of its document. Folds
    /// begin anew there: of two that each built on a part of the other, neither could wait for the other.
    pub(crate) fn built_on_others(&self, log: &Log, rows: &[&Unsent]) -> Vec<bool> {
        let mut others: BTreeSet<Hash> = BTreeSet::new();
        for ((other, _), unsent) in &self.outbox {
            if other.document == log.document && other != log && !unsent.settled {
                let names = self.links(unsent).map(|links| links.names.iter());
                others.extend(names.into_iter().flatten());
            }
        }
        let is_on_others = |unsent: &&Unsent| {
            !others.is_empty()
                && self
                    .links(unsent)
                    .is_some_and(|links| links.builds_on.iter().any(|name| others.contains(name)))
        };
        rows.iter().map(is_on_others).collect()
    }

    /// What is unsent and the relay takes by and by, by document: what is refused for good, and what follows on that, nothing
    /// waits for.
    fn coming(&self) -> BTreeMap<DocumentId, Vec<&Unsent>> {
        let mut coming: BTreeMap<DocumentId, Vec<&Unsent>> = BTreeMap::new();
        let mut ended = None;
        for ((log, _), unsent) in self.outbox.iter().filter(|(_, unsent)| !unsent.settled) {
            let is_refused = matches!(unsent.way, Way::Refused { again_at: None, .. });
            let header = &unsent.segment.header;
            if is_refused || !is_in_its_space(&self.roster, header) || self.names_refused(header).is_some() {
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

/// Which of these can go if each goes only behind what stands before it in its log, and what it builds on of other logs.
fn in_their_turn(logs: &[Log], builds_on: &[Vec<usize>]) -> Vec<bool> {
    let mut goes = vec![false; logs.len()];
    // Where each log stands.
    let mut next: Vec<usize> = (0..logs.len())
        .filter(|place| *place == 0 || logs[place - 1] != logs[*place])
        .collect();
    let ends: Vec<usize> = next[1.min(next.len())..]
        .iter()
        .copied()
        .chain([logs.len()])
        .collect();
    let mut has_gone = true;
    while std::mem::take(&mut has_gone) {
        for (place, end) in next.iter_mut().zip(&ends) {
            while *place < *end && builds_on[*place].iter().all(|other| goes[*other]) {
                goes[*place] = true;
                *place += 1;
                has_gone = true;
            }
        }
    }
    goes
}

fn links_of(changes: &[Vec<u8>]) -> Links {
    let (mut names, mut builds_on) = (Vec::new(), Vec::new());
    for info in changes.iter().filter_map(|bytes| change::inspect(bytes).ok()) {
        names.push(info.hash);
        builds_on.extend(info.dependencies);
    }
    Links { names, builds_on }
}
