//! Whose directory it is, and of which version.

use std::fs;

use syncline::StoreError;
#[cfg(unix)]
use syncline_conformance::elsewhere;

use crate::directory::Place;

fn is_unsupported(error: &StoreError, reason: &str) -> bool {
    matches!(error, StoreError::UnsupportedFormat { found, .. } if found.contains(reason))
}

#[test]
fn a_directory_of_another_program_is_left_alone() {
    let theirs = Place::new();
    let database = sled::open(theirs.path()).unwrap();
    database.insert("theirs", "data").unwrap();
    // So that sled's threads, which may outlive the handle for a moment, have nothing left to write.
    database.flush().unwrap();
    drop(database);
    let diary = Place::new();
    fs::create_dir(diary.path()).unwrap();
    fs::write(diary.path().join("diary"), "dear diary").unwrap();
    for place in [theirs, diary] {
        place.assert_left_alone(|error| is_unsupported(error, "another program"));
    }
}

#[test]
fn a_file_in_place_of_the_directory_is_left_alone() {
    let place = Place::new();
    fs::write(place.path(), "dear diary").unwrap();
    place.assert_left_alone(|error| is_unsupported(error, "a file"));
}

#[test]
fn a_newer_version_is_refused_by_its_number() {
    let place = Place::new();
    drop(place.open());
    {
        let database = place.open_bare();
        database.open_tree("syncline").unwrap().insert([0; 5], &b"syncline\0\0\0\x63"[..]).unwrap();
        database.flush().unwrap();
    }
    assert!(is_unsupported(&place.options().open().unwrap_err(), "99"));
}

#[test]
fn a_directory_with_nothing_in_it_becomes_ours() {
    let place = Place::new();
    fs::create_dir(place.path()).unwrap();
    drop(place.open());
    place.open();
}

#[test]
fn a_directory_below_none_is_an_error_that_names_it() {
    let place = Place::new();
    let path = place.dir().join("missing").join("notes");
    let error = syncline_sled::SledStorage::at(&path).unwrap_err();
    assert!(matches!(error, StoreError::Backend { .. }), "{error:?}");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
}

#[test]
fn a_directory_that_is_read_only_is_an_error_that_says_so() {
    let place = Place::new();
    drop(place.open());
    let mark = |readonly| {
        let mut permissions = fs::metadata(place.path()).unwrap().permissions();
        permissions.set_readonly(readonly);
        fs::set_permissions(place.path(), permissions).unwrap();
    };
    mark(true);
    place.assert_left_alone(|error| {
        matches!(error, StoreError::Backend { .. }) && error.to_string().contains("make it writable")
    });
    mark(false);
}

#[cfg(unix)]
#[test]
fn a_directory_that_belongs_to_another_user_is_an_error_that_names_it() {
    const NAME: &str = "format::a_directory_that_belongs_to_another_user_is_an_error_that_names_it";
    if let Some(path) = elsewhere::path() {
        let error = syncline_sled::SledStorage::at(path).unwrap_err();
        assert!(matches!(error, StoreError::Backend { .. }), "{error:?}");
        return elsewhere::say(error);
    }
    let place = Place::new();
    drop(place.open());
    let before = place.files();
    let said = elsewhere::says_to_a_user(NAME, &place.path());
    assert!(said.contains("notes"), "{said}");
    assert!(place.files() == before, "everything is as it was");
}
