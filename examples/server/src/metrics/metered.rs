//! A storage that counts what is committed to it.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use syncline::store::{Committed, Durability, WriteBatch, forward};
use syncline::{EventStore, SpaceId, Storage, StoreError};

use super::{Kept, Metrics};

/// Passes everything on to a storage, and counts the bundles that are committed.
#[derive(Debug)]
pub(crate) struct Metered<T: ?Sized> {
    metrics: Arc<Metrics>,
    inner: Arc<T>,
}

impl<T: ?Sized> Metered<T> {
    /// Counts in `metrics` what is committed to `inner`.
    pub(crate) fn new(inner: Arc<T>, metrics: Arc<Metrics>) -> Self {
        Self { metrics, inner }
    }
}

#[async_trait]
impl Storage for Metered<dyn Storage> {
    async fn open(&self, space: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        Ok(Arc::new(Metered::new(self.inner.open(space).await?, self.metrics.clone())))
    }

    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        self.inner.spaces().await
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.inner.ready().await
    }

    async fn check(&self) -> Result<String, StoreError> {
        self.inner.check().await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for Metered<dyn EventStore> {
    forward!(self.inner: status, read, read_origin, load, scan, changed);

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        let bundles = || batch.runs.iter().flat_map(|verified| verified.run().bundles());
        let (count, voids) = (bundles().count() as u64, bundles().filter(|bundle| bundle.is_void()).count() as u64);
        let bytes: usize = batch.runs.iter().map(|verified| verified.run().as_bytes().len()).sum();
        let started = Instant::now();
        let committed = self.inner.commit(batch).await?;
        let Metrics { bundles, bundle_bytes, commits, .. } = &*self.metrics;
        commits.observe(started.elapsed().as_secs_f64());
        bundles.get_or_create(&Kept { outcome: "stored" }).inc_by(count - voids);
        bundles.get_or_create(&Kept { outcome: "refused" }).inc_by(voids);
        bundle_bytes.inc_by(bytes as u64);
        Ok(committed)
    }
}
