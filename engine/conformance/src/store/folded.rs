//! Commits whose rows are folded from stored rows: the rows are those of the revision before the commit, and nothing comes between.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::future::{FutureExt as _, join_all};
use syncline::format::time::NTP64;
use syncline::id::Revision;
use syncline::limits::ROW_BYTES_MAX;
use syncline::store::{RowFold, RowKey, RowWrite, StoreError, WriteBatch};
use syncline::{Position, ViewId};
use tokio::task::yield_now;

use super::concurrency::{assert_only_two_outcomes, ended};
use super::refusal::{spoil, what_is_wrong};
use crate::{Author, StoreHarness, Subject, appends, deletes, dot, puts, row_key, view, writes};

/// How many tasks commit at once.
const WRITERS: u8 = 16;
/// How many commits each of them makes.
const ROUNDS: u8 = 6;

fn todo() -> ViewId {
    view("todo@1")
}

fn key(key: &str) -> RowKey {
    row_key(&todo(), key)
}

/// The row as a number; 0 if there is none.
fn number(row: Option<&Bytes>) -> u8 {
    row.map_or(0, |row| row[0])
}

/// A fold is told rows by their places, so it could not notice another order.
pub async fn a_fold_gets_the_rows_in_the_order_asked(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    store.commit(writes(puts(&todo(), &[("a", "1"), ("b", "2"), ("c", "3")]))).await;
    let other = row_key(&view("tags@1"), "a");
    let keys = [key("c"), key("x"), other.clone(), key("a"), key("b"), key("a")];
    let told = |rows: Vec<Option<Bytes>>| {
        let text = |row: Option<Bytes>| row.unwrap_or_else(|| "-".into());
        let told = rows.into_iter().map(text).collect::<Vec<_>>().concat();
        Some(puts(&todo(), &[("told", told)]))
    };
    store.commit_folded(WriteBatch::default(), &keys, told).await;
    assert_eq!(store.row(&todo(), "told").await, Some("3--121".into()));
    store.commit_folded(WriteBatch::default(), &[], told).await;
    assert_eq!(store.row(&todo(), "told").await, Some("".into()));
}

/// Bundles, progress, clock and both kinds of rows are one commit, and a row of the fold is written behind those of the batch.
pub async fn what_a_fold_makes_is_committed_with_its_batch(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    store.commit(writes(puts(&todo(), &[("kept", "old"), ("gone", "old")]))).await;
    let batch = WriteBatch {
        expected: Some(store.status().await.revision),
        rows: puts(&todo(), &[("own", "new"), ("both", "of the batch")]),
        views: vec![(todo(), Position::new(2))],
        clock: NTP64(90),
        ..appends([ann.write(2)])
    };
    let fold = |rows: Vec<Option<Bytes>>| {
        let both = [
            puts(&todo(), &[("folded", rows[0].clone()?), ("both", "of the fold".into())]),
            deletes(&todo(), &["gone"]),
        ];
        Some(both.concat())
    };
    let committed = store.commit_folded(batch, &[key("kept")], fold).await.expect("the fold wants it");
    let status = store.status().await;
    assert_eq!((committed.revision, committed.head), (status.revision, status.head));
    assert_eq!((status.revision.get(), status.head.get(), status.clock), (2, 2, NTP64(90)));
    assert_eq!((status.heads.get(ann.origin()), status.views.get(&todo())), (ann.head(), Some(&Position::new(2))));
    let rows = [("both", "of the fold"), ("folded", "old"), ("kept", "old"), ("own", "new")];
    assert_eq!(store.rows(&todo()).await, rows.map(|(key, value)| (key.into(), value.into())));
}

/// A fold that cannot go on leaves the way to its caller, who starts from the same state.
pub async fn nothing_of_a_declined_fold_is_committed(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    store.commit(WriteBatch { rows: puts(&todo(), &[("a", "1")]), ..appends([ann.write(1)]) }).await;
    let before = store.image(&[todo()]).await;
    let rows = puts(&todo(), &[("a", "2"), ("b", "2")]);
    let batch =
        WriteBatch { rows, views: vec![(todo(), Position::new(2))], clock: NTP64(90), ..appends([ann.write(1)]) };
    let expected = Some(before.status.revision);
    for batch in [batch.clone(), WriteBatch { expected, ..batch.clone() }] {
        assert_eq!(store.commit_folded(batch, &[key("a")], |_| None).await, None);
        assert_eq!(store.image(&[todo()]).await, before);
    }
    store.commit(batch).await;
}

