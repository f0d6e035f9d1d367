//! Folding the log into views that lie behind it: new views, new versions, views to be rebuilt.

use super::fold::Whose;
use super::turn::Turn;
use super::{Inner, Replica, ReplicaError};
use crate::archive::History;
use crate::format::run::Run;
use crate::id::{Cursor, Position};
use crate::store::{Limit, StoreError, ViewId, WriteBatch};

/// Log bytes folded per commit while catching up.
const CHUNK: Limit = Limit::bytes(4 * 1024 * 1024);

impl Replica {
    /// Deletes a view's rows and folds them again from the log. Readers see the rows grow in the meantime; of a trimmed log they get
    /// [`ReplicaError::NeedsHistory`] until what comes from the archive is folded. If it is interrupted, the next opening continues from
    /// where it was.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchView`]; [`ReplicaError::NeedsHistory`] if the log was [trimmed](Self::trim), and there is no
    /// [archive](super::Compose::archive); [`ReplicaError::Archive`] if that has not got everything: the view stays as it is;
    /// [`ReplicaError::Store`].
    ///
    /// # Cancel
    /// What was folded stays; opening the replica again, or rebuilding again, completes it.
    pub async fn rebuild(&self, view: &ViewId) -> Result<(), ReplicaError> {
        if !self.inner.projections.views().any(|known| known == view) {
            return Err(ReplicaError::NoSuchView { view: view.to_string() });
        }
        let history = loop {
            // What is cleared must be there to be folded again.
            let history = self.inner.history(view).await?;
            if let Some(history) = &history {
                history.clone().verify().await?;
            }
            let mut turn = self.inner.turn().await;
            turn.refresh().await?;
            if turn.status.base > history.as_ref().map_or(Position::ZERO, History::end) {
                continue;
            }
            let batch =
                WriteBatch { expected: Some(turn.status.revision), clear: vec![view.clone()], ..WriteBatch::default() };
            match turn.commit(batch).await {
                Ok(_) => break history,
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        };
        if let Some(history) = history {
            self.inner.fold_from_archive(view, history).await?;
        }
        self.inner.catch_up_from_archive().await?;
        self.inner.catch_up().await
    }

    /// Folds every view up to the end of the log, with what others have committed to the same store. A chunk per turn, so that writers
    /// get in between. Opening and syncing do it by themselves; it is needed only if something else commits to the store, such as
    /// the [`Service`](crate::Service) beside a [shared](super::Compose::shared_with_service) replica. Leaves out the
    /// [views without history](super::ReplicaStatus::views_without_history).
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    ///
    /// # Cancel
    /// What was folded stays.
    pub async fn catch_up(&self) -> Result<(), ReplicaError> {
        self.inner.turn().await.reload().await?;
        self.inner.catch_up().await
    }
}

impl Inner {
    /// Folds every view up to the head as it is known here.
    pub(super) async fn catch_up(&self) -> Result<(), ReplicaError> {
        match self.catch_up_from_archive().await {
            // What the archive does not give just now the views go on waiting for.
            Ok(()) | Err(ReplicaError::Archive(_)) => {}
            Err(error) => return Err(error),
        }
        let mut end = None;
        loop {
            let mut turn = self.turn().await;
            // Others may append faster than this ends.
            let end = *end.get_or_insert(turn.status.head);
            if !turn.catch_up_towards(end).await? {
                return Ok(());
            }
        }
    }
}

impl Turn<'_> {
    /// How much is folded at a time behind `after`, up to `end`. A chunk ends at the checkpoint: rows have pre-images only behind it.
    fn chunk(&self, after: Position, end: Position) -> Limit {
        let ahead = self.checkpoint.position().filter(|checkpoint| *checkpoint > after);
        let end = ahead.map_or(end, |checkpoint| checkpoint.min(end));
        Limit { items: end.since(after).try_into().unwrap_or(u32::MAX), ..CHUNK }
    }

    /// Folds one chunk of the log into the view that lies furthest behind, or writes some rows of a snapshot that was taken. Returns
    /// whether there was anything to do.
    pub(super) async fn catch_up_some(&mut self) -> Result<bool, StoreError> {
        self.catch_up_towards(self.status.head).await
    }

    /// The same, up to this place of the log.
    pub(super) async fn catch_up_towards(&mut self, end: Position) -> Result<bool, StoreError> {
        if self.fill_some().await? {
            return Ok(true);
        }
        let behind = self.inner.projections.views().filter(|view| self.folded(view) < end && !self.lacks_history(view));
        let Some(view) = behind.min_by_key(|view| self.folded(view)).cloned() else { return Ok(false) };
        if self.folded(&view) == Position::ZERO && self.forget_notes(&view).await? {
            return Ok(true);
        }
        let after = Cursor { log: self.status.log, position: self.folded(&view) };
        let page = match self.inner.store.read(after, self.chunk(after.position, end)).await {
            Err(StoreError::CursorGone { .. }) if self.is_cut_by_others().await? => return Ok(true),
            page => page?,
        };
        self.fold_behind(view, page.runs.iter().map(|stored| &stored.run), page.next.position).await?;
        Ok(true)
    }

    /// Folds what follows a view's rows in the log, up to `end`. Nothing happens if somebody else has committed in the meantime.
    pub(super) async fn fold_behind<'r>(
        &mut self,
        view: ViewId,
        runs: impl Iterator<Item = &'r Run>,
        end: Position,
    ) -> Result<(), StoreError> {
        let plan = self.inner.projections.filter(|known| *known == view).plan(runs);
        let (expected, views) = (Some(self.status.revision), vec![(view, end)]);
        let batch = WriteBatch { expected, views, ..WriteBatch::default() };
        match self.commit_folded(plan, batch, Whose::Anyones).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
