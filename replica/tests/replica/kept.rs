//! What is kept aside: listed with its reason, exported, and taken in by itself once it can be.

use documents::page::Page;
use documents::redo::{self, End};
use protocol::bundle::{Event as Piece, Kind, Reader, Writer};
use protocol::key::EpochKey;
use protocol::roster::{Action, Entry, Role, Rotation};
use protocol::segment::{Header, Log, Segment};
use protocol::{
    ClassroomId, DocumentId, EntryHash, ExchangeKey, LaneId, Refusal, SegmentHash, Signature, SnapshotHash,
    SpaceId,
};
use replica::command::{Answer, Command, Imported, MOST_LISTED};
use replica::store::{AsideReason, Table};
use replica::view::{KeptAside, Why, Work};

use crate::rng::SeededRng;
use crate::script::{Author, Script, Submitted};
use crate::tab::words;
use crate::world::Step;

/// A founder whose work is on the relay, and another author of whom the replica does not know.
async fn with_stranger(seed: &str, role: Role) -> (Script, Author) {
    let mut script = Script::new(seed).await;
    script.open(0).await;
    script.store_all_from(0).await;
    let before = u32::try_from(script.submitted.len()).unwrap();
    let author = script.author(role).await;
    script.store_all_from(before).await;
    (script, author)
}

/// The same whom it knows.
async fn with_author(seed: &str) -> (Script, Author) {
    let (mut script, author) = with_stranger(seed, Role::Student).await;
    script.bring_entry(&author.admission).await;
    (script, author)
}

async fn kept(script: &mut Script) -> Vec<KeptAside> {
    let classroom = script.classroom;
    match script
        .world
        .ask(script.tab, Command::KeptAside { classroom, skip: 0 })
        .await
    {
        Ok(Answer::KeptAside(kept)) => kept,
        other => panic!("{other:?}"),
    }
}

async fn reasons(script: &mut Script) -> Vec<AsideReason> {
    let kept = kept(script).await.into_iter();
    kept.map(|kept| match kept.reason {
        Why::Unfit(reason) => reason,
        refused @ Why::Refused(_) => panic!("{refused:?}"),
    })
    .collect()
}

/// Exports what is kept aside, and reads the file.
async fn exported(script: &mut Script) -> Vec<(ClassroomId, Kind, Vec<u8>)> {
    let classroom = script.classroom;
    let request = script.world.give(script.tab, Command::ExportAside { classroom });
    exported_by(script, request).await
}

pub(crate) async fn exported_by(script: &mut Script, request: u32) -> Vec<(ClassroomId, Kind, Vec<u8>)> {
    while !script.world.tab(script.tab).answers.contains_key(&request) {
        script.go().await;
    }
    let answer = script.world.tab_mut(script.tab).answers.remove(&request);
    let Some(Ok(Answer::Exported { items })) = answer else {
        panic!("{answer:?}")
    };
    let file = script
        .world
        .tab_mut(script.tab)
        .exported
        .remove(&request)
        .unwrap();
    let mut reader = Reader::default();
    reader.push(&file);
    let mut found = Vec::new();
    for piece in reader.by_ref() {
        match piece {
            Piece::Record {
                classroom,
                kind,
                item,
            } => found.push((classroom, kind, item)),
            other => panic!("{other:?}"),
        }
    }
    assert!(reader.finish().complete);
    assert_eq!(found.len() as u64, items);
    found
}

async fn restart(script: &mut Script) {
    script.tab = script.world.restart_tab(script.tab);
    script.connect().await;
    script.open(40).await;
    let (classroom, document) = script.page;
    script
        .world
        .give(script.tab, Command::OpenPage { classroom, document });
    script.go().await;
}

#[tokio::test]
async fn it_is_listed_with_its_reason_and_exported() {
    let (mut script, mut author) = with_author("listed").await;
    let first = author.word("[first]");
    let second = author.word("[second]");
    let first = author.seal(&[first]);
    let second = author.seal(&[second]);
    script.bring(&second).await;
    let bytes = second.encode().unwrap();
    let expected = KeptAside {
        reason: Why::Unfit(AsideReason::OutOfOrder),
        from: Some(author.log.member),
        document: Some(script.page.1),
        bytes: bytes.len() as u64,
    };
    assert_eq!(kept(&mut script).await, [expected]);
    let of_classroom = script.classroom;
    assert_eq!(
        exported(&mut script).await,
        [(of_classroom, Kind::Segment, bytes)]
    );
    // What comes after a restart is the same.
    restart(&mut script).await;
    assert_eq!(exported(&mut script).await.len(), 1);
    script.bring(&first).await;
    assert!(kept(&mut script).await.is_empty());
    assert!(exported(&mut script).await.is_empty());
    assert_eq!(words(&script.text()).len(), 2);
}

#[tokio::test]
async fn a_bare_change_leaves_only_within_its_sealed_segment() {
    let (mut script, mut author) = with_author("bare").await;
    let stranger = {
        let saved = author.page.save().unwrap();
        let mut page = documents::page::Page::load(&saved, [7; 16]).unwrap();
        page.apply(&[crate::tab::word_at((0, 0), "[stranger]")]).unwrap();
        page.commit(0).unwrap()
    };
    // Not a change at all, and one of nobody whom the classroom knows.
    let segment = author.seal(&[stranger.clone(), vec![1, 2, 3]]);
    script.bring(&segment).await;
    assert_eq!(script.view().kept_aside, 2);
    for (_, _, item) in exported(&mut script).await {
        assert_ne!(item, stranger, "plain text was exported");
    }
}

