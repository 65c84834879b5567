//! Attachments: files that documents refer to, sealed into chunks. Whoever adds one has its chunks on this device first; from
//! there they are brought to the relay, apart from all else and one at a time. What is not here is had from there when somebody
//! looks at it.
//!
//! Its functions are kept out of those that call them: whoever edits a page without pictures need not wait for them.

mod brought;
mod downloading;
mod moving;
mod uploading;

use protocol::attachment::{Chunk, Reference};
use protocol::rand_core::CryptoRng;
use protocol::{ChunkHash, ClassroomId, DocumentId};

use crate::command::{Answer, Problem};
use crate::store::{self, Changes, Ranges, Table};
use crate::writes::After;
use crate::{Error, Replica};

pub(crate) use brought::Brought;
pub(crate) use downloading::Looking;
pub(crate) use moving::{ChunksLeft, Moved};
pub(crate) use uploading::{Upload, Uploading};

impl<R: CryptoRng> Replica<R> {
    /// Keeps a file for a document to refer to.
    #[inline(never)]
    pub(crate) fn attach(
        &mut self,
        request: u32,
        id: &ClassroomId,
        document: DocumentId,
        content: &[u8],
    ) -> Result<(), Problem> {
        if !self.knows_page(id, &document) {
            return Err(Problem::UnknownDocument);
        }
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?;
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        if classroom.roster.document() == document || classroom.is_gone(&document) {
            return Err(Problem::UnknownDocument);
        }
        classroom.check_writer(&me.keys.id(), &document)?;
        let (reference, chunks) =
            Reference::seal(id, content, &mut self.rng).map_err(|error| match error {
                protocol::Error::TooLarge { .. } => Problem::TooLarge,
                _ => Problem::BadAttachment,
            })?;
        let address = reference.address().map_err(|_| Problem::Internal)?;
        for chunk in chunks {
            self.keep_chunk(id, &document, chunk);
        }
        self.note_uploads(id, document, reference.chunks(), true)
            .map_err(|_| Problem::Internal)?;
        self.writes.next().strict = true;
        self.writes
            .then(After::Answer(request, Answer::Attached(address)));
        Ok(())
    }

    /// Stores a chunk of a document.
    #[inline(never)]
    fn keep_chunk(&mut self, id: &ClassroomId, document: &DocumentId, chunk: Chunk) {
        let key = store::chunk_key(id, document, &chunk.hash());
        self.writes.keep(&key);
        self.batch(id).put_bytes(Table::Chunks, key, chunk.into_bytes());
    }

    /// Takes a chunk that a file brought. The relay may lack it.
    #[inline(never)]
    pub(crate) fn import_chunk(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        chunk: Chunk,
    ) -> Result<(), Error> {
        let name = chunk.hash();
        self.keep_chunk(id, &document, chunk);
        self.note_uploads(id, document, &[name], false)
    }
}

/// The rows of these chunks of a document.
fn rows_of<'a>(
    id: &ClassroomId,
    document: &DocumentId,
    chunks: impl IntoIterator<Item = &'a ChunkHash>,
) -> Ranges {
    let row = |chunk| store::row(Table::Chunks, &store::chunk_key(id, document, chunk));
    chunks.into_iter().map(row).collect()
}

/// The chunks that were found, each with its name. What is damaged is as good as gone.
fn chunks_in(found: Changes) -> impl Iterator<Item = (DocumentId, Chunk)> {
    found.into_iter().filter_map(|((_, key), row)| {
        let (_, document, name) = store::parse_chunk_key(&key)?;
        let chunk = Chunk::decode(row?).ok()?;
        (chunk.hash() == name).then_some((document, chunk))
    })
}
