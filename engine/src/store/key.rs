//! Names of views and places of rows.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::{InvalidId, is_name};
use crate::limits::VIEW_BYTES_MAX;

/// A view by name and version: `todo.items@2`. A new version is a new view, built next to the old one. Names that start
/// with `syncline.` are the engine's own.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ViewId(Arc<str>);

/// By text. Clones are equal without a look at it: rows are sorted by view and key, and most of them are of one view.
impl Ord for ViewId {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl PartialOrd for ViewId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl ViewId {
    /// Checks and takes `name@version`.
    ///
    /// # Errors
    /// [`InvalidId`] if it is longer than 64 bytes or breaks the form.
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

/// In which direction the keys of a range are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// The smallest key first.
    #[default]
    Forward,
    /// The largest key first.
    Backward,
}

impl Direction {
    /// The items of `items` in this direction.
    pub fn walk<I: DoubleEndedIterator>(self, mut items: I) -> impl Iterator<Item = I::Item> {
        std::iter::from_fn(move || match self {
            Self::Forward => items.next(),
            Self::Backward => items.next_back(),
        })
    }
}

/// A range of keys of one view, and the direction in which it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRange {
    /// Where its smallest keys are.
    pub start: Bound<Bytes>,
    /// Where its largest keys are.
    pub end: Bound<Bytes>,
    /// Which end is read first.
    pub direction: Direction,
}

impl RowRange {
    /// Every key.
    pub fn all() -> Self {
        Self::new(Bound::Unbounded, Bound::Unbounded)
    }

    /// The keys between two bounds, the smallest first.
    pub fn new(start: Bound<Bytes>, end: Bound<Bytes>) -> Self {
        Self { start, end, direction: Direction::Forward }
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
        Self::new(Bound::Included(Bytes::copy_from_slice(prefix)), end)
    }

    /// The same keys, the largest first.
    #[must_use]
    pub fn backward(self) -> Self {
        Self { direction: Direction::Backward, ..self }
    }

    /// The part of the range that is read after `key`: where a scan continues.
    #[must_use]
    pub fn after(self, key: Bytes) -> Self {
        match self.direction {
            Direction::Forward => Self { start: Bound::Excluded(key), ..self },
            Direction::Backward => Self { end: Bound::Excluded(key), ..self },
        }
    }

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) =
            (self.start.as_ref().map(|key| &key[..]), self.end.as_ref().map(|key| &key[..]));
        RangeBounds::<[u8]>::contains(&bounds, key)
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

    #[test]
    fn a_prefix_range_holds_exactly_the_keys_with_the_prefix() {
        let holds = |prefix: &[u8], key: &[u8]| RowRange::prefix(prefix).contains(key);
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
