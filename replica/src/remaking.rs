//! Own entries whose new keys leave out somebody whom the relay knows by now: they are made again for all who are here, and
//! so is what was built on them. What was built on an own erasing that is given up is made again as well. Nothing else names
//! them, see [`Classroom::sealing`].

use std::collections::BTreeSet;

use protocol::rand_core::CryptoRng;
use protocol::roster::{Action, Entry, Roster};
use protocol::{ClassroomId, DocumentId, EntryHash, SpaceId};

use crate::classroom::Classroom;
use crate::command::Problem;
use crate::store::{self, AsideReason, Table};
use crate::{Error, Replica};

impl<R: CryptoRng> Replica<R> {
    /// Takes an unsent entry, and those that descend from it, out of the roster and does again what they did.
    pub(crate) fn make_again(&mut self, id: &ClassroomId, hash: EntryHash) -> Result<(), Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let Some(undone) = classroom.undo(hash)? else {
            return Ok(());
        };
        for entry in &undone {
            self.writes
                .next()
                .delete(Table::Entries, store::entry_key(id, &entry.hash()));
        }
        for entry in &undone {
            if self.do_again(id, entry.action(), &undone).is_err() {
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
                let key = classroom.keys.get(&first.name()).ok_or(Problem::NotAllowed)?;
                self.make_space(id, first.space, members, &key.clone())
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
        let author = undone.first().map(Entry::author);
        while let Some(place) = self.waiting.iter().position(|(entry, _)| {
            Some(entry.author()) == author && entry.parents().iter().any(|parent| gone.contains(parent))
        }) {
            let (entry, _) = self.waiting.swap_remove(place);
            gone.insert(entry.hash());
            undone.push(entry);
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
}
