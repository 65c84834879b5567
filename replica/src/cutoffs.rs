//! Where the logs end of those who were removed, or may not write any more.
//!
//! What lies beyond counts only where a change of somebody else builds on it. So a document holds all that lies within, and
//! of what lies beyond just what the rest needs: the same everywhere, whatever came first. What is not needed is kept aside.

use std::collections::BTreeSet;

use documents::change::{self, Hash};
use protocol::rand_core::CryptoRng;
use protocol::roster::Unfit;
use protocol::segment::{Header, Log, Segment};
use protocol::{ClassroomId, DocumentId, MemberId, Refusal, SegmentHash};

use crate::aside;
use crate::classroom::{Classroom, Copy, Way};
use crate::incoming::Source;
use crate::loading::{Reading, What};
use crate::store::{self, AsideReason, AsideRecord, Changes, LogRecord, Table};
use crate::{Error, Replica};

/// How many rows of what is kept aside are read at once.
const ROWS: u32 = 32;

/// What is not in the store of a log, from an index to before another, though it should be.
pub(crate) type Gap = (Log, u64, u64);

/// Whether a fold has as many changes as indices: none of the segments that it stands for had more than one, so it shows which
/// change is whose.
pub(crate) fn has_one_each(fold: &Header, changes: &[Vec<u8>]) -> bool {
    changes.len() as u64 == fold.last - fold.first + 1
}

/// A log that goes on beyond its end, and where that is.
struct Cut {
    log: Log,
    next: u64,
}

impl<R: CryptoRng> Replica<R> {
    /// Looks for documents that hold more than they should since the roster has grown.
    pub(crate) fn look_for_cuts(&mut self, id: &ClassroomId) {
        let me = self.me.as_ref().map(|me| me.keys.id());
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        // Who was removed keeps what they have.
        let is_member = me.is_some_and(|me| classroom.roster.member(&me).is_some());
        if is_member && classroom.joining.is_none() {
            let logs = classroom.logs.keys().copied();
            let cut: BTreeSet<DocumentId> = logs
                .filter(|log| classroom.cut(log).is_some())
                .map(|log| log.document)
                .collect();
            classroom.cuts_due.extend(cut);
            self.look_below_cuts(id);
        }
    }

    /// Reads what lies beyond, wherever that is to be looked at.
    pub(crate) fn tick_cuts(&mut self) {
        let mut due = Vec::new();
        for classroom in self.classrooms.values_mut() {
            for document in std::mem::take(&mut classroom.cuts_due) {
                due.push((classroom.id, document));
            }
        }
        for (id, document) in due {
            self.read_beyond(&id, document);
        }
    }

