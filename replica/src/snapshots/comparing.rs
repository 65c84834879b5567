//! Comparing a snapshot, change by change, with the segments that it covers: leads and teachers do so by themselves with
//! each new one while it is quiet, everybody who asks for it, and whoever made a document of one that is disputed. What
//! comes of it is said in a verdict.

use std::collections::{BTreeMap, BTreeSet};

use documents::change::{self, Hash};
use documents::document::Document;
use documents::fold::{Limits, unfold};
use protocol::bounded::Bytes;
use protocol::frame::ClientFrame;
use protocol::inventory::{LogRange, MAX_NAMES, Wanted};
use protocol::rand_core::CryptoRng;
use protocol::roster::{Member, Role};
use protocol::segment::{Log, Segment};
use protocol::snapshot::{CoveredLane, Piece, Snapshot};
use protocol::verdict::{Statement, Verdict};
use protocol::{ClassroomId, DocumentId, MemberId, PieceHash, SegmentHash, SnapshotHash, SpaceId};

use super::{Fetching, PIECES_AT_ONCE, pieces_of};
use crate::classroom::{Classroom, Submission};
use crate::command::{Answer, Problem, Verified};
use crate::incoming::reason_of;
use crate::loading::What;
use crate::store::{self, AsideReason, Changes, Table};
use crate::{Error, Me, Replica};

/// How long a new snapshot is left alone, at least and at most, in milliseconds: of all who could, few compare it.
const WAIT: (u64, u64) = (30_000, 90_000);
/// The most pieces that are fetched without being asked to.
const MOST_PIECES: usize = 64;
/// How many rows are read at once.
const ROWS: u32 = 256;
/// The most changes that a snapshot may lack for each to be looked at.
const MOST_LACKING: usize = 1_000;

#[derive(Default)]
pub(super) struct Comparing {
    /// What is to be compared, and when.
    due: BTreeMap<DocumentId, (Snapshot, SnapshotHash, u64)>,
    /// What members said of snapshots.
    verdicts: BTreeMap<(SnapshotHash, MemberId), Said>,
    under_way: Option<Box<Comparison>>,
    /// The commands, and of which documents, that come after it.
    asked: Vec<(u32, DocumentId)>,
}

#[derive(Clone, Copy)]
struct Said {
    matches: bool,
    /// Whether the relay has heard it, as far as is known.
    of_relay: bool,
}

struct Comparison {
    document: DocumentId,
    /// The commands that wait for it.
    requests: Vec<u32>,
    /// What is compared; `None` while the relay is asked for it.
    snapshot: Option<(Snapshot, SnapshotHash)>,
    pieces: Vec<Option<Piece>>,
    saved: Vec<u8>,
    /// The snapshot's changes that no segment was found to hold, and those of segments that it lacks.
    unseen: BTreeSet<Hash>,
    lacking: Vec<Vec<u8>>,
    /// How far each log was compared, and where it ends.
    logs: Vec<Walked>,
    segments: u64,
    differs: bool,
    /// It lacks more than can be looked at.
    is_unclear: bool,
    step: Step,
    /// How many answers are still to come.
    fetches: usize,
}

#[derive(PartialEq, Eq)]
enum Step {
    Snapshot,
    /// Some are asked for, this one first.
    Pieces(PieceHash),
    Rows,
    Segments,
}

struct Walked {
    log: Log,
    end: CoveredLane,
    next: u64,
    hash: SegmentHash,
    /// Its segments are in the store.
    is_here: bool,
}

