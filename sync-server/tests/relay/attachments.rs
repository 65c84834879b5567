//! Chunks of attachments: who may bring them, who gets them, and how long they stay.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use protocol::attachment::{CHUNK_BODY, Chunk, MAX_CHUNK, Reference, claim};
use protocol::identity::MemberKeys;
use protocol::roster::{Action, Entry, Role};
use protocol::{ChunkHash, ClassroomId, DocumentId, Refusal, Signature};
use rusqlite::Connection;
use sync_server::core::{Brought, Claim, Moment, Relay, Rules};
use sync_server::store::memory::Failure;
use sync_server::store::{CLAIM_BYTES, Sqlite, Store as _};
use sync_server::{Limits, Rate, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::classroom::{Classroom, FAR, member, rng};
use crate::client::{Client, start};
use crate::driven::{NOW, ORIGIN, Outcome, World};
use crate::durability::Program;
use crate::exchange::send;

const PAGE: DocumentId = DocumentId([9; 16]);
const OTHER: DocumentId = DocumentId([8; 16]);

/// The chunks of a file of so many bytes.
fn chunks(classroom: &ClassroomId, length: usize) -> Vec<Chunk> {
    let file = vec![5; length];
    Reference::seal(classroom, &file, &mut rng()).unwrap().1
}

pub(crate) fn chunk(classroom: &ClassroomId) -> Chunk {
    chunks(classroom, 1000).remove(0)
}

/// What somebody says of a chunk to the relay that is driven by hand.
pub(crate) fn claimed(
    keys: &MemberKeys,
    classroom: ClassroomId,
    document: DocumentId,
    chunk: ChunkHash,
) -> Claim {
    Claim {
        classroom,
        document,
        chunk,
        member: keys.id(),
        signature: claim(keys, ORIGIN, &classroom, &document, &chunk),
    }
}

/// Brings a chunk, or with no content says that it is there, and waits what becomes of it.
fn bring(
    world: &mut World,
    keys: &MemberKeys,
    document: DocumentId,
    chunk: &Chunk,
    content: &[u8],
) -> Result<Brought, Refusal> {
    let claim = claimed(keys, world.classroom.id, document, chunk.hash());
    bring_to(&mut world.relay, &claim, content)
}

pub(crate) fn bring_to(relay: &mut Relay, claim: &Claim, content: &[u8]) -> Result<Brought, Refusal> {
    let id = relay.upload(&[ORIGIN.to_owned()], claim, content.to_vec(), NOW);
    while relay.commit(NOW).unwrap() > 0 {}
    let outcome = relay.uploaded(id).expect("an outcome");
    assert_eq!(relay.uploaded(id), None);
    outcome
}

fn is_there(world: &World, chunk: &Chunk) -> bool {
    let found = world.relay.download(&world.classroom.id, &chunk.hash()).unwrap();
    assert!(found.as_deref().is_none_or(|found| found == chunk.as_bytes()));
    found.is_some()
}

fn erase(document: DocumentId) -> Action {
    Action::Erase {
        document,
        successor: DocumentId([10; 16]),
    }
}

#[test]
fn who_writes_or_carries_brings_chunks_and_nobody_else() {
    let mut world = World::new();
    let founder = world.classroom.founder.clone();
    for (role, expected) in [
        (Role::Lead, Ok(Brought::Stored)),
        (Role::Teacher, Ok(Brought::Stored)),
        (Role::Student, Ok(Brought::Stored)),
        (Role::Carrier, Ok(Brought::Stored)),
        (Role::Guest, Err(Refusal::NotAllowed)),
    ] {
        let (keys, chunk) = (world.join(role), chunk(&world.classroom.id));
        let outcome = bring(&mut world, &keys, PAGE, &chunk, chunk.as_bytes());
        assert_eq!(outcome, expected, "{role:?}");
        assert_eq!(is_there(&world, &chunk), expected.is_ok(), "{role:?}");
    }
    let (student, chunk) = (world.join(Role::Student), chunk(&world.classroom.id));
    let removal = world.removal(student.id(), Vec::new());
    world.lead(removal);
    for keys in [student, member()] {
        let outcome = bring(&mut world, &keys, PAGE, &chunk, chunk.as_bytes());
        assert_eq!(outcome, Err(Refusal::NotAMember));
    }
    let claim = claimed(&founder, ClassroomId([1; 32]), PAGE, chunk.hash());
    let outcome = bring_to(&mut world.relay, &claim, chunk.as_bytes());
    assert_eq!(outcome, Err(Refusal::UnknownClassroom));
    assert!(!is_there(&world, &chunk));
}

#[test]
fn a_chunk_is_what_its_name_and_its_signature_say() {
    let mut world = World::new();
    let (founder, id) = (world.classroom.founder.clone(), world.classroom.id);
    let (chunk, other) = (chunk(&id), chunk(&id));
    let right = claimed(&founder, id, PAGE, chunk.hash());
    let signed = |origin, classroom, document, chunk| claim(&founder, origin, classroom, document, chunk);
    let elsewhere = ClassroomId([1; 32]);
    for signature in [
        signed("https://other.example", &id, &PAGE, &chunk.hash()),
        signed(ORIGIN, &elsewhere, &PAGE, &chunk.hash()),
        signed(ORIGIN, &id, &OTHER, &chunk.hash()),
        signed(ORIGIN, &id, &PAGE, &other.hash()),
        claim(&member(), ORIGIN, &id, &PAGE, &chunk.hash()),
        Signature::from_bytes([0; 64]),
    ] {
        let wrong = Claim {
            signature,
            ..right.clone()
        };
        let outcome = bring_to(&mut world.relay, &wrong, chunk.as_bytes());
        assert_eq!(outcome, Err(Refusal::BadSignature));
    }
    let mut changed = chunk.as_bytes().to_vec();
    changed[100] ^= 1;
    let mut newer = chunk.as_bytes().to_vec();
    newer[0] = 2;
    for (content, reason) in [
        (other.as_bytes(), Refusal::Malformed),
        (&changed, Refusal::Malformed),
        (&chunk.as_bytes()[..30], Refusal::Malformed),
        (&newer, Refusal::UnsupportedVersion),
        (&vec![1; MAX_CHUNK + 1], Refusal::TooLarge),
    ] {
        assert_eq!(bring_to(&mut world.relay, &right, content), Err(reason));
    }
    assert!(!is_there(&world, &chunk) && !is_there(&world, &other));
    let stored = bring_to(&mut world.relay, &right, chunk.as_bytes());
    assert_eq!(stored, Ok(Brought::Stored));
    assert!(is_there(&world, &chunk));
    // Of another classroom it is not there.
    assert_eq!(world.relay.download(&elsewhere, &chunk.hash()), Ok(None));
}

#[test]
fn a_chunk_is_stored_once_for_all_documents_it_belongs_to() {
    let mut world = World::new();
    let (founder, id) = (world.classroom.founder.clone(), world.classroom.id);
    let chunk = chunk(&id);
    let bytes = |world: &World| world.store.totals(&id).unwrap().unwrap().bytes;
    let before = bytes(&world);
    let content = chunk.as_bytes().to_vec();
    let (stored, held) = (Ok(Brought::Stored), Ok(Brought::Held));
    let missing = Err(Refusal::MissingPiece);
    for (document, content, outcome, claims) in [
        (PAGE, [].as_slice(), missing, 0),
        (PAGE, &content, stored, 1),
        (PAGE, &content, held, 1),
        (PAGE, &[], held, 1),
        (OTHER, &[], stored, 2),
        (OTHER, &content, held, 2),
        (DocumentId([7; 16]), &content, stored, 3),
    ] {
        assert_eq!(bring(&mut world, &founder, document, &chunk, content), outcome);
        let kept = if claims == 0 { 0 } else { content_length(&chunk) };
        assert_eq!(bytes(&world), before + kept + claims * CLAIM_BYTES);
    }
}

fn content_length(chunk: &Chunk) -> u64 {
    chunk.as_bytes().len() as u64
}

#[test]
fn several_at_once_come_to_the_same() {
    let mut world = World::new();
    let (founder, id) = (world.classroom.founder.clone(), world.classroom.id);
    let (chunk, content) = (chunk(&id), chunk(&id));
    let mut begin = |document, chunk: &Chunk, content: &[u8]| {
        let claim = claimed(&founder, id, document, chunk.hash());
        let origins = [ORIGIN.to_owned()];
        world.relay.upload(&origins, &claim, content.to_vec(), NOW)
    };
    let uploads = [
        begin(PAGE, &chunk, &[]),
        begin(PAGE, &chunk, chunk.as_bytes()),
        begin(PAGE, &chunk, chunk.as_bytes()),
        begin(OTHER, &chunk, &[]),
        begin(OTHER, &content, content.as_bytes()),
    ];
    assert!(uploads.iter().all(|id| world.relay.uploaded(*id).is_none()));
    while world.relay.commit(NOW).unwrap() > 0 {}
    let outcomes = uploads.map(|id| world.relay.uploaded(id).unwrap());
    let stored = Ok(Brought::Stored);
    assert_eq!(
        outcomes,
        [
            Err(Refusal::MissingPiece),
            stored,
            Ok(Brought::Held),
            stored,
            stored
        ]
    );
    let of = |document| world.store.chunks(&id, &document).unwrap().len();
    assert_eq!((of(PAGE), of(OTHER)), (1, 2));
}

#[test]
fn a_commit_that_fails_stores_no_chunk_and_says_so() {
    let mut world = World::new();
    let (founder, id) = (world.classroom.founder.clone(), world.classroom.id);
    for (failure, is_stored, again) in [
        (Failure::Full, false, Brought::Stored),
        // It was stored all the same, which shows later.
        (Failure::Unreported, true, Brought::Held),
    ] {
        let chunk = chunk(&id);
        let claim = claimed(&founder, id, PAGE, chunk.hash());
        world.store.fail(failure);
        let (origins, content) = ([ORIGIN.to_owned()], chunk.as_bytes().to_vec());
        let upload = world.relay.upload(&origins, &claim, content, NOW);
        assert!(world.relay.commit(NOW).is_err());
        assert_eq!(world.relay.uploaded(upload), Some(Err(Refusal::Storage)));
        assert_eq!(is_there(&world, &chunk), is_stored);
        let outcome = bring_to(&mut world.relay, &claim, chunk.as_bytes());
        assert_eq!(outcome, Ok(again));
    }
}

#[test]
fn locked_documents_and_closed_classrooms_take_chunks_from_staff_only() {
    let mut world = World::new();
    let (student, teacher, hub) = (
        world.join(Role::Student),
        world.join(Role::Teacher),
        world.join(Role::Carrier),
    );
    let lock = |locked| Action::Lock {
        document: PAGE,
        locked,
    };
    let close = |closed| Action::Close { closed };
    for (shut, open, reason) in [
        (lock(true), lock(false), Refusal::Locked),
        (close(true), close(false), Refusal::ClassroomClosed),
    ] {
        let (first, second) = (chunk(&world.classroom.id), chunk(&world.classroom.id));
        world.lead(shut);
        for keys in [&student, &hub] {
            let outcome = bring(&mut world, keys, PAGE, &first, first.as_bytes());
            assert_eq!(outcome, Err(reason));
        }
        let outcome = bring(&mut world, &student, OTHER, &second, second.as_bytes());
        assert_eq!(outcome.is_ok(), reason == Refusal::Locked);
        // They bring back what a relay lost.
        let outcome = bring(&mut world, &teacher, PAGE, &first, first.as_bytes());
        assert_eq!(outcome, Ok(Brought::Stored));
        world.lead(open);
        let outcome = bring(&mut world, &student, PAGE, &second, second.as_bytes());
        assert_eq!(outcome, Ok(Brought::Stored));
    }
}

#[test]
fn a_chunk_goes_with_the_last_document_it_belongs_to() {
    let mut world = World::new();
    let founder = world.classroom.founder.clone();
    let id = world.classroom.id;
    let before = world.store.totals(&id).unwrap().unwrap().bytes;
    let (shared, own) = (chunk(&id), chunk(&id));
    for (document, chunk) in [(PAGE, &shared), (OTHER, &shared), (PAGE, &own)] {
        let outcome = bring(&mut world, &founder, document, chunk, chunk.as_bytes());
        assert_eq!(outcome, Ok(Brought::Stored));
    }
    let mut entries = 0;
    for (document, left) in [(PAGE, true), (OTHER, false)] {
        entries += world.lead(erase(document)).encode().unwrap().len() as u64;
        assert!(!is_there(&world, &own));
        assert_eq!(is_there(&world, &shared), left);
        for content in [shared.as_bytes(), &[]] {
            let outcome = bring(&mut world, &founder, document, &shared, content);
            assert_eq!(outcome, Err(Refusal::Erased));
        }
    }
    assert_eq!(world.store.attached(&id).unwrap(), []);
    assert_eq!(world.store.totals(&id).unwrap().unwrap().bytes, before + entries);
}

/// What is said of a chunk while it goes is decided on when it is gone.
#[test]
fn a_chunk_that_is_just_erased_is_not_there() {
    let mut world = World::new();
    let (founder, id) = (world.classroom.founder.clone(), world.classroom.id);
    let chunk = chunk(&id);
    let outcome = bring(&mut world, &founder, PAGE, &chunk, chunk.as_bytes());
    assert_eq!(outcome, Ok(Brought::Stored));
    let entry = Entry::act(&founder, id, world.heads(), erase(PAGE)).unwrap();
    world.founder.submit_entry(&mut world.relay, &entry);
    let claim = claimed(&founder, id, OTHER, chunk.hash());
    let origins = [ORIGIN.to_owned()];
    let said = world.relay.upload(&origins, &claim, Vec::new(), NOW);
    let content = chunk.as_bytes().to_vec();
    let brought = world.relay.upload(&origins, &claim, content, NOW);
    while world.relay.commit(NOW).unwrap() > 0 {}
    assert_eq!(world.relay.uploaded(said), Some(Err(Refusal::MissingPiece)));
    assert_eq!(world.relay.uploaded(brought), Some(Ok(Brought::Stored)));
    assert!(is_there(&world, &chunk));
}

#[test]
fn chunks_count_for_what_a_classroom_may_hold() {
    let mut world = World::with(Limits {
        classroom_bytes: 20_000,
        classroom_documents: 1,
        ..Limits::default()
    });
    let founder = world.classroom.founder.clone();
    let id = world.classroom.id;
    let mut outcomes = Vec::new();
    for chunk in chunks(&id, 8_000)
        .into_iter()
        .chain(chunks(&id, 8_000))
        .chain(chunks(&id, 8_000))
    {
        outcomes.push(bring(&mut world, &founder, PAGE, &chunk, chunk.as_bytes()));
    }
    let stored = Ok(Brought::Stored);
    assert_eq!(outcomes, [stored, stored, Err(Refusal::QuotaFull)]);
    // They leave less for what is written.
    let heads = world.heads();
    let mut lane = world.classroom.lane(&founder, heads);
    lane.log.document = OTHER;
    let words = lane.clone().write_bytes(vec![1; 8_000]);
    let full = Outcome::Refused(Refusal::QuotaFull);
    assert_eq!(world.founder.store(&mut world.relay, &words), full);
    // A document with nothing but chunks keeps out none that is written.
    let third = DocumentId([7; 16]);
    let few = lane.clone().write("words");
    lane.log.document = third;
    let too_many = lane.write("words");
    assert_eq!(world.founder.store(&mut world.relay, &few), Outcome::Stored);
    let small = chunks(&id, 10).remove(0);
    for document in [third, OTHER] {
        let outcome = bring(&mut world, &founder, document, &small, small.as_bytes());
        assert_eq!(outcome, stored);
    }
    let many = Outcome::Refused(Refusal::TooManyDocuments);
    assert_eq!(world.founder.store(&mut world.relay, &too_many), many);
    // What is erased leaves room.
    world.lead(erase(PAGE));
    let chunk = chunks(&id, 8_000).remove(0);
    let outcome = bring(&mut world, &founder, OTHER, &chunk, chunk.as_bytes());
    assert_eq!(outcome, stored);
}

/// Whoever makes documents up has room for some, for a while.
#[test]
fn chunks_of_documents_that_never_come_are_few_and_go() {
    let mut world = World::new();
    let (founder, id) = (world.classroom.founder.clone(), world.classroom.id);
    let (first, second) = (chunk(&id), chunk(&id));
    let document = |number: u16| {
        let mut document = [6; 16];
        document[..2].copy_from_slice(&number.to_be_bytes());
        DocumentId(document)
    };
    let (stored, many) = (Ok(Brought::Stored), Err(Refusal::TooManyDocuments));
    for number in 0..1000 {
        let outcome = bring(&mut world, &founder, document(number), &first, first.as_bytes());
        assert_eq!(outcome, stored, "{number}");
    }
    let next = document(1000);
    assert_eq!(bring(&mut world, &founder, next, &first, &[]), many);
    // Those take more, and what is written leaves room for another.
    let more = bring(&mut world, &founder, document(1), &second, second.as_bytes());
    assert_eq!(more, stored);
    let heads = world.heads();
    let mut lane = world.classroom.lane(&founder, heads);
    lane.log.document = document(0);
    let words = lane.write("words");
    assert_eq!(world.founder.store(&mut world.relay, &words), Outcome::Stored);
    assert_eq!(bring(&mut world, &founder, next, &first, &[]), stored);
    assert_eq!(bring(&mut world, &founder, document(1001), &first, &[]), many);

    let tidy = |world: &mut World, seconds| {
        let now = Moment {
            clock: NOW.clock + seconds,
            ..NOW
        };
        world.relay.tidy().unwrap();
        while world.relay.commit(now).unwrap() > 0 {}
    };
    let month = 30 * 24 * 60 * 60;
    tidy(&mut world, month);
    assert_eq!(world.store.attached(&id).unwrap().len(), 1001);
    // What came for one later stays for as long.
    let later = Moment {
        clock: NOW.clock + 1,
        ..NOW
    };
    let claim = claimed(&founder, id, document(2), second.hash());
    let origins = [ORIGIN.to_owned()];
    let upload = world.relay.upload(&origins, &claim, Vec::new(), later);
    world.relay.commit(later).unwrap();
    assert_eq!(world.relay.uploaded(upload), Some(stored));
    tidy(&mut world, month + 1);
    assert_eq!(world.store.attached(&id).unwrap(), [document(0), document(2)]);
    assert!(is_there(&world, &first) && is_there(&world, &second));
    tidy(&mut world, month + 2);
    assert_eq!(world.store.attached(&id).unwrap(), [document(0)]);
    assert!(is_there(&world, &first) && !is_there(&world, &second));
    assert_eq!(bring(&mut world, &founder, next, &first, &[]), stored);
}

#[test]
fn a_member_brings_chunks_only_so_fast() {
    let mut world = World::with(Limits {
        submissions: Rate {
            per_second: 1,
            at_once: 8,
        },
        ..Limits::default()
    });
    let (founder, student) = (world.classroom.founder.clone(), world.join(Role::Student));
    let chunk = chunk(&world.classroom.id);
    let claim = claimed(&student, world.classroom.id, PAGE, chunk.hash());
    for _ in 0..8 {
        let outcome = bring_to(&mut world.relay, &claim, chunk.as_bytes());
        assert!(outcome.is_ok(), "{outcome:?}");
    }
    let outcome = bring_to(&mut world.relay, &claim, &[]);
    assert_eq!(outcome, Err(Refusal::TooFast));
    // Nor does anybody ask faster who is no member.
    let stranger = claimed(&member(), world.classroom.id, PAGE, chunk.hash());
    for number in 0..9 {
        let outcome = bring_to(&mut world.relay, &stranger, &[]);
        let reason = if number < 8 {
            Refusal::NotAMember
        } else {
            Refusal::TooFast
        };
        assert_eq!(outcome, Err(reason));
    }
    // Others go on, and so do they after a while.
    assert_eq!(bring(&mut world, &founder, PAGE, &chunk, &[]), Ok(Brought::Held));
    let later = Moment {
        elapsed: Duration::from_secs(2),
        ..NOW
    };
    let origins = [ORIGIN.to_owned()];
    let upload = world.relay.upload(&origins, &claim, Vec::new(), later);
    world.relay.commit(later).unwrap();
    assert_eq!(world.relay.uploaded(upload), Some(Ok(Brought::Held)));
}

/// A chunk that is damaged in the store is as good as none, and comes again.
#[test]
fn a_damaged_chunk_is_brought_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.sqlite");
    let classroom = Classroom::new();
    let (id, founder) = (classroom.id, &classroom.founder);
    let open = || {
        let store = Sqlite::open(&path).unwrap();
        Relay::new(Arc::new(store), Rules::new(Limits::default()))
    };
    let chunk = chunk(&id);
    let (mine, other) = (
        claimed(founder, id, PAGE, chunk.hash()),
        claimed(founder, id, OTHER, chunk.hash()),
    );
    let mut relay = open();
    crate::driven::Client::found(&mut relay, &classroom);
    relay.commit(NOW).unwrap();
    for claim in [&mine, &other] {
        assert!(bring_to(&mut relay, claim, chunk.as_bytes()).is_ok());
    }
    drop(relay);
    let bytes = Sqlite::open(&path).unwrap().totals(&id).unwrap().unwrap().bytes;
    for damage in [
        "UPDATE chunks SET bytes = substr(bytes, 1, 40)",
        "UPDATE chunks SET bytes = zeroblob(length(bytes))",
        "UPDATE chunks SET hash = x'00'",
    ] {
        let connection = Connection::open(&path).unwrap();
        assert_eq!(connection.execute(damage, []).unwrap(), 1);
        drop(connection);
        let mut relay = open();
        assert_eq!(relay.download(&id, &chunk.hash()), Ok(None), "{damage}");
        let outcome = bring_to(&mut relay, &mine, &[]);
        assert_eq!(outcome, Err(Refusal::MissingPiece), "{damage}");
        let outcome = bring_to(&mut relay, &mine, chunk.as_bytes());
        assert_eq!(outcome, Ok(Brought::Stored), "{damage}");
        let found = relay.download(&id, &chunk.hash()).unwrap();
        assert_eq!(found.as_deref(), Some(chunk.as_bytes()), "{damage}");
    }
    let store = Sqlite::open(&path).unwrap();
    assert!(store.totals(&id).unwrap().unwrap().bytes >= bytes);
}

