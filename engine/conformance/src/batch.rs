//! Short spellings of what a commit changes. Combine them by struct update:
//!
//! ```
//! use syncline::store::WriteBatch;
//! use syncline::format::time::NTP64;
//! use syncline_conformance::{Author, appends, puts, view};
//!
//! let batch = WriteBatch { clock: NTP64(7), rows: puts(&view("todo@1"), &[("a", "1")]), ..appends([Author::new(1).write(1)]) };
//! assert_eq!((batch.runs.len(), batch.rows.len()), (1, 1));
//! ```

use bytes::Bytes;
use syncline::format::run::VerifiedRun;
use syncline::store::{RowKey, RowWrite, WriteBatch};
use syncline::{Dot, Seq, SpaceId, ViewId};

use crate::Author;

/// The view with this name and version.
///
/// # Panics
/// If the name breaks the rule of [`ViewId`].
pub fn view(name: &str) -> ViewId {
    ViewId::new(name).expect("a view reads `name@version`")
}

/// The space with this name.
///
/// # Panics
/// If the name breaks the rule of [`SpaceId`].
pub fn space(name: &str) -> SpaceId {
    SpaceId::new(name).expect("a space name takes a-z 0-9 . _ -")
}

/// A batch that appends these runs, in order, and expects nothing.
pub fn appends(runs: impl IntoIterator<Item = VerifiedRun>) -> WriteBatch {
    WriteBatch { runs: runs.into_iter().collect(), ..WriteBatch::default() }
}

/// A batch that writes these rows and expects nothing.
pub fn writes(rows: Vec<RowWrite>) -> WriteBatch {
    WriteBatch { rows, ..WriteBatch::default() }
}

/// A batch that makes these bundles void and expects nothing.
pub fn voids(voids: impl IntoIterator<Item = Dot>) -> WriteBatch {
    WriteBatch { voids: voids.into_iter().collect(), ..WriteBatch::default() }
}

/// The author's `seq`-th bundle.
pub fn dot(author: &Author, seq: u64) -> Dot {
    Dot { origin: author.origin(), seq: Seq::new(seq) }
}

/// Puts rows into one view.
pub fn puts<K: AsRef<[u8]>, V: AsRef<[u8]>>(view: &ViewId, rows: &[(K, V)]) -> Vec<RowWrite> {
    let put = |(key, value): &(K, V)| RowWrite {
        key: row_key(view, key),
        value: Some(Bytes::copy_from_slice(value.as_ref())),
    };
    rows.iter().map(put).collect()
}

/// Deletes rows of one view.
pub fn deletes<K: AsRef<[u8]>>(view: &ViewId, keys: &[K]) -> Vec<RowWrite> {
    keys.iter().map(|key| RowWrite { key: row_key(view, key), value: None }).collect()
}

/// The row `key` of `view`.
pub fn row_key(view: &ViewId, key: impl AsRef<[u8]>) -> RowKey {
    RowKey::new(view.clone(), Bytes::copy_from_slice(key.as_ref()))
}
