//! A law found broken.

use std::fmt;

/// The laws that the lab checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Law {
    /// What was acknowledged is everywhere in the end.
    AcknowledgedIsKept,
    /// No bundle is in a log twice.
    NothingTwice,
    /// What was sent once is not rewritten under its name.
    SentStays,
    /// No bundle is in a log that nobody has written.
    NothingInvented,
    /// Per origin one contiguous range of seqs; positions gapless and in commit order.
    Contiguous,
    /// Heads and chain hashes are those of the bundles.
    ChainHolds,
    /// After healing all logs hold the same bundles and all replicas have the same rows.
    EqualAfterHealing,
    /// Every replica has put the same events aside: those that its newest version cannot read.
    AsideIsAlike,
    /// Rows are those that a rebuild from the log gives.
    RowsAreTheFold,
    /// Rows are those that the oracle expects.
    RowsAreRight,
    /// A cursor never stands behind a bundle that was not read.
    CursorsNeverSkip,
    /// Times rise per origin, and no foreign clock drags another further than the bound.
    ClocksStayBound,
    /// An edit under a right clock keeps its time, unless a report has named a correction.
    RightClocksCount,
    /// A clock is corrected on evidence only, and within its bound.
    CorrectionsHaveEvidence,
    /// Nothing waits behind a refused bundle, and no refused event stays in the rows.
    NothingWaitsBehindRefusals,
    /// Status and outcomes say what is so.
    StatusIsTrue,
    /// When the faults have stopped, everything is exchanged within the stated number of rounds.
    ComesToRest,
    /// Nothing that passes ends a live sync.
    LiveGoesOn,
    /// The projection does not panic, and folds equal events into equal rows, however those of different origins interleave.
    ProjectionIsPure,
    /// The store does what its trait says.
    StoreKeepsItsWord,
    /// Nothing panics.
    NoPanic,
    /// What a server has trimmed is in its archive.
    HistoryIsKept,
    /// A device keeps nothing of a snapshot that it has taken.
    NothingLeftBehind,
    /// An origin belongs to the device that writes under it, and to nobody else.
    OriginsStay,
    /// The histories touch what is under test, and devices meet in its rows.
    SomethingIsTested,
}

impl Law {
    /// Every law.
    pub const ALL: &[Self] = &[
        Self::AcknowledgedIsKept,
        Self::NothingTwice,
        Self::SentStays,
        Self::NothingInvented,
        Self::Contiguous,
        Self::ChainHolds,
        Self::EqualAfterHealing,
        Self::AsideIsAlike,
        Self::RowsAreTheFold,
        Self::RowsAreRight,
        Self::CursorsNeverSkip,
        Self::ClocksStayBound,
        Self::RightClocksCount,
        Self::CorrectionsHaveEvidence,
        Self::NothingWaitsBehindRefusals,
        Self::StatusIsTrue,
        Self::ComesToRest,
        Self::LiveGoesOn,
        Self::ProjectionIsPure,
        Self::StoreKeepsItsWord,
        Self::NoPanic,
        Self::HistoryIsKept,
        Self::NothingLeftBehind,
        Self::OriginsStay,
        Self::SomethingIsTested,
    ];
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AcknowledgedIsKept => "what was acknowledged is kept",
            Self::NothingTwice => "no bundle is in a log twice",
            Self::SentStays => "what was sent keeps what it says",
            Self::NothingInvented => "no bundle comes from nowhere",
            Self::Contiguous => "logs have no holes",
            Self::ChainHolds => "heads and chain hashes are those of the bundles",
            Self::EqualAfterHealing => "after healing all replicas are equal",
            Self::AsideIsAlike => "every replica puts the same events aside",
            Self::RowsAreTheFold => "rows are the fold of the log",
            Self::RowsAreRight => "rows are what the oracle expects",
            Self::CursorsNeverSkip => "cursors never skip",
            Self::ClocksStayBound => "clocks rise and stay within their bound",
            Self::RightClocksCount => "an edit under a right clock keeps its time",
            Self::CorrectionsHaveEvidence => "clocks are corrected on evidence only",
            Self::NothingWaitsBehindRefusals => "nothing waits behind a refusal",
            Self::StatusIsTrue => "status never lies",
            Self::ComesToRest => "when the faults stop, everything is exchanged",
            Self::LiveGoesOn => "nothing that passes ends a live sync",
            Self::ProjectionIsPure => "a projection is pure and order-independent",
            Self::StoreKeepsItsWord => "a store does what its trait says",
            Self::NoPanic => "nothing panics",
            Self::HistoryIsKept => "what was trimmed is in the archive",
            Self::NothingLeftBehind => "nothing is left behind of a snapshot that was taken",
            Self::OriginsStay => "no device owns what another writes",
            Self::SomethingIsTested => "the histories touch what is under test",
        })
    }
}

/// A law that did not hold in a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which law.
    pub law: Law,
    /// Where, and what was seen instead.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.law, self.detail)
    }
}
