//! One device: a replica on a disk, and the application that uses it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use syncline::authority::Principal;
use syncline::limits::OWN_ROW_BYTES_MAX;
use syncline::projection::Cause;
use syncline::protocol::{Code, Problem};
use syncline::replica::{ReplicaError, SyncError, SyncReport, WaitCause, Waiting, Written};
use syncline::store::StoreError;
use syncline::{Event, Replica, ReplicaId, Transport, TransportError};

use crate::clock::{NodeClock, reader};
use crate::disk::Disk;
use crate::fault::Fault;
use crate::finding::Law;
use crate::handle::{SimStore, Speed};
use crate::ledger::Acknowledged;
use crate::lock::locked;
use crate::profile::RowLimits;
use crate::rng::mix;
use crate::sim::{Node, Sim};
use crate::stack::{Misuse, Stack};
use crate::stores::space;
use crate::trace::NOTHING_NEW;
use crate::transport::Door;
use crate::witness::Witness;

mod look;
mod snapshots;
mod watched;

pub(crate) use snapshots::lacks_what_is_aside;

/// After how many bundles a sync moves a device's checkpoint. 0: never.
const CHECKPOINTS: [u64; 4] = [0, 1, 3, 8];
/// How many bundles a device keeps that trims its log.
const KEPT: [Option<u64>; 3] = [None, Some(0), Some(2)];

/// What all tasks of a device share. Outlives its process.
pub(crate) struct Device {
    pub(crate) index: usize,
    pub(crate) node: Node,
    pub(crate) disk: Arc<Disk>,
    pub(crate) clock: Arc<NodeClock>,
    pub(crate) principal: Principal,
    pub(crate) witness: Arc<Witness>,
    pub(crate) stack: Stack,
    pub(crate) speed: Speed,
    rows: Option<RowLimits>,
    /// The identity of a store without one.
    pub(crate) fresh: ReplicaId,
    replica: Mutex<Option<Replica>>,
    /// Others read its store.
    served: bool,
    may_trim: bool,
    /// Where new identities come from, and how many there were.
    seed: u64,
    minted: Arc<AtomicU32>,
    /// A sync has said that the device's history contradicts its peer's.
    wedged: AtomicBool,
    /// How often its peer has said that it failed itself.
    failures: AtomicU32,
    /// For how long, at most, something of its own waits, as it has told.
    waits: Mutex<Duration>,
    /// It has all views, not only the old version's.
    upgraded: AtomicBool,
    /// The replica is being opened.
    opening: AtomicBool,
    /// An earlier handle may still be at work next to the present one.
    two_handles: AtomicBool,
    /// Why the replica does not open.
    trouble: Mutex<Option<String>>,
}

/// What a device is made of.
pub(crate) struct Parts {
    pub(crate) index: usize,
    pub(crate) node: Node,
    pub(crate) disk: Arc<Disk>,
    pub(crate) principal: Principal,
    pub(crate) witness: Arc<Witness>,
    pub(crate) stack: Stack,
    pub(crate) speed: Speed,
    pub(crate) rows: Option<RowLimits>,
    pub(crate) fresh: ReplicaId,
    pub(crate) seed: u64,
    pub(crate) old: bool,
    pub(crate) served: bool,
    pub(crate) may_trim: bool,
}

/// A new identity, the `count`-th of a device.
fn identity(seed: u64, index: u64, count: u32) -> ReplicaId {
    let high = mix(seed ^ mix(index << 32 | u64::from(count) | 1 << 63));
    ReplicaId::from_bytes(((u128::from(high) << 64) | (u128::from(count) + 1)).to_be_bytes()).expect("it is not zero")
}

/// Longer than any clock can be off.
pub(crate) const UNBOUNDED: Duration = Duration::from_secs(1 << 32);
/// How long an application waits before it opens its store again.
const REOPEN: Duration = Duration::from_millis(5);

