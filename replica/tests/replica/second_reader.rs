//! A reader of whispers and notes that uses nothing of this crate, written from `docs/protocol.md` (section 13).

use std::path::Path;

fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let text = std::fs::read_to_string(folder.join(format!("{name}.hex"))).unwrap();
    let digits: String = text.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    /// None of the written texts has more than 127 bytes.
    fn text(&mut self) -> &'a str {
        let length = self.byte();
        assert!(length < 0x80);
        std::str::from_utf8(self.take(usize::from(length))).unwrap()
    }

    fn option<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        match self.byte() {
            0 => None,
            1 => Some(value(self)),
            other => panic!("{other} is no option"),
        }
    }
}

#[test]
fn whispers_are_read() {
    let anchor = format!("12@{}", "0a".repeat(16));
    let at = Some(([9; 16].as_slice(), Some((anchor.as_str(), "e"))));
    for (name, called, place, answer) in [
        ("whisper-here", Some("Zoë"), at, 1),
        ("whisper-here-nowhere", None, None, 0),
    ] {
        let file = golden(name);
        let mut cursor = Cursor(&file);
        assert_eq!((cursor.byte(), cursor.take(16)), (0, &[7; 16][..]), "{name}");
        assert_eq!(cursor.option(Cursor::text), called, "{name}");
        let told = cursor.option(|cursor| {
            let document = cursor.take(16);
            (document, cursor.option(|cursor| (cursor.text(), cursor.text())))
        });
        assert_eq!((told, cursor.byte()), (place, answer), "{name}");
        assert!(cursor.0.is_empty(), "{name}");
    }
    let file = golden("whisper-gone");
    assert_eq!(file, [&[1][..], &[7; 16]].concat());
}

#[test]
fn a_note_is_read() {
    let file = golden("note");
    let mut cursor = Cursor(&file);
    let words = [(); 4].map(|()| cursor.text());
    assert_eq!(words, ["Zoë", "Escola do Rio", "PT", "Europe/Lisbon"]);
    assert!(cursor.0.is_empty());
}
