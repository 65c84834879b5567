//! What one transaction will hold: takes jobs in order, decides on each, commits what counts, and only then answers and
//! lets others see it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use protocol::receipt::Receipt;
use protocol::roster::{Entry, Roster};
use protocol::segment::{Header, Log, Segment};
use protocol::snapshot::Snapshot;
use protocol::verdict::Verdict;
use protocol::{
    ChunkHash, ClassroomId, DocumentId, PieceHash, ReceiptHash, Refusal, SegmentHash, SnapshotHash,
};

use super::access::Bringer;
use super::catalog::Catalog;
use super::classroom::Classroom;
use super::inbox::{Answer, ChannelKey, Inbox, Note};
use super::judge::{Decision, Terms, storage};
use super::{Leaps, Shared};
use crate::Error;
use crate::store::{CLAIM_BYTES, Change, Item, Placed, Tail};

/// The most that one transaction takes.
const BATCH_JOBS: usize = 1024;
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Something to decide on.
pub(crate) enum Job {
    /// A submission of somebody who has the classroom open.
    Submit {
        classroom: Arc<Classroom>,
        candidate: Candidate,
        from: Submitter,
    },
    /// Throws away what may go.
    Tidy { classroom: Arc<Classroom> },
}

/// What was submitted, checked as far as it can be without knowing what came before it: signatures were verified, except
/// that of an entry.
pub(crate) enum Candidate {
    Entry {
        entry: Box<Entry>,
        bytes: Vec<u8>,
        /// If it erases a document and nothing of that may be here behind this position.
        upto: Option<u64>,
    },
    Segment {
        segment: Box<Segment>,
        hash: SegmentHash,
    },
    Snapshot {
        snapshot: Box<Snapshot>,
        hash: SnapshotHash,
        bytes: Vec<u8>,
    },
    Piece {
        hash: PieceHash,
        bytes: Vec<u8>,
    },
    Chunk {
        document: DocumentId,
        hash: ChunkHash,
        /// `None` if whoever brings it says that it is here.
        bytes: Option<Vec<u8>>,
    },
    Verdict {
        verdict: Box<Verdict>,
        bytes: Vec<u8>,
    },
    Receipt {
        receipt: Box<Receipt>,
        hash: ReceiptHash,
        bytes: Vec<u8>,
    },
}

/// Who waits for the answer.
#[derive(Debug, Clone)]
pub(crate) struct Submitter {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) bringer: Bringer,
    pub(crate) key: ChannelKey,
    pub(crate) channel: protocol::frame::Channel,
    pub(crate) submission: u32,
    /// They have the founding entry, and so may bring the others.
    pub(crate) has_founding: bool,
    /// They compare what they have with what is here, and may bring what another relay took in time.
    pub(crate) compares: bool,
}

/// See the [module](self).
pub(crate) struct Batch<'a> {
    terms: Terms<'a>,
    leaps: &'a Leaps,
    jobs: usize,
    bytes: usize,
    /// What changes in each classroom.
    pending: BTreeMap<ClassroomId, Pending>,
    answers: Vec<Answered>,
    /// Why what was stored would have been refused to its author: whoever brought it vouched for it.
    vouched: Vec<Refusal>,
}

/// An answer that waits for the commit.
struct Answered {
    classroom: ClassroomId,
    from: Submitter,
    answer: Answer,
    /// The submission would found the classroom that it is for.
    is_founding: bool,
}

