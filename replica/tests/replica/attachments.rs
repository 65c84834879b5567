//! Files that pages refer to: on the device at once, on the relay when it can be reached, and with everybody who looks.

use std::collections::{BTreeMap, BTreeSet};

use documents::page::edit::{Edit, Shape, Value};
use protocol::attachment::{CHUNK_BODY, DocumentChunk, MAX_FILE, Reference};
use protocol::bundle::{Kind, Writer};
use protocol::roster::Role;
use protocol::{ChunkHash, ClassroomId, DocumentId, Refusal};
use replica::command::{Answer, Command, Problem};
use replica::store::Table;
use replica::view::{Receipt, Work};
use replica::{Event, Uploaded};
use sync_server::Limits;

use crate::bundles::records;
use crate::rng::SeededRng;
use crate::tab::{PageKey, fetch};
use crate::world::{Pair, Step, World, person};

/// A file of so many bytes, like no other one.
fn file(length: usize, first: u8) -> Vec<u8> {
    (0..length)
        .map(|at| first.wrapping_add((at % 251) as u8))
        .collect()
}

/// One of three chunks.
fn large(first: u8) -> Vec<u8> {
    file(2 * CHUNK_BODY + 10_000, first)
}

fn chunks_of(address: &str) -> Vec<ChunkHash> {
    Reference::parse(address).unwrap().chunks().to_vec()
}

impl World {
    fn give_file(&mut self, tab: usize, page: PageKey, content: Vec<u8>) -> u32 {
        let (classroom, document) = page;
        let attach = Command::Attach {
            classroom,
            document,
            content,
        };
        self.give(tab, attach)
    }

    /// Attaches a file, without a word to anybody.
    async fn attach(&mut self, tab: usize, page: PageKey, content: &[u8]) -> String {
        let (classroom, document) = page;
        let content = content.to_vec();
        let attach = Command::Attach {
            classroom,
            document,
            content,
        };
        match self.ask(tab, attach).await {
            Ok(Answer::Attached(address)) => address,
            other => panic!("not attached: {other:?}"),
        }
    }

    /// Attaches a picture and puts it at the end of the first line of a page.
    async fn show_picture(&mut self, tab: usize, page: PageKey, content: &[u8]) -> String {
        let address = self.attach(tab, page, content).await;
        self.put_picture(tab, page, &address).await;
        address
    }

    async fn put_picture(&mut self, tab: usize, page: PageKey, address: &str) {
        self.insert_picture(tab, page, address);
        self.drain().await;
    }

    fn insert_picture(&mut self, tab: usize, page: PageKey, address: &str) {
        let attrs = BTreeMap::from([("src".to_owned(), Value::Text(address.to_owned()))]);
        let shape = Shape {
            kind: "image".to_owned(),
            parents: Vec::new(),
            attrs,
            is_embed: true,
        };
        let (block, offset) = (0, 0);
        self.edit(tab, page, &[Edit::Split { block, offset, shape }]);
    }

    async fn look(&mut self, tab: usize, page: PageKey, address: &str) -> Result<Vec<u8>, Problem> {
        let (classroom, document) = page;
        let address = address.to_owned();
        let look = Command::Attachment {
            classroom,
            document,
            address,
        };
        match self.ask(tab, look).await? {
            Answer::Attachment(content) => Ok(content),
            other => panic!("{other:?}"),
        }
    }

    /// The chunks of a page that a profile has, and those that it is still to bring.
    fn chunks(&self, profile: usize, page: PageKey, table: Table) -> BTreeSet<ChunkHash> {
        let of_page = [page.0.0.as_slice(), &page.1.0].concat();
        let mut chunks = BTreeSet::new();
        for (key, _) in self.store(profile).table(table) {
            if key.starts_with(&of_page) {
                chunks.insert(ChunkHash(key[48..].try_into().unwrap()));
            }
        }
        chunks
    }

    fn work_on(&self, tab: usize, page: PageKey) -> Work {
        let documents = &self.tab(tab).classroom(&page.0).documents;
        documents.iter().find(|shown| shown.id == page.1).unwrap().work
    }

    async fn is_on_relay_there(&self, classroom: &ClassroomId, chunk: &ChunkHash) -> bool {
        fetch(self.address, classroom, chunk).await.is_some()
    }
}

#[tokio::test]
async fn what_is_attached_with_no_connection_is_there_for_everybody_later() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("attached offline").await;
    world.cut(0);
    let content = large(1);
    let address = world.show_picture(amina, page, &content).await;
    let chunks = chunks_of(&address);
    assert_eq!(chunks.len(), 3);
    assert_eq!(world.look(amina, page, &address).await, Ok(content.clone()));
    assert_eq!(world.work_on(amina, page), Work::OnThisDevice);

    // What it refers to does not wait for what refers to it, nor the other way; but it is not on the relay before all is.
    world.link(0);
    world
        .until("one is on the relay", |world| {
            world.chunks(0, page, Table::Uploads).len() < 3
        })
        .await;
    world
        .until("it is on the relay", |world| {
            let is_there = world.work_on(amina, page) == Work::OnTheRelay;
            assert!(!is_there || world.chunks(0, page, Table::Uploads).is_empty());
            is_there
        })
        .await;
    let documents = &world.tab(amina).classroom(&page.0).documents;
    let shown = documents.iter().find(|shown| shown.id == page.1).unwrap();
    assert!(!matches!(shown.receipt, Receipt::OnThisDevice), "{shown:?}");
    let whole: Vec<bool> = world.tab(amina).brought.iter().map(|(_, whole)| *whole).collect();
    assert_eq!(whole, [true; 3], "each once, for nobody else could have it");

    world.until_equal(page).await;
    assert_eq!(world.look(ben, page, &address).await, Ok(content.clone()));
    // Once it has come it is there.
    world.cut(1);
    world.drain().await;
    let ben = world.restart_tab(ben);
    world.cut(1);
    assert_eq!(world.look(ben, page, &address).await, Ok(content));
    // And nothing of it goes back, but that it belongs there.
    world.link(1);
    world.until_on_relay().await;
    let brought = &world.tab(ben).brought;
    assert!(brought.iter().all(|(_, whole)| !whole), "{brought:?}");
}