/// What a relay answered.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn reason(&self) -> (u16, String) {
        (self.status, String::from_utf8(self.body.clone()).unwrap())
    }
}

async fn ask(address: SocketAddr, request: &[u8]) -> Answer {
    let (status, head, body) = send(address, request).await;
    Answer { status, head, body }
}

async fn get(address: SocketAddr, path: &str) -> Answer {
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    ask(address, head.as_bytes()).await
}

pub(crate) fn address_of(classroom: &ClassroomId, chunk: &Chunk) -> String {
    format!("/attachments/{}/{}", classroom.to_hex(), chunk.hash().to_hex())
}

/// The head of a request that brings a chunk.
pub(crate) fn head(relay: SocketAddr, claim: &Claim, more: &str) -> String {
    let Claim {
        classroom,
        document,
        chunk,
        member,
        signature,
    } = claim;
    format!(
        "PUT /attachments/{classroom}/{document}/{chunk} HTTP/1.1\r\nhost: {relay}\r\nmeridian-member: {member}\r\n\
         meridian-signature: {}\r\nconnection: close\r\n{more}\r\n",
        signature.to_hex()
    )
}

async fn put(relay: SocketAddr, claim: &Claim, content: &[u8]) -> Answer {
    put_with(relay, claim, "", content).await
}

