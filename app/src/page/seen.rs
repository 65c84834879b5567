//! How far this person has seen a page, on this device: hashes only, no words.

use documents::change::Hash;
use leptos::prelude::window;
use protocol::DocumentId;
use web_sys::Storage;

/// More heads than that no page has that was merged once.
const MOST: usize = 64;

/// What they saw of it last; none if they never did here.
pub(crate) fn read(document: &DocumentId) -> Option<Vec<Hash>> {
    let stored = storage()?.get_item(&key(document)).ok()??;
    stored.split(' ').map(Hash::from_hex).collect()
}

/// Notes that they have seen it up to here. Where nothing can be stored, they are told of changes less often.
pub(crate) fn write(document: &DocumentId, heads: &[Hash]) {
    if heads.is_empty() || heads.len() > MOST {
        return;
    }
    let heads: Vec<String> = heads.iter().map(Hash::to_string).collect();
    if let Some(storage) = storage()
        && let Err(error) = storage.set_item(&key(document), &heads.join(" "))
    {
        leptos::logging::warn!("what was seen is not noted: {error:?}");
    }
}

fn key(document: &DocumentId) -> String {
    format!("meridian-seen-{}", document.to_hex())
}

fn storage() -> Option<Storage> {
    window().local_storage().ok().flatten()
}
