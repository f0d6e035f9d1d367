//! Which stores replicas and server have.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use syncline::store::{Durability, EventStore, Storage};
use syncline::{SpaceId, StoreError};
use syncline_any::{AnyOptions, AnyStorage, InvalidStoreName, Scheme, StoreName};
use thiserror::Error;

use crate::member::Failure;

/// A kind of store in the folder of the replay, or a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    Memory,
    Sqlite,
    Redb,
    Sled,
    Postgres(StoreName),
}

/// A text that is no choice.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum InvalidChoice {
    #[error(transparent)]
    Name(#[from] InvalidStoreName),
    #[error("stores lie in the folder of --keep, a file for each replica; say only {0}")]
    Named(Scheme),
}

impl FromStr for Choice {
    type Err = InvalidChoice;

    fn from_str(text: &str) -> Result<Self, InvalidChoice> {
        match text.trim_end_matches(':') {
            "memory" => Ok(Self::Memory),
            "sqlite" => Ok(Self::Sqlite),
            "redb" => Ok(Self::Redb),
            "sled" => Ok(Self::Sled),
            _ => {
                let name: StoreName = text.parse()?;
                match name.scheme() {
                    Scheme::Postgres => Ok(Self::Postgres(name)),
                    scheme => Err(InvalidChoice::Named(scheme)),
                }
            }
        }
    }
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Redb => "redb",
            Self::Sled => "sled",
            Self::Postgres(_) => "postgres",
        })
    }
}

impl Choice {
    /// The name of the store that belongs to `owner`. Its schema if it has one, is of this run alone.
    fn name(&self, folder: &Path, owner: &str, run: &str) -> StoreName {
        let file = |ending: &str| folder.join(format!("{owner}.{ending}"));
        match self {
            Self::Memory => StoreName::memory(),
            Self::Sqlite => StoreName::sqlite(file("sqlite")),
            Self::Redb => StoreName::redb(file("redb")),
            Self::Sled => StoreName::sled(file("sled")),
            Self::Postgres(name) => name.clone().with_schema(format!("replay_{run}_{owner}")),
        }
    }
}

/// A replica's store.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) durability: Durability,
    /// Where it lies on this machine.
    pub(crate) path: Option<PathBuf>,
}

/// The stores of one run.
pub(crate) struct Stores<'a> {
    choice: &'a Choice,
    folder: &'a Path,
    durability: Durability,
    run: String,
    /// The database that all replicas share, each with a space of its own.
    shared: Option<AnyStorage>,
}

impl<'a> Stores<'a> {
    /// Where the replicas of this run store.
    pub(crate) async fn open(choice: &'a Choice, folder: &'a Path, durability: Durability) -> Result<Self, Failure> {
        let mut stores = Self { choice, folder, durability, run: run(), shared: None };
        if let Choice::Postgres(_) = choice {
            stores.shared = Some(stores.storage("replicas").await?);
        }
        Ok(stores)
    }

    /// The store of one replica.
    pub(crate) async fn of(&self, replica: &str) -> Result<Opened, Failure> {
        let space = SpaceId::new(replica)?;
        let storage = match &self.shared {
            Some(shared) => shared.clone(),
            None => self.storage(replica).await?,
        };
        let (durability, path) = (storage.durability(), storage.name().path().map(Path::to_owned));
        Ok(Opened { store: storage.open(&space).await?, durability, path })
    }

    async fn storage(&self, owner: &str) -> Result<AnyStorage, StoreError> {
        let name = self.choice.name(self.folder, owner, &self.run);
        AnyOptions::new(name).durability(self.durability).open().await
    }
}

/// The storage of the server.
pub(crate) async fn server(choice: &Choice, folder: &Path, durability: Durability) -> Result<AnyStorage, StoreError> {
    AnyOptions::new(choice.name(folder, "server", &run())).durability(durability).open().await
}

/// A few random digits.
fn run() -> String {
    syncline_os::log_id().to_string()[..8].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_a_kind_or_a_database() {
        assert_eq!("redb".parse(), Ok(Choice::Redb));
        assert_eq!("memory:".parse(), Ok(Choice::Memory));
        assert!(matches!("postgres://localhost/replay".parse(), Ok(Choice::Postgres(_))));
        assert_eq!("redb:file".parse::<Choice>(), Err(InvalidChoice::Named(Scheme::Redb)));
        assert_eq!("file".parse::<Choice>(), Err(InvalidChoice::Named(Scheme::Sqlite)));
        assert!("mysql://localhost".parse::<Choice>().unwrap_err().to_string().contains("postgres://"));
    }
}
