//! The set where an insert wins over a concurrent remove.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Context, Crdt, pairs};
use crate::format::time::Stamp;

/// A set where a remove takes away the inserts that its writer had seen, and no others: an element that somebody inserts
/// again at the same time stays.
///
/// A remove carries the [`context`](Self::context) of its element. An insert is in the set until a remove covers it; one
/// origin's remove also covers that origin's earlier inserts. One event may insert and remove several elements; if it
/// does both to one element, the insert wins.
///
/// Removed elements leave almost nothing behind. The set knows the last operation of each origin that it has folded, so an insert
/// that arrives again is recognised by its stamp. A remove is kept only while an insert that it covers may still arrive: if
/// it came first, or if it covers the last operation of an origin.
///
/// Source: Bieniusa, Zawirski, Preguiça, Shapiro, Baquero, Balegas, Duarte: *An optimized conflict-free replicated set*,
/// INRIA RR-8083, 2012, extended to logs that deliver an effect before its cause.
///
/// ```
/// use syncline::format::Stamp;
/// use syncline::{NTP64, ReplicaId, crdt::AddWinsSet};
///
/// let at = |time, origin| Stamp { time: NTP64(time), origin: ReplicaId::from_bytes([origin; 16]).unwrap(), index: 0 };
///
/// let mut tags = AddWinsSet::default();
/// tags.insert(at(1, 1), "draft");
/// let seen = tags.context(&"draft");
/// tags.insert(at(2, 2), "draft"); // the remove below has not seen this one
/// tags.remove(at(3, 1), &"draft", &seen);
/// assert!(tags.contains(&"draft"));
///
/// let seen = tags.context(&"draft");
/// tags.remove(at(4, 1), &"draft", &seen);
/// assert!(tags.is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de> + Ord"))]
pub struct AddWinsSet<T> {
    /// Per origin the last operation folded.
    pub(crate) seen: Context,
    /// Element → per origin its last insert if no remove covers it. No stamp lies above `seen`, no context is empty.
    #[serde(with = "pairs")]
    pub(crate) inserts: BTreeMap<T, Context>,
    /// Element → up to which insert of each origin it is removed. No stamp lies below `seen`, no context is empty.
    #[serde(with = "pairs")]
    pub(crate) removes: BTreeMap<T, Context>,
}

impl<T: Ord + Clone> AddWinsSet<T> {
    /// Inserts `element`.
    pub fn insert(&mut self, stamp: Stamp, element: T) {
        let folded = self.seen.get(stamp.origin).is_some_and(|last| stamp < last);
        let removed = self.removes.get(&element).is_some_and(|removes| removes.covers(stamp));
        if !folded && !removed {
            self.inserts.entry(element).or_default().observe(stamp);
        }
        self.see(stamp);
    }

    /// Removes `element` as far as `context` covers its inserts, and if the stamp's own origin inserted it earlier.
    pub fn remove(&mut self, stamp: Stamp, element: &T, context: &Context) {
        if let Some(inserts) = self.inserts.get_mut(element) {
            let own = |insert: Stamp| insert.origin == stamp.origin && insert < stamp;
            inserts.retain(|insert| !context.covers(insert) && !own(insert));
            if inserts.is_empty() {
                self.inserts.remove(element);
            }
        }
        if !context.is_empty() {
            self.removes.entry(element.clone()).or_default().merge(context);
        }
        self.see(stamp);
    }

    /// The inserts of `element` that are in the set: what a remove of it must carry.
    pub fn context(&self, element: &T) -> Context {
        self.inserts.get(element).cloned().unwrap_or_default()
    }

    /// Whether `element` is in the set.
    pub fn contains(&self, element: &T) -> bool {
        self.inserts.contains_key(element)
    }

    /// The elements, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.inserts.keys()
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.inserts.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.inserts.is_empty()
    }

    /// The stamp of the latest operation.
    pub fn latest(&self) -> Option<Stamp> {
        self.seen.latest()
    }

    /// Takes note of an operation.
    fn see(&mut self, stamp: Stamp) {
        self.seen.observe(stamp);
        self.forget_removes();
    }

    /// Forgets the removes that cover only what can be recognised as folded without them.
    fn forget_removes(&mut self) {
        let seen = &self.seen;
        let waits = |remove: Stamp| seen.get(remove.origin).is_none_or(|last| remove >= last);
        self.removes.retain(|_, removes| {
            removes.retain(waits);
            !removes.is_empty()
        });
    }
}

impl<T> Default for AddWinsSet<T> {
    fn default() -> Self {
        Self { seen: Context::default(), inserts: BTreeMap::new(), removes: BTreeMap::new() }
    }
}

impl<T: Ord + Clone> Crdt for AddWinsSet<T> {
    fn merge(&mut self, other: &Self) {
        // What one side has seen but does not have any more, it saw removed.
        let lost = |side: &Self, element: &T, insert: Stamp| {
            let has = side.inserts.get(element).is_some_and(|inserts| inserts.covers(insert));
            let removed = side.removes.get(element).is_some_and(|removes| removes.covers(insert));
            removed || (side.seen.covers(insert) && !has)
        };
        let mut merged: BTreeMap<T, Context> = BTreeMap::new();
        for (from, against) in [(&*self, other), (other, &*self)] {
            for (element, inserts) in &from.inserts {
                for insert in inserts.iter().filter(|insert| !lost(against, element, *insert)) {
                    merged.entry(element.clone()).or_default().observe(insert);
                }
            }
        }
        self.inserts = merged;
        for (element, removes) in &other.removes {
            self.removes.entry(element.clone()).or_default().merge(removes);
        }
        self.seen.merge(&other.seen);
        self.forget_removes();
    }
}
