//! What a relay does by itself from time to time: throws away what may go, and gives the room back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::Error;
use crate::connection::{Phase, Server};
use crate::core::batch::Job;
use crate::core::judge::storage;

/// How often.
const EVERY: Duration = Duration::from_secs(10 * 60);

/// Goes on until the relay ends.
pub(crate) async fn keep_house(server: Arc<Server>, mut phase: watch::Receiver<Phase>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = phase.changed() => return,
        }
        if let Err(error) = tidy(&server).await {
            tracing::error!(error = &error as &dyn std::error::Error, "cannot keep house");
        }
    }
}

async fn tidy(server: &Arc<Server>) -> Result<(), Error> {
    let shared = Arc::clone(&server.shared);
    let ended = |_| Error::Ended("keeping house");
    let classrooms = tokio::task::spawn_blocking(move || shared.store.classrooms())
        .await
        .map_err(ended)??;
    for id in classrooms {
        let shared = Arc::clone(&server.shared);
        let classroom = tokio::task::spawn_blocking(move || shared.classrooms.load(&id))
            .await
            .map_err(ended)?;
        // Where one can't be read the others are kept in order.
        let classroom = classroom.map_err(|error| storage(&error)).ok().flatten();
        if let Some(classroom) = classroom
            && server.queue.put(Job::Tidy { classroom }).await.is_err()
        {
            return Err(Error::Ended("the writer"));
        }
    }
    let shared = Arc::clone(&server.shared);
    tokio::task::spawn_blocking(move || shared.store.shrink(shared.limits.rewritten_bytes))
        .await
        .map_err(ended)?
}
