//! Runs tasks one at a time, in an order that the seed chooses.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::rng::Rng;
use crate::sim::{Node, Sim, Task};
use crate::trace::Moment;

/// Polls that a history may take: only one that spins takes more.
const POLLS_MAX: u64 = 4_000_000;

/// All tasks of one history.
pub(crate) struct Executor {
    sim: Arc<Sim>,
    rng: Rng,
    slots: Vec<Slot>,
    free: Vec<usize>,
    ready: Vec<usize>,
    woken: Arc<Mutex<Vec<usize>>>,
    polls: u64,
    started: u64,
}

struct Slot {
    node: Node,
    task: Option<Task>,
    /// Which of all tasks it is.
    number: u64,
    waker: Waker,
    queued: bool,
}

struct Woken {
    slot: usize,
    woken: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).push(self.slot);
    }
}

/// Names a running task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskId {
    slot: usize,
    number: u64,
}

/// A history that never comes to rest.
#[derive(Debug)]
pub(crate) struct Spins;

impl Executor {
    pub(crate) fn new(sim: Arc<Sim>, seed: u64) -> Self {
        let rng = Rng::stream(seed, 1);
        Self {
            sim,
            rng,
            slots: Vec::new(),
            free: Vec::new(),
            ready: Vec::new(),
            woken: Arc::default(),
            polls: 0,
            started: 0,
        }
    }

    /// How many times a task was polled.
    pub(crate) fn polls(&self) -> u64 {
        self.polls
    }

    /// Starts a task on a node.
    pub(crate) fn start(&mut self, node: Node, task: Task) -> TaskId {
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = self.slots.len();
            let waker = Waker::from(Arc::new(Woken { slot, woken: self.woken.clone() }));
            self.slots.push(Slot { node, task: None, number: 0, waker, queued: false });
            slot
        });
        self.started += 1;
        let number = self.started;
        let entry = &mut self.slots[slot];
        (entry.node, entry.task, entry.number) = (node, Some(task), number);
        self.queue(slot);
        TaskId { slot, number }
    }

    /// Drops a task where it stands. Returns whether it was still running.
    pub(crate) fn cancel(&mut self, id: TaskId) -> bool {
        let slot = &mut self.slots[id.slot];
        if slot.number != id.number || slot.task.is_none() {
            return false;
        }
        let task = slot.task.take();
        self.free.push(id.slot);
        drop(task);
        true
    }

    /// Drops all tasks of a node where they stand. Returns whether any had begun.
    pub(crate) fn kill(&mut self, node: Node) -> bool {
        self.take_in();
        let mut dead = Vec::new();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if slot.node == node && slot.task.is_some() {
                dead.extend(slot.task.take());
                self.free.push(index);
            }
        }
        let any = !dead.is_empty();
        drop(dead);
        // What the dead have spawned while they were dropped is dead too.
        let spawned = self.sim.take_spawned();
        spawned.into_iter().filter(|(owner, _)| *owner != node).for_each(|(owner, task)| {
            self.start(owner, task);
        });
        any
    }

    /// Runs until nothing can happen by `limit`, and moves time on to it.
    pub(crate) fn run_until(&mut self, limit: Moment) -> Result<(), Spins> {
        while self.step(limit)? {}
        self.sim.pass_to(limit);
        Ok(())
    }

    /// Runs until nothing waits for time any more, or until `limit`. Returns whether it came to rest.
    pub(crate) fn run_to_rest(&mut self, limit: Moment) -> Result<bool, Spins> {
        while self.step(limit)? {}
        Ok(self.sim.is_quiet())
    }

    fn step(&mut self, limit: Moment) -> Result<bool, Spins> {
        self.take_in();
        if self.ready.is_empty() {
            let Some(waker) = self.sim.fire(limit) else { return Ok(false) };
            waker.wake();
            return Ok(true);
        }
        let chosen = if self.ready.len() == 1 { 0 } else { self.rng.index(self.ready.len()) };
        let slot = self.ready.swap_remove(chosen);
        self.slots[slot].queued = false;
        let Some(mut task) = self.slots[slot].task.take() else { return Ok(true) };
        self.polls += 1;
        if self.polls > POLLS_MAX {
            return Err(Spins);
        }
        self.sim.note(self.slots[slot].number);
        let waker = self.slots[slot].waker.clone();
        match task.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => self.slots[slot].task = Some(task),
            Poll::Ready(()) => self.free.push(slot),
        }
        Ok(true)
    }

    /// Takes in what was spawned and woken since.
    fn take_in(&mut self) {
        for (node, task) in self.sim.take_spawned() {
            self.start(node, task);
        }
        let woken = std::mem::take(&mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner));
        woken.into_iter().for_each(|slot| self.queue(slot));
    }

    fn queue(&mut self, slot: usize) {
        if !std::mem::replace(&mut self.slots[slot].queued, true) {
            self.ready.push(slot);
        }
    }
}
