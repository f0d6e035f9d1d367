//! Pure keyed folds of the log into rows.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::format::codec;
use crate::format::event::{Event, EventRef};
use crate::format::time::Stamp;
use crate::store::ViewId;

mod aside;
mod erased;
pub mod fold;
mod keys;
mod reads;

pub use aside::{Aside, Cause};
pub use erased::Fold;
pub use keys::Keys;
pub use reads::Reads;

/// Folds events into rows. A row must depend on the set of events alone: never on their order, repetition or packing, and
/// never on a clock, chance or anything outside. `syncline-conformance` has a suite that proves it for yours.
///
/// One thing about order is guaranteed: the events of one origin come in the order in which they were written, and their stamps
/// rise. The events of different origins may interleave in any way.
///
/// If its code panics, the replica continues: the event is put aside with the panic's message, and the row stays as it was. An own
/// write of such an event is refused to its writer. This needs unwinding: a program compiled with `panic = "abort"`, as every
/// WebAssembly program is today, ends at the first panic. The engine cannot end a call that never returns either; only a `keys`
/// that pushes for ever is.
///
/// ```
/// use syncline::projection::{Keys, Reads};
/// use syncline::{EventRef, Projection, Unreadable, ViewId};
///
/// /// How many events of each type there are. (A set of dots, since a repeated event must not count twice.)
/// struct PerKind;
///
/// impl Projection for PerKind {
///     type State = std::collections::BTreeSet<syncline::Dot>;
///
///     fn view(&self) -> ViewId {
///         ViewId::new("per-type@1").expect("the name is well formed")
///     }
///
///     fn reads(&self) -> Reads {
///         Reads::everything()
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
    /// One row's state: any serde type. [`RowState`] lets it choose its bytes.
    type State: RowState;

    /// Name and version of the view. A new version is a new view, built next to the old one.
    fn view(&self) -> ViewId;

    /// Which events the view is folded from: their types, or everything. Asked once, when the replica is composed. The other methods
    /// see no other event. An event of a type that is named here, in a version that is not, is put aside, so that a program does not
    /// skip what a newer one has written.
    fn reads(&self) -> Reads;

    /// The rows that this event touches. Pure. It may push no key if the event changes nothing in this view.
    fn keys(&self, event: &EventRef<'_>, keys: &mut Keys);

    /// Folds one event into one row. Pure.
    ///
    /// # Errors
    /// [`Unreadable`] if the event makes no sense to this version. The row must then be as it was: the event is put aside
    /// under its name, and the fold continues.
    fn apply(&self, key: &[u8], row: &mut Self::State, event: &EventRef<'_>) -> Result<(), Unreadable>;

    /// What an own event becomes when own events get other stamps, before anybody else has seen them (see [`Moved`]); `None` if
    /// it stays. Only for events whose payload names stamps, such as the contexts of the CRDTs.
    fn moved(&self, _event: &EventRef<'_>, _stamps: &Moved) -> Option<Event> {
        None
    }
}

/// The new stamps of own events. If a replica's clock was far off, or its history has forked, it gives other stamps to the events that
/// no peer has stored.
#[derive(Debug, Clone, Default)]
pub struct Moved {
    stamps: BTreeMap<Stamp, Stamp>,
    stays: Option<Stamp>,
}

impl Moved {
    /// Nothing has moved yet. `stays` lies at the end of the own events that keep their stamps if there are any.
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
    /// [`Unreadable`] if no such state was encoded.
    fn decode(bytes: &[u8]) -> Result<Self, Unreadable>;
}

impl<T: Default + Send + Serialize + DeserializeOwned> RowState for T {
    fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        codec::decode_row(bytes).map_err(|error| Unreadable::new(error.to_string()))
    }
}

/// An event or a row that this version of a projection cannot read.
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

    /// What [`TypedEvent::upcast`](crate::typed::TypedEvent::upcast) returns for a version that it does not know.
    pub fn no_upcaster() -> Self {
        Self::new("there is no upcaster from this version")
    }
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        Self::new(error.to_string())
    }
}
