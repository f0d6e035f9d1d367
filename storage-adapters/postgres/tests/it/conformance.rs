//! Every law of a store.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use syncline::store::{Storage, StoreError};
use syncline_conformance::{StoreHarness, store_suite};
use syncline_postgres::PostgresOptions;
use syncline_postgres_testing::{Scratch, Server};

#[derive(Default)]
struct Postgres(Mutex<Option<Scratch>>);

impl Postgres {
    async fn open(&self) -> Arc<dyn Storage> {
        let options = {
            let scratch = self.0.lock().unwrap();
            let scratch = scratch.as_ref().unwrap();
            PostgresOptions::new(scratch.url()).schema(scratch.schema())
        };
        Arc::new(options.open().await.unwrap())
    }
}

#[async_trait]
impl StoreHarness for Postgres {
    async fn fresh(&self) -> Arc<dyn Storage> {
        *self.0.lock().unwrap() = Some(Server::shared().scratch());
        self.open().await
    }

    async fn reopen(&self) -> Option<Arc<dyn Storage>> {
        Some(self.open().await)
    }

    async fn beside(&self) -> Option<Result<Arc<dyn Storage>, StoreError>> {
        Some(Ok(self.open().await))
    }
}

store_suite!(Postgres::default());
