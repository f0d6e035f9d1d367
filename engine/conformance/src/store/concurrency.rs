//! Many tasks on one log. Races are real here: laws run on several threads.

use std::collections::BTreeSet;

use futures_util::future::{BoxFuture, join_all};
use futures_util::poll;
use syncline::id::Revision;
use syncline::store::{Limit, RowFold, RowRange, StoreError, WriteBatch};
use syncline::{Cursor, Dot, Position, Seq};
use tokio::task::{JoinHandle, yield_now};

use crate::{Author, StoreHarness, Subject, appends, dot, puts, row_key, unpack, view};

/// How many tasks write at once.
const WRITERS: u8 = 32;
/// How many commits each of them makes.
const ROUNDS: u64 = 8;

/// How many bundles a commit of this round has.
fn bundles_in(round: u64) -> u64 {
    1 + round % 3
}

/// How many bundles all of them write.
pub(super) fn bundles_of_writers() -> u64 {
    u64::from(WRITERS) * (0..ROUNDS).map(bundles_in).sum::<u64>()
}

/// Starts writers, each an origin of its own, that expect nothing of the log. They take turns at the handles.
pub(super) fn start_writers(handles: &[&Subject]) -> Vec<JoinHandle<()>> {
    let write = |byte| {
        let store = handles[usize::from(byte) % handles.len()].clone();
        tokio::spawn(async move {
            let mut author = Author::new(byte);
            for round in 0..ROUNDS {
                store.commit(appends([author.write(bundles_in(round))])).await;
                yield_now().await;
            }
        })
    };
    (1..=WRITERS).map(write).collect()
}

pub(super) async fn ended(tasks: Vec<JoinHandle<()>>) {
    join_all(tasks).await.into_iter().for_each(|task| task.expect("the task ends well"));
}

/// Does something again and again while a log is written to, and once more when the writers have ended.
pub(super) async fn meanwhile(writers: Vec<JoinHandle<()>>, mut act: impl AsyncFnMut()) {
    loop {
        let last = writers.iter().all(JoinHandle::is_finished);
        act().await;
        yield_now().await;
        if last {
            return ended(writers).await;
        }
    }
}

/// The fault that production finds: a number is taken early, committed late, and the reader has already passed it.
pub async fn a_polling_reader_never_skips(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (mut cursor, mut read) = (store.cursor(0).await, Vec::<Dot>::new());
    meanwhile(start_writers(&[&store]), async || {
        let mut is_last = false;
        while !is_last {
            let (bundles, last) = store.read_on(&mut cursor, Limit::items(5)).await;
            read.extend(bundles.into_iter().map(|placed| placed.dot));
            is_last = last;
        }
    })
    .await;
    assert_eq!(read.iter().collect::<BTreeSet<_>>().len() as u64, bundles_of_writers(), "a bundle was skipped");
    let log: Vec<_> = store.log().await.into_iter().map(|placed| placed.dot).collect();
    assert_same!(read, log);
}

/// Group commit joins many writers in one transaction; each still gets its own place and answer.
pub async fn every_concurrent_commit_gets_its_own_place(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let commits = (1..=WRITERS).map(|byte| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut author = Author::new(byte);
            (store.commit(appends([author.write(2)])).await, author)
        })
    });
    let commits: Vec<_> = join_all(commits).await.into_iter().map(|task| task.expect("the commit ends well")).collect();
    let log = store.log().await;
    let mut revisions: Vec<_> = commits.iter().map(|(committed, _)| committed.revision.get()).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=u64::from(WRITERS)).collect::<Vec<_>>());
    for (committed, author) in &commits {
        let end = committed.head.get() as usize;
        assert_eq!([log[end - 2].dot, log[end - 1].dot], [dot(author, 1), dot(author, 2)]);
    }
}

/// A refused batch in a group of commits takes none of the others with it.
pub async fn a_refusal_among_concurrent_commits_is_its_own(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let commits = (1..=WRITERS).map(|byte| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut author = Author::new(byte);
            let _lost = if byte % 2 == 0 { Some(author.write(1)) } else { None };
            let result = store.store().commit(appends([author.write(1)])).await;
            let right = match byte % 2 {
                0 => matches!(&result, Err(StoreError::OutOfOrder { got, .. }) if *got == dot(&author, 2)),
                _ => result.is_ok(),
            };
            assert!(right, "writer {byte}: {result:?}");
        })
    });
    ended(commits.collect()).await;
    assert_eq!(store.status().await.head, Position::new(u64::from(WRITERS / 2)));
}

