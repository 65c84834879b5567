//! How every history ends: the faults stop, everybody comes online, and what was promised is looked for.

use std::collections::{BTreeMap, BTreeSet};

use documents::change::Hash;
use documents::page::Page;
use documents::page::edit::Block;
use protocol::inventory::LogState;
use protocol::key::{EpochKey, KeyName};
use protocol::roster::{Entry, Role, Roster};
use protocol::segment::Segment;
use protocol::{ClassroomId, MemberId, Refusal, SpaceId};
use replica::command::Command;
use replica::store::Table;
use replica::view::{self, Work};
use sync_server::store::{Item, Store as _};

use crate::auditor::keys_of;
use crate::broken::{Broken, Rule};
use crate::mischief::Mischief;
use crate::perform::is_here;
use crate::tab::{PageKey, Tab, Then};
use crate::world::{Network, World};

/// How long it may take until all have everything, in seconds: the longest waits of a replica are a minute, and where relays
/// take little at once there are several.
const PATIENCE: usize = 600;

/// After so many seconds all who compare have looked twice: before they send what others wrote they wait half a minute at
/// most.
pub(crate) const UNTIL_COMPARED: usize = 40;

/// Whoever can only post has asked for news after so many seconds, also if the relay turned them away not long ago.
const UNTIL_ASKED: usize = 10;

/// How long all stay with another relay than that in which they meet in the end, in seconds, if it has not all before.
const UNTIL_MET: usize = 120;

/// The relay at which all meet in the end.
pub(crate) const HOME: usize = 0;

/// How often all go from one relay to the next, so that those become equal.
const MOST_ROUNDS: usize = 4;

/// What a tab has of a page: what a person sees, and which changes that comes of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shown {
    title: String,
    pub(crate) blocks: Vec<Block>,
    /// The changes on which no other builds, in order.
    heads: Vec<Hash>,
}

impl World {
    /// Ends the faults, and looks whether all is as promised.
    pub(crate) fn end(&mut self) -> Result<(), Broken> {
        self.repeats = false;
        self.late.clear();
        for relay in &self.relays {
            relay.store.fail_no_more();
        }
        let is_next = self.devices.iter().any(|device| device.is_next);
        if is_next || self.relays.iter().any(|relay| relay.is_next) {
            for relay in 0..self.relays.len() {
                self.update_relay(relay)?;
            }
            for device in 0..self.devices.len() {
                self.update(device)?;
            }
        }
        for device in 0..self.devices.len() {
            self.devices[device].store.full = false;
            self.link(device)?;
            self.devices[device].network = Network::Up;
            if self.tabs_of(device).is_empty() {
                self.open_tab(device)?;
            }
        }
        self.until_relays_are_equal()?;
        // What a tab was writing when it crashed comes with the next start.
        let before = self.reopened()?;
        let after = self.reopened()?;
        Rule::StoresWhatItShows.holds(before == after, || format!("{before:?}\n{after:?}"))?;
        self.check_edits(&after)?;
        self.check_attached(&after)?;
        self.check_aside()?;
        let forged = self.auditor.forged_of(&self.shown);
        Rule::SignsItsOwn.holds(forged.is_none(), || format!("{forged:?}"))?;
        self.check_rosters()?;
        self.check_nothing_to_send()?;
        for relay in 0..self.relays.len() {
            self.tidy_relay(relay)?;
        }
        self.drain()?;
        self.check_log()?;
        self.check_former()?;
        self.check_secrets()?;
        self.check_newcomer(&after)
    }

    /// Looks at what the relay holds by now.
    fn audit(&mut self) -> Result<(), Broken> {
        let ids: BTreeSet<ClassroomId> = self.classrooms();
        let nothing = Hash([0; 32]);
        for id in ids {
            self.is_on_a_relay(&id, &nothing)?;
        }
        Ok(())
    }

