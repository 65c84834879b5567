//! A room in which some type, each at a steady beat.

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
use crate::server::Server;
use crate::statistics::Samples;

const FLUSHES_A_SECOND: usize = 4;
pub(crate) const SECONDS: usize = 10;
const FLUSHES: usize = FLUSHES_A_SECOND * SECONDS;
const PERIOD: Duration = Duration::from_millis(1000 / FLUSHES_A_SECOND as u64);

/// When each writer's flushes left, for those who receive them.
type Departures = Arc<Vec<Vec<OnceLock<Instant>>>>;

/// A classroom that all its members have open, of whom the first ones will write.
pub(crate) struct Room {
    id: ClassroomId,
    writers: usize,
    /// With what each will write.
    members: Vec<(Client, Vec<Segment>)>,
}

/// What all members of all rooms saw, in milliseconds.
pub(crate) struct Seen {
    /// From a flush's departure to its arrival at somebody else.
    pub(crate) deliveries: Samples,
    /// From a flush's departure to the answer that it is stored.
    pub(crate) stored: Samples,
}

impl Room {
    /// Opens a fresh classroom, in which nothing was written yet.
    pub(crate) async fn open(
        server: &Server,
        classroom: &Classroom,
        members: usize,
        writers: usize,
    ) -> Result<Self> {
        let mut open = Vec::new();
        for member in 0..members {
            let client = classroom.open(server, member).await?;
            let writes = if member < writers { FLUSHES } else { 0 };
            open.push((client, classroom.write(member, writes)?));
        }
        Ok(Self {
            id: classroom.id,
            writers,
            members: open,
        })
    }
}

/// Has everybody write, and waits until everything of all has come to all.
pub(crate) async fn type_in(rooms: Vec<Room>) -> Result<Seen> {
    let begin = Instant::now() + Duration::from_millis(500);
    let writers: usize = rooms.iter().map(|room| room.writers).sum();
    let mut writer = 0;
    let mut tasks = JoinSet::new();
    for room in rooms {
        let departures: Departures = Arc::new(vec![vec![OnceLock::new(); FLUSHES]; room.writers]);
        for (number, (client, writes)) in room.members.into_iter().enumerate() {
            // No two writers' beats fall together.
            let beat = PERIOD.mul_f64(writer as f64 / writers as f64);
            writer += usize::from(number < room.writers);
            let member = Member {
                client,
                classroom: room.id,
                number,
                writers: room.writers,
                departures: Arc::clone(&departures),
                deliveries: Vec::new(),
                stored: Vec::new(),
            };
            tasks.spawn(member.take_part(writes, begin + beat));
        }
    }
    let (mut deliveries, mut stored) = (Vec::new(), Vec::new());
    for member in tasks.join_all().await {
        let member = member?;
        deliveries.extend(member.deliveries);
        stored.extend(member.stored);
    }
    Ok(Seen {
        deliveries: Samples::new(deliveries)?,
        stored: Samples::new(stored)?,
    })
}

struct Member {
    client: Client,
    classroom: ClassroomId,
    number: usize,
    writers: usize,
    departures: Departures,
    deliveries: Vec<f64>,
    stored: Vec<f64>,
}

impl Member {
    /// Sends what there is to send from `begin` on, and receives until everything of all has come.
    async fn take_part(mut self, writes: Vec<Segment>, begin: Instant) -> Result<Self> {
        let own = writes.len();
        let foreign = self.writers * FLUSHES - own;
        let mut writes = writes.iter();
        let mut next = begin;
        let (mut packer, mut unpacker) = (Packer::default(), Unpacker::default());
        while self.deliveries.len() < foreign || self.stored.len() < own {
            tokio::select! {
                () = sleep_until(next), if writes.len() > 0 => {
                    if let Some(segment) = writes.next() {
                        self.send(segment, &mut packer).await?;
                        next += PERIOD;
                    }
                }
                message = self.client.message() => self.take(&message?, &mut unpacker)?,
            }
        }
        Ok(self)
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

    fn take(&mut self, message: &[u8], unpacker: &mut Unpacker) -> Result<()> {
        let arrival = Instant::now();
        for frame in frame::decode(message) {
            match frame? {
                RelayFrame::Segment { segment, .. } => {
                    let header = unpacker.unpack(*segment, &self.classroom)?.header;
                    let writer = usize::from(header.log.lane.0[0]);
                    // Others may write besides.
                    if writer < self.writers {
                        let since = self.milliseconds_since(writer, header.first, arrival)?;
                        self.deliveries.push(since);
                    }
                }
                RelayFrame::Stored { submission, .. } => {
                    let since = self.milliseconds_since(self.number, submission.into(), arrival)?;
                    self.stored.push(since);
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
