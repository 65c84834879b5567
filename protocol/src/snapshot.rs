//! Snapshots: a whole document, sealed and signed, that spares newcomers the segments it covers. A snapshot is a hint:
//! it states what it covers and by whom it was made, and another may always take its place.
//!
//! A [`Snapshot`] is small and names its [`Piece`]s, which hold the document.

use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::bounded;
use crate::identity::{MemberKeys, verify};
use crate::key::EpochKey;
use crate::padding::padded_length;
use crate::part;
use crate::roster::MAX_HEADS;
use crate::segment::{Log, MAX_INDEX};
use crate::{
    ClassroomId, DocumentId, EntryHash, Error, LaneId, MemberId, PieceHash, SegmentHash, Signature,
    SnapshotHash, SpaceId,
};

const VERSION: u8 = 1;

/// The most bytes of an encoded snapshot, without its pieces.
pub const MAX_SNAPSHOT: usize = 512 * 1024;

/// The most members that a snapshot states.
pub const MAX_MEMBERS: usize = 4096;

/// The most lanes of one member that a snapshot states.
pub const MAX_LANES: usize = 16 * 1024;

/// The most pieces of a snapshot.
pub const MAX_PIECES: usize = 1024;

/// The most bytes of a document in one piece; each piece but the last has as many.
pub const PIECE_BODY: usize = part::BODY;

const NONCE: usize = 24;

/// The most bytes of an encoded piece.
pub const MAX_PIECE: usize = part::MAX;

/// The most bytes of a saved document; with its length in front and padded it still fits into all pieces.
pub const MAX_SAVED: usize = MAX_PIECES * PIECE_BODY - LENGTH;

/// The length of the saved document stands before it.
const LENGTH: usize = 4;

/// What a snapshot says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub document: DocumentId,
    /// Who made it.
    pub member: MemberId,
    pub space: SpaceId,
    pub epoch: u32,
    /// The roster heads that its author knew; at least one.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_HEADS>")]
    pub roster: Vec<EntryHash>,
    /// The logs whose changes are in it, by member, in rising order.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_MEMBERS>")]
    pub covers: Vec<CoveredMember>,
}

/// How much of one member's logs a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoveredMember {
    pub member: MemberId,
    /// In rising order; at least one.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_LANES>")]
    pub lanes: Vec<CoveredLane>,
}

/// How much of one log a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoveredLane {
    pub lane: LaneId,
    /// The index behind the last segment whose changes are in it; at least one, at most one more than [`MAX_INDEX`].
    pub next: u64,
    /// The chain hash of that last segment.
    pub hash: SegmentHash,
}

/// A signed snapshot. The document is in its pieces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub header: Header,
    /// Binds the pieces to this snapshot.
    nonce: [u8; NONCE],
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_PIECES>")]
    pieces: Vec<PieceHash>,
    signature: Signature,
}

/// A sealed part of a snapshot's document.
#[derive(Clone, PartialEq, Eq)]
pub struct Piece(Vec<u8>);

/// Puts what is known of logs of one document into the order of [`Header::covers`]; logs of other documents and empty
/// ones are left out.
pub fn coverage(
    document: &DocumentId,
    logs: impl IntoIterator<Item = (Log, u64, SegmentHash)>,
) -> Vec<CoveredMember> {
    let mut logs: Vec<_> = logs
        .into_iter()
        .filter(|(log, next, _)| log.document == *document && *next > 0)
        .collect();
    logs.sort_unstable_by_key(|(log, next, _)| (*log, std::cmp::Reverse(*next)));
    logs.dedup_by_key(|(log, ..)| *log);
    let mut covers: Vec<CoveredMember> = Vec::new();
    for (log, next, hash) in logs {
        let lane = CoveredLane {
            lane: log.lane,
            next,
            hash,
        };
        match covers.last_mut() {
            Some(covered) if covered.member == log.member => covered.lanes.push(lane),
            _ => covers.push(CoveredMember {
                member: log.member,
                lanes: vec![lane],
            }),
        }
    }
    covers
}

