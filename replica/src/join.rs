//! Founding a classroom, inviting to it, looking behind an invite, joining.

use documents::classroom::{Classroom as ClassroomDocument, Profile as DocumentProfile, School};
use protocol::frame::{ClientFrame, RelayFrame};
use protocol::identity::{InviteKeys, Seed};
use protocol::invite::InviteLink;
use protocol::rand_core::CryptoRng;
use protocol::roster::{Entry, Roster};
use protocol::segment::Log;
use protocol::{ClassroomId, DocumentId, EntryHash, Refusal, SchoolId, SpaceId};

use crate::classroom::{Channel, Classroom, Coming, Content, Copy, Held, Joining, Knocking};
use crate::command::{Answer, Command, Problem, Profile};
use crate::keys::first_keys;
use crate::loading::What;
use crate::members::invited_into;
use crate::snapshots::Fetching;
use crate::store::{self, Batch, EntryRecord, Records, Table};
use crate::tabs::Note;
use crate::view::Preview;
use crate::writes::After;
use crate::{Error, Replica};

/// How long to wait for what is behind an invite, in milliseconds.
const PREVIEW_WITHIN: u64 = 20_000;

impl<R: CryptoRng> Replica<R> {
    pub(crate) fn found(
        &mut self,
        request: u32,
        classroom_name: &str,
        profile: &Profile,
    ) -> Result<(), Problem> {
        check_name(classroom_name)?;
        check_profile(profile)?;
        let again = Command::Found {
            classroom_name: classroom_name.to_owned(),
            profile: profile.clone(),
        };
        if !self.is_stored_before(request, again)? {
            return Ok(());
        }
        let me = self.me.as_ref().ok_or(Problem::Internal)?;
        let (school, document) = (SchoolId(random(&mut self.rng)), DocumentId(random(&mut self.rng)));
        let founding = first_keys(&me.keys, &mut self.rng)
            .and_then(|sealed| Entry::found(&me.keys, school, document, sealed, &mut self.rng))
            .map_err(|_| Problem::Internal)?;
        let roster = Roster::found(founding.clone()).map_err(|_| Problem::Internal)?;
        let id = roster.classroom();
        let log = Log {
            document,
            member: me.keys.id(),
            lane: self.lane,
        };
        let founder = DocumentProfile {
            name: profile.name.clone(),
            school: school.0,
        };
        let mut own = ClassroomDocument::found(
            log.actor(),
            classroom_name,
            log.member.0,
            &founder,
            &school_of(profile),
        )
        .map_err(|_| Problem::BadName)?;
        let change = own.commit(self.seconds()).ok_or(Problem::Internal)?;
        let mut classroom = Classroom::new(roster);
        classroom
            .documents
            .insert(document, Copy::Here(Held::new(Content::classroom(own))));
        store_classroom(self.writes.next(), &classroom).map_err(|_| Problem::Internal)?;
        classroom.since_spaces = classroom.spaces_of(&log.member);
        self.classrooms.insert(id, classroom);
        self.learn_keys(&id);
        self.keep_entry(&id, &founding).map_err(|_| Problem::Internal)?;
        self.tell_tabs_of(&id);
        self.touched(&id, &document);
        self.keep_change(&id, log, change, Some((request, Answer::Classroom(id))))?;
        self.connect_if_due();
        Ok(())
    }

    /// Gives the token that the relay asked for, and opens the classroom there again.
    #[inline(never)]
    pub(crate) fn found_token(&mut self, id: &ClassroomId, token: String) -> Result<(), Problem> {
        let classroom = self.classrooms.get_mut(id).ok_or(Problem::UnknownClassroom)?;
        classroom.record.found_token = Some(token);
        self.writes
            .next()
            .put(Table::Classrooms, id.0.to_vec(), &classroom.record)
            .map_err(|_| Problem::Internal)?;
        self.close_channel(id);
        self.open_channel(id);
        Ok(())
    }

