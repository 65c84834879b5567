//! The names of things: fixed-size bytes with a type each, so that one cannot be taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; $length]);

        impl $name {
            /// All bytes in lower-case hexadecimal, as used in addresses and storage keys.
            pub fn to_hex(&self) -> String {
                to_hex(&self.0)
            }

            /// Reads what [`Self::to_hex`] wrote, and nothing else: one id has one name.
            pub fn from_hex(text: &str) -> Option<Self> {
                from_hex(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({}…)"), &self.to_hex()[..8])
            }
        }
    };
}

id!(
    /// A chunk of an attachment: the hash of its sealed bytes.
    ChunkHash, 32
);
id!(
    /// A classroom: the hash of its founding roster entry.
    ClassroomId, 32
);
id!(
    /// A document of a classroom, random.
    DocumentId, 16
);
id!(
    /// A roster entry: the hash of its signed content.
    EntryHash, 32
);
id!(
    /// The public X25519 key that epoch keys are sealed to.
    ExchangeKey, 32
);
id!(
    /// The public Ed25519 key of an invite.
    InviteKey, 32
);
id!(
    /// One place a member writes from, random.
    LaneId, 16
);
id!(
    /// A person: their public Ed25519 key.
    MemberId, 32
);
id!(
    /// A piece of a snapshot: the hash of its sealed bytes.
    PieceHash, 32
);
id!(
    /// A receipt: the hash of everything its author signed.
    ReceiptHash, 32
);
id!(
    /// A school, opaque: its name is in an encrypted document.
    SchoolId, 16
);
id!(
    /// A segment: the hash of everything its author signed.
    SegmentHash, 32
);
id!(
    /// A snapshot: the hash of everything its author signed.
    SnapshotHash, 32
);
id!(
    /// A set of members that shares a key.
    SpaceId, 16
);

impl SegmentHash {
    /// What the first segment of a log names as the one before it.
    pub const NONE: Self = Self([0; 32]);
}

impl SpaceId {
    /// The space of all members but carriers.
    pub const EVERYONE: Self = Self([0; 16]);

    /// The space of leads and teachers.
    pub const STAFF: Self = Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    /// The space of the group that `author` makes of `members`, whose first key has this id. It follows from what it names,
    /// so that nobody makes another group of the same name, with other members or another key.
    pub fn of_group(author: &MemberId, members: &[MemberId], first_key: &[u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("meridian 2026-11 v1 group id");
        hasher.update(&author.0);
        for member in members {
            hasher.update(&member.0);
        }
        hasher.update(first_key);
        let mut id = [0; 16];
        id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(id)
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature([u8; 32], [u8; 32]);

impl Signature {
    pub fn from_bytes(bytes: [u8; 64]) -> Self {
        let (mut first, mut second) = ([0; 32], [0; 32]);
        first.copy_from_slice(&bytes[..32]);
        second.copy_from_slice(&bytes[32..]);
        Self(first, second)
    }

    pub fn to_bytes(self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.0);
        bytes[32..].copy_from_slice(&self.1);
        bytes
    }

    /// All bytes in lower-case hexadecimal, as it stands in the head of a request.
    pub fn to_hex(self) -> String {
        to_hex(&self.to_bytes())
    }

    /// Reads what [`Self::to_hex`] wrote, and nothing else.
    pub fn from_hex(text: &str) -> Option<Self> {
        from_hex(text).map(Self::from_bytes)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |four: u8| char::from(b"0123456789abcdef"[usize::from(four)]);
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

fn from_hex<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 2 * LENGTH || !text.bytes().all(lower_hex) {
        return None;
    }
    let mut bytes = [0; LENGTH];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{DocumentId, Signature};

    #[test]
    fn hexadecimal_comes_back_and_has_one_spelling() {
        let id = DocumentId([0x0f; 16]);
        let text = id.to_hex();
        assert_eq!(DocumentId::from_hex(&text), Some(id));
        for other in [
            text.to_uppercase(),
            text.replacen("0f", "+f", 1),
            text.replacen("0f", "é", 1),
            text[2..].to_owned(),
            format!("{text}0f"),
        ] {
            assert_eq!(DocumentId::from_hex(&other), None, "{other}");
        }
        let signature = Signature::from_bytes([0x1f; 64]);
        assert_eq!(Signature::from_hex(&signature.to_hex()), Some(signature));
        assert_eq!(Signature::from_hex(&text), None);
    }
}
