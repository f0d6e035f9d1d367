//! sled as a key-value database: one tree.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use bytes::Bytes;
use sled::{Batch, Db, Tree};
use syncline::store::{Direction, Durability, StoreError};
use syncline_key_value::files::{self, InPlace};
use syncline_key_value::{Changes, KeyValue, Snapshot, Visit, guarded};

use crate::directory::{Claim, MARK};
use crate::disk::Disk;
use crate::error::{BACKEND, failed, is_lock};
use crate::options::SledOptions;
use crate::pieces;

const TREE: &str = "syncline";

/// What is always the same in an open directory: sled's log and its settings, its large values, and the mark that is locked.
const FILES: [&str; 4] = ["db", "conf", "blobs", MARK];

/// The key under which writes count themselves, behind all others.
const COUNT: [u8; 6] = [0xff; 6];

/// How often sled is asked to open a directory that it has not quite let go of, and how long to wait in between.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// An open directory. The database closes before the claim ends.
pub(crate) struct Sled {
    tree: Tree,
    _database: Db,
    disk: Disk,
    durability: Durability,
    /// sled shows a batch key by key; this shows it in one step.
    step: RwLock<()>,
    /// Writes that have returned.
    count: AtomicU64,
    path: PathBuf,
    in_place: InPlace,
    claim: Claim,
}

impl fmt::Debug for Sled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sled").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Sled {
    /// Opens a directory that is ours or may become so. One that is not is left as it was.
    pub(crate) fn open(options: &SledOptions) -> Result<Self, StoreError> {
        let claim = Claim::take(&options.path)?;
        guarded(BACKEND, &options.path.display(), || Self::start(options, claim))
    }

    fn start(options: &SledOptions, claim: Claim) -> Result<Self, StoreError> {
        let path = options.path.clone();
        let (io, own) = (|error: std::io::Error| failed(&path, error.into()), |error| failed(&path, error));
        // Nothing is flushed behind our back: a failure there would reach nobody.
        let config = sled::Config::new().path(&path).cache_capacity(options.cache_bytes).flush_every_ms(None);
        let database = open_patiently(&config).map_err(own)?;
        let tree = database.open_tree(TREE).map_err(own)?;
        let count = tree.get(COUNT).map_err(own)?.and_then(|count| Some(u64::from_be_bytes(*count.first_chunk()?)));
        let (count, promised) = (count.unwrap_or_default(), claim.promised().map_err(io)?);
        if count < promised {
            let why = format!("sled gives back {count} of {promised} writes");
            return Err(StoreError::Corrupt { backend: BACKEND, at: path.display().to_string(), why });
        }
        let disk = Disk::open(&path).map_err(io)?;
        claim.promise(count).map_err(io)?;
        let (durability, step, count) = (options.durability, RwLock::new(()), count.into());
        let in_place = files::in_place(BACKEND, &path, &FILES.map(Path::new))?;
        Ok(Self { tree, _database: database, disk, durability, step, count, path, in_place, claim })
    }

    fn apply(&self, batch: Batch) -> sled::Result<()> {
        let step = self.step.write().unwrap_or_else(PoisonError::into_inner);
        self.tree.apply_batch(batch)?;
        drop(step);
        // Until it is flushed the end of the batch is in memory, and after a crash sled takes the batch as a whole or not at
        // all. So what the log refers to is there before the log can refer to it.
        if self.durability == Durability::Synced {
            self.disk.sync_blobs()?;
        }
        self.tree.flush()?;
        if self.durability == Durability::Synced {
            self.disk.sync_log()?;
        }
        Ok(())
    }
}

impl KeyValue for Sled {
    const NAME: &'static str = BACKEND;
    // sled keeps sixteen values together, and in a file of their own if they are large together.
    const PACKED_BYTES: usize = 4 * 1024;
    type Snapshot<'a> = SledSnapshot<'a>;

    fn snapshot(&self) -> Result<SledSnapshot<'_>, StoreError> {
        Ok(SledSnapshot { sled: self, _step: self.step.read().unwrap_or_else(PoisonError::into_inner) })
    }

    fn write(&self, changes: &Changes) -> Result<(), StoreError> {
        let count = self.count.load(Ordering::Relaxed) + 1;
        let mut batch = Batch::default();
        batch.insert(&COUNT, &count.to_be_bytes());
        for (key, value) in changes.iter() {
            pieces::put(&self.tree, &mut batch, key, value).map_err(|error| failed(&self.path, error))?;
        }
        self.apply(batch).map_err(|error| failed(&self.path, error))?;
        self.count.store(count, Ordering::Relaxed);
        Ok(())
    }

    fn in_place(&self) -> Result<(), StoreError> {
        files::check_in_place(BACKEND, &self.in_place)
    }

    fn durability(&self) -> Durability {
        self.durability
    }
}

impl Drop for Sled {
    fn drop(&mut self) {
        // What is promised must be on the disk. If that fails, less damage is noticed later.
        let _ = self.disk.sync().and_then(|()| self.claim.promise(self.count.load(Ordering::Relaxed)));
    }
}

/// The tree while nothing is applied to it.
pub(crate) struct SledSnapshot<'a> {
    sled: &'a Sled,
    _step: RwLockReadGuard<'a, ()>,
}

impl Snapshot for SledSnapshot<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let own = |error| failed(&self.sled.path, error);
        let entry = self.sled.tree.get(key).map_err(own)?;
        entry.map(|entry| pieces::join(&self.sled.tree, key, &entry).map_err(own)).transpose()
    }

    fn range(&self, keys: Range<&[u8]>, direction: Direction, each: &mut Visit<'_>) -> Result<(), StoreError> {
        for entry in direction.walk(self.sled.tree.range(keys)) {
            let (key, entry) = entry.map_err(|error| failed(&self.sled.path, error))?;
            let value = pieces::join(&self.sled.tree, &key, &entry);
            let value = value.map_err(|error| failed(&self.sled.path, error))?;
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