#[tokio::test]
async fn many_are_looked_at_and_few_are_asked_for_at_once() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("many").await;
    let mut addresses = Vec::new();
    for first in 0..5 {
        addresses.push(world.attach(amina, page, &large(first)).await);
    }
    world.until_on_relay().await;
    let mut given = Vec::new();
    for address in &addresses {
        let look = Command::Attachment {
            classroom: page.0,
            document: page.1,
            address: address.clone(),
        };
        given.push(world.give(ben, look));
        // The same again, before anything came.
        let look = Command::Attachment {
            classroom: page.0,
            document: page.1,
            address: address.clone(),
        };
        given.push(world.give(ben, look));
    }
    world.drain().await;
    for (at, request) in given.into_iter().enumerate() {
        let first = u8::try_from(at / 2).unwrap();
        let answer = world.tab_mut(ben).answers.remove(&request);
        assert_eq!(answer, Some(Ok(Answer::Attachment(large(first)))));
    }
}

#[tokio::test]
async fn what_was_answered_survives_a_crash_and_is_asked_for_before_it_is_sent() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("attached and crashed").await;
    world.cut(0);
    let request = world.give_file(amina, page, large(2));
    // Everything but the write happens: it is not answered.
    for _ in 0..3 {
        for step in world.steps() {
            if step != Step::Write(amina) && world.steps().contains(&step) {
                world.step(step).await;
            }
        }
    }
    assert!(!world.tab(amina).answers.contains_key(&request));
    world.step(Step::Write(amina)).await;
    let Some(Ok(Answer::Attached(address))) = world.tab_mut(amina).answers.remove(&request) else {
        panic!("not attached");
    };
    world.crash_machine(0);
    world.profiles[0].linked = true;
    let amina = world.open_tab(0);
    world.until_on_relay_of(amina).await;
    assert_eq!(world.chunks(0, page, Table::Uploads), BTreeSet::new());
    let whole: Vec<bool> = world.tab(amina).brought.iter().map(|(_, whole)| *whole).collect();
    assert_eq!(whole, [false, true, false, true, false, true]);
    assert_eq!(world.look(ben, page, &address).await, Ok(large(2)));
}

#[tokio::test]
async fn what_was_sent_and_not_answered_is_not_sent_twice() {
    let Pair {
        mut world,
        amina,
        page,
        ..
    } = Pair::new("unanswered").await;
    let address = world.attach(amina, page, &file(1000, 3)).await;
    let chunk = chunks_of(&address)[0];
    world
        .until("it is there", |world| world.tab(amina).brought.len() == 1)
        .await;
    // The relay had it, and the connection went before it said so.
    world.cut(0);
    world.drain().await;
    world.link(0);
    world.until_on_relay().await;
    let brought = &world.tab(amina).brought;
    assert!(
        brought.iter().filter(|(_, whole)| *whole).count() == 1,
        "{brought:?}"
    );
    assert!(world.is_on_relay_there(&page.0, &chunk).await);
}

#[tokio::test]
async fn another_tab_brings_what_a_tab_that_is_gone_has_left() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("attached in one of two tabs").await;
    let other = world.open_tab(0);
    world.until_on_relay().await;
    world.cut(0);
    let address = world.attach(amina, page, &large(4)).await;
    world.drain().await;
    assert_eq!(world.work_on(other, page), Work::OnThisDevice);
    world.crash_tab(amina);
    world.link(0);
    world.until_on_relay_of(other).await;
    assert_eq!(world.look(ben, page, &address).await, Ok(large(4)));
    assert_eq!(world.tab(other).brought.len(), 6, "asked for first");

    // While both are there one of them does.
    let amina = world.open_tab(0);
    world.until_on_relay().await;
    let before = world.tab(other).brought.len();
    world.attach(amina, page, &large(5)).await;
    world.until_on_relay().await;
    assert_eq!(world.tab(amina).brought.len(), 3);
    assert_eq!(world.tab(other).brought.len(), before);
}

#[tokio::test]
async fn the_relay_has_no_room_and_then_it_has() {
    let limits = Limits {
        classroom_bytes: 100_000,
        ..Limits::default()
    };
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::in_world(World::with_limits("no room", limits).await).await;
    let address = world.attach(amina, page, &large(6)).await;
    world
        .until("it is said", |world| {
            world.tab(amina).classroom(&page.0).refused == Some(Refusal::QuotaFull)
        })
        .await;
    assert_eq!(world.work_on(amina, page), Work::OnThisDevice);
    assert_eq!(world.look(ben, page, &address).await, Err(Problem::NotHere));
    let tries = world.tab(amina).brought.len();
    world.pass(60).await;
    assert_eq!(world.tab(amina).brought.len(), tries, "it waits for five minutes");
    world.kill_relay();
    world.limits = Limits::default();
    world.start_relay().await;
    world.until_on_relay().await;
    assert_eq!(world.tab(amina).classroom(&page.0).refused, None);
    assert_eq!(world.look(ben, page, &address).await, Ok(large(6)));
}

