//! Everything there is: devices with their stores, locks and tabs, a relay, wires between them, and a clock.

use std::collections::{BTreeMap, BTreeSet};

use blake3::Hasher;
use documents::change::{Hash, inspect};
use protocol::roster::{Action, Entry};
use protocol::segment::{Log, Segment};
use protocol::{ClassroomId, LaneId, SegmentHash, next};
use replica::command::{Answer, Command, Problem};
use replica::store::Table;
use replica::view::{Update, Work};
use replica::{Effect, Event, Replica, lanes_left};
use sync_server::core::Claim;

use crate::auditor::Auditor;
use crate::broken::{Broken, Rule};
use crate::edits::Edits;
use crate::mischief::Mischief;
use crate::relay::Relay;
use crate::rng::SeededRng;
use crate::setting::Setting;
use crate::store::Store;
use crate::tab::{Asked, Bringing, PageKey, Posting, Tab, Then};
use crate::wire::{Listener, Submitted, Wire};

/// When every history begins, in milliseconds since 1970.
pub(crate) const START: u64 = 1_764_000_000_000;

pub(crate) const ORIGIN: &str = "https://relay.example";

pub(crate) struct World {
    pub(crate) seed: String,
    pub(crate) mischief: Option<Mischief>,
    /// Whether people hear of each other who is here.
    whispers: bool,
    /// Whether requests may come to a relay twice, and late.
    pub(crate) repeats: bool,
    /// Requests that will come to a relay once more.
    pub(crate) late: Vec<(usize, Vec<u8>)>,
    /// Milliseconds since 1970.
    pub(crate) now: u64,
    /// By person: the number of the device they use first.
    pub(crate) people: Vec<usize>,
    pub(crate) devices: Vec<Device>,
    /// By numbers that are never used again.
    pub(crate) tabs: BTreeMap<usize, Tab>,
    pub(crate) wires: BTreeMap<usize, Wire>,
    pub(crate) relays: Vec<Relay>,
    pub(crate) links: Vec<String>,
    /// What people carry about: bundles.
    pub(crate) sticks: Vec<Vec<u8>>,
    pub(crate) edits: Edits,
    /// What was attached, as far as that was answered.
    pub(crate) attached: Vec<Attached>,
    /// In which tabs which of it was looked at last, and whether it opened.
    pub(crate) looked_at: BTreeMap<(usize, usize), bool>,
    pub(crate) auditor: Auditor,
    /// What stands at each index of each log, ever.
    indices: BTreeMap<(ClassroomId, Log, u64), SegmentHash>,
    /// Changes that tabs were handed.
    pub(crate) shown: BTreeSet<Hash>,
    /// What devices ever stored that has a page erased; of several for one page some are given up.
    pub(crate) erasings: Vec<Entry>,
    /// Pages that tabs are closing.
    closing: Vec<(usize, Command)>,
    /// Hashes of all entries and segments that were ever sent.
    published: BTreeSet<[u8; 32]>,
    pub(crate) next_tab: usize,
    pub(crate) next_wire: usize,
    pub(crate) next_number: u64,
    requests: u32,
    /// How many requests came to relays.
    pub(crate) posted: u64,
    /// The device of whoever joins after all others have met.
    pub(crate) newcomer: Option<usize>,
    /// Of everything that happened.
    pub(crate) story: Hasher,
}

/// A file that somebody attached to a page.
pub(crate) struct Attached {
    pub(crate) device: usize,
    pub(crate) page: PageKey,
    pub(crate) address: String,
    content: Vec<u8>,
}

/// A browser profile on some device.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) person: usize,
    pub(crate) store: Store,
    pub(crate) backup: Option<Box<Store>>,
    /// Whether it was put back from that.
    pub(crate) was_put_back: bool,
    /// Who holds the lock of a lane.
    pub(crate) locks: BTreeMap<LaneId, usize>,
    pub(crate) network: Network,
    /// The relay that it connects to.
    pub(crate) relay: usize,
    /// No socket gets through, only requests.
    pub(crate) blocked: bool,
    /// How far its clock is ahead, in milliseconds.
    pub(crate) ahead: i64,
    /// Whether the app is of the next version.
    pub(crate) is_next: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    Up,
    Down,
    /// Nothing gets through, and nobody is told.
    Stalled,
}