    /// All go from relay to relay together, until there is nothing on one that is not on the others, and stay at the first.
    fn until_relays_are_equal(&mut self) -> Result<(), Broken> {
        let mut rounds = 0;
        loop {
            for relay in (0..self.relays.len()).rev() {
                for device in 0..self.devices.len() {
                    self.move_to(device, relay)?;
                }
                if relay == HOME {
                    self.until_equal()?;
                } else {
                    // Of a rotation that leaves out whom another relay let in meanwhile that one hears from them alone, once they
                    // have been here.
                    self.meet(UNTIL_MET)?;
                }
                if self.relays.len() > 1 {
                    self.settle(UNTIL_COMPARED)?;
                }
            }
            let Some(differs) = self.relays_differ()? else {
                return Ok(());
            };
            rounds += 1;
            Rule::Agrees.holds(rounds < MOST_ROUNDS, || differs)?;
        }
    }

    /// What one relay has and another, which would take it, has not.
    fn relays_differ(&self) -> Result<Option<String>, Broken> {
        for id in self.classrooms() {
            let rooms = self.tabs.values().filter_map(|tab| tab.classrooms.get(&id));
            let left = rooms.filter(|room| !self.is_shut_out(room));
            // Of other spaces nobody is left who could bring something from one to the other.
            let spaces: BTreeSet<SpaceId> = left.flat_map(|room| room.spaces.iter().copied()).collect();
            if spaces.is_empty() {
                continue;
            }
            let keys = self.keys_left(&id);
            let mut all = Vec::new();
            let mut is_left = false;
            for relay in &self.relays {
                let page = Rule::IsItsLog.check(relay.store.page(&id, 0, usize::MAX))?;
                let (mut entries, mut logs) = (BTreeSet::new(), BTreeMap::new());
                let mut roster: Option<Roster> = None;
                for placed in page {
                    match placed.item {
                        Item::Entry { bytes, .. } => {
                            let entry = Rule::IsItsLog.check(Entry::decode(&bytes))?;
                            match &mut roster {
                                Some(roster) => drop(Rule::IsItsLog.check(roster.add(entry))?),
                                None => roster = Some(Rule::IsItsLog.check(Roster::found(entry))?),
                            }
                            entries.insert(bytes);
                        }
                        Item::Segment { segment, .. } => {
                            let roster = self.auditor.roster(&id);
                            // What lies beyond a cut-off nobody brings from one to the other, and of a fold that it lies within the rest
                            // counts.
                            let mut header = segment.header.clone();
                            let end = roster.and_then(|roster| roster.cutoff(&header.log));
                            if let Some(end) = end.filter(|end| header.first < *end) {
                                header.last = header.last.min(end - 1);
                            }
                            let may_stay = roster.is_some_and(|roster| roster.check_segment(&header).is_ok());
                            // Nor what nobody who is left can open.
                            let mut keys = keys.iter();
                            let is_open = keys.any(|key| segment.open(&id, key).is_ok());
                            if may_stay && is_open && spaces.contains(&segment.header.space) {
                                let next = logs.entry(header.log).or_insert(0);
                                *next = header.last.max(*next);
                            }
                        }
                        _ => {}
                    }
                }
                is_left |= roster.is_some_and(|roster| roster.members().next().is_none());
                all.push((entries, logs));
            }
            if is_left {
                // All whom one relay knew have left there: it is nobody's any more, and takes nothing from the others.
                continue;
            }
            for (number, pair) in all.windows(2).enumerate() {
                let (entries, logs) = (pair[0].0 == pair[1].0, pair[0].1 == pair[1].1);
                if !(entries && logs) {
                    return Ok(Some(format!(
                        "relay {number} and the next: entries equal {entries}, logs equal {logs}: {pair:?}"
                    )));
                }
            }
        }
        Ok(None)
    }

