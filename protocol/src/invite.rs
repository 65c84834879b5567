//! The link that lets somebody in. Its secret stands behind the `#`, which browsers send to no server.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::identity::{InviteKeys, verify};
use crate::{ClassroomId, Error, InviteKey, Signature};

const VERSION: u8 = 1;

/// What an invite link carries: the classroom and the secret that the invite's keys come from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct InviteLink {
    #[zeroize(skip)]
    pub classroom: ClassroomId,
    secret: [u8; 16],
}

impl InviteLink {
    pub fn random(classroom: ClassroomId, rng: &mut impl CryptoRng) -> Self {
        let mut secret = [0; 16];
        rng.fill_bytes(&mut secret);
        Self { classroom, secret }
    }

    /// For an invite whose entry, which carries its keys, is older than the link.
    pub fn from_parts(classroom: ClassroomId, secret: [u8; 16]) -> Self {
        Self { classroom, secret }
    }

    pub fn keys(&self) -> Result<InviteKeys, Error> {
        InviteKeys::from_secret(&self.secret)
    }

    /// The part of the link behind the `#`: version, classroom, secret, in base64url.
    pub fn to_fragment(&self) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.classroom.0);
        bytes.extend_from_slice(&self.secret);
        let fragment = URL_SAFE_NO_PAD.encode(&bytes);
        bytes.zeroize();
        fragment
    }

    /// Reads a fragment, or a whole link that ends in one.
    pub fn parse(link: &str) -> Result<Self, Error> {
        let fragment = link.trim().rsplit('#').next().unwrap_or_default();
        let bytes = URL_SAFE_NO_PAD
            .decode(fragment.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| Error::Malformed("invite link"))?;
        match bytes.split_first() {
            Some((&VERSION, rest)) => {
                let (classroom, secret) = rest.split_at_checked(32).ok_or(Error::Malformed("invite link"))?;
                match (classroom.try_into(), secret.try_into()) {
                    (Ok(classroom), Ok(secret)) => Ok(Self {
                        classroom: ClassroomId(classroom),
                        secret,
                    }),
                    _ => Err(Error::Malformed("invite link")),
                }
            }
            // A newer link may hold more, hardly less; shorter ones are words that somebody typed.
            Some((&version, rest)) if version > VERSION && rest.len() >= 48 => {
                Err(Error::UnsupportedVersion {
                    what: "invite link",
                    version,
                })
            }
            _ => Err(Error::Malformed("invite link")),
        }
    }
}

impl std::fmt::Debug for InviteLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InviteLink({:?})", self.classroom)
    }
}

/// Proof of holding an invite, for a connection that wants to read a classroom before it joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteProof {
    pub key: InviteKey,
    signature: Signature,
}

impl InviteProof {
    pub fn new(keys: &InviteKeys, origin: &str, challenge: &[u8; 32], classroom: &ClassroomId) -> Self {
        Self {
            key: keys.id(),
            signature: keys.sign(&message(origin, challenge, classroom)),
        }
    }

    pub fn verify(&self, origin: &str, challenge: &[u8; 32], classroom: &ClassroomId) -> Result<(), Error> {
        verify(
            "invite",
            &self.key.0,
            &message(origin, challenge, classroom),
            &self.signature,
        )
    }
}

fn message(origin: &str, challenge: &[u8; 32], classroom: &ClassroomId) -> Vec<u8> {
    [
        b"meridian v1 invite proof\0".as_slice(),
        challenge,
        &classroom.0,
        origin.as_bytes(),
    ]
    .concat()
}