    /// Looks behind an invite: opens the classroom with it, without keeping anything yet.
    pub(crate) fn preview(&mut self, request: u32, link: &str) -> Result<(), Problem> {
        let link = parse(link)?;
        let keys = link.keys().map_err(|_| Problem::NotAnInvite)?;
        self.become_somebody()?;
        let id = link.classroom;
        let deadline = self.now + PREVIEW_WITHIN;
        match self.classrooms.get_mut(&id) {
            Some(Classroom { joining: None, .. }) => {
                let preview = self.preview_of(&id).ok_or(Problem::InviteBroken)?;
                self.answer(request, Ok(Answer::Preview(preview)));
            }
            Some(Classroom {
                joining: Some(joining),
                ..
            }) if joining.keys.id() == keys.id() => {
                joining.wait(request, deadline);
                self.answer_previews(&id);
            }
            _ => {
                if let Some(Knocking { joining, .. }) = self.knocking.get_mut(&id)
                    && joining.keys.id() == keys.id()
                {
                    joining.wait(request, deadline);
                    return Ok(());
                }
                let joining = Joining {
                    keys,
                    requests: vec![request],
                    deadline,
                    arrived: false,
                    looking: true,
                    imported: false,
                    kept: Batch::default(),
                };
                let looking = self
                    .classrooms
                    .remove(&id)
                    .and_then(|classroom| classroom.joining);
                let knocking = Knocking {
                    joining,
                    channel: None,
                    snapshots: Vec::new(),
                };
                let before = self.knocking.insert(id, knocking).map(|before| before.joining);
                // Nobody looks behind another invite to it any more.
                for joining in looking.into_iter().chain(before) {
                    self.answer_all(joining.requests, Problem::NeedsConnection);
                }
                self.connect_if_due();
                self.knock();
                self.read_imported(&id);
            }
        }
        Ok(())
    }

    /// Opens on the connection what was knocked at.
    pub(crate) fn knock(&mut self) {
        let mut frames = Vec::new();
        for (id, knocking) in &mut self.knocking {
            if knocking.channel.is_none()
                && let Some((number, invite)) = self.connection.next_channel_for(id, &knocking.joining.keys)
            {
                knocking.channel = Some(Channel::new(number));
                frames.push(ClientFrame::Open {
                    channel: number,
                    classroom: *id,
                    since: None,
                    roster: Vec::new(),
                    invite: Some(invite),
                });
            }
        }
        if !frames.is_empty() {
            self.send(&frames);
        }
    }

    /// A frame for a classroom that was knocked at: its founding entry makes it one of ours to look at.
    pub(crate) fn knocking_frame(&mut self, number: u16, frame: RelayFrame) -> Result<(), Error> {
        let Some((&id, knocking)) = self.knocking.iter_mut().find(|(_, knocking)| {
            knocking
                .channel
                .as_ref()
                .is_some_and(|channel| channel.number == number)
        }) else {
            return Ok(());
        };
        let malformed = || Error::from(protocol::Error::Malformed("answer to an invite"));
        match frame {
            RelayFrame::Opened { from, .. } => {
                if let Some(channel) = &mut knocking.channel {
                    channel.position = Some(from);
                }
                Ok(())
            }
            RelayFrame::Snapshot { snapshot, .. } => {
                knocking.snapshots.push(snapshot.into_vec());
                Ok(())
            }
            RelayFrame::Entry { advance, entry, .. } => {
                let roster = Roster::found(Entry::decode(&entry)?)?;
                if roster.classroom() != id {
                    return Err(malformed());
                }
                let Some(Knocking {
                    joining,
                    channel,
                    snapshots,
                }) = self.knocking.remove(&id)
                else {
                    return Ok(());
                };
                let mut channel = channel.ok_or_else(malformed)?;
                let position = channel.position.as_mut().ok_or_else(malformed)?;
                position.index = position.index.checked_add(advance).ok_or_else(malformed)?;
                let position = *position;
                let mut classroom = Classroom::new(roster);
                classroom.joining = Some(joining);
                classroom.channel = Some(channel);
                self.classrooms.insert(id, classroom);
                let record = EntryRecord {
                    entry: entry.into_vec(),
                    on_relay: true,
                };
                self.batch(&id)
                    .put(Table::Entries, store::entry_key(&id, &EntryHash(id.0)), &record)?;
                self.set_since(&id, position)?;
                for snapshot in snapshots {
                    self.take_snapshot(&id, &snapshot, true)?;
                }
                Ok(())
            }
            RelayFrame::Closed { reason, .. } => {
                if let Some(knocking) = self.knocking.remove(&id) {
                    self.answer_all(knocking.joining.requests, problem_of(reason));
                }
                Ok(())
            }
            _ => Err(malformed()),
        }
    }

