//! What a file holds, into a data folder: each item by the same decisions as one that a member brings.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use protocol::bundle::{Event, Kind, Reader};
use protocol::roster::{Entry, Roster};
use protocol::segment::Log;
use protocol::{ClassroomId, Refusal};

use super::{Damaged, PART, wholeness};
use crate::Error;
use crate::clock::seconds;
use crate::core::access::Bringer;
use crate::core::batch::{Batch, Candidate, Job, Submitter};
use crate::core::candidate;
use crate::core::classroom::Classroom;
use crate::core::inbox::{Answer, Inbox, Note};
use crate::core::judge::{refusal_of, storage};
use crate::core::{Rules, Shared, random_leap};
use crate::relay::open_store;
use crate::settings::Limits;

/// How much is decided on at a time.
const AT_ONCE: usize = 1024;
const BYTES_AT_ONCE: usize = 4 * 1024 * 1024;

/// How many bytes of records that came too early wait in memory; the file is read again for others.
const EARLY_BYTES: usize = 16 * 1024 * 1024;

/// What an import came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    /// Items that were not here.
    pub new: u64,
    /// Items that were here.
    pub known: u64,
    /// How many of the new ones a relay would have refused to their authors, by reason: whoever imports vouches for them.
    pub vouched: BTreeMap<u16, u64>,
    /// Items that were not taken, by reason.
    pub refused: BTreeMap<u16, u64>,
    pub damaged: Damaged,
    /// Whether the file is whole.
    pub complete: bool,
    /// The version that the file states, if it is higher than the one that is known here.
    pub newer_version: Option<u8>,
}

/// Takes what a file holds into a data folder, which is made if it is not there. Records may be in any order; what is
/// known changes nothing.
///
/// # Errors
/// If a relay runs on the folder, the file cannot be read, or the store fails.
pub fn import(data: &Path, limits: Limits, file: &Path) -> Result<Imported, Error> {
    let (_lock, store) = open_store(data, false)?;
    let rules = Rules {
        leap: random_leap()?,
        ..Rules::new(limits)
    };
    let shared = Shared::new(store, rules);
    let mut importing = Importing {
        shared: &shared,
        now: seconds(),
        records: Vec::new(),
        bytes: 0,
        early: Vec::new(),
        early_bytes: 0,
        left: false,
        takes: Takes::Logs,
        is_first: true,
        imported: Imported::default(),
    };
    for takes in [Takes::Logs, Takes::All] {
        importing.takes = takes;
        importing.is_first = true;
        loop {
            let before = importing.imported.new;
            importing.left = false;
            importing.early_bytes = 0;
            importing.imported.refused.clear();
            importing.read(file)?;
            importing.is_first = false;
            if !importing.left || importing.imported.new == before {
                break;
            }
        }
    }
    Ok(importing.imported)
}

/// What is taken of the file. Behind a snapshot a log may go on without what the snapshot covers, which would then not be
/// missed: so all that there is of the logs comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Entries and segments.
    Logs,
    All,
}

fn is_of_logs(kind: Kind) -> bool {
    matches!(kind, Kind::Entry | Kind::Segment)
}

/// A whole record of the file.
struct Record {
    classroom: ClassroomId,
    kind: Kind,
    item: Vec<u8>,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    New,
    Known,
    /// A segment that was here once. It may have gone on purpose; else it is taken again behind what names it.
    Gone,
    Refused(Refusal),
}

/// What is to be decided on.
struct Question {
    job: Job,
    /// What becomes of it if it is held afterwards.
    held: Outcome,
    /// Where it is to be then, if it is a segment.
    place: Option<(Log, u64)>,
}

struct Importing<'a> {
    shared: &'a Shared,
    now: u64,
    /// What is decided on next.
    records: Vec<Record>,
    bytes: usize,
    /// What came before something that it builds on, or before what names it if it was lost or damaged here.
    early: Vec<(Record, Outcome)>,
    early_bytes: usize,
    /// More came too early than there is room for.
    left: bool,
    takes: Takes,
    /// The file is read for the first time with this.
    is_first: bool,
    imported: Imported,
}

