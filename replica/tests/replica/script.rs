//! A relay played by the test: it says exactly what a test wants, right or wrong.

use documents::document::Document;
use documents::page::Page;
use protocol::bounded::Bytes;
use protocol::frame::{self, ClientFrame, Position, RelayFrame};
use protocol::identity::{MemberKeys, Seed};
use protocol::inventory::Inventory;
use protocol::invite::InviteLink;
use protocol::key::{EpochKey, SealedKey};
use protocol::receipt::{self, Receipt, Seen};
use protocol::roster::{Entry, Role, Roster};
use protocol::segment::{Header, Kind, Log, Segment};
use protocol::snapshot::{self, Piece, Snapshot, coverage};
use protocol::verdict::{Statement, Verdict};
use protocol::wire::{Packer, Unpacker};
use protocol::{
    ClassroomId, DocumentId, EntryHash, LaneId, Refusal, SchoolId, SegmentHash, SnapshotHash, SpaceId,
};
use replica::Event;
use replica::command::{Answer, Command};

use crate::rng::SeededRng;
use crate::tab::{PageKey, word_at};
use crate::world::{Step, World};

/// What the replica submitted.
#[derive(Debug, Clone)]
pub(crate) enum Submitted {
    Entry(Entry),
    Segment(Segment),
    Snapshot(Snapshot),
    Piece(Piece),
    Verdict(Verdict),
}

pub(crate) struct Script {
    pub(crate) world: World,
    pub(crate) tab: usize,
    pub(crate) classroom: ClassroomId,
    pub(crate) page: PageKey,
    pub(crate) channel: u16,
    unpacker: Unpacker,
    packer: Packer,
    /// Since the connection was made.
    pub(crate) submitted: Vec<Submitted>,
    /// Everything that was said to the replica.
    pub(crate) said: Vec<Vec<u8>>,
    pub(crate) opened: usize,
    /// From where on the classroom was opened last.
    pub(crate) since: Option<Position>,
    /// Whether it was founded with the newest connection.
    pub(crate) founded: bool,
    /// What was asked for since then.
    pub(crate) asked: Vec<ClientFrame>,
    /// The snapshots that were ever disputed.
    pub(crate) disputed: Vec<SnapshotHash>,
    /// The receipts that were ever given.
    pub(crate) receipts: Vec<Receipt>,
    /// Up to which position there was everything, as the replica said whenever it erased something.
    pub(crate) erased_upto: Vec<u64>,
}

impl Script {
    /// A founder who has made and opened a page, with a relay that took nothing yet.
    pub(crate) async fn new(seed: &str) -> Self {
        let mut world = World::new(seed).await;
        world.kill_relay();
        let profile = world.profile();
        let tab = world.open_tab(profile);
        world.cut(profile);
        let classroom = world.found(tab).await;
        let page = world.new_page(tab, classroom).await;
        world.open_page(tab, page).await;
        let mut script = Self {
            world,
            tab,
            classroom,
            page,
            channel: 0,
            unpacker: Unpacker::default(),
            packer: Packer::default(),
            submitted: Vec::new(),
            said: Vec::new(),
            opened: 0,
            since: None,
            founded: false,
            asked: Vec::new(),
            disputed: Vec::new(),
            receipts: Vec::new(),
            erased_upto: Vec::new(),
        };
        script.connect().await;
        script
    }

    /// Somebody who has no classroom yet, and looks behind an invite to that of `other`.
    pub(crate) async fn knocking(seed: &str, other: &Self, link: &str) -> (Self, u32) {
        let mut world = World::new(seed).await;
        world.kill_relay();
        let profile = world.profile();
        let tab = world.open_tab(profile);
        let mut script = Self {
            world,
            tab,
            classroom: other.classroom,
            page: other.page,
            channel: 0,
            unpacker: Unpacker::default(),
            packer: Packer::default(),
            submitted: Vec::new(),
            said: Vec::new(),
            opened: 0,
            since: None,
            founded: false,
            asked: Vec::new(),
            disputed: Vec::new(),
            receipts: Vec::new(),
            erased_upto: Vec::new(),
        };
        let link = link.to_owned();
        let request = script.world.give(script.tab, Command::Preview { link });
        script.connect().await;
        (script, request)
    }

