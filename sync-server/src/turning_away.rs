//! What connections hear for which there is no place: that there are too many.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts as _;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use protocol::Refusal;
use protocol::frame::{self, RelayFrame, SUBPROTOCOL};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How many are told at once; others are closed unheard.
const AT_ONCE: usize = 64;

/// How long telling one may take, from its request to the end.
const TIME: Duration = Duration::from_secs(5);

/// When to try again, in seconds.
const RETRY_AFTER: &str = "30";

/// See the [module](self).
pub(crate) struct TurningAway {
    turns: Arc<Semaphore>,
}

impl Default for TurningAway {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl TurningAway {
    /// Answers one request, and ends the connection.
    pub(crate) fn turn_away(&self, stream: TcpStream) {
        let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() else {
            return;
        };
        let turn = Arc::new(turn);
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request: hyper::Request<Incoming>| {
                let turn = Arc::clone(&turn);
                async move {
                    let (mut parts, _body) = request.into_parts();
                    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
                    Ok::<_, Infallible>(answer(upgrade, turn))
                }
            });
            let telling = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            if !matches!(timeout(TIME, telling).await, Ok(Ok(()))) {
                tracing::debug!("one more did not listen");
            }
        });
    }
}

/// A socket is opened to be told: to the page of a browser a failed request says nothing.
fn answer(
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    turn: Arc<OwnedSemaphorePermit>,
) -> Response {
    match upgrade {
        Ok(upgrade) => upgrade
            .protocols([SUBPROTOCOL])
            .on_upgrade(move |socket| async move {
                if !matches!(timeout(TIME, tell(socket)).await, Ok(Ok(()))) {
                    tracing::debug!("one more did not listen");
                }
                drop(turn);
            }),
        Err(_) => {
            let headers = [
                (header::CONNECTION, "close"),
                (header::RETRY_AFTER, RETRY_AFTER),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (StatusCode::TOO_MANY_REQUESTS, headers, "too many connections\n").into_response()
        }
    }
}

async fn tell(mut socket: WebSocket) -> Result<(), axum::Error> {
    let reason = Refusal::TooManyConnections;
    let ended = frame::encode(&RelayFrame::Ended { reason }).map_err(axum::Error::new)?;
    socket.send(Message::Binary(ended.into())).await?;
    socket.send(Message::Close(None)).await?;
    // A socket closed with unread bytes in it would take back what was just said.
    while let Some(Ok(_)) = socket.recv().await {}
    Ok(())
}
