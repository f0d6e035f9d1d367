//! A storage in memory that counts who follows its logs.

use std::sync::Arc;

use async_trait::async_trait;
use syncline::SpaceId;
use syncline::id::Revision;
use syncline::store::memory::MemoryStorage;
use syncline::store::{Durability, EventStore, Storage, StoreError, forward};
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
#[deny(clippy::missing_trait_methods)]
impl EventStore for FollowedStore {
    forward!(self.0: status, read, read_origin, load, scan, commit, commit_folded);

    async fn changed(&self, since: Revision) -> Result<Revision, StoreError> {
        self.1.send_modify(|count| *count += 1);
        let _follower = Follower(&self.1);
        self.0.changed(since).await
    }
}
