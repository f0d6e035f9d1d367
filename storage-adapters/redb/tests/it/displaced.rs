//! Files that are deleted or replaced while they are open.

use std::fs;
use std::path::Path;

use futures_executor::block_on;
use syncline::StoreError;
use syncline::store::Storage;
use syncline_conformance::{Author, Subject, appends};
use syncline_redb::RedbStorage;

/// Does this to what is open: no commit is acknowledged from then on, and everybody learns why.
fn refused_after(act: impl FnOnce(&Path), why: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.redb");
    let storage = RedbStorage::at(&path).unwrap();
    let store = block_on(Subject::open(&storage, "notes"));
    let mut ann = Author::new(1);
    block_on(store.commit(appends([ann.write(1)])));
    block_on(storage.ready()).unwrap();
    act(&path);
    let error = block_on(storage.ready()).unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
    let error = block_on(store.refusal(appends([ann.write(1)])));
    assert!(matches!(error, StoreError::Backend { .. }) && error.to_string().contains(why), "{error:?}");
    let error = block_on(store.refusal(appends([ann.write(1)])));
    assert!(matches!(&error, StoreError::Poisoned { why: told, .. } if told.contains(why)), "{error:?}");
    assert!(matches!(block_on(storage.ready()).unwrap_err(), StoreError::Poisoned { .. }));
}

#[test]
fn nothing_is_acknowledged_once_the_file_is_deleted() {
    refused_after(|path| fs::remove_file(path).unwrap(), "a.redb is gone");
}

#[test]
fn nothing_is_acknowledged_once_another_file_takes_the_place() {
    let replace = |path: &Path| {
        fs::copy(path, path.with_extension("copy")).unwrap();
        fs::rename(path.with_extension("copy"), path).unwrap();
    };
    refused_after(replace, "a.redb is another file");
}

#[test]
fn nothing_is_acknowledged_once_the_directory_is_moved() {
    let elsewhere = tempfile::tempdir().unwrap();
    let away = elsewhere.path().join("away");
    refused_after(|path| fs::rename(path.parent().unwrap(), &away).unwrap(), "a.redb is gone");
}