async fn put_with(relay: SocketAddr, claim: &Claim, more: &str, content: &[u8]) -> Answer {
    let more = format!("{more}content-length: {}\r\n", content.len());
    let head = head(relay, claim, &more);
    ask(relay, &[head.as_bytes(), content].concat()).await
}

/// A relay with a classroom, whose founder says this of chunks.
struct Served {
    address: SocketAddr,
    classroom: Classroom,
}

impl Served {
    async fn new(address: SocketAddr) -> Self {
        let classroom = Classroom::new();
        Client::found(address, &classroom.founder, &classroom.founding).await;
        Self { address, classroom }
    }

    fn claim(&self, document: DocumentId, chunk: &Chunk) -> Claim {
        self.claim_of(&self.classroom.founder, document, chunk)
    }

    fn claim_of(&self, keys: &MemberKeys, document: DocumentId, chunk: &Chunk) -> Claim {
        let id = self.classroom.id;
        let origin = format!("http://{}", self.address);
        Claim {
            signature: claim(keys, &origin, &id, &document, &chunk.hash()),
            ..claimed(keys, id, document, chunk.hash())
        }
    }
}

#[tokio::test]
async fn whoever_knows_its_name_gets_a_chunk() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let served = Served::new(relay.address()).await;
    let id = served.classroom.id;
    let chunks = chunks(&id, 600_000);
    assert_eq!(chunks.len(), 3);
    for chunk in &chunks {
        let claim = served.claim(PAGE, chunk);
        let answer = get(served.address, &address_of(&id, chunk)).await;
        assert_eq!(answer.status, 404);
        assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
        for status in [201, 200] {
            let answer = put(served.address, &claim, chunk.as_bytes()).await;
            // What answers in the place of a relay names no chunk.
            let named = format!("\r\nmeridian-chunk: {}\r\n", chunk.hash());
            assert!(answer.head.contains(&named), "{}", answer.head);
            assert_eq!((answer.status, answer.body), (status, Vec::new()));
        }
        assert_eq!(
            put(served.address, &served.claim(OTHER, chunk), &[]).await.status,
            201
        );
    }
    relay.shut_down().await.unwrap();

    // As well when it has started again.
    let relay = start(Settings::new(data.path())).await;
    for chunk in &chunks {
        let answer = get(relay.address(), &address_of(&id, chunk)).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body == chunk.as_bytes());
        for line in [
            "content-type: application/octet-stream",
            "cache-control: no-store",
            "cross-origin-resource-policy: same-origin",
            "x-content-type-options: nosniff",
            "content-security-policy: default-src 'none'",
        ] {
            assert!(answer.head.contains(line), "{line}: {}", answer.head);
        }
        assert!(!answer.head.contains("access-control"), "{}", answer.head);
    }
}

