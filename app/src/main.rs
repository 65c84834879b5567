//! The Meridian front end. One WASM file serves the tab and its worker: `main` starts both, `run_worker` only the worker.

use js_sys::{Object, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::{Document, MessageEvent, Worker, WorkerOptions, WorkerType};

fn main() -> Result<(), JsValue> {
    // In the worker there is no window: it waits for `run_worker`.
    match web_sys::window().and_then(|window| window.document()) {
        Some(document) => start_tab(&document),
        None => Ok(()),
    }
}

/// Runs in the worker once the module is ready there.
#[wasm_bindgen]
pub fn run_worker() -> Result<(), JsValue> {
    let scope: web_sys::DedicatedWorkerGlobalScope = js_sys::global().dyn_into()?;
    scope.post_message(&JsValue::from_str("ready"))
}

fn start_tab(document: &Document) -> Result<(), JsValue> {
    let status = document.create_element("p")?;
    status.set_attribute("role", "status")?;
    status.set_attribute("aria-label", "Sync")?;
    status.set_text_content(Some("Starting"));
    document.body().ok_or("no body")?.append_child(&status)?;

    let worker = start_worker(document)?;
    let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        status.set_text_content(event.data().as_string().as_deref());
    });
    worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();

    if let Some(window) = document.default_view() {
        // A page that the service worker can't be registered for works as before, only not offline.
        drop(window.navigator().service_worker().register("/service-worker.js"));
    }
    Ok(())
}

/// Starts the worker with the module that this page has compiled; the build says in the page where its files are.
fn start_worker(document: &Document) -> Result<Worker, JsValue> {
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    let worker = Worker::new_with_options(&meta(document, "meridian-worker")?, &options)?;
    let message = Object::new();
    Reflect::set(&message, &"glue".into(), &meta(document, "meridian-glue")?.into())?;
    Reflect::set(&message, &"module".into(), &wasm_bindgen::module())?;
    worker.post_message(&message)?;
    Ok(worker)
}

fn meta(document: &Document, name: &str) -> Result<String, JsValue> {
    document
        .query_selector(&format!("meta[name={name}]"))?
        .and_then(|element| element.get_attribute("content"))
        .ok_or_else(|| format!("the page does not say where {name} is").into())
}
