//! Whatever a relay, another tab, a file or a damaged store says: never a panic, and honest work goes on.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use protocol::bounded::Bytes;
use protocol::bundle::Kind;
use protocol::frame::{self, ClientFrame, RelayFrame};
use protocol::inventory::{Inventory, LogState, SnapshotState};
use protocol::roster::Role;
use protocol::segment::Log;
use protocol::whisper::Whisper;
use protocol::{ClassroomId, DocumentId, EntryHash, SegmentHash, SpaceId};
use replica::command::{Answer, Command, Imported};
use replica::store::{Batch, Ranges, Records, Table};
use replica::view::Update;
use replica::{Effect, Event, Replica, lanes_left};

use crate::bundles::{bundle, records};
use crate::kept::exported_by;
use crate::rng::SeededRng;
use crate::script::{Author, Script};

/// While a connection is still waited for, and as long as an exchange may take to be due, in milliseconds.
const SOON: u64 = 5_000;

/// A session of a relay, message by message, and the other notes and records around it.
struct Session {
    messages: Vec<Vec<u8>>,
    notes: Vec<Vec<u8>>,
    /// What is exported in the end.
    file: Vec<(ClassroomId, Kind, Vec<u8>)>,
    /// Everything that was stored when the session began.
    records: Records,
    now: u64,
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn session() -> Session {
    block_on(async {
        let mut script = Script::new("hostile").await;
        script.settle().await;
        let answered = script.submitted.len();
        let mut author = script.author(Role::Student).await;
        script.store_rest(answered).await;
        let records = script.world.store(0).read_tables(&Table::ALL);
        let now = script.world.now;
        script.said.clear();
        script.disconnect();
        script.connect().await;
        script.open(0).await;
        script.write_word("[own]");
        script.go().await;
        script.store_all_from(0).await;
        script.bring_entry(&author.admission).await;
        let mut changes = Vec::new();
        for word in ["[1]", "[2]", "[3]"] {
            let change = author.word(word);
            let segment = author.seal(std::slice::from_ref(&change));
            script.bring(&segment).await;
            changes.push(change);
        }
        let fold = author.fold((0, 2), (SegmentHash::NONE, author.previous), &changes);
        script.bring(&fold).await;
        other_items(&mut script, &mut author).await;
        script.refused(1, protocol::Refusal::Fork).await;
        script.closed(protocol::Refusal::Busy).await;
        let classroom = Some(script.classroom);
        let request = script.world.give(script.tab, Command::Export { classroom });
        let file = exported_by(&mut script, request).await;
        Session {
            messages: script.said,
            file,
            notes: script.world.tab(script.tab).told.clone(),
            records,
            now,
        }
    })
}

/// What a relay says besides entries and segments.
async fn other_items(script: &mut Script, author: &mut Author) {
    let (_, changes) = author.own_page(DocumentId([8; 16]), 3);
    let (snapshot, pieces) = author.snapshot(&changes);
    script.bring_snapshot(&snapshot.encode().unwrap(), 0).await;
    script.caught_up().await;
    script.bring_pieces(&pieces).await;
    let hash = snapshot.hash(&script.classroom).unwrap();
    script.bring_verdict(&author.verdict(hash)).await;
    script.want_snapshot(script.page.1).await;
    let (channel, advance) = (script.channel, 1);
    let receipt = author.receipt(1).encode().unwrap();
    script.say(&RelayFrame::Receipt {
        channel,
        advance,
        receipt: Bytes::new("receipt", receipt).unwrap(),
    });
    let (keys, id, key) = (&author.keys, &script.classroom, &author.key);
    let mut rng = SeededRng::new("whisper");
    let whisper = Whisper::seal(keys, id, SpaceId::EVERYONE, 0, key, &[1; 30], &mut rng).unwrap();
    script.say(&RelayFrame::Whisper {
        channel,
        whisper: Bytes::new("whisper", whisper.encode().unwrap()).unwrap(),
    });
    script.say(&RelayFrame::Held {
        channel,
        submission: 0,
    });
    let log = |document| LogState {
        log: Log {
            document,
            ..author.log
        },
        first: 0,
        next: 9,
        hash: SegmentHash([1; 32]),
    };
    script.say_inventory(Inventory {
        entries: vec![author.admission.hash(), EntryHash([3; 32])],
        logs: vec![log(script.page.1), log(DocumentId([8; 16]))],
        snapshots: vec![SnapshotState {
            document: DocumentId([7; 16]),
            hash,
        }],
        ..Inventory::default()
    });
    script.fetched().await;
}

/// Handles an event as a tab would, see [`carry_out`].
fn feed(replica: &mut Replica<SeededRng>, records: &mut Records, now: u64, event: Event) -> Vec<ClientFrame> {
    let effects = replica.handle(now, event);
    carry_out(replica, records, now, effects).0
}

/// Does every write to `records` at once, and answers every read from there; answers with what the replica says to the relay,
/// and with what it shows.
fn carry_out(
    replica: &mut Replica<SeededRng>,
    records: &mut Records,
    now: u64,
    mut effects: Vec<Effect>,
) -> (Vec<ClientFrame>, Vec<Update>) {
    let (mut said, mut shown) = (Vec::new(), Vec::new());
    let mut rounds = 0;
    while !effects.is_empty() {
        rounds += 1;
        assert!(rounds < 10_000, "it does not come to rest");
        let mut events = Vec::new();
        for effect in std::mem::take(&mut effects) {
            match effect {
                Effect::Write(batch) => {
                    write(records, batch);
                    events.push(Event::Written);
                }
                Effect::ReadPage { ticket, range, most } => {
                    let mut records = read(records, vec![range]);
                    records.values_mut().for_each(|rows| rows.truncate(most as usize));
                    events.push(Event::Read { ticket, records });
                }
                Effect::Read { ticket, ranges } => {
                    let records = read(records, ranges);
                    events.push(Event::Read { ticket, records });
                }
                Effect::Send(message) | Effect::Exchange(message) => {
                    said.extend(frame::decode(&message).map(|frame| frame.unwrap()));
                }
                Effect::Show(update) => shown.push(update),
                _ => {}
            }
        }
        for event in events {
            effects.extend(replica.handle(now, event));
        }
    }
    (said, shown)
}

/// Carries out a command; answers with what is shown.
fn command(replica: &mut Replica<SeededRng>, store: &mut Records, now: u64, command: Command) -> Vec<Update> {
    let request = 1;
    let effects = replica.handle(now, Event::Command { request, command });
    carry_out(replica, store, now, effects).1
}

/// Imports a file at once.
fn import(replica: &mut Replica<SeededRng>, store: &mut Records, now: u64, part: Vec<u8>) -> Imported {
    let (import, last) = (0, true);
    let shown = command(replica, store, now, Command::Import { import, part, last });
    let imported = shown.into_iter().find_map(|update| match update {
        Update::Answered { result, .. } => Some(result),
        _ => None,
    });
    match imported {
        Some(Ok(Answer::Imported(imported))) => imported,
        other => panic!("{other:?}"),
    }
}

fn read(records: &Records, ranges: Ranges) -> Records {
    let mut found = Records::new();
    for (table, from, to) in ranges {
        let rows = records.get(&table).into_iter().flatten();
        let rows = rows.filter(|(key, _)| *key >= from && *key < to);
        found.entry(table).or_default().extend(rows.cloned());
    }
    found
}

fn write(records: &mut Records, batch: Batch) {
    for ((table, key), value) in batch.changes {
        let rows = records.entry(table).or_default();
        rows.retain(|(other, _)| *other != key);
        rows.extend(value.map(|value| (key, value)));
        rows.sort_unstable();
    }
}

fn start(records: &mut Records, now: u64) -> Option<Replica<SeededRng>> {
    let origin = "http://127.0.0.1".to_owned();
    let rng = SeededRng::new("hostile");
    let held = lanes_left(records);
    let (mut replica, effects) = Replica::start(rng, now, origin, records, &held).ok()?;
    carry_out(&mut replica, records, now, effects);
    Some(replica)
}

#[derive(Debug, Clone)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (any::<prop::sample::Index>(), 1..=255u8).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        1 => any::<prop::sample::Index>().prop_map(Damage::Cut),
        1 => (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ]
}

