//! What an idle connection costs the relay.

use std::time::Duration;

use tokio::time::sleep;

use crate::Result;
use crate::classroom::Classroom;
use crate::report::Measurement;
use crate::server::Server;

const CLASSROOMS: usize = 40;
const CONNECTIONS_EACH: usize = 25;
/// In KiB.
const BUDGET: f64 = 16.0;

pub(crate) async fn measure(server: &Server) -> Result<Vec<Measurement>> {
    let mut open = Vec::new();
    // What the relay needs for its first connections, however many follow.
    let first = Classroom::found(server, 1).await?;
    for _ in 0..CONNECTIONS_EACH {
        open.push(first.open(server, 0).await?);
    }
    sleep(Duration::from_secs(2)).await;
    let before = server.resident_memory()?;
    for _ in 0..CLASSROOMS {
        let classroom = Classroom::found(server, 1).await?;
        for _ in 0..CONNECTIONS_EACH {
            open.push(classroom.open(server, 0).await?);
        }
    }
    sleep(Duration::from_secs(2)).await;
    let after = server.resident_memory()?;
    let count = CLASSROOMS * CONNECTIONS_EACH;
    let each = after.saturating_sub(before) as f64 / count as f64;
    Ok(vec![Measurement {
        what: "relay memory per idle connection",
        budget: Some("16 KiB"),
        measured: format!("{each:.1} KiB"),
        within: Some(each <= BUDGET),
        how: format!(
            "growth of the relay's resident memory by {count} authenticated connections that have opened one of {CLASSROOMS} \
             classrooms, {before} KiB before"
        ),
    }])
}
