//! What Syncline's embedded stores have in common: one machine that commits, reads and keeps order, over the layout of a backend.
//!
//! A backend implements [`Backend`]: how it keeps logs and rows, and what its transactions are. [`Database::start`] gives it
//! threads. `syncline-sqlite` is one; `syncline-key-value` is one for any ordered key-value database.
//!
//! # What comes with it
//!
//! * The commit rule of [`syncline::store::draft`]: a backend writes drafts, and decides nothing.
//! * One thread writes. Commits that wait share one transaction, so that many writers pay for one wait for the disk. A refused commit
//!   among them leaves no trace and harms none of its neighbours.
//! * Threads that read see one moment each. No row is seen before the status that it goes with, and nothing that is not durable.
//! * Bundles that an origin writes one by one are packed into runs on the way.
//! * A run that is missing is [`StoreError::Corrupt`](syncline::StoreError::Corrupt), never a short answer.
//! * After a failure that leaves unknown what is on the disk, every call answers
//!   [`StoreError::Poisoned`](syncline::StoreError::Poisoned) until the database is opened again. The last handle closes it, so that
//!   this may be done at once.
//! * What waits is bounded in bytes, and callers wait for room. No runtime is needed: futures are answered from these threads.
//! * [`files`] keeps other processes out, and notices that a file was deleted or moved.
//!
//! The heads of a space's origins are kept in memory while it is open.

mod backend;
mod database;
mod error;
pub mod files;
mod fold;
mod log;
mod pack;
mod plan;
mod poison;
mod queue;
mod space;
mod store;
mod writer;

pub use backend::{At, Backend, EachRow, EachRun, Failure, Found, Place, Session};
pub use database::{Database, WriterStats};
pub use error::guarded;
