//! What may be stored: the rules that need to know what came before. Whatever an item is, its author's rights are
//! judged by the roster, and who submits it must belong to the classroom: members bring back what others wrote, and so
//! heal a relay that lost something.

mod chunks;
mod extras;
mod folds;
mod segments;
mod tidy;

use protocol::mischief::{Mischief, does};
use protocol::roster::{Action, Added, Entry, Roster, Unfit};
use protocol::segment::{Header, Log};
use protocol::{DocumentId, EntryHash, Refusal};

pub(super) use chunks::{check_chunk, whole_chunk};
pub(super) use segments::check_kind;
pub(super) use tidy::holds_what_is_gone;

use super::access::Bringer;
use super::batch::{Pending, Submitter};
use crate::Error;
use crate::settings::Limits;
use crate::store::{Change, Store};

/// How many entries of one author that take rights away may not know of each other. Somebody has a few devices; each such
/// entry makes a relay and everybody else judge others anew.
const MAX_APART: usize = 64;

/// What an entry in which somebody speaks of their own logs counts for at least, in bytes: however short it is, it never goes.
const LEAST_OWN: usize = 8 * 1024;

/// How many times that is taken of what was taken elsewhere.
const ELSEWHERE: usize = 8;

/// What becomes of a submission that is not refused.
pub(super) enum Decision {
    /// It gets the next position, after these changes.
    Store(Vec<Change>),
    /// It gets no position, only these changes.
    Keep(Vec<Change>),
    /// It is here already, or something that holds it.
    Held,
    /// It can only be decided on when what came before it is committed.
    Wait,
}

/// What a decision needs beside the classroom.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) limits: &'a Limits,
    /// Seconds since 1970.
    pub(super) now: u64,
}

impl Pending {
    pub(super) fn judge_entry(
        &mut self,
        entry: &Entry,
        upto: Option<u64>,
        from: &Submitter,
        terms: Terms<'_>,
    ) -> Result<Decision, Refusal> {
        let hash = entry.hash();
        let is_founding = hash.0 == self.classroom.id().0;
        if self.last == 0 {
            // The only entry that a roster of a classroom without items has.
            return if is_founding {
                self.classroom.note_founded(terms.now);
                Ok(Decision::Store(Vec::new()))
            } else {
                Err(Refusal::UnknownClassroom)
            };
        }
        let roster = self.roster();
        if roster.knows(&[hash]) {
            return Ok(Decision::Held);
        }
        check_room_for(roster, entry, from, terms.limits)?;
        let is_own = from.bringer.is(&entry.author());
        let belongs = from.bringer.belongs(roster);
        let joins_by = match entry.action() {
            Action::Admit { invite, .. } | Action::Request { invite, .. } => Some(invite),
            _ => None,
        };
        if !(belongs || from.has_founding || is_own && joins_by.is_some()) {
            return Err(Refusal::NotAMember);
        }
        let mut vouched = None;
        if let Some(invite) = joins_by {
            // What members submit was taken in time somewhere else: they vouch for it. Anybody may have the founding entry,
            // and says nothing by it, unless the classroom has just come back here with them.
            let is_vouched_for = !is_own && (belongs || self.classroom.is_fresh(terms.now));
            let lets_in = check_invite(roster, invite, terms.now);
            if !is_vouched_for {
                lets_in?;
            }
            vouched = lets_in.err();
            check_crowd(roster, invite)?;
        }
        if roster.leaves_out(entry) {
            // Made a moment ago it is better made again. What another relay has others have built on.
            if is_own && !from.compares {
                return Err(Refusal::LeavesOut);
            }
            vouched = Some(Refusal::LeavesOut);
        }
        // What is not theirs to erase is refused below, and nobody learns what there is of it.
        if let (Some(upto), Action::Erase { document, .. }) = (upto, entry.action())
            && roster.may(&entry.author(), entry.action()).is_ok()
            && entry.verify().is_ok()
        {
            // What took its place has all that there ever was of it.
            if roster.erased(document).is_some() {
                return Err(Refusal::Erased);
            }
            if self.came_behind(document, upto.min(self.last), terms)? {
                return Err(Refusal::NotCovered);
            }
        }
        // What a fold stands for that this batch holds shows once it is committed.
        if sets_ends(entry.action()) && self.is_any_unsettled() {
            return Ok(Decision::Wait);
        }
        self.vouched = vouched;
        match self.roster_mut().add(entry.clone()) {
            Ok(Added::New) => {
                let mut changes = self.erase_what_is_gone();
                if changes.is_empty() && sets_ends(entry.action()) {
                    // It is in the roster of this batch: from here on nothing may fail.
                    changes = self.unfold_across_ends(terms);
                }
                Ok(Decision::Store(changes))
            }
            Ok(Added::Known) => Ok(Decision::Held),
            Err(error) => Err(refusal_of(&error)),
        }
    }

