//! Snapshots: whole documents that spare newcomers the segments they cover. A snapshot is a hint; what counts is what the
//! segments hold.
//!
//! One that covers more than is here is looked at as soon as its author's roster entries are known. Where nothing of its
//! document is here, the logs go on behind it at once, and the document shows when the pieces have come; where something
//! is here, it counts only when it is whole. From then on the document is made of it and of the segments behind it. If it
//! turns out not to hold what it should, it is kept aside, and the document is made of its segments instead.

mod comparing;
mod making;
mod taking;

use std::collections::BTreeSet;

use documents::document::{Actor, Document};
use documents::fold::Limits;
use protocol::bounded::Bytes;
use protocol::frame::ClientFrame;
use protocol::inventory::{LogRange, MAX_NAMES, Wanted};
use protocol::rand_core::CryptoRng;
use protocol::roster::Unfit;
use protocol::segment::{Header, Kind, Log};
use protocol::snapshot::{CoveredLane, MAX_PIECE, Piece, Snapshot};
use protocol::{ClassroomId, DocumentId, LaneId, MemberId, PieceHash, SnapshotHash};

use crate::classroom::Classroom;
use crate::store::{self, AsideReason, Changes, Ranges, SnapshotRecord, SnapshotState, Table};
use crate::{Error, Replica};
use comparing::Comparing;
pub(crate) use making::Making;

/// How many pieces are asked for at once.
const PIECES_AT_ONCE: usize = 8;

/// What is known of a classroom's snapshots.
#[derive(Default)]
pub(crate) struct Snapshots {
    known: Vec<Known>,
    pub(crate) making: Making,
    comparing: Comparing,
}

struct Known {
    snapshot: Snapshot,
    hash: SnapshotHash,
    state: SnapshotState,
    /// The pieces that are not here; `None` while nobody has looked.
    missing: Option<Vec<PieceHash>>,
    is_looking: bool,
}

/// Where a piece is named.
pub(crate) enum Named {
    Nowhere,
    /// By a snapshot that still wants it.
    Missing,
    Here,
}

/// Who asked for what the relay sends by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fetching {
    Healing,
    Pieces(Vec<PieceHash>),
    /// Segments that a snapshot was to spare.
    Segments,
    /// For comparing, the same.
    Compared,
    /// What a fold stands for that is disputed.
    Parts,
}

/// Whether a snapshot is of use.
enum Fit {
    /// It covers what is not here.
    Ahead,
    /// All that it covers is here.
    Here,
    /// Roster entries or keys are still to come.
    Waits(AsideReason),
    Refused(AsideReason),
}

impl Known {
    fn is_base(&self) -> bool {
        matches!(self.state, SnapshotState::Taken | SnapshotState::Whole)
    }

    fn document(&self) -> DocumentId {
        self.snapshot.header.document
    }
}

impl Snapshots {
    fn base_of(&self, document: &DocumentId) -> Option<&Known> {
        self.known
            .iter()
            .find(|known| known.is_base() && known.document() == *document)
    }

    /// What a document is made of below its segments.
    pub(crate) fn base(&self, document: &DocumentId) -> Option<&Snapshot> {
        self.base_of(document).map(|known| &known.snapshot)
    }

    /// What documents are made of below their segments, and wholly here.
    pub(crate) fn bases(&self) -> impl Iterator<Item = (&SnapshotHash, &Snapshot)> {
        let whole = |known: &&Known| known.state == SnapshotState::Whole;
        self.known
            .iter()
            .filter(whole)
            .map(|known| (&known.hash, &known.snapshot))
    }

    /// Whether pieces are missing of what a document is made of.
    pub(crate) fn is_partial(&self, document: &DocumentId) -> bool {
        self.base_of(document)
            .is_some_and(|known| known.state != SnapshotState::Whole)
    }

    /// Whether pieces or roster entries are still to come that a document waits for.
    pub(crate) fn is_coming(&self, document: &DocumentId) -> bool {
        let is_coming = |known: &Known| known.state != SnapshotState::Whole;
        self.known
            .iter()
            .any(|known| known.document() == *document && is_coming(known))
    }

