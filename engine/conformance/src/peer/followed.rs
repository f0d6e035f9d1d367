//! A storage in memory that counts who follows its logs.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use syncline::id::Revision;
use syncline::store::memory::MemoryStorage;
use syncline::store::{
    Committed, Durability, EventStore, Limit, LogStatus, Page, Row, RowKey, RowRange, Storage, StoreError, StoredRun,
    WriteBatch,
};
use syncline::{Cursor, ReplicaId, Seq, SpaceId, ViewId};
use tokio::sync::watch;

use crate::new_log_id;

/// Counts the calls of [`EventStore::changed`] that are under way: so many watches wait for news.
#[derive(Debug)]
pub struct Followed {
    storage: MemoryStorage,
    followers: watch::Sender<usize>,
}

impl Followed {
    pub(crate) fn new() -> Self {
        Self { storage: MemoryStorage::new(new_log_id), followers: watch::Sender::new(0) }
    }

    /// How many follow, at every moment.
    pub fn followers(&self) -> watch::Receiver<usize> {
        self.followers.subscribe()
    }
}

#[async_trait]
impl Storage for Followed {
    async fn open(&self, space: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        Ok(Arc::new(FollowedStore(self.storage.open(space).await?, self.followers.clone())))
    }

    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        self.storage.spaces().await
    }

    fn durability(&self) -> Durability {
        self.storage.durability()
    }
}

#[derive(Debug)]
struct FollowedStore(Arc<dyn EventStore>, watch::Sender<usize>);

/// Somebody who waits. Dropped when they do so no more.
struct Follower<'a>(&'a watch::Sender<usize>);

impl Drop for Follower<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[async_trait]
impl EventStore for FollowedStore {
    async fn status(&self) -> Result<LogStatus, StoreError> {
        self.0.status().await
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError> {
        self.0.read(after, limit).await
    }

    async fn read_origin(&self, origin: ReplicaId, after: Seq, limit: Limit) -> Result<Vec<StoredRun>, StoreError> {
        self.0.read_origin(origin, after, limit).await
    }

    async fn load(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.0.load(keys).await
    }

    async fn scan(&self, view: &ViewId, range: RowRange, limit: Limit) -> Result<Vec<Row>, StoreError> {
        self.0.scan(view, range, limit).await
    }

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        self.0.commit(batch).await
    }

    async fn changed(&self, since: Revision) -> Result<Revision, StoreError> {
        self.1.send_modify(|count| *count += 1);
        let _follower = Follower(&self.1);
        self.0.changed(since).await
    }
}
