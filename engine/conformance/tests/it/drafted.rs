//! The commit rule over maps: a store that decides nothing itself, held to every law and compared with the oracle.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use syncline::id::Revision;
use syncline::store::check::check_cursor;
use syncline::store::draft::{Bounds, Draft, LogEnd, bases, concerned, origins};
use syncline::store::page::{PageBuilder, RowPageBuilder};
use syncline::store::{
    Committed, Durability, EventStore, Limit, LogStatus, Page, Row, RowKey, RowRange, Storage, StoreError, StoredRun,
    WriteBatch,
};
use syncline::{Cursor, Dot, Position, ReplicaId, Seq, SpaceId, ViewId};
use syncline_conformance::{StoreHarness, new_log_id, store_suite};
use tokio::sync::watch;

const BOUNDS: Bounds = Bounds { backend: "drafted", position: Position::new(u64::MAX), number: u64::MAX };

/// One space.
#[derive(Debug)]
struct Drafted {
    state: Mutex<State>,
    revision: watch::Sender<Revision>,
}

#[derive(Debug)]
struct State {
    status: LogStatus,
    /// By their last position.
    runs: BTreeMap<Position, StoredRun>,
    rows: BTreeMap<RowKey, Bytes>,
}

impl Drafted {
    fn new() -> Self {
        let state = State { status: LogStatus::fresh(new_log_id()), runs: BTreeMap::new(), rows: BTreeMap::new() };
        Self { state: Mutex::new(state), revision: watch::Sender::new(Revision::ZERO) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    /// The runs of an origin that reach from one bundle to another.
    fn runs_of(&self, origin: ReplicaId, first: Seq, last: Seq) -> Vec<StoredRun> {
        let within = |stored: &&StoredRun| {
            stored.run.origin() == origin && stored.run.last() >= first && stored.run.first() <= last
        };
        let mut runs: Vec<_> = self.runs.values().filter(within).cloned().collect();
        runs.sort_by_key(|stored| stored.run.first());
        runs
    }

    fn apply(&mut self, batch: &WriteBatch) -> Result<Committed, StoreError> {
        let LogStatus { log, revision, head, base, clock, ref heads, .. } = self.status;
        let heads = origins([batch]).into_iter().map(|origin| (origin, heads.get(origin))).collect();
        let before = LogEnd { log, revision, head, base, clock, heads };
        let parts = concerned([batch]).into_iter();
        let changed = parts.flat_map(|part| self.runs_of(part.origin, part.first, part.last));
        let bases = bases([batch]).into_iter();
        let cut = bases.filter_map(|base| self.runs.range(base.plus(1)..).next()).map(|(_, stored)| stored.clone());
        let runs = changed.chain(cut).collect();
        let (draft, mut outcomes) = Draft::of(BOUNDS, before, runs, [batch]);
        self.runs.retain(|end, _| !draft.is_replaced && *end > draft.base);
        for (end, _) in draft.runs.removed() {
            self.runs.remove(&end);
        }
        self.runs.extend(draft.runs.inserted().into_iter().map(|stored| (stored.end(), stored.clone())));
        self.rows.retain(|key, _| !draft.clear.contains(&key.view));
        for (key, value) in &draft.rows {
            match value {
                Some(value) => drop(self.rows.insert((*key).clone(), (*value).clone())),
                None => drop(self.rows.remove(key)),
            }
        }
        draft.publish(&mut self.status);
        outcomes.remove(0)
    }
}

#[async_trait]
impl EventStore for Drafted {
    async fn status(&self) -> Result<LogStatus, StoreError> {
        Ok(self.state().status.clone())
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError> {
        let state = self.state();
        check_cursor(after, &state.status)?;
        let mut page = PageBuilder::new(limit);
        let _ = state.runs.values().all(|stored| page.push_after(stored.clone(), after.position));
        Ok(page.finish_page(after, &state.status))
    }

    async fn read_origin(&self, origin: ReplicaId, after: Seq, limit: Limit) -> Result<Vec<StoredRun>, StoreError> {
        let state = self.state();
        let LogStatus { ref heads, base, .. } = state.status;
        let (mut page, mut next, last) = (PageBuilder::new(limit), after.plus(1), heads.get(origin).seq);
        let (mut runs, mut is_open) = (state.runs_of(origin, next, last).into_iter(), next <= last);
        while is_open {
            let stored = runs.next().filter(|stored| stored.run.first() <= next);
            let stored = stored.ok_or(StoreError::Trimmed { dot: Dot { origin, seq: next }, base })?;
            next = stored.run.last().plus(1);
            is_open = page.push_from(stored, after.plus(1)) && next <= last;
        }
        Ok(page.finish())
    }

    async fn load(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let state = self.state();
        Ok(keys.iter().map(|key| state.rows.get(key).cloned()).collect())
    }

    async fn scan(&self, view: &ViewId, range: RowRange, limit: Limit) -> Result<Vec<Row>, StoreError> {
        let (state, mut page) = (self.state(), RowPageBuilder::new(limit));
        let rows = state.rows.iter().filter(|(key, _)| key.view == *view && range.contains(&key.key));
        let _ = range.direction.walk(rows).all(|(key, value)| page.push_copy(&key.key, value));
        Ok(page.finish())
    }

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        let committed = self.state().apply(&batch)?;
        self.revision.send_replace(committed.revision);
        Ok(committed)
    }

    async fn changed(&self, since: Revision) -> Result<Revision, StoreError> {
        let mut revision = self.revision.subscribe();
        let later = revision.wait_for(|revision| *revision > since).await;
        Ok(*later.expect("the sender is here"))
    }
}

#[derive(Debug, Default)]
struct DraftedStorage(Mutex<BTreeMap<SpaceId, Arc<Drafted>>>);

#[async_trait]
impl Storage for DraftedStorage {
    async fn open(&self, space: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        let mut spaces = self.0.lock().unwrap();
        Ok(spaces.entry(space.clone()).or_insert_with(|| Arc::new(Drafted::new())).clone())
    }

    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        Ok(self.0.lock().unwrap().keys().cloned().collect())
    }

    fn durability(&self) -> Durability {
        Durability::Volatile
    }
}

struct Rule;

#[async_trait]
impl StoreHarness for Rule {
    async fn fresh(&self) -> Arc<dyn Storage> {
        Arc::new(DraftedStorage::default())
    }

    async fn reopen(&self) -> Option<Arc<dyn Storage>> {
        None
    }
}

store_suite!(Rule);
