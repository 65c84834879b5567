//! One roster entry: its bytes, its hash, its signature.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::MAX_HEADS;
use crate::bounded::{self, Bytes};
use crate::identity::{InviteKeys, MemberKeys, verify};
use crate::key::SealedKey;
use crate::{
    ClassroomId, DocumentId, EntryHash, Error, ExchangeKey, InviteKey, MemberId, SchoolId, Signature,
};

const VERSION: u8 = 1;

/// The most bytes of an encoded entry.
pub const MAX_ENTRY: usize = 64 * 1024;

/// The most epoch keys that one entry carries.
pub const MAX_KEYS: usize = 256;

/// What a member may do. The order is that of power, the most powerful first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Changes the roster.
    Lead,
    /// Moderates and locks.
    Teacher,
    /// Writes.
    Student,
    /// Reads.
    Guest,
    /// A hub: carries ciphertext only.
    Carrier,
}

impl Role {
    pub fn may_write(self) -> bool {
        matches!(self, Self::Lead | Self::Teacher | Self::Student)
    }

    pub fn may_invite(self, invited: Self) -> bool {
        match self {
            Self::Lead => true,
            Self::Teacher => matches!(invited, Self::Student | Self::Guest),
            Self::Student | Self::Guest | Self::Carrier => false,
        }
    }
}

/// What an entry does. New kinds are added at the end: the number of a kind is part of the format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Founds the classroom; its author is the first lead.
    Found {
        /// Random, so that two classrooms of one founder differ.
        nonce: [u8; 16],
        school: SchoolId,
        exchange: ExchangeKey,
        /// The classroom's own document.
        document: DocumentId,
        /// The first epoch key of the space of everyone, sealed to the founder.
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_KEYS>")]
        keys: Vec<SealedKey>,
    },
    /// Lets whoever holds the invite's secret join, with nobody else online.
    Invite {
        key: InviteKey,
        exchange: ExchangeKey,
        role: Role,
        uses: u32,
        /// Seconds since 1970.
        expires: u64,
        /// The invite's own signature over its author, so that nobody else can pass its key off as theirs.
        proof: Signature,
        /// The space keys, sealed to the invite itself.
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_KEYS>")]
        keys: Vec<SealedKey>,
    },
    /// The author joins by an open invite.
    Admit {
        invite: EntryHash,
        exchange: ExchangeKey,
        school: SchoolId,
        /// The invite's signature over the new member.
        proof: Signature,
        /// The space keys, sealed to the new member, so that the login card alone brings them back.
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_KEYS>")]
        keys: Vec<SealedKey>,
    },
}

impl Action {
    /// The epoch keys that are handed on.
    pub fn keys(&self) -> &[SealedKey] {
        match self {
            Self::Found { keys, .. } | Self::Invite { keys, .. } | Self::Admit { keys, .. } => keys,
        }
    }
}

/// A signed entry, as it is stored and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    content: Content,
    /// The bytes that were signed: kept as they came, for the hash is over them.
    bytes: Vec<u8>,
    signature: Signature,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    /// `None` in the founding entry, whose hash the id is.
    classroom: Option<ClassroomId>,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_HEADS>")]
    parents: Vec<EntryHash>,
    author: MemberId,
    action: Action,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    content: Bytes<MAX_ENTRY>,
    signature: Signature,
}

