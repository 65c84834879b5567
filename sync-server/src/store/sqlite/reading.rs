//! Questions to the tables.

use std::collections::BTreeSet;
use std::ops::Range;

use parking_lot::Mutex;
use protocol::inventory::LogState;
use protocol::segment::{Log, Segment};
use protocol::{
    ChunkHash, ClassroomId, DocumentId, EntryHash, LaneId, MemberId, PieceHash, ReceiptHash, SegmentHash,
    SnapshotHash, SpaceId,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{signed, unsigned};
use crate::Error;
use crate::store::{Held, HeldPiece, Item, Named, Placed, Tail, Totals};

/// The damaged rows of which the log has been told, by table and number: whoever reads one again and again fills it with
/// nothing.
static SAID: Mutex<BTreeSet<(&str, i64)>> = Mutex::new(BTreeSet::new());

/// How many are told of at most, until the relay starts again.
const MOST_SAID: usize = 4096;

/// How many rows a page has at most.
const PAGE_ROWS: usize = 1024;

/// What `item` reads.
const ITEM: &str = "position, kind, hash, space, bytes, log_first, log_index, number";

const CLASSROOM: &str = "(SELECT number FROM classrooms WHERE id = ?1)";

const LOG: &str = "(SELECT number FROM logs
                    WHERE classroom = (SELECT number FROM classrooms WHERE id = ?1)
                      AND document = ?2 AND member = ?3 AND lane = ?4)";

/// Rows that were read, and the numbers of those that were passed over, for they are damaged.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    pub(crate) whole: Vec<T>,
    pub(crate) damaged: Vec<i64>,
}

pub(super) fn classrooms(connection: &Connection) -> Result<Rows<ClassroomId>, Error> {
    let mut statement = connection.prepare_cached("SELECT number, id FROM classrooms ORDER BY id")?;
    all("classrooms", statement.query([])?, |row| {
        Ok(ClassroomId(row.get(1)?))
    })
}

pub(super) fn leaps(connection: &Connection, classroom: &ClassroomId) -> Result<Vec<(u64, u64)>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT number, after, last FROM leaps WHERE classroom = {CLASSROOM} ORDER BY after"
    ))?;
    all_whole("leaps", statement.query([classroom.0])?, |row| {
        Ok((unsigned(row.get(1)?)?, unsigned(row.get(2)?)?))
    })
}

pub(super) fn totals(connection: &Connection, classroom: &ClassroomId) -> Result<Option<Totals>, Error> {
    let totals: Option<(i64, i64, i64)> = connection
        .prepare_cached("SELECT last, bytes, covered FROM classrooms WHERE id = ?1")?
        .query_row([classroom.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    totals
        .map(|(last, bytes, covered)| {
            Ok(Totals {
                last: unsigned(last)?,
                bytes: unsigned(bytes)?,
                covered: unsigned(covered)?,
            })
        })
        .transpose()
}

pub(super) fn entries(
    connection: &Connection,
    classroom: &ClassroomId,
) -> Result<Vec<(u64, Vec<u8>)>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT position, bytes FROM items WHERE classroom = {CLASSROOM} AND kind = 0 ORDER BY position"
    ))?;
    let mut rows = statement.query([classroom.0])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push((unsigned(row.get(0)?)?, row.get(1)?));
    }
    Ok(entries)
}

pub(super) fn extras(connection: &Connection, classroom: &ClassroomId) -> Result<Vec<Placed>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {ITEM} FROM items WHERE classroom = {CLASSROOM} AND kind > 1 ORDER BY position"
    ))?;
    let mut rows = statement.query([classroom.0])?;
    let mut extras = Vec::new();
    while let Some(row) = rows.next()? {
        extras.extend(item(row)?);
    }
    Ok(extras)
}

pub(super) fn documents(
    connection: &Connection,
    classroom: &ClassroomId,
) -> Result<Vec<(DocumentId, SpaceId)>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT number, document, space FROM documents WHERE classroom = {CLASSROOM}"
    ))?;
    all_whole("documents", statement.query([classroom.0])?, |row| {
        Ok((DocumentId(row.get(1)?), SpaceId(row.get(2)?)))
    })
}

