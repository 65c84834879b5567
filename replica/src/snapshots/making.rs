//! Making a snapshot when the relay asks for one, and giving it what it lacks of one: the pieces first, a few at a time,
//! then what names them.

use std::collections::BTreeSet;

use protocol::bounded::Bytes;
use protocol::frame::ClientFrame;
use protocol::rand_core::CryptoRng;
use protocol::segment::Log;
use protocol::snapshot::{Header, Piece, Snapshot, coverage};
use protocol::{ClassroomId, DocumentId, Refusal, SegmentHash};

use crate::aside::What as Aside;
use crate::classroom::{Classroom, Copy, Submission};
use crate::loading::What;
use crate::store::{self, AsideReason, Changes, LogRecord, Table};
use crate::{Error, Me, Replica};

/// How many pieces may be unanswered at once.
const MOST_UNANSWERED: usize = 4;
/// How often it is begun anew, and how long after a refusal that may pass, in milliseconds.
const MOST_ATTEMPTS: u32 = 4;
const AGAIN_AFTER: u64 = 5_000;

/// What the relay is to get.
#[derive(Default)]
pub(crate) struct Making {
    /// The documents that it asked for.
    wanted: BTreeSet<DocumentId>,
    giving: Option<Box<Giving>>,
}

/// A snapshot on its way to the relay.
struct Giving {
    snapshot: Snapshot,
    pieces: Vec<Piece>,
    /// The next piece; behind the last the snapshot itself.
    next: usize,
    unanswered: usize,
    attempts: u32,
    /// Not before this time, in milliseconds since 1970.
    from: u64,
    /// Whether the relay lost it, and gets what stands behind it next.
    heals: bool,
}

impl<R: CryptoRng> Replica<R> {
    /// The relay asks for a snapshot.
    pub(crate) fn want_snapshot(&mut self, id: &ClassroomId, document: DocumentId) {
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.snapshots.making.wanted.insert(document);
        }
        self.make_wanted(id);
    }

    /// Makes one that is wanted, as soon as its document is complete, and all of it is with the relay.
    pub(super) fn make_wanted(&mut self, id: &ClassroomId) {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return;
        };
        if classroom.snapshots.making.giving.is_some() {
            self.give_next(id);
            return;
        }
        for document in classroom.snapshots.making.wanted.clone() {
            let is_cutting = |what: &What| match what {
                What::Beyond(other) | What::BeyondAside(other, _) => *other == document,
                _ => false,
            };
            match classroom.may_make(me, &document) {
                Ready::Later => continue,
                Ready::Now if self.reads.values().any(|reading| is_cutting(&reading.what)) => continue,
                Ready::Never => {
                    classroom.snapshots.making.wanted.remove(&document);
                    continue;
                }
                Ready::Load => self.load(id, document),
                Ready::Now => {
                    classroom.snapshots.making.wanted.remove(&document);
                    // A document that is too large for one goes without.
                    if let Ok((snapshot, pieces)) = classroom.make(me, &mut self.rng, document) {
                        self.give(id, snapshot, pieces, false);
                    }
                }
            }
            return;
        }
    }

    fn give(&mut self, id: &ClassroomId, snapshot: Snapshot, pieces: Vec<Piece>, heals: bool) {
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.snapshots.making.giving = Some(Box::new(Giving {
                snapshot,
                pieces,
                next: 0,
                unanswered: 0,
                attempts: 0,
                from: 0,
                heals,
            }));
        }
        self.give_next(id);
    }

    /// Has a snapshot read that the relay lacks, to be given to it.
    pub(crate) fn give_back(&mut self, id: &ClassroomId, document: DocumentId) {
        let Some(classroom) = self.classrooms.get(id) else {
            return;
        };
        let ranges = classroom.base_pieces(&document);
        self.read(*id, What::Given(document), ranges);
    }

    /// The pieces of a snapshot that the relay lacks were read.
    #[inline(never)]
    pub(crate) fn given_read(&mut self, id: &ClassroomId, document: &DocumentId, found: &Changes) {
        let Some(base) = self.classrooms.get(id).and_then(|c| c.snapshots.base(document)) else {
            self.gave_back(id);
            return;
        };
        let snapshot = base.clone();
        let mut pieces = Vec::new();
        for name in snapshot.pieces() {
            let key = (Table::Pieces, store::piece_key(id, name));
            let bytes = found.get(&key).cloned().flatten().unwrap_or_default();
            match Piece::decode(bytes) {
                Ok(piece) => pieces.push(piece),
                Err(_) => {
                    // Somebody else may have all of it.
                    self.gave_back(id);
                    return;
                }
            }
        }
        self.give(id, snapshot, pieces, true);
    }

    /// Submits what comes next.
    pub(crate) fn give_next(&mut self, id: &ClassroomId) {
        let now = self.now;
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let (Some(channel), Some(giving)) = (&mut classroom.channel, &mut classroom.snapshots.making.giving)
        else {
            return;
        };
        if !channel.caught_up || now < giving.from {
            return;
        }
        let mut frames = Vec::new();
        while giving.unanswered < MOST_UNANSWERED
            && let Some(piece) = giving.pieces.get(giving.next)
        {
            if let Ok(piece) = Bytes::new("snapshot piece", piece.as_bytes().to_vec()) {
                channel.submit(Submission::Snapshot { is_piece: true });
                giving.unanswered += 1;
                frames.push(ClientFrame::Piece {
                    channel: channel.number,
                    piece,
                });
            }
            giving.next += 1;
        }
        if giving.next == giving.pieces.len()
            && giving.unanswered == 0
            && let Ok(snapshot) = giving.snapshot.encode()
            && let Ok(snapshot) = Bytes::new("snapshot", snapshot)
        {
            channel.submit(Submission::Snapshot { is_piece: false });
            giving.unanswered = 1;
            giving.next += 1;
            frames.push(ClientFrame::Snapshot {
                channel: channel.number,
                snapshot,
            });
        }
        for frame in frames {
            self.send(&[frame]);
        }
    }

    /// The relay answered a submission of these.
    pub(crate) fn given(&mut self, id: &ClassroomId, is_piece: bool, refused: Option<(Refusal, bool)>) {
        let now = self.now;
        let Some(making) = self
            .classrooms
            .get_mut(id)
            .map(|classroom| &mut classroom.snapshots.making)
        else {
            return;
        };
        let Some(giving) = &mut making.giving else {
            return;
        };
        giving.unanswered = giving.unanswered.saturating_sub(1);
        let is_over = match refused {
            None => !is_piece,
            Some((reason, may_pass)) => {
                // Pieces go that nothing names for an hour.
                if reason == Refusal::MissingPiece || may_pass {
                    giving.next = 0;
                    giving.attempts += 1;
                    giving.from = now + AGAIN_AFTER;
                }
                giving.attempts >= MOST_ATTEMPTS || !(reason == Refusal::MissingPiece || may_pass)
            }
        };
        if is_over {
            let healed = giving.heals;
            making.giving = None;
            if healed {
                self.gave_back(id);
            }
        } else {
            self.give_next(id);
        }
    }
}

