//! A relay and its clients in one thread, driven by hand.

use std::sync::Arc;
use std::time::Duration;

use protocol::bounded::Bytes;
use protocol::frame::{self, ClientFrame, Position, RelayFrame};
use protocol::identity::{Challenge, MemberKeys, answer_challenge};
use protocol::inventory::{Inventory, Wanted};
use protocol::key::EpochKey;
use protocol::receipt::Receipt;
use protocol::roster::{Action, Cutoff, Entry, Removal, Role, Roster, Rotation};
use protocol::segment::Segment;
use protocol::snapshot::{Piece, Snapshot};
use protocol::verdict::Verdict;
use protocol::wire::{Packer, Unpacker};
use protocol::{ClassroomId, EntryHash, MemberId, Refusal, SchoolId, SpaceId};
use sync_server::Limits;
use sync_server::core::{Moment, Relay, Rules, Sent, SessionId};
use sync_server::store::Memory;

use crate::classroom::{Classroom, FAR, SCHOOL, member, rng};
use crate::client::CHANNEL;

pub(crate) const ORIGIN: &str = "https://relay.example";

pub(crate) const NOW: Moment = Moment {
    elapsed: Duration::ZERO,
    clock: 1_800_000_000,
};

pub(crate) fn start(store: &Memory) -> Relay {
    start_with(store, Limits::default())
}

pub(crate) fn start_with(store: &Memory, limits: Limits) -> Relay {
    Relay::new(Arc::new(store.clone()), Rules::new(limits))
}

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Stored,
    Held,
    Refused(Refusal),
}

/// A client of a relay that runs here.
pub(crate) struct Client {
    pub(crate) session: SessionId,
    classroom: ClassroomId,
    packer: Packer,
    unpacker: Unpacker,
}

impl Client {
    pub(crate) fn connect(relay: &mut Relay, keys: &MemberKeys, classroom: ClassroomId) -> Self {
        let challenge: Challenge = [5; 32];
        let session = relay.connect(vec![ORIGIN.to_owned()], challenge, NOW);
        let mut client = Self {
            session,
            classroom,
            packer: Packer::default(),
            unpacker: Unpacker::default(),
        };
        client.send(
            relay,
            &ClientFrame::Answer {
                member: keys.id(),
                signature: answer_challenge(keys, ORIGIN, &challenge),
            },
        );
        assert!(matches!(client.hear(relay)[..], [RelayFrame::Challenge { now, .. }] if now == NOW.clock));
        client
    }

    /// Connects and submits the founding entry.
    pub(crate) fn found(relay: &mut Relay, classroom: &Classroom) -> Self {
        Self::found_as(relay, classroom, &classroom.founder)
    }

    pub(crate) fn found_as(relay: &mut Relay, classroom: &Classroom, keys: &MemberKeys) -> Self {
        let mut client = Self::connect(relay, keys, classroom.id);
        let entry = Bytes::new("entry", classroom.founding.encode().unwrap()).unwrap();
        client.send(
            relay,
            &ClientFrame::Found {
                channel: CHANNEL,
                entry,
                token: None,
            },
        );
        client
    }

    /// Connects and opens the classroom from the beginning.
    pub(crate) fn open(relay: &mut Relay, keys: &MemberKeys, classroom: ClassroomId) -> Self {
        Self::open_since(relay, keys, classroom, None)
    }

    pub(crate) fn open_since(
        relay: &mut Relay,
        keys: &MemberKeys,
        classroom: ClassroomId,
        since: Option<Position>,
    ) -> Self {
        Self::open_knowing(relay, keys, classroom, since, Vec::new())
    }

    /// The same, by somebody who says which heads of the roster they know.
    pub(crate) fn open_knowing(
        relay: &mut Relay,
        keys: &MemberKeys,
        classroom: ClassroomId,
        since: Option<Position>,
        roster: Vec<EntryHash>,
    ) -> Self {
        let mut client = Self::connect(relay, keys, classroom);
        client.send(
            relay,
            &ClientFrame::Open {
                channel: CHANNEL,
                classroom,
                since,
                roster,
                invite: None,
            },
        );
        client
    }

    pub(crate) fn send(&mut self, relay: &mut Relay, frame: &ClientFrame) {
        relay.receive(self.session, frame::encode(frame).unwrap(), NOW);
    }

    pub(crate) fn submit(&mut self, relay: &mut Relay, segment: &Segment) {
        let hash = segment.hash(&self.classroom).unwrap();
        let segment = Box::new(self.packer.pack(segment, hash));
        self.send(
            relay,
            &ClientFrame::Segment {
                channel: CHANNEL,
                segment,
            },
        );
    }

