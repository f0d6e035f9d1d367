//! Commits that wait share a transaction. A transaction of another program makes them wait.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::poll;
use rusqlite::Connection;
use syncline::StoreError;
use syncline::id::Revision;
use syncline::store::{Limit, Retry, RowRange, WriteBatch};
use syncline_conformance::{Author, appends, dot, puts, row_key, view, voids, writes};

use crate::file::{Place, subject};

/// Another program in the middle of a write.
fn begin_elsewhere(place: &Place) -> Connection {
    let other = place.by_hand();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

#[tokio::test]
async fn commits_that_wait_share_a_transaction() {
    let place = Place::new();
    let storage = place.open();
    let (one, two) = (subject(&storage, "one").await, subject(&storage, "two").await);
    let before = storage.stats();
    let other = begin_elsewhere(&place);
    let mut commits: Vec<_> = (1..=16u8)
        .map(|byte| {
            let store = if byte % 2 == 0 { one.clone() } else { two.clone() };
            Box::pin(async move { store.commit(appends([Author::new(byte).write(1)])).await })
        })
        .collect();
    for commit in &mut commits {
        assert!(poll!(commit).is_pending());
    }
    drop(other);
    let mut heads: Vec<_> = join_all(commits).await.into_iter().map(|committed| committed.head.get()).collect();
    heads.sort();
    assert_eq!(heads, (1..=8).flat_map(|head| [head, head]).collect::<Vec<_>>());
    let after = storage.stats();
    assert_eq!(after.commits - before.commits, 16);
    // The writer may have taken the first of them before the others came.
    assert!(after.transactions - before.transactions <= 2, "{before:?} {after:?}");
    assert_eq!((one.log().await.len(), two.log().await.len()), (8, 8));
}

#[tokio::test]
async fn a_refused_commit_leaves_no_trace_and_harms_no_neighbour() {
    let place = Place::new();
    let storage = place.open();
    let (one, two) = (subject(&storage, "one").await, subject(&storage, "two").await);
    let (todo, mut ann, mut bob) = (view("todo@1"), Author::new(1), Author::new(2));
    let first = appends([ann.write(1)]);
    let stale = WriteBatch { expected: Some(Revision::ZERO), ..writes(puts(&todo, &[("stale", "x")])) };
    let second = appends([ann.write(2)]);
    bob.write(1);
    let gap = WriteBatch { rows: puts(&todo, &[("gap", "x")]), ..appends([ann.write(1), bob.write(1)]) };
    let unknown = WriteBatch { rows: puts(&todo, &[("void", "x")]), ..voids([dot(&bob, 1)]) };
    let large = WriteBatch { clock: syncline::NTP64(9), ..writes(puts(&todo, &[("k".repeat(2_000), "x")])) };
    let good = writes(puts(&todo, &[("good", "x")]));
    let other = begin_elsewhere(&place);
    let batches = [
        (&one, first),
        (&one, stale),
        (&two, good.clone()),
        (&one, second),
        (&one, gap),
        (&one, unknown),
        (&one, large),
        (&one, good),
    ];
    let mut commits: Vec<_> = batches.into_iter().map(|(store, batch)| store.store().commit(batch)).collect();
    for commit in &mut commits {
        assert!(poll!(commit).is_pending());
    }
    drop(other);
    let outcomes = join_all(commits).await;
    let committed: Vec<_> = outcomes.iter().flatten().map(|done| (done.revision.get(), done.head.get())).collect();
    assert_eq!(committed, [(1, 1), (1, 0), (2, 3), (3, 3)]);
    assert!(matches!(outcomes[1], Err(StoreError::Conflict { .. })));
    assert!(matches!(outcomes[4], Err(StoreError::OutOfOrder { .. })));
    assert!(matches!(outcomes[5], Err(StoreError::NoSuchBundle { .. })));
    assert!(matches!(outcomes[6], Err(StoreError::TooLarge { .. })));
    drop((one, two, storage));
    let storage = place.open();
    for (name, head) in [("one", 3), ("two", 0)] {
        let store = subject(&storage, name).await;
        assert_eq!(store.log().await.len(), head);
        assert_eq!(store.rows(&todo).await, [("good".into(), "x".into())]);
        assert_eq!(store.status().await.clock, syncline::NTP64(0));
    }
}

#[tokio::test]
async fn readers_do_not_wait_for_a_writer() {
    let place = Place::new();
    let storage = place.open();
    let store = subject(&storage, "notes").await;
    let (todo, mut ann) = (view("todo@1"), Author::new(1));
    store.commit(WriteBatch { rows: puts(&todo, &[("a", "1")]), ..appends([ann.write(3)]) }).await;
    let other = begin_elsewhere(&place);
    other.execute_batch("UPDATE spaces SET head = 0; DELETE FROM runs; DELETE FROM rows").unwrap();
    let waiting = store.clone();
    let mut commit = Box::pin(async move { waiting.commit(appends([ann.write(1)])).await });
    assert!(poll!(&mut commit).is_pending());
    assert_eq!(store.status().await.head.get(), 3);
    assert_eq!(store.log().await.len(), 3);
    assert_eq!(store.origin(Author::new(1).origin(), 1, Limit::PAGE).await.len(), 2);
    assert_eq!(store.row(&todo, "a").await, Some("1".into()));
    assert_eq!(store.scan(&todo, RowRange::all(), Limit::PAGE).await.len(), 1);
    assert!(poll!(&mut commit).is_pending());
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(commit.await.head.get(), 4);
}

#[tokio::test]
async fn a_transaction_elsewhere_that_does_not_end_is_an_error_to_try_again() {
    let place = Place::new();
    let storage = place.options().busy_timeout(Duration::from_millis(1)).open().unwrap();
    let store = subject(&storage, "notes").await;
    let batch = writes(puts(&view("todo@1"), &[("a", "1")]));
    let other = begin_elsewhere(&place);
    let error = store.refusal(batch.clone()).await;
    assert_eq!(error.retry(), Retry::Later, "{error}");
    assert!(error.to_string().contains("another program"), "{error}");
    drop(other);
    store.commit(batch).await;
    assert!(store.row(&view("todo@1"), "a").await.is_some());
    assert_eq!(store.load(&[row_key(&view("todo@1"), "b")]).await, [None]);
}
