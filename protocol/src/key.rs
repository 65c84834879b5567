//! Epoch keys: what a space's members share, how one is handed to somebody, and how a new one carries the one before.

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem as KemTrait, OpModeR, OpModeS, Serializable as _};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{ClassroomId, DocumentId, Error, ExchangeKey, SpaceId};

pub(crate) type Kem = X25519HkdfSha256;

/// A secret X25519 key.
#[derive(Clone)]
pub struct ExchangeSecret(<Kem as KemTrait>::PrivateKey);

impl ExchangeSecret {
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Error> {
        <Kem as KemTrait>::PrivateKey::from_bytes(bytes)
            .map(Self)
            .map_err(|_| Error::Malformed("exchange key"))
    }

    pub(crate) fn key(&self) -> &<Kem as KemTrait>::PrivateKey {
        &self.0
    }
}

/// The X25519 points of low order, in all encodings but for the highest bit, which is not looked at: with them every
/// shared secret is zero, so nothing can be sealed to them.
const LOW_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    small_end(1, 0, 0),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    small_end(0xec, 0xff, 0x7f),
    small_end(0xed, 0xff, 0x7f),
    small_end(0xee, 0xff, 0x7f),
];

const fn small_end(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

impl ExchangeKey {
    /// Checks that something can be sealed to it. Somebody with a key to which nothing can be would keep all others from
    /// making new keys.
    ///
    /// # Errors
    /// [`Error::Malformed`] if nothing can.
    pub fn check(&self) -> Result<(), Error> {
        let mut point = self.0;
        point[31] &= 0x7f;
        if LOW_ORDER.contains(&point) {
            return Err(Error::Malformed("exchange key"));
        }
        Ok(())
    }
}

/// The key that the members of a space share during one epoch.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
pub struct EpochKey([u8; 32]);

impl EpochKey {
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Names the key without telling it: the roster states it, and a sealed body is bound to it.
    pub fn id(&self) -> [u8; 32] {
        blake3::derive_key("meridian 2026-11 v1 epoch key id", &self.0)
    }

    /// What the keys of the epoch before are sealed with.
    fn wrapping_cipher(&self) -> XChaCha20Poly1305 {
        let mut key = blake3::derive_key("meridian 2026-11 v1 wrapping key", &self.0);
        let cipher = XChaCha20Poly1305::new(&key.into());
        key.zeroize();
        cipher
    }

    /// The key that one document's segments are sealed with.
    pub(crate) fn document_key(&self, classroom: &ClassroomId, document: &DocumentId) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("meridian 2026-11 v1 document key");
        hasher.update(&self.0).update(&classroom.0).update(&document.0);
        *hasher.finalize().as_bytes()
    }

    /// The key that a space's receipts are sealed with.
    pub(crate) fn receipt_key(&self, classroom: &ClassroomId) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("meridian 2026-11 v1 receipt key");
        hasher.update(&self.0).update(&classroom.0);
        *hasher.finalize().as_bytes()
    }

    /// The key that a space's whispers are sealed with.
    pub(crate) fn whisper_key(&self, classroom: &ClassroomId) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("meridian 2026-11 v1 whisper key");
        hasher.update(&self.0).update(&classroom.0);
        *hasher.finalize().as_bytes()
    }
}

impl std::fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EpochKey(…)")
    }
}

/// Which key of which space. Rotations apart may make several keys for one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyName {
    pub space: SpaceId,
    pub epoch: u32,
    /// [`EpochKey::id`].
    pub id: [u8; 32],
}

/// An epoch key sealed to one recipient (HPKE base mode, RFC 9180: X25519-HKDF-SHA256, HKDF-SHA256,
/// ChaCha20-Poly1305).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedKey {
    pub space: SpaceId,
    pub epoch: u32,
    /// Names the key, so that everybody can see that all were handed the same one.
    id: [u8; 32],
    encapsulated: [u8; 32],
    sealed: [u8; 32],
    tag: [u8; 16],
}

