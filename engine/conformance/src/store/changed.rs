//! Waiting for the next commit. No law here measures time: one that waits for ever is ended by the kit.

use futures_util::future::{join, join_all};
use futures_util::poll;
use syncline::id::Revision;
use syncline::store::WriteBatch;

use crate::{Author, SPACE, StoreHarness, Subject, appends, puts, view, writes};

/// The reader saw an older log: what it waits for has already happened.
pub async fn a_wait_for_the_past_returns_at_once(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    for _ in 0..3 {
        store.commit(WriteBatch::default()).await;
    }
    for since in 0..3 {
        assert_eq!(store.changed(Revision::new(since)).await, Revision::new(3));
    }
}

/// This is what live sync and watched views stand on.
pub async fn a_commit_wakes_who_waits(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    for round in 0..20 {
        let waiting = tokio::spawn({
            let store = store.clone();
            async move { store.changed(Revision::new(round)).await }
        });
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        }
        store.commit(appends([ann.write(1)])).await;
        assert_eq!(waiting.await.expect("the wait ends well"), Revision::new(round + 1));
    }
}

/// Watchers of rows wait for commits that append nothing.
pub async fn a_commit_without_bundles_wakes_who_waits(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    for (round, batch) in [writes(puts(&view("todo@1"), &[("a", "1")])), WriteBatch::default()].into_iter().enumerate()
    {
        let since = Revision::new(round as u64);
        let (woken, _) = join(store.changed(since), store.commit(batch)).await;
        assert_eq!(woken, since.plus(1));
    }
}

/// One commit, many watchers: waking one of them is not enough.
pub async fn a_commit_wakes_everybody_who_waits(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let waiting = join_all((0..50).map(|_| store.changed(Revision::ZERO)));
    let (woken, _) = join(waiting, store.commit(WriteBatch::default())).await;
    assert_eq!(woken, vec![Revision::new(1); 50]);
}

/// A reader reads, then waits: a commit in between must end the wait that begins after it.
pub async fn a_commit_just_before_the_wait_is_not_missed(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    for _ in 0..50 {
        let seen = store.status().await.revision;
        let committing = tokio::spawn({
            let store = store.clone();
            async move { store.commit(WriteBatch::default()).await }
        });
        assert_eq!(store.changed(seen).await, seen.plus(1));
        committing.await.expect("the commit ends well");
    }
}

/// A wait that ended early would make its caller spin, or believe what has not happened.
pub async fn a_wait_ends_only_behind_what_was_seen(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let since = Revision::new(3);
    let commits = async {
        for _ in 0..4 {
            store.commit(WriteBatch::default()).await;
            tokio::task::yield_now().await;
        }
    };
    let (woken, ()) = join(store.changed(since), commits).await;
    assert_eq!(woken, Revision::new(4));
}

/// Screens close while they wait; nobody else notices.
pub async fn a_wait_given_up_leaves_the_others(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut kept = Box::pin(store.changed(Revision::ZERO));
    let mut given_up = Box::pin(store.changed(Revision::ZERO));
    assert!(poll!(&mut kept).is_pending() && poll!(&mut given_up).is_pending(), "nothing has happened");
    drop(given_up);
    store.commit(WriteBatch::default()).await;
    assert_eq!(kept.await, Revision::new(1));
}

/// Every request of a server opens its space: handles are many, the log is one.
pub async fn a_commit_through_one_handle_wakes_another(harness: &dyn StoreHarness) {
    let storage = harness.fresh().await;
    let (one, other) = (Subject::open(&*storage, SPACE).await, Subject::open(&*storage, SPACE).await);
    let (woken, _) = join(other.changed(Revision::ZERO), one.commit(WriteBatch::default())).await;
    assert_eq!(woken, Revision::new(1));
}
