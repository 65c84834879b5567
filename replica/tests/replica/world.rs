//! Everything around the replicas: profiles with their stores, locks and tabs, a relay, a clock.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use documents::page::edit::Edit;
use protocol::frame::{self, RelayFrame};
use protocol::roster::{Entry, Role};
use protocol::{ClassroomId, DocumentId, LaneId, Refusal};
use replica::command::{Answer, Command, Imported, Problem, Profile as Person};
use replica::store::Table;
use replica::view::{self, Update, Work};
use replica::{Effect, Event, Replica, Uploaded, lanes_left};
use sync_server::{Limits, Relay, Settings};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::rng::SeededRng;
use crate::store::Store;
use crate::tab::{Bringing, PageKey, Said, Socket, Tab, bring, fetch, items_in, post, word_at, words};

/// How long most tests wait, on a machine that may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long the relay is left to work on what it owes before time goes on.
const LONGEST_ANSWER: Duration = Duration::from_secs(5);

/// A browser profile.
#[derive(Clone, Default)]
pub(crate) struct Profile {
    pub(crate) store: Store,
    /// Who holds the lock of a lane.
    locks: BTreeMap<LaneId, usize>,
    /// Whether there is a network.
    pub(crate) linked: bool,
    /// Whether the network lets no socket through.
    pub(crate) blocked: bool,
    /// The relay takes nothing of what it posts, and this is why.
    pub(crate) turned_away: Option<Refusal>,
}

pub(crate) struct World {
    pub(crate) relay: Option<Relay>,
    data: TempDir,
    found_token: Option<String>,
    pub(crate) limits: Limits,
    pub(crate) address: SocketAddr,
    /// Milliseconds since 1970.
    pub(crate) now: u64,
    pub(crate) profiles: Vec<Profile>,
    pub(crate) tabs: Vec<Option<Tab>>,
    pub(crate) rng: SeededRng,
    requests: u32,
    /// How long a test waits for what must come.
    pub(crate) patience: Duration,
}

/// Something that can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Write(usize),
    Read(usize),
    Hear(usize),
    Adopt(usize),
    Claim(usize),
    Connect(usize),
    Exchange(usize),
    Bring(usize),
    Fetch(usize),
    Send(usize),
    Receive(usize),
}

impl Step {
    pub(crate) fn tab(self) -> usize {
        match self {
            Self::Write(tab)
            | Self::Read(tab)
            | Self::Hear(tab)
            | Self::Adopt(tab)
            | Self::Claim(tab)
            | Self::Connect(tab)
            | Self::Exchange(tab)
            | Self::Bring(tab)
            | Self::Fetch(tab)
            | Self::Send(tab)
            | Self::Receive(tab) => tab,
        }
    }
}

impl World {
    pub(crate) async fn new(seed: &str) -> Self {
        Self::with_token(seed, None).await
    }

    pub(crate) async fn with_token(seed: &str, found_token: Option<&str>) -> Self {
        Self::with(seed, found_token, Limits::default()).await
    }

    pub(crate) async fn with_limits(seed: &str, limits: Limits) -> Self {
        Self::with(seed, None, limits).await
    }