#[tokio::test]
async fn a_chunk_that_was_answered_survives_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let relay = Program::run(data.path());
    let served = Served::new(relay.address).await;
    let chunk = chunks(&served.classroom.id, 300_000).remove(0);
    let answer = put(served.address, &served.claim(PAGE, &chunk), chunk.as_bytes()).await;
    assert_eq!(answer.status, 201);
    drop(relay);
    let relay = Program::run(data.path());
    let answer = get(relay.address, &address_of(&served.classroom.id, &chunk)).await;
    assert!(answer.body == chunk.as_bytes());
}

#[tokio::test]
async fn a_request_is_refused_with_a_status_and_a_reason() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let served = Served::new(relay.address()).await;
    let (address, id) = (served.address, served.classroom.id);
    let chunk = chunk(&id);
    let right = served.claim(PAGE, &chunk);
    let stranger = member();
    let origin = relay.origin();
    let unknown = ClassroomId([1; 32]);
    let signed = |keys: &MemberKeys, classroom: ClassroomId, document| Claim {
        signature: claim(keys, &origin, &classroom, &document, &chunk.hash()),
        ..claimed(keys, classroom, document, chunk.hash())
    };
    let founder = &served.classroom.founder;
    for (claim, content, status, reason) in [
        (right.clone(), [1; 60].as_slice(), 400, "1"),
        (right.clone(), &[2; 60], 400, "3"),
        (right.clone(), &[], 404, "36"),
        (
            claimed(founder, id, PAGE, chunk.hash()),
            chunk.as_bytes(),
            401,
            "5",
        ),
        (signed(&stranger, id, PAGE), chunk.as_bytes(), 403, "7"),
        (signed(founder, unknown, PAGE), chunk.as_bytes(), 404, "6"),
    ] {
        let answer = put(address, &claim, content).await;
        assert_eq!(answer.reason(), (status, reason.to_owned()));
        assert!(answer.head.contains("content-security-policy"), "{}", answer.head);
    }
    let foreign = put_with(
        address,
        &right,
        "origin: https://other.example\r\n",
        chunk.as_bytes(),
    )
    .await;
    assert_eq!(foreign.reason(), (403, "4".to_owned()));
    let own = put_with(
        address,
        &right,
        &format!("origin: {origin}\r\n"),
        chunk.as_bytes(),
    )
    .await;
    assert_eq!(own.reason(), (201, String::new()));

    let mut client = Client::open(address, founder, id).await;
    client.catch_up().await;
    let entry = Entry::act(founder, id, vec![served.classroom.founding.hash()], erase(PAGE)).unwrap();
    client.submit_entry(&entry).await;
    client.expect_stored(0).await;
    let erased = put(address, &right, chunk.as_bytes()).await;
    assert_eq!(erased.reason(), (410, "26".to_owned()));
    assert_eq!(get(address, &address_of(&id, &chunk)).await.status, 404);
}

