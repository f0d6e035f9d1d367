//! Folding events into rows, and committing these rows with the bundles: in one step of the store if rows have to be read.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_channel::oneshot;

use super::checkpoint::{self, pre_image_keys, pre_images};
use super::turn::{Change, Turn};
use super::unreadable::notes;
use crate::id::Position;
use crate::projection::fold::{Folded, Plan};
use crate::store::whole::{self, Stubs};
use crate::store::{Retry, RowFold, RowKey, RowWrite, StoreError, ViewId, WriteBatch};

/// Whose events are folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Own writes, which nobody else has seen yet: those that cannot be folded are refused.
    Own,
    /// Those of the log, or of a peer: what cannot be folded is put aside.
    Anyones,
}

/// What came of folding and committing.
#[derive(Debug)]
pub(super) enum Folding {
    /// The batch was committed with the rows.
    Committed,
    /// Nothing was committed: own writes cannot be folded, or let a row grow too large.
    Refused(Box<Folded>),
    /// A row did not read back. Its view was cleared, to be folded again from the log: start over.
    StartOver,
}

/// What decides whether folded rows are committed.
#[derive(Debug, Clone)]
struct Rules {
    /// Views that were folded again once already, because a row did not read back.
    mended: BTreeSet<ViewId>,
    /// Bytes up to which own writes may let a row grow. `None` for the events of others.
    row_bytes_max: Option<usize>,
    /// Larger rows are kept in pieces of so many bytes.
    piece_bytes: usize,
}

/// Why folded rows are not committed.
#[derive(Debug)]
enum Refusal {
    /// Rows of these views do not read back.
    Damaged(Vec<ViewId>),
    /// Own writes break a rule.
    Unwritable(Box<Folded>),
}

/// A fold that was tried with rows as they are stored.
#[derive(Debug)]
enum Attempt {
    /// All rows were whole. Gives what is to be stored.
    Done(Result<Vec<RowWrite>, Refusal>),
    /// Some rows are kept in pieces, which have to be read first.
    InPieces { plan: Box<Plan>, keys: Vec<RowKey>, stored: Vec<Option<Bytes>>, kept: Vec<Option<Bytes>> },
}

impl Rules {
    /// Folds planned events into rows as they are stored. Behind the rows, `stored` has their pre-images, if any are kept.
    fn fold(&self, plan: Plan, keys: Vec<RowKey>, mut stored: Vec<Option<Bytes>>) -> Attempt {
        let kept = stored.split_off(keys.len());
        match whole::stubs(&keys, &stored) {
            Ok(stubs) if stubs.is_empty() => Attempt::Done(self.fold_whole(plan, keys, (stored, &kept), &stubs)),
            // If a stub does not read back, whoever reads the pieces is told.
            _ => Attempt::InPieces { plan: Box::new(plan), keys, stored, kept },
        }
    }

    /// Folds planned events into whole rows, and adds the pre-images that are missing.
    fn fold_whole(
        &self,
        plan: Plan,
        keys: Vec<RowKey>,
        (loaded, kept): (Vec<Option<Bytes>>, &[Option<Bytes>]),
        stubs: &Stubs,
    ) -> Result<Vec<RowWrite>, Refusal> {
        let before = whole::writes(pre_images(&keys, &loaded, kept), &Stubs::new(), self.piece_bytes);
        let mut rows = self.judge(plan.fold(keys, loaded), stubs)?;
        rows.extend(before);
        Ok(rows)
    }

    /// Decides whether folded rows are to be committed, and gives them as they are stored, with the notes of events put aside. `stubs` are
    /// those of the rows that were kept in pieces.
    fn judge(&self, folded: Folded, stubs: &Stubs) -> Result<Vec<RowWrite>, Refusal> {
        // A row that this very program writes so that it cannot read it would come back, so a view is mended once only. After
        // that the events of the row are put aside.
        let damaged: Vec<_> = folded.damaged.keys().filter(|view| !self.mended.contains(*view)).cloned().collect();
        if !damaged.is_empty() {
            return Err(Refusal::Damaged(damaged));
        }
        let overgrown = |max: usize| folded.grown.as_ref().is_some_and(|(_, bytes)| *bytes > max);
        let unfoldable = || folded.aside.iter().any(|aside| aside.cause.refuses_writes());
        if self.row_bytes_max.is_some_and(|max| overgrown(max) || unfoldable()) {
            return Err(Refusal::Unwritable(Box::new(folded)));
        }
        let mut rows = whole::writes(folded.rows, stubs, self.piece_bytes);
        rows.extend(notes(folded.aside));
        Ok(rows)
    }
}

