//! The reference store: everything in memory, every law of [`EventStore`] in its plainest form. The oracle of the
//! conformance kit, and a store for tests and caches. [`Durability::Volatile`].

use std::collections::BTreeMap;
use std::mem::take;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use event_listener::Event as Signal;

use super::check::{check_append, check_cursor, check_replacement, check_row, check_trim};
use super::page::{PageBuilder, RowPageBuilder};
use super::rewrite::{Emptied, check_rewrite, first_missing};
use super::{
    Committed, Durability, EventStore, Limit, LogStatus, Page, Replacement, Rewrite, Row, RowFold, RowKey, RowRange,
    RowWrite, Storage, StoreError, StoredRun, ViewId, WriteBatch,
};
use crate::format::run::{Run, VerifiedRun};
use crate::id::{Cursor, Dot, LogId, Position, ReplicaId, Revision, Seq, SpaceId};
use crate::limits::KEY_BYTES_MAX;

/// One space in memory. Clones of the [`Arc`] share it.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    changed: Signal,
}

#[derive(Debug)]
struct State {
    status: LogStatus,
    /// The runs by the position of their first bundle.
    log: BTreeMap<Position, StoredRun>,
    /// Place in `log` by origin and the run's last seq.
    by_origin: BTreeMap<(ReplicaId, Seq), Position>,
    rows: BTreeMap<RowKey, Bytes>,
}

