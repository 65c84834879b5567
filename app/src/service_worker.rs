//! The service worker, which keeps the app on the device, and what goes with it. Insecure pages have none of this: the app then
//! works as before, only not offline.

use std::time::Duration;

use js_sys::{Object, Reflect};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    ServiceWorker, ServiceWorkerContainer, ServiceWorkerRegistration, ServiceWorkerState, VisibilityState,
};

const SCRIPT: &str = "/service-worker.js";

/// When the app could not be kept on the device: how long until that is tried again, the first time and at most.
const AGAIN_AFTER: Duration = Duration::from_secs(20);
const AGAIN_AFTER_AT_MOST: Duration = Duration::from_secs(600);

/// A new version that waits for the person's word.
#[derive(Clone, Copy)]
pub(crate) struct NewVersion {
    pub(crate) ready: RwSignal<bool>,
    waiting: StoredValue<Option<ServiceWorker>, LocalStorage>,
    registration: StoredValue<Option<ServiceWorkerRegistration>, LocalStorage>,
    again_after: StoredValue<Duration>,
}

impl NewVersion {
    /// Registers the service worker and watches for newer ones.
    pub(crate) fn watch() -> Self {
        let version = Self {
            ready: RwSignal::new(false),
            waiting: StoredValue::new_local(None),
            registration: StoredValue::new_local(None),
            again_after: StoredValue::new(AGAIN_AFTER),
        };
        version.start();
        version.look_for_newer();
        version
    }

    fn start(self) {
        spawn_local(async move {
            if let Err(error) = self.register().await {
                leptos::logging::warn!("not kept for offline use: {error:?}");
                self.start_again_later();
            }
        });
    }

    /// On a bad connection one file of many may not come, and the browser would try it at the next visit only: there may be no
    /// connection then.
    fn start_again_later(self) {
        let after = self.again_after.get_value();
        self.again_after.set_value((after * 2).min(AGAIN_AFTER_AT_MOST));
        set_timeout(move || self.start(), after);
    }

    /// Lets the new version take over, then starts afresh with it.
    pub(crate) fn use_it(self) {
        let (Some(waiting), Some(container)) = (self.waiting.get_value(), container()) else {
            return reload();
        };
        let on_change = Closure::<dyn Fn()>::new(reload);
        container.set_oncontrollerchange(Some(on_change.as_ref().unchecked_ref()));
        on_change.forget();
        if tell(&waiting, "SKIP_WAITING").is_err() {
            reload();
        }
    }

    async fn register(self) -> Result<(), JsValue> {
        let Some(container) = container() else {
            return Ok(());
        };
        let registration: ServiceWorkerRegistration =
            JsFuture::from(container.register(SCRIPT)).await?.dyn_into()?;
        // On the first visit there is no version before: nothing to announce.
        if let Some(waiting) = registration.waiting()
            && container.controller().is_some()
        {
            self.announce(waiting);
        }
        // It may have been found before this tab listened.
        match registration.installing().or_else(|| registration.active()) {
            Some(worker) => self.follow(worker),
            None if registration.waiting().is_none() => self.start_again_later(),
            None => {}
        }
        let found = registration.clone();
        let on_found = Closure::<dyn Fn()>::new(move || {
            if let Some(installing) = found.installing() {
                self.follow(installing);
            }
        });
        registration.set_onupdatefound(Some(on_found.as_ref().unchecked_ref()));
        on_found.forget();
        self.registration.set_value(Some(registration));
        Ok(())
    }

    fn follow(self, worker: ServiceWorker) {
        self.look_at(&worker);
        let followed = worker.clone();
        let on_change = Closure::<dyn Fn()>::new(move || self.look_at(&followed));
        worker.set_onstatechange(Some(on_change.as_ref().unchecked_ref()));
        on_change.forget();
    }

    fn look_at(self, worker: &ServiceWorker) {
        let is_controlled = container().is_some_and(|container| container.controller().is_some());
        match worker.state() {
            ServiceWorkerState::Installed if is_controlled => self.announce(worker.clone()),
            // It was not complete.
            ServiceWorkerState::Redundant if !is_controlled => self.start_again_later(),
            // Now and then Chromium passes over the tab that it is installed from.
            ServiceWorkerState::Activated if !is_controlled => {
                if let Err(error) = tell(worker, "CLAIM") {
                    leptos::logging::warn!("this tab is not kept for offline use: {error:?}");
                }
            }
            _ => {}
        }
    }

    fn announce(self, waiting: ServiceWorker) {
        self.waiting.set_value(Some(waiting));
        self.ready.set(true);
    }

    /// A tab may stay open for weeks: looks for a newer version whenever somebody comes back to it.
    fn look_for_newer(self) {
        window_event_listener_untyped("visibilitychange", move |_| {
            let registration = self.registration.get_value();
            let (VisibilityState::Visible, Some(registration)) =
                (document().visibility_state(), registration)
            else {
                return;
            };
            let Ok(update) = registration.update() else { return };
            spawn_local(async move {
                // With no connection there is nothing to find.
                if let Err(error) = JsFuture::from(update).await {
                    leptos::logging::debug_warn!("no newer version was found: {error:?}");
                }
            });
        });
    }
}

/// Asks the browser not to throw this device's work away when space runs short.
pub(crate) fn ask_for_persistent_storage() {
    let navigator = window().navigator();
    if !has(&navigator, "storage") {
        return;
    }
    match navigator.storage().persist() {
        Ok(asked) => spawn_local(async move {
            if JsFuture::from(asked)
                .await
                .is_ok_and(|granted| granted.is_falsy())
            {
                leptos::logging::warn!("the browser may throw away this device's work when space runs short");
            }
        }),
        Err(error) => leptos::logging::warn!("persistent storage can't be asked for: {error:?}"),
    }
}

fn tell(worker: &ServiceWorker, what: &str) -> Result<(), JsValue> {
    let message = Object::new();
    Reflect::set(&message, &"type".into(), &what.into())?;
    worker.post_message(&message)
}

pub(crate) fn reload() {
    if let Err(error) = window().location().reload() {
        leptos::logging::error!("the page can't be reloaded: {error:?}");
    }
}

fn container() -> Option<ServiceWorkerContainer> {
    let navigator = window().navigator();
    has(&navigator, "serviceWorker").then(|| navigator.service_worker())
}

/// Whether the browser offers it on this page; many things are there on secure pages only.
pub(crate) fn has(object: &JsValue, name: &str) -> bool {
    Reflect::get(object, &name.into()).is_ok_and(|value| !value.is_undefined() && !value.is_null())
}
