//! The laws that hold in every history, one to a file. Some are checked at every commit, some at the end.

pub(crate) mod archived;
pub(crate) mod aside;
pub(crate) mod chain;
pub(crate) mod clocks;
pub(crate) mod contiguity;
pub(crate) mod cursors;
pub(crate) mod equal;
pub(crate) mod kept;
pub(crate) mod log;
pub(crate) mod once;
pub(crate) mod oracle;
pub(crate) mod pieces;
pub(crate) mod pure;
pub(crate) mod rebuild;
pub(crate) mod refusals;
pub(crate) mod sent;
pub(crate) mod status;
pub(crate) mod taken;
pub(crate) mod times;
pub(crate) mod written;
