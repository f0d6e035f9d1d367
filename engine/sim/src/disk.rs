//! A disk with one log on it: the live store, the record of every commit, and what a crash leaves of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::Event as Signal;
use syncline::store::{Committed, Durability, Retry, RowFold, StoreError, WriteBatch};
use syncline::{EventStore, LogId, MemoryStore};

use crate::clock::NodeClock;
use crate::fault::Fault;
use crate::finding::Law;
use crate::image::Image;
use crate::sim::{Node, Sim};
use crate::stores::{Stores, finish};
use crate::trace::Moment;
use crate::watched_log::WatchedLog;
use crate::witness::Witness;

mod crash;

use crash::open;

/// This many of a thousand commits on a disk that is not synced reach it before the next commit.
const FLUSHED: u32 = 150;

/// One log's disk.
pub(crate) struct Disk {
    /// What its log must hold.
    pub(crate) log: Arc<WatchedLog>,
    /// What dies when the log's holder dies.
    pub(crate) node: Node,
    pub(crate) durability: Durability,
    /// Whether the disk itself decides what a power cut leaves; else the user's store does.
    simulated: bool,
    sim: Arc<Sim>,
    witness: Arc<Witness>,
    stores: Arc<dyn Stores>,
    state: Mutex<State>,
    changed: Signal,
}

struct State {
    live: Arc<dyn EventStore>,
    /// The identity of the log before the first record.
    born: LogId,
    records: Vec<WriteBatch>,
    /// So many records outlive a power cut.
    durable: usize,
    /// How many stores were opened for this disk.
    opened: u32,
    /// So many records were there when the backup was made.
    backup: usize,
    failing: Vec<Failure>,
    full_until: Moment,
    /// Nobody answers.
    down: bool,
    /// How a user's store has failed by itself, the last time it did.
    own_failure: Option<String>,
}

/// What the next call does instead of succeeding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It fails and has no effect.
    Before,
    /// It fails and has its effect.
    After,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("name", &self.log.name).finish_non_exhaustive()
    }
}

impl Disk {
    /// A disk with an empty log. Without a durability it is the user's stores that decide what a crash leaves.
    pub(crate) fn new(
        (name, node): (String, Node),
        clock: Arc<NodeClock>,
        witness: &Arc<Witness>,
        (stores, durability): (Arc<dyn Stores>, Option<Durability>),
        id: LogId,
    ) -> Arc<Self> {
        let live = open(&witness.sim, &*stores, &name, id);
        let simulated = durability.is_some();
        let durability = durability.unwrap_or_else(|| stores.durability());
        let state = State {
            live,
            born: id,
            records: Vec::new(),
            durable: 0,
            opened: 1,
            backup: 0,
            failing: Vec::new(),
            full_until: Moment(0),
            down: false,
            own_failure: None,
        };
        let log = Arc::new(WatchedLog::new(name, clock, id));
        witness.register(id, &log);
        let (sim, witness) = (witness.sim.clone(), witness.clone());
        let changed = Signal::new();
        Arc::new(Self { log, node, durability, simulated, sim, witness, stores, state: Mutex::new(state), changed })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sim(&self) -> &Arc<Sim> {
        &self.sim
    }

    /// The store, for reading, unless the disk is down or fails.
    pub(crate) fn live(&self) -> Result<Arc<dyn EventStore>, StoreError> {
        let mut state = self.state();
        if state.down {
            return Err(failed("the database is down"));
        }
        if let Some(failure) = state.failing.pop_if(|failure| *failure == Failure::Before) {
            debug_assert_eq!(failure, Failure::Before);
            drop(state);
            self.sim.fault(Fault::IoFailed, || format!("{}: a read fails", self.log.name));
            return Err(failed("the read failed"));
        }
        Ok(state.live.clone())
    }

    /// The store, for looking at from outside.
    pub(crate) fn peek(&self) -> Arc<dyn EventStore> {
        self.state().live.clone()
    }

    /// The log as it would be if it had never been trimmed. (It has never been replaced, nor was its tail rewritten.)
    pub(crate) fn untrimmed(&self) -> Result<MemoryStore, StoreError> {
        let state = self.state();
        let store = MemoryStore::new(state.born);
        for WriteBatch { runs, voids, .. } in &state.records {
            let batch = WriteBatch { runs: runs.clone(), voids: voids.clone(), ..WriteBatch::default() };
            finish(store.commit(batch))?;
        }
        Ok(store)
    }

    /// Looks at what the log must hold.
    pub(crate) fn with_image<T>(&self, look: impl FnOnce(&Image) -> T) -> T {
        look(&self.log.image())
    }

    /// Commits, or fails as it was told to.
    pub(crate) fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        let committed = self.write(batch, |live, batch| finish(live.commit(batch.clone())).map(Some))?;
        Ok(committed.expect("only a fold declines a commit"))
    }

    /// Commits with the rows that `fold` makes of stored ones, or fails as it was told to.
    pub(crate) fn commit_folded(&self, batch: WriteBatch, fold: RowFold) -> Result<Option<Committed>, StoreError> {
        self.write(batch, |live, batch| {
            let (tell, told) = std::sync::mpsc::channel();
            let fold = fold.then(move |rows| {
                let _ = tell.send(rows.clone()); // the receiver is below
                rows
            });
            let committed = finish(live.commit_folded(batch.clone(), fold))?;
            batch.rows.extend(told.try_iter().flatten().flatten());
            Ok(committed)
        })
    }

