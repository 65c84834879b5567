//! Lanes that turned out to be somebody else's as well: a restored disk, a cloned lab image, a copied profile.
//!
//! The relay keeps the history that came first. The lane is never used again; what this device had not got through on
//! it is made again on another lane. Nothing is overwritten, nothing is lost.

use std::collections::BTreeSet;

use documents::change;
use documents::redo::carry_over;
use protocol::rand_core::CryptoRng;
use protocol::segment::Log;
use protocol::{ClassroomId, DocumentId, LaneId};

use crate::Replica;
use crate::classroom::{Classroom, Content, Copy, Held};
use crate::event::Effect;
use crate::store::{self, LaneRecord, LogRecord, Table};
use crate::tabs::Note;

impl<R: CryptoRng> Replica<R> {
    /// Ends a lane, and makes again what was unsent on it.
    pub(crate) fn retire(&mut self, lane: LaneId) {
        if self.lanes.get(&lane) == Some(&LaneRecord::Retired) {
            return;
        }
        self.mark_lane(lane, LaneRecord::Retired);
        self.writes.next().strict = true;
        if lane == self.lane {
            self.lane = self.fresh_lane();
            self.effects.push(Effect::HoldLane(self.lane));
        }
        let ids: Vec<ClassroomId> = self.classrooms.keys().copied().collect();
        for id in ids {
            self.retire_in(&id, &lane);
        }
    }

    pub(crate) fn fresh_lane(&mut self) -> LaneId {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        let lane = LaneId(bytes);
        self.held.insert(lane);
        lane
    }

    fn retire_in(&mut self, id: &ClassroomId, lane: &LaneId) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let logs: BTreeSet<Log> = classroom
            .logs
            .keys()
            .chain(classroom.pending.keys().map(|(log, _)| log))
            .filter(|log| log.lane == *lane)
            .copied()
            .collect();
        let open: BTreeSet<DocumentId> = classroom.open.clone();
        for log in logs {
            let Some(classroom) = self.classrooms.get_mut(id) else {
                return;
            };
            let (dead, gone) = classroom.take_unsent(&log);
            let batch = self.writes.next();
            for (table, key) in gone {
                batch.delete(table, key);
            }
            if let Some(record) = self
                .classrooms
                .get(id)
                .and_then(|classroom| classroom.logs.get(&log))
                && self
                    .writes
                    .next()
                    .put(Table::Logs, store::log_key(id, &log), record)
                    .is_err()
            {
                continue;
            }
            if !dead.is_empty() {
                self.tell_tabs(&Note::Rebuilt {
                    classroom: *id,
                    document: log.document,
                    lane: *lane,
                });
                self.redo(id, log.document, dead);
            }
        }
        // Open pages are written with another actor from now on.
        for document in open {
            self.show_page(id, document);
        }
    }

    /// Makes dead changes of a document again on the present lane; waits for the document if it is not here.
    fn redo(&mut self, id: &ClassroomId, document: DocumentId, dead: Vec<Vec<u8>>) {
        let Some(me) = &self.me else { return };
        let actor = Log {
            document,
            member: me.keys.id(),
            lane: self.lane,
        }
        .actor();
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let is_own = classroom.roster.document() == document;
        if !matches!(classroom.documents.get(&document), Some(Copy::Here(_))) {
            classroom
                .redo_later
                .entry(document)
                .or_default()
                .extend(dead.iter().cloned());
            // If the tab ends before the document is here, they are found among what was kept aside.
            self.keep_all_aside(id, dead);
            self.load(id, document);
            return;
        }
        let Some(Copy::Here(held)) = classroom.documents.remove(&document) else {
            return;
        };
        let mut old = held.content.into_document();
        // The document may have been read without them.
        let hashes: BTreeSet<change::Hash> = dead
            .iter()
            .filter_map(|bytes| change::inspect(bytes).ok())
            .map(|info| info.hash)
            .collect();
        let known = old.apply_changes(&dead);
        let seconds = self.seconds();
        let (content, made, failed) = match known.and_then(|_| carry_over(&mut old, &hashes, actor)) {
            Ok(mut new) => {
                let made = new.commit(seconds);
                (Content::open(new, is_own), made, false)
            }
            // It stays as it is here; what cannot be made again is kept aside below.
            Err(_) => (Content::open(old, is_own), None, true),
        };
        if let Some(classroom) = self.classrooms.get_mut(id) {
            let mut held = Held::new(content);
            // The stored whole document holds the dead changes: it is replaced at once.
            if let Ok(saved) = held.content.save() {
                let key = store::document_key(id, &document);
                if self
                    .writes
                    .next()
                    .put(Table::Documents, key.clone(), &saved)
                    .is_err()
                {
                    self.writes.next().delete(Table::Documents, key);
                }
            }
            held.changed_at = self.now;
            classroom.documents.insert(document, Copy::Here(held));
        }
        let kept = made.map(|change| self.keep_change(id, document, change, None));
        if kept.is_some_and(|kept| kept.is_err()) || failed {
            self.keep_all_aside(id, dead);
        } else {
            self.forget_aside(id, &dead);
        }
        self.show_page(id, document);
    }

    fn keep_all_aside(&mut self, id: &ClassroomId, changes: Vec<Vec<u8>>) {
        for change in changes {
            // An aside record always encodes: it is bytes and a number.
            if self
                .keep_aside(id, store::AsideReason::BadChange, change)
                .is_err()
            {
                return;
            }
        }
    }

    /// A document arrived whose dead changes wait to be made again.
    pub(crate) fn redo_waiting(&mut self, id: &ClassroomId, document: DocumentId) {
        let waiting = self
            .classrooms
            .get_mut(id)
            .and_then(|classroom| classroom.redo_later.remove(&document));
        if let Some(dead) = waiting {
            self.redo(id, document, dead);
        }
    }
}

impl Classroom {
    /// Takes what is unsent on a log out of it: the changes, and the records to delete. The log goes back to where the
    /// relay knows it.
    fn take_unsent(&mut self, log: &Log) -> (Vec<Vec<u8>>, Vec<(Table, Vec<u8>)>) {
        let (mut dead, mut gone) = (Vec::new(), Vec::new());
        let indices: Vec<u64> = self
            .outbox
            .range((*log, 0)..=(*log, u64::MAX))
            .map(|((_, index), _)| *index)
            .collect();
        for (place, index) in indices.into_iter().enumerate() {
            let Some(unsent) = self.outbox.remove(&(*log, index)) else {
                continue;
            };
            if place == 0
                && let Some(record) = self.logs.get_mut(log)
            {
                *record = LogRecord {
                    next: index,
                    hash: unsent.segment.previous,
                    covered: record.covered.min(index),
                };
            }
            let key = self
                .keys
                .get(&(unsent.segment.header.space, unsent.segment.header.epoch));
            if let Some(Ok(changes)) = key.map(|key| unsent.segment.open(&self.id, key)) {
                dead.extend(changes);
            }
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
        (dead, gone)
    }
}
