//! A write as a value: what one commit changes.

use bytes::Bytes;

use super::key::{RowKey, ViewId};
use crate::format::heads::{Head, Heads};
use crate::format::run::VerifiedRun;
use crate::format::time::NTP64;
use crate::id::{Dot, LogId, Position, ReplicaId, Revision};

/// Everything that one commit changes: first the replacement, then the rewritten tail, then runs, then voids, then cleared views, then
/// rows, and the trim last.
#[derive(Debug, Clone, Default)]
pub struct WriteBatch {
    /// The revision that the batch was computed from; `None` if it depends on nothing but contiguity, as in a relay.
    pub expected: Option<Revision>,
    /// The log begins anew. What comes after it in the batch finds the new log.
    pub replace: Option<Replacement>,
    /// One origin's tail, rewritten. Then `clock` replaces the log's clock, whatever it was: the times of the old tail are gone.
    pub rewrite: Option<Rewrite>,
    /// Runs to append, in order.
    pub runs: Vec<VerifiedRun>,
    /// Bundles to make void: their bodies are deleted, their headers and all hashes stay.
    pub voids: Vec<Dot>,
    /// Views whose rows and progress are deleted before `rows` are written.
    pub clear: Vec<ViewId>,
    /// Rows to put or delete. At most one per key.
    pub rows: Vec<RowWrite>,
    /// Up to which position these views are folded once the batch is applied.
    pub views: Vec<(ViewId, Position)>,
    /// A time the clock has issued or noted; the log keeps the largest.
    pub clock: NTP64,
    /// The log's new base: bundles up to here are deleted. It is no larger than the log's head was before the runs of the batch. A
    /// position up to which the log was trimmed before changes nothing, so that a trim may be repeated.
    pub trim: Option<Position>,
}

/// About how much memory a run, a row or another part of a batch takes in addition to its bytes.
const PART_BYTES: usize = 100;

impl WriteBatch {
    /// The runs that the batch brings, in the order in which they are checked: those of the rewrite, then those to append.
    pub fn verified_runs(&self) -> impl Iterator<Item = &VerifiedRun> {
        let rewritten = self.rewrite.iter().flat_map(|rewrite| &rewrite.runs).map(|(_, verified)| verified);
        rewritten.chain(&self.runs)
    }

    /// About how many bytes the batch takes in memory, all of its parts counted. Queues are bounded by it.
    pub fn bytes(&self) -> usize {
        let runs = self.verified_runs().map(|verified| PART_BYTES + verified.run().as_bytes().len());
        let value = |row: &RowWrite| row.value.as_ref().map_or(0, Bytes::len);
        let rows = self.rows.iter().map(|row| PART_BYTES + row.key.key.len() + value(row));
        let replaced = self.replace.as_ref().map_or(0, |replacement| 1 + replacement.heads.len());
        let changed = self.voids.len() + self.clear.len() + self.views.len() + usize::from(self.trim.is_some());
        runs.chain(rows).sum::<usize>() + (1 + replaced + changed) * PART_BYTES
    }
}

/// The log begins anew, as if it had held the bundles that the heads tell of and had then been trimmed to its end: it holds no bundle,
/// and its head and its base are the number of these bundles. Rows, the progress of views and the clock stay. For a log whose rows
/// come from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The log's new identity. It must never have been the log's before: a cursor into the old log must not be served from the new one.
    pub log: LogId,
    /// Per origin the last bundle that counts as known and trimmed. Nothing remains of the log's own heads. A head without a bundle
    /// counts as none.
    pub heads: Heads,
}

/// The tail of one origin, rewritten in its place: no position moves, and the log's head stays. For bundles that nobody else
/// has seen; the caller is responsible for that.
#[derive(Debug, Clone)]
pub struct Rewrite {
    /// Whose tail goes.
    pub origin: ReplicaId,
    /// The last of the origin's bundles that stays, as the log holds it.
    pub after: Head,
    /// The runs that take the tail's places: all of them and no other. Each follows the head of its origin, which may be another origin.
    pub runs: Vec<(Position, VerifiedRun)>,
}

/// One row to put, or to delete if `value` is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowWrite {
    /// Which row.
    pub key: RowKey,
    /// Its new state.
    pub value: Option<Bytes>,
}

/// Rows that a commit depends on, and a function that makes row writes of them.
pub struct RowFold {
    /// The rows to load.
    pub keys: Vec<RowKey>,
    make: Box<Make>,
}

type Make = dyn FnOnce(Vec<Option<Bytes>>) -> Option<Vec<RowWrite>> + Send;

impl RowFold {
    /// `make` gets one value per key, in the order of the keys. With `None` it says that nothing is to be committed. It is pure, and waits
    /// for nothing: a store may call it on any thread, while others wait for its answer.
    pub fn new(
        keys: Vec<RowKey>,
        make: impl FnOnce(Vec<Option<Bytes>>) -> Option<Vec<RowWrite>> + Send + 'static,
    ) -> Self {
        Self { keys, make: Box::new(make) }
    }

    /// What it makes of the stored values, one per key.
    pub fn make(self, stored: Vec<Option<Bytes>>) -> Option<Vec<RowWrite>> {
        (self.make)(stored)
    }

    /// The same fold, which then does `then` to what it has made.
    #[must_use]
    pub fn then(self, then: impl FnOnce(Option<Vec<RowWrite>>) -> Option<Vec<RowWrite>> + Send + 'static) -> Self {
        let Self { keys, make } = self;
        Self::new(keys, move |stored| then(make(stored)))
    }

    /// About how many bytes its keys take in memory.
    pub fn bytes(&self) -> usize {
        self.keys.iter().map(|key| size_of::<RowKey>() + key.key.len()).sum()
    }
}

impl std::fmt::Debug for RowFold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowFold").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The log's revision after it.
    pub revision: Revision,
    /// The log's head after it.
    pub head: Position,
}
