//! Whose file it is, and of which version.

use rusqlite::Connection;
use syncline::StoreError;
#[cfg(unix)]
use syncline_conformance::elsewhere;

use crate::file::Place;

const APPLICATION_ID: u32 = 0x5379_6e4c;

fn refusal(place: &Place) -> (String, u32) {
    match place.options().open().unwrap_err() {
        StoreError::UnsupportedFormat { what, found, newest } => {
            assert_eq!(what, place.path().canonicalize().unwrap().display().to_string());
            (found, newest)
        }
        other => panic!("{other}"),
    }
}

/// Asserts that opening the file is refused, changes no byte of it and leaves nothing next to it.
fn assert_left_alone(place: &Place, reason: &str) {
    let (bytes, files) = (std::fs::read(place.path()).unwrap(), place.files());
    let (found, _) = refusal(place);
    assert!(found.contains(reason), "{found}");
    assert_eq!(std::fs::read(place.path()).unwrap(), bytes);
    assert_eq!(place.files(), files);
}

fn version(place: &Place) -> (u32, u32) {
    let file = place.by_hand();
    let number = |name| file.pragma_query_value(None, name, |row| row.get(0)).unwrap();
    (number("application_id"), number("user_version"))
}

#[test]
fn a_new_file_carries_our_mark_and_its_version() {
    let place = Place::new();
    drop(place.open());
    assert_eq!(version(&place), (APPLICATION_ID, 2));
    drop(place.open());
    assert_eq!(version(&place), (APPLICATION_ID, 2));
}

#[test]
fn a_file_with_nothing_in_it_becomes_ours() {
    let place = Place::new();
    std::fs::write(place.path(), b"").unwrap();
    drop(place.open());
    assert_eq!(version(&place).0, APPLICATION_ID);
}

#[test]
fn a_file_that_is_not_of_sqlite_is_left_alone() {
    for content in [&b"dear diary"[..], &[0; 8192], b"SQLite format 2\0"] {
        let place = Place::new();
        std::fs::write(place.path(), content).unwrap();
        assert_left_alone(&place, "not of SQLite");
    }
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    for (journal, mark) in [("DELETE", 0), ("DELETE", 77), ("WAL", 0), ("WAL", 77)] {
        let place = Place::new();
        let file = place.by_hand();
        file.pragma_update_and_check(None, "journal_mode", journal, |_| Ok(())).unwrap();
        file.pragma_update(None, "application_id", mark).unwrap();
        file.execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)").unwrap();
        file.close().unwrap();
        assert_left_alone(&place, "another program");
    }
}

#[test]
fn a_database_that_another_program_is_just_making_is_left_alone() {
    let place = Place::new();
    let file = place.by_hand();
    file.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
    file.execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)").unwrap();
    // All of it is still in the write-ahead log.
    let (found, _) = refusal(&place);
    assert!(found.contains("another program"), "{found}");
    assert_eq!(file.query_row("SELECT a FROM theirs", [], |row| row.get(0)), Ok(1));
    let tables: i64 = file.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn a_newer_version_is_refused_by_its_number() {
    let place = Place::new();
    drop(place.open());
    place.by_hand().pragma_update(None, "user_version", 99).unwrap();
    let bytes = std::fs::read(place.path()).unwrap();
    assert_eq!(refusal(&place), ("99".into(), 2));
    assert_eq!(std::fs::read(place.path()).unwrap(), bytes);
}

#[test]
fn a_newer_version_that_is_only_in_the_log_is_refused_too() {
    let place = Place::new();
    drop(place.open());
    let newer: Connection = place.by_hand();
    newer.pragma_update(None, "user_version", 99).unwrap();
    assert_eq!(refusal(&place), ("99".into(), 2));
}

#[test]
fn a_file_in_no_directory_is_an_error_that_names_it() {
    let place = Place::new();
    let path = place.dir().join("missing").join("a.sqlite");
    let error = syncline_sqlite::SqliteStorage::at(&path).unwrap_err();
    assert!(matches!(error, StoreError::Backend { .. }), "{error:?}");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
}

#[test]
fn a_directory_is_an_error_that_names_it() {
    let place = Place::new();
    std::fs::create_dir(place.path()).unwrap();
    let error = place.options().open().unwrap_err();
    assert!(matches!(error, StoreError::Backend { .. }), "{error:?}");
    assert!(error.to_string().contains("a.sqlite"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_written_is_an_error_that_says_so() {
    const NAME: &str = "format::a_file_that_may_not_be_written_is_an_error_that_says_so";
    if let Some(path) = elsewhere::path() {
        let error = syncline_sqlite::SqliteStorage::at(path).unwrap_err();
        assert!(matches!(error, StoreError::Backend { .. }), "{error:?}");
        return elsewhere::say(error);
    }
    // The database alone; and all that belongs to it.
    for read_only in [&["a.sqlite"][..], &["a.sqlite", "a.sqlite-lock"]] {
        let place = Place::new();
        drop(place.open());
        for file in read_only {
            let path = place.dir().join(file);
            let mut permissions = std::fs::metadata(&path).unwrap().permissions();
            permissions.set_readonly(true);
            std::fs::set_permissions(path, permissions).unwrap();
        }
        let bytes = std::fs::read(place.path()).unwrap();
        let said = elsewhere::says_to_a_user(NAME, &place.path());
        assert!(said.contains("a.sqlite") && said.contains("writable"), "{said}");
        assert_eq!(std::fs::read(place.path()).unwrap(), bytes);
    }
}
