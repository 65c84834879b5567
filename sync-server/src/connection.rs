//! One connection on `/sync`: one task that reads what the client says and writes what it must hear, each at its own
//! pace.

mod receiver;
mod sender;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::WebSocket;
use futures_util::StreamExt as _;
use protocol::Refusal;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::classroom::Classrooms;
use crate::inbox::{Inbox, Note};
use crate::progress::Progress;
use crate::settings::Limits;
use crate::store::Store;
use crate::writer::Queue;
use receiver::Receiver;
use sender::Sender;

/// How long a connection that ends may take to hear the last of it.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long it may then take the client to close its side.
const LINGER: Duration = Duration::from_secs(1);

/// What all connections of a relay share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) classrooms: Classrooms,
    pub(crate) queue: Queue,
    pub(crate) limits: Limits,
    pub(crate) found_token: Option<String>,
}

/// What the relay is doing. If the sender of this is gone, the relay was dropped and everything stops at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    ShuttingDown,
}

/// Why no more is read from a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client left, or was silent for too long.
    Left,
    /// The relay ends it, and says why.
    Told(Refusal),
}

/// Serves a connection until one side ends it. `number` names it in the logs; `origins` are those an answer to the
/// challenge may be for.
pub(crate) async fn serve(
    socket: WebSocket,
    shared: Arc<Shared>,
    number: u64,
    origins: Vec<String>,
    progress: Progress,
    phase: watch::Receiver<Phase>,
) {
    let mut challenge = [0; 32];
    if let Err(error) = getrandom::fill(&mut challenge) {
        tracing::error!(%error, "no randomness for a challenge");
        return;
    }
    let inbox = Arc::new(Inbox::default());
    let (sink, mut stream) = socket.split();
    let mut sender = Sender::new(sink, progress, Arc::clone(&inbox), &shared);
    let mut receiver = Receiver::new(Arc::clone(&inbox), &shared, challenge, origins);
    let stopped = stopped(phase.clone());
    tokio::pin!(stopped);

    let sending = sender.run(challenge);
    tokio::pin!(sending);
    let end = tokio::select! {
        end = receiver.run(&mut stream, phase) => end,
        _ = &mut sending => return tracing::debug!(connection = number, "takes nothing any more"),
        () = &mut stopped => return,
    };
    tracing::debug!(connection = number, ?end, "ends");
    let End::Told(reason) = end else {
        return;
    };
    let farewell = async {
        inbox.all_answered().await;
        inbox.put(Note::Ended { reason });
    };
    let last_words = async {
        let said = timeout(FAREWELL, async { tokio::join!(&mut sending, farewell).0.is_ok() }).await;
        if said == Ok(true) {
            // A socket closed with unread bytes in it would take back what was just said.
            let drain = async { while let Some(Ok(_)) = stream.next().await {} };
            if timeout(LINGER, drain).await.is_err() {
                tracing::debug!(connection = number, "does not close");
            }
        }
    };
    tokio::select! {
        () = last_words => {}
        () = &mut stopped => {}
    }
}

/// Waits until the relay was dropped.
async fn stopped(mut phase: watch::Receiver<Phase>) {
    while phase.changed().await.is_ok() {}
}