impl Importing<'_> {
    /// Reads the file from one end to the other.
    fn read(&mut self, file: &Path) -> Result<(), Error> {
        let io = |doing| move |source| Error::Io { doing, source };
        let mut input = File::open(file).map_err(io("open the file"))?;
        let mut damaged = Damaged::default();
        let mut reader = Reader::new();
        let mut part = vec![0; PART];
        loop {
            let count = input.read(&mut part).map_err(io("read the file"))?;
            if count == 0 {
                break;
            }
            reader.push(&part[..count]);
            for event in &mut reader {
                match event {
                    Event::Record {
                        classroom,
                        kind,
                        item,
                    } => self.take(Record {
                        classroom,
                        kind,
                        item,
                    })?,
                    Event::Damaged(damage) => damaged.add(damage),
                }
            }
        }
        let summary = reader.finish();
        if let Some(damage) = summary.last_damage {
            damaged.add(damage);
        }
        self.imported.damaged = damaged;
        self.imported.complete = summary.complete;
        self.imported.newer_version = summary.newer_version();
        self.decide()?;
        self.retry()?;
        for (record, outcome) in std::mem::take(&mut self.early) {
            self.count(record.kind, outcome);
        }
        Ok(())
    }

    fn take(&mut self, record: Record) -> Result<(), Error> {
        if self.takes == Takes::Logs && !is_of_logs(record.kind) {
            return Ok(());
        }
        self.bytes += record.item.len();
        self.records.push(record);
        if self.records.len() >= AT_ONCE || self.bytes >= BYTES_AT_ONCE {
            self.decide()?;
        }
        Ok(())
    }

    /// Tries again what came too early, as long as that leads on: from behind and from the front by turns, for of what is
    /// missing before a segment that one names the last.
    fn retry(&mut self) -> Result<(), Error> {
        loop {
            let before = self.imported.new;
            self.early_bytes = 0;
            for (record, _) in std::mem::take(&mut self.early).into_iter().rev() {
                self.take(record)?;
            }
            self.decide()?;
            if self.imported.new == before {
                return Ok(());
            }
        }
    }

    /// Decides on the records that were taken, and commits.
    fn decide(&mut self) -> Result<(), Error> {
        self.bytes = 0;
        let records = std::mem::take(&mut self.records);
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(records.len());
        let mut places: Vec<Option<(Log, u64)>> = Vec::with_capacity(records.len());
        let inbox = Arc::new(Inbox::default());
        let mut batch = Batch::new(self.shared, self.now);
        let mut asked = Vec::new();
        for (number, record) in records.iter().enumerate() {
            let (mut job, outcome, place) = match self.question(record, number, &inbox) {
                Ok(question) => (Some(question.job), question.held, question.place),
                Err(reason) => (None, Outcome::Refused(reason), None),
            };
            outcomes.push(outcome);
            places.push(place);
            while let Some(next) = job {
                job = batch.take(next);
                if job.is_some() || batch.is_full() {
                    let mut full = std::mem::replace(&mut batch, Batch::new(self.shared, self.now));
                    let vouched = full.take_vouched();
                    full.commit().1?;
                    self.imported.vouch(vouched);
                    asked.extend(inbox.take().0);
                }
            }
        }
        let vouched = batch.take_vouched();
        batch.commit().1?;
        self.imported.vouch(vouched);
        asked.extend(inbox.take().0);
        for note in asked {
            if let Note::Answer {
                submission, answer, ..
            } = note
            {
                let number = submission as usize;
                match answer {
                    Answer::Stored { .. } => outcomes[number] = Outcome::New,
                    Answer::Kept if records[number].kind == Kind::Chunk => outcomes[number] = Outcome::New,
                    // A piece of a snapshot is kept anew.
                    Answer::Kept | Answer::Held => {
                        if let Some((log, last)) = places[number]
                            && (self.shared.store)
                                .held(&records[number].classroom, &log, last)?
                                .is_none()
                        {
                            outcomes[number] = Outcome::Gone;
                        }
                    }
                    Answer::Refused(reason) => outcomes[number] = Outcome::Refused(reason),
                }
            }
        }
        for (record, outcome) in records.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Gone => self.keep(record, outcome),
                Outcome::Refused(reason) if may_pass(reason) => self.keep(record, outcome),
                _ => self.count(record.kind, outcome),
            }
        }
        Ok(())
    }

    /// What is to be decided on for a record.
    fn question(&self, record: &Record, number: usize, inbox: &Arc<Inbox>) -> Result<Question, Refusal> {
        let Record {
            classroom,
            kind,
            item,
        } = record;
        let candidate = candidate::of_record(*kind, item.clone(), classroom)?;
        let held = match &candidate {
            Candidate::Piece { hash, .. } => {
                let known = self.shared.store.has_piece(classroom, hash);
                if known.map_err(|error| storage(&error))? {
                    Outcome::Known
                } else {
                    Outcome::New
                }
            }
            _ => Outcome::Known,
        };
        let place = match &candidate {
            Candidate::Segment { segment, .. } => Some((segment.header.log, segment.header.last)),
            _ => None,
        };
        let classroom = self.classroom(classroom, &candidate)?;
        let from = Submitter {
            inbox: Arc::clone(inbox),
            bringer: Bringer::Operator,
            key: 0,
            channel: 0,
            submission: number as u32,
            has_founding: true,
            compares: true,
        };
        let job = Job::Submit {
            classroom,
            candidate,
            from,
        };
        Ok(Question { job, held, place })
    }

    fn classroom(&self, id: &ClassroomId, candidate: &Candidate) -> Result<Arc<Classroom>, Refusal> {
        let classrooms = &self.shared.classrooms;
        let known = match candidate {
            Candidate::Entry { entry, .. } if entry.hash().0 == id.0 => {
                let roster = Roster::found(Entry::clone(entry)).map_err(|error| refusal_of(&error))?;
                classrooms.load_or_found(&roster).map(Some)
            }
            _ => classrooms.load(id),
        };
        let classroom = known
            .map_err(|error| storage(&error))?
            .ok_or(Refusal::UnknownClassroom)?;
        classrooms.keep(&classroom);
        Ok(classroom)
    }

    fn keep(&mut self, record: Record, outcome: Outcome) {
        if self.early_bytes + record.item.len() > EARLY_BYTES {
            self.left = true;
            return self.count(record.kind, outcome);
        }
        self.early_bytes += record.item.len();
        self.early.push((record, outcome));
    }

    fn count(&mut self, kind: Kind, outcome: Outcome) {
        match outcome {
            Outcome::New => self.imported.new += 1,
            Outcome::Known | Outcome::Gone => {
                let is_counted = self.takes == Takes::All && is_of_logs(kind);
                self.imported.known += u64::from(self.is_first && !is_counted);
            }
            Outcome::Refused(reason) => *self.imported.refused.entry(reason.into()).or_default() += 1,
        }
    }
}

/// Whether something may be taken once more is here.
fn may_pass(reason: Refusal) -> bool {
    matches!(
        reason,
        Refusal::UnknownClassroom
            | Refusal::UnknownParent
            | Refusal::IndexGap
            | Refusal::FoldMismatch
            | Refusal::MissingPiece
            | Refusal::NotAMember
    )
}

impl Imported {
    fn vouch(&mut self, reasons: Vec<Refusal>) {
        for reason in reasons {
            *self.vouched.entry(reason.into()).or_default() += 1;
        }
    }
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "new items: {}\nknown already: {}", self.new, self.known)?;
        for (&code, count) in &self.vouched {
            let sentence = Refusal::from(code).sentence();
            writeln!(
                f,
                "vouched for by this import: {count}, else: {sentence} ({code})"
            )?;
        }
        for (&code, count) in &self.refused {
            let sentence = Refusal::from(code).sentence();
            writeln!(f, "not taken: {count}: {sentence} ({code})")?;
        }
        write!(
            f,
            "{}{}",
            self.damaged,
            wholeness(self.complete, self.newer_version)
        )
    }
}
