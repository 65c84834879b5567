//! The store in one SQLite file: write-ahead log, every commit synced to the disk.

use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use protocol::segment::{Log, Segment};
use protocol::{ClassroomId, EntryHash, SegmentHash};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Item, Placed, Store, Tail};
use crate::Error;

/// The version of the schema, kept in `user_version`.
const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE relay (
    incarnation BLOB NOT NULL CHECK (length(incarnation) = 8)
) STRICT;
CREATE TABLE classrooms (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    -- The last position given out: stays when items go.
    last INTEGER NOT NULL
) STRICT;
CREATE TABLE logs (
    number INTEGER PRIMARY KEY,
    classroom INTEGER NOT NULL REFERENCES classrooms (number),
    document BLOB NOT NULL,
    member BLOB NOT NULL,
    lane BLOB NOT NULL,
    UNIQUE (classroom, document, member, lane)
) STRICT;
CREATE TABLE items (
    number INTEGER PRIMARY KEY,
    classroom INTEGER NOT NULL REFERENCES classrooms (number),
    position INTEGER NOT NULL,
    -- Of a segment; a roster entry has neither.
    log INTEGER REFERENCES logs (number),
    log_index INTEGER,
    hash BLOB NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (classroom, position),
    CHECK ((log IS NULL) = (log_index IS NULL))
) STRICT;
CREATE UNIQUE INDEX segments ON items (log, log_index) WHERE log IS NOT NULL;
CREATE UNIQUE INDEX entries ON items (classroom, position) WHERE log IS NULL;
";

/// How many threads can read at once.
const READERS: usize = 2;

/// How many rows a page has at most.
const PAGE_ROWS: i64 = 1024;

/// See the [module](self).
#[derive(Debug)]
pub struct Sqlite {
    incarnation: u64,
    writer: Mutex<Connection>,
    readers: [Mutex<Connection>; READERS],
}

impl Sqlite {
    /// Opens the store in the file at `path`, or makes one.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut writer = connect(path)?;
        writer.pragma_update(None, "journal_mode", "WAL")?;
        writer.pragma_update(None, "synchronous", "FULL")?;
        writer.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        migrate(&mut writer)?;
        let incarnation = writer.query_row("SELECT incarnation FROM relay", [], |row| {
            row.get::<_, [u8; 8]>(0)
        })?;
        Ok(Self {
            incarnation: u64::from_be_bytes(incarnation),
            writer: Mutex::new(writer),
            readers: [Mutex::new(connect(path)?), Mutex::new(connect(path)?)],
        })
    }

    /// Draws a new incarnation, so that no position of before means anything to anybody: for a store that was put
    /// back from a backup.
    pub fn renew_incarnation(&mut self) -> Result<(), Error> {
        let incarnation = random_incarnation()?;
        self.writer
            .get_mut()
            .execute("UPDATE relay SET incarnation = ?1", [incarnation])?;
        self.incarnation = u64::from_be_bytes(incarnation);
        Ok(())
    }

    /// A connection for reading: one that is free, if any.
    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.readers
            .iter()
            .find_map(Mutex::try_lock)
            .unwrap_or_else(|| self.readers[0].lock())
    }
}

impl Store for Sqlite {
    fn incarnation(&self) -> u64 {
        self.incarnation
    }

    fn last(&self, classroom: &ClassroomId) -> Result<Option<u64>, Error> {
        let last: Option<i64> = self
            .reader()
            .prepare_cached("SELECT last FROM classrooms WHERE id = ?1")?
            .query_row([classroom.0], |row| row.get(0))
            .optional()?;
        last.map(unsigned).transpose()
    }

