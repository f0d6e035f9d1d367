//! Why a store did not do what it was asked.

use thiserror::Error;

use super::Holder;
use crate::id::{Cursor, Dot, LogId, Position, ReplicaId, Revision, Seq};

/// A backend's own error, kept whole.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The reason why a store refused or failed. The caller must react differently to each variant; see [`StoreError::retry`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The log has moved on since the batch was computed.
    #[error("the log is at revision {found}, the batch was computed from {expected}; reload and compute it again")]
    Conflict {
        /// The revision the batch expected.
        expected: Revision,
        /// The revision the log is at.
        found: Revision,
    },
    /// A run does not follow its origin's last bundle.
    #[error("bundle {got} cannot be appended: the log takes seq {expected} of that origin next")]
    OutOfOrder {
        /// The seq the log takes next.
        expected: Seq,
        /// The bundle offered.
        got: Dot,
    },
    /// A run follows by number but not by hash: these are two histories of one origin.
    #[error("bundle {got} continues another history of its origin than this log holds")]
    WrongChain {
        /// The bundle offered.
        got: Dot,
    },
    /// A void names a bundle that the log does not hold.
    #[error("bundle {dot} is not in the log and cannot be made void")]
    NoSuchBundle {
        /// The bundle named.
        dot: Dot,
    },
    /// A rewrite does not fill exactly the places that it empties.
    #[error(
        "the rewritten tail of {origin} does not fill the places of the old one; read the tail again and rewrite that"
    )]
    Misplaced {
        /// Whose tail was to be rewritten.
        origin: ReplicaId,
    },
    /// A bundle that the log has had is not kept any longer.
    #[error(
        "bundle {dot} is no longer in the log, which keeps what lies behind position {base}; take it from an archive, or \
         from a peer that keeps more"
    )]
    Trimmed {
        /// The bundle asked for.
        dot: Dot,
        /// The log's base.
        base: Position,
    },
    /// The log was to begin anew under the identity that it has.
    #[error(
        "log {log} cannot be replaced under its own identity, since old cursors would seem to fit; give it a new one"
    )]
    SameLog {
        /// The log's identity, which is also the replacement's.
        log: LogId,
    },
    /// The log was to be trimmed further than it reaches.
    #[error("the log ends at position {head} and cannot be trimmed up to {trim}; trim it up to its head at most")]
    TrimBeyondHead {
        /// The new base that was asked for.
        trim: Position,
        /// The log's head before the runs of the batch.
        head: Position,
    },
    /// The log cannot serve what follows this cursor completely.
    #[error("cursor {cursor} cannot be served by log {log} (cursors {base} to {head}); start again from your heads")]
    CursorGone {
        /// The cursor asked for.
        cursor: Cursor,
        /// The log asked.
        log: LogId,
        /// Its base, the oldest cursor that it serves. A cursor of this log that is smaller has been trimmed.
        base: Position,
        /// Its head, the newest cursor that it serves.
        head: Position,
    },
    /// Something exceeds a limit of [`limits`](crate::limits).
    #[error("{what} is {size} large, the limit is {max}; split it")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its size.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// The data was written by a newer build, or by another program.
    #[error("{what} has format {found}, this build reads up to {newest}; upgrade Syncline, or open another file")]
    UnsupportedFormat {
        /// What was opened.
        what: String,
        /// The format found.
        found: String,
        /// The newest this build reads.
        newest: u32,
    },
    /// Stored bytes do not read back.
    #[error("{backend}: stored data is damaged at {at}: {why}; restore a backup, or sync into a new store")]
    Corrupt {
        /// The backend.
        backend: &'static str,
        /// Where.
        at: String,
        /// How.
        why: String,
    },
    /// The data is open already, and this backend allows one handle at a time.
    #[error("{backend}: {what} is in use by {by}")]
    InUse {
        /// The backend.
        backend: &'static str,
        /// What is in use.
        what: String,
        /// Who has it open.
        by: Holder,
    },
    /// An earlier commit failed, and the handle can no longer be trusted.
    #[error("{backend}: an earlier commit failed ({why}); reopen the store before using it again")]
    Poisoned {
        /// The backend.
        backend: &'static str,
        /// What failed.
        why: String,
    },
    /// The backend failed. After a commit the outcome may be unknown.
    #[error("{backend}: {source}")]
    Backend {
        /// The backend.
        backend: &'static str,
        /// What the caller can do.
        retry: Retry,
        /// The backend's error.
        #[source]
        source: BoxError,
    },
}

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Nothing: the same call fails again.
    Never,
    /// Read the status again, rebuild the batch, try again.
    Reload,
    /// Wait and try again.
    Later,
}

impl StoreError {
    /// What the caller can do about it.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Conflict { .. } | Self::OutOfOrder { .. } | Self::Misplaced { .. } | Self::TrimBeyondHead { .. } => {
                Retry::Reload
            }
            Self::InUse { .. } => Retry::Later,
            Self::Backend { retry, .. } => *retry,
            _ => Retry::Never,
        }
    }
}
