//! How much room a log takes.

use rusqlite::Connection;
use syncline::limits::RUN_BYTES_MAX;
use syncline::store::{Limit, LogStatus, Replacement, WriteBatch};
use syncline_conformance::{Author, Subject, appends, dot, new_log_id, placed, voids};

use crate::file::{Place, subject};

fn count_runs(place: &Place) -> u32 {
    let file: Connection = place.by_hand();
    file.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap()
}

async fn append_one_by_one(
    store: &Subject,
    authors: &mut [Author],
    bytes: usize,
    rounds: usize,
) -> Vec<syncline::format::VerifiedRun> {
    let mut written = Vec::new();
    for round in 0..rounds {
        for author in &mut *authors {
            let body: Vec<u8> = (0..bytes).map(|index| (round * 31 + index * 7) as u8).collect();
            written.push(author.write_bodies(&[body]));
            store.commit(appends(written.last().cloned())).await;
        }
    }
    written
}

#[tokio::test]
async fn bundles_written_one_by_one_are_packed_and_read_as_they_were_written() {
    let place = Place::new();
    let storage = place.open();
    let store = subject(&storage, "notes").await;
    let written = append_one_by_one(&store, &mut [Author::new(1)], 100, 1_000).await;
    let expected = placed(1, &written);
    assert!(count_runs(&place) < 400, "{} runs", count_runs(&place));
    assert_eq!(store.log().await, expected);
    assert_eq!(store.log_after(333, Limit::items(7)).await, expected[333..]);
    assert_eq!(store.origin(Author::new(1).origin(), 555, Limit::PAGE).await, expected[555..]);
}

#[tokio::test]
async fn bundles_can_be_made_void_before_and_after_they_are_packed() {
    let place = Place::new();
    let storage = place.open();
    let store = subject(&storage, "notes").await;
    let mut authors = [Author::new(1)];
    let mut written = append_one_by_one(&store, &mut authors, 100, 200).await;
    store.commit(voids([dot(&authors[0], 200), dot(&authors[0], 3), dot(&authors[0], 199)])).await;
    written.extend(append_one_by_one(&store, &mut authors, 100, 200).await);
    store.commit(voids([dot(&authors[0], 4), dot(&authors[0], 400)])).await;
    let mut expected = placed(1, &written);
    for seq in [3, 4, 199, 200, 400] {
        expected[seq - 1].content = expected[seq - 1].content.voided();
    }
    assert_eq!(store.log().await, expected);
    drop((store, storage));
    assert_eq!(subject(&place.open(), "notes").await.log().await, expected);
}

#[tokio::test]
async fn origins_that_take_turns_are_kept_in_their_order() {
    let place = Place::new();
    let storage = place.open();
    let store = subject(&storage, "notes").await;
    let written = append_one_by_one(&store, &mut [Author::new(1), Author::new(2)], 2_000, 40).await;
    assert_eq!(store.log().await, placed(1, &written));
}

#[tokio::test]
async fn a_run_that_voids_make_too_large_is_cut_and_reads_back() {
    let place = Place::new();
    let storage = place.open();
    let store = subject(&storage, "notes").await;
    let mut ann = Author::new(1);
    // Fifty tiny bodies, and large ones that fill the run up to its limit.
    let mut bodies = vec![vec![1]; 50];
    bodies.extend([vec![2; 1 << 20], vec![3; RUN_BYTES_MAX - (1 << 20) - 1_000]]);
    let written = [ann.write_bodies(&bodies)];
    store.commit(appends(written.clone())).await;
    assert_eq!(count_runs(&place), 1);
    store.commit(voids((1..=50).map(|seq| dot(&ann, seq)))).await;
    assert_eq!(count_runs(&place), 2);
    let mut expected = placed(1, &written);
    expected[..50].iter_mut().for_each(|bundle| bundle.content = bundle.content.voided());
    assert_eq!(store.log().await, expected);
    assert_eq!(store.origin(ann.origin(), 49, Limit::items(u32::MAX)).await, expected[49..]);
    let next = ann.write(1);
    store.commit(appends([next])).await;
}

#[tokio::test]
async fn the_file_is_little_larger_than_the_encoded_runs() {
    // Bundles in one run, bytes of a body, runs.
    for (bundles, bytes, runs) in [(1_000, 1_000, 8), (1, 100, 4_000), (1, 1_300, 1_000)] {
        let place = Place::new();
        let storage = place.open();
        let store = subject(&storage, "notes").await;
        let mut ann = Author::new(1);
        let mut encoded = 0;
        for _ in 0..runs {
            let run = ann.write_bodies(&vec![vec![7; bytes]; bundles]);
            encoded += run.run().as_bytes().len();
            store.commit(appends([run])).await;
        }
        drop((store, storage));
        let file = std::fs::metadata(place.path()).unwrap().len() as f64;
        let ratio = file / encoded as f64;
        assert!(ratio < 1.3, "{bundles} bundles of {bytes} bytes in a run: {ratio:.2} times the encoded runs");
    }
}

#[tokio::test]
async fn a_trim_gives_the_space_of_its_bundles_back() {
    gives_back(|status| WriteBatch { trim: Some(status.head), ..WriteBatch::default() }).await;
}

#[tokio::test]
async fn a_replacement_gives_the_space_of_the_old_log_back() {
    gives_back(|status| {
        let replace = Some(Replacement { log: new_log_id(), heads: status.heads });
        WriteBatch { replace, ..WriteBatch::default() }
    })
    .await;
}

/// A large log, of which a batch takes all bundles.
async fn gives_back(takes_all: fn(LogStatus) -> WriteBatch) {
    let place = Place::new();
    let storage = place.open();
    let store = subject(&storage, "notes").await;
    let (mut ann, body) = (Author::new(1), vec![7; 40_000]);
    for _ in 0..500 {
        store.commit(appends([ann.write_bodies(&[&body])])).await;
    }
    store.commit(takes_all(store.status().await)).await;
    for _ in 0..5 {
        store.commit(appends([ann.write(1)])).await;
    }
    assert_eq!(store.log().await.len(), 5);
    drop((store, storage));
    let bytes = std::fs::metadata(place.path()).unwrap().len();
    assert!(bytes < 2 * 1024 * 1024, "{bytes} bytes of 20 MB are left");
    place.open();
}