    fn read_beyond(&mut self, id: &ClassroomId, document: DocumentId) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        // With the one before, which says where the log goes on from.
        let ranges = classroom
            .cuts_of(document)
            .iter()
            .map(|cut| store::segments_from(id, &cut.log, cut.next.saturating_sub(1)))
            .collect::<Vec<_>>();
        if ranges.is_empty() {
            return;
        }
        if matches!(classroom.documents.get(&document), Some(Copy::Here(_))) {
            self.read(*id, What::Beyond(document), ranges);
        } else {
            // What the rest builds on shows once the rest is here.
            classroom.cuts_due.insert(document);
            self.load(id, document);
        }
    }

    /// Rows of a document gave way to others: if what lies beyond is being read, it comes as it was, and is read once more.
    pub(crate) fn read_beyond_anew(&mut self, id: &ClassroomId, document: DocumentId) {
        let before = self.reads.len();
        self.reads.retain(|_, reading| {
            reading.classroom != *id || !matches!(reading.what, What::Beyond(other) if other == document)
        });
        if self.reads.len() < before
            && let Some(classroom) = self.classrooms.get_mut(id)
        {
            classroom.cuts_due.insert(document);
        }
    }

    /// Looks through what is kept aside, from a key on or from the first: what another tab has taken out of a document is needed
    /// here, maybe.
    fn look_aside(&mut self, id: &ClassroomId, document: DocumentId, gaps: Vec<Gap>, from: Option<Vec<u8>>) {
        let (table, first, to) = store::range_of(Table::Aside, id);
        let range = (table, from.unwrap_or(first), to);
        self.read_page(*id, What::BeyondAside(document, gaps), range, ROWS);
    }

    /// A page of it was read.
    pub(crate) fn looked_aside(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        gaps: Vec<Gap>,
        found: &Changes,
        next: Option<Vec<u8>>,
    ) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        for ((_, key), row) in found {
            if let Some(row) = row {
                classroom.know_aside(key, row);
            }
        }
        // Until this tab has taken it out, its log says that it is here: it must not be let go of for that.
        classroom.doubted = classroom.logs_in_doubt();
        if next.is_some() {
            self.look_aside(id, document, gaps, next);
            return;
        }
        classroom.gaps.insert(document, gaps);
        self.read_beyond(id, document);
    }

    /// What lies beyond was read: what the rest of the document does not need is taken out of it.
    #[inline(never)]
    pub(crate) fn beyond_read(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        rows: &[Segment],
    ) -> Result<(), Error> {
        self.apply_arrived();
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let cuts = classroom.cuts_of(document);
        let gaps: Vec<Gap> = cuts.iter().flat_map(|cut| classroom.gaps_in(cut, rows)).collect();
        if gaps.is_empty() {
            classroom.gaps.remove(&document);
        } else if classroom.gaps.get(&document) != Some(&gaps) {
            // Another tab has taken some of it out, or this one did, or took it in again, since it was asked for.
            self.look_aside(id, document, gaps, None);
            return Ok(());
        }
        let Some(Copy::Here(held)) = classroom.documents.get(&document) else {
            classroom.cuts_due.insert(document);
            return Ok(());
        };
        let of_log = |cut: &Cut| {
            let log = cut.log;
            rows.iter().filter(move |row| row.header.log == log)
        };
        let beyond = |cut: &Cut| {
            let next = cut.next;
            of_log(cut).filter(move |row| row.header.first >= next)
        };
        // Of what it stands for some counts and some does not.
        let fold_across = |cut: &Cut| {
            let next = cut.next;
            of_log(cut).find(move |row| row.header.first < next && next <= row.header.last)
        };
        let rest_of = |cut: &Cut| {
            let fold =
                fold_across(cut).filter(|fold| classroom.end_within(&fold.header) == Some(cut.next))?;
            classroom.names_from(fold, cut.next)
        };
        let mut candidates: BTreeSet<Hash> = cuts
            .iter()
            .flat_map(beyond)
            .flat_map(|row| classroom.names_in(row))
            .collect();
        candidates.extend(cuts.iter().filter_map(rest_of).flatten());
        let needed = held.content.document().needed(&candidates);
        // What another tab had taken out while this one read, and took in again since.
        let missing = held.content.document().missing_dependencies();
        let mut has_changed = missing.iter().any(|name| needed.contains(name));
        let mut taken_out = Vec::new();
        let mut across = Vec::new();
        for cut in &cuts {
            let mut counts_in_part = None;
            if let Some(fold) = fold_across(cut) {
                // The relay may have what it stands for apart.
                across.push((cut.log, fold.hash(id)?));
                let rest = rest_of(cut).filter(|rest| !rest.iter().any(|name| needed.contains(name)));
                counts_in_part = rest.map(|_| fold.clone());
            }
            let is_needed = |row: &&Segment| classroom.names_in(row).iter().any(|name| needed.contains(name));
            // What another builds on has all before it in its log behind it.
            let kept = beyond(cut)
                .filter(is_needed)
                .map(|row| row.header.last + 1)
                .max()
                .unwrap_or(cut.next);
            counts_in_part = counts_in_part.filter(|_| kept == cut.next);
            let last = of_log(cut)
                .filter(|row| row.header.first < kept)
                .max_by_key(|row| row.header.last);
            let (next, hash) = match last {
                // What stands before its end in the fold has a hash that nothing here shows.
                _ if counts_in_part.is_some() => (cut.next, SegmentHash::NONE),
                Some(row) => (row.header.last + 1, row.chain_hash(id)?),
                None => classroom
                    .snapshots
                    .covered(&cut.log)
                    .map_or((0, SegmentHash::NONE), |lane| (lane.next, lane.hash)),
            };
            let dead: Vec<Segment> = of_log(cut)
                .filter(|row| row.header.first >= next)
                .cloned()
                .collect();
            taken_out.push((cut.log, next, hash, dead, counts_in_part));
        }
        for (log, next, hash, dead, counts_in_part) in taken_out {
            let Some(record) = self.classrooms.get_mut(id).and_then(|c| c.logs.get_mut(&log)) else {
                continue;
            };
            if record.next <= next {
                continue;
            }
            *record = LogRecord {
                generation: record.generation + 1,
                next,
                hash,
            };
            has_changed = true;
            self.note_log(id, &log)?;
            for segment in dead {
                let header = &segment.header;
                self.writes
                    .next()
                    .delete(Table::Segments, store::segment_key(id, header));
                self.not_sent(id, &log, header.last);
                self.keep_aside(id, AsideReason::BeyondCutoff, segment.encode()?)?;
            }
            if let Some(fold) = counts_in_part {
                self.not_sent(id, &log, fold.header.last);
                self.keep_aside(id, AsideReason::BeyondCutoff, fold.encode()?)?;
            }
        }
        if has_changed {
            self.put_together_again(id, document);
        }
        // What the relay had refused already, and another tab took out of the store, was none of what was read.
        self.put_cut_aside(id)?;
        for (log, fold) in across {
            self.look_into_once(id, &log, fold, fold)?;
        }
        Ok(())
    }

    /// Has it looked up in the store whether that is here of a log which is kept aside as well: one tab took it in again, when it
    /// counted after all, and another, which had not heard of that, put it aside after that and then was gone.
    pub(crate) fn look_whether_here(&mut self, id: &ClassroomId, log: Log) {
        let is_read = |reading: &Reading| {
            reading.classroom == *id && matches!(reading.what, What::Doubted(of) if of == log)
        };
        let Some(classroom) = self.classrooms.get(id) else {
            return;
        };
        let doubted = classroom.in_doubt_of(&log);
        let Some(first) = doubted.iter().map(|(first, _)| *first).min() else {
            return;
        };
        if !self.reads.values().any(is_read) {
            let keys = doubted.iter().map(|(_, key)| store::row(Table::Aside, key));
            let ranges = keys.chain([store::segments_from(id, &log, first)]).collect();
            self.read(*id, What::Doubted(log), ranges);
        }
    }

    /// What is nowhere but aside is put in its place again, as far as it counts.
    #[inline(never)]
    pub(crate) fn doubted_read(&mut self, id: &ClassroomId, log: &Log, found: &Changes) -> Result<(), Error> {
        self.apply_arrived();
        let needed = self.needed_beyond(id, log.document);
        let mut rows: Vec<Segment> = Vec::new();
        let mut aside: Vec<(Segment, Vec<u8>)> = Vec::new();
        for ((table, key), row) in found {
            let Some(row) = row else { continue };
            if *table == Table::Segments {
                rows.extend(Segment::decode(row));
            } else if let Ok(record) = store::decode::<AsideRecord>(Table::Aside, row)
                && let Ok(segment) = Segment::decode(&record.item)
            {
                aside.push((segment, key.clone()));
            }
        }
        aside.sort_unstable_by_key(|(segment, _)| segment.header.first);
        let mut is_settled = true;
        for (segment, key) in aside {
            let header = &segment.header;
            let Some(classroom) = self.classrooms.get(id) else {
                return Ok(());
            };
            let known = classroom.aside.get(&key);
            if !known.is_some_and(|known| classroom.is_in_doubt(known.reason, header)) {
                continue;
            }
            let is_within =
                |row: &Segment| row.header.first <= header.last && header.first <= row.header.last;
            if !rows.iter().any(is_within) {
                let counts = match classroom.roster.check_segment(header) {
                    Ok(()) => segment.verify(id).is_ok(),
                    Err(Unfit::BeyondCutoff) => needed.contains(&segment) && segment.verify(id).is_ok(),
                    Err(_) => false,
                };
                let Some(changes) = classroom.changes_of(&segment).ok().filter(|_| counts) else {
                    is_settled = false;
                    continue;
                };
                self.keep_segment(id, &segment, changes)?;
            } else if !rows.contains(&segment) {
                continue;
            }
            self.no_more_aside(id, key);
            self.send_own_after_all(id, segment)?;
        }
        if let Some(classroom) = self.classrooms.get_mut(id)
            && is_settled
        {
            classroom.doubted.remove(log);
            classroom.aside_due = true;
        }
        Ok(())
    }

    /// Own work lost its place in the outbox when it was put aside: has it sent, if the relay takes it of its author. Whoever has
    /// built on the rest brings that.
    pub(crate) fn send_own_after_all(&mut self, id: &ClassroomId, segment: Segment) -> Result<(), Error> {
        let me = self.me.as_ref().map(|me| me.keys.id());
        let header = &segment.header;
        let is_taken = self.classrooms.get(id).is_some_and(|classroom| {
            classroom.roster.check_segment(header).is_ok() || classroom.roster.may_write_again(header)
        });
        if me == Some(header.log.member) && is_taken {
            self.send_after_all(id, segment)?;
        }
        Ok(())
    }

    /// Puts aside what the relay refused as beyond and no document here holds: another tab wrote it, or has taken it out.
    pub(crate) fn put_cut_aside(&mut self, id: &ClassroomId) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get(id) else {
            return Ok(());
        };
        let mut dead: Vec<Segment> = Vec::new();
        for ((log, _), unsent) in &classroom.outbox {
            let header = &unsent.segment.header;
            let reason = Refusal::BeyondCutoff;
            // What follows lies beyond as well.
            let is_refused = matches!(unsent.way, Way::Refused { reason: other, .. } if other == reason)
                || dead.last().is_some_and(|before| before.header.log == *log);
            let is_here = classroom.logs.get(log).map_or(0, |record| record.next) > header.first;
            if is_refused && !is_here && classroom.roster.check_segment(header) == Err(Unfit::BeyondCutoff) {
                dead.push(unsent.segment.clone());
            }
        }
        for segment in dead {
            self.not_sent(id, &segment.header.log, segment.header.last);
            self.keep_aside(id, AsideReason::BeyondCutoff, segment.encode()?)?;
        }
        Ok(())
    }

    /// Takes something out of the outbox that is kept aside now.
    pub(crate) fn not_sent(&mut self, id: &ClassroomId, log: &Log, last: u64) {
        if let Some(classroom) = self.classrooms.get_mut(id)
            && let Some(unsent) = classroom.outbox.remove(&(*log, last))
        {
            self.writes
                .next()
                .delete(Table::Outbox, store::outbox_key(id, log, last, unsent.settled));
        }
    }

    /// Takes in what lies beyond and turned out to be needed by others.
    pub(crate) fn take_needed(&mut self) -> Result<(), Error> {
        loop {
            let due: Vec<(ClassroomId, DocumentId)> = self
                .classrooms
                .values_mut()
                .flat_map(|classroom| {
                    let id = classroom.id;
                    let due = std::mem::take(&mut classroom.needs_due);
                    due.into_iter().map(move |document| (id, document))
                })
                .collect();
            if due.is_empty() {
                return Ok(());
            }
            self.apply_arrived();
            for (id, document) in due {
                self.read_needed(&id, document);
                for segment in self.needed_beyond(&id, document) {
                    let (header, reason) = (&segment.header, AsideReason::BeyondCutoff);
                    let is_in_doubt = |classroom: &Classroom| classroom.is_in_doubt(reason, header);
                    if self.classrooms.get(&id).is_some_and(is_in_doubt) {
                        self.look_whether_here(&id, header.log);
                        continue;
                    }
                    let item = segment.encode()?;
                    if self.take_segment(&id, &segment, Source::Needed)?.is_none() {
                        self.let_in(&id, &item);
                        self.send_own_after_all(&id, segment)?;
                    }
                }
            }
            // It may need more in turn.
            self.apply_arrived();
        }
    }

    /// Has read what is kept aside as beyond, and may be what the document waits for, and is not at hand.
    fn read_needed(&mut self, id: &ClassroomId, document: DocumentId) {
        let Some(classroom) = self.classrooms.get(id) else {
            return;
        };
        let keys = classroom.aside.beyond_and_away(&document);
        let is_read = |reading: &Reading| matches!(reading.what, What::Needed(of) if of == document);
        if !keys.is_empty() && !self.reads.values().any(is_read) {
            let ranges = keys.iter().map(|key| store::row(Table::Aside, key)).collect();
            self.read(*id, What::Needed(document), ranges);
        }
    }

    #[inline(never)]
    pub(crate) fn needed_read(&mut self, id: &ClassroomId, document: DocumentId, found: Changes) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let mut is_any = false;
        for ((_, key), row) in found {
            if let Some(Ok(record)) = row.map(|row| store::decode::<AsideRecord>(Table::Aside, &row)) {
                classroom.aside.take_to_hand(&key, record.item);
                is_any = true;
            }
        }
        if is_any {
            classroom.needs_due.insert(document);
        }
    }

    /// What is kept aside as beyond and the document waits for, in the order of its logs.
    fn needed_beyond(&self, id: &ClassroomId, document: DocumentId) -> Vec<Segment> {
        let Some(classroom) = self.classrooms.get(id) else {
            return Vec::new();
        };
        let Some(Copy::Here(held)) = classroom.documents.get(&document) else {
            return Vec::new();
        };
        let missing = held.content.document().missing_dependencies();
        classroom.wanted(classroom.beyond_at_hand(&document), &missing)
    }
}