/// A classroom with the changes of this batch.
pub(super) struct Pending {
    pub(super) classroom: Arc<Classroom>,
    /// The last position given out; 0 if it is not even founded.
    pub(super) last: u64,
    /// Why what is being decided on would be refused to its author.
    pub(super) vouched: Option<Refusal>,
    /// How many positions are passed over before the next is given out.
    leap: u64,
    has_leapt: bool,
    /// Of all items, as far as known.
    pub(super) bytes: u64,
    /// Of what is kept beside them.
    pub(super) covered: u64,
    changes: Vec<Change>,
    /// Something was thrown away that the store still has: nothing more can be decided on in this batch.
    is_tidied: bool,
    /// With the entries of this batch; `None` while there are none.
    changed_roster: Option<Roster>,
    pub(super) committed_roster: Arc<Roster>,
    pub(super) catalog: Catalog,
    pub(super) tails: HashMap<Log, Option<Tail>>,
    /// The chain hashes of the segments of this batch, by their last indices.
    pub(super) segments: HashMap<(Log, u64), SegmentHash>,
    /// The pieces of this batch.
    pub(super) pieces: BTreeSet<PieceHash>,
    /// The chunks of this batch, each with the documents that it belongs to.
    pub(super) chunks: BTreeSet<(ChunkHash, DocumentId)>,
    /// Something was erased that the store still has.
    pub(super) erases: bool,
    /// The logs in which this batch puts parts in the place of a fold, and those of which it keeps parts for that.
    pub(super) unfolded: BTreeSet<Log>,
    pub(super) parts: BTreeSet<Log>,
}

impl<'a> Batch<'a> {
    /// `now` is in seconds since 1970.
    pub(crate) fn new(shared: &'a Shared, now: u64) -> Self {
        Self {
            terms: Terms {
                store: shared.store.as_ref(),
                limits: &shared.limits,
                now,
            },
            leaps: &shared.leaps,
            jobs: 0,
            bytes: 0,
            pending: BTreeMap::new(),
            answers: Vec::new(),
            vouched: Vec::new(),
        }
    }

    /// How many jobs it took.
    pub(crate) fn jobs(&self) -> usize {
        self.jobs
    }

    /// Why what is stored by now would have been refused to its author.
    pub(crate) fn take_vouched(&mut self) -> Vec<Refusal> {
        std::mem::take(&mut self.vouched)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.jobs >= BATCH_JOBS || self.bytes >= BATCH_BYTES
    }

    /// Takes a job, or gives it back if it has to wait for the next batch.
    pub(crate) fn take(&mut self, job: Job) -> Option<Job> {
        let back = match job {
            Job::Submit {
                classroom,
                candidate,
                from,
            } => self.submit(classroom, candidate, from),
            Job::Tidy { classroom } => self.tidy(classroom),
        };
        if back.is_none() {
            self.jobs += 1;
        }
        back
    }

    /// Commits, answers, publishes. Tells which inboxes to wake, and whether everything is stored.
    pub(crate) fn commit(self) -> (Vec<Arc<Inbox>>, Result<(), Error>) {
        let (not_stored, committed) = self.store();
        let mut to_wake: Vec<Arc<Inbox>> = Vec::new();
        for Answered {
            classroom,
            from,
            answer,
            is_founding,
        } in self.answers
        {
            // What was refused may have been for the sake of what is not stored.
            let answer = if not_stored.contains(&classroom) {
                Answer::Refused(Refusal::Storage)
            } else {
                answer
            };
            from.inbox.leave(from.note(answer));
            if is_founding && let Answer::Refused(reason) = answer {
                from.inbox.leave(Note::Closed {
                    key: from.key,
                    channel: from.channel,
                    reason,
                });
            }
            if to_wake.last().is_none_or(|last| !Arc::ptr_eq(last, &from.inbox)) {
                to_wake.push(from.inbox);
            }
        }
        for pending in self.pending.into_values() {
            if pending.changes.is_empty() {
                continue;
            }
            if !not_stored.contains(pending.classroom.id()) {
                if pending.has_leapt {
                    self.leaps.note(*pending.classroom.id());
                }
                to_wake.extend(pending.publish(self.terms));
            } else {
                // It may be stored all the same. Until that is known nobody can be told what is there.
                pending.classroom.doubt();
                if let Err(error) = pending.classroom.settle(self.terms.store) {
                    tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
                }
            }
        }
        (to_wake, committed)
    }

