//! Relays that lost something or came back empty, and replicas that lack something.

use protocol::frame::{ClientFrame, Position};
use protocol::inventory::{Inventory, LogState};
use protocol::key::EpochKey;
use protocol::roster::{Action, Entry, Role, Rotation};
use protocol::segment::{Header, Log, Segment};
use protocol::{DocumentId, EntryHash, Refusal, SegmentHash, SpaceId};
use replica::command::{Answer, Command};
use replica::store::Table;
use replica::view::Work;

use crate::rng::SeededRng;
use crate::script::{Author, Script, Submitted};
use crate::world::{Pair, person};

/// Longer than anybody waits before they look again, in seconds.
const LOOK: u64 = 31;

/// A founder and somebody else who has written ten words, all of which a relay with the incarnation 5 had.
async fn with_author(seed: &str) -> (Script, Author) {
    let (mut script, mut author) = Script::with_member(seed, Role::Student).await;
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

/// Also of a relay that compares what it has: it would forget the old page before there is a new one.
#[tokio::test]
async fn a_relay_hears_of_an_erasure_when_it_has_what_takes_the_place_of_the_page() {
    let (mut script, author) = with_author("erased offline").await;
    let has = {
        let mut has = script.taken();
        has.entries.push(author.admission.hash());
        script.inventory(has.entries, &script.all_rows())
    };
    script.start_anew();
    script.go().await;
    script.connect().await;
    script.open_by(9, 20, Some(has)).await;
    let erases = |script: &Script| {
        let entries = script.entries();
        let erases = |entry: &&Entry| matches!(entry.action(), Action::Erase { .. });
        entries.iter().filter(erases).count()
    };
    assert_eq!((erases(&script), script.segments().len()), (0, 2));
    script.stored(0).await;
    assert_eq!(erases(&script), 0);
    let answered = script.store_rest(1).await;
    script.live(5).await;
    // With the position up to which all is here.
    assert_eq!((erases(&script), &script.erased_upto[..]), (1, &[22][..]));
    script.store_rest(answered).await;
    assert_eq!(script.view().work, Work::OnTheRelay);
}

/// What did not come could not be carried over.
#[tokio::test]
async fn nothing_is_erased_of_which_the_relay_did_not_give_all() {
    for comes_live in [false, true] {
        nothing_is_erased_before_it_comes(comes_live).await;
    }
}

/// With the next connection, or because somebody else has brought it there.
async fn nothing_is_erased_before_it_comes(comes_live: bool) {
    let (mut script, mut author) = with_author(&format!("erased in part {comes_live}")).await;
    let mut has = script.inventory(author.heads.clone(), &script.all_rows());
    has.entries.push(EntryHash(script.classroom.0));
    let change = author.word("[late]");
    let late = author.seal(&[change]);
    let state = has.logs.iter_mut().find(|state| state.log == author.log).unwrap();
    state.next = 11;
    script.start_anew();
    script.go().await;
    script.connect().await;
    script.open_by(9, 20, Some(has.clone())).await;
    script.fetched().await;
    let mut answered = script.store_rest(0).await;
    script.live(LOOK).await;
    assert!(script.erased_upto.is_empty());
    assert_eq!(script.view().refused, Some(Refusal::NotCovered));
    // What somebody writes elsewhere changes nothing, and nothing of it is worked out again.
    let (elsewhere, _) = author.own_page(DocumentId([8; 16]), 1);
    author.log.document = script.page.1;
    script.bring_all(&elsewhere).await;
    assert_eq!(script.view().refused, Some(Refusal::NotCovered));

    if comes_live {
        script.bring(&late).await;
        answered = script.store_rest(answered).await;
    } else {
        script.disconnect();
        script.connect().await;
        let own = script.inventory(Vec::new(), &script.all_rows());
        has.logs.retain(|state| state.log == author.log);
        has.logs
            .extend(own.logs.into_iter().filter(|state| state.log != author.log));
        script.open_by(9, 23, Some(has)).await;
        script.bring_by(&late, 0).await;
        script.fetched().await;
        answered = script.store_rest(0).await;
    }
    script.live(LOOK).await;
    let answered = script.store_rest(answered).await;
    script.store_rest(answered).await;
    assert_eq!(script.erased_upto.len(), 1);
    assert_eq!(script.view().refused, None);
    let next = script.view().documents[0].id;
    let carried = script
        .segments()
        .into_iter()
        .filter(|(_, log, _)| log.document == next);
    // Behind the page itself, where that went over the same connection.
    assert_eq!(carried.count(), 1 + usize::from(comes_live), "what came late");
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

/// Whoever joins as a teacher comes into a space as well, as soon as the relay knows them.
#[tokio::test]
async fn who_comes_into_a_space_still_knows_which_relay_took_what_they_sent() {
    let (mut script, author) = with_author("came in").await;
    let (classroom, members) = (script.classroom, vec![author.log.member]);
    let made = script
        .world
        .ask(script.tab, Command::NewSpace { classroom, members })
        .await;
    assert!(matches!(made, Ok(Answer::Space(_))), "{made:?}");
    script.connect().await;
    assert_eq!(script.since, None, "what was there before is not here");
    script.disconnect();
    script.tab = script.world.restart_tab(script.tab);
    script.connect().await;
    assert_eq!(script.since, None);
    // The relay was put back meanwhile.
    script.open_by(9, 0, None).await;
    assert_eq!(script.inventories_asked(), 1);
    assert!(script.is_marked());
    let answered = script.store_rest(0).await;
    script.say_inventory(script.inventory(script.founding(), &[]));
    script.go().await;
    script.store_rest(answered).await;
    let given: Vec<Log> = script.segments().into_iter().map(|(_, log, _)| log).collect();
    let mut own = script.all_rows();
    own.retain(|segment| segment.header.log != author.log);
    assert!(!own.is_empty() && own.iter().all(|segment| given.contains(&segment.header.log)));
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

/// The relay says that it has what it then does not give. It is not asked for that over and over, nor taken at its word: with
/// the next connection it is asked again, until all is here.
#[tokio::test]
async fn what_the_relay_has_and_does_not_give_is_asked_for_again() {
    let (mut script, mut author) = with_author("held").await;
    let mut has = script.inventory(author.heads.clone(), &script.all_rows());
    has.entries.push(EntryHash(script.classroom.0));
    let mut later = Vec::new();
    for word in 10..13 {
        let change = author.word(&format!("[{word}]"));
        later.push(author.seal(&[change]));
    }
    let state = has.logs.iter_mut().find(|state| state.log == author.log).unwrap();
    state.next = 13;
    let fetches = |script: &Script| {
        let is_fetch = |frame: &&ClientFrame| matches!(frame, ClientFrame::Fetch { .. });
        script.asked.iter().filter(is_fetch).count()
    };
    let words = |script: &Script| crate::tab::words(&script.text()).len();
    script.connect().await;
    script.open_by(9, 20, Some(has.clone())).await;
    assert_eq!(fetches(&script), 1);
    // Of three it has the last one only.
    script.bring_by(&later[2], 0).await;
    script.fetched().await;
    let answered = script.store_rest(0).await;
    script.live(200).await;
    assert_eq!((fetches(&script), script.inventories_asked()), (1, 1));
    assert_eq!((words(&script), script.view().kept_aside), (10, 1));
    assert!(script.is_marked());
    // Own work goes out meanwhile.
    assert_eq!(script.view().work, Work::OnTheRelay);
    script.write_word("[own]");
    script.go().await;
    assert_eq!(script.submitted.len(), answered + 1);
    script.store_rest(answered).await;
    assert_eq!(script.view().work, Work::OnTheRelay);
    // Again with the next connection, also of another tab.
    for tries in 0..2 {
        script.disconnect();
        script.tab = script.world.restart_tab(script.tab);
        let (classroom, document) = script.page;
        let open = Command::OpenPage { classroom, document };
        script.world.give(script.tab, open);
        script.connect().await;
        let unknown = Position {
            incarnation: 0,
            index: 0,
        };
        assert_eq!(script.since, Some(unknown), "the relay is asked what it has");
        let own = script.inventory(Vec::new(), &script.all_rows());
        let mut has = has.clone();
        has.logs.retain(|state| state.log == author.log);
        has.logs
            .extend(own.logs.into_iter().filter(|state| state.log != author.log));
        script.open_by(9, 21, Some(has)).await;
        assert_eq!(fetches(&script), 1);
        if tries == 1 {
            for segment in &later[..2] {
                script.bring_by(segment, 0).await;
            }
        }
        script.fetched().await;
        script.store_rest(0).await;
        script.live(60).await;
    }
    assert_eq!((words(&script), script.view().kept_aside), (14, 0));
    assert!(!script.is_marked());
}

/// What came and is kept aside has come, also if it begins before what is missing.
#[tokio::test]
async fn a_fold_that_is_kept_aside_is_not_asked_for_with_every_connection() {
    let (mut script, mut author) = with_author("aside").await;
    let rows = script.all_rows();
    let mut has = script.inventory(author.heads.clone(), &rows);
    has.entries.push(EntryHash(script.classroom.0));
    let is_replaced = |row: &&Segment| row.header.log == author.log && row.header.first == 8;
    let before = rows.iter().find(is_replaced).unwrap().previous;
    let end = SegmentHash([7; 32]);
    let state = has.logs.iter_mut().find(|state| state.log == author.log).unwrap();
    (state.next, state.hash) = (13, end);
    let other = author.word("[other]");
    let differs = author.fold((8, 12), (before, end), &[other]);
    script.connect().await;
    script.open_by(9, 20, Some(has)).await;
    script.bring_by(&differs, 0).await;
    script.fetched().await;
    script.store_rest(0).await;
    script.live(60).await;
    assert_eq!(script.view().kept_aside, 1);
    assert!(!script.is_marked());
}

/// Nobody may be left who could hand on the key of something: it is kept aside, and that is enough.
#[tokio::test]
async fn what_is_kept_aside_for_want_of_its_key_is_not_asked_for_with_every_connection() {
    let (mut script, mut author) = Script::with_member("closed", Role::Teacher).await;
    let classroom = script.classroom;
    let rotate = Command::RotateKeys {
        classroom,
        space: Some(SpaceId::EVERYONE),
    };
    script.world.give(script.tab, rotate);
    script.go().await;
    let own = script.entries().pop().unwrap();
    let recipients = || own.action().rotations().first().unwrap().recipients().copied();
    // What the founder is handed is another key than that which the entry names.
    let mut rng = SeededRng::new("closed");
    let mut rotation = |byte| {
        let key = EpochKey::from_bytes([byte; 32]);
        let before = [(0, &author.key)];
        Rotation::new(&key, SpaceId::EVERYONE, 1, before, recipients(), &mut rng).unwrap()
    };
    let (mut theirs, other) = (rotation(1), rotation(2));
    theirs.sealed = other.sealed;
    let rotations = vec![theirs];
    let heads = author.heads.clone();
    let entry = Entry::act(&author.keys, classroom, heads, Action::Rotate { rotations }).unwrap();
    author.heads = vec![entry.hash()];
    author.key = EpochKey::from_bytes([1; 32]);
    let word = author.word("[closed]");
    let header = Header {
        epoch: 1,
        ..author.header()
    };
    let closed = author.seal_as(header, &[word]);
    let answered = script.store_rest(script.submitted.len() - 1).await;
    script.bring_entry(&entry).await;
    script.bring(&closed).await;
    script.store_rest(answered).await;
    assert_eq!(script.view().kept_aside, 1);
    let mut entries: Vec<EntryHash> = script.entries().iter().map(Entry::hash).collect();
    entries.extend([author.admission.hash(), entry.hash()]);
    let mut segments = script.all_rows();
    segments.push(closed);
    let has = script.inventory(entries, &segments);
    script.disconnect();
    script.connect().await;
    script.open_by(9, 20, Some(has)).await;
    let is_fetch = |frame: &ClientFrame| matches!(frame, ClientFrame::Fetch { .. });
    assert!(!script.asked.iter().any(is_fetch), "{:?}", script.asked);
    script.store_rest(0).await;
    script.live(60).await;
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

/// The relay told that it has the third word before it answered to the first two, and lost that one: what is unsent begins
/// before what it lacks.
#[tokio::test]
async fn what_a_relay_lost_behind_what_it_never_acknowledged_it_gets_back() {
    let mut script = Script::new("out of order").await;
    script.settle().await;
    for word in ["[1]", "[2]", "[3]", "[4]"] {
        script.write_word(word);
        script.go().await;
    }
    let entries = script.taken().entries;
    let mut rows = script.all_rows();
    rows.retain(|segment| segment.header.log.document == script.page.1);
    let [.., third, _] = &rows[..] else {
        panic!("{rows:?}")
    };
    let (log, third) = (third.header.log, third.clone());
    script.bring(&third).await;
    script.disconnect();
    script.connect().await;
    let mut all = script.all_rows();
    all.retain(|segment| segment.header.log != log || segment.header.last < third.header.last);
    let has = script.inventory(entries, &all);
    script.open_by(9, 50, Some(has)).await;
    let mut sent = Vec::new();
    for (_, of, index) in script.segments() {
        if of == log {
            sent.push(index);
        }
    }
    sent.sort_unstable();
    let first = third.header.last - 2;
    assert_eq!(sent, [first, first + 1, first + 2, first + 3]);
    // A receipt is numbered as well.
    for number in 0..script.submitted.len() + 2 {
        script.stored(u32::try_from(number).unwrap()).await;
    }
    assert_eq!(script.view().work, Work::OnTheRelay);
    assert!(!script.is_marked());
}

/// It may build on that: whoever had the one without the other could not read it, and the relay can't tell.
#[tokio::test]
async fn what_is_unsent_waits_until_a_relay_has_got_back_what_it_lost_of_the_page() {
    let (mut script, author) = with_author("builds on").await;
    let (classroom, page) = script.page;
    // It has all but the author's work on the page.
    let mut rows = script.all_rows();
    rows.retain(|segment| segment.header.log != author.log);
    let mut has = script.inventory(author.heads.clone(), &rows);
    has.entries.push(EntryHash(classroom.0));
    script.connect().await;
    script.open_by(9, 50, Some(has.clone())).await;
    script.write_word("[unsent]");
    let (_, other) = script.world.new_page(script.tab, classroom).await;
    script.go().await;
    let of = |script: &Script, document: DocumentId| -> Vec<(bool, u64)> {
        let mut of = script.segments();
        of.retain(|(_, log, _)| log.document == document);
        of.iter()
            .map(|(_, log, index)| (*log == author.log, *index))
            .collect()
    };
    assert_eq!(of(&script, other), [(false, 0)], "nothing of it is lost");
    let answered = script.store_rest(0).await;
    assert_eq!(of(&script, page), []);
    script.live(LOOK).await;
    let taken = script.taken().logs;
    has.logs
        .retain(|state| taken.iter().all(|taken| taken.log != state.log));
    has.logs.extend(taken);
    script.say_inventory(has);
    script.go().await;
    let lost: Vec<(bool, u64)> = (0..10).map(|index| (true, index)).collect();
    assert_eq!(of(&script, page), lost);
    script.store_rest(answered).await;
    assert_eq!(of(&script, page)[lost.len()..], [(false, 1)]);
    assert_eq!(script.view().work, Work::OnTheRelay);
    assert!(!script.is_marked());
}

/// It goes out before it is known that the relay lost something, and that takes none of it.
#[tokio::test]
async fn what_goes_out_with_the_opening_waits_as_well_if_the_relay_lost_something() {
    let (mut script, author) = with_author("in one flight").await;
    let mut rows = script.all_rows();
    rows.retain(|segment| segment.header.log != author.log);
    let mut has = script.inventory(author.heads.clone(), &rows);
    has.entries.push(EntryHash(script.classroom.0));
    script.write_word("[unsent]");
    script.go().await;
    script.connect().await;
    let unsent = script.segments();
    assert_eq!(unsent.len(), 1);
    script.open_by(9, 50, None).await;
    assert_eq!(script.inventories_asked(), 1);
    script.refused(unsent[0].0, Refusal::IndexGap).await;
    script.live(LOOK).await;
    assert_eq!(
        (script.view().work, script.view().refused),
        (Work::OnThisDevice, None)
    );
    script.say_inventory(has.clone());
    script.go().await;
    let answered = script.store_rest(1).await;
    script.live(LOOK).await;
    assert_eq!(script.segments().len(), 1, "nor before it has that back");
    script.say_inventory(has);
    script.go().await;
    assert_eq!(script.submitted_of(&author), (0..10).collect::<Vec<_>>());
    assert_eq!(script.segments().len(), 1 + 10);
    script.store_rest(answered).await;
    let again = script.segments().split_off(1 + 10);
    assert_eq!(
        again
            .iter()
            .map(|(_, log, index)| (*log, *index))
            .collect::<Vec<_>>(),
        [(unsent[0].1, unsent[0].2)]
    );
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

/// The invite has expired since, and nobody else knows that they came by it: "no member" alone would say nothing of that.
#[tokio::test]
async fn why_a_relay_does_not_take_somebody_in_again_is_told() {
    let (mut script, _) = with_author("lost admission").await;
    script.write_word("[unsent]");
    script.go().await;
    script.connect().await;
    let has = script.inventory(script.founding(), &[]);
    script.open_by(9, 0, Some(has)).await;
    let (mut answered, mut segments) = (0, 0);
    while let Some(submitted) = script.submitted.get(answered) {
        let is_entry = matches!(submitted, Submitted::Entry(_));
        let reason = if is_entry {
            Refusal::InviteExpired
        } else {
            segments += 1;
            Refusal::NotAMember
        };
        script.refused(u32::try_from(answered).unwrap(), reason).await;
        answered += 1;
    }
    assert!(segments > 0 && segments < answered);
    let shown = script.view();
    assert_eq!(shown.work, Work::OnThisDevice);
    assert_eq!(shown.refused, Some(Refusal::InviteExpired));
}
