//! How segments travel on one connection: what the receiver already knows (classroom, previous hash, unchanged
//! header fields) is signed but not sent. Each direction of a channel has its own [`Packer`] and [`Unpacker`].

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::bounded::Bytes;
use crate::segment::{Header, Kind, Log, MAX_SEALED, Segment};
use crate::{ClassroomId, Error, SegmentHash, Signature};

/// How many logs a direction remembers; after that the numbers start again and are defined anew.
pub const MAX_LOGS: u16 = 1024;

/// A segment as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireSegment {
    heading: Heading,
    nonce: [u8; 24],
    sealed: Bytes<MAX_SEALED>,
    signature: Signature,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Heading {
    /// The run after the last that was sent of this log, with the same header.
    Next { log: u16 },
    /// From now on `log` means this.
    Define {
        log: u16,
        header: Header,
        previous: SegmentHash,
    },
}

/// What the other side knows of a log.
#[derive(Debug, Clone)]
struct Known {
    header: Header,
    /// What the next segment of the log names as its previous.
    chain_hash: SegmentHash,
}

impl Known {
    /// About how many bytes it takes in memory.
    fn size(&self) -> usize {
        size_of::<Self>() + size_of_val(self.header.roster.as_slice())
    }

    /// The header that follows without being told.
    fn next(&self) -> Option<Header> {
        let index = self.header.last.checked_add(1)?;
        let kind = match self.header.kind {
            Kind::Run | Kind::Fold { .. } => Kind::Run,
            Kind::Other(number) => Kind::Other(number),
        };
        Some(Header {
            kind,
            first: index,
            last: index,
            ..self.header.clone()
        })
    }
}

/// The sending end.
#[derive(Debug, Default)]
pub struct Packer {
    numbers: HashMap<Log, u16>,
    known: Vec<Known>,
    /// Where the next new log goes.
    turn: u16,
}

impl Packer {
    /// Packs a segment whose hash is `hash`.
    pub fn pack(&mut self, segment: &Segment, hash: SegmentHash) -> WireSegment {
        WireSegment {
            heading: self.heading(segment, hash),
            nonce: segment.nonce,
            sealed: segment.sealed.clone(),
            signature: segment.signature,
        }
    }

    fn heading(&mut self, segment: &Segment, hash: SegmentHash) -> Heading {
        let header = &segment.header;
        let known = Known {
            header: header.clone(),
            chain_hash: header.kind.covered().unwrap_or(hash),
        };
        if let Some(&number) = self.numbers.get(&header.log) {
            let before = std::mem::replace(&mut self.known[usize::from(number)], known);
            if before.chain_hash == segment.previous && before.next().as_ref() == Some(header) {
                return Heading::Next { log: number };
            }
            return Heading::Define {
                log: number,
                header: header.clone(),
                previous: segment.previous,
            };
        }
        let number = self.turn;
        self.turn = (self.turn + 1) % MAX_LOGS;
        match self.known.get_mut(usize::from(number)) {
            Some(place) => {
                let old = std::mem::replace(place, known);
                self.numbers.remove(&old.header.log);
            }
            None => self.known.push(known),
        }
        self.numbers.insert(header.log, number);
        Heading::Define {
            log: number,
            header: header.clone(),
            previous: segment.previous,
        }
    }
}

/// The receiving end.
#[derive(Debug, Default)]
pub struct Unpacker {
    known: HashMap<u16, Known>,
    /// What `known` holds, in bytes.
    remembered: usize,
}

impl Unpacker {
    /// Restores the segment. Its signature is not checked yet.
    pub fn unpack(&mut self, wire: WireSegment, classroom: &ClassroomId) -> Result<Segment, Error> {
        let WireSegment {
            heading,
            nonce,
            sealed,
            signature,
        } = wire;
        let (number, header, previous) = match heading {
            Heading::Define {
                log,
                header,
                previous,
            } if log < MAX_LOGS => (log, header, previous),
            Heading::Define { .. } => return Err(Error::Malformed("log number")),
            Heading::Next { log } => {
                let known = self.known.get(&log).ok_or(Error::Malformed("log number"))?;
                (
                    log,
                    known.next().ok_or(Error::Malformed("segment index"))?,
                    known.chain_hash,
                )
            }
        };
        let segment = Segment {
            header,
            previous,
            nonce,
            sealed,
            signature,
        };
        segment.check_shape()?;
        let known = Known {
            header: segment.header.clone(),
            chain_hash: segment.chain_hash(classroom)?,
        };
        self.remembered += known.size();
        if let Some(before) = self.known.insert(number, known) {
            self.remembered -= before.size();
        }
        Ok(segment)
    }

    /// About how many bytes of memory it takes to remember what the other side may leave out. It is for the receiver
    /// to bound over all channels.
    pub fn remembered(&self) -> usize {
        self.remembered
    }
}
