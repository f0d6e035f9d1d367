//! One more store in one small file: Syncline's log and rows over fjall, a log-structured merge tree.
//!
//! `syncline-key-value` brings the layout, the threads, group commit, checksums and the format's version. What is left for a
//! backend is to look at the map from one moment, to write a batch, and to say what went wrong. `tests/conformance.rs` holds
//! it to every law of a store.
//!
//! ```
//! use syncline::{SpaceId, Storage};
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("notes");
//! # futures_executor::block_on(async {
//! let storage = syncline_example_fjall::open(&path)?;
//! let notes = storage.open(&SpaceId::new("notes")?).await?;
//! assert_eq!(notes.status().await?.head.get(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

use std::fmt;
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use fjall::{Database, Error, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};
use syncline::store::{Claim, Direction, Durability, Retry, StoreError};
use syncline_key_value::{Changes, KeyValue, KeyValueStorage, Snapshot, Visit, files, guarded};

const BACKEND: &str = "fjall";

/// Opens the directory at `path`, which is created if it does not exist. Commits survive a power cut.
///
/// # Errors
/// [`StoreError::InUse`] if it is open already; [`StoreError::UnsupportedFormat`], [`StoreError::Corrupt`] or
/// [`StoreError::Backend`] if it cannot be used.
pub fn open(path: impl AsRef<Path>) -> Result<KeyValueStorage<Fjall>, StoreError> {
    let what = path.as_ref().display().to_string();
    let open = || {
        let database = Database::builder(path.as_ref()).open()?;
        let entries = database.keyspace("syncline", KeyspaceCreateOptions::default)?;
        Ok(Fjall { database, entries, _open: files::claim(path.as_ref()) })
    };
    let opened = guarded(BACKEND, &what, || open().map_err(|error| failed(error, &what)))?;
    KeyValueStorage::open(opened, what)
}

/// An open directory.
pub struct Fjall {
    database: Database,
    entries: Keyspace,
    _open: Claim,
}

impl fmt::Debug for Fjall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fjall")
    }
}

impl KeyValue for Fjall {
    const NAME: &'static str = BACKEND;
    type Snapshot<'a> = Moment<'a>;

    fn snapshot(&self) -> Result<Moment<'_>, StoreError> {
        Ok(Moment { snapshot: self.database.snapshot(), entries: &self.entries })
    }

    fn write(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncAll));
        for (key, value) in changes.iter() {
            match value {
                Some(value) => batch.insert(&self.entries, key, value),
                None => batch.remove(&self.entries, key),
            }
        }
        batch.commit().map_err(|error| failed(error, "a write"))
    }

    fn durability(&self) -> Durability {
        Durability::Synced
    }
}

/// The directory at one moment.
pub struct Moment<'a> {
    snapshot: fjall::Snapshot,
    entries: &'a Keyspace,
}

impl fmt::Debug for Moment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moment")
    }
}

impl Snapshot for Moment<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self.snapshot.get(self.entries, key).map_err(|error| failed(error, "a read"))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn range(&self, keys: Range<&[u8]>, direction: Direction, each: &mut Visit<'_>) -> Result<(), StoreError> {
        for entry in direction.walk(self.snapshot.range(self.entries, keys)) {
            let (key, value) = entry.into_inner().map_err(|error| failed(error, "a read"))?;
            if each(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// What a caller is told: whatever calls for something different from him is an error of its own.
fn failed(error: Error, what: &str) -> StoreError {
    let (backend, at) = (BACKEND, what.to_owned());
    match error {
        Error::Locked => files::in_use(backend, Path::new(what)),
        Error::InvalidVersion(found) => {
            StoreError::UnsupportedFormat { what: at, found: format!("{found:?} of fjall"), newest: 1 }
        }
        Error::Io(_) | Error::Poisoned => {
            let source = format!("{what}: {error}; open the directory again").into();
            StoreError::Backend { backend, retry: Retry::Never, source }
        }
        error => StoreError::Corrupt { backend, at, why: error.to_string() },
    }
}