    /// Has all changes stored in one go, or if that fails those of each classroom by themselves: one that is damaged takes no
    /// other with it. Tells which are not stored, and why.
    fn store(&self) -> (BTreeSet<ClassroomId>, Result<(), Error>) {
        let changes: Vec<(ClassroomId, Change)> = self
            .pending
            .iter()
            .flat_map(|(id, pending)| pending.changes.iter().map(|change| (*id, change.clone())))
            .collect();
        let commit = |changes| self.terms.store.commit(changes, self.terms.now);
        let id_of = |(id, _): &(ClassroomId, Change)| *id;
        let mut not_stored = BTreeSet::new();
        let mut committed = Ok(());
        let are_several = changes.first().map(id_of) != changes.last().map(id_of);
        if are_several && commit(&changes).is_ok() {
            return (not_stored, committed);
        }
        for part in changes.chunk_by(|one, next| id_of(one) == id_of(next)) {
            if let Err(error) = commit(part) {
                not_stored.extend(part.iter().map(id_of));
                committed = Err(error);
            }
        }
        (not_stored, committed)
    }

    fn submit(&mut self, classroom: Arc<Classroom>, candidate: Candidate, from: Submitter) -> Option<Job> {
        let id = *classroom.id();
        let is_founding = matches!(&candidate, Candidate::Entry { entry, .. } if entry.hash().0 == id.0);
        let terms = self.terms;
        let decided = self.pending(&classroom).and_then(|pending| {
            let decided = pending.decide(candidate, &from, terms)?;
            Ok((decided, pending.vouched.take()))
        });
        let decided = decided.map(|(decided, vouched)| {
            if matches!(decided, Decided::Stored { .. }) {
                self.vouched.extend(vouched);
            }
            decided
        });
        let answer = match decided {
            Ok(Decided::Stored { position, bytes }) => {
                self.bytes += bytes;
                Answer::Stored { position }
            }
            Ok(Decided::Kept { bytes }) => {
                self.bytes += bytes;
                Answer::Kept
            }
            Ok(Decided::Held) => Answer::Held,
            Ok(Decided::Wait(candidate)) => {
                return Some(Job::Submit {
                    classroom,
                    candidate,
                    from,
                });
            }
            Err(refusal) => {
                tracing::debug!(code = u16::from(refusal), "refused");
                Answer::Refused(refusal)
            }
        };
        self.answers.push(Answered {
            classroom: id,
            from,
            answer,
            is_founding,
        });
        None
    }

    fn tidy(&mut self, classroom: Arc<Classroom>) -> Option<Job> {
        if self
            .pending
            .get(classroom.id())
            .is_some_and(|pending| !pending.changes.is_empty())
        {
            return Some(Job::Tidy { classroom });
        }
        let terms = self.terms;
        let Ok(pending) = self.pending(&classroom) else {
            return None;
        };
        match pending.tidy(terms) {
            Ok(changes) => {
                pending.is_tidied = !changes.is_empty();
                pending.changes.extend(changes);
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "cannot tidy a classroom"
                );
            }
        }
        None
    }

    fn pending(&mut self, classroom: &Arc<Classroom>) -> Result<&mut Pending, Refusal> {
        use std::collections::btree_map::Entry::{Occupied, Vacant};
        match self.pending.entry(*classroom.id()) {
            Occupied(known) => Ok(known.into_mut()),
            Vacant(place) => {
                // After a commit that failed, the store may hold more than anybody was told.
                classroom
                    .settle(self.terms.store)
                    .map_err(|error| storage(&error))?;
                let leap = self.leaps.due(classroom.id());
                Ok(place.insert(Pending::new(classroom, leap)))
            }
        }
    }
}

/// What became of a candidate; how many bytes are to be written.
enum Decided {
    Stored { position: u64, bytes: usize },
    Kept { bytes: usize },
    Held,
    Wait(Candidate),
}

