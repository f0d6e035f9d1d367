//! The reference store keeps every law.

use std::sync::Arc;

use async_trait::async_trait;
use syncline::store::Storage;
use syncline::store::memory::MemoryStorage;
use syncline_conformance::{StoreHarness, new_log_id, store_suite};

pub(crate) struct Memory;

#[async_trait]
impl StoreHarness for Memory {
    async fn fresh(&self) -> Arc<dyn Storage> {
        Arc::new(MemoryStorage::new(new_log_id))
    }

    async fn reopen(&self) -> Option<Arc<dyn Storage>> {
        None
    }
}

store_suite!(Memory);