#[tokio::test]
async fn who_may_not_write_may_not_attach() {
    let Pair {
        mut world,
        amina,
        ben,
        classroom,
        page,
    } = Pair::new("no rights").await;
    let document = page.1;
    let attach = |content: Vec<u8>| Command::Attach {
        classroom,
        document,
        content,
    };
    assert_eq!(
        world.ask(ben, attach(file(MAX_FILE + 1, 0))).await,
        Err(Problem::TooLarge)
    );
    assert_eq!(
        world.ask(ben, attach(Vec::new())).await,
        Err(Problem::BadAttachment)
    );
    let elsewhere = Command::Attach {
        classroom,
        document: DocumentId([9; 16]),
        content: vec![1],
    };
    assert_eq!(world.ask(ben, elsewhere).await, Err(Problem::UnknownDocument));
    let locked = true;
    let lock = Command::Lock {
        classroom,
        document,
        locked,
    };
    assert_eq!(world.ask(amina, lock).await, Ok(Answer::Done));
    world.until_on_relay().await;
    assert_eq!(world.ask(ben, attach(vec![1])).await, Err(Problem::Locked));
    let link = world.invite(amina, classroom, Role::Guest).await;
    world.until_on_relay().await;
    let profile = world.profile();
    let guest = world.open_tab(profile);
    world.join(guest, &link, person("Gus", "Hill School", "GB")).await;
    world.open_page(guest, page).await;
    assert_eq!(world.ask(guest, attach(vec![1])).await, Err(Problem::NotAllowed));
    // They look at what others attached.
    let address = world.attach(amina, page, &large(7)).await;
    world.until_on_relay().await;
    assert_eq!(world.look(guest, page, &address).await, Ok(large(7)));
    assert_eq!(world.chunks(2, page, Table::Uploads), BTreeSet::new());
}

#[tokio::test]
async fn addresses_and_relays_may_say_anything() {
    let Pair {
        mut world,
        amina,
        ben,
        classroom,
        page,
    } = Pair::new("hostile addresses").await;
    for address in [
        "",
        "attachment:",
        "attachment:AAAA",
        "attachment:AQ",
        "attachment:%%%%",
        "http://example.org/a.png",
    ] {
        let looked = world.look(ben, page, address).await;
        assert_eq!(looked, Err(Problem::BadAttachment), "{address}");
    }
    // Of another classroom, and of none.
    let mut rng = SeededRng::new("elsewhere");
    let (elsewhere, _) = Reference::seal(&ClassroomId([7; 32]), &large(8), &mut rng).unwrap();
    let elsewhere = elsewhere.address().unwrap();
    assert_eq!(world.look(ben, page, &elsewhere).await, Err(Problem::NotHere));
    let (sealed, chunks) = Reference::seal(&ClassroomId([7; 32]), &[1], &mut rng).unwrap();
    let key = [
        classroom.0.as_slice(),
        &page.1.0,
        &sealed.chunks().first().unwrap().0,
    ]
    .concat();
    world.profiles[1]
        .store
        .put(Table::Chunks, key, chunks[0].as_bytes().to_vec());
    let looked = world.look(ben, page, &sealed.address().unwrap()).await;
    assert_eq!(looked, Err(Problem::BadAttachment));

    // A relay that gives something else.
    let address = world.attach(amina, page, &file(1000, 9)).await;
    let chunk = chunks_of(&address)[0];
    world.until_on_relay().await;
    let look = Command::Attachment {
        classroom,
        document: page.1,
        address: address.clone(),
    };
    for wrong in [Vec::new(), vec![0; 100], chunks[0].as_bytes().to_vec()] {
        let request = world.give(ben, look.clone());
        while world.tab(ben).fetching.is_empty() {
            let step = world.steps().into_iter().find(|step| step.tab() == ben).unwrap();
            world.step(step).await;
        }
        world.tab_mut(ben).fetching.clear();
        let bytes = Some(wrong);
        world.handle(
            ben,
            Event::Downloaded {
                classroom,
                chunk,
                bytes,
            },
        );
        let answer = world.tab_mut(ben).answers.remove(&request);
        assert_eq!(answer, Some(Err(Problem::NotHere)));
        world.drain().await;
        assert!(!world.chunks(1, page, Table::Chunks).contains(&chunk));
    }
    // What a disk made of it is as good as gone, and comes again.
    assert_eq!(world.look(ben, page, &address).await, Ok(file(1000, 9)));
    let key = [classroom.0.as_slice(), &page.1.0, &chunk.0].concat();
    world.profiles[1].store.put(Table::Chunks, key, vec![1; 1000]);
    assert_eq!(world.look(ben, page, &address).await, Ok(file(1000, 9)));
    // With no connection nobody waits.
    world.cut(1);
    let other = world.attach(amina, page, &[1]).await;
    assert_eq!(world.look(ben, page, &other).await, Err(Problem::NotHere));
}

#[tokio::test]
async fn a_connection_that_goes_lets_nobody_wait() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("cut while looking").await;
    let address = world.attach(amina, page, &large(10)).await;
    world.until_on_relay().await;
    let look = Command::Attachment {
        classroom: page.0,
        document: page.1,
        address: address.clone(),
    };
    let request = world.give(ben, look);
    while world.tab(ben).fetching.is_empty() {
        let step = world.steps().into_iter().find(|step| step.tab() == ben).unwrap();
        world.step(step).await;
    }
    world.cut(1);
    let answer = world.tab_mut(ben).answers.remove(&request);
    assert_eq!(answer, Some(Err(Problem::NotHere)));
    world.link(1);
    world.until_on_relay().await;
    assert_eq!(world.look(ben, page, &address).await, Ok(large(10)));
}

