//! Changes to the tables, in a transaction.

use protocol::segment::{Header, Log};
use protocol::{ClassroomId, DocumentId, PieceHash};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::signed;
use crate::Error;
use crate::store::{Change, Held, Item, Placed};

/// Makes one change.
pub(super) fn change(
    transaction: &Connection,
    classroom: &ClassroomId,
    change: &Change,
    now: u64,
) -> Result<(), Error> {
    match change {
        Change::Place(placed) => place(transaction, classroom, placed, now),
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
        Change::Erase { document } => erase(transaction, classroom, document),
        Change::Piece { hash, bytes } => piece(transaction, classroom, hash, bytes, now),
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
    let mut statement = transaction.prepare_cached(
        "DELETE FROM items
         WHERE log = (SELECT number FROM logs WHERE classroom = ?1 AND document = ?2 AND member = ?3 AND lane = ?4)
           AND log_index BETWEEN ?5 AND ?6
         RETURNING length(bytes)",
    )?;
    let mut rows = statement.query(params![
        classroom,
        log.document.0,
        log.member.0,
        log.lane.0,
        signed(from)?,
        signed(to)?
    ])?;
    let mut freed = 0;
    while let Some(row) = rows.next()? {
        freed += row.get::<_, i64>(0)?;
    }
    grow(transaction, classroom, -freed)
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
    transaction.execute(&format!("DELETE FROM items WHERE log IN {logs}"), key)?;
    transaction.execute("DELETE FROM logs WHERE classroom = ?1 AND document = ?2", key)?;
    transaction.execute(
        "DELETE FROM documents WHERE classroom = ?1 AND document = ?2",
        key,
    )?;
    grow(transaction, classroom, -freed.unwrap_or(0))
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
