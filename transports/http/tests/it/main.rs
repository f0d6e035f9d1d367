//! The transport over real sockets.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod asking;
mod client;
mod conformance;
mod decoys;
mod forms;
mod golden;
mod history;
mod identity;
mod leaks;
mod limits;
mod mounted;
mod openapi;
mod people;
mod replicas;
mod requests;
mod shutdown;
mod site;
mod slow;
mod watching;