#[tokio::test]
async fn a_relay_that_comes_back_empty_gets_it_from_whoever_has_it() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("an empty relay").await;
    let address = world.show_picture(amina, page, &large(11)).await;
    world.until_equal(page).await;
    assert_eq!(world.look(ben, page, &address).await, Ok(large(11)));
    world.cut(0);
    world.replace_relay().await;
    // Of Amina nothing more is heard: Ben has only looked at it.
    world.pass(70).await;
    world.until_on_relay_of(ben).await;
    for chunk in chunks_of(&address) {
        assert!(world.is_on_relay_there(&page.0, &chunk).await);
    }
    // Who comes back after that sends nothing again.
    let before = world.tab(amina).brought.len();
    world.link(0);
    world.pass(70).await;
    world.until_on_relay().await;
    let again = &world.tab(amina).brought[before..];
    assert!(
        !again.is_empty() && again.iter().all(|(_, whole)| !whole),
        "{again:?}"
    );
}

#[tokio::test]
async fn a_file_carries_what_is_there_of_it() {
    let mut world = World::new("carried attachments").await;
    let first = world.profile();
    let amina = world.open_tab(first);
    world.cut(0);
    let classroom = world.found(amina).await;
    let page = world.new_page(amina, classroom).await;
    world.open_page(amina, page).await;
    let address = world.show_picture(amina, page, &large(12)).await;
    let link = world.invite(amina, classroom, Role::Student).await;
    let (bundle, items) = world.export(amina, None).await;
    let there = records(&bundle);
    assert_eq!(there.len() as u64, items);
    let chunks = there.iter().filter(|(_, kind, _)| *kind == Kind::Chunk);
    assert_eq!(chunks.count(), 3);

    // To somebody who never had a connection.
    let second = world.profile();
    let ben = world.open_tab(second);
    world.cut(1);
    let imported = world.import(ben, &bundle, 50_000).await;
    assert_eq!(
        (imported.new, imported.damaged, imported.complete),
        (items, 0, true)
    );
    let again = world.import(ben, &bundle, 50_000).await;
    assert_eq!((again.new, again.known), (0, items));
    world.join(ben, &link, person("Ben", "Hill School", "GB")).await;
    world.open_page(ben, page).await;
    assert_eq!(world.look(ben, page, &address).await, Ok(large(12)));
    assert!(world.store(1).table(Table::Imported).is_empty());
    // To whom all of it is known.
    let (bundle, items) = world.export(ben, Some(classroom)).await;
    let imported = world.import(amina, &bundle, 50_000).await;
    assert_eq!((imported.new + imported.known, imported.damaged), (items, 0));
    assert!(imported.known >= 3, "{imported:?}");

    // What a disk made of it on one device comes from the other.
    let key = [classroom.0.as_slice(), &page.1.0, &chunks_of(&address)[1].0].concat();
    world.profiles[0].store.put(Table::Chunks, key, vec![1; 1000]);
    let repaired = world.import(amina, &bundle, 50_000).await;
    assert_eq!(repaired.new, 1);
    assert_eq!(world.look(amina, page, &address).await, Ok(large(12)));

    // And on to a relay, from him alone.
    world.link(1);
    world.until_on_relay_of(ben).await;
    for chunk in chunks_of(&address) {
        assert!(world.is_on_relay_there(&page.0, &chunk).await);
    }
    // Whoever has it from before asks first.
    let amina = world.restart_tab(amina);
    world.link(0);
    world.pass(70).await;
    world.until_on_relay().await;
    let brought = &world.tab(amina).brought;
    assert!(
        !brought.is_empty() && brought.iter().all(|(_, whole)| !whole),
        "{brought:?}"
    );
}

#[tokio::test]
async fn a_tab_that_ends_while_it_joins_leaves_nothing_of_a_file_behind() {
    let mut world = World::new("joined and crashed").await;
    let first = world.profile();
    let amina = world.open_tab(first);
    let classroom = world.found(amina).await;
    let page = world.new_page(amina, classroom).await;
    world.open_page(amina, page).await;
    let address = world.show_picture(amina, page, &large(13)).await;
    let link = world.invite(amina, classroom, Role::Student).await;
    let (bundle, _) = world.export(amina, None).await;
    let second = world.profile();
    let ben = world.open_tab(second);
    world.cut(1);
    world.import(ben, &bundle, 50_000).await;
    let preview = Command::Preview { link: link.clone() };
    assert!(world.ask(ben, preview).await.is_ok());
    let profile = person("Ben", "Hill School", "GB");
    world.give(ben, Command::Join { link, profile });
    while world.tab(ben).answers.is_empty() {
        let steps = world.steps();
        let step = steps.into_iter().find(|step| !matches!(step, Step::Read(_)));
        world.step(step.unwrap()).await;
    }
    world.crash_machine(1);
    let ben = world.open_tab(1);
    world.cut(1);
    world.drain().await;
    assert!(world.store(1).table(Table::Imported).is_empty());
    world.open_page(ben, page).await;
    assert_eq!(world.look(ben, page, &address).await, Ok(large(13)));
}

#[tokio::test]
async fn a_page_that_is_started_anew_keeps_what_it_shows_and_nothing_else() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("pictures anew").await;
    let shown = world.show_picture(amina, page, &large(14)).await;
    // It stands in the history only.
    let gone = world.attach(amina, page, &large(15)).await;
    world.until_equal(page).await;
    assert_eq!(world.look(ben, page, &shown).await, Ok(large(14)));
    assert_eq!(world.look(ben, page, &gone).await, Ok(large(15)));
    let anew = world.start_anew(amina, page).await.unwrap();
    world.follow(page, anew).await;
    world.until_equal(anew).await;
    world
        .until("nothing of the page is left", |world| {
            (0..2).all(|profile| {
                [Table::Chunks, Table::Uploads]
                    .into_iter()
                    .all(|table| world.chunks(profile, page, table).is_empty())
            })
        })
        .await;
    world.until_on_relay().await;
    for chunk in chunks_of(&shown) {
        assert!(world.is_on_relay_there(&page.0, &chunk).await);
        assert!(world.chunks(0, anew, Table::Chunks).contains(&chunk));
        assert!(world.chunks(1, anew, Table::Chunks).contains(&chunk));
    }
    for chunk in chunks_of(&gone) {
        assert!(!world.is_on_relay_there(&page.0, &chunk).await);
    }
    for tab in [amina, ben] {
        assert_eq!(world.look(tab, anew, &shown).await, Ok(large(14)));
        assert_eq!(world.look(tab, page, &shown).await, Err(Problem::UnknownDocument));
        assert_eq!(world.look(tab, anew, &gone).await, Err(Problem::NotHere));
    }
}

