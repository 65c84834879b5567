//! The half that listens: authentication, opening, and the checks that need no order among submissions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use protocol::frame::{Channel, ClientFrame, Position};
use protocol::identity::{Challenge, verify_answer};
use protocol::invite::InviteProof;
use protocol::roster::{Action, Entry, Roster};
use protocol::whisper::Whisper;
use protocol::wire::{Unpacker, WireSegment};
use protocol::{ClassroomId, EntryHash, MemberId, Refusal};

use super::access::{Access, Bringer};
use super::batch::{Candidate, Job, Submitter};
use super::bucket::Bucket;
use super::candidate::{piece_of, receipt_of, snapshot_of, verdict_of};
use super::classroom::{Classroom, Classrooms, Listening};
use super::inbox::{Answer, ChannelKey, Inbox, Note, Start};
use super::judge::{check_header, check_invite, check_kind, refusal_of, storage};
use super::members::Presence;
use super::{Moment, Shared};
use crate::settings::Rate;

/// See the [module](self).
pub(crate) struct Receiver {
    inbox: Arc<Inbox>,
    shared: Arc<Shared>,
    challenge: Challenge,
    /// Of an exchange, whose answer may also be to the challenge before: that one.
    earlier: Option<Challenge>,
    origins: Vec<String>,
    /// Who answered the challenge.
    presence: Option<Presence>,
    channels: HashMap<Channel, Inbound>,
    /// When the client was last heard.
    heard: Duration,
    /// Since when no classroom is open: from the start, or from the answer to the challenge, or since the last was closed.
    unopened: Duration,
    last_key: ChannelKey,
    whispers: Bucket,
    requests: Bucket,
}

/// What came of a frame.
pub(crate) enum Taken {
    /// Nothing more is to do.
    Done,
    /// The classroom it is about must be read from the store: do it, and call [`Receiver::loaded`].
    Load(Loading),
    /// This is to be decided on.
    Job(Job),
}

/// How far somebody says that they have come, and which heads of the roster they know.
pub(crate) struct Come {
    since: Option<Position>,
    heads: Vec<EntryHash>,
}

/// Something that waits for a classroom to be in memory.
pub(crate) enum Loading {
    Open {
        member: MemberId,
        channel: Channel,
        classroom: ClassroomId,
        come: Come,
        invite: Option<InviteProof>,
    },
    Found {
        member: MemberId,
        channel: Channel,
        entry: Box<Entry>,
        bytes: Vec<u8>,
        roster: Box<Roster>,
        may_found: bool,
    },
}

impl Loading {
    /// Reads the classroom from the store. Blocks.
    pub(crate) fn run(&self, classrooms: &Classrooms) -> Result<Arc<Classroom>, Refusal> {
        let loaded = match self {
            Self::Open { classroom, .. } => classrooms.load(classroom),
            Self::Found {
                roster,
                may_found: true,
                ..
            } => classrooms.load_or_found(roster).map(Some),
            Self::Found { roster, .. } => classrooms.load(&roster.classroom()),
        };
        match (loaded, self) {
            (Ok(Some(classroom)), _) => Ok(classroom),
            (Ok(None), Self::Open { .. }) => Err(Refusal::UnknownClassroom),
            (Ok(None), Self::Found { .. }) => Err(Refusal::FoundToken),
            (Err(error), _) => Err(storage(&error)),
        }
    }

    fn classroom(&self) -> ClassroomId {
        match self {
            Self::Open { classroom, .. } => *classroom,
            Self::Found { roster, .. } => roster.classroom(),
        }
    }
}

/// What is known of a channel that the client used.
#[derive(Default)]
struct Inbound {
    /// How many submissions came.
    submissions: u32,
    open: Option<Open>,
}

