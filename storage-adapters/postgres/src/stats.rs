//! How much was committed.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was committed through a storage since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterStats {
    /// Commits that were made.
    pub commits: u64,
    /// Transactions, each one wait for the disk, that these commits shared.
    pub transactions: u64,
}

/// How much was committed since the storage was opened.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    commits: AtomicU64,
    transactions: AtomicU64,
}

impl Counts {
    /// Counts one transaction of so many commits.
    pub(crate) fn count(&self, commits: usize) {
        self.commits.fetch_add(commits as u64, Ordering::Relaxed);
        self.transactions.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> WriterStats {
        let (commits, transactions) = (&self.commits, &self.transactions);
        WriterStats { commits: commits.load(Ordering::Relaxed), transactions: transactions.load(Ordering::Relaxed) }
    }
}
