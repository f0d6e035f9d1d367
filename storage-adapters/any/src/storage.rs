//! An open store of any kind.

use std::sync::Arc;

use async_trait::async_trait;
use syncline::authority::accounts::Accounts;
use syncline::store::{Durability, EventStore, Storage, StoreError};
use syncline::{MemoryStorage, PhysicalClock, SpaceId};
use thiserror::Error;

use crate::name::{InvalidStoreName, Named, StoreName};
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
enum Inner {
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

impl AnyOptions {
    /// Opens the store, and creates it if it does not exist. Files block for as long as their adapter says; Postgres needs a
    /// Tokio runtime.
    ///
    /// # Errors
    /// Those of the adapter. [`StoreError::Backend`] if this build has none for it.
    pub async fn open(self) -> Result<AnyStorage, StoreError> {
        let Self { name, durability } = self;
        let inner = match &name.0 {
            Named::Memory => Inner::Other(Arc::new(MemoryStorage::new(syncline_os::log_id))),
            #[cfg(feature = "sqlite")]
            Named::Sqlite(file) => {
                Inner::Sqlite(syncline_sqlite::SqliteOptions::new(file).durability(durability).open()?)
            }
            #[cfg(feature = "redb")]
            Named::Redb(file) => Inner::Other(Arc::new(syncline_redb::RedbOptions::new(file).open()?)),
            #[cfg(feature = "sled")]
            Named::Sled(folder) => {
                Inner::Other(Arc::new(syncline_sled::SledOptions::new(folder).durability(durability).open()?))
            }
            #[cfg(feature = "postgres")]
            Named::Postgres { url, schema } => Inner::Postgres(postgres(url, schema.as_deref(), durability).await?),
            #[cfg(not(all(feature = "sqlite", feature = "redb", feature = "sled", feature = "postgres")))]
            _ => return Err(not_built(name.scheme(), durability)),
        };
        Ok(AnyStorage { name, inner })
    }
}

#[cfg(feature = "postgres")]
async fn postgres(
    url: &str,
    schema: Option<&str>,
    durability: Durability,
) -> Result<syncline_postgres::PostgresStorage, StoreError> {
    let mut options = syncline_postgres::PostgresOptions::new(url);
    if let Some(schema) = schema {
        options = options.schema(schema);
    }
    if durability < Durability::Synced {
        options = options.asynchronous_commit();
    }
    options.open().await
}

#[cfg(not(all(feature = "sqlite", feature = "redb", feature = "sled", feature = "postgres")))]
fn not_built(scheme: crate::Scheme, _: Durability) -> StoreError {
    use crate::Scheme;
    let built: Vec<_> = Scheme::ALL.into_iter().filter(|scheme| scheme.is_built()).map(Scheme::as_str).collect();
    StoreError::Backend {
        backend: scheme.as_str(),
        retry: syncline::store::Retry::Never,
        source: format!(
            "this build was made without it and has {}; build with the feature `{scheme}`",
            built.join(", ")
        )
        .into(),
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
