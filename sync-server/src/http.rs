//! What is served: the sync endpoint, chunks of attachments, a health check, and the app's files with headers that keep them to themselves.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::RequestExt as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::extract::{DefaultBodyLimit, Extension, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hyper::body::Incoming;
use protocol::frame::SUBPROTOCOL;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;
use tower_http::services::ServeDir;

use crate::attachments::{self, ChunkTurns};
use crate::connection::{self, Phase, Server};
use crate::exchange::Exchanges;
use crate::origin::{Origins, host};
use crate::places::Place;
use crate::progress::Progress;

/// The buffer that a WebSocket reads into, held even while idle. Larger messages get a larger one.
const READ_BUFFER: usize = 2 * 1024;

/// Answers requests.
pub(crate) type Service = BoxCloneSyncService<hyper::Request<Incoming>, Response, Infallible>;

/// What the handlers need.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) server: Arc<Server>,
    pub(crate) exchanges: Arc<Exchanges>,
    pub(crate) turns: Arc<ChunkTurns>,
    pub(crate) origins: Origins,
    pub(crate) app: Option<PathBuf>,
    pub(crate) phase: watch::Receiver<Phase>,
    /// Every connection holds a copy: when the last is gone, all have ended.
    pub(crate) living: mpsc::Sender<()>,
    /// The number of the newest connection, for the logs.
    pub(crate) numbers: Arc<AtomicU64>,
}

pub(crate) fn service(context: Context) -> Service {
    let router = Router::new()
        .route("/health", get(health))
        .route("/sync", get(sync).post(exchange))
        .route(attachments::PATH, get(attachments::give).put(attachments::bring))
        .layer(DefaultBodyLimit::max(context.server.shared.limits.message))
        .fallback(file)
        .layer(middleware::from_fn(with_security_headers))
        .with_state(context);
    BoxCloneSyncService::new(router)
}

async fn health(State(context): State<Context>) -> Response {
    let store = Arc::clone(&context.server.shared.store);
    let answers = tokio::task::spawn_blocking(move || store.check().is_ok()).await;
    let is_well = context.server.queue.is_healthy() && matches!(answers, Ok(true));
    let (status, word) = if is_well {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    };
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_TYPE, "application/json"),
    ];
    (status, headers, format!("{{\"status\":\"{word}\"}}")).into_response()
}

async fn sync(
    State(context): State<Context>,
    Extension(progress): Extension<Progress>,
    Extension(place): Extension<Arc<Place>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.protocols([SUBPROTOCOL]),
        Err(rejection) => return rejection.into_response(),
    };
    if upgrade.selected_protocol().is_none() {
        return (StatusCode::BAD_REQUEST, "the subprotocol is meridian.v1\n").into_response();
    }
    let origins = context.origins.of(&headers);
    if origins.is_empty() {
        return (StatusCode::FORBIDDEN, "not from this origin\n").into_response();
    }
    let limit = context.server.shared.limits.message;
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(limit)
        .max_frame_size(limit)
        .on_upgrade(move |socket| async move {
            let Context {
                server,
                phase,
                living,
                numbers,
                ..
            } = context;
            let number = numbers.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::debug!(connection = number, "begins");
            connection::serve(socket, server, number, origins, progress, phase).await;
            drop((living, place));
        })
}

/// One exchange: the frames of a connection in a request and its answer.
async fn exchange(State(context): State<Context>, request: Request) -> Response {
    let origins = context.origins.of(request.headers());
    if origins.is_empty() {
        return (StatusCode::FORBIDDEN, "not from this origin\n").into_response();
    }
    let time = context.server.shared.limits.exchange;
    let request = match timeout(time, request.extract::<Bytes, _>()).await {
        Ok(Ok(request)) => request,
        Ok(Err(rejection)) => return rejection.into_response(),
        Err(_) => return (StatusCode::REQUEST_TIMEOUT, "too slow\n").into_response(),
    };
    let answer = context.exchanges.answer(&request, origins, &context.server).await;
    drop(context.living);
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_TYPE, "application/octet-stream"),
    ];
    (headers, answer).into_response()
}

/// A file of the app; its page for every address that is not a file's.
async fn file(State(context): State<Context>, mut request: Request) -> Response {
    let Some(app) = context.app else {
        return not_found();
    };
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    if !request.uri().path().contains('.') {
        *request.uri_mut() = Uri::from_static("/index.html");
    }
    let is_immutable = is_named_by_content(request.uri().path());
    let files = ServeDir::new(app)
        .append_index_html_on_directories(false)
        .precompressed_br()
        .precompressed_gzip();
    let mut response = match files.oneshot(request).await {
        Ok(response) if response.status() == StatusCode::NOT_FOUND => return not_found(),
        Ok(response) => response.into_response(),
        Err(never) => match never {},
    };
    let is_good = response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
    let caching = if is_immutable && is_good {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    response
}

fn not_found() -> Response {
    (
        StatusCode::NOT_FOUND,
        [(header::CACHE_CONTROL, "no-cache")],
        "not found\n",
    )
        .into_response()
}

/// Whether a file's name has its content's hash in it, such as `app-1f0c2b3a4d5e6f70_bg.wasm`: a dash, then at least
/// twelve lower-case hexadecimal digits up to a dot or underscore.
fn is_named_by_content(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.split(['.', '_']).any(|part| {
        part.rsplit_once('-').is_some_and(|(_, hash)| {
            let is_hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            hash.len() >= 12 && hash.bytes().all(is_hexadecimal)
        })
    })
}

/// Everything is kept to this origin: what a page may load and whom it may talk to.
async fn with_security_headers(request: Request, next: Next) -> Response {
    let sockets = host(request.headers())
        .map(|host| format!(" ws://{host} wss://{host}"))
        .unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'{sockets}; \
         img-src 'self' blob: data:; font-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::is_named_by_content;

    #[test]
    fn only_names_with_a_hash_are_kept_for_ever() {
        for name in [
            "/app-1f0c2b3a4d5e6f70_bg.wasm",
            "/app-1f0c2b3a4d5e6f70.js",
            "/a/main-0123456789ab.css",
        ] {
            assert!(is_named_by_content(name), "{name}");
        }
        for name in [
            "/index.html",
            "/service-worker.js",
            "/icons/meridian-192.png",
            "/x-deadbeef.js",
            "/",
        ] {
            assert!(!is_named_by_content(name), "{name}");
        }
    }
}