impl World {
    pub(crate) fn new(seed: &str, setting: Setting, mischief: Option<Mischief>) -> Self {
        let people = setting.people;
        let device = |person| Device {
            person,
            store: Store::default(),
            backup: None,
            was_put_back: false,
            locks: BTreeMap::new(),
            network: Network::Up,
            relay: 0,
            blocked: false,
            ahead: 0,
            is_next: false,
        };
        Self {
            seed: seed.to_owned(),
            mischief,
            whispers: SeededRng::new(&format!("{seed} whispers")).percent(20),
            repeats: true,
            late: Vec::new(),
            now: START,
            people: (0..people).collect(),
            devices: (0..people).map(device).collect(),
            tabs: BTreeMap::new(),
            wires: BTreeMap::new(),
            relays: (1..=setting.relays as u64)
                .map(|incarnation| Relay::new(seed, incarnation, setting.limits()))
                .collect(),
            links: Vec::new(),
            sticks: Vec::new(),
            edits: Edits::default(),
            attached: Vec::new(),
            looked_at: BTreeMap::new(),
            auditor: Auditor::default(),
            indices: BTreeMap::new(),
            shown: BTreeSet::new(),
            erasings: Vec::new(),
            closing: Vec::new(),
            published: BTreeSet::new(),
            next_tab: 0,
            next_wire: 0,
            next_number: 0,
            requests: 0,
            posted: 0,
            newcomer: None,
            story: Hasher::new(),
        }
    }

    pub(crate) fn does(&self, mischief: Mischief) -> bool {
        self.mischief == Some(mischief)
    }

    /// A number that was not used before.
    pub(crate) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    pub(crate) fn rng(&mut self, what: &str) -> SeededRng {
        let number = self.number();
        SeededRng::new(&format!("{} {what} {number}", self.seed))
    }

    pub(crate) fn tabs_of(&self, device: usize) -> Vec<usize> {
        let tabs = self.tabs.iter().filter(|(_, tab)| tab.device == device);
        tabs.map(|(number, _)| *number).collect()
    }

    /// What a device's clock shows.
    fn clock_of(&self, device: usize) -> u64 {
        let ahead = self.devices.get(device).map_or(0, |device| device.ahead);
        self.now.saturating_add_signed(ahead)
    }

    pub(crate) fn seconds_of(&self, device: usize) -> i64 {
        i64::try_from(self.clock_of(device) / 1000).unwrap_or(i64::MAX)
    }

    /// Opens a tab on a device.
    pub(crate) fn open_tab(&mut self, device: usize) -> Result<usize, Broken> {
        let number = self.next_tab;
        self.next_tab += 1;
        let rng = if self.does(Mischief::DeviceReusesLane) {
            SeededRng::new(&format!(
                "{} device of {}",
                self.seed, self.devices[device].person
            ))
        } else {
            self.rng("tab")
        };
        let now = self.clock_of(device);
        let home = &mut self.devices[device];
        let records = home.store.read_tables(&Table::AT_START);
        let left: Vec<LaneId> = lanes_left(&records)
            .into_iter()
            .filter(|lane| !home.locks.contains_key(lane))
            .collect();
        for lane in &left {
            home.locks.insert(*lane, number);
        }
        let started = next::play(home.is_next, || {
            Replica::start(rng, now, ORIGIN.to_owned(), &records, &left)
        });
        let (replica, effects) = Rule::Starts.check(started)?;
        self.tabs.insert(number, Tab::new(device, replica));
        self.carry_out(number, effects)?;
        Ok(number)
    }

    /// The tab is gone, without a word. What it was writing is stored or not.
    pub(crate) fn crash_tab(&mut self, number: usize, written: bool) {
        let Some(tab) = self.tabs.remove(&number) else {
            return;
        };
        let device = &mut self.devices[tab.device];
        device.locks.retain(|_, holder| *holder != number);
        if let Some(batch) = tab.writing
            && !tab.untold
            && !device.store.full
        {
            if self.mischief == Some(Mischief::DeviceTearsWrite) {
                device.store.write_part(&batch, batch.changes.len() / 2, true);
            } else if written {
                device.store.write(&batch);
            }
        }
        if let Some(wire) = tab.wire.and_then(|wire| self.wires.get_mut(&wire)) {
            wire.tab = None;
        }
    }

