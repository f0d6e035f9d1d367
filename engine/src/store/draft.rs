//! The commit rule: what batches do to a log. It is pure, and every adapter uses it.
//!
//! An adapter reads what [`origins`], [`concerned`] and [`bases`] name, lets [`Draft::of`] check and join the batches, and writes what the
//! draft then holds. [`MemoryStore`](super::memory::MemoryStore) has the same rule in a form of its own: it is what adapters are compared
//! with.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::check::{BUNDLES, check_append, check_number, check_replacement, check_row, check_trim};
use super::rewrite::{Emptied, check_rewrite, first_missing};
use super::{Committed, LogStatus, Replacement, Rewrite, RowKey, StoreError, StoredRun, ViewId, WriteBatch};
use crate::format::heads::{Head, Heads};
use crate::format::run::VerifiedRun;
use crate::format::time::NTP64;
use crate::id::{Dot, LogId, Position, ReplicaId, Revision, Seq};

mod concerned;
mod runs;

pub use concerned::{Part, bases, concerned, origins};
pub use runs::Runs;
use runs::holds;

/// A batch's own outcome: taken, or refused without a trace.
pub type Outcome = Result<Committed, StoreError>;

/// A backend's name, and the largest numbers that it can keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Its name in errors.
    pub backend: &'static str,
    /// The largest position. It is no larger than `number`.
    pub position: Position,
    /// The largest seq, revision, and progress of a view.
    pub number: u64,
}

/// The end of a log, as far as a commit needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEnd {
    /// Which copy of the log.
    pub log: LogId,
    /// How many commits the log has seen.
    pub revision: Revision,
    /// The last bundle's position.
    pub head: Position,
    /// Bundles up to here are trimmed.
    pub base: Position,
    /// The log's clock.
    pub clock: NTP64,
    /// The heads of some origins; [`Head::NONE`] if the log has nothing of one.
    pub heads: BTreeMap<ReplicaId, Head>,
}

/// The batches that were taken, as one change of a log. A backend writes it in this order: first it empties a log that is replaced, then
/// what is removed or cleared goes.
#[derive(Debug)]
pub struct Draft<'a> {
    bounds: Bounds,
    before: LogEnd,
    /// The log's identity after the change.
    pub log: LogId,
    /// Whether the log begins anew. Then all of its runs and heads go, also from indices, and nothing else tells of them: the runs
    /// and heads of the change are those of the new log.
    pub is_replaced: bool,
    /// The log's revision after the change.
    pub revision: Revision,
    /// The last bundle's position after it.
    pub head: Position,
    /// The log's base after it. If it is [trimmed](Self::is_trimmed), every run of the log that ends here or before goes, also from
    /// indices. The run that it cuts, if there is one, is removed as others are, and its rest is inserted.
    pub base: Position,
    /// The log's clock after it.
    pub clock: NTP64,
    /// The heads that moved. `None`: the log has nothing of the origin any more.
    pub heads: BTreeMap<ReplicaId, Option<Head>>,
    /// What becomes of the runs.
    pub runs: Runs,
    /// Views that lose their rows and progress.
    pub clear: BTreeSet<&'a ViewId>,
    /// The rows to put, or to delete if there is no value: in the order of their keys, and each key once.
    pub rows: Vec<(&'a RowKey, Option<&'a Bytes>)>,
    /// Up to which position these views are folded.
    pub views: BTreeMap<&'a ViewId, Position>,
}

impl<'a> Draft<'a> {
    /// Takes the batches one after the other, onto a log that ends with `before`. It must know the heads of all their
    /// [`origins`], and `runs` must be the log's runs that are [`concerned`], or that hold places on both sides of a new base, see
    /// [`bases`]. A batch that is refused leaves no trace, and takes none of the others with it.
    ///
    /// # Panics
    /// If `before` does not know an origin.
    pub fn of(
        bounds: Bounds,
        before: LogEnd,
        runs: Vec<StoredRun>,
        batches: impl IntoIterator<Item = &'a WriteBatch>,
    ) -> (Self, Vec<Outcome>) {
        let LogEnd { log, revision, head, base, clock, .. } = before;
        let (runs, heads, clear) = (Runs::of(runs), BTreeMap::new(), BTreeSet::new());
        let (rows, views) = (Vec::new(), BTreeMap::new());
        let is_replaced = false;
        let mut draft =
            Self { bounds, before, log, is_replaced, revision, head, base, clock, heads, runs, clear, rows, views };
        let outcomes = batches.into_iter().map(|batch| draft.take(batch)).collect();
        draft.settle_rows();
        (draft, outcomes)
    }

