//! A reader that uses nothing of this crate, written from `docs/protocol.md` (section 5, *Folded changes*, and section 13) and
//! Automerge's own format: if it reads the written files, so can a second client.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::path::PathBuf;

use automerge::{
    AutoCommit, LoadOptions, ObjId, ROOT, ReadDoc, ScalarValue, Span, TextEncoding, Value, hydrate,
};
use flate2::read::DeflateDecoder;
use sha2::{Digest as _, Sha256};

fn golden(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    std::fs::read(folder.join(name)).unwrap()
}

/// Takes bytes and numbers from the front.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: u64) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length as usize);
        self.0 = rest;
        taken
    }

    fn unsigned(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)[0];
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    }

    fn signed(&mut self) -> i64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)[0];
            number |= i64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                let is_negative = byte & 0x40 != 0 && shift < 64;
                return if is_negative { number | -1 << shift } else { number };
            }
        }
    }

    fn prefixed(&mut self) -> &'a [u8] {
        let length = self.unsigned();
        self.take(length)
    }
}

fn unsigned(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn signed(mut number: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !(-0x40..0x40).contains(&number) {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8 & 0x7f);
    bytes
}

fn prefixed(bytes: &[u8]) -> Vec<u8> {
    [&unsigned(bytes.len() as u64), bytes].concat()
}

/// Automerge's name for the column of actions, which has a value for each operation.
const ACTIONS: u64 = 66;

/// How many values a column of runs has.
fn values(column: &[u8]) -> u64 {
    let mut cursor = Cursor(column);
    let mut count = 0;
    while !cursor.0.is_empty() {
        match cursor.signed() {
            0 => count += cursor.unsigned(),
            run @ 1.. => {
                cursor.unsigned();
                count += run as u64;
            }
            literals => {
                for _ in 0..-literals {
                    cursor.unsigned();
                }
                count += literals.unsigned_abs();
            }
        }
    }
    count
}

/// The change chunks of a fold, as Automerge's format has them, without compression.
fn unfold(fold: &[u8]) -> Vec<Vec<u8>> {
    assert_eq!(fold[0], 1, "version");
    let mut content = Vec::new();
    DeflateDecoder::new(&fold[1..]).read_to_end(&mut content).unwrap();
    let mut cursor = Cursor(&content);
    let count = cursor.unsigned();
    let actors: Vec<&[u8]> = (0..cursor.unsigned()).map(|_| cursor.prefixed()).collect();
    let layouts: Vec<Vec<u64>> = (0..cursor.unsigned())
        .map(|_| (0..cursor.unsigned()).map(|_| cursor.unsigned()).collect())
        .collect();
    let lengths = [(); 11].map(|()| cursor.unsigned());
    let fields = lengths.map(|length| Cursor(cursor.take(length)));
    let [
        mut actor,
        mut dependencies,
        mut hashes,
        mut sequence,
        mut start,
        mut time,
        mut message,
        mut others,
        mut layout,
        mut lengths,
        mut extra,
    ] = fields;

    // The data of all columns lies by specification, then by change.
    let laid: Vec<&Vec<u64>> = (0..count).map(|_| &layouts[layout.unsigned() as usize]).collect();
    let mut pieces: BTreeMap<u64, Vec<(usize, u64)>> = BTreeMap::new();
    for (change, columns) in laid.iter().enumerate() {
        for column in *columns {
            let piece = (change, lengths.unsigned());
            pieces.entry(*column).or_default().push(piece);
        }
    }
    let mut data: HashMap<(usize, u64), &[u8]> = HashMap::new();
    for (column, pieces) in pieces {
        for (change, length) in pieces {
            data.insert((change, column), cursor.take(length));
        }
    }
    assert!(cursor.0.is_empty());

    let mut chunks = Vec::new();
    let mut names: Vec<[u8; 32]> = Vec::new();
    let mut ends: Vec<u64> = Vec::new();
    let mut sequences: HashMap<&[u8], u64> = HashMap::new();
    let mut last_time = 0;
    for (change, columns) in laid.iter().enumerate() {
        let by = actors[actor.unsigned() as usize];
        let depends_on = dependencies.unsigned();
        let mut body = unsigned(depends_on);
        let mut end_of_dependencies = None;
        for _ in 0..depends_on {
            match dependencies.unsigned() as usize {
                0 => body.extend(hashes.take(32)),
                back => {
                    body.extend(names[change - back]);
                    end_of_dependencies = end_of_dependencies.max(Some(ends[change - back]));
                }
            }
        }
        body.extend(prefixed(by));
        let next = sequences.entry(by).or_insert(1);
        let number = next.wrapping_add_signed(sequence.signed());
        *next = number + 1;
        body.extend(unsigned(number));
        let after = end_of_dependencies.or(ends.last().copied()).unwrap_or(1);
        let first = after.wrapping_add_signed(start.signed());
        body.extend(unsigned(first));
        last_time += time.signed();
        body.extend(signed(last_time));
        body.extend(prefixed(message.prefixed()));
        let other_actors = others.unsigned();
        body.extend(unsigned(other_actors));
        for _ in 0..other_actors {
            body.extend(prefixed(actors[others.unsigned() as usize]));
        }
        body.extend(unsigned(columns.len() as u64));
        for column in *columns {
            body.extend(unsigned(*column));
            body.extend(unsigned(data[&(change, *column)].len() as u64));
        }
        for column in *columns {
            body.extend(data[&(change, *column)]);
        }
        body.extend(extra.prefixed());

        let hashed = [&[1], &prefixed(&body)[..]].concat();
        let name: [u8; 32] = Sha256::digest(&hashed).into();
        chunks.push([&[0x85, 0x6f, 0x4a, 0x83], &name[..4], &hashed].concat());
        names.push(name);
        let operations = data.get(&(change, ACTIONS)).map_or(0, |actions| values(actions));
        ends.push(first + operations);
    }
    for field in [
        actor,
        dependencies,
        hashes,
        sequence,
        start,
        time,
        message,
        others,
    ] {
        assert!(field.0.is_empty());
    }
    for field in [layout, lengths, extra] {
        assert!(field.0.is_empty());
    }
    chunks
}

fn load(bytes: &[u8]) -> AutoCommit {
    let options = LoadOptions::new().text_encoding(TextEncoding::Utf16CodeUnit);
    AutoCommit::load_with_options(bytes, options).unwrap()
}

fn object(document: &AutoCommit, within: &ObjId, key: &str) -> ObjId {
    let (value, id) = document.get(within, key).unwrap().unwrap();
    assert!(value.is_object(), "{key}");
    id
}

fn string(document: &AutoCommit, within: &ObjId, key: &str) -> String {
    let (value, _) = document.get(within, key).unwrap().unwrap();
    value.into_string().unwrap()
}

/// A page's title, and a line for each block: its type, parents and attributes, then its text with the marks behind.
fn page(document: &AutoCommit) -> (String, Vec<String>) {
    let title = document.text(object(document, &ROOT, "title")).unwrap();
    let mut lines: Vec<String> = Vec::new();
    for span in document.spans(object(document, &ROOT, "text")).unwrap() {
        match span {
            Span::Block(marker) => lines.push(block(&marker)),
            Span::Text { text, marks } => {
                let line = lines.last_mut().unwrap();
                line.push_str(&format!(" «{text}»"));
                for (name, value) in marks.iter().flat_map(|marks| marks.iter()) {
                    line.push_str(&format!(" {name}={value}"));
                }
            }
        }
    }
    (title, lines)
}

fn block(marker: &hydrate::Map) -> String {
    let mut line = scalar(marker.get("type").unwrap());
    let Some(hydrate::Value::List(parents)) = marker.get("parents") else {
        panic!("no parents");
    };
    for parent in parents.iter() {
        line.push_str(&format!(" in {}", scalar(&parent.value)));
    }
    let Some(hydrate::Value::Map(attributes)) = marker.get("attrs") else {
        panic!("no attributes");
    };
    let mut attributes: Vec<_> = attributes.iter().collect();
    attributes.sort_by_key(|(name, _)| (*name).clone());
    for (name, attribute) in attributes {
        line.push_str(&format!(" {name}:{}", scalar(&attribute.value)));
    }
    let is_embed = scalar(marker.get("isEmbed").unwrap());
    assert_eq!(
        is_embed,
        if line.starts_with("image") {
            "true"
        } else {
            "false"
        }
    );
    line
}

fn scalar(value: &hydrate::Value) -> String {
    match value {
        hydrate::Value::Scalar(ScalarValue::Str(text)) => text.to_string(),
        hydrate::Value::Scalar(ScalarValue::F64(number)) => number.to_string(),
        hydrate::Value::Scalar(scalar) => scalar.to_string(),
        other => panic!("no scalar: {other:?}"),
    }
}

/// What both written pages say.
fn check_page(document: &AutoCommit) {
    let (title, lines) = page(document);
    assert_eq!(title, "The Minho");
    assert_eq!(
        lines,
        [
            "heading level:1 «Our river 🌊»",
            "paragraph «It is » «cold» strong=true « and » em=true strong=true \
             «clear» link=\"{\"href\":\"https://example.org/\",\"title\":null}\" «.»",
            "unordered-list-item «fish»",
            "ordered-list-item in unordered-list-item «trout»",
            "paragraph in blockquote",
            "__ext__map zoom:1.5 «x» __ext__size=3",
        ]
    );
}

#[test]
fn a_page_is_read() {
    check_page(&load(&golden("page.automerge")));
}

#[test]
fn pictures_are_read() {
    let (_, lines) = page(&load(&golden("page-pictures.automerge")));
    let expected = [
        "heading level:1 «Our river 🌊»",
        "image alt:The river in March height:1200 src:attachment:AQIDBA width:1600 «From the bridge»",
        "image alt: src:attachment:AQIDBQ",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn comments_are_read() {
    let document = load(&golden("page-comments.automerge"));
    let name = format!("comment:{}", "07".repeat(16));
    let (_, lines) = page(&document);
    let about: Vec<&str> = lines.iter().flat_map(|line| line.split('«')).collect();
    let marked: Vec<&&str> = about.iter().filter(|run| run.contains(&name)).collect();
    assert!(marked.iter().all(|run| run.contains(&format!("{name}=true"))));
    let words: Vec<&str> = marked.iter().filter_map(|run| run.split('»').next()).collect();
    assert_eq!(words, ["river 🌊", "It is ", "cold"]);

    let thread = object(&document, &ROOT, &name);
    assert_eq!(string(&document, &thread, "quote"), "river 🌊 It is cold");
    let list = object(&document, &thread, "messages");
    assert_eq!(document.length(&list), 2);
    let message = |index: usize| document.get(&list, index).unwrap().unwrap().1;
    let (first, second) = (message(0), message(1));
    assert_eq!(string(&document, &first, "id"), "01".repeat(16));
    assert_eq!(string(&document, &first, "author"), "05".repeat(32));
    assert_eq!(
        string(&document, &first, "text"),
        format!("@{}, is it?", "06".repeat(32))
    );
    assert!(document.get(&first, "edited").unwrap().is_none());
    assert_eq!(string(&document, &second, "text"), "It was, in March.");
    let integer = |object: &ObjId, key: &str| match document.get(object, key).unwrap().unwrap().0 {
        Value::Scalar(scalar) => scalar.as_i64(),
        Value::Object(_) => None,
    };
    assert_eq!(integer(&first, "at"), Some(1_800_000_060_001));
    assert_eq!(integer(&second, "edited"), Some(1_800_000_070_000));
    let resolved = object(&document, &thread, "resolved");
    assert_eq!(string(&document, &resolved, "by"), "05".repeat(32));
    assert_eq!(
        string(&document, &resolved, "seen"),
        format!("{} {}", "01".repeat(16), "02".repeat(16))
    );
}

#[test]
fn suggestions_are_read() {
    let document = load(&golden("page-suggestions.automerge"));
    let (_, lines) = page(&document);
    assert!(
        lines[0].contains("«brook 🌊»") && !lines[0].contains("river"),
        "{lines:?}"
    );
    let said = |id: &str| {
        let thread = object(&document, &ROOT, &format!("comment:{}", id.repeat(16)));
        let list = object(&document, &thread, "messages");
        let message = document.get(&list, 0).unwrap().unwrap().1;
        (message, object(&document, &thread, "resolved"))
    };
    let is_true = |object: &ObjId, key: &str| {
        let value = document.get(object, key).unwrap();
        value.is_some_and(|(value, _)| value.as_bool() == Some(true))
    };
    let (first, accepted) = said("07");
    assert_eq!(string(&document, &first, "replaces"), "river 🌊");
    assert_eq!(string(&document, &first, "proposes"), "brook 🌊");
    assert_eq!(string(&document, &first, "text"), "It is small.");
    assert!(is_true(&accepted, "accepted") && !is_true(&accepted, "once"));
    let (second, rejected) = said("08");
    assert_eq!(string(&document, &second, "replaces"), "fish");
    assert_eq!(string(&document, &second, "proposes"), "");
    assert_eq!(string(&document, &second, "text"), "");
    assert!(!is_true(&rejected, "accepted"));
}

#[test]
fn insertions_are_read() {
    let document = load(&golden("page-insertions.automerge"));
    let thread = |id: &str| object(&document, &ROOT, &format!("comment:{}", id.repeat(16)));
    let list = object(&document, &thread("07"), "messages");
    let message = document.get(&list, 0).unwrap().unwrap().1;
    assert_eq!(string(&document, &message, "replaces"), "");
    assert_eq!(string(&document, &message, "proposes"), " wide");
    let place = string(&document, &message, "place");
    let (_, text) = document.get(ROOT, "text").unwrap().unwrap();
    let named: Vec<usize> = place
        .split(' ')
        .map(|cursor| {
            let cursor = automerge::Cursor::try_from(cursor).unwrap();
            document.get_cursor_position(&text, &cursor, None).unwrap()
        })
        .collect();
    // What stands before it, and the marker of its block.
    assert_eq!(named, [10, 0]);
    assert_eq!(string(&document, &thread("07"), "quote"), "");
    let accepted = object(&document, &thread("08"), "resolved");
    for key in ["accepted", "once"] {
        let (value, _) = document.get(&accepted, key).unwrap().unwrap();
        assert_eq!(value.as_bool(), Some(true), "{key}");
    }
}

/// Each change comes out whole: Automerge checks its sum, and that it names those before it by their hashes.
#[test]
fn folded_changes_are_read() {
    let chunks = unfold(&golden("changes.fold"));
    assert_eq!(chunks.len(), 3);
    let mut document = load(&chunks.concat());
    assert_eq!(document.get_changes(&[]).len(), 3);
    assert!(document.get_missing_deps(&[]).is_empty());
    let times = document.get_changes(&[]).into_iter();
    let times: Vec<i64> = times.map(|change| change.timestamp()).collect();
    assert_eq!(times, [1_800_000_000, 1_800_000_060, 1_800_000_061]);
    check_page(&document);
}

#[test]
fn a_classroom_is_read() {
    let document = load(&golden("classroom.automerge"));
    assert_eq!(string(&document, &ROOT, "name"), "Rivers");
    let only = |key: &str, id: &str| {
        let map = object(&document, &ROOT, key);
        assert_eq!(document.keys(&map).collect::<Vec<_>>(), [id]);
        object(&document, &map, id)
    };
    let (school_id, member_id) = ("07".repeat(16), "05".repeat(32));
    let school = only("schools", &school_id);
    assert_eq!(string(&document, &school, "name"), "Escola do Rio");
    assert_eq!(string(&document, &school, "country"), "PT");
    assert_eq!(string(&document, &school, "timeZone"), "Europe/Lisbon");
    let member = only("members", &member_id);
    assert_eq!(string(&document, &member, "name"), "Ana");
    assert_eq!(string(&document, &member, "school"), school_id);
    let listed = only("documents", &"09".repeat(16));
    assert_eq!(string(&document, &listed, "kind"), "page");
    assert_eq!(string(&document, &listed, "createdBy"), member_id);
    let (created_at, _) = document.get(&listed, "createdAt").unwrap().unwrap();
    let Value::Scalar(created_at) = created_at else {
        panic!("no scalar");
    };
    assert_eq!(created_at.as_i64(), Some(1_800_000_000));
    assert!(document.get(&listed, "space").unwrap().is_none());
    assert!(document.get(&listed, "successor").unwrap().is_none());
}
