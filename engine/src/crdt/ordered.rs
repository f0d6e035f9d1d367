//! Folds that need time order.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Crdt, pairs};
use crate::format::time::Stamp;

/// A fold over one row's events in the order of their stamps.
pub trait OrderedFold: 'static {
    /// What the row keeps of an event: as little as the fold needs.
    type Event: Clone + PartialEq + Serialize + DeserializeOwned + Send + 'static;
    /// What the fold makes of the events.
    type Output;

    /// Folds the row's events, earliest first. Pure.
    fn fold<'a>(events: impl Iterator<Item = (Stamp, &'a Self::Event)>) -> Self::Output;
}

/// For folds that no other type here can express. The row keeps its own events, sorted by stamp, and folds
/// them when it is read. An event that arrives late takes its place between the others.
///
/// The row grows with every event and a read folds all of them, so use it for rows of few events. An own write that would let a
/// row grow beyond [`OWN_ROW_BYTES_MAX`](crate::limits::OWN_ROW_BYTES_MAX) is refused.
///
/// Source: Baquero, Almeida, Shoker: *Making Operation-based CRDTs Operation-based*, DAIS 2014 (the log of operations as the
/// state), in the total order of stamps as in Bayou (Terry et al., SOSP 1995).
///
/// ```
/// use syncline::format::Stamp;
/// use syncline::{NTP64, ReplicaId, crdt::{Ordered, OrderedFold}};
///
/// /// A bank account that refuses what it cannot pay.
/// struct Account;
///
/// impl OrderedFold for Account {
///     type Event = i64;
///     type Output = i64;
///
///     fn fold<'a>(events: impl Iterator<Item = (Stamp, &'a i64)>) -> i64 {
///         events.fold(0, |balance, (_, change)| if balance + change < 0 { balance } else { balance + change })
///     }
/// }
///
/// let origin = ReplicaId::from_bytes([1; 16]).unwrap();
/// let at = |time| Stamp { time: NTP64(time), origin, index: 0 };
///
/// let mut account = Ordered::<Account>::default();
/// account.insert(at(2), -80);
/// assert_eq!(account.output(), 0);
/// account.insert(at(1), 100); // arrives late
/// assert_eq!(account.output(), 20);
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Ordered<F: OrderedFold> {
    #[serde(with = "pairs")]
    events: BTreeMap<Stamp, F::Event>,
}

impl<F: OrderedFold> Ordered<F> {
    /// Adds an event. If it is already there, nothing changes.
    pub fn insert(&mut self, stamp: Stamp, event: F::Event) {
        self.events.entry(stamp).or_insert(event);
    }

    /// Folds the events.
    pub fn output(&self) -> F::Output {
        F::fold(self.iter())
    }

    /// The events, earliest first.
    pub fn iter(&self) -> impl Iterator<Item = (Stamp, &F::Event)> {
        self.events.iter().map(|(stamp, event)| (*stamp, event))
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

impl<F: OrderedFold> Crdt for Ordered<F> {
    fn merge(&mut self, other: &Self) {
        other.iter().for_each(|(stamp, event)| self.insert(stamp, event.clone()));
    }
}

// Derived impls would ask the same of `F`, which is only a name.
impl<F: OrderedFold> Default for Ordered<F> {
    fn default() -> Self {
        Self { events: BTreeMap::new() }
    }
}

impl<F: OrderedFold> Clone for Ordered<F> {
    fn clone(&self) -> Self {
        Self { events: self.events.clone() }
    }
}

impl<F: OrderedFold> PartialEq for Ordered<F> {
    fn eq(&self, other: &Self) -> bool {
        self.events == other.events
    }
}

impl<F: OrderedFold<Event: fmt::Debug>> fmt::Debug for Ordered<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ordered").field("events", &self.events).finish()
    }
}
