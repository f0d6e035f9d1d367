//! The rigs without crashes: the check finds every kind of trouble, and a store that is written to and closed has none.

#![allow(clippy::unwrap_used, reason = "all of this crate is tests")]

mod document;
mod imports;
mod kills;
mod stores;
mod twins;
mod verdicts;
