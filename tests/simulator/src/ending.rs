//! How every history ends: the faults stop, everybody comes online, and what was promised is looked for.

use std::collections::{BTreeMap, BTreeSet};

use documents::page::edit::Block;
use protocol::frame::{self, ClientFrame, RelayFrame};
use protocol::identity::answer_challenge;
use protocol::roster::Role;
use protocol::{ClassroomId, Refusal, SpaceId};
use replica::command::Command;
use replica::store::{AsideReason, Table};
use replica::view;
use sync_server::core::Sent;
use sync_server::store::{Item, Placed, Store as _};

use crate::broken::{Broken, Rule};
use crate::perform::{invitation, is_here};
use crate::relay::{core_on, moment};
use crate::tab::{PageKey, Tab, Then};
use crate::words::words_in;
use crate::world::{Network, ORIGIN, World};

/// How long it may take until all have everything, in seconds: the longest waits of a replica are a minute.
const PATIENCE: usize = 300;

/// After so many seconds what is quiet was folded.
const UNTIL_FOLDED: usize = 40;

/// Why something may be kept aside for ever: its author was not allowed to write it, or it follows on something like that.
const MAY_STAY: [u8; 5] = [
    AsideReason::NotAllowed as u8,
    AsideReason::OutOfOrder as u8,
    AsideReason::NotMember as u8,
    AsideReason::WrongSpace as u8,
    AsideReason::BeyondCutoff as u8,
];

/// What a person sees of a page.
type Shown = (String, Vec<Block>);

impl World {
    /// Ends the faults, and looks whether all is as promised.
    pub(crate) fn end(&mut self) -> Result<(), Broken> {
        for device in 0..self.devices.len() {
            self.devices[device].store.full = false;
            self.link(device)?;
            self.devices[device].network = Network::Up;
            if self.tabs_of(device).is_empty() {
                self.open_tab(device)?;
            }
        }
        self.until_equal()?;
        // What a tab was writing when it crashed comes with the next start.
        let before = self.reopened()?;
        let after = self.reopened()?;
        Rule::StoresWhatItShows.holds(before == after, || format!("{before:?}\n{after:?}"))?;
        self.check_words(&after)?;
        self.check_aside()?;
        self.check_rosters()?;
        self.check_nothing_to_send()?;
        self.check_log()?;
        self.check_secrets()?;
        self.check_newcomer(&after)
    }

    /// Looks at what the relay holds by now.
    fn audit(&mut self) -> Result<(), Broken> {
        let ids: BTreeSet<ClassroomId> = self.classrooms();
        let nothing = documents::change::Hash([0; 32]);
        for id in ids {
            self.relay.holds(&mut self.auditor, &id, &nothing)?;
        }
        Ok(())
    }

    fn classrooms(&self) -> BTreeSet<ClassroomId> {
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
        self.until_equal()
    }

