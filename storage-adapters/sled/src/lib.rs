//! Syncline's logs and rows in a sled directory. **Experimental: do not choose it for data that exists nowhere else.**
//!
//! sled 0.34 has not been maintained for years, and by its own account is a beta. This adapter is for those who have it in their
//! program already. It keeps every law of a store, and makes up for what is known to be unsafe in sled, as far as an adapter can:
//!
//! * Its `flush` does not sync its log on Linux: acknowledged writes are lost in a power cut. This adapter syncs the log after
//!   each flush.
//! * Large pages lie in files of their own that it does not sync before its log refers to them: a power cut loses the page, with
//!   what it held before. This adapter cuts large values into pieces, so that no page is large; files that are there from before
//!   are synced, and their directory.
//! * It takes damage in its log for the log's end, and opens with what was there before. Every write counts itself, and the count
//!   of the last close is kept next to sled's files: a directory that gives back less is refused. What remains is damage done
//!   between a crash and the next open, to writes since the last open.
//! * It panics if it does not understand what it reads. A panic while opening or reading becomes an error; its own threads may
//!   still panic, and memory stay taken.
//! * It keeps its lock for a while after it is closed. This adapter asks again, for two seconds.
//! * It shows a batch key by key. Reads wait while a batch is applied.
//! * It gives space back late, or never. What an origin writes one by one is packed; a directory still grows to several times its
//!   content.
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
mod pieces;
mod storage;

pub use options::SledOptions;
pub use storage::SledStorage;
pub use syncline_key_value::WriterStats;
