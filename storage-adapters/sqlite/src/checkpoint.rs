//! How far the write-ahead log grows before it is copied into the file.
//!
//! A log that is written over is about twice as fast as one that grows, because the file system has nothing to note but the
//! bytes; so under small commits it is kept short. Large commits touch the same pages again and again, and every copy writes
//! a page once; so under large ones it may grow long.

use rusqlite::Connection;
use syncline::store::WriteBatch;

use crate::connection::PAGE_BYTES;

/// Pages of the log under small commits: 4 MiB.
const SHORT: u32 = 1_000;
/// Pages of the log under large commits: 40 MiB.
const LONG: u32 = 10_000;
/// From so many pages on, a commit is large.
const LARGE_COMMIT: usize = 250;

/// What the connection is set to.
#[derive(Debug, Default)]
pub(crate) struct Checkpoint {
    pages: u32,
}

impl Checkpoint {
    /// Prepares for a transaction that writes about so many pages. A setting that fails costs speed and nothing else.
    pub(crate) fn expect(&mut self, db: &Connection, pages: usize) {
        let wanted = if pages < LARGE_COMMIT { SHORT } else { LONG };
        if self.pages != wanted && db.pragma_update(None, "wal_autocheckpoint", wanted).is_ok() {
            self.pages = wanted;
        }
    }
}

/// About how many pages a commit writes: one for each row, and what its runs fill.
pub(crate) fn pages(batch: &WriteBatch) -> usize {
    let runs = batch.runs.iter().map(|append| append.run().as_bytes().len());
    batch.rows.len() + runs.sum::<usize>() / PAGE_BYTES as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_short_under_small_commits_and_long_under_large_ones() {
        let db = Connection::open_in_memory().unwrap();
        let mut checkpoint = Checkpoint::default();
        for (pages, expected) in [(1, SHORT), (LARGE_COMMIT, LONG), (100_000, LONG), (LARGE_COMMIT - 1, SHORT)] {
            checkpoint.expect(&db, pages);
            let set: u32 = db.pragma_query_value(None, "wal_autocheckpoint", |row| row.get(0)).unwrap();
            assert_eq!(set, expected, "{pages}");
        }
    }
}
