//! A file for a test, in a directory of its own, and something to put into it.

use std::path::{Path, PathBuf};

use syncline::store::{Limit, RowRange, Storage, WriteBatch};
use syncline::{Cursor, Position, Seq, StoreError};
use syncline_conformance::{Author, Image, Subject, appends, dot, puts, space, unpack, view, voids};
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

/// Writes runs, voids and rows to one space.
pub(crate) async fn fill(storage: &RedbStorage) {
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
pub(crate) async fn read_all(storage: &RedbStorage) -> Result<Image, StoreError> {
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
