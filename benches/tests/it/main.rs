//! Keeps the measurements alive: every piece of work runs on few events, and ours and by hand come to the same rows.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod alike;
mod choose;
mod compare;
mod libraries;
mod weight;
