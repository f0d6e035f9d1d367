//! Syncline's logs, rows and accounts in a Postgres database, which any number of server processes share.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use syncline::{Service, Storage};
//! use syncline_postgres::PostgresOptions;
//!
//! # async fn serve(clock: Arc<dyn syncline::PhysicalClock>) -> Result<(), Box<dyn std::error::Error>> {
//! let storage = PostgresOptions::new("postgres://sync@db.example.org/notes").open().await?;
//! println!("a commit that has returned is {}", storage.durability());
//! let accounts = Arc::new(storage.accounts(clock.clone()).await?);
//! let service = Service::new(Arc::new(storage), accounts, clock); // one in each process
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! * A commit that has returned survives what [`Storage::durability`](syncline::Storage::durability) says, which is asked of the
//!   server when the storage is opened: a power cut if it flushes its log before it answers (`synchronous_commit`, `fsync` and
//!   `full_page_writes`), otherwise the death of this process, and not a crash of the server.
//! * A commit first changes the space's row in the table of spaces, and so waits for every commit before it. Positions are
//!   counted in that row: commit order is position order, without gaps, and no reader skips. Spaces do not wait for each other.
//! * Commits of one process that wait for each other share one transaction, as far as they came together.
//! * Processes over one schema behave as one. A commit wakes who waits in other processes, by `NOTIFY` right after it. If the
//!   announcement is lost, those who wait find the commit by looking: [`PostgresOptions::poll_interval`].
//! * Every read sees one moment. Runs are checked against their hash chain when they are read.
//! * A lost connection is opened again, and a question asked again. A commit whose answer is lost fails with
//!   [`Retry::Reload`](syncline::store::Retry::Reload): it is done wholly or not at all, and the status tells which. Any other
//!   failure of a commit has changed nothing.
//!
//! # How a commit is written
//!
//! A group of batches is checked and joined in memory ([`syncline::store::WriteBatch`] by batch, so that a refused one leaves no
//! trace), onto what this process remembers of the log's end. One statement writes all of it, by arrays, on condition that the
//! log is still at that revision. If another process was faster, the group waits in line for the space's row and is computed
//! again, onto what is read then. Alone on a space, a process needs one round trip for a commit.
//!
//! # Looking inside
//!
//! With `psql`, while servers run:
//!
//! ```sql
//! SET search_path = syncline;
//! SELECT * FROM attributes WHERE space = 'notes' AND entity = 'article/7';  -- space, entity, attribute, value (jsonb), at
//! SELECT * FROM bundles WHERE space = 'notes' ORDER BY position DESC LIMIT 10;  -- space, position, origin, seq, at, void, bytes
//! ```
//!
//! A value is NULL if `jsonb` cannot hold it, which knows no character NUL. A `void` was refused, and its body, `bytes` long,
//! is gone. The index `rows_by_entity` is for the first of these views alone: who does not look may drop it, and write new
//! attributes faster.
//!
//! # Scale
//!
//! All tables of logs are keyed by the space's name first, without sequences and without references between spaces, so that they
//! can be partitioned, or distributed by an engine that speaks Postgres' language, by hash of the space.
//!
//! # Behind a pooler
//!
//! The storage finds out by itself whether a pooler stands before the server, as managed databases have one. Then it takes no session for
//! its own: each request runs in a transaction that begins with its settings (`search_path`, `synchronous_commit`, the isolation and
//! the time-outs), reads back what is set, and keeps no prepared statement. PgBouncer needs no configuration for it, and may be in
//! transaction mode or in session mode. In statement mode it is refused. What that costs:
//!
//! * A request takes two to three more round trips to the pooler.
//! * Nobody can listen. Who waits for another process's commit finds it by looking, every
//!   [`poll_interval`](PostgresOptions::poll_interval). Commits of the own process wake at once, and who is not behind a pooler
//!   hears of all commits.
//! * `PGOPTIONS` cannot be passed on. Settings in the URL can: `options=-c name=value`.
//!
//! # When a standby takes over
//!
//! Let the address lead to the new primary; the storage connects again, and refuses a standby as long as it takes no writes. A
//! synchronous standby (`synchronous_standby_names`, and `synchronous_commit` at least `on`) has every commit that has returned. Another
//! one may lack the last of them, and nothing tells whether it does. So after a promotion, or a restore to a point in time, or in
//! another cluster, all logs are restored logs: they get new identities, cursors into the old ones are refused, and clients bring back
//! what is missing with their next sync. No command is needed. The server tells the change by its system identifier and its timeline; a
//! database that has no such thing is not watched in this way.
//!
//! # Features
//!
//! `tls`: encrypted connections (`sslmode=require` and above in the URL), by rustls with the system's root certificates.

mod accounts;
mod announce;
mod ask;
mod check;
mod connection;
mod connector;
mod database;
mod error;
mod history;
mod listen;
mod log;
mod number;
mod options;
mod pool;
mod rows;
mod schema;
mod session;
mod settings;
mod space;
mod stats;
mod storage;
mod store;
mod tail;
mod work;
mod write;
mod writer;

pub use accounts::PostgresAccounts;
pub use options::PostgresOptions;
pub use stats::WriterStats;
pub use storage::PostgresStorage;
