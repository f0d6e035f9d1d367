//! The laws of a store, held by the layout over a map in memory.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use syncline::Storage;
use syncline_conformance::{StoreHarness, store_suite};
use syncline_key_value::KeyValueStorage;

use crate::map::Disk;

#[derive(Default)]
struct InMemory(Mutex<Disk>);

#[async_trait]
impl StoreHarness for InMemory {
    async fn fresh(&self) -> Arc<dyn Storage> {
        let disk = Disk::default();
        *self.0.lock().unwrap() = disk.clone();
        Arc::new(KeyValueStorage::open(disk.backend(), "memory").unwrap())
    }

    async fn reopen(&self) -> Option<Arc<dyn Storage>> {
        let backend = self.0.lock().unwrap().backend();
        Some(Arc::new(KeyValueStorage::open(backend, "memory").unwrap()))
    }
}

store_suite!(InMemory::default());
