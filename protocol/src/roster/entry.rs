//! One roster entry: its bytes, its hash, its signature.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::action::{Action, Cutoff, MAX_CUTOFFS, MAX_KEYS, MAX_LISTED, MAX_ROTATIONS, Removal, Role};
use super::{MAX_HEADS, MAX_PREVIOUS, MAX_RECIPIENTS, Rotation};
use crate::bounded::{self, Bytes};
use crate::identity::{InviteKeys, MemberKeys, verify};
use crate::key::SealedKey;
use crate::{
    ClassroomId, DocumentId, EntryHash, Error, ExchangeKey, InviteKey, MemberId, SchoolId, Signature,
};

const VERSION: u8 = 1;

/// The most bytes of an encoded entry.
pub const MAX_ENTRY: usize = 256 * 1024;

/// What stands around the content: the version, its length in up to three bytes, the signature.
const AROUND: usize = 1 + 3 + 64;

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
    /// Founds a classroom. The epoch keys are the first ones of the spaces of everyone and of staff.
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

    /// Invites people to ask: see [`Action::AskInvite`].
    pub fn ask_invite(
        keys: &MemberKeys,
        classroom: ClassroomId,
        parents: Vec<EntryHash>,
        invite: &InviteKeys,
        role: Role,
        uses: u32,
        expires: u64,
    ) -> Result<Self, Error> {
        let exchange = invite.exchange_key();
        let action = Action::AskInvite {
            key: invite.id(),
            exchange,
            role,
            uses,
            expires,
            proof: invite.sign(&invite_message(&classroom, &keys.id(), &exchange)),
        };
        Self::sign(keys, Some(classroom), parents, action)
    }

    /// Asks to be let in by the invite that the entry `invite_entry` made. `note` comes from
    /// [`crate::key::seal_note`].
    pub fn request(
        keys: &MemberKeys,
        classroom: ClassroomId,
        parents: Vec<EntryHash>,
        invite: &InviteKeys,
        invite_entry: EntryHash,
        school: SchoolId,
        note: Vec<u8>,
    ) -> Result<Self, Error> {
        let exchange = keys.exchange_key();
        let proof = invite.sign(&admission_message(
            &classroom,
            &invite_entry,
            &keys.id(),
            &exchange,
            &school,
        ));
        let action = Action::Request {
            invite: invite_entry,
            exchange,
            school,
            proof,
            note: Bytes::new("note", note)?,
        };
        Self::sign(keys, Some(classroom), parents, action)
    }

    /// Signs any action that needs no proof of an invite.
    pub fn act(
        keys: &MemberKeys,
        classroom: ClassroomId,
        parents: Vec<EntryHash>,
        action: Action,
    ) -> Result<Self, Error> {
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

    /// The bytes of its content: all but a few of those that it takes.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
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
        check_length("roster entry's list of parents", parents.len(), MAX_HEADS)?;
        check_lengths(&action)?;
        let content = Content {
            classroom,
            parents,
            author: keys.id(),
            action,
        };
        let bytes = bounded::encode("roster entry", &content)?;
        check_length("roster entry", bytes.len() + AROUND, MAX_ENTRY)?;
        let mut entry = Self {
            content,
            bytes,
            signature: Signature::from_bytes([0; 64]),
        };
        entry.signature = keys.sign(&signed_message(&entry.hash()));
        Ok(entry)
    }
}

/// What could not be decoded again is not signed.
fn check_lengths(action: &Action) -> Result<(), Error> {
    let of_cutoffs =
        |cutoffs: &[Cutoff]| check_length("roster entry's list of cut-offs", cutoffs.len(), MAX_CUTOFFS);
    check_length("roster entry's list of keys", action.keys().len(), MAX_KEYS)?;
    check_length(
        "roster entry's list of rotations",
        action.rotations().len(),
        MAX_ROTATIONS,
    )?;
    for Rotation { previous, sealed, .. } in action.rotations() {
        check_length("rotation's list of keys", previous.len(), MAX_PREVIOUS)?;
        check_length("rotation's list of recipients", sealed.len(), MAX_RECIPIENTS)?;
    }
    match action {
        Action::ChangeRole { cutoffs, .. } | Action::Extend { cutoffs, .. } => of_cutoffs(cutoffs),
        Action::Remove { members, .. } => {
            check_length("roster entry's list of members", members.len(), MAX_LISTED)?;
            members
                .iter()
                .try_for_each(|Removal { cutoffs, .. }| of_cutoffs(cutoffs))
        }
        Action::NewSpace { members, .. } => {
            check_length("roster entry's list of members", members.len(), MAX_LISTED)
        }
        _ => Ok(()),
    }
}

fn check_length(what: &'static str, length: usize, max: usize) -> Result<(), Error> {
    if length > max {
        Err(Error::TooLarge { what, max })
    } else {
        Ok(())
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
