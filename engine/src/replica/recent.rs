//! Recently committed rows, as they are stored. Folding into them again needs no read.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use bytes::Bytes;

use crate::store::{RowKey, RowWrite, whole};

/// Rows kept, at most, and the bytes that they take.
const ROWS_MAX: usize = 16_384;
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// A batch of more rows is a log being read, whose rows are not likely to be touched again soon.
const BATCH_ROWS_MAX: usize = 1_024;

/// By hash, because every write asks for each of its rows, and in a tree of this size that costs as much as folding them. The hash has no
/// random key, since the engine draws no random numbers: somebody may choose row keys that collide, and then finds them a few microseconds
/// later.
type Rows = HashMap<RowKey, Option<Bytes>, BuildHasherDefault<DefaultHasher>>;

/// Rows as of the revision that anyone who holds the turn knows. A batch computed from them expects that revision, so that a commit of
/// anybody else's in between makes it a conflict and not a row folded from the wrong state.
#[derive(Debug, Default)]
pub(super) struct Recent {
    rows: Rows,
    bytes: usize,
}

/// What is known of some rows.
#[derive(Debug)]
pub(super) struct Known {
    /// The keys of those that are to be read, in their order.
    pub(super) unknown: Vec<RowKey>,
    rows: Vec<Option<Option<Bytes>>>,
}

impl Known {
    /// All of the rows, with those that were read.
    pub(super) fn with(self, read: Vec<Option<Bytes>>) -> Vec<Option<Bytes>> {
        let mut read = read.into_iter();
        self.rows.into_iter().map(|row| row.unwrap_or_else(|| read.next().flatten())).collect()
    }
}

impl Recent {
    /// What is known of the rows with these keys, as they are stored.
    pub(super) fn known(&self, keys: &[RowKey]) -> Known {
        let rows: Vec<_> = keys.iter().map(|key| self.rows.get(key).cloned()).collect();
        let unknown = keys.iter().zip(&rows).filter(|(_, row)| row.is_none()).map(|(key, _)| key.clone());
        Known { unknown: unknown.collect(), rows }
    }

    /// Notes what a commit has written, but for the pieces of large rows.
    pub(super) fn note(&mut self, rows: Vec<RowWrite>) {
        if rows.len() > BATCH_ROWS_MAX {
            return self.forget();
        }
        let size = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        for RowWrite { key, value } in rows.into_iter().filter(|row| !whole::is_piece(&row.key.view)) {
            self.bytes += size(&value);
            match self.rows.get_mut(&key) {
                Some(row) => self.bytes -= size(&std::mem::replace(row, value)),
                None => {
                    self.bytes += key.key.len();
                    // A copy: the key may be a slice of many.
                    self.rows.insert(RowKey::new(key.view, Bytes::copy_from_slice(&key.key)), value);
                }
            }
        }
        if self.rows.len() > ROWS_MAX || self.bytes > BYTES_MAX {
            self.forget();
        }
    }

    /// Forgets all: somebody else has committed, or rows were deleted that are not named.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ViewId;

    fn write(key: u32, value: Option<&str>) -> RowWrite {
        let view = ViewId::new("todo@1").unwrap();
        let key = RowKey::new(view, Bytes::copy_from_slice(&key.to_be_bytes()));
        RowWrite { key, value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())) }
    }

    /// The rows with these keys, if all that are to be read have this value.
    fn load(recent: &Recent, keys: impl IntoIterator<Item = u32>, value: Option<&str>) -> Vec<Option<Bytes>> {
        let keys: Vec<_> = keys.into_iter().map(|key| write(key, None).key).collect();
        let known = recent.known(&keys);
        let read = known.unknown.iter().map(|_| write(0, value).value).collect();
        known.with(read)
    }

    #[test]
    fn what_is_known_stands_in_its_place_among_what_is_read() {
        let mut recent = Recent::default();
        recent.note(vec![write(2, Some("two")), write(4, Some("four"))]);
        recent.note(vec![write(4, None), write(2, Some("zwei"))]);
        assert_eq!(
            load(&recent, [1, 2, 3, 4], Some("read")),
            ["read", "zwei", "read", ""].map(|value| { (!value.is_empty()).then(|| Bytes::from(value)) })
        );
        assert_eq!(recent.bytes, 2 * 4 + "zwei".len());
        recent.forget();
        assert_eq!(load(&recent, [2], None), [None]);
    }

    #[test]
    fn it_keeps_within_its_bounds_and_forgets_what_a_large_batch_may_have_changed() {
        let mut recent = Recent::default();
        let many = |from: u32, count: usize| (from..).take(count).map(|key| write(key, Some("x"))).collect::<Vec<_>>();
        for batch in 0..40 {
            recent.note(many(batch * 1_000, 1_000));
            assert!(recent.rows.len() <= ROWS_MAX);
        }
        recent.note(vec![write(1, Some("one"))]);
        recent.note(many(0, BATCH_ROWS_MAX + 1));
        assert!(recent.rows.is_empty());
        let large = "x".repeat(BYTES_MAX / 3);
        (0..9).for_each(|key| recent.note(vec![write(key, Some(&large))]));
        assert!(recent.bytes <= BYTES_MAX);
    }
}
