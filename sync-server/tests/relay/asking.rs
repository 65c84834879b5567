//! What a relay serves to whoever asks to be let in.

use protocol::bounded::Bytes;
use protocol::frame::{ClientFrame, RelayFrame};
use protocol::identity::MemberKeys;
use protocol::inventory::{LogRange, Wanted};
use protocol::invite::{InviteLink, InviteProof};
use protocol::roster::{Action, Entry, Role};
use protocol::whisper::Whisper;
use protocol::{Refusal, SpaceId};

use crate::classroom::{FAR, Invite, SCHOOL, member, rng};
use crate::client::CHANNEL;
use crate::driven::{Client, ORIGIN, Outcome, World};

/// Opens the classroom by an invite.
fn open_as(world: &mut World, keys: &MemberKeys, invite: &Invite) -> Client {
    let classroom = world.classroom.id;
    let mut client = Client::connect(&mut world.relay, keys, classroom);
    let proof = InviteProof::new(&invite.keys, ORIGIN, &[5; 32], &classroom);
    let open = ClientFrame::Open {
        channel: CHANNEL,
        classroom,
        since: None,
        roster: Vec::new(),
        invite: Some(proof),
    };
    client.send(&mut world.relay, &open);
    client
}

/// Whoever asks to be let in reads the roster, and of no space anything: not when they open, not what comes later, not what
/// they ask for by name, nor whispers.
#[test]
fn who_asks_to_be_let_in_is_served_the_roster_only() {
    let mut world = World::new();
    let (id, student) = (world.classroom.id, world.join(Role::Student));
    let keys = InviteLink::random(id, &mut rng()).keys().unwrap();
    let founder = world.classroom.founder.clone();
    let entry = Entry::ask_invite(&founder, id, world.heads(), &keys, Role::Student, 5, FAR).unwrap();
    world.roster.add(entry.clone()).unwrap();
    assert_eq!(
        world.founder.store_entry(&mut world.relay, &entry),
        Outcome::Stored
    );
    let mut lane = world.classroom.lane(&founder, world.heads());
    let (log, words) = (lane.log, [lane.write("before"), lane.write("after")]);
    assert_eq!(world.founder.store(&mut world.relay, &words[0]), Outcome::Stored);

    let invite = Invite { entry, keys };
    let asking = member();
    let mut visitor = open_as(&mut world, &asking, &invite);
    let told = visitor.hear(&mut world.relay);
    let is_of_roster = |frame: &RelayFrame| matches!(frame, RelayFrame::Entry { .. });
    assert!(
        matches!(told.first(), Some(RelayFrame::Opened { .. })),
        "{told:?}"
    );
    assert_eq!(told.last(), Some(&RelayFrame::CaughtUp { channel: CHANNEL }));
    // The founding, the student's invite and admission, and this invite.
    assert_eq!(
        told[1..told.len() - 1]
            .iter()
            .filter(|frame| is_of_roster(frame))
            .count(),
        4
    );
    assert_eq!(told.len(), 6, "{told:?}");
    let heads = world.heads();
    let request = Entry::request(
        &asking,
        id,
        heads,
        &invite.keys,
        invite.entry.hash(),
        SCHOOL,
        b"who I am".to_vec(),
    );
    let request = request.unwrap();
    world.roster.add(request.clone()).unwrap();
    assert_eq!(visitor.store_entry(&mut world.relay, &request), Outcome::Stored);

    // While they wait, and when they come again: by the invite, for they are no member.
    let mut again = open_as(&mut world, &asking, &invite);
    again.hear(&mut world.relay);
    let mut own = Client::open(&mut world.relay, &student, id);
    own.hear(&mut world.relay);
    visitor.hear(&mut world.relay);
    assert_eq!(world.founder.store(&mut world.relay, &words[1]), Outcome::Stored);
    let whisper = Whisper::seal(
        &founder,
        &id,
        SpaceId::EVERYONE,
        0,
        &world.classroom.key,
        b"here",
        &mut rng(),
    );
    let whisper = Bytes::new("whisper", whisper.unwrap().encode().unwrap()).unwrap();
    let channel = CHANNEL;
    world
        .founder
        .send(&mut world.relay, &ClientFrame::Whisper { channel, whisper });
    // Whoever is in the space hears both.
    assert_eq!(own.hear(&mut world.relay).len(), 2);
    for waiting in [&mut visitor, &mut again] {
        assert_eq!(waiting.hear(&mut world.relay), []);
        let inventory = waiting.inventory(&mut world.relay);
        assert!(
            inventory.logs.is_empty() && inventory.snapshots.is_empty(),
            "{inventory:?}"
        );
        let range = LogRange { log, from: 0, to: 9 };
        let wanted = Wanted {
            logs: vec![range],
            ..Wanted::default()
        };
        assert_eq!(waiting.fetch(&mut world.relay, wanted), []);
        // Nor do they bring any.
        let mut theirs = world.classroom.lane(&asking, world.heads());
        let refused = Outcome::Refused(Refusal::NotAMember);
        assert_eq!(waiting.store(&mut world.relay, &theirs.write("mine")), refused);
    }
    // What the roster says meanwhile they hear.
    world.lead(Action::Lock {
        document: log.document,
        locked: true,
    });
    assert!(matches!(
        visitor.hear(&mut world.relay)[..],
        [RelayFrame::Entry { .. }]
    ));
}