    /// The keys of those who are left in a classroom. Who was alone at a relay that does not know of the others, made a new key
    /// there and left before they heard of those, took it along: nobody can hand it on, now or ever.
    pub(crate) fn keys_left(&self, id: &ClassroomId) -> Vec<EpochKey> {
        let rooms = self.tabs.values().filter_map(|tab| tab.classrooms.get(id));
        let left = rooms.filter(|room| !self.is_shut_out(room));
        let mine = left.flat_map(|room| room.members.iter().filter(|member| member.me));
        let members: BTreeSet<MemberId> = mine.map(|member| member.id).collect();
        let mut keys = BTreeMap::new();
        for member in self.auditor.members() {
            if let Some(roster) = self.auditor.roster(id)
                && members.contains(&member.id())
            {
                keys.extend(keys_of(roster, &member.exchange_key(), member.exchange_secret()));
            }
        }
        keys.into_values().collect()
    }

    pub(crate) fn classrooms(&self) -> BTreeSet<ClassroomId> {
        let tabs = self.tabs.values();
        tabs.flat_map(|tab| tab.classrooms.keys().copied()).collect()
    }

    /// Closes all tabs, opens others, and waits until all are equal.
    fn reopened(&mut self) -> Result<BTreeMap<PageKey, Shown>, Broken> {
        for tab in self.tabs.keys().copied().collect::<Vec<_>>() {
            self.crash_tab(tab, true);
        }
        for device in 0..self.devices.len() {
            self.open_tab(device)?;
        }
        let shown = self.until_equal()?;
        if self.does(Mischief::TabsShowWhatIsNotStored) {
            self.retitle_in_tabs()?;
            return self.until_equal();
        }
        Ok(shown)
    }

    /// All tabs give a page the same title, one that no others had, and tell no replica.
    fn retitle_in_tabs(&mut self) -> Result<(), Broken> {
        let mut pages = self.tabs.iter_mut().flat_map(|(number, tab)| {
            let pages = tab.pages.iter_mut();
            pages.map(|(key, page)| (*number, *key, page))
        });
        let Some((number, key, page)) = pages.find(|(_, _, page)| page.is_present()) else {
            return Ok(());
        };
        Rule::Speaks.check(page.set_title(&format!("Tab {number}")))?;
        let changes: Vec<Vec<u8>> = page.commit(0).into_iter().collect();
        let others = self.tabs.iter_mut().filter(|(other, _)| **other != number);
        for page in others.filter_map(|(_, tab)| tab.pages.get_mut(&key)) {
            Rule::Speaks.check(page.apply_changes(&changes))?;
        }
        Ok(())
    }

    /// Waits until all work is on the relay and everybody shows the same; answers with that.
    pub(crate) fn until_equal(&mut self) -> Result<BTreeMap<PageKey, Shown>, Broken> {
        if let Some(shown) = self.meet(PATIENCE)? {
            return Ok(shown);
        }
        let rule = match (self.is_at_rest(), self.needs_keys()) {
            (false, _) => Rule::ComesToRest,
            // Somebody outside a space holds its key, and it stays like that.
            (true, true) => Rule::KeepsSecrets,
            (true, false) => Rule::Agrees,
        };
        rule.broken(self.describe())
    }

    /// The same for so many seconds at most; nothing if they are over.
    fn meet(&mut self, patience: usize) -> Result<Option<BTreeMap<PageKey, Shown>>, Broken> {
        let mut calm = 0;
        for _ in 0..patience {
            self.drain()?;
            for tab in self.tabs.keys().copied().collect::<Vec<_>>() {
                for key in self.tabs.get(&tab).map(Tab::listed).unwrap_or_default() {
                    self.open_page(tab, key)?;
                }
            }
            let was_locked = self.unlock()?;
            self.drain()?;
            self.audit()?;
            if !was_locked
                && self.is_at_rest()
                && !self.needs_keys()
                && let Some(shown) = self.shown_by_all()
            {
                // Who can only post asks now and then.
                let posts = self.devices.iter().any(|device| device.blocked);
                if calm >= if posts { UNTIL_ASKED } else { 0 } {
                    return Ok(Some(shown));
                }
                calm += 1;
            } else {
                calm = 0;
            }
            self.pass(1_000)?;
        }
        Ok(None)
    }

