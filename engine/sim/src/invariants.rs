//! The laws that hold in every history, one to a file. Some are checked at every commit, some at the end.

pub(crate) mod chain;
pub(crate) mod clocks;
pub(crate) mod contiguity;
pub(crate) mod cursors;
