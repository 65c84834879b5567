//! The tables, from version to version.

use protocol::SpaceId;
use rusqlite::Connection;

use crate::Error;

/// The version of the schema, kept in `user_version`.
const VERSION: i64 = 5;

/// The first version, which every store begins with.
const VERSION_1: &str = include_str!("version_1.sql");

/// Folds, snapshots, verdicts, receipts and pieces; what a log's end is without its segments; how much there is.
const VERSION_2: &str = include_str!("version_2.sql");

/// What folds took the place of is kept; positions are passed over.
const VERSION_3: &str = include_str!("version_3.sql");

/// Chunks of attachments.
const VERSION_4: &str = include_str!("version_4.sql");

/// That something was erased is remembered.
const VERSION_5: &str = include_str!("version_5.sql");

/// Brings the file to the newest version.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), Error> {
    // Only heeded while the file is empty.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    // What is erased is not to be found in the file.
    connection.pragma_update(None, "secure_delete", true)?;
    let transaction = connection.transaction()?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if !(0..=VERSION).contains(&found) {
        return Err(Error::NewerStore {
            found,
            known: VERSION,
        });
    }
    if found < 1 {
        transaction.execute_batch(VERSION_1)?;
        transaction.execute(
            "INSERT INTO relay (incarnation) VALUES (?1)",
            [random_incarnation()?],
        )?;
    }
    if found < 2 {
        transaction.execute_batch(VERSION_2)?;
        // In version 1 there was no other space.
        transaction.execute(
            "INSERT INTO documents (classroom, document, space) SELECT DISTINCT classroom, document, ?1 FROM logs",
            [SpaceId::EVERYONE.0],
        )?;
    }
    if found < 3 {
        transaction.execute_batch(VERSION_3)?;
    }
    if found < 4 {
        transaction.execute_batch(VERSION_4)?;
    }
    if found < 5 {
        transaction.execute_batch(VERSION_5)?;
    }
    if found == 0 {
        transaction.execute("UPDATE relay SET has_erased = 0", [])?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    if found == 1 {
        // So that the file can shrink, which it could not before.
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;")?;
    }
    Ok(())
}

/// Whether the file has the newest version, for whoever may not bring it there.
pub(super) fn check(connection: &Connection) -> Result<(), Error> {
    let known = VERSION;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match found {
        VERSION => Ok(()),
        0..VERSION => Err(Error::OlderStore { found, known }),
        _ => Err(Error::NewerStore { found, known }),
    }
}

pub(super) fn random_incarnation() -> Result<[u8; 8], Error> {
    let mut incarnation = [0; 8];
    getrandom::fill(&mut incarnation).map_err(Error::Random)?;
    Ok(incarnation)
}
