//! What a database provides: a map of bytes, sorted by key, that can be looked at from one moment and changed in one step.

use std::fmt::Debug;
use std::ops::{ControlFlow, Range};

use bytes::Bytes;
use syncline::store::{Direction, Durability, StoreError};

use crate::changes::Changes;

/// An ordered key-value database. All methods block; they are called from threads that may.
///
/// Two threads read at the same time, each with one snapshot, while a third one writes. A backend that numbers its readers, as LMDB
/// does, needs places for three: the writing thread reads before it writes.
///
/// Keys are 5 to 1,040 bytes and sort as bytes do. Values are up to 4 MiB and a few bytes. A backend need not find damage in
/// a value (every value carries a checksum), but must never lose or invent a key in silence.
///
/// A panic is caught. In a read it is taken for damage, in a write it ends the use of the handle.
pub trait KeyValue: Debug + Send + Sync + 'static {
    /// The backend's name in errors.
    const NAME: &'static str;

    /// Bundles that an origin writes one by one are joined to values of up to about this many bytes: as large as the backend
    /// still keeps well. Some round the space of a large value up to a power of two, so the usual size is just below one.
    const PACKED_BYTES: usize = 30 * 1024;

    /// The map at one moment.
    type Snapshot<'a>: Snapshot;

    /// Looks at the map: every change whose [`write`](Self::write) has returned is seen, and whole writes only. What is not
    /// durable yet may be seen. It may wait for a write under way, but a write must not wait for ever for snapshots.
    ///
    /// # Errors
    /// [`StoreError::Backend`] or [`StoreError::Corrupt`].
    fn snapshot(&self) -> Result<Self::Snapshot<'_>, StoreError>;

    /// Makes all changes in one step, and returns when they are as durable as [`durability`](Self::durability) says. Called
    /// by one thread only, which holds no snapshot in the meantime.
    ///
    /// # Errors
    /// [`StoreError::Backend`] if the disk or the map is full or the disk fails: say in the source what to do, as "make room" or
    /// "open it with a larger map", and choose [`Retry::Never`](syncline::store::Retry::Never). [`StoreError::Corrupt`] if what is
    /// stored is damaged. In either case the outcome is taken as unknown: nothing more is written or read through this handle, and
    /// anyone who opens the data again finds all of this write or nothing of it.
    fn write(&self, changes: &Changes) -> Result<(), StoreError>;

    /// Whether the files are still where they were opened, so that what is written now can be found later. Asked after every
    /// write, before it is acknowledged: see [`files::InPlace`](crate::files::InPlace).
    ///
    /// # Errors
    /// [`StoreError::Backend`]. It ends the use of the handle.
    fn in_place(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What a returned write has survived.
    fn durability(&self) -> Durability;
}

/// The map at one moment.
pub trait Snapshot {
    /// The value of a key.
    ///
    /// # Errors
    /// [`StoreError::Backend`] or [`StoreError::Corrupt`].
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// Shows `each` the keys and values within `keys`, in the order of the keys or against it, until it breaks off. The range is
    /// not empty. It may begin with the empty key and may end with one that is longer than any stored key.
    ///
    /// # Errors
    /// [`StoreError::Backend`] or [`StoreError::Corrupt`].
    fn range(&self, keys: Range<&[u8]>, direction: Direction, each: &mut Visit<'_>) -> Result<(), StoreError>;
}

impl<S: Snapshot> Snapshot for &S {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        (**self).get(key)
    }

    fn range(&self, keys: Range<&[u8]>, direction: Direction, each: &mut Visit<'_>) -> Result<(), StoreError> {
        (**self).range(keys, direction, each)
    }
}

/// Is shown a key and its value, and says whether to continue.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;
