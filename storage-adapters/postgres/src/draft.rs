//! What a transaction is about to make of a space: the batches of a group, checked and joined before anything is written.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use syncline::store::memory::{check_append, check_row};
use syncline::store::rewrite::{Emptied, check_rewrite};
use syncline::store::{Committed, Rewrite, RowKey, StoreError, StoredRun, WriteBatch};
use syncline::{Append, Head, Position, ReplicaId, Revision, Seq, ViewId};

use crate::number::to_bigint;
use crate::tail::Tail;

mod runs;
#[cfg(test)]
mod tests;

pub(crate) use runs::Runs;
use runs::holds;

/// A batch's own outcome: taken, or refused without a trace.
pub(crate) type Outcome = std::result::Result<Committed, StoreError>;

/// How many origins' heads are remembered from one commit to the next.
const HEADS_REMEMBERED_MAX: usize = 1_024;

/// The batches that were taken, as one change from one revision to a later one.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    /// The revision that the change was computed from.
    pub(crate) base: Revision,
    /// The end of the log after it.
    pub(crate) tail: Tail,
    /// The origins whose heads moved.
    pub(crate) moved: BTreeSet<ReplicaId>,
    /// What becomes of the runs.
    pub(crate) runs: Runs,
    /// Views that lose their rows and progress before the rest is written.
    pub(crate) clear: BTreeSet<&'a ViewId>,
    /// The rows to put, or to delete; once [`Draft::of`] is done, sorted and each key once.
    pub(crate) rows: Vec<(&'a RowKey, Option<&'a Bytes>)>,
    pub(crate) views: BTreeMap<&'a ViewId, Position>,
}

impl<'a> Draft<'a> {
    /// Takes the batches one after the other, onto a log that ends with `tail`, which must know all their origins. `concerned`
    /// are the log's runs that their voids and rewrites concern. A batch that is refused leaves no trace, and takes none of the
    /// others with it.
    pub(crate) fn of(tail: Tail, concerned: Vec<StoredRun>, batches: &'a [WriteBatch]) -> (Self, Vec<Outcome>) {
        let mut draft = Self {
            base: tail.revision,
            tail,
            moved: BTreeSet::new(),
            runs: Runs::of(concerned),
            clear: BTreeSet::new(),
            rows: Vec::new(),
            views: BTreeMap::new(),
        };
        let outcomes = batches.iter().map(|batch| draft.take(batch)).collect();
        draft.settle_rows();
        (draft, outcomes)
    }

    /// Whether every batch was refused.
    pub(crate) fn is_empty(&self) -> bool {
        self.tail.revision == self.base
    }

