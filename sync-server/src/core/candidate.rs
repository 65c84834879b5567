//! Items from their bytes, checked as far as they can be by themselves.

use protocol::attachment::DocumentChunk;
use protocol::bundle::Kind;
use protocol::receipt::Receipt;
use protocol::roster::Entry;
use protocol::segment::Segment;
use protocol::snapshot::{Piece, Snapshot};
use protocol::verdict::Verdict;
use protocol::{ClassroomId, Refusal};

use super::batch::Candidate;
use super::judge::{check_kind, refusal_of};

/// What a record of a file holds.
pub(crate) fn of_record(kind: Kind, item: Vec<u8>, classroom: &ClassroomId) -> Result<Candidate, Refusal> {
    let read = match kind {
        Kind::Entry => entry_of(item),
        Kind::Segment => return segment_of(&item, classroom),
        Kind::Snapshot => snapshot_of(item, classroom),
        Kind::Piece => piece_of(item),
        Kind::Verdict => verdict_of(item, classroom),
        Kind::Receipt => receipt_of(item, classroom),
        Kind::Chunk => chunk_of(item),
        Kind::Other(_) => return Err(Refusal::UnsupportedVersion),
    };
    read.map_err(|error| refusal_of(&error))
}

fn entry_of(bytes: Vec<u8>) -> Result<Candidate, protocol::Error> {
    let entry = Box::new(Entry::decode(&bytes)?);
    Ok(Candidate::Entry {
        entry,
        bytes,
        upto: None,
    })
}

fn segment_of(bytes: &[u8], classroom: &ClassroomId) -> Result<Candidate, Refusal> {
    let segment = Box::new(Segment::decode(bytes).map_err(|error| refusal_of(&error))?);
    check_kind(segment.header.kind)?;
    let hash = segment.verify(classroom).map_err(|error| refusal_of(&error))?;
    Ok(Candidate::Segment { segment, hash })
}

pub(crate) fn snapshot_of(bytes: Vec<u8>, classroom: &ClassroomId) -> Result<Candidate, protocol::Error> {
    let snapshot = Box::new(Snapshot::decode(&bytes)?);
    let hash = snapshot.verify(classroom)?;
    Ok(Candidate::Snapshot {
        snapshot,
        hash,
        bytes,
    })
}

pub(crate) fn piece_of(bytes: Vec<u8>) -> Result<Candidate, protocol::Error> {
    let piece = Piece::decode(bytes)?;
    Ok(Candidate::Piece {
        hash: piece.hash(),
        bytes: piece.into_bytes(),
    })
}

fn chunk_of(bytes: Vec<u8>) -> Result<Candidate, protocol::Error> {
    let DocumentChunk { document, chunk } = DocumentChunk::decode(bytes)?;
    Ok(Candidate::Chunk {
        document,
        hash: chunk.hash(),
        bytes: Some(chunk.into_bytes()),
    })
}

pub(crate) fn verdict_of(bytes: Vec<u8>, classroom: &ClassroomId) -> Result<Candidate, protocol::Error> {
    let verdict = Box::new(Verdict::decode(&bytes)?);
    verdict.verify(classroom)?;
    Ok(Candidate::Verdict { verdict, bytes })
}

pub(crate) fn receipt_of(bytes: Vec<u8>, classroom: &ClassroomId) -> Result<Candidate, protocol::Error> {
    let receipt = Box::new(Receipt::decode(&bytes)?);
    let hash = receipt.verify(classroom)?;
    Ok(Candidate::Receipt { receipt, hash, bytes })
}
