//! Snapshots, pieces, verdicts and receipts.

use std::time::Duration;

use protocol::bounded::Bytes;
use protocol::frame::{ClientFrame, RelayFrame};
use protocol::identity::MemberKeys;
use protocol::inventory::{LogRange, ReceiptName, VerdictName, Wanted};
use protocol::receipt::{self, Receipt};
use protocol::roster::{Action, Entry, Removal, Role};
use protocol::segment::Segment;
use protocol::snapshot::{self, Piece, Snapshot, coverage};
use protocol::verdict::{Statement, Verdict};
use protocol::{DocumentId, Refusal, SchoolId, SnapshotHash, SpaceId};
use sync_server::Limits;
use sync_server::core::Moment;
use sync_server::store::Memory;

use crate::classroom::{SCHOOL, rng};
use crate::client::CHANNEL;
use crate::driven::{Client, NOW, Outcome, World, start};

const DOCUMENT: DocumentId = DocumentId([9; 16]);

/// So many segments of the founder on the page, stored.
fn written(world: &mut World, count: usize) -> Vec<Segment> {
    let heads = world.heads();
    let mut lane = world.classroom.lane(&world.classroom.founder, heads);
    let segments: Vec<_> = (0..count)
        .map(|number| lane.write(&format!("word {number}")))
        .collect();
    for segment in &segments {
        assert_eq!(world.founder.store(&mut world.relay, segment), Outcome::Stored);
    }
    segments
}

/// A snapshot by `author` of what these segments come to.
fn snapshot(world: &World, author: &MemberKeys, segments: &[Segment]) -> (Snapshot, Vec<Piece>) {
    snapshot_of(world, author, segments.last().unwrap())
}

/// A snapshot by `author` of what a log comes to that ends with this segment.
fn snapshot_of(world: &World, author: &MemberKeys, last: &Segment) -> (Snapshot, Vec<Piece>) {
    let id = world.classroom.id;
    let document = last.header.log.document;
    let covers = coverage(
        &document,
        [(
            last.header.log,
            last.header.last + 1,
            last.chain_hash(&id).unwrap(),
        )],
    );
    let header = snapshot::Header {
        document,
        member: author.id(),
        space: last.header.space,
        epoch: 0,
        roster: world.heads(),
        covers,
    };
    Snapshot::seal(
        author,
        &id,
        header,
        &world.classroom.key,
        &[1; 300_000],
        &mut rng(),
    )
    .unwrap()
}

fn store(world: &mut World, snapshot: &Snapshot, pieces: &[Piece]) -> SnapshotHash {
    for piece in pieces {
        assert_eq!(world.founder.store_piece(&mut world.relay, piece), Outcome::Held);
    }
    assert_eq!(
        world.founder.store_snapshot(&mut world.relay, snapshot),
        Outcome::Stored
    );
    snapshot.hash(&world.classroom.id).unwrap()
}

fn verdict(world: &World, by: &MemberKeys, snapshot: SnapshotHash, matches: bool) -> Verdict {
    let statement = Statement {
        document: DOCUMENT,
        snapshot,
        member: by.id(),
        roster: world.heads(),
        matches,
    };
    Verdict::sign(by, &world.classroom.id, statement).unwrap()
}

fn later(seconds: u64) -> Moment {
    Moment {
        elapsed: Duration::from_secs(seconds),
        clock: NOW.clock + seconds,
    }
}

