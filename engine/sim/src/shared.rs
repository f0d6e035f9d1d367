//! One projection for all replicas of a history.

use std::cell::RefCell;
use std::sync::Arc;

use syncline::projection::{Keys, Moved};
use syncline::{EventRef, Projection, Unreadable, ViewId};

thread_local! {
    /// The view whose projection is at work; it stays where the projection panics.
    static AT_WORK: RefCell<Option<ViewId>> = const { RefCell::new(None) };
}

/// The view whose projection has panicked, if one has.
pub(crate) fn panicked() -> Option<ViewId> {
    AT_WORK.take()
}

/// A projection that clones share.
#[derive(Debug)]
pub(crate) struct Shared<P> {
    projection: Arc<P>,
    view: ViewId,
}

impl<P: Projection> Shared<P> {
    pub(crate) fn new(projection: P) -> Self {
        Self { view: projection.view(), projection: Arc::new(projection) }
    }

    fn at_work<T>(&self, work: impl FnOnce(&P) -> T) -> T {
        AT_WORK.set(Some(self.view.clone()));
        let done = work(&self.projection);
        AT_WORK.set(None);
        done
    }
}

impl<P> Clone for Shared<P> {
    fn clone(&self) -> Self {
        Self { projection: self.projection.clone(), view: self.view.clone() }
    }
}

impl<P: Projection> Projection for Shared<P> {
    type State = P::State;

    fn view(&self) -> ViewId {
        self.view.clone()
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        self.at_work(|projection| projection.keys(event, keys));
    }

    fn apply(&self, key: &[u8], row: &mut P::State, event: &EventRef<'_>) -> Result<(), Unreadable> {
        self.at_work(|projection| projection.apply(key, row, event))
    }

    fn moved(&self, event: &EventRef<'_>, stamps: &Moved) -> Option<Vec<u8>> {
        self.at_work(|projection| projection.moved(event, stamps))
    }
}
