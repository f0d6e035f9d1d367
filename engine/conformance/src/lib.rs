//! The laws of Syncline as test suites: one macro line per adapter.
//!
//! A law is one function, named as the sentence that it proves. A suite turns every law into a test of its own, so that a law
//! added here reaches every adapter, and a failure reads `redb::a_polling_reader_never_skips`. There are no capability
//! flags: the traits are small enough that every adapter keeps every law.
//!
//! The test file of a store, whole:
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use syncline::store::Storage;
//! # use syncline::store::memory::MemoryStorage as MyStorage;
//! use syncline_conformance::{StoreHarness, new_log_id, store_suite};
//!
//! #[derive(Default)]
//! struct Mine;
//!
//! #[async_trait]
//! impl StoreHarness for Mine {
//!     async fn fresh(&self) -> Arc<dyn Storage> {
//!         Arc::new(MyStorage::new(new_log_id))
//!     }
//!
//!     async fn reopen(&self) -> Option<Arc<dyn Storage>> {
//!         None // it does not outlive its handles
//!     }
//! }
//!
//! store_suite!(Mine);
//! ```
//!
//! A store on disk keeps its directory in a [`Scratch`]. Laws write with an [`Author`], read through a [`Subject`], and
//! compare bundle by bundle ([`Placed`]); an adapter's own tests may do the same.

use std::sync::atomic::{AtomicU64, Ordering};

use syncline::LogId;

#[macro_use]
mod assert;
mod author;
mod batch;
pub mod crdt;
mod harness;
pub mod peer;
mod placed;
pub mod projection;
#[doc(hidden)]
pub mod run;
pub mod store;
pub mod strategies;
mod subject;
pub mod transport;

pub use author::{Author, NOTE};
pub use batch::{appends, deletes, dot, puts, row_key, space, view, voids, writes};
pub use harness::{Scratch, StoreHarness, TransportHarness};
pub use placed::{Content, Placed, placed, unpack};
pub use subject::{Image, SPACE, Subject};

/// A log id that this process has not given out before.
pub fn new_log_id() -> LogId {
    static GIVEN: AtomicU64 = AtomicU64::new(1);
    let number = GIVEN.fetch_add(1, Ordering::Relaxed);
    LogId::from_bytes(u128::from(number).to_be_bytes()).expect("the count starts at one")
}