/// Two folds of one state cannot both be right.
pub async fn of_commits_from_one_revision_exactly_one_wins(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    for _ in 0..5 {
        let expected = Some(store.status().await.revision);
        let commits = (0..WRITERS).map(|byte| {
            let store = store.clone();
            let batch = WriteBatch { expected, rows: puts(&view("todo@1"), &[("a", [byte])]), ..WriteBatch::default() };
            tokio::spawn(async move { store.store().commit(batch).await })
        });
        let results: Vec<_> = join_all(commits).await.into_iter().map(|task| task.expect("no panic")).collect();
        let lost = results.iter().filter(|result| matches!(result, Err(StoreError::Conflict { .. }))).count();
        assert_eq!(lost, usize::from(WRITERS) - 1, "{results:?}");
        let winner = results.iter().position(Result::is_ok).expect("one has won");
        assert_eq!(store.row(&view("todo@1"), "a").await, Some(vec![winner as u8].into()));
    }
}

/// Reload and retry must be enough to count right, which is what every fold does.
pub async fn reload_and_retry_loses_no_update(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let count = |row: Option<bytes::Bytes>| row.map_or(0, |row| row[0]);
    let tasks = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let todo = view("todo@1");
            for _ in 0..10 {
                // Each conflict is another task's success, and of those there are 80.
                let mut tries = 0..80;
                while tries.next().is_some() {
                    let expected = Some(store.status().await.revision);
                    let rows = puts(&todo, &[("count", [count(store.row(&todo, "count").await) + 1])]);
                    if store.store().commit(WriteBatch { expected, rows, ..WriteBatch::default() }).await.is_ok() {
                        break;
                    }
                    yield_now().await;
                }
            }
        })
    });
    ended(tasks.collect()).await;
    assert_eq!(count(store.row(&view("todo@1"), "count").await), 80);
}

/// Heads that are newer than the head they come with would make a peer believe it has what it was never sent.
pub async fn status_is_one_moment(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    let mut bob = Author::new(2);
    let todo = view("todo@1");
    let writer = tokio::spawn({
        let (store, todo) = (store.clone(), todo.clone());
        async move {
            for round in 1..=100 {
                let views = vec![(todo.clone(), Position::new(2 * round))];
                let batch = appends([ann.write(1), bob.write(1)]);
                store.commit(WriteBatch { views, clock: syncline::format::time::NTP64(round), ..batch }).await;
                yield_now().await;
            }
        }
    });
    meanwhile(vec![writer], async || {
        let status = store.status().await;
        let round = status.revision.get();
        let seqs: Vec<_> = status.heads.iter().map(|(_, head)| head.seq.get()).collect();
        let progress = status.views.get(&todo).copied().unwrap_or_default();
        assert!(seqs.iter().all(|seq| *seq == round), "{status:?}");
        assert_eq!((status.head.get(), status.clock.0, progress.get()), (2 * round, round, 2 * round), "{status:?}");
    })
    .await;
}

/// Starts a writer that sets two rows of a view to one number and appends one bundle, each time in one commit.
fn start_counting(store: &Subject) -> JoinHandle<()> {
    let store = store.clone();
    tokio::spawn(async move {
        let mut ann = Author::new(1);
        for round in 1..=100u8 {
            let rows = puts(&view("todo@1"), &[("a", [round]), ("z", [round])]);
            store.commit(WriteBatch { rows, ..appends([ann.write(1)]) }).await;
            yield_now().await;
        }
    })
}

/// A fold loads the rows of one event together: rows of two moments make a state that never was.
pub async fn rows_loaded_together_are_of_one_moment(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let keys = ["a", "z"].map(|key| row_key(&view("todo@1"), key));
    meanwhile(vec![start_counting(&store)], async || {
        let rows = store.load(&keys).await;
        assert_eq!(rows[0], rows[1]);
    })
    .await;
}

/// The same for a list.
pub async fn rows_scanned_together_are_of_one_moment(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    meanwhile(vec![start_counting(&store)], async || {
        let rows = store.scan(&view("todo@1"), RowRange::all(), Limit::PAGE).await;
        assert!(rows.is_empty() || rows.len() == 2 && rows[0].value == rows[1].value, "{rows:?}");
    })
    .await;
}

/// A page says how far the log reaches; a head of another moment would call it the last, or not, wrongly.
pub async fn a_page_is_of_one_moment(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let log = store.status().await.log;
    meanwhile(start_writers(&[&store]), async || {
        let page = store.store().read(Cursor::start(log), Limit::items(u32::MAX)).await.expect("the start is served");
        assert_eq!((page.next.position, page.head.get()), (page.head, unpack(&page.runs).len() as u64));
    })
    .await;
}

/// A row without its bundle cannot be explained, a bundle without its row is lost to the screen: both move together.
pub async fn rows_and_bundles_move_together(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let todo = view("todo@1");
    let count = async || store.row(&todo, "a").await.map_or(0, |row| u64::from(row[0]));
    let bundles = async || store.status().await.head.get();
    meanwhile(vec![start_counting(&store)], async || {
        let (row, head) = (count().await, bundles().await);
        assert!(row <= head, "row {row} was there before bundle {head}");
        let (head, row) = (bundles().await, count().await);
        assert!(head <= row, "bundle {head} was there before row {row}");
    })
    .await;
}

