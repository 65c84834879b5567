//! Who somebody is to a classroom: what they may read of it, and as whom they bring something.

use protocol::mischief::{Mischief, does};
use protocol::roster::{Role, Roster};
use protocol::{MemberId, SpaceId};

/// As what somebody opened a classroom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Member,
    /// With the secret of an open invite, which holds the keys of everyone's space.
    Invited,
    /// With the secret of an invite that asks first, or with the founding entry: reads the roster only.
    Visitor,
    /// Somebody who was removed, or left: reads the roster once more, to see that.
    Former,
}

/// Who brings an item, which others may have made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bringer {
    Member(MemberId),
    /// Whoever runs the relay, from a file. They vouch for late work as a lead does.
    Operator,
}

impl Bringer {
    pub(crate) fn is(self, member: &MemberId) -> bool {
        self == Self::Member(*member)
    }

    /// Whether they belong to the classroom.
    pub(crate) fn belongs(self, roster: &Roster) -> bool {
        match self {
            Self::Member(member) => roster.member(&member).is_some(),
            Self::Operator => true,
        }
    }

    pub(crate) fn is_staff(self, roster: &Roster) -> bool {
        match self {
            Self::Member(member) => roster
                .member(&member)
                .is_some_and(|member| member.role.is_staff()),
            Self::Operator => true,
        }
    }
}

/// The spaces whose items somebody may read. Roster entries are read by whoever reads anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Sees {
    /// A hub carries everything, and can open nothing.
    all: bool,
    spaces: Vec<SpaceId>,
}

impl Sees {
    pub(crate) fn new(roster: &Roster, member: &MemberId, access: Access) -> Self {
        let everyone = || Self {
            all: false,
            spaces: vec![SpaceId::EVERYONE],
        };
        match (roster.member(member), access) {
            (Some(member), _) if member.role == Role::Carrier => Self {
                all: true,
                spaces: Vec::new(),
            },
            (Some(_), _) => {
                let mut spaces = roster.spaces();
                spaces.extend([SpaceId::EVERYONE, SpaceId::STAFF]);
                spaces.retain(|space| roster.is_in_space(member, space));
                spaces.sort_unstable();
                spaces.dedup();
                Self { all: false, spaces }
            }
            (None, Access::Invited) => everyone(),
            (None, Access::Former) if does(Mischief::FormerServed) => everyone(),
            (None, _) => Self::default(),
        }
    }

    pub(crate) fn space(&self, space: &SpaceId) -> bool {
        self.all || self.spaces.contains(space)
    }

    /// Of an item's space; entries have none.
    pub(crate) fn item(&self, space: Option<&SpaceId>) -> bool {
        space.is_none_or(|space| self.space(space))
    }
}