impl SealedKey {
    /// Seals `key` to whoever holds the secret of `recipient`.
    pub fn seal(
        key: &EpochKey,
        space: SpaceId,
        epoch: u32,
        recipient: &ExchangeKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Error> {
        let public = <Kem as KemTrait>::PublicKey::from_bytes(&recipient.0)
            .map_err(|_| Error::Malformed("exchange key"))?;
        let (encapsulated_key, ciphertext) =
            hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, Kem>(
                &OpModeS::Base,
                &public,
                &info(space, epoch, recipient),
                &key.0,
                &[],
                rng,
            )
            .map_err(|_| Error::Malformed("exchange key"))?;
        let mut encapsulated = [0; 32];
        encapsulated.copy_from_slice(&encapsulated_key.to_bytes());
        let (mut sealed, mut tag) = ([0; 32], [0; 16]);
        sealed.copy_from_slice(&ciphertext[..32]);
        tag.copy_from_slice(&ciphertext[32..]);
        Ok(Self {
            space,
            epoch,
            id: key.id(),
            encapsulated,
            sealed,
            tag,
        })
    }

    /// Which key it says it is.
    pub fn name(&self) -> KeyName {
        KeyName {
            space: self.space,
            epoch: self.epoch,
            id: self.id,
        }
    }

    /// Opens the key with the secret of `recipient`, if it is the one that was stated.
    pub fn open(&self, secret: &ExchangeSecret, recipient: &ExchangeKey) -> Result<EpochKey, Error> {
        #[cfg(feature = "remembering")]
        return crate::remembered::opened(
            &[
                &secret.key().to_bytes(),
                &self.id,
                &self.encapsulated,
                &self.sealed,
                &self.tag,
                &info(self.space, self.epoch, recipient),
            ],
            || self.open_now(secret, recipient),
        );
        #[cfg(not(feature = "remembering"))]
        self.open_now(secret, recipient)
    }

    fn open_now(&self, secret: &ExchangeSecret, recipient: &ExchangeKey) -> Result<EpochKey, Error> {
        let encapsulated = <Kem as KemTrait>::EncappedKey::from_bytes(&self.encapsulated)
            .map_err(|_| Error::Malformed("sealed key"))?;
        let mut plain = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem>(
            &OpModeR::Base,
            secret.key(),
            &encapsulated,
            &info(self.space, self.epoch, recipient),
            &[self.sealed.as_slice(), &self.tag].concat(),
            &[],
        )
        .map_err(|_| Error::CannotOpen("sealed key"))?;
        let key = <[u8; 32]>::try_from(plain.as_slice()).map(EpochKey);
        plain.zeroize();
        match key {
            Ok(key) if key.id() == self.id => Ok(key),
            _ => Err(Error::CannotOpen("sealed key")),
        }
    }
}

/// An epoch key sealed to one of many recipients: a [`SealedKey`] without what its rotation says once for all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedKey {
    pub recipient: ExchangeKey,
    encapsulated: [u8; 32],
    sealed: [u8; 32],
    tag: [u8; 16],
}

impl HandedKey {
    /// Seals `key` to whoever holds the secret of `recipient`.
    pub fn seal(
        key: &EpochKey,
        space: SpaceId,
        epoch: u32,
        recipient: &ExchangeKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Error> {
        let sealed = SealedKey::seal(key, space, epoch, recipient, rng)?;
        Ok(Self {
            recipient: *recipient,
            encapsulated: sealed.encapsulated,
            sealed: sealed.sealed,
            tag: sealed.tag,
        })
    }

    /// The same with its name.
    pub fn named(&self, name: &KeyName) -> SealedKey {
        SealedKey {
            space: name.space,
            epoch: name.epoch,
            id: name.id,
            encapsulated: self.encapsulated,
            sealed: self.sealed,
            tag: self.tag,
        }
    }
}

/// A key of an earlier epoch, sealed under the new one: who has the new key has the old ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    /// The epoch of the key that is wrapped.
    pub epoch: u32,
    pub id: [u8; 32],
    nonce: [u8; 24],
    sealed: [u8; 32],
    tag: [u8; 16],
}

