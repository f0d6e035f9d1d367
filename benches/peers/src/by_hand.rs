//! A log and its rows by hand on SQLite, as an engineer would write it for one application. It checks and hashes nothing, and reads nothing
//! before it writes.
//!
//! There are two forms: a row of the log for each event, and a row for each bundle. Rows of attributes carry the time of their last
//! write, and of two writes the later one stays.

use std::marker::PhantomData;
use std::path::Path;

use rusqlite::{Connection, params};

use crate::Failure;
use crate::plan::{Change, PER_BUNDLE};
use crate::round::{Replica, State};

pub(crate) const BY_EVENT: &str = "SQLite by hand, a row for each event";
pub(crate) const BY_BUNDLE: &str = "SQLite by hand, a row for each bundle";

const SETUP: &str = "
    PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4000;
    PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;
    CREATE TABLE log (
        position INTEGER PRIMARY KEY, author INTEGER NOT NULL, seq INTEGER NOT NULL, time INTEGER NOT NULL, body BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX log_by_author ON log (author, seq);
    CREATE TABLE attributes (
        key TEXT PRIMARY KEY, time INTEGER NOT NULL, author INTEGER NOT NULL, value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;";
const APPEND: &str = "INSERT INTO log (position, author, seq, time, body) VALUES (?1, ?2, ?3, ?4, ?5)";
const PUT: &str = "INSERT INTO attributes (key, time, author, value) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (key) DO UPDATE SET time = excluded.time, author = excluded.author, value = excluded.value
    WHERE (excluded.time, excluded.author) > (time, author)";
const READ: &str = "SELECT author, seq, time, body FROM log WHERE position > ?1 ORDER BY position LIMIT ?2";
/// Events of one page.
const PAGE_EVENTS: usize = 10_000;

/// How events are kept.
pub(crate) trait Form {
    /// Events of one row of the log.
    const PER_ROW: usize;
}

/// A row of the log for each event.
pub(crate) struct Single;
/// A row of the log for each bundle.
pub(crate) struct Packed;

impl Form for Single {
    const PER_ROW: usize = 1;
}

impl Form for Packed {
    const PER_ROW: usize = PER_BUNDLE;
}

pub(crate) type ByEvent = ByHand<Single>;
pub(crate) type ByBundle = ByHand<Packed>;

/// A replica.
pub(crate) struct ByHand<F> {
    db: Connection,
    author: i64,
    position: i64,
    seq: i64,
    form: PhantomData<F>,
}

/// A row of the log.
struct Entry {
    author: i64,
    seq: i64,
    time: i64,
    body: Vec<u8>,
}

impl<F: Form> ByHand<F> {
    /// Writes entries and the rows that they touch, each row once and in the order of keys.
    fn apply(&mut self, entries: &[Entry]) -> Result<(), Failure> {
        let transaction = self.db.transaction()?;
        let mut append = transaction.prepare_cached(APPEND)?;
        let mut rows: Vec<(&str, i64, i64, &str)> = Vec::new();
        for entry in entries {
            self.position += 1;
            append.execute(params![self.position, entry.author, entry.seq, entry.time, entry.body])?;
            for (key, value) in events(&entry.body) {
                rows.push((key, entry.time, entry.author, value));
            }
        }
        // Stable, so that of writes at one time the last one stays.
        rows.sort_by_key(|(key, time, author, _)| (*key, *time, *author));
        let mut put = transaction.prepare_cached(PUT)?;
        for rows in rows.chunk_by(|(a, ..), (b, ..)| a == b) {
            let (key, time, author, value) = rows[rows.len() - 1];
            put.execute(params![key, time, author, value])?;
        }
        drop((append, put));
        Ok(transaction.commit()?)
    }
}

impl<F: Form> Replica for ByHand<F> {
    fn create(folder: &Path, number: u64) -> Result<Self, Failure> {
        let db = Connection::open(folder.join(format!("by-hand-{number}.sqlite")))?;
        db.execute_batch(SETUP)?;
        Ok(Self { db, author: i64::try_from(number)?, position: 0, seq: 0, form: PhantomData })
    }

    fn write(&mut self, bundle: &[Change]) -> Result<(), Failure> {
        let mut entries = Vec::with_capacity(bundle.len().div_ceil(F::PER_ROW));
        for changes in bundle.chunks(F::PER_ROW) {
            self.seq += 1;
            entries.push(Entry { author: self.author, seq: self.seq, time: self.seq, body: body(changes) });
        }
        self.apply(&entries)
    }

    fn merge(&mut self, other: &mut Self) -> Result<(), Failure> {
        self.fetch(other)
    }

    fn fetch(&mut self, hub: &mut Self) -> Result<(), Failure> {
        let (mut after, rows) = (0, PAGE_EVENTS / F::PER_ROW);
        loop {
            let mut read = hub.db.prepare_cached(READ)?;
            let page = read.query_map(params![after, i64::try_from(rows)?], |row| {
                Ok(Entry { author: row.get(0)?, seq: row.get(1)?, time: row.get(2)?, body: row.get(3)? })
            })?;
            let page = page.collect::<Result<Vec<_>, _>>()?;
            if page.is_empty() {
                return Ok(());
            }
            after += i64::try_from(page.len())?;
            self.apply(&page)?;
        }
    }

    fn state(&mut self) -> Result<State, Failure> {
        let mut select = self.db.prepare("SELECT key, value FROM attributes")?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// The bytes of some events: lengths of 16 bits before keys and values.
fn body(changes: &[Change]) -> Vec<u8> {
    let mut body = Vec::new();
    for change in changes {
        for text in [&change.key(), &change.value] {
            body.extend_from_slice(&(text.len() as u16).to_be_bytes());
            body.extend_from_slice(text.as_bytes());
        }
    }
    body
}

/// The keys and values in such bytes, up to the first that do not read back.
fn events(body: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = body;
    std::iter::from_fn(move || Some((text(&mut rest)?, text(&mut rest)?)))
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = rest.split_off(..2)?;
    std::str::from_utf8(rest.split_off(..usize::from(u16::from_be_bytes([length[0], length[1]])))?).ok()
}
