//! A bundle gives back every record that is whole, in any order, from whatever is left of the file, and says what is not.

use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use protocol::ClassroomId;
use protocol::bundle::{Event, Kind, MAGIC, MAX_PAYLOAD, Reader, Summary, Writer};

use crate::golden::{classroom, read};
use crate::items::RECORDS;

/// What stands before each record.
const MARKER: [u8; 8] = [0xd3, b'M', b'E', b'R', b'I', b'\r', b'\n', 0x1a];

pub(crate) type Record = (ClassroomId, Kind, Vec<u8>);

/// A file, and where in it each record stands.
struct File {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

fn write(records: &[Record]) -> File {
    let (mut writer, mut bytes) = Writer::begin();
    let mut places = Vec::new();
    for (classroom, kind, item) in records {
        let start = bytes.len();
        bytes.extend(writer.record(classroom, *kind, item).unwrap());
        places.push(start..bytes.len());
    }
    bytes.extend(writer.end().unwrap());
    File { bytes, places }
}

/// Reads a file in parts of `step` bytes, and holds what is told of damage to what was read.
pub(crate) fn read_all(bytes: &[u8], step: usize) -> (Vec<Record>, Summary) {
    let mut reader = Reader::new();
    let (mut records, mut damaged, mut last) = (Vec::new(), 0, 0);
    for part in bytes.chunks(step) {
        reader.push(part);
        for event in reader.by_ref() {
            match event {
                Event::Record {
                    classroom,
                    kind,
                    item,
                } => records.push((classroom, kind, item)),
                Event::Damaged(damage) => {
                    assert!(damage.length > 0 && damage.offset >= last, "{damage:?}");
                    last = damage.offset + damage.length;
                    damaged += damage.length;
                }
            }
        }
    }
    let summary = reader.finish();
    if let Some(damage) = summary.last_damage {
        assert!(damage.offset >= last, "{damage:?}");
        last = damage.offset + damage.length;
        damaged += damage.length;
    }
    assert!(last <= bytes.len() as u64);
    assert_eq!(summary.damaged, damaged);
    assert_eq!(summary.records.total(), records.len() as u64);
    (records, summary)
}

/// Items that hold whatever could confuse a reader: parts of markers, whole ones, and whole bundles.
fn item() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => vec(any::<u8>(), 0..40),
        2 => (0..=8usize).prop_map(|length| MARKER[..length].to_vec()),
        1 => Just([&MARKER[..7], &[0]].concat()),
        1 => select(vec![MAGIC.to_vec(), read("bundle"), vec![0; 60]]),
    ];
    vec(part, 0..5).prop_map(|parts| parts.concat())
}

fn records() -> impl Strategy<Value = Vec<Record>> {
    let kind = select(vec![
        Kind::Entry,
        Kind::Segment,
        Kind::Snapshot,
        Kind::Piece,
        Kind::Verdict,
        Kind::Receipt,
        Kind::Chunk,
        Kind::Other(8),
        Kind::Other(255),
    ]);
    let one = (any::<u8>(), kind, item())
        .prop_map(|(classroom, kind, item)| (ClassroomId([classroom; 32]), kind, item));
    vec(one, 0..12)
}

/// What happened to the file: each is a place, how many bytes go, and what comes instead.
type Damage = (Index, usize, Vec<u8>);

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        // A byte becomes another one, bytes are inserted, bytes are removed.
        (any::<Index>(), Just(1), vec(any::<u8>(), 1)),
        (any::<Index>(), Just(0), item()),
        (any::<Index>(), 1..200usize, Just(Vec::new())),
        (
            any::<Index>(),
            0..20usize,
            (0..=8usize).prop_map(|length| MARKER[..length].to_vec())
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_was_written_comes_back(records in records(), step in 1..300usize) {
        let file = write(&records);
        let (found, summary) = read_all(&file.bytes, step);
        prop_assert_eq!(found, records);
        prop_assert!(summary.complete && summary.damaged == 0, "{:?}", summary);
    }

    /// Whatever stands outside the damaged places is given back, in its order, and nothing that was not written.
    #[test]
    fn every_whole_record_comes_back(records in records(), damage in vec(damage(), 1..4), step in 1..300usize) {
        let file = write(&records);
        let mut bytes = file.bytes.clone();
        // From the back, so that the places of what is before stay.
        let mut damage: Vec<_> = damage
            .into_iter()
            .map(|(at, gone, new)| {
                let start = at.index(file.bytes.len());
                (start..file.bytes.len().min(start + gone), new)
            })
            .collect();
        damage.sort_by_key(|(place, _)| place.start);
        let mut end = file.bytes.len();
        for (place, new) in damage.iter_mut().rev() {
            place.end = place.end.min(end).max(place.start);
            end = place.start;
            bytes.splice(place.clone(), new.iter().copied());
        }
        let whole: Vec<Record> = records
            .iter()
            .zip(&file.places)
            .filter(|(_, record)| {
                damage.iter().all(|(place, _)| place.end <= record.start || place.start >= record.end)
            })
            .map(|(record, _)| record.clone())
            .collect();
        let (found, summary) = read_all(&bytes, step);
        let mut rest = found.iter();
        for record in &whole {
            prop_assert!(rest.any(|one| one == record), "{:?} is missing in {:?}", record, found);
        }
        // What was inserted may be records of a whole bundle, which are rightly found.
        let golden: Vec<Vec<u8>> = RECORDS.iter().map(|(_, name)| read(name)).collect();
        for record in &found {
            prop_assert!(records.contains(record) || golden.contains(&record.2), "{:?} was never written", record);
        }
        prop_assert_eq!(summary.complete, bytes == file.bytes);
    }

    #[test]
    fn any_bytes_are_read(bytes in vec(any::<u8>(), 0..2000), step in 1..300usize) {
        let (found, summary) = read_all(&bytes, step);
        prop_assert!(found.is_empty() && !summary.complete);
        prop_assert_eq!(summary.damaged, bytes.len() as u64);
    }
}

