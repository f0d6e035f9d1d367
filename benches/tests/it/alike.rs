//! What is compared is the same work.

use syncline::store::Durability;
use syncline_benches::bare::ByHand;
use syncline_benches::fresh::{self, Plan};
use syncline_benches::ours;
use syncline_benches::place::{Backend, Place};
use syncline_benches::workload::{Change, Keys, Workload};

fn prepared(keys: Keys, count: usize) -> (Vec<Change>, Vec<syncline::Event>) {
    Workload::new(keys, 1).take_both(count).unwrap()
}

#[tokio::test]
async fn appending_by_hand_and_through_the_engine_leaves_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    for (keys, per_commit) in [(Keys::Few(7), 1), (Keys::Few(30), 20), (Keys::Distinct, 20)] {
        let file = |name: &str| folder.path().join(format!("{name}-{keys}-{per_commit}.sqlite"));
        let (changes, events) = prepared(keys, 60);
        let replica = ours::open_sqlite(&file("ours"), Durability::Process).await.unwrap();
        let memory = ours::open_memory().await.unwrap();
        let place = Place::of_path(Backend::Sqlite, &file("by-hand"));
        let mut bare = ByHand::new(&place, Durability::Process).await.unwrap();
        ours::append(&replica, &events, per_commit).await.unwrap();
        ours::append(&memory, &events, per_commit).await.unwrap();
        for changes in changes.chunks(per_commit) {
            bare.write(changes, true).await.unwrap();
        }
        let state = bare.state().await.unwrap();
        assert!(!state.is_empty());
        assert_eq!(ours::state(&replica).await.unwrap(), state, "{keys}");
        assert_eq!(ours::state(&memory).await.unwrap(), state, "{keys}");
        assert!(bare.row(&changes[0].key).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_log_by_hand_takes_as_many_bytes_as_ours() {
    let folder = tempfile::tempdir().unwrap();
    let (changes, events) = prepared(Keys::Few(30), 60);
    let replica = ours::open_sqlite(&folder.path().join("ours.sqlite"), Durability::Process).await.unwrap();
    let place = Place::of_path(Backend::Sqlite, &folder.path().join("by-hand.sqlite"));
    let mut bare = ByHand::new(&place, Durability::Process).await.unwrap();
    ours::append(&replica, &events, 20).await.unwrap();
    for changes in changes.chunks(20) {
        bare.write(changes, true).await.unwrap();
    }
    let (store, own) = (replica.store(), replica.id().await);
    let mut ours = 0;
    for seq in 0..3 {
        let one = syncline::store::Limit::items(1);
        let stored = store.read_origin(own, syncline::Seq::new(seq), one).await.unwrap();
        ours += stored[0].run.as_bytes().len();
    }
    let by_hand: usize = bare.read(0, usize::MAX).await.unwrap().iter().map(Vec::len).sum();
    assert_eq!(by_hand, ours);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writers_write_every_event_once() {
    let folder = tempfile::tempdir().unwrap();
    let replica = ours::open_sqlite(&folder.path().join("ours.sqlite"), Durability::Process).await.unwrap();
    let (_, events) = prepared(Keys::Distinct, 50);
    ours::append_concurrently(&replica, &events, 1, 16).await.unwrap();
    assert_eq!(replica.store().status().await.unwrap().head.get(), 50);
    assert_eq!(ours::state(&replica).await.unwrap().len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_copy_by_hand_and_a_fresh_replica_have_the_same_rows() {
    for keys in [Keys::Few(100), Keys::Distinct] {
        let folder = tempfile::tempdir().unwrap();
        // More than one of the authors' pieces each.
        let plan = Plan { keys, events: 2_345, per_bundle: 10 };
        let (ours, by_hand) = fresh::states(&plan, folder.path()).await.unwrap();
        assert_eq!(ours, by_hand);
        assert_eq!(ours.len(), if keys == Keys::Distinct { 2_345 } else { 100 });
    }
}