impl Header {
    /// How far the snapshot covers a log; `None` if nothing of it.
    pub fn covered(&self, log: &Log) -> Option<&CoveredLane> {
        if log.document != self.document {
            return None;
        }
        let member = self
            .covers
            .binary_search_by_key(&log.member, |covered| covered.member)
            .ok()?;
        let lanes = &self.covers[member].lanes;
        let lane = lanes
            .binary_search_by_key(&log.lane, |covered| covered.lane)
            .ok()?;
        Some(&lanes[lane])
    }

    /// All logs that it covers something of.
    pub fn logs(&self) -> impl Iterator<Item = (Log, &CoveredLane)> {
        self.covers.iter().flat_map(move |covered| {
            covered.lanes.iter().map(move |lane| {
                let log = Log {
                    document: self.document,
                    member: covered.member,
                    lane: lane.lane,
                };
                (log, lane)
            })
        })
    }

    fn is_well_formed(&self) -> bool {
        let lane_counts = |lane: &CoveredLane| {
            lane.next > 0 && lane.next <= MAX_INDEX + 1 && lane.hash != SegmentHash::NONE
        };
        let member_counts = |covered: &CoveredMember| {
            !covered.lanes.is_empty()
                && covered.lanes.is_sorted_by(|one, two| one.lane < two.lane)
                && covered.lanes.iter().all(lane_counts)
        };
        !self.roster.is_empty()
            && self.covers.is_sorted_by(|one, two| one.member < two.member)
            && self.covers.iter().all(member_counts)
    }
}

impl Snapshot {
    /// Seals the saved document into pieces and signs what names them.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the document is longer than [`MAX_SAVED`], or the header than a snapshot may be.
    /// [`Error::Malformed`] if the header is out of order, see [`coverage`].
    pub fn seal(
        keys: &MemberKeys,
        classroom: &ClassroomId,
        header: Header,
        epoch_key: &EpochKey,
        saved: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Vec<Piece>), Error> {
        let body = body(saved)?;
        let mut snapshot = Self {
            header,
            nonce: [0; NONCE],
            pieces: Vec::new(),
            signature: Signature::from_bytes([0; 64]),
        };
        rng.fill_bytes(&mut snapshot.nonce);
        let cipher = cipher(epoch_key, classroom, &snapshot.header.document);
        let count = body.len().div_ceil(PIECE_BODY);
        let mut pieces = Vec::new();
        for (index, part) in body.chunks(PIECE_BODY).enumerate() {
            let data = snapshot.associated_data(classroom, epoch_key, index, count);
            let piece = Piece(part::seal(&cipher, &data, part, rng)?);
            snapshot.pieces.push(piece.hash());
            pieces.push(piece);
        }
        snapshot.signature = keys.sign(&snapshot.transcript(classroom)?);
        // A reader must take what was sealed.
        Self::decode(&snapshot.encode()?)?;
        Ok((snapshot, pieces))
    }

    /// Checks the author's signature and answers with the snapshot's hash.
    pub fn verify(&self, classroom: &ClassroomId) -> Result<SnapshotHash, Error> {
        let transcript = self.transcript(classroom)?;
        verify("snapshot", &self.header.member.0, &transcript, &self.signature)?;
        Ok(hash(&transcript))
    }

    pub fn hash(&self, classroom: &ClassroomId) -> Result<SnapshotHash, Error> {
        Ok(hash(&self.transcript(classroom)?))
    }

    /// The names of the pieces, in their order.
    pub fn pieces(&self) -> &[PieceHash] {
        &self.pieces
    }

    /// Opens the saved document from all pieces, in their order.
    ///
    /// # Errors
    /// [`Error::MissingPiece`] if a piece is missing or not the one that is named. [`Error::CannotOpen`] if the key is
    /// not the right one, or the author sealed something else.
    pub fn open(
        &self,
        classroom: &ClassroomId,
        epoch_key: &EpochKey,
        pieces: &[Piece],
    ) -> Result<Vec<u8>, Error> {
        let cipher = cipher(epoch_key, classroom, &self.header.document);
        let mut body = Vec::new();
        for (index, name) in self.pieces.iter().enumerate() {
            let piece = pieces
                .get(index)
                .filter(|piece| piece.hash() == *name)
                .ok_or(Error::MissingPiece(*name))?;
            let data = self.associated_data(classroom, epoch_key, index, self.pieces.len());
            body.extend_from_slice(&part::open(&cipher, &data, &piece.0, "snapshot")?);
        }
        saved(body)
    }

