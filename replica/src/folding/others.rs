//! Folds that arrive in the place of what is here: taken if they hold the same, kept aside otherwise.

use documents::fold::fold;
use protocol::rand_core::CryptoRng;
use protocol::segment::{self, Header, Segment};
use protocol::{ClassroomId, Refusal};

use super::{Folded, in_a_row, place_of};
use crate::classroom::{Classroom, Unsent, Way};
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
    /// It begins within the first row, and goes on beyond all that is here.
    Further,
    Aside(AsideReason),
}

impl<R: CryptoRng> Replica<R> {
    /// Has a fold compared with what is here. If it brings something new as well, it is kept aside meanwhile.
    pub(crate) fn compare(&mut self, id: &ClassroomId, fold: &Segment) -> Option<AsideReason> {
        let header = &fold.header;
        let classroom = self.classrooms.get_mut(id)?;
        let record = *classroom.logs.get(&header.log)?;
        classroom.has_changed(&header.log.document);
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
            return self.take_or_keep_aside(id, fold);
        }
        let rows = in_a_row(rows);
        let mut brings_more = false;
        match classroom.compared(fold, &present, &rows)? {
            Compared::Known => self.fold_behind(id, fold, &rows)?,
            Compared::Further => {
                self.keep_aside(id, AsideReason::OutOfOrder, fold.encode()?)?;
                return match rows.first() {
                    // What that stands for may lead to it.
                    Some(first) => self.look_into_once(id, &log, first.hash(id)?, fold.hash(id)?),
                    None => Ok(()),
                };
            }
            Compared::Aside(reason) => {
                if reason == AsideReason::FoldDiffers {
                    self.dispute(id, fold, &rows)?;
                }
                return self.keep_aside(id, reason, fold.encode()?);
            }
            Compared::Same { rows: replaced, new } => {
                brings_more = fold.header.last >= present.next;
                if brings_more {
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
                self.read_beyond_anew(id, log.document);
                self.keep_segment(id, fold, new)?;
                if let Some(classroom) = self.classrooms.get_mut(id)
                    && classroom.cut(&log).is_some()
                {
                    // Its log may end within it.
                    classroom.cuts_due.insert(log.document);
                }
            }
        }
        self.segments_on_relay(id, log, fold.header.first..=fold.header.last);
        if self.let_in(id, &fold.encode()?) && brings_more {
            // It was nowhere else.
            self.send_own_after_all(id, fold.clone())?;
        }
        Ok(())
    }

    /// A copy of this profile has folded an own log by itself, and the relay has that, up to somewhere within a fold of this one
    /// that it does not take for that: what lies behind is folded anew.
    fn fold_behind(&mut self, id: &ClassroomId, there: &Segment, rows: &[Segment]) -> Result<(), Error> {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return Ok(());
        };
        let Header { log, first, last, .. } = there.header;
        if !self.held.contains(&log.lane) {
            // The tab that holds it sees to that.
            return Ok(());
        }
        let is_refused = |ours: &&Unsent| {
            let is_mismatch = matches!(
                ours.way,
                Way::Refused {
                    reason: Refusal::FoldMismatch,
                    ..
                }
            );
            is_mismatch && ours.segment.header.last > last
        };
        let ours = classroom.unsent_at(&log, last).filter(is_refused);
        let Some(at) = ours.and_then(|ours| rows.iter().position(|row| *row == ours.segment)) else {
            return Ok(());
        };
        let begins_there = rows[0].header.first == first && rows[0].previous == there.previous;
        let Ok(changes) = classroom.changes_of(there) else {
            return Ok(());
        };
        let Ok(mut stored) = classroom.changes_of_all(&rows[..=at]) else {
            return Ok(());
        };
        if !begins_there || place_of(&changes, &stored) != Some(0) {
            return Ok(());
        }
        let behind = stored.split_off(changes.len());
        let Some(bundle) = fold(&behind).ok().filter(|bundle| segment::fits([bundle])) else {
            return Ok(());
        };
        let before = (last + 1, there.chain_hash(id)?);
        let unsent = classroom.seal_fold(me, &mut self.rng, before, &rows[at], bundle)?;
        if let Some(record) = classroom.logs.get_mut(&log) {
            // Where the log ends is the same, and what is before it is not.
            record.generation += 1;
        }
        self.note_log(id, &log)?;
        let replaced = rows[..=at].iter().map(|row| row.header.clone()).collect();
        self.put_folds(id, log, vec![Folded { unsent, replaced }])?;
        let key = store::segment_key(id, &there.header);
        self.batch(id).put_bytes(Table::Segments, key, there.encode()?);
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
        let reached = rows.iter().filter(|row| row.header.first <= header.last);
        let stored = match self.changes_of_all(reached) {
            Ok(stored) => stored,
            Err(reason) => return Ok(Compared::Aside(reason)),
        };
        let is_new = header.last >= present.next;
        let differs = Ok(Compared::Aside(AsideReason::FoldDiffers));
        // Of what a snapshot stands for there is nothing here to compare it with, or a part only.
        let has_all_below = |next: u64| {
            let end = next.min(header.last + 1);
            rows.first().is_some_and(|row| row.header.first <= header.first)
                && rows.last().is_some_and(|row| row.header.last + 1 >= end)
        };
        if self
            .snapshots
            .covered(&header.log)
            .is_some_and(|lane| header.first < lane.next && !has_all_below(lane.next))
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
                None if is_new && first.header.first < header.first => Ok(Compared::Further),
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