    /// Whether something of a document came behind a position: whoever erases it does not have that.
    fn came_behind(&self, document: &DocumentId, upto: u64, terms: Terms<'_>) -> Result<bool, Refusal> {
        // What came a moment ago is not committed.
        let is_its = |(log, _): &(Log, u64)| log.document == *document;
        if self.segments.keys().any(is_its) {
            return Ok(true);
        }
        let count = terms.store.count(self.classroom.id(), document, upto);
        Ok(count.map_err(|error| storage(&error))? > 0)
    }

    /// Forgets the documents that the roster says are gone.
    fn erase_what_is_gone(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (document, _) in self.roster().erased_documents() {
            if !self.catalog.knows(&document) {
                continue;
            }
            let extras = self.catalog.erase(&document);
            changes.extend(extras.into_iter().map(|position| Change::Remove { position }));
            changes.push(Change::Erase { document });
            self.forget_logs(&document);
            self.erases = true;
        }
        changes
    }

    /// Whether somebody may submit what is not theirs.
    fn check_bringer(&self, bringer: Bringer) -> Result<(), Refusal> {
        if self.last == 0 {
            return Err(Refusal::UnknownClassroom);
        }
        if bringer.belongs(self.roster()) {
            Ok(())
        } else {
            Err(Refusal::NotAMember)
        }
    }

    /// Whether there is room for a document that has no segments yet.
    fn check_documents(&self, document: &DocumentId, limits: &Limits) -> Result<(), Refusal> {
        if self.catalog.document_count(document) >= limits.classroom_documents {
            return Err(Refusal::TooManyDocuments);
        }
        Ok(())
    }

    /// Whether there is room for so many bytes of what a fold took the place of.
    fn check_covered(&self, bytes: u64, limits: &Limits) -> Result<(), Refusal> {
        if self.covered.saturating_add(bytes) > limits.classroom_bytes {
            return Err(Refusal::QuotaFull);
        }
        Ok(())
    }

    /// Whether there is room for so many bytes.
    fn check_room(&self, bytes: usize, limits: &Limits) -> Result<(), Refusal> {
        if self.bytes.saturating_add(bytes as u64) > limits.classroom_bytes {
            return Err(Refusal::QuotaFull);
        }
        Ok(())
    }
}

/// Whether logs may end where they did not before.
fn sets_ends(action: &Action) -> bool {
    matches!(
        action,
        Action::Remove { .. } | Action::ChangeRole { .. } | Action::Extend { .. }
    )
}

