//! What a crash or a restore leaves of a disk, and how its store is opened again.

use std::sync::Arc;

use syncline::{EventStore, LogId, MemoryStore};

use super::{Disk, State};
use crate::finding::Law;
use crate::ledger::Name;
use crate::sim::Sim;
use crate::stores::{Crash, Stores, finish};

/// This many of a thousand records that were not flushed reach the disk before the power fails.
const ARRIVED: u32 = 700;
/// This many of a thousand power cuts tear the last record that reached the disk.
const TORN: u32 = 300;

impl Disk {
    /// The log's holder has died. What the crash destroyed is gone, and returned.
    pub(crate) fn crash(&self, crash: Crash) -> Vec<Name> {
        let (mut state, log) = (self.state(), self.log.image().log);
        state.failing.clear();
        if self.simulated {
            let lost = state.records.len() - state.durable;
            if crash == Crash::Process || lost == 0 {
                return Vec::new();
            }
            let kept = state.durable + self.readable(lost);
            return self.rebuild(&mut state, kept, None);
        }
        let name = self.current(&state);
        state.live = nobody(log);
        self.stores.crash(&name, crash);
        state.live = open(&self.sim, &*self.stores, &name, log);
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

    /// Goes back to the backup, as a log of this identity, or of the one that it had then. Returns what is gone, or `None` if nothing
    /// would change.
    pub(crate) fn restore(&self, log: Option<LogId>) -> Option<Vec<Name>> {
        let mut state = self.state();
        if state.backup == state.records.len() {
            return None;
        }
        let kept = state.backup;
        Some(self.rebuild(&mut state, kept, log))
    }

    /// Fills this disk with a copy of another's log.
    pub(crate) fn copy_from(&self, other: &Disk) {
        self.log.clock.has_shown(&other.log.clock);
        let records = other.state().records.clone();
        let (mut state, log) = (self.state(), self.log.image().log);
        let kept = records.len();
        state.records = records;
        self.rebuild(&mut state, kept, Some(log));
        self.log.image().trusted = true;
    }

    fn current(&self, state: &State) -> String {
        if state.opened == 1 { self.log.name.clone() } else { format!("{}, copy {}", self.log.name, state.opened) }
    }

    /// Commits the first `kept` records to a new store, which replaces the old one. With an identity the log has that one then.
    fn rebuild(&self, state: &mut State, kept: usize, log: Option<LogId>) -> Vec<Name> {
        state.opened += 1;
        state.records.truncate(kept);
        if let Some(log) = log {
            let last = state.records.iter_mut().rev().find_map(|batch| batch.replace.as_mut());
            *last.map_or(&mut state.born, |last| &mut last.log) = log;
        }
        state.live = nobody(state.born);
        state.live = open(&self.sim, &*self.stores, &self.current(state), state.born);
        let mut image = self.log.image().older(state.born);
        for batch in &state.records {
            if let Err(error) = finish(state.live.commit(batch.clone())) {
                self.sim.found(Law::StoreKeepsItsWord, format!("{}: a sound commit fails: {error}", self.log.name));
            }
            let _ = image.apply(batch, &self.witness.ledger());
        }
        state.durable = kept;
        state.backup = state.backup.min(kept);
        let old = self.log.image().log;
        self.witness.moved(old, image.log);
        self.changed.notify(usize::MAX);
        self.log.replace(image)
    }

    /// Compares what a user's store has kept with what it had to keep.
    fn compare(&self, state: &mut State, crash: Crash) -> Vec<Name> {
        let status = match finish(state.live.status()) {
            Ok(status) => status,
            Err(error) => {
                self.sim.found(
                    Law::StoreKeepsItsWord,
                    format!("{}: after a crash it has no status: {error}", self.log.name),
                );
                return Vec::new();
            }
        };
        let found = usize::try_from(status.revision.get()).unwrap_or(usize::MAX);
        let least = if crash == Crash::Process { state.records.len() } else { state.durable };
        if found < least || found > state.records.len() {
            let (name, made) = (&self.log.name, state.records.len());
            let word = if least == made { "all" } else { "more" };
            let detail = format!(
                "{name}: after a crash {found} of {made} commits are there; {word} had returned and had to survive"
            );
            self.sim.found(Law::StoreKeepsItsWord, detail);
            return Vec::new();
        }
        let mut image = self.log.image().older(state.born);
        state.records.truncate(found);
        let ledger = self.witness.ledger();
        state.records.iter().for_each(|batch| drop(image.apply(batch, &ledger)));
        drop(ledger);
        self.log.replace(image)
    }
}

/// Opens a store. If that fails, a law is broken, and an empty store stands in for it.
pub(super) fn open(sim: &Sim, stores: &dyn Stores, name: &str, log: LogId) -> Arc<dyn EventStore> {
    stores.open(name, log).unwrap_or_else(|error| {
        sim.found(Law::StoreKeepsItsWord, format!("{name}: its store does not open: {error}"));
        nobody(log)
    })
}

/// Stands in for a store that is not open: the handle of the real one is dropped when this takes its place.
fn nobody(log: LogId) -> Arc<dyn EventStore> {
    Arc::new(MemoryStore::new(log))
}
