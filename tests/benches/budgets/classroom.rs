//! Classrooms, their members and what they write, without an app.

use getrandom::SysRng;
use protocol::identity::{MemberKeys, Seed};
use protocol::invite::InviteLink;
use protocol::key::{EpochKey, SealedKey};
use protocol::rand_core::UnwrapErr;
use protocol::roster::{Entry, Role};
use protocol::segment::{Header, Kind, Log, Segment};
use protocol::{ClassroomId, DocumentId, EntryHash, LaneId, SchoolId, SegmentHash, SpaceId};

use crate::Result;
use crate::client::Client;
use crate::server::Server;

const DOCUMENT: DocumentId = DocumentId([2; 16]);
const SCHOOL: SchoolId = SchoolId([1; 16]);
const NEVER: u64 = 4_000_000_000;
/// About an Automerge change of one typed letter.
const CHANGE: usize = 90;

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// The keys of somebody new.
pub(crate) fn newcomer() -> Result<MemberKeys> {
    Ok(MemberKeys::from_seed(&Seed::random(&mut rng()))?)
}

/// A classroom on the relay.
pub(crate) struct Classroom {
    pub(crate) id: ClassroomId,
    /// The first one founded it.
    pub(crate) members: Vec<MemberKeys>,
    key: EpochKey,
    heads: Vec<EntryHash>,
}

impl Classroom {
    /// Founds one on the relay and lets in as many as are missing.
    pub(crate) async fn found(server: &Server, members: usize) -> Result<Self> {
        let founder = newcomer()?;
        let key = EpochKey::random(&mut rng());
        let sealed = SealedKey::seal(&key, SpaceId::EVERYONE, 0, &founder.exchange_key(), &mut rng())?;
        let founding = Entry::found(&founder, SCHOOL, DOCUMENT, vec![sealed], &mut rng())?;
        let id = ClassroomId(founding.hash().0);
        let mut connection = server.connect(&founder).await?;
        connection.found(&founding).await?;

        let invite = InviteLink::random(id, &mut rng()).keys()?;
        let parents = vec![founding.hash()];
        let uses = u32::try_from(members)?;
        let inviting = Entry::invite(
            &founder,
            id,
            parents,
            &invite,
            Role::Student,
            uses,
            NEVER,
            Vec::new(),
        )?;
        let mut heads = vec![inviting.hash()];
        let mut entries = vec![inviting.clone()];
        let mut all = vec![founder];
        while all.len() < members {
            let keys = newcomer()?;
            let admission = Entry::admit(&keys, id, heads, &invite, inviting.hash(), SCHOOL, Vec::new())?;
            heads = vec![admission.hash()];
            entries.push(admission);
            all.push(keys);
        }
        connection.submit_entries(&entries).await?;
        Ok(Self {
            id,
            members: all,
            key,
            heads,
        })
    }

    /// Connects a member and opens the classroom.
    pub(crate) async fn open(&self, server: &Server, member: usize) -> Result<Client> {
        let mut client = server.connect(&self.members[member]).await?;
        client.open(self.id, None).await?;
        Ok(client)
    }

    /// As many segments as a member's tab would make of so many flushed keystrokes. The lane names the member.
    pub(crate) fn write(&self, member: usize, flushes: usize) -> Result<Vec<Segment>> {
        let mut previous = SegmentHash::NONE;
        let mut segments = Vec::new();
        for index in 0..flushes as u64 {
            let segment = self.seal(member, index, previous, &[vec![7; CHANGE]])?;
            previous = segment.hash(&self.id)?;
            segments.push(segment);
        }
        Ok(segments)
    }

    /// The segment at `index` of a member's log.
    pub(crate) fn seal(
        &self,
        member: usize,
        index: u64,
        previous: SegmentHash,
        changes: &[Vec<u8>],
    ) -> Result<Segment> {
        let header = self.header(member, Kind::Run, index, index)?;
        let author = &self.members[member];
        Ok(Segment::seal(
            author,
            &self.id,
            header,
            previous,
            &self.key,
            changes,
            &mut rng(),
        )?)
    }

    /// The fold of a member's log from its start to `last`, whose hash is `covered`.
    pub(crate) fn fold(
        &self,
        member: usize,
        last: u64,
        covered: SegmentHash,
        changes: &[Vec<u8>],
    ) -> Result<Segment> {
        let header = self.header(member, Kind::Fold { covered }, 0, last)?;
        let author = &self.members[member];
        let bundle = documents::fold::fold(changes)?;
        let previous = SegmentHash::NONE;
        Ok(Segment::seal_fold(
            author,
            &self.id,
            header,
            previous,
            &self.key,
            bundle,
            &mut rng(),
        )?)
    }

    pub(crate) fn log(&self, member: usize) -> Result<Log> {
        Ok(Log {
            document: DOCUMENT,
            member: self.members[member].id(),
            lane: LaneId([u8::try_from(member)?; 16]),
        })
    }

    fn header(&self, member: usize, kind: Kind, first: u64, last: u64) -> Result<Header> {
        Ok(Header {
            kind,
            log: self.log(member)?,
            first,
            last,
            space: SpaceId::EVERYONE,
            epoch: 0,
            roster: self.heads.clone(),
        })
    }
}
