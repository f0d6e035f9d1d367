//! Stores that break their word, each in one way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use syncline::format::heads::Head;
use syncline::format::{ChainHash, Run};
use syncline::id::Revision;
use syncline::store::{
    Committed, Durability, EventStore, Holder, Limit, LogStatus, Page, Retry, Row, RowFold, RowKey, RowRange, RowWrite,
    StoreError, StoredRun, WriteBatch, forward,
};
use syncline::tools::{
    CLOCKS, DEAD_LETTERS, IDENTITY, OwnRow, READINGS, SENT, SentRow, UNREADABLE, is_piece, is_pre_image, pre_images,
    sent_row,
};
use syncline::{Cursor, LogId, MemoryStore, NTP64, Position, ReplicaId, Seq, ViewId};

use super::flaw::Flaw;
use crate::lock::locked;
use crate::stores::{Crash, Stores, finish};

mod folding;

/// Rows that a scan gives at once if it gives no more.
const ROWS: usize = 4;
/// Rows that can be loaded at once if more are too many.
const LOADS: usize = 6;
/// Pages of fewer bundles than this cut runs.
const SMALL_PAGE: u32 = 100;
/// The part of a time below a millisecond, nearly.
const BELOW_MILLIS: u64 = (1 << 22) - 1;

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
    fn open(&self, name: &str, log: LogId) -> Result<Arc<dyn EventStore>, StoreError> {
        let name = if self.flaw == Flaw::SharesStores && name.starts_with("device") { "device" } else { name };
        let mut stores = locked(&self.stores);
        let store = stores.entry(name.to_owned()).or_insert_with(|| Arc::new(BadStore::new(self.flaw, log)));
        match store.is_held() {
            true => Err(StoreError::InUse { backend: "planted", what: name.to_owned(), by: Holder::ThisProcess }),
            false => Ok(store.clone()),
        }
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
pub(super) struct BadStore {
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
    chains_lost: bool,
    /// The mark of the last commit that had one.
    mark: Option<RowWrite>,
    /// A number of this origin was used up.
    used_up: Option<ReplicaId>,
}

impl BadStore {
    pub(super) fn new(flaw: Flaw, log: LogId) -> Self {
        let inner = Inner {
            live: Arc::new(MemoryStore::new(log)),
            batches: Vec::new(),
            status_before: None,
            crashed: false,
            stuck: false,
            rotten: false,
            clock_lost: false,
            chains_lost: false,
            mark: None,
            used_up: None,
        };
        Self { flaw, log, inner: Mutex::new(inner), calls: AtomicU64::new(0) }
    }

    fn live(&self) -> Arc<MemoryStore> {
        locked(&self.inner).live.clone()
    }

    /// Whether somebody who has died still holds it.
    pub(super) fn is_held(&self) -> bool {
        self.flaw == Flaw::KeepsItsLock && locked(&self.inner).crashed
    }

    /// Whether this is one of every so many calls.
    fn every(&self, count: u64) -> bool {
        self.calls.fetch_add(1, Ordering::Relaxed) % count == count - 1
    }

    pub(super) fn crash(&self, crash: Crash) {
        let mut inner = locked(&self.inner);
        let again = std::mem::replace(&mut inner.crashed, true);
        inner.status_before = None;
        match self.flaw {
            Flaw::AcknowledgesEarly if crash == Crash::Power => drop(inner.batches.pop()),
            Flaw::RecoversTwice if again => drop(inner.batches.pop()),
            Flaw::ChangesIdentity => {}
            Flaw::MarksAnew => {
                let rows = inner.batches.iter_mut().flat_map(|batch| &mut batch.rows);
                rows.filter(|row| is_mark(row)).for_each(|row| lower(row, |_| Seq::ZERO));
            }
            Flaw::TakesHalf => inner.batches.iter_mut().for_each(folding::take_half),
            Flaw::TearsCommits => {
                if let Some(last) = inner.batches.last_mut() {
                    last.rows.clear();
                }
            }
            Flaw::StuckAfterCrash => return inner.stuck = true,
            Flaw::RotsBits => return inner.rotten = true,
            Flaw::ForgetsTheClock => return inner.clock_lost = true,
            Flaw::ForgetsChains => return inner.chains_lost = true,
            _ => return,
        }
        let other = LogId::from_bytes([0xee; 16]).filter(|_| self.flaw == Flaw::ChangesIdentity);
        inner.live = Arc::new(MemoryStore::new(other.unwrap_or(self.log)));
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
                let origins: BTreeSet<_> = batch.runs.iter().map(|run| run.run().origin()).collect();
                if origins.len() == batch.runs.len() {
                    batch.runs.reverse();
                }
            }
            Flaw::MarksStand if batch.rows.iter().all(|row| row.key.view.as_str() != IDENTITY) => {
                batch.rows.retain(|row| !is_mark(row));
            }
            Flaw::MarksLowered => {
                let peers = batch.rows.iter().filter_map(|row| OwnRow::read(row).ok()?);
                let peers = peers.filter_map(|row| if let OwnRow::Peer(peer) = row { Some(peer) } else { None });
                if let (Some(peer), Some(mut mark)) = (peers.last(), self.mark()) {
                    lower(&mut mark, |through| through.min(peer.acked));
                    batch.rows.retain(|row| !is_mark(row));
                    batch.rows.push(mark);
                }
            }
            Flaw::MarksShort => {
                let short = |through: Seq| Seq::new(through.get().saturating_sub(1));
                batch.rows.iter_mut().filter(|row| is_mark(row)).for_each(|row| lower(row, short));
            }
            Flaw::MarksLate => {
                let mark = batch.rows.extract_if(.., |row| is_mark(row)).last();
                batch.rows.extend(std::mem::replace(&mut locked(&self.inner).mark, mark));
            }
            Flaw::LosesLetters => batch.rows.retain(|row| row.key.view.as_str() != DEAD_LETTERS),
            Flaw::StoresTheFirstPiece => {
                batch.rows.retain(|row| !is_piece(&row.key.view) || row.key.key.ends_with(&[0; 4]))
            }
            Flaw::TrimsPending | Flaw::TrimsPreImages if batch.trim.is_some() => self.trims_too_much(&mut batch),
            Flaw::KeepsPieces => batch.rows.retain(|row| !is_piece(&row.key.view) || row.value.is_some()),
            Flaw::LosesNotes => batch.rows.retain(|row| row.key.view.as_str() != UNREADABLE),
            Flaw::LosesReadings => batch.rows.retain(|row| row.key.view.as_str() != READINGS),
            Flaw::LosesContacts => batch.rows.retain(|row| row.key.view.as_str() != CLOCKS),
            Flaw::SignedTimes if batch.clock.0 >> 63 == 1 => batch.clock = NTP64(0),
            flaw => folding::spoil(flaw, &mut batch),
        }
        batch
    }

    /// Lets a trim take all bundles along, or the rows as they were at the checkpoint.
    fn trims_too_much(&self, batch: &mut WriteBatch) {
        match (self.flaw, finish(self.live().status())) {
            (Flaw::TrimsPending, Ok(now)) => batch.trim = Some(now.head),
            (_, now) => batch.clear.extend(now.iter().flat_map(|now| now.views.keys()).map(pre_images)),
        }
    }

    /// The mark as it is stored.
    fn mark(&self) -> Option<RowWrite> {
        let key = RowKey::new(ViewId::new(SENT).ok()?, Bytes::new());
        let value = finish(self.live().load(std::slice::from_ref(&key))).ok()?.remove(0);
        Some(RowWrite { key, value })
    }

    /// The answer to a commit that had to be refused if this store does not refuse it.
    async fn lets_pass(&self, batch: &WriteBatch, error: &StoreError) -> Option<Committed> {
        let passes = match (self.flaw, error) {
            (Flaw::TakesTwice, StoreError::OutOfOrder { expected, got }) => got.seq < *expected,
            (Flaw::SequenceGaps, StoreError::OutOfOrder { expected, got }) => got.seq > *expected,
            (Flaw::ForgetsChains, StoreError::WrongChain { .. }) => true,
            (Flaw::MisplacesOrigins, StoreError::Misplaced { .. }) => true,
            _ => false,
        };
        let status = if passes { self.live().status().await.ok()? } else { return None };
        let bundles = batch.runs.iter().map(|verified| verified.run().count()).sum();
        Some(Committed { revision: Revision::new(status.revision.get() + 1), head: status.head.plus(bundles) })
    }
}

