//! A page with a long history, opened by somebody who comes late: with and without a snapshot.
//!
//! `cargo xtask bench history` says what that costs: with `MERIDIAN_HISTORY` there are so many segments, and what was measured is
//! printed as a line of JSON.

use std::time::{Duration, Instant};

use documents::page::Page;
use documents::page::edit::{Edit, Shape};
use protocol::frame::{self, ClientFrame, RelayFrame};
use protocol::identity::{MemberKeys, Seed, answer_challenge};
use protocol::key::EpochKey;
use protocol::roster::{Entry, Role, Roster};
use protocol::segment::{Header, Kind, Log, Segment};
use protocol::wire::Packer;
use protocol::{EntryHash, LaneId, SegmentHash, SpaceId};
use replica::command::{Answer, Command, Verified};
use replica::store::Table;
use sync_server::{Limits, Rate};

use crate::rng::SeededRng;
use crate::script::Script;
use crate::tab::{PageKey, Socket, word_at, words};
use crate::world::{Pair, World, person};

/// Each with a word; so many words to a paragraph.
const PARAGRAPH: usize = 20;
/// After how many segments the relay asks for a snapshot.
const ASKED_AFTER: u64 = 20;
/// How many segments may be unanswered.
const AT_ONCE: usize = 500;

/// Somebody's other device, which speaks to the relay by itself.
struct Device {
    socket: Socket,
    keys: MemberKeys,
    key: EpochKey,
    heads: Vec<EntryHash>,
    log: Log,
    page: Page,
    next: u64,
    previous: SegmentHash,
    packer: Packer,
    unanswered: usize,
    rng: SeededRng,
}

impl Device {
    /// Another device of the founder, who has the page as it is.
    async fn new(world: &mut World, tab: usize, page: PageKey) -> Self {
        let Ok(Answer::Card(words)) = world.ask(tab, Command::Card).await else {
            panic!("no card")
        };
        let keys = MemberKeys::from_seed(&Seed::from_words(&words).unwrap()).unwrap();
        // As they are stored: a version, a length and the entry.
        let mut entries: Vec<Entry> = Vec::new();
        for (_, row) in world.store(0).table(Table::Entries) {
            let entry = (2..6).find_map(|at| Entry::decode(&row[at..row.len() - 1]).ok());
            entries.push(entry.unwrap());
        }
        let founding = entries
            .iter()
            .position(|entry| entry.hash().0 == page.0.0)
            .unwrap();
        let mut roster = Roster::found(entries.swap_remove(founding)).unwrap();
        while !entries.is_empty() {
            entries.retain(|entry| roster.add(entry.clone()).is_err());
        }
        let key = roster.keys_of(&keys.id())[0]
            .open(keys.exchange_secret(), &keys.exchange_key())
            .unwrap();
        let log = Log {
            document: page.1,
            member: keys.id(),
            lane: LaneId([9; 16]),
        };
        let saved = world.tab_mut(tab).pages.get_mut(&page).unwrap().save().unwrap();
        let mut device = Self {
            socket: Socket::connect(world.address).await.unwrap(),
            page: Page::load(&saved, log.actor()).unwrap(),
            keys,
            key,
            heads: roster.heads().copied().collect(),
            log,
            next: 0,
            previous: SegmentHash::NONE,
            packer: Packer::default(),
            unanswered: 0,
            rng: SeededRng::new("device"),
        };
        device.open(world, page).await;
        device
    }

