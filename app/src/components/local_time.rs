//! What time it is elsewhere.

use std::time::Duration;

use leptos::prelude::*;

use crate::intl;
use crate::messages::say;

/// The device's time, in milliseconds since 1970, every few seconds anew.
#[derive(Clone, Copy)]
pub(crate) struct Clock(ReadSignal<f64>);

impl Clock {
    /// Runs as long as the owner lives.
    pub(crate) fn start() -> Self {
        let (now, set_now) = signal(js_sys::Date::now());
        match set_interval_with_handle(move || set_now.set(js_sys::Date::now()), Duration::from_secs(10)) {
            Ok(interval) => on_cleanup(move || interval.clear()),
            Err(error) => leptos::logging::error!("the clock stands still: {error:?}"),
        }
        Self(now)
    }
}

/// The time in a zone; nothing if the browser does not know the zone.
#[component]
pub(crate) fn LocalTime(zone: String, clock: Clock) -> impl IntoView {
    let language = intl::variety_of(say().tag());
    let time = Memo::new(move |_| intl::time_in_zone(&language, &zone, clock.0.get()));
    move || {
        time.get()
            .map(|time| view! { <span class="local-time">{say().local_time(&time)}</span> })
    }
}
