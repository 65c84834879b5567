//! Asking to be let in, with nobody online who could answer: the relay is played by the test.

use protocol::roster::{Entry, Role};
use protocol::segment::Segment;
use replica::command::{Answer, Command, Problem};
use replica::store::Table;
use replica::view::{Waiting, WaitingState};

use crate::script::{Script, Submitted};
use crate::world::{World, person};

/// A founder with an invite that makes people ask, whose work so far is on the relay: and what is there.
struct Classroom {
    founder: Script,
    link: String,
    entries: Vec<Entry>,
    segments: Vec<Segment>,
}

impl Classroom {
    async fn new(seed: &str) -> Self {
        let mut founder = Script::new(seed).await;
        founder.open(0).await;
        let command = Command::Invite {
            classroom: founder.classroom,
            role: Role::Student,
            ask_first: true,
        };
        let request = founder.world.give(founder.tab, command);
        founder.go().await;
        let answer = founder.world.tab_mut(founder.tab).answers.remove(&request);
        let Some(Ok(Answer::Invite(link))) = answer else {
            panic!("{answer:?}")
        };
        founder.store_all_from(0).await;
        let (entries, segments) = (founder.entries(), segments(&founder));
        Self {
            founder,
            link,
            entries,
            segments,
        }
    }

    /// Somebody asks; the founder is offline.
    async fn asked(&self, seed: &str) -> (Script, Entry) {
        let (mut joiner, looked) = Script::knocking(seed, &self.founder, &self.link).await;
        joiner.open_with(&self.entries).await;
        match joiner.world.tab_mut(joiner.tab).answers.remove(&looked) {
            Some(Ok(Answer::Preview(preview))) => {
                assert!(preview.ask_first && preview.name.is_empty());
                assert_eq!(preview.role, Role::Student);
            }
            other => panic!("{other:?}"),
        }
        assert!(joiner.world.store(0).is_empty());
        let join = Command::Join {
            link: self.link.clone(),
            profile: person("Eve", "Far School", "CN"),
        };
        let asked = joiner.world.give(joiner.tab, join);
        joiner.go().await;
        let answer = joiner.world.tab_mut(joiner.tab).answers.remove(&asked);
        assert_eq!(answer, Some(Ok(Answer::Classroom(joiner.classroom))));
        let request = joiner.entries().pop().unwrap();
        joiner.store_all_from(0).await;
        assert_eq!(waiting(&joiner), Some(WaitingState::Asked));
        (joiner, request)
    }

    /// The founder comes back, sees who asks, and answers.
    async fn answer(&mut self, request: &Entry, let_in: bool) -> Entry {
        self.founder.bring_entry(request).await;
        let shown = self.founder.view().requests.clone();
        assert_eq!(shown.len(), 1);
        assert_eq!(shown[0].profile, Some(person("Eve", "Far School", "CN")));
        let (classroom, request) = (self.founder.classroom, shown[0].id);
        let command = if let_in {
            Command::Approve { classroom, request }
        } else {
            Command::Decline { classroom, request }
        };
        let answer = self.founder.world.ask(self.founder.tab, command.clone()).await;
        assert_eq!(answer, Ok(Answer::Done));
        self.founder.go().await;
        assert!(self.founder.view().requests.is_empty());
        let again = self.founder.world.ask(self.founder.tab, command).await;
        assert_eq!(again, Err(Problem::NotAllowed));
        self.founder.entries().pop().unwrap()
    }
}

fn segments(script: &Script) -> Vec<Segment> {
    let segments = script.submitted.iter().filter_map(|submitted| match submitted {
        Submitted::Segment(segment) => Some(segment.clone()),
        _ => None,
    });
    segments.collect()
}

fn waiting(script: &Script) -> Option<WaitingState> {
    let home = script.world.tab(script.tab).home.as_ref().unwrap();
    assert!(home.waiting.iter().all(|waiting| waiting.id == script.classroom));
    home.waiting.first().map(|Waiting { state, .. }| *state)
}

async fn restart(script: &mut Script, entries: &[Entry]) {
    script.tab = script.world.restart_tab(script.tab);
    script.connect().await;
    script.open_with(entries).await;
}

