//! Primaries that are lost, and standbys that take their place.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, poll};
use syncline::authority::{AllowAll, Principal};
use syncline::store::{EventStore, Limit, Retry, StoreError, WriteBatch};
use syncline::{Cursor, Event, EventType, LogId, MemoryStore, NTP64, Replica, ReplicaId, Service, Transport};
use syncline_conformance::{Author, appends, placed, space};
use syncline_memory::MemoryTransport;
use syncline_postgres::{PostgresOptions, PostgresStorage};
use syncline_postgres_testing::{Address, Pooler, Scratch, Server};

use crate::fixture::{by_hand, notes, until_it_works};

/// A primary and its standby, and an address that leads to the primary.
struct Pair {
    standby: Server,
    primary: Server,
    address: Address,
    scratch: Scratch,
    /// Stands at the address, if there is one.
    pooler: Option<Pooler>,
}

impl Pair {
    /// Straight at the address, and behind a pooler in either mode.
    fn each() -> impl Iterator<Item = Self> {
        [None, Some("pool_mode = transaction"), Some("pool_mode = session")].into_iter().filter_map(|mode| {
            let primary = Server::start();
            let (standby, address) = (primary.standby(), Address::of(&primary));
            let pooler = match mode {
                Some(mode) => Some(Pooler::at(&address, mode)?),
                None => None,
            };
            let scratch = primary.scratch();
            Some(Self { standby, primary, address, scratch, pooler })
        })
    }

    /// Opens the schema at the address, as a process of its own would.
    async fn open(&self) -> PostgresStorage {
        let url = self.pooler.as_ref().map_or_else(|| self.address.url(), Pooler::url);
        let options = PostgresOptions::new(url).schema(self.scratch.schema());
        options.poll_interval(Duration::from_millis(20)).open().await.unwrap()
    }

