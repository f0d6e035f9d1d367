//! The laws of a store, held by the layout over a map in memory.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use syncline::store::Holder;
use syncline::{Storage, StoreError};
use syncline_conformance::{StoreHarness, store_suite};

use crate::map::Disk;

#[derive(Default)]
struct InMemory(Mutex<Disk>);

#[async_trait]
impl StoreHarness for InMemory {
    async fn fresh(&self) -> Arc<dyn Storage> {
        let disk = Disk::default();
        *self.0.lock().unwrap() = disk.clone();
        Arc::new(disk.open())
    }

    async fn reopen(&self) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(self.0.lock().unwrap().open()))
    }

    /// A backend locks its data; this map stands for one that does.
    async fn beside(&self) -> Option<Result<Arc<dyn Storage>, StoreError>> {
        assert_eq!(self.0.lock().unwrap().counts().open, 1);
        Some(Err(StoreError::InUse { backend: "map", what: "a map".into(), by: Holder::AnotherProcess }))
    }
}

store_suite!(InMemory::default());