/// Somebody who is refused while they still speak would be cut off otherwise, and hear nothing.
#[tokio::test]
async fn who_is_refused_is_heard_out() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let served = Served::new(relay.address()).await;
    let chunk = chunks(&served.classroom.id, CHUNK_BODY).remove(0);
    let claim = served.claim_of(&member(), PAGE, &chunk);
    let length = format!("content-length: {}\r\n", chunk.as_bytes().len());
    let head = head(served.address, &claim, &length);
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    for part in chunk.as_bytes().chunks(100) {
        stream.write_all(part).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("\r\n\r\n7"),
        "{answer}"
    );
}

#[tokio::test]
async fn other_addresses_are_none_of_a_chunk() {
    let (data, app) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(app.path().join("index.html"), "the app").unwrap();
    let settings = Settings {
        app: Some(app.path().to_owned()),
        ..Settings::new(data.path())
    };
    let relay = start(settings).await;
    let served = Served::new(relay.address()).await;
    let (address, id) = (served.address, served.classroom.id);
    let chunk = chunk(&id);
    let claim = served.claim(PAGE, &chunk);
    assert_eq!(put(address, &claim, chunk.as_bytes()).await.status, 201);
    let right = address_of(&id, &chunk);
    let (upper, name) = (right.to_uppercase(), chunk.hash().to_hex());
    for path in [
        format!("{right}/"),
        format!("{right}/{name}"),
        right[..right.len() - 2].to_owned(),
        format!("/attachments/{}", &upper["/attachments/".len()..]),
        format!("/attachments/{name}"),
        format!("/attachments//{name}"),
        "/attachments/a.png".to_owned(),
        "/attachments/..%2f..%2frelay.sqlite".to_owned(),
        "/attachments/%ff%00/é".replace('é', "%c3%a9"),
        format!("/attachments/{}", "a/".repeat(4000)),
    ] {
        let answer = get(address, &path).await;
        assert_eq!((answer.status, answer.body), (404, Vec::new()), "{path}");
    }
    assert_eq!(get(address, &right).await.status, 200);

    let whole = head(address, &claim, "content-length: 0\r\n");
    let member = format!("meridian-member: {}", claim.member);
    for (from, to) in [
        (format!("/{} HTTP", claim.chunk), " HTTP".to_owned()),
        (
            format!("/{} HTTP", claim.chunk),
            format!("/{}/ HTTP", claim.chunk),
        ),
        (claim.document.to_hex(), claim.document.to_hex()[..30].to_owned()),
        (claim.document.to_hex(), "..%2f..".to_owned()),
        (member.clone(), "x: y".to_owned()),
        (member, "meridian-member: 12".to_owned()),
        ("meridian-signature".to_owned(), "x".to_owned()),
        (claim.signature.to_hex(), claim.signature.to_hex().to_uppercase()),
        (claim.signature.to_hex(), "é".to_owned()),
    ] {
        let request = whole.replacen(&from, &to, 1);
        assert_ne!(request, whole);
        let answer = ask(address, request.as_bytes()).await;
        assert_eq!(answer.reason(), (400, "1".to_owned()), "{request}");
    }
    let other = whole.replacen("PUT", "POST", 1);
    assert_eq!(ask(address, other.as_bytes()).await.status, 405);
}

