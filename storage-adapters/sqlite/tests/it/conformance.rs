//! The laws of a store, held by SQLite.

use std::sync::Arc;

use async_trait::async_trait;
use syncline::{Storage, StoreError};
use syncline_conformance::{Scratch, StoreHarness, file_store_suite, store_suite};
use syncline_sqlite::SqliteStorage;

#[derive(Default)]
struct Sqlite(Scratch);

#[async_trait]
impl StoreHarness for Sqlite {
    async fn fresh(&self) -> Arc<dyn Storage> {
        Arc::new(SqliteStorage::at(self.0.renew().join("laws.sqlite")).unwrap())
    }

    async fn reopen(&self) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(SqliteStorage::at(self.0.path().join("laws.sqlite")).unwrap()))
    }

    async fn beside(&self) -> Option<Result<Arc<dyn Storage>, StoreError>> {
        Some(SqliteStorage::at(self.0.path().join("laws.sqlite")).map(|storage| Arc::new(storage) as Arc<dyn Storage>))
    }
}

store_suite!(Sqlite::default());

/// As a store on files.
mod on_files {
    use super::*;

    file_store_suite!(|path| SqliteStorage::at(path));
}
