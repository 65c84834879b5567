//! What is looked for in the end, and must hold.

use std::collections::{BTreeMap, BTreeSet};

use documents::change::Hash;
use documents::page::Page;
use documents::page::edit::{Block, Value};
use protocol::frame::{self, ClientFrame, Position, RelayFrame};
use protocol::identity::{MemberKeys, answer_challenge};
use protocol::inventory::{LogRange, Wanted};
use protocol::roster::{Action, Entry, Role, Roster};
use protocol::segment::{Log, Segment};
use protocol::{ClassroomId, EntryHash, SpaceId};
use replica::command::Command;
use replica::store::{AsideReason, Table};
use replica::view;
use sync_server::core::{Moment, Relay as Core, Sent};
use sync_server::store::{Item, Memory, Placed, Store as _};

use crate::broken::{Broken, Rule};
use crate::edits::words_in;
use crate::ending::{HOME, Shown, UNTIL_COMPARED};
use crate::mischief::Mischief;
use crate::perform::invitation;
use crate::tab::{PageKey, Tab, Then, Traffic};
use crate::world::{ORIGIN, World, segment_aside};

/// After so many seconds what is quiet was folded.
const UNTIL_FOLDED: usize = 40;

/// Why something may be kept aside for ever: its author was never allowed to write it.
const MAY_STAY: [u8; 2] = [AsideReason::NotMember as u8, AsideReason::WrongSpace as u8];

/// The same where somebody lost a right that they had: their author had lost it, or it follows on something like that.
const MAY_STAY_OF_FORMER: [u8; 3] = [
    AsideReason::NotAllowed as u8,
    AsideReason::OutOfOrder as u8,
    AsideReason::BeyondCutoff as u8,
];

impl World {
    /// Each change that was answered is in the history of its page, or kept aside; each word that nobody took out is in the
    /// text, once.
    pub(crate) fn check_edits(&mut self, shown: &BTreeMap<PageKey, Shown>) -> Result<(), Broken> {
        let mut there = BTreeMap::new();
        for (key, page) in shown {
            let text: Vec<String> = page.blocks.iter().map(Block::text).collect();
            let words = words_in(&text.join("\n"));
            let mut twice = words.iter().filter(|(_, times)| **times > 1);
            let is_single = twice.all(|(word, _)| self.may_be_twice(*key, word));
            Rule::DoublesNothing.holds(is_single, || format!("{text:?}"))?;
            there.insert(*key, words);
        }
        let promised: Vec<_> = self
            .edits
            .promised()
            .map(|(change, edit)| (*change, edit.clone()))
            .collect();
        for (change, edit) in promised {
            let (classroom, _) = edit.page;
            let pages = self.now_at(edit.page);
            let shown: Vec<_> = pages.iter().filter_map(|page| there.get(page)).collect();
            // What took the place of a page that was started anew holds its words, as other changes.
            let is_in_history = pages.len() > 1 || self.is_in_history(edit.page, &change);
            let has_word = || {
                let mut word = edit.word.iter();
                word.all(|word| {
                    self.edits.is_deleted(word) || shown.iter().any(|words| words.contains_key(word))
                })
            };
            let is_kept = match shown.first() {
                Some(_) if is_in_history && has_word() => true,
                // Nobody is left who could show it.
                None if self.is_on_a_relay(&classroom, &change)? => true,
                _ => {
                    // What came to the relay before its author was shut out is everybody's, if anybody is left there.
                    (!edit.on_relay || self.is_left_behind(&classroom, &change)?)
                        && (self.stays_on(edit.device, &classroom, &change)
                            || self.is_made_again_on(edit.device, &pages, edit.word.as_deref()))
                        || (0..self.devices.len()).any(|device| self.is_aside(device, &classroom, &change))
                }
            };
            Rule::LosesNothing.holds(is_kept, || {
                format!("{change}, in its page's history: {is_in_history}, {edit:?}")
            })?;
        }
        Ok(())
    }

