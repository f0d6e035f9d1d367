//! Copies of a file in use, and putting them in its place.

use std::fs;

use syncline::StoreError;
use syncline::store::Storage;
use syncline_conformance::{Author, appends};
use syncline_sqlite::{SqliteStorage, copy, put_in_place};

use crate::file::{Place, subject};

#[tokio::test]
async fn a_copy_of_a_file_in_use_is_whole_and_for_its_owner_alone() {
    let place = Place::new();
    let storage = place.open();
    let store = subject(&storage, "notes").await;
    let mut ann = Author::new(1);
    for round in 0..20 {
        store.commit(appends([ann.write(30)])).await;
        let to = place.dir().join(format!("copy-{round}"));
        copy(&place.path(), &to).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let copied = SqliteStorage::at(&to).unwrap();
        copied.check().await.unwrap();
        assert_eq!(subject(&copied, "notes").await.log().await, store.log().await);
    }
    let taken = copy(&place.path(), &place.dir().join("copy-0")).unwrap_err();
    assert!(matches!(taken, StoreError::Backend { .. }), "{taken:?}");
}

#[tokio::test]
async fn what_is_not_ours_is_not_copied_and_nothing_is_left_of_it() {
    let place = Place::new();
    fs::write(place.path(), "Dear Ann,\n".repeat(1_000)).unwrap();
    let error = copy(&place.path(), &place.dir().join("copy")).unwrap_err();
    assert!(matches!(error, StoreError::UnsupportedFormat { .. }), "{error:?}");
    assert_eq!(place.files(), ["a.sqlite"]);
}

#[tokio::test]
async fn a_copy_takes_the_place_of_a_file_and_of_the_log_that_a_kill_left() {
    let (place, copies) = (Place::new(), Place::new());
    let storage = place.open();
    let store = subject(&storage, "notes").await;
    let mut ann = Author::new(1);
    store.commit(appends([ann.write(3)])).await;
    copy(&place.path(), &copies.path()).unwrap();
    let (log, kept) = (store.status().await.log, store.log().await);
    store.commit(appends([ann.write(400)])).await;
    let all = store.log().await;
    let left = [fs::read(place.path()).unwrap(), fs::read(place.dir().join("a.sqlite-wal")).unwrap()];
    assert!(matches!(put_in_place(&copies.path(), &place.path()), Err(StoreError::InUse { .. })));
    drop((store, storage));
    fs::write(place.path(), &left[0]).unwrap();
    fs::write(place.dir().join("a.sqlite-wal"), &left[1]).unwrap();

    put_in_place(&copies.path(), &place.path()).unwrap();
    let restored = place.open();
    let store = subject(&restored, "notes").await;
    assert_eq!(store.log().await, kept);
    assert_ne!(store.status().await.log, log, "peers must compare heads");
    drop((store, restored));

    // What was there is still there, whole.
    let old = SqliteStorage::at(place.dir().join("a.sqlite.old")).unwrap();
    assert_eq!(subject(&old, "notes").await.log().await, all);
}
