//! The lab: its histories, its teeth, and what it does for a user's own projections and stores.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod crdts;
mod guide;
mod on_disk;
mod order;
mod program;
mod projections;
mod seeds;
mod shrinking;
mod stores;
mod stories;
mod teeth;
mod user;
mod versions;