    /// Lets the store commit a batch, which `commit` completes; or fails as it was told to.
    fn write(
        &self,
        mut batch: WriteBatch,
        commit: impl FnOnce(&dyn EventStore, &mut WriteBatch) -> Result<Option<Committed>, StoreError>,
    ) -> Result<Option<Committed>, StoreError> {
        let mut state = self.state();
        if state.down {
            return Err(failed("the database is down"));
        }
        if state.full_until > self.sim.now() {
            drop(state);
            self.sim.fault(Fault::DiskFull, || format!("{}: the disk is full", self.log.name));
            return Err(failed("no space is left"));
        }
        let failure = state.failing.pop();
        if failure == Some(Failure::Before) {
            drop(state);
            self.sim.fault(Fault::IoFailed, || format!("{}: a commit fails", self.log.name));
            return Err(failed("the commit failed"));
        }
        let answer = commit(&*state.live, &mut batch);
        let Ok(Some(committed)) = answer else {
            drop(state);
            return self.looked_at(answer);
        };
        self.note(&mut state, batch, committed);
        drop(state);
        self.changed.notify(usize::MAX);
        if failure == Some(Failure::After) {
            self.sim.fault(Fault::OutcomeUnknown, || format!("{}: a commit fails, and is there", self.log.name));
            return Err(failed("the commit's outcome is unknown"));
        }
        Ok(Some(committed))
    }

    /// Looks at the answer of a store. The lab does nothing to a user's store, so each failure of it is its own.
    pub(crate) fn looked_at<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        let Some(error) = answer.as_ref().err().filter(|_| !self.simulated) else { return answer };
        match error {
            StoreError::InUse { .. } | StoreError::Corrupt { .. } | StoreError::UnsupportedFormat { .. } => {
                self.sim.found(Law::StoreKeepsItsWord, format!("{}: its store fails: {error}", self.log.name));
            }
            StoreError::Backend { .. } | StoreError::Poisoned { .. } => {
                self.sim.tell(|| format!("{}: its store fails by itself: {error}", self.log.name));
                self.state().own_failure = Some(error.to_string());
            }
            _ => {}
        }
        answer
    }

    /// How a user's store has failed by itself, if it has.
    pub(crate) fn own_failure(&self) -> Option<String> {
        let state = self.state();
        state.own_failure.as_ref().map(|error| format!("{}: its store has failed by itself: {error}", self.log.name))
    }

    /// Keeps the image and the record of a commit, and looks whether it broke a law.
    fn note(&self, state: &mut State, batch: WriteBatch, committed: Committed) {
        let mut image = self.log.image();
        let before = image.log;
        let added = image.apply(&batch, &self.witness.ledger());
        let added = added.and_then(|added| image.check(committed).map(|()| added));
        if image.log != before {
            self.witness.moved(before, image.log);
            self.sim.tell(|| format!("{}: its log is replaced", self.log.name));
        }
        match added {
            Ok(added) => self.witness.committed(&self.log, &image, &added),
            Err(finding) => self.sim.found(finding.law, format!("{}: {}", self.log.name, finding.detail)),
        }
        let cleared: Vec<_> = batch.clear.iter().filter(|view| !view.is_reserved()).map(ToString::to_string).collect();
        if !cleared.is_empty() {
            self.sim.tell(|| format!("{}: the rows of {} go", self.log.name, cleared.join(", ")));
        }
        if batch.trim.is_some() {
            self.sim.fault(Fault::Trimmed, || format!("{}: its log is trimmed", self.log.name));
        }
        state.records.push(batch);
        let synced = self.durability == Durability::Synced || self.sim.state().disk.chance(FLUSHED);
        if synced {
            state.durable = state.records.len();
        }
        self.sim.note(committed.revision.get());
    }

    /// Waits until somebody has committed more.
    pub(crate) async fn changed(&self, since: syncline::id::Revision) -> Result<syncline::id::Revision, StoreError> {
        loop {
            let listener = self.changed.listen();
            {
                if self.state().down {
                    return Err(failed("the database is down"));
                }
                let revision = self.log.image().revision;
                if revision > since.get() {
                    return Ok(syncline::id::Revision::new(revision));
                }
            }
            listener.await;
        }
    }

    /// Lets the next calls fail, the last of these first.
    pub(crate) fn fail(&self, failures: &[Failure]) {
        self.state().failing = failures.to_vec();
    }

    /// Lets commits fail for want of space.
    pub(crate) fn fill(&self, until: Moment) {
        self.state().full_until = until;
    }

    /// Ends all trouble.
    pub(crate) fn repair(&self) {
        let mut state = self.state();
        state.failing.clear();
        state.full_until = Moment(0);
        state.down = false;
    }

    /// Stops and starts answering.
    pub(crate) fn set_down(&self, down: bool) {
        self.state().down = down;
        self.changed.notify(usize::MAX);
    }

    /// Remembers the log as it is now.
    pub(crate) fn back_up(&self) {
        let mut state = self.state();
        state.backup = state.records.len();
    }
}

fn failed(why: &str) -> StoreError {
    StoreError::Backend { backend: "sim", retry: Retry::Later, source: why.into() }
}

/// The process that had the commit under way has died.
pub(crate) fn gone() -> StoreError {
    failed("the connection is gone; the commit's outcome is unknown")
}