    /// The relay has sent everything.
    pub(crate) fn caught_up(&mut self, id: &ClassroomId) -> Result<(), Error> {
        self.connection.works();
        self.retry_aside()?;
        self.apply_arrived();
        if let Some(joining) = self
            .classrooms
            .get_mut(id)
            .and_then(|classroom| classroom.joining.as_mut())
        {
            joining.arrived = true;
            self.answer_previews(id);
        }
        if let Some(classroom) = self.classrooms.get_mut(id)
            && let Some(channel) = classroom.channel.as_mut()
        {
            let erased = classroom.roster.erased_documents();
            channel.erased = erased.iter().map(|(document, _)| *document).collect();
            channel.caught_up = true;
            channel.has_told_all = true;
        }
        self.settle_snapshots(id)?;
        self.settle_disputes(id);
        Ok(())
    }

    pub(crate) fn answer_previews(&mut self, id: &ClassroomId) {
        // It shows when all of it has come.
        let is_there = |classroom: &Classroom| {
            let joining = classroom.joining.as_ref();
            joining.is_some_and(|joining| joining.arrived) && !classroom.awaits_own_document()
        };
        if !self.classrooms.get(id).is_some_and(is_there) {
            return;
        }
        let preview = self.preview_of(id);
        let Some(joining) = self
            .classrooms
            .get_mut(id)
            .and_then(|classroom| classroom.joining.as_mut())
        else {
            return;
        };
        for request in std::mem::take(&mut joining.requests) {
            self.answer(
                request,
                preview.clone().map(Answer::Preview).ok_or(Problem::InviteBroken),
            );
        }
    }

    pub(crate) fn preview_of(&self, id: &ClassroomId) -> Option<Preview> {
        let classroom = self.classrooms.get(id)?;
        let (role, ask_first) = match &classroom.joining {
            Some(joining) => {
                let invite = classroom.roster.invite(&joining.keys.id())?;
                (invite.role, invite.ask_first)
            }
            None => (classroom.roster.member(&self.me.as_ref()?.keys.id())?.role, false),
        };
        if ask_first {
            // Nothing of it can be read yet.
            return Some(Preview {
                classroom: *id,
                name: String::new(),
                role,
                schools: Vec::new(),
                already_member: false,
                ask_first,
            });
        }
        let document = classroom
            .own_document()
            .filter(|document| document.is_present())?;
        Some(Preview {
            classroom: *id,
            name: document.read().name.clone(),
            role,
            schools: crate::show::schools(document.read()),
            already_member: classroom.joining.is_none(),
            ask_first,
        })
    }

    /// Joins: the admission and the profile are stored, then sent.
    pub(crate) fn join(&mut self, request: u32, link: &str, profile: &Profile) -> Result<(), Problem> {
        check_profile(profile)?;
        let link = parse(link)?;
        let id = link.classroom;
        let classroom = self.classrooms.get_mut(&id).ok_or(Problem::NeedsConnection)?;
        if classroom.joining.is_none() {
            // It may have been joined just now, and not be stored yet.
            self.writes.then(After::Answer(request, Answer::Classroom(id)));
            return Ok(());
        }
        let again = Command::Join {
            link: link.to_fragment(),
            profile: profile.clone(),
        };
        if !self.is_stored_before(request, again)? {
            return Ok(());
        }
        let invite = link.keys().map_err(|_| Problem::NotAnInvite)?;
        self.come_by(&id, &invite);
        let classroom = self.classrooms.get_mut(&id).ok_or(Problem::NeedsConnection)?;
        let known = classroom
            .roster
            .invite(&invite.id())
            .ok_or(Problem::InviteUnknown)?;
        let (invite_entry, role, placed) = (known.entry, known.role, known.school);
        if known.ended {
            return Err(Problem::InviteUnknown);
        }
        if known.ask_first {
            return self.ask_to_join(request, &link, &invite, profile);
        }
        let document = classroom.own_document().ok_or(Problem::InviteBroken)?;
        let called = |name: &str| name.trim().to_lowercase();
        let known = document
            .read()
            .schools
            .iter()
            .find(|(_, school)| called(&school.name) == called(&profile.school))
            .map(|(id, _)| SchoolId(*id))
            // One of another that is called the same is told apart.
            .filter(|school| classroom.roster.may_bring(&invite_entry, school));
        let known = placed.or(known);
        let school = known.unwrap_or_else(|| SchoolId(random(&mut self.rng)));
        let me = self.me.as_ref().ok_or(Problem::Internal)?;
        let member = me.keys.id();

        let parents = classroom.roster.heads_after(&invite_entry);
        let sealed = classroom.hand_on(
            &parents,
            invited_into(role),
            &me.keys.exchange_key(),
            &mut self.rng,
        )?;
        let entry = Entry::admit(&me.keys, id, parents, &invite, invite_entry, school, sealed)
            .map_err(|_| Problem::Internal)?;
        let log = Log {
            document: classroom.roster.document(),
            member,
            lane: self.lane,
        };
        let seconds = i64::try_from(self.clock / 1000).unwrap_or(i64::MAX);
        let shown = DocumentProfile {
            name: profile.name.clone(),
            school: school.0,
        };
        let before = classroom.roster.clone();
        classroom
            .roster
            .add(entry.clone())
            .map_err(|_| Problem::NotAllowed)?;
        let may_write = classroom
            .roster
            .member(&member)
            .is_some_and(|member| member.role.may_write());
        let change = if may_write {
            let change = classroom.edit_own_document(log.actor(), seconds, |own| {
                if known.is_none() {
                    own.set_school(school.0, &school_of(profile))?;
                }
                own.set_profile(member.0, &shown)
            });
            let Ok(Some(change)) = change else {
                // Nobody has joined.
                classroom.roster = before;
                return Err(Problem::BadName);
            };
            Some(change)
        } else {
            // A guest reads: whatever they wrote, their own name included, would be refused by everybody.
            classroom.record.guest = Some(profile.name.trim().to_owned());
            None
        };

        // Everyone's documents came while this person looked behind the invite.
        classroom.since_spaces = vec![SpaceId::EVERYONE];
        self.come_in(&link, &entry).map_err(|_| Problem::Internal)?;
        let joined = (request, Answer::Classroom(id));
        match change {
            Some(change) => {
                self.touched(&id, &log.document);
                self.keep_change(&id, log, change, Some(joined))
            }
            None => {
                self.writes.then(After::Answer(joined.0, joined.1));
                Ok(())
            }
        }
    }