impl WrappedKey {
    /// Wraps `key`, of epoch `epoch` of the space of `by`, under `wrapping`, whose name `by` is.
    pub fn wrap(
        key: &EpochKey,
        epoch: u32,
        wrapping: &EpochKey,
        by: &KeyName,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Error> {
        let mut nonce = [0; 24];
        rng.fill_bytes(&mut nonce);
        let id = key.id();
        let ciphertext = wrapping
            .wrapping_cipher()
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: &key.0,
                    aad: &wrapping_data(by, epoch, &id),
                },
            )
            .map_err(|_| Error::Malformed("wrapped key"))?;
        let (mut sealed, mut tag) = ([0; 32], [0; 16]);
        sealed.copy_from_slice(&ciphertext[..32]);
        tag.copy_from_slice(&ciphertext[32..]);
        Ok(Self {
            epoch,
            id,
            nonce,
            sealed,
            tag,
        })
    }

    /// Opens it with the key `wrapping` named `by`.
    pub fn unwrap(&self, wrapping: &EpochKey, by: &KeyName) -> Result<EpochKey, Error> {
        let mut plain = wrapping
            .wrapping_cipher()
            .decrypt(
                &XNonce::from(self.nonce),
                Payload {
                    msg: &[self.sealed.as_slice(), &self.tag].concat(),
                    aad: &wrapping_data(by, self.epoch, &self.id),
                },
            )
            .map_err(|_| Error::CannotOpen("wrapped key"))?;
        let key = <[u8; 32]>::try_from(plain.as_slice()).map(EpochKey);
        plain.zeroize();
        match key {
            Ok(key) if key.id() == self.id => Ok(key),
            _ => Err(Error::CannotOpen("wrapped key")),
        }
    }
}

/// Seals a few words to `recipient`, as somebody does who asks to be let in: 48 bytes longer than `words`.
pub fn seal_note(words: &[u8], recipient: &ExchangeKey, rng: &mut impl CryptoRng) -> Result<Vec<u8>, Error> {
    let public = <Kem as KemTrait>::PublicKey::from_bytes(&recipient.0)
        .map_err(|_| Error::Malformed("exchange key"))?;
    let (encapsulated, ciphertext) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, Kem>(
        &OpModeS::Base,
        &public,
        &note_info(recipient),
        words,
        &[],
        rng,
    )
    .map_err(|_| Error::Malformed("exchange key"))?;
    Ok([encapsulated.to_bytes().as_slice(), &ciphertext].concat())
}

/// Opens what [`seal_note`] sealed to `recipient`.
pub fn open_note(note: &[u8], secret: &ExchangeSecret, recipient: &ExchangeKey) -> Result<Vec<u8>, Error> {
    let (encapsulated, ciphertext) = note.split_at_checked(32).ok_or(Error::Malformed("note"))?;
    let encapsulated =
        <Kem as KemTrait>::EncappedKey::from_bytes(encapsulated).map_err(|_| Error::Malformed("note"))?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem>(
        &OpModeR::Base,
        secret.key(),
        &encapsulated,
        &note_info(recipient),
        ciphertext,
        &[],
    )
    .map_err(|_| Error::CannotOpen("note"))
}

fn note_info(recipient: &ExchangeKey) -> Vec<u8> {
    [b"meridian v1 note\0".as_slice(), &recipient.0].concat()
}

fn wrapping_data(by: &KeyName, epoch: u32, id: &[u8; 32]) -> Vec<u8> {
    [
        b"meridian v1 wrapped key\0".as_slice(),
        &by.space.0,
        &by.epoch.to_be_bytes(),
        &by.id,
        &epoch.to_be_bytes(),
        id,
    ]
    .concat()
}

fn info(space: SpaceId, epoch: u32, recipient: &ExchangeKey) -> Vec<u8> {
    [
        b"meridian v1 epoch key\0".as_slice(),
        &space.0,
        &epoch.to_be_bytes(),
        &recipient.0,
    ]
    .concat()
}
