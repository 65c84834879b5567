//! What client and relay say to each other on `/sync`. A message is one or more frames, one after the other.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::bounded::{self, Bytes};
use crate::identity::Challenge;
use crate::inventory::{Inventory, Wanted};
use crate::invite::InviteProof;
use crate::receipt::MAX_RECEIPT;
use crate::roster::MAX_HEADS;
use crate::roster::entry::MAX_ENTRY;
use crate::snapshot::{MAX_PIECE, MAX_SNAPSHOT};
use crate::verdict::MAX_VERDICT;
use crate::whisper::MAX_WHISPER;
use crate::wire::WireSegment;
use crate::{ClassroomId, DocumentId, EntryHash, Error, MemberId, Refusal, Signature};

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "meridian.v1";

/// The most bytes of one message.
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// Where an item stands in a relay's log of one classroom. Never reused; a relay that lost its store starts a new
/// incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    pub incarnation: u64,
    pub index: u64,
}

/// One open classroom on a connection; the client picks the number.
pub type Channel = u16;

/// From the client. Foundings, entries, segments, snapshots, pieces, verdicts and receipts are *submissions*: they are
/// numbered from 0 per channel, in the order they are sent, and each gets exactly one answer: stored, held or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientFrame {
    /// Who this is: the answer to the relay's challenge.
    Answer { member: MemberId, signature: Signature },
    /// Opens a classroom: everything after `since` comes, then what is new.
    Open {
        channel: Channel,
        classroom: ClassroomId,
        /// Up to where this client has everything; `None` for nothing.
        since: Option<Position>,
        /// The roster heads this client knows.
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_HEADS>")]
        roster: Vec<EntryHash>,
        /// For somebody who is not a member yet.
        invite: Option<InviteProof>,
    },
    /// Founds a classroom and opens it on `channel`.
    Found {
        channel: Channel,
        entry: Bytes<MAX_ENTRY>,
        token: Option<Bytes<256>>,
    },
    /// Submits a roster entry.
    Entry {
        channel: Channel,
        entry: Bytes<MAX_ENTRY>,
    },
    /// Submits a segment.
    Segment {
        channel: Channel,
        segment: Box<WireSegment>,
    },
    /// To everybody who has the classroom open now.
    Whisper {
        channel: Channel,
        whisper: Bytes<MAX_WHISPER>,
    },
    /// Closes a channel.
    Close { channel: Channel },
    /// Asks for a [`RelayFrame::Pong`].
    Ping { nonce: u32 },
    /// Asks for everything that the relay has of the classroom, by name: [`RelayFrame::Inventory`].
    Inventory { channel: Channel },
    /// Asks for items by name. They come with an `advance` of 0, then [`RelayFrame::Fetched`].
    Fetch { channel: Channel, wanted: Box<Wanted> },
    /// Submits a snapshot. Its pieces come before it.
    Snapshot {
        channel: Channel,
        snapshot: Bytes<MAX_SNAPSHOT>,
    },
    /// Submits a piece of a snapshot. It has no position, so that the answer is [`RelayFrame::Held`].
    Piece {
        channel: Channel,
        piece: Bytes<MAX_PIECE>,
    },
    /// Submits a verdict.
    Verdict {
        channel: Channel,
        verdict: Bytes<MAX_VERDICT>,
    },
    /// Submits a receipt.
    Receipt {
        channel: Channel,
        receipt: Bytes<MAX_RECEIPT>,
    },
    /// Submits a roster entry that erases a document, if nothing of that came in behind the position `upto`.
    Erase {
        channel: Channel,
        upto: u64,
        entry: Bytes<MAX_ENTRY>,
    },
}

/// From the relay. Items come in the order of their positions; `advance` says how far this one is behind the one
/// before it on the channel, mostly 1; 0 if it comes out of order, because it was fetched or stands before the tail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelayFrame {
    /// The first frame of a connection.
    Challenge {
        challenge: Challenge,
        /// The relay's clock, seconds since 1970, so that a client can warn of a wrong clock.
        now: u64,
    },
    /// The classroom is open; items come from `from` on.
    Opened { channel: Channel, from: Position },
    /// Everything up to here was sent; what follows is new.
    CaughtUp { channel: Channel },
    /// A roster entry.
    Entry {
        channel: Channel,
        advance: u64,
        entry: Bytes<MAX_ENTRY>,
    },
    /// A segment.
    Segment {
        channel: Channel,
        advance: u64,
        segment: Box<WireSegment>,
    },
    /// The submission was committed durably; stands in the place of the item itself.
    Stored {
        channel: Channel,
        advance: u64,
        submission: u32,
    },
    /// The relay has this already.
    Held { channel: Channel, submission: u32 },
    /// The submission was not taken; later ones of other logs are not affected.
    Refused {
        channel: Channel,
        submission: u32,
        reason: Refusal,
    },
    /// A whisper of somebody else.
    Whisper {
        channel: Channel,
        whisper: Bytes<MAX_WHISPER>,
    },
    /// The channel could not be opened, or was closed by the relay.
    Closed { channel: Channel, reason: Refusal },
    /// The connection ends.
    Ended { reason: Refusal },
    /// The answer to a ping.
    Pong { nonce: u32 },
    /// A part of what the relay has, as far as this member may read it.
    Inventory {
        channel: Channel,
        part: Box<Inventory>,
        /// Nothing more follows.
        last: bool,
    },
    /// A snapshot, without its pieces.
    Snapshot {
        channel: Channel,
        advance: u64,
        snapshot: Bytes<MAX_SNAPSHOT>,
    },
    /// A verdict.
    Verdict {
        channel: Channel,
        advance: u64,
        verdict: Bytes<MAX_VERDICT>,
    },
    /// A receipt.
    Receipt {
        channel: Channel,
        advance: u64,
        receipt: Bytes<MAX_RECEIPT>,
    },
    /// A piece that was fetched.
    Piece {
        channel: Channel,
        piece: Bytes<MAX_PIECE>,
    },
    /// One [`ClientFrame::Fetch`] was answered: what did not come by now is not here.
    Fetched { channel: Channel },
    /// The document has a long tail: a snapshot is welcome.
    WantSnapshot { channel: Channel, document: DocumentId },
}

/// Encodes one frame onto the end of a message.
pub fn append<F: Serialize>(message: &mut Vec<u8>, frame: &F) -> Result<(), Error> {
    message.extend(bounded::encode("frame", frame)?);
    Ok(())
}

/// Encodes one frame.
pub fn encode<F: Serialize>(frame: &F) -> Result<Vec<u8>, Error> {
    bounded::encode("frame", frame)
}

/// Decodes the frames of a message one by one; the first error ends it.
pub fn decode<F: Serialize + DeserializeOwned>(message: &[u8]) -> Frames<'_, F> {
    Frames {
        rest: message,
        frame: std::marker::PhantomData,
    }
}

/// See [`decode`].
#[derive(Debug)]
pub struct Frames<'a, F> {
    rest: &'a [u8],
    frame: std::marker::PhantomData<F>,
}

impl<'a, F> Frames<'a, F> {
    /// The bytes that are not decoded yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<F: Serialize + DeserializeOwned> Iterator for Frames<'_, F> {
    type Item = Result<F, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match bounded::take("frame", self.rest) {
            Ok((frame, rest)) => {
                self.rest = rest;
                Some(Ok(frame))
            }
            Err(error) => {
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}