    /// Everything but the network happens, and what the replica says is heard.
    pub(crate) async fn go(&mut self) {
        for _ in 0..50 {
            for step in self.world.steps() {
                if !matches!(step, Step::Connect(_)) && self.world.steps().contains(&step) {
                    self.world.step(step).await;
                }
            }
        }
        self.listen();
    }

    pub(crate) async fn pass(&mut self, milliseconds: u64) {
        self.world.tick(milliseconds);
        self.go().await;
    }

    /// A new connection, up to the challenge.
    pub(crate) async fn connect(&mut self) {
        while !self.world.tab(self.tab).connecting {
            self.world.tick(1_000);
        }
        self.world.tab_mut(self.tab).connecting = false;
        self.submitted.clear();
        self.world.handle(self.tab, Event::Connected);
        let now = self.world.now / 1000;
        self.say(&RelayFrame::Challenge {
            challenge: [3; 32],
            now,
        });
        self.go().await;
    }

    pub(crate) fn disconnect(&mut self) {
        self.world.handle(self.tab, Event::Disconnected);
    }

    pub(crate) fn say(&mut self, frame: &RelayFrame) {
        let message = frame::encode(frame).unwrap();
        self.said.push(message.clone());
        self.world.handle(self.tab, Event::Message(message));
    }

    /// Hears what the replica has said so far.
    pub(crate) fn listen(&mut self) {
        for message in std::mem::take(&mut self.world.tab_mut(self.tab).said) {
            for frame in frame::decode::<ClientFrame>(&message) {
                match frame.unwrap() {
                    ClientFrame::Open { channel, since, .. } => {
                        self.start(channel);
                        self.since = since;
                    }
                    ClientFrame::Found { channel, entry, .. } => {
                        self.start(channel);
                        self.founded = true;
                        let entry = Entry::decode(&entry).unwrap();
                        self.submitted.push(Submitted::Entry(entry));
                    }
                    ClientFrame::Entry { entry, .. } => {
                        let entry = Entry::decode(&entry).unwrap();
                        self.submitted.push(Submitted::Entry(entry));
                    }
                    ClientFrame::Erase { entry, upto, .. } => {
                        let entry = Entry::decode(&entry).unwrap();
                        self.submitted.push(Submitted::Entry(entry));
                        self.erased_upto.push(upto);
                    }
                    ClientFrame::Segment { segment, .. } => {
                        let segment = self.unpacker.unpack(*segment, &self.classroom).unwrap();
                        self.submitted.push(Submitted::Segment(segment));
                    }
                    ClientFrame::Snapshot { snapshot, .. } => {
                        let snapshot = Snapshot::decode(&snapshot).unwrap();
                        self.submitted.push(Submitted::Snapshot(snapshot));
                    }
                    ClientFrame::Piece { piece, .. } => {
                        let piece = Piece::decode(piece.into_vec()).unwrap();
                        self.submitted.push(Submitted::Piece(piece));
                    }
                    ClientFrame::Verdict { verdict, .. } => {
                        let verdict = Verdict::decode(&verdict).unwrap();
                        if !verdict.statement.matches {
                            self.disputed.push(verdict.statement.snapshot);
                        }
                        self.submitted.push(Submitted::Verdict(verdict));
                    }
                    ClientFrame::Receipt { receipt, .. } => {
                        self.receipts.push(Receipt::decode(&receipt).unwrap());
                    }
                    frame @ (ClientFrame::Inventory { .. } | ClientFrame::Fetch { .. }) => {
                        self.asked.push(frame);
                    }
                    _ => {}
                }
            }
        }
    }

    fn start(&mut self, channel: u16) {
        self.opened += 1;
        self.channel = channel;
        self.unpacker = Unpacker::default();
        self.packer = Packer::default();
        self.submitted.clear();
        self.founded = false;
        self.asked.clear();
    }

    /// Opens the classroom from a position on, or from where it was asked to.
    pub(crate) async fn open(&mut self, index: u64) {
        self.begin_open(index);
        self.caught_up().await;
    }

    /// The same, and has not told everything yet.
    pub(crate) fn begin_open(&mut self, index: u64) {
        let asked = self.since.filter(|since| since.incarnation == 5);
        let from = Position {
            incarnation: 5,
            index: asked.map_or(index, |since| since.index),
        };
        let channel = self.channel;
        self.say(&RelayFrame::Opened { channel, from });
    }

