//! Somebody without an app who joins a classroom that an app has founded, as the app does, and writes there.

use std::net::SocketAddr;

use getrandom::SysRng;
use protocol::frame::{ClientFrame, RelayFrame};
use protocol::identity::MemberKeys;
use protocol::invite::InviteLink;
use protocol::key::{EpochKey, KeyName, SealedKey};
use protocol::rand_core::UnwrapErr;
use protocol::roster::{Entry, Roster};
use protocol::segment::{Body, Header, Kind, Log, Segment, fits};
use protocol::wire::{Packer, Unpacker};
use protocol::{ClassroomId, DocumentId, LaneId, SchoolId, SegmentHash, SpaceId};

use crate::client::{CHANNEL, Client};
use crate::{Result, classroom};

const SCHOOL: SchoolId = SchoolId([7; 16]);

/// A member who joined by an invite link, and has the classroom open.
pub(crate) struct Newcomer {
    pub(crate) client: Client,
    keys: MemberKeys,
    roster: Roster,
    key: EpochKey,
    name: KeyName,
    /// What there was when they came.
    segments: Vec<Segment>,
}

/// One document that a newcomer writes in.
pub(crate) struct Writing {
    log: Log,
    next: u64,
    previous: SegmentHash,
    packer: Packer,
}

impl Newcomer {
    pub(crate) async fn join(origin: &str, invite: &str, keys: MemberKeys) -> Result<Self> {
        let address: SocketAddr = origin.trim_start_matches("http://").parse()?;
        let link = InviteLink::parse(invite)?;
        let invite = link.keys()?;
        let mut client = Client::connect(address, origin, &keys).await?;
        let mut roster: Option<Roster> = None;
        let mut segments = Vec::new();
        let mut unpacker = Unpacker::default();
        for frame in client.open(link.classroom, Some(&invite)).await? {
            match frame {
                RelayFrame::Entry { entry, .. } => {
                    let entry = Entry::decode(&entry)?;
                    match &mut roster {
                        None => roster = Some(Roster::found(entry)?),
                        Some(roster) => {
                            roster.add(entry)?;
                        }
                    }
                }
                RelayFrame::Segment { segment, .. } => {
                    segments.push(unpacker.unpack(*segment, &link.classroom)?);
                }
                _ => {}
            }
        }
        let mut roster = roster.ok_or("the classroom has no roster")?;
        let inviting = roster.invite(&invite.id()).ok_or("the invite is unknown")?.entry;
        let name = roster
            .current_key(&SpaceId::EVERYONE)
            .ok_or("the classroom has no key")?;
        let sealed = roster.sealed_for(&invite.exchange_key());
        let sealed = sealed.iter().find(|sealed| sealed.name() == name);
        let sealed = sealed.ok_or("the invite has no key")?;
        let key = sealed.open(invite.exchange_secret(), &invite.exchange_key())?;

        let mut rng = UnwrapErr(SysRng);
        let own = SealedKey::seal(&key, name.space, name.epoch, &keys.exchange_key(), &mut rng)?;
        let heads = roster.heads().copied().collect();
        let admission = Entry::admit(&keys, link.classroom, heads, &invite, inviting, SCHOOL, vec![own])?;
        roster.add(admission.clone())?;
        client.submit_entries(&[admission]).await?;
        Ok(Self {
            client,
            keys,
            roster,
            key,
            name,
            segments,
        })
    }

    pub(crate) fn classroom(&self) -> ClassroomId {
        self.roster.classroom()
    }

    /// The changes of a document that were there when they came.
    pub(crate) fn changes(&self, document: &DocumentId) -> Result<Vec<Vec<u8>>> {
        let mut changes = Vec::new();
        for segment in &self.segments {
            if segment.header.log.document == *document {
                match segment.open(&self.classroom(), &self.key)? {
                    Body::Changes(mut made) => changes.append(&mut made),
                    Body::Bundle(bundle) => {
                        changes.append(&mut documents::fold::unfold(
                            &bundle,
                            documents::fold::Limits::FOLD,
                        )?);
                    }
                }
            }
        }
        Ok(changes)
    }

    /// Begins to write in a document.
    pub(crate) fn begin(&self, document: DocumentId) -> Writing {
        Writing {
            log: Log {
                document,
                member: self.keys.id(),
                lane: LaneId([1; 16]),
            },
            next: 0,
            previous: SegmentHash::NONE,
            packer: Packer::default(),
        }
    }

    /// Sends changes, in as few segments as they fit into, and says how many these are.
    pub(crate) async fn send(&mut self, writing: &mut Writing, changes: &[Vec<u8>]) -> Result<usize> {
        let mut rest = changes;
        let mut sent = 0;
        while !rest.is_empty() {
            let mut count = 1;
            while count < rest.len() && fits(&rest[..count + 1]) {
                count += 1;
            }
            let (run, behind) = rest.split_at(count);
            rest = behind;
            let segment = self.seal(writing, run)?;
            let hash = segment.hash(&self.classroom())?;
            let on_wire = Box::new(writing.packer.pack(&segment, hash));
            writing.next += 1;
            writing.previous = hash;
            let channel = CHANNEL;
            let frame = ClientFrame::Segment {
                channel,
                segment: on_wire,
            };
            self.client.send(&[frame]).await?;
            sent += 1;
        }
        Ok(sent)
    }

    fn seal(&self, writing: &Writing, changes: &[Vec<u8>]) -> Result<Segment> {
        let header = Header {
            kind: Kind::Run,
            log: writing.log,
            first: writing.next,
            last: writing.next,
            space: self.name.space,
            epoch: self.name.epoch,
            roster: self.roster.heads_for(&self.keys.id()),
        };
        Ok(Segment::seal(
            &self.keys,
            &self.classroom(),
            header,
            writing.previous,
            &self.key,
            changes,
            &mut UnwrapErr(SysRng),
        )?)
    }
}

impl Writing {
    /// The Automerge actor that writes here.
    pub(crate) fn actor(&self) -> [u8; 16] {
        self.log.actor()
    }
}

/// Somebody new joins.
pub(crate) async fn join(origin: &str, invite: &str) -> Result<Newcomer> {
    Newcomer::join(origin, invite, classroom::newcomer()?).await
}
