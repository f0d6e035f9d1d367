//! Write-ahead logs that were left behind, by their own file and by others.

use std::fs;
use std::path::{Path, PathBuf};

use syncline::store::{Replacement, Storage, WriteBatch};
use syncline::{Position, StoreError};
use syncline_conformance::{Author, Placed, Subject, appends, new_log_id, placed};
use syncline_sqlite::{SqliteStorage, copy};
use tempfile::TempDir;

use crate::file::{Place, subject};

/// A file that is written to.
struct Busy {
    place: Place,
    storage: SqliteStorage,
    stores: Vec<Subject>,
    authors: Vec<Author>,
    written: Vec<Vec<syncline::format::VerifiedRun>>,
}

const SPACES: [&str; 3] = ["notes", "letters", "lists"];

impl Busy {
    async fn new() -> Self {
        let place = Place::new();
        let storage = place.open();
        let mut stores = Vec::new();
        for name in SPACES {
            stores.push(subject(&storage, name).await);
        }
        let authors = (1..=3).map(Author::new).collect();
        Self { place, storage, stores, authors, written: vec![Vec::new(); SPACES.len()] }
    }

    /// So many commits, each to a space.
    async fn commit(&mut self, spaces: &[usize], count: usize) {
        for round in 0..count {
            let space = spaces[round % spaces.len()];
            let verified = self.authors[space].write(12);
            self.written[space].push(verified.clone());
            self.stores[space].commit(appends([verified])).await;
        }
    }

    /// What a killed process would leave: the file and its log.
    fn crash(&self) -> Left {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("a.sqlite");
        fs::copy(self.place.path(), &path).unwrap();
        fs::copy(wal(&self.place.path()), wal(&path)).unwrap();
        assert!(fs::metadata(wal(&path)).unwrap().len() > 0);
        Left { _dir: dir, path }
    }

    /// The logs of all spaces as they are now.
    fn logs(&self) -> Vec<Vec<Placed>> {
        self.written.iter().map(|written| placed(1, written)).collect()
    }
}

fn wal(path: &Path) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push("-wal");
    path.into()
}

struct Left {
    _dir: TempDir,
    path: PathBuf,
}

impl Left {
    /// All logs that are in it, or why it does not open.
    async fn open(&self) -> Result<Vec<Vec<Placed>>, StoreError> {
        let storage = SqliteStorage::at(&self.path)?;
        let mut logs = Vec::new();
        for name in SPACES {
            logs.push(subject(&storage, name).await.log().await);
        }
        storage.check().await?;
        Ok(logs)
    }
}

#[tokio::test]
async fn the_log_that_a_killed_process_left_is_taken_whatever_was_in_it() {
    for (first, second) in [(0, 1), (1, 1), (30, 5), (300, 2), (700, 90)] {
        let mut busy = Busy::new().await;
        busy.commit(&[0, 1, 2], first).await;
        assert_eq!(busy.crash().open().await.unwrap(), busy.logs(), "{first}");
        busy.commit(&[1], second).await;
        assert_eq!(busy.crash().open().await.unwrap(), busy.logs(), "{first}, {second}");
        // And again what is left by the one that continued.
        let left = busy.crash();
        drop(left.open().await.unwrap());
        assert_eq!(left.open().await.unwrap(), busy.logs());
    }
}

#[tokio::test]
async fn the_log_that_a_killed_process_left_is_taken_if_it_has_trims_in_it() {
    for (first, trim, second) in [(9, 20, 0), (30, 100, 3), (300, 1_200, 30)] {
        let mut busy = Busy::new().await;
        busy.commit(&[0, 1, 2], first).await;
        let base = Position::new(trim);
        busy.stores[1].commit(WriteBatch { trim: Some(base), ..WriteBatch::default() }).await;
        busy.commit(&[1], second).await;
        let mut expected = busy.logs();
        expected[1].retain(|bundle| bundle.position > base);
        // Before and after the log was copied into the file.
        let left = busy.crash();
        assert_eq!(left.open().await.unwrap(), expected, "{first}, {trim}, {second}");
        assert_eq!(left.open().await.unwrap(), expected);
    }
}

