//! Lanes that turned out to be somebody else's as well: a restored disk, a cloned lab image, a copied profile.
//!
//! The relay keeps the history that came first. The lane is not written on any more. Of what was made on it, only the
//! log in which the histories part is dead from that point on: it is made again on another lane. The other logs are
//! sent as they are, for the relay may have taken them already. Nothing is overwritten, nothing is lost or doubled.

use std::collections::{BTreeMap, BTreeSet};

use documents::change::{self, Hash};
use documents::document::Document;
use documents::redo::carry_over;
use protocol::rand_core::CryptoRng;
use protocol::segment::{self, Log};
use protocol::{ClassroomId, DocumentId, LaneId};

use crate::classroom::{Classroom, Content, Copy, Held};
use crate::event::Effect;
use crate::store::{self, AsideReason, LaneRecord, LogRecord, Table};
use crate::tabs::Note;
use crate::{Error, Replica};

/// Changes that the relay will never take, for it has others in their place.
pub(crate) struct Dead {
    pub(crate) changes: Vec<Vec<u8>>,
    hashes: BTreeSet<Hash>,
    /// The first dead sequence number of each actor.
    from: BTreeMap<Vec<u8>, u64>,
}

impl Dead {
    pub(crate) fn new(changes: Vec<Vec<u8>>) -> Self {
        let mut from = BTreeMap::new();
        let mut hashes = BTreeSet::new();
        for info in changes.iter().filter_map(|change| change::inspect(change).ok()) {
            hashes.insert(info.hash);
            let first = from.entry(info.actor).or_insert(info.sequence);
            *first = info.sequence.min(*first);
        }
        Self {
            changes,
            hashes,
            from,
        }
    }

    /// Whether the change is one of these.
    pub(crate) fn holds(&self, change: &[u8]) -> bool {
        change::inspect(change).is_ok_and(|info| self.hashes.contains(&info.hash))
    }

    /// Whether the change stands, or builds on one that stands, in the place of one of these.
    pub(crate) fn clashes(&self, change: &[u8]) -> bool {
        change::inspect(change).is_ok_and(|info| {
            self.from
                .get(&info.actor)
                .is_some_and(|first| info.sequence >= *first)
        })
    }
}

/// What was taken out of a log: the changes, and the rows to delete.
#[derive(Default)]
struct Taken {
    dead: Vec<Vec<u8>>,
    gone: Vec<(Table, Vec<u8>)>,
}

/// What is not sent on a log any more, for it was made again.
struct GivenUp {
    log: Log,
    changes: Vec<Vec<u8>>,
}

impl<R: CryptoRng> Replica<R> {
    pub(crate) fn fresh_lane(&mut self) -> LaneId {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        let lane = LaneId(bytes);
        self.held.insert(lane);
        lane
    }

    /// The relay has another history of a log of ours from `index` on, which starts with the changes `foreign`: ends
    /// the lane, and makes again what is dead.
    pub(crate) fn forked(
        &mut self,
        id: &ClassroomId,
        log: Log,
        index: u64,
        foreign: &[Vec<u8>],
    ) -> Result<(), Error> {
        // The document is to hold all that its logs do.
        self.apply_arrived();
        let before = self.lane;
        self.end_lane(log.lane);
        if let Some(mut dead) = self.give_up(id, log, index)? {
            // What was unsent when the profile was copied is on the relay by now.
            dead.retain(|change| !foreign.contains(change));
            self.tell_rebuilt(id, log, Vec::new());
            self.bury(id, log, dead)?;
        }
        if self.lane != before {
            self.show_open_pages();
        }
        Ok(())
    }

    /// Makes dead changes again as soon as their document is here.
    fn bury(&mut self, id: &ClassroomId, log: Log, dead: Vec<Vec<u8>>) -> Result<(), Error> {
        let is_here = self
            .classrooms
            .get(id)
            .is_some_and(|classroom| matches!(classroom.documents.get(&log.document), Some(Copy::Here(_))));
        if is_here {
            if !dead.is_empty() {
                self.remake(id, log.document, &Dead::new(dead));
                self.show_page(id, log.document);
            }
            return Ok(());
        }
        // Kept by name until they are made again, for this tab may end first.
        for change in &dead {
            self.keep_aside(id, AsideReason::LaneEnded, ended(log.document, change))?;
        }
        self.writes
            .next()
            .delete(Table::Documents, store::document_key(id, &log.document));
        if let Some(classroom) = self.classrooms.get_mut(id)
            && !dead.is_empty()
        {
            classroom.redo_later.entry(log.document).or_default().extend(dead);
        }
        self.reload(id, log.document);
        Ok(())
    }

