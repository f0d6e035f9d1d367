//! Folding the log into views that lie behind it: new views, new versions, views to be rebuilt.

use super::fold::Whose;
use super::turn::Turn;
use super::{Inner, Replica, ReplicaError};
use crate::id::{Cursor, Position};
use crate::store::{Limit, StoreError, ViewId, WriteBatch};

/// Log bytes folded per commit while catching up.
const CHUNK: Limit = Limit::bytes(4 * 1024 * 1024);

impl Replica {
    /// Deletes a view's rows and folds them again from the log. Readers see the rows grow in the meantime. If it is interrupted,
    /// the next opening continues from where it was.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchView`], [`ReplicaError::Store`].
    ///
    /// # Cancel
    /// What was folded stays; opening the replica again, or rebuilding again, completes it.
    pub async fn rebuild(&self, view: &ViewId) -> Result<(), ReplicaError> {
        if !self.inner.projections.views().any(|known| known == view) {
            return Err(ReplicaError::NoSuchView { view: view.to_string() });
        }
        loop {
            let mut turn = self.inner.turn.lock().await;
            let batch =
                WriteBatch { expected: Some(turn.status.revision), clear: vec![view.clone()], ..WriteBatch::default() };
            match self.inner.commit(&mut turn, batch).await {
                Ok(_) => break,
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.inner.catch_up().await
    }

    /// Folds every view up to the end of the log, with what others have committed to the same store. A chunk per turn, so that writers
    /// get in between. Opening and syncing do it by themselves; it is needed only if something else commits to the store, such as
    /// the [`Service`](crate::Service) beside a [shared](super::Compose::shared_with_service) replica.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    ///
    /// # Cancel
    /// What was folded stays.
    pub async fn catch_up(&self) -> Result<(), ReplicaError> {
        self.inner.reload(&mut *self.inner.turn.lock().await).await?;
        self.inner.catch_up().await
    }
}

impl Turn {
    /// How much is folded at a time behind `after`. A chunk ends at the checkpoint: rows have pre-images only behind it.
    fn chunk(&self, after: Position) -> Limit {
        let ahead = self.checkpoint.position().filter(|checkpoint| *checkpoint > after);
        let items = ahead.map_or(CHUNK.items, |checkpoint| checkpoint.since(after).try_into().unwrap_or(u32::MAX));
        Limit { items, ..CHUNK }
    }
}

impl Inner {
    /// Folds every view up to the head as it is known here.
    pub(super) async fn catch_up(&self) -> Result<(), ReplicaError> {
        loop {
            let mut turn = self.turn.lock().await;
            if !self.catch_up_some(&mut turn).await? {
                return Ok(());
            }
        }
    }

    /// Folds one chunk of the log into the view that lies furthest behind. Returns whether there was one.
    pub(super) async fn catch_up_some(&self, turn: &mut Turn) -> Result<bool, StoreError> {
        let behind = self.projections.views().filter(|view| !turn.is_current(view));
        let Some(view) = behind.min_by_key(|view| turn.folded(view)).cloned() else { return Ok(false) };
        if turn.folded(&view) == Position::ZERO && self.forget_notes(turn, &view).await? {
            return Ok(true);
        }
        let after = Cursor { log: turn.status.log, position: turn.folded(&view) };
        let page = self.store.read(after, turn.chunk(after.position)).await?;
        let projections = self.projections.filter(|known| *known == view);
        let plan = projections.plan(page.runs.iter().map(|stored| &stored.run));
        let batch = WriteBatch {
            expected: Some(turn.status.revision),
            views: vec![(view, page.next.position)],
            ..WriteBatch::default()
        };
        match self.commit_folded(turn, plan, batch, Whose::Anyones).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }
}
