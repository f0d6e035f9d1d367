//! The faults, by what they concern.

pub(crate) mod alarms;
pub(crate) mod calls;
pub(crate) mod cuts;
pub(crate) mod digests;
pub(crate) mod folds;
pub(crate) mod log;
pub(crate) mod pages;
pub(crate) mod problems;
pub(crate) mod processes;
pub(crate) mod races;
pub(crate) mod refusals;
pub(crate) mod replacements;
pub(crate) mod restarts;
pub(crate) mod rewrites;
pub(crate) mod rows;
pub(crate) mod trims;
pub(crate) mod watches;
