//! A new key for a space: handed to each member, and carrying keys of the epoch before, or of an earlier one.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::key::{EpochKey, HandedKey, KeyName, SealedKey, WrappedKey};
use crate::{Error, ExchangeKey, SpaceId, bounded};

/// The most earlier keys that one rotation wraps.
pub const MAX_PREVIOUS: usize = 16;

/// The most recipients of one rotation: as many as fit into an entry.
pub const MAX_RECIPIENTS: usize = 2048;

/// A key of a space for one epoch, stated and handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    pub space: SpaceId,
    pub epoch: u32,
    /// [`EpochKey::id`] of the new key.
    pub id: [u8; 32],
    /// Keys of the epoch before, or of an earlier one, sealed under the new one.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_PREVIOUS>")]
    pub previous: Vec<WrappedKey>,
    /// The new key, sealed to each member of the space and to each open invite into it.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_RECIPIENTS>")]
    pub sealed: Vec<HandedKey>,
}

impl Rotation {
    /// Makes `key` the key of `epoch`. `previous` are the keys of the epoch before, as far as they are known, or of the
    /// last that is known, each with its epoch.
    pub fn new<'a>(
        key: &EpochKey,
        space: SpaceId,
        epoch: u32,
        previous: impl IntoIterator<Item = (u32, &'a EpochKey)>,
        recipients: impl IntoIterator<Item = ExchangeKey>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Error> {
        let name = KeyName {
            space,
            epoch,
            id: key.id(),
        };
        let mut rotation = Self {
            space,
            epoch,
            id: name.id,
            previous: Vec::new(),
            sealed: Vec::new(),
        };
        for (before, old) in previous.into_iter().take(MAX_PREVIOUS) {
            if before >= epoch {
                return Err(Error::Malformed("epoch before"));
            }
            rotation
                .previous
                .push(WrappedKey::wrap(old, before, key, &name, rng)?);
        }
        for recipient in recipients {
            rotation
                .sealed
                .push(HandedKey::seal(key, space, epoch, &recipient, rng)?);
        }
        if rotation.sealed.len() > MAX_RECIPIENTS {
            return Err(Error::TooLarge {
                what: "rotation's list of recipients",
                max: MAX_RECIPIENTS,
            });
        }
        Ok(rotation)
    }

    pub fn name(&self) -> KeyName {
        KeyName {
            space: self.space,
            epoch: self.epoch,
            id: self.id,
        }
    }

    pub fn recipients(&self) -> impl Iterator<Item = &ExchangeKey> {
        self.sealed.iter().map(|handed| &handed.recipient)
    }

    /// What `recipient` can open.
    pub fn sealed_for(&self, recipient: &ExchangeKey) -> Option<SealedKey> {
        self.sealed
            .iter()
            .find(|handed| handed.recipient == *recipient)
            .map(|handed| handed.named(&self.name()))
    }
}
