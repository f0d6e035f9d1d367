//! The real program: its processes, its sockets, its files.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod administration;
mod away;
mod backup;
mod carrying;
mod configuration;
mod damage;
mod disk_full;
mod displaced;
mod failover;
mod first_session;
mod killing;
mod lifecycle;
mod log;
mod logging;
mod metrics;
mod moving;
mod owning;
mod permission;
mod small;
mod stores;
mod world;