impl Classroom {
    /// Whether all of a segment lies beyond the end of its log.
    pub(crate) fn begins_beyond(&self, header: &Header) -> bool {
        let end = self.roster.cutoff(&header.log);
        end.is_some_and(|end| end <= header.first)
    }

    /// Where a log ends within a fold of it.
    pub(crate) fn end_within(&self, fold: &Header) -> Option<u64> {
        let end = (fold.first < fold.last).then(|| self.roster.cutoff(&fold.log))??;
        (fold.first < end && end <= fold.last).then_some(end)
    }

    /// How many of the changes of a segment are here by what its log says, which may end within.
    pub(crate) fn counted(&self, header: &Header, changes: &[Vec<u8>]) -> usize {
        let end = self.end_within(header).filter(|_| has_one_each(header, changes));
        let next = self.logs.get(&header.log).map(|record| record.next);
        match end.filter(|end| next == Some(*end)) {
            Some(end) => (end - header.first) as usize,
            None => changes.len(),
        }
    }

    /// Whether a log ends within a fold, and all that counts of that is here.
    pub(crate) fn counts_in_part(&self, fold: &Segment) -> bool {
        let changes = self.changes_of(fold);
        changes.is_ok_and(|changes| self.counted(&fold.header, &changes) < changes.len())
    }

