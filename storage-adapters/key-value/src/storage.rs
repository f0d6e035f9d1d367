//! One database: many spaces, each a log of its own.

use std::sync::Arc;

use async_trait::async_trait;
use syncline::SpaceId;
use syncline::store::{Durability, EventStore, Storage, StoreError};
use syncline_embedded::{Database, WriterStats, guarded};

use crate::backend::KeyValue;
use crate::layout::Layout;
use crate::{check, schema};

/// Threads that read.
const READERS: usize = 2;

/// An open database. Clones, and the stores opened from it, share it. When the last of them is dropped, queued commits are
/// finished and the database is closed: the drop blocks until then.
#[derive(Debug)]
pub struct KeyValueStorage<K: KeyValue> {
    database: Arc<Database<Layout<K>>>,
}

impl<K: KeyValue> Clone for KeyValueStorage<K> {
    fn clone(&self) -> Self {
        Self { database: self.database.clone() }
    }
}

impl<K: KeyValue> KeyValueStorage<K> {
    /// Takes a database, sets up an empty one, and starts the threads. `what` names it in errors: its path.
    ///
    /// Blocks for as long as that takes.
    ///
    /// # Errors
    /// [`StoreError::UnsupportedFormat`] if a newer build or another program wrote it; it is left as it was.
    /// [`StoreError::Corrupt`] if it does not read back. Those of the backend.
    pub fn open(backend: K, what: impl Into<String>) -> Result<Self, StoreError> {
        let what = what.into();
        guarded(K::NAME, &what, || schema::prepare(&backend, &what).map_err(|fault| fault.of(K::NAME)))?;
        Ok(Self { database: Arc::new(Database::start(Layout(backend), what, (), [(); READERS])?) })
    }

    /// What the writer has done so far.
    pub fn stats(&self) -> WriterStats {
        self.database.stats()
    }
}

#[async_trait]
impl<K: KeyValue> Storage for KeyValueStorage<K> {
    async fn open(&self, space: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        self.database.open(space).await
    }

    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        self.database.spaces().await
    }

    fn durability(&self) -> Durability {
        self.database.backend().0.durability()
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.database.ready().await
    }

    async fn check(&self) -> Result<String, StoreError> {
        let mut next = Some(Vec::new());
        while let Some(start) = next {
            next = self.database.read(move |reading| check::step(&reading.snapshot, start)).await?;
        }
        Ok(format!("the checksums of all values in {}", K::NAME))
    }
}
