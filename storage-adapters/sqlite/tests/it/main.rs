//! SQLite as a store: the laws of the kit, and what is its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

mod account_tables;
mod accounts;
mod backup;
mod conformance;
mod damage;
mod displaced;
mod file;
mod fixture;
mod format;
mod group;
mod in_use;
mod index;
mod leftover;
mod packing;
mod reopen;
mod shell;
