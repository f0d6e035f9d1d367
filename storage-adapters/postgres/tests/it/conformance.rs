//! Every law of a store.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use syncline::store::{Storage, StoreError};
use syncline_conformance::{StoreHarness, store_suite};
use syncline_postgres::PostgresOptions;
use syncline_postgres_testing::{Scratch, Server};

use crate::fixture::options;

/// Schemas of a server, and how they are reached.
pub(crate) struct Postgres {
    server: fn() -> &'static Server,
    options: fn(&Scratch) -> PostgresOptions,
    last: Mutex<Option<Scratch>>,
}

impl Postgres {
    pub(crate) fn new(server: fn() -> &'static Server, options: fn(&Scratch) -> PostgresOptions) -> Self {
        Self { server, options, last: Mutex::default() }
    }

    async fn open(&self) -> Arc<dyn Storage> {
        let options = (self.options)(self.last.lock().unwrap().as_ref().unwrap());
        Arc::new(options.open().await.unwrap())
    }
}

#[async_trait]
impl StoreHarness for Postgres {
    async fn fresh(&self) -> Arc<dyn Storage> {
        *self.last.lock().unwrap() = Some((self.server)().scratch());
        self.open().await
    }

    async fn reopen(&self) -> Option<Arc<dyn Storage>> {
        Some(self.open().await)
    }

    async fn beside(&self) -> Option<Result<Arc<dyn Storage>, StoreError>> {
        Some(Ok(self.open().await))
    }
}

store_suite!(Postgres::new(Server::shared, options));
