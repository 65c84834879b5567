//! What is kept on the device. A store is a few tables of bytes under byte keys; whoever runs the replica provides it
//! (IndexedDB in a browser). One batch is written whole or not at all.
//!
//! Several tabs write to one store, and none waits for another. So a row is either written once (entries, segments),
//! or one tab's alone (what is on its lane; how far it got, under a key that names it), or a shortcut that says by
//! itself what it holds (whole documents) or that the next change makes true again (titles).
//!
//! Every value starts with a version byte: ours before records, the protocol's own in segments. Which bytes each table
//! has stands at its name below. [`SCHEMA`] counts the changes of the tables themselves.

use std::collections::BTreeMap;

use protocol::bounded::{self, Bytes};
use protocol::bundle;
use protocol::frame::Position;
use protocol::roster::Entry;
use protocol::segment::{Header, Log};
use protocol::verdict::Statement;
use protocol::{
    ChunkHash, ClassroomId, DocumentId, EntryHash, LaneId, MemberId, PieceHash, SegmentHash, SnapshotHash,
    SpaceId,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::command::Profile;
use crate::{Error, importing};

const VERSION: u8 = 1;

/// The version of the tables. 1 had a table `lanes` besides, and wrote to [`Table::Pending`]; whoever opens such a store
/// drops the one and leaves the other as it is. 2 had no table [`Table::Imported`], 3 none of those behind it, and 4 not
/// the last two.
pub const SCHEMA: u32 = 5;

/// Raised with each version of the app that can take what an earlier one kept aside: all of it is tried once more.
const READER: u32 = 2;

/// A table. The names are those of the browser's object stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Table {
    /// Who this is: [`Me`] under an empty key.
    Profile,
    /// [`ClassroomRecord`] by classroom; by classroom and tab, up to where everything of the relay is here
    /// ([`SinceRecord`]); [`Asked`] by classroom and a zero; by classroom and a one, which [`reader`] has looked at what is
    /// kept aside; by classroom and a word, that the relay may lack something that is here, or that
    /// a fold is disputed, or that an entry of this person was given up; by classroom and another word, how
    /// much waits for an invite to it ([`Unopened`]); by classroom, a word and tab, the last chunk that the relay has of it
    /// ([`BroughtRecord`]).
    Classrooms,
    /// [`EntryRecord`] by classroom and entry.
    Entries,
    /// [`LogRecord`] by classroom, log and tab: the furthest holds.
    Logs,
    /// Encoded segments by classroom, log and index; a fold by its last index, and its first one behind that, so that no
    /// two that cover something else share a key.
    Segments,
    /// Those of them that the relay has not acknowledged, again, by classroom, log and last index; a one behind that for a
    /// fold of what the relay has.
    Outbox,
    /// Bare changes that the first version made with no connection, by classroom, log and sequence number. They are
    /// sealed when they are found, and deleted.
    Pending,
    /// [`DocumentRecord`], to spare opening every segment at each start, by classroom and document.
    Documents,
    /// Titles by classroom and document.
    Titles,
    /// [`AsideRecord`] by classroom and a hash: what arrived and could not be applied; the number of its kind behind that if
    /// it could not be read.
    Aside,
    /// [`ImportedRecord`] by classroom, kind and name: what files brought of classrooms that are not known here, and chunks of
    /// documents that are not.
    Imported,
    /// [`SnapshotRecord`] by classroom, document and snapshot: what documents are made of below their segments, and what
    /// may come to be that.
    Snapshots,
    /// Encoded pieces of these, by classroom and piece.
    Pieces,
    /// The newest receipts, by classroom, member and space; by classroom and document, the schools at which own work was seen;
    /// by classroom, document, snapshot and member, the verdicts.
    Receipts,
    /// Encoded chunks of attachments, by classroom, document and chunk.
    Chunks,
    /// [`UploadRecord`] under the same keys: those that the relay may not have.
    Uploads,
}

impl Table {
    pub const ALL: [Self; 16] = [
        Self::Profile,
        Self::Classrooms,
        Self::Entries,
        Self::Logs,
        Self::Segments,
        Self::Outbox,
        Self::Pending,
        Self::Documents,
        Self::Titles,
        Self::Aside,
        Self::Imported,
        Self::Snapshots,
        Self::Pieces,
        Self::Receipts,
        Self::Chunks,
        Self::Uploads,
    ];