    /// Tells a tab what happened, and does what it answers.
    pub(crate) fn handle(&mut self, number: usize, event: Event) -> Result<(), Broken> {
        let Some(device) = self.tabs.get(&number).map(|tab| tab.device) else {
            return Ok(());
        };
        let now = self.clock_of(device);
        let Some(tab) = self.tabs.get_mut(&number) else {
            return Ok(());
        };
        if matches!(event, Event::Disconnected) {
            tab.end_requests();
        }
        let is_next = self.devices[device].is_next;
        let effects = next::play(is_next, || tab.replica.handle(now, event));
        self.carry_out(number, effects)?;
        while let Some((number, command)) = self.closing.pop() {
            self.ask(number, command, Then::Nothing)?;
        }
        self.check_claims(number)
    }

    fn carry_out(&mut self, number: usize, effects: Vec<Effect>) -> Result<(), Broken> {
        for effect in effects {
            let Some(tab) = self.tabs.get_mut(&number) else {
                return Ok(());
            };
            let device = tab.device;
            let is_twice = self.mischief == Some(Mischief::ReplicaAnswersTwice);
            match effect {
                Effect::Write(batch) => {
                    for ((table, key), value) in &batch.changes {
                        self.story
                            .update(key)
                            .update(value.as_deref().unwrap_or_default());
                        let row = value.as_deref().filter(|_| *table == Table::Entries);
                        if let Some(entry) = row.and_then(entry_stored)
                            && matches!(entry.action(), Action::Erase { .. })
                            && !self.erasings.contains(&entry)
                        {
                            self.erasings.push(entry);
                        }
                    }
                    let before = tab.writing.replace(batch);
                    Rule::WritesOnce.holds(before.is_none(), || format!("tab {number}"))?;
                }
                Effect::Read { ticket, ranges } => tab.reading.push_back((ticket, ranges, None)),
                Effect::ReadPage { ticket, range, most } => {
                    tab.reading.push_back((ticket, vec![range], Some(most)));
                }
                Effect::Connect => tab.connecting = true,
                Effect::Send(message) => self.send(number, message)?,
                Effect::Exchange(request) => self.post_request(number, request)?,
                Effect::Upload {
                    classroom,
                    document,
                    chunk,
                    member,
                    signature,
                    bytes,
                } => {
                    let claim = Claim {
                        classroom,
                        document,
                        chunk,
                        member,
                        signature,
                    };
                    self.bring_chunk(number, claim, bytes)?;
                }
                Effect::Download { classroom, chunk } => {
                    self.story.update(&chunk.0);
                    tab.fetching.push_back((classroom, chunk));
                    let is_few = tab.fetching.len() <= 2;
                    Rule::Speaks.holds(is_few, || "more than two chunks at a time".to_owned())?;
                }
                Effect::Disconnect => {
                    tab.connecting = false;
                    tab.posting = None;
                    tab.end_requests();
                    let wire = tab.wire.take();
                    if let Some(wire) = wire.and_then(|wire| self.wires.get_mut(&wire)) {
                        wire.tab = None;
                    }
                }
                Effect::Show(Update::Answered { request, result }) => {
                    if is_twice {
                        self.answered(number, request, result.clone())?;
                    }
                    self.answered(number, request, result)?;
                }
                Effect::Show(update) => {
                    let update = self.forged(number, update);
                    self.show(number, update)?;
                }
                Effect::TellTabs(note) => {
                    for other in self.tabs_of(device) {
                        if let Some(other) = self.tabs.get_mut(&other).filter(|_| other != number) {
                            other.notes.push_back(note.clone());
                        }
                    }
                }
                Effect::HoldLane(lane) => {
                    let before = self.devices[device].locks.insert(lane, number);
                    let is_free = before.is_none() || self.does(Mischief::DeviceReusesLane);
                    Rule::NeverForks.holds(is_free, || "a lane with two writers".to_owned())?;
                }
                Effect::Adopt(lane) => tab.adopting.push_back(lane),
                Effect::ClaimProfile(row) => tab.claiming = Some(row),
            }
        }
        Ok(())
    }

