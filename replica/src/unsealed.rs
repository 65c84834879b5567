//! Changes that the first version of the app kept unsealed while there was no connection. They are sealed when they are
//! found, on the lane that they were made on.

use protocol::rand_core::CryptoRng;
use protocol::segment::{self, Log};
use protocol::{ClassroomId, DocumentId};

use crate::Replica;
use crate::classroom::Copy;
use crate::store::{self, Records, Table, rows};

/// Changes of one log that are sealed together, and the keys of their rows.
struct Run {
    classroom: ClassroomId,
    log: Log,
    keys: Vec<Vec<u8>>,
    changes: Vec<Vec<u8>>,
}

impl<R: CryptoRng> Replica<R> {
    /// Seals what was left unsealed on lanes that this tab holds. What can't be sealed stays where it is.
    pub(crate) fn seal_unsealed(&mut self, records: &Records) {
        let mut runs: Vec<Run> = Vec::new();
        for (key, change) in rows(records, Table::Pending) {
            let Some((classroom, log, _)) = store::parse_item_key(key) else {
                continue;
            };
            let is_its_lanes = documents::change::inspect(change).is_ok_and(|info| info.actor == log.actor());
            if !self.held.contains(&log.lane) || !is_its_lanes {
                continue;
            }
            let change = change.to_vec();
            match runs.last_mut() {
                Some(run)
                    if run.classroom == classroom
                        && run.log == log
                        && segment::fits(run.changes.iter().chain([&change])) =>
                {
                    run.keys.push(key.to_vec());
                    run.changes.push(change);
                }
                _ => runs.push(Run {
                    classroom,
                    log,
                    keys: vec![key.to_vec()],
                    changes: vec![change],
                }),
            }
        }
        let mut stuck: Option<(ClassroomId, Log)> = None;
        for run in runs {
            let place = (run.classroom, run.log);
            if stuck == Some(place) || self.seal(&run.classroom, run.log, &run.changes).is_err() {
                // What follows builds on it.
                stuck = Some(place);
                continue;
            }
            for key in run.keys {
                self.writes.next().delete(Table::Pending, key);
            }
            self.list_document(&run.classroom, run.log.document);
        }
    }

    fn list_document(&mut self, id: &ClassroomId, document: DocumentId) {
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.documents.entry(document).or_insert(Copy::Away);
        }
    }
}
