//! One database: many spaces, each a log of its own.

use std::sync::Arc;

use async_trait::async_trait;
use syncline::SpaceId;
use syncline::store::{Durability, EventStore, Storage, StoreError};

use crate::backend::KeyValue;
use crate::check;
use crate::database::Database;
use crate::schema;
use crate::store::KeyValueStore;

/// An open database. Clones, and the stores opened from it, share it. When the last of them is dropped, queued commits are
/// finished and the database is closed: the drop blocks until then.
#[derive(Debug)]
pub struct KeyValueStorage<K: KeyValue> {
    database: Arc<Database<K>>,
}

impl<K: KeyValue> Clone for KeyValueStorage<K> {
    fn clone(&self) -> Self {
        Self { database: self.database.clone() }
    }
}

/// What the writer has done since the database was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterStats {
    /// Commits that were answered.
    pub commits: u64,
    /// Writes, each one wait for the disk, that these commits shared.
    pub writes: u64,
}

impl<K: KeyValue> KeyValueStorage<K> {
    /// Takes a database, sets up an empty one, and starts the threads. `what` names it in errors: its path.
    ///
    /// Blocks for as long as that takes.
    ///
    /// # Errors
    /// [`StoreError::UnsupportedFormat`] where a newer build or another program wrote it; it is left as it was.
    /// [`StoreError::Corrupt`] where it does not read back. Those of the backend.
    pub fn open(backend: K, what: impl Into<String>) -> Result<Self, StoreError> {
        Ok(Self { database: Arc::new(Database::open(backend, what.into())?) })
    }

    /// What the writer has done so far.
    pub fn stats(&self) -> WriterStats {
        let (commits, writes) = self.database.counts();
        WriterStats { commits, writes }
    }
}

#[async_trait]
impl<K: KeyValue> Storage for KeyValueStorage<K> {
    async fn open(&self, space: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        let space = self.database.space(space).await?;
        Ok(Arc::new(KeyValueStore::new(self.database.clone(), space)))
    }

    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        self.database.read(|snapshot| schema::spaces(snapshot)).await
    }

    fn durability(&self) -> Durability {
        self.database.backend().durability()
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.database.read(|_| Ok(())).await?;
        self.database.backend().in_place()
    }

    async fn check(&self) -> Result<String, StoreError> {
        let mut next = Some(Vec::new());
        while let Some(start) = next {
            next = self.database.read(move |snapshot| check::step(snapshot, start)).await?;
        }
        Ok(format!("the checksums of all values in {}", K::NAME))
    }
}
