//! The store in one SQLite file: write-ahead log, every commit synced to the disk.

mod reading;
mod schema;
mod writing;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use protocol::inventory::LogState;
use protocol::segment::Log;
use protocol::{ChunkHash, ClassroomId, DocumentId, PieceHash, SegmentHash, SpaceId};
use rusqlite::{Connection, OpenFlags};

use super::{Change, Changes, Held, HeldPiece, Named, Placed, Store, Tail, Totals};
use crate::Error;

pub(crate) use reading::Rows;

/// How many threads can read at once.
const READERS: usize = 2;

/// How long somebody waits for another process that has the file.
const BUSY: Duration = Duration::from_secs(5);

/// How many freed pages are given back at a time.
const SHRUNK_PAGES: u32 = 1024;

/// See the [module](self).
#[derive(Debug)]
pub struct Sqlite {
    incarnation: u64,
    writer: Mutex<Connection>,
    readers: [Mutex<Connection>; READERS],
    /// It was said that the file is too large to be written anew.
    has_warned: AtomicBool,
}

impl Sqlite {
    /// Opens the store in the file at `path`, or makes one.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut writer = connect(path)?;
        schema::prepare(&mut writer)?;
        Ok(Self {
            incarnation: incarnation(&writer)?,
            writer: Mutex::new(writer),
            readers: [Mutex::new(connect(path)?), Mutex::new(connect(path)?)],
            has_warned: AtomicBool::new(false),
        })
    }

    /// Opens the store in the file at `path` for reading only, while a relay may write to it.
    pub fn open_read_only(path: &Path) -> Result<Self, Error> {
        let connect = || -> Result<Connection, Error> {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY)?;
            Ok(connection)
        };
        let reader = connect()?;
        schema::check(&reader)?;
        Ok(Self {
            incarnation: incarnation(&reader)?,
            writer: Mutex::new(reader),
            readers: [Mutex::new(connect()?), Mutex::new(connect()?)],
            has_warned: AtomicBool::new(false),
        })
    }

    /// The same as [`Store::classrooms`], and which rows can't be read.
    pub(crate) fn all_classrooms(&self) -> Result<Rows<ClassroomId>, Error> {
        reading::classrooms(&self.reader())
    }

    /// The same as [`Store::page`], and which rows were passed over on the way: of those behind the last item the next page tells again.
    pub(crate) fn read_page(
        &self,
        classroom: &ClassroomId,
        after: u64,
        bytes: usize,
    ) -> Result<Rows<Placed>, Error> {
        reading::page(&self.reader(), classroom, after, bytes)
    }

    /// The next position behind one, by nothing but the index of positions: also that of a row that can't be read.
    pub(crate) fn next_position(&self, classroom: &ClassroomId, after: u64) -> Result<Option<u64>, Error> {
        reading::next_position(&self.reader(), classroom, after)
    }

    /// The number of the row with a position.
    pub(crate) fn number_at(&self, classroom: &ClassroomId, position: u64) -> Result<Option<i64>, Error> {
        reading::number_at(&self.reader(), classroom, position)
    }

    /// The number of the next row of the items from one on, by no index, and whether it is of this classroom and behind position
    /// `after`.
    pub(crate) fn next_row(
        &self,
        classroom: &ClassroomId,
        after: u64,
        from: i64,
    ) -> Result<Option<(i64, bool)>, Error> {
        reading::next_row(&self.reader(), classroom, after, from)
    }

    /// The item in the row with a number.
    pub(crate) fn row(&self, number: i64) -> Result<Rows<Placed>, Error> {
        reading::row(&self.reader(), number)
    }

    /// The same as [`Store::attached`], and which rows can't be read.
    pub(crate) fn all_attached(&self, classroom: &ClassroomId) -> Result<Rows<DocumentId>, Error> {
        reading::attached(&self.reader(), classroom)
    }

    /// The same as [`Store::chunks`], and which rows can't be read.
    pub(crate) fn all_chunks(
        &self,
        classroom: &ClassroomId,
        document: &DocumentId,
    ) -> Result<Rows<ChunkHash>, Error> {
        reading::chunks(&self.reader(), classroom, document)
    }

    /// Draws a new incarnation, so that no position of before means anything to anybody.
    pub fn renew_incarnation(&mut self) -> Result<(), Error> {
        let incarnation = schema::random_incarnation()?;
        self.writer
            .get_mut()
            .execute("UPDATE relay SET incarnation = ?1", [incarnation])?;
        self.incarnation = u64::from_be_bytes(incarnation);
        Ok(())
    }

    /// Puts the whole log into the file and empties it: it has what was changed or taken away as it was before.
    fn empty_log(&self, writer: &Connection) -> Result<(), Error> {
        // Who reads meanwhile would keep it from being emptied.
        let _readers = self.readers.each_ref().map(Mutex::lock);
        let busy: bool = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy {
            tracing::warn!("the store's log could not be emptied");
        }
        Ok(())
    }

    /// Does away with what SQLite leaves behind of what was erased, in pages that it moved something out of, which no
    /// `secure_delete` reaches. Nobody's work is stored meanwhile: of a file of more than `rewritten` bytes it is left.
    fn rewrite(&self, writer: &Connection, rewritten: u64) -> Result<(), Error> {
        let size = writer.query_row(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
            [],
            |row| row.get(0),
        )?;
        let size = unsigned(size)?;
        if size <= rewritten {
            writer.execute_batch("VACUUM")?;
            writer.execute("UPDATE relay SET has_erased = 0", [])?;
        } else if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                size,
                rewritten,
                "the store may hold copies of what was erased: it is too large to be written anew (--rewritten-bytes)"
            );
        }
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

    fn classrooms(&self) -> Result<Vec<ClassroomId>, Error> {
        Ok(self.all_classrooms()?.whole)
    }

    fn leaps(&self, classroom: &ClassroomId) -> Result<Vec<(u64, u64)>, Error> {
        reading::leaps(&self.reader(), classroom)
    }

    fn totals(&self, classroom: &ClassroomId) -> Result<Option<Totals>, Error> {
        reading::totals(&self.reader(), classroom)
    }

    fn entries(&self, classroom: &ClassroomId) -> Result<Vec<(u64, Vec<u8>)>, Error> {
        reading::entries(&self.reader(), classroom)
    }

    fn extras(&self, classroom: &ClassroomId) -> Result<Vec<Placed>, Error> {
        reading::extras(&self.reader(), classroom)
    }

    fn documents(&self, classroom: &ClassroomId) -> Result<Vec<(DocumentId, SpaceId)>, Error> {
        reading::documents(&self.reader(), classroom)
    }

    fn page(&self, classroom: &ClassroomId, after: u64, bytes: usize) -> Result<Vec<Placed>, Error> {
        Ok(self.read_page(classroom, after, bytes)?.whole)
    }

    fn at(&self, classroom: &ClassroomId, position: u64) -> Result<Option<Placed>, Error> {
        reading::at(&self.reader(), classroom, position)
    }

    fn tail(&self, classroom: &ClassroomId, log: &Log) -> Result<Option<Tail>, Error> {
        reading::tail(&self.writer.lock(), classroom, log)
    }

    fn held(&self, classroom: &ClassroomId, log: &Log, index: u64) -> Result<Option<Held>, Error> {
        reading::held(&self.writer.lock(), classroom, log, index)
    }

    fn log(
        &self,
        classroom: &ClassroomId,
        log: &Log,
        from: u64,
        to: u64,
        bytes: usize,
    ) -> Result<Vec<Placed>, Error> {
        reading::log(&self.reader(), classroom, log, from..to, bytes)
    }

    fn named(&self, classroom: &ClassroomId, log: &Log, from: u64, to: u64) -> Result<Option<Named>, Error> {
        reading::named(&self.reader(), classroom, log, from, to)
    }

    fn weight(&self, classroom: &ClassroomId, log: &Log, from: u64, to: u64) -> Result<u64, Error> {
        reading::weight(&self.writer.lock(), classroom, log, from, to)
    }

    fn covered(&self, classroom: &ClassroomId, log: &Log, from: u64, to: u64) -> Result<Vec<Held>, Error> {
        reading::covered(&self.writer.lock(), classroom, log, from, to)
    }

    fn covered_since(&self, classroom: &ClassroomId) -> Result<Option<u64>, Error> {
        reading::covered_since(&self.reader(), classroom)
    }

    fn fold(
        &self,
        classroom: &ClassroomId,
        document: &DocumentId,
        hash: &SegmentHash,
    ) -> Result<Option<(Log, Held)>, Error> {
        reading::fold(&self.writer.lock(), classroom, document, hash)
    }

    fn logs(&self, classroom: &ClassroomId) -> Result<Vec<LogState>, Error> {
        reading::logs(&self.reader(), classroom)
    }

    fn count(&self, classroom: &ClassroomId, document: &DocumentId, after: u64) -> Result<u64, Error> {
        reading::count(&self.reader(), classroom, document, after)
    }

    fn stored_before(
        &self,
        classroom: &ClassroomId,
        log: &Log,
        next: u64,
        before: u64,
    ) -> Result<Option<u64>, Error> {
        reading::stored_before(&self.reader(), classroom, log, next, before)
    }

    fn piece(&self, classroom: &ClassroomId, hash: &PieceHash) -> Result<Option<Vec<u8>>, Error> {
        reading::piece(&self.reader(), classroom, hash)
    }

    fn has_piece(&self, classroom: &ClassroomId, hash: &PieceHash) -> Result<bool, Error> {
        reading::has_piece(&self.reader(), classroom, hash)
    }

    fn pieces(&self, classroom: &ClassroomId) -> Result<Vec<HeldPiece>, Error> {
        reading::pieces(&self.reader(), classroom)
    }

    fn chunk(&self, classroom: &ClassroomId, hash: &ChunkHash) -> Result<Option<Vec<u8>>, Error> {
        reading::chunk(&self.reader(), classroom, hash)
    }

    fn is_claimed(
        &self,
        classroom: &ClassroomId,
        document: &DocumentId,
        hash: &ChunkHash,
    ) -> Result<bool, Error> {
        reading::is_claimed(&self.reader(), classroom, document, hash)
    }

    fn chunks(&self, classroom: &ClassroomId, document: &DocumentId) -> Result<Vec<ChunkHash>, Error> {
        Ok(self.all_chunks(classroom, document)?.whole)
    }

    fn claimed_since(
        &self,
        classroom: &ClassroomId,
        document: &DocumentId,
    ) -> Result<Option<(u64, u64)>, Error> {
        reading::claimed_since(&self.reader(), classroom, document)
    }

    fn attached(&self, classroom: &ClassroomId) -> Result<Vec<DocumentId>, Error> {
        Ok(self.all_attached(classroom)?.whole)
    }

    fn commit(&self, changes: &Changes, now: u64) -> Result<(), Error> {
        let mut writer = self.writer.lock();
        let transaction = writer.transaction()?;
        for (classroom, change) in changes {
            writing::change(&transaction, classroom, change, now)?;
        }
        let erases = |(_, change): &(ClassroomId, Change)| matches!(change, Change::Erase { .. });
        let erases = changes.iter().any(erases);
        if erases {
            transaction.execute("UPDATE relay SET has_erased = 1", [])?;
        }
        transaction.commit()?;
        if erases {
            // It is committed, whatever comes of this; the next `shrink` tries again.
            if let Err(error) = self.empty_log(&writer) {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot empty the store's log"
                );
            }
        }
        Ok(())
    }

    fn shrink(&self, rewritten: u64) -> Result<(), Error> {
        let writer = self.writer.lock();
        writer.execute_batch(&format!("PRAGMA incremental_vacuum({SHRUNK_PAGES})"))?;
        let has_erased = writer.query_row("SELECT has_erased FROM relay", [], |row| row.get(0))?;
        let rewritten = if has_erased {
            self.rewrite(&writer, rewritten)
        } else {
            Ok(())
        };
        // What was freed must not live on in the log, whatever came of that.
        self.empty_log(&writer)?;
        rewritten
    }

    fn check(&self) -> Result<(), Error> {
        Ok(self.reader().query_row("SELECT 1 FROM relay", [], |_| Ok(()))?)
    }
}

fn incarnation(connection: &Connection) -> Result<u64, Error> {
    let incarnation = connection.query_row("SELECT incarnation FROM relay", [], |row| row.get(0))?;
    Ok(u64::from_be_bytes(incarnation))
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// SQLite has no unsigned numbers.
fn signed(number: u64) -> Result<i64, Error> {
    i64::try_from(number).map_err(|_| Error::Damaged("number"))
}

fn unsigned(number: i64) -> Result<u64, Error> {
    u64::try_from(number).map_err(|_| Error::Damaged("number"))
}
