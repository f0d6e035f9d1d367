//! Where the measured data lie: one place for each side of each measurement, gone when it is dropped.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use syncline::store::Durability;
use syncline_any::{AnyOptions, AnyStorage, StoreName};

use crate::Failure;

/// A store that Syncline can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// One SQLite file.
    Sqlite,
    /// One redb file.
    Redb,
    /// A sled folder.
    Sled,
    /// A schema of a Postgres database.
    Postgres,
    /// Nothing on the disk.
    Memory,
}

impl Backend {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 5] = [Self::Sqlite, Self::Redb, Self::Sled, Self::Postgres, Self::Memory];

    /// What it is called in arguments and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Redb => "redb",
            Self::Sled => "sled",
            Self::Postgres => "postgres",
            Self::Memory => "memory",
        }
    }

    /// What it is called in a text.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Redb => "redb",
            Self::Sled => "sled",
            Self::Postgres => "Postgres",
            Self::Memory => "memory",
        }
    }

    /// What a commit can be told to survive, the most first.
    pub const fn durabilities(self) -> &'static [Durability] {
        match self {
            Self::Sqlite | Self::Sled | Self::Postgres => &[Durability::Synced, Durability::Process],
            Self::Redb => &[Durability::Synced],
            Self::Memory => &[Durability::Volatile],
        }
    }

    /// The setting of the backend that is this durability.
    pub const fn setting(self, durability: Durability) -> &'static str {
        match (self, durability) {
            (Self::Sqlite, Durability::Synced) => "WAL, synchronous = FULL",
            (Self::Sqlite, _) => "WAL, synchronous = NORMAL",
            (Self::Redb, _) => "two-phase commit",
            (Self::Sled, Durability::Synced) => "flush, then fsync",
            (Self::Sled, _) => "flush alone",
            (Self::Postgres, Durability::Synced) => "synchronous_commit = on",
            (Self::Postgres, _) => "synchronous_commit = off",
            (Self::Memory, _) => "no disk",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

/// Where places are made.
#[derive(Debug, Clone)]
pub struct Ground {
    /// The folder that files are made in.
    pub folder: PathBuf,
    /// The database that schemas are made in if there is one.
    pub postgres: Option<String>,
}

impl Ground {
    /// A new place, which nothing has been written to.
    ///
    /// # Errors
    /// For Postgres if there is no server.
    pub fn place(&self, backend: Backend) -> Result<Place, Failure> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("compare_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let at = match backend {
            Backend::Postgres => self.postgres.clone().ok_or("there is no Postgres server")?,
            _ => self.folder.join(&name).display().to_string(),
        };
        Ok(Place { backend, at, name, guarded: true })
    }
}

/// One database of a backend. What lies there is deleted when it is dropped, unless it was passed on to another process.
#[derive(Debug, Serialize, Deserialize)]
pub struct Place {
    backend: Backend,
    /// The path, or the database's URL.
    at: String,
    /// The schema.
    name: String,
    /// Whether to delete it when dropped: only if it was made.
    #[serde(skip)]
    guarded: bool,
}

impl Place {
    /// A file or folder of the caller's own.
    pub fn of_path(backend: Backend, path: &Path) -> Self {
        Self { backend, at: path.display().to_string(), name: String::new(), guarded: false }
    }

    /// Whose it is.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The file or folder.
    pub fn path(&self) -> &Path {
        Path::new(&self.at)
    }

    /// The database's URL.
    pub(crate) fn url(&self) -> &str {
        &self.at
    }

    /// The schema in the database.
    pub(crate) fn schema(&self) -> &str {
        &self.name
    }

    /// Opens what lies here, or begins it, with the adapter.
    ///
    /// # Errors
    /// [`Failure`] with the adapter's error.
    pub async fn open(&self, durability: Durability) -> Result<AnyStorage, Failure> {
        let name = match self.backend {
            Backend::Sqlite => StoreName::sqlite(&self.at),
            Backend::Redb => StoreName::redb(&self.at),
            Backend::Sled => StoreName::sled(&self.at),
            Backend::Postgres => self.at.parse::<StoreName>()?.with_schema(&self.name),
            Backend::Memory => StoreName::memory(),
        };
        Ok(AnyOptions::new(name).durability(durability).open().await?)
    }

    /// Bytes on the disk of all that lies here, as the file system or the server counts them.
    ///
    /// # Errors
    /// [`Failure`] if a file cannot be read, or Postgres does not answer.
    pub async fn bytes(&self) -> Result<u64, Failure> {
        if self.backend != Backend::Postgres {
            let beside = ["", "-wal", "-shm"].map(|end| PathBuf::from(format!("{}{end}", self.at)));
            return Ok(beside.iter().map(|path| size(path)).sum::<std::io::Result<u64>>()?);
        }
        let mut server = PgConnection::connect(&self.at).await?;
        let count = "SELECT coalesce(sum(pg_total_relation_size(pg_class.oid)), 0)::bigint FROM pg_class
            JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = $1 AND relkind IN ('r', 'm')";
        let bytes: i64 = sqlx::query_scalar(count).bind(&self.name).fetch_one(&mut server).await?;
        Ok(bytes.unsigned_abs())
    }

    /// Deletes what lies here.
    ///
    /// # Errors
    /// [`Failure`] if a file cannot be removed, or Postgres does not answer.
    pub async fn delete(mut self) -> Result<(), Failure> {
        self.guarded = false;
        match self.backend {
            Backend::Postgres => {
                let mut server = PgConnection::connect(&self.at).await?;
                // The name is ours and holds no quotes.
                let drop = format!("SET client_min_messages = warning; DROP SCHEMA IF EXISTS {} CASCADE", self.name);
                server.execute(AssertSqlSafe(drop)).await?;
            }
            _ => self.delete_files(),
        }
        Ok(())
    }

    fn delete_files(&self) {
        // What is not there need not go; what cannot go is left to the folder's owner.
        let _ = fs::remove_dir_all(&self.at);
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{end}", self.at));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.guarded && self.backend != Backend::Postgres {
            self.delete_files();
        }
    }
}

/// Bytes of a file or of all files in a folder; none if there is neither. Files with holes count what they take.
pub(crate) fn size(path: &Path) -> std::io::Result<u64> {
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
        Ok(data) if data.is_dir() => fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum(),
        Ok(data) => Ok(taken(&data)),
    }
}

#[cfg(unix)]
fn taken(data: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    data.blocks() * 512
}

#[cfg(not(unix))]
fn taken(data: &fs::Metadata) -> u64 {
    data.len()
}