#[tokio::test]
async fn a_chunk_is_bounded_in_size_and_time() {
    let data = tempfile::tempdir().unwrap();
    let settings = Settings {
        limits: Limits {
            chunk: Duration::from_millis(300),
            exchange_turn: Duration::from_millis(100),
            ..Limits::default()
        },
        ..Settings::new(data.path())
    };
    let relay = start(settings).await;
    let served = Served::new(relay.address()).await;
    let address = served.address;
    let chunk = chunk(&served.classroom.id);
    let claim = served.claim(PAGE, &chunk);
    // Refused as soon as it is announced, or as it turns out.
    let announced = head(address, &claim, &format!("content-length: {}\r\n", MAX_CHUNK + 1));
    let too_large = (413, "2".to_owned());
    assert_eq!(ask(address, announced.as_bytes()).await.reason(), too_large);
    let mut long = head(address, &claim, "transfer-encoding: chunked\r\n").into_bytes();
    long.extend(format!("{:x}\r\n", MAX_CHUNK + 1).bytes());
    long.extend(vec![7; MAX_CHUNK + 1]);
    assert_eq!(ask(address, &long).await.reason(), too_large);
    let half = head(address, &claim, "content-length: 1000\r\n");
    let too_slow = (408, "35".to_owned());
    assert_eq!(ask(address, half.as_bytes()).await.reason(), too_slow);
    drop(relay);

    // Also if nothing comes any more long before the whole would have to be there.
    let data = tempfile::tempdir().unwrap();
    let settings = Settings {
        limits: Limits {
            stalled: Duration::from_millis(300),
            ..Limits::default()
        },
        ..Settings::new(data.path())
    };
    let relay = start(settings).await;
    let served = Served::new(relay.address()).await;
    let claim = served.claim(PAGE, &chunk);
    let half = head(served.address, &claim, "content-length: 1000\r\n") + "half";
    let answer = ask(served.address, half.as_bytes()).await;
    assert_eq!(answer.reason(), too_slow);
}