/// Whether there is room for one more entry. Whatever strangers fill a roster with, those who lead or teach can still end it;
/// and nobody fills it with what they say of their own logs, to which nobody else has to agree.
fn check_room_for(roster: &Roster, entry: &Entry, from: &Submitter, limits: &Limits) -> Result<(), Refusal> {
    // What another relay took others have built on: whoever leads or teaches brings more of it, if they have compared. Not
    // without end: another author may be themselves as well.
    let is_elsewhere = from.compares && from.bringer.is_staff(roster) && !from.bringer.is(&entry.author());
    let times = if is_elsewhere { ELSEWHERE } else { 1 };
    if roster.bytes_on_own_logs(entry, LEAST_OWN) > limits.member_cutoffs.saturating_mul(times) {
        return Err(Refusal::TooManyCutoffs);
    }
    let most = limits.classroom_entries;
    let may_end_it = match entry.action() {
        Action::Remove { .. }
        | Action::EndInvite { .. }
        | Action::ChangeRole { .. }
        | Action::Decline { .. }
        | Action::Extend { .. }
        | Action::Rotate { .. } => true,
        // Those of whom there are so many are not named without it.
        action => *action == Action::JOIN_HEADS,
    };
    let is_staff = || {
        let author = roster.member(&entry.author());
        author.is_some_and(|author| author.role.is_staff())
    };
    let ends_it = may_end_it && is_staff();
    let room = if ends_it {
        most.saturating_add(most / 8)
    } else {
        most
    };
    if roster.len() >= room || roster.takings_apart_from(entry) > MAX_APART * times {
        return Err(Refusal::TooManyEntries);
    }
    Ok(())
}

/// Whether not many more came, or ask, by an invite than it lets in, whoever says so: some may have come in other places.
fn check_crowd(roster: &Roster, invite: &EntryHash) -> Result<(), Refusal> {
    let Some(known) = roster.invite_by(invite) else {
        return Ok(());
    };
    let asking = || {
        let requests = roster.requests();
        requests
            .iter()
            .filter(|request| request.invite == *invite)
            .count()
    };
    let most = (known.uses as usize).saturating_mul(2).saturating_add(16);
    if known.used >= most || known.ask_first && asking() >= most {
        return Err(Refusal::InviteUsedUp);
    }
    Ok(())
}

/// Whether an invite still lets somebody in, as far as this relay knows.
pub(super) fn check_invite(roster: &Roster, invite: &EntryHash, now: u64) -> Result<(), Refusal> {
    let invite = roster.invite_by(invite).ok_or(Refusal::UnknownInvite)?;
    if invite.ended {
        return Err(Refusal::InviteEnded);
    }
    if invite.expires <= now {
        return Err(Refusal::InviteExpired);
    }
    if invite.used >= invite.uses as usize {
        return Err(Refusal::InviteUsedUp);
    }
    Ok(())
}

/// Whether a segment counts, or may at least be kept because of who brings it: members keep what others of them may
/// have built on, or they themselves who may write there again, and who leads or teaches also what was written before a lock.
/// Tells whether it counts, whoever brings it.
pub(super) fn check_header(roster: &Roster, header: &Header, bringer: Bringer) -> Result<bool, Refusal> {
    let vouches = !bringer.is(&header.log.member);
    match roster.check_segment(header) {
        // Heads may name a past in which they were in the space: what they wrote then is brought by others, too.
        Ok(()) if !roster.is_in_space(&header.log.member, &header.space) => {
            if vouches {
                Ok(false)
            } else {
                Err(Refusal::NotInSpace)
            }
        }
        Ok(()) => Ok(true),
        // Nothing of that is kept, whoever brings it.
        Err(Unfit::BeyondCutoff | Unfit::Locked | Unfit::Closed)
            if roster.erased(&header.log.document).is_some() =>
        {
            Err(Refusal::Erased)
        }
        Err(Unfit::BeyondCutoff)
            if vouches || roster.may_write_again(header) || does(Mischief::CutoffIgnored) =>
        {
            Ok(false)
        }
        Err(Unfit::Locked | Unfit::Closed)
            if vouches && bringer.is_staff(roster) || does(Mischief::LockIgnored) =>
        {
            Ok(false)
        }
        Err(unfit) => Err(match unfit {
            Unfit::UnknownRoster => Refusal::UnknownParent,
            Unfit::NotAMember => Refusal::NotAMember,
            Unfit::NotAllowed => Refusal::NotAllowed,
            Unfit::WrongSpace => Refusal::NotInSpace,
            Unfit::WrongEpoch => Refusal::WrongEpoch,
            Unfit::BeyondCutoff => Refusal::BeyondCutoff,
            Unfit::Locked => Refusal::Locked,
            Unfit::Closed => Refusal::ClassroomClosed,
            Unfit::Erased => Refusal::Erased,
        }),
    }
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
