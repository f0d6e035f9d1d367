//! The laws of a store, held by redb.

use std::sync::Arc;

use async_trait::async_trait;
use syncline::{Storage, StoreError};
use syncline_conformance::{Scratch, StoreHarness, file_store_suite, store_suite};
use syncline_redb::RedbStorage;

#[derive(Default)]
struct Redb(Scratch);

#[async_trait]
impl StoreHarness for Redb {
    async fn fresh(&self) -> Arc<dyn Storage> {
        Arc::new(RedbStorage::at(self.0.renew().join("laws.redb")).unwrap())
    }

    async fn reopen(&self) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(RedbStorage::at(self.0.path().join("laws.redb")).unwrap()))
    }

    async fn beside(&self) -> Option<Result<Arc<dyn Storage>, StoreError>> {
        Some(RedbStorage::at(self.0.path().join("laws.redb")).map(|storage| Arc::new(storage) as Arc<dyn Storage>))
    }
}

store_suite!(Redb::default());

/// As a store on files.
mod on_files {
    use super::*;

    file_store_suite!(|path| RedbStorage::at(path));
}
