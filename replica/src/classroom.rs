//! A classroom as this replica holds it.

use std::collections::{BTreeMap, BTreeSet};

use documents::classroom::Classroom as ClassroomDocument;
use documents::document::{Applied, Document};
use protocol::frame::Position;
use protocol::identity::InviteKeys;
use protocol::key::{EpochKey, SealedKey};
use protocol::roster::{Entry, Role, Roster};
use protocol::segment::{Log, Segment};
use protocol::wire::{Packer, Unpacker};
use protocol::{ClassroomId, DocumentId, EntryHash, LaneId, MemberId, Refusal, SegmentHash, SpaceId};

use crate::folding::Unfolded;
use crate::own_document::OwnDocument;
use crate::presence::Person;
use crate::store::{AsideReason, Batch, ClassroomRecord, LogRecord};
use crate::view;

pub(crate) struct Classroom {
    pub(crate) id: ClassroomId,
    pub(crate) roster: Roster,
    /// Entries that came before their parents.
    pub(crate) waiting: Vec<Entry>,
    pub(crate) keys: BTreeMap<(SpaceId, u32), EpochKey>,
    pub(crate) record: ClassroomRecord,
    /// Up to where everything of the relay is here.
    pub(crate) since: Option<Position>,
    /// Set until this person has joined.
    pub(crate) joining: Option<Joining>,
    /// Own entries that the relay does not have.
    pub(crate) entries: BTreeMap<EntryHash, UnsentEntry>,
    pub(crate) logs: BTreeMap<Log, LogRecord>,
    /// Own segments that the relay has not acknowledged, by their last index.
    pub(crate) outbox: BTreeMap<(Log, u64), Unsent>,
    /// Own logs that have grown since they were last folded.
    pub(crate) unfolded: BTreeMap<Log, Unfolded>,
    pub(crate) documents: BTreeMap<DocumentId, Copy>,
    pub(crate) titles: BTreeMap<DocumentId, String>,
    pub(crate) aside: Vec<Aside>,
    /// Whether something of it may pass now.
    pub(crate) aside_due: bool,
    /// By member and lane, for a lane is what its member says it is.
    pub(crate) people: BTreeMap<(MemberId, LaneId), Person>,
    /// Pages that are open in this tab.
    pub(crate) open: BTreeSet<DocumentId>,
    pub(crate) channel: Option<Channel>,
    /// Why the relay does not open this classroom.
    pub(crate) refused: Option<Refusal>,
    pub(crate) reopen: Reopen,
    /// The newest answer for each member to what role they had at some heads; it never changes.
    roles: BTreeMap<MemberId, (Vec<EntryHash>, Option<Role>)>,
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
    /// Whether everything that the relay has is here.
    pub(crate) arrived: bool,
    /// What is stored once this person joins.
    pub(crate) kept: Batch,
}

/// An invite behind which nothing has arrived yet.
pub(crate) struct Knocking {
    pub(crate) joining: Joining,
    pub(crate) channel: Option<Channel>,
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
    /// A fold of what the relay has: nothing is lost if it does not take it.
    pub(crate) settled: bool,
}

impl Unsent {
    /// What the store holds, or another tab stored.
    pub(crate) fn stored(
        segment: Segment,
        classroom: &ClassroomId,
        way: Way,
    ) -> Result<Self, protocol::Error> {
        Ok(Self {
            hash: segment.hash(classroom)?,
            segment,
            durable: true,
            way,
            settled: false,
        })
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
    },
    Here(Box<Held>),
}

pub(crate) struct Held {
    pub(crate) content: Content,
    /// How many changes it took since it was last stored whole, and when the last one came.
    pub(crate) unsaved: u32,
    pub(crate) changed_at: u64,
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

    pub(crate) fn save(&mut self) -> Result<Vec<u8>, documents::Error> {
        match self {
            Self::Classroom(classroom) => classroom.save(),
            Self::Page(page) => page.save(),
        }
    }
}

pub(crate) struct Aside {
    pub(crate) reason: AsideReason,
    pub(crate) key: Vec<u8>,
    pub(crate) item: Vec<u8>,
}