#[tokio::test]
async fn what_was_attached_while_a_page_was_started_anew_comes_along() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("attached meanwhile").await;
    world.cut(1);
    let address = world.show_picture(ben, page, &large(16)).await;
    world.drain().await;
    let anew = world.start_anew(amina, page).await.unwrap();
    world
        .until("it is erased", |world| {
            world.tab(amina).classroom(&page.0).work == Work::OnTheRelay
        })
        .await;
    world.link(1);
    world.follow(page, anew).await;
    world.until_equal(anew).await;
    world.until_on_relay().await;
    assert_eq!(world.look(amina, anew, &address).await, Ok(large(16)));
    assert_eq!(world.look(ben, anew, &address).await, Ok(large(16)));
    assert!(world.chunks(1, page, Table::Chunks).is_empty());
}

#[tokio::test]
async fn nothing_is_erased_before_the_relay_knows_what_stays() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("claimed first").await;
    world.cut(0);
    // Nobody else has it, nor the relay.
    let address = world.show_picture(amina, page, &large(17)).await;
    world.drain().await;
    let anew = world.start_anew(amina, page).await.unwrap();
    world.drain().await;
    // The machine goes before any of it got out, and comes back.
    world.crash_machine(0);
    world.profiles[0].linked = true;
    let amina = world.open_tab(0);
    world
        .until("it is erased", |world| {
            let shown = world.tab(amina).classroom(&page.0);
            let erased = shown.erased.iter().any(|erased| erased.document == page.1);
            let is_there = shown.work == Work::OnTheRelay;
            assert!(!is_there || world.chunks(0, anew, Table::Uploads).is_empty());
            erased && is_there
        })
        .await;
    world
        .until("it is heard of", |world| {
            let erased = &world.tab(ben).classroom(&page.0).erased;
            erased.iter().any(|erased| erased.document == page.1)
        })
        .await;
    world.open_page(ben, anew).await;
    assert_eq!(world.look(ben, anew, &address).await, Ok(large(17)));
}

#[tokio::test]
async fn a_page_that_is_started_anew_twice_before_anybody_hears_of_it_keeps_its_pictures() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("anew twice").await;
    world.cut(0);
    let first = world.show_picture(amina, page, &large(18)).await;
    let between = world.start_anew(amina, page).await.unwrap();
    world.open_page(amina, between).await;
    let second = world.show_picture(amina, between, &large(19)).await;
    let last = world.start_anew(amina, between).await.unwrap();
    world.drain().await;
    world.link(0);
    world
        .until("both are erased", |world| {
            let room = world.tab(ben).classroom(&page.0);
            let is_erased = |page: PageKey| room.erased.iter().any(|erased| erased.document == page.1);
            is_erased(page) && is_erased(between)
        })
        .await;
    world.until_on_relay().await;
    world.open_page(ben, last).await;
    assert_eq!(world.look(ben, last, &first).await, Ok(large(18)));
    assert_eq!(world.look(ben, last, &second).await, Ok(large(19)));
}

#[tokio::test]
async fn what_a_lock_holds_back_is_brought_when_it_is_gone() {
    let Pair {
        mut world,
        amina,
        ben,
        classroom,
        page,
    } = Pair::new("locked meanwhile").await;
    let address = world.show_picture(amina, page, &large(20)).await;
    world.until_equal(page).await;
    assert_eq!(world.look(ben, page, &address).await, Ok(large(20)));
    world.until_on_relay().await;
    let document = page.1;
    let lock = |locked| Command::Lock {
        classroom,
        document,
        locked,
    };
    assert_eq!(world.ask(amina, lock(true)).await, Ok(Answer::Done));
    world.until_on_relay().await;
    world
        .until("it is locked for him", |world| {
            let documents = &world.tab(ben).classroom(&classroom).documents;
            documents.iter().any(|shown| shown.id == document && shown.locked)
        })
        .await;
    // The relay loses it, and whoever may bring it now has lost it as well.
    let is_chunk = |table: Table, _: &[u8]| table == Table::Chunks;
    world.profiles[0].store.forget(is_chunk);
    world.cut(0);
    world.replace_relay().await;
    world.pass(70).await;
    let chunks: BTreeSet<ChunkHash> = chunks_of(&address).into_iter().collect();
    assert_eq!(world.chunks(1, page, Table::Uploads), chunks);
    assert!(!world.is_on_relay_there(&classroom, chunks.first().unwrap()).await);

    world.link(0);
    world.until_on_relay().await;
    assert_eq!(world.ask(amina, lock(false)).await, Ok(Answer::Done));
    world
        .until("nothing is held back", |world| {
            world.chunks(1, page, Table::Uploads).is_empty()
        })
        .await;
    for chunk in chunks {
        assert!(world.is_on_relay_there(&classroom, &chunk).await);
    }
}