    /// Everything that the relay has to say by now.
    pub(crate) fn hear(&mut self, relay: &mut Relay) -> Vec<RelayFrame> {
        let mut frames = Vec::new();
        while let Sent::Message(message) = relay.send(self.session) {
            frames.extend(frame::decode(&message).map(|frame| frame.unwrap()));
        }
        frames
    }

    /// The segments among what the relay has to say.
    pub(crate) fn segments(&mut self, relay: &mut Relay) -> Vec<Segment> {
        let mut segments = Vec::new();
        for frame in self.hear(relay) {
            if let RelayFrame::Segment { segment, .. } = frame {
                segments.push(self.unpacker.unpack(*segment, &self.classroom).unwrap());
            }
        }
        segments
    }

    /// Submits by itself, commits, and tells what became of it.
    pub(crate) fn store(&mut self, relay: &mut Relay, segment: &Segment) -> Outcome {
        self.submit(relay, segment);
        self.outcome(relay)
    }

    pub(crate) fn store_entry(&mut self, relay: &mut Relay, entry: &Entry) -> Outcome {
        self.submit_entry(relay, entry);
        self.outcome(relay)
    }

    pub(crate) fn submit_entry(&mut self, relay: &mut Relay, entry: &Entry) {
        let entry = Bytes::new("entry", entry.encode().unwrap()).unwrap();
        self.send(
            relay,
            &ClientFrame::Entry {
                channel: CHANNEL,
                entry,
            },
        );
    }

    /// The same of one that erases a document whose author has everything up to a position.
    pub(crate) fn store_erase(&mut self, relay: &mut Relay, entry: &Entry, upto: u64) -> Outcome {
        self.submit_erase(relay, entry, upto);
        self.outcome(relay)
    }

    pub(crate) fn submit_erase(&mut self, relay: &mut Relay, entry: &Entry, upto: u64) {
        let frame = ClientFrame::Erase {
            channel: CHANNEL,
            upto,
            entry: Bytes::new("entry", entry.encode().unwrap()).unwrap(),
        };
        self.send(relay, &frame);
    }

    pub(crate) fn store_snapshot(&mut self, relay: &mut Relay, snapshot: &Snapshot) -> Outcome {
        let snapshot = Bytes::new("snapshot", snapshot.encode().unwrap()).unwrap();
        self.store_frame(
            relay,
            &ClientFrame::Snapshot {
                channel: CHANNEL,
                snapshot,
            },
        )
    }

    pub(crate) fn store_piece(&mut self, relay: &mut Relay, piece: &Piece) -> Outcome {
        let piece = Bytes::new("piece", piece.as_bytes().to_vec()).unwrap();
        self.store_frame(
            relay,
            &ClientFrame::Piece {
                channel: CHANNEL,
                piece,
            },
        )
    }

    pub(crate) fn store_verdict(&mut self, relay: &mut Relay, verdict: &Verdict) -> Outcome {
        self.submit_verdict(relay, verdict);
        self.outcome(relay)
    }

    pub(crate) fn submit_verdict(&mut self, relay: &mut Relay, verdict: &Verdict) {
        let verdict = Bytes::new("verdict", verdict.encode().unwrap()).unwrap();
        self.send(
            relay,
            &ClientFrame::Verdict {
                channel: CHANNEL,
                verdict,
            },
        );
    }

    pub(crate) fn store_receipt(&mut self, relay: &mut Relay, receipt: &Receipt) -> Outcome {
        let receipt = Bytes::new("receipt", receipt.encode().unwrap()).unwrap();
        self.store_frame(
            relay,
            &ClientFrame::Receipt {
                channel: CHANNEL,
                receipt,
            },
        )
    }

    fn store_frame(&mut self, relay: &mut Relay, frame: &ClientFrame) -> Outcome {
        self.send(relay, frame);
        self.outcome(relay)
    }

    fn outcome(&mut self, relay: &mut Relay) -> Outcome {
        while relay.commit(NOW).unwrap() > 0 {}
        let mut outcomes = self.hear(relay).into_iter().filter_map(|frame| match frame {
            RelayFrame::Stored { .. } => Some(Outcome::Stored),
            RelayFrame::Held { .. } => Some(Outcome::Held),
            RelayFrame::Refused { reason, .. } => Some(Outcome::Refused(reason)),
            _ => None,
        });
        let outcome = outcomes.next().expect("an answer");
        assert_eq!(outcomes.next(), None);
        outcome
    }

