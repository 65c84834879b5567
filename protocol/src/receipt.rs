//! Receipts: how far a member has each document of a space, sealed for the others of the space, so that everybody can
//! see what was seen at the partner school. A newer receipt takes the place of an older one.

use chacha20poly1305::aead::Payload;
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce, aead::Aead as _};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::bounded::{self, Bytes};
use crate::identity::{MemberKeys, verify};
use crate::key::EpochKey;
use crate::padding::padded_length;
use crate::roster::MAX_HEADS;
use crate::{ClassroomId, DocumentId, EntryHash, Error, MemberId, ReceiptHash, Signature, SpaceId};

const VERSION: u8 = 1;

/// The most bytes of a padded body.
pub const MAX_BODY: usize = 64 * 1024;

/// The most documents that a receipt tells of; the body ends before, if each has many heads.
pub const MAX_DOCUMENTS: usize = 2048;

/// The most heads that a receipt tells of a document.
pub const MAX_DOCUMENT_HEADS: usize = 16;

const TAG: usize = 16;
const MAX_SEALED: usize = MAX_BODY + TAG;

/// The most bytes of an encoded receipt: body, header with all heads, signature.
pub const MAX_RECEIPT: usize = MAX_SEALED + 2048;

/// The length of the list stands before it.
const LENGTH: usize = 4;

/// Everything about a receipt that the relay may know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub member: MemberId,
    pub space: SpaceId,
    pub epoch: u32,
    /// The roster heads that its author knew; at least one.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_HEADS>")]
    pub roster: Vec<EntryHash>,
    /// Goes up with every receipt of the member for the space. The one with the highest count is the newest, and of
    /// two with the same count (two tabs) the one with the higher hash.
    pub count: u64,
}

/// How far a member has a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub document: DocumentId,
    /// The hashes of the Automerge changes that no other change of the copy builds on.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_DOCUMENT_HEADS>")]
    pub heads: Vec<[u8; 32]>,
}

/// A sealed, signed receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub header: Header,
    nonce: [u8; 24],
    sealed: Bytes<MAX_SEALED>,
    signature: Signature,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct List(#[serde(deserialize_with = "bounded::list::<_, _, MAX_DOCUMENTS>")] Vec<Seen>);

impl Receipt {
    /// Seals and signs a receipt.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if there is more than a receipt holds: tell of fewer documents.
    pub fn seal(
        keys: &MemberKeys,
        classroom: &ClassroomId,
        header: Header,
        epoch_key: &EpochKey,
        seen: Vec<Seen>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Error> {
        let body = body(seen)?;
        let mut nonce = [0; 24];
        rng.fill_bytes(&mut nonce);
        let sealed = cipher(epoch_key, classroom)
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: &body,
                    aad: &associated_data(&header, epoch_key)?,
                },
            )
            .map_err(|_| too_large())?;
        let mut receipt = Self {
            header,
            nonce,
            sealed: Bytes::new("receipt", sealed)?,
            signature: Signature::from_bytes([0; 64]),
        };
        receipt.signature = keys.sign(&receipt.transcript(classroom)?);
        // A reader must take what was sealed.
        Self::decode(&receipt.encode()?)
    }

    /// Checks the author's signature and answers with the receipt's hash.
    pub fn verify(&self, classroom: &ClassroomId) -> Result<ReceiptHash, Error> {
        let transcript = self.transcript(classroom)?;
        verify("receipt", &self.header.member.0, &transcript, &self.signature)?;
        Ok(hash(&transcript))
    }

    pub fn hash(&self, classroom: &ClassroomId) -> Result<ReceiptHash, Error> {
        Ok(hash(&self.transcript(classroom)?))
    }

    /// Opens what the member has seen.
    pub fn open(&self, classroom: &ClassroomId, epoch_key: &EpochKey) -> Result<Vec<Seen>, Error> {
        let body = cipher(epoch_key, classroom)
            .decrypt(
                &XNonce::from(self.nonce),
                Payload {
                    msg: &self.sealed,
                    aad: &associated_data(&self.header, epoch_key)?,
                },
            )
            .map_err(|_| Error::CannotOpen("receipt"))?;
        seen(&body)
    }

    /// A version byte, then the header, the nonce, the sealed body and the signature.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        bounded::encode_versioned("receipt", VERSION, self)
    }

    /// Reads a receipt. Says nothing yet about its signature: see [`Receipt::verify`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let receipt: Self = bounded::decode_versioned("receipt", VERSION, MAX_RECEIPT, bytes)?;
        if receipt.header.roster.is_empty() || receipt.sealed.len() < TAG {
            return Err(Error::Malformed("receipt"));
        }
        Ok(receipt)
    }

    /// What is signed: domain, classroom, header, nonce and the hash of the sealed body.
    fn transcript(&self, classroom: &ClassroomId) -> Result<Vec<u8>, Error> {
        Ok([
            b"meridian v1 receipt\0".as_slice(),
            &[VERSION],
            &classroom.0,
            &bounded::encode("receipt", &self.header)?,
            &self.nonce,
            blake3::hash(&self.sealed).as_bytes(),
        ]
        .concat())
    }
}

fn hash(transcript: &[u8]) -> ReceiptHash {
    ReceiptHash(blake3::derive_key("meridian 2026-11 v1 receipt hash", transcript))
}

fn cipher(epoch_key: &EpochKey, classroom: &ClassroomId) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&epoch_key.receipt_key(classroom).into())
}

fn associated_data(header: &Header, epoch_key: &EpochKey) -> Result<Vec<u8>, Error> {
    let mut data = bounded::encode("receipt", header)?;
    data.extend(epoch_key.id());
    Ok(data)
}

fn too_large() -> Error {
    Error::TooLarge {
        what: "receipt body",
        max: MAX_BODY,
    }
}

/// The length of the list, the list, then zeros up to the padded length.
fn body(seen: Vec<Seen>) -> Result<Vec<u8>, Error> {
    let fits = seen.len() <= MAX_DOCUMENTS && seen.iter().all(|one| one.heads.len() <= MAX_DOCUMENT_HEADS);
    let list = bounded::encode("receipt body", &List(seen))?;
    let padded = padded_length(LENGTH + list.len());
    if !fits || padded > MAX_BODY {
        return Err(too_large());
    }
    let mut body = (list.len() as u32).to_be_bytes().to_vec();
    body.extend(list);
    body.resize(padded, 0);
    Ok(body)
}

fn seen(body: &[u8]) -> Result<Vec<Seen>, Error> {
    let malformed = Error::Malformed("receipt body");
    let Some((length, rest)) = body.split_first_chunk::<LENGTH>() else {
        return Err(malformed);
    };
    let length = u32::from_be_bytes(*length) as usize;
    match rest.split_at_checked(length) {
        Some((list, padding)) if padding.iter().all(|&byte| byte == 0) => {
            let List(seen) = bounded::decode("receipt body", list)?;
            Ok(seen)
        }
        _ => Err(malformed),
    }
}
