//! Changes to the tables, in a transaction.

use protocol::segment::{Header, Log, Segment};
use protocol::{ChunkHash, ClassroomId, DocumentId, PieceHash, SegmentHash};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::signed;
use crate::Error;
use crate::store::{CLAIM_BYTES, Change, Held, Item, Placed};

const LOG: &str =
    "(SELECT number FROM logs WHERE classroom = ?1 AND document = ?2 AND member = ?3 AND lane = ?4)";

/// Makes one change.
pub(super) fn change(
    transaction: &Connection,
    classroom: &ClassroomId,
    change: &Change,
    now: u64,
) -> Result<(), Error> {
    match change {
        Change::Place(placed) => place(transaction, classroom, placed, now),
        Change::Leap { to } => leap(transaction, classroom, *to),
        Change::Remove { position } => {
            let Some(classroom) = number(transaction, classroom)? else {
                return Ok(());
            };
            let removed = transaction
                .prepare_cached(
                    "DELETE FROM items WHERE classroom = ?1 AND position = ?2 RETURNING length(bytes)",
                )?
                .query_row(params![classroom, signed(*position)?], |row| row.get(0))
                .optional()?;
            grow(transaction, classroom, -removed.unwrap_or(0))
        }
        Change::RemoveSegments { log, from, to } => remove_segments(transaction, classroom, log, *from, *to),
        Change::Cover { log, from, to } => {
            cover(transaction, classroom, log, *from, *to, now)?;
            remove_segments(transaction, classroom, log, *from, *to)
        }
        Change::KeepCovered { hash, segment } => keep_covered(transaction, classroom, *hash, segment, now),
        Change::Uncover { log, parts, position } => {
            uncover(transaction, classroom, log, parts, *position, now)
        }
        Change::ForgetCovered { before } => forget_covered(transaction, classroom, *before),
        Change::Erase { document } => erase(transaction, classroom, document),
        Change::Piece { hash, bytes } => piece(transaction, classroom, hash, bytes, now),
        Change::Chunk {
            document,
            hash,
            bytes,
        } => {
            chunk(transaction, classroom, hash, bytes)?;
            claim(transaction, classroom, document, hash, now)
        }
        Change::Claim { document, hash } => claim(transaction, classroom, document, hash, now),
        Change::Unclaim { document, before } => {
            let Some(classroom) = number(transaction, classroom)? else {
                return Ok(());
            };
            let freed = unclaim(transaction, classroom, document, Some(signed(*before)?))?;
            grow(transaction, classroom, -freed)
        }
        Change::RemovePiece { hash } => {
            let Some(classroom) = number(transaction, classroom)? else {
                return Ok(());
            };
            let removed = transaction
                .prepare_cached(
                    "DELETE FROM pieces WHERE classroom = ?1 AND hash = ?2 RETURNING length(bytes)",
                )?
                .query_row(params![classroom, hash.0], |row| row.get(0))
                .optional()?;
            grow(transaction, classroom, -removed.unwrap_or(0))
        }
    }
}

fn leap(transaction: &Connection, classroom: &ClassroomId, to: u64) -> Result<(), Error> {
    let to = signed(to)?;
    let leapt = transaction.execute(
        "INSERT INTO leaps (classroom, after, last) SELECT number, last, ?2 FROM classrooms WHERE id = ?1 AND last < ?2",
        params![classroom.0, to],
    )?;
    if leapt != 1 {
        return Err(Error::Conflict);
    }
    transaction.execute(
        "UPDATE classrooms SET last = ?2 WHERE id = ?1",
        params![classroom.0, to],
    )?;
    Ok(())
}

fn place(transaction: &Connection, classroom: &ClassroomId, placed: &Placed, now: u64) -> Result<(), Error> {
    let position = signed(placed.position)?;
    let bytes = placed.item.bytes()?;
    // Nothing is answered if a position would go back, and then the query fails.
    let classroom: i64 = transaction
        .prepare_cached(
            "INSERT INTO classrooms (id, last, bytes) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET last = excluded.last, bytes = bytes + excluded.bytes
             WHERE last < excluded.last
             RETURNING number",
        )?
        .query_row(params![classroom.0, position, bytes.len() as i64], |row| {
            row.get(0)
        })?;
    let held = placed.item.held();
    let (kind, hash, space) = match &placed.item {
        Item::Entry { hash, .. } => (0, hash.0, None),
        Item::Segment { hash, .. } => (1, hash.0, None),
        Item::Snapshot { hash, space, .. } => (2, hash.0, Some(space.0)),
        Item::Verdict { space, .. } => (3, [0; 32], Some(space.0)),
        Item::Receipt { hash, space, .. } => (4, hash.0, Some(space.0)),
    };
    let log = match (&placed.item, &held) {
        (Item::Segment { segment, .. }, Some(held)) => {
            Some(extend_log(transaction, classroom, &segment.header, held)?)
        }
        _ => None,
    };
    transaction
        .prepare_cached(
            "INSERT INTO items (classroom, position, log, log_index, hash, bytes, kind, log_first, chain_hash, space,
                                stored)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            classroom,
            position,
            log,
            held.map(|held| signed(held.last)).transpose()?,
            hash,
            bytes,
            kind,
            held.map(|held| signed(held.first)).transpose()?,
            held.map(|held| held.chain_hash.0),
            space,
            signed(now)?
        ])?;
    Ok(())
}

