//! The layout and the threads over a map in memory, whose failures are made to order.

#![allow(clippy::unwrap_used, reason = "all of this crate is tests")]

mod close;
mod conformance;
mod damage;
mod failure;
mod format;
mod group;
mod map;
mod packing;
mod script;
