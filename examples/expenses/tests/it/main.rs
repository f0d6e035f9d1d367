//! The application from outside.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod proof;
mod story;
mod upgrade;
mod world;