impl Pending {
    fn new(classroom: &Arc<Classroom>, leap: u64) -> Self {
        let at_hand = classroom.at_hand();
        Self {
            classroom: Arc::clone(classroom),
            last: at_hand.last,
            vouched: None,
            leap,
            has_leapt: false,
            bytes: at_hand.bytes,
            covered: at_hand.covered,
            changes: Vec::new(),
            is_tidied: false,
            changed_roster: None,
            committed_roster: at_hand.roster,
            catalog: at_hand.catalog,
            tails: HashMap::new(),
            segments: HashMap::new(),
            pieces: BTreeSet::new(),
            chunks: BTreeSet::new(),
            erases: false,
            unfolded: BTreeSet::new(),
            parts: BTreeSet::new(),
        }
    }

    pub(super) fn roster(&self) -> &Roster {
        self.changed_roster.as_ref().unwrap_or(&self.committed_roster)
    }

    /// The roster to add entries to: a copy, so that nothing happened if the commit fails.
    pub(super) fn roster_mut(&mut self) -> &mut Roster {
        self.changed_roster
            .get_or_insert_with(|| (*self.committed_roster).clone())
    }

    /// Whether segments with such a header were found to fit before, by the roster as it is now.
    pub(super) fn is_known_to_fit(&self, header: &Header) -> bool {
        self.changed_roster.is_none() && self.classroom.is_known_to_fit(&self.committed_roster, header)
    }

    pub(super) fn remember_fit(&self, header: &Header) {
        if self.changed_roster.is_none() {
            self.classroom.remember_fit(&self.committed_roster, header);
        }
    }

    /// Forgets what this batch knows of a document's logs.
    pub(super) fn forget_logs(&mut self, document: &DocumentId) {
        self.tails.retain(|log, _| log.document != *document);
        self.segments.retain(|(log, _), _| log.document != *document);
    }

    fn decide(
        &mut self,
        candidate: Candidate,
        from: &Submitter,
        terms: Terms<'_>,
    ) -> Result<Decided, Refusal> {
        if self.is_tidied {
            return Ok(Decided::Wait(candidate));
        }
        self.vouched = None;
        let bringer = from.bringer;
        let decision = match &candidate {
            Candidate::Entry { entry, upto, .. } => self.judge_entry(entry, *upto, from, terms),
            Candidate::Segment { segment, hash } => self.judge_segment(segment, *hash, bringer, terms),
            Candidate::Snapshot {
                snapshot,
                hash,
                bytes,
            } => self.judge_snapshot(snapshot, *hash, bytes.len(), bringer, terms),
            Candidate::Piece { hash, bytes } => self.judge_piece(*hash, bytes, bringer, terms),
            Candidate::Chunk {
                document,
                hash,
                bytes,
            } => self.judge_chunk(*document, *hash, bytes.as_deref(), bringer, terms),
            Candidate::Verdict { verdict, bytes } => self.judge_verdict(verdict, bytes.len(), bringer, terms),
            Candidate::Receipt { receipt, hash, bytes } => {
                self.judge_receipt(receipt, *hash, bytes.len(), bringer, terms)
            }
        };
        match decision? {
            Decision::Store(before) => {
                let item = candidate.into_item(&self.catalog)?;
                // One that no store can keep would take the others of the batch with it.
                if !item.fits() || !before.iter().all(Change::fits) {
                    return Err(Refusal::Malformed);
                }
                self.changes.extend(before);
                let bytes = item.size();
                let position = self.place(item)?;
                Ok(Decided::Stored { position, bytes })
            }
            Decision::Keep(changes) => {
                let bytes = changes.iter().map(beside).sum();
                self.changes.extend(changes);
                self.bytes += bytes as u64;
                Ok(Decided::Kept { bytes })
            }
            Decision::Held => Ok(Decided::Held),
            Decision::Wait => Ok(Decided::Wait(candidate)),
        }
    }

    /// The next position. The founding entry has the first one, whoever brings it.
    pub(super) fn next_position(&mut self) -> u64 {
        if self.last > 0 && self.leap > 0 {
            self.last = self.last.saturating_add(std::mem::take(&mut self.leap));
            self.changes.push(Change::Leap { to: self.last });
            self.has_leapt = true;
        }
        self.last + 1
    }

