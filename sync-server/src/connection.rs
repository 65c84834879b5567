//! One connection on `/sync`: one task that reads what the client says and writes what it must hear, each at its own
//! pace.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use protocol::Refusal;
use protocol::frame::{self, ClientFrame, RelayFrame};
use tokio::sync::watch;
use tokio::task::consume_budget;
use tokio::time::{timeout, timeout_at};

use crate::clock::Clock;
use crate::core::Shared;
use crate::core::batch::Job;
use crate::core::inbox::Inbox;
use crate::core::reading::{Done, Read};
use crate::core::receiver::{Loading, Receiver, Taken};
use crate::core::sender::{Next, Sender};
use crate::progress::Progress;
use crate::writer::Queue;

/// How long it may then take the client to close its side.
const LINGER: Duration = Duration::from_secs(1);

/// What all connections of a server share.
pub(crate) struct Server {
    pub(crate) shared: Arc<Shared>,
    pub(crate) queue: Queue,
    pub(crate) clock: Clock,
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

/// The connection cannot be written to any more.
struct Gone;

/// Serves a connection until one side ends it. `number` names it in the logs; `origins` are those an answer to the
/// challenge may be for.
pub(crate) async fn serve(
    socket: WebSocket,
    server: Arc<Server>,
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
    let now = server.clock.now();
    let inbox = Arc::new(Inbox::default());
    let (sink, mut stream) = socket.split();
    let mut outgoing = Outgoing {
        sink,
        progress,
        stalled: server.shared.limits.stalled,
        farewell: server.shared.limits.farewell,
    };
    let mut sender = Sender::new(Arc::clone(&inbox), Arc::clone(&server.shared), challenge, now);
    let mut receiver = Receiver::new(
        Arc::clone(&inbox),
        Arc::clone(&server.shared),
        challenge,
        origins,
        now,
    );
    let stopped = stopped(phase.clone());
    tokio::pin!(stopped);

    let sending = send(&mut sender, &mut outgoing, &inbox, &server);
    tokio::pin!(sending);
    let end = tokio::select! {
        end = listen(&mut receiver, &mut stream, &inbox, &server, phase) => end,
        _ = &mut sending => return tracing::debug!(connection = number, "takes nothing any more"),
        () = &mut stopped => return,
    };
    tracing::debug!(connection = number, ?end, "ends");
    let End::Told(reason) = end else {
        return;
    };
    inbox.end(reason);
    let last_words = async {
        if matches!(
            timeout(server.shared.limits.farewell, &mut sending).await,
            Ok(Ok(()))
        ) {
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

/// Reads until the connection ends.
async fn listen(
    receiver: &mut Receiver,
    stream: &mut SplitStream<WebSocket>,
    inbox: &Inbox,
    server: &Server,
    mut phase: watch::Receiver<Phase>,
) -> End {
    tokio::select! {
        end = read(receiver, stream, inbox, server) => match end {
            Some(reason) => End::Told(reason),
            None => End::Left,
        },
        Ok(_) = phase.wait_for(|phase| *phase == Phase::ShuttingDown) => End::Told(Refusal::GoingAway),
    }
}

/// Reads until the connection ends; tells why if the client is to know.
async fn read(
    receiver: &mut Receiver,
    stream: &mut SplitStream<WebSocket>,
    inbox: &Inbox,
    server: &Server,
) -> Option<Refusal> {
    loop {
        receiver.heard(server.clock.now());
        let (deadline, reason) = receiver.patience();
        // Whoever never stops talking is not waited for below.
        if deadline <= server.clock.now().elapsed {
            return Some(reason);
        }
        let message = match timeout_at(server.clock.instant(deadline), stream.next()).await {
            Ok(Some(Ok(message))) => message,
            Ok(Some(Err(error))) => return is_too_large(error).then_some(Refusal::TooLarge),
            Ok(None) => return None,
            Err(_) => return Some(reason),
        };
        match message {
            Message::Binary(bytes) => {
                if let Err(reason) = take(receiver, &bytes, inbox, server).await {
                    return Some(reason);
                }
            }
            Message::Text(_) => return Some(Refusal::Malformed),
            Message::Close(_) => return None,
            Message::Ping(_) | Message::Pong(_) => {}
        }
    }
}

/// Takes the frames of a message, each when there is room for what it brings. An error ends the connection.
pub(crate) async fn take(
    receiver: &mut Receiver,
    message: &[u8],
    inbox: &Inbox,
    server: &Server,
) -> Result<(), Refusal> {
    for frame in frame::decode::<ClientFrame>(message) {
        poll_fn(|context| inbox.poll_room(server.shared.limits.unanswered, context)).await;
        // A long message of somebody keeps others waiting no longer than a few frames.
        consume_budget().await;
        let frame = frame.map_err(|_| Refusal::Malformed)?;
        match receiver.take(frame, server.clock.now())? {
            Taken::Done => {}
            // In boxes, so that a connection that waits for the next message does not hold the room that these need.
            Taken::Job(job) => Box::pin(submit(server, job)).await,
            Taken::Load(loading) => Box::pin(load(receiver, server, loading)).await?,
        }
    }
    Ok(())
}

async fn submit(server: &Server, job: Job) {
    if let Err(job) = server.queue.put(job).await {
        job.refuse(Refusal::Storage);
    }
}

async fn load(receiver: &mut Receiver, server: &Server, loading: Loading) -> Result<(), Refusal> {
    let shared = Arc::clone(&server.shared);
    let loading = tokio::task::spawn_blocking(move || {
        let loaded = loading.run(&shared.classrooms);
        (loading, loaded)
    });
    let Ok((loading, loaded)) = loading.await else {
        return Err(Refusal::Storage);
    };
    if let Taken::Job(job) = receiver.loaded(loading, loaded, server.clock.now())? {
        submit(server, job).await;
    }
    Ok(())
}

/// Writes until it has said that the connection ends, or cannot write any more.
async fn send(
    sender: &mut Sender,
    outgoing: &mut Outgoing,
    inbox: &Inbox,
    server: &Server,
) -> Result<(), Gone> {
    loop {
        match sender.next() {
            Next::Message(message) => outgoing.send(Message::Binary(message.into())).await?,
            Next::Read(wanted) => sender.give(look_up(wanted, server).await),
            Next::Nothing => poll_fn(|context| inbox.poll_news(context)).await,
            Next::Ended => return outgoing.send(Message::Close(None)).await,
        }
    }
}

/// Reads from the store where it may block.
pub(crate) async fn look_up(wanted: Read, server: &Server) -> Done {
    let store = Arc::clone(&server.shared.store);
    let done = tokio::task::spawn_blocking(move || wanted.run(store.as_ref())).await;
    done.unwrap_or(Done::Failed)
}

/// The writing half of a socket.
struct Outgoing {
    sink: SplitSink<WebSocket, Message>,
    progress: Progress,
    stalled: Duration,
    farewell: Duration,
}

impl Outgoing {
    /// Waits as long as the socket takes bytes, however slowly.
    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        {
            let sending = self.sink.send(message);
            tokio::pin!(sending);
            loop {
                let before = self.progress.taken();
                match timeout(self.stalled, &mut sending).await {
                    Ok(sent) => return sent.map_err(|_| Gone),
                    Err(_) if self.progress.taken() == before => break,
                    Err(_) => {}
                }
            }
        }
        // Whoever begins to read again is told.
        let told = async {
            self.sink.flush().await?;
            let reason = Refusal::TooSlow;
            if let Ok(ended) = frame::encode(&RelayFrame::Ended { reason }) {
                self.sink.send(Message::Binary(ended.into())).await?;
            }
            self.sink.send(Message::Close(None)).await
        };
        match timeout(self.farewell, told).await {
            Ok(Ok(())) => tracing::debug!("told that it reads too slowly"),
            Ok(Err(_)) | Err(_) => tracing::debug!("reads too slowly"),
        }
        Err(Gone)
    }
}

fn is_too_large(error: axum::Error) -> bool {
    error
        .into_inner()
        .downcast::<tungstenite::Error>()
        .is_ok_and(|error| matches!(*error, tungstenite::Error::Capacity(_)))
}
