//! Own work that came too late, for the person had lost the right to write and had not heard of that, or that the relay does
//! not take for another reason. It stays in its log and in the outbox, for the relay may take it later, and is listed with
//! what is kept aside.

use std::collections::BTreeSet;

use protocol::rand_core::CryptoRng;
use protocol::roster::{Entry, Roster};
use protocol::segment::{Header, Log};
use protocol::{ClassroomId, DocumentId, EntryHash, MemberId, Refusal};

use crate::classroom::{Classroom, Unsent, Way};
use crate::command::{Answer, Problem};
use crate::store::AsideReason;
use crate::view::Why;
use crate::writes::After;
use crate::{Error, Replica, view};

impl<R: CryptoRng> Replica<R> {
    /// Keeps a change of the tab that [`Self::change`] did not take.
    #[inline(never)]
    pub(crate) fn keep_late(
        &mut self,
        request: u32,
        id: &ClassroomId,
        document: DocumentId,
        change: Vec<u8>,
    ) -> Result<(), Problem> {
        let log = self.log_of(document).ok_or(Problem::NotAllowed)?;
        match self.take_change(request, id, log, change.clone()) {
            Ok(()) => {
                self.take_out_if_cut(id, &log);
                Ok(())
            }
            Err(Problem::LaneEnded) => Err(Problem::LaneEnded),
            // It can't be sealed, or not be part of the document.
            Err(_) => self.keep_bare(request, id, change).map_err(|_| Problem::Internal),
        }
    }

    /// What lies beyond the end of its log does not belong to the document.
    fn take_out_if_cut(&mut self, id: &ClassroomId, log: &Log) {
        if let Some(classroom) = self.classrooms.get_mut(id)
            && classroom.roster.member(&log.member).is_some()
            && classroom.roster.cutoff(log).is_some()
        {
            classroom.cuts_due.insert(log.document);
        }
    }

    fn keep_bare(&mut self, request: u32, id: &ClassroomId, change: Vec<u8>) -> Result<(), Error> {
        self.keep_aside(id, AsideReason::NotAllowed, change)?;
        self.writes.next().strict = true;
        self.writes.then(After::Answer(request, Answer::Done));
        Ok(())
    }
}

impl Classroom {
    /// Why something unsent does not count as things are, or is not taken, if that is so.
    pub(crate) fn late_reason(&self, author: &MemberId, unsent: &Unsent) -> Option<Why> {
        if unsent.settled {
            return None;
        }
        let member = self.roster.member(author);
        if self.is_removed(member.is_some()) {
            return Some(Why::Unfit(AsideReason::BeyondCutoff));
        }
        let role = member?.role;
        if self.roster.closed() {
            return Some(Why::Unfit(AsideReason::Closed));
        }
        if !role.is_staff() && self.roster.locked(&unsent.segment.header.log.document) {
            return Some(Why::Unfit(AsideReason::Locked));
        }
        if !is_in_its_space(&self.roster, &unsent.segment.header) {
            return Some(Why::Unfit(AsideReason::WrongSpace));
        }
        let Way::Refused { reason, again_at } = unsent.way else {
            return None;
        };
        let unfit = match reason {
            Refusal::NotAllowed => AsideReason::NotAllowed,
            Refusal::BeyondCutoff => AsideReason::BeyondCutoff,
            Refusal::WrongSpace | Refusal::NotInSpace => AsideReason::WrongSpace,
            Refusal::Erased => AsideReason::Erased,
            // It passes by itself.
            _ if again_at.is_some() => return None,
            other => return Some(Why::Refused(other)),
        };
        Some(Why::Unfit(unfit))
    }

    /// What came too late or is not taken, with the reason, and what waits behind that: in its log, or for an entry that it
    /// names.
    pub(crate) fn late(&self) -> impl Iterator<Item = (Why, &Unsent)> {
        let mut before: Option<(Log, Why)> = None;
        self.outbox.iter().filter_map(move |((log, _), unsent)| {
            let waits_behind = || {
                let behind = before.filter(|(of, _)| of == log).map(|(_, reason)| reason);
                let named = || self.names_refused(&unsent.segment.header).map(Why::Refused);
                behind.or_else(named).filter(|_| !unsent.settled)
            };
            let reason = self.late_reason(&log.member, unsent).or_else(waits_behind)?;
            before = Some((*log, reason));
            Some((reason, unsent))
        })
    }

    /// Why the relay does not take an own roster entry that this names, if that is so: it waits for that entry.
    pub(crate) fn names_refused(&self, header: &Header) -> Option<Refusal> {
        self.stands_on_refused(&header.roster)
    }

    /// Own roster entries that the relay does not take, and what stands on them, which it does not take either.
    pub(crate) fn refused_entries(&self) -> impl Iterator<Item = (Refusal, &Entry)> {
        self.entries.keys().filter_map(|hash| {
            let reason = self.stands_on_refused(&[*hash])?;
            Some((reason, self.roster.entry(hash)?))
        })
    }

    /// Why the relay never takes one of these entries, or an unsent one that they descend from, if that is so.
    fn stands_on_refused(&self, entries: &[EntryHash]) -> Option<Refusal> {
        let mut next = entries.to_vec();
        let mut seen = BTreeSet::new();
        while let Some(hash) = next.pop() {
            let Some(unsent) = self.entries.get(&hash).filter(|_| seen.insert(hash)) else {
                continue;
            };
            if let Way::Refused {
                reason,
                again_at: None,
            } = unsent.way
            {
                return Some(reason);
            }
            let entry = self.roster.entry(&hash);
            next.extend(entry.into_iter().flat_map(Entry::parents));
        }
        None
    }

    pub(crate) fn late_items(&self) -> impl Iterator<Item = view::KeptAside> {
        let entries = self.refused_entries().map(|(reason, entry)| view::KeptAside {
            reason: Why::Refused(reason),
            from: Some(entry.author()),
            document: None,
            bytes: entry.encode().map_or(0, |encoded| encoded.len() as u64),
        });
        let segments = self.late().map(|(reason, unsent)| {
            let log = unsent.segment.header.log;
            view::KeptAside {
                reason,
                from: Some(log.member),
                document: Some(log.document),
                bytes: unsent.segment.encode().map_or(0, |encoded| encoded.len() as u64),
            }
        });
        entries.chain(segments)
    }
}

/// Whether its author is still in the space that something unsent was written for. If not, nobody waits for it.
pub(crate) fn is_in_its_space(roster: &Roster, header: &Header) -> bool {
    let author = &header.log.member;
    roster.member(author).is_none() || roster.is_in_space(author, &header.space)
}
