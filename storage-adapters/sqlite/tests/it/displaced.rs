//! Files that are deleted or replaced while they are open.

use std::fs;
use std::path::Path;

use syncline::StoreError;
use syncline::store::{Retry, Storage};
use syncline_conformance::{Author, appends};

use crate::file::{Place, subject};

/// Does this to an open file: no commit is acknowledged from then on, and everybody learns why.
async fn refused_after(act: impl FnOnce(&Path), why: &str) {
    let place = Place::new();
    let storage = place.open();
    let store = subject(&storage, "notes").await;
    let mut ann = Author::new(1);
    store.commit(appends([ann.write(1)])).await;
    storage.ready().await.unwrap();
    act(&place.path());
    let error = storage.ready().await.unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
    let error = store.refusal(appends([ann.write(1)])).await;
    assert!(matches!(error, StoreError::Backend { retry: Retry::Never, .. }), "{error:?}");
    assert!(error.to_string().contains(why), "{error}");
    for error in [store.refusal(appends([ann.write(1)])).await, store.store().status().await.unwrap_err()] {
        assert!(matches!(&error, StoreError::Poisoned { why: told, .. } if told.contains(why)), "{error:?}");
    }
    assert!(matches!(storage.ready().await.unwrap_err(), StoreError::Poisoned { .. }));
}

fn beside(path: &Path, ending: &str) -> String {
    format!("{}{ending}", path.display())
}

#[tokio::test]
async fn nothing_is_acknowledged_once_the_file_is_deleted() {
    refused_after(|path| fs::remove_file(path).unwrap(), "a.sqlite is gone").await;
}

#[tokio::test]
async fn nothing_is_acknowledged_once_the_write_ahead_log_is_deleted() {
    refused_after(|path| fs::remove_file(beside(path, "-wal")).unwrap(), "a.sqlite-wal is gone").await;
}

#[tokio::test]
async fn nothing_is_acknowledged_once_the_lock_is_deleted_so_that_another_process_may_write() {
    refused_after(|path| fs::remove_file(beside(path, "-lock")).unwrap(), "a.sqlite-lock is gone").await;
}

#[tokio::test]
async fn nothing_is_acknowledged_once_another_file_takes_the_place() {
    let replace = |path: &Path| {
        fs::copy(path, beside(path, ".copy")).unwrap();
        fs::rename(beside(path, ".copy"), path).unwrap();
    };
    refused_after(replace, "a.sqlite is another file").await;
}

#[tokio::test]
async fn nothing_is_acknowledged_once_the_directory_is_moved_or_replaced() {
    let elsewhere = tempfile::tempdir().unwrap();
    let away = elsewhere.path().join("away");
    refused_after(|path| fs::rename(path.parent().unwrap(), &away).unwrap(), "a.sqlite is gone").await;
    let replace = |path: &Path| {
        let dir = path.parent().unwrap();
        fs::rename(dir, elsewhere.path().join("old")).unwrap();
        fs::create_dir(dir).unwrap();
        for file in ["a.sqlite", "a.sqlite-wal", "a.sqlite-lock"] {
            fs::copy(elsewhere.path().join("old").join(file), dir.join(file)).unwrap();
        }
    };
    refused_after(replace, "is another file").await;
}

#[tokio::test]
async fn accounts_and_new_spaces_are_not_acknowledged_either() {
    let place = Place::new();
    let storage = place.open();
    fs::remove_file(place.path()).unwrap();
    assert!(storage.open(&syncline_conformance::space("notes")).await.is_err());
}
