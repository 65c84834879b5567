//! Chunks of attachments, to and from the relay that served the app, one request each.

use std::cell::RefCell;

use js_sys::{ArrayBuffer, Uint8Array};
use protocol::attachment::MAX_CHUNK;
use protocol::{ChunkHash, ClassroomId, DocumentId, MemberId, Signature};
use replica::Uploaded;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, DedicatedWorkerGlobalScope, RequestInit, Response};

/// The header in which the relay names the chunk that it holds now.
const HELD: &str = "meridian-chunk";

/// How long it may take to bring a chunk, and to get one, in milliseconds: some minutes on the slowest networks. What a network that
/// went without a word left hanging ends then.
const BRING_WITHIN: i32 = 20 * 60_000;
const GET_WITHIN: i32 = 6 * 60_000;

/// The requests of one connection that are under way.
#[derive(Default)]
pub(super) struct Attachments(RefCell<Vec<AbortController>>);

/// One of them, until it is dropped.
struct Request<'a> {
    all: &'a Attachments,
    scope: &'a DedicatedWorkerGlobalScope,
    controller: AbortController,
    timer: i32,
    /// Ends it when its time is over.
    _end: Closure<dyn FnMut()>,
}

/// What is brought to the relay.
pub(super) struct Upload {
    pub(super) classroom: ClassroomId,
    pub(super) document: DocumentId,
    pub(super) chunk: ChunkHash,
    pub(super) member: MemberId,
    pub(super) signature: Signature,
    pub(super) bytes: Option<Vec<u8>>,
}

impl Attachments {
    /// Ends the requests under way: nothing comes of them any more.
    pub(super) fn end(&self) {
        for controller in self.0.take() {
            controller.abort();
        }
    }

    fn begin<'a>(
        &'a self,
        scope: &'a DedicatedWorkerGlobalScope,
        within: i32,
    ) -> Result<Request<'a>, JsValue> {
        let controller = AbortController::new()?;
        let overdue = controller.clone();
        let end = Closure::new(move || overdue.abort());
        let timer = scope
            .set_timeout_with_callback_and_timeout_and_arguments_0(end.as_ref().unchecked_ref(), within)?;
        self.0.borrow_mut().push(controller.clone());
        Ok(Request {
            all: self,
            scope,
            controller,
            timer,
            _end: end,
        })
    }

    /// Brings a chunk to the relay, and says what came of it.
    pub(super) async fn bring(&self, scope: &DedicatedWorkerGlobalScope, upload: &Upload) -> Uploaded {
        let answered = self.put(scope, upload).await;
        answered.unwrap_or(Uploaded::Unanswered)
    }

    async fn put(&self, scope: &DedicatedWorkerGlobalScope, upload: &Upload) -> Result<Uploaded, JsValue> {
        let request = self.begin(scope, BRING_WITHIN)?;
        let init = RequestInit::new();
        init.set_method("PUT");
        init.set_signal(Some(&request.controller.signal()));
        // A chunk is never empty: this says only that it belongs to the document.
        let body = upload.bytes.as_deref().unwrap_or_default();
        init.set_body(&Uint8Array::from(body));
        let headers = web_sys::Headers::new()?;
        headers.set("meridian-member", &upload.member.to_hex())?;
        headers.set("meridian-signature", &upload.signature.to_hex())?;
        init.set_headers(&headers);
        let path = format!(
            "/attachments/{}/{}/{}",
            upload.classroom.to_hex(),
            upload.document.to_hex(),
            upload.chunk.to_hex()
        );
        let response = fetch(scope, &path, &init).await?;
        if response.ok() || response.redirected() {
            // Whatever is in the place of the relay, such as the page of a network that wants a login, may answer anything.
            let is_relay = matches!(response.status(), 200 | 201) && !response.redirected();
            let is_held = is_relay && response.headers().get(HELD)? == Some(upload.chunk.to_hex());
            return Ok(if is_held {
                Uploaded::Done
            } else {
                Uploaded::Unanswered
            });
        }
        let text = JsFuture::from(response.text()?).await?.as_string();
        // The same gives no reason of the relay's.
        let reason = text.and_then(|text| text.parse::<u16>().ok());
        Ok(reason.map_or(Uploaded::Unanswered, |reason| Uploaded::Refused(reason.into())))
    }

    /// Asks the relay for a chunk.
    pub(super) async fn get(
        &self,
        scope: &DedicatedWorkerGlobalScope,
        classroom: &ClassroomId,
        chunk: &ChunkHash,
    ) -> Option<Vec<u8>> {
        let request = self.begin(scope, GET_WITHIN).ok()?;
        let init = RequestInit::new();
        init.set_signal(Some(&request.controller.signal()));
        let path = format!("/attachments/{}/{}", classroom.to_hex(), chunk.to_hex());
        let response = fetch(scope, &path, &init).await.ok()?;
        if response.status() != 200 || response.redirected() {
            return None;
        }
        let body: ArrayBuffer = JsFuture::from(response.array_buffer().ok()?)
            .await
            .ok()?
            .dyn_into()
            .ok()?;
        (body.byte_length() as usize <= MAX_CHUNK).then(|| Uint8Array::new(&body).to_vec())
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        self.scope.clear_timeout_with_handle(self.timer);
        self.all
            .0
            .borrow_mut()
            .retain(|controller| *controller != self.controller);
    }
}

async fn fetch(
    scope: &DedicatedWorkerGlobalScope,
    path: &str,
    init: &RequestInit,
) -> Result<Response, JsValue> {
    JsFuture::from(scope.fetch_with_str_and_init(path, init))
        .await?
        .dyn_into()
}
