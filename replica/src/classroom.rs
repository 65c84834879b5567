//! A classroom as this replica holds it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use documents::classroom::Classroom as ClassroomDocument;
use documents::document::{Applied, Document};
use protocol::frame::Position;
use protocol::identity::InviteKeys;
use protocol::key::{EpochKey, KeyName};
use protocol::roster::{Entry, Roster};
use protocol::segment::{Log, Segment};
use protocol::wire::{Packer, Unpacker};
use protocol::{
    ChunkHash, ClassroomId, DocumentId, EntryHash, LaneId, MemberId, Refusal, SegmentHash, SpaceId,
};

use crate::aside::Shelf;
use crate::attachments::{Brought, ChunksLeft, Moved, Upload};
use crate::behind::Links;
use crate::command::Profile;
use crate::cutoffs::Gap;
use crate::folding::{Disputes, Unfolded};
use crate::healing::Healing;
use crate::incoming::EntrySource;
use crate::late::is_in_its_space;
use crate::own_document::OwnDocument;
use crate::presence::Person;
use crate::receipts::Receipts;
use crate::show::Rights;
use crate::snapshots::{Fetching, Snapshots};
use crate::store::{self, Asked, Batch, ClassroomRecord, LogRecord};
use crate::view;

pub(crate) struct Classroom {
    pub(crate) id: ClassroomId,
    pub(crate) roster: Roster,
    /// Entries that came before their parents, and where from.
    pub(crate) waiting: Vec<(Entry, EntrySource)>,
    pub(crate) keys: BTreeMap<KeyName, EpochKey>,
    /// Whether the roster may hold keys that are not here yet.
    pub(crate) keys_due: bool,
    pub(crate) record: ClassroomRecord,
    /// Up to where everything of the relay is here.
    pub(crate) since: Option<Position>,
    /// The position before everything was asked for from the beginning: it says which relay took what was sent from here.
    pub(crate) since_before: Option<Position>,
    /// The spaces that this person is in, as far as that goes.
    pub(crate) since_spaces: Vec<SpaceId>,
    /// Set while this person waits to be let in.
    pub(crate) asked: Option<Asked>,
    /// Whether what the roster says has to be looked at again.
    roster_grew: bool,
    /// What those who ask to be let in say of themselves, as far as it is for this person to read.
    pub(crate) notes: BTreeMap<EntryHash, Option<Profile>>,
    /// When to make new keys, if nobody else did by then.
    pub(crate) rotate_at: Option<u64>,
    /// The space of each document of which something arrived or was listed.
    pub(crate) spaces: BTreeMap<DocumentId, SpaceId>,
    /// Set until this person has joined.
    pub(crate) joining: Option<Joining>,
    /// Own entries that the relay does not have.
    pub(crate) entries: BTreeMap<EntryHash, UnsentEntry>,
    /// Those that were made again, or given up, before the relay had them. No relay will ever give them.
    pub(crate) given_up: BTreeSet<EntryHash>,
    pub(crate) logs: BTreeMap<Log, LogRecord>,
    /// Own segments that the relay has not acknowledged, by their last index.
    pub(crate) outbox: BTreeMap<(Log, u64), Unsent>,
    /// Chunks of attachments that the relay may not have.
    pub(crate) uploads: BTreeMap<(DocumentId, ChunkHash), Upload>,
    /// What the relay has of them that came last from here: of this tab, and of those that are gone.
    pub(crate) brought: BTreeMap<LaneId, Brought>,
    /// Own logs that have grown since they were last folded.
    pub(crate) unfolded: BTreeMap<Log, Unfolded>,
    pub(crate) disputes: Disputes,
    pub(crate) documents: BTreeMap<DocumentId, Copy>,
    pub(crate) titles: BTreeMap<DocumentId, String>,
    /// The messages that mention this person, of the documents that were read since the start.
    pub(crate) mentions: BTreeMap<DocumentId, Vec<[u8; 16]>>,
    pub(crate) snapshots: Snapshots,
    pub(crate) aside: Shelf,
    /// Whether something of it may pass now.
    pub(crate) aside_due: bool,
    /// Whether all of it is to be tried once more, for another version kept it.
    pub(crate) aside_all_due: bool,
    /// Whether it is to be noted, once all of it was, that this version has tried it.
    pub(crate) aside_untold: bool,
    /// By member and lane, for a lane is what its member says it is.
    pub(crate) people: BTreeMap<(MemberId, LaneId), Person>,
    /// Documents that may hold more than they should, and such as wait for what is kept aside: see `cutoffs`.
    pub(crate) cuts_due: BTreeSet<DocumentId>,
    pub(crate) needs_due: BTreeSet<DocumentId>,
    /// What of them is not in the store, and not kept aside either when that was last looked through for it.
    pub(crate) gaps: BTreeMap<DocumentId, Vec<Gap>>,
    /// Logs of which something is kept aside that is here by what they say: what is true is in the store.
    pub(crate) doubted: BTreeSet<Log>,
    /// Erased documents of which something is still here.
    pub(crate) erased_due: BTreeSet<DocumentId>,
    /// Erased documents of which it was looked what the store has, and when to look once more, in milliseconds since 1970.
    pub(crate) erased_sought: BTreeMap<DocumentId, Option<u64>>,
    /// Those that this person erases: that have nothing any more that is not in what takes their place, or why that can't be.
    pub(crate) carried: BTreeMap<DocumentId, Result<(), Refusal>>,
    /// The same of what takes their place, of its chunks.
    pub(crate) moved: BTreeMap<DocumentId, Moved>,
    /// Erased documents of which the store may have chunks.
    pub(crate) chunks_left: BTreeMap<DocumentId, ChunksLeft>,
    /// Pages that are open in this tab.
    pub(crate) open: BTreeSet<DocumentId>,
    pub(crate) channel: Option<Channel>,
    /// Whether the relay may lack something that is here.
    pub(crate) unhealed: bool,
    /// While the relay is asked what it has, and gets what it lacks.
    pub(crate) healing: Option<Box<Healing>>,
    pub(crate) receipts: Receipts,
    /// Why the relay does not open this classroom.
    pub(crate) refused: Option<Refusal>,
    pub(crate) reopen: Reopen,
    pub(crate) rights: Rights,
    pub(crate) shown: Option<view::Classroom>,
}