    /// The tables that are read whole at the start.
    pub const AT_START: [Self; 11] = [
        Self::Profile,
        Self::Classrooms,
        Self::Entries,
        Self::Logs,
        Self::Outbox,
        Self::Pending,
        Self::Titles,
        Self::Aside,
        Self::Snapshots,
        Self::Receipts,
        Self::Uploads,
    ];

    /// The tables that say what is unsent.
    pub const UNSENT: [Self; 4] = [Self::Entries, Self::Logs, Self::Outbox, Self::Uploads];

    pub fn name(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Classrooms => "classrooms",
            Self::Entries => "entries",
            Self::Logs => "logs",
            Self::Segments => "segments",
            Self::Outbox => "outbox",
            Self::Pending => "pending",
            Self::Documents => "documents",
            Self::Titles => "titles",
            Self::Aside => "aside",
            Self::Imported => "imported",
            Self::Snapshots => "snapshots",
            Self::Pieces => "pieces",
            Self::Receipts => "receipts",
            Self::Chunks => "chunks",
            Self::Uploads => "uploads",
        }
    }
}

/// New values by table and key; `None` deletes.
pub type Changes = BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>;

/// What to store and delete, all or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    pub changes: Changes,
    /// Must survive a crash of the machine before it counts as written.
    pub strict: bool,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(crate) fn put<T: Serialize>(&mut self, table: Table, key: Vec<u8>, value: &T) -> Result<(), Error> {
        self.changes.insert((table, key), Some(encode(table, value)?));
        Ok(())
    }

    /// For values that carry a version themselves.
    pub(crate) fn put_bytes(&mut self, table: Table, key: Vec<u8>, bytes: Vec<u8>) {
        self.changes.insert((table, key), Some(bytes));
    }

    pub(crate) fn delete(&mut self, table: Table, key: Vec<u8>) {
        self.changes.insert((table, key), None);
    }

    /// What it says of the keys in `ranges`.
    pub(crate) fn within(&self, ranges: &Ranges) -> Changes {
        let of_range = |(table, from, to): &(Table, Vec<u8>, Vec<u8>)| {
            self.changes
                .range((*table, from.clone())..(*table, to.clone()))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect::<Vec<_>>()
        };
        ranges.iter().flat_map(of_range).collect()
    }

    /// Adds what is to be written after this.
    pub(crate) fn append(&mut self, later: Self) {
        self.changes.extend(later.changes);
        self.strict |= later.strict;
    }
}

/// Keys and values that were read, by table, in the order of their keys.
pub type Records = BTreeMap<Table, Vec<(Vec<u8>, Vec<u8>)>>;

/// Keys of a table, from the first (inclusive) to the second (exclusive).
pub type Range = (Table, Vec<u8>, Vec<u8>);

/// What to read.
pub type Ranges = Vec<Range>;

pub(crate) fn rows(records: &Records, table: Table) -> impl Iterator<Item = (&[u8], &[u8])> {
    records
        .get(&table)
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_slice(), value.as_slice()))
}

pub(crate) fn encode<T: Serialize>(table: Table, value: &T) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![VERSION];
    bytes.extend(bounded::encode(table.name(), value)?);
    Ok(bytes)
}

pub(crate) fn decode<T: Serialize + DeserializeOwned>(table: Table, bytes: &[u8]) -> Result<T, Error> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(bounded::decode(table.name(), rest)?),
        Some((&version, _)) if version > VERSION => Err(protocol::Error::UnsupportedVersion {
            what: table.name(),
            version,
        }
        .into()),
        _ => Err(protocol::Error::Malformed(table.name()).into()),
    }
}

/// Who this is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Me {
    pub(crate) seed: [u8; 16],
    /// The login card was printed or copied.
    pub(crate) card_kept: bool,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ClassroomRecord {
    /// What the relay asks of whoever founds a classroom on it, if it was given.
    pub(crate) found_token: Option<String>,
    /// The part behind the `#` of the link that this person joined by, until the relay knows them as a member.
    pub(crate) invite: Option<String>,
    /// What a guest is called: they write in no document, so they tell it while they are here.
    pub(crate) guest: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EntryRecord {
    pub(crate) entry: Vec<u8>,
    pub(crate) on_relay: bool,
}

/// Up to where everything of the relay is here that is in these spaces. Who comes into a space starts from the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SinceRecord {
    pub(crate) position: Position,
    pub(crate) spaces: Vec<SpaceId>,
}

