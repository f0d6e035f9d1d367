//! By hand on rusqlite. The tables are those of `syncline-sqlite`, and each write makes the inserts that it makes.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, params};
use syncline::store::Durability;

use super::{Batch, NO_HASH, Pair, encode};
use crate::Failure;

const TABLES: &str = "
    CREATE TABLE spaces (
        id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, head INTEGER NOT NULL, clock BLOB NOT NULL, folded TEXT NOT NULL
    ) STRICT;
    CREATE TABLE heads (
        id INTEGER PRIMARY KEY, origin BLOB NOT NULL, seq INTEGER NOT NULL, chain BLOB NOT NULL, time BLOB NOT NULL
    ) STRICT;
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY, head INTEGER NOT NULL, seq INTEGER NOT NULL, previous BLOB NOT NULL, run BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX runs_by_origin ON runs (head, seq);
    CREATE TABLE rows (
        view INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (view, key)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO spaces VALUES (1, 0, 0, zeroblob(8), '');";
const RUN: &str = "INSERT INTO runs (id, head, seq, previous, run) VALUES (?1, ?2, ?3, ?4, ?5)";
const HEAD: &str = "REPLACE INTO heads (id, origin, seq, chain, time) VALUES (?1, ?2, ?3, ?4, ?5)";
const SPACE: &str = "UPDATE spaces SET revision = ?1, head = ?1, clock = ?2, folded = ifnull(?3, folded) WHERE id = 1";
const ROW: &str = "REPLACE INTO rows (view, key, value) VALUES (1, ?1, ?2)";
const LATE_ROW: &str = "INSERT INTO rows (view, key, value) VALUES (1, ?1, ?2)
    ON CONFLICT (view, key) DO UPDATE SET value = excluded.value WHERE excluded.value > value";

/// Opens a connection with the settings that the adapter uses.
///
/// # Errors
/// As SQLite says.
pub(crate) fn connect(path: &Path, durability: Durability) -> Result<Connection, Failure> {
    let db = Connection::open(path)?;
    let synchronous = if durability == Durability::Synced { "FULL" } else { "NORMAL" };
    let settings = format!(
        "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};
        PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -65536;
        PRAGMA temp_store = MEMORY;"
    );
    db.execute_batch(&settings)?;
    db.set_prepared_statement_cache_capacity(32);
    Ok(db)
}

/// A SQLite file.
#[derive(Debug)]
pub(super) struct Sqlite(Connection);

impl Sqlite {
    pub(super) fn create(path: &Path, durability: Durability) -> Result<Self, Failure> {
        let bare = Self::open(path, durability)?;
        bare.0.execute_batch(TABLES)?;
        Ok(bare)
    }

    pub(super) fn open(path: &Path, durability: Durability) -> Result<Self, Failure> {
        Ok(Self(connect(path, durability)?))
    }

    pub(super) fn commit(&mut self, batch: &Batch) -> Result<(), Failure> {
        let db = &self.0;
        db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut insert = db.prepare_cached(RUN)?;
        for entry in &batch.entries {
            let id = 1_i64 << 40 | to_integer(entry.position);
            insert.execute(params![id, entry.author, to_integer(entry.seq), NO_HASH, entry.run])?;
        }
        let mut put = db.prepare_cached(if batch.may_be_late { LATE_ROW } else { ROW })?;
        for (key, value) in &batch.rows {
            put.execute(params![key, value])?;
        }
        let mut head = db.prepare_cached(HEAD)?;
        for last in batch.heads() {
            let origin = encode::origin(last.author);
            head.execute(params![last.author, origin, to_integer(last.seq), NO_HASH, last.time])?;
        }
        let last = batch.last();
        db.prepare_cached(SPACE)?.execute(params![to_integer(last.position), last.time, batch.folded])?;
        db.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    pub(super) fn head(&mut self) -> Result<u64, Failure> {
        Ok(self.0.query_row("SELECT head FROM spaces WHERE id = 1", [], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    pub(super) fn read(&mut self, after: u64, count: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let select = "SELECT run FROM runs WHERE id > ?1 ORDER BY id LIMIT ?2";
        let (after, count) = (1_i64 << 40 | to_integer(after), i64::try_from(count).unwrap_or(i64::MAX));
        let mut select = self.0.prepare_cached(select)?;
        Ok(select.query_map(params![after, count], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    pub(super) fn replace_rows(&mut self, rows: &BTreeMap<Vec<u8>, Vec<u8>>, folded: &str) -> Result<(), Failure> {
        let transaction = self.0.transaction()?;
        transaction.execute("DELETE FROM rows", [])?;
        let mut put = transaction.prepare_cached(ROW)?;
        for (key, value) in rows {
            put.execute(params![key, value])?;
        }
        drop(put);
        transaction.execute("UPDATE spaces SET revision = revision + 1, folded = ?1", [folded])?;
        Ok(transaction.commit()?)
    }

    pub(super) fn row(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let mut select = self.0.prepare_cached("SELECT value FROM rows WHERE view = 1 AND key = ?1")?;
        let mut rows = select.query([key])?;
        Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
    }

    pub(super) fn rows(&mut self) -> Result<Vec<Pair>, Failure> {
        let mut select = self.0.prepare("SELECT key, value FROM rows")?;
        Ok(select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
    }
}

fn to_integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
