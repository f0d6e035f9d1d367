//! A disk with one log on it: the live store, the record of every commit, and what a crash leaves of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::Event as Signal;
use syncline::store::{Committed, Durability, Retry, StoreError, WriteBatch};
use syncline::{EventStore, LogId};

use crate::clock::NodeClock;
use crate::fault::Fault;
use crate::finding::Law;
use crate::image::Image;
use crate::ledger::Name;
use crate::sim::{Node, Sim};
use crate::stores::{Crash, Stores, finish};
use crate::trace::Moment;
use crate::witness::Witness;

/// Of a thousand commits on a disk that is not synced, so many reach it before the next.
const FLUSHED: u32 = 150;

/// Of a thousand records that were not flushed, so many reach the disk before the power goes.
const ARRIVED: u32 = 700;
/// Of a thousand power cuts, so many tear the last record that reached the disk.
const TORN: u32 = 300;

/// One log's disk.
pub(crate) struct Disk {
    pub(crate) name: String,
    /// What dies when the log's holder dies.
    pub(crate) node: Node,
    pub(crate) clock: Arc<NodeClock>,
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
    image: Image,
    records: Vec<WriteBatch>,
    /// So many records outlive a power cut.
    durable: usize,
    /// How many stores were opened for this disk.
    opened: u32,
    /// No older state has come back under this log's identity.
    trusted: bool,
    /// So many records were there when the backup was made.
    backup: usize,
    failing: Vec<Failure>,
    full_until: Moment,
    /// Nobody answers.
    down: bool,
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
        f.debug_struct("Disk").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Disk {
    pub(crate) fn new(
        (name, node): (String, Node),
        clock: Arc<NodeClock>,
        witness: &Arc<Witness>,
        (stores, durability, simulated): (Arc<dyn Stores>, Durability, bool),
        log: LogId,
    ) -> Arc<Self> {
        let live = stores.open(&name, log);
        let state = State {
            live,
            image: Image::new(log),
            records: Vec::new(),
            durable: 0,
            opened: 1,
            trusted: true,
            backup: 0,
            failing: Vec::new(),
            full_until: Moment(0),
            down: false,
        };
        let (sim, witness) = (witness.sim.clone(), witness.clone());
        let changed = Signal::new();
        Arc::new(Self {
            name,
            node,
            clock,
            durability,
            simulated,
            sim,
            witness,
            stores,
            state: Mutex::new(state),
            changed,
        })
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
            self.sim.fault(Fault::IoFailed, || format!("{}: a read fails", self.name));
            return Err(failed("the read failed"));
        }
        Ok(state.live.clone())
    }

    /// The store, for looking at from outside.
    pub(crate) fn peek(&self) -> Arc<dyn EventStore> {
        self.state().live.clone()
    }

    /// Looks at what the log must hold.
    pub(crate) fn with_image<T>(&self, look: impl FnOnce(&Image) -> T) -> T {
        look(&self.state().image)
    }

    /// Whether positions still mean what they meant: no older state has come back under this log's identity.
    pub(crate) fn is_trusted(&self) -> bool {
        self.state().trusted
    }

    /// Commits, or fails as it was told to.
    pub(crate) fn commit(&self, batch: WriteBatch) -> Result<Committed, StoreError> {
        let mut state = self.state();
        if state.down {
            return Err(failed("the database is down"));
        }
        if state.full_until > self.sim.now() {
            drop(state);
            self.sim.fault(Fault::DiskFull, || format!("{}: the disk is full", self.name));
            return Err(failed("no space is left"));
        }
        let failure = state.failing.pop();
        if failure == Some(Failure::Before) {
            drop(state);
            self.sim.fault(Fault::IoFailed, || format!("{}: a commit fails", self.name));
            return Err(failed("the commit failed"));
        }
        let copy = batch.clone();
        let committed = finish(state.live.commit(batch))?;
        self.note(&mut state, copy, committed);
        drop(state);
        self.changed.notify(usize::MAX);
        if failure == Some(Failure::After) {
            self.sim.fault(Fault::OutcomeUnknown, || format!("{}: a commit fails, and is there", self.name));
            return Err(failed("the commit's outcome is unknown"));
        }
        Ok(committed)
    }

    /// Keeps the image and the record of a commit, and looks whether it broke a law.
    fn note(&self, state: &mut State, batch: WriteBatch, committed: Committed) {
        let added = state.image.apply(&batch).and_then(|added| state.image.check(committed).map(|()| added));
        match added {
            Ok(added) => self.witness.committed(self, &state.image, &added),
            Err(finding) => self.sim.found(finding.law, format!("{}: {}", self.name, finding.detail)),
        }
        if !batch.clear.is_empty() {
            let views = || batch.clear.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            self.sim.tell(|| format!("{}: the rows of {} go", self.name, views()));
        }
        state.records.push(batch);
        let synced = self.durability == Durability::Synced || self.sim.state().disk.chance(FLUSHED);
        if synced {
            state.durable = state.records.len();
        }
        self.sim.note(committed.revision.get());
    }