fn apply(damage: &Damage, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    match damage {
        Damage::Flip(at, bits) => {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Damage::Insert(at, more) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, more.iter().copied());
        }
    }
}

/// What the relay says undamaged is taken: something of every kind, by messages or as the answer to a request.
#[test]
fn the_session_is_taken_as_it_is() {
    let session = session();
    for by_request in [false, true] {
        let mut records = session.records.clone();
        let mut replica = start(&mut records, session.now).unwrap();
        let now = session.now + SOON;
        let mut say = |now, event| feed(&mut replica, &mut records, now, event);
        let mut said = Vec::new();
        if by_request {
            say(now, Event::Exchanging);
            say(now, Event::Exchanged(session.messages[0].clone()));
            say(now + SOON, Event::Tick);
            say(now + SOON, Event::Exchanged(session.messages.concat()));
            said = say(now + 2 * SOON, Event::Tick);
        } else {
            say(now, Event::Connected);
            for message in &session.messages {
                said.extend(say(now, Event::Message(message.clone())));
            }
        }
        let fetches = said.iter().filter_map(|frame| match frame {
            ClientFrame::Fetch { wanted, .. } => Some(wanted),
            _ => None,
        });
        let fetches: Vec<_> = fetches.collect();
        // One answer brings the pieces before they are asked for.
        let is_asked_for_pieces = fetches.iter().any(|wanted| !wanted.pieces.is_empty());
        assert_ne!(is_asked_for_pieces, by_request, "{said:?}");
        assert!(fetches.iter().any(|wanted| !wanted.logs.is_empty()), "{said:?}");
    }
}

