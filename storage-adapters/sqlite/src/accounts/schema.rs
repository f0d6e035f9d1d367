//! The tables of accounts. They are in a file once somebody has asked for accounts, so a replica's file has none.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use syncline::store::StoreError;

use crate::error::{Result, corrupt};

/// What brings the tables from one version to the next, from 0. Never changed once released, only added to.
const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];

/// The version that this build writes, and the newest that it reads.
pub(super) const NEWEST: u32 = MIGRATIONS.len() as u32;

/// The version of the tables in the file at `path`, 0 if there are none.
///
/// # Errors
/// [`StoreError::UnsupportedFormat`] if a newer build wrote them, [`StoreError::Corrupt`] if their mark is empty, those of SQLite.
pub(super) fn version(db: &Connection, path: &Path) -> Result<u32> {
    if !has_table(db, "account_format")? {
        // The first builds made accounts together with the log, and did not mark them.
        return Ok(u32::from(has_table(db, "account_users")?));
    }
    let mark = db.query_row("SELECT version FROM account_format", [], |row| row.get::<_, i64>(0)).optional()?;
    let mark = mark.ok_or_else(|| corrupt("the table account_format".into(), "it is empty"))?;
    match u32::try_from(mark) {
        Ok(version) if version <= NEWEST => Ok(version),
        _ => {
            let what = format!("the data of accounts in {}", path.display());
            Err(StoreError::UnsupportedFormat { what, found: mark.to_string(), newest: NEWEST }.into())
        }
    }
}

/// Creates the tables in the file at `path`, or brings them up to date, within a transaction.
///
/// # Errors
/// As [`version`].
pub(super) fn migrate(db: &Connection, path: &Path) -> Result<()> {
    for migration in &MIGRATIONS[version(db, path)? as usize..] {
        db.execute_batch(migration)?;
    }
    db.execute_batch("CREATE TABLE IF NOT EXISTS account_format (version INTEGER NOT NULL) STRICT")?;
    db.execute("DELETE FROM account_format", [])?;
    db.execute("INSERT INTO account_format VALUES (?1)", [NEWEST])?;
    Ok(())
}

fn has_table(db: &Connection, name: &str) -> Result<bool> {
    let select = "SELECT count(*) > 0 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    Ok(db.query_row(select, [name], |row| row.get(0))?)
}
