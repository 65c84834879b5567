//! Snapshots: made when the relay asks, taken by newcomers, compared, refused.

use std::collections::BTreeSet;

use documents::page::Page;
use protocol::frame::{ClientFrame, Position};
use protocol::inventory::{Inventory, LogState, SnapshotState, Wanted};
use protocol::roster::Role;
use protocol::segment::Segment;
use protocol::snapshot::{Piece, Snapshot};
use protocol::verdict::{Statement, Verdict};
use protocol::{DocumentId, Refusal, SchoolId, SnapshotHash};
use replica::command::{Answer, Command, Problem, Verified};
use replica::store::{AsideReason, Table};
use replica::view::Why;
use sync_server::Limits;

use crate::members::{Schools, me, until_same};
use crate::script::{Author, Script, Submitted};
use crate::tab::{PageKey, word_at, words};
use crate::world::{Pair, World, person};

/// A relay that asks for a snapshot when a document got so many segments.
async fn asking(seed: &str, after: u64) -> World {
    let limits = Limits {
        snapshot_after: after,
        ..Limits::default()
    };
    World::with_limits(seed, limits).await
}

/// Two members who have written so many words, of which there is a snapshot.
async fn with_snapshot(seed: &str, count: usize) -> Pair {
    let mut pair = Pair::in_world(asking(seed, 20).await).await;
    write(&mut pair, 0, count).await;
    pair
}

async fn write(pair: &mut Pair, from: usize, count: usize) {
    for number in from..from + count {
        pair.world
            .write_word(pair.amina, pair.page, &format!("[{number}]"));
        pair.world.drain().await;
        pair.world.until_on_relay_of(pair.amina).await;
    }
    pair.world.until_equal(pair.page).await;
}

fn numbers(count: usize) -> BTreeSet<String> {
    (0..count).map(|number| format!("[{number}]")).collect()
}

impl Pair {
    /// Somebody else joins and opens the page.
    async fn newcomer(&mut self) -> usize {
        let profile = self.world.profile();
        let carla = self.world.open_tab(profile);
        let link = self.world.invite(self.amina, self.classroom, Role::Student).await;
        self.world.until_on_relay_of(self.amina).await;
        self.world
            .join(carla, &link, person("Carla", "Hill School", "GB"))
            .await;
        self.world.open_page(carla, self.page).await;
        carla
    }
}

/// How many segments of a page a profile has that others wrote.
fn segments_of(world: &World, profile: usize, page: PageKey) -> usize {
    let rows = world.store(profile).table(Table::Segments).into_iter();
    rows.filter(|(_, row)| Segment::decode(row).unwrap().header.log.document == page.1)
        .count()
}

#[tokio::test]
async fn a_newcomer_begins_with_a_snapshot_and_goes_on_from_there() {
    let mut pair = with_snapshot("newcomer", 30).await;
    let carla = pair.newcomer().await;
    let page = pair.page;
    assert_eq!(words(&pair.world.tab(carla).text(&page)), numbers(30));
    let rows = segments_of(&pair.world, 2, page);
    assert!(rows < 15, "{rows} segments came all the same");
    assert_eq!(pair.world.store(2).table(Table::Snapshots).len(), 1);
    assert_eq!(pair.world.store(2).table(Table::Pieces).len(), 1);
    // They write on, and others take it.
    pair.world.write_word(carla, page, "[carla]");
    pair.world.write_word(pair.ben, page, "[ben]");
    let all = pair.world.until_equal(page).await;
    assert_eq!(all.len(), 32);
    pair.world.check_stores(page).await;
    pair.world.check_nothing_to_send().await;
    for profile in 0..3 {
        assert!(pair.world.store(profile).reasons_aside().is_empty());
    }
}

#[tokio::test]
async fn a_tab_that_is_gone_before_the_pieces_came_goes_on_with_the_next() {
    let mut pair = with_snapshot("gone", 30).await;
    let profile = pair.world.profile();
    let carla = pair.world.open_tab(profile);
    let link = pair.world.invite(pair.amina, pair.classroom, Role::Student).await;
    pair.world.until_on_relay_of(pair.amina).await;
    // What comes once somebody has joined is cut off at every message in turn.
    pair.world
        .join(carla, &link, person("Carla", "Hill School", "GB"))
        .await;
    let mut tab = carla;
    for _ in 0..6 {
        tab = pair.world.restart_tab(tab);
        pair.world.tick(30);
        for _ in 0..3 {
            for step in pair.world.steps() {
                if pair.world.steps().contains(&step) {
                    pair.world.step(step).await;
                }
            }
        }
    }
    pair.world.open_page(tab, pair.page).await;
    assert_eq!(pair.world.until_equal(pair.page).await, numbers(30));
    pair.world.check_stores(pair.page).await;
}