#[test]
fn a_newcomer_gets_a_snapshot_and_a_short_tail() {
    let mut world = World::new();
    let segments = written(&mut world, 5);
    let founder = world.classroom.founder.clone();
    let (snapshot, pieces) = snapshot(&world, &founder, &segments[..4]);
    assert_eq!(pieces.len(), 2);
    assert_eq!(
        world.founder.store_snapshot(&mut world.relay, &snapshot),
        Outcome::Refused(Refusal::MissingPiece)
    );
    let hash = store(&mut world, &snapshot, &pieces);
    assert_eq!(
        world.founder.store_snapshot(&mut world.relay, &snapshot),
        Outcome::Held
    );
    assert_eq!(
        world.founder.store_piece(&mut world.relay, &pieces[0]),
        Outcome::Held
    );

    let mut late = Client::open(&mut world.relay, &founder, world.classroom.id);
    let told = late.hear(&mut world.relay);
    let encoded = snapshot.encode().unwrap();
    assert!(
        matches!(&told[1], RelayFrame::Snapshot { advance: 0, snapshot, .. } if snapshot.as_ref() == encoded)
    );
    let segments_told = told
        .iter()
        .filter(|frame| matches!(frame, RelayFrame::Segment { .. }));
    assert_eq!(segments_told.count(), 1);
    assert!(matches!(told.last(), Some(RelayFrame::CaughtUp { .. })));
    let wanted = Wanted {
        snapshots: vec![DOCUMENT],
        pieces: snapshot.pieces().to_vec(),
        ..Wanted::default()
    };
    let fetched = late.fetch(&mut world.relay, wanted);
    assert!(matches!(&fetched[0], RelayFrame::Snapshot { advance: 0, .. }));
    let got: Vec<&[u8]> = fetched
        .iter()
        .filter_map(|frame| match frame {
            RelayFrame::Piece { piece, .. } => Some(piece.as_ref()),
            _ => None,
        })
        .collect();
    assert_eq!(got, [pieces[0].as_bytes(), pieces[1].as_bytes()]);

    // Somebody compared and found that it does not match: it is served no more.
    let student = world.join(Role::Student);
    let mut own = Client::open(&mut world.relay, &student, world.classroom.id);
    own.hear(&mut world.relay);
    let unknown = verdict(&world, &student, SnapshotHash([1; 32]), true);
    assert_eq!(
        own.store_verdict(&mut world.relay, &unknown),
        Outcome::Refused(Refusal::UnknownParent)
    );
    let dispute = verdict(&world, &student, hash, false);
    assert_eq!(own.store_verdict(&mut world.relay, &dispute), Outcome::Stored);
    assert_eq!(own.store_verdict(&mut world.relay, &dispute), Outcome::Held);
    assert_eq!(
        world.founder.store_snapshot(&mut world.relay, &snapshot),
        Outcome::Refused(Refusal::Disputed)
    );
    let mut late = Client::open(&mut world.relay, &founder, world.classroom.id);
    assert_eq!(late.segments(&mut world.relay), segments);
}

/// Knowing what something is called, as who left a space does, opens nothing of it.
#[test]
fn what_is_in_a_space_is_fetched_by_who_is_in_it_alone() {
    let mut world = World::new();
    let (student, teacher, hub) = (
        world.join(Role::Student),
        world.join(Role::Teacher),
        world.join(Role::Carrier),
    );
    let (id, founder) = (world.classroom.id, world.classroom.founder.clone());
    let document = DocumentId([4; 16]);
    let mut lane = world.classroom.lane(&founder, world.heads());
    lane.log.document = document;
    let (log, secret) = (lane.log, lane.seal(SpaceId::STAFF, 0, vec![1; 20]));
    assert_eq!(world.founder.store(&mut world.relay, &secret), Outcome::Stored);
    let (snapshot, pieces) = snapshot(&world, &founder, std::slice::from_ref(&secret));
    let hash = store(&mut world, &snapshot, &pieces);
    let statement = Statement {
        document,
        snapshot: hash,
        member: founder.id(),
        roster: world.heads(),
        matches: true,
    };
    let verdict = Verdict::sign(&founder, &id, statement).unwrap();
    assert_eq!(
        world.founder.store_verdict(&mut world.relay, &verdict),
        Outcome::Stored
    );
    let header = receipt::Header {
        member: founder.id(),
        space: SpaceId::STAFF,
        epoch: 0,
        roster: world.heads(),
        count: 1,
    };
    let receipt = Receipt::seal(
        &founder,
        &id,
        header,
        &world.classroom.key,
        Vec::new(),
        &mut rng(),
    )
    .unwrap();
    assert_eq!(
        world.founder.store_receipt(&mut world.relay, &receipt),
        Outcome::Stored
    );

    let by_name = |wanted: &mut Wanted, part: u8| match part {
        0 => wanted.logs.push(LogRange {
            log,
            from: 0,
            to: u64::MAX,
        }),
        1 => wanted.snapshots.push(document),
        2 => wanted.pieces.extend(snapshot.pieces()),
        3 => wanted.verdicts.push(VerdictName {
            snapshot: hash,
            member: founder.id(),
        }),
        _ => wanted.receipts.push(ReceiptName {
            space: SpaceId::STAFF,
            member: founder.id(),
        }),
    };
    for (reader, found) in [
        (&teacher, [1, 1, 2, 1, 1]),
        (&hub, [1, 1, 2, 1, 1]),
        (&student, [0; 5]),
    ] {
        let mut client = Client::open(&mut world.relay, reader, id);
        let mut all = Wanted::default();
        for (part, count) in (0..5).zip(found) {
            let mut wanted = Wanted::default();
            by_name(&mut wanted, part);
            by_name(&mut all, part);
            let frames = client.fetch(&mut world.relay, wanted);
            assert_eq!(frames.len(), count, "{part}: {frames:?}");
        }
        let count: usize = found.iter().sum();
        assert_eq!(client.fetch(&mut world.relay, all).len(), count);
    }
}

