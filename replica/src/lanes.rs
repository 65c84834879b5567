//! Lanes: each tab writes on a fresh one, and sends the rest of those whose tabs are gone.
//!
//! No device knows whether its profile was copied or restored from an older state, and so none writes on a lane that it
//! found. All the same a relay may have something else where this tab wrote: of a tab that was restored together with
//! its memory, or of a disk that lies. What the relay has stands, for others have seen it. This tab goes on on another
//! lane, and what was in that place is kept aside.

use std::collections::BTreeSet;

use protocol::rand_core::CryptoRng;
use protocol::segment::Log;
use protocol::{ClassroomId, DocumentId, LaneId};

use crate::classroom::{Classroom, Copy, Unsent};
use crate::event::Effect;
use crate::store::{self, AsideReason, Batch, LogRecord, Records, SinceRecord, Table, UploadRecord, rows};
use crate::tabs::Note;
use crate::{Error, Replica};

/// The lanes that tabs of this store have left something of: whoever gets their locks sends what is unsent, and clears up.
pub fn lanes_left(records: &Records) -> Vec<LaneId> {
    let unsent =
        rows(records, Table::Outbox).filter_map(|(key, _)| Some(store::parse_outbox_key(key)?.1.lane));
    let unsealed =
        rows(records, Table::Pending).filter_map(|(key, _)| Some(store::parse_item_key(key)?.1.lane));
    let logs = rows(records, Table::Logs).filter_map(|(key, _)| Some(store::parse_log_key(key)?.2));
    let positions =
        rows(records, Table::Classrooms).filter_map(|(key, _)| Some(store::parse_since_key(key)?.1));
    let uploads = rows(records, Table::Uploads)
        .filter_map(|(_, row)| Some(store::decode::<UploadRecord>(Table::Uploads, row).ok()?.lane));
    let brought =
        rows(records, Table::Classrooms).filter_map(|(key, _)| Some(store::parse_brought_key(key)?.1));
    let unsent = unsent.chain(uploads);
    let known = logs.chain(positions).chain(brought);
    let lanes: BTreeSet<LaneId> = unsent.chain(unsealed).chain(known).collect();
    lanes.into_iter().collect()
}

impl<R: CryptoRng> Replica<R> {
    /// Writes on a fresh lane from now on.
    pub(crate) fn take_lane(&mut self) {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        self.lane = LaneId(bytes);
        self.held.insert(self.lane);
        self.effects.push(Effect::HoldLane(self.lane));
    }

    /// Goes on on another lane: open pages are handed over again, to be written in with another actor.
    pub(crate) fn change_lane(&mut self) {
        self.say_gone();
        self.take_lane();
        // What is known so far is known under the new name as well.
        let ids: Vec<ClassroomId> = self.classrooms.keys().copied().collect();
        for id in ids {
            if self.note_since(&id).is_err() {
                // Everything comes again.
                let key = store::since_key(&id, &self.lane);
                self.batch(&id).delete(Table::Classrooms, key);
            }
        }
        let open: Vec<(ClassroomId, DocumentId)> = self
            .classrooms
            .values()
            .flat_map(|classroom| classroom.open.iter().map(|document| (classroom.id, *document)))
            .collect();
        for (id, document) in open {
            self.show_page(&id, document);
        }
    }

