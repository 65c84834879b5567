//! A relay in a school day: rooms in which some type.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use protocol::ClassroomId;
use protocol::frame::{self, ClientFrame, RelayFrame};
use protocol::segment::Segment;
use protocol::wire::{Packer, Unpacker};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::Result;
use crate::classroom::Classroom;
use crate::client::{CHANNEL, Client};
use crate::report::Measurement;
use crate::server::Server;
use crate::statistics::Samples;

const ROOMS: usize = 10;
const MEMBERS: usize = 30;
const WRITERS: usize = 3;
const FLUSHES_A_SECOND: usize = 4;
const SECONDS: usize = 10;
/// In milliseconds of processor time for 1,000 deliveries.
const BUDGET: f64 = 10.0;

const FLUSHES: usize = FLUSHES_A_SECOND * SECONDS;
const PERIOD: Duration = Duration::from_millis(1000 / FLUSHES_A_SECOND as u64);

/// When each writer's flushes left, for those who receive them.
type Departures = Arc<Vec<Vec<OnceLock<Instant>>>>;

/// What one member saw.
struct Seen {
    /// From a flush's departure to its arrival here, in milliseconds.
    deliveries: Vec<f64>,
    /// From an own flush's departure to the answer that it is stored.
    stored: Vec<f64>,
}

pub(crate) async fn measure(server: &Server) -> Result<Vec<Measurement>> {
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        let classroom = Classroom::found(server, MEMBERS).await?;
        let mut members = Vec::new();
        for member in 0..MEMBERS {
            let client = classroom.open(server, member).await?;
            let writes = if member < WRITERS { FLUSHES } else { 0 };
            members.push((client, classroom.write(member, writes)?));
        }
        rooms.push((classroom.id, members));
    }

    let before = server.processor_time()?;
    let begin = Instant::now() + Duration::from_millis(500);
    let mut tasks = JoinSet::new();
    for (room, (id, members)) in rooms.into_iter().enumerate() {
        let departures: Departures = Arc::new(vec![vec![OnceLock::new(); FLUSHES]; WRITERS]);
        for (number, (client, writes)) in members.into_iter().enumerate() {
            // No two writers' beats fall together.
            let beat = (room * WRITERS + number) as f64 / (ROOMS * WRITERS) as f64;
            let member = Member {
                client,
                classroom: id,
                number,
                departures: Arc::clone(&departures),
            };
            tasks.spawn(member.take_part(writes, begin + PERIOD.mul_f64(beat.fract())));
        }
    }
    let (mut deliveries, mut stored) = (Vec::new(), Vec::new());
    for seen in tasks.join_all().await {
        let seen = seen?;
        deliveries.extend(seen.deliveries);
        stored.extend(seen.stored);
    }
    let processor = server.processor_time()? - before;
    let (deliveries, stored) = (Samples::new(deliveries)?, Samples::new(stored)?);
    let cost = processor.as_secs_f64() * 1000.0 * 1000.0 / deliveries.count() as f64;
    Ok(vec![Measurement {
        what: "relay, 10 rooms of 30, three typing in each, 4 flushes a second",
        budget: Some("10 ms CPU per 1,000 deliveries"),
        measured: format!(
            "{cost:.1} ms CPU; to all: {:.1} ms p50, {:.1} ms p99; stored: {:.1} ms p50, {:.1} ms p99",
            deliveries.median(),
            deliveries.percentile(99),
            stored.median(),
            stored.percentile(99)
        ),
        within: Some(cost <= BUDGET),
        how: format!(
            "{SECONDS} s, {} deliveries, all arrived; processor time of the relay's process; each flush signed, verified and durable; \
             {}",
            deliveries.count(),
            server.placement
        ),
    }])
}

struct Member {
    client: Client,
    classroom: ClassroomId,
    number: usize,
    departures: Departures,
}

impl Member {
    /// Sends what there is to send from `begin` on, and receives until everything of all has come.
    async fn take_part(mut self, writes: Vec<Segment>, begin: Instant) -> Result<Seen> {
        let mut seen = Seen {
            deliveries: Vec::new(),
            stored: Vec::new(),
        };
        let own = writes.len();
        let foreign = WRITERS * FLUSHES - own;
        let mut writes = writes.iter();
        let mut next = begin;
        let (mut packer, mut unpacker) = (Packer::default(), Unpacker::default());
        while seen.deliveries.len() < foreign || seen.stored.len() < own {
            tokio::select! {
                () = sleep_until(next), if writes.len() > 0 => {
                    if let Some(segment) = writes.next() {
                        self.send(segment, &mut packer).await?;
                        next += PERIOD;
                    }
                }
                message = self.client.message() => self.take(&message?, &mut unpacker, &mut seen)?,
            }
        }
        Ok(seen)
    }

    async fn send(&mut self, segment: &Segment, packer: &mut Packer) -> Result<()> {
        let hash = segment.hash(&self.classroom)?;
        let segment_on_wire = Box::new(packer.pack(segment, hash));
        let place = self.place(self.number, segment.header.first);
        let departure = place.ok_or("there is no place for this flush")?;
        departure.set(Instant::now()).map_err(|_| "sent twice")?;
        let frame = ClientFrame::Segment {
            channel: CHANNEL,
            segment: segment_on_wire,
        };
        self.client.send(&[frame]).await
    }

    fn take(&self, message: &[u8], unpacker: &mut Unpacker, seen: &mut Seen) -> Result<()> {
        let arrival = Instant::now();
        for frame in frame::decode(message) {
            match frame? {
                RelayFrame::Segment { segment, .. } => {
                    let header = unpacker.unpack(*segment, &self.classroom)?.header;
                    let writer = usize::from(header.log.lane.0[0]);
                    seen.deliveries
                        .push(self.milliseconds_since(writer, header.first, arrival)?);
                }
                RelayFrame::Stored { submission, .. } => {
                    let since = self.milliseconds_since(self.number, submission.into(), arrival)?;
                    seen.stored.push(since);
                }
                other => return Err(format!("unexpected: {other:?}").into()),
            }
        }
        Ok(())
    }

    fn milliseconds_since(&self, writer: usize, index: u64, arrival: Instant) -> Result<f64> {
        let departure = self.place(writer, index).and_then(OnceLock::get);
        let departure = departure.ok_or("something came that was never sent")?;
        Ok((arrival - *departure).as_secs_f64() * 1000.0)
    }

    fn place(&self, writer: usize, index: u64) -> Option<&OnceLock<Instant>> {
        self.departures.get(writer)?.get(usize::try_from(index).ok()?)
    }
}
