//! What an archive must do, in a folder and in an object store.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use bytes::Bytes;
use object_store::memory::InMemory;
use syncline::archive::{Archive, SegmentName};
use syncline::{LogId, Position};
use syncline_archive::ObjectArchive;
use syncline_conformance::{archive, space};

#[tokio::test]
async fn a_folder_keeps_every_law_and_what_it_has_after_it_was_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("is/created");
    archive::check(async || ObjectArchive::folder(&place).unwrap()).await;
}

#[tokio::test]
async fn what_a_person_puts_into_the_folder_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let archive = ObjectArchive::folder(folder.path()).unwrap();
    let log = LogId::from_bytes([7; 16]).unwrap();
    let name = SegmentName { after: Position::new(0), last: Position::new(1), log };
    for space in ["notes", "notes.other-1"].map(space) {
        archive.put(&space, name, Bytes::from_static(b"first")).await.unwrap();
    }
    std::fs::write(folder.path().join("notes/README"), "of a person").unwrap();
    std::fs::write(folder.path().join("a file"), "of a person").unwrap();
    assert_eq!(archive.spaces().await.unwrap(), [space("notes"), space("notes.other-1")]);
    assert_eq!(archive.list(&space("notes")).await.unwrap(), [name]);
}

#[tokio::test]
async fn an_object_store_keeps_every_law_below_its_prefix() {
    let store = Arc::new(InMemory::new());
    for prefix in ["a/prefix", "a/prefix2"] {
        archive::check(async || ObjectArchive::new(store.clone(), prefix)).await;
    }
}

#[tokio::test]
async fn a_file_in_the_place_of_the_folder_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(ObjectArchive::folder(&file).is_err());
}
