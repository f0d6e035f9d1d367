//! Syncline's logs, rows and a server's accounts in one SQLite file: the embedded default.
//!
//! ```
//! use std::sync::Arc;
//!
//! use syncline::store::{EventStore, Storage};
//! use syncline::{Event, EventType, NTP64, Replica, ReplicaId, SpaceId};
//! use syncline_sqlite::SqliteStorage;
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("notes.sqlite");
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let notes = SpaceId::new("notes")?;
//! let id = ReplicaId::from_bytes([7; 16]).expect("not zero"); // random, outside of an example
//! {
//!     let storage = SqliteStorage::at(&path)?;
//!     let replica = Replica::compose(notes.clone(), storage.open(&notes).await?).clock(|| NTP64(1 << 32)).open(id).await?;
//!     replica.write(&[Event::new(EventType::new("note.taken", 1), "buy milk")]).await?;
//! } // the last handle closes the file
//! let storage = SqliteStorage::at(&path)?;
//! assert_eq!(storage.open(&notes).await?.status().await?.head.get(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # What it promises
//!
//! * A commit that has returned survives a power cut ([`Durability::Synced`](syncline::store::Durability), SQLite's
//!   write-ahead log with `synchronous = FULL`), or with [`SqliteOptions::durability`] the death of the process only.
//! * One thread writes. Commits that wait share one transaction, so that many writers pay for one wait for the disk.
//! * Reading threads have connections of their own and do not wait for the writer. Every read sees one moment.
//! * No runtime is needed: futures are answered from threads of this crate.
//! * After a failure that leaves unknown what is on the disk, every call answers
//!   [`StoreError::Poisoned`](syncline::StoreError::Poisoned) until the file is opened again. A full disk is no such failure.
//! * One process has a file open at a time. It holds a lock on the file `…-lock` next to it, which is left there.
//!
//! # Looking inside
//!
//! The `sqlite3` shell (3.40 or later) may read while a program runs:
//!
//! ```sql
//! SELECT * FROM attributes WHERE entity = 'article/7';  -- space, entity, attribute, value as JSON, time
//! SELECT * FROM bundles LIMIT 10;                       -- space, position, origin, seq, time, void, bytes
//! ```
//!
//! Times are UTC. `void` is 1 if a bundle was refused and its body, `bytes` long, is gone.
//!
//! # Space on the disk
//!
//! What a trim deletes leaves free pages, which are filled again. If they are many, they are cut off the file after the next commits, 8 MiB
//! after each group. A file that was made before trims were known keeps its length. `VACUUM` in the `sqlite3` shell shortens it,
//! while no program has it open.
//!
//! # Limits
//!
//! 2⁴⁰ bundles per space, 2²³ spaces per file, in addition to those of [`syncline::limits`].

mod accounts;
mod backend;
mod backup;
mod check;
mod checkpoint;
mod connection;
mod error;
mod leftover;
mod log;
mod number;
mod open;
mod options;
mod rows;
mod schema;
mod session;
mod space;
mod space_back;
mod storage;
mod write;

pub use accounts::SqliteAccounts;
pub use backup::{copy, put_in_place};
pub use options::SqliteOptions;
pub use storage::SqliteStorage;
pub use syncline_embedded::WriterStats;
