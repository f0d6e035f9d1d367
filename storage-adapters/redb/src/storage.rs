//! One redb file: many spaces, each a log of its own.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use syncline::SpaceId;
use syncline::store::{Durability, EventStore, Storage, StoreError};
use syncline_key_value::{KeyValueStorage, WriterStats};

use crate::backend::Redb;
use crate::options::RedbOptions;

/// An open file. Cheap to clone; clones and the stores opened from it share it. When the last of them is dropped, queued
/// commits are finished and the file is closed: the drop blocks until then.
///
/// One process at a time has the file open; a second open answers [`StoreError::InUse`].
#[derive(Debug, Clone)]
pub struct RedbStorage(KeyValueStorage<Redb>);

impl RedbStorage {
    /// Opens the file at `path` with the usual [`RedbOptions`].
    ///
    /// # Errors
    /// As [`RedbOptions::open`].
    pub fn at(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        RedbOptions::new(path.as_ref()).open()
    }

    /// What the writer has done so far.
    pub fn stats(&self) -> WriterStats {
        self.0.stats()
    }
}

impl RedbOptions {
    /// Opens the file and starts its threads. Blocks for as long as that takes, which grows with the file if it is
    /// verified, or was not closed.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if the file is open already, in this process or another. [`StoreError::UnsupportedFormat`]
    /// if a newer build or another program wrote it; it is left as it was. [`StoreError::Corrupt`] if it is damaged.
    /// [`StoreError::Backend`] if it cannot be opened for writing.
    pub fn open(self) -> Result<RedbStorage, StoreError> {
        let what = self.path.display().to_string();
        KeyValueStorage::open(Redb::open(&self)?, what).map(RedbStorage)
    }
}

#[async_trait]
impl Storage for RedbStorage {
    async fn open(&self, space: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        self.0.open(space).await
    }

    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        self.0.spaces().await
    }

    fn durability(&self) -> Durability {
        self.0.durability()
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.0.ready().await
    }

    async fn check(&self) -> Result<String, StoreError> {
        self.0.check().await
    }
}
