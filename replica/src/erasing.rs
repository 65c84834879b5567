//! Documents that a lead has erased: another one stands in their place, and nothing of them stays here. Own work that is not in
//! the other one is carried over before, or kept aside if that can't be done.

use protocol::rand_core::CryptoRng;
use protocol::segment::Log;
use protocol::{ClassroomId, DocumentId};

use crate::Replica;
use crate::anew::Missed;
use crate::aside::{Aside, What as Kept};
use crate::loading::What;
use crate::store::{self, AsideReason, Changes, Table};

impl<R: CryptoRng> Replica<R> {
    /// Looks for documents that are gone for good since the roster has grown.
    pub(crate) fn look_for_erased(&mut self, id: &ClassroomId) {
        if let Some(classroom) = self.classrooms.get_mut(id) {
            for (document, _) in classroom.roster.erased_documents() {
                if classroom.documents.contains_key(&document) || classroom.titles.contains_key(&document) {
                    classroom.erased_due.insert(document);
                }
            }
        }
        self.drop_erased_offers(id);
        self.settle_erased(id);
    }

    pub(crate) fn tick_erased(&mut self) {
        let mut due = Vec::new();
        for classroom in self.classrooms.values() {
            if !classroom.erased_due.is_empty() {
                due.push(classroom.id);
            }
        }
        for id in due {
            self.settle_erased(&id);
        }
    }

    /// Carries over what is to be made again, and erases what need not wait for that.
    pub(crate) fn settle_erased(&mut self, id: &ClassroomId) {
        let Some(classroom) = self.classrooms.get(id) else {
            return;
        };
        for document in classroom.erased_due.clone() {
            let Some(classroom) = self.classrooms.get_mut(id) else {
                return;
            };
            if classroom.roster.erased(&document).is_none() {
                // Whoever did that had not the right to.
                classroom.erased_due.remove(&document);
                continue;
            }
            let erases = classroom.erases(&document);
            // A tab that has it open still hands over what it has, and closes it.
            if !erases && classroom.open.contains(&document) {
                continue;
            }
            if erases && classroom.carried.contains(&document) {
                continue;
            }
            match self.carry_over(id, document) {
                Ok(Missed::Nothing) if erases => {
                    if let Some(classroom) = self.classrooms.get_mut(id) {
                        classroom.carried.insert(document);
                    }
                }
                Ok(Missed::Unclear) | Err(_) => {}
                Ok(_) if erases => {}
                Ok(missed) => self.erase(id, document, matches!(missed, Missed::Lost)),
            }
        }
    }

    /// Erases a document. Of what the relay does not have, own work is kept aside, unless it was carried over.
    fn erase(&mut self, id: &ClassroomId, document: DocumentId, keeps_unsent: bool) {
        self.arrived.remove(&(*id, document));
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        classroom.erased_due.remove(&document);
        classroom.carried.remove(&document);
        classroom.documents.remove(&document);
        classroom.titles.remove(&document);
        classroom.logs.retain(|log, _| log.document != document);
        classroom.unfolded.retain(|log, _| log.document != document);
        let unsent: Vec<(Log, u64)> = classroom
            .outbox
            .keys()
            .filter(|(log, _)| log.document == document)
            .copied()
            .collect();
        for (log, last) in unsent {
            let item = self
                .classrooms
                .get(id)
                .and_then(|classroom| classroom.outbox.get(&(log, last)))
                .filter(|unsent| keeps_unsent && !unsent.settled)
                .and_then(|unsent| unsent.segment.encode().ok());
            self.not_sent(id, &log, last);
            // An aside record always encodes: it is bytes and a number.
            if let Some(item) = item
                && self.keep_aside(id, AsideReason::Erased, item).is_err()
            {
                self.shown_home = None;
            }
        }
        self.forget_aside(id, &document);
        self.forget_snapshots(id, &document);
        self.read_erased(id, document);
    }

    /// Nor is anything of others kept aside, or any snapshot.
    fn forget_aside(&mut self, id: &ClassroomId, document: &DocumentId) {
        let me = self.me.as_ref().map(|me| me.keys.id());
        let Some(classroom) = self.classrooms.get(id) else {
            return;
        };
        let is_own = |aside: &Aside| aside.from == me && !matches!(aside.what, Kept::Snapshot(_));
        for key in classroom.aside.keys_of(document, is_own) {
            self.no_more_aside(id, key);
        }
    }

    /// Reads what the store has of an erased document.
    pub(crate) fn read_erased(&mut self, id: &ClassroomId, document: DocumentId) {
        let tables = [
            Table::Segments,
            Table::Logs,
            Table::Documents,
            Table::Titles,
            Table::Pending,
            Table::Receipts,
        ];
        let ranges = tables
            .into_iter()
            .map(|table| store::range_of_document(table, id, &document))
            .collect();
        self.read(*id, What::Erased(document), ranges);
    }

    /// What the store has of an erased document was read.
    pub(crate) fn erased_read(&mut self, found: &Changes) {
        for (table, key) in found.keys() {
            self.writes.next().delete(*table, key.clone());
        }
    }
}