    /// Waits until somebody has committed more.
    pub(crate) async fn changed(&self, since: syncline::Revision) -> Result<syncline::Revision, StoreError> {
        loop {
            let listener = self.changed.listen();
            {
                let state = self.state();
                if state.down {
                    return Err(failed("the database is down"));
                }
                if state.image.revision > since.get() {
                    return Ok(syncline::Revision::new(state.image.revision));
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

    /// The log's holder has died. What the crash destroyed is gone, and returned.
    pub(crate) fn crash(&self, crash: Crash) -> Vec<Name> {
        let mut state = self.state();
        state.failing.clear();
        if self.simulated {
            let lost = state.records.len() - state.durable;
            if crash == Crash::Process || lost == 0 {
                return Vec::new();
            }
            let kept = state.durable + self.readable(lost);
            let log = state.image.log;
            return self.rebuild(&mut state, kept, log);
        }
        self.stores.crash(&self.current(&state), crash);
        state.live = self.stores.open(&self.current(&state), state.image.log);
        self.compare(&mut state, crash)
    }

    /// How many of the records that were not flushed a recovery can read. Each reached the disk or did not, in no order, and the last
    /// that did may be torn; records carry checksums, so that recovery ends at the first that is missing or torn.
    fn readable(&self, unflushed: usize) -> usize {
        let disk = &mut self.sim.state().disk;
        let arrived: Vec<bool> = (0..unflushed).map(|_| disk.chance(ARRIVED)).collect();
        let torn = arrived.iter().rposition(|arrived| *arrived).filter(|_| disk.chance(TORN));
        let whole = arrived.iter().enumerate().take_while(|(number, arrived)| **arrived && Some(*number) != torn);
        whole.count()
    }

    /// Goes back to the backup, as a log of this identity. Returns what is gone, or `None` where nothing would change.
    pub(crate) fn restore(&self, log: Option<LogId>) -> Option<Vec<Name>> {
        let mut state = self.state();
        if state.backup == state.records.len() {
            return None;
        }
        let (kept, log) = (state.backup, log.unwrap_or(state.image.log));
        Some(self.rebuild(&mut state, kept, log))
    }

    /// Fills this disk with a copy of another's log.
    pub(crate) fn copy_from(&self, other: &Disk) {
        self.clock.has_shown(other.clock.largest());
        let records = other.state().records.clone();
        let mut state = self.state();
        let log = state.image.log;
        let kept = records.len();
        state.records = records;
        self.rebuild(&mut state, kept, log);
        state.trusted = true;
    }

    fn current(&self, state: &State) -> String {
        if state.opened == 1 { self.name.clone() } else { format!("{}, copy {}", self.name, state.opened) }
    }

    /// Commits the first `kept` records to a new store, which replaces the old one.
    fn rebuild(&self, state: &mut State, kept: usize, log: LogId) -> Vec<Name> {
        state.opened += 1;
        state.records.truncate(kept);
        state.live = self.stores.open(&self.current(state), log);
        let mut image = Image { generation: state.image.generation + 1, ..Image::new(log) };
        for batch in &state.records {
            if let Err(error) = finish(state.live.commit(batch.clone())) {
                self.sim.found(Law::StoreKeepsItsWord, format!("{}: a sound commit fails: {error}", self.name));
            }
            let _ = image.apply(batch);
        }
        state.trusted = log != state.image.log || (state.trusted && image.revision == state.image.revision);
        let old = std::mem::replace(&mut state.image, image);
        state.durable = kept;
        state.backup = state.backup.min(kept);
        self.witness.moved(old.log, log);
        self.changed.notify(usize::MAX);
        old.names().filter(|name| !state.image.holds(*name)).collect()
    }

    /// Compares what a user's store has kept with what it had to keep.
    fn compare(&self, state: &mut State, crash: Crash) -> Vec<Name> {
        let status = match finish(state.live.status()) {
            Ok(status) => status,
            Err(error) => {
                self.sim
                    .found(Law::StoreKeepsItsWord, format!("{}: after a crash it does not open: {error}", self.name));
                return Vec::new();
            }
        };
        let found = usize::try_from(status.revision.get()).unwrap_or(usize::MAX);
        let least = if crash == Crash::Process { state.records.len() } else { state.durable };
        if found < least || found > state.records.len() {
            let (name, made) = (&self.name, state.records.len());
            let word = if least == made { "all" } else { "more" };
            let detail = format!(
                "{name}: after a crash {found} of {made} commits are there; {word} had returned and had to survive"
            );
            self.sim.found(Law::StoreKeepsItsWord, detail);
            return Vec::new();
        }
        let mut image = Image { generation: state.image.generation + 1, ..Image::new(state.image.log) };
        state.records.truncate(found);
        state.records.iter().for_each(|batch| drop(image.apply(batch)));
        let old = std::mem::replace(&mut state.image, image);
        state.trusted &= old.revision == state.image.revision;
        old.names().filter(|name| !state.image.holds(*name)).collect()
    }
}

fn failed(why: &str) -> StoreError {
    StoreError::Backend { backend: "sim", retry: Retry::Later, source: why.into() }
}

/// The process that had the commit under way has died.
pub(crate) fn gone() -> StoreError {
    failed("the connection is gone; the commit's outcome is unknown")
}
