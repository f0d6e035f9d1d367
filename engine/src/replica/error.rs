//! Why a replica could not do what it was asked.

use std::sync::Arc;

use thiserror::Error;

use crate::archive::{ArchiveError, HistoryError};
use crate::clock::ClockExhausted;
use crate::format::wire::DecodeError;
use crate::id::{Dot, InvalidId, Position};
use crate::projection::Cause;
use crate::store::{StoreError, ViewId};

/// Why a replica could not do what it was asked.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ReplicaError {
    /// The events exceed a limit, or there are none.
    #[error(transparent)]
    Invalid(#[from] DecodeError),
    /// A typed event has no form as an event: a fault in its enum, or in the value.
    #[error(transparent)]
    Unwritable(#[from] crate::typed::Unwritable),
    /// The clock is used up.
    #[error(transparent)]
    Clock(#[from] ClockExhausted),
    /// There is no such dead letter: the bundle was not refused, or its letter has been dealt with.
    #[error("{dot} has no dead letter, or none any more; ask for its outcome")]
    NoDeadLetter {
        /// The bundle asked for.
        dot: Dot,
    },
    /// Two projections have one view, or one has a view of the engine's: the replica was not opened.
    #[error(transparent)]
    View(InvalidId),
    /// The replica does not maintain this view.
    #[error("the replica has no view {view}; add its projection when opening the replica")]
    NoSuchView {
        /// The view asked for.
        view: String,
    },
    /// The replica maintains this view, so the view cannot be dropped.
    #[error("the replica maintains {view}; open it without that projection, then drop the view")]
    Maintained {
        /// The view asked for.
        view: ViewId,
    },
    /// A view cannot fold an event of this bundle: its projection panics on it, or a limit is exceeded. Nothing of the bundle was
    /// written; other writes continue.
    #[error("view {view} cannot fold event {index} of the bundle, so that nothing of it was written: {cause}")]
    Unfoldable {
        /// The view.
        view: ViewId,
        /// The event's index in the bundle.
        index: u16,
        /// Why.
        cause: Cause,
    },
    /// The bundle would let a row grow beyond the limit of own writes, see [`Compose::row_bytes_max`](super::Compose::row_bytes_max).
    /// Nothing of it was written. Other writes continue, including those that make this row smaller.
    #[error(
        "row {key:?} of {view} would grow to {bytes} bytes, an own write may let it grow to {max}: write less into it, take something \
         out of it first, or let the projection give its parts rows of their own"
    )]
    RowTooLarge {
        /// The row's view.
        view: ViewId,
        /// The row's key, for a person.
        key: String,
        /// How many bytes the row would have.
        bytes: usize,
        /// How many it may have.
        max: usize,
    },
    /// A stored row cannot be read back as its projection's state.
    #[error(
        "row {key:?} of {view} cannot be read back: {why}; rebuild the view, or give it a new version if its state has changed"
    )]
    Row {
        /// The view.
        view: ViewId,
        /// The row's key, for a person.
        key: String,
        /// Why.
        why: String,
    },
    /// This takes bundles that the log does not keep any more. Nothing has changed.
    #[error(
        "view {view} cannot be folded from the log, whose bundles up to position {base} have been trimmed: sync with a peer that has a \
         snapshot with this view, name the archive that they are in, leave its projection out, or start again with an empty store and a \
         peer that keeps the whole log"
    )]
    NeedsHistory {
        /// The view.
        view: ViewId,
        /// The log's base.
        base: Position,
    },
    /// The [archive](super::Compose::archive) has not taken bundles, or does not give them back. Nothing has changed.
    #[error(transparent)]
    Archive(Arc<ArchiveError>),
    /// The store refused or failed.
    #[error(transparent)]
    Store(Arc<StoreError>),
}

impl From<StoreError> for ReplicaError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<ArchiveError> for ReplicaError {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(Arc::new(error))
    }
}

impl From<HistoryError> for ReplicaError {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Archive(error) => error.into(),
            HistoryError::Store(error) => error.into(),
        }
    }
}
