//! Documents that a lead has erased: another one stands in their place, and nothing of them stays here. Own work that is not in
//! the other one is carried over before, or kept aside if that can't be done.

use std::collections::BTreeSet;

use documents::change::Hash;
use protocol::rand_core::CryptoRng;
use protocol::segment::{Log, Segment};
use protocol::{ClassroomId, DocumentId, Refusal};

use crate::anew::Missed;
use crate::aside::{Aside, What as Kept};
use crate::classroom::{Classroom, Copy};
use crate::loading::What;
use crate::store::{self, AsideReason, Changes, Ranges, Records, Table};
use crate::tabs::Note;
use crate::{Error, Replica};

/// How long after that it is looked once more what the store has of an erased document, in milliseconds. A tab that was behind
/// may have stored it again; by then it has heard, or is gone.
const LOOK_AGAIN: u64 = 60_000;

impl<R: CryptoRng> Replica<R> {
    /// Gives up own erasings of what is erased without them. What descends from them is done again.
    pub(crate) fn give_up_erasures(&mut self) -> Result<(), Error> {
        let ids: Vec<ClassroomId> = self.classrooms.keys().copied().collect();
        for id in ids {
            let needless = self.classrooms.get(&id).map(Classroom::needless_erasures);
            for hash in needless.unwrap_or_default() {
                self.make_again(&id, hash)?;
            }
        }
        Ok(())
    }

