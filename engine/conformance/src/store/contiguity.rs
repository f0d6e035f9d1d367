//! One origin's bundles: no holes, one history.

use syncline::format::heads::ChainHash;
use syncline::format::run::{Body, RunBuilder, VerifiedRun};
use syncline::format::time::NTP64;
use syncline::store::StoreError;
use syncline::{Dot, Seq};

use crate::{Author, StoreHarness, Subject, appends, dot, placed};

/// Checks that a batch is refused because `expected` comes next and `got` does not.
async fn assert_out_of_order(store: &Subject, runs: Vec<VerifiedRun>, expected: u64, got: Dot) {
    let before = store.status().await;
    let refusal = store.refusal(appends(runs)).await;
    let right = matches!(refusal, StoreError::OutOfOrder { expected: next, got: offered }
        if next == Seq::new(expected) && offered == got);
    assert!(right, "seq {expected} comes next, {got} was offered: {refusal:?}");
    assert_eq!(store.status().await, before);
}

/// Checks that a batch is refused because `got` continues another history.
async fn assert_wrong_chain(store: &Subject, runs: Vec<VerifiedRun>, got: Dot) {
    let before = store.status().await;
    let refusal = store.refusal(appends(runs)).await;
    assert!(matches!(refusal, StoreError::WrongChain { got: offered } if offered == got), "{got}: {refusal:?}");
    assert_eq!(store.status().await, before);
}

/// A hole would make heads a lie; the sender learns from where to send.
pub async fn a_gap_is_refused_with_the_seq_expected(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    store.commit(appends([ann.write(3)])).await;
    let _lost = ann.write(2);
    assert_out_of_order(&store, vec![ann.write(1)], 4, dot(&ann, 6)).await;
}

/// An unknown origin has a head too: nothing, so its first bundle comes next.
pub async fn an_origin_starts_with_its_first_bundle(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    let _lost = ann.write(1);
    assert_out_of_order(&store, vec![ann.write(1)], 1, dot(&ann, 2)).await;
}

/// Finding out that a push repeats itself is the service's work; a store that took it twice would have two truths.
pub async fn a_known_bundle_is_refused(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    let (first, second) = (ann.write(2), ann.write(1));
    store.commit(appends([first.clone(), second.clone()])).await;
    assert_out_of_order(&store, vec![first], 4, dot(&ann, 1)).await;
    assert_out_of_order(&store, vec![second], 4, dot(&ann, 3)).await;
}

/// A run is appended as a whole: taking its new part would let the store decide what the caller meant.
pub async fn a_run_that_overlaps_the_log_is_refused(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    let mut again = ann.clone();
    store.commit(appends([ann.write(2)])).await;
    assert_out_of_order(&store, vec![again.write(5)], 3, dot(&ann, 1)).await;
}

/// Same seq and another chain hash is a fork: reported, never written over.
pub async fn a_run_of_another_history_is_refused(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    let mut clone = ann.clone();
    store.commit(appends([ann.write(1)])).await;
    let _other_first = clone.write_bodies(&["what the cloned device wrote"]);
    assert_wrong_chain(&store, vec![clone.write(1)], dot(&ann, 2)).await;
    store.commit(appends([ann.write(1)])).await;
}

/// The first bundle continues the empty history; one that claims another before it is cut out of its log.
pub async fn a_first_run_must_continue_the_empty_chain(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let ann = Author::new(1);
    let mut builder = RunBuilder::new(ann.origin(), Seq::new(1), ChainHash::from_bytes([7; 32]));
    builder.push(NTP64(1), Body::Full(b"x"));
    let uprooted = builder.finish().expect("it has a bundle");
    assert_wrong_chain(&store, vec![uprooted], dot(&ann, 1)).await;
}

/// Heads move within a batch: its second run of an origin follows its first, not the log.
pub async fn runs_of_one_batch_must_follow_each_other(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let mut ann = Author::new(1);
    let mut clone = ann.clone();
    let (first, lost, third) = (ann.write(1), ann.write(1), ann.write(1));
    let _other_first = clone.write_bodies(&["what the cloned device wrote"]);
    assert_out_of_order(&store, vec![first.clone(), third], 2, dot(&ann, 3)).await;
    assert_out_of_order(&store, vec![first.clone(), first.clone()], 2, dot(&ann, 1)).await;
    assert_out_of_order(&store, vec![lost.clone(), first.clone()], 1, dot(&ann, 2)).await;
    assert_wrong_chain(&store, vec![first.clone(), clone.write(1)], dot(&ann, 2)).await;
    store.commit(appends([first.clone(), lost.clone()])).await;
    assert_same!(store.log().await, placed(1, [&first, &lost]));
}

/// Origins know nothing of each other: the head of one says nothing about another.
pub async fn origins_are_counted_apart(harness: &dyn StoreHarness) {
    let store = Subject::fresh(harness).await;
    let (mut ann, mut bob) = (Author::new(1), Author::new(2));
    store.commit(appends([ann.write(5), bob.write(1)])).await;
    let _lost = bob.write(1);
    assert_out_of_order(&store, vec![bob.write(1)], 2, dot(&bob, 3)).await;
    store.commit(appends([ann.write(1)])).await;
}
