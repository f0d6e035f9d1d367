//! Syncline's logs and rows over any ordered key-value database: what the adapters of redb and sled have in common.
//!
//! A backend implements [`KeyValue`], a blocking trait of three methods, and hands itself to [`KeyValueStorage::open`]. Here is
//! one, whole; one on disk has its errors to tell in addition to that, and takes about a hundred lines.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::ops::Range;
//! use std::sync::{Mutex, MutexGuard};
//!
//! use bytes::Bytes;
//! use syncline::store::{Direction, Durability, Storage, StoreError};
//! use syncline::SpaceId;
//! use syncline_key_value::{Changes, KeyValue, KeyValueStorage, Snapshot, Visit};
//!
//! type Entries = BTreeMap<Vec<u8>, Bytes>;
//!
//! #[derive(Debug, Default)]
//! struct Map(Mutex<Entries>);
//!
//! impl KeyValue for Map {
//!     const NAME: &'static str = "map";
//!     type Snapshot<'a> = Locked<'a>;
//!
//!     fn snapshot(&self) -> Result<Locked<'_>, StoreError> {
//!         Ok(Locked(self.0.lock().expect("no thread panics with it")))
//!     }
//!
//!     fn write(&self, changes: &Changes) -> Result<(), StoreError> {
//!         let mut entries = self.0.lock().expect("no thread panics with it");
//!         for (key, value) in changes.iter() {
//!             match value {
//!                 Some(value) => entries.insert(key.to_vec(), Bytes::copy_from_slice(value)),
//!                 None => entries.remove(key),
//!             };
//!         }
//!         Ok(())
//!     }
//!
//!     fn durability(&self) -> Durability {
//!         Durability::Volatile
//!     }
//! }
//!
//! struct Locked<'a>(MutexGuard<'a, Entries>);
//!
//! impl Snapshot for Locked<'_> {
//!     fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
//!         Ok(self.0.get(key).cloned())
//!     }
//!
//!     fn range(&self, keys: Range<&[u8]>, direction: Direction, each: &mut Visit<'_>) -> Result<(), StoreError> {
//!         let entries = self.0.range(keys.start.to_vec()..keys.end.to_vec());
//!         let _ = direction.walk(entries).try_for_each(|(key, value)| each(key, value));
//!         Ok(())
//!     }
//! }
//!
//! # futures_executor::block_on(async {
//! let storage = KeyValueStorage::open(Map::default(), "a map in memory")?;
//! let notes = storage.open(&SpaceId::new("notes")?).await?;
//! assert_eq!(notes.status().await?.head.get(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! Then hold it to the laws: `syncline-conformance` has a suite in one macro line.
//!
//! # What comes with it
//!
//! * All of `syncline-embedded`: threads, group commit, packing, one moment per read, bounded queues.
//! * Every value carries a checksum over its key and itself, and what must be there is missed if it is not: damage is
//!   [`StoreError::Corrupt`](syncline::StoreError::Corrupt), never other data. Only for a lost row the backend has to answer.
//! * The format has a version. What a newer build or another program wrote is refused, and left as it was.
//!
//! # Limits
//!
//! 2³² - 1 spaces, in addition to those of [`syncline::limits`]. The names of a space's views are kept in one value. Clearing a view takes
//! memory for the keys of its rows.

mod backend;
mod changes;
mod check;
mod error;
mod keys;
mod layout;
mod log;
mod read;
mod record;
mod rows;
mod schema;
mod storage;

pub use backend::{KeyValue, Snapshot, Visit};
pub use changes::Changes;
pub use schema::inspect;
pub use storage::KeyValueStorage;
pub use syncline_embedded::{WriterStats, files, guarded};
