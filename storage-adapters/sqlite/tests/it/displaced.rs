//! Files that are deleted or replaced while they are open.

use std::fs;
use std::path::Path;

use syncline::store::Storage;
use syncline_conformance::displaced;
use syncline_sqlite::SqliteStorage;

use crate::file::Place;

fn refused_after(act: impl FnOnce(&Path), why: &str) {
    displaced::nothing_is_acknowledged_after("a.sqlite", |path| SqliteStorage::at(path), act, why);
}

fn beside(path: &Path, ending: &str) -> String {
    format!("{}{ending}", path.display())
}

#[test]
fn nothing_is_acknowledged_once_the_file_is_deleted() {
    refused_after(|path| fs::remove_file(path).unwrap(), "a.sqlite is gone");
}

#[test]
fn nothing_is_acknowledged_once_the_write_ahead_log_is_deleted() {
    refused_after(|path| fs::remove_file(beside(path, "-wal")).unwrap(), "a.sqlite-wal is gone");
}

#[test]
fn nothing_is_acknowledged_once_the_lock_is_deleted_so_that_another_process_may_write() {
    refused_after(|path| fs::remove_file(beside(path, "-lock")).unwrap(), "a.sqlite-lock is gone");
}

#[test]
fn nothing_is_acknowledged_once_another_file_takes_the_place() {
    let replace = |path: &Path| {
        fs::copy(path, beside(path, ".copy")).unwrap();
        fs::rename(beside(path, ".copy"), path).unwrap();
    };
    refused_after(replace, "a.sqlite is another file");
}

#[test]
fn nothing_is_acknowledged_once_the_directory_is_moved_or_replaced() {
    let elsewhere = tempfile::tempdir().unwrap();
    let away = elsewhere.path().join("away");
    refused_after(|path| fs::rename(path.parent().unwrap(), &away).unwrap(), "a.sqlite is gone");
    let replace = |path: &Path| {
        let dir = path.parent().unwrap();
        fs::rename(dir, elsewhere.path().join("old")).unwrap();
        fs::create_dir(dir).unwrap();
        for file in ["a.sqlite", "a.sqlite-wal", "a.sqlite-lock"] {
            fs::copy(elsewhere.path().join("old").join(file), dir.join(file)).unwrap();
        }
    };
    refused_after(replace, "is another file");
}

#[tokio::test]
async fn accounts_and_new_spaces_are_not_acknowledged_either() {
    let place = Place::new();
    let storage = place.open();
    fs::remove_file(place.path()).unwrap();
    assert!(storage.open(&syncline_conformance::space("notes")).await.is_err());
}
