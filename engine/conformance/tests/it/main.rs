//! Tests of the kit itself.

#![allow(clippy::unwrap_used, reason = "all of this crate is tests")]

mod archives;
#[cfg(unix)]
mod broken_files;
mod broken_stores;
mod broken_transports;
mod crdts;
mod draft;
mod drafted;
mod fault;
mod line;
mod meeting;
mod memory;
mod outside;
mod projections;
mod register;
mod spoil;
mod twins;
