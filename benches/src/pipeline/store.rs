//! The pipeline's SQLite files.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, params};
use syncline::store::Durability;

use super::page::{self, Record};
use crate::bare::connect;
use crate::{Failure, State};

const TABLES: &str = "
    CREATE TABLE events (
        position INTEGER PRIMARY KEY,
        node     INTEGER NOT NULL,
        seq      INTEGER NOT NULL,
        time     INTEGER NOT NULL,
        payload  BLOB    NOT NULL,
        UNIQUE (node, seq)
    ) STRICT;
    CREATE TABLE rows (
        key      BLOB    NOT NULL PRIMARY KEY,
        time     INTEGER NOT NULL,
        node     INTEGER NOT NULL,
        value    BLOB    NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE cursor (position INTEGER NOT NULL) STRICT;
    INSERT INTO cursor VALUES (0);";
const EVENT: &str = "INSERT OR IGNORE INTO events (node, seq, time, payload) VALUES (?1, ?2, ?3, ?4)";
const ROW: &str = "INSERT INTO rows (key, time, node, value) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT DO UPDATE SET time = excluded.time, node = excluded.node, value = excluded.value
    WHERE (excluded.time, excluded.node) > (time, node)";

/// A log with one row per event, and the latest value of each key.
#[derive(Debug)]
pub struct PipelineStore {
    db: Connection,
}

impl PipelineStore {
    /// An empty one in a new file.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn create(file: &Path, durability: Durability) -> Result<Self, Failure> {
        let db = connect(file, durability)?;
        db.execute_batch(TABLES)?;
        Ok(Self { db })
    }

    /// Records events in one transaction, without their rows, as a server does.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn append<'a>(&mut self, records: impl IntoIterator<Item = Record<'a>>) -> Result<(), Failure> {
        let transaction = self.db.transaction()?;
        let mut insert = transaction.prepare_cached(EVENT)?;
        for Record { node, seq, time, payload } in records {
            insert.execute(params![node, seq, time, payload])?;
        }
        drop(insert);
        Ok(transaction.commit()?)
    }

    /// The page of events behind a position.
    pub(super) fn page(&self, after: i64, events: usize) -> Result<Vec<u8>, Failure> {
        let select =
            "SELECT position, node, seq, time, payload FROM events WHERE position > ?1 ORDER BY position LIMIT ?2";
        let mut select = self.db.prepare_cached(select)?;
        let mut rows = select.query(params![after, events as i64])?;
        let (mut page, mut end) = (page::begin(events * 128), after);
        while let Some(row) = rows.next()? {
            end = row.get(0)?;
            let payload = row.get_ref(4)?.as_blob()?;
            page::put(&mut page, &Record { node: row.get(1)?, seq: row.get(2)?, time: row.get(3)?, payload });
        }
        page::set_end(&mut page, end);
        Ok(page)
    }

    /// Takes a page: its events, the rows folded from them, and how far the server's log is read.
    pub(super) fn apply(&mut self, page: &[u8]) -> Result<(), Failure> {
        let mut latest: HashMap<&[u8], (i64, i64, &[u8])> = HashMap::new();
        let transaction = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let mut insert = transaction.prepare_cached(EVENT)?;
        for record in page::records(page) {
            let record = record?;
            let Record { node, seq, time, payload } = record;
            if insert.execute(params![node, seq, time, payload])? == 1 {
                let (key, value) = record.split().ok_or("a payload is malformed")?;
                let row = latest.entry(key).or_insert((time, node, value));
                if (row.0, row.1) <= (time, node) {
                    *row = (time, node, value);
                }
            }
        }
        drop(insert);
        let mut rows: Vec<_> = latest.into_iter().collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        let mut put = transaction.prepare_cached(ROW)?;
        for (key, (time, node, value)) in rows {
            put.execute(params![key, time, node, value])?;
        }
        drop(put);
        transaction.prepare_cached("UPDATE cursor SET position = ?1")?.execute([page::end(page)?])?;
        Ok(transaction.commit()?)
    }

    /// The latest value of each key.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn state(&self) -> Result<State, Failure> {
        let mut select = self.db.prepare("SELECT key, CAST(value AS TEXT) FROM rows")?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