    /// Whether pieces are on their way of one that holds more of a document than is here.
    pub(crate) fn brings_more(&self, document: &DocumentId) -> bool {
        let brings_more = |known: &Known| matches!(known.state, SnapshotState::Wanted | SnapshotState::Taken);
        self.known
            .iter()
            .any(|known| known.document() == *document && brings_more(known))
    }

    /// How far a log is covered by what its document is made of.
    pub(crate) fn covered(&self, log: &Log) -> Option<&CoveredLane> {
        self.base(&log.document)?.header.covered(log)
    }

    /// Whether some snapshot of a document came.
    pub(crate) fn knows_any(&self, document: &DocumentId) -> bool {
        self.known.iter().any(|known| known.document() == *document)
    }

    /// Whether a snapshot that came covers an index of a log.
    pub(crate) fn will_cover(&self, log: &Log, index: u64) -> bool {
        let mut lanes = self
            .known
            .iter()
            .filter_map(|known| known.snapshot.header.covered(log));
        lanes.any(|lane| lane.next > index)
    }

    /// Whether some snapshot has a piece, and wants it.
    pub(crate) fn names(&self, piece: &PieceHash) -> Named {
        let mut named = Named::Nowhere;
        for known in self
            .known
            .iter()
            .filter(|known| known.snapshot.pieces().contains(piece))
        {
            let is_missing = match &known.missing {
                Some(missing) => missing.contains(piece),
                None => known.state != SnapshotState::Whole,
            };
            if is_missing {
                return Named::Missing;
            }
            named = Named::Here;
        }
        named
    }

    fn place(&self, hash: &SnapshotHash) -> Option<usize> {
        self.known.iter().position(|known| known.hash == *hash)
    }
}

impl<R: CryptoRng> Replica<R> {
    pub(crate) fn tick_snapshots(&mut self) {
        let ids: Vec<ClassroomId> = self.classrooms.keys().copied().collect();
        for id in ids {
            self.make_wanted(&id);
            let is_waiting = |classroom: &Classroom| {
                let mut known = classroom.snapshots.known.iter();
                classroom.everything_upto().is_some()
                    && known.any(|known| matches!(known.state, SnapshotState::Offered { .. }))
            };
            // What it waited for may have passed.
            if self.classrooms.get(&id).is_some_and(is_waiting) && self.settle_offers(&id, true).is_ok() {
                self.fetch_pieces(&id);
            }
            if self.compare_quiet(&id).is_err() {
                self.stop_comparing(&id);
            }
        }
    }

    /// A connection has come to where everything was sent.
    pub(crate) fn settle_snapshots(&mut self, id: &ClassroomId) -> Result<(), Error> {
        self.settle_offers(id, true)?;
        self.check_bases(id)?;
        self.fetch_pieces(id);
        self.give_next(id);
        Ok(())
    }

