//! Compares what a store shows with what it has acknowledged, and with what it ought to hold.

mod compare;
mod finding;
mod snapshot;

pub use compare::compare;
pub use finding::Finding;
pub use snapshot::Snapshot;

use serde::{Deserialize, Serialize};
use syncline::StoreError;
use syncline::store::Storage;

use crate::ledger::{Found, Ledger};
use crate::script::{SPACES, Script};

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

/// Reads every space of a store, in which nothing is being written, and compares.
///
/// # Errors
/// [`StoreError`] if the store cannot be read. What it lost or damaged is in the report.
pub async fn check(storage: &dyn Storage, script: Script, ledger: &Ledger) -> Result<Report, StoreError> {
    let mut report = Report::default();
    for space in 0..SPACES {
        let store = storage.open(&script.space(space)).await?;
        let snapshot = Snapshot::read(&*store).await?;
        let known = ledger.spaces.get(&space).cloned().unwrap_or_default();
        compare(&snapshot, script, space, &known, &mut report);
    }
    Ok(report)
}
