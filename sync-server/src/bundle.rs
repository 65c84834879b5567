//! Bundles from and for a relay's data folder: what it holds in a file, to carry by hand. All of it goes through memory
//! a part at a time, however large it is.

mod export;
mod import;
mod inspect;

use std::fmt;

use protocol::bundle::Damage;

pub use export::{Exported, export};
pub use import::{Imported, import};
pub use inspect::{Inspected, inspect};

/// How much of a file is read at a time.
const PART: usize = 64 * 1024;

/// How many damaged places are named.
const NAMED: usize = 20;

/// What is damaged of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Damaged {
    /// The first of the places.
    pub named: Vec<Damage>,
    /// How many there are.
    pub places: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

impl Damaged {
    fn add(&mut self, damage: Damage) {
        self.places += 1;
        self.bytes += damage.length;
        if self.named.len() < NAMED {
            self.named.push(damage);
        }
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "damaged places: {} ({} bytes)", self.places, self.bytes)?;
        for Damage { offset, length } in &self.named {
            writeln!(f, "  at byte {offset}: {length}")?;
        }
        if self.places > self.named.len() as u64 {
            writeln!(f, "  and more")?;
        }
        Ok(())
    }
}

/// Whether a file is whole, in a line.
fn wholeness(is_complete: bool, newer_version: Option<u8>) -> String {
    match newer_version {
        Some(version) => {
            format!("the file is of version {version}: only a newer program can tell whether it is whole")
        }
        None if is_complete => "the file is whole".to_owned(),
        None => "the file is not whole: something is damaged or missing".to_owned(),
    }
}