/// When to ask the relay again to open a classroom.
#[derive(Debug, Default)]
pub(crate) struct Reopen {
    /// In milliseconds since 1970.
    pub(crate) at: Option<u64>,
    pub(crate) attempts: u32,
}

/// Somebody who looks behind an invite.
pub(crate) struct Joining {
    pub(crate) keys: InviteKeys,
    /// The commands that wait for the preview.
    pub(crate) requests: Vec<u32>,
    /// When waiting for the relay ends, in milliseconds since 1970.
    pub(crate) deadline: u64,
    /// Whether everything that the relay has is here, or what a file brought shows what there is.
    pub(crate) arrived: bool,
    /// Whether what files brought of it is still being read.
    pub(crate) looking: bool,
    /// Whether a file brought it: the relay need not know it.
    pub(crate) imported: bool,
    /// What is stored once this person joins.
    pub(crate) kept: Batch,
}

impl Joining {
    /// One more command waits for the preview; no longer than those that wait already.
    pub(crate) fn wait(&mut self, request: u32, deadline: u64) {
        if self.requests.is_empty() {
            self.deadline = deadline;
        }
        self.requests.push(request);
    }
}

/// An invite behind which nothing has arrived yet.
pub(crate) struct Knocking {
    pub(crate) joining: Joining,
    pub(crate) channel: Option<Channel>,
    /// Snapshots that came before the founding entry.
    pub(crate) snapshots: Vec<Vec<u8>>,
}

