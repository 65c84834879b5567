//! Whispers: sealed messages that are fanned out and never stored. Presence, cursors, typing.

use chacha20poly1305::aead::Payload;
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce, aead::Aead as _};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::bounded::{self, Bytes};
use crate::identity::{MemberKeys, verify};
use crate::key::EpochKey;
use crate::padding::padded_length;
use crate::{ClassroomId, Error, MemberId, Signature, SpaceId};

const VERSION: u8 = 1;

/// The most bytes of a whisper's content.
pub const MAX_CONTENT: usize = 4 * 1024;

/// The most bytes of an encoded whisper.
pub const MAX_WHISPER: usize = MAX_CONTENT + 1024;

/// A sealed, signed whisper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whisper {
    pub member: MemberId,
    pub space: SpaceId,
    pub epoch: u32,
    nonce: [u8; 24],
    sealed: Bytes<MAX_WHISPER>,
    signature: Signature,
}

impl Whisper {
    pub fn seal(
        keys: &MemberKeys,
        classroom: &ClassroomId,
        space: SpaceId,
        epoch: u32,
        epoch_key: &EpochKey,
        content: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Error> {
        if content.len() > MAX_CONTENT {
            return Err(Error::TooLarge {
                what: "whisper",
                max: MAX_CONTENT,
            });
        }
        let mut body = (content.len() as u16).to_be_bytes().to_vec();
        body.extend_from_slice(content);
        body.resize(padded_length(body.len()), 0);
        let mut nonce = [0; 24];
        rng.fill_bytes(&mut nonce);
        let sealed = cipher(epoch_key, classroom)
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: &body,
                    aad: &keys.id().0,
                },
            )
            .map_err(|_| Error::TooLarge {
                what: "whisper",
                max: MAX_CONTENT,
            })?;
        let mut whisper = Self {
            member: keys.id(),
            space,
            epoch,
            nonce,
            sealed: Bytes::new("whisper", sealed)?,
            signature: Signature::from_bytes([0; 64]),
        };
        whisper.signature = keys.sign(&whisper.transcript(classroom));
        Ok(whisper)
    }

    /// Checks the signature and opens the content.
    pub fn open(&self, classroom: &ClassroomId, epoch_key: &EpochKey) -> Result<Vec<u8>, Error> {
        verify(
            "whisper",
            &self.member.0,
            &self.transcript(classroom),
            &self.signature,
        )?;
        let body = cipher(epoch_key, classroom)
            .decrypt(
                &XNonce::from(self.nonce),
                Payload {
                    msg: &self.sealed,
                    aad: &self.member.0,
                },
            )
            .map_err(|_| Error::CannotOpen("whisper"))?;
        let (length, content) = body.split_at_checked(2).ok_or(Error::Malformed("whisper"))?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        content
            .get(..length)
            .map(<[u8]>::to_vec)
            .ok_or(Error::Malformed("whisper"))
    }

    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        bounded::encode_versioned("whisper", VERSION, self)
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        bounded::decode_versioned("whisper", VERSION, MAX_WHISPER, bytes)
    }

    fn transcript(&self, classroom: &ClassroomId) -> Vec<u8> {
        [
            b"meridian v1 whisper\0".as_slice(),
            &[VERSION],
            &classroom.0,
            &self.member.0,
            &self.space.0,
            &self.epoch.to_be_bytes(),
            &self.nonce,
            blake3::hash(&self.sealed).as_bytes(),
        ]
        .concat()
    }
}

fn cipher(epoch_key: &EpochKey, classroom: &ClassroomId) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&epoch_key.whisper_key(classroom).into())
}
