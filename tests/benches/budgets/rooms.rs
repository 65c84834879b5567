//! A relay in a school day: rooms in which some type.

use crate::Result;
use crate::classroom::Classroom;
use crate::report::Measurement;
use crate::room::{Room, SECONDS, type_in};
use crate::server::Server;

const ROOMS: usize = 10;
const MEMBERS: usize = 30;
const WRITERS: usize = 3;
/// In milliseconds of processor time for 1,000 deliveries.
const BUDGET: f64 = 10.0;

pub(crate) async fn measure(server: &Server) -> Result<Vec<Measurement>> {
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        let classroom = Classroom::found(server, MEMBERS).await?;
        rooms.push(Room::open(server, &classroom, MEMBERS, WRITERS).await?);
    }
    let before = server.processor_time()?;
    let seen = type_in(rooms).await?;
    let processor = server.processor_time()? - before;
    let (deliveries, stored) = (seen.deliveries, seen.stored);
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
