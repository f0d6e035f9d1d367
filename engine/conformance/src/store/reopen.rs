//! What is committed is there again after a restart. Storages that do not outlive their handles prove that they say so.

use syncline::format::time::NTP64;
use syncline::id::Revision;
use syncline::store::{Durability, Limit, WriteBatch};
use syncline::{Cursor, Position, ViewId};

use crate::{Author, Image, SPACE, StoreHarness, Subject, appends, dot, placed, puts, space, view, voids};

/// Opens the storage again; checks that one which cannot be opened again promises nothing.
async fn reopened(harness: &dyn StoreHarness) -> Option<Subject> {
    match harness.reopen().await {
        Some(storage) => Some(Subject::open(&*storage, SPACE).await),
        None => {
            assert_eq!(harness.fresh().await.durability(), Durability::Volatile);
            None
        }
    }
}

fn views() -> [ViewId; 2] {
    ["todo@1", "tags@1"].map(view)
}

/// Writes something of everything, and returns the author and what must be visible afterwards.
async fn written(harness: &dyn StoreHarness) -> (Author, Image) {
    let store = Subject::fresh(harness).await;
    let [todo, tags] = views();
    let (mut ann, mut bob) = (Author::new(1), Author::new(2));
    let rows = [puts(&todo, &[("", "empty key"), ("b", "")]), puts(&tags, &[([0xff, 0], [0, 0xff])])].concat();
    let views = vec![(todo, Position::new(4)), (tags, Position::new(2))];
    store.commit(WriteBatch { rows, views, clock: NTP64(1 << 63), ..appends([ann.write(3), bob.write(2)]) }).await;
    store.commit(WriteBatch { voids: vec![dot(&ann, 2)], ..appends([ann.write(1)]) }).await;
    store.commit(WriteBatch::default()).await;
    (ann, store.image(&self::views()).await)
}

/// The promise of every acknowledgement: bundles, voids, rows, progress, clock, revision and the log's own identity.
pub async fn everything_committed_is_there_after_a_restart(harness: &dyn StoreHarness) {
    let (_, before) = written(harness).await;
    let Some(store) = reopened(harness).await else { return };
    assert_eq!(store.image(&views()).await, before);
}

/// Restarts are many; none may wear the log.
pub async fn a_restart_changes_nothing_however_often(harness: &dyn StoreHarness) {
    let (_, before) = written(harness).await;
    for _ in 0..5 {
        let Some(store) = reopened(harness).await else { return };
        assert_eq!(store.image(&views()).await, before);
    }
}

/// Positions, seqs and revisions continue where they were, or readers and writers would collide with the past.
pub async fn commits_go_on_after_a_restart(harness: &dyn StoreHarness) {
    let (mut ann, before) = written(harness).await;
    for round in 1..=3 {
        let Some(store) = reopened(harness).await else { return };
        let next = ann.write(1);
        let expected = Some(before.status.revision.plus(round - 1));
        let committed = store.commit(WriteBatch { expected, ..appends([next.clone()]) }).await;
        assert_eq!(committed.head, before.status.head.plus(round));
        assert_same!(
            store.log_after(committed.head.get() - 1, Limit::PAGE).await,
            placed(committed.head.get(), [&next])
        );
    }
}

/// Clients keep cursors for months. The log is the same log after a restart, so each continues from where it was.
pub async fn a_cursor_outlives_a_restart(harness: &dyn StoreHarness) {
    let (_, before) = written(harness).await;
    let Some(store) = reopened(harness).await else { return };
    let cursor = Cursor { log: before.status.log, position: Position::new(4) };
    let page = store.store().read(cursor, Limit::PAGE).await.expect("the cursor is this log's");
    assert_same!(crate::unpack(&page.runs), before.log[4..]);
}

/// A body that was refused may not come back from a log that is replayed.
pub async fn a_void_stays_void_after_a_restart(harness: &dyn StoreHarness) {
    let (ann, mut before) = written(harness).await;
    let Some(store) = reopened(harness).await else { return };
    store.commit(voids([dot(&ann, 3)])).await;
    drop(store);
    let Some(store) = reopened(harness).await else { return };
    let third = &mut before.log[2];
    third.content = third.content.voided();
    assert_same!(store.log().await, before.log);
}

/// A server finds its spaces by asking, also those in which nothing has happened yet.
pub async fn spaces_are_there_after_a_restart(harness: &dyn StoreHarness) {
    let storage = harness.fresh().await;
    let mut logs = Vec::new();
    for name in ["b", "a", "empty"] {
        let store = Subject::open(&*storage, name).await;
        if name != "empty" {
            store.commit(appends([Author::new(1).write(1)])).await;
        }
        logs.push((name, store.status().await));
    }
    drop(storage);
    let Some(storage) = harness.reopen().await else { return };
    assert_eq!(storage.spaces().await.expect("the spaces list"), ["a", "b", "empty"].map(space));
    for (name, before) in logs {
        assert_eq!(Subject::open(&*storage, name).await.status().await, before, "{name}");
    }
}

/// A watcher that was at the last revision before the restart waits for the next one after it.
pub async fn waits_go_on_after_a_restart(harness: &dyn StoreHarness) {
    let (_, before) = written(harness).await;
    let Some(store) = reopened(harness).await else { return };
    assert_eq!(store.changed(Revision::ZERO).await, before.status.revision);
    let next = before.status.revision.plus(1);
    let waiting = store.changed(before.status.revision);
    assert_eq!(futures_util::future::join(waiting, store.commit(WriteBatch::default())).await.0, next);
}

/// Durability is printed next to promises and numbers: a storage that outlives its process says at least that.
pub async fn durability_says_whether_a_restart_loses_all(harness: &dyn StoreHarness) {
    let said = harness.fresh().await.durability();
    let outlives = harness.reopen().await.is_some();
    assert_eq!(said != Durability::Volatile, outlives, "it says {said}");
}