    /// Has the pieces looked for in the store, or asks the relay for some that are missing.
    pub(crate) fn fetch_pieces(&mut self, id: &ClassroomId) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let mut ranges = Ranges::new();
        let mut next = Vec::new();
        for known in &mut classroom.snapshots.known {
            if matches!(known.state, SnapshotState::Offered { .. } | SnapshotState::Whole) {
                continue;
            }
            match &known.missing {
                None if known.is_looking => {}
                None => {
                    known.is_looking = true;
                    ranges = pieces_of(id, &known.snapshot);
                    next = vec![known.hash.0];
                    break;
                }
                Some(missing) => next.extend(missing.iter().take(PIECES_AT_ONCE).map(|piece| piece.0)),
            }
            if !next.is_empty() {
                break;
            }
        }
        if !ranges.is_empty() {
            let hash = SnapshotHash(next[0]);
            self.read(*id, crate::loading::What::Pieces(hash), ranges);
            return;
        }
        let pieces: Vec<PieceHash> = next.into_iter().map(PieceHash).collect();
        self.ask_for_pieces(id, pieces);
    }

    /// Asks the relay for pieces, unless some are on their way.
    fn ask_for_pieces(&mut self, id: &ClassroomId, pieces: Vec<PieceHash>) {
        let channel = self
            .classrooms
            .get(id)
            .and_then(|classroom| classroom.channel.as_ref());
        let is_free = |fetching: &Fetching| !matches!(fetching, Fetching::Pieces(_));
        if !pieces.is_empty()
            && channel.is_some_and(|channel| channel.caught_up && channel.fetching.iter().all(is_free))
        {
            let wanted = Wanted {
                pieces: pieces.clone(),
                ..Wanted::default()
            };
            self.fetch(id, wanted, Fetching::Pieces(pieces));
        }
    }

    /// Asks the relay for something by name.
    pub(crate) fn fetch(&mut self, id: &ClassroomId, wanted: Wanted, fetching: Fetching) {
        if let Some(channel) = self
            .classrooms
            .get_mut(id)
            .and_then(|classroom| classroom.channel.as_mut())
        {
            channel.fetching.push_back(fetching);
            let fetch = ClientFrame::Fetch {
                channel: channel.number,
                wanted: Box::new(wanted),
            };
            self.send(&[fetch]);
        }
    }

    /// All has come that was asked for at once.
    pub(crate) fn fetched(&mut self, id: &ClassroomId) -> Result<(), Error> {
        let fetching = self
            .classrooms
            .get_mut(id)
            .and_then(|classroom| classroom.channel.as_mut()?.fetching.pop_front());
        match fetching {
            Some(Fetching::Healing) => {
                self.settle_offers(id, true)?;
                self.fetch_pieces(id);
                self.healing_fetched(id);
            }
            Some(Fetching::Pieces(pieces)) => {
                self.pieces_gone(id, &pieces)?;
                self.fetch_pieces(id);
            }
            Some(Fetching::Compared) => self.compared_fetched(id)?,
            Some(Fetching::Parts) => self.parts_fetched(id)?,
            Some(Fetching::Segments) | None => {}
        }
        // Who looks behind an invite may have waited for just that.
        self.apply_arrived();
        self.answer_previews(id);
        Ok(())
    }

    /// The relay sent a piece.
    pub(crate) fn take_piece(&mut self, id: &ClassroomId, bytes: Bytes<MAX_PIECE>) -> Result<(), Error> {
        let Ok(piece) = Piece::decode(bytes.into_vec()) else {
            return Ok(());
        };
        self.compared_piece(id, piece.hash(), &piece);
        let named = self
            .classrooms
            .get(id)
            .map(|classroom| classroom.snapshots.names(&piece.hash()));
        match named {
            Some(Named::Missing) => self.keep_piece(id, &piece),
            _ => Ok(()),
        }
    }

    /// Stores a piece that some snapshot wants.
    pub(crate) fn keep_piece(&mut self, id: &ClassroomId, piece: &Piece) -> Result<(), Error> {
        let hash = piece.hash();
        let mut whole = Vec::new();
        if let Some(classroom) = self.classrooms.get_mut(id) {
            for known in &mut classroom.snapshots.known {
                if let Some(missing) = &mut known.missing
                    && let Some(place) = missing.iter().position(|missing| *missing == hash)
                {
                    missing.remove(place);
                    whole.extend(missing.is_empty().then_some(known.hash));
                }
            }
        }
        let key = store::piece_key(id, &hash);
        self.batch(id)
            .put_bytes(Table::Pieces, key, piece.as_bytes().to_vec());
        whole.into_iter().try_for_each(|hash| self.is_whole(id, &hash))
    }

    /// The relay has sent what it has of these pieces: a snapshot of which it has not all any more is of no use.
    fn pieces_gone(&mut self, id: &ClassroomId, pieces: &[PieceHash]) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get(id) else {
            return Ok(());
        };
        let is_gone = |known: &&Known| {
            let missing = known.missing.as_deref().unwrap_or_default();
            missing.iter().any(|piece| pieces.contains(piece))
        };
        let gone = classroom
            .snapshots
            .known
            .iter()
            .find(is_gone)
            .map(|known| known.hash);
        match gone {
            Some(hash) => self.give_up(id, &hash, None),
            None => Ok(()),
        }
    }

    /// Which pieces are here could not be read: that is tried again with the next connection.
    pub(crate) fn look_for_pieces(&mut self, id: &ClassroomId, hash: &SnapshotHash) {
        if let Some(classroom) = self.classrooms.get_mut(id)
            && let Some(place) = classroom.snapshots.place(hash)
        {
            classroom.snapshots.known[place].is_looking = false;
        }
    }

    /// The pieces that the store has were read.
    #[inline(never)]
    pub(crate) fn pieces_read(
        &mut self,
        id: &ClassroomId,
        hash: &SnapshotHash,
        found: &Changes,
    ) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let Some(place) = classroom.snapshots.place(hash) else {
            return Ok(());
        };
        let known = &mut classroom.snapshots.known[place];
        let mut missing = Vec::new();
        // Some may have come meanwhile.
        let unwritten = self.writes.unwritten(&pieces_of(id, &known.snapshot));
        for piece in known.snapshot.pieces() {
            let key = (Table::Pieces, store::piece_key(id, piece));
            let is_here = |changes: &Changes| changes.get(&key).is_some_and(Option::is_some);
            if !is_here(found) && !is_here(&unwritten) {
                missing.push(*piece);
            }
        }
        let is_whole = missing.is_empty();
        known.missing = Some(missing);
        known.is_looking = false;
        if is_whole {
            self.is_whole(id, hash)?;
        }
        self.fetch_pieces(id);
        Ok(())
    }

    /// Asks for the segments that a snapshot was to spare.
    fn fetch_covered(&mut self, id: &ClassroomId, snapshot: &Snapshot, fetching: &Fetching) {
        let mut logs = Vec::new();
        for (log, lane) in snapshot.header.logs() {
            logs.push(LogRange {
                log,
                from: 0,
                to: lane.next,
            });
        }
        for some in logs.chunks(MAX_NAMES) {
            let wanted = Wanted {
                logs: some.to_vec(),
                ..Wanted::default()
            };
            self.fetch(id, wanted, fetching.clone());
        }
    }
}