#[tokio::test]
async fn a_snapshot_is_carried_in_a_file() {
    let mut pair = with_snapshot("carried", 30).await;
    let carla = pair.newcomer().await;
    let (page, classroom) = (pair.page, pair.classroom);
    let link = pair.world.invite(pair.amina, classroom, Role::Student).await;
    pair.world.until_equal(page).await;
    pair.world.pass(2).await;
    let (file, items) = pair.world.export(carla, Some(classroom)).await;

    // To a device that never had a connection, and to one that has all.
    let profile = pair.world.profile();
    let dora = pair.world.open_tab(profile);
    pair.world.cut(profile);
    let imported = pair.world.import(dora, &file, 1000).await;
    assert_eq!((imported.new, imported.complete), (items, true));
    let dora = pair.world.restart_tab(dora);
    pair.world.cut(profile);
    pair.world
        .join(dora, &link, person("Dora", "Hill School", "GB"))
        .await;
    pair.world.open_page(dora, page).await;
    assert_eq!(words(&pair.world.tab(dora).text(&page)), numbers(30));
    assert_eq!(pair.world.store(profile).table(Table::Pieces).len(), 1);
    let known = pair.world.import(pair.ben, &file, 1000).await;
    assert_eq!(known.aside, 0);
    assert!(pair.world.store(1).table(Table::Pieces).is_empty());
    let again = pair.world.import(dora, &file, 1000).await;
    assert_eq!((again.new, again.known, again.aside), (0, items, 0));
    pair.world.link(profile);
    pair.world.write_word(dora, page, "[dora]");
    assert_eq!(pair.world.until_equal(page).await.len(), 31);
    pair.world.check_stores(page).await;
}

#[tokio::test]
async fn a_relay_that_came_back_empty_gets_a_snapshot_from_whoever_has_nothing_else() {
    let mut pair = with_snapshot("healed", 30).await;
    let carla = pair.newcomer().await;
    let page = pair.page;
    pair.world.write_word(carla, page, "[carla]");
    pair.world.until_equal(page).await;
    // Only the newcomer comes back for now.
    pair.world.cut(0);
    pair.world.cut(1);
    pair.world.replace_relay().await;
    pair.world.until_on_relay_of(carla).await;
    let dora = {
        let profile = pair.world.profile();
        let dora = pair.world.open_tab(profile);
        pair.world.link(0);
        let link = pair.world.invite(pair.amina, pair.classroom, Role::Student).await;
        pair.world.until_on_relay_of(pair.amina).await;
        pair.world
            .join(dora, &link, person("Dora", "Hill School", "GB"))
            .await;
        dora
    };
    pair.world.open_page(dora, page).await;
    pair.world.link(1);
    assert_eq!(pair.world.until_equal(page).await.len(), 31);
    pair.world.check_nothing_to_send().await;
}

#[tokio::test]
async fn a_full_disk_shows_the_page_all_the_same() {
    let mut pair = with_snapshot("full", 30).await;
    let profile = pair.world.profile();
    let carla = pair.world.open_tab(profile);
    let link = pair.world.invite(pair.amina, pair.classroom, Role::Student).await;
    pair.world.until_on_relay_of(pair.amina).await;
    pair.world
        .join(carla, &link, person("Carla", "Hill School", "GB"))
        .await;
    let carla = pair.world.restart_tab(carla);
    pair.world.profiles[profile].store.failing = true;
    pair.world.open_page(carla, pair.page).await;
    assert_eq!(words(&pair.world.tab(carla).text(&pair.page)), numbers(30));
    pair.world.profiles[profile].store.failing = false;
    pair.world.pass(3).await;
    assert_eq!(pair.world.until_equal(pair.page).await, numbers(30));
    pair.world.check_stores(pair.page).await;
}

#[tokio::test]
async fn a_second_tab_shows_what_the_first_began_with() {
    let mut pair = with_snapshot("second", 30).await;
    let carla = pair.newcomer().await;
    let other = pair.world.open_tab(2);
    pair.world.open_page(other, pair.page).await;
    pair.world.write_word(carla, pair.page, "[one]");
    pair.world.write_word(other, pair.page, "[two]");
    assert_eq!(pair.world.until_equal(pair.page).await.len(), 32);
    pair.world.crash_machine(2);
    let carla = pair.world.open_tab(2);
    pair.world.open_page(carla, pair.page).await;
    assert_eq!(pair.world.until_equal(pair.page).await.len(), 32);
}

/// What comes of asking for a document's history to be compared.
async fn verified(world: &mut World, tab: usize, page: PageKey) -> Verified {
    let (classroom, document) = page;
    match world
        .ask(tab, Command::VerifyHistory { classroom, document })
        .await
    {
        Ok(Answer::Verified(verified)) => verified,
        other => panic!("not compared: {other:?}"),
    }
}

