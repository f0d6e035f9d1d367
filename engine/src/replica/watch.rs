//! Telling who is interested which rows have changed. A slow watcher misses nothing and holds nothing up: changes that it has
//! not taken yet are merged.

use std::collections::BTreeSet;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};

use event_listener::{Event as Signal, EventListener};
use futures_util::Stream;

use super::{Replica, locked};
use crate::id::Position;
use crate::store::RowKey;

/// Keys that one watcher may leave untaken before they are merged into "anything".
const KEYS_MAX: usize = 10_000;

/// Rows that have changed since a watcher last looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The log's head after the last of the changes.
    pub head: Position,
    /// The rows, or `None` where they are too many to name: read anew what is shown.
    pub rows: Option<BTreeSet<RowKey>>,
}

/// The watchers of one replica.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<Vec<Weak<Inbox>>>);

#[derive(Debug, Default)]
struct Inbox {
    changed: Mutex<Option<Changed>>,
    signal: Signal,
}

impl Watchers {
    pub(super) fn publish(&self, head: Position, rows: Vec<RowKey>) {
        let mut inboxes = locked(&self.0);
        inboxes.retain(|inbox| inbox.upgrade().is_some_and(|inbox| inbox.put(head, &rows)));
    }

    fn add(&self) -> Arc<Inbox> {
        let inbox = Arc::<Inbox>::default();
        locked(&self.0).push(Arc::downgrade(&inbox));
        inbox
    }
}

impl Inbox {
    /// Merges changes into those not taken yet. Always true: the inbox is in use.
    fn put(&self, head: Position, rows: &[RowKey]) -> bool {
        let visible = rows.iter().filter(|row| !row.view.is_reserved()).cloned();
        let mut changed = locked(&self.changed);
        let mut merged = changed.take().map_or_else(|| Some(BTreeSet::new()), |changed| changed.rows);
        if let Some(rows) = &mut merged {
            rows.extend(visible);
        }
        let rows = merged.filter(|rows| rows.len() <= KEYS_MAX);
        *changed = Some(Changed { head, rows });
        self.signal.notify(usize::MAX);
        true
    }
}

/// A stream of [`Changed`], one for each time it is asked and something has changed since. Never ends.
#[derive(Debug)]
pub struct Changes {
    inbox: Arc<Inbox>,
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

impl Replica {
    /// Watches the replica's rows from now on: own writes, synced bundles, rebuilt views. To show a list and keep it fresh,
    /// watch first, read then.
    pub fn watch(&self) -> Changes {
        Changes { inbox: self.inner.watchers.add(), listener: None }
    }
}