#[tokio::test]
async fn what_is_copied_to_another_page_stays_there() {
    let Pair {
        mut world,
        amina,
        ben,
        classroom,
        page,
    } = Pair::new("copied").await;
    let address = world.attach(amina, page, &large(21)).await;
    let chunks: BTreeSet<ChunkHash> = chunks_of(&address).into_iter().collect();
    world.until_on_relay().await;
    assert_eq!(world.look(ben, page, &address).await, Ok(large(21)));
    let other = world.new_page(amina, classroom).await;
    for tab in [amina, ben] {
        world.open_page(tab, other).await;
    }
    // It is here, under the other page.
    world.cut(1);
    world.put_picture(ben, other, &address).await;
    assert_eq!(world.look(ben, other, &address).await, Ok(large(21)));
    assert_eq!(world.chunks(1, other, Table::Chunks), chunks);
    assert_eq!(world.work_on(ben, other), Work::OnThisDevice);
    world.link(1);
    world.until_on_relay().await;

    // Where it came from it goes.
    let anew = world.start_anew(amina, page).await.unwrap();
    world.follow(page, anew).await;
    world
        .until("nothing of the page is left", |world| {
            (0..2).all(|profile| world.chunks(profile, page, Table::Chunks).is_empty())
        })
        .await;
    world.until_on_relay().await;
    for chunk in &chunks {
        assert!(world.is_on_relay_there(&classroom, chunk).await);
    }
    assert_eq!(world.look(amina, other, &address).await, Ok(large(21)));
    // What only came from the relay is claimed as well.
    let third = world.new_page(ben, classroom).await;
    let profile = world.profile();
    let link = world.invite(amina, classroom, Role::Student).await;
    world.until_on_relay().await;
    let carol = world.open_tab(profile);
    world
        .join(carol, &link, person("Carol", "Hill School", "GB"))
        .await;
    world.open_page(carol, third).await;
    assert_eq!(world.look(carol, third, &address).await, Ok(large(21)));
    world.until_on_relay().await;
    let brought: BTreeSet<ChunkHash> = world.tab(carol).brought.iter().map(|(chunk, _)| *chunk).collect();
    assert_eq!(brought, chunks);
}

#[tokio::test]
async fn what_was_attached_here_and_is_lost_is_said_to_be() {
    let Pair {
        mut world,
        amina,
        page,
        ..
    } = Pair::new("attached and lost").await;
    world.cut(0);
    let address = world.show_picture(amina, page, &large(22)).await;
    world.drain().await;
    let lost = chunks_of(&address)[1];
    world.profiles[0]
        .store
        .forget(|table, key| table == Table::Chunks && key.ends_with(&lost.0));
    world.link(0);
    world
        .until("it is said", |world| {
            world.tab(amina).classroom(&page.0).refused == Some(Refusal::MissingPiece)
        })
        .await;
    // And after a restart, once the relay was asked for it.
    let amina = world.restart_tab(amina);
    world
        .until("it is said again", |world| {
            world.chunks(0, page, Table::Uploads).len() == 1
                && world.tab(amina).classrooms.get(&page.0).is_some_and(|shown| {
                    shown.refused == Some(Refusal::MissingPiece) && shown.work == Work::OnThisDevice
                })
        })
        .await;
    assert_eq!(world.chunks(0, page, Table::Uploads), [lost].into());
}

/// A page with a picture that Amina attached and nobody looked at, on a relay that is then put back to before it got its chunks.
/// Nothing has taken a position since.
async fn put_back_without_a_sign(seed: &str) -> (World, usize, usize, PageKey, String) {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new(seed).await;
    let address = world.show_picture_and_hold_it_back(amina, page, &large(30)).await;
    let backup = world.back_up_relay().await;
    world.until_on_relay().await;
    world
        .until("it is brought", |world| world.has_brought(0).is_some())
        .await;
    for chunk in chunks_of(&address) {
        assert!(world.is_on_relay_there(&page.0, &chunk).await);
    }
    world.drain().await;
    world.cut(0);
    world.cut(1);
    world.put_relay_back(&backup).await;
    for chunk in chunks_of(&address) {
        assert!(!world.is_on_relay_there(&page.0, &chunk).await);
    }
    (world, amina, ben, page, address)
}

impl World {
    /// The same as [`Self::show_picture`], until the page is on the relay, and nothing of the picture is.
    async fn show_picture_and_hold_it_back(&mut self, tab: usize, page: PageKey, content: &[u8]) -> String {
        let request = self.give_file(tab, page, content.to_vec());
        self.without_bringing(|world| world.tab(tab).answers.contains_key(&request))
            .await;
        let address = match self.tab_mut(tab).answers.remove(&request) {
            Some(Ok(Answer::Attached(address))) => address,
            other => panic!("not attached: {other:?}"),
        };
        self.insert_picture(tab, page, &address);
        self.without_bringing(|world| world.tab(tab).writing.is_none() && world.has_sent(tab, &page))
            .await;
        address
    }

    async fn without_bringing(&mut self, is_so: impl Fn(&Self) -> bool) {
        loop {
            let step = self
                .steps()
                .into_iter()
                .find(|step| !matches!(step, Step::Bring(_)));
            match step {
                Some(step) => self.step(step).await,
                None if is_so(self) => return,
                None => tokio::task::yield_now().await,
            }
        }
    }

    /// Whether the relay has all that was written in a page on a tab's device.
    fn has_sent(&self, tab: usize, page: &PageKey) -> bool {
        let rows = self.store(self.tab(tab).profile).table(Table::Outbox);
        let of_page = [page.0.0.as_slice(), &page.1.0].concat();
        !rows.iter().any(|(key, _)| key.starts_with(&of_page))
    }

