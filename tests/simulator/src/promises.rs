//! What is looked for in the end, and must hold.

use std::collections::{BTreeMap, BTreeSet};

use documents::change::Hash;
use documents::page::edit::Block;
use protocol::frame::{self, ClientFrame, Position, RelayFrame};
use protocol::identity::{MemberKeys, answer_challenge};
use protocol::inventory::{LogRange, Wanted};
use protocol::roster::Role;
use protocol::segment::{Log, Segment};
use protocol::{ClassroomId, SpaceId};
use replica::store::{AsideReason, Table};
use replica::view;
use sync_server::core::Sent;
use sync_server::store::{Item, Memory, Placed, Store as _};

use crate::broken::{Broken, Rule};
use crate::ending::{HOME, Shown, UNTIL_COMPARED};
use crate::perform::invitation;
use crate::relay::moment;
use crate::tab::{PageKey, Tab, Then, Traffic};
use crate::words::words_in;
use crate::world::{ORIGIN, World};

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

impl World {
    /// Each word that was answered is there once, or is kept aside.
    pub(crate) fn check_words(&mut self, shown: &BTreeMap<PageKey, Shown>) -> Result<(), Broken> {
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
            let (classroom, _) = word.page;
            let is_kept = match there.get(&self.now_at(word.page)) {
                Some(words) if words.contains(&text) => true,
                // Nobody is left who could show it.
                None if self.is_on_a_relay(&classroom, &word.change)? => true,
                _ => {
                    // What came to the relay before its author was shut out is everybody's.
                    !word.on_relay && self.stays_on(word.device, &classroom, &word.change)
                        || (0..self.devices.len())
                            .any(|device| self.is_aside(device, &classroom, &word.change))
                }
            };
            Rule::LosesNothing.holds(is_kept, || {
                format!("{text} of tab {} on device {}", word.tab, word.device)
            })?;
        }
        Ok(())
    }

    /// The page that stands in the place of one, if it was started anew.
    fn now_at(&self, (classroom, document): PageKey) -> PageKey {
        let erased = |document: &_| self.auditor.roster(&classroom)?.erased(document);
        let mut seen = BTreeSet::new();
        let mut last = document;
        while let Some(next) = erased(&last).filter(|_| seen.insert(last)) {
            last = next;
        }
        (classroom, last)
    }

    /// Whether a change is in the store of a device whose person is shut out.
    fn stays_on(&mut self, device: usize, classroom: &ClassroomId, change: &Hash) -> bool {
        if !self.is_device_shut_out(device, classroom) {
            return false;
        }
        let rows = self.devices[device].store.table(Table::Segments);
        let mut own = rows
            .filter(|(key, _)| key.starts_with(&classroom.0))
            .filter_map(|(_, row)| Segment::decode(row).ok());
        own.any(|segment| self.auditor.changes(classroom, &segment).contains(change))
    }

    /// Honest devices never fork a log and keys reach everybody, so what waited was applied.
    pub(crate) fn check_aside(&self) -> Result<(), Broken> {
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
                    rooms.any(|room| key.starts_with(&room.id.0) && !self.is_shut_out(room))
                })
            });
            Rule::KeepsAsideNothing.holds(!is_kept, || format!("device {number}"))?;
        }
        Ok(())
    }

    /// Every store of a member holds the same roster entries, and they are the relay's.
    pub(crate) fn check_rosters(&self) -> Result<(), Broken> {
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
                if self.is_device_shut_out(device, &classroom) {
                    continue;
                }
                let stored = Rule::IsItsLog.check(self.relays[HOME].store.entries(&classroom))?;
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

    /// A fresh inventory exchange finds nothing to send, either way.
    pub(crate) fn check_nothing_to_send(&mut self) -> Result<(), Broken> {
        self.settle(UNTIL_FOLDED)?;
        let before = self.traffic();
        // Nobody knows the relay that it is now, so all say to each other what they have.
        self.relays[HOME].renew();
        self.relay_is_gone(HOME, false);
        self.until_equal()?;
        self.settle(UNTIL_COMPARED)?;
        for (tab, after) in self.traffic() {
            let Some(mut expected) = before.get(&tab).copied() else {
                continue;
            };
            Rule::HasNothingToSend.holds(after.inventories > expected.inventories, || {
                format!("tab {tab} compares nothing")
            })?;
            expected.inventories = after.inventories;
            Rule::HasNothingToSend.holds(after == expected, || {
                format!("tab {tab}: {expected:?} and then {after:?}")
            })?;
        }
        Ok(())
    }

    /// What went over the connections of all who have a classroom and are not shut out of it.
    fn traffic(&self) -> BTreeMap<usize, Traffic> {
        let compares = |tab: &Tab| {
            let mut rooms = tab.classrooms.values();
            !tab.classrooms.is_empty() && !rooms.any(|room| self.is_shut_out(room))
        };
        let tabs = self.tabs.iter().filter(|(_, tab)| compares(tab));
        tabs.map(|(number, tab)| (*number, tab.traffic)).collect()
    }

    /// A relay that is started on what the store's log says serves just that.
    pub(crate) fn check_log(&mut self) -> Result<(), Broken> {
        let again = self.relays[HOME].store.copy();
        again.rewind(again.batches());
        for id in self.classrooms() {
            let all = |store: &Memory| Rule::IsItsLog.check(store.page(&id, 0, usize::MAX));
            let stored = all(&self.relays[HOME].store)?;
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
            let is_item = |frame: &RelayFrame| {
                matches!(
                    frame,
                    RelayFrame::Entry { .. }
                        | RelayFrame::Segment { .. }
                        | RelayFrame::Snapshot { .. }
                        | RelayFrame::Verdict { .. }
                        | RelayFrame::Receipt { .. }
                )
            };
            let beginning = Position {
                incarnation: again.incarnation(),
                index: 0,
            };
            let told = self.told_to(reader, &again, id, Some(beginning), &[])?;
            let served = told.iter().filter(|frame| is_item(frame)).count();
            Rule::IsItsLog.holds(served == readable, || {
                format!("{served} of {readable} items were served")
            })?;
        }
        Ok(())
    }

    /// What a relay on a store tells somebody who opens a classroom from a position on, and asks for things then.
    fn told_to(
        &self,
        reader: &MemberKeys,
        store: &Memory,
        classroom: ClassroomId,
        since: Option<Position>,
        asking: &[ClientFrame],
    ) -> Result<Vec<RelayFrame>, Broken> {
        let now = moment(self.now);
        let mut core = self.relays[HOME].again_on(store);
        let session = core.connect(vec![ORIGIN.to_owned()], [7; 32], now);
        let hello = [
            ClientFrame::Answer {
                member: reader.id(),
                signature: answer_challenge(reader, ORIGIN, &[7; 32]),
            },
            ClientFrame::Open {
                channel: 0,
                classroom,
                since,
                roster: Vec::new(),
                invite: None,
            },
        ];
        let mut message = Vec::new();
        for frame in hello.iter().chain(asking) {
            Rule::Speaks.check(frame::append(&mut message, frame))?;
        }
        core.receive(session, message, now);
        let mut told = Vec::new();
        while let Sent::Message(message) = core.send(session) {
            for frame in frame::decode::<RelayFrame>(&message) {
                told.push(Rule::Speaks.check(frame)?);
            }
        }
        Ok(told)
    }

    /// Whoever was removed, or left, gets the roster and nothing else, however they ask.
    pub(crate) fn check_former(&mut self) -> Result<(), Broken> {
        for id in self.classrooms() {
            let Some(roster) = self.auditor.roster(&id) else {
                continue;
            };
            let former = roster.former_members();
            let is_former = |keys: &&MemberKeys| former.contains(&keys.id());
            let readers: Vec<&MemberKeys> = self.auditor.members().filter(is_former).collect();
            if readers.is_empty() {
                continue;
            }
            let stored = Rule::ShutsOut.check(self.relays[HOME].store.page(&id, 0, usize::MAX))?;
            let logs: BTreeSet<Log> = stored
                .iter()
                .filter_map(|placed| match &placed.item {
                    Item::Segment { segment, .. } => Some(segment.header.log),
                    _ => None,
                })
                .collect();
            let ranges = logs.iter().map(|log| LogRange {
                log: *log,
                from: 0,
                to: u64::MAX,
            });
            let asking = [
                ClientFrame::Inventory { channel: 0 },
                ClientFrame::Fetch {
                    channel: 0,
                    wanted: Box::new(Wanted {
                        logs: ranges.collect(),
                        snapshots: logs.iter().map(|log| log.document).collect(),
                        ..Wanted::default()
                    }),
                },
            ];
            let known = Position {
                incarnation: self.relays[HOME].store.incarnation(),
                index: 0,
            };
            let unknown = Position {
                incarnation: 0,
                index: 0,
            };
            for reader in readers {
                for since in [None, Some(known), Some(unknown)] {
                    let told = self.told_to(reader, &self.relays[HOME].store, id, since, &asking)?;
                    let leaks = |frame: &&RelayFrame| match frame {
                        RelayFrame::Inventory { part, .. } => {
                            !(part.logs.is_empty() && part.snapshots.is_empty())
                        }
                        RelayFrame::Segment { .. }
                        | RelayFrame::Snapshot { .. }
                        | RelayFrame::Piece { .. }
                        | RelayFrame::Receipt { .. }
                        | RelayFrame::Verdict { .. }
                        | RelayFrame::Whisper { .. } => true,
                        _ => false,
                    };
                    let leaked = told.iter().find(leaks);
                    Rule::ShutsOut.holds(leaked.is_none(), || {
                        format!("{:?} from {since:?}: {leaked:?}", reader.id())
                    })?;
                    let entries = told
                        .iter()
                        .filter(|f| matches!(f, RelayFrame::Entry { .. }))
                        .count();
                    Rule::ShutsOut.holds(entries == roster.len(), || {
                        format!("{:?} gets {entries} of {} entries", reader.id(), roster.len())
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Nobody opens what was written with a space's newest key but who is in the space.
    pub(crate) fn check_secrets(&mut self) -> Result<(), Broken> {
        for id in self.classrooms() {
            // Without anybody who could, no new key is made.
            let is_led =
                |room: &view::Classroom| room.id == id && room.role.is_staff() && !self.is_shut_out(room);
            if !self.tabs.values().any(|tab| tab.classrooms.values().any(is_led)) {
                continue;
            }
            for placed in Rule::IsItsLog.check(self.relays[HOME].store.page(&id, 0, usize::MAX))? {
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
    pub(crate) fn check_newcomer(&mut self, shown: &BTreeMap<PageKey, Shown>) -> Result<(), Broken> {
        let host = self.tabs.iter().find_map(|(number, tab)| {
            let mut classrooms = tab.classrooms.values();
            let classroom = classrooms.find(|room| room.role == Role::Lead && !self.is_shut_out(room))?;
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
