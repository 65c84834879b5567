//! What may be stored: the rules that need to know what came before.

use protocol::roster::{Action, Added, Entry, Role, Roster};
use protocol::segment::Segment;
use protocol::{EntryHash, MemberId, Refusal, SegmentHash};

use super::batch::Pending;
use crate::Error;
use crate::store::Store;

/// What becomes of a submission that is not refused.
pub(super) enum Decision {
    Store,
    Held,
}

impl Pending {
    pub(super) fn judge_entry(
        &mut self,
        entry: &Entry,
        submitter: &MemberId,
        now: u64,
    ) -> Result<Decision, Refusal> {
        let hash = entry.hash();
        let is_founding = hash.0 == self.classroom.id().0;
        if self.last == 0 {
            // The only entry that a roster of a classroom without items has.
            return if is_founding {
                Ok(Decision::Store)
            } else {
                Err(Refusal::UnknownClassroom)
            };
        }
        if self.roster().knows(&[hash]) {
            return Ok(Decision::Held);
        }
        let is_member = self.roster().member(submitter).is_some();
        if let Action::Admit { invite, .. } = entry.action() {
            check_invite(self.roster(), invite, now)?;
            if !is_member && entry.author() != *submitter {
                return Err(Refusal::NotAMember);
            }
        } else if !is_member {
            return Err(Refusal::NotAMember);
        }
        match self.roster_mut().add(entry.clone()) {
            Ok(Added::New) => Ok(Decision::Store),
            Ok(Added::Known) => Ok(Decision::Held),
            Err(error) => Err(refusal_of(&error)),
        }
    }

    pub(super) fn judge_segment(
        &mut self,
        segment: &Segment,
        hash: SegmentHash,
        submitter: &MemberId,
        store: &dyn Store,
    ) -> Result<Decision, Refusal> {
        let header = &segment.header;
        if self.last == 0 {
            return Err(Refusal::UnknownClassroom);
        }
        let roster = self.roster();
        if roster.member(submitter).is_none() {
            return Err(Refusal::NotAMember);
        }
        if !roster.knows(&header.roster) {
            return Err(Refusal::UnknownParent);
        }
        let role = self.classroom.role_at(roster, &header.log.member, &header.roster);
        check_author(role)?;
        check_space(segment, self.roster())?;
        let id = *self.classroom.id();
        let tail = match self.tails.get(&header.log) {
            Some(tail) => *tail,
            None => {
                let tail = store.tail(&id, &header.log).map_err(|error| storage(&error))?;
                self.tails.insert(header.log, tail);
                tail
            }
        };
        let next = tail.map_or(0, |tail| tail.index + 1);
        if header.first > next {
            return Err(Refusal::IndexGap);
        }
        if header.first < next {
            let held = match self.segments.get(&(header.log, header.first)) {
                Some(held) => Some(*held),
                None => store
                    .segment(&id, &header.log, header.first)
                    .map_err(|error| storage(&error))?,
            };
            return if held == Some(hash) {
                Ok(Decision::Held)
            } else {
                Err(Refusal::Fork)
            };
        }
        if segment.previous != tail.map_or(SegmentHash::NONE, |tail| tail.hash) {
            return Err(Refusal::Fork);
        }
        Ok(Decision::Store)
    }
}

/// Whether an invite still lets somebody in, as far as this relay knows.
pub(crate) fn check_invite(roster: &Roster, invite: &EntryHash, now: u64) -> Result<(), Refusal> {
    let Some(Action::Invite { uses, expires, .. }) = roster.entry(invite).map(Entry::action) else {
        return Err(Refusal::UnknownInvite);
    };
    if *expires <= now {
        return Err(Refusal::InviteExpired);
    }
    if roster.uses_of(invite) >= *uses as usize {
        return Err(Refusal::InviteUsedUp);
    }
    Ok(())
}

/// Whether somebody with this role may write segments.
pub(crate) fn check_author(role: Option<Role>) -> Result<(), Refusal> {
    match role {
        Some(role) if role.may_write() => Ok(()),
        Some(_) => Err(Refusal::NotAllowed),
        None => Err(Refusal::NotAMember),
    }
}

/// Whether a segment's space and epoch are there.
pub(crate) fn check_space(segment: &Segment, roster: &Roster) -> Result<(), Refusal> {
    let header = &segment.header;
    let keys = roster.keys_in(&header.space);
    if keys.is_empty() {
        return Err(Refusal::WrongSpace);
    }
    if keys.iter().all(|key| key.epoch != header.epoch) {
        return Err(Refusal::WrongEpoch);
    }
    Ok(())
}

/// The reason to give for what `protocol` did not accept.
pub(crate) fn refusal_of(error: &protocol::Error) -> Refusal {
    match error {
        protocol::Error::UnsupportedVersion { .. } => Refusal::UnsupportedVersion,
        protocol::Error::TooLarge { .. } => Refusal::TooLarge,
        protocol::Error::BadSignature(_) => Refusal::BadSignature,
        protocol::Error::MissingParent(_) => Refusal::UnknownParent,
        protocol::Error::NotAllowed(_) => Refusal::NotAllowed,
        _ => Refusal::Malformed,
    }
}

pub(crate) fn storage(error: &Error) -> Refusal {
    tracing::error!(error = error as &dyn std::error::Error, "the store failed");
    Refusal::Storage
}
