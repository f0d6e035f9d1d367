//! The laws of a store, held by sled.

use std::sync::Arc;

use async_trait::async_trait;
use syncline::{Storage, StoreError};
use syncline_conformance::{Scratch, StoreHarness, file_store_suite, store_suite};
use syncline_sled::SledStorage;

#[derive(Default)]
struct Sled(Scratch);

#[async_trait]
impl StoreHarness for Sled {
    async fn fresh(&self) -> Arc<dyn Storage> {
        Arc::new(SledStorage::at(self.0.renew().join("laws")).unwrap())
    }

    async fn reopen(&self) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(SledStorage::at(self.0.path().join("laws")).unwrap()))
    }

    async fn beside(&self) -> Option<Result<Arc<dyn Storage>, StoreError>> {
        Some(SledStorage::at(self.0.path().join("laws")).map(|storage| Arc::new(storage) as Arc<dyn Storage>))
    }
}

store_suite!(Sled::default());

/// As a store on files.
mod on_files {
    use super::*;

    file_store_suite!(|path| SledStorage::at(path));
}
