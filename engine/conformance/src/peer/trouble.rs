//! A storage in trouble: it can be read, and every commit fails.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use syncline::id::Revision;
use syncline::store::memory::MemoryStore;
use syncline::store::{
    Committed, Durability, EventStore, Limit, LogStatus, Page, Retry, Row, RowKey, RowRange, Storage, StoreError,
    StoredRun, WriteBatch,
};
use syncline::{Cursor, Dot, ReplicaId, Seq, SpaceId, ViewId};

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
impl EventStore for Troubled {
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
        let run = batch.runs.first().map(|verified| verified.run());
        match (self.1, run) {
            (Trouble::Busy, Some(run)) => {
                let got = Dot { origin: run.origin(), seq: run.first() };
                Err(StoreError::OutOfOrder { expected: got.seq.plus(1), got })
            }
            _ => Err(StoreError::Backend { backend: "conformance", retry: Retry::Never, source: SECRET.into() }),
        }
    }

    async fn changed(&self, since: Revision) -> Result<Revision, StoreError> {
        self.0.changed(since).await
    }
}