/// Over a link of the second generation a chunk takes longer than any request by POST may.
#[tokio::test]
async fn a_chunk_that_comes_slowly_comes() {
    let data = tempfile::tempdir().unwrap();
    let settings = Settings {
        limits: Limits {
            exchange: Duration::from_millis(50),
            stalled: Duration::from_millis(2000),
            ..Limits::default()
        },
        ..Settings::new(data.path())
    };
    let relay = start(settings).await;
    let served = Served::new(relay.address()).await;
    let chunk = chunk(&served.classroom.id);
    let length = format!("content-length: {}\r\n", chunk.as_bytes().len());
    let head = head(served.address, &served.claim(PAGE, &chunk), &length);
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    for part in chunk.as_bytes().chunks(chunk.as_bytes().len().div_ceil(10)) {
        pace.tick().await;
        stream.write_all(part).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
}

/// Asks for a turn to bring a chunk. Whoever has one is told to go on.
async fn begin(address: SocketAddr, claim: &Claim, chunk: &Chunk) -> TcpStream {
    let more = format!(
        "expect: 100-continue\r\ncontent-length: {}\r\n",
        chunk.as_bytes().len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = head(address, claim, &more);
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

/// Whoever began is told why it is over, though they bring nothing.
async fn outcome(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// All turns are taken by one classroom, and all of another by one member, who bring nothing: others wait for a part of the time
/// that they have, and not for these.
#[tokio::test]
async fn nobody_waits_long_for_those_who_have_more_than_their_share() {
    let data = tempfile::tempdir().unwrap();
    let settings = Settings {
        limits: Limits {
            exchange_turn: Duration::from_secs(3),
            chunks_brought: 4,
            chunks_brought_per_classroom: 4,
            chunks_brought_per_member: 4,
            ..Limits::default()
        },
        ..Settings::new(data.path())
    };
    let relay = start(settings).await;
    let address = relay.address();
    let (greedy, other) = (Served::new(address).await, Served::new(address).await);
    let [of_greedy, of_other] = [&greedy, &other].map(|served| chunk(&served.classroom.id));
    let claim = greedy.claim(PAGE, &of_greedy);
    let mut underway = Vec::new();
    for _ in 0..4 {
        underway.push(begin(address, &claim, &of_greedy).await);
    }
    // All but the third have brought something.
    let (half, rest) = of_greedy.as_bytes().split_at(500);
    for at in [0, 1, 3] {
        underway[at].write_all(half).await.unwrap();
    }
    let claim_of_other = other.claim(PAGE, &of_other);
    assert_eq!(
        put(address, &claim_of_other, of_other.as_bytes()).await.status,
        201
    );
    // That one has to begin again; the others, which are nearer to their end, go on.
    let told = outcome(underway.remove(2)).await;
    assert!(
        told.starts_with("HTTP/1.1 408 ") && told.ends_with("\r\n35"),
        "{told}"
    );
    let mut going_on = underway.remove(0);
    going_on.write_all(rest).await.unwrap();
    assert!(outcome(going_on).await.starts_with("HTTP/1.1 201 "));

    // Of one classroom: so do its members.
    let student = member();
    let mut client = Client::open(address, &greedy.classroom.founder, greedy.classroom.id).await;
    client.catch_up().await;
    let invite = greedy.classroom.invite(Role::Student, 1, FAR);
    let admission = greedy.classroom.admit(&invite, &student);
    for (entry, submission) in [invite.entry, admission].into_iter().zip(0..) {
        client.submit_entry(&entry).await;
        client.expect_stored(submission).await;
    }
    for _ in 0..2 {
        underway.push(begin(address, &claim, &of_greedy).await);
    }
    let of_student = greedy.claim_of(&student, PAGE, &of_greedy);
    assert_eq!(put(address, &of_student, of_greedy.as_bytes()).await.status, 200);
    // Of those that brought nothing the newest.
    assert!(outcome(underway.remove(3)).await.starts_with("HTTP/1.1 408 "));
    for mut going_on in underway.drain(..2) {
        going_on.write_all(rest).await.unwrap();
        assert!(outcome(going_on).await.starts_with("HTTP/1.1 200 "));
    }
}

/// Whoever has all turns has more waiting in line: others are in front of these.
#[tokio::test]
async fn who_has_turns_waits_behind_who_has_none() {
    let data = tempfile::tempdir().unwrap();
    let settings = Settings {
        limits: Limits {
            exchange_turn: Duration::from_secs(6),
            chunks_brought: 4,
            ..Limits::default()
        },
        ..Settings::new(data.path())
    };
    let relay = start(settings).await;
    let address = relay.address();
    let (greedy, other) = (Served::new(address).await, Served::new(address).await);
    let [of_greedy, of_other] = [&greedy, &other].map(|served| chunk(&served.classroom.id));
    let claim = greedy.claim(PAGE, &of_greedy);
    let mut underway = Vec::new();
    for _ in 0..4 {
        underway.push(begin(address, &claim, &of_greedy).await);
    }
    let mut in_line = Vec::new();
    for _ in 0..4 {
        let length = format!("content-length: {}\r\n", of_greedy.as_bytes().len());
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = head(address, &claim, &length);
        stream.write_all(head.as_bytes()).await.unwrap();
        in_line.push(stream);
    }
    // As often as it is asked for, while those in line get nothing.
    let claim_of_other = other.claim(PAGE, &of_other);
    for status in [201, 200] {
        let answer = put(address, &claim_of_other, of_other.as_bytes()).await;
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn so_many_chunks_are_brought_at_once() {
    let data = tempfile::tempdir().unwrap();
    let settings = Settings {
        limits: Limits {
            exchange_turn: Duration::from_millis(100),
            ..Limits::default()
        },
        ..Settings::new(data.path())
    };
    let relay = start(settings).await;
    let served = Served::new(relay.address()).await;
    let address = served.address;
    let chunk = chunk(&served.classroom.id);
    let claim = served.claim(PAGE, &chunk);
    let mut underway = Vec::new();
    for _ in 0..8 {
        underway.push(begin(address, &claim, &chunk).await);
    }
    // One has so many, and leaves turns to the others.
    let busy = (503, "18".to_owned());
    assert_eq!(put(address, &claim, chunk.as_bytes()).await.reason(), busy);
    let other = Served::new(address).await;
    let of_other = self::chunk(&other.classroom.id);
    let claim_of_other = other.claim(PAGE, &of_other);
    assert_eq!(
        put(address, &claim_of_other, of_other.as_bytes()).await.status,
        201
    );
    let mut first = underway.remove(0);
    first.write_all(chunk.as_bytes()).await.unwrap();
    assert!(outcome(first).await.starts_with("HTTP/1.1 201 "));
    assert_eq!(put(address, &claim, chunk.as_bytes()).await.status, 200);
}

/// Asks for a chunk more often than its socket's buffers take, and takes nothing.
async fn ask_and_wait(relay: &Served, chunk: &Chunk) -> TcpStream {
    ask_and_wait_from("127.0.0.1:0", relay, chunk).await
}

async fn ask_and_wait_from(from: &str, relay: &Served, chunk: &Chunk) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(from.parse().unwrap()).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(relay.address).await.unwrap();
    let path = address_of(&relay.classroom.id, chunk);
    let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", relay.address);
    stream.write_all(request.repeat(40).as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn who_takes_chunks_slowly_leaves_turns_to_others() {
    let data = tempfile::tempdir().unwrap();
    let settings = Settings {
        proxies: Vec::new(),
        limits: Limits {
            exchange_turn: Duration::from_millis(100),
            ..Limits::default()
        },
        ..Settings::new(data.path())
    };
    let relay = start(settings).await;
    let served = Served::new(relay.address()).await;
    let chunk = chunks(&served.classroom.id, CHUNK_BODY).remove(0);
    let answer = put(served.address, &served.claim(PAGE, &chunk), chunk.as_bytes()).await;
    assert_eq!(answer.status, 201);
    let path = address_of(&served.classroom.id, &chunk);
    let mut waiting = Vec::new();
    for _ in 0..64 {
        waiting.push(ask_and_wait(&served, &chunk).await);
    }
    let all_wait = async { while get(served.address, &path).await.status != 503 {} };
    let patience = Duration::from_secs(30);
    tokio::time::timeout(patience, all_wait)
        .await
        .expect("one address has all turns");

    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut stream = socket.connect(served.address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        served.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(chunk.as_bytes()));
    // Whoever goes leaves theirs.
    drop(waiting);
    let again = async { while get(served.address, &path).await.status != 200 {} };
    tokio::time::timeout(patience, again)
        .await
        .expect("turns are free again");
}

/// Some addresses have all turns between them, and take next to nothing: another gets one all the same.
#[tokio::test]
async fn nobody_waits_long_for_addresses_that_have_more_than_their_share() {
    let data = tempfile::tempdir().unwrap();
    let settings = Settings {
        proxies: Vec::new(),
        limits: Limits {
            exchange_turn: Duration::from_secs(3),
            chunks_given: 8,
            chunks_given_per_address: 4,
            stalled: Duration::from_secs(3600),
            ..Limits::default()
        },
        ..Settings::new(data.path())
    };
    let relay = start(settings).await;
    let served = Served::new(relay.address()).await;
    let chunk = chunks(&served.classroom.id, CHUNK_BODY).remove(0);
    let answer = put(served.address, &served.claim(PAGE, &chunk), chunk.as_bytes()).await;
    assert_eq!(answer.status, 201);
    let mut waiting = Vec::new();
    for from in ["127.0.0.2:0", "127.0.0.3:0"] {
        for _ in 0..8 {
            waiting.push(ask_and_wait_from(from, &served, &chunk).await);
        }
    }
    let path = address_of(&served.classroom.id, &chunk);
    for _ in 0..8 {
        let answer = get(served.address, &path).await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, chunk.as_bytes()));
    }
    drop(waiting);
}

#[tokio::test]
async fn who_takes_a_chunk_for_too_long_is_let_go() {
    let data = tempfile::tempdir().unwrap();
    let settings = Settings {
        limits: Limits {
            chunk: Duration::from_millis(300),
            stalled: Duration::from_secs(3600),
            ..Limits::default()
        },
        ..Settings::new(data.path())
    };
    let relay = start(settings).await;
    let served = Served::new(relay.address()).await;
    let chunk = chunks(&served.classroom.id, CHUNK_BODY).remove(0);
    let answer = put(served.address, &served.claim(PAGE, &chunk), chunk.as_bytes()).await;
    assert_eq!(answer.status, 201);
    let stream = ask_and_wait(&served, &chunk).await;
    // It takes a little every time, so that it never stands still for long.
    let gone = async {
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        let is_open = |written: std::io::Result<usize>| match written {
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        };
        while is_open(stream.try_write(b"P")) {
            drop(stream.try_read(&mut [0; 64]));
            pace.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone)
        .await
        .expect("it is still waited for");
}

/// Whether a file in the folder holds a part of it.
fn is_in_a_file(data: &Path, chunk: &Chunk) -> bool {
    let part = &chunk.as_bytes()[100..140];
    std::fs::read_dir(data).unwrap().any(|entry| {
        let file = std::fs::read(entry.unwrap().path()).unwrap();
        file.windows(part.len()).any(|window| window == part)
    })
}

#[tokio::test]
async fn nothing_of_an_erased_chunk_stays_in_any_file() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let served = Served::new(relay.address()).await;
    let (founder, id) = (&served.classroom.founder, served.classroom.id);
    let (gone, kept) = (chunks(&id, 200_000).remove(0), chunk(&id));
    for (document, chunk) in [(PAGE, &gone), (OTHER, &kept)] {
        let claim = served.claim(document, chunk);
        assert_eq!(put(served.address, &claim, chunk.as_bytes()).await.status, 201);
        assert!(is_in_a_file(data.path(), chunk));
    }
    let mut client = Client::open(served.address, founder, id).await;
    client.catch_up().await;
    let entry = Entry::act(founder, id, vec![served.classroom.founding.hash()], erase(PAGE)).unwrap();
    client.submit_entry(&entry).await;
    client.expect_stored(0).await;
    assert!(!is_in_a_file(data.path(), &gone));
    assert!(is_in_a_file(data.path(), &kept));
    drop(relay);
}
