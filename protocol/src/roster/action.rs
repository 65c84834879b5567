//! What entries do.

use serde::{Deserialize, Serialize};

use super::Rotation;
use crate::bounded::{self, Bytes};
use crate::key::SealedKey;
use crate::{DocumentId, EntryHash, ExchangeKey, InviteKey, LaneId, MemberId, SchoolId, Signature};

/// The most epoch keys that one entry carries, apart from its rotations.
pub const MAX_KEYS: usize = 256;

/// The most rotations in one entry.
pub const MAX_ROTATIONS: usize = 16;

/// The most members that one entry removes, or that one group has.
pub const MAX_LISTED: usize = 2048;

/// The most cut-offs for one member.
pub const MAX_CUTOFFS: usize = 4096;

/// The most bytes of a sealed note.
pub const MAX_NOTE: usize = 1024;

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

    /// Whether it is one of those who lead or teach.
    pub fn is_staff(self) -> bool {
        matches!(self, Self::Lead | Self::Teacher)
    }
}

/// Up to where a log counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cutoff {
    pub document: DocumentId,
    pub lane: LaneId,
    /// The first index that does not count.
    pub next: u64,
}

/// A member who no longer belongs, and how far the author of the entry had seen each of their logs. A log that is not
/// named counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    pub member: MemberId,
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_CUTOFFS>")]
    pub cutoffs: Vec<Cutoff>,
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
        /// The first epoch keys of the spaces of everyone and of staff, sealed to the founder.
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
    /// Lets whoever holds the invite's secret ask to be let in. It carries no keys.
    AskInvite {
        key: InviteKey,
        exchange: ExchangeKey,
        role: Role,
        uses: u32,
        /// Seconds since 1970.
        expires: u64,
        /// As of an open invite.
        proof: Signature,
    },
    /// Nobody joins by this invite any more.
    EndInvite {
        invite: EntryHash,
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_ROTATIONS>")]
        rotations: Vec<Rotation>,
    },
    /// The author asks to be let in.
    Request {
        invite: EntryHash,
        exchange: ExchangeKey,
        school: SchoolId,
        /// The invite's signature over who asks.
        proof: Signature,
        /// Who they are, sealed to the inviter: see [`crate::key::seal_note`].
        note: Bytes<MAX_NOTE>,
    },
    /// Who asked is a member.
    Approve {
        request: EntryHash,
        /// The space keys, sealed to the new member.
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_KEYS>")]
        keys: Vec<SealedKey>,
    },
    /// Who asked is not let in.
    Decline { request: EntryHash },
    /// Gives a member another role.
    ChangeRole {
        member: MemberId,
        role: Role,
        /// Where the member's logs end, if they may not write any more.
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_CUTOFFS>")]
        cutoffs: Vec<Cutoff>,
        /// Keys of the spaces that the member now belongs to, sealed to them.
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_KEYS>")]
        keys: Vec<SealedKey>,
        /// New keys for the spaces that the member leaves.
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_ROTATIONS>")]
        rotations: Vec<Rotation>,
    },
    /// Members leave, or are removed.
    Remove {
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_LISTED>")]
        members: Vec<Removal>,
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_ROTATIONS>")]
        rotations: Vec<Rotation>,
    },
    /// The author, a lead, agrees that `member` be removed or given less power by a lead of another school.
    Consent { member: MemberId },
    /// New keys.
    Rotate {
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_ROTATIONS>")]
        rotations: Vec<Rotation>,
    },
    /// A space that did not exist, with its first key.
    NewSpace {
        /// Those who belong to a group. None for the space of staff, where roles say who does.
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_LISTED>")]
        members: Vec<MemberId>,
        /// Names the space, a group by [`crate::SpaceId::of_group`]; epoch 0, with no key before.
        first: Rotation,
    },
    /// Lets only leads and teachers write in a document, or everybody again.
    Lock { document: DocumentId, locked: bool },
    /// Lets nobody write in the classroom, or everybody again.
    Close { closed: bool },
    /// A document is gone for good; another takes its place.
    Erase {
        document: DocumentId,
        successor: DocumentId,
    },
    /// How far more logs of a member count than one entry has room for: with those that its author names in a removal or
    /// change of role afterwards, or, by a lead, with those of one that came before.
    Extend {
        member: MemberId,
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_CUTOFFS>")]
        cutoffs: Vec<Cutoff>,
    },
    /// Whoever comes by an invite of the author's is of the author's school. An invite to lead or teach that is not placed
    /// brings another school.
    PlaceInvite { invite: EntryHash, school: SchoolId },
}

impl Action {
    /// Changes nothing, for no document is called so: whoever leads or teaches joins heads by it, if there are more than an
    /// entry can name.
    pub const JOIN_HEADS: Action = Action::Lock {
        document: DocumentId([0; 16]),
        locked: false,
    };

    /// The epoch keys that are handed to one recipient.
    pub fn keys(&self) -> &[SealedKey] {
        match self {
            Self::Found { keys, .. }
            | Self::Invite { keys, .. }
            | Self::Admit { keys, .. }
            | Self::Approve { keys, .. }
            | Self::ChangeRole { keys, .. } => keys,
            _ => &[],
        }
    }

    /// The key of whom it brings into play: who joins, asks, or holds an invite.
    pub fn exchange(&self) -> Option<&ExchangeKey> {
        match self {
            Self::Found { exchange, .. }
            | Self::Invite { exchange, .. }
            | Self::AskInvite { exchange, .. }
            | Self::Admit { exchange, .. }
            | Self::Request { exchange, .. } => Some(exchange),
            _ => None,
        }
    }

    /// Whether its author comes into the classroom by it: until it is taken nothing else of theirs counts.
    pub fn joins(&self) -> bool {
        matches!(
            self,
            Self::Found { .. } | Self::Admit { .. } | Self::Request { .. }
        )
    }

    /// The new keys that it brings.
    pub fn rotations(&self) -> &[Rotation] {
        match self {
            Self::EndInvite { rotations, .. }
            | Self::ChangeRole { rotations, .. }
            | Self::Remove { rotations, .. }
            | Self::Rotate { rotations } => rotations,
            Self::NewSpace { first, .. } => std::slice::from_ref(first),
            _ => &[],
        }
    }
}
