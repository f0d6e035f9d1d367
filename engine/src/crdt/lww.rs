//! The last-writer-wins register.

use serde::{Deserialize, Serialize};

use super::Crdt;
use crate::format::time::Stamp;

/// A register that keeps the value with the greatest stamp. A delete is a write like any other, so that what it deleted
/// stays deleted when an older value arrives late.
///
/// Source: Shapiro, Preguiça, Baquero, Zawirski: *A comprehensive study of Convergent and Commutative Replicated Data
/// Types*, INRIA RR-7506, 2011, section 3.2.1; the idea is Thomas' write rule (RFC 677, 1975).
///
/// ```
/// use syncline::format::Stamp;
/// use syncline::{NTP64, ReplicaId, crdt::Lww};
///
/// let origin = ReplicaId::from_bytes([1; 16]).unwrap();
/// let at = |time| Stamp { time: NTP64(time), origin, index: 0 };
///
/// let mut title = Lww::default();
/// title.set(at(2), "later");
/// title.set(at(1), "earlier, and late to arrive");
/// assert_eq!(title.get(), Some(&"later"));
/// title.delete(at(3));
/// assert_eq!(title.get(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lww<T>(Option<(Stamp, Option<T>)>);

impl<T> Lww<T> {
    /// Writes `value`. Returns whether it is the latest write so far.
    pub fn set(&mut self, stamp: Stamp, value: T) -> bool {
        self.write(stamp, Some(value))
    }

    /// Deletes the value. Returns whether it is the latest write so far.
    pub fn delete(&mut self, stamp: Stamp) -> bool {
        self.write(stamp, None)
    }

    /// Writes `value`, or deletes if there is none. Returns whether it is the latest write so far.
    pub(crate) fn write(&mut self, stamp: Stamp, value: Option<T>) -> bool {
        let latest = self.stamp() < Some(stamp);
        if latest {
            self.0 = Some((stamp, value));
        }
        latest
    }

    /// The value, or `None` if none was written or the last write deleted it.
    pub fn get(&self) -> Option<&T> {
        self.0.as_ref().and_then(|(_, value)| value.as_ref())
    }

    /// The stamp of the last write, deletes included.
    pub fn stamp(&self) -> Option<Stamp> {
        self.0.as_ref().map(|(stamp, _)| *stamp)
    }
}

impl<T> Default for Lww<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Clone + PartialEq> Crdt for Lww<T> {
    fn merge(&mut self, other: &Self) {
        if self.stamp() < other.stamp() {
            self.clone_from(other);
        }
    }
}
