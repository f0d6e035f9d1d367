//! What an archive must do, in a folder and in an object store.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use bytes::Bytes;
use object_store::memory::InMemory;
use syncline::archive::{Archive, MemoryArchive, SegmentName};
use syncline::{LogId, Position, SpaceId};
use syncline_archive::ObjectArchive;

fn space(name: &str) -> SpaceId {
    SpaceId::new(name).unwrap()
}

fn name(after: u64, last: u64) -> SegmentName {
    SegmentName { after: Position::new(after), last: Position::new(last), log: LogId::from_bytes([7; 16]).unwrap() }
}

/// Every law of an archive, on an empty one.
async fn keeps_the_laws(archive: &dyn Archive) {
    let (notes, other) = (space("notes"), space("notes.other-1"));
    assert_eq!(archive.list(&notes).await.unwrap(), []);
    assert_eq!(archive.get(&notes, name(0, 1)).await.unwrap(), None);
    let (first, second) = (Bytes::from_static(b"first"), Bytes::from(vec![7; 3 << 20]));
    archive.put(&notes, name(0, 1), first.clone()).await.unwrap();
    archive.put(&notes, name(1, u64::MAX), second.clone()).await.unwrap();
    archive.put(&other, name(0, 1), second.clone()).await.unwrap();
    let mut names = archive.list(&notes).await.unwrap();
    names.sort();
    assert_eq!(names, [name(0, 1), name(1, u64::MAX)]);
    assert_eq!(archive.list(&other).await.unwrap(), [name(0, 1)]);
    assert_eq!(archive.get(&notes, name(0, 1)).await.unwrap(), Some(first));
    assert_eq!(archive.get(&notes, name(1, u64::MAX)).await.unwrap(), Some(second.clone()));
    archive.put(&notes, name(0, 1), second.clone()).await.unwrap();
    assert_eq!(archive.get(&notes, name(0, 1)).await.unwrap(), Some(second), "it is replaced");
    assert_eq!(archive.list(&notes).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_folder_keeps_every_law_and_what_it_has_after_it_was_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("is/created");
    keeps_the_laws(&ObjectArchive::folder(&place).unwrap()).await;
    std::fs::write(place.join("notes/README"), "of a person").unwrap();
    std::fs::write(place.join("a file"), "of a person").unwrap();
    let again = ObjectArchive::folder(&place).unwrap();
    assert_eq!(again.spaces().await.unwrap(), [space("notes"), space("notes.other-1")]);
    assert_eq!(again.list(&space("notes")).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_object_store_keeps_every_law_below_its_prefix() {
    let store = Arc::new(InMemory::new());
    keeps_the_laws(&ObjectArchive::new(store.clone(), "a/prefix")).await;
    keeps_the_laws(&ObjectArchive::new(store, "a/prefix2")).await;
}

#[tokio::test]
async fn the_archive_in_memory_keeps_every_law() {
    keeps_the_laws(&MemoryArchive::new()).await;
}

#[tokio::test]
async fn a_file_in_the_place_of_the_folder_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(ObjectArchive::folder(&file).is_err());
}
