//! Epoch keys: what a space's members share, and how one is handed to somebody.

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
    pub(crate) fn id(&self) -> [u8; 32] {
        blake3::derive_key("meridian 2026-11 v1 epoch key id", &self.0)
    }

    /// The key that one document's segments are sealed with.
    pub(crate) fn document_key(&self, classroom: &ClassroomId, document: &DocumentId) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("meridian 2026-11 v1 document key");
        hasher.update(&self.0).update(&classroom.0).update(&document.0);
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

    /// Whether `other` states the same key for the same epoch of the same space.
    pub fn states_same(&self, other: &Self) -> bool {
        (self.space, self.epoch, self.id) == (other.space, other.epoch, other.id)
    }

    /// Opens the key with the secret of `recipient`, if it is the one that was stated.
    pub fn open(&self, secret: &ExchangeSecret, recipient: &ExchangeKey) -> Result<EpochKey, Error> {
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

fn info(space: SpaceId, epoch: u32, recipient: &ExchangeKey) -> Vec<u8> {
    [
        b"meridian v1 epoch key\0".as_slice(),
        &space.0,
        &epoch.to_be_bytes(),
        &recipient.0,
    ]
    .concat()
}
