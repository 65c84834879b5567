//! Folding: many small segments of an own log become few, with the same changes.
//!
//! Only what the relay has, or what was never sent, is folded, and never both together: so a fold begins where a segment
//! begins that the relay has, or where its log ends there, and if the relay does not take a fold of what it has, nothing is
//! lost. Rows and outbox change in one write. The bytes of a fold are made once.

mod disputes;
mod others;

use std::cell::OnceCell;
use std::collections::BTreeSet;

use documents::change;
use documents::fold::fold;
use protocol::mischief::{Mischief, does};
use protocol::rand_core::CryptoRng;
use protocol::segment::{self, Header, Kind, Log, Segment};
use protocol::{ClassroomId, LaneId, SegmentHash};

use crate::classroom::{Classroom, Unsent, Way};
use crate::loading::What;
use crate::store::{self, Table};
use crate::writes::After;
use crate::{Error, Me, Replica};

pub(crate) use disputes::{Disputes, whole_of};

/// How long a log is left alone before it is folded, in milliseconds.
const QUIET: u64 = 30_000;
/// How many logs are read at once to be folded.
const MOST_AT_ONCE: usize = 4;
/// The fewest segments that are folded, of those that the relay has: others fetch the fold once more.
const FEWEST: usize = 4;
/// The same of those that were never sent.
const FEWEST_UNSENT: usize = 2;
/// A sealed body of this length is not folded again.
const FULL: usize = segment::MAX_BODY / 2;
/// Bodies shorter than this are always worth folding, longer ones only with about as much behind them.
const SMALL: usize = 4 * 1024;
/// How much is tried to be put into one fold.
const AT_ONCE: usize = 8 * segment::MAX_BODY;

/// An own log that has grown since it was last folded.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unfolded {
    /// When it last grew; `None` while nothing is to be done.
    grown_at: Option<u64>,
    /// What is before this index is folded for good.
    from: u64,
}

/// What a fold stands for, and what it stands in place of.
struct Folded {
    unsent: Unsent,
    replaced: Vec<Header>,
}

impl<R: CryptoRng> Replica<R> {
    /// Notes that there may be something to fold of a log once it is quiet, if it is this tab's to do that.
    pub(crate) fn has_grown(&mut self, id: &ClassroomId, log: &Log) {
        if self.held.contains(&log.lane)
            && let Some(classroom) = self.classrooms.get_mut(id)
        {
            classroom.unfolded.entry(*log).or_default().grown_at = Some(self.now);
        }
    }

    /// Folds what has been quiet for a while.
    pub(crate) fn tick_folding(&mut self) {
        let mut free =
            MOST_AT_ONCE.saturating_sub(self.reads.values().filter(|read| read.is_folding()).count());
        for (id, log) in self.grown_before(self.now.saturating_sub(QUIET)) {
            if free == 0 {
                return;
            }
            free -= usize::from(self.fold_log(&id, &log));
        }
    }

    /// Folds all that was never sent, before a connection.
    pub(crate) fn fold_all_unsent(&mut self) {
        for (id, log) in self.grown_before(self.now) {
            // What can't be folded is sent as it is.
            if self.fold_unsent(&id, &log, true).is_err() {
                self.has_grown(&id, &log);
            }
        }
    }

    /// Folds what can be folded of these classrooms, however short it was quiet.
    pub(crate) fn fold_now(&mut self, ids: &[ClassroomId]) {
        for (id, log) in self.grown_before(self.now) {
            if ids.contains(&id) {
                self.fold_log(&id, &log);
            }
        }
    }

    /// Own logs that have not grown since.
    fn grown_before(&self, time: u64) -> Vec<(ClassroomId, Log)> {
        let mut grown = Vec::new();
        for classroom in self.classrooms.values() {
            for (log, unfolded) in &classroom.unfolded {
                if classroom.joining.is_none() && unfolded.grown_at.is_some_and(|at| at <= time) {
                    grown.push((classroom.id, *log));
                }
            }
        }
        grown
    }

