//! How a store is opened.

use std::sync::Arc;

use syncline::MemoryStorage;
use syncline::store::{Durability, StoreError};

use crate::name::{Named, StoreName};
use crate::storage::{AnyStorage, Inner};

/// Which store to open, and how. What an adapter offers beyond this, its own options do.
///
/// ```no_run
/// use syncline::store::Durability;
/// use syncline_any::AnyOptions;
///
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// let storage = AnyOptions::new("sled:notes".parse()?).durability(Durability::Process).open().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AnyOptions {
    name: StoreName,
    durability: Durability,
}

impl AnyOptions {
    /// The store of this name.
    pub fn new(name: StoreName) -> Self {
        Self { name, durability: Durability::Synced }
    }

    /// What a returned commit shall survive. [`Durability::Synced`] by default. A store that cannot do less does
    /// more (redb always waits for the disk), and memory does nothing: ask
    /// [`Storage::durability`](syncline::store::Storage::durability).
    #[must_use]
    pub fn durability(self, durability: Durability) -> Self {
        Self { durability, ..self }
    }

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
        Ok(AnyStorage::new(name, inner))
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