    /// Looks for documents that are gone for good since the roster has grown.
    pub(crate) fn look_for_erased(&mut self, id: &ClassroomId) {
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.carried.retain(|_, carried| carried.is_ok());
            classroom.note_erased();
        }
        self.drop_erased_offers(id);
        self.settle_erased(id);
        self.look_for_left_of_erased(id);
    }

    /// What a tab that is gone stored, and had not heard of an erasing, goes when this one hears of that, or starts.
    fn look_for_left_of_erased(&mut self, id: &ClassroomId) {
        let again_at = self.now + LOOK_AGAIN;
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let mut left = classroom.roster.erased_documents();
        left.retain(|(document, _)| {
            let is_new = !classroom.erased_due.contains(document)
                && !classroom.erases(document)
                && !classroom.erased_sought.contains_key(document);
            if is_new {
                classroom.erased_sought.insert(*document, Some(again_at));
            }
            is_new
        });
        for (document, _) in left {
            self.read_left_of_erased(id, document);
        }
    }

    /// Looks once more where it is time to.
    fn look_again_for_left(&mut self) {
        let mut due = Vec::new();
        for classroom in self.classrooms.values_mut() {
            for (document, again_at) in &mut classroom.erased_sought {
                if again_at.is_some_and(|at| self.now >= at) {
                    *again_at = None;
                    due.push((classroom.id, *document));
                }
            }
        }
        for (id, document) in due {
            let is_gone = |classroom: &Classroom| {
                !classroom.erased_due.contains(&document) && classroom.is_gone(&document)
            };
            if self.classrooms.get(&id).is_some_and(is_gone) {
                self.read_left_of_erased(&id, document);
            }
        }
    }

    pub(crate) fn tick_erased(&mut self) {
        self.look_again_for_left();
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
            // What could not be carried over is not tried again before something has changed.
            if erases && classroom.carried.contains_key(&document) || classroom.waits_for_older(&document) {
                continue;
            }
            let missed = match self.carry_over(id, document) {
                Ok(Missed::Unclear) => continue,
                Ok(Missed::Lost(reason, missed)) => Err((reason, missed)),
                Ok(Missed::Nothing(doubtful)) => Ok(doubtful),
                // It may yet be told.
                Err(_) if !erases => continue,
                Err(_) => Err((Refusal::Malformed, BTreeSet::new())),
            };
            if !erases {
                self.erase(id, document, missed.map_err(|(_, missed)| missed));
            } else if let Some(classroom) = self.classrooms.get_mut(id) {
                let missed = missed.map(drop).map_err(|(reason, _)| reason);
                classroom.carried.insert(document, missed);
            }
        }
    }

    /// Erases a document. If all was carried over, own work that the relay does not have and of which that is doubtful is kept
    /// aside; if not, all that it does not have, and what it had of what is missed.
    fn erase(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        carried: Result<BTreeSet<Hash>, BTreeSet<Hash>>,
    ) {
        self.arrived.remove(&(*id, document));
        let again_at = self.now + LOOK_AGAIN;
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        classroom.erased_due.remove(&document);
        classroom.erased_sought.insert(document, Some(again_at));
        classroom.carried.remove(&document);
        classroom.documents.remove(&document);
        classroom.titles.remove(&document);
        classroom.mentions.remove(&document);
        classroom.logs.retain(|log, _| log.document != document);
        classroom.unfolded.retain(|log, _| log.document != document);
        let unsent: Vec<(Log, u64)> = classroom
            .outbox
            .keys()
            .filter(|(log, _)| log.document == document)
            .copied()
            .collect();
        for (log, last) in unsent {
            let item = self.classrooms.get(id).and_then(|classroom| {
                let unsent = classroom.outbox.get(&(log, last))?;
                let is_doubtful = |doubtful: &BTreeSet<Hash>| {
                    let names = classroom.names_in(&unsent.segment);
                    // What does not open may be anything.
                    names.is_empty() || names.into_iter().any(|name| doubtful.contains(&name))
                };
                let is_kept = !unsent.settled && carried.as_ref().ok().is_none_or(is_doubtful);
                is_kept.then(|| unsent.segment.encode().ok())?
            });
            self.not_sent(id, &log, last);
            if self.held.contains(&log.lane) {
                // The others wait for what this tab makes of it.
                self.tell_tabs(&Note::OnRelay {
                    classroom: *id,
                    log,
                    index: last,
                });
            }
            // An aside record always encodes: it is bytes and a number.
            if let Some(item) = item
                && self.keep_aside(id, AsideReason::Erased, item).is_err()
            {
                self.shown_home = None;
            }
        }
        self.forget_aside(id, &document);
        self.forget_snapshots(id, &document);
        self.forget_brought(id, &document);
        self.read_erased(id, document, carried.err().unwrap_or_default());
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

    /// Reads what the store has of an erased document. What holds these own changes is kept aside.
    pub(crate) fn read_erased(&mut self, id: &ClassroomId, document: DocumentId, missed: BTreeSet<Hash>) {
        self.read(*id, What::Erased(document, missed), ranges_of(id, &document));
    }

    pub(crate) fn read_left_of_erased(&mut self, id: &ClassroomId, document: DocumentId) {
        self.read(*id, What::LeftOfErased(document), ranges_of(id, &document));
    }

    /// What the store has of an erased document, of which nothing is known here, was read. It is known from now on, and goes as
    /// if it had been before: something of this person may still be to be carried over.
    #[inline(never)]
    pub(crate) fn left_of_erased_read(
        &mut self,
        id: &ClassroomId,
        document: &DocumentId,
        found: Changes,
    ) -> Result<(), Error> {
        self.know_again(id, &found);
        self.erased_read(id, document, &BTreeSet::new(), found)
    }

    /// What the store has of an erased document was read. While another tab has something unsent there it stays, and is known
    /// here again: that tab may crash before it has carried that over.
    #[inline(never)]
    pub(crate) fn erased_read(
        &mut self,
        id: &ClassroomId,
        document: &DocumentId,
        missed: &BTreeSet<Hash>,
        found: Changes,
    ) -> Result<(), Error> {
        // A fold of what the relay had is nothing more to send, whichever tab made it.
        let is_settled = |key: &[u8]| store::parse_outbox_key(key).map(|(.., is_settled)| is_settled);
        let is_unsent = |((table, key), row): (&(Table, Vec<u8>), &Option<Vec<u8>>)| {
            *table == Table::Outbox
                && is_settled(key) == Some(false)
                && row.as_ref().is_some_and(|row| Segment::decode(row).is_ok())
        };
        let is_due = |classroom: &Classroom| classroom.erased_due.contains(document);
        if found.iter().any(is_unsent) || self.classrooms.get(id).is_some_and(is_due) {
            self.know_again(id, &found);
            return Ok(());
        }
        for ((table, key), row) in found {
            if table == Table::Outbox && is_settled(&key) != Some(true) {
                continue;
            }
            if let (Table::Segments, Some(row)) = (table, row)
                && !missed.is_empty()
                && self.holds_any(id, missed, &row)
            {
                self.keep_aside(id, AsideReason::Erased, row)?;
            }
            self.batch(id).delete(table, key);
        }
        self.clear_chunks(id, *document);
        Ok(())
    }

    /// Knows of an erased document what the store has of it.
    fn know_again(&mut self, id: &ClassroomId, found: &Changes) {
        let mut records = Records::new();
        for ((table, key), row) in found {
            if let Some(row) = row {
                records
                    .entry(*table)
                    .or_default()
                    .push((key.clone(), row.clone()));
            }
        }
        self.read_logs(&records);
        self.read_unsent(&records);
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.note_erased();
        }
    }

    /// Whether a segment that is stored holds one of these changes.
    fn holds_any(&self, id: &ClassroomId, names: &BTreeSet<Hash>, row: &[u8]) -> bool {
        let (Some(classroom), Ok(segment)) = (self.classrooms.get(id), Segment::decode(row)) else {
            return false;
        };
        classroom
            .names_in(&segment)
            .iter()
            .any(|name| names.contains(name))
    }
}

/// Where the store has something of a document.
fn ranges_of(id: &ClassroomId, document: &DocumentId) -> Ranges {
    let tables = [
        Table::Segments,
        Table::Outbox,
        Table::Logs,
        Table::Documents,
        Table::Titles,
        Table::Pending,
        Table::Receipts,
    ];
    let ranges = tables.map(|table| store::range_of_document(table, id, document));
    ranges.into()
}

impl Classroom {
    /// Notes which documents are erased and still to be seen to: something of them is here, or another tab told of something
    /// that it has not sent.
    pub(crate) fn note_erased(&mut self) {
        for (document, _) in self.roster.erased_documents() {
            if self.outbox.keys().any(|(log, _)| log.document == document) {
                self.documents.entry(document).or_insert(Copy::Away);
            }
            if self.documents.contains_key(&document) || self.titles.contains_key(&document) {
                self.erased_due.insert(document);
            }
        }
    }
}
