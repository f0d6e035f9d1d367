//! Giving back the space of what was deleted, as by a trim.
//!
//! SQLite fills the pages of what was deleted before it makes a file longer. If many more are free than are soon filled, some of
//! them are cut off after each group of commits, so that no commit waits for long. SQLite can cut a file only if it was made for it,
//! as this version makes files. One that an earlier version has made keeps its length until somebody runs `VACUUM` on it, or
//! goes on with a backup of it.

use rusqlite::Connection;

use crate::error::Result;

/// So many free pages are not worth a cut: 1 MiB.
const FREE_PAGES_MIN: u32 = 256;
/// Neither is this part of the file.
const FREE_PART_MIN: u32 = 4;
/// So many pages are cut off at once: 8 MiB.
const STEP: u32 = 2_048;

/// Whether there may be pages to cut off. SQLite is asked only then, since asking after each group would cost a part of a small commit.
#[derive(Debug)]
pub(crate) struct SpaceBack {
    is_due: bool,
}

impl Default for SpaceBack {
    /// The process before may have left some.
    fn default() -> Self {
        Self { is_due: true }
    }
}

impl SpaceBack {
    /// Notes whether a transaction has trimmed or replaced a log.
    pub(crate) fn expect(&mut self, is_trimmed: bool) {
        self.is_due |= is_trimmed;
    }

    /// Cuts off some free pages if there are many. A failure costs room and nothing else: after the next trim it is tried again.
    pub(crate) fn run(&mut self, db: &Connection) {
        self.is_due = self.is_due && cut(db).unwrap_or(false);
    }
}

/// Returns whether something was cut off, so that there may be more.
fn cut(db: &Connection) -> Result<bool> {
    let number = |pragma: &str| -> Result<u32> { Ok(db.prepare_cached(pragma)?.query_row([], |row| row.get(0))?) };
    let free = number("PRAGMA freelist_count")?;
    if free <= FREE_PAGES_MIN || free <= number("PRAGMA page_count")? / FREE_PART_MIN {
        return Ok(false);
    }
    let mut cut = db.prepare_cached(&format!("PRAGMA incremental_vacuum({STEP})"))?;
    let mut pages = cut.query([])?;
    // Each page is cut off by a step.
    while pages.next()?.is_some() {}
    Ok(number("PRAGMA freelist_count")? < free)
}