    /// Keeps the classroom that somebody has looked into, with the entry by which they join it, or ask to.
    pub(crate) fn come_in(&mut self, link: &InviteLink, entry: &Entry) -> Result<(), Error> {
        let id = &link.classroom;
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        if let Some(joining) = classroom.joining.take() {
            self.writes.next().append(joining.kept);
        }
        // What a file brought the relay may lack.
        let is_unhealed = std::mem::take(&mut classroom.unhealed);
        classroom.record.invite = Some(link.to_fragment());
        classroom.roster_grew();
        store_classroom(self.writes.next(), classroom)?;
        self.keep_entry(id, entry)?;
        if is_unhealed {
            self.mark_unhealed(id)?;
            self.open_channel(id);
        }
        self.read_imported(id);
        self.tell_tabs_of(id);
        Ok(())
    }

    /// Opens the classroom with the invite that somebody joins by, if they have looked behind another one since: the relay
    /// takes what they make by this one only from whoever has shown that they have it.
    fn come_by(&mut self, id: &ClassroomId, invite: &InviteKeys) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let is_known = classroom.roster.invite(&invite.id()).is_some();
        if let Some(joining) = &mut classroom.joining
            && is_known
            && joining.keys.id() != invite.id()
        {
            joining.keys = invite.clone();
            classroom.keys_due = true;
            self.learn_keys(id);
            self.open_channel(id);
        }
    }

    /// Whoever waits for a preview is told when it takes too long.
    pub(crate) fn tick_joining(&mut self) {
        let now = self.now;
        let mut waiting = Vec::new();
        let looking = self.classrooms.values_mut();
        let looking = looking.filter_map(|classroom| classroom.joining.as_mut());
        // Who knocks goes on knocking: the connection is wanted, and may come yet.
        let knocking = self.knocking.values_mut().map(|knocking| &mut knocking.joining);
        for joining in looking.chain(knocking) {
            if now >= joining.deadline {
                waiting.append(&mut joining.requests);
            }
        }
        self.answer_all(waiting, self.connection.problem());
    }

    /// The relay would not let somebody look behind an invite, or has no such classroom.
    pub(crate) fn joining_refused(&mut self, id: &ClassroomId, reason: Refusal) {
        let Some(joining) = self
            .classrooms
            .get_mut(id)
            .and_then(|classroom| classroom.joining.as_mut())
        else {
            return;
        };
        if joining.imported && reason == Refusal::UnknownClassroom {
            // It was carried here by hand, and gets there once somebody belongs to it.
            return;
        }
        let requests = std::mem::take(&mut joining.requests);
        self.classrooms.remove(id);
        self.answer_all(requests, problem_of(reason));
    }

    pub(crate) fn answer_all(&mut self, requests: Vec<u32>, problem: Problem) {
        for request in requests {
            self.answer(request, Err(problem));
        }
    }

    pub(crate) fn tell_tabs_of(&mut self, id: &ClassroomId) {
        if let Some(me) = &self.me {
            let seed = *me.seed.as_bytes();
            self.tell_tabs(&Note::Classroom { classroom: *id, seed });
        }
    }

    /// Another tab founded or joined a classroom: everything of it is in the store.
    pub(crate) fn classroom_from_tab(&mut self, id: ClassroomId, seed: [u8; 16]) -> Result<(), Error> {
        let seed = Seed::from_bytes(seed);
        if self.me.as_ref().is_some_and(|me| me.stored && me.seed != seed) {
            return Ok(());
        }
        self.be_known_as(seed, false)?;
        if self
            .classrooms
            .get(&id)
            .is_none_or(|classroom| classroom.joining.is_some())
            && !self.coming.contains_key(&id)
        {
            self.coming.insert(id, Coming::default());
            self.read_classroom(id);
        }
        Ok(())
    }

    pub(crate) fn read_classroom(&mut self, id: ClassroomId) {
        if let Some(coming) = self.coming.get_mut(&id) {
            coming.again_at = None;
        }
        let tables = Table::AT_START.into_iter();
        let tables = tables.filter(|table| !matches!(table, Table::Profile | Table::Pending));
        let ranges = tables.map(|table| store::range_of(table, &id)).collect();
        self.read(id, What::Classroom, ranges);
    }

    pub(crate) fn classroom_read(&mut self, id: &ClassroomId, records: &Records) {
        let Some(coming) = self.coming.remove(id) else {
            return;
        };
        let looking = self
            .classrooms
            .remove(id)
            .and_then(|classroom| classroom.joining)
            .or_else(|| self.knocking.remove(id).map(|knocking| knocking.joining));
        if let Some(joining) = looking {
            self.answer_all(joining.requests, Problem::NeedsConnection);
        }
        self.read_classrooms(records);
        self.load_own_document(id);
        self.connect_if_due();
        self.open_channel(id);
        for note in coming.notes {
            self.hear_tab(&note);
        }
    }
}