    /// The same by a relay of this incarnation, which says what it has.
    pub(crate) async fn open_by(&mut self, incarnation: u64, index: u64, has: Option<Inventory>) {
        let from = Position { incarnation, index };
        let channel = self.channel;
        self.say(&RelayFrame::Opened { channel, from });
        if let Some(has) = has {
            self.say_inventory(has);
        }
        self.say(&RelayFrame::CaughtUp { channel });
        self.go().await;
    }

    /// Says what there is, in two parts.
    pub(crate) fn say_inventory(&mut self, mut has: Inventory) {
        let channel = self.channel;
        let first = Inventory {
            entries: has.entries.split_off(has.entries.len() / 2),
            logs: has.logs.split_off(has.logs.len() / 2),
            ..Inventory::default()
        };
        for (part, last) in [(first, false), (has, true)] {
            let part = Box::new(part);
            self.say(&RelayFrame::Inventory { channel, part, last });
        }
    }

    pub(crate) async fn fetched(&mut self) {
        let channel = self.channel;
        self.say(&RelayFrame::Fetched { channel });
        self.go().await;
    }

    pub(crate) async fn caught_up(&mut self) {
        let channel = self.channel;
        self.say(&RelayFrame::CaughtUp { channel });
        self.go().await;
    }

    /// Time goes by on a connection that is alive.
    pub(crate) async fn live(&mut self, seconds: u64) {
        for _ in 0..seconds.div_ceil(5) {
            self.say(&RelayFrame::Pong { nonce: 0 });
            self.pass(5_000).await;
        }
    }

    /// Opens the classroom at the beginning, with these entries.
    pub(crate) async fn open_with(&mut self, entries: &[Entry]) {
        let from = Position {
            incarnation: 5,
            index: 0,
        };
        let channel = self.channel;
        self.say(&RelayFrame::Opened { channel, from });
        for entry in entries {
            self.bring_entry(entry).await;
        }
        self.say(&RelayFrame::CaughtUp { channel });
        self.go().await;
    }

    pub(crate) async fn stored(&mut self, submission: u32) {
        let (channel, advance) = (self.channel, 1);
        self.say(&RelayFrame::Stored {
            channel,
            advance,
            submission,
        });
        self.go().await;
    }

    /// Stores all that was submitted so far, from this submission on.
    pub(crate) async fn store_all_from(&mut self, submission: u32) {
        for number in submission..u32::try_from(self.submitted.len()).unwrap() {
            self.stored(number).await;
        }
    }

    /// Opens the classroom, and stores everything that is submitted.
    pub(crate) async fn settle(&mut self) {
        self.open(1).await;
        self.store_rest(0).await;
    }

    /// A founder whose work is on the relay, and somebody of this role who has joined since.
    pub(crate) async fn with_member(seed: &str, role: Role) -> (Self, Author) {
        let mut script = Self::new(seed).await;
        script.settle().await;
        let answered = script.submitted.len();
        let author = script.author(role).await;
        script.store_rest(answered).await;
        script.bring_entry(&author.admission).await;
        (script, author)
    }

    /// The founder begins to start the page anew.
    pub(crate) fn start_anew(&mut self) {
        let (classroom, document) = self.page;
        self.world
            .give(self.tab, Command::StartAnew { classroom, document });
    }

    /// Stores everything that is submitted, from this submission on; answers with the number of the next.
    pub(crate) async fn store_rest(&mut self, mut from: usize) -> usize {
        while from < self.submitted.len() {
            self.stored(u32::try_from(from).unwrap()).await;
            from += 1;
        }
        from
    }

    pub(crate) async fn refused(&mut self, submission: u32, reason: Refusal) {
        let channel = self.channel;
        self.say(&RelayFrame::Refused {
            channel,
            submission,
            reason,
        });
        self.go().await;
    }

    pub(crate) async fn closed(&mut self, reason: Refusal) {
        let channel = self.channel;
        self.say(&RelayFrame::Closed { channel, reason });
        self.go().await;
    }

    pub(crate) async fn bring_entry(&mut self, entry: &Entry) {
        let entry = Bytes::new("entry", entry.encode().unwrap()).unwrap();
        let (channel, advance) = (self.channel, 1);
        self.say(&RelayFrame::Entry {
            channel,
            advance,
            entry,
        });
        self.go().await;
    }

    pub(crate) async fn bring(&mut self, segment: &Segment) {
        self.bring_by(segment, 1).await;
    }