#[test]
fn segments_go_only_when_two_compared_and_their_time_is_over() {
    let day = 24 * 60 * 60;
    let mut world = World::with(Limits {
        retention: Some(Duration::from_secs(30 * day)),
        ..Limits::default()
    });
    let (student, other) = (world.join(Role::Student), world.join(Role::Lead));
    let segments = written(&mut world, 5);
    let (snapshot, pieces) = snapshot(&world, &student, &segments[..4]);
    let hash = store(&mut world, &snapshot, &pieces);
    let firsts = |world: &mut World, at: u64| {
        world.relay.tidy().unwrap();
        while world.relay.commit(later(at)).unwrap() > 0 {}
        world.founder.inventory(&mut world.relay).logs[0].first
    };
    let founder = world.classroom.founder.clone();
    assert_eq!(firsts(&mut world, 60 * day), 0);
    // One is not enough, nor is the word of who made it.
    for by in [&founder, &student] {
        let verdict = verdict(&world, by, hash, true);
        assert_eq!(
            world.founder.store_verdict(&mut world.relay, &verdict),
            Outcome::Stored
        );
    }
    assert_eq!(firsts(&mut world, 60 * day), 0);
    let second = verdict(&world, &other, hash, true);
    assert_eq!(
        world.founder.store_verdict(&mut world.relay, &second),
        Outcome::Stored
    );
    assert_eq!(firsts(&mut world, 29 * day), 0);
    assert_eq!(firsts(&mut world, 31 * day), 4);

    // Whoever still has them need not send them again, and newcomers have all they need.
    assert_eq!(world.founder.store(&mut world.relay, &segments[1]), Outcome::Held);
    // Nor does whoever does keep others waiting: it takes one commit.
    let mut lane = world.classroom.lane(&founder, world.heads());
    (lane.log, lane.next) = (segments[4].header.log, 5);
    lane.previous = segments[4].hash(&world.classroom.id).unwrap();
    for gone in &segments[..2] {
        world.founder.submit(&mut world.relay, &lane.write("more"));
        world.founder.submit(&mut world.relay, gone);
    }
    assert_eq!(world.relay.commit(NOW).unwrap(), 4);
    world.founder.hear(&mut world.relay);
    let mut late = Client::open(&mut world.relay, &founder, world.classroom.id);
    let told = late.hear(&mut world.relay);
    assert!(
        told.iter()
            .any(|frame| matches!(frame, RelayFrame::Snapshot { .. }))
    );
    // An empty relay takes the snapshot, and the tail behind it.
    let mut relay = crate::driven::start(&sync_server::store::Memory::new(9));
    let mut client = Client::found(&mut relay, &world.classroom);
    relay.commit(NOW).unwrap();
    client.hear(&mut relay);
    for entry in world.roster.entries_in_order().into_iter().skip(1) {
        assert_eq!(client.store_entry(&mut relay, entry), Outcome::Stored);
    }
    assert_eq!(
        client.store(&mut relay, &segments[4]),
        Outcome::Refused(Refusal::IndexGap)
    );
    for piece in &pieces {
        assert_eq!(client.store_piece(&mut relay, piece), Outcome::Held);
    }
    assert_eq!(client.store_snapshot(&mut relay, &snapshot), Outcome::Stored);
    assert_eq!(client.store(&mut relay, &segments[4]), Outcome::Stored);
}