/// Somebody who asked to be let in, and waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) request: EntryHash,
    /// What goes into the classroom's own document once they are let in.
    pub(crate) profile: Profile,
}

/// How far a log goes here. The later of two is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct LogRecord {
    /// How often the log went back, because the relay knows another history of it, or some of it does not count.
    pub(crate) generation: u32,
    /// The index that comes next.
    pub(crate) next: u64,
    /// The hash of the last segment.
    pub(crate) hash: SegmentHash,
}

impl LogRecord {
    pub(crate) const EMPTY: Self = Self {
        generation: 0,
        next: 0,
        hash: SegmentHash::NONE,
    };
}

/// A whole document.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DocumentRecord {
    pub(crate) saved: Bytes<LARGEST_DOCUMENT>,
    /// What of each log is in it. If a log went back since, the document is of no use any more.
    pub(crate) covers: Vec<Covered>,
}

const LARGEST_DOCUMENT: usize = 1 << 30;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Covered {
    pub(crate) member: MemberId,
    pub(crate) lane: LaneId,
    pub(crate) generation: u32,
    pub(crate) next: u64,
}

/// Why something was kept aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AsideReason {
    /// Not in a format this version knows.
    Unreadable,
    /// The signature is not its author's.
    BadSignature,
    /// It names roster entries that are not here.
    UnknownRoster,
    /// Its author had no right to write.
    NotAllowed,
    /// Its key is not here.
    UnknownKey,
    /// It does not open with its key.
    CannotOpen,
    /// It does not continue its log.
    OutOfOrder,
    /// It holds changes of another actor than its lane's.
    WrongActor,
    /// Automerge does not take its changes.
    BadChange,
    /// Own work in whose place the relay has something else. The first version kept it as a document's id and a change.
    Forked,
    /// A fold that holds something else than the segments that it stands for.
    FoldDiffers,
    /// In the format of a newer version.
    NewerVersion,
    /// Its author was no member.
    NotMember,
    /// Its author is not in its space, or its document is in another one.
    WrongSpace,
    /// Its author was removed, and who did that had not seen it.
    BeyondCutoff,
    /// Only leads and teachers may write in its document now.
    Locked,
    /// Nobody may write in the classroom now.
    Closed,
    /// Its document is gone for good.
    Erased,
    /// It depends on changes that are not here. It is not stored as kept aside, but in its document.
    MissingDependency,
    /// A snapshot that does not hold what the segments hold that it stands for.
    SnapshotDiffers,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AsideRecord {
    pub(crate) reason: AsideReason,
    pub(crate) item: Vec<u8>,
}

/// An item of a bundle.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ImportedRecord {
    /// The number of its kind.
    pub(crate) kind: u8,
    pub(crate) item: Vec<u8>,
}

/// How much files brought of a classroom that is not known here.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Unopened {
    pub(crate) items: u64,
    pub(crate) bytes: u64,
}

/// A snapshot, and how far it got.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SnapshotRecord {
    pub(crate) state: SnapshotState,
    pub(crate) snapshot: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SnapshotState {
    /// It is not known yet whether it can be taken, or must be.
    Offered {
        /// What it covers does not come by itself.
        alone: bool,
    },
    /// Its pieces are fetched; until they are here, the document stays as it is.
    Wanted,
    /// The logs go on behind it; pieces are missing.
    Taken,
    /// All its pieces are here.
    Whole,
}

/// A chunk that is to be brought to the relay.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct UploadRecord {
    /// What the tab writes on that brings it.
    pub(crate) lane: LaneId,
    /// It was attached on this device: nobody else may have it.
    pub(crate) made_here: bool,
}

/// The last chunk that a tab brought to the relay.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct BroughtRecord {
    pub(crate) document: DocumentId,
    pub(crate) chunk: ChunkHash,
}

