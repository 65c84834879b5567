//! What can happen next, and what then happens: one write, one message, one commit at a time.

use replica::store::{Batch, Table};
use replica::{Event, Uploaded};
use sync_server::core::{Claim, Sent, SessionId};

use protocol::frame::{self, RelayFrame};
use protocol::{Refusal, next};

use crate::broken::{Broken, Rule};
use crate::mischief::Mischief;
use crate::rng::SeededRng;
use crate::tab::{Bringing, Posting};
use crate::trace;
use crate::wire::{Wire, items_in};
use crate::world::{Network, ORIGIN, World};

/// After so many steps without a pause something goes round in circles.
const MOST_STEPS: usize = 20_000;

/// Something that can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A tab's write is done, or fails.
    Write(usize),
    Read(usize),
    Hear(usize),
    Adopt(usize),
    Claim(usize),
    Connect(usize),
    /// A message reaches the relay.
    Up(usize),
    /// The relay says something on a wire.
    Tell(usize),
    /// A message reaches a tab.
    Down(usize),
    /// A request reaches the relay, or its answer comes back.
    Post(usize),
    /// A chunk reaches the relay, or what became of it comes back.
    Bring(usize),
    /// A chunk comes from the relay.
    Fetch(usize),
    Commit(usize),
}

impl World {
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (&number, tab) in &self.tabs {
            if tab.writing.is_some() && !tab.untold {
                steps.push(Step::Write(number));
            }
            if !tab.reading.is_empty() {
                steps.push(Step::Read(number));
            }
            if !tab.notes.is_empty() {
                steps.push(Step::Hear(number));
            }
            if !tab.adopting.is_empty() {
                steps.push(Step::Adopt(number));
            }
            if tab.claiming.is_some() {
                steps.push(Step::Claim(number));
            }
            let is_stalled = self.devices[tab.device].network == Network::Stalled;
            if tab.connecting && !is_stalled {
                steps.push(Step::Connect(number));
            }
            if tab.posting.is_some() && !is_stalled {
                steps.push(Step::Post(number));
            }
            let is_waiting = match tab.bringing {
                None => true,
                Some(Bringing::Deciding { relay, .. }) => self.relays[relay].core.waiting() > 0,
                Some(_) => false,
            };
            if !is_waiting && !is_stalled {
                steps.push(Step::Bring(number));
            }
            if !tab.fetching.is_empty() && !is_stalled {
                steps.push(Step::Fetch(number));
            }
        }
        for (&number, wire) in &self.wires {
            if self.is_stalled(wire) {
                continue;
            }
            if !wire.up.is_empty() || (wire.tab.is_none() && !wire.unnoticed) {
                steps.push(Step::Up(number));
            }
            if wire.session.is_some() && wire.told != self.relays[wire.relay].news {
                steps.push(Step::Tell(number));
            }
            if wire.tab.is_some() && (!wire.down.is_empty() || wire.session.is_none()) {
                steps.push(Step::Down(number));
            }
        }
        for (number, relay) in self.relays.iter().enumerate() {
            if relay.core.waiting() > 0 {
                steps.push(Step::Commit(number));
            }
        }
        steps
    }

    fn is_stalled(&self, wire: &Wire) -> bool {
        let device = wire.tab.and_then(|tab| self.tabs.get(&tab)).map(|tab| tab.device);
        device.is_some_and(|device| self.devices[device].network == Network::Stalled)
    }

    pub(crate) fn step(&mut self, step: Step) -> Result<(), Broken> {
        if trace::is_on() {
            self.tell_step(step);
        }
        match step {
            Step::Write(tab) => self.write(tab),
            Step::Read(tab) => self.read(tab),
            Step::Hear(number) => {
                let note = self.tabs.get_mut(&number).and_then(|tab| tab.notes.pop_front());
                note.map_or(Ok(()), |note| self.handle(number, Event::FromTab(note)))
            }
            Step::Adopt(tab) => self.adopt(tab),
            Step::Claim(tab) => self.claim(tab),
            Step::Connect(tab) => self.connect(tab),
            Step::Up(wire) => self.up(wire),
            Step::Tell(wire) => self.tell(wire),
            Step::Down(wire) => self.down(wire),
            Step::Post(tab) => self.post(tab),
            Step::Bring(tab) => self.bring(tab),
            Step::Fetch(tab) => self.fetch(tab),
            Step::Commit(relay) => {
                // If it fails, everybody is told.
                let relay = &mut self.relays[relay];
                let now = relay.moment(self.now);
                let committed = next::play(relay.is_next, || relay.core.commit(now));
                self.story.update(&[u8::from(committed.is_ok())]);
                relay.news += 1;
                relay.check_drops()
            }
        }
    }

    fn write(&mut self, number: usize) -> Result<(), Broken> {
        if self.does(Mischief::DeviceSaysDoneEarly) && self.rng("early").percent(10) {
            if let Some(tab) = self.tabs.get_mut(&number) {
                tab.written += 1;
            }
            return self.handle(number, Event::Written);
        }
        let Some((batch, device)) = self.tabs.get_mut(&number).and_then(|tab| {
            tab.written += 1;
            Some((tab.writing.take()?, tab.device))
        }) else {
            return Ok(());
        };
        let store = &mut self.devices[device].store;
        let failed = store.full;
        if !failed {
            let strict = batch.strict && self.mischief != Some(Mischief::DeviceLiesAboutDisk);
            store.write_part(&batch, batch.changes.len(), strict);
        }
        if self.does(Mischief::DeviceForgetsToSay) && self.rng("say").percent(2) {
            if let Some(tab) = self.tabs.get_mut(&number) {
                tab.writing = Some(Batch::default());
                tab.untold = true;
            }
            return Ok(());
        }
        let event = if failed && !self.does(Mischief::DeviceHidesFailure) {
            Event::WriteFailed
        } else {
            Event::Written
        };
        self.handle(number, event)
    }

    fn read(&mut self, number: usize) -> Result<(), Broken> {
        let Some((device, (ticket, ranges, most))) = self
            .tabs
            .get_mut(&number)
            .and_then(|tab| Some((tab.device, tab.reading.pop_front()?)))
        else {
            return Ok(());
        };
        let mut records = self.devices[device].store.read(&ranges, most);
        if self.does(Mischief::DeviceReadsOldRows)
            && let Some(segments) = records.get_mut(&Table::Segments)
        {
            segments.pop();
        }
        self.handle(number, Event::Read { ticket, records })
    }

    fn adopt(&mut self, number: usize) -> Result<(), Broken> {
        let Some((device, lane)) = self
            .tabs
            .get_mut(&number)
            .and_then(|tab| Some((tab.device, tab.adopting.pop_front()?)))
        else {
            return Ok(());
        };
        let device = &mut self.devices[device];
        if device.locks.contains_key(&lane) {
            return Ok(());
        }
        device.locks.insert(lane, number);
        let records = device.store.read_tables(&Table::UNSENT);
        self.handle(number, Event::Adopted { lane, records })
    }

    /// Who the first tab says this is, it is.
    fn claim(&mut self, number: usize) -> Result<(), Broken> {
        let Some((device, row)) = self
            .tabs
            .get_mut(&number)
            .and_then(|tab| Some((tab.device, tab.claiming.take()?)))
        else {
            return Ok(());
        };
        let is_torn = self.does(Mischief::DeviceTearsProfile);
        let stored = &row[..if is_torn { row.len() / 2 } else { row.len() }];
        let event = match self.devices[device].store.claim_profile(stored.to_vec()) {
            Some(_) if is_torn => Event::ProfileClaimed(row),
            Some(row) => Event::ProfileClaimed(row),
            None => Event::ProfileClaimFailed,
        };
        self.handle(number, event)
    }

    fn connect(&mut self, number: usize) -> Result<(), Broken> {
        let Some(tab) = self.tabs.get_mut(&number) else {
            return Ok(());
        };
        tab.connecting = false;
        let device = &self.devices[tab.device];
        let (relay, is_blocked) = (device.relay, device.blocked);
        if device.network != Network::Up {
            return self.handle(number, Event::Disconnected);
        }
        if is_blocked {
            return self.handle(number, Event::Exchanging);
        }
        let name = format!("challenge {}", self.number());
        let challenge = *blake3::hash(name.as_bytes()).as_bytes();
        let now = self.relays[relay].moment(self.now);
        let core = &mut self.relays[relay].core;
        let session = core.connect(vec![ORIGIN.to_owned()], challenge, now);
        let wire = self.next_wire;
        self.next_wire += 1;
        self.wires.insert(wire, Wire::new(relay, session, number));
        self.relays[relay].news += 1;
        if let Some(tab) = self.tabs.get_mut(&number) {
            tab.wire = Some(wire);
        }
        self.handle(number, Event::Connected)
    }

    /// A chunk takes its next step: to the relay, or what became of it back.
    fn bring(&mut self, number: usize) -> Result<(), Broken> {
        let Some(tab) = self.tabs.get_mut(&number) else {
            return Ok(());
        };
        let Some(bringing) = tab.bringing.take() else {
            return Ok(());
        };
        let device = &self.devices[tab.device];
        let is_up = device.network == Network::Up;
        let (claim, outcome) = match bringing {
            Bringing::Asking(claim, content) if is_up => {
                let relay = device.relay;
                let home = &mut self.relays[relay];
                let now = home.moment(self.now);
                let upload = next::play(home.is_next, || {
                    home.core.upload(&[ORIGIN.to_owned()], &claim, content, now)
                });
                home.news += 1;
                tab.bringing = Some(Bringing::Deciding { relay, upload, claim });
                return Ok(());
            }
            Bringing::Deciding { relay, upload, claim } => match self.relays[relay].core.uploaded(upload) {
                Some(Ok(_)) if is_up => (claim, Uploaded::Done),
                Some(Err(reason)) if is_up => (claim, Uploaded::Refused(reason)),
                Some(_) => (claim, Uploaded::Unanswered),
                None => {
                    tab.bringing = Some(Bringing::Deciding { relay, upload, claim });
                    return Ok(());
                }
            },
            Bringing::Asking(claim, _) | Bringing::Lost(claim) => (claim, Uploaded::Unanswered),
        };
        let Claim {
            classroom,
            document,
            chunk,
            ..
        } = claim;
        let event = Event::Uploaded {
            classroom,
            document,
            chunk,
            outcome,
        };
        self.handle(number, event)
    }

    fn fetch(&mut self, number: usize) -> Result<(), Broken> {
        let Some(tab) = self.tabs.get_mut(&number) else {
            return Ok(());
        };
        let Some((classroom, chunk)) = tab.fetching.pop_front() else {
            return Ok(());
        };
        let device = &self.devices[tab.device];
        let core = &self.relays[device.relay].core;
        let found = core.download(&classroom, &chunk).ok().flatten();
        let bytes = found.filter(|_| device.network == Network::Up);
        let event = Event::Downloaded {
            classroom,
            chunk,
            bytes,
        };
        self.handle(number, event)
    }

    /// A request takes its next step: to the relay, through it, and back.
    fn post(&mut self, number: usize) -> Result<(), Broken> {
        let Some(tab) = self.tabs.get_mut(&number) else {
            return Ok(());
        };
        let Some(posting) = tab.posting.take() else {
            return Ok(());
        };
        let device = &self.devices[tab.device];
        let is_up = device.network == Network::Up;
        let next = match posting {
            Posting::Asking(request) if is_up => {
                let relay = device.relay;
                let session = self.hand_on(relay, request);
                Posting::Answering { relay, session }
            }
            Posting::Answering { relay, session } => match self.relays[relay].core.answer(session) {
                Some(answer) if is_up => Posting::Answered(answer),
                Some(_) => Posting::Lost,
                None => Posting::Answering { relay, session },
            },
            Posting::Answered(answer) if is_up => {
                self.story.update(&answer);
                tab.traffic.hear(&answer);
                return self.handle(number, Event::Exchanged(answer));
            }
            Posting::Asking(_) | Posting::Answered(_) | Posting::Lost => {
                return self.handle(number, Event::Disconnected);
            }
        };
        if let Some(tab) = self.tabs.get_mut(&number) {
            tab.posting = Some(next);
        }
        Ok(())
    }

    /// Hands a request on to a relay. What stands between may do so twice, and the second time late; of two answers to the
    /// same request it gives back either.
    fn hand_on(&mut self, relay: usize, request: Vec<u8>) -> SessionId {
        self.posted += 1;
        let mut rng = SeededRng::new(&format!("{} request {}", self.seed, self.posted));
        if self.repeats && rng.percent(20) {
            self.late.push((relay, request.clone()));
        }
        if self.repeats && rng.percent(20) {
            let first = self.exchange(relay, request.clone());
            self.relays[relay].core.disconnect(first);
        }
        let session = self.exchange(relay, request);
        if rng.percent(50)
            && let Some((relay, request)) = self.late.pop()
        {
            let last = self.exchange(relay, request);
            self.relays[relay].core.disconnect(last);
        }
        session
    }

    fn exchange(&mut self, relay: usize, request: Vec<u8>) -> SessionId {
        let relay = &mut self.relays[relay];
        let (now, origins) = (relay.moment(self.now), vec![ORIGIN.to_owned()]);
        relay.news += 1;
        next::play(relay.is_next, || {
            relay.core.exchange(origins, request, &relay.secret, now)
        })
    }

    fn up(&mut self, number: usize) -> Result<(), Broken> {
        let Some(wire) = self.wires.get_mut(&number) else {
            return Ok(());
        };
        match (wire.up.pop_front(), wire.session) {
            (Some(message), Some(session)) => {
                let relay = &mut self.relays[wire.relay];
                let now = relay.moment(self.now);
                next::play(relay.is_next, || relay.core.receive(session, message, now));
                relay.news += 1;
            }
            (Some(_), None) => {}
            (None, session) => {
                if let Some(session) = session {
                    self.relays[wire.relay].core.disconnect(session);
                }
                self.wires.remove(&number);
            }
        }
        Ok(())
    }

    fn tell(&mut self, number: usize) -> Result<(), Broken> {
        let Some((session, wire)) = self
            .wires
            .get_mut(&number)
            .and_then(|wire| Some((wire.session?, wire)))
        else {
            return Ok(());
        };
        let relay = &mut self.relays[wire.relay];
        match relay.core.send(session) {
            Sent::Message(message) if wire.tab.is_some() => {
                wire.down.push_back(message);
                let waiting = wire.down.len();
                self.meddle(number, waiting)?;
            }
            Sent::Message(_) => {}
            Sent::Nothing => wire.told = relay.news,
            Sent::Ended => wire.session = None,
        }
        Ok(())
    }

    /// What somebody between relay and tab does to the newest message on its way.
    fn meddle(&mut self, number: usize, waiting: usize) -> Result<(), Broken> {
        let mut rng = match self.mischief {
            None => return Ok(()),
            Some(_) => self.rng("meddling"),
        };
        let mischief = self.mischief;
        let tab = self.wires.get(&number).and_then(|wire| wire.tab);
        let device = tab.and_then(|tab| self.tabs.get(&tab)).map(|tab| tab.device);
        let is_newcomer = device.is_some() && device == self.newcomer;
        let Some(wire) = self.wires.get_mut(&number) else {
            return Ok(());
        };
        let Some(newest) = wire.down.back_mut() else {
            return Ok(());
        };
        match mischief {
            Some(Mischief::RelaySwallowsMessage) if items_in(newest) > 0 && rng.percent(5) => {
                wire.down.pop_back();
            }
            Some(Mischief::RelaySwapsMessages) if waiting > 1 => {
                wire.down.swap(waiting - 1, waiting - 2);
            }
            Some(Mischief::RelayHidesFailure) => {
                let mut changed = Vec::new();
                for frame in frame::decode::<RelayFrame>(newest) {
                    let frame = match Rule::Speaks.check(frame)? {
                        RelayFrame::Refused {
                            channel,
                            submission,
                            reason: Refusal::Storage,
                        } => RelayFrame::Held { channel, submission },
                        other => other,
                    };
                    Rule::Speaks.check(frame::append(&mut changed, &frame))?;
                }
                *newest = changed;
            }
            Some(Mischief::RelayStintsNewcomers) if is_newcomer && items_in(newest) > 0 => {
                wire.down.pop_back();
            }
            Some(Mischief::RelayListsLess) => {
                let mut changed = Vec::new();
                for frame in frame::decode::<RelayFrame>(newest) {
                    let mut frame = Rule::Speaks.check(frame)?;
                    if let RelayFrame::Inventory { part, .. } = &mut frame {
                        part.logs.pop();
                    }
                    Rule::Speaks.check(frame::append(&mut changed, &frame))?;
                }
                *newest = changed;
            }
            Some(Mischief::RelayFlipsBit) if items_in(newest) > 0 && rng.percent(5) => {
                if let Some(byte) = newest.last_mut() {
                    *byte ^= 1;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn down(&mut self, number: usize) -> Result<(), Broken> {
        let Some((wire, tab)) = self.wires.get_mut(&number).and_then(|wire| {
            let tab = wire.tab?;
            Some((wire, tab))
        }) else {
            return Ok(());
        };
        match wire.down.pop_front() {
            Some(message) => {
                self.story.update(&message);
                if let Some(tab) = self.tabs.get_mut(&tab) {
                    tab.traffic.hear(&message);
                }
                let panics = self.does(Mischief::ReplicaPanics) && self.rng("panic").percent(5);
                assert!(!panics, "as it was told to");
                self.handle(tab, Event::Message(message))
            }
            None => {
                self.wires.remove(&number);
                if let Some(tab) = self.tabs.get_mut(&tab) {
                    tab.wire = None;
                }
                self.handle(tab, Event::Disconnected)
            }
        }
    }

    /// Some of what could happen does, in any order.
    pub(crate) fn run(&mut self, steps: usize, rng: &mut SeededRng) -> Result<(), Broken> {
        for _ in 0..steps {
            match rng.pick(&self.steps()) {
                Some(step) => self.step(step)?,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Lets everything happen that can without waiting.
    pub(crate) fn drain(&mut self) -> Result<(), Broken> {
        let mut taken = 0;
        loop {
            let steps = self.steps();
            if steps.is_empty() {
                return Ok(());
            }
            for step in steps {
                // It may not be possible any more, and then nothing happens.
                self.step(step)?;
                taken += 1;
            }
            Rule::ComesToRest.holds(taken < MOST_STEPS, || format!("{:?} still", self.steps()))?;
        }
    }

    /// Time goes by for everybody.
    pub(crate) fn pass(&mut self, milliseconds: u64) -> Result<(), Broken> {
        self.now += milliseconds;
        for relay in &mut self.relays {
            let now = relay.moment(self.now);
            relay.core.tick(now);
            relay.news += 1;
        }
        for tab in self.tabs.keys().copied().collect::<Vec<_>>() {
            self.handle(tab, Event::Tick)?;
        }
        Ok(())
    }

    /// Lets time pass, second by second, and everything happen meanwhile.
    pub(crate) fn settle(&mut self, seconds: usize) -> Result<(), Broken> {
        for _ in 0..seconds {
            self.drain()?;
            self.pass(1_000)?;
        }
        self.drain()
    }
}
