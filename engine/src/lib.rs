//! Compose sync engines: an append-only log, a store, a transport, a clock and your own folds.
//!
//! Replicas record what happened as immutable [`Event`]s, work offline, exchange logs and always reach the same state.
//!
//! ```
//! use std::sync::Arc;
//! use syncline::authority::AllowAll;
//! use syncline::{Event, EventType, LogId, MemoryStorage, MemoryStore, NTP64, Replica, ReplicaId, Service, SpaceId};
//! use syncline_memory::MemoryTransport;
//!
//! # futures_executor::block_on(async {
//! // A server, and a transport to it. Outside of an example, ids are random and clocks are real.
//! let storage = Arc::new(MemoryStorage::new(|| LogId::from_bytes([9; 16]).expect("not zero")));
//! let service = Arc::new(Service::new(storage, Arc::new(AllowAll), Arc::new(|| NTP64(1 << 32))));
//! let server = MemoryTransport::new(service, "token").await.unwrap();
//!
//! // Two devices.
//! let device = |byte: u8| {
//!     let store = Arc::new(MemoryStore::new(LogId::from_bytes([byte; 16]).expect("not zero")));
//!     let id = ReplicaId::from_bytes([byte; 16]).expect("not zero");
//!     Replica::compose(SpaceId::new("notes").unwrap(), store).clock(|| NTP64(1 << 32)).open(id)
//! };
//! let (phone, laptop) = (device(1).await.unwrap(), device(2).await.unwrap());
//!
//! // One of them writes offline. Then both sync.
//! phone.write(&[Event::new(EventType::new("note.taken", 1), "buy milk")]).await.unwrap();
//! phone.sync(&server).await.unwrap();
//! assert_eq!(laptop.sync(&server).await.unwrap().pulled, 1);
//! # });
//! ```
//!
//! # The map
//!
//! Three traits make a stack: [`EventStore`] (with [`Storage`]) keeps a log and rows, [`Projection`] folds events into rows,
//! [`Transport`] is the way to a peer. [`Replica`] composes them on a device, [`Service`] on a server.
//!
//! | if you | read |
//! |---|---|
//! | want to write and read data without your own events | [`Replica`], [`attributes`] |
//! | have your own events and views | [`typed`], [`crdt`], and the guide [`modelling`]; [`projection`] is the raw form |
//! | run a server | [`Service`], [`authority`], [`authority::accounts`] |
//! | move a log between stores, or keep it as a file | [`portable`] |
//! | keep the history of logs that are trimmed | [`archive`] |
//! | let new devices begin without the log's history, and keep logs small | [`snapshot`], [`Replica::trim`] |
//! | implement a store | [`store`]: the trait file is the specification |
//! | implement a transport | [`transport`], [`protocol`] |
//! | implement the format in another language | [`format`](mod@format), and `docs/format.md` |
//!
//! The engine starts no thread and no runtime, reads no clock and no random source, and compiles to WebAssembly.

#[doc = include_str!("../docs/modelling.md")]
pub mod modelling {}

pub mod archive;
pub mod attributes;
pub mod authority;
mod caught;
pub mod clock;
pub mod crdt;
pub mod format;
pub mod id;
pub mod limits;
pub mod portable;
pub mod projection;
pub mod protocol;
pub mod replica;
mod reserved;
pub mod service;
pub mod snapshot;
pub mod store;
#[doc(hidden)]
pub mod tools;
pub mod transport;
mod trust;
pub mod typed;

pub use clock::PhysicalClock;
pub use format::event::{Event, EventRef, EventType};
pub use format::time::NTP64;
pub use id::{Cursor, Dot, LogId, Position, ReplicaId, Seq, SpaceId};
pub use projection::{Projection, Unreadable};
pub use replica::{AckLevel, Outcome, Replica, ReplicaError, SyncError, SyncReport, Written};
pub use service::Service;
pub use store::memory::{MemoryStorage, MemoryStore};
pub use store::{EventStore, Storage, StoreError, ViewId};
pub use transport::{Transport, TransportError};
pub use typed::{TypedEvent, TypedProjection};