    /// Writes on another lane from now on, if this was the one.
    pub(crate) fn end_lane(&mut self, lane: LaneId) {
        self.mark_lane(lane, LaneRecord::Retired);
        self.writes.next().strict = true;
        if lane != self.lane {
            return;
        }
        self.say_gone();
        self.lane = self.fresh_lane();
        self.effects.push(Effect::HoldLane(self.lane));
        // What is known so far is known under the new name as well.
        let ids: Vec<ClassroomId> = self.classrooms.keys().copied().collect();
        for id in ids {
            if let Some(since) = self.classrooms.get(&id).and_then(|classroom| classroom.since) {
                let key = store::since_key(&id, &self.lane);
                // If it were not stored, everything would come again.
                if self
                    .batch(&id)
                    .put(Table::Classrooms, key.clone(), &since)
                    .is_err()
                {
                    self.batch(&id).delete(Table::Classrooms, key);
                }
            }
        }
    }

    /// Open pages are written with another actor from now on.
    pub(crate) fn show_open_pages(&mut self) {
        let open: Vec<(ClassroomId, DocumentId)> = self
            .classrooms
            .values()
            .flat_map(|classroom| classroom.open.iter().map(|document| (classroom.id, *document)))
            .collect();
        for (id, document) in open {
            self.show_page(&id, document);
        }
    }

