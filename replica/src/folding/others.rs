//! Folds that arrive in the place of what is here: taken if they hold the same, kept aside otherwise.

use protocol::ClassroomId;
use protocol::rand_core::CryptoRng;
use protocol::segment::Segment;

use super::{in_a_row, place_of};
use crate::classroom::Classroom;
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
            // Something came meanwhile.
            self.compare(id, fold);
            return Ok(());
        }
        let rows = in_a_row(rows);
        match classroom.compared(fold, &present, &rows)? {
            Compared::Known => {}
            Compared::Aside(reason) => return self.keep_aside(id, reason, fold.encode()?),
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
        let within = rows
            .iter()
            .take_while(|row| row.header.last <= header.last)
            .count();
        let differs = Ok(Compared::Aside(AsideReason::FoldDiffers));
        let (Some(first), Some(last)) = (rows.first(), rows[..within].last()) else {
            // One that holds more stands there, or nothing by itself.
            return match place_of(&changes, &stored) {
                Some(_) if header.last < present.next => Ok(Compared::Known),
                _ => differs,
            };
        };
        if first.header.first < header.first {
            return match place_of(&changes, &stored) {
                Some(_) if header.last < present.next => Ok(Compared::Known),
                Some(_) | None if header.last >= present.next => Ok(Compared::Aside(AsideReason::OutOfOrder)),
                _ => differs,
            };
        }
        if first.header.first > header.first || first.previous != fold.previous {
            return differs;
        }
        if header.last < present.next {
            let is_same = changes.len() == stored.len() && place_of(&changes, &stored).is_some();
            let ends_there =
                last.header.last == header.last && last.chain_hash(&self.id)? == fold.chain_hash(&self.id)?;
            return match place_of(&changes, &stored) {
                Some(_) if is_same && ends_there => Ok(Compared::Same {
                    rows: within,
                    new: Vec::new(),
                }),
                // The last row reaches further.
                Some(0) if last.header.last < header.last => Ok(Compared::Known),
                _ => differs,
            };
        }
        if last.header.last + 1 < present.next || place_of(&stored, &changes) != Some(0) {
            return differs;
        }
        // Another tab of this profile may have stored what this one has not heard of: then all of it is news here.
        let is_heard = last.header.last + 1 == present.next;
        let new = if is_heard {
            &changes[stored.len()..]
        } else {
            &changes[..]
        };
        Ok(Compared::Same {
            rows: within,
            new: new.to_vec(),
        })
    }
}
