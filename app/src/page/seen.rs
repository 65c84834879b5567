//! What this person has seen of a page, and which messages there mention them: kept on this device, for nobody else to know.
//! Hashes and ids only, no words.

use std::collections::BTreeSet;

use documents::change::Hash;
use documents::page::comments::MessageId;
use protocol::DocumentId;
use replica::view::Classroom;

use crate::link::Place;
use crate::local_storage;

/// More heads than that no page has that was merged once.
const MOST_HEADS: usize = 64;

const HEADS: &str = "seen-heads";
const MESSAGES: &str = "seen-messages";
const MENTIONS: &str = "mentions";

/// How far they have seen a page; none if they never did here.
pub(crate) fn heads_on(place: &Place) -> Option<Vec<Hash>> {
    let stored = stored(HEADS, place)?;
    stored.split(' ').map(Hash::from_hex).collect()
}

/// Notes that they have seen it up to here. Where nothing can be stored, they are told of changes less often.
pub(crate) fn note_heads(place: &Place, heads: &[Hash]) {
    if !heads.is_empty() && heads.len() <= MOST_HEADS {
        let heads: Vec<String> = heads.iter().map(Hash::to_string).collect();
        store(HEADS, place, &heads);
    }
}

/// The messages that mention them and that they have seen on a page. None, where the browser keeps nothing.
pub(crate) fn messages_on(place: &Place) -> BTreeSet<MessageId> {
    ids(MESSAGES, place)
}

pub(crate) fn note_messages(place: &Place, seen: &BTreeSet<MessageId>) {
    store_ids(MESSAGES, place, seen);
}

/// Keeps what the replica says of its documents, for when it has not read them again.
pub(crate) fn note_mentions(classroom: &Classroom) {
    for document in &classroom.documents {
        if let Some(mentions) = &document.mentions {
            let place = (classroom.id, document.id);
            let mentions: BTreeSet<MessageId> = mentions.iter().copied().collect();
            if ids(MENTIONS, &place) != mentions {
                store_ids(MENTIONS, &place, &mentions);
            }
        }
    }
}

/// How many messages on a page mention them that they have not seen. `known` are those that mention them, if the replica has
/// read the page.
pub(crate) fn unseen_on(place: &Place, known: Option<&Vec<MessageId>>) -> usize {
    let mentions = match known {
        Some(known) => known.iter().copied().collect(),
        None => ids(MENTIONS, place),
    };
    mentions.difference(&messages_on(place)).count()
}

fn ids(what: &str, place: &Place) -> BTreeSet<MessageId> {
    let stored = stored(what, place).unwrap_or_default();
    // Ids of messages are as long as those of documents.
    let ids = stored.split(' ').filter_map(DocumentId::from_hex);
    ids.map(|id| id.0).collect()
}

fn store_ids(what: &str, place: &Place, ids: &BTreeSet<MessageId>) {
    let ids: Vec<String> = ids.iter().map(|id| DocumentId(*id).to_hex()).collect();
    store(what, place, &ids);
}

fn stored(what: &str, place: &Place) -> Option<String> {
    local_storage::read(&key(what, place))
}

fn store(what: &str, place: &Place, words: &[String]) {
    if let Err(error) = local_storage::write(&key(what, place), &words.join(" ")) {
        // What is not noted is shown as new again: no reason to stop anybody.
        leptos::logging::warn!("what was seen is not noted: {error:?}");
    }
}

fn key(what: &str, (classroom, document): &Place) -> String {
    format!("meridian-{what} {} {}", classroom.to_hex(), document.to_hex())
}
