//! `/attachments`: one chunk of an attachment in each request.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use protocol::attachment::MAX_CHUNK;
use protocol::{ChunkHash, ClassroomId, DocumentId, MemberId, Refusal, Signature};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::connection::Server;
use crate::core::attachments::{Bringing, Brought, Claim, find};
use crate::core::classroom::Classroom;
use crate::http::Context;
use crate::places::Place;
use crate::progress::{Hurry, Progress};
use crate::settings::Limits;
use crate::turns::{Turn, Turns, Work};

/// Where the handlers here are.
pub(crate) const PATH: &str = "/attachments/{*path}";
const PREFIX: &str = "/attachments/";

/// Who brings a chunk, and their signature, in hexadecimal.
const MEMBER: &str = "meridian-member";
const SIGNATURE: &str = "meridian-signature";

/// Which chunk was taken: of a program that knows nothing of chunks and answers in the relay's place nobody hears that.
const CHUNK: HeaderName = HeaderName::from_static("meridian-chunk");

/// Whose turn it is: each chunk is in memory meanwhile.
pub(crate) struct ChunkTurns {
    /// To bring one: in all, of one classroom, and of one member in it.
    brought: Arc<Turns<ClassroomId, MemberId>>,
    /// Of one member, over all classrooms, as long as somebody uses it.
    of_members: Mutex<HashMap<MemberId, Weak<Semaphore>>>,
    /// To be given one: in all, and of one address, if it is told apart from others.
    given: Arc<Turns<Option<IpAddr>, ()>>,
}

impl ChunkTurns {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            brought: Turns::new(limits.chunks_brought, limits.exchange_turn),
            of_members: Mutex::default(),
            given: Turns::new(limits.chunks_given, limits.exchange_turn),
        }
    }

    fn of_member(&self, member: MemberId, most: usize) -> Arc<Semaphore> {
        let mut known = self.of_members.lock();
        if let Some(turns) = known.get(&member).and_then(Weak::upgrade) {
            return turns;
        }
        known.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        known.insert(member, Arc::downgrade(&turns));
        turns
    }
}

/// A chunk that is being brought.
#[derive(Default)]
struct Coming {
    come: AtomicU64,
    over: Notify,
}

impl Work for Coming {
    fn done(&self) -> u64 {
        self.come.load(Ordering::Relaxed)
    }

    fn end(&self) {
        self.over.notify_one();
    }
}

/// A chunk on its way to somebody, who has a turn until it is there or its time is over.
struct Giving {
    chunk: Vec<u8>,
    _turn: Turn<Option<IpAddr>, ()>,
    _hurry: Arc<Hurry>,
}

impl AsRef<[u8]> for Giving {
    fn as_ref(&self) -> &[u8] {
        &self.chunk
    }
}

/// `GET /attachments/{classroom}/{chunk}`: to anybody who knows its name, which only those do who read the document.
pub(crate) async fn give(
    State(context): State<Context>,
    Extension(progress): Extension<Progress>,
    Extension(place): Extension<Arc<Place>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if context.origins.of(&headers).is_empty() {
        return refused(Refusal::NotAuthenticated);
    }
    let names = uri.path().strip_prefix(PREFIX).and_then(|path| {
        let (classroom, chunk) = path.split_once('/')?;
        Some((ClassroomId::from_hex(classroom)?, ChunkHash::from_hex(chunk)?))
    });
    let Some((classroom, chunk)) = names else {
        return not_here();
    };
    let limits = &context.server.shared.limits;
    let (network, hurry) = (place.network(), Arc::new(progress.hurry(limits.chunk)));
    let most = network.map_or(usize::MAX, |_| limits.chunks_given_per_address);
    let given = &context.turns.given;
    let turn = match given.take(network, (), most, Arc::clone(&hurry) as _).await {
        Ok(turn) => turn,
        Err(reason) => return refused(reason),
    };
    let shared = Arc::clone(&context.server.shared);
    let found = tokio::task::spawn_blocking(move || find(&shared, &classroom, &chunk)).await;
    match found.unwrap_or(Err(Refusal::Storage)) {
        Ok(Some(chunk)) => {
            let headers = [
                (header::CACHE_CONTROL, "no-store"),
                (header::CONTENT_TYPE, "application/octet-stream"),
                (
                    HeaderName::from_static("cross-origin-resource-policy"),
                    "same-origin",
                ),
            ];
            let giving = Giving {
                chunk,
                _turn: turn,
                _hurry: hurry,
            };
            (headers, Bytes::from_owner(giving)).into_response()
        }
        Ok(None) => not_here(),
        Err(reason) => refused(reason),
    }
}

/// It may come.
fn not_here() -> Response {
    (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, "no-store")]).into_response()
}

/// `PUT /attachments/{classroom}/{document}/{chunk}`.
pub(crate) async fn bring(State(context): State<Context>, request: Request) -> Response {
    let origins = context.origins.of(request.headers());
    let (head, body) = request.into_parts();
    if body.size_hint().lower() > MAX_CHUNK as u64 {
        return refused(Refusal::TooLarge);
    }
    let mut body = Some(body);
    let brought = match claim_of(&head.uri, &head.headers) {
        _ if origins.is_empty() => Err(Refusal::NotAuthenticated),
        Some(claim) => {
            let brought = take(&context, &claim, &origins, &mut body).await;
            brought.map(|brought| (brought, claim.chunk))
        }
        None => Err(Refusal::Malformed),
    };
    if let Some(body) = body {
        // Whoever is still speaking does not hear: what was said is passed over first.
        let farewell = context.server.shared.limits.farewell;
        drop(timeout(farewell, read(body, farewell, |_| ())).await);
    }
    match brought {
        Ok((brought, chunk)) => {
            let status = match brought {
                Brought::Stored => StatusCode::CREATED,
                Brought::Held => StatusCode::OK,
            };
            (status, [(CHUNK, chunk.to_hex())]).into_response()
        }
        Err(reason) => refused(reason),
    }
}

