//! Taking a snapshot, and giving one up again.

use protocol::bundle::Kind;
use protocol::frame::ClientFrame;
use protocol::rand_core::CryptoRng;
use protocol::segment::Segment;
use protocol::snapshot::Snapshot;
use protocol::{ClassroomId, DocumentId, SegmentHash, SnapshotHash};

use super::{Fetching, Fit, Known};
use crate::aside::What as Aside;
use crate::classroom::{Classroom, Copy, Handing};
use crate::incoming::reason_of;
use crate::loading::What;
use crate::store::{self, AsideReason, LogRecord, Ranges, SnapshotRecord, SnapshotState, Table};
use crate::{Error, Replica};

impl<R: CryptoRng> Replica<R> {
    /// The relay sent a snapshot: by name or in place of segments, or as something new.
    pub(crate) fn snapshot_came(
        &mut self,
        id: &ClassroomId,
        advance: u64,
        bytes: &[u8],
    ) -> Result<(), Error> {
        if advance == 0 && self.compared_snapshot(id, bytes) {
            return Ok(());
        }
        let channel = self
            .classrooms
            .get(id)
            .and_then(|classroom| classroom.channel.as_ref());
        let has_caught_up = channel.is_some_and(|channel| channel.caught_up);
        self.take_snapshot(id, bytes, advance == 0)?;
        if has_caught_up && advance > 0 {
            self.settle_offers(id, true)?;
        }
        Ok(())
    }

