//! Reading rows, typed.

use std::marker::PhantomData;

use bytes::Bytes;

use super::{Replica, ReplicaError};
use crate::projection::caught::caught;
use crate::projection::{Projection, RowState, Unreadable};
use crate::store::{Limit, RowKey, RowRange, ViewId};

/// The rows of one projection in one replica.
#[derive(Debug, Clone)]
pub struct View<P> {
    pub(super) replica: Replica,
    pub(super) view: ViewId,
    pub(super) projection: PhantomData<fn() -> P>,
}

impl Replica {
    /// The rows of a projection that this replica maintains.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchView`] where it does not.
    pub fn view<P: Projection>(&self, projection: P) -> Result<View<P>, ReplicaError> {
        let view = projection.view();
        if self.inner.projections.views().any(|known| *known == view) {
            return Ok(View { replica: self.clone(), view, projection: PhantomData });
        }
        Err(ReplicaError::NoSuchView { view: view.to_string() })
    }
}

impl<P: Projection> View<P> {
    /// One row's state, or `None` where no event has touched it.
    ///
    /// # Errors
    /// [`ReplicaError::Row`], [`ReplicaError::Store`].
    pub async fn get(&self, key: &[u8]) -> Result<Option<P::State>, ReplicaError> {
        let row = RowKey::new(self.view.clone(), Bytes::copy_from_slice(key));
        let value = self.replica.inner.store.load(&[row]).await?.remove(0);
        value.map(|value| self.decode(key, &value)).transpose()
    }

    /// Rows within a range, in key order, at most `limit`. Where as many are returned as were asked, read on with
    /// [`RowRange::after`] the last key.
    ///
    /// # Errors
    /// [`ReplicaError::Row`], [`ReplicaError::Store`].
    pub async fn scan(&self, range: RowRange, limit: Limit) -> Result<Vec<(Bytes, P::State)>, ReplicaError> {
        let rows = self.replica.inner.store.scan(&self.view, range, limit).await?;
        rows.into_iter().map(|row| Ok((row.key.clone(), self.decode(&row.key, &row.value)?))).collect()
    }

    /// All rows within a range, in key order, page by page. Each page is of one moment; writes may come between pages.
    ///
    /// # Errors
    /// [`ReplicaError::Row`], [`ReplicaError::Store`].
    pub async fn all(&self, mut range: RowRange) -> Result<Vec<(Bytes, P::State)>, ReplicaError> {
        let mut found = Vec::new();
        loop {
            let page = self.scan(range.clone(), Limit::PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(found) };
            range = range.after(last.clone());
            found.extend(page);
        }
    }

    pub(super) fn decode(&self, key: &[u8], value: &[u8]) -> Result<P::State, ReplicaError> {
        let state = caught(|| P::State::decode(value)).unwrap_or_else(|panic| Err(Unreadable::new(panic)));
        let key = || String::from_utf8_lossy(key).into_owned();
        state.map_err(|Unreadable { reason }| ReplicaError::Row { view: self.view.clone(), key: key(), why: reason })
    }
}