/// Rows of another revision than the batch's must not be folded at all: a fold may rely on what its caller knows.
pub async fn a_fold_at_another_revision_is_a_conflict_and_not_called(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    store.commit(writes(puts(&todo(), &[("a", "1")]))).await;
    store.commit(WriteBatch::default()).await;
    let before = store.image(&[todo()]).await;
    for expected in [0, 1, 3, u64::MAX].map(Revision::new) {
        let called = Arc::new(AtomicBool::new(false));
        let calls = called.clone();
        let fold = RowFold::new(vec![key("a")], move |_| {
            calls.store(true, Ordering::SeqCst);
            None
        });
        let batch = WriteBatch { expected: Some(expected), ..WriteBatch::default() };
        let answer = store.store().commit_folded(batch, fold).await;
        let right = matches!(&answer, Err(StoreError::Conflict { expected: theirs, found })
            if *theirs == expected && *found == before.status.revision);
        assert!(right && !called.load(Ordering::SeqCst), "{expected}: {answer:?}");
    }
    assert_eq!(store.image(&[todo()]).await, before);
}

/// The batch of these laws, which appends, makes void, clears and writes; and who wrote it.
async fn scene(store: &Subject) -> (WriteBatch, Author) {
    let mut ann = Author::new(1);
    store.commit(WriteBatch { rows: puts(&todo(), &[("a", "1")]), clock: NTP64(50), ..appends([ann.write(3)]) }).await;
    let voids = vec![dot(&ann, 2)];
    let batch = WriteBatch { voids, rows: puts(&todo(), &[("b", "2")]), clock: NTP64(90), ..appends([ann.write(1)]) };
    (batch, ann)
}

/// A fold of these rows, to which row `a` adds itself.
fn fold_of(rows: Vec<RowWrite>) -> RowFold {
    RowFold::new(vec![key("a")], |stored| {
        let read = stored.into_iter().flatten().map(|value| RowWrite { key: key("read"), value: Some(value) });
        Some(rows.into_iter().chain(read).collect())
    })
}

/// The rows of a fold are looked at last. All others have passed by then.
pub async fn a_batch_refused_behind_its_fold_leaves_no_trace(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (batch, _) = scene(&store).await;
    let before = store.image(&[todo()]).await;
    let large = puts(&todo(), &[("large", vec![0; ROW_BYTES_MAX + 1])]);
    let refusal = store.store().commit_folded(batch.clone(), fold_of(large)).await;
    assert!(matches!(refusal, Err(StoreError::TooLarge { .. })), "{refusal:?}");
    assert_eq!(store.image(&[todo()]).await, before);
    let passes = store.store().commit_folded(batch, fold_of(Vec::new())).await;
    assert_eq!(passes.expect("it is sound now").expect("it is wanted").head, Position::new(4));
}

/// The order of errors is that of a commit, so that callers act on the same one.
pub async fn of_several_errors_of_a_folded_batch_the_first_is_told(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (mut spoilt, mut ann) = scene(&store).await;
    let before = store.image(&[todo()]).await;
    let _lost = ann.write(1);
    let mut told = Vec::new();
    for step in 0..5 {
        spoil(&mut spoilt, &mut ann, step);
        let large = puts(&todo(), &[("large", vec![0; ROW_BYTES_MAX + 1])]);
        let answer = store.store().commit_folded(spoilt.clone(), fold_of(large)).await;
        told.push(what_is_wrong(&answer.expect_err("the batch must be refused")));
    }
    assert_eq!(told, ["row", "void", "run", "rewrite", "revision"]);
    assert_eq!(store.image(&[todo()]).await, before);
}