#[test]
fn pieces_that_nothing_names_go_after_an_hour() {
    let mut world = World::new();
    let segments = written(&mut world, 1);
    let founder = world.classroom.founder.clone();
    let (kept, named) = snapshot(&world, &founder, &segments);
    store(&mut world, &kept, &named);
    let (_, orphans) = snapshot(&world, &founder, &segments);
    assert_eq!(
        world.founder.store_piece(&mut world.relay, &orphans[0]),
        Outcome::Held
    );
    let id = world.classroom.id;
    let has = |world: &World, piece: &Piece| {
        use sync_server::store::Store as _;
        world.store.has_piece(&id, &piece.hash()).unwrap()
    };
    for (seconds, is_there) in [(3600, true), (3601, false)] {
        world.relay.tidy().unwrap();
        world.relay.commit(later(seconds)).unwrap();
        assert_eq!(has(&world, &orphans[0]), is_there);
        assert!(has(&world, &named[0]));
    }
}

#[test]
fn a_snapshot_is_not_taken_while_its_pieces_go() {
    let mut world = World::new();
    let segments = written(&mut world, 1);
    let founder = world.classroom.founder.clone();
    let (late, pieces) = snapshot(&world, &founder, &segments);
    for piece in &pieces {
        assert_eq!(world.founder.store_piece(&mut world.relay, piece), Outcome::Held);
    }
    world.relay.tidy().unwrap();
    let encoded = Bytes::new("snapshot", late.encode().unwrap()).unwrap();
    world.founder.send(
        &mut world.relay,
        &ClientFrame::Snapshot {
            channel: CHANNEL,
            snapshot: encoded,
        },
    );
    while world.relay.commit(later(3601)).unwrap() > 0 {}
    let told = world.founder.hear(&mut world.relay);
    assert!(
        matches!(
            told[..],
            [RelayFrame::Refused {
                reason: Refusal::MissingPiece,
                ..
            }]
        ),
        "{told:?}"
    );
}

#[test]
fn an_erased_document_takes_its_snapshots_along_even_without_segments() {
    let mut world = World::new();
    let segments = written(&mut world, 1);
    let founder = world.classroom.founder.clone();
    let (only, pieces) = snapshot(&world, &founder, &segments);
    // A relay that was emptied, and got the snapshot back only.
    world.store = Memory::new(8);
    world.relay = start(&world.store);
    world.founder = Client::found(&mut world.relay, &world.classroom);
    world.relay.commit(NOW).unwrap();
    world.founder.hear(&mut world.relay);
    store(&mut world, &only, &pieces);
    assert_eq!(world.founder.inventory(&mut world.relay).snapshots.len(), 1);
    world.lead(Action::Erase {
        document: DOCUMENT,
        successor: DocumentId([10; 16]),
    });
    assert!(world.founder.inventory(&mut world.relay).snapshots.is_empty());
}

#[test]
fn a_writer_is_asked_for_a_snapshot_when_a_document_grew_long() {
    let mut world = World::with(Limits {
        snapshot_after: 4,
        ..Limits::default()
    });
    let guest = world.join(Role::Guest);
    let student = world.join(Role::Student);
    let id = world.classroom.id;
    let [mut reader, mut writer] = [&guest, &student].map(|keys| Client::open(&mut world.relay, keys, id));
    reader.hear(&mut world.relay);
    writer.hear(&mut world.relay);
    let segments = written(&mut world, 8);
    let wants = |client: &mut Client, world: &mut World| {
        let document = DOCUMENT;
        let want = RelayFrame::WantSnapshot {
            channel: CHANNEL,
            document,
        };
        let told = client.hear(&mut world.relay);
        told.iter().filter(|frame| **frame == want).count()
    };
    // Each time the next one, but never who may not write.
    assert_eq!(wants(&mut reader, &mut world), 0);
    assert_eq!(wants(&mut writer, &mut world), 1);
    // As soon as there is one, it takes as many again.
    let founder = world.classroom.founder.clone();
    let (snapshot, pieces) = snapshot(&world, &founder, &segments);
    store(&mut world, &snapshot, &pieces);
    written(&mut world, 3);
    assert_eq!(wants(&mut writer, &mut world), 0);
}