    /// What was attached opens for everybody who reads its page, or what shows it that stands in its place.
    pub(crate) fn check_attached(&mut self, shown: &BTreeMap<PageKey, Shown>) -> Result<(), Broken> {
        let mut due = Vec::new();
        for (which, file) in self.attached.iter().enumerate() {
            let pages = self.now_at(file.page);
            let page = pages.iter().find(|page| {
                let shows =
                    |block: &Block| block.shape.attrs.get("src") == Some(&Value::Text(file.address.clone()));
                let shown = shown.get(page);
                shown.is_some_and(|shown| pages.len() == 1 || shown.blocks.iter().any(shows))
            });
            let Some(page) = page.copied().filter(|page| self.brings_chunks(file.device, page)) else {
                continue;
            };
            for (number, tab) in &self.tabs {
                let room = tab.classrooms.get(&page.0);
                if tab.listed().contains(&page) && room.is_some_and(|room| !self.is_shut_out(room)) {
                    due.push((*number, which, page, file.address.clone()));
                }
            }
        }
        for (number, which, (classroom, document), address) in due {
            let command = Command::Attachment {
                classroom,
                document,
                address,
            };
            self.looked_at.remove(&(number, which));
            self.ask(number, command, Then::Look(which))?;
            self.drain()?;
            let opens = self.looked_at.get(&(number, which)) == Some(&true);
            Rule::LosesNothing.holds(opens, || {
                let file = self.attached.get(which).map(|file| (file.device, file.page));
                format!("attachment {which} of {file:?} does not open in tab {number}")
            })?;
        }
        Ok(())
    }

    /// Whether what was attached on a device comes to the others: it was not put back to an older state, and its person may still
    /// bring it.
    fn brings_chunks(&self, device: usize, (classroom, document): &PageKey) -> bool {
        let tabs = self.tabs_of(device);
        let mut rooms = tabs
            .iter()
            .filter_map(|tab| self.tabs.get(tab)?.classrooms.get(classroom));
        !self.devices[device].was_put_back
            && rooms.any(|room| {
                let mut documents = room.documents.iter();
                !self.is_shut_out(room)
                    && room.role.may_write()
                    && documents.any(|shown| shown.id == *document && room.spaces.contains(&shown.space))
            })
    }

    /// Whether a page was started anew, by somebody of whose profile there are copies, or with something unsent of such a person:
    /// copies that can't know of each other each make again what was unsent, and carry over what came in.
    fn may_be_twice(&self, (_, document): PageKey, word: &str) -> bool {
        let mut pages = vec![document];
        let mut authors = BTreeSet::new();
        let mut at = 0;
        while let Some(&page) = pages.get(at) {
            for entry in &self.erasings {
                if let Action::Erase { document, successor } = entry.action()
                    && *successor == page
                {
                    authors.insert(entry.author());
                    if !pages.contains(document) {
                        pages.push(*document);
                    }
                }
            }
            at += 1;
        }
        let wrote = self
            .edits
            .device_of(word)
            .map(|device| self.devices[device].person);
        let is_by = |person: usize| {
            let mut tabs = self.tabs.values();
            wrote == Some(person)
                || tabs.any(|tab| {
                    let me = tab.home.as_ref().and_then(|home| home.me);
                    self.devices[tab.device].person == person && me.is_some_and(|me| authors.contains(&me))
                })
        };
        !authors.is_empty() && self.copied().any(is_by)
    }

    /// Of whose profile there are copies: on several devices, or put back from a backup.
    fn copied(&self) -> impl Iterator<Item = usize> {
        let devices = self.devices.iter().enumerate();
        let copied = devices.filter(|(number, device)| {
            let mut others = self.devices[..*number].iter();
            device.was_put_back || others.any(|other| other.person == device.person)
        });
        copied.map(|(_, device)| device.person)
    }

