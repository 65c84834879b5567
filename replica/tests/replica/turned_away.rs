//! What a person is told when the relay takes no connection of theirs, or no invite: its own reason, and not that there is no
//! network.

use protocol::Refusal;
use protocol::frame::{self, RelayFrame};
use protocol::invite::InviteLink;
use protocol::roster::Role;
use replica::Event;
use replica::command::{Answer, Command, Problem};
use replica::store::Table;
use replica::view::Link;

use crate::script::Script;
use crate::world::person;

/// The reasons for which a relay ends connections.
const ENDING: [Refusal; 12] = [
    Refusal::Malformed,
    Refusal::TooLarge,
    Refusal::NotAuthenticated,
    Refusal::InviteExpired,
    Refusal::Busy,
    Refusal::Storage,
    Refusal::UnknownChannel,
    Refusal::GoingAway,
    Refusal::TooFast,
    Refusal::TooManyConnections,
    Refusal::TooSlow,
    Refusal::Other(60_000),
];

impl Script {
    /// Whether there is a connection, and why not.
    fn told(&self) -> (Link, Option<Refusal>) {
        let home = self.world.tab(self.tab).home.as_ref().unwrap();
        (home.link, home.refused)
    }

    /// A new connection, of which nothing is heard yet.
    fn begin(&mut self) {
        while !self.world.tab(self.tab).connecting {
            self.world.tick(1_000);
        }
        self.world.tab_mut(self.tab).connecting = false;
    }

    async fn answered(&mut self, request: u32) -> Option<Result<Answer, Problem>> {
        self.go().await;
        self.world.tab_mut(self.tab).answers.remove(&request)
    }
}

/// What a relay posts back that ends an exchange.
fn ending(reason: Refusal) -> Event {
    let (challenge, now) = ([3; 32], 1);
    let mut answer = frame::encode(&RelayFrame::Challenge { challenge, now }).unwrap();
    frame::append(&mut answer, &RelayFrame::Ended { reason }).unwrap();
    Event::Exchanged(answer)
}

#[tokio::test]
async fn why_a_relay_ends_a_connection_is_told() {
    let mut script = Script::new("ended").await;
    script.settle().await;
    for reason in ENDING {
        assert_eq!(script.told(), (Link::Online, None), "{reason:?}");
        script.say(&RelayFrame::Ended { reason });
        assert_eq!(script.told(), (Link::Offline, Some(reason)));
        // Before it greets.
        script.begin();
        script.world.handle(script.tab, Event::Connected);
        script.say(&RelayFrame::Ended { reason });
        assert_eq!(script.told(), (Link::Offline, Some(reason)));
        // In an exchange, and in the place of one; for these two only the next one waits.
        let mut events = vec![Event::TurnedAway(reason)];
        if !matches!(reason, Refusal::TooFast | Refusal::TooManyConnections) {
            events.push(ending(reason));
        }
        for event in events {
            script.begin();
            script.world.handle(script.tab, Event::Exchanging);
            let challenge = frame::encode(&RelayFrame::Challenge {
                challenge: [3; 32],
                now: 1,
            });
            script
                .world
                .handle(script.tab, Event::Exchanged(challenge.unwrap()));
            assert_eq!(script.told(), (Link::Exchanging, Some(reason)));
            script.world.handle(script.tab, event);
            assert_eq!(script.told(), (Link::Offline, Some(reason)));
        }
        // It stands until the relay speaks of the classroom.
        script.connect().await;
        assert_eq!(script.told(), (Link::Online, Some(reason)));
        script.open(20).await;
    }
    // Of a connection that just breaks nothing is said, whatever was said before.
    script.say(&RelayFrame::Ended {
        reason: Refusal::TooSlow,
    });
    script.begin();
    script.disconnect();
    assert_eq!(script.told(), (Link::Offline, None));
}

#[tokio::test]
async fn who_joins_is_told_why_they_cannot() {
    let founder = Script::new("cannot join").await;
    let link = InviteLink::from_parts(founder.classroom, [1; 16]).to_fragment();
    let (mut script, mut request) = Script::knocking("joiner", &founder, &link).await;
    let look = |script: &mut Script| {
        let link = link.clone();
        script.world.give(script.tab, Command::Preview { link })
    };
    for &reason in Refusal::ALL {
        let told = match reason {
            Refusal::UnknownClassroom => Problem::UnknownClassroom,
            Refusal::InviteExpired => Problem::InviteExpired,
            Refusal::InviteUsedUp => Problem::InviteUsedUp,
            Refusal::UnknownInvite | Refusal::NotAMember => Problem::InviteUnknown,
            other => Problem::Refused(other),
        };
        script.closed(reason).await;
        assert_eq!(script.answered(request).await, Some(Err(told)));
        request = look(&mut script);
        script.go().await;
    }
    // There is a connection to be had, if not for this one.
    script.say(&RelayFrame::Ended {
        reason: Refusal::TooManyConnections,
    });
    let told = Problem::Refused(Refusal::TooManyConnections);
    assert_eq!(script.answered(request).await, Some(Err(told)));
    script.begin();
    let request = look(&mut script);
    script.disconnect();
    let told = script.answered(request).await;
    assert_eq!(told, Some(Err(Problem::NeedsConnection)));
}

#[tokio::test]
async fn who_looks_again_and_again_is_answered_in_time() {
    let founder = Script::new("looks again").await;
    let link = InviteLink::from_parts(founder.classroom, [1; 16]).to_fragment();
    let (mut script, first) = Script::knocking("looker", &founder, &link).await;
    // The relay is there, and says nothing of the classroom.
    for _ in 0..5 {
        script.live(5).await;
        let link = link.clone();
        script.world.give(script.tab, Command::Preview { link });
    }
    let told = script.answered(first).await;
    assert_eq!(told, Some(Err(Problem::NeedsConnection)));
}

/// A relay that gives the roster, and withholds all that the invite's key opens.
#[tokio::test]
async fn who_looks_behind_an_invite_that_opens_nothing_is_told() {
    let mut founder = Script::new("opens nothing").await;
    founder.open(0).await;
    let command = Command::Invite {
        classroom: founder.classroom,
        role: Role::Student,
        ask_first: false,
    };
    let invited = founder.world.give(founder.tab, command);
    let Some(Ok(Answer::Invite(link))) = founder.answered(invited).await else {
        panic!("no invite")
    };
    founder.store_all_from(0).await;
    let (mut script, looked) = Script::knocking("knocks", &founder, &link).await;
    script.open_with(&founder.entries()).await;
    let told = Some(Err(Problem::InviteBroken));
    assert_eq!(script.answered(looked).await, told);
    let profile = person("Eve", "Far School", "CN");
    let joined = script.world.give(script.tab, Command::Join { link, profile });
    assert_eq!(script.answered(joined).await, told);
    assert!(script.world.store(0).table(Table::Entries).is_empty());
}