    /// A snapshot came. `alone`: what it covers does not come by itself. Says whether it may be of use.
    pub(crate) fn take_snapshot(
        &mut self,
        id: &ClassroomId,
        bytes: &[u8],
        alone: bool,
    ) -> Result<bool, Error> {
        let snapshot = match Snapshot::decode(bytes) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                let reason = reason_of(&error, AsideReason::Unreadable);
                self.keep_unread(id, Kind::Snapshot, reason, bytes.to_vec())?;
                return Ok(false);
            }
        };
        let Ok(hash) = snapshot.verify(id) else {
            self.keep_aside(id, AsideReason::BadSignature, bytes.to_vec())?;
            return Ok(false);
        };
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(false);
        };
        if classroom.snapshots.place(&hash).is_some() || classroom.is_gone(&snapshot.header.document) {
            return Ok(false);
        }
        if classroom.was_refused(bytes) {
            if alone {
                self.fetch_instead(id, &snapshot)?;
            }
            return Ok(false);
        }
        let state = SnapshotState::Offered { alone };
        classroom.snapshots.known.push(Known {
            snapshot,
            hash,
            state,
            missing: None,
            is_looking: false,
        });
        self.note_snapshot(id, &hash)?;
        self.settle_offers(id, false)?;
        Ok(true)
    }

    /// Takes what is of use of what was offered. `is_end`: all that comes by itself has come.
    pub(crate) fn settle_offers(&mut self, id: &ClassroomId, is_end: bool) -> Result<(), Error> {
        let me = match &self.me {
            Some(me) => me.keys.id(),
            None => return Ok(()),
        };
        let mut at = 0;
        while let Some(classroom) = self.classrooms.get(id)
            && let Some(known) = classroom.snapshots.known.get(at)
        {
            at += 1;
            let SnapshotState::Offered { alone } = known.state else {
                continue;
            };
            let hash = known.hash;
            if classroom.is_gone(&known.document()) {
                self.forget(id, &hash);
                at = 0;
                continue;
            }
            match classroom.fit(known, &me, &self.lane) {
                Fit::Waits(AsideReason::UnknownRoster) if is_end && alone => {
                    self.give_up(id, &hash, Some(AsideReason::UnknownRoster))?;
                    at = 0;
                }
                // Those who vouch for it may be heard of later.
                Fit::Refused(AsideReason::BeyondCutoff) if alone && !is_end => {}
                Fit::Refused(reason) => {
                    self.give_up(id, &hash, Some(reason))?;
                    at = 0;
                }
                Fit::Here if is_end => {
                    self.compare_later(id, &hash);
                    self.forget(id, &hash);
                    at = 0;
                }
                Fit::Ahead if is_end || alone => self.take_offer(id, &hash)?,
                Fit::Waits(_) | Fit::Here | Fit::Ahead => {}
            }
        }
        Ok(())
    }

    /// Takes a snapshot that covers what is not here. If there is something of its document, that goes on as it is until
    /// all pieces have come.
    fn take_offer(&mut self, id: &ClassroomId, hash: &SnapshotHash) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let Some(place) = classroom.snapshots.place(hash) else {
            return Ok(());
        };
        let document = classroom.snapshots.known[place].document();
        let is_new = !classroom.logs.keys().any(|log| log.document == document);
        classroom.has_changed(&document);
        let known = &mut classroom.snapshots.known[place];
        if is_new {
            known.state = SnapshotState::Taken;
            let later = match classroom.documents.remove(&document) {
                Some(Copy::Loading { later, .. }) => later,
                _ => Vec::new(),
            };
            let loading = Copy::Loading {
                later,
                again_at: None,
                handing: Handing::Whole,
            };
            classroom.documents.insert(document, loading);
            self.go_on_behind(id, hash)?;
        } else {
            known.state = SnapshotState::Wanted;
        }
        self.note_snapshot(id, hash)?;
        self.fetch_pieces(id);
        Ok(())
    }

    /// All pieces of a snapshot are here: its document is made of it.
    pub(super) fn is_whole(&mut self, id: &ClassroomId, hash: &SnapshotHash) -> Result<(), Error> {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return Ok(());
        };
        let me = me.keys.id();
        let Some(place) = classroom.snapshots.place(hash) else {
            return Ok(());
        };
        let known = &classroom.snapshots.known[place];
        let (document, state) = (known.document(), known.state);
        if state == SnapshotState::Wanted {
            match classroom.fit(known, &me, &self.lane) {
                Fit::Ahead => {}
                Fit::Refused(reason) => return self.give_up(id, hash, Some(reason)),
                // What it covers has come meanwhile.
                Fit::Here | Fit::Waits(_) => {
                    self.forget(id, hash);
                    return Ok(());
                }
            }
            let before = classroom.snapshots.base_of(&document).map(|known| known.hash);
            let before = before.and_then(|before| self.forget(id, &before));
            self.go_on_behind(id, hash)?;
            if let Some(before) = before {
                // It may have covered some logs further.
                self.read_behind(id, before);
            }
        }
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        if let Some(place) = classroom.snapshots.place(hash) {
            classroom.snapshots.known[place].state = SnapshotState::Whole;
        }
        self.note_snapshot(id, hash)?;
        self.reload(id, document);
        Ok(())
    }

    /// The logs that a snapshot covers go on behind it.
    fn go_on_behind(&mut self, id: &ClassroomId, hash: &SnapshotHash) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let Some(place) = classroom.snapshots.place(hash) else {
            return Ok(());
        };
        let header = &classroom.snapshots.known[place].snapshot.header;
        classroom.spaces.entry(header.document).or_insert(header.space);
        let mut moved = Vec::new();
        for (log, lane) in header.logs() {
            let record = classroom.logs.entry(log).or_insert(LogRecord::EMPTY);
            if record.next < lane.next {
                record.next = lane.next;
                record.hash = lane.hash;
                moved.push(log);
            }
        }
        // What came before it may follow now.
        classroom.aside_due = true;
        for log in moved {
            self.note_log(id, &log)?;
        }
        Ok(())
    }

    /// Notes in the store how far a snapshot has got.
    fn note_snapshot(&mut self, id: &ClassroomId, hash: &SnapshotHash) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get(id) else {
            return Ok(());
        };
        let Some(place) = classroom.snapshots.place(hash) else {
            return Ok(());
        };
        let known = &classroom.snapshots.known[place];
        let record = SnapshotRecord {
            state: known.state,
            snapshot: known.snapshot.encode()?,
        };
        let key = store::snapshot_key(id, &known.document(), hash);
        self.batch(id).put(Table::Snapshots, key, &record)
    }

    /// What a document is made of does not open.
    pub(crate) fn does_not_open(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        reason: AsideReason,
    ) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let mut known = classroom.snapshots.known.iter_mut();
        let Some(known) = known.find(|known| known.is_base() && known.document() == document) else {
            return Ok(());
        };
        let hash = known.hash;
        if reason == AsideReason::MissingDependency {
            // The store has lost some of it.
            known.state = SnapshotState::Taken;
            known.missing = None;
            self.note_snapshot(id, &hash)?;
            self.fetch_pieces(id);
            return Ok(());
        }
        if reason == AsideReason::SnapshotDiffers {
            let snapshot = known.snapshot.clone();
            self.say_verdict(id, &snapshot, hash, false);
        }
        self.give_up(id, &hash, Some(reason))
    }

    /// Nothing stays of a snapshot.
    pub(crate) fn forget(&mut self, id: &ClassroomId, hash: &SnapshotHash) -> Option<Snapshot> {
        let classroom = self.classrooms.get_mut(id)?;
        let place = classroom.snapshots.place(hash)?;
        let known = classroom.snapshots.known.remove(place);
        let key = store::snapshot_key(id, &known.document(), hash);
        let batch = self.batch(id);
        batch.delete(Table::Snapshots, key);
        for piece in known.snapshot.pieces() {
            batch.delete(Table::Pieces, store::piece_key(id, piece));
        }
        Some(known.snapshot)
    }

    /// Nothing stays of the snapshots of a document.
    pub(crate) fn forget_snapshots(&mut self, id: &ClassroomId, document: &DocumentId) {
        let mut gone = Vec::new();
        if let Some(classroom) = self.classrooms.get(id) {
            let known = classroom.snapshots.known.iter();
            gone.extend(
                known
                    .filter(|known| known.document() == *document)
                    .map(|known| known.hash),
            );
        }
        for hash in gone {
            self.forget(id, &hash);
        }
    }

    /// Of a document that is gone for good no snapshot is waited for.
    pub(crate) fn drop_erased_offers(&mut self, id: &ClassroomId) {
        let mut gone = Vec::new();
        if let Some(classroom) = self.classrooms.get(id) {
            for known in &classroom.snapshots.known {
                let is_whole = known.state == SnapshotState::Whole;
                if !is_whole && classroom.is_gone(&known.document()) {
                    gone.push((known.hash, known.document(), known.is_base()));
                }
            }
        }
        for (hash, document, was_base) in gone {
            self.forget(id, &hash);
            if was_base {
                self.reload(id, document);
            }
        }
    }

    /// Does without a snapshot, and keeps it aside if there is a reason. What its document was made of is made of segments
    /// again.
    pub(crate) fn give_up(
        &mut self,
        id: &ClassroomId,
        hash: &SnapshotHash,
        reason: Option<AsideReason>,
    ) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get(id) else {
            return Ok(());
        };
        let Some(place) = classroom.snapshots.place(hash) else {
            return Ok(());
        };
        let known = &classroom.snapshots.known[place];
        let was_base = known.is_base();
        let was_needed = known.state != SnapshotState::Offered { alone: false };
        let Some(snapshot) = self.forget(id, hash) else {
            return Ok(());
        };
        if let Some(reason) = reason {
            self.keep_aside(id, reason, snapshot.encode()?)?;
        }
        if was_base {
            self.read_behind(id, snapshot);
        } else if was_needed {
            self.fetch_instead(id, &snapshot)?;
        }
        Ok(())
    }

    pub(crate) fn read_behind(&mut self, id: &ClassroomId, snapshot: Snapshot) {
        let mut ranges = Ranges::new();
        for (log, _) in snapshot.header.logs() {
            ranges.push(store::segments_from(id, &log, 0));
        }
        self.read(*id, What::Behind(Box::new(snapshot)), ranges);
    }

    /// What stands behind a snapshot was read that does not count, or not any more: the logs that it covered go back to where
    /// they are whole, and what lies further on waits for what is missing.
    #[inline(never)]
    pub(crate) fn behind_read(
        &mut self,
        id: &ClassroomId,
        snapshot: &Snapshot,
        rows: &[Segment],
    ) -> Result<(), Error> {
        let document = snapshot.header.document;
        let other = self.classrooms.get(id).and_then(|c| c.snapshots.base(&document));
        let (mut has_gone_back, is_given_up) = (false, other.is_none());
        for (log, lane) in snapshot.header.logs() {
            let Some(classroom) = self.classrooms.get_mut(id) else {
                return Ok(());
            };
            let of_log: Vec<Segment> = rows.iter().filter(|row| row.header.log == log).cloned().collect();
            let floor = classroom
                .snapshots
                .covered(&log)
                .map_or((0, SegmentHash::NONE), |lane| (lane.next, lane.hash));
            let (next, hash) = whole_from(floor, id, &of_log)?;
            let Some(record) = classroom.logs.get_mut(&log) else {
                continue;
            };
            if next >= lane.next {
                continue;
            }
            *record = LogRecord {
                generation: record.generation + 1,
                next,
                hash,
            };
            has_gone_back = true;
            classroom.aside_due = true;
            self.note_log(id, &log)?;
            for segment in of_log.iter().filter(|row| row.header.first >= next) {
                let key = store::segment_key(id, &segment.header);
                self.batch(id).delete(Table::Segments, key);
                self.keep_aside(id, AsideReason::OutOfOrder, segment.encode()?)?;
            }
        }
        if has_gone_back || is_given_up {
            self.put_together_again(id, snapshot.header.document);
            self.fetch_instead(id, snapshot)?;
        }
        Ok(())
    }

    /// Has the segments fetched that a snapshot was to spare.
    fn fetch_instead(&mut self, id: &ClassroomId, snapshot: &Snapshot) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get(id) else {
            return Ok(());
        };
        if classroom.joining.is_some() {
            // Nothing is noted before somebody has joined, and nothing is submitted.
            self.fetch_covered(id, snapshot, &Fetching::Segments);
            return Ok(());
        }
        let channel = classroom.channel.as_ref().map(|channel| channel.number);
        self.mark_unhealed(id)?;
        if let Some(channel) = channel {
            // The relay is asked what it has.
            self.close_channel(id);
            self.send(&[ClientFrame::Close { channel }]);
            self.open_channel(id);
        }
        Ok(())
    }

    /// Looks again at what documents are to be made of, now that the whole roster is known.
    pub(super) fn check_bases(&mut self, id: &ClassroomId) -> Result<(), Error> {
        let mut refused = Vec::new();
        if let Some(classroom) = self.classrooms.get(id) {
            for known in &classroom.snapshots.known {
                if known.state == SnapshotState::Taken
                    && !classroom.is_gone(&known.document())
                    && let Some(reason) = classroom.objection(known)
                {
                    refused.push((known.hash, reason));
                }
            }
        }
        for (hash, reason) in refused {
            self.give_up(id, &hash, Some(reason))?;
        }
        Ok(())
    }
}

impl Classroom {
    /// Whether a snapshot was refused before.
    pub(crate) fn was_refused(&self, bytes: &[u8]) -> bool {
        self.aside.get(&store::aside_key(&self.id, bytes, None)).is_some()
    }

    /// The snapshots that were refused.
    pub(crate) fn refused_snapshots(&self) -> Vec<SnapshotHash> {
        let mut refused = Vec::new();
        for aside in self.aside.values() {
            if let Aside::Snapshot(hash) = aside.what {
                refused.push(hash);
            }
        }
        refused
    }
}

/// How far the rows of a log follow each other from an index on, behind what has that hash.
fn whole_from(
    (mut next, mut hash): (u64, SegmentHash),
    id: &ClassroomId,
    rows: &[Segment],
) -> Result<(u64, SegmentHash), Error> {
    let mut rows: Vec<&Segment> = rows.iter().collect();
    rows.sort_unstable_by_key(|row| (row.header.first, std::cmp::Reverse(row.header.last)));
    for row in rows {
        let follows = row.header.first == next && row.previous == hash;
        // A fold may begin below.
        if follows || (row.header.first < next && row.header.last >= next) {
            next = row.header.last + 1;
            hash = row.chain_hash(id)?;
        }
    }
    Ok((next, hash))
}
