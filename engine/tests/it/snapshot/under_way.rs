//! Writers go on while a snapshot is made, and it has the rows of one moment all the same. They go on while one is taken, and lose nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::future::join;
use proptest::prelude::*;
use syncline::protocol::{Answer, AskSnapshot, Piece, Reply, Request, SnapshotInfo};
use syncline::replica::SnapshotError;
use syncline::snapshot::{Manifest, RowsOf};
use syncline::store::{EventStore, Limit, LogStatus, Row, RowRange, StoreError, WriteBatch, forward};
use syncline::transport::forward_watch;
use syncline::{MemoryStore, Position, Projection, Replica, Service, Transport, TransportError, ViewId};
use syncline_memory::MemoryTransport;

use super::{Server, assert_equal, is_tidy, open, open_on, sync, write};
use crate::recovery::copy;
use crate::world::*;

/// A store in which others get in between any two reads of rows, and that gives few rows at a time.
#[derive(Debug)]
struct Slow(Arc<dyn EventStore>);

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for Slow {
    forward!(self.0: read, read_origin, load, commit, commit_folded, changed);

    async fn status(&self) -> Result<LogStatus, StoreError> {
        let status = self.0.status().await;
        yield_once().await;
        status
    }

    async fn scan(&self, view: &ViewId, range: RowRange, limit: Limit) -> Result<Vec<Row>, StoreError> {
        yield_once().await;
        let rows = self.0.scan(view, range, Limit { items: limit.items.min(2), ..limit }).await;
        yield_once().await;
        rows
    }
}

/// What the manifest of a snapshot says of its rows.
fn told(service: &Arc<Service>, info: &SnapshotInfo) -> Vec<RowsOf> {
    let ask = Request::Snapshot(space(), AskSnapshot::Manifest(info.id));
    let Reply::Piece(Piece(bytes)) = block_on(way(service).call(ask)).unwrap().reply else { panic!("no manifest") };
    Manifest::decode(&bytes).unwrap().0.views
}

/// The same of a snapshot that is made of the first bundles of a log, while nobody writes.
fn of_first(store: &dyn EventStore, bundles: u64, clock: &Hand) -> Vec<RowsOf> {
    let copied = copy(store, u32::try_from(bundles).unwrap(), memory());
    let keeper = compose(copied.clone(), clock).shared_with_service().open(id(200));
    let info = block_on(block_on(keeper).unwrap().make_snapshot()).unwrap();
    let storage = Arc::new(Swapped(copied));
    let service = Service::new(storage, Arc::new(syncline::authority::AllowAll), Arc::new(clock.reader()));
    told(&Arc::new(service), &info)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_snapshot_has_the_rows_of_the_moment_at_which_it_began(
        before in prop::collection::vec((0..9u8, 0..60usize), 1..30),
        during in prop::collection::vec((0..14u8, 0..60usize), 1..30),
        pauses in 0..4usize,
    ) {
        let server = Server::new();
        let one = open(&server, 1);
        let text = |length: usize| "y".repeat(length);
        before.iter().for_each(|(key, length)| _ = write(&one, &key.to_string(), &text(*length)));
        sync(&one, &server);
        let slow = Arc::new(Slow(server.store.clone()));
        let keeper = compose(slow, &server.clock).piece_bytes(40).shared_with_service();
        let keeper: Replica = block_on(keeper.open(id(200))).unwrap();
        let writes = async {
            for (key, length) in &during {
                for _ in 0..pauses {
                    yield_once().await;
                }
                one.write(&[set(&key.to_string(), &text(*length))]).await.unwrap();
                one.sync(&way(&server.service)).await.unwrap();
                keeper.catch_up().await.unwrap();
            }
        };
        let (made, ()) = block_on(join(keeper.make_snapshot(), writes));
        let made = made.unwrap();
        prop_assert_eq!(told(&server.service, &made), of_first(&*server.store, made.bundles, &server.clock));
    }
}

/// With commits on condition of the log's revision, it would never end.
#[test]
fn a_snapshot_is_made_though_others_push_whenever_they_can() {
    let server = Server::new();
    let one = open(&server, 1);
    (0..9).for_each(|number| _ = write(&one, &number.to_string(), "x"));
    sync(&one, &server);
    let keeper = compose(Arc::new(Slow(server.store.clone())), &server.clock).shared_with_service();
    let keeper: Replica = block_on(keeper.open(id(200))).unwrap();
    let made = std::cell::Cell::new(false);
    let pushes = async {
        for number in 0..2_000 {
            if made.get() {
                return;
            }
            one.write(&[set(&(number % 20).to_string(), "y")]).await.unwrap();
            one.sync(&way(&server.service)).await.unwrap();
            yield_once().await;
        }
        panic!("no snapshot was made while 2,000 bundles were pushed");
    };
    let make = async {
        keeper.catch_up().await.unwrap();
        let info = keeper.make_snapshot().await.unwrap();
        keeper.trim(0).await.unwrap();
        made.set(true);
        info
    };
    let (info, ()) = block_on(join(make, pushes));
    assert_eq!(told(&server.service, &info).len(), 2);
    let two = open(&server, 2);
    assert!(sync(&two, &server).bootstrapped.is_some());
    assert_equal(&server, &[&one, &two]);
}