    /// Leads open what is locked and closed; if nobody leads any more, teachers open what is locked. Says whether something was.
    fn unlock(&mut self) -> Result<bool, Broken> {
        let mut commands = Vec::new();
        let mut was_locked = false;
        for (number, tab) in &self.tabs {
            for room in tab.classrooms.values() {
                let is_led = room.members.iter().any(|member| member.role == Role::Lead);
                let opens = room.role == Role::Lead || room.role == Role::Teacher && !is_led;
                if !opens || self.is_shut_out(room) {
                    continue;
                }
                let is_closed = room.closed && room.role == Role::Lead;
                was_locked |= is_closed || room.documents.iter().any(|document| document.locked);
                if !tab.is_idle() {
                    continue;
                }
                let classroom = room.id;
                if is_closed {
                    let closed = false;
                    commands.push((*number, Command::Close { classroom, closed }));
                }
                let locked = room.documents.iter().filter(|document| document.locked);
                commands.extend(locked.map(|document| {
                    let command = Command::Lock {
                        classroom,
                        document: document.id,
                        locked: false,
                    };
                    (*number, command)
                }));
            }
        }
        for (number, command) in commands {
            self.ask(number, command, Then::Nothing)?;
        }
        Ok(was_locked)
    }

    /// Whether new keys are still to be made, by somebody who is there.
    fn needs_keys(&self) -> bool {
        let mut rooms = self.tabs.values().flat_map(|tab| tab.classrooms.values());
        rooms.any(|room| {
            let roster = self.auditor.roster(&room.id);
            let has = |name: &KeyName| {
                let mut mine = room.members.iter().filter(|member| member.me);
                let keys = mine.find_map(|me| self.auditor.members().find(|keys| keys.id() == me.id));
                roster.zip(keys).is_some_and(|(roster, keys)| {
                    keys_of(roster, &keys.exchange_key(), keys.exchange_secret()).contains_key(name)
                })
            };
            let needs = |space: &SpaceId| {
                roster.is_some_and(|roster| {
                    let mut left = roster.keys_left_behind(space);
                    left.extend(roster.keys_lacked(space));
                    roster.needs_rotation(space) || left.iter().any(has)
                })
            };
            room.role.is_staff() && !self.is_shut_out(room) && room.spaces.iter().any(needs)
        })
    }

    fn is_at_rest(&self) -> bool {
        self.tabs.values().all(|tab| {
            tab.is_idle()
                && (tab.classrooms.is_empty() || tab.is_online())
                && tab
                    .classrooms
                    .values()
                    .all(|classroom| tab.is_on_relay(&classroom.id) || self.is_shut_out(classroom))
                && !tab
                    .classrooms
                    .values()
                    .any(|classroom| self.is_leaving(tab, classroom))
        }) && !self.carries_over()
    }

    /// Whether this person has left, or was removed, by an entry that no relay has heard of: it still ends their logs for all.
    fn is_leaving(&self, tab: &Tab, classroom: &view::Classroom) -> bool {
        let me = tab.home.as_ref().and_then(|home| home.me);
        let is_here = classroom.members.iter().any(|member| member.me);
        let roster = self.auditor.roster(&classroom.id);
        !is_here && me.is_some_and(|me| roster.is_some_and(|roster| roster.member(&me).is_some()))
    }

    /// Whether a device has something still of a page that was started anew: what is not in the new one is made there again
    /// before that goes.
    fn carries_over(&self) -> bool {
        self.classrooms().iter().any(|id| {
            let roster = self.auditor.roster(id);
            let erased = roster.map(Roster::erased_documents).unwrap_or_default();
            let is_of_it = |key: &[u8]| {
                let mut erased = erased.iter();
                key.starts_with(&id.0) && erased.any(|(document, _)| key.get(32..48) == Some(&document.0))
            };
            let mut devices = self.devices.iter().enumerate();
            devices.any(|(number, device)| {
                let tables = [
                    Table::Segments,
                    Table::Outbox,
                    Table::Logs,
                    Table::Documents,
                    Table::Titles,
                    Table::Chunks,
                    Table::Uploads,
                ];
                let mut rows = tables.into_iter().flat_map(|table| device.store.table(table));
                !erased.is_empty()
                    && !self.is_device_shut_out(number, id)
                    && rows.any(|(key, _)| is_of_it(key))
            })
        })
    }

