//! Changes that are not written yet.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::record::seal;

/// What one write changes: at most one change per key.
#[derive(Debug, Clone, Default)]
pub struct Changes(BTreeMap<Vec<u8>, Option<Bytes>>);

impl Changes {
    /// The changes in the order of their keys: the new value, or `None` if the key goes.
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

    /// Puts a value, put together of these parts, and seals it.
    pub(crate) fn put(&mut self, key: Vec<u8>, parts: &[&[u8]]) {
        let value = seal(&key, parts);
        self.0.insert(key, Some(value));
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.0.insert(key, None);
    }
}
