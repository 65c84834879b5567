//! A running relay: its store, its writer, and the loop that accepts connections.

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::attachments::ChunkTurns;
use crate::clock::Clock;
use crate::connection::{Phase, Server};
use crate::core::{ExchangeSecret, Rules, Shared, random_leap};
use crate::error::Error;
use crate::exchange::Exchanges;
use crate::housekeeping::keep_house;
use crate::http;
use crate::origin::Origins;
use crate::places::{Place, Places};
use crate::progress::Counted;
use crate::settings::Settings;
use crate::store::{Sqlite, Store};
use crate::turning_away::TurningAway;
use crate::writer::Writer;

/// How many bytes and headers the head of a request may have. Browsers send some twenty, and proxies add a few.
const MAX_REQUEST_HEAD: usize = 16 * 1024;
const MAX_REQUEST_HEADERS: usize = 64;

/// More than this the clock may not reach.
const MOST_PATIENCE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long connections may take to end when the relay shuts down.
const SHUTDOWN: Duration = Duration::from_secs(15);

/// A relay that runs in this process. [`Relay::shut_down`] ends it cleanly; dropping it ends it as a crash would:
/// what was answered is stored, the rest is not.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    phase: Option<watch::Sender<Phase>>,
    accepting: JoinHandle<()>,
    housekeeping: JoinHandle<()>,
    /// Closed when the last connection has ended.
    alive: mpsc::Receiver<()>,
    writer: Option<Writer>,
    /// Held as long as this relay may write to the data folder.
    _lock: File,
}

/// Opens the store and serves on `listener`.
///
/// # Errors
/// If the data folder cannot be used, or another relay uses it.
pub async fn start(listener: TcpListener, settings: Settings) -> Result<Relay, Error> {
    let address = listener.local_addr().map_err(|source| Error::Io {
        doing: "tell the address",
        source,
    })?;
    let origins = Origins::new(&settings.origins, address)?;
    if matches!(origins, Origins::Host) {
        tracing::warn!(
            "listening everywhere without --origin: any host name that reaches this relay is taken for its own"
        );
    }
    let (data, restored) = (settings.data.clone(), settings.restored);
    let (lock, store) = tokio::task::spawn_blocking(move || open_store(&data, restored))
        .await
        .map_err(|_| Error::Ended("opening the store"))??;
    let places = Places::new(&settings.limits, &settings.proxies);
    let limits = &settings.limits;
    let patience = Patience {
        head: limits.request_head.min(MOST_PATIENCE),
        // A connection on /sync notices earlier, and is told.
        taking: limits.stalled.saturating_add(limits.farewell.saturating_mul(2)),
    };
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(Error::Random)?;
    let exchanges = Exchanges::new(ExchangeSecret::new(secret), &settings.limits);
    let turns = Arc::new(ChunkTurns::new(&settings.limits));
    let rules = Rules {
        limits: settings.limits,
        found_token: settings.found_token,
        leap: random_leap()?,
    };
    let shared = Arc::new(Shared::new(store, rules));
    let (writer, queue) = Writer::start(Arc::clone(&shared))?;
    let server = Arc::new(Server {
        shared,
        queue,
        clock: Clock::start(),
    });
    let (phase, watching) = watch::channel(Phase::Serving);
    let (living, alive) = mpsc::channel(1);
    let housekeeping = tokio::spawn(keep_house(Arc::clone(&server), watching.clone()));
    let service = http::service(http::Context {
        server,
        exchanges: Arc::new(exchanges),
        turns,
        origins,
        app: settings.app,
        phase: watching.clone(),
        living,
        numbers: Arc::default(),
    });
    let accepting = tokio::spawn(accept(listener, service, places, patience, watching));
    Ok(Relay {
        address,
        phase: Some(phase),
        accepting,
        housekeeping,
        alive,
        writer: Some(writer),
        _lock: lock,
    })
}

impl Relay {
    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where browsers find it, and what members sign for, unless it was told other origins.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops accepting, commits what was submitted, tells every connection, and closes the store.
    ///
    /// # Errors
    /// If the writer did not come to its end.
    pub async fn shut_down(mut self) -> Result<(), Error> {
        if let Some(phase) = &self.phase {
            phase.send_replace(Phase::ShuttingDown);
        }
        let ended = async { while self.alive.recv().await.is_some() {} };
        if tokio::time::timeout(SHUTDOWN, ended).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
        self.phase = None;
        if (&mut self.accepting).await.is_err() {
            return Err(Error::Ended("accepting connections"));
        }
        if (&mut self.housekeeping).await.is_err() {
            return Err(Error::Ended("keeping house"));
        }
        match self.writer.take() {
            Some(writer) => tokio::task::spawn_blocking(move || writer.finish())
                .await
                .map_err(|_| Error::Ended("the writer"))?,
            None => Ok(()),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.phase = None;
        self.accepting.abort();
        self.housekeeping.abort();
        if let Some(Err(error)) = self.writer.take().map(Writer::stop) {
            tracing::error!(error = &error as &dyn std::error::Error, "not ended cleanly");
        }
    }
}

/// Opens the store in the folder `data`, making both if they are not there.
pub(crate) fn open_store(data: &Path, restored: bool) -> Result<(File, Arc<dyn Store>), Error> {
    let io = |doing| move |source| Error::Io { doing, source };
    std::fs::create_dir_all(data).map_err(io("make the data folder"))?;
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(data.join("lock"))
        .map_err(io("open the lock file"))?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => Error::InUse(data.to_owned()),
        TryLockError::Error(source) => Error::Io {
            doing: "lock the data folder",
            source,
        },
    })?;
    let mut store = Sqlite::open(&data.join("relay.sqlite"))?;
    if restored {
        store.renew_incarnation()?;
    }
    Ok((lock, Arc::new(store)))
}

/// How long a client may take for the head of a request, and take nothing of an answer.
#[derive(Clone, Copy)]
struct Patience {
    head: Duration,
    taking: Duration,
}

async fn accept(
    listener: TcpListener,
    service: http::Service,
    places: Places,
    patience: Patience,
    phase: watch::Receiver<Phase>,
) {
    let mut ending = phase.clone();
    let turning_away = TurningAway::default();
    let accepting = async {
        loop {
            match listener.accept().await {
                Ok((stream, from)) => {
                    let Some(place) = places.take(from.ip()) else {
                        tracing::debug!(address = %from.ip(), "too many connections");
                        turning_away.turn_away(stream);
                        continue;
                    };
                    let (service, phase) = (service.clone(), phase.clone());
                    tokio::spawn(async move {
                        serve(stream, service, place, patience, phase).await;
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: some will be closed.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        // Shutting down, or dropped.
        _ = ending.changed() => {}
    }
}

/// Serves one HTTP connection; one that becomes a WebSocket goes on in a task of its own and takes `place` with it.
async fn serve(
    stream: TcpStream,
    service: http::Service,
    place: Place,
    patience: Patience,
    mut phase: watch::Receiver<Phase>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended at once");
        return;
    }
    let (stream, progress) = Counted::new(stream, patience.taking);
    let place = Arc::new(place);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(progress.clone());
        request.extensions_mut().insert(Arc::clone(&place));
        service.clone().oneshot(request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .max_headers(MAX_REQUEST_HEADERS)
        .max_buf_size(MAX_REQUEST_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        _ = phase.changed() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                served = connection.as_mut() => served,
                // The relay was dropped.
                _ = phase.changed() => return,
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection broke");
    }
}