    /// The heads that moved, those apart of which the log has nothing any more.
    pub(crate) fn heads(&self) -> impl Iterator<Item = (ReplicaId, Head)> + Clone + '_ {
        let heads = self.moved.iter().map(|origin| (*origin, self.tail.heads[origin]));
        heads.filter(|(_, head)| head.seq > Seq::ZERO)
    }

    /// The origins of which the log has nothing any more.
    pub(crate) fn forgotten(&self) -> impl Iterator<Item = ReplicaId> + '_ {
        self.moved.iter().copied().filter(|origin| self.tail.heads[origin].seq == Seq::ZERO)
    }

    /// What to remember of the log once the draft is committed.
    pub(crate) fn into_tail(mut self) -> Tail {
        if self.tail.heads.len() > HEADS_REMEMBERED_MAX {
            self.tail.heads.retain(|origin, _| self.moved.contains(origin));
        }
        self.tail
    }

    fn take(&mut self, batch: &'a WriteBatch) -> Outcome {
        self.check(batch)?;
        if let Some(rewrite) = &batch.rewrite {
            self.rewrite(rewrite)?;
        }
        for append in &batch.runs {
            let position = self.tail.head.plus(1);
            self.tail.head = self.tail.head.plus(append.run().count());
            self.place(position, append);
        }
        self.runs.make_voids(&batch.voids);
        batch.clear.iter().for_each(|view| self.clear(view));
        self.rows.extend(batch.rows.iter().map(|row| (&row.key, row.value.as_ref())));
        self.views.extend(batch.views.iter().map(|(view, position)| (view, *position)));
        self.tail.clock = if batch.rewrite.is_some() { batch.clock } else { batch.clock.max(self.tail.clock) };
        self.tail.revision = self.tail.revision.plus(1);
        Ok(Committed { revision: self.tail.revision, head: self.tail.head })
    }

    fn check(&self, batch: &WriteBatch) -> Result<(), StoreError> {
        let found = self.tail.revision;
        if let Some(expected) = batch.expected.filter(|expected| *expected != found) {
            return Err(StoreError::Conflict { expected, found });
        }
        let mut heads = BTreeMap::new();
        let mut appends: Vec<&Append> = Vec::new();
        if let Some(rewrite) = &batch.rewrite {
            self.check_rewrite(rewrite)?;
            heads.insert(rewrite.origin, rewrite.after);
            appends.extend(rewrite.runs.iter().map(|(_, append)| append));
        }
        appends.extend(&batch.runs);
        for append in &appends {
            let origin = append.run().origin();
            let head = heads.entry(origin).or_insert_with(|| self.tail.heads[&origin]);
            check_append(append, *head)?;
            to_bigint("seq", append.run().last().get())?;
            *head = append.head();
        }
        for dot in &batch.voids {
            let head = heads.get(&dot.origin).unwrap_or_else(|| &self.tail.heads[&dot.origin]);
            if dot.seq == Seq::ZERO || dot.seq > head.seq {
                return Err(StoreError::NoSuchBundle { dot: *dot });
            }
            if !appends.iter().any(|append| holds(append.run(), *dot)) {
                self.runs.find(*dot)?;
            }
        }
        let added = batch.runs.iter().map(|append| append.run().count()).sum();
        to_bigint("position", self.tail.head.plus(added).get())?;
        to_bigint("revision", found.plus(1).get())?;
        batch.views.iter().try_for_each(|(_, position)| to_bigint("position", position.get()).map(drop))?;
        batch.rows.iter().try_for_each(|row| check_row(&row.key, row.value.as_ref()))
    }

    fn check_rewrite(&self, rewrite: &Rewrite) -> Result<Emptied, StoreError> {
        let tail: Vec<_> = self.runs.behind(rewrite.origin, rewrite.after.seq).cloned().collect();
        check_rewrite(rewrite, &tail, self.tail.heads[&rewrite.origin])
    }

    fn rewrite(&mut self, rewrite: &Rewrite) -> Result<(), StoreError> {
        let Emptied { kept, .. } = self.check_rewrite(rewrite)?;
        self.runs.remove_behind(rewrite.origin, rewrite.after.seq);
        kept.into_iter().for_each(|kept| self.runs.insert(kept));
        let head = if rewrite.after.seq == Seq::ZERO { Head::NONE } else { rewrite.after };
        self.tail.heads.insert(rewrite.origin, head);
        self.moved.insert(rewrite.origin);
        rewrite.runs.iter().for_each(|(position, append)| self.place(*position, append));
        Ok(())
    }

    fn place(&mut self, position: Position, append: &Append) {
        let origin = append.run().origin();
        self.tail.heads.insert(origin, append.head());
        self.moved.insert(origin);
        self.runs.insert(StoredRun { position, previous: append.previous(), run: append.run().clone() });
    }

    fn clear(&mut self, view: &'a ViewId) {
        self.rows.retain(|(key, _)| key.view != *view);
        self.views.remove(view);
        self.clear.insert(view);
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

/// Whether a batch is written by one statement: it only adds to the log, and deletes no row.
pub(crate) fn only_adds(batch: &WriteBatch) -> bool {
    let deletes = batch.rows.iter().any(|row| row.value.is_none());
    batch.rewrite.is_none() && batch.voids.is_empty() && batch.clear.is_empty() && !deletes
}

/// The origins that a group's batches speak of.
pub(crate) fn origins(batches: &[WriteBatch]) -> BTreeSet<ReplicaId> {
    let runs = batches.iter().flat_map(|batch| &batch.runs).map(|append| append.run().origin());
    let voids = batches.iter().flat_map(|batch| &batch.voids).map(|dot| dot.origin);
    let rewrites = batches.iter().filter_map(|batch| batch.rewrite.as_ref());
    let rewritten = |rewrite: &Rewrite| {
        let origins: Vec<_> = rewrite.runs.iter().map(|(_, append)| append.run().origin()).collect();
        [origins, vec![rewrite.origin]].concat()
    };
    runs.chain(voids).chain(rewrites.flat_map(rewritten)).collect()
}
