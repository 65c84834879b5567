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

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use js_sys::Reflect;
    use protocol::Refusal;
    use wasm_bindgen_futures::spawn_local;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    const CHUNK: ChunkHash = ChunkHash([3; 32]);

    /// A worker whose requests are answered like this, and whose clocks ring when that is told.
    fn worker(answer: &str) -> DedicatedWorkerGlobalScope {
        let worker = format!(
            "({{
               asked: [], clocks: [],
               async fetch(path, init) {{ this.asked.push({{ path, ...init }}); return {answer}; }},
               setTimeout(ring, within) {{ return this.clocks.push({{ ring, within }}); }},
               clearTimeout(number) {{ this.clocks[number - 1].ring = undefined; }},
             }})"
        );
        js_sys::eval(&worker).unwrap().unchecked_into()
    }

    /// What never ends by itself, as where a network has gone without a word.
    const NOTHING: &str =
        "new Promise((_, fail) => init.signal.addEventListener('abort', () => fail(init.signal.reason)))";

    /// What this says of the worker.
    fn told(worker: &DedicatedWorkerGlobalScope, said: &str) -> Vec<String> {
        let tell = js_sys::Function::new_with_args("worker", &format!("return {said}.map(String)"));
        let told = tell.call1(&JsValue::NULL, worker).unwrap();
        let told: js_sys::Array = told.unchecked_into();
        told.iter().filter_map(|said| said.as_string()).collect()
    }

    fn upload(bytes: Option<Vec<u8>>) -> Upload {
        Upload {
            classroom: ClassroomId([1; 32]),
            document: DocumentId([2; 16]),
            chunk: CHUNK,
            member: MemberId([4; 32]),
            signature: Signature::from_bytes([5; 64]),
            bytes,
        }
    }

    #[wasm_bindgen_test]
    async fn a_chunk_is_brought_as_the_relay_wants_it() {
        for (bytes, body) in [(Some(vec![7, 8]), "7,8"), (None, "")] {
            let worker = worker("new Response('30', { status: 507 })");
            let attachments = Attachments::default();
            let brought = attachments.bring(&worker, &upload(bytes)).await;
            assert_eq!(brought, Uploaded::Refused(Refusal::QuotaFull));
            let asked =
                "worker.asked.flatMap(({ path, method, body, headers }) => [path, method, body, ...headers])";
            let [one, two, three] = ["01", "02", "03"];
            let path = format!(
                "/attachments/{}/{}/{}",
                one.repeat(32),
                two.repeat(16),
                three.repeat(32)
            );
            let member = format!("meridian-member,{}", "04".repeat(32));
            let signature = format!("meridian-signature,{}", "05".repeat(64));
            assert_eq!(told(&worker, asked), [&path, "PUT", body, &member, &signature]);
            assert_eq!(
                told(&worker, "worker.clocks.map(({ within }) => within)"),
                ["1200000"]
            );
        }
    }

    /// What stands in the relay's place may say anything: then nobody knows what became of the chunk.
    #[wasm_bindgen_test]
    async fn only_the_relays_own_word_says_what_became_of_a_chunk() {
        let held = format!("headers: {{ 'meridian-chunk': '{}' }}", CHUNK.to_hex());
        let other = format!("headers: {{ 'meridian-chunk': '{}' }}", "04".repeat(32));
        let redirected =
            format!("Object.defineProperty(new Response('', {{ {held} }}), 'redirected', {{ value: true }})");
        for (answer, wanted) in [
            (
                format!("new Response('', {{ status: 201, {held} }})"),
                Uploaded::Done,
            ),
            (format!("new Response('', {{ {held} }})"), Uploaded::Done),
            (format!("new Response('', {{ {other} }})"), Uploaded::Unanswered),
            ("new Response('Please sign in')".to_owned(), Uploaded::Unanswered),
            (
                format!("new Response('', {{ status: 203, {held} }})"),
                Uploaded::Unanswered,
            ),
            (redirected, Uploaded::Unanswered),
            (
                "new Response('24', { status: 403 })".to_owned(),
                Uploaded::Refused(Refusal::Locked),
            ),
            (
                "new Response('60000', { status: 503 })".to_owned(),
                Uploaded::Refused(Refusal::from(60_000)),
            ),
            (
                "new Response('<h1>503</h1>', { status: 503 })".to_owned(),
                Uploaded::Unanswered,
            ),
            (
                "Promise.reject(new TypeError('no network'))".to_owned(),
                Uploaded::Unanswered,
            ),
            ("'no response'".to_owned(), Uploaded::Unanswered),
        ] {
            let brought = Attachments::default()
                .bring(&worker(&answer), &upload(None))
                .await;
            assert_eq!(brought, wanted, "{answer}");
        }
    }

    #[wasm_bindgen_test]
    async fn a_chunk_that_comes_whole_from_the_relay_is_taken() {
        let broken = "new Response(new ReadableStream({
                        start(body) { body.enqueue(new Uint8Array([1])); },
                        pull(body) { body.error(new TypeError('cut')); },
                      }))";
        let large = |length: usize| format!("new Response(new Uint8Array({length}))");
        let redirected = "Object.defineProperty(new Response('x'), 'redirected', { value: true })";
        for (answer, wanted) in [
            ("new Response(new Uint8Array([7, 8]))", Some(2)),
            (&large(MAX_CHUNK), Some(MAX_CHUNK)),
            (&large(MAX_CHUNK + 1), None),
            ("new Response('', { status: 404 })", None),
            ("new Response('x', { status: 206 })", None),
            ("Promise.reject(new TypeError('no network'))", None),
            (redirected, None),
            (broken, None),
        ] {
            let worker = worker(answer);
            let got = Attachments::default()
                .get(&worker, &ClassroomId([1; 32]), &CHUNK)
                .await;
            assert_eq!(got.map(|got| got.len()), wanted, "{answer}");
            let path = format!("/attachments/{}/{}", "01".repeat(32), "03".repeat(32));
            assert_eq!(told(&worker, "worker.asked.map(({ path }) => path)"), [path]);
            let clocks = "worker.clocks.flatMap(({ ring, within }) => [ring, within])";
            assert_eq!(told(&worker, clocks), ["undefined", "360000"]);
        }
    }

    /// One that hangs ends when its clock rings, or all with the connection; and then none is under way.
    #[wasm_bindgen_test]
    async fn what_hangs_is_ended() {
        let attachments = Rc::new(Attachments::default());
        let (first, second) = (worker(NOTHING), worker(NOTHING));
        let clock = first.clone();
        spawn_local(async move {
            let ring = js_sys::Function::new_with_args("worker", "worker.clocks[0].ring()");
            ring.call1(&JsValue::NULL, &clock).unwrap();
        });
        assert_eq!(
            attachments.bring(&first, &upload(None)).await,
            Uploaded::Unanswered
        );
        let (ending, under_way) = (attachments.clone(), second.clone());
        spawn_local(async move {
            let asked = Reflect::get(&under_way, &"asked".into()).unwrap();
            assert_eq!(js_sys::Array::from(&asked).length(), 1);
            ending.end();
        });
        assert_eq!(
            attachments.get(&second, &ClassroomId([1; 32]), &CHUNK).await,
            None
        );
        assert!(attachments.0.borrow().is_empty());
        for worker in [first, second] {
            assert_eq!(
                told(&worker, "worker.clocks.map(({ ring }) => ring)"),
                ["undefined"]
            );
        }
    }
}
