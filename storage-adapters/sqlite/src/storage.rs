//! One SQLite file: many spaces, each a log of its own, and the accounts.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use syncline::store::{Durability, EventStore, Storage, StoreError};
use syncline::{PhysicalClock, SpaceId};
use syncline_embedded::{Database, WriterStats};

use crate::accounts::SqliteAccounts;
use crate::backend::Sqlite;
use crate::check;
use crate::open::open;
use crate::options::SqliteOptions;

/// An open file. Cheap to clone; clones, the stores opened from it and its accounts share it. When the last of them is
/// dropped, queued commits are finished and the file is closed: the drop blocks until then.
///
/// One process at a time has the file open through Syncline; a second open answers [`StoreError::InUse`]. Other programs, a
/// shell for instance, may read at the same time.
#[derive(Debug, Clone)]
pub struct SqliteStorage {
    database: Arc<Database<Sqlite>>,
}

impl SqliteStorage {
    /// Opens the file at `path` with the usual [`SqliteOptions`]: every commit survives a power cut.
    ///
    /// # Errors
    /// As [`SqliteOptions::open`].
    pub fn at(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        SqliteOptions::new(path.as_ref()).open()
    }

    /// The accounts in this file. Their tables are created if there are none yet. `clock` tells which tokens have expired.
    ///
    /// # Errors
    /// [`StoreError::UnsupportedFormat`] if a newer build wrote them; the logs can be read nevertheless. [`StoreError::Backend`],
    /// [`StoreError::Corrupt`] and [`StoreError::Poisoned`] as for a commit.
    ///
    /// # Cancel
    /// The tables may have been created.
    pub async fn accounts(&self, clock: Arc<dyn PhysicalClock>) -> Result<SqliteAccounts, StoreError> {
        SqliteAccounts::open(self.database.clone(), clock).await
    }

    /// The accounts in this file, `None` if nobody has asked for [`accounts`](Self::accounts) yet, as in a replica's file.
    ///
    /// # Errors
    /// As [`accounts`](Self::accounts).
    pub async fn existing_accounts(&self, clock: Arc<dyn PhysicalClock>) -> Result<Option<SqliteAccounts>, StoreError> {
        SqliteAccounts::find(self.database.clone(), clock).await
    }

    /// What the writer has done so far.
    pub fn stats(&self) -> WriterStats {
        self.database.stats()
    }
}

impl SqliteOptions {
    /// Opens the file, brings its format up to date and starts its threads. Blocks for as long as that takes: milliseconds,
    /// or longer if SQLite has to recover from a crash.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if the file is open already, in this process or another. [`StoreError::UnsupportedFormat`]
    /// if a newer build or another program wrote it; it is left as it was. [`StoreError::Corrupt`] if SQLite cannot
    /// read it. [`StoreError::Backend`] if it cannot be opened for writing.
    pub fn open(self) -> Result<SqliteStorage, StoreError> {
        Ok(SqliteStorage { database: Arc::new(open(&self)?) })
    }
}

#[async_trait]
impl Storage for SqliteStorage {
    async fn open(&self, space: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        self.database.open(space).await
    }

    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        self.database.spaces().await
    }

    fn durability(&self) -> Durability {
        self.database.backend().options.durability
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.database.ready().await
    }

    async fn check(&self) -> Result<String, StoreError> {
        self.database.check()?;
        check::check(&self.database.backend().options).await?;
        Ok("all tables and indices, by SQLite's integrity_check".to_owned())
    }
}
