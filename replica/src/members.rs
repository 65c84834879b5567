//! What people ask for that changes the roster: who comes, who goes, who may do what, and which keys there are.

use std::collections::BTreeSet;

use protocol::invite::InviteLink;
use protocol::rand_core::CryptoRng;
use protocol::roster::{Action, Cutoff, Entry, MAX_CUTOFFS, MAX_HEADS, Member, Removal, Role, Rotation};
use protocol::{ClassroomId, DocumentId, EntryHash, LaneId, MemberId, SpaceId};

use crate::Replica;
use crate::classroom::Classroom;
use crate::command::{Answer, Command, Problem};
use crate::writes::After;
use protocol::key::EpochKey;

/// How long an invite lasts, in seconds, and how often it may be used: a class, or the staff of a school.
const INVITE_LASTS: u64 = 30 * 24 * 60 * 60;
const USES_BY_CLASS: u32 = 200;
const USES_BY_STAFF: u32 = 20;

/// How many logs are cut off in the entry that also brings new keys for everybody who stays: both have to fit.
const CUTOFFS_AT_ONCE: usize = 1_024;

impl<R: CryptoRng> Replica<R> {
    /// Carries out a command that changes the roster; it is answered once the entry is durable.
    pub(crate) fn roster_command(&mut self, request: u32, command: Command) -> Result<(), Problem> {
        let done = Answer::Done;
        let answer = match command {
            Command::Invite {
                classroom,
                role,
                ask_first,
            } => self.invite(&classroom, role, ask_first)?,
            Command::EndInvite { classroom, invite } => {
                self.end_invite(&classroom, invite)?;
                done
            }
            Command::Approve { classroom, request } => {
                self.approve(&classroom, request)?;
                done
            }
            Command::Decline { classroom, request } => {
                self.act(&classroom, Action::Decline { request })?;
                done
            }
            Command::ChangeRole {
                classroom,
                member,
                role,
            } => self.change_role(&classroom, member, role)?,
            Command::Remove { classroom, member } => self.remove(&classroom, member)?,
            Command::Leave { classroom, school } => {
                self.leave(&classroom, school)?;
                done
            }
            Command::RotateKeys { classroom, space } => {
                match space {
                    Some(space) => self.rotate(&classroom, vec![space])?,
                    None => self.rotate_all(&classroom)?,
                }
                done
            }
            Command::NewSpace { classroom, members } => {
                let key = EpochKey::random(&mut self.rng);
                Answer::Space(self.new_group(&classroom, members, &key)?)
            }
            Command::Lock {
                classroom,
                document,
                locked,
            } => {
                self.lock(&classroom, document, locked)?;
                done
            }
            Command::Close { classroom, closed } => {
                self.close(&classroom, closed)?;
                done
            }
            _ => return Err(Problem::Internal),
        };
        self.writes.then(After::Answer(request, answer));
        Ok(())
    }

    fn invite(&mut self, id: &ClassroomId, role: Role, ask_first: bool) -> Result<Answer, Problem> {
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?;
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        let member = me.keys.id();
        let own = classroom.roster.member(&member).ok_or(Problem::NotAllowed)?;
        // A carrier comes by another way.
        if !own.role.may_invite(role) || role == Role::Carrier {
            return Err(Problem::NotAllowed);
        }
        let school = own.school;
        self.join_heads(id)?;
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?;
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        let link = InviteLink::random(*id, &mut self.rng);
        let invite = link.keys().map_err(|_| Problem::Internal)?;
        let uses = if role.is_staff() {
            USES_BY_STAFF
        } else {
            USES_BY_CLASS
        };
        let expires = self.clock / 1000 + INVITE_LASTS;
        let parents = classroom.roster.heads_for(&member);
        let entry = if ask_first {
            Entry::ask_invite(&me.keys, *id, parents, &invite, role, uses, expires)
        } else {
            let sealed = classroom.hand_on(
                &parents,
                invited_into(role),
                &invite.exchange_key(),
                &mut self.rng,
            )?;
            Entry::invite(&me.keys, *id, parents, &invite, role, uses, expires, sealed)
        };
        let entry = entry.map_err(|_| Problem::Internal)?;
        self.enter(id, &entry)?;
        if role == Role::Teacher {
            // A colleague. Another school comes with a lead, who invites its teachers.
            let invite = entry.hash();
            self.act(id, Action::PlaceInvite { invite, school })?;
        }
        Ok(Answer::Invite(link.to_fragment()))
    }