/// The number of a segment's log, which ends with it if it goes further than before.
fn extend_log(transaction: &Connection, classroom: i64, header: &Header, held: &Held) -> Result<i64, Error> {
    let Log {
        document,
        member,
        lane,
    } = header.log;
    let last = signed(held.last)?;
    let known: Option<(i64, i64)> = transaction
        .prepare_cached(
            "SELECT number, last FROM logs WHERE classroom = ?1 AND document = ?2 AND member = ?3 AND lane = ?4",
        )?
        .query_row(params![classroom, document.0, member.0, lane.0], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    if let Some((number, before)) = known {
        if before < last {
            transaction
                .prepare_cached("UPDATE logs SET last = ?2, last_hash = ?3 WHERE number = ?1")?
                .execute(params![number, last, held.chain_hash.0])?;
        }
        return Ok(number);
    }
    transaction
        .prepare_cached("INSERT OR IGNORE INTO documents (classroom, document, space) VALUES (?1, ?2, ?3)")?
        .execute(params![classroom, document.0, header.space.0])?;
    Ok(transaction
        .prepare_cached(
            "INSERT INTO logs (classroom, document, member, lane, last, last_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             RETURNING number",
        )?
        .query_row(
            params![classroom, document.0, member.0, lane.0, last, held.chain_hash.0],
            |row| row.get(0),
        )?)
}

fn remove_segments(
    transaction: &Connection,
    classroom: &ClassroomId,
    log: &Log,
    from: u64,
    to: u64,
) -> Result<(), Error> {
    let Some(classroom) = number(transaction, classroom)? else {
        return Ok(());
    };
    let mut statement = transaction.prepare_cached(&format!(
        "DELETE FROM items WHERE log = {LOG} AND log_index BETWEEN ?5 AND ?6 RETURNING length(bytes)"
    ))?;
    let rows = statement.query(params![
        classroom,
        log.document.0,
        log.member.0,
        log.lane.0,
        signed(from)?,
        signed(to)?
    ])?;
    let freed = sum(rows)?;
    grow(transaction, classroom, -freed)
}

/// Copies segments to where they are served to nobody.
fn cover(
    transaction: &Connection,
    classroom: &ClassroomId,
    log: &Log,
    from: u64,
    to: u64,
    now: u64,
) -> Result<(), Error> {
    let Some(classroom) = number(transaction, classroom)? else {
        return Ok(());
    };
    let mut statement = transaction.prepare_cached(&format!(
        "INSERT OR IGNORE INTO covered (log, log_first, log_index, hash, chain_hash, since, bytes)
         SELECT log, log_first, log_index, hash, chain_hash, ?7, bytes FROM items
         WHERE log = {LOG} AND log_index BETWEEN ?5 AND ?6
         RETURNING length(bytes)"
    ))?;
    let rows = statement.query(params![
        classroom,
        log.document.0,
        log.member.0,
        log.lane.0,
        signed(from)?,
        signed(to)?,
        signed(now)?
    ])?;
    let kept = sum(rows)?;
    grow_covered(transaction, classroom, kept)
}

fn keep_covered(
    transaction: &Connection,
    classroom: &ClassroomId,
    hash: SegmentHash,
    segment: &Segment,
    now: u64,
) -> Result<(), Error> {
    let Some(classroom) = number(transaction, classroom)? else {
        return Err(Error::Conflict);
    };
    let (header, bytes) = (
        &segment.header,
        segment.encode().map_err(|_| Error::Damaged("segment"))?,
    );
    let Log {
        document,
        member,
        lane,
    } = header.log;
    let mut statement = transaction.prepare_cached(&format!(
        "INSERT OR IGNORE INTO covered (log, log_first, log_index, hash, chain_hash, since, bytes)
         SELECT {LOG}, ?5, ?6, ?7, ?8, ?9, ?10
         RETURNING length(bytes)"
    ))?;
    let rows = statement.query(params![
        classroom,
        document.0,
        member.0,
        lane.0,
        signed(header.first)?,
        signed(header.last)?,
        hash.0,
        header.kind.covered().unwrap_or(hash).0,
        signed(now)?,
        bytes
    ])?;
    let kept = sum(rows)?;
    grow_covered(transaction, classroom, kept)
}

fn uncover(
    transaction: &Connection,
    classroom: &ClassroomId,
    log: &Log,
    parts: &[SegmentHash],
    position: u64,
    now: u64,
) -> Result<(), Error> {
    let Some(classroom) = number(transaction, classroom)? else {
        return Err(Error::Conflict);
    };
    let mut copy = transaction.prepare_cached(&format!(
        "INSERT INTO items (classroom, position, log, log_index, hash, bytes, kind, log_first, chain_hash, stored)
         SELECT ?1, ?6, log, log_index, hash, bytes, 1, log_first, chain_hash, ?7 FROM covered
         WHERE log = {LOG} AND hash = ?5
         RETURNING length(bytes)"
    ))?;
    let mut forget =
        transaction.prepare_cached(&format!("DELETE FROM covered WHERE log = {LOG} AND hash = ?5"))?;
    let (mut bytes, mut last) = (0, signed(position)?);
    for part in parts {
        let key = (classroom, log.document.0, log.member.0, log.lane.0, part.0);
        // Nothing is answered if it is not there, and then the query fails.
        bytes += copy.query_row(
            params![key.0, key.1, key.2, key.3, key.4, last, signed(now)?],
            |row| row.get::<_, i64>(0),
        )?;
        forget.execute(params![key.0, key.1, key.2, key.3, key.4])?;
        last += 1;
    }
    // A position would go back: then nothing is changed, which is a failure.
    let went_on = transaction.execute(
        "UPDATE classrooms SET last = ?2 WHERE number = ?1 AND last < ?3",
        params![classroom, last - 1, signed(position)?],
    )?;
    if went_on != 1 {
        return Err(Error::Conflict);
    }
    grow(transaction, classroom, bytes)?;
    grow_covered(transaction, classroom, -bytes)
}

fn forget_covered(transaction: &Connection, classroom: &ClassroomId, before: u64) -> Result<(), Error> {
    let Some(classroom) = number(transaction, classroom)? else {
        return Ok(());
    };
    let mut statement = transaction.prepare_cached(
        "DELETE FROM covered WHERE since < ?2 AND log IN (SELECT number FROM logs WHERE classroom = ?1)
         RETURNING length(bytes)",
    )?;
    let freed = sum(statement.query(params![classroom, signed(before)?])?)?;
    grow_covered(transaction, classroom, -freed)
}

fn sum(mut rows: rusqlite::Rows<'_>) -> Result<i64, Error> {
    let mut sum = 0;
    while let Some(row) = rows.next()? {
        sum += row.get::<_, i64>(0)?;
    }
    Ok(sum)
}

fn erase(transaction: &Connection, classroom: &ClassroomId, document: &DocumentId) -> Result<(), Error> {
    let Some(classroom) = number(transaction, classroom)? else {
        return Ok(());
    };
    let key = params![classroom, document.0];
    let logs = "(SELECT number FROM logs WHERE classroom = ?1 AND document = ?2)";
    let freed: Option<i64> = transaction
        .prepare_cached(&format!(
            "SELECT sum(length(bytes)) FROM items WHERE log IN {logs}"
        ))?
        .query_row(key, |row| row.get(0))?;
    let covered: Option<i64> = transaction
        .prepare_cached(&format!(
            "SELECT sum(length(bytes)) FROM covered WHERE log IN {logs}"
        ))?
        .query_row(key, |row| row.get(0))?;
    transaction.execute(&format!("DELETE FROM covered WHERE log IN {logs}"), key)?;
    grow_covered(transaction, classroom, -covered.unwrap_or(0))?;
    transaction.execute(&format!("DELETE FROM items WHERE log IN {logs}"), key)?;
    transaction.execute("DELETE FROM logs WHERE classroom = ?1 AND document = ?2", key)?;
    transaction.execute(
        "DELETE FROM documents WHERE classroom = ?1 AND document = ?2",
        key,
    )?;
    let freed = freed.unwrap_or(0) + unclaim(transaction, classroom, document, None)?;
    grow(transaction, classroom, -freed)
}

/// Takes from a document the chunks that belong to it, or only those that have since before a time, and takes those away
/// that belong to no other; tells how many bytes that frees.
fn unclaim(
    transaction: &Connection,
    classroom: i64,
    document: &DocumentId,
    before: Option<i64>,
) -> Result<i64, Error> {
    let claimed: Vec<i64> = transaction
        .prepare_cached(
            "SELECT chunk FROM claims JOIN chunks ON chunks.number = chunk
             WHERE document = ?2 AND classroom = ?1 AND (?3 IS NULL OR since < ?3)",
        )?
        .query_map(params![classroom, document.0, before], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut release = transaction.prepare_cached("DELETE FROM claims WHERE chunk = ?1 AND document = ?2")?;
    let mut remove = transaction.prepare_cached(
        "DELETE FROM chunks WHERE number = ?1 AND NOT EXISTS (SELECT 1 FROM claims WHERE chunk = ?1)
         RETURNING length(bytes)",
    )?;
    let mut freed = 0;
    for chunk in claimed {
        release.execute(params![chunk, document.0])?;
        freed += CLAIM_BYTES as i64 + sum(remove.query([chunk])?)?;
    }
    Ok(freed)
}

fn piece(
    transaction: &Connection,
    classroom: &ClassroomId,
    hash: &PieceHash,
    bytes: &[u8],
    now: u64,
) -> Result<(), Error> {
    let Some(classroom) = number(transaction, classroom)? else {
        return Err(Error::Conflict);
    };
    let inserted = transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO pieces (classroom, hash, stored, bytes) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![classroom, hash.0, signed(now)?, bytes])?;
    if inserted == 1 {
        return grow(transaction, classroom, bytes.len() as i64);
    }
    // It waits anew for the snapshot that names it.
    transaction
        .prepare_cached("UPDATE pieces SET stored = ?3 WHERE classroom = ?1 AND hash = ?2")?
        .execute(params![classroom, hash.0, signed(now)?])?;
    Ok(())
}

fn chunk(
    transaction: &Connection,
    classroom: &ClassroomId,
    hash: &ChunkHash,
    bytes: &[u8],
) -> Result<(), Error> {
    let Some(classroom) = number(transaction, classroom)? else {
        return Err(Error::Conflict);
    };
    let damaged: Option<i64> = transaction
        .prepare_cached("SELECT length(bytes) FROM chunks WHERE classroom = ?1 AND hash = ?2")?
        .query_row(params![classroom, hash.0], |row| row.get(0))
        .optional()?;
    transaction
        .prepare_cached(
            "INSERT INTO chunks (classroom, hash, bytes) VALUES (?1, ?2, ?3)
             ON CONFLICT (classroom, hash) DO UPDATE SET bytes = excluded.bytes",
        )?
        .execute(params![classroom, hash.0, bytes])?;
    grow(transaction, classroom, bytes.len() as i64 - damaged.unwrap_or(0))
}

fn claim(
    transaction: &Connection,
    classroom: &ClassroomId,
    document: &DocumentId,
    hash: &ChunkHash,
    now: u64,
) -> Result<(), Error> {
    let Some(classroom) = number(transaction, classroom)? else {
        return Err(Error::Conflict);
    };
    // Nothing is answered if the chunk is not there, and then the query fails.
    let chunk: i64 = transaction
        .prepare_cached("SELECT number FROM chunks WHERE classroom = ?1 AND hash = ?2")?
        .query_row(params![classroom, hash.0], |row| row.get(0))?;
    let claimed = transaction
        .prepare_cached("INSERT OR IGNORE INTO claims (chunk, document, since) VALUES (?1, ?2, ?3)")?
        .execute(params![chunk, document.0, signed(now)?])?;
    grow(transaction, classroom, claimed as i64 * CLAIM_BYTES as i64)
}

fn number(transaction: &Connection, classroom: &ClassroomId) -> Result<Option<i64>, Error> {
    Ok(transaction
        .prepare_cached("SELECT number FROM classrooms WHERE id = ?1")?
        .query_row([classroom.0], |row| row.get(0))
        .optional()?)
}

/// Counts bytes that came or went.
fn grow(transaction: &Connection, classroom: i64, bytes: i64) -> Result<(), Error> {
    if bytes != 0 {
        transaction
            .prepare_cached("UPDATE classrooms SET bytes = bytes + ?2 WHERE number = ?1")?
            .execute(params![classroom, bytes])?;
    }
    Ok(())
}

/// The same of what is kept beside the items.
fn grow_covered(transaction: &Connection, classroom: i64, bytes: i64) -> Result<(), Error> {
    if bytes != 0 {
        transaction
            .prepare_cached("UPDATE classrooms SET covered = covered + ?2 WHERE number = ?1")?
            .execute(params![classroom, bytes])?;
    }
    Ok(())
}