struct Open {
    key: ChannelKey,
    listening: Listening,
    unpacker: Unpacker,
    /// The invite by which somebody reads who was no member yet.
    invite: Option<EntryHash>,
    /// When its time is over.
    until: Option<Duration>,
    /// They submitted their own admission: what follows it may count.
    admitting: bool,
    /// They brought the founding entry, and may bring the rest of the roster.
    has_founding: bool,
    /// They are told by name what is here, or have to ask for it.
    compares: bool,
    /// They have not asked yet: their segments may build on what was here and is lost.
    is_ahead: bool,
}

/// How a classroom is opened.
#[derive(Clone, Copy)]
struct Opening {
    access: Access,
    start: Start,
    invite: Option<EntryHash>,
    until: Option<Duration>,
    has_founding: bool,
}

impl Receiver {
    pub(crate) fn new(
        inbox: Arc<Inbox>,
        shared: Arc<Shared>,
        challenge: Challenge,
        origins: Vec<String>,
        now: Moment,
    ) -> Self {
        let per_second = shared.limits.whispers_per_second;
        let at_once = per_second.saturating_mul(2);
        let whispers = Bucket::new(Rate { per_second, at_once }, now.elapsed);
        let requests = Bucket::new(shared.limits.requests, now.elapsed);
        Self {
            inbox,
            shared,
            challenge,
            earlier: None,
            origins,
            presence: None,
            channels: HashMap::new(),
            heard: now.elapsed,
            unopened: now.elapsed,
            last_key: 0,
            whispers,
            requests,
        }
    }

    /// For an exchange: `earlier` may be answered, too.
    pub(crate) fn for_exchange(self, earlier: Challenge) -> Self {
        Self {
            earlier: Some(earlier),
            ..self
        }
    }