#[tokio::test]
async fn a_change_that_waits_for_others_is_shown_as_kept_aside() {
    let (mut script, mut author) = with_author("waits").await;
    let missing = author.word("[missing]");
    let later = author.word("[later]");
    let later = author.seal(&[later]);
    script.bring(&later).await;
    assert_eq!((script.view().kept_aside, script.text().as_str()), (1, ""));
    let listed = kept(&mut script).await;
    assert_eq!(listed[0].reason, Why::Unfit(AsideReason::MissingDependency));
    assert_eq!(listed[0].from, Some(author.log.member));
    restart(&mut script).await;
    assert_eq!(script.view().kept_aside, 1);
    let missing = author.seal(&[missing]);
    script.bring(&missing).await;
    assert_eq!(script.view().kept_aside, 0);
    assert_eq!(words(&script.text()).len(), 2);
}

#[tokio::test]
async fn what_came_while_a_page_was_locked_passes_when_it_is_unlocked() {
    let (mut script, mut author) = with_author("unlocked").await;
    let (classroom, document) = script.page;
    for locked in [true, false] {
        let command = Command::Lock {
            classroom,
            document,
            locked,
        };
        if locked {
            assert_eq!(script.world.ask(script.tab, command).await, Ok(Answer::Done));
            let change = author.word("[late]");
            let segment = author.seal(&[change]);
            script.bring(&segment).await;
            assert_eq!(reasons(&mut script).await, [AsideReason::Locked]);
            assert_eq!(script.text(), "");
        } else {
            assert_eq!(script.world.ask(script.tab, command).await, Ok(Answer::Done));
            script.go().await;
            script.pass(1_000).await;
            assert_eq!((script.view().kept_aside, script.text().as_str()), (0, "[late]"));
        }
    }
}

#[tokio::test]
async fn what_passes_when_a_page_is_unlocked_is_in_what_is_stored_whole_right_after() {
    let (mut script, mut author) = with_author("unlocked and stored").await;
    let (classroom, document) = script.page;
    let lock = |locked| Command::Lock {
        classroom,
        document,
        locked,
    };
    assert_eq!(script.world.ask(script.tab, lock(true)).await, Ok(Answer::Done));
    script.write_word("[mine]");
    script.go().await;
    let change = author.word("[late]");
    let segment = author.seal(&[change]);
    script.bring(&segment).await;
    assert_eq!(reasons(&mut script).await, [AsideReason::Locked]);
    script.world.give(script.tab, lock(false));
    // Nothing else happens before the page is stored whole.
    script.pass(6_000).await;
    assert_eq!((script.view().kept_aside, words(&script.text()).len()), (0, 2));
    script.tab = script.world.restart_tab(script.tab);
    script.world.open_page(script.tab, script.page).await;
    assert_eq!(words(&script.text()).len(), 2);
}

#[tokio::test]
async fn a_newer_version_takes_what_an_older_one_could_not() {
    let (mut script, mut author) = with_author("upgrade").await;
    let change = author.word("[new]");
    let segment: Segment = author.seal(&[change]);
    let bytes = segment.encode().unwrap();
    script.world.crash_tab(script.tab);
    // As a version would have kept it that could not read it.
    let key = [script.classroom.0, protocol::content_name(&bytes)].concat();
    let newer_version = 11;
    let length = [(bytes.len() & 0x7f) as u8 | 0x80, (bytes.len() >> 7) as u8];
    assert!(bytes.len() < 1 << 14);
    let row = [&[1, newer_version][..], &length, &bytes].concat();
    script.world.profiles[0].store.put(Table::Aside, key, row);
    // It is gone before it has read that.
    script.tab = script.world.open_tab(0);
    while script.world.tab(script.tab).writing.is_some() {
        script.world.step(Step::Write(script.tab)).await;
    }
    script.world.crash_tab(script.tab);
    script.tab = script.world.open_tab(0);
    script.connect().await;
    script.open(50).await;
    let (classroom, document) = script.page;
    script
        .world
        .give(script.tab, Command::OpenPage { classroom, document });
    script.go().await;
    assert_eq!((script.view().kept_aside, script.text().as_str()), (0, "[new]"));
    assert!(script.world.store(0).table(Table::Aside).is_empty());
}

