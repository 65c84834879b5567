//! Own work that came too late: the person had lost the right to write when it came, and had not heard of that. It stays in
//! its log and in the outbox, for the relay takes it if it counts later, and is listed with what is kept aside.

use protocol::rand_core::CryptoRng;
use protocol::segment::Log;
use protocol::{ClassroomId, DocumentId, MemberId, Refusal};

use crate::classroom::{Classroom, Unsent, Way};
use crate::command::{Answer, Problem};
use crate::store::AsideReason;
use crate::writes::After;
use crate::{Error, Replica, view};

impl<R: CryptoRng> Replica<R> {
    /// Keeps a change of the tab that [`Self::change`] did not take.
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
    /// Why something unsent does not count as things are, if that is so.
    pub(crate) fn late_reason(&self, author: &MemberId, unsent: &Unsent) -> Option<AsideReason> {
        if unsent.settled {
            return None;
        }
        let member = self.roster.member(author);
        if self.is_removed(member.is_some()) {
            return Some(AsideReason::BeyondCutoff);
        }
        let role = member?.role;
        if self.roster.closed() {
            return Some(AsideReason::Closed);
        }
        if !role.is_staff() && self.roster.locked(&unsent.segment.header.log.document) {
            return Some(AsideReason::Locked);
        }
        let Way::Refused { reason, .. } = unsent.way else {
            return None;
        };
        match reason {
            Refusal::NotAllowed => Some(AsideReason::NotAllowed),
            Refusal::BeyondCutoff => Some(AsideReason::BeyondCutoff),
            Refusal::WrongSpace | Refusal::NotInSpace => Some(AsideReason::WrongSpace),
            Refusal::Erased => Some(AsideReason::Erased),
            // It passes, or concerns more than this.
            _ => None,
        }
    }

    /// What came too late, with the reason.
    pub(crate) fn late(&self) -> impl Iterator<Item = (AsideReason, &Unsent)> {
        self.outbox
            .iter()
            .filter_map(|((log, _), unsent)| Some((self.late_reason(&log.member, unsent)?, unsent)))
    }

    pub(crate) fn late_items(&self) -> impl Iterator<Item = view::KeptAside> {
        self.late().map(|(reason, unsent)| {
            let log = unsent.segment.header.log;
            view::KeptAside {
                reason,
                from: Some(log.member),
                document: Some(log.document),
                bytes: unsent.segment.encode().map_or(0, |encoded| encoded.len() as u64),
            }
        })
    }
}
