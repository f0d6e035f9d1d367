//! What is there when a directory is opened again.

use futures_executor::block_on;
use futures_util::future::join_all;
use syncline::limits::BODY_BYTES_MAX;
use syncline::store::{Durability, Storage};
use syncline_conformance::file_store::{fill, read_all};
use syncline_conformance::{Author, Subject, appends, placed};

use crate::directory::Place;

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
