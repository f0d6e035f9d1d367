//! What can be amiss with a store after a crash.

use std::fmt;

use serde::{Deserialize, Serialize};
use syncline::id::Revision;
use syncline::{Dot, LogId, Position, Seq, ViewId};

/// One thing that is amiss.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// Acknowledged bundles of an origin are not there.
    Lost {
        /// The last that is there; the origin and its last seq.
        last: Dot,
        /// The last that was acknowledged.
        acknowledged: Seq,
    },
    /// The log stands before an acknowledged revision.
    RevisionBehind {
        /// Where it stands.
        found: Revision,
        /// What was acknowledged.
        acknowledged: Revision,
    },
    /// The views stand before an acknowledged position.
    FoldBehind {
        /// Where they stand.
        found: Position,
        /// What was acknowledged.
        acknowledged: Position,
    },
    /// The log keeps bundles that were acknowledged to be trimmed.
    BaseBehind {
        /// Where it begins.
        found: Position,
        /// What was acknowledged.
        acknowledged: Position,
    },
    /// The log is not there any more, and an empty one stands in its place.
    Gone {
        /// The log that was there.
        known: LogId,
    },
    /// The log is another one, and is not empty.
    OtherLog {
        /// The log that was there.
        known: LogId,
        /// The log that is there now.
        found: LogId,
    },
    /// The log is one that another one has replaced.
    LogBehind {
        /// The log that is there.
        found: LogId,
        /// The log that was acknowledged to be in its place.
        acknowledged: LogId,
    },
    /// A snapshot was taken to its end, and rows of it are left.
    LeftBehind {
        /// The view of the engine that they are in.
        view: ViewId,
        /// How many there are.
        rows: usize,
    },
    /// A place of the log has no bundle, or two.
    Hole {
        /// The place that is due.
        due: Position,
        /// The place of the run that is there.
        found: Position,
    },
    /// An origin's bundles do not follow each other.
    SeqBroken {
        /// The seq that is due.
        due: Seq,
        /// The bundle that is there.
        found: Dot,
    },
    /// A bundle is not the one that was written, or hashes to something else.
    WrongBundle {
        /// Which.
        dot: Dot,
        /// What is wrong with it.
        what: Wrong,
    },
    /// A bundle's origin is none of the writers.
    Stranger {
        /// Which.
        dot: Dot,
    },
    /// An origin ends in the middle of a commit, or with a bundle that nobody wrote.
    TornCommit {
        /// Where it ends.
        last: Dot,
    },
    /// A bundle was acknowledged to lie elsewhere.
    Misplaced {
        /// The bundle.
        dot: Dot,
        /// Where it was acknowledged to lie.
        acknowledged: Position,
        /// Where it lies.
        found: Option<Position>,
    },
    /// What the log says of itself does not fit what it holds.
    StatusWrong {
        /// Which part of it.
        part: StatusPart,
    },
    /// Reading by origins shows another log than reading in commit order.
    OriginsDiffer {
        /// Whose bundles.
        dot: Dot,
    },
    /// The views are folded up to different places, which no commit does.
    FoldsDiffer,
    /// A row is not what the log folds to.
    RowWrong {
        /// The view.
        view: ViewId,
        /// Its key, in hex.
        key: String,
        /// Whether it is missing, too much, or another.
        what: RowTrouble,
    },
}

/// What is wrong with a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wrong {
    /// Its body.
    Body,
    /// Its time.
    Time,
    /// The chain hash before its run.
    Previous,
    /// The chain hash that its run carries.
    Check,
}

/// A part of a log's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusPart {
    /// The position of the last bundle.
    Head,
    /// How many bundles have been trimmed.
    Base,
    /// The last bundle of each origin, its hash and its time.
    Heads,
    /// The largest time.
    Clock,
    /// The revision: bundles are there and no commit.
    Revision,
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowTrouble {
    /// It is not there.
    Missing,
    /// No event makes it.
    Invented,
    /// It has another state.
    Stale,
}

impl Finding {
    /// Whether it tells of a loss alone: what a store that promises less than a power cut may show after one.
    pub fn is_loss(&self) -> bool {
        matches!(
            self,
            Self::Lost { .. }
                | Self::RevisionBehind { .. }
                | Self::FoldBehind { .. }
                | Self::BaseBehind { .. }
                | Self::LogBehind { .. }
                | Self::Gone { .. }
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).expect("a finding is plain data"))
    }
}