    /// Has the rows of a log read to be folded; says whether it does.
    fn fold_log(&mut self, id: &ClassroomId, log: &Log) -> bool {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return false;
        };
        if classroom.unsent_of(log).next().is_some() {
            // The rest is folded when all is with the relay.
            self.has_grown(id, log);
            if self.fold_unsent(id, log, false).is_err() {
                self.shown_home = None;
            }
            return false;
        }
        let Some(unfolded) = classroom.unfolded.get_mut(log) else {
            return false;
        };
        unfolded.grown_at = None;
        let from = unfolded.from;
        self.read(*id, What::Own(*log), vec![store::segments_from(id, log, from)]);
        true
    }

    /// Folds what was never sent of a log.
    fn fold_unsent(&mut self, id: &ClassroomId, log: &Log, all: bool) -> Result<(), Error> {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get(id)) else {
            return Ok(());
        };
        let mut unsent: Vec<&Unsent> = Vec::new();
        for next in classroom.unsent_of(log) {
            // What is not written yet other tabs may be told of once it is: then it must be there. What a fold stands for of what
            // the relay has was sent, though the fold was not.
            if !next.sent && next.durable && !next.settled {
                unsent.push(next);
            }
        }
        let rows: Vec<&Segment> = unsent.iter().map(|unsent| &unsent.segment).collect();
        let rows = if all { &rows[..] } else { newest(&rows) };
        let is_on_others = classroom.built_on_others(log, &unsent[unsent.len() - rows.len()..]);
        let mut pieces: Vec<&[&Segment]> = Vec::new();
        let mut from = 0;
        for to in (1..rows.len())
            .filter(|place| is_on_others[*place])
            .chain([rows.len()])
        {
            pieces.push(&rows[from..to]);
            from = to;
        }
        pieces.retain(|piece| piece.len() >= FEWEST_UNSENT);
        let mut folds = Vec::new();
        for piece in pieces {
            folds.extend(classroom.fold_all(me, &mut self.rng, piece)?);
        }
        if folds.is_empty() {
            return Ok(());
        }
        self.put_folds(id, *log, folds)
    }

    /// Folds the newest rows of a log, which the relay has.
    pub(crate) fn fold_rows(&mut self, id: &ClassroomId, log: Log, rows: Vec<Segment>) -> Result<(), Error> {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return Ok(());
        };
        let has_grown = classroom
            .unfolded
            .get(&log)
            .is_some_and(|unfolded| unfolded.grown_at.is_some());
        if has_grown || log.member != me.keys.id() {
            // It is read again when it is quiet.
            return Ok(());
        }
        let mut rows = in_a_row(rows);
        // What lies beyond its end may have been taken out since they were asked for.
        let end = classroom.logs.get(&log).map_or(u64::MAX, |record| record.next);
        rows.retain(|row| row.header.last < end);
        let rows: Vec<&Segment> = rows.iter().collect();
        let tail = newest(&rows);
        let before = rows.len() - tail.len();
        let is_full = |row: &&&Segment| row.sealed.len() >= FULL;
        if let Some(full) = rows[..before].iter().rev().find(is_full)
            && let Some(unfolded) = classroom.unfolded.get_mut(&log)
        {
            unfolded.from = full.header.last + 1;
        }
        if tail.len() >= FEWEST {
            let mut folds = classroom.fold_all(me, &mut self.rng, tail)?;
            for fold in &mut folds {
                fold.unsent.settled = true;
            }
            self.put_folds(id, log, folds)?;
        }
        if log.lane != self.lane {
            // Nobody needs to look after it any more. After a change of lanes it may be the only row that says how far it goes.
            self.note_log(id, &log)?;
            let key = store::log_key(id, &log, &log.lane);
            self.writes.next().delete(Table::Logs, key);
        }
        Ok(())
    }

    /// Has folds stored in place of what they stand for, and sent.
    fn put_folds(&mut self, id: &ClassroomId, log: Log, folds: Vec<Folded>) -> Result<(), Error> {
        for Folded { unsent, replaced } in folds {
            let (header, hash) = (unsent.segment.header.clone(), unsent.hash);
            let encoded = unsent.segment.encode()?;
            let Some(classroom) = self.classrooms.get_mut(id) else {
                return Ok(());
            };
            let batch = self.writes.next();
            for header in &replaced {
                if let Some(before) = classroom.outbox.remove(&(log, header.last)) {
                    batch.delete(Table::Outbox, before.key(id));
                }
                batch.delete(Table::Segments, store::segment_key(id, header));
            }
            let key = unsent.key(id);
            classroom.outbox.insert((log, header.last), unsent);
            batch.put_bytes(Table::Segments, store::segment_key(id, &header), encoded.clone());
            batch.put_bytes(Table::Outbox, key, encoded);
            batch.strict = true;
            self.writes.then(After::Segment(*id, log, header.last, hash));
        }
        self.read_beyond_anew(id, log.document);
        Ok(())
    }
}

impl Classroom {
    fn unsent_of(&self, log: &Log) -> impl Iterator<Item = &Unsent> {
        let range = (*log, 0)..=(*log, u64::MAX);
        self.outbox.range(range).map(|(_, unsent)| unsent)
    }

    /// Up to where another tab may fold what it has not sent of a log with what it wrote since, and this one has not heard of.
    pub(crate) fn may_be_folded_upto(&self, log: &Log, held: &BTreeSet<LaneId>) -> u64 {
        if held.contains(&log.lane) {
            return 0;
        }
        let mut unsent = self.unsent_of(log).filter(|unsent| !unsent.settled);
        let first = unsent.next().map(|unsent| unsent.segment.header.first);
        first.map_or(0, |first| first.saturating_add(segment::MAX_COVERED))
    }