impl Classroom {
    /// Reads a snapshot back that the store has.
    pub(crate) fn know_snapshot(&mut self, record: &SnapshotRecord) {
        let Ok(snapshot) = Snapshot::decode(&record.snapshot) else {
            return;
        };
        let Ok(hash) = snapshot.hash(&self.id) else {
            return;
        };
        let missing = (record.state == SnapshotState::Whole).then(Vec::new);
        let mut state = record.state;
        let document = snapshot.header.document;
        let is_base = matches!(state, SnapshotState::Taken | SnapshotState::Whole);
        let mut bases = self.snapshots.known.iter_mut();
        // Another tab took another one: what is behind the one that covers more is all here.
        if is_base && let Some(other) = bases.find(|known| known.is_base() && known.document() == document) {
            let worth = |snapshot: &Snapshot, state| {
                let reach: u64 = snapshot.header.logs().map(|(_, lane)| lane.next).sum();
                (reach, state == SnapshotState::Whole)
            };
            let loser = if worth(&other.snapshot, other.state) < worth(&snapshot, state) {
                &mut other.state
            } else {
                &mut state
            };
            *loser = SnapshotState::Offered { alone: false };
        }
        self.snapshots.known.push(Known {
            snapshot,
            hash,
            state,
            missing,
            is_looking: false,
        });
    }

    /// The pieces of what a document is made of, to be read.
    pub(crate) fn base_pieces(&self, document: &DocumentId) -> Ranges {
        let base = self.snapshots.base(document);
        base.map(|base| pieces_of(&self.id, base)).unwrap_or_default()
    }

    /// Opens what a document is made of, from its pieces.
    pub(crate) fn open_base(&self, base: &Snapshot, found: &Changes) -> Result<Document, AsideReason> {
        let mut pieces = Vec::new();
        for name in base.pieces() {
            let key = (Table::Pieces, store::piece_key(&self.id, name));
            let bytes = found.get(&key).cloned().flatten().unwrap_or_default();
            match Piece::decode(bytes) {
                Ok(piece) => pieces.push(piece),
                Err(_) => return Err(AsideReason::MissingDependency),
            }
        }
        let saved = self.open_snapshot(base, &pieces)?;
        let document = Document::load_foreign(&saved, Limits::SNAPSHOT, [0; 16])
            .map_err(|_| AsideReason::SnapshotDiffers)?;
        // Nobody else's changes are in it, and none that wait: whoever makes one has all.
        let actors: BTreeSet<Actor> = base.header.logs().map(|(log, _)| log.actor()).collect();
        if document.is_only_of(&actors) && document.waiting().is_empty() {
            Ok(document)
        } else {
            Err(AsideReason::SnapshotDiffers)
        }
    }

