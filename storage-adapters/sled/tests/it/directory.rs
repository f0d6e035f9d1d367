//! A directory for a test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use syncline::StoreError;
use syncline_sled::{SledOptions, SledStorage};
use tempfile::TempDir;

/// Where a storage keeps its directory.
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::with_prefix("syncline-sled-").unwrap() }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("notes")
    }

    pub(crate) fn options(&self) -> SledOptions {
        SledOptions::new(self.path()).cache_bytes(4 * 1024 * 1024)
    }

    pub(crate) fn open(&self) -> SledStorage {
        self.options().open().unwrap()
    }

    /// Opens the directory with sled alone, whose threads may hold its lock for a moment after a handle is dropped.
    pub(crate) fn open_bare(&self) -> sled::Db {
        loop {
            match sled::open(self.path()) {
                Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                    std::thread::yield_now();
                }
                opened => return opened.unwrap(),
            }
        }
    }

    /// Asserts that opening the directory is refused and changes nothing in it.
    pub(crate) fn assert_left_alone(&self, is_right: impl Fn(&StoreError) -> bool) {
        let files = self.files();
        let error = self.options().open().unwrap_err();
        assert!(is_right(&error), "{error:?}");
        assert!(error.to_string().contains("notes"), "{error}");
        assert!(self.files() == files, "everything is as it was");
    }

    /// All files of the directory, or the one that is in its place, and what they hold.
    pub(crate) fn files(&self) -> Files {
        let mut files = Files::new();
        collect(self.dir(), self.dir(), &mut files);
        files
    }

    /// Makes the directory hold these files and no others.
    pub(crate) fn put(&self, files: &Files) {
        let _ = fs::remove_dir_all(self.path());
        for (name, content) in files {
            let path = self.dir().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }
}

/// What files hold, by their paths within the test's directory.
pub(crate) type Files = BTreeMap<PathBuf, Vec<u8>>;

fn collect(root: &Path, dir: &Path, files: &mut Files) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => collect(root, &entry.path(), files),
            false => {
                let name = entry.path().strip_prefix(root).unwrap().to_owned();
                files.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
}