    /// A version byte, then the header, the nonce, the names of the pieces and the signature.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        bounded::encode_versioned("snapshot", VERSION, self)
    }

    /// Reads a snapshot. Says nothing yet about its signature: see [`Snapshot::verify`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let snapshot: Self = bounded::decode_versioned("snapshot", VERSION, MAX_SNAPSHOT, bytes)?;
        if snapshot.header.is_well_formed() && !snapshot.pieces.is_empty() {
            Ok(snapshot)
        } else {
            Err(Error::Malformed("snapshot"))
        }
    }

    /// What is signed: domain, classroom, header, nonce and the names of the pieces.
    fn transcript(&self, classroom: &ClassroomId) -> Result<Vec<u8>, Error> {
        Ok([
            b"meridian v1 snapshot\0".as_slice(),
            &[VERSION],
            &classroom.0,
            &bounded::encode("snapshot", &self.header)?,
            &self.nonce,
            &bounded::encode("snapshot", &self.pieces)?,
        ]
        .concat())
    }

    fn associated_data(
        &self,
        classroom: &ClassroomId,
        epoch_key: &EpochKey,
        index: usize,
        count: usize,
    ) -> Vec<u8> {
        [
            b"meridian v1 snapshot piece\0".as_slice(),
            &classroom.0,
            &self.header.document.0,
            &epoch_key.id(),
            &self.nonce,
            &(index as u32).to_be_bytes(),
            &(count as u32).to_be_bytes(),
        ]
        .concat()
    }
}

impl Piece {
    /// What a snapshot names it by.
    pub fn hash(&self) -> PieceHash {
        PieceHash(*blake3::hash(&self.0).as_bytes())
    }

    /// The encoded piece: a version byte, the nonce and the sealed part.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Reads a piece. Whether it is the one that a snapshot means is for its [hash](Self::hash) to say.
    pub fn decode(bytes: Vec<u8>) -> Result<Self, Error> {
        part::check(&bytes, "snapshot piece")?;
        Ok(Self(bytes))
    }
}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, {} bytes", self.hash(), self.0.len())
    }
}

fn hash(transcript: &[u8]) -> SnapshotHash {
    SnapshotHash(blake3::derive_key(
        "meridian 2026-11 v1 snapshot hash",
        transcript,
    ))
}

fn cipher(epoch_key: &EpochKey, classroom: &ClassroomId, document: &DocumentId) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&epoch_key.document_key(classroom, document).into())
}

fn too_large() -> Error {
    Error::TooLarge {
        what: "saved document",
        max: MAX_SAVED,
    }
}

/// The length, the saved document, then zeros up to the padded length.
fn body(saved: &[u8]) -> Result<Vec<u8>, Error> {
    if saved.len() > MAX_SAVED {
        return Err(too_large());
    }
    let mut body = (saved.len() as u32).to_be_bytes().to_vec();
    body.extend_from_slice(saved);
    body.resize(padded_length(body.len()), 0);
    Ok(body)
}

/// What [`body`] was made of.
fn saved(mut body: Vec<u8>) -> Result<Vec<u8>, Error> {
    let malformed = Error::Malformed("snapshot");
    let Some((length, rest)) = body.split_first_chunk::<LENGTH>() else {
        return Err(malformed);
    };
    let length = u32::from_be_bytes(*length) as usize;
    let is_padded = rest
        .get(length..)
        .is_some_and(|padding| padding.iter().all(|&byte| byte == 0));
    if !is_padded {
        return Err(malformed);
    }
    body.truncate(LENGTH + length);
    body.drain(..LENGTH);
    Ok(body)
}
