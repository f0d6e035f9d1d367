//! Names of views and places of rows.

use std::fmt;
use std::ops::Bound;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::{InvalidId, is_name};
use crate::limits::VIEW_BYTES_MAX;

/// A view by name and version: `todo.items@2`. A new version is a new view, built beside the old one. Names that start
/// with `syncline.` are the engine's own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ViewId(Arc<str>);

impl ViewId {
    /// Checks and takes `name@version`.
    ///
    /// # Errors
    /// [`InvalidId`] where it is longer than 64 bytes or breaks the form.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let rule = "it reads `name@version`, the name of a-z 0-9 . _ -, the version up to 65535, 64 bytes in all";
        let version = |(name, version): (&str, &str)| is_name(name, VIEW_BYTES_MAX) && version.parse::<u16>().is_ok();
        if text.len() > VIEW_BYTES_MAX || !text.split_once('@').is_some_and(version) {
            return Err(InvalidId::new("view", text, rule));
        }
        Ok(Self(text.into()))
    }

    /// `name@version`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the view is the engine's own and closed to projections.
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with("syncline.")
    }
}

impl fmt::Display for ViewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ViewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ViewId({})", self.0)
    }
}

impl FromStr for ViewId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

impl TryFrom<String> for ViewId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::new(&text)
    }
}

impl From<ViewId> for String {
    fn from(view: ViewId) -> Self {
        view.0.as_ref().to_owned()
    }
}

/// One row: its view and its key, at most 1 KiB.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// The view.
    pub view: ViewId,
    /// The key within the view; rows sort by its bytes.
    pub key: Bytes,
}

impl RowKey {
    /// The row `key` of `view`.
    pub fn new(view: ViewId, key: impl Into<Bytes>) -> Self {
        Self { view, key: key.into() }
    }
}

/// A row's key and state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its key within the view.
    pub key: Bytes,
    /// Its encoded state.
    pub value: Bytes,
}

/// A range of keys of one view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRange {
    /// Where it starts.
    pub start: Bound<Bytes>,
    /// Where it ends.
    pub end: Bound<Bytes>,
}

impl RowRange {
    /// Every key.
    pub fn all() -> Self {
        Self { start: Bound::Unbounded, end: Bound::Unbounded }
    }

    /// The keys that start with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        let mut after = prefix.to_vec();
        while after.pop_if(|last| *last == 0xff).is_some() {}
        let end = match after.last_mut() {
            Some(last) => {
                *last += 1;
                Bound::Excluded(after.into())
            }
            None => Bound::Unbounded,
        };
        Self { start: Bound::Included(Bytes::copy_from_slice(prefix)), end }
    }

    /// The part of the range behind `key`: where a scan goes on.
    #[must_use]
    pub fn after(self, key: Bytes) -> Self {
        Self { start: Bound::Excluded(key), ..self }
    }

    /// Whether no key can lie in the range.
    pub fn is_empty(&self) -> bool {
        match (&self.start, &self.end) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(start), Bound::Included(end)) => start > end,
            (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => {
                start >= end
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::RangeBounds;

    #[test]
    fn a_prefix_range_holds_exactly_the_keys_with_the_prefix() {
        let holds = |prefix: &[u8], key: &[u8]| {
            let range = RowRange::prefix(prefix);
            (range.start, range.end).contains(&Bytes::copy_from_slice(key))
        };
        for prefix in [&b""[..], b"a", b"a\xff", b"\xff\xff", b"a\0"] {
            for key in [&b""[..], b"a", b"a\0", b"a\xff", b"a\xff\x01", b"b", b"\xff\xff", b"\xff\xff\xff", b"A"] {
                assert_eq!(holds(prefix, key), key.starts_with(prefix), "{prefix:?} {key:?}");
            }
        }
    }

    #[test]
    fn view_names_that_break_the_rule_are_refused() {
        for name in ["", "todo", "todo@", "todo@x", "todo@65536", "Todo@1", "@1"] {
            assert!(ViewId::new(name).is_err(), "{name}");
        }
        assert!(ViewId::new("todo.items@2").is_ok());
        assert!(ViewId::new("syncline.peers@1").unwrap().is_reserved());
    }
}