/// For a snapshot in [`Table::Snapshots`].
pub(crate) fn snapshot_key(
    classroom: &ClassroomId,
    document: &DocumentId,
    snapshot: &SnapshotHash,
) -> Vec<u8> {
    let mut key = document_key(classroom, document);
    key.extend(snapshot.0);
    key
}

pub(crate) fn piece_key(classroom: &ClassroomId, piece: &PieceHash) -> Vec<u8> {
    [classroom.0, piece.0].concat()
}

/// The row of one piece.
pub(crate) fn piece_range(classroom: &ClassroomId, piece: &PieceHash) -> Range {
    row(Table::Pieces, &piece_key(classroom, piece))
}

/// For a chunk that belongs to a document.
pub(crate) fn chunk_key(classroom: &ClassroomId, document: &DocumentId, chunk: &ChunkHash) -> Vec<u8> {
    let mut key = document_key(classroom, document);
    key.extend(chunk.0);
    key
}

/// Reads a [`chunk_key`] back.
pub(crate) fn parse_chunk_key(key: &[u8]) -> Option<(ClassroomId, DocumentId, ChunkHash)> {
    let (front, chunk) = key.split_at_checked(48)?;
    let (classroom, document) = parse_document_key(front)?;
    Some((classroom, document, ChunkHash(chunk.try_into().ok()?)))
}

/// For an item that a file brought. Entries come first, and of these the founding, without which nothing can be looked at.
pub(crate) fn imported_key(classroom: &ClassroomId, kind: bundle::Kind, item: &[u8]) -> Vec<u8> {
    let is_founding =
        kind == bundle::Kind::Entry && Entry::decode(item).is_ok_and(|entry| entry.hash().0 == classroom.0);
    let name = if is_founding {
        [0; 32]
    } else {
        protocol::content_name(item)
    };
    [classroom.0.as_slice(), &[importing::number(kind)], &name].concat()
}

pub(crate) fn entry_key(classroom: &ClassroomId, entry: &EntryHash) -> Vec<u8> {
    [classroom.0, entry.0].concat()
}

pub(crate) fn document_key(classroom: &ClassroomId, document: &DocumentId) -> Vec<u8> {
    [classroom.0.as_slice(), &document.0].concat()
}

fn log_name(classroom: &ClassroomId, log: &Log) -> Vec<u8> {
    [
        classroom.0.as_slice(),
        &log.document.0,
        &log.member.0,
        &log.lane.0,
    ]
    .concat()
}

/// For what the tab that writes on `tab` knows of a log.
pub(crate) fn log_key(classroom: &ClassroomId, log: &Log, tab: &LaneId) -> Vec<u8> {
    let mut key = log_name(classroom, log);
    key.extend(tab.0);
    key
}

/// For up to where the tab that writes on `tab` has everything of the relay.
pub(crate) fn since_key(classroom: &ClassroomId, tab: &LaneId) -> Vec<u8> {
    [classroom.0.as_slice(), &tab.0].concat()
}

/// For a member's receipt for a space.
pub(crate) fn receipt_key(classroom: &ClassroomId, member: &MemberId, space: &SpaceId) -> Vec<u8> {
    [classroom.0.as_slice(), &member.0, &space.0].concat()
}

/// For what a member says of a snapshot.
pub(crate) fn verdict_key(classroom: &ClassroomId, statement: &Statement) -> Vec<u8> {
    let mut key = snapshot_key(classroom, &statement.document, &statement.snapshot);
    key.extend(statement.member.0);
    key
}

/// What is in [`Table::Receipts`] under a key.
pub(crate) enum Said {
    SeenAt,
    Receipt,
    Verdict,
}

pub(crate) fn said(key: &[u8]) -> Option<Said> {
    match key.len() {
        48 => Some(Said::SeenAt),
        80 => Some(Said::Receipt),
        112 => Some(Said::Verdict),
        _ => None,
    }
}

/// For what somebody asked who waits to be let in.
pub(crate) fn asked_key(classroom: &ClassroomId) -> Vec<u8> {
    [classroom.0.as_slice(), &[0]].concat()
}

/// For that the relay may lack something that is here.
pub(crate) fn unhealed_key(classroom: &ClassroomId) -> Vec<u8> {
    [classroom.0.as_slice(), b"unhealed"].concat()
}

