//! Replicas that begin with a snapshot, or fall back on one because their peer has trimmed its log.

use std::sync::Arc;

use syncline::authority::AllowAll;
use syncline::replica::{SnapshotError, SyncError};
use syncline::store::{EventStore, Row, RowKey, RowRange, RowWrite, WriteBatch};
use syncline::{Cursor, Dot, MemoryStore, Position, Projection, Replica, Seq, Service, SyncReport, ViewId};

use crate::world::*;

mod bad;
mod cut;
mod golden;
mod new_view;
mod policy;
mod refused;
mod under_way;
mod upload;

/// A service, the store that it serves, and a replica on this store that makes snapshots.
#[derive(Debug)]
pub struct Server {
    pub clock: Hand,
    pub store: Arc<MemoryStore>,
    pub service: Arc<Service>,
    pub keeper: Replica,
}

impl Server {
    pub fn new() -> Self {
        let (store, clock) = (memory(), Hand::at(1_000));
        let service = Service::new(Arc::new(Swapped(store.clone())), Arc::new(AllowAll), Arc::new(clock.reader()));
        let service = Arc::new(service.with_policy(Arc::new(Forbids("secret"))));
        let keeper = block_on(compose(store.clone(), &clock).shared_with_service().open(id(200))).unwrap();
        Self { clock, store, service, keeper }
    }

    /// Makes a snapshot, and trims the log up to it.
    pub fn fold(&self) {
        block_on(self.keeper.make_snapshot()).unwrap();
        self.trim();
    }

    pub fn trim(&self) {
        block_on(self.keeper.catch_up()).unwrap();
        let trim = Some(block_on(self.store.status()).unwrap().head);
        block_on(self.store.commit(WriteBatch { trim, ..WriteBatch::default() })).unwrap();
    }
}

pub fn open(server: &Server, byte: u8) -> Replica {
    open_on(server, memory(), byte)
}

pub fn open_on(server: &Server, store: Arc<dyn EventStore>, byte: u8) -> Replica {
    let composed = compose(store, &server.clock).checkpoint_every(0).on_fork(move || id(byte + 100));
    block_on(composed.open(id(byte))).unwrap()
}

pub fn write(replica: &Replica, key: &str, value: &str) -> Dot {
    block_on(replica.write(&[set(key, value)])).unwrap().dot
}

pub fn sync(replica: &Replica, server: &Server) -> SyncReport {
    block_on(replica.sync(&way(&server.service))).unwrap()
}

pub fn rows(replica: &Replica) -> Vec<Row> {
    block_on(syncline::store::whole::scan(&**replica.store(), &Pairs.view(), RowRange::all(), limit())).unwrap()
}

fn limit() -> syncline::store::Limit {
    syncline::store::Limit::items(u32::MAX)
}

/// What is left of a snapshot that was taken: nothing but what a store needs.
pub fn is_tidy(replica: &Replica) -> bool {
    ["syncline.import@1", "syncline.chunks@1", "syncline.manifests@1", "syncline.making@1"].iter().all(|view| {
        let view = ViewId::new(view).unwrap();
        block_on(replica.store().scan(&view, RowRange::all(), limit())).unwrap().is_empty()
    })
}

/// All replicas sync until nothing is left, and have the same rows.
pub fn assert_equal(server: &Server, replicas: &[&Replica]) {
    for _ in 0..2 {
        replicas.iter().for_each(|replica| drop(sync(replica, server)));
    }
    for replica in replicas {
        let status = block_on(replica.status()).unwrap();
        assert!(status.in_sync(), "{status:?}");
        assert_eq!(rows(replica), rows(replicas[0]));
    }
    block_on(server.keeper.catch_up()).unwrap();
    assert_eq!(pairs(&server.keeper), pairs(replicas[0]));
}

#[test]
fn a_new_replica_takes_the_snapshot_of_a_trimmed_log_and_reads_on_behind_it() {
    let server = Server::new();
    let one = open(&server, 1);
    (0..50).for_each(|number| _ = write(&one, &(number % 7).to_string(), &number.to_string()));
    sync(&one, &server);
    server.fold();
    write(&one, "later", "1");
    sync(&one, &server);
    let two = open(&server, 2);
    let report = sync(&two, &server);
    let taken = report.bootstrapped.unwrap();
    assert_eq!((taken.bundles, taken.rows, taken.kept, report.pulled), (50, 7, 0, 1));
    assert!(report.is_complete() && is_tidy(&two), "{report:?}");
    assert_equal(&server, &[&one, &two]);
    write(&two, "3", "from two");
    assert_equal(&server, &[&one, &two]);
}

