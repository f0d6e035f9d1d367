//! Compose sync engines.
pub mod clock;
pub mod event;
pub mod heads;
pub mod id;
pub mod limits;
pub mod run;
pub mod time;
pub mod wire;
pub use event::{Event, EventRef, Kind};
pub mod codec;
pub mod projection;
pub mod store;
pub use id::*;
pub use projection::{Projection, Unreadable};
pub use store::ViewId;
pub mod authority;
pub mod protocol;
pub mod transport;
