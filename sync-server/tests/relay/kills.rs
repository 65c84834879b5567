//! The program, killed at random moments while several members of several classrooms write, fold, make snapshots, and
//! bring everything back to a relay that lost its data.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use protocol::bounded::Bytes;
use protocol::frame::{self, ClientFrame, Position, RelayFrame};
use protocol::identity::{MemberKeys, answer_challenge};
use protocol::inventory::Wanted;
use protocol::roster::{Entry, Role};
use protocol::segment::{Header, Segment};
use protocol::snapshot::{self, Piece, Snapshot, coverage};
use protocol::{DocumentId, PieceHash, Refusal, SegmentHash};
use tokio::sync::Notify;

use crate::classroom::{Classroom, FAR, Lane, member, rng};
use crate::client::{CHANNEL, Client};
use crate::durability::{Program, is_sound};

const CLASSROOMS: usize = 3;
const MEMBERS: usize = 3;

/// How many submissions of one client wait for their answers at most.
const IN_FLIGHT: usize = 48;

/// How many snapshots of a document that nobody confirmed a relay keeps.
const KEPT_SNAPSHOTS: usize = 3;

/// How many more times it is killed until something of every kind was answered.
const MOST_MORE: usize = 40;

/// `MERIDIAN_KILLS` says how often; a few times unless it is set.
#[tokio::test]
async fn a_relay_that_is_killed_under_load_loses_nothing_and_repeats_no_position() {
    let kills = std::env::var("MERIDIAN_KILLS").map_or(4, |kills| kills.parse().unwrap());
    let data = tempfile::tempdir().unwrap();
    let classes: Vec<Class> = (0..CLASSROOMS).map(|_| Class::new()).collect();
    let mut writers: Vec<Writer<'_>> = classes
        .iter()
        .flat_map(|class| class.members.iter().map(|keys| Writer::new(class, keys)))
        .collect();
    let folds = |writers: &[Writer<'_>]| writers.iter().map(Writer::folds).sum::<usize>();
    let snapshots = |writers: &[Writer<'_>]| {
        let all = writers.iter().map(|writer| writer.snapshots.len());
        all.sum::<usize>()
    };
    let mut round = 0;
    // When it is killed is left to chance: so often, and then later each time until both kinds of rare items were answered.
    while round < kills || ((folds(&writers) == 0 || snapshots(&writers) == 0) && round < kills + MOST_MORE) {
        // Now and then the relay is an empty one.
        if round % 8 == 2 && round < kills {
            std::fs::remove_dir_all(data.path()).unwrap();
            classes.iter().for_each(Class::forget);
            writers.iter_mut().for_each(Writer::forget);
        }
        classes.iter().for_each(Class::begin);
        let relay = Program::run_with(data.path(), &["--submissions-at-once", "1000000"]);
        let address = relay.address;
        let longer = round.saturating_sub(kills) * 128;
        let alarm = Alarm::new(1 + usize::from(random::<2>()[0]) * 4 + longer);
        let sessions = join_all(writers.iter_mut().map(|writer| writer.session(address, &alarm)));
        let killing = async {
            alarm.rings.notified().await;
            // Not when an answer comes, but at any moment.
            let [low, high] = random();
            tokio::time::sleep(Duration::from_micros(
                u64::from(u16::from_be_bytes([low, high])) / 4,
            ))
            .await;
            drop(relay);
        };
        tokio::join!(sessions, killing);
        is_sound(data.path());
        round += 1;
    }
    // What was answered is there, and the rest comes.
    classes.iter().for_each(Class::begin);
    let relay = Program::run(data.path());
    let quiet = Alarm::new(usize::MAX);
    join_all(
        writers
            .iter_mut()
            .map(|writer| writer.last_session(relay.address, &quiet)),
    )
    .await;
    let (folds, snapshots) = (folds(&writers), snapshots(&writers));
    assert!(folds > 0 && snapshots > 0, "{folds} folds, {snapshots} snapshots");
    drop(relay);
    is_sound(data.path());
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// Rings after so many answers.
struct Alarm {
    left: Cell<usize>,
    rings: Notify,
}

impl Alarm {
    fn new(answers: usize) -> Self {
        Self {
            left: Cell::new(answers),
            rings: Notify::new(),
        }
    }

    fn answer(&self) {
        self.left.set(self.left.get().saturating_sub(1));
        if self.left.get() == 0 {
            self.rings.notify_one();
        }
    }
}

/// A classroom, and what anybody was told of it.
struct Class {
    classroom: Classroom,
    members: Vec<MemberKeys>,
    /// All but the founding.
    entries: Vec<Entry>,
    incarnation: Cell<Option<u64>>,
    /// What stands at each position.
    positions: Rc<RefCell<BTreeMap<u64, [u8; 32]>>>,
    /// The highest of them that anybody had seen when the relay was started.
    seen_before: Cell<u64>,
}

impl Class {
    fn new() -> Self {
        let classroom = Classroom::new();
        let mut members = vec![classroom.founder.clone()];
        let mut entries = Vec::new();
        while members.len() < MEMBERS {
            let (invite, keys) = (classroom.invite(Role::Student, 1, FAR), member());
            let admission = classroom.admit(&invite, &keys);
            entries.extend([invite.entry, admission]);
            members.push(keys);
        }
        Self {
            classroom,
            members,
            entries,
            incarnation: Cell::new(None),
            positions: Rc::default(),
            seen_before: Cell::new(0),
        }
    }

    /// A relay is started.
    fn begin(&self) {
        let seen = self.positions.borrow().keys().last().copied();
        self.seen_before.set(seen.unwrap_or(0));
    }

    fn forget(&self) {
        self.incarnation.set(None);
        self.positions.borrow_mut().clear();
    }

    /// No position is of two things.
    fn stands_at(&self, position: u64, name: [u8; 32]) {
        let known = self.positions.borrow_mut().insert(position, name);
        assert!(
            known.is_none_or(|known| known == name),
            "position {position} is given twice"
        );
    }

    /// What is stored now stands behind all that anybody saw before the relay was killed.
    fn is_stored_at(&self, position: u64, name: [u8; 32]) {
        let seen = self.seen_before.get();
        assert!(
            position > seen,
            "position {position} is given when {seen} was seen"
        );
        self.stands_at(position, name);
    }
}

/// What a submission is.
enum What {
    Entry([u8; 32]),
    /// What covers these indices of the own log.
    Part(Box<Segment>),
    Piece,
    Snapshot([u8; 32], Vec<PieceHash>),
}

/// A snapshot that was answered as stored.
struct Stored {
    position: u64,
    hash: [u8; 32],
    pieces: Vec<PieceHash>,
}

/// A member who writes one log, and remembers what the relay said about it.
struct Writer<'a> {
    class: &'a Class,
    keys: &'a MemberKeys,
    lane: Lane<'a>,
    runs: Vec<Segment>,
    /// What stands for the log now: folds, and runs behind them.
    parts: Vec<Segment>,
    /// Indices before this were answered as stored or held.
    answered: u64,
    /// Entries and snapshots that were.
    entries: HashSet<[u8; 32]>,
    snapshots: Vec<Stored>,
}

impl<'a> Writer<'a> {
    fn new(class: &'a Class, keys: &'a MemberKeys) -> Self {
        let of = |entry: &&Entry| entry.author() == keys.id();
        let head = class.entries.iter().find(of).unwrap_or(&class.classroom.founding);
        let mut lane = class.classroom.lane(keys, vec![head.hash()]);
        lane.log.document = DocumentId([9; 16]);
        Self {
            class,
            keys,
            lane,
            runs: Vec::new(),
            parts: Vec::new(),
            answered: 0,
            entries: HashSet::new(),
            snapshots: Vec::new(),
        }
    }

    /// The relay has nothing any more.
    fn forget(&mut self) {
        self.answered = 0;
        self.entries.clear();
        self.snapshots.clear();
    }

    fn folds(&self) -> usize {
        self.parts
            .iter()
            .filter(|part| part.header.first < part.header.last)
            .count()
    }

    /// Connects, compares, and goes on writing until the connection breaks.
    async fn session(&mut self, address: std::net::SocketAddr, alarm: &Alarm) {
        if let Some(mut session) = self.open(address, alarm).await {
            while self.go_on(&mut session, alarm).await.is_some() {}
        }
    }

    /// Connects, compares, and brings what is missing.
    async fn last_session(&mut self, address: std::net::SocketAddr, alarm: &Alarm) {
        let mut session = self.open(address, alarm).await.unwrap();
        while self.answered < self.lane.next || !session.waiting.is_empty() {
            self.hear(&mut session, alarm).await.unwrap();
        }
    }

    /// Opens the classroom and compares what is there with what was answered; then submits all that there is.
    async fn open(&mut self, address: std::net::SocketAddr, alarm: &Alarm) -> Option<Session> {
        let Classroom { id, founding, .. } = &self.class.classroom;
        let mut client = Client::dial(address, *id).await?;
        let channel = CHANNEL;
        let signature = answer_challenge(self.keys, &client.origin, &client.challenge);
        let member = self.keys.id();
        let since = self.class.incarnation.get();
        let since = since.map(|incarnation| Position {
            incarnation,
            index: 0,
        });
        let open = [
            ClientFrame::Answer { member, signature },
            ClientFrame::Open {
                channel,
                classroom: *id,
                since,
                roster: Vec::new(),
                invite: None,
            },
        ];
        send(&mut client, &open).await?;
        let mut session = Session {
            client,
            position: 0,
            waiting: HashMap::new(),
            submissions: 0,
            is_behind: true,
        };
        match session.client.try_next().await? {
            RelayFrame::Opened { from, .. } => {
                let known = self.class.incarnation.replace(Some(from.incarnation));
                assert!(
                    known.is_none_or(|known| known == from.incarnation),
                    "another incarnation"
                );
                self.compare(&mut session).await?;
            }
            RelayFrame::Closed { reason, .. } => {
                assert!(matches!(reason, Refusal::UnknownClassroom | Refusal::NotAMember));
                let is_known = match reason {
                    Refusal::NotAMember => self.entries.contains(&self.lane.heads[0].0),
                    _ => !self.entries.is_empty(),
                };
                assert!(
                    !is_known && self.answered == 0,
                    "the relay does not know the classroom any more: {reason:?}"
                );
                // An empty relay: whoever comes first brings everything.
                let entry = Bytes::new("entry", founding.encode().unwrap()).unwrap();
                let found = ClientFrame::Found {
                    channel,
                    entry,
                    token: None,
                };
                session.submissions = 1;
                session.waiting.insert(0, What::Entry(founding.hash().0));
                send(&mut session.client, &[found]).await?;
            }
            other => panic!("{other:?}"),
        }
        for entry in &self.class.entries {
            let bytes = Bytes::new("entry", entry.encode().unwrap()).unwrap();
            let frame = ClientFrame::Entry {
                channel,
                entry: bytes,
            };
            session.submit(What::Entry(entry.hash().0), frame).await?;
        }
        for part in self.parts.clone() {
            self.submit(&mut session, part, alarm).await?;
        }
        Some(session)
    }

    /// Catches up: everything that was answered is there.
    async fn compare(&self, session: &mut Session) -> Option<()> {
        let mut next = 0;
        let mut entries = HashSet::new();
        let mut snapshots = BTreeMap::new();
        while session.is_behind {
            let frame = session.client.try_next().await?;
            match &frame {
                RelayFrame::Entry { entry, .. } => {
                    entries.insert(Entry::decode(entry).unwrap().hash().0);
                }
                RelayFrame::Snapshot {
                    advance, snapshot, ..
                } => {
                    let hash = Snapshot::decode(snapshot).unwrap().hash(&self.class.classroom.id);
                    snapshots.insert(session.position + advance, hash.unwrap().0);
                }
                _ => {}
            }
            let Some(segment) = session.take(frame, self.class) else {
                continue;
            };
            let Header { log, first, last, .. } = segment.header;
            if log == self.lane.log {
                // Folds come at the place where they were stored, what they do not cover behind or before them.
                let hash = segment.chain_hash(&self.class.classroom.id).unwrap();
                let written = self.runs[last as usize].hash(&self.class.classroom.id).unwrap();
                assert_eq!(hash, written, "something else is there");
                next += last + 1 - first;
            }
        }
        assert!(next >= self.answered, "{next} of {} are there", self.answered);
        assert!(self.entries.is_subset(&entries), "an entry is gone");
        for stored in &self.snapshots {
            if snapshots.get(&stored.position) == Some(&stored.hash) {
                self.compare_pieces(session, stored).await?;
            } else {
                let newer = snapshots.range(stored.position + 1..).count();
                assert!(newer >= KEPT_SNAPSHOTS, "a snapshot is gone");
            }
        }
        Some(())
    }

    /// All pieces of a snapshot are there.
    async fn compare_pieces(&self, session: &mut Session, stored: &Stored) -> Option<()> {
        let wanted = Wanted {
            pieces: stored.pieces.clone(),
            ..Wanted::default()
        };
        let fetch = ClientFrame::Fetch {
            channel: CHANNEL,
            wanted: Box::new(wanted),
        };
        send(&mut session.client, &[fetch]).await?;
        let mut pieces = Vec::new();
        loop {
            match session.client.try_next().await? {
                RelayFrame::Piece { piece, .. } => {
                    pieces.push(Piece::decode(piece.into_vec()).unwrap().hash());
                }
                RelayFrame::Fetched { .. } => break,
                frame => drop(session.take(frame, self.class)),
            }
        }
        assert_eq!(pieces, stored.pieces, "a piece is gone");
        Some(())
    }

    /// Writes something more, or folds, or makes a snapshot; hears answers.
    async fn go_on(&mut self, session: &mut Session, alarm: &Alarm) -> Option<()> {
        let [dice] = random();
        let tail = self.tail();
        match dice {
            0..8 if self.answered == self.lane.next && self.answered > 0 => {
                self.make_snapshot(session).await?;
            }
            8..64 if tail.len() > 5 && self.answered == self.lane.next => {
                let (first, last) = (tail[0].header.first as usize, self.runs.len() - 1);
                let fold = self.lane.fold(&self.runs, first, last);
                self.submit(session, fold, alarm).await?;
            }
            _ => {
                let segment = self.lane.write(&format!("words under load, {dice}"));
                self.runs.push(segment.clone());
                self.parts.push(segment.clone());
                self.submit(session, segment, alarm).await?;
            }
        }
        if dice % 16 == 0 {
            while !session.waiting.is_empty() {
                self.hear(session, alarm).await?;
            }
        }
        Some(())
    }

    /// The runs behind the last fold.
    fn tail(&self) -> &[Segment] {
        let is_fold = |part: &Segment| part.header.first < part.header.last;
        let folded = self.parts.iter().rposition(is_fold).map_or(0, |last| last + 1);
        &self.parts[folded..]
    }

    async fn make_snapshot(&mut self, session: &mut Session) -> Option<()> {
        let Classroom { id, key, .. } = &self.class.classroom;
        let last = self.runs.last().unwrap();
        let document = last.header.log.document;
        let header = snapshot::Header {
            document,
            member: self.keys.id(),
            space: last.header.space,
            epoch: 0,
            roster: self.lane.heads.clone(),
            covers: coverage(
                &document,
                [(last.header.log, last.header.last + 1, last.hash(id).unwrap())],
            ),
        };
        let saved = [3; 40_000];
        let (snapshot, pieces) = Snapshot::seal(self.keys, id, header, key, &saved, &mut rng()).unwrap();
        let channel = CHANNEL;
        for piece in pieces {
            let piece = Bytes::new("piece", piece.into_bytes()).unwrap();
            session
                .submit(What::Piece, ClientFrame::Piece { channel, piece })
                .await?;
        }
        let what = What::Snapshot(snapshot.hash(id).unwrap().0, snapshot.pieces().to_vec());
        let snapshot = Bytes::new("snapshot", snapshot.encode().unwrap()).unwrap();
        session
            .submit(what, ClientFrame::Snapshot { channel, snapshot })
            .await
    }

    async fn submit(&mut self, session: &mut Session, part: Segment, alarm: &Alarm) -> Option<()> {
        while session.waiting.len() >= IN_FLIGHT {
            self.hear(session, alarm).await?;
        }
        let frame = session.client.segment_frame(&part);
        session.submit(What::Part(Box::new(part)), frame).await
    }

    /// Takes one frame.
    async fn hear(&mut self, session: &mut Session, alarm: &Alarm) -> Option<()> {
        let id = &self.class.classroom.id;
        let frame = session.client.try_next().await?;
        let (submission, stored) = match &frame {
            RelayFrame::Stored {
                submission, advance, ..
            } => (*submission, Some(*advance)),
            RelayFrame::Held { submission, .. } => (*submission, None),
            RelayFrame::Refused {
                reason, submission, ..
            } => {
                panic!("{reason:?} to {submission}")
            }
            RelayFrame::Opened { from, .. } => {
                self.class.incarnation.set(Some(from.incarnation));
                return Some(());
            }
            _ => {
                session.take(frame, self.class);
                return Some(());
            }
        };
        alarm.answer();
        let what = session
            .waiting
            .remove(&submission)
            .expect("an answer to something");
        let name = match &what {
            What::Entry(hash) | What::Snapshot(hash, _) => *hash,
            What::Part(segment) => segment.hash(id).unwrap().0,
            What::Piece => SegmentHash::NONE.0,
        };
        if let Some(advance) = stored {
            session.position += advance;
            self.class.is_stored_at(session.position, name);
        }
        match what {
            What::Part(segment) => {
                let Header { first, last, .. } = segment.header;
                assert!(
                    first <= self.answered,
                    "an answer before the one for what comes before"
                );
                self.answered = self.answered.max(last + 1);
                if first < last {
                    let of_fold = |part: &Segment| part.header.first >= first && part.header.last <= last;
                    let place = self.parts.iter().position(of_fold).expect("what it covers");
                    self.parts.retain(|part| !of_fold(part));
                    self.parts.insert(place, *segment);
                }
            }
            What::Snapshot(hash, pieces) => {
                assert!(stored.is_some(), "nobody else made this snapshot");
                self.snapshots.push(Stored {
                    position: session.position,
                    hash,
                    pieces,
                });
            }
            What::Entry(hash) => drop(self.entries.insert(hash)),
            What::Piece => {}
        }
        Some(())
    }
}

/// A connection on which the classroom is open.
struct Session {
    client: Client,
    position: u64,
    waiting: HashMap<u32, What>,
    submissions: u32,
    is_behind: bool,
}

impl Session {
    async fn submit(&mut self, what: What, frame: ClientFrame) -> Option<()> {
        self.waiting.insert(self.submissions, what);
        self.submissions += 1;
        send(&mut self.client, &[frame]).await
    }

    /// Takes something that is no answer. Answers with the segment, if it is one.
    fn take(&mut self, frame: RelayFrame, class: &Class) -> Option<Segment> {
        let id = &class.classroom.id;
        let (advance, name, segment) = match frame {
            RelayFrame::CaughtUp { .. } => {
                self.is_behind = false;
                return None;
            }
            RelayFrame::Entry { advance, entry, .. } => {
                (advance, Entry::decode(&entry).unwrap().hash().0, None)
            }
            RelayFrame::Segment { advance, segment, .. } => {
                let segment = self.client.unpack(*segment);
                (advance, segment.hash(id).unwrap().0, Some(segment))
            }
            RelayFrame::Snapshot {
                advance, snapshot, ..
            } => {
                let snapshot = Snapshot::decode(&snapshot).unwrap();
                (advance, snapshot.verify(id).unwrap().0, None)
            }
            // What went by unseen while they were no member yet is their own.
            RelayFrame::WantSnapshot { .. } | RelayFrame::Inventory { .. } => return None,
            other => panic!("{other:?}"),
        };
        self.position += advance;
        if advance > 0 {
            class.stands_at(self.position, name);
        }
        segment
    }
}

async fn send(client: &mut Client, frames: &[ClientFrame]) -> Option<()> {
    let frames = frames.iter().map(|frame| frame::encode(frame).unwrap());
    client.send_bytes(frames.collect::<Vec<_>>().concat()).await.ok()
}
