//! Tells watchers which rows have changed. A slow watcher misses nothing and delays nothing: changes that it has
//! not taken yet are merged.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};

use event_listener::{Event as Signal, EventListener};
use futures_util::Stream;

use super::{Replica, locked};
use crate::id::Position;
use crate::store::{RowKey, RowRange, RowWrite, ViewId};

/// Keys that one watcher may leave untaken before they are merged into "anything". Those of one commit are not named, either, if they are
/// more.
pub(super) const KEYS_MAX: usize = 10_000;

/// Rows that have changed since a watcher last looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The log's head after the last of the changes.
    pub head: Position,
    /// The rows, or `None` if they are too many to name or a view was cleared: read again what is shown.
    pub rows: Option<BTreeSet<RowKey>>,
}

/// The watchers of one replica.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<Registry>);

#[derive(Debug, Default)]
struct Registry {
    inboxes: BTreeMap<u64, Arc<Inbox>>,
    next: u64,
}

/// Which rows a watcher wants to hear of.
#[derive(Debug)]
pub(super) enum Interest {
    /// Those of all projections.
    All,
    /// Those of one view within a range.
    Rows(ViewId, RowRange),
}

#[derive(Debug)]
struct Inbox {
    interest: Interest,
    changed: Mutex<Option<Changed>>,
    signal: Signal,
}

impl Watchers {
    /// Tells every watcher which rows a commit has changed, and of which views it has cleared or changed more than can be named.
    pub(super) fn publish(&self, head: Position, rows: &[RowWrite], unnamed: &[ViewId]) {
        for inbox in locked(&self.0).inboxes.values() {
            inbox.put(head, rows, unnamed);
        }
    }

    /// Adds a watcher, which is forgotten when its stream is dropped.
    pub(super) fn watch(self: &Arc<Self>, interest: Interest) -> Changes {
        let inbox = Arc::new(Inbox { interest, changed: Mutex::default(), signal: Signal::new() });
        let mut registry = locked(&self.0);
        let number = registry.next;
        registry.next += 1;
        registry.inboxes.insert(number, inbox.clone());
        Changes { inbox, number, watchers: Arc::downgrade(self), listener: None }
    }
}

impl Interest {
    fn covers(&self, row: &RowKey) -> bool {
        match self {
            Self::All => !row.view.is_reserved(),
            Self::Rows(view, range) => row.view == *view && range.contains(&row.key),
        }
    }

    fn covers_some_of(&self, view: &ViewId) -> bool {
        match self {
            Self::All => !view.is_reserved(),
            Self::Rows(watched, _) => watched == view,
        }
    }
}

impl Inbox {
    /// Merges changes into those not taken yet. A watcher of some rows is not woken for others; one of all is woken by every commit,
    /// because the head has moved.
    fn put(&self, head: Position, rows: &[RowWrite], unnamed: &[ViewId]) {
        let new: BTreeSet<_> =
            rows.iter().map(|row| &row.key).filter(|key| self.interest.covers(key)).cloned().collect();
        let has_unnamed = unnamed.iter().any(|view| self.interest.covers_some_of(view));
        if new.is_empty() && !has_unnamed && !matches!(self.interest, Interest::All) {
            return;
        }
        let mut changed = locked(&self.changed);
        let mut merged = changed.take().map_or_else(|| Some(BTreeSet::new()), |changed| changed.rows);
        if let Some(rows) = &mut merged {
            rows.extend(new);
        }
        let rows = merged.filter(|rows| rows.len() <= KEYS_MAX && !has_unnamed);
        *changed = Some(Changed { head, rows });
        self.signal.notify(usize::MAX);
    }
}

/// A stream of [`Changed`], one for each time it is asked and something has changed since. Never ends.
#[derive(Debug)]
pub struct Changes {
    inbox: Arc<Inbox>,
    number: u64,
    watchers: Weak<Watchers>,
    listener: Option<EventListener>,
}

impl Stream for Changes {
    type Item = Changed;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Changed>> {
        loop {
            // Listen first, look then: a change that comes in between is not missed.
            let mut listener = self.listener.take().unwrap_or_else(|| self.inbox.signal.listen());
            let taken = locked(&self.inbox.changed).take();
            if taken.is_some() {
                return Poll::Ready(taken);
            }
            if Pin::new(&mut listener).poll(context).is_pending() {
                self.listener = Some(listener);
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        if let Some(watchers) = self.watchers.upgrade() {
            locked(&watchers.0).inboxes.remove(&self.number);
        }
    }
}

impl Replica {
    /// Watches the replica's rows from now on: own writes, synced bundles, rebuilt views. To show a list and keep it fresh,
    /// watch first, read then.
    /// To watch some rows only, see [`View::watch`](super::View::watch).
    pub fn watch(&self) -> Changes {
        self.inner.watchers.watch(Interest::All)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_is_forgotten_when_it_is_dropped() {
        let watchers = Arc::<Watchers>::default();
        let kept = watchers.watch(Interest::All);
        (0..1_000).for_each(|_| drop(watchers.watch(Interest::All)));
        assert_eq!(locked(&watchers.0).inboxes.len(), 1);
        drop(kept);
        assert!(locked(&watchers.0).inboxes.is_empty());
    }
}
