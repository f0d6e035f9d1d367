//! Syncline over sled.

#![allow(clippy::unwrap_used, reason = "all of this crate is tests")]

mod conformance;
mod damage;
mod directory;
mod displaced;
mod fixture;
mod format;
mod reopen;