pub(super) fn page(
    connection: &Connection,
    classroom: &ClassroomId,
    after: u64,
    bytes: usize,
) -> Result<Rows<Placed>, Error> {
    // A row stands where the index and itself say. If they differ one of them is damaged: by the smaller a reader who goes on
    // behind it misses nothing.
    let mut statement = connection.prepare_cached(&format!(
        "SELECT min(position, place), kind, hash, space, bytes, log_first, log_index, at
         FROM (SELECT number AS at, classroom AS whose, position AS place FROM items
               WHERE classroom = {CLASSROOM} AND position > ?2)
         LEFT JOIN items ON number = at AND classroom = whose ORDER BY place"
    ))?;
    let rows = statement.query(params![classroom.0, signed(after)?])?;
    let position = |placed: &Placed| Some(placed.position);
    up_to(bytes, rows, after.saturating_add(1), position, |_| true)
}

pub(super) fn next_position(
    connection: &Connection,
    classroom: &ClassroomId,
    after: u64,
) -> Result<Option<u64>, Error> {
    let next: Option<i64> = connection
        .prepare_cached(&format!(
            "SELECT position FROM items WHERE classroom = {CLASSROOM} AND position > ?2 ORDER BY position LIMIT 1"
        ))?
        .query_row(params![classroom.0, signed(after)?], |row| row.get(0))
        .optional()?;
    next.map(unsigned).transpose()
}

pub(super) fn number_at(
    connection: &Connection,
    classroom: &ClassroomId,
    position: u64,
) -> Result<Option<i64>, Error> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT number FROM items WHERE classroom = {CLASSROOM} AND position = ?2"
        ))?
        .query_row(params![classroom.0, signed(position)?], |row| row.get(0))
        .optional()?)
}

pub(super) fn next_row(
    connection: &Connection,
    classroom: &ClassroomId,
    after: u64,
    from: i64,
) -> Result<Option<(i64, bool)>, Error> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT number, classroom = {CLASSROOM} AND position > ?2 FROM items NOT INDEXED
             WHERE number >= ?3 ORDER BY number LIMIT 1"
        ))?
        .query_row(params![classroom.0, signed(after)?, from], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?)
}

pub(super) fn row(connection: &Connection, number: i64) -> Result<Rows<Placed>, Error> {
    let mut statement = connection.prepare_cached(&format!("SELECT {ITEM} FROM items WHERE number = ?1"))?;
    let position = |placed: &Placed| Some(placed.position);
    up_to(1, statement.query([number])?, 0, position, |_| true)
}

pub(super) fn at(
    connection: &Connection,
    classroom: &ClassroomId,
    position: u64,
) -> Result<Option<Placed>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {ITEM} FROM items WHERE classroom = {CLASSROOM} AND position = ?2"
    ))?;
    let mut rows = statement.query(params![classroom.0, signed(position)?])?;
    Ok(rows.next()?.map(item).transpose()?.flatten())
}

pub(super) fn tail(
    connection: &Connection,
    classroom: &ClassroomId,
    log: &Log,
) -> Result<Option<Tail>, Error> {
    let tail: Option<(i64, [u8; 32])> = connection
        .prepare_cached(&format!("SELECT last, last_hash FROM logs WHERE number = {LOG}"))?
        .query_row(
            params![classroom.0, log.document.0, log.member.0, log.lane.0],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    tail.map(|(index, hash)| {
        Ok(Tail {
            index: unsigned(index)?,
            hash: SegmentHash(hash),
        })
    })
    .transpose()
}

pub(super) fn held(
    connection: &Connection,
    classroom: &ClassroomId,
    log: &Log,
    index: u64,
) -> Result<Option<Held>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {ITEM} FROM items WHERE log = {LOG} AND log_index >= ?5 ORDER BY log_index LIMIT 1"
    ))?;
    let mut rows = statement.query(params![
        classroom.0,
        log.document.0,
        log.member.0,
        log.lane.0,
        signed(index)?
    ])?;
    let held = rows.next()?.map(item).transpose()?;
    Ok(held
        .flatten()
        .and_then(|placed| placed.item.held())
        .filter(|held| held.first <= index))
}

pub(super) fn log(
    connection: &Connection,
    classroom: &ClassroomId,
    log: &Log,
    wanted: Range<u64>,
    bytes: usize,
) -> Result<Vec<Placed>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {ITEM} FROM items WHERE log = {LOG} AND log_index >= ?5 ORDER BY log_index"
    ))?;
    // No index is larger than what SQLite can hold.
    let from = signed(wanted.start).unwrap_or(i64::MAX);
    let key = (classroom.0, log.document.0, log.member.0, log.lane.0);
    let rows = statement.query(params![key.0, key.1, key.2, key.3, from])?;
    // Not a condition of the query: it would look at all that lies behind.
    let last = |placed: &Placed| placed.item.held().map(|held| held.last);
    let page = up_to(bytes, rows, wanted.start, last, |placed| {
        placed.item.held().is_none_or(|held| held.first < wanted.end)
    })?;
    Ok(page.whole)
}

