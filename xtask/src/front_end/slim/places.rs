use std::collections::BTreeSet;
use std::ops::Range;

use wasmparser::{DataKind, Operator, Parser, Payload};

use super::Result;

/// A `core::panic::Location` in memory: address and length of a file's name, line, column, and a word before the next.
const PLACE: usize = 16;

/// Overwrites with zeros where in the source panics are, and the names of the source files.
pub(super) fn blank(wasm: &mut [u8]) -> Result<()> {
    let segments = segments(wasm)?;
    let mut blanked = BTreeSet::new();
    for (address, range) in &segments {
        // Words are aligned in memory, not in the file.
        let mut at = range.start + address.wrapping_neg() as usize % 4;
        while at + PLACE <= range.end {
            let word = |index: usize| {
                let bytes = &wasm[at + 4 * index..][..4];
                u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
            };
            match name_of_source(wasm, &segments, word(0), word(1)) {
                Some(name) if (1..100_000).contains(&word(2)) && (1..1_000).contains(&word(3)) => {
                    blanked.insert((name.start, name.end));
                    blanked.insert((at, at + PLACE));
                    at += PLACE;
                }
                _ => at += 4,
            }
        }
    }
    for (start, end) in blanked {
        wasm[start..end].fill(0);
    }
    Ok(())
}

/// The address in memory and the bytes in the file of each piece of initial memory.
fn segments(wasm: &[u8]) -> Result<Vec<(u32, Range<usize>)>> {
    let mut segments = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let Payload::DataSection(section) = payload? else {
            continue;
        };
        for data in section {
            let data = data?;
            if let DataKind::Active { offset_expr, .. } = data.kind
                && let Operator::I32Const { value } = offset_expr.get_operators_reader().read()?
            {
                let end = data.range.end;
                segments.push((value.cast_unsigned(), end - data.data.len()..end));
            }
        }
    }
    Ok(segments)
}

/// The bytes in the file of the text at this address in memory, if it is the path of a Rust source file.
fn name_of_source(
    wasm: &[u8],
    segments: &[(u32, Range<usize>)],
    address: u32,
    length: u32,
) -> Option<Range<usize>> {
    let (begin, range) = segments.iter().find(|(begin, range)| {
        address
            .checked_sub(*begin)
            .is_some_and(|offset| (offset as usize) < range.len())
    })?;
    let start = range.start + (address - begin) as usize;
    let end = start.checked_add(length as usize)?;
    if length > 300 || end > range.end {
        return None;
    }
    let name = &wasm[start..end];
    let is_path = name.ends_with(b".rs") && name.contains(&b'/') && name.iter().all(u8::is_ascii_graphic);
    is_path.then_some(start..end)
}
