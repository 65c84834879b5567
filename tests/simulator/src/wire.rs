//! A connection: messages on their way, in order, either way; and what passes, understood as the relay understands it.

use std::collections::{BTreeMap, VecDeque};

use protocol::ClassroomId;
use protocol::frame::{self, ClientFrame, RelayFrame};
use protocol::roster::Entry;
use protocol::segment::Segment;
use protocol::wire::Unpacker;
use sync_server::core::SessionId;

use crate::broken::{Broken, Rule};

pub(crate) struct Wire {
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
    channels: BTreeMap<u16, (ClassroomId, Unpacker)>,
}

/// What a message of a replica submits.
#[derive(Default)]
pub(crate) struct Submitted {
    pub(crate) segments: Vec<(ClassroomId, Segment)>,
    pub(crate) entries: Vec<(ClassroomId, Entry)>,
}

impl Wire {
    pub(crate) fn new(session: SessionId, tab: usize) -> Self {
        Self {
            session: Some(session),
            tab: Some(tab),
            up: VecDeque::new(),
            down: VecDeque::new(),
            unnoticed: false,
            told: 0,
            channels: BTreeMap::new(),
        }
    }

    /// Takes a message of the replica, and answers with what it submits. Whispers may get lost on any way: where
    /// `whispers` is false, messages of nothing else do, for they take most of the time of a history.
    pub(crate) fn send(&mut self, message: Vec<u8>, whispers: bool) -> Result<Submitted, Broken> {
        let mut submitted = Submitted::default();
        let mut is_lost = !whispers;
        for frame in frame::decode::<ClientFrame>(&message) {
            let frame = Rule::Speaks.check(frame)?;
            is_lost &= matches!(frame, ClientFrame::Whisper { .. });
            match frame {
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
                ClientFrame::Entry { channel, entry } => {
                    let entry = Rule::Speaks.check(Entry::decode(&entry))?;
                    match self.channels.get(&channel) {
                        Some((classroom, _)) => submitted.entries.push((*classroom, entry)),
                        None => return Rule::Speaks.broken("an entry on a channel that is not open"),
                    }
                }
                ClientFrame::Segment { channel, segment } => match self.channels.get_mut(&channel) {
                    Some((classroom, unpacker)) => {
                        let segment = Rule::Speaks.check(unpacker.unpack(*segment, classroom))?;
                        submitted.segments.push((*classroom, segment));
                    }
                    None => return Rule::Speaks.broken("a segment on a channel that is not open"),
                },
                _ => {}
            }
        }
        if !is_lost {
            self.up.push_back(message);
        }
        Ok(submitted)
    }
}

/// How many items a message of a relay brings.
pub(crate) fn items_in(message: &[u8]) -> usize {
    frame::decode::<RelayFrame>(message)
        .filter(|frame| matches!(frame, Ok(RelayFrame::Entry { .. } | RelayFrame::Segment { .. })))
        .count()
}