    pub(crate) fn end_invite(&mut self, id: &ClassroomId, invite: EntryHash) -> Result<(), Problem> {
        let action = Action::EndInvite {
            invite,
            rotations: Vec::new(),
        };
        self.check(id, &action)?;
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        // Whoever holds the link of an open invite could read on.
        let known = classroom
            .roster
            .invite_by(&invite)
            .ok_or(Problem::InviteUnknown)?;
        let mut spaces: Vec<SpaceId> = known.keys.iter().map(|key| key.space).collect();
        spaces.sort_unstable();
        spaces.dedup();
        let rotations = self.rotations(id, &action, spaces)?;
        self.act(id, Action::EndInvite { invite, rotations })
    }

    pub(crate) fn approve(&mut self, id: &ClassroomId, request: EntryHash) -> Result<(), Problem> {
        let keys = Vec::new();
        self.check(id, &Action::Approve { request, keys })?;
        self.join_heads(id)?;
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?.keys.id();
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        let asked = classroom
            .roster
            .requests()
            .into_iter()
            .find(|asked| asked.entry == request)
            .ok_or(Problem::NotAllowed)?;
        let heads = classroom.roster.heads_for(&me);
        let (spaces, exchange) = (invited_into(asked.role), asked.exchange);
        let keys = classroom.hand_on(&heads, spaces, &exchange, &mut self.rng)?;
        self.act(id, Action::Approve { request, keys })
    }

    pub(crate) fn change_role(
        &mut self,
        id: &ClassroomId,
        member: MemberId,
        role: Role,
    ) -> Result<Answer, Problem> {
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?.keys.id();
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        let roster = &classroom.roster;
        let target = roster.member(&member).ok_or(Problem::NotAllowed)?;
        if target.role == Role::Lead && role != Role::Lead {
            // Nobody goes: who is alone may have company later.
            classroom.check_lead_left(|_| false, |other| other == member)?;
        }
        if role > target.role
            && let Some(answer) = self.consent_first(id, me, member)?
        {
            return Ok(answer);
        }
        let change = |cutoffs, keys, rotations| Action::ChangeRole {
            member,
            role,
            cutoffs,
            keys,
            rotations,
        };
        let action = change(Vec::new(), Vec::new(), Vec::new());
        self.check(id, &action)?;
        self.join_heads(id)?;
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        let roster = &classroom.roster;
        let is_in = |space: &SpaceId, role: Role| match *space {
            SpaceId::STAFF => role.is_staff(),
            SpaceId::EVERYONE => role != Role::Carrier,
            // A group stays one.
            _ => role != Role::Carrier && roster.is_in_space(&member, space),
        };
        let gained = |space: &SpaceId| is_in(space, role) && !is_in(space, target.role);
        let left: Vec<SpaceId> = roster
            .spaces()
            .into_iter()
            .filter(|space| is_in(space, target.role) && !is_in(space, role))
            .collect();
        let mut room = CUTOFFS_AT_ONCE;
        let (cutoffs, more) = if role.may_write() {
            (Vec::new(), Vec::new())
        } else {
            classroom.cutoffs(&member, &self.held, &mut room)
        };
        let heads = roster.heads_for(&me);
        let keys = classroom.hand_on(&heads, gained, &target.exchange, &mut self.rng)?;
        let rotations = self.rotations(id, &action, left)?;
        self.extend(id, more)?;
        self.act(id, change(cutoffs, keys, rotations))?;
        Ok(Answer::Done)
    }

    fn remove(&mut self, id: &ClassroomId, member: MemberId) -> Result<Answer, Problem> {
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?.keys.id();
        if member == me {
            self.leave(id, false)?;
            return Ok(Answer::Done);
        }
        if let Some(answer) = self.consent_first(id, me, member)? {
            return Ok(answer);
        }
        self.remove_all(id, &[member])?;
        Ok(Answer::Done)
    }

