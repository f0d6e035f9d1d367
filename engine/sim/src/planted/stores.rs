//! Stores that break their word, each in one way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use syncline::store::{
    Committed, Durability, EventStore, Limit, LogStatus, Page, Retry, Row, RowKey, RowRange, StoreError, StoredRun,
    WriteBatch,
};
use syncline::{Cursor, LogId, MemoryStore, NTP64, ReplicaId, Revision, Run, Seq, ViewId};

use crate::stores::{Crash, Stores, finish};
use crate::witness::locked;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A page that reaches the head leaves its last run out now and then, and says that it was the end.
    HidesTheLast,
    /// Positions are compared as text.
    PositionsAsText,
    /// Old bundles are thrown away, and a read from before them starts behind.
    Compacts,
    /// A refused commit leaves its time behind.
    KeepsRefusedTimes,
    /// After a restart the clock starts at zero.
    ForgetsTheClock,
    /// Times are signed: after 2038 none is larger than the last.
    SignedTimes,
    /// A read returns a run twice.
    ReadsTwice,
    /// After a crash in which a commit was lost no commit succeeds any more.
    StuckAfterCrash,
    /// The last commit is gone when the power goes, although it was called synced.
    AcknowledgesEarly,
    /// A crash leaves the runs of the last commit and not its rows.
    TearsCommits,
    /// Each crash that follows another undoes one commit more.
    RecoversTwice,
    /// A crash flips a bit of a body.
    RotsBits,
    /// A commit that fails has stored half of itself.
    FailsHalfWay,
    /// The revision that a batch was computed from is not looked at.
    IgnoresConflicts,
    /// A bundle that is made void stays.
    KeepsVoids,
    /// A view that is cleared stays.
    KeepsCleared,
    /// The status is that of the last commit but one.
    StaleStatus,
    /// Of a batch with several runs only the first is stored.
    StoresTheFirst,
    /// The answer to a commit counts one position too few.
    MiscountsPositions,
    /// Two commits that come together are stored the other way round.
    Reorders,
}

/// Stores with one flaw.
#[derive(Debug)]
pub(crate) struct BadStores {
    flaw: Flaw,
    stores: Mutex<BTreeMap<String, Arc<BadStore>>>,
}

impl BadStores {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self { flaw, stores: Mutex::default() }
    }
}

impl Stores for BadStores {
    fn open(&self, name: &str, log: LogId) -> Arc<dyn EventStore> {
        let mut stores = locked(&self.stores);
        let store = stores.entry(name.to_owned()).or_insert_with(|| Arc::new(BadStore::new(self.flaw, log)));
        store.clone()
    }

    fn crash(&self, name: &str, crash: Crash) {
        let store = locked(&self.stores).get(name).cloned();
        if let Some(store) = store {
            store.crash(crash);
        }
    }

    fn durability(&self) -> Durability {
        Durability::Synced
    }
}

/// One store with one flaw.
#[derive(Debug)]
struct BadStore {
    flaw: Flaw,
    log: LogId,
    inner: Mutex<Inner>,
    calls: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    live: Arc<MemoryStore>,
    /// Every batch that was stored.
    batches: Vec<WriteBatch>,
    status_before: Option<LogStatus>,
    /// Nothing was committed since the last crash.
    crashed: bool,
    stuck: bool,
    rotten: bool,
    clock_lost: bool,
}

impl BadStore {
    fn new(flaw: Flaw, log: LogId) -> Self {
        let inner = Inner {
            live: Arc::new(MemoryStore::new(log)),
            batches: Vec::new(),
            status_before: None,
            crashed: false,
            stuck: false,
            rotten: false,
            clock_lost: false,
        };
        Self { flaw, log, inner: Mutex::new(inner), calls: AtomicU64::new(0) }
    }

    fn live(&self) -> Arc<MemoryStore> {
        locked(&self.inner).live.clone()
    }

    /// Whether this is one of every so many calls.
    fn every(&self, count: u64) -> bool {
        self.calls.fetch_add(1, Ordering::Relaxed) % count == count - 1
    }

    fn crash(&self, crash: Crash) {
        let mut inner = locked(&self.inner);
        let again = std::mem::replace(&mut inner.crashed, true);
        inner.status_before = None;
        match self.flaw {
            Flaw::AcknowledgesEarly if crash == Crash::Power => drop(inner.batches.pop()),
            Flaw::RecoversTwice if again => drop(inner.batches.pop()),
            Flaw::TearsCommits => {
                if let Some(last) = inner.batches.last_mut() {
                    last.rows.clear();
                }
            }
            Flaw::StuckAfterCrash => return inner.stuck = true,
            Flaw::RotsBits => return inner.rotten = true,
            Flaw::ForgetsTheClock => return inner.clock_lost = true,
            _ => return,
        }
        inner.live = Arc::new(MemoryStore::new(self.log));
        for batch in &inner.batches {
            let batch = WriteBatch { expected: None, ..batch.clone() };
            let _ = finish(inner.live.commit(batch));
        }
    }