    /// Shows something in a tab, which closes the pages that are gone.
    fn show(&mut self, number: usize, update: Update) -> Result<(), Broken> {
        if let Update::Changes { changes, .. } = &update {
            self.shown.extend(
                changes
                    .iter()
                    .filter_map(|change| Some(inspect(change).ok()?.hash)),
            );
        }
        let Some(tab) = self.tabs.get_mut(&number) else {
            return Ok(());
        };
        tab.show(update)?;
        let mut gone = Vec::new();
        for room in tab.classrooms.values() {
            let erased = room.erased.iter().map(|erased| (room.id, erased.document));
            gone.extend(erased.filter(|key| tab.pages.contains_key(key)));
        }
        for key in gone {
            tab.pages.remove(&key);
            tab.opening.remove(&key);
            let command = Command::ClosePage {
                classroom: key.0,
                document: key.1,
            };
            self.closing.push((number, command));
        }
        Ok(())
    }

    /// What a tab is shown if it is to write as somebody else.
    fn forged(&self, number: usize, mut update: Update) -> Update {
        if let Update::Opened {
            classroom,
            document,
            actor,
            ..
        } = &mut update
            && self.does(Mischief::ReplicaForgesActor)
        {
            let person = |tab: &Tab| self.devices[tab.device].person;
            let own = self.tabs.get(&number).map(person);
            let mut others = self.tabs.values().filter(|tab| Some(person(tab)) != own);
            let other = others.find_map(|tab| tab.actors.get(&(*classroom, *document)));
            *actor = other.copied().unwrap_or(*actor);
        }
        update
    }

    // What people ask, and hear

    /// The number that the next command gets.
    pub(crate) fn next_request(&self) -> u32 {
        self.requests + 1
    }

    pub(crate) fn ask(&mut self, number: usize, command: Command, then: Then) -> Result<u32, Broken> {
        self.requests += 1;
        let request = self.requests;
        if let Some(tab) = self.tabs.get_mut(&number) {
            let asked = Asked::new(&command, then, tab.written);
            tab.asked.insert(request, asked);
            self.handle(number, Event::Command { request, command })?;
        }
        Ok(request)
    }

    fn answered(
        &mut self,
        number: usize,
        request: u32,
        result: Result<Answer, Problem>,
    ) -> Result<(), Broken> {
        let Some(tab) = self.tabs.get_mut(&number) else {
            return Ok(());
        };
        match (tab.answered(request, &result)?, result) {
            (Then::SettleEdit, result) => self.edits.answered(number, request, result.is_ok()),
            (Then::Join(link, profile), Ok(Answer::Preview(preview))) if !preview.already_member => {
                self.ask(number, Command::Join { link, profile }, Then::ShowCard)?;
            }
            (Then::ShowCard, Ok(_)) => {
                self.ask(number, Command::Card, Then::KeepCard)?;
            }
            (Then::KeepCard, Ok(Answer::Card(words))) => self.auditor.card(&words),
            (Then::KeepLink, Ok(Answer::Invite(link))) => self.links.push(link),
            (Then::KeepStick, Ok(_)) => self.sticks.extend(tab.exported.remove(&request)),
            (Then::ShowAttached(page, content), Ok(Answer::Attached(address))) => {
                let device = tab.device;
                self.attached.push(Attached {
                    device,
                    page,
                    address: address.clone(),
                    content,
                });
                self.show_attached(number, page, address)?;
            }
            (Then::Look(which), Ok(Answer::Attachment(content))) => {
                let is_it = self
                    .attached
                    .get(which)
                    .is_some_and(|file| file.content == content);
                Rule::LosesNothing.holds(is_it, || format!("attachment {which} is something else"))?;
                self.looked_at.insert((number, which), true);
            }
            (Then::Look(which), Err(problem)) => {
                let is_known = !matches!(problem, Problem::BadAttachment | Problem::Internal);
                Rule::LosesNothing.holds(is_known, || format!("attachment {which}: {problem:?}"))?;
                self.looked_at.insert((number, which), false);
            }
            (Then::Opened(key), Err(_)) => {
                tab.opening.remove(&key);
            }
            _ => {}
        }
        Ok(())
    }