#[test]
fn a_view_that_is_rebuilt_meanwhile_spoils_the_snapshot_and_the_next_one_is_made() {
    let server = Server::new();
    let one = open(&server, 1);
    (0..9).for_each(|number| _ = write(&one, &number.to_string(), "x"));
    sync(&one, &server);
    let keeper = compose(Arc::new(Slow(server.store.clone())), &server.clock).shared_with_service();
    let keeper = block_on(keeper.open(id(200))).unwrap();
    let rebuild = async {
        for _ in 0..12 {
            yield_once().await;
        }
        keeper.rebuild(&Pairs.view()).await.unwrap();
    };
    let (made, ()) = block_on(join(keeper.make_snapshot(), rebuild));
    assert!(matches!(made, Err(SnapshotError::Disturbed)), "{made:?}");
    assert!(block_on(keeper.snapshots()).unwrap().is_empty());
    block_on(keeper.make_snapshot()).unwrap();
}

#[test]
fn an_event_that_a_later_version_may_read_is_not_lost_in_a_snapshot() {
    let server = Server::new();
    let one = open(&server, 1);
    let later = syncline::Event::new(syncline::EventType::new("pair.set", 2), "a=1");
    block_on(one.write(&[later])).unwrap();
    sync(&one, &server);
    let error = block_on(server.keeper.make_snapshot()).unwrap_err();
    assert!(matches!(error, SnapshotError::Unread(_)), "{error}");
}

/// A way on which others get in between a request and its answer.
#[derive(Debug)]
pub struct SlowWay(pub MemoryTransport);

#[async_trait]
impl Transport for SlowWay {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        yield_once().await;
        let answer = self.0.call(request).await;
        yield_once().await;
        answer
    }

    forward_watch!(self.0);
}

#[test]
fn what_a_restored_replica_writes_while_a_snapshot_comes_is_kept() {
    for pauses in 0..40 {
        let (server, store) = (Server::new(), memory());
        let one = open_on(&server, store.clone(), 1);
        write(&one, "a", "1");
        sync(&one, &server);
        let (backup, other) = (super::copy(&store), open(&server, 2));
        (0..3).for_each(|number| _ = write(&other, "other", &number.to_string()));
        sync(&other, &server);
        (0..5).for_each(|number| _ = write(&one, "b", &number.to_string()));
        sync(&one, &server);
        block_on(server.keeper.make_snapshot()).unwrap();
        // The server has trimmed the other's bundles. It still has the replica's own ones, which prove that it lags and has not forked.
        let trim = WriteBatch { trim: Some(Position::new(4)), ..WriteBatch::default() };
        block_on(server.store.commit(trim)).unwrap();
        let restored = open_on(&server, backup, 1);
        let writes = async {
            for _ in 0..pauses {
                yield_once().await;
            }
            restored.write(&[set("meanwhile", "kept")]).await.unwrap();
        };
        let slow = SlowWay(way(&server.service));
        let (report, ()) = block_on(join(restored.sync(&slow), writes));
        assert!(report.is_ok(), "after {pauses} pauses: {report:?}");
        let fresh = open(&server, 3);
        assert_equal(&server, &[&restored, &fresh]);
        assert_eq!(pairs(&fresh).get("meanwhile").map(String::as_str), Some("kept"), "after {pauses} pauses");
    }
}

#[test]
fn two_handles_on_one_store_may_take_a_snapshot_at_once() {
    for pauses in 0..40 {
        let (server, store) = (Server::new(), memory());
        let one = open(&server, 1);
        (0..9).for_each(|number| _ = write(&one, &number.to_string(), "x"));
        sync(&one, &server);
        server.fold();
        let [first, second] = [(); 2].map(|()| open_on(&server, store.clone(), 2));
        let (slow, slower) = (SlowWay(way(&server.service)), SlowWay(way(&server.service)));
        let later = async {
            for _ in 0..pauses {
                yield_once().await;
            }
            second.sync(&slower).await
        };
        // One of them may be told that the other has changed the log. The next sync of it works.
        let (told, later) = block_on(join(first.sync(&slow), later));
        assert!(told.is_ok() || later.is_ok(), "after {pauses} pauses: {told:?}, {later:?}");
        assert_equal(&server, &[&one, &first, &second]);
        assert!(is_tidy(&first), "after {pauses} pauses: {told:?}, {later:?}");
    }
}