    /// Asks what there is.
    pub(crate) fn inventory(&mut self, relay: &mut Relay) -> Inventory {
        self.hear(relay);
        self.send(relay, &ClientFrame::Inventory { channel: CHANNEL });
        match &self.hear(relay)[..] {
            [RelayFrame::Inventory { part, last: true, .. }] => part.as_ref().clone(),
            other => panic!("not an inventory: {other:?}"),
        }
    }

    /// Asks for items; answers with what came before the sign that this is all.
    pub(crate) fn fetch(&mut self, relay: &mut Relay, wanted: Wanted) -> Vec<RelayFrame> {
        self.hear(relay);
        let wanted = Box::new(wanted);
        self.send(
            relay,
            &ClientFrame::Fetch {
                channel: CHANNEL,
                wanted,
            },
        );
        let mut frames = self.hear(relay);
        assert_eq!(frames.pop(), Some(RelayFrame::Fetched { channel: CHANNEL }));
        frames
    }

    pub(crate) fn unpack(&mut self, frames: Vec<RelayFrame>) -> Vec<Segment> {
        let segments = frames.into_iter().filter_map(|frame| match frame {
            RelayFrame::Segment {
                segment, advance: 0, ..
            } => Some(*segment),
            _ => None,
        });
        let segments: Vec<_> = segments.collect();
        let classroom = self.classroom;
        segments
            .into_iter()
            .map(|segment| self.unpacker.unpack(segment, &classroom).unwrap())
            .collect()
    }
}

/// A relay with a classroom on it, whose founder is connected.
pub(crate) struct World {
    pub(crate) store: Memory,
    pub(crate) relay: Relay,
    pub(crate) classroom: Classroom,
    pub(crate) roster: Roster,
    pub(crate) founder: Client,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let classroom = Classroom::new();
        let store = Memory::new(7);
        let mut relay = start_with(&store, limits);
        let mut founder = Client::found(&mut relay, &classroom);
        relay.commit(NOW).unwrap();
        founder.hear(&mut relay);
        let roster = Roster::found(classroom.founding.clone()).unwrap();
        Self {
            store,
            relay,
            classroom,
            roster,
            founder,
        }
    }

    pub(crate) fn heads(&self) -> Vec<EntryHash> {
        self.roster.heads().copied().collect()
    }

    /// Somebody joins.
    pub(crate) fn join(&mut self, role: Role) -> MemberKeys {
        self.join_from(SCHOOL, role)
    }

    pub(crate) fn join_from(&mut self, school: SchoolId, role: Role) -> MemberKeys {
        let keys = member();
        let invite = self.classroom.invite(role, 1, FAR);
        let admission = self.classroom.admit_from(school, &invite, &keys);
        for entry in [invite.entry, admission] {
            self.roster.add(entry.clone()).unwrap();
            assert_eq!(self.founder.store_entry(&mut self.relay, &entry), Outcome::Stored);
        }
        keys
    }

    /// The founder acts, and the relay takes it.
    pub(crate) fn lead(&mut self, action: Action) -> Entry {
        let entry = Entry::act(&self.classroom.founder, self.classroom.id, self.heads(), action).unwrap();
        self.roster.add(entry.clone()).unwrap();
        assert_eq!(self.founder.store_entry(&mut self.relay, &entry), Outcome::Stored);
        entry
    }

    /// What removes a member whose logs count up to these.
    pub(crate) fn removal(&self, member: MemberId, cutoffs: Vec<Cutoff>) -> Action {
        let members = vec![Removal { member, cutoffs }];
        let without = Action::Remove {
            members: members.clone(),
            rotations: Vec::new(),
        };
        let author = self.classroom.founder.id();
        let spaces = self.roster.spaces();
        let left = spaces
            .into_iter()
            .filter(|space| self.roster.is_in_space(&member, space));
        let rotations = left.map(|space| {
            let recipients = self.roster.recipients_after(&author, &without, &space);
            rotation(&self.classroom, space, recipients)
        });
        Action::Remove {
            rotations: rotations.collect(),
            members,
        }
    }
}

/// The first rotation of a space.
pub(crate) fn rotation(
    classroom: &Classroom,
    space: SpaceId,
    recipients: Vec<protocol::ExchangeKey>,
) -> Rotation {
    let key = EpochKey::random(&mut rng());
    Rotation::new(&key, space, 1, [(0, &classroom.key)], recipients, &mut rng()).unwrap()
}