/// By a log that knows this author.
fn replacement(author: &Author) -> WriteBatch {
    let heads = [(author.origin(), author.head())].into_iter().collect();
    WriteBatch { replace: Some(Replacement { log: new_log_id(), heads }), ..WriteBatch::default() }
}

#[tokio::test]
async fn the_log_that_a_killed_process_left_is_taken_if_it_has_replacements_in_it() {
    for (first, times, second) in [(0, 1, 0), (9, 1, 0), (30, 2, 3), (300, 1, 30)] {
        let mut busy = Busy::new().await;
        busy.commit(&[0, 1, 2], first).await;
        let mut expected = busy.logs();
        for _ in 0..times {
            busy.stores[1].commit(replacement(&busy.authors[1])).await;
            let base = busy.authors[1].head().seq.get();
            busy.written[1].clear();
            busy.commit(&[1], second).await;
            expected[1] = placed(base + 1, &busy.written[1]);
        }
        // Before and after the log was copied into the file.
        let left = busy.crash();
        assert_eq!(left.open().await.unwrap(), expected, "{first}, {times}, {second}");
        assert_eq!(left.open().await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_file_beside_the_log_of_another_one_is_refused_although_that_was_replaced() {
    for count in [0, 9, 300] {
        let (mut busy, mut other) = (Busy::new().await, Busy::new().await);
        busy.commit(&[0, 1, 2], count).await;
        other.commit(&[0, 1, 2], count).await;
        for (store, author) in busy.stores.iter().zip(&busy.authors) {
            store.commit(replacement(author)).await;
        }
        let left = busy.crash();
        copy(&other.place.path(), &other.place.dir().join("backup")).unwrap();
        fs::copy(other.place.dir().join("backup"), &left.path).unwrap();
        let told = left.open().await.unwrap_err().to_string();
        assert!(told.contains("a.sqlite-wal") && told.contains("remove"), "{told}");
    }
}

#[tokio::test]
async fn a_backup_beside_the_log_of_the_file_before_it_is_refused_or_loses_nothing() {
    let mut refused = 0;
    for (before, between, after) in
        [(9, 0, 3), (9, 900, 6), (300, 700, 2), (300, 1_500, 60), (60, 2_000, 1), (0, 900, 9)]
    {
        for (spaces, last) in [(&[0, 1, 2][..], &[0][..]), (&[0], &[0]), (&[1], &[2])] {
            let mut busy = Busy::new().await;
            busy.commit(&[0, 1, 2], before).await;
            let backup = busy.place.dir().join("backup");
            copy(&busy.place.path(), &backup).unwrap();
            busy.commit(spaces, between).await;
            busy.commit(last, after).await;
            let left = busy.crash();
            fs::copy(&backup, &left.path).unwrap();
            match left.open().await {
                Err(error) => {
                    let told = error.to_string();
                    assert!(told.contains("a.sqlite-wal") && told.contains("remove"), "{told}");
                    refused += 1;
                    // What the message says helps.
                    fs::remove_file(wal(&left.path)).unwrap();
                    let _ = fs::remove_file(left.path.with_extension("sqlite-shm"));
                    left.open().await.unwrap();
                }
                // The log has all that came after the backup.
                Ok(logs) => assert_eq!(logs, busy.logs(), "{before} {between} {after} {spaces:?} {last:?}"),
            }
            drop(busy.storage);
        }
    }
    assert!(refused >= 12, "{refused}");
}

#[tokio::test]
async fn a_refused_file_is_left_as_it_was() {
    let mut busy = Busy::new().await;
    busy.commit(&[0], 9).await;
    let backup = busy.place.dir().join("backup");
    copy(&busy.place.path(), &backup).unwrap();
    busy.commit(&[0], 1_500).await;
    let left = busy.crash();
    fs::copy(&backup, &left.path).unwrap();
    let before = [fs::read(&left.path).unwrap(), fs::read(wal(&left.path)).unwrap()];
    left.open().await.unwrap_err();
    assert!([fs::read(&left.path).unwrap(), fs::read(wal(&left.path)).unwrap()] == before);
}
