//! A log that a snapshot replaces, interrupted anywhere, and stores that do it wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use syncline::store::{Committed, EventStore, Retry, RowKey, RowWrite, Storage, StoreError, WriteBatch, forward};
use syncline::{LogId, MemoryStorage, Position, Seq, ViewId};
use syncline_crash::chance::part;
use syncline_crash::check::{Finding, Report, check};
use syncline_crash::ledger::{Import, Ledger};
use syncline_crash::peer::{Peer, compose, id};
use syncline_crash::record::{Acknowledged, Intended, Replaced, Replacing};
use syncline_crash::script::{PEER, REPLACED, Script};

const SCRIPT: u64 = 7;

fn script() -> Script {
    Script::new(SCRIPT)
}

fn new_log() -> LogId {
    static LOGS: AtomicU64 = AtomicU64::new(1);
    let number = LOGS.fetch_add(1, Ordering::Relaxed);
    LogId::from_bytes([number.to_be_bytes(), [0xee; 8]].concat().try_into().unwrap()).unwrap()
}

/// How a commit goes wrong.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// It has no effect.
    Fails,
    /// A replacement is kept, and the runs that it was to keep are not.
    Tears,
    /// A replacement leaves the log as it was, and its rows are kept.
    Skips,
}

/// A store that dies at one of its commits.
#[derive(Debug)]
struct Dies {
    store: Arc<dyn EventStore>,
    /// Commits that it survives.
    left: AtomicU64,
    fault: Fault,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for Dies {
    forward!(self.store: status, read, read_origin, load, scan, changed, commit_folded);

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        let is_alive = match self.fault {
            Fault::Fails => {
                self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
            }
            Fault::Tears | Fault::Skips => batch.replace.is_none(),
        };
        if is_alive {
            return self.store.commit(batch).await;
        }
        match self.fault {
            Fault::Fails => {}
            Fault::Tears => drop(self.store.commit(WriteBatch { runs: vec![], ..batch }).await?),
            Fault::Skips => drop(self.store.commit(WriteBatch { runs: vec![], replace: None, ..batch }).await?),
        }
        Err(StoreError::Backend { backend: "test", retry: Retry::Never, source: "the power is gone".into() })
    }
}

/// A store with one space in use, and what it has acknowledged.
struct World {
    storage: MemoryStorage,
    ledger: Ledger,
}

impl World {
    /// Twelve bundles that the peer has seen, and eight of another writer that it has not.
    async fn new() -> (Self, Peer) {
        let mut world = Self { storage: MemoryStorage::new(new_log), ledger: Ledger::default() };
        world.append(0, 12).await;
        let peer = Peer::new(script(), &world.store().await.status().await.unwrap().heads, &mut part(SCRIPT, 0)).await;
        world.append(1, 8).await;
        world.look().await;
        (world, peer.unwrap())
    }

    async fn store(&self) -> Arc<dyn EventStore> {
        self.storage.open(&script().space(REPLACED)).await.unwrap()
    }

    async fn append(&mut self, writer: u8, count: u64) {
        let store = self.store().await;
        let origin = script().origin(REPLACED, writer);
        let next = script().next(origin, store.status().await.unwrap().heads.get(origin), count);
        let (last, clock) = (next.head().seq, next.head().time);
        let done = store.commit(WriteBatch { runs: vec![next], clock, ..WriteBatch::default() }).await.unwrap();
        let (space, folded, base) = (REPLACED, Position::ZERO, Position::ZERO);
        let (revision, head, when) = (done.revision, done.head, 0);
        self.ledger.acknowledge(Acknowledged { space, writer, last, revision, head, folded, base, when });
    }

    /// Takes the peer's snapshot into a store that may die, and notes what is known of it.
    async fn import(&mut self, peer: &Peer, left: u64, fault: Fault) -> bool {
        let last = peer.advance(5).await.unwrap();
        self.ledger.intend(Intended { space: REPLACED, writer: PEER, last });
        let store = self.store().await;
        let before = store.status().await.unwrap().log;
        let dies = Arc::new(Dies { store: store.clone(), left: AtomicU64::new(left), fault });
        let replica = compose(script(), dies).open(id(script())).await.unwrap();
        let is_done = replica.sync(peer.transport()).await.is_ok_and(|report| report.bootstrapped.is_some());
        let status = store.status().await.unwrap();
        if status.log != before {
            let replacing = Replacing { space: REPLACED, log: status.log, base: Position::new(12 + last.get()), last };
            self.ledger.replace(replacing);
            self.ledger.replaced(Replaced { replacing, revision: status.revision, when: 0 });
        }
        is_done
    }

