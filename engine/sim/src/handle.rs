//! The engine's view of a disk: every call may wait, fail, or be outlived by its effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_channel::oneshot;
use syncline::id::Revision;
use syncline::store::{
    Committed, Durability, EventStore, Limit, LogStatus, Page, Row, RowFold, RowKey, RowRange, Storage, StoreError,
    StoredRun, WriteBatch,
};
use syncline::{Cursor, ReplicaId, Seq, SpaceId, ViewId};

use crate::disk::Disk;
use crate::sim::give_way;
use crate::stores::{finish, space};

/// How a disk takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Speed {
    /// This many of a thousand commits are slow.
    pub(crate) slow: u32,
    /// This many of a thousand reads let others run first.
    pub(crate) yields: u32,
    /// This many of a thousand failed commits leave the handle unusable.
    pub(crate) poisons: u32,
    /// At most so many bundles are read at a time, so that short logs have many pages, as long ones do.
    pub(crate) page: u32,
    /// This many of a thousand scans of rows take their time, so that rows change between two pages, as they do if there are many.
    pub(crate) scans: u32,
}

/// One process's handle on a disk.
#[derive(Debug)]
pub(crate) struct SimStore {
    disk: Arc<Disk>,
    speed: Speed,
    poisoned: Arc<AtomicBool>,
}

impl SimStore {
    pub(crate) fn new(disk: Arc<Disk>, speed: Speed) -> Self {
        Self { disk, speed, poisoned: Arc::default() }
    }

    /// The live store, after a while.
    async fn live(&self) -> Result<Arc<dyn EventStore>, StoreError> {
        if self.disk.sim().state().disk.chance(self.speed.yields) {
            give_way().await;
        }
        self.check()?;
        self.disk.live()
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.poisoned.load(Ordering::Relaxed) {
            return Err(StoreError::Poisoned { backend: "sim", why: "a commit failed".into() });
        }
        Ok(())
    }

    fn note<T>(&self, result: &Result<T, StoreError>) {
        let failed = matches!(result, Err(StoreError::Backend { .. }));
        if failed && self.disk.sim().state().disk.chance(self.speed.poisons) {
            self.poisoned.store(true, Ordering::Relaxed);
        }
    }

    fn waits(&self) -> Option<(Duration, Duration)> {
        let disk = &mut self.disk.sim().state().disk;
        let waits = disk.chance(self.speed.slow);
        waits.then(|| (Duration::from_micros(disk.below(3_000)), Duration::from_micros(disk.below(1_000))))
    }
}

impl SimStore {
    /// Commits, at once or after a while.
    async fn write<T: Send + 'static>(
        &self,
        commit: impl FnOnce(&Disk) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.check()?;
        let Some((before, after)) = self.waits() else {
            let result = commit(&self.disk);
            self.note(&result);
            return result;
        };
        // Like a writer thread: the commit happens even if nobody waits for it any more, unless its process dies.
        let (done, result) = oneshot::channel();
        let disk = self.disk.clone();
        disk.sim().clone().spawn(disk.node, async move {
            disk.sim().sleep(before).await;
            let committed = commit(&disk);
            disk.sim().sleep(after).await;
            let _ = done.send(committed);
        });
        let result = result.await.unwrap_or_else(|_| Err(crate::disk::gone()));
        self.note(&result);
        result
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for SimStore {
    async fn status(&self) -> Result<LogStatus, StoreError> {
        self.disk.looked_at(finish(self.live().await?.status()))
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError> {
        self.disk.looked_at(finish(self.live().await?.read(after, limit)))
    }

    async fn read_origin(&self, origin: ReplicaId, after: Seq, limit: Limit) -> Result<Vec<StoredRun>, StoreError> {
        self.disk.looked_at(finish(self.live().await?.read_origin(origin, after, limit)))
    }

    async fn load(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.disk.looked_at(finish(self.live().await?.load(keys)))
    }

    async fn scan(&self, view: &ViewId, range: RowRange, limit: Limit) -> Result<Vec<Row>, StoreError> {
        if self.speed.scans > 0 && self.disk.sim().state().disk.chance(self.speed.scans) {
            let span = Duration::from_micros(self.disk.sim().state().disk.below(3_000));
            self.disk.sim().sleep(span).await;
        }
        self.disk.looked_at(finish(self.live().await?.scan(view, range, limit)))
    }

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        self.write(|disk| disk.commit(batch)).await
    }

    async fn commit_folded(&self, batch: WriteBatch, fold: RowFold) -> Result<Option<Committed>, StoreError> {
        self.write(|disk| disk.commit_folded(batch, fold)).await
    }

    async fn changed(&self, since: Revision) -> Result<Revision, StoreError> {
        self.disk.changed(since).await
    }
}

/// A storage with one log for every space.
#[derive(Debug)]
pub(crate) struct SimStorage {
    pub(crate) disk: Arc<Disk>,
    pub(crate) speed: Speed,
}

#[async_trait]
impl Storage for SimStorage {
    async fn open(&self, _: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        self.disk.live()?;
        Ok(Arc::new(SimStore::new(self.disk.clone(), self.speed)))
    }

    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        Ok(vec![space()])
    }

    fn durability(&self) -> Durability {
        self.disk.durability
    }
}
