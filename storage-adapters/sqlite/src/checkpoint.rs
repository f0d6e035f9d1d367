//! How far the write-ahead log grows before it is copied into the file.
//!
//! A log that is written over is about twice as fast as one that grows, because the file system has nothing to note but the
//! bytes; so under small commits it is kept short. Large commits touch the same pages again and again, and every copy writes
//! a page once; so under large ones it may grow long. It is copied after commits are answered, so that nobody waits for it.

use std::cell::Cell;

use rusqlite::Connection;

use crate::error::Result;

thread_local! {
    /// How many pages a log had after the commit that was the last one on this thread. SQLite tells it to a function that has no
    /// place of its own, and asking for it costs a tenth of a small commit. Each writing connection has a thread of its own.
    static PAGES: Cell<u32> = const { Cell::new(0) };
}

/// Pages of the log under small commits: 4 MiB.
const SHORT: u32 = 1_000;
/// Pages of the log under large commits: 40 MiB.
const LONG: u32 = 10_000;
/// From so many pages on, a commit is large.
const LARGE_COMMIT: u32 = 250;

/// How long the log was when it was looked at last.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    pages: u32,
}

impl Checkpoint {
    /// Lets a connection tell after each of its commits how long the log is. SQLite itself copies nothing from then on.
    pub(crate) fn of(db: &Connection) -> Self {
        db.wal_hook(Some(|_, pages| {
            PAGES.set(pages.unsigned_abs());
            Ok(())
        }));
        Self { pages: 0 }
    }

    /// Copies the log into the file if it has become long enough. Called on the thread of the commits. A failure costs room and
    /// nothing else: the next commit tries again.
    pub(crate) fn run(&mut self, db: &Connection) {
        let pages = PAGES.get();
        if is_due(self.pages, pages) {
            let _ = copy(db);
        }
        self.pages = pages;
    }
}

/// Whether a log that has grown from one length to another is to be copied. One that has become shorter was begun again.
fn is_due(before: u32, pages: u32) -> bool {
    let written = pages.checked_sub(before).unwrap_or(pages);
    pages >= if written < LARGE_COMMIT { SHORT } else { LONG }
}

/// Copies what no reader needs any more, and waits for nobody.
fn copy(db: &Connection) -> Result<()> {
    Ok(db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_short_under_small_commits_and_long_under_large_ones() {
        let copied = [
            (0, SHORT - 1),
            (SHORT - 9, SHORT),
            (SHORT, SHORT + 249),
            (SHORT, SHORT + 250),
            (9_000, LONG),
            (LONG, SHORT),
        ];
        assert_eq!(copied.map(|(before, pages)| is_due(before, pages)), [false, true, true, false, true, false]);
    }

    #[test]
    fn a_log_that_was_copied_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let db = Connection::open(dir.path().join("a.sqlite")).unwrap();
        db.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (a)").unwrap();
        let (mut checkpoint, mut longest) = (Checkpoint::of(&db), 0);
        for _ in 0..30 {
            db.execute("INSERT INTO t VALUES (zeroblob(400000))", []).unwrap();
            checkpoint.run(&db);
            longest = longest.max(checkpoint.pages);
        }
        assert!((SHORT..SHORT + 2 * LARGE_COMMIT).contains(&longest), "{longest}");
    }
}
