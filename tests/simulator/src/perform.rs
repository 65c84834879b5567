//! How each act is carried out on whatever is there by then.

use std::collections::{BTreeMap, BTreeSet};

use documents::change::{self, Hash};
use documents::page::Page;
use documents::page::edit::{Edit, Run, Shape, Value};
use protocol::ClassroomId;
use protocol::rand_core::Rng as _;
use protocol::roster::Role;
use protocol::segment::Segment;
use replica::Event;
use replica::command::{Command, Profile};
use replica::store::Table;
use sync_server::store::memory::Failure;

use crate::act::{Act, Govern, How, Successor};
use crate::broken::{Broken, Rule};
use crate::edits::{self, Told};
use crate::mischief::Mischief;
use crate::rng::SeededRng;
use crate::tab::{Bringing, PageKey, Posting, Then};
use crate::trace;
use crate::world::{Network, World};

const MOST_DEVICES: usize = 8;
const MOST_TABS: usize = 3;
const MOST_PAGES: usize = 4;

impl World {
    pub(crate) fn perform(&mut self, act: Act) -> Result<(), Broken> {
        self.story.update(format!("{act:?}").as_bytes());
        if trace::is_on() {
            eprintln!("{act:?}");
        }
        match act {
            Act::Found { person } => self.found(usize::from(person)),
            Act::Invite {
                person,
                role,
                ask_first,
            } => self.invite(usize::from(person), role, ask_first),
            Act::Join { person, invite } => self.join(usize::from(person), usize::from(invite)),
            Act::NewPage { device, tab, space } => {
                self.new_page(self.device(device), tab, usize::from(space))
            }
            Act::Govern {
                device,
                tab,
                what,
                whom,
            } => {
                let device = self.device(device);
                let tab = self.some_tab(device, tab)?;
                self.govern(tab, what, usize::from(whom))
            }
            Act::Edit {
                device,
                tab,
                page,
                how,
                at,
                word,
            } => {
                let device = self.device(device);
                let tab = self.some_tab(device, tab)?;
                self.edit(tab, usize::from(page), how, usize::from(at), word)
            }
            Act::Attach {
                device,
                tab,
                page,
                length,
            } => {
                let tab = self.some_tab(self.device(device), tab)?;
                self.attach(tab, usize::from(page), length as usize)
            }
            Act::Look { device, tab, which } => {
                let tab = self.some_tab(self.device(device), tab)?;
                self.look(tab, usize::from(which))
            }
            Act::OpenTab { device } => {
                let device = self.device(device);
                if self.tabs_of(device).len() < MOST_TABS {
                    self.open_tab(device)?;
                }
                Ok(())
            }
            Act::CloseTab { device, tab } => {
                if let Some(tab) = self.open_tab_of(self.device(device), tab) {
                    self.handle(tab, Event::Closing)?;
                    self.crash_tab(tab, true);
                }
                Ok(())
            }
            Act::CrashTab { device, tab, written } => {
                if let Some(tab) = self.open_tab_of(self.device(device), tab) {
                    self.crash_tab(tab, written);
                }
                Ok(())
            }
            Act::CrashDevice {
                device,
                written,
                surviving,
            } => {
                let device = self.device(device);
                self.crash_device(device, written, usize::from(surviving));
                Ok(())
            }
            Act::Clone { device } => {
                let device = self.device(device);
                if self.devices.len() < MOST_DEVICES {
                    let mut copy = self.devices[device].clone();
                    copy.locks.clear();
                    self.devices.push(copy);
                }
                Ok(())
            }
            Act::Backup { device } => {
                let device = self.device(device);
                let store = self.devices[device].store.clone();
                self.devices[device].backup = Some(Box::new(store));
                Ok(())
            }
            Act::Restore { device } => {
                let device = self.device(device);
                self.restore(device)
            }
            Act::FillDisk { device } => self.set_full(device, true),
            Act::FreeDisk { device } => self.set_full(device, false),
            Act::Skew { device, hours } => {
                let device = self.device(device);
                self.devices[device].ahead = i64::from(hours) * 3_600_000;
                Ok(())
            }
            Act::SkewRelay { relay, hours } => {
                let relay = self.relay(relay);
                self.relays[relay].ahead = i64::from(hours) * 3_600;
                Ok(())
            }
            Act::Cut {
                device,
                arriving,
                noticed,
            } => {
                let device = self.device(device);
                self.cut(device, usize::from(arriving), noticed)
            }
            Act::Stall { device } => {
                let device = self.device(device);
                self.devices[device].network = Network::Stalled;
                Ok(())
            }
            Act::Link { device } => {
                let device = self.device(device);
                self.link(device)
            }
            Act::Block { device, blocked } => {
                let device = self.device(device);
                self.block(device, blocked)
            }
            Act::Update { device } => self.update(self.device(device)),
            Act::UpdateRelay { relay } => self.update_relay(self.relay(relay)),
            Act::Move { device } => {
                let device = self.device(device);
                let next = (self.devices[device].relay + 1) % self.relays.len();
                self.move_to(device, next)
            }
            Act::CrashRelay { relay, arriving } => self.crash_relay(self.relay(relay), arriving),
            Act::Export { device, tab } => {
                let tab = self.some_tab(self.device(device), tab)?;
                self.ask(tab, Command::Export { classroom: None }, Then::KeepStick)?;
                Ok(())
            }
            Act::Import {
                device,
                tab,
                stick,
                is_cut,
            } => {
                let tab = self.some_tab(self.device(device), tab)?;
                self.import(tab, usize::from(stick), is_cut)
            }
            Act::BackupRelay { relay } => {
                let relay = self.relay(relay);
                self.relays[relay].back_up();
                Ok(())
            }
            Act::ReplaceRelay { relay, by } => self.replace_relay(self.relay(relay), by),
            Act::TidyRelay { relay } => self.tidy_relay(self.relay(relay)),
            Act::FailCommit { relay, stored } => {
                let failure = if stored {
                    Failure::Unreported
                } else {
                    Failure::Full
                };
                let relay = self.relay(relay);
                self.relays[relay].store.fail(failure);
                Ok(())
            }
            Act::Pass { milliseconds } => self.pass(u64::from(milliseconds)),
            Act::Run { steps, seed } => {
                let mut rng = SeededRng::new(&format!("{} run {seed}", self.seed));
                self.run(usize::from(steps), &mut rng)
            }
            Act::Settle { seconds } => self.settle(usize::from(seconds)),
        }
    }

