//! Chunks of attachments come and go by requests of their own. Who brings one signs which document it belongs to; who knows
//! the name of one may have it.

use std::sync::Arc;

use protocol::attachment::{Chunk, verify_claim};
use protocol::{ChunkHash, ClassroomId, DocumentId, MemberId, Refusal, Signature};

use super::access::Bringer;
use super::batch::{Candidate, Job, Submitter};
use super::classroom::Classroom;
use super::inbox::{Answer, Inbox, Note};
use super::judge::{check_chunk, refusal_of, storage, whole_chunk};
use super::members::Presence;
use super::{Moment, Shared};

/// What a member says of a chunk that they bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub classroom: ClassroomId,
    /// Which it belongs to.
    pub document: DocumentId,
    pub chunk: ChunkHash,
    pub member: MemberId,
    pub signature: Signature,
}

/// What became of a chunk that somebody brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brought {
    Stored,
    /// It was here.
    Held,
}

/// A chunk that waits to be decided on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bringing(Arc<Inbox>);

impl Claim {
    /// Whether its member said it to a relay at one of these origins.
    pub(crate) fn verify(&self, origins: &[String]) -> Result<(), Refusal> {
        let is_right = |origin: &String| {
            let Self {
                classroom,
                document,
                chunk,
                member,
                signature,
            } = self;
            verify_claim(member, signature, origin, classroom, document, chunk).is_ok()
        };
        if origins.iter().any(is_right) {
            Ok(())
        } else {
            Err(Refusal::BadSignature)
        }
    }

    /// The classroom, from memory or the store. Blocks.
    pub(crate) fn load(&self, shared: &Shared) -> Result<Arc<Classroom>, Refusal> {
        let loaded = shared.classrooms.load(&self.classroom);
        let classroom = loaded.map_err(|error| storage(&error))?;
        let classroom = classroom.ok_or(Refusal::UnknownClassroom)?;
        // The next chunk will want it, and may be the only thing that does.
        shared.classrooms.keep(&classroom);
        Ok(classroom)
    }

    /// Whether the content is to be looked at: as far as that can be told before it is decided on. The presence is to be
    /// kept until then.
    pub(crate) fn admit(
        &self,
        classroom: &Classroom,
        shared: &Shared,
        now: Moment,
    ) -> Result<Presence, Refusal> {
        if classroom.last() == 0 {
            return Err(Refusal::UnknownClassroom);
        }
        check_chunk(&classroom.roster(), Bringer::Member(self.member), &self.document)?;
        let presence = shared.members.enter(self.member, &shared.limits, now)?;
        if presence.may_submit(now) {
            Ok(presence)
        } else {
            Err(Refusal::TooFast)
        }
    }

    /// What is to be decided on. No content says that the chunk is here.
    pub(crate) fn job(
        &self,
        classroom: Arc<Classroom>,
        content: Vec<u8>,
        bringing: &Bringing,
    ) -> Result<Job, Refusal> {
        let bytes = if content.is_empty() {
            None
        } else {
            let chunk = Chunk::decode(content).map_err(|error| refusal_of(&error))?;
            if chunk.hash() != self.chunk {
                return Err(Refusal::Malformed);
            }
            Some(chunk.into_bytes())
        };
        Ok(Job::Submit {
            classroom,
            candidate: Candidate::Chunk {
                document: self.document,
                hash: self.chunk,
                bytes,
            },
            from: Submitter {
                inbox: Arc::clone(&bringing.0),
                bringer: Bringer::Member(self.member),
                key: 0,
                channel: 0,
                submission: 0,
                has_founding: false,
                compares: false,
            },
        })
    }
}

impl Bringing {
    pub(crate) fn inbox(&self) -> &Inbox {
        &self.0
    }

    /// Refuses it at once.
    pub(crate) fn refuse(&self, reason: Refusal) {
        self.0.put(Note::Answer {
            key: 0,
            channel: 0,
            submission: 0,
            answer: Answer::Refused(reason),
        });
    }

    /// What became of it, once; nothing until it was decided on.
    pub(crate) fn outcome(&self) -> Option<Result<Brought, Refusal>> {
        let (notes, _) = self.0.take();
        notes.into_iter().find_map(|note| match note {
            Note::Answer { answer, .. } => Some(match answer {
                Answer::Stored { .. } | Answer::Kept => Ok(Brought::Stored),
                Answer::Held => Ok(Brought::Held),
                Answer::Refused(reason) => Err(reason),
            }),
            _ => None,
        })
    }
}

/// The chunk with this name, if it is here. Blocks.
pub(crate) fn find(
    shared: &Shared,
    classroom: &ClassroomId,
    chunk: &ChunkHash,
) -> Result<Option<Vec<u8>>, Refusal> {
    let found = whole_chunk(shared.store.as_ref(), classroom, chunk);
    found.map_err(|error| storage(&error))
}