impl<R: CryptoRng> Replica<R> {
    /// Somebody asks for a document's history to be compared.
    #[inline(never)]
    pub(crate) fn verify_history(
        &mut self,
        request: u32,
        id: &ClassroomId,
        document: DocumentId,
    ) -> Result<(), Problem> {
        let classroom = self.classrooms.get_mut(id).ok_or(Problem::UnknownClassroom)?;
        if classroom.joining.is_some() || !classroom.documents.contains_key(&document) {
            return Err(Problem::UnknownDocument);
        }
        let has_caught_up = classroom
            .channel
            .as_ref()
            .is_some_and(|channel| channel.caught_up);
        if !has_caught_up || classroom.snapshots.is_coming(&document) {
            return Err(Problem::NeedsConnection);
        }
        match &mut classroom.snapshots.comparing.under_way {
            Some(comparison) if comparison.document == document => {
                comparison.requests.push(request);
                return Ok(());
            }
            // One at a time.
            Some(_) => {
                classroom.snapshots.comparing.asked.push((request, document));
                return Ok(());
            }
            None => {}
        }
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        let snapshot = classroom
            .snapshots
            .base_of(&document)
            .map(|known| (known.snapshot.clone(), known.hash));
        self.begin_comparing(id, document, snapshot, vec![request])
            .map_err(|_| Problem::Internal)
    }

