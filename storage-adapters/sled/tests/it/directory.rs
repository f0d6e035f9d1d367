//! A directory for a test, and something to put into it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use syncline::store::{Limit, RowRange, Storage, WriteBatch};
use syncline::{Cursor, Position, Seq, StoreError};
use syncline_conformance::{Author, Image, Subject, appends, dot, puts, space, unpack, view, voids};
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

/// Writes runs, voids and rows to one space.
pub(crate) async fn fill(storage: &SledStorage) {
    let store = Subject::open(storage, "notes").await;
    let (mut ann, mut bob, todo) = (Author::new(1), Author::new(2), view("todo@1"));
    for round in 0..12u8 {
        let rows = puts(&todo, &[(vec![round], vec![b'v'; 200]), (vec![round % 3, round], vec![round; 10])]);
        let views = vec![(todo.clone(), Position::new(9 * u64::from(round)))];
        store.commit(WriteBatch { rows, views, ..appends([ann.write(8), bob.write(1)]) }).await;
    }
    store.commit(voids([dot(&ann, 7), dot(&bob, 12)])).await;
}

/// All that the storage says of that space, the log in both ways of reading, or the first error.
pub(crate) async fn read_all(storage: &SledStorage) -> Result<Image, StoreError> {
    let store = storage.open(&space("notes")).await?;
    let (status, todo) = (store.status().await?, view("todo@1"));
    let log = unpack(&store.read(Cursor::start(status.log), Limit::PAGE).await?.runs);
    let mut own = Vec::new();
    for (origin, _) in status.heads.iter() {
        own.extend(unpack(&store.read_origin(origin, Seq::ZERO, Limit::PAGE).await?));
    }
    own.sort_by_key(|placed| placed.position);
    assert!(own == log, "both ways of reading show one log");
    let rows = store.scan(&todo, RowRange::all(), Limit::PAGE).await?;
    Ok(Image { status, log, rows: vec![(todo, rows)] })
}