impl Device {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let Parts { index, node, disk, principal, witness, stack, speed, rows, fresh, seed, old, served, may_trim } =
            parts;
        let clock = disk.log.clock.clone();
        witness.ledger().belongs(fresh, &principal);
        let (replica, wedged) = (Mutex::default(), AtomicBool::new(false));
        let (upgraded, opening) = (AtomicBool::new(!old), AtomicBool::new(false));
        Arc::new(Self {
            index,
            node,
            disk,
            clock,
            principal,
            witness,
            stack,
            speed,
            rows,
            fresh,
            served,
            may_trim,
            seed,
            minted: Arc::default(),
            replica,
            wedged,
            failures: AtomicU32::new(0),
            waits: Mutex::default(),
            upgraded,
            opening,
            two_handles: AtomicBool::new(false),
            trouble: Mutex::default(),
        })
    }

    pub(crate) fn sim(&self) -> &Arc<Sim> {
        &self.witness.sim
    }

    pub(crate) fn replica(&self) -> Option<Replica> {
        locked(&self.replica).clone()
    }

    pub(crate) fn is_wedged(&self) -> bool {
        self.wedged.load(Ordering::Relaxed)
    }

    pub(crate) fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    /// For how long something of its own waits, as it has told since it was asked last.
    pub(crate) fn take_wait(&self) -> Duration {
        std::mem::take(&mut *locked(&self.waits))
    }

    pub(crate) fn is_upgraded(&self) -> bool {
        self.upgraded.load(Ordering::Relaxed)
    }

    /// It will be opened with all views. Returns whether that is new.
    pub(crate) fn upgrade(&self) -> bool {
        self.two_handles.store(true, Ordering::Relaxed);
        !self.upgraded.swap(true, Ordering::Relaxed)
    }

    /// Its process has died.
    pub(crate) fn die(&self) {
        locked(&self.replica).take();
        self.opening.store(false, Ordering::Relaxed);
        self.two_handles.store(false, Ordering::Relaxed);
        self.witness.forget(self.index);
        self.witness.times().into_iter().for_each(|mut times| times.died(self.index));
    }

    /// Opens the replica after so long, unless that is being done, and again until it succeeds.
    pub(crate) fn open_after(self: &Arc<Self>, span: Duration) {
        if self.opening.swap(true, Ordering::Relaxed) {
            return;
        }
        let device = self.clone();
        self.sim().clone().spawn(self.node, async move {
            device.sim().sleep(span).await;
            while !device.open().await {
                device.sim().sleep(REOPEN).await;
            }
            device.opening.store(false, Ordering::Relaxed);
        });
    }

    /// Opens the replica. Returns whether it is open now as it should be.
    async fn open(&self) -> bool {
        let upgraded = self.is_upgraded();
        let store = Arc::new(SimStore::new(self.disk.clone(), self.speed));
        let (seed, index, minted) = (self.seed, self.index as u64, self.minted.clone());
        let (witness, principal) = (self.witness.clone(), self.principal.clone());
        let mint = move || identity(seed, index, minted.fetch_add(1, Ordering::Relaxed));
        let identities = move || witness.ledger().belongs(mint(), &principal);
        let compose = Replica::compose(space(), store);
        let mut compose = compose.clock(reader(&self.clock));
        if !self.stack.forks_are_left() {
            compose = compose.on_fork(identities);
        }
        if self.stack.misuse == Some(Misuse::NoBound) {
            compose = compose.max_drift(UNBOUNDED);
        }
        if let Some(rows) = self.rows {
            let own = if self.stack.own_views { rows.own } else { OWN_ROW_BYTES_MAX };
            compose = compose.piece_bytes(rows.piece).row_bytes_max(own);
        }
        // By name and not by chance, so that a seed draws what it always drew.
        let pick = |count: usize| (seed.wrapping_add(index) % count as u64) as usize;
        compose = compose.checkpoint_every(CHECKPOINTS[pick(CHECKPOINTS.len())]);
        if let Some(kept) = KEPT[pick(KEPT.len())].filter(|_| self.may_trim) {
            compose = compose.keep_bundles(kept);
        }
        let mut compose = if self.served { compose.shared_with_service() } else { compose };
        for view in self.stack.views_of(upgraded) {
            compose = (view.compose)(compose);
        }
        match compose.open(self.fresh).await {
            Ok(replica) => {
                self.sim().tell(|| format!("device {} is open", self.index));
                self.note_history(upgraded);
                self.witness.forget(self.index);
                locked(&self.trouble).take();
                *locked(&self.replica) = Some(replica);
                // It may have been upgraded in the meantime.
                upgraded == self.is_upgraded()
            }
            Err(error) => {
                let trouble = format!("device {} does not open: {error}", self.index);
                self.sim().tell(|| trouble.clone());
                if let ReplicaError::View(_) = error {
                    self.sim().found(Law::ComesToRest, trouble.clone());
                }
                *locked(&self.trouble) = Some(trouble);
                false
            }
        }
    }

    /// Whether the replica is being opened.
    pub(crate) fn is_opening(&self) -> bool {
        self.opening.load(Ordering::Relaxed)
    }

    /// Why the replica does not open, if it is being tried.
    pub(crate) fn trouble(&self) -> Option<String> {
        locked(&self.trouble).clone()
    }

    /// Records events.
    pub(crate) async fn write(self: Arc<Self>, events: Vec<Event>) {
        let Some(replica) = self.replica() else { return };
        let begun = self.right_time();
        match replica.write(&events).await {
            Ok(written) => self.wrote(written, begun),
            Err(ReplicaError::Store(error)) => self.failed("write", &error),
            Err(ReplicaError::Unfoldable { view, cause: Cause::Panicked(panic), .. }) => {
                self.sim().found(Law::ProjectionIsPure, format!("{view} panics: {panic}"));
            }
            Err(error @ ReplicaError::RowTooLarge { .. }) if self.rows.is_some() => {
                self.sim().fault(Fault::RowTooLarge, || format!("device {}: a write is refused: {error}", self.index));
            }
            Err(error) => self.sim().found(Law::NoPanic, format!("a sound write fails: {error}")),
        }
    }

    /// A write has returned: its bundle must be in the log.
    pub(crate) fn acknowledge(&self, written: Written) {
        let dot = written.dot;
        self.sim().note(dot.seq.get());
        let entry = self.disk.with_image(|image| image.entry(dot));
        match entry {
            // It has moved in the meantime: that is noted already.
            None if self.witness.ledger().has_moved(dot) => {}
            Some(entry) => {
                self.sim().tell(|| format!("device {} has written bundle {dot}", self.index));
                let acknowledged = Acknowledged { name: (dot, entry.chain), device: self.index };
                self.witness.ledger().acknowledge(acknowledged);
            }
            None => {
                let detail = format!("device {}: write returned bundle {dot}, which is not in its log", self.index);
                self.sim().found(Law::AcknowledgedIsKept, detail);
            }
        }
    }

    /// Exchanges logs with a peer.
    pub(crate) async fn sync(self: Arc<Self>, way: Arc<dyn Transport>, door: Arc<Door>) {
        let Some(replica) = self.replica() else { return };
        match self.watched_sync(&replica, &*way, &door.disk.log).await {
            Ok(report) => self.synced(&report, &door),
            Err(error) => self.sync_failed(&error, &door),
        }
    }

    pub(crate) fn synced(&self, report: &SyncReport, door: &Door) {
        self.sim().note(report.pushed << 32 | report.pulled);
        self.sim().note(report.supplied << 42 | report.restamped << 21 | report.rehomed);
        if let Some(Waiting { drift, cause: WaitCause::Sent, .. }) = report.waiting {
            let mut waits = locked(&self.waits);
            *waits = drift.ahead.saturating_sub(drift.allowed).max(*waits);
        }
        let ahead = report.stopped.as_ref().is_some_and(|problem| matches!(problem.code, Code::ClockAhead { .. }));
        let healed =
            [(report.restamped, Fault::Restamped), (report.rehomed, Fault::Rehomed), (report.moved, Fault::Moved)];
        self.took(report.bootstrapped);
        healed.into_iter().filter(|(count, _)| *count > 0).for_each(|(_, fault)| self.sim().count(fault));
        if ahead || report.restamped > 0 || report.held.is_some() {
            self.sim().count(Fault::TooFarAhead);
        }
        self.sim().tell(|| {
            let SyncReport {
                pushed, supplied, pulled, restamped, rehomed, moved, refused, stopped, waiting, held, ..
            } = report;
            let stop = stopped.as_ref().map(|problem| format!(", stopped: {problem}")).unwrap_or_default();
            let stop = waiting.map_or(stop.clone(), |Waiting { bundles, cause, .. }| {
                format!("{stop}; {bundles} wait, for they are {cause:?}")
            });
            let hold = held.map(|held| format!(", held at {}", held.dot)).unwrap_or_default();
            let counts = [(*supplied, "supplied"), (*restamped, "restamped"), (*rehomed, "rehomed"), (*moved, "moved")];
            let counts = counts.into_iter().chain([(refused.len() as u64, "refused")]).filter(|(count, _)| *count > 0);
            let counts: String = counts.map(|(count, what)| format!(", {count} {what}")).collect();
            let done = format!("device {} has synced with {}", self.index, door.name);
            match (pushed, pulled) {
                (0, 0) if counts.is_empty() && stop.is_empty() && hold.is_empty() => format!("{done}: {NOTHING_NEW}"),
                _ => format!("{done}: {pushed} out, {pulled} in{counts}{stop}{hold}"),
            }
        });
    }

    pub(crate) fn sync_failed(self: &Arc<Self>, error: &SyncError, door: &Door) {
        self.sim().tell(|| format!("device {} fails to sync with {}: {error}", self.index, door.name));
        match error {
            SyncError::Transport(TransportError::Refused(Problem { code: Code::Internal, .. })) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
            SyncError::Transport(_) | SyncError::Replaced => {}
            SyncError::Replica(ReplicaError::Store(error)) => self.failed("sync", error),
            SyncError::Forked { .. } | SyncError::Diverged(_) | SyncError::Unequal { .. }
                if self.witness.ledger().may_any_fork() =>
            {
                self.wedged.store(true, Ordering::Relaxed);
            }
            error => {
                let detail = format!("device {}: sync fails without a cause: {error}", self.index);
                self.sim().found(Law::ComesToRest, detail);
            }
        }
    }

    /// The store has failed: a handle that stays unusable is opened again.
    pub(crate) fn failed(self: &Arc<Self>, what: &str, error: &StoreError) {
        self.sim().tell(|| format!("device {}: a {what} fails: {error}", self.index));
        match error {
            StoreError::Poisoned { .. } => {
                locked(&self.replica).take();
                self.two_handles.store(true, Ordering::Relaxed);
                self.open_after(REOPEN);
            }
            StoreError::Backend { .. } => {}
            error => {
                let detail = format!("device {}: {what} fails: {error}", self.index);
                self.sim().found(Law::StoreKeepsItsWord, detail);
            }
        }
    }

    /// Folds one view again.
    pub(crate) async fn rebuild(self: Arc<Self>, view: syncline::ViewId) {
        let Some(replica) = self.replica() else { return };
        match replica.rebuild(&view).await {
            Ok(()) => self.sim().fault(Fault::Rebuilt, || format!("device {} has rebuilt {view}", self.index)),
            Err(ReplicaError::Store(error)) => self.failed("rebuild", &error),
            Err(_) => {}
        }
    }
}
