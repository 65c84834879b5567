//! An open classroom on one connection, as seen by the half that tells: how far the client has come, what it may read,
//! and what it asked for.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use protocol::bounded::Bytes;
use protocol::frame::{Channel, RelayFrame};
use protocol::inventory::Wanted;
use protocol::roster::Roster;
use protocol::snapshot::Header;
use protocol::wire::Packer;
use protocol::{DocumentId, EntryHash, MemberId, Refusal};

use super::access::{Access, Sees};
use super::classroom::{Classroom, Following};
use super::inbox::{ChannelKey, Inbox, Start};
use super::judge::check_invite;
use super::reading::{Done, Found, PAGE, Read, Served, What};
use crate::store::{Item, Placed};

/// A packer that learnt more segments than this while catching up is forgotten with all it remembers.
const KEPT_PACKED: usize = 64;

/// See the [module](self).
pub(super) struct Outbound {
    pub(super) key: ChannelKey,
    pub(super) channel: Channel,
    classroom: Arc<Classroom>,
    reader: Reader,
    /// The roster that `sees` was made by.
    roster: Arc<Roster>,
    sees: Arc<Sees>,
    /// Why they read no more: they were a member and are none any more, or their invite let nobody in any more.
    ended: Option<Refusal>,
    /// How far the client knows that it has come.
    position: u64,
    /// Everything up to here was told, or is not for this reader, or is gone.
    looked: u64,
    /// Everything up to here may be sent: the answers to own submissions up to here are known.
    until: u64,
    /// Where the client has caught up with what was there when it opened the classroom, and with what took something of that
    /// away before it was told.
    goal: Option<u64>,
    packer: Packer,
    packed: usize,
    /// Submissions of this channel, by the positions they got, that must still be told.
    pub(super) own: BTreeMap<u64, u32>,
    errands: VecDeque<Errand>,
    /// How many of the errands come before all items.
    first: usize,
    /// The snapshots that were sent in place of what they cover.
    snapshots: HashMap<DocumentId, Box<Header>>,
    /// Bytes of snapshots that may still be sent so.
    snapshot_room: usize,
}

/// Something to read that is not in the order of positions.
#[derive(Debug)]
pub(super) enum Errand {
    Snapshot(DocumentId),
    Inventory { is_asked_for: bool },
    Fetch(Box<Wanted>),
}

/// Who reads, and by what right.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) member: MemberId,
    pub(super) access: Access,
    /// Of somebody who is no member.
    pub(super) invite: Option<EntryHash>,
}

impl Errand {
    fn is_asked_for(&self) -> bool {
        match self {
            Self::Snapshot(_) => false,
            Self::Inventory { is_asked_for } => *is_asked_for,
            Self::Fetch(_) => true,
        }
    }
}

