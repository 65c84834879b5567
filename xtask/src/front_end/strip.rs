//! Takes the custom sections out of a WASM file: names of functions and notes of tools, a quarter of its size, which no
//! browser needs to run it. (rustc's own `strip` would also take what wasm-bindgen reads.)

/// The file without its custom sections; `None` if it is no WASM file.
pub(super) fn without_custom_sections(wasm: &[u8]) -> Option<Vec<u8>> {
    const CUSTOM: u8 = 0;
    let (header, mut rest) = wasm.split_at_checked(8)?;
    if !header.starts_with(b"\0asm") {
        return None;
    }
    let mut stripped = header.to_vec();
    while let Some((&kind, after)) = rest.split_first() {
        let (length, body) = leb128(after)?;
        let end = rest.len() - body.len() + length;
        let (section, next) = rest.split_at_checked(end)?;
        if kind != CUSTOM {
            stripped.extend_from_slice(section);
        }
        rest = next;
    }
    Some(stripped)
}

/// A number of at most 32 bits, and what follows it.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0usize;
    for (place, byte) in bytes.iter().enumerate().take(5) {
        number |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[place + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::without_custom_sections;

    #[test]
    fn only_custom_sections_go() {
        let header = b"\0asm\x01\0\0\0".as_slice();
        let types = [1, 3, 1, 2, 3].as_slice();
        let custom = [0, 2, 9, 9].as_slice();
        let mut long = vec![10, 0x80, 0x01];
        long.extend([7; 128]);
        let wasm = [header, custom, types, &long, custom].concat();
        assert_eq!(
            without_custom_sections(&wasm),
            Some([header, types, &long].concat())
        );
        assert_eq!(without_custom_sections(b"\x7fELF...."), None);
        assert_eq!(without_custom_sections(&wasm[..wasm.len() - 1]), None);
    }
}
