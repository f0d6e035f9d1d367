//! Commits that share a write.

use futures_executor::block_on;
use futures_util::future::join_all;
use futures_util::{FutureExt, poll};
use syncline::Position;
use syncline::format::Head;
use syncline::id::Revision;
use syncline::store::{Limit, StoreError, WriteBatch};
use syncline_conformance::{Author, Subject, appends, placed, puts, view};
use syncline_key_value::WriterStats;

use crate::map::{Disk, Hold};

/// Begins a commit that the writer takes at once, and holds it in its write: what is committed now waits together.
async fn hold_one<'a>(disk: &Disk, store: &'a Subject) -> impl Future<Output = ()> + use<'a> {
    disk.hold(Hold::Unseen);
    let begun = disk.counts().begun;
    let mut first = Box::pin(store.commit(appends([Author::new(99).write(1)])));
    assert!(poll!(&mut first).is_pending());
    disk.wait_until(|counts| counts.begun > begun);
    first.map(drop)
}

#[test]
fn commits_that_wait_share_one_write() {
    block_on(async {
        let disk = Disk::default();
        let storage = disk.open();
        let store = Subject::open(&storage, "notes").await;
        let first = hold_one(&disk, &store).await;
        let mut authors: Vec<_> = (1..=30).map(Author::new).collect();
        let mut rest = Box::pin(join_all(authors.iter_mut().map(|author| store.commit(appends([author.write(1)])))));
        assert!(poll!(&mut rest).is_pending());
        let before = disk.counts().seen;
        disk.hold(None);
        first.await;
        let committed = rest.await;
        assert_eq!(disk.counts().seen - before, 2);
        assert_eq!(storage.stats(), WriterStats { commits: 31, transactions: 2 });
        let heads: Vec<_> = committed.iter().map(|committed| committed.head.get()).collect();
        assert_eq!(heads, (2..=31).collect::<Vec<_>>(), "each has its own place, in the order of arrival");
    });
}

#[test]
fn a_refused_commit_leaves_no_trace_among_those_that_share_its_write() {
    block_on(async {
        let disk = Disk::default();
        let storage = disk.open();
        let store = Subject::open(&storage, "notes").await;
        let todo = view("todo@1");
        let first = hold_one(&disk, &store).await;
        let (mut ann, mut bob) = (Author::new(1), Author::new(2));
        let good = [ann.write(2), bob.write(1), ann.write(1)];
        let batch = |verified: &syncline::format::VerifiedRun, key: &str| WriteBatch {
            rows: puts(&todo, &[(key, "good")]),
            ..appends([verified.clone()])
        };
        // Refused for its second run, when the first has been planned already.
        let mut eve = Author::new(3);
        let (start, _lost, gap) = (eve.write(1), eve.write(1), eve.write(1));
        let bad = WriteBatch { rows: puts(&todo, &[("b", "bad"), ("z", "bad")]), ..appends([start, gap]) };
        let mut all = Box::pin(join_all(
            [batch(&good[0], "a"), bad, batch(&good[1], "b"), batch(&good[2], "c")]
                .map(|batch| store.store().commit(batch)),
        ));
        assert!(poll!(&mut all).is_pending());
        disk.hold(None);
        first.await;
        let outcomes = all.await;
        assert!(matches!(outcomes[1], Err(StoreError::OutOfOrder { .. })), "{:?}", outcomes[1]);
        let done: Vec<_> = outcomes
            .iter()
            .filter_map(|outcome| outcome.as_ref().ok())
            .map(|done| (done.revision.get(), done.head.get()))
            .collect();
        assert_eq!(done, [(2, 3), (3, 4), (4, 5)]);
        assert_eq!(store.log_after(1, Limit::PAGE).await, placed(2, &good));
        assert_eq!(store.status().await.heads.get(eve.origin()), Head::NONE);
        assert_eq!(store.rows(&todo).await, ["a", "b", "c"].map(|key| (key.into(), "good".into())));
        assert_eq!(storage.stats().transactions, 2);
    });
}

#[test]
fn of_two_commits_of_one_revision_that_wait_together_the_first_wins() {
    block_on(async {
        let disk = Disk::default();
        let storage = disk.open();
        let store = Subject::open(&storage, "notes").await;
        let first = hold_one(&disk, &store).await;
        let batch = || WriteBatch { expected: Some(Revision::new(1)), ..WriteBatch::default() };
        let mut both = Box::pin(join_all([store.store().commit(batch()), store.store().commit(batch())]));
        assert!(poll!(&mut both).is_pending());
        disk.hold(None);
        first.await;
        let outcomes = both.await;
        assert_eq!(outcomes[0].as_ref().unwrap().revision, Revision::new(2));
        assert!(matches!(outcomes[1], Err(StoreError::Conflict { .. })), "{:?}", outcomes[1]);
    });
}

#[test]
fn commits_of_several_spaces_share_one_write_and_a_space_may_be_opened_among_them() {
    block_on(async {
        let disk = Disk::default();
        let storage = disk.open();
        let (one, two) = (Subject::open(&storage, "one").await, Subject::open(&storage, "two").await);
        let first = hold_one(&disk, &one).await;
        let mut both = Box::pin(join_all([&one, &two].map(|store| store.commit(appends([Author::new(1).write(1)])))));
        assert!(poll!(&mut both).is_pending());
        let mut third = Box::pin(Subject::open(&storage, "three"));
        assert!(poll!(&mut third).is_pending());
        disk.hold(None);
        first.await;
        let heads: Vec<_> = both.await.iter().map(|committed| committed.head).collect();
        assert_eq!(heads, [Position::new(2), Position::new(1)]);
        assert_eq!(storage.stats().transactions, 2);
        assert_eq!(third.await.status().await.head, Position::ZERO);
    });
}

#[test]
fn refused_commits_write_nothing() {
    block_on(async {
        let disk = Disk::default();
        let storage = disk.open();
        let store = Subject::open(&storage, "notes").await;
        let before = disk.counts().begun;
        let stale = WriteBatch { expected: Some(Revision::new(7)), ..WriteBatch::default() };
        store.refusal(stale).await;
        assert_eq!((disk.counts().begun, storage.stats()), (before, WriterStats::default()));
    });
}