    /// Folds rows that follow each other into as few as will do. A row that can't be folded stays.
    fn fold_all(&self, me: &Me, rng: &mut impl CryptoRng, rows: &[&Segment]) -> Result<Vec<Folded>, Error> {
        let mut folds = Vec::new();
        let mut next: Vec<&[&Segment]> = Vec::new();
        let (mut from, mut length) = (0, 0);
        for (place, row) in rows.iter().enumerate() {
            length += row.sealed.len();
            if length > AT_ONCE {
                next.push(&rows[from..place]);
                (from, length) = (place, row.sealed.len());
            }
        }
        next.push(&rows[from..]);
        next.reverse();
        while let Some(rows) = next.pop() {
            if rows.len() < 2 {
                continue;
            }
            match self.fold_one(me, rng, rows)? {
                Some(fold) => folds.push(fold),
                None => {
                    let (first, second) = rows.split_at(rows.len() / 2);
                    next.extend([second, first]);
                }
            }
        }
        Ok(folds)
    }

    /// One fold of all rows; `None` if they do not fit into one.
    fn fold_one(
        &self,
        me: &Me,
        rng: &mut impl CryptoRng,
        rows: &[&Segment],
    ) -> Result<Option<Folded>, Error> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Ok(None);
        };
        if last.header.last - first.header.first >= segment::MAX_COVERED {
            return Ok(None);
        }
        let Ok(mut changes) = self.changes_of_all(rows.iter().copied()) else {
            return Ok(None);
        };
        if does(Mischief::FoldLeavesOut) {
            changes.pop();
        }
        let Some(bundle) = fold(&changes).ok().filter(|bundle| segment::fits([bundle])) else {
            return Ok(None);
        };
        let unsent = self.seal_fold(me, rng, (first.header.first, first.previous), last, bundle)?;
        let replaced = rows.iter().map(|row| row.header.clone()).collect();
        Ok(Some(Folded { unsent, replaced }))
    }

    /// A fold from an index on, and what stands before that, to the end of `last`.
    fn seal_fold(
        &self,
        me: &Me,
        rng: &mut impl CryptoRng,
        (first, previous): (u64, SegmentHash),
        last: &Segment,
        bundle: Vec<u8>,
    ) -> Result<Unsent, Error> {
        let space = last.header.space;
        let sealing = self
            .sealing(&me.keys.id(), &space)
            .ok_or(protocol::Error::CannotOpen("space"))?;
        let header = Header {
            kind: Kind::Fold {
                covered: last.chain_hash(&self.id)?,
            },
            log: last.header.log,
            first,
            last: last.header.last,
            space,
            epoch: sealing.epoch,
            roster: sealing.roster,
        };
        let segment = Segment::seal_fold(&me.keys, &self.id, header, previous, sealing.key, bundle, rng)?;
        Ok(Unsent {
            hash: segment.hash(&self.id)?,
            segment,
            durable: false,
            way: Way::READY,
            sent: false,
            settled: false,
            links: OnceCell::new(),
        })
    }
}

/// Rows of a log without those that others hold as well, up to the first gap.
fn in_a_row(mut rows: Vec<Segment>) -> Vec<Segment> {
    rows.sort_unstable_by_key(|row| (row.header.first, std::cmp::Reverse(row.header.last)));
    let mut following: Vec<Segment> = Vec::new();
    for row in rows {
        match following.last().map(|before| before.header.last) {
            Some(last) if row.header.last <= last => {}
            Some(last) if row.header.first != last + 1 => break,
            _ => following.push(row),
        }
    }
    following
}

/// The newest rows that are worth folding together: a row is taken in only with about as much behind it, so that each is
/// folded a few times at most, however long its log gets.
fn newest<'a, 'b>(rows: &'a [&'b Segment]) -> &'a [&'b Segment] {
    let mut behind = 0;
    let mut from = rows.len();
    for (place, row) in rows.iter().enumerate().rev() {
        let length = row.sealed.len();
        if length >= FULL || (length > SMALL && length > 2 * behind) {
            break;
        }
        behind += length;
        from = place;
    }
    &rows[from..]
}

/// Where `part` stands in `whole`, in one piece; changes are compared by name, for their bytes may be packed in two ways.
pub(crate) fn place_of(part: &[Vec<u8>], whole: &[Vec<u8>]) -> Option<usize> {
    let (part, whole) = (names(part)?, names(whole)?);
    if part.is_empty() {
        return Some(0);
    }
    whole.windows(part.len()).position(|window| window == part)
}

fn names(changes: &[Vec<u8>]) -> Option<Vec<change::Hash>> {
    changes
        .iter()
        .map(|bytes| Some(change::inspect(bytes).ok()?.hash))
        .collect()
}