/// A classroom that is being read, for another tab founded or joined it.
#[derive(Debug, Default)]
pub(crate) struct Coming {
    /// What the other tab said of it meanwhile.
    pub(crate) notes: Vec<Vec<u8>>,
    pub(crate) again_at: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct UnsentEntry {
    pub(crate) durable: bool,
    pub(crate) way: Way,
}

pub(crate) struct Unsent {
    pub(crate) segment: Segment,
    pub(crate) hash: SegmentHash,
    pub(crate) durable: bool,
    pub(crate) way: Way,
    /// Whether the relay may have got it, on whatever connection.
    pub(crate) sent: bool,
    /// A fold of what the relay has: nothing is lost if it does not take it.
    pub(crate) settled: bool,
    /// Worked out once that is asked for.
    pub(crate) links: OnceCell<Links>,
}

impl Unsent {
    /// What the store holds, or another tab stored.
    pub(crate) fn stored(
        segment: Segment,
        classroom: &ClassroomId,
        way: Way,
        settled: bool,
    ) -> Result<Self, protocol::Error> {
        Ok(Self {
            hash: segment.hash(classroom)?,
            segment,
            durable: true,
            way,
            sent: true,
            settled,
            links: OnceCell::new(),
        })
    }

    /// Its key in the store's outbox.
    pub(crate) fn key(&self, classroom: &ClassroomId) -> Vec<u8> {
        let header = &self.segment.header;
        store::outbox_key(classroom, &header.log, header.last, self.settled)
    }
}

/// How far an item is on its way to the relay, on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To be sent, though not before this time in milliseconds since 1970.
    Waiting { from: u64 },
    /// Sent, not answered.
    Sent,
    /// Not taken; sent again at that time, or else with the next connection.
    Refused { reason: Refusal, again_at: Option<u64> },
}

impl Way {
    pub(crate) const READY: Self = Self::Waiting { from: 0 };

    pub(crate) fn is_due(self, now: u64) -> bool {
        match self {
            Self::Waiting { from } => now >= from,
            Self::Sent => false,
            Self::Refused { again_at, .. } => again_at.is_some_and(|at| now >= at),
        }
    }

    fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Refused { reason, .. } => Some(reason),
            Self::Waiting { .. } | Self::Sent => None,
        }
    }
}

/// This replica's copy of a document.
pub(crate) enum Copy {
    /// In the store only.
    Away,
    /// Being read; what arrives meanwhile waits here.
    Loading {
        later: Vec<Vec<u8>>,
        again_at: Option<u64>,
        handing: Handing,
    },
    Here(Box<Held>),
}

/// What a tab is handed of a page that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handing {
    /// All of it once it is here, if the tab has it open.
    Whole,
    /// It has nothing yet: what is stored as soon as that was read, so that both make something of it at once.
    Stored,
    /// It has that: what came behind it follows as changes.
    Behind,
}

pub(crate) struct Held {
    pub(crate) content: Content,
    /// How many changes it took since it was last stored whole, and when the last one came.
    pub(crate) unsaved: u32,
    pub(crate) changed_at: u64,
    /// How much was said in its comments when it was last looked up who is mentioned there.
    pub(crate) mentions_at: Option<u64>,
}

/// The classroom's own document is read here; of the others only the title is.
pub(crate) enum Content {
    Classroom(Box<OwnDocument>),
    Page(Box<Document>),
}

impl Held {
    pub(crate) fn new(content: Content) -> Box<Self> {
        Box::new(Self {
            content,
            unsaved: 0,
            changed_at: 0,
            mentions_at: None,
        })
    }
}

impl Content {
    pub(crate) fn open(document: Document, is_classroom: bool) -> Self {
        if is_classroom {
            Self::classroom(ClassroomDocument::open(document))
        } else {
            Self::Page(Box::new(document))
        }
    }

    pub(crate) fn classroom(document: ClassroomDocument) -> Self {
        Self::Classroom(Box::new(OwnDocument::new(document)))
    }

    /// A document of which nothing has arrived. Nobody writes with this actor: whoever writes sets their own first.
    pub(crate) fn empty(is_classroom: bool) -> Self {
        Self::open(Document::empty([0; 16]), is_classroom)
    }

    pub(crate) fn apply_changes(&mut self, changes: &[Vec<u8>]) -> Result<Applied, documents::Error> {
        match self {
            Self::Classroom(classroom) => classroom.apply_changes(changes),
            Self::Page(page) => page.apply_changes(changes),
        }
    }

    pub(crate) fn document(&self) -> &Document {
        match self {
            Self::Classroom(classroom) => classroom.document(),
            Self::Page(page) => page,
        }
    }

    pub(crate) fn save(&mut self) -> Result<Vec<u8>, documents::Error> {
        match self {
            Self::Classroom(classroom) => classroom.save(),
            Self::Page(page) => page.save(),
        }
    }

