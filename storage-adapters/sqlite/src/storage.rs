//! One SQLite file: many spaces, each a log of its own, and the accounts.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use syncline::store::{Durability, EventStore, Storage, StoreError};
use syncline::{PhysicalClock, SpaceId};

use crate::accounts::SqliteAccounts;
use crate::database::Database;
use crate::error::corrupt;
use crate::options::SqliteOptions;
use crate::store::SqliteStore;

/// An open file. Cheap to clone; clones, the stores opened from it and its accounts share it. When the last of them is
/// dropped, queued commits are finished and the file is closed: the drop blocks until then.
///
/// One process at a time has the file open through Syncline; a second open answers [`StoreError::InUse`]. Other programs, a
/// shell for instance, may read beside it.
#[derive(Debug, Clone)]
pub struct SqliteStorage {
    database: Arc<Database>,
}

/// What the writer has done since the file was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterStats {
    /// Commits that were answered.
    pub commits: u64,
    /// Transactions, each one wait for the disk, that these commits shared.
    pub transactions: u64,
}

impl SqliteStorage {
    /// Opens the file at `path` with the usual [`SqliteOptions`]: every commit survives a power cut.
    ///
    /// # Errors
    /// As [`SqliteOptions::open`].
    pub fn at(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        SqliteOptions::new(path.as_ref()).open()
    }

    pub(crate) fn open_with(options: &SqliteOptions) -> Result<Self, StoreError> {
        Ok(Self { database: Arc::new(Database::open(options)?) })
    }

    /// The accounts in this file. `clock` tells which tokens have expired.
    pub fn accounts(&self, clock: Arc<dyn PhysicalClock>) -> SqliteAccounts {
        SqliteAccounts::new(self.database.clone(), clock)
    }

    /// What the writer has done so far.
    pub fn stats(&self) -> WriterStats {
        let (commits, transactions) = self.database.counts();
        WriterStats { commits, transactions }
    }
}

#[async_trait]
impl Storage for SqliteStorage {
    async fn open(&self, space: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        let space = self.database.space(space).await?;
        Ok(Arc::new(SqliteStore::new(self.database.clone(), space)))
    }

    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        let select = |db: &rusqlite::Connection| {
            let mut select = db.prepare_cached("SELECT name FROM spaces ORDER BY name")?;
            let names = select.query_map([], |row| row.get::<_, String>(0))?;
            let space = |name: rusqlite::Result<String>| {
                SpaceId::new(&name?).map_err(|error| corrupt("the table of spaces".into(), error).into())
            };
            names.map(space).collect()
        };
        self.database.read(select).await
    }

    fn durability(&self) -> Durability {
        self.database.durability()
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.database.ready().await
    }

    async fn check(&self) -> Result<String, StoreError> {
        self.database.check_file().await?;
        Ok("all tables and indices, by SQLite's integrity_check".to_owned())
    }
}