    fn spoil(&self, mut batch: WriteBatch) -> WriteBatch {
        match self.flaw {
            Flaw::KeepsVoids => batch.voids.clear(),
            Flaw::KeepsCleared => batch.clear.clear(),
            Flaw::IgnoresConflicts => batch.expected = None,
            Flaw::StoresTheFirst => batch.runs.truncate(1),
            Flaw::Reorders if batch.runs.len() > 1 => {
                let origins: std::collections::BTreeSet<_> = batch.runs.iter().map(|run| run.run().origin()).collect();
                if origins.len() == batch.runs.len() {
                    batch.runs.reverse();
                }
            }
            Flaw::SignedTimes if batch.clock.0 >> 63 == 1 => batch.clock = NTP64(0),
            _ => {}
        }
        batch
    }
}

#[async_trait]
impl EventStore for BadStore {
    async fn status(&self) -> Result<LogStatus, StoreError> {
        let mut status = self.live().status().await?;
        let inner = locked(&self.inner);
        match (self.flaw, &inner.status_before) {
            (Flaw::StaleStatus, Some(before)) => status = before.clone(),
            (Flaw::ForgetsTheClock, _) if inner.clock_lost => status.clock = NTP64(0),
            _ => {}
        }
        Ok(status)
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError> {
        let mut page = self.live().read(after, limit).await?;
        match self.flaw {
            Flaw::HidesTheLast if page.is_last() && page.runs.len() > 1 && self.every(5) => drop(page.runs.pop()),
            Flaw::PositionsAsText => {
                let text = after.position.to_string();
                page.runs.retain(|stored| stored.position.to_string() > text || after.position.get() == 0);
            }
            Flaw::Compacts => page.runs.retain(|stored| page.head.since(stored.position) < 40),
            Flaw::ReadsTwice if self.every(7) => page.runs.extend(page.runs.last().cloned()),
            Flaw::RotsBits if locked(&self.inner).rotten => {
                page.runs.last_mut().into_iter().for_each(|stored| stored.run = rotten(&stored.run));
            }
            _ => {}
        }
        Ok(page)
    }

    async fn read_origin(&self, origin: ReplicaId, after: Seq, limit: Limit) -> Result<Vec<StoredRun>, StoreError> {
        self.live().read_origin(origin, after, limit).await
    }

    async fn load(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.live().load(keys).await
    }

    async fn scan(&self, view: &ViewId, range: RowRange, limit: Limit) -> Result<Vec<Row>, StoreError> {
        self.live().scan(view, range, limit).await
    }

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        let stuck = locked(&self.inner).stuck;
        if stuck {
            return Err(failed("the journal is full of what the crash left"));
        }
        let (live, clock, batch) = (self.live(), batch.clock, self.spoil(batch));
        if self.flaw == Flaw::FailsHalfWay && batch.runs.len() + batch.rows.len() > 1 && self.every(40) {
            let half = WriteBatch { expected: None, rows: batch.rows, views: batch.views, ..WriteBatch::default() };
            live.commit(half).await?;
            return Err(failed("the sync failed"));
        }
        let before = live.status().await?;
        let stored = batch.clone();
        match live.commit(batch).await {
            Ok(mut committed) => {
                let mut inner = locked(&self.inner);
                inner.batches.push(stored);
                (inner.status_before, inner.crashed) = (Some(before), false);
                if self.flaw == Flaw::MiscountsPositions && self.every(20) {
                    committed.head = syncline::Position::new(committed.head.get().saturating_sub(1));
                }
                Ok(committed)
            }
            Err(error) => {
                if self.flaw == Flaw::KeepsRefusedTimes {
                    let time = WriteBatch { clock: NTP64(clock.0.saturating_add(1 << 33)), ..WriteBatch::default() };
                    live.commit(time).await?;
                }
                Err(error)
            }
        }
    }

    async fn changed(&self, since: Revision) -> Result<Revision, StoreError> {
        self.live().changed(since).await
    }
}

/// The same run with one bit of its last byte turned.
fn rotten(run: &Run) -> Run {
    let mut bytes = run.as_bytes().to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    Run::decode(bytes.into()).unwrap_or_else(|_| run.clone())
}

fn failed(why: &str) -> StoreError {
    StoreError::Backend { backend: "planted", retry: Retry::Later, source: why.into() }
}
