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

    /// Whether its member may bring something now, whatever they are in the classroom: that costs them as much as it costs
    /// the relay to find out. The presence is to be kept until it is decided on.
    pub(crate) fn enter(&self, shared: &Shared, now: Moment) -> Result<Presence, Refusal> {
        let presence = shared.members.enter(self.member, &shared.limits, now)?;
        if presence.may_submit(now) {
            Ok(presence)
        } else {
            Err(Refusal::TooFast)
        }
    }

    /// The classroom, from memory or the store. Blocks.
    pub(crate) fn load(&self, shared: &Shared) -> Result<Arc<Classroom>, Refusal> {
        let loaded = shared.classrooms.load(&self.classroom);
        let classroom = loaded.map_err(|error| storage(&error))?;
        classroom.ok_or(Refusal::UnknownClassroom)
    }

    /// Whether the content is to be looked at: as far as that can be told before it is decided on.
    pub(crate) fn admit(&self, classroom: &Arc<Classroom>, shared: &Shared) -> Result<(), Refusal> {
        if classroom.last() == 0 {
            return Err(Refusal::UnknownClassroom);
        }
        check_chunk(&classroom.roster(), Bringer::Member(self.member), &self.document)?;
        // The next chunk will want it, and may be the only thing that does. What strangers name would put out what others
        // need.
        shared.classrooms.keep(classroom);
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use getrandom::SysRng;
    use protocol::identity::{MemberKeys, Seed};
    use protocol::key::{EpochKey, SealedKey};
    use protocol::rand_core::UnwrapErr;
    use protocol::roster::Entry;
    use protocol::{ChunkHash, ClassroomId, DocumentId, Refusal, SchoolId, Signature, SpaceId};

    use super::Claim;
    use crate::core::{Rules, Shared};
    use crate::settings::Limits;
    use crate::store::{Change, Item, Memory, Placed, Store as _};

    #[test]
    fn what_strangers_name_is_not_kept_in_memory() {
        let mut rng = UnwrapErr(SysRng);
        let mut member = || MemberKeys::from_seed(&Seed::random(&mut rng)).unwrap();
        let (founder, stranger) = (member(), member());
        let key = EpochKey::random(&mut rng);
        let sealed = [SpaceId::EVERYONE, SpaceId::STAFF]
            .map(|space| SealedKey::seal(&key, space, 0, &founder.exchange_key(), &mut rng).unwrap());
        let (school, document) = (SchoolId([1; 16]), DocumentId([2; 16]));
        let founding = Entry::found(&founder, school, document, sealed.to_vec(), &mut rng).unwrap();
        let id = ClassroomId(founding.hash().0);
        let item = Item::Entry {
            hash: founding.hash(),
            bytes: founding.encode().unwrap(),
        };
        let store = Memory::new(1);
        let placed = Change::Place(Arc::new(Placed { position: 1, item }));
        store.commit(&[(id, placed)], 0).unwrap();
        let shared = Shared::new(Arc::new(store), Rules::new(Limits::default()));
        for (keys, admitted) in [(stranger, Err(Refusal::NotAMember)), (founder, Ok(()))] {
            let claim = Claim {
                classroom: id,
                document,
                chunk: ChunkHash([3; 32]),
                member: keys.id(),
                signature: Signature::from_bytes([0; 64]),
            };
            let classroom = claim.load(&shared).unwrap();
            assert_eq!(claim.admit(&classroom, &shared), admitted);
            drop(classroom);
            assert_eq!(shared.classrooms.at_hand(&id).is_some(), admitted.is_ok());
        }
    }
}