/// A request is answered by the session up to somewhere and more of it, the challenge first, or by anything.
#[test]
fn a_request_may_be_answered_by_anything() {
    let session = session();
    let messages = session.messages.len();
    let answer = (1..=messages, prop::collection::vec(0..messages, 0..4));
    let answers = prop::collection::vec((answer, prop::option::of(damage())), 1..6);
    proptest!(|(answers in answers)| {
        let mut records = session.records.clone();
        let mut replica = start(&mut records, session.now).unwrap();
        let mut now = session.now + SOON;
        let mut say = |now, event| feed(&mut replica, &mut records, now, event);
        say(now, Event::Exchanging);
        say(now, Event::Exchanged(session.messages[0].clone()));
        for ((upto, places), damage) in &answers {
            now += SOON;
            say(now, Event::Tick);
            let mut answer = session.messages[..*upto].concat();
            for place in places {
                answer.extend(&session.messages[*place]);
            }
            if let Some(damage) = damage {
                apply(damage, &mut answer);
            }
            say(now, Event::Exchanged(answer));
        }
        say(now + 60_000, Event::Tick);
    });
}

#[test]
fn a_relay_may_say_anything() {
    let session = session();
    let messages = session.messages.len();
    let said = prop::collection::vec(
        (
            0..messages,
            prop_oneof![
                2 => Just(None),
                2 => damage().prop_map(Some),
            ],
        ),
        0..12,
    );
    let raw = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4);
    proptest!(|(said in said, raw in raw, whole in any::<bool>())| {
        let mut records = session.records.clone();
        let mut replica = start(&mut records, session.now).unwrap();
        let now = session.now + SOON;
        feed(&mut replica, &mut records, now, Event::Tick);
        feed(&mut replica, &mut records, now, Event::Connected);
        // The challenge first, mostly, so that the rest is looked at.
        feed(&mut replica, &mut records, now, Event::Message(session.messages[0].clone()));
        if whole {
            for message in &session.messages[1..] {
                feed(&mut replica, &mut records, now, Event::Message(message.clone()));
            }
        }
        for (at, damage) in &said {
            let mut message = session.messages[*at].clone();
            if let Some(damage) = damage {
                apply(damage, &mut message);
            }
            feed(&mut replica, &mut records, now, Event::Message(message));
        }
        for message in raw {
            feed(&mut replica, &mut records, now, Event::Message(message));
        }
        feed(&mut replica, &mut records, now + 60_000, Event::Tick);
        feed(&mut replica, &mut records, now + 60_000, Event::Closing);
    });
}