    /// No chunk is brought that a crash of the machine could take back, unless others may have it, and one at a time.
    fn bring_chunk(&mut self, number: usize, claim: Claim, bytes: Option<Vec<u8>>) -> Result<(), Broken> {
        self.story.update(&claim.document.0).update(&claim.chunk.0);
        let mut stores = self.devices.iter().map(|device| &device.store);
        let is_honest = !matches!(
            self.mischief,
            Some(Mischief::DeviceLiesAboutDisk | Mischief::DeviceHidesFailure)
        );
        let Some(tab) = self.tabs.get_mut(&number) else {
            return Ok(());
        };
        let is_kept = match &bytes {
            Some(bytes) => {
                tab.claimed.contains(&claim.chunk) || stores.any(|store| store.kept_segment(bytes))
            }
            None => {
                tab.claimed.insert(claim.chunk);
                true
            }
        };
        Rule::PersistsBeforePublishing.holds(is_kept || !is_honest, || "a chunk".to_owned())?;
        tab.traffic.submitted += usize::from(bytes.is_some());
        let bringing = Bringing::Asking(claim, bytes.unwrap_or_default());
        let before = tab.bringing.replace(bringing);
        Rule::Speaks.holds(before.is_none(), || "two chunks at a time".to_owned())
    }

    fn post_request(&mut self, number: usize, request: Vec<u8>) -> Result<(), Broken> {
        self.story.update(&request);
        let submitted = Listener::to_request().hear(&request)?;
        if let Some(tab) = self.tabs.get_mut(&number) {
            let before = tab.posting.replace(Posting::Asking(request));
            Rule::Speaks.holds(before.is_none(), || "two requests at a time".to_owned())?;
        }
        self.submits(number, submitted)
    }

    fn send(&mut self, number: usize, mut message: Vec<u8>) -> Result<(), Broken> {
        if self.does(Mischief::ReplicaStammers) && self.rng("stammer").percent(5) {
            message.pop();
        }
        let Some(tab) = self.tabs.get_mut(&number) else {
            return Ok(());
        };
        let Some(wire) = tab.wire.and_then(|wire| self.wires.get_mut(&wire)) else {
            return Rule::Speaks.broken("a message without a connection");
        };
        self.story.update(&message);
        let submitted = wire.send(message, self.whispers)?;
        self.submits(number, submitted)
    }

    /// Nothing is sent that a crash of the machine could take back, and nothing stands where something else stood.
    fn submits(&mut self, number: usize, submitted: Submitted) -> Result<(), Broken> {
        let Submitted {
            segments,
            entries,
            snapshots,
            fetches,
            member,
            ..
        } = submitted;
        let Some(tab) = self.tabs.get_mut(&number) else {
            return Ok(());
        };
        tab.traffic.submitted += segments.len() + entries.len() + snapshots;
        tab.traffic.fetches += fetches;
        // What others wrote, and a file has brought, is safe where it was written.
        let stores = || self.devices.iter().map(|device| &device.store);
        let is_honest = !matches!(
            self.mischief,
            Some(Mischief::DeviceLiesAboutDisk | Mischief::DeviceHidesFailure)
        );
        for (classroom, entry) in entries {
            let key = [classroom.0, entry.hash().0].concat();
            // What others have as well may be given back to a relay at any time.
            let is_first = self.published.insert(entry.hash().0);
            let is_kept = !is_first || stores().any(|store| store.kept_entry(&key)) || !is_honest;
            Rule::PersistsBeforePublishing.holds(is_kept, || "a roster entry".to_owned())?;
        }
        for (classroom, segment) in segments {
            let header = &segment.header;
            let encoded = Rule::Speaks.check(segment.encode())?;
            let is_first = self.published.insert(*blake3::hash(&encoded).as_bytes());
            let is_kept = !is_first || stores().any(|store| store.kept_segment(&encoded)) || !is_honest;
            Rule::PersistsBeforePublishing.holds(is_kept, || format!("a segment of {:?}", header.log))?;
            if member != Some(header.log.member) {
                let name = Rule::Speaks.check(segment.hash(&classroom))?;
                self.auditor.vouched(name);
            }
            let hash = Rule::Speaks.check(segment.chain_hash(&classroom))?;
            let known = self
                .indices
                .entry((classroom, header.log, header.last))
                .or_insert(hash);
            Rule::NeverForks.holds(*known == hash, || format!("{:?} at {}", header.log, header.last))?;
        }
        Ok(())
    }

