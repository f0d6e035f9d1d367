//! One open at a time, and what is there at the next.

use std::fs;

use futures_executor::block_on;
use futures_util::future::join_all;
use syncline::StoreError;
use syncline::store::{Durability, Storage};
use syncline_conformance::{Author, Subject, appends};

use crate::elsewhere;
use crate::file::{Place, fill, read_all};

#[test]
fn a_second_open_is_told_that_the_file_is_in_use() {
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
fn another_process_is_told_that_the_file_is_in_use_until_it_is_closed() {
    const NAME: &str = "reopen::another_process_is_told_that_the_file_is_in_use_until_it_is_closed";
    if let Some(path) = elsewhere::path() {
        let opened = syncline_redb::RedbStorage::at(path);
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
    for round in 0..10 {
        let storage = place.options().verify(round % 2 == 0).two_phase_commit(round % 3 == 0).open().unwrap();
        assert!(block_on(read_all(&storage)).unwrap() == image);
    }
}

#[test]
fn a_file_that_was_not_closed_opens_with_all_that_was_committed() {
    let place = Place::new();
    let storage = place.open();
    block_on(fill(&storage));
    // What a process that is killed leaves.
    let killed = Place::new();
    fs::copy(place.path(), killed.path()).unwrap();
    for verify in [true, false] {
        let copy = killed.options().verify(verify).open().unwrap();
        assert!(block_on(read_all(&copy)).unwrap() == block_on(read_all(&storage)).unwrap());
    }
}

#[test]
fn concurrent_writers_share_transactions() {
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
