//! A backend in memory, with failures to order.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, Range};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use syncline::store::{Direction, Durability, Retry, StoreError};
use syncline_key_value::{Changes, KeyValue, KeyValueStorage, Snapshot, Visit};

pub(crate) type Entries = BTreeMap<Vec<u8>, Bytes>;

/// What outlives a backend, as a disk does. Clones are one disk.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Shared>);

#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
    moved: Condvar,
}

#[derive(Default)]
struct Inner {
    entries: Arc<Entries>,
    /// How the next write ends; well, unless said otherwise.
    next: Option<Failure>,
    /// Where writes wait.
    hold: Option<Hold>,
    /// What has happened so far.
    counts: Counts,
}

/// What has happened to a disk so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Writes that were begun.
    pub(crate) begun: usize,
    /// Writes that can be seen.
    pub(crate) seen: usize,
    /// Looks at it.
    pub(crate) looks: usize,
    /// Backends that are open.
    pub(crate) open: usize,
}

/// How a write ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nothing is written.
    Lost,
    /// It is written, and an error is told nevertheless.
    Unclear,
    /// The backend panics.
    Panic,
}

/// Where a write waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Before it can be seen.
    Unseen,
    /// When it can be seen and is not durable yet.
    Seen,
}

impl Disk {
    /// A disk with something on it.
    pub(crate) fn with(entries: Entries) -> Self {
        let disk = Self::default();
        disk.inner().entries = entries.into();
        disk
    }

    pub(crate) fn open(&self) -> KeyValueStorage<Map> {
        self.try_open().unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<KeyValueStorage<Map>, StoreError> {
        self.inner().counts.open += 1;
        KeyValueStorage::open(Map(self.clone()), "a map")
    }

    pub(crate) fn entries(&self) -> Entries {
        (*self.inner().entries).clone()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.inner().counts
    }

    pub(crate) fn fail_next(&self, failure: Failure) {
        self.inner().next = Some(failure);
    }

    /// Makes writes wait, or lets them go.
    pub(crate) fn hold(&self, hold: impl Into<Option<Hold>>) {
        self.inner().hold = hold.into();
        self.0.moved.notify_all();
    }

    /// Waits until it has come to this.
    pub(crate) fn wait_until(&self, come: impl Fn(Counts) -> bool) {
        let _inner = self.0.moved.wait_while(self.inner(), |inner| !come(inner.counts)).unwrap();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, count: impl FnOnce(&mut Counts)) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner();
        count(&mut inner.counts);
        self.0.moved.notify_all();
        inner
    }

    fn wait_out(&self, hold: Hold) {
        let _inner = self.0.moved.wait_while(self.inner(), |inner| inner.hold == Some(hold)).unwrap();
    }
}

/// The disk as a key-value database.
pub(crate) struct Map(Disk);

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Map")
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        drop(self.0.count(|counts| counts.open -= 1));
    }
}

impl KeyValue for Map {
    const NAME: &'static str = "map";
    type Snapshot<'a> = View;

    fn snapshot(&self) -> Result<View, StoreError> {
        Ok(View(self.0.count(|counts| counts.looks += 1).entries.clone()))
    }

    fn write(&self, changes: &Changes) -> Result<(), StoreError> {
        let failure = self.0.count(|counts| counts.begun += 1).next.take();
        self.0.wait_out(Hold::Unseen);
        match failure {
            Some(Failure::Panic) => panic!("to order"),
            Some(Failure::Lost) => {}
            Some(Failure::Unclear) | None => {
                let mut inner = self.0.count(|counts| counts.seen += 1);
                let entries = Arc::make_mut(&mut inner.entries);
                for (key, value) in changes.iter() {
                    match value {
                        Some(value) => entries.insert(key.to_vec(), Bytes::copy_from_slice(value)),
                        None => entries.remove(key),
                    };
                }
            }
        }
        self.0.wait_out(Hold::Seen);
        match failure {
            Some(_) => Err(StoreError::Backend { backend: "map", retry: Retry::Never, source: "to order".into() }),
            None => Ok(()),
        }
    }

    fn durability(&self) -> Durability {
        Durability::Process
    }
}

/// The disk at one moment.
pub(crate) struct View(Arc<Entries>);

impl Snapshot for View {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.0.get(key).cloned())
    }

    fn range(&self, keys: Range<&[u8]>, direction: Direction, each: &mut Visit<'_>) -> Result<(), StoreError> {
        let bounds = (Bound::Included(keys.start), Bound::Excluded(keys.end));
        let _ = direction.walk(self.0.range::<[u8], _>(bounds)).try_for_each(|(key, value)| each(key, value));
        Ok(())
    }
}