    /// Whether the challenge was answered rightly.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.presence.is_some()
    }

    /// The client said something, whatever it was.
    pub(crate) fn heard(&mut self, now: Moment) {
        self.heard = now.elapsed;
    }

    /// Until when the next message must come, and why the connection ends if it does not.
    pub(crate) fn patience(&self) -> (Duration, Refusal) {
        let limits = &self.shared.limits;
        let idle = self.heard.saturating_add(limits.idle);
        let open = self.channels.values().filter_map(|inbound| inbound.open.as_ref());
        let runs_out = open
            .filter_map(|open| open.runs_out(self.presence.as_ref()?.member()))
            .min();
        if let Some(runs_out) = runs_out
            && runs_out < idle
        {
            return (runs_out, Refusal::InviteExpired);
        }
        if self.channels.values().any(|inbound| inbound.open.is_some()) {
            return (idle, Refusal::TooSlow);
        }
        if self.presence.is_none() {
            let handshake = self.unopened.saturating_add(limits.handshake);
            return (handshake, Refusal::NotAuthenticated);
        }
        let unopened = self.unopened.saturating_add(limits.unopened);
        if idle < unopened {
            (idle, Refusal::TooSlow)
        } else {
            (unopened, Refusal::UnknownChannel)
        }
    }

    /// Forgets all channels: nothing more is taken.
    pub(crate) fn end(&mut self) {
        self.channels.clear();
    }

    /// Takes one frame. An error ends the connection.
    pub(crate) fn take(&mut self, frame: ClientFrame, now: Moment) -> Result<Taken, Refusal> {
        let Some(presence) = &self.presence else {
            return self.authenticate(&frame, now).map(|()| Taken::Done);
        };
        let member = presence.member();
        if is_request(&frame) && !self.requests.take(now.elapsed) {
            return Err(Refusal::TooFast);
        }
        match frame {
            ClientFrame::Answer { .. } => return Err(Refusal::Malformed),
            ClientFrame::Open {
                channel,
                classroom,
                since,
                roster: heads,
                invite,
            } => {
                self.close(channel, now);
                if self.channels.len() >= self.shared.limits.channels {
                    self.say_closed(channel, Refusal::Busy);
                    return Ok(Taken::Done);
                }
                return self.load(
                    Loading::Open {
                        member,
                        channel,
                        classroom,
                        come: Come { since, heads },
                        invite,
                    },
                    now,
                );
            }
            ClientFrame::Found {
                channel,
                entry,
                token,
            } => {
                self.close(channel, now);
                self.channel(channel)?.submissions = 1;
                self.inbox.expect_answer();
                match self.founding(member, channel, entry.into_vec(), token.as_deref()) {
                    Ok(loading) => return self.load(loading, now),
                    Err(reason) => self.refuse_founding(channel, reason),
                }
            }
            ClientFrame::Entry { channel, entry } => {
                return self.submit_entry(member, channel, entry.into_vec(), None, now);
            }
            ClientFrame::Erase { channel, upto, entry } => {
                return self.submit_entry(member, channel, entry.into_vec(), Some(upto), now);
            }
            ClientFrame::Segment { channel, segment } => {
                let submission = self.next_submission(channel)?;
                let mut checked = self.check_segment(member, channel, *segment, now);
                let is_too_much = self.remembered() > self.shared.limits.remembered;
                if is_too_much {
                    checked = checked.and(Err(Refusal::Busy));
                }
                match checked {
                    Ok(candidate) => return Ok(self.submit(member, channel, submission, candidate)),
                    Err(reason) => self.answer(0, channel, submission, Answer::Refused(reason)),
                }
                if is_too_much {
                    return Err(Refusal::Busy);
                }
            }
            ClientFrame::Whisper { channel, whisper } => self.whisper(member, channel, &whisper, now),
            ClientFrame::Close { channel } => self.close(channel, now),
            ClientFrame::Ping { nonce } => self.inbox.put(Note::Pong { nonce }),
            ClientFrame::Inventory { channel } => {
                if let Ok(open) = self.opened(channel) {
                    open.compares = true;
                    open.is_ahead = false;
                }
                self.ask(channel, |key| Note::Inventory { key });
            }
            ClientFrame::Fetch { channel, wanted } => {
                self.ask(channel, |key| Note::Fetch { key, wanted });
            }
            ClientFrame::Snapshot { channel, snapshot } => {
                return self.submit_extra(member, channel, now, |classroom| {
                    snapshot_of(snapshot.into_vec(), classroom)
                });
            }
            ClientFrame::Piece { channel, piece } => {
                return self.submit_extra(member, channel, now, |_| piece_of(piece.into_vec()));
            }
            ClientFrame::Verdict { channel, verdict } => {
                return self.submit_extra(member, channel, now, |classroom| {
                    verdict_of(verdict.into_vec(), classroom)
                });
            }
            ClientFrame::Receipt { channel, receipt } => {
                return self.submit_extra(member, channel, now, |classroom| {
                    receipt_of(receipt.into_vec(), classroom)
                });
            }
        }
        Ok(Taken::Done)
    }

    /// Goes on with what waited for a classroom.
    pub(crate) fn loaded(
        &mut self,
        loading: Loading,
        classroom: Result<Arc<Classroom>, Refusal>,
        now: Moment,
    ) -> Result<Taken, Refusal> {
        match loading {
            Loading::Open {
                member,
                channel,
                come,
                invite,
                ..
            } => {
                let opened =
                    classroom.and_then(|classroom| self.open(member, channel, classroom, &come, invite, now));
                if let Err(reason) = opened {
                    self.say_closed(channel, reason);
                }
                Ok(Taken::Done)
            }
            Loading::Found {
                member,
                channel,
                entry,
                bytes,
                may_found,
                ..
            } => match classroom {
                Ok(classroom) if classroom.last() == 0 && !may_found => {
                    self.refuse_founding(channel, Refusal::FoundToken);
                    Ok(Taken::Done)
                }
                Ok(classroom) => {
                    let opening = Opening {
                        access: Access::Visitor,
                        start: Start::Empty,
                        invite: None,
                        until: None,
                        has_founding: true,
                    };
                    let is_known = classroom.last() > 0;
                    self.listen(member, channel, classroom, opening);
                    self.channel(channel)?.submissions = 1;
                    if is_known {
                        self.answer(self.last_key, channel, 0, Answer::Held);
                        return Ok(Taken::Done);
                    }
                    Ok(self.submit(
                        member,
                        channel,
                        0,
                        Candidate::Entry {
                            entry,
                            bytes,
                            upto: None,
                        },
                    ))
                }
                Err(reason) => {
                    self.refuse_founding(channel, reason);
                    Ok(Taken::Done)
                }
            },
        }
    }

    /// Goes on at once if the classroom is in memory, as it is in the store.
    fn load(&mut self, loading: Loading, now: Moment) -> Result<Taken, Refusal> {
        let at_hand = self.shared.classrooms.at_hand(&loading.classroom());
        match at_hand.filter(|classroom| !classroom.is_doubtful()) {
            Some(classroom) => self.loaded(loading, Ok(classroom), now),
            None => Ok(Taken::Load(loading)),
        }
    }

    /// The first frame must answer the challenge.
    fn authenticate(&mut self, frame: &ClientFrame, now: Moment) -> Result<(), Refusal> {
        let ClientFrame::Answer { member, signature } = frame else {
            return Err(Refusal::NotAuthenticated);
        };
        let answers = |challenge: &Challenge| {
            let mut origins = self.origins.iter();
            origins.any(|origin| verify_answer(member, origin, challenge, signature).is_ok())
        };
        let answered = [Some(self.challenge), self.earlier]
            .into_iter()
            .flatten()
            .find(answers);
        self.challenge = answered.ok_or(Refusal::NotAuthenticated)?;
        let presence = self.shared.members.enter(*member, &self.shared.limits, now)?;
        // Exchanges may follow each other as fast as submissions.
        if self.earlier.is_some() && !presence.may_exchange(now) {
            return Err(Refusal::TooFast);
        }
        self.presence = Some(presence);
        self.unopened = now.elapsed;
        Ok(())
    }

    fn open(
        &mut self,
        member: MemberId,
        channel: Channel,
        classroom: Arc<Classroom>,
        come: &Come,
        invite: Option<InviteProof>,
        now: Moment,
    ) -> Result<(), Refusal> {
        let last = classroom.last();
        if last == 0 {
            return Err(Refusal::UnknownClassroom);
        }
        let roster = classroom.roster();
        let (access, invite) = match (roster.member(&member), invite) {
            (Some(_), _) => (Access::Member, None),
            (None, None) if roster.former_members().contains(&member) => (Access::Former, None),
            (None, None) => return Err(Refusal::NotAMember),
            (None, Some(proof)) => {
                let (access, invite) = self.check_proof(&roster, &proof, now)?;
                (access, Some(invite))
            }
        };
        let until = invite.and_then(|invite| {
            let left = roster.invite_by(&invite)?.expires.saturating_sub(now.clock);
            now.elapsed.checked_add(Duration::from_secs(left))
        });
        let incarnation = self.shared.store.incarnation();
        let is_known = |since: Position| since.incarnation == incarnation && classroom.gave(since.index);
        let is_short = |since: Position| classroom.is_short(&come.heads, since.index);
        let start = match come.since {
            None => Start::Empty,
            Some(since) if is_known(since) && !is_short(since) => Start::Behind(since.index),
            // Nothing that is named could be asked for.
            Some(_) if access == Access::Former => Start::Empty,
            Some(since) if is_known(since) => Start::Short(since.index),
            Some(Position { incarnation: 0, .. }) => Start::Compared(last),
            Some(_) => Start::Unknown(last),
        };
        let opening = Opening {
            access,
            start,
            invite,
            until,
            has_founding: false,
        };
        self.listen(member, channel, classroom, opening);
        Ok(())
    }

    /// Lets somebody read who proves to hold an invite that still counts.
    fn check_proof(
        &self,
        roster: &Roster,
        proof: &InviteProof,
        now: Moment,
    ) -> Result<(Access, EntryHash), Refusal> {
        let is_right = self
            .origins
            .iter()
            .any(|origin| proof.verify(origin, &self.challenge, &roster.classroom()).is_ok());
        if !is_right {
            return Err(Refusal::BadSignature);
        }
        let invite = roster.invite(&proof.key).ok_or(Refusal::UnknownInvite)?;
        check_invite(roster, &invite.entry, now.clock)?;
        let access = if invite.ask_first {
            Access::Visitor
        } else {
            Access::Invited
        };
        Ok((access, invite.entry))
    }

    fn founding(
        &self,
        member: MemberId,
        channel: Channel,
        bytes: Vec<u8>,
        token: Option<&[u8]>,
    ) -> Result<Loading, Refusal> {
        if self.channels.len() > self.shared.limits.channels {
            return Err(Refusal::Busy);
        }
        let entry = Entry::decode(&bytes).map_err(|error| refusal_of(&error))?;
        let roster = Roster::found(entry.clone()).map_err(|error| refusal_of(&error))?;
        Ok(Loading::Found {
            member,
            channel,
            entry: Box::new(entry),
            bytes,
            roster: Box::new(roster),
            may_found: may_found(self.shared.found_token.as_deref(), token),
        })
    }

    fn refuse_founding(&self, channel: Channel, reason: Refusal) {
        self.answer(0, channel, 0, Answer::Refused(reason));
        self.say_closed(channel, reason);
    }

    fn say_closed(&self, channel: Channel, reason: Refusal) {
        self.inbox.put(Note::Closed {
            key: 0,
            channel,
            reason,
        });
    }

    fn listen(&mut self, member: MemberId, channel: Channel, classroom: Arc<Classroom>, opening: Opening) {
        let Opening {
            access,
            start,
            invite,
            until,
            has_founding,
        } = opening;
        let is_ahead = matches!(start, Start::Unknown(_));
        let compares = is_ahead || matches!(start, Start::Compared(_) | Start::Short(_));
        if self.earlier.is_some() {
            // The next exchange will want it, and may be the only thing that does.
            self.shared.classrooms.keep(&classroom);
        }
        self.last_key += 1;
        let key = self.last_key;
        let listening = classroom.listen(Arc::clone(&self.inbox), key, member);
        self.channels.insert(
            channel,
            Inbound {
                submissions: 0,
                open: Some(Open {
                    key,
                    listening,
                    unpacker: Unpacker::default(),
                    invite,
                    until,
                    admitting: false,
                    has_founding,
                    compares,
                    is_ahead,
                }),
            },
        );
        self.inbox.put(Note::Opened {
            key,
            channel,
            classroom,
            member,
            access,
            invite,
            start,
        });
    }

    fn close(&mut self, channel: Channel, now: Moment) {
        if let Some(Inbound { open: Some(open), .. }) = self.channels.remove(&channel) {
            self.inbox.put(Note::Forget { key: open.key });
            self.unopened = now.elapsed;
        }
    }

    /// The channel, whether a classroom is open on it or not. Too many end the connection.
    fn channel(&mut self, channel: Channel) -> Result<&mut Inbound, Refusal> {
        // Twice as many as may be open: those that could not be opened are counted, too.
        let most = self.shared.limits.channels.saturating_mul(2);
        if self.channels.len() >= most && !self.channels.contains_key(&channel) {
            return Err(Refusal::Busy);
        }
        Ok(self.channels.entry(channel).or_default())
    }

    /// The number of the submission that just came, for which an answer is now owed.
    fn next_submission(&mut self, channel: Channel) -> Result<u32, Refusal> {
        let inbound = self.channel(channel)?;
        let submission = inbound.submissions;
        inbound.submissions = submission.checked_add(1).ok_or(Refusal::Busy)?;
        self.inbox.expect_answer();
        Ok(submission)
    }

    /// What all channels remember, in bytes.
    fn remembered(&self) -> usize {
        let open = self.channels.values().filter_map(|inbound| inbound.open.as_ref());
        open.map(|open| open.unpacker.remembered()).sum()
    }

    fn opened(&mut self, channel: Channel) -> Result<&mut Open, Refusal> {
        self.channels
            .get_mut(&channel)
            .and_then(|inbound| inbound.open.as_mut())
            .ok_or(Refusal::UnknownChannel)
    }

    fn submit_entry(
        &mut self,
        member: MemberId,
        channel: Channel,
        bytes: Vec<u8>,
        upto: Option<u64>,
        now: Moment,
    ) -> Result<Taken, Refusal> {
        let submission = self.next_submission(channel)?;
        let checked = self
            .check_rate(now)
            .and_then(|()| self.check_entry(member, channel, bytes, upto));
        match checked {
            Ok(candidate) => return Ok(self.submit(member, channel, submission, candidate)),
            Err(reason) => self.answer(0, channel, submission, Answer::Refused(reason)),
        }
        Ok(Taken::Done)
    }

    fn check_entry(
        &mut self,
        member: MemberId,
        channel: Channel,
        bytes: Vec<u8>,
        upto: Option<u64>,
    ) -> Result<Candidate, Refusal> {
        let open = self.opened(channel)?;
        let entry = Entry::decode(&bytes).map_err(|error| refusal_of(&error))?;
        if !open.is_member(&member) {
            let joins_by = match entry.action() {
                Action::Admit { invite, .. } | Action::Request { invite, .. } => Some(*invite),
                _ => None,
            };
            let is_own_admission = entry.author() == member && joins_by.is_some() && joins_by == open.invite;
            if !is_own_admission && !open.has_founding {
                return Err(Refusal::NotAMember);
            }
            open.admitting = true;
        }
        Ok(Candidate::Entry {
            entry: Box::new(entry),
            bytes,
            upto,
        })
    }

    fn check_segment(
        &mut self,
        member: MemberId,
        channel: Channel,
        wire: WireSegment,
        now: Moment,
    ) -> Result<Candidate, Refusal> {
        let open = self.opened(channel)?;
        // First, so that nothing is remembered for those who have no right to write.
        if !open.admitting && !open.is_member(&member) {
            return Err(Refusal::NotAMember);
        }
        let classroom = Arc::clone(open.listening.classroom());
        let segment = open
            .unpacker
            .unpack(wire, classroom.id())
            .map_err(|error| refusal_of(&error))?;
        let is_ahead = open.is_ahead;
        // From here on it costs; what both sides remember of the log must agree in any case.
        self.check_rate(now)?;
        if is_ahead {
            return Err(Refusal::IndexGap);
        }
        check_kind(segment.header.kind)?;
        let hash = segment
            .verify(classroom.id())
            .map_err(|error| refusal_of(&error))?;
        // Behind the signature, for old heads may take long to judge by. Heads that are not here may be those of an entry
        // that waits for the writer, which checks again.
        let (roster, header) = (classroom.roster(), &segment.header);
        if !classroom.is_known_to_fit(&roster, header) && roster.knows(&header.roster) {
            check_header(&roster, header, Bringer::Member(member))?;
        }
        Ok(Candidate::Segment {
            segment: Box::new(segment),
            hash,
        })
    }

    fn submit(&mut self, member: MemberId, channel: Channel, submission: u32, candidate: Candidate) -> Taken {
        let (key, has_founding, compares, classroom) = match self.opened(channel) {
            Ok(open) => (
                open.key,
                open.has_founding,
                open.compares,
                Arc::clone(open.listening.classroom()),
            ),
            Err(reason) => {
                self.answer(0, channel, submission, Answer::Refused(reason));
                return Taken::Done;
            }
        };
        Taken::Job(Job::Submit {
            classroom,
            candidate,
            from: Submitter {
                inbox: Arc::clone(&self.inbox),
                bringer: Bringer::Member(member),
                key,
                channel,
                submission,
                has_founding,
                compares,
            },
        })
    }

    fn check_rate(&self, now: Moment) -> Result<(), Refusal> {
        match &self.presence {
            Some(presence) if presence.may_submit(now) => Ok(()),
            _ => Err(Refusal::TooFast),
        }
    }

    /// Submits what is neither an entry nor a segment, if `read` takes it.
    fn submit_extra(
        &mut self,
        member: MemberId,
        channel: Channel,
        now: Moment,
        read: impl FnOnce(&ClassroomId) -> Result<Candidate, protocol::Error>,
    ) -> Result<Taken, Refusal> {
        let submission = self.next_submission(channel)?;
        let allowed = self.check_rate(now);
        let checked = self.opened(channel).and_then(|open| {
            allowed?;
            if !open.admitting && !open.is_member(&member) {
                return Err(Refusal::NotAMember);
            }
            read(open.listening.classroom().id()).map_err(|error| refusal_of(&error))
        });
        Ok(match checked {
            Ok(candidate) => self.submit(member, channel, submission, candidate),
            Err(reason) => {
                self.answer(0, channel, submission, Answer::Refused(reason));
                Taken::Done
            }
        })
    }

    /// Passes on what the client wants to know.
    fn ask(&mut self, channel: Channel, note: impl FnOnce(ChannelKey) -> Note) {
        match self.opened(channel) {
            Ok(open) => {
                let key = open.key;
                self.inbox.expect_errand();
                self.inbox.put(note(key));
            }
            Err(reason) => self.say_closed(channel, reason),
        }
    }

    fn answer(&self, key: ChannelKey, channel: Channel, submission: u32, answer: Answer) {
        self.inbox.put(Note::Answer {
            key,
            channel,
            submission,
            answer,
        });
    }

    /// Passes a whisper on. One that may not be is dropped without a word: whispers are worth no more than that.
    fn whisper(&mut self, member: MemberId, channel: Channel, bytes: &[u8], now: Moment) {
        let max = self.shared.limits.whispers;
        let Some(whisper) = Whisper::decode(bytes)
            .ok()
            .filter(|whisper| whisper.member == member)
        else {
            return;
        };
        if !self.whispers.take(now.elapsed) {
            return;
        }
        let inbox = Arc::clone(&self.inbox);
        if let Ok(open) = self.opened(channel) {
            let classroom = open.listening.classroom();
            if classroom.roster().is_in_space(&member, &whisper.space) {
                classroom.whisper(&inbox, open.key, &whisper.space, &Arc::from(bytes), max);
            }
        }
    }
}

impl Open {
    /// When the invite's time is over by which somebody reads who is no member.
    fn runs_out(&self, member: MemberId) -> Option<Duration> {
        self.until.filter(|_| !self.is_member(&member))
    }

    fn is_member(&self, member: &MemberId) -> bool {
        self.listening.classroom().roster().member(member).is_some()
    }
}

/// Whether a frame asks for something that is not counted otherwise.
fn is_request(frame: &ClientFrame) -> bool {
    matches!(
        frame,
        ClientFrame::Open { .. }
            | ClientFrame::Found { .. }
            | ClientFrame::Close { .. }
            | ClientFrame::Ping { .. }
            | ClientFrame::Inventory { .. }
            | ClientFrame::Fetch { .. }
    )
}

/// Compares by hash, so that the time it takes tells nothing.
fn may_found(wanted: Option<&str>, given: Option<&[u8]>) -> bool {
    match (wanted, given) {
        (None, _) => true,
        (Some(wanted), Some(given)) => blake3::hash(wanted.as_bytes()) == blake3::hash(given),
        (Some(_), None) => false,
    }
}
