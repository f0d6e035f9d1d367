//! The laws of Syncline as test suites: one macro line per adapter.
//!
//! A law is one function, named as the sentence that it proves. A suite turns every law into a test of its own, so that a law
//! added here reaches every adapter, and a failure reads `redb::a_polling_reader_never_skips`. There are no capability
//! flags: the traits are so small that every adapter can keep every law. Laws about several processes on one database also hold for a
//! backend that accepts one process at a time: they prove that the second process is told so, and print `does not apply` and their name.
//! Laws about a broken connection do the same for a transport within one process.
//!
//! This is the complete test file of a store:
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
//! `examples/outside-adapter` is a store with such a test file in a crate and a workspace of its own.
//!
//! | suite | proves | takes |
//! |---|---|---|
//! | [`store_suite!`] | a [`Storage`](syncline::store::Storage) and its stores | a [`StoreHarness`] |
//! | [`file_store_suite!`] | a store on files for one process at a time, beside the laws | a function that opens a path |
//! | [`transport_suite!`] | a [`Transport`](syncline::Transport), in front of a service | a [`TransportHarness`] |
//! | [`projection_suite!`] | a [`Projection`](syncline::Projection) | it, and a strategy of events |
//! | [`crdt_suite!`] | a [`Crdt`](syncline::crdt::Crdt) | its type, a strategy of operations, and how it takes one |
//!
//! [`accounts::check`] and [`archive::check`] prove the few laws of an [`Accounts`](syncline::authority::accounts::Accounts) and of an
//! [`Archive`](syncline::archive::Archive), in one test each.
//!
//! `examples/tcp-transport` is a transport over TCP with its test file, and `examples/fjall-adapter` one more store.
//!
//! In a file with several suites, each suite needs its own module. Each suite has a register (such as [`for_each_store_law!`]) that
//! calls your macro with all laws, and a table (such as [`store::LAWS`]) that a program can read.
//!
//! A store on disk keeps its directory in a [`Scratch`]. Laws write with an [`Author`], read through a [`Subject`], and
//! compare bundle by bundle ([`Placed`]); an adapter's own tests may do the same.
//!
//! Laws with random input start from one seed, so that every run is the same. `SYNCLINE_CONFORMANCE_SEED` sets another one and
//! `SYNCLINE_CONFORMANCE_CASES` sets the number of cases. A failure names its seed and the smallest case that still fails. No law
//! sleeps or measures time. A law that waits for ever is ended after three minutes.
//!
//! The kit is tested by its own broken twins: for every law there is a store, transport, projection or state with one fault that
//! this law catches.

use std::sync::atomic::{AtomicU64, Ordering};

use syncline::LogId;

pub mod accounts;
#[macro_use]
mod assert;
pub mod archive;
mod author;
mod batch;
pub mod crdt;
pub mod displaced;
#[cfg(unix)]
pub mod elsewhere;
pub mod file_store;
mod harness;
pub mod peer;
mod placed;
pub mod projection;
mod relay;
mod relays;
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
pub use relay::Relay;
pub use relays::Relays;
pub use subject::{Image, SPACE, Subject};

/// A log id that this process has not given out before.
pub fn new_log_id() -> LogId {
    static GIVEN: AtomicU64 = AtomicU64::new(1);
    let number = GIVEN.fetch_add(1, Ordering::Relaxed);
    LogId::from_bytes(u128::from(number).to_be_bytes()).expect("the count starts at one")
}
