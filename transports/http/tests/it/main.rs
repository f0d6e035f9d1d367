//! The transport over real sockets.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod asking;
mod chance;
mod client;
mod conformance;
mod crowd;
mod decoys;
mod faults;
mod fleet;
mod forms;
mod front;
mod golden;
mod history;
mod identity;
mod leaks;
mod limits;
mod live;
mod memory;
mod mounted;
mod openapi;
mod origins;
mod people;
mod pooled;
mod proxy;
mod replicas;
mod requests;
mod shutdown;
mod site;
mod slow;
mod snapshots;
mod watching;
