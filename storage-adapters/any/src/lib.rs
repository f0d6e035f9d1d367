//! Opens any store by its name, so that a program can leave the choice of the backend to anyone who runs it.
//!
//! ```
//! use syncline::store::Storage;
//! use syncline::SpaceId;
//! use syncline_any::AnyStorage;
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let name = format!("redb:{}", dir.path().join("notes.redb").display());
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let storage = AnyStorage::at(&name).await?; // a name such as `redb:notes.redb`
//! assert_eq!(storage.open(&SpaceId::new("notes")?).await?.status().await?.head.get(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! | name | store | accounts | processes at a time |
//! |---|---|---|---|
//! | `sqlite:FILE`, or a path alone | one SQLite file | yes | one |
//! | `redb:FILE` | one redb file | no | one |
//! | `sled:FOLDER` | a sled folder; experimental | no | one |
//! | `postgres://USER@HOST/DATABASE?schema=NAME` | one schema of a Postgres database, `syncline` unless named | yes | many |
//! | `memory:` | nothing: gone with the handle, and new whenever it is opened | no | one |
//!
//! Each backend but memory is a cargo feature of its name. `sqlite` is on by default, `all-stores` turns all on. The name of a backend
//! that was left out reads, and opening it says which feature is missing. Postgres needs a Tokio runtime, the others need none.

mod name;
mod options;
mod storage;

pub use name::{InvalidStoreName, Scheme, StoreName};
pub use options::AnyOptions;
pub use storage::{AnyStorage, OpenError};