/// What is said of a chunk, by the address and the headers.
fn claim_of(uri: &Uri, headers: &HeaderMap) -> Option<Claim> {
    let mut names = uri.path().strip_prefix(PREFIX)?.split('/');
    let (classroom, document, chunk) = (names.next()?, names.next()?, names.next()?);
    let said = |name| headers.get(name)?.to_str().ok();
    let claim = Claim {
        classroom: ClassroomId::from_hex(classroom)?,
        document: DocumentId::from_hex(document)?,
        chunk: ChunkHash::from_hex(chunk)?,
        member: MemberId::from_hex(said(MEMBER)?)?,
        signature: Signature::from_hex(said(SIGNATURE)?)?,
    };
    names.next().is_none().then_some(claim)
}

/// Takes a chunk as far as that it is stored. Its body is looked at once it is clear that it may be brought.
async fn take(
    context: &Context,
    claim: &Claim,
    origins: &[String],
    body: &mut Option<Body>,
) -> Result<Brought, Refusal> {
    let server = &context.server;
    let limits = &server.shared.limits;
    claim.verify(origins)?;
    let _presence = claim.enter(&server.shared, server.clock.now())?;
    let classroom = load(server, claim).await?;
    claim.admit(&classroom, &server.shared)?;
    let turns = &context.turns;
    let of_member = turns.of_member(claim.member, limits.chunks_brought_per_member);
    let _of_member = take_turn(&of_member, limits.exchange_turn).await?;
    let coming = Arc::new(Coming::default());
    let most = limits.chunks_brought_per_classroom;
    let turn = turns
        .brought
        .take(claim.classroom, claim.member, most, Arc::clone(&coming) as _);
    let _turn = turn.await?;
    let mut content = Vec::new();
    if let Some(body) = body.take() {
        let reading = read(body, limits.stalled, |part| {
            content.extend_from_slice(part);
            coming.come.fetch_add(part.len() as u64, Ordering::Relaxed);
        });
        // It comes again later, and then waits for its turn.
        tokio::select! {
            read = timeout(limits.chunk, reading) => read.unwrap_or(Err(Refusal::TooSlow))?,
            () = coming.over.notified() => return Err(Refusal::TooSlow),
        }
    }
    let bringing = Bringing::default();
    let job = claim.job(classroom, content, &bringing)?;
    if let Err(job) = server.queue.put(job).await {
        job.refuse(Refusal::Storage);
    }
    loop {
        if let Some(outcome) = bringing.outcome() {
            return outcome;
        }
        poll_fn(|task| bringing.inbox().poll_news(task)).await;
    }
}

async fn load(server: &Server, claim: &Claim) -> Result<Arc<Classroom>, Refusal> {
    let at_hand = server.shared.classrooms.at_hand(&claim.classroom);
    if let Some(classroom) = at_hand.filter(|classroom| !classroom.is_doubtful()) {
        return Ok(classroom);
    }
    let (shared, claim) = (Arc::clone(&server.shared), claim.clone());
    let loading = tokio::task::spawn_blocking(move || claim.load(&shared)).await;
    loading.unwrap_or(Err(Refusal::Storage))
}

/// Reads a whole body that is no longer than a chunk, as long as something of it comes in time.
async fn read(body: Body, patience: Duration, mut take: impl FnMut(&[u8])) -> Result<(), Refusal> {
    let mut parts = body.into_data_stream();
    let mut length = 0;
    let mut next = async || {
        timeout(patience, parts.next())
            .await
            .map_err(|_| Refusal::TooSlow)
    };
    while let Some(part) = next().await? {
        let part = part.map_err(|_| Refusal::Malformed)?;
        length += part.len();
        if length > MAX_CHUNK {
            return Err(Refusal::TooLarge);
        }
        take(&part);
    }
    Ok(())
}

async fn take_turn(turns: &Arc<Semaphore>, patience: Duration) -> Result<OwnedSemaphorePermit, Refusal> {
    let turn = timeout(patience, Arc::clone(turns).acquire_owned()).await;
    // That there are none any more does not happen.
    turn.ok().and_then(Result::ok).ok_or(Refusal::Busy)
}

/// Says why not: a status, and the number of the reason.
fn refused(reason: Refusal) -> Response {
    let status = match reason {
        Refusal::Malformed | Refusal::UnsupportedVersion => StatusCode::BAD_REQUEST,
        Refusal::BadSignature => StatusCode::UNAUTHORIZED,
        Refusal::NotAuthenticated
        | Refusal::NotAMember
        | Refusal::NotAllowed
        | Refusal::Locked
        | Refusal::ClassroomClosed => StatusCode::FORBIDDEN,
        Refusal::UnknownClassroom | Refusal::MissingPiece => StatusCode::NOT_FOUND,
        Refusal::TooSlow => StatusCode::REQUEST_TIMEOUT,
        Refusal::Erased => StatusCode::GONE,
        Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::TooFast | Refusal::TooManyConnections => StatusCode::TOO_MANY_REQUESTS,
        Refusal::QuotaFull | Refusal::TooManyDocuments => StatusCode::INSUFFICIENT_STORAGE,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let headers = [(header::CACHE_CONTROL, "no-store")];
    (status, headers, u16::from(reason).to_string()).into_response()
}