    fn leave(&mut self, id: &ClassroomId, school: bool) -> Result<(), Problem> {
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?.keys.id();
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        let own = classroom.roster.member(&me).ok_or(Problem::NotAllowed)?;
        let leaving: Vec<MemberId> = if school {
            let members = classroom.roster.members();
            members
                .filter(|member| member.school == own.school)
                // Not leads or teachers of another school who say that they are of this one.
                .filter(|member| classroom.roster.consent_needed(&me, &member.id).is_none())
                .map(|member| member.id)
                .collect()
        } else {
            vec![me]
        };
        let goes = |member| leaving.contains(&member);
        classroom.check_lead_left(goes, goes)?;
        self.remove_all(id, &leaving)
    }

    /// Removes members in one entry. Who leaves makes no keys: others do as soon as they hear of it.
    pub(crate) fn remove_all(&mut self, id: &ClassroomId, members: &[MemberId]) -> Result<(), Problem> {
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?.keys.id();
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        let (mut removals, mut more) = (Vec::new(), Vec::new());
        let mut room = CUTOFFS_AT_ONCE;
        for member in members {
            let (cutoffs, beyond) = classroom.cutoffs(member, &self.held, &mut room);
            removals.push(Removal {
                member: *member,
                cutoffs,
            });
            more.extend(beyond);
        }
        let removing = |rotations| Action::Remove {
            members: removals.clone(),
            rotations,
        };
        let action = removing(Vec::new());
        self.check(id, &action)?;
        let rotations = if members.contains(&me) {
            Vec::new()
        } else {
            let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
            let left = members.iter().flat_map(|member| classroom.spaces_of(member));
            let mut spaces: Vec<SpaceId> = left.collect();
            spaces.sort_unstable();
            spaces.dedup();
            self.rotations(id, &action, spaces)?
        };
        self.extend(id, more)?;
        self.act(id, removing(rotations))
    }

    /// Says of more logs how far they count than the entry has room for that lets their members write no more. That comes
    /// after, so that nobody is without them in between.
    fn extend(&mut self, id: &ClassroomId, more: Vec<Action>) -> Result<(), Problem> {
        more.into_iter().try_for_each(|action| self.act(id, action))
    }

    /// Agrees that a member of another school lose power, if that takes more schools than agree so far.
    fn consent_first(
        &mut self,
        id: &ClassroomId,
        me: MemberId,
        member: MemberId,
    ) -> Result<Option<Answer>, Problem> {
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        let roster = &classroom.roster;
        let Some((have, need)) = roster
            .consent_needed(&me, &member)
            .filter(|(have, need)| have < need)
        else {
            return Ok(None);
        };
        if !roster.consents(&member).iter().any(|(lead, _)| *lead == me) {
            self.act(id, Action::Consent { member })?;
        }
        let count = |schools| u32::try_from(schools).unwrap_or(u32::MAX);
        Ok(Some(Answer::Consented {
            have: count(have),
            need: count(need),
        }))
    }

    /// Makes new keys for spaces of one's own.
    pub(crate) fn rotate(&mut self, id: &ClassroomId, spaces: Vec<SpaceId>) -> Result<(), Problem> {
        let action = Action::Rotate {
            rotations: Vec::new(),
        };
        self.check(id, &action)?;
        let rotations = self.rotations(id, &action, spaces)?;
        self.act(id, Action::Rotate { rotations })
    }

    /// Makes new keys for all spaces for which this person may: an entry each, for one is full with what many members get.
    fn rotate_all(&mut self, id: &ClassroomId) -> Result<(), Problem> {
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?.keys.id();
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        let mut spaces = classroom.spaces_of(&me);
        spaces.retain(|space| classroom.may_rotate(&me, space));
        if spaces.is_empty() {
            return Err(Problem::NotAllowed);
        }
        for space in spaces {
            self.rotate(id, vec![space])?;
        }
        Ok(())
    }

    /// Makes a group of members and this person.
    fn new_group(
        &mut self,
        id: &ClassroomId,
        mut members: Vec<MemberId>,
        key: &EpochKey,
    ) -> Result<SpaceId, Problem> {
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?.keys.id();
        members.push(me);
        members.sort_unstable();
        members.dedup();
        let space = SpaceId::of_group(&me, &members, &key.id());
        self.make_space(id, space, &members, key)?;
        Ok(space)
    }

