//! Many logs in one storage.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use syncline::Position;
use syncline::format::time::NTP64;
use syncline::id::Revision;
use syncline::store::{Limit, LogStatus, StoreError, WriteBatch};

use crate::{Author, StoreHarness, Subject, appends, placed, puts, space, view};

/// Every request opens its space again: what one handle commits, all others see at once.
pub async fn two_opens_of_one_space_share_one_log(harness: &dyn StoreHarness) {
    let storage = harness.fresh().await;
    let (one, other) = (Subject::open(&*storage, "notes").await, Subject::open(&*storage, "notes").await);
    let mut ann = Author::new(1);
    let written = [ann.write(2), ann.write(1), ann.write(3)];
    for (verified, store) in written.iter().zip([&one, &other, &one]) {
        store.commit(appends([verified.clone()])).await;
        assert_eq!(one.status().await, other.status().await);
    }
    assert_same!(one.log().await, placed(1, &written));
    assert_same!(other.log().await, one.log().await);
}

/// Opening is reading: it changes nothing in the space.
pub async fn opening_a_space_again_changes_nothing(harness: &dyn StoreHarness) {
    let storage = harness.fresh().await;
    let store = Subject::open(&*storage, "notes").await;
    store.commit(appends([Author::new(1).write(2)])).await;
    let before = store.image(&[]).await;
    for _ in 0..3 {
        assert_eq!(Subject::open(&*storage, "notes").await.image(&[]).await, before);
    }
}

/// The first visitors of a space come together; they must not create two logs.
pub async fn a_space_opened_by_many_at_once_is_one_log(harness: &dyn StoreHarness) {
    let storage = harness.fresh().await;
    let opens = (0..16).map(|_| {
        let storage = storage.clone();
        tokio::spawn(async move { Subject::open(&*storage, "notes").await.status().await.log })
    });
    let logs = join_all(opens).await.into_iter().map(|log| log.expect("the space opens"));
    assert_eq!(logs.collect::<BTreeSet<_>>().len(), 1);
}

/// A cursor names its log, so that one of another space is noticed.
pub async fn two_spaces_are_two_logs(harness: &dyn StoreHarness) {
    let storage = harness.fresh().await;
    let (notes, tasks) = (Subject::open(&*storage, "notes").await, Subject::open(&*storage, "tasks").await);
    for store in [&notes, &tasks] {
        store.commit(appends([Author::new(1).write(2)])).await;
    }
    let foreign = notes.cursor(1).await;
    assert_ne!(foreign.log, tasks.status().await.log);
    let refusal = tasks.store().read(foreign, Limit::PAGE).await.expect_err("the cursor is another log's");
    assert!(matches!(refusal, StoreError::CursorGone { .. }), "{refusal:?}");
}

/// A log made again under an old name must not be taken for the old one.
pub async fn two_storages_never_share_a_log(harness: &dyn StoreHarness) {
    let mut logs = BTreeSet::new();
    for _ in 0..3 {
        logs.insert(Subject::fresh(harness).await.status().await.log);
    }
    assert_eq!(logs.len(), 3);
}

/// The bundles, rows, progress and clock of one tenant are separate from those of another, however alike their names.
pub async fn spaces_do_not_mix(harness: &dyn StoreHarness) {
    let storage = harness.fresh().await;
    let todo = view("todo@1");
    let names = ["team", "team_", "team-a", "team.a", "team1", "tea", "t_am", "teamm"];
    let mut expected = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let (store, number) = (Subject::open(&*storage, name).await, index as u64 + 1);
        let verified = Author::new(1).write(number);
        let (rows, views) = (puts(&todo, &[("a", name)]), vec![(todo.clone(), Position::new(number))]);
        store.commit(WriteBatch { rows, views, clock: NTP64(number), ..appends([verified.clone()]) }).await;
        expected.push((store, verified));
    }
    for ((store, verified), name) in expected.iter().zip(names) {
        let status = store.status().await;
        let count = verified.run().count();
        assert_eq!(status.views[&todo], Position::new(count), "{name}");
        assert_eq!((status.revision, status.clock), (Revision::new(1), NTP64(count)), "{name}");
        assert_same!(store.log().await, placed(1, [verified]), "{name}");
        assert_same!(store.origin(verified.run().origin(), 0, Limit::PAGE).await, placed(1, [verified]), "{name}");
        assert_eq!(store.rows(&todo).await, [("a".into(), name.into())], "{name}");
    }
}

/// Clearing a view, and everything else, ends at the border of the space.
pub async fn clearing_a_view_leaves_other_spaces(harness: &dyn StoreHarness) {
    let storage = harness.fresh().await;
    let todo = view("todo@1");
    let (notes, tasks) = (Subject::open(&*storage, "notes").await, Subject::open(&*storage, "tasks").await);
    for store in [&notes, &tasks] {
        let views = vec![(todo.clone(), Position::ZERO)];
        store.commit(WriteBatch { views, rows: puts(&todo, &[("a", "1")]), ..WriteBatch::default() }).await;
    }
    let before = tasks.image(std::slice::from_ref(&todo)).await;
    notes.commit(WriteBatch { clear: vec![todo.clone()], ..WriteBatch::default() }).await;
    assert_eq!(tasks.image(&[todo]).await, before);
}

/// Administration lists them; opening creates them, committing is not needed.
pub async fn spaces_are_listed_in_the_order_of_their_names(harness: &dyn StoreHarness) {
    let storage = harness.fresh().await;
    assert_eq!(storage.spaces().await.expect("the spaces list"), []);
    for name in ["b", "a_", "a1", "a", "aa", "a.b", "a-b"] {
        let status = Subject::open(&*storage, name).await.status().await;
        assert_eq!(status, LogStatus::fresh(status.log));
    }
    let names = ["a", "a-b", "a.b", "a1", "a_", "aa", "b"].map(space);
    assert_eq!(storage.spaces().await.expect("the spaces list"), names);
}

/// An alarm without a cause is as bad as none: operators learn to ignore it.
pub async fn a_whole_storage_is_ready_and_passes_its_check_while_it_is_written_to(harness: &dyn StoreHarness) {
    let storage = harness.fresh().await;
    storage.ready().await.expect("an empty storage is ready");
    storage.check().await.expect("an empty storage is whole");
    let (notes, todo) = (Subject::open(&*storage, "notes").await, view("todo@1"));
    let (mut ann, mut bob) = (Author::new(1), Author::new(2));
    for round in 0..8 {
        let rows = puts(&todo, &[(format!("key {round}"), "v".repeat(2_000))]);
        let batch = WriteBatch { rows, ..appends([ann.write(20), bob.write(1)]) };
        let (checked, ready, _) = futures_util::join!(storage.check(), storage.ready(), notes.commit(batch));
        assert!(!checked.expect("a whole storage passes").is_empty(), "a check says what it has looked at");
        ready.expect("a storage that takes commits is ready");
    }
}
