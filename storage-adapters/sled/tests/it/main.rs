//! Syncline over sled.

#![allow(clippy::unwrap_used, reason = "all of this crate is tests")]

mod conformance;