    /// Has the primary acknowledge only what the standby has.
    async fn make_synchronous(&self) {
        for change in ["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"] {
            by_hand(&self.scratch, change).await;
        }
        let mut connection = self.scratch.connect().await;
        let select = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        while sqlx::query_scalar::<_, i64>(select).fetch_one(&mut connection).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the standby has what the primary has, and cuts it off.
    async fn cut_off(&self) {
        let mut connection = self.scratch.connect().await;
        let select = "SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= pg_current_wal_flush_lsn()";
        while sqlx::query_scalar::<_, i64>(select).fetch_one(&mut connection).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        tokio::task::block_in_place(|| self.standby.stop());
    }

    /// Loses the primary, and lets the standby take its place.
    async fn fail_over(&self, store: &dyn EventStore) {
        tokio::task::block_in_place(|| {
            self.primary.stop();
            self.standby.restart();
        });
        self.address.move_to(&self.standby);
        // Until it is promoted, it answers nothing: it may be far behind.
        let error = store.status().await.unwrap_err();
        assert_ne!(error.retry(), Retry::Never, "{error}");
        tokio::task::block_in_place(|| self.standby.promote());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_synchronous_standby_has_everything_that_was_acknowledged() {
    for pair in Pair::each() {
        let storages = [pair.open().await, pair.open().await];
        pair.make_synchronous().await;
        let stores = [notes(&storages[0]).await, notes(&storages[1]).await];
        let (mut ann, mut written) = (Author::new(1), Vec::new());
        for round in 0..20 {
            written.push(ann.write(1));
            stores[round % 2].commit(appends([written[round].clone()])).await;
        }
        let before = stores[0].status().await;
        // Only its very first question can fail, if the failover comes between.
        let mut waiting = Box::pin(until_it_works(async || stores[1].store().changed(before.revision).await));
        assert!(poll!(&mut waiting).is_pending());
        pair.fail_over(stores[0].store()).await;
        for store in &stores {
            until_it_works(async || store.store().status().await).await;
            assert_eq!(store.log().await, placed(1, &written));
        }
        assert!(waiting.await > before.revision, "who waited looks again");
        written.push(ann.write(1));
        stores[0].commit(appends([written[20].clone()])).await;
        assert_eq!(stores[1].log().await, placed(1, &written));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_remembers_of_a_lost_log_is_not_taken_for_the_promoted_one() {
    for pair in Pair::each() {
        let storages = [pair.open().await, pair.open().await];
        let stores = [notes(&storages[0]).await, notes(&storages[1]).await];
        let (mut ann, mut bob) = (Author::new(1), Author::new(2));
        let kept = ann.write(1);
        stores[0].commit(appends([kept.clone()])).await;
        pair.cut_off().await;
        let (lost, beyond) = (ann.write(1), ann.write(1));
        stores[0].commit(appends([lost.clone()])).await;
        let cursor = stores[0].cursor(2).await;
        pair.fail_over(stores[0].store()).await;
        // The position and, but for the new identity, the revision of what is lost are another bundle's now.
        let other = bob.write(1);
        until_it_works(async || stores[1].store().status().await).await;
        stores[1].commit(appends([other.clone()])).await;
        until_it_works(async || stores[0].store().status().await).await;
        let error = stores[0].refusal(appends([beyond.clone()])).await;
        assert!(matches!(error, StoreError::OutOfOrder { expected, .. } if expected.get() == 2), "{error:?}");
        let error = stores[0].store().read(cursor, Limit::PAGE).await.unwrap_err();
        assert!(matches!(error, StoreError::CursorGone { .. }), "{error:?}");
        stores[0].commit(appends([lost.clone(), beyond.clone()])).await;
        assert_eq!(stores[1].log().await, placed(1, &[kept, other, lost, beyond]));
    }
}

fn service(storage: PostgresStorage) -> Arc<Service> {
    Arc::new(Service::new(Arc::new(storage), Arc::new(AllowAll), Arc::new(|| NTP64(1 << 32))))
}

fn way(service: &Arc<Service>) -> MemoryTransport {
    let principal = Principal { user: "ann".parse().unwrap(), device: "phone".parse().unwrap() };
    MemoryTransport::trusted(service.clone(), principal)
}

async fn replica(byte: u8) -> Replica {
    let store = Arc::new(MemoryStore::new(LogId::from_bytes([byte; 16]).unwrap()));
    let compose = Replica::compose(space("notes"), store).clock(|| NTP64(1 << 32));
    compose.open(ReplicaId::from_bytes([byte; 16]).unwrap()).await.unwrap()
}

async fn write(replica: &Replica, count: usize) {
    for number in 0..count {
        replica.write(&[Event::new(EventType::new("note.set", 1), number.to_string())]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_bring_back_what_a_promoted_asynchronous_standby_has_lost() {
    for pair in Pair::each() {
        let storage = pair.open().await;
        let store = notes(&storage).await;
        let service = service(storage);
        let (ann, bob, eve) = (replica(1).await, replica(2).await, replica(3).await);
        write(&ann, 5).await;
        ann.sync(&way(&service)).await.unwrap();
        pair.cut_off().await;
        write(&ann, 4).await;
        ann.sync(&way(&service)).await.unwrap();
        write(&bob, 3).await;
        bob.sync(&way(&service)).await.unwrap();
        let before = store.status().await;
        let start = Cursor { log: before.log, position: before.head };
        let mut notices = way(&service).watch(&space("notes"), start).await.unwrap();
        assert_eq!(notices.next().await.unwrap().unwrap().head.position.get(), 12);
        pair.fail_over(store.store()).await;
        let after = until_it_works(async || store.store().status().await).await;
        assert_eq!(after.head.get(), 5, "it is behind");
        assert_ne!(after.log, before.log, "so it is another log");
        let notice = notices.next().await;
        let told = matches!(&notice, Some(Ok(notice)) if notice.head.log == after.log);
        assert!(told || matches!(notice, Some(Err(_))), "{notice:?}");
        // Somebody else fills the places before the others come back.
        write(&eve, 9).await;
        for replica in [&eve, &bob, &ann, &eve, &bob] {
            replica.sync(&way(&service)).await.unwrap();
        }
        assert_eq!(store.status().await.head.get(), 21, "all bundles are back");
        for replica in [&ann, &bob, &eve] {
            assert_eq!(replica.store().status().await.unwrap().head.get(), 21);
            assert!(replica.status().await.unwrap().in_sync());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_is_opened_after_the_promotion_finds_restored_logs() {
    for pair in Pair::each() {
        let storage = pair.open().await;
        let store = notes(&storage).await;
        store.commit(WriteBatch::default()).await;
        let before = store.status().await;
        pair.cut_off().await;
        pair.fail_over(store.store()).await;
        drop((store, storage));
        let logs =
            [notes(&pair.open().await).await.status().await.log, notes(&pair.open().await).await.status().await.log];
        assert!(logs[0] == logs[1] && logs[0] != before.log, "{logs:?} after {}", before.log);
    }
}
