//! A program with a new view, on a log that was trimmed: the view waits for a snapshot, and everything else goes on.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use syncline::protocol::{Answer, Code, Problem, Request};
use syncline::replica::{Compose, Hold, ReplicaError, SnapshotError};
use syncline::store::{EventStore, Limit, Row, RowKey, RowRange, RowWrite, WriteBatch};
use syncline::transport::forward_watch;
use syncline::{
    MemoryStore, NTP64, Outcome, Position, Projection, Replica, SyncReport, Transport, TransportError, ViewId,
};
use syncline_memory::MemoryTransport;

use super::cut::Fails;
use super::{Server, is_tidy, sync, write};
use crate::world::*;

mod beside;

/// The program before the upgrade.
fn old(server: &Server, store: Arc<dyn EventStore>) -> Compose {
    compose(store, &server.clock).checkpoint_every(0).on_fork(|| id(77))
}

/// The program behind it.
fn new(server: &Server, store: Arc<dyn EventStore>) -> Replica {
    block_on(old(server, store).projection(Counts).open(id(1))).unwrap()
}

/// A server whose snapshots have both views.
fn server() -> Server {
    let server = Server::new();
    let keeper = compose(server.store.clone(), &server.clock).projection(Counts).shared_with_service();
    Server { keeper: block_on(keeper.open(id(200))).unwrap(), ..server }
}

/// The store of a device that has written nine bundles, handed them over and trimmed its log.
fn trimmed(server: &Server) -> Arc<MemoryStore> {
    let store = memory();
    let before = block_on(old(server, store.clone()).open(id(1))).unwrap();
    (0..9).for_each(|number| _ = write(&before, &(number % 3).to_string(), &number.to_string()));
    sync(&before, server);
    block_on(before.trim(2)).unwrap();
    store
}

fn raw(replica: &Replica) -> Vec<Row> {
    block_on(replica.store().scan(&Counts.view(), RowRange::all(), Limit::PAGE)).unwrap()
}

fn counts(replica: &Replica) -> Vec<(String, u64)> {
    let rows = block_on(replica.view(Counts).unwrap().all(RowRange::all())).unwrap();
    rows.into_iter().map(|(key, count)| (String::from_utf8(key.to_vec()).unwrap(), count)).collect()
}

fn base(replica: &Replica) -> u64 {
    block_on(replica.status()).unwrap().base.get()
}

/// Whether the view waits, and nothing says otherwise.
fn waits(replica: &Replica) -> bool {
    let status = block_on(replica.status()).unwrap();
    let waits = status.views_without_history == [Counts.view()];
    let is_read = block_on(replica.view(Counts).unwrap().get(b"0")).is_ok();
    assert_eq!((waits, status.views_behind > 0, is_read), (waits, waits, !waits), "{status:?}");
    assert!(!waits || !status.in_sync() && raw(replica).is_empty());
    waits
}

/// The replica has what the log of the server makes of both views.
fn assert_whole(replica: &Replica, server: &Server) {
    sync(replica, server);
    let status = block_on(replica.status()).unwrap();
    assert!(status.in_sync() && !waits(replica) && is_tidy(replica), "{status:?}");
    block_on(server.keeper.catch_up()).unwrap();
    assert_eq!((counts(replica), pairs(replica)), (counts(&server.keeper), pairs(&server.keeper)));
}

#[test]
fn a_new_view_on_a_trimmed_log_waits_and_all_ways_of_reading_it_say_so() {
    let server = server();
    let replica = new(&server, trimmed(&server));
    assert!(waits(&replica));
    let (view, all) = (replica.view(Counts).unwrap(), RowRange::all());
    let needs = |result: Result<(), ReplicaError>| {
        let error = result.expect_err("the history is gone");
        assert!(matches!(&error, ReplicaError::NeedsHistory { view, .. } if *view == Counts.view()), "{error}");
    };
    needs(block_on(view.get(b"0")).map(drop));
    needs(block_on(view.scan(all.clone(), Limit::PAGE)).map(drop));
    needs(block_on(view.stream(all.clone()).try_collect::<Vec<_>>()).map(drop));
    needs(block_on(view.all(all)).map(drop));
    needs(block_on(view.mark()).map(drop));
    let mark = block_on(replica.view(Pairs).unwrap().mark()).unwrap();
    needs(block_on(view.changed_since(&mark)).map(drop));
    needs(block_on(view.state_at(NTP64(u64::MAX))).map(drop));
    needs(block_on(view.get_at(b"0", NTP64(u64::MAX))).map(drop));
    needs(block_on(replica.rebuild(&Counts.view())));
    let error = block_on(replica.make_snapshot()).unwrap_err();
    assert!(matches!(&error, SnapshotError::Replica(ReplicaError::NeedsHistory { .. })), "{error}");
    assert_eq!(pairs(&replica)["0"], "6", "the other view is there");
}

