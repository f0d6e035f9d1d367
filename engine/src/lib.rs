//! Compose sync engines.

pub mod authority;
pub mod clock;
pub mod codec;
pub mod event;
pub mod heads;
pub mod id;
pub mod limits;
pub mod projection;
pub mod protocol;
pub mod replica;
mod reserved;
pub mod run;
pub mod service;
pub mod store;
pub mod time;
pub mod transport;
pub mod wire;

pub use clock::{HybridClock, PhysicalClock};
pub use event::{Event, EventRef, Kind};
pub use heads::{ChainHash, Head, Heads};
pub use id::{Cursor, Dot, LogId, Position, ReplicaId, Revision, Seq, SpaceId};
pub use projection::{Projection, Unreadable};
pub use replica::Replica;
pub use run::{Append, Bundle, Run};
pub use service::Service;
pub use store::memory::{MemoryStorage, MemoryStore};
pub use store::{EventStore, Storage, StoreError, ViewId};
pub use time::{NTP64, Stamp, Timestamp};
pub use transport::{Transport, TransportError};
