//! A sealed part of something that is too large to be sealed in one: a version byte, a random nonce, what is sealed.

use chacha20poly1305::aead::Payload;
use chacha20poly1305::{XChaCha20Poly1305, XNonce, aead::Aead as _};
use rand_core::CryptoRng;

use crate::Error;

const VERSION: u8 = 1;

/// The most bytes that one part holds; each but the last holds as many.
pub(crate) const BODY: usize = 256 * 1024;

const NONCE: usize = 24;
const TAG: usize = 16;

/// The most bytes of an encoded part.
pub(crate) const MAX: usize = 1 + NONCE + BODY + TAG;

/// Seals `part`, of at most [`BODY`] bytes; `data` says which part of what it is.
pub(crate) fn seal(
    cipher: &XChaCha20Poly1305,
    data: &[u8],
    part: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, Error> {
    let mut nonce = [0; NONCE];
    rng.fill_bytes(&mut nonce);
    let payload = Payload { msg: part, aad: data };
    let sealed = cipher.encrypt(&XNonce::from(nonce), payload);
    let sealed = sealed.map_err(|_| Error::TooLarge {
        what: "part",
        max: BODY,
    })?;
    Ok([&[VERSION], nonce.as_slice(), &sealed].concat())
}

/// Opens what [`seal`] made.
pub(crate) fn open(
    cipher: &XChaCha20Poly1305,
    data: &[u8],
    bytes: &[u8],
    what: &'static str,
) -> Result<Vec<u8>, Error> {
    let parts = bytes.get(1..).and_then(<[u8]>::split_first_chunk::<NONCE>);
    let (nonce, sealed) = parts.ok_or(Error::Malformed(what))?;
    let payload = Payload {
        msg: sealed,
        aad: data,
    };
    cipher
        .decrypt(&XNonce::from(*nonce), payload)
        .map_err(|_| Error::CannotOpen(what))
}

/// Whether bytes can be a part; only its hash says which.
pub(crate) fn check(bytes: &[u8], what: &'static str) -> Result<(), Error> {
    match bytes.first() {
        Some(&VERSION) if bytes.len() > MAX => Err(Error::TooLarge { what, max: MAX }),
        Some(&VERSION) if bytes.len() > 1 + NONCE + TAG => Ok(()),
        Some(&version) if version > VERSION => Err(Error::UnsupportedVersion { what, version }),
        _ => Err(Error::Malformed(what)),
    }
}
