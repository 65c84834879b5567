//! One room, as fast as it goes.

use protocol::ClassroomId;
use protocol::frame::{self, ClientFrame, RelayFrame};
use protocol::segment::Segment;
use protocol::wire::Packer;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Result;
use crate::classroom::Classroom;
use crate::client::{CHANNEL, Client};
use crate::report::Measurement;
use crate::server::Server;

const MEMBERS: usize = 50;
const WRITERS: usize = 5;
const FLUSHES_EACH: usize = 4_000;
const FLUSHES: usize = WRITERS * FLUSHES_EACH;
/// So many of a writer's flushes wait for their answers at most.
const IN_FLIGHT: usize = 256;
/// In flushes a second.
const BUDGET: f64 = 5_000.0;

pub(crate) async fn measure(server: &Server) -> Result<Vec<Measurement>> {
    let classroom = Classroom::found(server, MEMBERS).await?;
    let mut clients = Vec::new();
    for member in 0..MEMBERS {
        clients.push(classroom.open(server, member).await?);
    }
    let mut all = Vec::new();
    for writer in 0..WRITERS {
        all.push(classroom.write(writer, FLUSHES_EACH)?);
    }
    let bytes = bytes_to_each(&all, &classroom.id)?;
    let messages = all
        .iter()
        .map(|segments| messages(segments, &classroom.id))
        .collect::<Result<Vec<_>>>()?;
    let readers = clients.split_off(WRITERS);

    let before = server.processor_time()?;
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for (client, messages) in clients.into_iter().zip(messages) {
        tasks.spawn(write(client, messages));
    }
    for (number, client) in readers.into_iter().enumerate() {
        if number == 0 {
            tasks.spawn(read_closely(client));
        } else {
            tasks.spawn(read(client, bytes));
        }
    }
    // The last one to have everything decides.
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let taken = begin.elapsed();
    let processor = server.processor_time()? - before;
    let rate = FLUSHES as f64 / taken.as_secs_f64();
    let deliveries = (FLUSHES * (MEMBERS - 1)) as f64;
    Ok(vec![Measurement {
        what: "relay, one room of 50, as fast as it goes",
        budget: Some("5,000 flushes/s to all"),
        measured: format!(
            "{rate:.0} flushes/s to all; {:.1} ms CPU per 1,000 deliveries",
            processor.as_secs_f64() * 1_000_000.0 / deliveries
        ),
        within: Some(rate >= BUDGET),
        how: format!(
            "{FLUSHES} flushes by {WRITERS} writers, each a message, at most {IN_FLIGHT} unanswered; from the first to when the last \
             of {MEMBERS} had all ({:.1} s, of which {:.1} s the relay's processor time); signed, verified, durable; {}",
            taken.as_secs_f64(),
            processor.as_secs_f64(),
            server.placement
        ),
    }])
}

/// Sends everything and waits for all answers and for what the others write.
async fn write(mut client: Client, messages: Vec<Vec<u8>>) -> Result<()> {
    let (mut sent, mut stored, mut received) = (0, 0, 0);
    let mut messages = messages.into_iter();
    while stored < FLUSHES_EACH || received < FLUSHES - FLUSHES_EACH {
        while sent - stored < IN_FLIGHT
            && let Some(message) = messages.next()
        {
            client.send_message(message).await?;
            sent += 1;
        }
        let (more_stored, more_received) = count(&client.message().await?)?;
        stored += more_stored;
        received += more_received;
    }
    Ok(())
}

/// Looks at every frame.
async fn read_closely(mut client: Client) -> Result<()> {
    let mut received = 0;
    while received < FLUSHES {
        received += count(&client.message().await?)?.1;
    }
    Ok(())
}

/// Counts bytes only, so that the clients take no time that the relay could use better.
async fn read(mut client: Client, bytes: usize) -> Result<()> {
    let mut received = 0;
    while received < bytes {
        received += client.message().await?.len();
    }
    if received == bytes {
        Ok(())
    } else {
        Err(format!("{received} bytes came instead of {bytes}").into())
    }
}

/// How many answers and how many segments of others are in a message.
fn count(message: &[u8]) -> Result<(usize, usize)> {
    let (mut stored, mut received) = (0, 0);
    for frame in frame::decode(message) {
        match frame? {
            RelayFrame::Stored { .. } => stored += 1,
            RelayFrame::Segment { .. } => received += 1,
            other => return Err(format!("unexpected: {other:?}").into()),
        }
    }
    Ok((stored, received))
}

fn messages(segments: &[Segment], classroom: &ClassroomId) -> Result<Vec<Vec<u8>>> {
    let mut packer = Packer::default();
    let mut messages = Vec::new();
    for segment in segments {
        let segment = Box::new(packer.pack(segment, segment.hash(classroom)?));
        let channel = CHANNEL;
        messages.push(frame::encode(&ClientFrame::Segment { channel, segment })?);
    }
    Ok(messages)
}

/// The bytes of all frames for somebody who only reads: the same in whatever order the lanes come.
fn bytes_to_each(lanes: &[Vec<Segment>], classroom: &ClassroomId) -> Result<usize> {
    let mut packer = Packer::default();
    let mut bytes = 0;
    for segment in lanes.iter().flatten() {
        let segment = Box::new(packer.pack(segment, segment.hash(classroom)?));
        let (channel, advance) = (CHANNEL, 1);
        bytes += frame::encode(&RelayFrame::Segment {
            channel,
            advance,
            segment,
        })?
        .len();
    }
    Ok(bytes)
}
