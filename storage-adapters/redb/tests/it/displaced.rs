//! Files that are deleted or replaced while they are open.

use std::fs;
use std::path::Path;

use syncline_conformance::displaced;
use syncline_redb::RedbStorage;

fn refused_after(act: impl FnOnce(&Path), why: &str) {
    displaced::nothing_is_acknowledged_after("a.redb", |path| RedbStorage::at(path), act, why);
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
