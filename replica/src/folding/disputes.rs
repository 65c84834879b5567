//! Folds that hold something else than what they stand for.
//!
//! Whoever has what a fold stands for finds that out, says so to the relay, and brings it. The relay serves that again in
//! place of the fold. Whoever took the fold hears of it and fetches what came back: its hashes lead to the one that the
//! fold itself names, so it is what the author wrote first. If the fold holds something else, it is kept aside, and so all
//! have the same again.
//!
//! An honest fold is taken apart alike if its log ends within it, because its author was removed by somebody who had not
//! seen all of it; or if the relay has another that begins within it and goes on beyond it, because a copy of its author's
//! profile has folded by itself.

use std::collections::{BTreeMap, BTreeSet};

use protocol::frame::ClientFrame;
use protocol::inventory::{LogRange, Wanted};
use protocol::rand_core::CryptoRng;
use protocol::segment::{Header, Log, Segment};
use protocol::{ClassroomId, DocumentId, SegmentHash, SnapshotHash};

use super::{in_a_row, names, place_of};
use crate::classroom::{Classroom, Copy, Submission};
use crate::loading::What;
use crate::snapshots::Fetching;
use crate::store::{self, AsideReason, LogRecord, Table};
use crate::{Error, Replica};

/// How much of what a fold stands for is brought at once, or taken.
const MOST_ROWS: usize = 1_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

#[derive(Default)]
pub(crate) struct Disputes {
    /// What others dispute, by document and hash, until it was looked at.
    pub(crate) due: BTreeSet<(DocumentId, SegmentHash)>,
    /// The same, looked at on this connection, where not all was that it takes; each with what it stands for.
    later: BTreeMap<(DocumentId, SegmentHash), LogRange>,
    under_way: Option<Disputed>,
    /// The folds that were looked into on this connection, each with what led to that, and how far its log went then.
    looked: BTreeMap<(SegmentHash, SegmentHash), LogRecord>,
    /// The folds of which this connection was told.
    pub(crate) said: BTreeSet<SegmentHash>,
    /// Whether this connection has not come yet to where everything was sent.
    is_new: bool,
}

impl Disputes {
    /// A connection begins: what could not be settled on the last one may be on this one.
    pub(crate) fn begin(&mut self) {
        self.said.clear();
        self.looked.clear();
        self.under_way = None;
        self.due.extend(std::mem::take(&mut self.later).into_keys());
        self.is_new = true;
    }

    /// The one looked at that a segment is a part of by its place.
    fn later_with(&self, part: &Header) -> Option<(DocumentId, SegmentHash)> {
        let is_around = |whole: &LogRange| {
            let is_whole = whole.from == part.first && part.last + 1 == whole.to;
            whole.log == part.log && whole.from <= part.first && part.last < whole.to && !is_whole
        };
        let mut around = self.later.iter().filter(|(_, whole)| is_around(whole));
        around.next().map(|(name, _)| *name)
    }
}

/// A fold that is here, and what is disputed of it.
struct Disputed {
    name: (DocumentId, SegmentHash),
    fold: Option<Segment>,
    /// How far its log went when that was read.
    record: Option<LogRecord>,
    /// What is here behind it.
    behind: Vec<Segment>,
    parts: Vec<Segment>,
    bytes: usize,
}

impl Disputed {
    /// Where the next part begins, and the hash before it.
    fn next(&self, id: &ClassroomId) -> Result<Option<(u64, SegmentHash)>, Error> {
        Ok(match (self.parts.last(), &self.fold) {
            (Some(part), _) => Some((part.header.last + 1, part.chain_hash(id)?)),
            (None, Some(fold)) => Some((fold.header.first, fold.previous)),
            (None, None) => None,
        })
    }
}

