//! Reading a bundle, whatever became of its bytes.

use serde::{Deserialize, Serialize};

use super::{CHECK, Counts, END, HEAD, Kind, MAGIC, MARKER, MAX_PAYLOAD, STUFFING, VERSION, check};
use crate::{ClassroomId, bounded};

/// Takes a bundle piece by piece. It holds what was pushed and not read yet, and one record.
#[derive(Debug, Default)]
pub struct Reader {
    /// What was pushed, and how much of it is read.
    input: Vec<u8>,
    read: usize,
    /// How many bytes of the file were read before `input`.
    before: u64,
    /// The bytes behind the last marker, without stuffing; `None` where no record is expected any more.
    record: Option<Vec<u8>>,
    /// Where the marker of `record` begins.
    record_at: u64,
    /// How many bytes of a marker were just read.
    matched: usize,
    /// Everything before this was whole, or was reported as damaged.
    accounted: u64,
    /// A whole record that waits until the damage before it is told.
    waiting: Option<Event>,
    head: Vec<u8>,
    end: End,
    counts: Counts,
    damaged: u64,
}

/// What a reader finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A whole record. The item is what was put in; whether it is right is still to be checked.
    Record {
        classroom: ClassroomId,
        kind: Kind,
        item: Vec<u8>,
    },
    Damaged(Damage),
}

/// A part of the file that belongs to no whole record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// In bytes from the start of the file.
    pub offset: u64,
    pub length: u64,
}

/// What became of the last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum End {
    #[default]
    Missing,
    /// It was the last one, and counted the records right.
    Agrees,
    Differs,
}

/// What a whole file came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The version that the file states; `None` if its first bytes are not those of a bundle.
    pub version: Option<u8>,
    /// How many whole records were found.
    pub records: Counts,
    /// What was damaged at the end of the file, if it was not told yet.
    pub last_damage: Option<Damage>,
    /// How many bytes were damaged in all.
    pub damaged: u64,
    /// Whether the file is whole: nothing was damaged, and no record is missing.
    pub complete: bool,
}

impl Summary {
    /// The version that the file states, if it is higher than the one that is known here: what is whole of it was read, but
    /// nobody can tell whether that is all.
    pub fn newer_version(&self) -> Option<u8> {
        self.version.filter(|version| *version > VERSION)
    }
}

impl Reader {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the file. Read all that [`next`](Iterator::next) finds in them before more are pushed: they
    /// are held until then.
    pub fn push(&mut self, bytes: &[u8]) {
        self.before += self.read as u64;
        self.input.drain(..self.read);
        self.read = 0;
        self.input.extend_from_slice(bytes);
    }

    /// Ends the file. Whatever [`next`](Iterator::next) did not answer with yet counts as not read.
    pub fn finish(self) -> Summary {
        let at = self.before + self.read as u64;
        let last_damage = self.damage_before(at);
        let damaged = self.damaged + last_damage.map_or(0, |damage| damage.length);
        let version = self.version();
        Summary {
            version,
            records: self.counts,
            last_damage,
            damaged,
            complete: version == Some(VERSION) && damaged == 0 && self.end == End::Agrees,
        }
    }

    fn version(&self) -> Option<u8> {
        match self.head.split_at_checked(MAGIC.len()) {
            Some((magic, &[version])) if magic == MAGIC => Some(version),
            _ => None,
        }
    }

    fn take(&mut self, byte: u8) -> Option<Event> {
        let at = self.before + self.read as u64;
        if self.head.len() <= MAGIC.len() {
            self.head.push(byte);
            if self.version().is_some() {
                // Any version: records of a newer one may still be whole.
                self.accounted = at;
            }
        }
        if self.matched == MARKER.len() - 1 {
            self.matched = usize::from(byte == MARKER[0]);
            if byte == MARKER[MARKER.len() - 1] {
                self.record = Some(Vec::new());
                self.record_at = at - MARKER.len() as u64;
                return None;
            }
            if byte == STUFFING {
                // The end of a record that was just taken.
                if self.accounted + 1 == at {
                    self.accounted = at;
                }
                return None;
            }
            // Neither may follow: whatever record this was in is damaged.
            self.record = None;
            return None;
        }
        self.matched = if byte == MARKER[self.matched] {
            self.matched + 1
        } else {
            usize::from(byte == MARKER[0])
        };
        self.record.as_mut()?.push(byte);
        self.take_record(at)
    }

    /// The record, once all of it is there.
    fn take_record(&mut self, at: u64) -> Option<Event> {
        let record = self.record.as_ref()?;
        let (head, rest) = record.split_first_chunk::<HEAD>()?;
        let (kind, classroom, length) = parse(head);
        if length > MAX_PAYLOAD {
            self.record = None;
            return None;
        }
        if rest.len() < length + CHECK {
            return None;
        }
        let mut record = self.record.take()?;
        let sum = record.split_off(HEAD + length);
        if sum != check(&record) {
            return None;
        }
        let event = self.count(kind, classroom, record.split_off(HEAD));
        let damage = self.damage_before(self.record_at);
        self.damaged += damage.map_or(0, |damage| damage.length);
        self.accounted = at;
        match damage {
            Some(damage) => {
                self.waiting = event;
                Some(Event::Damaged(damage))
            }
            None => event,
        }
    }

    fn count(&mut self, kind: u8, classroom: ClassroomId, item: Vec<u8>) -> Option<Event> {
        if kind == END {
            let agrees = bounded::decode::<Counts>("bundle", &item) == Ok(self.counts);
            self.end = if agrees { End::Agrees } else { End::Differs };
            return None;
        }
        // Nothing comes behind the end of a whole file.
        if self.end == End::Agrees {
            self.end = End::Differs;
        }
        let kind = Kind::from_number(kind);
        self.counts.add(kind);
        Some(Event::Record {
            classroom,
            kind,
            item,
        })
    }

    /// What is not accounted for before `at`.
    fn damage_before(&self, at: u64) -> Option<Damage> {
        (at > self.accounted).then(|| Damage {
            offset: self.accounted,
            length: at - self.accounted,
        })
    }
}

/// What is found in what was pushed. More may come after `None`: it says that more bytes are needed.
impl Iterator for Reader {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.waiting.take() {
            return Some(event);
        }
        while let Some(&byte) = self.input.get(self.read) {
            self.read += 1;
            if let Some(event) = self.take(byte) {
                return Some(event);
            }
        }
        None
    }
}

fn parse(head: &[u8; HEAD]) -> (u8, ClassroomId, usize) {
    let (mut classroom, mut length) = ([0; 32], [0; 4]);
    classroom.copy_from_slice(&head[1..33]);
    length.copy_from_slice(&head[33..]);
    (
        head[0],
        ClassroomId(classroom),
        u32::from_be_bytes(length) as usize,
    )
}