    fn device(&self, device: u8) -> usize {
        usize::from(device) % self.devices.len()
    }

    fn relay(&self, relay: u8) -> usize {
        usize::from(relay) % self.relays.len()
    }

    fn open_tab_of(&self, device: usize, tab: u8) -> Option<usize> {
        let tabs = self.tabs_of(device);
        tabs.get(usize::from(tab) % tabs.len().max(1)).copied()
    }

    /// A tab of a device; one is opened if there is none.
    fn some_tab(&mut self, device: usize, tab: u8) -> Result<usize, Broken> {
        match self.open_tab_of(device, tab) {
            Some(tab) => Ok(tab),
            None => self.open_tab(device),
        }
    }

    // People

    fn tab_of(&mut self, person: usize) -> Result<usize, Broken> {
        let device = self.people[person % self.people.len()];
        self.some_tab(device, 0)
    }

    fn found(&mut self, person: usize) -> Result<(), Broken> {
        let tab = self.tab_of(person)?;
        let command = Command::Found {
            classroom_name: "Water".to_owned(),
            profile: self.profile(person),
        };
        self.ask(tab, command, Then::ShowCard)?;
        Ok(())
    }

    fn invite(&mut self, person: usize, role: Role, ask_first: bool) -> Result<(), Broken> {
        let tab = self.tab_of(person)?;
        let classroom = self
            .tabs
            .get(&tab)
            .and_then(|tab| tab.classrooms.keys().next().copied());
        if let Some(classroom) = classroom {
            self.ask(tab, invitation(classroom, role, ask_first), Then::KeepLink)?;
        }
        Ok(())
    }