    fn entries(&self, classroom: &ClassroomId) -> Result<Vec<Vec<u8>>, Error> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(
            "SELECT bytes FROM items
             WHERE classroom = (SELECT number FROM classrooms WHERE id = ?1) AND log IS NULL
             ORDER BY position",
        )?;
        let entries = statement.query_map([classroom.0], |row| row.get(0))?;
        Ok(entries.collect::<Result<_, _>>()?)
    }

    fn page(&self, classroom: &ClassroomId, after: u64, bytes: usize) -> Result<Vec<Placed>, Error> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(
            "SELECT position, log IS NULL, hash, bytes FROM items
             WHERE classroom = (SELECT number FROM classrooms WHERE id = ?1) AND position > ?2
             ORDER BY position LIMIT ?3",
        )?;
        let mut rows = statement.query(params![classroom.0, signed(after)?, PAGE_ROWS])?;
        let (mut page, mut size) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let (position, hash) = (unsigned(row.get(0)?)?, row.get(2)?);
            let item = if row.get(1)? {
                Item::Entry {
                    hash: EntryHash(hash),
                    bytes: row.get(3)?,
                }
            } else {
                let bytes = row.get_ref(3)?.as_blob().map_err(|_| Error::Damaged("segment"))?;
                Item::Segment {
                    hash: SegmentHash(hash),
                    segment: Box::new(Segment::decode(bytes).map_err(|_| Error::Damaged("segment"))?),
                }
            };
            size += item.size();
            page.push(Placed { position, item });
            if size >= bytes {
                break;
            }
        }
        Ok(page)
    }

    fn tail(&self, classroom: &ClassroomId, log: &Log) -> Result<Option<Tail>, Error> {
        let tail: Option<(i64, [u8; 32])> = self
            .writer
            .lock()
            .prepare_cached(
                "SELECT log_index, hash FROM items
                 WHERE log = (SELECT number FROM logs
                              WHERE classroom = (SELECT number FROM classrooms WHERE id = ?1)
                                AND document = ?2 AND member = ?3 AND lane = ?4)
                 ORDER BY log_index DESC LIMIT 1",
            )?
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

    fn segment(&self, classroom: &ClassroomId, log: &Log, index: u64) -> Result<Option<SegmentHash>, Error> {
        let hash = self
            .writer
            .lock()
            .prepare_cached(
                "SELECT hash FROM items
                 WHERE log = (SELECT number FROM logs
                              WHERE classroom = (SELECT number FROM classrooms WHERE id = ?1)
                                AND document = ?2 AND member = ?3 AND lane = ?4)
                   AND log_index = ?5",
            )?
            .query_row(
                params![
                    classroom.0,
                    log.document.0,
                    log.member.0,
                    log.lane.0,
                    signed(index)?
                ],
                |row| row.get(0),
            )
            .optional()?;
        Ok(hash.map(SegmentHash))
    }

    fn commit(&self, batch: &[(ClassroomId, Arc<Placed>)]) -> Result<(), Error> {
        let mut writer = self.writer.lock();
        let transaction = writer.transaction()?;
        for (classroom, placed) in batch {
            insert(&transaction, classroom, placed)?;
        }
        Ok(transaction.commit()?)
    }

    fn check(&self) -> Result<(), Error> {
        Ok(self.reader().query_row("SELECT 1 FROM relay", [], |_| Ok(()))?)
    }
}

fn insert(transaction: &Connection, classroom: &ClassroomId, placed: &Placed) -> Result<(), Error> {
    let position = signed(placed.position)?;
    let classroom: i64 = transaction
        .prepare_cached(
            "INSERT INTO classrooms (id, last) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET last = excluded.last WHERE last < excluded.last
             RETURNING number",
        )?
        .query_row(params![classroom.0, position], |row| row.get(0))?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO items (classroom, position, log, log_index, hash, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    match &placed.item {
        Item::Entry { hash, bytes } => {
            insert.execute(params![
                classroom,
                position,
                None::<i64>,
                None::<i64>,
                hash.0,
                bytes
            ])?;
        }
        Item::Segment { hash, segment } => {
            let log = log_number(transaction, classroom, &segment.header.log)?;
            let bytes = segment.encode().map_err(|_| Error::Damaged("segment"))?;
            insert.execute(params![
                classroom,
                position,
                log,
                signed(segment.header.last)?,
                hash.0,
                bytes
            ])?;
        }
    }
    Ok(())
}

fn log_number(transaction: &Connection, classroom: i64, log: &Log) -> Result<i64, Error> {
    let key = params![classroom, log.document.0, log.member.0, log.lane.0];
    let known = transaction
        .prepare_cached(
            "SELECT number FROM logs WHERE classroom = ?1 AND document = ?2 AND member = ?3 AND lane = ?4",
        )?
        .query_row(key, |row| row.get(0))
        .optional()?;
    match known {
        Some(number) => Ok(number),
        None => Ok(transaction
            .prepare_cached(
                "INSERT INTO logs (classroom, document, member, lane) VALUES (?1, ?2, ?3, ?4) RETURNING number",
            )?
            .query_row(key, |row| row.get(0))?),
    }
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let transaction = connection.transaction()?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match found {
        0 => {
            transaction.execute_batch(SCHEMA)?;
            transaction.execute(
                "INSERT INTO relay (incarnation) VALUES (?1)",
                [random_incarnation()?],
            )?;
            transaction.pragma_update(None, "user_version", VERSION)?;
            Ok(transaction.commit()?)
        }
        VERSION => Ok(()),
        _ => Err(Error::NewerStore {
            found,
            known: VERSION,
        }),
    }
}

fn random_incarnation() -> Result<[u8; 8], Error> {
    let mut incarnation = [0; 8];
    getrandom::fill(&mut incarnation).map_err(Error::Random)?;
    Ok(incarnation)
}

/// SQLite has no unsigned numbers.
fn signed(number: u64) -> Result<i64, Error> {
    i64::try_from(number).map_err(|_| Error::Damaged("number"))
}

fn unsigned(number: i64) -> Result<u64, Error> {
    u64::try_from(number).map_err(|_| Error::Damaged("number"))
}