    /// Notes that a snapshot may have to be compared, of what is all here.
    pub(super) fn compare_later(&mut self, id: &ClassroomId, hash: &SnapshotHash) {
        let wait = WAIT.0 + u64::from(self.rng.next_u32()) % (WAIT.1 - WAIT.0);
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return;
        };
        let me = me.keys.id();
        let Some(place) = classroom.snapshots.place(hash) else {
            return;
        };
        let snapshot = &classroom.snapshots.known[place].snapshot;
        let document = snapshot.header.document;
        if !classroom.is_staff(&me)
            || snapshot.header.member == me
            || snapshot.pieces().len() > MOST_PIECES
            || classroom.snapshots.base(&document).is_some()
        {
            return;
        }
        let due = (snapshot.clone(), *hash, self.now + wait);
        classroom.snapshots.comparing.due.insert(document, due);
    }

    /// Notes which documents are made of something that reaches beyond where a log ends by now: if their segments are all
    /// there, they are made of these.
    pub(crate) fn look_below_cuts(&mut self, id: &ClassroomId) {
        let now = self.now;
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let mut due = Vec::new();
        for (hash, base) in classroom.snapshots.bases() {
            if classroom.reaches_beyond(base) {
                due.push((base.header.document, (base.clone(), *hash, now)));
            }
        }
        classroom.snapshots.comparing.due.extend(due);
    }

    /// Begins with what is due.
    pub(super) fn compare_quiet(&mut self, id: &ClassroomId) -> Result<(), Error> {
        let now = self.now;
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let comparing = &mut classroom.snapshots.comparing;
        let has_caught_up = classroom
            .channel
            .as_ref()
            .is_some_and(|channel| channel.caught_up);
        if comparing.under_way.is_none() && !comparing.asked.is_empty() {
            let (request, document) = comparing.asked.remove(0);
            if let Err(problem) = self.verify_history(request, id, document) {
                self.answer(request, Err(problem));
            }
            return Ok(());
        }
        if !has_caught_up || classroom.unhealed || comparing.under_way.is_some() {
            return Ok(());
        }
        let due = comparing.due.iter().find(|(_, (.., at))| now >= *at);
        let Some(document) = due.map(|(document, _)| *document) else {
            return Ok(());
        };
        let Some((snapshot, hash, _)) = comparing.due.remove(&document) else {
            return Ok(());
        };
        let is_base = classroom
            .snapshots
            .base_of(&document)
            .is_some_and(|base| base.hash == hash);
        if is_base || !classroom.is_confirmed(&hash, &snapshot) {
            self.begin_comparing(id, document, Some((snapshot, hash)), Vec::new())?;
        }
        Ok(())
    }

    fn begin_comparing(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        snapshot: Option<(Snapshot, SnapshotHash)>,
        requests: Vec<u32>,
    ) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let base = classroom.snapshots.base_of(&document).map(|known| known.hash);
        let is_asked_for = snapshot.is_none();
        let stored = snapshot.as_ref().filter(|(_, hash)| base == Some(*hash));
        let ranges = stored.map(|(snapshot, _)| pieces_of(id, snapshot));
        classroom.snapshots.comparing.under_way = Some(Box::new(Comparison {
            document,
            requests,
            snapshot,
            pieces: Vec::new(),
            saved: Vec::new(),
            unseen: BTreeSet::new(),
            lacking: Vec::new(),
            logs: Vec::new(),
            segments: 0,
            differs: false,
            is_unclear: false,
            step: Step::Snapshot,
            fetches: 0,
        }));
        if is_asked_for {
            let wanted = Wanted {
                snapshots: vec![document],
                ..Wanted::default()
            };
            self.fetch(id, wanted, Fetching::Compared);
            Ok(())
        } else if let Some(ranges) = ranges {
            self.read(*id, What::ComparedPieces(document), ranges);
            Ok(())
        } else {
            self.compare_pieces(id)
        }
    }

    /// The relay sent the snapshot that it has of a document. Says whether it was asked for to be compared.
    pub(crate) fn compared_snapshot(&mut self, id: &ClassroomId, bytes: &[u8]) -> bool {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return false;
        };
        let is_asked_for = classroom
            .channel
            .as_ref()
            .is_some_and(|channel| channel.fetching.front() == Some(&Fetching::Compared));
        if let Some(comparison) = &mut classroom.snapshots.comparing.under_way
            && is_asked_for
            && comparison.snapshot.is_none()
            && let Ok(snapshot) = Snapshot::decode(bytes)
            && snapshot.header.document == comparison.document
            && let Ok(hash) = snapshot.verify(id)
        {
            comparison.snapshot = Some((snapshot, hash));
        }
        is_asked_for
    }

    /// The pieces that the store has were read.
    #[inline(never)]
    pub(crate) fn compared_pieces_read(
        &mut self,
        id: &ClassroomId,
        document: &DocumentId,
        found: &Changes,
    ) -> Result<(), Error> {
        if let Some(comparison) = self.comparison(id)
            && comparison.document == *document
            && let Some((snapshot, _)) = &comparison.snapshot
        {
            let mut pieces = Vec::new();
            for name in snapshot.pieces() {
                let key = (Table::Pieces, store::piece_key(id, name));
                let bytes = found.get(&key).cloned().flatten().unwrap_or_default();
                pieces.push(Piece::decode(bytes).ok());
            }
            comparison.pieces = pieces;
            return self.compare_pieces(id);
        }
        Ok(())
    }

    /// A piece came that may be one of what is compared.
    pub(super) fn compared_piece(&mut self, id: &ClassroomId, hash: PieceHash, piece: &Piece) {
        if let Some(comparison) = self.comparison(id)
            && let Some((snapshot, _)) = &comparison.snapshot
            && let Some(place) = snapshot.pieces().iter().position(|name| *name == hash)
            && let Some(slot) = comparison.pieces.get_mut(place)
        {
            *slot = Some(piece.clone());
        }
    }

    fn comparison(&mut self, id: &ClassroomId) -> Option<&mut Comparison> {
        let classroom = self.classrooms.get_mut(id)?;
        classroom.snapshots.comparing.under_way.as_deref_mut()
    }

    /// Fetches the next pieces; when all are here, goes on with what the segments hold.
    fn compare_pieces(&mut self, id: &ClassroomId) -> Result<(), Error> {
        let Some(comparison) = self.comparison(id) else {
            return Ok(());
        };
        let Some((snapshot, _)) = &comparison.snapshot else {
            return Ok(());
        };
        comparison.pieces.resize(snapshot.pieces().len(), None);
        let mut missing = Vec::new();
        for (name, piece) in snapshot.pieces().iter().zip(&comparison.pieces) {
            if piece.is_none() && missing.len() < PIECES_AT_ONCE {
                missing.push(*name);
            }
        }
        if missing.is_empty() {
            return self.compare_logs(id);
        }
        if comparison.step == Step::Pieces(missing[0]) {
            // It was asked for, and is nowhere any more.
            return self.end_comparing(id, Verified::NoSnapshot);
        }
        comparison.step = Step::Pieces(missing[0]);
        let wanted = Wanted {
            pieces: missing,
            ..Wanted::default()
        };
        self.fetch(id, wanted, Fetching::Compared);
        Ok(())
    }

    /// Opens the snapshot, and begins to walk along the logs that it covers.
    fn compare_logs(&mut self, id: &ClassroomId) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let Some(mut comparison) = classroom.snapshots.comparing.under_way.take() else {
            return Ok(());
        };
        let opened = classroom.open_compared(&mut comparison);
        classroom.snapshots.comparing.under_way = Some(comparison);
        match opened {
            Ok(()) => self.compare_next(id),
            Err(AsideReason::UnknownKey) => self.end_comparing(id, Verified::HistoryGone),
            Err(_) => self.end_comparing(id, Verified::Differs),
        }
    }

    /// Reads the next log of those that are here; after them, fetches the others.
    fn compare_next(&mut self, id: &ClassroomId) -> Result<(), Error> {
        let Some(comparison) = self.comparison(id) else {
            return Ok(());
        };
        if let Some(walked) = comparison.logs.iter().find(|walked| walked.is_here) {
            let from = store::item_key(id, &walked.log, walked.next);
            let to = store::item_key(id, &walked.log, u64::MAX);
            let log = walked.log;
            comparison.step = Step::Rows;
            self.read_page(*id, What::Compared(log), (Table::Segments, from, to), ROWS);
            return Ok(());
        }
        if comparison.step == Step::Segments {
            return self.compared_all(id);
        }
        comparison.step = Step::Segments;
        let mut ranges = Vec::new();
        for walked in comparison
            .logs
            .iter()
            .filter(|walked| walked.next < walked.end.next)
        {
            ranges.push(LogRange {
                log: walked.log,
                from: walked.next,
                to: walked.end.next,
            });
        }
        if ranges.is_empty() {
            return self.compared_all(id);
        }
        comparison.fetches = ranges.len().div_ceil(MAX_NAMES);
        for some in ranges.chunks(MAX_NAMES) {
            let wanted = Wanted {
                logs: some.to_vec(),
                ..Wanted::default()
            };
            self.fetch(id, wanted, Fetching::Compared);
        }
        Ok(())
    }

    /// Some rows of a log were read.
    #[inline(never)]
    pub(crate) fn compared_read(
        &mut self,
        id: &ClassroomId,
        log: &Log,
        rows: &[Segment],
        is_last: bool,
    ) -> Result<(), Error> {
        for row in rows {
            self.compare_segment(id, row, false)?;
        }
        if let Some(comparison) = self.comparison(id)
            && let Some(walked) = comparison.logs.iter_mut().find(|walked| walked.log == *log)
        {
            // What is not here after all is fetched.
            walked.is_here &= !is_last && !rows.is_empty() && walked.next < walked.end.next;
            return self.compare_next(id);
        }
        Ok(())
    }

    /// Whether segments that come by name are wanted here.
    pub(crate) fn is_comparing(&self, id: &ClassroomId) -> bool {
        self.classrooms
            .get(id)
            .and_then(|classroom| classroom.channel.as_ref())
            .is_some_and(|channel| channel.fetching.front() == Some(&Fetching::Compared))
    }

    /// A segment that the snapshot may cover.
    pub(crate) fn compare_segment(
        &mut self,
        id: &ClassroomId,
        segment: &Segment,
        is_fetched: bool,
    ) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let Some(mut comparison) = classroom.snapshots.comparing.under_way.take() else {
            return Ok(());
        };
        let compared = comparison.walk(classroom, segment, is_fetched);
        classroom.snapshots.comparing.under_way = Some(comparison);
        compared
    }

    /// All has come that was asked for.
    pub(super) fn compared_fetched(&mut self, id: &ClassroomId) -> Result<(), Error> {
        let Some(comparison) = self.comparison(id) else {
            return Ok(());
        };
        match comparison.step {
            Step::Snapshot if comparison.snapshot.is_none() => self.end_comparing(id, Verified::NoSnapshot),
            Step::Snapshot | Step::Pieces(_) => self.compare_pieces(id),
            Step::Rows => Ok(()),
            Step::Segments => {
                comparison.fetches = comparison.fetches.saturating_sub(1);
                if comparison.fetches > 0 {
                    return Ok(());
                }
                self.compared_all(id)
            }
        }
    }

    fn compared_all(&mut self, id: &ClassroomId) -> Result<(), Error> {
        let result = self.comparison(id).map(|comparison| comparison.result());
        match result {
            Some(result) => self.end_comparing(id, result),
            None => Ok(()),
        }
    }

    /// Says what came of it, to whoever asked and to the relay.
    fn end_comparing(&mut self, id: &ClassroomId, result: Verified) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let Some(comparison) = classroom.snapshots.comparing.under_way.take() else {
            return Ok(());
        };
        for request in comparison.requests {
            self.answer(request, Ok(Answer::Verified(result)));
        }
        let Some((snapshot, hash)) = comparison.snapshot else {
            return Ok(());
        };
        let classroom = self.classrooms.get(id);
        let reaches_beyond = classroom.is_some_and(|classroom| classroom.reaches_beyond(&snapshot));
        match result {
            // All segments are there, and some of them count no more.
            Verified::Matches { .. } if reaches_beyond => self.give_up(id, &hash, None),
            Verified::Matches { .. } => {
                self.say_verdict(id, &snapshot, hash, true);
                Ok(())
            }
            Verified::Differs => {
                self.say_verdict(id, &snapshot, hash, false);
                self.differs(id, &snapshot, &hash)
            }
            Verified::NoSnapshot | Verified::HistoryGone | Verified::Unclear => Ok(()),
        }
    }

    /// A snapshot does not hold what it should: it is kept aside, and nothing is made of it.
    pub(crate) fn differs(
        &mut self,
        id: &ClassroomId,
        snapshot: &Snapshot,
        hash: &SnapshotHash,
    ) -> Result<(), Error> {
        let is_known = self
            .classrooms
            .get(id)
            .is_some_and(|classroom| classroom.snapshots.place(hash).is_some());
        if is_known {
            self.give_up(id, hash, Some(AsideReason::SnapshotDiffers))
        } else {
            self.keep_aside(id, AsideReason::SnapshotDiffers, snapshot.encode()?)
        }
    }

    /// Tells the relay what a comparison came to. If that does not get there, others compare as well.
    pub(crate) fn say_verdict(
        &mut self,
        id: &ClassroomId,
        snapshot: &Snapshot,
        hash: SnapshotHash,
        matches: bool,
    ) {
        let header = &snapshot.header;
        let is_own = |me: &Me| me.keys.id() == header.member;
        if matches && self.me.as_ref().is_some_and(is_own) {
            return;
        }
        self.send_verdict(id, header.document, &header.space, hash, matches);
    }

    /// Says what came of comparing a snapshot, or a fold, with its segments.
    pub(crate) fn send_verdict(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        space: &SpaceId,
        hash: SnapshotHash,
        matches: bool,
    ) {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return;
        };
        let member = me.keys.id();
        let Some(sealing) = classroom.sealing(&member, space) else {
            return;
        };
        let statement = Statement {
            document,
            snapshot: hash,
            member,
            roster: sealing.roster,
            matches,
        };
        if let Ok(verdict) = Verdict::sign(&me.keys, id, statement.clone())
            && let Ok(encoded) = verdict.encode()
            && let Ok(verdict) = Bytes::new("verdict", encoded)
            && let Some(channel) = &mut classroom.channel
        {
            channel.submit(Submission::Verdict);
            let channel = channel.number;
            let of_relay = false;
            let verdicts = &mut classroom.snapshots.comparing.verdicts;
            verdicts.insert((hash, member), Said { matches, of_relay });
            self.note_verdict(id, &statement, verdict.to_vec());
            self.send(&[ClientFrame::Verdict { channel, verdict }]);
        }
    }

    /// What somebody says of a snapshot, or of a fold; says whether it is new, or why it can't be taken. Only what the relay has heard
    /// can make it let segments go: of what a file says nobody relies on that, and compares.
    pub(crate) fn take_verdict(
        &mut self,
        id: &ClassroomId,
        bytes: &[u8],
        of_relay: bool,
    ) -> Result<bool, AsideReason> {
        let verdict = Verdict::decode(bytes).map_err(|error| reason_of(&error, AsideReason::Unreadable))?;
        let wait = WAIT.0 + u64::from(self.rng.next_u32()) % (WAIT.1 - WAIT.0);
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(false);
        };
        let statement = &verdict.statement;
        verdict.verify(id).map_err(|_| AsideReason::BadSignature)?;
        if !classroom.roster.knows(&statement.roster) {
            return Err(AsideReason::UnknownRoster);
        }
        let is_erased = classroom.roster.erased(&statement.document).is_some();
        if is_erased || classroom.roster.member(&statement.member).is_none() {
            return Ok(false);
        }
        let (snapshot, document) = (statement.snapshot, statement.document);
        let verdicts = &mut classroom.snapshots.comparing.verdicts;
        let before = verdicts.get(&(snapshot, statement.member)).copied();
        let said = Said {
            matches: statement.matches,
            of_relay: of_relay || before.is_some_and(|before| before.of_relay),
        };
        verdicts.insert((snapshot, statement.member), said);
        if !statement.matches
            && classroom.is_staff(&statement.member)
            && let Some(base) = classroom.snapshots.base_of(&document)
            && base.hash == snapshot
        {
            // It is taken for what it is worth: what counts are the segments.
            let due = (base.snapshot.clone(), snapshot, self.now + wait);
            classroom.snapshots.comparing.due.insert(document, due);
        }
        if !statement.matches && classroom.snapshots.place(&snapshot).is_none() {
            // Whoever says so, what is looked at is what the fold stands for.
            self.look_into(id, document, SegmentHash(snapshot.0))
                .map_err(|_| AsideReason::Unreadable)?;
        }
        if before.is_none() {
            self.note_verdict(id, &verdict.statement, bytes.to_vec());
        }
        Ok(before.is_none())
    }

    fn note_verdict(&mut self, id: &ClassroomId, statement: &Statement, bytes: Vec<u8>) {
        let key = store::verdict_key(id, statement);
        self.batch(id).put_bytes(Table::Receipts, key, bytes);
    }

    /// Nothing more comes on this channel of what is compared: it begins anew later.
    pub(crate) fn stop_comparing(&mut self, id: &ClassroomId) {
        let later = self.now + WAIT.0;
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let comparing = &mut classroom.snapshots.comparing;
        let mut requests: Vec<u32> = Vec::new();
        for (request, _) in comparing.asked.drain(..) {
            requests.push(request);
        }
        if let Some(comparison) = comparing.under_way.take() {
            if let Some((snapshot, hash)) = comparison.snapshot {
                comparing.due.insert(comparison.document, (snapshot, hash, later));
            }
            requests.extend(comparison.requests);
        }
        self.answer_all(requests, Problem::NeedsConnection);
    }
}