pub(super) fn named(
    connection: &Connection,
    classroom: &ClassroomId,
    log: &Log,
    from: u64,
    to: u64,
) -> Result<Option<Named>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT log_first, log_index, hash FROM items WHERE log = {LOG} AND log_index BETWEEN ?5 AND ?6
         ORDER BY log_index LIMIT 1"
    ))?;
    let key = (classroom.0, log.document.0, log.member.0, log.lane.0);
    let mut rows = statement.query(params![key.0, key.1, key.2, key.3, signed(from)?, signed(to)?])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    // What is damaged here as well begins anywhere, and is none that anybody could bring.
    Ok(Some(Named {
        first: row
            .get(0)
            .ok()
            .and_then(|first| unsigned(first).ok())
            .unwrap_or(0),
        last: unsigned(row.get(1)?)?,
        hash: row.get(2).map_or(SegmentHash::NONE, SegmentHash),
    }))
}

pub(super) fn weight(
    connection: &Connection,
    classroom: &ClassroomId,
    log: &Log,
    from: u64,
    to: u64,
) -> Result<u64, Error> {
    let bytes: Option<i64> = connection
        .prepare_cached(&format!(
            "SELECT sum(length(bytes)) FROM items WHERE log = {LOG} AND log_index BETWEEN ?5 AND ?6"
        ))?
        .query_row(
            params![
                classroom.0,
                log.document.0,
                log.member.0,
                log.lane.0,
                signed(from)?,
                signed(to)?
            ],
            |row| row.get(0),
        )?;
    unsigned(bytes.unwrap_or(0))
}

pub(super) fn covered(
    connection: &Connection,
    classroom: &ClassroomId,
    log: &Log,
    from: u64,
    to: u64,
) -> Result<Vec<Held>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT 0, 1, hash, NULL, bytes, log_first, log_index, number FROM covered
         WHERE log = {LOG} AND log_first >= ?5 AND log_index <= ?6 ORDER BY log_first, log_index, hash"
    ))?;
    let mut rows = statement.query(params![
        classroom.0,
        log.document.0,
        log.member.0,
        log.lane.0,
        signed(from)?,
        signed(to)?
    ])?;
    let mut covered = Vec::new();
    while let Some(row) = rows.next()? {
        covered.extend(item_of("covered", row)?.and_then(|placed| placed.item.held()));
    }
    Ok(covered)
}

pub(super) fn covered_since(connection: &Connection, classroom: &ClassroomId) -> Result<Option<u64>, Error> {
    let since: Option<i64> = connection
        .prepare_cached(&format!(
            "SELECT min(since) FROM covered WHERE log IN (SELECT number FROM logs WHERE classroom = {CLASSROOM})"
        ))?
        .query_row([classroom.0], |row| row.get(0))?;
    since.map(unsigned).transpose()
}

pub(super) fn fold(
    connection: &Connection,
    classroom: &ClassroomId,
    document: &DocumentId,
    hash: &SegmentHash,
) -> Result<Option<(Log, Held)>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {ITEM} FROM items
         WHERE classroom = {CLASSROOM} AND hash = ?2 AND kind = 1 AND hash <> chain_hash"
    ))?;
    let mut rows = statement.query(params![classroom.0, hash.0])?;
    let placed = rows.next()?.map(item).transpose()?.flatten();
    let Some(Item::Segment { hash, segment }) = placed.map(|placed| placed.item) else {
        return Ok(None);
    };
    let log = segment.header.log;
    let held = Item::Segment { hash, segment }.held();
    Ok(held.filter(|_| log.document == *document).map(|held| (log, held)))
}

pub(super) fn logs(connection: &Connection, classroom: &ClassroomId) -> Result<Vec<LogState>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT number, document, member, lane, last, last_hash,
                (SELECT log_first FROM items WHERE log = logs.number ORDER BY log_index LIMIT 1)
         FROM logs WHERE classroom = {CLASSROOM} ORDER BY document, member, lane"
    ))?;
    all_whole("logs", statement.query([classroom.0])?, |row| {
        let next = unsigned(row.get(4)?)? + 1;
        Ok(LogState {
            log: Log {
                document: DocumentId(row.get(1)?),
                member: MemberId(row.get(2)?),
                lane: LaneId(row.get(3)?),
            },
            first: row.get::<_, Option<i64>>(6)?.map_or(Ok(next), unsigned)?,
            next,
            hash: SegmentHash(row.get(5)?),
        })
    })
}