    /// Takes what is unsent on a log from `index` on out of it, if anything is, and says which changes that were.
    fn give_up(&mut self, id: &ClassroomId, log: Log, index: u64) -> Result<Option<Vec<Vec<u8>>>, Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(None);
        };
        let Taken { dead, gone } = classroom.take_unsent(&log, index);
        if gone.is_empty() {
            return Ok(None);
        }
        let batch = self.writes.next();
        for (table, key) in gone {
            batch.delete(table, key);
        }
        self.note_log(id, &log)?;
        Ok(Some(dead))
    }

    /// Makes dead changes of a document that is here again on the present lane, and with them what other lanes of ours
    /// built on them.
    pub(crate) fn remake(&mut self, id: &ClassroomId, document: DocumentId, dead: &Dead) {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return;
        };
        let member = me.keys.id();
        let is_own = classroom.roster.document() == document;
        let Some(Copy::Here(held)) = classroom.documents.remove(&document) else {
            return;
        };
        let mut old = held.content.into_document();
        let waiting = !old.missing_dependencies().is_empty();
        let without = without(&mut old, dead);
        let gone = without.as_ref().map(|(_, gone)| gone.clone()).unwrap_or_default();
        let hashes: BTreeSet<Hash> = gone.keys().copied().collect();
        let mut log = Log {
            document,
            member,
            lane: self.lane,
        };
        if gone.values().any(|actor| *actor == log.actor()) {
            self.end_lane(self.lane);
            log.lane = self.lane;
        }
        let seconds = self.seconds();
        let remade = carry_over(&mut old, &dead.hashes, log.actor()).map(|mut new| {
            let change = new.commit(seconds);
            (new, change)
        });
        let (content, change, is_remade) = match (remade, without) {
            (Ok((new, change)), _) if change.as_ref().is_none_or(|change| segment::fits([change])) => {
                (new, change, true)
            }
            // What can't be made again is kept aside, and shown to be.
            (_, Ok((kept, _))) => (kept, None, false),
            (_, Err(_)) => (old, None, false),
        };
        let mut held = Held::new(Content::open(content, is_own));
        held.changed_at = self.now;
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.documents.insert(document, Copy::Here(held));
        }
        // The stored whole document holds the dead changes: it is replaced at once.
        if waiting {
            // What waits for other changes is found in the store.
            self.writes
                .next()
                .delete(Table::Documents, store::document_key(id, &document));
        } else {
            self.store_whole(id, document);
        }
        let is_kept = match change {
            Some(change) => self.keep_change(id, log, change, None).is_ok(),
            // Nothing of it was left to do.
            None => true,
        };
        let settled = self.give_up_built_on(id, document, &hashes).and_then(|given_up| {
            if !(is_remade && is_kept) {
                let built_on = given_up.iter().flat_map(|given_up| &given_up.changes);
                for change in dead.changes.iter().chain(built_on) {
                    self.keep_aside(id, AsideReason::BadChange, change.clone())?;
                }
            }
            self.forget_ended(id, document, &dead.changes);
            Ok(given_up)
        });
        // An aside record always encodes: it is bytes and a number.
        let built_on = settled.into_iter().flatten().map(|given_up| given_up.log);
        for log in built_on.chain(self.logs_of(id, document, dead)) {
            self.tell_rebuilt(id, log, gone.keys().map(|hash| hash.0).collect());
        }
        if waiting {
            self.reload(id, document);
        }
    }

    /// What is unsent on logs of ours and was built on dead changes was made again with them.
    fn give_up_built_on(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        gone: &BTreeSet<Hash>,
    ) -> Result<Vec<GivenUp>, Error> {
        let Some((me, classroom)) = self.me.as_ref().zip(self.classrooms.get(id)) else {
            return Ok(Vec::new());
        };
        let member = me.keys.id();
        let built_on: Vec<(Log, u64)> = self
            .held
            .iter()
            .map(|lane| Log {
                document,
                member,
                lane: *lane,
            })
            .filter_map(|log| Some((log, classroom.first_of(&log, gone)?)))
            .collect();
        let mut given_up = Vec::new();
        for (log, index) in built_on {
            self.end_lane(log.lane);
            let changes = self.give_up(id, log, index)?;
            given_up.extend(changes.map(|changes| GivenUp { log, changes }));
        }
        Ok(given_up)
    }

    fn forget_ended(&mut self, id: &ClassroomId, document: DocumentId, changes: &[Vec<u8>]) {
        let items: Vec<Vec<u8>> = changes.iter().map(|change| ended(document, change)).collect();
        self.forget_aside(id, &items);
    }

    /// The logs of ours that dead changes were on.
    fn logs_of(&self, id: &ClassroomId, document: DocumentId, dead: &Dead) -> Vec<Log> {
        self.classrooms
            .get(id)
            .into_iter()
            .flat_map(|classroom| classroom.logs.keys())
            .filter(|log| log.document == document && dead.from.contains_key(log.actor().as_slice()))
            .copied()
            .collect()
    }

    fn tell_rebuilt(&mut self, id: &ClassroomId, log: Log, remade: Vec<[u8; 32]>) {
        let record = self
            .classrooms
            .get(id)
            .and_then(|classroom| classroom.logs.get(&log))
            .copied();
        if let Some(record) = record {
            self.tell_tabs(&Note::Rebuilt {
                classroom: *id,
                log,
                record,
                remade,
            });
        }
    }

    /// Another tab found that the relay has another history of one of its logs, and made what was dead again, and
    /// with it what this tab had built on it.
    pub(crate) fn rebuilt_by_tab(
        &mut self,
        id: &ClassroomId,
        log: Log,
        record: LogRecord,
        remade: &[[u8; 32]],
    ) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let known = classroom.logs.entry(log).or_insert(LogRecord::EMPTY);
        let is_dead = classroom.outbox.contains_key(&(log, record.next));
        *known = if known.next > record.next && !is_dead {
            // What is further on here came from the relay: it is what stands in the place of the dead.
            LogRecord {
                generation: record.generation.max(known.generation),
                ..*known
            }
        } else {
            record.max(*known)
        };
        classroom
            .outbox
            .retain(|(other, index), _| *other != log || *index < record.next);
        classroom.pending.retain(|(other, _), _| *other != log);
        self.note_log(id, &log)?;
        let remade: BTreeSet<Hash> = remade.iter().map(|hash| Hash(*hash)).collect();
        for given_up in self.give_up_built_on(id, log.document, &remade)? {
            for change in given_up.changes {
                let hash = change::inspect(&change).map(|info| info.hash);
                if !hash.is_ok_and(|hash| remade.contains(&hash)) {
                    // Made on top of what the other tab made again, which it did not know: it fits nowhere now.
                    self.keep_aside(id, AsideReason::BadChange, change)?;
                }
            }
        }
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.aside_due = true;
        }
        self.show_open_pages();
        self.reload(id, log.document);
        Ok(())
    }
}