    /// The whole document in the form that others can open.
    pub(crate) fn snapshot(&mut self) -> Result<Vec<u8>, documents::Error> {
        match self {
            Self::Classroom(classroom) => classroom.snapshot(),
            Self::Page(page) => page.snapshot(),
        }
    }
}

/// An open classroom on the connection.
pub(crate) struct Channel {
    pub(crate) number: u16,
    pub(crate) packer: Packer,
    pub(crate) unpacker: Unpacker,
    /// From where on everything was asked for.
    pub(crate) since: Option<Position>,
    pub(crate) position: Option<Position>,
    pub(crate) next_submission: u32,
    pub(crate) submissions: BTreeMap<u32, Submission>,
    /// What was asked for and is not answered yet, in the order of the answers.
    pub(crate) fetching: VecDeque<Fetching>,
    /// In exchanges: what the last request submitted. Those above are for the next one.
    pub(crate) posted: Option<BTreeMap<u32, Submission>>,
    /// In exchanges: whether the last answer told everything.
    pub(crate) has_told_all: bool,
    /// Whether the relay has sent everything that it had.
    pub(crate) caught_up: bool,
    /// The documents that were erased by then.
    pub(crate) erased: BTreeSet<DocumentId>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Submission {
    Entry(EntryHash),
    Segment(Log, u64),
    /// Something that the relay had and lost, or never got from others.
    Lost,
    /// A part of a snapshot, or the snapshot itself.
    Snapshot {
        is_piece: bool,
    },
    /// A verdict, or what shows that it is right: others compare as well.
    Verdict,
    Receipt,
}

impl Channel {
    pub(crate) fn new(number: u16) -> Self {
        Self {
            number,
            packer: Packer::default(),
            unpacker: Unpacker::default(),
            since: None,
            position: None,
            next_submission: 0,
            submissions: BTreeMap::new(),
            fetching: VecDeque::new(),
            posted: None,
            has_told_all: false,
            caught_up: false,
            erased: BTreeSet::new(),
        }
    }

    /// Whether an own receipt is on its way.
    pub(crate) fn tells_receipts(&self) -> bool {
        let posted = self.posted.iter().flat_map(BTreeMap::values);
        let mut submissions = self.submissions.values().chain(posted);
        submissions.any(|submission| matches!(submission, Submission::Receipt))
    }

    pub(crate) fn submit(&mut self, submission: Submission) {
        self.submissions.insert(self.next_submission, submission);
        self.next_submission += 1;
    }
}

impl Classroom {
    /// Up to which position everything that the relay has is here; `None` until it has sent all that it had.
    pub(crate) fn everything_upto(&self) -> Option<u64> {
        let channel = self.channel.as_ref().filter(|channel| channel.caught_up)?;
        let has_fetched = self.healing.as_ref().is_none_or(|healing| healing.has_fetched());
        channel
            .position
            .filter(|_| has_fetched)
            .map(|position| position.index)
    }

    /// Whether the relay says that it has something of a document, and did not give it, nor has it come since.
    pub(crate) fn is_short_of(&self, document: &DocumentId) -> bool {
        self.healing.as_ref().is_some_and(|healing| {
            healing.short.contains(document) && self.short_of(healing).contains(document)
        })
    }

    /// Something came to a document: what of it is carried over is looked at again, and so is what could not be carried into it.
    pub(crate) fn has_changed(&mut self, document: &DocumentId) {
        let mut carried = std::mem::take(&mut self.carried);
        carried.retain(|erased, carried| {
            let takes_its_place = || {
                self.roster.erased(erased) == Some(*document)
                    || self.last_successor(erased) == Some(*document)
            };
            erased != document && (carried.is_ok() || !takes_its_place())
        });
        self.carried = carried;
        // Most often there is none.
        let mut moved = std::mem::take(&mut self.moved);
        for (erased, moved) in &mut moved {
            if self.last_successor(erased) == Some(*document) {
                moved.look_again();
            }
        }
        self.moved = moved;
    }

