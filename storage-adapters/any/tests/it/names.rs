//! What names a store and what does not.

use std::path::Path;

use proptest::prelude::*;
use syncline_any::{InvalidStoreName, Scheme, StoreName};

fn name(text: &str) -> StoreName {
    text.parse().unwrap()
}

#[test]
fn every_store_has_its_name() {
    for (text, scheme, path) in [
        ("memory:", Scheme::Memory, None),
        ("sqlite:notes.sqlite", Scheme::Sqlite, Some("notes.sqlite")),
        ("sqlite:/data/a b:c", Scheme::Sqlite, Some("/data/a b:c")),
        ("redb:notes.redb", Scheme::Redb, Some("notes.redb")),
        ("sled:./notes", Scheme::Sled, Some("./notes")),
        ("postgres://ann@localhost/notes", Scheme::Postgres, None),
    ] {
        let name = name(text);
        assert_eq!((name.scheme(), name.path()), (scheme, path.map(Path::new)), "{text}");
        assert_eq!(name.to_string(), text);
    }
}

#[test]
fn a_path_alone_is_a_sqlite_file() {
    for path in ["notes.sqlite", "/data/notes", "./a:b", "Notes:1", r"C:\data\notes.sqlite", "ä:1"] {
        let name = name(path);
        assert_eq!((name.scheme(), name.path()), (Scheme::Sqlite, Some(Path::new(path))), "{path}");
    }
}

#[test]
fn an_unknown_scheme_is_refused_with_those_that_exist() {
    let error = "mysql://localhost/notes".parse::<StoreName>().unwrap_err();
    assert_eq!(error, InvalidStoreName::UnknownScheme { scheme: "mysql".to_owned() });
    let said = error.to_string();
    for scheme in Scheme::ALL {
        assert!(said.contains(&format!("{scheme}:")), "{said}");
    }
}

#[test]
fn a_name_that_is_not_whole_is_refused_with_what_it_should_look_like() {
    for (text, form) in [
        ("sqlite:", "sqlite:FILE"),
        ("redb:", "redb:FILE"),
        ("sled:", "sled:FOLDER"),
        ("memory:notes", "memory:"),
        ("postgres:notes", "postgres://USER@HOST/DATABASE"),
    ] {
        assert_eq!(text.parse::<StoreName>().unwrap_err(), InvalidStoreName::Incomplete { form }, "{text}");
    }
    assert_eq!("".parse::<StoreName>().unwrap_err(), InvalidStoreName::Empty);
}

#[test]
fn a_schema_belongs_to_the_name_of_a_database() {
    let named = name("postgres://ann@localhost/notes?schema=team_a&sslmode=require");
    assert_eq!(named.schema(), Some("team_a"));
    let other = named.with_schema("team_b");
    assert_eq!(other.to_string(), "postgres://ann@localhost/notes?schema=team_b");
    assert_eq!(name("postgresql:///notes?host=/run/pg").to_string(), "postgres:///notes?host=/run/pg");
    assert_eq!(name("redb:a").with_schema("b").schema(), None);
}

#[test]
fn passwords_are_not_shown() {
    for text in [
        "postgres://ann:s3cret@localhost/notes",
        "postgres://ann:s3cret:s3cret@localhost/notes?schema=a",
        "postgres://ann:s3cr@s3cret@localhost/notes",
        "postgres://ann@localhost/notes?password=s3cret&host=db",
        "postgres://ann:s3cret@localhost/notes?schema=a&sslpassword=s3cret",
    ] {
        let name = name(text);
        for shown in [name.to_string(), format!("{name:?}")] {
            assert!(shown.contains("ann@localhost/notes") && !shown.contains("s3cr"), "{shown}");
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_a_name_or_is_refused(text in ".{0,40}", scheme in prop::sample::select(Scheme::ALL.to_vec())) {
        let _ = text.parse::<StoreName>();
        if let Ok(name) = format!("{scheme}:{text}").parse::<StoreName>() {
            prop_assert_eq!(name.scheme(), scheme);
        }
    }
}
