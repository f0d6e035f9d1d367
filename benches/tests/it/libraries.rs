//! By hand, every library comes to what ours comes to.

use std::sync::Arc;

use syncline::authority::AllowAll;
use syncline::store::Durability;
use syncline::{MemoryStorage, Service};
use syncline_benches::bare::{Arrival, ByHand};
use syncline_benches::fresh::{Plan, write_log};
use syncline_benches::ours;
use syncline_benches::place::{Backend, Ground, Place};
use syncline_benches::workload::{Keys, Workload};
use syncline_memory::MemoryTransport;
use tempfile::TempDir;

const LIBRARIES: [Backend; 4] = [Backend::Sqlite, Backend::Redb, Backend::Sled, Backend::Postgres];
const PLAN: Plan = Plan { keys: Keys::Few(100), events: 2_345, per_bundle: 10 };

fn ground() -> (TempDir, Ground) {
    let folder = tempfile::tempdir().unwrap();
    let postgres = Some(syncline_postgres_testing::Server::shared().url().to_owned());
    let ground = Ground { folder: folder.path().to_owned(), postgres };
    (folder, ground)
}

async fn by_hand(place: &Place) -> ByHand {
    ByHand::new(place, place.backend().durabilities()[0]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_by_hand_leaves_the_rows_of_ours_and_survives_reopening_and_rebuilding() {
    let (_folder, ground) = ground();
    let (changes, events) = Workload::new(Keys::Few(30), 1).take_both(300).unwrap();
    let expected = {
        let memory = ours::open_memory().await.unwrap();
        ours::append(&memory, &events, 20).await.unwrap();
        ours::state(&memory).await.unwrap()
    };
    for library in LIBRARIES {
        let (place, place_of_ours) = (ground.place(library).unwrap(), ground.place(library).unwrap());
        let mut bare = by_hand(&place).await;
        for changes in changes.chunks(20) {
            bare.write(changes, true).await.unwrap();
        }
        bare.write(&changes[299..], false).await.unwrap();
        drop(bare);
        let (mut bare, head) = ByHand::reopen(&place, Durability::Process).await.unwrap();
        assert_eq!((head, bare.read(14, 5).await.unwrap().len()), (16, 2), "{library}");
        assert_eq!(bare.state().await.unwrap(), expected, "{library}");
        bare.rebuild().await.unwrap();
        assert_eq!(bare.state().await.unwrap(), expected, "{library}");
        drop(bare);

        let replica = ours::open(&place_of_ours, Durability::Process, true).await.unwrap();
        ours::append(&replica, &events, 20).await.unwrap();
        assert_eq!(ours::state(&replica).await.unwrap(), expected, "{library}");
        drop(replica);
        assert!(place.bytes().await.unwrap() > 30_000 && place_of_ours.bytes().await.unwrap() > 30_000, "{library}");
        place.delete().await.unwrap();
        place_of_ours.delete().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_by_hand_in_any_order_leaves_the_rows_of_a_synced_replica() {
    let (_folder, ground) = ground();
    let storage = Arc::new(MemoryStorage::new(syncline_os::log_id));
    let service = Service::new(storage, Arc::new(AllowAll), Arc::new(syncline_os::wall_clock));
    let peer = MemoryTransport::new(Arc::new(service), "token").await.unwrap();
    write_log(&PLAN, &peer).await.unwrap();
    let replica = ours::open_memory().await.unwrap();
    replica.sync(&peer).await.unwrap();
    let expected = ours::state(&replica).await.unwrap();
    assert_eq!(expected.len(), 100);

    let mut arrivals: Vec<_> = PLAN
        .pieces()
        .flat_map(|piece| {
            let author = piece.author as u8 + 1;
            piece.bundles.into_iter().map(move |(time, changes)| Arrival { author, time, changes })
        })
        .collect();
    for order in ["as written", "backwards"] {
        for library in LIBRARIES {
            let place = ground.place(library).unwrap();
            let mut bare = by_hand(&place).await;
            // In several transactions, so that what is stored already has to be looked at.
            for arrivals in arrivals.chunks(50) {
                bare.receive(arrivals, true).await.unwrap();
            }
            assert_eq!(bare.state().await.unwrap(), expected, "{library}, {order}");
            drop(bare);
            place.delete().await.unwrap();
        }
        arrivals.reverse();
    }
}
