use leptos::prelude::window;
use web_sys::KeyboardEvent;

/// Whether a letter is pressed with the key of commands and no other: Command on a Mac, where Control and letters move and delete in
/// the text, and Control elsewhere.
pub(crate) fn is_command(event: &KeyboardEvent, letter: char) -> bool {
    let held = if is_mac() {
        event.meta_key() && !event.ctrl_key()
    } else {
        event.ctrl_key() && !event.meta_key()
    };
    let key = event.key();
    // Its key, where keys have the letters of another script.
    let by_code = || !key.is_ascii() && event.code() == format!("Key{}", letter.to_ascii_uppercase());
    let is_letter = key.eq_ignore_ascii_case(&letter.to_string()) || by_code();
    held && is_letter && !event.shift_key() && !event.alt_key()
}

/// Where the key of commands is not Control.
pub(crate) fn is_mac() -> bool {
    let platform = window().navigator().platform().unwrap_or_default();
    ["Mac", "iPhone", "iPad"]
        .iter()
        .any(|name| platform.starts_with(name))
}