    /// The same of what was asked for by name, with an advance of 0.
    pub(crate) async fn bring_by(&mut self, segment: &Segment, advance: u64) {
        self.say_segment(segment, advance);
        self.go().await;
    }

    /// Brings one right after the other.
    pub(crate) async fn bring_all(&mut self, segments: &[Segment]) {
        for segment in segments {
            self.say_segment(segment, 1);
        }
        self.go().await;
    }

    pub(crate) fn say_segment(&mut self, segment: &Segment, advance: u64) {
        let hash = segment.hash(&self.classroom).unwrap();
        let segment = Box::new(self.packer.pack(segment, hash));
        let channel = self.channel;
        self.say(&RelayFrame::Segment {
            channel,
            advance,
            segment,
        });
    }

    pub(crate) async fn bring_snapshot(&mut self, snapshot: &[u8], advance: u64) {
        let snapshot = Bytes::new("snapshot", snapshot.to_vec()).unwrap();
        let channel = self.channel;
        self.say(&RelayFrame::Snapshot {
            channel,
            advance,
            snapshot,
        });
        self.go().await;
    }

    pub(crate) async fn bring_pieces(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            let piece = Bytes::new("piece", piece.as_bytes().to_vec()).unwrap();
            let channel = self.channel;
            self.say(&RelayFrame::Piece { channel, piece });
        }
        self.fetched().await;
    }

    pub(crate) async fn bring_verdict(&mut self, verdict: &Verdict) {
        let verdict = Bytes::new("verdict", verdict.encode().unwrap()).unwrap();
        let (channel, advance) = (self.channel, 1);
        self.say(&RelayFrame::Verdict {
            channel,
            advance,
            verdict,
        });
        self.go().await;
    }

    pub(crate) async fn want_snapshot(&mut self, document: DocumentId) {
        let channel = self.channel;
        self.say(&RelayFrame::WantSnapshot { channel, document });
        self.go().await;
    }

    /// The numbers and logs of the segments that were submitted.
    pub(crate) fn segments(&self) -> Vec<(u32, Log, u64)> {
        let numbered = (0..).zip(&self.submitted);
        numbered
            .filter_map(|(number, submitted)| match submitted {
                Submitted::Segment(segment) => Some((number, segment.header.log, segment.header.last)),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.submitted
            .iter()
            .filter_map(|submitted| match submitted {
                Submitted::Entry(entry) => Some(entry.clone()),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn view(&self) -> &replica::view::Classroom {
        self.world.tab(self.tab).classroom(&self.classroom)
    }

    pub(crate) fn text(&self) -> String {
        self.world.tab(self.tab).text(&self.page)
    }

    pub(crate) fn write_word(&mut self, word: &str) -> u32 {
        self.world.write_word(self.tab, self.page, word)
    }

    /// The founder's own keys, from the login card.
    pub(crate) async fn founder(&mut self) -> MemberKeys {
        match self.world.ask(self.tab, Command::Card).await {
            Ok(Answer::Card(words)) => MemberKeys::from_seed(&Seed::from_words(&words).unwrap()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Makes an invite, as the founder, and brings somebody in by it: their entry is not told to the replica yet.
    pub(crate) async fn author(&mut self, role: Role) -> Author {
        self.author_called("author", SchoolId([4; 16]), role).await
    }

    /// The same, of somebody else; of this school unless the invite says another.
    pub(crate) async fn author_called(&mut self, name: &str, school: SchoolId, role: Role) -> Author {
        let founder = self.founder().await;
        let command = Command::Invite {
            classroom: self.classroom,
            role,
            ask_first: false,
        };
        let request = self.world.give(self.tab, command);
        self.go().await;
        let answer = self.world.tab_mut(self.tab).answers.remove(&request);
        let Some(Ok(Answer::Invite(link))) = answer else {
            panic!("{answer:?}")
        };
        let invite = InviteLink::parse(&link).unwrap().keys().unwrap();
        let entries = self.entries();
        let mut roster = Roster::found(entries[0].clone()).unwrap();
        let key = roster.keys_of(&founder.id())[0]
            .open(founder.exchange_secret(), &founder.exchange_key())
            .unwrap();
        for entry in &entries[1..] {
            roster.add(entry.clone()).unwrap();
        }
        let mut rng = SeededRng::new(name);
        let keys = MemberKeys::from_seed(&Seed::random(&mut rng)).unwrap();
        let sealed = SealedKey::seal(&key, SpaceId::EVERYONE, 0, &keys.exchange_key(), &mut rng).unwrap();
        let known = roster.invite(&invite.id()).unwrap();
        let (invited, placed) = (known.entry, known.school);
        let parents = roster.heads_after(&invited);
        let admission = Entry::admit(
            &keys,
            self.classroom,
            parents,
            &invite,
            invited,
            placed.unwrap_or(school),
            vec![sealed],
        )
        .unwrap();
        roster.add(admission.clone()).unwrap();
        let Update { saved } = self.saved_page();
        let log = Log {
            document: self.page.1,
            member: keys.id(),
            lane: LaneId([9; 16]),
        };
        Author {
            page: Page::load(&saved, log.actor()).unwrap(),
            classroom: self.classroom,
            heads: roster.heads().copied().collect(),
            keys,
            key,
            admission,
            log,
            next: 0,
            previous: SegmentHash::NONE,
            rng,
        }
    }

    /// The founder, who writes on where the newest segment of the page's log ends: as if the machine had been restored.
    pub(crate) async fn double(&mut self) -> Author {
        let keys = self.founder().await;
        let founding = self.entries()[0].clone();
        let roster = Roster::found(founding.clone()).unwrap();
        let key = roster.keys_of(&keys.id())[0]
            .open(keys.exchange_secret(), &keys.exchange_key())
            .unwrap();
        let newest = self
            .submitted
            .iter()
            .rev()
            .find_map(|submitted| match submitted {
                Submitted::Segment(segment) if segment.header.log.document == self.page.1 => Some(segment),
                _ => None,
            })
            .unwrap()
            .clone();
        let log = newest.header.log;
        let Update { saved } = self.saved_page();
        Author {
            page: Page::load(&saved, log.actor()).unwrap(),
            classroom: self.classroom,
            heads: newest.header.roster.clone(),
            keys,
            key,
            admission: founding,
            log,
            next: newest.header.last + 1,
            previous: newest.hash(&self.classroom).unwrap(),
            rng: SeededRng::new("double"),
        }
    }

    fn saved_page(&mut self) -> Update {
        let page = self.world.tab_mut(self.tab).pages.get_mut(&self.page).unwrap();
        Update {
            saved: page.save().unwrap(),
        }
    }
}

struct Update {
    saved: Vec<u8>,
}

/// Somebody else who writes on the page, in whatever way a test wants.
pub(crate) struct Author {
    pub(crate) page: Page,
    classroom: ClassroomId,
    pub(crate) heads: Vec<EntryHash>,
    pub(crate) keys: MemberKeys,
    pub(crate) key: EpochKey,
    pub(crate) admission: Entry,
    pub(crate) log: Log,
    pub(crate) next: u64,
    pub(crate) previous: SegmentHash,
    rng: SeededRng,
}

impl Author {
    /// The change that writes a word.
    pub(crate) fn word(&mut self, word: &str) -> Vec<u8> {
        self.page.apply(&[word_at((0, 0), word)]).unwrap();
        self.page.commit(0).unwrap()
    }

    /// Writes so many words, `[0]` first, each in a segment of its own: their changes, the segments, and the chain hashes before
    /// the first and after each.
    pub(crate) fn count_up(&mut self, words: usize) -> (Vec<Vec<u8>>, Vec<Segment>, Vec<SegmentHash>) {
        let (mut changes, mut parts, mut hashes) = (Vec::new(), Vec::new(), vec![self.previous]);
        for word in 0..words {
            let change = self.word(&format!("[{word}]"));
            parts.push(self.seal(std::slice::from_ref(&change)));
            changes.push(change);
            hashes.push(self.previous);
        }
        (changes, parts, hashes)
    }

    pub(crate) fn header(&self) -> Header {
        Header {
            kind: Kind::Run,
            log: self.log,
            first: self.next,
            last: self.next,
            space: SpaceId::EVERYONE,
            epoch: 0,
            roster: self.heads.clone(),
        }
    }

    /// The next segment of the log, with these changes.
    pub(crate) fn seal(&mut self, changes: &[Vec<u8>]) -> Segment {
        self.seal_as(self.header(), changes)
    }

    pub(crate) fn seal_as(&mut self, header: Header, changes: &[Vec<u8>]) -> Segment {
        let segment = Segment::seal(
            &self.keys,
            &self.classroom,
            header,
            self.previous,
            &self.key,
            changes,
            &mut self.rng,
        )
        .unwrap();
        self.previous = segment.hash(&self.classroom).unwrap();
        self.next += 1;
        segment
    }

    /// A fold of `changes` in the place of segments from `first` to `last`; `before` and `covered` are the chain hashes of
    /// what stands before it and of the last of them.
    pub(crate) fn fold(
        &mut self,
        (first, last): (u64, u64),
        (before, covered): (SegmentHash, SegmentHash),
        changes: &[Vec<u8>],
    ) -> Segment {
        let header = Header {
            kind: Kind::Fold { covered },
            first,
            last,
            ..self.header()
        };
        Segment::seal_fold(
            &self.keys,
            &self.classroom,
            header,
            before,
            &self.key,
            documents::fold::fold(changes).unwrap(),
            &mut self.rng,
        )
        .unwrap()
    }

    /// What somebody says who finds that a fold holds something else than what it covers.
    pub(crate) fn dispute(&self, fold: &Segment) -> Verdict {
        let hash = fold.hash(&self.classroom).unwrap();
        let statement = Statement {
            document: fold.header.log.document,
            snapshot: SnapshotHash(hash.0),
            member: self.keys.id(),
            roster: self.heads.clone(),
            matches: false,
        };
        Verdict::sign(&self.keys, &self.classroom, statement).unwrap()
    }

    /// A snapshot of all that this author wrote on its document, or of what a test puts in the place of that.
    pub(crate) fn snapshot(&mut self, changes: &[Vec<u8>]) -> (Snapshot, Vec<Piece>) {
        self.snapshot_of(&[(self.log, self.next, self.previous)], changes)
    }

    /// The same of what is in these logs, up to there.
    pub(crate) fn snapshot_of(
        &mut self,
        logs: &[(Log, u64, SegmentHash)],
        changes: &[Vec<u8>],
    ) -> (Snapshot, Vec<Piece>) {
        let covers = coverage(&self.log.document, logs.iter().copied());
        let header = snapshot::Header {
            document: self.log.document,
            member: self.keys.id(),
            space: SpaceId::EVERYONE,
            epoch: 0,
            roster: self.heads.clone(),
            covers,
        };
        let saved = documents::fold::fold(changes).unwrap();
        Snapshot::seal(
            &self.keys,
            &self.classroom,
            header,
            &self.key,
            &saved,
            &mut self.rng,
        )
        .unwrap()
    }

    /// What this author says of a snapshot.
    pub(crate) fn verdict(&self, snapshot: SnapshotHash) -> Verdict {
        let statement = Statement {
            document: self.log.document,
            snapshot,
            member: self.keys.id(),
            roster: self.heads.clone(),
            matches: true,
        };
        Verdict::sign(&self.keys, &self.classroom, statement).unwrap()
    }

    /// How far this author has the document, for the `count`th time.
    pub(crate) fn receipt(&mut self, count: u64) -> Receipt {
        let header = receipt::Header {
            member: self.keys.id(),
            space: SpaceId::EVERYONE,
            epoch: 0,
            roster: self.heads.clone(),
            count,
        };
        let seen = Seen {
            document: self.log.document,
            heads: vec![[1; 32]],
        };
        let (keys, classroom, key) = (&self.keys, &self.classroom, &self.key);
        Receipt::seal(keys, classroom, header, key, vec![seen], &mut self.rng).unwrap()
    }

    /// Writes a page of its own, in so many segments: these, and their changes.
    pub(crate) fn own_page(&mut self, document: DocumentId, words: usize) -> (Vec<Segment>, Vec<Vec<u8>>) {
        self.turn_to(document);
        self.page = Page::new(self.log.actor()).unwrap();
        let mut changes = vec![self.page.commit(0).unwrap()];
        changes.extend((0..words).map(|word| self.word(&format!("[{word}]"))));
        let segments = changes
            .iter()
            .map(|change| self.seal(std::slice::from_ref(change)))
            .collect();
        (segments, changes)
    }

    /// Moves on to another document, whose first change is not known to anybody.
    pub(crate) fn turn_to(&mut self, document: DocumentId) {
        self.log.document = document;
        self.next = 0;
        self.previous = SegmentHash::NONE;
        self.page = Page::open(Document::empty(self.log.actor())).unwrap();
    }
}
