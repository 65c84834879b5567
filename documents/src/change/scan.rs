//! A strict look over the body of a change, before Automerge decodes it: every length, run and number is within bounds.
//!
//! The format is Automerge's binary format (<https://automerge.org/automerge-binary-format-spec/>), change chunks only.

use super::{MOST_OPERATIONS, malformed};
use crate::Error;

/// The kinds of column, by the low bits of a column's number.
mod kind {
    pub(super) const GROUP: u64 = 0;
    pub(super) const ACTOR: u64 = 1;
    pub(super) const INTEGER: u64 = 2;
    pub(super) const DELTA: u64 = 3;
    pub(super) const BOOLEAN: u64 = 4;
    pub(super) const STRING: u64 = 5;
    pub(super) const VALUE_META: u64 = 6;
}

const ACTION_COLUMN: u64 = 4;

/// What the columns of a whole document may hold, inflated.
pub(crate) const LARGEST_DOCUMENT: usize = 64 << 20;

/// Looks over a whole document, as it is saved: a chunk with its header.
pub(crate) fn document(chunk: &[u8]) -> Result<(), Error> {
    let mut input = chunk.get(9..).ok_or_else(beyond)?;
    if chunk[8] != 0 {
        return Err(malformed("another kind of chunk"));
    }
    unsigned(&mut input)?;
    let actors = unsigned(&mut input)?;
    if actors > input.len() as u64 {
        return Err(beyond());
    }
    for _ in 0..actors {
        length_prefixed(&mut input)?;
    }
    let heads = unsigned(&mut input)?;
    take(&mut input, heads.checked_mul(32).ok_or_else(beyond)?)?;
    let mut layouts = Vec::new();
    for _ in 0..2 {
        let columns = unsigned(&mut input)?;
        if columns > input.len() as u64 {
            return Err(beyond());
        }
        for _ in 0..columns {
            layouts.push((unsigned(&mut input)?, unsigned(&mut input)?));
        }
    }
    let mut left = LARGEST_DOCUMENT;
    for (specification, length) in layouts {
        let data = take(&mut input, length)?;
        let inflated;
        let data = if specification & DEFLATED == 0 {
            data
        } else {
            inflated = super::inflate(data, left)?;
            &inflated
        };
        left = left.checked_sub(data.len()).ok_or_else(beyond)?;
        column(specification & !DEFLATED, data, actors, LARGEST_DOCUMENT as u64)?;
    }
    Ok(())
}

const DEFLATED: u64 = 0b1000;

/// Looks over a whole change body.
pub(super) fn body(bytes: &[u8]) -> Result<(), Error> {
    let mut input = bytes;
    let dependencies = unsigned(&mut input)?;
    let dependency_bytes = dependencies.checked_mul(32).ok_or_else(beyond)?;
    take(&mut input, dependency_bytes)?;
    length_prefixed(&mut input)?;
    let sequence = unsigned(&mut input)?;
    let start = unsigned(&mut input)?;
    if sequence == 0 || start == 0 || start > u64::from(u32::MAX) || sequence > u64::from(u32::MAX) {
        return Err(malformed("a sequence or operation number out of range"));
    }
    signed(&mut input)?;
    length_prefixed(&mut input)?;
    let others = unsigned(&mut input)?;
    if others > input.len() as u64 {
        return Err(beyond());
    }
    for _ in 0..others {
        length_prefixed(&mut input)?;
    }
    let columns = unsigned(&mut input)?;
    if columns > input.len() as u64 {
        return Err(beyond());
    }
    let mut layout = Vec::new();
    for _ in 0..columns {
        layout.push((unsigned(&mut input)?, unsigned(&mut input)?));
    }
    for (specification, length) in layout {
        if specification & DEFLATED != 0 {
            return Err(malformed("a compressed column"));
        }
        let data = take(&mut input, length)?;
        column(specification, data, others + 1, bytes.len() as u64)?;
    }
    Ok(())
}