    /// The end of the log that the change was computed from.
    pub fn before(&self) -> &LogEnd {
        &self.before
    }

    /// Whether every batch was refused.
    pub fn is_empty(&self) -> bool {
        self.revision == self.before.revision
    }

    /// Whether runs of the log go because they lie at or below the new base.
    pub fn is_trimmed(&self) -> bool {
        !self.is_replaced && self.base > self.before.base
    }

    /// The end of the log after the change, with the same heads as before and those that moved.
    pub fn into_end(self) -> LogEnd {
        let mut heads = self.before.heads;
        if self.is_replaced {
            heads.values_mut().for_each(|head| *head = Head::NONE);
        }
        heads.extend(self.heads.into_iter().map(|(origin, head)| (origin, head.unwrap_or(Head::NONE))));
        let Self { log, revision, head, base, clock, .. } = self;
        LogEnd { log, revision, head, base, clock, heads }
    }

    /// Makes the change known in a log's status, which was at the same end before.
    pub fn publish(&self, status: &mut LogStatus) {
        (status.revision, status.head, status.base, status.clock) = (self.revision, self.head, self.base, self.clock);
        if self.is_replaced {
            (status.log, status.heads) = (self.log, Heads::new());
        }
        for (origin, head) in &self.heads {
            match head {
                Some(head) => status.heads.set(*origin, *head),
                None => status.heads.remove(*origin),
            }
        }
        self.publish_views(&mut status.views);
    }

    /// Makes the change known in the progress of all views.
    pub fn publish_views(&self, views: &mut BTreeMap<ViewId, Position>) {
        views.retain(|view, _| !self.clear.contains(view));
        views.extend(self.views.iter().map(|(view, position)| ((*view).clone(), *position)));
    }

    fn take(&mut self, batch: &'a WriteBatch) -> Outcome {
        self.check_revision(batch)?;
        let Some(replacement) = &batch.replace else { return self.take_rest(batch) };
        let bundles = self.check_replacement(replacement)?;
        let (log, head, base, is_replaced) = (self.log, self.head, self.base, self.is_replaced);
        let (heads, runs) = (std::mem::take(&mut self.heads), std::mem::take(&mut self.runs));
        self.replace(replacement, bundles);
        self.take_rest(batch).inspect_err(|_| {
            (self.log, self.head, self.base, self.is_replaced) = (log, head, base, is_replaced);
            (self.heads, self.runs) = (heads, runs);
        })
    }

    /// Lets the log begin anew, behind as many bundles.
    fn replace(&mut self, replacement: &Replacement, bundles: Position) {
        (self.log, self.head, self.base, self.is_replaced) = (replacement.log, bundles, bundles, true);
        let known = replacement.heads.iter().filter(|(_, head)| head.seq > Seq::ZERO);
        self.heads = known.map(|(origin, head)| (origin, Some(head))).collect();
    }

    /// Takes what a batch holds behind its replacement.
    fn take_rest(&mut self, batch: &'a WriteBatch) -> Outcome {
        let emptied = self.check(batch)?;
        if let Some((rewrite, emptied)) = batch.rewrite.as_ref().zip(emptied) {
            self.rewrite(rewrite, emptied);
        }
        for verified in &batch.runs {
            let position = self.head.plus(1);
            self.head = self.head.plus(verified.run().count());
            self.place(position, verified);
        }
        self.runs.make_voids(&batch.voids);
        batch.clear.iter().for_each(|view| self.clear(view));
        self.rows.extend(batch.rows.iter().map(|row| (&row.key, row.value.as_ref())));
        self.views.extend(batch.views.iter().map(|(view, position)| (view, *position)));
        self.clock = if batch.rewrite.is_some() { batch.clock } else { batch.clock.max(self.clock) };
        if let Some(base) = batch.trim.filter(|base| *base > self.base) {
            self.base = base;
            self.runs.trim(base);
        }
        self.revision = self.revision.plus(1);
        Ok(Committed { revision: self.revision, head: self.head })
    }

    fn check_revision(&self, batch: &WriteBatch) -> Result<(), StoreError> {
        let found = self.revision;
        if let Some(expected) = batch.expected.filter(|expected| *expected != found) {
            return Err(StoreError::Conflict { expected, found });
        }
        check_number("revision", found.plus(1).get(), self.bounds.number)
    }

