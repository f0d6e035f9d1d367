//! Rows that are folded again from a checkpoint are those that the whole log gives.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::world::*;
use async_trait::async_trait;
use proptest::prelude::*;
use syncline::authority::AllowAll;
use syncline::format::VerifiedRun;
use syncline::replica::Outcome;
use syncline::store::{EventStore, Limit, Page, Row, RowKey, RowRange, RowWrite, StoreError, WriteBatch, forward};
use syncline::{Cursor, Dot, MemoryStore, Position, Projection, Replica, Service};

/// Counts the bundles that pages of the log have returned.
#[derive(Debug)]
struct CountsReads {
    inner: Arc<MemoryStore>,
    bundles: AtomicU64,
}

impl CountsReads {
    fn new() -> Arc<Self> {
        Arc::new(Self { inner: memory(), bundles: AtomicU64::new(0) })
    }

    /// How many bundles `act` has read.
    fn read_by(&self, act: impl FnOnce()) -> u64 {
        let before = self.bundles.load(Ordering::Relaxed);
        act();
        self.bundles.load(Ordering::Relaxed) - before
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for CountsReads {
    forward!(self.inner: status, read_origin, load, scan, commit, commit_folded, changed);

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError> {
        let page = self.inner.read(after, limit).await?;
        let bundles = page.runs.iter().map(|stored| stored.run.count()).sum();
        self.bundles.fetch_add(bundles, Ordering::Relaxed);
        Ok(page)
    }
}

fn strict(clock: &Hand) -> Arc<Service> {
    let reader = Arc::new(clock.reader());
    Arc::new(Service::new(storage(), Arc::new(AllowAll), reader).with_policy(Arc::new(Forbids("secret"))))
}

fn open(store: Arc<dyn EventStore>, byte: u8, clock: &Hand, every: u64) -> Replica {
    block_on(compose(store, clock).checkpoint_every(every).piece_bytes(40).on_fork(|| id(77)).open(id(byte))).unwrap()
}

fn write(replica: &Replica, key: &str, value: &str) -> Dot {
    block_on(replica.write(&[set(key, value)])).unwrap().dot
}

fn sync(replica: &Replica, service: &Arc<Service>) {
    block_on(replica.sync(&way(service))).unwrap();
}

/// The rows that the log alone gives.
fn folded_anew(replica: &Replica, clock: &Hand) -> Vec<Row> {
    let copy = memory();
    block_on(async {
        let from = replica.store();
        let log = from.status().await.unwrap().log;
        for stored in from.read(Cursor::start(log), Limit::items(u32::MAX)).await.unwrap().runs {
            let head = copy.status().await.unwrap().heads.get(stored.run.origin());
            let runs = vec![VerifiedRun::verify(stored.run, head).unwrap()];
            copy.commit(WriteBatch { runs, ..WriteBatch::default() }).await.unwrap();
        }
    });
    rows(&open(copy, 200, clock, 0))
}

fn rows(replica: &Replica) -> Vec<Row> {
    let view = Pairs.view();
    block_on(syncline::store::whole::scan(&**replica.store(), &view, RowRange::all(), Limit::items(u32::MAX))).unwrap()
}

#[test]
fn a_refusal_reads_the_log_from_the_checkpoint_on() {
    let clock = Hand::at(100);
    let (service, store) = (strict(&clock), CountsReads::new());
    let one = open(store.clone(), 1, &clock, 0);
    for number in 0..200 {
        write(&one, &(number % 7).to_string(), &number.to_string());
    }
    sync(&one, &service);
    assert_eq!(block_on(one.checkpoint()).unwrap(), Some(Position::new(200)));
    write(&one, "1", "behind");
    write(&one, "1", "secret");
    write(&one, "new", "secret");
    write(&one, "2", "also behind");
    assert_eq!(store.read_by(|| sync(&one, &service)), 4, "those behind the checkpoint, once");
    assert_eq!(rows(&one), folded_anew(&one, &clock));
    assert_eq!(pairs(&one)["1"], "behind");
    assert!(!pairs(&one).contains_key("new"));
}

#[test]
fn without_a_checkpoint_it_reads_the_whole_log() {
    let clock = Hand::at(100);
    let (service, store) = (strict(&clock), CountsReads::new());
    let one = open(store.clone(), 1, &clock, 0);
    for number in 0..200 {
        write(&one, "a", &number.to_string());
    }
    sync(&one, &service);
    write(&one, "a", "secret");
    assert_eq!(store.read_by(|| sync(&one, &service)), 201);
}

#[test]
fn a_checkpoint_moves_only_if_no_own_bundle_is_pending() {
    let clock = Hand::at(100);
    let (service, one) = (service(&clock), open(memory(), 1, &clock, 0));
    assert_eq!(block_on(one.checkpoint()).unwrap(), Some(Position::ZERO), "nothing is pending in an empty log");
    write(&one, "a", "1");
    assert_eq!(block_on(one.checkpoint()).unwrap(), None);
    sync(&one, &service);
    assert_eq!(block_on(one.checkpoint()).unwrap(), Some(Position::new(1)));
}

#[test]
fn a_sync_moves_it_when_the_log_has_grown_enough() {
    let clock = Hand::at(100);
    let (service, store) = (strict(&clock), CountsReads::new());
    let one = open(store.clone(), 1, &clock, 50);
    for number in 0..120 {
        write(&one, "a", &number.to_string());
    }
    sync(&one, &service);
    write(&one, "a", "secret");
    assert_eq!(store.read_by(|| sync(&one, &service)), 1);
}

#[test]
fn a_bundle_before_the_checkpoint_can_still_be_refused_by_another_peer() {
    let clock = Hand::at(100);
    let (lenient, strict) = (service(&clock), strict(&clock));
    let one = open(memory(), 1, &clock, 1);
    write(&one, "a", "plain");
    let refused = write(&one, "a", "secret");
    sync(&one, &lenient);
    write(&one, "b", "later");
    sync(&one, &strict);
    assert!(matches!(block_on(one.outcome(refused)).unwrap(), Outcome::Refused(_)));
    assert_eq!(rows(&one), folded_anew(&one, &clock));
    assert_eq!(pairs(&one)["a"], "plain");
    assert_eq!(block_on(one.checkpoint()).unwrap(), Some(Position::new(3)), "a new one can be made");
}

#[test]
fn a_view_that_is_rebuilt_keeps_its_rows_as_they_were_at_the_checkpoint() {
    let clock = Hand::at(100);
    let (service, one) = (strict(&clock), open(memory(), 1, &clock, 0));
    for number in 0..20 {
        write(&one, &(number % 3).to_string(), &number.to_string());
    }
    sync(&one, &service);
    block_on(one.checkpoint()).unwrap();
    write(&one, "1", "behind");
    write(&one, "2", "secret");
    block_on(one.rebuild(&Pairs.view())).unwrap();
    sync(&one, &service);
    assert_eq!(rows(&one), folded_anew(&one, &clock));
}

/// As a program of a version before checkpoints would: it folds a row, and knows nothing of pre-images.
fn commits_like_an_old_program(store: &MemoryStore, other: &MemoryStore) {
    block_on(async {
        let (status, theirs) = (store.status().await.unwrap(), other.status().await.unwrap());
        let page = other.read(Cursor::start(theirs.log), Limit::items(1)).await.unwrap();
        let head = status.heads.get(page.runs[0].run.origin());
        let runs = vec![VerifiedRun::verify(page.runs[0].run.clone(), head).unwrap()];
        let key = RowKey::new(Pairs.view(), "a");
        let value = other.load(std::slice::from_ref(&key)).await.unwrap().remove(0);
        let rows = vec![RowWrite { key, value }];
        let views = vec![(Pairs.view(), status.head.plus(1))];
        store.commit(WriteBatch { runs, rows, views, ..WriteBatch::default() }).await.unwrap();
    });
}

#[test]
fn a_checkpoint_that_an_older_program_has_passed_over_is_not_believed() {
    let clock = Hand::at(100);
    let (service, store) = (strict(&clock), memory());
    let one = open(store.clone(), 1, &clock, 0);
    write(&one, "b", "first");
    sync(&one, &service);
    block_on(one.checkpoint()).unwrap();
    drop(one);
    let other = memory();
    write(&open(other.clone(), 2, &clock, 0), "a", "theirs");
    commits_like_an_old_program(&store, &other);
    let one = open(store, 1, &clock, 0);
    write(&one, "a", "secret");
    sync(&one, &service);
    assert_eq!(rows(&one), folded_anew(&one, &clock));
    assert_eq!(pairs(&one)["a"], "theirs");
}

/// What two devices and their server do.
#[derive(Debug, Clone)]
enum Step {
    Write { device: usize, key: u8, large: bool, refused: bool },
    Sync { device: usize },
    Checkpoint { device: usize },
    Reopen { device: usize },
    Rebuild { device: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let device = 0..2usize;
    let step = prop_oneof![
        6 => (device.clone(), 0..4u8, any::<bool>(), prop::bool::weighted(0.3))
            .prop_map(|(device, key, large, refused)| Step::Write { device, key, large, refused }),
        3 => device.clone().prop_map(|device| Step::Sync { device }),
        2 => device.clone().prop_map(|device| Step::Checkpoint { device }),
        1 => device.clone().prop_map(|device| Step::Reopen { device }),
        1 => device.prop_map(|device| Step::Rebuild { device }),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn rows_never_depend_on_where_checkpoints_were(steps in steps()) {
        let clock = Hand::at(100);
        let service = strict(&clock);
        let stores = [memory(), memory()];
        let reopen = |device: usize| open(stores[device].clone(), device as u8 + 1, &clock, 3);
        let mut replicas = [reopen(0), reopen(1)];
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Write { device, key, large, refused } => {
                    let text = if refused { "secret" } else { "plain" };
                    let value = format!("{text} {number} {}", "x".repeat(if large { 60 } else { 0 }));
                    write(&replicas[device], &key.to_string(), &value);
                }
                Step::Sync { device } => sync(&replicas[device], &service),
                Step::Checkpoint { device } => drop(block_on(replicas[device].checkpoint()).unwrap()),
                Step::Reopen { device } => replicas[device] = reopen(device),
                Step::Rebuild { device } => block_on(replicas[device].rebuild(&Pairs.view())).unwrap(),
            }
        }
        for replica in replicas.iter().chain(&replicas) {
            sync(replica, &service);
        }
        for replica in &replicas {
            prop_assert_eq!(rows(replica), folded_anew(replica, &clock));
        }
        prop_assert_eq!(pairs(&replicas[0]), pairs(&replicas[1]));
    }
}
