//! A classroom to test with: the same bytes in every run.

use std::convert::Infallible;
use std::sync::LazyLock;

use protocol::identity::{InviteKeys, MemberKeys, Seed};
use protocol::key::{EpochKey, SealedKey};
use protocol::rand_core::{TryCryptoRng, TryRng};
use protocol::roster::{Entry, Role};
use protocol::segment::{Header, Kind, Log, Segment};
use protocol::{ClassroomId, DocumentId, EntryHash, LaneId, SchoolId, SegmentHash, SpaceId};

/// Bytes that look random and are the same in every run: the BLAKE3 output stream of a label.
pub(crate) struct Stream(blake3::OutputReader);

impl Stream {
    pub(crate) fn new(label: &str) -> Self {
        Self(blake3::Hasher::new().update(label.as_bytes()).finalize_xof())
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Stream {}

pub(crate) const DOCUMENT: DocumentId = DocumentId([0xd0; 16]);
pub(crate) const NORTH: SchoolId = SchoolId([0x11; 16]);
pub(crate) const SOUTH: SchoolId = SchoolId([0x22; 16]);
pub(crate) const LANE: LaneId = LaneId([0xaa; 16]);
pub(crate) const INVITE_SECRET: [u8; 16] = [0x77; 16];
pub(crate) const EXPIRES: u64 = 1_800_000_000;
pub(crate) const ORIGIN: &str = "https://relay.example";
pub(crate) const CHALLENGE: [u8; 32] = [0xc4; 32];

pub(crate) fn person(number: u8) -> MemberKeys {
    MemberKeys::from_seed(&Seed::from_bytes([number; 16])).unwrap()
}

pub(crate) fn invite_keys() -> InviteKeys {
    InviteKeys::from_secret(&INVITE_SECRET).unwrap()
}

pub(crate) fn epoch_key() -> EpochKey {
    EpochKey::from_bytes([0xe0; 32])
}

pub(crate) fn sealed_to(keys: &MemberKeys, label: &str) -> SealedKey {
    SealedKey::seal(
        &epoch_key(),
        SpaceId::EVERYONE,
        0,
        &keys.exchange_key(),
        &mut Stream::new(label),
    )
    .unwrap()
}

/// Person 1 of the north founded, made an invite for students, and person 2 of the south joined by it.
pub(crate) struct Example {
    pub(crate) founding: Entry,
    pub(crate) invite: Entry,
    pub(crate) admission: Entry,
}

/// The one that tests share.
pub(crate) fn example() -> &'static Example {
    static EXAMPLE: LazyLock<Example> = LazyLock::new(Example::new);
    &EXAMPLE
}

impl Example {
    pub(crate) fn new() -> Self {
        let lead = person(1);
        let founding = Entry::found(
            &lead,
            NORTH,
            DOCUMENT,
            vec![sealed_to(&lead, "founding key")],
            &mut Stream::new("founding"),
        )
        .unwrap();
        let classroom = ClassroomId(founding.hash().0);
        let to_invite = SealedKey::seal(
            &epoch_key(),
            SpaceId::EVERYONE,
            0,
            &invite_keys().exchange_key(),
            &mut Stream::new("invite key"),
        )
        .unwrap();
        let invite = Entry::invite(
            &lead,
            classroom,
            vec![founding.hash()],
            &invite_keys(),
            Role::Student,
            30,
            EXPIRES,
            vec![to_invite],
        )
        .unwrap();
        let student = person(2);
        let admission = Entry::admit(
            &student,
            classroom,
            vec![invite.hash()],
            &invite_keys(),
            invite.hash(),
            SOUTH,
            vec![sealed_to(&student, "admission key")],
        )
        .unwrap();
        Self {
            founding,
            invite,
            admission,
        }
    }

    pub(crate) fn classroom(&self) -> ClassroomId {
        ClassroomId(self.founding.hash().0)
    }

    /// What person 2 writes: segment `index` after `previous`.
    pub(crate) fn segment(&self, index: u64, previous: SegmentHash, changes: &[Vec<u8>]) -> Segment {
        let keys = person(2);
        Segment::seal(
            &keys,
            &self.classroom(),
            header(
                Log {
                    document: DOCUMENT,
                    member: keys.id(),
                    lane: LANE,
                },
                index,
                self.admission.hash(),
            ),
            previous,
            &epoch_key(),
            changes,
            &mut Stream::new(&format!("segment {index}")),
        )
        .unwrap()
    }
}

pub(crate) fn header(log: Log, index: u64, roster: EntryHash) -> Header {
    Header {
        kind: Kind::Run,
        log,
        first: index,
        last: index,
        space: SpaceId::EVERYONE,
        epoch: 0,
        roster: vec![roster],
    }
}