#[tokio::test]
async fn who_asks_waits_and_is_let_in_by_somebody_who_was_offline() {
    let mut classroom = Classroom::new("let in").await;
    let (mut joiner, request) = classroom.asked("joiner").await;
    let mut entries = classroom.entries.clone();
    entries.push(request.clone());
    restart(&mut joiner, &entries).await;
    assert_eq!(waiting(&joiner), Some(WaitingState::Asked));
    assert!(joiner.world.tab(joiner.tab).classrooms.is_empty());

    let approval = classroom.answer(&request, true).await;
    let opened = joiner.opened;
    joiner.bring_entry(&approval).await;
    joiner.go().await;
    assert_eq!(waiting(&joiner), Some(WaitingState::LetIn));
    // What was not shown before is asked for from the beginning.
    assert_eq!(joiner.opened, opened + 1);
    entries.push(approval);
    joiner.open_with(&entries).await;
    for segment in &classroom.segments {
        joiner.bring(segment).await;
    }
    assert_eq!(waiting(&joiner), None);
    let me = joiner.world.tab(joiner.tab).home.as_ref().unwrap().me.unwrap();
    let named = |script: &Script| {
        let members = &script.view().members;
        let eve = members.iter().find(|member| member.id == me).unwrap();
        (eve.name.clone(), eve.role)
    };
    assert_eq!(joiner.view().name, "Water");
    assert_eq!(named(&joiner), ("Eve".to_owned(), Role::Student));
    // The others read who she is.
    for segment in segments(&joiner) {
        classroom.founder.bring(&segment).await;
    }
    assert_eq!(named(&classroom.founder), ("Eve".to_owned(), Role::Student));
    let schools = &classroom.founder.view().schools;
    assert!(schools.iter().any(|school| school.name == "Far School"));
    // It is done once.
    joiner.store_all_from(0).await;
    restart(&mut joiner, &entries).await;
    assert_eq!((waiting(&joiner), segments(&joiner).len()), (None, 0));
    assert!(joiner.world.store(0).table(Table::Outbox).is_empty());
}

#[tokio::test]
async fn who_is_not_let_in_is_told() {
    let mut classroom = Classroom::new("declined").await;
    let (mut joiner, request) = classroom.asked("joiner").await;
    let refusal = classroom.answer(&request, false).await;
    joiner.bring_entry(&refusal).await;
    assert_eq!(waiting(&joiner), Some(WaitingState::Declined));
    let mut entries = classroom.entries.clone();
    entries.extend([request, refusal]);
    restart(&mut joiner, &entries).await;
    assert_eq!(waiting(&joiner), Some(WaitingState::Declined));
}

#[tokio::test]
async fn who_was_away_when_they_were_not_let_in_is_told_by_the_relay() {
    let mut world = World::new("away").await;
    let (first, second) = (world.profile(), world.profile());
    let (amina, eve) = (world.open_tab(first), world.open_tab(second));
    let classroom = world.found(amina).await;
    let invite = Command::Invite {
        classroom,
        role: Role::Student,
        ask_first: true,
    };
    let Ok(Answer::Invite(link)) = world.ask(amina, invite).await else {
        panic!("no invite")
    };
    world.until_on_relay_of(amina).await;
    world.join(eve, &link, person("Eve", "Far School", "CN")).await;
    world
        .until("somebody asks", |world| {
            !world.tab(amina).classroom(&classroom).requests.is_empty()
        })
        .await;
    world.crash_tab(eve);
    let request = world.tab(amina).classroom(&classroom).requests[0].id;
    let answer = world.ask(amina, Command::Decline { classroom, request }).await;
    assert_eq!(answer, Ok(Answer::Done));
    world.until_on_relay_of(amina).await;

    let eve = world.open_tab(second);
    world
        .until("they are told", |world| {
            let home = world.tab(eve).home.as_ref();
            home.is_some_and(|home| {
                home.waiting.first().map(|waiting| waiting.state) == Some(WaitingState::Declined)
            })
        })
        .await;
}