    async fn with(seed: &str, found_token: Option<&str>, limits: Limits) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let mut world = Self {
            relay: None,
            data: tempfile::tempdir().unwrap(),
            found_token: found_token.map(str::to_owned),
            limits,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            now: u64::try_from(now).unwrap(),
            profiles: Vec::new(),
            tabs: Vec::new(),
            rng: SeededRng::new(seed),
            requests: 0,
            patience: PATIENCE,
        };
        world.start_relay().await;
        world
    }

    pub(crate) async fn start_relay(&mut self) {
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                // The one before is still letting go of the address.
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(error) => panic!("{error}"),
            }
        };
        let mut settings = Settings::new(self.data.path());
        settings.found_token = self.found_token.clone();
        settings.limits = self.limits.clone();
        let relay = sync_server::start(listener, settings).await.unwrap();
        self.address = relay.address();
        self.relay = Some(relay);
    }

    /// As a crash does.
    pub(crate) fn kill_relay(&mut self) {
        self.relay = None;
    }

    /// Another relay in its place, which has nothing.
    pub(crate) async fn replace_relay(&mut self) {
        self.kill_relay();
        self.data = tempfile::tempdir().unwrap();
        self.start_relay().await;
    }

    /// What it has by now.
    pub(crate) async fn back_up_relay(&mut self) -> TempDir {
        self.kill_relay();
        let backup = copy_of(&self.data);
        self.start_relay().await;
        backup
    }

    /// It is put back to that, and does not know it.
    pub(crate) async fn put_relay_back(&mut self, backup: &TempDir) {
        self.kill_relay();
        self.data = copy_of(backup);
        self.start_relay().await;
    }

    // Profiles and tabs

    pub(crate) fn profile(&mut self) -> usize {
        self.profiles.push(Profile {
            linked: true,
            ..Profile::default()
        });
        self.profiles.len() - 1
    }

    /// A copy of a profile's folder, as it is now.
    pub(crate) fn clone_profile(&mut self, profile: usize) -> usize {
        let copy = Profile {
            locks: BTreeMap::new(),
            ..self.profiles[profile].clone()
        };
        self.profiles.push(copy);
        self.profiles.len() - 1
    }

    /// Opens a tab in a profile.
    pub(crate) fn open_tab(&mut self, profile: usize) -> usize {
        let number = self.tabs.len();
        let home = &mut self.profiles[profile];
        let records = home.store.read_tables(&Table::AT_START);
        let adopted: Vec<LaneId> = lanes_left(&records)
            .into_iter()
            .filter(|lane| !home.locks.contains_key(lane))
            .collect();
        for lane in &adopted {
            home.locks.insert(*lane, number);
        }
        let seed = self.rng.below(usize::MAX);
        let rng = SeededRng::new(&format!("tab {seed}"));
        let origin = format!("http://{}", self.address);
        let (replica, effects) = Replica::start(rng, self.now, origin, &records, &adopted).unwrap();
        self.tabs.push(Some(Tab::new(profile, replica)));
        self.carry_out(number, effects);
        number
    }

    /// The tab is gone, without a word. What it was writing may be stored or not.
    pub(crate) fn crash_tab(&mut self, tab: usize) {
        let Tab { profile, writing, .. } = self.tabs[tab].take().unwrap();
        if let Some(batch) = writing
            && self.rng.percent(50)
            && self.profiles[profile].store.write(&batch).is_err()
        {
            assert!(self.profiles[profile].store.failing);
        }
        self.profiles[profile].locks.retain(|_, holder| *holder != tab);
    }

    /// The machine of a profile is gone, with all tabs.
    pub(crate) fn crash_machine(&mut self, profile: usize) {
        for tab in self.tabs_of(profile) {
            self.crash_tab(tab);
        }
        self.profiles[profile].store.crash();
    }

    /// Closes a tab in good order and opens another one.
    pub(crate) fn restart_tab(&mut self, tab: usize) -> usize {
        let profile = self.tab(tab).profile;
        self.crash_tab(tab);
        self.open_tab(profile)
    }

    pub(crate) fn tabs_of(&self, profile: usize) -> Vec<usize> {
        self.all_tabs()
            .filter(|tab| self.tab(*tab).profile == profile)
            .collect()
    }

    pub(crate) fn all_tabs(&self) -> impl Iterator<Item = usize> + use<'_> {
        (0..self.tabs.len()).filter(|tab| self.tabs[*tab].is_some())
    }

    pub(crate) fn tab(&self, tab: usize) -> &Tab {
        self.tabs[tab].as_ref().expect("a tab that is open")
    }

    pub(crate) fn tab_mut(&mut self, tab: usize) -> &mut Tab {
        self.tabs[tab].as_mut().expect("a tab that is open")
    }

    pub(crate) fn store(&self, profile: usize) -> &Store {
        &self.profiles[profile].store
    }

    // The network

    /// Cuts a profile off; what is on its way is lost.
    pub(crate) fn cut(&mut self, profile: usize) {
        self.profiles[profile].linked = false;
        for tab in self.tabs_of(profile) {
            let is_posting = self.tab_mut(tab).posting.take().is_some();
            if self.tab_mut(tab).socket.take().is_some() || is_posting {
                self.handle(tab, Event::Disconnected);
            }
        }
    }

    pub(crate) fn link(&mut self, profile: usize) {
        self.profiles[profile].linked = true;
        for tab in self.tabs_of(profile) {
            self.handle(tab, Event::NetworkUp);
        }
    }

    // What happens

    pub(crate) fn handle(&mut self, tab: usize, event: Event) {
        let now = self.now;
        if matches!(event, Event::Disconnected) {
            self.tab_mut(tab).end_requests();
        }
        let effects = self.tab_mut(tab).replica.handle(now, event);
        self.carry_out(tab, effects);
    }

    fn carry_out(&mut self, tab: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Write(batch) => {
                    let before = self.tab_mut(tab).writing.replace(batch);
                    assert!(before.is_none(), "two writes at once");
                }
                Effect::Read { ticket, ranges } => self.tab_mut(tab).read(ticket, ranges, None),
                Effect::ReadPage { ticket, range, most } => {
                    self.tab_mut(tab).read(ticket, vec![range], Some(most));
                }
                Effect::Connect => {
                    let tab = self.tab_mut(tab);
                    tab.connecting = true;
                    tab.connections += 1;
                }
                Effect::Send(message) => self.send(tab, message),
                Effect::Exchange(body) => {
                    self.check_written(tab, &mut Said::default(), &body);
                    let before = self.tab_mut(tab).posting.replace(body);
                    assert!(before.is_none(), "two requests at once");
                }
                Effect::Upload {
                    classroom,
                    document,
                    chunk,
                    member,
                    signature,
                    bytes,
                } => self.bring(
                    tab,
                    Bringing {
                        classroom,
                        document,
                        chunk,
                        member,
                        signature,
                        bytes,
                    },
                ),
                Effect::Download { classroom, chunk } => {
                    let fetching = &mut self.tab_mut(tab).fetching;
                    fetching.push_back((classroom, chunk));
                    assert!(fetching.len() <= 2, "more than two at once");
                }
                Effect::Disconnect => {
                    let tab = self.tab_mut(tab);
                    tab.end_requests();
                    tab.connecting = false;
                    tab.posting = None;
                    if let Some(socket) = tab.socket.take() {
                        tokio::spawn(socket.close());
                    }
                }
                Effect::Show(update) => self.show(tab, update),
                Effect::TellTabs(note) => {
                    let profile = self.tab(tab).profile;
                    self.tab_mut(tab).told.push(note.clone());
                    for other in self.tabs_of(profile) {
                        if other != tab {
                            self.tab_mut(other).notes.push_back(note.clone());
                        }
                    }
                }
                Effect::HoldLane(lane) => {
                    let profile = self.tab(tab).profile;
                    let before = self.profiles[profile].locks.insert(lane, tab);
                    assert!(before.is_none(), "a lane with two writers");
                }
                Effect::Adopt(lane) => self.tab_mut(tab).adopting.push_back(lane),
                Effect::ClaimProfile(row) => self.tab_mut(tab).claiming = Some(row),
            }
        }
    }

    fn show(&mut self, tab: usize, update: Update) {
        self.tab_mut(tab).show(update);
    }

    /// Nothing is sent that a crash of the machine could take back.
    fn send(&mut self, number: usize, message: Vec<u8>) {
        let tab = self.tab_mut(number);
        let Some(socket) = &mut tab.socket else {
            tab.said.push(message);
            return;
        };
        let mut said = std::mem::take(&mut socket.said);
        socket.outgoing.push_back(message.clone());
        self.check_written(number, &mut said, &message);
        if let Some(socket) = &mut self.tab_mut(number).socket {
            socket.said = said;
        }
    }

    /// Nothing is brought that a crash of the machine could take back, unless others may have it, and one chunk at a time.
    fn bring(&mut self, number: usize, bringing: Bringing) {
        let tab = self.tab(number);
        if let Some(bytes) = &bringing.bytes {
            let mut store = self.store(tab.profile).clone();
            if !tab.brought.contains(&(bringing.chunk, false)) {
                store.crash();
            }
            let rows = store.table(Table::Chunks);
            let is_there = rows.iter().any(|(_, row)| row == bytes);
            assert!(is_there, "brought before it was written");
        }
        let tab = self.tab_mut(number);
        tab.brought.push((bringing.chunk, bringing.bytes.is_some()));
        let before = tab.bringing.replace(bringing);
        assert!(before.is_none(), "two chunks at once");
    }

    fn check_written(&mut self, number: usize, said: &mut Said, message: &[u8]) {
        let profile = self.tab(number).profile;
        let (segments, entries) = said.submissions(message);
        self.tab_mut(number).submitted += segments.len() + entries.len();
        let synced = {
            let mut store = self.store(profile).clone();
            store.crash();
            store
        };
        let me = self.tab(number).home.as_ref().and_then(|home| home.me);
        for segment in segments {
            let encoded = segment.encode().unwrap();
            // What somebody else wrote is given on as soon as it is in the store; own work once it is safe there.
            let is_stored = if me == Some(segment.header.log.member) {
                synced.kept(&encoded)
            } else {
                self.store(profile).has_written(&encoded)
            };
            assert!(is_stored, "sent before it was written");
        }
        for entry in entries {
            let author = Entry::decode(&entry).unwrap().author();
            let store = if me == Some(author) {
                &synced
            } else {
                self.store(profile)
            };
            let is_stored = store
                .table(Table::Entries)
                .iter()
                .any(|(_, row)| row.windows(entry.len()).any(|part| part == entry));
            assert!(is_stored, "an entry was sent before it was written");
        }
    }

    /// What could happen next.
    pub(crate) fn steps(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for number in 0..self.tabs.len() {
            let Some(tab) = &mut self.tabs[number] else {
                continue;
            };
            if tab.writing.is_some() {
                steps.push(Step::Write(number));
            }
            if !tab.reading.is_empty() {
                steps.push(Step::Read(number));
            }
            if !tab.notes.is_empty() {
                steps.push(Step::Hear(number));
            }
            if !tab.adopting.is_empty() {
                steps.push(Step::Adopt(number));
            }
            if tab.claiming.is_some() {
                steps.push(Step::Claim(number));
            }
            if tab.connecting {
                steps.push(Step::Connect(number));
            }
            if tab.posting.is_some() {
                steps.push(Step::Exchange(number));
            }
            if tab.bringing.is_some() {
                steps.push(Step::Bring(number));
            }
            if !tab.fetching.is_empty() {
                steps.push(Step::Fetch(number));
            }
            if let Some(socket) = &mut tab.socket {
                socket.poll();
                if !socket.outgoing.is_empty() {
                    steps.push(Step::Send(number));
                }
                if !socket.incoming.is_empty() || socket.ended {
                    steps.push(Step::Receive(number));
                }
            }
        }
        steps
    }

    pub(crate) async fn step(&mut self, step: Step) {
        match step {
            Step::Write(tab) => {
                let batch = self.tab_mut(tab).writing.take().unwrap();
                let profile = self.tab(tab).profile;
                let event = match self.profiles[profile].store.write(&batch) {
                    Ok(()) => {
                        self.tab_mut(tab).written += 1;
                        Event::Written
                    }
                    Err(()) => Event::WriteFailed,
                };
                self.handle(tab, event);
            }
            Step::Read(tab) => {
                let (ticket, ranges, most) = self.tab_mut(tab).reading.pop_front().unwrap();
                let mut records = self.store(self.tab(tab).profile).read(&ranges);
                if let Some(most) = most {
                    let rows = records.values_mut().next().unwrap();
                    rows.truncate(usize::try_from(most).unwrap());
                }
                self.handle(tab, Event::Read { ticket, records });
            }
            Step::Hear(tab) => {
                let note = self.tab_mut(tab).notes.pop_front().unwrap();
                self.handle(tab, Event::FromTab(note));
            }
            Step::Adopt(tab) => {
                let lane = self.tab_mut(tab).adopting.pop_front().unwrap();
                let home = &mut self.profiles[self.tabs[tab].as_ref().unwrap().profile];
                if let std::collections::btree_map::Entry::Vacant(lock) = home.locks.entry(lane) {
                    lock.insert(tab);
                    let records = home.store.read_tables(&Table::UNSENT);
                    self.handle(tab, Event::Adopted { lane, records });
                }
            }
            Step::Claim(tab) => {
                let row = self.tab_mut(tab).claiming.take().unwrap();
                let profile = self.tab(tab).profile;
                let event = match self.profiles[profile].store.claim_profile(row) {
                    Ok(row) => Event::ProfileClaimed(row),
                    Err(()) => Event::ProfileClaimFailed,
                };
                self.handle(tab, event);
            }
            Step::Connect(tab) => {
                self.tab_mut(tab).connecting = false;
                let home = &self.profiles[self.tab(tab).profile];
                if home.blocked && home.linked && self.relay.is_some() {
                    self.handle(tab, Event::Exchanging);
                    return;
                }
                let is_linked = self.profiles[self.tab(tab).profile].linked;
                let socket = if is_linked {
                    Socket::connect(self.address).await
                } else {
                    None
                };
                let event = match &socket {
                    Some(_) => Event::Connected,
                    None => Event::Disconnected,
                };
                self.tab_mut(tab).socket = socket;
                self.handle(tab, event);
            }
            Step::Exchange(tab) => {
                let mut body = self.tab_mut(tab).posting.take().unwrap();
                self.tab_mut(tab).exchanges += 1;
                let Profile {
                    turned_away, linked, ..
                } = self.profiles[self.tab(tab).profile];
                if turned_away.is_some() {
                    body.clear();
                }
                let mut answer = if linked {
                    post(self.address, &body).await
                } else {
                    None
                };
                // Of whoever has not answered the challenge a relay says no more than that.
                if let (Some(reason), Some(answer)) = (turned_away, &mut answer)
                    && reason != Refusal::NotAuthenticated
                {
                    frame::append(answer, &RelayFrame::Ended { reason }).unwrap();
                }
                let event = match answer {
                    Some(answer) => {
                        self.tab_mut(tab).received += items_in(&answer);
                        Event::Exchanged(answer)
                    }
                    None => Event::Disconnected,
                };
                self.handle(tab, event);
            }
            Step::Bring(tab) => {
                let bringing = self.tab_mut(tab).bringing.take().unwrap();
                let outcome = if self.profiles[self.tab(tab).profile].linked {
                    bring(self.address, &bringing).await
                } else {
                    Uploaded::Unanswered
                };
                let Bringing {
                    classroom,
                    document,
                    chunk,
                    ..
                } = bringing;
                let event = Event::Uploaded {
                    classroom,
                    document,
                    chunk,
                    outcome,
                };
                self.handle(tab, event);
            }
            Step::Fetch(tab) => {
                let (classroom, chunk) = self.tab_mut(tab).fetching.pop_front().unwrap();
                let bytes = if self.profiles[self.tab(tab).profile].linked {
                    fetch(self.address, &classroom, &chunk).await
                } else {
                    None
                };
                let event = Event::Downloaded {
                    classroom,
                    chunk,
                    bytes,
                };
                self.handle(tab, event);
            }
            Step::Send(tab) => self.tab_mut(tab).socket.as_mut().unwrap().flush_one().await,
            Step::Receive(number) => {
                let tab = self.tab_mut(number);
                let socket = tab.socket.as_mut().unwrap();
                match socket.incoming.pop_front() {
                    Some(message) => {
                        tab.received += items_in(&message);
                        tab.bytes += message.len();
                        self.handle(number, Event::Message(message));
                    }
                    None => {
                        tab.socket = None;
                        self.handle(number, Event::Disconnected);
                    }
                }
            }
        }
    }

    /// Lets everything happen that can without waiting.
    pub(crate) async fn drain(&mut self) {
        loop {
            let steps = self.steps();
            if steps.is_empty() {
                return;
            }
            for step in steps {
                if self.steps().contains(&step) {
                    self.step(step).await;
                }
            }
        }
    }

    /// Time goes by for everybody.
    pub(crate) fn tick(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        for tab in self.all_tabs().collect::<Vec<_>>() {
            self.handle(tab, Event::Tick);
        }
    }

    /// Lets time pass in steps of a second, and everything happen meanwhile.
    pub(crate) async fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.tick(1_000);
            self.drain().await;
            tokio::time::sleep(Duration::from_millis(2)).await;
            self.hear_out().await;
        }
    }

    /// Lets the relay answer what it was asked, however busy the machine is: its time is not the one that passes here.
    async fn hear_out(&mut self) {
        let start = Instant::now();
        loop {
            self.drain().await;
            let sockets = self
                .tabs
                .iter_mut()
                .flatten()
                .filter_map(|tab| tab.socket.as_mut());
            let mut owed = sockets.filter(|socket| socket.is_owed()).peekable();
            if owed.peek().is_none() {
                return;
            }
            if start.elapsed() > LONGEST_ANSWER {
                owed.for_each(Socket::waives);
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until something is so.
    pub(crate) async fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        loop {
            self.hear_out().await;
            if is_so(self) {
                return;
            }
            assert!(
                start.elapsed() < self.patience,
                "waited in vain until {what}\n{}",
                self.describe()
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
            // Slower than the patience of a replica with a relay that is busy.
            self.tick(20);
        }
    }

    fn describe(&self) -> String {
        let mut lines = String::new();
        for profile in 0..self.profiles.len() {
            let aside = self.store(profile).reasons_aside();
            lines += &format!("profile {profile}: aside {aside:?}\n");
        }
        for number in self.all_tabs() {
            let tab = self.tab(number);
            lines += &format!("tab {number} of {}: online {}\n", tab.profile, tab.is_online());
            for classroom in tab.classrooms.values() {
                lines += &format!(
                    "  {:?} {:?} refused {:?} aside {} members {} documents {}\n",
                    classroom.id,
                    classroom.work,
                    classroom.refused,
                    classroom.kept_aside,
                    classroom.members.len(),
                    classroom.documents.len()
                );
            }
            for key in tab.pages.keys() {
                lines += &format!("  {:?}: {:?}\n", key.1, tab.text(key));
            }
        }
        lines
    }

    // What people do

    /// Gives a command, and its number.
    pub(crate) fn give(&mut self, tab: usize, command: Command) -> u32 {
        self.requests += 1;
        let request = self.requests;
        let is_kept = matches!(
            command,
            Command::Found { .. }
                | Command::Join { .. }
                | Command::Invite { .. }
                | Command::NewPage { .. }
                | Command::Change { .. }
                | Command::Attach { .. }
                | Command::KeepAside { .. }
                | Command::CardKept
                | Command::Import { .. }
        );
        let written = self.tab(tab).written;
        if is_kept {
            self.tab_mut(tab).given.insert(request, written);
        }
        self.handle(tab, Event::Command { request, command });
        request
    }

    /// Gives a command and waits for the answer.
    pub(crate) async fn ask(&mut self, tab: usize, command: Command) -> Result<Answer, Problem> {
        let request = self.give(tab, command);
        self.until("a command is answered", |world| {
            world.tab(tab).answers.contains_key(&request)
        })
        .await;
        self.tab_mut(tab).answers.remove(&request).unwrap()
    }

    pub(crate) async fn found(&mut self, tab: usize) -> ClassroomId {
        let command = Command::Found {
            classroom_name: "Water".to_owned(),
            profile: person("Amina", "Kilimo School", "KE"),
        };
        match self.ask(tab, command).await {
            Ok(Answer::Classroom(id)) => id,
            other => panic!("not founded: {other:?}"),
        }
    }

    pub(crate) async fn invite(&mut self, tab: usize, classroom: ClassroomId, role: Role) -> String {
        match self
            .ask(
                tab,
                Command::Invite {
                    classroom,
                    role,
                    ask_first: false,
                },
            )
            .await
        {
            Ok(Answer::Invite(link)) => link,
            other => panic!("not invited: {other:?}"),
        }
    }

    pub(crate) async fn join(&mut self, tab: usize, link: &str, profile: Person) -> ClassroomId {
        let preview = self
            .ask(
                tab,
                Command::Preview {
                    link: link.to_owned(),
                },
            )
            .await;
        assert!(matches!(preview, Ok(Answer::Preview(_))), "{preview:?}");
        let link = link.to_owned();
        match self.ask(tab, Command::Join { link, profile }).await {
            Ok(Answer::Classroom(id)) => id,
            other => panic!("not joined: {other:?}"),
        }
    }

    pub(crate) async fn new_page(&mut self, tab: usize, classroom: ClassroomId) -> PageKey {
        match self
            .ask(
                tab,
                Command::NewPage {
                    classroom,
                    space: None,
                },
            )
            .await
        {
            Ok(Answer::Document(document)) => (classroom, document),
            other => panic!("no page: {other:?}"),
        }
    }

    /// Exports everything, or one classroom: the file, and how many items it says it has.
    pub(crate) async fn export(&mut self, tab: usize, classroom: Option<ClassroomId>) -> (Vec<u8>, u64) {
        let request = self.give(tab, Command::Export { classroom });
        self.until("it is exported", |world| {
            world.tab(tab).answers.contains_key(&request)
        })
        .await;
        let tab = self.tab_mut(tab);
        match tab.answers.remove(&request) {
            Some(Ok(Answer::Exported { items })) => (tab.exported.remove(&request).unwrap(), items),
            other => panic!("not exported: {other:?}"),
        }
    }

    /// Imports a file, in parts of this length.
    pub(crate) async fn import(&mut self, tab: usize, file: &[u8], length: usize) -> Imported {
        for part in file.chunks(length) {
            let part = part.to_vec();
            let command = Command::Import {
                import: 0,
                part,
                last: false,
            };
            let answer = self.ask(tab, command).await;
            assert_eq!(answer, Ok(Answer::Done));
        }
        let end = Command::Import {
            import: 0,
            part: Vec::new(),
            last: true,
        };
        match self.ask(tab, end).await {
            Ok(Answer::Imported(imported)) => imported,
            other => panic!("not imported: {other:?}"),
        }
    }

    /// Opens a page, and waits until it can be written in.
    pub(crate) async fn open_page(&mut self, tab: usize, key: PageKey) {
        self.until("the page is listed", |world| {
            let classroom = world.tab(tab).classrooms.get(&key.0);
            classroom.is_some_and(|c| c.documents.iter().any(|document| document.id == key.1))
        })
        .await;
        let (classroom, document) = key;
        let opened = self.ask(tab, Command::OpenPage { classroom, document }).await;
        assert_eq!(opened, Ok(Answer::Done));
        self.until("the page has arrived", |world| {
            let page = world.tab(tab).pages.get(&key);
            page.is_some_and(documents::page::Page::is_present)
        })
        .await;
    }

    /// Writes a word at the front of a page; does not wait for the answer.
    pub(crate) fn write_word(&mut self, tab: usize, key: PageKey, word: &str) -> u32 {
        let command = self.tab_mut(tab).edit(&key, &[word_at((0, 0), word)]);
        self.give(tab, command)
    }

    pub(crate) fn edit(&mut self, tab: usize, key: PageKey, edits: &[Edit]) -> u32 {
        let command = self.tab_mut(tab).edit(&key, edits);
        self.give(tab, command)
    }

    // What must hold

    pub(crate) async fn until_on_relay(&mut self) {
        self.until("everything is on the relay", Self::is_on_relay).await;
    }

    pub(crate) fn is_on_relay(&self) -> bool {
        self.all_tabs().all(|number| {
            let tab = self.tab(number);
            tab.is_online()
                && tab.writing.is_none()
                && tab.reading.is_empty()
                && tab.notes.is_empty()
                && tab
                    .classrooms
                    .values()
                    .all(|classroom| classroom.work == Work::OnTheRelay)
        })
    }

    /// Waits until all work is on the relay and all tabs show the same; answers with the words of the page.
    pub(crate) async fn until_equal(&mut self, key: PageKey) -> BTreeSet<String> {
        self.until("all tabs are equal", |world| {
            world.is_on_relay() && world.are_equal(key)
        })
        .await;
        let first = self.all_tabs().next().expect("a tab");
        words(&self.tab(first).text(&key))
    }

    fn are_equal(&self, key: PageKey) -> bool {
        let mut tabs = self.all_tabs().map(|number| self.tab(number));
        let Some(first) = tabs.next() else { return true };
        let of = |tab: &Tab| {
            let page = tab.pages.get(&key)?;
            Some((
                page.blocks().to_vec(),
                page.title(),
                shared(tab.classrooms.get(&key.0)?),
            ))
        };
        let wanted = of(first);
        wanted.is_some() && tabs.all(|tab| of(tab) == wanted)
    }

    /// What the tabs hold in memory is what their stores give.
    pub(crate) async fn check_stores(&mut self, key: PageKey) {
        let before: BTreeSet<String> = self.until_equal(key).await;
        for tab in self.all_tabs().collect::<Vec<_>>() {
            let again = self.restart_tab(tab);
            self.open_page(again, key).await;
        }
        let after = self.until_equal(key).await;
        assert_eq!(before, after, "the store holds something else");
    }

    /// A fresh connection finds nothing to send, either way.
    pub(crate) async fn check_nothing_to_send(&mut self) {
        // What is quiet is folded, of tabs that are gone as well, and sent, and others receive it: that comes to an end.
        let mut rounds = 0;
        loop {
            self.until_on_relay().await;
            self.pass(35).await;
            let before = self.counts();
            for profile in 0..self.profiles.len() {
                self.cut(profile);
            }
            for profile in 0..self.profiles.len() {
                self.link(profile);
            }
            self.until_on_relay().await;
            self.pass(3).await;
            let after = self.counts();
            if before == after {
                return;
            }
            assert!(
                rounds < 8,
                "a fresh connection always finds something to send: {before:?} {after:?}"
            );
            rounds += 1;
        }
    }

    fn counts(&self) -> Vec<(usize, usize, usize)> {
        self.all_tabs()
            .map(|tab| (tab, self.tab(tab).submitted, self.tab(tab).received))
            .collect()
    }
}

/// What members share of a classroom's view.
fn shared(classroom: &view::Classroom) -> impl PartialEq + use<> {
    let members: Vec<_> = classroom
        .members
        .iter()
        .map(|member| (member.id, member.name.clone(), member.school, member.role))
        .collect();
    let documents: Vec<(DocumentId, String, i64)> = classroom
        .documents
        .iter()
        .map(|document| (document.id, document.title.clone(), document.created_at))
        .collect();
    (
        classroom.name.clone(),
        classroom.schools.clone(),
        members,
        documents,
    )
}

pub(crate) fn person(name: &str, school: &str, country: &str) -> Person {
    Person {
        name: name.to_owned(),
        school: school.to_owned(),
        country: country.to_owned(),
        time_zone: "Africa/Nairobi".to_owned(),
    }
}

/// Two members at two schools in one classroom, on one page, all on the relay.
pub(crate) struct Pair {
    pub(crate) world: World,
    pub(crate) amina: usize,
    pub(crate) ben: usize,
    pub(crate) classroom: ClassroomId,
    pub(crate) page: PageKey,
}

impl Pair {
    pub(crate) async fn new(seed: &str) -> Self {
        Self::in_world(World::new(seed).await).await
    }

    pub(crate) async fn in_world(mut world: World) -> Self {
        let (first, second) = (world.profile(), world.profile());
        let (amina, ben) = (world.open_tab(first), world.open_tab(second));
        let classroom = world.found(amina).await;
        let link = world.invite(amina, classroom, Role::Student).await;
        world.until_on_relay_of(amina).await;
        world.join(ben, &link, person("Ben", "Hill School", "GB")).await;
        let page = world.new_page(amina, classroom).await;
        world.open_page(amina, page).await;
        world.open_page(ben, page).await;
        world.until_equal(page).await;
        Self {
            world,
            amina,
            ben,
            classroom,
            page,
        }
    }
}

impl World {
    pub(crate) async fn until_on_relay_of(&mut self, tab: usize) {
        self.until("a tab's work is on the relay", |world| {
            let tab = world.tab(tab);
            tab.is_online()
                && tab
                    .classrooms
                    .values()
                    .all(|classroom| classroom.work == Work::OnTheRelay)
        })
        .await;
    }
}

fn copy_of(folder: &TempDir) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}
