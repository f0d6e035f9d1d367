//! Changes that are not written yet, and the map as it will be.

use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::ops::{Bound, ControlFlow, Range};

use bytes::Bytes;
use syncline::store::{Direction, StoreError};

use crate::backend::{Snapshot, Visit};
use crate::record::seal;

/// What one write changes: at most one change per key.
#[derive(Debug, Clone, Default)]
pub struct Changes(BTreeMap<Vec<u8>, Option<Bytes>>);

impl Changes {
    /// The changes in the order of their keys: the new value, or `None` where the key goes.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.0.iter().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// How many keys change.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn range(&self, keys: Range<&[u8]>) -> btree_map::Range<'_, Vec<u8>, Option<Bytes>> {
        self.0.range::<[u8], _>((Bound::Included(keys.start), Bound::Excluded(keys.end)))
    }
}

/// A snapshot with changes over it. Reads see the changes.
#[derive(Debug)]
pub(crate) struct Pending<S> {
    snapshot: S,
    changes: Changes,
}

impl<S> Pending<S> {
    pub(crate) fn new(snapshot: S) -> Self {
        Self { snapshot, changes: Changes::default() }
    }

    /// Puts a value, put together of these parts, and seals it.
    pub(crate) fn put(&mut self, key: Vec<u8>, parts: &[&[u8]]) {
        let value = seal(&key, parts);
        self.changes.0.insert(key, Some(value));
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.changes.0.insert(key, None);
    }

    /// Adds changes that were made over this.
    pub(crate) fn extend(&mut self, changes: Changes) {
        if self.changes.is_empty() {
            self.changes = changes;
        } else {
            self.changes.0.extend(changes.0);
        }
    }

    /// The changes, without the snapshot.
    pub(crate) fn into_changes(self) -> Changes {
        self.changes
    }
}

impl<S: Snapshot> Snapshot for Pending<S> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        match self.changes.0.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.snapshot.get(key),
        }
    }

    fn range(&self, keys: Range<&[u8]>, direction: Direction, each: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut pending = direction.walk(self.changes.range(keys.clone())).peekable();
        let comes_first = match direction {
            Direction::Forward => Ordering::Less,
            Direction::Backward => Ordering::Greater,
        };
        let mut flow = ControlFlow::Continue(());
        self.snapshot.range(keys, direction, &mut |key, value| {
            // What is pending up to this key comes first, and in place of it.
            while let Some((before, change)) =
                pending.next_if(|(pending, _)| pending.as_slice().cmp(key) == comes_first)
            {
                flow = show(before, change, each);
                flow?;
            }
            flow = match pending.next_if(|(pending, _)| pending.as_slice() == key) {
                Some((key, change)) => show(key, change, each),
                None => each(key, value),
            };
            flow
        })?;
        let mut rest = pending.map(|(key, change)| show(key, change, each));
        let _ = flow.is_continue() && rest.all(|flow| flow.is_continue());
        Ok(())
    }
}

fn show(key: &[u8], change: &Option<Bytes>, each: &mut Visit<'_>) -> ControlFlow<()> {
    change.as_ref().map_or(ControlFlow::Continue(()), |value| each(key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Map(BTreeMap<Vec<u8>, Bytes>);

    impl Snapshot for Map {
        fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
            Ok(self.0.get(key).cloned())
        }

        fn range(&self, keys: Range<&[u8]>, direction: Direction, each: &mut Visit<'_>) -> Result<(), StoreError> {
            let bounds = (Bound::Included(keys.start), Bound::Excluded(keys.end));
            let _ = direction.walk(self.0.range::<[u8], _>(bounds)).try_for_each(|(key, value)| each(key, value));
            Ok(())
        }
    }

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    fn pending() -> Pending<Map> {
        let stored = ["b", "d", "f", "h"].map(|key| (key.as_bytes().to_vec(), bytes("old")));
        let new = ["a", "d", "e", "z"].map(|key| (key.as_bytes().to_vec(), Some(bytes("new"))));
        let gone = ["c", "f"].map(|key| (key.as_bytes().to_vec(), None));
        Pending { snapshot: Map(stored.into()), changes: Changes(new.into_iter().chain(gone).collect()) }
    }

    fn seen(from: &str, to: &str, direction: Direction, most: usize) -> Vec<String> {
        let mut seen = Vec::new();
        let mut each = |key: &[u8], value: &[u8]| {
            seen.push(format!("{} {}", String::from_utf8_lossy(key), String::from_utf8_lossy(value)));
            if seen.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        pending().range(from.as_bytes()..to.as_bytes(), direction, &mut each).unwrap();
        seen
    }

    #[test]
    fn a_range_shows_what_will_be_in_order() {
        let mut all = ["a new", "b old", "d new", "e new", "h old", "z new"];
        for direction in [Direction::Forward, Direction::Backward] {
            assert_eq!(seen("", "zz", direction, usize::MAX), all);
            for most in 1..=all.len() {
                assert_eq!(seen("", "zz", direction, most), all[..most], "{direction:?} {most}");
            }
            assert_eq!(seen("c", "d", direction, usize::MAX), [""; 0]);
            all.reverse();
        }
        assert_eq!(seen("b", "h", Direction::Forward, usize::MAX), all[1..4]);
    }

    #[test]
    fn a_key_has_the_value_that_it_will_have() {
        let get = |key: &str| pending().get(key.as_bytes()).unwrap();
        assert_eq!(
            ["a", "b", "c", "d", "f"].map(get),
            [Some("new"), Some("old"), None, Some("new"), None].map(|value| value.map(bytes))
        );
    }
}