#[tokio::test]
async fn nothing_of_an_erased_page_stays_but_own_work_that_was_not_sent() {
    let (mut script, mut author) = with_author("erased").await;
    let change = author.word("[theirs]");
    let segment = author.seal(&[change]);
    script.bring(&segment).await;
    script.write_word("[unsent]");
    script.go().await;
    let founder = script.founder().await;
    let action = Action::Erase {
        document: script.page.1,
        successor: DocumentId([7; 16]),
    };
    let heads = author.heads.clone();
    let erase = Entry::act(&founder, script.classroom, heads, action).unwrap();
    script.bring_entry(&erase).await;
    // The tab hands over what it has, and closes it.
    let (classroom, document) = script.page;
    script
        .world
        .give(script.tab, Command::ClosePage { classroom, document });
    script.world.tick(1_000);
    script.go().await;
    // There is no more to come of what takes its place.
    script.open(0).await;
    script.pass(1_000).await;
    let rows_of_page = |script: &Script, table| {
        let rows = script.world.store(0).table(table).into_iter();
        rows.filter(|(key, _)| key[32..48] == script.page.1.0).count()
    };
    for table in [
        Table::Segments,
        Table::Outbox,
        Table::Documents,
        Table::Titles,
        Table::Logs,
    ] {
        assert_eq!(rows_of_page(&script, table), 0, "{table:?}");
    }
    let listed = kept(&mut script).await;
    let me = script.world.tab(script.tab).home.as_ref().unwrap().me;
    assert_eq!(
        listed
            .iter()
            .map(|kept| (kept.reason, kept.from))
            .collect::<Vec<_>>(),
        [(Why::Unfit(AsideReason::Erased), me)]
    );
    // What others write there comes to nothing.
    let late = author.word("[late]");
    let late = author.seal(&[late]);
    script.bring(&late).await;
    assert_eq!(script.view().kept_aside, 1);
    assert_eq!(rows_of_page(&script, Table::Segments), 0);
}

/// A lead who erases something as another relay had it does not have in the new page what only this one got.
#[tokio::test]
async fn own_work_that_cannot_be_carried_over_is_kept_aside_though_it_was_sent() {
    let (mut script, mut author) = with_stranger("erased and sent", Role::Lead).await;
    script.bring_entry(&author.admission).await;
    let is_of_page = |(_, log, _): &(u32, Log, u64)| log.document == script.page.1;
    let (_, log, first) = script.segments().into_iter().find(is_of_page).unwrap();
    assert_eq!(first, 0, "the new page");
    script.write_word("[sent]");
    script.go().await;
    script.store_rest(script.submitted.len() - 1).await;
    assert_eq!(script.view().work, Work::OnTheRelay);

    let successor = DocumentId([7; 16]);
    author.turn_to(successor);
    author.page = Page::new(author.log.actor()).unwrap();
    let end = End {
        sequence: 1,
        hash: [0; 4],
    };
    let has = redo::Ends::from([(log.actor().to_vec(), end)]);
    let change = author.page.commit_with_note(0, redo::note(&has)).unwrap();
    let segment = author.seal(&[change]);
    script.bring(&segment).await;
    let (classroom, document) = script.page;
    let heads = author.heads.clone();
    for action in [
        Action::Erase { document, successor },
        Action::Close { closed: true },
    ] {
        let entry = Entry::act(&author.keys, classroom, heads.clone(), action).unwrap();
        script.bring_entry(&entry).await;
    }
    assert_eq!(script.view().kept_aside, 0, "the tab has it open");
    script
        .world
        .give(script.tab, Command::ClosePage { classroom, document });
    script.world.tick(1_000);
    script.go().await;
    let listed = kept(&mut script).await;
    let me = script.world.tab(script.tab).home.as_ref().unwrap().me;
    let listed: Vec<_> = listed.iter().map(|kept| (kept.reason, kept.from)).collect();
    assert_eq!(
        listed,
        [(Why::Unfit(AsideReason::Erased), me)],
        "what is not in it"
    );
    let rows = script.world.store(0).table(Table::Segments).into_iter();
    assert_eq!(rows.filter(|(key, _)| key[32..48] == document.0).count(), 0);
    let items = exported(&mut script).await;
    let [(_, Kind::Segment, item)] = items.as_slice() else {
        panic!("{items:?}")
    };
    let header = Segment::decode(item).unwrap().header;
    assert_eq!((header.log, header.first, header.last), (log, 1, 1));
}

#[tokio::test]
async fn a_roster_entry_that_waits_for_another_is_shown_until_that_comes() {
    let mut script = Script::new("waits").await;
    script.settle().await;
    let before = script.submitted.len();
    let mut author = script.author(Role::Student).await;
    script.store_rest(before).await;
    let founder = script.founder().await;
    let action = Action::Lock {
        document: script.page.1,
        locked: true,
    };
    author.heads = vec![author.admission.hash()];
    let late = Entry::act(&founder, script.classroom, author.heads.clone(), action).unwrap();
    script.bring_entry(&late).await;
    assert_eq!(reasons(&mut script).await, [AsideReason::UnknownRoster]);
    assert_eq!(script.view().kept_aside, 1);
    script.bring_entry(&author.admission).await;
    assert_eq!(script.view().kept_aside, 0);
}

#[tokio::test]
async fn a_roster_entry_that_its_author_did_not_sign_is_called_that() {
    let (mut script, author) = with_author("unsigned").await;
    let founder = script.founder().await;
    let action = Action::Lock {
        document: script.page.1,
        locked: true,
    };
    let entry = Entry::act(&founder, script.classroom, author.heads.clone(), action).unwrap();
    let mut bytes = entry.encode().unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    script.bring_entry(&Entry::decode(&bytes).unwrap()).await;
    assert_eq!(reasons(&mut script).await, [AsideReason::BadSignature]);
}

fn bundle(classroom: &ClassroomId, records: &[(Kind, Vec<u8>)]) -> Vec<u8> {
    let (mut writer, mut file) = Writer::begin();
    for (kind, item) in records {
        file.extend(writer.record(classroom, *kind, item).unwrap());
    }
    file.extend(writer.end().unwrap());
    file
}