    /// Where a log ends that goes on beyond that here.
    pub(crate) fn cut(&self, log: &Log) -> Option<u64> {
        let end = self.roster.cutoff(log)?;
        let below = self.snapshots.covered(log).map_or(0, |lane| lane.next);
        let next = end.max(below);
        self.logs
            .get(log)
            .is_some_and(|record| record.next > next)
            .then_some(next)
    }

    fn cuts_of(&self, document: DocumentId) -> Vec<Cut> {
        self.logs
            .keys()
            .filter(|log| log.document == document)
            .filter_map(|log| {
                Some(Cut {
                    log: *log,
                    next: self.cut(log)?,
                })
            })
            .collect()
    }

    /// What is not among what was read of a log, from the one before its end on.
    fn gaps_in(&self, cut: &Cut, rows: &[Segment]) -> Vec<Gap> {
        let below = self.snapshots.covered(&cut.log).map_or(0, |lane| lane.next);
        let mut next = cut.next - u64::from(below < cut.next);
        let headers = rows.iter().map(|row| &row.header);
        let of_log = headers.filter(|header| header.log == cut.log);
        let mut gaps = Vec::new();
        for (first, last) in of_log
            .map(|header| (header.first, header.last))
            .collect::<BTreeSet<_>>()
        {
            if first > next {
                gaps.push((cut.log, next, first));
            }
            next = next.max(last + 1);
        }
        if let Some(record) = self.logs.get(&cut.log)
            && next < record.next
        {
            gaps.push((cut.log, next, record.next));
        }
        gaps
    }