/// For how much waits for an invite.
pub(crate) fn unopened_key(classroom: &ClassroomId) -> Vec<u8> {
    [classroom.0.as_slice(), b"unopened"].concat()
}

/// Reads an [`unopened_key`] back.
pub(crate) fn parse_unopened_key(key: &[u8]) -> Option<ClassroomId> {
    let id = parse_classroom(key)?;
    (key == unopened_key(&id)).then_some(id)
}

/// Reads an [`unhealed_key`] back.
pub(crate) fn parse_unhealed_key(key: &[u8]) -> Option<ClassroomId> {
    let id = parse_classroom(key)?;
    (key == unhealed_key(&id)).then_some(id)
}

/// For that an entry was made again, or given up, before the relay had it: another tab may have built on it.
pub(crate) fn given_up_key(classroom: &ClassroomId, entry: &EntryHash) -> Vec<u8> {
    [classroom.0.as_slice(), b"given up", &entry.0].concat()
}

/// Reads a [`given_up_key`] back.
pub(crate) fn parse_given_up_key(key: &[u8]) -> Option<(ClassroomId, EntryHash)> {
    let entry = key.get(32..)?.strip_prefix(b"given up")?;
    Some((parse_classroom(key)?, EntryHash(entry.try_into().ok()?)))
}

/// For the last chunk that the tab that writes on `tab` brought to the relay.
pub(crate) fn brought_key(classroom: &ClassroomId, tab: &LaneId) -> Vec<u8> {
    [classroom.0.as_slice(), b"brought", &tab.0].concat()
}

/// Reads a [`brought_key`] back.
pub(crate) fn parse_brought_key(key: &[u8]) -> Option<(ClassroomId, LaneId)> {
    let tab = key.get(32..)?.strip_prefix(b"brought")?;
    Some((parse_classroom(key)?, LaneId(tab.try_into().ok()?)))
}

/// For that somebody disputes a fold.
pub(crate) fn dispute_key(classroom: &ClassroomId, document: &DocumentId, fold: &SegmentHash) -> Vec<u8> {
    [classroom.0.as_slice(), b"dispute", &document.0, &fold.0].concat()
}

/// Reads a [`dispute_key`] back.
pub(crate) fn parse_dispute_key(key: &[u8]) -> Option<(ClassroomId, DocumentId, SegmentHash)> {
    let rest = key.get(32..)?.strip_prefix(b"dispute")?;
    let (document, fold) = rest.split_at_checked(16)?;
    Some((
        parse_classroom(key)?,
        DocumentId(document.try_into().ok()?),
        SegmentHash(fold.try_into().ok()?),
    ))
}

/// For segments, by index.
pub(crate) fn item_key(classroom: &ClassroomId, log: &Log, index: u64) -> Vec<u8> {
    let mut key = log_name(classroom, log);
    key.extend(index.to_be_bytes());
    key
}

/// For a segment in [`Table::Segments`].
pub(crate) fn segment_key(classroom: &ClassroomId, header: &Header) -> Vec<u8> {
    let mut key = item_key(classroom, &header.log, header.last);
    if !header.kind.is_run() {
        key.extend(header.first.to_be_bytes());
    }
    key
}

/// The segments of a log that reach to `index` or beyond, whatever this tab knows of it: another one of this profile may have
/// put a fold in place of some.
pub(crate) fn segments_from(classroom: &ClassroomId, log: &Log, index: u64) -> Range {
    let from = item_key(classroom, log, index);
    (Table::Segments, from, item_key(classroom, log, u64::MAX))
}

/// The keys of a table that start with a classroom.
pub(crate) fn range_of(table: Table, classroom: &ClassroomId) -> Range {
    range_from(table, classroom.0.to_vec())
}

/// The keys of a table that start with a classroom and a document.
pub(crate) fn range_of_document(table: Table, classroom: &ClassroomId, document: &DocumentId) -> Range {
    range_from(table, document_key(classroom, document))
}

fn range_from(table: Table, start: Vec<u8>) -> Range {
    let mut end = start.clone();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return (table, start, end);
        }
    }
    // Nothing is longer than this.
    (table, start, vec![u8::MAX; 256])
}

/// The row with this key alone.
pub(crate) fn row(table: Table, key: &[u8]) -> Range {
    (table, key.to_vec(), [key, &[0]].concat())
}

