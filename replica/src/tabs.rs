//! What the tabs of one profile tell each other. They share the store; each has its own lane and its own connection.

use protocol::rand_core::CryptoRng;
use protocol::segment::Log;
use protocol::{ClassroomId, DocumentId, LaneId, bounded};
use serde::{Deserialize, Serialize};

use crate::Replica;
use crate::classroom::{Copy, PendingChange};
use crate::event::Effect;
use crate::store::{self, Records, Table};

/// From one tab to the others, sent when what it speaks of is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Note {
    /// A classroom was founded or joined: everything of it.
    Classroom {
        classroom: ClassroomId,
        founding: Vec<u8>,
        entries: Vec<Vec<u8>>,
        seed: [u8; 16],
    },
    Entry {
        classroom: ClassroomId,
        entry: Vec<u8>,
    },
    Segment {
        classroom: ClassroomId,
        segment: Vec<u8>,
        unsent: bool,
    },
    Pending {
        classroom: ClassroomId,
        log: Log,
        sequence: u64,
        change: Vec<u8>,
    },
    OnRelay {
        classroom: ClassroomId,
        log: Log,
        index: u64,
    },
    /// A lane ended and a document was rebuilt: read it again.
    Rebuilt {
        classroom: ClassroomId,
        document: DocumentId,
        lane: LaneId,
    },
    /// The login card was kept.
    CardKept,
}

impl Note {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, crate::Error> {
        Ok(bounded::encode("note", self)?)
    }
}

impl<R: CryptoRng> Replica<R> {
    pub(crate) fn from_tab(&mut self, bytes: &[u8]) {
        // A note of another version of the app, in a tab that was not reloaded yet, is passed over: the store has it.
        let Ok(note) = bounded::decode::<Note>("note", bytes) else {
            return;
        };
        let taken = match note {
            Note::Classroom {
                classroom,
                founding,
                entries,
                seed,
            } => self.classroom_from_tab(&classroom, &founding, &entries, seed),
            Note::Entry { classroom, entry } => self.take_entry(&classroom, &entry, false),
            Note::Segment {
                classroom,
                segment,
                unsent,
            } => self.take_from_tab(&classroom, &segment, unsent),
            Note::Pending {
                classroom,
                log,
                sequence,
                change,
            } => self.pending_from_tab(&classroom, log, sequence, change),
            Note::OnRelay {
                classroom,
                log,
                index,
            } => {
                if let Some(classroom) = self.classrooms.get_mut(&classroom) {
                    classroom.outbox.remove(&(log, index));
                }
                Ok(())
            }
            Note::Rebuilt {
                classroom,
                document,
                lane,
            } => {
                self.rebuilt_by_tab(&classroom, document, lane);
                Ok(())
            }
            Note::CardKept => {
                if let Some(me) = &mut self.me {
                    me.card_kept = true;
                }
                Ok(())
            }
        };
        if taken.is_err() {
            // What another tab could not say is in the store, and comes with the next start.
            self.shown_home = None;
        }
    }

    fn pending_from_tab(
        &mut self,
        id: &ClassroomId,
        log: Log,
        sequence: u64,
        change: Vec<u8>,
    ) -> Result<(), crate::Error> {
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.pending.insert(
                (log, sequence),
                PendingChange {
                    change: change.clone(),
                    durable: true,
                },
            );
        }
        self.apply(id, log.document, vec![change])
    }

    fn rebuilt_by_tab(&mut self, id: &ClassroomId, document: DocumentId, lane: LaneId) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        classroom
            .outbox
            .retain(|(log, _), _| !(log.lane == lane && log.document == document));
        classroom
            .pending
            .retain(|(log, _), _| !(log.lane == lane && log.document == document));
        classroom.documents.insert(document, Copy::Away);
        self.load(id, document);
    }

    /// This tab took over a lane that its tab left behind.
    pub(crate) fn adopted(&mut self, lane: LaneId, records: &Records) {
        self.held.insert(lane);
        for (key, value) in records.get(&Table::Pending).into_iter().flatten() {
            let Some((id, log, sequence)) = store::parse_item_key(key) else {
                continue;
            };
            if log.lane == lane
                && let Some(classroom) = self.classrooms.get_mut(&id)
            {
                classroom
                    .pending
                    .entry((log, sequence))
                    .or_insert_with(|| PendingChange {
                        change: value.clone(),
                        durable: true,
                    });
            }
        }
        for (key, value) in records.get(&Table::Logs).into_iter().flatten() {
            let Some((id, log)) = store::parse_log_key(key) else {
                continue;
            };
            if log.lane == lane
                && let Some(classroom) = self.classrooms.get_mut(&id)
                && let Ok(record) = store::decode(Table::Logs, value)
            {
                classroom.logs.insert(log, record);
            }
        }
        self.seal_pending();
    }

    pub(crate) fn closing(&mut self) {
        self.say_gone();
        if !self.connection.is_up() {
            return;
        }
        self.effects.push(Effect::Disconnect);
        self.disconnected();
    }
}
