//! For stores that wrap another one: methods that only pass the call on.

use std::pin::Pin;

use super::StoreError;

pub use bytes::Bytes;

/// What a method of a store returns, as `async_trait` writes it.
pub type Answer<'f, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'f>>;

/// Writes methods of an [`EventStore`](crate::EventStore) that only call the same method of the store inside.
///
/// Name the store inside (a field, or a method without arguments), and then the methods to pass on. The wrapper writes the others
/// itself. `clippy::missing_trait_methods` tells it of a method that it neither writes nor passes on, also of one that has a default.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use async_trait::async_trait;
/// use syncline::store::{Committed, RowFold, StoreError, WriteBatch, forward};
/// use syncline::EventStore;
///
/// #[derive(Debug)]
/// struct Counts {
///     inner: Arc<dyn EventStore>,
///     commits: AtomicU64,
/// }
///
/// #[async_trait]
/// #[deny(clippy::missing_trait_methods)]
/// impl EventStore for Counts {
///     forward!(self.inner: status, read, read_origin, load, scan, changed);
///
///     async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
///         self.commits.fetch_add(1, Ordering::Relaxed);
///         self.inner.commit(batch).await
///     }
///
///     async fn commit_folded(&self, batch: WriteBatch, fold: RowFold) -> Result<Option<Committed>, StoreError> {
///         self.commits.fetch_add(1, Ordering::Relaxed);
///         self.inner.commit_folded(batch, fold).await
///     }
/// }
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __forward_event_store {
    ($me:ident.$inner:tt: $($method:ident),+ $(,)?) => {
        $($crate::__forward_event_store! { @$method $me ($me.$inner) })+
    };
    ($me:ident.$inner:ident(): $($method:ident),+ $(,)?) => {
        $($crate::__forward_event_store! { @$method $me ($me.$inner()) })+
    };
    (@status $me:ident $inner:tt) => {
        $crate::__forward_event_store! { @fn status($me, $inner) -> $crate::store::LogStatus }
    };
    (@read $me:ident $inner:tt) => {
        $crate::__forward_event_store! {
            @fn read($me, $inner, after: $crate::id::Cursor, limit: $crate::store::Limit) -> $crate::store::Page
        }
    };
    (@read_origin $me:ident $inner:tt) => {
        $crate::__forward_event_store! {
            @fn read_origin($me, $inner, origin: $crate::id::ReplicaId, after: $crate::id::Seq, limit: $crate::store::Limit)
                -> Vec<$crate::store::StoredRun>
        }
    };
    (@load $me:ident $inner:tt) => {
        $crate::__forward_event_store! {
            @fn load['k]($me, $inner, keys: &'k [$crate::store::RowKey])
                -> Vec<Option<$crate::store::forward::Bytes>>
        }
    };
    (@scan $me:ident $inner:tt) => {
        $crate::__forward_event_store! {
            @fn scan['v]($me, $inner, view: &'v $crate::store::ViewId, range: $crate::store::RowRange, limit: $crate::store::Limit)
                -> Vec<$crate::store::Row>
        }
    };
    (@commit $me:ident $inner:tt) => {
        $crate::__forward_event_store! {
            @fn commit($me, $inner, batch: $crate::store::WriteBatch) -> $crate::store::Committed
        }
    };
    (@commit_folded $me:ident $inner:tt) => {
        $crate::__forward_event_store! {
            @fn commit_folded($me, $inner, batch: $crate::store::WriteBatch, fold: $crate::store::RowFold)
                -> Option<$crate::store::Committed>
        }
    };
    (@changed $me:ident $inner:tt) => {
        $crate::__forward_event_store! { @fn changed($me, $inner, since: $crate::id::Revision) -> $crate::id::Revision }
    };
    // The form that `async_trait` gives a method, because it does not look into macros.
    (@fn $method:ident $([$life:lifetime])? ($me:ident, ($($inner:tt)+) $(, $argument:ident: $type:ty)*) -> $answer:ty) => {
        fn $method<'s, $($life,)? 'f>(&'s $me $(, $argument: $type)*) -> $crate::store::forward::Answer<'f, $answer>
        where
            's: 'f,
            $($life: 'f,)?
            Self: 'f,
        {
            Box::pin(async move { $($inner)+.$method($($argument),*).await })
        }
    };
}
