//! A file for a test, in a directory of its own.

use std::path::{Path, PathBuf};

use syncline::StoreError;
use syncline_redb::{RedbOptions, RedbStorage};
use tempfile::TempDir;

/// Where a storage keeps its file.
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::with_prefix("syncline-redb-").unwrap() }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("a.redb")
    }

    pub(crate) fn options(&self) -> RedbOptions {
        RedbOptions::new(self.path()).cache_bytes(4 * 1024 * 1024)
    }

    pub(crate) fn open(&self) -> RedbStorage {
        self.options().open().unwrap()
    }

    /// Asserts that opening the file is refused, changes no byte of it and leaves nothing next to it.
    pub(crate) fn assert_left_alone(&self, is_right: impl Fn(&StoreError) -> bool) {
        let (bytes, files) = (std::fs::read(self.path()).unwrap(), self.files());
        let error = self.options().open().unwrap_err();
        assert!(is_right(&error), "{error:?}");
        assert!(error.to_string().contains("a.redb"), "{error}");
        assert!(std::fs::read(self.path()).unwrap() == bytes, "the file is as it was");
        assert_eq!(self.files(), files);
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}
