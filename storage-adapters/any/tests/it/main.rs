//! Stores by name, and logs that move between all of them.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod names;
mod opening;
mod portable;
mod stores;