/// The file ends anywhere: the records before are all there, and the summary says that some are missing.
#[test]
fn a_file_cut_anywhere_gives_back_what_came_before() {
    let file = read("bundle");
    let records: Vec<Record> = RECORDS
        .iter()
        .map(|(kind, name)| (classroom(), *kind, read(name)))
        .collect();
    let places = write(&records).places;
    for cut in 0..file.len() {
        let (found, summary) = read_all(&file[..cut], 97);
        let whole = places.iter().filter(|place| place.end <= cut).count();
        assert_eq!(found, records[..whole], "cut at {cut}");
        assert!(!summary.complete, "cut at {cut}");
    }
}

/// A file loses its beginning.
#[test]
fn a_file_without_its_beginning_gives_back_what_came_after() {
    let file = read("bundle");
    let records: Vec<Record> = RECORDS
        .iter()
        .map(|(kind, name)| (classroom(), *kind, read(name)))
        .collect();
    let places = write(&records).places;
    for cut in 1..file.len() {
        let (found, summary) = read_all(&file[cut..], 1000);
        let lost = places.iter().filter(|place| place.start < cut).count();
        assert_eq!(found, records[lost..], "cut at {cut}");
        assert!(!summary.complete, "cut at {cut}");
    }
}

#[test]
fn every_flipped_byte_is_noticed_and_costs_one_record_at_most() {
    let file = read("bundle");
    for at in 0..file.len() {
        let mut bytes = file.clone();
        bytes[at] ^= 1 << (at % 8);
        let (found, summary) = read_all(&bytes, 4096);
        assert!(
            found.len() >= RECORDS.len() - 1,
            "flipped at {at}: {}",
            found.len()
        );
        assert!(!summary.complete, "flipped at {at}");
        for (_, _, item) in &found {
            assert!(
                RECORDS.iter().any(|(_, name)| read(name) == *item),
                "flipped at {at}"
            );
        }
    }
}

#[test]
fn a_record_that_was_taken_out_is_missed() {
    let records: Vec<Record> = [b"one".as_slice(), b"two", b"three"]
        .map(|item| (classroom(), Kind::Entry, item.to_vec()))
        .to_vec();
    let file = write(&records);
    for place in &file.places {
        let mut bytes = file.bytes.clone();
        bytes.drain(place.clone());
        let (found, summary) = read_all(&bytes, 4096);
        assert_eq!((found.len(), summary.damaged), (2, 0));
        assert!(!summary.complete);
    }
    // And one that comes after the end is not taken for part of a whole file.
    let late = &file.bytes[file.places[0].clone()];
    let (found, summary) = read_all(&[file.bytes.as_slice(), late].concat(), 4096);
    assert_eq!(found.len(), 4);
    assert!(!summary.complete);
}

#[test]
fn a_newer_version_is_named_and_read_as_far_as_it_goes() {
    let mut bytes = read("bundle");
    bytes[MAGIC.len()] = 2;
    let (found, summary) = read_all(&bytes, 4096);
    assert_eq!(
        (found.len(), summary.version, summary.complete),
        (RECORDS.len(), Some(2), false)
    );
    assert_eq!(summary.newer_version(), Some(2));
    bytes[0] = b'm';
    let (found, summary) = read_all(&bytes, 4096);
    assert_eq!((found.len(), summary.version), (RECORDS.len(), None));
}

#[test]
fn an_item_has_a_largest_size_and_a_kind_one_number() {
    let (mut writer, _) = Writer::begin();
    let largest = vec![MARKER[0]; MAX_PAYLOAD];
    assert!(writer.record(&classroom(), Kind::Piece, &largest).is_ok());
    assert!(
        writer
            .record(&classroom(), Kind::Piece, &vec![0; MAX_PAYLOAD + 1])
            .is_err()
    );
    for number in 0..=7 {
        assert!(writer.record(&classroom(), Kind::Other(number), b"item").is_err());
    }
    let (found, summary) = read_all(
        &write(&[(classroom(), Kind::Piece, largest.clone())]).bytes,
        1 << 16,
    );
    assert_eq!(found, [(classroom(), Kind::Piece, largest)]);
    assert!(summary.complete);
}