impl Classroom {
    /// Reads a verdict back. What the relay has heard it may have lost since, or tells again.
    pub(crate) fn know_verdict(&mut self, bytes: &[u8]) {
        if let Ok(Verdict { statement, .. }) = Verdict::decode(bytes) {
            let name = (statement.snapshot, statement.member);
            let said = Said {
                matches: statement.matches,
                of_relay: false,
            };
            self.snapshots.comparing.verdicts.entry(name).or_insert(said);
        }
    }

    fn is_staff(&self, member: &MemberId) -> bool {
        let member = self.roster.member(member);
        member.is_some_and(|member| member.role.is_staff())
    }

    /// The leads and teachers besides its author who said that a snapshot matches; `to_relay`: as far as the relay has heard
    /// it.
    pub(super) fn vouching(&self, hash: &SnapshotHash, snapshot: &Snapshot, to_relay: bool) -> Vec<Member> {
        let mut vouching = Vec::new();
        for ((of, member), said) in &self.snapshots.comparing.verdicts {
            if of == hash
                && said.matches
                && (said.of_relay || !to_relay)
                && *member != snapshot.header.member
                && let Some(member) = self.roster.member(member)
                && member.role.is_staff()
            {
                vouching.push(member);
            }
        }
        vouching
    }

    /// Of what a document is made of below its segments, if anything: how many leads and teachers say that it matches.
    pub(crate) fn compared_by(&self, document: &DocumentId) -> Option<u32> {
        let base = self.snapshots.base_of(document)?;
        let vouching = self.vouching(&base.hash, &base.snapshot, false).len();
        Some(u32::try_from(vouching).unwrap_or(u32::MAX))
    }

