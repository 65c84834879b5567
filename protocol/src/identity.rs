//! A member: a seed, the keys that come from it, and the words that print it on a login card.

use bip39::{Language, Mnemonic};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use hpke::{Kem as _, Serializable as _};
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::key::{ExchangeSecret, Kem};
use crate::{Error, ExchangeKey, InviteKey, MemberId, Signature};

/// The most bytes that are read as a login card: twelve words of at most eight letters, and generous spacing.
const MAX_WORDS: usize = 1024;

/// The 16 bytes that a member is: whoever holds them is the member.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 16]);

impl Seed {
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The twelve words of the login card (BIP-39, English).
    pub fn to_words(&self) -> String {
        // Not by the library, which brings a second SHA-256: each word stands for 11 bits, and the last ends in four of a hash.
        let bits = Zeroizing::new(u128::from_be_bytes(self.0));
        let check = u128::from(Sha256::digest(self.0)[0] >> 4);
        let list = Language::English.word_list();
        let mut words = String::new();
        for word in 0..12_u32 {
            let eleven = match 117_u32.checked_sub(11 * word) {
                Some(shift) => *bits >> shift,
                None => *bits << 4 | check,
            };
            if word > 0 {
                words.push(' ');
            }
            words.push_str(list[(eleven & 0x7ff) as usize]);
        }
        words
    }

    /// Reads a login card; case and spacing do not matter.
    pub fn from_words(words: &str) -> Result<Self, Error> {
        if words.len() > MAX_WORDS {
            return Err(Error::TooLarge {
                what: "login card",
                max: MAX_WORDS,
            });
        }
        let words = Zeroizing::new(words.to_lowercase());
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &words)
            .map_err(|error| Error::Words(error.to_string()))?;
        let (entropy, length) = mnemonic.to_entropy_array();
        let entropy = Zeroizing::new(entropy);
        match <[u8; 16]>::try_from(&entropy[..length]) {
            Ok(bytes) => Ok(Self(bytes)),
            Err(_) => Err(Error::Words(format!(
                "{} words instead of 12",
                mnemonic.word_count()
            ))),
        }
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(…)")
    }
}

/// A member's secret keys, derived from the seed.
#[derive(Clone)]
pub struct MemberKeys {
    signing: SigningKey,
    exchange: ExchangeSecret,
    /// Of the secret, worked out once: it is asked for with every roster entry.
    exchange_key: ExchangeKey,
}

impl MemberKeys {
    pub fn from_seed(seed: &Seed) -> Result<Self, Error> {
        let (signing, exchange) = derive_pair(
            "meridian 2026-11 v1 member signing key",
            "meridian 2026-11 v1 member exchange key",
            seed.as_bytes(),
        )?;
        Ok(Self {
            signing,
            exchange_key: exchange.public(),
            exchange,
        })
    }

    pub fn id(&self) -> MemberId {
        MemberId(self.signing.verifying_key().to_bytes())
    }

    /// The key that others seal epoch keys to.
    pub fn exchange_key(&self) -> ExchangeKey {
        self.exchange_key
    }

    pub fn exchange_secret(&self) -> &ExchangeSecret {
        &self.exchange
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        sign(&self.signing, message)
    }
}

impl std::fmt::Debug for MemberKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemberKeys({:?})", self.id())
    }
}

/// An invite's secret keys, derived from the secret in its link.
#[derive(Clone)]
pub struct InviteKeys {
    signing: SigningKey,
    exchange: ExchangeSecret,
    exchange_key: ExchangeKey,
}

impl InviteKeys {
    pub fn from_secret(secret: &[u8; 16]) -> Result<Self, Error> {
        let (signing, exchange) = derive_pair(
            "meridian 2026-11 v1 invite signing key",
            "meridian 2026-11 v1 invite exchange key",
            secret,
        )?;
        Ok(Self {
            signing,
            exchange_key: exchange.public(),
            exchange,
        })
    }

    pub fn id(&self) -> InviteKey {
        InviteKey(self.signing.verifying_key().to_bytes())
    }

    pub fn exchange_key(&self) -> ExchangeKey {
        self.exchange_key
    }

    pub fn exchange_secret(&self) -> &ExchangeSecret {
        &self.exchange
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        sign(&self.signing, message)
    }
}

fn derive_pair(
    signing_context: &str,
    exchange_context: &str,
    secret: &[u8],
) -> Result<(SigningKey, ExchangeSecret), Error> {
    let mut bytes = blake3::derive_key(signing_context, secret);
    let signing = SigningKey::from_bytes(&bytes);
    bytes.zeroize();
    let mut bytes = blake3::derive_key(exchange_context, secret);
    let exchange = ExchangeSecret::from_bytes(&bytes);
    bytes.zeroize();
    Ok((signing, exchange?))
}

fn sign(key: &SigningKey, message: &[u8]) -> Signature {
    let signature = Signature::from_bytes(key.sign(message).to_bytes());
    #[cfg(feature = "remembering")]
    crate::remembered::made(&key.verifying_key().to_bytes(), message, &signature);
    signature
}

/// Checks an Ed25519 signature strictly: no small-order keys, no malleable encodings.
pub(crate) fn verify(
    what: &'static str,
    public: &[u8; 32],
    message: &[u8],
    signature: &Signature,
) -> Result<(), Error> {
    let is_good = || {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.to_bytes());
        VerifyingKey::from_bytes(public).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    };
    #[cfg(feature = "remembering")]
    let is_good = || crate::remembered::is_good(public, message, signature, is_good);
    if is_good() {
        Ok(())
    } else {
        Err(Error::BadSignature(what))
    }
}

/// What a relay challenges a connection with.
pub type Challenge = [u8; 32];

/// The answer to a relay's challenge. `origin` (such as `https://relay.example`) is part of what is signed, so an
/// answer given to one relay is worth nothing at another.
pub fn answer_challenge(keys: &MemberKeys, origin: &str, challenge: &Challenge) -> Signature {
    keys.sign(&challenge_message(origin, challenge))
}

/// Checks a member's answer to a challenge.
pub fn verify_answer(
    member: &MemberId,
    origin: &str,
    challenge: &Challenge,
    signature: &Signature,
) -> Result<(), Error> {
    verify(
        "challenge",
        &member.0,
        &challenge_message(origin, challenge),
        signature,
    )
}

fn challenge_message(origin: &str, challenge: &Challenge) -> Vec<u8> {
    [
        b"meridian v1 challenge\0".as_slice(),
        challenge,
        origin.as_bytes(),
    ]
    .concat()
}

impl ExchangeSecret {
    fn public(&self) -> ExchangeKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&Kem::sk_to_pk(self.key()).to_bytes());
        ExchangeKey(bytes)
    }
}
