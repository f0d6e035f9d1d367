//! Writes that fail, and reads next to them.

use futures_executor::block_on;
use futures_util::future::join_all;
use futures_util::poll;
use syncline::Position;
use syncline::id::Revision;
use syncline::store::{Storage, StoreError, WriteBatch};
use syncline_conformance::{Author, Subject, appends, puts, row_key, space, view};

use crate::map::{Disk, Failure, Hold};

fn is_poisoned<T: std::fmt::Debug>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Poisoned { backend: "map", .. }))
}

#[test]
fn after_a_failed_write_every_call_says_so_until_the_database_is_opened_anew() {
    for (failure, head) in [(Failure::Lost, 1), (Failure::Unclear, 2), (Failure::Panic, 1)] {
        let disk = Disk::default();
        block_on(async {
            let storage = disk.open();
            let store = Subject::open(&storage, "notes").await;
            let mut ann = Author::new(1);
            store.commit(appends([ann.write(1)])).await;
            disk.fail_next(failure);
            let error = store.store().commit(appends([ann.write(1)])).await.unwrap_err();
            let right = match failure {
                Failure::Panic => matches!(error, StoreError::Poisoned { .. }),
                _ => matches!(error, StoreError::Backend { .. }),
            };
            assert!(right && error.to_string().contains("to order"), "{error}");
            let begun = disk.counts().begun;
            assert!(is_poisoned(store.store().status().await));
            assert!(is_poisoned(store.store().commit(WriteBatch::default()).await));
            assert!(is_poisoned(store.store().load(&[row_key(&view("todo@1"), "a")]).await));
            assert!(is_poisoned(store.store().changed(Revision::new(9)).await));
            assert!(is_poisoned(storage.open(&space("other")).await));
            assert_eq!(disk.counts().begun, begun, "nothing is tried again");
        });
        let status = block_on(async { Subject::open(&disk.open(), "notes").await.status().await });
        assert_eq!(status.head, Position::new(head), "{failure:?}");
    }
}

#[test]
fn a_space_whose_creation_failed_is_told_apart_from_one_that_exists() {
    let disk = Disk::default();
    let storage = disk.open();
    disk.fail_next(Failure::Lost);
    assert!(matches!(block_on(storage.open(&space("notes"))), Err(StoreError::Backend { .. })));
    assert!(is_poisoned(block_on(storage.open(&space("notes")))));
    drop(storage);
    assert_eq!(block_on(disk.open().spaces()).unwrap(), []);
}

#[test]
fn a_failed_write_fails_every_commit_in_it_but_a_refused_one_is_refused() {
    block_on(async {
        let disk = Disk::default();
        let storage = disk.open();
        let store = Subject::open(&storage, "notes").await;
        disk.hold(Hold::Unseen);
        let begun = disk.counts().begun;
        let mut first = Box::pin(store.commit(WriteBatch::default()));
        assert!(poll!(&mut first).is_pending());
        disk.wait_until(|counts| counts.begun > begun);
        let batches = [Some(1), Some(9), None]
            .map(|expected| WriteBatch { expected: expected.map(Revision::new), ..WriteBatch::default() });
        let mut rest = Box::pin(join_all(batches.map(|batch| store.store().commit(batch))));
        assert!(poll!(&mut rest).is_pending());
        disk.fail_next(Failure::Lost);
        disk.hold(None);
        first.await;
        let rest = rest.await;
        let kinds: Vec<_> = rest
            .iter()
            .map(|outcome| match outcome {
                Err(error @ StoreError::Backend { .. }) => error.to_string(),
                Err(StoreError::Conflict { .. }) => "conflict".into(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(kinds, ["map: to order", "conflict", "map: to order"]);
    });
}

#[test]
fn who_waits_for_a_change_is_told_of_a_failure() {
    block_on(async {
        let disk = Disk::default();
        let storage = disk.open();
        let store = Subject::open(&storage, "notes").await;
        let mut changed = store.store().changed(Revision::ZERO);
        assert!(poll!(&mut changed).is_pending());
        disk.fail_next(Failure::Lost);
        store.refusal(WriteBatch::default()).await;
        assert!(is_poisoned(changed.await));
    });
}

/// Begins a commit of a row, and a load of it that sees it before the commit is done.
fn load_early(disk: &Disk, store: &Subject, failure: Option<Failure>) -> (Result<bool, StoreError>, bool) {
    let todo = view("todo@1");
    disk.hold(Hold::Seen);
    failure.into_iter().for_each(|failure| disk.fail_next(failure));
    let before = disk.counts();
    let batch = WriteBatch { rows: puts(&todo, &[("a", "1")]), ..WriteBatch::default() };
    let mut commit = store.store().commit(batch);
    let keys = [row_key(&todo, "a")];
    let mut load = store.store().load(&keys);
    block_on(async {
        assert!(poll!(&mut commit).is_pending());
        disk.wait_until(|counts| counts.seen > before.seen);
        assert!(poll!(&mut load).is_pending());
        // The writer has looked once, to plan; this is the load.
        disk.wait_until(|counts| counts.looks > before.looks + 1);
        disk.hold(None);
        let loaded = load.await.map(|rows| rows[0].is_some());
        let known = store.store().status().await.is_ok_and(|status| status.revision == Revision::new(1));
        (loaded, known)
    })
}

#[test]
fn a_row_is_not_seen_before_the_status_that_it_goes_with() {
    let disk = Disk::default();
    let storage = disk.open();
    let store = block_on(Subject::open(&storage, "notes"));
    let (loaded, known) = load_early(&disk, &store, None);
    assert!(loaded.unwrap() && known);
}

#[test]
fn a_row_that_did_not_become_durable_is_never_shown() {
    let disk = Disk::default();
    let storage = disk.open();
    let store = block_on(Subject::open(&storage, "notes"));
    let (loaded, _) = load_early(&disk, &store, Some(Failure::Unclear));
    assert!(is_poisoned(loaded));
}
