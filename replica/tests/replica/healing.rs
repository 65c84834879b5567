//! Relays that lost something or came back empty, and replicas that lack something.

use protocol::frame::{ClientFrame, Position};
use protocol::inventory::{Inventory, LogState};
use protocol::roster::Role;
use protocol::segment::{Log, Segment};
use protocol::{EntryHash, Refusal};
use replica::store::Table;
use replica::view::Work;

use crate::script::{Author, Script, Submitted};
use crate::world::{Pair, person};

/// Longer than anybody waits before they look again, in seconds.
const LOOK: u64 = 31;

/// A founder and somebody else who has written ten words, all of which a relay with the incarnation 5 had.
async fn with_author(seed: &str) -> (Script, Author) {
    let mut script = Script::new(seed).await;
    script.settle().await;
    let answered = script.submitted.len();
    let mut author = script.author(Role::Student).await;
    script.store_rest(answered).await;
    let admission = author.admission.clone();
    script.bring_entry(&admission).await;
    for word in 0..10 {
        let change = author.word(&format!("[{word}]"));
        let segment = author.seal(&[change]);
        script.bring(&segment).await;
    }
    assert_eq!(script.view().work, Work::OnTheRelay);
    script.disconnect();
    (script, author)
}

impl Script {
    fn all_rows(&self) -> Vec<Segment> {
        let rows = self.world.store(0).table(Table::Segments);
        rows.iter()
            .map(|(_, row)| Segment::decode(row).unwrap())
            .collect()
    }

    /// What a relay has that has these entries and segments.
    fn inventory(&self, entries: Vec<EntryHash>, segments: &[Segment]) -> Inventory {
        let mut logs: Vec<LogState> = Vec::new();
        for segment in segments {
            let header = &segment.header;
            let state = LogState {
                log: header.log,
                first: 0,
                next: header.last + 1,
                hash: segment.chain_hash(&self.classroom).unwrap(),
            };
            match logs.iter_mut().find(|state| state.log == header.log) {
                Some(known) if known.next < state.next => *known = state,
                Some(_) => {}
                None => logs.push(state),
            }
        }
        Inventory {
            entries,
            logs,
            ..Inventory::default()
        }
    }

    /// What a relay has that took all that was submitted so far, and had the founding.
    fn taken(&self) -> Inventory {
        let mut segments = Vec::new();
        for submitted in &self.submitted {
            if let Submitted::Segment(segment) = submitted {
                segments.push(segment.clone());
            }
        }
        let mut entries: Vec<EntryHash> = self.entries().iter().map(protocol::roster::Entry::hash).collect();
        if !entries.contains(&EntryHash(self.classroom.0)) {
            entries.push(EntryHash(self.classroom.0));
        }
        self.inventory(entries, &segments)
    }

    fn founding(&self) -> Vec<EntryHash> {
        vec![EntryHash(self.classroom.0)]
    }

    fn submitted_of(&self, author: &Author) -> Vec<u64> {
        let segments = self.segments().into_iter();
        segments
            .filter(|(_, log, _)| *log == author.log)
            .map(|(_, _, index)| index)
            .collect()
    }

    fn is_marked(&self) -> bool {
        let rows = self.world.store(0).table(Table::Classrooms);
        rows.iter().any(|(key, _)| key.ends_with(b"unhealed"))
    }

    fn inventories_asked(&self) -> usize {
        let asked = self.asked.iter();
        asked
            .filter(|frame| matches!(frame, ClientFrame::Inventory { .. }))
            .count()
    }
}

