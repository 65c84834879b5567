//! A classroom's people, and what they write.

use getrandom::SysRng;
use protocol::identity::{InviteKeys, MemberKeys, Seed};
use protocol::invite::InviteLink;
use protocol::key::{EpochKey, SealedKey};
use protocol::rand_core::UnwrapErr;
use protocol::roster::{Entry, Role};
use protocol::segment::{Header, Kind, Log, Segment};
use protocol::{ClassroomId, DocumentId, EntryHash, LaneId, MemberId, SchoolId, SegmentHash, SpaceId};

pub(crate) const FAR: u64 = 4_000_000_000;

/// The school of all but the founder, unless a test says otherwise.
pub(crate) const SCHOOL: SchoolId = SchoolId([3; 16]);

pub(crate) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

pub(crate) fn member() -> MemberKeys {
    MemberKeys::from_seed(&Seed::random(&mut rng())).unwrap()
}

/// A classroom as its founder knows it.
#[derive(Clone)]
pub(crate) struct Classroom {
    pub(crate) founder: MemberKeys,
    pub(crate) founding: Entry,
    pub(crate) id: ClassroomId,
    pub(crate) key: EpochKey,
}

/// An invite as its maker knows it.
pub(crate) struct Invite {
    pub(crate) entry: Entry,
    pub(crate) keys: InviteKeys,
}

impl Classroom {
    pub(crate) fn new() -> Self {
        let founder = member();
        let key = EpochKey::random(&mut rng());
        // One key does for both spaces here.
        let sealed = [SpaceId::EVERYONE, SpaceId::STAFF]
            .map(|space| SealedKey::seal(&key, space, 0, &founder.exchange_key(), &mut rng()).unwrap());
        let founding = Entry::found(
            &founder,
            SchoolId([1; 16]),
            DocumentId([2; 16]),
            sealed.to_vec(),
            &mut rng(),
        )
        .unwrap();
        Self {
            id: ClassroomId(founding.hash().0),
            founder,
            founding,
            key,
        }
    }

    /// An invite that knows only of the founding.
    pub(crate) fn invite(&self, role: Role, uses: u32, expires: u64) -> Invite {
        let keys = InviteLink::random(self.id, &mut rng()).keys().unwrap();
        let parents = vec![self.founding.hash()];
        let entry = Entry::invite(
            &self.founder,
            self.id,
            parents,
            &keys,
            role,
            uses,
            expires,
            Vec::new(),
        )
        .unwrap();
        Invite { entry, keys }
    }

    pub(crate) fn admit(&self, invite: &Invite, member: &MemberKeys) -> Entry {
        self.admit_from(SCHOOL, invite, member)
    }

    pub(crate) fn admit_from(&self, school: SchoolId, invite: &Invite, member: &MemberKeys) -> Entry {
        let entry = invite.entry.hash();
        Entry::admit(
            member,
            self.id,
            vec![entry],
            &invite.keys,
            entry,
            school,
            Vec::new(),
        )
        .unwrap()
    }

    /// A lane of `author`, who knows these roster heads.
    pub(crate) fn lane<'a>(&'a self, author: &'a MemberKeys, heads: Vec<EntryHash>) -> Lane<'a> {
        let mut lane = [0; 16];
        getrandom::fill(&mut lane).unwrap();
        Lane {
            classroom: self,
            author,
            log: log(author.id(), lane),
            heads,
            next: 0,
            previous: SegmentHash::NONE,
        }
    }
}

pub(crate) fn log(member: MemberId, lane: [u8; 16]) -> Log {
    Log {
        document: DocumentId([9; 16]),
        member,
        lane: LaneId(lane),
    }
}

/// Writes one segment after the other.
#[derive(Clone)]
pub(crate) struct Lane<'a> {
    pub(crate) classroom: &'a Classroom,
    pub(crate) author: &'a MemberKeys,
    pub(crate) log: Log,
    pub(crate) heads: Vec<EntryHash>,
    pub(crate) next: u64,
    pub(crate) previous: SegmentHash,
}

impl Lane<'_> {
    /// The next segment, holding `text`.
    pub(crate) fn write(&mut self, text: &str) -> Segment {
        self.write_bytes(text.as_bytes().to_vec())
    }

    pub(crate) fn write_bytes(&mut self, change: Vec<u8>) -> Segment {
        let segment = self.seal(SpaceId::EVERYONE, 0, change);
        self.previous = segment.hash(&self.classroom.id).unwrap();
        self.next += 1;
        segment
    }

    /// A fold of the segments from `first` to `last`, which were written like this.
    pub(crate) fn fold(&self, written: &[Segment], first: usize, last: usize) -> Segment {
        let Classroom { id, key, .. } = self.classroom;
        let header = Header {
            kind: Kind::Fold {
                covered: written[last].hash(id).unwrap(),
            },
            first: first as u64,
            last: last as u64,
            ..written[first].header.clone()
        };
        let previous = written[first].previous;
        Segment::seal_fold(self.author, id, header, previous, key, vec![7; 40], &mut rng()).unwrap()
    }

    /// A segment at the next index, without going on.
    pub(crate) fn seal(&self, space: SpaceId, epoch: u32, change: Vec<u8>) -> Segment {
        let header = Header {
            kind: Kind::Run,
            log: self.log,
            first: self.next,
            last: self.next,
            space,
            epoch,
            roster: self.heads.clone(),
        };
        let Classroom { id, key, .. } = self.classroom;
        Segment::seal(self.author, id, header, self.previous, key, &[change], &mut rng()).unwrap()
    }
}