impl<R: CryptoRng> Replica<R> {
    /// A fold holds something else than these rows: the relay is told, and given them.
    pub(super) fn dispute(
        &mut self,
        id: &ClassroomId,
        fold: &Segment,
        rows: &[Segment],
    ) -> Result<(), Error> {
        let hash = fold.hash(id)?;
        let header = &fold.header;
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        // Before that it is said later on.
        let channel = classroom.channel.as_ref();
        let may_say = classroom.joining.is_none() && channel.is_some_and(|channel| channel.caught_up);
        if !may_say || !classroom.disputes.said.insert(hash) {
            return Ok(());
        }
        let name = SnapshotHash(hash.0);
        let document = header.log.document;
        self.send_verdict(id, document, &header.space, name, false);
        let is_within = |row: &&Segment| header.first <= row.header.first && row.header.last <= header.last;
        for row in rows.iter().filter(is_within).take(MOST_ROWS) {
            let hash = row.hash(id)?;
            if let Some(channel) = self.classrooms.get_mut(id).and_then(|c| c.channel.as_mut()) {
                channel.submit(Submission::Verdict);
                let segment = Box::new(channel.packer.pack(row, hash));
                let channel = channel.number;
                self.send(&[ClientFrame::Segment { channel, segment }]);
            }
        }
        // It looks once more whether it has all now.
        self.send_verdict(id, document, &header.space, name, false);
        Ok(())
    }

