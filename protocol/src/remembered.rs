//! What this thread has worked out before, for simulations: they have thousands of copies of the same few signatures and
//! sealed keys. Only what turned out good is kept, under a hash of all that it follows from.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use crate::key::EpochKey;
use crate::{Error, Signature};

/// How many of each are kept until all are forgotten.
const MOST: usize = 1 << 16;

type Name = [u8; 32];

thread_local! {
    static GOOD: RefCell<HashSet<Name>> = RefCell::default();
    static OPENED: RefCell<HashMap<Name, EpochKey>> = RefCell::default();
}

/// Whether a signature is good: as it turned out before, or does now.
pub(crate) fn is_good(
    public: &[u8; 32],
    message: &[u8],
    signature: &Signature,
    verify: impl FnOnce() -> bool,
) -> bool {
    let name = name(&[public, &signature.to_bytes(), message]);
    if GOOD.with_borrow(|good| good.contains(&name)) {
        return true;
    }
    let is_good = verify();
    if is_good {
        keep(name);
    }
    is_good
}

/// A signature was made with the secret key of `public`, so it is good.
pub(crate) fn made(public: &[u8; 32], message: &[u8], signature: &Signature) {
    keep(name(&[public, &signature.to_bytes(), message]));
}

fn keep(name: Name) {
    GOOD.with_borrow_mut(|good| {
        if good.len() >= MOST {
            good.clear();
        }
        good.insert(name);
    });
}

/// A key that was sealed, all of which and what it is opened with being `parts`: as it was opened before, or is now.
pub(crate) fn opened(
    parts: &[&[u8]],
    open: impl FnOnce() -> Result<EpochKey, Error>,
) -> Result<EpochKey, Error> {
    let name = name(parts);
    if let Some(key) = OPENED.with_borrow(|opened| opened.get(&name).cloned()) {
        return Ok(key);
    }
    let key = open()?;
    OPENED.with_borrow_mut(|opened| {
        if opened.len() >= MOST {
            opened.clear();
        }
        opened.insert(name, key.clone());
    });
    Ok(key)
}

/// All parts but the last have one length always, so no two lists of parts have one name.
fn name(parts: &[&[u8]]) -> Name {
    let mut name = blake3::Hasher::new();
    for part in parts {
        name.update(part);
    }
    *name.finalize().as_bytes()
}
