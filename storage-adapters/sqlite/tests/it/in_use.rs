//! One process per file, one open per process.

use std::fs::File;

use syncline::StoreError;
use syncline_conformance::{Author, appends};
use syncline_sqlite::SqliteStorage;

use crate::file::{Place, subject};

fn assert_in_use(opened: Result<SqliteStorage, StoreError>) {
    match opened.unwrap_err() {
        error @ StoreError::InUse { .. } => assert!(error.to_string().contains("a.sqlite"), "{error}"),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn any_handle_keeps_the_file_in_use() {
    let place = Place::new();
    let storage = place.open();
    let accounts = storage.accounts(std::sync::Arc::new(|| syncline::NTP64(0))).await.unwrap();
    drop(storage);
    assert_in_use(place.options().open());
    drop(accounts);
    place.open();
}

#[cfg(unix)]
#[test]
fn another_name_of_the_same_file_is_in_use_too() {
    let place = Place::new();
    let _first = place.open();
    let link = place.dir().join("link-to-a.sqlite");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    assert_in_use(SqliteStorage::at(&link));
}

#[test]
fn a_lock_of_another_process_is_respected_and_its_remains_are_not() {
    let place = Place::new();
    let other = File::create(place.dir().join("a.sqlite-lock")).unwrap();
    other.lock().unwrap();
    assert_in_use(place.options().open());
    // As the end of a process would do it; to close the file is not enough if another test is just starting a child.
    other.unlock().unwrap();
    place.open();
}

/// SQLite's own locks belong to the process: a second open and close of the file would end those of the first, and the next
/// program to close it would delete the log that the first still writes to.
#[tokio::test]
async fn a_refused_open_does_not_take_the_first_ones_locks() {
    let place = Place::new();
    let storage = place.open();
    let store = subject(&storage, "notes").await;
    let mut ann = Author::new(1);
    store.commit(appends([ann.write(1)])).await;
    assert_in_use(place.options().open());
    let other_program =
        std::process::Command::new("sqlite3").arg(place.path()).arg("SELECT count(*) FROM bundles").output();
    if let Ok(output) = other_program {
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "1");
    }
    assert!(place.files().contains(&"a.sqlite-wal".to_owned()), "{:?}", place.files());
    store.commit(appends([ann.write(1)])).await;
    drop((store, storage));
    let storage = place.open();
    assert_eq!(subject(&storage, "notes").await.status().await.head.get(), 2);
}