impl Classroom {
    /// Whether more of the classroom's own document is on its way: a snapshot, what one was to spare, or what the store has.
    fn awaits_own_document(&self) -> bool {
        let own = self.roster.document();
        let channel = self.channel.as_ref();
        self.snapshots.is_coming(&own)
            || channel.is_some_and(|channel| channel.fetching.contains(&Fetching::Segments))
            || matches!(self.documents.get(&own), Some(Copy::Loading { .. }))
    }
}

pub(crate) fn store_classroom(batch: &mut Batch, classroom: &Classroom) -> Result<(), Error> {
    batch.strict = true;
    batch.put(Table::Classrooms, classroom.id.0.to_vec(), &classroom.record)
}

fn problem_of(reason: Refusal) -> Problem {
    match reason {
        Refusal::UnknownClassroom => Problem::UnknownClassroom,
        Refusal::InviteExpired => Problem::InviteExpired,
        Refusal::InviteUsedUp => Problem::InviteUsedUp,
        Refusal::UnknownInvite | Refusal::NotAMember => Problem::InviteUnknown,
        other => Problem::Refused(other),
    }
}

fn parse(link: &str) -> Result<InviteLink, Problem> {
    InviteLink::parse(link).map_err(|error| match error {
        protocol::Error::UnsupportedVersion { .. } => Problem::NewerVersion,
        _ => Problem::NotAnInvite,
    })
}

fn check_name(name: &str) -> Result<(), Problem> {
    let length = name.trim().chars().count();
    if (1..=documents::classroom::LONGEST_NAME).contains(&length) {
        Ok(())
    } else {
        Err(Problem::BadName)
    }
}

fn check_profile(profile: &Profile) -> Result<(), Problem> {
    check_name(&profile.name)?;
    check_name(&profile.school)?;
    // The document knows what else there is to check.
    let somebody = DocumentProfile {
        name: profile.name.clone(),
        school: [0; 16],
    };
    ClassroomDocument::found([0; 16], &profile.school, [0; 32], &somebody, &school_of(profile))
        .map(drop)
        .map_err(|_| Problem::BadName)
}

pub(crate) fn school_of(profile: &Profile) -> School {
    School {
        name: profile.school.clone(),
        country: profile.country.clone(),
        time_zone: profile.time_zone.clone(),
    }
}

pub(crate) fn random(rng: &mut impl CryptoRng) -> [u8; 16] {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    bytes
}
