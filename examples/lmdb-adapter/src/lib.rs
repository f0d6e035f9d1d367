//! A store on a C library in one small file: Syncline's log and rows over LMDB, a memory-mapped B-tree.
//!
//! `syncline-key-value` brings the layout, the threads, group commit, checksums and the format's version. This file adds what is special
//! to LMDB: its map has a fixed size, it takes no empty key, and it admits several processes, which Syncline's log does not.
//! `tests/conformance.rs` holds it to every law of a store, and `benches/examples/own_store.rs` compares it with the others.

use std::fs;
use std::io::ErrorKind;
use std::ops::{Bound, Range};
use std::path::Path;

use bytes::Bytes;
use heed::types::Bytes as Raw;
use heed::{Database, Env, EnvOpenOptions, Error, MdbError, RoTxn, WithoutTls};
use syncline::store::{Direction, Durability, Retry, StoreError};
use syncline_key_value::files::{self, Lock};
use syncline_key_value::{Changes, KeyValue, KeyValueStorage, Snapshot, Visit, guarded};

const BACKEND: &str = "LMDB";

/// Bytes of addresses that the map takes, which is the most that it can hold. It takes no memory and no disk in advance.
const MAP_BYTES: usize = 64 * 1024 * 1024 * 1024;

/// Opens the directory at `path`, which is created if it does not exist. Commits survive a power cut.
///
/// # Errors
/// [`StoreError::InUse`] if it is open already; [`StoreError::UnsupportedFormat`], [`StoreError::Corrupt`] or
/// [`StoreError::Backend`] if it cannot be used.
pub fn open(path: impl AsRef<Path>) -> Result<KeyValueStorage<Lmdb>, StoreError> {
    let path = path.as_ref();
    let what = path.display().to_string();
    let opened = guarded(BACKEND, &what, || Lmdb::open(path))?;
    KeyValueStorage::open(opened, what)
}

/// An open directory. The map is closed before the lock ends.
#[derive(Debug)]
pub struct Lmdb {
    entries: Database<Raw, Raw>,
    env: Env<WithoutTls>,
    /// LMDB lets other processes write next to us, but the log has one writer.
    _lock: Lock,
}

impl Lmdb {
    fn open(path: &Path) -> Result<Self, StoreError> {
        match fs::create_dir(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error.into(), path)),
            _ => files::sync_parent(BACKEND, path)?,
        }
        let lock = Lock::take(BACKEND, &path.join("syncline.lock"), path)?;
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(MAP_BYTES);
        // SAFETY: the map is undefined if somebody else changes or cuts the file. The lock above keeps out every program that keeps to
        // it, and this process opens the directory once.
        #[allow(unsafe_code, reason = "a C library that maps a file")]
        let env = unsafe { options.open(path) }.map_err(|error| failed(error, path))?;
        let create = || {
            let mut transaction = env.write_txn()?;
            let entries = env.create_database(&mut transaction, None)?;
            transaction.commit()?;
            Ok(entries)
        };
        let entries = create().map_err(|error| failed(error, path))?;
        Ok(Self { entries, env, _lock: lock })
    }
}

impl KeyValue for Lmdb {
    const NAME: &'static str = BACKEND;
    type Snapshot<'a> = Moment<'a>;

    fn snapshot(&self) -> Result<Moment<'_>, StoreError> {
        let transaction = self.env.read_txn().map_err(|error| failed(error, self.env.path()))?;
        Ok(Moment { transaction, lmdb: self })
    }

    fn write(&self, changes: &Changes) -> Result<(), StoreError> {
        let write = || {
            let mut transaction = self.env.write_txn()?;
            for (key, value) in changes.iter() {
                match value {
                    Some(value) => self.entries.put(&mut transaction, key, value)?,
                    None => _ = self.entries.delete(&mut transaction, key)?,
                }
            }
            transaction.commit()
        };
        write().map_err(|error| failed(error, self.env.path()))
    }

    fn durability(&self) -> Durability {
        Durability::Synced
    }
}

/// The directory at one moment.
#[allow(missing_debug_implementations, reason = "LMDB's transaction has none")]
pub struct Moment<'a> {
    transaction: RoTxn<'a, WithoutTls>,
    lmdb: &'a Lmdb,
}

impl Snapshot for Moment<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self.lmdb.entries.get(&self.transaction, key);
        Ok(value.map_err(|error| failed(error, self.lmdb.env.path()))?.map(Bytes::copy_from_slice))
    }

    fn range(&self, keys: Range<&[u8]>, direction: Direction, each: &mut Visit<'_>) -> Result<(), StoreError> {
        // LMDB has no empty keys, and takes none for a bound.
        let start = if keys.start.is_empty() { Bound::Unbounded } else { Bound::Included(keys.start) };
        let (bounds, entries) = ((start, Bound::Excluded(keys.end)), &self.lmdb.entries);
        let mut walk = || -> heed::Result<()> {
            let mut found: Box<dyn Iterator<Item = _>> = match direction {
                Direction::Forward => Box::new(entries.range(&self.transaction, &bounds)?),
                Direction::Backward => Box::new(entries.rev_range(&self.transaction, &bounds)?),
            };
            while let Some((key, value)) = found.next().transpose()? {
                if each(key, value).is_break() {
                    break;
                }
            }
            Ok(())
        };
        walk().map_err(|error| failed(error, self.lmdb.env.path()))
    }
}

/// What a caller is told: each case that calls for something different is an error of its own.
fn failed(error: Error, path: &Path) -> StoreError {
    let what = path.display().to_string();
    let cure = match error {
        Error::EnvAlreadyOpened => return files::in_use(BACKEND, path),
        Error::Mdb(MdbError::Corrupted | MdbError::PageNotFound | MdbError::Invalid) => {
            return StoreError::Corrupt { backend: BACKEND, at: what, why: error.to_string() };
        }
        Error::Mdb(MdbError::VersionMismatch) => {
            return StoreError::UnsupportedFormat {
                what,
                found: "unknown (another version of LMDB)".into(),
                newest: 1,
            };
        }
        Error::Mdb(MdbError::MapFull) => "open the directory with a larger map",
        _ => "make room if the disk is full, and open the directory again",
    };
    StoreError::Backend { backend: BACKEND, retry: Retry::Never, source: format!("{what}: {error}; {cure}").into() }
}
