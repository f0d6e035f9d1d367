//! Compares what a store shows with what it has acknowledged, and with what it ought to hold.

mod compare;
mod finding;
mod report;
mod snapshot;

pub use compare::compare;
pub use finding::Finding;
pub use report::Report;
pub use snapshot::Snapshot;

use syncline::StoreError;
use syncline::store::Storage;

use crate::ledger::Ledger;
use crate::script::{SPACES, Script};

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
