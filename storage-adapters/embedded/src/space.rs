//! One space as it was committed last, and the spaces that are open.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use event_listener::Event as Signal;
use syncline::id::Revision;
use syncline::store::draft::{Draft, LogEnd};
use syncline::store::{LogStatus, StoreError};
use syncline::{ReplicaId, SpaceId};

use crate::backend::Place;
use crate::pack::Tail;
use crate::poison::Poison;

/// One space. There is one value per space and database, so that what it knows is what the database holds.
#[derive(Debug)]
pub(crate) struct Space<K> {
    pub(crate) place: Place<K>,
    state: Mutex<State>,
    /// Wakes reading threads that wait for a commit to be made known.
    published: Condvar,
    /// Raised by every commit, and if the writer fails.
    pub(crate) changed: Signal,
}

/// What is committed.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) status: LogStatus,
    /// What may be packed. It begins empty: what was left loose before stays so.
    pub(crate) tail: Tail,
    /// How many reading threads wait for a commit to be made known.
    waiting: usize,
}

impl<K> Space<K> {
    pub(crate) fn new(place: Place<K>, status: LogStatus) -> Self {
        let state = State { status, tail: Tail::default(), waiting: 0 };
        Self { place, state: Mutex::new(state), published: Condvar::new(), changed: Signal::new() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end of the log, with the heads of these origins.
    pub(crate) fn end(&self, origins: BTreeSet<ReplicaId>) -> LogEnd {
        let LogStatus { log, revision, head, base, clock, ref heads, .. } = self.state().status;
        let heads = origins.into_iter().map(|origin| (origin, heads.get(origin))).collect();
        LogEnd { log, revision, head, base, clock, heads }
    }

    /// Makes a committed draft known.
    pub(crate) fn publish(&self, draft: &Draft<'_>, tail: Tail) {
        let mut state = self.state();
        draft.publish(&mut state.status);
        state.tail = tail;
        drop(state);
        self.wake();
    }

    /// Waits until a commit that a reading thread has seen has been made known. So no row is seen before the status that it goes
    /// with, and none that does not become durable.
    pub(crate) fn await_published(&self, seen: Revision, poison: &Poison) -> Result<(), StoreError> {
        let mut state = self.state();
        while state.status.revision < seen {
            poison.check()?;
            state.waiting += 1;
            state = self.published.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        Ok(())
    }

    /// Wakes all who wait for a change.
    pub(crate) fn wake(&self) {
        // Anyone who is about to wait holds the state, so that none is missed. To wake nobody is a call of the system, too.
        let is_awaited = self.state().waiting > 0;
        if is_awaited {
            self.published.notify_all();
        }
        self.changed.notify(usize::MAX);
    }
}

/// The spaces that are open. Those whose handles are all gone are forgotten.
#[derive(Debug)]
pub(crate) struct OpenSpaces<K>(Mutex<Listed<K>>);

#[derive(Debug)]
struct Listed<K> {
    spaces: HashMap<SpaceId, Weak<Space<K>>>,
    /// How many may be listed before the forgotten ones are looked for.
    sweep_at: usize,
}

impl<K> Default for OpenSpaces<K> {
    fn default() -> Self {
        Self(Mutex::new(Listed { spaces: HashMap::new(), sweep_at: 0 }))
    }
}

impl<K> OpenSpaces<K> {
    pub(crate) fn get(&self, name: &SpaceId) -> Option<Arc<Space<K>>> {
        self.listed().spaces.get(name).and_then(Weak::upgrade)
    }

    pub(crate) fn insert(&self, space: &Arc<Space<K>>) {
        let mut listed = self.listed();
        if listed.spaces.len() >= listed.sweep_at {
            listed.spaces.retain(|_, space| space.strong_count() > 0);
            listed.sweep_at = 2 * listed.spaces.len() + 64;
        }
        listed.spaces.insert(space.place.name.clone(), Arc::downgrade(space));
    }

    /// Wakes all who wait for a change of any space.
    pub(crate) fn wake(&self) {
        let open: Vec<_> = self.listed().spaces.values().filter_map(Weak::upgrade).collect();
        open.iter().for_each(|space| space.wake());
    }

    fn listed(&self) -> MutexGuard<'_, Listed<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
