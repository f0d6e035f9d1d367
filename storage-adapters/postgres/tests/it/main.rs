//! The adapter against real servers.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

mod account_tables;
mod accounts;
mod conformance;
mod damage;
mod durability;
mod failover;
mod fixture;
mod format;
mod limits;
mod lost;
mod pooler;
mod processes;
mod proxy;
mod shell;
mod tls;
