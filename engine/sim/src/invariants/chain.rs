//! Heads and chain hashes are those of the bundles, recomputed one by one.

use syncline::format::ChainHash;
use syncline::format::run::VerifiedRun;

use crate::finding::{Finding, Law};

/// A run is appended behind the bundle that it was proved to follow.
pub(crate) fn continues(before: ChainHash, verified: &VerifiedRun) -> Result<(), Finding> {
    if verified.previous() == before {
        return Ok(());
    }
    let run = verified.run();
    let detail = format!("bundle {} of {} was appended to another history than its own", run.first(), run.origin());
    Err(Finding { law: Law::ChainHolds, detail })
}

/// The chain hash after a run's last bundle is the one it was appended with, and the one it carries.
pub(crate) fn ends(after: ChainHash, verified: &VerifiedRun) -> Result<(), Finding> {
    let run = verified.run();
    if verified.head().chain == after && run.check() == after.check() {
        return Ok(());
    }
    let detail = format!("up to bundle {} of {} the chain hash is not that of the bundles", run.last(), run.origin());
    Err(Finding { law: Law::ChainHolds, detail })
}
