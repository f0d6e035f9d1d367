//! Cutting runs and rows into pages: shared by all adapters, so that every store cuts alike.

use bytes::Bytes;

use crate::format::run::{Bundle, Run, join};
use crate::id::{Cursor, Position, Seq};
use crate::limits::RUN_BYTES_MAX;

use super::{Limit, LogStatus, Page, Row, StoredRun};

/// A run takes at most this many bytes in addition to its bundles.
const RUN_FRAMING_BYTES: u64 = 43;
/// A bundle takes at most this many bytes in addition to its body or digest.
const BUNDLE_FRAMING_BYTES: u64 = 13;

/// Collects runs up to a limit. Cuts the first at its start and the last at its end if needed, and joins runs of one origin
/// that follow each other and lie side by side in the log, so that bundles written one by one travel packed.
#[derive(Debug)]
pub struct PageBuilder {
    limit: Limit,
    runs: Vec<StoredRun>,
    /// The runs to be joined into the last of `runs`.
    joined: Vec<Run>,
    joined_bytes: usize,
    items: u64,
    bytes: u64,
    full: bool,
}

impl PageBuilder {
    /// An empty page of at most `limit`.
    pub fn new(limit: Limit) -> Self {
        Self { limit, runs: Vec::new(), joined: Vec::new(), joined_bytes: 0, items: 0, bytes: 0, full: false }
    }

    /// Adds the bundles of `stored` that lie behind position `after`. Returns whether the page takes more.
    pub fn push_after(&mut self, stored: StoredRun, after: Position) -> bool {
        match stored.behind(after) {
            Some(rest) => self.push(rest),
            None => !self.full,
        }
    }

    /// Adds the bundles of `stored` from `seq` on. Returns whether the page takes more.
    pub fn push_from(&mut self, stored: StoredRun, seq: Seq) -> bool {
        let known = seq.since(stored.run.first());
        match stored.skip(known) {
            Some(rest) => self.push(rest),
            None => !self.full,
        }
    }

    /// Adds a run, cut at the limit. Returns whether the page takes more.
    pub fn push(&mut self, stored: StoredRun) -> bool {
        stored.pieces().into_iter().all(|piece| self.push_piece(piece))
    }

    fn push_piece(&mut self, stored: StoredRun) -> bool {
        if self.full {
            return false;
        }
        let Some(stored) = self.cut(stored) else { return false };
        self.items += stored.run.count();
        self.bytes += stored.run.as_bytes().len() as u64;
        self.full |= self.items >= u64::from(self.limit.items) || self.bytes >= u64::from(self.limit.bytes);
        self.place(stored);
        !self.full
    }

    /// The collected runs, in the order they were added.
    pub fn finish(mut self) -> Vec<StoredRun> {
        self.seal();
        self.runs
    }

    /// The collected runs as a page of the log `status`, read from `after`.
    pub fn finish_page(self, after: Cursor, status: &LogStatus) -> Page {
        let runs = self.finish();
        let position = runs.last().map_or(after.position, StoredRun::end);
        Page { runs, next: Cursor { log: status.log, position }, head: status.head }
    }

    /// What of `stored` fits. The page's very first bundle always does.
    fn cut(&mut self, stored: StoredRun) -> Option<StoredRun> {
        let items = u64::from(self.limit.items).saturating_sub(self.items);
        let bytes = u64::from(self.limit.bytes).saturating_sub(self.bytes);
        if stored.run.count() <= items && stored.run.as_bytes().len() as u64 <= bytes {
            return Some(stored);
        }
        self.full = true;
        let mut size = RUN_FRAMING_BYTES;
        let fits = |bundle: &Bundle<'_>| {
            size += bundle.body.stored_bytes() + BUNDLE_FRAMING_BYTES;
            size <= bytes
        };
        let count = (stored.run.bundles().take_while(fits).count() as u64).min(items);
        if count == 0 && self.items > 0 {
            return None;
        }
        let last = stored.run.first().plus(count.max(1) - 1);
        let run = stored.run.until(last, stored.previous)?;
        Some(StoredRun { run, ..stored })
    }

    fn place(&mut self, stored: StoredRun) {
        let size = stored.run.as_bytes().len();
        let follows = |last: &StoredRun| {
            let joined: u64 = self.joined.iter().map(Run::count).sum();
            let is_next = last.run.first().plus(joined) == stored.run.first();
            is_next && last.run.origin() == stored.run.origin() && last.position.plus(joined) == stored.position
        };
        let joins = self.runs.last().is_some_and(follows);
        if joins && self.joined_bytes + size <= RUN_BYTES_MAX {
            self.joined_bytes += size;
            self.joined.push(stored.run);
        } else {
            self.seal();
            self.joined_bytes = size;
            self.joined.push(stored.run.clone());
            self.runs.push(stored);
        }
    }

    fn seal(&mut self) {
        if let Some(last) = self.runs.last_mut() {
            last.run = join(&self.joined);
        }
        self.joined.clear();
    }
}

/// Collects rows up to a limit. The first row is always taken.
#[derive(Debug)]
pub struct RowPageBuilder {
    /// What is left of the limit.
    items: u64,
    bytes: u64,
    rows: Vec<Row>,
}

impl RowPageBuilder {
    /// An empty page of at most `limit`.
    pub fn new(limit: Limit) -> Self {
        Self { items: limit.items.into(), bytes: limit.bytes.into(), rows: Vec::new() }
    }

    /// Adds a row whose key and value have `bytes` together, if it fits. Returns whether it does: the page ends before the first
    /// row that does not.
    pub fn push(&mut self, bytes: usize, row: impl FnOnce() -> Row) -> bool {
        let bytes = bytes as u64;
        if !self.rows.is_empty() && (self.items == 0 || self.bytes < bytes) {
            return false;
        }
        (self.items, self.bytes) = (self.items.saturating_sub(1), self.bytes.saturating_sub(bytes));
        self.rows.push(row());
        true
    }

    /// As [`push`](Self::push), of a row that is copied if it fits.
    pub fn push_copy(&mut self, key: &[u8], value: &[u8]) -> bool {
        let copy = || Row { key: Bytes::copy_from_slice(key), value: Bytes::copy_from_slice(value) };
        self.push(key.len() + value.len(), copy)
    }

    /// The collected rows, in the order they were added.
    pub fn finish(self) -> Vec<Row> {
        self.rows
    }
}
