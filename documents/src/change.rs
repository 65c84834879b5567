//! One Automerge change as bytes: looked at before it is believed.
//!
//! Changes come from other members. Automerge 0.12 panics, loops or allocates without bound on some bytes that parse
//! (counters beyond 32 bits, actor numbers out of range, runs of 2^60 equal values, strings that claim a gigabyte), so
//! every change goes through [`inspect`] first.

pub(crate) mod parts;
pub(crate) mod scan;

use std::fmt;
use std::io::Read;

use automerge::{Change, ChangeHash};
use flate2::bufread::DeflateDecoder;
use sha2::{Digest, Sha256};

use crate::Error;

/// No change may be larger than this when inflated.
pub const LARGEST: usize = 4 << 20;

/// No change may hold more operations than this.
pub const MOST_OPERATIONS: u64 = 1 << 20;

/// The hash that names a change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Reads what its `Display` gives.
    pub fn from_hex(text: &str) -> Option<Hash> {
        crate::classroom::unhex(text).map(Hash)
    }
}

impl From<ChangeHash> for Hash {
    fn from(hash: ChangeHash) -> Hash {
        Hash(hash.0)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Hash({self})")
    }
}

/// What a change says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeInfo {
    pub hash: Hash,
    /// Who wrote it: 16 bytes in what we write, any length in foreign documents.
    pub actor: Vec<u8>,
    /// The how-manieth change of its actor, from 1.
    pub sequence: u64,
    /// The changes it was made upon.
    pub dependencies: Vec<Hash>,
    /// In seconds since 1970, as the author's clock stood.
    pub time: i64,
}

/// Reads what a change says about itself.
///
/// # Errors
/// [`Error::Change`] for anything that is not exactly one well-formed change, plain or compressed, within [`LARGEST`] and
/// [`MOST_OPERATIONS`].
pub fn inspect(bytes: &[u8]) -> Result<ChangeInfo, Error> {
    let change = decode(bytes)?;
    Ok(ChangeInfo {
        hash: change.hash().into(),
        actor: change.actor_id().to_bytes().to_vec(),
        sequence: change.seq(),
        dependencies: change.deps().iter().copied().map(Hash::from).collect(),
        time: change.timestamp(),
    })
}

/// The bytes of a change, compressed if that is shorter.
pub(crate) fn shortest(change: &mut Change) -> Vec<u8> {
    let raw = change.raw_bytes().to_vec();
    let compressed = change.bytes();
    if compressed.len() < raw.len() {
        compressed.into_owned()
    } else {
        raw
    }
}

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const PLAIN: u8 = 1;
const COMPRESSED: u8 = 2;

/// Decodes a change that Automerge can hold without harm.
pub(crate) fn decode(bytes: &[u8]) -> Result<Change, Error> {
    let header = bytes.get(..9).ok_or_else(|| malformed("too short"))?;
    if header[..4] != MAGIC {
        return Err(malformed("no Automerge chunk"));
    }
    let mut rest = &bytes[9..];
    let length = scan::unsigned(&mut rest)?;
    if length != rest.len() as u64 {
        return Err(malformed("the length does not match"));
    }
    let plain = match header[8] {
        PLAIN if rest.len() > LARGEST => return Err(malformed("too large")),
        PLAIN => {
            scan::body(rest)?;
            parse(bytes)?
        }
        COMPRESSED => {
            let body = inflate(rest, LARGEST)?;
            scan::body(&body)?;
            parse(&chunk(&header[..8], &body))?
        }
        _ => return Err(malformed("another kind of chunk")),
    };
    // Automerge does not compare these when it reads a single change.
    if plain.hash().0[..4] != header[4..8] {
        return Err(malformed("the checksum does not match"));
    }
    bounded(plain)
}

/// Decodes the body of a plain change, as [`decode`] does a whole one.
pub(crate) fn from_body(body: &[u8]) -> Result<Change, Error> {
    if body.len() > LARGEST {
        return Err(malformed("too large"));
    }
    scan::body(body)?;
    let mut plain = chunk(&[MAGIC, [0; 4]].concat(), body);
    let hash = Sha256::digest(&plain[8..]);
    plain[4..8].copy_from_slice(&hash[..4]);
    bounded(parse(&plain)?)
}

/// The body of a change, inflated.
pub(crate) fn body(change: &Change) -> Result<&[u8], Error> {
    let mut rest = change
        .raw_bytes()
        .get(9..)
        .ok_or_else(|| malformed("too short"))?;
    scan::unsigned(&mut rest)?;
    Ok(rest)
}

fn bounded(change: Change) -> Result<Change, Error> {
    if change.start_op().get().saturating_add(change.len() as u64) > u64::from(u32::MAX) {
        return Err(malformed("operation numbers beyond 32 bits"));
    }
    Ok(change)
}

/// A plain change: magic and checksum, kind, length, body.
fn chunk(start: &[u8], body: &[u8]) -> Vec<u8> {
    let mut chunk = Vec::with_capacity(body.len() + 16);
    chunk.extend_from_slice(start);
    chunk.push(PLAIN);
    parts::write_prefixed(&mut chunk, body);
    chunk
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkKind {
    Change,
    Other,
}

/// Splits what was saved into Automerge's chunks.
pub(crate) fn chunks(bytes: &[u8]) -> Result<Vec<(&[u8], ChunkKind)>, Error> {
    let mut chunks = Vec::new();
    let mut left = bytes;
    while !left.is_empty() {
        let header = left.get(..9).ok_or_else(|| malformed("too short"))?;
        let mut rest = &left[9..];
        let length = scan::unsigned(&mut rest)?;
        let header_length = left.len() - rest.len();
        let length = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(header_length));
        let split = length.and_then(|length| left.split_at_checked(length));
        let (chunk, after) = split.ok_or_else(|| malformed("a chunk longer than the bytes"))?;
        // Automerge inflates and decodes before it compares these, and panics on some damage.
        if Sha256::digest(&chunk[8..])[..4] != header[4..8] && header[8] != COMPRESSED {
            return Err(malformed("the checksum does not match"));
        }
        let kind = if matches!(header[8], PLAIN | COMPRESSED) {
            ChunkKind::Change
        } else {
            ChunkKind::Other
        };
        chunks.push((chunk, kind));
        left = after;
    }
    Ok(chunks)
}

fn parse(chunk: &[u8]) -> Result<Change, Error> {
    Change::try_from(chunk).map_err(|error| Error::Change(error.to_string()))
}

/// Inflates to `limit` bytes at most, whatever the data says.
pub(crate) fn inflate(deflated: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    let mut decoder = DeflateDecoder::new(deflated).take((limit as u64).saturating_add(1));
    decoder
        .read_to_end(&mut body)
        .map_err(|error| Error::Change(error.to_string()))?;
    if body.len() > limit {
        return Err(malformed("too large when inflated"));
    }
    let left = decoder.into_inner();
    if left.total_in() != deflated.len() as u64 {
        return Err(malformed("something follows the compressed data"));
    }
    Ok(body)
}

fn malformed(what: &str) -> Error {
    Error::Change(what.to_owned())
}
