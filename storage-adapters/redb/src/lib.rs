//! Syncline's logs and rows in one redb file: an embedded store in Rust alone.
//!
//! ```
//! use syncline::store::Storage;
//! use syncline::{Event, EventType, NTP64, Replica, ReplicaId, SpaceId};
//! use syncline_redb::RedbStorage;
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("notes.redb");
//! # futures_executor::block_on(async {
//! let notes = SpaceId::new("notes")?;
//! let id = ReplicaId::from_bytes([7; 16]).expect("not zero"); // random, outside of an example
//! {
//!     let storage = RedbStorage::at(&path)?;
//!     let replica = Replica::compose(notes.clone(), storage.open(&notes).await?).clock(|| NTP64(1 << 32)).open(id).await?;
//!     replica.write(&[Event::new(EventType::new("note.taken", 1), "buy milk")]).await?;
//! } // the last handle closes the file
//! let storage = RedbStorage::at(&path)?;
//! assert_eq!(storage.open(&notes).await?.status().await?.head.get(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # What it promises
//!
//! * A commit that has returned survives a power cut ([`Durability::Synced`](syncline::store::Durability)). redb has nothing
//!   between that and losing everything since the last such commit, so there is no faster choice; [`RedbOptions`] leaves out
//!   one of two waits for the disk if a server's caution is not needed.
//! * Damage is found when the file is opened, which reads all of it ([`RedbOptions::verify`]), or else when a damaged value is
//!   read: it is [`StoreError::Corrupt`](syncline::StoreError::Corrupt), never other data.
//! * One process has the file open at a time.
//! * Everything else is as in `syncline-key-value`: group commit, reads during writes, no runtime.
//!
//! # Limits
//!
//! redb rounds the space of a value that is larger than a page up to a power of two: a run just above 1 MiB takes 2 MiB. What an
//! origin writes bundle by bundle is packed to just below 32 KiB, where little is lost. The file never shrinks by
//! itself: [`RedbOptions::compact`] gives back what a trim has freed.

mod backend;
mod error;
mod options;
mod storage;

pub use options::RedbOptions;
pub use storage::RedbStorage;
pub use syncline_key_value::WriterStats;