    /// Makes the space of staff in a classroom that has none.
    pub(crate) fn new_staff(&mut self, id: &ClassroomId) -> Result<(), Problem> {
        let key = EpochKey::random(&mut self.rng);
        self.make_space(id, SpaceId::STAFF, &[], &key)
    }

    /// Makes a space of this name, members and first key.
    pub(crate) fn make_space(
        &mut self,
        id: &ClassroomId,
        space: SpaceId,
        members: &[MemberId],
        key: &EpochKey,
    ) -> Result<(), Problem> {
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?.keys.id();
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        let new_space = |first| Action::NewSpace {
            members: members.to_vec(),
            first,
        };
        let first = |recipients: Vec<_>, rng: &mut R| {
            Rotation::new(key, space, 0, [], recipients, rng).map_err(|_| Problem::TooLarge)
        };
        let action = new_space(first(Vec::new(), &mut self.rng)?);
        let recipients = classroom.roster.recipients_after(&me, &action, &space);
        let action = new_space(first(recipients, &mut self.rng)?);
        self.act(id, action)
    }

    fn lock(&mut self, id: &ClassroomId, document: DocumentId, locked: bool) -> Result<(), Problem> {
        if !self.knows_page(id, &document) {
            return Err(Problem::UnknownDocument);
        }
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        if classroom.roster.locked(&document) == locked {
            return Ok(());
        }
        self.act(id, Action::Lock { document, locked })
    }

    fn close(&mut self, id: &ClassroomId, closed: bool) -> Result<(), Problem> {
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        if classroom.roster.closed() == closed {
            return Ok(());
        }
        self.act(id, Action::Close { closed })
    }

    /// Whether this person may do something, apart from the keys that it brings.
    fn check(&self, id: &ClassroomId, action: &Action) -> Result<(), Problem> {
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?;
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        classroom
            .roster
            .may(&me.keys.id(), action)
            .map_err(|_| Problem::NotAllowed)
    }

    /// Does something: signs it, takes it into the roster and keeps it to be sent.
    pub(crate) fn act(&mut self, id: &ClassroomId, action: Action) -> Result<(), Problem> {
        // For what may not be done nothing is said before: it fails below.
        if self.check(id, &action).is_ok() {
            self.join_heads(id)?;
        }
        self.sign(id, action)
    }

    /// Where many have acted apart, joins the roster's heads until one entry can name all. Else nothing could be said of
    /// whom it does not name, and no key be made for all. Who does not lead or teach says nothing of others.
    fn join_heads(&mut self, id: &ClassroomId) -> Result<(), Problem> {
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?.keys.id();
        while let Some(classroom) = self.classrooms.get(id)
            && classroom.roster.heads().count() > MAX_HEADS
            && classroom.roster.may(&me, &Action::JOIN_HEADS).is_ok()
        {
            self.sign(id, Action::JOIN_HEADS)?;
        }
        Ok(())
    }

    fn sign(&mut self, id: &ClassroomId, action: Action) -> Result<(), Problem> {
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?;
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        let parents = classroom.roster.heads_for(&me.keys.id());
        let entry = Entry::act(&me.keys, *id, parents, action).map_err(|error| match error {
            protocol::Error::TooLarge { .. } => Problem::TooLarge,
            _ => Problem::Internal,
        })?;
        self.enter(id, &entry)
    }

    /// Takes an own entry into the roster and keeps it to be sent.
    pub(crate) fn enter(&mut self, id: &ClassroomId, entry: &Entry) -> Result<(), Problem> {
        let classroom = self.classrooms.get_mut(id).ok_or(Problem::UnknownClassroom)?;
        classroom
            .roster
            .add(entry.clone())
            .map_err(|_| Problem::NotAllowed)?;
        classroom.roster_grew();
        self.keep_entry(id, entry).map_err(|_| Problem::Internal)
    }
}