/// The document without dead changes and what depends on them; and those changes, with their actors.
fn without(old: &mut Document, dead: &Dead) -> Result<(Document, BTreeMap<Hash, Vec<u8>>), documents::Error> {
    // It may have been read without them.
    old.apply_changes(&dead.changes)?;
    let mut gone = BTreeMap::new();
    let mut kept = Vec::new();
    for bytes in old.changes_since(&[])? {
        let info = change::inspect(&bytes)?;
        let on_dead = info.dependencies.iter().any(|hash| gone.contains_key(hash));
        if on_dead || dead.hashes.contains(&info.hash) {
            gone.insert(info.hash, info.actor);
        } else {
            kept.push(bytes);
        }
    }
    let mut document = Document::empty([0; 16]);
    document.apply_changes(&kept)?;
    Ok((document, gone))
}

/// How a change of a lane that ended is kept until it is made again.
fn ended(document: DocumentId, change: &[u8]) -> Vec<u8> {
    [document.0.as_slice(), change].concat()
}

/// Reads [`ended`] back.
pub(crate) fn parse_ended(item: &[u8]) -> Option<(DocumentId, &[u8])> {
    let (document, change) = item.split_at_checked(16)?;
    Some((DocumentId(document.try_into().ok()?), change))
}

impl Classroom {
    /// Takes what is unsent on a log from `index` on out of it. The log goes back to where the relay knows it.
    fn take_unsent(&mut self, log: &Log, index: u64) -> Taken {
        let Taken { mut dead, mut gone } = Taken::default();
        let mut record = self.logs.get(log).copied().unwrap_or(LogRecord::EMPTY);
        let indices: Vec<u64> = self
            .outbox
            .range((*log, index)..=(*log, u64::MAX))
            .map(|((_, index), _)| *index)
            .collect();
        for index in indices {
            let Some(unsent) = self.outbox.remove(&(*log, index)) else {
                continue;
            };
            if index < record.next {
                record.next = index;
                record.hash = unsent.segment.previous;
            }
            dead.extend(self.open_own(&unsent.segment).unwrap_or_default());
            gone.push((Table::Segments, store::item_key(&self.id, log, index)));
            gone.push((Table::Outbox, store::item_key(&self.id, log, index)));
        }
        let sequences: Vec<u64> = self
            .pending
            .range((*log, 0)..=(*log, u64::MAX))
            .map(|((_, sequence), _)| *sequence)
            .collect();
        for sequence in sequences {
            if let Some(pending) = self.pending.remove(&(*log, sequence)) {
                dead.push(pending.change);
                gone.push((Table::Pending, store::item_key(&self.id, log, sequence)));
            }
        }
        if !gone.is_empty() {
            record.generation += 1;
            self.logs.insert(*log, record);
        }
        Taken { dead, gone }
    }

    /// From which index on the unsent part of a log holds one of these changes.
    fn first_of(&self, log: &Log, changes: &BTreeSet<Hash>) -> Option<u64> {
        let holds = |change: &Vec<u8>| change::inspect(change).is_ok_and(|info| changes.contains(&info.hash));
        let sealed = self
            .outbox
            .range((*log, 0)..=(*log, u64::MAX))
            .find(|(_, unsent)| {
                self.open_own(&unsent.segment)
                    .is_some_and(|opened| opened.iter().any(holds))
            })
            .map(|((_, index), _)| *index);
        let mut pending = self.pending.range((*log, 0)..=(*log, u64::MAX));
        sealed.or_else(|| {
            pending
                .any(|(_, pending)| holds(&pending.change))
                .then_some(u64::MAX)
        })
    }
}
