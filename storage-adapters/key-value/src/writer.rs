//! The thread that writes, and lets waiting commits share a write.
//!
//! A durable write is one wait for the disk, whatever its size. So the thread takes all commits that are queued, plans them
//! one after the other over one snapshot, each on top of those before it, hands the backend all changes at once, and answers
//! the commits together.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_channel::oneshot;
use syncline::store::{Committed, StoreError, WriteBatch};
use syncline::{LogId, SpaceId};

use crate::backend::KeyValue;
use crate::changes::{Changes, Pending};
use crate::draft::Draft;
use crate::error::{message, shared};
use crate::keys::SpaceKey;
use crate::poison::Poison;
use crate::queue::Queue;
use crate::schema;
use crate::space::{OpenSpaces, Space};

/// Where a write takes less, waiting for others to share it costs more than it saves.
const SHARED_FROM: Duration = Duration::from_micros(100);

/// What the thread is asked to do.
pub(crate) enum Job {
    Commit(Box<Commit>),
    Open(Open),
}

/// One commit, which may share a write.
pub(crate) struct Commit {
    pub(crate) space: Arc<Space>,
    pub(crate) batch: WriteBatch,
    pub(crate) answer: oneshot::Sender<Outcome>,
}

/// What became of a commit.
type Outcome = Result<Committed, StoreError>;

/// A space to open, or to create with this log id.
pub(crate) struct Open {
    pub(crate) name: SpaceId,
    pub(crate) fresh: LogId,
    pub(crate) answer: oneshot::Sender<Result<Arc<Space>, StoreError>>,
}

impl Commit {
    /// About how many bytes the commit holds in memory.
    pub(crate) fn weight(batch: &WriteBatch) -> usize {
        let rewritten = batch.rewrite.iter().flat_map(|rewrite| &rewrite.runs).map(|(_, append)| append);
        let runs = batch.runs.iter().chain(rewritten).map(|append| append.run().as_bytes().len() + 200);
        let row = |value: Option<&bytes::Bytes>| value.map_or(0, |value| value.len()) + 100;
        let rows = batch.rows.iter().map(|write| write.key.key.len() + row(write.value.as_ref()));
        200 + runs.sum::<usize>() + rows.sum::<usize>()
    }
}

/// What the writer has done since the database was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) writes: AtomicU64,
}

/// The state of the thread.
#[derive(Debug)]
pub(crate) struct Writer<K> {
    pub(crate) backend: Arc<K>,
    pub(crate) poison: Arc<Poison>,
    pub(crate) spaces: Arc<OpenSpaces>,
    pub(crate) counters: Arc<Counters>,
}

/// What a group of commits comes to.
struct Plan {
    outcomes: Vec<Outcome>,
    drafts: BTreeMap<SpaceKey, Draft>,
    changes: Changes,
}

impl<K: KeyValue> Writer<K> {
    /// Works until the queue is closed and empty.
    pub(crate) fn run(self, queue: &Queue<Job>) {
        let _abandon = AbandonAtEnd(queue);
        let (mut answered, mut patience) = (0, Duration::ZERO);
        loop {
            // Those just answered often come back at once: they are worth a part of what the next write will take.
            let jobs = queue.pop_all(answered, patience);
            if jobs.is_empty() {
                return;
            }
            answered = jobs.len();
            let start = Instant::now();
            self.work(jobs);
            let took = start.elapsed();
            patience = if took < SHARED_FROM { Duration::ZERO } else { took / 2 };
        }
    }

    fn work(&self, jobs: Vec<Job>) {
        let mut group = Vec::new();
        for job in jobs {
            match job {
                Job::Commit(commit) => group.push(*commit),
                Job::Open(open) => {
                    self.commit(std::mem::take(&mut group));
                    let _ = open.answer.send(self.open(&open.name, open.fresh));
                }
            }
        }
        self.commit(group);
    }

    fn commit(&self, group: Vec<Commit>) {
        if group.is_empty() {
            return;
        }
        let outcomes = self.outcomes(&group);
        group.into_iter().zip(outcomes).for_each(|(commit, outcome)| _ = commit.answer.send(outcome));
    }

    /// Commits a group in one write. What becomes of each commit, in order.
    fn outcomes(&self, group: &[Commit]) -> Vec<Outcome> {
        let Plan { outcomes, drafts, changes } = match self.guarded(|| self.plan(group)) {
            Ok(plan) => plan,
            Err(error) => {
                let error = shared(error);
                return group.iter().map(|_| Err(error())).collect();
            }
        };
        if let Err(error) = self.write(&changes) {
            let error = shared(error);
            return outcomes.into_iter().map(|outcome| outcome.and_then(|_| Err(error()))).collect();
        }
        drafts.into_values().for_each(Draft::publish);
        let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        self.counters.commits.fetch_add(done as u64, Ordering::Relaxed);
        self.counters.writes.fetch_add(u64::from(done > 0), Ordering::Relaxed);
        outcomes
    }

    /// Plans the commits of a group in order, each on a layer of its own: what is refused leaves no trace.
    fn plan(&self, group: &[Commit]) -> Result<Plan, StoreError> {
        let mut pending = Pending::new(self.backend.snapshot()?);
        let mut drafts: BTreeMap<SpaceKey, Draft> = BTreeMap::new();
        let mut plan = |Commit { space, batch, .. }: &Commit| {
            let known = drafts.get(&space.place.key).cloned();
            let mut draft = known.unwrap_or_else(|| Draft::new(space.clone(), K::PACKED_BYTES));
            let mut layer = Pending::new(&pending);
            let committed = draft.apply(&mut layer, batch).map_err(|fault| fault.of(K::NAME))?;
            let changes = layer.into_changes();
            pending.extend(changes);
            drafts.insert(space.place.key, draft);
            Ok(committed)
        };
        let outcomes = group.iter().map(&mut plan).collect();
        drafts.values().for_each(|draft| draft.save(&mut pending));
        Ok(Plan { outcomes, drafts, changes: pending.into_changes() })
    }

    fn open(&self, name: &SpaceId, fresh: LogId) -> Result<Arc<Space>, StoreError> {
        if let Some(space) = self.spaces.get(name) {
            return Ok(space);
        }
        let open = || {
            let snapshot = self.backend.snapshot()?;
            schema::open(snapshot, name, fresh).map_err(|fault| fault.of(K::NAME))
        };
        let (space, changes) = self.guarded(open)?;
        self.write(&changes)?;
        let space = Arc::new(space);
        self.spaces.insert(&space);
        Ok(space)
    }

    /// Writes what there is to write. Where that fails, nothing that this handle knows is to be trusted any more.
    fn write(&self, changes: &Changes) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let written = self.guarded(|| {
            let written = self.backend.write(changes);
            // If the files have gone, that says more than what the backend met because of it.
            self.backend.in_place().and(written)
        });
        written.inspect_err(|error| self.spoil(error.to_string()))
    }

    /// Runs what the backend may panic in, unless an earlier failure forbids it.
    fn guarded<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.poison.check()?;
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            let why = format!("the writer panicked: {}", message(&*panic));
            self.spoil(why.clone());
            Err(self.poison.error(&why))
        })
    }

    fn spoil(&self, why: String) {
        self.poison.set(why);
        self.spaces.wake();
    }
}

/// However the thread ends, those who wait are not left waiting.
struct AbandonAtEnd<'a>(&'a Queue<Job>);

impl Drop for AbandonAtEnd<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