#[test]
fn a_new_replica_takes_a_snapshot_of_a_long_log_although_the_log_is_whole() {
    let server = Server::new();
    let one = open(&server, 1);
    (0..4_200).for_each(|number| _ = write(&one, &(number % 700).to_string(), &number.to_string()));
    sync(&one, &server);
    let (two, folds) = (open(&server, 2), compose(memory(), &server.clock).whole_log());
    assert_eq!(sync(&two, &server).bootstrapped, None, "there is none");
    block_on(server.keeper.make_snapshot()).unwrap();
    let three = open(&server, 3);
    assert_eq!(sync(&three, &server).bootstrapped.unwrap().bundles, 4_200);
    let folds = block_on(folds.open(id(4))).unwrap();
    assert_eq!(sync(&folds, &server).bootstrapped, None, "it is to have the whole log");
    assert_equal(&server, &[&one, &two, &three]);
    assert_eq!(pairs(&folds), pairs(&one));
}

#[test]
fn a_replica_from_beyond_the_horizon_keeps_all_it_has_written() {
    let server = Server::new();
    let (one, away) = (open(&server, 1), open(&server, 2));
    write(&away, "away", "seen");
    sync(&away, &server);
    (0..9).for_each(|number| _ = write(&one, "one", &number.to_string()));
    sync(&one, &server);
    let before = block_on(away.store().status()).unwrap().log;
    let unseen: Vec<Dot> = (0..5).map(|number| write(&away, &format!("away {number}"), "unseen")).collect();
    server.fold();
    write(&one, "one", "last");
    sync(&one, &server);
    let report = sync(&away, &server);
    // Its own bundles are handed over first, so the snapshot need not keep them back; it does all the same.
    assert_eq!((report.pushed, report.bootstrapped.unwrap().kept), (5, 5), "{report:?}");
    for dot in unseen {
        let outcome = block_on(away.outcome(dot)).unwrap();
        assert!(matches!(outcome, syncline::Outcome::Stored), "{outcome:?}");
    }
    let status = block_on(away.store().status()).unwrap();
    assert_ne!(status.log, before, "cursors into the old log must not be served");
    let old = Cursor { log: before, position: Position::new(1) };
    assert!(block_on(away.store().read(old, limit())).is_err());
    let fresh = open(&server, 3);
    assert_equal(&server, &[&one, &away, &fresh]);
}

#[test]
fn bundles_that_only_another_peer_has_are_kept_and_handed_on() {
    let (server, other) = (Server::new(), Server::new());
    let (one, away, third) = (open(&server, 1), open(&server, 2), open(&other, 3));
    (0..9).for_each(|number| _ = write(&one, "one", &number.to_string()));
    sync(&one, &server);
    server.fold();
    (0..4).for_each(|number| _ = write(&third, "third", &number.to_string()));
    write(&away, "away", "both");
    sync(&third, &other);
    sync(&away, &other);
    let report = sync(&away, &server);
    assert_eq!((report.pushed, report.supplied), (1, 4), "{report:?}");
    assert_eq!(report.bootstrapped.unwrap().kept, 5);
    assert_equal(&server, &[&one, &away]);
    assert_eq!(block_on(server.store.status()).unwrap().heads.get(id(3)).seq, Seq::new(4));
}

/// A replica that went back to a backup of its first bundle, and a server that has trimmed the six that it had written.
fn restored() -> (Server, Replica) {
    let (server, store) = (Server::new(), memory());
    let one = open_on(&server, store.clone(), 1);
    write(&one, "a", "1");
    sync(&one, &server);
    let backup = copy(&store);
    (0..5).for_each(|number| _ = write(&one, "b", &number.to_string()));
    sync(&one, &server);
    server.fold();
    let restored = open_on(&server, backup, 1);
    (server, restored)
}

#[test]
fn a_replica_that_went_back_to_a_backup_takes_the_snapshot_and_numbers_on_behind_it() {
    let (server, restored) = restored();
    let report = sync(&restored, &server);
    assert!(report.is_complete() && report.bootstrapped.is_some() && report.rehomed == 0, "{report:?}");
    assert_eq!(write(&restored, "c", "1"), Dot { origin: id(1), seq: Seq::new(7) });
    let two = open(&server, 2);
    assert_equal(&server, &[&restored, &two]);
}