    pub(crate) fn new(roster: Roster) -> Self {
        Self {
            id: roster.classroom(),
            roster,
            waiting: Vec::new(),
            keys: BTreeMap::new(),
            keys_due: true,
            record: ClassroomRecord::default(),
            since: None,
            since_before: None,
            since_spaces: Vec::new(),
            asked: None,
            roster_grew: true,
            notes: BTreeMap::new(),
            rotate_at: None,
            spaces: BTreeMap::new(),
            joining: None,
            entries: BTreeMap::new(),
            given_up: BTreeSet::new(),
            logs: BTreeMap::new(),
            outbox: BTreeMap::new(),
            uploads: BTreeMap::new(),
            brought: BTreeMap::new(),
            unfolded: BTreeMap::new(),
            disputes: Disputes::default(),
            documents: BTreeMap::new(),
            titles: BTreeMap::new(),
            mentions: BTreeMap::new(),
            snapshots: Snapshots::default(),
            aside: Shelf::default(),
            aside_due: false,
            aside_all_due: false,
            aside_untold: false,
            people: BTreeMap::new(),
            cuts_due: BTreeSet::new(),
            needs_due: BTreeSet::new(),
            gaps: BTreeMap::new(),
            doubted: BTreeSet::new(),
            erased_due: BTreeSet::new(),
            erased_sought: BTreeMap::new(),
            carried: BTreeMap::new(),
            moved: BTreeMap::new(),
            chunks_left: BTreeMap::new(),
            open: BTreeSet::new(),
            channel: None,
            unhealed: false,
            healing: None,
            receipts: Receipts::default(),
            refused: None,
            reopen: Reopen::default(),
            rights: Rights::default(),
            shown: None,
        }
    }

    /// The founding entry, if the relay does not have it yet.
    pub(crate) fn founding(&self) -> Option<&UnsentEntry> {
        self.entries.get(&EntryHash(self.id.0))
    }

    /// The heads of what the relay has of the roster, as far as is known here: by these it can tell whether something of that is
    /// missing here.
    pub(crate) fn known_heads(&self) -> Vec<EntryHash> {
        let mut next: Vec<EntryHash> = self.roster.heads().copied().collect();
        let mut seen = BTreeSet::new();
        let mut heads = Vec::new();
        while let Some(hash) = next.pop() {
            if !seen.insert(hash) {
                continue;
            }
            match self.roster.entry(&hash) {
                Some(entry) if self.entries.contains_key(&hash) => next.extend(entry.parents()),
                _ => heads.push(hash),
            }
        }
        heads.truncate(protocol::roster::MAX_HEADS);
        heads
    }

    pub(crate) fn roster_grew(&mut self) {
        self.roster_grew = true;
        self.keys_due = true;
    }

    /// Whether the roster has grown since this was last asked.
    pub(crate) fn has_grown(&mut self) -> bool {
        std::mem::take(&mut self.roster_grew)
    }

    /// The spaces that `member` is in, in order.
    pub(crate) fn spaces_of(&self, member: &MemberId) -> Vec<SpaceId> {
        let mut spaces = self.roster.spaces();
        spaces.retain(|space| self.roster.is_in_space(member, space));
        spaces.sort_unstable();
        spaces
    }

    /// The space of a document: as it is listed, or as what arrived of it says.
    pub(crate) fn space_of(&self, document: &DocumentId) -> SpaceId {
        let listed = self
            .own_document()
            .and_then(|own| own.read().space_of(document.0).map(SpaceId));
        listed
            .or_else(|| self.spaces.get(document).copied())
            .unwrap_or(SpaceId::EVERYONE)
    }

    /// The classroom's own document, if it is here.
    pub(crate) fn own_document(&self) -> Option<&OwnDocument> {
        match self.documents.get(&self.roster.document()) {
            Some(Copy::Here(held)) => match &held.content {
                Content::Classroom(document) => Some(document),
                Content::Page(_) => None,
            },
            _ => None,
        }
    }

    /// Edits the classroom's own document as one change of `actor`. If the edits fail, nothing of them stays.
    pub(crate) fn edit_own_document(
        &mut self,
        actor: [u8; 16],
        seconds: i64,
        edit: impl FnOnce(&mut ClassroomDocument) -> Result<(), documents::Error>,
    ) -> Result<Option<Vec<u8>>, documents::Error> {
        let mut edited = self.own_document().ok_or(documents::Error::Absent)?.copy();
        edited.set_actor(actor)?;
        edit(&mut edited)?;
        let change = edited.commit(seconds);
        if let Some(Copy::Here(held)) = self.documents.get_mut(&self.roster.document()) {
            held.content = Content::classroom(edited);
        }
        Ok(change)
    }