pub(super) fn count(
    connection: &Connection,
    classroom: &ClassroomId,
    document: &DocumentId,
    after: u64,
) -> Result<u64, Error> {
    let count: i64 = connection
        .prepare_cached(&format!(
            "SELECT count(*) FROM items WHERE position > ?3 AND log IN
                (SELECT number FROM logs WHERE classroom = {CLASSROOM} AND document = ?2)"
        ))?
        .query_row(params![classroom.0, document.0, signed(after)?], |row| row.get(0))?;
    unsigned(count)
}

pub(super) fn stored_before(
    connection: &Connection,
    classroom: &ClassroomId,
    log: &Log,
    next: u64,
    before: u64,
) -> Result<Option<u64>, Error> {
    let last: Option<i64> = connection
        .prepare_cached(&format!(
            "SELECT max(log_index) FROM items WHERE log = {LOG} AND log_index < ?5 AND stored < ?6"
        ))?
        .query_row(
            params![
                classroom.0,
                log.document.0,
                log.member.0,
                log.lane.0,
                signed(next).unwrap_or(i64::MAX),
                signed(before).unwrap_or(i64::MAX)
            ],
            |row| row.get(0),
        )?;
    last.map(unsigned).transpose()
}

pub(super) fn piece(
    connection: &Connection,
    classroom: &ClassroomId,
    hash: &PieceHash,
) -> Result<Option<Vec<u8>>, Error> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT bytes FROM pieces WHERE classroom = {CLASSROOM} AND hash = ?2"
        ))?
        .query_row(params![classroom.0, hash.0], |row| row.get(0))
        .optional()?)
}

pub(super) fn has_piece(
    connection: &Connection,
    classroom: &ClassroomId,
    hash: &PieceHash,
) -> Result<bool, Error> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT 1 FROM pieces WHERE classroom = {CLASSROOM} AND hash = ?2"
        ))?
        .exists(params![classroom.0, hash.0])?)
}

pub(super) fn pieces(connection: &Connection, classroom: &ClassroomId) -> Result<Vec<HeldPiece>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT number, hash, stored FROM pieces WHERE classroom = {CLASSROOM} ORDER BY hash"
    ))?;
    all_whole("pieces", statement.query([classroom.0])?, |row| {
        Ok(HeldPiece {
            hash: PieceHash(row.get(1)?),
            stored: unsigned(row.get(2)?)?,
        })
    })
}

pub(super) fn chunk(
    connection: &Connection,
    classroom: &ClassroomId,
    hash: &ChunkHash,
) -> Result<Option<Vec<u8>>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT number, bytes FROM chunks WHERE classroom = {CLASSROOM} AND hash = ?2"
    ))?;
    let rows = statement.query(params![classroom.0, hash.0])?;
    Ok(all_whole("chunks", rows, |row| Ok(row.get(1)?))?.pop())
}

pub(super) fn is_claimed(
    connection: &Connection,
    classroom: &ClassroomId,
    document: &DocumentId,
    hash: &ChunkHash,
) -> Result<bool, Error> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT 1 FROM claims WHERE document = ?2
             AND chunk = (SELECT number FROM chunks WHERE classroom = {CLASSROOM} AND hash = ?3)"
        ))?
        .exists(params![classroom.0, document.0, hash.0])?)
}

pub(super) fn chunks(
    connection: &Connection,
    classroom: &ClassroomId,
    document: &DocumentId,
) -> Result<Rows<ChunkHash>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT chunks.number, hash FROM claims JOIN chunks ON chunks.number = chunk
         WHERE document = ?2 AND classroom = {CLASSROOM} ORDER BY hash"
    ))?;
    all(
        "chunks",
        statement.query(params![classroom.0, document.0])?,
        |row| Ok(ChunkHash(row.get(1)?)),
    )
}

pub(super) fn claimed_since(
    connection: &Connection,
    classroom: &ClassroomId,
    document: &DocumentId,
) -> Result<Option<(u64, u64)>, Error> {
    let (first, last): (Option<i64>, Option<i64>) = connection
        .prepare_cached(&format!(
            "SELECT min(since), max(since) FROM claims JOIN chunks ON chunks.number = chunk
             WHERE document = ?2 AND classroom = {CLASSROOM}"
        ))?
        .query_row(params![classroom.0, document.0], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let ends = first.zip(last);
    ends.map(|(first, last)| Ok((unsigned(first)?, unsigned(last)?)))
        .transpose()
}

pub(super) fn attached(connection: &Connection, classroom: &ClassroomId) -> Result<Rows<DocumentId>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT min(claims.number), document FROM chunks JOIN claims ON chunk = chunks.number
         WHERE classroom = {CLASSROOM} GROUP BY document ORDER BY document"
    ))?;
    all("claims", statement.query([classroom.0])?, |row| {
        Ok(DocumentId(row.get(1)?))
    })
}

