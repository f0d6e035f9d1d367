//! The same inserts by hand: plain rusqlite, no engine, no second thread.
//!
//! The tables are those of `syncline-sqlite`, and each write makes the inserts that it makes: the encoded run, the origin's
//! head, the space's row, the attribute rows. What it leaves out is what an engine is for: it checks nothing, hashes nothing,
//! and knows that nobody else writes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, params};
use syncline::store::Durability;
use syncline::time::STAMP_BYTES;

use crate::workload::Change;
use crate::{Failure, State};

const TABLES: &str = "
    CREATE TABLE spaces (
        id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, head INTEGER NOT NULL, clock BLOB NOT NULL, folded TEXT NOT NULL
    ) STRICT;
    CREATE TABLE heads (
        id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, chain BLOB NOT NULL, time BLOB NOT NULL
    ) STRICT;
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY, head INTEGER NOT NULL, seq INTEGER NOT NULL, previous BLOB NOT NULL, run BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX runs_by_origin ON runs (head, seq);
    CREATE TABLE rows (
        view INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (view, key)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO spaces VALUES (1, 0, 0, zeroblob(8), '');
    INSERT INTO heads VALUES (1, 0, zeroblob(32), zeroblob(8));";
const RUN: &str = "INSERT INTO runs (id, head, seq, previous, run) VALUES (?1, 1, ?2, ?3, ?4)";
const HEAD: &str = "UPDATE heads SET seq = ?1, chain = ?2, time = ?3 WHERE id = 1";
const SPACE: &str = "UPDATE spaces SET revision = ?1, head = ?1, clock = ?2, folded = ?3 WHERE id = 1";
const ROW: &str = "REPLACE INTO rows (view, key, value) VALUES (1, ?1, ?2)";
/// Where a chain hash stands in ours.
const NO_HASH: [u8; 32] = [0; 32];

/// Opens a connection with the settings that the adapter uses.
///
/// # Errors
/// As SQLite says.
pub fn connect(path: &Path, durability: Durability) -> Result<Connection, Failure> {
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

/// A log with attribute rows in a SQLite file, written by hand.
#[derive(Debug)]
pub struct Bare {
    db: Connection,
    written: i64,
}

impl Bare {
    /// An empty log in a new file.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn create(path: &Path, durability: Durability) -> Result<Self, Failure> {
        let db = connect(path, durability)?;
        db.execute_batch(TABLES)?;
        Ok(Self { db, written: 0 })
    }

    /// Records these changes together, in one transaction.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn write(&mut self, changes: &[Change]) -> Result<(), Failure> {
        let seq = self.written + 1;
        let time = now().to_be_bytes();
        let run = encode(seq, time, changes);
        self.db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.db.prepare_cached(RUN)?.execute(params![1 << 40 | seq, seq, NO_HASH, run])?;
        let mut put = self.db.prepare_cached(ROW)?;
        for (index, change) in sorted(changes) {
            put.execute(params![&change.key[..], row(time, index, &change.value)])?;
        }
        drop(put);
        self.db.prepare_cached(HEAD)?.execute(params![seq, NO_HASH, time])?;
        self.db.prepare_cached(SPACE)?.execute(params![seq, time, format!("attributes@1 {seq}\n")])?;
        self.db.prepare_cached("COMMIT")?.execute([])?;
        self.written = seq;
        Ok(())
    }

    /// Reads the whole log, and returns how many bytes it has.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn read_log(&self) -> Result<usize, Failure> {
        let mut select = self.db.prepare_cached("SELECT run FROM runs WHERE id > ?1 ORDER BY id")?;
        let mut rows = select.query([0])?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            bytes += row.get_ref(0)?.as_blob()?.to_vec().len();
        }
        Ok(bytes)
    }

    /// Reads one attribute.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let mut select = self.db.prepare_cached("SELECT value FROM rows WHERE view = 1 AND key = ?1")?;
        let mut rows = select.query([key])?;
        Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
    }

    /// All attributes with their values.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn state(&self) -> Result<State, Failure> {
        let mut select = self.db.prepare("SELECT key, CAST(substr(value, ?1) AS TEXT) FROM rows")?;
        let rows = select.query_map([STAMP_BYTES as i64 + 1], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<BTreeMap<_, _>, _>>()?)
    }
}

/// The last change of each key with its index, in key order: each row is written once.
fn sorted(changes: &[Change]) -> impl Iterator<Item = (usize, &Change)> {
    let mut order: Vec<_> = changes.iter().enumerate().collect();
    order.sort_unstable_by(|(a_index, a), (b_index, b)| a.key.cmp(&b.key).then(b_index.cmp(a_index)));
    order.dedup_by(|(_, later), (_, kept)| later.key == kept.key);
    order.into_iter()
}

/// The bytes that a run of one bundle takes.
fn encode(seq: i64, time: [u8; 8], changes: &[Change]) -> Vec<u8> {
    let body: usize = changes.iter().map(|change| change.payload_bytes() + 2).sum();
    let mut run = Vec::with_capacity(48 + body);
    run.push(1);
    run.extend_from_slice(&[7; 16]);
    put_varint(&mut run, seq.unsigned_abs());
    run.extend_from_slice(&[0; 8]);
    run.extend_from_slice(&time);
    put_varint(&mut run, (body as u64) << 1);
    for (index, change) in changes.iter().enumerate() {
        run.extend_from_slice(&[u8::from(index == 0), change.payload_bytes() as u8]);
        change.put_payload(&mut run);
    }
    run
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The bytes of an attribute's row.
fn row(time: [u8; 8], index: usize, value: &str) -> Vec<u8> {
    let mut row = Vec::with_capacity(STAMP_BYTES + value.len());
    row.extend_from_slice(&time);
    row.extend_from_slice(&[7; 16]);
    row.extend_from_slice(&(index as u16).to_be_bytes());
    row.extend_from_slice(value.as_bytes());
    row
}

fn now() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    elapsed.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline::Run;

    #[test]
    fn what_is_stored_by_hand_reads_as_a_run() {
        let change = |key: &[u8], value: &str| Change { key: key.to_vec(), value: value.into() };
        let changes = [change(b"a\0b", "1"), change(b"a\0c", "2")];
        let run = Run::decode(encode(300, [1; 8], &changes).into()).unwrap();
        assert_eq!((run.first().get(), run.count()), (300, 1));
        let bundle = run.bundles().next().unwrap();
        let payloads: Vec<_> = bundle.events().map(|event| event.unwrap().payload.to_vec()).collect();
        assert_eq!(payloads, changes.map(|change| change.event().unwrap().payload.to_vec()));
    }

    #[test]
    fn of_two_changes_of_a_key_the_later_is_kept() {
        let change = |key: &[u8], value: &str| Change { key: key.to_vec(), value: value.into() };
        let changes = [change(b"b", "1"), change(b"a", "2"), change(b"b", "3")];
        let kept: Vec<_> = sorted(&changes).map(|(index, change)| (index, &change.value[..])).collect();
        assert_eq!(kept, [(1, "2"), (2, "3")]);
    }
}
