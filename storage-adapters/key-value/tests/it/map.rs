//! A backend in memory, with failures to order.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, Range};
use std::sync::{Arc, Condvar, Mutex};

use bytes::Bytes;
use syncline::store::{Durability, Retry, StoreError};
use syncline_key_value::{Changes, KeyValue, Snapshot, Visit};

type Entries = BTreeMap<Vec<u8>, Bytes>;

/// What outlives a backend, as a disk does. Clones are one disk.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<(Mutex<Inner>, Condvar)>);

#[derive(Default)]
struct Inner {
    entries: Arc<Entries>,
    writes: usize,
    /// What the next write comes to; well, unless said otherwise.
    next: Option<Failure>,
    /// Writes wait for this to end.
    held: bool,
    /// Writes that wait.
    waiting: usize,
}

/// How a write or a read ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nothing is written.
    Lost,
    /// It is written, and an error is told nevertheless.
    Unclear,
    /// The backend panics.
    Panic,
}

impl Disk {
    pub(crate) fn backend(&self) -> Map {
        Map(self.clone())
    }

    pub(crate) fn entries(&self) -> Entries {
        (*self.inner().entries).clone()
    }

    /// Changes what is stored, behind the backend's back.
    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Entries)) {
        edit(Arc::make_mut(&mut self.inner().entries));
    }

    pub(crate) fn fail_next(&self, failure: Failure) {
        self.inner().next = Some(failure);
    }

    /// How many writes have been made.
    pub(crate) fn writes(&self) -> usize {
        self.inner().writes
    }

    /// Makes writes wait, or lets them go.
    pub(crate) fn hold(&self, held: bool) {
        self.inner().held = held;
        self.0.1.notify_all();
    }

    /// Waits until a write waits.
    pub(crate) fn await_write(&self) {
        let _inner = self.0.1.wait_while(self.inner(), |inner| inner.waiting == 0).unwrap();
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.0.lock().unwrap()
    }
}

/// The disk as a key-value database.
pub(crate) struct Map(Disk);

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Map")
    }
}

impl KeyValue for Map {
    const NAME: &'static str = "map";
    type Snapshot<'a> = View;

    fn snapshot(&self) -> Result<View, StoreError> {
        Ok(View(self.0.inner().entries.clone()))
    }

    fn write(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut inner = self.0.inner();
        inner.waiting += 1;
        self.0.0.1.notify_all();
        inner = self.0.0.1.wait_while(inner, |inner| inner.held).unwrap();
        inner.waiting -= 1;
        let failure = inner.next.take();
        if failure == Some(Failure::Panic) {
            drop(inner);
            panic!("to order");
        }
        if failure != Some(Failure::Lost) {
            let entries = Arc::make_mut(&mut inner.entries);
            for (key, value) in changes.iter() {
                match value {
                    Some(value) => entries.insert(key.to_vec(), Bytes::copy_from_slice(value)),
                    None => entries.remove(key),
                };
            }
            inner.writes += 1;
        }
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

    fn range(&self, keys: Range<&[u8]>, each: &mut Visit<'_>) -> Result<(), StoreError> {
        let bounds = (Bound::Included(keys.start), Bound::Excluded(keys.end));
        let _ = self.0.range::<[u8], _>(bounds).try_for_each(|(key, value)| each(key, value));
        Ok(())
    }
}
