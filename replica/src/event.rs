//! What a replica is told, and what it answers.

use protocol::{ChunkHash, ClassroomId, DocumentId, LaneId, MemberId, Refusal, Signature};

use crate::command::Command;
use crate::store::{Batch, Range, Ranges, Records};
use crate::view::Update;

/// What happened. Time comes with every event, see [`crate::Replica::handle`].
#[derive(Debug)]
pub enum Event {
    /// A person's command; `request` comes back with the answer.
    Command { request: u32, command: Command },
    /// The connection asked for with [`Effect::Connect`] is there.
    Connected,
    /// Of the connection asked for nothing can be had but exchanges: each [`Effect::Exchange`] is answered with
    /// [`Event::Exchanged`], or with [`Event::TurnedAway`] or [`Event::Disconnected`], which end them.
    Exchanging,
    /// What the relay answered to a request.
    Exchanged(Vec<u8>),
    /// The relay said something.
    Message(Vec<u8>),
    /// The connection is gone, or could not be made. Not said of one that was given up by [`Effect::Disconnect`], of
    /// which nothing more is heard.
    Disconnected,
    /// The same of exchanges, and the relay said why.
    TurnedAway(Refusal),
    /// What came of [`Effect::Upload`]. Not said of one that was given up by [`Effect::Disconnect`], or when the connection was
    /// said to be gone.
    Uploaded {
        classroom: ClassroomId,
        document: DocumentId,
        chunk: ChunkHash,
        outcome: Uploaded,
    },
    /// What came of [`Effect::Download`]: nothing if the relay does not have it, or could not be asked. Likewise.
    Downloaded {
        classroom: ClassroomId,
        chunk: ChunkHash,
        bytes: Option<Vec<u8>>,
    },
    /// The device says that it has a network again.
    NetworkUp,
    /// The write in flight is durable.
    Written,
    /// The write in flight failed as a whole; nothing of it is stored.
    WriteFailed,
    /// What [`Effect::Read`] or [`Effect::ReadPage`] asked for.
    Read { ticket: u64, records: Records },
    /// What could not be read; the replica asks again later.
    ReadFailed { ticket: u64 },
    /// Another tab of this profile said something.
    FromTab(Vec<u8>),
    /// This tab holds `lane` now, which another tab left behind; `records` is everything unsent in the store.
    Adopted { lane: LaneId, records: Records },
    /// Who the store says this is, after [`Effect::ClaimProfile`].
    ProfileClaimed(Vec<u8>),
    /// The store could not be asked; the replica asks again later.
    ProfileClaimFailed,
    /// Time went by; expected about once a second.
    Tick,
    /// The tab is about to close or to be frozen.
    Closing,
}

/// What came of bringing a chunk to the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploaded {
    /// It is there, durably, and known to belong to the document.
    Done,
    Refused(Refusal),
    /// Nothing came back that could be understood.
    Unanswered,
}

/// What to do, in this order.
#[derive(Debug)]
pub enum Effect {
    /// Store durably; answer with [`Event::Written`] or [`Event::WriteFailed`]. There is one write at a time.
    Write(Batch),
    /// Read; answer with [`Event::Read`].
    Read { ticket: u64, ranges: Ranges },
    /// Read the first `most` rows of a range, so that no more is in memory at once; answer with [`Event::Read`].
    ReadPage { ticket: u64, range: Range, most: u32 },
    /// Connect to the relay.
    Connect,
    /// Send a message on the connection.
    Send(Vec<u8>),
    /// Post this to the relay. There is one request at a time.
    Exchange(Vec<u8>),
    /// Bring a chunk to the relay, as something of a document; without `bytes`, say only that it is. Answer with
    /// [`Event::Uploaded`]. There is one at a time.
    Upload {
        classroom: ClassroomId,
        document: DocumentId,
        chunk: ChunkHash,
        member: MemberId,
        signature: Signature,
        bytes: Option<Vec<u8>>,
    },
    /// Ask the relay for a chunk; answer with [`Event::Downloaded`]. There are two at a time.
    Download {
        classroom: ClassroomId,
        chunk: ChunkHash,
    },
    /// Give the connection up, and all that is being brought or asked for besides.
    Disconnect,
    /// Show something in this tab.
    Show(Update),
    /// Tell the other tabs of this profile.
    TellTabs(Vec<u8>),
    /// Hold this lane's lock for as long as the tab lives.
    HoldLane(LaneId),
    /// Store this as the only row of [`crate::store::Table::Profile`], under an empty key, if the table is empty, and so that it
    /// survives a crash of the machine; answer with [`Event::ProfileClaimed`] and the row that is there now. No other
    /// tab may come between looking and storing.
    ClaimProfile(Vec<u8>),
    /// Try to take over a lane whose tab seems gone: if its lock is free, hold it, read what is unsent and answer with
    /// [`Event::Adopted`]; otherwise do nothing.
    Adopt(LaneId),
}
