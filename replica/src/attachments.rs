//! Attachments: files that documents refer to, sealed into chunks. Whoever adds one has its chunks on this device first, where
//! they are read again by whoever looks at it.

use protocol::attachment::{Chunk, Reference};
use protocol::rand_core::CryptoRng;
use protocol::{ChunkHash, ClassroomId, DocumentId, LaneId};

use crate::Replica;
use crate::command::{Answer, Problem};
use crate::loading::What;
use crate::store::{self, Changes, Ranges, Table, UploadRecord};
use crate::writes::After;

/// A chunk that is to be brought to the relay.
pub(crate) struct Upload {
    pub(crate) durable: bool,
    /// What the tab writes on that brings it.
    pub(crate) lane: LaneId,
}

/// An attachment that somebody waits to look at.
pub(crate) struct Looking {
    request: u32,
    classroom: ClassroomId,
    document: DocumentId,
    reference: Reference,
    step: Step,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Its chunks are to be read from the store, one attachment after the other, so that no more are in memory at once.
    Waiting,
    Reading,
}

impl<R: CryptoRng> Replica<R> {
    /// Keeps a file for a document to refer to.
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
        let classroom = self.classrooms.get_mut(id).ok_or(Problem::UnknownClassroom)?;
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
        let lane = self.lane;
        let batch = self.writes.next();
        for chunk in chunks {
            let (name, key) = (chunk.hash(), store::chunk_key(id, &document, &chunk.hash()));
            batch
                .put(Table::Uploads, key.clone(), &UploadRecord { lane })
                .map_err(|_| Problem::Internal)?;
            batch.put_bytes(Table::Chunks, key, chunk.into_bytes());
            let upload = Upload { durable: false, lane };
            classroom.uploads.insert((document, name), upload);
        }
        batch.strict = true;
        let names = reference.chunks().to_vec();
        self.writes.then(After::Chunks(*id, document, names));
        self.writes
            .then(After::Answer(request, Answer::Attached(address)));
        Ok(())
    }

    pub(crate) fn chunks_written(&mut self, id: ClassroomId, document: DocumentId, chunks: &[ChunkHash]) {
        let Some(classroom) = self.classrooms.get_mut(&id) else {
            return;
        };
        for chunk in chunks {
            if let Some(upload) = classroom.uploads.get_mut(&(document, *chunk)) {
                upload.durable = true;
            }
        }
    }

    /// Has an attachment read.
    pub(crate) fn look_at_attachment(
        &mut self,
        request: u32,
        classroom: ClassroomId,
        document: DocumentId,
        address: &str,
    ) -> Result<(), Problem> {
        let known = self.classrooms.get(&classroom).ok_or(Problem::UnknownClassroom)?;
        if known.is_gone(&document) {
            return Err(Problem::UnknownDocument);
        }
        let reference = Reference::parse(address).map_err(|_| Problem::BadAttachment)?;
        self.looking.push(Looking {
            request,
            classroom,
            document,
            reference,
            step: Step::Waiting,
        });
        self.read_next_attachment();
        Ok(())
    }

    fn read_next_attachment(&mut self) {
        if self.looking.iter().any(|looking| looking.step == Step::Reading) {
            return;
        }
        let Some(looking) = self
            .looking
            .iter_mut()
            .find(|looking| looking.step == Step::Waiting)
        else {
            return;
        };
        looking.step = Step::Reading;
        let (request, id) = (looking.request, looking.classroom);
        let names = looking.reference.chunks().iter();
        let rows = names.map(|name| {
            let key = store::chunk_key(&id, &looking.document, name);
            store::row(Table::Chunks, &key)
        });
        let ranges: Ranges = rows.collect();
        self.read(id, What::Attachment(request), ranges);
    }

    /// The chunks of an attachment were read, as far as they are here.
    pub(crate) fn attachment_read(&mut self, request: u32, found: Changes) {
        let Some(looking) = self.looking.iter().find(|looking| looking.request == request) else {
            return;
        };
        let mut found = found;
        let mut chunks = Vec::new();
        for name in looking.reference.chunks() {
            let key = store::chunk_key(&looking.classroom, &looking.document, name);
            let row = found.remove(&(Table::Chunks, key)).flatten();
            chunks.extend(row.and_then(|row| Chunk::decode(row).ok()));
        }
        let result = match looking.reference.open(&looking.classroom, &chunks) {
            Ok(content) => Ok(Answer::Attachment(content)),
            Err(protocol::Error::MissingChunk(_)) => Err(Problem::NotHere),
            Err(_) => Err(Problem::BadAttachment),
        };
        self.looked_at(request, result);
    }

    pub(crate) fn attachment_not_read(&mut self, request: u32) {
        self.looked_at(request, Err(Problem::NotHere));
    }

    fn looked_at(&mut self, request: u32, result: Result<Answer, Problem>) {
        self.looking.retain(|looking| looking.request != request);
        self.answer(request, result);
        self.read_next_attachment();
    }
}