#[test]
fn a_view_that_waits_does_not_stop_writes_syncs_refusals_healings_and_trims() {
    let server = Server::new();
    let replica = new(&server, trimmed(&server));
    write(&replica, "0", "later");
    let refused = write(&replica, "0", "secret");
    let report = sync(&replica, &server);
    assert_eq!((report.pushed, report.refused.len(), report.bootstrapped), (2, 1, None));
    assert!(report.is_complete() && report.without_history == [Counts.view()], "{report:?}");
    assert!(matches!(block_on(replica.outcome(refused)).unwrap(), Outcome::Refused(_)));
    assert_eq!(pairs(&replica)["0"], "later");
    assert!(waits(&replica));
    server.clock.set(100_000);
    write(&replica, "2", "too early");
    server.clock.set(1_000);
    assert_eq!(sync(&replica, &server).restamped, 1);
    assert!(waits(&replica));
    let plan = block_on(replica.trim(0)).unwrap();
    assert!(plan.to > Position::new(9) && base(&replica) == plan.to.get(), "{plan:?}");
    assert!(plan.bounds.iter().all(|bound| !matches!(bound.hold, Hold::View(_))), "{plan:?}");
    assert!(waits(&replica));
}

#[test]
fn the_next_sync_takes_a_snapshot_that_has_the_view() {
    let server = server();
    let store = trimmed(&server);
    block_on(server.keeper.make_snapshot()).unwrap();
    let replica = new(&server, store.clone());
    write(&replica, "0", "own");
    let report = sync(&replica, &server);
    assert_eq!((report.pushed, report.bootstrapped.map(|taken| (taken.bundles, taken.kept))), (1, Some((9, 1))));
    assert!(report.without_history.is_empty());
    assert_eq!(counts(&replica), [("0".to_owned(), 4), ("1".to_owned(), 3), ("2".to_owned(), 3)]);
    assert_whole(&replica, &server);
    assert_eq!(sync(&replica, &server).bootstrapped, None, "once is enough");
    drop(replica);
    assert_whole(&new(&server, store), &server);
}

#[test]
fn a_snapshot_is_taken_although_what_follows_it_has_been_trimmed_here_and_the_peer_still_has_that() {
    let server = server();
    let store = trimmed(&server);
    block_on(server.keeper.make_snapshot()).unwrap();
    let before = block_on(old(&server, store.clone()).open(id(1))).unwrap();
    let other = block_on(old(&server, memory()).open(id(2))).unwrap();
    for number in 0..4 {
        write(&before, "0", &number.to_string());
        sync(&before, &server);
        write(&other, "0", &number.to_string());
        sync(&other, &server);
    }
    sync(&before, &server);
    block_on(before.trim(0)).unwrap();
    assert_eq!(base(&before), 14, "of 17: the last own bundle stays, and what follows it");
    drop(before);
    let replica = new(&server, store);
    write(&replica, "own", "1");
    let report = block_on(replica.sync(&TakesNothing(way(&server.service)))).unwrap();
    assert_eq!(report.bootstrapped.map(|taken| (taken.bundles, taken.kept)), Some((9, 9)));
    let log = |replica: &Replica| block_on(replica.log(Position::new(9), Limit::items(5))).unwrap();
    let dots = |replica: &Replica| log(replica).into_iter().map(|logged| logged.dot).collect::<Vec<_>>();
    assert_eq!(dots(&replica), dots(&server.keeper), "each comes behind those that its writer knew");
    assert_whole(&replica, &server);
    assert_eq!(
        counts(&replica),
        [("0", 11), ("1", 3), ("2", 3), ("own", 1)].map(|(key, count)| (key.to_owned(), count))
    );
}

/// A way on which the peer takes nothing.
#[derive(Debug)]
struct TakesNothing(MemoryTransport);

#[async_trait]
impl Transport for TakesNothing {
    async fn call(&self, request: Request) -> Result<Answer, TransportError> {
        if let Request::Push(..) = request {
            let (code, detail) = (Code::Forbidden { origins: Vec::new() }, "read only".to_owned());
            return Err(TransportError::Refused(Problem { code, detail }));
        }
        self.0.call(request).await
    }

    forward_watch!(self.0);
}