impl Outbound {
    pub(super) fn new(
        key: ChannelKey,
        channel: Channel,
        classroom: Arc<Classroom>,
        reader: Reader,
        start: Start,
        snapshot_room: usize,
    ) -> Self {
        let at_hand = classroom.at_hand();
        let sees = Sees::new(&at_hand.roster, &reader.member, reader.access);
        let mut errands = VecDeque::new();
        let position = match start {
            Start::Behind(position) | Start::Unknown(position) => position,
            Start::Empty => {
                let mut documents: Vec<DocumentId> = at_hand
                    .catalog
                    .snapshots()
                    .filter(|(_, snapshot)| sees.space(&snapshot.space))
                    .map(|(_, snapshot)| snapshot.document)
                    .collect();
                documents.sort_unstable();
                documents.dedup();
                errands.extend(documents.into_iter().map(Errand::Snapshot));
                0
            }
            Start::Compared(position) | Start::Short(position) => {
                errands.push_back(Errand::Inventory { is_asked_for: false });
                position
            }
        };
        Self {
            key,
            channel,
            classroom,
            ended: (reader.access == Access::Former).then_some(Refusal::NotAMember),
            reader,
            roster: at_hand.roster,
            sees: Arc::new(sees),
            position,
            looked: position,
            until: position,
            // A classroom that is being founded has nothing yet, but will.
            goal: Some(at_hand.last.max(1)),
            packer: Packer::default(),
            packed: 0,
            own: BTreeMap::new(),
            first: errands.len(),
            errands,
            snapshots: HashMap::new(),
            snapshot_room,
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Looks how far the classroom has come, and what may be read of it now.
    pub(super) fn look(&mut self) {
        self.until = self.classroom.last();
        let roster = self.classroom.roster();
        if Arc::ptr_eq(&roster, &self.roster) {
            return;
        }
        self.roster = roster;
        if self.roster.member(&self.reader.member).is_some() {
            self.reader.access = Access::Member;
        } else if let Some(reason) = self.why_no_more() {
            // They are told by the roster why they read no more.
            self.ended = Some(reason);
            self.reader.access = Access::Former;
        }
        let sees = Sees::new(&self.roster, &self.reader.member, self.reader.access);
        if sees != *self.sees {
            // What came before in a space that was just opened to them went by unseen.
            let catalog = self.classroom.catalog();
            let has_missed = catalog
                .spaces()
                .any(|space| sees.space(space) && !self.sees.space(space));
            if has_missed {
                self.errands.push_back(Errand::Inventory { is_asked_for: false });
            }
            self.sees = Arc::new(sees);
        }
    }

    /// Why somebody who is no member reads no more.
    fn why_no_more(&self) -> Option<Refusal> {
        let Reader {
            member,
            access,
            invite,
        } = &self.reader;
        if *access == Access::Member {
            return Some(Refusal::NotAMember);
        }
        // Its time is kept by who listens.
        let over = check_invite(&self.roster, invite.as_ref()?, 0).err()?;
        let is_waiting = self
            .roster
            .requests()
            .iter()
            .any(|request| request.member == *member);
        (!is_waiting).then_some(over)
    }

    /// The reason to close the channel with once it is over.
    pub(super) fn reason(&self) -> Refusal {
        self.ended.unwrap_or(Refusal::NotAMember)
    }

    /// Whether there is nothing more for them: they were removed, and told.
    pub(super) fn is_over(&self) -> bool {
        let is_told = self.goal.is_none_or(|goal| goal <= self.looked);
        self.ended.is_some() && self.first == 0 && is_told && self.looked >= self.until
    }

    pub(super) fn has_more(&self) -> bool {
        self.ended.is_some()
            || !self.errands.is_empty()
            || self.looked < self.until
            || self.goal.is_some_and(|goal| goal <= self.looked)
    }

    pub(super) fn has_items(&self) -> bool {
        self.first == 0 && self.looked < self.until
    }

    pub(super) fn add_errand(&mut self, errand: Errand) {
        self.errands.push_back(errand);
    }

    /// How many of the errands the client asked for.
    pub(super) fn asked_for(&self) -> usize {
        self.errands.iter().filter(|errand| errand.is_asked_for()).count()
    }

    /// What has to be read for the errand that comes next.
    pub(super) fn next_errand(&mut self) -> Option<Read> {
        let what = match self.errands.front_mut()? {
            Errand::Snapshot(document) => What::Snapshot { document: *document },
            Errand::Inventory { .. } => What::Inventory,
            Errand::Fetch(wanted) => What::Fetch(std::mem::take(wanted)),
        };
        Some(self.read(what))
    }

    /// What follows from memory, or what has to be read.
    pub(super) fn following(&mut self) -> Result<Vec<Arc<Placed>>, Read> {
        match self.classroom.following(self.looked, self.until, PAGE) {
            Following::Recent(items) => {
                self.found(items.iter().map(|placed| placed.position), self.classroom.last());
                Ok(items)
            }
            Following::Older => Err(self.read(What::Page { after: self.looked })),
        }
    }

    /// Items at these positions were found when the newest had the position `last`: what is not among them any more that one, or
    /// one before it, took away, and nobody has caught up without that.
    pub(super) fn found(&mut self, mut positions: impl Iterator<Item = u64>, last: u64) {
        let is_next = positions.next() == Some(self.looked + 1);
        let is_whole = is_next
            && positions
                .zip(self.looked + 2..)
                .all(|(found, next)| found == next);
        if !is_whole {
            self.goal = self.goal.map(|goal| goal.max(last));
        }
    }

    fn read(&self, what: What) -> Read {
        Read {
            classroom: Arc::clone(&self.classroom),
            sees: Arc::clone(&self.sees),
            what,
        }
    }

    /// Tells what was read for the errand that comes first. Answers how many that the client asked for are done.
    pub(super) fn run(&mut self, done: Done, frames: &mut VecDeque<RelayFrame>) -> usize {
        let channel = self.channel;
        match done {
            Done::Snapshot(found) => {
                // Without room for it, the items that it covers come instead.
                if let Some(Served { header, bytes }) = found
                    && bytes.len() <= self.snapshot_room
                    && let Ok(snapshot) = Bytes::new("snapshot", bytes)
                {
                    self.snapshot_room -= snapshot.len();
                    self.snapshots.insert(header.document, header);
                    frames.push_back(RelayFrame::Snapshot {
                        channel,
                        advance: 0,
                        snapshot,
                    });
                }
            }
            Done::Inventory(parts) => {
                let count = parts.len();
                let parts = parts.into_iter().enumerate();
                frames.extend(parts.map(|(number, part)| RelayFrame::Inventory {
                    channel,
                    part: Box::new(part),
                    last: number + 1 == count,
                }));
            }
            Done::Fetched(found, rest) => {
                for found in found {
                    frames.extend(match found {
                        Found::Item(item) => self.frame(&item, 0),
                        Found::Piece(piece) => Bytes::new("snapshot piece", piece)
                            .ok()
                            .map(|piece| RelayFrame::Piece { channel, piece }),
                    });
                }
                if let (Some(rest), Some(Errand::Fetch(wanted))) = (rest, self.errands.front_mut()) {
                    *wanted = rest;
                    return 0;
                }
                frames.push_back(RelayFrame::Fetched { channel });
            }
            Done::Page(..) | Done::Failed => return 0,
        }
        self.first = self.first.saturating_sub(1);
        let done = self.errands.pop_front();
        usize::from(done.is_some_and(|errand| errand.is_asked_for()))
    }

    /// Tells an item, or that an own submission got its place.
    pub(super) fn tell(&mut self, placed: &Placed, frames: &mut VecDeque<RelayFrame>, inbox: &Inbox) {
        if placed.position > self.until {
            // It came since, or its row is damaged. In between there is nothing.
            self.skip(frames, inbox);
            return;
        }
        self.tell_own(placed.position, frames, inbox);
        self.looked = placed.position;
        let is_told = self.position == placed.position;
        if is_told || !self.sees.item(placed.item.space()) || self.is_covered(&placed.item) {
            return;
        }
        let advance = placed.position - self.position;
        if let Some(frame) = self.frame(&placed.item, advance) {
            frames.push_back(frame);
            self.position = placed.position;
        }
    }

    /// Whether a snapshot was sent that holds it.
    fn is_covered(&self, item: &Item) -> bool {
        let Item::Segment { segment, .. } = item else {
            return false;
        };
        let header = &segment.header;
        self.snapshots
            .get(&header.log.document)
            .and_then(|snapshot| snapshot.covered(&header.log))
            .is_some_and(|lane| header.last < lane.next)
    }

    /// The frame for an item; all came in frames of the same size.
    fn frame(&mut self, item: &Item, advance: u64) -> Option<RelayFrame> {
        let channel = self.channel;
        Some(match item {
            Item::Entry { bytes, .. } => RelayFrame::Entry {
                channel,
                advance,
                entry: Bytes::new("roster entry", bytes.clone()).ok()?,
            },
            Item::Segment { hash, segment } => {
                self.packed += 1;
                RelayFrame::Segment {
                    channel,
                    advance,
                    segment: Box::new(self.packer.pack(segment, *hash)),
                }
            }
            Item::Snapshot { bytes, .. } => RelayFrame::Snapshot {
                channel,
                advance,
                snapshot: Bytes::new("snapshot", bytes.clone()).ok()?,
            },
            Item::Verdict { bytes, .. } => RelayFrame::Verdict {
                channel,
                advance,
                verdict: Bytes::new("verdict", bytes.clone()).ok()?,
            },
            Item::Receipt { bytes, .. } => RelayFrame::Receipt {
                channel,
                advance,
                receipt: Bytes::new("receipt", bytes.clone()).ok()?,
            },
        })
    }

    /// There is nothing up to where one may go: it was removed, or is not for this reader.
    pub(super) fn skip(&mut self, frames: &mut VecDeque<RelayFrame>, inbox: &Inbox) {
        self.tell_own(self.until, frames, inbox);
        self.looked = self.until;
    }

    /// Tells of own submissions up to a position. Some may have gone already, into a fold.
    fn tell_own(&mut self, until: u64, frames: &mut VecDeque<RelayFrame>, inbox: &Inbox) {
        while let Some((&position, &submission)) = self.own.first_key_value()
            && position <= until
        {
            self.own.remove(&position);
            frames.push_back(RelayFrame::Stored {
                channel: self.channel,
                advance: position - self.position,
                submission,
            });
            self.position = position;
            inbox.answered(1);
        }
    }

    /// Whether the client has come to its goal, for the first time.
    pub(super) fn catch_up(&mut self) -> bool {
        let is_there = self.first == 0 && self.goal.is_some_and(|goal| goal <= self.looked);
        if is_there {
            self.goal = None;
            self.snapshots = HashMap::new();
            if self.packed > KEPT_PACKED {
                self.packer = Packer::default();
            }
        }
        is_there
    }
}