    /// Makes known what was committed; answers with the inboxes to wake.
    fn publish(self, terms: Terms<'_>) -> Vec<Arc<Inbox>> {
        let Self {
            classroom,
            changes,
            changed_roster,
            catalog,
            ..
        } = self;
        let mut to_wake = classroom.publish(&changes, changed_roster.map(Arc::new), catalog);
        let gives_back = |change: &Change| {
            !matches!(
                change,
                Change::Place(_) | Change::Piece { .. } | Change::Leap { .. }
            )
        };
        let weighed = if changes.iter().any(gives_back) {
            terms.store.totals(classroom.id()).map(|totals| {
                classroom.weigh(totals.unwrap_or_default());
            })
        } else {
            Ok(())
        };
        let asked = classroom.ask_for_snapshots(terms.limits.snapshot_after, terms.store);
        match weighed.and(asked) {
            Ok(asked) => to_wake.extend(asked),
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "the store failed"),
        }
        to_wake
    }

    /// Gives an item the next position.
    fn place(&mut self, item: Item) -> Result<u64, Refusal> {
        let position = self.next_position();
        let placed = Placed { position, item };
        self.catalog.add(&placed).map_err(|error| storage(&error))?;
        if let (Item::Segment { segment, .. }, Some(held)) = (&placed.item, placed.item.held()) {
            let log = segment.header.log;
            let tail = Tail {
                index: held.last,
                hash: held.chain_hash,
            };
            let end = self.tails.entry(log).or_insert(None);
            if end.is_none_or(|end| end.index < tail.index) {
                *end = Some(tail);
            }
            self.segments.insert((log, held.last), held.chain_hash);
        }
        self.last = position;
        self.bytes += placed.item.size() as u64;
        self.changes.push(Change::Place(Arc::new(placed)));
        Ok(position)
    }
}

/// How many bytes a change puts beside the items.
fn beside(change: &Change) -> usize {
    match change {
        Change::Piece { bytes, .. } => bytes.len(),
        Change::Chunk { bytes, .. } => bytes.len() + CLAIM_BYTES as usize,
        Change::Claim { .. } => CLAIM_BYTES as usize,
        _ => 0,
    }
}

impl Candidate {
    /// What is stored of it, in the space that its document is in.
    fn into_item(self, catalog: &Catalog) -> Result<Item, Refusal> {
        Ok(match self {
            Self::Entry { entry, bytes, .. } => Item::Entry {
                hash: entry.hash(),
                bytes,
            },
            Self::Segment { segment, hash } => Item::Segment { hash, segment },
            Self::Snapshot {
                snapshot,
                hash,
                bytes,
            } => Item::Snapshot {
                hash,
                space: snapshot.header.space,
                bytes,
            },
            Self::Verdict { verdict, bytes } => Item::Verdict {
                space: catalog
                    .snapshot(&verdict.statement.snapshot)
                    .map(|snapshot| snapshot.space)
                    .or_else(|| catalog.space_of(&verdict.statement.document))
                    .ok_or(Refusal::UnknownParent)?,
                bytes,
            },
            Self::Receipt { receipt, hash, bytes } => Item::Receipt {
                hash,
                space: receipt.header.space,
                bytes,
            },
            // These have no place among the items.
            Self::Piece { .. } | Self::Chunk { .. } => return Err(Refusal::Malformed),
        })
    }
}

impl Job {
    /// Answers without deciding, for want of whoever could.
    pub(crate) fn refuse(self, reason: Refusal) {
        if let Self::Submit { from, .. } = self {
            from.inbox.put(from.note(Answer::Refused(reason)));
        }
    }
}

impl Submitter {
    /// The note that tells them.
    fn note(&self, answer: Answer) -> Note {
        Note::Answer {
            key: self.key,
            channel: self.channel,
            submission: self.submission,
            answer,
        }
    }
}
