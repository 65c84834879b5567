//! Looking at attachments: their chunks are read from the store, and those that are not there are taken from another document
//! that has them, or had from the relay, few at a time, in the order in which they were asked for, so that few attachments are in
//! memory at once.

use std::collections::BTreeSet;

use protocol::attachment::{Chunk, Reference};
use protocol::rand_core::CryptoRng;
use protocol::{ChunkHash, ClassroomId, DocumentId};

use super::{chunks_in, rows_of};
use crate::Replica;
use crate::command::{Answer, Problem};
use crate::event::Effect;
use crate::loading::What;
use crate::store::{self, Changes, Ranges};

/// How many chunks are on their way from the relay at once.
const AT_ONCE: usize = 2;

/// An attachment that somebody waits to look at.
pub(crate) struct Looking {
    request: u32,
    classroom: ClassroomId,
    document: DocumentId,
    reference: Reference,
    step: Step,
    /// Whether the other documents of the classroom were looked through.
    is_sought: bool,
    /// All that was missing has come.
    is_fetched: bool,
    /// What was missing and came: there may be no room to store it.
    came: Vec<Chunk>,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Its chunks are to be read.
    ToRead,
    Reading,
    /// These are not here: another document may have them.
    Seeking(BTreeSet<ChunkHash>),
    /// Another document has them.
    Copying,
    /// These are nowhere here.
    Fetching(BTreeSet<ChunkHash>),
}

impl Step {
    fn is_reading(&self) -> bool {
        matches!(self, Self::Reading | Self::Seeking(_) | Self::Copying)
    }
}

