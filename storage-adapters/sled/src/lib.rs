//! Syncline's logs and rows in a sled directory. **Experimental: do not choose it for data that exists nowhere else.**
//!
//! sled 0.34 has not been maintained for years, and by its own account is a beta. This adapter is for those who have it in their
//! program already. It keeps every law of a store, and makes up for what is known to be unsafe in sled, as far as an adapter can:
//!
//! | what sled does | what this adapter does | what remains |
//! |---|---|---|
//! | `flush` does not sync its log on Linux: acknowledged writes are lost in a power cut | it syncs the log after each flush | |
//! | large values lie in files of their own, never synced | it syncs each of them, and their directory | a commit after a large one takes longer with the number of such files |
//! | takes damage in its log for the log's end, and opens with what was there before | every write counts itself, and the count of the last close is kept beside sled's files: a directory that gives back less is refused | damage done between a crash and the next open, to writes since the last open |
//! | panics where it does not understand what it reads | a panic while opening or reading becomes an error | its own threads may panic, and memory stay taken |
//! | keeps its lock for a while after it is closed | it asks again, for two seconds | |
//! | shows a batch key by key | reads wait while a batch is applied | |
//! | gives space back late, or never | packs what an origin writes one by one | a file that grows to several times its content |
//!
//! ```
//! use syncline::SpaceId;
//! use syncline::store::Storage;
//! use syncline_sled::SledStorage;
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("notes");
//! # futures_executor::block_on(async {
//! let storage = SledStorage::at(&path)?;
//! let notes = storage.open(&SpaceId::new("notes")?).await?;
//! assert_eq!(notes.status().await?.head.get(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # What it promises
//!
//! * A commit that has returned survives a power cut ([`Durability::Synced`](syncline::store::Durability)), or with
//!   [`SledOptions::durability`] the death of the process only.
//! * One process has the directory open at a time. The file `syncline.lock` in it is its mark and its lock.
//! * All else as `syncline-key-value` says: group commit, checksums, no runtime.

mod backend;
mod directory;
mod disk;
mod error;
mod options;
mod storage;

pub use options::SledOptions;
pub use storage::SledStorage;
pub use syncline_key_value::WriterStats;
