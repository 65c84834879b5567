//! Asking to be let in: somebody follows an invite that makes them ask first, waits, and is let in or not.

use documents::classroom::Profile as DocumentProfile;
use protocol::bounded;
use protocol::identity::InviteKeys;
use protocol::invite::InviteLink;
use protocol::key::{open_note, seal_note};
use protocol::rand_core::CryptoRng;
use protocol::roster::Entry;
use protocol::segment::Log;
use protocol::{ClassroomId, SchoolId};

use crate::command::{Answer, Problem, Profile};
use crate::join::{random, school_of, store_classroom};
use crate::own_document::OwnDocument;
use crate::store::{self, Asked, Table};
use crate::writes::After;
use crate::{Error, Replica};

impl<R: CryptoRng> Replica<R> {
    /// Asks to be let in. What this person says of themselves is sealed to who made the invite.
    pub(crate) fn ask_to_join(
        &mut self,
        request: u32,
        link: &InviteLink,
        keys: &InviteKeys,
        profile: &Profile,
    ) -> Result<(), Problem> {
        let id = link.classroom;
        let me = self.me.as_ref().ok_or(Problem::Internal)?;
        let classroom = self.classrooms.get_mut(&id).ok_or(Problem::NeedsConnection)?;
        let roster = &classroom.roster;
        let invite = roster.invite(&keys.id()).ok_or(Problem::InviteUnknown)?;
        let inviter = roster.member(&invite.author).ok_or(Problem::InviteUnknown)?;
        // Which schools there are can't be read yet.
        let school = invite.school.unwrap_or_else(|| SchoolId(random(&mut self.rng)));
        let note = bounded::encode("note", profile)
            .and_then(|words| seal_note(&words, &inviter.exchange, &mut self.rng))
            .map_err(|_| Problem::Internal)?;
        let parents = roster.heads_after(&invite.entry);
        let entry =
            Entry::request(&me.keys, id, parents, keys, invite.entry, school, note).map_err(|error| {
                match error {
                    protocol::Error::TooLarge { .. } => Problem::BadName,
                    _ => Problem::Internal,
                }
            })?;
        classroom
            .roster
            .add(entry.clone())
            .map_err(|_| Problem::NotAllowed)?;
        let asked = Asked {
            request: entry.hash(),
            profile: profile.clone(),
        };
        self.writes
            .next()
            .put(Table::Classrooms, store::asked_key(&id), &asked)
            .map_err(|_| Problem::Internal)?;
        classroom.asked = Some(asked);
        classroom.since = None;
        self.come_in(link, &entry)
            .and_then(|()| self.note_since(&id))
            .map_err(|_| Problem::Internal)?;
        self.writes.then(After::Answer(request, Answer::Classroom(id)));
        Ok(())
    }

    /// Whoever was let in says who they are, as soon as the classroom's own document is here.
    pub(crate) fn settle_asked(&mut self, id: &ClassroomId) -> Result<(), Error> {
        let seconds = self.seconds();
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get(id)) else {
            return Ok(());
        };
        if classroom.asked.is_none() || classroom.roster.member(&me.keys.id()).is_none() {
            return Ok(());
        }
        if classroom.entries.is_empty() {
            self.needs_no_invite(id)?;
        }
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return Ok(());
        };
        let is_here = classroom.own_document().is_some_and(OwnDocument::is_present);
        let Some(member) = classroom.roster.member(&me.keys.id()) else {
            return Ok(());
        };
        let Some(asked) = classroom.asked.take_if(|_| is_here) else {
            return Ok(());
        };
        self.writes.next().delete(Table::Classrooms, store::asked_key(id));
        let log = Log {
            document: classroom.roster.document(),
            member: member.id,
            lane: self.lane,
        };
        if !member.role.may_write() {
            classroom.record.guest = Some(asked.profile.name.trim().to_owned());
            return store_classroom(self.writes.next(), classroom);
        }
        let shown = DocumentProfile {
            name: asked.profile.name.clone(),
            school: member.school.0,
        };
        let change = classroom.edit_own_document(log.actor(), seconds, |own| {
            if !own.schools().contains_key(&member.school.0) {
                own.set_school(member.school.0, &school_of(&asked.profile))?;
            }
            own.set_profile(member.id.0, &shown)
        })?;
        if let Some(change) = change {
            self.touched(id, &log.document);
            self.seal(id, log, &[change])?;
        }
        Ok(())
    }

    /// A guest who may write by now says who they are where the others read it.
    pub(crate) fn write_guest_name(&mut self, id: &ClassroomId) -> Result<(), Error> {
        let seconds = self.seconds();
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return Ok(());
        };
        let log = Log {
            document: classroom.roster.document(),
            member: me.keys.id(),
            lane: self.lane,
        };
        let Some(member) = classroom.roster.member(&log.member) else {
            return Ok(());
        };
        let is_here = classroom.own_document().is_some_and(OwnDocument::is_present);
        if !is_here || classroom.check_writer(&log.member, &log.document).is_err() {
            return Ok(());
        }
        let Some(name) = classroom.record.guest.take() else {
            return Ok(());
        };
        store_classroom(self.writes.next(), classroom)?;
        let is_known = classroom
            .own_document()
            .is_some_and(|own| own.read().profiles.contains_key(&member.id.0));
        if is_known {
            return Ok(());
        }
        let shown = DocumentProfile {
            name,
            school: member.school.0,
        };
        let change =
            classroom.edit_own_document(log.actor(), seconds, |own| own.set_profile(member.id.0, &shown));
        // A name that nobody could have joined with is none.
        if let Ok(Some(change)) = change {
            self.touched(id, &log.document);
            self.seal(id, log, &[change])?;
        }
        Ok(())
    }

    /// Reads what those say of themselves who ask this person to be let in.
    pub(crate) fn read_notes(&mut self, id: &ClassroomId) {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return;
        };
        let member = me.keys.id();
        for request in classroom.roster.requests() {
            if classroom.notes.contains_key(&request.entry) {
                continue;
            }
            let opened = (request.inviter == member)
                .then(|| open_note(request.note, me.keys.exchange_secret(), &me.keys.exchange_key()).ok())
                .flatten();
            let profile = opened.and_then(|words| bounded::decode::<Profile>("note", &words).ok());
            classroom.notes.insert(request.entry, profile);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::written;

    #[test]
    fn a_note_says_what_it_said_at_first() {
        let profile = Profile {
            name: "Zoë".to_owned(),
            school: "Escola do Rio".to_owned(),
            country: "PT".to_owned(),
            time_zone: "Europe/Lisbon".to_owned(),
        };
        let words = bounded::encode("note", &profile).unwrap();
        assert_eq!(written("note", &words), words);
        assert_eq!(bounded::decode::<Profile>("note", &words), Ok(profile));
    }
}