async fn import(script: &mut Script, records: &[(Kind, Vec<u8>)]) -> Imported {
    let part = bundle(&script.classroom, records);
    let (import, last) = (0, true);
    let command = Command::Import { import, part, last };
    let request = script.world.give(script.tab, command);
    script.go().await;
    match script.world.tab_mut(script.tab).answers.remove(&request) {
        Some(Ok(Answer::Imported(imported))) => imported,
        other => panic!("{other:?}"),
    }
}

async fn exported_classroom(script: &mut Script) -> Vec<(Kind, Vec<u8>)> {
    let classroom = Some(script.classroom);
    let request = script.world.give(script.tab, Command::Export { classroom });
    exported_by(script, request)
        .await
        .into_iter()
        .map(|(_, kind, item)| (kind, item))
        .collect()
}

#[tokio::test]
async fn verdicts_and_receipts_of_a_file_are_taken_and_handed_on() {
    let (mut script, mut author) = with_author("handed on").await;
    let verdict = author.verdict(SnapshotHash([7; 32])).encode().unwrap();
    let [first, newer] = [1, 2].map(|count| author.receipt(count).encode().unwrap());
    let records = [
        (Kind::Verdict, verdict.clone()),
        (Kind::Receipt, first),
        (Kind::Receipt, newer.clone()),
    ];
    let counts = |imported: &Imported| (imported.new, imported.known, imported.aside);
    let imported = import(&mut script, &records).await;
    assert_eq!(counts(&imported), (3, 0, 0));
    for again in [false, true] {
        if again {
            restart(&mut script).await;
        }
        let imported = import(&mut script, &records).await;
        assert_eq!(counts(&imported), (0, 3, 0));
        let found = exported_classroom(&mut script).await;
        let said: Vec<&(Kind, Vec<u8>)> = found
            .iter()
            .filter(|(kind, _)| matches!(kind, Kind::Verdict | Kind::Receipt))
            .collect();
        let mut wanted = [&records[0], &records[2]];
        wanted.sort_by_key(|record| !said.starts_with(&[record]));
        assert_eq!(said, wanted, "{again}");
    }
    // What is none is kept aside, and so is what comes before its author.
    author.heads = vec![EntryHash([9; 32])];
    let mut forged = verdict;
    *forged.last_mut().unwrap() ^= 1;
    let records = [
        (Kind::Verdict, vec![1; 50]),
        (Kind::Receipt, vec![9; 50]),
        (Kind::Verdict, forged),
        (Kind::Receipt, author.receipt(3).encode().unwrap()),
        (Kind::Piece, Vec::new()),
    ];
    let imported = import(&mut script, &records).await;
    assert_eq!(counts(&imported), (0, 0, 5));
    let mut found = reasons(&mut script).await;
    found.sort_by_key(|reason| *reason as u8);
    let wanted = [
        AsideReason::Unreadable,
        AsideReason::Unreadable,
        AsideReason::BadSignature,
        AsideReason::UnknownRoster,
        AsideReason::NewerVersion,
    ];
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn what_a_newer_version_made_keeps_its_kind() {
    let (mut script, mut author) = with_author("newer kind").await;
    let change = author.word("[newer]");
    let mut newer = author.seal(&[change]).encode().unwrap();
    newer[0] = 2;
    let records = [(Kind::Other(99), vec![3; 50]), (Kind::Segment, newer)];
    import(&mut script, &records).await;
    assert_eq!(
        reasons(&mut script).await,
        [AsideReason::NewerVersion, AsideReason::NewerVersion]
    );
    for again in [false, true] {
        if again {
            restart(&mut script).await;
        }
        let mut found: Vec<(Kind, Vec<u8>)> = exported(&mut script)
            .await
            .into_iter()
            .map(|(_, kind, item)| (kind, item))
            .collect();
        found.sort_by_key(|(kind, _)| *kind == Kind::Segment);
        assert_eq!(found, records);
    }
}

#[tokio::test]
async fn a_newer_version_knows_a_kind_that_an_older_one_did_not() {
    let (mut script, mut author) = with_author("known kind").await;
    let change = author.word("[new]");
    let bytes = author.seal(&[change]).encode().unwrap();
    script.world.crash_tab(script.tab);
    // As a version would have kept it to which a segment was a kind that it did not know.
    let segment = 1;
    let mut key = [script.classroom.0, protocol::content_name(&bytes)].concat();
    key.push(segment);
    let newer_version = 11;
    let length = [(bytes.len() & 0x7f) as u8 | 0x80, (bytes.len() >> 7) as u8];
    let row = [&[1, newer_version][..], &length, &bytes].concat();
    script.world.profiles[0].store.put(Table::Aside, key, row);
    script.tab = script.world.open_tab(0);
    script.connect().await;
    script.open(50).await;
    let (classroom, document) = script.page;
    script
        .world
        .give(script.tab, Command::OpenPage { classroom, document });
    script.go().await;
    assert_eq!((script.view().kept_aside, script.text().as_str()), (0, "[new]"));
    assert!(script.world.store(0).table(Table::Aside).is_empty());
}

#[tokio::test]
async fn however_much_is_kept_aside_all_of_it_is_listed() {
    let (mut script, _) = with_author("much").await;
    let most = MOST_LISTED as usize;
    let records: Vec<(Kind, Vec<u8>)> = (0..6 * most + 7)
        .map(|number| (Kind::Entry, number.to_be_bytes().to_vec()))
        .collect();
    import(&mut script, &records).await;
    let all = u32::try_from(records.len()).unwrap();
    for again in [false, true] {
        if again {
            restart(&mut script).await;
        }
        assert_eq!(script.view().kept_aside, all);
        let classroom = script.classroom;
        let (mut skip, mut pages) = (0, 0);
        while skip < all {
            let command = Command::KeptAside { classroom, skip };
            let listed = script.world.ask(script.tab, command).await;
            let Ok(Answer::KeptAside(listed)) = listed else {
                panic!("{listed:?}")
            };
            let unreadable = Why::Unfit(AsideReason::Unreadable);
            assert!(listed.iter().all(|kept| kept.reason == unreadable));
            skip += u32::try_from(listed.len()).unwrap();
            pages += 1;
        }
        assert_eq!((skip, pages), (all, 7));
    }
    assert_eq!(exported(&mut script).await.len(), records.len());
}

/// Segments behind one that is missing, more of them than are at hand to be tried again.
async fn fill(script: &mut Script, author: &mut Author) {
    let before = (author.log, author.next, author.previous);
    author.log.lane = LaneId([8; 16]);
    (author.next, author.previous) = (0, SegmentHash::NONE);
    author.seal(&[vec![0; 60_000]]);
    for _ in 0..3 {
        let segments: Vec<Segment> = (0..50).map(|_| author.seal(&[vec![0; 60_000]])).collect();
        script.bring_all(&segments).await;
        script.said.clear();
    }
    assert_eq!(script.view().kept_aside, 150);
    (author.log, author.next, author.previous) = before;
}

#[tokio::test]
async fn what_can_be_applied_passes_however_much_else_is_kept_aside() {
    let (mut script, mut author) = with_author("full").await;
    fill(&mut script, &mut author).await;
    let changes: Vec<Vec<u8>> = (0..80).map(|word| author.word(&format!("[{word}]"))).collect();
    let segments: Vec<Segment> = changes
        .iter()
        .map(|change| author.seal(std::slice::from_ref(change)))
        .collect();
    script.bring_all(&segments[1..]).await;
    assert_eq!(script.view().kept_aside, 229);
    script.bring(&segments[0]).await;
    assert_eq!(script.view().kept_aside, 150);
    assert_eq!(words(&script.text()).len(), 80);
    // Nothing of it is tried before its log gets there: what comes meanwhile passes at once.
    let change = author.word("[more]");
    let more = author.seal(&[change]);
    script.bring(&more).await;
    assert_eq!((script.view().kept_aside, words(&script.text()).len()), (150, 81));
}

#[tokio::test]
async fn of_an_erased_page_nothing_stays_aside_however_much_there_is() {
    let (mut script, mut author) = with_author("erased aside").await;
    fill(&mut script, &mut author).await;
    // More of it, whatever the reason.
    let change = author.word("[late]");
    let mut forged = author.seal(&[change]);
    forged.signature = Signature::from_bytes([1; 64]);
    script.bring(&forged).await;
    let change = author.word("[early]");
    let early = author.seal(&[change]);
    script.bring(&early).await;
    assert_eq!(script.view().kept_aside, 152);
    let founder = script.founder().await;
    let action = Action::Erase {
        document: script.page.1,
        successor: DocumentId([7; 16]),
    };
    let heads = author.heads.clone();
    let erase = Entry::act(&founder, script.classroom, heads, action).unwrap();
    script.bring_entry(&erase).await;
    let (classroom, document) = script.page;
    script
        .world
        .give(script.tab, Command::ClosePage { classroom, document });
    script.world.tick(1_000);
    script.go().await;
    // There is no more to come of what takes its place.
    script.open(0).await;
    script.pass(1_000).await;
    assert_eq!(script.view().kept_aside, 0);
    assert!(script.world.store(0).table(Table::Aside).is_empty());
}

/// What is brought for an item to be kept aside, and what for it to pass then.
struct Case {
    script: Script,
    author: Author,
    passes: Passes,
}

enum Passes {
    Never,
    With(Box<Segment>),
    WithEntry(Box<Entry>),
    WithCommand(Command),
}

/// The page, and what others write in it.
impl Case {
    async fn new(reason: AsideReason) -> Self {
        let role = match reason {
            AsideReason::NotAllowed => Role::Guest,
            AsideReason::UnknownKey => Role::Teacher,
            _ => Role::Student,
        };
        let (mut script, author) = with_stranger(&format!("case {reason:?}"), role).await;
        if !matches!(reason, AsideReason::UnknownRoster | AsideReason::NotMember) {
            script.bring_entry(&author.admission).await;
        }
        Self {
            script,
            author,
            passes: Passes::Never,
        }
    }

    fn word(&mut self) -> Segment {
        let change = self.author.word("[word]");
        self.author.seal(&[change])
    }

    async fn bring_word(&mut self) {
        let segment = self.word();
        self.script.bring(&segment).await;
    }

    async fn bring_as(&mut self, header: Header) {
        let change = self.author.word("[word]");
        let segment = self.author.seal_as(header, &[change]);
        self.script.bring(&segment).await;
    }

    async fn bring_changes(&mut self, changes: &[Vec<u8>]) {
        let segment = self.author.seal(changes);
        self.script.bring(&segment).await;
    }

    async fn ask(&mut self, command: Command) {
        let answer = self.script.world.ask(self.script.tab, command).await;
        assert_eq!(answer, Ok(Answer::Done));
        self.script.go().await;
    }

    /// Two changes, each in the place of the other.
    fn rivals(&mut self, actor: [u8; 16]) -> [Vec<u8>; 2] {
        let saved = self.author.page.save().unwrap();
        ["[one]", "[other]"].map(|word| {
            let mut page = documents::page::Page::load(&saved, actor).unwrap();
            page.apply(&[crate::tab::word_at((0, 0), word)]).unwrap();
            page.commit(0).unwrap()
        })
    }

    /// Has one item kept aside for this reason.
    async fn make(&mut self, reason: AsideReason) {
        let (classroom, document) = self.script.page;
        match reason {
            AsideReason::Unreadable => {
                import(&mut self.script, &[(Kind::Segment, vec![1; 50])]).await;
            }
            AsideReason::NewerVersion => {
                let mut newer = self.word().encode().unwrap();
                newer[0] = 2;
                import(&mut self.script, &[(Kind::Segment, newer)]).await;
            }
            AsideReason::BadSignature => {
                let mut forged = self.word();
                forged.signature = Signature::from_bytes([1; 64]);
                self.script.bring(&forged).await;
            }
            AsideReason::UnknownRoster => {
                self.bring_word().await;
                self.passes = Passes::WithEntry(Box::new(self.author.admission.clone()));
            }
            AsideReason::NotMember => {
                self.author.heads = vec![EntryHash(classroom.0)];
                self.bring_word().await;
            }
            AsideReason::NotAllowed => self.bring_word().await,
            AsideReason::UnknownKey => {
                let (me, key) = (self.author.keys.id(), EpochKey::from_bytes([6; 32]));
                let space = SpaceId::of_group(&me, &[me], &key.id());
                let recipients = [self.author.keys.exchange_key()];
                let mut rng = SeededRng::new("group");
                let first = Rotation::new(&key, space, 0, [], recipients, &mut rng).unwrap();
                let members = vec![me];
                let action = Action::NewSpace { members, first };
                let heads = self.author.heads.clone();
                let entry = Entry::act(&self.author.keys, classroom, heads, action).unwrap();
                self.script.bring_entry(&entry).await;
                self.author.heads = vec![entry.hash()];
                self.author.key = key;
                self.author.turn_to(DocumentId([8; 16]));
                let mut page = documents::page::Page::new(self.author.log.actor()).unwrap();
                let change = page.commit(0).unwrap();
                let header = Header {
                    space,
                    ..self.author.header()
                };
                let segment = self.author.seal_as(header, &[change]);
                self.script.bring(&segment).await;
            }
            AsideReason::CannotOpen => {
                self.author.key = EpochKey::from_bytes([6; 32]);
                self.bring_word().await;
            }
            AsideReason::OutOfOrder => {
                let missing = self.word();
                self.bring_word().await;
                self.passes = Passes::With(Box::new(missing));
            }
            AsideReason::WrongActor => {
                let [change, _] = self.rivals([7; 16]);
                self.bring_changes(&[change]).await;
            }
            AsideReason::BadChange => {
                let rivals = self.rivals(self.author.log.actor());
                self.bring_changes(&rivals).await;
            }
            AsideReason::Forked => {
                let before = u32::try_from(self.script.submitted.len()).unwrap();
                self.script.write_word("[own]");
                self.script.go().await;
                self.script.refused(before, Refusal::Fork).await;
            }
            AsideReason::FoldDiffers => {
                let changes = ["[0]", "[1]"].map(|word| self.author.word(word));
                for change in &changes {
                    self.bring_changes(std::slice::from_ref(change)).await;
                }
                let ends = (SegmentHash::NONE, self.author.previous);
                let fold = self.author.fold((0, 1), ends, &changes[..1]);
                self.script.bring(&fold).await;
                self.script.go().await;
            }
            AsideReason::WrongSpace => {
                let space = SpaceId::STAFF;
                let header = self.author.header();
                self.bring_as(Header { space, ..header }).await;
            }
            AsideReason::BeyondCutoff => {
                self.bring_word().await;
                let member = self.author.log.member;
                self.ask(Command::Remove { classroom, member }).await;
                self.bring_word().await;
            }
            AsideReason::Locked => {
                let [lock, unlock] = [true, false].map(|locked| Command::Lock {
                    classroom,
                    document,
                    locked,
                });
                self.ask(lock).await;
                self.bring_word().await;
                self.passes = Passes::WithCommand(unlock);
            }
            AsideReason::Closed => {
                let [close, reopen] = [true, false].map(|closed| Command::Close { classroom, closed });
                self.ask(close).await;
                self.bring_word().await;
                self.passes = Passes::WithCommand(reopen);
            }
            AsideReason::Erased => {
                self.script.write_word("[unsent]");
                self.script.go().await;
                let founder = self.script.founder().await;
                let successor = DocumentId([7; 16]);
                let action = Action::Erase { document, successor };
                let heads = self.author.heads.clone();
                let erase = Entry::act(&founder, classroom, heads, action).unwrap();
                self.script.bring_entry(&erase).await;
                self.ask(Command::ClosePage { classroom, document }).await;
                self.script.pass(1_000).await;
                // There is no more to come of what takes its place.
                self.script.open(0).await;
                self.script.pass(1_000).await;
            }
            AsideReason::MissingDependency => {
                let missing = self.author.word("[missing]");
                self.bring_word().await;
                self.passes = Passes::With(Box::new(self.author.seal(&[missing])));
            }
            // `snapshots.rs: a_snapshot_with_changes_of_somebody_else_is_refused_and_disputed`.
            AsideReason::SnapshotDiffers => panic!("of a snapshot"),
        }
    }
}

#[tokio::test]
async fn each_reason_is_listed_with_its_item_until_that_passes() {
    let all = [
        AsideReason::Unreadable,
        AsideReason::BadSignature,
        AsideReason::UnknownRoster,
        AsideReason::NotAllowed,
        AsideReason::UnknownKey,
        AsideReason::CannotOpen,
        AsideReason::OutOfOrder,
        AsideReason::WrongActor,
        AsideReason::BadChange,
        AsideReason::Forked,
        AsideReason::FoldDiffers,
        AsideReason::NewerVersion,
        AsideReason::NotMember,
        AsideReason::WrongSpace,
        AsideReason::BeyondCutoff,
        AsideReason::Locked,
        AsideReason::Closed,
        AsideReason::Erased,
        AsideReason::MissingDependency,
    ];
    for reason in all {
        let mut case = Case::new(reason).await;
        case.make(reason).await;
        assert_eq!(reasons(&mut case.script).await, [reason]);
        assert_eq!(case.script.view().kept_aside, 1, "{reason:?}");
        match std::mem::replace(&mut case.passes, Passes::Never) {
            Passes::With(segment) => case.script.bring(&segment).await,
            Passes::WithEntry(entry) => case.script.bring_entry(&entry).await,
            Passes::WithCommand(command) => {
                case.ask(command).await;
                case.script.pass(1_000).await;
            }
            Passes::Never => {
                // Not with the next start either.
                restart(&mut case.script).await;
                assert_eq!(reasons(&mut case.script).await, [reason]);
                continue;
            }
        }
        assert!(reasons(&mut case.script).await.is_empty(), "{reason:?}");
        assert!(case.script.text().contains("[word]"), "{reason:?}");
        assert!(case.script.world.store(0).table(Table::Aside).is_empty());
    }
}

#[tokio::test]
async fn a_key_to_which_nothing_can_be_sealed_stops_no_new_keys() {
    let (mut script, author) = with_stranger("low order", Role::Student).await;
    let mut action = author.admission.action().clone();
    let Action::Admit { exchange, .. } = &mut action else {
        panic!("{action:?}")
    };
    *exchange = ExchangeKey([0; 32]);
    let parents = author.admission.parents().to_vec();
    let poisoned = Entry::act(&author.keys, script.classroom, parents, action).unwrap();
    script.bring_entry(&poisoned).await;
    assert_eq!((script.view().members.len(), script.view().kept_aside), (1, 1));
    script.bring_entry(&author.admission).await;
    assert_eq!(script.view().members.len(), 2);
    let (classroom, space) = (script.classroom, Some(SpaceId::EVERYONE));
    let command = Command::RotateKeys { classroom, space };
    assert_eq!(script.world.ask(script.tab, command).await, Ok(Answer::Done));
    script.go().await;
    let Some(Submitted::Entry(entry)) = script.submitted.last() else {
        panic!("no entry")
    };
    let Action::Rotate { rotations } = entry.action() else {
        panic!("{entry:?}")
    };
    let to_author = |rotation: &Rotation| {
        let mut sealed = rotation.sealed.iter();
        sealed.any(|key| key.recipient == author.keys.exchange_key())
    };
    assert!(rotations.iter().all(to_author));
}

/// Connects again, and stores all that is sent then.
async fn store_again(script: &mut Script) {
    script.disconnect();
    script.connect().await;
    script.open(40).await;
    script.store_all_from(0).await;
}

#[tokio::test]
async fn own_work_that_the_relay_does_not_take_is_listed_and_exported_whatever_the_reason() {
    let mut script = Script::new("not taken").await;
    script.settle().await;
    let founder = script.founder().await.id();
    for &reason in Refusal::ALL {
        let first = script.submitted.len();
        script.write_word("[word]");
        script.go().await;
        let [Submitted::Segment(segment)] = &script.submitted[first..] else {
            panic!("{:?}", script.submitted)
        };
        let bytes = segment.encode().unwrap();
        let why = match reason {
            // What is in its place is kept aside, and the log ends.
            Refusal::Fork => continue,
            Refusal::Busy
            | Refusal::TooFast
            | Refusal::Storage
            | Refusal::GoingAway
            | Refusal::UnknownParent
            | Refusal::UnknownChannel
            | Refusal::NotAMember
            | Refusal::IndexGap
            | Refusal::NotCovered
            | Refusal::QuotaFull
            | Refusal::TooManyDocuments
            | Refusal::TooManyEntries
            | Refusal::Locked
            | Refusal::ClassroomClosed => None,
            Refusal::NotAllowed => Some(Why::Unfit(AsideReason::NotAllowed)),
            Refusal::BeyondCutoff => Some(Why::Unfit(AsideReason::BeyondCutoff)),
            Refusal::WrongSpace | Refusal::NotInSpace => Some(Why::Unfit(AsideReason::WrongSpace)),
            Refusal::Erased => Some(Why::Unfit(AsideReason::Erased)),
            other => Some(Why::Refused(other)),
        };
        script.refused(u32::try_from(first).unwrap(), reason).await;
        let listed = why.map(|reason| KeptAside {
            reason,
            from: Some(founder),
            document: Some(script.page.1),
            bytes: bytes.len() as u64,
        });
        let listed: Vec<KeptAside> = listed.into_iter().collect();
        assert_eq!(script.view().kept_aside as usize, listed.len(), "{reason:?}");
        assert_eq!(kept(&mut script).await, listed);
        if !listed.is_empty() {
            let item = (script.classroom, Kind::Segment, bytes);
            assert_eq!(exported(&mut script).await, [item], "{reason:?}");
        }
        if !matches!(why, Some(Why::Unfit(_))) {
            assert_eq!(
                (script.view().refused, script.view().all_refused),
                (Some(reason), false)
            );
        }
        store_again(&mut script).await;
        assert_eq!((script.view().kept_aside, script.view().refused), (0, None));
    }
}

#[tokio::test]
async fn what_waits_behind_refused_work_is_listed_with_it_and_so_are_roster_entries() {
    let mut script = Script::new("behind").await;
    script.settle().await;
    let first = u32::try_from(script.submitted.len()).unwrap();
    for word in ["[a]", "[b]"] {
        script.write_word(word);
        script.go().await;
    }
    script.refused(first, Refusal::TooLarge).await;
    script.refused(first + 1, Refusal::IndexGap).await;
    script.write_word("[c]");
    script.go().await;
    let listed = kept(&mut script).await;
    assert_eq!((listed.len(), script.view().kept_aside), (3, 3));
    let refused = Why::Refused(Refusal::TooLarge);
    assert!(listed.iter().all(|kept| kept.reason == refused));
    assert_eq!(exported(&mut script).await.len(), 3);
    store_again(&mut script).await;
    assert_eq!(script.view().kept_aside, 0);

    let number = u32::try_from(script.submitted.len()).unwrap();
    let (classroom, document) = script.page;
    let lock = Command::Lock {
        classroom,
        document,
        locked: true,
    };
    assert_eq!(script.world.ask(script.tab, lock).await, Ok(Answer::Done));
    script.go().await;
    let entry = script.entries().pop().unwrap().encode().unwrap();
    script.refused(number, Refusal::BadSignature).await;
    let listed = KeptAside {
        reason: Why::Refused(Refusal::BadSignature),
        from: Some(script.founder().await.id()),
        document: None,
        bytes: entry.len() as u64,
    };
    assert_eq!(
        (kept(&mut script).await, script.view().kept_aside),
        (vec![listed], 1)
    );
    assert_eq!(exported(&mut script).await, [(classroom, Kind::Entry, entry)]);
    store_again(&mut script).await;
    assert_eq!((script.view().kept_aside, script.view().refused), (0, None));

    // And what names it.
    let number = u32::try_from(script.submitted.len()).unwrap();
    let unlock = Command::Lock {
        classroom,
        document,
        locked: false,
    };
    assert_eq!(script.world.ask(script.tab, unlock).await, Ok(Answer::Done));
    script.write_word("[d]");
    script.go().await;
    script.refused(number, Refusal::BadSignature).await;
    script.refused(number + 1, Refusal::UnknownParent).await;
    let listed = kept(&mut script).await;
    assert_eq!((listed.len(), script.view().kept_aside), (2, 2));
    let refused = Why::Refused(Refusal::BadSignature);
    assert!(listed.iter().all(|kept| kept.reason == refused));
    assert_eq!(exported(&mut script).await.len(), 2);
    store_again(&mut script).await;
    assert_eq!((script.view().kept_aside, script.view().refused), (0, None));
}

/// An entry that the relay has no room for holds up what names it, and nothing else.
#[tokio::test]
async fn what_does_not_name_a_refused_entry_goes_on() {
    let mut script = Script::new("held up").await;
    script.settle().await;
    let (classroom, document) = script.page;
    let lock = |locked| Command::Lock {
        classroom,
        document,
        locked,
    };
    let first = u32::try_from(script.submitted.len()).unwrap();
    assert_eq!(script.world.ask(script.tab, lock(true)).await, Ok(Answer::Done));
    script.go().await;
    script.refused(first, Refusal::TooManyEntries).await;
    script.write_word("[meanwhile]");
    script.go().await;
    let entry = script.entries().pop().unwrap().hash();
    let Some(Submitted::Segment(segment)) = script.submitted.last() else {
        panic!("it waits")
    };
    assert!(!segment.header.roster.contains(&entry));
    script.stored(first + 1).await;

    // What was written before the refusal was heard of names it, and can't be taken before.
    store_again(&mut script).await;
    let first = u32::try_from(script.submitted.len()).unwrap();
    assert_eq!(script.world.ask(script.tab, lock(false)).await, Ok(Answer::Done));
    script.write_word("[named]");
    script.go().await;
    script.refused(first, Refusal::TooManyEntries).await;
    script.refused(first + 1, Refusal::UnknownParent).await;
    let submitted = script.submitted.len();
    assert_eq!(submitted, first as usize + 2);
    script.live(10).await;
    assert_eq!(script.submitted.len(), submitted);
    script.live(300).await;
    assert_eq!(script.submitted.len(), submitted + 2);
    assert!(matches!(&script.submitted[submitted], Submitted::Entry(_)));
}