/// If somebody knows that a commit is done, they may tell others, who look through their own handles.
pub async fn a_commit_is_seen_by_everybody_once_it_returns(harness: &dyn StoreHarness) {
    let storage = harness.fresh().await;
    let (one, other) = (Subject::open(&*storage, "notes").await, Subject::open(&*storage, "notes").await);
    let mut ann = Author::new(1);
    for round in 1..=20u8 {
        let rows = puts(&view("todo@1"), &[("a", [round])]);
        let committed = one.commit(WriteBatch { rows, ..appends([ann.write(1)]) }).await;
        assert_eq!(other.status().await.revision, committed.revision);
        assert_eq!(other.row(&view("todo@1"), "a").await, Some(vec![round].into()));
        assert_eq!(other.log_after(u64::from(round) - 1, Limit::PAGE).await.len(), 1);
    }
}

/// A caller that gives up does not know the outcome. But there are only two outcomes.
pub async fn a_commit_given_up_is_done_wholly_or_not_at_all(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let begin = |byte| {
        let rows = puts(&view("todo@1"), &[([byte, 0], "x"), ([byte, 1], "x")]);
        store.store().commit(WriteBatch { rows, ..appends([Author::new(byte).write(1)]) })
    };
    assert_only_two_outcomes(&store, begin).await;
}

/// Gives up commits after more and more polls. Each appends one bundle of the author whose byte it gets, and writes two rows of
/// `todo@1` whose keys begin with that byte.
pub(super) async fn assert_only_two_outcomes<'s, T>(store: &'s Subject, begin: impl Fn(u8) -> BoxFuture<'s, T>) {
    for byte in 1..=12 {
        let mut commit = begin(byte);
        for _ in 1..byte {
            if poll!(&mut commit).is_ready() {
                break;
            }
            yield_now().await;
        }
        drop(commit);
        store.commit(WriteBatch::default()).await;
    }
    // What was given up may still be under way: look until nothing has moved in between.
    let (status, rows) = loop {
        let (status, rows) = (store.status().await, store.rows(&view("todo@1")).await);
        if store.status().await.revision == status.revision {
            break (status, rows);
        }
    };
    for byte in 1..=12 {
        let bundles = status.heads.get(Author::new(byte).origin()).seq.get();
        let rows = rows.iter().filter(|(key, _)| key[0] == byte).count() as u64;
        assert_eq!(rows, 2 * bundles, "after {} polls", byte - 1);
    }
}

/// How many times each call is left half polled: more than any pool has places.
const LEFT: usize = 64;

/// A task that waits for several things at once may leave a call half polled for a long time. Others must not wait for what it holds.
pub async fn a_call_left_half_polled_holds_up_no_other(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (handle, todo, cursor) = (store.store(), view("todo@1"), store.cursor(0).await);
    let (mut ann, origin, keys) = (Author::new(1), Author::new(2).origin(), [row_key(&todo, "a")]);
    let mut left: Vec<BoxFuture<'_, Result<(), StoreError>>> = Vec::new();
    for _ in 0..LEFT {
        left.push(Box::pin(async { handle.commit(WriteBatch::default()).await.map(drop) }));
        let fold = RowFold::new(keys.to_vec(), |_| Some(Vec::new()));
        left.push(Box::pin(async { handle.commit_folded(WriteBatch::default(), fold).await.map(drop) }));
        left.push(Box::pin(async { handle.status().await.map(drop) }));
        left.push(Box::pin(async { handle.read(cursor, Limit::PAGE).await.map(drop) }));
        left.push(Box::pin(async { handle.read_origin(origin, Seq::ZERO, Limit::PAGE).await.map(drop) }));
        left.push(Box::pin(async { handle.load(&keys).await.map(drop) }));
        left.push(Box::pin(async { handle.scan(&todo, RowRange::all(), Limit::PAGE).await.map(drop) }));
        left.push(Box::pin(async { handle.changed(Revision::ZERO).await.map(drop) }));
    }
    let mut waiting = Vec::new();
    for mut call in left {
        if poll!(&mut call).is_pending() {
            waiting.push(call);
        }
    }
    let committed = store.commit(appends([ann.write(1)])).await;
    assert!(store.changed(Revision::ZERO).await >= committed.revision);
    assert_eq!(store.status().await.head, committed.head);
    assert_eq!(store.log().await.len(), 1);
    assert_eq!(store.row(&todo, "a").await, None);
    assert_eq!(store.rows(&todo).await, []);
    for call in waiting {
        match call.await {
            // A fold that expects nothing may find that somebody else has committed behind its back.
            Ok(()) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => panic!("a call that was left continues where it was: {error}"),
        }
    }
}
