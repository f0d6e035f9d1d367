//! Connections, set up alike.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use syncline::store::{Durability, StoreError};

use crate::error::{Result, refused};
use crate::options::SqliteOptions;

/// The release that repaired a corruption between two connections that write and checkpoint at once.
const SQLITE_MIN: i32 = 3_051_003;
/// Single commits are quickest with small pages, and packed runs fill pages of any size.
const PAGE_BYTES: u32 = 4096;
/// The log is cut back to this after it has grown larger, under a long read or a large commit.
const WAL_BYTES_KEPT: u32 = 64 * 1024 * 1024;
const STATEMENTS_CACHED: usize = 64;

/// Opens the connection that writes. Until [`fold_log_on_close`], closing it leaves the file as it is.
///
/// # Errors
/// If the file cannot be written, or SQLite cannot keep the promised durability.
pub(crate) fn open_writer(path: &Path, options: &SqliteOptions) -> Result<Connection> {
    check_version(path)?;
    let is_new = std::fs::metadata(path).map_or(0, |file| file.len()) == 0;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    if connection.is_readonly("main")? {
        let why = "the file is read-only, and Syncline writes to what it opens; make it writable";
        return Err(refused(path, why).into());
    }
    connection.busy_timeout(options.busy_timeout)?;
    fold_log_on_close(&connection, false)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    if is_new {
        // Only a file that is just being made takes it: see `space_back`.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        let why = format!("SQLite cannot keep a write-ahead log here (journal mode {mode}); use a local disk");
        return Err(refused(path, why).into());
    }
    let synchronous = if options.durability >= Durability::Synced { "FULL" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    // On Apple's systems only this reaches the disk; elsewhere it changes nothing.
    connection.pragma_update(None, "fullfsync", options.durability >= Durability::Synced)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    // The log is copied into the file between commits, see `checkpoint`.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    prepare(&connection, options.cache_bytes)?;
    Ok(connection)
}

/// Says whether closing the file folds its write-ahead log into it: not before it is known to be ours.
pub(crate) fn fold_log_on_close(connection: &Connection, fold: bool) -> Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !fold)?;
    Ok(())
}

/// Opens a connection that reads, next to the one that writes.
pub(crate) fn open_reader(path: &Path, options: &SqliteOptions) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(options.busy_timeout)?;
    prepare(&connection, options.cache_bytes / 4)?;
    Ok(connection)
}

fn prepare(connection: &Connection, cache_bytes: usize) -> Result<()> {
    let kibibytes = i64::try_from(cache_bytes / 1024).unwrap_or(i64::MAX);
    connection.pragma_update(None, "cache_size", -kibibytes.max(1))?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    Ok(())
}

fn check_version(path: &Path) -> std::result::Result<(), StoreError> {
    if rusqlite::version_number() < SQLITE_MIN {
        let found = rusqlite::version();
        let why = format!("SQLite {found} can damage such a file; build with 3.51.3 or later, as `bundled` does");
        return Err(refused(path, why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(options: &SqliteOptions) -> [i64; 5] {
        let writer = open_writer(&options.path, options).unwrap();
        ["synchronous", "page_size", "journal_size_limit", "cache_size", "mmap_size"]
            .map(|name| writer.pragma_query_value(None, name, |row| row.get(0)).unwrap())
    }

    #[test]
    fn durability_becomes_the_pragma_that_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let options = SqliteOptions::new(dir.path().join("a.sqlite"));
        assert_eq!(settings(&options), [2, PAGE_BYTES.into(), WAL_BYTES_KEPT.into(), -65_536, 0]);
        for durability in [Durability::Process, Durability::Volatile] {
            assert_eq!(settings(&options.clone().durability(durability))[0], 1);
        }
    }

    #[test]
    fn the_log_is_a_write_ahead_log_and_a_reader_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let options = SqliteOptions::new(dir.path().join("a.sqlite"));
        let writer = open_writer(&options.path, &options).unwrap();
        let mode: String = writer.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        let reader = open_reader(&options.path, &options).unwrap();
        assert!(reader.execute_batch("CREATE TABLE t (a)").is_err());
    }
}