    /// The chunk that a profile notes as the last that it brought.
    fn has_brought(&self, profile: usize) -> Option<ChunkHash> {
        let rows = self.store(profile).table(Table::Classrooms);
        let mut brought = rows.iter().filter(|(key, _)| key[32..].starts_with(b"brought"));
        let (_, row) = brought.next()?;
        assert!(brought.next().is_none(), "one row is enough");
        Some(ChunkHash(row[17..].try_into().unwrap()))
    }
}

#[tokio::test]
async fn what_a_relay_lost_and_shows_by_no_position_it_gets_back() {
    let (mut world, amina, ben, page, address) = put_back_without_a_sign("chunks lost").await;
    // The tab that brought it is gone, and another one starts.
    world.crash_tab(amina);
    world.profiles[0].linked = true;
    let amina = world.open_tab(0);
    world
        .until("it is asked for", |world| {
            world.tab(amina).brought.iter().any(|(_, whole)| *whole)
        })
        .await;
    world.until_on_relay_of(amina).await;
    for chunk in chunks_of(&address) {
        assert!(world.is_on_relay_there(&page.0, &chunk).await);
    }
    world.link(1);
    world.until_on_relay().await;
    assert_eq!(world.look(ben, page, &address).await, Ok(large(30)));
    assert!(world.has_brought(0).is_some());
}

#[tokio::test]
async fn what_is_nowhere_any_more_is_asked_for_once() {
    let (mut world, amina, _, _, _) = put_back_without_a_sign("chunks lost everywhere").await;
    world.profiles[0].store.forget(|table, _| table == Table::Chunks);
    let before = world.tab(amina).brought.len();
    world.link(0);
    world
        .until("it is given up", |world| world.has_brought(0).is_none())
        .await;
    world.pass(70).await;
    world.until_on_relay_of(amina).await;
    assert_eq!(world.tab(amina).brought.len(), before + 1);
    world.cut(0);
    world.link(0);
    world.until_on_relay_of(amina).await;
    world.drain().await;
    assert_eq!(world.tab(amina).brought.len(), before + 1);
}

#[tokio::test]
async fn who_brought_something_asks_for_the_last_of_it_once_on_each_connection_and_nobody_else_does() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("asked for").await;
    let address = world.show_picture(amina, page, &large(31)).await;
    world.until_equal(page).await;
    let other = world.open_tab(0);
    world.until_on_relay().await;
    assert_eq!(world.look(ben, page, &address).await, Ok(large(31)));
    world.until_on_relay().await;
    world.drain().await;
    let last = world.tab(amina).brought.last().unwrap().0;
    assert_eq!(world.has_brought(0), Some(last));
    assert_eq!(world.has_brought(1), None);
    for _ in 0..2 {
        let before = [amina, other, ben].map(|tab| world.tab(tab).brought.len());
        for profile in 0..2 {
            world.cut(profile);
        }
        for profile in 0..2 {
            world.link(profile);
        }
        world
            .until("it is asked for", |world| {
                world.tab(amina).brought.len() > before[0]
            })
            .await;
        world.until_on_relay().await;
        world.pass(5).await;
        let after = [amina, other, ben].map(|tab| world.tab(tab).brought.len());
        assert_eq!(after, [before[0] + 1, before[1], before[2]]);
        assert_eq!(world.tab(amina).brought.last(), Some(&(last, false)));
    }
    // The relay has nothing of a page that is gone.
    let anew = world.start_anew(amina, page).await.unwrap();
    world.follow(page, anew).await;
    world
        .until("it is forgotten", |world| world.has_brought(0).is_none())
        .await;
}

/// A file with these records, in this order.
fn bundle(records: &[(ClassroomId, Kind, Vec<u8>)]) -> Vec<u8> {
    let (mut writer, mut file) = Writer::begin();
    for (classroom, kind, item) in records {
        file.extend(writer.record(classroom, *kind, item).unwrap());
    }
    file.extend(writer.end().unwrap());
    file
}

#[tokio::test]
async fn chunks_of_a_page_that_nobody_knows_are_not_brought() {
    let Pair {
        mut world,
        amina,
        ben,
        classroom,
        ..
    } = Pair::new("junk in a file").await;
    let mut rng = SeededRng::new("junk");
    let document = DocumentId([9; 16]);
    let junk: Vec<_> = (0..20)
        .map(|first| {
            let (_, mut chunks) = Reference::seal(&classroom, &[first; 100], &mut rng).unwrap();
            let chunk = chunks.remove(0);
            (classroom, Kind::Chunk, DocumentChunk { document, chunk }.encode())
        })
        .collect();
    let imported = world.import(ben, &bundle(&junk), 1_000).await;
    assert_eq!((imported.new, imported.aside), (0, 20));
    let again = world.import(ben, &bundle(&junk), 1_000).await;
    assert_eq!((again.new, again.aside, again.known), (0, 0, 20));
    let ben = world.restart_tab(ben);
    world.until_on_relay().await;
    world.pass(10).await;
    assert_eq!(world.tab(ben).brought, []);
    assert!(world.chunks(1, (classroom, document), Table::Chunks).is_empty());
    assert_eq!(world.store(1).table(Table::Imported).len(), 20);

    // What belongs to a page that the same file brings is taken, wherever it stands there.
    world.cut(1);
    let other = world.new_page(amina, classroom).await;
    world.open_page(amina, other).await;
    let address = world.show_picture(amina, other, &large(23)).await;
    let (file, _) = world.export(amina, Some(classroom)).await;
    let mut there = records(&file);
    there.reverse();
    world.import(ben, &bundle(&there), 50_000).await;
    world.open_page(ben, other).await;
    assert_eq!(world.look(ben, other, &address).await, Ok(large(23)));
    assert_eq!(world.store(1).table(Table::Imported).len(), 20);
    world.link(1);
    world.until_on_relay().await;
}