#[tokio::test]
async fn a_relay_that_came_back_empty_gets_everything_once() {
    let (mut script, author) = with_author("empty").await;
    let rows = script.all_rows();
    script.connect().await;
    assert_eq!(script.since.unwrap().incarnation, 5);
    script.closed(Refusal::UnknownClassroom).await;
    assert_eq!(script.view().work, Work::OnThisDevice);
    script.live(5).await;
    assert!(script.founded, "whoever has the founding entry brings it");
    script.open_by(9, 0, None).await;
    assert_eq!(script.inventories_asked(), 1);
    let mut answered = script.store_rest(0).await;
    assert_eq!(script.view().work, Work::OnThisDevice);
    script.say_inventory(script.inventory(script.founding(), &[]));
    script.go().await;
    // The roster and own work at once, with the same bytes.
    let entries = script.entries().len();
    assert_eq!(entries, 3, "founding, invite, admission");
    assert!(script.submitted_of(&author).is_empty());
    answered = script.store_rest(answered).await;
    assert_eq!(script.view().work, Work::OnThisDevice);
    assert!(script.is_marked());

    // The work of others after a while, if it is still missing.
    script.live(LOOK).await;
    assert_eq!(script.inventories_asked(), 2);
    script.say_inventory(script.taken());
    script.go().await;
    assert_eq!(script.submitted_of(&author), (0..10).collect::<Vec<_>>());
    script.store_rest(answered).await;
    let mut sent = Vec::new();
    for submitted in &script.submitted {
        if let Submitted::Segment(segment) = submitted {
            sent.push(segment.clone());
        }
    }
    sent.sort_by_key(|segment| (segment.header.log, segment.header.last));
    assert_eq!(sent, rows);
    assert_eq!(
        (script.view().work, script.view().refused),
        (Work::OnTheRelay, None)
    );
    assert!(!script.is_marked());

    // And that was it.
    script.live(2 * LOOK).await;
    assert_eq!(script.inventories_asked(), 2);
    script.disconnect();
    script.connect().await;
    assert_eq!(script.since.unwrap().incarnation, 9);
    assert!(script.submitted.is_empty());
}

#[tokio::test]
async fn an_empty_relay_gets_everything_back_from_whoever_comes() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("real").await;
    for word in 0..20 {
        world.write_word(amina, page, &format!("[a{word}]"));
        world.write_word(ben, page, &format!("[b{word}]"));
        world.drain().await;
    }
    let before = world.until_equal(page).await;
    world.replace_relay().await;
    // The founder does not come back for now.
    world.cut(0);
    world.until_on_relay_of(ben).await;
    world.link(0);
    assert_eq!(world.until_equal(page).await, before);
    let profile = world.profile();
    let carla = world.open_tab(profile);
    let link = world.invite(amina, page.0, Role::Student).await;
    world.until_on_relay_of(amina).await;
    world
        .join(carla, &link, person("Carla", "Hill School", "GB"))
        .await;
    world.open_page(carla, page).await;
    assert_eq!(world.until_equal(page).await, before);
    world.check_nothing_to_send().await;
}

#[tokio::test]
async fn what_somebody_else_brought_meanwhile_is_not_sent_again() {
    let (mut script, author) = with_author("meanwhile").await;
    let rows = script.all_rows();
    script.connect().await;
    let has = script.inventory(script.founding(), &[]);
    script.open_by(9, 0, Some(has)).await;
    script.store_rest(0).await;
    script.live(LOOK).await;
    let mut has = script.inventory(Vec::new(), &rows);
    has.entries = script.taken().entries;
    script.say_inventory(has);
    script.go().await;
    assert!(script.submitted_of(&author).is_empty());
    assert_eq!(script.view().work, Work::OnTheRelay);
    assert!(!script.is_marked());
}

#[tokio::test]
async fn healing_goes_on_after_a_crash() {
    let (mut script, author) = with_author("crash").await;
    script.connect().await;
    let has = script.inventory(script.founding(), &[]);
    script.open_by(9, 0, Some(has.clone())).await;
    script.tab = script.world.restart_tab(script.tab);
    script.connect().await;
    let unknown = Position {
        incarnation: 0,
        index: 0,
    };
    assert_eq!(script.since, Some(unknown), "the relay is asked what it has");
    script.open_by(9, 0, Some(has)).await;
    script.store_rest(0).await;
    script.live(LOOK).await;
    let answered = script.submitted.len();
    script.say_inventory(script.taken());
    script.go().await;
    assert_eq!(script.submitted_of(&author).len(), 10);
    script.store_rest(answered).await;
    assert!(!script.is_marked());
}