#[test]
fn what_a_restored_replica_wrote_since_moves_under_a_new_identity_before_the_snapshot_covers_its_numbers() {
    let (server, restored) = restored();
    write(&restored, "lost?", "no");
    write(&restored, "lost, too?", "no");
    let report = sync(&restored, &server);
    assert_eq!((report.rehomed, report.pushed), (2, 2), "{report:?}");
    let two = open(&server, 2);
    assert_equal(&server, &[&restored, &two]);
    assert_eq!(pairs(&two)["lost, too?"], "no");
}

#[test]
fn a_push_whose_answer_was_lost_is_found_in_the_snapshot_and_stays_once() {
    let server = Server::new();
    let one = open(&server, 1);
    write(&one, "a", "1");
    sync(&one, &server);
    write(&one, "a", "2");
    let loses = LosesAnswers(way(&server.service), |request| matches!(request, syncline::protocol::Request::Push(..)));
    block_on(one.sync(&loses)).unwrap_err();
    let two = open(&server, 2);
    write(&two, "b", "1");
    sync(&two, &server);
    server.fold();
    let report = sync(&one, &server);
    assert!(report.bootstrapped.is_some() && report.rehomed + report.moved == 0, "{report:?}");
    assert_equal(&server, &[&one, &two]);
}

#[test]
fn a_snapshot_that_a_device_uploads_is_handed_out() {
    let server = Server::new();
    // Long rows are kept in pieces, and in pieces of another size by the others.
    let one = block_on(compose(memory(), &server.clock).piece_bytes(40).open(id(1))).unwrap();
    (0..30).for_each(|number| _ = write(&one, &number.to_string(), &"long ".repeat(number)));
    let error = block_on(one.upload_snapshot(&way(&server.service))).unwrap_err();
    assert!(matches!(error, SnapshotError::Pending { bundles: 30 }), "{error}");
    sync(&one, &server);
    let made = block_on(one.upload_snapshot(&way(&server.service))).unwrap();
    assert!(block_on(one.snapshots()).unwrap().is_empty() && is_tidy(&one), "the device needs it no more");
    server.trim();
    let two = open(&server, 2);
    assert_eq!(sync(&two, &server).bootstrapped.unwrap().snapshot, made.id);
    assert_equal(&server, &[&one, &two]);
}

#[test]
fn without_a_snapshot_that_has_all_its_views_a_replica_says_what_it_lacks() {
    let server = Server::new();
    let one = open(&server, 1);
    write(&one, "a", "1");
    sync(&one, &server);
    let relay = Replica::compose(space(), server.store.clone()).clock(server.clock.reader()).shared_with_service();
    let relay = block_on(relay.open(id(200))).unwrap();
    block_on(relay.make_snapshot()).unwrap();
    server.trim();
    let two = open(&server, 2);
    let report = sync(&two, &server);
    assert_eq!((report.trimmed_there, report.bootstrapped), (Some(Dot { origin: id(1), seq: Seq::new(1) }), None));
    let no_views = Replica::compose(space(), memory()).clock(server.clock.reader());
    let no_views = block_on(no_views.open(id(3))).unwrap();
    assert!(sync(&no_views, &server).bootstrapped.is_some());
    assert!(block_on(no_views.status()).unwrap().in_sync());
}

#[test]
fn a_fork_of_another_origin_is_told_and_nothing_changes() {
    let (server, other) = (Server::new(), Server::new());
    let (one, twin, away) = (open(&server, 1), open(&other, 1), open(&other, 2));
    write(&one, "a", "here");
    write(&one, "b", "here");
    sync(&one, &server);
    server.fold();
    (0..3).for_each(|number| _ = write(&twin, "a", &number.to_string()));
    sync(&twin, &other);
    sync(&away, &other);
    let before = (block_on(away.store().status()).unwrap().heads, rows(&away));
    let error = block_on(away.sync(&way(&server.service))).unwrap_err();
    assert!(matches!(error, SyncError::Transport(_) | SyncError::Unequal { .. }), "{error}");
    assert_eq!((block_on(away.store().status()).unwrap().heads, rows(&away)), before);
    assert!(is_tidy(&away));
}

/// The store as a backup has it.
fn copy(store: &Arc<MemoryStore>) -> Arc<MemoryStore> {
    let copied = crate::recovery::copy(&**store, u32::MAX, memory());
    for view in ["syncline.identity@1", "syncline.peers@1", "syncline.sent@1"] {
        let view = ViewId::new(view).unwrap();
        let rows = block_on(store.scan(&view, RowRange::all(), limit())).unwrap().into_iter();
        let write = |row: Row| RowWrite { key: RowKey::new(view.clone(), row.key), value: Some(row.value) };
        block_on(copied.commit(WriteBatch { rows: rows.map(write).collect(), ..WriteBatch::default() })).unwrap();
    }
    copied
}