/// A status with every head changed.
fn with_heads(status: &mut LogStatus, change: impl Fn(ReplicaId, Head) -> Head) {
    status.heads = status.heads.iter().map(|(origin, head)| (origin, change(origin, head))).collect();
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for BadStore {
    forward!(self.live(): changed);

    async fn status(&self) -> Result<LogStatus, StoreError> {
        let mut status = self.live().status().await?;
        let inner = locked(&self.inner);
        match (self.flaw, &inner.status_before) {
            (Flaw::StaleStatus, Some(before)) => status = before.clone(),
            (Flaw::ForgetsTheClock, _) if inner.clock_lost => status.clock = NTP64(0),
            (Flaw::ForgetsChains, _) if inner.chains_lost => {
                with_heads(&mut status, |_, head| Head { chain: ChainHash::GENESIS, ..head });
            }
            (Flaw::SequenceGaps, _) => with_heads(&mut status, |origin, head| {
                let more = u64::from(inner.used_up == Some(origin));
                Head { seq: head.seq.plus(more), ..head }
            }),
            (Flaw::RoundsTimes, _) => {
                with_heads(&mut status, |_, head| Head { time: NTP64(head.time.0 & !BELOW_MILLIS), ..head });
                status.clock = NTP64(status.clock.0 & !BELOW_MILLIS);
            }
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
            Flaw::RecutsKeepChecks if limit.items < SMALL_PAGE => {
                page.runs.last_mut().into_iter().for_each(|stored| stored.run = with_other_check(&stored.run));
            }
            Flaw::RotsBits if locked(&self.inner).rotten => {
                page.runs.last_mut().into_iter().for_each(|stored| stored.run = rotten(&stored.run));
            }
            _ => {}
        }
        Ok(page)
    }

    async fn read_origin(&self, origin: ReplicaId, after: Seq, limit: Limit) -> Result<Vec<StoredRun>, StoreError> {
        let mut runs = self.live().read_origin(origin, after, limit).await?;
        if self.flaw == Flaw::MisplacesOrigins {
            runs.iter_mut().for_each(|stored| stored.position = stored.position.plus(1));
        }
        Ok(runs)
    }

    async fn load(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        assert!(self.flaw != Flaw::PanicsAtLoads || keys.len() < LOADS, "so many rows at once were not expected");
        self.live().load(keys).await
    }

    async fn scan(&self, view: &ViewId, range: RowRange, limit: Limit) -> Result<Vec<Row>, StoreError> {
        let first = matches!(range.start, std::ops::Bound::Unbounded);
        let mut rows = self.live().scan(view, range, limit).await?;
        match self.flaw {
            Flaw::ScansOnePage if !view.is_reserved() => rows.truncate(if first { ROWS } else { 0 }),
            Flaw::ScansBackwards => rows.reverse(),
            Flaw::HidesPreImages if is_pre_image(view) => rows.clear(),
            _ => {}
        }
        Ok(rows)
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
                    committed.head = Position::new(committed.head.get().saturating_sub(1));
                }
                Ok(committed)
            }
            Err(error) => {
                if self.flaw == Flaw::KeepsRefusedTimes {
                    let time = WriteBatch { clock: NTP64(clock.0.saturating_add(1 << 33)), ..WriteBatch::default() };
                    live.commit(time).await?;
                }
                locked(&self.inner).used_up = stored.runs.first().map(|verified| verified.run().origin());
                self.lets_pass(&stored, &error).await.ok_or(error)
            }
        }
    }

    async fn commit_folded(&self, batch: WriteBatch, fold: RowFold) -> Result<Option<Committed>, StoreError> {
        // Its status, which may be false, is not asked.
        let stored = self.load(&fold.keys).await?;
        let Some(rows) = fold.make(stored) else { return Ok(None) };
        let rows = batch.rows.iter().cloned().chain(rows).collect();
        self.commit(WriteBatch { rows, ..batch }).await.map(Some)
    }
}

/// Whether the row says what may have been sent.
fn is_mark(row: &RowWrite) -> bool {
    row.key.view.as_str() == SENT
}

/// Changes up to where something may have been sent.
fn lower(row: &mut RowWrite, change: impl Fn(Seq) -> Seq) {
    if let Ok(Some(OwnRow::Sent(sent))) = OwnRow::read(row) {
        *row = sent_row(&SentRow { through: change(sent.through), ..sent });
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

/// The same bundles with another check than theirs.
fn with_other_check(run: &Run) -> Run {
    let mut bytes = run.as_bytes().to_vec();
    let check = run.check();
    if let Some(at) = bytes.windows(check.len()).position(|window| window == check) {
        bytes[at] ^= 1;
    }
    Run::decode(bytes.into()).unwrap_or_else(|_| run.clone())
}

fn failed(why: &str) -> StoreError {
    StoreError::Backend { backend: "planted", retry: Retry::Later, source: why.into() }
}