/// Both are beside the service, and one of them writes. Its commit must not be passed over by the other.
#[test]
fn a_snapshot_is_of_one_moment_though_another_replica_beside_the_service_writes() {
    for pauses in 0..60 {
        let server = Server::new();
        let one = open(&server, 1);
        (0..5).for_each(|number| _ = write(&one, &number.to_string(), "x"));
        sync(&one, &server);
        block_on(server.keeper.make_snapshot()).unwrap();
        (0..5).for_each(|number| _ = write(&one, &number.to_string(), "y"));
        sync(&one, &server);
        let slow = compose(Arc::new(Slow(server.store.clone())), &server.clock).shared_with_service();
        let slow: Replica = block_on(slow.open(id(200))).unwrap();
        block_on(server.keeper.catch_up()).unwrap();
        let writes = async {
            for _ in 0..pauses {
                yield_once().await;
            }
            server.keeper.write(&[set("1", "beside")]).await.unwrap();
        };
        let (made, ()) = block_on(join(slow.make_snapshot(), writes));
        if let Ok(made) = made {
            let first = of_first(&*server.store, made.bundles, &server.clock);
            assert_eq!(told(&server.service, &made), first, "after {pauses} pauses, {} bundles", made.bundles);
        }
    }
}

/// Lets others go on so many times before each call.
#[derive(Debug)]
struct GivesWay(MemoryTransport, usize);

#[async_trait]
impl Transport for GivesWay {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        for _ in 0..self.1 {
            yield_once().await;
        }
        self.0.call(request).await
    }

    forward_watch!(self.0);
}

#[test]
fn two_uploads_of_one_device_at_once_both_hand_over_what_they_made() {
    let server = Server::new();
    let one = open_on(&server, Arc::new(Slow(memory())), 1);
    for times in 0..60 {
        write(&one, &times.to_string(), "x");
        sync(&one, &server);
        let way = GivesWay(way(&server.service), times);
        let (first, second) = block_on(join(one.upload_snapshot(&way), one.upload_snapshot(&way)));
        assert_eq!(first.unwrap().id, second.unwrap().id, "others go on {times} times");
    }
}

/// What has happened, in the order in which it is to happen.
#[derive(Debug, Default)]
struct Moments {
    /// Chunks are looked for, to clear away those that nothing needs.
    looked: AtomicBool,
    /// A chunk of a snapshot that is taken is asked for.
    asked: AtomicBool,
    /// It was cleared away.
    cleared: AtomicBool,
}

async fn is_past(moment: &AtomicBool) {
    while !moment.load(Ordering::Relaxed) {
        yield_once().await;
    }
}

/// A store in which a search for chunks takes until a snapshot is being taken.
#[derive(Debug)]
struct LooksLong(Arc<MemoryStore>, Arc<Moments>);

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for LooksLong {
    forward!(self.0: status, read, read_origin, load, commit, commit_folded, changed);

    async fn scan(&self, view: &ViewId, range: RowRange, limit: Limit) -> Result<Vec<Row>, StoreError> {
        if view.as_str() == "syncline.chunks@1" {
            self.1.looked.store(true, Ordering::Relaxed);
            is_past(&self.1.asked).await;
        }
        self.0.scan(view, range, limit).await
    }
}

/// A way on which a chunk comes when everything was cleared away.
#[derive(Debug)]
struct ComesLate(MemoryTransport, Arc<Moments>);

#[async_trait]
impl Transport for ComesLate {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        if matches!(request, Request::Snapshot(_, AskSnapshot::Chunk(_))) {
            self.1.asked.store(true, Ordering::Relaxed);
            is_past(&self.1.cleared).await;
        }
        self.0.call(request).await
    }

    forward_watch!(self.0);
}

#[test]
fn a_snapshot_that_was_made_takes_nothing_away_from_one_that_is_taken() {
    let (server, store, moments) = (Server::new(), memory(), Arc::new(Moments::default()));
    let one = open_on(&server, Arc::new(LooksLong(store.clone(), moments.clone())), 1);
    let other = open(&server, 2);
    write(&one, "one", "1");
    sync(&one, &server);
    (0..9).for_each(|number| _ = write(&other, &number.to_string(), "x"));
    sync(&other, &server);
    server.fold();
    let make = async {
        one.make_snapshot().await.unwrap();
        moments.cleared.store(true, Ordering::Relaxed);
    };
    let take = async {
        is_past(&moments.looked).await;
        one.sync(&ComesLate(way(&server.service), moments.clone())).await
    };
    let ((), taken) = block_on(join(make, take));
    assert!(taken.unwrap().bootstrapped.is_some());
    drop(one);
    assert_equal(&server, &[&open_on(&server, store, 1), &other]);
}
