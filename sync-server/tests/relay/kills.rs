//! The program, killed at random moments while several members of several classrooms write, fold, make snapshots and say that those
//! of others match, give receipts, bring chunks and erase, and bring everything back to a relay that lost its data.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use protocol::attachment::{Chunk, claim};
use protocol::bounded::Bytes;
use protocol::frame::{self, ClientFrame, Position, RelayFrame};
use protocol::identity::{MemberKeys, answer_challenge};
use protocol::inventory::Wanted;
use protocol::receipt::{self, Receipt};
use protocol::roster::{Action, Entry, Role};
use protocol::segment::{Header, Segment};
use protocol::snapshot::{self, Piece, Snapshot, coverage};
use protocol::verdict::{Statement, Verdict};
use protocol::{DocumentId, PieceHash, Refusal, SegmentHash, SnapshotHash, SpaceId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::attachments::{address_of, chunk, claimed, head};
use crate::classroom::{Classroom, FAR, Lane, member, rng};
use crate::client::{CHANNEL, Client};
use crate::durability::{Program, is_sound};

const PAGE: DocumentId = DocumentId([9; 16]);

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
    let mut round = 0;
    let mut answered = Answered::default();
    // When it is killed is left to chance: so often, and then later each time until each kind of rare items was answered.
    while round < kills || (!answered.is_of_each_kind() && round < kills + MOST_MORE) {
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
        answered = writers.iter().fold(Answered::default(), Answered::with);
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
    println!("killed {round} times: {answered:?}");
    assert!(answered.is_of_each_kind(), "{answered:?}");
    drop(relay);
    is_sound(data.path());
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// How many of the rarer items were answered as stored, over all relays.
#[derive(Debug, Default)]
struct Answered {
    folds: usize,
    snapshots: usize,
    verdicts: usize,
    receipts: usize,
    chunks: usize,
    erasures: usize,
}

impl Answered {
    fn with(self, writer: &Writer<'_>) -> Self {
        Self {
            folds: self.folds + writer.folds(),
            snapshots: self.snapshots + writer.stored.snapshots,
            verdicts: self.verdicts + writer.stored.verdicts,
            receipts: self.receipts + writer.stored.receipts,
            chunks: self.chunks + writer.stored.chunks,
            erasures: self.erasures + writer.stored.erasures,
        }
    }

    fn is_of_each_kind(&self) -> bool {
        let Self {
            folds,
            snapshots,
            verdicts,
            receipts,
            chunks,
            erasures,
        } = self;
        let all = [folds, snapshots, verdicts, receipts, chunks, erasures];
        all.into_iter().all(|kind| *kind > 0)
    }
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
    Verdict(SnapshotHash),
    Receipt([u8; 32], u64),
    /// A segment of a document that is going to be erased.
    Doomed([u8; 32]),
}

/// A document that is erased, with a chunk that belonged to it.
struct Erasure {
    document: DocumentId,
    entry: Entry,
    chunk: Chunk,
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
    /// Snapshots of others of which this one said that they match; and those of which they may.
    verdicts: HashSet<SnapshotHash>,
    unjudged: Vec<SnapshotHash>,
    /// How many receipts there are, and the last that was answered.
    receipts: u64,
    receipt: u64,
    chunks: Vec<Chunk>,
    /// In the order in which they were made; they count once their entries were answered.
    erasures: Vec<Erasure>,
    stored: Answered,
}

impl<'a> Writer<'a> {
    fn new(class: &'a Class, keys: &'a MemberKeys) -> Self {
        let of = |entry: &&Entry| entry.author() == keys.id();
        let head = class.entries.iter().find(of).unwrap_or(&class.classroom.founding);
        let mut lane = class.classroom.lane(keys, vec![head.hash()]);
        lane.log.document = PAGE;
        Self {
            class,
            keys,
            lane,
            runs: Vec::new(),
            parts: Vec::new(),
            answered: 0,
            entries: HashSet::new(),
            snapshots: Vec::new(),
            verdicts: HashSet::new(),
            unjudged: Vec::new(),
            receipts: 0,
            receipt: 0,
            chunks: Vec::new(),
            erasures: Vec::new(),
            stored: Answered::default(),
        }
    }

    /// The relay has nothing any more.
    fn forget(&mut self) {
        self.answered = 0;
        self.entries.clear();
        self.snapshots.clear();
        self.verdicts.clear();
        self.unjudged.clear();
        self.receipt = 0;
        self.chunks.clear();
    }

    fn folds(&self) -> usize {
        self.parts
            .iter()
            .filter(|part| part.header.first < part.header.last)
            .count()
    }

    /// Connects, compares, and goes on writing until the connection breaks.
    async fn session(&mut self, address: SocketAddr, alarm: &Alarm) {
        if let Some(mut session) = self.open(address, alarm).await {
            while self.go_on(&mut session, alarm).await.is_some() {}
        }
    }

    /// Connects, compares, and brings what is missing.
    async fn last_session(&mut self, address: SocketAddr, alarm: &Alarm) {
        let mut session = self.open(address, alarm).await.unwrap();
        while self.answered < self.lane.next || !session.waiting.is_empty() {
            self.hear(&mut session, alarm).await.unwrap();
        }
    }

    /// Opens the classroom and compares what is there with what was answered; then submits all that there is.
    async fn open(&mut self, address: SocketAddr, alarm: &Alarm) -> Option<Session> {
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
            address,
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
        let erasures = self.erasures.iter().map(|erasure| &erasure.entry);
        for entry in self.class.entries.iter().chain(erasures) {
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
        let (mut verdicts, mut receipt) = (HashSet::new(), 0);
        let mut documents = BTreeSet::new();
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
                RelayFrame::Verdict { verdict, .. } => {
                    let said = Verdict::decode(verdict).unwrap().statement.clone();
                    if said.member == self.keys.id() {
                        verdicts.insert(said.snapshot);
                    }
                }
                RelayFrame::Receipt { receipt: given, .. } => {
                    let given = Receipt::decode(given).unwrap().header;
                    if given.member == self.keys.id() {
                        receipt = given.count;
                    }
                }
                _ => {}
            }
            let Some(segment) = session.take(frame, self.class) else {
                continue;
            };
            let Header { log, first, last, .. } = segment.header;
            documents.insert(log.document);
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
        for judged in &self.verdicts {
            // It goes with the snapshot.
            let of = snapshots.iter().find(|(_, hash)| **hash == judged.0);
            if let Some((position, _)) = of {
                let newer = snapshots.range(position + 1..).count();
                let is_there = verdicts.contains(judged);
                assert!(is_there || newer >= KEPT_SNAPSHOTS, "a verdict is gone");
            }
        }
        assert!(
            receipt >= self.receipt,
            "receipt {} is gone: {receipt}",
            self.receipt
        );
        self.compare_chunks(session, &documents).await
    }

    /// All chunks are there, but what was erased is not.
    async fn compare_chunks(&self, session: &Session, documents: &BTreeSet<DocumentId>) -> Option<()> {
        let is_answered = |erasure: &&Erasure| self.entries.contains(&erasure.entry.hash().0);
        let gone = self.erasures.iter().filter(is_answered);
        let gone: Vec<_> = gone
            .inspect(|erasure| {
                assert!(
                    !documents.contains(&erasure.document),
                    "an erased document is there"
                );
            })
            .map(|erasure| (&erasure.chunk, 404))
            .collect();
        for (chunk, wanted) in self.chunks.iter().map(|chunk| (chunk, 200)).chain(gone) {
            let path = address_of(&self.class.classroom.id, chunk);
            let address = session.address;
            let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
            let (status, content) = ask(address, request.as_bytes()).await?;
            assert_eq!(status, wanted, "a chunk that was answered, or erased");
            assert!(status != 200 || content == chunk.as_bytes(), "another chunk");
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
            8..14 if !self.unjudged.is_empty() => self.judge(session).await?,
            14..18 if self.answered > 0 => self.give_receipt(session).await?,
            18..24 if self.answered > 0 => {
                let chunk = self.bring(session, PAGE, alarm).await?;
                self.chunks.push(chunk);
                self.stored.chunks += 1;
            }
            24..26 if self.answered > 0 && self.is_founder() => self.erase(session, alarm).await?,
            26..64 if tail.len() > 5 && self.answered == self.lane.next => {
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

    /// Says of somebody else's snapshot that it matches.
    async fn judge(&mut self, session: &mut Session) -> Option<()> {
        let judged = self.unjudged.pop()?;
        let statement = Statement {
            document: PAGE,
            snapshot: judged,
            member: self.keys.id(),
            roster: self.lane.heads.clone(),
            matches: true,
        };
        let verdict = Verdict::sign(self.keys, &self.class.classroom.id, statement).unwrap();
        let channel = CHANNEL;
        let verdict = Bytes::new("verdict", verdict.encode().unwrap()).unwrap();
        session
            .submit(What::Verdict(judged), ClientFrame::Verdict { channel, verdict })
            .await
    }

    async fn give_receipt(&mut self, session: &mut Session) -> Option<()> {
        let Classroom { id, key, .. } = &self.class.classroom;
        self.receipts += 1;
        let header = receipt::Header {
            member: self.keys.id(),
            space: SpaceId::EVERYONE,
            epoch: 0,
            roster: self.lane.heads.clone(),
            count: self.receipts,
        };
        let receipt = Receipt::seal(self.keys, id, header, key, Vec::new(), &mut rng()).unwrap();
        let what = What::Receipt(receipt.hash(id).unwrap().0, self.receipts);
        let channel = CHANNEL;
        let receipt = Bytes::new("receipt", receipt.encode().unwrap()).unwrap();
        session
            .submit(what, ClientFrame::Receipt { channel, receipt })
            .await
    }

    /// Brings a chunk and hears that it is stored.
    async fn bring(&self, session: &Session, document: DocumentId, alarm: &Alarm) -> Option<Chunk> {
        let id = self.class.classroom.id;
        let chunk = chunk(&id);
        let mut said = claimed(self.keys, id, document, chunk.hash());
        said.signature = claim(self.keys, &session.client.origin, &id, &document, &chunk.hash());
        let content = chunk.as_bytes();
        let length = format!("content-length: {}\r\n", content.len());
        let head = head(session.address, &said, &length);
        let (status, _) = ask(session.address, &[head.as_bytes(), content].concat()).await?;
        assert_eq!(status, 201);
        alarm.answer();
        Some(chunk)
    }

    fn is_founder(&self) -> bool {
        self.keys.id() == self.class.classroom.founder.id()
    }

    /// Makes a document with a chunk, and erases it.
    async fn erase(&mut self, session: &mut Session, alarm: &Alarm) -> Option<()> {
        let Classroom { id, founding, .. } = &self.class.classroom;
        let document = DocumentId(random());
        let mut lane = self.class.classroom.lane(self.keys, self.lane.heads.clone());
        lane.log.document = document;
        let segment = lane.write("what goes");
        let frame = session.client.segment_frame(&segment);
        session
            .submit(What::Doomed(segment.hash(id).unwrap().0), frame)
            .await?;
        let chunk = self.bring(session, document, alarm).await?;
        while !session.waiting.is_empty() {
            self.hear(session, alarm).await?;
        }
        let parent = self.erasures.last().map_or(founding, |erasure| &erasure.entry);
        let act = Action::Erase {
            document,
            successor: PAGE,
        };
        let entry = Entry::act(self.keys, *id, vec![parent.hash()], act).unwrap();
        let what = What::Entry(entry.hash().0);
        let frame = ClientFrame::Entry {
            channel: CHANNEL,
            entry: Bytes::new("entry", entry.encode().unwrap()).unwrap(),
        };
        self.erasures.push(Erasure {
            document,
            entry,
            chunk,
        });
        session.submit(what, frame).await
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
                // Others have made so many snapshots meanwhile that this one is gone.
                let what = session.waiting.remove(submission);
                let is_judged = matches!(what, Some(What::Verdict(_)));
                assert!(
                    is_judged && *reason == Refusal::UnknownParent,
                    "{reason:?} to {submission}"
                );
                return Some(());
            }
            RelayFrame::Opened { from, .. } => {
                self.class.incarnation.set(Some(from.incarnation));
                return Some(());
            }
            _ => {
                if let RelayFrame::Snapshot { snapshot, .. } = &frame {
                    let hash = Snapshot::decode(snapshot).unwrap().hash(id).unwrap();
                    self.unjudged.push(hash);
                }
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
            What::Entry(hash) | What::Snapshot(hash, _) | What::Doomed(hash) | What::Receipt(hash, _) => {
                *hash
            }
            What::Verdict(snapshot) => snapshot.0,
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
                self.stored.snapshots += 1;
                self.snapshots.push(Stored {
                    position: session.position,
                    hash,
                    pieces,
                });
            }
            What::Entry(hash) => {
                self.entries.insert(hash);
                let is_erasure = |erasure: &Erasure| erasure.entry.hash().0 == hash;
                let erases = self.erasures.last().is_some_and(is_erasure);
                self.stored.erasures += usize::from(erases && stored.is_some());
            }
            What::Verdict(snapshot) => {
                self.verdicts.insert(snapshot);
                self.stored.verdicts += 1;
            }
            What::Receipt(_, count) => {
                assert!(stored.is_some() && count > self.receipt, "nobody else gave it");
                self.receipt = count;
                self.stored.receipts += 1;
            }
            What::Piece | What::Doomed(_) => {}
        }
        Some(())
    }
}

/// A connection on which the classroom is open.
struct Session {
    client: Client,
    address: SocketAddr,
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
            RelayFrame::Verdict { advance, verdict, .. } => {
                let verdict = Verdict::decode(&verdict).unwrap();
                (advance, verdict.statement.snapshot.0, None)
            }
            RelayFrame::Receipt { advance, receipt, .. } => {
                let receipt = Receipt::decode(&receipt).unwrap();
                (advance, receipt.hash(id).unwrap().0, None)
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

/// A request of HTTP; nothing if the relay was killed before the answer was whole.
async fn ask(address: SocketAddr, request: &[u8]) -> Option<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(request).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))?;
    let content = answer[end + 4..].to_vec();
    let is_whole = length.parse() == Ok(content.len());
    is_whole.then(|| (head[9..12].parse().unwrap(), content))
}
