//! What travels and what is stored, byte by byte: the bodies of bundles, runs, heads, times, and the codec of messages.
//!
//! Somebody who writes an application needs little of it. Somebody who writes a store, a transport or another implementation
//! does; `docs/format.md` has the same in words.

pub mod codec;
pub mod event;
pub mod heads;
pub(crate) mod packed;
pub mod run;
pub(crate) mod sealed;
pub mod time;
pub mod wire;

pub use heads::{ChainHash, Head, Heads};
pub use run::{Bundle, Run, VerifiedRun};
pub use time::{Stamp, Timestamp};
