//! Chunks of attachments, to and from the relay that served the app, one request each.

use js_sys::{ArrayBuffer, Uint8Array};
use protocol::attachment::MAX_CHUNK;
use protocol::{ChunkHash, ClassroomId, DocumentId, MemberId, Signature};
use replica::Uploaded;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, DedicatedWorkerGlobalScope, RequestInit, Response};

/// The header in which the relay names the chunk that it holds now.
const HELD: &str = "meridian-chunk";

/// The requests of one connection.
pub(super) struct Attachments(AbortController);

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
    pub(super) fn new() -> Result<Self, JsValue> {
        AbortController::new().map(Self)
    }

    /// Ends the requests under way: nothing comes of them any more.
    pub(super) fn end(&self) {
        self.0.abort();
    }

    /// Brings a chunk to the relay, and says what came of it.
    pub(super) async fn bring(&self, scope: &DedicatedWorkerGlobalScope, upload: &Upload) -> Uploaded {
        let answered = self.put(scope, upload).await;
        answered.unwrap_or(Uploaded::Unanswered)
    }

    async fn put(&self, scope: &DedicatedWorkerGlobalScope, upload: &Upload) -> Result<Uploaded, JsValue> {
        let init = RequestInit::new();
        init.set_method("PUT");
        init.set_signal(Some(&self.0.signal()));
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
            return Ok(if is_held { Uploaded::Done } else { Uploaded::Unanswered });
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
        let init = RequestInit::new();
        init.set_signal(Some(&self.0.signal()));
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

async fn fetch(
    scope: &DedicatedWorkerGlobalScope,
    path: &str,
    init: &RequestInit,
) -> Result<Response, JsValue> {
    JsFuture::from(scope.fetch_with_str_and_init(path, init))
        .await?
        .dyn_into()
}
