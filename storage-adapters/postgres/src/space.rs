//! What all handles of one space in this process share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use event_listener::{Event as Signal, EventListener};
use syncline::SpaceId;
use syncline::id::Revision;
use syncline::store::WriteBatch;
use syncline::store::draft::Outcome;
use tokio::sync::oneshot;

use crate::tail::Tail;

/// A batch that waits for its turn.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) batch: WriteBatch,
    pub(crate) answer: oneshot::Sender<Outcome>,
}

/// One space.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) name: SpaceId,
    /// The largest revision that this process has heard of.
    heard: AtomicU64,
    changed: Signal,
    /// Batches that wait for their turn.
    queue: Mutex<VecDeque<Waiting>>,
    /// Who holds it commits. It keeps what the last commit left behind: the end of the log, as far as known.
    pub(crate) turn: tokio::sync::Mutex<Option<Tail>>,
}

impl Space {
    fn new(name: SpaceId) -> Self {
        let (heard, changed) = (AtomicU64::new(0), Signal::new());
        Self { name, heard, changed, queue: Mutex::default(), turn: tokio::sync::Mutex::new(None) }
    }

    /// Notes a revision, and wakes who waits if it is news.
    pub(crate) fn hear(&self, revision: Revision) {
        if self.heard.fetch_max(revision.get(), Ordering::SeqCst) < revision.get() {
            self.changed.notify(usize::MAX);
        }
    }

    /// The largest revision heard of.
    pub(crate) fn heard(&self) -> Revision {
        Revision::new(self.heard.load(Ordering::SeqCst))
    }

    /// Ends when the next revision is heard of.
    pub(crate) fn listen(&self) -> EventListener {
        self.changed.listen()
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_watched(&self) -> bool {
        self.changed.total_listeners() > 0
    }
}

/// The spaces that somebody has open.
#[derive(Debug, Default)]
pub(crate) struct Spaces(Mutex<Registry>);

#[derive(Debug, Default)]
struct Registry {
    open: BTreeMap<SpaceId, Weak<Space>>,
    /// How many may be registered before those that are closed are looked for.
    sweep_at: usize,
}

impl Spaces {
    /// The space with this name, shared by all who have it open.
    pub(crate) fn get_or_insert(&self, name: &SpaceId) -> Arc<Space> {
        let mut registry = self.registry();
        if let Some(space) = registry.open.get(name).and_then(Weak::upgrade) {
            return space;
        }
        if registry.open.len() >= registry.sweep_at {
            registry.open.retain(|_, space| space.strong_count() > 0);
            registry.sweep_at = 2 * registry.open.len() + 64;
        }
        let space = Arc::new(Space::new(name.clone()));
        registry.open.insert(name.clone(), Arc::downgrade(&space));
        space
    }

    /// The space with this name, if somebody has it open.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Space>> {
        let name = SpaceId::new(name).ok()?;
        self.registry().open.get(&name).and_then(Weak::upgrade)
    }

    /// The spaces for whose next commit somebody waits.
    pub(crate) fn watched(&self) -> Vec<Arc<Space>> {
        let open: Vec<_> = self.registry().open.values().filter_map(Weak::upgrade).collect();
        open.into_iter().filter(|space| space.is_watched()).collect()
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event_listener::Listener as _;

    #[test]
    fn a_space_is_shared_while_it_is_open_and_forgotten_when_it_is_not() {
        let spaces = Spaces::default();
        let name = |number: usize| SpaceId::new(&format!("s{number}")).unwrap();
        let kept = spaces.get_or_insert(&name(0));
        assert!(Arc::ptr_eq(&kept, &spaces.get_or_insert(&name(0))));
        (1..1_000).for_each(|number| drop(spaces.get_or_insert(&name(number))));
        assert!(spaces.registry().open.len() < 100);
        assert!(Arc::ptr_eq(&kept, &spaces.get("s0").unwrap()));
    }

    #[test]
    fn old_news_wakes_nobody() {
        let space = Space::new(SpaceId::new("a").unwrap());
        space.hear(Revision::new(3));
        let listener = space.listen();
        space.hear(Revision::new(3));
        space.hear(Revision::new(2));
        assert_eq!(space.heard(), Revision::new(3));
        space.hear(Revision::new(4));
        listener.wait();
    }
}
