//! Which messages mention this person, and which of them they have seen: kept on this device, for nobody else to know.

use std::collections::BTreeSet;

use documents::page::comments::MessageId;
use leptos::prelude::window;
use protocol::DocumentId;
use replica::view::Classroom;
use web_sys::Storage;

use crate::link::Place;

/// The messages that this person has seen on a page. None, where the browser keeps nothing.
pub(crate) fn seen_on(place: &Place) -> BTreeSet<MessageId> {
    stored("seen", place)
}

pub(crate) fn note_seen(place: &Place, seen: &BTreeSet<MessageId>) {
    store("seen", place, seen);
}

/// Keeps what the replica says of its documents, for when it has not read them again.
pub(crate) fn note_mentions(classroom: &Classroom) {
    for document in &classroom.documents {
        if let Some(mentions) = &document.mentions {
            let place = (classroom.id, document.id);
            let mentions: BTreeSet<MessageId> = mentions.iter().copied().collect();
            if stored("mentions", &place) != mentions {
                store("mentions", &place, &mentions);
            }
        }
    }
}

/// How many messages on a page mention this person that they have not seen. `known` are those that mention them, if the
/// replica has read the page.
pub(crate) fn unseen_on(place: &Place, known: Option<&Vec<MessageId>>) -> usize {
    let mentions = match known {
        Some(known) => known.iter().copied().collect(),
        None => stored("mentions", place),
    };
    mentions.difference(&seen_on(place)).count()
}

fn stored(what: &str, place: &Place) -> BTreeSet<MessageId> {
    let stored = storage().and_then(|storage| storage.get_item(&key(what, place)).ok().flatten());
    let stored = stored.unwrap_or_default();
    // Ids of messages are as long as those of documents.
    let ids = stored.split(' ').filter_map(DocumentId::from_hex);
    ids.map(|id| id.0).collect()
}

fn store(what: &str, place: &Place, ids: &BTreeSet<MessageId>) {
    let Some(storage) = storage() else { return };
    let key = key(what, place);
    let stored = if ids.is_empty() {
        storage.remove_item(&key)
    } else {
        let ids: Vec<String> = ids.iter().map(|id| DocumentId(*id).to_hex()).collect();
        storage.set_item(&key, &ids.join(" "))
    };
    if let Err(error) = stored {
        // What is not noted is shown as new again: no reason to stop anybody.
        leptos::logging::warn!("what was seen is not noted: {error:?}");
    }
}

fn key(what: &str, (classroom, document): &Place) -> String {
    format!("{what} {} {}", classroom.to_hex(), document.to_hex())
}

fn storage() -> Option<Storage> {
    window().local_storage().ok().flatten()
}
