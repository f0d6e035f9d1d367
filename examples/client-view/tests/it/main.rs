//! The client view from outside: over real HTTP, against a real server.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod bad;
mod conflicts;
mod guard;
mod guide;
mod page;
mod proof;
mod start;
mod sync;
mod world;
