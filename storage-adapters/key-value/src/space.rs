//! One space as the writer last committed it: what every commit is checked against and `status` answers from.

use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use event_listener::Event as Signal;
use syncline::store::StoreError;
use syncline::{Heads, LogId, Revision, SpaceId};

use crate::backend::Snapshot;
use crate::error::{Result, damage};
use crate::keys::{self, SpaceKey};
use crate::pack::Tail;
use crate::poison::Poison;
use crate::read;
use crate::record::{Status, decode_head};

/// Where a space lies, and its name.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) key: SpaceKey,
    pub(crate) name: SpaceId,
}

impl Place {
    /// Something within the space, for people.
    pub(crate) fn at(&self, what: impl fmt::Display) -> String {
        format!("space {}, {what}", self.name)
    }

    /// What the space is at.
    pub(crate) fn status(&self, snapshot: &impl Snapshot) -> Result<Status> {
        let at = || self.at("its status");
        let value = read::get(snapshot, &self.key.status(), at)?;
        let value = value.ok_or_else(|| damage(at(), "it is not there"))?;
        Status::decode(&value).ok_or_else(|| damage(at(), "it does not read back"))
    }

    fn heads(&self, snapshot: &impl Snapshot) -> Result<Heads> {
        let at = |_: &[u8]| self.at("a head");
        let mut heads = Heads::new();
        read::range(snapshot, &self.key.heads(), at, |key, value| {
            let head = keys::origin_of(key).zip(decode_head(value));
            let (origin, head) = head.ok_or_else(|| damage(at(key), "it does not read back"))?;
            heads.set(origin, head);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(heads)
    }
}

/// One space. There is one value per space and database, so that what it knows is what the database holds.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) place: Place,
    state: Mutex<State>,
    /// Wakes reading threads that wait for a commit to be made known.
    published: Condvar,
    /// Raised by every commit, and where the writer fails.
    pub(crate) changed: Signal,
}

/// What is committed.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) status: Status,
    pub(crate) heads: Heads,
    /// What may be packed. It begins empty: what was left loose before stays so.
    pub(crate) tail: Tail,
}

impl Space {
    /// A space just created.
    pub(crate) fn fresh(place: Place, log: LogId) -> Self {
        Self::new(place, State { status: Status::fresh(log), heads: Heads::new(), tail: Tail::default() })
    }

    /// Reads a space.
    pub(crate) fn read(snapshot: &impl Snapshot, place: Place) -> Result<Self> {
        let (status, heads) = (place.status(snapshot)?, place.heads(snapshot)?);
        if heads.len() != status.heads as usize {
            let why = format!("{} of {} are there", heads.len(), status.heads);
            return Err(damage(place.at("the heads"), why));
        }
        status.with_heads(heads.clone()).check().map_err(|why| damage(place.at("the heads"), why))?;
        Ok(Self::new(place, State { status, heads, tail: Tail::default() }))
    }

    fn new(place: Place, state: State) -> Self {
        Self { place, state: Mutex::new(state), published: Condvar::new(), changed: Signal::new() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a commit that a snapshot shows has been made known: a row must not be seen before the status that it
    /// goes with.
    pub(crate) fn await_published(&self, seen: Revision, poison: &Poison) -> Result<(), StoreError> {
        let mut state = self.state();
        while state.status.revision < seen {
            poison.check()?;
            state = self.published.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Wakes all who wait for a change.
    pub(crate) fn wake(&self) {
        // Whoever is about to wait holds the state, so that none is missed.
        drop(self.state());
        self.published.notify_all();
        self.changed.notify(usize::MAX);
    }
}

/// The spaces that are open. Those whose handles are all gone are forgotten.
#[derive(Debug, Default)]
pub(crate) struct OpenSpaces(Mutex<Listed>);

#[derive(Debug, Default)]
struct Listed {
    spaces: HashMap<SpaceId, Weak<Space>>,
    /// How many may be listed before the forgotten ones are looked for.
    sweep_at: usize,
}

impl OpenSpaces {
    pub(crate) fn get(&self, name: &SpaceId) -> Option<Arc<Space>> {
        self.listed().spaces.get(name).and_then(Weak::upgrade)
    }

    pub(crate) fn insert(&self, space: &Arc<Space>) {
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

    fn listed(&self) -> MutexGuard<'_, Listed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