    /// A fold may have to give way, for its log ends within it, or goes on from within it, as `sign` shows. That is seen
    /// each time that `sign` is looked at, and leads to nothing new on this connection while the fold is here and the log is
    /// as it was.
    pub(crate) fn look_into_once(
        &mut self,
        id: &ClassroomId,
        log: &Log,
        fold: SegmentHash,
        sign: SegmentHash,
    ) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let record = classroom.logs.get(log).copied().unwrap_or(LogRecord::EMPTY);
        if classroom.disputes.looked.insert((fold, sign), record) == Some(record) {
            return Ok(());
        }
        self.look_into(id, log.document, fold)
    }

    /// A fold may have to give way: somebody says that it holds something else, or its log goes on from within it.
    pub(crate) fn look_into(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        hash: SegmentHash,
    ) -> Result<(), Error> {
        if let Some(classroom) = self.classrooms.get_mut(id)
            && classroom.disputes.due.insert((document, hash))
        {
            let key = store::dispute_key(id, &document, &hash);
            self.batch(id).put(Table::Classrooms, key, &())?;
            self.look_at_disputes(id);
        }
        Ok(())
    }

    /// A connection has come to where everything was sent: what waited for that goes on.
    pub(crate) fn settle_disputes(&mut self, id: &ClassroomId) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        // In exchanges each answer comes to that.
        if std::mem::take(&mut classroom.disputes.is_new) {
            classroom.aside.try_again(AsideReason::FoldDiffers);
            self.read_aside(id);
        }
        self.look_at_disputes(id);
    }

    /// Looks for the next fold that is disputed.
    fn look_at_disputes(&mut self, id: &ClassroomId) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let is_ready = classroom
            .channel
            .as_ref()
            .is_some_and(|channel| channel.caught_up);
        if !is_ready || classroom.disputes.under_way.is_some() {
            return;
        }
        let Some((document, hash)) = classroom.disputes.due.first().copied() else {
            return;
        };
        classroom.disputes.under_way = Some(Disputed {
            name: (document, hash),
            fold: None,
            record: None,
            behind: Vec::new(),
            parts: Vec::new(),
            bytes: 0,
        });
        let mut ranges = Vec::new();
        for log in classroom.logs.keys().filter(|log| log.document == document) {
            ranges.push(store::segments_from(id, log, 0));
        }
        self.read(*id, What::Disputed(document, hash), ranges);
    }

    /// The segments of a document were read of which a fold is disputed.
    #[inline(never)]
    pub(crate) fn disputed_read(
        &mut self,
        id: &ClassroomId,
        name: (DocumentId, SegmentHash),
        rows: Vec<Segment>,
    ) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let Some(disputed) = classroom.disputes.under_way.as_mut().filter(|d| d.name == name) else {
            return Ok(());
        };
        for row in &rows {
            if row.header.kind.covered().is_some() && row.hash(id)? == name.1 {
                disputed.fold = Some(row.clone());
                break;
            }
        }
        if let Some(Header { log, last, .. }) = disputed.fold.as_ref().map(|fold| &fold.header) {
            let is_behind = |row: &Segment| row.header.log == *log && row.header.first > *last;
            disputed.record = classroom.logs.get(log).copied();
            disputed.behind = in_a_row(rows.into_iter().filter(is_behind).collect());
        }
        let Some(header) = disputed.fold.as_ref().map(|fold| &fold.header) else {
            // Another tab may have put something else in its place.
            classroom.aside_due = true;
            let copy = classroom.documents.get(&name.0);
            if matches!(copy, Some(Copy::Here(_) | Copy::Loading { .. })) {
                self.put_together_again(id, name.0);
            }
            return self.settled(id);
        };
        let wanted = Wanted {
            logs: vec![whole_of(header)],
            ..Wanted::default()
        };
        self.fetch(id, wanted, Fetching::Parts);
        Ok(())
    }

    /// Whether segments that come by name are what a fold stands for.
    pub(crate) fn is_unfolding(&self, id: &ClassroomId) -> bool {
        self.classrooms
            .get(id)
            .and_then(|classroom| classroom.channel.as_ref())
            .is_some_and(|channel| channel.fetching.front() == Some(&Fetching::Parts))
    }

    pub(crate) fn part_came(&mut self, id: &ClassroomId, segment: Segment) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let Some(disputed) = &mut classroom.disputes.under_way else {
            return Ok(());
        };
        let follows = disputed.next(id)? == Some((segment.header.first, segment.previous));
        disputed.bytes += segment.sealed.len();
        if follows && disputed.bytes <= MOST_BYTES && segment.hash(id)? != disputed.name.1 {
            disputed.parts.push(segment);
        }
        Ok(())
    }

    /// All has come that the relay has of what a fold stands for.
    pub(crate) fn parts_fetched(&mut self, id: &ClassroomId) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let Some(disputed) = &mut classroom.disputes.under_way else {
            return Ok(());
        };
        let (name, record) = (disputed.name, disputed.record);
        let Some(fold) = disputed.fold.take() else {
            return Ok(());
        };
        let behind = std::mem::take(&mut disputed.behind);
        let parts = std::mem::take(&mut disputed.parts);
        let is_as_read = self
            .classrooms
            .get(id)
            .is_some_and(|classroom| classroom.logs.get(&fold.header.log).copied() == record);
        if is_as_read && self.give_way(id, &fold, &behind, &parts)? {
            return self.settled(id);
        }
        let counts_in_part = |classroom: &Classroom| classroom.counts_in_part(&fold);
        if is_as_read && self.classrooms.get(id).is_some_and(counts_in_part) {
            // What counts of it is here. If the relay takes it apart, that shows.
            return self.settled(id);
        }
        // There may be more another time.
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.disputes.under_way = None;
            classroom.disputes.due.remove(&name);
            classroom.disputes.later.insert(name, whole_of(&fold.header));
        }
        self.look_at_disputes(id);
        Ok(())
    }

    /// The relay gives what is here already: if that is a part of a fold that could not give way, it has taken that apart since.
    pub(crate) fn known_came(&mut self, id: &ClassroomId, part: &Header) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        if let Some(name) = classroom.disputes.later_with(part) {
            classroom.disputes.later.remove(&name);
            classroom.disputes.due.insert(name);
            self.look_at_disputes(id);
        } else if let Some(fold) = classroom.counted_in_part(part) {
            let hash = fold.hash(id)?;
            self.look_into_once(id, &part.log, hash, hash)?;
        }
        Ok(())
    }

    /// Compares a fold with what the relay has in its place, which takes it if need be; says whether that is settled.
    fn give_way(
        &mut self,
        id: &ClassroomId,
        fold: &Segment,
        behind: &[Segment],
        parts: &[Segment],
    ) -> Result<bool, Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(true);
        };
        let is_sound = |part: &Segment| part.header.log == fold.header.log && part.verify(id).is_ok();
        if !parts.iter().all(is_sound) {
            return Ok(false);
        }
        let Ok(held) = classroom.changes_of_all(parts) else {
            return Ok(false);
        };
        let Some(last) = parts.last() else {
            return Ok(false);
        };
        if last.header.last > fold.header.last {
            return self.put_further(id, fold, behind, parts, held);
        }
        if last.header.last < fold.header.last || Some(last.chain_hash(id)?) != fold.header.kind.covered() {
            return Ok(false);
        }
        let is_same = classroom
            .changes_of(fold)
            .is_ok_and(|changes| names(&changes).is_some_and(|folded| Some(folded) == names(&held)));
        let header = &fold.header;
        let end = classroom.roster.cutoff(&header.log);
        let is_across = end.is_some_and(|end| header.first < end && end <= header.last);
        if !is_same || is_across {
            self.put_back(id, fold, parts, is_same)?;
        }
        Ok(true)
    }

    /// The relay has a log in other segments, and further than it is here. If they begin with just what is here from the fold on,
    /// they take the place of that; says whether they do.
    fn put_further(
        &mut self,
        id: &ClassroomId,
        fold: &Segment,
        behind: &[Segment],
        parts: &[Segment],
        mut held: Vec<Vec<u8>>,
    ) -> Result<bool, Error> {
        let log = fold.header.log;
        let (Some(classroom), Some(last)) = (self.classrooms.get_mut(id), parts.last()) else {
            return Ok(false);
        };
        let end = behind.last().unwrap_or(fold).header.last + 1;
        let Ok(stored) = classroom.changes_of_all(std::iter::once(fold).chain(behind)) else {
            return Ok(false);
        };
        let counts = |part: &Segment| {
            part.header.space == fold.header.space && classroom.roster.check_segment(&part.header).is_ok()
        };
        if last.header.last < end || !parts.iter().all(counts) || place_of(&stored, &held) != Some(0) {
            return Ok(false);
        }
        let (next, hash) = (last.header.last + 1, last.chain_hash(id)?);
        let Some(record) = classroom.logs.get_mut(&log).filter(|record| record.next == end) else {
            return Ok(false);
        };
        *record = LogRecord {
            generation: record.generation + 1,
            next,
            hash,
        };
        let mut new = held.split_off(stored.len());
        for row in std::iter::once(fold).chain(behind) {
            self.batch(id)
                .delete(Table::Segments, store::segment_key(id, &row.header));
        }
        self.read_beyond_anew(id, log.document);
        for part in parts {
            self.keep_segment(id, part, std::mem::take(&mut new))?;
            self.let_in(id, &part.encode()?);
        }
        self.segments_on_relay(id, log, fold.header.first..=last.header.last);
        if log.lane == self.lane {
            // A copy of this profile writes on it as well.
            self.change_lane();
        }
        Ok(true)
    }

    /// Puts what a fold stands for in its place.
    fn put_back(
        &mut self,
        id: &ClassroomId,
        fold: &Segment,
        parts: &[Segment],
        is_same: bool,
    ) -> Result<(), Error> {
        let log = fold.header.log;
        let Some(record) = self.classrooms.get_mut(id).and_then(|c| c.logs.get_mut(&log)) else {
            return Ok(());
        };
        // Where the log ends is the same, unless that was within the fold, and what is before it is not.
        record.generation += 1;
        if record.next <= fold.header.last {
            record.next = fold.header.last + 1;
            record.hash = fold.chain_hash(id)?;
        }
        self.note_log(id, &log)?;
        let batch = self.batch(id);
        batch.delete(Table::Segments, store::segment_key(id, &fold.header));
        for part in parts {
            batch.put_bytes(
                Table::Segments,
                store::segment_key(id, &part.header),
                part.encode()?,
            );
        }
        // The relay knows of it.
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.disputes.said.insert(fold.hash(id)?);
            classroom.aside_due = true;
        }
        self.not_sent(id, &log, fold.header.last);
        self.read_beyond_anew(id, log.document);
        if is_same {
            self.let_in(id, &fold.encode()?);
        } else {
            self.keep_aside(id, AsideReason::FoldDiffers, fold.encode()?)?;
        }
        self.put_together_again(id, log.document);
        self.look_for_cuts(id);
        Ok(())
    }

    /// The one under way is settled.
    fn settled(&mut self, id: &ClassroomId) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        if let Some(Disputed { name, .. }) = classroom.disputes.under_way.take() {
            classroom.disputes.due.remove(&name);
            classroom.disputes.looked.remove(&(name.1, name.1));
            let key = store::dispute_key(id, &name.0, &name.1);
            self.batch(id).delete(Table::Classrooms, key);
        }
        self.look_at_disputes(id);
        Ok(())
    }
}

/// All that a segment stands for.
pub(crate) fn whole_of(header: &Header) -> LogRange {
    LogRange {
        log: header.log,
        from: header.first,
        to: header.last + 1,
    }
}