impl<R: CryptoRng> Replica<R> {
    /// Looks at an attachment of a document.
    #[inline(never)]
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
            step: Step::ToRead,
            is_sought: false,
            is_fetched: false,
            came: Vec::new(),
        });
        self.read_next_attachment();
        Ok(())
    }

    #[inline(never)]
    fn read_next_attachment(&mut self) {
        if self.looking.iter().any(|looking| looking.step.is_reading()) {
            return;
        }
        let next = self
            .looking
            .iter_mut()
            .find(|looking| looking.step == Step::ToRead);
        let Some(looking) = next else { return };
        looking.step = Step::Reading;
        let ranges = rows_of(&looking.classroom, &looking.document, looking.reference.chunks());
        let (id, request) = (looking.classroom, looking.request);
        self.read(id, What::Attachment(request), ranges);
    }

    /// The chunks of an attachment were read, as far as they are here.
    #[inline(never)]
    pub(crate) fn attachment_read(&mut self, request: u32, found: Changes) {
        let Some(looking) = self.looking.iter_mut().find(|looking| looking.request == request) else {
            return;
        };
        match std::mem::replace(&mut looking.step, Step::ToRead) {
            Step::Seeking(missing) => match chunks_in(found).next() {
                Some((document, _)) => {
                    looking.step = Step::Copying;
                    let id = looking.classroom;
                    let ranges = rows_of(&id, &document, &missing);
                    self.read(id, What::Attachment(request), ranges);
                }
                None => self.fetch_chunks(request, missing),
            },
            Step::Copying => {
                let chunks: Vec<Chunk> = chunks_in(found).map(|(_, chunk)| chunk).collect();
                looking.came.clone_from(&chunks);
                let (id, document) = (looking.classroom, looking.document);
                for chunk in chunks {
                    self.keep_looked_at(&id, document, chunk);
                }
            }
            _ => {
                let mut chunks: Vec<Chunk> = chunks_in(found).map(|(_, chunk)| chunk).collect();
                for chunk in std::mem::take(&mut looking.came) {
                    if !chunks.contains(&chunk) {
                        chunks.push(chunk);
                    }
                }
                let names = looking.reference.chunks();
                let here: BTreeSet<ChunkHash> = chunks.iter().map(Chunk::hash).collect();
                let is_missing = |name: &&ChunkHash| !here.contains(name);
                let missing: BTreeSet<ChunkHash> = names.iter().filter(is_missing).copied().collect();
                if missing.is_empty() {
                    chunks.sort_by_cached_key(|chunk| names.iter().position(|name| *name == chunk.hash()));
                    let opened = looking.reference.open(&looking.classroom, &chunks);
                    let result = opened.map(Answer::Attachment).map_err(|_| Problem::BadAttachment);
                    self.looked_at(request, result);
                } else {
                    self.seek(request, missing);
                }
            }
        }
        self.read_next_attachment();
    }

    /// Looks for chunks with the other documents of a classroom: what was copied from page to page is on both. Whichever has one of
    /// an attachment has all.
    fn seek(&mut self, request: u32, missing: BTreeSet<ChunkHash>) {
        let Some(looking) = self.looking.iter_mut().find(|looking| looking.request == request) else {
            return;
        };
        let id = looking.classroom;
        let mut ranges = Ranges::new();
        if let (Some(known), Some(first)) = (self.classrooms.get(&id), missing.first())
            && !std::mem::replace(&mut looking.is_sought, true)
        {
            for document in known.documents.keys().filter(|other| **other != looking.document) {
                ranges.extend(rows_of(&id, document, [first]));
            }
        }
        if ranges.is_empty() {
            self.fetch_chunks(request, missing);
            return;
        }
        looking.step = Step::Seeking(missing);
        self.read(id, What::Attachment(request), ranges);
    }

    /// Has what is nowhere here from the relay.
    fn fetch_chunks(&mut self, request: u32, missing: BTreeSet<ChunkHash>) {
        let can_fetch = self.connection.is_up();
        match self.looking.iter_mut().find(|looking| looking.request == request) {
            Some(looking) if can_fetch && !looking.is_fetched => {
                looking.step = Step::Fetching(missing);
                self.download_next();
            }
            _ => self.looked_at(request, Err(Problem::NotHere)),
        }
    }

    /// Keeps a chunk of what somebody looks at. Who may write there may have put it there, from another page: it is to stay as
    /// long as this one does.
    fn keep_looked_at(&mut self, id: &ClassroomId, document: DocumentId, chunk: Chunk) {
        let (Some(me), Some(known)) = (&self.me, self.classrooms.get(id)) else {
            return;
        };
        if known.is_gone(&document) || known.joining.is_some() || self.writes.is_failing() {
            return;
        }
        let may_write = known.check_writer(&me.keys.id(), &document).is_ok();
        let name = chunk.hash();
        let key = store::chunk_key(id, &document, &name);
        self.writes.put_spare(key, chunk.into_bytes());
        if may_write {
            // It is shown all the same if that cannot be noted.
            self.note_uploads(id, document, &[name], false)
                .unwrap_or_default();
        }
    }

    #[inline(never)]
    pub(crate) fn attachment_not_read(&mut self, request: u32) {
        self.looked_at(request, Err(Problem::NotHere));
        self.read_next_attachment();
    }

    #[inline(never)]
    fn looked_at(&mut self, request: u32, result: Result<Answer, Problem>) {
        self.looking.retain(|looking| looking.request != request);
        self.answer(request, result);
    }

    #[inline(never)]
    fn download_next(&mut self) {
        while self.downloading.len() < AT_ONCE {
            let next = self.looking.iter().find_map(|looking| {
                let Step::Fetching(missing) = &looking.step else {
                    return None;
                };
                let mut names = looking.reference.chunks().iter();
                let name = names.find(|name| {
                    missing.contains(name) && !self.downloading.contains(&(looking.classroom, **name))
                })?;
                Some((looking.classroom, *name))
            });
            let Some((classroom, chunk)) = next else { return };
            self.downloading.push((classroom, chunk));
            self.effects.push(Effect::Download { classroom, chunk });
        }
    }

    /// A chunk came from the relay, or did not. One that is not the one that was asked for has not come.
    #[inline(never)]
    pub(crate) fn downloaded(&mut self, id: ClassroomId, name: ChunkHash, bytes: Option<Vec<u8>>) {
        // Else it is of a connection that was given up.
        let Some(place) = self.downloading.iter().position(|asked| *asked == (id, name)) else {
            return;
        };
        self.downloading.remove(place);
        let chunk = bytes.and_then(|bytes| Chunk::decode(bytes).ok());
        let chunk = chunk.filter(|chunk| chunk.hash() == name);
        let mut documents = BTreeSet::new();
        let mut failed = Vec::new();
        for looking in &mut self.looking {
            let Step::Fetching(missing) = &mut looking.step else {
                continue;
            };
            if looking.classroom != id || !missing.remove(&name) {
                continue;
            }
            if chunk.is_none() {
                failed.push(looking.request);
                continue;
            }
            looking.came.extend(chunk.clone());
            documents.insert(looking.document);
            if missing.is_empty() {
                looking.step = Step::ToRead;
                looking.is_fetched = true;
            }
        }
        for request in failed {
            self.looked_at(request, Err(Problem::NotHere));
        }
        if let Some(chunk) = chunk {
            for document in documents {
                self.keep_looked_at(&id, document, chunk.clone());
            }
        }
        self.read_next_attachment();
        self.download_next();
    }

    /// Nothing more comes of what was asked for.
    #[inline(never)]
    pub(crate) fn downloads_lost(&mut self) {
        self.downloading.clear();
        let mut waiting = Vec::new();
        for looking in &self.looking {
            if matches!(looking.step, Step::Fetching(_)) {
                waiting.push(looking.request);
            }
        }
        for request in waiting {
            self.looked_at(request, Err(Problem::NotHere));
        }
    }
}