#[tokio::test]
async fn whoever_asks_has_the_history_compared() {
    let mut pair = with_snapshot("compared", 30).await;
    let carla = pair.newcomer().await;
    for tab in [pair.amina, pair.ben, carla] {
        let verified = verified(&mut pair.world, tab, pair.page).await;
        assert!(
            matches!(verified, Verified::Matches { segments } if segments >= 10),
            "{verified:?}"
        );
    }
    let other = pair.world.new_page(pair.amina, pair.classroom).await;
    pair.world.until_on_relay_of(pair.amina).await;
    assert_eq!(
        verified(&mut pair.world, pair.amina, other).await,
        Verified::NoSnapshot
    );
    pair.world.cut(2);
    let (classroom, document) = pair.page;
    let offline = pair
        .world
        .ask(carla, Command::VerifyHistory { classroom, document })
        .await;
    assert_eq!(offline, Err(Problem::NeedsConnection));
}

#[tokio::test]
async fn a_newcomer_is_told_whether_anybody_compared_what_the_page_begins_with() {
    let mut pair = with_snapshot("vouched", 30).await;
    let carla = pair.newcomer().await;
    let (classroom, page) = pair.page;
    let told = |world: &World, tab: usize| {
        let documents = &world.tab(tab).classroom(&classroom).documents;
        documents
            .iter()
            .find(|other| other.id == page)
            .unwrap()
            .compared_by
    };
    assert_eq!(told(&pair.world, pair.amina), None, "it is made of segments");
    assert_eq!(told(&pair.world, carla), Some(0));
    // What a student says does not count.
    let compared = verified(&mut pair.world, carla, pair.page).await;
    assert!(matches!(compared, Verified::Matches { .. }), "{compared:?}");
    pair.world.until_on_relay().await;
    assert_eq!(told(&pair.world, carla), Some(0));
    let link = pair.world.invite(pair.amina, classroom, Role::Teacher).await;
    pair.world.until_on_relay_of(pair.amina).await;
    let profile = pair.world.profile();
    let tess = pair.world.open_tab(profile);
    pair.world
        .join(tess, &link, person("Tess", "Hill School", "GB"))
        .await;
    pair.world.open_page(tess, pair.page).await;
    assert_eq!(told(&pair.world, tess), Some(0));
    verified(&mut pair.world, tess, pair.page).await;
    assert_eq!(told(&pair.world, tess), Some(1));
    pair.world
        .until("the newcomer hears of it", |world| told(world, carla) == Some(1))
        .await;
    let carla = pair.world.restart_tab(carla);
    pair.world.open_page(carla, pair.page).await;
    assert_eq!(told(&pair.world, carla), Some(1));
}

/// A lead on a relay that a test plays, and somebody else who has written a page of their own.
struct Played {
    script: Script,
    author: Author,
    page: PageKey,
    segments: Vec<Segment>,
    changes: Vec<Vec<u8>>,
}

impl Played {
    async fn new(seed: &str, role: Role) -> Self {
        Self::among(seed, role, &[]).await.0
    }

    /// The same, with others who have joined: teachers are of the lead's school, leads and students of another.
    async fn among(seed: &str, role: Role, others: &[Role]) -> (Self, Vec<Author>) {
        let mut script = Script::new(seed).await;
        script.settle().await;
        let answered = script.submitted.len();
        let mut author = script.author(role).await;
        let mut joined = Vec::new();
        for (number, role) in others.iter().enumerate() {
            let name = format!("other {number}");
            joined.push(script.author_called(&name, SchoolId([5; 16]), *role).await);
        }
        script.store_rest(answered).await;
        for who in [&author].into_iter().chain(&joined) {
            script.bring_entry(&who.admission).await;
        }
        let document = DocumentId([8; 16]);
        let (segments, changes) = author.own_page(document, 10);
        let played = Self {
            page: (script.classroom, document),
            script,
            author,
            segments,
            changes,
        };
        (played, joined)
    }

    /// The snapshot comes in place of the segments, and its pieces when they are asked for.
    async fn bring(&mut self, snapshot: &Snapshot, pieces: &[Piece]) {
        self.script.bring_snapshot(&snapshot.encode().unwrap(), 0).await;
        self.script.caught_up().await;
        self.script.bring_pieces(pieces).await;
    }

    async fn words(&mut self) -> BTreeSet<String> {
        let (classroom, document) = self.page;
        let command = Command::OpenPage { classroom, document };
        self.script.world.give(self.script.tab, command);
        self.script.go().await;
        let tab = self.script.world.tab(self.script.tab);
        words(&tab.text(&self.page))
    }

    /// What the replica asked the relay for by name since the connection was opened.
    fn wanted(&self) -> Vec<Wanted> {
        let asked = self.script.asked.iter();
        asked
            .filter_map(|frame| match frame {
                ClientFrame::Fetch { wanted, .. } => Some((**wanted).clone()),
                _ => None,
            })
            .collect()
    }

    /// The verdicts that were given.
    fn verdicts(&self) -> Vec<(SnapshotHash, bool)> {
        let submitted = self.script.submitted.iter();
        submitted
            .filter_map(|submitted| match submitted {
                Submitted::Verdict(verdict) => {
                    verdict.verify(&self.script.classroom).unwrap();
                    Some((verdict.statement.snapshot, verdict.statement.matches))
                }
                _ => None,
            })
            .collect()
    }

