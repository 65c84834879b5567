//! Folds that arrive in the place of what is here: taken if they hold the same, kept aside otherwise.

use protocol::ClassroomId;
use protocol::rand_core::CryptoRng;
use protocol::segment::Segment;

use super::{in_a_row, place_of};
use crate::classroom::Classroom;
use crate::incoming::Source;
use crate::loading::What;
use crate::store::{self, AsideReason, LogRecord, Table};
use crate::{Error, Replica};

/// What comes of comparing a fold with what it stands for.
enum Compared {
    /// It holds the same in the place of the first so many rows, and then these changes.
    Same {
        rows: usize,
        new: Vec<Vec<u8>>,
    },
    /// What is here holds all of it.
    Known,
    Aside(AsideReason),
}

impl<R: CryptoRng> Replica<R> {
    /// Has a fold compared with what is here. If it brings something new as well, it is kept aside meanwhile.
    pub(crate) fn compare(&mut self, id: &ClassroomId, fold: &Segment) -> Option<AsideReason> {
        let header = &fold.header;
        let record = *self.classrooms.get(id)?.logs.get(&header.log)?;
        let is_under_way = |what: &What| matches!(what, What::Compare(other, _) if **other == *fold);
        if !self.reads.values().any(|reading| is_under_way(&reading.what)) {
            let range = store::segments_from(id, &header.log, header.first);
            self.read(*id, What::Compare(Box::new(fold.clone()), record), vec![range]);
        }
        (header.last >= record.next).then_some(AsideReason::OutOfOrder)
    }

    /// The rows that reach to where `fold` begins or beyond were read; its log went as far as `read` says.
    pub(crate) fn compared(
        &mut self,
        id: &ClassroomId,
        fold: &Segment,
        read: &LogRecord,
        rows: Vec<Segment>,
    ) -> Result<(), Error> {
        let log = fold.header.log;
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let present = classroom.logs.get(&log).copied().unwrap_or(LogRecord::EMPTY);
        if present.generation != read.generation || (present != *read && fold.header.last >= read.next) {
            // Something came meanwhile, or went: it may not stand in the place of anything any more.
            return match self.take_segment(id, fold, Source::Relay)? {
                Some(reason) => self.keep_aside(id, reason, fold.encode()?),
                None => Ok(()),
            };
        }
        let rows = in_a_row(rows);
        match classroom.compared(fold, &present, &rows)? {
            Compared::Known => {}
            Compared::Aside(reason) => {
                if reason == AsideReason::FoldDiffers {
                    self.dispute(id, fold, &rows)?;
                }
                return self.keep_aside(id, reason, fold.encode()?);
            }
            Compared::Same { rows: replaced, new } => {
                if fold.header.last >= present.next {
                    let hash = fold.chain_hash(id)?;
                    let next = fold.header.last + 1;
                    classroom.logs.insert(
                        log,
                        LogRecord {
                            next,
                            hash,
                            ..present
                        },
                    );
                }
                for row in &rows[..replaced] {
                    self.batch(id)
                        .delete(Table::Segments, store::segment_key(id, &row.header));
                }
                self.keep_segment(id, fold, new)?;
            }
        }
        self.segments_on_relay(id, log, fold.header.first..=fold.header.last);
        self.let_in(id, &fold.encode()?);
        Ok(())
    }
}

impl Classroom {
    fn compared(&self, fold: &Segment, present: &LogRecord, rows: &[Segment]) -> Result<Compared, Error> {
        let header = &fold.header;
        let changes = match self.changes_of(fold) {
            Ok(changes) => changes,
            Err(reason) => return Ok(Compared::Aside(reason)),
        };
        let mut stored = Vec::new();
        for row in rows.iter().filter(|row| row.header.first <= header.last) {
            match self.changes_of(row) {
                Ok(more) => stored.extend(more),
                Err(reason) => return Ok(Compared::Aside(reason)),
            }
        }
        let is_new = header.last >= present.next;
        let differs = Ok(Compared::Aside(AsideReason::FoldDiffers));
        // Of what a snapshot stands for there is nothing here to compare it with.
        let is_below = |first: u64| rows.first().is_none_or(|row| row.header.first > first);
        if self
            .snapshots
            .covered(&header.log)
            .is_some_and(|lane| header.first < lane.next)
            && is_below(header.first)
        {
            return Ok(if is_new {
                Compared::Same {
                    rows: 0,
                    new: changes,
                }
            } else {
                Compared::Known
            });
        }
        // Another tab of this profile may have stored more than this one has heard of, or given up some of it.
        let Some(first) = rows.first().filter(|row| row.header.first <= header.first) else {
            return Ok(Compared::Aside(AsideReason::OutOfOrder));
        };
        let within = rows
            .iter()
            .take_while(|row| row.header.last <= header.last)
            .count();
        let has_longer = rows
            .get(within)
            .is_some_and(|row| row.header.first <= header.last);
        if first.header.first < header.first || has_longer {
            // It begins or ends within a row.
            return match place_of(&changes, &stored) {
                Some(_) if is_new => Ok(Compared::Same {
                    rows: 0,
                    new: changes,
                }),
                Some(_) => Ok(Compared::Known),
                None if is_new => Ok(Compared::Aside(AsideReason::OutOfOrder)),
                None => differs,
            };
        }
        let Some(last) = rows[..within].last() else {
            return differs;
        };
        let is_same = if last.header.last == header.last {
            changes.len() == stored.len() && last.chain_hash(&self.id)? == fold.chain_hash(&self.id)?
        } else {
            is_new && last.header.last + 1 >= present.next
        };
        if is_same && first.previous == fold.previous && place_of(&stored, &changes) == Some(0) {
            let new = if is_new { changes } else { Vec::new() };
            Ok(Compared::Same { rows: within, new })
        } else {
            differs
        }
    }
}