    /// Gives the number of bundles that the heads tell of.
    fn check_replacement(&self, replacement: &Replacement) -> Result<Position, StoreError> {
        let bundles = check_replacement(replacement, self.log)?;
        check_number(BUNDLES, bundles.get(), self.bounds.position.get())?;
        Ok(bundles)
    }

    /// Checks behind the replacement, in the order in which [`EventStore::commit`](super::EventStore::commit) tells errors. Gives what
    /// a rewrite empties.
    fn check(&self, batch: &WriteBatch) -> Result<Option<Emptied>, StoreError> {
        let number = self.bounds.number;
        let emptied = batch.rewrite.as_ref().map(|rewrite| self.check_rewrite(rewrite)).transpose()?;
        let mut heads: BTreeMap<_, _> = batch.rewrite.iter().map(|rewrite| (rewrite.origin, rewrite.after)).collect();
        for verified in batch.verified_runs() {
            let origin = verified.run().origin();
            let head = heads.entry(origin).or_insert_with(|| self.head_of(origin));
            check_append(verified, *head)?;
            check_number("seq", verified.run().last().get(), number)?;
            *head = verified.head();
        }
        let added = batch.runs.iter().map(|verified| verified.run().count()).sum();
        check_number(BUNDLES, self.head.plus(added).get(), self.bounds.position.get())?;
        for dot in &batch.voids {
            let head = heads.get(&dot.origin).copied().unwrap_or_else(|| self.head_of(dot.origin));
            if dot.seq == Seq::ZERO || dot.seq > head.seq {
                return Err(StoreError::NoSuchBundle { dot: *dot });
            }
            if !batch.verified_runs().any(|verified| holds(verified.run(), *dot)) {
                self.runs.find(*dot).ok_or_else(|| self.missing(*dot))?;
            }
        }
        batch.rows.iter().try_for_each(|row| check_row(&row.key, row.value.as_ref()))?;
        let mut views = batch.views.iter();
        views.try_for_each(|(_, position)| check_number("progress of a view", position.get(), number))?;
        check_trim(batch.trim, self.head)?;
        Ok(emptied)
    }

    fn check_rewrite(&self, rewrite: &Rewrite) -> Result<Emptied, StoreError> {
        let tail: Vec<_> = self.runs.behind(rewrite.origin, rewrite.after.seq).cloned().collect();
        let head = self.head_of(rewrite.origin);
        match first_missing(rewrite, &tail, head) {
            Some(dot) => Err(self.missing(dot)),
            None => check_rewrite(rewrite, &tail, head),
        }
    }

    /// What is told of a bundle that is not found, though the head of its origin tells of it.
    fn missing(&self, dot: Dot) -> StoreError {
        if self.base > Position::ZERO {
            return StoreError::Trimmed { dot, base: self.base };
        }
        StoreError::Corrupt {
            backend: self.bounds.backend,
            at: format!("bundle {dot}"),
            why: "the log does not hold it, though the head of its origin says so".to_owned(),
        }
    }

    fn rewrite(&mut self, rewrite: &Rewrite, Emptied { kept, .. }: Emptied) {
        self.runs.remove_behind(rewrite.origin, rewrite.after.seq);
        kept.into_iter().for_each(|kept| self.runs.insert(kept));
        self.heads.insert(rewrite.origin, Some(rewrite.after).filter(|after| after.seq > Seq::ZERO));
        rewrite.runs.iter().for_each(|(position, verified)| self.place(*position, verified));
    }

    fn place(&mut self, position: Position, verified: &VerifiedRun) {
        self.heads.insert(verified.run().origin(), Some(verified.head()));
        self.runs.insert(StoredRun { position, previous: verified.previous(), run: verified.run().clone() });
    }

    fn clear(&mut self, view: &'a ViewId) {
        self.rows.retain(|(key, _)| key.view != *view);
        self.views.remove(view);
        self.clear.insert(view);
    }

    fn head_of(&self, origin: ReplicaId) -> Head {
        match self.heads.get(&origin) {
            Some(head) => head.unwrap_or(Head::NONE),
            None if self.is_replaced => Head::NONE,
            None => self.before.heads[&origin],
        }
    }

    /// Sorts the rows and leaves of each key what was written last.
    fn settle_rows(&mut self) {
        self.rows.sort_by_key(|(key, _)| *key);
        self.rows.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                earlier.1 = later.1;
            }
            same
        });
    }
}
