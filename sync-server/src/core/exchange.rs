//! `POST /sync`: one request and one answer with the frames of a connection, for networks that block sockets. The same
//! receiver, batch and sender do the work; what differs is that the challenge was given by an exchange before, and that
//! the answer ends.

use protocol::frame::MAX_MESSAGE;
use protocol::identity::Challenge;

/// A challenge is answered in the time it was given in, and in the next: for five to ten minutes.
const PERIOD: u64 = 5 * 60;

/// What the challenges of exchanges come from: nobody else can tell the next one, and the relay need not remember any.
#[derive(Clone)]
pub struct ExchangeSecret([u8; 32]);

impl ExchangeSecret {
    /// From random bytes, which may be new whenever a relay starts: clients then get a new challenge.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// The challenge that is given at this time, in seconds since 1970, and the one before, which is still taken.
    pub(crate) fn challenges(&self, clock: u64) -> [Challenge; 2] {
        let period = clock / PERIOD;
        [self.challenge(period), self.challenge(period.wrapping_sub(1))]
    }

    fn challenge(&self, period: u64) -> Challenge {
        let message = [b"meridian v1 exchange\0".as_slice(), &period.to_be_bytes()].concat();
        *blake3::keyed_hash(&self.0, &message).as_bytes()
    }
}

/// What is answered to an exchange, as far as it goes. It is no longer than a message may be: whoever has more to hear
/// asks again. Only an inventory is always told whole, since half of one is worth nothing.
#[derive(Debug, Default)]
pub(crate) struct Answering {
    bytes: Vec<u8>,
    is_full: bool,
}

impl Answering {
    /// Adds what the sender told, if there is room; `is_listing` if it told of an inventory.
    pub(crate) fn add(&mut self, message: &[u8], is_listing: bool) {
        if !is_listing && self.bytes.len() + message.len() > MAX_MESSAGE {
            self.is_full = true;
        } else {
            self.bytes.extend_from_slice(message);
        }
    }

    /// Nothing more is wanted of the sender: what it tells now would be lost.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