/// The spaces that who comes with `role` is in at once.
pub(crate) fn invited_into(role: Role) -> impl Fn(&SpaceId) -> bool {
    move |space| match *space {
        SpaceId::EVERYONE => role != Role::Carrier,
        SpaceId::STAFF => role.is_staff(),
        _ => false,
    }
}

impl Classroom {
    /// How far each log of `member` is here: as many as there is `room` for in one entry, and what says it of the others. None ends
    /// within a fold that another tab may make of its log: nobody could take that apart.
    fn cutoffs(
        &self,
        member: &MemberId,
        held: &BTreeSet<LaneId>,
        room: &mut usize,
    ) -> (Vec<Cutoff>, Vec<Action>) {
        let mut first = Vec::new();
        let mut parts: Vec<Vec<Cutoff>> = Vec::new();
        for (log, record) in &self.logs {
            if log.member != *member || record.next == 0 {
                continue;
            }
            let cutoff = Cutoff {
                document: log.document,
                lane: log.lane,
                next: record.next.max(self.may_be_folded_upto(log, held)),
            };
            if *room > 0 {
                *room -= 1;
                first.push(cutoff);
                continue;
            }
            match parts.last_mut() {
                Some(part) if part.len() < MAX_CUTOFFS => part.push(cutoff),
                _ => parts.push(vec![cutoff]),
            }
        }
        let member = *member;
        let more = parts
            .into_iter()
            .map(|cutoffs| Action::Extend { member, cutoffs });
        (first, more.collect())
    }

    /// A classroom that somebody stays in needs one who leads.
    fn check_lead_left(
        &self,
        goes: impl Fn(MemberId) -> bool,
        leads_no_more: impl Fn(MemberId) -> bool,
    ) -> Result<(), Problem> {
        let mut staying = self.roster.members().filter(|member| !goes(member.id)).peekable();
        let leads = |member: Member| member.role == Role::Lead && !leads_no_more(member.id);
        if staying.peek().is_none() || staying.any(leads) {
            Ok(())
        } else {
            Err(Problem::LastLead)
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::identity::{MemberKeys, Seed};
    use protocol::roster::Roster;
    use protocol::segment::Log;
    use protocol::{SchoolId, SegmentHash};

    use super::*;
    use crate::store::LogRecord;

    struct Zeros;

    impl protocol::rand_core::TryRng for Zeros {
        type Error = std::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok(0)
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(0)
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
            bytes.fill(0);
            Ok(())
        }
    }

    impl protocol::rand_core::TryCryptoRng for Zeros {}

    /// However many lanes somebody wrote on, the entries that cut them off can be written, and name all of them.
    #[test]
    fn any_number_of_logs_is_cut_off() -> Result<(), protocol::Error> {
        let founder = MemberKeys::from_seed(&Seed::from_bytes([1; 16]))?;
        let document = DocumentId([2; 16]);
        let entry = Entry::found(&founder, SchoolId([3; 16]), document, Vec::new(), &mut Zeros)?;
        let mut classroom = Classroom::new(Roster::found(entry)?);
        let (member, id) = (founder.id(), classroom.roster.classroom());
        let logs: Vec<Log> = (0..6_000_u128)
            .map(|lane| Log {
                document,
                member,
                lane: LaneId(lane.to_be_bytes()),
            })
            .collect();
        for (log, next) in logs.iter().zip(1..) {
            let hash = SegmentHash([4; 32]);
            let record = LogRecord {
                generation: 0,
                next,
                hash,
            };
            classroom.logs.insert(*log, record);
        }
        let mut room = CUTOFFS_AT_ONCE;
        let (cutoffs, more) = classroom.cutoffs(&member, &BTreeSet::new(), &mut room);
        assert_eq!((cutoffs.len(), more.len(), room), (CUTOFFS_AT_ONCE, 2, 0));
        let removal = Action::Remove {
            members: vec![Removal { member, cutoffs }],
            rotations: Vec::new(),
        };
        for action in more.into_iter().chain([removal]) {
            let heads = classroom.roster.heads_for(&member);
            classroom.roster.add(Entry::act(&founder, id, heads, action)?)?;
        }
        for (log, next) in logs.iter().zip(1..) {
            assert_eq!(classroom.roster.cutoff(log), Some(next));
        }
        Ok(())
    }
}