    pub(crate) fn join(&mut self, person: usize, invite: usize) -> Result<(), Broken> {
        let tab = self.tab_of(person)?;
        if let Some(link) = self.links.get(invite % self.links.len().max(1)).cloned() {
            let then = Then::Join(link.clone(), self.profile(person));
            self.ask(tab, Command::Preview { link }, then)?;
        }
        Ok(())
    }

    /// Two people each belong to a school.
    fn profile(&self, person: usize) -> Profile {
        let person = person % self.people.len();
        Profile {
            name: format!("Person {person}"),
            school: format!("School {}", person / 2),
            country: "KE".to_owned(),
            time_zone: "Africa/Nairobi".to_owned(),
        }
    }

    fn import(&mut self, tab: usize, stick: usize, is_cut: bool) -> Result<(), Broken> {
        let Some(mut file) = some(&self.sticks, stick).cloned() else {
            return Ok(());
        };
        let import = self.next_request();
        let mut rng = SeededRng::new(&format!("{} import {import}", self.seed));
        if is_cut {
            file.truncate(rng.below(file.len()));
        }
        if rng.percent(20) {
            let at = rng.below(file.len());
            if let Some(byte) = file.get_mut(at) {
                *byte ^= 1 << rng.below(8);
            }
        }
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for _ in 0..rng.below(3) {
            let rest = file.split_off(rng.below(file.len()));
            parts.push(std::mem::replace(&mut file, rest));
        }
        for part in parts {
            let last = false;
            self.ask(tab, Command::Import { import, part, last }, Then::Nothing)?;
        }
        let (part, last) = (file, true);
        self.ask(tab, Command::Import { import, part, last }, Then::Nothing)?;
        Ok(())
    }

    fn new_page(&mut self, device: usize, tab: u8, space: usize) -> Result<(), Broken> {
        let tab = self.some_tab(device, tab)?;
        let Some(shown) = self.tabs.get(&tab) else {
            return Ok(());
        };
        if let Some((id, classroom)) = shown.classrooms.first_key_value()
            && classroom.role.may_write()
            && classroom.documents.len() < MOST_PAGES
        {
            let command = Command::NewPage {
                classroom: *id,
                space: classroom
                    .spaces
                    .get(space % classroom.spaces.len().max(1))
                    .copied(),
            };
            self.ask(tab, command, Then::Nothing)?;
        }
        Ok(())
    }

    fn govern(&mut self, number: usize, what: Govern, whom: usize) -> Result<(), Broken> {
        let Some(room) = self
            .tabs
            .get(&number)
            .and_then(|tab| tab.classrooms.values().next())
        else {
            return Ok(());
        };
        let classroom = room.id;
        let member = some(&room.members, whom).map(|member| member.id);
        let document = some(&room.documents, whom).map(|document| document.id);
        let request = some(&room.requests, whom).map(|request| request.id);
        let command = match what {
            Govern::Remove => member.map(|member| Command::Remove { classroom, member }),
            Govern::ChangeRole(role) => member.map(|member| Command::ChangeRole {
                classroom,
                member,
                role,
            }),
            Govern::Leave { school } => Some(Command::Leave { classroom, school }),
            Govern::EndInvite => some(&room.invites, whom).map(|invite| Command::EndInvite {
                classroom,
                invite: invite.id,
            }),
            Govern::Approve => request.map(|request| Command::Approve { classroom, request }),
            Govern::Decline => request.map(|request| Command::Decline { classroom, request }),
            Govern::Lock(locked) => document.map(|document| Command::Lock {
                classroom,
                document,
                locked,
            }),
            Govern::Close(closed) => Some(Command::Close { classroom, closed }),
            Govern::RotateKeys => {
                let space = some(&room.spaces, whom).copied();
                space.map(|_| Command::RotateKeys { classroom, space })
            }
            Govern::StartAnew => document.map(|document| Command::StartAnew { classroom, document }),
            Govern::NewGroup => Some(Command::NewSpace {
                classroom,
                members: member.into_iter().collect(),
            }),
        };
        if let Some(command) = command {
            self.ask(number, command, Then::Nothing)?;
        }
        Ok(())
    }