/// The items from the first on for as long as they are wanted, until `bytes` are full. Their places go up from `next`: what
/// stands elsewhere in a damaged index is passed over, so that whoever goes on behind the last gets further.
fn up_to(
    bytes: usize,
    mut rows: rusqlite::Rows<'_>,
    mut next: u64,
    place: impl Fn(&Placed) -> Option<u64>,
    is_wanted: impl Fn(&Placed) -> bool,
) -> Result<Rows<Placed>, Error> {
    let (mut whole, mut damaged, mut size) = (Vec::new(), Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let Some(placed) = item(row)? else {
            damaged.push(row.get(7)?);
            continue;
        };
        let Some(place) = place(&placed).filter(|place| *place >= next) else {
            say_once("items", row.get(7)?, &Error::Damaged("index"));
            damaged.push(row.get(7)?);
            continue;
        };
        next = place.saturating_add(1);
        if !is_wanted(&placed) {
            break;
        }
        size += placed.item.size();
        whole.push(placed);
        if size >= bytes || whole.len() >= PAGE_ROWS {
            break;
        }
    }
    Ok(Rows { whole, damaged })
}

/// All rows of a table that are whole. Each begins with its number.
fn all_whole<T>(
    table: &'static str,
    rows: rusqlite::Rows<'_>,
    read: impl Fn(&Row<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    Ok(all(table, rows, read)?.whole)
}

fn all<T>(
    table: &'static str,
    mut rows: rusqlite::Rows<'_>,
    read: impl Fn(&Row<'_>) -> Result<T, Error>,
) -> Result<Rows<T>, Error> {
    let (mut whole, mut damaged) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        match unless_damaged(read(row), table, row.get(0)?)? {
            Some(read) => whole.push(read),
            None => damaged.push(row.get(0)?),
        }
    }
    Ok(Rows { whole, damaged })
}

/// Reads [`ITEM`].
fn item(row: &Row<'_>) -> Result<Option<Placed>, Error> {
    item_of("items", row)
}

fn item_of(table: &'static str, row: &Row<'_>) -> Result<Option<Placed>, Error> {
    unless_damaged(whole_item(row), table, row.get(7)?)
}

/// What was read; nothing if the row is damaged, which is said and keeps nobody from the others.
fn unless_damaged<T>(read: Result<T, Error>, table: &'static str, number: i64) -> Result<Option<T>, Error> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(
            error @ (Error::Damaged(_)
            | Error::Store(
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..),
            )),
        ) => {
            say_once(table, number, &error);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn say_once(table: &'static str, number: i64, error: &Error) {
    let mut said = SAID.lock();
    if said.len() < MOST_SAID && said.insert((table, number)) {
        tracing::error!(
            table,
            number,
            error = error as &dyn std::error::Error,
            "a row is damaged and passed over"
        );
    }
}

fn whole_item(row: &Row<'_>) -> Result<Placed, Error> {
    let position = unsigned(row.get(0)?)?;
    let hash = row.get(2)?;
    let space = || -> Result<_, Error> { Ok(SpaceId(row.get(3)?)) };
    let item = match row.get::<_, i64>(1)? {
        0 => Item::Entry {
            hash: EntryHash(hash),
            bytes: row.get(4)?,
        },
        1 => {
            let bytes = row.get_ref(4)?.as_blob().map_err(|_| Error::Damaged("segment"))?;
            let segment = Segment::decode(bytes).map_err(|_| Error::Damaged("segment"))?;
            // Whoever reads along a log goes on behind what it says.
            let (first, last) = (unsigned(row.get(5)?)?, unsigned(row.get(6)?)?);
            if (segment.header.first, segment.header.last) != (first, last) {
                return Err(Error::Damaged("segment"));
            }
            Item::Segment {
                hash: SegmentHash(hash),
                segment: Box::new(segment),
            }
        }
        2 => Item::Snapshot {
            hash: SnapshotHash(hash),
            space: space()?,
            bytes: row.get(4)?,
        },
        3 => Item::Verdict {
            space: space()?,
            bytes: row.get(4)?,
        },
        4 => Item::Receipt {
            hash: ReceiptHash(hash),
            space: space()?,
            bytes: row.get(4)?,
        },
        _ => return Err(Error::Damaged("item")),
    };
    Ok(Placed { position, item })
}