    /// Waits until all work is on the relay and everybody shows the same; answers with that.
    fn until_equal(&mut self) -> Result<BTreeMap<PageKey, Shown>, Broken> {
        for _ in 0..PATIENCE {
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
                return Ok(shown);
            }
            self.pass(1_000)?;
        }
        let rule = if self.is_at_rest() {
            Rule::Agrees
        } else {
            Rule::ComesToRest
        };
        rule.broken(self.describe())
    }

    /// Leads open what is locked and closed. Says whether something was.
    fn unlock(&mut self) -> Result<bool, Broken> {
        let mut commands = Vec::new();
        let mut was_locked = false;
        for (number, tab) in &self.tabs {
            for room in tab.classrooms.values() {
                if room.role != Role::Lead || is_shut_out(room) {
                    continue;
                }
                was_locked |= room.closed || room.documents.iter().any(|document| document.locked);
                if !tab.is_idle() {
                    continue;
                }
                let classroom = room.id;
                if room.closed {
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
            let needs = |space: &SpaceId| roster.is_some_and(|roster| roster.needs_rotation(space));
            room.role.is_staff() && !is_shut_out(room) && room.spaces.iter().any(needs)
        })
    }

    fn is_at_rest(&self) -> bool {
        self.tabs.values().all(|tab| {
            tab.is_idle()
                && (tab.classrooms.is_empty() || tab.is_online())
                && tab
                    .classrooms
                    .values()
                    .all(|classroom| tab.is_on_relay(&classroom.id) || is_shut_out(classroom))
        })
    }

    /// What all tabs show that belong to a classroom, if it is the same.
    fn shown_by_all(&self) -> Option<BTreeMap<PageKey, Shown>> {
        let mut shown: BTreeMap<PageKey, Shown> = BTreeMap::new();
        let mut shared = BTreeMap::new();
        let mut names = BTreeMap::new();
        for tab in self.tabs.values() {
            for (id, classroom) in &tab.classrooms {
                if is_shut_out(classroom) {
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
            }
            for key in tab.listed() {
                if tab.classrooms.get(&key.0).is_some_and(is_shut_out) {
                    continue;
                }
                let page = tab.pages.get(&key);
                let page = page.filter(|_| is_here(page))?;
                let seen = (page.title(), page.blocks().to_vec());
                if *shown.entry(key).or_insert_with(|| seen.clone()) != seen {
                    return None;
                }
            }
        }
        Some(shown)
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
                if let Ok(segment) = protocol::segment::Segment::decode(row) {
                    lines += &format!("\nunsent on device {number}: {:?}", segment.header);
                }
            }
        }
        lines
    }

    // What must hold

    /// Each word that was answered is there once, or is kept aside.
    fn check_words(&mut self, shown: &BTreeMap<PageKey, Shown>) -> Result<(), Broken> {
        let mut there = BTreeMap::new();
        for (key, (_, blocks)) in shown {
            let text: Vec<String> = blocks.iter().map(Block::text).collect();
            match words_in(&text.join("\n")) {
                Some(words) => there.insert(*key, words),
                None => return Rule::DoublesNothing.broken(format!("{text:?}")),
            };
        }
        let promised: Vec<_> = self
            .words
            .promised()
            .map(|(text, word)| (text.clone(), word.clone()))
            .collect();
        for (text, word) in promised {
            let is_there = there.get(&word.page).is_some_and(|words| words.contains(&text));
            let classroom = word.page.0;
            let is_kept = is_there
                || self.is_shut_out(word.device, &classroom)
                || (0..self.devices.len()).any(|device| self.is_aside(device, &classroom, &word.change));
            Rule::LosesNothing.holds(is_kept, || {
                format!("{text} of tab {} on device {}", word.tab, word.device)
            })?;
        }
        Ok(())
    }

    /// Whether the relay does not take this device's person in: their work stays where it is.
    fn is_shut_out(&self, device: usize, classroom: &ClassroomId) -> bool {
        self.tabs_of(device)
            .iter()
            .filter_map(|tab| self.tabs.get(tab)?.classrooms.get(classroom))
            .any(is_shut_out)
    }

    /// Honest devices never fork a log and keys reach everybody, so what waited was applied.
    fn check_aside(&self) -> Result<(), Broken> {
        for (number, device) in self.devices.iter().enumerate() {
            let rows = device.store.table(Table::Aside);
            // A version, and the reason.
            let mut aside =
                rows.filter(|(_, row)| !row.get(1).is_some_and(|reason| MAY_STAY.contains(reason)));
            let is_kept = aside.any(|(key, _)| {
                let mut rooms = self
                    .tabs_of(number)
                    .into_iter()
                    .filter_map(|tab| self.tabs.get(&tab));
                rooms.all(|tab| {
                    let mut rooms = tab.classrooms.values();
                    rooms.any(|room| key.starts_with(&room.id.0) && !is_shut_out(room))
                })
            });
            Rule::KeepsAsideNothing.holds(!is_kept, || format!("device {number}"))?;
        }
        Ok(())
    }

    /// Every store of a member holds the same roster entries, and they are the relay's.
    fn check_rosters(&self) -> Result<(), Broken> {
        for device in 0..self.devices.len() {
            let mut entries: BTreeMap<ClassroomId, BTreeSet<Vec<u8>>> = BTreeMap::new();
            for (key, _) in self.devices[device].store.table(Table::Entries) {
                if let Some((id, hash)) = key.split_at_checked(32)
                    && let Ok(id) = <[u8; 32]>::try_from(id)
                {
                    entries.entry(ClassroomId(id)).or_default().insert(hash.to_vec());
                }
            }
            for (classroom, entries) in entries {
                if self.is_shut_out(device, &classroom) {
                    continue;
                }
                let stored = Rule::IsItsLog.check(self.relay.store.entries(&classroom))?;
                let on_relay: BTreeSet<Vec<u8>> = stored
                    .iter()
                    .filter_map(|bytes| Some(protocol::roster::Entry::decode(bytes).ok()?.hash().0.to_vec()))
                    .collect();
                Rule::Agrees.holds(entries == on_relay, || {
                    format!(
                        "device {device} has {} entries, the relay {}",
                        entries.len(),
                        on_relay.len()
                    )
                })?;
            }
        }
        Ok(())
    }

    /// A fresh connection finds nothing to send, either way.
    fn check_nothing_to_send(&mut self) -> Result<(), Broken> {
        self.settle(UNTIL_FOLDED)?;
        let count = |world: &Self| -> Vec<(usize, usize, usize)> {
            let tabs = world.tabs.iter();
            tabs.map(|(number, tab)| (*number, tab.submitted, tab.received))
                .collect()
        };
        let before = count(self);
        for device in 0..self.devices.len() {
            self.cut(device, 0, true)?;
        }
        for device in 0..self.devices.len() {
            self.link(device)?;
        }
        self.until_equal()?;
        self.settle(3)?;
        let after = count(self);
        let is_shut_out = self
            .tabs
            .values()
            .any(|tab| tab.classrooms.values().any(is_shut_out));
        Rule::HasNothingToSend.holds(before == after || is_shut_out, || {
            format!("{before:?}\n{after:?}")
        })
    }

    /// A relay that is started on what the store's log says serves just that.
    fn check_log(&mut self) -> Result<(), Broken> {
        let again = self.relay.store.copy();
        again.rewind(again.batches());
        for id in self.classrooms() {
            let all =
                |store: &sync_server::store::Memory| Rule::IsItsLog.check(store.page(&id, 0, usize::MAX));
            let stored = all(&self.relay.store)?;
            Rule::IsItsLog.holds(all(&again)? == stored, || {
                "a replay gives something else".to_owned()
            })?;
            let Some(roster) = self.auditor.roster(&id) else {
                continue;
            };
            let mut readers = self.auditor.members();
            let Some(reader) = readers.find(|keys| roster.member(&keys.id()).is_some()) else {
                continue;
            };
            let is_readable = |placed: &&Placed| {
                let space = placed.item.space();
                space.is_none_or(|space| roster.is_in_space(&reader.id(), space))
            };
            let readable = stored.iter().filter(is_readable).count();
            let now = moment(self.now);
            let mut core = core_on(&again);
            let session = core.connect(vec![ORIGIN.to_owned()], [7; 32], now);
            let hello = [
                ClientFrame::Answer {
                    member: reader.id(),
                    signature: answer_challenge(reader, ORIGIN, &[7; 32]),
                },
                ClientFrame::Open {
                    channel: 0,
                    classroom: id,
                    since: None,
                    roster: Vec::new(),
                    invite: None,
                },
            ];
            let mut message = Vec::new();
            for frame in &hello {
                Rule::Speaks.check(frame::append(&mut message, frame))?;
            }
            core.receive(session, message, now);
            let mut served = 0;
            while let Sent::Message(message) = core.send(session) {
                let frames = frame::decode::<RelayFrame>(&message);
                served += frames
                    .filter(|frame| {
                        matches!(
                            frame,
                            Ok(RelayFrame::Entry { .. }
                                | RelayFrame::Segment { .. }
                                | RelayFrame::Receipt { .. })
                        )
                    })
                    .count();
            }
            Rule::IsItsLog.holds(served == readable, || {
                format!("{served} of {readable} items were served")
            })?;
        }
        Ok(())
    }

    /// Nobody opens what was written with a space's newest key but who is in the space.
    fn check_secrets(&mut self) -> Result<(), Broken> {
        for id in self.classrooms() {
            // Without anybody who could, no new key is made.
            let is_led = |room: &view::Classroom| room.id == id && room.role.is_staff() && !is_shut_out(room);
            if !self.tabs.values().any(|tab| tab.classrooms.values().any(is_led)) {
                continue;
            }
            for placed in Rule::IsItsLog.check(self.relay.store.page(&id, 0, usize::MAX))? {
                if let Item::Segment { segment, .. } = placed.item
                    && let Some(member) = self.auditor.opened_by_stranger(&id, &segment)
                {
                    return Rule::KeepsSecrets.broken(format!("{member:?} opens {:?}", segment.header));
                }
            }
        }
        Ok(())
    }

    /// Somebody new gets everything from the relay alone.
    fn check_newcomer(&mut self, shown: &BTreeMap<PageKey, Shown>) -> Result<(), Broken> {
        let host = self.tabs.iter().find_map(|(number, tab)| {
            let mut classrooms = tab.classrooms.values();
            let classroom = classrooms.find(|room| room.role == Role::Lead && !is_shut_out(room))?;
            // An invite of somebody whose clock is far behind has expired.
            (self.devices[tab.device].ahead >= 0).then_some((*number, classroom.id))
        });
        let Some((host, classroom)) = host else {
            return Ok(());
        };
        let role = Role::Student;
        let links = self.links.len();
        self.ask(host, invitation(classroom, role, false), Then::KeepLink)?;
        self.until_equal()?;
        Rule::Welcomes.holds(self.links.len() == links + 1, || "no invite".to_owned())?;
        let mut device = self.devices[0].clone();
        device.person = self.people.len();
        device.store = crate::store::Store::default();
        device.locks.clear();
        device.ahead = 0;
        self.people.push(self.devices.len());
        self.devices.push(device);
        let newcomer = self.people.len() - 1;
        self.join(newcomer, links)?;
        let after = self.until_equal()?;
        let everyones: BTreeSet<PageKey> = self
            .tabs
            .get(&host)
            .map(|tab| tab.listed_in(SpaceId::EVERYONE))
            .unwrap_or_default();
        let of_classroom = everyones.iter().filter(|key| key.0 == classroom).count();
        let tab = self.tabs_of(self.people[newcomer]).first().copied();
        let listed = tab
            .and_then(|tab| self.tabs.get(&tab))
            .map(|tab| tab.listed().len())
            .unwrap_or_default();
        Rule::Welcomes.holds(listed == of_classroom, || {
            format!("{listed} of {of_classroom} pages")
        })?;
        let everyones = |shown: &BTreeMap<PageKey, Shown>| {
            let mut shown = shown.clone();
            shown.retain(|key, _| everyones.contains(key));
            shown
        };
        Rule::Welcomes.holds(everyones(&after) == everyones(shown), || {
            format!("{after:?}\n{shown:?}")
        })
    }
}

/// What this person has does not come to the others any more, and is shown as that: they were removed, may not write any
/// more, or the invite that they came by does not let them in.
fn is_shut_out(classroom: &view::Classroom) -> bool {
    classroom.removed
        || matches!(
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
        )
}

/// What members share of a classroom's view.
fn shared_part(classroom: &view::Classroom) -> impl PartialEq + Clone + use<> {
    let members: Vec<_> = classroom
        .members
        .iter()
        .map(|member| (member.id, member.school, member.role))
        .collect();
    let documents: Vec<_> = classroom
        .documents
        .iter()
        .filter(|document| document.space == SpaceId::EVERYONE)
        .map(|document| (document.id, document.title.clone(), document.created_at))
        .collect();
    (
        classroom.name.clone(),
        classroom.schools.clone(),
        members,
        documents,
    )
}
