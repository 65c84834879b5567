//! Web Locks: one for each lane, held for as long as its worker lives. web-sys has them only as an unstable API.

use js_sys::{Function, Object, Promise, Reflect};
use protocol::LaneId;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// From now on, until this worker ends.
    Held,
    /// Somebody else holds it.
    Elsewhere,
    /// This browser, or this page without a secure address, has no locks.
    NoLocks,
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "LockManager")]
    type LockManager;

    #[wasm_bindgen(method, catch)]
    fn request(
        this: &LockManager,
        name: &str,
        options: &Object,
        callback: &Function,
    ) -> Result<Promise, JsValue>;
}

/// Takes a lane's lock if it is free.
pub(super) async fn hold_if_free(lane: &LaneId) -> Hold {
    match request(lane).await {
        Ok(true) => Hold::Held,
        Ok(false) => Hold::Elsewhere,
        Err(_) => Hold::NoLocks,
    }
}

async fn request(lane: &LaneId) -> Result<bool, JsValue> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into())?;
    let locks = Reflect::get(&navigator, &"locks".into())?;
    if locks.is_undefined() {
        return Err("no locks".into());
    }
    let locks: LockManager = locks.unchecked_into();
    let options = Object::new();
    Reflect::set(&options, &"ifAvailable".into(), &JsValue::TRUE)?;
    let name = format!("meridian lane {lane}");
    let mut failed = None;
    let held = Promise::new(&mut |resolve, reject| {
        let answer = resolve.clone();
        // The lock is held until the promise that this returns is settled: for ever, once it is ours.
        let callback = Closure::once_into_js(move |lock: JsValue| -> JsValue {
            let ours = !lock.is_null();
            if answer.call1(&JsValue::NULL, &ours.into()).is_ok() && ours {
                Promise::new(&mut |_, _| {}).into()
            } else {
                JsValue::UNDEFINED
            }
        });
        match locks.request(&name, &options, callback.unchecked_ref()) {
            Ok(request) => {
                // A refused request must not leave the caller waiting.
                let on_refusal = Closure::<dyn FnMut(JsValue)>::new(move |error: JsValue| {
                    if reject.call1(&JsValue::NULL, &error).is_err() {
                        web_sys::console::warn_1(&error);
                    }
                });
                drop(request.catch(&on_refusal));
                on_refusal.forget();
            }
            Err(error) => failed = Some(error),
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(JsFuture::from(held).await?.is_truthy()),
    }
}