#[tokio::test]
async fn what_is_missing_here_is_fetched() {
    let (mut script, mut author) = with_author("fetched").await;
    let mut has = script.inventory(Vec::new(), &script.all_rows());
    let mut missing = Vec::new();
    for word in 10..13 {
        let change = author.word(&format!("[{word}]"));
        missing.push(author.seal(&[change]));
    }
    let first = has.logs.iter_mut().find(|state| state.log == author.log).unwrap();
    first.next = 13;
    // The newest of the author's entries is missing on neither side.
    script.connect().await;
    has.entries = author.heads.clone();
    has.entries.push(EntryHash(script.classroom.0));
    script.open_by(9, 0, Some(has)).await;
    let Some(ClientFrame::Fetch { wanted, .. }) = script.asked.last().cloned() else {
        panic!("{:?}", script.asked);
    };
    assert!(wanted.entries.is_empty());
    let ranges: Vec<(Log, u64, u64)> = wanted
        .logs
        .iter()
        .map(|range| (range.log, range.from, range.to))
        .collect();
    assert_eq!(ranges, [(author.log, 10, 13)]);
    for segment in &missing {
        script.bring(segment).await;
    }
    script.fetched().await;
    assert_eq!(
        crate::tab::words(&script.world.tab(script.tab).text(&script.page)).len(),
        13
    );
    // The invite's entry is all that was missing there.
    assert!(script.segments().is_empty());
    script.store_rest(0).await;
    assert!(!script.is_marked());
}

#[tokio::test]
async fn what_is_refused_for_good_is_shown_and_not_sent_for_ever() {
    let (mut script, _) = with_author("refused").await;
    script.connect().await;
    let has = script.inventory(script.founding(), &[]);
    script.open_by(9, 0, Some(has)).await;
    for number in 0..script.submitted.len() {
        script
            .refused(u32::try_from(number).unwrap(), Refusal::QuotaFull)
            .await;
    }
    script.live(LOOK).await;
    let before = script.submitted.len();
    script.say_inventory(script.inventory(script.founding(), &[]));
    script.go().await;
    for number in before..script.submitted.len() {
        script
            .refused(u32::try_from(number).unwrap(), Refusal::QuotaFull)
            .await;
    }
    assert_eq!(script.view().refused, Some(Refusal::QuotaFull));
    let before = (script.submitted.len(), script.inventories_asked());
    script.live(3 * LOOK).await;
    assert_eq!((script.submitted.len(), script.inventories_asked()), before);
    assert!(!script.is_marked());
}

#[tokio::test]
async fn a_relay_put_back_from_a_backup_gets_back_what_it_lost() {
    // It has not come as far again yet, or further with other items.
    a_backup_that_went_on("backup", -10).await;
    a_backup_that_went_on("gone on", 10).await;
}

async fn a_backup_that_went_on(seed: &str, by: i64) {
    let (mut script, author) = with_author(seed).await;
    let rows = script.all_rows();
    script.connect().await;
    let since = script.since.unwrap();
    // It has its incarnation still, and less than it had.
    let own: Vec<Segment> = rows
        .iter()
        .filter(|segment| segment.header.log != author.log)
        .cloned()
        .collect();
    let mut has = script.inventory(author.heads.clone(), &own);
    has.entries.push(EntryHash(script.classroom.0));
    let index = since.index.checked_add_signed(by).unwrap();
    script.open_by(since.incarnation, index, None).await;
    assert!(script.is_marked());
    assert_eq!(script.view().work, Work::OnThisDevice);
    // Nor does a crash forget it before it is said what there is.
    script.tab = script.world.restart_tab(script.tab);
    script.connect().await;
    assert_ne!(script.since.unwrap().incarnation, since.incarnation);
    script.open_by(since.incarnation, index, Some(has.clone())).await;
    let answered = script.store_rest(0).await;
    script.live(LOOK).await;
    script.say_inventory(has);
    script.go().await;
    assert_eq!(script.submitted_of(&author), (0..10).collect::<Vec<_>>());
    script.store_rest(answered).await;
    assert_eq!(script.view().work, Work::OnTheRelay);
    assert!(!script.is_marked());
}

