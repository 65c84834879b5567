//! What the browser keeps for this device beside the database: small, and no loss if it does not.

use leptos::prelude::window;
use wasm_bindgen::JsValue;
use web_sys::Storage;

pub(crate) fn read(key: &str) -> Option<String> {
    storage()?.get_item(key).ok()?
}

/// Nothing takes no room.
///
/// # Errors
/// If there is no room. Where nothing can be kept at all, nothing is.
pub(crate) fn write(key: &str, value: &str) -> Result<(), JsValue> {
    match storage() {
        Some(storage) if value.is_empty() => storage.remove_item(key),
        Some(storage) => storage.set_item(key, value),
        None => Ok(()),
    }
}

fn storage() -> Option<Storage> {
    window().local_storage().ok().flatten()
}
