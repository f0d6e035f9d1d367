//! A log holds one contiguous range of seqs per origin, and positions are gapless and in commit order.

use syncline::format::run::VerifiedRun;
use syncline::store::Committed;

use crate::finding::{Finding, Law};
use crate::image::{Entry, Image};

/// An appended run starts with the next seq of its origin, and its times rise above the last.
pub(crate) fn follows(entries: &[Entry], verified: &VerifiedRun) -> Result<(), Finding> {
    let (expected, first) = (entries.len() as u64 + 1, verified.run().first());
    if first.get() != expected {
        let detail = format!("a log took bundle {first} of {}, but {expected} comes next", verified.run().origin());
        let law = if first.get() < expected { Law::NothingTwice } else { Law::Contiguous };
        return Err(Finding { law, detail });
    }
    let mut last = entries.last().map(|entry| entry.time);
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
pub(crate) fn counted(image: &Image, committed: Committed) -> Result<(), Finding> {
    let expected = (image.revision, image.head());
    let answered = (committed.revision.get(), committed.head.get());
    if answered != expected {
        let detail = format!("a commit answered (revision, head) {answered:?}, but {expected:?} is right");
        return Err(Finding { law: Law::StoreKeepsItsWord, detail });
    }
    Ok(())
}