impl MemoryStore {
    /// An empty log with this identity.
    pub fn new(log: LogId) -> Self {
        let (log, status) = (BTreeMap::new(), LogStatus::fresh(log));
        let state = State { status, log, by_origin: BTreeMap::new(), rows: BTreeMap::new() };
        Self { state: Mutex::new(state), changed: Signal::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl EventStore for MemoryStore {
    async fn status(&self) -> Result<LogStatus, StoreError> {
        Ok(self.state().status.clone())
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Page, StoreError> {
        let state = self.state();
        check_cursor(after, &state.status)?;
        let mut page = PageBuilder::new(limit);
        let next = after.position.plus(1);
        let first = state.log.range(..=next).next_back().map_or(next, |(position, _)| *position);
        let _ = state.log.range(first..).all(|(_, stored)| page.push_after(stored.clone(), after.position));
        Ok(page.finish_page(after, &state.status))
    }

    async fn read_origin(&self, origin: ReplicaId, after: Seq, limit: Limit) -> Result<Vec<StoredRun>, StoreError> {
        let state = self.state();
        let (mut page, last) = (PageBuilder::new(limit), state.status.heads.get(origin).seq);
        let (mut next, mut runs) = (after.plus(1), state.of(origin, after));
        let mut is_open = next <= last;
        while is_open {
            let stored = runs.next().filter(|stored| stored.run.first() <= next);
            let stored = stored.ok_or_else(|| state.trimmed(Dot { origin, seq: next }))?;
            next = stored.run.last().plus(1);
            is_open = page.push_from(stored.clone(), after.plus(1)) && next <= last;
        }
        Ok(page.finish())
    }

    async fn load(&self, keys: &[RowKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        Ok(self.state().load(keys))
    }

    async fn scan(&self, view: &ViewId, range: RowRange, limit: Limit) -> Result<Vec<Row>, StoreError> {
        let state = self.state();
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let key = |key: &Bytes| RowKey { view: view.clone(), key: key.clone() };
        let start = match &range.start {
            Bound::Unbounded => Bound::Included(key(&Bytes::new())),
            start => start.as_ref().map(key),
        };
        // No key is longer than the limit, so that this lies behind all of the view.
        let end = match &range.end {
            Bound::Unbounded => Bound::Included(key(&vec![0xff; KEY_BYTES_MAX + 1].into())),
            end => end.as_ref().map(key),
        };
        let rows = range.direction.walk(state.rows.range((start, end)));
        let mut page = RowPageBuilder::new(limit);
        for (RowKey { key, .. }, value) in rows {
            if !page.push(key.len() + value.len(), || Row { key: key.clone(), value: value.clone() }) {
                break;
            }
        }
        Ok(page.finish())
    }

    async fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        let committed = self.state().apply(batch)?;
        self.changed.notify(usize::MAX);
        Ok(committed)
    }

    async fn commit_folded(&self, mut batch: WriteBatch, fold: RowFold) -> Result<Option<Committed>, StoreError> {
        let committed = {
            let mut state = self.state();
            state.check_revision(batch.expected)?;
            let stored = state.load(&fold.keys);
            let Some(rows) = fold.make(stored) else { return Ok(None) };
            batch.rows.extend(rows);
            state.apply(batch)?
        };
        self.changed.notify(usize::MAX);
        Ok(Some(committed))
    }

    async fn changed(&self, since: Revision) -> Result<Revision, StoreError> {
        loop {
            let listener = self.changed.listen();
            let revision = self.state().status.revision;
            if revision > since {
                return Ok(revision);
            }
            listener.await;
        }
    }
}

impl State {
    /// The runs of an origin that reach beyond bundle `after`, in order.
    fn of(&self, origin: ReplicaId, after: Seq) -> impl Iterator<Item = &StoredRun> {
        let runs = self.by_origin.range((origin, after.plus(1))..).take_while(move |((of, _), _)| *of == origin);
        runs.map(|(_, position)| &self.log[position])
    }

    /// Checks the whole batch, then applies it: a refused batch leaves no trace.
    fn apply(&mut self, mut batch: WriteBatch) -> Result<Committed, StoreError> {
        self.check_revision(batch.expected)?;
        let Some(replacement) = batch.replace.take() else { return self.apply_rest(batch) };
        let status = self.status.clone();
        let (log, by_origin) = (take(&mut self.log), take(&mut self.by_origin));
        let replaced = self.replace(replacement).and_then(|()| self.apply_rest(batch));
        replaced.inspect_err(|_| *self = State { status, log, by_origin, rows: take(&mut self.rows) })
    }

    /// Lets the log begin anew, whose runs have been taken out.
    fn replace(&mut self, replacement: Replacement) -> Result<(), StoreError> {
        let bundles = check_replacement(&replacement, self.status.log)?;
        let known = replacement.heads.iter().filter(|(_, head)| head.seq > Seq::ZERO);
        (self.status.log, self.status.heads) = (replacement.log, known.collect());
        (self.status.head, self.status.base) = (bundles, bundles);
        Ok(())
    }

    /// Checks and applies what a batch holds behind its replacement.
    fn apply_rest(&mut self, batch: WriteBatch) -> Result<Committed, StoreError> {
        self.check(&batch)?;
        let clock = if batch.rewrite.is_some() { batch.clock } else { batch.clock.max(self.status.clock) };
        if let Some(rewrite) = batch.rewrite {
            self.rewrite(rewrite)?;
        }
        for verified in batch.runs {
            let position = self.status.head.plus(1);
            self.status.head = self.status.head.plus(verified.run().count());
            self.place(position, verified);
        }
        self.make_voids(&batch.voids);
        if !batch.clear.is_empty() {
            self.rows.retain(|key, _| !batch.clear.contains(&key.view));
            self.status.views.retain(|view, _| !batch.clear.contains(view));
        }
        for RowWrite { key, value } in batch.rows {
            match value {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
        self.status.views.extend(batch.views);
        self.status.clock = clock;
        self.trim(batch.trim.unwrap_or(Position::ZERO));
        self.status.revision = self.status.revision.plus(1);
        Ok(Committed { revision: self.status.revision, head: self.status.head })
    }

    fn load(&self, keys: &[RowKey]) -> Vec<Option<Bytes>> {
        keys.iter().map(|key| self.rows.get(key).cloned()).collect()
    }

    fn check_revision(&self, expected: Option<Revision>) -> Result<(), StoreError> {
        let found = self.status.revision;
        match expected.filter(|expected| *expected != found) {
            Some(expected) => Err(StoreError::Conflict { expected, found }),
            None => Ok(()),
        }
    }

    fn check(&self, batch: &WriteBatch) -> Result<(), StoreError> {
        let mut heads = self.status.heads.clone();
        let mut appends: Vec<&VerifiedRun> = Vec::new();
        if let Some(rewrite) = &batch.rewrite {
            let (tail, head) = (self.tail(rewrite), heads.get(rewrite.origin));
            first_missing(rewrite, &tail, head).map_or(Ok(()), |dot| Err(self.trimmed(dot)))?;
            check_rewrite(rewrite, &tail, head)?;
            heads.set(rewrite.origin, rewrite.after);
            appends.extend(rewrite.runs.iter().map(|(_, verified)| verified));
        }
        appends.extend(&batch.runs);
        for verified in &appends {
            check_append(verified, heads.get(verified.run().origin()))?;
            heads.set(verified.run().origin(), verified.head());
        }
        for dot in &batch.voids {
            if dot.seq == Seq::ZERO || dot.seq > heads.get(dot.origin).seq {
                return Err(StoreError::NoSuchBundle { dot: *dot });
            }
            let is_in = |run: &Run| run.origin() == dot.origin && run.first() <= dot.seq && dot.seq <= run.last();
            let stored = self.of(dot.origin, Seq::new(dot.seq.get() - 1)).next();
            let is_kept = stored.is_some_and(|stored| is_in(&stored.run));
            if !is_kept && !appends.iter().any(|verified| is_in(verified.run())) {
                return Err(self.trimmed(*dot));
            }
        }
        batch.rows.iter().try_for_each(|row| check_row(&row.key, row.value.as_ref()))?;
        check_trim(batch.trim, self.status.head)
    }

    fn trimmed(&self, dot: Dot) -> StoreError {
        StoreError::Trimmed { dot, base: self.status.base }
    }

    fn tail(&self, rewrite: &Rewrite) -> Vec<StoredRun> {
        self.of(rewrite.origin, rewrite.after.seq).cloned().collect()
    }

    fn rewrite(&mut self, rewrite: Rewrite) -> Result<(), StoreError> {
        let tail = self.tail(&rewrite);
        let head = self.status.heads.get(rewrite.origin);
        let Emptied { kept, .. } = check_rewrite(&rewrite, &tail, head)?;
        for stored in tail {
            self.log.remove(&stored.position);
            self.by_origin.remove(&(stored.run.origin(), stored.run.last()));
        }
        if let Some(kept) = kept {
            self.by_origin.insert((kept.run.origin(), kept.run.last()), kept.position);
            self.log.insert(kept.position, kept);
        }
        match rewrite.after.seq {
            Seq::ZERO => self.status.heads.remove(rewrite.origin),
            _ => self.status.heads.set(rewrite.origin, rewrite.after),
        }
        rewrite.runs.into_iter().for_each(|(position, verified)| self.place(position, verified));
        Ok(())
    }

    fn place(&mut self, position: Position, verified: VerifiedRun) {
        let origin = verified.run().origin();
        self.status.heads.set(origin, verified.head());
        self.by_origin.insert((origin, verified.run().last()), position);
        let stored = StoredRun { position, previous: verified.previous(), run: verified.run().clone() };
        self.log.insert(position, stored);
    }

    /// Deletes the bundles up to `base`, unless they are gone already.
    fn trim(&mut self, base: Position) {
        self.status.base = self.status.base.max(base);
        while let Some(first) = self.log.first_entry().filter(|first| *first.key() <= base) {
            let stored = first.remove();
            let index = (stored.run.origin(), stored.run.last());
            match stored.behind(base) {
                Some(rest) => {
                    self.by_origin.insert(index, rest.position);
                    self.log.insert(rest.position, rest);
                }
                None => drop(self.by_origin.remove(&index)),
            }
        }
    }

    /// Makes bundles void, each run that holds some of them once.
    fn make_voids(&mut self, dots: &[Dot]) {
        let mut by_run: BTreeMap<Position, Vec<Seq>> = BTreeMap::new();
        for dot in dots {
            let run = self.by_origin.range((dot.origin, dot.seq)..).next().expect("the batch was checked").1;
            by_run.entry(*run).or_default().push(dot.seq);
        }
        for (position, seqs) in by_run {
            let stored = self.log.get_mut(&position).expect("the index names stored runs");
            stored.run = stored.run.with_voids(&seqs, stored.previous);
        }
    }
}

/// Many spaces in memory.
#[derive(Debug)]
pub struct MemoryStorage {
    new_log: fn() -> LogId,
    spaces: Mutex<BTreeMap<SpaceId, Arc<MemoryStore>>>,
}

impl MemoryStorage {
    /// A storage without spaces. `new_log` mints the identity of each log: random in earnest, counted in tests.
    pub fn new(new_log: fn() -> LogId) -> Self {
        Self { new_log, spaces: Mutex::default() }
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn open(&self, space: &SpaceId) -> Result<Arc<dyn EventStore>, StoreError> {
        let mut spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        let store = spaces.entry(space.clone()).or_insert_with(|| Arc::new(MemoryStore::new((self.new_log)())));
        Ok(store.clone())
    }

    async fn spaces(&self) -> Result<Vec<SpaceId>, StoreError> {
        let spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(spaces.keys().cloned().collect())
    }

    fn durability(&self) -> Durability {
        Durability::Volatile
    }
}