/// Adds one to a row, again after each conflict. Gives what the row was before, and the commit's revision.
async fn count(store: &Subject) -> (u8, Revision) {
    loop {
        let before = Arc::new(std::sync::Mutex::new(0));
        let told = before.clone();
        let fold = RowFold::new(vec![key("count")], move |rows| {
            let value = number(rows[0].as_ref());
            *told.lock().expect("no panic") = value;
            Some(puts(&todo(), &[("count", [value + 1])]))
        });
        match store.store().commit_folded(WriteBatch::default(), fold).await {
            Ok(committed) => {
                let revision = committed.expect("it is wanted").revision;
                return (*before.lock().expect("no panic"), revision);
            }
            Err(StoreError::Conflict { .. }) => yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Two folds of one state cannot both be right, whatever shares a transaction with them.
pub async fn folds_and_commits_lose_no_update(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let tasks = (1..=WRITERS).map(|byte| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut author = Author::new(byte);
            for _ in 0..ROUNDS {
                count(&store).await;
                store.commit(appends([author.write(1)])).await;
            }
        })
    });
    ended(tasks.collect()).await;
    assert_eq!(number(store.row(&todo(), "count").await.as_ref()), WRITERS * ROUNDS);
    assert_eq!(store.status().await.head, Position::new(u64::from(WRITERS * ROUNDS)));
}

/// Commits that wait next to a fold come before it or behind it: it sees all of those before it, and none of the others.
pub async fn a_fold_gets_the_rows_of_the_revision_before_its_commit(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let tasks = (1..=WRITERS).map(|byte| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut seen = Vec::new();
            for round in 0..ROUNDS {
                let value = byte * ROUNDS + round;
                let put = store.commit(writes(puts(&todo(), &[("count", [value])]))).await;
                seen.push((put.revision, value, None));
                yield_now().await;
                let (before, revision) = count(&store).await;
                seen.push((revision, before + 1, Some(before)));
            }
            seen
        })
    });
    let mut all: Vec<_> =
        join_all(tasks).await.into_iter().flat_map(|task| task.expect("the task ends well")).collect();
    all.sort_unstable();
    let mut last = 0;
    for (revision, value, before) in all {
        assert!(before.is_none_or(|before| before == last), "at {revision}: {before:?} was read, {last} was there");
        last = value;
    }
}

/// A panic of the caller's code is the caller's. A thread that serves all must outlive it.
pub async fn a_panic_of_a_fold_reaches_its_caller_and_harms_nobody_else(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let tasks = (1..=WRITERS).map(|byte| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut author = Author::new(byte);
            for _ in 0..ROUNDS {
                if byte % 4 == 0 {
                    let fold = |_| std::panic::resume_unwind(Box::new("a fold fails"));
                    let fold = RowFold::new(vec![key("count")], fold);
                    let call = store.store().commit_folded(appends([author.clone().write(1)]), fold);
                    let panic = AssertUnwindSafe(call).catch_unwind().await.expect_err("the panic goes on");
                    assert_eq!(panic.downcast_ref::<&str>(), Some(&"a fold fails"));
                } else if byte % 4 == 1 {
                    count(&store).await;
                } else {
                    store.commit(appends([author.write(1)])).await;
                }
            }
        })
    });
    ended(tasks.collect()).await;
    let status = store.status().await;
    assert_eq!(status.head, Position::new(u64::from(WRITERS / 2 * ROUNDS)));
    assert_eq!(status.revision, Revision::new(u64::from(WRITERS / 4 * 3 * ROUNDS)));
    assert_eq!(number(store.row(&todo(), "count").await.as_ref()), WRITERS / 4 * ROUNDS);
}

/// As for any commit: there are only two outcomes, and a fold is no half of one.
pub async fn a_folded_commit_given_up_is_done_wholly_or_not_at_all(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let begin = |byte| {
        let batch = WriteBatch { rows: puts(&todo(), &[([byte, 0], "x")]), ..appends([Author::new(byte).write(1)]) };
        let fold = RowFold::new(vec![key("a")], move |_| Some(puts(&todo(), &[([byte, 1], "x")])));
        store.store().commit_folded(batch, fold)
    };
    assert_only_two_outcomes(&store, begin).await;
}
