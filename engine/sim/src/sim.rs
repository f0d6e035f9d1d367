//! What all parts of a history share: virtual time, randomness, the trace, and the first broken law.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::fault::{Fault, Tally};
use crate::finding::{Finding, Law};
use crate::rng::Rng;
use crate::trace::{Moment, Trace};

/// Something that can die on its own: a device, a server process, a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node(pub(crate) u8);

pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The shared part of one history.
pub(crate) struct Sim {
    state: Mutex<State>,
    spawned: Mutex<Vec<(Node, Task)>>,
}

pub(crate) struct State {
    pub(crate) now: Moment,
    timers: std::collections::BinaryHeap<Timer>,
    timers_set: u64,
    pub(crate) net: Rng,
    pub(crate) disk: Rng,
    pub(crate) trace: Trace,
    pub(crate) tally: Tally,
    finding: Option<Finding>,
}

/// A sleeper. The heap gives the earliest first, and of equal ones that which was set first.
struct Timer {
    at: Moment,
    number: u64,
    waker: Waker,
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Timer {}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl Sim {
    pub(crate) fn new(seed: u64, with_story: bool) -> Arc<Self> {
        let state = State {
            now: Moment(0),
            timers: std::collections::BinaryHeap::new(),
            timers_set: 0,
            net: Rng::stream(seed, 2),
            disk: Rng::stream(seed, 3),
            trace: Trace::new(with_story),
            tally: Tally::default(),
            finding: None,
        };
        Arc::new(Self { state: Mutex::new(state), spawned: Mutex::default() })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Moment {
        self.state().now
    }

    /// Runs a task on a node, until it ends or the node dies.
    pub(crate) fn spawn(&self, node: Node, task: impl Future<Output = ()> + Send + 'static) {
        self.spawned.lock().unwrap_or_else(PoisonError::into_inner).push((node, Box::pin(task)));
    }

    pub(crate) fn take_spawned(&self) -> Vec<(Node, Task)> {
        std::mem::take(&mut *self.spawned.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits so long, by the time of the history.
    pub(crate) fn sleep(&self, span: Duration) -> Sleep<'_> {
        Sleep { sim: self, until: self.now().after(span), set: false }
    }

    /// The next sleeper, if it wakes by `limit`; time moves on to it.
    pub(crate) fn fire(&self, limit: Moment) -> Option<Waker> {
        let mut state = self.state();
        if state.timers.peek()?.at > limit {
            return None;
        }
        let timer = state.timers.pop()?;
        state.now = state.now.max(timer.at);
        Some(timer.waker)
    }

    /// Whether nobody waits for time.
    pub(crate) fn is_quiet(&self) -> bool {
        self.state().timers.is_empty()
    }

    /// Moves time on to `moment`, over nothing.
    pub(crate) fn pass_to(&self, moment: Moment) {
        let mut state = self.state();
        state.now = state.now.max(moment);
    }

    /// Takes note of a number in the trace.
    pub(crate) fn note(&self, word: u64) {
        self.state().trace.note(word);
    }

    /// Tells a happening in the story.
    pub(crate) fn tell(&self, text: impl FnOnce() -> String) {
        let mut state = self.state();
        let now = state.now;
        state.trace.tell(now, text);
    }

    /// Counts a fault that has taken effect.
    pub(crate) fn count(&self, fault: Fault) {
        let mut state = self.state();
        state.tally.count(fault);
        state.trace.note(fault as u64);
    }

    /// Counts a fault and tells of it.
    pub(crate) fn fault(&self, fault: Fault, text: impl FnOnce() -> String) {
        self.count(fault);
        self.tell(text);
    }

    /// Reports a broken law. The first one counts; what follows may be its consequence.
    pub(crate) fn found(&self, law: Law, detail: impl Into<String>) {
        let mut state = self.state();
        if state.finding.is_none() {
            let finding = Finding { law, detail: detail.into() };
            let now = state.now;
            state.trace.tell(now, || format!("BROKEN: {}", finding.law));
            // What follows is only its consequence.
            state.trace.mute(true);
            state.finding = Some(finding);
        }
    }

    pub(crate) fn finding(&self) -> Option<Finding> {
        self.state().finding.clone()
    }
}

/// Waits for a moment.
pub(crate) struct Sleep<'a> {
    sim: &'a Sim,
    until: Moment,
    set: bool,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.sim.state();
        if state.now >= self.until && self.set {
            return Poll::Ready(());
        }
        if !self.set {
            let number = state.timers_set;
            state.timers_set += 1;
            state.timers.push(Timer { at: self.until, number, waker: context.waker().clone() });
            drop(state);
            self.set = true;
        }
        Poll::Pending
    }
}

/// Lets everybody else run once.
pub(crate) async fn give_way() {
    let mut given = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
