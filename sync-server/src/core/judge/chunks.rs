//! Chunks of attachments. Nobody says who made one: what counts is who brings it.

use protocol::roster::{Role, Roster};
use protocol::{ChunkHash, ClassroomId, DocumentId, Refusal};

use super::{Decision, Terms, storage};
use crate::Error;
use crate::core::access::Bringer;
use crate::core::batch::Pending;
use crate::store::{CLAIM_BYTES, Change, Store};

/// How many documents may have chunks and nothing else. Their segments mostly come a moment later; nobody signed that
/// there are such documents.
const ONLY_ATTACHED: usize = 1000;

impl Pending {
    pub(in crate::core) fn judge_chunk(
        &mut self,
        document: DocumentId,
        hash: ChunkHash,
        bytes: Option<&[u8]>,
        bringer: Bringer,
        terms: Terms<'_>,
    ) -> Result<Decision, Refusal> {
        self.check_bringer(bringer)?;
        check_chunk(self.roster(), bringer, &document)?;
        if self.chunks.contains(&(hash, document)) {
            return Ok(Decision::Held);
        }
        if self.erases {
            // Whether it is still here shows with the next batch.
            return Ok(Decision::Wait);
        }
        let id = *self.classroom.id();
        let came = self.chunks.range((hash, DocumentId([0; 16]))..).next();
        let is_here = came.is_some_and(|(came, _)| *came == hash)
            || whole_chunk(terms.store, &id, &hash)
                .map_err(|error| storage(&error))?
                .is_some();
        let is_claimed = terms.store.is_claimed(&id, &document, &hash);
        if is_here && is_claimed.map_err(|error| storage(&error))? {
            return Ok(Decision::Held);
        }
        if !self.catalog.knows(&document) {
            self.check_only_attached()?;
        }
        let change = match bytes {
            _ if is_here => Change::Claim { document, hash },
            Some(bytes) => Change::Chunk {
                document,
                hash,
                bytes: bytes.into(),
            },
            None => return Err(Refusal::MissingPiece),
        };
        let more = match &change {
            Change::Chunk { bytes, .. } => bytes.len() as u64 + CLAIM_BYTES,
            _ => CLAIM_BYTES,
        };
        self.check_room(more as usize, terms.limits)?;
        self.chunks.insert((hash, document));
        self.catalog.attach(&document);
        Ok(Decision::Keep(vec![change]))
    }

    /// Whether there is room for one more document with nothing but chunks. Those do not count among the documents: else
    /// whoever makes some up keeps out what is written.
    fn check_only_attached(&self) -> Result<(), Refusal> {
        if self.catalog.only_attached().len() >= ONLY_ATTACHED {
            return Err(Refusal::TooManyDocuments);
        }
        Ok(())
    }
}

/// Whether somebody may bring chunks of a document: who writes there, or carries what others write. In a document that is
/// locked, and in a classroom that is closed, those who lead or teach may still bring what was there before.
pub(in crate::core) fn check_chunk(
    roster: &Roster,
    bringer: Bringer,
    document: &DocumentId,
) -> Result<(), Refusal> {
    if let Bringer::Member(member) = bringer {
        let role = roster.member(&member).ok_or(Refusal::NotAMember)?.role;
        if !role.may_write() && role != Role::Carrier {
            return Err(Refusal::NotAllowed);
        }
    }
    if roster.erased(document).is_some() {
        return Err(Refusal::Erased);
    }
    if bringer.is_staff(roster) {
        return Ok(());
    }
    if roster.closed() {
        return Err(Refusal::ClassroomClosed);
    }
    if roster.locked(document) {
        return Err(Refusal::Locked);
    }
    Ok(())
}

/// A chunk, unless what is kept under its name is something else: then it is as good as not here, and may be brought again.
pub(in crate::core) fn whole_chunk(
    store: &dyn Store,
    classroom: &ClassroomId,
    hash: &ChunkHash,
) -> Result<Option<Vec<u8>>, Error> {
    let kept = store.chunk(classroom, hash)?;
    let whole = kept.filter(|bytes| *blake3::hash(bytes).as_bytes() == hash.0);
    Ok(whole)
}
