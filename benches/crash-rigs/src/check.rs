//! Compares what a store shows with what it has acknowledged, and with what it ought to hold.

mod compare;
mod finding;
mod import;
mod report;
mod snapshot;

pub use compare::compare;
pub use finding::Finding;
pub use report::Report;
pub use snapshot::Snapshot;

use syncline::ReplicaError;
use syncline::store::Storage;

use crate::ledger::{Import, Ledger};
use crate::script::{REPLACED, SPACES, Script};

/// Reads every space of a store, in which nothing is being written, and compares. The replica of the space whose log is replaced is opened
/// first, so that it ends what a crash has interrupted.
///
/// # Errors
/// [`ReplicaError`] if the store cannot be read, or the replica cannot be opened. What it lost or damaged is in the report.
pub async fn check(storage: &dyn Storage, script: Script, ledger: &Ledger) -> Result<Report, ReplicaError> {
    let mut report = Report::default();
    for space in 0..SPACES {
        let store = storage.open(&script.space(space)).await?;
        let mut import = Import::None;
        if space == REPLACED {
            import = import::end(script, &store).await?;
            report.findings.extend(import::left_behind(&*store).await?);
        }
        let snapshot = Snapshot::read(&*store).await?;
        let known = ledger.spaces.get(&space).cloned().unwrap_or_default();
        compare(&snapshot, script, space, &known, &mut report);
        report.found.last_mut().expect("the space was compared").import = import;
    }
    Ok(report)
}
