//! The Meridian front end. One WASM file serves the tab and its worker: `main` starts both, `run_worker` only the worker.

#![allow(
    unreachable_pub,
    reason = "leptos makes what each component expands to public"
)]
#![allow(
    clippy::needless_pass_by_value,
    reason = "components own their properties, and listeners their events"
)]

mod app;
mod components;
mod countries;
mod envelope;
mod files;
mod intl;
mod languages;
mod link;
mod local_storage;
mod messages;
mod page;
mod paths;
mod reasons;
mod screens;
mod service_worker;
mod speech;
mod sync;
mod worker;

#[cfg(test)]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

fn main() {
    // In the worker there is no window: it waits for `run_worker`.
    if web_sys::window().is_some() {
        app::start();
    }
}