#[test]
fn own_bundles_that_no_peer_has_are_kept_and_folded_into_the_new_view() {
    let server = server();
    let store = trimmed(&server);
    block_on(server.keeper.make_snapshot()).unwrap();
    let replica = new(&server, store);
    let own: Vec<_> = (0..3).map(|number| write(&replica, "own", &number.to_string())).collect();
    let report = block_on(replica.sync(&TakesNothing(way(&server.service)))).unwrap();
    assert_eq!((report.pushed, report.bootstrapped.map(|taken| taken.kept)), (0, Some(3)));
    assert_eq!((counts(&replica).len(), block_on(replica.status()).unwrap().pending), (4, 3));
    assert_whole(&replica, &server);
    assert_eq!(counts(&replica)[3], ("own".to_owned(), 3));
    for dot in own {
        assert_eq!(block_on(replica.outcome(dot)).unwrap(), Outcome::Stored);
    }
}

#[test]
fn a_peer_without_the_view_is_synced_with_as_ever() {
    let server = Server::new();
    let store = trimmed(&server);
    server.fold();
    let replica = new(&server, store.clone());
    let log = block_on(store.status()).unwrap().log;
    let other = block_on(old(&server, memory()).open(id(2))).unwrap();
    sync(&other, &server);
    write(&other, "other", "1");
    sync(&other, &server);
    write(&replica, "own", "1");
    let report: SyncReport = sync(&replica, &server);
    assert_eq!((report.pushed, report.pulled, report.bootstrapped), (1, 1, None), "{report:?}");
    assert!(waits(&replica) && block_on(store.status()).unwrap().log == log);
    assert_eq!(pairs(&replica)["other"], "1");
}

#[test]
fn a_replica_that_takes_no_snapshot_waits_until_it_may() {
    let server = server();
    let store = trimmed(&server);
    block_on(server.keeper.make_snapshot()).unwrap();
    let whole = block_on(old(&server, store.clone()).projection(Counts).whole_log().open(id(1))).unwrap();
    assert_eq!(sync(&whole, &server).bootstrapped, None);
    assert!(waits(&whole));
    drop(whole);
    assert_whole(&new(&server, store), &server);
}

#[test]
fn a_damaged_snapshot_is_told_after_everything_else_was_exchanged() {
    let server = server();
    let store = trimmed(&server);
    block_on(server.keeper.make_snapshot()).unwrap();
    let chunks = ViewId::new("syncline.chunks@1").unwrap();
    let rows = block_on(server.store.scan(&chunks, RowRange::all(), Limit::PAGE)).unwrap();
    let spoil = |row: Row| RowWrite { key: RowKey::new(chunks.clone(), row.key), value: Some("damaged".into()) };
    let spoilt = WriteBatch { rows: rows.into_iter().map(spoil).collect(), ..WriteBatch::default() };
    block_on(server.store.commit(spoilt)).unwrap();
    let replica = new(&server, store);
    write(&replica, "own", "1");
    block_on(replica.sync(&way(&server.service))).unwrap_err();
    assert!(waits(&replica));
    assert_eq!(block_on(replica.status()).unwrap().pending, 0);
    write(&replica, "own", "2");
    block_on(server.keeper.make_snapshot()).unwrap();
    assert_whole(&replica, &server);
}

#[test]
fn a_store_that_fails_at_any_commit_of_the_take_and_a_restart_lose_nothing() {
    for has_effect in [false, true] {
        let mut commits = 0;
        loop {
            let server = server();
            let store = trimmed(&server);
            write(&new(&server, store.clone()), "unseen", "1");
            block_on(server.keeper.make_snapshot()).unwrap();
            let beside = new(&server, store.clone());
            let fails = Fails::after(commits, store.clone(), has_effect);
            let opened = block_on(old(&server, fails).projection(Counts).open(id(1)));
            let survived = opened.is_ok_and(|replica| block_on(replica.sync(&way(&server.service))).is_ok());
            // Another handle writes the rows that are missing, and can read them at once.
            block_on(beside.catch_up()).unwrap();
            let status = block_on(store.status()).unwrap();
            assert_eq!(waits(&beside), status.views.get(&Counts.view()) != Some(&status.head));
            let replica = new(&server, store);
            assert_eq!(pairs(&replica)["unseen"], "1", "after {commits} commits");
            assert!(!survived || !waits(&replica));
            assert_whole(&replica, &server);
            assert_eq!(counts(&replica)[3], ("unseen".to_owned(), 1), "after {commits} commits");
            if survived {
                break;
            }
            commits += 1;
        }
        assert!(commits > 5, "{commits} commits");
    }
}

#[test]
fn a_note_that_lets_all_views_be_folded_again_does_not_let_one_without_history_begin_in_the_middle() {
    let server = server();
    let store = trimmed(&server);
    // Earlier builds noted bundles that no view could read so.
    let key = RowKey::new(ViewId::new("syncline.unreadable@1").unwrap(), vec![1; 26]);
    let rows = vec![RowWrite { key, value: Some("\x03why".into()) }];
    block_on(store.commit(WriteBatch { rows, ..WriteBatch::default() })).unwrap();
    assert!(waits(&new(&server, store)));
}
