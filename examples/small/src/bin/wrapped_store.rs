//! A store of your own, wrapped around an existing one: it meters what the engine asks of the store inside.
//!
//! You will see how few commits a replica needs. `cargo test -p syncline-examples --bin wrapped_store` holds the wrapper to the laws of
//! a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use syncline::attributes::{Attribute, Attributes};
use syncline::store::{Committed, RowFold, RowKey, WriteBatch, forward};
use syncline::{EventStore, MemoryStore, Replica, SpaceId, StoreError};

/// Counts commits, and rows read and written. The same trait in, the same trait out.
#[derive(Debug)]
struct Metered {
    inner: Arc<dyn EventStore>,
    commits: AtomicU64,
    rows_loaded: AtomicU64,
    rows_written: Arc<AtomicU64>,
}

impl Metered {
    fn new(inner: Arc<dyn EventStore>) -> Self {
        Self { inner, commits: AtomicU64::new(0), rows_loaded: AtomicU64::new(0), rows_written: Arc::default() }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for Metered {
    forward!(self.inner: status, read, read_origin, scan, changed);

    async fn load(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.rows_loaded.fetch_add(keys.len() as u64, Ordering::Relaxed);
        self.inner.load(keys).await
    }

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.rows_written.fetch_add(batch.rows.len() as u64, Ordering::Relaxed);
        self.inner.commit(batch).await
    }

    async fn commit_folded(&self, batch: WriteBatch, fold: RowFold) -> Result<Option<Committed>, StoreError> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.rows_loaded.fetch_add(fold.keys.len() as u64, Ordering::Relaxed);
        self.rows_written.fetch_add(batch.rows.len() as u64, Ordering::Relaxed);
        let rows_written = self.rows_written.clone();
        let fold = fold.then(move |rows| {
            rows_written.fetch_add(rows.as_ref().map_or(0, Vec::len) as u64, Ordering::Relaxed);
            rows
        });
        self.inner.commit_folded(batch, fold).await
    }
}

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "a program")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = Arc::new(Metered::new(Arc::new(MemoryStore::new(syncline_os::log_id()))));
    let stack = Replica::compose(SpaceId::new("notes")?, store.clone()).projection(Attributes);
    let replica = stack.clock(syncline_os::wall_clock).open(syncline_os::replica_id()).await?;
    let attributes = replica.attributes()?;
    for number in 0..10 {
        attributes.set(&Attribute::new("note/1", "stars")?, number).await?;
    }
    println!("commits: {}", store.commits.load(Ordering::Relaxed));
    println!("rows loaded: {}", store.rows_loaded.load(Ordering::Relaxed));
    println!("rows written: {}", store.rows_written.load(Ordering::Relaxed));
    Ok(())
}

/// The wrapper passes the laws of a store: a metered store is a store.
#[cfg(test)]
mod laws {
    use syncline::MemoryStorage;
    use syncline::store::{Durability, Storage};
    use syncline_conformance::{StoreHarness, store_suite};

    use super::*;

    #[derive(Debug)]
    struct MeteredStorage(MemoryStorage);

    #[async_trait]
    impl Storage for MeteredStorage {
        async fn open(&self, space: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
            Ok(Arc::new(Metered::new(self.0.open(space).await?)))
        }

        async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
            self.0.spaces().await
        }

        fn durability(&self) -> Durability {
            self.0.durability()
        }
    }

    struct InMemory;

    #[async_trait]
    impl StoreHarness for InMemory {
        async fn fresh(&self) -> Arc<dyn Storage> {
            Arc::new(MeteredStorage(MemoryStorage::new(syncline_os::log_id)))
        }

        async fn reopen(&self) -> Option<Arc<dyn Storage>> {
            None
        }
    }

    store_suite!(InMemory);
}
