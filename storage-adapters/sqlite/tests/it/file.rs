//! A file for a test, in a directory of its own.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use syncline::Storage;
use syncline::store::Durability;
use syncline_conformance::{Subject, space};
use syncline_sqlite::{SqliteOptions, SqliteStorage};
use tempfile::TempDir;

/// Where a storage keeps its file.
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::with_prefix("syncline-sqlite-").unwrap() }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("a.sqlite")
    }

    /// The storage, without a wait for the disk.
    pub(crate) fn open(&self) -> SqliteStorage {
        self.options().open().unwrap()
    }

    pub(crate) fn options(&self) -> SqliteOptions {
        SqliteOptions::new(self.path()).durability(Durability::Process)
    }

    /// The file as another program sees it.
    pub(crate) fn by_hand(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    /// The names of all files in the directory.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// One space of a storage.
pub(crate) async fn subject(storage: &SqliteStorage, name: &str) -> Subject {
    let _: &dyn Storage = storage;
    assert_eq!(space(name).as_str(), name);
    Subject::open(storage, name).await
}
