//! What a tab and its worker send each other: a byte that says in which form, then postcard.

use replica::command::Command;
use replica::view::Update;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The form of the messages below.
const VERSION: u8 = 1;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToWorker {
    /// A command, and the number that its answer will carry.
    Command(u32, Command),
    /// The browser says that the network is there, or is gone.
    Network(bool),
    /// The tab is about to go away.
    Closing,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromWorker {
    Update(Box<Update>),
    /// The store is about to be taken over by a newer version of the app: what was typed should be handed over now.
    HandOver,
}

/// Why a message can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("it is in the form {0:?}")]
    OtherVersion(Option<u8>),
    #[error(transparent)]
    Damaged(#[from] postcard::Error),
}

pub(crate) fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, postcard::Error> {
    let mut bytes = postcard::to_allocvec(message)?;
    bytes.insert(0, VERSION);
    Ok(bytes)
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    match bytes.split_first() {
        Some((&VERSION, message)) => Ok(postcard::from_bytes(message)?),
        other => Err(Unreadable::OtherVersion(other.map(|(version, _)| *version))),
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_message_of_another_version_is_not_taken_for_one_of_this() {
        let mut bytes = encode(&ToWorker::Network(true)).unwrap();
        assert_eq!(bytes[0], VERSION);
        assert!(matches!(decode(&bytes), Ok(ToWorker::Network(true))));
        bytes[0] += 1;
        let other = decode::<ToWorker>(&bytes);
        assert!(
            matches!(other, Err(Unreadable::OtherVersion(Some(_)))),
            "{other:?}"
        );
        assert!(matches!(
            decode::<ToWorker>(&[]),
            Err(Unreadable::OtherVersion(None))
        ));
        bytes = vec![VERSION, u8::MAX];
        assert!(matches!(decode::<ToWorker>(&bytes), Err(Unreadable::Damaged(_))));
    }
}
