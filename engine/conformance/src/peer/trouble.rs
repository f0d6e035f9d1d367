//! A storage in trouble: it can be read, and every commit fails.

use std::sync::Arc;

use async_trait::async_trait;
use syncline::store::memory::MemoryStore;
use syncline::store::{
    Committed, Durability, EventStore, Retry, RowFold, Storage, StoreError, WriteBatch, forward, load_and_commit,
};
use syncline::{Dot, SpaceId};

use crate::new_log_id;

/// What a broken backend says, and no peer may hear.
pub const SECRET: &str = "password of the database";

/// What a commit runs into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Another writer of the same origin is always faster.
    Busy,
    /// The backend fails, and says [`SECRET`].
    Broken,
}

#[derive(Debug)]
struct Troubled(MemoryStore, Trouble);

#[async_trait]
impl Storage for Trouble {
    async fn open(&self, _: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        Ok(Arc::new(Troubled(MemoryStore::new(new_log_id()), *self)))
    }

    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        Ok(Vec::new())
    }

    fn durability(&self) -> Durability {
        Durability::Volatile
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for Troubled {
    forward!(self.0: status, read, read_origin, load, scan, changed);

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        let run = batch.runs.first().map(|verified| verified.run());
        match (self.1, run) {
            (Trouble::Busy, Some(run)) => {
                let got = Dot { origin: run.origin(), seq: run.first() };
                Err(StoreError::OutOfOrder { expected: got.seq.plus(1), got })
            }
            _ => Err(StoreError::Backend { backend: "conformance", retry: Retry::Never, source: SECRET.into() }),
        }
    }

    async fn commit_folded(&self, batch: WriteBatch, fold: RowFold) -> Result<Option<Committed>, StoreError> {
        load_and_commit(self, batch, fold).await
    }
}
