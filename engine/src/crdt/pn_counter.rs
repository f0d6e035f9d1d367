//! The counter that goes up and down.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Crdt;
use crate::format::time::Stamp;
use crate::id::ReplicaId;

/// A counter that every replica may add to and subtract from. Each origin's additions and subtractions are summed apart, and
/// remembered with the stamp of the last, so that an event which comes again does not count again.
///
/// Nothing wraps: an origin's sums end at 2^64 - 1 each, and [`value`](Self::value) at the ends of `i64`. Neither depends on
/// the order of the events.
///
/// Source: Shapiro et al., INRIA RR-7506, 2011, section 3.1.3.
///
/// ```
/// use syncline::format::Stamp;
/// use syncline::{NTP64, ReplicaId, crdt::PnCounter};
///
/// let at = |time, origin| Stamp { time: NTP64(time), origin: ReplicaId::from_bytes([origin; 16]).unwrap(), index: 0 };
///
/// let mut votes = PnCounter::default();
/// votes.add(at(1, 1), 5);
/// votes.add(at(1, 2), -2);
/// votes.add(at(1, 1), 5); // came twice
/// assert_eq!(votes.value(), 3);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PnCounter(BTreeMap<ReplicaId, Tally>);

/// What one origin has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Its last event.
    pub(crate) last: Stamp,
    /// The sum of what it added.
    pub(crate) added: u64,
    /// The sum of what it subtracted.
    pub(crate) subtracted: u64,
}

impl PnCounter {
    /// Adds `delta`, which may be negative. One event adds once.
    pub fn add(&mut self, stamp: Stamp, delta: i64) {
        let tally = self.0.get(&stamp.origin);
        if tally.is_some_and(|tally| stamp <= tally.last) {
            return;
        }
        let (added, subtracted) = tally.map_or((0, 0), |tally| (tally.added, tally.subtracted));
        let (up, down) = if delta < 0 { (0, delta.unsigned_abs()) } else { (delta.unsigned_abs(), 0) };
        self.insert(Tally {
            last: stamp,
            added: added.saturating_add(up),
            subtracted: subtracted.saturating_add(down),
        });
    }

    /// The count, at most the ends of `i64`.
    pub fn value(&self) -> i64 {
        self.value_from(0)
    }

    /// The count that starts at `start`, at most the ends of `i64`.
    pub(crate) fn value_from(&self, start: i64) -> i64 {
        // Exact: it would take 2^63 origins to leave the range of i128.
        let change: i128 = self.tallies().map(|tally| i128::from(tally.added) - i128::from(tally.subtracted)).sum();
        let value = (i128::from(start) + change).clamp(i64::MIN.into(), i64::MAX.into());
        i64::try_from(value).expect("clamped to the range of i64")
    }

    /// The stamp of the latest event that counted.
    pub fn latest(&self) -> Option<Stamp> {
        self.tallies().map(|tally| tally.last).max()
    }

    /// Whether nothing was ever counted. A counter that came back to zero is not empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What each origin counted, in the order of origins.
    pub(crate) fn tallies(&self) -> impl ExactSizeIterator<Item = &Tally> {
        self.0.values()
    }

    /// Takes one origin's tally in place of what is known of it.
    pub(crate) fn insert(&mut self, tally: Tally) {
        self.0.insert(tally.last.origin, tally);
    }
}

impl Crdt for PnCounter {
    fn merge(&mut self, other: &Self) {
        for (origin, tally) in &other.0 {
            if self.0.get(origin).is_none_or(|known| known.last < tally.last) {
                self.insert(*tally);
            }
        }
    }
}