    /// Opens a page that the tab lists and has not open.
    pub(crate) fn open_page(&mut self, number: usize, key: PageKey) -> Result<(), Broken> {
        if let Some(tab) = self.tabs.get_mut(&number)
            && !tab.pages.contains_key(&key)
            && tab.opening.insert(key)
        {
            let command = Command::OpenPage {
                classroom: key.0,
                document: key.1,
            };
            self.ask(number, command, Then::Opened(key))?;
        }
        Ok(())
    }

    fn edit(&mut self, number: usize, page: usize, how: How, at: usize, word: u16) -> Result<(), Broken> {
        let Some(tab) = self.tabs.get(&number) else {
            return Ok(());
        };
        let listed = tab.listed();
        let Some(&key) = listed.get(page % listed.len().max(1)) else {
            return Ok(());
        };
        let Some(page) = tab.pages.get(&key) else {
            return self.open_page(number, key);
        };
        let may_write = tab.classrooms.get(&key.0).is_some_and(|classroom| {
            let mut documents = classroom.documents.iter();
            documents.any(|document| document.id == key.1 && document.may_write)
        });
        if !page.is_present() || !may_write {
            return Ok(());
        }
        let places = tab.places(&key);
        let Some(&(block, offset)) = places.get(at % places.len().max(1)) else {
            return Ok(());
        };
        let text = page
            .blocks()
            .get(block)
            .map(documents::page::edit::Block::text)
            .unwrap_or_default();
        let start = text.get(..offset).and_then(|before| before.rfind('['));
        let word = format!("[{word}]");
        let mut written = None;
        let edit = match (how, start) {
            (How::Delete, Some(start)) => {
                self.edits.deleted(text[start..offset].to_owned());
                Edit::Text {
                    block,
                    offset: start,
                    delete: offset - start,
                    insert: Vec::new(),
                }
            }
            (How::Split, _) => {
                let shape = Shape::paragraph();
                Edit::Split { block, offset, shape }
            }
            (How::Join, _) if block > 0 => Edit::Join { block },
            (How::Mark, Some(_)) => Edit::Mark {
                block,
                from: 0,
                to: offset,
                name: "strong".to_owned(),
                value: Value::Boolean(at.is_multiple_of(2)),
            },
            (How::Retitle, _) => return self.retitle(number, key, &word),
            _ if self.edits.is_written(&word) => return Ok(()),
            _ => {
                let edit = word_at(block, offset, &word);
                written = Some(word);
                edit
            }
        };
        let again = written.clone().filter(|_| self.does(Mischief::TabWritesTwice));
        self.change(number, key, &[edit], written)?;
        match again {
            Some(word) => self.change(number, key, &[word_at(block, offset, &word)], None),
            None => Ok(()),
        }
    }

    fn attach(&mut self, number: usize, page: usize, length: usize) -> Result<(), Broken> {
        let Some(tab) = self.tabs.get(&number) else {
            return Ok(());
        };
        let Some(key) = some(&tab.listed(), page).copied() else {
            return Ok(());
        };
        let mut content = vec![0; length.max(1)];
        self.rng("attachment").fill_bytes(&mut content);
        let command = Command::Attach {
            classroom: key.0,
            document: key.1,
            content: content.clone(),
        };
        self.ask(number, command, Then::ShowAttached(key, content))?;
        Ok(())
    }