    /// Goes on on another lane if this one was cut off and its member may write again: what was cut stays so.
    pub(crate) fn leave_cut_lane(&mut self, id: &ClassroomId) {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get(id)) else {
            return;
        };
        let (me, lane, roster) = (me.keys.id(), self.lane, &classroom.roster);
        let may_write = roster.member(&me).is_some_and(|member| member.role.may_write());
        // Who knew of a lane has said where all its logs end.
        let own = classroom
            .logs
            .keys()
            .find(|log| log.member == me && log.lane == lane);
        if may_write && classroom.joining.is_none() && own.is_some_and(|log| roster.cutoff(log).is_some()) {
            self.change_lane();
        }
    }

    /// Takes over what tabs that are gone for good knew, so that their rows do not pile up.
    pub(crate) fn clear_up(&mut self, records: &Records) {
        let gone = |tab: &LaneId| *tab != self.lane && self.held.contains(tab);
        let mut batch = Batch::default();
        let mut left = Vec::new();
        for (key, _) in rows(records, Table::Logs) {
            if let Some((id, log, tab)) = store::parse_log_key(key)
                && gone(&tab)
                && let Some(record) = self
                    .classrooms
                    .get(&id)
                    .and_then(|classroom| classroom.logs.get(&log))
                && batch
                    .put(Table::Logs, store::log_key(&id, &log, &self.lane), record)
                    .is_ok()
            {
                if log.lane == tab {
                    // This row stays until the log is folded: whoever finds it does that.
                    left.push((id, log));
                } else {
                    batch.delete(Table::Logs, key.to_vec());
                }
            }
        }
        for (key, _) in rows(records, Table::Classrooms) {
            if let Some((id, tab)) = store::parse_since_key(key)
                && gone(&tab)
                && let Some(classroom) = self.classrooms.get(&id)
                && let Some(position) = classroom.since
                && batch
                    .put(
                        Table::Classrooms,
                        store::since_key(&id, &self.lane),
                        &SinceRecord {
                            position,
                            spaces: classroom.since_spaces.clone(),
                        },
                    )
                    .is_ok()
            {
                batch.delete(Table::Classrooms, key.to_vec());
            }
        }
        // Nobody is left who could still build on what was given up.
        if lanes_left(records).iter().all(|tab| self.held.contains(tab)) {
            for (key, _) in rows(records, Table::Classrooms) {
                if store::parse_given_up_key(key).is_some_and(|(id, _)| self.classrooms.contains_key(&id)) {
                    batch.delete(Table::Classrooms, key.to_vec());
                }
            }
        }
        self.writes.next().append(batch);
        for (id, log) in left {
            self.has_grown(&id, &log);
        }
    }

    /// The relay has something else in the place of what is unsent on a log of ours from `index` on: goes on on another
    /// lane, and keeps aside what was there.
    pub(crate) fn forked(&mut self, id: &ClassroomId, log: Log, index: u64) -> Result<(), Error> {
        self.apply_arrived();
        // The page that a tab has open may hold some of it: what is written on top of that must not come any more.
        self.change_lane();
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let dead = classroom.take_unsent(&log, index);
        for unsent in &dead {
            let header = &unsent.segment.header;
            let batch = self.writes.next();
            batch.delete(Table::Segments, store::segment_key(id, header));
            batch.delete(Table::Outbox, unsent.key(id));
            batch.strict = true;
            self.keep_aside(id, AsideReason::Forked, unsent.segment.encode()?)?;
        }
        if !dead.is_empty() {
            self.note_log(id, &log)?;
            self.tell_forked(id, log);
            self.put_together_again(id, log.document);
        }
        Ok(())
    }

    fn tell_forked(&mut self, id: &ClassroomId, log: Log) {
        let classroom = self.classrooms.get(id);
        if let Some(record) = classroom.and_then(|classroom| classroom.logs.get(&log)) {
            let note = Note::Forked {
                classroom: *id,
                log,
                record: *record,
            };
            self.tell_tabs(&note);
        }
    }

    /// Another tab found that the relay has something else on one of its logs.
    pub(crate) fn forked_in_tab(
        &mut self,
        id: &ClassroomId,
        log: Log,
        record: LogRecord,
    ) -> Result<(), Error> {
        self.apply_arrived();
        self.change_lane();
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let known = classroom.logs.entry(log).or_insert(LogRecord::EMPTY);
        let is_dead = classroom.outbox.contains_key(&(log, record.next));
        *known = if known.next > record.next && !is_dead {
            // What is further on here came from the relay: it is what stands in that place.
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
        classroom.aside_due = true;
        self.note_log(id, &log)?;
        self.put_together_again(id, log.document);
        Ok(())
    }

    /// Something that a document holds does not belong to it any more: it is made of its stored segments again.
    pub(crate) fn put_together_again(&mut self, id: &ClassroomId, document: DocumentId) {
        self.writes
            .next()
            .delete(Table::Documents, store::document_key(id, &document));
        if let Some(Copy::Loading { later, .. }) = self
            .classrooms
            .get_mut(id)
            .and_then(|classroom| classroom.documents.get_mut(&document))
        {
            // It is stored as well, unless it is what does not belong.
            later.clear();
        }
        self.reload(id, document);
    }
}

impl Classroom {
    /// Takes what is unsent on a log from `index` on out of it. The log goes back to where the relay knows it.
    fn take_unsent(&mut self, log: &Log, index: u64) -> Vec<Unsent> {
        let indices: Vec<u64> = self
            .outbox
            .range((*log, index)..=(*log, u64::MAX))
            .map(|((_, index), _)| *index)
            .collect();
        let unsent: Vec<Unsent> = indices
            .into_iter()
            .filter_map(|index| self.outbox.remove(&(*log, index)))
            .collect();
        if let Some(first) = unsent.first()
            && let Some(record) = self.logs.get_mut(log)
        {
            *record = LogRecord {
                generation: record.generation + 1,
                next: first.segment.header.first,
                hash: first.segment.previous,
            };
        }
        unsent
    }
}
