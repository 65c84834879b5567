//! Which messages that mention this person they have seen, on this device.

use std::collections::BTreeSet;

use documents::page::comments::MessageId;
use leptos::prelude::window;
use protocol::DocumentId;
use web_sys::Storage;

use crate::link::Place;
use crate::page::session::comments::hex;

/// Nothing, where the browser keeps nothing.
pub(super) fn stored(place: &Place) -> BTreeSet<MessageId> {
    let stored = storage().and_then(|storage| storage.get_item(&key(place)).ok().flatten());
    let stored = stored.unwrap_or_default();
    // Ids of messages are as long as those of documents.
    let ids = stored.split(' ').filter_map(DocumentId::from_hex);
    ids.map(|id| id.0).collect()
}

pub(super) fn store(place: &Place, seen: &BTreeSet<MessageId>) {
    let ids: Vec<String> = seen.iter().map(|id| hex(id)).collect();
    let stored = storage().map(|storage| storage.set_item(&key(place), &ids.join(" ")));
    if let Some(Err(error)) = stored {
        // What is not noted is shown as new again: no reason to stop anybody.
        leptos::logging::warn!("what was seen is not noted: {error:?}");
    }
}

fn key((classroom, document): &Place) -> String {
    format!("seen {} {}", classroom.to_hex(), document.to_hex())
}

fn storage() -> Option<Storage> {
    window().local_storage().ok().flatten()
}
