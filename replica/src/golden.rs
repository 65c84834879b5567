//! What is sealed into whispers and notes, as it was first written: it must stay readable, and be what is written.
//! `MERIDIAN_GOLDEN=write` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

/// The written bytes of this name; what they should be is `bytes`.
pub(crate) fn written(name: &str, bytes: &[u8]) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let file = folder.join(format!("{name}.hex"));
    if std::env::var("MERIDIAN_GOLDEN").is_ok_and(|wish| wish == "write") {
        let mut text = String::new();
        for line in bytes.chunks(32) {
            for byte in line {
                write!(text, "{byte:02x}").unwrap();
            }
            text.push('\n');
        }
        std::fs::write(&file, text).unwrap();
    }
    let text = std::fs::read_to_string(&file).unwrap();
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