    /// Of what lies beyond that for which a document waits, in the order of its logs.
    fn wanted(&self, mut beyond: Vec<Segment>, missing: &[Hash]) -> Vec<Segment> {
        beyond.sort_by_key(|segment| (segment.header.log, segment.header.first));
        let is_wanted = |segment: &Segment| {
            let names = self.names_in(segment);
            names.iter().any(|name| missing.contains(name))
        };
        let mut wanted = Vec::new();
        // From the end of each log: from the last one that is wanted on, all before it.
        let mut log = None;
        for segment in beyond.into_iter().rev() {
            if log == Some(segment.header.log) || is_wanted(&segment) {
                log = Some(segment.header.log);
                wanted.push(segment);
            }
        }
        wanted.reverse();
        wanted
    }

    /// Whether an index of somebody else's log lies beyond its end, and this tab has not taken it: another tab has stored it,
    /// and may take it out again.
    pub(crate) fn is_beyond_unheard(&self, me: &MemberId, log: &Log, index: u64) -> bool {
        let here = self.logs.get(log).map_or(0, |record| record.next);
        // Who was removed keeps what they have.
        log.member != *me
            && here <= index
            && self.roster.cutoff(log).is_some_and(|end| end <= index)
            && self.roster.member(me).is_some()
    }

