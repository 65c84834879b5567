//! Segments: the unit that is sealed, signed, stored and sent. A segment is a run of one lane's changes to one
//! document, or a fold that stands in place of several. Only members can read it; anybody can check who wrote it and
//! where it belongs.

mod kind;

use chacha20poly1305::aead::Payload;
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce, aead::Aead as _};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::bounded::{self, Bytes};
use crate::identity::{MemberKeys, verify};
use crate::key::EpochKey;
use crate::padding::padded_length;
use crate::roster::MAX_HEADS;
use crate::{ClassroomId, DocumentId, EntryHash, Error, LaneId, MemberId, SegmentHash, Signature, SpaceId};

pub use kind::Kind;

const VERSION: u8 = 1;

/// The most bytes of a padded body.
pub const MAX_BODY: usize = 256 * 1024;

const TAG: usize = 16;

/// The most bytes of a sealed body.
pub const MAX_SEALED: usize = MAX_BODY + TAG;

/// The most bytes of an encoded segment: body, header with all heads, signature.
pub const MAX_SEGMENT: usize = MAX_SEALED + 2048;

/// The highest index in a log: a store can count one further, and none comes near it by writing.
pub const MAX_INDEX: u64 = (1 << 48) - 1;

/// The most segments that one fold stands for.
pub const MAX_COVERED: u64 = 65_536;

/// Which log a segment belongs to: one lane's, for one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Log {
    pub document: DocumentId,
    pub member: MemberId,
    pub lane: LaneId,
}

impl Log {
    /// The Automerge actor of this log: only its own lane can write with it.
    pub fn actor(&self) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_derive_key("meridian 2026-11 v1 actor");
        hasher
            .update(&self.member.0)
            .update(&self.lane.0)
            .update(&self.document.0);
        let mut actor = [0; 16];
        actor.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        actor
    }
}

/// Everything about a segment that the relay may know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub kind: Kind,
    pub log: Log,
    /// The indices it covers, both included; a run covers one.
    pub first: u64,
    pub last: u64,
    pub space: SpaceId,
    pub epoch: u32,
    /// The roster heads that the author knew.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_HEADS>")]
    pub roster: Vec<EntryHash>,
}

/// A sealed, signed segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    pub header: Header,
    /// The [chain hash](Segment::chain_hash) of the segment before it in its log.
    pub previous: SegmentHash,
    pub nonce: [u8; 24],
    pub sealed: Bytes<MAX_SEALED>,
    pub signature: Signature,
}

/// What a segment holds, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Of a run: Automerge changes, in the order they were made.
    Changes(Vec<Vec<u8>>),
    /// Of a fold: all changes that it covers, as `documents` folds them.
    Bundle(Vec<u8>),
}

impl Segment {
    /// Seals and signs a run of `changes`.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the changes do not fit into one body: split the run, see [`fits`].
    /// [`Error::Malformed`] if the header is not that of a run.
    pub fn seal(
        keys: &MemberKeys,
        classroom: &ClassroomId,
        header: Header,
        previous: SegmentHash,
        epoch_key: &EpochKey,
        changes: &[Vec<u8>],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Error> {
        if !header.kind.is_run() {
            return Err(Error::Malformed("run"));
        }
        Self::seal_parts(keys, classroom, header, previous, epoch_key, changes, rng)
    }

    /// Seals and signs a fold: `bundle` holds the changes of all segments of its log from `header.first` to
    /// `header.last`; `previous` is what stands before the first of them.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the bundle does not fit into one body: fold fewer, see [`fits`]. [`Error::Malformed`] if
    /// the header is not that of a fold.
    pub fn seal_fold(
        keys: &MemberKeys,
        classroom: &ClassroomId,
        header: Header,
        previous: SegmentHash,
        epoch_key: &EpochKey,
        bundle: Vec<u8>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Error> {
        if header.kind.covered().is_none() {
            return Err(Error::Malformed("fold"));
        }
        Self::seal_parts(keys, classroom, header, previous, epoch_key, &[bundle], rng)
    }

    fn seal_parts(
        keys: &MemberKeys,
        classroom: &ClassroomId,
        header: Header,
        previous: SegmentHash,
        epoch_key: &EpochKey,
        parts: &[Vec<u8>],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Error> {
        let body = body(parts)?;
        let mut nonce = [0; 24];
        rng.fill_bytes(&mut nonce);
        let sealed = cipher(epoch_key, classroom, &header.log.document)
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: &body,
                    aad: &associated_data(&header, epoch_key, &previous)?,
                },
            )
            .map_err(|_| Error::TooLarge {
                what: "segment body",
                max: MAX_BODY,
            })?;
        let mut segment = Self {
            header,
            previous,
            nonce,
            sealed: Bytes::new("segment body", sealed)?,
            signature: Signature::from_bytes([0; 64]),
        };
        segment.check_shape()?;
        segment.signature = keys.sign(&segment.transcript(classroom)?);
        Ok(segment)
    }

    /// Checks the author's signature and answers with the segment's hash.
    pub fn verify(&self, classroom: &ClassroomId) -> Result<SegmentHash, Error> {
        if let Kind::Other(version) = self.header.kind
            && !self.header.kind.is_known()
        {
            return Err(newer_kind(version));
        }
        let transcript = self.transcript(classroom)?;
        verify("segment", &self.header.log.member.0, &transcript, &self.signature)?;
        Ok(hash(&transcript))
    }

    /// Names this segment among all: no two that differ in anything that is signed share it.
    pub fn hash(&self, classroom: &ClassroomId) -> Result<SegmentHash, Error> {
        Ok(hash(&self.transcript(classroom)?))
    }

    /// What the next segment of its log names as its previous: the segment's own hash, or for a fold that of the last
    /// segment it covers, so that a log goes on the same whether it was folded or not.
    pub fn chain_hash(&self, classroom: &ClassroomId) -> Result<SegmentHash, Error> {
        match self.header.kind.covered() {
            Some(covered) => Ok(covered),
            None => self.hash(classroom),
        }
    }

    /// Opens the body.
    pub fn open(&self, classroom: &ClassroomId, epoch_key: &EpochKey) -> Result<Body, Error> {
        if let Kind::Other(version) = self.header.kind
            && !self.header.kind.is_known()
        {
            return Err(newer_kind(version));
        }
        let body = cipher(epoch_key, classroom, &self.header.log.document)
            .decrypt(
                &XNonce::from(self.nonce),
                Payload {
                    msg: &self.sealed,
                    aad: &associated_data(&self.header, epoch_key, &self.previous)?,
                },
            )
            .map_err(|_| Error::CannotOpen("segment"))?;
        let mut parts = parts(&body)?;
        match (self.header.kind.covered(), parts.len()) {
            (None, _) => Ok(Body::Changes(parts)),
            (Some(_), 1) => Ok(Body::Bundle(parts.remove(0))),
            (Some(_), _) => Err(Error::Malformed("fold")),
        }
    }

    /// A version byte, then the header, the previous hash, nonce, sealed body and signature.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        bounded::encode_versioned("segment", VERSION, self)
    }