    /// Shows what was attached at the end of the first line of its page, if that is open and can be written in.
    pub(crate) fn show_attached(
        &mut self,
        number: usize,
        key: PageKey,
        address: String,
    ) -> Result<(), Broken> {
        let Some(tab) = self.tabs.get(&number) else {
            return Ok(());
        };
        let may_write = tab.classrooms.get(&key.0).is_some_and(|classroom| {
            let mut documents = classroom.documents.iter();
            documents.any(|document| document.id == key.1 && document.may_write)
        });
        let page = tab.pages.get(&key);
        let Some(first) = page.filter(|_| may_write && is_here(page)).map(Page::blocks) else {
            return Ok(());
        };
        let offset = first.first().map_or(0, |block| block.text().len());
        let shape = Shape {
            kind: "image".to_owned(),
            parents: Vec::new(),
            attrs: BTreeMap::from([("src".to_owned(), Value::Text(address))]),
            is_embed: true,
        };
        let block = 0;
        self.change(number, key, &[Edit::Split { block, offset, shape }], None)
    }

    /// Looks at something that was attached, in a tab that knows its classroom.
    pub(crate) fn look(&mut self, number: usize, which: usize) -> Result<(), Broken> {
        let which = which % self.attached.len().max(1);
        let (Some(file), Some(tab)) = (self.attached.get(which), self.tabs.get(&number)) else {
            return Ok(());
        };
        let (classroom, document) = file.page;
        if tab.classrooms.contains_key(&classroom) {
            let command = Command::Attachment {
                classroom,
                document,
                address: file.address.clone(),
            };
            self.ask(number, command, Then::Look(which))?;
        }
        Ok(())
    }

    fn retitle(&mut self, number: usize, key: PageKey, title: &str) -> Result<(), Broken> {
        let Some(tab) = self.tabs.get_mut(&number) else {
            return Ok(());
        };
        let device = tab.device;
        let page = tab.pages.get_mut(&key);
        if page.is_some_and(|page| page.set_title(title).is_ok()) {
            self.edits.titled(title.to_owned(), device);
            self.change(number, key, &[], None)?;
        }
        Ok(())
    }

    fn change(
        &mut self,
        number: usize,
        key: PageKey,
        edits: &[Edit],
        word: Option<String>,
    ) -> Result<(), Broken> {
        let Some(device) = self.tabs.get(&number).map(|tab| tab.device) else {
            return Ok(());
        };
        let seconds = self.seconds_of(device);
        let Some(tab) = self.tabs.get_mut(&number) else {
            return Ok(());
        };
        let Some(command) = tab.edit(&key, edits, seconds)? else {
            return Ok(());
        };
        if let Command::Change { change, .. } = &command {
            let change = Rule::Speaks.check(change::inspect(change))?.hash;
            // The number that the command gets.
            let request = self.next_request();
            let edit = edits::Edit {
                page: key,
                tab: number,
                device,
                word,
                told: Told::Nothing,
                on_relay: false,
                is_left_to_others: false,
                gone_with_device: false,
            };
            let is_last = self.does(Mischief::TabForgetsLastEdit);
            let is_forgotten = edit.word.is_none() && (is_last || self.does(Mischief::TabForgetsEdit));
            self.edits.made(change, request, edit);
            if is_forgotten {
                self.edits.answered(number, request, true);
                if is_last {
                    self.crash_tab(number, true);
                }
                return Ok(());
            }
        }
        self.ask(number, command, Then::SettleEdit)?;
        Ok(())
    }

    // Devices

    pub(crate) fn crash_device(&mut self, device: usize, written: bool, surviving: usize) {
        for tab in self.tabs_of(device) {
            self.crash_tab(tab, written);
        }
        self.devices[device].store.crash(surviving);
    }