#[test]
fn another_tab_may_say_anything() {
    let session = session();
    let notes = session.notes.len();
    let said = prop::collection::vec((0..notes, prop::option::of(damage())), 0..12);
    proptest!(|(said in said, raw in prop::collection::vec(any::<u8>(), 0..200))| {
        let mut records = session.records.clone();
        let mut replica = start(&mut records, session.now).unwrap();
        for (at, damage) in &said {
            let mut note = session.notes[*at].clone();
            if let Some(damage) = damage {
                apply(damage, &mut note);
            }
            feed(&mut replica, &mut records, session.now, Event::FromTab(note));
        }
        feed(&mut replica, &mut records, session.now, Event::FromTab(raw));
        feed(&mut replica, &mut records, session.now + 60_000, Event::Tick);
    });
}

/// Its sums are right, its items are not. Then what is honest is taken, of a classroom that is here or waits for an invite.
#[test]
fn a_file_may_hold_anything() {
    let session = session();
    let kinds: Vec<Kind> = session.file.iter().map(|(_, kind, _)| *kind).collect();
    for kind in [
        Kind::Entry,
        Kind::Segment,
        Kind::Snapshot,
        Kind::Piece,
        Kind::Verdict,
        Kind::Receipt,
    ] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    let item = any::<prop::sample::Index>;
    let wrong = prop::collection::vec(
        (
            item(),
            prop_oneof![4 => damage().prop_map(Ok), 1 => item().prop_map(Err)],
        ),
        1..8,
    );
    let cases = ProptestConfig::with_cases(96);
    proptest!(cases, |(wrong in wrong, is_here in any::<bool>(), turn in item())| {
        let mut store = if is_here { session.records.clone() } else { Records::new() };
        let mut replica = start(&mut store, session.now).unwrap();
        let now = session.now + SOON;
        let mut file = session.file.clone();
        file.rotate_left(turn.index(session.file.len()));
        for (at, damage) in &wrong {
            let at = at.index(file.len());
            match damage {
                Ok(damage) => apply(damage, &mut file[at].2),
                Err(other) => file[at].1 = kinds[other.index(kinds.len())],
            }
        }
        let imported = import(&mut replica, &mut store, now, bundle(&file));
        prop_assert!(imported.complete);
        feed(&mut replica, &mut store, now, Event::Tick);
        let honest = bundle(&session.file);
        import(&mut replica, &mut store, now, honest.clone());
        let again = import(&mut replica, &mut store, now, honest);
        prop_assert_eq!(again.new, 0);
        if is_here {
            let shown = command(&mut replica, &mut store, now, Command::Export { classroom: None });
            let parts = shown.into_iter().filter_map(|update| match update {
                Update::Exported { part, .. } => Some(part),
                _ => None,
            });
            let there = records(&parts.collect::<Vec<_>>().concat());
            for item in &session.file {
                prop_assert!(there.contains(item), "{:?}", item.1);
            }
        }
    });
}

#[test]
fn a_store_may_hold_anything() {
    damage_stores(&session());
}

/// `MERIDIAN_FUZZ_SECONDS` long, 10 by default.
#[test]
#[ignore = "as long as there is time"]
fn fuzz_stores() {
    let session = session();
    let seconds = std::env::var("MERIDIAN_FUZZ_SECONDS").map_or(10, |text| text.parse().unwrap());
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(seconds) {
        damage_stores(&session);
    }
}

fn damage_stores(session: &Session) {
    let tables: Vec<Table> = session
        .records
        .iter()
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(table, _)| *table)
        .collect();
    let damages = prop::collection::vec(
        (
            0..tables.len(),
            any::<prop::sample::Index>(),
            any::<bool>(),
            prop::option::weighted(0.8, damage()),
        ),
        1..4,
    );
    proptest!(|(damages in damages)| {
        let mut records = session.records.clone();
        for (table, row, in_key, damage) in &damages {
            let rows = records.get_mut(&tables[*table]).unwrap();
            if rows.is_empty() {
                continue;
            }
            let row = row.index(rows.len());
            let Some(damage) = damage else {
                rows.remove(row);
                continue;
            };
            let (key, value) = &mut rows[row];
            apply(damage, if *in_key { key } else { value });
        }
        if let Some(mut replica) = start(&mut records, session.now) {
            let now = session.now + SOON;
            feed(&mut replica, &mut records, now, Event::Tick);
            feed(&mut replica, &mut records, now, Event::Connected);
            for message in &session.messages {
                feed(&mut replica, &mut records, now, Event::Message(message.clone()));
            }
            feed(&mut replica, &mut records, now + 60_000, Event::Tick);
        }
    });
}
