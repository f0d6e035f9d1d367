//! Compare-and-swap by revision: how a fold is never computed from rows that have since changed.

use syncline::id::Revision;
use syncline::store::{StoreError, WriteBatch};

use crate::{Author, StoreHarness, Subject, appends, placed, puts, view, writes};

async fn assert_conflict(store: &Subject, expected: Revision) {
    let before = store.status().await;
    let refusal = store.refusal(WriteBatch { expected: Some(expected), ..WriteBatch::default() }).await;
    let right = matches!(refusal, StoreError::Conflict { expected: theirs, found }
        if theirs == expected && found == before.revision);
    assert!(right, "{expected} at {}: {refusal:?}", before.revision);
    assert_eq!(store.status().await, before);
}

/// Rows folded from an older state would undo what was written in between.
pub async fn a_stale_revision_is_a_conflict(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    for _ in 0..3 {
        let stale = store.status().await.revision;
        store.commit(appends([ann.write(1)])).await;
        assert_conflict(&store, stale).await;
    }
    assert_conflict(&store, Revision::ZERO).await;
}

/// A revision that the log has not reached belongs to another copy of it.
pub async fn a_revision_yet_to_come_is_a_conflict(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    assert_conflict(&store, Revision::new(1)).await;
    store.commit(WriteBatch::default()).await;
    assert_conflict(&store, Revision::new(2)).await;
    assert_conflict(&store, Revision::new(u64::MAX)).await;
}

/// The other half: who is up to date gets through, from the first commit on.
pub async fn the_current_revision_is_accepted(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    for _ in 0..3 {
        let expected = Some(store.status().await.revision);
        store.commit(WriteBatch { expected, ..appends([ann.write(1)]) }).await;
    }
    assert_eq!(store.status().await.heads.get(ann.origin()), ann.head());
}

/// A commit of rows alone changes what a fold reads, so it counts as well.
pub async fn a_commit_of_rows_alone_makes_others_stale(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let seen = store.status().await.revision;
    store.commit(writes(puts(&view("todo@1"), &[("a", "1")]))).await;
    assert_conflict(&store, seen).await;
}

/// A relay reads no rows: making it retry whenever somebody else commits would starve it.
pub async fn without_an_expectation_only_contiguity_counts(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (mut ann, mut bob) = (Author::new(1), Author::new(2));
    let (first, second, third) = (ann.write(1), bob.write(1), ann.write(1));
    for append in [&first, &second, &third] {
        store.commit(appends([append.clone()])).await;
    }
    assert_same!(store.log().await, placed(1, [&first, &second, &third]));
}
