//! The half that reads: authentication, opening, and the checks that need no order among submissions.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket};
use futures_util::StreamExt as _;
use futures_util::stream::SplitStream;
use protocol::frame::{self, Channel, ClientFrame, Position};
use protocol::identity::{Challenge, verify_answer};
use protocol::invite::InviteProof;
use protocol::roster::{Action, Entry, Roster};
use protocol::whisper::Whisper;
use protocol::wire::{Unpacker, WireSegment};
use protocol::{ClassroomId, EntryHash, MemberId, Refusal};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::{End, Phase, Shared};
use crate::classroom::{Classroom, Listening, Opened};
use crate::inbox::{Answer, ChannelKey, Inbox, Note};
use crate::store::Item;
use crate::writer::{Candidate, Job, Submitter, check_author, check_invite, check_space, now, refusal_of};

/// See the [module](self).
pub(super) struct Receiver<'a> {
    inbox: Arc<Inbox>,
    shared: &'a Shared,
    challenge: Challenge,
    origins: Vec<String>,
    /// Who answered the challenge.
    member: Option<MemberId>,
    channels: HashMap<Channel, Inbound>,
    /// Since when no classroom is open: from the start, or from the answer to the challenge, or since the last was closed.
    unopened: Option<Instant>,
    last_key: ChannelKey,
    whispers: Bucket,
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
    /// They submitted their own admission: what follows it may count.
    admitting: bool,
}

impl<'a> Receiver<'a> {
    pub(super) fn new(
        inbox: Arc<Inbox>,
        shared: &'a Shared,
        challenge: Challenge,
        origins: Vec<String>,
    ) -> Self {
        Self {
            inbox,
            shared,
            challenge,
            origins,
            member: None,
            channels: HashMap::new(),
            unopened: Some(Instant::now()),
            last_key: 0,
            whispers: Bucket::new(shared.limits.whispers_per_second),
        }
    }

    /// Reads until the connection ends.
    pub(super) async fn run(
        &mut self,
        stream: &mut SplitStream<WebSocket>,
        mut phase: watch::Receiver<Phase>,
    ) -> End {
        let reading = async {
            match self.read(stream).await {
                Ok(()) => End::Left,
                Err(refusal) => End::Told(refusal),
            }
        };
        tokio::select! {
            end = reading => end,
            Ok(_) = phase.wait_for(|phase| *phase == Phase::ShuttingDown) => End::Told(Refusal::GoingAway),
        }
    }