#[test]
fn the_newest_receipt_of_a_member_takes_the_place_of_older_ones() {
    let mut world = World::new();
    let student = world.join(Role::Student);
    let mut own = Client::open(&mut world.relay, &student, world.classroom.id);
    own.hear(&mut world.relay);
    let receipt = |world: &World, count, space, epoch| {
        let header = receipt::Header {
            member: student.id(),
            space,
            epoch,
            roster: world.heads(),
            count,
        };
        let id = world.classroom.id;
        Receipt::seal(
            &student,
            &id,
            header,
            &world.classroom.key,
            Vec::new(),
            &mut rng(),
        )
        .unwrap()
    };
    let everyone = SpaceId::EVERYONE;
    let (first, second) = (receipt(&world, 1, everyone, 0), receipt(&world, 2, everyone, 0));
    assert_eq!(own.store_receipt(&mut world.relay, &first), Outcome::Stored);
    assert_eq!(own.store_receipt(&mut world.relay, &second), Outcome::Stored);
    assert_eq!(own.store_receipt(&mut world.relay, &first), Outcome::Held);
    for (receipt, reason) in [
        (receipt(&world, 3, SpaceId::STAFF, 0), Refusal::NotInSpace),
        (receipt(&world, 3, everyone, 1), Refusal::WrongEpoch),
    ] {
        assert_eq!(
            own.store_receipt(&mut world.relay, &receipt),
            Outcome::Refused(reason)
        );
    }
    let names = own.inventory(&mut world.relay).receipts;
    assert_eq!((names.len(), names[0].count), (1, 2));
    let wanted = Wanted {
        receipts: vec![names[0].name],
        ..Wanted::default()
    };
    let fetched = own.fetch(&mut world.relay, wanted);
    let encoded = second.encode().unwrap();
    assert!(matches!(&fetched[..], [RelayFrame::Receipt { receipt, .. }] if receipt.as_ref() == encoded));
}

/// Neither pieces nor snapshots get past what a classroom may hold, in one batch or over many.
#[test]
fn snapshots_and_their_pieces_count_like_segments() {
    let full = Outcome::Refused(Refusal::QuotaFull);
    let mut world = World::with(Limits {
        classroom_bytes: 700_000,
        ..Limits::default()
    });
    let segments = written(&mut world, 1);
    let founder = world.classroom.founder.clone();
    let made: Vec<_> = (0..3).map(|_| snapshot(&world, &founder, &segments)).collect();
    // All in one batch: each has a large piece and a small one.
    let channel = CHANNEL;
    let pieces: Vec<&Piece> = made.iter().map(|(_, pieces)| &pieces[0]).collect();
    for piece in &pieces {
        let piece = Bytes::new("piece", piece.as_bytes().to_vec()).unwrap();
        world
            .founder
            .send(&mut world.relay, &ClientFrame::Piece { channel, piece });
    }
    world.relay.commit(NOW).unwrap();
    let refused = |frame: &RelayFrame| match frame {
        RelayFrame::Held { .. } => false,
        RelayFrame::Refused { reason, .. } => *reason == Refusal::QuotaFull,
        other => panic!("{other:?}"),
    };
    let told: Vec<bool> = world.founder.hear(&mut world.relay).iter().map(refused).collect();
    assert_eq!(told, [false, false, true]);
    // There is room for the small ones, and for what names them.
    for (snapshot, pieces) in &made[..2] {
        assert_eq!(
            world.founder.store_piece(&mut world.relay, &pieces[1]),
            Outcome::Held
        );
        assert_eq!(
            world.founder.store_snapshot(&mut world.relay, snapshot),
            Outcome::Stored
        );
    }
    assert_eq!(world.founder.store_piece(&mut world.relay, pieces[2]), full);
    let heads = world.heads();
    let mut lane = world.classroom.lane(&world.classroom.founder, heads);
    let much = lane.write_bytes(vec![1; 150_000]);
    assert_eq!(world.founder.store(&mut world.relay, &much), full);

    // Nor do snapshots bring more documents than there may be.
    let mut world = World::with(Limits {
        classroom_documents: 2,
        ..Limits::default()
    });
    written(&mut world, 1);
    let heads = world.heads();
    let mut lane = world.classroom.lane(&world.classroom.founder, heads);
    let founder = world.classroom.founder.clone();
    let mut outcomes = Vec::new();
    for document in [1, 2, 1] {
        lane.log.document = DocumentId([document; 16]);
        let segment = lane.clone().write("gone everywhere");
        let (snapshot, pieces) = snapshot_of(&world, &founder, &segment);
        for piece in &pieces {
            assert_eq!(world.founder.store_piece(&mut world.relay, piece), Outcome::Held);
        }
        outcomes.push(world.founder.store_snapshot(&mut world.relay, &snapshot));
    }
    let too_many = Outcome::Refused(Refusal::TooManyDocuments);
    assert_eq!(outcomes, [Outcome::Stored, too_many, Outcome::Stored]);
    lane.log.document = DocumentId([2; 16]);
    assert_eq!(
        world.founder.store(&mut world.relay, &lane.clone().write("no")),
        too_many
    );
    lane.log.document = DocumentId([1; 16]);
    assert_eq!(
        world.founder.store(&mut world.relay, &lane.write("yes")),
        Outcome::Stored
    );
}