    /// Whether those who belong to a page's classroom have a change in it; all have the same by now.
    fn is_in_history(&self, page: PageKey, change: &Hash) -> bool {
        let mut tabs = self.tabs.values();
        tabs.any(|tab| {
            let room = tab.classrooms.get(&page.0);
            let document = tab.pages.get(&page).map(Page::document);
            room.is_some_and(|room| !self.is_shut_out(room))
                && document.is_some_and(|document| document.has_all(&document.newest(), &[*change]))
        })
    }

    /// A page, and those that it was started anew as: two leads who do that apart make two.
    fn now_at(&self, (classroom, document): PageKey) -> Vec<PageKey> {
        let roster = self.auditor.roster(&classroom);
        let entries = roster.map(Roster::entries_in_order).unwrap_or_default();
        let mut pages = vec![(classroom, document)];
        let mut at = 0;
        while let Some(&(_, page)) = pages.get(at) {
            // Of two leads' entries neither of which follows on the other that for the later page may stand first.
            for entry in &entries {
                if let Action::Erase { document, successor } = entry.action()
                    && *document == page
                    && !pages.contains(&(classroom, *successor))
                {
                    pages.push((classroom, *successor));
                }
            }
            at += 1;
        }
        pages
    }

    /// Whether a change is in the store of a device whose person is shut out, of the classroom or of the space.
    fn stays_on(&mut self, device: usize, classroom: &ClassroomId, change: &Hash) -> bool {
        let is_out = self.is_device_shut_out(device, classroom);
        let rows = self.devices[device].store.table(Table::Segments);
        let mut own = rows
            .filter(|(key, _)| key.starts_with(&classroom.0))
            .filter_map(|(_, row)| Segment::decode(row).ok());
        own.any(|segment| {
            let header = &segment.header;
            let is_out_of_space = self
                .auditor
                .roster(classroom)
                .is_some_and(|roster| !roster.is_in_space(&header.log.member, &header.space));
            (is_out || is_out_of_space) && self.auditor.changes(classroom, &segment).contains(change)
        })
    }

    /// Whether a device whose person is shut out of the classroom shows a word in what a page was started anew as: made again
    /// there, it is another change.
    fn is_made_again_on(&self, device: usize, pages: &[PageKey], word: Option<&str>) -> bool {
        let successors = pages.iter().skip(1);
        let mut here = successors.filter(|(classroom, _)| self.is_device_shut_out(device, classroom));
        here.any(|page| {
            let tabs = self.tabs_of(device);
            let mut texts = tabs.iter().filter_map(|tab| self.tabs.get(tab)?.text(page));
            texts.any(|text| word.is_none_or(|word| words_in(&text).contains_key(word)))
        })
    }

    /// Honest devices never fork a log and keys reach everybody, if any who has them is left, so what waited was applied. Which of
    /// what copies of a profile wrote at once was carried over when a page was erased they can't tell for sure, and keep it.
    pub(crate) fn check_aside(&self) -> Result<(), Broken> {
        let is_copied = self.copied().next().is_some();
        for (number, device) in self.devices.iter().enumerate() {
            let rows = device.store.table(Table::Aside);
            // A version, and the reason.
            let may_stay = |(key, row): &(&Vec<u8>, &Vec<u8>)| {
                row.get(1).is_some_and(|reason| {
                    MAY_STAY.contains(reason)
                        || MAY_STAY_OF_FORMER.contains(reason) && self.has_taken_rights(key)
                        || is_copied && *reason == AsideReason::Erased as u8
                        // What several tabs did to the roster at once makes no sense twice.
                        || *reason == AsideReason::NotAllowed as u8 && segment_aside(row).is_none()
                })
            };
            let mut aside = rows.filter(|row| !may_stay(row));
            // Who carries a file for others can't open what is of spaces that they are not in, nor get what it follows on.
            let is_others = |room: &view::Classroom, row: &[u8]| {
                let closed = [AsideReason::UnknownKey as u8, AsideReason::OutOfOrder as u8];
                let is_closed = row.get(1).is_some_and(|reason| closed.contains(reason));
                is_closed && segment_aside(row).is_some_and(|item| !room.spaces.contains(&item.header.space))
            };
            let is_nobodys = |room: &view::Classroom, row: &[u8]| {
                let is_closed = row.get(1) == Some(&(AsideReason::UnknownKey as u8));
                let opens = |item: &Segment| {
                    let mut keys = self.keys_left(&room.id).into_iter();
                    keys.any(|key| item.open(&room.id, &key).is_ok())
                };
                is_closed && segment_aside(row).is_some_and(|item| !opens(&item))
            };
            let is_kept = aside.any(|(key, row)| {
                let mut rooms = self
                    .tabs_of(number)
                    .into_iter()
                    .filter_map(|tab| self.tabs.get(&tab));
                rooms.all(|tab| {
                    let mut rooms = tab.classrooms.values();
                    rooms.any(|room| {
                        key.starts_with(&room.id.0)
                            && !self.is_shut_out(room)
                            && !is_others(room, row)
                            && !is_nobodys(room, row)
                    })
                })
            });
            Rule::KeepsAsideNothing.holds(!is_kept, || {
                let rows = device.store.table(Table::Aside);
                let reasons: Vec<_> = rows.map(|(_, row)| row.get(1).copied()).collect();
                format!("device {number}, for the reasons {reasons:?}")
            })?;
        }
        Ok(())
    }