    /// What a tab says to be on the relay is there now, as far as it was written in this tab.
    fn check_claims(&mut self, number: usize) -> Result<(), Broken> {
        for (change, edit) in self.edits.unseen(number) {
            let (classroom, document) = edit.page;
            let Some(tab) = self.tabs.get(&number) else {
                return Ok(());
            };
            let says_so = tab.classrooms.get(&classroom).is_some_and(|classroom| {
                let mut documents = classroom.documents.iter();
                // What is shown as kept aside may be this, and its row be on the way.
                let is_plain = classroom.kept_aside == 0;
                is_plain
                    && (classroom.work == Work::OnTheRelay
                        || documents.any(|shown| shown.id == document && shown.work == Work::OnTheRelay))
            });
            if !says_so {
                continue;
            }
            let is_there = self.is_on_a_relay(&classroom, &change)?;
            let roster = self.auditor.roster(&classroom);
            // What took the place of an erased page may hold it as another change.
            if is_there || roster.is_some_and(|roster| roster.erased(&document).is_some()) {
                self.edits.seen(number, &change);
            } else if !self.is_aside(edit.device, &classroom, &change) {
                return Rule::ClaimsTruly.broken(format!("{change} of tab {number} is not there: {edit:?}"));
            }
        }
        Ok(())
    }

    /// Whether some relay holds a change.
    pub(crate) fn is_on_a_relay(&mut self, classroom: &ClassroomId, change: &Hash) -> Result<bool, Broken> {
        let mut is_there = false;
        // All are looked at, so that the auditor knows what they hold.
        for relay in &mut self.relays {
            is_there |= relay.holds(&mut self.auditor, classroom, change)?;
        }
        Ok(is_there)
    }

    /// Whether a change is on relays only that all whom they knew have left: those who are members elsewhere are not let in there
    /// any more, and whoever wrote it brings them nothing.
    pub(crate) fn is_left_behind(&mut self, classroom: &ClassroomId, change: &Hash) -> Result<bool, Broken> {
        let mut is_there = false;
        for relay in &mut self.relays {
            if relay.holds(&mut self.auditor, classroom, change)? {
                if !relay.is_left(classroom) {
                    return Ok(false);
                }
                is_there = true;
            }
        }
        Ok(is_there)
    }

    /// Whether a device keeps a change aside.
    pub(crate) fn is_aside(&mut self, device: usize, classroom: &ClassroomId, change: &Hash) -> bool {
        let rows: Vec<Vec<u8>> = self.devices[device]
            .store
            .table(Table::Aside)
            .filter(|(key, _)| key.starts_with(&classroom.0))
            .map(|(_, value)| value.clone())
            .collect();
        rows.iter().any(|row| {
            segment_aside(row)
                .is_some_and(|segment| self.auditor.changes(classroom, &segment).contains(change))
        })
    }
}

/// The entry in a row of those.
fn entry_stored(row: &[u8]) -> Option<Entry> {
    // A version and its length before it, and behind it whether a relay has it.
    let (_, item) = row.get(1..)?.split_last()?;
    let length = item.iter().take_while(|byte| **byte >= 0x80).count() + 1;
    Entry::decode(item.get(length..)?).ok()
}

/// The segment in a row of what is kept aside, if it is one.
pub(crate) fn segment_aside(row: &[u8]) -> Option<Segment> {
    // A version, a reason, and the length of the item before it.
    let item = row.get(2..)?;
    let length = item.iter().take_while(|byte| **byte >= 0x80).count() + 1;
    Segment::decode(item.get(length..)?).ok()
}
