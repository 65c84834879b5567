//! A connection: messages on their way, in order, either way; and what passes, understood as the relay understands it.

use std::collections::{BTreeMap, VecDeque};

use protocol::frame::{self, ClientFrame, RelayFrame};
use protocol::roster::Entry;
use protocol::segment::Segment;
use protocol::wire::Unpacker;
use protocol::{ClassroomId, MemberId};
use sync_server::core::SessionId;

use crate::broken::{Broken, Rule};

pub(crate) struct Wire {
    pub(crate) relay: usize,
    /// `None` once the relay has let go of it.
    pub(crate) session: Option<SessionId>,
    /// `None` once the tab has let go of it, or is gone.
    pub(crate) tab: Option<usize>,
    pub(crate) up: VecDeque<Vec<u8>>,
    pub(crate) down: VecDeque<Vec<u8>>,
    /// The relay does not notice that the tab is gone.
    pub(crate) unnoticed: bool,
    /// Up to which of the relay's news everything was told.
    pub(crate) told: u64,
    listener: Listener,
}

/// Understands what a replica says on a connection, or in a request.
#[derive(Default)]
pub(crate) struct Listener {
    /// What was to be said on a channel that was opened anew meanwhile still stands in it, and counts for nothing.
    is_request: bool,
    member: Option<MemberId>,
    channels: BTreeMap<u16, (ClassroomId, Unpacker)>,
}

/// What a message of a replica submits.
#[derive(Default)]
pub(crate) struct Submitted {
    pub(crate) segments: Vec<(ClassroomId, Segment)>,
    pub(crate) entries: Vec<(ClassroomId, Entry)>,
    /// Snapshots and their pieces.
    pub(crate) snapshots: usize,
    /// How often it asks for items by name.
    pub(crate) fetches: usize,
    /// Who says it.
    pub(crate) member: Option<MemberId>,
    /// It is nothing but whispers.
    is_whisper: bool,
}

impl Wire {
    pub(crate) fn new(relay: usize, session: SessionId, tab: usize) -> Self {
        Self {
            relay,
            session: Some(session),
            tab: Some(tab),
            up: VecDeque::new(),
            down: VecDeque::new(),
            unnoticed: false,
            told: 0,
            listener: Listener::default(),
        }
    }

    /// Takes a message of the replica, and answers with what it submits. Whispers may get lost on any way: where
    /// `whispers` is false, messages of nothing else do, for they take most of the time of a history.
    pub(crate) fn send(&mut self, message: Vec<u8>, whispers: bool) -> Result<Submitted, Broken> {
        let submitted = self.listener.hear(&message)?;
        if whispers || !submitted.is_whisper {
            self.up.push_back(message);
        }
        Ok(submitted)
    }
}

impl Listener {
    pub(crate) fn to_request() -> Self {
        Self {
            is_request: true,
            ..Self::default()
        }
    }

    pub(crate) fn hear(&mut self, message: &[u8]) -> Result<Submitted, Broken> {
        let mut submitted = Submitted {
            is_whisper: true,
            ..Submitted::default()
        };
        for frame in frame::decode::<ClientFrame>(message) {
            let frame = Rule::Speaks.check(frame)?;
            submitted.is_whisper &= matches!(frame, ClientFrame::Whisper { .. });
            match frame {
                ClientFrame::Answer { member, .. } => self.member = Some(member),
                ClientFrame::Open {
                    channel, classroom, ..
                } => {
                    self.channels.insert(channel, (classroom, Unpacker::default()));
                }
                ClientFrame::Found { channel, entry, .. } => {
                    let entry = Rule::Speaks.check(Entry::decode(&entry))?;
                    let classroom = ClassroomId(entry.hash().0);
                    self.channels.insert(channel, (classroom, Unpacker::default()));
                    submitted.entries.push((classroom, entry));
                }
                ClientFrame::Entry { channel, entry } | ClientFrame::Erase { channel, entry, .. } => {
                    let entry = Rule::Speaks.check(Entry::decode(&entry))?;
                    match self.channels.get(&channel) {
                        Some((classroom, _)) => submitted.entries.push((*classroom, entry)),
                        None if self.is_request => {}
                        None => return Rule::Speaks.broken("an entry on a channel that is not open"),
                    }
                }
                ClientFrame::Segment { channel, segment } => match self.channels.get_mut(&channel) {
                    Some((classroom, unpacker)) => {
                        let segment = Rule::Speaks.check(unpacker.unpack(*segment, classroom))?;
                        submitted.segments.push((*classroom, segment));
                    }
                    None if self.is_request => {}
                    None => return Rule::Speaks.broken("a segment on a channel that is not open"),
                },
                ClientFrame::Snapshot { .. } | ClientFrame::Piece { .. } => submitted.snapshots += 1,
                // Pieces are fetched as well to look whether a snapshot says what happened: in their own time.
                ClientFrame::Fetch { wanted, .. } => {
                    submitted.fetches += usize::from(wanted.pieces.is_empty());
                }
                _ => {}
            }
        }
        submitted.member = self.member;
        Ok(submitted)
    }
}

/// How many items a message of a relay brings.
pub(crate) fn items_in(message: &[u8]) -> usize {
    let is_item = |frame: &_| matches!(frame, RelayFrame::Entry { .. } | RelayFrame::Segment { .. });
    count_in(message, is_item)
}

/// How many inventories a message of a relay ends.
pub(crate) fn inventories_in(message: &[u8]) -> usize {
    count_in(message, |frame| {
        matches!(frame, RelayFrame::Inventory { last: true, .. })
    })
}

fn count_in(message: &[u8], is_counted: impl Fn(&RelayFrame) -> bool) -> usize {
    frame::decode::<RelayFrame>(message)
        .filter(|frame| frame.as_ref().is_ok_and(&is_counted))
        .count()
}
