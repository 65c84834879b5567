//! What this device has: how much room is left, and since when all that is on it is in a file as well.

use js_sys::Reflect;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

use crate::components::carry::Carried;
use crate::intl;
use crate::local_storage;
use crate::messages::say;
use crate::service_worker::has;

/// When all was last written to a file, in milliseconds since 1970.
const BACKED_UP: &str = "meridian-backed-up";

/// Less than this is little, in bytes: some weeks of a class with pictures.
const LITTLE: f64 = 200e6;

/// Looks again whenever something was carried.
#[component]
pub(crate) fn DeviceLine(carried: RwSignal<Carried>) -> impl IntoView {
    let room = RwSignal::new(None::<f64>);
    let backed_up = RwSignal::new(None::<f64>);
    Effect::new(move || {
        let busy = carried.with(|carried| matches!(carried, Carried::Exporting(_) | Carried::Importing(_)));
        if !busy {
            backed_up.set(last_backed_up());
            spawn_local(async move {
                // The screen may be left meanwhile.
                room.try_set(room_left().await);
            });
        }
    });
    let language = StoredValue::new(intl::variety_of(say().tag()));
    let told = move || {
        room.get()
            .map(|room| say().room_left(&language.with_value(|language| intl::size(language, room))))
    };
    let backed_up_told = move || match backed_up.get() {
        Some(at) => say().backed_up(&language.with_value(|language| intl::moment(language, whole(at)))),
        None => say().never_backed_up().to_owned(),
    };
    view! {
        <section class="hint" aria-label=say().this_device()>
            <p>
                {told} " " {backed_up_told}
            </p>
            <Show when=move || room.get().is_some_and(|room| room < LITTLE)>
                <p class="problem">{say().little_room()}</p>
            </Show>
        </section>
    }
}

/// Notes that all that is on this device was written to a file now.
pub(crate) fn note_backup() {
    let now = js_sys::Date::now().to_string();
    if let Err(error) = local_storage::write(BACKED_UP, &now) {
        // It is advised again: no harm is done.
        leptos::logging::warn!("when all was written to a file is not noted: {error:?}");
    }
}

fn last_backed_up() -> Option<f64> {
    let noted = local_storage::read(BACKED_UP)?;
    noted.parse().ok().filter(|at: &f64| at.is_finite())
}

/// In bytes, as far as the browser says it: it may be less, and is never known exactly.
async fn room_left() -> Option<f64> {
    let navigator = window().navigator();
    if !has(&navigator, "storage") {
        return None;
    }
    let estimate = JsFuture::from(navigator.storage().estimate().ok()?).await.ok()?;
    let number = |name: &str| Reflect::get(&estimate, &JsValue::from(name)).ok()?.as_f64();
    Some((number("quota")? - number("usage")?).max(0.0))
}

/// Times fit for the next two hundred million years.
#[allow(clippy::cast_possible_truncation)]
fn whole(milliseconds: f64) -> i64 {
    milliseconds as i64
}
