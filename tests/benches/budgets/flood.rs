//! A relay with ten thousand silent connections, and one member who sends as fast as the socket takes it: what the
//! others feel of that.

use std::time::Duration;

use protocol::frame::{self, ClientFrame};
use protocol::wire::Packer;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::Result;
use crate::classroom::Classroom;
use crate::client::{CHANNEL, Client};
use crate::report::Measurement;
use crate::room::{Room, SECONDS, Seen, type_in};
use crate::server::Server;

const IDLE: usize = 10_000;
const IDLE_EACH: usize = 100;
const MEMBERS: usize = 30;
const WRITERS: usize = 3;
/// The one who floods: writes in the room, too.
const FLOODER: usize = MEMBERS - 1;
/// What they have ready to send.
const FLOOD: usize = 100_000;
/// And how many go into one message.
const SEGMENTS_EACH: usize = 64;
/// How much later the others may hear of each other than alone, in milliseconds.
const BUDGET: f64 = 2.0;

pub(crate) async fn measure(server: &Server) -> Result<Vec<Measurement>> {
    let (alone, _) = typing(server, false).await?;
    let mut idle = Vec::new();
    while idle.len() < IDLE {
        let classroom = Classroom::found(server, 1).await?;
        for _ in 0..IDLE_EACH {
            idle.push(classroom.open(server, 0).await?);
        }
    }
    let (beside_idle, _) = typing(server, false).await?;
    let (beside_flood, sent) = typing(server, true).await?;
    Ok(vec![
        row(
            "relay, one room of 30, three typing: latency alone",
            &alone,
            None,
            format!("{SECONDS} s; {}", server.placement),
        ),
        row(
            "the same beside 10,000 idle connections",
            &beside_idle,
            Some(&alone),
            format!(
                "{} authenticated connections, each with a classroom open",
                idle.len()
            ),
        ),
        row(
            "the same, and one member of the room floods",
            &beside_flood,
            Some(&alone),
            format!("{sent} valid segments of one member, as fast as the socket took them"),
        ),
    ])
}

fn row(what: &'static str, seen: &Seen, alone: Option<&Seen>, how: String) -> Measurement {
    let deliveries = &seen.deliveries;
    let late = |alone: &Seen| deliveries.percentile(95) - alone.deliveries.percentile(95);
    Measurement {
        what,
        budget: alone.map(|_| "2 ms p95 more than alone"),
        measured: format!(
            "to all: {:.1} ms p50, {:.1} ms p95, {:.1} ms p99, {:.1} ms at most; stored: {:.1} ms p99",
            deliveries.median(),
            deliveries.percentile(95),
            deliveries.percentile(99),
            deliveries.max(),
            seen.stored.percentile(99)
        ),
        within: alone.map(|alone| late(alone) <= BUDGET),
        how,
    }
}

/// Some type in a fresh room; tells besides how much a flooder got rid of meanwhile.
async fn typing(server: &Server, floods: bool) -> Result<(Seen, usize)> {
    let classroom = Classroom::found(server, MEMBERS).await?;
    let room = Room::open(server, &classroom, FLOODER, WRITERS).await?;
    if !floods {
        return Ok((type_in(vec![room]).await?, 0));
    }
    let mut client = classroom.open(server, FLOODER).await?;
    let messages = messages(&classroom)?;
    let mut sent = 0;
    let seen = tokio::select! {
        seen = type_in(vec![room]) => seen?,
        end = flood(&mut client, &messages, &mut sent) => return Err(format!("the flood ended: {end:?}").into()),
    };
    Ok((seen, sent * SEGMENTS_EACH))
}

/// What the flooder will send, encoded.
fn messages(classroom: &Classroom) -> Result<Vec<Vec<u8>>> {
    let mut packer = Packer::default();
    let segments = classroom.write(FLOODER, FLOOD)?;
    let mut messages = Vec::new();
    for chunk in segments.chunks(SEGMENTS_EACH) {
        let mut message = Vec::new();
        for segment in chunk {
            let segment = Box::new(packer.pack(segment, segment.hash(&classroom.id)?));
            let channel = CHANNEL;
            frame::append(&mut message, &ClientFrame::Segment { channel, segment })?;
        }
        messages.push(message);
    }
    Ok(messages)
}

/// Sends everything, reading the answers as well; then only reads. Ends only if the relay ends the connection.
async fn flood(client: &mut Client, messages: &[Vec<u8>], sent: &mut usize) -> Result<()> {
    for message in messages {
        client.send_message(message.clone()).await?;
        *sent += 1;
        while let Ok(answer) = timeout(Duration::ZERO, client.message()).await {
            answer?;
        }
        // Others have their turn on this thread, too.
        yield_now().await;
    }
    loop {
        client.message().await?;
    }
}