#[tokio::test]
async fn a_relay_that_says_too_fast_is_given_the_rest_later_however_often() {
    let (mut script, author) = with_author("too fast").await;
    script.connect().await;
    let has = script.inventory(script.founding(), &[]);
    script.open_by(9, 0, Some(has)).await;
    let mut answered = script.store_rest(0).await;
    let entries = script.taken().entries;
    let mut stored: Vec<Segment> = Vec::new();
    for submitted in &script.submitted {
        if let Submitted::Segment(segment) = submitted {
            stored.push(segment.clone());
        }
    }
    // Of what it is given, it takes one segment each time.
    for round in 0..10 {
        let looks = script.inventories_asked();
        while script.inventories_asked() == looks {
            script.live(5).await;
        }
        script.say_inventory(script.inventory(entries.clone(), &stored));
        script.go().await;
        let Some(Submitted::Segment(first)) = script.submitted.get(answered).cloned() else {
            panic!("what was refused is not sent again: {round}");
        };
        assert_eq!((first.header.log, first.header.last), (author.log, round));
        stored.push(first);
        assert!(script.is_marked());
        script.stored(u32::try_from(answered).unwrap()).await;
        for number in answered + 1..script.submitted.len() {
            script
                .refused(u32::try_from(number).unwrap(), Refusal::TooFast)
                .await;
        }
        answered = script.submitted.len();
    }
    assert_eq!(script.view().work, Work::OnTheRelay);
    assert!(!script.is_marked());
}

#[tokio::test]
async fn a_log_that_ends_in_something_else_on_the_relay_shows() {
    let (mut script, _) = with_author("other end").await;
    let rows = script.all_rows();
    script.connect().await;
    let mut has = script.inventory(Vec::new(), &rows);
    has.entries = script.taken().entries;
    let me = script.founder().await.id();
    let own = has.logs.iter_mut().find(|state| state.log.member == me).unwrap();
    own.hash.0[0] ^= 1;
    let log = own.log;
    let last = own.next - 1;
    script.open_by(9, 50, Some(has)).await;
    let of_log: Vec<(u32, u64)> = script
        .segments()
        .into_iter()
        .filter(|(_, of, _)| *of == log)
        .map(|(number, _, last)| (number, last))
        .collect();
    let [(number, sent)] = of_log[..] else {
        panic!("{of_log:?}")
    };
    assert_eq!(sent, last);
    for other in 0..u32::try_from(script.submitted.len()).unwrap() {
        if other == number {
            script.refused(other, Refusal::Fork).await;
        } else {
            script.stored(other).await;
        }
    }
    assert_eq!(script.view().refused, Some(Refusal::Fork));
}

#[tokio::test]
async fn what_a_full_relay_refused_is_sent_again_without_a_new_connection() {
    let mut script = Script::new("full").await;
    script.settle().await;
    let before = script.submitted.len();
    script.write_word("[late]");
    script.go().await;
    assert_eq!(script.submitted.len(), before + 1);
    script
        .refused(u32::try_from(before).unwrap(), Refusal::QuotaFull)
        .await;
    script.live(200).await;
    assert_eq!(script.submitted.len(), before + 1, "not at once");
    script.live(110).await;
    assert_eq!(script.submitted.len(), before + 2);
    // A receipt that went before it is numbered as well.
    for number in before + 1..before + 4 {
        script.stored(u32::try_from(number).unwrap()).await;
    }
    assert_eq!(script.view().work, Work::OnTheRelay);
}