impl Turn<'_> {
    /// Folds planned events into rows, and commits `batch` with these rows. `batch` was computed from the turn's status, and clears no
    /// view.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub(super) async fn commit_folded(
        &mut self,
        plan: Plan,
        mut batch: WriteBatch,
        whose: Whose,
    ) -> Result<Folding, StoreError> {
        let row_bytes_max = Some(self.inner.row_bytes_max).filter(|_| whose == Whose::Own);
        // A view of a trimmed log cannot be folded again: then the events of a damaged row are put aside.
        let mended = match self.status.base {
            Position::ZERO => self.mended.clone(),
            _ => self.inner.projections.views().cloned().collect(),
        };
        let rules = Rules { mended, row_bytes_max, piece_bytes: self.inner.piece_bytes };
        let keys = plan.rows();
        let folded = batch.views.iter().map(|(_, position)| *position).max();
        let mut wanted = keys.clone();
        if let Some((checkpoint, folded)) = self.checkpoint.position().zip(folded) {
            if folded > checkpoint {
                wanted.extend(pre_image_keys(&keys));
            }
            let view = checkpoint::view();
            batch.views.push((view.clone(), folded.max(self.folded(&view))));
        }
        self.drop_spoiled(&mut batch);
        let mut known = self.recent.known(&wanted);
        let unknown = std::mem::take(&mut known.unknown);
        let attempt = if unknown.is_empty() {
            rules.fold(plan, keys, known.with(Vec::new()))
        } else if self.is_beside(&batch) {
            rules.fold(plan, keys, known.with(self.load_beside(unknown).await?))
        } else {
            let fold = {
                let rules = rules.clone();
                move |read| rules.fold(plan, keys, known.with(read))
            };
            match self.fold_in_store(batch.clone(), unknown, fold).await? {
                Some(attempt) => attempt,
                None => return Ok(Folding::Committed),
            }
        };
        let judged = match attempt {
            Attempt::Done(judged) => judged,
            Attempt::InPieces { plan, keys, stored, kept } => {
                let (loaded, stubs) = whole::join(&*self.inner.store, &keys, stored).await?;
                rules.fold_whole(*plan, keys, (loaded, &kept), &stubs)
            }
        };
        match judged {
            Ok(rows) => {
                batch.rows.extend(rows);
                self.commit(batch).await?;
                Ok(Folding::Committed)
            }
            Err(Refusal::Damaged(views)) => self.mend(views).await.map(|()| Folding::StartOver),
            Err(Refusal::Unwritable(folded)) => Ok(Folding::Refused(folded)),
        }
    }

    /// Lets the store read rows, call `fold` and commit `batch` with what it gives, all in one step. Gives the fold's outcome if
    /// nothing was committed.
    async fn fold_in_store(
        &mut self,
        mut batch: WriteBatch,
        keys: Vec<RowKey>,
        fold: impl FnOnce(Vec<Option<Bytes>>) -> Attempt + Send + 'static,
    ) -> Result<Option<Attempt>, StoreError> {
        let keepers = self.count_in(&mut batch)?;
        let mut change = Change::of(&batch);
        let (tell, mut told) = oneshot::channel();
        let fold = move |read| {
            let attempt = fold(read);
            let rows = if let Attempt::Done(Ok(rows)) = &attempt { Some(rows.clone()) } else { None };
            // Nobody waits for it if the write was given up.
            let _ = tell.send(attempt);
            rows
        };
        self.stale = true;
        let error = match (
            self.inner.store.commit_folded(batch, RowFold::new(keys, fold)).await,
            told.try_recv().ok().flatten(),
        ) {
            (Ok(Some(committed)), Some(Attempt::Done(Ok(rows)))) => {
                change.rows.extend(rows);
                self.keepers = keepers;
                self.note(committed, change);
                return Ok(None);
            }
            (Ok(None), Some(attempt)) => {
                self.stale = false;
                return Ok(Some(attempt));
            }
            (Err(error), _) => error,
            (Ok(_), _) => {
                let source = "commit_folded has answered something else than the fold that it was given".into();
                StoreError::Backend { backend: "engine", retry: Retry::Never, source }
            }
        };
        self.reload().await?;
        Err(error)
    }

    /// Clears views with rows that do not read back, so that they are folded again from the log.
    async fn mend(&mut self, views: Vec<ViewId>) -> Result<(), StoreError> {
        let batch = WriteBatch { expected: Some(self.status.revision), clear: views.clone(), ..WriteBatch::default() };
        match self.commit(batch).await {
            Ok(_) => self.mended.extend(views),
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