#[tokio::test]
async fn what_another_tab_has_just_attached_is_not_erased_with_the_page() {
    let Pair {
        mut world,
        amina,
        page,
        ..
    } = Pair::new("attached in another tab").await;
    let other = world.open_tab(0);
    world.open_page(other, page).await;
    world.until_on_relay().await;
    // It is written, and one tab hears no more of the other than that.
    world.tab_mut(other).socket = None;
    let attach = world.give_file(other, page, large(24));
    world.step(Step::Write(other)).await;
    let Some(Ok(Answer::Attached(address))) = world.tab_mut(other).answers.remove(&attach) else {
        panic!("not attached");
    };
    let chunks: BTreeSet<ChunkHash> = chunks_of(&address).into_iter().collect();
    let (classroom, document) = page;
    let start = world.give(amina, Command::StartAnew { classroom, document });
    let mut rounds_since = 0;
    while rounds_since < 100 {
        for step in world.steps() {
            if step.tab() != other && world.steps().contains(&step) {
                world.step(step).await;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        world.now += 20;
        world.handle(amina, Event::Tick);
        let erased = &world.tab(amina).classroom(&classroom).erased;
        rounds_since += usize::from(erased.iter().any(|erased| erased.document == document));
    }
    assert!(world.chunks(0, page, Table::Chunks).is_superset(&chunks));
    let Some(Ok(Answer::Document(successor))) = world.tab_mut(amina).answers.remove(&start) else {
        panic!("not started anew");
    };
    world.put_picture(other, page, &address).await;
    world.handle(other, Event::Disconnected);
    let anew = (classroom, successor);
    world.follow(page, anew).await;
    world.until_equal(anew).await;
    assert_eq!(world.look(amina, anew, &address).await, Ok(large(24)));
    world
        .until("nothing of the page is left", |world| {
            [Table::Chunks, Table::Uploads]
                .into_iter()
                .all(|table| world.chunks(0, page, table).is_empty())
        })
        .await;
    for chunk in &chunks {
        assert!(world.is_on_relay_there(&classroom, chunk).await);
    }
}

#[tokio::test]
async fn what_can_not_be_read_for_a_new_page_is_read_again_later() {
    let Pair {
        mut world,
        amina,
        page,
        ..
    } = Pair::new("a store that gives nothing").await;
    world.cut(0);
    let address = world.show_picture(amina, page, &large(25)).await;
    world.drain().await;
    let (classroom, document) = page;
    world.give(amina, Command::StartAnew { classroom, document });
    let is_of_chunks = |world: &World| {
        let next = world.tab(amina).reading.front();
        next.is_some_and(|(_, ranges, _)| ranges.iter().any(|(table, ..)| *table == Table::Chunks))
    };
    while !is_of_chunks(&world) {
        let step = world.steps()[0];
        world.step(step).await;
    }
    let (ticket, ..) = world.tab_mut(amina).reading.pop_front().unwrap();
    world.handle(amina, Event::ReadFailed { ticket });
    for _ in 0..20 {
        assert!(!is_of_chunks(&world), "read again at once");
        world.tick(20);
        if let Some(step) = world.steps().first() {
            world.step(*step).await;
        }
    }
    world.link(0);
    world.until_on_relay().await;
    for chunk in chunks_of(&address) {
        assert!(world.is_on_relay_there(&classroom, &chunk).await);
    }
}

#[tokio::test]
async fn what_was_too_slow_is_brought_again_soon() {
    let Pair {
        mut world,
        amina,
        classroom,
        page,
        ..
    } = Pair::new("too slow").await;
    for reason in [Refusal::TooSlow, Refusal::TooManyConnections] {
        world.give_file(amina, page, vec![1]);
        let connections = world.tab(amina).connections;
        while world.tab(amina).bringing.is_none() {
            let step = world.steps()[0];
            world.step(step).await;
        }
        let chunk = world.tab_mut(amina).bringing.take().unwrap().chunk;
        let refused = Event::Uploaded {
            classroom,
            document: page.1,
            chunk,
            outcome: Uploaded::Refused(reason),
        };
        world.handle(amina, refused);
        world.until_on_relay().await;
        assert!(world.is_on_relay_there(&classroom, &chunk).await);
        assert_eq!(world.tab(amina).connections, connections);
    }
}

#[tokio::test]
async fn what_is_only_looked_at_does_not_stand_in_the_way_of_what_is_written() {
    let Pair {
        mut world,
        amina,
        ben,
        page,
        ..
    } = Pair::new("a full disk").await;
    let address = world.attach(amina, page, &large(26)).await;
    world.until_on_relay().await;
    world.profiles[1].store.room = Some(100_000);
    assert!(world.look(ben, page, &address).await == Ok(large(26)));
    let request = world.write_word(ben, page, "[b1]");
    world.pass(5).await;
    assert_eq!(world.tab(ben).answers.get(&request), Some(&Ok(Answer::Done)));
    world.until_equal(page).await;
    assert!(world.chunks(1, page, Table::Chunks).is_empty());
    // Nor does a store that takes nothing.
    world.profiles[1].store.failing = true;
    let request = world.write_word(ben, page, "[b2]");
    world.drain().await;
    assert!(world.look(ben, page, &address).await == Ok(large(26)));
    world.profiles[1].store.failing = false;
    world.pass(5).await;
    assert_eq!(world.tab(ben).answers.get(&request), Some(&Ok(Answer::Done)));
    world.until_equal(page).await;
    // With room again it is kept.
    world.profiles[1].store.room = None;
    assert!(world.look(ben, page, &address).await == Ok(large(26)));
    world.until_on_relay().await;
    assert_eq!(world.chunks(1, page, Table::Chunks).len(), 3);
}