    /// Whether the document holds what comes only now, and lies beyond: another tab had it already, and stored it.
    pub(crate) fn holds_already(&self, segment: &Segment) -> bool {
        let log = segment.header.log;
        let Some(Copy::Here(held)) = self.documents.get(&log.document) else {
            return false;
        };
        let last = held.content.document().last_of(log.actor());
        last.is_some_and(|last| self.names_in(segment).contains(&last))
    }

    /// Whether something that is kept aside is here by what its log says, and that may not be so.
    pub(crate) fn is_in_doubt(&self, reason: AsideReason, header: &Header) -> bool {
        self.doubted.contains(&header.log) && self.is_said_to_be_here(reason, &header.log, header.last)
    }

    fn is_said_to_be_here(&self, reason: AsideReason, log: &Log, last: u64) -> bool {
        let below = self.snapshots.covered(log).map_or(0, |lane| lane.next);
        let next = self.logs.get(log).map_or(0, |record| record.next);
        matches!(reason, AsideReason::BeyondCutoff | AsideReason::OutOfOrder) && (below..next).contains(&last)
    }

    /// The logs of which something is kept aside that is here by what they say.
    pub(crate) fn logs_in_doubt(&self) -> BTreeSet<Log> {
        let mut logs = BTreeSet::new();
        for aside in self.aside.values() {
            if let aside::What::Segment(log, _, last) = aside.what
                && self.is_said_to_be_here(aside.reason, &log, last)
            {
                logs.insert(log);
            }
        }
        logs
    }

    /// What it is of one of them: where each begins, and its key.
    fn in_doubt_of(&self, log: &Log) -> Vec<(u64, Vec<u8>)> {
        let first_of = |aside: &aside::Aside| match aside.what {
            aside::What::Segment(of, first, last)
                if of == *log && self.is_said_to_be_here(aside.reason, log, last) =>
            {
                Some(first)
            }
            _ => None,
        };
        let keys = self
            .aside
            .keys_of(&log.document, |aside| first_of(aside).is_none());
        let first_at = |key: Vec<u8>| Some((self.aside.get(&key).and_then(first_of)?, key));
        keys.into_iter().filter_map(first_at).collect()
    }

    /// The names of the changes in a segment.
    pub(crate) fn names_in(&self, segment: &Segment) -> Vec<Hash> {
        let changes = self.open_own(segment).unwrap_or_default();
        changes
            .iter()
            .filter_map(|bytes| Some(change::inspect(bytes).ok()?.hash))
            .collect()
    }

    /// The names of the changes in a fold from an index on, if it shows which these are.
    fn names_from(&self, fold: &Segment, index: u64) -> Option<Vec<Hash>> {
        let header = &fold.header;
        let changes = self.changes_of(fold).ok()?;
        let before = usize::try_from(index.checked_sub(header.first)?).ok()?;
        let behind = changes.get(before..).filter(|_| has_one_each(header, &changes))?;
        let names = behind.iter();
        Some(
            names
                .filter_map(|bytes| Some(change::inspect(bytes).ok()?.hash))
                .collect(),
        )
    }

    /// The fold, if it is at hand, that goes on beyond the end of its log, where a segment ends: its rest is kept aside.
    pub(crate) fn counted_in_part(&self, part: &Header) -> Option<Segment> {
        let next = self.logs.get(&part.log)?.next;
        if part.last + 1 != next || self.roster.cutoff(&part.log) != Some(next) {
            return None;
        }
        let is_around = |fold: &Segment| {
            let Header { log, first, last, .. } = &fold.header;
            *log == part.log && *first <= part.first && (*first..=*last).contains(&next)
        };
        self.beyond_at_hand(&part.log.document)
            .into_iter()
            .find(is_around)
    }

    /// Notes that a document waits for what may be kept aside as beyond.
    pub(crate) fn note_needs(&mut self, document: DocumentId) {
        if let Some(Copy::Here(held)) = self.documents.get(&document)
            && self.aside.holds_beyond()
            && !held.content.document().missing_dependencies().is_empty()
        {
            self.needs_due.insert(document);
        }
    }
}