    /// What is unsent at an index of a log.
    pub(crate) fn unsent_at(&self, log: &Log, index: u64) -> Option<&Unsent> {
        let (_, unsent) = self.outbox.range((*log, index)..=(*log, u64::MAX)).next()?;
        (unsent.segment.header.first <= index).then_some(unsent)
    }

    /// Why something does not get to the relay.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        // Of what only waits for another one the relay says no more than that it lacks that.
        let first = self.refused_entries().map(|(reason, _)| reason);
        let entries = first.chain(self.entries.values().filter_map(|entry| entry.way.refusal()));
        // That what came too late is listed as kept aside is enough.
        let late = |log: &Log, unsent: &Unsent| {
            matches!(self.late_reason(&log.member, unsent), Some(view::Why::Unfit(_)))
        };
        let segments = self
            .outbox
            .iter()
            .filter_map(|((log, _), unsent)| unsent.way.refusal().filter(|_| !late(log, unsent)));
        let chunks = self.to_upload().filter_map(|(_, upload)| upload.way.refusal());
        let lost = self.healing.as_ref().and_then(|healing| healing.refused());
        // A relay that lost this person's admission, and takes it no more, says so of that, and of the rest that they are no member.
        let own = entries.chain(segments).chain(chunks).next();
        let own = own.filter(|reason| *reason != Refusal::NotAMember || lost.is_none());
        let mut not_carried = self.carried.values().filter_map(|carried| carried.err());
        self.refused.or(own).or(lost).or_else(|| not_carried.next())
    }

    /// Where what is not unsent is: the relay had it, and may have lost it.
    fn rest(&self) -> view::Work {
        let is_unknown = self.unhealed && self.healing.is_none();
        if is_unknown || self.refused == Some(Refusal::UnknownClassroom) {
            view::Work::OnThisDevice
        } else {
            view::Work::OnTheRelay
        }
    }

    /// What the relay had and lost is on this device again.
    fn lost(&self, document: Option<&DocumentId>) -> Option<view::Work> {
        let is_lost = self.healing.as_ref()?.is_lost(document);
        is_lost.then_some(view::Work::OnThisDevice)
    }

    /// What is unsent, but for what is kept aside as written for a space that its author has left.
    fn waiting_to_leave(&self) -> impl Iterator<Item = (&Log, &Unsent)> {
        let all = self.outbox.iter().map(|((log, _), unsent)| (log, unsent));
        all.filter(|(_, unsent)| !unsent.settled && is_in_its_space(&self.roster, &unsent.segment.header))
    }

    /// Where the newest work on `document` is.
    pub(crate) fn work_on(&self, document: &DocumentId, failing: bool) -> view::Work {
        let uploads = self.to_upload().filter(|((of, _), _)| of == document);
        self.waiting_to_leave()
            .filter(|(log, _)| log.document == *document)
            .map(|(_, unsent)| unsent.durable)
            .chain(uploads.map(|(_, upload)| upload.durable))
            .map(|durable| work(durable, failing))
            .chain(self.lost(Some(document)))
            .max()
            .unwrap_or_else(|| self.rest())
    }

    /// Where the newest work on anything in the classroom is.
    pub(crate) fn work(&self, failing: bool) -> view::Work {
        self.waiting_to_leave()
            .map(|(_, unsent)| unsent.durable)
            .chain(self.entries.values().map(|entry| entry.durable))
            .chain(self.to_upload().map(|(_, upload)| upload.durable))
            .map(|durable| work(durable, failing))
            .chain(self.lost(None))
            .max()
            .unwrap_or_else(|| self.rest())
    }
}

fn work(durable: bool, failing: bool) -> view::Work {
    match (durable, failing) {
        (true, _) => view::Work::OnThisDevice,
        (false, false) => view::Work::Saving,
        (false, true) => view::Work::NotSaved,
    }
}
