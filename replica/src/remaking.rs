//! Own entries whose new keys leave out somebody whom the relay knows by now: they are made again for all who are here, and
//! so is what was built on them. What was built on an own erasing that is given up is made again as well. Nothing else names
//! them, see [`Classroom::sealing`]. What another tab built on them is made again by that one, for it has them, too; if it was
//! gone before, by whoever finds that in the store.

use std::collections::BTreeSet;

use protocol::rand_core::CryptoRng;
use protocol::roster::{Action, Entry, Roster};
use protocol::{ClassroomId, DocumentId, EntryHash, MemberId, SpaceId};

use crate::classroom::Classroom;
use crate::command::Problem;
use crate::incoming::EntrySource;
use crate::store::{self, AsideReason, Table};
use crate::{Error, Replica};

impl<R: CryptoRng> Replica<R> {
    /// Takes an unsent entry, and those that descend from it, out of the roster and does again what they did.
    pub(crate) fn make_again(&mut self, id: &ClassroomId, hash: EntryHash) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        match classroom.undo(hash)? {
            Some(undone) => self.do_all_again(id, &undone),
            None => Ok(()),
        }
    }

    /// Does again what a tab that is gone has built on what was given up, and left in the store.
    pub(crate) fn make_orphans_again(&mut self, id: &ClassroomId) -> Result<(), Error> {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return Ok(());
        };
        let mut gone = classroom.given_up.clone();
        // Another relay may have had it.
        gone.retain(|hash| classroom.roster.entry(hash).is_none());
        let orphans = classroom.take_waiting_on(&mut gone, me.keys.id());
        self.do_all_again(id, &orphans)
    }

    fn do_all_again(&mut self, id: &ClassroomId, undone: &[Entry]) -> Result<(), Error> {
        for entry in undone {
            let hash = entry.hash();
            let batch = self.writes.next();
            batch.delete(Table::Entries, store::entry_key(id, &hash));
            batch.put(Table::Classrooms, store::given_up_key(id, &hash), &())?;
            if let Some(classroom) = self.classrooms.get_mut(id) {
                classroom.given_up.insert(hash);
            }
        }
        for entry in undone {
            if self.do_again(id, entry.action(), undone).is_err() {
                // It does not make sense any more.
                self.keep_aside(id, AsideReason::NotAllowed, entry.encode()?)?;
            }
        }
        Ok(())
    }

    fn is_erased(&self, id: &ClassroomId, document: &DocumentId) -> bool {
        let classroom = self.classrooms.get(id);
        classroom.is_some_and(|classroom| classroom.roster.erased(document).is_some())
    }

    fn do_again(&mut self, id: &ClassroomId, action: &Action, undone: &[Entry]) -> Result<(), Problem> {
        match action {
            Action::Remove { members, .. } => {
                let members: Vec<_> = members.iter().map(|removal| removal.member).collect();
                self.remove_all(id, &members)
            }
            // What takes rights says this anew.
            Action::Extend { .. } => Ok(()),
            Action::ChangeRole { member, role, .. } => self.change_role(id, *member, *role).map(drop),
            Action::PlaceInvite { invite, school } => {
                let key = undone.iter().find_map(|entry| match entry.action() {
                    Action::Invite { key, .. } | Action::AskInvite { key, .. } if entry.hash() == *invite => {
                        Some(*key)
                    }
                    _ => None,
                });
                let made_again =
                    key.and_then(|key| Some(self.classrooms.get(id)?.roster.invite(&key)?.entry));
                let (invite, school) = (made_again.unwrap_or(*invite), *school);
                self.act(id, Action::PlaceInvite { invite, school })
            }
            Action::EndInvite { invite, .. } => self.end_invite(id, *invite),
            Action::Approve { request, .. } => self.approve(id, *request),
            Action::Rotate { rotations } => {
                let spaces: Vec<SpaceId> = rotations.iter().map(|rotation| rotation.space).collect();
                self.rotate(id, spaces)
            }
            // Given up: another one stands, and the relay takes none besides.
            Action::Erase { document, .. } if self.is_erased(id, document) => Ok(()),
            Action::NewSpace { first, .. } if first.space == SpaceId::STAFF => self.new_staff(id),
            Action::NewSpace { members, first } => {
                // Its name follows from its key, and may be in the list of documents already.
                let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
                let me = &self.me.as_ref().ok_or(Problem::NotAllowed)?.keys;
                let open = || {
                    // The roster never held it here, if another tab made it.
                    let sealed = first.sealed_for(&me.exchange_key())?;
                    sealed.open(me.exchange_secret(), &me.exchange_key()).ok()
                };
                let known = classroom.keys.get(&first.name()).cloned();
                let key = known.or_else(open).ok_or(Problem::NotAllowed)?;
                self.make_space(id, first.space, members, &key)
            }
            _ => {
                let mut action = action.clone();
                if let (Action::Invite { keys, .. }, Some(classroom)) = (&mut action, self.classrooms.get(id))
                {
                    // Its link is out already. The keys that were made again are sealed to it with them.
                    keys.retain(|key| classroom.roster.keys_in(&key.space).contains(&key.name()));
                }
                self.act(id, action)
            }
        }
    }
}

impl Classroom {
    /// The roster without an unsent entry and those that descend from it, and which those were, parents first. `None` if the
    /// relay has one of them.
    fn undo(&mut self, hash: EntryHash) -> Result<Option<Vec<Entry>>, Error> {
        let mut gone: BTreeSet<EntryHash> = BTreeSet::from([hash]);
        let (mut kept, mut undone) = (Vec::new(), Vec::new());
        for entry in self.roster.entries_in_order() {
            let name = entry.hash();
            if name == hash || entry.parents().iter().any(|parent| gone.contains(parent)) {
                gone.insert(name);
                undone.push(entry.clone());
            } else {
                kept.push(entry.clone());
            }
        }
        if !gone.iter().all(|name| self.entries.contains_key(name)) || kept.is_empty() {
            return Ok(None);
        }
        // What another tab built on them may wait for other entries as well.
        if let Some(author) = undone.first().map(Entry::author) {
            undone.extend(self.take_waiting_on(&mut gone, author));
        }
        let mut kept = kept.into_iter();
        let founding = kept.next().ok_or(protocol::Error::Malformed("roster"))?;
        let mut roster = Roster::found(founding)?;
        for entry in kept {
            roster.add(entry)?;
        }
        self.roster = roster;
        self.entries.retain(|name, _| !gone.contains(name));
        self.roster_grew();
        Ok(Some(undone))
    }

    /// Those of `author` that wait for entries that are `gone`, and for each other; no relay has them.
    fn take_waiting_on(&mut self, gone: &mut BTreeSet<EntryHash>, author: MemberId) -> Vec<Entry> {
        let mut taken = Vec::new();
        while let Some(place) = self.waiting.iter().position(|(entry, source)| {
            *source != EntrySource::Relay
                && entry.author() == author
                && entry.parents().iter().any(|parent| gone.contains(parent))
        }) {
            let (entry, _) = self.waiting.swap_remove(place);
            gone.insert(entry.hash());
            taken.push(entry);
        }
        taken
    }
}