/// Only leads and teachers confirm, and only their word stands against what they confirmed: others can be invited for
/// it in any number.
#[test]
fn students_neither_confirm_a_snapshot_nor_dispute_a_confirmed_one() {
    let day = 24 * 60 * 60;
    let mut world = World::with(Limits {
        retention: Some(Duration::from_secs(30 * day)),
        ..Limits::default()
    });
    let students = [world.join(Role::Student), world.join(Role::Student)];
    let teacher = world.join(Role::Teacher);
    let segments = written(&mut world, 5);
    let (made, pieces) = snapshot(&world, &students[0], &segments[..4]);
    let hash = store(&mut world, &made, &pieces);
    let founder = world.classroom.founder.clone();
    let say = |world: &mut World, by: &MemberKeys, matches| {
        let verdict = verdict(world, by, hash, matches);
        assert_eq!(
            world.founder.store_verdict(&mut world.relay, &verdict),
            Outcome::Stored
        );
    };
    let first = |world: &mut World| {
        world.relay.tidy().unwrap();
        while world.relay.commit(later(60 * day)).unwrap() > 0 {}
        world.founder.inventory(&mut world.relay).logs[0].first
    };
    let is_served = |world: &mut World| {
        let mut late = Client::open(&mut world.relay, &founder, world.classroom.id);
        let told = late.hear(&mut world.relay);
        told.iter()
            .any(|frame| matches!(frame, RelayFrame::Snapshot { advance: 0, .. }))
    };
    // A lead and two students, of two schools.
    say(&mut world, &founder, true);
    say(&mut world, &students[1], true);
    assert_eq!(first(&mut world), 0);
    // What nobody confirmed is not served against anybody's word.
    say(&mut world, &students[0], false);
    assert!(!is_served(&mut world));
    say(&mut world, &teacher, true);
    assert!(is_served(&mut world));
    assert_eq!(first(&mut world), 4);
    say(&mut world, &students[1], false);
    assert!(is_served(&mut world));
    say(&mut world, &teacher, false);
    assert!(!is_served(&mut world));
}

/// Two leads, or leads and teachers of two schools, none of whom made it: no fewer, and nobody else.
#[test]
fn a_snapshot_is_confirmed_by_two_leads_or_by_two_schools() {
    let day = 24 * 60 * 60;
    let elsewhere = SchoolId([4; 16]);
    let (lead, teacher, student) = (Role::Lead, Role::Teacher, Role::Student);
    // Who made it and who compared it, the founder never, and whether that lets the segments go.
    let cases = [
        (vec![(SCHOOL, teacher), (SCHOOL, teacher)], false),
        (
            vec![(SCHOOL, teacher), (SCHOOL, teacher), (SCHOOL, teacher)],
            false,
        ),
        (vec![(SCHOOL, lead), (SCHOOL, teacher)], false),
        (
            vec![(SCHOOL, lead), (SCHOOL, teacher), (elsewhere, student)],
            false,
        ),
        (vec![(SCHOOL, lead), (SCHOOL, lead)], true),
        (vec![(SCHOOL, teacher), (elsewhere, teacher)], true),
        (vec![(elsewhere, lead), (SCHOOL, teacher)], true),
        (
            vec![(SCHOOL, teacher), (SCHOOL, teacher), (elsewhere, teacher)],
            true,
        ),
    ];
    let made_by = [(elsewhere, student), (elsewhere, teacher), (SCHOOL, lead)];
    let all = made_by
        .into_iter()
        .flat_map(|author| cases.iter().map(move |case| (author, case)));
    for ((school, role), (compared_by, goes)) in all {
        let mut world = World::with(Limits {
            retention: Some(Duration::from_secs(30 * day)),
            ..Limits::default()
        });
        let author = world.join_from(school, role);
        let mut speakers = vec![author.clone()];
        for (school, role) in compared_by {
            speakers.push(world.join_from(*school, *role));
        }
        let segments = written(&mut world, 5);
        let (made, pieces) = snapshot(&world, &author, &segments[..4]);
        let hash = store(&mut world, &made, &pieces);
        for by in &speakers {
            let verdict = verdict(&world, by, hash, true);
            assert_eq!(
                world.founder.store_verdict(&mut world.relay, &verdict),
                Outcome::Stored
            );
        }
        world.relay.tidy().unwrap();
        while world.relay.commit(later(60 * day)).unwrap() > 0 {}
        let first = world.founder.inventory(&mut world.relay).logs[0].first;
        let said = format!("made by {role:?} of {school:?}, compared by {compared_by:?}");
        assert_eq!(first, if *goes { 4 } else { 0 }, "{said}");
    }
}

