//! The multi-value register.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Context, Crdt};
use crate::format::time::Stamp;
use crate::id::ReplicaId;

/// A register that keeps concurrent values side by side until somebody who has seen them writes another.
///
/// Each write carries the [`Context`] of its writer: what it had seen of this register. It replaces exactly those values,
/// and its own origin's earlier ones. At most one value per origin is kept, and the context grows with the number of
/// origins only.
///
/// Source: Shapiro et al., INRIA RR-7506, 2011, section 3.2.2, with the values named as in Preguiça, Baquero, Almeida,
/// Fonte, Gonçalves: *Dotted Version Vectors: Logical Clocks for Optimistic Replication*, arXiv:1011.5808, 2010. A stamp is
/// the dot here, because one origin's stamps rise.
///
/// ```
/// use syncline::format::Stamp;
/// use syncline::{NTP64, ReplicaId, crdt::MultiValue};
///
/// let at = |time, origin| Stamp { time: NTP64(time), origin: ReplicaId::from_bytes([origin; 16]).unwrap(), index: 0 };
///
/// let mut title = MultiValue::default();
/// let nothing = title.context();
/// title.put(at(1, 1), &nothing, "Plan");
/// title.put(at(2, 2), &nothing, "Roadmap");
/// assert_eq!(title.values().collect::<Vec<_>>(), [&"Plan", &"Roadmap"]);
///
/// let both = title.context();
/// title.put(at(3, 1), &both, "Roadmap 2030");
/// assert_eq!(title.values().collect::<Vec<_>>(), [&"Roadmap 2030"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MultiValue<T> {
    /// Per origin its last value, if nobody has replaced it.
    values: BTreeMap<ReplicaId, (Stamp, T)>,
    /// What has been replaced.
    replaced: Context,
}

impl<T> MultiValue<T> {
    /// Writes `value` in place of the values that `context` covers.
    pub fn put(&mut self, stamp: Stamp, context: &Context, value: T) {
        self.replace(context);
        let known = self.values.get(&stamp.origin).is_some_and(|(last, _)| stamp <= *last);
        if !known && !self.replaced.covers(stamp) {
            self.values.insert(stamp.origin, (stamp, value));
        }
    }

    /// Takes away the values that `context` covers, and the earlier ones of the stamp's origin.
    pub fn clear(&mut self, stamp: Stamp, context: &Context) {
        let mut context = context.clone();
        context.observe(stamp);
        self.replace(&context);
    }

    /// What this state has seen: the context of a write that is to replace all its values.
    pub fn context(&self) -> Context {
        let mut context = self.replaced.clone();
        self.iter().for_each(|(stamp, _)| context.observe(stamp));
        context
    }

    /// The concurrent values, in the order of their origins.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.values.values().map(|(_, value)| value)
    }

    /// The concurrent values and when each was written, in the order of their origins.
    pub fn iter(&self) -> impl Iterator<Item = (Stamp, &T)> {
        self.values.values().map(|(stamp, value)| (*stamp, value))
    }

    /// How many concurrent values there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn replace(&mut self, context: &Context) {
        self.replaced.merge(context);
        self.values.retain(|_, (stamp, _)| !context.covers(*stamp));
    }
}

impl<T> Default for MultiValue<T> {
    fn default() -> Self {
        Self { values: BTreeMap::new(), replaced: Context::default() }
    }
}

impl<T: Clone + PartialEq> Crdt for MultiValue<T> {
    fn merge(&mut self, other: &Self) {
        self.replace(&other.replaced);
        other.iter().for_each(|(stamp, value)| self.put(stamp, &Context::default(), value.clone()));
    }
}