impl Entry {
    /// Founds a classroom. The epoch key is the first one of the space of everyone.
    pub fn found(
        keys: &MemberKeys,
        school: SchoolId,
        document: DocumentId,
        epoch_keys: Vec<SealedKey>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Error> {
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let action = Action::Found {
            nonce,
            school,
            exchange: keys.exchange_key(),
            document,
            keys: epoch_keys,
        };
        Self::sign(keys, None, Vec::new(), action)
    }

    /// Invites: see [`Action::Invite`].
    #[allow(clippy::too_many_arguments)]
    pub fn invite(
        keys: &MemberKeys,
        classroom: ClassroomId,
        parents: Vec<EntryHash>,
        invite: &InviteKeys,
        role: Role,
        uses: u32,
        expires: u64,
        epoch_keys: Vec<SealedKey>,
    ) -> Result<Self, Error> {
        let exchange = invite.exchange_key();
        let action = Action::Invite {
            key: invite.id(),
            exchange,
            role,
            uses,
            expires,
            proof: invite.sign(&invite_message(&classroom, &keys.id(), &exchange)),
            keys: epoch_keys,
        };
        Self::sign(keys, Some(classroom), parents, action)
    }

    /// Joins by the invite that the entry `invite_entry` made.
    pub fn admit(
        keys: &MemberKeys,
        classroom: ClassroomId,
        parents: Vec<EntryHash>,
        invite: &InviteKeys,
        invite_entry: EntryHash,
        school: SchoolId,
        epoch_keys: Vec<SealedKey>,
    ) -> Result<Self, Error> {
        let exchange = keys.exchange_key();
        let proof = invite.sign(&admission_message(
            &classroom,
            &invite_entry,
            &keys.id(),
            &exchange,
            &school,
        ));
        let action = Action::Admit {
            invite: invite_entry,
            exchange,
            school,
            proof,
            keys: epoch_keys,
        };
        Self::sign(keys, Some(classroom), parents, action)
    }

    pub fn hash(&self) -> EntryHash {
        EntryHash(blake3::derive_key(
            "meridian 2026-11 v1 roster entry",
            &self.bytes,
        ))
    }

    pub fn author(&self) -> MemberId {
        self.content.author
    }

    pub fn classroom(&self) -> Option<ClassroomId> {
        self.content.classroom
    }

    pub fn parents(&self) -> &[EntryHash] {
        &self.content.parents
    }

    pub fn action(&self) -> &Action {
        &self.content.action
    }

    /// A version byte, then the signed bytes and the signature.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let envelope = Envelope {
            content: Bytes::new("roster entry", self.bytes.clone())?,
            signature: self.signature,
        };
        let mut bytes = vec![VERSION];
        bytes.extend(bounded::encode("roster entry", &envelope)?);
        Ok(bytes)
    }

    /// Reads an entry. Says nothing yet about its signature: see [`Entry::verify`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        match bytes.split_first() {
            Some((&VERSION, rest)) if bytes.len() <= MAX_ENTRY => {
                let envelope: Envelope = bounded::decode("roster entry", rest)?;
                let content = bounded::decode("roster entry", &envelope.content)?;
                Ok(Self {
                    content,
                    bytes: envelope.content.into_vec(),
                    signature: envelope.signature,
                })
            }
            Some((&VERSION, _)) => Err(Error::TooLarge {
                what: "roster entry",
                max: MAX_ENTRY,
            }),
            Some((&version, _)) if version > VERSION => Err(Error::UnsupportedVersion {
                what: "roster entry",
                version,
            }),
            _ => Err(Error::Malformed("roster entry")),
        }
    }

    pub fn verify(&self) -> Result<(), Error> {
        verify(
            "roster entry",
            &self.content.author.0,
            &signed_message(&self.hash()),
            &self.signature,
        )
    }

    fn sign(
        keys: &MemberKeys,
        classroom: Option<ClassroomId>,
        parents: Vec<EntryHash>,
        action: Action,
    ) -> Result<Self, Error> {
        if parents.len() > MAX_HEADS {
            return Err(Error::TooLarge {
                what: "roster entry's list of parents",
                max: MAX_HEADS,
            });
        }
        if action.keys().len() > MAX_KEYS {
            return Err(Error::TooLarge {
                what: "roster entry's list of keys",
                max: MAX_KEYS,
            });
        }
        let content = Content {
            classroom,
            parents,
            author: keys.id(),
            action,
        };
        let bytes = bounded::encode("roster entry", &content)?;
        let mut entry = Self {
            content,
            bytes,
            signature: Signature::from_bytes([0; 64]),
        };
        entry.signature = keys.sign(&signed_message(&entry.hash()));
        Ok(entry)
    }
}

/// Checks that the author of an invite held its secret.
pub(super) fn verify_invite(
    classroom: &ClassroomId,
    author: &MemberId,
    invite: &InviteKey,
    exchange: &ExchangeKey,
    proof: &Signature,
) -> Result<(), Error> {
    verify(
        "invite",
        &invite.0,
        &invite_message(classroom, author, exchange),
        proof,
    )
}

/// Checks that the invite itself signed for this member, with this school.
pub(super) fn verify_admission(
    classroom: &ClassroomId,
    invite_entry: &EntryHash,
    invite: &InviteKey,
    member: &MemberId,
    exchange: &ExchangeKey,
    school: &SchoolId,
    proof: &Signature,
) -> Result<(), Error> {
    verify(
        "admission",
        &invite.0,
        &admission_message(classroom, invite_entry, member, exchange, school),
        proof,
    )
}

fn signed_message(hash: &EntryHash) -> Vec<u8> {
    [b"meridian v1 roster entry\0".as_slice(), &hash.0].concat()
}

fn invite_message(classroom: &ClassroomId, author: &MemberId, exchange: &ExchangeKey) -> Vec<u8> {
    [
        b"meridian v1 invite\0".as_slice(),
        &classroom.0,
        &author.0,
        &exchange.0,
    ]
    .concat()
}

fn admission_message(
    classroom: &ClassroomId,
    invite: &EntryHash,
    member: &MemberId,
    exchange: &ExchangeKey,
    school: &SchoolId,
) -> Vec<u8> {
    [
        b"meridian v1 admission\0".as_slice(),
        &classroom.0,
        &invite.0,
        &member.0,
        &exchange.0,
        &school.0,
    ]
    .concat()
}
