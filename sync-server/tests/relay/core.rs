//! The relay's logic without sockets: failing as told, crashing where it hurts.

use protocol::frame::{self, ClientFrame, RelayFrame};
use protocol::roster::{Action, Entry};
use protocol::{DocumentId, Refusal};
use sync_server::Limits;
use sync_server::core::{Moment, Relay, Sent};
use sync_server::store::Memory;
use sync_server::store::memory::Failure;

use crate::classroom::Classroom;
use crate::client::CHANNEL;
use crate::driven::{Client, NOW, ORIGIN, Outcome, World, start};

#[test]
fn nothing_is_answered_or_shown_before_the_commit() {
    let classroom = Classroom::new();
    let store = Memory::new(7);
    let mut relay = start(&store);
    let mut founder = Client::found(&mut relay, &classroom);
    let mut other = Client::open(&mut relay, &classroom.founder, classroom.id);
    let channel = CHANNEL;
    assert!(matches!(
        founder.hear(&mut relay)[..],
        [RelayFrame::Opened { .. }]
    ));
    let reason = Refusal::UnknownClassroom;
    assert_eq!(other.hear(&mut relay), [RelayFrame::Closed { channel, reason }]);
    assert_eq!(relay.commit(NOW).unwrap(), 1);
    let founded = founder.hear(&mut relay);
    assert!(matches!(
        founded[..],
        [
            RelayFrame::Stored { submission: 0, .. },
            RelayFrame::CaughtUp { .. }
        ]
    ));

    let mut other = Client::open(&mut relay, &classroom.founder, classroom.id);
    assert_eq!(other.hear(&mut relay).len(), 3);
    let mut lane = classroom.lane(&classroom.founder, vec![classroom.founding.hash()]);
    let (one, two) = (lane.write("one"), lane.write("two"));
    founder.submit(&mut relay, &one);
    founder.submit(&mut relay, &two);
    assert_eq!(relay.waiting(), 2);
    assert!(founder.hear(&mut relay).is_empty() && other.hear(&mut relay).is_empty());
    assert_eq!(relay.commit(NOW).unwrap(), 2);
    assert_eq!(founder.hear(&mut relay).len(), 2);
    assert_eq!(other.segments(&mut relay), [one, two]);
    assert_eq!(relay.commit(NOW).unwrap(), 0);
}

#[test]
fn a_crash_loses_what_was_not_committed_and_nothing_else() {
    let classroom = Classroom::new();
    let store = Memory::new(7);
    let mut lane = classroom.lane(&classroom.founder, vec![classroom.founding.hash()]);
    let (one, two) = (lane.write("one"), lane.write("two"));
    let mut relay = start(&store);
    let mut client = Client::found(&mut relay, &classroom);
    client.submit(&mut relay, &one);
    relay.commit(NOW).unwrap();
    client.submit(&mut relay, &two);
    drop(relay);

    let mut relay = start(&store);
    let mut client = Client::open(&mut relay, &classroom.founder, classroom.id);
    assert_eq!(client.segments(&mut relay), std::slice::from_ref(&one));
    client.submit(&mut relay, &one);
    client.submit(&mut relay, &two);
    relay.commit(NOW).unwrap();
    let answers = client.hear(&mut relay);
    assert!(matches!(
        answers[..],
        [
            RelayFrame::Held { submission: 0, .. },
            RelayFrame::Stored { submission: 1, .. }
        ]
    ));
}

#[test]
fn a_commit_that_fails_is_refused_and_the_next_one_starts_from_what_is_stored() {
    for failure in [Failure::Full, Failure::Unreported] {
        let classroom = Classroom::new();
        let store = Memory::new(7);
        let mut relay = start(&store);
        let mut client = Client::found(&mut relay, &classroom);
        relay.commit(NOW).unwrap();
        let mut other = Client::open(&mut relay, &classroom.founder, classroom.id);
        client.hear(&mut relay);
        other.hear(&mut relay);

        let mut lane = classroom.lane(&classroom.founder, vec![classroom.founding.hash()]);
        let (one, two) = (lane.write("one"), lane.write("two"));
        client.submit(&mut relay, &one);
        store.fail(failure);
        assert!(relay.commit(NOW).is_err());
        assert_eq!(
            client.hear(&mut relay)[0],
            RelayFrame::Refused {
                channel: CHANNEL,
                submission: 1,
                reason: Refusal::Storage
            }
        );
        // What is stored is told, whatever was said of it.
        let mut told = other.segments(&mut relay);
        assert_eq!(told.len(), usize::from(failure == Failure::Unreported));

        client.submit(&mut relay, &one);
        client.submit(&mut relay, &two);
        relay.commit(NOW).unwrap();
        told.extend(other.segments(&mut relay));
        assert_eq!(told, [one, two]);
        let refused = |frame: &RelayFrame| matches!(frame, RelayFrame::Refused { .. });
        assert!(!client.hear(&mut relay).iter().any(refused));
    }
}

/// The segments are gone from the store, and the relay was told that they are not.
#[test]
fn who_opens_after_an_erasing_that_failed_as_it_was_said_is_told_of_it() {
    for (failure, is_at_hand, opens_before) in [
        (Failure::Unreported, false, false),
        (Failure::Unreadable, true, false),
        (Failure::Unreadable, false, false),
        (Failure::Unreadable, false, true),
    ] {
        is_told_of_an_erasing_that_failed(failure, is_at_hand, opens_before);
    }
}

