//! One projection for all replicas of a history.

use std::sync::Arc;

use syncline::projection::{Keys, Moved, Reads};
use syncline::{Event, EventRef, Projection, Unreadable, ViewId};

/// A projection that clones share.
#[derive(Debug)]
pub(crate) struct Shared<P>(Arc<P>);

impl<P: Projection> Shared<P> {
    pub(crate) fn new(projection: P) -> Self {
        Self(Arc::new(projection))
    }
}

impl<P> Clone for Shared<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: Projection> Projection for Shared<P> {
    type State = P::State;

    fn view(&self) -> ViewId {
        self.0.view()
    }

    fn reads(&self) -> Reads {
        self.0.reads()
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        self.0.keys(event, keys);
    }

    fn apply(&self, key: &[u8], row: &mut P::State, event: &EventRef<'_>) -> Result<(), Unreadable> {
        self.0.apply(key, row, event)
    }

    fn moved(&self, event: &EventRef<'_>, stamps: &Moved) -> Option<Event> {
        self.0.moved(event, stamps)
    }
}