    fn restore(&mut self, device: usize) -> Result<(), Broken> {
        let Some(backup) = self.devices[device].backup.clone() else {
            return Ok(());
        };
        let tabs = self.tabs_of(device);
        let mut in_doubt = self.edits.in_doubt(device);
        let is_shown = |(change, edit): &&(Hash, edits::Edit)| self.is_open_in(&tabs, edit.page, change);
        let shown: BTreeSet<Hash> = in_doubt
            .iter()
            .filter(is_shown)
            .map(|(change, _)| *change)
            .collect();
        for tab in tabs {
            self.crash_tab(tab, true);
        }
        let stored = self.changes_on(device);
        in_doubt.retain(|(change, edit)| {
            edit.device == device || shown.contains(change) || stored.contains(change)
        });
        self.devices[device].store.put_back(*backup);
        self.devices[device].was_put_back = true;
        let surviving = self.changes_on_devices();
        let open: Vec<usize> = self.tabs.keys().copied().collect();
        let mut gone = BTreeSet::new();
        for (change, edit) in in_doubt {
            let classroom = edit.page.0;
            let is_left = surviving.contains(&change)
                || self.is_open_in(&open, edit.page, &change)
                || self.is_on_a_relay(&classroom, &change)?
                || (0..self.devices.len()).any(|device| self.is_aside(device, &classroom, &change));
            if !is_left {
                gone.insert(change);
            }
        }
        self.edits.device_went_back(device, &gone);
        Ok(())
    }

    /// Whether one of these tabs has a page open with a change in it.
    fn is_open_in(&self, tabs: &[usize], page: PageKey, change: &Hash) -> bool {
        let open = tabs.iter().filter_map(|tab| self.tabs.get(tab)?.pages.get(&page));
        let mut histories = open.map(Page::document);
        histories.any(|history| history.has_all(&history.newest(), &[*change]))
    }

    /// The changes in a device's store.
    fn changes_on(&mut self, device: usize) -> BTreeSet<Hash> {
        let mut changes = BTreeSet::new();
        for (key, row) in self.devices[device].store.table(Table::Segments) {
            if let Some(Ok(classroom)) = key.get(..32).map(<[u8; 32]>::try_from)
                && let Ok(segment) = Segment::decode(row)
            {
                changes.extend(self.auditor.changes(&ClassroomId(classroom), &segment));
            }
        }
        changes
    }

    fn changes_on_devices(&mut self) -> BTreeSet<Hash> {
        let devices = 0..self.devices.len();
        devices.flat_map(|device| self.changes_on(device)).collect()
    }

    /// All tabs are closed, and the next one is of the next version.
    pub(crate) fn update(&mut self, device: usize) -> Result<(), Broken> {
        if self.devices[device].is_next {
            return Ok(());
        }
        for tab in self.tabs_of(device) {
            self.handle(tab, Event::Closing)?;
            self.crash_tab(tab, true);
        }
        self.devices[device].is_next = true;
        self.open_tab(device)?;
        Ok(())
    }

    pub(crate) fn update_relay(&mut self, number: usize) -> Result<(), Broken> {
        self.relays[number].is_next = true;
        self.relays[number].restart();
        self.relay_is_gone(number, false);
        Ok(())
    }

    fn set_full(&mut self, device: u8, full: bool) -> Result<(), Broken> {
        let device = self.device(device);
        self.devices[device].store.full = full;
        Ok(())
    }

    // The network

    pub(crate) fn cut(&mut self, device: usize, arriving: usize, noticed: bool) -> Result<(), Broken> {
        self.devices[device].network = Network::Down;
        for number in self.tabs_of(device) {
            let Some(tab) = self.tabs.get_mut(&number) else {
                continue;
            };
            let wire = tab.wire.take();
            if tab.posting.take().is_some() {
                self.handle(number, Event::Disconnected)?;
            }
            if let Some(wire) = wire.and_then(|wire| self.wires.get_mut(&wire)) {
                wire.tab = None;
                wire.unnoticed = !noticed;
                wire.up.truncate(arriving);
                wire.down.clear();
                self.handle(number, Event::Disconnected)?;
            }
        }
        Ok(())
    }

    pub(crate) fn link(&mut self, device: usize) -> Result<(), Broken> {
        if self.devices[device].network == Network::Up {
            return Ok(());
        }
        self.devices[device].network = Network::Up;
        for tab in self.tabs_of(device) {
            self.handle(tab, Event::NetworkUp)?;
        }
        Ok(())
    }

