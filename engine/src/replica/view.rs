//! Reading rows, typed.

use std::marker::PhantomData;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _, stream};

use super::watch::{Changes, Interest};
use super::{Replica, ReplicaError};
use crate::caught::caught;
use crate::projection::{Projection, RowState, Unreadable};
use crate::store::{Limit, RowKey, RowRange, ViewId, whole};

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
    /// [`ReplicaError::NoSuchView`] if it does not.
    pub fn view<P: Projection>(&self, projection: P) -> Result<View<P>, ReplicaError> {
        let view = projection.view();
        if self.inner.projections.views().any(|known| *known == view) {
            return Ok(View { replica: self.clone(), view, projection: PhantomData });
        }
        Err(ReplicaError::NoSuchView { view: view.to_string() })
    }
}

impl<P: Projection> View<P> {
    /// One row's state, or `None` if no event has touched it.
    ///
    /// # Errors
    /// [`ReplicaError::NeedsHistory`] if the view is [without history](super::ReplicaStatus::views_without_history);
    /// [`ReplicaError::Row`], [`ReplicaError::Store`].
    pub async fn get(&self, key: &[u8]) -> Result<Option<P::State>, ReplicaError> {
        self.stored(key).await?.map(|value| self.decode(key, &value)).transpose()
    }

    /// One row's bytes.
    pub(super) async fn stored(&self, key: &[u8]) -> Result<Option<Bytes>, ReplicaError> {
        self.replica.inner.check_history(&self.view)?;
        let row = RowKey::new(self.view.clone(), Bytes::copy_from_slice(key));
        Ok(whole::load(&*self.replica.inner.store, &[row]).await?.remove(0))
    }

    /// Rows within a range, at most `limit`, in the order of their keys, or backwards if [`RowRange::backward`] says so. If as many
    /// are returned as were asked, read on with [`RowRange::after`] the last key. They are of one moment, but for this: of several
    /// rows, those of more than 4 MiB are read after the others and may be newer.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn scan(&self, range: RowRange, limit: Limit) -> Result<Vec<(Bytes, P::State)>, ReplicaError> {
        self.replica.inner.check_history(&self.view)?;
        let rows = whole::scan(&*self.replica.inner.store, &self.view, range, limit).await?;
        rows.into_iter().map(|row| Ok((row.key.clone(), self.decode(&row.key, &row.value)?))).collect()
    }

    /// All rows within a range, one after the other, in its direction. Holds one page in memory, of about a mebibyte or of one larger
    /// row. Each page is of one moment; writes may come between pages. Ends after the first error.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn stream(&self, range: RowRange) -> impl Stream<Item = Result<(Bytes, P::State), ReplicaError>> + Send + '_ {
        let page = move |range: RowRange| async move {
            let page = self.scan(range.clone(), Limit::PAGE).await?;
            let next = page.last().map(|(last, _)| range.after(last.clone()));
            Ok::<_, ReplicaError>(next.map(|next| (stream::iter(page.into_iter().map(Ok)), next)))
        };
        stream::try_unfold(range, page).try_flatten()
    }

    /// All rows within a range, in its direction, in memory at once. Large views are better read with [`stream`](Self::stream).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn all(&self, range: RowRange) -> Result<Vec<(Bytes, P::State)>, ReplicaError> {
        self.stream(range).try_collect().await
    }

    /// Watches the view's rows within a range from now on. To show a list and keep it fresh, first watch, then read. Of a view
    /// [without history](super::ReplicaStatus::views_without_history) it tells when its rows can be read.
    pub fn watch(&self, range: RowRange) -> Changes {
        self.replica.inner.watchers.watch(Interest::Rows(self.view.clone(), range))
    }

    pub(super) fn decode(&self, key: &[u8], value: &[u8]) -> Result<P::State, ReplicaError> {
        let state = caught(|| P::State::decode(value)).unwrap_or_else(|panic| Err(Unreadable::new(panic)));
        state.map_err(|why| self.unreadable(key, why))
    }

    pub(super) fn unreadable(&self, key: &[u8], why: Unreadable) -> ReplicaError {
        ReplicaError::Row { view: self.view.clone(), key: String::from_utf8_lossy(key).into_owned(), why: why.reason }
    }
}
