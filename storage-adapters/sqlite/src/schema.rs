//! The format of the file: its mark, its version and its tables.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rusqlite::Connection;
use syncline::store::StoreError;

use crate::error::{Result, corrupt, refused};
use crate::leftover::beside;
use crate::number::SpaceKey;

/// Marks our files in SQLite's header: `SynL`.
const APPLICATION_ID: u32 = 0x5379_6e4c;

/// What brings the tables of logs and rows from one version to the next, from 0. Never changed once released, only added to. Those
/// of accounts have a version of their own.
const MIGRATIONS: [&str; 2] =
    [concat!(include_str!("schema/log.sql"), include_str!("schema/views.sql")), include_str!("schema/base.sql")];

/// The version that this build writes, and the newest that it reads.
const NEWEST: u32 = MIGRATIONS.len() as u32;

/// Looks at a file's first bytes, without SQLite and without a change: whether it is ours, or may become ours.
///
/// # Errors
/// [`StoreError::UnsupportedFormat`] if another program or a newer build wrote it; [`StoreError::Corrupt`] if its end is missing.
pub(crate) fn inspect(path: &Path) -> Result<(), StoreError> {
    const MAGIC: &[u8] = b"SQLite format 3\0";
    let mut header = Vec::new();
    match File::open(path).and_then(|file| file.take(100).read_to_end(&mut header)) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused(path, error)),
    }
    if header.is_empty() {
        return Ok(());
    }
    if !header.starts_with(MAGIC) {
        return Err(unsupported(path, "unknown (not of SQLite)"));
    }
    let number = |at: usize| header.get(at..at + 4).map(|bytes| u32::from_be_bytes(bytes.try_into().expect("4 bytes")));
    let (Some(schema_changes), Some(version), Some(application)) = (number(40), number(60), number(68)) else {
        return Ok(()); // cut off within the header, which SQLite reports
    };
    check(path, application, version, schema_changes > 0)?;
    has_its_end(path, &header)
}

/// Checks that a file ends with a page, unless a write-ahead log lies next to it that may complete it. SQLite itself reads a last page that
/// is cut off as if zeros followed.
fn has_its_end(path: &Path, header: &[u8]) -> Result<(), StoreError> {
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    let page = match u64::from(u16::from_be_bytes([header[16], header[17]])) {
        1 => 65_536,
        bytes => bytes.max(1),
    };
    let bytes = length(path);
    if bytes % page == 0 || length(&beside(path, "-wal")) > 0 {
        return Ok(());
    }
    let why = format!("it has {bytes} bytes, and its pages have {page}: its end is missing; restore it from a backup");
    Err(corrupt(path.display().to_string(), why))
}

/// Brings the tables up to date, each step in a transaction of its own.
///
/// # Errors
/// As [`inspect`], whose look at the file cannot see what is still in its write-ahead log.
pub(crate) fn migrate(path: &Path, connection: &mut Connection) -> Result<()> {
    loop {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let number = |name| transaction.pragma_query_value(None, name, |row| row.get(0)).map(i32::cast_unsigned);
        let (version, application) = (number("user_version")?, number("application_id")?);
        let tables: bool = transaction.query_row("SELECT count(*) > 0 FROM sqlite_schema", [], |row| row.get(0))?;
        check(path, application, version, tables)?;
        let Some(migration) = MIGRATIONS.get(version as usize) else { return Ok(()) };
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.commit()?;
    }
}

/// Notes the identity of a log that is about to be replaced.
pub(crate) fn note_replaced(db: &Connection, space: SpaceKey) -> Result<()> {
    db.execute_batch(include_str!("schema/replaced.sql"))?;
    db.execute("INSERT OR IGNORE INTO replaced (log) SELECT log FROM spaces WHERE id = ?1", [space.0])?;
    Ok(())
}

/// Whether a log of this file had this identity, and was replaced.
pub(crate) fn was_replaced(db: &Connection, log: &[u8]) -> Result<bool> {
    let has = "SELECT count(*) > 0 FROM sqlite_schema WHERE type = 'table' AND name = 'replaced'";
    let find = "SELECT count(*) > 0 FROM replaced WHERE log = ?1";
    Ok(db.query_row(has, [], |row| row.get(0))? && db.query_row(find, [log], |row| row.get(0))?)
}

fn check(path: &Path, application: u32, version: u32, tables: bool) -> Result<(), StoreError> {
    match application {
        APPLICATION_ID if version > NEWEST => Err(unsupported(path, &version.to_string())),
        APPLICATION_ID => Ok(()),
        0 if !tables => Ok(()),
        0 => Err(unsupported(path, "unknown (a SQLite database of another program)")),
        id => {
            Err(unsupported(path, &format!("unknown (a SQLite database of another program, application id {id:#x})")))
        }
    }
}

fn unsupported(path: &Path, found: &str) -> StoreError {
    StoreError::UnsupportedFormat { what: path.display().to_string(), found: found.into(), newest: NEWEST }
}