fn column(specification: u64, data: &[u8], actors: u64, size: u64) -> Result<(), Error> {
    let counter = u64::from(u32::MAX);
    match specification & 0b111 {
        kind::GROUP => {
            let mut total: u64 = 0;
            runs(data, unsigned, |value, count| {
                total = total.saturating_add(value.saturating_mul(count));
                within(total, MOST_OPERATIONS)
            })
        }
        kind::ACTOR => runs(data, unsigned, |actor, _| within(actor, actors - 1)),
        kind::INTEGER if specification >> 4 == ACTION_COLUMN => {
            runs(data, unsigned, |action, _| within(action, 255))
        }
        kind::INTEGER => runs(data, unsigned, |value, _| within(value, counter)),
        kind::DELTA => {
            let mut absolute: i64 = 0;
            runs(data, signed, |delta, count| {
                let count = i64::try_from(count).map_err(|_| beyond())?;
                let step = delta.checked_mul(count).ok_or_else(beyond)?;
                absolute = absolute.checked_add(step).ok_or_else(beyond)?;
                within(u64::try_from(absolute).map_err(|_| beyond())?, counter)
            })
        }
        kind::BOOLEAN => {
            let mut input = data;
            let mut total: u64 = 0;
            while !input.is_empty() {
                total = total.saturating_add(unsigned(&mut input)?);
                within(total, MOST_OPERATIONS)?;
            }
            Ok(())
        }
        kind::STRING => runs(data, length_prefixed, |_, _| Ok(())),
        kind::VALUE_META => runs(data, unsigned, |meta, _| within(meta >> 4, size)),
        _ => Ok(()),
    }
}

/// Walks a run-length encoded column. All runs together may not be longer than [`MOST_OPERATIONS`].
fn runs<'a, T>(
    data: &'a [u8],
    read: impl Fn(&mut &'a [u8]) -> Result<T, Error>,
    mut check: impl FnMut(T, u64) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut input = data;
    let mut total: u64 = 0;
    while !input.is_empty() {
        let count = signed(&mut input)?;
        let length = if count == 0 {
            unsigned(&mut input)?
        } else {
            count.unsigned_abs()
        };
        total = total.saturating_add(length);
        within(total, MOST_OPERATIONS)?;
        if count > 0 {
            check(read(&mut input)?, length)?;
        }
        if count < 0 {
            for _ in 0..length {
                check(read(&mut input)?, 1)?;
            }
        }
    }
    Ok(())
}

/// Reads an unsigned LEB128 number of at most 64 bits.
pub(crate) fn unsigned(input: &mut &[u8]) -> Result<u64, Error> {
    let mut value: u64 = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(input, 1)?[0];
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(beyond());
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(beyond())
}

/// Reads a signed LEB128 number of at most 64 bits.
pub(crate) fn signed(input: &mut &[u8]) -> Result<i64, Error> {
    let mut value: i64 = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(input, 1)?[0];
        let bits = i64::from(byte & 0x7f);
        if shift == 63 && bits != 0 && bits != 0x7f {
            return Err(beyond());
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            if shift < 57 && byte & 0x40 != 0 {
                value |= -1 << (shift + 7);
            }
            return Ok(value);
        }
    }
    Err(beyond())
}

/// Writes an unsigned LEB128 number.
pub(crate) fn write_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a signed LEB128 number.
pub(crate) fn write_signed(out: &mut Vec<u8>, mut value: i64) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 && byte & 0x40 == 0 || value == -1 && byte & 0x40 != 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// Reads bytes behind their length.
pub(crate) fn length_prefixed<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], Error> {
    let length = unsigned(input)?;
    take(input, length)
}

/// Takes so many bytes, if there are.
pub(crate) fn take<'a>(input: &mut &'a [u8], length: u64) -> Result<&'a [u8], Error> {
    let length = usize::try_from(length).map_err(|_| beyond())?;
    let (taken, rest) = input.split_at_checked(length).ok_or_else(beyond)?;
    *input = rest;
    Ok(taken)
}

fn within(value: u64, limit: u64) -> Result<(), Error> {
    if value > limit { Err(beyond()) } else { Ok(()) }
}

fn beyond() -> Error {
    malformed("a length or number out of range")
}
