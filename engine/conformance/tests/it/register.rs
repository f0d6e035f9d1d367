//! A law that is written but not registered would reach no adapter.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use syncline_conformance::{for_each_crdt_law, projection, store, transport};

/// The laws written in the files of a directory of the kit's source, by name.
fn written(directory: &str) -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(directory);
    let mut names = Vec::new();
    for file in fs::read_dir(&directory).unwrap() {
        let source = fs::read_to_string(file.unwrap().path()).unwrap();
        let law = |line: &str| {
            let name = line.strip_prefix("pub async fn ").or_else(|| line.strip_prefix("pub fn "))?;
            Some(name.split(['(', '<']).next()?.to_owned())
        };
        names.extend(source.lines().filter_map(law));
    }
    names
}

fn assert_registered(directory: &str, registered: &[&str]) {
    let written = written(directory);
    let (written_once, registered_once): (BTreeSet<_>, BTreeSet<_>) =
        (written.iter().map(String::as_str).collect(), registered.iter().copied().collect());
    assert_eq!(written_once.difference(&registered_once).collect::<Vec<_>>(), Vec::<&&str>::new(), "not registered");
    assert_eq!((written.len(), registered.len()), (written_once.len(), registered_once.len()), "a name is used twice");
}

#[test]
fn every_store_law_is_registered() {
    assert_registered("store", &store::LAWS.iter().map(|law| law.name).collect::<Vec<_>>());
}

#[test]
fn every_transport_law_is_registered() {
    assert_registered("transport", &transport::LAWS.iter().map(|law| law.name).collect::<Vec<_>>());
}

#[test]
fn every_projection_law_is_registered() {
    assert_registered("projection", &projection::LAWS.iter().map(|law| law.name).collect::<Vec<_>>());
}

macro_rules! names {
    (() $($module:ident { $($law:ident)+ })+) => { [$($( stringify!($law) ),+),+] };
}

#[test]
fn every_crdt_law_is_registered() {
    assert_registered("crdt", &for_each_crdt_law!([names]()));
}