    /// What is in a snapshot, sealed.
    fn open_snapshot(&self, snapshot: &Snapshot, pieces: &[Piece]) -> Result<Vec<u8>, AsideReason> {
        let header = &snapshot.header;
        let mut reason = AsideReason::UnknownKey;
        for key in self.keys_of(header.space, header.epoch) {
            match snapshot.open(&self.id, key, pieces) {
                Ok(saved) => return Ok(saved),
                Err(protocol::Error::MissingPiece(_)) => return Err(AsideReason::MissingDependency),
                Err(_) => reason = AsideReason::CannotOpen,
            }
        }
        Err(reason)
    }

    /// Whether a snapshot is of use to `me`, who writes on the lane `lane_here`.
    fn fit(&self, known: &Known, me: &MemberId, lane_here: &LaneId) -> Fit {
        let header = &known.snapshot.header;
        if let Some(reason) = self.objection(known) {
            return match reason {
                AsideReason::UnknownRoster => Fit::Waits(reason),
                _ => Fit::Refused(reason),
            };
        }
        let (mut is_ahead, mut is_unclear) = (false, false);
        for (log, lane) in header.logs() {
            let next = self.logs.get(&log).map_or(0, |record| record.next);
            if lane.next <= next {
                continue;
            }
            if log.member == *me {
                if log.lane == *lane_here {
                    // Nobody else writes there.
                    return Fit::Refused(AsideReason::SnapshotDiffers);
                }
                // A copy of this profile may have gone on there: the relay says whether it has what is unsent here. What is ahead
                // otherwise this device has lost.
                let mut unsent = self.outbox.range((log, 0)..=(log, u64::MAX));
                is_unclear |= unsent.any(|(_, unsent)| !unsent.settled);
            }
            is_ahead = true;
        }
        if !is_ahead {
            Fit::Here
        } else if is_unclear {
            Fit::Waits(AsideReason::OutOfOrder)
        } else if self.has_key(header.space, header.epoch) {
            Fit::Ahead
        } else {
            Fit::Waits(AsideReason::UnknownKey)
        }
    }

    /// Why the roster does not let a snapshot count.
    fn objection(&self, known: &Known) -> Option<AsideReason> {
        let header = &known.snapshot.header;
        // As if its author wrote a segment on a new lane.
        let writes = Header {
            kind: Kind::Run,
            log: Log {
                document: header.document,
                member: header.member,
                lane: LaneId([0; 16]),
            },
            first: 0,
            last: 0,
            space: header.space,
            epoch: header.epoch,
            roster: header.roster.clone(),
        };
        match self.roster.check_segment(&writes) {
            Ok(()) | Err(Unfit::Locked | Unfit::Closed) => {}
            // It is still carried over.
            Err(Unfit::Erased) if self.erases(&header.document) => {}
            // Its author was removed since. All else may be gone, and others vouch for it.
            Err(Unfit::BeyondCutoff) if !self.vouching(&known.hash, &known.snapshot, false).is_empty() => {}
            Err(unfit) => return Some(unfit.into()),
        }
        let space = self.spaces.get(&header.document);
        if space.is_some_and(|space| *space != header.space) {
            return Some(AsideReason::WrongSpace);
        }
        self.reaches_beyond(&known.snapshot)
            .then_some(AsideReason::BeyondCutoff)
    }

    /// Whether a snapshot holds what lies beyond the end of a log, made by somebody who did not know of that.
    fn reaches_beyond(&self, snapshot: &Snapshot) -> bool {
        let header = &snapshot.header;
        let is_beyond = |(log, lane): (Log, &CoveredLane)| {
            self.roster.cutoff(&log).is_some_and(|end| end < lane.next)
                && self
                    .roster
                    .role_at(&log.member, &header.roster)
                    .is_some_and(protocol::roster::Role::may_write)
        };
        header.logs().any(is_beyond)
    }
}

fn pieces_of(id: &ClassroomId, snapshot: &Snapshot) -> Ranges {
    let pieces = snapshot.pieces().iter();
    pieces.map(|piece| store::piece_range(id, piece)).collect()
}