/// An open classroom on the connection.
pub(crate) struct Channel {
    pub(crate) number: u16,
    pub(crate) packer: Packer,
    pub(crate) unpacker: Unpacker,
    pub(crate) position: Option<Position>,
    pub(crate) next_submission: u32,
    pub(crate) submissions: BTreeMap<u32, Submission>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Submission {
    Entry(EntryHash),
    Segment(Log, u64),
}

impl Channel {
    pub(crate) fn new(number: u16) -> Self {
        Self {
            number,
            packer: Packer::default(),
            unpacker: Unpacker::default(),
            position: None,
            next_submission: 0,
            submissions: BTreeMap::new(),
        }
    }

    pub(crate) fn submit(&mut self, submission: Submission) {
        self.submissions.insert(self.next_submission, submission);
        self.next_submission += 1;
    }
}

impl Classroom {
    pub(crate) fn new(roster: Roster) -> Self {
        Self {
            id: roster.classroom(),
            roster,
            waiting: Vec::new(),
            keys: BTreeMap::new(),
            record: ClassroomRecord::default(),
            since: None,
            joining: None,
            entries: BTreeMap::new(),
            logs: BTreeMap::new(),
            outbox: BTreeMap::new(),
            unfolded: BTreeMap::new(),
            documents: BTreeMap::new(),
            titles: BTreeMap::new(),
            aside: Vec::new(),
            aside_due: false,
            people: BTreeMap::new(),
            open: BTreeSet::new(),
            channel: None,
            refused: None,
            reopen: Reopen::default(),
            roles: BTreeMap::new(),
            shown: None,
        }
    }

    /// The founding entry, if the relay does not have it yet.
    pub(crate) fn founding(&self) -> Option<&UnsentEntry> {
        self.entries.get(&EntryHash(self.id.0))
    }

    pub(crate) fn known_heads(&self) -> Vec<EntryHash> {
        self.roster
            .heads()
            .copied()
            .take(protocol::roster::MAX_HEADS)
            .collect()
    }

    /// The key that segments of everybody's documents are sealed with now.
    pub(crate) fn current_key(&self) -> Option<(u32, &EpochKey)> {
        self.keys
            .range((SpaceId::EVERYONE, 0)..=(SpaceId::EVERYONE, u32::MAX))
            .next_back()
            .map(|(&(_, epoch), key)| (epoch, key))
    }

    /// Opens those of `sealed` that are sealed to `recipient`; a key that does not open is passed over.
    pub(crate) fn learn_keys(
        &mut self,
        sealed: &[SealedKey],
        secret: &protocol::key::ExchangeSecret,
        recipient: &protocol::ExchangeKey,
    ) {
        for key in sealed {
            if let Ok(opened) = key.open(secret, recipient) {
                self.keys.insert((key.space, key.epoch), opened);
            }
        }
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
        let entries = self.entries.values().filter_map(|entry| entry.way.refusal());
        let segments = self.outbox.values().filter_map(|unsent| unsent.way.refusal());
        self.refused.or_else(|| entries.chain(segments).next())
    }

    /// [`Roster::role_at`], remembered.
    pub(crate) fn role_at(&mut self, member: &MemberId, heads: &[EntryHash]) -> Option<Role> {
        if let Some((known, role)) = self.roles.get(member)
            && known == heads
        {
            return *role;
        }
        let role = self.roster.role_at(member, heads);
        self.roles.insert(*member, (heads.to_vec(), role));
        role
    }

    /// Where what is not unsent is: the relay had it, and may have lost it.
    fn rest(&self) -> view::Work {
        if self.refused == Some(Refusal::UnknownClassroom) {
            view::Work::OnThisDevice
        } else {
            view::Work::OnTheRelay
        }
    }

    /// Where the newest work on `document` is.
    pub(crate) fn work_on(&self, document: &DocumentId, failing: bool) -> view::Work {
        self.outbox
            .iter()
            .filter(|((log, _), unsent)| log.document == *document && !unsent.settled)
            .map(|(_, unsent)| work(unsent.durable, failing))
            .max()
            .unwrap_or_else(|| self.rest())
    }

    /// Where the newest work on anything in the classroom is.
    pub(crate) fn work(&self, failing: bool) -> view::Work {
        self.outbox
            .values()
            .filter(|unsent| !unsent.settled)
            .map(|unsent| unsent.durable)
            .chain(self.entries.values().map(|entry| entry.durable))
            .map(|durable| work(durable, failing))
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