    fn block(&mut self, device: usize, blocked: bool) -> Result<(), Broken> {
        let was_up = self.devices[device].network == Network::Up;
        self.cut(device, 0, true)?;
        self.devices[device].blocked = blocked;
        if was_up { self.link(device) } else { Ok(()) }
    }

    pub(crate) fn move_to(&mut self, device: usize, relay: usize) -> Result<(), Broken> {
        if self.devices[device].relay == relay {
            return Ok(());
        }
        let was_up = self.devices[device].network == Network::Up;
        self.cut(device, 0, true)?;
        self.devices[device].relay = relay;
        if was_up { self.link(device) } else { Ok(()) }
    }

    fn crash_relay(&mut self, number: usize, arriving: bool) -> Result<(), Broken> {
        let relay = &mut self.relays[number];
        match self.mischief {
            Some(Mischief::RelayAcknowledgesEarly) => relay.restart_without(1),
            Some(Mischief::RelayGoesBack) => relay.restart_without(12),
            _ => relay.restart(),
        }
        self.relay_is_gone(number, arriving);
        Ok(())
    }

    pub(crate) fn tidy_relay(&mut self, number: usize) -> Result<(), Broken> {
        let relay = &mut self.relays[number];
        relay.news += 1;
        Rule::IsItsLog.check(relay.core.tidy())
    }

    fn replace_relay(&mut self, number: usize, by: Successor) -> Result<(), Broken> {
        // That it has something may still be told from tab to tab when it has gone; and what it got again since another one was
        // put back goes with it.
        for (tab, change, classroom) in self.edits.all_off_relays() {
            if self.relays[number].holds(&mut self.auditor, &classroom, &change)? {
                self.edits.seen(tab, &change);
            }
        }
        self.relays[number].replace(by);
        self.relay_is_gone(number, false);
        let surviving = self.changes_on_devices();
        let mut held = Ok(());
        let (relays, auditor) = (&mut self.relays, &mut self.auditor);
        self.edits.relay_went_back(
            |change, edit| {
                let mut holding = relays
                    .iter_mut()
                    .map(|relay| relay.holds(auditor, &edit.page.0, change));
                let holds = holding.find(|holds| !matches!(holds, Ok(false)));
                holds.unwrap_or(Ok(false)).unwrap_or_else(|broken| {
                    held = Err(broken);
                    true
                })
            },
            |change| surviving.contains(change),
        );
        self.auditor.forget_rosters();
        for relay in &mut self.relays {
            relay.look_again();
        }
        held
    }

    /// The connections to it break.
    pub(crate) fn relay_is_gone(&mut self, number: usize, arriving: bool) {
        self.relays[number].news += 1;
        for tab in self.tabs.values_mut() {
            if let Some(Bringing::Deciding { relay, claim, .. }) = &tab.bringing
                && *relay == number
            {
                tab.bringing = Some(Bringing::Lost(claim.clone()));
            }
            if matches!(tab.posting, Some(Posting::Answering { relay, .. }) if relay == number) {
                tab.posting = Some(Posting::Lost);
            }
        }
        for wire in self.wires.values_mut().filter(|wire| wire.relay == number) {
            wire.session = None;
            wire.unnoticed = false;
            wire.up.clear();
            if !arriving {
                wire.down.clear();
            }
        }
    }
}

fn some<T>(all: &[T], number: usize) -> Option<&T> {
    all.get(number % all.len().max(1))
}

fn word_at(block: usize, offset: usize, word: &str) -> Edit {
    Edit::Text {
        block,
        offset,
        delete: 0,
        insert: vec![Run {
            text: word.to_owned(),
            marks: BTreeMap::new(),
        }],
    }
}

pub(crate) fn invitation(classroom: ClassroomId, role: Role, ask_first: bool) -> Command {
    Command::Invite {
        classroom,
        role,
        ask_first,
    }
}

/// Whether a page can be read.
pub(crate) fn is_here(page: Option<&Page>) -> bool {
    page.is_some_and(Page::is_present)
}
