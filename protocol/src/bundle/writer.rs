//! Writing a bundle, record by record.

use super::{Counts, END, Kind, MAGIC, MARKER, MAX_PAYLOAD, NO_CLASSROOM, STUFFING, VERSION, check};
use crate::{ClassroomId, Error, bounded};

/// Makes the bytes of a bundle. They go to the file in the order in which they are made.
#[derive(Debug)]
pub struct Writer {
    counts: Counts,
}

impl Writer {
    /// Begins a bundle, with its first bytes.
    pub fn begin() -> (Self, Vec<u8>) {
        let writer = Self {
            counts: Counts::default(),
        };
        (writer, [MAGIC.as_slice(), &[VERSION]].concat())
    }

    /// One record: an item of a classroom, encoded as for a relay. Records may be in any order.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if it is larger than any item. [`Error::Malformed`] if the kind is the number of another.
    pub fn record(&mut self, classroom: &ClassroomId, kind: Kind, item: &[u8]) -> Result<Vec<u8>, Error> {
        let number = kind.number();
        if number == END || Kind::from_number(number) != kind {
            return Err(Error::Malformed("bundle"));
        }
        let bytes = record(number, classroom, item)?;
        self.counts.add(kind);
        Ok(bytes)
    }

    /// The last bytes, without which a reader knows that something is missing.
    pub fn end(self) -> Result<Vec<u8>, Error> {
        record(END, &NO_CLASSROOM, &bounded::encode("bundle", &self.counts)?)
    }
}

fn record(kind: u8, classroom: &ClassroomId, payload: &[u8]) -> Result<Vec<u8>, Error> {
    if payload.len() > MAX_PAYLOAD {
        return Err(Error::TooLarge {
            what: "bundle's record",
            max: MAX_PAYLOAD,
        });
    }
    let length = (payload.len() as u32).to_be_bytes();
    let mut record = [&[kind], classroom.0.as_slice(), &length, payload].concat();
    record.extend(check(&record));
    let mut bytes = MARKER.to_vec();
    bytes.extend(stuffed(record));
    Ok(bytes)
}

/// Puts the stuffing in, which is needed about never unless somebody means it to be.
fn stuffed(record: Vec<u8>) -> Vec<u8> {
    let (prefix, _) = MARKER.split_at(MARKER.len() - 1);
    if !record.windows(prefix.len()).any(|window| window == prefix) {
        return record;
    }
    let mut stuffed = Vec::new();
    for byte in record {
        stuffed.push(byte);
        if stuffed.ends_with(prefix) {
            stuffed.push(STUFFING);
        }
    }
    stuffed
}