    /// Looks as the rig does after a crash.
    async fn look(&mut self) -> Report {
        let report = check(&self.storage, script(), &self.ledger).await.unwrap();
        report.found.iter().for_each(|found| self.ledger.settle(found));
        report
    }
}

fn names(report: &Report) -> Vec<String> {
    report.findings.iter().map(crate::twins::name).collect()
}

#[tokio::test]
async fn an_import_that_dies_at_any_commit_ends_and_leaves_nothing_behind() {
    let mut seen = Vec::new();
    for commits in 0.. {
        let (mut world, peer) = World::new().await;
        let is_done = world.import(&peer, commits, Fault::Fails).await;
        let report = world.look().await;
        assert_eq!((report.findings, report.lost), (vec![], 0), "after {commits} commits");
        seen.push(report.found[usize::from(REPLACED)].import);
        // Whatever it has come to, the next one comes to its end.
        assert!(world.import(&peer, u64::MAX, Fault::Fails).await, "after {commits} commits");
        let report = world.look().await;
        assert_eq!((report.findings, report.lost), (vec![], 0), "after {commits} commits");
        let found = &report.found[usize::from(REPLACED)];
        assert_eq!((found.import, found.writers[&PEER], found.head), (Import::None, Seq::new(10), Position::new(30)));
        if is_done {
            break;
        }
    }
    for import in [Import::None, Import::Fetching, Import::Filling] {
        assert!(seen.contains(&import), "{import:?} is not among {seen:?}");
    }
}

#[tokio::test]
async fn a_store_that_tears_a_replacement_is_found() {
    let (mut world, peer) = World::new().await;
    assert!(!world.import(&peer, 0, Fault::Tears).await);
    let report = world.look().await;
    assert_eq!(report.lost, 8, "what only this store had: {report:?}");
    assert!(names(&report).contains(&"lost".to_owned()), "{report:?}");
}

#[tokio::test]
async fn a_store_that_keeps_the_rows_of_a_replacement_without_it_is_found() {
    let (mut world, peer) = World::new().await;
    assert!(!world.import(&peer, 0, Fault::Skips).await);
    let report = world.look().await;
    assert!(names(&report).contains(&"row-wrong".to_owned()) && !report.is_consistent(), "{report:?}");
}

#[tokio::test]
async fn what_is_left_of_a_snapshot_is_found() {
    let (mut world, peer) = World::new().await;
    assert!(world.import(&peer, u64::MAX, Fault::Fails).await);
    let key = RowKey::new(ViewId::new("syncline.chunks@1").unwrap(), vec![7; 32]);
    let rows = vec![RowWrite { key, value: Some(vec![1].into()) }];
    world.store().await.commit(WriteBatch { rows, ..WriteBatch::default() }).await.unwrap();
    assert_eq!(names(&world.look().await), ["left-behind"]);
}

#[tokio::test]
async fn an_acknowledged_replacement_that_is_undone_is_a_loss_and_a_log_of_nobody_is_none() {
    let (mut world, _) = World::new().await;
    let log = world.ledger.spaces[&REPLACED].log.unwrap();
    let replacing = Replacing { space: REPLACED, log: new_log(), base: Position::new(17), last: Seq::new(5) };
    world.ledger.replace(replacing);
    let known = world.ledger.clone();
    assert_eq!(names(&world.look().await), Vec::<String>::new(), "it was begun alone");
    world.ledger = known;
    let revision = world.store().await.status().await.unwrap().revision.plus(1);
    world.ledger.replaced(Replaced { replacing, revision, when: 0 });
    let known = world.ledger.clone();
    let report = world.look().await;
    assert!(report.is_consistent() && report.lost == 5, "{report:?}");
    assert!(report.findings.contains(&Finding::LogBehind { found: log, acknowledged: replacing.log }), "{report:?}");
    world.ledger = known;
    world.ledger.spaces.get_mut(&REPLACED).unwrap().earlier.clear();
    assert!(names(&world.look().await).contains(&"other-log".to_owned()));
}

#[tokio::test]
async fn a_log_that_a_replacement_has_replaced_without_a_word_back_is_sound() {
    let (mut world, peer) = World::new().await;
    let known = world.ledger.clone();
    assert!(world.import(&peer, u64::MAX, Fault::Fails).await);
    let log = world.store().await.status().await.unwrap().log;
    // Another log than the known one, which was told of before, is one whose commit did not return in time.
    let begun = world.ledger.clone();
    world.ledger = known;
    world.ledger.spaces.get_mut(&REPLACED).unwrap().begun.insert(log);
    world.ledger.intend(Intended {
        space: REPLACED,
        writer: PEER,
        last: begun.spaces[&REPLACED].writers[&PEER].acknowledged,
    });
    assert_eq!(names(&world.look().await), Vec::<String>::new());
}