    /// Whether in the classroom that a row of a store is of somebody was removed, left, or was given another role.
    fn has_taken_rights(&self, key: &[u8]) -> bool {
        let id = key.get(..32).and_then(|id| <[u8; 32]>::try_from(id).ok());
        let roster = id.and_then(|id| self.auditor.roster(&ClassroomId(id)));
        let entries = roster.map(Roster::entries_in_order).unwrap_or_default();
        let mut actions = entries.into_iter().map(Entry::action);
        actions.any(|action| matches!(action, Action::Remove { .. } | Action::ChangeRole { .. }))
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
                if self.is_device_shut_out(device, &classroom) || self.waits_too_long(device, &classroom) {
                    continue;
                }
                let stored = Rule::IsItsLog.check(self.relays[HOME].store.entries(&classroom))?;
                let on_relay: BTreeSet<Vec<u8>> = stored
                    .iter()
                    .filter_map(|(_, bytes)| Some(Entry::decode(bytes).ok()?.hash().0.to_vec()))
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

    /// Whether this device's person has asked to be let in, and the invite does not last any more: until they are let in they are
    /// told nothing.
    fn waits_too_long(&self, device: usize, classroom: &ClassroomId) -> bool {
        let Some(roster) = self.auditor.roster(classroom) else {
            return false;
        };
        let now = self.relays[HOME].moment(self.now).clock;
        let lasts = |invite: &EntryHash| {
            let invite = roster.invite_by(invite);
            invite.is_some_and(|invite| {
                !invite.ended && invite.expires > now && invite.used < invite.uses as usize
            })
        };
        let tabs = self.tabs_of(device).into_iter();
        tabs.filter_map(|tab| self.tabs.get(&tab)?.home.as_ref())
            .any(|home| {
                let waits = home.waiting.iter().any(|waiting| waiting.id == *classroom);
                let mut entries = roster.entries_in_order().into_iter();
                let may_hear = entries.any(|entry| match entry.action() {
                    Action::Request { invite, .. } => Some(entry.author()) == home.me && lasts(invite),
                    _ => false,
                });
                let is_in = home.me.is_some_and(|me| roster.member(&me).is_some());
                waits && !is_in && !may_hear
            })
    }

    /// A fresh inventory exchange finds nothing to send, either way.
    pub(crate) fn check_nothing_to_send(&mut self) -> Result<(), Broken> {
        self.settle(UNTIL_FOLDED)?;
        if self.does(Mischief::RelayLosesBeneath) {
            let store = &self.relays[HOME].store;
            store.rewind(store.batches().saturating_sub(1));
        }
        self.check_running()?;
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

    /// What each relay says, as it has been running all along, one that is started on its store says as well: nothing that it
    /// has at hand went wrong meanwhile.
    fn check_running(&mut self) -> Result<(), Broken> {
        let now = self.now;
        let asking = [ClientFrame::Inventory { channel: 0 }];
        for id in self.classrooms() {
            for relay in &mut self.relays {
                let Some(roster) = self.auditor.roster(&id) else {
                    continue;
                };
                let beginning = Position {
                    incarnation: relay.store.incarnation(),
                    index: 0,
                };
                let (mut fresh, now) = (relay.again_on(&relay.store), relay.moment(now));
                for reader in self.auditor.members() {
                    if roster.member(&reader.id()).is_none() {
                        continue;
                    }
                    let told = |core| told_by(core, reader, id, Some(beginning), &asking, now).map(sorted);
                    let (running, fresh) = (told(&mut relay.core)?, told(&mut fresh)?);
                    Rule::IsItsLog.holds(running == fresh, || {
                        format!("it says {running:?}, and started anew {fresh:?}")
                    })?;
                }
            }
        }
        Ok(())
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
            if self.relays[HOME].is_left(&id) {
                // It knows none of those who joined elsewhere, and serves nobody.
                continue;
            }
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
            let mut core = self.relays[HOME].again_on(&again);
            let now = self.relays[HOME].moment(self.now);
            let told = told_by(&mut core, reader, id, Some(beginning), &[], now)?;
            let served = told.iter().filter(|frame| is_item(frame)).count();
            Rule::IsItsLog.holds(served == readable, || {
                format!("{served} of {readable} items were served")
            })?;
        }
        Ok(())
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
            // A relay from which all whom it knew have left takes nothing any more of what others have.
            let is_entry = |placed: &&Placed| matches!(placed.item, Item::Entry { .. });
            let entries_here = stored.iter().filter(is_entry).count();
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
                    let relay = &self.relays[HOME];
                    let mut core = relay.again_on(&relay.store);
                    let told = told_by(&mut core, reader, id, since, &asking, relay.moment(self.now))?;
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
                    // Nor does it hear of who joined at another relay: they are strangers to it, and get nothing at all.
                    let due = if relay.is_left(&id) && !relay.knows_as_former(&id, &reader.id()) {
                        0
                    } else {
                        entries_here
                    };
                    Rule::ShutsOut.holds(entries == due, || {
                        format!("{:?} gets {entries} of {due} entries", reader.id())
                    })?;
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
            // An invite of somebody whose clock is far behind the relay's has expired.
            let ahead = self.relays[HOME].ahead * 1000;
            (self.devices[tab.device].ahead >= ahead).then_some((*number, classroom.id))
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
        self.newcomer = Some(self.devices.len());
        self.people.push(self.devices.len());
        self.devices.push(device);
        let newcomer = self.people.len() - 1;
        self.join(newcomer, links)?;
        let after = self.until_equal().or_else(|broken| match broken.rule {
            Rule::Agrees | Rule::ComesToRest => Rule::Welcomes.broken(broken.what),
            _ => Err(broken),
        })?;
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

/// What a relay tells somebody who opens a classroom from a position on, and asks for things then.
fn told_by(
    core: &mut Core,
    reader: &MemberKeys,
    classroom: ClassroomId,
    since: Option<Position>,
    asking: &[ClientFrame],
    now: Moment,
) -> Result<Vec<RelayFrame>, Broken> {
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
    core.disconnect(session);
    Ok(told)
}

/// What was told of a classroom, and then its inventory: they may come in turns. What is asked of whoever listens, or is
/// whispered, says nothing about it.
fn sorted(told: Vec<RelayFrame>) -> (Vec<RelayFrame>, Vec<RelayFrame>) {
    told.into_iter()
        .filter(|frame| {
            !matches!(
                frame,
                RelayFrame::WantSnapshot { .. } | RelayFrame::Whisper { .. }
            )
        })
        .partition(|frame| !matches!(frame, RelayFrame::Inventory { .. }))
}
