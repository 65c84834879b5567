//! Exchanges with the relay that served the app, for networks that let no socket through: one request and one answer each.

use js_sys::{ArrayBuffer, Uint8Array};
use protocol::Refusal;
use replica::Event;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, DedicatedWorkerGlobalScope, RequestInit, Response};

/// What takes the place of a socket.
pub(super) struct Exchange(AbortController);

impl Exchange {
    pub(super) fn new() -> Result<Self, JsValue> {
        AbortController::new().map(Self)
    }

    /// Posts a request, and says what came of it.
    pub(super) async fn post(&self, scope: &DedicatedWorkerGlobalScope, request: &[u8]) -> Event {
        let answered = self.fetch(scope, request).await;
        answered.unwrap_or(Event::Disconnected)
    }

    async fn fetch(&self, scope: &DedicatedWorkerGlobalScope, request: &[u8]) -> Result<Event, JsValue> {
        let init = RequestInit::new();
        init.set_method("POST");
        init.set_body(&Uint8Array::from(request));
        init.set_signal(Some(&self.0.signal()));
        let response: Response = JsFuture::from(scope.fetch_with_str_and_init("/sync", &init))
            .await?
            .dyn_into()?;
        Ok(match response.status() {
            403 => Event::TurnedAway(Refusal::NotAuthenticated),
            413 => Event::TurnedAway(Refusal::TooLarge),
            429 => Event::TurnedAway(Refusal::TooManyConnections),
            _ if !response.ok() => Event::Disconnected,
            _ => {
                let body: ArrayBuffer = JsFuture::from(response.array_buffer()?).await?.dyn_into()?;
                Event::Exchanged(Uint8Array::new(&body).to_vec())
            }
        })
    }

    /// Ends the request under way.
    pub(super) fn end(&self) {
        self.0.abort();
    }
}
