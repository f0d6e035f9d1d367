//! What is there when a file is opened again.

use std::fs;

use futures_executor::block_on;
use futures_util::future::join_all;
use syncline::store::{Durability, Storage, WriteBatch};
use syncline_conformance::file_store::{fill, read_all};
use syncline_conformance::{Author, Subject, appends};

use crate::file::Place;

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
fn a_file_that_is_compacted_when_it_is_opened_gives_back_what_was_trimmed() {
    let (place, mut ann) = (Place::new(), Author::new(1));
    let size = || fs::metadata(place.path()).unwrap().len();
    let kept = {
        let storage = place.open();
        let store = block_on(Subject::open(&storage, "notes"));
        block_on(async {
            for _ in 0..100 {
                store.commit(appends([ann.write_bodies(&[vec![7; 200_000]])])).await;
            }
            let trim = Some(store.status().await.head);
            store.commit(WriteBatch { trim, ..appends([ann.write(1)]) }).await;
            store.image(&[]).await
        })
    };
    let before = size();
    let storage = place.options().compact(true).open().unwrap();
    assert!(size() < before / 4, "{before} bytes became {}", size());
    assert_eq!(block_on(async { Subject::open(&storage, "notes").await.image(&[]).await }), kept);
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
