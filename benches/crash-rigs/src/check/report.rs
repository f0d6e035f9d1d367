//! What a look into a store has found.

use serde::{Deserialize, Serialize};

use super::finding::Finding;
use crate::ledger::Found;

/// What a look into a whole store has found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What is there.
    pub found: Vec<Found>,
    /// Bundles that are there.
    pub bundles: u64,
    /// Bundles that were acknowledged and are not there.
    pub lost: u64,
    /// What is amiss.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether what is there is right in itself, whatever may be lost.
    pub fn is_consistent(&self) -> bool {
        self.findings.iter().all(Finding::is_loss)
    }
}
