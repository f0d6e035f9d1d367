//! An open store of any kind.

use std::sync::Arc;

use async_trait::async_trait;
use syncline::authority::accounts::Accounts;
use syncline::store::{Durability, EventStore, Storage, StoreError};
use syncline::{PhysicalClock, SpaceId};
use thiserror::Error;

use crate::name::{InvalidStoreName, StoreName};
use crate::options::AnyOptions;

/// Why a store could not be opened by its name.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The name names none.
    #[error(transparent)]
    Name(#[from] InvalidStoreName),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An open store. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct AnyStorage {
    name: StoreName,
    inner: Inner,
}

/// The stores that keep accounts, and the others.
#[derive(Debug, Clone)]
pub(crate) enum Inner {
    #[cfg(feature = "sqlite")]
    Sqlite(syncline_sqlite::SqliteStorage),
    #[cfg(feature = "postgres")]
    Postgres(syncline_postgres::PostgresStorage),
    Other(Arc<dyn Storage>),
}

impl AnyStorage {
    /// Opens the store of this name with the usual [`AnyOptions`]: every commit survives a power cut if the store is able
    /// to promise that.
    ///
    /// # Errors
    /// [`OpenError::Name`], and [`OpenError::Store`] as [`AnyOptions::open`].
    pub async fn at(name: &str) -> Result<Self, OpenError> {
        Ok(AnyOptions::new(name.parse()?).open().await?)
    }

    pub(crate) fn new(name: StoreName, inner: Inner) -> Self {
        Self { name, inner }
    }

    /// Its name.
    pub fn name(&self) -> &StoreName {
        &self.name
    }

    /// The accounts that the store keeps next to the logs, `None` if it keeps none. Their tables are created if they are not there
    /// yet. `clock` tells which tokens have expired.
    ///
    /// # Errors
    /// [`StoreError::UnsupportedFormat`] if a newer build wrote them; those of a commit.
    #[cfg_attr(
        not(any(feature = "sqlite", feature = "postgres")),
        expect(unused_variables, clippy::unused_async, reason = "no store keeps any")
    )]
    pub async fn accounts(&self, clock: Arc<dyn PhysicalClock>) -> Result<Option<Arc<dyn Accounts>>, StoreError> {
        Ok(match &self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(storage) => Some(Arc::new(storage.accounts(clock).await?)),
            #[cfg(feature = "postgres")]
            Inner::Postgres(storage) => Some(Arc::new(storage.accounts(clock).await?)),
            Inner::Other(_) => None,
        })
    }

    /// The accounts that the store keeps next to the logs, `None` if it keeps none or nobody has asked for
    /// [`accounts`](Self::accounts) yet.
    ///
    /// # Errors
    /// As [`accounts`](Self::accounts).
    #[cfg_attr(
        not(any(feature = "sqlite", feature = "postgres")),
        expect(unused_variables, clippy::unused_async, reason = "no store keeps any")
    )]
    pub async fn existing_accounts(
        &self,
        clock: Arc<dyn PhysicalClock>,
    ) -> Result<Option<Arc<dyn Accounts>>, StoreError> {
        Ok(match &self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(storage) => storage.existing_accounts(clock).await?.map(|accounts| Arc::new(accounts) as _),
            #[cfg(feature = "postgres")]
            Inner::Postgres(storage) => storage.existing_accounts(clock).await?.map(|accounts| Arc::new(accounts) as _),
            Inner::Other(_) => None,
        })
    }

    fn storage(&self) -> &dyn Storage {
        match &self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(storage) => storage,
            #[cfg(feature = "postgres")]
            Inner::Postgres(storage) => storage,
            Inner::Other(storage) => &**storage,
        }
    }
}

#[async_trait]
impl Storage for AnyStorage {
    async fn open(&self, space: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        self.storage().open(space).await
    }

    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        self.storage().spaces().await
    }

    fn durability(&self) -> Durability {
        self.storage().durability()
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.storage().ready().await
    }

    async fn check(&self) -> Result<String, StoreError> {
        self.storage().check().await
    }
}