    async fn hear(&mut self) -> Vec<RelayFrame> {
        loop {
            self.socket.poll();
            if let Some(message) = self.socket.incoming.pop_front() {
                return frame::decode::<RelayFrame>(&message)
                    .map(Result::unwrap)
                    .collect();
            }
            assert!(!self.socket.ended, "the relay ended the connection");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn say(&mut self, frames: &[ClientFrame]) {
        let mut message = Vec::new();
        for frame in frames {
            frame::append(&mut message, frame).unwrap();
        }
        self.socket.outgoing.push_back(message);
        self.socket.flush_one().await;
    }

    async fn open(&mut self, world: &World, page: PageKey) {
        let challenge = loop {
            if let [RelayFrame::Challenge { challenge, .. }] = self.hear().await[..] {
                break challenge;
            }
        };
        let origin = format!("http://{}", world.address);
        let answer = ClientFrame::Answer {
            member: self.keys.id(),
            signature: answer_challenge(&self.keys, &origin, &challenge),
        };
        let open = ClientFrame::Open {
            channel: 0,
            classroom: page.0,
            since: None,
            roster: Vec::new(),
            invite: None,
        };
        self.say(&[answer, open]).await;
        while !self
            .hear()
            .await
            .iter()
            .any(|frame| matches!(frame, RelayFrame::CaughtUp { .. }))
        {}
    }

    async fn answered(&mut self, most: usize) {
        while self.unanswered > most {
            for frame in self.hear().await {
                match frame {
                    RelayFrame::Stored { .. } | RelayFrame::Held { .. } => self.unanswered -= 1,
                    RelayFrame::Refused { reason, .. } => panic!("{reason:?}"),
                    _ => {}
                }
            }
        }
    }

    /// Writes so many words, each in a segment of its own.
    async fn write(&mut self, page: PageKey, count: usize) {
        let mut frames = Vec::new();
        for word in 0..count {
            let mut edits = Vec::new();
            if word % PARAGRAPH == 0 {
                edits.push(Edit::Split {
                    block: 0,
                    offset: 0,
                    shape: Shape::paragraph(),
                });
            }
            edits.push(word_at((0, 0), &format!("[{}]", self.next)));
            self.page.apply(&edits).unwrap();
            let change = self.page.commit(0).unwrap();
            let header = Header {
                kind: Kind::Run,
                log: self.log,
                first: self.next,
                last: self.next,
                space: SpaceId::EVERYONE,
                epoch: 0,
                roster: self.heads.clone(),
            };
            let changes = [change];
            let segment = Segment::seal(
                &self.keys,
                &page.0,
                header,
                self.previous,
                &self.key,
                &changes,
                &mut self.rng,
            )
            .unwrap();
            self.previous = segment.hash(&page.0).unwrap();
            self.next += 1;
            let segment = Box::new(self.packer.pack(&segment, self.previous));
            frames.push(ClientFrame::Segment { channel: 0, segment });
            self.unanswered += 1;
            if frames.len() == AT_ONCE || word + 1 == count {
                self.say(&std::mem::take(&mut frames)).await;
                self.answered(AT_ONCE).await;
            }
        }
        self.answered(0).await;
    }
}

/// Somebody joins and opens the page: the bytes that came, and the time that it took.
async fn come(world: &mut World, link: &str, page: PageKey, count: usize) -> (usize, Duration) {
    let profile = world.profile();
    let tab = world.open_tab(profile);
    let began = Instant::now();
    world.join(tab, link, person("Late", "Hill School", "GB")).await;
    world.open_page(tab, page).await;
    let took = began.elapsed();
    let newest = format!("[{}]", count - 1);
    let text = world.tab(tab).text(&page);
    assert!(text.contains("[0]") && text.contains(&newest), "not all is there");
    let bytes = world.tab(tab).bytes;
    world.crash_tab(tab);
    (bytes, took)
}

#[tokio::test]
async fn a_newcomer_opens_a_long_history_from_a_snapshot_and_a_short_tail() {
    let named = std::env::var("MERIDIAN_HISTORY").ok();
    let count: usize = named.as_deref().map_or(Ok(300), str::parse).unwrap();
    // What somebody wrote in years, at once.
    let limits = Limits {
        submissions: Rate {
            per_second: 100_000,
            at_once: 100_000,
        },
        ..Limits::default()
    };
    let Pair {
        mut world,
        amina,
        ben,
        classroom,
        page,
    } = Pair::in_world(World::with_limits("long", limits).await).await;
    world.patience += Duration::from_millis(20) * u32::try_from(count).unwrap();
    let link = world.invite(amina, classroom, Role::Student).await;
    world.until_equal(page).await;
    let mut device = Device::new(&mut world, amina, page).await;
    world.crash_tab(amina);
    world.crash_tab(ben);
    let began = Instant::now();
    device.write(page, count).await;
    let wrote = began.elapsed();
    let without = come(&mut world, &link, page, count).await;

    // Now it asks for one, whoever writes.
    world.kill_relay();
    world.limits.snapshot_after = ASKED_AFTER;
    world.start_relay().await;
    let [amina, ben] = [world.open_tab(0), world.open_tab(1)];
    world.open_page(amina, page).await;
    world.open_page(ben, page).await;
    let began = Instant::now();
    for word in 0..ASKED_AFTER {
        world.write_word(ben, page, &format!("[ben {word}]"));
        world.until_on_relay_of(ben).await;
    }
    let document = page.1;
    let verified = loop {
        // One of them makes it, and the other hears of it.
        let verify = Command::VerifyHistory { classroom, document };
        match world.ask(amina, verify).await {
            Ok(Answer::Verified(Verified::NoSnapshot)) => world.pass(1).await,
            verified => break verified,
        }
        assert!(began.elapsed() < world.patience, "no snapshot is made");
    };
    let Ok(Answer::Verified(Verified::Matches { segments })) = verified else {
        panic!("{verified:?}")
    };
    assert!(segments >= count as u64, "{segments} segments");
    let made = began.elapsed();
    world.write_word(ben, page, "[behind it]");
    world.until_on_relay_of(ben).await;
    world.crash_tab(amina);
    world.crash_tab(ben);
    let with = come(&mut world, &link, page, count).await;
    if named.is_some() {
        let kilobytes = |bytes: usize| bytes as f64 / 1000.0;
        // Behind a newline: the name of the test may stand before it.
        println!(
            "\n{{\"what\":\"joining and opening a page of {count} segments, from a snapshot and a short tail\",\
             \"budget\":null,\"within\":null,\
             \"measured\":\"{:.1} KB, {:.2} s; without a snapshot {:.1} KB, {:.2} s\",\
             \"how\":\"somebody on a fresh device joins by a link and opens the page, on the relay's own machine: all messages of \
             the relay, and the time from the link to the page; one member wrote a word in each segment, in {:.0} s; two others \
             opened the page from them; after {ASKED_AFTER} words of one, one made the snapshot, and a lead compared it with {segments} \
             segments, in {:.1} s\"}}",
            kilobytes(with.0),
            with.1.as_secs_f64(),
            kilobytes(without.0),
            without.1.as_secs_f64(),
            wrote.as_secs_f64(),
            made.as_secs_f64()
        );
    }
    assert!(
        with.0 * 4 < without.0,
        "{} bytes with a snapshot, {} without",
        with.0,
        without.0
    );
}

/// Each application costs a walk over the document: one for each message would be as much work as the square of the history.
#[tokio::test]
async fn a_long_history_is_applied_in_few_steps() {
    let (mut script, mut author) = Script::with_member("few steps", Role::Student).await;
    let count = 400;
    let saved = author.page.save().unwrap();
    let mut segments = Vec::new();
    for word in 0..count {
        let change = author.word(&format!("[{word}]"));
        segments.push(author.seal(&[change]));
    }
    // One that fits nowhere: its author has written another change with its number.
    let mut double = Page::load(&saved, author.log.actor()).unwrap();
    double.apply(&[word_at((0, 0), "[double]")]).unwrap();
    let bad = double.commit(0).unwrap();
    segments.push(author.seal(&[bad]));
    let next = author.word("[next]");
    segments.push(author.seal(&[next]));
    let shown = |script: &Script| words(&script.text()).len();
    let handed = |script: &Script| script.world.tab(script.tab).handed;

    script.disconnect();
    script.connect().await;
    script.begin_open(1);
    let before = handed(&script);
    script.bring_all(&segments[..count / 2]).await;
    // Nothing waits for long.
    script.pass(1_000).await;
    assert_eq!(shown(&script), count / 2);
    let rest = &segments[count / 2..];
    script.bring_all(rest).await;
    script.caught_up().await;
    assert_eq!((shown(&script), script.view().kept_aside), (count + 1, 1));
    let handed = handed(&script) - before;
    assert!(handed < count / 5, "{handed} times");
}

#[tokio::test]
async fn what_waits_to_be_applied_is_in_the_store() {
    let (mut script, mut author) = Script::with_member("waits", Role::Student).await;
    let mut segments = Vec::new();
    for word in 0..100 {
        let change = author.word(&format!("[{word}]"));
        segments.push(author.seal(&[change]));
    }
    script.disconnect();
    script.connect().await;
    script.begin_open(1);
    script.bring_all(&segments).await;
    assert!(words(&script.text()).len() < 100, "nothing waits");
    script.tab = script.world.restart_tab(script.tab);
    let page = script.page;
    script.world.open_page(script.tab, page).await;
    assert_eq!(words(&script.text()).len(), 100);
    // A person who asks for the page gets all that is here.
    let mut more = Vec::new();
    for word in 100..105 {
        let change = author.word(&format!("[{word}]"));
        more.push(author.seal(&[change]));
    }
    script.connect().await;
    script.begin_open(1);
    script.bring_all(&more).await;
    assert_eq!(words(&script.text()).len(), 100);
    script.world.open_page(script.tab, page).await;
    assert_eq!(words(&script.text()).len(), 105);
}
