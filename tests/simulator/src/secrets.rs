//! Whoever holds which key, tried on everything that is sealed: nobody opens what was written in a space but who belonged to
//! it while the key was made or handed on.

use std::collections::{BTreeMap, BTreeSet};

use documents::change::Hash;
use protocol::bundle::{Event, Kind, Reader};
use protocol::invite::InviteLink;
use protocol::key::{EpochKey, KeyName};
use protocol::receipt::Receipt;
use protocol::roster::{Entry, Role, Roster};
use protocol::segment::Segment;
use protocol::snapshot::{Piece, Snapshot};
use protocol::{ClassroomId, EntryHash, ExchangeKey, PieceHash, SpaceId};
use replica::view;
use sync_server::store::{Item, Store as _};

use crate::auditor::keys_of;
use crate::broken::{Broken, Rule};
use crate::mischief::Mischief;
use crate::world::World;

/// A member, whether they still are one or never were, or whoever found a link.
struct Holder {
    who: String,
    exchange: ExchangeKey,
    keys: BTreeMap<KeyName, EpochKey>,
}

/// Something sealed that lies on a relay or a stick.
enum Sealed {
    Segment(Box<Segment>),
    Snapshot(Box<Snapshot>, Vec<Piece>),
    Receipt(Box<Receipt>),
}

/// What the roster said at any time: who could come by which key, and who was in which space.
#[derive(Default)]
struct Entitled {
    keys: BTreeMap<KeyName, BTreeSet<ExchangeKey>>,
    spaces: BTreeMap<SpaceId, BTreeSet<ExchangeKey>>,
}

