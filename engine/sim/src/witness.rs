//! Sees every commit of every log, and every answer that arrives.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use syncline::clock::MAX_DRIFT;
use syncline::format::time;
use syncline::{LogId, NTP64, Position, ReplicaId, Seq};

use crate::clock::{COUNTING, NodeClock};
use crate::disk::Disk;
use crate::image::{Added, Image};
use crate::invariants::times::Times;
use crate::invariants::{clocks, cursors, sent, written};
use crate::ledger::Ledger;
use crate::sim::Sim;

/// What one history knows about itself.
pub(crate) struct Witness {
    pub(crate) sim: Arc<Sim>,
    ledger: Mutex<Ledger>,
    /// Where each log lies.
    logs: Mutex<BTreeMap<LogId, Arc<Disk>>>,
    /// The clocks that peers vouch with.
    vouchers: Mutex<Vec<Arc<NodeClock>>>,
    cursors: Mutex<cursors::Marks>,
    /// The times of edits, if they are watched.
    times: Option<Mutex<Times>>,
    /// Per device the last that its peer has told it.
    told: Mutex<BTreeMap<usize, Vec<Told>>>,
}

/// What a device was told of a peer's log.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) log: LogId,
    /// The log's end.
    pub(crate) head: Position,
    /// How often the log had gone back to an older state by then.
    pub(crate) generation: u32,
    /// How many bundles the device had then.
    pub(crate) here: u64,
    /// Bundles that the peer has said it has, wherever they lie.
    pub(crate) through: BTreeMap<ReplicaId, Seq>,
}

impl Witness {
    pub(crate) fn new(sim: Arc<Sim>, watches_times: bool) -> Arc<Self> {
        Arc::new(Self {
            sim,
            ledger: Mutex::default(),
            logs: Mutex::default(),
            vouchers: Mutex::default(),
            cursors: Mutex::default(),
            times: watches_times.then(Mutex::default),
            told: Mutex::default(),
        })
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        locked(&self.ledger)
    }

    /// What is known of the times of edits, if they are watched.
    pub(crate) fn times(&self) -> Option<MutexGuard<'_, Times>> {
        self.times.as_ref().map(locked)
    }

    /// A clock that a peer's answers carry.
    pub(crate) fn vouches(&self, clock: &Arc<NodeClock>) {
        locked(&self.vouchers).push(clock.clone());
    }

    /// A log lies on this disk now.
    pub(crate) fn register(&self, log: LogId, disk: &Arc<Disk>) {
        locked(&self.logs).insert(log, disk.clone());
    }

    /// Lets go of everything that holds the witness itself: the history is over.
    pub(crate) fn close(&self) {
        locked(&self.logs).clear();
        drop(self.sim.take_spawned());
    }

    /// A log has been restored under a new identity.
    pub(crate) fn moved(&self, old: LogId, new: LogId) {
        let mut logs = locked(&self.logs);
        if let Some(disk) = logs.remove(&old) {
            logs.insert(new, disk);
        }
    }

    pub(crate) fn disk_of(&self, log: LogId) -> Option<Arc<Disk>> {
        locked(&self.logs).get(&log).cloned()
    }

    /// An answer has reached a device.
    pub(crate) fn tell(&self, device: usize, told: Told) {
        let mut all = locked(&self.told);
        let told_before = all.entry(device).or_default();
        let before = told_before.last().filter(|before| before.log == told.log);
        let mut through = before.map(|before| before.through.clone()).unwrap_or_default();
        through.extend(told.through);
        told_before.push(Told { through, ..told });
        if told_before.len() > 2 {
            told_before.remove(0);
        }
    }

    /// A device has forgotten what it was told: it was started again.
    pub(crate) fn forget(&self, device: usize) {
        locked(&self.told).remove(&device);
    }

    /// The last two that a device was told, the latest last: the replica may not have looked at that yet.
    pub(crate) fn told(&self, device: usize) -> Vec<Told> {
        locked(&self.told).get(&device).cloned().unwrap_or_default()
    }

    /// A commit is in the log: it may add only what its origin has written, believe only near times, and skip nothing.
    pub(crate) fn committed(&self, disk: &Disk, image: &Image, added: &Added) {
        for (old, new) in &added.moved {
            self.sim.tell(|| format!("{} writes {} again, as {}", disk.name, old.0, new.0));
            self.ledger().rehome(*old, *new);
            if added.in_doubt {
                self.ledger().doubt(*old);
            }
        }
        let sent = sent::stays(&self.ledger(), &added.moved);
        let checks = [
            sent,
            written::is_known(&mut self.ledger(), image, &added.bundles),
            clocks::within(image, &added.bundles, self.bound(disk), disk.clock.set_forward()),
            added.cursors.iter().try_for_each(|row| locked(&self.cursors).check(self, (disk, image), *row)),
        ];
        if let Some(finding) = checks.into_iter().find_map(Result::err) {
            self.sim.found(finding.law, format!("{}: {}", disk.name, finding.detail));
        }
    }

    /// The largest time that a log may hold: what its own clock or any peer's has shown, and the bound.
    fn bound(&self, disk: &Disk) -> NTP64 {
        let clocks = locked(&self.vouchers);
        let largest = clocks.iter().map(|clock| clock.largest()).max().unwrap_or(NTP64(0)).max(disk.clock.largest());
        time::after(time::after(largest, MAX_DRIFT), COUNTING)
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
