//! sled as a key-value database: one tree.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use bytes::Bytes;
use sled::{Batch, Db, Tree};
use syncline::store::{Durability, StoreError};
use syncline_key_value::{Changes, KeyValue, Snapshot, Visit, guarded};

use crate::directory;
use crate::disk::Disk;
use crate::error::{BACKEND, failed, is_lock};
use crate::options::SledOptions;

const TREE: &str = "syncline";

/// How often sled is asked to open a directory that it has not quite let go of, and how long to wait in between.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// An open directory. The database closes before the lock is released.
pub(crate) struct Sled {
    tree: Tree,
    _database: Db,
    disk: Option<Disk>,
    /// sled shows a batch key by key; this shows it in one step.
    step: RwLock<()>,
    path: PathBuf,
    _lock: File,
}

impl fmt::Debug for Sled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sled").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Sled {
    /// Opens a directory that is ours or may become so. One that is not is left as it was.
    pub(crate) fn open(options: &SledOptions) -> Result<Self, StoreError> {
        let path = options.path.clone();
        let lock = directory::claim(&path)?;
        // Nothing is flushed behind our back: a failure there would reach nobody.
        let config = sled::Config::new().path(&path).cache_capacity(options.cache_bytes).flush_every_ms(None);
        let open = || open_patiently(&config).map_err(|error| failed(&path, error));
        let database = guarded(BACKEND, &path.display(), open)?;
        let tree =
            guarded(BACKEND, &path.display(), || database.open_tree(TREE).map_err(|error| failed(&path, error)))?;
        let disk = match options.durability {
            Durability::Synced => Some(Disk::open(&path).map_err(|error| failed(&path, error.into()))?),
            _ => None,
        };
        Ok(Self { tree, _database: database, disk, step: RwLock::new(()), path, _lock: lock })
    }

    fn try_write(&self, batch: Batch) -> sled::Result<()> {
        let step = self.step.write().unwrap_or_else(PoisonError::into_inner);
        self.tree.apply_batch(batch)?;
        drop(step);
        self.tree.flush()?;
        if let Some(disk) = &self.disk {
            disk.sync()?;
        }
        Ok(())
    }
}

impl KeyValue for Sled {
    const NAME: &'static str = BACKEND;
    const PACKED_BYTES: usize = 4 * 1024;
    type Snapshot<'a> = SledSnapshot<'a>;

    fn snapshot(&self) -> Result<SledSnapshot<'_>, StoreError> {
        Ok(SledSnapshot { sled: self, _step: self.step.read().unwrap_or_else(PoisonError::into_inner) })
    }

    fn write(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        for (key, value) in changes.iter() {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.try_write(batch).map_err(|error| failed(&self.path, error))
    }

    fn durability(&self) -> Durability {
        if self.disk.is_some() { Durability::Synced } else { Durability::Process }
    }
}

/// The tree while nothing is applied to it.
pub(crate) struct SledSnapshot<'a> {
    sled: &'a Sled,
    _step: RwLockReadGuard<'a, ()>,
}

impl Snapshot for SledSnapshot<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self.sled.tree.get(key).map_err(|error| failed(&self.sled.path, error))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn range(&self, keys: Range<&[u8]>, each: &mut Visit<'_>) -> Result<(), StoreError> {
        for entry in self.sled.tree.range(keys) {
            let (key, value) = entry.map_err(|error| failed(&self.sled.path, error))?;
            if each(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Opens what an earlier handle of this process may still be closing: sled's own threads hold its lock a little longer.
fn open_patiently(config: &sled::Config) -> sled::Result<Db> {
    for _ in 1..TRIES {
        match config.open() {
            Err(sled::Error::Io(error)) if is_lock(&error) => std::thread::sleep(PAUSE),
            opened => return opened,
        }
    }
    config.open()
}
