//! Pure keyed folds of the log into rows.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::codec;
use crate::event::EventRef;
use crate::limits::{EVENT_KEYS_MAX, KEY_BYTES_MAX};
use crate::store::ViewId;
use crate::time::Stamp;

pub mod fold;

/// Folds events into rows. A row must depend on the set of events alone: never on their order, repetition or packing, and
/// never on a clock, chance or anything outside. `syncline-conformance` has a suite that proves it for yours.
///
/// ```
/// use syncline::{EventRef, Kind, Projection, Unreadable, ViewId, projection::Keys};
///
/// /// How many events of each kind there are. (A set of dots, since a repeated event must not count twice.)
/// struct PerKind;
///
/// impl Projection for PerKind {
///     type State = std::collections::BTreeSet<syncline::Dot>;
///
///     fn view(&self) -> ViewId {
///         ViewId::new("per-kind@1").expect("the name is well formed")
///     }
///
///     fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
///         keys.push(event.name.as_bytes());
///     }
///
///     fn apply(&self, _: &[u8], row: &mut Self::State, event: &EventRef<'_>) -> Result<(), Unreadable> {
///         row.insert(event.dot);
///         Ok(())
///     }
/// }
/// ```
pub trait Projection: Send + Sync + 'static {
    /// One row's state. Any serde type will do; [`RowState`] lets it choose its bytes.
    type State: RowState;

    /// Name and version of the view. A new version is a new view, built beside the old one.
    fn view(&self) -> ViewId;

    /// The rows that this event touches. Pure. None: not my event.
    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys);

    /// Folds one event into one row. Pure.
    ///
    /// # Errors
    /// [`Unreadable`] where the event makes no sense to this version. The row must then be as it was: the event is put aside
    /// under its name, and the fold goes on.
    fn apply(&self, key: &[u8], row: &mut Self::State, event: &EventRef<'_>) -> Result<(), Unreadable>;

    /// The payload that an own event takes when own events get other stamps, before anybody else has seen them (see
    /// [`Moved`]); `None` where it stays. Only for events whose payload names stamps, such as the contexts of the CRDTs.
    fn moved(&self, _event: &EventRef<'_>, _stamps: &Moved) -> Option<Vec<u8>> {
        None
    }
}

/// Where the stamps of own events have gone. A replica whose clock was far off, or whose history has forked, gives the events that
/// no peer has stored other stamps.
#[derive(Debug, Clone, Default)]
pub struct Moved {
    stamps: BTreeMap<Stamp, Stamp>,
    stays: Option<Stamp>,
}

impl Moved {
    /// Nothing has moved yet. `stays` lies at the end of the own events that keep their stamps, where there are any.
    pub(crate) fn new(stays: Option<Stamp>) -> Self {
        Self { stamps: BTreeMap::new(), stays }
    }

    /// The stamp that `stamp` has become: another, or itself.
    pub fn get(&self, stamp: Stamp) -> Stamp {
        self.stamps.get(&stamp).copied().unwrap_or(stamp)
    }

    /// The end of the own events that keep their stamps.
    pub fn stays(&self) -> Option<Stamp> {
        self.stays
    }

    pub(crate) fn insert(&mut self, old: Stamp, new: Stamp) {
        self.stamps.insert(old, new);
    }
}

/// A state that can be stored as a row.
pub trait RowState: Default + Send {
    /// The row's bytes.
    fn encode(&self) -> Vec<u8>;

    /// The state with these bytes.
    ///
    /// # Errors
    /// [`Unreadable`] where no such state was encoded.
    fn decode(bytes: &[u8]) -> Result<Self, Unreadable>;
}

impl<T: Default + Send + Serialize + DeserializeOwned> RowState for T {
    fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        codec::decode("row", bytes).map_err(|error| Unreadable::new(error.to_string()))
    }
}

/// An event or a row that this version of a projection cannot make sense of.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unreadable: {reason}")]
pub struct Unreadable {
    /// Why, for a person.
    pub reason: String,
}

impl Unreadable {
    /// Unreadable for this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// Collects the row keys of one event.
#[derive(Debug, Default)]
pub struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    refused: Option<&'static str>,
}

impl Keys {
    /// Adds a key of at most 1 KiB. An event with a longer one, or with more than 1,024 keys, is put aside as unreadable.
    pub fn push(&mut self, key: &[u8]) {
        self.push_parts(&[key]);
    }

    /// Adds the concatenation of `parts` as one key.
    pub fn push_parts(&mut self, parts: &[&[u8]]) {
        if parts.iter().map(|part| part.len()).sum::<usize>() > KEY_BYTES_MAX {
            self.refused = Some("a row key exceeds 1024 bytes");
        } else if self.ends.len() == EVENT_KEYS_MAX {
            self.refused = Some("the event touches more than 1024 rows");
        } else {
            parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
            self.ends.push(self.bytes.len());
        }
    }

    /// Puts the event aside as unreadable, where even its keys cannot be told.
    pub fn refuse(&mut self, reason: &'static str) {
        self.refused = Some(reason);
    }

    /// The keys, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    /// Why the keys are refused, if they are.
    pub(crate) fn refused(&self) -> Option<&'static str> {
        self.refused
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.refused = None;
    }
}

/// A projection with its state type erased: what the engine keeps. Implemented for every [`Projection`].
pub trait Fold: Send + Sync + 'static {
    /// Name and version of the view.
    fn view(&self) -> ViewId;

    /// The rows that this event touches.
    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys);

    /// Folds events into the row with these bytes and returns its new bytes. Unreadable events are handed to `aside`.
    ///
    /// # Errors
    /// [`Unreadable`] where the row itself does not read back.
    fn fold(
        &self,
        key: &[u8],
        row: Option<&[u8]>,
        events: &[EventRef<'_>],
        aside: &mut dyn FnMut(&EventRef<'_>, Unreadable),
    ) -> Result<Bytes, Unreadable>;

    /// The payload that an own event takes when own events get other stamps.
    fn moved(&self, event: &EventRef<'_>, stamps: &Moved) -> Option<Vec<u8>>;
}

impl<P: Projection> Fold for P {
    fn view(&self) -> ViewId {
        Projection::view(self)
    }

    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys) {
        Projection::keys(self, event, keys);
    }

    fn fold(
        &self,
        key: &[u8],
        row: Option<&[u8]>,
        events: &[EventRef<'_>],
        aside: &mut dyn FnMut(&EventRef<'_>, Unreadable),
    ) -> Result<Bytes, Unreadable> {
        let mut state = row.map_or_else(|| Ok(P::State::default()), P::State::decode)?;
        for event in events {
            if let Err(unreadable) = self.apply(key, &mut state, event) {
                aside(event, unreadable);
            }
        }
        Ok(state.encode().into())
    }

    fn moved(&self, event: &EventRef<'_>, stamps: &Moved) -> Option<Vec<u8>> {
        Projection::moved(self, event, stamps)
    }
}

impl fmt::Debug for dyn Fold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fold({})", self.view())
    }
}