/// Whether a snapshot of a document can be made.
enum Ready {
    Never,
    Later,
    /// Once it is read.
    Load,
    Now,
}

impl Making {
    /// Nothing that was submitted on the channel counts any more, unless it was answered.
    pub(crate) fn channel_closed(&mut self) {
        if self.giving.as_ref().is_some_and(|giving| giving.heals) {
            self.giving = None;
        }
        if let Some(giving) = &mut self.giving {
            giving.next = 0;
            giving.unanswered = 0;
        }
    }
}

impl Classroom {
    fn may_make(&self, me: &Me, document: &DocumentId) -> Ready {
        let me = me.keys.id();
        let may_write = self
            .roster
            .member(&me)
            .is_some_and(|member| member.role.may_write());
        if !may_write
            || !self.roster.is_in_space(&me, &self.space_of(document))
            || self.roster.erased(document).is_some()
            || self.joining.is_some()
        {
            return Ready::Never;
        }
        // A snapshot names the hash that stands where each log ends, and within a fold there is none.
        let is_within = |(log, record): (&Log, &LogRecord)| {
            log.document == *document && record.next > 0 && record.hash == SegmentHash::NONE
        };
        if self.logs.iter().any(is_within) {
            return Ready::Never;
        }
        let has_caught_up = self.channel.as_ref().is_some_and(|channel| channel.caught_up);
        let is_of = |log: &Log| log.document == *document;
        let is_unsent = self
            .outbox
            .iter()
            .any(|((log, _), unsent)| is_of(log) && !unsent.settled);
        // What may still count must be in it.
        let is_aside = self
            .aside
            .values()
            .any(|aside| aside.may_count() && matches!(&aside.what, Aside::Segment(log, ..) if is_of(log)));
        if !has_caught_up || is_unsent || is_aside || self.unhealed || self.cuts_due.contains(document) {
            return Ready::Later;
        }
        match self.documents.get(document) {
            None => Ready::Never,
            Some(Copy::Away) => Ready::Load,
            Some(Copy::Here(held)) if held.content.document().waiting().is_empty() => Ready::Now,
            Some(Copy::Loading { .. } | Copy::Here(_)) => Ready::Later,
        }
    }

    /// Seals a snapshot of all that is here of a document.
    fn make(
        &mut self,
        me: &Me,
        rng: &mut impl CryptoRng,
        document: DocumentId,
    ) -> Result<(Snapshot, Vec<Piece>), Error> {
        let Some(Copy::Here(held)) = self.documents.get_mut(&document) else {
            return Err(documents::Error::Absent.into());
        };
        let saved = held.content.snapshot()?;
        let member = me.keys.id();
        let space = self.space_of(&document);
        let sealing = self
            .sealing(&member, &space)
            .ok_or(protocol::Error::CannotOpen("space"))?;
        let mut logs: Vec<(Log, u64, SegmentHash)> = Vec::new();
        for (log, record) in &self.logs {
            if log.document == document {
                logs.push((*log, record.next, record.hash));
            }
        }
        let header = Header {
            document,
            member,
            space,
            epoch: sealing.epoch,
            roster: sealing.roster,
            covers: coverage(&document, logs),
        };
        Ok(Snapshot::seal(
            &me.keys,
            &self.id,
            header,
            sealing.key,
            &saved,
            rng,
        )?)
    }
}

impl crate::aside::Aside {
    /// Whether it may be applied later, or is not known to be worthless.
    fn may_count(&self) -> bool {
        matches!(
            self.reason,
            AsideReason::UnknownRoster
                | AsideReason::UnknownKey
                | AsideReason::OutOfOrder
                | AsideReason::NewerVersion
                | AsideReason::FoldDiffers
                | AsideReason::Locked
                | AsideReason::Closed
        )
    }
}