impl World {
    /// Nobody outside a space opens a byte of it, wherever it lies: what is sealed with a key opens nobody but who was in the
    /// space, or held an open invite into it, when there was that key; and what is sealed with the newest only who is, unless
    /// nobody is left in it who could make another.
    pub(crate) fn check_secrets(&mut self) -> Result<(), Broken> {
        let lying = self.lying_about()?;
        for id in self.classrooms() {
            let Some(roster) = self.auditor.roster(&id) else {
                continue;
            };
            let mut holders = self.holders(&id, roster);
            let entitled = Entitled::ever(roster)?;
            let mut now = Entitled::default();
            now.add(roster);
            // Who leads or teaches makes keys for the spaces that they are in. Of a group in which nobody does nobody can.
            let makes_keys = |room: &view::Classroom, space: &SpaceId| {
                let mut members = room.members.iter();
                let is_inside = members.any(|member| member.me && roster.is_in_space(&member.id, space));
                room.id == id && room.role.is_staff() && is_inside && !self.is_shut_out(room)
            };
            let is_led = |space: &SpaceId| {
                let mut rooms = self.tabs.values().flat_map(|tab| tab.classrooms.values());
                rooms.any(|room| makes_keys(room, space))
            };
            let all: BTreeMap<KeyName, EpochKey> =
                holders.iter().flat_map(|holder| holder.keys.clone()).collect();
            if self.does(Mischief::MembersShareKeys) {
                holders.iter_mut().for_each(|holder| holder.keys = all.clone());
            }
            for sealed in lying.get(&id).into_iter().flatten() {
                let space = sealed.space();
                let Some(opening) = sealed.opened_by(&id, &all) else {
                    continue;
                };
                let is_newest = roster.current_key(&opening.space) == Some(opening) && is_led(&opening.space);
                for holder in holders.iter().filter(|holder| holder.keys.contains_key(&opening)) {
                    let may = opening.space == space
                        && entitled.has(&opening, holder)
                        && (!is_newest || now.has(&opening, holder));
                    let may_by_another_space = opening.space != space && entitled.was_in(&space, holder);
                    Rule::KeepsSecrets.holds(may || may_by_another_space, || {
                        format!("{} opens {} with {opening:?}", holder.who, sealed.describe())
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Everybody whose keys are known, with all epoch keys that they can come by.
    fn holders(&self, id: &ClassroomId, roster: &Roster) -> Vec<Holder> {
        let members = self.auditor.members().map(|member| Holder {
            who: format!("{:?}", member.id()),
            exchange: member.exchange_key(),
            keys: keys_of(roster, &member.exchange_key(), member.exchange_secret()),
        });
        let links = self.links.iter().filter_map(|link| {
            let link = InviteLink::parse(link)
                .ok()
                .filter(|link| link.classroom == *id)?;
            let keys = link.keys().ok()?;
            Some(Holder {
                who: format!("whoever has the link of {:?}", keys.id()),
                exchange: keys.exchange_key(),
                keys: keys_of(roster, &keys.exchange_key(), keys.exchange_secret()),
            })
        });
        members.chain(links).collect()
    }

    /// All that is sealed on relays and sticks, each once.
    fn lying_about(&self) -> Result<BTreeMap<ClassroomId, Vec<Sealed>>, Broken> {
        let mut seen: BTreeSet<Hash> = BTreeSet::new();
        let mut is_new = |bytes: &[u8]| seen.insert(Hash(*blake3::hash(bytes).as_bytes()));
        let mut lying: BTreeMap<ClassroomId, Vec<Sealed>> = BTreeMap::new();
        for relay in &self.relays {
            for id in Rule::IsItsLog.check(relay.store.classrooms())? {
                let here = lying.entry(id).or_default();
                for placed in Rule::IsItsLog.check(relay.store.page(&id, 0, usize::MAX))? {
                    match placed.item {
                        Item::Segment { segment, .. } => {
                            if is_new(&Rule::Speaks.check(segment.encode())?) {
                                here.push(Sealed::Segment(segment));
                            }
                        }
                        Item::Snapshot { bytes, .. } if is_new(&bytes) => {
                            let snapshot = Rule::Speaks.check(Snapshot::decode(&bytes))?;
                            let mut pieces = Vec::new();
                            for name in snapshot.pieces() {
                                let piece = Rule::IsItsLog.check(relay.store.piece(&id, name))?;
                                let piece = piece.map(Piece::decode).transpose();
                                pieces.extend(Rule::Speaks.check(piece)?);
                            }
                            here.push(Sealed::Snapshot(Box::new(snapshot), pieces));
                        }
                        Item::Receipt { bytes, .. } if is_new(&bytes) => {
                            let receipt = Rule::Speaks.check(Receipt::decode(&bytes))?;
                            here.push(Sealed::Receipt(Box::new(receipt)));
                        }
                        Item::Entry { .. }
                        | Item::Verdict { .. }
                        | Item::Snapshot { .. }
                        | Item::Receipt { .. } => {}
                    }
                }
            }
        }
        for stick in &self.sticks {
            let mut reader = Reader::new();
            reader.push(stick);
            let mut snapshots = Vec::new();
            let mut pieces: BTreeMap<PieceHash, Piece> = BTreeMap::new();
            for event in reader {
                let Event::Record {
                    classroom,
                    kind,
                    item,
                } = event
                else {
                    return Rule::Speaks.broken("a stick is damaged as it was written");
                };
                let here = lying.entry(classroom).or_default();
                match kind {
                    Kind::Segment if is_new(&item) => {
                        let segment = Rule::Speaks.check(Segment::decode(&item))?;
                        here.push(Sealed::Segment(Box::new(segment)));
                    }
                    Kind::Receipt if is_new(&item) => {
                        let receipt = Rule::Speaks.check(Receipt::decode(&item))?;
                        here.push(Sealed::Receipt(Box::new(receipt)));
                    }
                    Kind::Snapshot if is_new(&item) => {
                        snapshots.push((classroom, Rule::Speaks.check(Snapshot::decode(&item))?));
                    }
                    Kind::Piece => {
                        let piece = Rule::Speaks.check(Piece::decode(item))?;
                        pieces.insert(piece.hash(), piece);
                    }
                    _ => {}
                }
            }
            for (classroom, snapshot) in snapshots {
                let named = snapshot.pieces().iter();
                let pieces = named.filter_map(|name| pieces.get(name).cloned()).collect();
                let here = lying.entry(classroom).or_default();
                here.push(Sealed::Snapshot(Box::new(snapshot), pieces));
            }
        }
        Ok(lying)
    }
}

impl Sealed {
    fn space(&self) -> SpaceId {
        match self {
            Self::Segment(segment) => segment.header.space,
            Self::Snapshot(snapshot, _) => snapshot.header.space,
            Self::Receipt(receipt) => receipt.header.space,
        }
    }

    fn epoch(&self) -> u32 {
        match self {
            Self::Segment(segment) => segment.header.epoch,
            Self::Snapshot(snapshot, _) => snapshot.header.epoch,
            Self::Receipt(receipt) => receipt.header.epoch,
        }
    }

    fn opens(&self, classroom: &ClassroomId, key: &EpochKey) -> bool {
        match self {
            Self::Segment(segment) => segment.open(classroom, key).is_ok(),
            Self::Snapshot(snapshot, pieces) => snapshot.open(classroom, key, pieces).is_ok(),
            Self::Receipt(receipt) => receipt.open(classroom, key).is_ok(),
        }
    }

    /// The one of the keys that opens it: one that it says it is sealed with, or any other.
    fn opened_by(&self, classroom: &ClassroomId, keys: &BTreeMap<KeyName, EpochKey>) -> Option<KeyName> {
        let is_stated = |name: &KeyName| name.space == self.space() && name.epoch == self.epoch();
        let (stated, others): (Vec<_>, Vec<_>) = keys.iter().partition(|(name, _)| is_stated(name));
        let mut opening = stated
            .into_iter()
            .chain(others)
            .filter(|(_, key)| self.opens(classroom, key));
        opening.next().map(|(name, _)| *name)
    }

    fn describe(&self) -> String {
        match self {
            Self::Segment(segment) => format!("{:?}", segment.header),
            Self::Snapshot(snapshot, _) => format!("{:?}", snapshot.header),
            Self::Receipt(receipt) => format!("{:?}", receipt.header),
        }
    }
}

impl Entitled {
    /// What the author of each entry knew, and what is known now.
    fn ever(roster: &Roster) -> Result<Self, Broken> {
        let mut entitled = Self::default();
        entitled.add(roster);
        let mut pasts: BTreeMap<EntryHash, BTreeSet<EntryHash>> = BTreeMap::new();
        // The entries so far, and the roster of those.
        let mut so_far: Option<Roster> = None;
        let entries = roster.entries_in_order();
        for (count, entry) in entries.iter().enumerate() {
            let hash = entry.hash();
            let mut past: BTreeSet<EntryHash> = BTreeSet::from([hash]);
            for parent in entry.parents() {
                past.extend(pasts.get(parent).into_iter().flatten());
            }
            grow(&mut so_far, entry)?;
            if past.len() == count + 1 {
                so_far.iter().for_each(|roster| entitled.add(roster));
            } else {
                let mut known = None;
                for entry in entries.iter().filter(|entry| past.contains(&entry.hash())) {
                    grow(&mut known, entry)?;
                }
                known.iter().for_each(|roster| entitled.add(roster));
            }
            pasts.insert(hash, past);
        }
        Ok(entitled)
    }

    /// Takes in who is in which space, and who could come in, by one state of the roster.
    fn add(&mut self, roster: &Roster) {
        for space in roster.spaces() {
            let members = roster.space_members(&space).into_iter();
            let invites = roster.invites().into_iter();
            let invites = invites.filter(|invite| match space {
                // Those that ask first hold no keys.
                _ if invite.ask_first => false,
                SpaceId::EVERYONE => invite.role != Role::Carrier,
                SpaceId::STAFF => invite.role.is_staff(),
                _ => false,
            });
            let inside: BTreeSet<ExchangeKey> = members
                .map(|member| member.exchange)
                .chain(invites.map(|invite| invite.exchange))
                .collect();
            // What is void now is carried on with the rest, sooner or later.
            let left_behind = roster.keys_left_behind(&space);
            let mut keys = roster.keys_stated(&space);
            keys.retain(|key| !left_behind.contains(key));
            for key in keys {
                self.keys.entry(key).or_default().extend(&inside);
            }
            self.spaces.entry(space).or_default().extend(inside);
        }
    }

    fn has(&self, key: &KeyName, holder: &Holder) -> bool {
        let holders = self.keys.get(key);
        holders.is_some_and(|holders| holders.contains(&holder.exchange))
    }

    fn was_in(&self, space: &SpaceId, holder: &Holder) -> bool {
        let inside = self.spaces.get(space);
        inside.is_some_and(|inside| inside.contains(&holder.exchange))
    }
}

/// One entry more, parents first.
fn grow(roster: &mut Option<Roster>, entry: &Entry) -> Result<(), Broken> {
    match roster {
        Some(roster) => drop(Rule::ObeysRoster.check(roster.add(entry.clone()))?),
        None => *roster = Some(Rule::ObeysRoster.check(Roster::found(entry.clone()))?),
    }
    Ok(())
}