    /// Whether a relay lets go what a snapshot covers: two leads vouch for it, or two schools.
    fn is_confirmed(&self, hash: &SnapshotHash, snapshot: &Snapshot) -> bool {
        let vouching = self.vouching(hash, snapshot, true);
        let leads = vouching.iter().filter(|member| member.role == Role::Lead).count();
        leads >= 2 || vouching.iter().any(|member| member.school != vouching[0].school)
    }

    /// Notes which changes a snapshot holds, and what is to be walked along.
    fn open_compared(&self, comparison: &mut Comparison) -> Result<(), AsideReason> {
        let Some((snapshot, _)) = &comparison.snapshot else {
            return Ok(());
        };
        let pieces: Vec<Piece> = comparison.pieces.drain(..).flatten().collect();
        comparison.saved = self.open_snapshot(snapshot, &pieces)?;
        let changes =
            unfold(&comparison.saved, Limits::SNAPSHOT).map_err(|_| AsideReason::SnapshotDiffers)?;
        for bytes in &changes {
            let info = change::inspect(bytes).map_err(|_| AsideReason::SnapshotDiffers)?;
            comparison.unseen.insert(info.hash);
        }
        for (log, end) in snapshot.header.logs() {
            let here = self.logs.get(&log).map_or(0, |record| record.next);
            comparison.logs.push(Walked {
                log,
                end: *end,
                next: 0,
                hash: SegmentHash::NONE,
                is_here: here > 0 && self.snapshots.covered(&log).is_none(),
            });
        }
        Ok(())
    }
}

