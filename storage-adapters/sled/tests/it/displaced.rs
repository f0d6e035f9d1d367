//! Files that are deleted or replaced while they are open.

use std::fs;
use std::path::Path;

use futures_executor::block_on;
use syncline::StoreError;
use syncline::store::Storage;
use syncline_conformance::{Author, Subject, appends};
use syncline_sled::SledStorage;

/// Does this to what is open: no commit is acknowledged from then on, and everybody learns why.
fn refused_after(act: impl FnOnce(&Path), why: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.sled");
    let storage = SledStorage::at(&path).unwrap();
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
fn nothing_is_acknowledged_once_the_folder_is_deleted_or_moved() {
    let elsewhere = tempfile::tempdir().unwrap();
    refused_after(|path| fs::remove_dir_all(path).unwrap(), "a.sled is gone");
    refused_after(|path| fs::rename(path, elsewhere.path().join("away")).unwrap(), "a.sled is gone");
}

#[test]
fn nothing_is_acknowledged_once_the_folder_is_replaced() {
    let replace = |path: &Path| {
        let old = path.with_extension("old");
        fs::rename(path, &old).unwrap();
        fs::create_dir(path).unwrap();
        for file in ["db", "conf", "syncline.lock"] {
            fs::copy(old.join(file), path.join(file)).unwrap();
        }
    };
    refused_after(replace, "a.sled is another file");
}

#[test]
fn nothing_is_acknowledged_once_a_file_in_the_folder_is_deleted() {
    for file in ["db", "conf", "syncline.lock"] {
        refused_after(|path| fs::remove_file(path.join(file)).unwrap(), &format!("{file} is gone"));
    }
    refused_after(|path| fs::remove_dir_all(path.join("blobs")).unwrap(), "blobs is gone");
}
