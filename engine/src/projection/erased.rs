//! A projection with its state type erased. The engine calls projections here and nowhere else, and here it catches their panics.

use std::fmt;

use bytes::Bytes;

use super::{Cause, Keys, Moved, Projection, Reads, RowState, Unreadable};
use crate::caught::{caught, cut};
use crate::format::event::{Event, EventRef};
use crate::store::ViewId;

/// A projection with its state type erased: what the engine keeps. Implemented for every [`Projection`]. A panic of the projection ends
/// here: it becomes the [`Cause`] why one event is put aside.
pub trait Fold: Send + Sync + 'static {
    /// Name and version of the view.
    fn view(&self) -> ViewId;

    /// Which events the view is folded from.
    fn reads(&self) -> Reads;

    /// The rows that this event touches, which is one that the view reads; see [`Reads::keys`]. If the projection panics, `keys` says so
    /// by [`Keys::refused`].
    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys);

    /// Folds events into the row with these bytes and returns its new bytes, or `None` if there is no row and no event could be read into
    /// one. Events that are put aside are handed to `aside` in the order of `events`; the row is as if they were not there.
    ///
    /// # Errors
    /// [`Unreadable`] if the row itself cannot be read back.
    fn fold(
        &self,
        key: &[u8],
        row: Option<&[u8]>,
        events: &[EventRef<'_>],
        aside: &mut dyn FnMut(&EventRef<'_>, Cause),
    ) -> Result<Option<Bytes>, Unreadable>;

    /// What an own event becomes when own events get other stamps. `None`, so that it stays, if the projection panics.
    fn moved(&self, event: &EventRef<'_>, stamps: &Moved) -> Option<Event>;
}

impl<P: Projection> Fold for P {
    fn view(&self) -> ViewId {
        Projection::view(self)
    }

    fn reads(&self) -> Reads {
        Projection::reads(self)
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        match caught(|| Projection::keys(self, event, keys)) {
            Err(panic) if !keys.was_stopped() => keys.refuse_because(Cause::Panicked(panic)),
            _ => {}
        }
    }

    fn fold(
        &self,
        key: &[u8],
        row: Option<&[u8]>,
        events: &[EventRef<'_>],
        aside: &mut dyn FnMut(&EventRef<'_>, Cause),
    ) -> Result<Option<Bytes>, Unreadable> {
        match fold_at_once(self, key, row, events) {
            Ok(folded) => Ok(folded.report(events, aside)),
            Err(Cause::Row(reason)) => Err(Unreadable { reason: cut(reason) }),
            Err(cause) => Ok(fold_around(self, key, row.map(Bytes::copy_from_slice), events, cause, aside)),
        }
    }

    fn moved(&self, event: &EventRef<'_>, stamps: &Moved) -> Option<Event> {
        caught(|| Projection::moved(self, event, stamps)).ok().flatten()
    }
}

/// What came of events that were folded at once.
struct AtOnce {
    row: Option<Bytes>,
    /// By index, the events that the projection could not read.
    aside: Vec<(usize, Unreadable)>,
}

impl AtOnce {
    fn report(self, events: &[EventRef<'_>], aside: &mut dyn FnMut(&EventRef<'_>, Cause)) -> Option<Bytes> {
        for (index, Unreadable { reason }) in self.aside {
            aside(&events[index], Cause::Unreadable(cut(reason)));
        }
        self.row
    }
}

/// Folds all the events, or fails on one that it cannot name.
fn fold_at_once<P: Projection>(
    projection: &P,
    key: &[u8],
    row: Option<&[u8]>,
    events: &[EventRef<'_>],
) -> Result<AtOnce, Cause> {
    let decoded = caught(|| row.map(P::State::decode).transpose()).unwrap_or_else(|panic| Err(Unreadable::new(panic)));
    let stored = decoded.map_err(|unreadable| Cause::Row(unreadable.reason))?;
    let folded = caught(move || {
        let mut state = stored.unwrap_or_default();
        let mut aside = Vec::new();
        for (index, event) in events.iter().enumerate() {
            aside.extend(projection.apply(key, &mut state, event).err().map(|unreadable| (index, unreadable)));
        }
        // A row that no event could be read into does not come to be.
        let row = (row.is_some() || aside.len() < events.len()).then(|| Bytes::from(state.encode()));
        AtOnce { row, aside }
    });
    folded.map_err(Cause::Panicked)
}

/// Folds events of which at least one fails, for `cause`: halves them until it is found, puts it aside, and folds the others from the
/// bytes of the row before it. Never more than two readings of the row for each halving, so that a single failure among n events costs
/// as much as folding them twice and reading the row 2 log n times.
fn fold_around<P: Projection>(
    projection: &P,
    key: &[u8],
    row: Option<Bytes>,
    events: &[EventRef<'_>],
    cause: Cause,
    aside: &mut dyn FnMut(&EventRef<'_>, Cause),
) -> Option<Bytes> {
    if let [event] = events {
        aside(event, cause);
        return row;
    }
    let (front, back) = events.split_at(events.len() / 2);
    [front, back].into_iter().filter(|half| !half.is_empty()).fold(row, |row, half| {
        match fold_at_once(projection, key, row.as_deref(), half) {
            Ok(folded) => folded.report(half, aside),
            Err(cause) => fold_around(projection, key, row, half, cause, aside),
        }
    })
}

impl fmt::Debug for dyn Fold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fold({})", self.view())
    }
}
