//! Commits of a replica beside a service: others append to the log all the time, so a commit on condition of the log's revision would
//! hardly ever be taken.
//!
//! What such a replica folds does not depend on what is appended meanwhile. So it commits on another condition: that no other replica on
//! the store has committed since. Each of them counts its commits in a row, which is read in the step that commits.

use bytes::Bytes;

use super::turn::{Change, Turn};
use crate::reserved::{self, KEEPERS};
use crate::store::{Committed, EventStore, RowFold, RowKey, RowWrite, StoreError, WriteBatch};

/// The row that counts.
pub(super) fn key() -> RowKey {
    RowKey::new(reserved::view(KEEPERS), Bytes::new())
}

/// The row as it is stored.
pub(super) async fn count(store: &dyn EventStore) -> Result<Option<Bytes>, StoreError> {
    Ok(store.load(&[key()]).await?.remove(0))
}

impl Turn<'_> {
    /// Whether a batch may be committed whatever has been appended since.
    pub(super) fn is_beside(&self, batch: &WriteBatch) -> bool {
        self.inner.shared && batch.runs.is_empty() && batch.rewrite.is_none() && batch.replace.is_none()
    }

    /// The row that counts one commit more.
    fn counted(&self) -> Result<RowWrite, StoreError> {
        let count: u64 = self.keepers.as_ref().map_or(Ok(0), |row| reserved::get(KEEPERS, row))?;
        Ok(reserved::put(KEEPERS, Bytes::new(), &(count + 1)))
    }

    /// Lets a batch on condition of the log's revision count itself, so that others beside the service learn of it. Gives the row as it is
    /// once the batch is committed. A replica that shares its store with no service counts nothing.
    pub(super) fn count_in(&self, batch: &mut WriteBatch) -> Result<Option<Bytes>, StoreError> {
        if !self.inner.shared {
            return Ok(None);
        }
        let RowWrite { key, value } = self.counted()?;
        batch.rows.push(RowWrite { key, value: value.clone() });
        Ok(value)
    }

    /// Loads rows as they are by the commits of replicas that the turn's holder knows.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another replica has committed: the status has been reloaded.
    pub(super) async fn load_beside(&mut self, mut keys: Vec<RowKey>) -> Result<Vec<Option<Bytes>>, StoreError> {
        keys.push(key());
        let mut rows = self.inner.store.load(&keys).await?;
        if rows.pop().flatten() == self.keepers {
            return Ok(rows);
        }
        let expected = self.status.revision;
        self.reload().await?;
        Err(StoreError::Conflict { expected, found: self.status.revision })
    }

    /// Commits a batch that depends on rows of replicas alone.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another replica has committed: the status has been reloaded.
    pub(super) async fn commit_beside(&mut self, batch: WriteBatch) -> Result<Committed, StoreError> {
        let (known, counted) = (self.keepers.clone(), self.counted()?);
        let (found, change) = (self.status.revision, Change::of(&batch));
        self.stale = true;
        let fold = RowFold::new(vec![key()], move |stored| (stored == [known]).then(|| vec![counted]));
        let committed = self.inner.store.commit_folded(WriteBatch { expected: None, ..batch }, fold).await;
        if let Ok(Some(committed)) = committed {
            self.note(committed, change);
        }
        // Others may have appended before it.
        self.reload().await?;
        committed?.ok_or(StoreError::Conflict { expected: found, found: self.status.revision })
    }
}