fn is_told_of_an_erasing_that_failed(failure: Failure, is_at_hand: bool, opens_before: bool) {
    let mut world = World::new();
    let mut lane = world.classroom.lane(&world.classroom.founder, world.heads());
    let one = lane.write("one");
    assert_eq!(world.founder.store(&mut world.relay, &one), Outcome::Stored);
    let (founder, id) = (&world.classroom.founder, world.classroom.id);
    if !is_at_hand {
        // All is read from the store then.
        world.relay = start(&world.store);
    }
    let mut client = Client::open(&mut world.relay, founder, id);
    client.hear(&mut world.relay);
    let erase = Entry::act(founder, id, world.heads(), ERASE).unwrap();
    client.submit_erase(&mut world.relay, &erase, 2);
    let early = opens_before.then(|| Client::open(&mut world.relay, founder, id));
    world.store.fail(failure);
    assert!(world.relay.commit(NOW).is_err());
    let mut late = early.unwrap_or_else(|| Client::open(&mut world.relay, founder, id));
    assert!(has_caught_up_with(&late.hear(&mut world.relay), &erase));
}

/// What is erased while somebody else's turn is, or in the middle of their own, is not in what follows.
#[test]
fn nobody_has_caught_up_without_what_erased_what_they_were_not_told() {
    for is_at_hand in [true, false] {
        let mut world = World::new();
        let id = world.classroom.id;
        for _ in 0..64 {
            let one = world
                .classroom
                .lane(&world.classroom.founder, world.heads())
                .write("one");
            assert_eq!(world.founder.store(&mut world.relay, &one), Outcome::Stored);
        }
        if !is_at_hand {
            world.relay = start(&world.store);
            world.founder = Client::open(&mut world.relay, &world.classroom.founder, id);
            world.founder.hear(&mut world.relay);
        }
        let mut late = Client::open(&mut world.relay, &world.classroom.founder, id);
        // Each fills a message. With the second one it is looked how far the items go that follow.
        for _ in 0..2 {
            late.send(&mut world.relay, &ClientFrame::Inventory { channel: CHANNEL });
        }
        let mut told: Vec<RelayFrame> = Vec::new();
        let is_inventory = |frame: &&RelayFrame| matches!(frame, RelayFrame::Inventory { .. });
        while told.iter().filter(is_inventory).count() < 2 {
            let Sent::Message(message) = world.relay.send(late.session) else {
                panic!("nothing is told");
            };
            told.extend(frame::decode(&message).map(|frame| frame.unwrap()));
        }
        let erase = world.lead(ERASE);
        told.extend(late.hear(&mut world.relay));
        let is_segment = |frame: &RelayFrame| matches!(frame, RelayFrame::Segment { .. });
        assert!(!told.iter().any(is_segment));
        assert!(has_caught_up_with(&told, &erase));
    }
}

const ERASE: Action = Action::Erase {
    document: DocumentId([9; 16]),
    successor: DocumentId([10; 16]),
};

/// Whether an entry was told before the sign that all was.
fn has_caught_up_with(told: &[RelayFrame], entry: &Entry) -> bool {
    let entry = entry.encode().unwrap();
    let is_it =
        |frame: &RelayFrame| matches!(frame, RelayFrame::Entry { entry: told, .. } if told[..] == entry[..]);
    let is_all = |frame: &RelayFrame| matches!(frame, RelayFrame::CaughtUp { .. });
    let (told_at, all_at) = (told.iter().position(is_it), told.iter().position(is_all));
    told_at.is_some() && told_at < all_at
}

#[test]
fn a_founding_that_cannot_be_stored_can_be_tried_again() {
    let classroom = Classroom::new();
    let store = Memory::new(7);
    let mut relay = start(&store);
    store.fail(Failure::Full);
    let mut client = Client::found(&mut relay, &classroom);
    assert!(relay.commit(NOW).is_err());
    let (channel, reason) = (CHANNEL, Refusal::Storage);
    let told = client.hear(&mut relay);
    assert!(matches!(told[0], RelayFrame::Opened { .. }));
    assert_eq!(
        told[1..],
        [
            RelayFrame::Refused {
                channel,
                submission: 0,
                reason
            },
            RelayFrame::Closed { channel, reason }
        ]
    );
    let mut client = Client::found(&mut relay, &classroom);
    relay.commit(NOW).unwrap();
    assert_eq!(client.hear(&mut relay).len(), 3);
}

#[test]
fn who_is_silent_is_let_go_by_the_time_that_is_told() {
    let classroom = Classroom::new();
    let mut relay = start(&Memory::new(7));
    let limits = Limits::default();
    let mut client = Client::found(&mut relay, &classroom);
    relay.commit(NOW).unwrap();
    client.hear(&mut relay);
    let stranger = relay.connect(vec![ORIGIN.to_owned()], [6; 32], NOW);
    assert!(matches!(relay.send(stranger), Sent::Message(_)));

    let later = |elapsed| Moment { elapsed, ..NOW };
    relay.tick(later(limits.handshake));
    let ends = |relay: &mut Relay, session, reason| {
        let Sent::Message(ended) = relay.send(session) else {
            panic!("they are not told");
        };
        assert_eq!(
            frame::decode(&ended)
                .map(Result::unwrap)
                .collect::<Vec<RelayFrame>>(),
            [RelayFrame::Ended { reason }]
        );
        assert_eq!(relay.send(session), Sent::Ended);
    };
    ends(&mut relay, stranger, Refusal::NotAuthenticated);
    assert_eq!(relay.send(client.session), Sent::Nothing);
    relay.tick(later(limits.idle));
    ends(&mut relay, client.session, Refusal::TooSlow);
}