    async fn read(&mut self, stream: &mut SplitStream<WebSocket>) -> Result<(), Refusal> {
        let limits = &self.shared.limits;
        loop {
            let (deadline, end) = self.patience();
            // Whoever never stops talking is not waited for below.
            if deadline <= Instant::now() {
                return end;
            }
            let message = match timeout_at(deadline, stream.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(error))) => {
                    return if is_too_large(error) {
                        Err(Refusal::TooLarge)
                    } else {
                        Ok(())
                    };
                }
                Ok(None) => return Ok(()),
                Err(_) => return end,
            };
            match message {
                Message::Binary(bytes) => {
                    for frame in frame::decode::<ClientFrame>(&bytes) {
                        self.inbox.room(limits.unanswered).await;
                        // In a box, so that a connection that waits for the next message does not hold the room
                        // that founding and opening need.
                        Box::pin(self.take(frame.map_err(|_| Refusal::Malformed)?)).await?;
                    }
                }
                Message::Text(_) => return Err(Refusal::Malformed),
                Message::Close(_) => return Ok(()),
                Message::Ping(_) | Message::Pong(_) => {}
            }
        }
    }

    /// How long the next message may take, and how the connection ends if it does.
    fn patience(&mut self) -> (Instant, Result<(), Refusal>) {
        let (limits, now) = (&self.shared.limits, Instant::now());
        if self.channels.values().any(|inbound| inbound.open.is_some()) {
            self.unopened = None;
            return (now + limits.idle, Ok(()));
        }
        let since = *self.unopened.get_or_insert(now);
        if self.member.is_none() {
            return (since + limits.handshake, Err(Refusal::NotAuthenticated));
        }
        let (idle, unopened) = (now + limits.idle, since + limits.unopened);
        if idle < unopened {
            (idle, Ok(()))
        } else {
            (unopened, Err(Refusal::UnknownChannel))
        }
    }

    /// Takes one frame. An error ends the connection.
    async fn take(&mut self, frame: ClientFrame) -> Result<(), Refusal> {
        let Some(member) = self.member else {
            return self.authenticate(&frame);
        };
        match frame {
            ClientFrame::Answer { .. } => return Err(Refusal::Malformed),
            ClientFrame::Open {
                channel,
                classroom,
                since,
                roster: _,
                invite,
            } => {
                self.close(channel);
                if let Err(reason) = self.open(member, channel, &classroom, since, invite).await {
                    self.inbox.put(Note::Closed { channel, reason });
                }
            }
            ClientFrame::Found {
                channel,
                entry,
                token,
            } => {
                self.close(channel);
                self.channel(channel)?;
                self.inbox.expect_answer();
                if let Err(reason) = self.found(member, channel, &entry, token.as_deref()).await {
                    self.answer(0, channel, 0, Answer::Refused(reason));
                    self.inbox.put(Note::Closed { channel, reason });
                }
                self.channel(channel)?.submissions = 1;
            }
            ClientFrame::Entry { channel, entry } => {
                let submission = self.next_submission(channel)?;
                match self.check_entry(member, channel, entry.into_vec()) {
                    Ok(candidate) => self.submit(member, channel, submission, candidate).await,
                    Err(reason) => self.answer(0, channel, submission, Answer::Refused(reason)),
                }
            }
            ClientFrame::Segment { channel, segment } => {
                let submission = self.next_submission(channel)?;
                match self.check_segment(member, channel, *segment) {
                    Ok(candidate) => self.submit(member, channel, submission, candidate).await,
                    Err(reason) => self.answer(0, channel, submission, Answer::Refused(reason)),
                }
                if self.remembered() > self.shared.limits.remembered {
                    return Err(Refusal::Busy);
                }
            }
            ClientFrame::Whisper { channel, whisper } => self.whisper(member, channel, &whisper),
            ClientFrame::Close { channel } => self.close(channel),
            ClientFrame::Ping { nonce } => self.inbox.put(Note::Pong { nonce }),
        }
        Ok(())
    }

    /// The first frame must answer the challenge.
    fn authenticate(&mut self, frame: &ClientFrame) -> Result<(), Refusal> {
        let ClientFrame::Answer { member, signature } = frame else {
            return Err(Refusal::NotAuthenticated);
        };
        let is_right = self
            .origins
            .iter()
            .any(|origin| verify_answer(member, origin, &self.challenge, signature).is_ok());
        if !is_right {
            return Err(Refusal::NotAuthenticated);
        }
        self.member = Some(*member);
        self.unopened = Some(Instant::now());
        Ok(())
    }

    async fn open(
        &mut self,
        member: MemberId,
        channel: Channel,
        classroom: &ClassroomId,
        since: Option<Position>,
        invite: Option<InviteProof>,
    ) -> Result<(), Refusal> {
        if self.channels.len() >= self.shared.limits.channels {
            return Err(Refusal::Busy);
        }
        let classroom = self.shared.classrooms.open(classroom).await?;
        let roster = classroom.roster();
        let invite = match (roster.member(&member), invite) {
            (Some(_), _) => None,
            (None, None) => return Err(Refusal::NotAMember),
            (None, Some(proof)) => Some(self.check_proof(&roster, &proof)?),
        };
        let since = since
            .filter(|since| since.incarnation == self.shared.store.incarnation())
            .map(|since| since.index)
            .filter(|index| *index <= classroom.last());
        self.listen(member, channel, classroom, since.unwrap_or(0), invite);
        Ok(())
    }

    /// Lets somebody read who proves to hold an invite that still counts.
    fn check_proof(&self, roster: &Roster, proof: &InviteProof) -> Result<EntryHash, Refusal> {
        let is_right = self
            .origins
            .iter()
            .any(|origin| proof.verify(origin, &self.challenge, &roster.classroom()).is_ok());
        if !is_right {
            return Err(Refusal::BadSignature);
        }
        let invite = roster.invite(&proof.key).ok_or(Refusal::UnknownInvite)?;
        check_invite(roster, &invite.entry, now())?;
        Ok(invite.entry)
    }

    async fn found(
        &mut self,
        member: MemberId,
        channel: Channel,
        bytes: &[u8],
        token: Option<&[u8]>,
    ) -> Result<(), Refusal> {
        if self.channels.len() > self.shared.limits.channels {
            return Err(Refusal::Busy);
        }
        let shared = self.shared;
        let entry = Entry::decode(bytes).map_err(|error| refusal_of(&error))?;
        let item = Item::Entry {
            hash: entry.hash(),
            bytes: bytes.to_vec(),
        };
        let roster = Roster::found(entry).map_err(|error| refusal_of(&error))?;
        let founding = async {
            if !may_found(shared.found_token.as_deref(), token) {
                return Err(Refusal::FoundToken);
            }
            if roster.member(&member).is_none() {
                return Err(Refusal::NotAMember);
            }
            let classroom = Classroom::found(roster.clone());
            let (done, committed) = oneshot::channel();
            shared
                .queue
                .put(Job::Found {
                    classroom: Arc::clone(&classroom),
                    entry: item,
                    done,
                })
                .await?;
            committed.await.map_err(|_| Refusal::Storage)??;
            Ok(classroom)
        };
        let (classroom, opened) = shared
            .classrooms
            .open_or_found(&roster.classroom(), founding)
            .await?;
        if classroom.roster().member(&member).is_none() {
            return Err(Refusal::NotAMember);
        }
        let key = self.listen(member, channel, classroom, 0, None);
        let answer = match opened {
            Opened::Founded => Answer::Stored { position: 1 },
            Opened::Known => Answer::Held,
        };
        self.answer(key, channel, 0, answer);
        Ok(())
    }

    fn listen(
        &mut self,
        member: MemberId,
        channel: Channel,
        classroom: Arc<Classroom>,
        from: u64,
        invite: Option<EntryHash>,
    ) -> ChannelKey {
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
                    admitting: false,
                }),
            },
        );
        self.inbox.put(Note::Opened {
            key,
            channel,
            classroom,
            from,
        });
        key
    }

    fn close(&mut self, channel: Channel) {
        if let Some(Inbound { open: Some(open), .. }) = self.channels.remove(&channel) {
            self.inbox.put(Note::Forget { key: open.key });
        }
    }

    /// The channel, whether a classroom is open on it or not. Too many end the connection.
    fn channel(&mut self, channel: Channel) -> Result<&mut Inbound, Refusal> {
        // Twice as many as may be open: those that could not be opened are counted, too.
        if self.channels.len() >= 2 * self.shared.limits.channels && !self.channels.contains_key(&channel) {
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

    fn check_entry(
        &mut self,
        member: MemberId,
        channel: Channel,
        bytes: Vec<u8>,
    ) -> Result<Candidate, Refusal> {
        let open = self.opened(channel)?;
        let entry = Entry::decode(&bytes).map_err(|error| refusal_of(&error))?;
        if !open.is_member(&member) {
            let is_own_admission = entry.author() == member
                && matches!(entry.action(), Action::Admit { invite, .. } if open.invite == Some(*invite));
            if !is_own_admission {
                return Err(Refusal::NotAMember);
            }
            open.admitting = true;
        }
        Ok(Candidate::Entry {
            entry: Box::new(entry),
            bytes,
        })
    }

    fn check_segment(
        &mut self,
        member: MemberId,
        channel: Channel,
        wire: WireSegment,
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
        // Heads that are not here may be those of an entry that waits for the writer, which checks again.
        let (roster, header) = (classroom.roster(), &segment.header);
        if roster.knows(&header.roster) {
            check_author(classroom.role_at(&roster, &header.log.member, &header.roster))?;
        }
        check_space(&segment)?;
        let hash = segment
            .verify(classroom.id())
            .map_err(|error| refusal_of(&error))?;
        Ok(Candidate::Segment {
            segment: Box::new(segment),
            hash,
        })
    }

    async fn submit(&mut self, member: MemberId, channel: Channel, submission: u32, candidate: Candidate) {
        let (key, classroom) = match self.opened(channel) {
            Ok(open) => (open.key, Arc::clone(open.listening.classroom())),
            Err(reason) => return self.answer(0, channel, submission, Answer::Refused(reason)),
        };
        let job = Job::Submit {
            classroom,
            candidate,
            from: Submitter {
                inbox: Arc::clone(&self.inbox),
                member,
                key,
                channel,
                submission,
            },
        };
        if let Err(reason) = self.shared.queue.put(job).await {
            self.answer(key, channel, submission, Answer::Refused(reason));
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
    fn whisper(&mut self, member: MemberId, channel: Channel, bytes: &[u8]) {
        let max = self.shared.limits.whispers;
        let is_own = Whisper::decode(bytes).is_ok_and(|whisper| whisper.member == member);
        if !is_own || !self.whispers.take() {
            return;
        }
        let inbox = Arc::clone(&self.inbox);
        if let Ok(open) = self.opened(channel)
            && open.is_member(&member)
        {
            open.listening
                .classroom()
                .whisper(&inbox, open.key, &Arc::from(bytes), max);
        }
    }
}

impl Open {
    fn is_member(&self, member: &MemberId) -> bool {
        self.listening.classroom().roster().member(member).is_some()
    }
}

/// Lets so many through in a second, and twice as many at once.
struct Bucket {
    per_second: f64,
    left: f64,
    filled: Instant,
}

impl Bucket {
    fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Self {
            per_second,
            left: 2.0 * per_second,
            filled: Instant::now(),
        }
    }

    fn take(&mut self) -> bool {
        let now = Instant::now();
        let gained = now.duration_since(self.filled).as_secs_f64() * self.per_second;
        self.filled = now;
        self.left = (self.left + gained).min(2.0 * self.per_second);
        let may = self.left >= 1.0;
        if may {
            self.left -= 1.0;
        }
        may
    }
}

/// Compares by hash, so that the time it takes tells nothing.
fn may_found(wanted: Option<&str>, given: Option<&[u8]>) -> bool {
    match (wanted, given) {
        (None, _) => true,
        (Some(wanted), Some(given)) => blake3::hash(wanted.as_bytes()) == blake3::hash(given),
        (Some(_), None) => false,
    }
}

fn is_too_large(error: axum::Error) -> bool {
    error
        .into_inner()
        .downcast::<tungstenite::Error>()
        .is_ok_and(|error| matches!(*error, tungstenite::Error::Capacity(_)))
}
