//! Files that are deleted or replaced while they are open.

use std::fs;
use std::path::Path;

use syncline_conformance::displaced;
use syncline_sled::SledStorage;

fn refused_after(act: impl FnOnce(&Path), why: &str) {
    displaced::nothing_is_acknowledged_after("a.sled", |path| SledStorage::at(path), act, why);
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