    /// Reads a segment. Says nothing yet about its signature: see [`Segment::verify`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let segment: Self = bounded::decode_versioned("segment", VERSION, MAX_SEGMENT, bytes)?;
        segment.check_shape()?;
        Ok(segment)
    }

    /// What holds for every segment, whoever wrote it.
    pub(crate) fn check_shape(&self) -> Result<(), Error> {
        let header = &self.header;
        let is_bounded = header.first <= header.last
            && header.last <= MAX_INDEX
            && header.last - header.first < MAX_COVERED;
        let covers_rightly = is_bounded
            && match header.kind {
                Kind::Run => header.first == header.last,
                Kind::Fold { covered } => covered != SegmentHash::NONE,
                Kind::Other(_) => true,
            };
        let starts_rightly = (header.first == 0) == (self.previous == SegmentHash::NONE);
        if covers_rightly && starts_rightly && self.sealed.len() >= TAG && !self.header.roster.is_empty() {
            Ok(())
        } else {
            Err(Error::Malformed("segment"))
        }
    }

    /// What is signed: domain, classroom, header, previous hash, nonce and the hash of the sealed body.
    fn transcript(&self, classroom: &ClassroomId) -> Result<Vec<u8>, Error> {
        let header = bounded::encode("segment header", &self.header)?;
        Ok([
            b"meridian v1 segment\0".as_slice(),
            &[VERSION],
            &classroom.0,
            &header,
            &self.previous.0,
            &self.nonce,
            blake3::hash(&self.sealed).as_bytes(),
        ]
        .concat())
    }
}

fn newer_kind(version: u8) -> Error {
    Error::UnsupportedVersion {
        what: "segment's kind",
        version,
    }
}

/// Whether `changes`, or the one bundle of a fold, fit into one body.
pub fn fits<'a>(changes: impl IntoIterator<Item = &'a Vec<u8>>) -> bool {
    padded_length(changes.into_iter().map(|change| change.len() + 5).sum::<usize>()) <= MAX_BODY
}

fn hash(transcript: &[u8]) -> SegmentHash {
    SegmentHash(blake3::derive_key("meridian 2026-11 v1 segment hash", transcript))
}

fn cipher(epoch_key: &EpochKey, classroom: &ClassroomId, document: &DocumentId) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&epoch_key.document_key(classroom, document).into())
}

/// The header, the name of the epoch key and the previous hash. The name alone would not keep a crafted body from
/// opening differently with two keys; that an epoch has one key only is for the roster to see to.
fn associated_data(header: &Header, epoch_key: &EpochKey, previous: &SegmentHash) -> Result<Vec<u8>, Error> {
    let mut data = bounded::encode("segment header", header)?;
    data.extend(epoch_key.id());
    data.extend(previous.0);
    Ok(data)
}

/// Each part with its length in front (LEB128), then zeros up to the padded length.
fn body(parts: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
    let too_large = Error::TooLarge {
        what: "segment body",
        max: MAX_BODY,
    };
    if !fits(parts) {
        return Err(too_large);
    }
    let mut body = Vec::new();
    for part in parts {
        if part.is_empty() {
            return Err(Error::Malformed("empty change"));
        }
        let mut length = part.len();
        while length >= 0x80 {
            body.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        body.push(length as u8);
        body.extend_from_slice(part);
    }
    body.resize(padded_length(body.len()), 0);
    Ok(body)
}

fn parts(mut body: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let malformed = Error::Malformed("segment body");
    let mut parts = Vec::new();
    loop {
        let (mut length, mut shift) = (0usize, 0u32);
        loop {
            let Some((&byte, rest)) = body.split_first() else {
                return if shift == 0 { Ok(parts) } else { Err(malformed) };
            };
            body = rest;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
            if shift > 21 {
                return Err(malformed);
            }
        }
        if length == 0 {
            return if body.iter().all(|&byte| byte == 0) {
                Ok(parts)
            } else {
                Err(malformed)
            };
        }
        let (part, rest) = body
            .split_at_checked(length)
            .ok_or(Error::Malformed("segment body"))?;
        parts.push(part.to_vec());
        body = rest;
    }
}