    /// What all tabs show that belong to a classroom, if it is the same.
    fn shown_by_all(&self) -> Option<BTreeMap<PageKey, Shown>> {
        // Of a page whose author had no right to write in it any more, there is nothing but that it is listed.
        let mut shown: BTreeMap<PageKey, Option<Shown>> = BTreeMap::new();
        let (mut shared, mut listed) = (BTreeMap::new(), BTreeMap::new());
        let mut names = BTreeMap::new();
        for tab in self.tabs.values() {
            for (id, classroom) in &tab.classrooms {
                if self.is_shut_out(classroom) {
                    continue;
                }
                let seen = shared_part(classroom);
                // Guests write in no document: they tell their name while they are here, and so know it first.
                let named = classroom.members.iter();
                for member in named.filter(|member| member.role != Role::Guest && !member.me) {
                    if *names.entry((*id, member.id)).or_insert(&member.name) != &member.name {
                        return None;
                    }
                }
                if *shared.entry(*id).or_insert_with(|| seen.clone()) != seen {
                    return None;
                }
                for space in &classroom.spaces {
                    let seen = list_of(classroom, space);
                    if *listed.entry((*id, *space)).or_insert_with(|| seen.clone()) != seen {
                        return None;
                    }
                }
            }
            for key in tab.listed() {
                if tab
                    .classrooms
                    .get(&key.0)
                    .is_some_and(|room| self.is_shut_out(room))
                {
                    continue;
                }
                let page = tab.pages.get(&key);
                let seen = page.filter(|_| is_here(page)).map(Shown::of);
                if seen.is_none() && self.is_somewhere(&key) {
                    return None;
                }
                if *shown.entry(key).or_insert_with(|| seen.clone()) != seen {
                    return None;
                }
            }
        }
        let shown = shown.into_iter();
        Some(shown.filter_map(|(key, shown)| Some((key, shown?))).collect())
    }

    /// Whether a relay has something of a page, other than what lies beyond where its author's log ends.
    fn is_somewhere(&self, (classroom, document): &PageKey) -> bool {
        let roster = self.auditor.roster(classroom);
        let counts = |state: &LogState| {
            let end = roster.and_then(|roster| roster.cutoff(&state.log));
            end.is_none_or(|end| end > 0)
        };
        self.relays.iter().any(|relay| {
            let logs = relay.store.logs(classroom).unwrap_or_default();
            logs.iter()
                .any(|state| state.log.document == *document && counts(state))
        })
    }

    /// Whether the relay does not take this device's person in: their work stays where it is.
    pub(crate) fn is_device_shut_out(&self, device: usize, classroom: &ClassroomId) -> bool {
        self.tabs_of(device)
            .iter()
            .filter_map(|tab| self.tabs.get(tab)?.classrooms.get(classroom))
            .any(|room| self.is_shut_out(room))
    }

    /// What this person has does not come to the others any more, and is shown as that: they were removed, may not write any
    /// more, the invite that they came by does not let them in, or nobody can unlock what they wrote in.
    pub(crate) fn is_shut_out(&self, classroom: &view::Classroom) -> bool {
        let is_refused = matches!(
            classroom.refused,
            Some(
                Refusal::InviteExpired
                    | Refusal::InviteUsedUp
                    | Refusal::UnknownInvite
                    | Refusal::InviteEnded
                    | Refusal::NotAllowed
                    | Refusal::BeyondCutoff
                    | Refusal::NotInSpace
                    | Refusal::LeavesOut
            )
        );
        let me = classroom.members.iter().find(|member| member.me);
        let roster = self.auditor.roster(&classroom.id);
        let known = me.and_then(|me| roster?.member(&me.id));
        // Whoever the roster lets write has no excuse, if anybody is left there who could bring the relay that they belong.
        let may_write = known.is_some_and(|member| member.role.may_write());
        let may_write = may_write && !self.relays[HOME].is_left(&classroom.id);
        classroom.removed || is_refused && !may_write || self.is_locked_for_good(classroom)
    }

