//! Sees every commit of every log, and every answer that arrives.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use syncline::clock::MAX_DRIFT;
use syncline::format::time;
use syncline::{LogId, NTP64, Position, ReplicaId, Seq};

use crate::clock::{COUNTING, NodeClock};
use crate::image::{Added, Image};
use crate::invariants::times::Times;
use crate::invariants::{clocks, cursors, sent, written};
use crate::ledger::Ledger;
use crate::lock::locked;
use crate::sim::Sim;
use crate::watched_log::WatchedLog;

/// What one history knows about itself.
pub(crate) struct Witness {
    pub(crate) sim: Arc<Sim>,
    ledger: Mutex<Ledger>,
    /// Each log, by its identity.
    logs: Mutex<BTreeMap<LogId, Arc<WatchedLog>>>,
    /// The clocks that peers vouch with.
    vouchers: Mutex<Vec<Arc<NodeClock>>>,
    cursors: Mutex<cursors::Marks>,
    /// The times of edits, if they are watched.
    times: Option<Mutex<Times>>,
    /// Per device the last that its peer has told it.
    told: Mutex<BTreeMap<usize, Vec<Told>>>,
    /// Per device the last notice that has reached it since.
    noticed: Mutex<BTreeMap<usize, Told>>,
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
            noticed: Mutex::default(),
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

    /// There is a log of this identity now.
    pub(crate) fn register(&self, id: LogId, log: &Arc<WatchedLog>) {
        locked(&self.logs).insert(id, log.clone());
    }

    /// A log has been restored under a new identity.
    pub(crate) fn moved(&self, old: LogId, new: LogId) {
        let mut logs = locked(&self.logs);
        if let Some(log) = logs.remove(&old) {
            logs.insert(new, log);
        }
    }

    /// The log of this identity.
    pub(crate) fn log(&self, id: LogId) -> Option<Arc<WatchedLog>> {
        locked(&self.logs).get(&id).cloned()
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

    /// A notice has reached a device, which may look at it later.
    pub(crate) fn notice(&self, device: usize, told: Told) {
        locked(&self.noticed).insert(device, told);
    }

    /// A device has looked at everything that it was told, notices included.
    pub(crate) fn keep_last(&self, device: usize) {
        let noticed = locked(&self.noticed).remove(&device);
        let mut all = locked(&self.told);
        let Some(last) = all.get_mut(&device).and_then(|told| {
            told.drain(..told.len().saturating_sub(1));
            told.last_mut()
        }) else {
            return;
        };
        if let Some(noticed) = noticed.filter(|noticed| noticed.log == last.log)
            && (noticed.generation, noticed.head) > (last.generation, last.head)
        {
            (last.generation, last.head) = (noticed.generation, noticed.head);
        }
    }

    /// A device has forgotten what it was told: it was started again.
    pub(crate) fn forget(&self, device: usize) {
        locked(&self.told).remove(&device);
        locked(&self.noticed).remove(&device);
    }

    /// The last two that a device was told, the latest last: the replica may not have looked at that yet.
    pub(crate) fn told(&self, device: usize) -> Vec<Told> {
        locked(&self.told).get(&device).cloned().unwrap_or_default()
    }

    /// A commit is in the log: it may add only what its origin has written, believe only near times, and skip nothing.
    pub(crate) fn committed(&self, log: &WatchedLog, image: &Image, added: &Added) {
        for (old, new) in &added.moved {
            self.sim.tell(|| format!("{} writes {} again, as {}", log.name, old.0, new.0));
            self.ledger().rehome(*old, *new);
            if added.in_doubt {
                self.ledger().doubt(*old);
            }
        }
        let sent = sent::stays(&self.ledger(), &added.moved);
        let checks = [
            sent,
            written::is_known(&mut self.ledger(), image, &added.bundles),
            clocks::within(image, &added.bundles, self.bound(log), log.clock.set_forward()),
            added
                .cursors
                .iter()
                .try_for_each(|row| locked(&self.cursors).check(self.log(row.cursor.log), (log, image), *row)),
        ];
        if let Some(finding) = checks.into_iter().find_map(Result::err) {
            self.sim.found(finding.law, format!("{}: {}", log.name, finding.detail));
        }
    }

    /// The largest time that a log may hold: what its own clock or any peer's has shown, and the bound.
    fn bound(&self, log: &WatchedLog) -> NTP64 {
        let clocks = locked(&self.vouchers);
        let largest = clocks.iter().map(|clock| clock.largest()).max().unwrap_or(NTP64(0)).max(log.clock.largest());
        time::after(time::after(largest, MAX_DRIFT), COUNTING)
    }
}
