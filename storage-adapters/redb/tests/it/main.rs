//! Syncline over redb.

#![allow(clippy::unwrap_used, reason = "all of this crate is tests")]

mod conformance;
mod damage;
mod displaced;
mod file;
mod fixture;
mod format;
mod reopen;