    /// Whether something unsent waits for its page to be unlocked, or its classroom to be opened, and nobody is left who may do that: the
    /// last who led the classroom locked or closed it, and left.
    fn is_locked_for_good(&self, classroom: &view::Classroom) -> bool {
        self.auditor.roster(&classroom.id).is_some_and(|roster| {
            let is_run = roster.members().any(|member| member.role.is_staff());
            let is_led = roster.members().any(|member| member.role == Role::Lead);
            let mut documents = classroom.documents.iter();
            let is_locked = documents.any(|page| page.work != Work::OnTheRelay && roster.locked(&page.id));
            !is_run && is_locked || !is_led && roster.closed()
        })
    }

    fn describe(&self) -> String {
        let mut lines = String::new();
        for (number, tab) in &self.tabs {
            lines += &format!(
                "\ntab {number} of device {} online {} idle {}",
                tab.device,
                tab.is_online(),
                tab.is_idle()
            );
            for classroom in tab.classrooms.values() {
                lines += &format!(
                    "\n  {:?} {:?} refused {:?} aside {} members {} documents {}",
                    classroom.id,
                    classroom.work,
                    classroom.refused,
                    classroom.kept_aside,
                    classroom.members.len(),
                    classroom.documents.len()
                );
                let members = classroom.members.iter();
                let members: Vec<_> = members.map(|member| (member.role, &member.name)).collect();
                let schools = classroom.schools.iter();
                let schools: Vec<_> = schools.map(|school| &school.name).collect();
                lines += &format!("\n  {:?} {members:?} {schools:?}", classroom.name);
            }
            for key in tab.listed() {
                let page = tab.pages.get(&key);
                let title = page.map(documents::page::Page::title);
                let blocks = page.map_or(0, |page| page.blocks().len());
                lines += &format!(
                    "\n  {:?}: {title:?} {:?} in {blocks} blocks",
                    key.1,
                    tab.text(&key)
                );
            }
        }
        for (number, device) in self.devices.iter().enumerate() {
            for (_, row) in device.store.table(Table::Outbox) {
                if let Ok(segment) = Segment::decode(row) {
                    lines += &format!("\nunsent on device {number}: {:?}", segment.header);
                }
            }
        }
        lines
    }
}

impl Shown {
    fn of(page: &Page) -> Self {
        let mut heads = page.document().newest();
        heads.sort_unstable();
        Self {
            title: page.title(),
            blocks: page.blocks().to_vec(),
            heads,
        }
    }
}

/// What all members share of a classroom's view.
fn shared_part(classroom: &view::Classroom) -> impl PartialEq + Clone + use<> {
    let members: Vec<_> = classroom
        .members
        .iter()
        .map(|member| (member.id, member.school, member.role))
        .collect();
    let former: BTreeSet<MemberId> = classroom.former_members.iter().map(|former| former.id).collect();
    (
        classroom.name.clone(),
        classroom.schools.clone(),
        members,
        former,
        classroom.closed,
    )
}

/// What is said of the documents of a space, to all who are in it.
fn list_of(classroom: &view::Classroom, space: &SpaceId) -> impl PartialEq + Clone + use<> {
    let documents = classroom.documents.iter();
    let documents = documents.filter(|document| document.space == *space);
    let said = documents.map(|document| {
        (
            (document.id, document.title.clone(), document.known_kind),
            (document.created_by, document.created_at),
            (document.locked, document.begun_anew),
        )
    });
    said.collect::<Vec<_>>()
}
