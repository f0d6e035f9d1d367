//! Views without history: the bundles that they would be folded from have been trimmed. That happens when a program adds a view, or a new
//! version of one, and opens a store whose log was trimmed.
//!
//! Such a view waits. Its rows would be those of a part of the log, so nothing is folded into it, and reading it fails with
//! [`ReplicaError::NeedsHistory`]. Everything else goes on. It is folded from the archive, if there is one that has these bundles.
//! Otherwise the next sync with a peer that has a snapshot with all views of this replica takes that, as a replica does which lacks
//! trimmed bundles.
//!
//! It holds no trim. The bundles that it lacks are gone, so it cannot make use of those that are left.

use std::collections::BTreeMap;

use super::turn::{LogState, Turn};
use super::{Inner, ReplicaError, locked};
use crate::id::Position;
use crate::projection::fold::Projections;
use crate::store::{StoreError, ViewId};

/// The views that lack history, as readers are told of them, each with the log's base.
pub(super) type WithoutHistory = BTreeMap<ViewId, Position>;

impl LogState {
    /// Whether bundles that a view has not folded yet have been trimmed, and no snapshot brings its rows just now.
    pub(super) fn lacks_history(&self, view: &ViewId) -> bool {
        let filled = self.import.as_ref().and_then(|import| import.filled.as_ref());
        let comes = filled.is_some_and(|filled| filled.views.contains(view));
        self.folded(view) < self.status.base && !comes
    }
}

impl Inner {
    /// Fails if readers of a view would get none of its rows, or a part of them.
    pub(super) fn check_history(&self, view: &ViewId) -> Result<(), ReplicaError> {
        match locked(&self.without_history).get(view) {
            Some(base) => Err(ReplicaError::NeedsHistory { view: view.clone(), base: *base }),
            None => Ok(()),
        }
    }

    /// The views that lack history, in order.
    pub(super) fn views_without_history(&self) -> Vec<ViewId> {
        locked(&self.without_history).keys().cloned().collect()
    }
}

impl Turn<'_> {
    /// A view of this program that lacks history.
    pub(super) fn without_history(&self) -> Option<&ViewId> {
        self.inner.projections.views().find(|view| self.lacks_history(view))
    }

    /// Fails if a view of this program lacks history.
    pub(super) fn has_history(&self) -> Result<(), ReplicaError> {
        match self.without_history() {
            Some(view) => Err(ReplicaError::NeedsHistory { view: view.clone(), base: self.status.base }),
            None => Ok(()),
        }
    }

    /// The projections of the views that do not lack history.
    pub(super) fn folded_projections(&self) -> Projections {
        self.inner.projections.filter(|view| !self.lacks_history(view))
    }

    /// Reads the log's status again, and says whether another handle on this store has trimmed the log, or put a snapshot in its place.
    pub(super) async fn is_cut_by_others(&mut self) -> Result<bool, StoreError> {
        let known = (self.status.log, self.status.base);
        self.reload().await?;
        Ok((self.status.log, self.status.base) != known)
    }

    /// Lets readers know which views lack history, and wakes those who watch a view of which this has changed. While a snapshot brings the
    /// rows of a view that has lacked history, it cannot be read: nobody has seen rows of it that would grow.
    pub(super) fn tell_history(&self) {
        let base = self.status.base;
        let mut told = locked(&self.inner.without_history);
        if base == Position::ZERO && told.is_empty() {
            return;
        }
        let before = std::mem::take(&mut *told);
        let stays = |view: &ViewId| before.contains_key(view) && self.folded(view) < base;
        let lacking = self.inner.projections.views().filter(|view| stays(view) || self.lacks_history(view));
        *told = lacking.map(|view| (view.clone(), base)).collect();
        let now: Vec<_> = told.keys().filter(|view| !before.contains_key(*view)).cloned().collect();
        let no_more = before.into_keys().filter(|view| !told.contains_key(view));
        let changed: Vec<_> = now.into_iter().chain(no_more).collect();
        drop(told);
        if !changed.is_empty() {
            self.inner.watchers.publish(self.status.head, &[], &changed);
        }
    }
}
