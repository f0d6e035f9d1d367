//! A log holds one contiguous range of seqs per origin, and positions are gapless and in commit order.

use syncline::NTP64;
use syncline::format::run::VerifiedRun;
use syncline::store::Committed;

use crate::finding::{Finding, Law};

/// A run that is appended to an origin's `count` bundles starts with the next seq, and its times rise above the `last`.
pub(crate) fn follows(count: usize, mut last: Option<NTP64>, verified: &VerifiedRun) -> Result<(), Finding> {
    let (expected, first) = (count as u64 + 1, verified.run().first());
    if first.get() != expected {
        let detail = format!("a log took bundle {first} of {}, but {expected} comes next", verified.run().origin());
        let law = if first.get() < expected { Law::NothingTwice } else { Law::Contiguous };
        return Err(Finding { law, detail });
    }
    for bundle in verified.run().bundles() {
        if last.is_some_and(|last| bundle.time <= last) {
            let detail = format!("bundle {} is not later than the one before it", bundle.dot);
            return Err(Finding { law: Law::ClocksStayBound, detail });
        }
        last = Some(bundle.time);
    }
    Ok(())
}

/// A commit answers with the next revision, and with the position of the last bundle.
pub(crate) fn counted(expected: (u64, u64), committed: Committed) -> Result<(), Finding> {
    let answered = (committed.revision.get(), committed.head.get());
    if answered != expected {
        let detail = format!("a commit answered (revision, head) {answered:?}, but {expected:?} is right");
        return Err(Finding { law: Law::StoreKeepsItsWord, detail });
    }
    Ok(())
}
