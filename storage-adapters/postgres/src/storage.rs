//! One schema of a database: many spaces, each a log of its own, and the accounts.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use syncline::store::{Durability, EventStore, Retry, Storage, StoreError};
use syncline::{LogId, NTP64, PhysicalClock, SpaceId};

use crate::accounts::PostgresAccounts;
use crate::ask::Ask;
use crate::check;
use crate::connection::Connection;
use crate::database::Database;
use crate::error::{Fault, Result, backend, corrupt};
use crate::number::{random, to_bytes};
use crate::options::PostgresOptions;
use crate::stats::WriterStats;
use crate::store::PostgresStore;
use crate::work::Work;

/// An open schema. Cheap to clone; clones, the stores opened from it and its accounts share its connections, which close when
/// the last of them is dropped.
///
/// Any number of processes may have the same schema open and behave as one.
#[derive(Clone)]
pub struct PostgresStorage {
    database: Arc<Database>,
}

impl PostgresStorage {
    /// Opens the database at `url` with the usual [`PostgresOptions`], in the schema `syncline`.
    ///
    /// # Errors
    /// As [`PostgresOptions::open`].
    pub async fn at(url: impl Into<String>) -> std::result::Result<Self, StoreError> {
        PostgresOptions::new(url).open().await
    }

    /// The accounts in this schema. Their tables are created if there are none yet; processes that ask at the same time wait for each
    /// other. `clock` tells which tokens have expired.
    ///
    /// # Errors
    /// [`StoreError::UnsupportedFormat`] if a newer build wrote them; the logs can be read nevertheless. [`StoreError::Backend`] if the
    /// server cannot be reached, or its user may not create tables.
    ///
    /// # Cancel
    /// The tables may have been created.
    pub async fn accounts(&self, clock: Arc<dyn PhysicalClock>) -> std::result::Result<PostgresAccounts, StoreError> {
        PostgresAccounts::open(self.database.clone(), clock).await
    }

    /// The accounts in this schema, `None` if nobody has asked for [`accounts`](Self::accounts) yet.
    ///
    /// # Errors
    /// As [`accounts`](Self::accounts).
    pub async fn existing_accounts(
        &self,
        clock: Arc<dyn PhysicalClock>,
    ) -> std::result::Result<Option<PostgresAccounts>, StoreError> {
        PostgresAccounts::find(self.database.clone(), clock).await
    }

    /// What was committed through this storage so far.
    pub fn stats(&self) -> WriterStats {
        self.database.counts.stats()
    }
}

impl PostgresOptions {
    /// Connects, and creates the tables or brings them up to date. Servers that do so at the same time wait for each other.
    /// Needs a Tokio runtime, on which the storage then keeps its work.
    ///
    /// # Errors
    /// [`StoreError::UnsupportedFormat`] if a newer build wrote the schema, or another program did; it is left as it was.
    /// [`StoreError::Backend`] if the server cannot be reached, takes no writes, or an option is not possible; if a pooler
    /// before it changes sessions within a transaction, or keeps back a setting.
    pub async fn open(self) -> std::result::Result<PostgresStorage, StoreError> {
        Ok(PostgresStorage { database: Arc::new(Database::open(&self).await?) })
    }
}

impl fmt::Debug for PostgresStorage {
    /// Leaves out how it connects, which includes a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("PostgresStorage");
        debug.field("durability", &self.database.durability()).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Storage for PostgresStorage {
    async fn open(&self, space: &SpaceId) -> std::result::Result<Arc<dyn EventStore>, StoreError> {
        self.database.ask(OpenSpace(space.clone())).await?;
        let space = self.database.spaces.get_or_insert(space);
        Ok(Arc::new(PostgresStore::new(self.database.clone(), space)))
    }

    async fn spaces(&self) -> std::result::Result<Vec<SpaceId>, StoreError> {
        self.database.ask(ListSpaces).await
    }

    fn durability(&self) -> Durability {
        self.database.durability()
    }

    async fn ready(&self) -> std::result::Result<(), StoreError> {
        self.database.ask(Ready).await
    }

    async fn check(&self) -> std::result::Result<String, StoreError> {
        let checking = async {
            // A connection of its own: it takes long, and nobody shall miss one in the meantime.
            let mut connection = self.database.pool.open().await?;
            connection.start(Work::Statements).await?;
            let found = check::check(&mut connection).await;
            connection.close().await;
            found
        };
        checking.await.map_err(|fault: Fault| fault.unchanged("checking tables and indices"))
    }
}

/// Whether the server answers, and takes writes.
struct Ready;

impl Ask for Ready {
    const DURING: &'static str = "asking whether it is ready";
    type Answer = ();

    async fn ask(&self, connection: &mut Connection) -> Result<()> {
        let select = "SELECT current_setting('transaction_read_only') = 'on'";
        match sqlx::query_scalar(select).fetch_one(connection).await? {
            false => Ok(()),
            true => Err(backend(Retry::Later, "the server takes no writes; connect to the primary").into()),
        }
    }
}

/// Creates a space if it does not exist. Once more changes nothing.
struct OpenSpace(SpaceId);

impl Ask for OpenSpace {
    const DURING: &'static str = "opening a space";
    type Answer = ();

    async fn ask(&self, connection: &mut Connection) -> Result<()> {
        let exists = "SELECT EXISTS (SELECT FROM spaces WHERE name = $1)";
        if sqlx::query_scalar(exists).bind(self.0.as_str()).fetch_one(&mut *connection).await? {
            return Ok(());
        }
        let insert =
            "INSERT INTO spaces (name, log, revision, head, clock) VALUES ($1, $2, 0, 0, $3) ON CONFLICT DO NOTHING";
        let query = sqlx::query(insert).bind(self.0.as_str()).bind(new_log().to_bytes()).bind(to_bytes(NTP64(0)));
        query.execute(connection).await?;
        Ok(())
    }
}

fn new_log() -> LogId {
    LogId::from_bytes(random()).expect("128 random bits are not all zero")
}

/// All spaces, in the order of their names.
struct ListSpaces;

impl Ask for ListSpaces {
    const DURING: &'static str = "listing the spaces";
    type Answer = Vec<SpaceId>;

    async fn ask(&self, connection: &mut Connection) -> Result<Vec<SpaceId>> {
        let names: Vec<String> =
            sqlx::query_scalar("SELECT name FROM spaces ORDER BY name").fetch_all(connection).await?;
        let space = |name: &String| SpaceId::new(name).map_err(|error| corrupt("the table of spaces", error).into());
        names.iter().map(space).collect()
    }
}