impl Comparison {
    /// Compares the next segment of a log.
    fn walk(&mut self, classroom: &Classroom, segment: &Segment, is_fetched: bool) -> Result<(), Error> {
        let header = &segment.header;
        let of_log = |walked: &&mut Walked| walked.log == header.log;
        let Some(walked) = self.logs.iter_mut().find(of_log) else {
            return Ok(());
        };
        let follows = header.first == walked.next && segment.previous == walked.hash;
        if !follows || walked.next >= walked.end.next {
            return Ok(());
        }
        if is_fetched && segment.verify(&classroom.id).is_err() {
            return Ok(());
        }
        let Some(changes) = classroom.open_own(segment) else {
            return Ok(());
        };
        walked.next = header.last + 1;
        walked.hash = segment.chain_hash(&classroom.id)?;
        self.segments += 1;
        self.differs |= walked.next == walked.end.next && walked.hash != walked.end.hash;
        // Of a fold that goes on beyond the end, only what comes before that is in the snapshot.
        let goes_beyond = walked.next > walked.end.next;
        for bytes in changes {
            let hash = change::inspect(&bytes)?.hash;
            if self.unseen.remove(&hash) {
                continue;
            }
            if goes_beyond {
                break;
            }
            if self.lacking.len() < MOST_LACKING {
                self.lacking.push(bytes);
            } else {
                self.is_unclear = true;
            }
        }
        Ok(())
    }

    fn result(&self) -> Verified {
        let is_gone = self.logs.iter().any(|walked| walked.next < walked.end.next);
        if self.differs || self.lacks_any() || (!is_gone && !self.unseen.is_empty()) {
            Verified::Differs
        } else if is_gone {
            Verified::HistoryGone
        } else if self.is_unclear {
            Verified::Unclear
        } else {
            Verified::Matches {
                segments: self.segments,
            }
        }
    }

    /// Whether the snapshot lacks something that does fit into it: of what does not, nobody has anything.
    fn lacks_any(&self) -> bool {
        if self.lacking.is_empty() {
            return false;
        }
        let taken = Document::load_foreign(&self.saved, Limits::SNAPSHOT, [0; 16])
            .and_then(|mut document| document.apply_changes(&self.lacking));
        taken.is_ok_and(|taken| taken.refused.len() < self.lacking.len())
    }
}