/// Two who were fooled, or lie together, do not destroy what the relay can see is something else.
#[test]
fn nothing_goes_behind_a_snapshot_of_something_else() {
    let day = 24 * 60 * 60;
    let mut world = World::with(Limits {
        retention: Some(Duration::from_secs(30 * day)),
        ..Limits::default()
    });
    let (teacher, other) = (world.join(Role::Teacher), world.join(Role::Lead));
    let segments = written(&mut world, 5);
    // It names another segment at the end of what it covers.
    let heads = world.heads();
    let mut twin = world.classroom.lane(&world.classroom.founder, heads);
    twin.log = segments[0].header.log;
    let others: Vec<_> = (0..4).map(|_| twin.write("another")).collect();
    let (made, pieces) = snapshot(&world, &teacher, &others);
    let hash = store(&mut world, &made, &pieces);
    let founder = world.classroom.founder.clone();
    for by in [&founder, &other] {
        let verdict = verdict(&world, by, hash, true);
        assert_eq!(
            world.founder.store_verdict(&mut world.relay, &verdict),
            Outcome::Stored
        );
    }
    world.relay.tidy().unwrap();
    while world.relay.commit(later(60 * day)).unwrap() > 0 {}
    assert_eq!(world.founder.inventory(&mut world.relay).logs[0].first, 0);
}

/// Snapshots that are made later do not push out the one without which a document could not be read.
#[test]
fn a_snapshot_that_alone_holds_what_is_gone_stays() {
    let day = 24 * 60 * 60;
    let mut world = World::with(Limits {
        retention: Some(Duration::from_secs(30 * day)),
        ..Limits::default()
    });
    let (teacher, other) = (world.join(Role::Teacher), world.join(Role::Lead));
    let segments = written(&mut world, 5);
    let (made, pieces) = snapshot(&world, &teacher, &segments[..4]);
    let hash = store(&mut world, &made, &pieces);
    let founder = world.classroom.founder.clone();
    for by in [&founder, &other] {
        let verdict = verdict(&world, by, hash, true);
        assert_eq!(
            world.founder.store_verdict(&mut world.relay, &verdict),
            Outcome::Stored
        );
    }
    world.relay.tidy().unwrap();
    while world.relay.commit(later(60 * day)).unwrap() > 0 {}
    assert_eq!(world.founder.inventory(&mut world.relay).logs[0].first, 4);
    // One who confirmed it leaves: by today's roster it is not confirmed.
    let leaving = Action::Remove {
        members: vec![Removal {
            member: other.id(),
            cutoffs: Vec::new(),
        }],
        rotations: Vec::new(),
    };
    let leaving = Entry::act(&other, world.classroom.id, world.heads(), leaving).unwrap();
    world.roster.add(leaving.clone()).unwrap();
    assert_eq!(
        world.founder.store_entry(&mut world.relay, &leaving),
        Outcome::Stored
    );
    // Others cover less, and are as many as are kept.
    for _ in 0..6 {
        let (less, pieces) = snapshot(&world, &founder, &segments[..2]);
        store(&mut world, &less, &pieces);
    }
    let listed = world.founder.inventory(&mut world.relay).snapshots;
    assert!(listed.iter().any(|state| state.hash == hash), "{listed:?}");
    assert!(listed.len() <= 4, "{listed:?}");
}
