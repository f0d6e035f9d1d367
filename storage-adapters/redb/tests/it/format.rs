//! Whose file it is, and of which version.

use std::fs;

use redb::{Database, MultimapTableDefinition, TableDefinition};
use syncline::StoreError;
#[cfg(unix)]
use syncline_conformance::elsewhere;

use crate::file::Place;

const OURS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("syncline");

fn is_unsupported(error: &StoreError, reason: &str) -> bool {
    matches!(error, StoreError::UnsupportedFormat { found, .. } if found.contains(reason))
}

#[test]
fn a_file_that_is_not_of_redb_is_left_alone() {
    for content in [&b"dear diary"[..], &[0; 8192], b"redb", b"SQLite format 3\0"] {
        let place = Place::new();
        fs::write(place.path(), content).unwrap();
        place.assert_left_alone(|error| is_unsupported(error, "not of redb"));
    }
}

#[test]
fn a_file_of_another_program_is_left_alone() {
    let their_table = |database: &Database| {
        let write = database.begin_write().unwrap();
        write.open_table(TableDefinition::<u64, u64>::new("theirs")).unwrap().insert(1, 2).unwrap();
        write.commit().unwrap();
    };
    let our_name = |database: &Database| {
        let write = database.begin_write().unwrap();
        write.open_table(TableDefinition::<u64, u64>::new("syncline")).unwrap().insert(1, 2).unwrap();
        write.commit().unwrap();
    };
    let our_table = |database: &Database| {
        let write = database.begin_write().unwrap();
        write.open_table(OURS).unwrap().insert(&b"theirs"[..], &b"data"[..]).unwrap();
        write.commit().unwrap();
    };
    let their_multimap = |database: &Database| {
        let write = database.begin_write().unwrap();
        write.open_multimap_table(MultimapTableDefinition::<u64, u64>::new("theirs")).unwrap().insert(1, 2).unwrap();
        write.commit().unwrap();
    };
    let programs: [fn(&Database); 4] = [their_table, their_multimap, our_name, our_table];
    for program in programs {
        let place = Place::new();
        program(&Database::create(place.path()).unwrap());
        place.assert_left_alone(|error| is_unsupported(error, "another program"));
    }
}

#[test]
fn a_newer_version_is_refused_by_its_number() {
    let place = Place::new();
    drop(place.open());
    {
        let database = Database::create(place.path()).unwrap();
        let write = database.begin_write().unwrap();
        write.open_table(OURS).unwrap().insert(&[0; 5][..], &b"syncline\0\0\0\x63"[..]).unwrap();
        write.commit().unwrap();
    }
    place.assert_left_alone(|error| is_unsupported(error, "99"));
}

#[test]
fn a_file_with_nothing_in_it_becomes_ours() {
    let place = Place::new();
    fs::write(place.path(), b"").unwrap();
    drop(place.open());
    drop(Database::create(place.path()).unwrap());
    place.open();
}

#[test]
fn a_file_in_no_directory_is_an_error_that_names_it() {
    let place = Place::new();
    let path = place.dir().join("missing").join("a.redb");
    let error = syncline_redb::RedbStorage::at(&path).unwrap_err();
    assert!(matches!(error, StoreError::Backend { .. }), "{error:?}");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
}

#[test]
fn a_directory_is_an_error_that_names_it() {
    let place = Place::new();
    fs::create_dir(place.path()).unwrap();
    let error = place.options().open().unwrap_err();
    assert!(matches!(error, StoreError::Backend { .. }), "{error:?}");
    assert!(error.to_string().contains("a.redb"), "{error}");
}

#[test]
fn a_file_that_is_read_only_is_an_error_that_says_so() {
    let place = Place::new();
    drop(place.open());
    let mut permissions = fs::metadata(place.path()).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(place.path(), permissions).unwrap();
    place.assert_left_alone(|error| {
        matches!(error, StoreError::Backend { .. }) && error.to_string().contains("make it writable")
    });
}

#[cfg(unix)]
#[test]
fn a_file_that_belongs_to_another_user_is_an_error_that_names_it() {
    const NAME: &str = "format::a_file_that_belongs_to_another_user_is_an_error_that_names_it";
    if let Some(path) = elsewhere::path() {
        let error = syncline_redb::RedbStorage::at(path).unwrap_err();
        assert!(matches!(error, StoreError::Backend { .. }), "{error:?}");
        return elsewhere::say(error);
    }
    let place = Place::new();
    drop(place.open());
    let before = fs::read(place.path()).unwrap();
    let said = elsewhere::says_to_a_user(NAME, &place.path());
    assert!(said.contains("a.redb"), "{said}");
    assert!(fs::read(place.path()).unwrap() == before, "everything is as it was");
}