/// For what is kept aside: named by its bytes' hash, so that the same item is kept once; behind that the number of its kind,
/// if it could not be read.
pub(crate) fn aside_key(classroom: &ClassroomId, item: &[u8], kind: Option<u8>) -> Vec<u8> {
    let mut key = [classroom.0, protocol::content_name(item)].concat();
    key.extend(kind);
    key
}

/// The kind that an [`aside_key`] names.
pub(crate) fn kind_aside(key: &[u8]) -> Option<u8> {
    key.get(64).copied()
}

/// The version that looks at what is kept aside.
pub(crate) fn reader() -> u32 {
    READER + u32::from(protocol::next::is_played())
}

/// For which version has looked at what is kept aside.
pub(crate) fn reader_key(classroom: &ClassroomId) -> Vec<u8> {
    [classroom.0.as_slice(), &[1]].concat()
}

/// Reads the front of a key back: the classroom.
pub(crate) fn parse_classroom(key: &[u8]) -> Option<ClassroomId> {
    Some(ClassroomId(key.get(..32)?.try_into().ok()?))
}

fn parse_log(key: &[u8]) -> Option<(ClassroomId, Log)> {
    let array = |from: usize, to: usize| key.get(from..to);
    Some((
        parse_classroom(key)?,
        Log {
            document: DocumentId(array(32, 48)?.try_into().ok()?),
            member: MemberId(array(48, 80)?.try_into().ok()?),
            lane: LaneId(array(80, 96)?.try_into().ok()?),
        },
    ))
}

/// Reads a [`log_key`] back.
pub(crate) fn parse_log_key(key: &[u8]) -> Option<(ClassroomId, Log, LaneId)> {
    let (classroom, log) = parse_log(key)?;
    Some((classroom, log, LaneId(key.get(96..)?.try_into().ok()?)))
}

/// Reads a [`since_key`] back.
pub(crate) fn parse_since_key(key: &[u8]) -> Option<(ClassroomId, LaneId)> {
    Some((parse_classroom(key)?, LaneId(key.get(32..)?.try_into().ok()?)))
}

/// Reads a [`reader_key`] back.
pub(crate) fn parse_reader_key(key: &[u8]) -> Option<ClassroomId> {
    let (classroom, rest) = key.split_at_checked(32)?;
    (rest == [1]).then(|| parse_classroom(classroom)).flatten()
}

/// Reads an [`asked_key`] back.
pub(crate) fn parse_asked_key(key: &[u8]) -> Option<ClassroomId> {
    let (classroom, rest) = key.split_at_checked(32)?;
    (rest == [0]).then(|| parse_classroom(classroom)).flatten()
}

/// Reads an [`item_key`] back.
pub(crate) fn parse_item_key(key: &[u8]) -> Option<(ClassroomId, Log, u64)> {
    let (classroom, log) = parse_log(key)?;
    Some((
        classroom,
        log,
        u64::from_be_bytes(key.get(96..)?.try_into().ok()?),
    ))
}

/// Reads a [`segment_key`] back, with the last index.
pub(crate) fn parse_segment_key(key: &[u8]) -> Option<(ClassroomId, Log, u64)> {
    parse_item_key(key.get(..104)?)
}

/// For an own segment that the relay has not acknowledged; `settled` for a fold of what it has.
pub(crate) fn outbox_key(classroom: &ClassroomId, log: &Log, index: u64, settled: bool) -> Vec<u8> {
    let mut key = item_key(classroom, log, index);
    if settled {
        key.push(1);
    }
    key
}

/// Reads an [`outbox_key`] back.
pub(crate) fn parse_outbox_key(key: &[u8]) -> Option<(ClassroomId, Log, u64, bool)> {
    let (item, settled) = match key.split_at_checked(104)? {
        (item, []) => (item, false),
        (item, [1]) => (item, true),
        _ => return None,
    };
    let (classroom, log, index) = parse_item_key(item)?;
    Some((classroom, log, index, settled))
}

/// Reads a [`document_key`] back.
pub(crate) fn parse_document_key(key: &[u8]) -> Option<(ClassroomId, DocumentId)> {
    Some((parse_classroom(key)?, DocumentId(key.get(32..)?.try_into().ok()?)))
}
