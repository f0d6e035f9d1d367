//! A store of every kind, for a test of its own.

use syncline_any::{AnyStorage, Scheme, StoreName};
use syncline_postgres_testing::{Scratch, Server};
use tempfile::TempDir;

/// Where the stores of one test lie.
pub(crate) struct Place {
    dir: TempDir,
    scratch: Scratch,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), scratch: Server::shared().scratch() }
    }

    /// The name of a store of this kind.
    pub(crate) fn name(&self, scheme: Scheme) -> StoreName {
        match scheme {
            Scheme::Memory => StoreName::memory(),
            Scheme::Postgres => self.scratch.url().parse::<StoreName>().unwrap().with_schema(self.scratch.schema()),
            on_disk => format!("{on_disk}:{}", self.dir.path().join(on_disk.as_str()).display()).parse().unwrap(),
        }
    }

    pub(crate) async fn open(&self, scheme: Scheme) -> AnyStorage {
        syncline_any::AnyOptions::new(self.name(scheme)).open().await.unwrap()
    }
}