    fn aside(&mut self) -> Vec<AsideReason> {
        let command = Command::KeptAside {
            skip: 0,
            classroom: self.page.0,
        };
        let tab = self.script.tab;
        let request = self.script.world.give(tab, command);
        match self.script.world.tab_mut(tab).answers.remove(&request) {
            Some(Ok(Answer::KeptAside(items))) => items
                .into_iter()
                .map(|item| match item.reason {
                    Why::Unfit(reason) => reason,
                    refused @ Why::Refused(_) => panic!("{refused:?}"),
                })
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    /// The relay says what it has, and sends what is asked for of the page: all of its segments.
    async fn heal(&mut self) {
        let unknown = Position {
            incarnation: 0,
            index: 0,
        };
        assert_eq!(self.script.since, Some(unknown), "the relay is asked what it has");
        let last = self.segments.last().unwrap();
        let has = Inventory {
            logs: vec![LogState {
                log: self.author.log,
                first: 0,
                next: last.header.last + 1,
                hash: last.chain_hash(&self.page.0).unwrap(),
            }],
            ..Inventory::default()
        };
        self.script.open_by(5, 50, Some(has)).await;
        let wanted = self.wanted().pop().unwrap();
        assert_eq!((wanted.logs.len(), wanted.logs[0].from), (1, 0));
        for segment in self.segments.clone() {
            self.script.bring_by(&segment, 0).await;
        }
        self.script.fetched().await;
    }

    async fn verify(&mut self) -> u32 {
        let (classroom, document) = self.page;
        let command = Command::VerifyHistory { classroom, document };
        let request = self.script.world.give(self.script.tab, command);
        self.script.go().await;
        request
    }

    fn verified(&mut self, request: u32) -> Option<Result<Answer, Problem>> {
        self.script
            .world
            .tab_mut(self.script.tab)
            .answers
            .remove(&request)
    }
}

#[tokio::test]
async fn a_snapshot_comes_before_what_stands_behind_it() {
    let mut played = Played::new("played", Role::Student).await;
    let (snapshot, pieces) = played.author.snapshot(&played.changes);
    let encoded = snapshot.encode().unwrap();
    played.script.bring_snapshot(&encoded, 0).await;
    // The tail comes before the pieces, and the tab is gone in between.
    let change = played.author.word("[tail]");
    let tail = played.author.seal(&[change]);
    played.script.bring(&tail).await;
    assert_eq!(played.wanted()[0].pieces, snapshot.pieces());
    played.script.tab = played.script.world.restart_tab(played.script.tab);
    played.script.connect().await;
    played.script.open(60).await;
    assert_eq!(played.wanted()[0].pieces, snapshot.pieces());
    played.script.bring_pieces(&pieces).await;
    assert_eq!(played.words().await.len(), 11);
    assert!(played.aside().is_empty() && played.verdicts().is_empty());
    // It came whole, and stays what the page is made of.
    played.script.tab = played.script.world.restart_tab(played.script.tab);
    assert_eq!(played.words().await.len(), 11);
    let rows = segments_of(&played.script.world, 0, played.page);
    assert_eq!(rows, 1);
    // Even what was stored whole besides may go.
    played.script.live(10).await;
    let documents = played.script.world.store(0).table(Table::Documents);
    for (key, _) in documents {
        played.script.world.profiles[0]
            .store
            .remove(Table::Documents, &key);
    }
    played.script.tab = played.script.world.restart_tab(played.script.tab);
    assert_eq!(played.words().await.len(), 11);
}

#[tokio::test]
async fn a_snapshot_with_changes_of_somebody_else_is_refused_and_disputed() {
    let mut played = Played::new("forged", Role::Student).await;
    let forger = [7; 16];
    let mut forged = Page::new(forger).unwrap();
    let mut changes = played.changes.clone();
    changes.push(forged.commit(0).unwrap());
    let (snapshot, pieces) = played.author.snapshot(&changes);
    played.bring(&snapshot, &pieces).await;
    let hash = snapshot.hash(&played.page.0).unwrap();
    // The dispute went out before the relay was asked what it has, on the channel before.
    assert_eq!(played.aside(), [AsideReason::SnapshotDiffers]);
    played.heal().await;
    assert_eq!(played.words().await.len(), 10);
    assert_eq!(played.script.disputed, [hash]);
    // It does not come in again, nor is it waited for.
    played.script.bring_snapshot(&snapshot.encode().unwrap(), 1).await;
    assert_eq!(played.aside(), [AsideReason::SnapshotDiffers]);
    assert!(played.script.world.store(0).table(Table::Snapshots).is_empty());
    assert!(played.script.world.store(0).table(Table::Pieces).is_empty());
}

#[tokio::test]
async fn what_stood_behind_a_false_snapshot_is_not_lost() {
    let mut played = Played::new("behind", Role::Student).await;
    let (snapshot, pieces) = played.author.snapshot(&played.changes);
    // A piece that says something else than it should.
    let mut bytes = pieces[0].as_bytes().to_vec();
    bytes[100] ^= 1;
    let strange = Piece::decode(bytes).unwrap();
    played.script.bring_snapshot(&snapshot.encode().unwrap(), 0).await;
    let change = played.author.word("[tail]");
    let tail = played.author.seal(&[change]);
    played.script.bring(&tail).await;
    played.segments.push(tail);
    played.script.bring_pieces(&[strange]).await;
    // It was not what was asked for: the relay does not have it any more.
    played.heal().await;
    assert_eq!(played.words().await.len(), 11);
    assert!(played.aside().is_empty());
}

#[tokio::test]
async fn whoever_may_not_write_makes_no_snapshots() {
    for (seed, role) in [("guest", Role::Guest), ("removed", Role::Student)] {
        let mut played = Played::new(seed, role).await;
        if role == Role::Student {
            played.remove_author().await;
        }
        let (snapshot, pieces) = played.author.snapshot(&played.changes);
        played.bring(&snapshot, &pieces).await;
        let reason = match role {
            Role::Guest => AsideReason::NotAllowed,
            _ => AsideReason::BeyondCutoff,
        };
        assert_eq!(played.aside(), [reason]);
        assert!(played.script.world.store(0).table(Table::Snapshots).is_empty());
    }
}

#[tokio::test]
async fn a_snapshot_that_nobody_signed_or_that_is_none_is_kept_aside() {
    let mut played = Played::new("unsigned", Role::Student).await;
    let (snapshot, _) = played.author.snapshot(&played.changes);
    let mut unsigned = snapshot.encode().unwrap();
    *unsigned.last_mut().unwrap() ^= 1;
    played.script.bring_snapshot(&unsigned, 1).await;
    let mut newer = snapshot.encode().unwrap();
    newer[0] = 2;
    played.script.bring_snapshot(&newer, 1).await;
    played.script.bring_snapshot(&[1, 2, 3], 1).await;
    let mut aside = played.aside();
    aside.sort_by_key(|reason| *reason as u8);
    let wanted = [
        AsideReason::Unreadable,
        AsideReason::BadSignature,
        AsideReason::NewerVersion,
    ];
    assert_eq!(aside, wanted);
}

#[tokio::test]
async fn a_history_is_compared_from_what_the_relay_still_has() {
    // What the snapshot leaves out, what the relay sends, and what comes of it.
    let gone = Verified::HistoryGone;
    let matches = Verified::Matches { segments: 11 };
    for (seed, left_out, sent, wanted) in [
        ("matches", 0, 11, matches),
        ("differs", 1, 11, Verified::Differs),
        ("half", 0, 5, gone),
        ("nothing", 0, 0, gone),
    ] {
        let mut played = Played::new(seed, Role::Student).await;
        let held = played.changes.len() - left_out;
        let (snapshot, pieces) = played.author.snapshot(&played.changes[..held]);
        played.bring(&snapshot, &pieces).await;
        assert_eq!(played.words().await.len(), 10 - left_out);
        let request = played.verify().await;
        let ranges = played.wanted().pop().unwrap().logs;
        assert_eq!((ranges.len(), ranges[0].from, ranges[0].to), (1, 0, 11));
        for segment in &played.segments[..sent] {
            played.script.bring_by(segment, 0).await;
        }
        played.script.fetched().await;
        assert_eq!(
            played.verified(request),
            Some(Ok(Answer::Verified(wanted))),
            "{seed}"
        );
        let hash = snapshot.hash(&played.page.0).unwrap();
        if wanted == Verified::Differs {
            assert_eq!(played.script.disputed, [hash]);
            assert_eq!(played.aside(), [AsideReason::SnapshotDiffers]);
            played.heal().await;
        } else {
            let said: &[(SnapshotHash, bool)] = if wanted == matches { &[(hash, true)] } else { &[] };
            assert_eq!(played.verdicts(), said);
        }
        assert_eq!(played.words().await.len(), 10, "{seed}");
    }
}

#[tokio::test]
async fn histories_are_compared_one_after_the_other() {
    let mut played = Played::new("queue", Role::Student).await;
    let (snapshot, pieces) = played.author.snapshot(&played.changes.clone());
    played.bring(&snapshot, &pieces).await;
    assert_eq!(played.words().await.len(), 10);
    let first = played.verify().await;
    let (classroom, document) = played.script.page;
    let command = Command::VerifyHistory { classroom, document };
    let second = played.script.world.give(played.script.tab, command);
    played.script.go().await;
    assert_eq!(played.verified(second), None, "it waits");
    played.script.fetched().await;
    let gone = Ok(Answer::Verified(Verified::HistoryGone));
    assert_eq!(played.verified(first), Some(gone));
    // Then the relay is asked for the other's snapshot, which it has none of.
    played.script.live(5).await;
    assert_eq!(played.wanted().pop().unwrap().snapshots, [document]);
    played.script.fetched().await;
    let none = Ok(Answer::Verified(Verified::NoSnapshot));
    assert_eq!(played.verified(second), Some(none));
}

#[tokio::test]
async fn a_snapshot_that_lacks_more_than_can_be_looked_at_is_not_disputed() {
    let mut played = Played::new("much", Role::Student).await;
    // Changes of which all but the first are in the place of another: nobody has anything of them.
    let saved = played.author.page.save().unwrap();
    let mut dead = Vec::new();
    for word in 0..1_002 {
        let mut page = Page::load(&saved, played.author.log.actor()).unwrap();
        page.apply(&[word_at((0, 0), &format!("[dead {word}]"))]).unwrap();
        dead.push(page.commit(0).unwrap());
    }
    let mut held = played.changes.clone();
    held.push(dead[0].clone());
    let segment = played.author.seal(&dead);
    played.segments.push(segment);
    let (snapshot, pieces) = played.author.snapshot(&held);
    played.bring(&snapshot, &pieces).await;
    let request = played.verify().await;
    for segment in played.segments.clone() {
        played.script.bring_by(&segment, 0).await;
    }
    played.script.fetched().await;
    let unclear = Ok(Answer::Verified(Verified::Unclear));
    assert_eq!(played.verified(request), Some(unclear));
    assert!(played.script.disputed.is_empty());
    assert!(played.aside().is_empty());
}

#[tokio::test]
async fn a_lead_compares_a_new_snapshot_when_it_is_quiet() {
    for (seed, left_out) in [("fine", 0), ("lacking", 1)] {
        let mut played = Played::new(seed, Role::Student).await;
        for segment in played.segments.clone() {
            played.script.bring(&segment).await;
        }
        let held = played.changes.len() - left_out;
        let (snapshot, pieces) = played.author.snapshot(&played.changes[..held]);
        played.script.bring_snapshot(&snapshot.encode().unwrap(), 1).await;
        assert!(played.wanted().is_empty());
        played.script.live(100).await;
        assert_eq!(played.wanted()[0].pieces, snapshot.pieces());
        played.script.bring_pieces(&pieces).await;
        let hash = snapshot.hash(&played.page.0).unwrap();
        assert_eq!(played.verdicts(), [(hash, left_out == 0)]);
        assert_eq!(played.aside().len(), left_out);
        assert_eq!(played.words().await.len(), 10);
    }
}

/// Whoever could compare leaves it be once two leads did, or leads and teachers of two schools, none of whom made it.
#[tokio::test]
async fn a_lead_compares_a_snapshot_until_two_leads_or_two_schools_did() {
    let (lead, teacher, student) = (Role::Lead, Role::Teacher, Role::Student);
    // Who made it, who else compared it, how many of these were made leads, and whether that will do.
    let cases = [
        (student, vec![teacher, teacher], 0, false),
        (student, vec![teacher, teacher], 1, false),
        (student, vec![teacher, teacher], 2, true),
        (student, vec![teacher, lead], 0, true),
        (student, vec![teacher, student], 0, false),
        (lead, vec![teacher], 0, false),
        (lead, vec![lead], 0, false),
    ];
    for (role, others, promoted, is_confirmed) in cases {
        let said = format!("made by {role:?}, compared by {others:?}, of them made leads: {promoted}");
        let (mut played, others) = Played::among("who compared", role, &others).await;
        for segment in played.segments.clone() {
            played.script.bring(&segment).await;
        }
        for other in &others[..promoted] {
            let answered = played.script.submitted.len();
            let change = Command::ChangeRole {
                classroom: played.page.0,
                member: other.keys.id(),
                role: Role::Lead,
            };
            played.script.world.give(played.script.tab, change);
            played.script.go().await;
            played.script.store_rest(answered).await;
        }
        let (snapshot, _) = played.author.snapshot(&played.changes);
        played.script.bring_snapshot(&snapshot.encode().unwrap(), 1).await;
        let hash = snapshot.hash(&played.page.0).unwrap();
        for by in [&played.author].into_iter().chain(&others) {
            let statement = Statement {
                document: played.page.1,
                snapshot: hash,
                member: by.keys.id(),
                roster: by.heads.clone(),
                matches: true,
            };
            let verdict = Verdict::sign(&by.keys, &played.page.0, statement).unwrap();
            played.script.bring_verdict(&verdict).await;
        }
        played.script.live(100).await;
        let fetched = played
            .wanted()
            .iter()
            .any(|wanted| wanted.pieces == snapshot.pieces());
        assert_eq!(fetched, !is_confirmed, "{said}");
    }
}

#[tokio::test]
async fn a_snapshot_is_made_when_all_is_there_and_given_until_it_is_taken() {
    let mut played = Played::new("made", Role::Student).await;
    let page = played.script.page;
    let before = played.script.submitted.len();
    played.script.write_word("[unsent]");
    played.script.go().await;
    played.script.want_snapshot(page.1).await;
    let is_piece = |submitted: &Submitted| matches!(submitted, Submitted::Piece(_));
    assert!(
        !played.script.submitted.iter().any(is_piece),
        "not all is with the relay"
    );
    played.script.store_rest(before).await;
    played.script.live(5).await;
    let place = played.script.submitted.iter().position(is_piece).unwrap();
    let number = |place: usize| u32::try_from(place).unwrap();
    // A relay without the piece by the time that the rest comes.
    played.script.stored(number(place)).await;
    assert!(matches!(
        played.script.submitted[place + 1],
        Submitted::Snapshot(_)
    ));
    played
        .script
        .refused(number(place + 1), Refusal::MissingPiece)
        .await;
    played.script.live(10).await;
    let [Submitted::Piece(first), _, Submitted::Piece(again)] = &played.script.submitted[place..place + 3]
    else {
        panic!("{:?}", played.script.submitted);
    };
    assert_eq!(first, again, "the same bytes");
    played.script.stored(number(place + 2)).await;
    let Submitted::Snapshot(made) = played.script.submitted[place + 3].clone() else {
        panic!("{:?}", played.script.submitted);
    };
    played.script.stored(number(place + 3)).await;
    played.script.live(60).await;
    assert_eq!(played.script.submitted.len(), place + 4);
    assert_eq!(made.header.document, page.1);
    assert_eq!(made.header.covers.len(), 1);
}

#[tokio::test]
async fn a_member_who_was_away_takes_from_a_snapshot_what_was_dropped_meanwhile() {
    let mut played = Played::new("away", Role::Student).await;
    for segment in &played.segments[..5] {
        played.script.bring(segment).await;
    }
    assert_eq!(played.words().await.len(), 4);
    let (snapshot, pieces) = played.author.snapshot(&played.changes);
    let change = played.author.word("[tail]");
    let tail = played.author.seal(&[change]);
    played.script.bring_snapshot(&snapshot.encode().unwrap(), 1).await;
    played.script.bring(&tail).await;
    // What is here stays as it is until all of it has come.
    assert_eq!(played.words().await.len(), 4);
    assert_eq!(played.aside(), [AsideReason::OutOfOrder]);
    played.script.tab = played.script.world.restart_tab(played.script.tab);
    played.script.connect().await;
    assert_eq!(played.words().await.len(), 4);
    played.script.open(70).await;
    played.script.bring_pieces(&pieces).await;
    assert_eq!(played.words().await.len(), 11);
    assert!(played.aside().is_empty());
    played.script.tab = played.script.world.restart_tab(played.script.tab);
    assert_eq!(played.words().await.len(), 11);
}

/// What a relay has dropped behind a snapshot it says it holds, and does not give: the snapshot is asked for with the rest, and
/// is enough. One that does not come, for it is disputed or its pieces are gone, is asked for with the next connection.
#[tokio::test]
async fn what_the_relay_holds_in_a_snapshot_only_comes_by_that() {
    let mut played = Played::new("held behind", Role::Student).await;
    for segment in &played.segments[..5] {
        played.script.bring(segment).await;
    }
    let (snapshot, pieces) = played.author.snapshot(&played.changes);
    let mut tail = Vec::new();
    for word in ["[eleven]", "[twelve]"] {
        let change = played.author.word(word);
        tail.push(played.author.seal(&[change]));
    }
    let next = tail[1].header.last + 1;
    let has = Inventory {
        logs: vec![LogState {
            log: played.author.log,
            first: tail[0].header.first,
            next,
            hash: played.author.previous,
        }],
        snapshots: vec![SnapshotState {
            document: played.page.1,
            hash: snapshot.hash(&played.page.0).unwrap(),
        }],
        ..Inventory::default()
    };
    for is_given in [false, true] {
        played.script.disconnect();
        played.script.connect().await;
        played.script.open_by(9, 30, Some(has.clone())).await;
        let wanted = played.wanted().pop().unwrap();
        assert_eq!((wanted.logs.len(), wanted.snapshots.len()), (1, 1));
        assert_eq!((wanted.logs[0].from, wanted.logs[0].to), (5, next));
        for segment in &tail {
            played.script.bring_by(segment, 0).await;
        }
        if is_given {
            played.script.bring_snapshot(&snapshot.encode().unwrap(), 0).await;
        }
        played.script.fetched().await;
        if is_given {
            played.script.bring_pieces(&pieces).await;
        } else {
            // What is behind it is kept, and shown as that.
            assert_eq!(played.aside(), [AsideReason::OutOfOrder; 2]);
            assert_eq!(played.words().await.len(), 4);
        }
        played.script.store_rest(0).await;
        played.script.live(60).await;
        let since = played.script.world.store(0).table(Table::Classrooms);
        let is_marked = since.iter().any(|(key, _)| key.ends_with(b"unhealed"));
        assert_eq!(is_marked, !is_given);
    }
    assert_eq!(played.words().await.len(), 12);
    assert!(played.aside().is_empty());
}

#[tokio::test]
async fn a_fold_that_begins_below_a_snapshot_goes_on_behind_it() {
    let mut played = Played::new("fold below", Role::Student).await;
    let (snapshot, pieces) = played.author.snapshot(&played.changes);
    played.bring(&snapshot, &pieces).await;
    let before = played.segments[4].chain_hash(&played.page.0).unwrap();
    let last = played.segments[10].chain_hash(&played.page.0).unwrap();
    let changes = played.changes.clone();
    let within = played.author.fold((5, 10), (before, last), &changes[5..]);
    played.script.bring(&within).await;
    let mut changes = changes[5..].to_vec();
    for word in ["[one]", "[two]"] {
        let change = played.author.word(word);
        played.author.seal(std::slice::from_ref(&change));
        changes.push(change);
    }
    let covered = played.author.previous;
    let beyond = played.author.fold((5, 12), (before, covered), &changes);
    played.script.bring(&beyond).await;
    let change = played.author.word("[three]");
    let next = played.author.seal(&[change]);
    played.script.bring(&next).await;
    assert_eq!(played.words().await.len(), 13);
    assert!(played.aside().is_empty());
    played.script.tab = played.script.world.restart_tab(played.script.tab);
    assert_eq!(played.words().await.len(), 13);
}

impl Played {
    /// The replica removes the author, having seen so much of what they wrote.
    async fn remove_author(&mut self) {
        let member = self.author.log.member;
        let classroom = self.page.0;
        let answered = self.script.submitted.len();
        self.script
            .world
            .give(self.script.tab, Command::Remove { classroom, member });
        self.script.go().await;
        self.script.store_rest(answered).await;
    }
}

#[tokio::test]
async fn a_snapshot_of_somebody_who_was_removed_counts_if_a_lead_vouches_for_it() {
    let mut played = Played::new("vouched", Role::Student).await;
    let founder = played.script.founder().await;
    for segment in played.segments.clone() {
        played.script.bring(&segment).await;
    }
    let (snapshot, pieces) = played.author.snapshot(&played.changes);
    played.remove_author().await;
    // Somebody's new device, which has nothing of the page.
    let statement = Statement {
        document: played.page.1,
        snapshot: snapshot.hash(&played.page.0).unwrap(),
        member: founder.id(),
        roster: played.author.heads.clone(),
        matches: true,
    };
    let verdict = Verdict::sign(&founder, &played.page.0, statement).unwrap();
    played.script.bring_verdict(&verdict).await;
    let rows = [Table::Segments, Table::Logs, Table::Documents, Table::Titles];
    for table in rows {
        let store = &mut played.script.world.profiles[0].store;
        for (key, _) in store.table(table) {
            if key[32..48] == played.page.1.0 {
                store.remove(table, &key);
            }
        }
    }
    played.script.tab = played.script.world.restart_tab(played.script.tab);
    played.script.connect().await;
    played.script.open_by(5, 0, None).await;
    played.script.bring_verdict(&verdict).await;
    played.bring(&snapshot, &pieces).await;
    assert_eq!(played.words().await.len(), 10);
    assert!(played.aside().is_empty());
}

#[tokio::test]
async fn what_lies_beyond_a_cut_off_is_taken_out_of_what_a_snapshot_holds_as_well() {
    let Schools {
        mut world,
        amina,
        ben,
        chao,
        dora,
        classroom,
        page,
    } = Schools::in_world(asking("cut", 20).await).await;
    let link = world.invite(amina, classroom, Role::Student).await;
    world.write_word(dora, page, "[seen]");
    world.until_equal(page).await;
    world.cut(0);
    for number in 0..30 {
        world.write_word(dora, page, &format!("[{number}]"));
        world.drain().await;
        world.until_on_relay_of(dora).await;
    }
    until_same(&mut world, &[ben, chao], page, "[29]").await;
    let profile = world.profile();
    let carla = world.open_tab(profile);
    world
        .join(carla, &link, person("Carla", "Hill School", "GB"))
        .await;
    world.open_page(carla, page).await;
    assert_eq!(words(&world.tab(carla).text(&page)).len(), 31);
    assert_eq!(world.store(profile).table(Table::Snapshots).len(), 1);

    // The lead had seen one word of them.
    let member = me(&world, dora);
    let removed = world.ask(amina, Command::Remove { classroom, member }).await;
    assert_eq!(removed, Ok(Answer::Done));
    world.link(0);
    let wanted = BTreeSet::from(["[seen]".to_owned()]);
    for tab in [amina, ben, chao, carla] {
        world
            .until("what was not seen is gone", |world| {
                words(&world.tab(tab).text(&page)) == wanted
            })
            .await;
    }
    let carla = world.restart_tab(carla);
    world.open_page(carla, page).await;
    assert_eq!(words(&world.tab(carla).text(&page)), wanted);
}
