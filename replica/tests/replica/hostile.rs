//! Whatever a relay, another tab or a damaged store says: never a panic, and honest work goes on.

use proptest::prelude::*;
use protocol::roster::Role;
use replica::store::{Records, Table};
use replica::{Event, Replica, lanes_left};

use crate::rng::SeededRng;
use crate::script::Script;

/// A session of a relay, message by message, and the other notes and records around it.
struct Session {
    messages: Vec<Vec<u8>>,
    notes: Vec<Vec<u8>>,
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
        let records = script.world.store(0).read_tables(&Table::ALL);
        let now = script.world.now;
        script.said.clear();
        script.disconnect();
        script.connect().await;
        script.open(0).await;
        script.store_all_from(0).await;
        let before = u32::try_from(script.submitted.len()).unwrap();
        let mut author = script.author(Role::Student).await;
        script.write_word("[own]");
        script.go().await;
        script.store_all_from(before).await;
        script.bring_entry(&author.admission).await;
        for word in ["[1]", "[2]", "[3]"] {
            let change = author.word(word);
            let segment = author.seal(&[change]);
            script.bring(&segment).await;
        }
        script.refused(1, protocol::Refusal::Fork).await;
        script.closed(protocol::Refusal::Busy).await;
        Session {
            messages: script.said,
            notes: script.world.tab(script.tab).told.clone(),
            records,
            now,
        }
    })
}

/// Handles events as a tab would, with every write done and every read answered at once from `records`.
fn feed(replica: &mut Replica<SeededRng>, records: &Records, now: u64, event: Event) {
    let mut events = vec![event];
    let mut rounds = 0;
    while let Some(event) = events.pop() {
        rounds += 1;
        assert!(rounds < 10_000, "it does not come to rest");
        for effect in replica.handle(now, event) {
            match effect {
                replica::Effect::Write(_) => events.push(Event::Written),
                replica::Effect::ReadPage { ticket, range, most } => {
                    let (table, from, to) = range;
                    let rows = records.get(&table).into_iter().flatten();
                    let rows = rows.filter(|(key, _)| *key >= from && *key < to);
                    let page = rows.take(most as usize).cloned().collect();
                    events.push(Event::Read {
                        ticket,
                        records: [(table, page)].into(),
                    });
                }
                replica::Effect::Read { ticket, ranges } => {
                    let mut found = Records::new();
                    for (table, from, to) in ranges {
                        let rows = records.get(&table).into_iter().flatten();
                        let rows = rows.filter(|(key, _)| *key >= from && *key < to);
                        found.entry(table).or_default().extend(rows.cloned());
                    }
                    events.push(Event::Read {
                        ticket,
                        records: found,
                    });
                }
                _ => {}
            }
        }
    }
}

fn start(records: &Records, now: u64) -> Option<Replica<SeededRng>> {
    let origin = "http://127.0.0.1".to_owned();
    let rng = SeededRng::new("hostile");
    let held = lanes_left(records);
    let (mut replica, effects) = Replica::start(rng, now, origin, records, &held).ok()?;
    for effect in effects {
        if let replica::Effect::Read { ticket, ranges } = effect {
            let mut found = Records::new();
            for (table, from, to) in ranges {
                let rows = records.get(&table).into_iter().flatten();
                found
                    .entry(table)
                    .or_default()
                    .extend(rows.filter(|(key, _)| *key >= from && *key < to).cloned());
            }
            feed(
                &mut replica,
                records,
                now,
                Event::Read {
                    ticket,
                    records: found,
                },
            );
        }
    }
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
        let mut replica = start(&session.records, session.now).unwrap();
        let now = session.now + 30_000;
        feed(&mut replica, &session.records, now, Event::Tick);
        feed(&mut replica, &session.records, now, Event::Connected);
        // The challenge first, mostly, so that the rest is looked at.
        feed(&mut replica, &session.records, now, Event::Message(session.messages[0].clone()));
        if whole {
            for message in &session.messages[1..] {
                feed(&mut replica, &session.records, now, Event::Message(message.clone()));
            }
        }
        for (at, damage) in &said {
            let mut message = session.messages[*at].clone();
            if let Some(damage) = damage {
                apply(damage, &mut message);
            }
            feed(&mut replica, &session.records, now, Event::Message(message));
        }
        for message in raw {
            feed(&mut replica, &session.records, now, Event::Message(message));
        }
        feed(&mut replica, &session.records, now + 60_000, Event::Tick);
        feed(&mut replica, &session.records, now + 60_000, Event::Closing);
    });
}

#[test]
fn another_tab_may_say_anything() {
    let session = session();
    let notes = session.notes.len();
    let said = prop::collection::vec((0..notes, prop::option::of(damage())), 0..12);
    proptest!(|(said in said, raw in prop::collection::vec(any::<u8>(), 0..200))| {
        let mut replica = start(&session.records, session.now).unwrap();
        for (at, damage) in &said {
            let mut note = session.notes[*at].clone();
            if let Some(damage) = damage {
                apply(damage, &mut note);
            }
            feed(&mut replica, &session.records, session.now, Event::FromTab(note));
        }
        feed(&mut replica, &session.records, session.now, Event::FromTab(raw));
        feed(&mut replica, &session.records, session.now + 60_000, Event::Tick);
    });
}

#[test]
fn a_store_may_hold_anything() {
    let session = session();
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
            damage(),
        ),
        1..4,
    );
    proptest!(|(damages in damages)| {
        let mut records = session.records.clone();
        for (table, row, in_key, damage) in &damages {
            let rows = records.get_mut(&tables[*table]).unwrap();
            let row = row.index(rows.len());
            let (key, value) = &mut rows[row];
            apply(damage, if *in_key { key } else { value });
        }
        if let Some(mut replica) = start(&records, session.now) {
            let now = session.now + 30_000;
            feed(&mut replica, &records, now, Event::Tick);
            feed(&mut replica, &records, now, Event::Connected);
            for message in &session.messages {
                feed(&mut replica, &records, now, Event::Message(message.clone()));
            }
            feed(&mut replica, &records, now + 60_000, Event::Tick);
        }
    });
}
