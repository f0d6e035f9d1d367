//! One open at a time, and what is there at the next.

use futures_executor::block_on;
use futures_util::future::join_all;
use syncline::StoreError;
use syncline::limits::BODY_BYTES_MAX;
use syncline::store::{Durability, Storage};
use syncline_conformance::{Author, Subject, appends, placed};

use crate::directory::{Place, fill, read_all};
use crate::elsewhere;

#[test]
fn a_second_open_is_told_that_the_directory_is_in_use() {
    let place = Place::new();
    let first = place.open();
    let store = block_on(Subject::open(&first, "notes"));
    assert!(matches!(place.options().open(), Err(StoreError::InUse { .. })));
    drop(first);
    assert!(matches!(place.options().open(), Err(StoreError::InUse { .. })), "any handle keeps it in use");
    drop(store);
    place.open();
}

#[cfg(unix)]
#[test]
fn another_process_is_told_that_the_directory_is_in_use_until_it_is_closed() {
    const NAME: &str = "reopen::another_process_is_told_that_the_directory_is_in_use_until_it_is_closed";
    if let Some(path) = elsewhere::path() {
        let opened = syncline_sled::SledStorage::at(path);
        return println!("\n{}{opened:?}", elsewhere::SAYS);
    }
    let place = Place::new();
    let storage = place.open();
    block_on(fill(&storage));
    let image = block_on(read_all(&storage)).unwrap();
    let said = elsewhere::says(NAME, &place.path());
    assert!(said.starts_with("Err(InUse") && said.contains("AnotherProcess"), "{said}");
    assert!(block_on(read_all(&storage)).unwrap() == image);
    drop(storage);
    let said = elsewhere::says(NAME, &place.path());
    assert!(said.starts_with("Ok"), "{said}");
    assert!(block_on(read_all(&place.open())).unwrap() == image);
}

#[test]
fn everything_is_there_again_however_often_it_is_reopened_at_once() {
    let place = Place::new();
    let image = {
        let storage = place.open();
        assert_eq!(storage.durability(), Durability::Synced);
        block_on(fill(&storage));
        block_on(read_all(&storage)).unwrap()
    };
    for durability in [Durability::Synced, Durability::Process, Durability::Volatile].into_iter().cycle().take(12) {
        let storage = place.options().durability(durability).open().unwrap();
        assert_eq!(storage.durability(), durability.max(Durability::Process));
        assert!(block_on(read_all(&storage)).unwrap() == image);
    }
}

#[test]
fn a_directory_that_was_not_closed_opens_with_all_that_was_committed() {
    let (place, killed) = (Place::new(), Place::new());
    let storage = place.open();
    block_on(fill(&storage));
    // What a process that is killed leaves.
    killed.put(&place.files());
    assert!(block_on(read_all(&killed.open())).unwrap() == block_on(read_all(&storage)).unwrap());
}

#[test]
fn large_values_make_no_files_of_their_own_and_are_there_after_a_reopen() {
    let place = Place::new();
    let mut ann = Author::new(1);
    let written: Vec<_> = (0..3).map(|byte| ann.write_bodies(&[vec![byte; BODY_BYTES_MAX]])).collect();
    for append in &written {
        block_on(async { Subject::open(&place.open(), "notes").await.commit(appends([append.clone()])).await });
    }
    // sled would lose these in a power cut.
    assert_eq!(place.files().keys().filter(|name| name.starts_with("notes/blobs/")).count(), 0);
    assert!(block_on(async { Subject::open(&place.open(), "notes").await.log().await }) == placed(1, &written));
}

#[test]
fn concurrent_writers_share_writes() {
    let place = Place::new();
    let storage = place.open();
    let store = block_on(Subject::open(&storage, "notes"));
    let mut authors: Vec<_> = (1..=100).map(Author::new).collect();
    let commits = authors.iter_mut().map(|author| store.commit(appends([author.write(1)])));
    block_on(join_all(commits));
    let stats = storage.stats();
    assert_eq!(stats.commits, 100);
    assert!(stats.transactions < stats.commits, "{stats:?}");
}
