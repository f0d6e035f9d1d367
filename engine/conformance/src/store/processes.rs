//! Several processes on one database, each with connections and a memory of its own. If the backend takes one process at a
//! time, each law proves that instead, and says so by name: the second one is told that the data is in use.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join;
use syncline::store::{Durability, Limit, Storage, StoreError, WriteBatch};
use syncline::{Dot, Position};

use super::concurrency::{bundles_of_writers, meanwhile, start_writers};
use crate::{Author, SPACE, StoreHarness, Subject, appends, placed, puts, view};

/// The space in a new storage, and in a second one next to it; `None` if this law does not apply, once that is proved.
async fn two_processes(harness: &dyn StoreHarness, law: &str) -> Option<(Subject, Subject)> {
    let first = harness.fresh().await;
    let one = Subject::open(&*first, SPACE).await;
    let other = beside(harness, &*first, law).await?;
    Some((one, Subject::open(&*other, SPACE).await))
}

async fn beside(harness: &dyn StoreHarness, first: &dyn Storage, law: &str) -> Option<Arc<dyn Storage>> {
    let why = match harness.beside().await {
        Some(Ok(storage)) => return Some(storage),
        Some(Err(error @ StoreError::InUse { .. })) => error.to_string(),
        Some(Err(error)) => panic!("a second process is let in, or told that the data is in use; not: {error}"),
        None => {
            let durability = first.durability();
            assert_eq!(
                durability,
                Durability::Volatile,
                "only a storage in memory is out of the reach of other processes: `StoreHarness::beside` must open this one"
            );
            "no other process can reach it".to_owned()
        }
    };
    eprintln!("does not apply: {law}: {why}");
    None
}

/// Two processes that each had a log of their own would both acknowledge bundles that the other never sees.
pub async fn a_second_process_shares_the_log_or_is_told_that_it_is_in_use(harness: &dyn StoreHarness) {
    let law = "a_second_process_shares_the_log_or_is_told_that_it_is_in_use";
    let Some((one, other)) = two_processes(harness, law).await else { return };
    assert_eq!(other.status().await, one.status().await);
    let (ann, bob) = (Author::new(1).write(2), Author::new(2).write(2));
    one.commit(appends([ann.clone()])).await;
    other.commit(appends([bob.clone()])).await;
    for store in [&one, &other] {
        assert_same!(store.log().await, placed(1, [&ann, &bob]));
    }
    assert_eq!(other.status().await, one.status().await);
}

/// Numbers that each process hands out from a supply of its own become visible out of order.
pub async fn a_polling_reader_in_another_process_never_skips(harness: &dyn StoreHarness) {
    let law = "a_polling_reader_in_another_process_never_skips";
    let Some((one, other)) = two_processes(harness, law).await else { return };
    let Some(third) = harness.beside().await else { panic!("a third process is let in as the second was") };
    let third = Subject::open(&*third.expect("a third process is let in as the second was"), SPACE).await;
    let (mut cursor, mut read) = (third.cursor(0).await, Vec::<Dot>::new());
    meanwhile(start_writers(&[&one, &other]), async || {
        let mut is_last = false;
        while !is_last {
            let (bundles, last) = third.read_on(&mut cursor, Limit::items(5)).await;
            read.extend(bundles.into_iter().map(|placed| placed.dot));
            is_last = last;
        }
    })
    .await;
    assert_eq!(read.iter().collect::<BTreeSet<_>>().len() as u64, bundles_of_writers(), "a bundle was skipped");
    let log: Vec<_> = one.log().await.into_iter().map(|placed| placed.dot).collect();
    assert_same!(read, log);
}

/// A device that was acknowledged by one server asks another one next.
pub async fn a_commit_is_seen_by_another_process_once_it_returns(harness: &dyn StoreHarness) {
    let law = "a_commit_is_seen_by_another_process_once_it_returns";
    let Some((one, other)) = two_processes(harness, law).await else { return };
    let mut ann = Author::new(1);
    for round in 1..=20u8 {
        let (writer, reader) = if round % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let rows = puts(&view("todo@1"), &[("a", [round])]);
        let committed = writer.commit(WriteBatch { rows, ..appends([ann.write(1)]) }).await;
        let status = reader.status().await;
        assert_eq!((status.revision, status.head), (committed.revision, Position::new(u64::from(round))));
        assert_eq!(status.heads.get(ann.origin()), ann.head());
        assert_eq!(reader.row(&view("todo@1"), "a").await, Some(vec![round].into()));
        assert_eq!(reader.log_after(u64::from(round) - 1, Limit::PAGE).await.len(), 1);
    }
}

/// What a process remembers of the revision is out of date as soon as another one commits.
pub async fn a_revision_that_another_process_has_left_behind_is_a_conflict(harness: &dyn StoreHarness) {
    let law = "a_revision_that_another_process_has_left_behind_is_a_conflict";
    let Some((one, other)) = two_processes(harness, law).await else { return };
    for round in 0..4u64 {
        let (first, second) = if round % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let expected = first.status().await.revision;
        let batch = || WriteBatch { expected: Some(expected), ..WriteBatch::default() };
        assert_eq!(first.commit(batch()).await.revision, expected.plus(1));
        let refusal = second.refusal(batch()).await;
        let right = matches!(refusal, StoreError::Conflict { found, .. } if found == expected.plus(1));
        assert!(right, "{expected} behind another process: {refusal:?}");
    }
    let (ann, fork) = (Author::new(1).write(1), Author::new(1).write_bodies(&[b"another"]));
    one.commit(appends([ann])).await;
    let refusal = other.refusal(appends([fork])).await;
    assert!(matches!(refusal, StoreError::OutOfOrder { expected, .. } if expected.get() == 2), "{refusal:?}");
}

/// A watch stream hangs on one server process, pushes come in through all.
pub async fn a_commit_of_another_process_wakes_who_waits(harness: &dyn StoreHarness) {
    let law = "a_commit_of_another_process_wakes_who_waits";
    let Some((one, other)) = two_processes(harness, law).await else { return };
    for round in 0..4u64 {
        let (writer, waiter) = if round % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let since = writer.status().await.revision;
        let (woken, committed) = join(waiter.changed(since), writer.commit(WriteBatch::default())).await;
        assert_eq!(woken, committed.revision);
    }
}
