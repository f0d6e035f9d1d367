//! A storage that counts what is committed to it.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use syncline::store::{Committed, Durability, RowFold, WriteBatch, forward};
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
        let count = Count::start(&batch);
        let committed = self.inner.commit(batch).await?;
        count.note(&self.metrics);
        Ok(committed)
    }

    async fn commit_folded(&self, batch: WriteBatch, fold: RowFold) -> Result<Option<Committed>, StoreError> {
        let count = Count::start(&batch);
        let committed = self.inner.commit_folded(batch, fold).await?;
        if committed.is_some() {
            count.note(&self.metrics);
        }
        Ok(committed)
    }
}

/// What one commit adds to the counts.
struct Count {
    bundles: u64,
    voids: u64,
    bytes: usize,
    started: Instant,
}

impl Count {
    fn start(batch: &WriteBatch) -> Self {
        let bundles = || batch.runs.iter().flat_map(|verified| verified.run().bundles());
        Self {
            bundles: bundles().count() as u64,
            voids: bundles().filter(|bundle| bundle.is_void()).count() as u64,
            bytes: batch.runs.iter().map(|verified| verified.run().as_bytes().len()).sum(),
            started: Instant::now(),
        }
    }

    /// The commit has returned.
    fn note(self, metrics: &Metrics) {
        let Metrics { bundles, bundle_bytes, commits, .. } = metrics;
        commits.observe(self.started.elapsed().as_secs_f64());
        bundles.get_or_create(&Kept { outcome: "stored" }).inc_by(self.bundles - self.voids);
        bundles.get_or_create(&Kept { outcome: "refused" }).inc_by(self.voids);
        bundle_bytes.inc_by(self.bytes as u64);
    }
}
