//! The space of staff in a classroom that was founded without.

use documents::classroom::{Classroom, Profile, School};
use protocol::bundle::Kind;
use protocol::identity::{MemberKeys, Seed};
use protocol::invite::InviteLink;
use protocol::key::{EpochKey, SealedKey};
use protocol::roster::{Entry, Role};
use protocol::segment::{Header, Kind as SegmentKind, Log, Segment};
use protocol::{ClassroomId, DocumentId, EntryHash, LaneId, SchoolId, SegmentHash, SpaceId};
use replica::command::{Answer, Command, Problem};

use crate::bundles::bundle;
use crate::rng::SeededRng;
use crate::world::{World, person};

const SCHOOL: SchoolId = SchoolId([4; 16]);
const EXPIRES: u64 = 4_000_000_000;

/// A classroom by another client, in a file, and a link for somebody who is to lead there.
fn without_staff(seed: &str) -> (ClassroomId, Vec<u8>, String) {
    let mut rng = SeededRng::new(seed);
    let founder = MemberKeys::from_seed(&Seed::random(&mut rng)).unwrap();
    let key = EpochKey::random(&mut rng);
    let everyone = SpaceId::EVERYONE;
    let document = DocumentId([5; 16]);
    let sealed = SealedKey::seal(&key, everyone, 0, &founder.exchange_key(), &mut rng).unwrap();
    let founding = Entry::found(&founder, SCHOOL, document, vec![sealed], &mut rng).unwrap();
    let classroom = ClassroomId(founding.hash().0);

    let link = InviteLink::random(classroom, &mut rng);
    let keys = link.keys().unwrap();
    let sealed = SealedKey::seal(&key, everyone, 0, &keys.exchange_key(), &mut rng).unwrap();
    let heads = vec![EntryHash(classroom.0)];
    let invite = Entry::invite(
        &founder,
        classroom,
        heads.clone(),
        &keys,
        Role::Lead,
        1,
        EXPIRES,
        vec![sealed],
    )
    .unwrap();

    let log = Log {
        document,
        member: founder.id(),
        lane: LaneId([6; 16]),
    };
    let school = School {
        name: "Kilimo School".to_owned(),
        country: "KE".to_owned(),
        time_zone: "Africa/Nairobi".to_owned(),
    };
    let profile = Profile {
        name: "Amina".to_owned(),
        school: SCHOOL.0,
    };
    let own = Classroom::found(log.actor(), "Water", log.member.0, &profile, &school);
    let change = own.unwrap().commit(0).unwrap();
    let header = Header {
        kind: SegmentKind::Run,
        log,
        first: 0,
        last: 0,
        space: everyone,
        epoch: 0,
        roster: heads,
    };
    let none = SegmentHash::NONE;
    let segment = Segment::seal(&founder, &classroom, header, none, &key, &[change], &mut rng).unwrap();
    let records = [
        (classroom, Kind::Entry, founding.encode().unwrap()),
        (classroom, Kind::Entry, invite.encode().unwrap()),
        (classroom, Kind::Segment, segment.encode().unwrap()),
    ];
    (classroom, bundle(&records), link.to_fragment())
}

#[tokio::test]
async fn who_leads_makes_the_space_of_staff_where_there_is_none() {
    let mut world = World::new("no staff").await;
    let (classroom, file, link) = without_staff("founded");
    let [ben, carla] = [(); 2].map(|()| {
        let profile = world.profile();
        world.open_tab(profile)
    });
    world.cut(0);
    world.import(ben, &file, 1000).await;
    let joined = world.join(ben, &link, person("Ben", "Hill School", "GB")).await;
    assert_eq!(joined, classroom);
    let new = Command::NewPage {
        classroom,
        space: Some(SpaceId::STAFF),
    };
    assert_eq!(world.ask(ben, new.clone()).await, Err(Problem::NotAllowed));

    // Not before it is known that nobody else has made it.
    world.link(0);
    world
        .until("there is the space of staff", |world| {
            let spaces = &world.tab(ben).classroom(&classroom).spaces;
            spaces.contains(&SpaceId::STAFF)
        })
        .await;
    let page = match world.ask(ben, new).await {
        Ok(Answer::Document(document)) => (classroom, document),
        other => panic!("{other:?}"),
    };
    world.open_page(ben, page).await;
    world.write_word(ben, page, "[staff]");
    world.until_on_relay_of(ben).await;

    // Whoever comes to teach then has its key.
    let link = world.invite(ben, classroom, Role::Teacher).await;
    world.until_on_relay_of(ben).await;
    world
        .join(carla, &link, person("Carla", "Hill School", "GB"))
        .await;
    world.open_page(carla, page).await;
    world
        .until("Carla reads it", |world| {
            world.tab(carla).text(&page) == "[staff]"
        })
        .await;
}
