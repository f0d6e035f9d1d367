//! Views that this replica no longer maintains.

use super::{Replica, ReplicaError};
use crate::store::{StoreError, ViewId, WriteBatch};

impl Replica {
    /// Views that have rows in the store and that this replica does not maintain: those of older versions of the program, or of another
    /// program on the same store. In order.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub async fn old_views(&self) -> Result<Vec<ViewId>, ReplicaError> {
        let mut turn = self.inner.turn().await;
        turn.reload().await?;
        Ok(turn.foreign_views())
    }

    /// Deletes the rows of a view that this replica does not maintain, and what was noted of its events. The log stays as it is: a program
    /// that maintains the view folds it from there again. Does nothing if there is no such view.
    ///
    /// # Errors
    /// [`ReplicaError::Maintained`] if this replica maintains the view; [`ReplicaError::NoSuchView`] if it is the engine's own;
    /// [`ReplicaError::Store`].
    ///
    /// # Cancel
    /// Some rows may be left. Drop the view again to delete them.
    pub async fn drop_view(&self, view: &ViewId) -> Result<(), ReplicaError> {
        if view.is_reserved() {
            return Err(ReplicaError::NoSuchView { view: view.to_string() });
        }
        if self.inner.projections.views().any(|known| known == view) {
            return Err(ReplicaError::Maintained { view: view.clone() });
        }
        let mut turn = self.inner.turn().await;
        loop {
            let (expected, clear) = (Some(turn.status.revision), vec![view.clone()]);
            match turn.commit(WriteBatch { expected, clear, ..WriteBatch::default() }).await {
                Ok(_) => break,
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        while turn.forget_notes(view).await? {}
        Ok(())
    }
}
